package dbn

import (
	"encoding/binary"
	"math"

	"tidegate/market"
)

const (
	ohlcvSize     = 56
	statusSize    = 40
	imbalanceSize = 112
	statSize      = 80
	statV2Size    = 64 // versions 1 and 2
)

// OHLCV is the first, highest, lowest and last price and the volume of an interval (DBN OhlcvMsg).
// Its body is
//
//	16  open    i64  1e-9
//	24  high    i64
//	32  low     i64
//	40  close   i64
//	48  volume  u64
//
// Header.TsEvent is the start of the interval; its length is told by the type.
type OHLCV struct {
	Header
	Open   market.Price
	High   market.Price
	Low    market.Price
	Close  market.Price
	Volume uint64
}

// Parse fills m from a record of one of the OHLCV types, else the error wraps ErrRType.
func (m *OHLCV) Parse(r Record) error {
	p := r.raw
	switch r.RType {
	case RTypeOHLCV1s, RTypeOHLCV1m, RTypeOHLCV1h, RTypeOHLCV1d, RTypeOHLCVEOD, RTypeOHLCVOld:
	default:
		return r.wrongType("ohlcv")
	}
	if len(p) < ohlcvSize {
		return r.wrongType("ohlcv")
	}
	p = p[:ohlcvSize]
	m.Header = r.Header
	m.Open = market.Price(binary.LittleEndian.Uint64(p[16:]))
	m.High = market.Price(binary.LittleEndian.Uint64(p[24:]))
	m.Low = market.Price(binary.LittleEndian.Uint64(p[32:]))
	m.Close = market.Price(binary.LittleEndian.Uint64(p[40:]))
	m.Volume = binary.LittleEndian.Uint64(p[48:])
	return nil
}

// Append adds the record to b. m.RType must be one of the OHLCV types. It does not allocate if b
// has room.
func (m *OHLCV) Append(b []byte) []byte {
	b, p := extend(b, ohlcvSize)
	m.put(p, m.RType)
	p = p[:ohlcvSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.Open))
	binary.LittleEndian.PutUint64(p[24:], uint64(m.High))
	binary.LittleEndian.PutUint64(p[32:], uint64(m.Low))
	binary.LittleEndian.PutUint64(p[40:], uint64(m.Close))
	binary.LittleEndian.PutUint64(p[48:], m.Volume)
	return b
}

// Status is a change of an instrument's trading state (DBN StatusMsg). Its body is
//
//	16  ts_recv                   u64
//	24  action                    u16
//	26  reason                    u16
//	28  trading_event             u16
//	30  is_trading                char
//	31  is_quoting                char
//	32  is_short_sell_restricted  char
//
// and zeros to 40.
type Status struct {
	Header
	TsRecv              market.Nanos
	Action              market.StatusAction
	Reason              uint16 // DBN StatusReason
	TradingEvent        uint16 // DBN TradingEvent
	Trading             market.Tri
	Quoting             market.Tri
	ShortSellRestricted market.Tri
}

// Parse fills m from a record of type RTypeStatus, else the error wraps ErrRType.
func (m *Status) Parse(r Record) error {
	p := r.raw
	if r.RType != RTypeStatus || len(p) < statusSize {
		return r.wrongType("status")
	}
	p = p[:statusSize]
	m.Header = r.Header
	m.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[16:]))
	m.Action = market.StatusAction(binary.LittleEndian.Uint16(p[24:]))
	m.Reason = binary.LittleEndian.Uint16(p[26:])
	m.TradingEvent = binary.LittleEndian.Uint16(p[28:])
	m.Trading = market.Tri(p[30])
	m.Quoting = market.Tri(p[31])
	m.ShortSellRestricted = market.Tri(p[32])
	return nil
}

// Append adds the record to b, always with type RTypeStatus. It does not allocate if b has room.
func (m *Status) Append(b []byte) []byte {
	b, p := extend(b, statusSize)
	m.put(p, RTypeStatus)
	p = p[:statusSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.TsRecv))
	binary.LittleEndian.PutUint16(p[24:], uint16(m.Action))
	binary.LittleEndian.PutUint16(p[26:], m.Reason)
	binary.LittleEndian.PutUint16(p[28:], m.TradingEvent)
	p[30] = byte(m.Trading)
	p[31] = byte(m.Quoting)
	p[32] = byte(m.ShortSellRestricted)
	return b
}

// Imbalance is the state of an auction (DBN ImbalanceMsg). Its body is
//
//	16  ts_recv                  u64
//	24  ref_price                i64  1e-9
//	32  auction_time             u64
//	40  cont_book_clr_price      i64
//	48  auct_interest_clr_price  i64
//	56  ssr_filling_price        i64
//	64  ind_match_price          i64
//	72  upper_collar             i64
//	80  lower_collar             i64
//	88  paired_qty               u32
//	92  total_imbalance_qty      u32
//	96  market_imbalance_qty     u32
//	100 unpaired_qty             u32
//	104 auction_type             char
//	105 side                     char
//	106 auction_status           u8
//	107 freeze_status            u8
//	108 num_extensions           u8
//	109 unpaired_side            char
//	110 significant_imbalance    char
//
// and a zero at 111.
type Imbalance struct {
	Header
	TsRecv               market.Nanos
	RefPrice             market.Price // the price at which quantities are computed
	AuctionTime          market.Nanos // market.UndefTime if unused
	ContBookClrPrice     market.Price // clearing price of cross and continuous interest
	AuctInterestClrPrice market.Price // clearing price of cross interest only
	SSRFillingPrice      market.Price // filing price under a short sale restriction
	IndMatchPrice        market.Price // indicative match price
	UpperCollar          market.Price
	LowerCollar          market.Price
	PairedQty            uint32
	TotalImbalanceQty    uint32
	MarketImbalanceQty   uint32 // market orders only
	UnpairedQty          uint32
	AuctionType          byte // venue code; '~' if unused
	Side                 market.Side
	AuctionStatus        uint8 // venue code
	FreezeStatus         uint8 // venue code
	NumExtensions        uint8 // of a halt
	UnpairedSide         market.Side
	SignificantImbalance byte // venue code; '~' if unused
}

// Parse fills m from a record of type RTypeImbalance, else the error wraps ErrRType.
func (m *Imbalance) Parse(r Record) error {
	p := r.raw
	if r.RType != RTypeImbalance || len(p) < imbalanceSize {
		return r.wrongType("imbalance")
	}
	p = p[:imbalanceSize]
	m.Header = r.Header
	m.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[16:]))
	m.RefPrice = market.Price(binary.LittleEndian.Uint64(p[24:]))
	m.AuctionTime = market.Nanos(binary.LittleEndian.Uint64(p[32:]))
	m.ContBookClrPrice = market.Price(binary.LittleEndian.Uint64(p[40:]))
	m.AuctInterestClrPrice = market.Price(binary.LittleEndian.Uint64(p[48:]))
	m.SSRFillingPrice = market.Price(binary.LittleEndian.Uint64(p[56:]))
	m.IndMatchPrice = market.Price(binary.LittleEndian.Uint64(p[64:]))
	m.UpperCollar = market.Price(binary.LittleEndian.Uint64(p[72:]))
	m.LowerCollar = market.Price(binary.LittleEndian.Uint64(p[80:]))
	m.PairedQty = binary.LittleEndian.Uint32(p[88:])
	m.TotalImbalanceQty = binary.LittleEndian.Uint32(p[92:])
	m.MarketImbalanceQty = binary.LittleEndian.Uint32(p[96:])
	m.UnpairedQty = binary.LittleEndian.Uint32(p[100:])
	m.AuctionType = p[104]
	m.Side = market.Side(p[105])
	m.AuctionStatus = p[106]
	m.FreezeStatus = p[107]
	m.NumExtensions = p[108]
	m.UnpairedSide = market.Side(p[109])
	m.SignificantImbalance = p[110]
	return nil
}

// Append adds the record to b, always with type RTypeImbalance. It does not allocate if b has
// room.
func (m *Imbalance) Append(b []byte) []byte {
	b, p := extend(b, imbalanceSize)
	m.put(p, RTypeImbalance)
	p = p[:imbalanceSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.TsRecv))
	binary.LittleEndian.PutUint64(p[24:], uint64(m.RefPrice))
	binary.LittleEndian.PutUint64(p[32:], uint64(m.AuctionTime))
	binary.LittleEndian.PutUint64(p[40:], uint64(m.ContBookClrPrice))
	binary.LittleEndian.PutUint64(p[48:], uint64(m.AuctInterestClrPrice))
	binary.LittleEndian.PutUint64(p[56:], uint64(m.SSRFillingPrice))
	binary.LittleEndian.PutUint64(p[64:], uint64(m.IndMatchPrice))
	binary.LittleEndian.PutUint64(p[72:], uint64(m.UpperCollar))
	binary.LittleEndian.PutUint64(p[80:], uint64(m.LowerCollar))
	binary.LittleEndian.PutUint32(p[88:], m.PairedQty)
	binary.LittleEndian.PutUint32(p[92:], m.TotalImbalanceQty)
	binary.LittleEndian.PutUint32(p[96:], m.MarketImbalanceQty)
	binary.LittleEndian.PutUint32(p[100:], m.UnpairedQty)
	p[104] = m.AuctionType
	p[105] = byte(m.Side)
	p[106] = m.AuctionStatus
	p[107] = m.FreezeStatus
	p[108] = m.NumExtensions
	p[109] = byte(m.UnpairedSide)
	p[110] = m.SignificantImbalance
	return b
}

// Stat is one figure that a venue publishes (DBN StatMsg). Its body is, in version 3 and in
// versions 1 and 2:
//
//	16  16  ts_recv        u64
//	24  24  ts_ref         u64
//	32  32  price          i64  1e-9
//	40  40  quantity       i64; i32 in versions 1 and 2
//	48  44  sequence       u32
//	52  48  ts_in_delta    i32
//	56  52  stat_type      u16
//	58  54  channel_id     u16
//	60  56  update_action  u8
//	61  57  stat_flags     u8
//
// and zeros to 80, or 64.
type Stat struct {
	Header
	TsRecv       market.Nanos
	TsRef        market.Nanos // time the value is for; market.UndefTime if unused
	Price        market.Price // market.UndefPrice if unused
	Quantity     int64        // UndefStat if unused
	Sequence     uint32
	TsInDelta    int32
	Kind         market.StatKind
	ChannelID    uint16 // 65535 where unknown
	UpdateAction uint8  // 1 new, 2 delete
	Flags        uint8  // meaning depends on Kind
}

// Parse fills m from a record of type RTypeStat of any version, else the error wraps ErrRType. An
// undefined quantity of version 1 or 2 becomes UndefStat.
func (m *Stat) Parse(r Record) error {
	p := r.raw
	if !r.holds(RTypeStat) {
		return r.wrongType("statistics")
	}
	m.Header = r.Header
	m.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[16:]))
	m.TsRef = market.Nanos(binary.LittleEndian.Uint64(p[24:]))
	m.Price = market.Price(binary.LittleEndian.Uint64(p[32:]))
	if r.version < 3 {
		m.Quantity = int64(int32(binary.LittleEndian.Uint32(p[40:])))
		if m.Quantity == math.MaxInt32 {
			m.Quantity = UndefStat
		}
		p = p[44:statV2Size]
	} else {
		m.Quantity = int64(binary.LittleEndian.Uint64(p[40:]))
		p = p[48:statSize]
	}
	m.Sequence = binary.LittleEndian.Uint32(p)
	m.TsInDelta = int32(binary.LittleEndian.Uint32(p[4:]))
	m.Kind = market.StatKind(binary.LittleEndian.Uint16(p[8:]))
	m.ChannelID = binary.LittleEndian.Uint16(p[10:])
	m.UpdateAction = p[12]
	m.Flags = p[13]
	return nil
}

// Append adds the record to b, always with type RTypeStat. It does not allocate if b has room.
func (m *Stat) Append(b []byte) []byte {
	b, p := extend(b, statSize)
	m.put(p, RTypeStat)
	p = p[:statSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.TsRecv))
	binary.LittleEndian.PutUint64(p[24:], uint64(m.TsRef))
	binary.LittleEndian.PutUint64(p[32:], uint64(m.Price))
	binary.LittleEndian.PutUint64(p[40:], uint64(m.Quantity))
	binary.LittleEndian.PutUint32(p[48:], m.Sequence)
	binary.LittleEndian.PutUint32(p[52:], uint32(m.TsInDelta))
	binary.LittleEndian.PutUint16(p[56:], uint16(m.Kind))
	binary.LittleEndian.PutUint16(p[58:], m.ChannelID)
	p[60] = m.UpdateAction
	p[61] = m.Flags
	return b
}
