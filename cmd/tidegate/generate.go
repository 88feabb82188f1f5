package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidegate/bench"
	"tidegate/codec/pcap"
	"tidegate/internal/openfile"
	"tidegate/internal/venue"
	"tidegate/market"
)

type generateCmd struct {
	Capture generateCaptureCmd `cmd:"" help:"Make an A/B capture pair of a simulated venue, with losses, and the truth about it."`
	ITCH    generateITCHCmd    `cmd:"" name:"itch" help:"Make a day of ITCH 5.0 for benchmarks."`
}

type generateCaptureCmd struct {
	Dir         string        `arg:"" help:"Directory for a.pcap, b.pcap and truth.json; made if it does not exist."`
	Seed        uint64        `default:"1" help:"The same seed makes the same market and the same losses."`
	Trading     time.Duration `default:"3m" help:"Time from the open to the close, at least 1s."`
	Instruments int           `default:"8" help:"Number of instruments."`
	Rate        int           `default:"1600" help:"Average messages per second."`
	Lossless    bool          `help:"Deliver every packet at once on both lines."`
	Gaps        bool          `help:"Let both lines lose the same packet now and then, and one stand still for long, so that messages are lost for good."`
}

// Run writes the captures.
func (c *generateCaptureCmd) Run(ctx context.Context, con *console) error {
	if c.Instruments < 1 {
		return usageError{fmt.Errorf("--instruments %d: want at least 1", c.Instruments)}
	}
	truth, err := writeCaptures(ctx, c.Dir, c.config())
	if err != nil {
		return err
	}
	fmt.Fprintf(con.Out, "%d messages of %d instruments\n", truth.Messages, len(truth.Books))
	for _, l := range truth.Lines {
		fmt.Fprintf(con.Out, "line %s: %d packets sent, %d lost, %d duplicated, %d reordered, %d clogged: %s\n",
			l.Name, l.Packets, l.Lost, l.Duplicated, l.Reordered, l.Clogged, capturePath(c.Dir, l.Name))
	}
	fmt.Fprintf(con.Out, "truth: %s\n", filepath.Join(c.Dir, truthName))
	return nil
}

func (c *generateCaptureCmd) config() venue.FeedConfig {
	cfg := venue.DefaultFeedConfig(c.Seed)
	cfg.Market.Trading = market.Nanos(c.Trading)
	cfg.Market.Listings = venue.Listings(c.Instruments)
	cfg.Market.Rate = c.Rate
	// The halt of the default market is kept if this one has its instrument and is long enough.
	cfg.Market.Halts = slices.DeleteFunc(cfg.Market.Halts, func(h venue.Halt) bool {
		listed := slices.ContainsFunc(cfg.Market.Listings, func(l venue.Listing) bool { return l.Symbol == h.Symbol })
		return !listed || h.At+h.For >= cfg.Market.Trading
	})
	if cfg.Protected = !c.Gaps; cfg.Protected {
		// A line that stands still for longer than the other is waited for loses messages too.
		for _, l := range cfg.Lines {
			for i := range l.Clogged {
				l.Clogged[i].To = l.Clogged[i].From + 40*market.Millisecond
			}
		}
	}
	if c.Lossless {
		for i := range cfg.Lines {
			cfg.Lines[i].Impairment = venue.Impairment{}
		}
	}
	return cfg
}

const truthName = "truth.json"

func capturePath(dir, line string) string {
	return filepath.Join(dir, strings.ToLower(line)+".pcap")
}

// writeCaptures runs a simulated feed into one capture per line, and its truth beside them.
func writeCaptures(ctx context.Context, dir string, cfg venue.FeedConfig) (truth venue.Truth, err error) {
	if err := cfg.Validate(); err != nil {
		return truth, usageError{fmt.Errorf("generate: %w", err)}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return truth, err
	}
	var files []*openfile.Writer
	defer func() {
		for _, f := range files {
			f.Abort()
		}
	}()
	var captures []venue.CaptureWriter
	for _, l := range cfg.Lines {
		f, err := openfile.Create(capturePath(dir, l.Name))
		if err != nil {
			return truth, err
		}
		files = append(files, f)
		w, err := pcap.NewWriter(contextWriter{ctx, f})
		if err != nil {
			return truth, err
		}
		captures = append(captures, w)
	}
	if truth, err = venue.WriteCaptures(cfg, captures...); err != nil {
		return truth, err
	}
	for _, f := range files {
		if err := f.Close(); err != nil {
			return truth, err
		}
	}
	return truth, writeJSON(filepath.Join(dir, truthName), truth)
}

func writeJSON(path string, v any) error {
	f, err := openfile.Create(path)
	if err != nil {
		return err
	}
	defer f.Abort()
	enc := json.NewEncoder(f)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return f.Close()
}

// dayOptions describe a generated day of ITCH.
type dayOptions struct {
	Messages int    `default:"${bench_messages}" help:"Messages in the day."`
	Symbols  int    `default:"${bench_symbols}" help:"Instruments."`
	Live     int    `default:"${bench_live}" help:"Orders that live at a time once the market has filled."`
	Profile  string `default:"near" enum:"near,deep" help:"How far from the touch orders are placed: near (96 % within 50 ticks) or deep (60 %)."`
	Seed     uint64 `default:"1" help:"The same seed makes the same day."`
}

func benchVars() map[string]string {
	d := bench.DefaultITCH
	return map[string]string{
		"bench_messages": fmt.Sprint(d.Messages),
		"bench_symbols":  fmt.Sprint(d.Symbols),
		"bench_live":     fmt.Sprint(d.Live),
	}
}

func (o *dayOptions) config() (bench.ITCHConfig, error) {
	cfg := bench.ITCHConfig{
		Seed: o.Seed, Messages: o.Messages, Symbols: o.Symbols, Live: o.Live, Profile: bench.Profile(o.Profile),
	}
	if err := cfg.Validate(); err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

type generateITCHCmd struct {
	File string `arg:"" help:"File to write; .gz or .zst compresses it."`
	dayOptions
	Quiet bool `short:"q" help:"No progress bar."`
}

// Run writes the day.
func (c *generateITCHCmd) Run(ctx context.Context, con *console) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	truth, err := generateDay(ctx, con, c.File, cfg, c.Quiet)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.Out, "%s: %d messages, %d bytes, %d orders live at the end\n",
		c.File, truth.Messages, truth.Bytes, truth.EndLive)
	return nil
}

// generateDay writes a day of ITCH, with a progress bar.
func generateDay(ctx context.Context, con *console, path string, cfg bench.ITCHConfig, quiet bool) (bench.Truth, error) {
	f, err := openfile.Create(path)
	if err != nil {
		return bench.Truth{}, err
	}
	defer f.Abort()
	var bar *bar
	if !quiet {
		bar = newBar(con.Err, int64(cfg.Messages), "generate", false)
	}
	truth, err := bench.WriteITCH(contextWriter{ctx, f}, cfg, func(n int) { bar.set(int64(n)) })
	bar.finish()
	if err != nil {
		return truth, err
	}
	return truth, f.Close()
}

// contextWriter fails once its context has ended.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (w contextWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}
