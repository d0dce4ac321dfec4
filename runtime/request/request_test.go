package request_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weft-run/weft/runtime/request"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	for _, tc := range pathStrings() {
		want := tc.want
		if want == same {
			want = tc.sent
		}
		got, err := request.Normalize(tc.sent)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Normalize(%q) = %q, %v; want %q", tc.sent, got, err, want)
		}
		if err != nil && !errors.Is(err, request.ErrAmbiguous) {
			t.Errorf("Normalize(%q): another error: %v", tc.sent, err)
		}
	}
	if n := len(pathStrings()); n < 150 {
		t.Errorf("only %d strings", n)
	}
}

func TestNormalizeRefusesLongPaths(t *testing.T) {
	t.Parallel()
	if _, err := request.Normalize("/" + strings.Repeat("a", request.MaxPath-1)); err != nil {
		t.Errorf("the longest path must pass: %v", err)
	}
	if _, err := request.Normalize("/" + strings.Repeat("a", request.MaxPath)); !errors.Is(err, request.ErrAmbiguous) {
		t.Errorf("a longer one must not: %v", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		target string
		want   request.Target
	}{
		"Flow": {
			"A flow is found by workspace and name.", "/f/acme/hello?x=1",
			request.Target{Path: "/f/acme/hello", Kind: request.Flow, Workspace: "acme", Name: "hello"},
		},
		"FlowRest": {
			"What follows the name is kept.", "/f/acme/hello/v1/models",
			request.Target{Path: "/f/acme/hello/v1/models", Kind: request.Flow, Workspace: "acme", Name: "hello", Rest: "/v1/models"},
		},
		"FlowSlash": {
			"A slash at the end is a rest of its own, not nothing.", "/f/acme/hello/",
			request.Target{Path: "/f/acme/hello/", Kind: request.Flow, Workspace: "acme", Name: "hello", Rest: "/"},
		},
		"FlowEncoded": {
			"A letter is the same letter when it is encoded.", "/f/ac%6de/hello",
			request.Target{Path: "/f/acme/hello", Kind: request.Flow, Workspace: "acme", Name: "hello"},
		},
		"Agent": {
			"An agent is found in the same way.", "/a/acme/helper",
			request.Target{Path: "/a/acme/helper", Kind: request.Agent, Workspace: "acme", Name: "helper"},
		},
		"Test":          {"The test runtime has one path.", "/test/run", request.Target{Path: "/test/run", Kind: request.Test}},
		"TestMore":      {"Nothing below it is a test run.", "/test/run/x", request.Target{Path: "/test/run/x"}},
		"Other":         {"Anything else is something else.", "/login", request.Target{Path: "/login"}},
		"FlowsPage":     {"A path that begins alike is not a flow.", "/flow/1/save", request.Target{Path: "/flow/1/save"}},
		"NoName":        {"A flow has a name.", "/f/acme", request.Target{Path: "/f/acme"}},
		"EmptyName":     {"And not an empty one.", "/f/acme/", request.Target{Path: "/f/acme/"}},
		"CapitalLetter": {"Names have no capital letters.", "/f/Acme/hello", request.Target{Path: "/f/Acme/hello"}},
		"LongName": {
			"Names are bounded.", "/f/acme/" + strings.Repeat("a", 51),
			request.Target{Path: "/f/acme/" + strings.Repeat("a", 51)},
		},
		"Hyphens": {"A name does not end with a hyphen.", "/f/acme/x-", request.Target{Path: "/f/acme/x-"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.want.Method, tc.want.Host = http.MethodPost, "example.com"
			got, err := request.Parse(httptest.NewRequest(http.MethodPost, tc.target, nil))
			if err != nil {
				t.Fatalf("%s\nParse: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*http.Request)
	}{
		"Rewritten":    {"What an earlier handler decided on must be what we decide on.", func(r *http.Request) { r.URL.Path = "/f/other/hello" }},
		"AbsoluteForm": {"Another host name may have stood beside it.", func(r *http.Request) { r.RequestURI = "http://example.com/f/acme/hello" }},
		"Authority":    {"CONNECT names no path.", func(r *http.Request) { r.RequestURI = "example.com:443" }},
		"Asterisk":     {"OPTIONS * names no path.", func(r *http.Request) { r.RequestURI = "*" }},
		"NoHost":       {"A request without a host is for nobody.", func(r *http.Request) { r.Host = "" }},
		"BadHost":      {"A host is a name or an address.", func(r *http.Request) { r.Host = "a/b" }},
		"SmallMethod":  {"Some servers take post for POST.", func(r *http.Request) { r.Method = "post" }},
		"NoMethod":     {"net/http takes none for GET.", func(r *http.Request) { r.Method = "" }},
		"OddMethod":    {"A method is made of letters.", func(r *http.Request) { r.Method = "GET/" }},
		"LongMethod":   {"And not of many.", func(r *http.Request) { r.Method = strings.Repeat("A", 17) }},
		"EmptyURL":     {"A request made by hand may have no path at all.", func(r *http.Request) { r.RequestURI, r.URL = "", &url.URL{} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/f/acme/hello", nil)
			tc.change(r)
			if got, err := request.Parse(r); !errors.Is(err, request.ErrAmbiguous) || got != (request.Target{}) {
				t.Errorf("%s\naccepted, or another error: %+v, %v", tc.reason, got, err)
			}
		})
	}
}

func TestNormalizeHost(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"example.org": "example.org", "EXAMPLE.org:8080": "example.org:8080", "localhost:30081": "localhost:30081", "127.0.0.1": "127.0.0.1",
		"[::1]": "[::1]", "[::1]:80": "[::1]:80", "[2001:DB8::1]": "[2001:db8::1]", "flow-x.weft-ws-acme.svc": "flow-x.weft-ws-acme.svc", "a_b.example": "a_b.example",
		"": "", ".": "", "..": "", "a..b": "", "example.org.": "", ".example.org": "", "example.org:": "", "example.org:0": "", "example.org:080": "",
		"example.org:65536": "", "example.org:x": "", "example.org:80:80": "", "user@example.org": "", "example.org/x": "", "example.org#x": "",
		"example.org?x": "", `example.org\x`: "", "example.org%2f": "", "exa mple.org": "", " example.org": "", "example.org ": "", "ex\x00": "", "é.org": "",
		"\u212aelvin": "", "a,b": "", "-a.org": "", "a-.org": "", "::1": "", "[::1": "", "[]": "", "[127.0.0.1]": "", "[fe80::1%25eth0]": "", "[::1]x": "", "[::1]:": "", "[::1]:0": "",
		strings.Repeat("a", 64): "", strings.Repeat("a.", 130) + "a": "", "example.org:+80": "",
	}
	for sent, want := range cases {
		got, err := request.NormalizeHost(sent)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("NormalizeHost(%q) = %q, %v; want %q", sent, got, err, want)
		}
	}
}

// TestNormalizeIsIdempotent builds paths of pieces that parsers quarrel over.
func TestNormalizeIsIdempotent(t *testing.T) {
	t.Parallel()
	pieces := []string{
		"/", "f", "acme", "hello", ".", "..", "%2e", "%2f", "%5c", `\`, ";", "%3b", "//", "%25", "%", "%00", "é", "%c3%a9", "%20", " ", "+",
		"?", "#", "%ff", "\xff", ":", "@", "%41", "~", "%7e", "\uff0f", "\u200b", "a", "%61",
	}
	rapid.Check(t, func(rt *rapid.T) {
		raw := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(rt, "pieces"), "")
		checkStable(rt, raw)
	})
}

type failer interface {
	Errorf(format string, args ...any)
}

// checkStable holds what must be true of every path that is accepted.
func checkStable(t failer, raw string) {
	path, err := request.Normalize(raw)
	if err != nil {
		return
	}
	if again, err := request.Normalize(path); again != path || err != nil {
		t.Errorf("Normalize(%q) = %q, and again %q, %v", raw, path, again, err)
	}
	escaped := request.Target{Path: path}.EscapedPath()
	if back, err := request.Normalize(escaped); back != path || err != nil {
		t.Errorf("%q is sent on as %q, which reads %q, %v", path, escaped, back, err)
	}
	if u, err := url.ParseRequestURI(escaped); err != nil || u.Path != path {
		t.Errorf("%q is sent on as %q, which net/url reads otherwise: %v", path, escaped, err)
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "." || segment == ".." {
			t.Errorf("%q has a dot segment", path)
		}
	}
	if strings.Contains(path, "//") || strings.ContainsAny(path, "\\;?#%\x00") {
		t.Errorf("%q holds what could be read again", path)
	}
}

// FuzzNormalize is the long form of the same: go test -fuzz FuzzNormalize.
func FuzzNormalize(f *testing.F) {
	for _, tc := range pathStrings() {
		f.Add(tc.sent)
	}
	f.Fuzz(func(t *testing.T, raw string) { checkStable(t, raw) })
}

func FuzzNormalizeHost(f *testing.F) {
	for _, host := range []string{"example.org", "[::1]:80", "EXAMPLE:1", "a_b", "x."} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		host, err := request.NormalizeHost(raw)
		if err != nil {
			return
		}
		if again, err := request.NormalizeHost(host); again != host || err != nil {
			t.Errorf("NormalizeHost(%q) = %q, and again %q, %v", raw, host, again, err)
		}
		if !strings.EqualFold(host, raw) {
			t.Errorf("NormalizeHost(%q) = %q: more than the case changed", raw, host)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	r := httptest.NewRequest(http.MethodPost, "/f/acme/hello", nil)
	for b.Loop() {
		if _, err := request.Parse(r); err != nil {
			b.Fatal(err)
		}
	}
}
