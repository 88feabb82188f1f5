package dbn

import (
	"encoding/binary"
	"strings"

	"tidegate/market"
)

const (
	errorSize           = 320
	errorV1Size         = 80
	symbolMappingSize   = 176
	symbolMappingV1Size = 80
	systemSize          = 320
	systemV1Size        = 80
)

// Error is a fault that the gateway reports to a subscriber (DBN ErrorMsg). Its body is
//
//	16  err      cstr[302]; cstr[64] in version 1, which ends there
//	318 code     u8
//	319 is_last  u8
type Error struct {
	Header
	Text   string // at most ErrorTextMax bytes
	Code   ErrorCode
	IsLast uint8 // not 0 on the last of a group of errors
}

// Parse fills m from a record of type RTypeError of any version, else the error wraps ErrRType. A
// record of version 1 gets ErrorUnset and stands alone. Text is a copy.
func (m *Error) Parse(r Record) error {
	p := r.raw
	if !r.holds(RTypeError) {
		return r.wrongType("error")
	}
	*m = Error{Header: r.Header, Code: ErrorUnset, IsLast: 1}
	if r.version == 1 {
		m.Text = text(p[16:80])
		return nil
	}
	m.Text = text(p[16:318])
	m.Code = ErrorCode(p[318])
	m.IsLast = p[319]
	return nil
}

// Append adds the record to b, always with type RTypeError. It does not allocate if b has room.
func (m *Error) Append(b []byte) []byte {
	b, p := extend(b, errorSize)
	m.put(p, RTypeError)
	putText(p[16:318], m.Text)
	p[318] = byte(m.Code)
	p[319] = m.IsLast
	return b
}

// SymbolMapping tells which symbol an instrument id stands for (DBN SymbolMappingMsg). Its body
// is, in version 3 and in version 1:
//
//	16   -  stype_in          u8
//	17  16  stype_in_symbol   cstr[71]; cstr[22] in version 1
//	88   -  stype_out         u8
//	89  38  stype_out_symbol  cstr[71]; cstr[22] in version 1
//	160 64  start_ts          u64
//	168 72  end_ts            u64
type SymbolMapping struct {
	Header
	STypeIn   SType // STypeMixed where unknown
	SymbolIn  string
	STypeOut  SType // STypeRawSymbol in live sessions
	SymbolOut string
	Start     market.Nanos // valid from
	End       market.Nanos // valid until
}

// Parse fills m from a record of type RTypeSymbolMapping of any version, else the error wraps
// ErrRType. A record of version 1 gets STypeMixed twice. The symbols are copies.
func (m *SymbolMapping) Parse(r Record) error {
	p := r.raw
	if !r.holds(RTypeSymbolMapping) {
		return r.wrongType("symbol-mapping")
	}
	*m = SymbolMapping{Header: r.Header, STypeIn: STypeMixed, STypeOut: STypeMixed}
	if r.version == 1 {
		m.SymbolIn = text(p[16:38])
		m.SymbolOut = text(p[38:60])
		p = p[64:80]
	} else {
		m.STypeIn = SType(p[16])
		m.SymbolIn = text(p[17:88])
		m.STypeOut = SType(p[88])
		m.SymbolOut = text(p[89:160])
		p = p[160:176]
	}
	m.Start = market.Nanos(binary.LittleEndian.Uint64(p))
	m.End = market.Nanos(binary.LittleEndian.Uint64(p[8:]))
	return nil
}

// Append adds the record to b, always with type RTypeSymbolMapping. Symbols are cut to SymbolMax
// bytes. It does not allocate if b has room.
func (m *SymbolMapping) Append(b []byte) []byte {
	b, p := extend(b, symbolMappingSize)
	m.put(p, RTypeSymbolMapping)
	p[16] = byte(m.STypeIn)
	putText(p[17:88], m.SymbolIn)
	p[88] = byte(m.STypeOut)
	putText(p[89:160], m.SymbolOut)
	binary.LittleEndian.PutUint64(p[160:], uint64(m.Start))
	binary.LittleEndian.PutUint64(p[168:], uint64(m.End))
	return b
}

// System is what the gateway tells a subscriber that is no error (DBN SystemMsg). Its body is
//
//	16  msg   cstr[303]; cstr[64] in version 1, which ends there
//	319 code  u8
type System struct {
	Header
	Text string // at most SystemTextMax bytes
	Code SystemCode
}

// Parse fills m from a record of type RTypeSystem of any version, else the error wraps ErrRType.
// The code of a record of version 1 is what its text says. Text is a copy.
func (m *System) Parse(r Record) error {
	p := r.raw
	if !r.holds(RTypeSystem) {
		return r.wrongType("system")
	}
	*m = System{Header: r.Header}
	if r.version == 1 {
		m.Text = text(p[16:80])
		m.Code = systemCode(m.Text)
		return nil
	}
	m.Text = text(p[16:319])
	m.Code = SystemCode(p[319])
	return nil
}

// Append adds the record to b, always with type RTypeSystem. It does not allocate if b has room.
func (m *System) Append(b []byte) []byte {
	b, p := extend(b, systemSize)
	m.put(p, RTypeSystem)
	putText(p[16:319], m.Text)
	p[319] = byte(m.Code)
	return b
}

// systemCode finds the code of a text by the parts of it that are fixed.
func systemCode(text string) SystemCode {
	switch {
	case text == "Heartbeat":
		return SystemHeartbeat
	case strings.HasPrefix(text, "Subscription request") && strings.HasSuffix(text, "succeeded"):
		return SystemSubscriptionAck
	case strings.HasPrefix(text, "Warning: slow reading"):
		return SystemSlowReader
	case strings.HasPrefix(text, "Finished ") && strings.HasSuffix(text, " replay"):
		return SystemReplayCompleted
	case strings.HasPrefix(text, "End of interval for "):
		return SystemEndOfInterval
	}
	return SystemUnset
}
