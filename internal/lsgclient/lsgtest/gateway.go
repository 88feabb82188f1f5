package lsgtest

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A challenge and a key, and what a client answers: the test vector of the protocol.
const (
	Challenge = "Zk3vQ9pLw7Xr2TbN8sYhJ4mD6fGcAe1U"
	Key       = "db-ExampleKeyForTests0000000abcd"
	Reply     = "6c95e3cbe68eb70367d36d58344b6f6b83096fd78e5ab608eb9710877530d109-0abcd"
)

// Listen starts a gateway on a loopback port, with TLS unless config is nil, and returns its
// address. Every connection is handed to serve, on a goroutine of its own, and closed when serve
// returns. The gateway ends with the test, after closing what is open.
func Listen(t testing.TB, config *tls.Config, serve func(*Session)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = listener.Addr().String()
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	var (
		all   sync.WaitGroup
		mutex sync.Mutex
		conns []net.Conn
	)
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			mutex.Lock()
			conns = append(conns, conn)
			mutex.Unlock()
			all.Go(func() {
				defer conn.Close()
				serve(&Session{Conn: conn, t: t, in: bufio.NewReaderSize(conn, 256<<10)})
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mutex.Lock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		mutex.Unlock()
		all.Wait()
	})
	return addr
}

// Session is one connection of a gateway that a test scripts. Its methods report what goes wrong as
// errors of the test and go on.
type Session struct {
	Conn net.Conn
	t    testing.TB
	in   *bufio.Reader
}

// Say sends each text with a write of its own.
func (s *Session) Say(texts ...string) {
	for _, text := range texts {
		s.Send([]byte(text), 0)
	}
}

// Send sends b in pieces of at most chunk bytes, each with a write of its own; 0: all at once. The
// client may be gone: that is no error.
func (s *Session) Send(b []byte, chunk int) {
	if chunk == 0 {
		chunk = max(len(b), 1)
	}
	for len(b) > 0 {
		n := min(chunk, len(b))
		if _, err := s.Conn.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// Line reads one line of the client, without its newline; "" if the client is gone.
func (s *Session) Line() string {
	line, err := s.in.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(line, "\n")
}

// Expect reads one line and reports an error of the test if it is another.
func (s *Session) Expect(want string) {
	s.t.Helper()
	if got := s.Line(); got != want {
		s.t.Errorf("client sent %.300q, want %.300q", got, want)
	}
}

// Hello sends greeting and challenge in one write.
func (s *Session) Hello() { s.Say("lsg_version=0.1.0\ncram=" + Challenge + "\n") }

// Authenticate says hello, takes the client's line and accepts it if it was made with Key. It
// returns the pairs of the line, and nil for a client that it refused.
func (s *Session) Authenticate() map[string]string {
	s.Hello()
	pairs := pairsOf(s.Line())
	if pairs["auth"] != Reply {
		s.Say("success=0|error=authentication failed\n")
		return nil
	}
	s.Say("success=1|session_id=5\n")
	return pairs
}

// Metadata returns what a live session starts with.
func Metadata(dataset string, tsOut bool) []byte {
	b, err := dbn.AppendMetadata(nil, &dbn.Metadata{
		Dataset: dataset, Schema: dbn.SchemaMixed, Start: 1_700_000_000 * market.Second, End: market.UndefTime,
		STypeIn: dbn.STypeMixed, STypeOut: dbn.STypeInstrumentID, TsOut: tsOut,
	})
	if err != nil {
		panic(err) // the dataset is too long
	}
	return b
}
