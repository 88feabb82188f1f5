package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrSchema is wrapped by errors about a schema that is not the one that this program knows.
var ErrSchema = errors.New("the schema is not as expected")

// steps returns the migrations in order. Version n of the schema is what the first n make.
func steps() ([]string, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var all []string
	for i, f := range files {
		if !strings.HasPrefix(f.Name(), fmt.Sprintf("%04d_", i+1)) {
			return nil, fmt.Errorf("migration %s is not number %d", f.Name(), i+1)
		}
		b, err := migrations.ReadFile("migrations/" + f.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, string(b))
	}
	return all, nil
}

// Migrate makes the schema tidegate in a database, or brings it up to date, in one transaction. It
// returns the versions before and after. A schema of a later version is refused with an error that
// wraps ErrSchema.
func Migrate(ctx context.Context, dsn string) (from, to int, err error) {
	conn, err := Connect(ctx, dsn)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	all, err := steps()
	if err != nil {
		return 0, 0, fmt.Errorf("postgres: migrate: %w", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('tidegate.migrate', 0))"); err != nil {
			return err
		}
		if from, err = version(ctx, tx); err != nil {
			return err
		}
		if from > len(all) {
			return newer(from, len(all))
		}
		if from == 0 {
			if _, err := tx.Conn().PgConn().Exec(ctx, schemaSQL).ReadAll(); err != nil {
				return err
			}
		}
		for to = from; to < len(all); to++ {
			if _, err := tx.Conn().PgConn().Exec(ctx, all[to]).ReadAll(); err != nil {
				return fmt.Errorf("to version %d: %w", to+1, err)
			}
			if _, err := tx.Exec(ctx, "INSERT INTO tidegate.schema_version (version) VALUES ($1)", to+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return from, from, fmt.Errorf("postgres: migrate: %w", err)
	}
	return from, to, nil
}

const schemaSQL = `
CREATE SCHEMA IF NOT EXISTS tidegate;
COMMENT ON SCHEMA tidegate IS 'Market data of Tidegate.';
CREATE TABLE tidegate.schema_version (
	version integer PRIMARY KEY,
	since   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tidegate.schema_version IS 'Versions of the schema; the greatest is the one that it has.';
COMMENT ON COLUMN tidegate.schema_version.version IS 'Version.';
COMMENT ON COLUMN tidegate.schema_version.since IS 'When the schema became it.';`

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// version returns the version of the schema; 0 if there is none.
func version(ctx context.Context, q querier) (v int, err error) {
	var there bool
	if err := q.QueryRow(ctx, "SELECT to_regclass('tidegate.schema_version') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, err
	}
	err = q.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM tidegate.schema_version").Scan(&v)
	return v, err
}

func newer(have, know int) error {
	return fmt.Errorf("%w: it has version %d, and this program knows %d: use a later one", ErrSchema, have, know)
}

// checkVersion returns an error unless the schema has the version of this program.
func checkVersion(ctx context.Context, q querier) error {
	all, err := steps()
	if err != nil {
		return err
	}
	v, err := version(ctx, q)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: version of the schema: %w", err)
	case v == 0:
		return fmt.Errorf("postgres: %w: there is none: tidegate pg migrate makes it", ErrSchema)
	case v > len(all):
		return fmt.Errorf("postgres: %w", newer(v, len(all)))
	case v < len(all):
		return fmt.Errorf("postgres: %w: it has version %d, and this program needs %d: tidegate pg migrate brings it up to date", ErrSchema, v, len(all))
	}
	return nil
}
