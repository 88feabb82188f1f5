package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
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
	Snapshot   bool          `help:"Begin with a snapshot of the books (mbo)."`
	Out        string        `short:"o" placeholder:"FILE" help:"Write the session to this DBN file; .zst or .gz compresses it."`
	Count      uint64        `short:"n" help:"Stop after so many data records; 0: never."`
	For        time.Duration `help:"Stop after this time; 0: never."`
	TLS        bool          `name:"tls" help:"The port speaks TLS."`
	CA         string        `name:"ca" placeholder:"FILE" help:"Trust this certificate authority (PEM) instead of the system's; with it, --tls goes without saying."`
	Compress   bool          `help:"Ask for a zstd stream."`
	TsOut      bool          `help:"Ask for the send time of each record, and show how long each was under way."`
	SlowReader string        `default:"skip" enum:"skip,warn" help:"What the gateway does if we are slow: skip or warn."`
	View       string        `default:"auto" enum:"auto,table,lines,none" help:"table: the latest of each symbol, redrawn; lines: every record; none: counts only; auto: table on a terminal, else lines."`
}

// Help is shown below the flags' summary.
func (subscribeCmd) Help() string {
	return `Speaks Databento Live, so it reads from any gateway of that protocol. Interrupt it to stop; a file begun with --out is then complete.

  tidegate subscribe --dataset XSIM.ITCH --key $KEY --schema mbo --snapshot ALFA
  tidegate subscribe -d XSIM.ITCH -s trades --out trades.dbn.zst --for 1m`
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
	var symbols []string
	for _, list := range c.Symbols {
		symbols = append(symbols, strings.Split(list, ",")...)
	}
	if len(symbols) == 0 {
		symbols = []string{lsg.AllSymbols}
	}
	stype, _ := dbn.ParseSType(c.SType)
	session, stop := ctx, context.CancelFunc(func() {})
	if c.For > 0 {
		session, stop = context.WithTimeout(ctx, c.For)
	}
	defer stop()

	client, err := lsgclient.Dial(session, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Subscribe(schema, stype, symbols, c.Snapshot, market.UndefTime); err != nil {
		return err
	}
	metadata, err := client.Start()
	if err != nil {
		return err
	}
	fmt.Fprintf(con.Err, "session %d: %s of %s\n", client.SessionID(), schema, c.Dataset)
	s := &subscription{}
	if c.Out != "" {
		if s.file, err = openfile.Create(c.Out); err != nil {
			return err
		}
		defer s.file.Abort()
		if s.writer, err = dbn.NewWriter(s.file, metadata); err != nil {
			return err
		}
	}
	s.view = c.view(con.Out)
	err = s.follow(client, c.Count)
	if verr := s.view.close(); err == nil {
		err = verr
	}
	if s.file != nil {
		if cerr := s.file.Close(); err == nil || cerr != nil {
			err = errors.Join(err, cerr)
		}
	}
	fmt.Fprintf(con.Err, "%d data records, %d others\n", s.data, s.others)
	if s.goodbye != "" {
		fmt.Fprintf(con.Err, "the gateway says: %s\n", s.goodbye)
	}
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

// view returns what shows the records.
func (c *subscribeCmd) view(w io.Writer) view {
	kind := c.View
	if kind == "auto" {
		kind = "lines"
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			kind = "table"
		}
	}
	switch kind {
	case "table":
		return newTickingView(&tableView{
			w: w, symbols: make(map[market.InstrumentID]string), rows: make(map[market.InstrumentID]string),
		}, tableEvery)
	case "lines":
		return newTickingView(&lineView{w: bufio.NewWriter(w), symbols: make(map[market.InstrumentID]string)}, lineEvery)
	default:
		return noView{}
	}
}

// subscription follows one session.
type subscription struct {
	view         view
	file         *openfile.Writer // nil: none
	writer       *dbn.Writer
	data, others uint64
	goodbye      string // the gateway's last word, if it was one of its own accord
}

// follow reads until the session ends, or count data records have come if that is not 0.
func (s *subscription) follow(client *lsgclient.Client, count uint64) error {
	var said error // the last error record: why the session ends, if it does
	for {
		r, err := client.Next()
		if errors.Is(err, io.EOF) {
			if said == nil && s.goodbye != "" {
				return nil // it said why, and finished what it had to send
			}
			if said == nil {
				said = errors.New("the gateway closed the session")
			}
			return said
		}
		if err != nil {
			return err
		}
		if s.writer != nil {
			if _, err := s.writer.Write(r.Raw()); err != nil {
				return err
			}
		}
		switch r.RType {
		case dbn.RTypeError:
			var m dbn.Error
			if err := m.Parse(r); err != nil {
				return err
			}
			said = fmt.Errorf("the gateway says: %s (code %d)", m.Text, m.Code)
			s.others++
		case dbn.RTypeSystem:
			var m dbn.System
			if err := m.Parse(r); err != nil {
				return err
			}
			s.goodbye = ""
			if m.Code == dbn.SystemUnset { // what a gateway says of itself, last when it stops
				s.goodbye = m.Text
			}
			s.others++
		case dbn.RTypeSymbolMapping:
			s.others++
		default:
			s.data++
		}
		if err := s.view.show(r); err != nil {
			return err
		}
		if count > 0 && s.data >= count {
			return nil
		}
	}
}
