//go:build linux

package lines

import (
	"net/netip"
	"slices"

	"tidegate/arbiter"
	"tidegate/market"
)

// LineStats says what came on one line. Counts are since the start.
type LineStats struct {
	Feed string
	Line arbiter.LineID
	Addr netip.AddrPort

	Packets     uint64 // datagrams read
	Bytes       uint64 // of their payloads
	KernelDrops uint64 // datagrams that the kernel dropped because the receive buffer was full
	Truncated   uint64 // datagrams that were too long and lost their end
	Errors      uint64 // failed reads
	LastError   error  // of the last failed read, nil if there was none
	LastStamp   market.Nanos

	Requests RequestStats // of a line R that answers come by

	ReceiveBuffer      int // bytes, as granted by the kernel
	ReceiveBufferAsked int
	Warning            string // what an operator should change, "" for nothing
}

func (s *LineStats) fail(err error) {
	s.Errors++
	s.LastError = err
}

// Stats says what a loop did.
type Stats struct {
	Lines     []LineStats
	Polls     uint64 // rounds over all sockets
	Batches   uint64 // reads that brought something
	BatchMax  int    // most datagrams of one read
	Spins     uint64 // empty polls after which the loop looked again at once
	Parks     uint64 // empty polls after which it waited
	Commands  uint64
	LastStamp market.Nanos // the loop's time: of its last datagram or tick
}

// counts are the loop's own.
type counts struct {
	batches  uint64
	batchMax int
	commands uint64
}

func (c *counts) batch(n int) {
	c.batches++
	c.batchMax = max(c.batchMax, n)
}

// Stats returns a copy of the counters. It must be called on the loop, by way of Do or Call, or after
// Run has returned.
func (l *Loop) Stats() Stats {
	s := Stats{
		Polls: l.polls, Batches: l.counts.batches, BatchMax: l.counts.batchMax, Commands: l.counts.commands,
		LastStamp: l.last, Lines: slices.Grow([]LineStats(nil), len(l.lines)),
	}
	s.Spins, s.Parks = l.poller.Counts()
	for i := range l.lines {
		s.Lines = append(s.Lines, l.lines[i].stats)
		if r := l.lines[i].retransmit; r != nil {
			s.Lines[i].Requests = r.counts
		}
	}
	return s
}
