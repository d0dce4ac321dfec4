// Package manifests holds the objects every local cluster has: the cluster's
// DNS, the storage class with its volumes, and the rights of the API server.
package manifests

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"text/template"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

// The Corefile is indented for its place in the ConfigMap.
var (
	//go:embed cluster.yaml.tmpl
	source string
	//go:embed corefile.tmpl
	corefile string
)

// Render returns the objects as YAML documents. Nameservers are where CoreDNS
// asks for names that are not the cluster's; without any it refuses them.
func Render(state layout.State, nameservers []string) ([]byte, error) {
	values := map[string]any{
		"ClusterDomain": layout.ClusterDomain,
		"CoreDNSImage":  layout.CoreDNSImage,
		"DNSAddress":    layout.DNSAddress,
		"NodeName":      layout.NodeName,
		"Nameservers":   nameservers,
		"VolumeLabel":   layout.VolumeLabel,
		"Volumes":       Volumes(state),
	}
	dns, err := execute(corefile, values)
	if err != nil {
		return nil, err
	}
	values["Corefile"] = string(dns)
	// CoreDNS reads its file once, so another file needs another pod.
	values["CorefileHash"] = fmt.Sprintf("%.8x", sha256.Sum256(dns))
	return execute(source, values)
}

func execute(text string, values map[string]any) ([]byte, error) {
	parsed, err := template.New("manifests").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse the manifests: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("render the manifests: %w", err)
	}
	return out.Bytes(), nil
}

// Volumes lists the local persistent volumes.
func Volumes(state layout.State) []kube.Volume {
	volumes := make([]kube.Volume, layout.Volumes)
	for i := range volumes {
		volumes[i] = kube.Volume{Name: fmt.Sprintf("weft-local-%02d", i), Path: state.Volume(i)}
	}
	return volumes
}
