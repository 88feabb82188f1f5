package pitch

import "math"

// Flags of a ModifyOrder.
const (
	// FlagKeepPriority says that the order keeps its place in the queue.
	FlagKeepPriority uint8 = 1 << 1
)

// AddOrder (21, 22, 2f) is a new visible order.
type AddOrder struct {
	Header
	OrderID  uint64 // names the order within the day; an order that was deleted may come back under it
	Side     byte   // Buy or Sell
	Quantity uint32
	Symbol   Symbol
	Price    Price
	Flags    uint8 // bit 0 is always set in US equities
	// Participant is who shows the order, or RTAL for retail; spaces for nobody. Customer is a space in
	// equities. Only the expanded form carries the two.
	Participant [4]byte
	Customer    byte
}

// nobody is a participant that is not named.
var nobody = [4]byte{' ', ' ', ' ', ' '}

// Append appends the message to b: expanded if it names a participant or a customer, or for a symbol of
// more than six characters, else short where quantity and price allow it. A zero Participant or Customer
// is written as spaces.
func (m *AddOrder) Append(b []byte) []byte {
	participant, customer := m.Participant, m.Customer
	if participant == [4]byte{} {
		participant = nobody
	}
	if customer == 0 {
		customer = ' '
	}
	short, isShort := m.Price.short()
	switch {
	case !m.Symbol.six() || participant != nobody || customer != ' ':
		b = m.begin(b, TypeAddOrderExpanded)
		b = le.AppendUint32(b, m.Quantity)
		b = append(b, m.Symbol[:]...)
		b = le.AppendUint64(b, uint64(m.Price))
		b = append(b, m.Flags)
		b = append(b, participant[:]...)
		return append(b, customer)
	case isShort && m.Quantity <= math.MaxUint16:
		b = m.begin(b, TypeAddOrderShort)
		b = le.AppendUint16(b, uint16(m.Quantity))
		b = append(b, m.Symbol[:symbolLen]...)
		b = le.AppendUint16(b, short)
	default:
		b = m.begin(b, TypeAddOrderLong)
		b = le.AppendUint32(b, m.Quantity)
		b = append(b, m.Symbol[:symbolLen]...)
		b = le.AppendUint64(b, uint64(m.Price))
	}
	return append(b, m.Flags)
}

func (m *AddOrder) begin(b []byte, typ byte) []byte {
	b = m.Header.append(b, typ)
	b = le.AppendUint64(b, m.OrderID)
	return append(b, m.Side)
}

// Parse reads the message from b, whichever its form. The error is ErrType or ErrLength.
func (m *AddOrder) Parse(b []byte) error {
	typ := firstOf(b, TypeAddOrderShort, TypeAddOrderLong, TypeAddOrderExpanded)
	if err := m.Header.parse(b, typ); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	m.Side = b[13]
	m.Participant, m.Customer = nobody, ' '
	flags := 24
	switch typ {
	case TypeAddOrderShort:
		m.Quantity = uint32(le.Uint16(b[14:]))
		m.Symbol = symbol6(b[16:])
		m.Price = Price(le.Uint16(b[22:])) * shortPerLong
	case TypeAddOrderLong:
		m.Quantity = le.Uint32(b[14:])
		m.Symbol = symbol6(b[18:])
		m.Price = Price(le.Uint64(b[24:]))
		flags = 32
	default:
		m.Quantity = le.Uint32(b[14:])
		m.Symbol = Symbol(b[18:])
		m.Price = Price(le.Uint64(b[26:]))
		flags = 34
		if len(b) >= 39 {
			m.Participant = [4]byte(b[35:])
		}
		if len(b) >= 40 {
			m.Customer = b[39]
		}
	}
	m.Flags = at(b, flags)
	return nil
}

// at returns the byte at an offset, 0 where the message is too short to have it.
func at(b []byte, offset int) byte {
	if offset < len(b) {
		return b[offset]
	}
	return 0
}

// OrderExecuted (23) is an execution of a visible order at the order's own price.
type OrderExecuted struct {
	Header
	OrderID   uint64
	Executed  uint32
	Execution uint64 // names the execution within the day
}

// Append appends the message to b.
func (m *OrderExecuted) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderExecuted)
	b = le.AppendUint64(b, m.OrderID)
	b = le.AppendUint32(b, m.Executed)
	return le.AppendUint64(b, m.Execution)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderExecuted) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeOrderExecuted); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	m.Executed = le.Uint32(b[13:])
	m.Execution = le.Uint64(b[17:])
	return nil
}

// OrderExecutedAtPrice (24) is an execution of a visible order at another price than its own, or one
// after which the order does not show what it showed before less what was executed, because a part of it is
// hidden. The order then shows Remaining, and if that is not the difference it goes to the end of its
// queue. With nothing Remaining it goes.
type OrderExecutedAtPrice struct {
	Header
	OrderID   uint64
	Executed  uint32 // may be more than the order showed
	Remaining uint32
	Execution uint64 // names the execution within the day
	Price     Price  // of the execution; the order keeps its own
}

// Append appends the message to b.
func (m *OrderExecutedAtPrice) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderExecutedAtPrice)
	b = le.AppendUint64(b, m.OrderID)
	b = le.AppendUint32(b, m.Executed)
	b = le.AppendUint32(b, m.Remaining)
	b = le.AppendUint64(b, m.Execution)
	return le.AppendUint64(b, uint64(m.Price))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderExecutedAtPrice) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeOrderExecutedAtPrice); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	m.Executed = le.Uint32(b[13:])
	m.Remaining = le.Uint32(b[17:])
	m.Execution = le.Uint64(b[21:])
	m.Price = Price(le.Uint64(b[29:]))
	return nil
}

// ReduceSize (25, 26) takes shares off an order that stays in the book, in its place.
type ReduceSize struct {
	Header
	OrderID  uint64
	Canceled uint32
}

// Append appends the message to b, in its short form where that holds the quantity.
func (m *ReduceSize) Append(b []byte) []byte {
	if m.Canceled <= math.MaxUint16 {
		b = m.Header.append(b, TypeReduceSizeShort)
		b = le.AppendUint64(b, m.OrderID)
		return le.AppendUint16(b, uint16(m.Canceled))
	}
	b = m.Header.append(b, TypeReduceSizeLong)
	b = le.AppendUint64(b, m.OrderID)
	return le.AppendUint32(b, m.Canceled)
}

// Parse reads the message from b, whichever its form. The error is ErrType or ErrLength.
func (m *ReduceSize) Parse(b []byte) error {
	typ := firstOf(b, TypeReduceSizeShort, TypeReduceSizeLong)
	if err := m.Header.parse(b, typ); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	if typ == TypeReduceSizeShort {
		m.Canceled = uint32(le.Uint16(b[13:]))
	} else {
		m.Canceled = le.Uint32(b[13:])
	}
	return nil
}

// ModifyOrder (27, 28) gives an order another price, another quantity, or both. It goes to the end of the
// queue, even if nothing changes, unless FlagKeepPriority is set.
type ModifyOrder struct {
	Header
	OrderID  uint64
	Quantity uint32
	Price    Price
	Flags    uint8
}

// Append appends the message to b, in its short form where that holds quantity and price.
func (m *ModifyOrder) Append(b []byte) []byte {
	if short, ok := m.Price.short(); ok && m.Quantity <= math.MaxUint16 {
		b = m.Header.append(b, TypeModifyOrderShort)
		b = le.AppendUint64(b, m.OrderID)
		b = le.AppendUint16(b, uint16(m.Quantity))
		b = le.AppendUint16(b, short)
	} else {
		b = m.Header.append(b, TypeModifyOrderLong)
		b = le.AppendUint64(b, m.OrderID)
		b = le.AppendUint32(b, m.Quantity)
		b = le.AppendUint64(b, uint64(m.Price))
	}
	return append(b, m.Flags)
}

// Parse reads the message from b, whichever its form. The error is ErrType or ErrLength.
func (m *ModifyOrder) Parse(b []byte) error {
	typ := firstOf(b, TypeModifyOrderShort, TypeModifyOrderLong)
	if err := m.Header.parse(b, typ); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	if typ == TypeModifyOrderShort {
		m.Quantity = uint32(le.Uint16(b[13:]))
		m.Price = Price(le.Uint16(b[15:])) * shortPerLong
		m.Flags = at(b, 17)
	} else {
		m.Quantity = le.Uint32(b[13:])
		m.Price = Price(le.Uint64(b[17:]))
		m.Flags = at(b, 25)
	}
	return nil
}

// DeleteOrder (29) takes an order off the book. It may come back with an AddOrder of the same number.
type DeleteOrder struct {
	Header
	OrderID uint64
}

// Append appends the message to b.
func (m *DeleteOrder) Append(b []byte) []byte {
	b = m.Header.append(b, TypeDeleteOrder)
	return le.AppendUint64(b, m.OrderID)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *DeleteOrder) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeDeleteOrder); err != nil {
		return err
	}
	m.OrderID = le.Uint64(b[5:])
	return nil
}
