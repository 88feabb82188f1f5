package venue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// shortLive is a session of four seconds on two perfect lines, once.
func shortLive(seed uint64) LiveConfig {
	c := DefaultLiveConfig(seed)
	c.Feed.Market = short(seed)
	c.Endless = false
	c.History = 1 << 14
	return c
}

// An audience drives a live feed and keeps what it hears.
type audience struct {
	*LiveFeed
	t     *testing.T
	now   market.Nanos
	lines [2][]moldudp64.Packet
}

const startOfTest = 1000 * market.Second

func listen(t *testing.T, cfg LiveConfig) *audience {
	t.Helper()
	f, err := NewLiveFeed(cfg, startOfTest)
	if err != nil {
		t.Fatal(err)
	}
	return &audience{LiveFeed: f, t: t, now: startOfTest}
}

// tick lets time pass and hears what comes.
func (a *audience) tick(by market.Nanos) {
	a.t.Helper()
	a.now += by
	a.OnTick(a.now)
	for d, ok := a.Next(); ok; d, ok = a.Next() {
		p, err := moldudp64.Parse(d.Payload)
		if err != nil {
			a.t.Fatalf("line %d: % x: %v", d.Line, d.Payload, err)
		}
		a.lines[d.Line] = append(a.lines[d.Line], p)
	}
}

// pass lets time pass in ticks of a millisecond.
func (a *audience) pass(by market.Nanos) {
	a.t.Helper()
	for range by / market.Millisecond {
		a.tick(market.Millisecond)
	}
}

// finish lets time pass until the feed has ended.
func (a *audience) finish() {
	a.t.Helper()
	for limit := a.now + market.Minute; !a.Ended(); a.tick(market.Millisecond) {
		if a.now > limit {
			a.t.Fatalf("the feed has not ended after a minute; %+v", a.Position())
		}
	}
}

// stream checks that packets follow each other and returns their messages, and how many packets of
// each kind there were. Only the packets of one session are looked at.
func stream(t *testing.T, packets []moldudp64.Packet, session string) (messages [][]byte, kinds [3]int) {
	t.Helper()
	for _, p := range packets {
		if p.Session.String() != session {
			continue
		}
		if want := uint64(len(messages) + 1); p.Seq != want {
			t.Fatalf("%v packet from %d, want %d", p.Kind, p.Seq, want)
		}
		kinds[p.Kind]++
		for block := p.Messages; len(block) > 0; {
			var m []byte
			m, block = moldudp64.Next(block)
			messages = append(messages, m)
		}
	}
	return messages, kinds
}

// all returns the messages of a whole day.
func all(t *testing.T, cfg Config) (messages [][]byte) {
	t.Helper()
	x := mustNew(t, cfg)
	for _, step := x.Step(); len(step) > 0; _, step = x.Step() {
		for _, m := range step {
			messages = append(messages, bytes.Clone(m))
		}
	}
	return messages
}

func equal(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// equalButTimes compares messages whose times may differ by up to most: the venue's clock goes on while the
// market stands still.
func equalButTimes(a, b [][]byte, most market.Nanos) bool {
	return slices.EqualFunc(a, b, func(a, b []byte) bool {
		if len(a) != len(b) || !bytes.Equal(a[:5], b[:5]) || !bytes.Equal(a[11:], b[11:]) {
			return false
		}
		by := timeOf(a) - timeOf(b)
		return by >= -most && by <= most
	})
}

func timeOf(m []byte) market.Nanos {
	return market.Nanos(binary.BigEndian.Uint64(m[3:]) & (1<<48 - 1))
}

// Whatever the ticks, the messages are those of the exchange, at its pace.
func TestLiveFeedIsTheExchange(t *testing.T) {
	for seed := range uint64(3) {
		for _, speed := range []float64{1, 0.5, 8} {
			t.Run(fmt.Sprintf("seed %d speed %v", seed, speed), func(t *testing.T) {
				cfg := shortLive(seed)
				cfg.Speed = speed
				a, ticks := listen(t, cfg), rand.New(rand.NewPCG(seed, 77))
				for !a.Ended() {
					a.tick(market.Nanos(ticks.Int64N(int64(20 * market.Millisecond))))
					if a.over {
						continue
					}
					passed := market.Nanos(float64(a.now-startOfTest) * speed)
					if at := a.ts - (cfg.Feed.Market.Midnight + cfg.Feed.Market.Open - cfg.Feed.Market.PreOpen); at+market.Microsecond < passed {
						t.Fatalf("%d ns after the start the next message is of %d", passed, at)
					}
				}
				want := all(t, cfg.Feed.Market)
				for line := range a.lines {
					got, kinds := stream(t, a.lines[line], cfg.Feed.Sender.Session)
					if !equal(got, want) {
						t.Errorf("line %d: %d messages, not the %d of the exchange", line, len(got), len(want))
					}
					if kinds[moldudp64.EndOfSession] != endingsMax {
						t.Errorf("line %d: packets %v", line, kinds)
					}
				}
				truth := a.Truth()
				if n := uint64(len(want)); truth.Sent != n || truth.Messages != n || truth.Slipped != 0 {
					t.Errorf("truth: sent %d, messages %d, slipped %d; want %d, %[4]d, 0", truth.Sent, truth.Messages, truth.Slipped, n)
				}
				counts := a.Counts(0)
				if sum := truth.Packets.Data + truth.Packets.Heartbeats + truth.Packets.EndOfSession; counts.Delivered != sum || uint64(len(a.lines[0])) != sum {
					t.Errorf("line A: %+v of %d packets", counts, sum)
				}
			})
		}
	}
}

// Due is never late: nothing happens if the feed is ticked just before.
func TestLiveFeedSaysWhenItIsDue(t *testing.T) {
	cfg := shortLive(4)
	cfg.Feed.Lines[1].Delay, cfg.Feed.Lines[1].Jitter = 3*market.Millisecond, market.Millisecond
	a := listen(t, cfg)
	for n := 0; !a.Ended(); n++ {
		if n > 100_000 {
			t.Fatal("the feed does not end")
		}
		due := a.Due()
		if due > a.now+1 {
			before, heard := a.sent, len(a.lines[0])+len(a.lines[1])
			a.tick(due - 1 - a.now)
			if a.sent != before || len(a.lines[0])+len(a.lines[1]) != heard {
				t.Fatalf("at %d something happened; due at %d", a.now, due)
			}
		}
		a.tick(max(due-a.now, 0))
	}
	if got, _ := stream(t, a.lines[1], cfg.Feed.Sender.Session); !equal(got, all(t, cfg.Feed.Market)) {
		t.Error("the stream differs")
	}
	if a.Due() != math.MaxInt64 {
		t.Errorf("due at %d after the end", a.Due())
	}
}

// While a feed is paused, heartbeats alone go on, and its books are those of what was heard.
func TestLiveFeedPauses(t *testing.T) {
	cfg := shortLive(5)
	a := listen(t, cfg)
	for range 6 {
		a.pass(500 * market.Millisecond)
		a.Pause()
		a.Pause()
		a.tick(0)
		sent := a.sent
		a.pass(2500 * market.Millisecond)
		if a.sent.Data != sent.Data || a.sent.Heartbeats != sent.Heartbeats+2 {
			t.Fatalf("%+v while paused, from %+v; want two heartbeats", a.sent, sent)
		}
		heard, _ := stream(t, a.lines[0], cfg.Feed.Sender.Session)
		truth := a.Truth()
		if n := uint64(len(heard)); !truth.Paused || truth.Sent != n || truth.Messages != n {
			t.Fatalf("%d messages heard; paused %t, sent %d, messages %d", n, truth.Paused, truth.Sent, truth.Messages)
		}
		r := newReplay()
		for _, m := range heard {
			if err := r.apply(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.compare(a.exchange); err != nil {
			t.Fatalf("after message %d: %v", truth.Sent, err)
		}
		a.Resume()
		a.Resume()
	}
	a.finish()
	if got, _ := stream(t, a.lines[0], cfg.Feed.Sender.Session); !equalButTimes(got, all(t, cfg.Feed.Market), market.Hour) {
		t.Error("the stream differs from that of a market without a pause")
	}
	if a.slipped != 0 {
		t.Errorf("slipped by %d", a.slipped)
	}
}

// A day can be closed at any time: it ends in order, with books that follow from its messages.
func TestLiveFeedCloses(t *testing.T) {
	whole := all(t, short(6))
	for _, at := range []market.Nanos{
		0, 500 * market.Millisecond, market.Second, // before the open, in the opening crosses
		1500 * market.Millisecond, 2200 * market.Millisecond, 2800 * market.Millisecond, // trading; BRVO halted; quoting only
		4100 * market.Millisecond, // after the close
	} {
		for _, paused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d ms paused %t", at/market.Millisecond, paused), func(t *testing.T) {
				cfg := shortLive(6)
				cfg.Endless = true // closing is for good all the same
				a := listen(t, cfg)
				a.pass(at)
				if paused {
					a.Pause()
				}
				a.Close()
				a.Close()
				a.Pause() // too late
				begun := a.now
				a.finish()
				if took := a.now - begun; took > (endingsMax+1)*endingGap {
					t.Errorf("took %d ns to end", took)
				}
				got, kinds := stream(t, a.lines[0], cfg.Feed.Sender.Session)
				if kinds[moldudp64.EndOfSession] != endingsMax {
					t.Errorf("%v packets by kind", kinds)
				}
				r := newReplay()
				r.strict = true
				for _, m := range got {
					if err := r.apply(m); err != nil {
						t.Fatal(err)
					}
				}
				if err := r.compare(a.exchange); err != nil {
					t.Fatal(err)
				}
				same := 0
				for same < len(got) && equalButTimes(got[same:same+1], whole[same:same+1], market.Minute) {
					same++
				}
				if events := systemEvents(got[same:]); at > 1200*market.Millisecond && at < 4*market.Second && events != "MEC" {
					t.Errorf("system events %q after the close, want MEC", events)
				} else if at < market.Second && events != "" {
					t.Errorf("system events %q of a day that did not open", events)
				}
				for _, in := range a.exchange.instruments {
					if at > 1200*market.Millisecond && in.state != stateTrading {
						t.Errorf("%s is in state %c at the close", in.Symbol, in.state)
					}
				}
				if at == 4100*market.Millisecond && !equalButTimes(got, whole, market.Minute) {
					t.Error("closing changed what was over already")
				}
			})
		}
	}
}

func systemEvents(messages [][]byte) string {
	var b strings.Builder
	for _, m := range messages {
		if m[0] == 'S' {
			b.WriteByte(m[len(m)-1])
		}
	}
	return b.String()
}

// An endless feed goes on with the next session, from 1.
func TestLiveFeedIsEndless(t *testing.T) {
	cfg := shortLive(7)
	cfg.Endless = true
	cfg.Feed.Sender.Session = "TIDE000099"
	a := listen(t, cfg)
	a.pass(32 * market.Second) // a day has 14 s, with its closing time
	a.Close()
	a.finish()
	for n, session := range []string{"TIDE000099", "TIDE000100"} {
		day := cfg.Feed.Market
		day.Seed += uint64(n)
		day.Midnight += market.Nanos(n) * market.Day
		got, kinds := stream(t, a.lines[0], session)
		if !equal(got, all(t, day)) || kinds[moldudp64.EndOfSession] != endingsMax {
			t.Errorf("session %s: %d messages, %v packets by kind", session, len(got), kinds)
		}
	}
	if got, _ := stream(t, a.lines[0], "TIDE000101"); len(got) == 0 || a.Position().Session != "TIDE000101" {
		t.Errorf("%d messages of the third session; at %+v", len(got), a.Position())
	}
	for from, to := range map[string]string{"A0": "A1", "9": "0", "X199": "X200", "1A9": "1A0"} {
		if got := nextSession(from); got != to {
			t.Errorf("after session %s comes %s, want %s", from, got, to)
		}
	}
}

// A feed that stood still does not make up for it all at once.
func TestLiveFeedSlips(t *testing.T) {
	cfg := shortLive(8)
	a := listen(t, cfg)
	a.pass(market.Second)
	before := a.Position().Sent
	a.tick(market.Hour)
	if sent := a.Position().Sent - before; sent > 100 || a.slipped < market.Hour-market.Second || a.slipped > market.Hour {
		t.Errorf("sent %d messages at once, slipped by %d", sent, a.slipped)
	}
	a.finish()
	if got, _ := stream(t, a.lines[0], cfg.Feed.Sender.Session); !equalButTimes(got, all(t, cfg.Feed.Market), 2*market.Hour) || equal(got, all(t, cfg.Feed.Market)) {
		t.Error("the stream differs, or the venue's clock stood still")
	}

	cfg.Speed, cfg.Feed.Market.Rate = SpeedMax, 100_000 // far more is due at a time than a tick does
	a = listen(t, cfg)
	for !a.Ended() {
		before := a.exchange.Messages()
		a.tick(900 * market.Microsecond)
		if n := a.exchange.Messages() - before; n > 4*stepsPerTick {
			t.Fatalf("a tick did %d messages", n)
		}
	}
}

func TestLiveConfigValidates(t *testing.T) {
	if err := DefaultLiveConfig(1).Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*LiveConfig){
		"speed 0: want":              func(c *LiveConfig) { c.Speed = 0 },
		"speed NaN":                  func(c *LiveConfig) { c.Speed = math.NaN() },
		"speed 20000":                func(c *LiveConfig) { c.Speed = 20_000 },
		"history 0 messages":         func(c *LiveConfig) { c.History = 0 },
		"history 16777217":           func(c *LiveConfig) { c.History = historyMax + 1 },
		"requests per second 0":      func(c *LiveConfig) { c.RequestsPerSecond = 0 },
		`session "TIDE": want`:       func(c *LiveConfig) { c.Feed.Sender.Session = "TIDE" },
		`session "": want`:           func(c *LiveConfig) { c.Feed.Sender.Session = "" },
		`line "A": down and clogged`: func(c *LiveConfig) { c.Feed.Lines[0].Down = []Span{{0, 1}} },
		`line "B": down and clogged`: func(c *LiveConfig) { c.Feed.Lines[1].Clogged = []Span{{0, 1}} },
		"rate 0 messages":            func(c *LiveConfig) { c.Feed.Market.Rate = 0 },
	} {
		c := DefaultLiveConfig(1)
		c.Feed.Lines = slices.Clone(c.Feed.Lines)
		change(&c)
		if _, err := NewLiveFeed(c, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
