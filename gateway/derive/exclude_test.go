package derive

import (
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// quoted is one publisher's books of one instrument.
type quoted struct{ bbo book.BBO }

func (q *quoted) BBO(market.InstrumentID) book.BBO { return q.bbo }
func (q *quoted) Levels(_ market.InstrumentID, _ market.Side, dst []book.Level) []book.Level {
	return dst
}

// excluded makes a market of a schema in which publisher 1 bids better than publisher 2, and shows it to their
// derivers.
func excluded(t *testing.T, schema dbn.Schema) (m *Market, derivers [2]Deriver) {
	t.Helper()
	m = NewMarket(NewNumbers(nil))
	for i := range derivers {
		d, err := New(schema, m.View(func(market.InstrumentID) string { return "SAME" }))
		if err != nil {
			t.Fatal(err)
		}
		derivers[i] = d
		bid := book.Level{Price: market.Price(200 - 10*i), Size: 5, Orders: 1}
		d.OnEvents(nil, []market.Event{{
			Publisher: market.PublisherID(i + 1), Instrument: 7, Action: market.Add, Side: market.Bid, Price: bid.Price, Size: 5,
			TsRecv: 1000, Flags: market.FlagLast,
		}}, &quoted{book.BBO{Bid: bid, Ask: book.EmptyBBO.Ask}})
	}
	return m, derivers
}

func record(t *testing.T, b []byte) dbn.Record {
	t.Helper()
	r, err := dbn.ParseRecord(b, dbn.Version, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExclude(t *testing.T) {
	m, _ := excluded(t, dbn.SchemaCMBP1)
	for _, c := range []struct {
		what string
		do   func([]byte, market.PublisherID, market.Nanos) []byte
		who  market.PublisherID
		best market.Price // 0: no record
	}{
		{"the better one goes", m.Exclude, 1, 190},
		{"again", m.Exclude, 1, 0},
		{"the other one goes too", m.Exclude, 2, market.UndefPrice},
		{"the better one is back", m.Include, 1, 200},
		{"the other one is back, and behind", m.Include, 2, 0},
		{"a stranger", m.Exclude, 9, 0},
	} {
		out := c.do(nil, c.who, 2000)
		if c.best == 0 {
			if len(out) != 0 {
				t.Errorf("%s: %d bytes, want none", c.what, len(out))
			}
			continue
		}
		var rec dbn.CMBP1
		if err := rec.Parse(record(t, out)); err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if rec.Level.BidPrice != c.best || rec.Action != market.None || rec.InstrumentID != 1 || rec.TsRecv != 2000 {
			t.Errorf("%s: %+v, want a bid of %d", c.what, rec, c.best)
		}
	}
}

// A sampled schema says at the end of its interval what the exclusion left.
func TestExcludeSampled(t *testing.T) {
	m, derivers := excluded(t, dbn.SchemaCBBO1s)
	derivers[0].OnTime(nil, market.Second)
	if out := m.Exclude(nil, 1, market.Second+1); len(out) != 0 {
		t.Errorf("%d bytes before the end of the interval", len(out))
	}
	var rec dbn.CBBO
	if err := rec.Parse(record(t, derivers[1].OnTime(nil, 2*market.Second))); err != nil {
		t.Fatal(err)
	}
	if rec.Level.BidPrice != 190 || rec.Level.BidPublisher != 2 {
		t.Errorf("%+v, want the bid of publisher 2", rec)
	}
}
