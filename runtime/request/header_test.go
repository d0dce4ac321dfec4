package request_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/request"
)

// spellings returns the ways in which a name can be written so that some
// software takes it for the same name.
func spellings(name string) []string {
	return []string{
		name, strings.ToLower(name), strings.ToUpper(name),
		strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", "."), strings.ReplaceAll(name, "-", ""),
		strings.ReplaceAll(name, "-", "--"), strings.ReplaceAll(name, "-", "~"), name + "-", name + "_", "_" + name, "-" + name,
		strings.ReplaceAll(name, "-", " "), name + " ", name + "\xff", strings.ReplaceAll(name, "-", "\xc2\xa0"),
	}
}

func TestIsReservedHeader(t *testing.T) {
	t.Parallel()
	names := []string{
		"Weft-Request-Token", "Weft-User", "Weft", "Weft-Anything-New", "X-Weft-Workspace", "HTTP-Weft-User", "X-Forwarded-For", "X-Forwarded-Host",
		"X-Forwarded-User", "X-Forwarded-Anything", "Forwarded", "X-Real-IP", "True-Client-IP", "X-User", "X-User-Id", "Remote-User", "X-Auth-Request-Email",
		"X-Tenant-Id", "X-Workspace", "X-Roles", "Impersonate-User", "Impersonate-Extra-Scopes", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Request-Id",
	}
	for _, name := range names {
		for _, spelling := range spellings(name) {
			if !request.IsReservedHeader(spelling) {
				t.Errorf("%q passes for another header than %q", spelling, name)
			}
		}
	}
}

func TestIsNotReservedHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "Accept", "Accept-Language", "Authorization", "Content-Type", "Content-Length", "Cookie", "User-Agent", "X-Api-Key", "Idempotency-Key",
		"Traceparent", "X-Hub-Signature-256", "Stripe-Signature", "X-GitHub-Event", "Last-Event-Id", "Origin", "Referer", "If-Match", "X-Csrf-Token",
		strings.Repeat("a", 300),
	} {
		if request.IsReservedHeader(name) {
			t.Errorf("%q was taken for one of ours", name)
		}
	}
}

func TestStripReserved(t *testing.T) {
	t.Parallel()
	h := http.Header{
		"Content-Type": {"application/json"}, "Weft-Request-Token": {"a", "b"}, "weft_request_token": {"c"},
		"X_forwarded_for": {"10.0.0.1"}, "Stripe-Signature": {"t=1"},
	}
	request.StripReserved(h)
	if diff := cmp.Diff(http.Header{"Content-Type": {"application/json"}, "Stripe-Signature": {"t=1"}}, h); diff != "" {
		t.Errorf("only what is reserved may go, and all of it must.\n-want, +got:\n%s", diff)
	}
}

func TestStripReservedDoesNotAllocate(t *testing.T) {
	h := http.Header{"Content-Type": {"a"}, "Accept": {"b"}, "Authorization": {"c"}, "User-Agent": {"d"}}
	if n := testing.AllocsPerRun(100, func() { request.StripReserved(h) }); n != 0 {
		t.Errorf("%v allocations for every request", n)
	}
}
