//go:build linux

package chaos

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"tidegate/codec/moldudp64"
	"tidegate/internal/clock"
)

var loopbackAny = netip.MustParseAddrPort("127.0.0.1:0")

// listener is where a path ends.
func listener(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopbackAny))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// wantNext wants the next packet to be this one; nil for none within a moment.
func wantNext(t *testing.T, c *net.UDPConn, want []byte) {
	t.Helper()
	patience := 20 * time.Second
	if want == nil {
		patience = 50 * time.Millisecond
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2000)
	n, err := c.Read(b)
	switch {
	case want == nil && os.IsTimeout(err):
	case want == nil:
		t.Errorf("%x came (%v), want nothing", b[:n], err)
	case err != nil:
		t.Errorf("want %x: %v", want, err)
	case !bytes.Equal(b[:n], want):
		t.Errorf("%x came, want %x", b[:n], want)
	}
}

func TestRelay(t *testing.T) {
	a, toA := listener(t)
	b, toB := listener(t)
	r, err := OpenRelay(1, []PathConfig{{Name: "north/A", To: toA}, {Name: "north/B", To: toB}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run() }()
	venue, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer venue.Close()
	say := func(p []byte) []byte {
		if _, err := venue.Write(p); err != nil {
			t.Fatal(err)
		}
		return p
	}

	p := say(packet(1, at(1)))
	wantNext(t, a, p)
	wantNext(t, b, p)
	if came, ok := r.cameAt(1); !ok || clock.Now()-came > at(20_000) {
		t.Errorf("message 1 came at %d, %t", came, ok)
	}
	if _, err := r.Set("north/A", Impairment{Stalled: true}); err != nil {
		t.Fatal(err)
	}
	p = say(packet(2, at(2)))
	wantNext(t, b, p)
	wantNext(t, a, nil)
	if _, err := r.Set("*/A", Impairment{}); err != nil {
		t.Fatal(err)
	}
	wantNext(t, a, p)
	if _, err := r.Lose("*/*", 1); err != nil {
		t.Fatal(err)
	}
	say(packet(3, at(3)))
	p = say(packet(4, at(4)))
	wantNext(t, a, p)
	wantNext(t, b, p)
	if _, err := r.Set("north/B", Impairment{Delay: ms(20)}); err != nil {
		t.Fatal(err)
	}
	p = say(packet(5, at(5)))
	wantNext(t, a, p)
	wantNext(t, b, p)
	if _, err := r.Set("south/*", Impairment{}); err == nil {
		t.Error("a path that there is not was set")
	}
	states, err := r.Paths()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []PathCounts{
		{Packets: 5, Sent: 4, Lost: 1, Held: 1}, {Packets: 5, Sent: 4, Lost: 1, Delayed: 1},
	} {
		if s := states[i]; s.Counts != want || s.Refused != 0 {
			t.Errorf("%s: %+v, want %+v", s.Name, s.Counts, want)
		}
	}
	r.Close(true)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := r.Set("*/*", Impairment{}); err == nil {
		t.Error("a relay that has ended was set")
	}
}

// A venue's retransmit server, as far as a test needs one: it answers each request with one message.
func venueServer(t *testing.T) netip.AddrPort {
	t.Helper()
	c, addr := listener(t)
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if q, err := moldudp64.ParseRequest(b[:n]); err == nil {
				_, _ = c.WriteToUDPAddrPort(packet(q.Seq, at(1)), from)
			}
		}
	}()
	return addr
}

func TestResender(t *testing.T) {
	s, err := openResender(loopbackAny, venueServer(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	gateway, err := net.DialUDP("udp", nil, s.front.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	asked := uint64(0)
	ask := func(how Serving) []byte {
		t.Helper()
		s.set(how)
		if _, err := gateway.Write(moldudp64.AppendRequest(nil, moldudp64.Request{Session: session, Seq: 7, Count: 3})); err != nil {
			t.Fatal(err)
		}
		for asked++; s.counts().Requests < asked; time.Sleep(time.Millisecond) {
		}
		patience := 20 * time.Second
		if how == Dead {
			patience = 50 * time.Millisecond
		}
		_ = gateway.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 2000)
		n, err := gateway.Read(b)
		if err != nil && !os.IsTimeout(err) {
			t.Fatal(err)
		}
		return b[:n]
	}
	if got := ask(Serves); !bytes.Equal(got, packet(7, at(1))) {
		t.Errorf("ok: %x", got)
	}
	if got := ask(Dead); len(got) != 0 {
		t.Errorf("dead: %x", got)
	}
	if got, err := moldudp64.Parse(ask(WrongSession)); err != nil || got.Session == session || got.Seq != 7 || got.Count != 3 {
		t.Errorf("another session: %+v, %v", got, err)
	}
	if got, err := moldudp64.Parse(ask(HugeCounts)); err == nil {
		t.Errorf("huge counts: %+v", got)
	}
	if got := ask(Garbage); len(got) < 20 {
		t.Errorf("garbage: %x", got)
	}
	for i := range uint64(20) {
		got, err := moldudp64.Parse(ask(Endless))
		if err != nil || got.Session != session || got.Seq != 7+1_000_000+i {
			t.Fatalf("endless, packet %d: %+v, %v", i, got, err)
		}
	}
	if c := s.counts(); c.Requests != 25 || c.Answers != 1 || c.Hostile < 23 {
		t.Errorf("%+v", c)
	}
}

func TestTimers(t *testing.T) {
	w := watchTimers()
	for w.takeWorst() == 0 { // it has no other way to be told that a timer has gone off
		time.Sleep(time.Millisecond)
	}
	d, err := w.end()
	if err != nil || d.Count == 0 || d.Max <= 0 || d.P50 > d.Max {
		t.Errorf("%+v, %v", d, err)
	}
}
