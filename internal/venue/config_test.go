package venue

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"tidegate/market"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := DefaultFeedConfig(1).Validate(); err != nil {
		t.Error(err)
	}
	cfg := DefaultConfig(1)
	cfg.Listings, cfg.Halts = Listings(listingsMax), nil
	if err := cfg.Validate(); err != nil {
		t.Errorf("as many listings as there are locate codes: %v", err)
	}
}

func TestValidateExplains(t *testing.T) {
	for _, test := range []struct {
		want   string // in the error
		change func(c *FeedConfig)
	}{
		{"midnight", func(c *FeedConfig) { c.Market.Midnight = -1 }},
		{"midnight", func(c *FeedConfig) { c.Market.Midnight = math.MaxInt64 }},
		{"pre-open", func(c *FeedConfig) { c.Market.PreOpen = 0 }},
		{"open", func(c *FeedConfig) { c.Market.Open = market.Second }},
		{"open", func(c *FeedConfig) { c.Market.Open = market.Day }},
		{"trading", func(c *FeedConfig) { c.Market.Trading = 0 }},
		{"trading", func(c *FeedConfig) { c.Market.Trading = market.Day }},
		{"rate", func(c *FeedConfig) { c.Market.Rate = 0 }},
		{"listings", func(c *FeedConfig) { c.Market.Listings = nil }},
		{"listings", func(c *FeedConfig) { c.Market.Listings = make([]Listing, listingsMax+1) }},
		{"symbol", func(c *FeedConfig) { c.Market.Listings[1].Symbol = "" }},
		{"symbol", func(c *FeedConfig) { c.Market.Listings[1].Symbol = "NINECHARS" }},
		{"symbol", func(c *FeedConfig) { c.Market.Listings[1].Symbol = "alfa" }},
		{"listed already", func(c *FeedConfig) { c.Market.Listings[1].Symbol = "ALFA" }},
		{"tick", func(c *FeedConfig) { c.Market.Listings[1].Tick = 1 }},
		{"reference", func(c *FeedConfig) { c.Market.Listings[1].Reference++ }},
		{"reference", func(c *FeedConfig) { c.Market.Listings[1].Reference = c.Market.Listings[1].Tick }},
		{"reference", func(c *FeedConfig) { c.Market.Listings[1].Reference = 2 * referenceMax }},
		{"activity", func(c *FeedConfig) { c.Market.Listings[1].Activity = 0 }},
		{"depth", func(c *FeedConfig) { c.Market.Listings[1].Depth = -1 }},
		{"no such listing", func(c *FeedConfig) { c.Market.Halts[0].Symbol = "NONE" }},
		{"inside", func(c *FeedConfig) { c.Market.Halts[0].For = market.Day }},
		{"inside", func(c *FeedConfig) { c.Market.Halts[0].For = math.MaxInt64 }},
		{"after the open", func(c *FeedConfig) { c.Market.Halts[0].At = 1 }},
		{"overlaps", func(c *FeedConfig) { c.Market.Halts = append(c.Market.Halts, c.Market.Halts[0]) }},
		{"session", func(c *FeedConfig) { c.Sender.Session = "ELEVENCHARS" }},
		{"payload", func(c *FeedConfig) { c.Sender.PayloadMax = 71 }},
		{"payload", func(c *FeedConfig) { c.Sender.PayloadMax = 65_508 }},
		{"messages max", func(c *FeedConfig) { c.Sender.MessagesMax = 0 }},
		{"heartbeat", func(c *FeedConfig) { c.Sender.Heartbeat = 0 }},
		{"linger", func(c *FeedConfig) { c.Sender.Linger = c.Sender.Heartbeat }},
		{"no lines", func(c *FeedConfig) { c.Lines = nil }},
		{"no name", func(c *FeedConfig) { c.Lines[1].Name = "" }},
		{"source", func(c *FeedConfig) { c.Lines[1].Source = c.Lines[1].Group }},
		{"group", func(c *FeedConfig) { c.Lines[1].Group = netip.AddrPort{} }},
		{"group", func(c *FeedConfig) { c.Lines[1].Group = netip.MustParseAddrPort("[ff0e::1]:1") }},
		{"delay", func(c *FeedConfig) { c.Lines[1].Delay = -1 }},
		{"jitter", func(c *FeedConfig) { c.Lines[1].Jitter = market.Hour }},
		{"loss", func(c *FeedConfig) { c.Lines[1].Loss = 1.1 }},
		{"loss", func(c *FeedConfig) { c.Lines[1].Loss = math.NaN() }},
		{"burst leave", func(c *FeedConfig) { c.Lines[1].Burst.Leave = -0.1 }},
		{"reorder", func(c *FeedConfig) { c.Lines[1].ReorderBy = 0 }},
		{"down", func(c *FeedConfig) { c.Lines[1].Down = []Span{{2, 1}} }},
		{"clogged", func(c *FeedConfig) { c.Lines[1].Clogged = []Span{{1, 3}, {2, 4}} }},
	} {
		cfg := DefaultFeedConfig(1)
		test.change(&cfg)
		_, err := NewFeed(cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), ": ") {
			t.Errorf("error %v, want one about %q", err, test.want)
		}
	}
}

// FuzzFeed runs what Validate allows: nothing of it may panic, and the messages must make sense.
func FuzzFeed(f *testing.F) {
	d := DefaultFeedConfig(1)
	l := d.Market.Listings[0]
	a := d.Lines[0]
	f.Add(uint64(1), int64(d.Market.PreOpen), int64(d.Market.Trading), d.Market.Rate, 8, int64(l.Tick), int64(l.Reference), l.Depth,
		int64(2*market.Second), int64(market.Second), d.Sender.PayloadMax, d.Sender.MessagesMax, int64(d.Sender.Linger), int64(d.Sender.Heartbeat),
		int64(a.Delay), int64(a.Jitter), a.Loss, a.Reorder, int64(a.ReorderBy), int64(0), int64(market.Second), true)
	f.Add(uint64(2), int64(market.Second), int64(market.Second), rateMax, 1, int64(referenceMax/ticksMin), int64(referenceMax), 1,
		int64(20*market.Microsecond), int64(1), 72, 1, int64(0), int64(market.Millisecond),
		int64(0), int64(0), 1.0, 1.0, int64(1), int64(0), int64(1), false)
	f.Fuzz(func(t *testing.T, seed uint64, preOpen, trading int64, rate, listings int, tick, reference int64, depth int,
		haltAt, haltFor int64, payloadMax, messagesMax int, linger, heartbeat int64,
		delay, jitter int64, loss, reorder float64, reorderBy, from, to int64, protected bool,
	) {
		cfg := DefaultFeedConfig(seed)
		cfg.Protected = protected
		cfg.Market.PreOpen, cfg.Market.Trading = market.Nanos(preOpen), market.Nanos(trading)
		cfg.Market.Rate = rate
		cfg.Market.Listings = Listings(min(max(listings, 0), 300))
		if len(cfg.Market.Listings) > 0 {
			first := &cfg.Market.Listings[0]
			first.Tick, first.Reference, first.Depth = market.Price(tick), market.Price(reference), depth
		}
		cfg.Market.Halts = []Halt{{Symbol: "ALFA", At: market.Nanos(haltAt), For: market.Nanos(haltFor)}}
		cfg.Sender = SenderConfig{
			Protocol: Protocol(seed % 2), Session: "FUZZ", Unit: 1, PayloadMax: payloadMax, MessagesMax: messagesMax,
			Linger: market.Nanos(linger), Heartbeat: market.Nanos(heartbeat),
		}
		a := &cfg.Lines[0]
		// A long delay of both lines at a high rate is millions of packets under way.
		a.Delay, a.Jitter, a.Loss = market.Nanos(delay)%(10*market.Millisecond), market.Nanos(jitter), loss
		a.Reorder, a.ReorderBy = reorder, market.Nanos(reorderBy)
		a.Down = []Span{{market.Nanos(from), market.Nanos(to)}}
		if cfg.Validate() != nil {
			if _, err := NewFeed(cfg); err == nil {
				t.Fatal("NewFeed took what Validate refuses")
			}
			return
		}

		x, r := mustNew(t, cfg.Market), newReplay()
		for range 3000 {
			_, messages := x.Step()
			for _, m := range messages {
				if err := r.apply(m); err != nil {
					t.Fatalf("%c: %v", m[0], err)
				}
			}
		}
		if err := r.compare(x); err != nil {
			t.Fatal(err)
		}

		feed, err := NewFeed(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var last market.Nanos
		for range 2000 {
			d, ok := feed.Next()
			if !ok {
				break
			}
			if d.Time < last || len(d.Payload) > payloadMax {
				t.Fatalf("datagram of %d bytes at %d, after one at %d", len(d.Payload), d.Time, last)
			}
			last = d.Time
		}
	})
}
