package dbn

import (
	"encoding/binary"

	"tidegate/market"
)

const (
	cmbp1Size = 80
	cbboSize  = 80
)

// ConsolidatedLevel is the best bid and offer over several publishers (DBN
// ConsolidatedBidAskPair). An empty side has market.UndefPrice and zeros.
//
//	 0  bid_px  i64  1e-9
//	 8  ask_px  i64  1e-9
//	16  bid_sz  u32
//	20  ask_sz  u32
//	24  bid_pb  u16
//	28  ask_pb  u16
//
// and zeros at 26, 27, 30 and 31.
type ConsolidatedLevel struct {
	BidPrice     market.Price
	AskPrice     market.Price
	BidSize      uint32
	AskSize      uint32
	BidPublisher market.PublisherID // who has the best bid
	AskPublisher market.PublisherID
}

func (l *ConsolidatedLevel) get(p []byte) {
	p = p[:levelSize]
	l.BidPrice = market.Price(binary.LittleEndian.Uint64(p))
	l.AskPrice = market.Price(binary.LittleEndian.Uint64(p[8:]))
	l.BidSize = binary.LittleEndian.Uint32(p[16:])
	l.AskSize = binary.LittleEndian.Uint32(p[20:])
	l.BidPublisher = market.PublisherID(binary.LittleEndian.Uint16(p[24:]))
	l.AskPublisher = market.PublisherID(binary.LittleEndian.Uint16(p[28:]))
}

func (l *ConsolidatedLevel) put(p []byte) {
	p = p[:levelSize]
	binary.LittleEndian.PutUint64(p, uint64(l.BidPrice))
	binary.LittleEndian.PutUint64(p[8:], uint64(l.AskPrice))
	binary.LittleEndian.PutUint32(p[16:], l.BidSize)
	binary.LittleEndian.PutUint32(p[20:], l.AskSize)
	binary.LittleEndian.PutUint16(p[24:], uint16(l.BidPublisher))
	binary.LittleEndian.PutUint16(p[28:], uint16(l.AskPublisher))
}

// CMBP1 is a change of the consolidated best price, with the level after it, or in schema tcbbo a
// trade with the level before it (DBN Cmbp1Msg). Its body is
//
//	16  price        i64   1e-9
//	24  size         u32
//	28  action       char
//	29  side         char
//	30  flags        u8
//	32  ts_recv      u64
//	40  ts_in_delta  i32
//	48  level        ConsolidatedLevel
//
// and zeros at 31 and 44 to 47.
type CMBP1 struct {
	Header
	Price     market.Price
	Size      uint32
	Action    market.Action
	Side      market.Side // the aggressor's on a trade
	Flags     market.Flags
	TsRecv    market.Nanos // capture time
	TsInDelta int32        // nanoseconds from the venue's send time to TsRecv
	Level     ConsolidatedLevel
}

// Parse fills m from a record of type RTypeCMBP1 or RTypeTCBBO, else the error wraps ErrRType.
func (m *CMBP1) Parse(r Record) error {
	p := r.raw
	if r.RType != RTypeCMBP1 && r.RType != RTypeTCBBO || len(p) < cmbp1Size {
		return r.wrongType("cmbp-1")
	}
	p = p[:cmbp1Size]
	m.Header = r.Header
	m.Price = market.Price(binary.LittleEndian.Uint64(p[16:]))
	m.Size = binary.LittleEndian.Uint32(p[24:])
	m.Action = market.Action(p[28])
	m.Side = market.Side(p[29])
	m.Flags = market.Flags(p[30])
	m.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[32:]))
	m.TsInDelta = int32(binary.LittleEndian.Uint32(p[40:]))
	m.Level.get(p[48:])
	return nil
}

// Append adds the record to b. m.RType must be RTypeCMBP1 or RTypeTCBBO. It does not allocate if b
// has room.
func (m *CMBP1) Append(b []byte) []byte {
	b, p := extend(b, cmbp1Size)
	m.put(p, m.RType)
	p = p[:cmbp1Size]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.Price))
	binary.LittleEndian.PutUint32(p[24:], m.Size)
	p[28] = byte(m.Action)
	p[29] = byte(m.Side)
	p[30] = byte(m.Flags)
	binary.LittleEndian.PutUint64(p[32:], uint64(m.TsRecv))
	binary.LittleEndian.PutUint32(p[40:], uint32(m.TsInDelta))
	m.Level.put(p[48:])
	return b
}

// CBBO is the last trade and the consolidated best level at the end of an interval (DBN CbboMsg).
// Its body is
//
//	16  price    i64   1e-9
//	24  size     u32
//	29  side     char
//	30  flags    u8
//	32  ts_recv  u64
//	48  level    ConsolidatedLevel
//
// and zeros at 28, 31 and 40 to 47.
type CBBO struct {
	Header
	Price  market.Price // last trade; market.UndefPrice if there was none
	Size   uint32
	Side   market.Side // the aggressor's of the last trade
	Flags  market.Flags
	TsRecv market.Nanos // end of the interval
	Level  ConsolidatedLevel
}

// Parse fills m from a record of type RTypeCBBO1s or RTypeCBBO1m, else the error wraps ErrRType.
func (m *CBBO) Parse(r Record) error {
	p := r.raw
	if r.RType != RTypeCBBO1s && r.RType != RTypeCBBO1m || len(p) < cbboSize {
		return r.wrongType("cbbo")
	}
	p = p[:cbboSize]
	m.Header = r.Header
	m.Price = market.Price(binary.LittleEndian.Uint64(p[16:]))
	m.Size = binary.LittleEndian.Uint32(p[24:])
	m.Side = market.Side(p[29])
	m.Flags = market.Flags(p[30])
	m.TsRecv = market.Nanos(binary.LittleEndian.Uint64(p[32:]))
	m.Level.get(p[48:])
	return nil
}

// Append adds the record to b. m.RType must be RTypeCBBO1s or RTypeCBBO1m. It does not allocate if
// b has room.
func (m *CBBO) Append(b []byte) []byte {
	b, p := extend(b, cbboSize)
	m.put(p, m.RType)
	p = p[:cbboSize]
	binary.LittleEndian.PutUint64(p[16:], uint64(m.Price))
	binary.LittleEndian.PutUint32(p[24:], m.Size)
	p[29] = byte(m.Side)
	p[30] = byte(m.Flags)
	binary.LittleEndian.PutUint64(p[32:], uint64(m.TsRecv))
	m.Level.put(p[48:])
	return b
}
