// Package certs makes the cluster's certificate authority, the components'
// certificates and the kubeconfigs that carry them.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/proc"
)

// Lifetimes. A leaf is issued again when less than margin of it is left.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	margin            = 30 * 24 * time.Hour
)

// pair is a key with its certificate.
type pair struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// leaf says what one certificate is for.
type leaf struct {
	name         string // of the files
	commonName   string // the user, for a client
	organization string // the user's group, for a client
	hosts        []string
	authority    string
}

// usage is server for a certificate with hosts, client for all others.
func (l leaf) usage() x509.ExtKeyUsage {
	if len(l.hosts) > 0 {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// issuer makes or loads pairs below one directory.
type issuer struct {
	path func(name string) string
	now  time.Time
}

// authority loads or makes a certificate authority.
func (i issuer) authority(name string) (pair, error) {
	if have, err := i.load(name); err == nil && have.cert.NotAfter.Sub(i.now) > leafLifetime {
		return have, nil
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "weft-cluster-" + name},
		NotAfter:              i.now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	return i.issue(name, template, nil)
}

// leaf loads or makes a certificate signed by the authority.
func (i issuer) leaf(l leaf, authority pair) (pair, error) {
	if have, err := i.load(l.name); err == nil && i.good(have, l, authority) {
		return have, nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: l.commonName},
		NotAfter:    i.now.Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{l.usage()},
	}
	if l.organization != "" {
		template.Subject.Organization = []string{l.organization}
	}
	for _, host := range l.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return i.issue(l.name, template, &authority)
}

// good says whether a stored certificate can be used as it is.
func (i issuer) good(have pair, l leaf, authority pair) bool {
	for _, host := range l.hosts {
		if have.cert.VerifyHostname(host) != nil {
			return false
		}
	}
	return have.cert.CheckSignatureFrom(authority.cert) == nil &&
		have.cert.NotAfter.Sub(i.now) > margin &&
		have.cert.Subject.CommonName == l.commonName
}

// issue signs the template, with itself when there is no authority, and stores
// the result.
func (i issuer) issue(name string, template *x509.Certificate, authority *pair) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("make key %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return pair{}, fmt.Errorf("make serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = i.now.Add(-time.Hour) // a clock that was set back
	parent := pair{key: key, cert: template}
	if authority != nil {
		parent = *authority
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		return pair{}, fmt.Errorf("sign certificate %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return pair{}, fmt.Errorf("parse certificate %s: %w", name, err)
	}
	return pair{key, cert}, i.store(name, key, der)
}

func (i issuer) store(name string, key *ecdsa.PrivateKey, der []byte) error {
	private, err := encodeKey(key)
	if err != nil {
		return err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return errors.Join(
		proc.WriteFile(i.path(name+".key"), private, 0o600),
		proc.WriteFile(i.path(name+".crt"), public, 0o644),
	)
}

// load fails when either file is missing or damaged, or when they do not belong
// together: the writer may have died between the two.
func (i issuer) load(name string) (pair, error) {
	keyPEM, err := readBlock(i.path(name + ".key"))
	if err != nil {
		return pair{}, err
	}
	certPEM, err := readBlock(i.path(name + ".crt"))
	if err != nil {
		return pair{}, err
	}
	key, err := x509.ParseECPrivateKey(keyPEM)
	if err != nil {
		return pair{}, fmt.Errorf("parse key %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(certPEM)
	if err != nil {
		return pair{}, fmt.Errorf("parse certificate %s: %w", name, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return pair{}, fmt.Errorf("key and certificate %s do not belong together", name)
	}
	return pair{key, cert}, nil
}

func readBlock(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("no PEM block in %s", path)
	}
	return block.Bytes, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
