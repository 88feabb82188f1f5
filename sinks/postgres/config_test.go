package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidegate/sinks/journal"
)

func TestWaitsFor(t *testing.T) {
	for names, want := range map[string]int{
		"": 0, "  ": 0, "a": 1, "a, b": 1, "*": 1, "2 (a, b, c)": 2, "FIRST 2 (a, b)": 2, "first 1 (a)": 1, "ANY 3 (a, b, c, d)": 3, "any": 1,
	} {
		if got := waitsFor(names); got != want {
			t.Errorf("%q: %d, want %d", names, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Reader: func() (*journal.Reader, error) { return nil, nil }, DSN: "host=127.0.0.1"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, set := range map[string]func(*Config){
		"no journal":           func(c *Config) { c.Reader = nil },
		"workers 9":            func(c *Config) { c.Workers = 9 },
		"batch rows -1":        func(c *Config) { c.BatchRows = -1 },
		"batch wait":           func(c *Config) { c.BatchWait = -1 },
		"commit timeout":       func(c *Config) { c.CommitTimeout = 1 },
		"keep ticks":           func(c *Config) { c.Keep = []string{"ticks"} },
		"synchronous commit x": func(c *Config) { c.SynchronousCommit = "x" },
		"because standbys":     func(c *Config) { c.SynchronousCommit, c.Standbys = "local", 1 },
		"standbys -1":          func(c *Config) { c.Standbys = -1 },
		"partitions ahead 1ns": func(c *Config) { c.Partitions.Ahead = 1 },
		"close after":          func(c *Config) { c.Partitions.CloseAfter = -1 },
		"roll up after":        func(c *Config) { c.Partitions.RollUpAfter = 1 },
		"retain":               func(c *Config) { c.Partitions.Retain = -1 },
		"connection string":    func(c *Config) { c.DSN = "port=x" },
	} {
		c := good
		set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Of several hosts the one that can be written to is taken, and nothing is ever prepared.
func TestDSN(t *testing.T) {
	c, err := parseDSN("host=a,b port=1,2 user=u dbname=d sslmode=disable")
	if err != nil || c.ValidateConnect == nil || c.DefaultQueryExecMode != pgx.QueryExecModeExec {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = parseDSN("host=a user=u sslmode=disable"); err != nil || c.ValidateConnect != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = parseDSN("host=a user=u sslmode=require"); err != nil || c.TLSConfig == nil {
		t.Errorf("%+v, %v", c, err)
	}
}
