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
	"runtime"
	"strings"
	"syscall"
	"time"
)

// outputLimit bounds what is kept of a program's output, in bytes.
const outputLimit = 1 << 20

// stopWithin is how long a program may take to end by itself when its time is
// over.
const stopWithin = 5 * time.Second

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
	// DieWithUs ends the program when this process is killed. It is for work
	// that would be started again anyway, and not for package managers.
	DieWithUs bool
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
	// First ask, then kill; children may hold the pipes open even after that.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	if c.DieWithUs {
		// The kernel watches the thread that started the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	if err := cmd.Run(); err != nil {
		return stdout.buffer.Bytes(), describe(ctx, c, err, stderr)
	}
	if stdout.cut {
		return nil, fmt.Errorf("run %s: more than %d bytes of output", c.Name, outputLimit)
	}
	return stdout.buffer.Bytes(), nil
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
	said := lastLines(stderr.buffer.String(), 12)
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

// tail keeps the last bytes written to it. The buffer is not embedded: its
// ReadFrom would go around the limit.
type tail struct {
	buffer bytes.Buffer
	limit  int
	cut    bool
}

// Write never fails, so that a talkative program is not stopped by us.
func (t *tail) Write(p []byte) (int, error) {
	if over := t.buffer.Len() + len(p) - t.limit; over > 0 {
		t.cut = true
		t.buffer.Next(min(over, t.buffer.Len()))
	}
	t.buffer.Write(p[max(0, len(p)-t.limit):])
	return len(p), nil
}
