package export

import (
	"fmt"
	"strings"

	"tidegate/codec/dbn"
	"tidegate/internal/openfile"
	"tidegate/market"
)

// flushAt is how many bytes are collected for one write.
const flushAt = 256 << 10

// dbnFile writes DBN. Its metadata comes first and is known last.
type dbnFile struct {
	file     *openfile.HeadedWriter
	buf      []byte
	mappings *mappings
}

func newDBN(path string) (writer, error) {
	f, err := openfile.CreateHeaded(path)
	if err != nil {
		return nil, err
	}
	return &dbnFile{file: f, buf: make([]byte, 0, flushAt+dbn.RecordMax), mappings: newMappings()}, nil
}

func (w *dbnFile) write(r dbn.Record, at market.Nanos, symbol string) error {
	w.mappings.add(symbol, r.InstrumentID, at)
	w.buf = append(w.buf, r.Raw()...)
	if len(w.buf) < flushAt {
		return nil
	}
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *dbnFile) finish(x *exporter) error {
	m, err := x.metadata(w.mappings)
	if err != nil {
		return err
	}
	header, err := dbn.AppendMetadata(nil, m)
	if err != nil {
		return fmt.Errorf("%s: %w", x.opt.Out, err)
	}
	if _, err := w.file.Write(w.buf); err != nil {
		return err
	}
	if err := w.file.CloseWith(header); err != nil {
		return err
	}
	x.sums(w.file.Sums())
	return nil
}

func (w *dbnFile) abort() { w.file.Abort() }

func (x *exporter) sums(s openfile.Sums) { x.result.Bytes, x.result.SHA256 = s.FileBytes, s.File }

// csvFile writes a line of names, and a line for each record.
type csvFile struct {
	file    *openfile.Writer
	columns []column
	buf     []byte
}

func newCSV(path string, columns []column) (writer, error) {
	f, err := openfile.Create(path)
	if err != nil {
		return nil, err
	}
	w := &csvFile{file: f, columns: columns, buf: make([]byte, 0, flushAt+64<<10)}
	for _, c := range columns {
		w.buf = append(append(w.buf, c.name...), ',')
	}
	w.buf = append(append(w.buf, symbolColumn...), '\n')
	return w, nil
}

func (w *csvFile) write(_ dbn.Record, _ market.Nanos, symbol string) error {
	for i := range w.columns {
		c := &w.columns[i]
		switch {
		case !c.defined():
		case c.kind == text || c.kind == letter:
			w.buf = appendQuoted(w.buf, string(c.append(nil)))
		default:
			w.buf = c.append(w.buf)
		}
		w.buf = append(w.buf, ',')
	}
	w.buf = append(appendQuoted(w.buf, symbol), '\n')
	if len(w.buf) < flushAt {
		return nil
	}
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// appendQuoted appends text as RFC 4180 has it: in quotes where it would be taken for something else.
func appendQuoted(b []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

func (w *csvFile) finish(x *exporter) error {
	if _, err := w.file.Write(w.buf); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	x.sums(w.file.Sums())
	return nil
}

func (w *csvFile) abort() { _ = w.file.Abort() } // what matters is that it has no name
