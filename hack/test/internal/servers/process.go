package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runTool runs a program to its end and puts its output into the error. The
// output goes through a file, because a server that stays behind would keep a
// pipe open.
func runTool(ctx context.Context, cred *syscall.Credential, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	output, err := os.CreateTemp("", "weft-tool-")
	if err != nil {
		return fmt.Errorf("making a file for the output of %s: %w", name, err)
	}
	defer os.Remove(output.Name()) //nolint:errcheck // a temporary file
	defer output.Close()           //nolint:errcheck // read by name below
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Dir = "/"
	// Its own session: a Ctrl-C at the terminal reaches us, and we stop it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setsid: true}
	if err := cmd.Run(); err != nil {
		text, readErr := os.ReadFile(output.Name())
		return errors.Join(fmt.Errorf("running %s: %w\n%s", name, err, bytes.TrimSpace(text)), readErr)
	}
	return nil
}

// stopProcess ends the process whose id stands in the first line of pidfile,
// if it is still the program that wrote it.
func stopProcess(ctx context.Context, pidfile, program string) error {
	pid, err := readPID(pidfile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isProgram(pid, program) {
		return nil
	}
	// Postgres takes SIGQUIT for "stop at once"; Redis needs SIGTERM.
	sig := syscall.SIGTERM
	if program == "postgres" {
		sig = syscall.SIGQUIT
	}
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping %s: %w", program, err)
	}
	return waitFor(ctx, program+" to end", func() bool { return !isProgram(pid, program) })
}

func readPID(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading a process id: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s holds no process id", path)
	}
	return pid, nil
}

// isProgram says whether a process lives and is the program of that name: an
// id may have been given to another one since. A zombie has no command line.
func isProgram(pid int, program string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(data), program)
}

func dials(ctx context.Context, port int) bool {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// waitFor looks every 50 ms whether done, for as long as one command may take.
func waitFor(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
