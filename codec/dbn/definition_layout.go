package dbn

import (
	"encoding/binary"
	"unsafe"
)

// cursor goes through the fields of a record in the order of its layout, and reads or writes them.
// A definition has too many fields for two functions that must agree; a cursor lets one function
// be the layout for both. Records of market data do without, because it is slow.
type cursor struct {
	p       []byte // what is left of the record
	writing bool   // p is zeroed then
}

func (c *cursor) next(n int) []byte {
	field := c.p[:n]
	c.p = c.p[n:]
	return field
}

// skip passes over n bytes that have no meaning in version 3.
func (c *cursor) skip(n int) { c.next(n) }

// text passes over a NUL-padded field of n bytes.
func (c *cursor) text(s *string, n int) {
	if c.writing {
		putText(c.next(n), *s)
	} else {
		*s = text(c.next(n))
	}
}

// wide reads a number that was 32 bits wide before version 3.
func (c *cursor) wide(v *uint64) { *v = uint64(binary.LittleEndian.Uint32(c.next(4))) }

type integer interface {
	~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64
}

// num passes over numbers that are as wide as their Go type.
func num[T integer](c *cursor, vs ...*T) {
	for _, v := range vs {
		field := c.next(int(unsafe.Sizeof(*v)))
		if c.writing {
			for i, u := 0, uint64(*v); i < len(field); i, u = i+1, u>>8 {
				field[i] = byte(u)
			}
			continue
		}
		var u uint64
		for i, b := range field {
			u |= uint64(b) << (8 * i)
		}
		*v = T(u)
	}
}

// layout is the body of InstrumentDefMsg in version 3. Comments give the offset in the record and
// the type of the first field of a line.
func (d *Definition) layout(c *cursor) {
	num(c, &d.TsRecv)                              // 16: u64
	num(c, &d.MinPriceIncrement, &d.DisplayFactor) // 24: i64
	num(c, &d.Expiration, &d.Activation)           // 40: u64
	// 56: i64
	num(c, &d.HighLimitPrice, &d.LowLimitPrice, &d.MaxPriceVariation, &d.UnitOfMeasureQty,
		&d.MinPriceIncrementAmount, &d.PriceRatio, &d.StrikePrice)
	num(c, &d.RawInstrumentID)                    // 112: u64
	num(c, &d.LegPrice, &d.LegDelta)              // 120: i64
	num(c, &d.InstAttribValue)                    // 136: i32
	num(c, &d.UnderlyingID)                       // 140: u32
	num(c, &d.MarketDepthImplied, &d.MarketDepth) // 144: i32
	num(c, &d.MarketSegmentID, &d.MaxTradeVol)    // 152: u32
	// 160: i32
	num(c, &d.MinLotSize, &d.MinLotSizeBlock, &d.MinLotSizeRoundLot)
	num(c, &d.MinTradeVol) // 172: u32
	// 176: i32
	num(c, &d.ContractMultiplier, &d.DecayQuantity, &d.OriginalContractSize)
	num(c, &d.LegInstrumentID) // 188: u32
	// 192: i32
	num(c, &d.LegRatioPriceNumerator, &d.LegRatioPriceDenominator, &d.LegRatioQtyNumerator,
		&d.LegRatioQtyDenominator)
	num(c, &d.LegUnderlyingID) // 208: u32
	num(c, &d.ApplID)          // 212: i16
	// 214: u16
	num(c, &d.MaturityYear, &d.DecayStartDate, &d.ChannelID, &d.LegCount, &d.LegIndex)
	c.text(&d.Currency, 4)
	c.text(&d.SettlCurrency, 4)
	c.text(&d.SecSubType, 6)
	c.text(&d.RawSymbol, 71)
	c.text(&d.Group, 21)
	c.text(&d.Exchange, 5)
	c.text(&d.Asset, 11)
	c.text(&d.CFI, 7)
	c.text(&d.SecurityType, 7)
	c.text(&d.UnitOfMeasure, 31)
	c.text(&d.Underlying, 21)
	c.text(&d.StrikePriceCurrency, 4)
	c.text(&d.LegRawSymbol, 71)
	// 487: u8
	num(c, &d.InstrumentClass, &d.MatchAlgorithm, &d.MainFraction, &d.PriceDisplayFormat,
		&d.SubFraction, &d.UnderlyingProduct, &d.SecurityUpdateAction, &d.MaturityMonth,
		&d.MaturityDay, &d.MaturityWeek, &d.UserDefinedInstrument)
	num(c, &d.ContractMultiplierUnit, &d.FlowScheduleType) // 498: i8
	num(c, &d.TickRule, &d.LegInstrumentClass)             // 500: u8
	num(c, &d.LegSide)                                     // 502: char
	c.skip(17)
}

// layoutV2 is the body of InstrumentDefMsg in version 2, to read only.
func (d *Definition) layoutV2(c *cursor) {
	num(c, &d.TsRecv)                              // 16: u64
	num(c, &d.MinPriceIncrement, &d.DisplayFactor) // 24: i64
	num(c, &d.Expiration, &d.Activation)           // 40: u64
	// 56: i64
	num(c, &d.HighLimitPrice, &d.LowLimitPrice, &d.MaxPriceVariation)
	c.skip(8) // 80: trading_reference_price
	// 88: i64
	num(c, &d.UnitOfMeasureQty, &d.MinPriceIncrementAmount, &d.PriceRatio, &d.StrikePrice)
	num(c, &d.InstAttribValue)                    // 120: i32
	num(c, &d.UnderlyingID)                       // 124: u32
	c.wide(&d.RawInstrumentID)                    // 128: u32
	num(c, &d.MarketDepthImplied, &d.MarketDepth) // 132: i32
	num(c, &d.MarketSegmentID, &d.MaxTradeVol)    // 140: u32
	// 148: i32
	num(c, &d.MinLotSize, &d.MinLotSizeBlock, &d.MinLotSizeRoundLot)
	num(c, &d.MinTradeVol) // 160: u32
	// 164: i32
	num(c, &d.ContractMultiplier, &d.DecayQuantity, &d.OriginalContractSize)
	c.skip(2)                                                // 176: trading_reference_date
	num(c, &d.ApplID)                                        // 178: i16
	num(c, &d.MaturityYear, &d.DecayStartDate, &d.ChannelID) // 180: u16
	c.text(&d.Currency, 4)
	c.text(&d.SettlCurrency, 4)
	c.text(&d.SecSubType, 6)
	c.text(&d.RawSymbol, 71)
	c.text(&d.Group, 21)
	c.text(&d.Exchange, 5)
	c.text(&d.Asset, 7)
	c.text(&d.CFI, 7)
	c.text(&d.SecurityType, 7)
	c.text(&d.UnitOfMeasure, 31)
	c.text(&d.Underlying, 21)
	c.text(&d.StrikePriceCurrency, 4)
	num(c, &d.InstrumentClass, &d.MatchAlgorithm)  // 374: u8
	c.skip(1)                                      // 376: md_security_trading_status
	num(c, &d.MainFraction, &d.PriceDisplayFormat) // 377: u8
	c.skip(1)                                      // 379: settl_price_type
	// 380: u8
	num(c, &d.SubFraction, &d.UnderlyingProduct, &d.SecurityUpdateAction, &d.MaturityMonth,
		&d.MaturityDay, &d.MaturityWeek, &d.UserDefinedInstrument)
	num(c, &d.ContractMultiplierUnit, &d.FlowScheduleType) // 387: i8
	num(c, &d.TickRule)                                    // 389: u8
	c.skip(10)
}

// layoutV1 is the body of InstrumentDefMsg in version 1, to read only.
func (d *Definition) layoutV1(c *cursor) {
	num(c, &d.TsRecv)                              // 16: u64
	num(c, &d.MinPriceIncrement, &d.DisplayFactor) // 24: i64
	num(c, &d.Expiration, &d.Activation)           // 40: u64
	// 56: i64
	num(c, &d.HighLimitPrice, &d.LowLimitPrice, &d.MaxPriceVariation)
	c.skip(8) // 80: trading_reference_price
	// 88: i64
	num(c, &d.UnitOfMeasureQty, &d.MinPriceIncrementAmount, &d.PriceRatio)
	num(c, &d.InstAttribValue)                    // 112: i32
	num(c, &d.UnderlyingID)                       // 116: u32
	c.wide(&d.RawInstrumentID)                    // 120: u32
	num(c, &d.MarketDepthImplied, &d.MarketDepth) // 124: i32
	num(c, &d.MarketSegmentID, &d.MaxTradeVol)    // 132: u32
	// 140: i32
	num(c, &d.MinLotSize, &d.MinLotSizeBlock, &d.MinLotSizeRoundLot)
	num(c, &d.MinTradeVol) // 152: u32
	c.skip(4)
	// 160: i32
	num(c, &d.ContractMultiplier, &d.DecayQuantity, &d.OriginalContractSize)
	c.skip(4)
	c.skip(2)                                                // 176: trading_reference_date
	num(c, &d.ApplID)                                        // 178: i16
	num(c, &d.MaturityYear, &d.DecayStartDate, &d.ChannelID) // 180: u16
	c.text(&d.Currency, 4)
	c.text(&d.SettlCurrency, 4)
	c.text(&d.SecSubType, 6)
	c.text(&d.RawSymbol, 22)
	c.text(&d.Group, 21)
	c.text(&d.Exchange, 5)
	c.text(&d.Asset, 7)
	c.text(&d.CFI, 7)
	c.text(&d.SecurityType, 7)
	c.text(&d.UnitOfMeasure, 31)
	c.text(&d.Underlying, 21)
	c.text(&d.StrikePriceCurrency, 4)
	num(c, &d.InstrumentClass) // 325: u8
	c.skip(2)
	num(c, &d.StrikePrice) // 328: i64
	c.skip(6)
	num(c, &d.MatchAlgorithm)                      // 342: u8
	c.skip(1)                                      // 343: md_security_trading_status
	num(c, &d.MainFraction, &d.PriceDisplayFormat) // 344: u8
	c.skip(1)                                      // 346: settl_price_type
	// 347: u8
	num(c, &d.SubFraction, &d.UnderlyingProduct, &d.SecurityUpdateAction, &d.MaturityMonth,
		&d.MaturityDay, &d.MaturityWeek, &d.UserDefinedInstrument)
	num(c, &d.ContractMultiplierUnit, &d.FlowScheduleType) // 354: i8
	num(c, &d.TickRule)                                    // 356: u8
	c.skip(3)
}
