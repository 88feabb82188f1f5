package lsgtest

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// symbolsPerLine is how many symbols the official clients put on a line.
const symbolsPerLine = 500

// request is a subscription that was sent.
type request struct {
	Subscription
	id int
}

// Subscribe sends a subscription, on as many lines as the client would.
func (d *Double) Subscribe(s Subscription) error {
	r := request{s, d.nextID}
	d.nextID++
	d.sent = append(d.sent, r)
	return d.send(r)
}

func (d *Double) send(r request) error {
	for _, line := range d.lines(r) {
		if _, err := io.WriteString(d.conn, line); err != nil {
			return fmt.Errorf("%s double: subscribe: %w", d.cfg.Mode, err)
		}
	}
	return nil
}

func (d *Double) lines(r request) (lines []string) {
	if d.cfg.Mode == DBNGo {
		line := []pair{{"schema", r.Schema}, {"stype_in", r.STypeIn}}
		if r.Start != "" {
			line = append(line, pair{"start", r.Start})
		}
		if r.Snapshot {
			line = append(line, pair{"snapshot", "1"})
		}
		return []string{lineOf(append(line, pair{"symbols", strings.Join(r.Symbols, ",")}))}
	}
	chunks := slices.Collect(slices.Chunk(r.Symbols, symbolsPerLine))
	for i, chunk := range chunks {
		var (
			head     = []pair{{"schema", r.Schema}, {"stype_in", r.STypeIn}}
			symbols  = pair{"symbols", strings.Join(chunk, ",")}
			snapshot = pair{"snapshot", bit(r.Snapshot)}
			id       = pair{"id", strconv.Itoa(r.id)}
			isLast   = pair{"is_last", bit(i == len(chunks)-1)}
			start    []pair
		)
		if r.Start != "" {
			start = []pair{{"start", r.Start}}
		}
		switch d.cfg.Mode {
		case CPP:
			line := append(append(head, id), start...)
			lines = append(lines, lineOf(append(line, symbols, snapshot, isLast)))
		case Python:
			line := append(append(head, symbols), start...)
			lines = append(lines, lineOf(append(line, snapshot, id, isLast)))
		case Rust:
			line := append(head, symbols, snapshot, isLast)
			lines = append(lines, lineOf(append(append(line, start...), id)))
		}
	}
	return lines
}

// resubscribe repeats what was sent, in the way of the client:
//
//   - CPP gives all requests the highest id;
//   - Python sends each line of a split request as a request of its own, with the same id;
//   - Rust and DBNGo (whose user does it) send what they sent.
func (d *Double) resubscribe() error {
	for _, r := range d.sent {
		r.Start = ""
		parts := [][]string{r.Symbols}
		switch d.cfg.Mode {
		case CPP:
			r.id = d.nextID - 1
		case Python:
			parts = slices.Collect(slices.Chunk(r.Symbols, symbolsPerLine))
		}
		for _, part := range parts {
			r.Symbols = part
			if err := d.send(r); err != nil {
				return err
			}
		}
	}
	return nil
}
