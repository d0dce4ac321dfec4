package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/test/internal/results"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	ends := func(c results.Count, err error) func(context.Context) (results.Count, error) {
		return func(context.Context) (results.Count, error) { return c, err }
	}
	cases := map[string]struct {
		reason string
		plan   []step
		last   string
		failed bool
	}{
		"AllPass": {
			reason: "The last line is the sum, alone.",
			plan:   []step{{"a", ends(results.Count{Passed: 2}, nil)}, {"b", ends(results.Count{Passed: 3}, nil)}},
			last:   "5 passed, 0 failed",
		},
		"TestFails": {
			reason: "A failed test fails the run.",
			plan:   []step{{"a", ends(results.Count{Passed: 2, Failed: 1}, nil)}},
			last:   "2 passed, 1 failed",
			failed: true,
		},
		"StepFails": {
			reason: "A step that fails without tests fails the run, and the next ones still run.",
			plan:   []step{{"a", ends(results.Count{}, errors.New("no"))}, {"b", ends(results.Count{Passed: 1, Skipped: 2}, nil)}},
			last:   "1 passed, 0 failed, 2 skipped",
			failed: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			s := &suite{out: &out}
			if err := s.follow(t.Context(), tc.plan); (err != nil) != tc.failed {
				t.Errorf("%s\nfollow(...): error %v, want an error: %t", tc.reason, err, tc.failed)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if diff := cmp.Diff(tc.last, lines[len(lines)-1]); diff != "" {
				t.Errorf("%s\nlast line: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestGoTestCountsRealRuns runs go test on a module that it makes.
func TestGoTestCountsRealRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":       "module example.com/m\n\ngo 1.26\n",
		"good_test.go": "package m\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) { t.Run(\"x\", func(t *testing.T) {}) }\nfunc TestBad(t *testing.T) { t.Error(\"the reason\") }\n",
		"b/b_test.go":  "package b\n\nthis does not compile\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	s := &suite{out: &out}
	got, err := s.goTest(t.Context(), dir, append(os.Environ(), "GOWORK=off", "GOFLAGS="), "./...")
	if err != nil {
		t.Errorf("goTest(...): %v", err)
	}
	if diff := cmp.Diff(results.Count{Passed: 2, Failed: 2}, got); diff != "" {
		t.Errorf("goTest(...): -want, +got:\n%s", diff)
	}
	for _, text := range []string{"the reason", "expected declaration"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("goTest(...) must show %q, showed:\n%s", text, &out)
		}
	}
}
