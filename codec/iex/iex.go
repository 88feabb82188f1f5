// Package iex decodes the market data messages of the Investors Exchange: DEEP 1.0 (aggregated
// price levels) and TOPS 1.5 and 1.6 (best quotes). IEX-TP carries both.
//
// Both feeds are in one package because they differ in three messages only: the price level update
// and the security event of DEEP, and the quote update of TOPS. All others have the same layout and
// meaning in both.
//
// Take messages out of a segment and hand each to the feed's decoder:
//
//	deep := iex.NewDeep(market.IEXDeep.ID, market.NewSymbolTable(1<<16))
//	...
//	v := deep.Decode(msg, &update)
//	switch v {
//	case market.Applied: // give update to the book
//	case market.Cold:
//		v = deep.DecodeCold(msg, &facts)
//	}
//	verdicts[v]++
//
// # Layout
//
// All numbers are little endian. Prices are signed 64-bit numbers of 1/10,000 dollar, times are
// nanoseconds since the Unix epoch, symbols are padded with spaces on the right. Every message
// begins with its type at offset 0, a byte of flags or status at 1, and the time at 2; every
// message but the system event has its symbol at 10. The offsets of what follows:
//
//	S  system event       1 event                                                        10 bytes
//	D  security directory 1 flags, 18 round lot u32, 22 adjusted previous close,
//	                      30 limit-up limit-down tier u8                                 31
//	H  trading status     1 status, 18 reason [4]                                        22
//	I  retail liquidity   1 indicator                                                    18
//	O  operational halt   1 status                                                       18
//	P  short sale test    1 in effect, 18 detail                                         19
//	E  security event     1 event                                            (DEEP only) 18
//	8  price level, buy   1 event flags, 18 size u32, 22 price               (DEEP only) 30
//	5  price level, sell  1 event flags, 18 size u32, 22 price               (DEEP only) 30
//	Q  quote update       1 flags, 18 bid size u32, 22 bid price, 30 ask price,
//	                      38 ask size u32                                    (TOPS only) 42
//	T  trade report       1 sale condition, 18 size u32, 22 price, 30 trade id u64       38
//	B  trade break        1 sale condition, 18 size u32, 22 price, 30 trade id u64       38
//	X  official price     1 price type, 18 price                                         26
//	A  auction            1 auction type, 18 paired u32, 22 reference price,
//	                      30 indicative clearing price, 38 imbalance u32,
//	                      42 imbalance side, 43 extensions u8,
//	                      44 auction time u32 (seconds since the Unix epoch),
//	                      48 auction book clearing price, 56 collar reference price,
//	                      64 lower collar, 72 upper collar                               80
//
// IEX reserves the right to lengthen messages and to add types without notice, while offsets stay.
// So a message longer than the table says is good, and its tail is not looked at; market.Long is
// never returned. A new type is market.UnknownType.
package iex

import (
	"encoding/binary"

	"tidegate/market"
)

// Message types.
const (
	typeSystemEvent     = 'S'
	typeDirectory       = 'D'
	typeTradingStatus   = 'H'
	typeRetailLiquidity = 'I'
	typeOperationalHalt = 'O'
	typeShortSale       = 'P'
	typeSecurityEvent   = 'E'
	typeLevelBuy        = '8'
	typeLevelSell       = '5'
	typeQuote           = 'Q'
	typeTrade           = 'T'
	typeTradeBreak      = 'B'
	typeOfficialPrice   = 'X'
	typeAuction         = 'A'
)

// Bytes of each message; see the package comment.
const (
	systemEventLen     = 10
	directoryLen       = 31
	tradingStatusLen   = 22
	retailLiquidityLen = 18
	operationalHaltLen = 18
	shortSaleLen       = 19
	securityEventLen   = 18
	levelLen           = 30
	quoteLen           = 42
	tradeLen           = 38
	officialPriceLen   = 26
	auctionLen         = 80
)

// priceUnit is the number of market.Price units in one of IEX's price units.
const priceUnit = market.PriceScale / 10_000

// decoder is what DEEP and TOPS have in common.
type decoder struct {
	publisher market.PublisherID
	symbols   *market.SymbolTable
}

// trade decodes a trade report.
func (d *decoder) trade(b []byte, u *market.Update) market.Verdict {
	if len(b) < tradeLen {
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
	u.Action = market.Trade
	u.Side = market.NoSide
	u.Price = price
	u.Size = sizeAt(b, 18)
	u.Flags = market.FlagLast
	u.Match = binary.LittleEndian.Uint64(b[30:])
	return market.Applied
}

// tradeBreak decodes a trade break.
func (d *decoder) tradeBreak(b []byte) market.Verdict {
	if len(b) < tradeLen {
		return market.Short
	}
	return market.Ignored
}

// A subject is what a message is about, and when.
type subject struct {
	ts         market.Nanos
	instrument market.InstrumentID
}

// subject reads time and symbol, and gives a new symbol its number. It comes after every other
// check of a message, so that a faulty one takes no number. The message has a symbol: len(b) >= 18.
func (d *decoder) subject(b []byte) (s subject, v market.Verdict) {
	s.ts = market.Nanos(binary.LittleEndian.Uint64(b[2:]))
	if s.ts < 0 {
		return s, market.BadTime
	}
	s.instrument, _ = d.symbols.ID([8]byte(b[10:]))
	if s.instrument == 0 {
		return s, market.BookFull
	}
	return s, market.Applied
}

// begin sets the fields of an update that do not depend on the type of message.
func (d *decoder) begin(u *market.Update, s subject) {
	u.TsEvent = s.ts
	u.OrderID = 0
	u.Instrument = s.instrument
	u.Publisher = d.publisher
	u.PrevOrderID = 0
	u.Match = 0
	u.Unprintable = false
}

// priceAt reads the price at an offset. ok is false if market.Price cannot hold it.
func priceAt(b []byte, offset int) (p market.Price, ok bool) {
	return market.ScalePrice(int64(binary.LittleEndian.Uint64(b[offset:])), priceUnit)
}

func sizeAt(b []byte, offset int) market.Size {
	return market.Size(binary.LittleEndian.Uint32(b[offset:]))
}
