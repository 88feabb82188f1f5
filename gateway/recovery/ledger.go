package recovery

import (
	"fmt"
	"strconv"

	"tidegate/gateway/breaker"
)

// An Outcome says what became of an attempt to get a snapshot.
type Outcome uint8

// Outcomes. Those from Unreachable to Ahead speak against the server.
const (
	Done         Outcome = iota // the books are made anew
	Unreachable                 // the server could not be reached, or did not let us in
	TimedOut                    // it did not come to its end by the deadline
	Broken                      // it ended, or its connection did, before its end
	TooLarge                    // more messages or bytes than it may have
	Garbage                     // something came that is no message of the feed, or contradicts another one
	WrongSession                // of another session than the channel's
	Old                         // it does not take in what came before the first message that was kept
	Ahead                       // the channel did not come to it in time
	KeptFull                    // more came from the channel meanwhile than may be kept
	Epoch                       // the channel began anew meanwhile
	Unneeded                    // the books were right again without it
	outcomes
)

var outcomeNames = [outcomes]struct{ name, sentence string }{
	{"done", "that made the books anew."},
	{"unreachable", "whose server could not be reached, or refused the login."},
	{"timed_out", "that had no whole snapshot by the deadline."},
	{"broken", "whose snapshot ended, or connection broke, before its end."},
	{"too_large", "whose snapshot had more messages or bytes than it may have."},
	{"garbage", "whose snapshot had something that is no message of the feed, or messages that contradict each other."},
	{"wrong_session", "whose snapshot was of another session than the channel's."},
	{"old", "whose snapshot did not reach the first message that was kept, or had a gap behind it."},
	{"ahead", "whose snapshot was ahead of the channel for too long."},
	{"kept_full", "given up because more came from the channel meanwhile than may be kept."},
	{"epoch", "given up because the channel began anew meanwhile."},
	{"unneeded", "given up because the books were right again."},
}

// String returns the name used in counters and reports.
func (o Outcome) String() string {
	if o >= outcomes {
		return fmt.Sprintf("outcome %d", uint8(o))
	}
	return outcomeNames[o].name
}

// blames reports whether the outcome speaks against the server.
func (o Outcome) blames() bool { return o >= Unreachable && o <= Ahead }

// A ServerLedger accounts for the attempts with one server.
type ServerLedger struct {
	Name      string           `json:"name"`
	Attempts  uint64           `json:"attempts"`
	Outcomes  [outcomes]uint64 `json:"outcomes"` // by Outcome; they add up to Attempts, with the one under way
	UnderWay  bool             `json:"under_way"`
	Opened    uint64           `json:"opened"` // times that its breaker opened
	State     breaker.State    `json:"state"`  // of its breaker
	LastError string           `json:"last_error"`
}

// A Ledger accounts for everything that Snapshots did. It is a copy.
type Ledger struct {
	Wanted       uint64         `json:"wanted"`        // times that books came to be wanted
	Messages     uint64         `json:"messages"`      // of snapshots, that the pipeline took
	Bytes        uint64         `json:"bytes"`         // of them
	Blocks       uint64         `json:"blocks"`        // they came in
	WaitsBudget  uint64         `json:"waits_budget"`  // times that an attempt waited for the budget
	WaitsServers uint64         `json:"waits_servers"` // times that it waited because no breaker was closed
	Released     uint64         `json:"released"`      // times that what was withheld was published without a snapshot
	Servers      []ServerLedger `json:"servers"`
}

// Attempts returns how many attempts had an outcome.
func (l *Ledger) Attempts(o Outcome) (n uint64) {
	for i := range l.Servers {
		n += l.Servers[i].Outcomes[o]
	}
	return n
}

// Balanced returns nil if every attempt has one outcome, or is under way, else an error that says which server's
// have not.
func (l *Ledger) Balanced() error {
	for i := range l.Servers {
		s := &l.Servers[i]
		var sum uint64
		for _, n := range s.Outcomes {
			sum += n
		}
		if s.UnderWay {
			sum++
		}
		if sum != s.Attempts {
			return fmt.Errorf("snapshot server %s: %d attempts; outcomes add up to %d", s.Name, s.Attempts, sum)
		}
	}
	return nil
}

// Walk calls f with every counter: those of the channel, then those of each server. Names look like "wanted"
// and "server_0.timed_out".
func (l *Ledger) Walk(f func(name string, value uint64, sentence string)) {
	f("wanted", l.Wanted, "Times that a snapshot came to be wanted.")
	f("messages", l.Messages, "Messages of snapshots that the pipeline took.")
	f("bytes", l.Bytes, "Bytes of messages of snapshots that the pipeline took, their framing included.")
	f("blocks", l.Blocks, "Blocks of messages of snapshots that the pipeline took.")
	f("waits_budget", l.WaitsBudget, "Times that an attempt had to wait because the budget was spent.")
	f("waits_servers", l.WaitsServers, "Times that an attempt had to wait because the breaker of every server was open.")
	f("released", l.Released, "Times that what was withheld was published, marked, because no snapshot was had in time.")
	for i := range l.Servers {
		s := &l.Servers[i]
		prefix := "server_" + strconv.Itoa(i) + "."
		f(prefix+"attempts", s.Attempts, "Attempts to get a snapshot.")
		f(prefix+"under_way", flag(s.UnderWay), "1 if an attempt is under way at this moment.")
		for o := range outcomes {
			f(prefix+o.String(), s.Outcomes[o], "Attempts "+outcomeNames[o].sentence)
		}
		f(prefix+"opened", s.Opened, "Times that the server's breaker opened.")
		f(prefix+"resting", flag(s.State == breaker.Open), "1 if the server is not asked at this moment, because it failed.")
	}
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
