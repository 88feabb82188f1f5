package stream_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// twin is a stream beside plain derivers that see every event and every tick.
type twin struct {
	*stream.Stream
	derivers map[dbn.Schema]derive.Deriver
	want     map[dbn.Schema][]byte
}

func (w *twin) OnEvents(events []market.Event, books gateway.Books) {
	for s, d := range w.derivers {
		w.want[s] = d.OnEvents(w.want[s], events, books)
	}
	w.Stream.OnEvents(events, books)
}

func (w *twin) OnFacts(f *market.Facts) {
	for s, d := range w.derivers {
		w.want[s] = d.OnFacts(w.want[s], f)
	}
	w.Stream.OnFacts(f)
}

func (w *twin) OnTime(now market.Nanos) {
	for s, d := range w.derivers {
		w.want[s] = d.OnTime(w.want[s], now)
	}
	w.Stream.OnTime(now)
}

// datagram is one of a load.
type datagram struct {
	line    arbiter.LineID
	at      market.Nanos
	payload []byte
}

// A stream does not show every deriver every event. What it publishes is the same.
func TestStreamAgreesWithDerivers(t *testing.T) {
	for _, load := range []struct {
		feed      gateway.Feed
		datagrams []datagram
	}{{gateway.ITCH, itchLoad(t)}, {gateway.DEEP, deepLoad(1)}, {gateway.DEEP, deepLoad(2)}} {
		ring, err := bus.New(bus.Config{Chunks: 64, ChunkBytes: 1 << 16})
		if err != nil {
			t.Fatal(err)
		}
		reader, err := ring.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		w := &twin{derivers: make(map[dbn.Schema]derive.Deriver), want: make(map[dbn.Schema][]byte)}
		if w.Stream, err = stream.New(stream.Config{Ring: ring}); err != nil {
			t.Fatal(err)
		}
		for _, s := range derive.Schemas() {
			d, err := derive.New(s, nil)
			if err != nil {
				continue // consolidated
			}
			w.derivers[s] = d
			if err := w.Want(s); err != nil {
				t.Fatal(err)
			}
		}
		p, err := gateway.New(gateway.DefaultConfig(load.feed), w)
		if err != nil {
			t.Fatal(err)
		}
		w.Attach(p)
		got := make(map[dbn.Schema][]byte)
		drain := func() {
			ring.Publish()
			var e bus.Entry
			for reader.Next(&e) == bus.Ready {
				if e.Kind == stream.Record {
					got[dbn.Schema(e.Schema)] = append(got[dbn.Schema(e.Schema)], e.Payload...)
				}
			}
		}
		for _, d := range load.datagrams {
			p.OnTick(d.at)
			p.OnDatagram(d.line, d.at, d.payload)
			drain()
		}
		p.OnTick(load.datagrams[len(load.datagrams)-1].at + 2*market.Day)
		drain()
		if err := p.Balanced(); err != nil {
			t.Error(err)
		}
		for s, want := range w.want {
			if !bytes.Equal(got[s], want) {
				t.Errorf("%s: schema %s: %d bytes of records, want %d, or others", load.feed, s, len(got[s]), len(want))
			}
		}
		for _, s := range []dbn.Schema{dbn.SchemaMBO, dbn.SchemaBBO1s, dbn.SchemaBBO1m, dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1d, dbn.SchemaMBP1} {
			if len(got[s]) < 100 {
				t.Errorf("%s: schema %s: %d bytes of records: nothing was compared", load.feed, s, len(got[s]))
			}
		}
	}
}

// itchLoad is a simulated venue on two lines.
func itchLoad(t *testing.T) (load []datagram) {
	t.Helper()
	cfg := venue.DefaultFeedConfig(11)
	cfg.Market.Trading, cfg.Market.Halts = 20*market.Second, nil
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		load = append(load, datagram{arbiter.LineID(d.Line), d.Time, bytes.Clone(d.Payload)})
	}
	return load
}

// deepLoad is DEEP with events of several messages, in which the best prices go and come back, and
// which overlap: IEX does not do that, but nothing here may depend on it.
func deepLoad(seed uint64) (load []datagram) {
	r := rand.New(rand.NewPCG(seed, 0))
	now := 1_600_000_000 * market.Second
	for seq := uint64(1); seq < 20_000; {
		now += market.Nanos(r.Int64N(int64(30 * market.Millisecond)))
		var messages [][]byte
		for range 1 + r.IntN(4) {
			messages = append(messages, deepMessage(r, now))
		}
		load = append(load, datagram{arbiter.LineA, now, iexSegment(seq, now, messages)})
		seq += uint64(len(messages))
	}
	return load
}

// deepMessage returns a price level update or a trade report of one of three symbols. See IEX DEEP 1.08.
func deepMessage(r *rand.Rand, now market.Nanos) []byte {
	b := make([]byte, 30)
	b[0] = "855858T"[r.IntN(7)]
	if b[0] == 'T' {
		b = make([]byte, 38)
		b[0] = 'T'
	} else if r.IntN(3) > 0 {
		b[1] = 1 // the event is complete
	}
	le := binary.LittleEndian
	le.PutUint64(b[2:], uint64(now))
	copy(b[10:18], []string{"AAA     ", "BBB     ", "CCC     "}[r.IntN(3)])
	le.PutUint32(b[18:], uint32(r.IntN(4)*100)) // 0 takes the level away
	le.PutUint64(b[22:], uint64(1_000_000+100*r.IntN(6)))
	return b
}

// iexSegment returns a segment of DEEP 1.0. See IEX Transport Specification 1.25.
func iexSegment(seq uint64, now market.Nanos, messages [][]byte) []byte {
	le := binary.LittleEndian
	var block []byte
	for _, m := range messages {
		block = append(le.AppendUint16(block, uint16(len(m))), m...)
	}
	b := le.AppendUint16([]byte{1, 0}, 0x8004)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, 77)
	b = le.AppendUint16(b, uint16(len(block)))
	b = le.AppendUint16(b, uint16(len(messages)))
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, seq)
	b = le.AppendUint64(b, uint64(now))
	return append(b, block...)
}
