package results

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGoTest(t *testing.T) {
	t.Parallel()
	type want struct {
		count Count
		shown []string
		kept  []string // what must not be shown
	}
	cases := map[string]struct {
		reason string
		in     []string
		want   want
	}{
		"Passes": {
			reason: "Subtests count, and passing ones show nothing of their own.",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/x"}`, `{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"skip","Package":"p","Test":"TestB"}`, `{"Action":"pass","Package":"p","Elapsed":1.25}`,
			},
			want: want{count: Count{Passed: 2, Skipped: 1}, shown: []string{"ok    p  1.2s  3 tests"}, kept: []string{"chatter"}},
		},
		"Fails": {
			reason: "Everything that a failing test printed is shown.",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: want 1\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`, `{"Action":"fail","Package":"p","Elapsed":0.1}`,
			},
			want: want{count: Count{Failed: 1}, shown: []string{"--- FAIL p TestA", "a_test.go:1: want 1", "FAIL  p"}},
		},
		"DoesNotCompile": {
			reason: "A package that does not compile is a failure, with the compiler's words.",
			in: []string{
				`{"ImportPath":"p [p.test]","Action":"build-output","Output":"a.go:1: undefined: x\n"}`,
				`{"ImportPath":"p [p.test]","Action":"build-fail"}`, `{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
			},
			want: want{count: Count{Failed: 1}, shown: []string{"undefined: x", "FAIL  p"}},
		},
		"Panics": {
			reason: "A panic ends the package without an end of the test; its trace is shown.",
			in: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}`,
				`{"Action":"fail","Package":"p","Elapsed":0.1}`,
			},
			want: want{count: Count{Failed: 1}, shown: []string{"panic: boom"}},
		},
		"NotJSON": {
			reason: "What is no event (go's own complaints) is passed on.",
			in:     []string{"go: cannot find main module"},
			want:   want{shown: []string{"cannot find main module"}},
		},
		"NoTests": {
			reason: "Packages without tests need no line.",
			in:     []string{`{"Action":"skip","Package":"p"}`},
			want:   want{kept: []string{"p"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			got, err := GoTest(strings.NewReader(strings.Join(tc.in, "\n")), &out)
			if err != nil {
				t.Fatalf("%s\nGoTest(...): %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want.count, got); diff != "" {
				t.Errorf("%s\nGoTest(...): -want, +got:\n%s", tc.reason, diff)
			}
			for _, text := range tc.want.shown {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%s\nGoTest(...) must show %q, showed:\n%s", tc.reason, text, &out)
				}
			}
			for _, text := range tc.want.kept {
				if strings.Contains(out.String(), text) {
					t.Errorf("%s\nGoTest(...) must not show %q, showed:\n%s", tc.reason, text, &out)
				}
			}
		})
	}
}

func TestNode(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		in     string
		want   Count
		failed bool
	}{
		"Summary": {
			reason: "The closing lines are summed up; a cancelled test did not pass.",
			in:     "ok 1 - a\n# tests 7\n# pass 4\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n# duration_ms 12.5\n",
			want:   Count{Passed: 4, Failed: 2, Skipped: 1},
		},
		"Indented": {
			reason: "What a test prints does not count.",
			in:     "    # pass 100\n# pass 1\n",
			want:   Count{Passed: 1},
		},
		"Nothing": {reason: "No result is an error, and not zero tests.", in: "", failed: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Node(strings.NewReader(tc.in))
			if (err != nil) != tc.failed {
				t.Errorf("%s\nNode(...): error %v, want an error: %t", tc.reason, err, tc.failed)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nNode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCountString(t *testing.T) {
	t.Parallel()
	sum := Count{Passed: 1, Failed: 2}.Add(Count{Passed: 3, Skipped: 4})
	if diff := cmp.Diff("4 passed, 2 failed, 4 skipped", sum.String()); diff != "" {
		t.Errorf("String(): -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff("1 passed, 0 failed", Count{Passed: 1}.String()); diff != "" {
		t.Errorf("String(): -want, +got:\n%s", diff)
	}
}
