package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/web/webtest"
)

// visit is a page that the tests look at.
type visit struct {
	path string
	page portaltest.Answer
	// stranger: nobody is signed in on it.
	stranger bool
}

// tour makes one of everything and opens every kind of page.
func tour(t *testing.T, w *webtest.World, language string) []visit {
	t.Helper()
	b := w.Browser(t, "ana@example.com")
	w.StartRuntime(t, b.Program)
	_, flow := b.Submit(t, "/flow/create?template=lead-form", nil)
	b.Send(t, flow+"/save", url.Values{})
	b.Send(t, "/apikey/store", url.Values{"name": {"Chat gpt apikey"}, "key": {"sk-0123456789abcdef"}})
	_, broken := b.Submit(t, "/flow/create?template=blanc", nil)
	b.Send(t, broken+"/draft", url.Values{"do": {"quick:openai-chat"}})
	b.Send(t, flow+"/endpoint-keys", url.Values{"name": {"Site"}, "days": {"0"}})
	ran := b.Send(t, flow+"/run", url.Values{"input.name": {"Ana"}, "input.budget": {"5"}, "input.message": {"hi"}})

	var visits []visit
	open := func(path string) {
		visits = append(visits, visit{path: path, page: b.Open(t, path, portaltest.With("Accept-Language", language))})
	}
	run, _, _ := strings.Cut(ran.Header.Get("Location"), "#")
	for _, path := range []string{
		"/", "/keys", "/settings", "/flows", flow, flow + "/share", flow + "/versions", broken, broken + "?check=1", broken + "/share", run, "/nothing-here",
	} {
		open(path)
	}
	stale := url.Values{"do": {"keep"}, "revision": {"1"}, "title": {"Mine"}}
	visits = append(visits, visit{path: "conflict", page: b.Send(t, flow+"/draft", stale)})
	stranger := portaltest.NewAgent(t, w.URL)
	for _, path := range []string{"/login", "/signup"} {
		page := stranger.Get(t, path, portaltest.With("Accept", webtest.HTML), portaltest.With("Accept-Language", language))
		visits = append(visits, visit{path: path, page: page, stranger: true})
	}
	return visits
}

func TestEveryPage(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"en", "es"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			w := webtest.New(t)
			for _, v := range tour(t, w, language) {
				if v.page.Status >= 500 {
					t.Errorf("%s answers %d: %s", v.path, v.page.Status, v.page.Body)
					continue
				}
				root := parse(t, v.page.Body)
				checkHeader(t, v, root)
				checkForms(t, w, v, root)
				checkMarkup(t, v, root)
				checkTexts(t, v)
				if size := len(v.page.Body); size > 150<<10 {
					t.Errorf("%s is %d bytes", v.path, size)
				}
			}
		})
	}
}

// checkHeader: every main function is one click away on every page.
func checkHeader(t *testing.T, v visit, root *html.Node) {
	t.Helper()
	links := map[string]bool{}
	each(root, func(n *html.Node) {
		if n.Data == "a" {
			links[attribute(n, "href")] = true
		}
		if n.Data == "form" && attribute(n, "action") == "/flow/create?template=blanc" {
			links["new"] = true
		}
	})
	want := []string{"/", "/flows", "/keys", "/settings", "new"}
	if v.stranger {
		want = []string{"/login"}
	}
	for _, link := range want {
		if !links[link] {
			t.Errorf("%s: the header does not lead to %s", v.path, link)
		}
	}
}

// checkForms: every form goes to a route that there is, with the session's
// token, and every link within the site leads somewhere.
func checkForms(t *testing.T, w *webtest.World, v visit, root *html.Node) {
	t.Helper()
	each(root, func(n *html.Node) {
		switch n.Data {
		case "form":
			method := strings.ToUpper(attribute(n, "method"))
			if !routed(w.Routes, method, attribute(n, "action")) {
				t.Errorf("%s: a form goes to %s %s, which is no route", v.path, method, attribute(n, "action"))
			}
			token := false
			each(n, func(c *html.Node) {
				token = token || attribute(c, "name") == server.CSRFField && attribute(c, "value") != ""
			})
			if !token {
				t.Errorf("%s: the form to %s has no token", v.path, attribute(n, "action"))
			}
		case "a":
			href := attribute(n, "href")
			if strings.HasPrefix(href, "/") && !routed(w.Routes, http.MethodGet, href) {
				t.Errorf("%s: a link leads to %s, which is no route", v.path, href)
			}
		}
	})
}

func routed(routes []server.Route, method, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	path := strings.Split(u.Path, "/")
	return slices.ContainsFunc(routes, func(r server.Route) bool {
		pattern := strings.Split(strings.TrimSuffix(r.Pattern, "{$}"), "/")
		if r.Method != method || len(pattern) != len(path) {
			return false
		}
		for i, segment := range pattern {
			if !strings.HasPrefix(segment, "{") && segment != path[i] {
				return false
			}
		}
		return true
	})
}

// checkMarkup: no scripts or styles within the page, ids are there once, labels
// belong to a control, and controls have a label.
func checkMarkup(t *testing.T, v visit, root *html.Node) {
	t.Helper()
	ids, labelled, anchors := map[string]bool{}, map[string]bool{}, []string{}
	each(root, func(n *html.Node) {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("%s: <%s> has %s, which the content security policy forbids", v.path, n.Data, a.Key)
			}
		}
		if id := attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: the id %q is there twice", v.path, id)
			}
			ids[id] = true
		}
		switch n.Data {
		case "label":
			labelled[attribute(n, "for")] = true
		case "script":
			if attribute(n, "src") == "" {
				t.Errorf("%s: a script stands within the page", v.path)
			}
		case "style":
			t.Errorf("%s: a style sheet stands within the page", v.path)
		case "a":
			if target, ok := strings.CutPrefix(attribute(n, "href"), "#"); ok {
				anchors = append(anchors, target)
			}
		}
	})
	for _, anchor := range anchors {
		if !ids[anchor] {
			t.Errorf("%s: a link leads to #%s, which is not on the page", v.path, anchor)
		}
	}
	each(root, func(n *html.Node) { checkLabel(t, v, n, ids, labelled) })
}

func checkLabel(t *testing.T, v visit, n *html.Node, ids, labelled map[string]bool) {
	t.Helper()
	if n.Data == "label" && attribute(n, "for") != "" && !ids[attribute(n, "for")] {
		t.Errorf("%s: a label is for %q, which is not on the page", v.path, attribute(n, "for"))
	}
	control := n.Data == "select" || n.Data == "textarea" || n.Data == "input" && !slices.Contains([]string{"hidden", "radio"}, attribute(n, "type"))
	if control && !labelled[attribute(n, "id")] {
		t.Errorf("%s: the control %q has no label", v.path, attribute(n, "name"))
	}
}

var forbidden = regexp.MustCompile(`(?i)\b(node|DAG|webhook secret|CRD|embedding)\b`)

// checkTexts: no message key shows through, and no word that people who have
// never seen a flow builder do not know.
func checkTexts(t *testing.T, v visit) {
	t.Helper()
	said := words(t, v.page.Body)
	if key := regexp.MustCompile(`\b(flow|flows|nav|home|keys|share|run|problem|status|form|outline|flash|visibility|account|settings|history|conflict)\.[a-z][a-z-]+\b`).FindString(said); key != "" && key != "input.name" {
		t.Errorf("%s: the message key %q shows through", v.path, key)
	}
	if word := forbidden.FindString(said); word != "" {
		t.Errorf("%s says %q", v.path, word)
	}
	if strings.Contains(said, "%!") || strings.Contains(said, "<no value>") {
		t.Errorf("%s: a message lacks an argument: %s", v.path, said)
	}
}

func TestErrorsStandBesideTheirFields(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	b := w.Browser(t, "ana@example.com")
	stranger := &webtest.Browser{Agent: portaltest.NewAgent(t, w.URL)}
	cases := map[string]struct {
		reason  string
		browser *webtest.Browser
		path    string
		form    url.Values
		want    []string
		refuse  []string
	}{
		"SignUp": {
			reason: "what was typed is kept, but never a password", browser: stranger, path: "/signup",
			form:   url.Values{"name": {"Ana"}, "email": {"not an address"}, "birth": {"17/12/1990"}, "password": {"very secret phrase"}},
			want:   []string{`value="Ana"`, `value="not an address"`, "This is not an e-mail address."},
			refuse: []string{"very secret phrase"},
		},
		"Login": {
			reason: "it does not say which of the two is wrong", browser: stranger, path: "/login",
			form:   url.Values{"user": {"ana@example.com"}, "password": {"wrong password"}},
			want:   []string{`value="ana@example.com"`, "The e-mail address or the password is not right."},
			refuse: []string{"wrong password"},
		},
		"Key": {
			reason: "a key without a name is not stored, and never shown", browser: b, path: "/apikey/store",
			form:   url.Values{"name": {""}, "key": {"sk-verysecret0123456789"}, "provider": {"openai"}},
			want:   []string{"Please give the key a name.", `value="openai" selected`},
			refuse: []string{"sk-verysecret0123456789"},
		},
		"Account": {
			reason: "an account goes with its password only", browser: b, path: "/account/delete",
			form: url.Values{"password": {"wrong password"}},
			want: []string{"The password is not right."},
		},
	}
	for name, tc := range cases {
		page := tc.browser.Send(t, tc.path, tc.form)
		if page.Status < 400 {
			t.Errorf("%s: %s: answers %d", name, tc.reason, page.Status)
		}
		want(t, page, tc.want...)
		refuse(t, page, tc.refuse...)
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent := portaltest.NewAgent(t, w.URL)
	open := func(accept string) string {
		page := agent.Get(t, "/login", portaltest.With("Accept", webtest.HTML), portaltest.With("Accept-Language", accept))
		return page.Header.Get("Content-Language")
	}
	for accept, want := range map[string]string{
		"": "en", "es-MX,es;q=0.9,en;q=0.8": "es", "de,fr": "en", "en;q=0.5,es;q=0.8": "es", "es;q=nonsense": "en", "*": "en",
	} {
		if got := open(accept); got != want {
			t.Errorf("Accept-Language %q gives %q, want %q", accept, got, want)
		}
	}
	answer := agent.Get(t, "/language?to=es&back=/signup")
	if answer.Status != http.StatusSeeOther || answer.Header.Get("Location") != "/signup" {
		t.Errorf("choosing a language: %d to %q", answer.Status, answer.Header.Get("Location"))
	}
	if got := open("en"); got != "es" {
		t.Errorf("a chosen language is kept against the browser's: %q", got)
	}
	if away := agent.Get(t, "/language?to=en&back=//evil.example"); away.Header.Get("Location") != "/" {
		t.Errorf("the way back leads to another site: %q", away.Header.Get("Location"))
	}
	if none := agent.Get(t, "/language?to=xx"); none.Status != http.StatusNotFound {
		t.Errorf("a language that there is not: %d", none.Status)
	}
}

func TestUnavailableLooksAgain(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	b := w.Browser(t, "ana@example.com")
	page := b.Open(t, "/flow/by-kubectl")
	if page.Status != http.StatusNotFound {
		t.Errorf("a flow that nobody made: %d", page.Status)
	}
	_, flow := b.Submit(t, "/flow/create?template=notes-to-tasks", nil)
	ran, _ := b.Submit(t, flow+"/run", url.Values{})
	want(t, ran, "Your workspace is being prepared", `http-equiv="refresh"`)
	w.StartRuntime(t, b.Program)
	_, location := b.Submit(t, flow+"/run", url.Values{})
	portaltest.Eventually(t, "the run shows its result", func() bool {
		run, _, _ := strings.Cut(location, "#")
		return strings.Contains(b.Open(t, run).Body, "Practice answer")
	})
}

func TestStaticFilesAreKeptForEver(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent := portaltest.NewAgent(t, w.URL)
	page := agent.Get(t, "/login", portaltest.With("Accept", webtest.HTML))
	found := regexp.MustCompile(`/static/(style\.css|app\.js)\?v=[0-9a-f]{12}`).FindAllString(page.Body, -1)
	if len(found) != 2 {
		t.Fatalf("the page names %v, want a style sheet and a script", found)
	}
	total := len(page.Body)
	for _, path := range found {
		file := agent.Get(t, path)
		total += len(file.Body)
		if file.Status != http.StatusOK || !strings.Contains(file.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, Cache-Control %q", path, file.Status, file.Header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/static/style.css", "/static/app.js?v=0123456789ab"} {
		if file := agent.Get(t, path); file.Status != http.StatusOK || strings.Contains(file.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s, which is another version: %d, Cache-Control %q", path, file.Status, file.Header.Get("Cache-Control"))
		}
	}
	if total > 200<<10 {
		t.Errorf("the first page with all that it needs is %d bytes, want at most 200 KiB", total)
	}
}

// TestOldBrowsers looks for what IE 9, Firefox 5 and Chrome 10 do not know.
func TestOldBrowsers(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("static", "app.js"))
	if err != nil {
		t.Fatal(err)
	}
	for reason, pattern := range map[string]string{
		"an arrow function":   `=>`,
		"a template literal":  "`",
		"let, const or class": `\b(let|const|class)\s+[A-Za-z_$\[{]`,
		"a member that IE 9 does not have": `\.(classList|dataset|closest|remove|append|prepend|matches|includes|startsWith|endsWith|assign|entries|find|from|hidden|replaceWith)\b|` +
			`\b(fetch|FormData|Promise|Symbol|EventSource|WebSocket|URLSearchParams|requestAnimationFrame|IntersectionObserver|MutationObserver|history\.pushState)\b`,
		"for … of":               `for\s*\([^)]*\bof\b`,
		"spread or rest":         `\.\.\.`,
		"optional chaining":      `\?\.[A-Za-z_(\[]`,
		"evaluation of text":     `\beval\b|new Function`,
		"HTML made from text":    `innerHTML|outerHTML|insertAdjacentHTML|document\.write`,
		"an async function":      `\basync\b|\bawait\b`,
		"default values":         `function[^(]*\([^)]*=`,
		"trailing comma in call": `,\s*\)`,
	} {
		if found := regexp.MustCompile(pattern).FindString(string(script)); found != "" {
			t.Errorf("app.js has %s: %q", reason, found)
		}
	}
}

func TestMessagesAreCompleteInBothLanguages(t *testing.T) {
	t.Parallel()
	read := func(name string) []string {
		data, err := os.ReadFile(filepath.Join("messages", name))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(decode(t, data)))
	}
	en, es := read("en.json"), read("es.json")
	for _, key := range en {
		if !slices.Contains(es, key) {
			t.Errorf("es.json lacks %s", key)
		}
	}
	for _, key := range es {
		if !slices.Contains(en, key) {
			t.Errorf("en.json lacks %s", key)
		}
	}
}
