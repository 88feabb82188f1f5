package lsgclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dataset = "XNAS.ITCH"

func testKey(t testing.TB, text string) lsg.Key {
	t.Helper()
	key, err := lsg.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testConfig(t testing.TB, addr string) Config {
	return Config{Addr: addr, Dataset: dataset, Key: testKey(t, lsgtest.Key)}
}

func dial(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// records returns n records of two layouts, and how they look to want.
func records(n int, tsOut bool) (b []byte) {
	for i := range n {
		start := len(b)
		if i%5 == 4 {
			b = (&dbn.System{Header: dbn.Header{TsEvent: market.Nanos(i)}, Text: "Heartbeat"}).Append(b)
		} else {
			b = dbn.AppendMBO(b, &market.Event{TsEvent: market.Nanos(i), Instrument: 7, Seq: uint64(i), Action: market.Add, Side: market.Bid})
		}
		if tsOut {
			b = dbn.AppendTsOut(b, start, market.Nanos(1000+i))
		}
	}
	return b
}

// wantRecords reads what records made, and the end.
func wantRecords(t *testing.T, next func() (dbn.Record, error), n int, tsOut bool) {
	t.Helper()
	for i := range n {
		r, err := next()
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if r.TsEvent != market.Nanos(i) || (r.RType == dbn.RTypeSystem) != (i%5 == 4) {
			t.Fatalf("record %d: got type %s at %d", i, r.RType, r.TsEvent)
		}
		if ts, ok := r.TsOut(); ok != tsOut || tsOut && ts != market.Nanos(1000+i) {
			t.Fatalf("record %d: ts_out %d, %t", i, ts, ok)
		}
	}
	for range 2 {
		if r, err := next(); err != io.EOF {
			t.Fatalf("after the last record: %v, %v, want io.EOF", r.RType, err)
		}
	}
}

func TestSession(t *testing.T) {
	for _, chunk := range []int{0, 1, 777} {
		for _, tsOut := range []bool{false, true} {
			t.Run(fmt.Sprintf("chunks of %d, ts_out %t", chunk, tsOut), func(t *testing.T) {
				addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
					pairs := s.Authenticate()
					if pairs["dataset"] != dataset || pairs["client"] != "tidegate" || (pairs["ts_out"] == "1") != tsOut {
						t.Errorf("authentication line has %v", pairs)
					}
					s.Expect("schema=mbo|stype_in=raw_symbol|id=1|symbols=AAPL,MSFT|snapshot=1|is_last=1")
					s.Expect("schema=trades|stype_in=parent|id=2|start=0|symbols=ES.FUT|snapshot=0|is_last=1")
					s.Expect("start_session")
					s.Send(lsgtest.Metadata(dataset, tsOut), chunk)
					s.Expect("schema=status|stype_in=raw_symbol|id=3|symbols=ALL_SYMBOLS|snapshot=0|is_last=1")
					s.Send(records(20, tsOut), chunk)
				})
				cfg := testConfig(t, addr)
				cfg.TsOut = tsOut
				c := dial(t, cfg)
				if c.SessionID() != 5 {
					t.Errorf("session id %d, want 5", c.SessionID())
				}
				err := errors.Join(
					c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{"AAPL", "MSFT"}, true, market.UndefTime),
					c.Subscribe(dbn.SchemaTrades, dbn.STypeParent, []string{"ES.FUT"}, false, 0),
				)
				if err != nil {
					t.Fatal(err)
				}
				m, err := c.Start()
				if err != nil {
					t.Fatal(err)
				}
				if m.Dataset != dataset || m.TsOut != tsOut || m.Schema != dbn.SchemaMixed {
					t.Errorf("metadata %+v", m)
				}
				if err := c.Subscribe(dbn.SchemaStatus, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, market.UndefTime); err != nil {
					t.Fatal(err)
				}
				wantRecords(t, c.Next, 20, tsOut)
			})
		}
	}
}

func TestManySymbolsTakeSeveralLines(t *testing.T) {
	symbols := slices.Repeat([]string{"A"}, 1001)
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Authenticate()
		for _, n := range []int{500, 500, 1} {
			list := strings.TrimSuffix(strings.Repeat("A,", n), ",")
			s.Expect(fmt.Sprintf("schema=mbo|stype_in=raw_symbol|id=1|symbols=%s|snapshot=0|is_last=%d", list, 1/n))
		}
		s.Expect("start_session")
		s.Send(lsgtest.Metadata(dataset, false), 0)
	})
	c := dial(t, testConfig(t, addr))
	if err := c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, symbols, false, market.UndefTime); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); err != nil { // the gateway has read everything
		t.Fatal(err)
	}
}

func TestZstd(t *testing.T) {
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		if pairs := s.Authenticate(); pairs["compression"] != "zstd" {
			t.Errorf("authentication line has %v", pairs)
		}
		s.Expect("start_session")
		z, err := zstd.NewWriter(s.Conn, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Error(err)
			return
		}
		write := func(b []byte) {
			if _, err := z.Write(b); err != nil {
				t.Error(err)
			}
			if err := z.Flush(); err != nil {
				t.Error(err)
			}
		}
		write(lsgtest.Metadata(dataset, false))
		// What was flushed must come out before the next comes in: the client says so each time.
		b := records(40, false)
		for i := 0; len(b) > 0; i++ {
			n := int(b[0]) * 4
			write(b[:n])
			b = b[n:]
			s.Expect(fmt.Sprintf("schema=mbo|stype_in=raw_symbol|id=%d|symbols=A|snapshot=0|is_last=1", i+1))
		}
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := testConfig(t, addr)
	cfg.Compression = lsg.CompressionZstd
	c := dial(t, cfg)
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, func() (dbn.Record, error) {
		r, err := c.Next()
		if err == nil {
			err = c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{"A"}, false, market.UndefTime)
		}
		return r, err
	}, 40, false)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(*lsgtest.Session)
		want  error
		says  string
	}{
		{"wrong key", func(s *lsgtest.Session) { s.Hello(); s.Line(); s.Say("success=0|error=unknown key, see a=b\n") }, ErrRefused, "refused by the gateway: unknown key, see a=b"},
		{"no reason", func(s *lsgtest.Session) { s.Hello(); s.Line(); s.Say("success=0\n") }, ErrRefused, "refused"},
		{"closed at once", func(*lsgtest.Session) {}, io.ErrUnexpectedEOF, "read greeting: closed at once"},
		{"closed in greeting", func(s *lsgtest.Session) { s.Say("lsg_ver") }, io.ErrUnexpectedEOF, "read greeting"},
		{"closed before challenge", func(s *lsgtest.Session) { s.Say("lsg_version=1\n") }, io.ErrUnexpectedEOF, "read challenge"},
		{"closed before response", func(s *lsgtest.Session) { s.Hello(); s.Line() }, io.ErrUnexpectedEOF, "read response"},
		{"another protocol", func(s *lsgtest.Session) { s.Say("220 mail.example.com ESMTP\n") }, ErrProtocol, "lsg_version: missing"},
		{"no challenge", func(s *lsgtest.Session) { s.Say("lsg_version=1\nsuccess=1\n") }, ErrProtocol, "cram: missing"},
		{"strange response", func(s *lsgtest.Session) { s.Hello(); s.Line(); s.Say("ok\n") }, ErrProtocol, "success: missing"},
		{"session id in words", func(s *lsgtest.Session) { s.Hello(); s.Line(); s.Say("success=1|session_id=five\n") }, ErrProtocol, "session_id"},
		{"endless line", func(s *lsgtest.Session) { s.Say(strings.Repeat("x", lineMax+1)); s.Line() }, ErrProtocol, "line of more than 65536 bytes"},
	} {
		addr := lsgtest.Listen(t, nil, c.serve)
		client, err := Dial(t.Context(), testConfig(t, addr))
		switch {
		case client != nil || err == nil:
			t.Errorf("%s: no error", c.name)
		case c.want != nil && !errors.Is(err, c.want), !strings.Contains(err.Error(), c.says), !strings.Contains(err.Error(), addr):
			t.Errorf("%s: %v, want one that says %q", c.name, err, c.says)
		}
	}
}

func TestHandshakeInPieces(t *testing.T) {
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Send([]byte("lsg_version=0.1\ncram="+lsgtest.Challenge+"\n"), 1)
		if auth := strings.TrimPrefix(s.Line(), "auth="); !strings.HasPrefix(auth, lsgtest.Reply+"|") {
			t.Errorf("answer %q", auth)
		}
		// A key that this client does not know, and a trailing pipe, do no harm to it.
		s.Send([]byte("success=1|zone=a|session_id=18446744073709551615|\n"), 1)
	})
	if c := dial(t, testConfig(t, addr)); c.SessionID() != 1<<64-1 {
		t.Errorf("session id %d", c.SessionID())
	}
}

func TestStartRefuses(t *testing.T) {
	version4 := lsgtest.Metadata(dataset, false)
	version4[3] = 4
	for _, c := range []struct {
		name string
		sent []byte
		want error
		says string
	}{
		{"closed", nil, io.ErrUnexpectedEOF, "start: "},
		{"cut metadata", lsgtest.Metadata(dataset, false)[:100], dbn.ErrCut, "start: "},
		{"version 4", version4, dbn.ErrVersion, "start: "},
		{"text", []byte("error=no such thing\n"), dbn.ErrNotDBN, "start: "},
		{"other dataset", lsgtest.Metadata("IEXG.TOPS", false), ErrProtocol, `dataset "IEXG.TOPS" and ts_out false, asked for "XNAS.ITCH" and false`},
		{"ts_out", lsgtest.Metadata(dataset, true), ErrProtocol, "ts_out true"},
	} {
		addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
			s.Authenticate()
			s.Expect("start_session")
			s.Send(c.sent, 0)
		})
		client := dial(t, testConfig(t, addr))
		if _, err := client.Start(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want one that says %q", c.name, err, c.says)
		}
		if _, err := client.Next(); err == nil {
			t.Errorf("%s: Next goes on", c.name)
		}
	}
}

func TestCutRecord(t *testing.T) {
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Authenticate()
		s.Expect("start_session")
		b := append(lsgtest.Metadata(dataset, false), records(2, false)...)
		s.Send(b[:len(b)-1], 0)
	})
	c := dial(t, testConfig(t, addr))
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); !errors.Is(err, dbn.ErrCut) || !strings.HasPrefix(err.Error(), "lsgclient: next record: ") {
		t.Errorf("half a record: %v, want %v", err, dbn.ErrCut)
	}
}

func TestMissingHeartbeat(t *testing.T) {
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Authenticate()
		s.Expect("start_session")
		s.Send(append(lsgtest.Metadata(dataset, false), records(1, false)...), 0)
		s.Line() // until the client goes
	})
	cfg := testConfig(t, addr)
	cfg.HeartbeatInterval = 5 * time.Second
	c := dial(t, cfg)
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if c.conn.readTimeout != 10*time.Second {
		t.Errorf("waits for %v, want interval and 5 s", c.conn.readTimeout)
	}
	c.conn.readTimeout = 50 * time.Millisecond // the rest is the same, only sooner
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); !errors.Is(err, ErrHeartbeat) || !strings.Contains(err.Error(), "nothing came for 50ms") {
		t.Errorf("silence: %v, want %v", err, ErrHeartbeat)
	}
}

func TestContextEndsReads(t *testing.T) {
	errDone := errors.New("enough")
	for _, name := range []string{"greeting", "metadata", "record"} {
		addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
			if name == "greeting" {
				s.Line()
				return
			}
			s.Authenticate()
			s.Expect("start_session")
			if name == "record" {
				s.Send(lsgtest.Metadata(dataset, false), 0)
			}
			s.Line()
		})
		began := time.Now()
		ctx, cancel := context.WithCancelCause(t.Context())
		timer := time.AfterFunc(50*time.Millisecond, func() { cancel(errDone) })
		c, err := Dial(ctx, testConfig(t, addr))
		if err == nil {
			_, err = c.Start()
		}
		if err == nil {
			_, err = c.Next()
		}
		if !errors.Is(err, errDone) {
			t.Errorf("%s: %v, want the cause of the context", name, err)
		}
		if took := time.Since(began); took > authTimeout/2 {
			t.Errorf("%s: took %v: a timeout ended it, not the context", name, took)
		}
		if c != nil {
			if err := c.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
		timer.Stop()
		cancel(nil)
	}
}

func TestCloseEndsRead(t *testing.T) {
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Authenticate()
		s.Expect("start_session")
		s.Send(lsgtest.Metadata(dataset, false), 0)
		s.Line()
	})
	c := dial(t, testConfig(t, addr))
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Millisecond, func() { c.Close() })
	defer timer.Stop()
	if _, err := c.Next(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while reading: %v", err)
	}
}

func TestMisuse(t *testing.T) {
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Authenticate()
		s.Expect("start_session")
		s.Send(lsgtest.Metadata(dataset, false), 0)
		// Nothing that is refused below gets here or takes a number.
		s.Expect("schema=mbo|stype_in=raw_symbol|id=1|symbols=A|snapshot=0|is_last=1")
	})
	c := dial(t, testConfig(t, addr))
	wantError := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), "lsgclient: ") {
			t.Errorf("%s: %v, want an error", what, err)
		}
	}
	_, err := c.Next()
	wantError("next before start", err)
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = c.Start()
	wantError("second start", err)
	wantError("start time after start", c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{"A"}, false, 0))
	wantError("no symbols", c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, nil, false, market.UndefTime))
	wantError("mixed schema", c.Subscribe(dbn.Schema(99), dbn.STypeRawSymbol, []string{"A"}, false, market.UndefTime))
	wantError("snapshot of trades", c.Subscribe(dbn.SchemaTrades, dbn.STypeRawSymbol, []string{"A"}, true, market.UndefTime))
	if err := c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{"A"}, false, market.UndefTime); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, c.Next, 0, false)
}

func TestConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no address":         func(c *Config) { c.Addr = "" },
		"no key":             func(c *Config) { c.Key = lsg.Key{} },
		"no dataset":         func(c *Config) { c.Dataset = "" },
		"half a second":      func(c *Config) { c.HeartbeatInterval = 5500 * time.Millisecond },
		"too often":          func(c *Config) { c.HeartbeatInterval = 4 * time.Second },
		"too rarely":         func(c *Config) { c.HeartbeatInterval = time.Hour },
		"negative":           func(c *Config) { c.HeartbeatInterval = -5 * time.Second },
		"client with a pipe": func(c *Config) { c.Client = "a|b" },
	} {
		cfg := testConfig(t, "localhost:1")
		change(&cfg)
		if c, err := Dial(t.Context(), cfg); c != nil || err == nil || !strings.HasPrefix(err.Error(), "lsgclient: ") {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if _, err := Dial(t.Context(), testConfig(t, listener.Addr().String())); err == nil || !strings.Contains(err.Error(), "connect to "+listener.Addr().String()) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestTLS(t *testing.T) {
	server, pool := certificate(t)
	serve := func(s *lsgtest.Session) {
		s.Authenticate()
		s.Expect("start_session")
		s.Send(append(lsgtest.Metadata(dataset, false), records(10, false)...), 777)
	}
	cfg := testConfig(t, lsgtest.Listen(t, server, serve))
	cfg.TLS = &tls.Config{RootCAs: pool}
	c := dial(t, cfg)
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, c.Next, 10, false)

	// A gateway that nobody vouches for, and one that speaks in clear.
	quiet := func(s *lsgtest.Session) { s.Line() }
	cfg.Addr, cfg.TLS = lsgtest.Listen(t, server, quiet), &tls.Config{}
	var unknown x509.UnknownAuthorityError
	if _, err := Dial(t.Context(), cfg); !errors.As(err, &unknown) {
		t.Errorf("unknown authority: %v", err)
	}
	cfg.Addr = lsgtest.Listen(t, nil, func(s *lsgtest.Session) { s.Hello() })
	if _, err := Dial(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "connect to "+cfg.Addr+": the port does not speak TLS") {
		t.Errorf("TLS to a plain port: %v", err)
	}

	// A TLS port waits for the client's first word, and the client for the greeting.
	cfg.Addr, cfg.TLS, cfg.greetingTimeout = lsgtest.Listen(t, server, quiet), nil, 50*time.Millisecond
	_, err := Dial(t.Context(), cfg)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "nothing came for 50ms: the port may want TLS") {
		t.Errorf("in clear to a TLS port: %v", err)
	}
	if greetingTimeout > 10*time.Second {
		t.Errorf("a greeting is waited for %v", greetingTimeout)
	}
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestNextDoesNotAllocate(t *testing.T) {
	const n = 20_000
	addr := lsgtest.Listen(t, nil, func(s *lsgtest.Session) {
		s.Authenticate()
		s.Expect("start_session")
		s.Send(append(lsgtest.Metadata(dataset, false), records(n, false)...), 64<<10)
	})
	c := dial(t, testConfig(t, addr))
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(n-100, func() {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("Next allocates %v times, want 0", got)
	}
}
