package soupbintcp

import (
	"errors"
	"fmt"
	"math"

	"tidegate/market"
)

// A ServerConfig has the limits of a server.
type ServerConfig struct {
	Heartbeat  market.Nanos // silence of the server after which it sends a heartbeat
	SilenceMax market.Nanos // silence of a client after which it is dead, unless its login says otherwise
	LoginMax   market.Nanos // from the connection to the login request
	PayloadMax int          // bytes of the longest packet of a client
}

// DefaultServerConfig returns the times of the specification (SoupBinTCP 3.00, sections 1.3 and
// 2.3.1): a heartbeat a second, a client is dead after 15 and has 30 for its login.
func DefaultServerConfig() ServerConfig {
	return ServerConfig{
		Heartbeat:  market.Second,
		SilenceMax: 15 * market.Second,
		LoginMax:   30 * market.Second,
		PayloadMax: PayloadMax,
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c *ServerConfig) Validate() error {
	if c.PayloadMax < loginRequest41Len || c.PayloadMax > PayloadMax {
		return fmt.Errorf("payload max %d bytes: want %d to %d", c.PayloadMax, loginRequest41Len, PayloadMax)
	}
	if c.LoginMax < market.Millisecond || c.LoginMax > market.Hour {
		return errors.New("login max: want 1 ms to 1 h")
	}
	return validTimes(c.Heartbeat, c.SilenceMax)
}

// An Offer is what a server has for a client: a session, and which of its messages can be had. A
// session without messages has First and Next 1.
type Offer struct {
	Session Session
	First   uint64 // number of the oldest message that can be had; Next if there is none
	Next    uint64 // number of the next message
}

// start returns the number of the first message to send to a client that asks for one.
func (o *Offer) start(asked uint64) (uint64, bool) {
	switch {
	case asked == 0 && o.First < o.Next:
		return o.Next - 1, true // the latest there is
	case asked == 0:
		return o.Next, true
	case asked > o.Next:
		return 0, false // it has seen messages that were never sent: of another session
	default:
		return max(asked, o.First), true
	}
}

// A Server is the sending end of one connection. Its owner keeps the messages: LoggedIn says with
// which to begin, and the owner sends it and all that follow it with Send.
type Server struct {
	link
	cfg   ServerConfig
	login func(*Login) (Offer, error)
	asked Login // the request that waits for Answer
}

// NewServer returns a server without a connection. The configuration must be valid.
//
// login judges a login request. It returns what there is to be had, in the session asked for or, if
// that is blank, in the active one; or ErrNotAuthorized or ErrNoSession. It need not compare the
// session asked for with the one it returns: the server does. The Login is valid during the call.
// Where that takes time, it returns ErrLater, and the owner calls Answer when it knows.
func NewServer(cfg ServerConfig, login func(*Login) (Offer, error)) *Server {
	return &Server{
		link: link{
			decoder: newDecoder(cfg.PayloadMax), heartbeat: cfg.Heartbeat, silenceMax: cfg.SilenceMax,
		},
		cfg: cfg, login: login,
	}
}

// Connect begins a connection.
func (s *Server) Connect(now market.Nanos) {
	s.connect(now)
	s.silenceMax = s.cfg.SilenceMax
}

// Poll returns what has happened by what was read, one event at a time, and false if there is nothing
// more: then Err says whether there can be. A login is answered here: what comes of it is in Output.
func (s *Server) Poll() (Event, bool) {
	for s.state == loggingIn || s.state == online || s.state == judged {
		if s.state == judged { // by Answer
			s.loggedIn(s.seq)
			return Event{Kind: LoggedIn, Seq: s.seq, Asked: s.asked.Next}, true
		}
		p, ok := s.next()
		if !ok {
			break
		}
		switch {
		case p.Type == Debug:
			return Event{Kind: DebugText, Payload: p.Payload}, true
		case p.Type == LoginRequest && s.state == loggingIn:
			if e, ok := s.onLogin(p.Payload); ok {
				return e, true
			}
		case p.Type == ClientHeartbeat && s.state == online:
		case p.Type == UnsequencedData && s.state == online:
			return Event{Kind: Unsequenced, Payload: p.Payload}, true
		case p.Type == LogoutRequest && s.state == online:
			s.state = over
			return Event{Kind: LoggedOut}, true
		default:
			s.fail(ErrUnexpected)
		}
	}
	return Event{}, false
}

func (s *Server) onLogin(payload []byte) (Event, bool) {
	l, err := ParseLogin(payload)
	if err != nil {
		s.fail(err)
		return Event{}, false
	}
	offer, err := s.login(&l)
	if err == ErrLater {
		s.asked, s.state = l, judging
		return Event{}, false
	}
	start, ok := s.answer(&l, offer, err)
	if !ok {
		return Event{}, false
	}
	s.loggedIn(start)
	return Event{Kind: LoggedIn, Seq: start, Asked: l.Next}, true
}

// answer puts the answer to a login into Output. It reports whether the client is let in.
func (s *Server) answer(l *Login, offer Offer, err error) (start uint64, accepted bool) {
	start, ok := offer.start(l.Next)
	if err == nil && (!ok || !l.Session.Blank() && !l.Session.Is(offer.Session)) {
		err = ErrNoSession
	}
	s.say(s.readAt)
	if err != nil {
		reason := NotAuthorized
		if err == ErrNoSession {
			reason = NoSession
		}
		s.out = AppendLoginRejected(s.out, reason)
		s.fail(err)
		return 0, false
	}
	if l.HeartbeatTimeout > 0 {
		s.silenceMax = l.HeartbeatTimeout
	}
	s.out = AppendLoginAccepted(s.out, offer.Session, start)
	return start, true
}

// Answer says what became of a login that login has put off with ErrLater: what login would have
// returned then. Output has the answer, and Poll goes on: first with LoggedIn, if the client is let in.
// It does nothing if no login waits.
func (s *Server) Answer(offer Offer, err error, now market.Nanos) {
	if s.state != judging {
		return
	}
	s.readAt = max(s.readAt, now)
	if start, ok := s.answer(&s.asked, offer, err); ok {
		s.state, s.seq = judged, start
	}
}

// Judging reports whether a login waits for Answer.
func (s *Server) Judging() bool { return s.state == judging }

// Send puts the next message of the session, the one with the number NextSeq, into Output. It does
// nothing unless Online. It panics if msg is longer than PayloadMax, and at the end of 64-bit numbers.
func (s *Server) Send(msg []byte, now market.Nanos) {
	if s.state != online {
		return
	}
	if s.seq == math.MaxUint64 {
		panic("soupbintcp: numbers of messages run past 64 bits")
	}
	s.out = AppendSequenced(s.out, msg)
	s.seq++
	s.say(now)
}

// SendUnsequenced puts a message without a number into Output, which is lost with the connection
// (SoupBinTCP 4.00). It does nothing unless Online. It panics if msg is longer than PayloadMax.
func (s *Server) SendUnsequenced(msg []byte, now market.Nanos) {
	if s.state == online {
		s.out = AppendUnsequenced(s.out, msg)
		s.say(now)
	}
}

// SendDebug puts text for people into Output. It does nothing unless Online. It panics if text is longer
// than PayloadMax.
func (s *Server) SendDebug(text string, now market.Nanos) {
	if s.state == online {
		s.out = AppendDebug(s.out, text)
		s.say(now)
	}
}

// EndSession puts an end of session into Output. It does nothing unless Online.
func (s *Server) EndSession(now market.Nanos) {
	if s.state == online {
		s.out = AppendEndOfSession(s.out)
		s.state = over
		s.say(now)
	}
}

// OnTick does what is due by now: it puts a heartbeat into Output, or finds that the client is dead.
func (s *Server) OnTick(now market.Nanos) {
	switch {
	case s.state != loggingIn && s.state != online && s.state != judging:
	case now >= s.clientDue():
		s.fail(ErrSilent)
	case now >= s.heartbeatDue():
		s.out = AppendServerHeartbeat(s.out)
		s.say(now)
	}
}

// Due returns when OnTick has something to do.
func (s *Server) Due() market.Nanos {
	if s.state != loggingIn && s.state != online && s.state != judging {
		return never
	}
	return min(s.clientDue(), s.heartbeatDue())
}

// clientDue returns when the client has to be heard.
func (s *Server) clientDue() market.Nanos {
	if s.state == loggingIn || s.state == judging {
		return s.heardAt + s.cfg.LoginMax
	}
	return s.heardAt + s.silenceMax
}
