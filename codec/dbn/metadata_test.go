package dbn

import (
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

func wantMetadata(t testing.TB, got, want *Metadata) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("metadata\n%+v, want\n%+v", *got, *want)
	}
}

// plainMetadata is a second encoder of metadata, for every version and symbol size.
func plainMetadata(m *Metadata, symbolSize int) []byte {
	le := binary.LittleEndian
	b := append([]byte("DBN"), m.Version, 0, 0, 0, 0)
	field := func(s string, n int) { b = append(b, s+strings.Repeat("\x00", n-len(s))...) }
	field(m.Dataset, 16)
	b = le.AppendUint16(b, uint16(m.Schema))
	b = le.AppendUint64(b, uint64(m.Start))
	b = le.AppendUint64(b, uint64(m.End))
	b = le.AppendUint64(b, m.Limit)
	if m.Version == 1 {
		b = le.AppendUint64(b, 1<<64-1)
	}
	b = append(b, byte(m.STypeIn), byte(m.STypeOut), 0)
	if m.TsOut {
		b[len(b)-1] = 1
	}
	if m.Version > 1 {
		b = le.AppendUint16(b, uint16(symbolSize))
	}
	field("", 108-len(b))
	b = le.AppendUint32(b, 0)
	for _, list := range [][]string{m.Symbols, m.Partial, m.NotFound} {
		b = le.AppendUint32(b, uint32(len(list)))
		for _, s := range list {
			field(s, symbolSize)
		}
	}
	b = le.AppendUint32(b, uint32(len(m.Mappings)))
	for _, mapping := range m.Mappings {
		field(mapping.Symbol, symbolSize)
		b = le.AppendUint32(b, uint32(len(mapping.Intervals)))
		for _, in := range mapping.Intervals {
			b = le.AppendUint32(b, in.Start)
			b = le.AppendUint32(b, in.End)
			field(in.Symbol, symbolSize)
		}
	}
	if m.Version > 2 {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
	}
	le.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// drawMetadata draws metadata whose symbols have at most symbolMax bytes. Empty lists are nil, as
// ParseMetadata returns them.
func drawMetadata(t *rapid.T, version uint8, symbolMax int) *Metadata {
	symbol := rapid.StringOfN(rapid.RuneFrom([]rune("ABCesz .0189")), -1, -1, symbolMax)
	symbols := func(label string) []string {
		s := rapid.SliceOfN(symbol, 0, 4).Draw(t, label)
		if len(s) == 0 {
			return nil
		}
		return s
	}
	m := &Metadata{
		Version:  version,
		Dataset:  rapid.StringMatching(`[A-Z.]{0,15}`).Draw(t, "dataset"),
		Schema:   Schema(rapid.Uint16().Draw(t, "schema")),
		Start:    market.Nanos(rapid.Int64().Draw(t, "start")),
		End:      market.Nanos(rapid.Int64().Draw(t, "end")),
		Limit:    rapid.Uint64().Draw(t, "limit"),
		STypeIn:  SType(rapid.Byte().Draw(t, "stype in")),
		STypeOut: SType(rapid.Byte().Draw(t, "stype out")),
		TsOut:    rapid.Bool().Draw(t, "ts out"),
		Symbols:  symbols("symbols"),
		Partial:  symbols("partial"),
		NotFound: symbols("not found"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "mappings") {
		mapping := Mapping{Symbol: symbol.Draw(t, "symbol")}
		for range rapid.IntRange(0, 3).Draw(t, "intervals") {
			mapping.Intervals = append(mapping.Intervals, Interval{
				Start:  rapid.Uint32().Draw(t, "start day"),
				End:    rapid.Uint32().Draw(t, "end day"),
				Symbol: symbol.Draw(t, "mapped"),
			})
		}
		m.Mappings = append(m.Mappings, mapping)
	}
	return m
}

func TestMetadataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMetadata(t, Version, SymbolMax)
		b, err := AppendMetadata(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if want := plainMetadata(m, symbolSize); string(b) != string(want) {
			t.Fatalf("appended\n%x, want\n%x", b, want)
		}
		got, size, err := ParseMetadata(append(b, 0xff))
		if err != nil || size != len(b) || size%8 != 0 {
			t.Fatalf("parsed %d of %d bytes: %v", size, len(b), err)
		}
		if !reflect.DeepEqual(&got, m) {
			t.Fatalf("parsed\n%+v, want\n%+v", got, *m)
		}
	})
}

func TestMetadataOfOlderVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.SampledFrom([]uint8{1, 2}).Draw(t, "version")
		size := symbolSizeV1
		if version == 2 {
			size = rapid.SampledFrom([]int{22, 71, 100}).Draw(t, "symbol size")
		}
		m := drawMetadata(t, version, size) // a symbol may fill its field: no NUL is left
		b := plainMetadata(m, size)
		got, n, err := ParseMetadata(b)
		if err != nil || n != len(b) {
			t.Fatalf("parsed %d of %d bytes: %v", n, len(b), err)
		}
		if !reflect.DeepEqual(&got, m) {
			t.Fatalf("parsed\n%+v, want\n%+v", got, *m)
		}
	})
}

// Whatever byte the metadata is cut at, with or without a length that agrees, there is an error
// and no panic.
func TestMetadataCut(t *testing.T) {
	m := &Metadata{
		Version: Version, Dataset: "XNAS.ITCH", Symbols: []string{"A"}, Partial: []string{"B"},
		NotFound: []string{"C"},
		Mappings: []Mapping{{"A", []Interval{{20240102, 20240103, "1"}}}, {"B", nil}},
	}
	whole, err := AppendMetadata(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	last := len(whole) - 8 // shorter than that touches a list, whatever the padding
	for n := range last {
		b := append([]byte{}, whole[:n]...)
		want := ErrCut
		if n < 4 {
			want = ErrNotDBN
		}
		if _, _, err := ParseMetadata(b); !errors.Is(err, want) {
			t.Fatalf("cut at %d: %v, want %v", n, err, want)
		}
		if n < 8 {
			continue
		}
		binary.LittleEndian.PutUint32(b[4:], uint32(n-8))
		if _, _, err := ParseMetadata(b); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("length %d: %v, want ErrCorrupt", n-8, err)
		}
	}
}

func TestMetadataRefused(t *testing.T) {
	good, err := AppendMetadata(nil, &Metadata{Dataset: "XNAS.ITCH"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		at   int
		put  []byte
		want error
	}{
		{"mark", 0, []byte("DBZ"), ErrNotDBN},
		{"zstd", 0, []byte{0x28, 0xb5, 0x2f, 0xfd}, ErrNotDBN},
		{"version 0", 3, []byte{0}, ErrVersion},
		{"version 4", 3, []byte{4}, ErrVersion},
		{"length too small", 4, []byte{103, 0, 0, 0}, ErrCorrupt},
		{"length too large", 4, []byte{0, 0, 0, 4}, ErrCorrupt},
		{"longer than the input", 4, []byte{0, 0, 0, 1}, ErrCut},
		{"symbols of no bytes", 53, []byte{0, 0}, ErrCorrupt},
		{"schema definition", 108, []byte{1}, ErrCorrupt},
		{"symbols", 112, []byte{0xff, 0xff, 0xff, 0xff}, ErrCorrupt},
		{"partial", 116, []byte{1}, ErrCorrupt},
		{"not found", 120, []byte{0, 0, 0, 0x80}, ErrCorrupt},
		{"mappings", 124, []byte{1}, ErrCorrupt},
	} {
		b := append([]byte{}, good...)
		copy(b[c.at:], c.put)
		if _, _, err := ParseMetadata(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestMetadataThatDoesNotFit(t *testing.T) {
	long := strings.Repeat("A", SymbolMax+1)
	for name, m := range map[string]*Metadata{
		"dataset":  {Dataset: "0123456789ABCDEF"},
		"symbols":  {Symbols: []string{long}},
		"partial":  {Partial: []string{long}},
		"missing":  {NotFound: []string{long}},
		"mapping":  {Mappings: []Mapping{{Symbol: long}}},
		"interval": {Mappings: []Mapping{{Intervals: []Interval{{Symbol: long}}}}},
		"size":     {Symbols: make([]string, MetadataMax/symbolSize)},
	} {
		if b, err := AppendMetadata([]byte("before"), m); err == nil || string(b) != "before" {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// A length or a count that promises much must not cost much.
func TestMetadataThatPromisesMuch(t *testing.T) {
	header, err := AppendMetadata(nil, &Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	length := append([]byte{}, header...)
	binary.LittleEndian.PutUint32(length[4:], MetadataMax-8)
	count := append([]byte{}, header...)
	binary.LittleEndian.PutUint32(count[124:], 1<<31)
	for name, b := range map[string][]byte{"length": length, "count": count} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := NewReader(strings.NewReader(string(b))); err == nil {
			t.Fatalf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes allocated for an input of %d", name, got, len(b))
		}
	}
}
