package ouch50

// SystemEvent ('S') is about the day as a whole.
type SystemEvent struct {
	Timestamp uint64 // nanoseconds since midnight, New York time
	Event     byte   // StartOfDay, EndOfDay
}

// Append appends the message to b.
func (m *SystemEvent) Append(b []byte) []byte {
	b = append(b, TypeSystemEvent)
	b = be.AppendUint64(b, m.Timestamp)
	return append(b, m.Event)
}

// Parse reads the message from b. The error is ErrType, ErrShort or ErrLong.
func (m *SystemEvent) Parse(b []byte) error {
	if _, err := systemEvent.split(b); err != nil {
		return err
	}
	m.Timestamp = be.Uint64(b[1:])
	m.Event = b[9]
	return nil
}

// MassCancelResponse ('X') answers a MassCancel. TagSide and TagGroupID are as in the request.
type MassCancelResponse struct {
	Header
	Firm      Firm
	Symbol    Symbol // blank for all
	Appendage Appendage
}

// Append appends the message to b.
func (m *MassCancelResponse) Append(b []byte) []byte {
	b = m.Header.append(b, TypeMassCancelResponse)
	b = append(b, m.Firm[:]...)
	b = append(b, m.Symbol[:]...)
	return massCancelResponse.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *MassCancelResponse) Parse(b []byte) error {
	a, err := massCancelResponse.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Firm = Firm(b[13:])
	m.Symbol = Symbol(b[17:])
	m.Appendage = a
	return err
}

// OrderEntryControlResponse has the fields of DisableOrderEntryResponse and EnableOrderEntryResponse.
type OrderEntryControlResponse struct {
	Header
	Firm      Firm
	Appendage Appendage
}

func (m *OrderEntryControlResponse) append(b []byte, f *format) []byte {
	b = m.Header.append(b, f.typ)
	b = append(b, m.Firm[:]...)
	return f.appendAppendage(b, m.Appendage)
}

func (m *OrderEntryControlResponse) parse(b []byte, f *format) error {
	a, err := f.split(b)
	if unread(err) {
		return err
	}
	m.Header.parse(b)
	m.Firm = Firm(b[13:])
	m.Appendage = a
	return err
}

// DisableOrderEntryResponse ('G') says that no more orders of a firm are taken.
type DisableOrderEntryResponse struct{ OrderEntryControlResponse }

// Append appends the message to b.
func (m *DisableOrderEntryResponse) Append(b []byte) []byte {
	return m.append(b, &disableOrderEntryResponse)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *DisableOrderEntryResponse) Parse(b []byte) error {
	return m.parse(b, &disableOrderEntryResponse)
}

// EnableOrderEntryResponse ('K') says that orders of a firm are taken again.
type EnableOrderEntryResponse struct{ OrderEntryControlResponse }

// Append appends the message to b.
func (m *EnableOrderEntryResponse) Append(b []byte) []byte {
	return m.append(b, &enableOrderEntryResponse)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *EnableOrderEntryResponse) Parse(b []byte) error {
	return m.parse(b, &enableOrderEntryResponse)
}

// AccountQueryResponse ('Q') answers an AccountQuery.
type AccountQueryResponse struct {
	Timestamp      uint64 // nanoseconds since midnight, New York time
	NextUserRefNum uint32 // the lowest that can still be used
	Appendage      Appendage
}

// Append appends the message to b.
func (m *AccountQueryResponse) Append(b []byte) []byte {
	b = append(b, TypeAccountQueryResponse)
	b = be.AppendUint64(b, m.Timestamp)
	b = be.AppendUint32(b, m.NextUserRefNum)
	return accountQueryResponse.appendAppendage(b, m.Appendage)
}

// Parse reads the message from b. The Appendage is a view of b. The error is one of the package's, and
// never ErrField.
func (m *AccountQueryResponse) Parse(b []byte) error {
	a, err := accountQueryResponse.split(b)
	if unread(err) {
		return err
	}
	m.Timestamp = be.Uint64(b[1:])
	m.NextUserRefNum = be.Uint32(b[9:])
	m.Appendage = a
	return err
}
