package graph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
)

// one wraps the JSON of a component's further fields into a flow of one step.
func one(rest string) string { return `{"components": [{"id": "a", "type": "all"` + rest + `}]}` }

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		flow   string
		// want has component, field, code and a part of the message of each
		// problem.
		want []string
	}{
		"Empty":       {"A flow of nothing is valid.", `{}`, nil},
		"Draft":       {"Steps without a start are a draft that can be tested.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text"}]}`, nil},
		"UnknownType": {"A misspelt type gets a suggestion.", `{"components": [{"id": "a", "type": "inptu"}]}`, []string{`a type Unknown did you mean input?`}},
		"StrangeType": {"A type that is like none gets none.", `{"components": [{"id": "a", "type": "teleport"}]}`, []string{`a type Unknown there is no type "teleport"`}},
		"NoID":        {"Every step needs an id.", `{"components": [{"type": "text"}]}`, []string{` components[0].id Required every step needs an id`}},
		"BadID":       {"Ids are address-friendly.", `{"components": [{"id": "a b", "type": "text"}]}`, []string{`a b components[0].id Invalid use 1 to 63 letters`}},
		"SameID":      {"Ids are unique.", `{"components": [{"id": "a", "type": "text"}, {"id": "a", "type": "nope"}]}`, []string{`a components[1].id Duplicate another step`, `a components[1].type Unknown`}},
		"LongTitle":   {"Texts for people have a length.", `{"title": "` + strings.Repeat("ü", 121) + `", "description": "` + strings.Repeat("x", 2001) + `"}`, []string{` title TooLarge 120`, ` description TooLarge 2000`}},
		"LongName":    {"So do names.", one(`, "name": "` + strings.Repeat("x", 121) + `"`), []string{`a name TooLarge 120`}},
		"Parent":      {"A parent must exist.", one(`, "parent": "nobody"`), []string{`a parent Orphan no step with the id "nobody"`}},
		"ParentKind":  {"A parent must hold steps.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text", "parent": "a"}]}`, []string{`b parent Orphan cannot hold other steps`}},
		"Timeout":     {"Timeouts have bounds.", one(`, "timeout": "2h"`), []string{`a timeout Invalid between 1ms and 1h`}},
		"OnError": {"What happens on errors is checked.", one(`, "onError": {"action": "Explode", "value": 1, "retry": {"times": 11, "backoff": "6m"}}`), []string{
			`a onError.action Invalid use Stop or Default or Route`, `a onError.value Invalid action Default only`, `a onError.retry.times Invalid between 1 and 10`, `a onError.retry.backoff Invalid between 1ms and 5m`}},

		"KeyMissing":   {"A key that is needed must be there.", `{"components": [{"id": "a", "type": "keyed"}]}`, []string{`a credential Credential choose a key: X key`}},
		"KeyUnwanted":  {"A key that is not needed must not.", one(`, "credential": {"vaultKeyRef": {"name": "k"}}`), []string{`a credential Credential takes no key`}},
		"KeyTwice":     {"A key has one place.", `{"components": [{"id": "a", "type": "keyed", "credential": {"vaultKeyRef": {"name": "k"}, "secretKeyRef": {"name": "s", "key": "k"}}}]}`, []string{`a credential Credential exactly one`}},
		"KeyNames":     {"Names of keys are checked.", `{"components": [{"id": "a", "type": "keyed", "credential": {"secretKeyRef": {"name": "../s", "key": "a/b"}}}]}`, []string{`a credential.secretKeyRef.name Credential "../s"`, `a credential.secretKeyRef.key Credential "a/b"`}},
		"VaultKeyName": {"Names of vault keys are slugs.", `{"components": [{"id": "a", "type": "keyed", "credential": {"vaultKeyRef": {"name": "My Key"}}}]}`, []string{`a credential.vaultKeyRef.name Credential "My Key"`}},
		"KeyGood":      {"A good key is fine.", `{"components": [{"id": "a", "type": "keyed", "credential": {"vaultKeyRef": {"name": "my-key"}}}]}`, nil},

		"ParamUnknown":  {"A misspelt param gets a suggestion.", one(`, "params": {"txet": "x"}`), []string{`a params.txet Unknown did you mean text?`}},
		"ParamsNone":    {"A step without params says so.", `{"components": [{"id": "a", "type": "input", "params": {"x": 1}}]}`, []string{`a params.x Unknown it has none`}},
		"ParamTypes":    {"Params have types.", one(`, "params": {"text": 1, "number": "x", "yes": "yes", "choice": 1, "condition": 1, "map": [], "list": {}, "words": [1], "json": null}`), []string{`a params.text TypeMismatch a text`, `a params.number TypeMismatch a number`, `a params.yes TypeMismatch true or false`, `a params.choice TypeMismatch`, `a params.condition TypeMismatch a condition`, `a params.map TypeMismatch an object`, `a params.list TypeMismatch a list`, `a params.words[0] TypeMismatch a text`}},
		"ParamBounds":   {"Params have bounds.", one(`, "params": {"number": 11, "choice": "c"}`), []string{`a params.number Invalid at most 10`, `a params.choice Invalid choose one of a, b`}},
		"ParamInteger":  {"Whole numbers are whole.", one(`, "params": {"number": 1.5}`), []string{`a params.number Invalid whole number`}},
		"ParamLength":   {"Texts have a length.", one(`, "params": {"text": "` + strings.Repeat("x", 40_001) + `"}`), []string{`a params.text TooLarge 40000 bytes`}},
		"ParamsLength":  {"All params together have one too.", one(`, "params": {"plain": "` + strings.Repeat("x", 66_000) + `"}`), []string{`a params TooLarge 65536 bytes`}},
		"ParamsDepth":   {"Params have a depth.", one(`, "params": {"json": ` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`), []string{`a params Invalid deeper than 32`}},
		"ParamsNull":    {"null is as good as nothing.", one(`, "params": null`), nil},
		"MapEntries":    {"Entries of maps are texts.", one(`, "params": {"map": {"b": 1, "a": "{{ nope }}", " ": "x"}}`), []string{`a params.map Invalid has no name`, `a params.map.a UnknownReference nothing is called "nope"`, `a params.map.b TypeMismatch a text`}},
		"ListItems":     {"Items of lists are checked as params are.", one(`, "params": {"list": [{"name": "x"}, {"value": "{{"}, 1, {"name": "y", "z": 1}]}`), []string{`a params.list[1].name Required "Name"`, `a params.list[1].value Expression {{ has no matching }}`, `a params.list[2] TypeMismatch an object`, `a params.list[3].z Unknown`}},
		"Required":      {"What is required must be there.", `{"components": [{"id": "a", "type": "picky", "params": {"url": " "}}]}`, []string{`a params.url Required fill in "URL"`}},
		"OwnValidation": {"A component may check more.", `{"components": [{"id": "a", "type": "picky", "params": {"url": "bad"}}]}`, []string{`a params.url Invalid not a URL`}},
		"Hidden":        {"A field that is hidden does not count.", one(`, "params": {"choice": "a", "onlyB": 7}`), nil},
		"Shown":         {"A field that is shown does.", one(`, "params": {"choice": "b"}`), []string{`a params.onlyB Required`}},

		"Expression":  {"An expression that cannot compile is a problem, with its place.", one(`, "params": {"text": "Hello\n {{ 1 + }}"}`), []string{`a params.text Expression line 2, column 8: the expression ends too early`}},
		"Expressions": {"Every expression is looked at.", one(`, "params": {"text": "{{ x }} {{ \"a\" + 1 }} {{ }}", "condition": "\"text\"", "json": [{"k": "{{ foo() }}"}]}`), []string{`a params.text UnknownReference "x"`, `a params.text Expression "+" does not work with (text, number)`, `a params.text Expression there is no expression`, `a params.condition Expression must be true or false`, `a params.json[0].k Expression no function "foo"`}},
		"PlainBraces": {"A field without expressions may hold braces.", one(`, "params": {"plain": "{{ nope }}"}`), nil},
		"UnknownStep": {"A reference to nothing is a problem.", one(`, "params": {"text": "{{ step[\"b\"] }}", "word": "{{ ports[\"a\"].nope }}"}`), []string{`a params.text UnknownReference no step has the id "b"`, `a params.word UnknownReference no output "nope"; it has main, second, third, error`}},
		"Ambiguous":   {"A name that two steps have means neither.", `{"components": [{"id": "a", "type": "text", "name": "X"}, {"id": "b", "type": "text", "name": "X"}, {"id": "c", "type": "text", "params": {"text": "{{ X }}"}}]}`, []string{`c params.text UnknownReference give one of them another name, or write step["a"] or step["b"]`}},
		"Self":        {"A step cannot read itself.", one(`, "params": {"text": "{{ step.a }}"}`), []string{`a params.text LaterReference reads its own result`}},
		"Later":       {"A step cannot read one behind it.", `{"components": [{"id": "a", "type": "text", "params": {"text": "{{ step.c }}"}}, {"id": "b", "type": "text"}, {"id": "c", "type": "text"}], "edges": [{"id": "e", "origin": "a", "target": "b"}, {"id": "f", "origin": "b", "target": "c"}]}`, []string{`a params.text LaterReference "text" runs after this step`}},
		"Item":        {"item and index need a for-each.", one(`, "params": {"text": "{{ item }}"}`), []string{`a params.text UnknownReference inside of a for-each only`}},

		"EdgeEnds":  {"The ends of edges must exist.", `{"components": [{"id": "abc", "type": "text"}], "edges": [{"id": "e", "origin": "abd", "target": "abc"}, {"id": "f", "origin": "abc", "target": ""}]}`, []string{`abc edges[0].origin UnknownReference did you mean "abc"?`, `abc edges[1].target Required`}},
		"EdgeIDs":   {"Edges have ids.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text"}], "edges": [{"id": "", "origin": "a", "target": "b"}, {"id": "e", "origin": "a", "target": "b"}, {"id": "e", "origin": "a", "target": "b"}, {"id": "ü", "origin": "a", "target": "b"}]}`, []string{` edges[0].id Required`, ` edges[2].id Duplicate`, ` edges[3].id Invalid`}},
		"Ports":     {"Ports must exist.", `{"components": [{"id": "a", "type": "all"}, {"id": "b", "type": "all"}], "edges": [{"id": "e", "origin": "a", "originPort": "x", "target": "b", "targetPort": "y"}]}`, []string{`a edges[0].originPort Unknown there is main, second, third`, `b edges[0].targetPort Unknown there is main, second, third`}},
		"IntoStart": {"Nothing enters a start.", `{"components": [{"id": "i", "type": "input"}, {"id": "b", "type": "text"}], "edges": [{"id": "e", "origin": "b", "target": "i"}]}`, []string{`i edges[0].target Invalid takes nothing in`, `b id Orphan nothing leads to "text"`}},
		"OutOfEnd":  {"Nothing leaves an end.", `{"components": [{"id": "o", "type": "output"}, {"id": "b", "type": "text"}], "edges": [{"id": "e", "origin": "o", "target": "b"}]}`, []string{`o edges[0].origin Invalid gives nothing on`}},
		"Clash":     {"Types must fit.", `{"components": [{"id": "a", "type": "boolean"}, {"id": "b", "type": "text"}], "edges": [{"id": "e", "origin": "a", "target": "b"}]}`, []string{`b edges[0] TypeMismatch "boolean" gives true or false, but "text" takes a text`}},
		"Converts":  {"Objects and numbers become text, anything a list.", `{"components": [{"id": "a", "type": "object"}, {"id": "n", "type": "all"}, {"id": "b", "type": "all"}, {"id": "c", "type": "boolean"}], "edges": [{"id": "e", "origin": "a", "target": "b", "targetPort": "second"}, {"id": "f", "origin": "n", "originPort": "third", "target": "b", "targetPort": "second"}, {"id": "g", "origin": "c", "target": "b", "targetPort": "third"}]}`, nil},
		"ErrorPort": {"The error port works with Route only.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text"}, {"id": "c", "type": "text", "onError": {"action": "Route"}}], "edges": [{"id": "e", "origin": "a", "originPort": "error", "target": "b"}, {"id": "f", "origin": "c", "originPort": "error", "target": "b"}]}`, []string{`a edges[0].originPort Invalid onError.action is Route`}},

		"Cycle":         {"A circle of edges is reported once.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text", "name": "B"}, {"id": "c", "type": "text"}], "edges": [{"id": "e", "origin": "a", "target": "b"}, {"id": "f", "origin": "b", "target": "c"}, {"id": "g", "origin": "c", "target": "a"}]}`, []string{`a edges[0] Cycle "text", "B", "text" wait for each other`}},
		"SelfLoop":      {"A step that waits for itself is one.", `{"components": [{"id": "a", "type": "text"}], "edges": [{"id": "e", "origin": "a", "target": "a"}]}`, []string{`a edges[0] Cycle waits for itself`}},
		"TwoCycles":     {"Each circle is reported.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text"}, {"id": "c", "type": "text"}, {"id": "d", "type": "text"}], "edges": [{"id": "e", "origin": "a", "target": "b"}, {"id": "f", "origin": "b", "target": "a"}, {"id": "g", "origin": "c", "target": "d"}, {"id": "h", "origin": "d", "target": "c"}, {"id": "i", "origin": "b", "target": "c"}]}`, []string{`a edges[0] Cycle`, `c edges[2] Cycle`}},
		"ReadCycle":     {"References close circles too.", `{"components": [{"id": "a", "type": "text", "params": {"text": "{{ step.b }}"}}, {"id": "b", "type": "text", "params": {"text": "{{ step.a }}"}}]}`, []string{`a params.text Cycle wait for each other`}},
		"MixedCycle":    {"So do references and edges together.", `{"components": [{"id": "a", "type": "text"}, {"id": "b", "type": "text", "params": {"text": "{{ step.c }}"}}, {"id": "c", "type": "text"}, {"id": "d", "type": "text", "params": {"text": "{{ step.a }}"}}], "edges": [{"id": "e", "origin": "b", "target": "a"}, {"id": "f", "origin": "d", "target": "c"}]}`, []string{`a params.text Cycle`}},
		"Unreachable":   {"Where there is a start, everything follows from it.", `{"components": [{"id": "i", "type": "input"}, {"id": "b", "type": "text"}, {"id": "c", "type": "text", "params": {"text": "{{ step.i }}"}}]}`, []string{`b id Orphan nothing leads to "text"`}},
		"Visibility":    {"Exposure is checked.", `{"exposure": {"visibility": "All", "page": "Site", "host": "local host", "allowedOrigins": ["*", "https://a.b", "https://a.b"], "maxBodyBytes": 67108865, "rateLimit": {"requestsPerMinute": 0, "perCallerPerMinute": 1000001, "perDay": -1}}}`, []string{` exposure.visibility Invalid Private or Team or Public`, ` exposure.page Invalid`, ` exposure.host Invalid`, ` exposure.allowedOrigins[0] Invalid`, ` exposure.allowedOrigins[2] Duplicate`, ` exposure.maxBodyBytes Invalid`, ` exposure.rateLimit.requestsPerMinute Invalid`, ` exposure.rateLimit.perCallerPerMinute Invalid`, ` exposure.rateLimit.perDay Invalid`}},
		"Runtime":       {"So is the runtime.", `{"runtime": {"mode": "Shared", "idleTimeout": "1s", "runTimeout": "2h", "maxConcurrentRuns": 0, "replicas": {"min": 3, "max": 2}, "resources": {"limits": {"memory": "5Gi", "cpu": "1m"}}, "egress": {"allow": ["10.0.0.0/8", "db.example.org:5432", "a b", "::1"]}}}`, []string{` runtime.mode Invalid`, ` runtime.idleTimeout Invalid between 1m and 24h`, ` runtime.runTimeout Invalid between 1s and 1h`, ` runtime.maxConcurrentRuns Invalid`, ` runtime.resources.limits.cpu Invalid`, ` runtime.resources.limits.memory Invalid between 16Mi and 4Gi`, ` runtime.egress.allow[2] Invalid`, ` runtime.replicas.min Invalid`}},
		"StateAndLimit": {"And the rest.", `{"state": "Asleep", "revisionHistoryLimit": 51}`, []string{` state Invalid Running or Paused`, ` revisionHistoryLimit Invalid between 0 and 50`}},
	}
	cat := testCatalog(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Validate(decode(t, tc.flow), cat)
			if len(got) != len(tc.want) {
				t.Fatalf("%s\ngot %d problems, want %d:\n%s", tc.reason, len(got), len(tc.want), lines(got))
			}
			for i, p := range got {
				if !matches(p, tc.want[i]) {
					t.Errorf("%s\nproblem %d: want %q, got:\n%s", tc.reason, i, tc.want[i], lines(got[i:i+1]))
				}
			}
			if again := Validate(decode(t, tc.flow), cat); !cmp.Equal(got, again) {
				t.Errorf("a second validation gave something else: %s", cmp.Diff(got, again))
			}
		})
	}
}

// matches says whether a problem starts with component, field and code as
// wanted, and has the rest in its message.
func matches(p Problem, want string) bool {
	rest, ok := strings.CutPrefix(want, p.Component+" "+p.Field+" "+p.Code)
	return ok && strings.Contains(p.Message, strings.TrimSpace(rest))
}

func lines(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "  %s %s %s %s\n", p.Component, p.Field, p.Code, p.Message)
	}
	return b.String()
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		spec   *v1alpha1.FlowSpec
		want   string
	}{
		"Components": {"The number of steps is bounded.", &v1alpha1.FlowSpec{Components: make([]v1alpha1.Component, 501)}, "components"},
		"Edges":      {"The number of connections is bounded.", &v1alpha1.FlowSpec{Edges: make([]v1alpha1.Edge, 2001)}, "edges"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Validate(tc.spec, testCatalog(t))
			if len(got) != 1 || got[0].Field != tc.want || got[0].Code != CodeTooLarge {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}
