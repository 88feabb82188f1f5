//go:build linux

package lines

import (
	"fmt"
	"path/filepath"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/market"
	"tidegate/sinks/capture"
)

// records is a sink that derives records, as those of subscribers are.
type records struct {
	deriver derive.Deriver
	out     []byte
}

func newRecords(t testing.TB, schema dbn.Schema) *records {
	t.Helper()
	d, err := derive.New(schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &records{deriver: d}
}

func (s *records) OnEvents(e []market.Event, b gateway.Books) {
	s.out = s.deriver.OnEvents(s.out, e, b)
}

func (s *records) OnFacts(f *market.Facts) { s.out = s.deriver.OnFacts(s.out, f) }
func (s *records) OnGap(arbiter.Gap)       {}
func (s *records) OnTime(now market.Nanos) { s.out = s.deriver.OnTime(s.out, now) }
func (s *records) OnEpoch(arbiter.Epoch)   {}

// From the datagram in the kernel to the record of the published event, and to the recorder's queue,
// nothing allocates.
func TestLoopDoesNotAllocate(t *testing.T) {
	for _, split := range []bool{false, true} {
		t.Run(fmt.Sprintf("split %t", split), func(t *testing.T) { testLoopDoesNotAllocate(t, split) })
	}
}

// turn is one round of both threads of a loop, on this one.
func turn(l *Loop) error {
	if !l.cfg.Split {
		return l.turn()
	}
	err := l.receiveTurn()
	l.drain()
	l.wakeReaders()
	return err
}

func testLoopDoesNotAllocate(t *testing.T, split bool) {
	sink := newRecords(t, dbn.SchemaMBO)
	recorder, err := capture.Create(capture.Config{Path: filepath.Join(t.TempDir(), "x.pcap")})
	if err != nil {
		t.Fatal(err)
	}
	var published int
	l, to := open(t, Config{
		Split: split,
		Feeds: []Feed{unicast("one", pipeline(t, sink), 2)},
		Publish: func() {
			published += len(sink.out)
			sink.out = sink.out[:0]
		},
		OnTick: func(market.Nanos) {},
		Wake:   func() {},
		Tap:    recorder.Tap,
	})
	const warm, burst, rounds = 20_000, 100, 50
	all := packets(t, warm+burst*(rounds+1))
	pass := func(n int) {
		send(t, to[0], all[:n]...)
		send(t, to[1], all[:n]...)
		all = all[n:]
		for busy := true; busy; {
			before := l.in.counts.batches
			if err := turn(l); err != nil {
				t.Fatal(err)
			}
			busy = l.in.counts.batches != before
		}
	}
	for range warm / burst {
		pass(burst) // books grow, memory is taken
	}
	published = 0
	if n := testing.AllocsPerRun(rounds, func() { pass(burst) }); n != 0 {
		t.Errorf("%d datagrams allocate %.1f times, want 0", 2*burst, n)
	}
	if got, want := l.Stats().packets(), uint64(2*(warm+burst*(rounds+1))); got != want {
		t.Errorf("%d datagrams were read, want %d", got, want)
	}
	if published == 0 {
		t.Error("nothing was published")
	}
}
