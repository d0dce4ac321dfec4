// Package run starts other programs with a time limit and errors that say what
// the program printed.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// outputLimit bounds what is kept of a program's output, in bytes.
const outputLimit = 1 << 20

// Cmd is a program to run. The zero values of Env, Dir and Stdin mean: the
// caller's environment, its directory, no input.
type Cmd struct {
	Name    string
	Args    []string
	Dir     string
	Env     []string // added to the caller's environment
	Stdin   io.Reader
	Timeout time.Duration // required
	Watch   io.Writer     // also receives standard error, for progress
}

// Output runs the program and returns its standard output.
func Output(ctx context.Context, c Cmd) ([]byte, error) {
	if c.Timeout <= 0 {
		return nil, fmt.Errorf("run %s: no timeout given", c.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	stdout, stderr := &tail{limit: outputLimit}, &tail{limit: outputLimit}
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin = c.Stdin
	cmd.Stdout = stdout
	cmd.Stderr = stderr
	if c.Watch != nil {
		cmd.Stderr = io.MultiWriter(stderr, c.Watch)
	}
	// A killed program may leave children that hold the pipes open.
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), describe(ctx, c, err, stderr)
	}
	if stdout.cut {
		return nil, fmt.Errorf("run %s: more than %d bytes of output", c.Name, outputLimit)
	}
	return stdout.Bytes(), nil
}

// Quiet runs the program for its effect.
func Quiet(ctx context.Context, timeout time.Duration, name string, args ...string) error {
	_, err := Output(ctx, Cmd{Name: name, Args: args, Timeout: timeout})
	return err
}

func describe(ctx context.Context, c Cmd, err error, stderr *tail) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no result after %s", c.Timeout)
	}
	said := lastLines(stderr.String(), 12)
	if said != "" {
		said = ": " + said
	}
	return fmt.Errorf("run %s %s: %w%s", c.Name, strings.Join(firstWords(c.Args, 3), " "), err, said)
}

func firstWords(words []string, n int) []string {
	if len(words) <= n {
		return words
	}
	return append(append([]string{}, words[:n]...), "…")
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// tail keeps the last bytes written to it.
type tail struct {
	bytes.Buffer
	limit int
	cut   bool
}

// Write never fails, so that a talkative program is not stopped by us.
func (t *tail) Write(p []byte) (int, error) {
	if over := t.Len() + len(p) - t.limit; over > 0 {
		t.cut = true
		t.Next(min(over, t.Len()))
	}
	n := len(p)
	t.Buffer.Write(p[max(0, len(p)-t.limit):])
	return n, nil
}
