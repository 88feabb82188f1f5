package venue

import (
	"tidegate/codec/itch50"
	"tidegate/market"
)

// A tape writes what happens as ITCH 5.0 messages, counts them, and tallies the trades that they
// report. It holds the messages of one step.
type tape struct {
	midnight market.Nanos
	now      market.Nanos
	block    []byte   // backs messages
	messages [][]byte // of the step
	counts   [256]uint64
	trades   [256]Tally // by message type
}

// clear forgets the step before.
func (t *tape) clear() { t.block, t.messages = t.block[:0], t.messages[:0] }

// A message is one of the codec's.
type message interface{ Append([]byte) []byte }

func (t *tape) write(m message) {
	from := len(t.block)
	t.block = m.Append(t.block)
	written := t.block[from:len(t.block):len(t.block)]
	t.messages = append(t.messages, written)
	t.counts[written[0]]++
}

// trade tallies a reported trade of a message type.
func (t *tape) trade(in *instrument, kind byte, size market.Size) {
	in.trades.add(size)
	t.trades[kind].add(size)
}

// header begins a message about an instrument, or about none (nil).
func (t *tape) header(in *instrument) itch50.Header {
	h := itch50.Header{Timestamp: uint64(t.now - t.midnight)}
	if in != nil {
		h.Locate = in.locate
	}
	return h
}

func (t *tape) systemEvent(event byte) {
	t.write(&itch50.SystemEvent{Header: t.header(nil), Event: event})
}

func (t *tape) breakerLevels(level1, level2, level3 market.Price) {
	t.write(&itch50.MWCBDecline{
		Header: t.header(nil),
		Level1: itch50.Price8(level1 / 10), Level2: itch50.Price8(level2 / 10), Level3: itch50.Price8(level3 / 10),
	})
}

func (t *tape) directory(in *instrument) {
	t.write(&itch50.StockDirectory{
		Header:                 t.header(in),
		Stock:                  in.symbol,
		MarketCategory:         'Q',
		FinancialStatus:        'N',
		RoundLotSize:           roundLot,
		RoundLotsOnly:          'N',
		IssueClassification:    'C',
		IssueSubType:           [2]byte{'Z', ' '},
		Authenticity:           'T',
		ShortSaleThreshold:     'N',
		IPO:                    'N',
		LULDReferencePriceTier: '1',
		ETP:                    'N',
		Inverse:                'N',
	})
}

// tradingAction publishes the instrument's present state. A reason has at most four letters.
func (t *tape) tradingAction(in *instrument, reason string) {
	m := itch50.TradingAction{
		Header: t.header(in), Stock: in.symbol, State: in.state, Reserved: ' ',
		Reason: itch50.Reason{' ', ' ', ' ', ' '},
	}
	copy(m.Reason[:], reason)
	t.write(&m)
}

func (t *tape) shortSale(in *instrument) {
	t.write(&itch50.RegSHORestriction{Header: t.header(in), Stock: in.symbol, Action: '0'})
}

// add publishes a new order, and its participant if that is not empty.
func (t *tape) add(in *instrument, o Order, participant string) {
	m := itch50.AddOrder{
		Header: t.header(in), OrderRef: o.Ref, Side: sideCode(o.Side),
		Shares: uint32(o.Size), Stock: in.symbol, Price: price4(o.Price),
	}
	if participant == "" {
		t.write(&m)
		return
	}
	t.write(&itch50.AddOrderMPID{AddOrder: m, Attribution: itch50.MPID([]byte(participant))})
}

func (t *tape) deleted(in *instrument, ref uint64) {
	t.write(&itch50.OrderDelete{Header: t.header(in), OrderRef: ref})
}

func (t *tape) cancelled(in *instrument, ref uint64, by market.Size) {
	t.write(&itch50.OrderCancel{Header: t.header(in), OrderRef: ref, Shares: uint32(by)})
}

func (t *tape) replaced(in *instrument, old uint64, o Order) {
	t.write(&itch50.OrderReplace{
		Header: t.header(in), OrderRef: old, NewOrderRef: o.Ref, Shares: uint32(o.Size), Price: price4(o.Price),
	})
}

// executed publishes an execution at the order's own price.
func (t *tape) executed(in *instrument, f fill, match uint64) {
	t.trade(in, itch50.TypeOrderExecuted, f.given)
	m := t.execution(in, f, match)
	t.write(&m)
}

// executedAt publishes an execution with its price. One that is not printable is part of a cross,
// which reports it.
func (t *tape) executedAt(in *instrument, f fill, price market.Price, match uint64, printable bool) {
	m := itch50.OrderExecutedWithPrice{
		OrderExecuted: t.execution(in, f, match), Printable: 'N', Price: price4(price),
	}
	if printable {
		m.Printable = 'Y'
		t.trade(in, itch50.TypeOrderExecutedWithPrice, f.given)
	}
	t.write(&m)
}

func (t *tape) execution(in *instrument, f fill, match uint64) itch50.OrderExecuted {
	return itch50.OrderExecuted{Header: t.header(in), OrderRef: f.Ref, Shares: uint32(f.given), Match: match}
}

// hidden publishes a trade of orders that were never displayed.
func (t *tape) hidden(in *instrument, price market.Price, size market.Size, match uint64) {
	t.trade(in, itch50.TypeTrade, size)
	t.write(&itch50.Trade{
		Header: t.header(in), Side: itch50.Buy, Shares: uint32(size), Stock: in.symbol,
		Price: price4(price), Match: match,
	})
}

// cross publishes the bulk print of an auction; size is 0 if nothing matched.
func (t *tape) cross(in *instrument, price market.Price, size market.Size, match uint64, kind byte) {
	if size > 0 {
		t.trade(in, itch50.TypeCrossTrade, size)
	}
	t.write(&itch50.CrossTrade{
		Header: t.header(in), Shares: uint64(size), Stock: in.symbol,
		Price: price4(price), Match: match, CrossType: kind,
	})
}

// imbalance publishes the state of a coming cross, at one and the same price everywhere.
func (t *tape) imbalance(in *instrument, paired, excess market.Size, side market.Side, price market.Price, kind byte) {
	p := price4(price)
	t.write(&itch50.NOII{
		Header: t.header(in), Paired: uint64(paired), Imbalance: uint64(excess), Direction: sideCode(side),
		Stock: in.symbol, Far: p, Near: p, Reference: p, CrossType: kind, Variation: 'L',
	})
}

func sideCode(side market.Side) byte {
	if side == market.Bid {
		return itch50.Buy
	}
	return itch50.Sell
}

func price4(p market.Price) itch50.Price4 { return itch50.Price4(p / priceUnit) }
