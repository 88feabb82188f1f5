package venue

import (
	"fmt"

	"tidegate/codec/itch50"
	"tidegate/codec/pitch"
	"tidegate/market"
)

// pitchTape is what the exchange would publish if it were one of Cboe's: it takes the ITCH messages of
// each step and says the same in PITCH.
//
//   - Orders have numbers of their own, and a replaced order keeps its number: it is modified. One of four
//     reductions is a modification too, one that keeps the order's place.
//   - The day begins with a Unit Clear and ends with an End of Session. Time messages come as needed.
//   - The executions of a cross are reported one by one, at its price; what traded with interest that was
//     never displayed is one more trade, and an auction summary says what the cross came to.
//   - There is no directory: the trading status is the first that is heard of a symbol.
type pitchTape struct {
	symbols []pitch.Symbol // by stock locate code, less 1
	orders  map[uint64]*pitchOrder
	crossed map[uint64]market.Size // executed of displayed orders, by match number of the cross
	lastID  uint64
	lastEx  uint64
	second  uint64 // of the last Time message, less 1 before the first
	block   []byte // backs messages
	ends    []int  // of each message in block
	out     [][]byte
	counts  [256]uint64
	trades  [256]Tally // by message type
	traded  []Tally    // by stock locate code, less 1
	states  []byte     // of trading, by stock locate code, less 1; 0 while nothing was said
	ranked  uint64     // rank of the last order that got one
}

// pitchOrder is a live order.
type pitchOrder struct {
	id     uint64
	rank   uint64 // of orders at one price the lowest is executed first
	locate uint16
	side   byte
	price  pitch.Price
	size   uint32
}

// Numbers look like those of the real venue: base 36, with letters in front.
const (
	pitchIDs        = 245_620_911_467_925_504
	pitchExecutions = 146_932_807_680
	noSecond        = ^uint64(0)
)

func newPitchTape(listings []Listing) (*pitchTape, error) {
	t := &pitchTape{
		orders: make(map[uint64]*pitchOrder), crossed: make(map[uint64]market.Size),
		lastID: pitchIDs, lastEx: pitchExecutions, second: noSecond, traded: make([]Tally, len(listings)),
		states: make([]byte, len(listings)),
	}
	for i, l := range listings {
		symbol, err := pitch.ParseSymbol(l.Symbol)
		if err != nil {
			return nil, fmt.Errorf("listing %d: %w", i, err)
		}
		t.symbols = append(t.symbols, symbol)
	}
	return t, nil
}

// rewrite returns the PITCH messages that say what ITCH messages say, or none. They are valid until the
// next call.
func (t *pitchTape) rewrite(messages [][]byte) [][]byte {
	t.block, t.ends, t.out = t.block[:0], t.ends[:0], t.out[:0]
	for _, m := range messages {
		if err := t.say(m); err != nil {
			panic(fmt.Sprintf("venue: pitch: message % x: %v", m, err)) // the exchange wrote it
		}
	}
	from := 0
	for _, end := range t.ends {
		t.out = append(t.out, t.block[from:end:end])
		from = end
	}
	return t.out
}

// say writes what one ITCH message says.
func (t *pitchTape) say(b []byte) error {
	switch b[0] {
	case itch50.TypeSystemEvent:
		return parsed(b, new(itch50.SystemEvent), t.systemEvent)
	case itch50.TypeTradingAction:
		return parsed(b, new(itch50.TradingAction), t.tradingAction)
	case itch50.TypeAddOrder:
		return parsed(b, new(itch50.AddOrder), func(m *itch50.AddOrder) { t.add(m, itch50.MPID{' ', ' ', ' ', ' '}) })
	case itch50.TypeAddOrderMPID:
		return parsed(b, new(itch50.AddOrderMPID), func(m *itch50.AddOrderMPID) { t.add(&m.AddOrder, m.Attribution) })
	case itch50.TypeOrderExecuted:
		return parsed(b, new(itch50.OrderExecuted), t.executed)
	case itch50.TypeOrderExecutedWithPrice:
		return parsed(b, new(itch50.OrderExecutedWithPrice), t.executedAt)
	case itch50.TypeOrderCancel:
		return parsed(b, new(itch50.OrderCancel), t.reduced)
	case itch50.TypeOrderDelete:
		return parsed(b, new(itch50.OrderDelete), t.deleted)
	case itch50.TypeOrderReplace:
		return parsed(b, new(itch50.OrderReplace), t.replaced)
	case itch50.TypeTrade:
		return parsed(b, new(itch50.Trade), t.hidden)
	case itch50.TypeCrossTrade:
		return parsed(b, new(itch50.CrossTrade), t.cross)
	case itch50.TypeNOII:
		return parsed(b, new(itch50.NOII), t.imbalance)
	default:
		return nil // directory, circuit breaker levels: PITCH does not say
	}
}

// parsed parses b into m and passes it on.
func parsed[M interface{ Parse([]byte) error }](b []byte, m M, then func(M)) error {
	if err := m.Parse(b); err != nil {
		return err
	}
	then(m)
	return nil
}

func (t *pitchTape) write(m message) {
	from := len(t.block)
	t.block = m.Append(t.block)
	t.ends = append(t.ends, len(t.block))
	t.counts[t.block[from]]++
}

// header begins a message, with the second before it if that is a new one.
func (t *pitchTape) header(h itch50.Header) pitch.Header {
	second := h.Timestamp / uint64(market.Second)
	if second != t.second {
		t.second = second
		t.write(&pitch.Time{Seconds: uint32(second)})
	}
	return pitch.Header{Offset: uint32(h.Timestamp % uint64(market.Second))}
}

func (t *pitchTape) symbol(locate uint16) pitch.Symbol { return t.symbols[locate-1] }

// execution numbers a trade and tallies it under the type of the message written last.
func (t *pitchTape) execution() uint64 {
	t.lastEx++
	return t.lastEx
}

func (t *pitchTape) tally(locate uint16, size uint32) {
	kind := t.block[t.lastStart()]
	t.trades[kind].add(market.Size(size))
	t.traded[locate-1].add(market.Size(size))
}

func (t *pitchTape) lastStart() int {
	if n := len(t.ends); n > 1 {
		return t.ends[n-2]
	}
	return 0
}

func (t *pitchTape) systemEvent(m *itch50.SystemEvent) {
	switch m.Event {
	case eventStartOfMessages:
		t.write(&pitch.UnitClear{Header: t.header(m.Header)})
	case eventEndOfMessages:
		t.write(&pitch.EndOfSession{Header: t.header(m.Header)})
	}
}

func (t *pitchTape) tradingAction(m *itch50.TradingAction) {
	t.states[m.Locate-1] = m.State
	t.write(&pitch.TradingStatus{
		Header: t.header(m.Header), Symbol: t.symbol(m.Locate), Status: m.State, ShortSale: '0',
		Reserved: [2]byte{' ', ' '},
	})
}

func (t *pitchTape) add(m *itch50.AddOrder, participant itch50.MPID) {
	h := t.header(m.Header)
	t.lastID++
	t.ranked++
	t.orders[m.OrderRef] = &pitchOrder{t.lastID, t.ranked, m.Locate, m.Side, pitch.Price(m.Price), m.Shares}
	t.write(&pitch.AddOrder{
		Header: h, OrderID: t.lastID, Side: m.Side, Quantity: m.Shares, Symbol: t.symbol(m.Locate),
		Price: pitch.Price(m.Price), Flags: 1, Participant: participant, Customer: ' ',
	})
}

// take takes size off an order and forgets it when nothing is left.
func (t *pitchTape) take(ref uint64, size uint32) *pitchOrder {
	o := t.orders[ref]
	if o.size -= size; o.size == 0 {
		delete(t.orders, ref)
	}
	return o
}

func (t *pitchTape) executed(m *itch50.OrderExecuted) {
	h := t.header(m.Header)
	o := t.take(m.OrderRef, m.Shares)
	t.write(&pitch.OrderExecuted{Header: h, OrderID: o.id, Executed: m.Shares, Execution: t.execution()})
	t.tally(m.Locate, m.Shares)
}

func (t *pitchTape) executedAt(m *itch50.OrderExecutedWithPrice) {
	h := t.header(m.Header)
	o := t.take(m.OrderRef, m.Shares)
	t.write(&pitch.OrderExecutedAtPrice{
		Header: h, OrderID: o.id, Executed: m.Shares, Remaining: o.size, Execution: t.execution(),
		Price: pitch.Price(m.Price),
	})
	t.tally(m.Locate, m.Shares)
	if m.Printable == 'N' {
		t.crossed[m.Match] += market.Size(m.Shares)
	}
}

func (t *pitchTape) reduced(m *itch50.OrderCancel) {
	h := t.header(m.Header)
	o := t.take(m.OrderRef, m.Shares)
	if o.id%4 == 0 && o.size > 0 {
		t.write(&pitch.ModifyOrder{
			Header: h, OrderID: o.id, Quantity: o.size, Price: o.price, Flags: 1 | pitch.FlagKeepPriority,
		})
		return
	}
	t.write(&pitch.ReduceSize{Header: h, OrderID: o.id, Canceled: m.Shares})
}

func (t *pitchTape) deleted(m *itch50.OrderDelete) {
	h := t.header(m.Header)
	t.write(&pitch.DeleteOrder{Header: h, OrderID: t.orders[m.OrderRef].id})
	delete(t.orders, m.OrderRef)
}

func (t *pitchTape) replaced(m *itch50.OrderReplace) {
	h := t.header(m.Header)
	o := t.orders[m.OrderRef]
	delete(t.orders, m.OrderRef)
	t.ranked++
	o.rank, o.price, o.size = t.ranked, pitch.Price(m.Price), m.Shares
	t.orders[m.NewOrderRef] = o
	t.write(&pitch.ModifyOrder{Header: h, OrderID: o.id, Quantity: o.size, Price: o.price, Flags: 1})
}

func (t *pitchTape) hidden(m *itch50.Trade) {
	t.trade(m.Header, m.Shares, pitch.Price(m.Price))
}

// trade writes a trade of orders that were never displayed.
func (t *pitchTape) trade(from itch50.Header, shares uint32, price pitch.Price) {
	h := t.header(from)
	t.lastID++
	t.write(&pitch.Trade{
		Header: h, OrderID: t.lastID, Side: pitch.Buy, Quantity: shares, Symbol: t.symbol(from.Locate),
		Price: price, Execution: t.execution(),
	})
	t.tally(from.Locate, shares)
}

func (t *pitchTape) cross(m *itch50.CrossTrade) {
	if m.Shares == 0 {
		return
	}
	displayed := t.crossed[m.Match]
	delete(t.crossed, m.Match)
	if rest := m.Shares - uint64(displayed); rest > 0 {
		t.trade(m.Header, uint32(rest), pitch.Price(m.Price))
	}
	t.write(&pitch.AuctionSummary{
		Header: t.header(m.Header), Symbol: t.symbol(m.Locate), Auction: m.CrossType,
		Price: pitch.Price(m.Price), Shares: uint32(m.Shares),
	})
}

func (t *pitchTape) imbalance(m *itch50.NOII) {
	update := pitch.AuctionUpdate{
		Header: t.header(m.Header), Symbol: t.symbol(m.Locate), Auction: m.CrossType,
		Reference: pitch.Price(m.Reference), Buy: uint32(m.Paired), Sell: uint32(m.Paired),
		Indicative: pitch.Price(m.Near), AuctionOnly: pitch.Price(m.Far),
	}
	if m.Direction == itch50.Buy {
		update.Buy += uint32(m.Imbalance)
	} else {
		update.Sell += uint32(m.Imbalance)
	}
	t.write(&update)
}

// truth replaces what a Truth says of ITCH by what is true of PITCH.
func (t *pitchTape) truth(truth *Truth) {
	truth.Messages = 0
	clear(truth.ByType)
	clear(truth.Trades)
	for kind, count := range t.counts {
		truth.Messages += count
		name := fmt.Sprintf("%#02x", kind)
		if count > 0 {
			truth.ByType[name] = count
		}
		if tally := t.trades[kind]; tally.Count > 0 {
			truth.Trades[name] = tally
		}
	}
	for i := range truth.Books {
		truth.Books[i].Trades = t.traded[i]
	}
}
