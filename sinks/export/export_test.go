package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"tidegate/codec/dbn"
	"tidegate/internal/openfile"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// start is 2026-11-18T23:59:00Z: a minute before midnight, so that a journal has records of two days.
const start = 1_795_046_340 * market.Second

var symbols = []string{"", "AAPL", "MSFT", `Q"X,Y`}

// A tape is a journal being made, and what went into it.
type tape struct {
	t    *testing.T
	j    *journal.Journal
	dir  string
	all  map[dbn.RType][][]byte
	feed uint16
}

func newTape(t *testing.T) *tape {
	p := &tape{t: t, dir: t.TempDir(), all: map[dbn.RType][][]byte{}, feed: 3}
	p.open()
	return p
}

// open begins an epoch.
func (p *tape) open() {
	p.t.Helper()
	var err error
	if p.j, err = journal.Open(journal.Config{Dir: p.dir, SegmentBytes: 2 << 20, ReserveBytes: 1}); err != nil {
		p.t.Fatal(err)
	}
	f := entry.Feed{Publisher: market.NasdaqITCH.ID, Name: "itch"}
	p.j.Append(journal.Header{At: start, Feed: p.feed, Kind: entry.KindFeed}, f.Append(nil))
}

func (p *tape) close() {
	p.t.Helper()
	if err := p.j.Close(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tape) record(at market.Nanos, b []byte) {
	p.j.Append(journal.Header{At: at, Feed: p.feed, Kind: entry.KindRecord}, b)
	p.all[dbn.RType(b[1])] = append(p.all[dbn.RType(b[1])], b)
}

func header(t dbn.RType, id int, at market.Nanos) dbn.Header {
	return dbn.Header{RType: t, PublisherID: market.NasdaqITCH.ID, InstrumentID: market.InstrumentID(id), TsEvent: at - 7}
}

// define names the instruments.
func (p *tape) define(at market.Nanos, names []string) {
	for id := 1; id < len(names); id++ {
		d := dbn.Definition{
			Header: header(0, id, at), TsRecv: at, RawSymbol: names[id], Expiration: market.UndefTime, MinPriceIncrement: market.PriceScale / 100,
			StrikePrice: market.UndefPrice, InstrumentClass: 'K', LegCount: 2, ContractMultiplierUnit: -1, Exchange: "XNAS",
		}
		p.record(at, d.Append(nil))
	}
}

// below returns a negative price, as spreads have.
func below(p market.Price) market.Price {
	if !p.Defined() {
		return p
	}
	return -p
}

// minutes has n records of every schema, two seconds apart.
func (p *tape) minutes(n int) {
	for i := range n {
		at := start + market.Nanos(i)*2*market.Second
		id := 1 + i%4 // of the fourth nobody knows the name
		px := market.Price(i)*12_345_678_901 + 1
		if i%5 == 0 {
			px = market.UndefPrice
		}
		mbo := dbn.MBO{Header: header(0, id, at), OrderID: 1<<63 + uint64(i), Price: px, Size: 4294967295, Flags: 130, ChannelID: 255, Action: market.Add, Side: market.Bid, TsRecv: at, TsInDelta: -int32(i), Sequence: uint32(i)}
		p.record(at, mbo.Append(nil))
		change := dbn.Change{Header: header(0, id, at), Price: below(px), Size: uint32(i), Action: market.Cancel, Side: market.Ask, TsRecv: at}
		level := dbn.Level{BidPrice: px, AskPrice: market.UndefPrice, BidSize: 3, AskCount: 7}
		mbp := dbn.MBP1{Change: change, Level: level}
		if i%3 == 0 {
			mbp.Action = market.Trade
		}
		p.record(at, mbp.Append(nil))
		change.Action = market.Trade
		p.record(at, (&dbn.Trade{Change: change}).Append(nil))
		bbo := dbn.BBO{Header: header(dbn.RTypeBBO1s, id, at), Price: px, Side: market.NoSide, TsRecv: at, Level: level}
		bbo.TsEvent = market.UndefTime
		p.record(at, bbo.Append(nil))
		bar := dbn.OHLCV{Header: header(dbn.RTypeOHLCV1m, id, at), Open: 1, High: px, Low: -5, Close: market.PriceScale, Volume: 1<<64 - 1}
		bar.TsEvent = at - market.Minute
		p.record(at, bar.Append(nil))
		status := dbn.Status{Header: header(0, id, at), TsRecv: at, Action: 7, Trading: 'Y', Quoting: '~', ShortSellRestricted: 'N'}
		p.record(at, status.Append(nil))
		stat := dbn.Stat{Header: header(0, id, at), TsRecv: at, TsRef: market.UndefTime, Price: px, Quantity: dbn.UndefStat, Kind: 4, ChannelID: 65535}
		p.record(at, stat.Append(nil))
		imbalance := dbn.Imbalance{Header: header(0, id, at), TsRecv: at, AuctionTime: market.UndefTime, RefPrice: px, AuctionType: 'O', SignificantImbalance: '~', NumExtensions: 65}
		p.record(at, imbalance.Append(nil))
	}
}

func made(t *testing.T) *tape {
	p := newTape(t)
	p.define(start, symbols)
	p.minutes(120)
	p.close()
	return p
}

// chosen returns the records of a journal that an export should have, from the journal's own reader.
func (p *tape) chosen(o *Options) (all []dbn.Record) {
	p.t.Helper()
	rtype, _ := o.Schema.RType()
	for _, b := range p.all[rtype] {
		r, err := dbn.ParseRecord(b, dbn.Version, false)
		if err != nil {
			p.t.Fatal(err)
		}
		data, _ := newRecord(o.Schema)
		if err := data.Parse(r); err != nil {
			p.t.Fatal(err)
		}
		at := r.TsEvent
		if f := reflect.ValueOf(data).Elem().FieldByName("TsRecv"); f.IsValid() {
			at = market.Nanos(f.Int())
		}
		if m, ok := data.(*dbn.MBP1); ok && o.Schema == dbn.SchemaTBBO && m.Action != market.Trade {
			continue
		}
		if o.Start.Defined() && at < o.Start || o.End.Defined() && at >= o.End {
			continue
		}
		if len(o.Symbols) > 0 && (int(r.InstrumentID) >= len(symbols) || symbols[r.InstrumentID] != o.Symbols[0]) {
			continue
		}
		all = append(all, r)
	}
	return all
}

func run(t *testing.T, o Options) *Result {
	t.Helper()
	got, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// options are those of an export of everything.
func (p *tape) options(s dbn.Schema, f Format, name string) Options {
	return Options{Dir: p.dir, Schema: s, Format: f, Out: filepath.Join(p.t.TempDir(), name), Start: market.UndefTime, End: market.UndefTime}
}

// variants are an export of everything, of a time, and of an instrument.
func variants(o Options) []Options {
	some, one := o, o
	some.Start, some.End = start+30*market.Second, start+90*market.Second
	one.Symbols = []string{"MSFT"}
	return []Options{o, some, one}
}

func TestDBN(t *testing.T) {
	p := made(t)
	for _, s := range Schemas() {
		for _, o := range variants(p.options(s, DBN, "out.dbn.zst")) {
			want := p.chosen(&o)
			res := run(t, o)
			if res.Records != uint64(len(want)) || len(want) > 0 && res.Feed != "itch" {
				t.Errorf("%s: %+v, want %d records", s, res, len(want))
			}
			f, err := openfile.Open(o.Out)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Compression() != openfile.Zstd {
				t.Errorf("compression %s", f.Compression())
			}
			r, err := dbn.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				rec, err := r.Next()
				if err != nil || !bytes.Equal(rec.Raw(), want[i].Raw()) {
					t.Fatalf("%s: record %d: %x, %v, want %x", s, i, rec.Raw(), err, want[i].Raw())
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("%s: behind the last record: %v", s, err)
			}
			m := r.Metadata()
			if m.Dataset != "XNAS.ITCH" && len(want) > 0 || m.Schema != s || m.STypeIn != dbn.STypeRawSymbol || m.STypeOut != dbn.STypeInstrumentID {
				t.Errorf("%s: metadata %+v", s, m)
			}
			if o.Start.Defined() && (m.Start != o.Start || m.End != o.End) || !o.Start.Defined() && len(want) > 0 && (m.Start != res.First || m.End != res.Last+1) {
				t.Errorf("%s: from %d to %d", s, m.Start, m.End)
			}
		}
	}
}

// The mappings of a file say what its records' instruments are called, day by day.
func TestMappings(t *testing.T) {
	p := made(t)
	o := p.options(dbn.SchemaMBO, DBN, "out.dbn")
	run(t, o)
	m := metadataOf(t, o.Out)
	want := []dbn.Mapping{
		{Symbol: "#4", Intervals: []dbn.Interval{{Start: 20261118, End: 20261120, Symbol: "4"}}},
		{Symbol: "AAPL", Intervals: []dbn.Interval{{Start: 20261118, End: 20261120, Symbol: "1"}}},
		{Symbol: "MSFT", Intervals: []dbn.Interval{{Start: 20261118, End: 20261120, Symbol: "2"}}},
		{Symbol: `Q"X,Y`, Intervals: []dbn.Interval{{Start: 20261118, End: 20261120, Symbol: "3"}}},
	}
	if !reflect.DeepEqual(m.Mappings, want) || !reflect.DeepEqual(m.Symbols, []string{"#4", "AAPL", "MSFT", `Q"X,Y`}) {
		t.Errorf("mappings %+v of %v, want %+v", m.Mappings, m.Symbols, want)
	}
	o.Symbols, o.Start, o.End = []string{"MSFT"}, start-market.Hour, start-market.Minute
	if res := run(t, o); res.Records != 0 || res.First.Defined() {
		t.Errorf("before there was anything: %+v", res)
	}
	if m := metadataOf(t, o.Out); !reflect.DeepEqual(m.NotFound, o.Symbols) || len(m.Mappings) != 0 {
		t.Errorf("before there was anything: %+v", m)
	}
}

func metadataOf(t *testing.T, path string) *dbn.Metadata {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := dbn.ParseMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

// cells returns what a row of CSV should have, from the struct, without the columns of this package.
func cells(t *testing.T, s dbn.Schema, r dbn.Record) map[string]string {
	t.Helper()
	data, _ := newRecord(s)
	if err := data.Parse(r); err != nil {
		t.Fatal(err)
	}
	num := func(v any) string { return fmt.Sprintf("%d", v) }
	px := func(p market.Price) string {
		if p == market.UndefPrice {
			return ""
		}
		return p.String()
	}
	ts := func(n market.Nanos) string {
		if n == market.UndefTime {
			return ""
		}
		return strconv.FormatInt(int64(n), 10)
	}
	c := map[string]string{
		"rtype": num(uint8(r.RType)), "publisher_id": "2", "instrument_id": num(r.InstrumentID), "ts_event": ts(r.TsEvent),
		"symbol": "#4",
	}
	if int(r.InstrumentID) < len(symbols) {
		c["symbol"] = symbols[r.InstrumentID]
	}
	switch m := data.(type) {
	case *dbn.MBO:
		c["order_id"], c["price"], c["size"], c["ts_recv"] = num(m.OrderID), px(m.Price), num(m.Size), ts(m.TsRecv)
		c["action"], c["side"], c["flags"], c["ts_in_delta"], c["sequence"] = string(rune(m.Action)), string(rune(m.Side)), num(uint8(m.Flags)), num(m.TsInDelta), num(m.Sequence)
	case *dbn.MBP1:
		c["bid_px_00"], c["ask_px_00"], c["bid_sz_00"], c["ask_ct_00"], c["depth"] = px(m.Level.BidPrice), px(m.Level.AskPrice), num(m.Level.BidSize), num(m.Level.AskCount), num(m.Depth)
	case *dbn.OHLCV:
		c["open"], c["high"], c["low"], c["close"], c["volume"] = px(m.Open), px(m.High), px(m.Low), px(m.Close), num(m.Volume)
	case *dbn.Definition:
		c["raw_symbol"], c["min_price_increment"], c["strike_price"], c["expiration"] = m.RawSymbol, "0.01", "", ""
		c["instrument_class"], c["leg_instrument_class"], c["contract_multiplier_unit"], c["exchange"], c["cfi"] = "K", "", "-1", "XNAS", ""
	case *dbn.Status:
		c["action"], c["is_trading"], c["is_quoting"], c["is_short_sell_restricted"] = "7", "Y", "~", "N"
	case *dbn.Stat:
		c["stat_type"], c["quantity"], c["ts_ref"], c["price"] = "4", num(uint64(dbn.UndefStat)), "", px(m.Price)
	case *dbn.Imbalance:
		c["ref_price"], c["auction_type"], c["num_extensions"], c["significant_imbalance"], c["ssr_filling_price"] = px(m.RefPrice), "O", "65", "~", "0.00"
	}
	return c
}

func TestCSV(t *testing.T) {
	p := made(t)
	for _, s := range Schemas() {
		for _, o := range variants(p.options(s, CSV, "out.csv.zst")) {
			want := p.chosen(&o)
			run(t, o)
			f, err := openfile.Open(o.Out)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(f).ReadAll()
			f.Close()
			if err != nil || len(rows) != 1+len(want) || !reflect.DeepEqual(rows[0], Columns(s)) {
				t.Fatalf("%s: %d rows, %v, want %d", s, len(rows), err, 1+len(want))
			}
			for i, row := range rows[1:] {
				compareRow(t, s, rows[0], row, cells(t, s, want[i]))
			}
		}
	}
}

func compareRow(t *testing.T, s dbn.Schema, names, row []string, want map[string]string) {
	t.Helper()
	found := 0
	for k, name := range names {
		if cell, ok := want[name]; ok {
			found++
			if row[k] != cell {
				t.Fatalf("%s: %s is %q, want %q", s, name, row[k], cell)
			}
		}
	}
	if found != len(want) {
		t.Fatalf("%s: columns %v, want all of %v", s, names, want)
	}
}

func TestParquet(t *testing.T) {
	p := made(t)
	for _, s := range Schemas() {
		for _, o := range variants(p.options(s, Parquet, "out.parquet")) {
			want := p.chosen(&o)
			run(t, o)
			b, err := os.ReadFile(o.Out)
			if err != nil {
				t.Fatal(err)
			}
			f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
			if err != nil || f.NumRows() != int64(len(want)) {
				t.Fatalf("%s: %d rows, %v, want %d", s, f.NumRows(), err, len(want))
			}
			var names []string
			for _, field := range f.Root().Columns() {
				names = append(names, field.Name())
			}
			if !reflect.DeepEqual(names, Columns(s)) {
				t.Errorf("%s: columns %v, want %v", s, names, Columns(s))
			}
			for i, row := range parquetRows(t, f) {
				compareRow(t, s, names, row, cells(t, s, want[i]))
			}
		}
	}
}

// parquetRows returns the values as CSV would have them, by what the schema in the file says of them.
func parquetRows(t *testing.T, f *parquet.File) (all [][]string) {
	t.Helper()
	fields := f.Root().Columns()
	for _, g := range f.RowGroups() {
		r := g.Rows()
		rows := make([]parquet.Row, 100)
		for err := error(nil); err != io.EOF; {
			var n int
			n, err = r.ReadRows(rows)
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
			for _, row := range rows[:n] {
				var cells []string
				for k, v := range row {
					cells = append(cells, textOf(fields[k].Type().LogicalType().String(), fields[k].Type().Kind(), v))
				}
				all = append(all, cells)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func textOf(logical string, k parquet.Kind, v parquet.Value) string {
	switch {
	case v.IsNull():
		return ""
	case logical == "DECIMAL(18,9)":
		return market.Price(v.Int64()).String()
	case strings.HasPrefix(logical, "INT(64,false)"):
		return strconv.FormatUint(uint64(v.Int64()), 10)
	case strings.HasSuffix(logical, ",false)") && k == parquet.Int32:
		return strconv.FormatUint(uint64(uint32(v.Int32())), 10)
	case k == parquet.Int32:
		return strconv.Itoa(int(v.Int32()))
	case k == parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	default:
		return v.String()
	}
}

// What does not fit the range of the format is an error, and leaves nothing.
func TestParquetPriceLimit(t *testing.T) {
	p := newTape(t)
	m := dbn.MBO{Header: header(0, 1, start), TsRecv: start, Price: priceLimit}
	p.record(start, m.Append(nil))
	p.close()
	o := p.options(dbn.SchemaMBO, Parquet, "out.parquet")
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrPriceLimit) {
		t.Errorf("got %v, want %v", err, ErrPriceLimit)
	}
	wantNothing(t, o.Out)
}

func wantNothing(t *testing.T, path string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// An interrupted export leaves nothing, and what was there stays.
func TestInterrupted(t *testing.T) {
	p := made(t)
	for f, name := range map[Format]string{DBN: "out.dbn", CSV: "out.csv", Parquet: "out.parquet"} {
		o := p.options(dbn.SchemaMBO, f, name)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		wantNothing(t, o.Out)
	}
}

// Another run of the gateway may number instruments anew: names are those of the run.
func TestRenumbered(t *testing.T) {
	p := newTape(t)
	p.define(start, symbols)
	p.minutes(8)
	p.close()
	p.open()
	p.define(start, []string{"", "MSFT", "AAPL"})
	p.minutes(8)
	p.close()
	o := p.options(dbn.SchemaMBO, CSV, "out.csv")
	o.Symbols = []string{"MSFT"}
	if res := run(t, o); res.Records != 4 {
		t.Errorf("%+v, want 2 records of each run", res)
	}
	b, err := os.ReadFile(o.Out)
	if err != nil || strings.Count(string(b), ",2,2,") != 2 || strings.Count(string(b), ",2,1,") != 2 || strings.Count(string(b), ",MSFT\n") != 4 {
		t.Errorf("%s, %v", b, err)
	}
	o = p.options(dbn.SchemaMBO, DBN, "out.dbn")
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrRenumbered) {
		t.Errorf("got %v, want %v", err, ErrRenumbered)
	}
	wantNothing(t, o.Out)
}

func TestChoice(t *testing.T) {
	p := newTape(t)
	p.define(start, symbols)
	p.minutes(9)
	p.feed = 4
	f := entry.Feed{Publisher: market.Simulated.ID, Name: "sim"}
	p.j.Append(journal.Header{At: start, Feed: 4, Kind: entry.KindFeed}, f.Append(nil))
	p.minutes(2)
	p.close()
	o := p.options(dbn.SchemaTrades, DBN, "out.dbn")
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrFeed) || !strings.Contains(err.Error(), "itch, sim") {
		t.Errorf("several feeds: %v", err)
	}
	o.Feed = "nobody"
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrFeed) || !strings.Contains(err.Error(), "itch, sim") {
		t.Errorf("no such feed: %v", err)
	}
	o.Feed = "sim"
	if res := run(t, o); res.Records != 2 || res.Feed != "sim" || res.Unnamed != 2 {
		t.Errorf("%+v", res)
	}
	if m := metadataOf(t, o.Out); m.Dataset != "XSIM.ITCH" {
		t.Errorf("dataset %s", m.Dataset)
	}
	o.Symbols = []string{"NONE"}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrSymbol) {
		t.Errorf("unknown symbol: %v", err)
	}
	o.Symbols, o.Schema = nil, dbn.SchemaMBP10
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrSchema) {
		t.Errorf("unknown schema: %v", err)
	}
	o.Dir = t.TempDir()
	o.Schema = dbn.SchemaMBO
	if _, err := Run(t.Context(), o); !errors.Is(err, journal.ErrNoJournal) {
		t.Errorf("no journal: %v", err)
	}
}

func TestCapture(t *testing.T) {
	p := newTape(t)
	p.j.Append(journal.Header{At: start, Kind: entry.KindStart}, []byte{1})
	p.close()
	if _, err := Run(t.Context(), p.options(dbn.SchemaMBO, DBN, "out.dbn")); !errors.Is(err, ErrCapture) {
		t.Errorf("got %v, want %v", err, ErrCapture)
	}
}

// What the journal does not have is said.
func TestMissing(t *testing.T) {
	p := newTape(t)
	p.define(start, symbols)
	p.minutes(3)
	g := entry.Gap{From: 10, To: 15, Seen: start, Reason: "timeout"}
	p.j.Append(journal.Header{At: start, Feed: p.feed, Kind: entry.KindGap}, g.Append(nil))
	p.j.Append(journal.Header{At: start, Feed: p.feed}, make([]byte, journal.PayloadMax+1))
	p.close()
	res := run(t, p.options(dbn.SchemaMBO, DBN, "out.dbn"))
	if res.Lost != 5 || res.Dropped != 1 || res.Damaged != 0 || res.Records != 3 {
		t.Errorf("%+v", res)
	}
	o := p.options(dbn.SchemaMBO, DBN, "out.dbn")
	o.End = start - 1
	if res := run(t, o); res.Lost != 0 || res.Dropped != 0 {
		t.Errorf("at another time: %+v", res)
	}
	all, err := filepath.Glob(filepath.Join(p.dir, "*.tgj"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	b, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	b[1000] ^= 1
	if err := os.WriteFile(all[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if res := run(t, p.options(dbn.SchemaMBO, DBN, "out.dbn")); res.Damaged == 0 || res.Records != 0 {
		t.Errorf("damaged: %+v", res)
	}
}

// The columns are part of what others rely on.
func TestColumns(t *testing.T) {
	want := "rtype publisher_id instrument_id ts_event order_id price size flags channel_id action side ts_recv ts_in_delta sequence symbol"
	if got := strings.Join(Columns(dbn.SchemaMBO), " "); got != want {
		t.Errorf("mbo: %s", got)
	}
	want = "rtype publisher_id instrument_id ts_event price size action side flags depth ts_recv ts_in_delta sequence bid_px_00 ask_px_00 bid_sz_00 ask_sz_00 bid_ct_00 ask_ct_00 symbol"
	if got := strings.Join(Columns(dbn.SchemaMBP1), " "); got != want {
		t.Errorf("mbp-1: %s", got)
	}
	if len(Schemas()) != 14 || Columns(dbn.SchemaMBP10) != nil {
		t.Errorf("schemas %v", Schemas())
	}
	for _, s := range Schemas() {
		seen := map[string]bool{}
		for _, c := range Columns(s) {
			if seen[c] {
				t.Errorf("%s: two columns are named %s", s, c)
			}
			seen[c] = true
		}
	}
}
