package replay

import (
	"encoding/hex"
	"fmt"

	"tidegate/codec/dbn"
	"tidegate/internal/openfile"
)

// flushAt is how many bytes of records are collected between writes.
const flushAt = 256 << 10

// partialSuffix is added to the name of an output that an interrupt ends, so that what was under the
// name before is not lost.
const partialSuffix = ".partial"

// An output is what a replay writes in DBN.
type output struct {
	path    string
	schema  dbn.Schema
	toFile  bool // else to Options.To
	file    *openfile.HeadedWriter
	buf     []byte
	count   uint64 // records
	err     error  // first failure; the replay stops at it
	kept    bool   // it is complete, or as complete as an interrupt let it be
	partial bool   // it ends where an interrupt came
	sums    openfile.Sums
}

func newOutput(opt *Options) (*output, error) {
	o := &output{path: opt.Out, schema: opt.Schema, toFile: opt.To == nil, buf: make([]byte, 0, flushAt+64<<10)}
	var err error
	if o.toFile {
		o.file, err = openfile.CreateHeaded(opt.Out)
	} else {
		o.file, err = openfile.NewHeaded(opt.Out, opt.To)
	}
	return o, err
}

// flush writes what is collected, if it is enough.
func (o *output) flush(atLeast int) {
	if len(o.buf) < atLeast || o.err != nil {
		return
	}
	for b := o.buf; len(b) > 0; b = b[4*int(b[0]):] {
		o.count++
	}
	if _, err := o.file.Write(o.buf); err != nil {
		o.err = err
	}
	o.buf = o.buf[:0]
}

// finish writes the rest and the metadata, and gives the file its name: another one if the replay was
// interrupted. An interrupted output that has no record, or would go elsewhere than to a file, is not
// kept.
func (o *output) finish(m *dbn.Metadata, interrupted bool) error {
	o.flush(1)
	if o.err != nil {
		return o.err
	}
	if interrupted && (o.count == 0 || !o.toFile) {
		return nil
	}
	header, err := dbn.AppendMetadata(nil, m)
	if err != nil {
		return fmt.Errorf("%s: %w", o.path, err)
	}
	if interrupted {
		o.partial, o.path = true, o.path+partialSuffix
	}
	if err := o.file.CloseAs(o.path, header); err != nil {
		return err
	}
	o.kept, o.sums = true, o.file.Sums()
	return nil
}

func (o *output) abort() { o.file.Abort() }

func (o *output) summary() *OutputSummary {
	return &OutputSummary{
		Path: o.path, Partial: o.partial, Schema: o.schema.String(), Records: o.count,
		Bytes: o.sums.FileBytes, SHA256: hex.EncodeToString(o.sums.File[:]),
	}
}
