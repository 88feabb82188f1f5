package orders

import (
	"tidegate/book/match"
	"tidegate/codec/itch50"
	"tidegate/market"
)

// What others see of the market is told by ITCH 5.0 messages. They are a function of reports: which
// ones there are, how many, and their numbers. So a restart makes the same ones again.

// A move is a message that a report makes.
type move struct {
	typ       byte // of itch50
	ref       uint64
	size      market.Size
	price     market.Price
	printable bool
}

// itchUnit is the smallest price step of ITCH 5.0, itchPriceMax the highest price.
const (
	itchUnit     market.Price = 100_000
	itchPriceMax market.Price = (1<<32 - 1) * itchUnit
)

// Public reports whether the orders of an instrument can be told: ITCH 5.0 has prices in steps of 0.0001, and
// numbers of instruments up to 65,535.
func (in *Instrument) Public() bool { return in.TickSize%itchUnit == 0 && in.ID <= 1<<16-1 }

// told reports whether an order of a price can be told.
func told(p market.Price) bool { return p > 0 && p <= itchPriceMax }

// moves returns the messages of a report.
func (r *Report) moves(in *Instrument) (m [2]move, n int) {
	ev := &r.Event
	if r.Kind != FromEngine || r.Copy || !in.Public() {
		return m, 0
	}
	add := func(x move) {
		m[n] = x
		n++
	}
	ref, before := ev.Ref, ev.PrevRef
	if !told(ev.Price) {
		ref = 0
	}
	if !told(r.PrevPrice) {
		before = 0
	}
	switch ev.Kind {
	case match.Defined:
		add(move{typ: itch50.TypeStockDirectory})
	case match.StateChanged:
		add(move{typ: itch50.TypeTradingAction})
	case match.Booked:
		if ref != 0 {
			add(move{typ: itch50.TypeAddOrder, ref: ref, size: ev.Displayed, price: ev.Price})
		}
	case match.Executed:
		switch {
		case ev.Ref != 0 && told(r.PrevPrice):
			x := move{typ: itch50.TypeOrderExecuted, ref: ev.Ref, size: ev.Size, price: ev.Price, printable: true}
			if ev.Price != r.PrevPrice || r.Printed {
				x.typ, x.printable = itch50.TypeOrderExecutedWithPrice, !r.Printed
			}
			add(x)
		case ev.Liquidity == match.Crossed && ev.Side == market.Ask && !r.Printed && told(ev.Price):
			add(move{typ: itch50.TypeTrade, size: ev.Size, price: ev.Price})
		}
	case match.Canceled:
		if ev.Ref != 0 && told(r.PrevPrice) && ev.Displayed < r.PrevDisplayed { // what is hidden goes first
			add(less(ev.Ref, r.PrevDisplayed, ev.Displayed))
		}
	case match.Replaced, match.Restated:
		switch {
		case ev.Ref == ev.PrevRef:
			if before != 0 && ev.Displayed < r.PrevDisplayed {
				add(less(before, r.PrevDisplayed, ev.Displayed))
			}
		default:
			if before != 0 {
				add(move{typ: itch50.TypeOrderDelete, ref: before})
			}
			if ref != 0 {
				add(move{typ: itch50.TypeAddOrder, ref: ref, size: ev.Displayed, price: ev.Price})
			}
		}
	}
	return m, n
}

// less is a part that shows less, or nothing any more.
func less(ref uint64, before, left market.Size) move {
	if left == 0 {
		return move{typ: itch50.TypeOrderDelete, ref: ref}
	}
	return move{typ: itch50.TypeOrderCancel, ref: ref, size: before - left}
}

// MessageCount returns how many ITCH messages tell of the report.
func (r *Report) MessageCount(in *Instrument) int {
	_, n := r.moves(in)
	return n
}

// AppendMessage appends the k-th ITCH message that tells of the report, from 0. Its number is r.Message + k;
// midnight is any one of the venue's: times in ITCH messages count from the last.
func (r *Report) AppendMessage(b []byte, k int, in *Instrument, midnight market.Nanos) []byte {
	m, _ := r.moves(in)
	x, ev := &m[k], &r.Event
	head := itch50.Header{Locate: uint16(in.ID), Timestamp: uint64((ev.Time-midnight)%market.Day+market.Day) % uint64(market.Day)}
	side := itch50.Buy
	if ev.Side == market.Ask {
		side = itch50.Sell
	}
	price := itch50.Price4(x.price / itchUnit)
	executed := itch50.OrderExecuted{Header: head, OrderRef: x.ref, Shares: uint32(x.size), Match: ev.Match}
	switch x.typ {
	case itch50.TypeStockDirectory:
		d := itch50.StockDirectory{
			Header: head, Stock: symbolOf(in.Symbol), MarketCategory: ' ', FinancialStatus: ' ',
			RoundLotSize: uint32(in.LotSize), RoundLotsOnly: 'Y', IssueClassification: 'C', IssueSubType: [2]byte{'Z', ' '},
			Authenticity: 'P', ShortSaleThreshold: ' ', IPO: ' ', LULDReferencePriceTier: ' ', ETP: ' ', Inverse: 'N',
		}
		return d.Append(b)
	case itch50.TypeTradingAction:
		states := [...]byte{match.Closed: 'P', match.PreOpen: 'Q', match.Open: 'T', match.Halted: 'H'}
		a := itch50.TradingAction{Header: head, Stock: symbolOf(in.Symbol), State: states[ev.State], Reserved: ' ', Reason: itch50.Reason{' ', ' ', ' ', ' '}}
		return a.Append(b)
	case itch50.TypeAddOrder:
		a := itch50.AddOrder{Header: head, OrderRef: x.ref, Side: side, Shares: uint32(x.size), Stock: symbolOf(in.Symbol), Price: price}
		return a.Append(b)
	case itch50.TypeOrderExecuted:
		return executed.Append(b)
	case itch50.TypeOrderExecutedWithPrice:
		c := itch50.OrderExecutedWithPrice{OrderExecuted: executed, Printable: 'N', Price: price}
		if x.printable {
			c.Printable = 'Y'
		}
		return c.Append(b)
	case itch50.TypeOrderCancel:
		c := itch50.OrderCancel{Header: head, OrderRef: x.ref, Shares: uint32(x.size)}
		return c.Append(b)
	case itch50.TypeOrderDelete:
		d := itch50.OrderDelete{Header: head, OrderRef: x.ref}
		return d.Append(b)
	default:
		t := itch50.Trade{Header: head, Side: itch50.Buy, Shares: uint32(x.size), Stock: symbolOf(in.Symbol), Price: price, Match: ev.Match}
		return t.Append(b)
	}
}

func symbolOf(s string) (b itch50.Symbol) {
	copy(b[:], s+"        ")
	return b
}
