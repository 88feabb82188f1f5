//go:build linux

package lines

import (
	"net/netip"
	"sync"

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

	Requests RequestStats // of a line R that requests leave by

	ReceiveBuffer      int // bytes, as granted by the kernel
	ReceiveBufferAsked int
	Warning            string // what an operator should change, "" for nothing
}

// Stats says what a loop did.
type Stats struct {
	Lines     []LineStats
	Polls     uint64 // rounds over all sockets
	Batches   uint64 // reads that brought something
	BatchMax  int    // most datagrams of one read
	Spins     uint64 // empty polls after which the loop looked again at once
	Parks     uint64 // empty polls after which it waited
	Crowded   uint64 // polls that ended because the second thread of a split loop was too far behind
	Commands  uint64
	LastStamp market.Nanos // the loop's time: of its last datagram or tick
	ClockSet  uint64       // times that the wall clock was set
	ClockSkew market.Nanos // what it is ahead of the loop's clock because of that
}

// counts are a receiver's.
type counts struct {
	polls, batches, crowded uint64
	spins, parks            uint64
	batchMax                int
	clockSet                uint64
}

// reported is what others than its thread know of a receiver.
type reported struct {
	sync.Mutex
	counts
	faults []faults // by line
}

// report makes known what the receiver did.
func (r *receiver) report() {
	r.reported.Lock()
	defer r.reported.Unlock()
	r.reported.counts = r.counts
	r.reported.clockSet = r.clock.set
	r.reported.spins, r.reported.parks = r.poller.Counts()
	r.reported.faults = r.reported.faults[:0]
	for i := range r.lines {
		r.reported.faults = append(r.reported.faults, r.lines[i].faults)
	}
}

// Stats returns a copy of the counters. It must be called on the loop, by way of Do or Call, or after
// Run has returned. What a split loop's receiving thread counts is as of its last tick.
func (l *Loop) Stats() Stats {
	if l.queue == nil {
		l.in.report()
	}
	r := &l.in.reported
	r.Lock()
	defer r.Unlock()
	s := Stats{
		Polls: r.polls, Batches: r.batches, BatchMax: r.batchMax, Spins: r.spins, Parks: r.parks, Crowded: r.crowded,
		Commands: l.commanded, LastStamp: l.last, ClockSet: r.clockSet, ClockSkew: market.Nanos(l.in.clock.skew.Load()), Lines: make([]LineStats, len(l.lines)),
	}
	for i := range l.lines {
		s.Lines[i] = l.lines[i].stats
		if i < len(r.faults) {
			f := &r.faults[i]
			s.Lines[i].KernelDrops, s.Lines[i].Errors, s.Lines[i].LastError = f.kernelDrops, f.errors, f.last
		}
		if r := l.lines[i].retransmit; r != nil {
			s.Lines[i].Requests = r.counts
		}
	}
	return s
}
