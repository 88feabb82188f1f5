package soupbintcp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"tidegate/market"
)

// SessionLen is the length in bytes of a session name.
const SessionLen = 10

// Lengths in bytes of the other fields of a login.
const (
	usernameLen = 6
	passwordLen = 10
	numberLen   = 20
	timeoutLen  = 5
)

// ErrField is returned for a login whose fields cannot be read: a number that is none, or text that
// is not printable ASCII.
var ErrField = errors.New("soupbintcp: login field cannot be read")

// A Session is the name of a run of message numbers as it is on the wire: text, padded with spaces on
// either side. The zero value is blank too. Compare with Is.
type Session [SessionLen]byte

// ParseSession returns the session with a name of at most SessionLen printable ASCII characters,
// padded on the left as LoginAccepted has it. The empty name gives a blank session.
func ParseSession(name string) (Session, error) {
	if err := validText("session", name, SessionLen); err != nil {
		return Session{}, err
	}
	return Session([]byte(fmt.Sprintf("%*s", SessionLen, name))), nil
}

// Blank reports whether s has no name, which in a request means the active session.
func (s Session) Blank() bool { return len(s.name()) == 0 }

// Is reports whether two sessions have the same name, however it is padded.
func (s Session) Is(other Session) bool { return bytes.Equal(s.name(), other.name()) }

// String returns the name without padding.
func (s Session) String() string { return string(s.name()) }

func (s *Session) name() []byte { return bytes.Trim(s[:], " \x00") }

// A Login is what a client asks for with a LoginRequest.
type Login struct {
	Username string // at most 6 characters; case makes no difference
	Password string // at most 10 characters; case makes no difference
	// Session is the session wanted; blank for the active one.
	Session Session
	// Next is the number of the first message wanted; 0 for the latest there is.
	Next uint64
	// HeartbeatTimeout is the silence of the client after which the server may give it up, in whole
	// milliseconds up to 99,999. It is a field since version 4.10: with 0 the request is that of 3.00 and
	// 4.00.
	HeartbeatTimeout market.Nanos
}

// Is reports whether these are the credentials of the request (SoupBinTCP 3.00, section 2.3.1: case
// makes no difference).
func (l *Login) Is(username, password string) bool {
	return strings.EqualFold(l.Username, username) && strings.EqualFold(l.Password, password)
}

const heartbeatTimeoutMax = 99_999 * market.Millisecond

// Validate reports the first field that a request cannot carry.
func (l *Login) Validate() error {
	if err := validText("username", l.Username, usernameLen); err != nil {
		return err
	}
	if err := validText("password", l.Password, passwordLen); err != nil {
		return err
	}
	if err := validText("session", l.Session.String(), SessionLen); err != nil {
		return err
	}
	if t := l.HeartbeatTimeout; t < 0 || t > heartbeatTimeoutMax || t%market.Millisecond != 0 {
		return fmt.Errorf("heartbeat timeout %d ns: want 0 to 99,999 whole ms", t)
	}
	return nil
}

func validText(what, s string, max int) error {
	if len(s) > max {
		// Of a password no more than this is told.
		return fmt.Errorf("%s of %d bytes: want at most %d", what, len(s), max)
	}
	if !printable([]byte(s)) || strings.TrimSpace(s) != s {
		return fmt.Errorf("%s: want printable ASCII without spaces at the ends", what)
	}
	return nil
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// AppendLoginRequest appends a login request to b. The login must be valid: see Login.Validate.
func AppendLoginRequest(b []byte, l Login) []byte {
	if l.HeartbeatTimeout == 0 {
		return appendLogin(appendHeader(b, LoginRequest, loginRequestLen), l)
	}
	b = appendLogin(appendHeader(b, LoginRequest, loginRequest41Len), l)
	return appendNumber(b, uint64(l.HeartbeatTimeout/market.Millisecond), timeoutLen)
}

func appendLogin(b []byte, l Login) []byte {
	b = appendText(b, l.Username, usernameLen)
	b = appendText(b, l.Password, passwordLen)
	b = appendSession(b, l.Session)
	return appendNumber(b, l.Next, numberLen)
}

// ParseLogin reads the payload of a LoginRequest. The error is ErrLength or ErrField.
func ParseLogin(payload []byte) (Login, error) {
	if len(payload) != loginRequestLen && len(payload) != loginRequest41Len {
		return Login{}, ErrLength
	}
	var l Login
	var known [5]bool
	l.Username, known[0] = text(payload[:usernameLen])
	l.Password, known[1] = text(payload[usernameLen:][:passwordLen])
	l.Session = Session(payload[usernameLen+passwordLen:])
	_, known[2] = text(l.Session.name())
	l.Next, known[3] = number(payload[loginRequestLen-numberLen:][:numberLen])
	known[4] = true
	if len(payload) == loginRequest41Len {
		var ms uint64
		ms, known[4] = number(payload[loginRequestLen:])
		l.HeartbeatTimeout = market.Nanos(ms) * market.Millisecond
	}
	if known != [5]bool{true, true, true, true, true} {
		return Login{}, ErrField
	}
	return l, nil
}

// AppendLoginAccepted appends the acceptance of a login to b. next is the number of the message that
// is sent next.
func AppendLoginAccepted(b []byte, session Session, next uint64) []byte {
	b = appendSession(appendHeader(b, LoginAccepted, loginAcceptedLen), session)
	return appendNumber(b, next, numberLen)
}

// ParseLoginAccepted reads the payload of a LoginAccepted: the session that the client is in, and the
// number of the message that comes next. The error is ErrLength or ErrField.
func ParseLoginAccepted(payload []byte) (session Session, next uint64, err error) {
	if len(payload) != loginAcceptedLen {
		return Session{}, 0, ErrLength
	}
	session = Session(payload)
	next, ok := number(payload[SessionLen:])
	if !ok || next == 0 || !printable(session.name()) {
		return Session{}, 0, ErrField
	}
	return session, next, nil
}

// Reject is why a login was refused.
type Reject byte

// Reasons to refuse a login.
const (
	NotAuthorized Reject = 'A' // no such username and password
	NoSession     Reject = 'S' // the session is unknown or not available
)

// AppendLoginRejected appends the refusal of a login to b. The server closes the connection after it.
func AppendLoginRejected(b []byte, reason Reject) []byte {
	return append(appendHeader(b, LoginRejected, loginRejectedLen), byte(reason))
}

// appendSession appends a session; the zero value as spaces.
func appendSession(b []byte, s Session) []byte {
	for _, c := range s {
		if c == 0 {
			c = ' '
		}
		b = append(b, c)
	}
	return b
}

// appendText appends text, padded on the right to width.
func appendText(b []byte, s string, width int) []byte {
	b = append(b, s...)
	for range width - len(s) {
		b = append(b, ' ')
	}
	return b
}

// appendNumber appends a number, padded on the left to width.
func appendNumber(b []byte, n uint64, width int) []byte {
	var digits [numberLen]byte
	d := strconv.AppendUint(digits[:0], n, 10)
	for range width - len(d) {
		b = append(b, ' ')
	}
	return append(b, d...)
}

// text reads a field of text.
func text(field []byte) (string, bool) {
	s := bytes.Trim(field, " \x00")
	return string(s), printable(s)
}

// number reads a field with a number.
func number(field []byte) (n uint64, ok bool) {
	field = bytes.Trim(field, " \x00")
	for _, c := range field {
		if c < '0' || c > '9' || n > (math.MaxUint64-uint64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(field) > 0
}
