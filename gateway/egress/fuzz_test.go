package egress

import (
	"testing"

	"tidegate/internal/bus"
	"tidegate/market"
)

// Whatever a client sends, authenticated or not, in whatever pieces, the loop goes on, keeps little,
// and ends without anything left.
func FuzzClient(f *testing.F) {
	w := newWorld(f, bus.Config{Chunks: 4, ChunkBytes: 1 << 12}, 20*market.Second)
	w.steps(100)
	for _, seed := range []string{
		"", "auth=0\n", "start_session\n", "start_session=0\nstart_session\n",
		"schema=mbo|stype_in=raw_symbol|symbols=ALFA,NONE|snapshot=1|id=9\nstart_session=\nschema=trades|symbols=BRVO\n",
		"schema=mbp-1|symbols=ALL_SYMBOLS\nstart_session\nschema=mbp-10|symbols=ALFA|start=0\n",
		"schema=status|stype_in=instrument_id|symbols=1,4294967295,x|is_last=0\nschema=status|stype_in=instrument_id|symbols=2\nstart_session\n",
		"schema=mbo|symbols=ALFA|start=2020-01-01T00:00:00Z\nstart_session\n",
	} {
		f.Add([]byte(seed), true, uint8(3))
		f.Add([]byte(seed), false, uint8(255))
	}
	f.Fuzz(func(t *testing.T, input []byte, known bool, piece uint8) {
		b := newBench(t, w, nil)
		b.world.t = t
		c := b.dial()
		if known {
			c.auth("|ts_out=1")
		}
		for len(input) > 0 {
			n := min(len(input), int(piece)+1)
			c.session.onBytes(input[:n], b.time)
			input = input[n:]
			b.settle()
		}
		w.stream.Serve(w.now)
		w.ring.Publish()
		w.ring.Wake()
		b.settle()
		for range 4 {
			b.after(market.Second)
			b.after(31 * market.Second)
		}
		if known && c.session.state == streaming {
			c.metadata()
			c.records()
		}
		c.Close()
		o := b.loop.outlets[dataset]
		if len(b.loop.sessions)+len(o.cohorts)+len(b.loop.followers[0].solo)+b.loop.followers[0].following != 0 {
			t.Error("something is left of a closed session")
		}
		if a := b.loop.admission; a.connections != 0 || len(a.sessions) != 0 {
			t.Errorf("%d connections and %d sessions are left", a.connections, len(a.sessions))
		}
	})
}
