package host

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// Time limits of apt-get. Another run of it may hold the locks for a while.
const (
	aptTimeout  = 10 * time.Minute
	lockTimeout = 5 * time.Minute
	lockRetry   = 3 * time.Second
)

// aptGet reads the package lists and installs.
func aptGet(ctx context.Context, detail *progress.Detail, packages []string) error {
	detail.Set("reading the package lists")
	if err := update(ctx); err != nil {
		return err
	}
	detail.Set("installing")
	err := install(ctx, packages)
	if err == nil || !strings.Contains(err.Error(), "dpkg was interrupted") {
		return err
	}
	detail.Set("finishing an installation that was interrupted")
	repair := run.Cmd{Name: "dpkg", Args: []string{"--configure", "-a"}, Env: aptEnvironment(), Timeout: aptTimeout}
	if _, err := run.Output(ctx, repair); err != nil {
		return err
	}
	return install(ctx, packages)
}

func install(ctx context.Context, packages []string) error {
	wait := fmt.Sprintf("DPkg::Lock::Timeout=%d", int(lockTimeout.Seconds()))
	args := append([]string{"-o", wait, "install", "--yes", "--quiet", "--no-install-recommends"}, packages...)
	_, err := run.Output(ctx, run.Cmd{Name: "apt-get", Args: args, Env: aptEnvironment(), Timeout: aptTimeout})
	return err
}

// update reads the package lists. apt-get does not wait for the lock on them
// by itself.
func update(ctx context.Context) error {
	deadline := time.Now().Add(lockTimeout)
	for {
		_, err := run.Output(ctx, run.Cmd{Name: "apt-get", Args: []string{"update", "--quiet"}, Env: aptEnvironment(), Timeout: aptTimeout})
		if err == nil || !strings.Contains(err.Error(), "Could not get lock") || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockRetry):
		}
	}
}

func aptEnvironment() []string { return []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"} }
