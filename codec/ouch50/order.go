package ouch50

// OrderAccepted ('A') says that an order lives, or lived, and with which values. They can be others
// than those that were asked for.
type OrderAccepted struct {
	Header
	Side        byte // Buy, Sell, SellShort or SellShortExempt
	Quantity    uint32
	Symbol      Symbol
	Price       Price
	TimeInForce byte
	Display     byte
	OrderRef    uint64 // the venue's number of the order, unique within the day
	Capacity    byte
	ISO         byte
	CrossType   byte
	State       byte // Live or Dead
	ClOrdID     ClOrdID
	Appendage   Appendage
}

// Append appends the message to b.
func (m *OrderAccepted) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderAccepted)
	return orderAccepted.appendAppendage(m.appendOrder(b), m.Appendage)
}

// appendOrder appends what OrderAccepted and OrderReplaced share, from Side to ClOrdID.
func (m *OrderAccepted) appendOrder(b []byte) []byte {
	b = append(b, m.Side)
	b = be.AppendUint32(b, m.Quantity)
	b = append(b, m.Symbol[:]...)
	b = be.AppendUint64(b, uint64(m.Price))
	b = append(b, m.TimeInForce, m.Display)
	b = be.AppendUint64(b, m.OrderRef)
	b = append(b, m.Capacity, m.ISO, m.CrossType, m.State)
	return append(b, m.ClOrdID[:]...)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's:
// ErrField for a Side or State that there is not.
func (m *OrderAccepted) Parse(b []byte) error {
	a, err := orderAccepted.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.parseOrder(b[headerLen:lenOrderAccepted])
	m.Appendage = a
	return judged(err, m.fieldsOK())
}

// parseOrder reads what appendOrder appends.
func (m *OrderAccepted) parseOrder(b []byte) {
	m.Side = b[0]
	m.Quantity = be.Uint32(b[1:])
	m.Symbol = Symbol(b[5:])
	m.Price = Price(be.Uint64(b[13:]))
	m.TimeInForce = b[21]
	m.Display = b[22]
	m.OrderRef = be.Uint64(b[23:])
	m.Capacity = b[31]
	m.ISO = b[32]
	m.CrossType = b[33]
	m.State = b[34]
	m.ClOrdID = ClOrdID(b[35:])
}

func (m *OrderAccepted) fieldsOK() bool {
	return oneOf(m.Side, sides) && (m.State == Live || m.State == Dead)
}

// OrderReplaced ('U') says that an order, with the values that it has now, came in the place of another.
// Quantity is what is open.
type OrderReplaced struct {
	OrderAccepted
	OrigUserRefNum uint32 // of the order that went
}

// Append appends the message to b.
func (m *OrderReplaced) Append(b []byte) []byte {
	b = append(b, TypeOrderReplaced)
	b = be.AppendUint64(b, m.Timestamp)
	b = be.AppendUint32(b, m.OrigUserRefNum)
	b = be.AppendUint32(b, m.UserRefNum)
	return orderReplaced.appendAppendage(m.appendOrder(b), m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's:
// ErrField for a Side or State that there is not.
func (m *OrderReplaced) Parse(b []byte) error {
	a, err := orderReplaced.split(b)
	if unread(err) {
		return err
	}
	m.Timestamp = be.Uint64(b[1:])
	m.OrigUserRefNum = be.Uint32(b[9:])
	m.UserRefNum = be.Uint32(b[13:])
	m.parseOrder(b[17:lenOrderReplaced])
	m.Appendage = a
	return judged(err, m.fieldsOK())
}

// OrderPriorityUpdate ('T') says that an order has another place in the queue, and another number.
type OrderPriorityUpdate struct {
	Header
	Price     Price
	Display   byte
	OrderRef  uint64 // the venue's new number of the order
	Appendage Appendage
}

// Append appends the message to b.
func (m *OrderPriorityUpdate) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderPriorityUpdate)
	b = be.AppendUint64(b, uint64(m.Price))
	b = append(b, m.Display)
	b = be.AppendUint64(b, m.OrderRef)
	return orderPriorityUpdate.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *OrderPriorityUpdate) Parse(b []byte) error {
	a, err := orderPriorityUpdate.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Price = Price(be.Uint64(b[13:]))
	m.Display = b[21]
	m.OrderRef = be.Uint64(b[22:])
	m.Appendage = a
	return err
}

// OrderModified ('M') answers a ModifyOrder.
type OrderModified struct {
	Header
	Side      byte
	Quantity  uint32 // shares that are open
	Appendage Appendage
}

// Append appends the message to b.
func (m *OrderModified) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOrderModified)
	b = append(b, m.Side)
	b = be.AppendUint32(b, m.Quantity)
	return orderModified.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's:
// ErrField for a Side that there is not.
func (m *OrderModified) Parse(b []byte) error {
	a, err := orderModified.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Side = b[13]
	m.Quantity = be.Uint32(b[14:])
	m.Appendage = a
	return judged(err, oneOf(m.Side, sides))
}

// OrderRestated ('R') says that an order changed by itself. What changed is in the Appendage.
type OrderRestated struct {
	Header
	Reason    byte // RestatedDisplay, RestatedPrice
	Appendage Appendage
}

// Append appends the message to b.
func (m *OrderRestated) Append(b []byte) []byte {
	b = append(m.Header.append(b, TypeOrderRestated), m.Reason)
	return orderRestated.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *OrderRestated) Parse(b []byte) error {
	a, err := orderRestated.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Reason = b[13]
	m.Appendage = a
	return err
}

// Rejected ('J') says that what was asked for was not done.
type Rejected struct {
	Header
	Reason    RejectReason
	ClOrdID   ClOrdID
	Appendage Appendage
}

// Append appends the message to b.
func (m *Rejected) Append(b []byte) []byte {
	b = m.Header.append(b, TypeRejected)
	b = be.AppendUint16(b, uint16(m.Reason))
	b = append(b, m.ClOrdID[:]...)
	return rejected.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *Rejected) Parse(b []byte) error {
	a, err := rejected.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Reason = RejectReason(be.Uint16(b[13:]))
	m.ClOrdID = ClOrdID(b[15:])
	m.Appendage = a
	return err
}
