package venue

import (
	"bytes"
	"testing"

	"tidegate/codec/pitch"
	"tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// pitchClient is a client of a PitchPort, and what it has heard.
type pitchClient struct {
	t        *testing.T
	conn     *PitchConn
	messages [][]byte
	packets  int
	done     bool
}

func newPitchLive(t *testing.T) *LiveFeed {
	t.Helper()
	cfg := DefaultLiveConfig(41)
	cfg.Feed.Sender.Protocol = PITCH
	cfg.Feed.Market.Open, cfg.Feed.Market.PreOpen, cfg.Feed.Market.Halts = market.Second, market.Second, nil
	cfg.History = 5000
	f, err := NewLiveFeed(cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (c *pitchClient) send(now market.Nanos, messages ...message) {
	var b sequnit.Builder
	b.Reset(0, 0, 1400)
	for _, m := range messages {
		b.Append(m.Append(nil))
	}
	// In two pieces, as TCP may bring it.
	c.conn.OnBytes(b.Bytes()[:5], now)
	c.conn.OnBytes(b.Bytes()[5:], now)
	c.hear(now)
}

// hear takes what there is to hear.
func (c *pitchClient) hear(now market.Nanos) {
	c.t.Helper()
	c.messages, c.packets = nil, 0
	for !c.done {
		b, done := c.conn.Output(nil, now)
		c.done = done
		for len(b) > 0 {
			packet, rest, err := sequnit.Split(b)
			if err != nil || packet == nil {
				c.t.Fatalf("% x: %v", b, err)
			}
			p, err := sequnit.Parse(packet)
			if err != nil {
				c.t.Fatalf("% x: %v", packet, err)
			}
			for block := p.Messages; len(block) > 0; {
				var msg []byte
				msg, block = sequnit.Next(block)
				c.messages = append(c.messages, bytes.Clone(msg))
			}
			c.packets++
			b = rest
		}
		if c.conn.Due(now) > now {
			return
		}
	}
}

// publish lets time pass and returns the messages of line 0, by sequence from 1.
func publish(t *testing.T, f *LiveFeed, until market.Nanos) (messages [][]byte) {
	t.Helper()
	for f.now < until {
		f.OnTick(f.now + market.Millisecond)
		for d, ok := f.Next(); ok; d, ok = f.Next() {
			p, err := sequnit.Parse(d.Payload)
			if err != nil {
				t.Fatal(err)
			}
			for block := p.Messages; d.Line == 0 && len(block) > 0; {
				var msg []byte
				msg, block = sequnit.Next(block)
				messages = append(messages, bytes.Clone(msg))
			}
		}
	}
	return messages
}

func TestGapRequests(t *testing.T) {
	f := newPitchLive(t)
	all := publish(t, f, 5*market.Second)
	if len(all) < 6000 || uint64(len(all)) != f.Position().Sent {
		t.Fatalf("%d messages, %+v", len(all), f.Position())
	}
	port := f.ServeGaps()
	c := &pitchClient{t: t, conn: port.Connect(f.now)}
	c.send(f.now, &recovery.Login{})
	if len(c.messages) != 1 || c.messages[0][1] != 'A' {
		t.Fatalf("login: %x", c.messages)
	}
	last := uint32(len(all))
	for _, tt := range []struct {
		q    recovery.GapRequest
		want recovery.GapStatus
	}{
		{recovery.GapRequest{Unit: 1, Seq: last - 99, Count: 100}, recovery.GapAccepted},
		{recovery.GapRequest{Unit: 1, Seq: last, Count: 1}, recovery.GapAccepted},
		{recovery.GapRequest{Unit: 1, Seq: last, Count: 2}, recovery.GapOutOfRange},
		{recovery.GapRequest{Unit: 1, Seq: 1, Count: 1}, recovery.GapOutOfRange}, // too long ago
		{recovery.GapRequest{Unit: 1, Seq: 0, Count: 1}, recovery.GapOutOfRange},
		{recovery.GapRequest{Unit: 1, Seq: last, Count: 0}, recovery.GapOutOfRange},
		{recovery.GapRequest{Unit: 2, Seq: last, Count: 1}, recovery.GapInvalidUnit},
		{recovery.GapRequest{Unit: 1, Seq: last - 1000, Count: 1001}, recovery.GapCountExceeded},
	} {
		c.send(f.now, &tt.q)
		var got recovery.GapResponse
		if len(c.messages) != 1 || got.Parse(c.messages[0]) != nil || got.GapRequest != tt.q || got.Status != tt.want {
			t.Errorf("%+v: %x, want %v", tt.q, c.messages, tt.want)
		}
		seq := tt.q.Seq
		for b, ok := f.NextResent(); ok; b, ok = f.NextResent() {
			p, err := sequnit.Parse(b)
			if err != nil || p.Seq != seq || p.Unit != 1 || len(b) > 1400 {
				t.Fatalf("%+v: packet %+v of %d bytes, %v, want %d", tt.q, p, len(b), err, seq)
			}
			for block := p.Messages; len(block) > 0; seq++ {
				var msg []byte
				msg, block = sequnit.Next(block)
				if !bytes.Equal(msg, all[seq-1]) {
					t.Fatalf("message %d is %x, want %x", seq, msg, all[seq-1])
				}
			}
		}
		if want := tt.q.Seq + uint32(tt.q.Count); tt.want == recovery.GapAccepted && seq != want {
			t.Errorf("%+v: sent again up to %d", tt.q, seq)
		} else if tt.want != recovery.GapAccepted && seq != tt.q.Seq {
			t.Errorf("%+v: sent again", tt.q)
		}
	}
	if err := port.Set(PitchSettings{Unavailable: true}); err != nil {
		t.Fatal(err)
	}
	c.send(f.now, &recovery.GapRequest{Unit: 1, Seq: last, Count: 1})
	if len(c.messages) != 1 || c.messages[0][8] != byte(recovery.GapUnavailable) {
		t.Errorf("%x", c.messages)
	}
	if n := port.Counts(); n.Requests != 9 || n.Accepted != 2 || n.Messages != 101 || n.Logins != 1 || n.Faults != 0 {
		t.Errorf("%+v", n)
	}
}

func TestSpins(t *testing.T) {
	f := newPitchLive(t)
	port := f.ServeSpins()
	publish(t, f, 5*market.Second)
	f.Pause()
	c := &pitchClient{t: t, conn: port.Connect(f.now)}
	c.send(f.now, &recovery.Login{})
	var offer recovery.SpinImageAvailable
	if len(c.messages) != 2 || offer.Parse(c.messages[1]) != nil || uint64(offer.Seq) != f.Position().Sent {
		t.Fatalf("%x, want an offer of %d", c.messages, f.Position().Sent)
	}
	c.send(f.now, &recovery.SpinRequest{Seq: offer.Seq + 1})
	if len(c.messages) != 1 || c.messages[0][9] != byte(recovery.SpinOutOfRange) {
		t.Fatalf("%x", c.messages)
	}
	c.send(f.now, &recovery.SpinRequest{Seq: offer.Seq})
	var granted recovery.SpinResponse
	n := len(c.messages)
	if n < 3 || granted.Parse(c.messages[0]) != nil || granted.Status != recovery.SpinAccepted || c.messages[1][0] != pitch.TypeTime || c.messages[n-1][0] != recovery.TypeSpinFinished {
		t.Fatalf("%d messages", n)
	}
	// The orders are the venue's: count and total of each side of each book.
	type side struct {
		symbol string
		side   byte
	}
	got, want := map[side][2]int{}, map[side][2]int{}
	orders := uint32(0)
	for _, m := range c.messages[1 : n-1] {
		var o pitch.AddOrder
		if o.Parse(m) != nil {
			continue
		}
		k := side{o.Symbol.String(), o.Side}
		got[k] = [2]int{got[k][0] + 1, got[k][1] + int(o.Quantity)}
		orders++
	}
	for _, b := range f.Truth().Books {
		for i, levels := range [2][]Level{b.Bids, b.Asks} {
			k := side{b.Symbol, [2]byte{pitch.Buy, pitch.Sell}[i]}
			for _, l := range levels {
				want[k] = [2]int{want[k][0] + int(l.Orders), want[k][1] + int(l.Size)}
			}
		}
	}
	if granted.Orders != orders || len(want) == 0 {
		t.Errorf("%d orders, announced as %d", orders, granted.Orders)
	}
	for k := range want {
		if got[k] != want[k] {
			t.Errorf("%s %c: %v orders and shares, the venue has %v", k.symbol, k.side, got[k], want[k])
		}
	}
	if n := port.Counts(); n.Requests != 2 || n.Accepted != 1 || n.Faults != 0 {
		t.Errorf("%+v", n)
	}
}

// A client that says nothing, or nonsense, is let go.
func TestPitchPortAndStrangers(t *testing.T) {
	f := newPitchLive(t)
	publish(t, f, 3*market.Second)
	for name, say := range map[string]func(*pitchClient){
		"silence": func(c *pitchClient) { c.hear(f.now + 6*market.Second) },
		"HTTP": func(c *pitchClient) {
			c.conn.OnBytes([]byte("GET / HTTP/1.1\r\n\r\n"), f.now)
			c.hear(f.now + 6*market.Second)
		},
		"no packet":         func(c *pitchClient) { c.conn.OnBytes([]byte{1, 0, 0}, f.now) },
		"a request first":   func(c *pitchClient) { c.send(f.now, &recovery.SpinRequest{Seq: 1}) },
		"two logins":        func(c *pitchClient) { c.send(f.now, &recovery.Login{}, &recovery.Login{}) },
		"a packet too long": func(c *pitchClient) { c.conn.OnBytes(append([]byte{0xff, 0xff}, make([]byte, 5000)...), f.now) },
	} {
		port := f.ServeSpins()
		c := &pitchClient{t: t, conn: port.Connect(f.now)}
		say(c)
		c.hear(f.now)
		if !c.done && port.Counts().Faults == 0 {
			t.Errorf("%s: goes on, %+v", name, port.Counts())
		}
	}
	port := f.ServeGaps()
	if port.Set(PitchSettings{Stale: true}) == nil || port.Set(PitchSettings{Truncate: -1}) == nil {
		t.Error("settings that make no sense")
	}
}
