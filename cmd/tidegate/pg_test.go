package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/pgcluster"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

// serverDir returns a directory that the user of a server can get to.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := pgcluster.MkdirTemp(os.TempDir(), "tidegate-pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A private cluster is made and started as the command says; a journal is drained into it and compared.
func TestPg(t *testing.T) {
	if _, err := pgcluster.Find(); errors.Is(err, pgcluster.ErrNotInstalled) {
		t.Skip(err)
	}
	root := serverDir(t)
	data, dir := filepath.Join(root, "data"), filepath.Join(root, "journal")
	command := func(ctx context.Context, want int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(ctx, args, &console{Out: &out, Err: &errs}); code != want {
			t.Fatalf("tidegate %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
	field := func(text, name string) string {
		_, after, _ := strings.Cut(text, name+" ")
		line, _, _ := strings.Cut(strings.TrimLeft(after, " "), "\n")
		return line
	}
	made, _ := command(t.Context(), exitOK, "pg", "init", data, "--port", "26433")
	if _, text := command(t.Context(), exitFailure, "pg", "init", data); !strings.Contains(text, "it is not empty") {
		t.Errorf("again: %s", text)
	}
	start, dsn := field(made, "start"), field(made, "dsn")
	server := exec.Command("sh", "-c", start+" -w")
	server.Dir = root
	if out, err := server.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", start, err, out)
	}
	t.Cleanup(func() {
		stop := exec.Command("sh", "-c", strings.Replace(start, " start", " -m immediate stop", 1))
		stop.Dir = root
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stop: %v: %s", err, out)
		}
	})
	if text, _ := command(t.Context(), exitOK, "pg", "migrate", "--dsn", dsn); !strings.Contains(text, "already") {
		t.Error(text)
	}

	j, err := journal.Open(journal.Config{Dir: dir, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		m := dbn.Trade{Change: dbn.Change{Header: dbn.Header{RType: dbn.RTypeTrade, PublisherID: 2}, Action: market.Trade, Side: market.Bid, Sequence: uint32(i)}}
		j.Append(journal.Header{At: market.Nanos(time.Now().UnixNano()), Kind: entry.KindRecord}, m.Append(nil))
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if s, err := postgres.ReadStatus(ctx, dsn); err == nil && len(s.Journals) == 1 && s.Journals[0].Rows == n {
				return
			}
		}
	}()
	if _, text := command(ctx, exitOK, "pg", "drain", "--dsn", dsn, "--journal", dir); !strings.Contains(text, "rows=1000") {
		t.Error(text)
	}
	text, _ := command(t.Context(), exitOK, "pg", "status", "--dsn", dsn, "--json")
	var s postgres.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.Journals[0].Next != n+1 || s.Tables[0].Hours == 0 {
		t.Errorf("%v: %s", err, text)
	}
	if text, _ := command(t.Context(), exitOK, "pg", "verify", "--dsn", dsn, "--journal", dir); !strings.Contains(text, "result   equal") {
		t.Error(text)
	}
	conn, err := postgres.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "DELETE FROM tidegate.trades_minutes WHERE index = 7"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if text, _ := command(t.Context(), exitImperfect, "pg", "verify", "--dsn", dsn, "--journal", dir); !strings.Contains(text, "DIFFERS  trades has 999 rows") {
		t.Error(text)
	}
	if _, text := command(t.Context(), exitFailure, "pg", "status", "--dsn", dsn+" password=wrong"); !strings.Contains(text, "password authentication failed") {
		t.Error(text)
	}
	if _, text := command(t.Context(), exitUsage, "pg", "drain", "--dsn", dsn, "--journal", dir, "--keep", "ticks"); !strings.Contains(text, "keep ticks: want of [trades quotes") {
		t.Error(text)
	}
}
