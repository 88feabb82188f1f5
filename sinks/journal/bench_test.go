package journal

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

func TestAppendDoesNotAllocate(t *testing.T) {
	q := newQueue(8*chunkBytesDefault, 1, chunkBytesDefault, 1)
	at, released := cursor{index: 1}, uint64(0)
	payload := make([]byte, 56)
	allocs := testing.AllocsPerRun(100, func() {
		for range 10_000 { // two chunks and more
			if _, kept := q.append(Header{At: start, Feed: 1, Kind: 2}, payload); !kept {
				t.Fatal("the queue is full")
			}
		}
		for b := q.at(&at); b != nil; b = q.at(&at) {
			at = at.after(len(b), at.index)
		}
		q.release(&released, at)
	})
	if allocs != 0 {
		t.Errorf("append allocates %.1f times in 10000 entries, want 0", allocs)
	}
	if q.spilled.Load() != 0 {
		t.Error("the queue spilled: the test tests something else")
	}
}

// The hot path alone: entries of 56 bytes into the queue, taken out by the same goroutine.
func BenchmarkAppend(b *testing.B) {
	q := newQueue(8*chunkBytesDefault, 1, chunkBytesDefault, 1)
	at, released := cursor{index: 1}, uint64(0)
	payload := make([]byte, 56)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		q.append(Header{At: start, Feed: 1, Kind: 2}, payload)
		if n++; n%2048 == 0 {
			for p := q.at(&at); p != nil; p = q.at(&at) {
				at = at.after(len(p), at.index)
			}
			q.release(&released, at)
		}
	}
	if q.p.index != n+1 || q.dropped.Load() != 0 {
		b.Fatalf("index %d after %d entries, %d dropped", q.p.index, n, q.dropped.Load())
	}
}

// A journal on the disk, from Append to durable, entries of 56 bytes (mbo records) and of 360 (mbp-10). The
// entries are read and checked afterwards.
func BenchmarkJournal(b *testing.B) {
	for _, size := range []int{56, 360} {
		b.Run(fmt.Sprintf("%d", size), func(b *testing.B) {
			j, err := Open(Config{Dir: b.TempDir(), PlainSegments: 1 << 20, ReserveBytes: 1, SpillBytes: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, size)
			b.SetBytes(int64(size))
			b.ResetTimer()
			var last uint64
			var busy time.Duration
			for left := b.N; left > 0; left -= 1000 {
				from := time.Now()
				for range min(left, 1000) {
					binary.LittleEndian.PutUint64(payload, last+1)
					last, _ = j.Append(Header{At: start}, payload)
				}
				busy += time.Since(from)
				for j.queue.spilling() {
					time.Sleep(100 * time.Microsecond)
				}
			}
			waitDurable(b, j, last)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(busy.Nanoseconds())/float64(b.N), "ns/append")
			if s := j.Stats(); s.Entries != uint64(b.N) || s.Dropped != 0 {
				b.Fatalf("%+v", s)
			}
			r, err := j.NewReader()
			if err != nil {
				b.Fatal(err)
			}
			var e Entry
			for next := uint64(1); next <= last; next++ {
				if out, err := r.Next(&e); out != Ready || err != nil || binary.LittleEndian.Uint64(e.Payload) != next || len(e.Payload) != size {
					b.Fatalf("index %d: %d, %v", next, out, err)
				}
			}
			r.Close()
			if err := j.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	dir := b.TempDir()
	j, err := Open(Config{Dir: dir, PlainSegments: 100, ReserveBytes: 1})
	if err != nil {
		b.Fatal(err)
	}
	const n = 1_000_000
	payload := make([]byte, 56)
	for i := range uint64(n) {
		binary.LittleEndian.PutUint64(payload, i+1)
		j.Append(Header{At: start}, payload)
	}
	waitDurable(b, j, n)
	b.SetBytes(n * 56)
	b.ReportAllocs()
	for b.Loop() {
		r, err := j.NewReader()
		if err != nil {
			b.Fatal(err)
		}
		var e Entry
		sum := uint64(0)
		for out, err := r.Next(&e); out == Ready && err == nil; out, err = r.Next(&e) {
			sum += binary.LittleEndian.Uint64(e.Payload)
		}
		if sum != n*(n+1)/2 {
			b.Fatalf("sum %d", sum)
		}
		r.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	if err := j.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
