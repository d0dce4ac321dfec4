// Command postgres is the entrypoint of the Postgres image: it makes the
// database cluster where the data directory is empty, then becomes the server.
//
// It reads the variables of the well-known image of the same purpose, so that
// one manifest fits both: PGDATA, POSTGRES_USER, POSTGRES_PASSWORD_FILE, and
// the files /docker-entrypoint-initdb.d/*.sql, which run once, as the superuser
// (here one statement per line).
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// initDirectory holds what runs once in a new cluster.
const initDirectory = "/docker-entrypoint-initdb.d"

// config is what the environment says.
type config struct {
	data         string
	user         string
	passwordFile string
	scripts      string
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "entrypoint:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no program was named: want postgres and its options")
	}
	c := config{
		data:         os.Getenv("PGDATA"),
		user:         cmp.Or(os.Getenv("POSTGRES_USER"), "postgres"),
		passwordFile: os.Getenv("POSTGRES_PASSWORD_FILE"),
		scripts:      initDirectory,
	}
	if args[0] == "postgres" {
		if err := c.ensure(ctx); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("finding %s: %w", args[0], err)
	}
	if err := syscall.Exec(program, args, os.Environ()); err != nil {
		return fmt.Errorf("becoming %s: %w", program, err)
	}
	return nil
}

// ensure makes the cluster unless there is one. The new cluster grows beside
// its final place, so that one cut short is thrown away and not served.
func (c config) ensure(ctx context.Context) error {
	if c.data == "" || c.passwordFile == "" {
		return errors.New("PGDATA and POSTGRES_PASSWORD_FILE must be set")
	}
	_, err := os.Stat(filepath.Join(c.data, "PG_VERSION"))
	if err == nil {
		return c.guard()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for a cluster: %w", err)
	}
	fresh := c.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("removing an unfinished cluster: %w", err)
	}
	if err := c.create(ctx, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.data); err != nil {
		return fmt.Errorf("moving the new cluster into place: %w", err)
	}
	return nil
}

// guard takes the directory's group rights away again. Kubernetes gives them
// when it mounts a volume for a group once more, and the server refuses to
// start with them.
func (c config) guard() error {
	if err := os.Chmod(c.data, 0o700); err != nil {
		return fmt.Errorf("taking group rights from the data directory: %w", err)
	}
	return nil
}

// create makes a cluster in dir: passwords everywhere, reachable from the
// network, and with what the scripts say in it.
func (c config) create(ctx context.Context, dir string) error {
	if err := tool(ctx, nil, "initdb", "--pgdata="+dir, "--username="+c.user, "--pwfile="+c.passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"); err != nil {
		return err
	}
	if err := allowNetwork(filepath.Join(dir, "pg_hba.conf")); err != nil {
		return err
	}
	scripts, err := filepath.Glob(filepath.Join(c.scripts, "*.sql"))
	if err != nil {
		return fmt.Errorf("listing %s: %w", c.scripts, err)
	}
	slices.Sort(scripts)
	for _, script := range scripts {
		if err := apply(ctx, dir, script); err != nil {
			return err
		}
	}
	return nil
}

// allowNetwork lets every address connect, with a password.
func allowNetwork(hba string) error {
	f, err := os.OpenFile(hba, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening pg_hba.conf: %w", err)
	}
	_, err = f.WriteString("host all all all scram-sha-256\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing pg_hba.conf: %w", err)
	}
	return nil
}

// apply runs the statements of a file in single-user mode: no other process
// can reach the server meanwhile. That mode goes on after an error, so what it
// prints must hold none.
func apply(ctx context.Context, dir, script string) error {
	statements, err := os.ReadFile(script)
	if err != nil {
		return fmt.Errorf("reading %s: %w", script, err)
	}
	return tool(ctx, statements, "postgres", "--single", "-D", dir, "-c", "log_error_verbosity=terse", "-c", "log_min_error_statement=panic",
		"-c", "exit_on_error=on", "postgres")
}

// tool runs one of Postgres' programs. What it prints is part of the error
// only, because statements hold passwords.
func tool(ctx context.Context, stdin []byte, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(string(stdin))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w\n%s", name, err, out)
	}
	return nil
}
