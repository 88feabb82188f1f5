package livevenue

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/codec/moldudp64"
	"tidegate/internal/venue"
)

// Each change takes effect on its line from the next packet on, and is counted.
func TestLinesAreChangedWhileTheyRun(t *testing.T) {
	s := run(t, nil)
	s.a.until(t, "packets on A", more(s.a, 3))
	var l LineStatus

	// Whatever is lost on A comes on B: so the one says when to look at the other.
	s.must(t, "POST", "/lines/a", `{"loss": 1}`, &l)
	if l.Name != "A" || l.Group != s.a.addr() || l.Loss != 1 || l.Down {
		t.Fatalf("line %+v", l)
	}
	before := l.Counts
	s.b.until(t, "packets on B", more(s.b, 10))
	s.must(t, "GET", "/lines/A", "", &l)
	if sent := l.Counts.Packets - before.Packets; sent < 10 || l.Counts.Lost-before.Lost != sent || l.Counts.Delivered != before.Delivered {
		t.Errorf("A loses all: %+v, was %+v", l.Counts, before)
	}

	s.must(t, "POST", "/lines/b", `{"duplicate": 1}`, &l)
	before = l.Counts
	s.b.until(t, "packets on B", more(s.b, 10))
	s.must(t, "GET", "/lines/b", "", &l)
	if l.Counts.Duplicated-before.Duplicated < 4 {
		t.Errorf("B repeats all: %+v, was %+v", l.Counts, before)
	}

	// What a request does not name stays.
	s.must(t, "POST", "/lines/a", `{"delay": "250us", "burst": {"enter": 0.5}}`, &l)
	s.must(t, "POST", "/lines/a", `{"burst": {"loss": 0.25}, "jitter": "1ms"}`, &l)
	if l.Loss != 1 || l.Delay != Span(250*time.Microsecond) || l.Jitter != Span(time.Millisecond) || l.Burst != (BurstSettings{Enter: 0.5, Loss: 0.25}) {
		t.Errorf("settings %+v", l.LineSettings)
	}

	s.must(t, "POST", "/lines/a", `{"loss": 0, "burst": {"enter": 0, "loss": 0}, "clogged": true}`, &l)
	s.b.until(t, "packets on B", more(s.b, 20))
	s.must(t, "GET", "/lines/a", "", &l)
	if held := l.Held; held < 5 || l.Counts.Clogged < uint64(held) {
		t.Errorf("A is clogged: %d held, %+v", held, l.Counts)
	}
	freed := more(s.a, l.Held)
	s.must(t, "POST", "/lines/a", `{"clogged": false}`, &l)
	if l.Held != 0 {
		t.Errorf("A is free: %d held", l.Held)
	}
	s.a.until(t, "what was held", freed)

	s.must(t, "POST", "/lines/b", `{"down": true}`, &l)
	before = l.Counts
	s.a.until(t, "packets on A", more(s.a, 10))
	var lines []LineStatus
	s.must(t, "GET", "/lines", "", &lines)
	if len(lines) != 2 || lines[1].Name != "B" || !lines[1].Down || lines[1].Counts.Lost-before.Lost < 8 {
		t.Errorf("B is down: %+v", lines)
	}
	up := more(s.b, 5)
	s.must(t, "POST", "/lines/b", `{"down": false}`, &l)
	s.b.until(t, "packets on B again", up)
}

func TestControlRefusesNonsense(t *testing.T) {
	s := run(t, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", http.StatusNotFound, "there are /lines"},
		{"GET", "/lines/c", "", http.StatusNotFound, "no line of this name"},
		{"POST", "/lines/", `{}`, http.StatusNotFound, "no line of this name"},
		{"POST", "/lines", `{}`, http.StatusMethodNotAllowed, "method not allowed"},
		{"PUT", "/lines/a", `{}`, http.StatusMethodNotAllowed, "method not allowed"},
		{"GET", "/pause", "", http.StatusMethodNotAllowed, "method not allowed"},
		{"DELETE", "/truth", "", http.StatusMethodNotAllowed, "method not allowed"},
		{"POST", "/lines/a", "", http.StatusBadRequest, "read the settings"},
		{"POST", "/lines/a", `{"down": true`, http.StatusBadRequest, "read the settings"},
		{"POST", "/lines/a", `{"down": true} {}`, http.StatusBadRequest, "more follows"},
		{"POST", "/lines/a", `{"down": "yes"}`, http.StatusBadRequest, "down"},
		{"POST", "/lines/a", `{"lost": 0.1, "down": true}`, http.StatusBadRequest, `unknown field "lost"`},
		{"POST", "/lines/a", `{"down": true, "loss": 1.5}`, http.StatusBadRequest, "line A: loss 1.5: want a probability"},
		{"POST", "/lines/a", `{"down": true, "reorder": 0.5}`, http.StatusBadRequest, "reorder 0.5 by 0 ns"},
		{"POST", "/lines/a", `{"down": true, "delay": "soon"}`, http.StatusBadRequest, "soon"},
		{"POST", "/lines/a", `{"down": true, "delay": "2h"}`, http.StatusBadRequest, "want 0 to 1 min"},
	} {
		var answer struct{ Error string }
		if status := s.call(t, c.method, c.path, c.body, &answer); status != c.status || !strings.Contains(answer.Error, c.want) {
			t.Errorf("%s %s %s: %d %q, want %d %q", c.method, c.path, c.body, status, answer.Error, c.status, c.want)
		}
	}
	var l LineStatus
	s.must(t, "GET", "/lines/a", "", &l)
	if l.LineSettings != (LineSettings{}) {
		t.Errorf("settings %+v, want none changed", l.LineSettings)
	}
}

// A client asks the retransmit server of a venue.
type client struct {
	*net.UDPConn
	t *testing.T
}

func (s *stage) dial(t *testing.T) client {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.RetransmitAddr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return client{conn, t}
}

func (c client) send(datagram []byte) {
	c.t.Helper()
	if _, err := c.Write(datagram); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) receive() moldudp64.Packet {
	c.t.Helper()
	b := make([]byte, 1<<16)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	n, err := c.Read(b)
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := moldudp64.Parse(b[:n])
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func ask(session string, seq uint64, count uint16) []byte {
	name, err := moldudp64.ParseSession(session)
	if err != nil {
		panic(err)
	}
	return moldudp64.AppendRequest(nil, moldudp64.Request{Session: name, Seq: seq, Count: count})
}

// What a line lost can be had again, and is what the other line brought.
func TestRetransmit(t *testing.T) {
	s := run(t, nil)
	var l LineStatus
	s.must(t, "POST", "/lines/b", `{"down": true}`, &l)
	s.a.until(t, "messages on A", reached(400))
	at, err := s.Pause()
	if err != nil {
		t.Fatal(err)
	}
	s.a.until(t, "the last message", reached(at.Sent))
	want := messages(s.a.heard())

	c := s.dial(t)
	got := make(map[uint64][]byte)
	answers := uint64(0)
	for next := uint64(1); next <= at.Sent; answers++ {
		c.send(ask(at.Session, next, 100))
		p := c.receive()
		if p.Seq != next || p.Count == 0 || p.Count > 100 || p.Session.String() != at.Session {
			t.Fatalf("asked from %d: %d messages from %d of %v", next, p.Count, p.Seq, p.Session)
		}
		for block := p.Messages; len(block) > 0; next++ {
			got[next], block = moldudp64.Next(block)
		}
	}
	wantMessages(t, "retransmitted", got, want)
	truth, err := s.Truth()
	if err != nil {
		t.Fatal(err)
	}
	if r := truth.Retransmit; r.Requests != answers || r.Answered != answers || r.Messages != at.Sent {
		t.Errorf("counts %+v of %d requests for %d messages", r, answers, at.Sent)
	}
}

// Nonsense and floods are not answered, counted, and keep nobody else from being served.
func TestRetransmitIsNotHarmed(t *testing.T) {
	s := run(t, func(c *Config) { c.Feed.RequestsPerSecond, c.Feed.History = 10, 64 })
	s.a.until(t, "messages on A", reached(100))
	at, err := s.Pause() // so that it is known what is kept
	if err != nil {
		t.Fatal(err)
	}
	c := s.dial(t)
	for _, nonsense := range [][]byte{
		nil, []byte("?"), bytes.Repeat([]byte{0xFF}, 20), bytes.Repeat([]byte{7}, 60_000),
		ask(at.Session, at.Sent, 0), ask(at.Session, at.Sent, 0xFFFF),
		ask("SOMEBODY", at.Sent, 1), ask(at.Session, 1, 1), ask(at.Session, at.Sent+1, 1),
	} {
		c.send(nonsense)
	}
	const flood = 3000
	good := ask(at.Session, at.Sent, 1)
	for range flood {
		c.send(good)
	}

	// The kernel may drop some of a flood too, so there is one more request, repeated until it is
	// answered: by then the flood was dealt with.
	other := s.dial(t)
	var r venue.RequestCounts
	var truth Truth
	for deadline := time.Now().Add(10 * time.Second); ; {
		other.send(good)
		b := make([]byte, 2000)
		if err := other.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := other.Read(b); err == nil {
			p, err := moldudp64.Parse(b[:n])
			if err != nil || p.Seq != at.Sent || p.Count != 1 {
				t.Fatalf("answer %+v: %v", p, err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no answer within 10 s of a flood")
		}
	}
	if truth, err = s.Truth(); err != nil {
		t.Fatal(err)
	}
	r = truth.Retransmit
	if r.Malformed != 6 || r.Foreign != 1 || r.Unavailable != 2 {
		t.Errorf("nonsense: counts %+v", r)
	}
	if r.Answered == 0 || r.Answered > 120 || r.Limited+truth.RequestsDropped == 0 {
		t.Errorf("flood: counts %+v, %d dropped", r, truth.RequestsDropped)
	}
	if r.Requests != r.Answered+r.Malformed+r.Foreign+r.Unavailable+r.Limited {
		t.Errorf("counts do not add up: %+v", r)
	}
	s.a.until(t, "heartbeats during a flood", more(s.a, 1))
}
