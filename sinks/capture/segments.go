package capture

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// Defaults of a recording in segments.
const (
	headEveryDefault = 64 << 20
	journalQueueMin  = 1 << 20
)

// A HeadFunc returns what a gateway is, as datagrams to dst: what a replay has to know before the first datagram
// of a line.
type HeadFunc func() (dst netip.AddrPort, payloads [][]byte)

// segments records to a journal.
type segments struct {
	journal *journal.Journal
	cfg     *Config
	taken   atomic.Uint64 // written by tap
	closed  atomic.Bool   // written by run: nothing will be recorded any more
	late    atomic.Uint64 // datagrams that came after that; written by tap
	extra   atomic.Uint64 // entries that are no datagrams of tap's; written by tap

	// Owned by who calls tap.
	buf   []byte
	since int // bytes of entries since the last head
}

func openSegments(c *Config) (*segments, error) {
	s := &segments{cfg: c, buf: make([]byte, 0, journal.PayloadMax)}
	if c.HeadEvery == 0 {
		c.HeadEvery = headEveryDefault
	}
	queue := c.QueueBytes
	if queue == 0 {
		queue = queueBytesDefault
	}
	every := c.FlushEvery
	if every == 0 {
		every = flushEveryDefault
	}
	var err error
	s.journal, err = journal.Open(journal.Config{
		Dir: c.Dir, FS: c.fs, CommitEvery: min(every, 10*time.Second), QueueBytes: max(queue, journalQueueMin),
		SpillBytes: c.SpillBytes, SegmentBytes: c.segmentBytes,
		RetainAge: c.RetainAge, RetainBytes: c.RetainBytes, ReserveBytes: c.reserveBytes, Notify: s.notify,
	})
	return s, err
}

// notify hands on what the journal has to say.
func (s *segments) notify(n journal.Notice) {
	if s.cfg.Notify != nil {
		s.cfg.Notify(n.Kind.Alarm(), n.Text)
	}
}

// begin records the beginning.
func (s *segments) begin(at market.Nanos) {
	s.extra.Add(1)
	s.journal.Append(journal.Header{At: at, Kind: entry.KindStart}, []byte{entry.CaptureVersion})
}

func (s *segments) tap(d *entry.Datagram, at market.Nanos) {
	s.taken.Add(1)
	if s.closed.Load() {
		s.late.Add(1)
		return
	}
	if s.since >= s.cfg.HeadEvery {
		s.head(at)
	}
	s.append(entry.KindDatagram, d, at)
}

// head records again what the gateway is.
func (s *segments) head(at market.Nanos) {
	if s.cfg.Head != nil {
		dst, payloads := s.cfg.Head()
		for _, b := range payloads {
			s.extra.Add(1)
			s.append(entry.KindHead, &entry.Datagram{Src: dst, Dst: dst, Payload: b}, at)
		}
	}
	s.since = 0
}

func (s *segments) append(kind uint8, d *entry.Datagram, at market.Nanos) {
	s.buf = d.Append(s.buf[:0])
	s.since += len(s.buf)
	s.journal.Append(journal.Header{At: at, Kind: kind}, s.buf) // what it drops is a gap that it records
}

// run waits for ctx, and closes the journal.
func (s *segments) run(ctx context.Context) error {
	<-ctx.Done()
	s.closed.Store(true)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeMax)
	defer cancel()
	if err := s.journal.Close(end); err != nil {
		return fmt.Errorf("capture: %s: %w: %w", s.cfg.Dir, ErrStopped, err)
	}
	return nil
}

// closeMax is how long the end of a recording waits for a disk that cannot be written.
const closeMax = 10 * time.Second

func (s *segments) stats() Stats {
	j := s.journal.Stats()
	r := Stats{
		Taken: s.taken.Load(), Dropped: j.Dropped + s.late.Load(), Waiting: uint64(j.QueueBytes), Bytes: int64(j.Bytes), Failed: j.Stalled != "",
	}
	if extra := s.extra.Load(); j.Entries > extra {
		r.Recorded = j.Entries - extra
	}
	return r
}
