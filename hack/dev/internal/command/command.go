// Package command runs other programs.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a program may take to clean up after it was told to stop.
const grace = 2 * time.Minute

// Command is one call of a program.
type Command struct {
	Args    []string
	Dir     string
	Env     []string  // added to our own environment
	Output  io.Writer // where both streams go as they come; nil: into the error only
	Timeout time.Duration
}

// Run runs the program to its end. A program that fails without an Output has
// what it wrote in the error.
func Run(ctx context.Context, c Command) error {
	var kept bytes.Buffer
	out := c.Output
	if out == nil {
		out = &kept
	}
	return c.run(ctx, out, out, &kept)
}

// Output runs the program and returns what it wrote to its standard output.
func Output(ctx context.Context, c Command) (string, error) {
	var stdout, stderr bytes.Buffer
	if err := c.run(ctx, &stdout, &stderr, &stderr); err != nil {
		return "", err
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (c Command) run(ctx context.Context, stdout, stderr io.Writer, kept *bytes.Buffer) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// A group of its own, so that the programs below it are stopped with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
		err = fmt.Errorf("stopped after %s: %w", c.Timeout, err)
	}
	return fmt.Errorf("%s: %w%s", strings.Join(c.Args[:min(3, len(c.Args))], " "), err, appendix(kept))
}

func appendix(kept *bytes.Buffer) string {
	if kept.Len() == 0 {
		return ""
	}
	return "\n" + strings.TrimSpace(kept.String())
}
