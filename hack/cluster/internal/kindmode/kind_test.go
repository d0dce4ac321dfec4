package kindmode

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	var got []v1alpha4.PortMapping
	for _, node := range configuration().Nodes {
		got = append(got, node.ExtraPortMappings...)
	}
	want := []v1alpha4.PortMapping{
		{ContainerPort: 30080, HostPort: 30080, ListenAddress: "127.0.0.1", Protocol: "TCP"},
		{ContainerPort: 30081, HostPort: 30081, ListenAddress: "127.0.0.1", Protocol: "TCP"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("portal and gateway answer on this machine only: -want +got\n%s", diff)
	}
}
