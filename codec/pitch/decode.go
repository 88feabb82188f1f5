package pitch

import "tidegate/market"

// A Decoder turns the messages of one unit into the words of package market. It keeps the unit's current
// second, and belongs to the loop that owns its symbol table.
type Decoder struct {
	midnight  market.Nanos
	second    market.Nanos // that the unit's times count from; UndefTime where it is not known
	publisher market.PublisherID
	symbols   *market.SymbolTable
}

// NewDecoder returns a decoder that signs updates with publisher and numbers symbols through symbols, in
// order of appearance. Several decoders of one loop may share a table; the table's Len tells after a
// call whether a symbol was new. Midnight is the start of the trading day in New York, which Time
// messages count from.
func NewDecoder(publisher market.PublisherID, symbols *market.SymbolTable, midnight market.Nanos) *Decoder {
	return &Decoder{midnight: midnight, second: market.UndefTime, publisher: publisher, symbols: symbols}
}

// ForgetTime makes the decoder forget the unit's second. It is for a loss of messages, with which a
// Time message may have gone, and for a unit that begins again.
func (d *Decoder) ForgetTime() { d.second = market.UndefTime }

// Decode decodes one message about orders and trades, or about time, into u. b must be the whole
// message as sequnit.Next returns it, and nothing else; nothing of it is kept.
//
// The message's time is its offset from the second of the unit's last Time message. As long as
// there was none, which is so for less than a second after a start or a loss, it is taken to be the last
// moment with that offset at or before tsRecv, when the message was received: right if the message
// was under way for less than a second and the clocks agree.
//
// Decode sets every field of u except Seq, TsRecv, TsInDelta and Channel, which are the caller's, and
// PrevPrice and PrevSize, which are the book's. By message:
//
//	AddOrder              Add      all fields
//	OrderExecuted         Execute  Price is UndefPrice: the execution is at the order's own price
//	OrderExecutedAtPrice  Execute  Price is that of the execution; see also Remaining
//	ReduceSize            Cancel   Size is what is removed
//	ModifyOrder           Replace  OrderID and PrevOrderID are the same: the order goes to the end of its
//	                               queue; Modify, without a side, if it keeps its place
//	DeleteOrder           Delete
//	Trade                 Trade    NoSide: not all venues tell the side
//	UnitClear             Clear    of all instruments: Instrument is 0
//
// Of these only AddOrder and Trade name a symbol. All others about an order have Instrument 0 and NoSide:
// instrument and side are those of the order. What a message leaves open otherwise is NoSide, UndefPrice
// or 0. Flags are always FlagLast.
//
// It returns Applied when u is filled; u is undefined otherwise. Time is Ignored, which means that there
// is nothing to publish, and so is TradeBreak, because nothing that is published takes an execution
// back. Cold is for the other types of the protocol, which are for DecodeCold and are not looked into.
// Faults are Short (also for an empty message) and UnknownType; BadTime for an offset of a second or more,
// or a second that is not of the day; BadPrice; BadField for a side that is neither Buy nor Sell; and
// BookFull if the symbol table has no number left for a new symbol.
//
// Decode does not allocate, except where a new symbol makes the symbol table grow.
func (d *Decoder) Decode(b []byte, tsRecv market.Nanos, u *market.Update) market.Verdict {
	if len(b) == 0 {
		return market.Short
	}
	switch want := LengthMin(b[0]); {
	case want == 0:
		return market.UnknownType
	case len(b) < want:
		return market.Short
	}
	switch b[0] {
	case TypeTime:
		return d.time(b)
	case TypeTradingStatus, TypeAuctionUpdate, TypeAuctionSummary, TypeRetailPriceImprovement,
		TypeSymbolMapping, TypeEndOfSession:
		return market.Cold
	}
	ts, ok := d.timeOf(b, tsRecv)
	if !ok {
		return market.BadTime
	}
	*u = market.Update{Event: market.Event{
		TsEvent: ts, Price: market.UndefPrice, Publisher: d.publisher, Side: market.NoSide, Flags: market.FlagLast,
		Seq: u.Seq, TsRecv: u.TsRecv, TsInDelta: u.TsInDelta, Channel: u.Channel,
	}, PrevPrice: u.PrevPrice, PrevSize: u.PrevSize}
	switch b[0] {
	case TypeUnitClear:
		u.Action = market.Clear
		return market.Applied
	case TypeTradeBreak:
		return market.Ignored
	}
	u.OrderID = le.Uint64(b[5:])
	switch b[0] {
	case TypeAddOrderShort:
		u.Action, u.Size = market.Add, market.Size(le.Uint16(b[14:]))
		u.Price = market.Price(le.Uint16(b[22:])) * shortUnit
		return d.sided(u, b[13], symbol6(b[16:]))
	case TypeAddOrderLong, TypeAddOrderExpanded:
		u.Action, u.Size = market.Add, market.Size(le.Uint32(b[14:]))
		return d.long(u, b)
	case TypeOrderExecuted:
		u.Action, u.Size, u.Match = market.Execute, market.Size(le.Uint32(b[13:])), le.Uint64(b[17:])
		return market.Applied
	case TypeOrderExecutedAtPrice:
		u.Action, u.Size, u.Match = market.Execute, market.Size(le.Uint32(b[13:])), le.Uint64(b[21:])
		return price(u, b[29:])
	case TypeReduceSizeShort:
		u.Action, u.Size = market.Cancel, market.Size(le.Uint16(b[13:]))
		return market.Applied
	case TypeReduceSizeLong:
		u.Action, u.Size = market.Cancel, market.Size(le.Uint32(b[13:]))
		return market.Applied
	case TypeModifyOrderShort:
		modify(u, at(b, 17))
		u.Size, u.Price = market.Size(le.Uint16(b[13:])), market.Price(le.Uint16(b[15:]))*shortUnit
		return market.Applied
	case TypeModifyOrderLong:
		modify(u, at(b, 25))
		u.Size = market.Size(le.Uint32(b[13:]))
		return price(u, b[17:])
	case TypeDeleteOrder:
		u.Action = market.Delete
		return market.Applied
	default:
		return d.trade(u, b)
	}
}

// Remaining returns what the order of an OrderExecutedAtPrice shows from now on. It is for messages
// that Decode found to be good. If it is not what the order showed before less what was executed, the
// order keeps its price and goes to the end of its queue; if it is 0 the order goes, however much it
// showed. ok is false for a message of another type.
func Remaining(b []byte) (_ market.Size, ok bool) {
	if check(b, TypeOrderExecutedAtPrice) != nil {
		return 0, false
	}
	return market.Size(le.Uint32(b[17:])), true
}

// time takes in a Time message.
func (d *Decoder) time(b []byte) market.Verdict {
	since := market.Nanos(le.Uint32(b[1:])) * market.Second
	if since >= market.Day {
		return market.BadTime
	}
	d.second = d.midnight + since
	return market.Ignored
}

// timeOf returns the time of a message that has an offset; ok is false if that is no part of a second.
func (d *Decoder) timeOf(b []byte, tsRecv market.Nanos) (_ market.Nanos, ok bool) {
	offset := market.Nanos(le.Uint32(b[1:]))
	if offset >= market.Second {
		return market.UndefTime, false
	}
	switch {
	case d.second.Defined():
		return d.second + offset, true
	case tsRecv < offset: // not received at any time that is known
		return d.midnight + offset, true
	default:
		return tsRecv - (tsRecv-offset)%market.Second, true
	}
}

// long completes an AddOrder in its long or expanded form.
func (d *Decoder) long(u *market.Update, b []byte) market.Verdict {
	symbol, rest := longSymbol(b, TypeAddOrderExpanded)
	if v := price(u, rest); v != market.Applied {
		return v
	}
	return d.sided(u, b[13], symbol)
}

// trade completes a Trade, whichever its form.
func (d *Decoder) trade(u *market.Update, b []byte) market.Verdict {
	u.Action = market.Trade
	var symbol Symbol
	if b[0] == TypeTradeShort {
		symbol = symbol6(b[16:])
		u.Size, u.Price = market.Size(le.Uint16(b[14:])), market.Price(le.Uint16(b[22:]))*shortUnit
		u.Match = le.Uint64(b[24:])
	} else {
		var rest []byte
		symbol, rest = longSymbol(b, TypeTradeExpanded)
		if v := price(u, rest); v != market.Applied {
			return v
		}
		u.Size, u.Match = market.Size(le.Uint32(b[14:])), le.Uint64(rest[8:])
	}
	if v := d.sided(u, b[13], symbol); v != market.Applied {
		return v
	}
	u.Side = market.NoSide
	return market.Applied
}

// longSymbol returns the symbol of a message in its long or expanded form, and the bytes after it.
func longSymbol(b []byte, expanded byte) (s Symbol, rest []byte) {
	if b[0] == expanded {
		return Symbol(b[18:]), b[26:]
	}
	return symbol6(b[18:]), b[24:]
}

// sided sets side and instrument. It comes after every other check of a message, so that a faulty one
// takes no number for its symbol.
func (d *Decoder) sided(u *market.Update, side byte, symbol Symbol) market.Verdict {
	switch side {
	case Buy:
		u.Side = market.Bid
	case Sell:
		u.Side = market.Ask
	default:
		return market.BadField
	}
	u.Instrument, _ = d.symbols.ID(symbol)
	if u.Instrument == 0 {
		return market.BookFull
	}
	return market.Applied
}

// price sets the price from the long price at the start of b.
func price(u *market.Update, b []byte) market.Verdict {
	var ok bool
	if u.Price, ok = Price(le.Uint64(b)).Price(); !ok {
		return market.BadPrice
	}
	return market.Applied
}

// modify says what becomes of an order's place.
func modify(u *market.Update, flags uint8) {
	if flags&FlagKeepPriority != 0 {
		u.Action = market.Modify
		return
	}
	u.Action, u.PrevOrderID = market.Replace, u.OrderID
}
