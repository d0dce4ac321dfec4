package kube_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
)

// answering returns a client of a server that gives one answer.
func answering(t *testing.T, status int, body string) *kube.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return kube.New(server.URL, nil)
}

func TestNodeReady(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		status int
		body   string
		want   string // part of the error
	}{
		"Ready": {
			reason: "a node without taints that says so",
			status: 200, body: `{"status":{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"True"}]}}`,
		},
		"Tainted": {
			reason: "pods are not scheduled while the taint is there",
			status: 200, body: `{"spec":{"taints":[{"key":"node.kubernetes.io/not-ready"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`,
			want: "node.kubernetes.io/not-ready",
		},
		"NotReady": {reason: "the kubelet is starting", status: 200, body: `{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`, want: "not ready"},
		"Absent":   {reason: "the kubelet has not registered", status: 404, body: `not found`, want: "404"},
		"Garbage":  {reason: "something else listens there", status: 200, body: `<html>`, want: "decode"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, tc.reason, tc.want, answering(t, tc.status, tc.body).NodeReady(t.Context()))
		})
	}
}

func check(t *testing.T, reason, want string, err error) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", reason, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: error %v does not say %q", reason, err, want)
	}
}

func TestDeploymentReady(t *testing.T) {
	t.Parallel()
	const format = `{"metadata":{"generation":%d},"spec":{"replicas":%d},"status":{"observedGeneration":%d,"replicas":%d,"updatedReplicas":%d,"availableReplicas":%d}}`
	cases := map[string]struct {
		reason  string
		numbers [6]any
		want    string
	}{
		"Ready":    {reason: "all is as wanted", numbers: [6]any{2, 1, 2, 1, 1, 1}},
		"Unseen":   {reason: "the controller has not seen the last change", numbers: [6]any{3, 1, 2, 1, 1, 1}, want: "1 of 1"},
		"Starting": {reason: "a pod is not available yet", numbers: [6]any{2, 2, 2, 2, 2, 1}, want: "1 of 2"},
		"Old":      {reason: "a pod of the last version is still there", numbers: [6]any{2, 1, 2, 2, 1, 1}, want: "1 of 1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := answering(t, 200, fmt.Sprintf(format, tc.numbers[:]...))
			check(t, tc.reason, tc.want, client.DeploymentReady(t.Context(), "kube-system", "coredns"))
		})
	}
}

func TestReleasedVolumes(t *testing.T) {
	t.Parallel()
	volume := func(name, phase string) string {
		return fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"local":{"path":"/v/%s"}},"status":{"phase":%q}}`, name, name, phase)
	}
	body := `{"items":[` + strings.Join([]string{volume("a", "Bound"), volume("b", "Released"), volume("c", "Available")}, ",") + `]}`
	got, err := answering(t, 200, body).ReleasedVolumes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]kube.Volume{{Name: "b", Path: "/v/b"}}, got); diff != "" {
		t.Errorf("only volumes whose claim is gone: -want +got\n%s", diff)
	}
}

func TestOfferVolume(t *testing.T) {
	t.Parallel()
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s %s %v", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body, err)
	}))
	defer server.Close()
	if err := kube.New(server.URL, nil).OfferVolume(t.Context(), "weft-local-01"); err != nil {
		t.Fatal(err)
	}
	want := `PATCH /api/v1/persistentvolumes/weft-local-01 application/merge-patch+json {"spec":{"claimRef":null}} <nil>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := answering(t, 200, "ok").Ready(ctx); err == nil {
		t.Error("a canceled question was answered")
	}
}

func TestReplaceService(t *testing.T) {
	t.Parallel()
	for reason, deleted := range map[string]int{"there was one": http.StatusOK, "there was none": http.StatusNotFound} {
		var calls []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls = append(calls, r.Method+" "+r.URL.Path)
			if r.Method == http.MethodDelete {
				w.WriteHeader(deleted)
				return
			}
			_, _ = io.WriteString(w, `{"spec":{"clusterIP":"10.96.3.4"}}`)
		}))
		got, err := kube.New(server.URL, nil).ReplaceService(t.Context(), "kube-system", "canary")
		server.Close()
		if err != nil || got != "10.96.3.4" {
			t.Errorf("%s: %q, %v", reason, got, err)
		}
		want := []string{"DELETE /api/v1/namespaces/kube-system/services/canary", "POST /api/v1/namespaces/kube-system/services"}
		if diff := cmp.Diff(want, calls); diff != "" {
			t.Errorf("%s: -want +got\n%s", reason, diff)
		}
	}
	if _, err := answering(t, http.StatusForbidden, "no").ReplaceService(t.Context(), "a", "b"); err == nil {
		t.Error("a refused deletion is ignored")
	}
}
