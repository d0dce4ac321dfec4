package manifests_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/manifests"
)

type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		ClusterIP string
		Local     struct{ Path string }
	}
}

func objects(t *testing.T, nameservers ...string) map[string]object {
	t.Helper()
	out, err := manifests.Render(layout.State{Root: "/state"}, nameservers)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]object{}
	for document := range strings.SplitSeq(string(out), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		found[o.Kind+"/"+o.Metadata.Name] = o
	}
	return found
}

func TestRender(t *testing.T) {
	t.Parallel()
	all := objects(t, "192.0.2.53")
	if got := all["Service/kube-dns"].Spec.ClusterIP; got != layout.DNSAddress {
		t.Errorf("pods ask for names at %s, the service is at %q", layout.DNSAddress, got)
	}
	for _, volume := range manifests.Volumes(layout.State{Root: "/state"}) {
		if got := all["PersistentVolume/"+volume.Name].Spec.Local.Path; got != volume.Path {
			t.Errorf("volume %s is at %q, want %s", volume.Name, got, volume.Path)
		}
	}
	if _, found := all["StorageClass/weft-local"]; !found {
		t.Error("no storage class")
	}
}

func TestCorefile(t *testing.T) {
	t.Parallel()
	with := objects(t, "192.0.2.53", "192.0.2.54")["ConfigMap/coredns"].Data["Corefile"]
	if !strings.Contains(with, "    forward . 192.0.2.53 192.0.2.54\n") {
		t.Errorf("other names are not forwarded:\n%s", with)
	}
	if !strings.Contains(with, "disable success cluster.local") || !strings.Contains(with, "disable denial cluster.local") {
		t.Errorf("names of the cluster are cached:\n%s", with)
	}
	without := objects(t)["ConfigMap/coredns"].Data["Corefile"]
	if strings.Contains(without, "forward") || !strings.Contains(without, "kubernetes cluster.local ") {
		t.Errorf("without servers there must be no empty forward:\n%s", without)
	}
}
