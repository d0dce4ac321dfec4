package run_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/run"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	type want struct {
		Out   string
		Error string // part of it
	}
	cases := map[string]struct {
		reason string
		cmd    run.Cmd
		want   want
	}{
		"Success": {
			reason: "standard output is returned, standard error is not",
			cmd:    run.Cmd{Args: []string{"-c", "echo out; echo err >&2"}, Timeout: time.Minute},
			want:   want{Out: "out\n"},
		},
		"Failure": {
			reason: "an error says what the program said",
			cmd:    run.Cmd{Args: []string{"-c", "echo no such thing >&2; exit 3"}, Timeout: time.Minute},
			want:   want{Error: "exit status 3: no such thing"},
		},
		"Timeout": {
			reason: "a program that hangs is stopped and the error says so",
			cmd:    run.Cmd{Args: []string{"-c", "exec sleep 60"}, Timeout: 50 * time.Millisecond},
			want:   want{Error: "no result after 50ms"},
		},
		"NoTimeout": {
			reason: "every program has a time limit",
			cmd:    run.Cmd{},
			want:   want{Error: "no timeout"},
		},
		"Environment": {
			reason: "variables are added to the caller's",
			cmd:    run.Cmd{Args: []string{"-c", `echo "$OWN${PATH:+ and path}"`}, Env: []string{"OWN=1"}, Timeout: time.Minute},
			want:   want{Out: "1 and path\n"},
		},
		"Input": {
			reason: "input reaches the program",
			cmd:    run.Cmd{Args: []string{"-c", "cat"}, Stdin: strings.NewReader("in"), Timeout: time.Minute},
			want:   want{Out: "in"},
		},
		"TooMuch": {
			reason: "more output than can be kept is an error and not half an answer",
			cmd:    run.Cmd{Args: []string{"-c", "head -c 2000000 /dev/zero"}, Timeout: time.Minute},
			want:   want{Error: "more than"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.cmd.Name = "sh"
			out, err := run.Output(t.Context(), tc.cmd)
			got := want{Out: string(out)}
			if err != nil {
				got.Error = tc.want.Error
				if tc.want.Error == "" || !strings.Contains(err.Error(), tc.want.Error) {
					got.Error = err.Error()
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestOutputWatch(t *testing.T) {
	t.Parallel()
	var seen bytes.Buffer
	_, err := run.Output(t.Context(), run.Cmd{
		Name: "sh", Args: []string{"-c", "echo progress >&2"}, Timeout: time.Minute, Watch: &seen, DieWithUs: true,
	})
	if err != nil || seen.String() != "progress\n" {
		t.Errorf("watched %q, %v", seen.String(), err)
	}
}
