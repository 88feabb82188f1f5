package main

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// A tickedView tells of each tick.
type tickedView struct {
	noView
	ticks chan struct{}
	err   error
}

func (v *tickedView) tick() error {
	v.ticks <- struct{}{}
	return v.err
}

// What is shown must not wait for the record after it: there may be none for long.
func TestViewTicksWithoutRecords(t *testing.T) {
	v := newTickingView(&tickedView{ticks: make(chan struct{})}, time.Millisecond)
	ticks := v.of.(*tickedView).ticks
	<-ticks
	<-ticks
	go func() { // a tick may be under way
		for range ticks {
		}
	}()
	if err := v.close(); err != nil {
		t.Error(err)
	}
	close(ticks)
}

func TestViewSaysThatItCannotShow(t *testing.T) {
	broken := errors.New("broken pipe")
	v := newTickingView(&tickedView{ticks: make(chan struct{}, 1), err: broken}, time.Hour)
	if err := v.tick(); !errors.Is(err, broken) {
		t.Errorf("tick: %v", err)
	}
	if err := v.show(dbn.Record{}, ""); !errors.Is(err, broken) {
		t.Errorf("show after it: %v", err)
	}
	if err := v.close(); !errors.Is(err, broken) {
		t.Errorf("close after it: %v", err)
	}
}

func TestTableIsDrawnOnTicks(t *testing.T) {
	var out bytes.Buffer
	width, height := 60, 10
	v := newTableView(&out, func() (int, int) { return width, height })
	for id, symbol := range []string{"BRVO", "ALFA"} {
		for range 3 {
			if err := v.show(record(t, tradeOf(market.InstrumentID(id))), symbol); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(v.note("take care"), v.tick()); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[H6 records, 24 a second\x1b[K\n" +
		"time (UTC)       symbol    side      size       price    seq\x1b[K\n" +
		"01:00:00.000001  ALFA      bid        100       12.34       \x1b[K\n" +
		"01:00:00.000001  BRVO      bid        100       12.34       \x1b[K\n" +
		"take care\x1b[K\n\x1b[J"
	if got := out.String(); got != want {
		t.Errorf("drawn\n%q\nwant\n%q", got, want)
	}
	out.Reset()
	height = 6 // room for one row beside title, titles, what is left out, the note, and the cursor
	if err := v.close(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, "\n") != 5 || !strings.Contains(got, "... 1 more\x1b") || strings.Contains(got, "a second") {
		t.Errorf("the last table:\n%q", got)
	}
	for range 9 {
		if err := v.note("again"); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.said) != notesMax {
		t.Errorf("%d notes are kept", len(v.said))
	}
}

// record returns the record that was appended.
func record(t *testing.T, raw []byte) dbn.Record {
	t.Helper()
	r, err := dbn.ParseRecord(raw, dbn.Version, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const testTime = 3_600_000_001_000 // 01:00:00.000001

func tradeOf(id market.InstrumentID) []byte {
	return (&dbn.Trade{Change: changeOf(id)}).Append(nil)
}

func changeOf(id market.InstrumentID) dbn.Change {
	return dbn.Change{
		Header: dbn.Header{InstrumentID: id, TsEvent: testTime}, Price: 12_340_000_000, Size: 100, Action: market.Trade, Side: market.Bid,
		TsRecv: testTime, Sequence: 9, Depth: 1,
	}
}

// Titles come with the first record, and again for every screenful of a terminal.
func TestTitlesAreRepeatedPerScreen(t *testing.T) {
	for _, c := range []struct{ height, records, want int }{
		{0, 1000, 1}, {10, 1, 1}, {10, 8, 1}, {10, 9, 2}, {10, 1000, 125}, {1, 1000, 1},
	} {
		var out bytes.Buffer
		v := &lineView{w: bufio.NewWriter(&out), notes: &out, height: func() int { return c.height }}
		r := record(t, tradeOf(1))
		for range c.records {
			if err := v.show(r, "ALFA"); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "time (UTC)"); got != c.want || strings.Count(out.String(), "\n") != c.want+c.records {
			t.Errorf("titles of %d records on %d lines: %d times, want %d", c.records, c.height, got, c.want)
		}
	}
}

// Every schema has titles, and its records are readable.
func TestShapes(t *testing.T) {
	level := dbn.Level{BidPrice: 12_330_000_000, AskPrice: 12_350_000_000, BidSize: 300, AskSize: 400, BidCount: 3, AskCount: 4}
	empty := dbn.Level{BidPrice: market.UndefPrice, AskPrice: market.UndefPrice}
	shared := dbn.ConsolidatedLevel{
		BidPrice: 12_330_000_000, AskPrice: market.UndefPrice, BidSize: 300, BidPublisher: market.NasdaqITCH.ID,
	}
	header := dbn.Header{InstrumentID: 7, TsEvent: testTime}
	depth := dbn.MBP10{Change: changeOf(7)}
	for i := range depth.Levels {
		depth.Levels[i] = level
		if i > 1 {
			depth.Levels[i] = empty
		}
	}
	definition := dbn.DefinitionOf(&market.Definition{
		TsRecv: testTime, Class: 'K', Exchange: "XNAS", SecType: "CS",
		Instrument: market.Instrument{ID: 7, Symbol: "ALFA", TickSize: 10_000_000, RoundLot: 100},
	})
	status := dbn.StatusOf(&market.Status{
		TsRecv: testTime, Instrument: 7, Action: market.StatusHalt, Reason: 30, Trading: market.No, Quoting: market.Unknown,
		ShortSaleRestraint: market.Yes,
	})
	imbalance := dbn.ImbalanceOf(&market.Imbalance{
		TsRecv: testTime, AuctionTime: market.UndefTime, RefPrice: 12_340_000_000, ContClearPrice: 12_350_000_000,
		AuctClearPrice: 12_360_000_000, MatchPrice: market.UndefPrice, UpperCollar: market.UndefPrice, LowerCollar: market.UndefPrice,
		Paired: 500, Imbalance: 60, Instrument: 7, AuctionType: 'C', Side: market.Ask, Variation: '~',
	})
	statistic := dbn.StatOf(&market.Statistic{
		TsRecv: testTime, TsRef: market.UndefTime, Price: 12_340_000_000, Quantity: dbn.UndefStat, Seq: 9, Kind: market.StatOpeningPrice,
	})
	bar := dbn.OHLCV{Header: header, Open: 1e9, High: 4e9, Low: 5e8, Close: 2e9, Volume: 12345}
	bbo := dbn.BBO{Header: header, Price: 12_340_000_000, Size: 100, Side: market.Bid, TsRecv: testTime, Level: level}
	cbbo := dbn.CBBO{Header: header, Price: market.UndefPrice, Side: market.NoSide, TsRecv: testTime, Level: shared}
	cmbp1 := dbn.CMBP1{
		Header: header, Price: 12_340_000_000, Size: 100, Action: market.Add, Side: market.Bid, TsRecv: testTime, Level: shared,
	}
	order := market.Event{
		TsRecv: testTime, Instrument: 7, OrderID: 123, Price: 12_340_000_000, Size: 100, Action: market.Cancel, Side: market.Ask, Seq: 9,
		Flags: market.FlagLast | market.FlagMaybeBadBook,
	}
	bbo.RType, cbbo.RType, cmbp1.RType, bar.RType = dbn.RTypeBBO1s, dbn.RTypeCBBO1m, dbn.RTypeTCBBO, dbn.RTypeOHLCV1m
	for _, c := range []struct {
		schema string
		raw    []byte
		want   string // titles above cells, without their alignment
	}{
		{"mbo", dbn.AppendMBO(nil, &order), `
			action side size price order sequence flags
			cancel ask 100 12.34 123 9 last,maybe-bad-book`},
		{"trades", tradeOf(7), `
			side size price sequence flags
			bid 100 12.34 9`},
		{"mbp-1", (&dbn.MBP1{Change: changeOf(7), Level: level}).Append(nil), `
			action side size price bid size bid ask ask size bid orders ask orders
			trade bid 100 12.34 300 12.33 12.35 400 3 4`},
		{"mbp-10", depth.Append(nil), `
			action side size price level bid size bid ask ask size bids bid depth asks ask depth
			trade bid 100 12.34 1 300 12.33 12.35 400 2 600 2 800`},
		{"bbo-1s", bbo.Append(nil), `
			bid size bid ask ask size last last size side
			300 12.33 12.35 400 12.34 100 bid`},
		{"tcbbo", cmbp1.Append(nil), `
			action side size price bid at bid size bid ask ask size ask at
			add bid 100 12.34 XNAS 300 12.33 - 0 -`},
		{"cbbo-1m", cbbo.Append(nil), `
			bid at bid size bid ask ask size ask at last last size side
			XNAS 300 12.33 - 0 - - - -`},
		{"ohlcv-1m", bar.Append(nil), `
			open high low close volume
			1.00 4.00 0.50 2.00 12345`},
		{"definition", definition.Append(nil), `
			instrument class tick size round lot exchange type currency expiration change
			7 stock 0.01 100 XNAS CS - - added`},
		{"status", status.Append(nil), `
			state reason trading quoting short sales event
			halt news pending no - restricted -`},
		{"imbalance", imbalance.Append(nil), `
			auction side imbalance paired reference near far match collar collar at variation
			C ask 60 500 12.34 12.35 12.36 - - - - -`},
		{"statistics", statistic.Append(nil), `
			statistic price quantity as of sequence change
			opening price 12.34 - - 9 new`},
	} {
		r := record(t, c.raw)
		s := shapeOf(r.RType)
		line, err := s.line(r, "ALFA")
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
		}
		words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
		titles, cells, _ := strings.Cut(strings.TrimSpace(c.want), "\n")
		if got, want := words(s.titles(false)), "time (UTC) symbol "+titles; got != want {
			t.Errorf("%s: titles\n%s\nwant\n%s", c.schema, got, want)
		}
		if got, want := words(line), "01:00:00.000001 ALFA "+words(cells); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.schema, got, want)
		}
	}
	// No schema is without a shape.
	for _, schema := range derive.Schemas() {
		rtype, _ := schema.RType()
		if shapeOf(rtype) == &otherShape {
			t.Errorf("%s has no shape", schema)
		}
	}
}

// Titles stand above their cells, and behind them the time under way where the gateway tells it.
func TestSendTimesAreShown(t *testing.T) {
	r, err := dbn.ParseRecord(dbn.AppendTsOut(tradeOf(7), 0, testTime+5000), dbn.Version, true)
	if err != nil {
		t.Fatal(err)
	}
	line, err := tradeShape.line(r, "ALFA")
	if err != nil {
		t.Fatal(err)
	}
	got := tradeShape.titles(true) + "\n" + line
	const want = "time (UTC)       symbol    side      size       price    sequence  flags  sent after receipt\n" +
		"01:00:00.000001  ALFA      bid        100       12.34           9                        5µs"
	if got != want {
		t.Errorf("shown\n%s\nwant\n%s", got, want)
	}
}
