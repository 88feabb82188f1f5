package market

// The values below are the cold side of a feed: facts about an instrument that are no part of its
// book. Each maps to one DBN record. They are passed by pointer for the duration of a call.

// Tri is a three-valued answer, as DBN spells it.
type Tri byte

// Answers.
const (
	Yes     Tri = 'Y'
	No      Tri = 'N'
	Unknown Tri = '~'
)

// StatusAction says what became of an instrument's trading. Values are DBN's.
type StatusAction uint16

// Status actions.
const (
	StatusNone            StatusAction = 0
	StatusPreOpen         StatusAction = 1
	StatusPreCross        StatusAction = 2
	StatusQuoting         StatusAction = 3
	StatusCross           StatusAction = 4
	StatusTrading         StatusAction = 7
	StatusHalt            StatusAction = 8
	StatusPause           StatusAction = 9
	StatusSuspend         StatusAction = 10
	StatusPreClose        StatusAction = 11
	StatusClose           StatusAction = 12
	StatusPostClose       StatusAction = 13
	StatusShortSaleChange StatusAction = 14
	StatusNotAvailable    StatusAction = 15
)

// Status is a change of an instrument's trading state (DBN StatusMsg).
type Status struct {
	TsEvent            Nanos
	TsRecv             Nanos
	Instrument         InstrumentID
	Publisher          PublisherID
	Action             StatusAction
	Reason             uint16 // DBN StatusReason; 0 none
	TradingEvent       uint16 // DBN TradingEvent; 0 none
	Trading            Tri
	Quoting            Tri
	ShortSaleRestraint Tri
}

// Definition says what an instrument is (DBN InstrumentDefMsg, the part that our feeds carry).
type Definition struct {
	TsEvent Nanos
	TsRecv  Nanos
	Instrument
	Class    byte   // DBN instrument_class: 'K' for a stock
	Exchange string // market identifier code of the listing exchange, at most 4 bytes
	SecType  string // venue's security type, at most 6 bytes
	Deleted  bool
}

// StatKind is DBN's StatType.
type StatKind uint16

// Statistics that our feeds carry.
const (
	StatOpeningPrice    StatKind = 1
	StatClosePrice      StatKind = 11
	StatUncrossingPrice StatKind = 16
	StatBreakerLevel1   StatKind = 21 // market-wide circuit breaker
	StatBreakerLevel2   StatKind = 22
	StatBreakerLevel3   StatKind = 23
	StatCollarReference StatKind = 24 // auction collar
	StatCollarUpper     StatKind = 25
	StatCollarLower     StatKind = 26
)

// Statistic is one published figure (DBN StatMsg).
type Statistic struct {
	TsEvent    Nanos
	TsRecv     Nanos
	TsRef      Nanos // UndefTime if unused
	Price      Price // UndefPrice if unused
	Quantity   int64 // math.MaxInt64 if unused
	Seq        uint64
	Instrument InstrumentID
	Publisher  PublisherID
	Kind       StatKind
}

// Imbalance is the state of an auction (DBN ImbalanceMsg). Prices a venue does not give are
// UndefPrice.
type Imbalance struct {
	TsEvent        Nanos
	TsRecv         Nanos
	AuctionTime    Nanos // UndefTime if unused
	RefPrice       Price
	ContClearPrice Price // clearing price of cross and continuous interest ("near")
	AuctClearPrice Price // clearing price of cross interest only ("far")
	MatchPrice     Price // indicative match price
	UpperCollar    Price
	LowerCollar    Price
	Paired         uint32
	Imbalance      uint32
	Instrument     InstrumentID
	Publisher      PublisherID
	AuctionType    byte // venue code; '~' if unused
	Side           Side
	Variation      byte // venue code of the price variation; '~' if unused
}

// Facts collects the cold facts of one message. A decoder appends to it; its owner resets it.
type Facts struct {
	Statuses    []Status
	Definitions []Definition
	Statistics  []Statistic
	Imbalances  []Imbalance
}

// Reset empties f and keeps its memory.
func (f *Facts) Reset() {
	f.Statuses = f.Statuses[:0]
	f.Definitions = f.Definitions[:0]
	f.Statistics = f.Statistics[:0]
	f.Imbalances = f.Imbalances[:0]
}
