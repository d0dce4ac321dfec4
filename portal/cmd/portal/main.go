// Program portal serves Weft's portal or its gateway, and prepares what they
// need at their first start.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no certificates of its own
	_ "time/tzdata"                            // nor time zones
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	klog.SetSlogLogger(log)
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
	if err := run(log); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(log, os.LookupEnv).ExecuteContext(ctx); err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	return nil
}

// command returns the program's commands.
func command(log *slog.Logger, env lookup) *cobra.Command {
	root := &cobra.Command{
		Use: "portal", Short: "Weft's portal and gateway",
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(serveCommand(log, env), initCommand(log, env), openAPICommand())
	return root
}

func serveCommand(log *slog.Logger, env lookup) *cobra.Command {
	var c Config
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the portal's modules, or the gateway", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := finish(c, env)
			if err != nil {
				return err
			}
			if err := c.Validate(); err != nil {
				return fmt.Errorf("the configuration is not valid: %w", err)
			}
			return serve(cmd.Context(), c, log)
		},
	}
	c.flags(cmd.Flags(), env)
	return cmd
}

func initCommand(log *slog.Logger, env lookup) *cobra.Command {
	var c Config
	cmd := &cobra.Command{
		Use: "init", Short: "Make what is missing: keys, the database's schema and role. Safe to repeat", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := finish(c, env)
			if err != nil {
				return err
			}
			return initialise(cmd.Context(), c, log)
		},
	}
	c.flags(cmd.Flags(), env)
	return cmd
}

func openAPICommand() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the description of the HTTP interface", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := description()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(document)
			return err
		},
	}
}
