package ouch50

// OrderExecuted ('E') says that shares of an order were executed.
type OrderExecuted struct {
	Header
	Quantity  uint32 // shares executed
	Price     Price
	Liquidity byte   // LiquidityAdded, LiquidityRemoved, ...
	Match     uint64 // match number: both sides of an execution have the same
	Appendage Appendage
}

// Append appends the message to b.
func (m *OrderExecuted) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderExecuted)
	b = be.AppendUint32(b, m.Quantity)
	b = be.AppendUint64(b, uint64(m.Price))
	b = append(b, m.Liquidity)
	b = be.AppendUint64(b, m.Match)
	return orderExecuted.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *OrderExecuted) Parse(b []byte) error {
	a, err := orderExecuted.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Quantity = be.Uint32(b[13:])
	m.Price = Price(be.Uint64(b[17:]))
	m.Liquidity = b[25]
	m.Match = be.Uint64(b[26:])
	m.Appendage = a
	return err
}

// BrokenTrade ('B') says that an execution does not count.
type BrokenTrade struct {
	Header
	Match     uint64 // of the OrderExecuted
	Reason    byte   // BrokenErroneous, ...
	ClOrdID   ClOrdID
	Appendage Appendage
}

// Append appends the message to b.
func (m *BrokenTrade) Append(b []byte) []byte {
	b = m.Header.append(b, TypeBrokenTrade)
	b = be.AppendUint64(b, m.Match)
	b = append(b, m.Reason)
	b = append(b, m.ClOrdID[:]...)
	return brokenTrade.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *BrokenTrade) Parse(b []byte) error {
	a, err := brokenTrade.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Match = be.Uint64(b[13:])
	m.Reason = b[21]
	m.ClOrdID = ClOrdID(b[22:])
	m.Appendage = a
	return err
}

// OrderCanceled ('C') says that shares were taken off an order. It is gone when none are open.
type OrderCanceled struct {
	Header
	Quantity  uint32 // shares taken off
	Reason    byte   // CanceledByUser, ...
	Appendage Appendage
}

// Append appends the message to b.
func (m *OrderCanceled) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderCanceled)
	b = be.AppendUint32(b, m.Quantity)
	b = append(b, m.Reason)
	return orderCanceled.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *OrderCanceled) Parse(b []byte) error {
	a, err := orderCanceled.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Quantity = be.Uint32(b[13:])
	m.Reason = b[17]
	m.Appendage = a
	return err
}

// AIQCanceled ('D') says that shares were taken off an order because it met one of the same firm
// ("anti-internalization").
type AIQCanceled struct {
	Header
	Decrement uint32 // shares taken off
	Reason    byte   // CanceledSelfMatch
	Prevented uint32 // shares that would have been executed
	Price     Price  // at which
	Liquidity byte   // what the order's part would have been
	Strategy  byte   // by which rule
	Appendage Appendage
}

// Append appends the message to b.
func (m *AIQCanceled) Append(b []byte) []byte {
	b = m.Header.append(b, TypeAIQCanceled)
	b = be.AppendUint32(b, m.Decrement)
	b = append(b, m.Reason)
	b = be.AppendUint32(b, m.Prevented)
	b = be.AppendUint64(b, uint64(m.Price))
	b = append(b, m.Liquidity, m.Strategy)
	return aiqCanceled.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *AIQCanceled) Parse(b []byte) error {
	a, err := aiqCanceled.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Decrement = be.Uint32(b[13:])
	m.Reason = b[17]
	m.Prevented = be.Uint32(b[18:])
	m.Price = Price(be.Uint64(b[22:]))
	m.Liquidity = b[30]
	m.Strategy = b[31]
	m.Appendage = a
	return err
}

// Notice has the fields of CancelPending and CancelReject.
type Notice struct {
	Header
	Appendage Appendage
}

func (m *Notice) append(b []byte, f *format) []byte {
	return f.appendAppendage(m.Header.append(b, f.typ), m.Appendage)
}

func (m *Notice) parse(b []byte, f *format) error {
	a, err := f.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Appendage = a
	return err
}

// CancelPending ('P') says that a cancel has to wait: the order is in a cross.
type CancelPending struct{ Notice }

// Append appends the message to b.
func (m *CancelPending) Append(b []byte) []byte { return m.append(b, &cancelPending) }

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *CancelPending) Parse(b []byte) error { return m.parse(b, &cancelPending) }

// CancelReject ('I') says that an order cannot be canceled now.
type CancelReject struct{ Notice }

// Append appends the message to b.
func (m *CancelReject) Append(b []byte) []byte { return m.append(b, &cancelReject) }

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *CancelReject) Parse(b []byte) error { return m.parse(b, &cancelReject) }
