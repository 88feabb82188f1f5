package egress

import (
	"errors"
	"io"
	"syscall"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A closeReason is why a connection was closed.
type closeReason uint8

const (
	notClosing        closeReason = iota
	closedByClient                // the client closed it
	closedBroken                  // the network reported an error, or keep-alives were not answered
	closedRefused                 // not let in: limits, a first line that is none, a key that is not good
	closedTimeout                 // no authentication, or no start line, in time
	closedInvalid                 // a request that cannot be served
	closedNotRetained             // a request for data of a time that is not retained
	closedDeactivated             // the key was deactivated, or has lost the dataset
	closedSlow                    // the ring did not have any more what a slow reader was due
	closedStopping                // the gateway stopped
	closeReasons
)

var closeNames = [closeReasons]string{
	"", "client", "broken", "refused", "timeout", "invalid", "not_retained", "deactivated", "slow", "stopping",
}

// String returns the name used in logs and statistics.
func (r closeReason) String() string { return closeNames[r] }

// closes counts the connections of a loop that were closed, by reason.
type closes [closeReasons]uint64

// addTo adds up by name.
func (c *closes) addTo(all map[string]uint64) {
	for r := closedByClient; r < closeReasons; r++ {
		all[r.String()] += c[r]
	}
}

// closeReasonOf returns what an error record with a code closes a session for.
func closeReasonOf(code dbn.ErrorCode) closeReason {
	switch code {
	case dbn.ErrorDeactivated:
		return closedDeactivated
	case dbn.ErrorReplayAgedOut:
		return closedNotRetained
	default:
		return closedInvalid
	}
}

// closeReasonOfError returns why a connection is closed that the engine closed with an error. A client
// that ends without having read everything resets the connection.
func closeReasonOfError(err error) closeReason {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return closedByClient
	}
	return closedBroken
}

// because notes why the connection will be closed, and what was said about it. The first reason counts.
func (s *session) because(r closeReason, detail string) {
	if s.closing == notClosing {
		s.closing, s.detail = r, detail
	}
}

// logOpened and logClosed are a session's two lines in the log. Connections that never became one are
// in the counts, and among the refusals.
func (s *session) logOpened() {
	s.loop.cfg.Log.Info("session opened", "session", s.id, "key", s.holder.key, "dataset", s.holder.dataset,
		"address", s.peer.addr, "tls", s.peer.tls, "client", s.request.Client)
}

func (s *session) logClosed(now market.Nanos) {
	if s.holder == (holder{}) {
		return
	}
	attributes := []any{
		"session", s.id, "key", s.holder.key, "dataset", s.holder.dataset, "address", s.peer.addr,
		"reason", s.closing.String(), "open_for", time.Duration(now - s.opened).Round(time.Millisecond).String(),
		"records", s.records, "skipped", s.skipped, "bytes", s.bytes,
	}
	if s.detail != "" {
		attributes = append(attributes, "detail", s.detail)
	}
	s.loop.cfg.Log.Info("session closed", attributes...)
}
