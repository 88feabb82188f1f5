package itch50

import "strings"

// SystemEvent ('S') marks a step of the trading day.
type SystemEvent struct {
	Header
	// Event is 'O' start of messages, 'S' start of system hours, 'Q' start of market hours, 'M' end of
	// market hours, 'E' end of system hours, 'C' end of messages.
	Event byte
}

// Append appends the message to b.
func (m *SystemEvent) Append(b []byte) []byte {
	return append(m.Header.append(b, TypeSystemEvent), m.Event)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *SystemEvent) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeSystemEvent); err != nil {
		return err
	}
	m.Event = b[11]
	return nil
}

// StockDirectory ('R') introduces a security: it binds the stock locate to a symbol for the day.
type StockDirectory struct {
	Header
	Stock Symbol
	// MarketCategory is the listing market: 'Q' Nasdaq Global Select, 'G' Nasdaq Global, 'S' Nasdaq
	// Capital, 'N' NYSE, 'A' NYSE American, 'P' NYSE Arca, 'Z' Bats, 'V' Investors' Exchange, ' ' not
	// available.
	MarketCategory         byte
	FinancialStatus        byte
	RoundLotSize           uint32
	RoundLotsOnly          byte // 'Y' or 'N'
	IssueClassification    byte
	IssueSubType           [2]byte
	Authenticity           byte // 'P' live, 'T' test
	ShortSaleThreshold     byte
	IPO                    byte
	LULDReferencePriceTier byte
	ETP                    byte
	ETPLeverageFactor      uint32
	Inverse                byte
}

// Append appends the message to b.
func (m *StockDirectory) Append(b []byte) []byte {
	b = m.Header.append(b, TypeStockDirectory)
	b = append(b, m.Stock[:]...)
	b = append(b, m.MarketCategory, m.FinancialStatus)
	b = be.AppendUint32(b, m.RoundLotSize)
	b = append(b, m.RoundLotsOnly, m.IssueClassification, m.IssueSubType[0], m.IssueSubType[1],
		m.Authenticity, m.ShortSaleThreshold, m.IPO, m.LULDReferencePriceTier, m.ETP)
	b = be.AppendUint32(b, m.ETPLeverageFactor)
	return append(b, m.Inverse)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *StockDirectory) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeStockDirectory); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.MarketCategory = b[19]
	m.FinancialStatus = b[20]
	m.RoundLotSize = be.Uint32(b[21:])
	m.RoundLotsOnly = b[25]
	m.IssueClassification = b[26]
	m.IssueSubType = [2]byte(b[27:])
	m.Authenticity = b[29]
	m.ShortSaleThreshold = b[30]
	m.IPO = b[31]
	m.LULDReferencePriceTier = b[32]
	m.ETP = b[33]
	m.ETPLeverageFactor = be.Uint32(b[34:])
	m.Inverse = b[38]
	return nil
}

// TradingAction ('H') says whether a security trades. One is sent for each at the start of the day.
type TradingAction struct {
	Header
	Stock Symbol
	// State is 'H' halted on all markets, 'P' paused on all markets, 'Q' quotation only, 'T' trading.
	State    byte
	Reserved byte
	Reason   Reason
}

// Reason is the code of a TradingAction's reason, left-justified and padded with spaces; four spaces
// say nothing.
type Reason [4]byte

// String returns the code without padding.
func (r Reason) String() string { return strings.TrimRight(string(r[:]), " ") }

// Append appends the message to b.
func (m *TradingAction) Append(b []byte) []byte {
	b = m.Header.append(b, TypeTradingAction)
	b = append(b, m.Stock[:]...)
	b = append(b, m.State, m.Reserved)
	return append(b, m.Reason[:]...)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *TradingAction) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeTradingAction); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.State = b[19]
	m.Reserved = b[20]
	m.Reason = Reason(b[21:])
	return nil
}

// RegSHORestriction ('Y') says whether the short sale price test restricts a security.
type RegSHORestriction struct {
	Header
	Stock  Symbol
	Action byte // '0' no restriction, '1' a new one after an intraday drop, '2' one that remains
}

// Append appends the message to b.
func (m *RegSHORestriction) Append(b []byte) []byte {
	b = m.Header.append(b, TypeRegSHORestriction)
	b = append(b, m.Stock[:]...)
	return append(b, m.Action)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *RegSHORestriction) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeRegSHORestriction); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.Action = b[19]
	return nil
}

// MarketParticipantPosition ('L') is the standing of a market participant in a security.
type MarketParticipantPosition struct {
	Header
	Participant        MPID
	Stock              Symbol
	PrimaryMarketMaker byte // 'Y' or 'N'
	Mode               byte // 'N' normal, 'P' passive, 'S' syndicate, 'R' pre-syndicate, 'L' penalty
	State              byte // 'A' active, 'E' excused, 'W' withdrawn, 'S' suspended, 'D' deleted
}

// Append appends the message to b.
func (m *MarketParticipantPosition) Append(b []byte) []byte {
	b = m.Header.append(b, TypeMarketParticipantPosition)
	b = append(b, m.Participant[:]...)
	b = append(b, m.Stock[:]...)
	return append(b, m.PrimaryMarketMaker, m.Mode, m.State)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *MarketParticipantPosition) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeMarketParticipantPosition); err != nil {
		return err
	}
	m.Participant = MPID(b[11:])
	m.Stock = Symbol(b[15:])
	m.PrimaryMarketMaker = b[23]
	m.Mode = b[24]
	m.State = b[25]
	return nil
}

// MWCBDecline ('V') gives the index levels of the market-wide circuit breaker for the day.
type MWCBDecline struct {
	Header
	Level1 Price8
	Level2 Price8
	Level3 Price8
}

// Append appends the message to b.
func (m *MWCBDecline) Append(b []byte) []byte {
	b = m.Header.append(b, TypeMWCBDecline)
	b = be.AppendUint64(b, uint64(m.Level1))
	b = be.AppendUint64(b, uint64(m.Level2))
	return be.AppendUint64(b, uint64(m.Level3))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *MWCBDecline) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeMWCBDecline); err != nil {
		return err
	}
	m.Level1 = Price8(be.Uint64(b[11:]))
	m.Level2 = Price8(be.Uint64(b[19:]))
	m.Level3 = Price8(be.Uint64(b[27:]))
	return nil
}

// MWCBStatus ('W') says that a level of the market-wide circuit breaker was breached.
type MWCBStatus struct {
	Header
	Level byte // '1', '2' or '3'
}

// Append appends the message to b.
func (m *MWCBStatus) Append(b []byte) []byte {
	return append(m.Header.append(b, TypeMWCBStatus), m.Level)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *MWCBStatus) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeMWCBStatus); err != nil {
		return err
	}
	m.Level = b[11]
	return nil
}

// IPOQuotingPeriod ('K') announces when quoting of a new issue begins.
type IPOQuotingPeriod struct {
	Header
	Stock       Symbol
	ReleaseTime uint32 // seconds since midnight, New York time
	Qualifier   byte   // 'A' anticipated, 'C' canceled or postponed: then time and price are 0
	Price       Price4 // of the issue
}

// Append appends the message to b.
func (m *IPOQuotingPeriod) Append(b []byte) []byte {
	b = m.Header.append(b, TypeIPOQuotingPeriod)
	b = append(b, m.Stock[:]...)
	b = be.AppendUint32(b, m.ReleaseTime)
	b = append(b, m.Qualifier)
	return be.AppendUint32(b, uint32(m.Price))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *IPOQuotingPeriod) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeIPOQuotingPeriod); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.ReleaseTime = be.Uint32(b[19:])
	m.Qualifier = b[23]
	m.Price = Price4(be.Uint32(b[24:]))
	return nil
}

// LULDAuctionCollar ('J') gives the price limits of the auction that ends a trading pause.
type LULDAuctionCollar struct {
	Header
	Stock     Symbol
	Reference Price4
	Upper     Price4
	Lower     Price4
	Extension uint32 // how often the auction was extended
}

// Append appends the message to b.
func (m *LULDAuctionCollar) Append(b []byte) []byte {
	b = m.Header.append(b, TypeLULDAuctionCollar)
	b = append(b, m.Stock[:]...)
	b = be.AppendUint32(b, uint32(m.Reference))
	b = be.AppendUint32(b, uint32(m.Upper))
	b = be.AppendUint32(b, uint32(m.Lower))
	return be.AppendUint32(b, m.Extension)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *LULDAuctionCollar) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeLULDAuctionCollar); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.Reference = Price4(be.Uint32(b[19:]))
	m.Upper = Price4(be.Uint32(b[23:]))
	m.Lower = Price4(be.Uint32(b[27:]))
	m.Extension = be.Uint32(b[31:])
	return nil
}

// OperationalHalt ('h') is an interruption of service for one security on one market; it may trade
// on all others.
type OperationalHalt struct {
	Header
	Stock  Symbol
	Market byte // 'Q' Nasdaq, 'B' BX, 'X' PSX
	Action byte // 'H' halted, 'T' the halt is over
}

// Append appends the message to b.
func (m *OperationalHalt) Append(b []byte) []byte {
	b = m.Header.append(b, TypeOperationalHalt)
	b = append(b, m.Stock[:]...)
	return append(b, m.Market, m.Action)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *OperationalHalt) Parse(b []byte) error {
	if err := m.Header.parse(b, TypeOperationalHalt); err != nil {
		return err
	}
	m.Stock = Symbol(b[11:])
	m.Market = b[19]
	m.Action = b[20]
	return nil
}
