package server

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// pageFlow has one field of each kind, and the fields themselves as result.
const pageFlow = `{"title":"Order <now>","description":"Ask for \"anything\"","exposure":{"page":"Form"},
	"components":[{"id":"in","type":"input","params":{"fields":[
		{"name":"name","label":"Your <b>name</b>","required":true,"help":"First & last"},
		{"name":"note","type":"longText"},
		{"name":"size","type":"select","options":["S","M\"L"],"default":"S"},
		{"name":"gift","label":"A gift","type":"boolean"},
		{"name":"count","type":"number","default":"1"},
		{"name":"day","type":"date"}]}},
		{"id":"out","type":"output"}],
	"edges":[{"id":"e1","origin":"in","target":"out"}]}`

func has(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(body, part) {
			t.Errorf("%q is not in the page:\n%s", part, body)
		}
	}
}

func TestPageShowsTheForm(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, pageFlow, nil)
	got := f.do(f.request(t.Context(), http.MethodGet, flowPath, "", "Accept", "text/html"))
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got %d %v", got.status, got.header)
	}
	has(t, got.body,
		"<h1>Order &lt;now&gt;</h1>", "Ask for &#34;anything&#34;", "Your &lt;b&gt;name&lt;/b&gt;", "First &amp; last",
		`<form method="post" action=""`, `name="name" type="text"`, `<textarea id="field-note" name="note"`,
		`<option value="S" selected>`, `<option value="M&#34;L">`, `type="checkbox" id="field-gift" name="gift" value="true">`,
		`name="count" type="number" step="any" value="1"`, `name="day" type="date"`, "<style>body{margin:0")
	policy := got.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	if regexp.MustCompile(`(?i)<script|\son[a-z]+=|javascript:|<link|<img`).MatchString(got.body) {
		t.Errorf("the page holds a script or loads something:\n%s", got.body)
	}
}

func TestPageShowsTheResult(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, pageFlow, nil)
	form := "name=%3Cscript%3Ecanary-7f3a&note=two%0D%0Alines&size=M%22L&gift=true&count=2.5&day="
	got := f.post(flowPath, form, "Content-Type", formType, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	has(t, got.body, `id="result"`, "<b>name</b><pre>&lt;script&gt;canary-7f3a</pre>", "<b>count</b><pre>2.5</pre>", "<b>gift</b><pre>true</pre>",
		`value="&lt;script&gt;canary-7f3a"`, `<option value="M&#34;L" selected>`, `name="gift" value="true" checked>`)
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the result may be kept: %v", got.header)
	}
	noCanary(t, f)
}

func TestPageShowsWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, pageFlow, nil)
	got := f.post(flowPath, "name=&note=canary-7f3a&size=S&count=x&day=", "Content-Type", formType, "Accept", "text/html")
	if got.status != http.StatusBadRequest {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	has(t, got.body, `role="alert"`, "“Your &lt;b&gt;name&lt;/b&gt;” is missing.", ">\ncanary-7f3a</textarea>")
	twice := f.post(flowPath, "name=a&name=b", "Content-Type", formType, "Accept", "text/html")
	if twice.status != http.StatusBadRequest || !strings.Contains(twice.body, "holds a field twice") {
		t.Errorf("got %d %s", twice.status, twice.body)
	}
	noCanary(t, f)
}

func TestPagesOfOtherFlows(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		flow   string
		shows  []string
		form   string
		result string
	}{
		"any value": {"A flow without fields has one for text.", strings.Replace(anyFlow, `{"components"`, `{"exposure":{"page":"Form"},"components"`, 1),
			[]string{"<h1>hello</h1>", `<textarea id="field-input" name="input"`}, "input=Hi+there", "<pre>Hi there</pre>"},
		"chat": {"A chat has one for a message.", `{"exposure":{"page":"Chat"},"components":[{"id":"in","type":"input","params":{"kind":"chat"}},{"id":"out","type":"output"}],"edges":[{"id":"e","origin":"in","target":"out"}]}`,
			[]string{`name="message"`}, "message=Hi+there", "<pre>Hi there</pre>"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFixture(t, ModeFlow, tc.flow, nil)
			has(t, f.do(f.request(t.Context(), http.MethodGet, flowPath, "")).body, tc.shows...)
			has(t, f.post(flowPath, tc.form, "Content-Type", formType, "Accept", "text/html").body, tc.result)
		})
	}
}

func TestNoPageNoHTML(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, anyFlow, nil)
	got := f.post(flowPath, "input=x", "Content-Type", formType, "Accept", "text/html")
	if got.header.Get("Content-Type") != "application/json" || got.status != http.StatusOK {
		t.Errorf("got %d %v", got.status, got.header)
	}
	req := f.request(t.Context(), http.MethodGet, flowPath, "")
	req.Header.Del(requesttoken.Header)
	if got := f.do(req); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: got %d", got.status)
	}
}
