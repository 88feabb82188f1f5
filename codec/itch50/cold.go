package itch50

import (
	"math"
	"strings"

	"tidegate/market"
)

// StatIPOPrice is the kind of the statistic that an IPOQuotingPeriod becomes: DBN's first
// venue-specific price.
const StatIPOPrice market.StatKind = 10002

// tickSize is what StockDirectory does not say: the price step of US stocks from one dollar on.
// Below one dollar, prices may have four decimals.
const tickSize = market.PriceScale / 100

// DecodeCold decodes one message that is not about orders and trades, appends what it says to f and
// returns Cold. b must be the whole message and nothing else; nothing of it is kept.
//
// TsEvent, Publisher and Instrument are set in everything that is appended. TsRecv and the sequence
// number of a Statistic are the caller's and stay 0. By type:
//
//	R  Definition  of class 'K'; SecType is the issue classification followed by the issue sub-type;
//	               Exchange is empty for a market category that names no market we know
//	H  Status      halt, pause, quoting or trading, with a reason where DBN has one for it
//	Y  Status      short sale change
//	h  Status      halt or trading, for an operational reason; Ignored if it is about another of the
//	               markets Q, B and X than the Publisher's
//	W  Status      halt, of instrument 0: the whole market
//	S  Status      of instrument 0
//	V  Statistic   three, of instrument 0: levels 1 to 3 of the circuit breaker
//	J  Statistic   three: reference, upper and lower auction collar
//	K  Statistic   StatIPOPrice; TsRef is when quoting begins; both undefined if it was canceled
//	I  Imbalance   "near" is ContClearPrice, "far" is AuctClearPrice, and a price of 0 is UndefPrice
//
// It returns Ignored for L, N and O, for which market has no words, and for the types that are for
// Decode. Faults are Short (also for an empty message), Long and UnknownType; BadTime; BadPrice for a
// level of V that Price cannot hold; and BadField for a code that the specification does not have,
// and for shares of I that do not fit in 32 bits. With Ignored and with faults f is as it was.
func (d *Decoder) DecodeCold(b []byte, f *market.Facts) market.Verdict {
	if v := fits(b); v != market.Applied {
		return v
	}
	if timestamp(b) >= dayNanos {
		return market.BadTime
	}
	// The length is right for the type, so that no Parse below can fail.
	switch b[0] {
	case TypeSystemEvent:
		var m SystemEvent
		_ = m.Parse(b)
		return d.systemEvent(&m, f)
	case TypeStockDirectory:
		var m StockDirectory
		_ = m.Parse(b)
		return d.stockDirectory(&m, f)
	case TypeTradingAction:
		var m TradingAction
		_ = m.Parse(b)
		return d.tradingAction(&m, f)
	case TypeRegSHORestriction:
		var m RegSHORestriction
		_ = m.Parse(b)
		return d.regSHORestriction(&m, f)
	case TypeMWCBDecline:
		var m MWCBDecline
		_ = m.Parse(b)
		return d.mwcbDecline(&m, f)
	case TypeMWCBStatus:
		var m MWCBStatus
		_ = m.Parse(b)
		return d.mwcbStatus(&m, f)
	case TypeIPOQuotingPeriod:
		var m IPOQuotingPeriod
		_ = m.Parse(b)
		return d.ipoQuotingPeriod(&m, f)
	case TypeLULDAuctionCollar:
		var m LULDAuctionCollar
		_ = m.Parse(b)
		return d.luldAuctionCollar(&m, f)
	case TypeOperationalHalt:
		var m OperationalHalt
		_ = m.Parse(b)
		return d.operationalHalt(&m, f)
	case TypeNOII:
		var m NOII
		_ = m.Parse(b)
		return d.noii(&m, f)
	default:
		return market.Ignored
	}
}

func (d *Decoder) stockDirectory(m *StockDirectory, f *market.Facts) market.Verdict {
	issue := []byte{m.IssueClassification, m.IssueSubType[0], m.IssueSubType[1]}
	f.Definitions = append(f.Definitions, market.Definition{
		TsEvent: d.time(&m.Header),
		Instrument: market.Instrument{
			ID:        market.InstrumentID(m.Locate),
			Publisher: d.Publisher,
			Symbol:    m.Stock.String(),
			TickSize:  tickSize,
			RoundLot:  m.RoundLotSize,
		},
		Class:    'K',
		Exchange: exchange(m.MarketCategory),
		SecType:  strings.TrimRight(string(issue), " "),
	})
	return market.Cold
}

// exchange returns the market identifier code of a market category, or nothing: categories were
// added now and then, and a security is worth knowing wherever it is listed.
func exchange(category byte) string {
	switch category {
	case 'Q', 'G', 'S':
		return "XNAS"
	case 'N':
		return "XNYS"
	case 'A':
		return "XASE"
	case 'P':
		return "ARCX"
	case 'Z':
		return "BATS"
	case 'V':
		return "IEXG"
	default:
		return ""
	}
}

func (d *Decoder) mwcbDecline(m *MWCBDecline, f *market.Facts) market.Verdict {
	level1, ok1 := m.Level1.Price()
	level2, ok2 := m.Level2.Price()
	level3, ok3 := m.Level3.Price()
	if !ok1 || !ok2 || !ok3 {
		return market.BadPrice
	}
	f.Statistics = append(f.Statistics,
		d.statistic(&m.Header, 0, market.StatBreakerLevel1, level1),
		d.statistic(&m.Header, 0, market.StatBreakerLevel2, level2),
		d.statistic(&m.Header, 0, market.StatBreakerLevel3, level3))
	return market.Cold
}

func (d *Decoder) luldAuctionCollar(m *LULDAuctionCollar, f *market.Facts) market.Verdict {
	f.Statistics = append(f.Statistics,
		d.statistic(&m.Header, m.Locate, market.StatCollarReference, m.Reference.Price()),
		d.statistic(&m.Header, m.Locate, market.StatCollarUpper, m.Upper.Price()),
		d.statistic(&m.Header, m.Locate, market.StatCollarLower, m.Lower.Price()))
	return market.Cold
}

func (d *Decoder) ipoQuotingPeriod(m *IPOQuotingPeriod, f *market.Facts) market.Verdict {
	s := d.statistic(&m.Header, m.Locate, StatIPOPrice, market.UndefPrice)
	switch m.Qualifier {
	case 'A':
		release := market.Nanos(m.ReleaseTime) * market.Second
		if release >= market.Day {
			return market.BadTime
		}
		s.TsRef = d.Midnight + release
		s.Price = m.Price.Price()
	case 'C':
	default:
		return market.BadField
	}
	f.Statistics = append(f.Statistics, s)
	return market.Cold
}

func (d *Decoder) noii(m *NOII, f *market.Facts) market.Verdict {
	if m.Paired > math.MaxUint32 || m.Imbalance > math.MaxUint32 {
		return market.BadField
	}
	side := market.NoSide
	switch m.Direction {
	case 'B':
		side = market.Bid
	case 'S':
		side = market.Ask
	case 'N', 'O', 'P':
	default:
		return market.BadField
	}
	f.Imbalances = append(f.Imbalances, market.Imbalance{
		TsEvent:        d.time(&m.Header),
		AuctionTime:    market.UndefTime,
		RefPrice:       orUndef(m.Reference),
		ContClearPrice: orUndef(m.Near),
		AuctClearPrice: orUndef(m.Far),
		MatchPrice:     market.UndefPrice,
		UpperCollar:    market.UndefPrice,
		LowerCollar:    market.UndefPrice,
		Paired:         uint32(m.Paired),
		Imbalance:      uint32(m.Imbalance),
		Instrument:     market.InstrumentID(m.Locate),
		Publisher:      d.Publisher,
		AuctionType:    m.CrossType,
		Side:           side,
		Variation:      m.Variation,
	})
	return market.Cold
}

// orUndef reads a price that is 0 where there is none.
func orUndef(p Price4) market.Price {
	if p == 0 {
		return market.UndefPrice
	}
	return p.Price()
}

// time returns the time of a message. Its timestamp was found to lie within the day.
func (d *Decoder) time(h *Header) market.Nanos {
	return d.Midnight + market.Nanos(h.Timestamp)
}

func (d *Decoder) statistic(h *Header, locate uint16, kind market.StatKind, p market.Price) market.Statistic {
	return market.Statistic{
		TsEvent:    d.time(h),
		TsRef:      market.UndefTime,
		Price:      p,
		Quantity:   math.MaxInt64,
		Instrument: market.InstrumentID(locate),
		Publisher:  d.Publisher,
		Kind:       kind,
	}
}
