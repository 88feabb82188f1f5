package dbn

import (
	"math"
	"testing"

	"tidegate/market"
)

func TestStatusOf(t *testing.T) {
	got := StatusOf(&market.Status{
		TsEvent: noon, TsRecv: noon + 1, Instrument: 7, Publisher: 2, Action: market.StatusTrading,
		Reason: 1, TradingEvent: 2, Trading: market.Yes, Quoting: market.No,
		ShortSaleRestraint: market.Unknown,
	})
	testGolden(t, goldenStatus, got)
}

func TestDefinitionOf(t *testing.T) {
	in := market.Definition{
		TsEvent: noon, TsRecv: noon + 1,
		Instrument: market.Instrument{
			ID: 7, Publisher: 2, Symbol: "AAPL", TickSize: 1e7, RoundLot: 100,
		},
		Class: 'K', Exchange: "XNAS", SecType: "EQ",
	}
	want := Definition{
		Header: header(RTypeDefinition), TsRecv: noon + 1, MinPriceIncrement: 1e7,
		DisplayFactor: 1e9, Expiration: market.UndefTime, Activation: market.UndefTime,
		HighLimitPrice: market.UndefPrice, LowLimitPrice: market.UndefPrice,
		MaxPriceVariation: market.UndefPrice, UnitOfMeasureQty: market.UndefPrice,
		MinPriceIncrementAmount: market.UndefPrice, PriceRatio: market.UndefPrice,
		StrikePrice: market.UndefPrice, RawInstrumentID: 7, LegPrice: market.UndefPrice,
		LegDelta: market.UndefPrice, InstAttribValue: math.MaxInt32,
		MarketDepthImplied: math.MaxInt32, MarketDepth: math.MaxInt32,
		MarketSegmentID: math.MaxUint32, MaxTradeVol: math.MaxUint32, MinLotSize: math.MaxInt32,
		MinLotSizeBlock: math.MaxInt32, MinLotSizeRoundLot: 100, MinTradeVol: math.MaxUint32,
		ContractMultiplier: math.MaxInt32, DecayQuantity: math.MaxInt32,
		OriginalContractSize: math.MaxInt32, ApplID: math.MaxInt16, MaturityYear: math.MaxUint16,
		DecayStartDate: math.MaxUint16, ChannelID: math.MaxUint16, RawSymbol: "AAPL",
		Exchange: "XNAS", SecurityType: "EQ", InstrumentClass: 'K', MatchAlgorithm: ' ',
		MainFraction: 255, PriceDisplayFormat: 255, SubFraction: 255, UnderlyingProduct: 255,
		SecurityUpdateAction: 'A', MaturityMonth: 255, MaturityDay: 255, MaturityWeek: 255,
		UserDefinedInstrument: 'N', ContractMultiplierUnit: 127, FlowScheduleType: 127,
		TickRule: 255, LegSide: market.NoSide,
	}
	if got := DefinitionOf(&in); got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}

	// What is unknown is undefined.
	in.TickSize, in.RoundLot, in.Deleted = 0, 0, true
	want.MinPriceIncrement, want.MinLotSizeRoundLot = market.UndefPrice, math.MaxInt32
	want.SecurityUpdateAction = 'D'
	if got := DefinitionOf(&in); got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	in.RoundLot = math.MaxUint32
	if got := DefinitionOf(&in); got != want {
		t.Errorf("round lot that does not fit: got\n%+v, want\n%+v", got, want)
	}
}

func TestStatOf(t *testing.T) {
	got := StatOf(&market.Statistic{
		TsEvent: noon, TsRecv: noon + 1, TsRef: market.UndefTime, Price: market.UndefPrice,
		Quantity: math.MaxInt64, Seq: 3<<32 + 5, Instrument: 7, Publisher: 2,
		Kind: market.StatClosePrice,
	})
	want := Stat{
		Header: header(RTypeStat), TsRecv: noon + 1, TsRef: market.UndefTime,
		Price: market.UndefPrice, Quantity: UndefStat, Sequence: 5, Kind: market.StatClosePrice,
		ChannelID: 65535, UpdateAction: 1,
	}
	if got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestImbalanceOf(t *testing.T) {
	got := ImbalanceOf(&market.Imbalance{
		TsEvent: noon, TsRecv: noon + 1, AuctionTime: market.UndefTime, RefPrice: 1,
		ContClearPrice: 2, AuctClearPrice: 3, MatchPrice: 4, UpperCollar: 5, LowerCollar: 6,
		Paired: 7, Imbalance: 8, Instrument: 7, Publisher: 2, AuctionType: 'O', Side: market.Bid,
		Variation: 'L',
	})
	want := Imbalance{
		Header: header(RTypeImbalance), TsRecv: noon + 1, RefPrice: 1,
		AuctionTime: market.UndefTime, ContBookClrPrice: 2, AuctInterestClrPrice: 3,
		SSRFillingPrice: market.UndefPrice, IndMatchPrice: 4, UpperCollar: 5, LowerCollar: 6,
		PairedQty: 7, TotalImbalanceQty: 8, MarketImbalanceQty: UndefSize, UnpairedQty: UndefSize,
		AuctionType: 'O', Side: market.Bid, UnpairedSide: market.NoSide, SignificantImbalance: 'L',
	}
	if got != want {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}
