package iex

import "tidegate/market"

// Tops decodes messages of TOPS 1.5 and 1.6. It belongs to the loop that owns its symbol table.
type Tops struct{ decoder }

// NewTops returns a decoder that signs updates with publisher and numbers symbols through symbols;
// see NewDeep.
func NewTops(publisher market.PublisherID, symbols *market.SymbolTable) *Tops {
	return &Tops{decoder{publisher, symbols}}
}

// Decode decodes a message that concerns the book or is a trade, and says how many updates it made:
//
//   - A quote update ('Q') becomes two Levels, first the bid, then the ask. Their flags are FlagTOB
//     and FlagMBP, and on the second FlagLast. FlagTOB on a Level means that its side now consists
//     of this one level. Size 0 means that the side is empty; Price is then UndefPrice.
//   - A trade report ('T') becomes one Trade, and a trade break ('B') is Ignored, as in Deep.Decode.
//
// n is 0 unless the verdict is Applied, and u is undefined from n on. Verdicts, fields that are set,
// ownership and allocation are those of Deep.Decode.
func (t *Tops) Decode(b []byte, u *[2]market.Update) (n int, v market.Verdict) {
	if len(b) == 0 {
		return 0, market.Short
	}
	switch b[0] {
	case typeQuote:
		return t.quote(b, u)
	case typeTrade:
		if v := t.trade(b, &u[0]); v != market.Applied {
			return 0, v
		}
		return 1, market.Applied
	case typeTradeBreak:
		return 0, t.tradeBreak(b)
	case typeSystemEvent, typeDirectory, typeTradingStatus, typeRetailLiquidity, typeOperationalHalt,
		typeShortSale, typeOfficialPrice, typeAuction:
		return 0, market.Cold
	default:
		return 0, market.UnknownType
	}
}

func (t *Tops) quote(b []byte, u *[2]market.Update) (n int, v market.Verdict) {
	if len(b) < quoteLen {
		return 0, market.Short
	}
	bid, bidOK := priceAt(b, 22)
	ask, askOK := priceAt(b, 30)
	if !bidOK || !askOK {
		return 0, market.BadPrice
	}
	s, v := t.subject(b)
	if v != market.Applied {
		return 0, v
	}
	t.side(&u[0], s, market.Bid, bid, sizeAt(b, 18))
	t.side(&u[1], s, market.Ask, ask, sizeAt(b, 38))
	u[1].Flags |= market.FlagLast
	return 2, market.Applied
}

// side fills the update for one side of a quote.
func (t *Tops) side(u *market.Update, s subject, side market.Side, p market.Price, size market.Size) {
	t.begin(u, s)
	u.Action = market.Level
	u.Side = side
	u.Price = p
	u.Size = size
	u.Flags = market.FlagTOB | market.FlagMBP
	if size == 0 {
		u.Price = market.UndefPrice // the venue sends price 0 for an empty side
	}
}
