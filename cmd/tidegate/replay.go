package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/itch50"
	"tidegate/gateway/derive"
	"tidegate/gateway/recorded"
	"tidegate/gateway/replay"
	"tidegate/market"
)

type replayCmd struct {
	Files       []string       `arg:"" name:"file" help:"Captures (pcap, pcapng) of ITCH over MoldUDP64, of IEX DEEP or TOPS; ITCH 5.0 files; DBN files. Plain, gzip or zstd. - is standard input. A directory that a gateway recorded to. Give an A and a B capture as two files."`
	Out         *string        `short:"o" placeholder:"FILE" help:"Write what is published, in DBN: to a file whose name ends in .dbn or .dbn.zst, or to standard output (-). A file that exists is replaced when the new one is complete; an interrupt leaves it, and what there is in FILE.partial."`
	Schema      string         `short:"s" default:"mbo" help:"Schema of the output: ${schemas}."`
	Book        []string       `short:"b" placeholder:"SYMBOL" help:"Print this symbol's book at the end. May be repeated."`
	Depth       int            `default:"10" help:"Levels of each side that --book prints."`
	Summary     string         `default:"text" enum:"text,json,none" help:"Form of the summary: text, json or none."`
	JSON        bool           `name:"json" help:"Same as --summary json."`
	Speed       string         `default:"max" help:"Pace: 1x is as recorded, 10x ten times as fast, max as fast as possible."`
	Day         string         `placeholder:"YYYY-MM-DD" help:"Trading day of ITCH files, and of captures without times; default: told by the file's name. Other captures have their own."`
	Publisher   string         `placeholder:"DATASET" help:"Publisher of the feed, as a dataset code: ${datasets}. Default: told by the feed."`
	ZeroLengths bool           `help:"Read ITCH files whose length fields are all zero, by the length of each message type."`
	GapDeadline *time.Duration `placeholder:"TIME" help:"How long a missing message is waited for before its gap is announced: 0s to 1m. Default: ${gap_deadline}, or what the recording says."`
	Retransmit  []string       `placeholder:"ADDRESS" help:"Retransmit server that the recorded gateway asked; what came from it is taken as answers. One for each, in the order of its configuration."`
	Feed        string         `placeholder:"NAME" help:"Feed of a recording to write; default: all, which only consolidated schemas can."`
	Epoch       uint64         `placeholder:"N" help:"Start of the gateway to replay, of a directory that it recorded to; see journal stat. Default: the last."`
	AsFound     bool           `help:"Take a recording as a capture of any origin: find channels and lines, and leave out what its gateway decided."`
	Quiet       bool           `short:"q" help:"No progress bar."`
	Strict      bool           `help:"Exit with code ${exit_imperfect} if anything was cut, malformed, lost or faulty."`
}

// replayVars fills the help texts of replay.
func replayVars() map[string]string {
	var schemas []string
	for _, s := range derive.Schemas() {
		schemas = append(schemas, s.String())
	}
	var datasets []string
	for _, p := range market.Publishers() {
		datasets = append(datasets, p.Dataset)
	}
	return map[string]string{
		"schemas":        strings.Join(schemas, ", "),
		"datasets":       strings.Join(datasets, ", "),
		"gap_deadline":   time.Duration(arbiter.DefaultConfig().GapDeadline).String(),
		"exit_imperfect": strconv.Itoa(exitImperfect),
	}
}

// options turns the command line into what package replay wants.
func (c *replayCmd) options() (opt replay.Options, err error) {
	opt = replay.Options{Paths: c.Files, TypedLengths: c.ZeroLengths, AsFound: c.AsFound, Feed: c.Feed, Epoch: c.Epoch}
	if c.Out != nil { // an empty name is one that a script has lost
		if opt.Out = *c.Out; opt.Out != stdName && !strings.HasSuffix(opt.Out, ".dbn") && !strings.HasSuffix(opt.Out, ".dbn.zst") {
			return opt, fmt.Errorf("--out %q: the output is DBN: want a name that ends in .dbn or .dbn.zst, or %s for standard output",
				opt.Out, stdName)
		}
	}
	if opt.Paths, err = inputs(c.Files); err != nil {
		return opt, err
	}
	if d := c.GapDeadline; d != nil {
		opt.Arbiter = arbiter.DefaultConfig()
		opt.Arbiter.GapDeadline = market.Nanos(*d)
		if *d < 0 || *d > time.Minute {
			return opt, fmt.Errorf("--gap-deadline %v: want 0s to 1m", *d)
		}
	}
	var ok bool
	if opt.Schema, ok = dbn.ParseSchema(c.Schema); !ok || !slices.Contains(derive.Schemas(), opt.Schema) {
		return opt, fmt.Errorf("--schema %q: want one of %s", c.Schema, replayVars()["schemas"])
	}
	if opt.Schema != dbn.SchemaMBO && opt.Out == "" {
		return opt, fmt.Errorf("--schema %s: it is the schema of --out, which is missing", opt.Schema)
	}
	if opt.Speed, err = parseSpeed(c.Speed); err != nil {
		return opt, err
	}
	if c.Day != "" {
		if opt.Midnight, err = replay.ParseDay(c.Day); err != nil {
			return opt, fmt.Errorf("--%w", err)
		}
	}
	if c.Publisher != "" {
		if opt.Publisher, ok = market.PublisherByDataset(c.Publisher); !ok {
			return opt, fmt.Errorf("--publisher %q: want one of %s", c.Publisher, replayVars()["datasets"])
		}
	}
	if opt.Retransmit, err = c.retransmit(opt.Arbiter); err != nil {
		return opt, err
	}
	if c.Depth < 1 || c.Depth > 100_000 {
		return opt, fmt.Errorf("--depth %d: want 1 to 100000", c.Depth)
	}
	return opt, nil
}

// retransmit returns who was asked, with the limits that a gateway has by default.
func (c *replayCmd) retransmit(limits arbiter.Config) (r replay.Retransmit, err error) {
	for _, server := range c.Retransmit {
		addr, err := netip.ParseAddrPort(server)
		if err != nil {
			return r, fmt.Errorf("--retransmit %q: want an address and a port, like 192.0.2.1:26402", server)
		}
		r.Servers = append(r.Servers, addr)
	}
	if len(r.Servers) == 0 {
		return r, nil
	}
	r.Limits = arbiter.DefaultRequestConfig(len(r.Servers))
	if limits == (arbiter.Config{}) {
		limits = arbiter.DefaultConfig()
	}
	if err := r.Limits.Validate(limits.GapDeadline); err != nil {
		return r, fmt.Errorf("--retransmit: %w", err)
	}
	return r, nil
}

// stdName is standard input, or output, as a file on the command line.
const stdName = "-"

// inputs returns the paths of the files on the command line.
func inputs(files []string) ([]string, error) {
	paths := slices.Clone(files)
	stdin := 0
	for i, path := range paths {
		if path == stdName {
			paths[i] = "/dev/stdin"
			stdin++
		}
	}
	if stdin > 1 {
		return nil, fmt.Errorf("%s: standard input is one file, and was given %d times", stdName, stdin)
	}
	return paths, nil
}

const speedMin, speedMax = 0.001, 1e6

func parseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(strings.TrimSuffix(s, "x"), 64)
	if err != nil || !(x >= speedMin && x <= speedMax) { // so that NaN is refused
		return 0, fmt.Errorf("--speed %q: want max, or a multiple from %vx to %vx", s, speedMin, int(speedMax))
	}
	return x, nil
}

// Run replays and reports: on standard output, or if that takes the records, on standard error.
func (c *replayCmd) Run(ctx context.Context, con *console) error {
	opt, err := c.options()
	if err != nil {
		return usageError{err}
	}
	say := con.Out
	if opt.Out == stdName {
		if isTerminal(con.Out) {
			return usageError{errors.New("--out -: standard output is a terminal: send DBN to a file or into a pipe")}
		}
		opt.Out, opt.To = "standard output", con.Out
		say = con.Err
	}
	if !c.Quiet {
		opt.Progress = progressBar(con.Err, "replay")
	}
	result, err := replay.Run(ctx, opt)
	if errors.Is(err, itch50.ErrZeroLengths) {
		err = fmt.Errorf("%w: --zero-lengths does that", err)
	}
	if errors.Is(err, replay.ErrDescribed) || errors.Is(err, recorded.ErrDamaged) || errors.Is(err, recorded.ErrNewer) {
		err = fmt.Errorf("%w (--as-found replays it like any capture)", err)
	}
	if result == nil {
		return err
	}
	for _, in := range result.Summary.Inputs {
		if in.Fault != "" {
			fmt.Fprintf(con.Err, "tidegate: warning: %s: %s; everything before it was used\n", in.Path, in.Fault)
		}
	}
	if rerr := c.report(say, result); err == nil {
		err = rerr
	}
	if o := result.Summary.Output; o != nil && o.Partial {
		fmt.Fprintf(con.Err, "tidegate: what was replayed until now is in %s; %s was not touched\n", o.Path, opt.Out)
	}
	if err != nil {
		return err
	}
	if c.Strict && result.Summary.Imperfect > 0 {
		return fmt.Errorf("%w: %s", errImperfect, strings.Join(result.Summary.FaultList(), ", "))
	}
	return nil
}

// report prints the summary and the books that were asked for. It returns an error for a symbol that
// has none.
func (c *replayCmd) report(w io.Writer, result *replay.Result) error {
	form := c.Summary
	if c.JSON {
		form = "json"
	}
	var books []replay.Snapshot
	var unknown error
	booked := slices.ContainsFunc(result.Channels, (*replay.Channel).Booked)
	for _, symbol := range c.Book {
		found := result.Books(symbol, c.Depth)
		switch {
		case len(found) > 0:
		case !booked:
			unknown = fmt.Errorf("--book %s: the input has no market-by-order records, and books are built of nothing else", symbol)
		default:
			unknown = errors.Join(unknown, fmt.Errorf("--book %s: no instrument of that symbol in the input%s", symbol, examples(result)))
		}
		books = append(books, found...)
	}
	switch form {
	case "json":
		doc := struct {
			replay.Summary
			Book []replay.Snapshot `json:"book,omitempty"`
		}{result.Summary, books}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(doc); err != nil {
			return err
		}
		return unknown
	case "text":
		if err := result.Summary.WriteText(w); err != nil {
			return err
		}
	}
	for i := range books {
		if err := books[i].WriteText(w); err != nil {
			return err
		}
	}
	return unknown
}

// examples names a few of the symbols that a replay found.
func examples(result *replay.Result) string {
	const enough = 8
	var symbols []string
	for _, ch := range result.Channels {
		for _, in := range ch.Pipeline.Instruments() {
			if len(symbols) == enough {
				return "; it has " + strings.Join(symbols, ", ") + " and more"
			}
			symbols = append(symbols, in.Symbol)
		}
	}
	if len(symbols) == 0 {
		return "; it names none"
	}
	return "; it has " + strings.Join(symbols, ", ")
}

// progressBar returns a callback that draws a bar with rate and time left, or nil where w is no
// terminal.
func progressBar(w io.Writer, what string) func(replay.Progress) {
	var b *bar
	return func(p replay.Progress) {
		if b == nil {
			b = newBar(w, p.Size, what, true)
		}
		at := time.Unix(0, int64(p.At)).UTC().Format("15:04:05")
		b.describe(fmt.Sprintf("%s %s, %.1f M messages", what, at, float64(p.Messages)/1e6))
		b.set(p.Read)
		if p.Done {
			b.finish()
		}
	}
}
