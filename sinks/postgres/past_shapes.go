package postgres

import (
	"fmt"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
)

// A pastShape says how the rows of a table become payloads of entries again: the inverse of encode.go.
type pastShape struct {
	table    *table
	columns  string // beside those that every table has
	into     []any  // where they are scanned to
	where    string // which rows of the table they are; "" for all
	named    bool   // they are of instruments
	interval market.Nanos
	payload  func(b []byte, it *PastItem) []byte
}

// pastShapeOf returns the shape for a question. The error wraps ErrNotKept.
func pastShapeOf(q *PastQuery) (*pastShape, error) {
	switch q.Kind {
	case entry.KindGap:
		return pastOfGaps(), nil
	case entry.KindSwitch:
		return pastOfSwitches(), nil
	}
	rtype, ok := q.Schema.RType()
	if !ok {
		return nil, fmt.Errorf("%w: schema %s", ErrNotKept, q.Schema)
	}
	var s *pastShape
	switch t := tableOf(rtype); {
	case t == trades:
		s = pastOfTrades()
	case t == orders:
		s = pastOfOrders()
	case t == bars:
		s = pastOfBars(rtype)
	case t == quotes && rtype == dbn.RTypeMBP1:
		s = pastOfQuotes()
	case t == quotes && (rtype == dbn.RTypeBBO1s || rtype == dbn.RTypeBBO1m):
		s = pastOfSampled(rtype)
	case t == instruments || t == records:
		s = pastOfRecords(t, rtype)
	default:
		return nil, fmt.Errorf("%w: schema %s", ErrNotKept, q.Schema)
	}
	s.named = true
	return s, nil
}

// priceOf is the inverse of row.price, and nanosOf that of row.nanos.
func priceOf(v *int64) market.Price {
	if v == nil {
		return market.UndefPrice
	}
	return market.Price(*v)
}

func nanosOf(v *int64) market.Nanos {
	if v == nil {
		return market.UndefTime
	}
	return market.Nanos(*v)
}

// pastOf is what rows of records have in common.
type pastOf struct {
	event      *int64
	instrument int64
	publisher  int32
}

const pastColumns = "ts_event instrument publisher "

func (p *pastOf) into(more ...any) []any {
	return append([]any{&p.event, &p.instrument, &p.publisher}, more...)
}

func (p *pastOf) header(t dbn.RType, it *PastItem) dbn.Header {
	it.Instrument = market.InstrumentID(p.instrument)
	return dbn.Header{RType: t, PublisherID: market.PublisherID(p.publisher), InstrumentID: it.Instrument, TsEvent: nanosOf(p.event)}
}

// pastChange is what trades, quotes and orders have in common.
type pastChange struct {
	pastOf
	sequence, size int64
	price          *int64
	delta          int32
	flags          int16
	side           byte
}

const pastChangeColumns = pastColumns + "sequence price size ts_in_delta flags side "

func (p *pastChange) into(more ...any) []any {
	return append(p.pastOf.into(&p.sequence, &p.price, &p.size, &p.delta, &p.flags, &p.side), more...)
}

func (p *pastChange) change(t dbn.RType, action market.Action, it *PastItem) dbn.Change {
	return dbn.Change{
		Header: p.header(t, it), Price: priceOf(p.price), Size: uint32(p.size), Action: action, Side: market.Side(p.side),
		Flags: market.Flags(p.flags), TsRecv: it.At, TsInDelta: p.delta, Sequence: uint32(p.sequence),
	}
}

func pastOfTrades() *pastShape {
	p := &pastChange{}
	return &pastShape{table: trades, columns: pastChangeColumns[:len(pastChangeColumns)-1], into: p.into(), payload: func(b []byte, it *PastItem) []byte {
		m := dbn.Trade{Change: p.change(dbn.RTypeTrade, market.Trade, it)}
		return m.Append(b)
	}}
}

func pastOfOrders() *pastShape {
	p := &pastChange{}
	var id int64
	var channel int16
	var action byte
	return &pastShape{table: orders, columns: pastChangeColumns + "order_id channel action", into: p.into(&id, &channel, &action), payload: func(b []byte, it *PastItem) []byte {
		m := dbn.MBO{
			Header: p.header(dbn.RTypeMBO, it), OrderID: uint64(id), Price: priceOf(p.price), Size: uint32(p.size), Flags: market.Flags(p.flags),
			ChannelID: uint8(channel), Action: market.Action(action), Side: market.Side(p.side), TsRecv: it.At, TsInDelta: p.delta, Sequence: uint32(p.sequence),
		}
		return m.Append(b)
	}}
}

// pastLevel is the best level of a quote.
type pastLevel struct {
	bid, ask           *int64
	bidSize, askSize   int64
	bidCount, askCount int64
}

const pastLevelColumns = "bid_price ask_price bid_size ask_size bid_count ask_count"

func (p *pastLevel) into() []any {
	return []any{&p.bid, &p.ask, &p.bidSize, &p.askSize, &p.bidCount, &p.askCount}
}

func (p *pastLevel) level() dbn.Level {
	return dbn.Level{
		BidPrice: priceOf(p.bid), AskPrice: priceOf(p.ask), BidSize: uint32(p.bidSize), AskSize: uint32(p.askSize),
		BidCount: uint32(p.bidCount), AskCount: uint32(p.askCount),
	}
}

func pastOfQuotes() *pastShape {
	p, l := &pastChange{}, &pastLevel{}
	var action byte
	return &pastShape{
		table: quotes, columns: pastChangeColumns + "action " + pastLevelColumns, into: p.into(append([]any{&action}, l.into()...)...),
		where: fmt.Sprintf("t.rtype = %d", dbn.RTypeMBP1),
		payload: func(b []byte, it *PastItem) []byte {
			m := dbn.MBP1{Change: p.change(dbn.RTypeMBP1, market.Action(action), it), Level: l.level()}
			return m.Append(b)
		},
	}
}

// pastOfSampled is of the quotes of intervals. When an interval ended is not in the row: it is the last end before
// the receive time, because the gateway looks at least once in an interval.
func pastOfSampled(t dbn.RType) *pastShape {
	p, l := &pastOf{}, &pastLevel{}
	var price *int64
	var sequence, size int64
	var flags int16
	var side byte
	s := &pastShape{
		table: quotes, columns: pastColumns + "sequence price size flags side " + pastLevelColumns,
		into:  p.into(append([]any{&sequence, &price, &size, &flags, &side}, l.into()...)...),
		where: fmt.Sprintf("t.rtype = %d", t), interval: market.Second,
	}
	if t == dbn.RTypeBBO1m {
		s.interval = market.Minute
	}
	s.payload = func(b []byte, it *PastItem) []byte {
		m := dbn.BBO{
			Header: p.header(t, it), Price: priceOf(price), Size: uint32(size), Side: market.Side(side), Flags: market.Flags(flags),
			TsRecv: it.At - it.At%s.interval, Sequence: uint32(sequence), Level: l.level(),
		}
		return m.Append(b)
	}
	return s
}

func pastOfBars(t dbn.RType) *pastShape {
	p := &pastOf{}
	var open, high, low, last *int64
	var volume int64
	return &pastShape{
		table: bars, columns: pastColumns + "open high low close volume", into: p.into(&open, &high, &low, &last, &volume),
		where: fmt.Sprintf("t.seconds = %d", barSeconds[t]),
		payload: func(b []byte, it *PastItem) []byte {
			m := dbn.OHLCV{
				Header: p.header(t, it), Open: priceOf(open), High: priceOf(high), Low: priceOf(low), Close: priceOf(last), Volume: uint64(volume),
			}
			return m.Append(b)
		},
	}
}

// pastOfRecords is of records that are kept as they are.
func pastOfRecords(t *table, rtype dbn.RType) *pastShape {
	p := &pastOf{}
	var record []byte
	s := &pastShape{table: t, columns: pastColumns + "record", into: p.into(&record)}
	if t == records {
		s.where = fmt.Sprintf("t.rtype = %d", rtype)
	}
	s.payload = func(b []byte, it *PastItem) []byte {
		p.header(rtype, it)
		return append(b, record...)
	}
	return s
}

func pastOfGaps() *pastShape {
	var from, to, numbering int64
	var seen *int64
	var channel int32
	var reason string
	return &pastShape{
		table: channelGaps, columns: "from_seq to_seq seen channel numbering reason", into: []any{&from, &to, &seen, &channel, &numbering, &reason},
		payload: func(b []byte, _ *PastItem) []byte {
			g := entry.Gap{From: uint64(from), To: uint64(to), Seen: nanosOf(seen), Epoch: uint32(numbering), Channel: uint16(channel), Reason: reason}
			return g.Append(b)
		},
	}
}

func pastOfSwitches() *pastShape {
	var since *int64
	var was, became, reason string
	return &pastShape{
		table: switches, columns: "since was became reason", into: []any{&since, &was, &became, &reason},
		payload: func(b []byte, _ *PastItem) []byte {
			s := entry.Switch{By: nanosOf(since), From: was, To: became, Reason: reason}
			return s.Append(b)
		},
	}
}
