// Package servers runs a real Postgres and a real Redis for tests, as private
// processes on loopback with data in a directory of their own.
package servers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// commandTimeout bounds each step of starting or stopping a server.
const commandTimeout = 60 * time.Second

// Servers are one Postgres and one Redis with their data below a directory.
type Servers struct {
	dir   string
	state state
}

// state is what a later call needs to know of running services.
type state struct {
	PostgresPort int    `json:"postgresPort"`
	RedisPort    int    `json:"redisPort"`
	Password     string `json:"password"`
}

// New returns the servers of a directory, running or not.
func New(dir string) *Servers { return &Servers{dir: dir} }

// Ensure starts the servers unless they run already.
func (s *Servers) Ensure(ctx context.Context) error {
	if s.running(ctx) {
		return nil
	}
	if err := s.Stop(ctx); err != nil {
		return err
	}
	if err := s.clean(); err != nil {
		return err
	}
	return s.Start(ctx)
}

func (s *Servers) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// Environment returns the variables that tests read.
func (s *Servers) Environment() []string {
	return []string{
		fmt.Sprintf("WEFT_TEST_DATABASE_URL=postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", s.state.Password, s.state.PostgresPort),
		fmt.Sprintf("WEFT_TEST_REDIS_URL=redis://default:%s@127.0.0.1:%d/0", s.state.Password, s.state.RedisPort),
	}
}

// Start brings both servers up and waits until they answer.
func (s *Servers) Start(ctx context.Context) error {
	ports, err := freePorts(ctx, 2)
	if err != nil {
		return err
	}
	s.state = state{PostgresPort: ports[0], RedisPort: ports[1], Password: rand.Text()}
	if err := s.save(); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return fmt.Errorf("opening %s for the server's user: %w", s.dir, err)
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	return s.startRedis(ctx)
}

func (s *Servers) startPostgres(ctx context.Context) error {
	cred, err := serverUser()
	if err != nil {
		return err
	}
	data, err := s.ownedDir("postgres", cred)
	if err != nil {
		return err
	}
	pwfile := filepath.Join(data, "password")
	if err := writeOwned(pwfile, s.state.Password, cred); err != nil {
		return err
	}
	cluster := filepath.Join(data, "cluster")
	if err := s.postgresTool(ctx, cred, "initdb", "--pgdata="+cluster, "--username=postgres", "--pwfile="+pwfile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"); err != nil {
		return err
	}
	// Durability is switched off: the data do not outlive the tests.
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=%s -c max_connections=300"+
		" -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB", s.state.PostgresPort, data)
	return s.postgresTool(ctx, cred, "pg_ctl", "start", "--wait", "--silent", "--pgdata="+cluster,
		"--log="+filepath.Join(data, "log"), "--options="+options)
}

func (s *Servers) startRedis(ctx context.Context) error {
	dir := s.path("redis")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making Redis' directory: %w", err)
	}
	if err := runTool(ctx, nil, "redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(s.state.RedisPort),
		"--requirepass", s.state.Password, "--daemonize", "yes", "--pidfile", filepath.Join(dir, "pid"),
		"--dir", dir, "--save", "", "--appendonly", "no", "--logfile", filepath.Join(dir, "log")); err != nil {
		return err
	}
	// It listens before it writes its id, without which it could not be stopped.
	return waitFor(ctx, "Redis to answer", func() bool {
		_, err := readPID(filepath.Join(dir, "pid"))
		return err == nil && dials(ctx, s.state.RedisPort)
	})
}

// Stop ends both servers, if they run. It signals only the processes whose
// ids the servers themselves wrote below dir.
func (s *Servers) Stop(ctx context.Context) error {
	redis := stopProcess(ctx, s.path("redis", "pid"), "redis-server")
	return errors.Join(redis, stopProcess(ctx, s.path("postgres", "cluster", "postmaster.pid"), "postgres"))
}

// clean removes what earlier services left.
func (s *Servers) clean() error {
	for _, name := range []string{"postgres", "redis", "state.json"} {
		if err := os.RemoveAll(s.path(name)); err != nil {
			return fmt.Errorf("removing old data: %w", err)
		}
	}
	return nil
}

// running says whether both servers of the saved state accept connections.
func (s *Servers) running(ctx context.Context) bool {
	return s.load() == nil && dials(ctx, s.state.PostgresPort) && dials(ctx, s.state.RedisPort)
}

func (s *Servers) save() error {
	data, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("encoding state: %w", err)
	}
	if err := os.WriteFile(s.path("state.json"), data, 0o600); err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	return nil
}

func (s *Servers) load() error {
	data, err := os.ReadFile(s.path("state.json"))
	if err != nil {
		return fmt.Errorf("reading state: %w", err)
	}
	if err := json.Unmarshal(data, &s.state); err != nil {
		return fmt.Errorf("decoding state: %w", err)
	}
	return nil
}

// ownedDir makes a directory that belongs to the server's user.
func (s *Servers) ownedDir(name string, cred *syscall.Credential) (string, error) {
	dir := s.path(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making %s: %w", dir, err)
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return "", fmt.Errorf("handing over %s: %w", dir, err)
		}
	}
	return dir, nil
}

// postgresTool runs one of Postgres' programs as the server's user.
func (s *Servers) postgresTool(ctx context.Context, cred *syscall.Credential, name string, args ...string) error {
	path, err := postgresBinary(name)
	if err != nil {
		return err
	}
	return runTool(ctx, cred, path, args...)
}

// postgresBinary finds a program of the newest Postgres that is installed.
// Debian keeps them out of PATH.
func postgresBinary(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return postgresVersion(a) - postgresVersion(b) }), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is missing: install Postgres (make deps, or apt-get install postgresql): %w", name, err)
	}
	return path, nil
}

// postgresVersion reads the major version out of /usr/lib/postgresql/15/bin/x.
func postgresVersion(path string) int {
	v, err := strconv.Atoi(strings.Split(path, "/")[4])
	if err != nil {
		return 0
	}
	return v
}

// serverUser returns whom Postgres runs as: it refuses to run as root.
func serverUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("finding the user postgres (make deps installs it): %w", err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, fmt.Errorf("reading the ids of the user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func writeOwned(path, text string, cred *syscall.Credential) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if cred == nil {
		return nil
	}
	if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("handing over %s: %w", path, err)
	}
	return nil
}

// freePorts asks the kernel for ports that nobody listens on.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var listen net.ListenConfig
	ports := make([]int, 0, n)
	for range n {
		l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close() //nolint:errcheck // a listener that nobody used
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("finding a free port: %s is no TCP address", l.Addr())
		}
		ports = append(ports, addr.Port)
	}
	return ports, nil
}
