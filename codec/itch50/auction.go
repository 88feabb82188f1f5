package itch50

// NOII ('I') is the net order imbalance indicator: the state of an auction before it takes place.
type NOII struct {
	Header
	Paired    uint64 // shares that would match at Reference
	Imbalance uint64 // shares that would not
	Direction byte   // 'B' buy, 'S' sell, 'N' none, 'O' too few orders to say, 'P' paused
	Stock     Symbol
	Far       Price4 // clearing price of auction orders alone; 0 where there is none
	Near      Price4 // clearing price of auction and continuous orders; 0 where there is none
	Reference Price4
	CrossType byte // 'O' opening, 'C' closing, 'H' IPO or after a halt or pause, 'A' extended trading close
	Variation byte // how far Near is from Reference: 'L', '1' to '9', 'A' to 'C', ' ' cannot be said
}

// Append appends the message to b.
func (m *NOII) Append(b []byte) []byte {
	b = m.Header.append(b, TypeNOII)
	b = be.AppendUint64(b, m.Paired)
	b = be.AppendUint64(b, m.Imbalance)
	b = append(b, m.Direction)
	b = append(b, m.Stock[:]...)
	b = be.AppendUint32(b, uint32(m.Far))
	b = be.AppendUint32(b, uint32(m.Near))
	b = be.AppendUint32(b, uint32(m.Reference))
	return append(b, m.CrossType, m.Variation)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *NOII) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeNOII); err != nil {
		return err
	}
	m.Paired = be.Uint64(b[11:])
	m.Imbalance = be.Uint64(b[19:])
	m.Direction = b[27]
	m.Stock = Symbol(b[28:])
	m.Far = Price4(be.Uint32(b[36:]))
	m.Near = Price4(be.Uint32(b[40:]))
	m.Reference = Price4(be.Uint32(b[44:]))
	m.CrossType = b[48]
	m.Variation = b[49]
	return nil
}

// RPII ('N') is the retail price improvement indicator: whether retail interest rests inside the
// spread.
type RPII struct {
	Header
	Stock    Symbol
	Interest byte // 'B' on the buy side, 'S' on the sell side, 'A' on both, 'N' on none
}

// Append appends the message to b.
func (m *RPII) Append(b []byte) []byte {
	b = m.Header.append(b, TypeRPII)
	b = append(b, m.Stock[:]...)
	return append(b, m.Interest)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *RPII) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeRPII); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.Interest = b[19]
	return nil
}

// DirectListing ('O') is the price discovery of a direct listing with a capital raise.
type DirectListing struct {
	Header
	Stock        Symbol
	OpenEligible byte   // 'Y' may be released for trading, 'N' may not
	MinPrice     Price4 // lowest allowed
	MaxPrice     Price4 // highest allowed
	NearPrice    Price4 // reference price when the volatility test passed
	NearTime     uint64 // when NearPrice was set
	LowerCollar  Price4
	UpperCollar  Price4
}

// Append appends the message to b.
func (m *DirectListing) Append(b []byte) []byte {
	b = m.Header.append(b, TypeDirectListing)
	b = append(b, m.Stock[:]...)
	b = append(b, m.OpenEligible)
	b = be.AppendUint32(b, uint32(m.MinPrice))
	b = be.AppendUint32(b, uint32(m.MaxPrice))
	b = be.AppendUint32(b, uint32(m.NearPrice))
	b = be.AppendUint64(b, m.NearTime)
	b = be.AppendUint32(b, uint32(m.LowerCollar))
	return be.AppendUint32(b, uint32(m.UpperCollar))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *DirectListing) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeDirectListing); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.OpenEligible = b[19]
	m.MinPrice = Price4(be.Uint32(b[20:]))
	m.MaxPrice = Price4(be.Uint32(b[24:]))
	m.NearPrice = Price4(be.Uint32(b[28:]))
	m.NearTime = be.Uint64(b[32:])
	m.LowerCollar = Price4(be.Uint32(b[40:]))
	m.UpperCollar = Price4(be.Uint32(b[44:]))
	return nil
}
