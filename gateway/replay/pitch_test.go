package replay_test

import (
	"testing"

	"tidegate/arbiter"
	"tidegate/gateway/replay"
	"tidegate/internal/realdata"
	"tidegate/internal/venue"
	"tidegate/market"
)

// pitchFeed is smallFeed in PITCH.
func pitchFeed(seed uint64) venue.FeedConfig {
	cfg := smallFeed(seed)
	cfg.Sender.Protocol, cfg.Sender.Unit = venue.PITCH, 7
	return cfg
}

// Two bad lines of PITCH that never lose the same packet give what one perfect line gives: the stream,
// the venue's books and its trades.
func TestPitchOnTwoBadLines(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	var filled uint64
	for seed := range seeds {
		cfg := pitchFeed(seed)
		good, _ := captures(t, cfg)
		rough(&cfg, seed*2654435761)
		bad, truth := captures(t, cfg)
		want, wantRecords := replayMBO(t, good[0])
		got, gotRecords := replayMBO(t, bad...)
		if len(got.Summary.Channels) != 1 {
			t.Fatalf("seed %d: %d channels, want 1", seed, len(got.Summary.Channels))
		}
		g, w := &got.Summary.Channels[0], &want.Summary.Channels[0]
		if g.StreamHash != w.StreamHash || g.Books != w.Books || g.Feed != "pitch" || g.Name != "7/0" || g.Publisher != "BATS.PITCH" {
			t.Errorf("%s channel %s of %s: stream %s, books %+v; want %s, %+v",
				g.Feed, g.Name, g.Publisher, g.StreamHash, g.Books, w.StreamHash, w.Books)
		}
		wantSameEvents(t, gotRecords, wantRecords)
		wantTypes(t, g, truth.ByType)
		wantVenueBooks(t, got, truth)
		var traded venue.Tally
		for _, b := range truth.Books {
			traded.Count, traded.Volume = traded.Count+b.Trades.Count, traded.Volume+b.Trades.Volume
			if symbol := got.Channels[0].Pipeline.Symbol(b.Instrument); symbol != b.Symbol {
				t.Errorf("instrument %d is %q, want %q", b.Instrument, symbol, b.Symbol)
			}
		}
		if g.Trades != traded.Count || g.Volume != uint64(traded.Volume) || g.Messages != truth.Messages {
			t.Errorf("%d messages, %d trades of %d, want %d, %+v", g.Messages, g.Trades, g.Volume, truth.Messages, traded)
		}
		if s := &got.Summary; s.Imperfect != 0 || s.Unrecognised != 0 {
			t.Errorf("%d imperfect, %d unrecognised", s.Imperfect, s.Unrecognised)
		}
		filled += g.Ledger.GapsFilled.Ranges
		if t.Failed() {
			t.Fatalf("repeat: seed %d", seed)
		}
	}
	if filled == 0 {
		t.Error("the lines were not bad")
	}
}

// The same day is the same market in both protocols: books, and what was traded.
func TestPitchTellsWhatITCHTells(t *testing.T) {
	inPitch, _ := captures(t, pitchFeed(11))
	inITCH, truth := captures(t, smallFeed(11))
	pitch, itch := replayFiles(t, inPitch[0]), replayFiles(t, inITCH[0])
	wantVenueBooks(t, pitch, truth)
	wantVenueBooks(t, itch, truth)
	p, i := &pitch.Summary.Channels[0], &itch.Summary.Channels[0]
	if p.Volume != i.Volume || p.Volume == 0 || p.Books.Quoted != i.Books.Quoted {
		t.Errorf("PITCH: volume %d, %+v; ITCH: %d, %+v", p.Volume, p.Books, i.Volume, i.Books)
	}
	if first, last := pitch.Summary.First, pitch.Summary.Last; first == "" || last < first {
		t.Errorf("recorded from %s to %s", first, last)
	}
}

// Messages that are lost on both lines are announced, and nothing is lost silently.
func TestPitchGaps(t *testing.T) {
	cfg := pitchFeed(4)
	rough(&cfg, 99)
	cfg.Protected = false
	files, truth := captures(t, cfg)
	result := replayFiles(t, files...)
	c := &result.Summary.Channels[0]
	lost := c.Ledger.GapsAnnounced().Messages
	if lost == 0 || c.Messages+lost != truth.Messages || c.Suspect == 0 {
		t.Errorf("%d messages and %d lost of %d, %d suspect", c.Messages, lost, truth.Messages, c.Suspect)
	}
}

// The recorded feed: a real gap before the first message, a gap group whose heartbeats have no sequence,
// and 40 messages that leave no order.
func TestRecordedPitch(t *testing.T) {
	const name = "packets/bats-pitch/mcastpitch_realtime_useq.pcap"
	var truth struct {
		Packets uint64            `json:"packets"`
		Types   map[string]uint64 `json:"types"`
		Total   uint64            `json:"total"`
		Live    int               `json:"live_orders_at_end"`
		Unknown uint64            `json:"references_to_unknown_orders"`
		Flows   map[string]uint64 `json:"flows"`
		Units   map[string]struct {
			Gaps [][2]uint64 `json:"gap_list"`
		} `json:"units"`
	}
	realdata.Facts(t, name, &truth)
	result := mustReplay(t, replay.Options{Paths: []string{realdata.Path(t, name)}})
	wantBalanced(t, result, false)
	c := &result.Summary.Channels[0]
	wantTypes(t, c, truth.Types)
	if c.Name != "1/0" || c.Feed != "pitch" || c.Messages != truth.Total || c.Books.Quoted != truth.Live ||
		c.Verdicts[market.UnknownOrder.String()] != truth.Unknown || c.Verdicts[market.Ignored.String()] != truth.Types["0x20"] {
		t.Errorf("%+v", c)
	}
	gap := truth.Units["239.39.62.190:32001 unit 1"].Gaps[0]
	if len(c.Gaps) != 1 || c.Gaps[0].From != gap[0] || c.Gaps[0].To != gap[1] {
		t.Errorf("gaps %+v, want %v", c.Gaps, gap)
	}
	a, b := &c.Ledger.Lines[arbiter.LineA], &c.Ledger.Lines[arbiter.LineB]
	groups := truth.Flows["udp 127.0.0.1:41508->239.39.62.191:32001"]
	if a.Received.Packets+b.Received.Packets != truth.Packets || b.Unsequenced.Packets != groups {
		t.Errorf("line A %+v\nline B %+v", a, b)
	}
	// The two lost messages, and nothing else: a heartbeat without a sequence is as it should be.
	if lost := gap[1] - gap[0]; result.Summary.Imperfect != lost {
		t.Errorf("%d imperfect, want %d", result.Summary.Imperfect, lost)
	}
	// Executions of 100 at 20.00, 0.0025, 0.0025; trades of 100 at 20.01, 100 and 200 at 0.0025.
	if c.Trades != 6 || c.Volume != 700 {
		t.Errorf("%d trades of %d, want 6 of 700", c.Trades, c.Volume)
	}
}
