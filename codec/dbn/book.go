package dbn

import (
	"encoding/binary"

	"tidegate/market"
)

const (
	tradeSize = 48
	levelSize = 32
	mbp1Size  = tradeSize + levelSize
	mbp10Size = tradeSize + 10*levelSize
	bboSize   = tradeSize + levelSize
)

// Level is the same depth of both sides of a book (DBN BidAskPair). An empty side has
// market.UndefPrice and zeros.
//
//	 0  bid_px  i64  1e-9
//	 8  ask_px  i64  1e-9
//	16  bid_sz  u32
//	20  ask_sz  u32
//	24  bid_ct  u32
//	28  ask_ct  u32
type Level struct {
	BidPrice market.Price
	AskPrice market.Price
	BidSize  uint32
	AskSize  uint32
	BidCount uint32 // orders; 0 where unknown
	AskCount uint32
}

func (l *Level) get(p []byte) {
	p = p[:levelSize]
	l.BidPrice = market.Price(binary.LittleEndian.Uint64(p))
	l.AskPrice = market.Price(binary.LittleEndian.Uint64(p[8:]))
	l.BidSize = binary.LittleEndian.Uint32(p[16:])
	l.AskSize = binary.LittleEndian.Uint32(p[20:])
	l.BidCount = binary.LittleEndian.Uint32(p[24:])
	l.AskCount = binary.LittleEndian.Uint32(p[28:])
}

func (l *Level) put(p []byte) {
	p = p[:levelSize]
	binary.LittleEndian.PutUint64(p, uint64(l.BidPrice))
	binary.LittleEndian.PutUint64(p[8:], uint64(l.AskPrice))
	binary.LittleEndian.PutUint32(p[16:], l.BidSize)
	binary.LittleEndian.PutUint32(p[20:], l.AskSize)
	binary.LittleEndian.PutUint32(p[24:], l.BidCount)
	binary.LittleEndian.PutUint32(p[28:], l.AskCount)
}

// Change is what Trade, MBP1 and MBP10 have in common: what happened.
//
//	16  price        i64   1e-9
//	24  size         u32
//	28  action       char
//	29  side         char
//	30  flags        u8
//	31  depth        u8
//	32  ts_recv      u64
//	40  ts_in_delta  i32
//	44  sequence     u32
type Change struct {
	Header
	Price     market.Price
	Size      uint32
	Action    market.Action
	Side      market.Side // the aggressor's on a trade
	Flags     market.Flags
	Depth     uint8        // level of the book that changed; 0 is the best
	TsRecv    market.Nanos // capture time
	TsInDelta int32        // nanoseconds from the venue's send time to TsRecv
	Sequence  uint32       // the venue's, low 32 bits
}

func (c *Change) get(r Record) {
	p := r.raw[:tradeSize]
	c.Header = r.Header
	c.Price = market.Price(binary.LittleEndian.Uint64(p[16:]))
	c.Size = binary.LittleEndian.Uint32(p[24:])
	c.Action = market.Action(p[28])
	c.Side = market.Side(p[29])
	c.Flags = market.Flags(p[30])
	c.Depth = p[31]
	c.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[32:]))
	c.TsInDelta = int32(binary.LittleEndian.Uint32(p[40:]))
	c.Sequence = binary.LittleEndian.Uint32(p[44:])
}

// put writes c to the start of p, which is a whole record without ts_out.
func (c *Change) put(p []byte, t RType) {
	c.Header.put(p, t)
	p = p[:tradeSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(c.Price))
	binary.LittleEndian.PutUint32(p[24:], c.Size)
	p[28] = byte(c.Action)
	p[29] = byte(c.Side)
	p[30] = byte(c.Flags)
	p[31] = c.Depth
	binary.LittleEndian.PutUint64(p[32:], uint64(c.TsRecv))
	binary.LittleEndian.PutUint32(p[40:], uint32(c.TsInDelta))
	binary.LittleEndian.PutUint32(p[44:], c.Sequence)
}

// Trade is one trade (DBN TradeMsg, 48 bytes): a Change whose action is market.Trade.
type Trade struct {
	Change
}

// Parse fills t from a record of type RTypeTrade, else the error wraps ErrRType.
func (t *Trade) Parse(r Record) error {
	if r.RType != RTypeTrade || len(r.raw) < tradeSize {
		return r.wrongType("trades")
	}
	t.get(r)
	return nil
}

// Append adds the record to b, always with type RTypeTrade. It does not allocate if b has room.
func (t *Trade) Append(b []byte) []byte {
	b, p := extend(b, tradeSize)
	t.put(p, RTypeTrade)
	return b
}

// MBP1 is a change of the best price, with the best level after it, or in schema tbbo a trade with
// the best level before it (DBN Mbp1Msg, 80 bytes). The Level is at offset 48.
type MBP1 struct {
	Change
	Level Level
}

// Parse fills m from a record of type RTypeMBP1, else the error wraps ErrRType.
func (m *MBP1) Parse(r Record) error {
	if r.RType != RTypeMBP1 || len(r.raw) < mbp1Size {
		return r.wrongType("mbp-1")
	}
	m.get(r)
	m.Level.get(r.raw[tradeSize:])
	return nil
}

// Append adds the record to b, always with type RTypeMBP1. It does not allocate if b has room.
func (m *MBP1) Append(b []byte) []byte {
	b, p := extend(b, mbp1Size)
	m.put(p, RTypeMBP1)
	m.Level.put(p[tradeSize:])
	return b
}

// MBP10 is a change of one of the ten best prices, with the ten best levels after it (DBN
// Mbp10Msg, 368 bytes). The Levels start at offset 48, the best first.
type MBP10 struct {
	Change
	Levels [10]Level
}

// Parse fills m from a record of type RTypeMBP10, else the error wraps ErrRType.
func (m *MBP10) Parse(r Record) error {
	if r.RType != RTypeMBP10 || len(r.raw) < mbp10Size {
		return r.wrongType("mbp-10")
	}
	m.get(r)
	for i := range m.Levels {
		m.Levels[i].get(r.raw[tradeSize+i*levelSize:])
	}
	return nil
}

// Append adds the record to b, always with type RTypeMBP10. It does not allocate if b has room.
func (m *MBP10) Append(b []byte) []byte {
	b, p := extend(b, mbp10Size)
	m.put(p, RTypeMBP10)
	for i := range m.Levels {
		m.Levels[i].put(p[tradeSize+i*levelSize:])
	}
	return b
}

// BBO is the last trade and the best level at the end of an interval (DBN BboMsg). Its body is
//
//	16  price     i64   1e-9
//	24  size      u32
//	29  side      char
//	30  flags     u8
//	32  ts_recv   u64
//	44  sequence  u32
//	48  level     Level
//
// and zeros at 28, 31 and 40 to 43. Header.TsEvent is the time of the last trade, market.UndefTime
// if there was none.
type BBO struct {
	Header
	Price    market.Price // last trade; market.UndefPrice if there was none
	Size     uint32
	Side     market.Side // the aggressor's of the last trade
	Flags    market.Flags
	TsRecv   market.Nanos // end of the interval
	Sequence uint32       // of the last update in the interval
	Level    Level
}

// Parse fills m from a record of type RTypeBBO1s or RTypeBBO1m, else the error wraps ErrRType.
func (m *BBO) Parse(r Record) error {
	p := r.raw
	if r.RType != RTypeBBO1s && r.RType != RTypeBBO1m || len(p) < bboSize {
		return r.wrongType("bbo")
	}
	p = p[:bboSize]
	m.Header = r.Header
	m.Price = market.Price(binary.LittleEndian.Uint64(p[16:]))
	m.Size = binary.LittleEndian.Uint32(p[24:])
	m.Side = market.Side(p[29])
	m.Flags = market.Flags(p[30])
	m.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[32:]))
	m.Sequence = binary.LittleEndian.Uint32(p[44:])
	m.Level.get(p[48:])
	return nil
}

// Append adds the record to b. m.RType must be RTypeBBO1s or RTypeBBO1m. It does not allocate if b
// has room.
func (m *BBO) Append(b []byte) []byte {
	b, p := extend(b, bboSize)
	m.put(p, m.RType)
	p = p[:bboSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.Price))
	binary.LittleEndian.PutUint32(p[24:], m.Size)
	p[29] = byte(m.Side)
	p[30] = byte(m.Flags)
	binary.LittleEndian.PutUint64(p[32:], uint64(m.TsRecv))
	binary.LittleEndian.PutUint32(p[44:], m.Sequence)
	m.Level.put(p[48:])
	return b
}
