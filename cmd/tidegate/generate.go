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
	Dir         string        `arg:"" help:"Directory for a.pcap, b.pcap and truth.json, which are replaced; made if it does not exist."`
	Seed        uint64        `default:"1" help:"The same seed gives the same files, byte for byte."`
	Trading     time.Duration `default:"3m" help:"Time from the open to the close, in the market's time: 1s to 14h29m, such as 90s or 2h. It is made much faster."`
	Instruments int           `default:"8" help:"How many instruments trade: 1 to 65535. The first, ALFA, is the busiest."`
	Rate        int           `default:"1600" help:"Messages per second of the market's time, on average: 1 to 10000000. Bursts exceed it many times over."`
	Protocol    string        `default:"itch" enum:"itch,pitch" help:"What the venue publishes: itch (ITCH 5.0 over MoldUDP64) or pitch (Cboe Multicast PITCH, one unit)."`
	Lossless    bool          `help:"Perfect lines: every packet at once, once and in order, on both."`
	Gaps        bool          `help:"Lose messages for good: let both lines lose the same packet now and then, and let one stand still for long. By default what one line loses the other brings."`
}

// Help is shown below the flags' summary.
func (generateCaptureCmd) Help() string {
	return `Writes what two receivers would capture of a simulated venue that publishes ITCH 5.0 or Cboe Multicast PITCH: a.pcap of line A, b.pcap of line B, with losses, duplicates and packets out of order; and truth.json, which says what a gateway that merges them must find: messages, books and trades. docs/replay.md explains its fields.

  tidegate generate capture out/market
  tidegate replay out/market/a.pcap out/market/b.pcap --publisher XSIM.ITCH`
}

// tradingMax is the day from the open at 9:30, less a minute for the close.
const tradingMax = 24*time.Hour - 9*time.Hour - 31*time.Minute

// checkMarket returns an error for a market that the simulated venue cannot make, by the names of its
// flags.
func checkMarket(instruments, rate int, trading, tradingMax time.Duration) error {
	const instrumentsMax, rateMax = 65_535, 10_000_000
	switch {
	case instruments < 1 || instruments > instrumentsMax:
		return fmt.Errorf("--instruments %d: want 1 to %d", instruments, instrumentsMax)
	case rate < 1 || rate > rateMax:
		return fmt.Errorf("--rate %d: want 1 to %d", rate, rateMax)
	case trading < time.Second || trading > tradingMax:
		return fmt.Errorf("--trading %v: want 1s to %v", trading, tradingMax)
	default:
		return nil
	}
}

// Run writes the captures.
func (c *generateCaptureCmd) Run(ctx context.Context, con *console) error {
	if err := checkMarket(c.Instruments, c.Rate, c.Trading, tradingMax); err != nil {
		return usageError{err}
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
	if c.Protocol == "pitch" {
		cfg.Sender.Protocol = venue.PITCH
	}
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
	Messages int    `default:"${bench_messages}" help:"Messages in the day; about 31 bytes each."`
	Symbols  int    `default:"${bench_symbols}" help:"Instruments: 1 to 65535."`
	Live     int    `default:"${bench_live}" help:"Orders alive at a time once the market has filled."`
	Profile  string `default:"near" enum:"near,deep" help:"How far from the best price orders are placed: near (96 % of them within 50 ticks) or deep (60 %)."`
	Seed     uint64 `default:"1" help:"The same seed gives the same day, byte for byte."`
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
	File string `arg:"" help:"File to write, in Nasdaq's BinaryFILE format; a name that ends in .gz or .zst compresses it. A day in the name, as in day-20260105.itch, is what replay takes for its day."`
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
