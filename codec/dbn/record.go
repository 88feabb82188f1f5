package dbn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"tidegate/market"
)

// Sizes that hold for every record, in bytes.
const (
	HeaderSize = 16
	TsOutSize  = 8
	RecordMax  = 255 * 4 // the most that a length byte can say
)

// Limits of text fields, in bytes. Append cuts a text that is longer.
const (
	DatasetMax    = 15
	SymbolMax     = 70
	ErrorTextMax  = 301
	SystemTextMax = 302
)

// Undefined values that market has no name for.
const (
	UndefSize = 1<<32 - 1 // of an order or auction
	UndefStat = 1<<63 - 1 // Stat.Quantity
)

// What errors of this package wrap.
var (
	// ErrNotDBN: the input does not start with the mark of DBN. It may be compressed.
	ErrNotDBN = errors.New("not DBN")
	// ErrVersion: the input is DBN of a version outside 1 to 3.
	ErrVersion = errors.New("unsupported DBN version")
	// ErrCut: the input ends inside the metadata or a record. It wraps io.ErrUnexpectedEOF.
	ErrCut = fmt.Errorf("input is cut: %w", io.ErrUnexpectedEOF)
	// ErrCorrupt: a length or count contradicts the format.
	ErrCorrupt = errors.New("corrupt DBN")
	// ErrRType: Parse was called with a record of another type.
	ErrRType = errors.New("record has another type")
)

// Header is what every record starts with. The record's length is not part of it: Append writes
// the length of the layout.
type Header struct {
	RType        RType
	PublisherID  market.PublisherID  // 0 on records of the gateway itself
	InstrumentID market.InstrumentID // 0 on records of the gateway itself, except SymbolMapping
	TsEvent      market.Nanos        // venue time; send time on records of the gateway itself
}

// put writes h with type t and the length of p, which is a whole record without ts_out.
func (h *Header) put(p []byte, t RType) {
	p[0] = byte(len(p) / 4)
	p[1] = byte(t)
	binary.LittleEndian.PutUint16(p[2:], uint16(h.PublisherID))
	binary.LittleEndian.PutUint32(p[4:], uint32(h.InstrumentID))
	binary.LittleEndian.PutUint64(p[8:], uint64(h.TsEvent))
}

// Record is a view of one record in somebody's buffer: it is valid as long as those bytes are. Its
// length agrees with its type, so that Parse can fail only for a record of another type.
type Record struct {
	Header
	raw     []byte
	version uint8
	tsOut   bool
}

// ParseRecord returns a view of the record at the start of b, which was encoded in a DBN version,
// with or without a send time at its end. Bytes after the record are ignored: see Record.Raw. A
// record of unknown type is no error. Errors wrap ErrVersion, ErrCut (b ends before the record
// does) or ErrCorrupt.
func ParseRecord(b []byte, version uint8, tsOut bool) (Record, error) {
	if version < 1 || version > Version {
		return Record{}, fmt.Errorf("dbn: %w: %d", ErrVersion, version)
	}
	if len(b) == 0 {
		return Record{}, fmt.Errorf("dbn: record: %w", ErrCut)
	}
	n := int(b[0]) * 4
	if n >= HeaderSize && len(b) < n {
		return Record{}, fmt.Errorf("dbn: record of %d bytes: %w", n, ErrCut)
	}
	rec, ok := view(b, n, version, tsOut)
	if !ok {
		return Record{}, fmt.Errorf("dbn: %w", sizeError(b, n, version, tsOut))
	}
	return rec, nil
}

// view makes a Record of the first n bytes of b, or reports that n is not the size of the record's
// type. b holds n bytes if n reaches HeaderSize; version is 1 to 3.
func view(b []byte, n int, version uint8, tsOut bool) (Record, bool) {
	if n < HeaderSize {
		return Record{}, false
	}
	b = b[:n:n]
	body := n
	if tsOut {
		body -= TsOutSize
	}
	t := RType(b[1])
	if want := int(sizes[version][t]); body != want && (want != 0 || body < HeaderSize) {
		return Record{}, false
	}
	return Record{
		Header: Header{
			RType:        t,
			PublisherID:  market.PublisherID(binary.LittleEndian.Uint16(b[2:])),
			InstrumentID: market.InstrumentID(binary.LittleEndian.Uint32(b[4:])),
			TsEvent:      market.Nanos(binary.LittleEndian.Uint64(b[8:])),
		},
		raw:     b,
		version: version,
		tsOut:   tsOut,
	}, true
}

// sizeError says why view refused n bytes of b.
func sizeError(b []byte, n int, version uint8, tsOut bool) error {
	if n < HeaderSize {
		return fmt.Errorf("%w: length byte %d, want at least %d words", ErrCorrupt, n/4, HeaderSize/4)
	}
	t := RType(b[1])
	want := max(t.Size(version), HeaderSize) // an opaque record has a header at least
	if tsOut {
		want += TsOutSize
	}
	return fmt.Errorf("%w: %s record of %d bytes, want %d in version %d", ErrCorrupt, t, n, want, version)
}

// Raw returns the bytes of the record, ts_out included. They are the buffer's: do not change them.
func (r Record) Raw() []byte { return r.raw }

// Version returns the DBN version of the record's layout.
func (r Record) Version() uint8 { return r.version }

// Known reports whether this package knows the record's type. Other records are opaque: only the
// header can be read.
func (r Record) Known() bool { return r.RType.Size(r.version) != 0 }

// TsOut returns the time at which the gateway sent the record. ok is false where records carry
// none.
func (r Record) TsOut() (ts market.Nanos, ok bool) {
	if !r.tsOut {
		return market.UndefTime, false
	}
	return market.Nanos(binary.LittleEndian.Uint64(r.raw[len(r.raw)-TsOutSize:])), true
}

// AppendTsOut completes the one record that starts at b[start] and ends at the end of b with a
// send time: it appends ts and corrects the record's length byte.
func AppendTsOut(b []byte, start int, ts market.Nanos) []byte {
	b[start] += TsOutSize / 4
	return binary.LittleEndian.AppendUint64(b, uint64(ts))
}

// extend adds n zeros to b and returns it with a slice of those zeros.
func extend(b []byte, n int) (whole, added []byte) {
	b = append(b, make([]byte, n)...) // the compiler grows b in place; nothing is made
	return b, b[len(b)-n:]
}

// holds reports whether r is of type t, which differs between versions, with all its bytes.
func (r *Record) holds(t RType) bool {
	return r.RType == t && r.version != 0 && len(r.raw) >= int(sizes[r.version][t])
}

// wrongType is the error of Parse for a record of another type.
func (r Record) wrongType(want string) error {
	return fmt.Errorf("dbn: parse %s record as %s: %w", r.RType, want, ErrRType)
}

// text returns the text of a NUL-padded field.
func text(p []byte) string {
	for i, c := range p {
		if c == 0 {
			return string(p[:i])
		}
	}
	return string(p)
}

// putText writes a text into a zeroed field and leaves one NUL.
func putText(p []byte, s string) { copy(p[:len(p)-1], s) }
