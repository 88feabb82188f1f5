package soup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tidegate/codec/soupbintcp"
	"tidegate/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var session = soupbintcp.Session([]byte("   TIDE001"))

// A script is what a venue does with one connection. It returns when the venue closes it.
type script func(v *venue)

// A venue is the other end of a pipe: it plays a script per connection, and refuses further ones.
type venue struct {
	t       *testing.T
	scripts []script
	conn    net.Conn
	dials   []time.Duration // when, since the beginning
	began   time.Time

	mu    sync.Mutex
	heard []byte // from the client after its login, all connections
}

// said returns what the client has said after its login.
func (v *venue) said() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return string(v.heard)
}

// dial is the client's way to the venue.
func (v *venue) dial(context.Context, string, string) (net.Conn, error) {
	if len(v.dials) == 0 {
		v.began = time.Now()
	}
	v.dials = append(v.dials, time.Since(v.began))
	if len(v.scripts) == 0 {
		return nil, errors.New("nobody is listening")
	}
	play := v.scripts[0]
	v.scripts = v.scripts[1:]
	ours, theirs := net.Pipe()
	v.conn = ours
	go func() {
		play(v)
		ours.Close()
	}()
	return theirs, nil
}

// login expects a login request and returns it.
func (v *venue) login() soupbintcp.Login {
	b := make([]byte, soupbintcp.HeaderLen+46)
	if _, err := io.ReadFull(v.conn, b); err != nil {
		v.t.Errorf("venue: read the login: %v", err)
	}
	l, err := soupbintcp.ParseLogin(b[soupbintcp.HeaderLen:])
	if err != nil {
		v.t.Errorf("venue: %v", err)
	}
	return l
}

// listen reads what the client says until the connection ends.
func (v *venue) listen(conn net.Conn) {
	b := make([]byte, 100)
	for {
		n, err := conn.Read(b)
		v.mu.Lock()
		v.heard = append(v.heard, b[:n]...)
		v.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (v *venue) write(b []byte) { _, _ = v.conn.Write(b) }

// messages are sequenced messages that name their numbers.
func messages(from, to int) (b []byte) {
	for n := from; n < to; n++ {
		b = soupbintcp.AppendSequenced(b, fmt.Appendf(nil, "m%d", n))
	}
	return b
}

func accepted(next uint64) []byte { return soupbintcp.AppendLoginAccepted(nil, session, next) }

// sends is a script: expect a login for a number, accept it, send, close.
func sends(next uint64, b []byte) script {
	return func(v *venue) {
		if l := v.login(); l.Next != next {
			v.t.Errorf("the client asks for %d, want %d", l.Next, next)
		}
		go v.listen(v.conn)
		v.write(append(accepted(next), b...))
	}
}

func testConfig(v *venue) Config {
	cfg := DefaultConfig("venue.test:1", "tide", "sesame")
	cfg.Dial = v.dial
	return cfg
}

// A notebook is a sink that writes everything down.
type notebook []string

func (n *notebook) note(item *Item) {
	switch item.Kind {
	case Message:
		*n = append(*n, fmt.Sprintf("%d=%s", item.Seq, item.Body))
	case LoggedIn:
		*n = append(*n, fmt.Sprintf("in %d/%d", item.Asked, item.Seq))
	case Disconnected:
		*n = append(*n, "lost")
	default:
		*n = append(*n, item.Kind.String())
	}
}

func (n *notebook) want(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(*n, " "); got != want {
		t.Errorf("heard %q\nwant  %q", got, want)
	}
}

func newFeed(t *testing.T, cfg Config, sink Sink) *Feed {
	t.Helper()
	f, err := NewFeed(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFeedGoesOnAfterDisconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &venue{t: t, scripts: []script{
			sends(1, append(messages(1, 4), messages(4, 5)[:4]...)), // breaks inside message 4
			func(v *venue) { v.login() },                            // closes without an answer
			sends(4, messages(4, 6)),
			sends(6, append(messages(6, 7), soupbintcp.AppendEndOfSession(nil)...)),
		}}
		var heard notebook
		f := newFeed(t, testConfig(v), SinkFunc(heard.note))
		if err := f.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		heard.want(t, "in 1/1 1=m1 2=m2 3=m3 lost lost in 4/4 4=m4 5=m5 lost in 6/6 6=m6 session ended")
		s := f.Stats()
		if s.Dials != 4 || s.Logins != 3 || s.Disconnects != 3 || s.Messages != 6 || s.Sessions != 1 || s.Next != 7 ||
			s.Connected || !s.Session.Is(session) || s.Bytes == 0 || s.LastRecv == 0 || s.Missed != 0 {
			t.Errorf("%+v", s)
		}
		if want := "soupbintcp: receive: from venue.test:1: the connection was closed by the other end"; s.LastError != want {
			t.Errorf("last error %q", s.LastError)
		}
	})
}

func TestFeedBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &venue{t: t}
		cfg := testConfig(v)
		cfg.BackoffMin, cfg.BackoffMax, cfg.AttemptsMax = 100*time.Millisecond, time.Second, 9
		var heard notebook
		err := newFeed(t, cfg, SinkFunc(heard.note)).Run(t.Context())
		if !errors.Is(err, ErrGivenUp) || !strings.Contains(err.Error(), "connect: to venue.test:1: nobody is listening") {
			t.Errorf("error %v", err)
		}
		if len(v.dials) != 9 || len(heard) != 9 {
			t.Fatalf("%d dials, heard %q", len(v.dials), heard)
		}
		longest := 100 * time.Millisecond
		for i := 1; i < len(v.dials); i++ {
			if wait := v.dials[i] - v.dials[i-1]; wait > longest || wait < longest/2 {
				t.Errorf("waited %v before connection %d, want %v to %v", wait, i+1, longest/2, longest)
			}
			longest = min(2*longest, time.Second)
		}
	})
}

// A connection that brought something begins the back-off anew, and the budget.
func TestFeedForgetsFailuresAfterSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := func(v *venue) { v.login() }
		v := &venue{t: t, scripts: []script{fails, fails, sends(1, messages(1, 2)), fails, fails, sends(2, soupbintcp.AppendEndOfSession(nil))}}
		cfg := testConfig(v)
		cfg.AttemptsMax = 3
		if err := newFeed(t, cfg, SinkFunc(func(*Item) {})).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if wait := v.dials[3] - v.dials[2]; wait > cfg.BackoffMin {
			t.Errorf("waited %v after a success", wait)
		}
	})
}

func TestFeedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(v *venue) {
			v.login()
			v.write(soupbintcp.AppendLoginRejected(nil, soupbintcp.NotAuthorized))
		}
		v := &venue{t: t, scripts: []script{refuse, refuse}}
		cfg := testConfig(v)
		cfg.AttemptsMax = 2
		f := newFeed(t, cfg, SinkFunc(func(*Item) {}))
		err := f.Run(t.Context())
		if !errors.Is(err, ErrGivenUp) || !errors.Is(err, soupbintcp.ErrNotAuthorized) || !strings.Contains(err.Error(), "log in: to venue.test:1") {
			t.Errorf("error %v", err)
		}
		if f.Stats().Refused != 2 {
			t.Errorf("%+v", f.Stats())
		}
	})
}

func TestFeedHeartbeatsAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &venue{t: t, scripts: []script{
			func(v *venue) {
				v.login()
				v.write(accepted(1))
				v.listen(v.conn) // and says nothing any more
			},
			sends(1, soupbintcp.AppendEndOfSession(nil)),
		}}
		f := newFeed(t, testConfig(v), SinkFunc(func(*Item) {}))
		if err := f.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := v.said(); got != strings.Repeat("\x00\x01R", 14) {
			t.Errorf("the client said %x in 15 s", got)
		}
		if took := v.dials[1]; took < 15*time.Second || took > 16*time.Second {
			t.Errorf("next connection after %v", took)
		}
		if s := f.Stats(); !strings.Contains(s.LastError, soupbintcp.ErrSilent.Error()) {
			t.Errorf("last error %q", s.LastError)
		}
	})
}

func TestFeedLogsOutWhenToldToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		v := &venue{t: t, scripts: []script{func(v *venue) {
			v.login()
			v.write(append(accepted(1), messages(1, 3)...))
			time.AfterFunc(2500*time.Millisecond, stop)
			v.listen(v.conn)
		}}}
		var heard notebook
		f := newFeed(t, testConfig(v), SinkFunc(heard.note))
		if err := f.Run(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		heard.want(t, "in 1/1 1=m1 2=m2")
		if got := v.said(); got != "\x00\x01R\x00\x01R\x00\x01O" {
			t.Errorf("the client said %x", got)
		}
		if f.Stats().Connected {
			t.Error("still connected")
		}
	})
}

func TestFeedStopsWhereverItWaits(t *testing.T) {
	for name, scripts := range map[string][]script{
		"back-off":            nil,
		"login is not read":   {func(v *venue) { time.Sleep(2 * time.Second) }},
		"login not answered":  {func(v *venue) { v.login(); v.listen(v.conn) }},
		"sink without a room": {sends(1, messages(1, 10))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				v := &venue{t: t, scripts: scripts}
				cfg := testConfig(v)
				cfg.BackoffMin, cfg.BackoffMax = time.Hour, time.Hour
				sink := Sink(SinkFunc(func(*Item) {}))
				if name == "sink without a room" {
					sink = full{}
				}
				began := time.Now()
				if err := newFeed(t, cfg, sink).Run(ctx); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > time.Second+logoutMax {
					t.Errorf("took %v", took)
				}
				time.Sleep(2 * time.Second) // until the venue has ended too
			})
		})
	}
}

type full struct{}

func (full) Offer(*Item) bool      { return false }
func (full) Room() <-chan struct{} { return nil }

func TestFeedAndAnotherSession(t *testing.T) {
	for _, follow := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			v := &venue{t: t, scripts: []script{
				sends(1, messages(1, 3)),
				func(v *venue) {
					v.login()
					b := soupbintcp.AppendLoginAccepted(nil, soupbintcp.Session([]byte("   TIDE002")), 1)
					v.write(soupbintcp.AppendEndOfSession(append(b, messages(1, 2)...)))
				},
			}}
			cfg := testConfig(v)
			cfg.Client.FollowSession = follow
			var heard notebook
			err := newFeed(t, cfg, SinkFunc(heard.note)).Run(t.Context())
			if follow {
				heard.want(t, "in 1/1 1=m1 2=m2 lost in 1/1 1=m1 session ended")
			} else {
				heard.want(t, "in 1/1 1=m1 2=m2 lost lost")
			}
			if errors.Is(err, soupbintcp.ErrSessionChanged) == follow {
				t.Errorf("follow %t: %v", follow, err)
			}
		})
	}
}

func TestFeedGoesOnWithTheNextSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := soupbintcp.AppendEndOfSession(nil)
		v := &venue{t: t, scripts: []script{sends(1, append(messages(1, 3), end...)), sends(1, append(messages(1, 2), end...))}}
		cfg := testConfig(v)
		cfg.NextSession, cfg.AttemptsMax = true, 1
		var heard notebook
		if err := newFeed(t, cfg, SinkFunc(heard.note)).Run(t.Context()); !errors.Is(err, ErrGivenUp) {
			t.Error(err)
		}
		heard.want(t, "in 1/1 1=m1 2=m2 session ended in 1/1 1=m1 session ended lost")
	})
}

// While the sink has no room nothing is read, the client goes on to say that it is alive, and nothing
// is lost.
func TestFeedHoldsBackForItsSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		v := &venue{t: t, scripts: []script{func(v *venue) {
			v.login()
			go v.listen(v.conn)
			v.write(accepted(1))
			for n := 1; n <= 100; n++ {
				v.write(messages(n, n+1)) // waits until it is read: a pipe has no memory
				sent = n
			}
			v.write(soupbintcp.AppendEndOfSession(nil))
		}}}
		queue := NewQueue(QueueConfig{ItemsMax: 8, BytesMax: 1 << 16}, nil)
		f := newFeed(t, testConfig(v), queue)
		ended := make(chan error, 1)
		go func() { ended <- f.Run(t.Context()) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if sent > 9 {
			t.Errorf("%d messages were read into a queue of 8", sent)
		}
		if beats := len(v.said()) / 3; beats < 50 {
			t.Errorf("%d heartbeats in a minute", beats)
		}
		var heard notebook
		for len(ended) == 0 {
			if queue.Drain(heard.note) == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		queue.Drain(heard.note)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := "in 1/1"
		for n := 1; n <= 100; n++ {
			want += fmt.Sprintf(" %d=m%d", n, n)
		}
		heard.want(t, want+" session ended")
		if s := f.Stats(); s.Disconnects != 0 || s.Held == 0 || s.HeldNanos < 59*market.Second {
			t.Errorf("%+v", s)
		}
	})
}

func TestConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"address":  func(c *Config) { c.Address = "venue" },
		"dial":     func(c *Config) { c.DialTimeout = 0 },
		"back-off": func(c *Config) { c.BackoffMax = c.BackoffMin - 1 },
		"attempts": func(c *Config) { c.AttemptsMax = -1 },
		"client":   func(c *Config) { c.Client.PayloadMax = 0 },
	} {
		cfg := DefaultConfig("venue.test:1", "", "")
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if f, err := NewFeed(cfg, SinkFunc(func(*Item) {})); err == nil || f != nil || !strings.HasPrefix(err.Error(), "feed by soupbintcp: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFeedOnARealSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() // nobody listens there now
	cfg := DefaultConfig(address, "tide", "")
	cfg.BackoffMin, cfg.BackoffMax, cfg.AttemptsMax = time.Millisecond, time.Millisecond, 2
	err = newFeed(t, cfg, SinkFunc(func(*Item) {})).Run(t.Context())
	if !errors.Is(err, ErrGivenUp) || !strings.Contains(err.Error(), address) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
