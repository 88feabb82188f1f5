package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/export"
)

type journalExportCmd struct {
	Dir    string   `arg:"" help:"Directory of the journal."`
	Out    string   `short:"o" required:"" placeholder:"FILE" help:"File to write: NAME.dbn, NAME.csv, both also with .zst or .gz behind, or NAME.parquet. It gets its name when it is complete."`
	To     string   `enum:"auto,dbn,csv,parquet" default:"auto" help:"Format: dbn, csv or parquet. Default: told by the name of the file."`
	Schema string   `short:"s" default:"mbo" help:"Schema of the records: ${exports}."`
	Symbol []string `placeholder:"SYMBOL" help:"Only this instrument. May be repeated, or several with commas."`
	Start  string   `placeholder:"TIME" help:"Only records of this time or later: 2026-01-02T15:04:05.6Z, or nanoseconds since 1970. Times are those of receipt; of bars, when they begin."`
	End    string   `placeholder:"TIME" help:"Only records before this time."`
	Feed   string   `placeholder:"NAME" help:"Feed, where the journal has records of several."`
	Force  bool     `help:"Replace the file if it exists, when the new one is complete."`
	JSON   bool     `name:"json" help:"Say in JSON what was written."`
	Quiet  bool     `short:"q" help:"No progress bar."`
}

// exportVars fills the help text.
func exportVars() map[string]string {
	var names []string
	for _, s := range export.Schemas() {
		names = append(names, s.String())
	}
	return map[string]string{"exports": strings.Join(names, ", ")}
}

// exported is what --json says.
type exported struct {
	Out     string `json:"out"`
	Feed    string `json:"feed,omitempty"`
	Schema  string `json:"schema"`
	Records uint64 `json:"records"`
	First   string `json:"first,omitempty"`
	Last    string `json:"last,omitempty"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Dropped uint64 `json:"dropped_entries"`
	Damaged uint64 `json:"damaged_entries"`
	Lost    uint64 `json:"lost_messages"`
	Unnamed uint64 `json:"records_without_symbol"`
}

// Run exports.
func (c *journalExportCmd) Run(ctx context.Context, con *console) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	var b *bar
	if !c.Quiet {
		o.Progress = func(done, total uint64) {
			if b == nil {
				b = newBar(con.Err, int64(total), "export", false)
			}
			b.set(int64(done))
		}
	}
	r, err := export.Run(ctx, o)
	b.finish()
	switch {
	case errors.Is(err, export.ErrSymbol), errors.Is(err, export.ErrFeed), errors.Is(err, export.ErrSchema):
		return usageError{err}
	case err != nil:
		return err
	}
	if err := c.report(con, r); err != nil {
		return err
	}
	if r.Damaged > 0 {
		return fmt.Errorf("%d entries of the journal cannot be read: %w; the others are in %s", r.Damaged, errImperfect, c.Out)
	}
	return nil
}

// options turns the command line into what package export wants.
func (c *journalExportCmd) options() (o export.Options, err error) {
	usage := func(format string, args ...any) (export.Options, error) {
		return o, usageError{fmt.Errorf(format, args...)}
	}
	o = export.Options{Dir: c.Dir, Out: c.Out, Feed: c.Feed, Start: market.UndefTime, End: market.UndefTime}
	var ok bool
	if o.Schema, ok = dbn.ParseSchema(c.Schema); !ok || !slices.Contains(export.Schemas(), o.Schema) {
		return usage("--schema %q: want one of %s", c.Schema, exportVars()["exports"])
	}
	if o.Format, ok = c.format(); !ok {
		return usage("--out %q: want a name that ends in .dbn, .csv or .parquet, or --to", c.Out)
	}
	if o.Format == export.Parquet && (strings.HasSuffix(c.Out, ".zst") || strings.HasSuffix(c.Out, ".gz")) {
		return usage("--out %q: Parquet is compressed inside: want a name without .zst or .gz", c.Out)
	}
	if c.Start != "" {
		if o.Start, err = parseMoment("--start", c.Start); err != nil {
			return o, err
		}
	}
	if c.End != "" {
		if o.End, err = parseMoment("--end", c.End); err != nil {
			return o, err
		}
	}
	if o.Start.Defined() && o.End.Defined() && o.End <= o.Start {
		return usage("--end %s: want a time after --start %s", c.End, c.Start)
	}
	for _, s := range c.Symbol {
		if !slices.Contains(o.Symbols, s) {
			o.Symbols = append(o.Symbols, s)
		}
	}
	if _, err := os.Lstat(c.Out); err == nil && !c.Force {
		return o, fmt.Errorf("%s: %w: --force replaces it", c.Out, fs.ErrExist)
	}
	return o, nil
}

// format returns the format that was asked for, or that the file's name tells.
func (c *journalExportCmd) format() (f export.Format, ok bool) {
	text := c.To
	if text == "auto" {
		name := strings.TrimSuffix(strings.TrimSuffix(c.Out, ".zst"), ".gz")
		text = name[strings.LastIndexByte(name, '.')+1:]
	}
	switch text {
	case "dbn":
		return export.DBN, true
	case "csv":
		return export.CSV, true
	case "parquet":
		return export.Parquet, true
	default:
		return 0, false
	}
}

// report says what was written, and what is not in it.
func (c *journalExportCmd) report(con *console, r *export.Result) error {
	if c.JSON {
		e := exported{
			Out: c.Out, Feed: r.Feed, Schema: c.Schema, Records: r.Records, Bytes: r.Bytes, SHA256: hex.EncodeToString(r.SHA256[:]),
			Dropped: r.Dropped, Damaged: r.Damaged, Lost: r.Lost, Unnamed: r.Unnamed,
		}
		if r.Records > 0 {
			e.First, e.Last = moment(r.First), moment(r.Last)
		}
		return json.NewEncoder(con.Out).Encode(e)
	}
	if r.Records == 0 {
		fmt.Fprintf(con.Out, "empty    %s: the journal has no record of schema %s that was asked for\n", c.Out, c.Schema)
	} else {
		fmt.Fprintf(con.Out, "written  %s: %d records of schema %s of feed %s, %d bytes\n", c.Out, r.Records, c.Schema, r.Feed, r.Bytes)
		fmt.Fprintf(con.Out, "time     %s to %s\n", moment(r.First), moment(r.Last))
	}
	for _, m := range []struct {
		n    uint64
		text string
	}{
		{r.Unnamed, "records are of instruments that the journal does not name: their symbols are # and the number"},
		{r.Lost, "messages were lost for good before they came to the journal"},
		{r.Dropped, "entries of the time were dropped when they came: see tidegate journal dump"},
		{r.Damaged, "entries cannot be read: see tidegate journal verify"},
	} {
		if m.n > 0 {
			fmt.Fprintf(con.Out, "note     %d %s\n", m.n, m.text)
		}
	}
	return nil
}
