package connect_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/connect"
	"github.com/weft-run/weft/runtime/guard"
)

const key = "sk-secret-0123456789"

type object = map[string]any

// echo answers with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(object{
		"method": r.Method, "url": r.URL.String(), "body": string(body), "type": r.Header.Get("Content-Type"),
		"auth": r.Header.Get("Authorization"), "key": r.Header.Get("X-Api-Key"), "extra": r.Header.Get("X-Extra"),
	}); err != nil {
		return
	}
}

func run(t *testing.T, handler http.HandlerFunc, params catalog.Params, secret string) (catalog.Outputs, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	allow, err := guard.ParseAllowList([]string{"127.0.0.1"})
	if err != nil {
		t.Fatalf("reading the allow-list: %v", err)
	}
	component := connect.HTTPRequest()
	all := catalog.Params{}
	for _, field := range component.Fields {
		if field.Default != nil {
			all[field.Name] = field.Default
		}
	}
	all["url"] = server.URL + "/path?a=1#part"
	maps.Copy(all, params)
	return component.Run(t.Context(), &catalog.Call{
		Params: all, Credential: catalog.NewSecret(secret),
		HTTP: guard.NewClient(guard.Options{Allow: allow, MaxResponseBytes: 1 << 20}),
	})
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		params catalog.Params
		secret string
		want   object
	}{
		"get":          {"A plain GET.", nil, "", object{"method": "GET", "url": "/path?a=1"}},
		"query":        {"The query is written safely, and values become texts.", catalog.Params{"query": object{"q": "a&b=c", "n": 2.0}}, "", object{"url": "/path?a=1&n=2&q=a%26b%3Dc"}},
		"header":       {"Headers are added.", catalog.Params{"headers": object{"X-Extra": 7.0}}, "", object{"extra": "7"}},
		"json":         {"An object is sent as JSON.", catalog.Params{"method": "POST", "body": object{"a": "x\"y"}}, "", object{"method": "POST", "body": `{"a":"x\"y"}`, "type": "application/json"}},
		"json text":    {"A text that is JSON already is sent as it is.", catalog.Params{"method": "PUT", "body": ` {"a": 1}`}, "", object{"body": ` {"a": 1}`, "type": "application/json"}},
		"plain text":   {"Any other text becomes a JSON text.", catalog.Params{"method": "POST", "body": "hello"}, "", object{"body": `"hello"`}},
		"form":         {"An object may be sent as a form.", catalog.Params{"method": "POST", "bodyType": "form", "body": object{"a": "1&2", "b": true}}, "", object{"body": "a=1%262&b=true", "type": "application/x-www-form-urlencoded"}},
		"text":         {"Or as a text.", catalog.Params{"method": "PATCH", "bodyType": "text", "body": "hello"}, "", object{"body": "hello", "type": "text/plain; charset=utf-8"}},
		"no body":      {"A GET has no body.", catalog.Params{"body": object{"a": 1.0}}, "", object{"body": "", "type": ""}},
		"bearer":       {"The key is a bearer token; an answer that repeats it does not show it.", nil, key, object{"auth": "Bearer [secret]"}},
		"basic":        {"Or user and password.", catalog.Params{"sendKey": "basic"}, "user:pw", object{"auth": "Basic dXNlcjpwdw=="}},
		"key header":   {"Or in a header of its own.", catalog.Params{"sendKey": "header", "keyHeader": "X-Api-Key"}, key, object{"key": "[secret]", "auth": ""}},
		"key not sent": {"Or not sent.", catalog.Params{"sendKey": "none"}, key, object{"auth": "", "key": ""}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, echo, tc.params, tc.secret)
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			answer, _ := got["main"].(object)
			for name, want := range tc.want {
				if diff := cmp.Diff(want, answer[name]); diff != "" {
					t.Errorf("%s\n%s (-want +got):\n%s", tc.reason, name, diff)
				}
			}
			if got["status"] != 200.0 {
				t.Errorf("status is %v", got["status"])
			}
		})
	}
}

func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Retry-After", "9")
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		handler http.HandlerFunc
		params  catalog.Params
		want    any
		code    v1alpha1.ErrorCode
	}{
		"json":             {"JSON becomes an object.", answering(200, "application/json; charset=utf-8", `{"a":[1,null]}`), nil, object{"a": []any{1.0, nil}}, ""},
		"json kind":        {"So do its relatives.", answering(200, "application/vnd.api+json", `[1]`), nil, []any{1.0}, ""},
		"text":             {"Anything else is a text.", answering(200, "text/html", "<p>ä"), nil, "<p>ä", ""},
		"latin-1":          {"In the encoding that it names.", answering(200, "text/plain; charset=ISO-8859-1", "\xe4"), nil, "ä", ""},
		"bytes":            {"What is no text at all becomes one.", answering(200, "image/png", "\x89P\xff"), nil, "\uFFFDP\uFFFD", ""},
		"as text":          {"JSON may be read as text.", answering(200, "application/json", "{}"), catalog.Params{"responseType": "text"}, "{}", ""},
		"as json":          {"A text may be read as JSON.", answering(200, "text/plain", "{}"), catalog.Params{"responseType": "json"}, object{}, ""},
		"empty json":       {"An empty answer is no value.", answering(200, "application/json", ""), nil, nil, ""},
		"broken json":      {"Broken JSON is the service's error.", answering(200, "application/json", `{"a":`), nil, nil, v1alpha1.ErrorUpstream},
		"not found":        {"An error fails the step.", answering(404, "text/plain", "no"), nil, nil, v1alpha1.ErrorUpstream},
		"forbidden":        {"A refused key is told apart.", answering(403, "text/plain", "no"), nil, nil, v1alpha1.ErrorUnauthorized},
		"busy":             {"So is a busy service.", answering(429, "text/plain", "no"), nil, nil, v1alpha1.ErrorRateLimited},
		"error is answer":  {"Errors may be answers.", answering(404, "text/plain", "no"), catalog.Params{"failOnError": false}, "no", ""},
		"redirect":         {"A redirect is an answer.", redirecting, nil, "<a href=\"/end\">Found</a>.\n\n", ""},
		"redirect, follow": {"Unless it is to be followed.", redirecting, catalog.Params{"followRedirects": true}, "end", ""},
		"too large":        {"A huge answer is cut off.", answering(200, "text/plain", strings.Repeat("x", 2<<20)), nil, nil, v1alpha1.ErrorTooLarge},
		"bomb":             {"Also one that is huge only when unpacked.", bomb, nil, nil, v1alpha1.ErrorTooLarge},
		"blocked":          {"What must not be reached is not.", echo, catalog.Params{"url": "http://169.254.169.254/latest"}, nil, v1alpha1.ErrorBlocked},
		"no address":       {"An address that is none.", echo, catalog.Params{"url": "http://[::1"}, nil, v1alpha1.ErrorInvalidInput},
		"line break":       {"A value cannot add a header.", echo, catalog.Params{"headers": object{"X-Extra": "a\r\nX-Evil: b"}}, nil, v1alpha1.ErrorInvalidInput},
		"reserved header":  {"Nor replace one of the connection.", echo, catalog.Params{"headers": object{"host": "evil"}}, nil, v1alpha1.ErrorInvalidInput},
		"form of a list":   {"A form needs names.", echo, catalog.Params{"method": "POST", "bodyType": "form", "body": []any{1.0}}, nil, v1alpha1.ErrorInvalidInput},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, tc.handler, tc.params, "")
			var problem *catalog.Error
			if tc.code != "" {
				if !errors.As(err, &problem) || problem.Code != tc.code {
					t.Errorf("%s\ngot %v, want %s", tc.reason, err, tc.code)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got["main"]); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func redirecting(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/end" {
		answering(200, "text/plain", "end")(w, r)
		return
	}
	http.Redirect(w, r, "/end", http.StatusFound)
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(w)
	zeros := make([]byte, 1<<20)
	for range 100 {
		if _, err := zip.Write(zeros); err != nil {
			return
		}
	}
	_ = zip.Close()
}

func TestAKeyThatCannotBeSent(t *testing.T) {
	t.Parallel()
	_, err := run(t, echo, nil, "sk-secret\nX-Evil: 1")
	var problem *catalog.Error
	if !errors.As(err, &problem) || problem.Code != v1alpha1.ErrorUnauthorized || strings.Contains(err.Error(), "sk-secret") {
		t.Errorf("got %v, want a word on the key, without the key", err)
	}
}

func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		address string
		sendKey string
		good    bool
	}{
		"fixed":               {"A fixed address.", "https://api.example.com/x", "bearer", true},
		"fixed, capital":      {"Schemes have no case.", "HTTPS://api.example.com", "bearer", true},
		"path from a value":   {"The path may hold values.", "https://api.example.com/{{ input.id }}", "bearer", true},
		"query from a value":  {"So may the query.", "https://api.example.com?q={{ input.q }}", "bearer", true},
		"host from a value":   {"The host may not, where a key could go there.", "https://{{ input.host }}/x", "bearer", false},
		"part of a host":      {"Not even a part of it.", "https://api.example.com{{ input.x }}/x", "bearer", false},
		"all from a value":    {"Nor all of it.", "{{ input.url }}", "bearer", false},
		"all, no key":         {"Without a key it may.", "{{ input.url }}", "none", true},
		"host, no key":        {"So may the host.", "https://{{ input.host }}/x", "none", true},
		"port from a value":   {"A port belongs to the host.", "https://api.example.com:{{ input.p }}/x", "bearer", false},
		"user from a value":   {"What stands before an @ is not the host.", "https://api.example.com:{{ input.p }}@evil.example/", "bearer", false},
		"user name":           {"Names and passwords do not belong here.", "https://user:pw@api.example.com/", "bearer", false},
		"no scheme":           {"An address is written in full.", "api.example.com", "bearer", false},
		"other scheme":        {"HTTP only.", "file:///etc/passwd", "none", false},
		"other scheme, value": {"Also with values in it.", "gopher://x/{{ input.x }}", "none", false},
		"no host":             {"A host is needed.", "https:///x", "bearer", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := connect.HTTPRequest().Validate(catalog.Params{"url": tc.address, "sendKey": tc.sendKey})
			if (len(problems) == 0) != tc.good {
				t.Errorf("%s\n%s: got %v, want good=%v", tc.reason, tc.address, problems, tc.good)
			}
		})
	}
}

func TestHeaderNamesAreChecked(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{"X-Shop": true, "Accept": true, "": false, "a b": false, "x\r\ny": false, "Host": false, "content-length": false, "transfer-encoding": false} {
		problems := connect.HTTPRequest().Validate(catalog.Params{"url": "https://x.example/", "headers": object{name: "v"}})
		if (len(problems) == 0) != good {
			t.Errorf("%q: got %v, want good=%v", name, problems, good)
		}
	}
}
