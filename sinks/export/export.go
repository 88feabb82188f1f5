package export

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// Format is what a file is written in.
type Format uint8

// Formats.
const (
	DBN Format = iota
	CSV
	Parquet
)

// Options says what to export, and where to.
type Options struct {
	Dir    string // of the journal
	Schema dbn.Schema
	// Symbols are those of the instruments whose records are wanted; none: all. Each must be known to the
	// journal.
	Symbols []string
	// Start and End limit the time of the records: Start is included, End is not. market.UndefTime: no limit.
	Start, End market.Nanos
	// Feed is the name of the feed whose records are wanted. "": the only one that has any of the schema.
	Feed string

	Format Format
	// Out is the file. One that ends in .zst or .gz is compressed, but for Parquet, which is inside. A file
	// that exists is replaced when the new one is complete.
	Out string

	// Progress, if set, is called now and then with how many entries were read, and of how many.
	Progress func(done, total uint64)
}

// A Result says what was exported.
type Result struct {
	Feed    string // the feed's name; "" if there is no record
	Records uint64
	First   market.Nanos // time of the earliest record; market.UndefTime if there is none
	Last    market.Nanos // of the latest
	Bytes   int64        // of the file
	SHA256  [32]byte     // of the file

	// What is not in the file although it might belong there.
	Dropped uint64 // entries that the journal had to drop, in gaps that overlap the time
	Damaged uint64 // entries that cannot be read any more, at whatever time
	Lost    uint64 // messages of the feed that were lost for good before they came to the journal
	// Unnamed is how many records are of instruments that nothing in the journal names.
	Unnamed uint64
}

// Errors that Run wraps.
var (
	// ErrSymbol: a symbol that the journal does not know.
	ErrSymbol = errors.New("no instrument of that symbol in the journal")
	// ErrFeed: no feed was named, and there are several; or there is none of the name.
	ErrFeed = errors.New("want the name of one feed")
	// ErrCapture: the directory has what came in, not what was published.
	ErrCapture = errors.New("a capture of what came in: it is replayed, not exported")
	// ErrSchema: the journal cannot have records of the schema, or has those of another that look alike.
	ErrSchema = errors.New("no such records in the journal")
)

// checkEvery is how many entries pass between looks at the context and the progress.
const checkEvery = 4096

// Run exports. After an error, or when ctx has ended, there is no file.
func Run(ctx context.Context, o Options) (*Result, error) {
	data, ok := newRecord(o.Schema)
	if !ok {
		return nil, fmt.Errorf("export: schema %s: %w", o.Schema, ErrSchema)
	}
	r, err := journal.OpenReader(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	defer r.Close()
	x := &exporter{
		opt: &o, in: r, data: data, columns: columnsOf(data),
		feeds: map[uint16]entry.Feed{}, withRecords: map[string]bool{}, wanted: map[string]bool{}, known: map[string]bool{},
		result: Result{First: market.UndefTime, Last: market.UndefTime},
	}
	x.rtype, _ = o.Schema.RType()
	for _, s := range o.Symbols {
		x.wanted[s] = true
	}
	for i := range x.columns {
		if c := &x.columns[i]; c.name == "ts_recv" || c.name == "ts_event" && x.at == nil {
			x.at = c
		}
	}
	if x.out, err = newWriter(&o, x.columns); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	defer x.out.abort()
	if err = x.read(ctx); err == nil {
		err = x.finish()
	}
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &x.result, nil
}

// A writer makes a file.
type writer interface {
	// write adds the record that was parsed into the columns; at is its time.
	write(r dbn.Record, at market.Nanos, symbol string) error
	// finish gives the file its name.
	finish(x *exporter) error
	// abort gives up a file that is not finished.
	abort()
}

func newWriter(o *Options, columns []column) (writer, error) {
	switch o.Format {
	case CSV:
		return newCSV(o.Out, columns)
	case Parquet:
		return newParquet(o.Out, o.Schema, columns)
	default:
		return newDBN(o.Out)
	}
}

// exporter is one export under way.
type exporter struct {
	opt     *Options
	in      *journal.Reader
	out     writer
	rtype   dbn.RType
	data    record // what columns read
	columns []column
	at      *column // the time that the schema is indexed by

	feeds       map[uint16]entry.Feed // by number, as of now
	withRecords map[string]bool       // feeds that have records of the schema
	names       names
	wanted      map[string]bool // symbols
	known       map[string]bool // those of them that an instrument has, or had
	publisher   market.PublisherID
	other       bool // there is a record of mbp-1 that is no trade
	result      Result
}

// read goes over the journal.
func (x *exporter) read(ctx context.Context) error {
	oldest, durable, err := x.in.Bounds()
	if err != nil {
		return err
	}
	if err := x.in.SeekIndex(oldest); err != nil {
		return err
	}
	var b journal.Batch
	var e journal.Entry
	looked := uint64(0)
	for x.in.Position() <= durable {
		outcome, err := x.in.NextBatch(&b)
		if err != nil {
			return err
		}
		switch outcome {
		case journal.Empty:
			return nil
		case journal.Lost:
			if g := x.in.Gap(); x.overlaps(g.Earliest, g.Latest) {
				x.result.Dropped += g.Count()
			}
			continue
		case journal.Broken:
			h := x.in.Hole()
			x.result.Damaged += h.Count()
			continue
		}
		x.names.begin(b.Epoch)
		for b.Next(&e) && e.Index <= durable {
			if err := x.entry(&e); err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
		}
		if e.Index-looked < checkEvery {
			continue
		}
		looked = e.Index
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.opt.Progress != nil {
			x.opt.Progress(e.Index-oldest+1, durable-oldest+1)
		}
	}
	return ctx.Err()
}

// entry takes one entry.
func (x *exporter) entry(e *journal.Entry) error {
	switch e.Kind {
	case entry.KindFeed:
		var f entry.Feed
		if err := f.Parse(e.Payload); err != nil {
			return err
		}
		x.feeds[e.Feed] = f
	case entry.KindGap:
		var g entry.Gap
		if err := g.Parse(e.Payload); err != nil {
			return err
		}
		if x.overlaps(g.Seen, g.Seen) && (x.opt.Feed == "" || x.opt.Feed == x.feed(e.Feed)) {
			x.result.Lost += g.To - g.From
		}
	case entry.KindRecord:
		r, err := dbn.ParseRecord(e.Payload, dbn.Version, false)
		if err != nil {
			return err
		}
		symbol, err := x.names.learn(e.Feed, r)
		if err != nil {
			return err
		}
		if x.wanted[symbol] {
			x.known[symbol] = true
		}
		if r.RType == x.rtype {
			return x.record(e.Feed, r)
		}
	case entry.KindStart, entry.KindDatagram, entry.KindHead:
		return ErrCapture
	}
	return nil
}

// feed returns the name of a feed: # and its number, if the journal has not kept what it is.
func (x *exporter) feed(number uint16) string {
	if f, ok := x.feeds[number]; ok {
		return f.Name
	}
	return fmt.Sprintf("#%d", number)
}

// record takes a record of the schema's type.
func (x *exporter) record(number uint16, r dbn.Record) error {
	feed := x.feed(number)
	x.withRecords[feed] = true
	switch {
	case x.opt.Feed != "":
		if x.opt.Feed != feed {
			return nil
		}
	case len(x.withRecords) > 1:
		return fmt.Errorf("%w: there are %s", ErrFeed, strings.Join(slices.Sorted(maps.Keys(x.withRecords)), ", "))
	}
	symbol, named := x.names.symbol(number, r.InstrumentID)
	if len(x.wanted) > 0 {
		if !x.wanted[symbol] {
			return nil
		}
		x.known[symbol] = true
	}
	if err := x.data.Parse(r); err != nil {
		return err
	}
	if m, ok := x.data.(*dbn.MBP1); ok && m.Action != market.Trade {
		if x.other = true; x.opt.Schema == dbn.SchemaTBBO {
			return nil
		}
	}
	at := market.Nanos(x.at.value.Int())
	if !x.overlaps(at, at) {
		return nil
	}
	if err := x.out.write(r, at, symbol); err != nil {
		return err
	}
	y := &x.result
	if y.Records == 0 {
		y.First, y.Last = at, at
	}
	y.Records++
	y.First, y.Last = min(y.First, at), max(y.Last, at)
	y.Feed, x.publisher = feed, r.PublisherID
	if !named {
		y.Unnamed++
	}
	return nil
}

// overlaps reports whether a stretch of time, its ends included, has to do with what is wanted.
func (x *exporter) overlaps(from, to market.Nanos) bool {
	o := x.opt
	return (!o.Start.Defined() || to >= o.Start) && (!o.End.Defined() || from < o.End)
}

// finish checks what was asked for against what there was, and completes the file.
func (x *exporter) finish() error {
	if f := x.opt.Feed; f != "" && !x.withRecords[f] && !x.named(f) {
		return fmt.Errorf("feed %q: %w: there are %s", f, ErrFeed, strings.Join(x.feedNames(), ", "))
	}
	for _, s := range x.opt.Symbols {
		if !x.known[s] {
			return fmt.Errorf("symbol %q: %w", s, ErrSymbol)
		}
	}
	if x.opt.Schema == dbn.SchemaMBP1 && x.result.Records > 0 && !x.other {
		return fmt.Errorf("schema %s: %w: it has those of %s, which are trades only", x.opt.Schema, ErrSchema, dbn.SchemaTBBO)
	}
	return x.out.finish(x)
}

func (x *exporter) named(feed string) bool { return slices.Contains(x.feedNames(), feed) }

func (x *exporter) feedNames() []string {
	all := maps.Clone(x.withRecords)
	for _, f := range x.feeds {
		all[f.Name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// metadata describes what was written. DBN has times and days in it that limits alone do not tell.
func (x *exporter) metadata(m *mappings) (*dbn.Metadata, error) {
	if m.clash != nil {
		return nil, m.clash
	}
	o, y := x.opt, &x.result
	out := &dbn.Metadata{
		Dataset: x.dataset(), Schema: o.Schema, Start: o.Start, End: o.End,
		STypeIn: dbn.STypeRawSymbol, STypeOut: dbn.STypeInstrumentID,
	}
	if !o.Start.Defined() {
		out.Start = max(y.First, 0) // 0 if there is no record
	}
	if !o.End.Defined() && y.Records > 0 {
		out.End = y.Last + 1
	}
	out.Symbols = slices.Clone(o.Symbols)
	if len(out.Symbols) == 0 {
		out.Symbols = slices.Sorted(maps.Keys(m.symbols))
	}
	for _, s := range out.Symbols {
		if len(m.symbols[s]) == 0 {
			out.NotFound = append(out.NotFound, s) // at another time than was asked for
			continue
		}
		out.Mappings = append(out.Mappings, m.of(s))
	}
	return out, nil
}

// dataset returns the code of what the feed belongs to.
func (x *exporter) dataset() string {
	id := x.publisher
	for _, f := range x.feeds {
		if f.Name == x.opt.Feed || id == 0 && x.opt.Feed == "" && len(x.feeds) == 1 {
			id = f.Publisher
		}
	}
	p, ok := market.PublisherByID(id)
	if !ok {
		return fmt.Sprintf("PUBLISHER.%d", id)
	}
	return p.Dataset
}
