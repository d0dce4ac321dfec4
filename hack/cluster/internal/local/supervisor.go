package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"syscall"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/cgroup"
	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/lock"
	"github.com/weft-run/weft/hack/cluster/internal/node"
	"github.com/weft-run/weft/hack/cluster/internal/proc"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/supervise"
)

// Names of the supervisor's files in the run directory.
const (
	pidFile    = "supervisor.pid"
	lockFile   = "supervisor.lock"
	statusFile = "status.json"
	specFile   = "spec.json"
)

// SuperviseCommand is the command with which the program starts itself.
const SuperviseCommand = "supervise"

// logLimit bounds a component's log, in bytes; one older log is kept.
const logLimit = 8 << 20

// Time limits of the supervisor's own start and end.
const (
	superviseWithin = 20 * time.Second
	stopWithin      = 60 * time.Second
	readyWithin     = 5 * time.Minute
)

// errSupervisorGone means that the supervisor ended while we relied on it.
var errSupervisorGone = errors.New("the supervisor has ended")

// running says whether the supervisor runs.
func (c Cluster) running() bool {
	id, err := proc.Read(c.State.Run(pidFile))
	return err == nil && id.Alive()
}

// ensureSupervisor starts the supervisor unless it runs with the same spec.
func (c Cluster) ensureSupervisor(ctx context.Context, spec node.Spec) error {
	have, err := readSpec(c.State)
	if err != nil {
		return err
	}
	status, err := supervise.ReadStatus(c.State.Run(statusFile))
	if err != nil {
		return err
	}
	if c.running() && !status.Stopping && reflect.DeepEqual(have, spec) {
		return nil
	}
	if err := c.stopSupervisor(ctx); err != nil {
		return err
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("encode the spec: %w", err)
	}
	if err := proc.WriteFile(c.State.Run(specFile), data, 0o600); err != nil {
		return err
	}
	return c.startSupervisor(ctx)
}

func readSpec(state layout.State) (node.Spec, error) {
	data, err := os.ReadFile(state.Run(specFile))
	if errors.Is(err, fs.ErrNotExist) {
		return node.Spec{}, nil
	}
	if err != nil {
		return node.Spec{}, fmt.Errorf("read the spec: %w", err)
	}
	var spec node.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return node.Spec{}, fmt.Errorf("read the spec: %w", err)
	}
	return spec, nil
}

// stopSupervisor ends the supervisor and the components, also those that an
// earlier supervisor left when it was killed. Pods go on.
func (c Cluster) stopSupervisor(ctx context.Context) error {
	id, err := proc.Read(c.State.Run(pidFile))
	if err != nil {
		return err
	}
	if id.Alive() {
		c.Progress.Say("stopping the components for new ones")
		if err := stop(ctx, id); err != nil {
			return err
		}
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	return tree.Kill(ctx, cgroup.System)
}

// stop asks a process to end and waits for it.
func stop(ctx context.Context, id proc.Identity) error {
	if err := id.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	deadline := time.Now().Add(stopWithin)
	for id.Alive() {
		if time.Now().After(deadline) {
			return nil // the caller kills what is left
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// startSupervisor starts a copy of this program that survives its end, the end
// of its terminal and the removal of the checkout.
func (c Cluster) startSupervisor(ctx context.Context) error {
	binary := c.State.Bin("cluster")
	if err := copySelf(binary); err != nil {
		return err
	}
	log, err := os.OpenFile(c.State.Log("supervisor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the supervisor's log: %w", err)
	}
	cmd := exec.Command(binary, SuperviseCommand) //nolint:noctx // it outlives this program
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.State.Root, "WEFT_CLUSTER_DIR=" + c.State.Root}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, superviseWithin)
	defer cancel()
	for !c.running() {
		select {
		case err := <-exited:
			return fmt.Errorf("the supervisor ended (%w); see %s", err, c.State.Log("supervisor"))
		case <-ctx.Done():
			return fmt.Errorf("the supervisor does not start; see %s", c.State.Log("supervisor"))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func copySelf(target string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	source, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	data, err := io.ReadAll(source)
	if err := errors.Join(err, source.Close()); err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	return proc.WriteFile(target, data, 0o700)
}

// Supervise is the supervisor itself. It returns after the signal that ends ctx.
func Supervise(ctx context.Context, state layout.State) error {
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	// First of all: whatever happens from here, the cgroup knows this process
	// and all that it starts.
	if err := tree.Join(cgroup.System, os.Getpid()); err != nil {
		return err
	}
	held, err := lock.Take(ctx, state.Run(lockFile), time.Second, func() {})
	if err != nil {
		return fmt.Errorf("another supervisor runs: %w", err)
	}
	defer held.Release()
	self, err := proc.Self()
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(state.Run(statusFile)), self.Write(state.Run(pidFile))); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err = superviseComponents(ctx, state, logger)
	return errors.Join(err, os.Remove(state.Run(pidFile)))
}

func superviseComponents(ctx context.Context, state layout.State, logger *slog.Logger) error {
	spec, err := readSpec(state)
	if err != nil {
		return err
	}
	api, err := kube.Admin(state)
	if err != nil {
		return err
	}
	supervisor, err := supervise.New(supervise.Options{
		Waves:  node.Components(spec, api),
		Status: state.Run(statusFile),
		Log:    state.Log,
		Logger: logger,
	})
	if err != nil {
		return err
	}
	logs := []string{state.Log("supervisor")}
	for _, name := range node.Names() {
		logs = append(logs, state.Log(name))
	}
	go supervise.CapLogs(ctx, logger, logLimit, logs...)
	go recycle(ctx, logger, state, api)
	logger.Info("supervisor started", "pid", os.Getpid())
	return supervisor.Run(ctx)
}

// giveUpAfter is how often a component may be restarted while we wait for it.
const giveUpAfter = 6

// awaitComponents returns when every component is ready. It does not wait for
// one that ends again and again.
func (c Cluster) awaitComponents(ctx context.Context) error {
	before, err := c.componentsReady()
	if err == nil {
		return nil
	}
	return c.Progress.Step(ctx, "starting the components", func(ctx context.Context, detail *progress.Detail) error {
		return poll(ctx, readyWithin, detail, func(context.Context) error {
			entry, err := c.componentsReady()
			if err != nil && entry.Name == before.Name && entry.Restarts-before.Restarts >= giveUpAfter {
				return permanent{err}
			}
			if entry.Name != before.Name {
				before = entry
			}
			return err
		})
	})
}

// componentsReady fails with the first component that is not ready, if one is
// known.
func (c Cluster) componentsReady() (supervise.Entry, error) {
	if !c.running() {
		return supervise.Entry{}, permanent{errSupervisorGone}
	}
	status, err := supervise.ReadStatus(c.State.Run(statusFile))
	if err != nil {
		return supervise.Entry{}, err
	}
	if entry, found := status.Unready(); found {
		return entry, fmt.Errorf("%s is %s: %s; its log is %s", entry.Name, entry.State, entry.Message, c.State.Log(entry.Name))
	}
	if status.Stopping {
		return supervise.Entry{}, permanent{errSupervisorGone}
	}
	if !status.Ready() {
		return supervise.Entry{}, errors.New("the supervisor has not begun")
	}
	return supervise.Entry{}, nil
}
