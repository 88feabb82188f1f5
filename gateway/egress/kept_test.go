package egress

import (
	"context"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/history"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// A keeper puts what a world publishes into a journal, as the gateway's does.
type keeper struct {
	w       *world
	journal *journal.Journal
	reader  *bus.Reader
	marks   *history.Marks
	live    history.Live
	schemas []dbn.Schema
	wanted  map[dbn.Schema]bool
	met     int
	history *history.History
	do      func(func()) // on the goroutine of the world
}

const feedName = "sim"

// keep has a world keep a journal from now on.
func (w *world) keep(dir string, schemas ...dbn.Schema) *keeper {
	w.t.Helper()
	k := &keeper{w: w, wanted: make(map[dbn.Schema]bool), do: func(f func()) { f() }}
	k.schemas = schemas
	for _, s := range schemas {
		k.wanted[s] = true
		if err := w.stream.Want(s); err != nil {
			w.t.Fatal(err)
		}
	}
	var err error
	if k.journal, err = journal.Open(journal.Config{
		Dir: dir, CommitEvery: w.commitEvery, QueueBytes: 1 << 20, SpillBytes: 64 << 20, SegmentBytes: 2 << 20, ReserveBytes: 1, PlainSegments: 1,
	}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(k.close)
	if k.reader, err = w.ring.NewReader(nil); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(k.reader.Close)
	k.marks = history.NewMarks(w.ring.Stats().MemoryBytes, k.journal.DurableIndex()+1)
	k.live.Marks = func(f func(*history.Marks)) error { k.do(func() { f(k.marks) }); return nil }
	k.history = history.New(history.Config{
		Dir: dir, Open: k.journal.NewReader, Schemas: schemas, Feeds: []string{"", "", "", feedName},
		Epoch: k.journal.Epoch(), Live: &k.live,
	})
	e := entry.Feed{Publisher: market.Simulated.ID, Name: feedName}
	k.insert(entry.KindFeed, e.Append(nil))
	k.insert(entry.KindRecord, history.AppendKept(nil, schemas, 1))
	w.keeper = k
	k.follow()
	return k
}

func (k *keeper) insert(kind uint8, payload []byte) (index uint64) {
	index, _ = k.journal.Append(journal.Header{At: k.w.now, Feed: 3, Kind: kind}, payload)
	k.marks.Inserted()
	return index
}

// follow keeps what was published.
func (k *keeper) follow() {
	if k == nil {
		return
	}
	var e bus.Entry
	for {
		if k.marks.Due() {
			k.marks.Begin(k.reader.Cursor())
		}
		if k.reader.Next(&e) != bus.Ready {
			return
		}
		kept := e.Kind == stream.Record && k.wanted[dbn.Schema(e.Schema)]
		if kept {
			k.journal.Append(journal.Header{At: e.At, Feed: history.FeedOf(e.Feed, dbn.Schema(e.Schema), k.schemas), Kind: entry.KindRecord}, e.Payload)
		}
		k.marks.Passed(kept)
		if e.Kind == stream.Instrument {
			in := &k.w.stream.Directory().All()[k.met]
			k.met++
			index := k.insert(entry.KindRecord, history.AppendMet(nil, in.ID, in.Symbol, e.At))
			k.live.Catalog.Add(history.Met{Index: index, Feed: 3, Instrument: in.ID, Symbol: in.Symbol})
		}
	}
}

func (k *keeper) close() {
	if err := k.journal.Close(context.Background()); err != nil {
		k.w.t.Errorf("close journal: %v", err)
	}
}

// durable waits until everything is on the disk.
func (k *keeper) durable() {
	k.w.t.Helper()
	for end := time.Now().Add(time.Minute); k.journal.DurableIndex()+1 < k.marks.Next(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			k.w.t.Fatalf("durable up to %d, want %d", k.journal.DurableIndex(), k.marks.Next()-1)
		}
	}
}

// restart ends the world's gateway and begins another that joins the venue where it is.
func (w *world) restart(ring bus.Config) *world {
	w.t.Helper()
	n := &world{t: w.t, feed: w.feed, now: w.now}
	var err error
	if n.ring, err = bus.New(ring); err != nil {
		w.t.Fatal(err)
	}
	if n.stream, err = stream.New(stream.Config{Feed: 3, Ring: n.ring, SnapshotOrders: 100}); err != nil {
		w.t.Fatal(err)
	}
	if n.pipeline, err = gateway.New(w.pipeline.Config(), n.stream); err != nil {
		w.t.Fatal(err)
	}
	n.stream.Attach(n.pipeline)
	return n
}

// benchOf is a bench whose world keeps a journal.
func benchOf(t tester, w *world, change func(*Config)) *bench {
	b := newBench(t, w, func(c *Config) {
		c.Feeds[0].History, c.Feeds[0].Name = w.keeper.history, feedName
		if change != nil {
			change(c)
		}
	})
	b.time = 1_800_000_000 * market.Second // after everything that the venue does
	b.loop.cold = func(job func()) { job() }
	b.loop.post = func(f func(market.Nanos)) { b.posted = append(b.posted, f) }
	return b
}

// replayed lets time pass until sessions have what they asked for. between, if set, is done meanwhile.
func (b *bench) replayed(between func(), of ...*wire) {
	b.t.Helper()
	pending := func() bool {
		for _, c := range of {
			if c.session.replay != nil {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(time.Minute); pending(); {
		if time.Now().After(end) {
			r := of[0].session.replay
			b.t.Fatalf("a replay does not end: phase %d, busy %t, %d blocks, end %t, next %d of %d, durable %d", r.phase, r.busy, len(r.blocks), r.end, r.next, b.keeper.marks.Next(), b.keeper.journal.DurableIndex())
		}
		if between != nil {
			between()
		}
		b.after(market.Millisecond)
		time.Sleep(100 * time.Microsecond) // the disk
	}
	b.after(market.Millisecond)
}

func journalHeader(at market.Nanos) journal.Header { return journal.Header{At: at, Feed: 3} }
