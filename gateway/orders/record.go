package orders

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"tidegate/book/match"
	"tidegate/market"
)

// ReportLen is the length of an encoded report.
const ReportLen = 240

// ErrReport is returned for bytes that are no report.
var ErrReport = errors.New("bytes are no report: their checksum does not match")

const (
	reportLast = 1 << iota
	reportCopy
	reportPrinted
)

// AppendBinary appends the report to b, in ReportLen bytes:
//
//	offset  size
//	0       8 x 10  of Event: Time, OrderID, PrevID, Ref, PrevRef, Match, Price, Size, Open, Displayed
//	80      4 x 4   of Event: Account, Session, Instrument; To
//	96      1 x 5   of Event: Kind, Reason, Side, State, Liquidity
//	101     1 x 4   Kind, Request, Refusal; flags: Last 1, Copy 2, Printed 4
//	105     3       zeros
//	108     8 x 8   Number, AccountNumber, Index, Ticket, First, Message, PrevPrice, PrevDisplayed
//	172     16      ID
//	188     16      PrevID
//	204     32      Echo
//	236     4       CRC-32C of all before
//
// Numbers are little endian. The error is always nil.
func (r *Report) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	le, ev := binary.LittleEndian, &r.Event
	for _, x := range [...]uint64{
		uint64(ev.Time), ev.OrderID, ev.PrevID, ev.Ref, ev.PrevRef, ev.Match, uint64(ev.Price), uint64(ev.Size), uint64(ev.Open), uint64(ev.Displayed),
	} {
		b = le.AppendUint64(b, x)
	}
	for _, x := range [...]uint32{ev.Account, ev.Session, uint32(ev.Instrument), uint32(r.To)} {
		b = le.AppendUint32(b, x)
	}
	flags := byte(oneIf(r.Last)*reportLast | oneIf(r.Copy)*reportCopy | oneIf(r.Printed)*reportPrinted)
	b = append(b, byte(ev.Kind), byte(ev.Reason), byte(ev.Side), byte(ev.State), byte(ev.Liquidity),
		byte(r.Kind), byte(r.Request), byte(r.Refusal), flags, 0, 0, 0)
	for _, x := range [...]uint64{
		r.Number, r.AccountNumber, r.Index, uint64(r.Ticket), r.First, r.Message, uint64(r.PrevPrice), uint64(r.PrevDisplayed),
	} {
		b = le.AppendUint64(b, x)
	}
	b = append(b, r.ID[:]...)
	b = append(b, r.PrevID[:]...)
	b = append(b, r.Echo[:]...)
	return le.AppendUint32(b, crc32.Checksum(b[start:], castagnoli)), nil
}

// UnmarshalBinary reads what AppendBinary wrote.
func (r *Report) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) != ReportLen || le.Uint32(b[ReportLen-4:]) != crc32.Checksum(b[:ReportLen-4], castagnoli) {
		return ErrReport
	}
	word := func(at int) uint64 { return le.Uint64(b[at:]) }
	*r = Report{
		Event: match.Event{
			Time: market.Nanos(word(0)), OrderID: word(8), PrevID: word(16), Ref: word(24), PrevRef: word(32), Match: word(40),
			Price: market.Price(word(48)), Size: market.Size(word(56)), Open: market.Size(word(64)), Displayed: market.Size(word(72)),
			Account: le.Uint32(b[80:]), Session: le.Uint32(b[84:]), Instrument: market.InstrumentID(le.Uint32(b[88:])),
			Kind: match.EventKind(b[96]), Reason: match.Reason(b[97]), Side: market.Side(b[98]), State: match.State(b[99]), Liquidity: match.Liquidity(b[100]),
		},
		To:   SessionID(le.Uint32(b[92:])),
		Kind: ReportKind(b[101]), Request: Kind(b[102]), Refusal: Refusal(b[103]),
		Last: b[104]&reportLast != 0, Copy: b[104]&reportCopy != 0, Printed: b[104]&reportPrinted != 0,
		Number: word(108), AccountNumber: word(116), Index: word(124), Ticket: Ticket(word(132)), First: word(140), Message: word(148),
		PrevPrice: market.Price(word(156)), PrevDisplayed: market.Size(word(164)),
		ID: ClientID(b[172:]), PrevID: ClientID(b[188:]), Echo: Echo(b[204:]),
	}
	return nil
}
