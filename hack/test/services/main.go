// Command services runs a real Postgres and a real Redis for tests, as private
// processes on loopback with data in a directory of their own.
//
//	services exec -- COMMAND [ARGUMENT...]   start both, run the command, stop both
//	services up                              start both (or find them running), print their environment
//	services down                            stop what "up" started and remove its data
//
// The environment is WEFT_TEST_DATABASE_URL (a superuser; each test makes a
// database or schema of its own) and WEFT_TEST_REDIS_URL. "up" prints it as
// lines for a shell: eval "$(go run ./hack/test/services up)".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weft-run/weft/hack/test/internal/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
	}
	os.Exit(code)
}

// run carries out one command line and returns the exit code for it.
func run(ctx context.Context, args []string, out io.Writer) (int, error) {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	switch command {
	case "exec":
		return execute(ctx, args[1:])
	case "up":
		err = up(ctx, out)
	case "down":
		err = down(ctx)
	default:
		return 2, errors.New("usage: services exec -- COMMAND [ARGUMENT...] | up | down")
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// execute runs a command beside services of its own and returns its exit code.
func execute(ctx context.Context, args []string) (code int, err error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 2, errors.New("exec needs a command")
	}
	dir, err := os.MkdirTemp("", "weft-services-")
	if err != nil {
		return 1, fmt.Errorf("making a directory for data: %w", err)
	}
	s := servers.New(dir)
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)), os.RemoveAll(dir)) }()
	if err := s.Start(ctx); err != nil {
		return 1, err
	}
	return runCommand(ctx, args, append(os.Environ(), s.Environment()...))
}

// runCommand runs a command to its end. A signal is passed on to it, so that
// it can clean up itself.
func runCommand(ctx context.Context, args, env []string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, fmt.Errorf("running %s: %w", args[0], err)
	}
	return 0, nil
}

// up starts the shared services, unless they run already, and prints their
// environment.
func up(ctx context.Context, out io.Writer) error {
	dir := sharedDir()
	// The server's own user must be able to pass through.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making a directory for data: %w", err)
	}
	s := servers.New(dir)
	if err := s.Ensure(ctx); err != nil {
		return err
	}
	for _, v := range s.Environment() {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(out, "export %s='%s'\n", name, value)
	}
	return nil
}

// down stops the shared services and removes their data.
func down(ctx context.Context) error {
	dir := sharedDir()
	if err := servers.New(dir).Stop(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}

// sharedDir is where the services of "up" live: one set for each user.
func sharedDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("weft-services-%d", os.Getuid()))
}
