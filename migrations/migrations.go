// Package migrations holds the schema of the portal's database and brings a
// database up to it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

// Files returns the migrations.
func Files() fs.FS { return files }

// Up applies every migration that the database does not have yet. Several
// callers at once are no problem: one works, the others wait for it.
func Up(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("applying database migrations: %w", err)
	}
	return nil
}

// Current reports the schema version of the database and the newest one that
// this program knows.
func Current(ctx context.Context, db *sql.DB) (have, want int64, err error) {
	provider, err := newProvider(db)
	if err != nil {
		return 0, 0, err
	}
	have, want, err = provider.GetVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the database's schema version: %w", err)
	}
	return have, want, nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("preparing the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("reading the migrations: %w", err)
	}
	return provider, nil
}
