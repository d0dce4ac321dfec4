package certs

import (
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ensured(t *testing.T, state layout.State, at time.Time) map[string]string {
	t.Helper()
	if err := Ensure(state, at); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	entries, err := os.ReadDir(state.PKI(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(state.PKI(entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(data)
	}
	return files
}

func TestEnsureMakesValidCertificates(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	ensured(t, state, now)
	i := issuer{path: state.PKI, now: now}
	for _, l := range leaves() {
		authority, err := i.load(l.authority)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(authority.cert)
		own, err := i.load(l.name)
		if err != nil {
			t.Fatal(err)
		}
		options := x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{l.usage()}}
		if _, err := own.cert.Verify(options); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		for _, host := range l.hosts {
			if err := own.cert.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", l.name, err)
			}
		}
	}
}

func TestEnsureKeepsWhatIsGood(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	first := ensured(t, state, now)
	second := ensured(t, state, now.Add(24*time.Hour))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("a second start changes files: -first +second\n%s", diff)
	}
}

func TestEnsureRepairs(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		damage func(t *testing.T, state layout.State)
		later  time.Duration
		anew   []string // files that must differ afterwards
		same   []string
	}{
		"Expiring": {
			reason: "a certificate is replaced before it expires, its authority is not",
			later:  leafLifetime - margin + time.Hour,
			anew:   []string{"admin.crt", "kube-apiserver.crt"},
			same:   []string{"ca.crt", "service-accounts.key"},
		},
		"LostKey": {
			reason: "a certificate without its key is replaced",
			damage: func(t *testing.T, state layout.State) { remove(t, state.PKI("kubelet.key")) },
			anew:   []string{"kubelet.crt", "kubelet.key", "kubelet.kubeconfig"},
			same:   []string{"ca.crt", "admin.crt"},
		},
		"LostAuthority": {
			reason: "with a new authority all certificates are new",
			damage: func(t *testing.T, state layout.State) { remove(t, state.PKI("ca.crt")) },
			anew:   []string{"ca.crt", "admin.crt", "kubelet.crt"},
			same:   []string{"front-proxy-client.crt"},
		},
		"Mixed": {
			reason: "a key that was replaced without its certificate is noticed",
			damage: func(t *testing.T, state layout.State) {
				data, err := os.ReadFile(state.PKI("admin.key"))
				if err == nil {
					err = os.WriteFile(state.PKI("kubelet.key"), data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			},
			anew: []string{"kubelet.crt", "kubelet.key"},
			same: []string{"admin.crt"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := layout.State{Root: t.TempDir()}
			before := ensured(t, state, now)
			if tc.damage != nil {
				tc.damage(t, state)
			}
			after := ensured(t, state, now.Add(tc.later))
			for _, file := range tc.anew {
				if before[file] == after[file] {
					t.Errorf("%s: %s is the same", tc.reason, file)
				}
			}
			for _, file := range tc.same {
				if before[file] != after[file] {
					t.Errorf("%s: %s has changed", tc.reason, file)
				}
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestKubeconfigIsPrivate(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	ensured(t, state, now)
	info, err := os.Stat(state.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the administrator's key: %s", info.Mode())
	}
	data, err := os.ReadFile(state.Kubeconfig())
	if err != nil || !strings.Contains(string(data), "server: "+layout.APIServerURL()+"\n") {
		t.Errorf("kubeconfig without the server: %v", err)
	}
	if strings.Contains(string(data), "%!") {
		t.Errorf("kubeconfig has a hole:\n%s", data)
	}
}

func TestClientTLS(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	ensured(t, state, time.Now())
	config, err := ClientTLS(state)
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Certificates) != 1 || config.RootCAs == nil || config.InsecureSkipVerify {
		t.Error("the client does not prove who it is, or does not ask the server to")
	}
}
