package egress

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/bus"
	"tidegate/market"
)

// logTo has a server log to a buffer, without times.
func logTo(out io.Writer) func(*Config) {
	return func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
					return slog.Attr{}
				}
				return a
			},
		}))
	}
}

func TestSessionsAreLogged(t *testing.T) {
	var out bytes.Buffer
	b := standardBench(t, logTo(&out))
	b.steps(20)
	want := func(text string) {
		t.Helper()
		if got := strings.TrimSpace(out.String()); got != text {
			t.Errorf("logged\n%s\nwant\n%s", got, text)
		}
		out.Reset()
	}
	c := b.dial()
	want("")
	c.auth("|client=test 1.0").say(subscribeAll, "start_session")
	want(`msg="session opened" session=42 key=test dataset=XSIM.ITCH address=192.0.2.7:1234 tls=false client="test 1.0"`)
	b.play(10)
	c.metadata()
	n := 0
	for _, r := range c.records() {
		if r.RType == dbn.RTypeMBO {
			n++
		}
	}
	c.session.skipped = 77
	b.time += 1500 * market.Millisecond
	c.Close()
	got := out.String()
	want(strings.TrimSpace(got))
	for _, part := range []string{
		`msg="session closed" session=42 key=test dataset=XSIM.ITCH address=192.0.2.7:1234 reason=client open_for=1.5s records=`,
		" skipped=77 bytes=",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("logged %s, want %s", got, part)
		}
	}
	if n == 0 || int(c.session.records) != n {
		t.Errorf("%d records are logged, %d were received", c.session.records, n)
	}
	stranger := b.dial() // looks whether the port is open
	stranger.Close()
	want("")
	stranger = b.dial()
	stranger.say("hello")
	stranger.Close()
	want(`msg="connection refused" address=192.0.2.7:1234 tls=false reason="authentication line: auth: missing"`)
}

// Every connection is counted once, by the reason for which it was closed.
func TestClosesAreCountedByReason(t *testing.T) {
	for reason, f := range map[string]func(*bench){
		"client":       func(b *bench) { b.dial().auth("").say(subscribeAll, "start_session") },
		"refused":      func(b *bench) { b.dial().say("hello") },
		"timeout":      func(b *bench) { b.dial(); b.after(31 * market.Second) },
		"invalid":      func(b *bench) { b.dial().auth("").say("schema=x|symbols=A", "start_session") },
		"not_retained": func(b *bench) { b.dial().auth("").say("schema=mbo|symbols=A|start=0", "start_session") },
		"deactivated": func(b *bench) {
			b.dial().auth("").say("start_session")
			b.loop.admission.reload(nil, DefaultLimits())
			b.loop.reload(b.time)
		},
		"slow": func(b *bench) {
			c := b.dial().auth("").say(subscribeAll, "start_session")
			c.window = 1000
			for c.session.state == streaming {
				b.play(10)
			}
		},
		"stopping": func(b *bench) {
			b.dial().auth("").say("start_session")
			b.loop.drain("maintenance", func() {}, b.time)
		},
		"broken": func(b *bench) {
			c := b.dial()
			b.loop.closed(c.session, closeReasonOfError(syscall.ETIMEDOUT), b.time)
		},
	} {
		t.Run(reason, func(t *testing.T) {
			b := newBench(t, newWorld(t, bus.Config{Chunks: 4, ChunkBytes: 1 << 12}, 20*market.Second), nil)
			b.steps(10)
			f(b)
			for len(b.loop.sessions) > 0 {
				b.loop.sessions[0].conn.Close()
			}
			for got, n := range b.loop.stats().Closes {
				if want := got == reason; (n != 0) != want || n > 1 {
					t.Errorf("%d closed for %s", n, got)
				}
			}
		})
	}
	for err, want := range map[error]closeReason{
		nil: closedByClient, io.EOF: closedByClient, syscall.ECONNRESET: closedByClient, errors.New("other"): closedBroken,
	} {
		if got := closeReasonOfError(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// However often something happens, a few lines a second say so, and that there was more.
func TestSparingLog(t *testing.T) {
	var out bytes.Buffer
	var cfg Config
	logTo(&out)(&cfg)
	l := &sparingLog{log: cfg.Log, text: "no"}
	for i := range 100 {
		l.info(market.Second, "i", i)
	}
	l.info(2*market.Second, "i", 100)
	l.info(2*market.Second, "i", 101)
	if got, want := out.String(), "msg=no i=0\nmsg=no i=1\nmsg=no i=2\nmsg=no i=3\nmsg=no i=4\nmsg=no i=100 left_out_before=95\nmsg=no i=101\n"; got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
}

// A lockedBuffer can be read while others write to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TLS handshakes that fail are counted by reason, and logged with it.
func TestFailedHandshakes(t *testing.T) {
	certificate, roots := newCertificate(t)
	var out lockedBuffer
	stage := func(patience time.Duration) *stage {
		return newStage(t, newWorld(t, bus.DefaultConfig(), market.Second), func(c *Config) {
			logTo(&out)(c)
			c.AuthTimeout = patience
			c.TLSAddr, c.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
		})
	}
	plain := func(addr, send string) net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, send)
		return c
	}
	hasty := stage(time.Millisecond)
	plain(hasty.server.TLSAddr().String(), "")
	hasty.until("the failed handshake: timeout", func(st Stats) bool { return st.Handshakes["timeout"] == 1 })
	if got := out.String(); !strings.Contains(got, " reason=timeout error=") {
		t.Errorf("timeout: logged %s", got)
	}
	s := stage(patience)
	addr := s.server.TLSAddr().String()
	for reason, f := range map[string]func(){
		"not_tls": func() { plain(addr, "auth=\n") },
		"closed":  func() { plain(addr, "").Close() },
		"rejected": func() {
			_, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "localhost"}) // nobody vouches for the gateway
			if err == nil {
				t.Error("an unknown authority was accepted")
			}
		},
		"failed": func() {
			_, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12})
			if err == nil {
				t.Error("an old version was accepted")
			}
		},
	} {
		f()
		s.until("the failed handshake: "+reason, func(st Stats) bool { return st.Handshakes[reason] == 1 })
		if got := out.String(); !strings.Contains(got, `msg="tls handshake failed" address=127.0.0.1:`) || !strings.Contains(got, " reason="+reason+" error=") {
			t.Errorf("%s: logged %s", reason, got)
		}
	}
	if st := s.stats(); len(st.Handshakes) != int(handshakeFaults) || st.Handshakes["too_many"] != 0 || st.Connections != 0 {
		t.Errorf("handshakes %v, %d connections", st.Handshakes, st.Connections)
	}
}
