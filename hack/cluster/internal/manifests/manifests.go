// Package manifests holds the objects every local cluster has: the cluster's
// DNS, the storage class with its volumes, and the rights of the API server.
package manifests

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

//go:embed cluster.yaml.tmpl
var source string

// Render returns the objects as YAML documents. Nameservers are where CoreDNS
// asks for names that are not the cluster's; without any it refuses them.
func Render(state layout.State, nameservers []string) ([]byte, error) {
	parsed, err := template.New("cluster").Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse the manifests: %w", err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{
		"ClusterDomain": layout.ClusterDomain,
		"CoreDNSImage":  layout.CoreDNSImage,
		"DNSAddress":    layout.DNSAddress,
		"NodeName":      layout.NodeName,
		"Nameservers":   nameservers,
		"VolumeLabel":   layout.VolumeLabel,
		"Volumes":       Volumes(state),
	})
	if err != nil {
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
