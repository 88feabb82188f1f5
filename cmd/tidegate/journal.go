package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"tidegate/market"
	"tidegate/sinks/journal"
)

// journalCmd looks into journals. None of its commands changes an entry, and the journal may be written meanwhile.
type journalCmd struct {
	Verify  journalVerifyCmd  `cmd:"" help:"Read everything and check every byte. Damage gives exit code 3."`
	Stat    journalStatCmd    `cmd:"" help:"List segments and registered readers."`
	Dump    journalDumpCmd    `cmd:"" help:"Print entries. Entries that cannot be read give exit code 3."`
	Seek    journalSeekCmd    `cmd:"" help:"Say where an entry is: by its index, or the first one since a time."`
	Export  journalExportCmd  `cmd:"" help:"Write records to a file for other programs: DBN, CSV or Parquet."`
	Readers journalReadersCmd `cmd:"" help:"List registered readers, which hold back retention; drop one that is gone."`
}

type journalVerifyCmd struct {
	Dir   string `arg:"" help:"Directory of the journal."`
	JSON  bool   `name:"json" help:"Print JSON."`
	Quiet bool   `short:"q" help:"No progress bar."`
}

// Run verifies a journal.
func (c *journalVerifyCmd) Run(ctx context.Context, con *console) error {
	var b *bar
	report, err := journal.Verify(ctx, c.Dir, func(done, total int64) {
		if b == nil && !c.Quiet {
			b = newBar(con.Err, total, "verify", true)
		}
		b.set(done)
	})
	b.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(con.Out).Encode(report)
	} else {
		err = writeReport(con, report)
	}
	if err == nil && len(report.Problems) > 0 {
		err = fmt.Errorf("%s: %w", counted(len(report.Problems), "problem"), errImperfect)
	}
	return err
}

func writeReport(con *console, r *journal.Report) error {
	out := con.Out
	for _, p := range r.Problems {
		fmt.Fprintf(out, "DAMAGE   %s byte %d: %s", p.Segment, p.Offset, p.Reason)
		if p.To >= p.From {
			fmt.Fprintf(out, "; entries %d to %d (%d) cannot be read", p.From, p.To, p.To-p.From+1)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "journal  %016x, index %d to %d\n", r.Journal, r.First, r.Last)
	fmt.Fprintf(out, "checked  %s, %d batches, %d entries\n", counted(len(r.Segments), "segment"), r.Batches, r.Entries)
	if r.Recorded > 0 {
		fmt.Fprintf(out, "gaps     %d entries were dropped when they came, and recorded as missing\n", r.Recorded)
	}
	switch {
	case r.Writing && r.Tail > 0:
		fmt.Fprintf(out, "open     the journal is being written: checked up to what was there, with %d bytes of the next entries\n", r.Tail)
	case r.Writing:
		fmt.Fprintln(out, "open     the journal is being written: checked up to what was there")
	case r.Tail > 0:
		fmt.Fprintf(out, "tail     %d bytes behind the last entry, never synced; the next start sets them aside\n", r.Tail)
	}
	_, err := fmt.Fprintf(out, "result   %s\n", map[bool]string{true: "whole", false: "DAMAGED"}[len(r.Problems) == 0])
	return err
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

type journalStatCmd struct {
	Dir  string `arg:"" help:"Directory of the journal."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run lists what is there.
func (c *journalStatCmd) Run(con *console) error {
	s, err := journal.Stat(c.Dir)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(con.Out).Encode(s)
	}
	fmt.Fprintf(con.Out, "journal  %016x, epoch %d, index %d to %d, %d MiB%s\n", s.Journal, s.Epoch, s.Oldest, s.Durable, s.Bytes>>20, map[bool]string{true: ", being written"}[s.Writing])
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "segment\tepoch\tfirst\tlast\tKiB\tmade (UTC)\t")
	for i := range s.Segments {
		h := &s.Segments[i]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", h.Name, h.Epoch, h.First, h.Last, h.Bytes>>10, moment(h.Created), h.Damaged)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range s.Readers {
		fmt.Fprintf(con.Out, "reader   %s: next is index %d, as of %s; needs %s\n", p.Name, p.Next, moment(p.At), s.Needs(p))
	}
	for _, name := range s.Torn {
		fmt.Fprintf(con.Out, "torn     %s: set aside by a recovery\n", name)
	}
	return nil
}

type journalSeekCmd struct {
	Dir   string `arg:"" help:"Directory of the journal."`
	Index uint64 `xor:"where" required:"" placeholder:"INDEX" help:"The entry with this index."`
	Time  string `xor:"where" required:"" placeholder:"TIME" help:"The first entry received at a time or later: 2026-01-02T15:04:05.6Z, or nanoseconds since 1970."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// found is the answer of a search.
type found struct {
	Index    uint64       `json:"index"`
	At       market.Nanos `json:"at"`
	Epoch    uint64       `json:"epoch"`
	Segment  string       `json:"segment"`
	Offset   int64        `json:"batch_offset"` // in the segment, unpacked
	First    uint64       `json:"batch_first"`
	Last     uint64       `json:"batch_last"`
	Bytes    int64        `json:"batch_bytes"`
	Gap      string       `json:"gap,omitempty"` // why the entry is not there
	describe string
}

// Run searches.
func (c *journalSeekCmd) Run(con *console) error {
	r, err := journal.OpenReader(c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if c.Time != "" {
		at, err := parseMoment("--time", c.Time)
		if err != nil {
			return err
		}
		err = r.SeekTime(at)
		if err != nil {
			return err
		}
	} else if err := r.SeekIndex(c.Index); err != nil {
		return err
	}
	var b journal.Batch
	var f found
	switch out, err := r.NextBatch(&b); {
	case err != nil:
		return err
	case out == journal.Empty:
		_, durable, err := r.Bounds()
		if err != nil {
			return err
		}
		return fmt.Errorf("%s: the journal ends before that, at index %d", c.Dir, durable)
	case out == journal.Broken:
		return fmt.Errorf("%w: %v", errImperfect, r.Hole())
	case out == journal.Lost:
		g := r.Gap()
		f = found{Index: g.From, At: g.Earliest, First: g.From, Last: g.To, Gap: g.Reason.String()}
		f.describe = fmt.Sprintf("entries %d to %d were dropped when they came: %v", g.From, g.To, g.Reason)
	default:
		var e journal.Entry
		b.Next(&e)
		f = found{Index: e.Index, At: e.At, Epoch: b.Epoch, Segment: b.Segment, Offset: b.Offset, First: b.First, Last: b.Last, Bytes: b.Bytes}
		f.describe = fmt.Sprintf("entry %d of %s, epoch %d\nin %s at byte %d: batch of %d bytes, entries %d to %d",
			e.Index, moment(e.At), b.Epoch, b.Segment, b.Offset, b.Bytes, b.First, b.Last)
	}
	if c.JSON {
		return json.NewEncoder(con.Out).Encode(f)
	}
	_, err = fmt.Fprintln(con.Out, f.describe)
	return err
}

// moment returns a time as text.
func moment(t market.Nanos) string {
	if !t.Defined() {
		return "-"
	}
	return time.Unix(0, int64(t)).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// parseMoment reads a time: text as moment writes it, or nanoseconds.
func parseMoment(flag, text string) (market.Nanos, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return market.Nanos(n), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, usageError{fmt.Errorf("%s %q: want a time like 2026-01-02T15:04:05.6Z, or nanoseconds since 1970", flag, text)}
	}
	return market.Nanos(at.UnixNano()), nil
}
