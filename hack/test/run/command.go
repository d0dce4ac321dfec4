package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weft-run/weft/hack/test/internal/results"
)

// grace is how long a program may take to clean up after it was told to stop.
const grace = time.Minute

// npmTimeout bounds fetching the packages of a lockfile.
const npmTimeout = 10 * time.Minute

// prepare makes a command that is told to stop, with all that it started, when
// ctx ends.
func (s *suite) prepare(ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd
}

// command runs a program with its output shown.
func (s *suite) command(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := s.prepare(ctx, dir, env, args...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// output runs a program and returns the last line of its standard output.
func (s *suite) output(ctx context.Context, dir string, args ...string) (string, error) {
	var stdout bytes.Buffer
	cmd := s.prepare(ctx, dir, nil, args...)
	cmd.Stdout, cmd.Stderr = &stdout, s.out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return lines[len(lines)-1], nil
}

// goTest runs go test in a module and counts.
func (s *suite) goTest(ctx context.Context, dir string, env []string, args ...string) (results.Count, error) {
	cmd := s.prepare(ctx, dir, env, append([]string{"go", "test", "-json", "-timeout=" + packageTimeout}, args...)...)
	cmd.Stderr = s.out
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return results.Count{}, fmt.Errorf("preparing go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return results.Count{}, fmt.Errorf("starting go test: %w", err)
	}
	count, errRead := results.GoTest(stdout, s.out)
	err = cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 1 && count.Failed > 0 {
		err = nil // the failures are counted
	}
	if err != nil {
		err = fmt.Errorf("go test in %s: %w", dir, err)
	}
	return count, errors.Join(errRead, err)
}

// node runs the tests of an npm package and counts. Its tests are shown as they
// come; the counts are read from a second report.
func (s *suite) node(ctx context.Context, dir string, env []string) (results.Count, error) {
	if err := s.installModules(ctx, dir); err != nil {
		return results.Count{}, err
	}
	report, err := os.CreateTemp("", "weft-node-*.tap")
	if err != nil {
		return results.Count{}, fmt.Errorf("making a file for the report: %w", err)
	}
	defer os.Remove(report.Name()) //nolint:errcheck // a temporary file
	defer report.Close()           //nolint:errcheck // only read
	errRun := s.command(ctx, dir, env, "node", "--test", "--test-reporter=spec", "--test-reporter-destination=stdout",
		"--test-reporter=tap", "--test-reporter-destination="+report.Name())
	count, err := results.Node(report)
	if err != nil {
		return count, errors.Join(errRun, err)
	}
	if count.Failed > 0 {
		errRun = nil // the failures are counted
	}
	return count, errRun
}

// installModules fetches what the lockfile names, unless that was done since it
// last changed.
func (s *suite) installModules(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("Node.js 20 or later with npm is missing (https://nodejs.org): %w", err) //nolint:staticcheck // a name
	}
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("looking for the lockfile: %w", err)
	}
	done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err == nil && done.ModTime().After(lock.ModTime()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, npmTimeout)
	defer cancel()
	return s.command(ctx, dir, nil, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
}
