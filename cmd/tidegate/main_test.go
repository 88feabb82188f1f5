package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"tidegate/bench"
	"tidegate/gateway/derive"
	"tidegate/gateway/replay"
	"tidegate/internal/pgtest"
	"tidegate/internal/venue"
)

// tidegate runs one command line in this process.
func tidegate(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return tidegateUntil(t.Context(), args...)
}

func tidegateUntil(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &console{Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

// mustRun runs a command that has to succeed without a remark, and returns what it printed.
func mustRun(t testing.TB, args ...string) string {
	t.Helper()
	code, stdout, stderr := tidegate(t, args...)
	if code != exitOK || stderr != "" {
		t.Fatalf("%s: exit %d, stderr %q", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// smallPair is an A/B capture pair that all tests share. Nothing is to be written there.
var smallPair = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tidegate-test-")
	if err != nil {
		return "", err
	}
	code, _, stderr := tidegateUntil(context.Background(), "generate", "capture", dir,
		"--trading", "2s", "--instruments", "3", "--rate", "500")
	if code != exitOK {
		return dir, fmt.Errorf("generate capture: exit %d: %s", code, stderr)
	}
	return dir, nil
})

func pair(t testing.TB) (a, b string) {
	t.Helper()
	dir, err := smallPair()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "a.pcap"), filepath.Join(dir, "b.pcap")
}

func TestMain(m *testing.M) {
	code := pgtest.Run(m)
	if dir, _ := smallPair(); dir != "" {
		os.RemoveAll(dir)
	}
	os.RemoveAll(builtDir) // nothing for ""
	os.Exit(code)
}

func wantContains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "250") // however wide the terminal is
	for command, want := range map[string][]string{
		"": {
			"replay <file>", "generate capture", "generate itch", "bench decode", "bench book", "demo live", "demo recorded", "run", "venue",
			"subscribe", "stat", "version",
			"Exit codes:", "130",
		},
		"replay": {
			"--out", "--schema", "--book", "--depth", "--summary", "--json", "--speed", "--day", "--publisher",
			"--zero-lengths", "--gap-deadline", "--quiet", "--strict", "pcapng", "zstd", "mbp-10", "XNAS.ITCH", "50ms",
			"code 3",
		},
		"generate":         {"generate capture", "generate itch"},
		"generate capture": {"--seed", "--trading", "--instruments", "--rate", "--protocol", "--lossless", "--gaps"},
		"generate itch":    {"--messages", "--symbols", "--live", "--profile", "--seed", "--quiet"},
		"bench book":       {"--file", "--runs", "--keep", "--json", "--messages"},
		"bench decode":     {"--file", "--runs", "--keep", "--json", "--messages"},
		"demo live":        {"--dir", "--seed", "out/demo", "--for", "--stay"},
		"demo recorded":    {"--dir", "--seed", "out/demo"},
		"subscribe":        {"--dataset", "--key", "TIDEGATE_KEY", "--snapshot", "--out", "--view"},
	} {
		stdout := mustRun(t, append(strings.Fields(command), "--help")...)
		wantContains(t, command+" --help", stdout, want...)
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > helpWidth {
				t.Errorf("%s --help: line of %d columns, want at most %d: %s", command, n, helpWidth, line)
			}
		}
	}
}

// Without a command there is a list of them, one line each, and a failure: a script that ran this has
// forgotten something.
func TestOverview(t *testing.T) {
	t.Setenv("COLUMNS", "100")
	for line, want := range map[string][]string{
		"":         {"Usage: tidegate <command>", "raw exchange feeds in", "  replay  ", "  venue  ", "  bench  ", `Run "tidegate <command> --help"`},
		"generate": {"Usage: tidegate generate <command>", "  generate capture  ", "  generate itch  "},
		"bench":    {"Usage: tidegate bench <command>", "  bench decode  ", "  bench book  "},
	} {
		code, stdout, stderr := tidegate(t, strings.Fields(line)...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%q: exit %d, stdout %q", line, code, stdout)
		}
		wantContains(t, "overview of "+line, stderr, want...)
		if strings.Contains(stderr, "Exit codes") {
			t.Errorf("%q: the overview is not short:\n%s", line, stderr)
		}
	}
	for line, same := range map[string]string{"help": "--help", "help bench book": "bench book --help"} {
		if got := mustRun(t, strings.Fields(line)...); got != mustRun(t, strings.Fields(same)...) {
			t.Errorf("%q does not print what %q does:\n%s", line, same, got)
		}
	}
}

func TestVersion(t *testing.T) {
	if got := mustRun(t, "version"); !strings.HasPrefix(got, "tidegate ") || strings.Count(got, "\n") != 1 || got != mustRun(t, "--version") {
		t.Errorf("version prints %q, want one line", got)
	}
}

// A command line that makes no sense exits with 2, says what was expected, and prints nothing else.
func TestUsageErrors(t *testing.T) {
	a, _ := pair(t)
	schemas := make([]string, 0, 32)
	for _, s := range derive.Schemas() {
		schemas = append(schemas, s.String())
	}
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		want []string
	}{
		{"repla", []string{`unexpected argument repla`, `See "tidegate --help"`}},
		{"replay", []string{`expected "<file> ..."`, `See "tidegate replay --help"`}},
		{"replay - FILE -", []string{"-: standard input is one file, and was given 2 times"}},
		{"replay FILE --colour", []string{"unknown flag --colour", `See "tidegate replay --help"`}},
		{"replay FILE --schema mbo-1", []string{`--schema "mbo-1"`, "want one of", strings.Join(schemas, ", ")}},
		{"replay FILE --out DIR/y.csv", []string{`--out "`, `y.csv": the output is DBN: want a name that ends in .dbn or .dbn.zst, or - for standard output`}},
		{"replay FILE --out DIR/y.dbn.gz", []string{"want a name that ends in .dbn or .dbn.zst"}},
		{"replay FILE --out=", []string{`--out "": the output is DBN: want a name`}},
		{"replay FILE --out DIR", []string{"want a name that ends in .dbn or .dbn.zst"}},
		{"replay FILE --schema mbp-1", []string{"--schema mbp-1", "--out", "missing"}},
		{"replay FILE --publisher NYSE", []string{`--publisher "NYSE"`, "want one of", "XNAS.ITCH"}},
		{"replay FILE --speed fast", []string{`--speed "fast"`, "want max, or a multiple from 0.001x to 1000000x"}},
		{"replay FILE --speed 0", []string{`--speed "0"`}},
		{"replay FILE --speed -1x", []string{"--speed"}},
		{"replay FILE --speed NaN", []string{`--speed "NaN"`}},
		{"replay FILE --speed 1e-9", []string{`--speed "1e-9"`}},
		{"replay FILE --day yesterday", []string{`--day "yesterday"`, "YYYY-MM-DD"}},
		{"replay FILE --day 2024-02-30", []string{`--day "2024-02-30"`, "calendar"}},
		{"replay FILE --depth 0", []string{"--depth 0", "want 1 to 100000"}},
		{"replay FILE --depth many", []string{"--depth", "many"}},
		{"replay FILE --summary yaml", []string{"--summary must be one of", `"text","json","none"`, "yaml"}},
		{"replay FILE --retransmit server", []string{"--retransmit \"server\"", "want an address and a port, like 192.0.2.1:26402"}},
		{"replay FILE --retransmit 192.0.2.1:5 --gap-deadline 11ms", []string{"--retransmit: gap deadline 11000000 ns: want at least 12000000"}},
		{"replay FILE --gap-deadline 2m", []string{"--gap-deadline 2m0s", "want 0s to 1m"}},
		{"replay FILE --gap-deadline=-1ms", []string{"--gap-deadline -1ms", "want 0s to 1m"}},
		{"replay FILE --gap-deadline soon", []string{"--gap-deadline", "soon"}},
		{"stat --url http://", []string{`--url "http://"`, "want one like"}},
		{"subscribe -d XSIM.ITCH -s mbp-1 --snapshot --key 0123456789abcdef0123456789abcdef", []string{"--snapshot: schema mbp-1 has none, only mbo has"}},
		{"generate capture", []string{`expected "<dir>"`}},
		{"generate capture DIR --protocol fix", []string{"--protocol must be one of", `"itch","pitch"`}},
		{"generate capture DIR --rate 0", []string{"--rate 0: want 1 to 10000000"}},
		{"generate capture DIR --instruments 0", []string{"--instruments 0: want 1 to 65535"}},
		{"generate capture DIR --instruments 70000", []string{"--instruments 70000: want 1 to 65535"}},
		{"generate capture DIR --trading 1ms", []string{"--trading 1ms: want 1s to 14h29m0s"}},
		{"generate capture DIR --trading 15h", []string{"--trading 15h0m0s: want 1s to 14h29m0s"}},
		{"generate itch DIR/x.itch --messages 1", []string{"messages 1", "want"}},
		{"generate itch DIR/x.itch --profile wide", []string{"--profile must be one of", `"near","deep"`}},
		{"demo --for=-1s", []string{"--for -1s: want 1s to 12h"}},
		{"bench book --runs 0", []string{"--runs 0", "want 1 to 1000"}},
	} {
		args := strings.Fields(strings.NewReplacer("FILE", a, "DIR", dir+"/new").Replace(c.args))
		code, stdout, stderr := tidegate(t, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "tidegate: ") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want %d, nothing, a reason", c.args, code, stdout, stderr, exitUsage)
		}
		wantContains(t, c.args, stderr, c.want...)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files were made", len(left))
	}
}

// What cannot be done exits with 1 and a reason that says what was done, to what, and why not.
func TestFailures(t *testing.T) {
	a, _ := pair(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("to do: buy milk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "replay", a, "--out", filepath.Join(dir, "in.dbn"))
	for _, c := range []struct {
		args string
		want []string
	}{
		{"replay DIR/none.pcap", []string{"open ", "none.pcap: no such file or directory"}},
		{"replay DIR", []string{"is a directory"}},
		{"replay DIR/notes.txt", []string{"notes.txt: neither a capture (pcap, pcapng), nor an ITCH 5.0 file, nor a DBN file"}},
		{"replay DIR/in.dbn --out DIR/in.dbn", []string{"create ", "in.dbn: it is an input"}},
		{"replay FILE --out DIR/no/x.dbn", []string{"create DIR/no/x.dbn: no such file or directory"}},
		{"generate capture DIR/notes.txt/x", []string{"notes.txt: not a directory"}},
		{"generate itch DIR/no/x.itch --messages 100000 --symbols 200 --live 2000", []string{"create DIR/no/x.itch: no such file or directory"}},
		{"bench book --file DIR/none", []string{"none: no such file or directory"}},
	} {
		args := strings.Fields(strings.NewReplacer("FILE", a, "DIR", dir).Replace(c.args))
		code, stdout, stderr := tidegate(t, args...)
		if code != exitFailure || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want %d, nothing, one line", c.args, code, stdout, stderr, exitFailure)
		}
		for _, want := range c.want {
			wantContains(t, c.args, stderr, strings.ReplaceAll(want, "DIR", dir))
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%d files are left, want the two there were", len(left))
	}
}

func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("three simulated minutes")
	}
	dir := t.TempDir()
	stdout := mustRun(t, "demo", "recorded", "--dir", dir)
	wantContains(t, "demo", stdout, "BALANCED", "books       equal the venue's own: 8 instruments",
		"stream      equals that of the same market without a loss")
	for _, name := range []string{"a.pcap", "b.pcap", truthName, "market.mbo.dbn.zst"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestGenerateCapture(t *testing.T) {
	first, second := t.TempDir(), filepath.Join(t.TempDir(), "made", "for", "it")
	args := []string{"--trading", "2s", "--instruments", "2", "--rate", "300", "--seed", "9"}
	stdout := mustRun(t, append([]string{"generate", "capture", first}, args...)...)
	wantContains(t, "generate capture", stdout, "messages of 2 instruments", "line A:", "line B:", truthName)
	mustRun(t, append([]string{"generate", "capture", second}, args...)...)
	for _, name := range []string{"a.pcap", "b.pcap", truthName} {
		x, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		if y, _ := os.ReadFile(filepath.Join(second, name)); !bytes.Equal(x, y) {
			t.Errorf("%s differs between two runs", name)
		}
	}
	// Long enough for the halt of the default market, but without its instrument.
	mustRun(t, "generate", "capture", t.TempDir(), "--trading", "100s", "--instruments", "5", "--rate", "20")
	var truth venue.Truth
	if b, _ := os.ReadFile(filepath.Join(first, truthName)); json.Unmarshal(b, &truth) != nil || truth.Messages == 0 {
		t.Errorf("truth %+v", truth)
	}
}

// docs/replay.md explains every field of the truth.
func TestTruthIsExplained(t *testing.T) {
	a, _ := pair(t)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(a), truthName))
	if err != nil {
		t.Fatal(err)
	}
	var truth map[string]any
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## "+truthName+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	fields := 0
	var explained func(any)
	explained = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, element := range v {
				explained(element)
			}
		case map[string]any:
			for name, value := range v {
				if len(name) > 1 { // else a message type
					fields++
					if !strings.Contains(section, "`"+name+"`") {
						t.Errorf("docs/replay.md does not explain %q of %s", name, truthName)
					}
				}
				explained(value)
			}
		}
	}
	explained(truth)
	if fields < 20 {
		t.Errorf("%d fields, want more", fields)
	}
}

func TestGenerateITCHAndBench(t *testing.T) {
	day := []string{"--messages", "100000", "--symbols", "200", "--live", "2000"}
	path := filepath.Join(t.TempDir(), "day-20260105.itch.gz")
	wantContains(t, "generate itch", mustRun(t, append([]string{"generate", "itch", path}, day...)...), path, "100000 messages")
	var doc struct{ replay.Summary }
	if err := json.Unmarshal([]byte(mustRun(t, "replay", path, "--json")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Messages != 100_000 || doc.Imperfect != 0 || len(doc.Inputs[0].Notes) != 0 {
		t.Errorf("replayed %d messages, %d imperfect, notes %v", doc.Messages, doc.Imperfect, doc.Inputs[0].Notes)
	}

	keep := filepath.Join(t.TempDir(), "kept")
	for _, what := range []string{"decode", "book", "book"} { // the last two find the day kept
		stdout := mustRun(t, append([]string{"bench", what, "--runs", "1", "--json", "--keep", keep}, day...)...)
		var report bench.Report
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("bench %s: %v in %s", what, err, stdout)
		}
		if report.Messages != 100_000 || !report.Checked || len(report.Runs) != 1 {
			t.Errorf("bench %s: %d messages, checked %t, %d runs", what, report.Messages, report.Checked, len(report.Runs))
		}
	}
	wantContains(t, "bench decode", mustRun(t, append([]string{"bench", "decode", "--runs", "2"}, day...)...), "time per message")
}

// An interrupted command exits with 130 and leaves nothing half done.
func TestInterrupted(t *testing.T) {
	a, _ := pair(t)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for line, want := range map[string]int{
		"replay FILE --out DIR/x.dbn": 0, // nothing was replayed until then
		"generate capture DIR":        0,
		"generate itch DIR/x.itch":    0,
		"bench book --keep DIR/day":   0,
		"demo --dir DIR":              0,
		"demo recorded --dir DIR":     0,
	} {
		dir := t.TempDir()
		args := strings.Fields(strings.NewReplacer("FILE", a, "DIR", dir).Replace(line))
		code, _, stderr := tidegateUntil(stopped, args...)
		if code != exitInterrupted || stderr != "tidegate: interrupted\n" {
			t.Errorf("%s: exit %d, stderr %q; want %d, interrupted", line, code, stderr, exitInterrupted)
		}
		if left, _ := os.ReadDir(dir); len(left) != want {
			t.Errorf("%s: %d files are left, want %d", line, len(left), want)
		}
	}
}
