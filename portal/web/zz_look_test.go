package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/weft-run/weft/portal/web/webtest"
	"github.com/weft-run/weft/test/openai/fake"
)

func TestZZLook(t *testing.T) {
	if os.Getenv("LOOK") == "" {
		t.Skip()
	}
	model := httptest.NewServer(fake.New(fake.Options{Key: "sk-test-0123456789abcdef"}))
	w := webtest.New(t)
	b := w.Browser(t, "ana@example.com")
	w.StartRuntime(t, b.Program)
	_, location := b.Submit(t, "/flow/create?template=blanc", nil)
	o := &outline{t: t, b: b, path: location}
	o.press("quick:openai-chat", nil)
	step := o.step("openai-chat")
	o.press("keep", url.Values{
		"step." + step + ".p.prompt":   {"Write a haiku about {{ input }}"},
		"step." + step + ".p.baseURL":  {model.URL + "/v1"},
		"step." + step + ".newkey":     {"sk-test-0123456789abcdef"},
		"step." + step + ".newkeyname": {"Chat gpt apikey"},
	})
	o.press("quick:input", nil)
	o.press("quick:output", nil)
	o.press("save", nil)
	_, lead := b.Submit(t, "/flow/create?template=lead-form", nil)
	_, rev := b.Submit(t, "/flow/create?template=reply-to-reviews", nil)
	o2 := &outline{t: t, b: b, path: rev}
	_ = o2
	form := controlsOf(t, b.Open(t, rev).Body)
	form.Set("do", "run")
	ran := b.Send(t, rev+"/draft", form)
	_, bad := b.Submit(t, "/flow/create?template=blanc", nil)
	o3 := &outline{t: t, b: b, path: bad}
	o3.press("quick:openai-chat", nil)
	o3.press("quick:http-request", nil)
	form = controlsOf(t, b.Open(t, bad).Body)
	form.Set("do", "save")
	b.Send(t, bad+"/draft", form)
	_, empty := b.Submit(t, "/flow/create?template=blanc", nil)
	target, _ := url.Parse(w.URL)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = target.Host
		if r.In.URL.Query().Get("anon") == "" && r.In.URL.Path != "/login" && r.In.URL.Path != "/signup" {
			u, _ := url.Parse(w.URL)
			r.Out.Header.Del("Cookie")
			for _, c := range b.Client.Jar.Cookies(u) {
				r.Out.AddCookie(c)
			}
			if l := r.In.Header.Get("X-Lang"); l != "" {
				r.Out.Header.Set("Accept-Language", l)
			}
		}
		r.Out.Header.Del("Origin")
		r.Out.Header.Del("Sec-Fetch-Site")
	}}
	srv := &http.Server{Addr: "127.0.0.1:18080", Handler: proxy}
	go srv.ListenAndServe()
	os.WriteFile("/tmp/look.urls", []byte(fmt.Sprintf("flow=%s\nlead=%s\nran=%s\nbad=%s\nempty=%s\n", location, lead, ran.Header.Get("Location"), bad, empty)), 0o644)
	for i := 0; i < 3600; i++ {
		time.Sleep(time.Second)
		if _, err := os.Stat("/tmp/look.stop"); err == nil {
			os.Remove("/tmp/look.stop")
			return
		}
	}
}
