package replay

import (
	"encoding/hex"
	"fmt"
	"time"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/pcap"
	"tidegate/gateway"
	"tidegate/market"
)

// A Summary says what a replay read, decided, built and wrote. Its JSON form is for scripts.
type Summary struct {
	Inputs       []InputSummary   `json:"inputs"`
	Recorded     *RecordedSummary `json:"recorded_inputs,omitempty"` // of a recording, beside its datagrams
	Feeds        []FeedSummary    `json:"feeds,omitempty"`           // that a recording describes
	Channels     []ChannelSummary `json:"channels"`
	Unrecognised uint64           `json:"unrecognised_datagrams"` // of no feed that is known
	Output       *OutputSummary   `json:"output,omitempty"`
	First        string           `json:"first,omitempty"` // recorded time of the first item
	Last         string           `json:"last,omitempty"`
	Messages     uint64           `json:"messages"`
	Events       uint64           `json:"events"`
	Seconds      float64          `json:"seconds"` // the replay took
	Rate         float64          `json:"messages_per_second"`
	// Imperfect counts what a strict user does not accept: inputs cut or corrupt, frames truncated,
	// packets malformed, messages lost or faulty. Faults says how many there are of each.
	Imperfect uint64       `json:"imperfect"`
	Faults    []FaultCount `json:"faults,omitempty"`
}

// FaultCount is how many faults of a kind there were.
type FaultCount struct {
	Fault string `json:"fault"` // "malformed packets"
	Count uint64 `json:"count"`
}

// fault counts n faults of a kind.
func (s *Summary) fault(kind string, n uint64) {
	if n == 0 {
		return
	}
	s.Imperfect += n
	for i := range s.Faults {
		if s.Faults[i].Fault == kind {
			s.Faults[i].Count += n
			return
		}
	}
	s.Faults = append(s.Faults, FaultCount{kind, n})
}

// InputSummary is about one file.
type InputSummary struct {
	Path        string      `json:"path"`
	Kind        string      `json:"kind"` // capture, itch, dbn
	Compression string      `json:"compression"`
	Bytes       int64       `json:"bytes"`
	Items       uint64      `json:"items"` // datagrams, blocks or messages, records
	Frames      *pcap.Stats `json:"frames,omitempty"`
	Dropped     uint64      `json:"dropped,omitempty"` // inputs that were not recorded: memory was full
	Damaged     uint64      `json:"damaged,omitempty"` // inputs that cannot be read any more
	Fault       string      `json:"fault,omitempty"`   // why it was not read to its end
	Notes       []string    `json:"notes,omitempty"`
}

// ChannelSummary is about one channel.
type ChannelSummary struct {
	Name      string            `json:"name"`
	Feed      string            `json:"feed"`
	Publisher string            `json:"publisher"`
	Lines     []LineSummary     `json:"lines,omitempty"`
	Ledger    *arbiter.Ledger   `json:"ledger,omitempty"`
	Balanced  bool              `json:"balanced"`
	Gaps      []GapSummary      `json:"gaps,omitempty"`   // announced; the first hundred
	Epochs    []EpochSummary    `json:"epochs,omitempty"` // the first hundred
	Messages  uint64            `json:"messages"`
	Types     []TypeCount       `json:"types"`
	Verdicts  map[string]uint64 `json:"verdicts"`
	Records   map[string]uint64 `json:"records,omitempty"`        // of a DBN input, by type
	Unused    uint64            `json:"unused_records,omitempty"` // those neither market-by-order nor of the output's schema
	Events    uint64            `json:"events"`
	Trades    uint64            `json:"trades"`
	Volume    uint64            `json:"volume"`
	Suspect   uint64            `json:"suspect_events"`
	// Snapshots is what came of snapshots of the channel's books; nil if none was asked for.
	Snapshots *gateway.RebuildCounts `json:"snapshots,omitempty"`
	// StreamHash is over everything published but receive times: equal for every recording of the
	// same messages.
	StreamHash string      `json:"stream_hash"`
	Books      BookSummary `json:"books"`
}

// LineSummary says where a line was found.
type LineSummary struct {
	Line string `json:"line"`
	Path string `json:"path"`
	Dst  string `json:"destination"`
}

// GapSummary is one announced gap.
type GapSummary struct {
	Epoch  uint32 `json:"epoch"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to"` // exclusive
	Seen   string `json:"seen"`
	Reason string `json:"reason"`
}

// EpochSummary is one epoch.
type EpochSummary struct {
	Number  uint32 `json:"number"`
	Session string `json:"session"`
	From    uint64 `json:"from"`
	At      string `json:"at"`
	Reason  string `json:"reason"`
}

// TypeCount is how many messages of a type there were.
type TypeCount struct {
	Type  string `json:"type"`
	Count uint64 `json:"count"`
}

// BookSummary is about all books of a channel at the end.
type BookSummary struct {
	Instruments int    `json:"instruments"` // named by the feed
	Quoted      int    `json:"quoted"`      // with a bid or an ask
	Locked      int    `json:"locked"`
	Crossed     int    `json:"crossed"`
	Hash        string `json:"hash"`
}

// OutputSummary is about the file written.
type OutputSummary struct {
	Path    string `json:"path"`
	Partial bool   `json:"partial,omitempty"` // an interrupt ended it
	Schema  string `json:"schema"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"` // of the file
	// Refused counts events that gave no record because their instrument is past a limit.
	Refused uint64 `json:"refused_events,omitempty"`
}

func (r *run) summarise(elapsed time.Duration) Summary {
	s := Summary{Unrecognised: r.channels.unrecognised, Seconds: elapsed.Seconds()}
	if r.any {
		s.First, s.Last = timeText(r.first), timeText(r.last)
	}
	for _, src := range r.sources {
		in := summariseInput(src)
		if in.Fault != "" {
			s.fault("inputs cut or corrupt", 1)
		}
		s.fault("inputs that were not recorded", in.Dropped)
		s.fault("inputs that cannot be read", in.Damaged)
		if f := in.Frames; f != nil {
			s.fault("truncated frames", f.Truncated)
			s.fault("malformed frames", f.Malformed)
		}
		s.Inputs = append(s.Inputs, in)
	}
	r.summariseFeeds(&s)
	for _, ch := range r.channels.list {
		c := r.summariseChannel(ch, &s)
		s.Messages += c.Messages
		s.Events += c.Events
		s.Channels = append(s.Channels, c)
	}
	if s.Seconds > 0 {
		s.Rate = float64(s.Messages) / s.Seconds
	}
	if r.out != nil && r.out.kept {
		s.Output = r.out.summary()
		for _, sink := range r.channels.sinks {
			s.Output.Refused += sink.refused()
		}
		s.fault("events without a record", s.Output.Refused)
	}
	return s
}

func summariseInput(src source) InputSummary {
	in := src.input()
	s := InputSummary{
		Path: in.path, Kind: in.kind, Compression: in.file.Compression(), Bytes: in.file.Size(),
		Items: in.items, Notes: in.notes,
	}
	if in.fault != nil {
		s.Fault = in.fault.Error()
	}
	if c, ok := src.(*captureSource); ok {
		switch r := c.reader.(type) {
		case *pcap.Reader:
			stats := r.Stats()
			s.Frames = &stats
		case *segmentReader:
			s.Notes = append(s.Notes, r.notes()...)
			s.Dropped, s.Damaged = r.dropped, r.damaged
		}
		if c.untimed > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf(
				"%d datagrams have no capture time: taken to be captured with the one before", c.untimed))
		}
	}
	return s
}

func (r *run) summariseChannel(ch *Channel, s *Summary) ChannelSummary {
	p := ch.Pipeline
	counts := p.Counts()
	c := ChannelSummary{
		Name: ch.Name, Feed: ch.feed.String(), Publisher: p.Config().Publisher.Dataset,
		Balanced: p.Balanced() == nil,
		Messages: counts.Messages, Events: counts.Events, Trades: counts.Trades, Volume: counts.Volume,
		Suspect: counts.Suspect, Verdicts: make(map[string]uint64),
		StreamHash: fmt.Sprintf("%016x", ch.witness.hasher.Sum()),
		Books:      summariseBooks(ch),
	}
	for v := range market.VerdictCount {
		if v.Fault() {
			s.fault(v.String()+" messages", counts.Verdicts[v])
		}
	}
	for t, n := range counts.Types {
		if n > 0 {
			c.Types = append(c.Types, TypeCount{typeName(ch.feed, byte(t)), n})
		}
	}
	for v, n := range counts.Verdicts {
		if n > 0 {
			c.Verdicts[market.Verdict(v).String()] = n
		}
	}
	if len(ch.records) > 0 {
		c.Records = make(map[string]uint64)
		for t, n := range ch.records {
			c.Records[t.String()] = n
		}
	}
	c.Unused = ch.sink.unused
	for _, l := range ch.Lines {
		c.Lines = append(c.Lines, LineSummary{l.ID.String(), r.opt.Paths[l.File], l.Dst.String()})
	}
	if ledger, ok := p.Ledger(); ok && len(ch.Lines) > 0 {
		c.Ledger = &ledger
		s.fault("messages lost in announced gaps", ledger.GapsAnnounced().Messages)
		for i := range ledger.Lines {
			l := &ledger.Lines[i]
			s.fault("malformed packets", l.Malformed)
			if ch.feed != gateway.PITCH { // where sequence 0 is no mistake
				s.fault("unsequenced packets", l.Unsequenced.Packets)
			}
			s.fault("implausible packets", l.Implausible.Packets)
		}
	}
	if rebuilds := p.Rebuilds(); rebuilds.Begun > 0 {
		c.Snapshots = &rebuilds
	}
	for _, g := range ch.witness.gaps {
		c.Gaps = append(c.Gaps, GapSummary{g.Epoch, g.From, g.To, timeText(g.Seen), g.Reason.String()})
	}
	for _, e := range ch.witness.epochs {
		c.Epochs = append(c.Epochs, EpochSummary{
			e.Number, e.Session.String(), e.From, timeText(e.TsRecv), e.Reason.String(),
		})
	}
	return c
}

func summariseBooks(ch *Channel) BookSummary {
	instruments := ch.Pipeline.Instruments()
	b := BookSummary{
		Instruments: len(instruments),
		Hash:        fmt.Sprintf("%016x", ch.Pipeline.Books().HashAll()),
	}
	for _, in := range instruments {
		bbo := ch.Pipeline.Books().BBO(in.ID)
		if bbo == book.EmptyBBO {
			continue
		}
		b.Quoted++
		switch {
		case bbo.Locked():
			b.Locked++
		case bbo.Crossed():
			b.Crossed++
		}
	}
	return b
}

// typeName names a message type as its protocol writes it: as a letter, or PITCH as a number.
func typeName(f gateway.Feed, t byte) string {
	if f != gateway.PITCH && t > ' ' && t <= '~' {
		return string(rune(t))
	}
	return "0x" + hex.EncodeToString([]byte{t})
}

func timeText(t market.Nanos) string {
	return time.Unix(0, int64(t)).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// Snapshot is one instrument's book at the end of a replay.
type Snapshot struct {
	Channel string          `json:"channel"`
	Symbol  string          `json:"symbol"`
	ID      uint32          `json:"instrument_id"`
	Locked  bool            `json:"locked"`
	Crossed bool            `json:"crossed"`
	Bids    []LevelSnapshot `json:"bids"`
	Asks    []LevelSnapshot `json:"asks"`
}

// LevelSnapshot is one level of a Snapshot.
type LevelSnapshot struct {
	Price  string `json:"price"`
	Size   uint64 `json:"size"`
	Orders uint32 `json:"orders,omitempty"` // 0 where the venue does not say
}

// Books returns the books of a symbol in every channel that has it, up to depth levels a side.
func (r *Result) Books(symbol string, depth int) []Snapshot {
	var all []Snapshot
	for _, ch := range r.Channels {
		if !ch.Booked() {
			continue
		}
		for _, in := range ch.Pipeline.Instruments() {
			if in.Symbol != symbol {
				continue
			}
			books := ch.Pipeline.Books()
			bbo := books.BBO(in.ID)
			all = append(all, Snapshot{
				Channel: ch.Name, Symbol: symbol, ID: uint32(in.ID),
				Locked: bbo.Locked(), Crossed: bbo.Crossed(),
				Bids: levels(books.Levels(in.ID, market.Bid, make([]book.Level, 0, depth))),
				Asks: levels(books.Levels(in.ID, market.Ask, make([]book.Level, 0, depth))),
			})
		}
	}
	return all
}

func levels(from []book.Level) []LevelSnapshot {
	all := make([]LevelSnapshot, len(from))
	for i, l := range from {
		all[i] = LevelSnapshot{l.Price.String(), uint64(l.Size), l.Orders}
	}
	return all
}
