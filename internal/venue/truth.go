package venue

import (
	"fmt"
	"net/netip"

	"tidegate/market"
)

// Truth is what a receiver of a feed should find, and what happened on the lines. It is complete
// when the feed has ended, and made for JSON: prices are in units of 1e-9, times in nanoseconds
// since the epoch. docs/replay.md explains the fields to those who read the JSON.
type Truth struct {
	Seed       uint64            `json:"seed"`
	Protected  bool              `json:"protected"` // every packet arrived on one line at least
	Messages   uint64            `json:"messages"`  // also the last sequence number
	ByType     map[string]uint64 `json:"messages_by_type"`
	LiveOrders int               `json:"live_orders"`
	Trades     map[string]Tally  `json:"trades_by_type"` // of the types E, C (printable), P and Q
	Books      []BookTruth       `json:"books"`
	Packets    PacketCounts      `json:"packets"`
	Lines      []LineTruth       `json:"lines"`
}

// BookTruth is one instrument at the end.
type BookTruth struct {
	Instrument market.InstrumentID `json:"instrument"` // the stock locate code
	Symbol     string              `json:"symbol"`
	Bids       []Level             `json:"bids"` // best first
	Asks       []Level             `json:"asks"` // best first
	Trades     Tally               `json:"trades"`
}

// LineTruth is what one line did.
type LineTruth struct {
	Name   string         `json:"name"`
	Source netip.AddrPort `json:"source"`
	Group  netip.AddrPort `json:"group"`
	LineCounts
}

// Truth returns what is true of the feed so far. Before Next has returned false, the exchange is
// ahead of what the lines delivered.
func (f *Feed) Truth() Truth {
	x := f.exchange
	t := Truth{
		Seed:       f.cfg.Market.Seed,
		Protected:  f.cfg.Protected,
		Messages:   x.Messages(),
		ByType:     make(map[string]uint64),
		LiveOrders: x.LiveOrders(),
		Trades:     make(map[string]Tally),
		Packets:    f.sender.Counts(),
	}
	for kind, count := range x.out.counts {
		if count > 0 {
			t.ByType[string(rune(kind))] = count
		}
		if tally := x.out.trades[kind]; tally.Count > 0 {
			t.Trades[string(rune(kind))] = tally
		}
	}
	for _, in := range x.Instruments() {
		t.Books = append(t.Books, BookTruth{
			Instrument: in.ID,
			Symbol:     in.Symbol,
			Bids:       x.Levels(in.ID, market.Bid),
			Asks:       x.Levels(in.ID, market.Ask),
			Trades:     x.Trades(in.ID),
		})
	}
	for i, counts := range f.lines.Counts() {
		l := f.cfg.Lines[i]
		t.Lines = append(t.Lines, LineTruth{Name: l.Name, Source: l.Source, Group: l.Group, LineCounts: counts})
	}
	if f.sender.pitch != nil {
		f.sender.pitch.truth(&t)
	}
	return t
}

// A CaptureWriter records datagrams, as a capture file's writer does. The payload is valid only
// during the call.
type CaptureWriter interface {
	Write(ts market.Nanos, src, dst netip.AddrPort, payload []byte) error
}

// WriteCaptures runs a feed to its end and writes what each line delivers to the line's capture, in
// order of arrival. There must be as many captures as lines; one capture may be given for several
// lines.
func WriteCaptures(cfg FeedConfig, captures ...CaptureWriter) (Truth, error) {
	if len(captures) != len(cfg.Lines) {
		return Truth{}, fmt.Errorf("venue: captures: %d for %d lines: want one for each", len(captures), len(cfg.Lines))
	}
	feed, err := NewFeed(cfg)
	if err != nil {
		return Truth{}, err
	}
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		l := cfg.Lines[d.Line]
		if err := captures[d.Line].Write(d.Time, l.Source, l.Group, d.Payload); err != nil {
			return Truth{}, fmt.Errorf("venue: capture of line %s: %w", l.Name, err)
		}
	}
	return feed.Truth(), nil
}
