package soup

import (
	"tidegate/codec/soupbintcp"
	"tidegate/market"
)

// Kind says what an Item is about.
type Kind uint8

// Kinds of items.
const (
	// LoggedIn: a connection begins. Seq is the number of the next message, Asked the one that was asked
	// for: messages from Asked to before Seq are not to be had from this venue.
	LoggedIn Kind = iota
	// Message: a message of the session with its number.
	Message
	// Unsequenced: a message without a number; it may be lost with a connection.
	Unsequenced
	// SessionEnded: there are no further messages in this session.
	SessionEnded
	// Disconnected: the connection is over, or there was none. Err says why.
	Disconnected
)

// String returns the name of the kind.
func (k Kind) String() string {
	names := [...]string{"logged in", "message", "unsequenced", "session ended", "disconnected"}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind?"
}

// An Item is one thing that a Feed hears.
type Item struct {
	Body    []byte             // of Message and Unsequenced; the sink's only during the call
	Err     error              // of Disconnected
	Seq     uint64             // of Message and LoggedIn
	Asked   uint64             // of LoggedIn
	TsRecv  market.Nanos       // when the bytes were read, by our clock
	Session soupbintcp.Session // not of Disconnected
	Kind    Kind
}

// A Sink takes what a Feed hears, in order. Its methods are called by the goroutine of Feed.Run.
type Sink interface {
	// Offer hands over an item, which is valid only during the call. It must not wait. false means that
	// there is no room: the same item is offered again later, and nothing is read until it is taken.
	Offer(item *Item) bool
	// Room returns a channel that has a value when, after Offer has said false, it is worth another try.
	Room() <-chan struct{}
}

// SinkFunc is a Sink that always has room. It must not wait either: while it does, no heartbeat is sent.
type SinkFunc func(item *Item)

// Offer calls f.
func (f SinkFunc) Offer(item *Item) bool {
	f(item)
	return true
}

// Room returns nil.
func (f SinkFunc) Room() <-chan struct{} { return nil }
