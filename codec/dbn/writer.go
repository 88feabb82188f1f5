package dbn

import (
	"fmt"
	"io"
)

// Writer writes a stream of DBN version 3. It keeps no buffer: every call writes once, so that
// whoever writes single records to a file puts a bufio.Writer between. It is not safe for
// concurrent use.
type Writer struct {
	dst   io.Writer
	tsOut bool
}

// NewWriter writes m and returns a Writer of the records after it. Where m.TsOut is set, every
// record must end with a send time: see AppendTsOut. Errors are those of AppendMetadata and w.
func NewWriter(w io.Writer, m *Metadata) (*Writer, error) {
	b, err := AppendMetadata(nil, m)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("dbn: write metadata: %w", err)
	}
	return &Writer{dst: w, tsOut: m.TsOut}, nil
}

// Write writes any number of whole records of version 3, as Append makes them. If one of them has
// a length that its type does not have, nothing is written and the error wraps ErrCut or
// ErrCorrupt. It returns the number of bytes written.
func (w *Writer) Write(records []byte) (int, error) {
	for rest := records; len(rest) > 0; {
		rec, err := ParseRecord(rest, Version, w.tsOut)
		if err != nil {
			return 0, fmt.Errorf("dbn: write record at byte %d of the call: %w", len(records)-len(rest), err)
		}
		rest = rest[len(rec.raw):]
	}
	n, err := w.dst.Write(records)
	if err != nil {
		return n, fmt.Errorf("dbn: write records: %w", err)
	}
	return n, nil
}
