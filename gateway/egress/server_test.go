package egress

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
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/bus"
	"tidegate/internal/lsgclient"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

// patience is for what happens at once unless something is broken.
const patience = 30 * time.Second

// bigRing has room for everything that a test publishes.
var bigRing = bus.Config{Chunks: 1024, ChunkBytes: 1 << 16}

// A stage is a server on loopback ports whose feed is played by a goroutine, the world's ingest
// loop.
type stage struct {
	*world
	server *Server
	work   chan func()
}

func newStage(t *testing.T, w *world, change func(*Config)) *stage {
	t.Helper()
	s := &stage{world: w, work: make(chan func(), 1<<16)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for f := range s.work {
			f()
		}
	})
	cfg := w.config()
	cfg.SlowAfter = 24 * time.Hour // the venue's time goes as fast as it can
	cfg.Feeds[0].Do = func(f func(Upstream)) { s.work <- func() { f(w.stream) } }
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop("end of the test")
		close(s.work)
		wg.Wait()
	})
	return s
}

// play has the ingest loop do f, and waits for it.
func (s *stage) play(f func(*world)) {
	done := make(chan struct{})
	s.work <- func() { defer close(done); f(s.world) }
	<-done
}

// rest plays the rest of the day.
func (s *stage) rest() {
	s.play(func(w *world) {
		for w.step() {
		}
		for w.stream.Pending() > 0 {
			w.step()
		}
	})
}

// stop stops the server, once.
func (s *stage) stop(reason string) {
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.server.Stop(ctx, reason); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	s.server = nil
}

func (s *stage) stats() Stats {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	st, err := s.server.Stats(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// until waits for the server's figures to be as they should.
func (s *stage) until(what string, ok func(Stats) bool) Stats {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		st := s.stats()
		if ok(st) {
			return st
		}
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain for %s: %+v", what, st)
		}
	}
}

func (s *stage) client(change func(*lsgclient.Config)) *lsgclient.Client {
	s.t.Helper()
	cfg := lsgclient.Config{Addr: s.server.Addr().String(), Dataset: dataset, Key: testKey(lsgtest.Key)}
	if change != nil {
		change(&cfg)
	}
	c, err := lsgclient.Dial(context.Background(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *stage) subscribe(c *lsgclient.Client, schema dbn.Schema, snapshot bool, symbols ...string) {
	s.t.Helper()
	if err := c.Subscribe(schema, dbn.STypeRawSymbol, symbols, snapshot, market.UndefTime); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) start(c *lsgclient.Client) {
	s.t.Helper()
	if _, err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// collect reads a session to its end and returns its records.
func collect(c interface{ Next() (dbn.Record, error) }, tsOut bool) (records []dbn.Record, err error) {
	for {
		r, err := c.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		own, err := dbn.ParseRecord(append([]byte(nil), r.Raw()...), dbn.Version, tsOut)
		if err != nil {
			return records, err
		}
		records = append(records, own)
	}
}

// Every schema at once through real sockets, in every form, on several loops: what arrives is what
// was published; then the server is stopped, and says why.
func TestServer(t *testing.T) {
	certificate, roots := newCertificate(t)
	s := newStage(t, newWorld(t, bigRing, 2*market.Second), func(c *Config) {
		c.Loops, c.TLSAddr, c.TLS = 2, "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}}
	})
	type got struct {
		name    string
		schema  dbn.Schema
		tsOut   bool
		records []dbn.Record
		err     error
	}
	var wg sync.WaitGroup
	results := make(chan got, 100)
	n := 0
	for _, schema := range schemas() {
		for form := range 3 {
			change := func(c *lsgclient.Config) {
				switch form {
				case 1:
					c.TsOut, c.Compression = true, lsg.CompressionZstd
				case 2:
					c.Addr, c.TLS = s.server.TLSAddr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"}
				}
			}
			c := s.client(change)
			s.subscribe(c, schema, false, lsg.AllSymbols)
			s.start(c)
			if r, err := c.Next(); err != nil || !strings.HasPrefix(describe(r), "system 1: Subscription request 1 for "+schema.String()) {
				t.Fatalf("%s: %v, %v", schema, r.Header, err)
			}
			n++
			wg.Go(func() {
				records, err := collect(c, form == 1)
				c.Close()
				results <- got{fmt.Sprintf("%s, form %d", schema, form), schema, form == 1, records, err}
			})
		}
	}
	st := s.stats()
	if len(st.Sessions) != n || st.States["streaming"] != n {
		t.Errorf("%d sessions, states %v, want %d", len(st.Sessions), st.States, n)
	}
	var tape *tape
	s.play(func(w *world) { tape = w.newTape() })
	s.rest()
	s.play(func(*world) { tape.roll(nil) })
	s.stop("maintenance")
	wg.Wait()
	close(results)
	for g := range results {
		if g.err != nil {
			t.Errorf("%s: %v", g.name, g.err)
			continue
		}
		if len(g.records) == 0 || !strings.HasPrefix(describe(g.records[len(g.records)-1]), "system 255: gateway is stopping: maintenance") {
			t.Errorf("%s: %d records without a goodbye", g.name, len(g.records))
		}
		bytes := raw(g.records)
		if g.tsOut {
			bytes = unstamp(t, bytes)
		}
		equalBytes(t, g.name, bytes, tape.records[g.schema])
	}
}

// Subscribers who come in mid-session have the gateway's books.
func TestSnapshotsOverSockets(t *testing.T) {
	s := newStage(t, newWorld(t, bigRing, 10*market.Second), func(c *Config) { c.Loops, c.PassBytes = 2, passBytesMin })
	s.play(func(w *world) { w.steps(1000) })
	books := newBooks(t)
	c := s.client(func(c *lsgclient.Config) { c.Compression = lsg.CompressionZstd })
	s.subscribe(c, dbn.SchemaMBO, true, lsg.AllSymbols)
	s.start(c)
	s.until("the request", func(st Stats) bool { return st.Counts.Snapshots == 1 })
	s.rest()
	var wg sync.WaitGroup
	wg.Go(func() { s.stop("end") })
	records, err := collect(c, false)
	c.Close()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	books.apply(records, false)
	books.equal(s.world)
}

// A client that does not read costs no more than a pass, and nobody else notices.
func TestStalledSocket(t *testing.T) {
	w := newWorld(t, bus.Config{Chunks: 16, ChunkBytes: 1 << 14}, 20*market.Second)
	s := newStage(t, w, func(c *Config) {
		c.PassBytes, c.SendBufferBytes, c.CloseTimeout = 16<<10, 8<<10, 100*time.Millisecond
	})
	s.play(func(w *world) { w.steps(100) })
	stalled := s.client(nil)
	s.subscribe(stalled, dbn.SchemaMBO, false, lsg.AllSymbols)
	s.start(stalled)
	good := s.client(nil)
	s.subscribe(good, dbn.SchemaMBO, false, lsg.AllSymbols)
	s.start(good)
	s.until("both", func(st Stats) bool { return st.States["streaming"] == 2 })
	var tape *tape
	s.play(func(w *world) { tape = w.newTape() })
	closed, total := false, 0
	for round := 0; !closed && round < 300; round++ {
		want := 0
		s.play(func(w *world) {
			clear(tape.records)
			for range 20 {
				w.step()
			}
			tape.roll(nil)
			want = len(tape.records[dbn.SchemaMBO])
		})
		total += want
		for want > 0 {
			r, err := good.Next()
			if err != nil {
				t.Fatalf("the good client after %d bytes: %v", total, err)
			}
			if r.RType == dbn.RTypeMBO {
				want -= len(r.Raw())
			}
		}
		st := s.stats()
		closed = st.Counts.Faults == 1
		for _, session := range st.Sessions {
			if session.Held > 40<<10 {
				t.Fatalf("%d bytes are held", session.Held)
			}
		}
	}
	if !closed {
		t.Fatalf("the stalled session is not closed after %d bytes", total)
	}
	s.until("the end of the stalled session", func(st Stats) bool { return st.Connections == 1 })
	good.Close()
}

// Of the connections beyond the limit of an address, as many again are told so, and the rest is closed
// at once.
func TestConnectionsPerSecond(t *testing.T) {
	s := newStage(t, newWorld(t, bus.DefaultConfig(), market.Second), func(c *Config) { c.Limits.ConnectionsPerSecond = 5 })
	began := time.Now()
	greeted := 0
	for range 1000 {
		conn, err := net.Dial("tcp", s.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := conn.Read(make([]byte, 100)); n > 0 {
			greeted++
		}
		conn.Close()
	}
	windows := int(time.Since(began)/time.Second) + 2
	if greeted < 10 || greeted > 10*windows {
		t.Errorf("%d of 1000 connections were greeted in at most %d seconds", greeted, windows)
	}
	if st := s.stats(); st.Refusals.Rate+st.Counts.Opened != 1000 || 2*st.Counts.Opened != uint64(greeted) {
		t.Errorf("%d refused, %d opened, %d greeted", st.Refusals.Rate, st.Counts.Opened, greeted)
	}
	s.until("the end of all connections", func(st Stats) bool { return st.Connections == 0 })
}

// What is not a client gets an answer and the door, in clear and on the TLS port.
func TestBadClients(t *testing.T) {
	certificate, roots := newCertificate(t)
	s := newStage(t, newWorld(t, bus.DefaultConfig(), market.Second), func(c *Config) {
		c.AuthTimeout, c.CloseTimeout, c.FaultTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
		c.TLSAddr, c.TLS = "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}}
	})
	for _, secure := range []bool{false, true} {
		for _, c := range []struct{ name, send, want string }{
			{"garbage", "\x15\x03\x01\x02\x00\n", "success=0|error=authentication line: control characters, or not UTF-8\n"},
			{"half a line", "auth=0123", "success=0|error=authentication takes too long\n"},
			{"nothing", "", "success=0|error=authentication takes too long\n"},
			{"10 MB without a newline", strings.Repeat("x", 10<<20), "success=0|error=control line is too long\n"},
			{"http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "success=0|error=authentication line: control characters, or not UTF-8\n"},
		} {
			t.Run(fmt.Sprintf("%s, TLS %t", c.name, secure), func(t *testing.T) {
				dial := func() (net.Conn, error) { return net.Dial("tcp", s.server.Addr().String()) }
				if secure {
					dial = func() (net.Conn, error) {
						return tls.Dial("tcp", s.server.TLSAddr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
					}
				}
				conn, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				go io.WriteString(conn, c.send) // fails where the gateway has closed before the end
				b, err := io.ReadAll(conn)
				_, got, _ := strings.Cut(string(b), "\n")
				_, got, _ = strings.Cut(got, "\n")
				// The kernel may discard the answer to a client that goes on sending after it.
				if got != c.want && (len(c.send) < 1<<20 || got != "") {
					t.Errorf("answer %q, %v", got, err)
				}
			})
		}
	}
	plain, err := net.Dial("tcp", s.server.TLSAddr().String()) // no TLS on the TLS port
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	io.WriteString(plain, "auth=\n")
	s.until("the failed handshake", func(st Stats) bool { return st.Handshakes["not_tls"] == 1 })
	st := s.until("the end of all connections", func(st Stats) bool { return st.Connections == 0 })
	if st.Counts.Timeouts != 4 || st.Counts.Garbage != 6 {
		t.Errorf("%d time-outs, %d of garbage", st.Counts.Timeouts, st.Counts.Garbage)
	}
}

func TestReloadOverSockets(t *testing.T) {
	s := newStage(t, newWorld(t, bus.DefaultConfig(), market.Second), nil)
	c := s.client(nil)
	s.start(c)
	keys := []Key{{Name: "test", Key: testKey(lsgtest.Key), Disabled: true}}
	if err := s.server.Reload(keys, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	records, err := collect(c, false)
	if err != nil || len(records) != 1 || describe(records[0]) != "error 2 (1): User or API key deactivated" {
		t.Errorf("%d records, %v", len(records), err)
	}
	_, err = lsgclient.Dial(t.Context(), lsgclient.Config{Addr: s.server.Addr().String(), Dataset: dataset, Key: testKey(lsgtest.Key)})
	if !errors.Is(err, lsgclient.ErrRefused) || !strings.Contains(err.Error(), textDeactivated) {
		t.Errorf("dial: %v", err)
	}
	if err := s.server.Reload(append(keys, keys...), DefaultLimits()); err == nil {
		t.Error("reloaded with one key twice")
	}
}

func TestPortsThatAreTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	certificate, _ := newCertificate(t)
	for _, change := range []func(*Config){
		func(c *Config) { c.Addr = l.Addr().String() },
		func(c *Config) {
			c.TLSAddr, c.TLS = l.Addr().String(), &tls.Config{Certificates: []tls.Certificate{certificate}}
		},
	} {
		cfg := newWorld(t, bus.DefaultConfig(), market.Second).config()
		change(&cfg)
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("start: %v", err)
		}
	}
}

// A stop that is cut short closes what is left.
func TestStopInAHurry(t *testing.T) {
	s := newStage(t, newWorld(t, bus.DefaultConfig(), market.Second), nil)
	c := s.client(nil)
	s.start(c) // and never closes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.server.Stop(ctx, "now"); !errors.Is(err, context.Canceled) {
		t.Errorf("stop: %v", err)
	}
	s.server = nil
}

func newCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
