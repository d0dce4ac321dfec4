package web_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/web/webtest"
	"github.com/weft-run/weft/test/openai/fake"
)

// TestJourney goes the owner's core flows in a browser without scripting: a
// newcomer signs up, builds a flow with a key that is pasted in place, runs it
// and reads the result, saves it, shares it, and deletes everything.
func TestJourney(t *testing.T) {
	t.Parallel()
	model := httptest.NewServer(fake.New(fake.Options{Key: "sk-test-0123456789abcdef"}))
	t.Cleanup(model.Close)
	w := webtest.New(t)
	b := w.Browser(t, "ana@example.com")
	w.StartRuntime(t, b.Program)

	page, location := b.Submit(t, "/flow/create?template=blanc", nil)
	want(t, page, "This flow has no steps yet", `value="blanc flow"`)
	flow := strings.TrimPrefix(location, "/flow/")

	o := &outline{t: t, b: b, path: location}
	o.press("run", nil)
	want(t, o.page, "Add a step first")
	o.press("quick:openai-chat", nil)
	want(t, o.page, "ChatGPT", "Paste a new key")
	step := o.step("openai-chat")
	o.press("keep", url.Values{
		"step." + step + ".p.prompt":   {"Write a haiku about {{ input }}"},
		"step." + step + ".p.baseURL":  {model.URL + "/v1"},
		"step." + step + ".newkey":     {"sk-test-0123456789abcdef"},
		"step." + step + ".newkeyname": {"Chat gpt apikey"},
	})
	want(t, o.page, "Write a haiku about {{ input }}", "Chat gpt apikey (…cdef)")
	refuse(t, o.page, "sk-test-0123456789abcdef")

	o.press("quick:input", nil)
	o.press("quick:output", nil)
	o.press("run", url.Values{"input": {"autumn"}})
	want(t, o.page, "You said: Write a haiku about autumn", `id="result"`)

	o.press("save", nil)
	want(t, o.page, "Saved.")
	answer := b.Program.Get(t, "/flow/"+flow)
	if got := answer.JSON(t)["flow"].(map[string]any)["components"].([]any); len(got) != 3 {
		t.Errorf("the saved flow has %d steps, want Input, ChatGPT and Output: %s", len(got), answer.Body)
	}

	share := b.Open(t, location+"/share")
	want(t, share, "Endpoint keys", "Private")
	made := b.Send(t, location+"/endpoint-keys", url.Values{"name": {"My web site"}, "days": {"30"}})
	want(t, made, "My web site", "wk_")

	want(t, b.Open(t, "/keys"), "Chat gpt apikey", "blanc flow", "ends in cdef")
	list, _ := b.Submit(t, "/flow/delete/"+flow, nil)
	want(t, list, "The flow is deleted.", "Undo")
	if got := b.Open(t, location); got.Status != http.StatusNotFound {
		t.Errorf("a deleted flow answers %d, want 404", got.Status)
	}
}

// TestARefusedKeyLosesNothing: the vault says no, and everything else that was
// typed is kept.
func TestARefusedKeyLosesNothing(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	b := w.Browser(t, "ana@example.com")
	_, location := b.Submit(t, "/flow/create?template=blanc", nil)
	o := &outline{t: t, b: b, path: location}
	o.press("quick:openai-chat", nil)
	step := o.step("openai-chat")
	for _, button := range []string{"keep", "save", "run"} {
		o.press(button, url.Values{
			"step." + step + ".p.prompt": {"Typed before " + button},
			"step." + step + ".newkey":   {"sk-" + strings.Repeat("x", 9000)},
		})
		want(t, o.page, "Typed before "+button, "The key is longer than 8 KiB.")
		refuse(t, o.page, "xxxxx")
	}
}

// TestLargeFlows: a flow with as many steps as there may be is shown in time,
// with the settings of one step open.
func TestLargeFlows(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	b := w.Browser(t, "ana@example.com")
	_, location := b.Submit(t, "/flow/create?template=blanc", nil)
	var steps, edges []any
	for i := range 500 {
		id := "s" + strconv.Itoa(i)
		steps = append(steps, map[string]any{"id": id, "type": "text-template", "name": "Text " + strconv.Itoa(i), "params": map[string]any{"text": "hi"}})
		if i > 0 {
			edges = append(edges, map[string]any{"id": "e" + strconv.Itoa(i), "origin": "s" + strconv.Itoa(i-1), "target": id})
		}
	}
	kept := b.Program.JSON(t, location+"/draft", map[string]any{"revision": 1, "flow": map[string]any{"name": "large", "components": steps, "edges": edges}})
	if kept.Status != http.StatusOK {
		t.Fatalf("keeping: %d %s", kept.Status, kept.Body)
	}
	begun := time.Now()
	page := b.Open(t, location+"?step=s250&check=1")
	took := time.Since(begun)
	if got := strings.Count(page.Body, `.p.text"`); got != 1 {
		t.Errorf("the settings of %d steps are open, want one", got)
	}
	if took > 5*time.Second || len(page.Body) > 3<<20 {
		t.Errorf("a page of 500 steps took %v and is %d bytes", took, len(page.Body))
	}
}

// outline drives the editor's form as a browser does: with every control that
// the page has.
type outline struct {
	t    *testing.T
	b    *webtest.Browser
	path string
	page portaltest.Answer
}

var stepID = regexp.MustCompile(`name="step\.([A-Za-z0-9-]+)\.type" value="([^"]+)"`)

// step returns the id of the first step of a type.
func (o *outline) step(stepType string) string {
	o.t.Helper()
	for _, match := range stepID.FindAllStringSubmatch(o.page.Body, -1) {
		if match[2] == stepType {
			return match[1]
		}
	}
	o.t.Fatalf("the page has no step of type %s", stepType)
	return ""
}

// press changes controls and presses a button.
func (o *outline) press(do string, changes url.Values) {
	o.t.Helper()
	form := controlsOf(o.t, o.b.Open(o.t, o.path).Body)
	maps.Copy(form, changes)
	form.Set("do", do)
	o.page, _ = o.b.Submit(o.t, o.path+"/draft", form)
	if o.page.Status != http.StatusOK {
		o.t.Fatalf("pressing %s answers %d: %s", do, o.page.Status, words(o.t, o.page.Body))
	}
}

func want(t *testing.T, page portaltest.Answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.Body, text) {
			t.Errorf("the page (%d) does not show %q, but:\n%s", page.Status, text, words(t, page.Body))
		}
	}
}

func refuse(t *testing.T, page portaltest.Answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page.Body, text) {
			t.Errorf("the page (%d) shows %q", page.Status, text)
		}
	}
}
