package dbn

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// allRTypes has every type that version 3 knows.
var allRTypes = func() (all []RType) {
	for t := range 256 {
		if RType(t).Size(Version) != 0 {
			all = append(all, RType(t))
		}
	}
	return all
}()

// appendAgain parses a record of any version into its struct and appends that in version 3, with
// the send time if the record has one. An opaque record is appended as it is.
func appendAgain(b []byte, rec Record) ([]byte, error) {
	start := len(b)
	var r interface {
		Parse(Record) error
		Append([]byte) []byte
	}
	switch rec.RType {
	case RTypeMBO:
		r = new(MBO)
	case RTypeTrade:
		r = new(Trade)
	case RTypeMBP1:
		r = new(MBP1)
	case RTypeMBP10:
		r = new(MBP10)
	case RTypeBBO1s, RTypeBBO1m:
		r = new(BBO)
	case RTypeCMBP1, RTypeTCBBO:
		r = new(CMBP1)
	case RTypeCBBO1s, RTypeCBBO1m:
		r = new(CBBO)
	case RTypeOHLCV1s, RTypeOHLCV1m, RTypeOHLCV1h, RTypeOHLCV1d, RTypeOHLCVEOD, RTypeOHLCVOld:
		r = new(OHLCV)
	case RTypeStatus:
		r = new(Status)
	case RTypeDefinition:
		r = new(Definition)
	case RTypeImbalance:
		r = new(Imbalance)
	case RTypeStat:
		r = new(Stat)
	case RTypeError:
		r = new(Error)
	case RTypeSymbolMapping:
		r = new(SymbolMapping)
	case RTypeSystem:
		r = new(System)
	default:
		return append(b, rec.Raw()...), nil
	}
	if err := r.Parse(rec); err != nil {
		return b, err
	}
	b = r.Append(b)
	if ts, ok := rec.TsOut(); ok {
		b = AppendTsOut(b, start, ts)
	}
	return b, nil
}

// testRoundTrip checks that a struct with any values comes back equal. Texts have at most three
// bytes, because that fits every field.
func testRoundTrip[T comparable, P record[T]](t *testing.T, setRType func(*T, RType), rtypes ...RType) {
	t.Run(rtypes[0].String(), func(t *testing.T) {
		gen := rapid.MakeCustom[T](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
			reflect.TypeFor[string](): rapid.StringMatching(`[A-Z0-9]{0,3}`).AsAny(),
		}})
		rapid.Check(t, func(t *rapid.T) {
			want := gen.Draw(t, "record")
			setRType(&want, rapid.SampledFrom(rtypes).Draw(t, "rtype"))
			tsOut := rapid.Bool().Draw(t, "ts_out")

			b := P(&want).Append([]byte{1, 2, 3})
			if tsOut {
				b = AppendTsOut(b, 3, noon)
			}
			rec, err := ParseRecord(append(b, 0xff)[3:], Version, tsOut)
			if err != nil {
				t.Fatal(err)
			}
			// Whoever appends to the view must not write into what follows it.
			if !bytes.Equal(rec.Raw(), b[3:]) || cap(rec.Raw()) != len(b)-3 || !rec.Known() || rec.Version() != Version {
				t.Fatalf("view of %x has %x", b[3:], rec.Raw())
			}
			if ts, ok := rec.TsOut(); ok != tsOut || ok && ts != noon {
				t.Fatalf("send time %d, %v", ts, ok)
			}
			var got T
			if err := P(&got).Parse(rec); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("got\n%+v, want\n%+v", got, want)
			}
		})

		// Records of every other type are refused and leave the struct alone.
		for _, other := range allRTypes {
			raw := make([]byte, other.Size(Version))
			raw[0], raw[1] = byte(len(raw)/4), byte(other)
			rec, err := ParseRecord(raw, Version, false)
			if err != nil {
				t.Fatal(err)
			}
			mine := false
			for _, t := range rtypes {
				mine = mine || t == other
			}
			var got, zero T
			err = P(&got).Parse(rec)
			if mine != (err == nil) || !mine && (!errors.Is(err, ErrRType) || got != zero) {
				t.Errorf("parse of %s: %v", other, err)
			}
		}
		// So is a Record that no reader made.
		for _, rtype := range rtypes {
			var got T
			if err := P(&got).Parse(Record{Header: Header{RType: rtype}}); !errors.Is(err, ErrRType) {
				t.Errorf("parse of an empty record: %v", err)
			}
		}
	})
}

func TestRoundTrip(t *testing.T) {
	testRoundTrip(t, func(m *MBO, r RType) { m.RType = r }, RTypeMBO)
	testRoundTrip(t, func(m *Trade, r RType) { m.RType = r }, RTypeTrade)
	testRoundTrip(t, func(m *MBP1, r RType) { m.RType = r }, RTypeMBP1)
	testRoundTrip(t, func(m *MBP10, r RType) { m.RType = r }, RTypeMBP10)
	testRoundTrip(t, func(m *BBO, r RType) { m.RType = r }, RTypeBBO1s, RTypeBBO1m)
	testRoundTrip(t, func(m *CMBP1, r RType) { m.RType = r }, RTypeCMBP1, RTypeTCBBO)
	testRoundTrip(t, func(m *CBBO, r RType) { m.RType = r }, RTypeCBBO1s, RTypeCBBO1m)
	testRoundTrip(t, func(m *OHLCV, r RType) { m.RType = r }, RTypeOHLCV1s, RTypeOHLCV1m,
		RTypeOHLCV1h, RTypeOHLCV1d, RTypeOHLCVEOD, RTypeOHLCVOld)
	testRoundTrip(t, func(m *Status, r RType) { m.RType = r }, RTypeStatus)
	testRoundTrip(t, func(m *Definition, r RType) { m.RType = r }, RTypeDefinition)
	testRoundTrip(t, func(m *Imbalance, r RType) { m.RType = r }, RTypeImbalance)
	testRoundTrip(t, func(m *Stat, r RType) { m.RType = r }, RTypeStat)
	testRoundTrip(t, func(m *Error, r RType) { m.RType = r }, RTypeError)
	testRoundTrip(t, func(m *SymbolMapping, r RType) { m.RType = r }, RTypeSymbolMapping)
	testRoundTrip(t, func(m *System, r RType) { m.RType = r }, RTypeSystem)
}

// AppendRecord gives what parsing and appending gives, and drops the send time.
func TestAppendRecordGivesVersion3(t *testing.T) {
	for _, tsOut := range []bool{false, true} {
		for version := uint8(1); version <= Version; version++ {
			for _, rtype := range append(allRTypes, 0x99) {
				size := max(rtype.Size(version), HeaderSize)
				p := make([]byte, size)
				(&Header{InstrumentID: 7, TsEvent: noon}).put(p, rtype)
				if size > HeaderSize {
					p[HeaderSize] = 'x'
				}
				rec, err := ParseRecord(p, version, false)
				if err != nil {
					t.Fatal(err)
				}
				want, err := appendAgain([]byte("before"), rec)
				if err != nil {
					t.Fatal(err)
				}
				if tsOut {
					if rec, err = ParseRecord(AppendTsOut(p, 0, noon), version, true); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := AppendRecord([]byte("before"), rec); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s of version %d: %v\n%x, want\n%x", rtype, version, err, got, want)
				}
			}
		}
	}
}

// An event that DBN can hold comes back equal.
func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Make[MBO]().Draw(t, "record")
		m.RType = RTypeMBO
		want := m.Append(nil)
		var e market.Event
		m.Event(&e)
		if got := AppendMBO(nil, &e); !bytes.Equal(got, want) {
			t.Fatalf("event\n%+v gives\n%x, want\n%x", e, got, want)
		}
	})
}

func TestSizeAndSequenceThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		in    market.Size
		want  uint32
		exact bool
	}{
		{0, 0, true},
		{1<<32 - 1, 1<<32 - 1, true},
		{1 << 32, 1<<32 - 1, false},
		{1<<64 - 1, 1<<32 - 1, false},
	} {
		if got, exact := SaturateSize(c.in); got != c.want || exact != c.exact {
			t.Errorf("size %d: %d %v, want %d %v", c.in, got, exact, c.want, c.exact)
		}
		e := market.Event{Size: c.in, Seq: 7<<32 + 9}
		rec, err := ParseRecord(AppendMBO(nil, &e), Version, false)
		if err != nil {
			t.Fatal(err)
		}
		var m MBO
		if err := m.Parse(rec); err != nil || m.Size != c.want || m.Sequence != 9 {
			t.Errorf("size %d: record has %d and sequence %d, %v", c.in, m.Size, m.Sequence, err)
		}
	}
}

// A text that is too long is cut so that one NUL is left, and touches nothing after it.
func TestTextIsCut(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 400))
	parse := func(b []byte) Record {
		rec, err := ParseRecord(b, Version, false)
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	var e Error
	if err := e.Parse(parse((&Error{Text: long, Code: 9, IsLast: 8}).Append(nil))); err != nil ||
		e.Text != long[:ErrorTextMax] || e.Code != 9 || e.IsLast != 8 {
		t.Errorf("error: %v, %+v", err, e)
	}
	var s System
	if err := s.Parse(parse((&System{Text: long, Code: 9}).Append(nil))); err != nil ||
		s.Text != long[:SystemTextMax] || s.Code != 9 {
		t.Errorf("system: %v, %+v", err, s)
	}
	var m SymbolMapping
	in := SymbolMapping{SymbolIn: long, SymbolOut: long, STypeOut: 7, Start: 5}
	if err := m.Parse(parse(in.Append(nil))); err != nil || m.SymbolIn != long[:SymbolMax] ||
		m.SymbolOut != long[:SymbolMax] || m.STypeOut != 7 || m.Start != 5 {
		t.Errorf("symbol mapping: %v, %+v", err, m)
	}
	var d Definition
	if err := d.Parse(parse((&Definition{RawSymbol: long, Group: "G"}).Append(nil))); err != nil ||
		d.RawSymbol != long[:SymbolMax] || d.Group != "G" {
		t.Errorf("definition: %v, %+v", err, d)
	}
}

func TestEnums(t *testing.T) {
	for s := range schemas {
		if got, ok := ParseSchema(Schema(s).String()); !ok || got != Schema(s) {
			t.Errorf("schema %d: text %q gives %d", s, Schema(s), got)
		}
		if rt, ok := Schema(s).RType(); !ok || rt.Size(Version) == 0 {
			t.Errorf("schema %s has no record type", Schema(s))
		}
	}
	for _, text := range []string{"", "mixed", "mbp-5", "MBO"} {
		if got, ok := ParseSchema(text); ok {
			t.Errorf("schema %q is %d", text, got)
		}
	}
	if _, ok := SchemaMixed.RType(); ok || SchemaMixed.String() != "mixed" || Schema(20).String() != "schema 20" {
		t.Error("mixed or unknown schema")
	}
	for s := range stypes {
		if got, ok := ParseSType(SType(s).String()); !ok || got != SType(s) {
			t.Errorf("stype %d: text %q gives %d", s, SType(s), got)
		}
	}
	for text, want := range map[string]SType{
		"native": STypeRawSymbol, "product_id": STypeInstrumentID, "nasdaq": STypeNasdaqSymbol,
		"cms": STypeCMSSymbol,
	} {
		if got, ok := ParseSType(text); !ok || got != want {
			t.Errorf("stype %q: %s, want %s", text, got, want)
		}
	}
	if got, ok := ParseSType("mixed"); ok || STypeMixed.String() != "mixed" || SType(99).String() != "stype 99" {
		t.Errorf("mixed stype is %s", got)
	}
	for _, c := range []struct {
		t    RType
		want string
	}{
		{RTypeTrade, "trades"},
		{RTypeMBP1, "mbp-1"},
		{RTypeStat, "statistics"},
		{RTypeOHLCVOld, "ohlcv"},
		{RTypeError, "error"},
		{RTypeSymbolMapping, "symbol-mapping"},
		{RTypeSystem, "system"},
		{RTypeTCBBO, "tcbbo"},
		{0x99, "rtype 0x99"},
	} {
		if got := c.t.String(); got != c.want {
			t.Errorf("rtype %#x: %q, want %q", uint8(c.t), got, c.want)
		}
	}
	for _, v := range []uint8{0, Version + 1} {
		if RTypeMBO.Size(v) != 0 {
			t.Errorf("version %d has records", v)
		}
	}
}
