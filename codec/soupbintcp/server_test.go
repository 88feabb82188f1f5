package soupbintcp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// offering returns a server that lets "tide" in and offers messages.
func offering(first, next uint64) *Server {
	return NewServer(DefaultServerConfig(), func(l *Login) (Offer, error) {
		if !l.Is("TIDE", "SESAME") {
			return Offer{}, ErrNotAuthorized
		}
		return Offer{Session: session, First: first, Next: next}, nil
	})
}

func request(session Session, next uint64) []byte {
	return AppendLoginRequest(nil, Login{Username: "tide", Password: "sesame", Session: session, Next: next})
}

func TestServerLogin(t *testing.T) {
	other := Session([]byte("TIDE002   "))
	for _, tt := range []struct {
		name        string
		first, next uint64 // what there is to be had
		session     Session
		asked       uint64
		start       uint64 // what is accepted
		err         error
	}{
		{"from the first, active session", 1, 100, Session{}, 1, 1, nil},
		{"from the first, by name", 1, 100, session, 1, 1, nil},
		{"by name, padded on the right", 1, 100, Session([]byte("TIDE001   ")), 1, 1, nil},
		{"in the middle", 1, 100, session, 50, 50, nil},
		{"the next", 1, 100, session, 100, 100, nil},
		{"after the next", 1, 100, session, 101, 0, ErrNoSession},
		{"the latest", 1, 100, Session{}, 0, 99, nil},
		{"the latest of none", 1, 1, Session{}, 0, 1, nil},
		{"the latest, nothing kept", 100, 100, Session{}, 0, 100, nil},
		{"before what is kept", 60, 100, session, 1, 60, nil},
		{"another session", 1, 100, other, 1, 0, ErrNoSession},
	} {
		s := offering(tt.first, tt.next)
		s.Connect(at(0))
		heard := hear(s, request(tt.session, tt.asked), at(5))
		said := say(s)
		if tt.err != nil {
			if said != string(AppendLoginRejected(nil, NoSession)) || heard != "" || s.Err() != tt.err {
				t.Errorf("%s: heard %q, said %x, %v", tt.name, heard, said, s.Err())
			}
			continue
		}
		wantHeard(t, heard, fmt.Sprintf("logged in %d/%d", tt.asked, tt.start))
		if want := string(AppendLoginAccepted(nil, session, tt.start)); said != want || s.NextSeq() != tt.start {
			t.Errorf("%s: said %q, want %q; next %d", tt.name, said, want, s.NextSeq())
		}
	}
}

func TestServerRefuses(t *testing.T) {
	login := string(request(Session{}, 1))
	for _, tt := range []struct {
		name  string
		bytes string
		heard string
		said  []byte
		err   error
	}{
		{"wrong password", string(AppendLoginRequest(nil, Login{Username: "tide"})), "", AppendLoginRejected(nil, NotAuthorized), ErrNotAuthorized},
		{"login without a number", strings.Replace(login, "                   1", "                    ", 1), "", nil, ErrField},
		{"message before the login", "\x00\x02Ux", "", nil, ErrUnexpected},
		{"logout before the login", "\x00\x01O", "", nil, ErrUnexpected},
		{"login twice", login + login, "logged in 1/1", AppendLoginAccepted(nil, session, 1), ErrUnexpected},
		{"a server's heartbeat", login + "\x00\x01H", "logged in 1/1", AppendLoginAccepted(nil, session, 1), ErrUnexpected},
		{"no such type", "GET / HTTP/1.1\r\n\r\n", "", nil, ErrType},
	} {
		s := offering(1, 10)
		s.Connect(at(0))
		heard := hear(s, []byte(tt.bytes), at(1))
		if said := say(s); heard != tt.heard || said != string(tt.said) || s.Err() != tt.err {
			t.Errorf("%s: heard %q, said %q, %v", tt.name, heard, said, s.Err())
		}
		s.Send([]byte("x"), at(2))
		s.EndSession(at(2))
		s.OnTick(at(100_000))
		if said := say(s); said != "" || s.Due() != never {
			t.Errorf("%s: afterwards said %q, due %d", tt.name, said, s.Due())
		}
	}
}

func TestServerTimes(t *testing.T) {
	s := offering(1, 1)
	s.Connect(at(0))
	hear(s, AppendDebug(nil, "wait for me"), at(29_000)) // no login
	if s.Due() != at(30_000) {
		t.Errorf("login due at %d", s.Due()-at(0))
	}
	s.OnTick(at(29_999))
	wantErr(t, s.Err(), nil)
	s.OnTick(at(30_000))
	wantErr(t, s.Err(), ErrSilent)

	s.Connect(at(40_000))
	hear(s, request(Session{}, 1), at(40_000))
	say(s)
	s.Send([]byte("m"), at(40_500))
	for ms := int64(40_500); ms < 55_000; ms += 10 {
		s.OnTick(at(ms))
	}
	if got := say(s); got != string(unhex("0002 53 6d"))+strings.Repeat(string(unhex("0001 48")), 14) {
		t.Errorf("said %x", got)
	}
	hear(s, unhex("0001 52"), at(54_999)) // the client's heartbeat
	s.OnTick(at(69_998))
	wantErr(t, s.Err(), nil)
	s.OnTick(at(69_999))
	wantErr(t, s.Err(), ErrSilent)
}

// A login of 4.10 says itself when the client is dead.
func TestServerTakesTheTimeoutOfTheLogin(t *testing.T) {
	s := offering(1, 1)
	for range 2 {
		s.Connect(at(0))
		hear(s, AppendLoginRequest(nil, Login{Username: "tide", Password: "sesame", Next: 1, HeartbeatTimeout: 3 * market.Second}), at(0))
		s.OnTick(at(2999))
		wantErr(t, s.Err(), nil)
		s.OnTick(at(3000))
		wantErr(t, s.Err(), ErrSilent)
	}
	s.Connect(at(10_000))
	hear(s, request(Session{}, 1), at(10_000))
	s.OnTick(at(20_000))
	wantErr(t, s.Err(), nil)
}

func TestServerEnds(t *testing.T) {
	s := offering(1, 1)
	s.Connect(at(0))
	s.EndSession(at(0)) // nobody to tell
	wantHeard(t, hear(s, append(request(Session{}, 1), unhex("0002 55 78 0006 2b 68656c6c6f")...), at(0)),
		"logged in 1/1; unsequenced x; debug hello")
	say(s)
	s.Send([]byte("m"), at(1))
	s.EndSession(at(1))
	s.Send([]byte("late"), at(1))
	if got := say(s); got != string(unhex("0002 53 6d 0001 5a")) {
		t.Errorf("said %x", got)
	}

	s.Connect(at(2))
	wantHeard(t, hear(s, append(request(Session{}, 1), unhex("0001 4f 0001 52")...), at(2)), "logged in 1/1; logged out")
	if s.Online() || s.Err() != nil || s.Due() != never {
		t.Errorf("after the logout: online %t, %v", s.Online(), s.Err())
	}
}

func TestServerConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*ServerConfig){
		"payload":   func(c *ServerConfig) { c.PayloadMax = 50 },
		"login":     func(c *ServerConfig) { c.LoginMax = 0 },
		"heartbeat": func(c *ServerConfig) { c.Heartbeat = market.Hour },
		"silence":   func(c *ServerConfig) { c.SilenceMax = 0 },
	} {
		c := DefaultServerConfig()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: valid", name)
		}
	}
}

// A world is a client and a server with a wire between them that delivers in pieces and breaks.
type world struct {
	t      *rapid.T
	r      *rand.Rand
	now    market.Nanos
	client *Client
	server *Server
	log    []string // the session, as far as it has gone
	got    []string // what the client heard, by number
	kept   int      // oldest message that the server still has, from 0
	ended  bool
	lost   uint64 // messages that the client was told it cannot have
}

// carry moves some bytes from one end to the other.
func (w *world) carry(from, to end) {
	b := from.Output()
	b = bytes.Clone(b[:w.r.IntN(len(b)+1)])
	from.Sent(len(b))
	for len(b) > 0 {
		n := copy(to.Room(), b[:1+w.r.IntN(len(b))])
		b = b[n:]
		to.Read(n, w.now)
		for e, ok := to.Poll(); ok; e, ok = to.Poll() {
			w.on(to, e)
		}
	}
}

func (w *world) on(to end, e Event) {
	if to != end(w.client) {
		return
	}
	switch e.Kind {
	case LoggedIn:
		w.lost += e.Seq - e.Asked
		if e.Asked != uint64(len(w.got))+1 {
			w.t.Fatalf("asked for %d after %d messages", e.Asked, len(w.got))
		}
		for uint64(len(w.got))+1 < e.Seq {
			w.got = append(w.got, "lost")
		}
	case Message:
		w.got = append(w.got, string(e.Payload))
		if e.Seq != uint64(len(w.got)) || w.log[e.Seq-1] != string(e.Payload) {
			w.t.Fatalf("message %d is %q, %d were heard", e.Seq, e.Payload, len(w.got))
		}
	case SessionEnded:
		w.ended = true
	}
}

// serve gives a server whose client is logged in what it lacks.
func (w *world) serve() {
	for w.server.Online() && w.server.NextSeq() <= uint64(len(w.log)) && len(w.server.Output()) < 4096 {
		w.server.Send([]byte(w.log[w.server.NextSeq()-1]), w.now)
	}
}

func (w *world) connect() {
	w.client.Connect(w.now)
	w.server.Connect(w.now)
}

// Whatever breaks whenever: each message of the session comes once, in order, or is announced as lost.
func TestClientAndServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, r: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), now: at(0)}
		forgets := rapid.Bool().Draw(t, "the server forgets")
		w.client = NewClient(testClientConfig())
		w.server = NewServer(DefaultServerConfig(), func(*Login) (Offer, error) {
			return Offer{Session: session, First: uint64(w.kept) + 1, Next: uint64(len(w.log)) + 1}, nil
		})
		w.connect()
		step := func() {
			w.now += market.Nanos(w.r.IntN(int(400 * market.Millisecond)))
			w.serve()
			w.carry(w.client, w.server)
			w.carry(w.server, w.client)
			w.client.OnTick(w.now)
			w.server.OnTick(w.now)
			if !w.ended && (w.client.Err() != nil || w.server.Err() != nil) {
				if err := w.client.Err(); err != nil && err != ErrSilent {
					t.Fatalf("client: %v", err)
				}
				w.connect()
			}
		}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch w.r.IntN(20) {
			case 0:
				w.connect()
			case 1:
				if forgets {
					w.kept += w.r.IntN(len(w.log) - w.kept + 1)
				}
			default:
				for range w.r.IntN(4) {
					w.log = append(w.log, fmt.Sprintf("%d%s", len(w.log), strings.Repeat(".", w.r.IntN(100))))
				}
			}
			step()
		}
		// Nothing breaks any more: the client gets all that there is, and then the end.
		for n := 0; !w.ended; n++ {
			if n > 10_000 {
				t.Fatalf("no end after %d steps; %d of %d messages, %v, %v", n, len(w.got), len(w.log), w.client.Err(), w.server.Err())
			}
			if w.server.NextSeq() == uint64(len(w.log))+1 {
				w.server.EndSession(w.now)
			}
			step()
		}
		if len(w.got) != len(w.log) {
			t.Fatalf("%d messages of %d", len(w.got), len(w.log))
		}
		if !forgets && w.lost != 0 {
			t.Fatalf("%d messages lost", w.lost)
		}
	})
}
