package tlsport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// served is what the other side of a port sees.
type served struct {
	conn net.Conn
	cut  func()
}

func listen(t *testing.T, change func(*Config)) (*Port, chan served, chan error) {
	t.Helper()
	conns, failed := make(chan served, 8), make(chan error, 8)
	cfg := Config{
		Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}},
		HandshakeMax: patience, HandshakesMax: 2,
		Admit: func(netip.AddrPort) (any, error) { return "noted", nil },
		Serve: func(local net.Conn, g *Guest) error {
			if g.Note != "noted" {
				t.Errorf("note %v", g.Note)
			}
			conns <- served{local, g.Cut}
			return nil
		},
		Failed:   func(_ *Guest, err error) { failed <- err },
		NoAccept: func(err error) { t.Error(err) },
	}
	if change != nil {
		change(&cfg)
	}
	p, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		goleak.VerifyNone(t)
	})
	return p, conns, failed
}

func dial(t *testing.T, p *Port) *tls.Conn {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // what is tested is not trust
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*tls.Conn)
}

func TestBytesPassBothWays(t *testing.T) {
	p, conns, _ := listen(t, nil)
	client := dial(t, p)
	if _, err := client.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	s := <-conns
	_ = s.conn.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 4)
	if _, err := io.ReadFull(s.conn, b); err != nil || string(b) != "ping" {
		t.Fatalf("%q, %v", b, err)
	}
	if _, err := s.conn.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	_ = s.conn.(*net.UnixConn).CloseWrite()
	got, err := io.ReadAll(client)
	if string(got) != "last words" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	client.Close()
	if _, err := s.conn.Read(b); !errors.Is(err, io.EOF) {
		t.Fatalf("after the client has closed: %v", err)
	}
	s.conn.Close()
	s.cut()
}

// A client that does not read keeps nothing once its connection was cut.
func TestCut(t *testing.T) {
	p, conns, _ := listen(t, nil)
	dial(t, p)
	s := <-conns
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	for block := make([]byte, 1<<20); ; {
		if _, err := s.conn.Write(block); err != nil {
			break // nobody takes any more
		}
	}
	s.conn.Close()
	s.cut() // listen's clean-up waits for the goroutines
}

func TestRefused(t *testing.T) {
	refused := errors.New("no")
	p, conns, failed := listen(t, func(c *Config) { c.Admit = func(netip.AddrPort) (any, error) { return nil, refused } })
	c, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if len(conns)+len(failed) != 0 {
		t.Error("a connection that was refused was told of")
	}
}

func TestHandshakeThatIsNone(t *testing.T) {
	p, conns, failed := listen(t, nil)
	c, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello there, this is no handshake\n")); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.As(err, new(tls.RecordHeaderError)) {
		t.Errorf("failed with %v", err)
	}
	if len(conns) != 0 {
		t.Error("it was served")
	}
}

func TestHandshakesHaveALimit(t *testing.T) {
	p, _, failed := listen(t, func(c *Config) { c.HandshakesMax = 1 })
	for range 2 { // neither says anything
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if err := <-failed; !errors.Is(err, ErrTooMany) {
		t.Errorf("failed with %v", err)
	}
}
