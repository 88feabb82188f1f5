//go:build linux

package live

import (
	"fmt"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/market"
)

const (
	symbols   = 64   // instruments, announced before message 0
	liveDepth = 4096 // orders that live at a time, and up to inARow more
	inARow    = 32   // adds, and then deletes
	dataset   = "XNAS.ITCH"
)

var moldSession = moldudp64.Session{'B', 'E', 'N', 'C', 'H', '0', '0', '0', '0', '1'}

// A load is the sequence of messages of a run: adds until liveDepth orders live, then inARow adds and
// the deletions of as many of the oldest orders in turn. Message i, and when it is planned for, follow
// from i alone, so whoever receives it can check all of it. Messages of one kind are equally long, and
// come in rows so that a sender may give the kernel many datagrams at once.
type load struct {
	Rate  float64 // messages per second; 0: as fast as they go, all planned for 0
	Batch int     // messages per datagram
}

// An order is what a message is about.
type order struct {
	ref    uint64
	shares uint32
	price  itch50.Price4
	locate uint16
	bid    bool
}

// orderOf returns the order that is the nth to be added.
func orderOf(n int) order {
	h := (uint64(n) + 1) * 0x9e3779b97f4a7c15
	o := order{
		ref: uint64(n) + 1, locate: uint16(1 + h>>58), shares: uint32(1 + h>>40&0x3ff), bid: h&(1<<39) != 0,
		price: itch50.Price4(1_000_000 + 100*(1+uint32(h>>32&0x1f))),
	}
	if o.bid {
		o.price = 2_000_000 - o.price
	}
	return o
}

// message returns what message i is: an order that comes or goes.
func message(i int) (o order, add bool) {
	if i < liveDepth {
		return orderOf(i), true
	}
	turn, place := (i-liveDepth)/(2*inARow), (i-liveDepth)%(2*inARow)
	if place < inARow {
		return orderOf(liveDepth + turn*inARow + place), true
	}
	return orderOf(turn*inARow + place - inARow), false
}

// planned returns when message i is to be sent, in nanoseconds after the start.
func (l *load) planned(i int) int64 {
	if l.Rate == 0 {
		return 0
	}
	return int64(float64(i-i%l.Batch) * float64(time.Second) / l.Rate)
}

// seqOf returns the sequence number of message i.
func seqOf(i int) uint64 { return uint64(i) + 1 + symbols }

// indexOf is the opposite of seqOf; it is negative for announcements.
func indexOf(seq uint64) int { return int(seq) - 1 - symbols }

// appendITCH appends message i.
func (l *load) appendITCH(b []byte, i int) []byte {
	o, add := message(i)
	header := itch50.Header{Locate: o.locate, Timestamp: uint64(l.planned(i))}
	if !add {
		m := itch50.OrderDelete{Header: header, OrderRef: o.ref}
		return m.Append(b)
	}
	m := itch50.AddOrder{Header: header, OrderRef: o.ref, Side: itch50.Sell, Shares: o.shares, Stock: stock(o.locate), Price: o.price}
	if o.bid {
		m.Side = itch50.Buy
	}
	return m.Append(b)
}

func stock(locate uint16) itch50.Symbol {
	return itch50.Symbol{'T', '0' + byte(locate/10), '0' + byte(locate%10), ' ', ' ', ' ', ' ', ' '}
}

// appendAnnouncement appends the message that introduces an instrument.
func appendAnnouncement(b []byte, locate uint16) []byte {
	m := itch50.StockDirectory{
		Header: itch50.Header{Locate: locate}, Stock: stock(locate), MarketCategory: 'Q', FinancialStatus: 'N',
		RoundLotSize: 100, RoundLotsOnly: 'N', IssueClassification: 'C', IssueSubType: [2]byte{'Z', ' '},
		Authenticity: 'P', ShortSaleThreshold: 'N', IPO: 'N', LULDReferencePriceTier: '1', ETP: 'N', Inverse: 'N',
	}
	return m.Append(b)
}

// appendMBO appends message i as the record that the gateway makes of it, but for the receive time.
func (l *load) appendMBO(b []byte, i int) []byte {
	o, add := message(i)
	m := dbn.MBO{
		Header:  dbn.Header{PublisherID: market.NasdaqITCH.ID, InstrumentID: market.InstrumentID(o.locate), TsEvent: market.Nanos(l.planned(i))},
		OrderID: o.ref, Price: o.price.Price(), Size: o.shares, ChannelID: 255, Action: action(add), Side: side(o.bid),
		Flags: market.FlagLast, Sequence: uint32(seqOf(i)),
	}
	return m.Append(b)
}

func action(add bool) market.Action {
	if add {
		return market.Add
	}
	return market.Cancel
}

func side(bid bool) market.Side {
	if bid {
		return market.Bid
	}
	return market.Ask
}

// checkMBO says in what a record differs from message i.
func (l *load) checkMBO(m *dbn.MBO, i int) error {
	o, add := message(i)
	if m.OrderID == o.ref && m.Price == o.price.Price() && m.Size == o.shares && m.Action == action(add) &&
		m.Side == side(o.bid) && m.InstrumentID == market.InstrumentID(o.locate) && m.TsEvent == market.Nanos(l.planned(i)) {
		return nil
	}
	return fmt.Errorf("message %d arrived as %+v, want order %+v, added %t, at %d", i, *m, o, add, l.planned(i))
}

// checkITCH says in what a message differs from message i. scratch is for the comparison.
func (l *load) checkITCH(msg []byte, i int, scratch []byte) error {
	if want := l.appendITCH(scratch[:0], i); string(want) != string(msg) {
		return fmt.Errorf("message %d arrived as %x, want %x", i, msg, want)
	}
	return nil
}
