package venue

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

func request(session string, seq uint64, count uint16) []byte {
	s, err := moldudp64.ParseSession(session)
	if err != nil {
		panic(err)
	}
	return moldudp64.AppendRequest(nil, moldudp64.Request{Session: s, Seq: seq, Count: count})
}

func TestRetransmitEqualsTheOriginal(t *testing.T) {
	cfg := shortLive(1)
	cfg.RequestsPerSecond = requestsMax
	a := listen(t, cfg)
	a.pass(3 * market.Second)
	session := cfg.Feed.Sender.Session
	original, _ := stream(t, a.lines[0], session)
	sent := uint64(len(original))
	for _, from := range []uint64{1, 2, 777, sent - 50, sent} {
		for _, count := range []uint16{1, 2, 30, moldudp64.CountMax} {
			p, err := moldudp64.Parse(a.OnRequest(request(session, from, count)))
			if err != nil {
				t.Fatalf("%d from %d: %v", count, from, err)
			}
			if p.Seq != from || p.Session.String() != session || p.Kind != moldudp64.Data || p.Count > count {
				t.Fatalf("%d from %d: %d messages of %v from %d", count, from, p.Count, p.Session, p.Seq)
			}
			seq := from
			for block := p.Messages; len(block) > 0; seq++ {
				var m []byte
				m, block = moldudp64.Next(block)
				if !bytes.Equal(m, original[seq-1]) {
					t.Fatalf("message %d is % x, was % x", seq, m, original[seq-1])
				}
			}
			// All that was asked for, but for what was not sent yet or does not fit.
			if want := min(uint64(count), sent+1-from); uint64(p.Count) != want && len(p.Messages)+moldudp64.HeaderLen+60 < cfg.Feed.Sender.PayloadMax {
				t.Errorf("%d from %d: %d messages in %d bytes, want %d", count, from, p.Count, len(p.Messages), want)
			}
		}
	}
	if c := a.Truth().Retransmit; c.Requests != 20 || c.Answered != 20 || c.Messages == 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestRetransmitRefuses(t *testing.T) {
	cfg := shortLive(2)
	cfg.History = 100
	cfg.RequestsPerSecond = 20
	a := listen(t, cfg)
	a.pass(2 * market.Second)
	session, sent := cfg.Feed.Sender.Session, a.Position().Sent
	good := request(session, sent, 1)
	var want RequestCounts
	ask := func(what string, datagram []byte, counter *uint64) {
		t.Helper()
		want.Requests++
		*counter++
		if counter == &want.Answered {
			want.Messages++
		}
		if answer := a.OnRequest(datagram); (answer != nil) != (counter == &want.Answered) {
			t.Errorf("%s: answer % x", what, answer)
		}
		if got := a.Truth().Retransmit; got != want {
			t.Errorf("%s: counts %+v, want %+v", what, got, want)
		}
	}
	ask("nothing", nil, &want.Malformed)
	ask("noise", []byte("GET / HTTP/1.1\r\n\r\n"), &want.Malformed)
	ask("cut", good[:19], &want.Malformed)
	ask("more", append(slices.Clone(good), 0), &want.Malformed)
	ask("none wanted", request(session, sent, 0), &want.Malformed)
	ask("an end of session", request(session, sent, math.MaxUint16), &want.Malformed)
	ask("another session", request("TIDE000009", sent, 1), &want.Foreign)
	ask("number 0", request(session, 0, 5), &want.Unavailable)
	ask("the future", request(session, sent+1, 1), &want.Unavailable)
	ask("the last number", request(session, math.MaxUint64, 10), &want.Unavailable)
	ask("the forgotten", request(session, sent-100, 1), &want.Unavailable)
	ask("the oldest", request(session, sent-99, 1), &want.Answered)
	ask("the latest", good, &want.Answered)
	ask("past the latest", request(session, sent, 500), &want.Answered)
	for range 10 { // three at once
		ask("a flood", good, &want.Limited)
	}
	a.tick(50 * market.Millisecond)
	sent = a.Position().Sent
	ask("one later", request(session, sent, 1), &want.Answered)
	ask("two later", request(session, sent, 1), &want.Limited)
}

// An allowance of n a second lets through n a second, however it is asked.
func TestAllowance(t *testing.T) {
	for _, perSecond := range []int{1, 7, 1000, requestsMax} {
		a, taken := newAllowance(perSecond), 0
		gap := market.Second / market.Nanos(3*perSecond)
		const seconds = 2
		for now := market.Nanos(0); now < seconds*market.Second; now += gap {
			if a.take(now) {
				taken++
			}
		}
		if least, most := seconds*perSecond*9/10, seconds*perSecond+perSecond/10+1; taken < least || taken > most {
			t.Errorf("%d a second: %d in %d s, want %d to %d", perSecond, taken, seconds, least, most)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(request("TIDE000001", 1, 1))
	f.Add(request("TIDE000001", 5, moldudp64.CountMax))
	f.Add([]byte("x"))
	cfg := DefaultLiveConfig(1)
	cfg.History, cfg.RequestsPerSecond = 64, requestsMax
	feed, err := NewLiveFeed(cfg, 0)
	if err != nil {
		f.Fatal(err)
	}
	now := market.Nanos(0)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		now += market.Millisecond
		feed.OnTick(now)
		for _, ok := feed.Next(); ok; _, ok = feed.Next() {
		}
		answer := feed.OnRequest(datagram)
		if answer == nil {
			return
		}
		request, err := moldudp64.ParseRequest(datagram)
		if err != nil {
			t.Fatalf("% x is answered, and no request: %v", datagram, err)
		}
		p, err := moldudp64.Parse(answer)
		if err != nil || p.Seq != request.Seq || p.Count == 0 || p.Count > request.Count || len(answer) > cfg.Feed.Sender.PayloadMax {
			t.Fatalf("%+v is answered by %d bytes, %+v: %v", request, len(answer), p, err)
		}
	})
}
