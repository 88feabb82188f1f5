package gateway

import (
	"tidegate/arbiter"
	"tidegate/codec/iextp"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// A Feed is a stack of protocols: a framing and the messages in it.
type Feed uint8

// Feeds.
const (
	UnknownFeed Feed = iota
	ITCH             // Nasdaq TotalView-ITCH 5.0 over MoldUDP64
	DEEP             // IEX DEEP 1.0 over IEX-TP
	TOPS             // IEX TOPS 1.5 and 1.6 over IEX-TP
	MBO              // market-by-order events of DBN records; no datagrams
	PITCH            // Cboe US equities Multicast PITCH 2.x in sequenced units
)

var feedNames = [...]string{"unknown", "itch", "deep", "tops", "mbo", "pitch"}

// String returns the name used on the command line and in summaries.
func (f Feed) String() string {
	if int(f) < len(feedNames) {
		return feedNames[f]
	}
	return "feed?"
}

// Publisher returns the publisher that a feed is of where nothing else is said.
func (f Feed) Publisher() market.Publisher {
	switch f {
	case DEEP:
		return market.IEXDeep
	case TOPS:
		return market.IEXTops
	case PITCH:
		return market.CboeBZX
	default:
		return market.NasdaqITCH
	}
}

// Recognise tells a datagram's feed and session from its bytes. ok is false for a datagram that is
// of none of the feeds, or of which one cannot be told (a MoldUDP64 heartbeat looks like little
// else, but a session of control characters is not believed).
func Recognise(b []byte) (f Feed, session arbiter.Session, ok bool) {
	if s, err := iextp.Parse(b); err == nil {
		switch s.Protocol {
		case iextp.DEEP10:
			return DEEP, iexSession(&s), true
		case iextp.TOPS15, iextp.TOPS16:
			return TOPS, iexSession(&s), true
		}
	}
	if s, err := sequnit.Parse(b); err == nil {
		return PITCH, pitchSession(&s), plausibleUnit(&s)
	}
	m, err := moldudp64.Parse(b)
	if err != nil || !plausibleSession(m.Session) {
		return UnknownFeed, arbiter.Session{}, false
	}
	if m.Count > 0 && m.Kind == moldudp64.Data {
		msg, _ := moldudp64.Next(m.Messages)
		if len(msg) == 0 || itch50.Length(msg[0]) != len(msg) {
			return UnknownFeed, arbiter.Session{}, false
		}
	}
	return ITCH, arbiter.SessionOf(m.Session[:]), true
}

// plausibleUnit reports whether a sequenced unit is one of a feed, and its first message, if there is
// one, of a type and a length that PITCH has.
func plausibleUnit(s *sequnit.Packet) bool {
	if s.Unit == 0 {
		return false
	}
	if s.Heartbeat() {
		return true
	}
	msg, _ := sequnit.Next(s.Messages)
	return pitch.LengthMin(msg[0]) > 0 && len(msg) >= pitch.LengthMin(msg[0])
}

// plausibleSession reports whether a MoldUDP64 session is text, as the protocol says, or all zero,
// as in captures that were made from files.
func plausibleSession(s moldudp64.Session) bool {
	if s == (moldudp64.Session{}) {
		return true
	}
	for _, c := range s {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func iexSession(s *iextp.Segment) arbiter.Session {
	return arbiter.SessionOfNumbers(s.Channel, s.Session)
}
