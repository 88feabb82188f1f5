//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/codec/moldudp64"
)

// A Serving says how a retransmit server answers.
type Serving string

// Ways to answer a request.
const (
	Serves       Serving = "ok"      // as the venue does
	Dead         Serving = "dead"    // not at all
	WrongSession Serving = "session" // what was asked for, of a session that there is not
	HugeCounts   Serving = "counts"  // headers that promise more messages than follow
	Garbage      Serving = "garbage" // random bytes
	Endless      Serving = "endless" // one request is answered with packets that nobody asked for, without end
)

var servings = []Serving{Serves, Dead, WrongSession, HugeCounts, Garbage, Endless}

// hostile reports whether answers are made up.
func (s Serving) hostile() bool { return s != "" && s != Serves && s != Dead }

// endlessEvery is the pause between two packets of an endless answer: more than any gateway asks for, and less
// than a loopback can carry.
const endlessEvery = 100 * time.Microsecond

// ResenderCounts says what came and what was answered.
type ResenderCounts struct {
	Requests uint64 `json:"requests"`
	Answers  uint64 `json:"answers"` // of the venue, passed on
	Hostile  uint64 `json:"hostile"` // datagrams of our own making
}

// A resender is the retransmit server that the gateway asks. It passes requests on to the venue's, or is hostile.
type resender struct {
	front   *net.UDPConn // the gateway's requests come here
	venue   netip.AddrPort
	serving atomic.Pointer[Serving]
	running sync.WaitGroup
	done    chan struct{}

	requests, answers, hostile atomic.Uint64

	mu     sync.Mutex
	backs  map[netip.AddrPort]*net.UDPConn // to the venue, by who asks
	floods map[netip.AddrPort]bool         // who is being answered without end
	closed bool
}

func openResender(at, venue netip.AddrPort) (*resender, error) {
	front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("resender: %w", err)
	}
	s := &resender{
		front: front, venue: venue, done: make(chan struct{}),
		backs: make(map[netip.AddrPort]*net.UDPConn), floods: make(map[netip.AddrPort]bool),
	}
	s.set(Serves)
	s.running.Go(s.serve)
	return s, nil
}

func (s *resender) set(how Serving) { s.serving.Store(&how) }

func (s *resender) counts() ResenderCounts {
	return ResenderCounts{Requests: s.requests.Load(), Answers: s.answers.Load(), Hostile: s.hostile.Load()}
}

func (s *resender) close() {
	s.mu.Lock()
	s.closed = true
	close(s.done)
	s.front.Close()
	for _, back := range s.backs {
		back.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// serve takes requests until the socket is closed.
func (s *resender) serve() {
	b := make([]byte, 2*moldudp64.RequestLen)
	for {
		n, from, err := s.front.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // an answer before that nobody took, for example
			continue
		}
		how := *s.serving.Load()
		s.requests.Add(1)
		switch how {
		case Serves:
			s.pass(b[:n], from)
		case Dead:
		default:
			s.answer(how, b[:n], from)
		}
	}
}

// pass asks the venue.
func (s *resender) pass(request []byte, from netip.AddrPort) {
	s.mu.Lock()
	back := s.backs[from]
	if back == nil && !s.closed {
		var err error
		if back, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.venue)); err == nil {
			s.backs[from] = back
			s.running.Go(func() { s.passBack(back, from) })
		}
	}
	s.mu.Unlock()
	if back != nil {
		_, _ = back.Write(request) // a loss like any other
	}
}

// passBack passes the venue's answers on until the socket is closed.
func (s *resender) passBack(back *net.UDPConn, to netip.AddrPort) {
	b := make([]byte, datagramMax)
	for {
		n, err := back.Read(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue
		}
		if *s.serving.Load() != Serves {
			continue // it died meanwhile
		}
		s.answers.Add(1)
		_, _ = s.front.WriteToUDPAddrPort(b[:n], to)
	}
}

// answer answers with something else than what was asked for.
func (s *resender) answer(how Serving, request []byte, to netip.AddrPort) {
	q, err := moldudp64.ParseRequest(request)
	if err != nil {
		return
	}
	if how == Endless {
		s.flood(q, to)
		return
	}
	s.hostile.Add(1)
	_, _ = s.front.WriteToUDPAddrPort(hostileAnswer(how, q), to)
}

// hostileAnswer makes an answer that should not be believed.
func hostileAnswer(how Serving, q moldudp64.Request) []byte {
	var b moldudp64.Builder
	message := []byte("S\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Q") // a system event of ITCH
	switch how {
	case WrongSession:
		session, _ := moldudp64.ParseSession("NOBODY")
		b.Reset(session, q.Seq, 1400)
		for range q.Count {
			if !b.Append(message) {
				break
			}
		}
		return b.Bytes()
	case HugeCounts:
		b.Reset(q.Session, q.Seq, 1400)
		b.Append(message)
		packet := b.Bytes()
		packet[18], packet[19] = 0xff, 0xfe // 65,534 messages
		return packet
	default:
		packet := make([]byte, 20+rand.IntN(1200))
		for i := range packet {
			packet[i] = byte(rand.Uint32())
		}
		return packet
	}
}

// flood answers one request until the server is told to do something else: packets of the right session, with
// messages that were not asked for.
func (s *resender) flood(q moldudp64.Request, to netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.floods[to] {
		return
	}
	s.floods[to] = true
	s.running.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.floods, to)
			s.mu.Unlock()
		}()
		var b moldudp64.Builder
		ticker := time.NewTicker(endlessEvery)
		defer ticker.Stop()
		for seq := q.Seq + 1_000_000; *s.serving.Load() == Endless; seq++ {
			b.Reset(q.Session, seq, 1400)
			b.Append([]byte("S\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00Q"))
			s.hostile.Add(1)
			_, _ = s.front.WriteToUDPAddrPort(b.Bytes(), to)
			select {
			case <-ticker.C:
			case <-s.done:
				return
			}
		}
	})
}
