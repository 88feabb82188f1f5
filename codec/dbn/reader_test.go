package dbn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"tidegate/market"
)

// stream is metadata and n records of different types, of which each tells its number.
func stream(t testing.TB, n int, tsOut bool) []byte {
	t.Helper()
	b, err := AppendMetadata(nil, &Metadata{Dataset: "XSIM.ITCH", Schema: SchemaMixed, TsOut: tsOut})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		start := len(b)
		h := Header{TsEvent: market.Nanos(i)}
		switch i % 4 {
		case 0:
			b = (&MBO{Header: h}).Append(b)
		case 1:
			b = (&Definition{Header: h}).Append(b)
		case 2:
			b = (&Trade{Change{Header: h}}).Append(b)
		case 3:
			b = (&MBP10{Change: Change{Header: h}}).Append(b)
		}
		if tsOut {
			b = AppendTsOut(b, start, market.Nanos(i)+1000)
		}
	}
	return b
}

// readAll reads until an error, which it returns with the raw bytes of the records.
func readAll(r *Reader) (records [][]byte, err error) {
	for {
		rec, err := r.Next()
		if err != nil {
			return records, err
		}
		records = append(records, bytes.Clone(rec.Raw()))
	}
}

// However a stream is split, and wherever it ends, every whole record is delivered.
func TestReaderSplitAndCut(t *testing.T) {
	const n = 9
	for _, tsOut := range []bool{false, true} {
		whole := stream(t, n, tsOut)
		want, err := readAll(must(NewReader(bytes.NewReader(whole))))
		if err != io.EOF || len(want) != n {
			t.Fatalf("%d records, %v", len(want), err)
		}
		if got := bytes.Join(want, nil); !bytes.Equal(got, whole[128:]) {
			t.Fatal("the records are not the bytes of the stream")
		}
		for name, split := range map[string]func(io.Reader) io.Reader{
			"one byte":  iotest.OneByteReader,
			"half":      iotest.HalfReader,
			"with EOF":  iotest.DataErrReader,
			"777 bytes": func(r io.Reader) io.Reader { return chunkReader{r, 777} },
		} {
			r, err := NewReader(split(bytes.NewReader(whole)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if err != io.EOF || !equal(got, want) {
				t.Errorf("%s: %d records, %v", name, len(got), err)
			}
		}

		offset, before := 128, 0 // of the record that the cut hits; how many are before it
		for cut := 128; cut <= len(whole); cut++ {
			if before < n && cut == offset+len(want[before]) {
				offset, before = cut, before+1
			}
			r := must(NewReader(iotest.DataErrReader(bytes.NewReader(whole[:cut]))))
			got, err := readAll(r)
			if !equal(got, want[:before]) {
				t.Fatalf("cut at %d: %d records, want %d", cut, len(got), before)
			}
			if cut == offset {
				if err != io.EOF {
					t.Fatalf("cut at %d, between records: %v", cut, err)
				}
				continue
			}
			if !errors.Is(err, ErrCut) || !errors.Is(err, io.ErrUnexpectedEOF) ||
				!strings.Contains(err.Error(), fmt.Sprintf("at byte %d:", offset)) {
				t.Fatalf("cut at %d: %v, want the record at %d to be cut", cut, err, offset)
			}
			if _, again := r.Next(); again == nil || again.Error() != err.Error() {
				t.Fatalf("cut at %d: then %v", cut, again)
			}
		}
	}
}

func TestReaderTsOut(t *testing.T) {
	r := must(NewReader(bytes.NewReader(stream(t, 8, true))))
	for i := market.Nanos(0); ; i++ {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if ts, ok := rec.TsOut(); err != nil || !ok || ts != i+1000 || rec.TsEvent != i {
			t.Fatalf("record %d: send time %d %v, event time %d, %v", i, ts, ok, rec.TsEvent, err)
		}
	}
	if !r.Metadata().TsOut {
		t.Error("the metadata does not tell of send times")
	}
}

func TestReaderRefusesLengths(t *testing.T) {
	good := stream(t, 1, false)
	bad := func(change func(record []byte)) []byte {
		second := bytes.Clone(good[128:])
		change(second)
		return append(bytes.Clone(good), second...)
	}
	for _, c := range []struct {
		name   string
		stream []byte
		want   string
	}{
		{"zero", bad(func(r []byte) { r[0] = 0 }), "length byte 0, want at least 4 words"},
		{"less than a header, at the end", append(bytes.Clone(good), 3), "length byte 3, want at least 4 words"},
		{"less than a header", bad(func(r []byte) { r[0] = 3 }), "length byte 3, want at least 4 words"},
		{"not its type's", bad(func(r []byte) { r[0] = 13 }), "mbo record of 52 bytes, want 56 in version 3"},
		{"send time", bad(func(r []byte) { r[0] = 4; r[1] = 0x12 }), "status record of 16 bytes, want 40 in version 3"},
	} {
		r := must(NewReader(bytes.NewReader(c.stream)))
		got, err := readAll(r)
		if len(got) != 1 {
			t.Errorf("%s: %d records, want the good one", c.name, len(got))
		}
		want := "dbn: read record at byte 184: corrupt DBN: " + c.want
		if !errors.Is(err, ErrCorrupt) || err.Error() != want {
			t.Errorf("%s: %v, want %s", c.name, err, want)
		}
		if _, again := r.Next(); again == nil || again.Error() != want {
			t.Errorf("%s: then %v", c.name, again)
		}
	}

	// With send times, every record is longer.
	b, _ := AppendMetadata(nil, &Metadata{TsOut: true})
	_, err := readAll(must(NewReader(bytes.NewReader(append(b, good[128:]...)))))
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("no send time: %v", err)
	}
	opaque := make([]byte, HeaderSize)
	opaque[0], opaque[1] = 4, 0x99
	if _, err := ParseRecord(opaque, Version, true); !errors.Is(err, ErrCorrupt) {
		t.Errorf("opaque record with a send time in its header: %v", err)
	}
}

func TestReaderDeliversUnknownTypes(t *testing.T) {
	b := stream(t, 1, false)
	opaque := make([]byte, 1020)
	opaque[0], opaque[1], opaque[4], opaque[1019] = 255, 0x99, 77, 5
	b = append(b, opaque...)
	b = (&MBO{}).Append(b)
	r := must(NewReader(bytes.NewReader(b)))
	var got []Record
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	if len(got) != 3 || r.Unknown() != 1 {
		t.Fatalf("%d records, %d unknown", len(got), r.Unknown())
	}
	if got[0].Known() != true || got[1].Known() || got[1].InstrumentID != 77 || !bytes.Equal(got[1].Raw(), opaque) {
		t.Errorf("opaque record %+v", got[1].Header)
	}
}

func TestReaderRefusesStreams(t *testing.T) {
	good := stream(t, 0, false)
	for _, c := range []struct {
		name   string
		stream []byte
		want   error
	}{
		{"empty", nil, ErrNotDBN},
		{"short", []byte("DB"), ErrNotDBN},
		{"zstd", []byte("\x28\xb5\x2f\xfd and so on"), ErrNotDBN},
		{"version 4", append([]byte("DBN\x04"), good[4:]...), ErrVersion},
		{"cut in the prefix", good[:6], ErrCut},
		{"cut in the metadata", good[:100], ErrCut},
	} {
		if _, err := NewReader(bytes.NewReader(c.stream)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	broken := errors.New("broken cable")
	for _, at := range []int{0, 3, 50} {
		_, err := NewReader(io.MultiReader(bytes.NewReader(good[:at]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("stream that fails at %d: %v", at, err)
		}
	}
	for _, version := range []uint8{0, 4} {
		if _, err := NewFragmentReader(nil, version); !errors.Is(err, ErrVersion) {
			t.Errorf("fragment of version %d: %v", version, err)
		}
		if _, err := ParseRecord(good, version, false); !errors.Is(err, ErrVersion) {
			t.Errorf("record of version %d: %v", version, err)
		}
	}
	if _, err := ParseRecord(nil, Version, false); !errors.Is(err, ErrCut) {
		t.Errorf("record of no bytes: %v", err)
	}
}

// Records that came before the stream broke are delivered.
func TestReaderOfABrokenStream(t *testing.T) {
	broken := errors.New("broken cable")
	b := stream(t, 2, false)
	r := must(NewReader(io.MultiReader(bytes.NewReader(b[:len(b)-1]), iotest.ErrReader(broken))))
	if got, err := readAll(r); len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("%d records, %v", len(got), err)
	}
	r = must(NewFragmentReader(stuck{}, Version))
	if _, err := r.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("stream that gives nothing: %v", err)
	}
}

// A record that has arrived is delivered without asking the stream for more.
func TestReaderDoesNotWait(t *testing.T) {
	b := stream(t, 1, false)
	r := must(NewReader(io.MultiReader(bytes.NewReader(b), never{t})))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
}

func TestFragment(t *testing.T) {
	b := stream(t, 5, false)
	r := must(NewFragmentReader(bytes.NewReader(b[128:]), Version))
	if got, err := readAll(r); err != io.EOF || !bytes.Equal(bytes.Join(got, nil), b[128:]) {
		t.Errorf("%d records, %v", len(got), err)
	}
	if r.Metadata() != nil {
		t.Error("a fragment has metadata")
	}
}

// What is written is read again, across the borders of the buffer too.
func TestWriterThenReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMetadata(t, Version, SymbolMax)
		var file bytes.Buffer
		w, err := NewWriter(&file, m)
		if err != nil {
			t.Fatal(err)
		}
		var all, batch []byte
		for i := range rapid.IntRange(0, 2000).Draw(t, "records") {
			start := len(batch)
			h := Header{TsEvent: market.Nanos(i)}
			if i%3 == 0 {
				batch = (&MBP10{Change: Change{Header: h}}).Append(batch)
			} else {
				batch = (&Definition{Header: h, RawSymbol: "ABC"}).Append(batch)
			}
			if m.TsOut {
				batch = AppendTsOut(batch, start, market.Nanos(i))
			}
			if i%5 == 0 {
				if n, err := w.Write(batch); err != nil || n != len(batch) {
					t.Fatalf("wrote %d of %d bytes: %v", n, len(batch), err)
				}
				all, batch = append(all, batch...), nil
			}
		}
		r, err := NewReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(r)
		if err != io.EOF || !bytes.Equal(bytes.Join(got, nil), all) {
			t.Fatalf("%d records, %v", len(got), err)
		}
	})
}

func TestWriterRefuses(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, &Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	size := file.Len()
	good := (&MBO{}).Append(nil)
	for name, b := range map[string][]byte{
		"half a record":  good[:30],
		"cut second":     append(bytes.Clone(good), good[:55]...),
		"send time":      AppendTsOut(bytes.Clone(good), 0, 1),
		"older layout":   append([]byte{16, byte(RTypeStat)}, make([]byte, 62)...),
		"no record":      make([]byte, 64),
		"trailing bytes": append(bytes.Clone(good), 0, 0, 0, 0),
	} {
		n, err := w.Write(b)
		if n != 0 || !errors.Is(err, ErrCut) && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	if file.Len() != size {
		t.Errorf("%d bytes of refused records were written", file.Len()-size)
	}
	if _, err := NewWriter(&file, &Metadata{Dataset: "0123456789ABCDEF"}); err == nil {
		t.Error("long dataset: no error")
	}
	if _, err := NewWriter(brokenWriter{}, &Metadata{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken writer: %v", err)
	}
	w = &Writer{dst: brokenWriter{}}
	if _, err := w.Write(good); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken writer: %v", err)
	}
}

func must(r *Reader, err error) *Reader {
	if err != nil {
		panic(err)
	}
	return r
}

func equal(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// chunkReader returns at most size bytes per call.
type chunkReader struct {
	r    io.Reader
	size int
}

func (c chunkReader) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.size)]) }

// stuck returns neither bytes nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// never fails the test when it is read.
type never struct{ t *testing.T }

func (n never) Read([]byte) (int, error) {
	n.t.Error("the stream was asked for more than the record needs")
	return 0, io.EOF
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
