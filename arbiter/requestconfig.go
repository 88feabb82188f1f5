package arbiter

import (
	"fmt"

	"tidegate/market"
)

// ServersMax is how many retransmit servers a channel can have.
const ServersMax = 16

// RequestConfig holds the limits of a Requester. Start from DefaultRequestConfig.
type RequestConfig struct {
	// Servers is how many retransmit servers there are, which are numbered from 0.
	Servers int
	// RequestAfter is how long a missing range is left to the other lines before it is asked for. It is
	// asked for at once where no other line can be expected to bring it in that time.
	RequestAfter market.Nanos
	// Timeout is how long an answer is waited for before the next server is asked. The network's round
	// trip and the server's work must fit in it with room to spare.
	Timeout market.Nanos
	// MessagesMax is how many messages one request asks for. A server answers with as many as fit in one
	// packet, and the rest has to be asked for again; with too few, there are more requests than need be.
	MessagesMax uint32
	// InFlightMax is how many requests can wait for their answers at a time.
	InFlightMax int
	// GapMax is how many messages a missing range may have to be asked for at all.
	GapMax uint64
	// RequestsPerSecond and MessagesPerSecond are what all servers together are asked for at most. A
	// tenth of a second's worth, and one request at least, can be asked for at once.
	RequestsPerSecond, MessagesPerSecond int
	// FailuresMax is how many requests in a row may go unanswered before their server is given a rest.
	FailuresMax int
	// RestMin is how long the first rest is. Each further one, without an answer in between, is twice as
	// long as the one before, up to RestMax. After a rest one request is sent, and its answer ends the
	// doubt.
	RestMin, RestMax market.Nanos
}

// DefaultRequestConfig returns the limits for servers of which an answer takes a few milliseconds at
// most.
func DefaultRequestConfig(servers int) RequestConfig {
	return RequestConfig{
		Servers:      servers,
		RequestAfter: 2 * market.Millisecond,
		Timeout:      10 * market.Millisecond,
		// 32 messages of ITCH fit in a packet of 1,472 bytes, whatever their types, but for a few types
		// that are rare.
		MessagesMax:       32,
		InFlightMax:       32,
		GapMax:            10_000, // as Config.JumpMax
		RequestsPerSecond: 1_000,
		MessagesPerSecond: 32_000,
		FailuresMax:       5,
		RestMin:           100 * market.Millisecond,
		RestMax:           10 * market.Second,
	}
}

// Validate returns an error that names the first limit out of range. gapDeadline is that of the
// channel's Config: it has to leave time to ask each server once.
func (c RequestConfig) Validate(gapDeadline market.Nanos) error {
	switch {
	case c.Servers < 1 || c.Servers > ServersMax:
		return fmt.Errorf("servers %d: want 1 to %d", c.Servers, ServersMax)
	case c.RequestAfter < 0 || c.RequestAfter > market.Minute:
		return fmt.Errorf("request after %d ns: want 0 to %d (one minute)", c.RequestAfter, market.Minute)
	case c.Timeout < timeoutMin || c.Timeout > timeoutMax:
		return fmt.Errorf("timeout %d ns: want %d to %d", c.Timeout, timeoutMin, timeoutMax)
	case c.MessagesMax < 1 || c.MessagesMax > 65_534:
		return fmt.Errorf("messages max %d: want 1 to 65534", c.MessagesMax)
	case c.InFlightMax < 1 || c.InFlightMax > askedMax/4:
		return fmt.Errorf("in flight max %d: want 1 to %d", c.InFlightMax, askedMax/4)
	case c.GapMax < 1 || c.GapMax > 1<<32:
		return fmt.Errorf("gap max %d messages: want 1 to %d", c.GapMax, uint64(1<<32))
	case c.RequestsPerSecond < 1 || c.RequestsPerSecond > perSecondMax:
		return fmt.Errorf("requests per second %d: want 1 to %d", c.RequestsPerSecond, perSecondMax)
	case c.MessagesPerSecond < 1 || c.MessagesPerSecond > perSecondMax:
		return fmt.Errorf("messages per second %d: want 1 to %d", c.MessagesPerSecond, perSecondMax)
	case c.FailuresMax < 1:
		return fmt.Errorf("failures max %d: want at least 1", c.FailuresMax)
	case c.RestMin < c.Timeout || c.RestMin > c.RestMax || c.RestMax > market.Hour:
		// A shorter rest could end while requests from before it are still in flight, and their timeouts
		// would be taken for that of the probe.
		return fmt.Errorf("rest %d to %d ns: want at least the timeout, %d, and at most %d (one hour), the longer one last",
			c.RestMin, c.RestMax, c.Timeout, market.Hour)
	}
	if need := c.GapDeadlineMin(); gapDeadline < need {
		return fmt.Errorf("gap deadline %d ns: want at least %d: request after %d and a timeout of %d for each of %d servers",
			gapDeadline, need, c.RequestAfter, c.Timeout, c.Servers)
	}
	return nil
}

// GapDeadlineMin returns the shortest gap deadline that leaves time to ask each server once.
func (c RequestConfig) GapDeadlineMin() market.Nanos {
	return c.RequestAfter + market.Nanos(c.Servers)*c.Timeout
}

const (
	timeoutMin   = 100 * market.Microsecond
	timeoutMax   = 10 * market.Second
	perSecondMax = 1_000_000
)
