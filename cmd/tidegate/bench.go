package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"tidegate/bench"
)

type benchCmd struct {
	Decode benchDecodeCmd `cmd:"" help:"Nanoseconds per message to decode ITCH 5.0."`
	Book   benchBookCmd   `cmd:"" help:"Nanoseconds per message to decode ITCH 5.0 and keep every by-order book."`
	Match  benchMatchCmd  `cmd:"" help:"Nanoseconds per operation of the matching engine: insert, cancel, and a mix."`
	benchLiveCmds
}

// benchOptions are common to both benchmarks.
type benchOptions struct {
	dayOptions
	File  string `placeholder:"FILE" help:"Measure over this uncompressed ITCH file instead of a generated day; its result is checked only for being the same in every run."`
	Runs  int    `default:"5" help:"Passes over the day."`
	Keep  string `placeholder:"FILE" help:"Keep the generated day here, and use it if it is there already."`
	JSON  bool   `name:"json" help:"Print the report as JSON."`
	Quiet bool   `short:"q" help:"No progress bar."`
}

type (
	benchDecodeCmd struct{ benchOptions }
	benchBookCmd   struct{ benchOptions }
)

// Run measures decoding.
func (c *benchDecodeCmd) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, bench.RunDecode)
}

// Run measures decoding and books.
func (c *benchBookCmd) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, bench.RunBook)
}

func (c *benchOptions) run(ctx context.Context, con *console, measure func(context.Context, bench.Options) (bench.Report, error)) error {
	if c.Runs < 1 || c.Runs > 1000 {
		return usageError{fmt.Errorf("--runs %d: want 1 to 1000", c.Runs)}
	}
	opt := bench.Options{Path: c.File, Runs: c.Runs}
	if c.File == "" {
		path, truth, remove, err := c.day(ctx, con)
		if err != nil {
			return err
		}
		defer remove()
		opt.Path, opt.Truth = path, &truth
	}
	if info, err := os.Stat(opt.Path); err == nil && !c.Quiet {
		if b := newBar(con.Err, info.Size(), "measure", true); b != nil {
			opt.Progress = func(run int, bytes int64) {
				b.describe(fmt.Sprintf("run %d of %d", run+1, c.Runs))
				b.set(bytes)
			}
			defer b.finish()
		}
	}
	report, err := measure(ctx, opt)
	if err != nil {
		return err
	}
	if c.JSON {
		return report.WriteJSON(con.Out)
	}
	return report.WriteText(con.Out)
}

// day generates the day to measure over, or finds it where it was kept. remove takes a day away that
// is not to be kept.
func (c *benchOptions) day(ctx context.Context, con *console) (path string, truth bench.Truth, remove func(), err error) {
	remove = func() {}
	cfg, err := c.config()
	if err != nil {
		return "", truth, remove, err
	}
	path = c.Keep
	if path == "" {
		dir, err := os.MkdirTemp("", "tidegate-bench-")
		if err != nil {
			return "", truth, remove, err
		}
		remove = func() { os.RemoveAll(dir) }
		path = filepath.Join(dir, "day.itch")
	} else if truth, ok := keptDay(path, cfg); ok {
		return path, truth, remove, nil
	}
	if truth, err = generateDay(ctx, con, path, cfg, c.Quiet); err != nil {
		remove()
		return "", truth, func() {}, err
	}
	if c.Keep != "" {
		err = writeJSON(path+".json", truth)
	}
	return path, truth, remove, err
}
