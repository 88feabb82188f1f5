package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/openfile"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// exportable makes a journal with 60 mbo records of one named instrument, a second apart.
func exportable(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 2 << 20, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := entry.Feed{Publisher: market.NasdaqITCH.ID, Name: "itch"}
	j.Append(journal.Header{At: journalStart, Kind: entry.KindFeed}, f.Append(nil))
	d := dbn.Definition{Header: dbn.Header{PublisherID: 2, InstrumentID: 7, TsEvent: journalStart}, TsRecv: journalStart, RawSymbol: "TIDE"}
	j.Append(journal.Header{At: journalStart}, d.Append(nil))
	for i := range market.Nanos(60) {
		at := journalStart + i*market.Second
		m := dbn.MBO{Header: dbn.Header{PublisherID: 2, InstrumentID: 7, TsEvent: at}, TsRecv: at, Action: market.Add, Side: market.Bid, Price: 5_250_000_000, Size: 100}
		j.Append(journal.Header{At: at}, m.Append(nil))
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestJournalExport(t *testing.T) {
	dir, out := exportable(t), t.TempDir()
	name := func(s string) string { return filepath.Join(out, s) }
	from := time.Unix(0, int64(journalStart+10*market.Second)).UTC().Format(time.RFC3339Nano)
	text := mustRun(t, "journal", "export", dir, "-o", name("a.csv"), "--symbol", "TIDE", "--start", from, "--end", "2026-11-18T11:07:00Z")
	wantContains(t, "export", text, "written  "+name("a.csv"), "10 records of schema mbo of feed itch", "time     2026-11-18T11:06:50.000000000Z to 2026-11-18T11:06:59.000000000Z")
	f, err := os.Open(name("a.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 11 || rows[1][5] != "5.25" || rows[0][5] != "price" || rows[10][14] != "TIDE" {
		t.Errorf("csv: %v, %v", rows, err)
	}

	mustRun(t, "journal", "export", dir, "-o", name("a.dbn.zst"))
	z, err := openfile.Open(name("a.dbn.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r, err := dbn.NewReader(z)
	if err != nil || z.Compression() != openfile.Zstd || r.Metadata().Dataset != "XNAS.ITCH" || len(r.Metadata().Mappings) != 1 || r.Metadata().Start != journalStart {
		t.Errorf("dbn: %v, %s, %+v", err, z.Compression(), r.Metadata())
	}
	mustRun(t, "journal", "export", dir, "-o", name("data"), "--to", "parquet")
	if b, err := os.ReadFile(name("data")); err != nil || string(b[:4]) != "PAR1" {
		t.Errorf("parquet: %v", err)
	}
	var e exported
	if err := json.Unmarshal([]byte(mustRun(t, "journal", "export", dir, "-o", name("b.csv"), "--json")), &e); err != nil || e.Records != 60 || len(e.SHA256) != 64 {
		t.Errorf("json: %+v, %v", e, err)
	}
	text = mustRun(t, "journal", "export", dir, "-o", name("none.dbn"), "--schema", "trades")
	wantContains(t, "empty", text, "empty    "+name("none.dbn"), "no record of schema trades")
}

func TestJournalExportRefuses(t *testing.T) {
	dir, out := exportable(t), t.TempDir()
	there := filepath.Join(out, "there.csv")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(out, "out.dbn")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{dir}, exitUsage, "--out"},
		{[]string{dir, "-o", name, "--schema", "mbp-10"}, exitUsage, "want one of mbo"},
		{[]string{dir, "-o", "x.txt"}, exitUsage, ".parquet, or --to"},
		{[]string{dir, "-o", "x.parquet.zst"}, exitUsage, "compressed inside"},
		{[]string{dir, "-o", name, "--start", "noon"}, exitUsage, "want a time like"},
		{[]string{dir, "-o", name, "--start", "5", "--end", "5"}, exitUsage, "after --start"},
		{[]string{dir, "-o", name, "--symbol", "NONE"}, exitUsage, `symbol "NONE": no instrument of that symbol`},
		{[]string{dir, "-o", name, "--feed", "other"}, exitUsage, `there are itch`},
		{[]string{dir, "-o", there}, exitFailure, "--force replaces it"},
		{[]string{out, "-o", name}, exitFailure, "no journal there"},
		{[]string{dir, "-o", filepath.Join(out, "no", "where.csv")}, exitFailure, "where.csv"},
	} {
		code, _, stderr := tidegate(t, append([]string{"journal", "export"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, %q; want %d, %q", c.args, code, stderr, c.code, c.want)
		}
	}
	if left, err := os.ReadDir(out); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	mustRun(t, "journal", "export", dir, "-o", there, "--force")
	if b, err := os.ReadFile(there); err != nil || !strings.HasPrefix(string(b), "rtype,") {
		t.Errorf("--force: %.20s, %v", b, err)
	}
	b, err := os.ReadFile(segmentsIn(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	b[700] ^= 1
	if err := os.WriteFile(segmentsIn(t, dir)[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, text, stderr := tidegate(t, "journal", "export", dir, "-o", name)
	if code != exitImperfect || !strings.Contains(text, "62 entries cannot be read") || !strings.Contains(stderr, "the others are in "+name) {
		t.Errorf("damage: exit %d, %q, %q", code, text, stderr)
	}
}
