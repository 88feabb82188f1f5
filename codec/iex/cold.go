package iex

import (
	"encoding/binary"
	"math"
	"strings"

	"tidegate/market"
)

// Values of DBN's StatusReason that IEX's messages have a counterpart for.
const (
	reasonNone         = 0
	reasonNewIssue     = 15
	reasonNewsPending  = 30
	reasonNewsReleased = 31
	reasonOperational  = 60
	reasonMarketWide1  = 120
	reasonMarketWide2  = 121
	reasonMarketWide3  = 122
)

// flagETP is the security directory flag of an exchange traded product.
const flagETP = 0x20

// DecodeCold decodes a message for which Decode said Cold, and appends what it says to f:
//
//   - Security directory ('D'): a Definition. IEX sends it for the securities that it lists, so
//     Exchange is IEXG; SecType is "ETP" or empty.
//   - Trading status ('H'): a Status. The order acceptance period before an auction is a pre-cross.
//   - Operational halt ('O'): a Status with reason 60: a halt, or, where the message says that there
//     is none (any more), StatusNone, because the trading status message has the last word on
//     whether the security trades.
//   - Short sale price test ('P'): a Status, StatusShortSaleChange.
//   - Official price ('X'): a Statistic, the opening or the closing price.
//   - Auction information ('A'): an Imbalance. MatchPrice is the indicative clearing price and
//     AuctClearPrice that of the auction book alone; prices and time that are 0 are undefined. The
//     number of extensions and the collar's reference price have no place there.
//
// It returns Cold when it appended something. System events ('S'), security events ('E') and retail
// liquidity indicators ('I') are Ignored: no record has a place for them. The faults are those of
// Decode, and BadField for a status, side or price type that the protocol does not have; f is then
// as it was.
//
// TsRecv and Seq of what was appended are the caller's to set. Nothing of b is kept.
func (d *decoder) DecodeCold(b []byte, f *market.Facts) market.Verdict {
	if len(b) == 0 {
		return market.Short
	}
	switch b[0] {
	case typeDirectory:
		return d.directory(b, f)
	case typeTradingStatus:
		return d.tradingStatus(b, f)
	case typeOperationalHalt:
		return d.operationalHalt(b, f)
	case typeShortSale:
		return d.shortSale(b, f)
	case typeOfficialPrice:
		return d.officialPrice(b, f)
	case typeAuction:
		return d.auction(b, f)
	case typeSystemEvent:
		return ignored(b, systemEventLen)
	case typeSecurityEvent:
		return ignored(b, securityEventLen)
	case typeRetailLiquidity:
		return ignored(b, retailLiquidityLen)
	default:
		return market.UnknownType
	}
}

func ignored(b []byte, want int) market.Verdict {
	if len(b) < want {
		return market.Short
	}
	return market.Ignored
}

func (d *decoder) directory(b []byte, f *market.Facts) market.Verdict {
	if len(b) < directoryLen {
		return market.Short
	}
	s, v := d.subject(b)
	if v != market.Applied {
		return v
	}
	def := market.Definition{
		TsEvent: s.ts,
		Instrument: market.Instrument{
			ID:        s.instrument,
			Publisher: d.publisher,
			Symbol:    strings.TrimRight(string(b[10:18]), " "),
			RoundLot:  binary.LittleEndian.Uint32(b[18:]),
		},
		Class:    'K',
		Exchange: "IEXG",
	}
	if b[1]&flagETP != 0 {
		def.SecType = "ETP"
	}
	f.Definitions = append(f.Definitions, def)
	return market.Cold
}

func (d *decoder) tradingStatus(b []byte, f *market.Facts) market.Verdict {
	if len(b) < tradingStatusLen {
		return market.Short
	}
	st := market.Status{Reason: tradingReason(b[18:22]), ShortSaleRestraint: market.Unknown}
	switch b[1] {
	case 'T':
		st.Action, st.Trading, st.Quoting = market.StatusTrading, market.Yes, market.Yes
	case 'H':
		st.Action, st.Trading, st.Quoting = market.StatusHalt, market.No, market.No
	case 'P':
		st.Action, st.Trading, st.Quoting = market.StatusPause, market.No, market.Unknown
	case 'O':
		st.Action, st.Trading, st.Quoting = market.StatusPreCross, market.No, market.Unknown
	default:
		return market.BadField
	}
	return d.status(b, st, f)
}

// tradingReason translates the reason of a trading status message. Reasons that IEX does not give
// ("NA", blank) or that are new are reasonNone.
func tradingReason(b []byte) uint16 {
	switch string(b) {
	case "T1  ":
		return reasonNewsPending
	case "T2  ":
		return reasonNewsReleased
	case "IPO1", "IPO2", "IPO3", "IPOD": // not trading yet, accepting orders, before launch, deferred
		return reasonNewIssue
	case "MCB1":
		return reasonMarketWide1
	case "MCB2":
		return reasonMarketWide2
	case "MCB3":
		return reasonMarketWide3
	default:
		return reasonNone
	}
}

func (d *decoder) operationalHalt(b []byte, f *market.Facts) market.Verdict {
	if len(b) < operationalHaltLen {
		return market.Short
	}
	st := market.Status{
		Reason:  reasonOperational,
		Trading: market.Unknown, Quoting: market.Unknown, ShortSaleRestraint: market.Unknown,
	}
	switch b[1] {
	case 'O':
		st.Action, st.Trading, st.Quoting = market.StatusHalt, market.No, market.No
	case 'N':
		st.Action = market.StatusNone
	default:
		return market.BadField
	}
	return d.status(b, st, f)
}

func (d *decoder) shortSale(b []byte, f *market.Facts) market.Verdict {
	if len(b) < shortSaleLen {
		return market.Short
	}
	st := market.Status{
		Action:  market.StatusShortSaleChange,
		Trading: market.Unknown, Quoting: market.Unknown,
	}
	switch b[1] {
	case 0:
		st.ShortSaleRestraint = market.No
	case 1:
		st.ShortSaleRestraint = market.Yes
	default:
		return market.BadField
	}
	return d.status(b, st, f)
}

// status completes a status with what it is about and appends it.
func (d *decoder) status(b []byte, st market.Status, f *market.Facts) market.Verdict {
	s, v := d.subject(b)
	if v != market.Applied {
		return v
	}
	st.TsEvent, st.Instrument, st.Publisher = s.ts, s.instrument, d.publisher
	f.Statuses = append(f.Statuses, st)
	return market.Cold
}

func (d *decoder) officialPrice(b []byte, f *market.Facts) market.Verdict {
	if len(b) < officialPriceLen {
		return market.Short
	}
	stat := market.Statistic{
		TsRef:     market.UndefTime,
		Quantity:  math.MaxInt64,
		Publisher: d.publisher,
	}
	switch b[1] {
	case 'Q':
		stat.Kind = market.StatOpeningPrice
	case 'M':
		stat.Kind = market.StatClosePrice
	default:
		return market.BadField
	}
	var ok bool
	if stat.Price, ok = priceAt(b, 18); !ok {
		return market.BadPrice
	}
	s, v := d.subject(b)
	if v != market.Applied {
		return v
	}
	stat.TsEvent, stat.Instrument = s.ts, s.instrument
	f.Statistics = append(f.Statistics, stat)
	return market.Cold
}

func (d *decoder) auction(b []byte, f *market.Facts) market.Verdict {
	if len(b) < auctionLen {
		return market.Short
	}
	im := market.Imbalance{
		AuctionTime:    market.UndefTime,
		ContClearPrice: market.UndefPrice,
		Paired:         binary.LittleEndian.Uint32(b[18:]),
		Imbalance:      binary.LittleEndian.Uint32(b[38:]),
		Publisher:      d.publisher,
		AuctionType:    b[1],
		Variation:      '~',
	}
	switch b[42] {
	case 'B':
		im.Side = market.Bid
	case 'S':
		im.Side = market.Ask
	case 'N':
		im.Side = market.NoSide
	default:
		return market.BadField
	}
	if seconds := binary.LittleEndian.Uint32(b[44:]); seconds != 0 {
		im.AuctionTime = market.Nanos(seconds) * market.Second
	}
	for _, field := range [...]struct {
		offset int
		price  *market.Price
	}{
		{22, &im.RefPrice},
		{30, &im.MatchPrice},
		{48, &im.AuctClearPrice},
		{64, &im.LowerCollar},
		{72, &im.UpperCollar},
	} {
		p, ok := priceAt(b, field.offset)
		if !ok {
			return market.BadPrice
		}
		if p == 0 {
			p = market.UndefPrice // the venue's way to say none
		}
		*field.price = p
	}
	s, v := d.subject(b)
	if v != market.Applied {
		return v
	}
	im.TsEvent, im.Instrument = s.ts, s.instrument
	f.Imbalances = append(f.Imbalances, im)
	return market.Cold
}
