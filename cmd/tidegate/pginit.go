package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	settings "tidegate/deploy/postgres"
	"tidegate/internal/pgcluster"
	"tidegate/sinks/postgres"
)

type pgInitCmd struct {
	Dir    string `arg:"" type:"path" help:"Data directory: missing, or empty."`
	Port   int    `default:"5433" help:"Port on 127.0.0.1."`
	WALDir string `name:"wal-dir" type:"path" placeholder:"DIR" help:"Directory for the write-ahead log: best on a device of its own."`
	Bin    string `type:"path" placeholder:"DIR" help:"Directory of initdb and postgres. Default: the latest version that is installed."`
}

// Help is shown below the flags' summary.
func (pgInitCmd) Help() string {
	return `Makes a cluster with data checksums and the settings of deploy/postgres/tidegate.conf, a database tidegate in it, and its schema. The server listens on this machine only; the superuser is tidegate, and its password is in the file pgpass of the data directory.

PostgreSQL does not run as root: for root, the cluster belongs to the user postgres, or nobody.`
}

// Run makes a cluster.
func (c *pgInitCmd) Run(ctx context.Context, con *console) (err error) {
	if c.Port < 1 || c.Port > 65535 {
		return usageError{fmt.Errorf("--port %d: want 1 to 65535", c.Port)}
	}
	if c.Bin == "" {
		if c.Bin, err = pgcluster.Find(); err != nil {
			return fmt.Errorf("%w: on Debian, apt-get install postgresql", err)
		}
	}
	if there, err := os.ReadDir(c.Dir); err == nil && len(there) > 0 {
		return fmt.Errorf("make cluster in %s: %w", c.Dir, errDirUsed)
	}
	const name = "tidegate"
	cluster := pgcluster.Cluster{
		Dir: c.Dir, Bin: c.Bin, Port: c.Port, Superuser: name, Password: rand.Text(), Settings: settings.Server, WALDir: c.WALDir,
	}
	if err := cluster.Init(ctx); err != nil {
		return err
	}
	pass := filepath.Join(c.Dir, "pgpass")
	if err := os.WriteFile(pass, fmt.Appendf(nil, "127.0.0.1:%d:*:%s:%s\n", c.Port, name, cluster.Password), 0o600); err != nil {
		return fmt.Errorf("make cluster: %w", err)
	}
	server, err := cluster.Start(ctx)
	if err != nil {
		return err
	}
	err = c.fill(ctx, &cluster, name)
	if err := errors.Join(err, server.Stop(pgcluster.Fast)); err != nil {
		return err
	}
	start := fmt.Sprintf("%s/pg_ctl -D %s -l %s/log start", c.Bin, c.Dir, c.Dir)
	owner, err := pgcluster.Owner()
	if err != nil {
		return err
	}
	if owner != "" {
		start = fmt.Sprintf("runuser -u %s -- %s", owner, start)
	}
	_, err = fmt.Fprintf(con.Out, "made     %s\nstart    %s\ndsn      host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable passfile=%s\n",
		c.Dir, start, c.Port, name, name, pass)
	return err
}

// fill makes the database and its schema.
func (c *pgInitCmd) fill(ctx context.Context, cluster *pgcluster.Cluster, name string) error {
	conn, err := postgres.Connect(ctx, cluster.DSN("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("make database %s: %w", name, err)
	}
	_, _, err = postgres.Migrate(ctx, cluster.DSN(name))
	return err
}
