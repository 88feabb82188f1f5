package replay_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/gateway/replay"
	"tidegate/market"
)

// everySchema returns a DBN file of each schema, all of one small market.
func everySchema(t *testing.T) map[dbn.Schema]string {
	t.Helper()
	files, _ := captures(t, smallFeed(1))
	in, dir := write(t, "a.pcap", files[0]), t.TempDir()
	all := make(map[dbn.Schema]string)
	for _, s := range derive.Schemas() {
		all[s] = filepath.Join(dir, s.String()+".dbn")
		mustReplay(t, replay.Options{Paths: []string{in}, Out: all[s], Schema: s})
	}
	return all
}

// relabelled returns a copy of a DBN file that does not say which schema it has, as a recording of a
// live session, with records at its beginning.
func relabelled(t *testing.T, path string, records []byte) string {
	t.Helper()
	b := readFile(t, path)
	m, size, err := dbn.ParseMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	live := &dbn.Metadata{Dataset: m.Dataset, Schema: dbn.SchemaMixed, Start: m.Start, End: m.End, STypeIn: m.STypeIn, STypeOut: m.STypeOut}
	head, err := dbn.AppendMetadata(nil, live)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "live.dbn", slices.Concat(head, records, b[size:]))
}

// contents reads a DBN file: metadata, and the records with their types.
func contents(t *testing.T, path string) (m dbn.Metadata, records []byte, actions map[market.Action]int) {
	t.Helper()
	b := readFile(t, path)
	m, size, err := dbn.ParseMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	actions = make(map[market.Action]int)
	r, err := dbn.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, b[size:], actions
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.RType == dbn.RTypeMBP1 {
			var q dbn.MBP1
			if err := q.Parse(rec); err != nil {
				t.Fatal(err)
			}
			actions[q.Action]++
		}
	}
}

// A DBN file gives what can be made of its records, or an error that says what that is; never a file
// of another schema, nor an empty one.
func TestSchemaOfInputAndOutput(t *testing.T) {
	facts := []dbn.Schema{dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance}
	files := everySchema(t)
	for _, in := range derive.Schemas() {
		for _, out := range derive.Schemas() {
			opt := replay.Options{Paths: []string{files[in]}, Out: filepath.Join(t.TempDir(), "out.dbn"), Schema: out}
			result, err := replay.Run(t.Context(), opt)
			if possible := in == out || in == dbn.SchemaMBO && !slices.Contains(facts, out); possible {
				if err != nil {
					t.Errorf("%s of %s: %v", out, in, err)
				}
				continue
			}
			want := files[in] + ": it has records of " + in.String() + ", and no " + out.String() + " can be made of them, only "
			if err == nil || !strings.HasPrefix(err.Error(), want) || result != nil {
				t.Errorf("%s of %s: error %v, want %s...", out, in, err, want)
			}
			if err != nil && in != dbn.SchemaMBO && !strings.HasSuffix(err.Error(), "only "+in.String()) {
				t.Errorf("%s of %s: %v: want it to name what can be made", out, in, err)
			}
			wantNames(t, filepath.Dir(opt.Out))
		}
	}
}

// What a file of several schemas has is known when it has been read.
func TestRecordingOfLiveSession(t *testing.T) {
	files := everySchema(t)
	mapping := dbn.SymbolMapping{SymbolIn: "LATE", SymbolOut: "LATE", STypeIn: dbn.STypeRawSymbol, STypeOut: dbn.STypeRawSymbol}
	mapping.InstrumentID = 9999
	live := relabelled(t, files[dbn.SchemaMBP1], mapping.Append(nil))
	out := filepath.Join(t.TempDir(), "out.dbn")
	result, err := replay.Run(t.Context(), replay.Options{Paths: []string{live}, Out: out, Schema: dbn.SchemaMBO})
	want := "live.dbn: it has records of mbp-1, and no mbo can be made of them, only mbp-1, tbbo"
	if err == nil || err.Error() != want || result == nil || result.Summary.Output != nil {
		t.Errorf("error %v, want %s", err, want)
	}
	wantNames(t, filepath.Dir(out))

	mustReplay(t, replay.Options{Paths: []string{live}, Out: out, Schema: dbn.SchemaMBP1})
	m, got, _ := contents(t, out)
	_, all, actions := contents(t, files[dbn.SchemaMBP1])
	if !bytes.Equal(got, all) || !slices.Equal(m.Symbols, []string{"LATE"}) {
		t.Errorf("%d bytes of mbp-1, want %d; symbols %v", len(got), len(all), m.Symbols)
	}
	// Records of mbp-1 and tbbo have one type: the trades of mbp-1 are tbbo.
	mustReplay(t, replay.Options{Paths: []string{live}, Out: out, Schema: dbn.SchemaTBBO})
	_, _, got2 := contents(t, out)
	if n := actions[market.Trade]; n == 0 || len(got2) != 1 || got2[market.Trade] != n {
		t.Errorf("tbbo has %v, want the %d trades", got2, n)
	}
	whole := mustReplay(t, replay.Options{Paths: []string{relabelled(t, files[dbn.SchemaMBO], nil)}, Out: out, Schema: dbn.SchemaMBP1})
	if whole.Summary.Output.Records == 0 {
		t.Error("no mbp-1 of a live session of mbo")
	}
}

// Consolidated records have their own numbers of instruments, which must not mix with others.
func TestConsolidatedAgain(t *testing.T) {
	files := everySchema(t)
	for _, s := range []dbn.Schema{dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m} {
		out := filepath.Join(t.TempDir(), "out.dbn")
		mustReplay(t, replay.Options{Paths: []string{files[s]}, Out: out, Schema: s})
		want, records, _ := contents(t, files[s])
		got, again, _ := contents(t, out)
		if !bytes.Equal(records, again) || len(got.Mappings) == 0 || len(got.Mappings) != len(want.Mappings) || got.Dataset != want.Dataset {
			t.Errorf("%s again: %d bytes of %s, %d mappings; want %d of %s, %d", s,
				len(again), got.Dataset, len(got.Mappings), len(records), want.Dataset, len(want.Mappings))
		}
		_, err := replay.Run(t.Context(), replay.Options{Paths: []string{files[s], files[dbn.SchemaMBO]}, Out: out, Schema: s})
		if err == nil || !strings.Contains(err.Error(), "number their instruments separately") {
			t.Errorf("%s with mbo: %v", s, err)
		}
	}
}
