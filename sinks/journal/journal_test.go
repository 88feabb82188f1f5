package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/market"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

const start = 1_795_000_000 * market.Second

// An item is the plain twin of an entry.
type item struct {
	Header
	payload []byte
}

// itemAt makes the entry of an index: everybody can tell whether it is the right one.
func itemAt(index uint64) item {
	random := rand.New(rand.NewPCG(index, 7))
	n := 8 + random.IntN(120)
	it := item{Header: Header{At: start + market.Nanos(index)*market.Microsecond, Feed: uint16(random.IntN(3)), Kind: uint8(random.IntN(256))}}
	it.payload = make([]byte, n)
	binary.LittleEndian.PutUint64(it.payload, index)
	for i := 8; i < n; i++ {
		it.payload[i] = byte(random.IntN(8)) // so that it can be packed
	}
	return it
}

func (it item) equals(e *Entry) bool {
	return it.Header == e.Header && bytes.Equal(it.payload, e.Payload)
}

// appendItems gives entries to j until n are there; it returns the last index.
func appendItems(t testing.TB, j *Journal, n int) (last uint64) {
	t.Helper()
	for range n {
		it := itemAt(j.queue.p.index)
		index, kept := j.Append(it.Header, it.payload)
		if !kept || index != binary.LittleEndian.Uint64(it.payload) {
			t.Fatalf("append: index %d, kept %t", index, kept)
		}
		last = index
	}
	return last
}

// readItems reads to the end and checks every entry; it returns the indexes read as first and last.
func readItems(t testing.TB, r *Reader) (first, last uint64) {
	t.Helper()
	var e Entry
	for {
		out, err := r.Next(&e)
		if err != nil {
			t.Fatal(err)
		}
		switch out {
		case Empty:
			return first, last
		case Lost, Broken:
			t.Fatalf("outcome %d at %d: %+v %v", out, r.Position(), r.Gap(), r.Hole())
		}
		if first == 0 {
			first = e.Index
		}
		if last != 0 && e.Index != last+1 {
			t.Fatalf("index %d after %d", e.Index, last)
		}
		last = e.Index
		if !itemAt(last).equals(&e) {
			t.Fatalf("entry %d is not what was appended: %+v", last, e)
		}
	}
}

func waitDurable(t testing.TB, j *Journal, index uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := j.wait(ctx, index); err != nil {
		t.Fatalf("durable index %d, want %d: %v", j.DurableIndex(), index, err)
	}
}

// What goes in comes out, across segments, packed and plain, in this process and as another would see it.
func TestJournalOnDisk(t *testing.T) {
	dir := t.TempDir() + "/journal"
	c := Config{Dir: dir, SegmentBytes: segmentBytesMin, ReserveBytes: 1, PlainSegments: 1, Notify: func(n Notice) { t.Logf("%v: %s", n.Kind, n.Text) }}
	total := uint64(0)
	for epoch := uint64(1); epoch <= 3; epoch++ {
		j, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		if j.Epoch() != epoch || j.DurableIndex() != total {
			t.Errorf("epoch %d, durable %d; want %d, %d", j.Epoch(), j.DurableIndex(), epoch, total)
		}
		total = appendItems(t, j, 30_000)
		waitDurable(t, j, total)
		r, err := j.NewReader()
		if err != nil {
			t.Fatal(err)
		}
		if first, last := readItems(t, r); first != 1 || last != total {
			t.Errorf("read %d to %d, want 1 to %d", first, last, total)
		}
		var e Entry
		for i := uint64(1); i <= total; i += 997 {
			if err := r.SeekIndex(i); err != nil {
				t.Fatal(err)
			}
			if out, err := r.Next(&e); out != Ready || err != nil || e.Index != i {
				t.Fatalf("seek index %d: %d, %v, %v", i, out, err, &e)
			}
			if err := r.SeekTime(itemAt(i).At); err != nil {
				t.Fatal(err)
			}
			if out, err := r.Next(&e); out != Ready || err != nil || e.Index != i {
				t.Fatalf("seek time of index %d: %d, %v, %v", i, out, err, &e)
			}
		}
		other, err := OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		if first, last := readItems(t, other); first != 1 || last != total {
			t.Errorf("read from outside %d to %d, want 1 to %d", first, last, total)
		}
		if err := errors.Join(r.Close(), other.Close(), j.Close(context.Background())); err != nil {
			t.Fatal(err)
		}
	}
	report, err := Verify(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := 0
	for _, s := range report.Segments {
		if s.Packed {
			packed++
		}
	}
	if len(report.Problems) != 0 || report.Entries != total || report.Last != total || report.Tail != 0 || packed == 0 {
		t.Errorf("verify: %+v", report)
	}
}

// Rows are few, and lead to the right place.
func TestIndexRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 5))
	x := index{latest: noTime}
	var before []market.Nanos // latest receive time of everything before
	offset := int64(segmentHeaderBytes)
	for i := range uint64(200) {
		h := batchHeader{First: 1 + 10*i, Last: 10 + 10*i, Latest: market.Nanos(random.IntN(40)) + market.Nanos(i/20*10), BodyBytes: uint32(random.IntN(200 << 10))}
		before = append(before, x.latest)
		x.add(offset, &h)
		offset += h.bytes()
	}
	if n := int64(len(x.rows)); n < offset/rowEvery/2 || n > offset/rowEvery+1 || x.bytes != offset || x.next != 2001 {
		t.Fatalf("%d rows for %d bytes, next %d", n, offset, x.next)
	}
	for i := range uint64(2010) {
		r, ok := x.byIndex(i)
		if ok != (i > 0) || r.first > i {
			t.Fatalf("index %d: row of index %d", i, r.first)
		}
		for _, other := range x.rows {
			if other.first <= i && other.first > r.first {
				t.Fatalf("index %d: row of index %d, and there is one of %d", i, r.first, other.first)
			}
		}
	}
	for at := market.Nanos(0); at < 200; at++ {
		r, ok := x.byTime(at)
		if !ok || before[r.first/10] >= at {
			t.Fatalf("time %d: row of index %d, before which is %d", at, r.first, before[r.first/10])
		}
		for _, other := range x.rows {
			if before[other.first/10] < at && other.first > r.first {
				t.Fatalf("time %d: row of index %d, and there is one of %d", at, r.first, other.first)
			}
		}
	}
	if _, ok := x.byTime(noTime); ok {
		t.Error("something is before all times")
	}
}
