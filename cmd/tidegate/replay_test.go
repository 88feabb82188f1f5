package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/gateway/replay"
)

// document is what replay --json prints.
type document struct {
	replay.Summary
	Book []replay.Snapshot `json:"book"`
}

func parseDocument(t *testing.T, stdout string) (doc document) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(stdout))
	if err := dec.Decode(&doc); err != nil || dec.More() {
		t.Fatalf("stdout is not one JSON document: %v in\n%s", err, stdout)
	}
	return doc
}

// busiest is the symbol that every generated market has.
const busiest = "ALFA"

func TestReplayText(t *testing.T) {
	a, b := pair(t)
	out := filepath.Join(t.TempDir(), "x.dbn")
	stdout := mustRun(t, "replay", a, b, "--out", out, "--book", busiest, "--depth", "3", "--publisher", "XSIM.ITCH")
	wantContains(t, "summary", stdout,
		"input         "+a, "channel       TIDE000001 (itch, XSIM.ITCH)", "line A        a.pcap", "line B        b.pcap",
		"received", "duplicate", "BALANCED", "0 announced as lost", "verdicts      applied",
		"output        "+out, "sha256", busiest+" (instrument 1", "orders")
	if strings.Contains(stdout, "malformed") || strings.Contains(stdout, "old epoch") {
		t.Errorf("the ledger has rows of zeros:\n%s", stdout)
	}
	for line := range strings.Lines(stdout) {
		if len(line) > 121 && !strings.Contains(line, a) && !strings.Contains(line, b) && !strings.Contains(line, out) {
			t.Errorf("line of %d columns: %s", len(line), line)
		}
	}
	if none := mustRun(t, "replay", a, b, "--summary", "none"); none != "" {
		t.Errorf("--summary none prints %q", none)
	}
}

func TestReplayJSON(t *testing.T) {
	a, b := pair(t)
	out := filepath.Join(t.TempDir(), "x.dbn.zst")
	doc := parseDocument(t, mustRun(t, "replay", "--json", a, b, "-o", out, "-s", "mbp-1", "-b", busiest, "--depth", "2"))
	if len(doc.Inputs) != 2 || len(doc.Channels) != 1 || doc.Messages == 0 || doc.Imperfect != 0 {
		t.Errorf("%d inputs, %d channels, %d messages, %d imperfect", len(doc.Inputs), len(doc.Channels), doc.Messages, doc.Imperfect)
	}
	if o := doc.Output; o == nil || o.Schema != "mbp-1" || o.Path != out || o.Records == 0 || len(o.SHA256) != 64 {
		t.Errorf("output %+v", doc.Output)
	}
	if len(doc.Book) != 1 || doc.Book[0].Symbol != busiest || len(doc.Book[0].Bids) != 2 || len(doc.Book[0].Asks) != 2 {
		t.Errorf("book %+v, want two levels a side of %s", doc.Book, busiest)
	}
	other := parseDocument(t, mustRun(t, "replay", "--summary=json", a, b))
	if other.Channels[0].StreamHash != doc.Channels[0].StreamHash {
		t.Error("--summary json and --json tell different stories")
	}
}

// A symbol without a book is an error, but the summary is not withheld.
func TestReplayUnknownSymbol(t *testing.T) {
	a, _ := pair(t)
	code, stdout, stderr := tidegate(t, "replay", a, "--book", "NOPE", "--book", busiest)
	if code != exitFailure || !strings.Contains(stderr, "--book NOPE: no instrument of that symbol in the input; it has "+busiest) {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	wantContains(t, "stdout", stdout, "channel", busiest+" (instrument 1")
	code, stdout, _ = tidegate(t, "replay", a, "--book", "NOPE", "--json")
	if doc := parseDocument(t, stdout); code != exitFailure || doc.Messages == 0 {
		t.Errorf("exit %d, %d messages", code, doc.Messages)
	}
}

// Books are built of market-by-order records: another file has none, whatever it calls by name.
func TestReplayWithoutBooks(t *testing.T) {
	a, _ := pair(t)
	out := filepath.Join(t.TempDir(), "x.dbn")
	mustRun(t, "replay", a, "--out", out, "--schema", "mbp-1")
	code, stdout, stderr := tidegate(t, "replay", out, "--book", busiest)
	if code != exitFailure || stderr != "tidegate: --book "+busiest+": the input has no market-by-order records, and books are built of nothing else\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	wantContains(t, "stdout", stdout, "records       mbp-1 ")
	code, _, stderr = tidegate(t, "replay", out, "--out", filepath.Join(t.TempDir(), "y.dbn"))
	if code != exitFailure || stderr != "tidegate: "+out+": it has records of mbp-1, and no mbo can be made of them, only mbp-1\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

// --strict says what it does not accept.
func TestReplayStrictNamesFaults(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "generate", "capture", dir, "--trading", "20s", "--instruments", "3", "--rate", "500", "--gaps")
	b := filepath.Join(dir, "b.pcap")
	code, stdout, stderr := tidegate(t, "replay", b, "--strict")
	if code != exitImperfect || !strings.HasPrefix(stderr, "tidegate: the input had faults: ") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	var sum uint64
	doc := parseDocument(t, mustRun(t, "replay", b, "--json"))
	for _, f := range doc.Faults {
		sum += f.Count
		wantContains(t, "faults", strings.ReplaceAll(stderr, ",", "")+strings.ReplaceAll(stdout, ",", ""), f.Fault+" "+fmt.Sprint(f.Count))
	}
	if sum != doc.Imperfect || sum == 0 {
		t.Errorf("%d faults, %d imperfect", sum, doc.Imperfect)
	}
}

// Without --strict a cut file is a warning, with it exit 3. Both print the summary.
func TestReplayStrict(t *testing.T) {
	a, _ := pair(t)
	whole, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.pcap")
	if err := os.WriteFile(cut, whole[:len(whole)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	const warning = "tidegate: warning: "
	code, stdout, stderr := tidegate(t, "replay", cut)
	if code != exitOK || !strings.HasPrefix(stderr, warning+cut) || !strings.Contains(stderr, "everything before it was used") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	wantContains(t, "summary", stdout, "FAULT", "is cut", "BALANCED", "faults        inputs cut or corrupt 1")
	code, stdout, stderr = tidegate(t, "replay", cut, "--strict", "--json")
	if code != exitImperfect || !strings.HasSuffix(stderr, "tidegate: the input had faults: inputs cut or corrupt 1\n") {
		t.Errorf("--strict: exit %d, stderr %q; want %d", code, stderr, exitImperfect)
	}
	doc := parseDocument(t, stdout)
	if doc.Imperfect != 1 || doc.Inputs[0].Fault == "" || !slices.Equal(doc.Faults, []replay.FaultCount{{Fault: "inputs cut or corrupt", Count: 1}}) {
		t.Errorf("imperfect %d: %v, fault %q", doc.Imperfect, doc.Faults, doc.Inputs[0].Fault)
	}
	_, b := pair(t)
	if code, _, stderr := tidegate(t, "replay", a, b, "--strict"); code != exitOK {
		t.Errorf("--strict with a good pair: exit %d, %s", code, stderr)
	}
}

// The flag is named where the file needs it.
func TestReplayZeroLengths(t *testing.T) {
	day := filepath.Join(t.TempDir(), "day-20260105.itch")
	mustRun(t, "generate", "itch", day, "--messages", "5000", "--symbols", "10", "--live", "100")
	b, err := os.ReadFile(day)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); {
		n := int(b[at])<<8 | int(b[at+1])
		b[at], b[at+1] = 0, 0
		at += 2 + n
	}
	if err := os.WriteFile(day, b[:len(b)-2], 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := tidegate(t, "replay", day)
	if code != exitFailure || !strings.Contains(stderr, "length fields are zero") || !strings.Contains(stderr, "--zero-lengths") {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	if doc := parseDocument(t, mustRun(t, "replay", day, "--zero-lengths", "--json")); doc.Messages != 5000 {
		t.Errorf("%d messages, want 5000", doc.Messages)
	}
}

// What was written is read by the same command, and says the same.
func TestReplayRoundTrip(t *testing.T) {
	a, b := pair(t)
	out := filepath.Join(t.TempDir(), "x.dbn.zst")
	first := parseDocument(t, mustRun(t, "replay", a, b, "-o", out, "--json"))
	again := parseDocument(t, mustRun(t, "replay", out, "--json"))
	if again.Messages != first.Output.Records || again.Channels[0].Books.Quoted != first.Channels[0].Books.Quoted {
		t.Errorf("%d records, %d books; want %d, %d", again.Messages, again.Channels[0].Books.Quoted,
			first.Output.Records, first.Channels[0].Books.Quoted)
	}
}

// With the records on standard output, everything else is on standard error.
func TestReplayToStandardOutput(t *testing.T) {
	a, b := pair(t)
	out := filepath.Join(t.TempDir(), "x.dbn")
	mustRun(t, "replay", a, b, "--out", out)
	code, stdout, stderr := tidegate(t, "replay", a, b, "--out", "-", "--book", busiest)
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
	wantContains(t, "stderr", stderr, "BALANCED", "output        standard output", busiest+" (instrument 1")
	if want, err := os.ReadFile(out); err != nil || stdout != string(want) {
		t.Errorf("%d bytes on standard output, want the %d of the file: %v", len(stdout), len(want), err)
	}
}

// readable checks that a DBN file is whole and returns how many records it has.
func readable(t *testing.T, path string) (records uint64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := dbn.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := r.Next(); err != nil {
			return records
		}
		records++
	}
}
