package providers_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// snapshot hands a snapshot of the venue to provider i's pipeline, in blocks, and returns the number of the
// message after it.
func (w *world) snapshot(i int) (next uint64) {
	w.t.Helper()
	messages, next := w.venue.Snapshot()
	var block []byte
	for n, m := range messages {
		block = binary.BigEndian.AppendUint16(block, uint16(len(m)))
		block = append(block, m...)
		if n%7 == 6 || n == len(messages)-1 {
			if err := w.pipelines[i].OnSnapshot(block); err != nil {
				w.t.Fatal(err)
			}
			block = block[:0]
		}
	}
	return next
}

func (w *world) begin(i int) {
	w.t.Helper()
	if err := w.pipelines[i].BeginRebuild(1 << 20); err != nil {
		w.t.Fatal(err)
	}
}

// TestSnapshotAfterGap: a book with a hole is replaced by a snapshot and what came since, and is right again.
func TestSnapshotAfterGap(t *testing.T) {
	for _, orders := range []int{4096, 10} { // refreshed at once, and over many ticks
		bubble(t, func(t *testing.T) {
			cfg := providers.DefaultConfig("venue")
			cfg.RefreshOrders = orders
			w := newWorld(t, 11, cfg)
			w.run(3 * market.Second)
			w.paths[0].lose = 5
			w.run(3 * market.Second)
			if !w.pipelines[0].Suspect() || w.out.gaps == 0 {
				t.Fatal("the loss left no gap")
			}
			w.begin(0)
			w.run(500 * ms)
			next := w.snapshot(0)
			w.run(500 * ms) // the stream is ahead of the snapshot now
			if err := w.pipelines[0].EndRebuild(next, w.now()); err != nil {
				t.Fatal(err)
			}
			w.run(market.Second)
			if c := w.pipelines[0].Rebuilds(); w.pipelines[0].Suspect() || c.Done != 1 || c.Applied == 0 || c.UnderWay {
				t.Errorf("suspect %v, %+v", w.pipelines[0].Suspect(), c)
			}
			w.settle()
		})
	}
}

// TestLateStart: a channel that is joined in the middle of its day publishes nothing before its snapshot, and
// the right books after it.
func TestLateStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 12, providers.DefaultConfig("venue"))
		w.paths[0].drop = true
		w.run(5 * market.Second)
		w.pipelines[0].Withhold(true, w.now())
		w.begin(0)
		w.paths[0].drop = false
		w.run(2 * market.Second)
		if w.out.events != 0 {
			t.Errorf("%d events before the snapshot", w.out.events)
		}
		next := w.snapshot(0)
		if err := w.pipelines[0].EndRebuild(next, w.now()); errors.Is(err, gateway.ErrSnapshotAhead) {
			w.run(100 * ms) // what the snapshot has is on the way
			err = w.pipelines[0].EndRebuild(next, w.now())
			if err != nil {
				t.Fatal(err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		w.run(2 * market.Second)
		w.settle()
	})
}

// TestNoSnapshot: when none can be had, what there is is published, marked.
func TestNoSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 13, providers.DefaultConfig("venue"))
		w.paths[0].drop = true
		w.run(5 * market.Second)
		w.pipelines[0].Withhold(true, w.now())
		w.paths[0].drop = false
		w.run(2 * market.Second)
		w.pipelines[0].Withhold(false, w.now())
		w.run(2 * market.Second)
		if w.out.events == 0 || w.out.flagged != w.out.events {
			t.Errorf("%d of %d events are marked", w.out.flagged, w.out.events)
		}
	})
}

// TestRebuildRefuses: snapshots that do not fit change nothing.
func TestRebuildRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 14, providers.DefaultConfig("venue"))
		w.run(3 * market.Second)
		p := w.pipelines[0]
		if err := p.OnSnapshot(nil); !errors.Is(err, gateway.ErrNoRebuild) {
			t.Errorf("a snapshot that nobody asked for: %v", err)
		}
		if err := p.EndRebuild(1, w.now()); !errors.Is(err, gateway.ErrNoRebuild) {
			t.Errorf("the end of nothing: %v", err)
		}

		old := w.snapshotNext()
		w.run(2 * market.Second)
		w.begin(0)
		w.run(market.Second)
		if err := p.EndRebuild(old, w.now()); !errors.Is(err, gateway.ErrSnapshotOld) {
			t.Errorf("a snapshot from before what was kept: %v", err)
		}

		w.begin(0)
		if err := p.EndRebuild(1<<40, w.now()); !errors.Is(err, gateway.ErrSnapshotAhead) {
			t.Errorf("a snapshot from the future: %v", err)
		}
		p.CancelRebuild()

		if err := p.BeginRebuild(1000); err != nil {
			t.Fatal(err)
		}
		w.run(2 * market.Second)
		next := w.snapshot(0)
		w.run(100 * ms)
		if err := p.EndRebuild(next, w.now()); !errors.Is(err, gateway.ErrRebuildKept) {
			t.Errorf("more than may be kept: %v", err)
		}

		// A gap within what was kept, behind the snapshot.
		w.begin(0)
		next = w.snapshot(0)
		w.run(500 * ms)
		w.paths[0].lose = 1
		w.run(3 * market.Second)
		if err := p.EndRebuild(next, w.now()); !errors.Is(err, gateway.ErrSnapshotOld) {
			t.Errorf("a gap behind the snapshot: %v", err)
		}
		c := p.Rebuilds()
		if c.Old != 2 || c.Kept != 1 || c.Done != 0 || c.Begun != 4 {
			t.Errorf("%+v", c)
		}
	})
}

// TestSnapshotInAQuietMarket: a provider that missed the last messages before the market became quiet is as good
// as the others when a snapshot has healed it.
func TestSnapshotInAQuietMarket(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 15, providers.DefaultConfig("venue", "vendor"))
		w.run(3 * market.Second)
		w.paths[0].drop = true
		w.run(market.Second)
		w.venue.Pause()
		w.run(100 * ms)
		w.paths[0].drop = false
		w.run(3 * market.Second) // heartbeats show the gap
		if l := w.feed.Ledger(); !w.pipelines[0].Suspect() || l.Providers[0].State == breaker.Closed {
			t.Fatalf("the loss does not show: %+v", l.Providers[0])
		}
		w.begin(0)
		if err := w.pipelines[0].EndRebuild(w.snapshot(0), w.now()); err != nil {
			t.Fatal(err)
		}
		w.run(4 * market.Second)
		if l := w.feed.Ledger(); l.Providers[0].State != breaker.Closed {
			t.Errorf("healed, and still %s, %s by %d", l.Providers[0].State, l.Providers[0].Reason, l.Providers[0].By)
		}
	})
}

// TestSnapshotAfterAnUnseenRestart: the publisher began again while nothing came, and its numbers had come nearly as
// far when something came again; so nobody noticed. What does not fit the books shows it, and a snapshot heals it,
// with orders that have the numbers of others.
func TestSnapshotAfterAnUnseenRestart(t *testing.T) {
	for _, orders := range []int{4096, 10} { // refreshed at once, and over many ticks
		bubble(t, func(t *testing.T) {
			cfg := providers.DefaultConfig("venue")
			cfg.RefreshOrders = orders
			w := newWorld(t, 18, cfg)
			w.run(2 * market.Second)
			before := w.venue.Position().Sent
			w.paths[0].drop = true
			w.restart(19)
			for w.venue.Position().Sent+500 < before {
				w.run(ms)
			}
			w.paths[0].drop = false
			w.run(3 * market.Second)
			if !w.pipelines[0].Suspect() {
				t.Fatal("two epochs fit together")
			}
			w.begin(0)
			w.run(10 * ms)
			next := w.snapshot(0)
			w.run(100 * ms)
			if err := w.pipelines[0].EndRebuild(next, w.now()); err != nil {
				t.Fatal(err)
			}
			w.run(market.Second)
			w.settle()
		})
	}
}

func (w *world) snapshotNext() uint64 {
	_, next := w.venue.Snapshot()
	return next
}
