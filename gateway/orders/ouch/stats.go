package ouch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/internal/doorman"
	"tidegate/market"
)

// Counts are what a server did since it was made.
type Counts struct {
	Opened   uint64 `json:"opened"`    // connections that were let in
	Logins   uint64 `json:"logins"`    // that were good
	Refused  uint64 `json:"refused"`   // logins that were not
	Requests uint64 `json:"requests"`  // messages of clients
	Old      uint64 `json:"old"`       // requests whose number was used before: passed over
	Garbage  uint64 `json:"garbage"`   // messages that could not be read
	Messages uint64 `json:"messages"`  // numbered ones that were sent, each time they were
	FromDisk uint64 `json:"from_disk"` // of those, read from the disk
	Bytes    uint64 `json:"bytes"`     // written
	Passes   uint64 `json:"passes"`    // times that a loop looked at its connections
	Stalls   uint64 `json:"stalls"`    // times that a client did not take what it was due
}

func (c *Counts) add(d *Counts) {
	c.Opened += d.Opened
	c.Logins += d.Logins
	c.Refused += d.Refused
	c.Requests += d.Requests
	c.Old += d.Old
	c.Garbage += d.Garbage
	c.Messages += d.Messages
	c.FromDisk += d.FromDisk
	c.Bytes += d.Bytes
	c.Passes += d.Passes
	c.Stalls += d.Stalls
}

// Stats are a server's figures.
type Stats struct {
	Counts   Counts            `json:"counts"`
	Sessions int               `json:"sessions"` // that are logged in now
	Door     doorman.Stats     `json:"door"`
	Verdicts map[string]uint64 `json:"verdicts"` // on requests, of the gate; those that came up
	Closes   map[string]uint64 `json:"closes"`   // connections that were closed, by reason; every reason is there
}

// verdictsMax is more verdicts than the gate has.
const verdictsMax = 32

// A closeReason is why a connection was closed.
type closeReason uint8

const (
	notClosing     closeReason = iota
	closedByClient             // the client closed it
	closedBroken               // the network reported an error, or keep-alives were not answered
	closedLogout               // the client logged out
	closedRefused              // a login that was not good
	closedTimeout              // no login in time
	closedSilent               // nothing was heard of the client
	closedGarbage              // what came was no SoupBinTCP, or too much of it no OUCH
	closedSlow                 // the client did not read
	closedReplaced             // the session was taken over by another connection
	closedStopping             // the gateway stopped
	closedInternal             // the session's messages could not be read
	closeReasons
)

var closeNames = [closeReasons]string{
	"", "client", "broken", "logout", "refused", "timeout", "silent", "garbage", "slow", "replaced", "stopping", "internal",
}

// String returns the name used in logs and statistics.
func (r closeReason) String() string { return closeNames[r] }

// closeOf returns why a connection is closed that the engine closed with an error. A client that ends
// without having read everything resets the connection.
func closeOf(err error) closeReason {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return closedByClient
	}
	return closedBroken
}

// closeOfSoup returns why a connection is closed that SoupBinTCP found of no further use.
func (c *connection) closeOfSoup(err error) closeReason {
	switch {
	case errors.Is(err, soupbintcp.ErrNotAuthorized), errors.Is(err, soupbintcp.ErrNoSession):
		return closedRefused
	case errors.Is(err, soupbintcp.ErrSilent) && c.desk == nil:
		return closedTimeout
	case errors.Is(err, soupbintcp.ErrSilent):
		return closedSilent
	default:
		return closedGarbage
	}
}

// Stats returns the server's figures: each loop's as of the moment it was asked.
func (s *Server) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Door: s.door.Stats(), Verdicts: make(map[string]uint64), Closes: make(map[string]uint64)}
	for r := closedByClient; r < closeReasons; r++ {
		st.Closes[r.String()] = 0
	}
	s.mu.Lock()
	loops := append([]*loop(nil), s.loops...)
	s.mu.Unlock()
	for _, l := range loops {
		type figures struct {
			counts   Counts
			sessions int
			verdicts [verdictsMax]uint64
			closes   [closeReasons]uint64
		}
		reply := make(chan figures, 1)
		if !l.execute(func(market.Nanos) {
			f := figures{counts: l.counts, verdicts: l.verdicts, closes: l.closes}
			for _, c := range l.connections {
				if c.link != nil {
					f.sessions++
				}
			}
			reply <- f
		}) {
			return Stats{}, errStopping
		}
		select {
		case f := <-reply:
			st.Counts.add(&f.counts)
			st.Sessions += f.sessions
			for v, n := range f.verdicts {
				if n > 0 {
					st.Verdicts[orders.Verdict(v).String()] += n
				}
			}
			for r := closedByClient; r < closeReasons; r++ {
				st.Closes[r.String()] += f.closes[r]
			}
		case <-ctx.Done():
			return Stats{}, fmt.Errorf("ouch: stats: %w", context.Cause(ctx))
		}
	}
	return st, nil
}
