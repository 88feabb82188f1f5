package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"tidegate/gateway/admin"
	"tidegate/internal/pgcluster"
	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

// The demonstration's journal, and the file with the connection string of its database, are below its directory, with
// names that nobody else's have: what is left of the last time is removed.
const (
	demoJournal = "demo-journal"
	demoDSN     = "demo-postgres.dsn"
)

var errNotWanted = errors.New("none is wanted")

// demoTables is everything that can be kept, so that every entry of the journal is a row.
var demoTables = postgres.Optional()

// A demoDatabase is a private PostgreSQL cluster that is gone with the demonstration.
type demoDatabase struct {
	dir    string
	dsn    string
	server *pgcluster.Server
}

// openDemoDatabase makes and starts a cluster, with the schema, in a directory of its own below dir if the server's
// user can get there.
func openDemoDatabase(ctx context.Context, dir string) (d *demoDatabase, err error) {
	bin, err := pgcluster.Find()
	if err != nil {
		return nil, err
	}
	d = &demoDatabase{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = pgcluster.MkdirTemp(dir, "demo-postgres-"); err != nil {
		return d, err
	}
	_, text, err := net.SplitHostPort(free("tcp", 5433))
	if err != nil {
		return d, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return d, err
	}
	const name = "tidegate"
	cluster := pgcluster.Cluster{
		Dir: filepath.Join(d.dir, "data"), Bin: bin, Port: port, Superuser: name, Password: rand.Text(), NoSync: true,
		Settings: "fsync = off\nfull_page_writes = off\nlog_min_messages = fatal\nmax_locks_per_transaction = 256\n", // it does not last
	}
	if err := cluster.Init(ctx); err != nil {
		return d, err
	}
	if d.server, err = cluster.Start(ctx); err != nil {
		return d, err
	}
	d.dsn = cluster.DSN("postgres")
	_, _, err = postgres.Migrate(ctx, d.dsn)
	return d, err
}

// close stops the server and removes the cluster.
func (d *demoDatabase) close() error {
	if d == nil {
		return nil
	}
	var errs []error
	if d.server != nil {
		errs = append(errs, d.server.Stop(pgcluster.Fast))
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

// keep returns what the gateway's configuration says of its journal and its database. Without a database, why there is
// none is noted.
func (d *liveDemo) keep(ctx context.Context) (sections string, err error) {
	if err := os.RemoveAll(filepath.Join(d.dir, demoJournal)); err != nil {
		return "", err
	}
	sections = fmt.Sprintf("journal:\n  dir: %s\n", demoJournal)
	if d.noDatabase == nil {
		d.database, d.noDatabase = openDemoDatabase(ctx, d.dir)
	}
	if d.noDatabase != nil {
		d.database = nil
		return sections, ctx.Err()
	}
	if err := os.WriteFile(filepath.Join(d.dir, demoDSN), []byte(d.database.dsn+"\n"), 0o600); err != nil {
		return "", err
	}
	sections += fmt.Sprintf("postgres:\n  dsn_file: %s\n  keep: [", demoDSN)
	for i, table := range demoTables {
		if i > 0 {
			sections += ", "
		}
		sections += table
	}
	return sections + "]\n", nil
}

// sayDatabase says where rows go.
func (d *liveDemo) sayDatabase() {
	if d.noDatabase != nil {
		d.say("   What it publishes is kept in a journal, %s. There is no database (%v): it runs on the journal alone.", filepath.Join(d.dir, demoJournal), d.noDatabase)
		return
	}
	d.say("   What it publishes is kept in a journal, %s, and goes from there into a private PostgreSQL.", filepath.Join(d.dir, demoJournal))
}

// compareDatabase holds the rows against the journal, and the journal against itself.
func (d *liveDemo) compareDatabase(ctx context.Context) error {
	var wanted uint64
	err := d.wait(ctx, "the database", func() error {
		var feeds admin.FeedsReport
		if err := get(ctx, d.admin+"/feeds", &feeds); err != nil {
			return err
		}
		if wanted == 0 { // entries go on: books are sampled every second
			wanted = feeds.Journal.DurableIndex
		}
		if p := feeds.Postgres; p != nil && p.Next <= wanted {
			return fmt.Errorf("drained up to %d of %d", p.Next-1, wanted)
		}
		return nil
	})
	if err != nil {
		return err
	}
	dir := filepath.Join(d.dir, demoJournal)
	whole, err := journal.Verify(ctx, dir, nil)
	if err != nil {
		return err
	}
	if n := len(whole.Problems); n > 0 || whole.Recorded > 0 {
		return fmt.Errorf("demo: the journal is not whole: %s, %s dropped", counted(n, "problem"), several(int(whole.Recorded), "entry"))
	}
	d.say("   journal     is whole: %d entries on the disk, in order, every byte checked", whole.Last)
	if d.database == nil {
		d.say("   PostgreSQL  has nothing of it: the demonstration ran on the journal alone")
		return nil
	}
	r, err := journal.OpenReader(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := postgres.Verify(ctx, d.database.dsn, r, postgres.VerifyOptions{Keep: demoTables})
	if err != nil {
		return err
	}
	if len(got.Differences) > 0 {
		return fmt.Errorf("demo: %w: %v", postgres.ErrDiffers, got.Differences)
	}
	d.say("   PostgreSQL  has entries %d to %d as rows, %d of them, each once: hashes summed up by SQL are those of the journal", got.From, got.To-1, got.Rows)
	return nil
}
