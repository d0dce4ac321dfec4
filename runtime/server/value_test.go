package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `"n%d":1,`, i)
	}
	cases := map[string]struct {
		reason string
		text   string
		want   error
	}{
		"plain":            {"Any value.", `{"a":[1,{"b":null}],"c":"x"}`, nil},
		"same name inside": {"Objects have names of their own.", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, nil},
		"name as value":    {"A value is no name.", `{"a":"a","b":"a"}`, nil},
		"strings in lists": {"Nor is what stands in a list.", `["a","a"]`, nil},
		"brackets in text": {"Nor is what a text holds.", `{"a":"{\"a\":1,\"a\":2}","b":"}]"}`, nil},
		"twice":            {"Twice is once too often.", `{"a":1,"a":2}`, errDuplicate},
		"twice, deep":      {"Anywhere.", `[{"x":{"a":1,"b":2,"a":3}}]`, errDuplicate},
		"twice, escaped":   {"In any spelling.", `{"a\/b":1,"a/b":2}`, errDuplicate},
		"case":             {"Upper and lower case are two names.", `{"a":1,"A":2}`, nil},
		"many":             {"Many names are fine.", "{" + many.String() + `"x":1}`, nil},
		"many, twice":      {"Each once.", "{" + many.String() + `"n77":1}`, errDuplicate},
		"deep":             {"Depth has a bound.", strings.Repeat("[", maxJSONDepth+1) + strings.Repeat("]", maxJSONDepth+1), errTooDeep},
		"just not too":     {"Up to it, all is well.", strings.Repeat("[", maxJSONDepth) + strings.Repeat("]", maxJSONDepth), nil},
		"empty":            {"Nothing is no value.", "", errNotJSON},
		"two":              {"Two are none.", "1 2", errNotJSON},
		"open":             {"What does not end.", `{"a":"b`, errNotJSON},
		"closed":           {"What did not begin.", `]`, errNotJSON},
		"bad text":         {"What is no text.", "\"\xff\"", errNotJSON},
		"bad escape":       {"What is no escape.", `{"\x":1}`, errNotJSON},
		"huge number":      {"What no number can hold.", `1e999`, errNotJSON},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var value any
			if err := decodeJSON([]byte(tc.text), &value); !errors.Is(err, tc.want) {
				t.Errorf("%s\ngot %v, want %v", tc.reason, err, tc.want)
			}
		})
	}
}

// FuzzDecodeJSON looks for panics, and for texts on which this decoder and
// encoding/json do not agree beyond what is refused on purpose.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`, `[{"a":"\\"}]`, `"\ud800"`, "{\"\x00\":1}", `{"a" "b"}`, `{,"a":1}`, `[[[[`, `}{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want any
		err := decodeJSON(data, &got)
		reference := json.Unmarshal(data, &want)
		switch {
		case err == nil && reference != nil:
			t.Errorf("%q: accepted, though it is not JSON: %v", data, reference)
		case err == nil:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-encoding/json +ours):\n%s", data, diff)
			}
		}
	})
}

func TestFromEnv(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"WEFT_MODE": "flow", "WEFT_WORKSPACE": "acme", "WEFT_NAME": "hello", "WEFT_AUDIENCE": "uid",
		"WEFT_REVISION_FILE": "r", "WEFT_TRUST_FILE": "t", "WEFT_EGRESS_ALLOW": "10.0.0.0/8,db.internal",
	}
	cases := map[string]struct {
		reason string
		change map[string]string
		want   string
	}{
		"good":            {"All is there.", nil, ""},
		"test mode":       {"Test runs need no revision.", map[string]string{"WEFT_MODE": "test", "WEFT_REVISION_FILE": ""}, ""},
		"no mode":         {"A mode must be chosen.", map[string]string{"WEFT_MODE": ""}, "WEFT_MODE"},
		"no revision":     {"A flow needs a revision.", map[string]string{"WEFT_REVISION_FILE": ""}, "WEFT_REVISION_FILE is not set"},
		"no audience":     {"Nothing stands in for an audience.", map[string]string{"WEFT_AUDIENCE": ""}, "WEFT_AUDIENCE is not set"},
		"no workspace":    {"Nor for a workspace.", map[string]string{"WEFT_WORKSPACE": ""}, "WEFT_WORKSPACE is not set"},
		"no trust":        {"Nor for keys to trust.", map[string]string{"WEFT_TRUST_FILE": ""}, "WEFT_TRUST_FILE is not set"},
		"vault, no token": {"A vault wants to know who asks.", map[string]string{"WEFT_VAULT_URL": "http://v"}, "WEFT_VAULT_TOKEN_FILE is not set"},
		"bad delay":       {"A delay is a time.", map[string]string{"WEFT_DRAIN_DELAY": "soon"}, "WEFT_DRAIN_DELAY"},
		"negative delay":  {"Not one in the past.", map[string]string{"WEFT_DRAIN_DELAY": "-1s"}, "WEFT_DRAIN_DELAY"},
		"bad allowance":   {"An allow-list can be read.", map[string]string{"WEFT_EGRESS_ALLOW": "10.0.0.0/8,http://x"}, "http://x"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FromEnv(func(key string) string {
				if value, ok := tc.change[key]; ok {
					return value
				}
				return good[key]
			})
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%s\ngot %v, want %q", tc.reason, err, tc.want)
			}
			if err == nil && (got.Listen != ":8080" || got.MetricsListen != ":9090" || got.DrainDelay != defaultDrainDelay) {
				t.Errorf("defaults: %+v", got)
			}
		})
	}
}
