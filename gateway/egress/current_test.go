package egress

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/codec/dbn"
	"tidegate/internal/bus"
	"tidegate/market"
)

// keeping has a server begin subscriptions with what is current.
func keeping(w *world) func(*Config) {
	return func(c *Config) { c.Feeds[0].Current = w.stream.Current }
}

// publish publishes statuses, each with a time of its own, and returns their records.
func (w *world) publish(from int, ids ...market.InstrumentID) (records []string) {
	f := &market.Facts{}
	for i, id := range ids {
		at := market.Nanos(from + i + 1)
		s := market.Status{Instrument: id, TsEvent: at, TsRecv: at, Action: market.StatusTrading}
		f.Statuses = append(f.Statuses, s)
		r := dbn.StatusOf(&s)
		records = append(records, string(r.Append(nil)))
	}
	w.stream.OnFacts(f)
	w.ring.Publish()
	w.ring.Wake()
	return records
}

// Who subscribes late to definitions and states first gets those that hold.
func TestLateSubscriberGetsWhatIsCurrent(t *testing.T) {
	w := newWorld(t, bus.DefaultConfig(), 20*market.Second)
	b := newBench(t, w, keeping(w))
	b.steps(50)
	n := len(w.stream.Directory().All())
	all := b.dial().auth("").say("schema=definition|symbols=ALL_SYMBOLS|id=1", "start_session")
	all.metadata()
	got := all.records()
	for i, r := range got {
		want := dbn.RTypeDefinition
		switch {
		case i == 0:
			want = dbn.RTypeSystem
		case i <= n:
			want = dbn.RTypeSymbolMapping
		}
		if r.RType != want {
			t.Errorf("record %d is %s, want %s", i, describe(r), want)
		}
	}
	if len(got) != 1+2*n || all.session.records != uint64(n) || !all.session.live {
		t.Errorf("%d records, %d counted, live %t, of %d instruments", len(got), all.session.records, all.session.live, n)
	}
	one := b.dial().auth("|ts_out=1").say("start_session")
	one.metadata()
	one.say("schema=status|symbols=BRVO,NONE|id=2")
	wantTold(t, one.told(), `system 1: Subscription request 2 for status data succeeded
mapping 2: raw_symbol BRVO is BRVO
error 4 (1): Failed to resolve symbol: NONE
status x1`)
	b.publish(1e6, 1, 2, 3, 2)
	b.settle()
	wantTold(t, one.told(), "status x2")
	none := b.dial().auth("").say("schema=imbalance|symbols=BRVO|id=3", "start_session")
	none.metadata()
	wantTold(t, none.told(), "system 1: Subscription request 3 for imbalance data succeeded\nmapping 2: raw_symbol BRVO is BRVO")
}

// Whenever somebody subscribes, to whatever, whether the loop has read everything or not: first comes
// the latest of each instrument, then everything that follows, without a hole and nothing twice.
func TestCurrentThenLive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, bus.DefaultConfig(), market.Second)
		b := newBench(t, w, keeping(w))
		type subscriber struct {
			wire   *wire
			wanted []market.InstrumentID // nil: all
			before int                   // published when it subscribed
		}
		var log []string // records, all that were published
		var of []market.InstrumentID
		var subscribers []subscriber
		say := func(ids []market.InstrumentID) {
			log = append(log, b.publish(len(log), ids...)...)
			of = append(of, ids...)
		}
		say([]market.InstrumentID{1, 2, 3, 4, 5})
		ids := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 5), func(i int) market.InstrumentID { return market.InstrumentID(i) }), 1, 5)
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) { say(ids.Draw(t, "ids")) },
			"pass":    func(*rapid.T) { b.settle() },
			"subscribe": func(t *rapid.T) {
				s := subscriber{wire: b.dial().auth("")}
				if rapid.Bool().Draw(t, "unread") { // authentication made a pass
					say(ids.Draw(t, "ids"))
				}
				s.before = len(log)
				symbols := "ALL_SYMBOLS"
				if rapid.Bool().Draw(t, "some") {
					s.wanted = slices.Compact(slices.Sorted(slices.Values(ids.Draw(t, "wanted"))))
					var names []string
					for _, id := range s.wanted {
						names = append(names, fmt.Sprint("#", id)) // #0 does not resolve
					}
					symbols = strings.Join(names, ",")
					s.wanted = slices.DeleteFunc(s.wanted, func(id market.InstrumentID) bool { return id == 0 })
					if s.wanted == nil {
						s.wanted = []market.InstrumentID{}
					}
				}
				lines := []string{"schema=status|symbols=" + symbols, "start_session"}
				if rapid.Bool().Draw(t, "while streaming") {
					slices.Reverse(lines)
				}
				for _, line := range lines {
					s.wire.session.onBytes([]byte(line+"\n"), b.time)
				}
				subscribers = append(subscribers, s)
			},
		})
		b.settle()
		for i, s := range subscribers {
			s.wire.metadata()
			got := string(raw(s.wire.records()))
			wants := func(id market.InstrumentID) bool { return s.wanted == nil || slices.Contains(s.wanted, id) }
			fits := false
			for from := 0; from <= s.before && !fits; from++ { // where its own records begin
				want := ""
				for k := range log {
					if wants(of[k]) && (k >= from || !slices.Contains(of[k+1:from], of[k])) {
						want += log[k]
					}
				}
				fits = got == want
			}
			if !fits {
				t.Errorf("subscriber %d to %v, after %d of %d records: got %d", i, s.wanted, s.before, len(log), len(got)/40)
			}
		}
	})
}

// What a pass does for somebody who wants very much is bounded.
func TestCurrentIsToldBitByBit(t *testing.T) {
	w := newWorld(t, bus.Config{Chunks: 64, ChunkBytes: 1 << 16}, market.Second)
	b := newBench(t, w, func(c *Config) { keeping(w)(c); c.PassBytes = passBytesMin })
	const instruments = 3 * recallStep
	for id := market.InstrumentID(1); id <= instruments; id++ {
		w.publish(int(id), id)
	}
	c := b.dial().auth("").say("start_session")
	c.metadata()
	c.session.onBytes([]byte("schema=status|symbols=ALL_SYMBOLS\n"), b.time)
	passes := 0
	for ; b.armed == soon; passes++ {
		before := len(c.got)
		looked := 0
		if len(c.session.announcing) > 0 {
			looked = c.session.announcing[0].recall.back
		}
		b.armed = idle
		b.loop.pass(b.time)
		if n := len(c.got) - before; n > 2*passBytesMin {
			t.Fatalf("%d bytes in a pass", n)
		}
		if len(c.session.announcing) > 0 && looked-c.session.announcing[0].recall.back > recallStep {
			t.Fatalf("looked at %d records in a pass", looked-c.session.announcing[0].recall.back)
		}
	}
	if n := len(raw(c.records())) / 40; n != instruments || passes < 100 {
		t.Errorf("%d states of %d instruments, in %d passes", n, instruments, passes)
	}
}
