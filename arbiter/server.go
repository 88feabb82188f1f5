package arbiter

import "tidegate/market"

// A ServerState says whether a retransmit server is asked.
type ServerState uint8

// States.
const (
	Serving ServerState = iota // it is asked
	Resting                    // it did not answer, and is left alone for a while
	Probing                    // after a rest, one request is waiting for its answer
)

// String returns the name used in reports.
func (s ServerState) String() string {
	switch s {
	case Serving:
		return "serving"
	case Resting:
		return "resting"
	case Probing:
		return "probing"
	default:
		return "state?"
	}
}

// MarshalText returns what String returns.
func (s ServerState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// server is the breaker of one retransmit server.
type server struct {
	state    ServerState
	failures int          // requests in a row that were not answered
	rest     market.Nanos // length of the next rest
	until    market.Nanos // end of the rest
}

// may reports whether the server can be asked now.
func (s *server) may(now market.Nanos) bool {
	return s.state == Serving || s.state == Resting && now >= s.until
}

func (s *server) onRequest() {
	if s.state == Resting {
		s.state = Probing
	}
}

func (s *server) onAnswer(c *RequestConfig) {
	s.state, s.failures, s.rest = Serving, 0, c.RestMin
}

// onTimeout reports whether the server has to rest now.
func (s *server) onTimeout(c *RequestConfig, now market.Nanos) bool {
	s.failures = min(s.failures+1, c.FailuresMax)
	if s.state == Resting || s.state == Serving && s.failures < c.FailuresMax {
		return false
	}
	s.state, s.until = Resting, now+s.rest
	s.rest = min(2*s.rest, c.RestMax)
	return true
}
