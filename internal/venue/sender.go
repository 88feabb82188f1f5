package venue

import (
	"fmt"

	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// A Protocol is how a venue publishes what happens.
type Protocol uint8

// Protocols.
const (
	ITCH  Protocol = iota // Nasdaq TotalView-ITCH 5.0 over MoldUDP64
	PITCH                 // Cboe Multicast PITCH in sequenced units
)

// A SenderConfig says how messages become packets.
type SenderConfig struct {
	Protocol    Protocol
	Session     string       // MoldUDP64 session, at most 10 characters; PITCH has none
	Unit        uint8        // PITCH unit, not 0
	PayloadMax  int          // bytes of a packet, its header included
	MessagesMax int          // messages of a packet
	Linger      market.Nanos // how long a message may wait for others to share its packet
	Heartbeat   market.Nanos // silence after which a heartbeat is sent
}

// DefaultSenderConfig returns packets that fit any Ethernet path, and a heartbeat a second.
func DefaultSenderConfig() SenderConfig {
	return SenderConfig{
		Session:     "TIDE000001",
		Unit:        1,
		PayloadMax:  1400,
		MessagesMax: 20,
		Linger:      50 * market.Microsecond,
		Heartbeat:   market.Second,
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c SenderConfig) Validate() error {
	if _, err := moldudp64.ParseSession(c.Session); err != nil {
		return err
	}
	// A packet must hold the longest message, with its two bytes of length.
	if shortest := moldudp64.HeaderLen + 2 + itch50.LengthMax; c.PayloadMax < shortest || c.PayloadMax > 65_507 {
		return fmt.Errorf("payload max %d bytes: want %d to 65507, the most that UDP carries", c.PayloadMax, shortest)
	}
	countMax := moldudp64.CountMax
	if c.Protocol == PITCH {
		countMax = sequnit.CountMax
	}
	if c.MessagesMax < 1 || c.MessagesMax > countMax {
		return fmt.Errorf("messages max %d: want 1 to %d", c.MessagesMax, countMax)
	}
	if c.Protocol == PITCH && c.Unit == 0 {
		return fmt.Errorf("unit 0: want 1 to 255")
	}
	if c.Heartbeat < market.Millisecond || c.Heartbeat > market.Minute {
		return fmt.Errorf("heartbeat %d ns: want 1 ms to 1 min", c.Heartbeat)
	}
	if c.Linger < 0 || c.Linger >= c.Heartbeat {
		return fmt.Errorf("linger %d ns: want 0 to less than the heartbeat, %d ns", c.Linger, c.Heartbeat)
	}
	return nil
}

// open returns what rewrites messages, nil if they are sent as they are, and what packs them.
func (c *SenderConfig) open(listings []Listing) (*pitchTape, framing, error) {
	if c.Protocol == PITCH {
		tape, err := newPitchTape(listings)
		return tape, &unitFraming{unit: c.Unit, bytesMax: c.PayloadMax}, err
	}
	session, err := moldudp64.ParseSession(c.Session)
	return nil, &moldFraming{session: session, bytesMax: c.PayloadMax}, err
}

// A Packet is a packet and the time at which the venue sends it.
type Packet struct {
	Time    market.Nanos
	Payload []byte
}

// A Sender packs the messages of an exchange into packets: as many as fit, none held back for longer
// than the Linger. It sends heartbeats in silence, and says three times that the session has ended.
type Sender struct {
	x        *Exchange
	cfg      SenderConfig
	pitch    *pitchTape // nil if the messages are sent as they are
	framing  framing
	first    market.Nanos // time of the first message in the packet
	last     market.Nanos // time of the last
	lastSent market.Nanos // time of the last packet
	next     uint64       // sequence number of the next message
	ts       market.Nanos // time of step
	step     [][]byte     // messages of the exchange that are not packed yet
	silent   []byte       // a packet without messages
	endings  int          // end-of-session packets sent
	sent     PacketCounts
}

// PacketCounts counts packets by kind.
type PacketCounts struct {
	Data         uint64 `json:"data"`
	Heartbeats   uint64 `json:"heartbeats"`
	EndOfSession uint64 `json:"end_of_session"`
}

// endingsMax is how often the end of session is sent, so that a line may lose some.
const endingsMax = 3

// NewSender returns a sender of what the exchange publishes from now on. The exchange steps only when
// the sender needs it; nobody else may step it.
func NewSender(x *Exchange, cfg SenderConfig) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("venue: sender: %w", err)
	}
	s := &Sender{x: x, cfg: cfg, next: 1}
	var err error
	if s.pitch, s.framing, err = cfg.open(x.cfg.Listings); err != nil {
		return nil, fmt.Errorf("venue: sender: %w", err)
	}
	s.framing.begin(s.next)
	s.pull()
	s.lastSent = s.ts // the first heartbeat comes after a silence, not at once
	return s, nil
}

// Next returns the next packet, or false after the last. Times never go back. The payload is valid
// until the next call.
func (s *Sender) Next() (Packet, bool) {
	s.restart()
	for len(s.step) > 0 {
		waiting := s.framing.count() > 0
		if waiting && s.ts-s.first > s.cfg.Linger {
			return s.data(), true
		}
		if !waiting {
			if due := s.lastSent + s.cfg.Heartbeat; s.ts >= due {
				return s.heartbeat(due), true
			}
			s.first = s.ts
		}
		if s.framing.count() == s.cfg.MessagesMax || !s.framing.append(s.step[0]) {
			return s.data(), true
		}
		s.last = s.ts
		s.step = s.step[1:]
		if len(s.step) == 0 {
			s.pull()
		}
	}
	if s.framing.count() > 0 {
		return s.data(), true
	}
	return s.end()
}

// Counts returns the packets sent so far.
func (s *Sender) Counts() PacketCounts { return s.sent }

// pull takes the exchange's next step that there is something to say of.
func (s *Sender) pull() {
	s.ts, s.step = s.x.Step()
	if s.pitch == nil {
		return
	}
	for len(s.step) > 0 {
		if s.step = s.pitch.rewrite(s.step); len(s.step) > 0 {
			return
		}
		s.ts, s.step = s.x.Step()
	}
}

// data sends the packet under way. Its time is that of its last message.
func (s *Sender) data() Packet {
	s.sent.Data++
	s.lastSent = s.last
	return Packet{Time: s.last, Payload: s.framing.packet()}
}

// restart begins a new packet if the present one was sent.
func (s *Sender) restart() {
	if n := s.framing.count(); n > 0 {
		s.next += uint64(n)
		s.framing.begin(s.next)
	}
}

func (s *Sender) heartbeat(at market.Nanos) Packet {
	s.sent.Heartbeats++
	s.lastSent = at
	s.silent = s.framing.heartbeat(s.silent[:0], s.next)
	return Packet{Time: at, Payload: s.silent}
}

// end says that the session is over, at heartbeat intervals.
func (s *Sender) end() (Packet, bool) {
	if s.endings == endingsMax {
		return Packet{}, false
	}
	s.endings++
	s.sent.EndOfSession++
	s.lastSent += s.cfg.Heartbeat
	s.silent = s.framing.end(s.silent[:0], s.next)
	return Packet{Time: s.lastSent, Payload: s.silent}, true
}
