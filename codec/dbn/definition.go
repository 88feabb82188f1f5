package dbn

import (
	"math"

	"tidegate/market"
)

const (
	definitionSize   = 520
	definitionV2Size = 400
	definitionV1Size = 360
)

// Definition says what an instrument is (DBN InstrumentDefMsg). Where it is laid out stands in
// definition_layout.go.
//
// Fields of type market.Price are numbers in units of 1e-9, also where they are no prices. What a
// venue does not tell is undefined: market.UndefPrice, market.UndefTime, for other numbers the
// largest value of their type unless the field says otherwise, and the empty text.
//
// An instrument with legs has one record for each leg.
type Definition struct {
	Header
	TsRecv                  market.Nanos
	MinPriceIncrement       market.Price // tick size
	DisplayFactor           market.Price // from the venue's price to the displayed one
	Expiration              market.Nanos
	Activation              market.Nanos
	HighLimitPrice          market.Price
	LowLimitPrice           market.Price
	MaxPriceVariation       market.Price
	UnitOfMeasureQty        market.Price // contract size
	MinPriceIncrementAmount market.Price // value of a tick
	PriceRatio              market.Price
	StrikePrice             market.Price
	RawInstrumentID         uint64 // the venue's id
	LegPrice                market.Price
	LegDelta                market.Price
	InstAttribValue         int32               // venue bits
	UnderlyingID            market.InstrumentID // first underlying; 0 if there is none
	MarketDepthImplied      int32
	MarketDepth             int32
	MarketSegmentID         uint32
	MaxTradeVol             uint32
	MinLotSize              int32
	MinLotSizeBlock         int32
	MinLotSizeRoundLot      int32
	MinTradeVol             uint32
	ContractMultiplier      int32
	DecayQuantity           int32
	OriginalContractSize    int32

	LegInstrumentID          market.InstrumentID // 0 if there are no legs
	LegRatioPriceNumerator   int32
	LegRatioPriceDenominator int32
	LegRatioQtyNumerator     int32
	LegRatioQtyDenominator   int32
	LegUnderlyingID          market.InstrumentID

	ApplID         int16 // venue channel
	MaturityYear   uint16
	DecayStartDate uint16 // days since the epoch
	ChannelID      uint16
	LegCount       uint16 // 0 if there are no legs
	LegIndex       uint16 // from 0

	Currency            string // at most 3 bytes
	SettlCurrency       string // at most 3 bytes
	SecSubType          string // at most 5 bytes
	RawSymbol           string // at most SymbolMax bytes
	Group               string // at most 20 bytes
	Exchange            string // at most 4 bytes
	Asset               string // product code, at most 10 bytes
	CFI                 string // ISO 10962, at most 6 bytes
	SecurityType        string // at most 6 bytes
	UnitOfMeasure       string // at most 30 bytes
	Underlying          string // at most 20 bytes
	StrikePriceCurrency string // at most 3 bytes
	LegRawSymbol        string // at most SymbolMax bytes

	InstrumentClass        byte // 'K' stock, 'F' future, 'C' call, 'P' put, ...
	MatchAlgorithm         byte // 'F' first in first out, ' ' undefined, ...
	MainFraction           uint8
	PriceDisplayFormat     uint8
	SubFraction            uint8
	UnderlyingProduct      uint8
	SecurityUpdateAction   byte // 'A' added, 'M' modified, 'D' deleted
	MaturityMonth          uint8
	MaturityDay            uint8
	MaturityWeek           uint8
	UserDefinedInstrument  byte // 'Y' or 'N'
	ContractMultiplierUnit int8 // 1 hours, 2 days
	FlowScheduleType       int8
	TickRule               uint8
	LegInstrumentClass     byte // 0 if there are no legs
	LegSide                market.Side
}

// undefinedDefinition is a definition that tells nothing.
var undefinedDefinition = Definition{
	Header:                  Header{RType: RTypeDefinition},
	TsRecv:                  market.UndefTime,
	MinPriceIncrement:       market.UndefPrice,
	DisplayFactor:           market.UndefPrice,
	Expiration:              market.UndefTime,
	Activation:              market.UndefTime,
	HighLimitPrice:          market.UndefPrice,
	LowLimitPrice:           market.UndefPrice,
	MaxPriceVariation:       market.UndefPrice,
	UnitOfMeasureQty:        market.UndefPrice,
	MinPriceIncrementAmount: market.UndefPrice,
	PriceRatio:              market.UndefPrice,
	StrikePrice:             market.UndefPrice,
	RawInstrumentID:         math.MaxUint64,
	LegPrice:                market.UndefPrice,
	LegDelta:                market.UndefPrice,
	InstAttribValue:         math.MaxInt32,
	MarketDepthImplied:      math.MaxInt32,
	MarketDepth:             math.MaxInt32,
	MarketSegmentID:         math.MaxUint32,
	MaxTradeVol:             math.MaxUint32,
	MinLotSize:              math.MaxInt32,
	MinLotSizeBlock:         math.MaxInt32,
	MinLotSizeRoundLot:      math.MaxInt32,
	MinTradeVol:             math.MaxUint32,
	ContractMultiplier:      math.MaxInt32,
	DecayQuantity:           math.MaxInt32,
	OriginalContractSize:    math.MaxInt32,
	ApplID:                  math.MaxInt16,
	MaturityYear:            math.MaxUint16,
	DecayStartDate:          math.MaxUint16,
	ChannelID:               math.MaxUint16,
	MatchAlgorithm:          ' ',
	MainFraction:            math.MaxUint8,
	PriceDisplayFormat:      math.MaxUint8,
	SubFraction:             math.MaxUint8,
	UnderlyingProduct:       math.MaxUint8,
	SecurityUpdateAction:    'A',
	MaturityMonth:           math.MaxUint8,
	MaturityDay:             math.MaxUint8,
	MaturityWeek:            math.MaxUint8,
	UserDefinedInstrument:   'N',
	ContractMultiplierUnit:  math.MaxInt8,
	FlowScheduleType:        math.MaxInt8,
	TickRule:                math.MaxUint8,
	LegSide:                 market.NoSide,
}

// Parse fills d from a record of type RTypeDefinition of any version, else the error wraps
// ErrRType. Versions 1 and 2 have no legs; what they have and version 3 has not
// (trading_reference_price and _date, md_security_trading_status, settl_price_type) is left out.
// The texts are copies.
func (d *Definition) Parse(r Record) error {
	if !r.holds(RTypeDefinition) {
		return r.wrongType("definition")
	}
	c := cursor{p: r.raw[HeaderSize:]}
	switch r.version {
	case 1:
		*d = undefinedDefinition
		d.layoutV1(&c)
	case 2:
		*d = undefinedDefinition
		d.layoutV2(&c)
	default:
		d.layout(&c)
	}
	d.Header = r.Header
	return nil
}

// Append adds the record to b, always with type RTypeDefinition. Texts that are too long are cut.
// It does not allocate if b has room.
func (d *Definition) Append(b []byte) []byte {
	b, p := extend(b, definitionSize)
	d.put(p, RTypeDefinition)
	d.layout(&cursor{p: p[HeaderSize:], writing: true})
	return b
}
