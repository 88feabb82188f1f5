//go:build linux

package chaos

import (
	"fmt"
	"testing"
	"time"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

var session = func() moldudp64.Session {
	s, err := moldudp64.ParseSession("TEST")
	if err != nil {
		panic(err)
	}
	return s
}()

// packet returns a packet with one message, a system event of ITCH at a venue time.
func packet(seq uint64, at market.Nanos) []byte {
	var b moldudp64.Builder
	b.Reset(session, seq, 1400)
	message := []byte("S\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Q")
	for i := range timeEnd - timeAt {
		message[timeEnd-1-i] = byte(at >> (8 * i))
	}
	b.Append(message)
	return append([]byte(nil), b.Bytes()...)
}

// send offers a packet each millisecond, and returns what leaves in order, with its time in milliseconds.
func send(p *path, from, to int, then ...func(at int)) (left []string) {
	for at := from; at < to; at++ {
		for _, do := range then {
			do(at)
		}
		now := market.Nanos(at) * market.Millisecond
		p.offer(packet(uint64(at), now), now)
		left = append(left, leave(p, now)...)
	}
	return left
}

func leave(p *path, now market.Nanos) (left []string) {
	for payload, _, ok := p.next(now); ok; payload, _, ok = p.next(now) {
		packet, err := moldudp64.Parse(payload)
		if err != nil {
			panic(err)
		}
		left = append(left, fmt.Sprintf("%d@%d", packet.Seq, now/market.Millisecond))
	}
	return left
}

func wantLeft(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("left %v, want %v", got, want)
	}
}

func at(ms int) market.Nanos { return market.Nanos(ms) * market.Millisecond }

func TestPathForwardsAtOnce(t *testing.T) {
	p := newPath(1, 1)
	wantLeft(t, send(p, 1, 4), "1@1", "2@2", "3@3")
}

func TestPathDelays(t *testing.T) {
	p := newPath(1, 1)
	p.set(Impairment{Delay: Span(2 * time.Millisecond)}, at(0))
	wantLeft(t, send(p, 1, 5), "1@3", "2@4")
	if due := p.due(); due != at(5) {
		t.Errorf("due at %d", due)
	}
	// What is under way stays before what comes when the delay has ended.
	p.set(Impairment{}, at(5))
	wantLeft(t, send(p, 5, 7), "3@5", "4@6", "5@6", "6@6")
}

func TestPathStalls(t *testing.T) {
	p := newPath(1, 1)
	p.set(Impairment{Stalled: true}, at(1))
	if p.effective() {
		t.Error("effective before a packet came")
	}
	wantLeft(t, send(p, 1, 4))
	if !p.effective() || p.met != at(1) {
		t.Errorf("met at %d", p.met)
	}
	p.set(Impairment{}, at(4))
	wantLeft(t, send(p, 4, 6), "1@4", "2@4", "3@4", "4@4", "5@5")
	if p.counts.Held != 3 || p.counts.Sent != 5 || p.counts.Packets != 5 {
		t.Errorf("%+v", p.counts)
	}
}

func TestPathIsDown(t *testing.T) {
	p := newPath(1, 1)
	wantLeft(t, send(p, 1, 3), "1@1", "2@2")
	p.set(Impairment{Down: true}, at(3))
	wantLeft(t, send(p, 3, 6))
	p.set(Impairment{}, at(6))
	wantLeft(t, send(p, 6, 7), "6@6")
	if p.counts.Lost != 3 {
		t.Errorf("%+v", p.counts)
	}
	if from := p.quiet.look(at(7)); from != at(2) {
		t.Errorf("quiet from %d, want 2 ms", from)
	}
}

// Only packets with messages are lost by number: the same on every path, whatever heartbeats come between.
func TestPathLosesTheNext(t *testing.T) {
	p := newPath(1, 1)
	p.loseNext(2)
	heartbeat := moldudp64.AppendHeartbeat(nil, session, 1)
	p.offer(heartbeat, at(1))
	wantLeft(t, leave(p, at(1)), "1@1")
	wantLeft(t, send(p, 2, 4))
	if p.effective() {
		t.Error("effective before anybody could see a loss")
	}
	wantLeft(t, send(p, 4, 6), "4@4", "5@5")
	if !p.effective() || p.met != at(2) || p.shown != at(4) {
		t.Errorf("met at %d, shown at %d", p.met, p.shown)
	}
}

func TestPathChances(t *testing.T) {
	p := newPath(7, 1)
	p.set(Impairment{Loss: 0.2, Duplicate: 0.1, Reorder: 0.1, ReorderBy: Span(3 * time.Millisecond)}, at(0))
	const n = 5000
	left := send(p, 1, n+1)
	left = append(left, leave(p, at(n+10))...)
	c := p.counts
	if uint64(len(left)) != c.Sent || c.Sent != n-c.Lost+c.Duplicated {
		t.Errorf("%d left: %+v", len(left), c)
	}
	near := func(what string, got uint64, want float64) {
		if f := float64(got) / n; f < want*0.8 || f > want*1.2 {
			t.Errorf("%s: %d of %d", what, got, n)
		}
	}
	near("lost", c.Lost, 0.2)
	near("duplicated", c.Duplicated, 0.08)
	near("reordered", c.Reordered, 0.08)
	// The same seed has the same chances.
	again := newPath(7, 1)
	again.set(p.impairment, at(0))
	send(again, 1, n+1)
	if again.counts.Lost != c.Lost || again.counts.Duplicated != c.Duplicated {
		t.Errorf("%+v, and again %+v", c, again.counts)
	}
}

func TestPathRestamps(t *testing.T) {
	for clock, want := range map[Clock]market.Nanos{
		ClockPast: 0, ClockFuture: market.Day - 1, ClockBeyond: 1<<48 - 1,
	} {
		p := newPath(1, 1)
		p.set(Impairment{Clock: clock}, at(0))
		original := packet(1, 5*market.Hour)
		p.offer(original, at(1))
		payload, _, ok := p.next(at(1))
		if !ok {
			t.Fatalf("%s: nothing left", clock)
		}
		got, err := moldudp64.Parse(payload)
		if err != nil {
			t.Fatal(err)
		}
		if message, _ := moldudp64.Next(got.Messages); venueTime(message) != want {
			t.Errorf("%s: %d, want %d", clock, venueTime(message), want)
		}
		whole, _ := moldudp64.Parse(original)
		if message, _ := moldudp64.Next(whole.Messages); venueTime(message) != 5*market.Hour {
			t.Errorf("%s: the other paths' packet was changed", clock)
		}
	}
}
