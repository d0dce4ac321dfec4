// Command runtime executes flows: the one flow of its pod, or the drafts of a
// workspace. Its configuration comes from the environment; see
// runtime/server.Config.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the image holds no time zones

	_ "golang.org/x/crypto/x509roots/fallback" // nor certificates

	"github.com/weft-run/weft/runtime/server"
)

// terminationLog is where Kubernetes looks for a container's last words.
const terminationLog = "/dev/termination-log"

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	if err := run(log); err != nil {
		lastWords(log, err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	cfg, err := server.FromEnv(os.Getenv)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	log = log.With("workspace", cfg.Workspace, "name", cfg.Name)
	s, err := server.New(cfg, log)
	if bad, ok := errors.AsType[*server.ProblemsError](err); ok {
		for _, p := range bad.Problems {
			log.Error("the flow has an error", "component", p.Component, "field", p.Field, "code", p.Code, "message", p.Message)
		}
	}
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// lastWords leaves the reason where the operator finds it.
func lastWords(log *slog.Logger, err error) {
	log.Error("the runtime cannot go on", "error", err)
	file, openErr := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if openErr != nil {
		return // not in a container
	}
	defer func() { _ = file.Close() }()
	if _, writeErr := fmt.Fprintln(file, err); writeErr != nil {
		log.Error("writing the termination message failed", "error", writeErr)
	}
}
