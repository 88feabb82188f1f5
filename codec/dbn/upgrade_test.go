package dbn

import (
	"encoding/binary"
	"math"
	"testing"

	"tidegate/market"
)

// oldRecord makes a record of an older version in which every byte of the body tells where it is.
// No byte is zero, so that a text fills its field.
func oldRecord(t RType, size int) []byte {
	h := header(t)
	p := make([]byte, size)
	h.put(p, t)
	for i := HeaderSize; i < size; i++ {
		p[i] = byte(1 + i%251)
	}
	return p
}

// number reads a number of n bytes at an offset of p.
func number(p []byte, at, n int) uint64 {
	var b [8]byte
	copy(b[:], p[at:at+n])
	return binary.LittleEndian.Uint64(b[:])
}

func testUpgrade[T comparable, P record[T]](t *testing.T, p []byte, version uint8, want T) {
	t.Helper()
	rec, err := ParseRecord(p, version, false)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := P(&got).Parse(rec); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("version %d:\n%+v, want\n%+v", version, got, want)
	}
	if _, err := ParseRecord(p, Version, false); err == nil {
		t.Errorf("the layout of version %d passed as version %d", version, Version)
	}
}

func TestUpgradeStat(t *testing.T) {
	for _, quantity := range []int32{-7, math.MaxInt32} {
		p := oldRecord(RTypeStat, 64)
		num := func(at, n int) uint64 { return number(p, at, n) }
		binary.LittleEndian.PutUint32(p[40:], uint32(quantity))
		want := Stat{
			Header: header(RTypeStat), TsRecv: market.Nanos(num(16, 8)),
			TsRef: market.Nanos(num(24, 8)), Price: market.Price(num(32, 8)),
			Quantity: int64(quantity), Sequence: uint32(num(44, 4)), TsInDelta: int32(num(48, 4)),
			Kind: market.StatKind(num(52, 2)), ChannelID: uint16(num(54, 2)), UpdateAction: p[56],
			Flags: p[57],
		}
		if quantity == math.MaxInt32 {
			want.Quantity = math.MaxInt64
		}
		testUpgrade(t, p, 1, want)
		testUpgrade(t, p, 2, want)
	}
}

func TestUpgradeSymbolMapping(t *testing.T) {
	p := oldRecord(RTypeSymbolMapping, 80)
	testUpgrade(t, p, 1, SymbolMapping{
		Header: header(RTypeSymbolMapping), STypeIn: STypeMixed, SymbolIn: string(p[16:38]),
		STypeOut: STypeMixed, SymbolOut: string(p[38:60]), Start: market.Nanos(number(p, 64, 8)),
		End: market.Nanos(number(p, 72, 8)),
	})
}

func TestUpgradeError(t *testing.T) {
	p := oldRecord(RTypeError, 80)
	testUpgrade(t, p, 1, Error{
		Header: header(RTypeError), Text: string(p[16:80]), Code: ErrorUnset, IsLast: 1,
	})
}

func TestUpgradeSystem(t *testing.T) {
	for text, code := range map[string]SystemCode{
		"Heartbeat": SystemHeartbeat,
		"Subscription request 1 for mbo data succeeded": SystemSubscriptionAck,
		"Warning: slow reading":                         SystemSlowReader,
		"Finished mbo replay":                           SystemReplayCompleted,
		"End of interval for ohlcv-1s":                  SystemEndOfInterval,
		"Heartbeat missed":                              SystemUnset,
		"Finished":                                      SystemUnset,
		"":                                              SystemUnset,
	} {
		p := oldRecord(RTypeSystem, 80)
		clear(p[16:])
		copy(p[16:], text)
		testUpgrade(t, p, 1, System{Header: header(RTypeSystem), Text: text, Code: code})
	}
}

func TestUpgradeDefinition(t *testing.T) {
	upgraded := func(d Definition) Definition { // what versions 1 and 2 do not have
		d.LegPrice = market.UndefPrice
		d.LegDelta = market.UndefPrice
		d.LegSide = market.NoSide
		return d
	}

	p := oldRecord(RTypeDefinition, 360)
	num := func(at, n int) uint64 { return number(p, at, n) }
	testUpgrade(t, p, 1, upgraded(Definition{
		Header: header(RTypeDefinition), TsRecv: market.Nanos(num(16, 8)),
		MinPriceIncrement: market.Price(num(24, 8)), DisplayFactor: market.Price(num(32, 8)),
		Expiration: market.Nanos(num(40, 8)), Activation: market.Nanos(num(48, 8)),
		HighLimitPrice: market.Price(num(56, 8)), LowLimitPrice: market.Price(num(64, 8)),
		MaxPriceVariation: market.Price(num(72, 8)), UnitOfMeasureQty: market.Price(num(88, 8)),
		MinPriceIncrementAmount: market.Price(num(96, 8)), PriceRatio: market.Price(num(104, 8)),
		InstAttribValue: int32(num(112, 4)), UnderlyingID: market.InstrumentID(num(116, 4)),
		RawInstrumentID: num(120, 4), MarketDepthImplied: int32(num(124, 4)),
		MarketDepth: int32(num(128, 4)), MarketSegmentID: uint32(num(132, 4)),
		MaxTradeVol: uint32(num(136, 4)), MinLotSize: int32(num(140, 4)),
		MinLotSizeBlock: int32(num(144, 4)), MinLotSizeRoundLot: int32(num(148, 4)),
		MinTradeVol: uint32(num(152, 4)), ContractMultiplier: int32(num(160, 4)),
		DecayQuantity: int32(num(164, 4)), OriginalContractSize: int32(num(168, 4)),
		ApplID: int16(num(178, 2)), MaturityYear: uint16(num(180, 2)),
		DecayStartDate: uint16(num(182, 2)), ChannelID: uint16(num(184, 2)),
		Currency: string(p[186:190]), SettlCurrency: string(p[190:194]),
		SecSubType: string(p[194:200]), RawSymbol: string(p[200:222]), Group: string(p[222:243]),
		Exchange: string(p[243:248]), Asset: string(p[248:255]), CFI: string(p[255:262]),
		SecurityType: string(p[262:269]), UnitOfMeasure: string(p[269:300]),
		Underlying: string(p[300:321]), StrikePriceCurrency: string(p[321:325]),
		InstrumentClass: p[325], StrikePrice: market.Price(num(328, 8)), MatchAlgorithm: p[342],
		MainFraction: p[344], PriceDisplayFormat: p[345], SubFraction: p[347],
		UnderlyingProduct: p[348], SecurityUpdateAction: p[349], MaturityMonth: p[350],
		MaturityDay: p[351], MaturityWeek: p[352], UserDefinedInstrument: p[353],
		ContractMultiplierUnit: int8(num(354, 1)), FlowScheduleType: int8(num(355, 1)),
		TickRule: p[356],
	}))

	p = oldRecord(RTypeDefinition, 400)
	testUpgrade(t, p, 2, upgraded(Definition{
		Header: header(RTypeDefinition), TsRecv: market.Nanos(num(16, 8)),
		MinPriceIncrement: market.Price(num(24, 8)), DisplayFactor: market.Price(num(32, 8)),
		Expiration: market.Nanos(num(40, 8)), Activation: market.Nanos(num(48, 8)),
		HighLimitPrice: market.Price(num(56, 8)), LowLimitPrice: market.Price(num(64, 8)),
		MaxPriceVariation: market.Price(num(72, 8)), UnitOfMeasureQty: market.Price(num(88, 8)),
		MinPriceIncrementAmount: market.Price(num(96, 8)), PriceRatio: market.Price(num(104, 8)),
		StrikePrice: market.Price(num(112, 8)), InstAttribValue: int32(num(120, 4)),
		UnderlyingID: market.InstrumentID(num(124, 4)), RawInstrumentID: num(128, 4),
		MarketDepthImplied: int32(num(132, 4)), MarketDepth: int32(num(136, 4)),
		MarketSegmentID: uint32(num(140, 4)), MaxTradeVol: uint32(num(144, 4)),
		MinLotSize: int32(num(148, 4)), MinLotSizeBlock: int32(num(152, 4)),
		MinLotSizeRoundLot: int32(num(156, 4)), MinTradeVol: uint32(num(160, 4)),
		ContractMultiplier: int32(num(164, 4)), DecayQuantity: int32(num(168, 4)),
		OriginalContractSize: int32(num(172, 4)), ApplID: int16(num(178, 2)),
		MaturityYear: uint16(num(180, 2)), DecayStartDate: uint16(num(182, 2)),
		ChannelID: uint16(num(184, 2)), Currency: string(p[186:190]),
		SettlCurrency: string(p[190:194]), SecSubType: string(p[194:200]),
		RawSymbol: string(p[200:271]), Group: string(p[271:292]), Exchange: string(p[292:297]),
		Asset: string(p[297:304]), CFI: string(p[304:311]), SecurityType: string(p[311:318]),
		UnitOfMeasure: string(p[318:349]), Underlying: string(p[349:370]),
		StrikePriceCurrency: string(p[370:374]), InstrumentClass: p[374], MatchAlgorithm: p[375],
		MainFraction: p[377], PriceDisplayFormat: p[378], SubFraction: p[380],
		UnderlyingProduct: p[381], SecurityUpdateAction: p[382], MaturityMonth: p[383],
		MaturityDay: p[384], MaturityWeek: p[385], UserDefinedInstrument: p[386],
		ContractMultiplierUnit: int8(num(387, 1)), FlowScheduleType: int8(num(388, 1)),
		TickRule: p[389],
	}))
}
