package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// one returns the single row of a query as a T, by column name.
func one[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) (T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, fmt.Errorf("asking for a row: %w", err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if err != nil {
		return row, fmt.Errorf("reading a row: %w", err)
	}
	return row, nil
}

// many returns all rows of a query as Ts, by column name. The query carries the
// limit.
func many[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("asking for rows: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err != nil {
		return nil, fmt.Errorf("reading rows: %w", err)
	}
	return found, nil
}

// column returns the only column of a query's rows. The query carries the limit.
func column[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("asking for a column: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		return nil, fmt.Errorf("reading a column: %w", err)
	}
	return found, nil
}

// scan reads a row into variables.
func scan(row pgx.Row, into ...any) error {
	if err := row.Scan(into...); err != nil {
		return fmt.Errorf("reading a row: %w", err)
	}
	return nil
}

// exec runs a statement and tells how many rows it changed.
func exec(ctx context.Context, tx pgx.Tx, sql string, args ...any) (int64, error) {
	tag, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("running a statement: %w", err)
	}
	return tag.RowsAffected(), nil
}

// affected runs a statement that must change a row.
func affected(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	changed, err := exec(ctx, tx, sql, args...)
	if err != nil {
		return err
	}
	if changed == 0 {
		return ErrNotFound
	}
	return nil
}

func isUnexpectedEOF(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
