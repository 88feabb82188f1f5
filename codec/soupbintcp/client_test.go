package soupbintcp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tidegate/market"
)

// at is a time of a test, in milliseconds after its beginning.
func at(ms int64) market.Nanos { return 1000*market.Second + market.Nanos(ms)*market.Millisecond }

func testClientConfig() ClientConfig {
	c := DefaultClientConfig("tide", "sesame")
	c.PayloadMax = 200
	return c
}

// end is a Client or a Server.
type end interface {
	Room() []byte
	Read(n int, now market.Nanos)
	Poll() (Event, bool)
	Output() []byte
	Sent(n int)
}

// hear lets an end read bytes, and returns what it makes of them.
func hear(e end, b []byte, now market.Nanos) string {
	var heard []string
	for {
		n := copy(e.Room(), b)
		b = b[n:]
		e.Read(n, now)
		for ev, ok := e.Poll(); ok; ev, ok = e.Poll() {
			heard = append(heard, describe(ev))
		}
		if len(b) == 0 || n == 0 {
			return strings.Join(heard, "; ")
		}
	}
}

func describe(e Event) string {
	switch e.Kind {
	case LoggedIn:
		return fmt.Sprintf("logged in %d/%d", e.Asked, e.Seq)
	case Message:
		return fmt.Sprintf("%d %s", e.Seq, e.Payload)
	case Unsequenced, DebugText:
		return fmt.Sprintf("%s %s", e.Kind, e.Payload)
	default:
		return e.Kind.String()
	}
}

// say returns what an end has to send.
func say(e end) string {
	s := string(e.Output())
	e.Sent(len(s))
	return s
}

// script returns a server's packets: "A7" accepts at 7, others as they are.
func script(packets ...string) []byte {
	var b []byte
	for _, p := range packets {
		switch {
		case p[0] == 'A':
			var next uint64
			fmt.Sscan(p[1:], &next)
			b = AppendLoginAccepted(b, session, next)
		default:
			b = append(appendHeader(b, Type(p[0]), len(p)-1), p[1:]...)
		}
	}
	return b
}

func wantHeard(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("error %v, want %v", got, want)
	}
}

func TestClientGoesOnAfterReconnect(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	if got, want := say(c), string(unhex("002f 4c"+userHex+passwordHex+blankHex+number1Hex)); got != want {
		t.Errorf("login %x, want %x", got, want)
	}
	wantHeard(t, hear(c, script("+hello", "A1", "Sa", "Sb", "H", "Uu", "Sc"), at(1)),
		"debug hello; logged in 1/1; 1 a; 2 b; unsequenced u; 3 c")
	if c.NextSeq() != 4 || !c.Session().Is(session) || !c.Online() || c.Err() != nil {
		t.Errorf("next %d in %q: %v", c.NextSeq(), c.Session(), c.Err())
	}
	hear(c, script("Sd")[:3], at(2)) // the connection breaks in the middle of a message

	c.Connect(at(100))
	if got, want := say(c), string(AppendLoginRequest(nil, Login{Username: "tide", Password: "sesame", Session: session, Next: 4})); got != want {
		t.Errorf("second login %q, want %q", got, want)
	}
	wantHeard(t, hear(c, script("A4", "Sd", "Z", "Se"), at(101)), "logged in 4/4; 4 d; session ended")
	if !c.Over() || c.Online() || c.Err() != nil || c.Due() != never {
		t.Errorf("after the end: ended %t, %v, due %d", c.Over(), c.Err(), c.Due())
	}

	c.NextSession()
	c.Connect(at(200))
	if got, want := say(c), string(unhex("002f 4c"+userHex+passwordHex+blankHex+number1Hex)); got != want {
		t.Errorf("login to the next session %q", got)
	}
}

func TestClientAsksForTheLatest(t *testing.T) {
	cfg := testClientConfig()
	cfg.Login.Next = 0
	c := NewClient(cfg)
	c.Connect(at(0))
	wantHeard(t, hear(c, script("A17", "Sa"), at(1)), "logged in 17/17; 17 a")
}

func TestClientIsToldOfAGap(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	wantHeard(t, hear(c, script("A5", "Sa"), at(1)), "logged in 1/5; 5 a")
}

func TestClientRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		packets []string
		heard   string
		err     error
	}{
		{"not authorized", []string{"JA"}, "", ErrNotAuthorized},
		{"no session", []string{"JS"}, "", ErrNoSession},
		{"unknown reason", []string{"JX"}, "", ErrRejected},
		{"message before login", []string{"Sa"}, "", ErrUnexpected},
		{"heartbeat before login", []string{"H"}, "", ErrUnexpected},
		{"end before login", []string{"Z"}, "", ErrUnexpected},
		{"accepted twice", []string{"A1", "A1"}, "logged in 1/1", ErrUnexpected},
		{"rejected after accepted", []string{"A1", "JA"}, "logged in 1/1", ErrUnexpected},
		{"a client's heartbeat", []string{"A1", "R"}, "logged in 1/1", ErrUnexpected},
		{"a client's logout", []string{"A1", "O"}, "logged in 1/1", ErrUnexpected},
		{"fault in the stream", []string{"A1", "Sa", "?"}, "logged in 1/1; 1 a", ErrType},
		{"nothing after a fault", []string{"A1", "R", "Sa"}, "logged in 1/1", ErrUnexpected},
		{"number 0", []string{"A0"}, "", ErrField},
	} {
		c := NewClient(testClientConfig())
		c.Connect(at(0))
		if got := hear(c, script(tt.packets...), at(1)); got != tt.heard || c.Err() != tt.err {
			t.Errorf("%s: heard %q, %v, want %q, %v", tt.name, got, c.Err(), tt.heard, tt.err)
		}
		if c.Due() != never {
			t.Errorf("%s: due at %d", tt.name, c.Due())
		}
	}
}

func TestClientRefusesToGoBack(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	hear(c, script("A1", "Sa", "Sb"), at(1))
	c.Connect(at(2))
	hear(c, script("A2"), at(3))
	wantErr(t, c.Err(), ErrWentBack)

	c = NewClient(testClientConfig())
	c.Connect(at(0))
	wantHeard(t, hear(c, script("A18446744073709551614", "Sa", "Sb"), at(1)),
		"logged in 1/18446744073709551614; 18446744073709551614 a")
	wantErr(t, c.Err(), ErrWentBack)
}

func TestClientAndAnotherSession(t *testing.T) {
	other := AppendLoginAccepted(nil, Session([]byte("   TIDE002")), 1)
	for _, follow := range []bool{false, true} {
		cfg := testClientConfig()
		cfg.FollowSession = follow
		c := NewClient(cfg)
		c.Connect(at(0))
		hear(c, script("A1", "Sa", "Sb"), at(1))
		c.Connect(at(2))
		heard := hear(c, append(other, script("Sx")...), at(3))
		if !follow {
			wantHeard(t, heard, "")
			wantErr(t, c.Err(), ErrSessionChanged)
			continue
		}
		wantHeard(t, heard, "logged in 1/1; 1 x")
		wantErr(t, c.Err(), nil)
		if c.Session().String() != "TIDE002" {
			t.Errorf("session %q", c.Session())
		}
	}
}

// A session that is gone is not asked for again, if the client may follow.
func TestClientWhoseSessionIsGone(t *testing.T) {
	for _, follow := range []bool{false, true} {
		cfg := testClientConfig()
		cfg.FollowSession = follow
		c := NewClient(cfg)
		c.Connect(at(0))
		hear(c, script("A1", "Sa"), at(1))
		c.Connect(at(2))
		hear(c, script("JS"), at(3))
		wantErr(t, c.Err(), ErrNoSession)
		c.Connect(at(4))
		want := Login{Username: "tide", Password: "sesame", Session: session, Next: 2}
		if follow {
			want.Session, want.Next = Session{}, 1
		}
		if got := say(c); got != string(AppendLoginRequest(nil, want)) {
			t.Errorf("follow %t: login %q", follow, got)
		}
	}
}

func TestClientHeartbeatsAndSilence(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	say(c)
	if c.Due() != at(15_000) {
		t.Errorf("before the login due at %d", c.Due()-at(0))
	}
	c.OnTick(at(14_000)) // no heartbeat before the login
	if got := say(c); got != "" {
		t.Errorf("said %q before the login", got)
	}
	hear(c, script("+patience"), at(14_500)) // makes up for nothing
	c.OnTick(at(14_999))
	wantErr(t, c.Err(), nil)
	c.OnTick(at(15_000))
	wantErr(t, c.Err(), ErrSilent)

	c.Connect(at(20_000))
	say(c)
	hear(c, script("A1"), at(20_500))
	for ms := int64(20_500); ms < 35_500; ms += 10 {
		c.OnTick(at(ms))
	}
	heartbeats := say(c)
	if heartbeats != strings.Repeat(string(unhex("0001 52")), 15) {
		t.Errorf("%d bytes of heartbeats: %x", len(heartbeats), heartbeats)
	}
	wantErr(t, c.Err(), nil)
	hear(c, script("Sabc")[:4], at(35_400)) // no whole packet
	if c.Due() != at(35_500) {
		t.Errorf("due at %d", c.Due()-at(0))
	}
	c.OnTick(at(35_500))
	wantErr(t, c.Err(), ErrSilent)
}

func TestClientMessagesReplaceHeartbeats(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Send([]byte("early"), at(0))
	c.Connect(at(0))
	c.Send([]byte("early"), at(0))
	say(c)
	hear(c, script("A1"), at(0))
	c.Send([]byte("x"), at(900))
	c.OnTick(at(1899))
	if got := say(c); got != string(unhex("0002 55 78")) {
		t.Errorf("said %x", got)
	}
	c.OnTick(at(1900))
	if got := say(c); got != string(unhex("0001 52")) {
		t.Errorf("said %x", got)
	}
	c.Logout(at(1901))
	if got := say(c); got != string(unhex("0001 4f")) {
		t.Errorf("said %x", got)
	}
}

// Who does not read cannot say that the other end is silent.
func TestClientThatDidNotRead(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	hear(c, script("A1"), at(0))
	c.NotReading(at(60_000))
	c.OnTick(at(60_001))
	wantErr(t, c.Err(), nil)
	c.OnTick(at(75_000))
	wantErr(t, c.Err(), ErrSilent)
}

func TestOutputInPieces(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	whole := bytes.Clone(c.Output())
	c.Sent(10)
	if !bytes.Equal(c.Output(), whole[10:]) {
		t.Errorf("left %x, want %x", c.Output(), whole[10:])
	}
}

func TestClientConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*ClientConfig){
		"payload":    func(c *ClientConfig) { c.PayloadMax = 0 },
		"heartbeat":  func(c *ClientConfig) { c.Heartbeat = 0 },
		"silence":    func(c *ClientConfig) { c.SilenceMax = c.Heartbeat },
		"login":      func(c *ClientConfig) { c.Login.Username = "much too long" },
		"server has": func(c *ClientConfig) { c.Login.HeartbeatTimeout = c.Heartbeat },
	} {
		c := DefaultClientConfig("tide", "")
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: valid", name)
		}
	}
}

func TestClientDoesNotAllocate(t *testing.T) {
	c := NewClient(testClientConfig())
	c.Connect(at(0))
	hear(c, script("A1"), at(0))
	var stream []byte
	for range 500 {
		stream = AppendSequenced(stream, make([]byte, 40))
	}
	messages := 0
	if n := testing.AllocsPerRun(20, func() {
		c.Read(copy(c.Room(), stream), at(1))
		for _, ok := c.Poll(); ok; _, ok = c.Poll() {
			messages++
		}
		c.OnTick(at(1))
	}); n != 0 || messages != 21*500 || c.Err() != nil {
		t.Errorf("%.1f allocations, %d messages, %v", n, messages, c.Err())
	}
}
