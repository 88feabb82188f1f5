package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"tidegate/gateway/admin"
)

type statCmd struct {
	adminClient
	Watch time.Duration `short:"w" placeholder:"TIME" help:"Go on, and show everything again every so often."`
	JSON  bool          `name:"json" help:"Print JSON: one document per look."`

	Providers   bool   `help:"Show only the providers of each feed, with the latest switches."`
	Instruments bool   `help:"List the instruments instead."`
	Feed        string `placeholder:"NAME" help:"With --instruments: of this feed or dataset only."`
	Prefix      string `arg:"" optional:"" help:"With --instruments: those whose symbols begin so."`
}

// stat is what one look gives: the first three, or the last.
type stat struct {
	Feeds       *admin.FeedsReport       `json:"feeds,omitempty"`
	Subscribers *admin.SubscribersReport `json:"subscribers,omitempty"`
	Latency     *admin.LatencyReport     `json:"latency,omitempty"`
	Providers   *admin.ProvidersReport   `json:"providers,omitempty"`
}

// Run looks once, or until it is interrupted.
func (c *statCmd) Run(ctx context.Context, con *console) error {
	if c.Watch != 0 && c.Watch < 100*time.Millisecond {
		return usageError{fmt.Errorf("--watch %v: want at least 100ms", c.Watch)}
	}
	switch {
	case !c.Instruments && c.Prefix != "":
		return usageError{fmt.Errorf("%q: only --instruments takes the beginning of symbols", c.Prefix)}
	case !c.Instruments && c.Feed != "":
		return usageError{errors.New("--feed: only with --instruments")}
	case c.Instruments && c.Watch != 0:
		return usageError{errors.New("--watch: not with --instruments")}
	case c.Instruments && c.Providers:
		return usageError{errors.New("--providers: not with --instruments")}
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.Instruments {
		return c.listInstruments(ctx, con.Out)
	}
	f, ok := con.Out.(*os.File)
	clear := ok && term.IsTerminal(int(f.Fd())) && c.Watch != 0 && !c.JSON
	var before *stat
	for {
		now, err := c.look(ctx)
		switch {
		case ctx.Err() != nil && before != nil:
			return nil // interrupted, which is how watching ends
		case err != nil:
			return err
		}
		if clear {
			fmt.Fprint(con.Out, "\x1b[H\x1b[2J")
		}
		if c.JSON {
			err = json.NewEncoder(con.Out).Encode(now)
		} else {
			err = now.write(con.Out, before)
		}
		if err != nil || c.Watch == 0 {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Watch):
		}
	}
}

func (c *statCmd) look(ctx context.Context) (*stat, error) {
	s := &stat{}
	type page struct {
		path string
		to   any
	}
	pages := []page{{"/feeds", &s.Feeds}, {"/subscribers", &s.Subscribers}, {"/latency", &s.Latency}}
	if c.Providers {
		pages = []page{{"/providers", &s.Providers}}
	}
	for _, page := range pages {
		if err := c.get(ctx, page.path, page.to); err != nil {
			return nil, fmt.Errorf("%s%s: %w", c.URL, page.path, err)
		}
	}
	return s, nil
}

// write shows a look. Rates are since the look before; without one there are none.
func (s *stat) write(out io.Writer, before *stat) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if s.Providers != nil {
		return writeProviders(w, out, s.Providers.Feeds, true)
	}
	elapsed := 0.0
	if before != nil {
		elapsed = s.Feeds.At.Sub(before.Feeds.At).Seconds()
	}
	rate := func(now, then uint64) string {
		if elapsed <= 0 || now < then {
			return "-"
		}
		return fmt.Sprintf("%.0f", float64(now-then)/elapsed)
	}
	for i := range s.Feeds.Feeds {
		f, old := &s.Feeds.Feeds[i], &admin.FeedReport{}
		if before != nil && i < len(before.Feeds.Feeds) {
			old = &before.Feeds.Feeds[i]
		}
		if err := writeFeed(w, out, f, old, rate); err != nil {
			return err
		}
	}
	if err := writeProviders(w, out, s.Feeds.Providers, false); err != nil {
		return err
	}
	if c := s.Feeds.Consolidated; c != nil {
		then := uint64(0)
		if before != nil && before.Feeds.Consolidated != nil {
			then = before.Feeds.Consolidated.Records
		}
		fmt.Fprintf(out, "over all %s: %s, %d records (%s a second), %s\n", c.Dataset,
			several(c.Instruments, "instrument"), c.Records, rate(c.Records, then), several(c.Subscribers, "subscriber"))
	}
	l, r := &s.Feeds.Loop, &s.Feeds.Ring
	fmt.Fprintf(out, "loop     %d polls, %d reads (at most %d datagrams), %d spins, %d parks\n", l.Polls, l.Batches, l.BatchMax, l.Spins, l.Parks)
	fmt.Fprintf(out, "ring     %d entries, %d readers, %d MiB, %d evicted, %d spares\n", r.Entries, r.Readers, r.MemoryBytes>>20, r.Evicted, r.Spares)
	if c := s.Feeds.Capture; c != nil {
		state := "recording"
		if c.Failed {
			state = "STOPPED"
		}
		fmt.Fprintf(out, "capture  %s to %s: %d datagrams, %d dropped\n", state, c.Path, c.Recorded, c.Dropped)
	}
	writeJournal(out, s.Feeds.Journal)
	writePostgres(out, s.Feeds.Postgres)
	for _, p := range []struct {
		name string
		of   *admin.Percentiles
	}{{"latency", &s.Latency.WireToPublish.Total}, {"  recent", &s.Latency.WireToPublish.Recent}} {
		d := func(ns int64) time.Duration { return time.Duration(ns).Round(100 * time.Nanosecond) }
		fmt.Fprintf(out, "%-8s wire to publish p50 %v, p99 %v, p99.9 %v, max %v of %d\n", p.name,
			d(p.of.P50), d(p.of.P99), d(p.of.P999), d(p.of.Max), p.of.Count)
	}
	return s.writeSubscribers(w, out)
}

func writeFeed(w *tabwriter.Writer, out io.Writer, f, old *admin.FeedReport, rate func(now, then uint64) string) error {
	state, balance := "SILENT", "ledger balanced"
	if f.Receiving {
		state = "receiving"
	}
	if !f.Balanced {
		balance = "LEDGER NOT BALANCED"
	}
	fmt.Fprintf(out, "feed     %s: %s, %s, %s", f.Name, f.Dataset, f.Protocol, state)
	if f.Session != "" {
		fmt.Fprintf(out, ", session %s", f.Session)
	}
	fmt.Fprintf(out, ", %s, %s\n", several(f.Instruments, "instrument"), several(f.Subscribers, "subscriber"))
	fmt.Fprintf(out, "         %d messages (%s a second), %d events, %d trades, %d faults\n",
		f.Messages, rate(f.Messages, old.Messages), f.Events, f.Trades, f.Faults)
	announced := f.Ledger.GapsAnnounced()
	fmt.Fprintf(out, "         gaps: %d found, %d filled, %d open, %d announced (%d messages lost); %s\n",
		f.Ledger.GapsOpened.Ranges, f.Ledger.GapsFilled.Ranges, f.Ledger.GapsOpen.Ranges, announced.Ranges, announced.Messages, balance)
	writeRecovery(out, f)
	fmt.Fprintln(w, "line\tpackets\ta second\tpublished\tduplicate\tdisagree\tfilled\tother\tkernel drops\thigh water\tbehind\tfor\tlast\tstate\trank\taddress\t")
	for i := range f.Lines {
		l, then := &f.Lines[i], uint64(0)
		if i < len(old.Lines) {
			then = old.Lines[i].Packets
		}
		state := "ok"
		switch {
		case l.Silent:
			state = "SILENT"
		case l.Packets == 0:
			state = "nothing yet"
		}
		g := &l.Ledger
		other := g.Late.Packets + g.Foreign.Packets + g.OldEpoch.Packets + g.Implausible.Packets + g.Unsequenced.Packets + g.Unasked.Packets + g.Malformed
		behindFor, last := "-", "-"
		if l.Behind > 0 {
			behindFor = age(l.BehindFor)
		}
		if l.LastAge != nil {
			last = age(*l.LastAge)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t\n", l.Name, l.Packets, rate(l.Packets, then),
			g.Published.Packets, g.Duplicate.Packets, g.Disagree, g.GapMessages, other, l.KernelDrops,
			l.HighWater, l.Behind, behindFor, last, state, rankOf(l.Judged), l.Address)
	}
	return w.Flush()
}

// several returns a number of things.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// age returns a duration in few digits.
func age(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// listInstruments shows all that fit, page by page.
func (c *statCmd) listInstruments(ctx context.Context, out io.Writer) error {
	const page = 1000 // what the gateway gives at most
	all := &admin.InstrumentsReport{Limit: page, Instruments: []admin.InstrumentReport{}}
	for {
		path := fmt.Sprintf("/instruments?limit=%d&offset=%d&prefix=%s&feed=%s", page, len(all.Instruments),
			url.QueryEscape(c.Prefix), url.QueryEscape(c.Feed))
		var part admin.InstrumentsReport
		if err := c.get(ctx, path, &part); err != nil {
			return fmt.Errorf("%s%s: %w", c.URL, path, err)
		}
		all.Total = part.Total
		all.Instruments = append(all.Instruments, part.Instruments...)
		if len(part.Instruments) == 0 || len(all.Instruments) >= part.Total {
			break
		}
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(all)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "symbol\tinstrument\tdataset\tfeed\ttick size\tround lot")
	for _, in := range all.Instruments {
		lot := "-"
		if in.RoundLot != 0 {
			lot = fmt.Sprint(in.RoundLot)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", in.Symbol, in.Instrument, in.Dataset,
			cmp.Or(in.Feed, "-"), cmp.Or(in.TickSize, "-"), lot)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, several(len(all.Instruments), "instrument"))
	return err
}

func (s *stat) writeSubscribers(w *tabwriter.Writer, out io.Writer) error {
	r := s.Subscribers
	fmt.Fprintf(out, "clients  %s, %s\n", several(r.Connections, "connection"), several(len(r.Sessions), "session"))
	if len(r.Sessions) == 0 {
		return nil
	}
	fmt.Fprintln(w, "session\tkey\tdataset\tstate\trecords\tbehind\tskipped\tschemas\taddress\t")
	for i := range r.Sessions {
		c := &r.Sessions[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t\n", c.ID, c.Key, c.Dataset, c.State,
			c.Records, c.Behind, c.Skipped, strings.Join(slices.Compact(slices.Sorted(slices.Values(c.Schemas))), ","), c.Addr)
	}
	return w.Flush()
}
