package pitch

// Time (20) names the second that the times of the unit's next messages count from. It comes with the
// first message of each second that has any.
type Time struct {
	Seconds uint32 // since midnight in New York
}

// Append appends the message to b.
func (m *Time) Append(b []byte) []byte {
	return le.AppendUint32(append(b, TypeTime), m.Seconds)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *Time) Parse(b []byte) error {
	if err := check(b, TypeTime); err != nil {
		return err
	}
	m.Seconds = le.Uint32(b[1:])
	return nil
}

// UnitClear (97) says that every order of the unit is gone. It comes when the venue starts in the
// morning, and when it recovers from a failure.
type UnitClear struct{ Header }

// Append appends the message to b.
func (m *UnitClear) Append(b []byte) []byte { return m.Header.append(b, TypeUnitClear) }

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *UnitClear) Parse(b []byte) error { return m.Header.parse(b, TypeUnitClear) }

// EndOfSession (2d) is a unit's last message of the day. Heartbeats may follow.
type EndOfSession struct{ Header }

// Append appends the message to b.
func (m *EndOfSession) Append(b []byte) []byte { return m.Header.append(b, TypeEndOfSession) }

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *EndOfSession) Parse(b []byte) error { return m.Header.parse(b, TypeEndOfSession) }

// SymbolMapping (2e) says which option series a symbol of an options feed stands for. It is sent again
// and again in unsequenced packets. Equities have none.
type SymbolMapping struct {
	FeedSymbol [6]byte
	OSI        [21]byte // root, expiration, put or call, strike
	Condition  byte     // 'N' normal, 'C' closing only
	Underlying [8]byte  // spaces where an older edition does not say
}

// Append appends the message to b.
func (m *SymbolMapping) Append(b []byte) []byte {
	b = append(b, TypeSymbolMapping)
	b = append(b, m.FeedSymbol[:]...)
	b = append(b, m.OSI[:]...)
	b = append(b, m.Condition)
	return append(b, m.Underlying[:]...)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *SymbolMapping) Parse(b []byte) error {
	if err := check(b, TypeSymbolMapping); err != nil {
		return err
	}
	m.FeedSymbol = [6]byte(b[1:])
	m.OSI = [21]byte(b[7:])
	m.Condition = b[28]
	m.Underlying = [8]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	if len(b) >= 37 {
		m.Underlying = [8]byte(b[29:])
	}
	return nil
}

// TradingStatus (31) says whether a security trades. Every security is suspended until the first.
type TradingStatus struct {
	Header
	Symbol    Symbol
	Status    byte    // 'A' queues orders, 'H' halted, 'Q' quote only, 'S' suspended here alone, 'T' trading
	ShortSale byte    // '1' while the price test of Regulation SHO is in effect, else '0'
	Reserved  [2]byte // spaces
}

// Append appends the message to b.
func (m *TradingStatus) Append(b []byte) []byte {
	b = m.Header.append(b, TypeTradingStatus)
	b = append(b, m.Symbol[:]...)
	b = append(b, m.Status, m.ShortSale)
	return append(b, m.Reserved[:]...)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *TradingStatus) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeTradingStatus); err != nil {
		return err
	}
	m.Symbol = Symbol(b[5:])
	m.Status, m.ShortSale = b[13], b[14]
	m.Reserved = [2]byte(b[15:])
	return nil
}

// AuctionUpdate (95) is the state of an auction of a security that BZX lists, or of a periodic auction of
// BYX. Prices that there are none of are 0.
type AuctionUpdate struct {
	Header
	Symbol      Symbol
	Auction     byte   // 'O' opening, 'C' closing, 'H' halt, 'I' IPO, 'M' Cboe Market Close, 'P' periodic
	Reference   Price  // best bid or offer, limited to the collar
	Buy, Sell   uint32 // shares at the reference price
	Indicative  Price  // at which the auction's orders and the continuous book would match
	AuctionOnly Price  // at which the auction's orders would match alone
}

// Append appends the message to b.
func (m *AuctionUpdate) Append(b []byte) []byte {
	b = m.Header.append(b, TypeAuctionUpdate)
	b = append(b, m.Symbol[:]...)
	b = append(b, m.Auction)
	b = le.AppendUint64(b, uint64(m.Reference))
	b = le.AppendUint32(b, m.Buy)
	b = le.AppendUint32(b, m.Sell)
	b = le.AppendUint64(b, uint64(m.Indicative))
	return le.AppendUint64(b, uint64(m.AuctionOnly))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *AuctionUpdate) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeAuctionUpdate); err != nil {
		return err
	}
	m.Symbol = Symbol(b[5:])
	m.Auction = b[13]
	m.Reference = Price(le.Uint64(b[14:]))
	m.Buy = le.Uint32(b[22:])
	m.Sell = le.Uint32(b[26:])
	m.Indicative = Price(le.Uint64(b[30:]))
	m.AuctionOnly = Price(le.Uint64(b[38:]))
	return nil
}

// AuctionSummary (96) is what an auction came to. The executions that make it up have messages of their
// own: it is no trade.
type AuctionSummary struct {
	Header
	Symbol  Symbol
	Auction byte // as in AuctionUpdate
	Price   Price
	Shares  uint32 // executed in all
}

// Append appends the message to b.
func (m *AuctionSummary) Append(b []byte) []byte {
	b = m.Header.append(b, TypeAuctionSummary)
	b = append(b, m.Symbol[:]...)
	b = append(b, m.Auction)
	b = le.AppendUint64(b, uint64(m.Price))
	return le.AppendUint32(b, m.Shares)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *AuctionSummary) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeAuctionSummary); err != nil {
		return err
	}
	m.Symbol = Symbol(b[5:])
	m.Auction = b[13]
	m.Price = Price(le.Uint64(b[14:]))
	m.Shares = le.Uint32(b[22:])
	return nil
}

// RetailPriceImprovement (98) says on which sides orders wait that would give retail orders a better
// price than any displayed.
type RetailPriceImprovement struct {
	Header
	Symbol    Symbol
	Indicator byte // 'B' buy side, 'S' sell side, 'A' both, 'N' none
}

// Append appends the message to b.
func (m *RetailPriceImprovement) Append(b []byte) []byte {
	b = m.Header.append(b, TypeRetailPriceImprovement)
	b = append(b, m.Symbol[:]...)
	return append(b, m.Indicator)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *RetailPriceImprovement) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeRetailPriceImprovement); err != nil {
		return err
	}
	m.Symbol = Symbol(b[5:])
	m.Indicator = b[13]
	return nil
}
