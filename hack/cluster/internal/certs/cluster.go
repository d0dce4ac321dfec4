package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/proc"
)

// Names of the files in the PKI directory, without their ending.
const (
	CA            = "ca"
	FrontProxyCA  = "front-proxy-ca"
	FrontProxy    = "front-proxy-client"
	APIServer     = "kube-apiserver"
	KubeletClient = "kube-apiserver-kubelet-client"
	KubeletServer = "kubelet-server"
	Admin         = "admin"
	Controllers   = "kube-controller-manager"
	Scheduler     = "kube-scheduler"
	Proxy         = "kube-proxy"
	Kubelet       = "kubelet"
	// ServiceAccounts signs the tokens of service accounts; .key and .pub.
	ServiceAccounts = "service-accounts"
)

// leaves lists every certificate; the users and groups are the ones that
// Kubernetes' built-in roles are bound to.
func leaves() []leaf {
	return []leaf{
		{name: APIServer, commonName: "kube-apiserver", authority: CA, hosts: []string{
			layout.NodeAddress, layout.ServiceAddress, "127.0.0.1", "localhost",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc." + layout.ClusterDomain,
		}},
		{name: KubeletServer, commonName: layout.NodeName, authority: CA, hosts: []string{layout.NodeName, layout.NodeAddress}},
		{name: KubeletClient, commonName: "kube-apiserver-kubelet-client", authority: CA},
		{name: FrontProxy, commonName: "front-proxy-client", authority: FrontProxyCA},
		{name: Admin, commonName: "weft-cluster-admin", organization: "system:masters", authority: CA},
		{name: Controllers, commonName: "system:kube-controller-manager", authority: CA},
		{name: Scheduler, commonName: "system:kube-scheduler", authority: CA},
		{name: Proxy, commonName: "system:kube-proxy", authority: CA},
		{name: Kubelet, commonName: "system:node:" + layout.NodeName, organization: "system:nodes", authority: CA},
	}
}

// kubeconfigs maps each user of the API to the kubeconfig's path.
func kubeconfigs(state layout.State) map[string]string {
	return map[string]string{
		Admin:       state.Kubeconfig(),
		Controllers: Kubeconfig(state, Controllers),
		Scheduler:   Kubeconfig(state, Scheduler),
		Proxy:       Kubeconfig(state, Proxy),
		Kubelet:     Kubeconfig(state, Kubelet),
	}
}

// Kubeconfig is the path of a component's kubeconfig.
func Kubeconfig(state layout.State, component string) string {
	return state.PKI(component + ".kubeconfig")
}

// Ensure makes every key, certificate and kubeconfig that is missing, damaged
// or about to expire, and leaves the others as they are.
func Ensure(state layout.State, now time.Time) error {
	if err := os.MkdirAll(filepath.Dir(state.PKI(CA)), 0o700); err != nil {
		return fmt.Errorf("make the directory for keys: %w", err)
	}
	i := issuer{path: state.PKI, now: now}
	authorities := map[string]pair{}
	for _, name := range []string{CA, FrontProxyCA} {
		authority, err := i.authority(name)
		if err != nil {
			return err
		}
		authorities[name] = authority
	}
	issued := map[string]pair{}
	for _, l := range leaves() {
		made, err := i.leaf(l, authorities[l.authority])
		if err != nil {
			return err
		}
		issued[l.name] = made
	}
	for user, path := range kubeconfigs(state) {
		config, err := render(user, authorities[CA], issued[user])
		if err != nil {
			return err
		}
		if err := proc.WriteFile(path, config, 0o600); err != nil {
			return err
		}
	}
	return i.serviceAccountKey()
}

// serviceAccountKey makes the key pair for service account tokens. The public
// half is written last and says that both are complete.
func (i issuer) serviceAccountKey() error {
	public := i.path(ServiceAccounts + ".pub")
	if _, err := readBlock(public); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	private, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := proc.WriteFile(i.path(ServiceAccounts+".key"), private, 0o600); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encode the service account key: %w", err)
	}
	return proc.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

// kubeconfigFormat takes the server, the authority, the certificate and the
// key, the last three in base64.
const kubeconfigFormat = `apiVersion: v1
kind: Config
clusters:
- name: weft-local
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %[5]s
  user:
    client-certificate-data: %[3]s
    client-key-data: %[4]s
contexts:
- name: weft-local
  context:
    cluster: weft-local
    user: %[5]s
current-context: weft-local
`

func render(user string, authority, own pair) ([]byte, error) {
	key, err := encodeKey(own.key)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, kubeconfigFormat, layout.APIServerURL(),
		b64(encodeCert(authority.cert)), b64(encodeCert(own.cert)), b64(key), user), nil
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// ClientTLS returns what the orchestrator itself needs to speak to the API
// server as the administrator.
func ClientTLS(state layout.State) (*tls.Config, error) {
	i := issuer{path: state.PKI}
	authority, err := i.load(CA)
	if err != nil {
		return nil, err
	}
	admin, err := i.load(Admin)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool,
		Certificates: []tls.Certificate{{
			Certificate: [][]byte{admin.cert.Raw},
			PrivateKey:  admin.key,
		}},
	}, nil
}
