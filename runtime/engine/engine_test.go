package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		flow     string
		edges    []string
		input    string
		test     bool
		start    string
		want     string
		statuses map[string]Status
	}{
		"Chain": {
			reason:   "Values go along the edges to the output.",
			flow:     `{"components": [{"id": "in", "type": "input"}, {"id": "t", "type": "text", "params": {"text": "Hello {{ input.name }}"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > t", "t > out"},
			input:    `{"name": "Ann"}`,
			want:     `"Hello Ann"`,
			statuses: map[string]Status{"in": Succeeded, "t": Succeeded, "out": Succeeded},
		},
		"Types": {
			reason:   "A lone expression keeps its type where the field allows any.",
			flow:     `{"components": [{"id": "in", "type": "input"}, {"id": "v", "type": "values", "params": {"fields": {"n": "{{ input.n * 2 }}", "t": "n: {{ input.n }}"}}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > v", "v > out"},
			input:    `{"n": 21}`,
			want:     `{"n": 42, "t": "n: 21"}`,
			statuses: map[string]Status{"in": Succeeded, "v": Succeeded, "out": Succeeded},
		},
		"Input": {
			reason:   "input is what leaves the trigger, and reading it is a dependency.",
			flow:     `{"components": [{"id": "t", "type": "text", "params": {"text": "Hello {{ input.name }}, {{ [input].size() }}"}}, {"id": "in", "type": "form"}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"t > out"},
			input:    `"Ann"`,
			want:     `"Hello Ann, 1"`,
			statuses: map[string]Status{"in": Succeeded, "t": Succeeded, "out": Succeeded},
		},
		"InputOfSeveral": {
			reason:   "Of several triggers, input is what left the one at which the run started.",
			flow:     `{"components": [{"id": "other", "type": "input"}, {"id": "in", "type": "form"}, {"id": "t", "type": "text", "params": {"text": "{{ input.name }}"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"t > out"},
			input:    `"Ann"`,
			start:    "in",
			want:     `"Ann"`,
			statuses: map[string]Status{"other": Skipped, "in": Succeeded, "t": Succeeded, "out": Succeeded},
		},
		"Branch": {
			reason: "The branch that is not taken is skipped, with all that follows from it alone.",
			flow: `{"components": [{"id": "in", "type": "input"}, {"id": "if", "type": "if", "params": {"condition": "input > 10"}},
				{"id": "a", "type": "text", "params": {"text": "big"}}, {"id": "b", "type": "text", "params": {"text": "small"}},
				{"id": "b2", "type": "text", "params": {"text": "{{ step.b }}"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > if", "if.true > a", "if.false > b", "b > b2", "a > out", "b2 > out"},
			input:    `11`,
			want:     `"big"`,
			statuses: map[string]Status{"in": Succeeded, "if": Succeeded, "a": Succeeded, "b": Skipped, "b2": Skipped, "out": Succeeded},
		},
		"LastEdgeWins": {
			reason: "Of several values that enter one port, that of the last edge counts.",
			flow: `{"components": [{"id": "in", "type": "input"}, {"id": "a", "type": "text", "params": {"text": "A"}},
				{"id": "b", "type": "text", "params": {"text": "B"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > a", "in > b", "b > out", "a > out"},
			input:    `null`,
			want:     `"A"`,
			statuses: map[string]Status{"in": Succeeded, "a": Succeeded, "b": Succeeded, "out": Succeeded},
		},
		"Conversions": {
			reason:   "Objects become JSON where text is wanted, and one value a list where a list is.",
			flow:     `{"components": [{"id": "in", "type": "input"}, {"id": "v", "type": "values", "params": {"fields": {"a": "<1>"}}}, {"id": "j", "type": "join"}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > v", "v > j.left", "in > j.right", "j > out"},
			input:    `5`,
			want:     `{"left": "{\"a\":\"<1>\"}", "right": [5]}`,
			statuses: map[string]Status{"in": Succeeded, "v": Succeeded, "j": Succeeded, "out": Succeeded},
		},
		"ReadWithoutEdge": {
			reason: "A reference is a dependency where there is no edge.",
			flow: `{"components": [{"id": "out", "type": "output"}, {"id": "second", "type": "text", "name": "Second", "params": {"text": "{{ First }}!"}},
				{"id": "first", "type": "text", "name": "First", "params": {"text": "{{ step[\"in\"] }}"}}, {"id": "in", "type": "input"}]}`,
			edges:    []string{"second > out"},
			input:    `"x"`,
			want:     `"x!"`,
			statuses: map[string]Status{"in": Succeeded, "first": Succeeded, "second": Succeeded, "out": Succeeded},
		},
		"ReadSkipped": {
			reason: "What was skipped reads as nothing, and does not start a step that has edges.",
			flow: `{"components": [{"id": "in", "type": "input"}, {"id": "if", "type": "if", "params": {"condition": "true"}},
				{"id": "no", "type": "text", "params": {"text": "no"}}, {"id": "yes", "type": "text", "params": {"text": "yes{{ step.no }}{{ step[\"no\"] }}"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > if", "if.false > no", "if.true > yes", "yes > out"},
			input:    `1`,
			want:     `"yes"`,
			statuses: map[string]Status{"in": Succeeded, "if": Succeeded, "no": Skipped, "yes": Succeeded, "out": Succeeded},
		},
		"OnlyReadsSkipped": {
			reason: "A step without edges that reads skipped steps only is skipped.",
			flow: `{"components": [{"id": "in", "type": "input"}, {"id": "if", "type": "if", "params": {"condition": "false"}},
				{"id": "a", "type": "text", "params": {"text": "a"}}, {"id": "b", "type": "text", "params": {"text": "{{ step[\"a\"] }}"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > if", "if.true > a", "if.false > out", "b > out"},
			input:    `1`,
			want:     `1`,
			statuses: map[string]Status{"in": Succeeded, "if": Succeeded, "a": Skipped, "b": Skipped, "out": Succeeded},
		},
		"SeveralOutputs": {
			reason:   "Several outputs give an object by name, and those with the same name by id.",
			flow:     `{"components": [{"id": "in", "type": "input"}, {"id": "o1", "type": "output", "name": "One"}, {"id": "o2", "type": "output"}, {"id": "o3", "type": "output"}]}`,
			edges:    []string{"in > o1", "in > o2", "in > o3"},
			input:    `7`,
			want:     `{"One": 7, "o2": 7, "o3": 7}`,
			statuses: map[string]Status{"in": Succeeded, "o1": Succeeded, "o2": Succeeded, "o3": Succeeded},
		},
		"SkippedOutput": {
			reason:   "An output that is skipped is not in the result.",
			flow:     `{"components": [{"id": "in", "type": "input"}, {"id": "if", "type": "if", "params": {"condition": "input == 7"}}, {"id": "o1", "type": "output", "name": "One"}, {"id": "o2", "type": "output", "name": "Two"}]}`,
			edges:    []string{"in > if", "if.true > o1", "if.false > o2"},
			input:    `7`,
			want:     `{"One": 7}`,
			statuses: map[string]Status{"in": Succeeded, "if": Succeeded, "o1": Succeeded, "o2": Skipped},
		},
		"OtherTrigger": {
			reason:   "The run starts at one trigger; the others are skipped.",
			flow:     `{"components": [{"id": "in1", "type": "input"}, {"id": "in2", "type": "input"}, {"id": "t", "type": "text", "params": {"text": "only 1"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in1 > t", "t > out", "in2 > out"},
			input:    `3`,
			start:    "in2",
			want:     `3`,
			statuses: map[string]Status{"in1": Skipped, "in2": Succeeded, "t": Skipped, "out": Succeeded},
		},
		"Leaves": {
			reason:   "A test of a flow without output gives the values of the last steps.",
			flow:     `{"components": [{"id": "a", "type": "text", "params": {"text": "A"}}, {"id": "b", "type": "text", "params": {"text": "B"}}, {"id": "c", "type": "text", "name": "see", "params": {"text": "{{ step.a }}C"}}]}`,
			input:    `null`,
			test:     true,
			want:     `{"text": "B", "see": "AC"}`,
			statuses: map[string]Status{"a": Succeeded, "b": Succeeded, "c": Succeeded},
		},
		"OneLeaf": {
			reason:   "The only last step gives the result itself.",
			flow:     `{"components": [{"id": "a", "type": "text", "params": {"text": "A"}}]}`,
			input:    `null`,
			test:     true,
			want:     `"A"`,
			statuses: map[string]Status{"a": Succeeded},
		},
		"NoLeavesInEarnest": {
			reason:   "Outside of tests, a flow without output has no result.",
			flow:     `{"components": [{"id": "a", "type": "text", "params": {"text": "A"}}]}`,
			input:    `null`,
			want:     `null`,
			statuses: map[string]Status{"a": Succeeded},
		},
		"Empty": {
			reason: "A flow of nothing ends at once.",
			flow:   `{}`, input: `1`, test: true, want: `null`,
			statuses: map[string]Status{},
		},
		"ValuesAreData": {
			reason:   "An expression in a value is not evaluated.",
			flow:     `{"components": [{"id": "in", "type": "input"}, {"id": "t", "type": "text", "params": {"text": "{{ input }}"}}, {"id": "out", "type": "output"}]}`,
			edges:    []string{"in > t", "t > out"},
			input:    `"{{ 1 + 1 }}"`,
			want:     `"{{ 1 + 1 }}"`,
			statuses: map[string]Status{"in": Succeeded, "t": Succeeded, "out": Succeeded},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &kit{}
			r := New(compile(t, k, flow(t, tc.flow, tc.edges...)), Options{Test: tc.test, Start: tc.start})
			var got record
			result := r.Run(soon(t), value(t, tc.input), got.sink)
			if len(result.Errors) > 0 || result.Status != Succeeded {
				t.Fatalf("%s: the run ended %s: %v", tc.reason, result.Status, result.Errors)
			}
			if diff := cmp.Diff(value(t, tc.want), result.Value); diff != "" {
				t.Errorf("%s: result: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.statuses, got.statuses()); diff != "" {
				t.Errorf("%s: statuses: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// aroundHook has a hook between an input and two outputs, one of them behind a
// branch that is not taken.
const aroundHook = `{"components": [{"id": "in", "type": "input"}, {"id": "h", "type": "hook", "params": {"name": "it"}%s},
	{"id": "if", "type": "if", "params": {"condition": "true"}},
	{"id": "after", "type": "output", "name": "After"}, {"id": "handler", "type": "output", "name": "Handler"}]}`

func TestOnError(t *testing.T) {
	t.Parallel()
	upstream := &catalog.Error{Code: v1alpha1.ErrorUpstream, Message: "the service is down; try later", Cause: errors.New("secret detail")}
	cases := map[string]struct {
		reason   string
		settings string
		route    bool
		errs     []error // of each try; nil succeeds
		want     any
		errors   []RunError
		statuses map[string]Status
		tries    int32
	}{
		"Stop": {
			reason:   "By default a failure ends the run.",
			errs:     []error{upstream},
			errors:   []RunError{{"h", v1alpha1.ErrorUpstream, "the service is down; try later"}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed},
			tries:    1,
		},
		"Unmade": {
			reason:   "An error that was not made for people is not passed on.",
			errs:     []error{errors.New("password=123")},
			errors:   []RunError{{"h", v1alpha1.ErrorInternal, "the step failed in an unexpected way; this is a defect of Weft, please report it"}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed},
			tries:    1,
		},
		"Default": {
			reason:   "A default stands in for the output.",
			settings: `, "onError": {"action": "Default", "value": {"a": 1}}`,
			errs:     []error{upstream},
			want:     map[string]any{"After": map[string]any{"a": 1.0}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed, "if": Succeeded, "after": Succeeded, "handler": Skipped},
			tries:    1,
		},
		"Route": {
			reason:   "The error goes out of the error port, and the main port is skipped.",
			settings: `, "onError": {"action": "Route"}`,
			route:    true,
			errs:     []error{upstream},
			want: map[string]any{"Handler": map[string]any{
				"code": "Upstream", "message": "the service is down; try later", "component": "h"}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed, "if": Skipped, "after": Skipped, "handler": Succeeded},
			tries:    1,
		},
		"Retry": {
			reason:   "A failure that may pass is tried again.",
			settings: `, "onError": {"retry": {"times": 2, "backoff": "1ms"}}`,
			errs:     []error{upstream, upstream, nil},
			want:     map[string]any{"After": "done"},
			statuses: map[string]Status{"in": Succeeded, "h": Succeeded, "if": Succeeded, "after": Succeeded, "handler": Skipped},
			tries:    3,
		},
		"RetryThenRoute": {
			reason:   "After the last try the action follows.",
			settings: `, "onError": {"retry": {"times": 1, "backoff": "1ms"}, "action": "Route"}`,
			route:    true,
			errs:     []error{upstream, upstream, nil},
			want: map[string]any{"Handler": map[string]any{
				"code": "Upstream", "message": "the service is down; try later", "component": "h"}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed, "if": Skipped, "after": Skipped, "handler": Succeeded},
			tries:    2,
		},
		"RetryUseless": {
			reason:   "A failure that stays is not tried again.",
			settings: `, "onError": {"retry": {"times": 5, "backoff": "1ms"}}`,
			errs:     []error{&catalog.Error{Code: v1alpha1.ErrorUnauthorized, Message: "the key is wrong"}, nil},
			errors:   []RunError{{"h", v1alpha1.ErrorUnauthorized, "the key is wrong"}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed},
			tries:    1,
		},
		"RetryTooLate": {
			reason:   "No try is awaited that cannot come before the run's end.",
			settings: `, "onError": {"retry": {"times": 5, "backoff": "1ms"}}`,
			errs:     []error{&catalog.Error{Code: v1alpha1.ErrorRateLimited, Message: "slow down", RetryAfter: time.Hour}, nil},
			errors:   []RunError{{"h", v1alpha1.ErrorRateLimited, "slow down"}},
			statuses: map[string]Status{"in": Succeeded, "h": Failed},
			tries:    1,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
				"it": func(context.Context, *catalog.Call) (catalog.Outputs, error) {
					err := tc.errs[tries.Add(1)-1]
					return catalog.Main("done"), err
				},
			}}
			edges := []string{"in > h", "h > after", "h > if", "if.false > handler"}
			if tc.route {
				edges = append(edges, "h.error > handler")
			}
			spec := flow(t, fmt.Sprintf(aroundHook, tc.settings), edges...)
			var got record
			result := New(compile(t, k, spec), Options{}).Run(soon(t), nil, got.sink)
			if diff := cmp.Diff(tc.errors, result.Errors); diff != "" {
				t.Errorf("%s: errors: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want, result.Value); diff != "" {
				t.Errorf("%s: result: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.statuses, got.statuses()); diff != "" {
				t.Errorf("%s: statuses: -want, +got:\n%s", tc.reason, diff)
			}
			if tries.Load() != tc.tries {
				t.Errorf("%s: got %d tries, want %d", tc.reason, tries.Load(), tc.tries)
			}
		})
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	cases := map[string]struct {
		reason   string
		settings string
		limits   Limits
		it       func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error)
		code     v1alpha1.ErrorCode
		where    string
		leaked   int64
	}{
		"Panic": {
			reason: "A panic fails the step alone.",
			it:     func(context.Context, *catalog.Call) (catalog.Outputs, error) { panic("boom") },
			code:   v1alpha1.ErrorInternal, where: "h",
		},
		"Goexit": {
			reason: "A step that ends its goroutine fails alone.",
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				runtime.Goexit()
				return nil, nil
			},
			code: v1alpha1.ErrorInternal, where: "h",
		},
		"Timeout": {
			reason:   "A step that takes too long is stopped.",
			settings: `, "timeout": "20ms"`,
			it: func(ctx context.Context, _ *catalog.Call) (catalog.Outputs, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			code: v1alpha1.ErrorTimeout, where: "h",
		},
		"Hang": {
			reason:   "The run does not wait for a step that ignores its timeout.",
			settings: `, "timeout": "20ms"`,
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				<-release
				return catalog.Main("late"), nil
			},
			code: v1alpha1.ErrorTimeout, where: "h", leaked: 1,
		},
		"RunTimeout": {
			reason: "The whole run has a timeout, whatever a step does.",
			limits: Limits{RunTimeout: 20 * time.Millisecond},
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				<-release
				return catalog.Main("late"), nil
			},
			code: v1alpha1.ErrorTimeout, leaked: 1,
		},
		"LargeValue": {
			reason: "A result must not be too large.",
			limits: Limits{ValueBytes: 1000},
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(strings.Repeat("x", 1000)), nil
			},
			code: v1alpha1.ErrorTooLarge, where: "h",
		},
		"LargeList": {
			reason: "What counts is the whole of a result.",
			limits: Limits{ValueBytes: 1000},
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(make([]any, 100)), nil
			},
			code: v1alpha1.ErrorTooLarge, where: "h",
		},
		"LargeRun": {
			reason: "All values together must not be too large.",
			limits: Limits{RunBytes: 1000},
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(strings.Repeat("x", 1000)), nil
			},
			code: v1alpha1.ErrorTooLarge,
		},
		"Deep": {
			reason: "A result must not nest without end.",
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				var v any
				for range 100_000 {
					v = []any{v}
				}
				return catalog.Main(v), nil
			},
			code: v1alpha1.ErrorTooLarge, where: "h",
		},
		"Circular": {
			reason: "A result that holds itself is refused.",
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				v := map[string]any{}
				v["v"] = v
				return catalog.Main(v), nil
			},
			code: v1alpha1.ErrorTooLarge, where: "h",
		},
		"NotJSON": {
			reason: "A result that is no JSON value is refused.",
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(make(chan int)), nil
			},
			code: v1alpha1.ErrorInternal, where: "h",
		},
		"Stream": {
			reason: "A stream without end is stopped.",
			limits: Limits{ValueBytes: 1000},
			it: func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
				for ctx.Err() == nil {
					call.Emit("many words ")
				}
				return nil, ctx.Err()
			},
			code: v1alpha1.ErrorTooLarge, where: "h",
		},
		"Tokens": {
			reason: "A run must not use more tokens than its budget.",
			limits: Limits{Tokens: 10},
			it: func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
				call.AddTokens(11)
				<-ctx.Done()
				return nil, ctx.Err()
			},
			code: v1alpha1.ErrorBudgetExceeded, where: "h",
		},
		"Executions": {
			reason:   "Tries count as executions.",
			settings: `, "onError": {"retry": {"times": 10, "backoff": "1ms"}}`,
			limits:   Limits{Executions: 3},
			it: func(context.Context, *catalog.Call) (catalog.Outputs, error) {
				return nil, &catalog.Error{Code: v1alpha1.ErrorUpstream, Message: "down"}
			},
			code: v1alpha1.ErrorBudgetExceeded, where: "h",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){"it": tc.it}}
			spec := flow(t, fmt.Sprintf(aroundHook, tc.settings), "in > h", "h > after", "h > if", "if.false > handler")
			leaks := new(Leaks)
			r := New(compile(t, k, spec), Options{Limits: tc.limits, Leaks: leaks, Log: slog.New(slog.DiscardHandler)})
			if r.grace = 10 * time.Second; tc.leaked > 0 {
				r.grace = time.Millisecond
			}
			var got record
			result := r.Run(soon(t), nil, got.sink)
			if result.Status != Failed || len(result.Errors) != 1 || result.Errors[0].Code != tc.code || result.Errors[0].Component != tc.where {
				t.Errorf("%s: got %s %v, want %s of component %q", tc.reason, result.Status, result.Errors, tc.code, tc.where)
			}
			if leaks.Count() != tc.leaked {
				t.Errorf("%s: got %d leaked, want %d", tc.reason, leaks.Count(), tc.leaked)
			}
			checkEvents(t, got.events)
			last := got.events[len(got.events)-1]
			if diff := cmp.Diff(result.Errors, last.Errors); diff != "" || last.Status != Failed {
				t.Errorf("%s: the last event differs from the result: %v %s", tc.reason, last.Status, diff)
			}
		})
	}
}

// checkEvents checks what holds for the events of every run: numbers without
// gaps, one start and one end, and per component nothing before its start and
// nothing after its end.
func checkEvents(t testing.TB, events []Event) {
	t.Helper()
	started, finished := map[string]bool{}, map[string]bool{}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Errorf("event %d has number %d", i+1, e.Seq)
		}
		if e.Run != events[0].Run || e.Run == "" {
			t.Errorf("event %d is of run %q", i, e.Run)
		}
		if (i == 0) != (e.Type == RunStarted) || (i == len(events)-1) != (e.Type == RunFinished) {
			t.Errorf("event %d of %d is %s", i+1, len(events), e.Type)
		}
		if e.Component == "" {
			continue
		}
		if finished[e.Component] {
			t.Errorf("event %d %s comes after the end of %s", i+1, e.Type, e.Component)
		}
		switch e.Type {
		case ComponentStarted:
			started[e.Component] = true
		case ComponentFinished:
			finished[e.Component] = true
			if started[e.Component] == (e.Status == Skipped) {
				t.Errorf("%s is %s, started: %v", e.Component, e.Status, started[e.Component])
			}
		case ComponentDelta:
			if !started[e.Component] {
				t.Errorf("%s streams before it started", e.Component)
			}
		}
	}
	for c := range started {
		if !finished[c] {
			t.Errorf("%s has started and never finished", c)
		}
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	var got catalog.Call
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"it": func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
			got = *call
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Minute {
				t.Errorf("The context has the deadline of the step: got %v, %v", deadline, ok)
			}
			call.AddTokens(5)
			call.AddTokens(2)
			call.Emit("a")
			call.Emit("")
			call.Emit("b")
			return catalog.Main("ab"), nil
		},
	}}
	spec := flow(t, `{"title": "T", "components": [{"id": "in", "type": "form"},
		{"id": "h", "type": "hook", "name": "Hook", "params": {"name": "{{ 'i' }}t"}, "credential": {"vaultKeyRef": {"name": "k"}}}, {"id": "out", "type": "output"}]}`,
		"in > h", "h > out")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	client := &http.Client{}
	r := New(compile(t, k, spec), Options{
		Test: true, HTTP: client, Credentials: keys{"k": catalog.NewSecret("sk-1")}, Now: func() time.Time { return now },
	})
	var rec record
	result := r.Run(soon(t), "Ann", rec.sink)
	if result.Status != Succeeded || result.Tokens != 7 {
		t.Fatalf("got %+v", result)
	}
	if got.Params["name"] != "it" || !got.Templated["name"] || got.Credential.Reveal() != "sk-1" || got.HTTP != client {
		t.Errorf("The call has params, credential and client: got %+v", got)
	}
	if diff := cmp.Diff(catalog.RunInfo{Input: "Ann", Flow: "T", Now: now}, got.Run); diff != "" {
		t.Errorf("run: -want, +got:\n%s", diff)
	}
	object := map[string]any{"name": "Ann"}
	if diff := cmp.Diff(map[string]any{"main": object}, got.Inputs); diff != "" {
		t.Errorf("inputs: -want, +got:\n%s", diff)
	}
	checkEvents(t, rec.events)
	want := []Event{
		{Type: RunStarted},
		{Type: ComponentStarted, Component: "in", Name: "form"},
		{Type: ComponentFinished, Component: "in", Name: "form", Status: Succeeded, Output: map[string]any{"values": object}},
		{Type: ComponentStarted, Component: "h", Name: "Hook"},
		{Type: ComponentDelta, Component: "h", Name: "Hook", Text: "a"},
		{Type: ComponentDelta, Component: "h", Name: "Hook", Text: "b"},
		{Type: ComponentFinished, Component: "h", Name: "Hook", Status: Succeeded, Tokens: 7, Input: map[string]any{"main": object}, Output: map[string]any{"main": "ab"}},
		{Type: ComponentStarted, Component: "out", Name: "output"},
		{Type: ComponentFinished, Component: "out", Name: "output", Status: Succeeded, Input: map[string]any{"main": "ab"}, Output: map[string]any{"main": "ab"}},
		{Type: RunFinished, Status: Succeeded, Tokens: 7, Result: "ab"},
	}
	ignore := cmpopts.IgnoreFields(Event{}, "Seq", "Run", "Time", "DurationMs")
	if diff := cmp.Diff(want, rec.events, ignore); diff != "" {
		t.Errorf("events: -want, +got:\n%s", diff)
	}
	for _, e := range rec.events {
		if e.Time != now || e.Run != result.Run {
			t.Errorf("event %d has time %v and run %s", e.Seq, e.Time, e.Run)
		}
	}
}

// keys is a source of credentials.
type keys map[string]catalog.Secret

func (k keys) Resolve(_ context.Context, c *v1alpha1.Credential) (catalog.Secret, error) {
	secret, ok := k[c.VaultKeyRef.Name]
	if !ok {
		return catalog.Secret{}, errors.New("no such key: detail")
	}
	return secret, nil
}

func TestCredentialMissing(t *testing.T) {
	t.Parallel()
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"it": func(context.Context, *catalog.Call) (catalog.Outputs, error) { return catalog.Main(1.0), nil },
	}}
	spec := flow(t, `{"components": [{"id": "h", "type": "hook", "params": {"name": "it"}, "credential": {"vaultKeyRef": {"name": "k"}}}]}`)
	for reason, source := range map[string]CredentialSource{"without keys": nil, "without that key": keys{}} {
		result := New(compile(t, k, spec), Options{Credentials: source}).Run(soon(t), nil, nil)
		if len(result.Errors) != 1 || result.Errors[0].Code != v1alpha1.ErrorUnauthorized || strings.Contains(result.Errors[0].Message, "detail") {
			t.Errorf("%s: got %+v", reason, result)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"it": func(ctx context.Context, _ *catalog.Call) (catalog.Outputs, error) {
			close(started)
			<-ctx.Done()
			return nil, fmt.Errorf("calling: %w", ctx.Err())
		},
	}}
	spec := flow(t, fmt.Sprintf(aroundHook, `, "onError": {"action": "Default", "retry": {"times": 3}}`), "in > h", "h > after", "h > if", "if.false > handler")
	ctx, cancel := context.WithCancel(soon(t))
	go func() {
		<-started
		cancel()
	}()
	var rec record
	result := New(compile(t, k, spec), Options{}).Run(ctx, nil, rec.sink)
	want := []RunError{{Code: v1alpha1.ErrorCanceled, Message: "the run was canceled"}}
	if diff := cmp.Diff(want, result.Errors); diff != "" || result.Status != Canceled {
		t.Errorf("got %s: -want, +got:\n%s", result.Status, diff)
	}
	checkEvents(t, rec.events)
	if diff := cmp.Diff(map[string]Status{"in": Succeeded, "h": Canceled}, rec.statuses()); diff != "" {
		t.Errorf("What is canceled is neither tried again nor replaced: -want, +got:\n%s", diff)
	}
}

func TestCanceledBefore(t *testing.T) {
	t.Parallel()
	k := &kit{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var rec record
	plan := compile(t, k, flow(t, `{"components": [{"id": "in", "type": "input"}]}`))
	result := New(plan, Options{}).Run(ctx, nil, rec.sink)
	// The step may have been done before anybody looked.
	if result.Status == Failed {
		t.Errorf("got %+v", result)
	}
	checkEvents(t, rec.events)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	k := &kit{}
	plan := compile(t, k, flow(t, `{"components": [{"id": "in", "type": "input"}, {"id": "out", "type": "output"}]}`, "in > out"))
	full := new(Leaks)
	full.count.Store(64)
	cases := map[string]struct {
		reason string
		opts   Options
		input  any
		want   v1alpha1.ErrorCode
	}{
		"Large":   {"An input must not be too large.", Options{Limits: Limits{ValueBytes: 100}}, strings.Repeat("x", 101), v1alpha1.ErrorTooLarge},
		"NotJSON": {"An input is a JSON value.", Options{}, 5, v1alpha1.ErrorInvalidInput},
		"Leaks":   {"Where too much hangs, no run is started.", Options{Leaks: full}, nil, v1alpha1.ErrorRateLimited},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rec record
			result := New(plan, tc.opts).Run(soon(t), tc.input, rec.sink)
			if result.Status != Failed || result.Errors[0].Code != tc.want || len(rec.events) != 2 {
				t.Errorf("%s: got %+v and %d events", tc.reason, result, len(rec.events))
			}
		})
	}
}

// TestParallel says that independent steps run at the same time, up to the
// bound.
func TestParallel(t *testing.T) {
	t.Parallel()
	const steps, bound = 12, 4
	var now, most atomic.Int32
	together := make(chan struct{})
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"it": func(ctx context.Context, _ *catalog.Call) (catalog.Outputs, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if n == bound {
				select {
				case <-together:
				default:
					close(together)
				}
			}
			select {
			case <-together:
				return catalog.Main(1.0), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}}
	var components, edges []string
	components = append(components, `{"id": "in", "type": "input"}`)
	for i := range steps {
		components = append(components, fmt.Sprintf(`{"id": "h%d", "type": "hook", "params": {"name": "it"}}`, i))
		edges = append(edges, fmt.Sprintf("in > h%d", i))
	}
	spec := flow(t, `{"components": [`+strings.Join(components, ",")+`]}`, edges...)
	result := New(compile(t, k, spec), Options{Limits: Limits{Parallel: bound}}).Run(soon(t), nil, nil)
	if result.Status != Succeeded || most.Load() != bound {
		t.Errorf("got %+v, at most %d at the same time; want %d", result, most.Load(), bound)
	}
}

// TestSinkEnds says that the sink is not called once Run has returned, even by
// a step that goes on.
func TestSinkEnds(t *testing.T) {
	t.Parallel()
	release, gone := make(chan struct{}), make(chan struct{})
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"it": func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
			defer close(gone)
			<-release
			call.Emit("late")
			call.AddTokens(1)
			return catalog.Main("late"), nil
		},
	}}
	spec := flow(t, fmt.Sprintf(aroundHook, `, "timeout": "5ms", "onError": {"action": "Default", "value": "instead"}`), "in > h", "h > after", "h > if", "if.false > handler")
	leaks := new(Leaks)
	r := New(compile(t, k, spec), Options{Leaks: leaks})
	r.grace = time.Millisecond
	var over atomic.Bool
	result := r.Run(soon(t), nil, func(e Event) {
		if over.Load() {
			t.Errorf("an event after the end: %+v", e)
		}
	})
	over.Store(true)
	if diff := cmp.Diff(any(map[string]any{"After": "instead"}), result.Value); diff != "" {
		t.Errorf("The run goes on without the step: -want, +got:\n%s", diff)
	}
	close(release)
	<-gone
	for deadline := time.Now().Add(10 * time.Second); leaks.Count() > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("a step that has returned still counts as leaked")
		}
	}
}
