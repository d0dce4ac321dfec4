package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	A string `json:"a"`
}

type sample struct {
	Name   string          `json:"name"`
	Count  int64           `json:"count,omitempty"`
	On     bool            `json:"on,omitempty"`
	List   []string        `json:"list,omitempty"`
	Inner  *inner          `json:"inner,omitempty"`
	Items  []inner         `json:"items,omitempty"`
	Raw    json.RawMessage `json:"raw,omitempty"`
	Hidden string          `json:"-"`
}

// Validate refuses one name.
func (s *sample) Validate() []FieldError {
	if s.Name == "refused" {
		return []FieldError{{Field: "name", Code: CodeInvalid, Message: "Not this one."}}
	}
	return nil
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestBind(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, contentType, body string
		want                      sample
	}{
		"JSON":        {"A JSON body.", asJSON, `{"name":"n","count":3,"on":true,"inner":{"a":"x"},"items":[{"a":"y"}]}`, sample{Name: "n", Count: 3, On: true, Inner: &inner{"x"}, Items: []inner{{"y"}}}},
		"Charset":     {"UTF-8 may be named.", asJSON + "; charset=UTF-8", `{"name":"ñ"}`, sample{Name: "ñ"}},
		"Raw":         {"A raw part is open.", asJSON, `{"name":"n","raw":{"any":{"thing":[1]}}}`, sample{Name: "n", Raw: json.RawMessage(`{"any":{"thing":[1]}}`)}},
		"Form":        {"A form.", asForm, `name=n&count=3&on=on&list=a&list=b`, sample{Name: "n", Count: 3, On: true, List: []string{"a", "b"}}},
		"FormToken":   {"The token of a form is no field.", asForm, `name=n&csrf_token=t`, sample{Name: "n"}},
		"Empty":       {"Nothing where JSON is announced.", asJSON, ``, sample{}},
		"EmptyNoType": {"No body at all.", "", ``, sample{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Bind[sample](post(tc.contentType, tc.body))
			if err != nil {
				t.Fatalf("%s\nBind: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestBindRefuses holds promise N6: content type and shape are checked.
func TestBindRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, contentType, body string
		status                    int
	}{
		"Unknown":           {"An unknown field.", asJSON, `{"name":"n","admin":true}`, 400},
		"UnknownInside":     {"An unknown field further in.", asJSON, `{"name":"n","inner":{"b":"x"}}`, 400},
		"UnknownInList":     {"An unknown field of an item.", asJSON, `{"name":"n","items":[{"a":"x","b":1}]}`, 400},
		"Duplicate":         {"A field twice.", asJSON, `{"name":"n","name":"m"}`, 400},
		"DuplicateInRaw":    {"Twice in a raw part.", asJSON, `{"name":"n","raw":{"a":1,"a":2}}`, 400},
		"DuplicateByEscape": {"Twice, once escaped.", asJSON, `{"name":"n","\u006eame":"m"}`, 400},
		"Capital":           {"Another spelling.", asJSON, `{"Name":"n"}`, 400},
		"Hidden":            {"A field that is not for callers.", asJSON, `{"name":"n","Hidden":"x"}`, 400},
		"Type":              {"A value of another type.", asJSON, `{"name":7}`, 400},
		"Trailer":           {"Something after the end.", asJSON, `{"name":"n"}{}`, 400},
		"Array":             {"Not an object.", asJSON, `[]`, 400},
		"Broken":            {"Not JSON.", asJSON, `{"name":`, 400},
		"UTF8":              {"Not UTF-8.", asJSON, "{\"name\":\"\xff\"}", 400},
		"Deep":              {"Nested without end.", asJSON, `{"name":"n","raw":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 400},
		"Validate":          {"A value that the request's own check refuses.", asJSON, `{"name":"refused"}`, 400},
		"Text":              {"Another content type.", "text/plain", `{"name":"n"}`, 415},
		"None":              {"No content type.", "", `{"name":"n"}`, 415},
		"Multipart":         {"A content type that pages can send.", "multipart/form-data; boundary=x", `--x--`, 415},
		"Charset":           {"Another character set.", asJSON + "; charset=utf-7", `{"name":"n"}`, 415},
		"FormUnknown":       {"An unknown field of a form.", asForm, `name=n&admin=1`, 400},
		"FormDuplicate":     {"A form's field twice.", asForm, `name=n&name=m`, 400},
		"FormType":          {"A form's value of another type.", asForm, `name=n&count=x`, 400},
		"FormNested":        {"A form has no nested fields.", asForm, `name=n&inner=x`, 400},
		"FormUTF8":          {"A form's value is not UTF-8.", asForm, `name=%ff`, 400},
		"FormBroken":        {"A broken escape.", asForm, `name=%zz`, 400},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Bind[sample](post(tc.contentType, tc.body))
			var e *Error
			if !errors.As(err, &e) || e.Status != tc.status {
				t.Errorf("%s\nBind: %v, want status %d", tc.reason, err, tc.status)
			}
			if err != nil && strings.Contains(err.Error(), "refused") {
				t.Errorf("the error echoes the caller's value: %v", err)
			}
		})
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{"name":"n"}`, `{"inner":{"a":"x"},"items":[{"a":"y"}],"raw":{"z":[1,2,{"q":null}]}}`, `{"name":"n","name":"m"}`, `[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var into sample
		if DecodeJSON(data, &into) != nil {
			return
		}
		// What is accepted must say the same to a decoder that is strict in
		// its own way.
		var again sample
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&again); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if diff := cmp.Diff(into, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"/flows?x=1": "/flows?x=1", "": "/", "flows": "/", "//evil.example": "/", "https://evil.example/": "/",
		"/\\evil.example": "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/",
	} {
		if got := LocalPath(location); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", location, got, want)
		}
	}
}
