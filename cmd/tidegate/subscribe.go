package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient"
	"tidegate/internal/openfile"
	"tidegate/market"
)

type subscribeCmd struct {
	Addr       string        `short:"a" default:"127.0.0.1:13000" help:"Address of the gateway."`
	Dataset    string        `short:"d" required:"" help:"Dataset, such as XNAS.ITCH."`
	Key        string        `short:"k" env:"TIDEGATE_KEY" required:"" help:"Key, 32 characters."`
	Schema     string        `short:"s" default:"mbp-1" help:"What to subscribe to: ${schemas}."`
	Symbols    []string      `arg:"" optional:"" help:"Symbols, with spaces or commas between; default: ALL_SYMBOLS."`
	SType      string        `name:"stype" default:"raw_symbol" enum:"raw_symbol,instrument_id" help:"How the symbols are named: raw_symbol or instrument_id."`
	Start      string        `placeholder:"WHEN" help:"Begin with what was published since then: a time like 2026-01-02T15:04:05Z, how long ago, like -10m, or 0 for all that the gateway keeps."`
	Snapshot   bool          `help:"Begin with a snapshot of the books (mbo)."`
	Out        string        `short:"o" placeholder:"FILE" help:"Write the session to this DBN file; .zst or .gz compresses it."`
	Count      uint64        `short:"n" help:"Stop after so many data records; 0: never."`
	For        time.Duration `help:"Stop after this time; 0: never."`
	TLS        bool          `name:"tls" help:"The port speaks TLS."`
	CA         string        `name:"ca" placeholder:"FILE" help:"Trust this certificate authority (PEM) instead of the system's; with it, --tls goes without saying."`
	Compress   bool          `help:"Ask for a zstd stream."`
	TsOut      bool          `help:"Ask for the send time of each record, and show how long each was under way."`
	SlowReader string        `default:"skip" enum:"skip,warn" help:"What the gateway does if we are slow: skip or warn."`
	Wait       bool          `help:"Go on although none of the symbols resolves: they may become known."`
	View       string        `default:"auto" enum:"auto,table,lines,none" help:"table: the latest of each symbol, redrawn; lines: every record; none: counts only; auto: table on a terminal, else lines."`
}

// Help is shown below the flags' summary.
func (subscribeCmd) Help() string {
	return `Speaks Databento Live, so it reads from any gateway of that protocol. Interrupt it to stop; a file begun with --out is then complete.

  tidegate subscribe --dataset XSIM.ITCH --key $KEY --schema mbo --snapshot ALFA
  tidegate subscribe -d XSIM.ITCH -s trades --out trades.dbn.zst --for 1m
  tidegate subscribe -d XSIM.ITCH -s ohlcv-1m --start=-2h ALFA

With --start the gateway sends what its journal has since then, and then what is live, without a gap or an overlap; how far that is, is shown on standard error.`
}

// Run connects, subscribes and shows.
func (c *subscribeCmd) Run(ctx context.Context, con *console) error {
	schema, ok := dbn.ParseSchema(c.Schema)
	if !ok {
		return usageError{fmt.Errorf("--schema %q: want one of %s", c.Schema, replayVars()["schemas"])}
	}
	cfg, err := c.config()
	if err != nil {
		return usageError{err}
	}
	if c.Snapshot && schema != dbn.SchemaMBO {
		return usageError{fmt.Errorf("--snapshot: schema %s has none, only mbo has", schema)}
	}
	switch ext := filepath.Ext(c.Out); ext {
	case ".csv", ".json", ".jsonl", ".parquet", ".txt":
		return usageError{fmt.Errorf("--out %s: what is written is DBN, not %s: want a name like x.dbn, x.dbn.zst or x.dbn.gz", c.Out, ext[1:])}
	}
	now := time.Now()
	start, err := startOf(c.Start, now)
	switch {
	case err != nil:
		return usageError{err}
	case start.Defined() && c.Snapshot:
		return usageError{errors.New("--start and --snapshot: want one of them")}
	}
	symbols, resolution := c.symbols()
	stype, _ := dbn.ParseSType(c.SType)
	session, stop := ctx, context.CancelFunc(func() {})
	if c.For > 0 {
		session, stop = context.WithTimeout(ctx, c.For)
	}
	defer stop()

	client, err := lsgclient.Dial(session, cfg)
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		return fmt.Errorf("%w; --ca FILE trusts another authority", err)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Subscribe(schema, stype, symbols, c.Snapshot, start); err != nil {
		return err
	}
	metadata, err := client.Start()
	if err != nil {
		return err
	}
	s := &subscription{symbols: make(map[market.InstrumentID]string), resolution: resolution, wait: c.Wait}
	if start.Defined() {
		s.replay = newReplaying(con.Err, start, now)
	}
	if c.Out != "" {
		if s.file, err = openfile.Create(c.Out); err != nil {
			return err
		}
		defer s.file.Abort()
		if s.writer, err = dbn.NewWriter(s.file, metadata); err != nil {
			return err
		}
	}
	s.view = c.view(con)
	defer s.replay.end()
	if err = s.view.note(fmt.Sprintf("session %d: %s of %s", client.SessionID(), schema, c.Dataset)); err == nil {
		err = s.follow(client, c.Count)
	}
	if verr := s.view.close(); err == nil {
		err = verr
	}
	if s.file != nil {
		if cerr := s.file.Close(); err == nil || cerr != nil {
			err = errors.Join(err, cerr)
		}
	}
	fmt.Fprintf(con.Err, "%d data records, %d others\n", s.data, s.others)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case session.Err() != nil:
		return nil // the time that was asked for is over
	default:
		return err
	}
}

func (c *subscribeCmd) config() (lsgclient.Config, error) {
	key, err := lsg.ParseKey(c.Key)
	if err != nil {
		return lsgclient.Config{}, fmt.Errorf("--key: %w", err)
	}
	cfg := lsgclient.Config{Addr: c.Addr, Dataset: c.Dataset, Key: key, TsOut: c.TsOut}
	if c.Compress {
		cfg.Compression = lsg.CompressionZstd
	}
	if c.SlowReader == "warn" {
		cfg.SlowReader = lsg.SlowReaderWarn
	}
	if c.TLS || c.CA != "" {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CA != "" {
			if cfg.TLS.RootCAs, err = certificates(c.CA); err != nil {
				return cfg, fmt.Errorf("--ca: %w", err)
			}
		}
	}
	return cfg, cfg.Validate()
}

// symbols returns what to subscribe to, each symbol once.
func (c *subscribeCmd) symbols() ([]string, resolution) {
	var symbols []string
	seen := make(map[string]bool)
	for _, list := range c.Symbols {
		for symbol := range strings.SplitSeq(list, ",") {
			if symbol = strings.TrimSpace(symbol); symbol != "" && !seen[symbol] {
				seen[symbol] = true
				symbols = append(symbols, symbol)
			}
		}
	}
	if len(symbols) == 0 || slices.Equal(symbols, []string{lsg.AllSymbols}) {
		return []string{lsg.AllSymbols}, resolution{}
	}
	return symbols, newResolution(symbols)
}

// view returns what shows the records.
func (c *subscribeCmd) view(con *console) view {
	kind := c.View
	f, _ := con.Out.(*os.File)
	terminal := f != nil && term.IsTerminal(int(f.Fd()))
	if kind == "auto" {
		kind = "lines"
		if terminal {
			kind = "table"
		}
	}
	size := func() (width, height int) {
		if terminal {
			if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
				return w, h
			}
		}
		return 200, 45 // of a table in a file
	}
	switch kind {
	case "table":
		return newTickingView(newTableView(con.Out, size), tableEvery)
	case "lines":
		height := func() int { return 0 }
		if terminal {
			height = func() int { _, h := size(); return h }
		}
		return newTickingView(&lineView{w: bufio.NewWriter(con.Out), notes: con.Err, height: height}, lineEvery)
	default:
		return noView{con.Err}
	}
}

// subscription follows one session.
type subscription struct {
	view         view
	file         *openfile.Writer // nil: none
	writer       *dbn.Writer
	symbols      map[market.InstrumentID]string
	resolution   resolution
	wait         bool       // although no symbol resolves
	replay       *replaying // nil: none, or it is finished
	data, others uint64
	said         error // the last error that may end the session
	goodbye      bool  // the gateway's last record was a word of its own accord
}

// errUnresolved ends a subscription to nothing.
var errUnresolved = errors.New("at this gateway, or not yet: --wait waits, tidegate stat --instruments lists what there is")

// follow reads until the session ends, or count data records have come if that is not 0.
func (s *subscription) follow(client *lsgclient.Client, count uint64) error {
	for {
		r, err := client.Next()
		if errors.Is(err, io.EOF) {
			switch {
			case s.said != nil:
				return s.said
			case s.goodbye: // it said why, and finished what it had to send
				return nil
			default:
				return errors.New("the gateway closed the session")
			}
		}
		if err != nil {
			return err
		}
		if s.writer != nil {
			if _, err := s.writer.Write(r.Raw()); err != nil {
				return err
			}
		}
		if err := s.take(r); err != nil {
			return err
		}
		if count > 0 && s.data >= count {
			return nil
		}
	}
}

// take takes one record.
func (s *subscription) take(r dbn.Record) error {
	switch r.RType {
	case dbn.RTypeError, dbn.RTypeSystem, dbn.RTypeSymbolMapping:
		s.others++
	default:
		s.data++
		s.replay.take(r)
		symbol, ok := s.symbols[r.InstrumentID]
		switch {
		case ok:
		case r.InstrumentID == 0:
			symbol = "(all)" // of the whole market
		default:
			symbol = fmt.Sprintf("#%d", r.InstrumentID)
		}
		return s.view.show(r, symbol)
	}
	switch r.RType {
	case dbn.RTypeError:
		var m dbn.Error
		if err := m.Parse(r); err != nil {
			return err
		}
		return s.onError(&m)
	case dbn.RTypeSystem:
		var m dbn.System
		if err := m.Parse(r); err != nil {
			return err
		}
		return s.onSystem(&m)
	default:
		var m dbn.SymbolMapping
		if err := m.Parse(r); err != nil {
			return err
		}
		return s.onMapping(&m)
	}
}

func (s *subscription) onError(m *dbn.Error) error {
	text := fmt.Sprintf("the gateway says: %s (code %d)", m.Text, m.Code)
	switch m.Code {
	case dbn.ErrorSymbol:
		s.resolution.onUnresolved(m.Text)
		return s.onAnswer()
	case dbn.ErrorSkipped: // the session goes on
		return s.view.note(text)
	default:
		s.said = errors.New(text)
		return nil
	}
}

func (s *subscription) onSystem(m *dbn.System) error {
	s.goodbye = m.Code == dbn.SystemUnset // what a gateway says of itself, last when it stops
	switch m.Code {
	case dbn.SystemHeartbeat, dbn.SystemSubscriptionAck, dbn.SystemEndOfInterval:
		return nil
	case dbn.SystemReplayCompleted:
		text := s.replay.end()
		s.replay = nil
		return s.view.note(text)
	default:
		return s.view.note("the gateway says: " + m.Text)
	}
}

func (s *subscription) onMapping(m *dbn.SymbolMapping) error {
	s.symbols[m.InstrumentID] = m.SymbolOut
	if s.resolution.onMapping(m.SymbolIn) {
		return s.view.note(fmt.Sprintf("symbol %s resolves now", m.SymbolIn))
	}
	return s.onAnswer()
}

// onAnswer says which symbols do not resolve, once the gateway has answered for all.
func (s *subscription) onAnswer() error {
	if !s.resolution.complete() || len(s.resolution.missing) == 0 {
		return nil
	}
	if s.resolution.none() && !s.wait {
		return fmt.Errorf("%s %w", &s.resolution, errUnresolved)
	}
	return s.view.note(fmt.Sprintf("warning: %s; should that change, records follow", &s.resolution))
}
