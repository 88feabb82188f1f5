package config

import (
	"slices"
	"strconv"
	"time"

	"tidegate/codec/dbn"
)

// Journal is where everything that is published is kept on disk. Without a directory nothing is.
type Journal struct {
	Dir     string       // "" for none
	Schemas []dbn.Schema // whose records are kept
	// CommitEvery is how long an entry waits for others to be synced with it.
	CommitEvery time.Duration
	SpillBytes  int // memory in which entries wait while the disk lags, beside the queue
	RetainAge   time.Duration
	RetainBytes int // of all segments; 0: no limit
}

// journalSchemas are those that can be kept: of one feed, and published whether somebody has subscribed or not.
var journalSchemas = []dbn.Schema{
	dbn.SchemaMBO, dbn.SchemaMBP1, dbn.SchemaTBBO, dbn.SchemaTrades, dbn.SchemaBBO1s, dbn.SchemaBBO1m, dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d,
	dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance,
}

// journal reads the section of that name.
func (r *reader) journal(j *Journal, v value) {
	v.mapping(
		field{"dir", text(&j.Dir, 1, 4096)},
		field{"schemas", func(v value) { r.journalSchemas(j, v) }},
		field{"commit_every", duration(&j.CommitEvery, 100*time.Microsecond, 10*time.Second)},
		field{"spill", size(&j.SpillBytes, 0, 1<<36)},
		field{"retain_age", duration(&j.RetainAge, 0, 10*365*24*time.Hour)},
		field{"retain_bytes", size(&j.RetainBytes, 0, 1<<50)},
	)
	if j.Dir != "" {
		j.Dir = r.path(j.Dir)
	}
}

func (r *reader) journalSchemas(j *Journal, v value) {
	var names []string
	for _, s := range journalSchemas {
		names = append(names, s.String())
	}
	j.Schemas = nil
	v.sequence(func(v value) {
		s := dbn.Schema(0xffff)
		choice(&s, names, journalSchemas)(v)
		if slices.Contains(j.Schemas, s) {
			v.mistake(strconv.Quote(s.String())+" again", "each schema once")
		}
		j.Schemas = append(j.Schemas, s)
	})
	if len(j.Schemas) == 0 {
		v.mistake("no schemas", "at least one")
	}
}
