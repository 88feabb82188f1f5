package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/term"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/journal"
)

type journalDumpCmd struct {
	Dir   string `arg:"" help:"Directory of the journal."`
	From  uint64 `placeholder:"INDEX" help:"Begin with this index. Default: the oldest."`
	Since string `placeholder:"TIME" help:"Begin with the first entry received at this time or later."`
	Limit uint64 `short:"n" placeholder:"N" help:"Print N entries at most."`
	Feed  *int   `placeholder:"N" help:"Only entries of this feed."`
	Kind  *int   `placeholder:"N" help:"Only entries of this kind."`
	JSON  bool   `name:"json" help:"Print JSON, one document a line."`
	Quiet bool   `short:"q" help:"No progress bar."`
}

// A dumped is one line of a dump as JSON: an entry, a gap that was recorded, or a hole.
type dumped struct {
	Index   uint64       `json:"index"`
	Last    uint64       `json:"last,omitempty"` // of a gap or a hole
	At      market.Nanos `json:"at,omitempty"`
	Feed    uint16       `json:"feed"`
	Kind    uint8        `json:"kind"`
	Payload string       `json:"payload,omitempty"` // in hexadecimal
	Record  string       `json:"record,omitempty"`  // the payload, if it is a record of DBN version 3
	Gap     string       `json:"gap,omitempty"`     // why entries were dropped
	Hole    string       `json:"hole,omitempty"`    // why entries cannot be read
}

// Run prints entries.
func (c *journalDumpCmd) Run(ctx context.Context, con *console) error {
	if c.From != 0 && c.Since != "" {
		return usageError{fmt.Errorf("--from and --since: want one of them")}
	}
	r, err := journal.OpenReader(c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	switch {
	case c.Since != "":
		at, err := parseMoment("--since", c.Since)
		if err != nil {
			return err
		}
		if err := r.SeekTime(at); err != nil {
			return err
		}
	case c.From != 0:
		if err := r.SeekIndex(c.From); err != nil {
			return err
		}
	}
	out := bufio.NewWriterSize(con.Out, 64<<10)
	holes, err := c.dump(ctx, con, r, out)
	if err == nil {
		err = out.Flush()
	}
	if err == nil && holes > 0 {
		err = fmt.Errorf("%s: %w", counted(holes, "hole"), errImperfect)
	}
	return err
}

// dump prints what the reader gives, up to what was durable at the beginning.
func (c *journalDumpCmd) dump(ctx context.Context, con *console, r *journal.Reader, out *bufio.Writer) (holes int, err error) {
	_, durable, err := r.Bounds()
	if err != nil {
		return 0, err
	}
	first := r.Position()
	var b *bar
	if f, ok := con.Out.(*os.File); !c.Quiet && durable >= first && !(ok && term.IsTerminal(int(f.Fd()))) {
		b = newBar(con.Err, int64(durable-first+1), "dump", false)
	}
	defer b.finish()
	var e journal.Entry
	for printed := uint64(0); r.Position() <= durable && (c.Limit == 0 || printed < c.Limit); {
		outcome, err := r.Next(&e)
		if err != nil {
			return holes, err
		}
		var d dumped
		switch outcome {
		case journal.Empty:
			return holes, nil
		case journal.Lost:
			g := r.Gap()
			d = dumped{Index: g.From, Last: g.To, At: g.Latest, Gap: g.Reason.String()}
		case journal.Broken:
			h := r.Hole()
			holes++
			d = dumped{Index: h.From, Last: h.To, Hole: fmt.Sprintf("%s at byte %d: %v", h.Segment, h.Offset, h.Reason)}
		default:
			if e.Index%4096 == 0 {
				if ctx.Err() != nil {
					return holes, ctx.Err()
				}
				b.set(int64(e.Index - first))
			}
			if c.Feed != nil && *c.Feed != int(e.Feed) || c.Kind != nil && *c.Kind != int(e.Kind) {
				continue
			}
			d = dumped{Index: e.Index, At: e.At, Feed: e.Feed, Kind: e.Kind, Record: recordText(e.Payload), Payload: hex.EncodeToString(e.Payload)}
			printed++
		}
		if c.JSON {
			err = json.NewEncoder(out).Encode(&d)
		} else {
			err = d.write(out)
		}
		if err != nil {
			return holes, err
		}
	}
	return holes, nil
}

// write prints d for a person.
func (d *dumped) write(out *bufio.Writer) (err error) {
	switch {
	case d.Gap != "":
		_, err = fmt.Fprintf(out, "%d to %d  GAP of %d: dropped when they came: %s\n", d.Index, d.Last, d.Last-d.Index+1, d.Gap)
	case d.Hole != "":
		_, err = fmt.Fprintf(out, "%d to %d  HOLE of %d: cannot be read: %s\n", d.Index, d.Last, d.Last+1-d.Index, d.Hole)
	default:
		text := d.Record
		if text == "" {
			text = d.Payload
		}
		_, err = fmt.Fprintf(out, "%d  %s  feed %d  kind %d  %s\n", d.Index, moment(d.At), d.Feed, d.Kind, text)
	}
	return err
}

// recordText returns a payload as text if it is one record of DBN version 3, else "".
func recordText(p []byte) string {
	r, err := dbn.ParseRecord(p, dbn.Version, false)
	if err != nil || !r.Known() || len(r.Raw()) != len(p) {
		return ""
	}
	text, err := shapeOf(r.RType).line(r, fmt.Sprintf("#%d", r.InstrumentID))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s  %s", r.RType, text)
}
