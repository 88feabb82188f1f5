package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

// pgCmd is about ticks in PostgreSQL.
type pgCmd struct {
	Init    pgInitCmd    `cmd:"" help:"Make a private PostgreSQL cluster from the binaries that are installed."`
	Migrate pgMigrateCmd `cmd:"" help:"Make the schema, or bring it up to date."`
	Drain   pgDrainCmd   `cmd:"" help:"Drain a journal into the database, until interrupted."`
	Status  pgStatusCmd  `cmd:"" help:"Show what is in the database."`
	Verify  pgVerifyCmd  `cmd:"" help:"Compare the database with a journal. Differences give exit code 3."`
}

// database is how a database is reached.
type database struct {
	DSN string `name:"dsn" env:"TIDEGATE_DSN" required:"" placeholder:"DSN" help:"Connection string of PostgreSQL: \"host=127.0.0.1 port=5432 dbname=tidegate user=tidegate\", or a URL. Several hosts are tried in turn. A password is better in a passfile than here."`
}

type pgMigrateCmd struct{ database }

// Run makes the schema.
func (c *pgMigrateCmd) Run(ctx context.Context, con *console) error {
	from, to, err := postgres.Migrate(ctx, c.DSN)
	if err != nil {
		return err
	}
	if from == to {
		_, err = fmt.Fprintf(con.Out, "the schema has version %d already\n", to)
	} else {
		_, err = fmt.Fprintf(con.Out, "the schema has version %d (it had %d)\n", to, from)
	}
	return err
}

type pgDrainCmd struct {
	database
	Journal           string        `required:"" placeholder:"DIR" help:"Directory of the journal. Who writes it may be running or not."`
	Name              string        `default:"postgres" help:"Under this name the journal keeps what is not drained yet."`
	Keep              []string      `default:"trades,quotes,bars" help:"Tables that are filled, of trades, quotes, orders, records and bars. Instruments, gaps, switches and feeds always are."`
	Workers           int           `default:"1" help:"Workers, 1 to 8, with two connections each. Feeds are shared out among them."`
	BatchRows         int           `default:"50000" help:"Rows of a transaction, at most."`
	BatchWait         time.Duration `default:"20ms" help:"How long a row waits for others."`
	SynchronousCommit string        `placeholder:"HOW" help:"off, local, remote_write, on or remote_apply. Default: as the server has it."`
	Standbys          int           `default:"0" help:"Synchronous standbys that must be there. With fewer nothing is committed."`
	Ahead             time.Duration `default:"2h" help:"How long before their time partitions are made."`
	RollUpAfter       time.Duration `default:"10m" help:"How long after their end hours and days are rolled up."`
	Retain            time.Duration `default:"0" help:"How long after their end days are dropped. 0: never."`
	HotSpace          string        `placeholder:"NAME" help:"Tablespace of minutes and hours."`
	ColdSpace         string        `placeholder:"NAME" help:"Tablespace of days."`
	BRIN              bool          `name:"brin" help:"Give minutes a BRIN index on their time while they are filled."`
	Report            time.Duration `default:"1m" help:"How often figures are logged. 0: never."`
}

// Help is shown below the flags' summary.
func (pgDrainCmd) Help() string {
	return `Every entry of the journal becomes a row, once, whatever crashes meanwhile: rows and the position behind them are one transaction. What is not committed stays in the journal, so the database may be down for as long as the journal's disk lasts. See docs/postgres.md.

  tidegate pg migrate --dsn "host=127.0.0.1 dbname=tidegate"
  tidegate pg drain --dsn "host=127.0.0.1 dbname=tidegate" --journal /var/lib/tidegate/journal`
}

// Run drains until it is interrupted.
func (c *pgDrainCmd) Run(ctx context.Context, con *console) error {
	log := slog.New(slog.NewTextHandler(con.Err, nil))
	s, err := postgres.New(postgres.Config{
		Reader: func() (*journal.Reader, error) { return journal.OpenReader(c.Journal) }, ReaderName: c.Name,
		DSN: c.DSN, Workers: c.Workers, BatchRows: c.BatchRows, BatchWait: c.BatchWait, Keep: c.Keep,
		SynchronousCommit: c.SynchronousCommit, Standbys: c.Standbys,
		Partitions: postgres.Partitions{
			Ahead: c.Ahead, RollUpAfter: c.RollUpAfter, Retain: c.Retain, HotSpace: c.HotSpace, ColdSpace: c.ColdSpace, BRIN: c.BRIN,
		},
		Notify: logNotice(log),
	})
	if err != nil {
		return usageError{err}
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var tick <-chan time.Time
	if c.Report > 0 {
		ticker := time.NewTicker(c.Report)
		defer ticker.Stop()
		tick = ticker.C
	}
	before, at := s.Stats(), time.Now()
	for {
		select {
		case err := <-ended:
			logFigures(log, s.Stats(), before, time.Since(at))
			return err
		case <-tick:
			now := s.Stats()
			logFigures(log, now, before, time.Since(at))
			before, at = now, time.Now()
		}
	}
}

// logNotice returns what puts notices into a log.
func logNotice(log *slog.Logger) func(postgres.Notice) {
	return func(n postgres.Notice) {
		level := slog.LevelInfo
		if n.Kind.Alarm() {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "postgres: "+n.Kind.String(), "what", strings.TrimPrefix(n.Text, "postgres: "))
	}
}

func logFigures(log *slog.Logger, now, before postgres.Stats, d time.Duration) {
	log.Info("postgres: drained", "next", now.Next, "rows", now.Rows, "rows_per_second", int(float64(now.Rows-before.Rows)/d.Seconds()),
		"lag_entries", now.LagEntries, "lag", now.LagTime.Round(time.Millisecond), "skipped", now.Skipped, "missing", now.Missing,
		"failures", now.Failures, "breaker", now.Server, "rolled_up", now.Partitions.RolledUp)
}

type pgStatusCmd struct {
	database
	JSON bool `name:"json" help:"Print JSON."`
}

// Run looks at the database.
func (c *pgStatusCmd) Run(ctx context.Context, con *console) error {
	s, err := postgres.ReadStatus(ctx, c.DSN)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(con.Out).Encode(s)
	}
	fmt.Fprintf(con.Out, "server   PostgreSQL %s, schema version %d", s.Server, s.Schema)
	if s.Standby {
		fmt.Fprintf(con.Out, ", a standby, %.1f s behind", s.Replay)
	}
	fmt.Fprintln(con.Out)
	for _, j := range s.Journals {
		fmt.Fprintf(con.Out, "journal  %s: from %d, next is %d as of %s; %d rows, %d skipped, %d missing\n",
			j.ID, j.First, j.Next, j.Updated.UTC().Format(time.RFC3339), j.Rows, j.Skipped, j.Missing)
	}
	for _, f := range s.Conflicts {
		fmt.Fprintf(con.Out, "CONFLICT %s, noted %s: %s\n", f.Leaf, f.Noted.UTC().Format(time.RFC3339), f.Detail)
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "table\tminutes\thours\tdays\tMiB\trows (estimate)\t")
	for _, t := range s.Tables {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", t.Name, t.Minutes, t.Hours, t.Days, t.Bytes>>20, t.Rows)
	}
	return w.Flush()
}

type pgVerifyCmd struct {
	database
	Journal string   `required:"" placeholder:"DIR" help:"Directory of the journal."`
	Keep    []string `default:"trades,quotes,bars" help:"Tables that are filled, as tidegate pg drain has it."`
	Since   string   `placeholder:"TIME" help:"Leave out what retention has dropped from the database: days that begin before this time."`
	JSON    bool     `name:"json" help:"Print JSON."`
	Quiet   bool     `short:"q" help:"No progress bar."`
}

// Run compares.
func (c *pgVerifyCmd) Run(ctx context.Context, con *console) error {
	o := postgres.VerifyOptions{Keep: c.Keep}
	if c.Since != "" {
		at, err := parseMoment("--since", c.Since)
		if err != nil {
			return err
		}
		o.Since = at
	}
	r, err := journal.OpenReader(c.Journal)
	if err != nil {
		return err
	}
	defer r.Close()
	var b *bar
	o.Progress = func(done, total uint64) {
		if b == nil && !c.Quiet {
			b = newBar(con.Err, int64(total), "verify", false)
		}
		b.set(int64(done))
	}
	got, err := postgres.Verify(ctx, c.DSN, r, o)
	b.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(con.Out).Encode(got)
	} else {
		for _, d := range got.Differences {
			fmt.Fprintf(con.Out, "DIFFERS  %s\n", d)
		}
		result := "equal"
		if len(got.Differences) > 0 {
			result = "DIFFERENT"
		}
		fmt.Fprintf(con.Out, "drained  index %d to %d: %d rows wanted, %d entries missing in the journal\n", got.From, got.To-1, got.Rows, got.Missing)
		_, err = fmt.Fprintf(con.Out, "result   %s\n", result)
	}
	if err == nil && len(got.Differences) > 0 {
		err = fmt.Errorf("%w: %s: %w", postgres.ErrDiffers, strings.Join(got.Differences, "; "), errImperfect)
	}
	return err
}

var errDirUsed = errors.New("it is not empty")
