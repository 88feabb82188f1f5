package recovery

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

const (
	ms    = market.Millisecond
	start = 1000 * market.Second
)

func config() Config {
	cfg := DefaultConfig()
	cfg.SessionSubID, cfg.Username, cfg.Password = "0007", "TIDE", "saltwater1"
	return cfg
}

func gapClient(t testing.TB) *GapClient {
	t.Helper()
	c, err := NewGapClient(config(), start)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func spinClient(t testing.TB) *SpinClient {
	t.Helper()
	c, err := NewSpinClient(config(), start)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// loggedIn sends the login and takes the answer.
func loggedIn(t testing.TB, c interface {
	Next(now market.Nanos) ([]byte, bool)
	State() State
}, answer func([]byte),
) {
	t.Helper()
	msg, ok := c.Next(start)
	if !ok || !bytes.Equal(msg, unhex(golden[0].wire)) {
		t.Fatalf("first message %x, %t, want the login", msg, ok)
	}
	answer((&LoginResponse{LoginAccepted}).Append(nil))
	if c.State() != Ready {
		t.Fatalf("state %v", c.State())
	}
}

func wantFailed(t testing.TB, c interface {
	Err() error
	State() State
	Next(now market.Nanos) ([]byte, bool)
}, want error,
) {
	t.Helper()
	if !errors.Is(c.Err(), want) || c.State() != Failed {
		t.Errorf("%v, %v, want %v", c.State(), c.Err(), want)
	}
	if msg, ok := c.Next(start + market.Hour); ok {
		t.Errorf("a failed session sends %x", msg)
	}
}

func TestHeartbeatsAndSilence(t *testing.T) {
	c := gapClient(t)
	loggedIn(t, c, func(b []byte) { c.OnMessage(b, start) })
	now := start
	for range 20 {
		if msg, ok := c.Next(now + 999*ms); ok {
			t.Fatalf("%x after 999 ms", msg)
		}
		now += market.Second
		if msg, ok := c.Next(now); !ok || len(msg) != 0 {
			t.Fatalf("%x, %t after a second, want a heartbeat", msg, ok)
		}
		c.OnPacket(now) // the proxy's heartbeat
		c.OnTick(now)
	}
	c.OnTick(now + 5*market.Second - 1)
	if c.State() != Ready {
		t.Fatalf("%v, %v", c.State(), c.Err())
	}
	c.OnTick(now + 5*market.Second)
	wantFailed(t, c, ErrSilent)
}

func TestLogins(t *testing.T) {
	for _, tt := range []struct {
		status LoginStatus
		want   error
	}{{NotAuthorized, ErrRefused}, {SessionInUse, ErrRefused}, {InvalidSession, ErrRefused}, {'?', ErrRefused}} {
		c := spinClient(t)
		c.OnMessage((&LoginResponse{tt.status}).Append(nil), start)
		wantFailed(t, c, tt.want)
	}
	c := spinClient(t)
	c.OnPacket(start + 4*market.Second)
	c.OnTick(start + 5*market.Second)
	wantFailed(t, c, ErrUnanswered)

	g := gapClient(t)
	loggedIn(t, g, func(b []byte) { g.OnMessage(b, start) })
	g.OnMessage((&LoginResponse{LoginAccepted}).Append(nil), start)
	wantFailed(t, g, ErrUnexpected)

	for _, bad := range [][]byte{{TypeLoginResponse}, {TypeGapResponse}, (&GapResponse{}).Append(nil)} {
		g := gapClient(t)
		g.OnMessage(bad, start)
		wantFailed(t, g, ErrUnexpected)
		g.OnMessage(bad, start) // nothing more happens
		g.OnTick(start + market.Hour)
		wantFailed(t, g, ErrUnexpected)
	}
}

func TestGapRequests(t *testing.T) {
	c := gapClient(t)
	a, b, d := GapRequest{7, 100, 5}, GapRequest{7, 200, 1}, GapRequest{8, 5, 9}
	if err := c.Request(a, start); err != ErrNotReady {
		t.Errorf("before the login: %v", err)
	}
	loggedIn(t, c, func(b []byte) { c.OnMessage(b, start) })
	for _, r := range []GapRequest{{0, 1, 1}, {1, 0, 1}, {1, 1, 0}} {
		if err := c.Request(r, start); err != ErrRequest {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for i, r := range []GapRequest{a, b, d} {
		if err := c.Request(r, start+market.Nanos(i)*ms); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []GapRequest{a, b} {
		if msg, ok := c.Next(start + ms); !ok || !bytes.Equal(msg, r.Append(nil)) {
			t.Errorf("sent %x, %t, want %+v", msg, ok, r)
		}
	}
	answer := func(r GapRequest, s GapStatus) { c.OnMessage((&GapResponse{r, s}).Append(nil), start+2*ms) }
	answer(b, GapAccepted)
	answer(b, GapAccepted)   // again
	answer(d, GapAccepted)   // not asked yet
	c.OnMessage(nil, start)  // no message at all
	answer(a, GapOutOfRange) // in another order
	c.OnMessage([]byte{0x7f}, start)
	if c.Strays() != 4 {
		t.Errorf("%d strays, want 4", c.Strays())
	}
	for range 3 { // the server lives
		c.OnPacket(start + 4*market.Second)
	}
	c.OnTick(start + 5*market.Second + 2*ms - 1)
	if msg, ok := c.Next(start + 5*market.Second); !ok || !bytes.Equal(msg, d.Append(nil)) {
		t.Errorf("sent %x, %t, want %+v", msg, ok, d)
	}
	c.OnTick(start + 5*market.Second + 2*ms)
	var got []GapResponse
	for r, ok := c.Outcome(); ok; r, ok = c.Outcome() {
		got = append(got, r)
	}
	want := []GapResponse{{b, GapAccepted}, {a, GapOutOfRange}, {d, GapUnanswered}}
	if !slices.Equal(got, want) || c.Lost() != 0 {
		t.Errorf("outcomes %+v and %d lost, want %+v", got, c.Lost(), want)
	}
	if c.State() != Ready {
		t.Errorf("%v, %v", c.State(), c.Err())
	}
}

// Whatever happens, each request has one outcome, is under way, or is lost with its session.
func TestEveryGapRequestIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := NewGapClient(config(), start)
		if err != nil {
			t.Fatal(err)
		}
		now := start
		c.Next(now)
		c.OnMessage((&LoginResponse{LoginAccepted}).Append(nil), now)
		next, outcomes := uint32(1), map[uint32]int{}
		var sent []GapRequest
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				r := GapRequest{1, next, 1}
				under := c.Lost() + c.done
				switch err := c.Request(r, now); {
				case err == nil:
					next++
				case err == ErrBusy && under == RequestsMax, err == ErrNotReady && c.State() == Failed:
				default:
					t.Fatalf("with %d under way: %v", under, err)
				}
			case 3:
				if msg, ok := c.Next(now); ok && len(msg) > 0 {
					var r GapRequest
					if err := r.Parse(msg); err != nil {
						t.Fatal(err)
					}
					sent = append(sent, r)
				}
			case 4:
				if n := len(sent); n > 0 {
					i := rapid.IntRange(0, n-1).Draw(t, "answered")
					c.OnMessage((&GapResponse{sent[i], GapAccepted}).Append(nil), now)
					sent = slices.Delete(sent, i, i+1)
				}
				for r, ok := c.Outcome(); ok; r, ok = c.Outcome() {
					outcomes[r.Seq]++
				}
			case 5:
				now += market.Nanos(rapid.IntRange(1, 3000).Draw(t, "passed")) * ms
				if rapid.IntRange(0, 9).Draw(t, "alive") > 0 {
					c.OnPacket(now)
				}
				c.OnTick(now)
			}
		}
		for r, ok := c.Outcome(); ok; r, ok = c.Outcome() {
			outcomes[r.Seq]++
		}
		for seq, n := range outcomes {
			if n != 1 {
				t.Fatalf("request %d has %d outcomes", seq, n)
			}
		}
		if len(outcomes)+c.Lost() != int(next)-1 {
			t.Fatalf("%d outcomes and %d lost of %d", len(outcomes), c.Lost(), next-1)
		}
	})
}

// A step of a spin: what comes, and what the client makes of it.
type spinStep struct {
	in   message
	part Part
	out  message // sent then; nil for nothing
}

var (
	addOrder = raw{typeAddOrderShort, 1, 2, 3}
	timeIs   = raw{0x20, 0, 0, 0, 0}
)

// raw is a message that is not the session's.
type raw []byte

func (r raw) Append(b []byte) []byte { return append(b, r...) }
func (r raw) Parse([]byte) error     { return nil }

func TestSpins(t *testing.T) {
	image := func(seq uint32) message { return &SpinImageAvailable{seq} }
	response := func(seq, orders uint32, s SpinStatus) message { return &SpinResponse{seq, orders, s} }
	for _, tt := range []struct {
		name  string
		steps []spinStep
		err   error
		image uint32
	}{
		{name: "an image", image: 99, steps: []spinStep{
			{in: image(98)}, // does not reach the stream that is held from 100 on
			{in: image(99), out: &SpinRequest{99}},
			{in: image(105)},
			{in: response(99, 2, SpinAccepted), part: ImageBegins},
			{in: timeIs, part: ImageMessage},
			{in: addOrder, part: ImageMessage},
			{in: image(110)},
			{in: response(0, 0, SpinInProgress)}, // of another request on the session
			{in: addOrder, part: ImageMessage},
			{in: &SpinFinished{99}, part: ImageEnds},
			{in: image(120)}, // nobody wants one more
			{in: timeIs},     // nor this
		}},
		{name: "a refusal, and a later image", image: 130, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: response(110, 0, SpinOutOfRange)},
			{in: image(130), out: &SpinRequest{130}},
			{in: response(130, 0, SpinAccepted), part: ImageBegins},
			{in: &SpinFinished{130}, part: ImageEnds},
		}},
		{name: "an order is missing", err: ErrImage, image: 110, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: response(110, 2, SpinAccepted), part: ImageBegins},
			{in: addOrder, part: ImageMessage},
			{in: &SpinFinished{110}},
		}},
		{name: "an order too many", err: ErrImage, image: 110, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: response(110, 0, SpinAccepted), part: ImageBegins},
			{in: addOrder},
		}},
		{name: "another image is granted", err: ErrImage, image: 110, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: response(111, 0, SpinAccepted)},
		}},
		{name: "another image is finished", err: ErrImage, image: 110, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: response(110, 0, SpinAccepted), part: ImageBegins},
			{in: &SpinFinished{111}},
		}},
		{name: "granted twice", err: ErrUnexpected, image: 110, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: response(110, 0, SpinAccepted), part: ImageBegins},
			{in: response(110, 0, SpinAccepted)},
		}},
		{name: "finished before it began", err: ErrUnexpected, image: 110, steps: []spinStep{
			{in: image(110), out: &SpinRequest{110}},
			{in: &SpinFinished{110}},
		}},
		{name: "an answer that nobody asked for", err: ErrUnexpected, steps: []spinStep{{in: response(110, 0, SpinAccepted)}}},
		{name: "a short offer", err: ErrUnexpected, steps: []spinStep{{in: raw{TypeSpinImageAvailable}}}},
		{name: "a short answer", err: ErrUnexpected, steps: []spinStep{{in: raw{TypeSpinResponse, 1, 0, 0, 0}}}},
		{name: "a short end", err: ErrUnexpected, steps: []spinStep{{in: raw{TypeSpinFinished}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := spinClient(t)
			if !c.Want(100) {
				t.Fatal("Want was not heard")
			}
			loggedIn(t, c, func(b []byte) { c.OnMessage(b, start) })
			for i, s := range tt.steps {
				if part := c.OnMessage(s.in.Append(nil), start); part != s.part {
					t.Errorf("step %d: part %d, want %d", i, part, s.part)
				}
				msg, ok := c.Next(start)
				if ok != (s.out != nil) || ok && !bytes.Equal(msg, s.out.Append(nil)) {
					t.Errorf("step %d: sent %x, %t, want %+v", i, msg, ok, s.out)
				}
			}
			if c.Image() != tt.image {
				t.Errorf("image of sequence %d, want %d", c.Image(), tt.image)
			}
			if tt.err != nil {
				wantFailed(t, c, tt.err)
				if c.Want(1) {
					t.Error("Want of a failed session was heard")
				}
			} else if c.State() != Ready {
				t.Errorf("%v, %v", c.State(), c.Err())
			}
		})
	}
}

func TestSpinAgainAndDeadlines(t *testing.T) {
	c := spinClient(t)
	loggedIn(t, c, func(b []byte) { c.OnMessage(b, start) })
	c.OnMessage((&SpinImageAvailable{5}).Append(nil), start)
	if _, ok := c.Next(start); ok || c.Available() != 5 {
		t.Errorf("an image that nobody wants was asked for; available %d", c.Available())
	}
	for round := range uint64(2) {
		if !c.Want(0) || !c.Want(1) { // wants may change while none is under way
			t.Fatal("Want was not heard")
		}
		c.OnMessage((&SpinImageAvailable{0}).Append(nil), start)
		c.Next(start)
		if c.Want(9) {
			t.Error("Want was heard while an image is under way")
		}
		c.OnMessage((&SpinResponse{0, 0, SpinAccepted}).Append(nil), start)
		if part := c.OnMessage((&SpinFinished{0}).Append(nil), start); part != ImageEnds || c.Attempts() != round+1 {
			t.Errorf("round %d: part %d, %d attempts", round, part, c.Attempts())
		}
	}
	c.OnMessage(nil, start)
	c.OnMessage(timeIs, start)
	if c.Strays() != 2 {
		t.Errorf("%d strays, want 2", c.Strays())
	}
	c.Want(1)
	c.OnMessage((&SpinImageAvailable{7}).Append(nil), start+ms)
	c.OnPacket(start + 4*market.Second)
	c.OnTick(start + 5*market.Second)
	if c.State() != Ready {
		t.Fatalf("%v", c.Err())
	}
	c.OnTick(start + 5*market.Second + ms)
	wantFailed(t, c, ErrUnanswered)
}

func TestConfig(t *testing.T) {
	for i, change := range []func(*Config){
		func(c *Config) { c.SessionSubID = "00007" },
		func(c *Config) { c.Username = "TIDES" },
		func(c *Config) { c.Password = "12345678901" },
		func(c *Config) { c.Password = "salt\n" },
		func(c *Config) { c.Heartbeat = 0 },
		func(c *Config) { c.SilenceMax = 2 * market.Minute },
		func(c *Config) { c.AnswerMax = -1 },
	} {
		cfg := config()
		change(&cfg)
		_, gap := NewGapClient(cfg, start)
		_, spin := NewSpinClient(cfg, start)
		if gap == nil || spin == nil || cfg.Validate() == nil {
			t.Errorf("change %d is not refused", i)
		}
	}
	if err := (Config{Heartbeat: 1, SilenceMax: 1, AnswerMax: 1}).Validate(); fmt.Sprint(err) != "heartbeat 1 ns: want 1000000 to 60000000000 (one minute)" {
		t.Errorf("%v", err)
	}
}

func TestClientsDoNotAllocate(t *testing.T) {
	c := gapClient(t)
	loggedIn(t, c, func(b []byte) { c.OnMessage(b, start) })
	answer := (&GapResponse{GapRequest{1, 1, 1}, GapAccepted}).Append(nil)
	now := start
	if n := testing.AllocsPerRun(100, func() {
		now += market.Second
		if err := c.Request(GapRequest{1, 1, 1}, now); err != nil {
			t.Fatal(err)
		}
		c.Next(now)
		c.OnMessage(answer, now)
		c.OnTick(now)
		if _, ok := c.Outcome(); !ok {
			t.Fatal("no outcome")
		}
	}); n != 0 {
		t.Errorf("a gap request allocates %.1f times, want 0", n)
	}
}

// Clients survive whatever a server sends, and fail at most once.
func FuzzClients(f *testing.F) {
	var session []byte
	for _, tt := range golden {
		wire := unhex(tt.wire)
		session = append(append(session, byte(len(wire))), wire...)
	}
	f.Add(session)
	f.Add([]byte("\x02\x02A\x05\x80\x09\x00\x00\x00\x0a\x82\x09\x00\x00\x00\x01\x00\x00\x00A\x01\x22\x05\x83\x09\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		gap, spin := gapClient(t), spinClient(t)
		spin.Want(5)
		now := start
		spinning := false
		for n := 0; len(b) > 0; n++ {
			length := min(int(b[0]%24), len(b)-1)
			msg := b[1 : 1+length]
			b = b[1+length:]
			now += market.Nanos(length) * 10 * ms
			_ = gap.Request(GapRequest{1, uint32(n + 1), 1}, now)
			gap.Next(now)
			spin.Next(now)
			failed := [2]error{gap.Err(), spin.Err()}
			gap.OnMessage(msg, now)
			switch spin.OnMessage(msg, now) {
			case ImageBegins:
				if spinning || spin.Image() < 4 {
					t.Fatalf("an image of %d begins, spinning %t", spin.Image(), spinning)
				}
				spinning = true
			case ImageMessage:
				if !spinning {
					t.Fatal("a message of no image")
				}
			case ImageEnds:
				if !spinning {
					t.Fatal("the end of no image")
				}
				spinning = false
			}
			gap.OnTick(now)
			spin.OnTick(now)
			for i, c := range []interface {
				Err() error
				State() State
			}{gap, spin} {
				if failed[i] != nil && c.Err() != failed[i] || (c.State() == Failed) != (c.Err() != nil) {
					t.Fatalf("%v, %v after %v", c.State(), c.Err(), failed[i])
				}
			}
		}
	})
}
