package dbn

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"tidegate/market"
)

// noon is the base time of the golden vectors.
const noon market.Nanos = 1700000000000000000

// The vectors below were read back, field by field, by a client that is not ours. System and Error
// are only the first 48 bytes; the rest is zero up to the last bytes.
const (
	goldenMetadata = "" +
		"44424e0378000000584e41532e4954434800000000000000ffff00002a36fe9c9717ffffffffffffffff000000000000" +
		"0000ff000047000000000000000000000000000000000000000000000000000000000000000000000000000000000000" +
		"0000000000000000000000000000000000000000000000000000000000000000"
	goldenMbo = "" +
		"0ea002000700000000002a36fe9c97172b0200000000000000b2118417000000640000008003414201002a36fe9c9717" +
		"fbffffff2a000000"
	goldenTrade = "" +
		"0c0002000700000000002a36fe9c971700b2118417000000640000005441820101002a36fe9c97174d0000002b000000"
	goldenMbp1 = "" +
		"140102000700000000002a36fe9c971700b2118417000000640000005441820101002a36fe9c97174d0000002b000000" +
		"00b2118417000000007cacbf170000000b0000000c0000000300000004000000"
	goldenBbo = "" +
		"14c302000700000000002a36fe9c971700b2118417000000640000000042800001002a36fe9c9717000000002c000000" +
		"00b2118417000000007cacbf170000000b0000000c0000000300000004000000"
	goldenCmbp1 = "" +
		"14b15a000700000000002a36fe9c971700b2118417000000640000004d42800001002a36fe9c97170500000000000000" +
		"00b2118417000000007cacbf170000000b0000000c0000000200000009000000"
	goldenOhlcv = "" +
		"0e2002000700000000002a36fe9c97170100000000000000020000000000000003000000000000000400000000000000" +
		"0500000000000000"
	goldenStatus = "" +
		"0a1202000700000000002a36fe9c971701002a36fe9c9717070001000200594e7e00000000000000"
	goldenImbalance = "" +
		"1c1402000700000000002a36fe9c971701002a36fe9c9717010000000000000002002a36fe9c97170300000000000000" +
		"04000000000000000500000000000000060000000000000007000000000000000800000000000000090000000a000000" +
		"0b0000000c0000004f420d0e0f414c00"
	goldenStat = "" +
		"141802000700000000002a36fe9c971701002a36fe9c971702002a36fe9c971703000000000000000400000000000000" +
		"0500000006000000090008000140000000000000000000000000000000000000"
	goldenMapping = "" +
		"2c1600000700000000002a36fe9c9717014141504c000000000000000000000000000000000000000000000000000000" +
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000014141504c000000" +
		"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" +
		"00000000000000000000000000000000ffff2936fe9c97170040a446f1f79717"
	goldenMboTsOut = "" +
		"10a002000700000000002a36fe9c97172b0200000000000000b2118417000000640000008003414201002a36fe9c9717" +
		"fbffffff2a00000009002a36fe9c9717"
	goldenSystem = "" +
		"501700000000000000002a36fe9c97174865617274626561740000000000000000000000000000000000000000000000"
	goldenError = "" +
		"501500000000000000002a36fe9c9717736b697070656400000000000000000000000000000000000000000000000000"
	goldenDefinition = "" +
		"821302000700000000002a36fe9c971701002a36fe9c9717809698000000000000ca9a3b00000000ffffffffffffffff" +
		"ffffffffffffffff01000000000000000200000000000000030000000000000004000000000000000500000000000000" +
		"06000000000000000700000000000000e703000000000000080000000000000009000000000000001400000015000000" +
		"160000001700000018000000190000001a0000001b0000001c0000001d0000001e0000001f0000002000000021000000" +
		"22000000230000002400000025000000260000002700280029002a002b002c0055534400455552005353554200004141" +
		"504c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" +
		"000000000000000000000000000000000000000000475250000000000000000000000000000000000000584e41530041" +
		"535345540000000000004553585858580045510000000000554f4d000000000000000000000000000000000000000000" +
		"00000000000000554e44000000000000000000000000000000000000474250004c454753594d00000000000000000000" +
		"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" +
		"000000000000004b462d2e2f30413132334e34353643420000000000000000000000000000000000"
)

var (
	goldenHeader = Header{PublisherID: 2, InstrumentID: 7, TsEvent: noon}
	goldenLevel  = Level{
		BidPrice: 101e9, AskPrice: 102e9, BidSize: 11, AskSize: 12, BidCount: 3, AskCount: 4,
	}
	goldenChange = Change{
		Header: header(RTypeTrade), Price: 101e9, Size: 100, Action: market.Trade, Side: market.Ask,
		Flags: 130, Depth: 1, TsRecv: noon + 1, TsInDelta: 77, Sequence: 43,
	}
)

func header(t RType) Header {
	h := goldenHeader
	h.RType = t
	return h
}

// record is what every record type can do.
type record[T any] interface {
	*T
	Parse(Record) error
	Append([]byte) []byte
}

func testGolden[T comparable, P record[T]](t *testing.T, golden string, want T) {
	t.Helper()
	b, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ParseRecord(b, Version, false)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := P(&got).Parse(rec); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("parsed\n%+v, want\n%+v", got, want)
	}
	if got := P(&want).Append([]byte("before")); !bytes.Equal(got[6:], b) || string(got[:6]) != "before" {
		t.Errorf("appended\n%x, want\n%x", got[6:], b)
	}
}

// full completes a vector that is zero between its start and its last bytes.
func full(start string, size int, last string) string {
	return start + strings.Repeat("00", size-len(start)/2-len(last)/2) + last
}

func TestGoldenRecords(t *testing.T) {
	t.Run("mbo", func(t *testing.T) {
		testGolden(t, goldenMbo, MBO{
			Header: header(RTypeMBO), OrderID: 555, Price: 101e9, Size: 100, Flags: market.FlagLast,
			ChannelID: 3, Action: market.Add, Side: market.Bid, TsRecv: noon + 1, TsInDelta: -5,
			Sequence: 42,
		})
	})
	t.Run("trades", func(t *testing.T) { testGolden(t, goldenTrade, Trade{goldenChange}) })
	t.Run("mbp-1", func(t *testing.T) {
		c := goldenChange
		c.RType = RTypeMBP1
		testGolden(t, goldenMbp1, MBP1{Change: c, Level: goldenLevel})
	})
	t.Run("bbo-1s", func(t *testing.T) {
		testGolden(t, goldenBbo, BBO{
			Header: header(RTypeBBO1s), Price: 101e9, Size: 100, Side: market.Bid, Flags: 128,
			TsRecv: noon + 1, Sequence: 44, Level: goldenLevel,
		})
	})
	t.Run("cmbp-1", func(t *testing.T) {
		h := header(RTypeCMBP1)
		h.PublisherID = 90
		testGolden(t, goldenCmbp1, CMBP1{
			Header: h, Price: 101e9, Size: 100, Action: market.Modify, Side: market.Bid, Flags: 128,
			TsRecv: noon + 1, TsInDelta: 5,
			Level: ConsolidatedLevel{
				BidPrice: 101e9, AskPrice: 102e9, BidSize: 11, AskSize: 12,
				BidPublisher: 2, AskPublisher: 9,
			},
		})
	})
	t.Run("ohlcv-1s", func(t *testing.T) {
		testGolden(t, goldenOhlcv, OHLCV{
			Header: header(RTypeOHLCV1s), Open: 1, High: 2, Low: 3, Close: 4, Volume: 5,
		})
	})
	t.Run("status", func(t *testing.T) {
		testGolden(t, goldenStatus, Status{
			Header: header(RTypeStatus), TsRecv: noon + 1, Action: market.StatusTrading, Reason: 1,
			TradingEvent: 2, Trading: market.Yes, Quoting: market.No,
			ShortSellRestricted: market.Unknown,
		})
	})
	t.Run("imbalance", func(t *testing.T) {
		testGolden(t, goldenImbalance, Imbalance{
			Header: header(RTypeImbalance), TsRecv: noon + 1, RefPrice: 1, AuctionTime: noon + 2,
			ContBookClrPrice: 3, AuctInterestClrPrice: 4, SSRFillingPrice: 5, IndMatchPrice: 6,
			UpperCollar: 7, LowerCollar: 8, PairedQty: 9, TotalImbalanceQty: 10,
			MarketImbalanceQty: 11, UnpairedQty: 12, AuctionType: 'O', Side: market.Bid,
			AuctionStatus: 13, FreezeStatus: 14, NumExtensions: 15, UnpairedSide: market.Ask,
			SignificantImbalance: 'L',
		})
	})
	t.Run("statistics", func(t *testing.T) {
		testGolden(t, goldenStat, Stat{
			Header: header(RTypeStat), TsRecv: noon + 1, TsRef: noon + 2, Price: 3, Quantity: 4,
			Sequence: 5, TsInDelta: 6, Kind: 9, ChannelID: 8, UpdateAction: 1, Flags: 64,
		})
	})
	t.Run("symbol-mapping", func(t *testing.T) {
		h := header(RTypeSymbolMapping)
		h.PublisherID = 0
		testGolden(t, goldenMapping, SymbolMapping{
			Header: h, STypeIn: STypeRawSymbol, SymbolIn: "AAPL", STypeOut: STypeRawSymbol,
			SymbolOut: "AAPL", Start: noon - 1, End: noon + 1e14,
		})
	})
	t.Run("system", func(t *testing.T) {
		testGolden(t, full(goldenSystem, systemSize, "00"), System{
			Header: Header{RType: RTypeSystem, TsEvent: noon}, Text: "Heartbeat",
			Code: SystemHeartbeat,
		})
	})
	t.Run("error", func(t *testing.T) {
		testGolden(t, full(goldenError, errorSize, "0701"), Error{
			Header: Header{RType: RTypeError, TsEvent: noon}, Text: "skipped", Code: ErrorSkipped,
			IsLast: 1,
		})
	})
	t.Run("definition", func(t *testing.T) { testGolden(t, goldenDefinition, wantDefinition) })
}

// The specification has no vectors for these two; they are made by hand from those of MBP1 and
// CMBP1, whose parts they share.
func TestGoldenByHand(t *testing.T) {
	t.Run("mbp-10", func(t *testing.T) {
		m := MBP10{Change: goldenChange}
		m.RType = RTypeMBP10
		golden := "5c0a" + goldenTrade[4:]
		for i := range m.Levels {
			// The same level, with the number of bid orders to tell them apart.
			m.Levels[i] = goldenLevel
			m.Levels[i].BidCount = uint32(i)
			level := goldenMbp1[96:]
			golden += level[:48] + "0" + string(rune('0'+i)) + level[50:]
		}
		testGolden(t, golden, m)
	})
	t.Run("cbbo-1m", func(t *testing.T) {
		h := header(RTypeCBBO1m)
		h.PublisherID = 90
		golden := "14c1" + goldenCmbp1[4:56] + "00" + goldenCmbp1[58:80] + "00000000" + goldenCmbp1[88:]
		testGolden(t, golden, CBBO{
			Header: h, Price: 101e9, Size: 100, Side: market.Bid, Flags: 128, TsRecv: noon + 1,
			Level: ConsolidatedLevel{
				BidPrice: 101e9, AskPrice: 102e9, BidSize: 11, AskSize: 12,
				BidPublisher: 2, AskPublisher: 9,
			},
		})
	})
}

func TestGoldenTsOut(t *testing.T) {
	want, _ := hex.DecodeString(goldenMboTsOut)
	e := market.Event{
		TsEvent: noon, TsRecv: noon + 1, Seq: 1<<40 + 42, OrderID: 555, Price: 101e9, Size: 100,
		Instrument: 7, TsInDelta: -5, Publisher: 2, Action: market.Add, Side: market.Bid,
		Flags: market.FlagLast, Channel: 3,
	}
	b := AppendMBO([]byte("before"), &e)
	b = AppendTsOut(b, 6, noon+9)
	if !bytes.Equal(b[6:], want) {
		t.Fatalf("got\n%x, want\n%x", b[6:], want)
	}
	rec, err := ParseRecord(want, Version, true)
	if err != nil {
		t.Fatal(err)
	}
	if ts, ok := rec.TsOut(); !ok || ts != noon+9 {
		t.Errorf("send time %d %v, want %d", ts, ok, noon+9)
	}
	var m MBO
	if err := m.Parse(rec); err != nil || m.Sequence != 42 {
		t.Errorf("parsed %+v, %v", m, err)
	}
	if _, err := ParseRecord(want, Version, false); err == nil {
		t.Error("a record with a send time passed as one without")
	}
}

func TestGoldenMetadata(t *testing.T) {
	want, _ := hex.DecodeString(goldenMetadata)
	m := Metadata{
		Version: Version, Dataset: "XNAS.ITCH", Schema: SchemaMixed, Start: noon,
		End: market.UndefTime, STypeIn: STypeMixed, STypeOut: STypeInstrumentID,
	}
	got, err := AppendMetadata([]byte("before"), &m)
	if err != nil || !bytes.Equal(got[6:], want) {
		t.Errorf("appended %v\n%x, want\n%x", err, got, want)
	}
	parsed, size, err := ParseMetadata(append(want, "after"...))
	if err != nil || size != 128 {
		t.Fatalf("parsed %d bytes, %v", size, err)
	}
	wantMetadata(t, &parsed, &m)
}

var wantDefinition = Definition{
	Header: header(RTypeDefinition), TsRecv: noon + 1, MinPriceIncrement: 1e7, DisplayFactor: 1e9,
	Expiration: market.UndefTime, Activation: market.UndefTime, HighLimitPrice: 1,
	LowLimitPrice: 2, MaxPriceVariation: 3, UnitOfMeasureQty: 4, MinPriceIncrementAmount: 5,
	PriceRatio: 6, StrikePrice: 7, RawInstrumentID: 999, LegPrice: 8, LegDelta: 9,
	InstAttribValue: 20, UnderlyingID: 21, MarketDepthImplied: 22, MarketDepth: 23,
	MarketSegmentID: 24, MaxTradeVol: 25, MinLotSize: 26, MinLotSizeBlock: 27,
	MinLotSizeRoundLot: 28, MinTradeVol: 29, ContractMultiplier: 30, DecayQuantity: 31,
	OriginalContractSize: 32, LegInstrumentID: 33, LegRatioPriceNumerator: 34,
	LegRatioPriceDenominator: 35, LegRatioQtyNumerator: 36, LegRatioQtyDenominator: 37,
	LegUnderlyingID: 38, ApplID: 39, MaturityYear: 40, DecayStartDate: 41, ChannelID: 42,
	LegCount: 43, LegIndex: 44, Currency: "USD", SettlCurrency: "EUR", SecSubType: "SSUB",
	RawSymbol: "AAPL", Group: "GRP", Exchange: "XNAS", Asset: "ASSET", CFI: "ESXXXX",
	SecurityType: "EQ", UnitOfMeasure: "UOM", Underlying: "UND", StrikePriceCurrency: "GBP",
	LegRawSymbol: "LEGSYM", InstrumentClass: 'K', MatchAlgorithm: 'F', MainFraction: 45,
	PriceDisplayFormat: 46, SubFraction: 47, UnderlyingProduct: 48, SecurityUpdateAction: 'A',
	MaturityMonth: 49, MaturityDay: 50, MaturityWeek: 51, UserDefinedInstrument: 'N',
	ContractMultiplierUnit: 52, FlowScheduleType: 53, TickRule: 54, LegInstrumentClass: 'C',
	LegSide: market.Bid,
}
