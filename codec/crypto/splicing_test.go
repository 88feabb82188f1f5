package crypto_test

import (
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/codec/crypto/binance"
	"tidegate/codec/crypto/bitstamp"
	"tidegate/codec/crypto/bybit"
	"tidegate/codec/crypto/coinbase"
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/kraken"
	"tidegate/codec/crypto/okx"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// key is a level of a book that is kept the plain way.
type key struct {
	side  market.Side
	price market.Price
}

type plainBook map[key]market.Size

func (b plainBook) set(l depth.Level) {
	k := key{l.Side, l.Price}
	if l.Size == 0 {
		delete(b, k)
		return
	}
	b[k] = l.Size
}

// apply does what a published message says.
func (b plainBook) apply(m *depth.Message) {
	if m.Kind == depth.Snapshot {
		clear(b)
	}
	for _, l := range m.Levels {
		b.set(l)
	}
}

func level(side market.Side, price, size uint64) depth.Level {
	return depth.Level{
		Side: side, Price: market.Price(price) * market.PriceScale, Size: market.Size(size),
		PriceText: wire.Decimal{Mantissa: price}, SizeText: wire.Decimal{Mantissa: size},
	}
}

// A world is a venue that numbers its changes in its way, a network that loses deltas, and a client with a
// Splicer.
type world struct {
	t      *rapid.T
	number func(w *world, d *depth.Message, changes []int64) // numbers a delta
	step   int64                                             // most by which the number of a change grows

	id      int64 // of the last change
	last    int64 // Last of the last delta
	book    plainBook
	history map[int64]plainBook // after each change
	ids     []int64

	splicer *depth.Splicer
	client  plainBook
	asked   int // steps until the snapshot comes; 0: none is asked for
	m       depth.Message
}

// change makes a delta of some changes.
func (w *world) change() *depth.Message {
	d := &depth.Message{Kind: depth.Delta, Numbered: true}
	var ids []int64
	for range rapid.IntRange(1, 3).Draw(w.t, "changes") {
		side := rapid.SampledFrom([]market.Side{market.Bid, market.Ask}).Draw(w.t, "side")
		l := level(side, rapid.Uint64Range(1, 6).Draw(w.t, "price"), rapid.Uint64Range(0, 3).Draw(w.t, "size"))
		w.id += rapid.Int64Range(1, w.step).Draw(w.t, "number")
		w.book.set(l)
		w.history[w.id] = maps.Clone(w.book)
		w.ids = append(w.ids, w.id)
		ids = append(ids, w.id)
		d.Levels = append(d.Levels, l)
	}
	w.number(w, d, ids)
	w.last = d.Last
	return d
}

// snapshot is the book as of a change.
func (w *world) snapshot(id int64) *depth.Message {
	m := &depth.Message{Kind: depth.Snapshot, Numbered: true, First: id, Last: id}
	for k, size := range w.history[id] {
		m.Levels = append(m.Levels, level(k.side, uint64(k.price/market.PriceScale), uint64(size)))
	}
	return m
}

// offer gives the client a message, and compares its book with the venue's after all that it publishes.
func (w *world) offer(m *depth.Message) {
	w.m = *m
	w.m.Levels = slices.Clone(m.Levels)
	for o := w.splicer.Offer(&w.m, 7); o == depth.Publish; o = w.splicer.Next(&w.m, 7) {
		w.client.apply(&w.m)
		if at := w.splicer.At(); !maps.Equal(w.client, w.history[at]) {
			w.t.Fatalf("at %d the client has %v, the venue had %v", at, w.client, w.history[at])
		}
	}
}

// run lets the world turn; the last steps are without faults, and at their end the client must be up to
// date.
func (w *world) run(requested bool) {
	const calm = 60
	for left := rapid.IntRange(calm, calm+150).Draw(w.t, "steps"); left > 0; left-- {
		faults := left > calm
		d := w.change()
		if lost := faults && rapid.IntRange(0, 19).Draw(w.t, "lost") == 0; !lost {
			w.offer(d)
		}
		if faults && rapid.IntRange(0, 39).Draw(w.t, "restart") == 0 {
			w.splicer.Restart(7)
			w.asked = 0
		}
		if _, waiting := w.splicer.Waiting(); waiting && w.asked == 0 {
			w.asked = rapid.IntRange(1, 6).Draw(w.t, "delay")
		}
		if w.asked == 0 {
			continue
		}
		if w.asked--; w.asked > 0 {
			continue
		}
		id := w.id
		if !requested {
			id = w.last // it stands in the stream
		} else if ago := rapid.IntRange(0, 8).Draw(w.t, "age"); faults && ago < len(w.ids) {
			id = w.ids[len(w.ids)-1-ago] // from a cache, in the middle of a delta
		}
		w.offer(w.snapshot(id))
	}
	w.offer(w.change())
	if since, waiting := w.splicer.Waiting(); waiting {
		w.t.Fatalf("still waiting, since %d: %+v", since, w.splicer.Counts())
	}
	if !maps.Equal(w.client, w.book) {
		w.t.Fatalf("the client has %v, the venue %v", w.client, w.book)
	}
}

// TestSplicing loses deltas, lets snapshots be old and connections break: a book that is published is
// always one that the venue had, and in the end the one that it has.
func TestSplicing(t *testing.T) {
	for _, c := range []struct {
		name   string
		config depth.SplicerConfig
		step   int64
		number func(w *world, d *depth.Message, ids []int64)
	}{
		{"binance spot", binance.SpotBook(), 1, func(_ *world, d *depth.Message, ids []int64) {
			d.First, d.Last = ids[0], ids[len(ids)-1]
		}},
		{"binance futures", binance.FuturesBook(), 3, func(w *world, d *depth.Message, ids []int64) {
			d.First, d.Last, d.Prev = ids[0], ids[len(ids)-1], w.last
		}},
		{"okx", okx.Book(), 3, func(w *world, d *depth.Message, ids []int64) {
			d.Last, d.Prev = ids[len(ids)-1], w.last
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				config := c.config
				if config.Requested {
					config.HeldMax = rapid.IntRange(1, 12).Draw(t, "held max")
					config.HeldLevelsMax = rapid.IntRange(3, 40).Draw(t, "held levels max")
				}
				splicer, err := depth.NewSplicer(config, 0)
				if err != nil {
					t.Fatal(err)
				}
				w := &world{
					t: t, number: c.number, step: c.step, splicer: splicer,
					book: plainBook{}, client: plainBook{}, history: map[int64]plainBook{0: {}},
				}
				w.run(config.Requested)
			})
		})
	}
}

// TestKrakenDepth has a venue that shows the best levels of its book only, and does not say which ones fall
// out behind. The client must have the same levels, and find the venue's checksum right.
func TestKrakenDepth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		depthMax := rapid.IntRange(1, 14).Draw(t, "depth")
		splicer, err := depth.NewSplicer(kraken.Book(depthMax), 0)
		if err != nil {
			t.Fatal(err)
		}
		full, client := plainBook{}, plainBook{}
		var shown plainBook
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				side := rapid.SampledFrom([]market.Side{market.Bid, market.Ask}).Draw(t, "side")
				full.set(level(side, rapid.Uint64Range(1, 20).Draw(t, "price"), rapid.Uint64Range(0, 9).Draw(t, "size")))
			}
			m := depth.Message{Kind: depth.Snapshot}
			now := best(full, depthMax)
			if step > 0 {
				m.Kind, m.Summed = depth.Delta, true
				for k := range shown {
					if _, there := full[k]; !there {
						m.Levels = append(m.Levels, level(k.side, uint64(k.price/market.PriceScale), 0))
					}
				}
			}
			for k, size := range now {
				if shown[k] != size || step == 0 {
					m.Levels = append(m.Levels, level(k.side, uint64(k.price/market.PriceScale), uint64(size)))
				}
			}
			m.Checksum = crc32.ChecksumIEEE([]byte(krakenText(now)))
			shown = now
			if o := splicer.Offer(&m, 0); o != depth.Publish {
				t.Fatalf("step %d: %v", step, o)
			}
			client.apply(&m)
			if !maps.Equal(client, now) {
				t.Fatalf("step %d: the client has %v, the venue shows %v", step, client, now)
			}
			if m.Summed && m.Check != depth.Matches {
				t.Fatalf("step %d: the checksum is not right: %v", step, now)
			}
		}
	})
}

// side returns the prices of a side, best first.
func (b plainBook) side(side market.Side) (prices []market.Price) {
	for k := range b {
		if k.side == side {
			prices = append(prices, k.price)
		}
	}
	slices.Sort(prices)
	if side == market.Bid {
		slices.Reverse(prices)
	}
	return prices
}

// best returns the best levels of each side.
func best(b plainBook, n int) plainBook {
	out := plainBook{}
	for _, side := range [...]market.Side{market.Bid, market.Ask} {
		prices := b.side(side)
		for _, p := range prices[:min(n, len(prices))] {
			out[key{side, p}] = b[key{side, p}]
		}
	}
	return out
}

func krakenText(b plainBook) string {
	var out strings.Builder
	for _, side := range [...]market.Side{market.Ask, market.Bid} {
		prices := b.side(side)
		for _, p := range prices[:min(10, len(prices))] {
			fmt.Fprint(&out, int64(p/market.PriceScale), uint64(b[key{side, p}]))
		}
	}
	return strings.ReplaceAll(out.String(), " ", "")
}

// rules are told step by step: each line offers a message to a Splicer.
func TestRules(t *testing.T) {
	type offer struct {
		kind              depth.Kind
		first, last, prev int64
		want              depth.Outcome
		next              string // outcomes of Next, until it says that nothing is held
	}
	const snapshot, delta = depth.Snapshot, depth.Delta
	for _, c := range []struct {
		name   string
		config depth.SplicerConfig
		offers []offer
	}{
		{"binance spot: from held deltas to a live book", binance.SpotBook(), []offer{
			{delta, 1, 3, 0, depth.Held, ""},
			{delta, 4, 6, 0, depth.Held, ""},
			{delta, 7, 9, 0, depth.Held, ""},
			{snapshot, 0, 5, 0, depth.Publish, "publish publish"},
			{delta, 10, 10, 0, depth.Publish, ""},
			{delta, 8, 10, 0, depth.Older, ""},
			{delta, 9, 12, 0, depth.Publish, ""}, // overlaps: absolute sizes
			{snapshot, 0, 11, 0, depth.Older, ""},
			{snapshot, 0, 20, 0, depth.Unasked, ""},
			{delta, 14, 15, 0, depth.Gap, ""},
			{delta, 16, 17, 0, depth.Held, ""},
			{snapshot, 0, 12, 0, depth.Stale, ""},
			{snapshot, 0, 13, 0, depth.Publish, "publish publish"},
		}},
		{"binance spot: a snapshot that is new enough for all that is held", binance.SpotBook(), []offer{
			{delta, 1, 3, 0, depth.Held, ""},
			{snapshot, 0, 3, 0, depth.Publish, ""},
			{delta, 4, 4, 0, depth.Publish, ""},
		}},
		{"binance spot: a gap among what is held", binance.SpotBook(), []offer{
			{delta, 1, 3, 0, depth.Held, ""},
			{delta, 6, 8, 0, depth.Held, ""},
			{snapshot, 0, 2, 0, depth.Publish, "publish gap"},
			{snapshot, 0, 4, 0, depth.Stale, ""},
			{snapshot, 0, 5, 0, depth.Publish, "publish"},
		}},
		{"binance spot: a snapshot without deltas, and then one too many is missing", binance.SpotBook(), []offer{
			{snapshot, 0, 5, 0, depth.Publish, ""},
			{delta, 7, 8, 0, depth.Gap, ""},
		}},
		{"binance futures: the first delta contains the snapshot, the others name the one before", binance.FuturesBook(), []offer{
			{delta, 10, 14, 9, depth.Held, ""},
			{delta, 20, 24, 14, depth.Held, ""},
			{delta, 30, 34, 24, depth.Held, ""},
			{snapshot, 0, 24, 0, depth.Publish, "publish publish"},
			{delta, 50, 51, 34, depth.Publish, ""},
			{delta, 50, 51, 34, depth.Older, ""},
			{delta, 60, 61, 52, depth.Gap, ""},
			{snapshot, 0, 59, 0, depth.Stale, ""}, // 60 is later
			{snapshot, 0, 60, 0, depth.Publish, "publish"},
		}},
		{"bitstamp: times", bitstamp.Book(), []offer{
			{delta, 100, 100, 0, depth.Held, ""},
			{delta, 200, 200, 0, depth.Held, ""},
			{delta, 300, 300, 0, depth.Held, ""},
			{snapshot, 99, 99, 0, depth.Stale, ""},
			{snapshot, 200, 200, 0, depth.Publish, "publish"},
			{delta, 300, 300, 0, depth.Publish, ""}, // of the same microsecond
			{delta, 299, 299, 0, depth.Older, ""},
		}},
		{"bybit: one after the other, and snapshots at any time", bybit.Book(), []offer{
			{delta, 8, 8, 0, depth.Early, ""},
			{snapshot, 10, 10, 0, depth.Publish, ""},
			{delta, 10, 10, 0, depth.Older, ""},
			{delta, 11, 11, 0, depth.Publish, ""},
			{snapshot, 1, 1, 0, depth.Publish, ""}, // restarted
			{delta, 2, 2, 0, depth.Publish, ""},
			{delta, 4, 4, 0, depth.Gap, ""},
			{delta, 5, 5, 0, depth.Early, ""},
			{snapshot, 9, 9, 0, depth.Publish, ""},
			{delta, 1, 1, 0, depth.Gap, ""}, // restarted, and no snapshot
		}},
		{"bybit version 2: numbers jump", bybit.Book(), []offer{
			{snapshot, 0, 100, 0, depth.Publish, ""},
			{delta, 0, 130, 0, depth.Publish, ""},
			{delta, 0, 130, 0, depth.Older, ""},
		}},
		{"okx: the chain", okx.Book(), []offer{
			{delta, 0, 5, 4, depth.Early, ""},
			{snapshot, 0, 10, -1, depth.Publish, ""},
			{delta, 0, 15, 10, depth.Publish, ""},
			{delta, 0, 15, 15, depth.Publish, ""}, // nothing changed for a minute
			{delta, 0, 3, 15, depth.Publish, ""},  // numbers began anew
			{delta, 0, 7, 3, depth.Publish, ""},
			{delta, 0, 9, 8, depth.Gap, ""},
		}},
		{"coinbase: whatever comes", coinbase.Book(), []offer{
			{delta, 0, 0, 0, depth.Early, ""},
			{snapshot, 0, 0, 0, depth.Publish, ""},
			{delta, 0, 0, 0, depth.Publish, ""},
			{snapshot, 0, 0, 0, depth.Publish, ""},
		}},
	} {
		s, err := depth.NewSplicer(c.config, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range c.offers {
			m := depth.Message{Kind: o.kind, Numbered: o.last != 0, First: o.first, Last: o.last, Prev: o.prev}
			if o.last != 0 {
				m.Levels = []depth.Level{level(market.Bid, 1, uint64(o.last))}
			}
			got := s.Offer(&m, 9)
			var next []string
			for n := got; n == depth.Publish; {
				if n = s.Next(&m, 9); n != depth.Nothing {
					next = append(next, n.String())
				}
			}
			if got != o.want || strings.Join(next, " ") != o.next {
				t.Errorf("%s: offer %d, %v of %d to %d: %v %v, want %v [%s]", c.name, i, o.kind, o.first, o.last, got, next, o.want, o.next)
			}
			_, waiting := s.Waiting()
			wantWaiting := got == depth.Held || got == depth.Early || got == depth.Gap || got == depth.Stale || strings.Contains(o.next, "gap")
			if waiting != wantWaiting {
				t.Errorf("%s: offer %d: waiting %t, want %t", c.name, i, waiting, wantWaiting)
			}
		}
	}
}
