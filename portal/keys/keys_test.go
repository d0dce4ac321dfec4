package keys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// places are all implementations of the one interface.
func places(t *testing.T) map[string]keys.Place {
	t.Helper()
	return map[string]keys.Place{
		"Dir":     keys.Dir(filepath.Join(t.TempDir(), "keys")),
		"Cluster": keys.Cluster{Client: fake.NewClientset(), Namespace: "weft-system"},
	}
}

var secrets = []string{keys.IdentityFile, keys.RequestFile, keys.VaultFile}

func content(t *testing.T, place keys.Place) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range secrets {
		data, err := place.Get(t.Context(), file)
		if err != nil {
			t.Fatalf("%s: %v", place.Name(file), err)
		}
		all[file] = string(data)
	}
	return all
}

// TestInit runs every place through the same life.
func TestInit(t *testing.T) {
	t.Parallel()
	for name, place := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := place.Get(t.Context(), keys.VaultFile); !errors.Is(err, keys.ErrAbsent) {
				t.Fatalf("before: %v, want ErrAbsent", err)
			}
			if _, err := keys.LoadIdentity(t.Context(), place); err == nil || !strings.Contains(err.Error(), "portal init") {
				t.Errorf("loading what is missing: %v, want an error that says how to make it", err)
			}
			var replicas sync.WaitGroup
			for range 4 {
				replicas.Go(func() {
					if err := keys.Init(t.Context(), place); err != nil {
						t.Errorf("Init: %v", err)
					}
				})
			}
			replicas.Wait()
			first := content(t, place)
			if err := keys.Init(t.Context(), place); err != nil {
				t.Fatalf("Init once more: %v", err)
			}
			for file, data := range content(t, place) {
				if data != first[file] {
					t.Errorf("%s changed at the second init", file)
				}
			}
			loads(t, place)
		})
	}
}

// loads reads everything back and tries it.
func loads(t *testing.T, place keys.Place) {
	t.Helper()
	identity, err := keys.LoadIdentity(t.Context(), place)
	if err != nil || len(identity.Signing) != 1 || len(identity.Encryption) != 1 || len(identity.Encryption[0].Key) != 32 {
		t.Errorf("identity: %v", err)
	}
	request, err := keys.LoadRequest(t.Context(), place)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	signer, err := request.Signer()
	if err != nil {
		t.Fatalf("signer: %v", err)
	}
	trust, err := request.Trust()
	if err != nil {
		t.Fatalf("trust: %v", err)
	}
	if ids := trust.IDs(); len(ids) != 1 || ids[0] != signer.KeyID() {
		t.Errorf("the trusted keys are %v, the signer's is %s", ids, signer.KeyID())
	}
	if _, err := keys.LoadVault(t.Context(), place); err != nil {
		t.Errorf("vault: %v", err)
	}
}

// TestPublished shows that what runtimes get is public, and follows the key.
func TestPublished(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset()
	place := keys.Cluster{Client: client, Namespace: "weft-system"}
	if err := keys.Init(t.Context(), place); err != nil {
		t.Fatal(err)
	}
	trust, err := client.CoreV1().ConfigMaps("weft-system").Get(t.Context(), "weft-trust", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := requesttoken.ParseKeySet([]byte(trust.Data["jwks.json"]))
	if err != nil || len(set.IDs()) != 1 {
		t.Errorf("the published set: %v", err)
	}
	for file, data := range content(t, place) {
		var values map[string]any
		if err := json.Unmarshal([]byte(data), &values); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(trust.Data["jwks.json"], data) {
			t.Errorf("%s is published", file)
		}
	}
}

// TestDamage shows that damaged keys are never replaced: what they protect
// would be lost.
func TestDamage(t *testing.T) {
	t.Parallel()
	for file, damages := range map[string][]string{
		keys.IdentityFile: {"", "x", "{}", `{"signing":[],"encryption":[]}`, `{"signing":[{"key":"short"}],"encryption":[{"key":"short"}]}`, `{"other":1}`},
		keys.RequestFile:  {"", "{}", `{"signing":[{"key":"AAAA"}]}`},
		keys.VaultFile:    {"", "{}", `{"primaryKeyId":1,"key":[]}`},
	} {
		for _, damage := range damages {
			place := keys.Dir(t.TempDir())
			if err := keys.Init(t.Context(), place); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(place.Name(file), []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			err := keys.Init(t.Context(), place)
			if err == nil || !strings.Contains(err.Error(), place.Name(file)) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("%s damaged to %q: %v, want an error that names it and says to restore it", file, damage, err)
			}
			if data, err := place.Get(t.Context(), file); err != nil || string(data) != damage {
				t.Errorf("%s was replaced", file)
			}
			if err != nil && damage != "" && strings.Contains(err.Error(), damage) {
				t.Errorf("the error shows the file: %v", err)
			}
		}
	}
}

// TestDirIsPrivate shows that nobody else reads the keys.
func TestDirIsPrivate(t *testing.T) {
	t.Parallel()
	place := keys.Dir(filepath.Join(t.TempDir(), "keys"))
	if err := keys.Init(t.Context(), place); err != nil {
		t.Fatal(err)
	}
	for _, file := range secrets {
		info, err := os.Stat(place.Name(file))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		folder, err := os.ReadDir(filepath.Dir(place.Name(file)))
		if err != nil || len(folder) != 1 {
			t.Errorf("%s: %d files beside it, %v", file, len(folder), err)
		}
	}
}

// TestSecretOfSomebodyElse shows that a Secret without our file is an error and
// is left alone.
func TestSecretOfSomebodyElse(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "weft-system", Name: "weft-vault-kek"}, Data: map[string][]byte{"other": []byte("x")}})
	err := keys.Init(context.Background(), keys.Cluster{Client: client, Namespace: "weft-system"})
	if err == nil || !strings.Contains(err.Error(), "weft-vault-kek") {
		t.Errorf("Init: %v, want an error that names the Secret", err)
	}
}

func TestKeysDiffer(t *testing.T) {
	t.Parallel()
	for _, fresh := range []func() ([]byte, error){keys.NewIdentity, keys.NewRequest, keys.NewVault} {
		one, err := fresh()
		if err != nil {
			t.Fatal(err)
		}
		two, err := fresh()
		if err != nil || bytes.Equal(one, two) {
			t.Errorf("two keys are equal, %v", err)
		}
	}
}
