package itch50

// AddOrder ('A') is a new visible order without attribution.
type AddOrder struct {
	Header
	OrderRef uint64 // names the order within the day
	Side     byte   // Buy or Sell
	Shares   uint32
	Stock    Symbol
	Price    Price4
}

// Append appends the message to b.
func (m *AddOrder) Append(b []byte) []byte { return m.append(b, TypeAddOrder) }

func (m *AddOrder) append(b []byte, typ byte) []byte {
	b = m.Header.append(b, typ)
	b = be.AppendUint64(b, m.OrderRef)
	b = append(b, m.Side)
	b = be.AppendUint32(b, m.Shares)
	b = append(b, m.Stock[:]...)
	return be.AppendUint32(b, uint32(m.Price))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *AddOrder) Parse(b []byte) error { return m.parse(b, TypeAddOrder) }

func (m *AddOrder) parse(b []byte, typ byte) error {
	if err := m.Header.parse(b, typ); err != nil {
		return err
	}
	m.OrderRef = be.Uint64(b[11:])
	m.Side = b[19]
	m.Shares = be.Uint32(b[20:])
	m.Stock = Symbol(b[24:])
	m.Price = Price4(be.Uint32(b[32:]))
	return nil
}

// AddOrderMPID ('F') is a new visible order that names its market participant.
type AddOrderMPID struct {
	AddOrder
	Attribution MPID
}

// Append appends the message to b.
func (m *AddOrderMPID) Append(b []byte) []byte {
	b = m.AddOrder.append(b, TypeAddOrderMPID)
	return append(b, m.Attribution[:]...)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *AddOrderMPID) Parse(b []byte) error {
	if err := m.AddOrder.parse(b, TypeAddOrderMPID); err != nil {
		return err
	}
	m.Attribution = MPID(b[36:])
	return nil
}

// OrderExecuted ('E') is an execution of a visible order at the order's own price.
type OrderExecuted struct {
	Header
	OrderRef uint64
	Shares   uint32 // executed
	Match    uint64 // match number: names the execution within the day
}

// Append appends the message to b.
func (m *OrderExecuted) Append(b []byte) []byte { return m.append(b, TypeOrderExecuted) }

func (m *OrderExecuted) append(b []byte, typ byte) []byte {
	b = m.Header.append(b, typ)
	b = be.AppendUint64(b, m.OrderRef)
	b = be.AppendUint32(b, m.Shares)
	return be.AppendUint64(b, m.Match)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderExecuted) Parse(b []byte) error { return m.parse(b, TypeOrderExecuted) }

func (m *OrderExecuted) parse(b []byte, typ byte) error {
	if err := m.Header.parse(b, typ); err != nil {
		return err
	}
	m.OrderRef = be.Uint64(b[11:])
	m.Shares = be.Uint32(b[19:])
	m.Match = be.Uint64(b[23:])
	return nil
}

// OrderExecutedWithPrice ('C') is an execution of a visible order at a price other than its own.
type OrderExecutedWithPrice struct {
	OrderExecuted
	Printable byte // 'Y'; 'N' for an execution that a later CrossTrade reports in bulk
	Price     Price4
}

// Append appends the message to b.
func (m *OrderExecutedWithPrice) Append(b []byte) []byte {
	b = m.OrderExecuted.append(b, TypeOrderExecutedWithPrice)
	b = append(b, m.Printable)
	return be.AppendUint32(b, uint32(m.Price))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderExecutedWithPrice) Parse(b []byte) error {
	if err := m.OrderExecuted.parse(b, TypeOrderExecutedWithPrice); err != nil {
		return err
	}
	m.Printable = b[31]
	m.Price = Price4(be.Uint32(b[32:]))
	return nil
}

// OrderCancel ('X') takes shares off an order that stays in the book.
type OrderCancel struct {
	Header
	OrderRef uint64
	Shares   uint32 // canceled
}

// Append appends the message to b.
func (m *OrderCancel) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderCancel)
	b = be.AppendUint64(b, m.OrderRef)
	return be.AppendUint32(b, m.Shares)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderCancel) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeOrderCancel); err != nil {
		return err
	}
	m.OrderRef = be.Uint64(b[11:])
	m.Shares = be.Uint32(b[19:])
	return nil
}

// OrderDelete ('D') takes an order off the book.
type OrderDelete struct {
	Header
	OrderRef uint64
}

// Append appends the message to b.
func (m *OrderDelete) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderDelete)
	return be.AppendUint64(b, m.OrderRef)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderDelete) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeOrderDelete); err != nil {
		return err
	}
	m.OrderRef = be.Uint64(b[11:])
	return nil
}

// OrderReplace ('U') takes an order off the book and adds another on the same side of the same
// security, behind every order at its price.
type OrderReplace struct {
	Header
	OrderRef    uint64 // the order that goes
	NewOrderRef uint64 // the order that comes
	Shares      uint32 // of the new order
	Price       Price4 // of the new order
}

// Append appends the message to b.
func (m *OrderReplace) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderReplace)
	b = be.AppendUint64(b, m.OrderRef)
	b = be.AppendUint64(b, m.NewOrderRef)
	b = be.AppendUint32(b, m.Shares)
	return be.AppendUint32(b, uint32(m.Price))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OrderReplace) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeOrderReplace); err != nil {
		return err
	}
	m.OrderRef = be.Uint64(b[11:])
	m.NewOrderRef = be.Uint64(b[19:])
	m.Shares = be.Uint32(b[27:])
	m.Price = Price4(be.Uint32(b[31:]))
	return nil
}

// Trade ('P') is an execution against an order that was not visible. It changes no visible book.
type Trade struct {
	Header
	OrderRef uint64 // zero since December 2010
	Side     byte   // of the resting order; Buy whatever it was since July 2014
	Shares   uint32
	Stock    Symbol
	Price    Price4
	Match    uint64
}

// Append appends the message to b.
func (m *Trade) Append(b []byte) []byte {
	b = m.Header.append(b, TypeTrade)
	b = be.AppendUint64(b, m.OrderRef)
	b = append(b, m.Side)
	b = be.AppendUint32(b, m.Shares)
	b = append(b, m.Stock[:]...)
	b = be.AppendUint32(b, uint32(m.Price))
	return be.AppendUint64(b, m.Match)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *Trade) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeTrade); err != nil {
		return err
	}
	m.OrderRef = be.Uint64(b[11:])
	m.Side = b[19]
	m.Shares = be.Uint32(b[20:])
	m.Stock = Symbol(b[24:])
	m.Price = Price4(be.Uint32(b[32:]))
	m.Match = be.Uint64(b[36:])
	return nil
}

// CrossTrade ('Q') is the bulk print of an auction. Every scheduled auction has one; Shares is 0
// where nothing was matched.
type CrossTrade struct {
	Header
	Shares    uint64
	Stock     Symbol
	Price     Price4 // at which the auction cleared
	Match     uint64
	CrossType byte // 'O' opening, 'C' closing, 'H' IPO or after a halt or pause, 'A' extended trading close
}

// Append appends the message to b.
func (m *CrossTrade) Append(b []byte) []byte {
	b = m.Header.append(b, TypeCrossTrade)
	b = be.AppendUint64(b, m.Shares)
	b = append(b, m.Stock[:]...)
	b = be.AppendUint32(b, uint32(m.Price))
	b = be.AppendUint64(b, m.Match)
	return append(b, m.CrossType)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *CrossTrade) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeCrossTrade); err != nil {
		return err
	}
	m.Shares = be.Uint64(b[11:])
	m.Stock = Symbol(b[19:])
	m.Price = Price4(be.Uint32(b[27:]))
	m.Match = be.Uint64(b[31:])
	m.CrossType = b[39]
	return nil
}

// BrokenTrade ('B') says that an earlier execution is void.
type BrokenTrade struct {
	Header
	Match uint64 // of the execution that is void
}

// Append appends the message to b.
func (m *BrokenTrade) Append(b []byte) []byte {
	b = m.Header.append(b, TypeBrokenTrade)
	return be.AppendUint64(b, m.Match)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *BrokenTrade) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeBrokenTrade); err != nil {
		return err
	}
	m.Match = be.Uint64(b[11:])
	return nil
}
