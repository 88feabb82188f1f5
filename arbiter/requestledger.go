package arbiter

import (
	"fmt"
	"strconv"
)

// A RequestTally counts requests and the messages they ask for.
type RequestTally struct {
	Requests uint64 `json:"requests"`
	Messages uint64 `json:"messages"`
}

func (t *RequestTally) add(messages uint64) {
	t.Requests++
	t.Messages += messages
}

// A ServerLedger accounts for every request to one server. Requests is the sum of Answered, TimedOut,
// Abandoned and InFlight.
type ServerLedger struct {
	Requests  RequestTally `json:"requests"`
	Answered  RequestTally `json:"answered"`
	TimedOut  RequestTally `json:"timed_out"`
	Abandoned RequestTally `json:"abandoned"`
	InFlight  RequestTally `json:"in_flight"` // at this moment

	// The rest are facts, not outcomes.

	Late    uint64      `json:"late"`
	Brought uint64      `json:"brought"`
	Rests   uint64      `json:"rests"`
	State   ServerState `json:"state"` // at this moment
}

// A RequestLedger accounts for everything that a Requester asked for and for what it did not. What the
// answers filled is in the Ledger, as messages of line R.
type RequestLedger struct {
	Servers int                      `json:"servers"`
	Server  [ServersMax]ServerLedger `json:"server"` // the first Servers of them

	TooLarge      GapTally `json:"too_large"`
	WaitsBudget   uint64   `json:"waits_budget"`
	WaitsInFlight uint64   `json:"waits_in_flight"`
	WaitsServers  uint64   `json:"waits_servers"`
}

// Sum returns the sum over all servers. Its State means nothing.
func (l *RequestLedger) Sum() (sum ServerLedger) {
	for i := range l.Servers {
		from := &l.Server[i]
		for _, c := range requestColumns {
			s, t := c.of(&sum), c.of(from)
			s.Requests += t.Requests
			s.Messages += t.Messages
		}
		for _, c := range serverColumns {
			*c.of(&sum) += *c.of(from)
		}
	}
	return sum
}

// Balanced returns nil if every request is accounted for, else an error that says which are not.
func (l *RequestLedger) Balanced() error {
	for i := range l.Servers {
		s := &l.Server[i]
		var sum RequestTally
		for _, c := range requestColumns[1:] {
			t := c.of(s)
			sum.Requests += t.Requests
			sum.Messages += t.Messages
		}
		if sum != s.Requests {
			return fmt.Errorf("server %d: %d requests for %d messages; outcomes add up to %d for %d",
				i, s.Requests.Requests, s.Requests.Messages, sum.Requests, sum.Messages)
		}
	}
	return nil
}

// Walk calls f with every counter: those of the channel, then those of each server. Names look like
// "waits_budget" and "server_0.answered.messages".
func (l *RequestLedger) Walk(f func(name string, value uint64, sentence string)) {
	f("too_large.ranges", l.TooLarge.Ranges, "Missing ranges not asked for because they have too many messages.")
	f("too_large.messages", l.TooLarge.Messages, "Messages in missing ranges not asked for because they have too many.")
	f("waits_budget", l.WaitsBudget, "Times that a request had to wait because the budget was spent.")
	f("waits_in_flight", l.WaitsInFlight, "Times that a request had to wait because too many were in flight.")
	f("waits_servers", l.WaitsServers, "Times that a request had to wait because every server was resting.")
	for i := range l.Servers {
		s := &l.Server[i]
		prefix := "server_" + strconv.Itoa(i) + "."
		for _, c := range requestColumns {
			t := c.of(s)
			f(prefix+c.name+".requests", t.Requests, "Requests "+c.sentence)
			f(prefix+c.name+".messages", t.Messages, "Messages asked for in requests "+c.sentence)
		}
		for _, c := range serverColumns {
			f(prefix+c.name, *c.of(s), c.sentence)
		}
		resting := uint64(0)
		if s.State != Serving {
			resting = 1
		}
		f(prefix+"resting", resting, "1 if the server is not asked at this moment, but for a probe, because it did not answer.")
	}
}

// The tables below are the one place that knows every column of a server. The requests are first; the
// columns after it add up to it.

var requestColumns = []struct {
	name, sentence string
	of             func(*ServerLedger) *RequestTally
}{
	{"asked", "made of the server.", func(l *ServerLedger) *RequestTally { return &l.Requests }},
	{"answered", "that were answered in time, in part at least.", func(l *ServerLedger) *RequestTally { return &l.Answered }},
	{"timed_out", "that were not answered in time.", func(l *ServerLedger) *RequestTally { return &l.TimedOut }},
	{"abandoned", "that were in flight when an epoch ended.", func(l *ServerLedger) *RequestTally { return &l.Abandoned }},
	{"in_flight", "that wait for an answer at this moment.", func(l *ServerLedger) *RequestTally { return &l.InFlight }},
}

var serverColumns = []struct {
	name, sentence string
	of             func(*ServerLedger) *uint64
}{
	{"late", "Requests that were answered after their timeout.", func(l *ServerLedger) *uint64 { return &l.Late }},
	{"brought", "Messages asked for that an answer brought, first copy or not.", func(l *ServerLedger) *uint64 { return &l.Brought }},
	{"rests", "Times that the server was given a rest because it did not answer.", func(l *ServerLedger) *uint64 { return &l.Rests }},
}
