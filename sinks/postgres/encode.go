package postgres

import (
	"encoding/binary"
	"math"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// Rows are encoded once, as the server wants them: a stream of binary COPY is
//
//	"PGCOPY\n\xff\r\n\0"  flags u32  extension u32  row ...  -1 i16
//
// and a row is the number of its fields, i16, and for each field its length, i32, or -1 for null, and its
// bytes. Everything is big-endian. (PostgreSQL documentation, COPY, binary format.)
const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

// epoch2000 is where the server's times begin.
const epoch2000 market.Nanos = 946_684_800 * market.Second

// row appends the fields of one row.
type row struct{ b []byte }

func (r *row) begin(t *table) {
	r.b = binary.BigEndian.AppendUint16(r.b, uint16(len(t.columns)))
}

func (r *row) i8(v int64) {
	r.b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(r.b, 8), uint64(v))
}

func (r *row) i4(v int32) {
	r.b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(r.b, 4), uint32(v))
}

func (r *row) i2(v int16) {
	r.b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(r.b, 2), uint16(v))
}

func (r *row) char(c byte) { r.b = append(binary.BigEndian.AppendUint32(r.b, 1), c) }

func (r *row) null() { r.b = binary.BigEndian.AppendUint32(r.b, math.MaxUint32) }

func (r *row) bytes(v []byte) {
	r.b = append(binary.BigEndian.AppendUint32(r.b, uint32(len(v))), v...)
}

// text appends what the server takes for UTF-8: other bytes become '?'. Symbols are ASCII.
func (r *row) text(v string) {
	r.b = binary.BigEndian.AppendUint32(r.b, uint32(len(v)))
	for _, c := range []byte(v) {
		if c == 0 || c >= 0x80 {
			c = '?'
		}
		r.b = append(r.b, c)
	}
}

// price appends null for a price that is none.
func (r *row) price(p market.Price) {
	if !p.Defined() {
		r.null()
		return
	}
	r.i8(int64(p))
}

// nanos appends null for a time that is none.
func (r *row) nanos(t market.Nanos) {
	if !t.Defined() {
		r.null()
		return
	}
	r.i8(int64(t))
}

// ts appends a time in whole microseconds.
func (r *row) ts(t market.Nanos) {
	micros, _ := splitMicros(t)
	r.i8(micros)
}

// splitMicros returns a time as the server has it, in microseconds since 2000, and the nanoseconds beyond.
func splitMicros(t market.Nanos) (micros int64, beyond int16) {
	t -= epoch2000
	micros = int64(t / market.Microsecond)
	if beyond = int16(t % market.Microsecond); beyond < 0 {
		micros, beyond = micros-1, beyond+int16(market.Microsecond)
	}
	return micros, beyond
}

// An item is an entry on its way into a row.
type item struct {
	*journal.Entry
	epoch   uint64
	journal int16 // number in the database
}

func (r *row) tail(it *item) {
	_, beyond := splitMicros(it.At)
	r.i2(it.journal)
	r.i2(beyond)
}

func (r *row) trade(it *item, m *dbn.Trade) {
	r.begin(trades)
	r.ts(it.At)
	r.nanos(m.TsEvent)
	r.i8(int64(it.Index))
	r.i8(int64(m.InstrumentID))
	r.i8(int64(m.Sequence))
	r.price(m.Price)
	r.i8(int64(m.Size))
	r.i4(m.TsInDelta)
	r.i4(int32(it.epoch))
	r.i4(int32(m.PublisherID))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.i2(int16(m.Flags))
	r.char(byte(m.Side))
}

// A quote is what the records about best bids and offers have in common.
type quote struct {
	dbn.Header
	sequence           int64 // -1: none
	price              market.Price
	size               uint32
	tsInDelta          int32
	interval           bool // the quote of an interval, which has no action and no delta
	consolidated       bool
	flags              market.Flags
	action             market.Action
	side               market.Side
	level              dbn.Level // without counts where consolidated
	bidVenue, askVenue market.PublisherID
}

func changed(m *dbn.MBP1) quote {
	return quote{
		Header: m.Header, sequence: int64(m.Sequence), price: m.Price, size: m.Size, tsInDelta: m.TsInDelta,
		flags: m.Flags, action: m.Action, side: m.Side, level: m.Level,
	}
}

func sampled(m *dbn.BBO) quote {
	return quote{
		Header: m.Header, sequence: int64(m.Sequence), price: m.Price, size: m.Size, interval: true,
		flags: m.Flags, side: m.Side, level: m.Level,
	}
}

func consolidated(m *dbn.CMBP1) quote {
	q := quote{
		Header: m.Header, sequence: -1, price: m.Price, size: m.Size, tsInDelta: m.TsInDelta,
		flags: m.Flags, action: m.Action, side: m.Side,
	}
	q.setLevel(&m.Level)
	return q
}

func consolidatedSampled(m *dbn.CBBO) quote {
	q := quote{Header: m.Header, sequence: -1, price: m.Price, size: m.Size, interval: true, flags: m.Flags, side: m.Side}
	q.setLevel(&m.Level)
	return q
}

func (q *quote) setLevel(l *dbn.ConsolidatedLevel) {
	q.consolidated = true
	q.level = dbn.Level{BidPrice: l.BidPrice, AskPrice: l.AskPrice, BidSize: l.BidSize, AskSize: l.AskSize}
	q.bidVenue, q.askVenue = l.BidPublisher, l.AskPublisher
}

func (r *row) quote(it *item, q *quote) {
	r.begin(quotes)
	r.ts(it.At)
	r.nanos(q.TsEvent)
	r.i8(int64(it.Index))
	r.i8(int64(q.InstrumentID))
	if q.sequence < 0 {
		r.null()
	} else {
		r.i8(q.sequence)
	}
	r.price(q.level.BidPrice)
	r.price(q.level.AskPrice)
	r.i8(int64(q.level.BidSize))
	r.i8(int64(q.level.AskSize))
	if q.consolidated {
		r.null()
		r.null()
	} else {
		r.i8(int64(q.level.BidCount))
		r.i8(int64(q.level.AskCount))
	}
	r.price(q.price)
	r.i8(int64(q.size))
	if q.interval {
		r.null()
	} else {
		r.i4(q.tsInDelta)
	}
	r.i4(int32(it.epoch))
	r.i4(int32(q.PublisherID))
	r.i4(int32(it.Feed))
	if q.consolidated {
		r.i4(int32(q.bidVenue))
		r.i4(int32(q.askVenue))
	} else {
		r.null()
		r.null()
	}
	r.tail(it)
	r.i2(int16(q.flags))
	r.i2(int16(q.RType))
	if q.interval {
		r.null()
	} else {
		r.char(byte(q.action))
	}
	r.char(byte(q.side))
}

func (r *row) order(it *item, m *dbn.MBO) {
	r.begin(orders)
	r.ts(it.At)
	r.nanos(m.TsEvent)
	r.i8(int64(it.Index))
	r.i8(int64(m.InstrumentID))
	r.i8(int64(m.Sequence))
	r.i8(int64(m.OrderID))
	r.price(m.Price)
	r.i8(int64(m.Size))
	r.i4(m.TsInDelta)
	r.i4(int32(it.epoch))
	r.i4(int32(m.PublisherID))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.i2(int16(m.Flags))
	r.i2(int16(m.ChannelID))
	r.char(byte(m.Action))
	r.char(byte(m.Side))
}

func (r *row) record(it *item, rec dbn.Record) {
	r.begin(records)
	r.ts(it.At)
	r.nanos(rec.TsEvent)
	r.i8(int64(it.Index))
	r.i8(int64(rec.InstrumentID))
	r.i4(int32(it.epoch))
	r.i4(int32(rec.PublisherID))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.i2(int16(rec.RType))
	r.bytes(rec.Raw())
}

var barSeconds = map[dbn.RType]int32{
	dbn.RTypeOHLCV1s: 1, dbn.RTypeOHLCV1m: 60, dbn.RTypeOHLCV1h: 3600, dbn.RTypeOHLCV1d: 86_400, dbn.RTypeOHLCVEOD: 0,
}

func (r *row) bar(it *item, m *dbn.OHLCV) {
	r.begin(bars)
	r.ts(m.TsEvent)
	r.nanos(m.TsEvent)
	r.i8(int64(it.Index))
	r.i8(int64(m.InstrumentID))
	r.price(m.Open)
	r.price(m.High)
	r.price(m.Low)
	r.price(m.Close)
	r.i8(int64(m.Volume))
	r.i4(barSeconds[m.RType])
	r.i4(int32(it.epoch))
	r.i4(int32(m.PublisherID))
	r.i4(int32(it.Feed))
	_, beyond := splitMicros(m.TsEvent)
	r.i2(it.journal)
	r.i2(beyond)
}

func (r *row) definition(it *item, m *dbn.Definition, rec dbn.Record) {
	r.begin(instruments)
	r.ts(it.At)
	r.nanos(m.TsEvent)
	r.i8(int64(it.Index))
	r.i8(int64(m.InstrumentID))
	r.price(m.MinPriceIncrement)
	r.price(m.StrikePrice)
	r.nanos(m.Expiration)
	if m.MinLotSizeRoundLot == math.MaxInt32 {
		r.null()
	} else {
		r.i4(m.MinLotSizeRoundLot)
	}
	r.i4(int32(it.epoch))
	r.i4(int32(m.PublisherID))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.char(m.SecurityUpdateAction)
	r.char(m.InstrumentClass)
	r.text(m.RawSymbol)
	r.text(m.Exchange)
	r.text(m.SecurityType)
	r.text(m.Currency)
	r.bytes(rec.Raw())
}

func (r *row) channelGap(it *item, g *entry.Gap) {
	r.begin(channelGaps)
	r.ts(it.At)
	r.i8(int64(it.Index))
	r.i8(int64(g.From))
	r.i8(int64(g.To))
	r.nanos(g.Seen)
	r.i4(int32(it.epoch))
	r.i4(int32(it.Feed))
	r.i4(int32(g.Channel))
	r.i8(int64(g.Epoch))
	r.tail(it)
	r.text(g.Reason)
}

func (r *row) providerSwitch(it *item, s *entry.Switch) {
	r.begin(switches)
	r.ts(it.At)
	r.i8(int64(it.Index))
	r.nanos(s.By)
	r.i4(int32(it.epoch))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.text(s.From)
	r.text(s.To)
	r.text(s.Reason)
}

func (r *row) feed(it *item, f *entry.Feed) {
	r.begin(feeds)
	r.ts(it.At)
	r.i8(int64(it.Index))
	r.i4(int32(it.epoch))
	r.i4(int32(it.Feed))
	r.i4(int32(f.Publisher))
	r.tail(it)
	r.text(f.Name)
}

func (r *row) symbol(it *item, m *dbn.SymbolMapping) {
	r.begin(symbols)
	r.ts(it.At)
	r.i8(int64(it.Index))
	r.i8(int64(m.InstrumentID))
	r.i4(int32(it.epoch))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.text(m.SymbolOut)
}

func (r *row) unreadable(it *item, why error) {
	r.begin(unread)
	r.ts(it.At)
	r.i8(int64(it.Index))
	r.i4(int32(it.epoch))
	r.i4(int32(it.Feed))
	r.tail(it)
	r.i2(int16(it.Kind))
	r.text(why.Error())
	r.bytes(it.Payload)
}
