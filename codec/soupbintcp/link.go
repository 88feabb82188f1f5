package soupbintcp

import (
	"errors"
	"math"

	"tidegate/market"
)

// Errors of a Client and a Server, besides those of a Decoder and ErrField. They are returned as they
// are, without further text. The connection is of no further use after any of them.
var (
	// ErrSilent is returned when the other end has sent nothing for too long.
	ErrSilent = errors.New("soupbintcp: the other end is silent")
	// ErrUnexpected is returned for a packet that the other end must not send, or not now.
	ErrUnexpected = errors.New("soupbintcp: packet out of place")
	// ErrNotAuthorized is returned when a login was refused for its username or password.
	ErrNotAuthorized = errors.New("soupbintcp: login refused: not authorized")
	// ErrNoSession is returned when a login was refused because the session is not available.
	ErrNoSession = errors.New("soupbintcp: login refused: no such session")
	// ErrRejected is returned when a login was refused for a reason that the protocol does not have.
	ErrRejected = errors.New("soupbintcp: login refused: unknown reason")
	// ErrLater is what a server's login function returns when it does not know yet: see Server.Answer.
	ErrLater = errors.New("soupbintcp: the login is answered later")
	// ErrSessionChanged is returned to a client that was let into another session than it asked for.
	ErrSessionChanged = errors.New("soupbintcp: the server is in another session")
	// ErrWentBack is returned to a client that is offered messages before the one it asked for, and at
	// the end of 64-bit numbers.
	ErrWentBack = errors.New("soupbintcp: the server went back in the session")
)

// EventKind says what an Event is about.
type EventKind uint8

// Kinds of events.
const (
	// LoggedIn: the login is accepted. Seq is the number of the next message. It is larger than Asked if
	// the messages between are not to be had any more.
	LoggedIn EventKind = iota
	// Message: a message of the session, with its number. To a client only.
	Message
	// Unsequenced: a message without a number.
	Unsequenced
	// DebugText: text for people.
	DebugText
	// SessionEnded: the session has ended; there are no further messages. To a client only.
	SessionEnded
	// LoggedOut: the client wants the connection closed. To a server only.
	LoggedOut
)

// String returns the name of the kind.
func (k EventKind) String() string {
	names := [...]string{"logged in", "message", "unsequenced", "debug", "session ended", "logged out"}
	if int(k) < len(names) {
		return names[k]
	}
	return "event?"
}

// An Event is what the owner of a Client or a Server must know.
type Event struct {
	Payload []byte // of Message, Unsequenced and DebugText; valid until the next Room
	Seq     uint64 // of Message and LoggedIn
	Asked   uint64 // of LoggedIn: the number asked for; of a client's 0, Seq
	Kind    EventKind
}

// state is where a connection stands.
type state uint8

const (
	offline   state = iota // before Connect
	loggingIn              // connected; the login or the answer to it has not come
	judging                // a server: the login has come, and waits for Answer
	judged                 // a server: the login was accepted, and Poll has not said so yet
	online                 // logged in
	over                   // the session has ended, or the client has logged out
	failed                 // see err
)

// never is the time of what is not due.
const never = market.Nanos(math.MaxInt64)

// A link is what both ends of a connection have in common: the stream of packets that comes, the
// bytes that are to be sent, and the times of both.
type link struct {
	decoder Decoder
	out     []byte
	state   state
	err     error
	seq     uint64 // number of the next message

	heartbeat  market.Nanos // silence of ours after which a heartbeat is due
	silenceMax market.Nanos // silence of the other end after which it is dead

	readAt market.Nanos // when bytes came last
	// heardAt is when a whole packet came last: bytes that never make a packet are no sign of life. Before
	// the login is done it is when the connection began: nothing else that comes makes up for that.
	heardAt market.Nanos
	sentAt  market.Nanos // when we had something to send last
}

// connect begins a new connection.
func (l *link) connect(now market.Nanos) {
	l.decoder.Reset()
	l.out, l.state, l.err = l.out[:0], loggingIn, nil
	l.readAt, l.heardAt, l.sentAt = now, now, now
}

// Room returns memory to read into. What Poll has returned before is no longer valid. It is not empty
// if Poll was called until it said false.
func (l *link) Room() []byte { return l.decoder.Room() }

// Read says that the first n bytes of Room came at the time now.
func (l *link) Read(n int, now market.Nanos) {
	l.decoder.Read(n)
	l.readAt = max(l.readAt, now)
}

// Output returns the bytes that are to be sent. They are valid until the next call of another method.
func (l *link) Output() []byte { return l.out }

// Sent says that the first n bytes of Output have been sent.
func (l *link) Sent(n int) { l.out = l.out[:copy(l.out, l.out[n:])] }

// Err returns why the connection is of no further use, or nil. Output may still hold a last word to
// the other end.
func (l *link) Err() error { return l.err }

// Online reports whether the login was accepted and neither end has ended the connection.
func (l *link) Online() bool { return l.state == online }

// Over reports whether the session has ended, or the client has logged out.
func (l *link) Over() bool { return l.state == over }

// NextSeq returns the number of the next message.
func (l *link) NextSeq() uint64 { return l.seq }

// NotReading says that the owner had other things to do than to read until now, so that the silence
// until then is nobody's fault but its own.
func (l *link) NotReading(now market.Nanos) { l.heardAt = max(l.heardAt, now) }

// fail ends the connection.
func (l *link) fail(err error) {
	if l.state != failed {
		l.state, l.err = failed, err
	}
}

// next returns the next packet.
func (l *link) next() (Packet, bool) {
	p, ok := l.decoder.Next()
	if ok && l.state == online {
		l.heardAt = max(l.heardAt, l.readAt)
	}
	if err := l.decoder.Err(); err != nil {
		l.fail(err)
	}
	return p, ok
}

// loggedIn notes that the login is done.
func (l *link) loggedIn(seq uint64) {
	l.state, l.seq = online, seq
	l.heardAt = max(l.heardAt, l.readAt)
}

// say notes that there is something to send.
func (l *link) say(now market.Nanos) { l.sentAt = max(l.sentAt, now) }

// heartbeatDue returns when a heartbeat is due.
func (l *link) heartbeatDue() market.Nanos {
	if l.state != online {
		return never
	}
	return l.sentAt + l.heartbeat
}

// validTimes reports limits of time that make no sense.
func validTimes(heartbeat, silenceMax market.Nanos) error {
	if heartbeat < market.Millisecond || heartbeat > market.Minute {
		return errHeartbeat
	}
	if silenceMax <= heartbeat || silenceMax > market.Hour {
		return errSilenceMax
	}
	return nil
}

var (
	errHeartbeat  = errors.New("heartbeat: want 1 ms to 1 min")
	errSilenceMax = errors.New("silence max: want more than the heartbeat, and at most 1 h")
)
