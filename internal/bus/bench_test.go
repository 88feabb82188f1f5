package bus

import (
	"fmt"
	"sync"
	"testing"
)

// benchHeader and benchPayload make an entry of 80 bytes: a header and an mbo record.
var benchHeader = Header{At: 1, Instrument: 2, Tag: Tag{Schema: 3, Kind: 4, Feed: 5}}

const benchPayloadBytes = 56

func benchRing(b *testing.B) *Ring {
	r, err := New(DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	if got := entryBytes(benchPayloadBytes); got != 80 {
		b.Fatalf("an entry takes %d bytes, want 80", got)
	}
	return r
}

// BenchmarkAppend: one operation is one entry appended, with its share of a Publish.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			r := benchRing(b)
			payload := make([]byte, benchPayloadBytes)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				r.Append(benchHeader, payload)
				if n++; n%batch == 0 {
					r.Publish()
				}
			}
			r.Publish()
			if got := r.Stats().Entries; got != uint64(n) {
				b.Fatalf("published %d entries, want %d", got, n)
			}
		})
	}
}

// BenchmarkNext: one operation is one entry read.
func BenchmarkNext(b *testing.B) {
	r := benchRing(b)
	payload := make([]byte, benchPayloadBytes)
	const entries = 20000
	for i := range entries {
		payload[0] = byte(i)
		r.Append(benchHeader, payload)
	}
	r.Publish()
	reader, err := r.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	reader.Seek(r.Oldest())
	b.ReportAllocs()
	var e Entry
	for b.Loop() {
		if reader.Next(&e) == Empty {
			reader.Seek(r.Oldest())
			reader.Next(&e)
		}
		if e.Payload[0] != byte(e.Index) || e.Instrument != 2 {
			b.Fatalf("read %+v", e)
		}
	}
}

// BenchmarkReaders: one operation is one entry written while readers follow as fast as they can;
// every entry is either read or counted as lost.
func BenchmarkReaders(b *testing.B) {
	for _, readers := range []int{1, 4} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			r := benchRing(b)
			var wg sync.WaitGroup
			read, lost := make([]uint64, readers), make([]uint64, readers)
			for i := range readers {
				wake := make(chan struct{}, 1)
				reader, err := r.NewReader(func() {
					select {
					case wake <- struct{}{}:
					default:
					}
				})
				if err != nil {
					b.Fatal(err)
				}
				wg.Go(func() {
					defer reader.Close()
					var e Entry
					for {
						switch reader.Next(&e) {
						case Ready:
							read[i]++
							if e.Kind == 255 {
								return
							}
						case Lapped:
							lost[i] += reader.Skip(r.Oldest())
						case Empty:
							if reader.Sleep() {
								<-wake
							}
						}
					}
				})
			}
			payload := make([]byte, benchPayloadBytes)
			n := uint64(0)
			for b.Loop() {
				r.Append(benchHeader, payload)
				if n++; n%32 == 0 {
					r.Publish()
					r.Wake()
				}
			}
			r.Append(Header{Tag: Tag{Kind: 255}}, nil)
			r.Publish()
			r.Wake()
			wg.Wait()
			total := uint64(0)
			for i := range readers {
				if read[i]+lost[i] != n+1 {
					b.Fatalf("reader %d read %d and lost %d of %d entries", i, read[i], lost[i], n+1)
				}
				total += read[i]
			}
			b.ReportMetric(float64(total)/float64(readers)/float64(n+1), "read/entry")
		})
	}
}
