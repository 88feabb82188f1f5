package export

import (
	"encoding/json"
	"fmt"
	"time"

	"tidegate/codec/dbn"
)

// A Row writes records of one schema as text, with the columns of a CSV file, for those who send them
// elsewhere than into a file. It belongs to one goroutine.
type Row struct {
	record  record
	columns []column
	scratch []byte
}

// NewRow returns the row of a schema that can be exported.
func NewRow(s dbn.Schema) (*Row, error) {
	r, ok := newRecord(s)
	if !ok {
		return nil, fmt.Errorf("export: schema %s: cannot be exported", s)
	}
	return &Row{record: r, columns: columnsOf(r)}, nil
}

// AppendNames appends the line of names of a CSV file.
func (r *Row) AppendNames(b []byte) []byte {
	for i := range r.columns {
		b = append(append(b, r.columns[i].name...), ',')
	}
	return append(append(b, symbolColumn...), '\n')
}

// AppendCSV appends a record as a line of a CSV file.
func (r *Row) AppendCSV(b []byte, rec dbn.Record, symbol string) ([]byte, error) {
	if err := r.record.Parse(rec); err != nil {
		return b, fmt.Errorf("export: %w", err)
	}
	for i := range r.columns {
		c := &r.columns[i]
		switch {
		case !c.defined():
		case c.kind == text || c.kind == letter:
			r.scratch = c.append(r.scratch[:0])
			b = appendQuoted(b, string(r.scratch))
		default:
			b = c.append(b)
		}
		b = append(b, ',')
	}
	return append(appendQuoted(b, symbol), '\n'), nil
}

// AppendJSON appends a record as an object: times as RFC 3339, prices and numbers of 64 bits as text, because
// many who read JSON have no such numbers, and null where there is nothing.
func (r *Row) AppendJSON(b []byte, rec dbn.Record, symbol string) ([]byte, error) {
	if err := r.record.Parse(rec); err != nil {
		return b, fmt.Errorf("export: %w", err)
	}
	b = append(b, '{')
	for i := range r.columns {
		c := &r.columns[i]
		b = append(append(append(b, '"'), c.name...), `":`...)
		switch {
		case !c.defined():
			b = append(b, "null"...)
		case c.kind == moment:
			b = append(b, '"')
			b = time.Unix(0, c.value.Int()).UTC().AppendFormat(b, time.RFC3339Nano)
			b = append(b, '"')
		case c.kind == price, c.bits == 64:
			b = append(c.append(append(b, '"')), '"')
		case c.kind == text || c.kind == letter:
			r.scratch = c.append(r.scratch[:0])
			b = appendText(b, string(r.scratch))
		default:
			b = c.append(b)
		}
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), symbolColumn...), `":`...)
	return append(appendText(b, symbol), '}'), nil
}

// appendText appends text as JSON has it.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // does not fail for text
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
