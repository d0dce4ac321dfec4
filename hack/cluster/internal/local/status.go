package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/supervise"
)

// Status writes what runs and fails when the cluster cannot be used.
func (c Cluster) Status(ctx context.Context, out io.Writer) error {
	if !c.running() {
		return errors.New("the local cluster does not run; start it with: make up")
	}
	status, err := supervise.ReadStatus(c.State.Run(statusFile))
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format+"\n", args...) } // Flush reports
	line("COMPONENT\tSTATE\tPID\tRESTARTS\tSINCE\tMESSAGE")
	for _, e := range status.Components {
		line("%s\t%s\t%d\t%d\t%s\t%s", e.Name, e.State, e.PID, e.Restarts, time.Since(e.Since).Round(time.Second), e.Message)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if entry, found := status.Unready(); found {
		return fmt.Errorf("%s is %s; its log is %s", entry.Name, entry.State, c.State.Log(entry.Name))
	}
	api, err := kube.Admin(c.State)
	if err != nil {
		return err
	}
	if err := usable(ctx, api); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "ready; KUBECONFIG=%s\n", c.State.Kubeconfig())
	return err
}
