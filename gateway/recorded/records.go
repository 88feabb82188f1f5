package recorded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is the version of the layouts that Append writes, and the newest that Parse reads. Version 2 has proxies;
// without them it is as 1, which is read too.
const Version = 2

const (
	magic      = "TGLAYOUT"
	headerLen  = 20
	textMax    = 60_000 // bytes of text in one record: a datagram has room for 65,507
	recordsMax = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of Parse, which wraps them.
var (
	ErrNewer   = errors.New("it is of a newer version")
	ErrDamaged = errors.New("it is damaged")
)

// Append returns the records of a layout, in order. It is an error if the layout is not valid, or if Parse would
// not give it back.
func Append(l *Layout) ([][]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	text, err := marshal(l)
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	if len(text) > recordsMax*textMax {
		return nil, fmt.Errorf("layout: %d bytes: want at most %d", len(text), recordsMax*textMax)
	}
	return split(text, textMax), nil
}

// split cuts a text into records.
func split(text []byte, most int) (records [][]byte) {
	sum := crc32.Checksum(text, castagnoli)
	n := max((len(text)+most-1)/most, 1)
	for i := range n {
		part := text[i*most : min((i+1)*most, len(text))]
		b := append(make([]byte, 0, headerLen+len(part)), magic...)
		b = binary.LittleEndian.AppendUint16(b, Version)
		b = binary.LittleEndian.AppendUint16(b, uint16(i))
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
		b = append(b, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, sum)
		records = append(records, append(b, part...))
	}
	return records
}

// Is reports whether a record is one of a layout, of whatever version and however damaged.
func Is(b []byte) bool { return len(b) >= len(magic) && string(b[:len(magic)]) == magic }

// Records returns how many records the layout has that begins with b: at least one. ok is false if none does.
func Records(b []byte) (n int, ok bool) {
	if !Is(b) {
		return 0, false
	}
	if h, err := parseHeader(b); err == nil {
		return h.records, true
	}
	return 1, true // for Parse to say what is wrong
}

type header struct {
	number, records int
	sum             uint32
}

func parseHeader(b []byte) (h header, err error) {
	if !Is(b) || len(b) < headerLen {
		return h, fmt.Errorf("%w: no header", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v > Version {
		return h, fmt.Errorf("%w, %d, and this program knows %d", ErrNewer, v, Version)
	} else if v == 0 {
		return h, fmt.Errorf("%w: version 0", ErrDamaged)
	}
	h = header{
		number:  int(binary.LittleEndian.Uint16(b[10:])),
		records: int(binary.LittleEndian.Uint16(b[12:])),
		sum:     binary.LittleEndian.Uint32(b[16:]),
	}
	if h.records == 0 || h.records > recordsMax || h.number >= h.records || b[14]|b[15] != 0 {
		return h, fmt.Errorf("%w: record %d of %d", ErrDamaged, h.number, h.records)
	}
	return h, nil
}

// Parse reads what Append wrote: all records, in order. The errors wrap ErrNewer or ErrDamaged.
func Parse(records [][]byte) (*Layout, error) {
	var text []byte
	var first header
	for i, b := range records {
		h, err := parseHeader(b)
		if err != nil {
			return nil, fmt.Errorf("layout: %w", err)
		}
		if i == 0 {
			first = h
		}
		if h.number != i || h.records != first.records || h.sum != first.sum {
			return nil, fmt.Errorf("layout: %w: record %d is not there", ErrDamaged, i)
		}
		text = append(text, b[headerLen:]...)
	}
	switch {
	case len(records) == 0 || len(records) < first.records:
		return nil, fmt.Errorf("layout: %w: %d of %d records are there", ErrDamaged, len(records), first.records)
	case crc32.Checksum(text, castagnoli) != first.sum:
		return nil, fmt.Errorf("layout: %w: its checksum is wrong", ErrDamaged)
	}
	l, err := unmarshal(text)
	if err != nil {
		return nil, fmt.Errorf("layout: %w: %w", ErrDamaged, err)
	}
	return l, nil
}
