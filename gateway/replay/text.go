package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"tidegate/arbiter"
)

// WriteText writes the summary for people.
func (s *Summary) WriteText(w io.Writer) error {
	p := &printer{w: w}
	for i := range s.Inputs {
		p.input(&s.Inputs[i])
	}
	if s.Unrecognised > 0 {
		p.row("unrecognised", "%s datagrams of no feed that is known", count(s.Unrecognised))
	}
	if s.Recorded != nil {
		p.recorded(s.Recorded)
	}
	for i := range s.Feeds {
		p.feed(&s.Feeds[i])
	}
	for i := range s.Channels {
		p.channel(&s.Channels[i])
	}
	p.line("")
	if s.Output != nil {
		partial := ""
		if s.Output.Partial {
			partial = ", as far as the replay came"
		}
		p.row("output", "%s%s", s.Output.Path, partial)
		p.row("", "%s records of %s, %s", count(s.Output.Records), s.Output.Schema, byteCount(s.Output.Bytes))
		p.row("", "sha256 %s", s.Output.SHA256)
		if n := s.Output.Refused; n > 0 {
			p.row("", "%s events gave no record: more instruments than a schema keeps", count(n))
		}
	}
	if s.Imperfect > 0 {
		p.list("faults", s.FaultList())
	}
	if s.First != "" {
		p.row("recorded", "%s to %s", s.First, s.Last)
	}
	p.row("replayed", "%s messages in %.3f s, %s messages/s", count(s.Messages), s.Seconds, count(uint64(s.Rate)))
	return p.err
}

// FaultList returns what was imperfect, for people: "malformed packets 3".
func (s *Summary) FaultList() (parts []string) {
	for _, f := range s.Faults {
		parts = append(parts, f.Fault+" "+count(f.Count))
	}
	return parts
}

// printer writes aligned lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// row writes a line with a label.
func (p *printer) row(label, format string, args ...any) {
	p.line("%-12s  %s", label, fmt.Sprintf(format, args...))
}

// textWidth is where lists are broken. Paths are not broken.
const textWidth = 100

// list writes a line with a label, and goes on below where it would get too long.
func (p *printer) list(label string, parts []string) {
	for len(parts) > 0 {
		n, length := 1, len(parts[0])
		for n < len(parts) && 14+length+len(", ")+len(parts[n])+1 <= textWidth {
			length += len(", ") + len(parts[n])
			n++
		}
		end := ""
		if n < len(parts) {
			end = ","
		}
		p.row(label, "%s%s", strings.Join(parts[:n], ", "), end)
		label, parts = "", parts[n:]
	}
}

func (p *printer) input(in *InputSummary) {
	items := map[string]string{"capture": "datagrams", "itch": "blocks", "dbn": "records"}[in.Kind]
	p.row("input", "%s: %s, %s, %s, %s %s", in.Path, in.Kind, in.Compression, byteCount(in.Bytes), count(in.Items), items)
	if f := in.Frames; f != nil && f.Skipped() > 0 {
		reasons := make(map[string]uint64)
		for reason, n := range map[string]uint64{
			"not IP": f.NotIP, "not UDP": f.NotUDP, "fragment": f.Fragment, "truncated": f.Truncated,
			"malformed": f.Malformed, "unknown link": f.UnknownLink,
		} {
			if n > 0 {
				reasons[reason] = n
			}
		}
		p.row("", "%s of %s frames skipped: %s", count(f.Skipped()), count(f.Frames), strings.Join(counts(reasons), ", "))
	}
	for _, n := range in.Notes {
		p.row("", "note: %s", n)
	}
	if in.Fault != "" {
		p.row("", "FAULT: %s; everything before it was used", in.Fault)
	}
}

func (p *printer) channel(c *ChannelSummary) {
	p.line("")
	p.row("channel", "%s (%s, %s)", c.Name, c.Feed, c.Publisher)
	for _, line := range c.Lines {
		p.row("line "+line.Line, "%s, to %s", filepath.Base(line.Path), line.Dst)
	}
	if c.Ledger != nil {
		p.ledger(c)
	}
	p.row("decoded", "%s messages", count(c.Messages))
	p.list("types", types(c.Types))
	p.list("verdicts", counts(c.Verdicts))
	if len(c.Records) > 0 {
		p.list("records", counts(c.Records))
		if c.Unused > 0 {
			p.row("", "%s of them are neither market-by-order nor of the output's schema", count(c.Unused))
		}
	}
	p.row("published", "%s events, %s trades, volume %s", count(c.Events), count(c.Trades), count(c.Volume))
	if c.Suspect > 0 {
		p.row("", "%s events behind an announced gap are marked: their books may be wrong", count(c.Suspect))
	}
	if c.Snapshots != nil {
		p.snapshots(c)
	}
	b := &c.Books
	p.row("books", "%s instruments, %s with quotes, %s locked, %s crossed; hash %s",
		count(uint64(b.Instruments)), count(uint64(b.Quoted)), count(uint64(b.Locked)), count(uint64(b.Crossed)), b.Hash)
	p.row("stream", "hash %s", c.StreamHash)
}

// ledger writes what came of every message and packet of every line.
func (p *printer) ledger(c *ChannelSummary) {
	l := c.Ledger
	sum := l.Channel()
	var names []string
	var lines []*arbiter.LineLedger
	for i, line := range c.Lines {
		names = append(names, line.Line)
		lines = append(lines, &l.Lines[i])
	}
	if len(lines) > 1 {
		names = append(names, "all")
		lines = append(lines, &sum)
	}
	p.table("messages", names, lines, messageRows)
	p.table("packets", names, lines, packetRows)
	verdict := "BALANCED"
	if !c.Balanced {
		verdict = "DOES NOT BALANCE"
	}
	dropped := sum.Received.Messages - sum.Published.Messages
	p.row("ledger", "%s: %s messages received = %s published + %s dropped, each with its reason",
		verdict, count(sum.Received.Messages), count(sum.Published.Messages), count(dropped))
	announced := l.GapsAnnounced()
	p.row("gaps", "%s opened, %s filled by another line, %s announced as lost (%s messages)",
		count(l.GapsOpened.Ranges), count(l.GapsFilled.Ranges), count(announced.Ranges), count(announced.Messages))
	const shown = 5
	for i, g := range c.Gaps {
		if i == shown {
			p.row("", "... %s more", count(announced.Ranges-shown))
			break
		}
		p.row("", "epoch %d, [%d, %d), seen %s, %s", g.Epoch, g.From, g.To, g.Seen, g.Reason)
	}
	p.row("epochs", "%s, of which %s restarts of the publisher", count(l.Epochs), count(l.Restarts))
}

func types(all []TypeCount) (parts []string) {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b TypeCount) int { return cmp.Compare(b.Count, a.Count) })
	for _, t := range sorted {
		parts = append(parts, t.Type+" "+count(t.Count))
	}
	return parts
}

func counts(m map[string]uint64) (parts []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name+" "+count(m[name]))
	}
	return parts
}

// count writes a number with its thousands set apart.
func count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, c := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func byteCount(n int64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d bytes", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	}
}

// WriteText writes a book for people: bids on the left, asks on the right.
func (s *Snapshot) WriteText(w io.Writer) error {
	state := ""
	switch {
	case s.Crossed:
		state = " CROSSED"
	case s.Locked:
		state = " LOCKED"
	}
	if _, err := fmt.Fprintf(w, "\n%s (instrument %d, channel %s)%s\n", s.Symbol, s.ID, s.Channel, state); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "orders\tsize\tbid\t|\task\tsize\torders\t")
	for i := range max(len(s.Bids), len(s.Asks)) {
		var left, right [3]string
		if i < len(s.Bids) {
			l := s.Bids[i]
			left = [3]string{orders(l.Orders), count(l.Size), l.Price}
		}
		if i < len(s.Asks) {
			l := s.Asks[i]
			right = [3]string{l.Price, count(l.Size), orders(l.Orders)}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t|\t%s\t%s\t%s\t\n", left[0], left[1], left[2], right[0], right[1], right[2])
	}
	return tw.Flush()
}

func orders(n uint32) string {
	if n == 0 {
		return "-"
	}
	return count(uint64(n))
}
