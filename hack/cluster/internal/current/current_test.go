package current_test

import (
	"testing"

	"github.com/weft-run/weft/hack/cluster/internal/current"
)

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	c := current.Cluster{Getenv: func(string) string { return "/a/config:/b/config" }}
	if got, err := c.Kubeconfig(); err != nil || got != "/a/config" {
		t.Errorf("got %q, %v; the first file of KUBECONFIG decides", got, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	if err := (current.Cluster{}).Load(t.Context(), []string{"image.tar"}); err == nil {
		t.Error("an image that nobody loaded is reported as loaded")
	}
}
