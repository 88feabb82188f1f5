package egress

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A pair is a world whose venue is heard by two feeds under two publishers, the second some datagrams
// later, and their consolidated dataset, all in one ring.
type pair struct {
	*bench
	second       *gateway.Pipeline
	late         *stream.Stream
	delayed      []venue.Datagram // on their way to the second feed
	consolidated *stream.Consolidated
}

const (
	bothDataset = "TIDE.CONS"
	delay       = 20 // datagrams
)

func newPair(t *testing.T) *pair {
	t.Helper()
	w := newWorld(t, bus.DefaultConfig(), 3*market.Second)
	p := &pair{consolidated: stream.NewConsolidated(5, w.ring)}
	var err error
	if p.late, err = stream.New(stream.Config{Feed: 4, Ring: w.ring}); err != nil {
		t.Fatal(err)
	}
	conf := w.pipeline.Config()
	conf.Publisher = market.NasdaqBX
	if p.second, err = gateway.New(conf, p.late); err != nil {
		t.Fatal(err)
	}
	p.late.Attach(p.second)
	for _, s := range []*stream.Stream{w.stream, p.late} {
		if err := p.consolidated.Join(s); err != nil {
			t.Fatal(err)
		}
	}
	p.bench = newBench(t, w, func(c *Config) {
		c.PassBytes = passBytesMin
		c.Feeds = append(c.Feeds, Feed{
			Dataset: bothDataset, Number: 5, Ring: w.ring, Directory: p.consolidated.Directory(),
			Schemas: stream.ConsolidatedSchemas(), Do: func(f func(Upstream)) { f(p.consolidated) },
		})
	})
	return p
}

// play publishes up to n datagrams of the venue, and after the last one of the day the intervals that
// are open. It reports whether the day goes on.
func (p *pair) play(n int) bool {
	for range n {
		d, ok := p.feed.Next()
		if ok {
			p.now = d.Time
			p.pipeline.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
			d.Payload = slices.Clone(d.Payload)
			if p.delayed = append(p.delayed, d); len(p.delayed) > delay {
				p.second.OnDatagram(arbiter.LineID(p.delayed[0].Line), d.Time, p.delayed[0].Payload)
				p.delayed = p.delayed[1:]
			}
		} else {
			p.pipeline.Flush()
			p.second.Flush()
			p.stream.OnTime(p.now + market.Minute)
			p.late.OnTime(p.now + market.Minute)
		}
		p.ring.Publish()
		p.ring.Wake()
		p.settle()
		if !ok {
			return false
		}
	}
	return true
}

func (p *pair) subscribe(schema dbn.Schema, stype, symbols string) *wire {
	request := fmt.Sprintf("schema=%s|stype_in=%s|symbols=%s", schema, stype, symbols)
	return p.dial().authTo(bothDataset, "").say(request, "start_session")
}

// Subscribers of a consolidated dataset get what was published, byte for byte, after the mappings of
// its own instrument ids: from the beginning and from the middle of the day, all symbols and some.
func TestConsolidatedRecordsAreThoseOfTheRing(t *testing.T) {
	for _, schema := range stream.ConsolidatedSchemas() {
		t.Run(schema.String(), func(t *testing.T) {
			p := newPair(t)
			tape := p.newTape()
			all := p.subscribe(schema, "raw_symbol", "ALL_SYMBOLS")
			two := p.subscribe(schema, "raw_symbol", "CHRL,ALFA")
			number := p.subscribe(schema, "instrument_id", "2")
			for range 6 {
				p.play(50)
				tape.roll(nil)
			}
			before := len(tape.records[schema])
			allLater := p.subscribe(schema, "raw_symbol", "ALL_SYMBOLS")
			twoLater := p.subscribe(schema, "raw_symbol", "CHRL,ALFA")
			for p.play(50) {
				tape.roll(nil)
			}
			tape.roll(nil)
			want := tape.records[schema]
			if len(want) == before {
				t.Fatal("nothing was published after the second subscriptions")
			}
			symbols := make(map[market.InstrumentID]string)
			ids := make(map[string]market.InstrumentID)
			for _, in := range p.consolidated.Directory().All() {
				symbols[in.ID], ids[in.Symbol] = in.Symbol, in.ID
			}
			only := func(records []byte, wanted ...market.InstrumentID) (some []byte) {
				for _, r := range parseAll(t, records) {
					if slices.Contains(wanted, r.InstrumentID) {
						some = append(some, r.Raw()...)
					}
				}
				return some
			}
			for _, c := range []struct {
				name string
				wire *wire
				want []byte
			}{
				{"all", all, want},
				{"two", two, only(want, ids["CHRL"], ids["ALFA"])},
				{"number", number, only(want, 2)},
				{"all, later", allLater, want[before:]},
				{"two, later", twoLater, only(want[before:], ids["CHRL"], ids["ALFA"])},
			} {
				if m := c.wire.metadata(); m.Dataset != bothDataset {
					t.Errorf("%s: metadata of %s", c.name, m.Dataset)
				}
				records := c.wire.records()
				told := make(map[market.InstrumentID]bool)
				for _, r := range records {
					switch r.RType {
					case dbn.RTypeSymbolMapping:
						var m dbn.SymbolMapping
						if err := m.Parse(r); err != nil {
							t.Fatal(err)
						}
						if symbols[m.InstrumentID] != m.SymbolOut {
							t.Errorf("%s: instrument %d is said to be %s, it is %s", c.name, m.InstrumentID, m.SymbolOut, symbols[m.InstrumentID])
						}
						told[m.InstrumentID] = true
					case dbn.RTypeSystem, dbn.RTypeError:
					default:
						if !told[r.InstrumentID] {
							t.Fatalf("%s: record of instrument %d before its mapping", c.name, r.InstrumentID)
						}
					}
				}
				equalBytes(t, c.name, raw(records), c.want)
			}
			wantBothPublishers(t, want)
		})
	}
}

func parseAll(t tester, records []byte) (all []dbn.Record) {
	for len(records) > 0 {
		r, err := dbn.ParseRecord(records, dbn.Version, false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		records = records[len(r.Raw()):]
	}
	return all
}

// wantBothPublishers looks for each publisher in the quotes of consolidated records of one schema.
func wantBothPublishers(t tester, records []byte) {
	seen := make(map[market.PublisherID]bool)
	for _, r := range parseAll(t, records) {
		var level dbn.ConsolidatedLevel
		var quote dbn.CMBP1
		var sample dbn.CBBO
		if err := quote.Parse(r); err == nil {
			level = quote.Level
		} else if err := sample.Parse(r); err == nil {
			level = sample.Level
		} else {
			t.Fatalf("record of type %s: %v", r.RType, err)
		}
		seen[level.BidPublisher], seen[level.AskPublisher] = true, true
	}
	if !seen[market.Simulated.ID] || !seen[market.NasdaqBX.ID] {
		t.Errorf("publishers in quotes: %v, want both", seen)
	}
}

// What a consolidated dataset does not have is refused, and closes no other session.
func TestConsolidatedHasNoOrders(t *testing.T) {
	p := newPair(t)
	p.play(300)
	good := p.subscribe(dbn.SchemaCMBP1, "raw_symbol", "ALL_SYMBOLS")
	for request, want := range map[string]string{
		"schema=mbo|snapshot=1|symbols=ALFA":    "dataset TIDE.CONS has no schema mbo",
		"schema=cmbp-1|snapshot=1|symbols=ALFA": `snapshot: schema "cmbp-1" has none, only mbo has`,
	} {
		c := p.dial().authTo(bothDataset, "").say(request, "start_session")
		c.metadata()
		if told := c.told(); !strings.Contains(told, want) {
			t.Errorf("%s: told\n%s\nwant %s", request, told, want)
		}
	}
	p.play(300)
	good.metadata()
	if told := good.told(); !strings.Contains(told, "cmbp-1 x") {
		t.Errorf("told\n%s", told)
	}
}
