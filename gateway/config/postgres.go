package config

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/codec/dbn"
)

// Postgres is the database that the journal is drained into. Without a connection string there is none.
type Postgres struct {
	DSN        string // "" for none. It may have a password in it
	ReaderName string // under which the journal keeps what is not drained
	Keep       []string
	Workers    int
	BatchRows  int
	BatchWait  time.Duration

	SynchronousCommit string // "": as the server has it
	Standbys          int

	Ahead       time.Duration // how long before their time partitions are made
	RollUpAfter time.Duration // how long after their end hours and days are rolled up
	Retain      time.Duration // how long after their end days are dropped; 0: never
	HotSpace    string        // tablespace of minutes and hours; "": the database's
	ColdSpace   string        // tablespace of days; "": the database's

	History PostgresHistory
}

// PostgresHistory is where history over HTTP is read, beside the journal: replicas, say. Without a connection string
// it is the journal alone.
type PostgresHistory struct {
	DSN    string        // "" for none. It may have a password in it
	MaxLag time.Duration // how old what is not there yet may be
}

// postgresTables are the tables that may be filled or not, and the schemas whose records they have.
var postgresTables = []struct {
	name string
	of   []dbn.Schema
}{
	{"trades", []dbn.Schema{dbn.SchemaTrades}},
	{"quotes", []dbn.Schema{dbn.SchemaMBP1, dbn.SchemaTBBO, dbn.SchemaBBO1s, dbn.SchemaBBO1m}},
	{"bars", []dbn.Schema{dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d}},
	{"orders", []dbn.Schema{dbn.SchemaMBO}},
	{"records", []dbn.Schema{dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance}},
}

const (
	postgresWorkersMax = 8  // the feeds of a journal are shared out in as many parts
	identifierMax      = 63 // bytes of a name in PostgreSQL
)

// postgres reads the section of that name.
func (r *reader) postgres(p *Postgres, v value) {
	if _, text := v.scalar(); text {
		v.mistake("a text", "fields: dsn and others") // it may be a connection string, with a password in it
		return
	}
	commits := []string{"off", "local", "remote_write", "on", "remote_apply"}
	sources := 0
	found := v.mapping(append(r.dsn(v, &p.DSN, &sources),
		field{"reader", parsed(&p.ReaderName, "1 to 64 letters, digits, - and _", parseReaderName)},
		field{"keep", func(v value) { p.keep(v) }},
		field{"workers", integer(&p.Workers, 1, postgresWorkersMax)},
		field{"batch_rows", integer(&p.BatchRows, 1, 1_000_000)},
		field{"batch_wait", duration(&p.BatchWait, time.Millisecond, time.Minute)},
		field{"synchronous_commit", choice(&p.SynchronousCommit, commits, commits)},
		field{"standbys", integer(&p.Standbys, 0, 100)},
		field{"ahead", duration(&p.Ahead, time.Minute, 24*time.Hour)},
		field{"roll_up_after", duration(&p.RollUpAfter, 30*time.Second, 30*24*time.Hour)},
		field{"retain", duration(&p.Retain, 0, 100*365*24*time.Hour)},
		field{"hot_space", text(&p.HotSpace, 1, identifierMax)},
		field{"cold_space", text(&p.ColdSpace, 1, identifierMax)},
		field{"history", func(v value) { r.pastIn(&p.History, v) }},
	)...)
	oneSource(v, sources)
	if n, ok := found["standbys"]; ok && p.Standbys > 0 && slices.Contains([]string{"off", "local"}, p.SynchronousCommit) {
		n.mistake(fmt.Sprintf("%d with synchronous_commit %s", p.Standbys, p.SynchronousCommit), "remote_write, on or remote_apply, which wait for standbys")
	}
}

// dsn returns the fields that say how a database is reached, and counts those that are there.
func (r *reader) dsn(section value, dsn *string, sources *int) []field {
	take := func(text string, ok bool) {
		*sources++
		*dsn = strings.TrimSpace(text)
		if ok && *dsn == "" {
			section.mistake("an empty connection string", "one of PostgreSQL, or none of dsn, dsn_file and dsn_env")
		}
	}
	return []field{
		{"dsn", func(v value) {
			text, ok := v.scalar()
			if !ok {
				v.mistake("something that is no text", "a connection string of PostgreSQL")
			}
			take(text, ok)
		}},
		{"dsn_file", func(v value) {
			b, ok := v.file()
			take(string(bytes.TrimSpace(b)), ok)
		}},
		{"dsn_env", func(v value) {
			name, ok := v.scalar()
			text, set := r.env.LookupEnv(name)
			if !ok || !set {
				v.mistake(v.describe(), "the name of an environment variable that is set")
			}
			take(text, ok && set)
		}},
	}
}

func oneSource(v value, sources int) {
	if sources > 1 {
		v.mistake(fmt.Sprintf("%d of dsn, dsn_file and dsn_env", sources), "one of them")
	}
}

// pastIn reads the section history of postgres.
func (r *reader) pastIn(p *PostgresHistory, v value) {
	if _, text := v.scalar(); text {
		v.mistake("a text", "fields: dsn and max_lag") // it may have a password in it
		return
	}
	sources := 0
	v.mapping(append(r.dsn(v, &p.DSN, &sources), field{"max_lag", duration(&p.MaxLag, 100*time.Millisecond, 24*time.Hour)})...)
	oneSource(v, sources)
}

// keep reads which tables are filled.
func (p *Postgres) keep(v value) {
	var names []string
	for _, t := range postgresTables {
		names = append(names, t.name)
	}
	p.Keep = []string{}
	v.sequence(func(v value) {
		name := ""
		choice(&name, names, names)(v)
		if name != "" && slices.Contains(p.Keep, name) {
			v.mistake(strconv.Quote(name)+" again", "each table once")
		}
		p.Keep = append(p.Keep, name)
	})
}

func parseReaderName(s string) (string, error) {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return "", strconv.ErrSyntax
		}
	}
	if s == "" || len(s) > 64 {
		return "", strconv.ErrRange
	}
	return s, nil
}

// postgresFits checks that there is a journal to drain, and that it has what the tables are made of.
func (r *reader) postgresFits(c *Config) {
	if v, ok := r.at["postgres"]; ok && c.Postgres.DSN != "" && c.Journal.Dir == "" {
		v.mistake("a database and no journal", "a journal.dir: the rows come from there")
	}
	if v, ok := r.at["postgres.history"]; ok && c.Postgres.History.DSN != "" && c.Journal.Dir == "" {
		v.mistake("a database and no journal", "a journal.dir: the rows are of its entries")
	}
	keep, ok := r.at["postgres.keep"]
	if !ok {
		return
	}
	for _, t := range postgresTables {
		if !slices.Contains(c.Postgres.Keep, t.name) || slices.ContainsFunc(t.of, func(s dbn.Schema) bool { return slices.Contains(c.Journal.Schemas, s) }) {
			continue
		}
		var of []string
		for _, s := range t.of {
			of = append(of, s.String())
		}
		keep.mistake(strconv.Quote(t.name)+", of which the journal keeps nothing", "journal.schemas with one of "+strings.Join(of, ", "))
	}
}
