package pitch

import "math"

// Trade (2a, 2b, 30) is an execution that no visible order took part in, or one at another venue that
// an order was routed to. It changes no book.
type Trade struct {
	Header
	OrderID   uint64 // of the order that was not displayed
	Side      byte   // Buy or Sell; Buy whatever the side, from the venues that do not tell
	Quantity  uint32
	Symbol    Symbol
	Price     Price
	Execution uint64 // names the execution within the day
}

// Append appends the message to b: expanded for a symbol of more than six characters, else short where
// quantity and price allow it.
func (m *Trade) Append(b []byte) []byte {
	short, isShort := m.Price.short()
	switch {
	case !m.Symbol.six():
		b = m.begin(b, TypeTradeExpanded)
		b = le.AppendUint32(b, m.Quantity)
		b = append(b, m.Symbol[:]...)
		b = le.AppendUint64(b, uint64(m.Price))
	case isShort && m.Quantity <= math.MaxUint16:
		b = m.begin(b, TypeTradeShort)
		b = le.AppendUint16(b, uint16(m.Quantity))
		b = append(b, m.Symbol[:symbolLen]...)
		b = le.AppendUint16(b, short)
	default:
		b = m.begin(b, TypeTradeLong)
		b = le.AppendUint32(b, m.Quantity)
		b = append(b, m.Symbol[:symbolLen]...)
		b = le.AppendUint64(b, uint64(m.Price))
	}
	return le.AppendUint64(b, m.Execution)
}

func (m *Trade) begin(b []byte, typ byte) []byte {
	b = m.Header.append(b, typ)
	b = le.AppendUint64(b, m.OrderID)
	return append(b, m.Side)
}

// Parse reads the message from b, whichever its form. The error is ErrType or ErrLength.
func (m *Trade) Parse(b []byte) error {
	typ := firstOf(b, TypeTradeShort, TypeTradeLong, TypeTradeExpanded)
	if err := m.Header.parse(b, typ); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	m.Side = b[13]
	switch typ {
	case TypeTradeShort:
		m.Quantity = uint32(le.Uint16(b[14:]))
		m.Symbol = symbol6(b[16:])
		m.Price = Price(le.Uint16(b[22:])) * shortPerLong
		m.Execution = le.Uint64(b[24:])
	case TypeTradeLong:
		m.Quantity = le.Uint32(b[14:])
		m.Symbol = symbol6(b[18:])
		m.Price = Price(le.Uint64(b[24:]))
		m.Execution = le.Uint64(b[32:])
	default:
		m.Quantity = le.Uint32(b[14:])
		m.Symbol = Symbol(b[18:])
		m.Price = Price(le.Uint64(b[26:]))
		m.Execution = le.Uint64(b[34:])
	}
	return nil
}

// TradeBreak (2c) says that an earlier execution is void.
type TradeBreak struct {
	Header
	Execution uint64 // that is void
}

// Append appends the message to b.
func (m *TradeBreak) Append(b []byte) []byte {
	b = m.Header.append(b, TypeTradeBreak)
	return le.AppendUint64(b, m.Execution)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *TradeBreak) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeTradeBreak); err != nil {
		return err
	}
	m.Execution = le.Uint64(b[5:])
	return nil
}
