package recovery

import (
	"errors"
	"fmt"

	"tidegate/market"
)

// Errors that end a session, wrapped in Err.
var (
	// ErrSilent says that nothing came from the server for SilenceMax.
	ErrSilent = errors.New("server is silent")
	// ErrUnanswered says that no answer came within AnswerMax.
	ErrUnanswered = errors.New("no answer")
	// ErrRefused says that the server did not accept the login.
	ErrRefused = errors.New("login refused")
	// ErrUnexpected says that a message of the session came where it makes no sense, or too short.
	ErrUnexpected = errors.New("unexpected message")
	// ErrImage says that an image was not what was announced.
	ErrImage = errors.New("image is not whole")
)

// A Config says who the client is, and how patient. Start from DefaultConfig.
type Config struct {
	SessionSubID string // at most 4 printable ASCII characters, as Password and Username assigned by Cboe
	Username     string // at most 4
	Password     string // at most 10
	// Heartbeat is how long the client may send nothing before it sends a heartbeat.
	Heartbeat market.Nanos
	// SilenceMax is how long the server may send nothing before the session is given up.
	SilenceMax market.Nanos
	// AnswerMax is how long an answer is waited for.
	AnswerMax market.Nanos
}

// DefaultConfig returns the protocol's own times.
func DefaultConfig() Config {
	return Config{Heartbeat: market.Second, SilenceMax: 5 * market.Second, AnswerMax: 5 * market.Second}
}

// Validate returns an error that names the first setting that cannot be.
func (c Config) Validate() error {
	for _, text := range []struct {
		name, value string
		max         int
	}{{"session sub id", c.SessionSubID, 4}, {"username", c.Username, 4}, {"password", c.Password, 10}} {
		if len(text.value) > text.max {
			return fmt.Errorf("%s of %d characters: want at most %d", text.name, len(text.value), text.max)
		}
		for _, b := range []byte(text.value) {
			if b < ' ' || b > '~' {
				return fmt.Errorf("%s has byte %#02x: want printable ASCII", text.name, b)
			}
		}
	}
	for _, span := range []struct {
		name  string
		value market.Nanos
	}{{"heartbeat", c.Heartbeat}, {"silence max", c.SilenceMax}, {"answer max", c.AnswerMax}} {
		if span.value < market.Millisecond || span.value > market.Minute {
			return fmt.Errorf("%s %d ns: want %d to %d (one minute)", span.name, span.value, market.Millisecond, market.Minute)
		}
	}
	return nil
}

// State says how far a session is.
type State uint8

// States.
const (
	LoggingIn State = iota // the login was sent, or is to be
	Ready                  // requests may be made
	Failed                 // the connection is to be closed; Err says why
)

// String returns the name used in reports.
func (s State) String() string {
	switch s {
	case LoggingIn:
		return "logging-in"
	case Ready:
		return "ready"
	case Failed:
		return "failed"
	default:
		return "state?"
	}
}

// session is what both clients have in common: the login, heartbeats and silence.
type session struct {
	cfg      Config
	state    State
	err      error
	pending  []byte       // a message to be sent
	strays   uint64       // messages that were passed over
	began    market.Nanos // for the answer to the login
	lastSent market.Nanos
	lastRecv market.Nanos
}

func newSession(cfg Config, now market.Nanos) (session, error) {
	if err := cfg.Validate(); err != nil {
		return session{}, fmt.Errorf("recovery: %w", err)
	}
	s := session{cfg: cfg, pending: make([]byte, 0, lenLogin), began: now, lastSent: now, lastRecv: now}
	login := Login{
		SessionSubID: [4]byte{' ', ' ', ' ', ' '}, Username: [4]byte{' ', ' ', ' ', ' '},
		Password: [10]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '},
	}
	copy(login.SessionSubID[:], cfg.SessionSubID)
	copy(login.Username[:], cfg.Username)
	copy(login.Password[:], cfg.Password)
	s.pending = login.Append(s.pending)
	return s, nil
}

// State returns how far the session is.
func (s *session) State() State { return s.state }

// Err returns why the session failed, and nil while it has not.
func (s *session) Err() error { return s.err }

// Strays returns how many messages were passed over: of types that are no part of the session, which Cboe
// may add, or too late to matter.
func (s *session) Strays() uint64 { return s.strays }

// OnPacket takes note that a packet came, with messages or without.
func (s *session) OnPacket(now market.Nanos) { s.lastRecv = max(s.lastRecv, now) }

// fail ends the session.
func (s *session) fail(err error) {
	if s.state != Failed {
		s.state, s.err, s.pending = Failed, err, nil
	}
}

// tick does what is due in every session.
func (s *session) tick(now market.Nanos) {
	switch {
	case s.state == LoggingIn && now-s.began >= s.cfg.AnswerMax:
		s.fail(fmt.Errorf("recovery: login: %w within %d ns", ErrUnanswered, s.cfg.AnswerMax))
	case now-s.lastRecv >= s.cfg.SilenceMax:
		s.fail(fmt.Errorf("recovery: %w for %d ns", ErrSilent, s.cfg.SilenceMax))
	}
}

// answered takes the answer to the login.
func (s *session) answered(b []byte) {
	var m LoginResponse
	switch err := m.Parse(b); {
	case err != nil:
		s.unexpected(b, err)
	case s.state != LoggingIn:
		s.unexpected(b, nil)
	case m.Status != LoginAccepted:
		s.fail(fmt.Errorf("recovery: %w: %v", ErrRefused, m.Status))
	default:
		s.state = Ready
	}
}

// unexpected ends the session because of a message.
func (s *session) unexpected(b []byte, err error) {
	switch {
	case err != nil:
		s.fail(fmt.Errorf("recovery: %w of type %#02x: %w", ErrUnexpected, b[0], err))
	default:
		s.fail(fmt.Errorf("recovery: %w of type %#02x while %v", ErrUnexpected, b[0], s.state))
	}
}

// next returns a pending message, or a heartbeat that is due.
func (s *session) next(now market.Nanos) (msg []byte, ok bool) {
	switch {
	case s.state == Failed:
		return nil, false
	case len(s.pending) > 0:
		msg, s.pending = s.pending, s.pending[:0]
	case now-s.lastSent < s.cfg.Heartbeat:
		return nil, false
	}
	s.lastSent = now
	return msg, true
}
