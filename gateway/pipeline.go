package gateway

import (
	"errors"
	"fmt"
	"math"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/iex"
	"tidegate/codec/iextp"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/codec/pitch"
	"tidegate/market"
)

// A Sink takes what a pipeline publishes, in order. Its methods are called on the pipeline's owner
// and must not wait.
type Sink interface {
	// OnEvents takes the events that one update led to, at least one. They are valid only during the
	// call. Books show the state after the update.
	OnEvents(events []market.Event, books Books)
	// OnFacts takes what a message said beside the book. f is valid only during the call.
	OnFacts(f *market.Facts)
	// OnTime says that time has passed: whatever is published from now on is published at or after now.
	// Times do not go back. It is called for every tick, and before what a deadline publishes.
	OnTime(now market.Nanos)
	// OnGap takes a range of messages that is lost: no event of it was or will be published.
	OnGap(g arbiter.Gap)
	// OnEpoch takes the beginning of an epoch. Clear events for every book follow.
	OnEpoch(e arbiter.Epoch)
}

// Config says what a pipeline is for.
type Config struct {
	Feed      Feed
	Publisher market.Publisher
	// Arbiter holds the limits of the channel's arbiter. Nil: the messages come from a file and are
	// taken in the order in which they stand there; OnDatagram must not be called.
	Arbiter *arbiter.Config
	// Retransmit holds the limits of requests for what the lines have lost. Nil: there are none. What
	// comes on line R is then a line like the others, but for what it can prove.
	Retransmit *arbiter.RequestConfig
	// Midnight is the start of the trading day at the venue; ITCH and PITCH messages carry only the time
	// since.
	Midnight market.Nanos
	// SymbolsMax is the most symbols of a feed that names instruments by text.
	SymbolsMax int
	// WithholdJoined withholds the events of an epoch that was joined in its middle, from its first message
	// on: see Withhold. It is for a channel that somebody gets snapshots for.
	WithholdJoined bool
}

// DefaultConfig returns the configuration of a feed that comes in datagrams, but for Midnight.
func DefaultConfig(f Feed) Config {
	limits := arbiter.DefaultConfig()
	return Config{Feed: f, Publisher: f.Publisher(), Arbiter: &limits, SymbolsMax: 1 << 16}
}

// FileConfig returns the configuration of a feed that comes in a file, but for Midnight.
func FileConfig(f Feed) Config {
	return Config{Feed: f, Publisher: f.Publisher(), SymbolsMax: 1 << 16}
}

// A Pipeline is one channel from datagrams to events. It is owned by one goroutine.
type Pipeline struct {
	cfg  Config
	sink Sink
	arb  *arbiter.Arbiter // nil where messages come from a file

	requester   *arbiter.Requester // nil: nothing is asked for again
	sendRequest func(arbiter.Request)

	itch  itch50.Decoder
	deep  *iex.Deep
	tops  *iex.Tops
	pitch *pitch.Decoder

	orders *book.ByOrder // one of the two is nil
	levels *book.ByPrice
	books  Books // that one

	directory directory
	symbols   *market.SymbolTable

	rebuild  *rebuild // nil: none is under way
	rebuilds RebuildCounts
	withhold bool // there are no books yet

	suspect bool        // an announced gap lies behind what is published, or it was joined midway
	change  book.Change // by the update that is being published
	counts  Counts
	batch   batch
	events  [expandMax]market.Event
	facts   market.Facts
	packet  arbiter.Packet
}

// New returns a pipeline that publishes to sink.
func New(cfg Config, sink Sink) (*Pipeline, error) {
	p := &Pipeline{cfg: cfg, sink: sink, directory: newDirectory()}
	publisher := cfg.Publisher.ID
	switch cfg.Feed {
	case ITCH:
		p.itch = itch50.Decoder{Midnight: cfg.Midnight, Publisher: publisher}
	case DEEP, TOPS:
		p.symbols = market.NewSymbolTable(cfg.SymbolsMax)
		p.deep = iex.NewDeep(publisher, p.symbols)
		p.tops = iex.NewTops(publisher, p.symbols)
	case PITCH:
		p.symbols = market.NewSymbolTable(cfg.SymbolsMax)
		p.pitch = pitch.NewDecoder(publisher, p.symbols, cfg.Midnight)
	case MBO:
	default:
		return nil, fmt.Errorf("pipeline: feed %q: want itch, pitch, deep, tops or mbo", cfg.Feed)
	}
	switch cfg.Feed {
	case DEEP, TOPS:
		p.levels = book.NewByPrice(book.ByPriceConfig{InstrumentsMax: cfg.SymbolsMax})
		p.books = p.levels
	default:
		p.orders = book.NewByOrder(book.ByOrderConfig{})
		p.books = p.orders
	}
	if cfg.Arbiter == nil {
		return p, nil
	}
	if cfg.Feed == MBO {
		return nil, errors.New("pipeline: feed mbo: has no datagrams to arbitrate")
	}
	arb, err := arbiter.New(*cfg.Arbiter, (*fresh)(p))
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	p.arb = arb
	if cfg.Retransmit != nil {
		if err := p.plan(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// OnDatagram takes one datagram of a line, received at tsRecv. b is valid only during the call.
func (p *Pipeline) OnDatagram(line arbiter.LineID, tsRecv market.Nanos, b []byte) {
	k := &p.packet
	var ok bool
	switch p.cfg.Feed {
	case ITCH:
		ok = frameMold(b, k)
	case DEEP:
		ok = frameIEX(b, k, iextp.DEEP10, iextp.DEEP10)
	case TOPS:
		ok = frameIEX(b, k, iextp.TOPS15, iextp.TOPS16)
	case PITCH:
		ok = framePITCH(b, k)
	}
	if !ok {
		p.arb.OnMalformed(line, len(b))
		return
	}
	k.Line, k.TsRecv = line, tsRecv
	if p.requester != nil {
		p.onPacket(k)
		return
	}
	p.arb.OnPacket(k)
}

func frameMold(b []byte, k *arbiter.Packet) bool {
	m, err := moldudp64.Parse(b)
	if err != nil {
		return false
	}
	k.Session = arbiter.SessionOf(m.Session[:])
	k.Seq = m.Seq
	k.TsSend = market.UndefTime
	k.Messages = m.Messages
	k.Count = uint32(m.Count)
	switch m.Kind {
	case moldudp64.Data:
		k.Kind = arbiter.Data
	case moldudp64.Heartbeat:
		k.Kind = arbiter.Heartbeat
	default:
		k.Kind = arbiter.End
	}
	return true
}

// frameIEX frames a segment of one of the protocols from lowest to highest.
func frameIEX(b []byte, k *arbiter.Packet, lowest, highest uint16) bool {
	s, err := iextp.Parse(b)
	if err != nil || s.Protocol < lowest || s.Protocol > highest {
		return false
	}
	k.Session = iexSession(&s)
	k.Seq = s.Seq
	k.TsSend = s.SendTime
	k.Messages = s.Messages
	k.Count = uint32(s.Count)
	k.Kind = arbiter.Data
	if s.Heartbeat() {
		k.Kind = arbiter.Heartbeat
	}
	return true
}

// OnBlock takes a block of whole messages from a file, whose first has number seq there. A file has
// no lines and nothing to arbitrate; each message is taken to be received when it was sent.
func (p *Pipeline) OnBlock(seq uint64, block []byte) {
	p.itchBlock(block, run{seq: seq, tsRecv: market.UndefTime})
}

// OnTick does what is due because time passed: requests and deadlines in their order, each at its own
// time, so that it makes no difference whether many ticks come or one late one.
func (p *Pipeline) OnTick(now market.Nanos) {
	if p.requester != nil {
		p.requestUntil(now)
	}
	if p.arb != nil {
		for due := p.arb.Deadline(); due != market.UndefTime && due <= now; {
			p.sink.OnTime(due)
			p.arb.OnTick(due)
			if p.requester != nil {
				p.request(due)
				p.requestUntil(now)
			}
			next := p.arb.Deadline()
			if next == due {
				break // other ranges of the same time are given up with it
			}
			due = next
		}
		p.arb.OnTick(now)
	}
	p.sink.OnTime(now)
}

// Flush publishes or gives up what is still held. It is for the end of the input.
func (p *Pipeline) Flush() {
	if p.arb != nil {
		p.arb.Flush()
	}
}

// Define tells the pipeline of an instrument. Feeds that describe their instruments do so
// themselves.
func (p *Pipeline) Define(in market.Instrument) {
	p.directory.define(in)
	if p.orders != nil {
		p.orders.Define(in)
	}
}

// Books returns the channel's books.
func (p *Pipeline) Books() Books { return p.books }

// TopChanged reports whether the update that is being published changed its instrument's best bid or
// offer. It is for the Sink, during OnEvents: reading a BBO costs more than all else that a sink does
// with most updates, which leave it as it is. An event of several updates is told of part by part.
func (p *Pipeline) TopChanged() bool { return p.change.BBO() }

// Counts returns what became of every message. It is a copy.
func (p *Pipeline) Counts() Counts { return p.counts }

// Ledger returns the arbiter's account of every packet. ok is false where messages
// come from a file.
func (p *Pipeline) Ledger() (l arbiter.Ledger, ok bool) {
	if p.arb == nil {
		return l, false
	}
	return p.arb.Ledger(), true
}

// Config returns what the pipeline was made with.
func (p *Pipeline) Config() Config { return p.cfg }

// Symbol returns an instrument's symbol, "" where it is not known.
func (p *Pipeline) Symbol(id market.InstrumentID) string {
	if i, ok := p.directory.byID[id]; ok {
		return p.directory.all[i].Symbol
	}
	if p.symbols != nil {
		return p.symbols.Symbol(id)
	}
	return ""
}

// Instruments returns every instrument that the feed has named, in order of appearance.
func (p *Pipeline) Instruments() []market.Instrument {
	if p.symbols == nil {
		return append([]market.Instrument(nil), p.directory.all...)
	}
	all := make([]market.Instrument, 0, p.symbols.Len())
	for id := market.InstrumentID(1); int(id) <= p.symbols.Len(); id++ {
		in := market.Instrument{ID: id, Publisher: p.cfg.Publisher.ID, Symbol: p.symbols.Symbol(id)}
		if i, ok := p.directory.byID[id]; ok {
			in = p.directory.all[i]
		}
		all = append(all, in)
	}
	return all
}

// Balanced returns an error unless every packet and every message is accounted for: received =
// published + dropped by reason, and every published message was decoded with one verdict.
func (p *Pipeline) Balanced() error {
	errs := []error{p.counts.Balanced()}
	if p.arb != nil {
		l := p.arb.Ledger()
		errs = append(errs, l.Balanced())
		var published uint64
		for i := range l.Lines {
			published += l.Lines[i].Published.Messages
		}
		if published != p.counts.Messages {
			errs = append(errs, fmt.Errorf("%d messages were published by the arbiter, but %d decoded",
				published, p.counts.Messages))
		}
	}
	if p.requester != nil {
		l := p.requester.Ledger()
		errs = append(errs, l.Balanced())
	}
	return errors.Join(errs...)
}

// fresh is the pipeline as its arbiter sees it.
type fresh Pipeline

// OnMessages takes messages in order. See arbiter.Handler.
func (f *fresh) OnMessages(k *arbiter.Packet, skip uint32) {
	p := (*Pipeline)(f)
	r := run{seq: k.Seq + uint64(skip), tsRecv: k.TsRecv}
	if k.TsSend.Defined() {
		r.tsDelta = clampDelta(k.TsRecv - k.TsSend)
	}
	block := k.Messages
	if skip > 0 {
		block = p.cfg.Feed.skip(block, skip)
	}
	if p.rebuild != nil {
		p.keep(k, skip, block)
	}
	p.block(block, r)
}

// OnGap marks what follows a gap, and passes the gap on.
func (f *fresh) OnGap(g arbiter.Gap) {
	f.suspect = true
	if f.pitch != nil {
		f.pitch.ForgetTime() // a Time message may be among what is lost
	}
	f.sink.OnGap(g)
}

// OnEpoch empties every book, in band.
func (f *fresh) OnEpoch(e arbiter.Epoch) {
	p := (*Pipeline)(f)
	// Books that begin in the middle of an epoch lack what rests from before, until they are made anew. Each
	// quote of TOPS is whole: a book that has been quoted is right, and one that has not is empty.
	p.suspect = e.From > 1 && p.cfg.Feed != TOPS
	if p.rebuild != nil && e.Reason != arbiter.Started {
		p.rebuilds.Epochs++
		p.CancelRebuild()
	}
	if p.pitch != nil {
		p.pitch.ForgetTime()
	}
	p.sink.OnEpoch(e)
	p.clearBooks(e.TsRecv, e.TsRecv, e.From)
	if p.cfg.WithholdJoined {
		p.withhold = e.From > 1
	}
}

// OnEnd notes the end of a session. It changes no book: what rests in them at the end of the day is
// what the venue left there.
func (f *fresh) OnEnd(_ arbiter.Session, _ uint64) { f.counts.SessionsEnded++ }

// clearBooks publishes a Clear for every instrument with a book. It is rare, so it may look at
// every instrument.
func (p *Pipeline) clearBooks(tsEvent, tsRecv market.Nanos, seq uint64) {
	for id := range p.instrumentsMax() {
		id := market.InstrumentID(id)
		if p.books.BBO(id) == book.EmptyBBO {
			continue
		}
		u := market.Update{Event: market.Event{
			TsEvent: tsEvent, TsRecv: tsRecv, Seq: seq, Price: market.UndefPrice, Instrument: id,
			Publisher: p.cfg.Publisher.ID, Action: market.Clear, Side: market.NoSide, Flags: market.FlagLast,
		}}
		var r book.Result
		if p.orders != nil {
			r = p.orders.Apply(&u)
		} else {
			r = p.levels.Apply(&u)
		}
		p.counts.Clears++
		p.publish(&u, r.Change)
	}
}

// instrumentsMax returns one more than the highest instrument id that may have a book.
func (p *Pipeline) instrumentsMax() int {
	if p.symbols != nil {
		return p.symbols.Len() + 1
	}
	return math.MaxUint16 + 1 // stock locate codes
}

func clampDelta(d market.Nanos) int32 {
	return int32(max(min(d, math.MaxInt32), math.MinInt32))
}
