package server

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	var m matcher
	for _, line := range [][2]string{
		{"GET", "/{$}"}, {"POST", "/flow/delete/{id}"}, {"DELETE", "/flow/delete/{id}"}, {"POST", "/flow/{id}/save"},
		{"POST", "/flow/create"}, {"GET", "/flow/{id}"}, {"GET", "/flow/{id}/versions"}, {"GET", "/static/{path...}"},
		{"POST", "/flow/{id}/endpoint-keys/{key}/delete"},
	} {
		if err := m.add(Route{Method: line[0], Pattern: line[1]}, nil); err != nil {
			t.Fatalf("adding %v: %v", line, err)
		}
	}
	if err := m.add(Route{Method: "GET", Pattern: "/flow/{name}"}, nil); err == nil {
		t.Error("two patterns that differ by the name of a wildcard alone were both taken")
	}
	type want struct {
		Pattern string
		Values  []string
		Methods []string
	}
	cases := map[string]struct {
		reason, method, path string
		want                 want
	}{
		"Root":             {"The root is itself alone.", "GET", "/", want{Pattern: "/{$}"}},
		"Literal":          {"A literal segment wins over a wildcard.", "POST", "/flow/delete/save", want{Pattern: "/flow/delete/{id}", Values: []string{"save"}}},
		"Wildcard":         {"A wildcard takes what no literal takes.", "POST", "/flow/7/save", want{Pattern: "/flow/{id}/save", Values: []string{"7"}}},
		"Backtrack":        {"A literal that leads nowhere does not hide the wildcard.", "GET", "/flow/create", want{Pattern: "/flow/{id}", Values: []string{"create"}}},
		"BacktrackDeep":    {"Also further down.", "GET", "/flow/delete/versions", want{Pattern: "/flow/{id}/versions", Values: []string{"delete"}}},
		"Two":              {"Wildcards get their values from left to right.", "POST", "/flow/1/endpoint-keys/2/delete", want{Pattern: "/flow/{id}/endpoint-keys/{key}/delete", Values: []string{"1", "2"}}},
		"Rest":             {"A rest takes the slashes too.", "GET", "/static/a/b", want{Pattern: "/static/{path...}", Values: []string{"a/b"}}},
		"Head":             {"HEAD is GET without the body.", "HEAD", "/flow/1", want{Pattern: "/flow/{id}", Values: []string{"1"}}},
		"Method":           {"A known path tells its methods.", "PUT", "/flow/delete/1", want{Methods: []string{"DELETE", "POST"}}},
		"MethodWildcard":   {"Whatever pattern knows it.", "PUT", "/flow/create", want{Methods: []string{"GET", "POST"}}},
		"Unknown":          {"An unknown path has none.", "GET", "/flows", want{}},
		"TrailingSlash":    {"A trailing slash is another path.", "GET", "/flow/1/", want{}},
		"EmptyWildcard":    {"A wildcard is never empty.", "POST", "/flow//save", want{}},
		"NoSlashAtTheEnd":  {"Nor is the end of a path.", "GET", "/flow/", want{}},
		"LongerThanAny":    {"A longer path is another path.", "GET", "/flow/1/versions/2", want{}},
		"PrefixOfAPattern": {"A prefix is not the pattern.", "POST", "/flow/1/endpoint-keys/2", want{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, values, methods := m.find(tc.method, tc.path)
			got := want{Values: values, Methods: methods}
			if found != nil {
				got.Pattern = found.route.Pattern
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s %s (-want +got):\n%s", tc.reason, tc.method, tc.path, diff)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	handler := func(http.ResponseWriter, *http.Request) error { return nil }
	good := Route{Method: "POST", Pattern: "/x", Access: SignedIn(), Mutates: true, Summary: "s", Handler: handler}
	cases := map[string]struct {
		reason string
		bend   func(r *Route)
	}{
		"NoAccess":         {"Who may call must be said.", func(r *Route) { r.Access = Access{} }},
		"NoReason":         {"A public path has a reason.", func(r *Route) { r.Access = Public("") }},
		"PublicWildcard":   {"A public path is exact.", func(r *Route) { r.Access = Public("x"); r.Pattern = "/x/{id}" }},
		"PublicRest":       {"A public path is no prefix.", func(r *Route) { r.Access = Public("x"); r.Pattern = "/x/{p...}" }},
		"NoGuard":          {"A service's route has a guard.", func(r *Route) { r.Access = Service("x", nil) }},
		"MutatingGet":      {"GET must not change anything.", func(r *Route) { r.Method = "GET" }},
		"OddMethod":        {"Other methods are not served.", func(r *Route) { r.Method = "TRACE" }},
		"NoHandler":        {"Somebody must answer.", func(r *Route) { r.Handler = nil }},
		"NoSummary":        {"The documentation says what it is.", func(r *Route) { r.Summary = "" }},
		"Prefix":           {"A trailing slash would be a prefix to net/http.", func(r *Route) { r.Pattern = "/x/" }},
		"Host":             {"Hosts are not decided by the table.", func(r *Route) { r.Pattern = "example.com/x" }},
		"BodyThatIsNoBody": {"Bodies are structs.", func(r *Route) { r.Request = "text" }},
	}
	if err := Check([]Route{good}); err != nil {
		t.Fatalf("the unbent route must pass, or this test proves nothing: %v", err)
	}
	for name, tc := range cases {
		bent := good
		tc.bend(&bent)
		if err := Check([]Route{bent}); err == nil {
			t.Errorf("%s: accepted. %s", name, tc.reason)
		}
	}
	if err := Check([]Route{good, good}); err == nil {
		t.Error("the same route twice was accepted")
	}
	var many []Route
	for _, c := range "abcdefghijk" {
		many = append(many, Route{Method: "GET", Pattern: "/" + string(c), Access: Public("x"), Summary: "s", Handler: handler})
	}
	if err := Check(many); err == nil {
		t.Errorf("%d public paths were accepted", len(many))
	}
}
