package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/codec/moldudp64"
	"tidegate/gateway/replay"
	"tidegate/internal/venue"
	"tidegate/market"
)

// replayMBO replays files and returns the result and the market-by-order records written.
func replayMBO(t *testing.T, files ...[]byte) (*replay.Result, []dbn.MBO) {
	t.Helper()
	opt := replay.Options{Out: write(t, "out.dbn", nil), Schema: dbn.SchemaMBO}
	for _, f := range files {
		opt.Paths = append(opt.Paths, write(t, "input", f))
	}
	result := mustReplay(t, opt)
	wantBalanced(t, result, false)
	return result, readMBO(t, opt.Out)
}

func readMBO(t *testing.T, path string) (all []dbn.MBO) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := dbn.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		var m dbn.MBO
		if err == nil {
			err = m.Parse(rec)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
}

// wantSameEvents compares records, but for when and with which detours they arrived.
func wantSameEvents(t *testing.T, got, want []dbn.MBO) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
		return
	}
	for i := range got {
		g, w := got[i], want[i]
		g.TsRecv, g.TsInDelta, w.TsRecv, w.TsInDelta = 0, 0, 0, 0
		if g != w {
			t.Errorf("record %d: got %+v, want %+v", i, g, w)
			return
		}
	}
}

// rough makes the lines of a feed bad, each seed in its own way. No packet is late on one line by
// more than the deadline of a gap after it is missed.
func rough(cfg *venue.FeedConfig, seed uint64) {
	for i := range cfg.Lines {
		k := float64(1+(seed>>(4*i))%5) / 5 // the lines differ
		cfg.Lines[i].Impairment = venue.Impairment{
			Delay:     market.Nanos(50+100*i) * market.Microsecond,
			Jitter:    market.Nanos(k * float64(2*market.Millisecond)),
			Loss:      0.1 * k,
			Burst:     venue.BurstLoss{Enter: 0.02 * k, Leave: 0.2, Loss: 0.9},
			Duplicate: 0.1 * k,
			Reorder:   0.2 * k,
			ReorderBy: market.Nanos(k * float64(8*market.Millisecond)),
		}
	}
	start := market.Nanos(seed%2000) * market.Millisecond
	cfg.Lines[seed%2].Down = []venue.Span{{From: start, To: start + 500*market.Millisecond}}
	cfg.Lines[(seed+1)%2].Clogged = []venue.Span{{From: start / 2, To: start/2 + 20*market.Millisecond}}
}

// Two bad lines that never lose the same packet give what one perfect line gives.
func TestTwoBadLinesEqualOneGoodOne(t *testing.T) {
	seeds := 25
	if testing.Short() {
		seeds = 5
	}
	var trouble arbiter.LineLedger
	for seed := range uint64(seeds) {
		cfg := smallFeed(seed)
		good, _ := captures(t, cfg)
		rough(&cfg, seed*2654435761)
		bad, truth := captures(t, cfg)
		want, wantRecords := replayMBO(t, good[0])
		got, gotRecords := replayMBO(t, bad...)

		if len(got.Summary.Channels) != 1 {
			t.Fatalf("seed %d: %d channels, want 1", seed, len(got.Summary.Channels))
		}
		g, w := &got.Summary.Channels[0], &want.Summary.Channels[0]
		if g.StreamHash != w.StreamHash || g.Books != w.Books {
			t.Errorf("stream %s, books %+v; want %s, %+v", g.StreamHash, g.Books, w.StreamHash, w.Books)
		}
		wantSameEvents(t, gotRecords, wantRecords)
		sum := g.Ledger.Channel()
		if sum.Published.Messages != truth.Messages || g.Ledger.GapsAnnounced() != (arbiter.GapTally{}) || g.Suspect != 0 {
			t.Errorf("published %d of %d, announced %+v, %d suspect", sum.Published.Messages, truth.Messages,
				g.Ledger.GapsAnnounced(), g.Suspect)
		}
		var delivered uint64
		for i, l := range truth.Lines {
			delivered += l.Delivered
			if g.Ledger.Lines[i].Received.Packets != l.Delivered {
				t.Errorf("line %s: received %d packets, want %d", l.Name, g.Ledger.Lines[i].Received.Packets, l.Delivered)
			}
		}
		trouble.GapMessages += sum.GapMessages
		trouble.Duplicate.Messages += sum.Duplicate.Messages
		wantVenueBooks(t, got, truth)
		if t.Failed() {
			t.Fatalf("repeat: seed %d", seed)
		}
	}
	if trouble.GapMessages == 0 || trouble.Duplicate.Messages == 0 {
		t.Errorf("the lines were not bad: %+v", trouble)
	}
}

// wantVenueBooks holds every level against the venue's own.
func wantVenueBooks(t *testing.T, result *replay.Result, truth venue.Truth) {
	t.Helper()
	for _, b := range truth.Books {
		for side, want := range map[market.Side][]venue.Level{market.Bid: b.Bids, market.Ask: b.Asks} {
			got := allLevels(result.Channels[0], b.Instrument, side)
			same := slices.EqualFunc(got, want, func(g book.Level, w venue.Level) bool {
				return g.Price == w.Price && g.Size == w.Size && int(g.Orders) == w.Orders
			})
			if !same {
				t.Errorf("%s %v: %v, want %v", b.Symbol, side, got, want)
			}
		}
	}
}

// missing returns the ranges of messages that no packet of any file holds, as far as files know of.
func missing(t *testing.T, files [][]byte) (gaps []string) {
	t.Helper()
	have := make(map[uint64]bool)
	end := uint64(1)
	for _, f := range files {
		for _, r := range recordsOf(t, f) {
			p, err := moldudp64.Parse(r.payload)
			if err != nil {
				t.Fatal(err)
			}
			next := p.Seq
			if p.Kind == moldudp64.Data {
				for ; next < p.Seq+uint64(p.Count); next++ {
					have[next] = true
				}
			}
			end = max(end, next)
		}
	}
	for seq := uint64(1); seq < end; seq++ {
		if have[seq] {
			continue
		}
		from := seq
		for seq < end && !have[seq] {
			seq++
		}
		gaps = append(gaps, fmt.Sprintf("[%d, %d)", from, seq))
	}
	return gaps
}

// What both lines lose is announced: those messages and no others. What comes after is marked.
func TestLossesAreAnnouncedExactly(t *testing.T) {
	losses := 0
	for seed := range uint64(12) {
		cfg := smallFeed(seed)
		rough(&cfg, seed*2654435761)
		cfg.Protected = false
		files, truth := captures(t, cfg)
		want := missing(t, files)
		if len(want) == 0 {
			continue // the lines happened to lose nothing in common
		}
		losses += len(want)
		result, records := replayMBO(t, files...)
		c := &result.Summary.Channels[0]

		// The arbiter may announce one range in parts.
		var got []string
		from, to, lost := uint64(0), uint64(0), uint64(0)
		for _, g := range c.Gaps {
			lost += g.To - g.From
			if g.From != to && to != 0 {
				got = append(got, fmt.Sprintf("[%d, %d)", from, to))
			}
			if g.From != to {
				from = g.From
			}
			to = g.To
		}
		got = append(got, fmt.Sprintf("[%d, %d)", from, to))
		if !slices.Equal(got, want) {
			t.Errorf("announced %v, want %v", got, want)
		}
		if published := c.Ledger.Channel().Published.Messages; published+lost != truth.Messages {
			t.Errorf("published %d and announced %d of %d messages", published, lost, truth.Messages)
		}
		first := c.Gaps[0].From
		for _, r := range records {
			if marked := r.Flags&market.FlagMaybeBadBook != 0; marked != (uint64(r.Sequence) > first) {
				t.Errorf("message %d is marked: %t; the first gap is at %d", r.Sequence, marked, first)
				break
			}
		}
		if result.Summary.Imperfect < lost {
			t.Errorf("imperfect %d, want at least the %d lost", result.Summary.Imperfect, lost)
		}
		if t.Failed() {
			t.Fatalf("repeat: seed %d", seed)
		}
	}
	if losses == 0 {
		t.Error("nothing was lost")
	}
}

// A gap is waited for in recorded time: until its deadline, and no longer.
func TestGapDeadline(t *testing.T) {
	file := write(t, "a.pcap", pcapOf(t,
		record{noon, groupA, mold("WAIT", 1, itchAdd(1, 1, 1))},
		record{noon + 1*market.Millisecond, groupA, mold("WAIT", 3, itchAdd(3, 1, 1))},
		record{noon + 40*market.Millisecond, groupA, mold("WAIT", 4, itchAdd(4, 1, 1))},
		record{noon + 60*market.Millisecond, groupA, mold("WAIT", 2, itchAdd(2, 1, 1))},
	))
	for deadline, want := range map[market.Nanos]struct{ announced, late uint64 }{
		30 * market.Millisecond: {1, 1},
		50 * market.Millisecond: {1, 1},
		70 * market.Millisecond: {0, 0},
	} {
		limits := arbiter.DefaultConfig()
		limits.GapDeadline = deadline
		result := mustReplay(t, replay.Options{Paths: []string{file}, Arbiter: limits})
		wantBalanced(t, result, false)
		c := &result.Summary.Channels[0]
		if l := c.Ledger; l.GapsDeadline.Messages != want.announced || l.Lines[0].Late.Messages != want.late {
			t.Errorf("deadline %d ms: %d announced, %d late; want %d, %d", deadline/market.Millisecond,
				l.GapsDeadline.Messages, l.Lines[0].Late.Messages, want.announced, want.late)
		}
	}
}

// The same file twice is two lines that agree: every message of the second is a duplicate.
func TestSameFileTwice(t *testing.T) {
	files, truth := captures(t, smallFeed(4))
	once, wantRecords := replayMBO(t, files[0])
	twice, records := replayMBO(t, files[0], files[0])
	wantSameEvents(t, records, wantRecords)
	c := &twice.Summary.Channels[0]
	if c.StreamHash != once.Summary.Channels[0].StreamHash {
		t.Errorf("stream %s, want %s", c.StreamHash, once.Summary.Channels[0].StreamHash)
	}
	a, b := &c.Ledger.Lines[0], &c.Ledger.Lines[1]
	if len(c.Lines) != 2 || a.Published.Messages != truth.Messages || b.Duplicate.Messages != truth.Messages {
		t.Errorf("%d lines; A published %d, B %d duplicates; want %d each", len(c.Lines), a.Published.Messages,
			b.Duplicate.Messages, truth.Messages)
	}
}

// Two groups in one capture are two lines, as in two captures.
func TestBothLinesInOneFile(t *testing.T) {
	cfg := smallFeed(5)
	rough(&cfg, 5)
	files, _ := captures(t, cfg)
	all := append(recordsOf(t, files[0]), recordsOf(t, files[1])...)
	slices.SortStableFunc(all, func(a, b record) int { return int(a.at - b.at) })
	want, got := replayFiles(t, files...), replayFiles(t, pcapOf(t, all...))
	if w, g := want.Summary.Channels[0], got.Summary.Channels[0]; w.StreamHash != g.StreamHash || len(g.Lines) != 2 {
		t.Errorf("%d lines, stream %s; want 2, %s", len(g.Lines), g.StreamHash, w.StreamHash)
	}
}

// Captures of two sessions are two channels, each whole.
func TestTwoSessions(t *testing.T) {
	one, two := smallFeed(6), smallFeed(7)
	two.Sender.Session = "TIDE000002"
	a, _ := captures(t, one)
	b, _ := captures(t, two)
	result := replayFiles(t, a[0], b[0])
	if len(result.Summary.Channels) != 2 {
		t.Fatalf("%d channels, want 2", len(result.Summary.Channels))
	}
	for i, alone := range [][]byte{a[0], b[0]} {
		c, want := result.Summary.Channels[i], replayFiles(t, alone).Summary.Channels[0]
		if c.Name != want.Name || c.StreamHash != want.StreamHash || c.Books != want.Books {
			t.Errorf("channel %s: stream %s, books %+v; want %s, %s, %+v", c.Name, c.StreamHash, c.Books,
				want.Name, want.StreamHash, want.Books)
		}
	}
}

// A publisher that starts again under its session begins an epoch: books are emptied in band, and
// what follows is as if nothing had been before.
func TestRestart(t *testing.T) {
	cfg := smallFeed(8)
	cfg.Market.Rate = 1500 // so that the restart falls back further than any network would
	files, truth := captures(t, cfg)
	before := recordsOf(t, files[0])
	before = before[:len(before)*2/3] // it dies in the middle of the day
	again := recordsOf(t, files[0])
	shift := before[len(before)-1].at - again[0].at + market.Second
	for i := range again {
		again[i].at += shift
	}
	result, records := replayMBO(t, pcapOf(t, append(before, again...)...))
	c := &result.Summary.Channels[0]
	if c.Ledger.Restarts != 1 || len(c.Epochs) != 2 || c.Epochs[1].Reason != arbiter.Restarted.String() {
		t.Fatalf("%d restarts, epochs %+v", c.Ledger.Restarts, c.Epochs)
	}
	if c.Ledger.GapsAnnounced().Messages != 0 || c.Verdicts["duplicate-order"] != 0 {
		t.Errorf("announced %+v, verdicts %v", c.Ledger.GapsAnnounced(), c.Verdicts)
	}
	wantVenueBooks(t, result, truth)
	clears := 0
	for i, r := range records {
		if r.Action == market.Clear {
			clears++
			if next := records[i+1]; next.Action != market.Clear && next.Sequence > 100 {
				t.Errorf("after the clears: sequence %d", next.Sequence)
			}
		}
	}
	if clears != 3 {
		t.Errorf("%d books were emptied, want 3", clears)
	}
	_, alone := replayMBO(t, files[0])
	wantSameEvents(t, records[len(records)-len(alone):], alone)
}

// A capture whose times go back is taken as it comes; one without times begins in 1970, or on the day
// that is given.
func TestTimesThatAreNoHelp(t *testing.T) {
	files, truth := captures(t, smallFeed(9))
	want := replayFiles(t, files[0]).Summary.Channels[0]
	all := recordsOf(t, files[0])

	for i := range all {
		all[i].at -= market.Nanos(i) * market.Hour / 100 // every one long before the last
	}
	result := replayFiles(t, pcapOf(t, all...))
	if c := result.Summary.Channels[0]; c.Books != want.Books || c.Ledger.Channel().Published.Messages != truth.Messages {
		t.Errorf("times go back: books %+v, published %d; want %+v, %d", c.Books, c.Ledger.Channel().Published.Messages,
			want.Books, truth.Messages)
	}

	untimed := pcapngOf(t, true, recordsOf(t, files[0])...)
	result = replayFiles(t, untimed)
	if c := result.Summary.Channels[0]; c.Books != want.Books || len(result.Summary.Inputs[0].Notes) != 1 {
		t.Errorf("no times: books %+v, notes %v; want %+v and a note", c.Books, result.Summary.Inputs[0].Notes, want.Books)
	}
	day, err := replay.ParseDay("2026-01-05")
	if err != nil {
		t.Fatal(err)
	}
	result = mustReplay(t, replay.Options{Paths: []string{write(t, "untimed.pcapng", untimed)}, Midnight: day})
	if c := result.Summary.Channels[0]; c.StreamHash != want.StreamHash {
		t.Errorf("no times, but the day: stream %s, want %s", c.StreamHash, want.StreamHash)
	}
}
