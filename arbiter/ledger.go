package arbiter

import (
	"fmt"
	"strings"
)

// A Tally counts packets and the messages in them.
type Tally struct {
	Packets  uint64 `json:"packets"`
	Messages uint64 `json:"messages"`
}

func (t *Tally) add(p *Packet) {
	t.Packets++
	t.Messages += uint64(p.Count)
}

func (t *Tally) remove(p *Packet) {
	t.Packets--
	t.Messages -= uint64(p.Count)
}

// A GapTally counts missing ranges and the messages in them.
type GapTally struct {
	Ranges   uint64 `json:"ranges"`
	Messages uint64 `json:"messages"`
}

func (t *GapTally) add(messages uint64) {
	t.Ranges++
	t.Messages += messages
}

// A LineLedger accounts for everything one line delivered. Every packet is counted in the column of
// its outcome, and so is every message. The two may differ: the first messages of an Overlap packet
// are Duplicate or Late, while the packet and the rest of its messages are Published.
type LineLedger struct {
	Received    Tally  `json:"received"`
	Published   Tally  `json:"published"`
	Duplicate   Tally  `json:"duplicate"`
	Late        Tally  `json:"late"`
	Foreign     Tally  `json:"foreign"`
	OldEpoch    Tally  `json:"old_epoch"`
	Implausible Tally  `json:"implausible"`
	Unsequenced Tally  `json:"unsequenced"`
	Unasked     Tally  `json:"unasked"`
	Held        Tally  `json:"held"`    // at this moment
	Suspect     Tally  `json:"suspect"` // at this moment
	Heartbeats  uint64 `json:"heartbeats"`
	Ends        uint64 `json:"ends"`
	Malformed   uint64 `json:"malformed"`

	// The rest are facts about the packets above, not outcomes.

	MalformedBytes uint64 `json:"malformed_bytes"`
	GapMessages    uint64 `json:"gap_messages"`
	Disagree       uint64 `json:"disagree"`
}

// A Ledger accounts for everything an Arbiter was given and for everything it published. It holds at
// every moment, with what is still held in a column of its own: see Balanced.
type Ledger struct {
	Lines [LinesMax]LineLedger `json:"lines"`

	Epochs        uint64 `json:"epochs"`
	Restarts      uint64 `json:"restarts"`
	Sessions      uint64 `json:"sessions"`
	SessionsEnded uint64 `json:"sessions_ended"`
	JoinedMid     uint64 `json:"joined_mid"`
	Advanced      uint64 `json:"advanced"`

	GapsOpened     GapTally `json:"gaps_opened"`
	GapsOpen       GapTally `json:"gaps_open"` // at this moment
	GapsFilled     GapTally `json:"gaps_filled"`
	GapsDeadline   GapTally `json:"gaps_deadline"`
	GapsWindowFull GapTally `json:"gaps_window_full"`
	GapsEpochEnd   GapTally `json:"gaps_epoch_end"`
	GapsFlush      GapTally `json:"gaps_flush"`
}

// announced returns where gaps given up for a reason are counted.
func (l *Ledger) announced(r GapReason) *GapTally {
	switch r {
	case GapDeadline:
		return &l.GapsDeadline
	case GapWindowFull:
		return &l.GapsWindowFull
	case GapEpochEnd:
		return &l.GapsEpochEnd
	default:
		return &l.GapsFlush
	}
}

// GapsAnnounced returns the sum of the gaps given up, for whatever reason.
func (l *Ledger) GapsAnnounced() (t GapTally) {
	for r := GapDeadline; r < gapReasonCount; r++ {
		one := l.announced(r)
		t.Ranges += one.Ranges
		t.Messages += one.Messages
	}
	return t
}

// Channel returns the sum over all lines.
func (l *Ledger) Channel() (sum LineLedger) {
	for i := range l.Lines {
		from := &l.Lines[i]
		for _, c := range tallyColumns {
			s, t := c.of(&sum), c.of(from)
			s.Packets += t.Packets
			s.Messages += t.Messages
		}
		for _, c := range packetColumns {
			*c.of(&sum) += *c.of(from)
		}
	}
	return sum
}

// Balanced returns nil if everything received is accounted for, else an error that says what is not.
func (l *Ledger) Balanced() error {
	for i := range l.Lines {
		line := &l.Lines[i]
		var sum Tally
		for _, c := range tallyColumns[1:] {
			t := c.of(line)
			sum.Packets += t.Packets
			sum.Messages += t.Messages
		}
		sum.Packets += line.Heartbeats + line.Ends + line.Malformed
		if sum != line.Received {
			return fmt.Errorf("line %s: received %d packets, %d messages; outcomes add up to %d packets, %d messages",
				LineID(i), line.Received.Packets, line.Received.Messages, sum.Packets, sum.Messages)
		}
	}
	channel, announced := l.Channel(), l.GapsAnnounced()
	if published := channel.Published.Messages; published+announced.Messages != l.Advanced {
		return fmt.Errorf("channel: advanced by %d messages; published %d and announced %d as lost",
			l.Advanced, published, announced.Messages)
	}
	if sum := l.GapsFilled.Ranges + announced.Ranges + l.GapsOpen.Ranges; sum != l.GapsOpened.Ranges {
		return fmt.Errorf("channel: %d gaps opened; %d filled, %d announced, %d open",
			l.GapsOpened.Ranges, l.GapsFilled.Ranges, announced.Ranges, l.GapsOpen.Ranges)
	}
	if sum := l.GapsFilled.Messages + announced.Messages + l.GapsOpen.Messages; sum != l.GapsOpened.Messages {
		return fmt.Errorf("channel: %d messages found missing; %d filled, %d announced, %d open",
			l.GapsOpened.Messages, l.GapsFilled.Messages, announced.Messages, l.GapsOpen.Messages)
	}
	if channel.GapMessages != l.GapsFilled.Messages {
		return fmt.Errorf("channel: %d missing messages filled; lines brought %d",
			l.GapsFilled.Messages, channel.GapMessages)
	}
	return nil
}

// Walk calls f with every counter: those of the channel, then those of each line that received
// anything. Names look like "gaps_filled.messages" and "line_a.published.packets".
func (l *Ledger) Walk(f func(name string, value uint64, sentence string)) {
	for _, c := range channelColumns {
		f(c.name, *c.of(l), c.sentence)
	}
	for _, c := range gapColumns {
		t := c.of(l)
		f(c.name+".ranges", t.Ranges, "Missing ranges "+c.sentence)
		f(c.name+".messages", t.Messages, "Messages in missing ranges "+c.sentence)
	}
	for i := range l.Lines {
		line := &l.Lines[i]
		if line.Received.Packets == 0 {
			continue
		}
		prefix := "line_" + strings.ToLower(LineID(i).String()) + "."
		for _, c := range tallyColumns {
			t := c.of(line)
			f(prefix+c.name+".packets", t.Packets, c.packets)
			f(prefix+c.name+".messages", t.Messages, c.messages)
		}
		for _, c := range packetColumns {
			f(prefix+c.name, *c.of(line), c.sentence)
		}
	}
}

// The tables below are the one place that knows every column. Received is first; the tallies after
// it, with Heartbeats, Ends and Malformed, add up to it.

var tallyColumns = []struct {
	name, packets, messages string
	of                      func(*LineLedger) *Tally
}{
	{
		"received", "Packets that arrived.", "Messages in packets that arrived.",
		func(l *LineLedger) *Tally { return &l.Received },
	},
	{
		"published", "Packets of which at least one message was published.",
		"Messages published: this line was the first to deliver them.",
		func(l *LineLedger) *Tally { return &l.Published },
	},
	{
		"duplicate", "Packets dropped because another copy of every message came first.",
		"Messages dropped because another copy came first.",
		func(l *LineLedger) *Tally { return &l.Duplicate },
	},
	{
		"late", "Packets dropped whole that hold messages already announced as lost, or sent before the channel was joined.",
		"Messages dropped because they were already announced as lost, or sent before the channel was joined.",
		func(l *LineLedger) *Tally { return &l.Late },
	},
	{
		"foreign", "Packets dropped because they belong to another session.",
		"Messages dropped because they belong to another session.",
		func(l *LineLedger) *Tally { return &l.Foreign },
	},
	{
		"old_epoch", "Packets dropped because they were sent before the publisher restarted.",
		"Messages dropped because they were sent before the publisher restarted.",
		func(l *LineLedger) *Tally { return &l.OldEpoch },
	},
	{
		"implausible", "Packets dropped because their sequence could not be believed and nothing confirmed it.",
		"Messages dropped because their sequence could not be believed and nothing confirmed it.",
		func(l *LineLedger) *Tally { return &l.Implausible },
	},
	{
		"unsequenced", "Packets dropped because their sequence was 0, ran past 2^64 or contradicted their kind.",
		"Messages dropped because their sequence was 0, ran past 2^64 or contradicted their kind.",
		func(l *LineLedger) *Tally { return &l.Unsequenced },
	},
	{
		"unasked", "Packets of line R dropped because nothing in them had been asked for.",
		"Messages of line R dropped because nothing in their packet had been asked for.",
		func(l *LineLedger) *Tally { return &l.Unasked },
	},
	{
		"held", "Packets held at this moment because messages before them are missing.",
		"Messages held at this moment because messages before them are missing.",
		func(l *LineLedger) *Tally { return &l.Held },
	},
	{
		"suspect", "Packets held at this moment until the next packet confirms their sequence.",
		"Messages held at this moment until the next packet confirms their sequence.",
		func(l *LineLedger) *Tally { return &l.Suspect },
	},
}

var packetColumns = []struct {
	name, sentence string
	of             func(*LineLedger) *uint64
}{
	{"heartbeats", "Heartbeats of the session.", func(l *LineLedger) *uint64 { return &l.Heartbeats }},
	{"ends", "Packets that said the session was over.", func(l *LineLedger) *uint64 { return &l.Ends }},
	{"malformed", "Packets whose framing could not be read.", func(l *LineLedger) *uint64 { return &l.Malformed }},
	{
		"malformed_bytes", "Bytes of packets whose framing could not be read.",
		func(l *LineLedger) *uint64 { return &l.MalformedBytes },
	},
	{
		"gap_messages", "Messages of missing ranges that this line was the first to bring.",
		func(l *LineLedger) *uint64 { return &l.GapMessages },
	},
	{
		"disagree", "Duplicate packets whose bytes differ from those of the first copy, which was kept.",
		func(l *LineLedger) *uint64 { return &l.Disagree },
	},
}

var channelColumns = []struct {
	name, sentence string
	of             func(*Ledger) *uint64
}{
	{"epochs", "Epochs begun: one at the start, one per restart and one per further session.", func(l *Ledger) *uint64 { return &l.Epochs }},
	{"restarts", "Restarts of the publisher within a session.", func(l *Ledger) *uint64 { return &l.Restarts }},
	{"sessions", "Sessions begun.", func(l *Ledger) *uint64 { return &l.Sessions }},
	{"sessions_ended", "Sessions that came to their announced end.", func(l *Ledger) *uint64 { return &l.SessionsEnded }},
	{"joined_mid", "Epochs joined after too many messages to wait for the first.", func(l *Ledger) *uint64 { return &l.JoinedMid }},
	{"advanced", "Sequences that the published stream has passed, published or announced as lost.", func(l *Ledger) *uint64 { return &l.Advanced }},
}

var gapColumns = []struct {
	name, sentence string
	of             func(*Ledger) *GapTally
}{
	{"gaps_opened", "found; a range split in two by a packet inside it counts as two.", func(l *Ledger) *GapTally { return &l.GapsOpened }},
	{"gaps_open", "waited for at this moment.", func(l *Ledger) *GapTally { return &l.GapsOpen }},
	{"gaps_filled", "filled in time.", func(l *Ledger) *GapTally { return &l.GapsFilled }},
	{"gaps_deadline", "announced as lost at their deadline.", func(l *Ledger) *GapTally { return &l.GapsDeadline }},
	{"gaps_window_full", "announced as lost because no memory was left to hold what came after them.", func(l *Ledger) *GapTally { return &l.GapsWindowFull }},
	{"gaps_epoch_end", "announced as lost because the publisher restarted or began another session.", func(l *Ledger) *GapTally { return &l.GapsEpochEnd }},
	{"gaps_flush", "announced as lost because the input ended.", func(l *Ledger) *GapTally { return &l.GapsFlush }},
}
