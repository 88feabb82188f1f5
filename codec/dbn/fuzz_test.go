package dbn

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"
)

func goldenRecords() []byte {
	var all []byte
	for _, golden := range []string{
		goldenMbo, goldenTrade, goldenMbp1, goldenBbo, goldenCmbp1, goldenOhlcv, goldenStatus,
		goldenImbalance, goldenStat, goldenMapping, goldenDefinition,
		full(goldenSystem, systemSize, "00"), full(goldenError, errorSize, "0701"),
	} {
		b, err := hex.DecodeString(golden)
		if err != nil {
			panic(err)
		}
		all = append(all, b...)
	}
	return all
}

// Any bytes: the reader never panics and never loses or invents a byte; what it delivers can be
// parsed, and parsed again after it was appended in version 3.
func FuzzReader(f *testing.F) {
	metadata, err := hex.DecodeString(goldenMetadata)
	if err != nil {
		f.Fatal(err)
	}
	records := goldenRecords()
	tsOut, err := hex.DecodeString(goldenMboTsOut)
	if err != nil {
		f.Fatal(err)
	}
	withTsOut := bytes.Clone(metadata)
	withTsOut[52] = 1
	f.Add(append(bytes.Clone(metadata), records...), uint8(0))
	f.Add(append(withTsOut, tsOut...), uint8(0))
	f.Add(records, uint8(3))
	f.Add(oldRecord(RTypeDefinition, definitionV1Size), uint8(1))
	f.Add(oldRecord(RTypeDefinition, definitionV2Size), uint8(2))
	f.Add(oldRecord(RTypeStat, statV2Size), uint8(2))
	f.Add(oldRecord(RTypeError, errorV1Size), uint8(1))
	f.Add(oldRecord(RTypeSystem, systemV1Size), uint8(1))
	f.Add(oldRecord(RTypeSymbolMapping, symbolMappingV1Size), uint8(1))
	f.Add(plainMetadata(&Metadata{Version: 1, Symbols: []string{"A"}}, symbolSizeV1), uint8(0))

	f.Fuzz(func(t *testing.T, b []byte, version uint8) {
		var r *Reader
		var err error
		if version == 0 {
			r, err = NewReader(bytes.NewReader(b))
		} else {
			r, err = NewFragmentReader(iotest.OneByteReader(bytes.NewReader(b)), version)
		}
		if err != nil {
			return
		}
		at := int(r.offset)
		for {
			rec, err := r.Next()
			if err != nil {
				if err == io.EOF && at != len(b) {
					t.Fatalf("clean end at byte %d of %d", at, len(b))
				}
				if err != io.EOF && !errors.Is(err, ErrCut) && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("unexpected error %v", err)
				}
				return
			}
			if !bytes.Equal(rec.Raw(), b[at:at+len(rec.Raw())]) {
				t.Fatalf("record at byte %d is not what stands there", at)
			}
			at += len(rec.Raw())

			once, err := appendAgain(nil, rec)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseRecord(once, Version, r.tsOut)
			if err != nil {
				t.Fatal(err)
			}
			if twice, err := appendAgain(nil, again); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%v: %x became %x", err, once, twice)
			}
		}
	})
}

// Any bytes: no panic; metadata that was read and can be written comes back equal.
func FuzzParseMetadata(f *testing.F) {
	golden, err := hex.DecodeString(goldenMetadata)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	m := Metadata{
		Dataset: "XSIM.ITCH", Symbols: []string{"A", "B"}, Partial: []string{"B"},
		NotFound: []string{"C"},
		Mappings: []Mapping{{"A", []Interval{{20240102, 20240103, "1"}}}, {"B", nil}},
	}
	for m.Version = 1; m.Version <= Version; m.Version++ {
		f.Add(plainMetadata(&m, []int{0, symbolSizeV1, symbolSize, symbolSize}[m.Version]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, size, err := ParseMetadata(b)
		if err != nil {
			return
		}
		if size > len(b) {
			t.Fatalf("%d bytes of %d", size, len(b))
		}
		written, err := AppendMetadata(nil, &m)
		if err != nil {
			return // a text that leaves no room for a NUL
		}
		again, _, err := ParseMetadata(written)
		m.Version = Version
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%v: got\n%+v, want\n%+v", err, again, m)
		}
	})
}
