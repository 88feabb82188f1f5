package iex

import "tidegate/market"

// eventComplete is the event flag of a price level update after which the book may be read.
const eventComplete = 0x1

// Deep decodes messages of DEEP 1.0. It belongs to the loop that owns its symbol table.
type Deep struct{ decoder }

// NewDeep returns a decoder that signs updates with publisher and numbers symbols through symbols,
// in order of appearance. Several decoders of one loop may share a table; the table's Len tells
// after a call whether a symbol was new.
func NewDeep(publisher market.PublisherID, symbols *market.SymbolTable) *Deep {
	return &Deep{decoder{publisher, symbols}}
}

// Decode decodes a message that concerns the book or is a trade:
//
//   - A price level update ('8', '5') becomes a Level: Size is the total at Price, and 0 removes the
//     level. Flags are FlagMBP, and FlagLast if the message ends its event: until then the book may
//     be crossed by its own making and must not be read.
//   - A trade report ('T') becomes a Trade. IEX does not tell the aggressor, so Side is NoSide.
//     Match is IEX's trade id. Flags are FlagLast: the message has no event flag, but it comes before
//     the price level updates of its event and not between them, so the book is whole when it comes.
//   - A trade break ('B') is Ignored: no book changes, and there is no event that takes a trade back.
//
// It returns Applied when u is filled, and u is undefined otherwise. Cold is for a message that is
// for DecodeCold, Ignored for a trade break. The faults are Short, UnknownType, BadPrice, BadTime
// (before 1970) and BookFull (no number left for a new symbol).
//
// Decode sets all fields of u but Seq, TsRecv, TsInDelta, Channel, PrevPrice and PrevSize. It keeps
// nothing of b and does not allocate, except where a new symbol makes the symbol table grow.
func (d *Deep) Decode(b []byte, u *market.Update) market.Verdict {
	if len(b) == 0 {
		return market.Short
	}
	switch b[0] {
	case typeLevelBuy:
		return d.level(b, market.Bid, u)
	case typeLevelSell:
		return d.level(b, market.Ask, u)
	case typeTrade:
		return d.trade(b, u)
	case typeTradeBreak:
		return d.tradeBreak(b)
	case typeSystemEvent, typeDirectory, typeTradingStatus, typeRetailLiquidity, typeOperationalHalt,
		typeShortSale, typeSecurityEvent, typeOfficialPrice, typeAuction:
		return market.Cold
	default:
		return market.UnknownType
	}
}

func (d *Deep) level(b []byte, side market.Side, u *market.Update) market.Verdict {
	if len(b) < levelLen {
		return market.Short
	}
	price, ok := priceAt(b, 22)
	if !ok {
		return market.BadPrice
	}
	s, v := d.subject(b)
	if v != market.Applied {
		return v
	}
	d.begin(u, s)
	u.Action = market.Level
	u.Side = side
	u.Price = price
	u.Size = sizeAt(b, 18)
	u.Flags = market.FlagMBP
	if b[1]&eventComplete != 0 {
		u.Flags |= market.FlagLast
	}
	return market.Applied
}
