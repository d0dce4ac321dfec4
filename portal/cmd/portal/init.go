package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"k8s.io/client-go/kubernetes"

	"github.com/weft-run/weft/migrations"
	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/store"
)

const (
	initTimeout   = 5 * time.Minute
	initRetry     = 2 * time.Second
	connectTimout = 5 * time.Second
)

// initialise makes what is missing. Everything in it can be repeated, and done
// by two at once.
func initialise(ctx context.Context, c Config, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	if c.DatabaseURL == "" || c.DatabaseAdminURL == "" {
		return errors.New("WEFT_DATABASE_URL and WEFT_DATABASE_ADMIN_URL are needed")
	}
	place, err := keyPlace(c)
	if err != nil {
		return err
	}
	if err := keys.Init(ctx, place); err != nil {
		return err
	}
	log.Info("keys are in place", "identity", place.Name(keys.IdentityFile), "requests", place.Name(keys.RequestFile),
		"vault", place.Name(keys.VaultFile), "public", place.Name(keys.TrustFile))
	if err := prepareDatabase(ctx, c, log); err != nil {
		return err
	}
	log.Info("the database is up to date")
	return nil
}

// keyPlace is a folder where one is named, and else the cluster.
func keyPlace(c Config) (keys.Place, error) {
	if c.KeysDir != "" {
		return keys.Dir(c.KeysDir), nil
	}
	config, err := restConfig()
	if err != nil {
		return nil, fmt.Errorf("keys are kept in the cluster, or in a folder with --keys-dir: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster's client: %w", err)
	}
	return keys.Cluster{Client: client, Namespace: c.SystemNamespace}, nil
}

func prepareDatabase(ctx context.Context, c Config, log *slog.Logger) error {
	config, err := pgx.ParseConfig(c.DatabaseAdminURL)
	if err != nil {
		return errors.New("WEFT_DATABASE_ADMIN_URL is not a valid postgres:// URL")
	}
	config.ConnectTimeout = connectTimout
	conn, err := connect(ctx, config, log)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	err = migrations.Up(ctx, db)
	if err == nil {
		err = store.EnsureRole(ctx, conn, c.DatabaseURL)
	}
	return errors.Join(err, db.Close(), conn.Close(ctx))
}

// connect waits for a database that is not up yet.
func connect(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) (*pgx.Conn, error) {
	ticker := time.NewTicker(initRetry)
	defer ticker.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			return conn, nil
		}
		log.Info("waiting for the database", "error", err)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connecting to the database: %w", err)
		case <-ticker.C:
		}
	}
}
