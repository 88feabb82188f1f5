package pitch

import "tidegate/market"

// Values of DBN's StatusReason that PITCH has a counterpart for.
const (
	reasonNone        = 0
	reasonScheduled   = 1
	reasonOperational = 60
)

// DecodeCold decodes a message for which Decode said Cold, and appends what it says to f. b must be the
// whole message and nothing else; nothing of it is kept. tsRecv is as in Decode.
//
// TsEvent, Publisher and Instrument are set in everything that is appended. TsRecv and the sequence
// number of a Statistic are the caller's and stay 0. By message:
//
//	TradingStatus   Status     pre-open (orders are queued, not shown), halt, quoting, suspension by this
//	                           venue alone, or trading; the short sale restraint comes with it
//	EndOfSession    Status     not available, of instrument 0
//	AuctionUpdate   Imbalance  "indicative" is ContClearPrice, "auction only" is AuctClearPrice, a price
//	                           of 0 is UndefPrice; paired is the lesser side, the imbalance is the rest
//	AuctionSummary  Statistic  opening or closing price for those auctions, else uncrossing price, with
//	                           the shares
//
// It returns Cold when it appended something, and Ignored for RetailPriceImprovement and SymbolMapping,
// for which market has no words, and for the types that are for Decode. The faults are those of Decode,
// and BadField for a code that the specification does not have; f is then as it was.
func (d *Decoder) DecodeCold(b []byte, tsRecv market.Nanos, f *market.Facts) market.Verdict {
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
	case TypeTradingStatus, TypeEndOfSession, TypeAuctionUpdate, TypeAuctionSummary:
	default:
		return market.Ignored
	}
	ts, ok := d.timeOf(b, tsRecv)
	if !ok {
		return market.BadTime
	}
	// The length is right for the type, so that no Parse below can fail.
	switch b[0] {
	case TypeTradingStatus:
		var m TradingStatus
		_ = m.Parse(b)
		return d.tradingStatus(&m, ts, f)
	case TypeAuctionUpdate:
		var m AuctionUpdate
		_ = m.Parse(b)
		return d.auctionUpdate(&m, ts, f)
	case TypeAuctionSummary:
		var m AuctionSummary
		_ = m.Parse(b)
		return d.auctionSummary(&m, ts, f)
	default:
		f.Statuses = append(f.Statuses, market.Status{
			TsEvent: ts, Publisher: d.publisher, Action: market.StatusNotAvailable, Reason: reasonScheduled,
			Trading: market.No, Quoting: market.No, ShortSaleRestraint: market.Unknown,
		})
		return market.Cold
	}
}

func (d *Decoder) tradingStatus(m *TradingStatus, ts market.Nanos, f *market.Facts) market.Verdict {
	s := market.Status{TsEvent: ts, Publisher: d.publisher, Reason: reasonNone, Trading: market.No, Quoting: market.No}
	switch m.Status {
	case 'A':
		s.Action = market.StatusPreOpen
	case 'H':
		s.Action = market.StatusHalt
	case 'Q':
		s.Action, s.Quoting = market.StatusQuoting, market.Yes
	case 'S':
		s.Action, s.Reason = market.StatusSuspend, reasonOperational
	case 'T':
		s.Action, s.Trading, s.Quoting = market.StatusTrading, market.Yes, market.Yes
	default:
		return market.BadField
	}
	switch m.ShortSale {
	case '0':
		s.ShortSaleRestraint = market.No
	case '1':
		s.ShortSaleRestraint = market.Yes
	case ' ', 0: // not of an equity
		s.ShortSaleRestraint = market.Unknown
	default:
		return market.BadField
	}
	if s.Instrument, _ = d.symbols.ID(m.Symbol); s.Instrument == 0 {
		return market.BookFull
	}
	f.Statuses = append(f.Statuses, s)
	return market.Cold
}

func (d *Decoder) auctionUpdate(m *AuctionUpdate, ts market.Nanos, f *market.Facts) market.Verdict {
	if !auction(m.Auction) {
		return market.BadField
	}
	im := market.Imbalance{
		TsEvent: ts, AuctionTime: market.UndefTime, MatchPrice: market.UndefPrice,
		UpperCollar: market.UndefPrice, LowerCollar: market.UndefPrice,
		Paired: min(m.Buy, m.Sell), Imbalance: max(m.Buy, m.Sell) - min(m.Buy, m.Sell),
		Publisher: d.publisher, AuctionType: m.Auction, Side: market.NoSide, Variation: '~',
	}
	switch {
	case m.Buy > m.Sell:
		im.Side = market.Bid
	case m.Buy < m.Sell:
		im.Side = market.Ask
	}
	for _, field := range [...]struct {
		from Price
		to   *market.Price
	}{{m.Reference, &im.RefPrice}, {m.Indicative, &im.ContClearPrice}, {m.AuctionOnly, &im.AuctClearPrice}} {
		p, ok := field.from.Price()
		if !ok {
			return market.BadPrice
		}
		if p == 0 {
			p = market.UndefPrice // the venue's way to say none
		}
		*field.to = p
	}
	if im.Instrument, _ = d.symbols.ID(m.Symbol); im.Instrument == 0 {
		return market.BookFull
	}
	f.Imbalances = append(f.Imbalances, im)
	return market.Cold
}

func (d *Decoder) auctionSummary(m *AuctionSummary, ts market.Nanos, f *market.Facts) market.Verdict {
	s := market.Statistic{
		TsEvent: ts, TsRef: market.UndefTime, Quantity: int64(m.Shares), Publisher: d.publisher,
		Kind: market.StatUncrossingPrice,
	}
	switch m.Auction {
	case 'O':
		s.Kind = market.StatOpeningPrice
	case 'C':
		s.Kind = market.StatClosePrice
	default:
		if !auction(m.Auction) {
			return market.BadField
		}
	}
	var ok bool
	if s.Price, ok = m.Price.Price(); !ok {
		return market.BadPrice
	}
	if s.Instrument, _ = d.symbols.ID(m.Symbol); s.Instrument == 0 {
		return market.BookFull
	}
	f.Statistics = append(f.Statistics, s)
	return market.Cold
}

// auction reports whether the specification has an auction of this code.
func auction(code byte) bool {
	switch code {
	case 'O', 'C', 'H', 'I', 'M', 'P', 'G', 'V': // the last two in options
		return true
	default:
		return false
	}
}
