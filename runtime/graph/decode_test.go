package graph

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		json   string
		want   []string // as in TestValidate
	}{
		"Everything": {"Every field of a flow can be read.", `{"title": "t", "description": "d",
			"components": [{"id": "a", "type": "text", "name": "n", "params": {"x": {"y": [1.5, null, true, "z"]}}, "credential": {"secretKeyRef": {"name": "s", "key": "k"}},
				"onError": {"action": "Default", "value": [1], "retry": {"times": 2, "backoff": "1s"}}, "timeout": "1m", "position": {"x": 1, "y": -2}, "parent": "p"}],
			"edges": [{"id": "e", "origin": "a", "target": "a", "originPort": "x", "targetPort": "y"}],
			"exposure": {"visibility": "Public", "allowedOrigins": ["https://a.b"], "rateLimit": {"perDay": 5000000000}, "page": "Chat"},
			"runtime": {"mode": "Dedicated", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}, "replicas": {"min": 0, "max": 2}, "runTimeout": "30s", "egress": {"allow": ["x"]}},
			"state": "Running", "revisionHistoryLimit": 3}`, nil},
		"Null":       {"null is as good as nothing.", `{"components": null, "edges": null, "title": null, "runtime": {"runTimeout": null}}`, nil},
		"Unknown":    {"Unknown fields are refused, with a suggestion.", `{"componets": [], "components": [{"id": "a", "typ": "x", "position": {"z": 1}}]}`, []string{` componets Unknown did you mean components?`, `a typ Unknown did you mean type?`, `a position.z Unknown there are x, y`}},
		"Case":       {"Case counts.", `{"Title": "x"}`, []string{` Title Unknown did you mean title?`}},
		"Duplicate":  {"Keys that are there twice are refused, in params too.", `{"title": "a", "title": "b", "components": [{"id": "a", "params": {"x": {"y": 1, "y": 2}}}]}`, []string{` title Duplicate there twice`, `a params.x.y Duplicate there twice`}},
		"Types":      {"Values have types.", `{"title": 1, "components": {"a": 1}, "edges": [1, {"id": []}], "revisionHistoryLimit": 1.5, "state": true, "runtime": {"runTimeout": "soon", "replicas": {"min": "1", "max": 99999999999}, "resources": {"limits": {"memory": "lots"}}}}`, []string{` title TypeMismatch a text`, ` components TypeMismatch a list`, ` edges[0] TypeMismatch an object`, ` edges[1].id TypeMismatch a text`, ` revisionHistoryLimit TypeMismatch a whole number`, ` state TypeMismatch a text`, ` runtime.runTimeout TypeMismatch a duration like`, ` runtime.replicas.min TypeMismatch a whole number`, ` runtime.replicas.max TypeMismatch a whole number`, ` runtime.resources.limits.memory TypeMismatch an amount like`}},
		"Params":     {"Params are an object.", `{"components": [{"id": "a", "params": [1]}]}`, []string{`a params TypeMismatch an object`}},
		"BadID":      {"A component without a good id is named by its number.", `{"components": [{"id": "a b", "x": 1}, {"id": 7}]}`, []string{` components[0].x Unknown`, ` components[1].id TypeMismatch a text`}},
		"HugeNumber": {"Numbers that no double holds are refused.", `{"components": [{"id": "a", "params": {"x": 1e999}}]}`, []string{`a params.x TooLarge`}},
		"NotJSON":    {"Broken JSON says where.", "{\"title\": \"a\",\n  \"state\" \"x\"}", []string{` flow Invalid line 2, column 10`}},
		"Truncated":  {"So does JSON that ends early.", `{"title": "a"`, []string{` flow Invalid line 1, column 14`}},
		"Nothing":    {"Nothing is not a flow.", ``, []string{` flow Invalid line 1, column 1`}},
		"TopNull":    {"Neither is null.", `null`, []string{` flow TypeMismatch an object`}},
		"TopList":    {"Neither is a list.", `[{}]`, []string{` flow TypeMismatch an object`}},
		"Trailing":   {"Nothing may follow.", `{} {}`, []string{` flow Invalid something follows`}},
		"UTF8":       {"Texts are UTF-8.", "{\"title\": \"\xff\"}", []string{` flow Invalid UTF-8`}},
		"Deep":       {"Depth is bounded.", `{"components": [{"params": {"x": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}}]}`, []string{` flow TooLarge deeper than 64`}},
		"VeryDeep":   {"However deep it is.", strings.Repeat(`{"a":`, 200_000), []string{` a Unknown`, ` flow TooLarge deeper than 64`}},
		"Large":      {"Length is bounded.", `{"title": "` + strings.Repeat("x", MaxBytes) + `"}`, []string{` flow TooLarge larger than`}},
		"Many":       {"No more problems are listed than a person reads.", `{"components": [` + strings.TrimSuffix(strings.Repeat(`{"x": 1},`, 600), ",") + `]}`, nil},
		"LongKey":    {"A long key is not echoed whole.", `{"` + strings.Repeat("k", 1000) + `": 1}`, []string{` ` + strings.Repeat("k", 40) + `… Unknown`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec, got := Decode([]byte(tc.json))
			if name == "Many" {
				if len(got) != MaxProblems || got[MaxProblems-1].Code != CodeTooLarge {
					t.Fatalf("%s\ngot %d problems", tc.reason, len(got))
				}
				return
			}
			if (spec == nil) != (len(got) > 0) {
				t.Errorf("%s\ngot a flow: %v, and %d problems", tc.reason, spec != nil, len(got))
			}
			if len(got) != len(tc.want) {
				t.Fatalf("%s\ngot %d problems, want %d:\n%s", tc.reason, len(got), len(tc.want), lines(got))
			}
			for i, p := range got {
				if !matches(p, tc.want[i]) {
					t.Errorf("%s\nproblem %d: want %q, got:\n%s", tc.reason, i, tc.want[i], lines(got[i:i+1]))
				}
				if len(p.Message) > 600 || len(p.Field) > 300 {
					t.Errorf("%s\nproblem %d is too long:\n%s", tc.reason, i, lines(got[i:i+1]))
				}
			}
		})
	}
}

// TestDecodeRoundTrip says that what Go writes, Decode reads to the same flow.
func TestDecodeRoundTrip(t *testing.T) {
	t.Parallel()
	spec := decode(t, `{"title": "ü<&", "components": [{"id": "a", "type": "t", "params": {"a": "<b>"}, "onError": {"action": "Default", "value": {"x": 1}}, "timeout": "90s"}],
		"runtime": {"resources": {"requests": {"cpu": "0.5", "memory": "64Mi"}}}}`)
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatalf("writing the flow: %v", err)
	}
	again := decode(t, string(data))
	data2, err := json.Marshal(again)
	if err != nil {
		t.Fatalf("writing it again: %v", err)
	}
	if diff := cmp.Diff(string(data), string(data2)); diff != "" {
		t.Errorf("-first, +second:\n%s", diff)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := `{"title": "T", "components": [{"id": "a", "type": "text", "params": {"x": 1, "y": "z"}}, {"id": "b", "type": "output"}], "edges": [{"id": "e", "origin": "a", "target": "b"}]}`
	cases := map[string]struct {
		reason string
		flow   string
		same   bool
	}{
		"Same":        {"The same flow has the same hash.", base, true},
		"Space":       {"White space, the order of keys and the spelling of numbers do not count.", `{"title": "T", "components": [{"params": { "y": "z", "x": 1.0 }, "type": "text", "id": "a"}, {"id": "b", "type": "output", "params": {}}], "edges": [{"id": "e", "origin": "a", "target": "b"}]}`, true},
		"People":      {"What is for people does not count.", strings.Replace(base, `"title": "T"`, `"title": "Other", "description": "D"`, 1), true},
		"Position":    {"Positions do not count.", strings.Replace(base, `"type": "text"`, `"type": "text", "position": {"x": 1, "y": 2}`, 1), true},
		"EdgeName":    {"Ids of edges do not count.", strings.Replace(base, `"id": "e"`, `"id": "f"`, 1), true},
		"Exposure":    {"Who may call does not count.", strings.Replace(base, `"title": "T"`, `"exposure": {"visibility": "Public"}, "state": "Paused"`, 1), true},
		"Defaults":    {"Defaults may be written or not.", strings.Replace(base, `"title": "T"`, `"exposure": {"maxBodyBytes": 1048576, "page": "None"}, "runtime": {"runTimeout": "60s", "maxConcurrentRuns": 64}`, 1), true},
		"DefaultName": {"So may the name.", strings.Replace(base, `"type": "output"`, `"type": "output", "name": "output", "onError": {"action": "Stop"}`, 1), true},
		"Param":       {"Params count.", strings.Replace(base, `"x": 1`, `"x": 2`, 1), false},
		"Name":        {"Names of steps count: expressions read them.", strings.Replace(base, `"type": "output"`, `"type": "output", "name": "End"`, 1), false},
		"Edge":        {"Edges count.", strings.Replace(base, `"target": "b"`, `"target": "b", "targetPort": "x"`, 1), false},
		"Timeout":     {"Limits of runs count.", strings.Replace(base, `"title": "T"`, `"runtime": {"runTimeout": "61s"}`, 1), false},
		"Page":        {"The page counts: the runtime serves it.", strings.Replace(base, `"title": "T"`, `"exposure": {"page": "Form"}`, 1), false},
		"OnError":     {"What happens on errors counts.", strings.Replace(base, `"type": "output"`, `"type": "output", "onError": {"action": "Default"}`, 1), false},
		"EmptyValue":  {"An empty object is not nothing there.", strings.Replace(base, `"type": "output"`, `"type": "output", "onError": {"action": "Default", "value": {}}`, 1), false},
		"Credential":  {"Keys count.", strings.Replace(base, `"type": "output"`, `"type": "output", "credential": {"vaultKeyRef": {"name": "k"}}`, 1), false},
	}
	want := Hash(decode(t, base))
	if len(want) != 10 {
		t.Fatalf("the hash %q has not ten digits", want)
	}
	seen := map[string]string{want: "base"}
	for name, tc := range cases {
		got := Hash(decode(t, tc.flow))
		if (got == want) != tc.same {
			t.Errorf("%s: %s got %s, base has %s", name, tc.reason, got, want)
		}
		if other, ok := seen[got]; ok && !tc.same {
			t.Errorf("%s has the same hash as %s", name, other)
		}
		if !tc.same {
			seen[got] = name
		}
	}
	reads := strings.Replace(base, `"z"`, `"{{ flow.title }}"`, 1)
	paged := strings.Replace(base, `"title": "T"`, `"title": "T", "exposure": {"page": "Chat"}`, 1)
	if Hash(decode(t, paged)) == Hash(decode(t, strings.Replace(paged, `"title": "T"`, `"title": "T", "description": "D"`, 1))) {
		t.Error("The description counts where a page shows it.")
	}
	if Hash(decode(t, reads)) == Hash(decode(t, strings.Replace(reads, `"title": "T"`, `"title": "U"`, 1))) {
		t.Error("The title counts where an expression reads it.")
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	spec := decode(t, `{"components": [
		{"id": "a", "type": "keyed", "credential": {"vaultKeyRef": {"name": "z"}}}, {"id": "b", "type": "keyed", "credential": {"vaultKeyRef": {"name": "a"}}},
		{"id": "c", "type": "keyed", "credential": {"vaultKeyRef": {"name": "z"}}}, {"id": "d", "type": "keyed", "credential": {"secretKeyRef": {"name": "s", "key": "2"}}},
		{"id": "e", "type": "keyed", "credential": {"secretKeyRef": {"name": "s", "key": "1"}}}, {"id": "f", "type": "keyed", "credential": {"secretKeyRef": {"name": "s", "key": "2"}}}]}`)
	if diff := cmp.Diff([]string{"a", "z"}, VaultKeys(spec)); diff != "" {
		t.Errorf("vault keys: -want, +got:\n%s", diff)
	}
	var got []string
	for _, s := range Secrets(spec) {
		got = append(got, s.Name+"/"+s.Key)
	}
	if diff := cmp.Diff([]string{"s/1", "s/2"}, got); diff != "" {
		t.Errorf("secrets: -want, +got:\n%s", diff)
	}
	cat := testCatalog(t)
	for source, want := range map[string]bool{
		`{}`: false, `{"components": [{"id": "a", "type": "input"}]}`: false, `{"components": [{"id": "a", "type": "output"}]}`: false,
		`{"components": [{"id": "a", "type": "output"}, {"id": "b", "type": "input"}]}`: true,
	} {
		if got := Exposable(decode(t, source), cat); got != want {
			t.Errorf("Exposable(%s) = %v", source, got)
		}
	}
}
