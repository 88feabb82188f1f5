//go:build linux

package live

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"time"

	"tidegate/codec/moldudp64"
	"tidegate/internal/netloop"
)

// senderConfig says what a sender sends, and where to.
type senderConfig struct {
	Addr  netip.AddrPort
	Load  load
	Spin  bool   // between messages, instead of sleeping
	Page  string // for flood
	Fault fault
}

// A fault makes the sender send something else than it should, so that tests see the check fail.
type fault struct {
	Kind    string // "price" or "lost"; "" for none
	Message int
}

// sender is the child that sends datagrams.
type sender struct {
	cfg      senderConfig
	clock    clock
	line     *netloop.Sender
	page     *page
	builders [netloop.BatchDatagrams]moldudp64.Builder
	packets  [netloop.BatchDatagrams][]byte
	scratch  []byte
}

func newSender(c clock, args json.RawMessage) (role, error) {
	cfg, err := take[senderConfig](args)
	if err != nil {
		return nil, err
	}
	s := &sender{cfg: cfg, clock: c}
	if s.line, err = netloop.NewSender(netloop.SenderConfig{Addr: cfg.Addr}); err != nil {
		return nil, err
	}
	if cfg.Page != "" {
		s.page, err = openPage(cfg.Page)
	}
	return s, err
}

func (s *sender) close() error { return s.line.Close() }

// A sending is one request to send.
type sending struct {
	Start    int64         // of the machine's monotonic clock
	Messages int           // for pace and burst
	Duration time.Duration // for flood
	Window   int           // of flood and burst: messages ahead of whoever is slowest
}

// A sent is the answer.
type sent struct {
	Messages int
	// Late says how long after its planned time a datagram was given to the kernel.
	Late encoded
}

func (s *sender) do(what string, args json.RawMessage) (any, error) {
	q, err := take[sending](args)
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := sharpenTimers(); err != nil {
		return nil, err
	}
	switch what {
	case "announce":
		return nil, s.announce()
	case "pace":
		return s.pace(q)
	case "flood":
		return s.flood(q)
	case "burst":
		return s.burst(q)
	default:
		return nil, unknown(what)
	}
}

// announce introduces the instruments.
func (s *sender) announce() error {
	for locate := uint16(1); locate <= symbols; locate++ {
		b := &s.builders[0]
		b.Reset(moldSession, uint64(locate), packetBytes)
		s.scratch = appendAnnouncement(s.scratch[:0], locate)
		b.Append(s.scratch)
		if _, err := s.line.Send(b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// packetBytes is the longest datagram.
const packetBytes = 1400

// pack builds the datagram that begins with message i in one of the places, and returns how many
// messages it has.
func (s *sender) pack(place, i, last int) int {
	b := &s.builders[place]
	b.Reset(moldSession, seqOf(i), packetBytes)
	n := min(s.cfg.Load.Batch, last-i)
	for k := range n {
		s.scratch = s.cfg.Load.appendITCH(s.scratch[:0], i+k)
		if s.cfg.Fault.Kind == "price" && s.cfg.Fault.Message == i+k {
			s.scratch[len(s.scratch)-1] ^= 1
		}
		b.Append(s.scratch)
	}
	s.packets[place] = b.Bytes()
	return n
}

// loses says whether n messages from i on are to be lost.
func (s *sender) loses(i, n int) bool {
	f := &s.cfg.Fault
	return f.Kind == "lost" && i <= f.Message && f.Message < i+n
}

// pace sends every message at its planned time, or as soon afterwards as it can: what is due goes out
// in one system call.
func (s *sender) pace(q sending) (any, error) {
	late := newHistogram()
	var a sent
	for i := 0; i < q.Messages; {
		now := s.clock.now() - q.Start
		due := s.cfg.Load.planned(i)
		if now < due {
			if !s.cfg.Spin {
				sleepUntil(q.Start + due)
			}
			continue
		}
		n := 0
		for n < len(s.packets) && i < q.Messages {
			if due = s.cfg.Load.planned(i); due > now {
				break
			}
			k := s.pack(n, i, q.Messages)
			late.record(now - due)
			if !s.loses(i, k) {
				n++
			}
			i += k
		}
		if _, err := s.line.Send(s.packets[:n]...); err != nil {
			return nil, err
		}
		a.Messages = i
	}
	var err error
	a.Late, err = late.encode()
	return a, err
}

// flood sends for a duration, never more than a window ahead of whoever is slowest.
func (s *sender) flood(q sending) (any, error) {
	end := s.clock.now() + int64(q.Duration)
	i := 0
	for s.clock.now() < end {
		if i-int(s.page.reached.Load()) > q.Window {
			sleepUntil(s.clock.now() + int64(floodRest))
			continue
		}
		n := 0
		for n < len(s.packets) {
			k := s.pack(n, i, math.MaxInt)
			if !s.loses(i, k) {
				n++
			}
			i += k
		}
		if _, err := s.line.Send(s.packets[:n]...); err != nil {
			return nil, err
		}
	}
	return sent{Messages: i}, nil
}

// floodRest is how long a sender rests that is a window ahead.
const floodRest = 20 * time.Microsecond

// burst sends a number of messages that were packed before, with as few system calls as can be:
// neighbours of equal length go together. It is for a receiver that is faster than a sender can be
// with a call for each datagram.
func (s *sender) burst(q sending) (any, error) {
	type run struct {
		bytes          []byte
		size, messages int
	}
	var runs []run
	for i := 0; i < q.Messages; {
		n := s.pack(0, i, q.Messages)
		i += n
		if s.loses(i-n, n) {
			continue
		}
		p := s.packets[0]
		if k := len(runs) - 1; k >= 0 && runs[k].size == len(p) && len(runs[k].bytes)/len(p) < burstMax {
			runs[k].bytes = append(runs[k].bytes, p...)
			runs[k].messages += n
			continue
		}
		runs = append(runs, run{append(make([]byte, 0, burstMax*len(p)), p...), len(p), n})
	}
	i := 0
	for _, r := range runs {
		for stuck := s.clock.now(); i-int(s.page.reached.Load()) > q.Window; {
			sleepUntil(s.clock.now() + int64(floodRest))
			if s.clock.now()-stuck > int64(patience) {
				return nil, fmt.Errorf("the receiver stands at message %d of %d sent", s.page.reached.Load(), i)
			}
		}
		if err := s.line.SendSegments(r.bytes, r.size); err != nil {
			return nil, err
		}
		i += r.messages
	}
	return sent{Messages: i}, nil
}

// burstMax is how many datagrams go out with one system call.
const burstMax = 32

// patience is how long a process waits for progress of another before it gives up.
const patience = 5 * time.Second
