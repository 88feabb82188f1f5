package dbn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidegate/internal/realdata"
	"tidegate/market"
)

// facts is what truth.json knows of a DBN file. Version is 0 for a fragment.
type facts struct {
	RawBytes     int                          `json:"raw_bytes"`
	Records      int                          `json:"records"`
	RecordBytes  map[string]int               `json:"record_bytes"`
	FirstTsEvent string                       `json:"ts_event_first"`
	LastTsEvent  string                       `json:"ts_event_last"`
	Actions      map[string]int               `json:"actions"`
	Sides        map[string]int               `json:"sides"`
	Flags        map[string]int               `json:"flags"`
	Publishers   map[string]int               `json:"publishers"`
	Instruments  map[string]int               `json:"instruments"`
	FirstRecords []map[string]json.RawMessage `json:"first_records"`

	Version          uint8             `json:"version"`
	Dataset          string            `json:"dataset"`
	Schema           string            `json:"schema"`
	Start            string            `json:"start"`
	End              string            `json:"end"`
	Limit            uint64            `json:"limit"`
	STypeIn          string            `json:"stype_in"`
	STypeOut         string            `json:"stype_out"`
	TsOut            int               `json:"ts_out"`
	Symbols          []string          `json:"symbols"`
	Mappings         int               `json:"mappings"`
	Partial          int               `json:"partial"`
	NotFound         int               `json:"not_found"`
	MappingTable     []json.RawMessage `json:"mapping_table"`
	MappingIntervals int               `json:"mapping_intervals"`
	MappingSHA256    string            `json:"mapping_sha256"`
	FirstMapping     json.RawMessage   `json:"first_mapping"`
	LastMapping      json.RawMessage   `json:"last_mapping"`
}

// openReal returns the plain bytes of a file and a reader of them.
func openReal(t testing.TB, name string) (plain []byte, r *Reader) {
	t.Helper()
	plain, err := os.ReadFile(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".zst") {
		d, err := zstd.NewReader(bytes.NewReader(plain), zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if plain, err = io.ReadAll(d); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(name, ".frag") {
		r, err = NewFragmentReader(bytes.NewReader(plain), fragmentVersion(name))
	} else {
		r, err = NewReader(bytes.NewReader(plain))
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain, r
}

// fragmentVersion is the version that a file's name tells; without one it is 2.
func fragmentVersion(name string) uint8 {
	switch {
	case strings.Contains(name, ".v1."):
		return 1
	case strings.Contains(name, ".v3."):
		return 3
	}
	return 2
}

func TestRealFiles(t *testing.T) {
	for _, c := range []struct {
		pattern string
		files   int
	}{
		{"dbn/conformance/*", 71},
		{"dbn/definitions/*", 3},
		{"dbn/options_catalog/*", 5},
		{"dbn/futures_settlement/*", 2},
		{"dbn/options_exercise/*", 4},
		{"dbn/glbx/*", 1},
	} {
		names := realdata.Glob(t, c.pattern)
		if len(names) != c.files {
			t.Errorf("%s: %d files, want %d", c.pattern, len(names), c.files)
		}
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				var want facts
				realdata.Facts(t, name, &want)
				testRealFile(t, name, &want)
			})
		}
	}
}

func testRealFile(t *testing.T, name string, want *facts) {
	plain, r := openReal(t, name)
	if len(plain) != want.RawBytes {
		t.Fatalf("%d plain bytes, want %d", len(plain), want.RawBytes)
	}
	checkMetadata(t, r.Metadata(), want)

	var first, last market.Nanos
	records := 0
	sizes, publishers, instruments := map[string]int{}, map[string]int{}, map[string]int{}
	actions, sides, flags := map[string]int{}, map[string]int{}, map[string]int{}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Metadata() != nil {
			if want, ok := r.Metadata().Schema.RType(); !ok || rec.RType != want {
				t.Fatalf("record of type %s in a file of schema %s", rec.RType, r.Metadata().Schema)
			}
		}
		if records == 0 {
			first = rec.TsEvent
		}
		first, last = min(first, rec.TsEvent), max(last, rec.TsEvent)
		sizes[fmt.Sprintf("%s:%d", truthName(rec.RType), len(rec.Raw()))]++
		publishers[fmt.Sprint(rec.PublisherID)]++
		instruments[fmt.Sprint(rec.InstrumentID)]++
		parsed := parseReal(t, rec)
		if records < len(want.FirstRecords) {
			checkFields(t, records, parsed, want.FirstRecords[records])
		}
		if action, ok := parsed["action"].(market.Action); ok {
			actions[action.String()]++
			sides[parsed["side"].(market.Side).String()]++
			flags[fmt.Sprint(parsed["flags"])]++
		}
		records++

		// Records of version 3 are written back byte by byte. Older bbo records are not: they may
		// hold an action and a ts_in_delta where the specification has zeros.
		again, err := appendAgain(nil, rec)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Version() == Version && !bytes.Equal(again, rec.Raw()) {
			t.Fatalf("record %d: appended\n%x, want\n%x", records, again, rec.Raw())
		}
	}

	if records != want.Records {
		t.Errorf("%d records, want %d", records, want.Records)
	}
	if records > 0 && (timeText(first) != want.FirstTsEvent || timeText(last) != want.LastTsEvent) {
		t.Errorf("event times %s to %s, want %s to %s", timeText(first), timeText(last),
			want.FirstTsEvent, want.LastTsEvent)
	}
	if len(want.Instruments) == 5 { // truth has the first five
		for id := range instruments {
			if _, ok := want.Instruments[id]; !ok {
				delete(instruments, id)
			}
		}
	}
	for _, c := range []struct {
		what      string
		got, want map[string]int
	}{
		{"sizes", sizes, want.RecordBytes},
		{"publishers", publishers, want.Publishers},
		{"instruments", instruments, want.Instruments},
		{"actions", actions, want.Actions},
		{"sides", sides, want.Sides},
		{"flags", flags, want.Flags},
	} {
		if len(c.got)+len(c.want) > 0 && !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

func checkMetadata(t *testing.T, m *Metadata, want *facts) {
	t.Helper()
	if want.Version == 0 {
		if m != nil {
			t.Error("a fragment has metadata")
		}
		return
	}
	got := fmt.Sprintln(m.Version, m.Dataset, m.Schema, timeText(m.Start), timeText(m.End), m.Limit,
		m.STypeIn, m.STypeOut, m.TsOut, m.Symbols, len(m.Mappings), len(m.Partial), len(m.NotFound))
	if want := fmt.Sprintln(want.Version, want.Dataset, want.Schema, want.Start, want.End, want.Limit,
		want.STypeIn, want.STypeOut, want.TsOut == 1, want.Symbols, want.Mappings, want.Partial,
		want.NotFound); got != want {
		t.Errorf("metadata\n%swant\n%s", got, want)
	}
	if want.MappingSHA256 == "" {
		if len(want.MappingTable) != len(m.Mappings) {
			t.Fatalf("truth has %d mappings, metadata %d", len(want.MappingTable), len(m.Mappings))
		}
		for i, mapping := range m.Mappings {
			checkMapping(t, mapping, want.MappingTable[i])
		}
		return
	}
	checkMapping(t, m.Mappings[0], want.FirstMapping)
	checkMapping(t, m.Mappings[len(m.Mappings)-1], want.LastMapping)
	intervals := 0
	h := sha256.New()
	for _, mapping := range m.Mappings {
		for _, in := range mapping.Intervals {
			fmt.Fprintf(h, "%s,%d,%d,%s\n", mapping.Symbol, in.Start, in.End, in.Symbol)
			intervals++
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); intervals != want.MappingIntervals || got != want.MappingSHA256 {
		t.Errorf("%d intervals with hash %s, want %d with %s", intervals, got, want.MappingIntervals,
			want.MappingSHA256)
	}
}

// checkMapping compares a mapping with ["symbol", [[start, end, "mapped"], ...]].
func checkMapping(t *testing.T, got Mapping, want json.RawMessage) {
	t.Helper()
	intervals := []any{}
	for _, in := range got.Intervals {
		intervals = append(intervals, []any{in.Start, in.End, in.Symbol})
	}
	text, err := json.Marshal([]any{got.Symbol, intervals})
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if err := json.Compact(&plain, want); err != nil {
		t.Fatal(err)
	}
	if string(text) != plain.String() {
		t.Errorf("mapping %s, want %s", text, plain.String())
	}
}

func timeText(ts market.Nanos) string {
	if !ts.Defined() {
		return "undef"
	}
	return time.Unix(0, int64(ts)).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// TestRealMBO compares sums over a whole day with those of other decoders, and checks that events
// hold everything that the records do.
func TestRealMBO(t *testing.T) {
	const name = "dbn/glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
	var want struct {
		Sums struct {
			Size  uint64 `json:"sum_of_size_field"`
			Price uint64 `json:"sum_of_price_field_mod_2_64"`
			Order uint64 `json:"xor_of_order_id"`
		} `json:"decoder_checksums"`
		Records int `json:"records"`
		Book    struct {
			LastTsRecv   market.Nanos `json:"last_ts_recv"`
			LastSequence uint64       `json:"last_sequence"`
			Events       int          `json:"events"`
		} `json:"book"`
	}
	realdata.Facts(t, name, &want)
	_, r := openReal(t, name)
	got := want
	got.Sums.Size, got.Sums.Price, got.Sums.Order, got.Records, got.Book.Events = 0, 0, 0, 0, 0
	var m MBO
	var e market.Event
	var buf []byte
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Parse(rec); err != nil {
			t.Fatal(err)
		}
		m.Event(&e)
		if buf = AppendMBO(buf[:0], &e); !bytes.Equal(buf, rec.Raw()) {
			t.Fatalf("record %d: event\n%+v gives\n%x, want\n%x", got.Records, e, buf, rec.Raw())
		}
		got.Records++
		got.Sums.Size += uint64(e.Size)
		got.Sums.Price += uint64(e.Price)
		got.Sums.Order ^= e.OrderID
		if e.Flags&market.FlagLast != 0 {
			got.Book.Events++
		}
	}
	got.Book.LastTsRecv, got.Book.LastSequence = e.TsRecv, e.Seq
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Every conformance file exists in several versions with the same content: read from an older one
// and appended in version 3, the records are those of the file in version 3.
func TestRealUpgrade(t *testing.T) {
	records := func(name string) (all []byte) {
		_, r := openReal(t, name)
		for {
			rec, err := r.Next()
			if err == io.EOF {
				return all
			}
			if err != nil {
				t.Fatal(err)
			}
			if all, err = appendAgain(all, rec); err != nil {
				t.Fatal(err)
			}
		}
	}
	compared := 0
	for _, name := range realdata.Glob(t, "dbn/conformance/test_data.*.dbn*") {
		if strings.Contains(name, ".v3.") || strings.Contains(name, ".frag") {
			continue
		}
		schema, _, _ := strings.Cut(strings.TrimPrefix(name, "dbn/conformance/test_data."), ".")
		want := records("dbn/conformance/test_data." + schema + ".v3.dbn.zst")
		if got := records(name); !bytes.Equal(got, want) {
			t.Errorf("%s: upgraded\n%x, want\n%x", name, got, want)
		}
		compared++
	}
	if compared != 46 {
		t.Errorf("compared %d files, want 46", compared)
	}
}

// A file of version 3 that is read and written again is the same file.
func TestRealRewrite(t *testing.T) {
	files := 0
	for _, name := range realdata.Glob(t, "dbn/conformance/test_data.*.v3.dbn*") {
		if strings.Contains(name, ".frag") {
			continue
		}
		plain, r := openReal(t, name)
		var out bytes.Buffer
		w, err := NewWriter(&out, r.Metadata())
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := appendAgain(nil, rec)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%s: written\n%x, want\n%x", name, out.Bytes(), plain)
		}
		files++
	}
	if files != 18 {
		t.Errorf("%d files, want 18", files)
	}
}
