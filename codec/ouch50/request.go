package ouch50

// EnterOrder ('O') asks for a new order.
type EnterOrder struct {
	UserRefNum  uint32 // higher than all before: see RefSequence
	Side        byte   // Buy, Sell, SellShort or SellShortExempt
	Quantity    uint32 // shares, 1 to QuantityMax
	Symbol      Symbol
	Price       Price // 1 to LimitMax, MarketPrice or MarketCrossPrice
	TimeInForce byte  // Day, Immediate, ...
	Display     byte  // Visible, Hidden or Attributable
	Capacity    byte  // Agency, Principal, ...
	ISO         byte  // intermarket sweep: Yes or No
	CrossType   byte  // ContinuousMarket, OpeningCross, ...
	ClOrdID     ClOrdID
	Appendage   Appendage
}

// Append appends the message to b.
func (m *EnterOrder) Append(b []byte) []byte {
	b = append(b, TypeEnterOrder)
	b = be.AppendUint32(b, m.UserRefNum)
	b = append(b, m.Side)
	b = be.AppendUint32(b, m.Quantity)
	b = append(b, m.Symbol[:]...)
	b = be.AppendUint64(b, uint64(m.Price))
	b = append(b, m.TimeInForce, m.Display, m.Capacity, m.ISO, m.CrossType)
	b = append(b, m.ClOrdID[:]...)
	return enterOrder.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's; with
// ErrField Check says what is wrong.
func (m *EnterOrder) Parse(b []byte) error {
	a, err := enterOrder.split(b)
	if unread(err) {
		return err
	}
	m.UserRefNum = be.Uint32(b[1:])
	m.Side = b[5]
	m.Quantity = be.Uint32(b[6:])
	m.Symbol = Symbol(b[10:])
	m.Price = Price(be.Uint64(b[18:]))
	m.TimeInForce = b[26]
	m.Display = b[27]
	m.Capacity = b[28]
	m.ISO = b[29]
	m.CrossType = b[30]
	m.ClOrdID = ClOrdID(b[31:])
	m.Appendage = a
	return judged(err, m.Check() == 0)
}

// Check returns what is to be said in Rejected of the first value that the protocol does not allow, and
// 0 if it allows them all.
func (m *EnterOrder) Check() RejectReason {
	switch {
	case !oneOf(m.Side, sides):
		return RejectInvalidSide
	case !quantityOK(m.Quantity):
		return RejectInvalidQuantity
	case m.Symbol.Blank() || !printable(m.Symbol[:]):
		return RejectInvalidSymbol
	case !m.Price.enterable():
		return RejectInvalidPrice
	case !oneOf(m.Display, displays):
		return RejectInvalidDisplay
	case !oneOf(m.CrossType, crossTypes):
		return RejectInvalidCrossOrder
	case !oneOf(m.TimeInForce, timesInForce) || !oneOf(m.Capacity, capacities) || !oneOf(m.ISO, yesNo) ||
		!printable(m.ClOrdID[:]):
		return RejectOther
	}
	return m.Appendage.check()
}

// ReplaceOrder ('U') asks for another order in the place of one. Side, symbol and what the order takes
// part in stay as they are.
type ReplaceOrder struct {
	OrigUserRefNum uint32 // of the order that goes
	UserRefNum     uint32 // of the order that comes; higher than all before: see RefSequence
	Quantity       uint32 // shares, 1 to QuantityMax; those that were executed count too
	Price          Price  // as in EnterOrder
	TimeInForce    byte   // as in EnterOrder
	Display        byte   // as in EnterOrder
	ISO            byte   // as in EnterOrder
	ClOrdID        ClOrdID
	Appendage      Appendage
}

// Append appends the message to b.
func (m *ReplaceOrder) Append(b []byte) []byte {
	b = append(b, TypeReplaceOrder)
	b = be.AppendUint32(b, m.OrigUserRefNum)
	b = be.AppendUint32(b, m.UserRefNum)
	b = be.AppendUint32(b, m.Quantity)
	b = be.AppendUint64(b, uint64(m.Price))
	b = append(b, m.TimeInForce, m.Display, m.ISO)
	b = append(b, m.ClOrdID[:]...)
	return replaceOrder.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's; with
// ErrField Check says what is wrong.
func (m *ReplaceOrder) Parse(b []byte) error {
	a, err := replaceOrder.split(b)
	if unread(err) {
		return err
	}
	m.OrigUserRefNum = be.Uint32(b[1:])
	m.UserRefNum = be.Uint32(b[5:])
	m.Quantity = be.Uint32(b[9:])
	m.Price = Price(be.Uint64(b[13:]))
	m.TimeInForce = b[21]
	m.Display = b[22]
	m.ISO = b[23]
	m.ClOrdID = ClOrdID(b[24:])
	m.Appendage = a
	return judged(err, m.Check() == 0)
}

// Check returns what is to be said in Rejected of the first value that the protocol does not allow, and
// 0 if it allows them all.
func (m *ReplaceOrder) Check() RejectReason {
	switch {
	case !quantityOK(m.Quantity):
		return RejectInvalidQuantity
	case !m.Price.enterable():
		return RejectInvalidPrice
	case !oneOf(m.Display, displays):
		return RejectInvalidDisplay
	case !oneOf(m.TimeInForce, timesInForce) || !oneOf(m.ISO, yesNo) || !printable(m.ClOrdID[:]):
		return RejectOther
	}
	return m.Appendage.check()
}

// CancelOrder ('X') asks for less of an order, or an end to it.
type CancelOrder struct {
	UserRefNum uint32 // of the order
	Quantity   uint32 // shares that the order shall have, those executed included; 0 cancels all that is open
	Appendage  Appendage
}

// Append appends the message to b.
func (m *CancelOrder) Append(b []byte) []byte {
	b = append(b, TypeCancelOrder)
	b = be.AppendUint32(b, m.UserRefNum)
	b = be.AppendUint32(b, m.Quantity)
	return cancelOrder.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *CancelOrder) Parse(b []byte) error {
	a, err := cancelOrder.split(b)
	if unread(err) {
		return err
	}
	m.UserRefNum = be.Uint32(b[1:])
	m.Quantity = be.Uint32(b[5:])
	m.Appendage = a
	return err
}

// ModifyOrder ('M') asks for another kind of sale, or for less of an order, which keeps its place.
type ModifyOrder struct {
	UserRefNum uint32 // of the order
	Side       byte   // as in EnterOrder; a sale stays a sale
	Quantity   uint32 // shares that the order shall have, those executed included
	Appendage  Appendage
}

// Append appends the message to b.
func (m *ModifyOrder) Append(b []byte) []byte {
	b = append(b, TypeModifyOrder)
	b = be.AppendUint32(b, m.UserRefNum)
	b = append(b, m.Side)
	b = be.AppendUint32(b, m.Quantity)
	return modifyOrder.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's; with
// ErrField Check says what is wrong.
func (m *ModifyOrder) Parse(b []byte) error {
	a, err := modifyOrder.split(b)
	if unread(err) {
		return err
	}
	m.UserRefNum = be.Uint32(b[1:])
	m.Side = b[5]
	m.Quantity = be.Uint32(b[6:])
	m.Appendage = a
	return judged(err, m.Check() == 0)
}

// Check returns what is wrong with the first value that the protocol does not allow, and 0 if it allows
// them all.
func (m *ModifyOrder) Check() RejectReason {
	if !oneOf(m.Side, sides) {
		return RejectInvalidSide
	}
	return m.Appendage.check()
}

// MassCancel ('C') asks for an end to the orders of a firm. TagSide and TagGroupID choose among them.
type MassCancel struct {
	UserRefNum uint32 // higher than all before: see RefSequence
	Firm       Firm
	Symbol     Symbol // blank for all
	Appendage  Appendage
}

// Append appends the message to b.
func (m *MassCancel) Append(b []byte) []byte {
	b = append(b, TypeMassCancel)
	b = be.AppendUint32(b, m.UserRefNum)
	b = append(b, m.Firm[:]...)
	b = append(b, m.Symbol[:]...)
	return massCancel.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's; with
// ErrField Check says what is wrong.
func (m *MassCancel) Parse(b []byte) error {
	a, err := massCancel.split(b)
	if unread(err) {
		return err
	}
	m.UserRefNum = be.Uint32(b[1:])
	m.Firm = Firm(b[5:])
	m.Symbol = Symbol(b[9:])
	m.Appendage = a
	return judged(err, m.Check() == 0)
}

// Check returns what is to be said in Rejected of the first value that the protocol does not allow, and
// 0 if it allows them all.
func (m *MassCancel) Check() RejectReason {
	switch {
	case !printable(m.Firm[:]):
		return RejectFirmNotAuthorized
	case !printable(m.Symbol[:]):
		return RejectInvalidSymbol
	}
	return m.Appendage.check()
}

// OrderEntryControl has the fields of DisableOrderEntry and EnableOrderEntry.
type OrderEntryControl struct {
	UserRefNum uint32 // higher than all before: see RefSequence
	Firm       Firm
	Appendage  Appendage
}

func (m *OrderEntryControl) append(b []byte, f *format) []byte {
	b = append(b, f.typ)
	b = be.AppendUint32(b, m.UserRefNum)
	b = append(b, m.Firm[:]...)
	return f.appendAppendage(b, m.Appendage)
}

func (m *OrderEntryControl) parse(b []byte, f *format) error {
	a, err := f.split(b)
	if unread(err) {
		return err
	}
	m.UserRefNum = be.Uint32(b[1:])
	m.Firm = Firm(b[5:])
	m.Appendage = a
	return judged(err, m.Check() == 0)
}

// Check returns what is to be said in Rejected of the first value that the protocol does not allow, and
// 0 if it allows them all.
func (m *OrderEntryControl) Check() RejectReason {
	if !printable(m.Firm[:]) {
		return RejectFirmNotAuthorized
	}
	return m.Appendage.check()
}

// DisableOrderEntry ('D') asks that no more orders of a firm be taken.
type DisableOrderEntry struct{ OrderEntryControl }

// Append appends the message to b.
func (m *DisableOrderEntry) Append(b []byte) []byte { return m.append(b, &disableOrderEntry) }

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's; with
// ErrField Check says what is wrong.
func (m *DisableOrderEntry) Parse(b []byte) error { return m.parse(b, &disableOrderEntry) }

// EnableOrderEntry ('E') asks that orders of a firm be taken again.
type EnableOrderEntry struct{ OrderEntryControl }

// Append appends the message to b.
func (m *EnableOrderEntry) Append(b []byte) []byte { return m.append(b, &enableOrderEntry) }

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's; with
// ErrField Check says what is wrong.
func (m *EnableOrderEntry) Parse(b []byte) error { return m.parse(b, &enableOrderEntry) }

// AccountQuery ('Q') asks for the lowest UserRefNum that can still be used.
type AccountQuery struct {
	Appendage Appendage
}

// Append appends the message to b.
func (m *AccountQuery) Append(b []byte) []byte {
	return accountQuery.appendAppendage(append(b, TypeAccountQuery), m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *AccountQuery) Parse(b []byte) error {
	a, err := accountQuery.split(b)
	if unread(err) {
		return err
	}
	m.Appendage = a
	return err
}
