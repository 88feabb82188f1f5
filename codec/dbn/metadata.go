package dbn

import (
	"encoding/binary"
	"fmt"
	"strings"

	"tidegate/market"
)

// MetadataMax is the most bytes of metadata that are read or written. A month of all options of
// one underlying has 6 MB.
const MetadataMax = 64 << 20

const (
	metadataPrefix = 8   // mark, version, length
	metadataFixed  = 112 // up to the lists, in every version
	symbolSizeV1   = 22
	symbolSize     = SymbolMax + 1
)

// Metadata says what the records of a stream are.
type Metadata struct {
	Version  uint8  // as read; what is written is always Version
	Dataset  string // at most DatasetMax bytes, "XNAS.ITCH"
	Schema   Schema // SchemaMixed in live sessions
	Start    market.Nanos
	End      market.Nanos // exclusive; market.UndefTime if there is none
	Limit    uint64       // most records asked for; 0 if there is no limit
	STypeIn  SType        // how symbols were asked for; STypeMixed in live sessions
	STypeOut SType        // what mappings lead to
	TsOut    bool         // every record ends with the time it was sent
	Symbols  []string     // asked for
	Partial  []string     // resolved for a part of the time only
	NotFound []string     // not resolved
	Mappings []Mapping
}

// Mapping says what a symbol stood for.
type Mapping struct {
	Symbol    string
	Intervals []Interval
}

// Interval is the days on which a symbol stood for another. Days are the decimal number YYYYMMDD.
type Interval struct {
	Start  uint32 // first day
	End    uint32 // day after the last
	Symbol string
}

// AppendMetadata adds m to b in version 3. The error says which text or list does not fit; b is
// then returned as it was.
func AppendMetadata(b []byte, m *Metadata) ([]byte, error) {
	if len(m.Dataset) > DatasetMax {
		return b, fmt.Errorf("dbn: write metadata: dataset %q: longer than %d bytes", m.Dataset, DatasetMax)
	}
	w, p := extend(b, metadataFixed)
	copy(p, "DBN")
	p[3] = Version
	putText(p[8:24], m.Dataset)
	binary.LittleEndian.PutUint16(p[24:], uint16(m.Schema))
	binary.LittleEndian.PutUint64(p[26:], uint64(m.Start))
	binary.LittleEndian.PutUint64(p[34:], uint64(m.End))
	binary.LittleEndian.PutUint64(p[42:], m.Limit)
	p[50] = byte(m.STypeIn)
	p[51] = byte(m.STypeOut)
	if m.TsOut {
		p[52] = 1
	}
	binary.LittleEndian.PutUint16(p[53:], symbolSize)

	var err error
	for _, symbols := range [...][]string{m.Symbols, m.Partial, m.NotFound} {
		w = binary.LittleEndian.AppendUint32(w, uint32(len(symbols)))
		for _, s := range symbols {
			if w, err = appendSymbol(w, s); err != nil {
				return b, err
			}
		}
	}
	w = binary.LittleEndian.AppendUint32(w, uint32(len(m.Mappings)))
	for _, mapping := range m.Mappings {
		if w, err = appendSymbol(w, mapping.Symbol); err != nil {
			return b, err
		}
		w = binary.LittleEndian.AppendUint32(w, uint32(len(mapping.Intervals)))
		for _, in := range mapping.Intervals {
			w = binary.LittleEndian.AppendUint32(w, in.Start)
			w = binary.LittleEndian.AppendUint32(w, in.End)
			if w, err = appendSymbol(w, in.Symbol); err != nil {
				return b, err
			}
		}
	}

	if odd := (len(w) - len(b)) % 8; odd != 0 {
		w, _ = extend(w, 8-odd)
	}
	size := len(w) - len(b)
	if size > MetadataMax {
		return b, fmt.Errorf("dbn: write metadata: %d bytes, want at most %d", size, MetadataMax)
	}
	binary.LittleEndian.PutUint32(w[len(b)+4:], uint32(size-metadataPrefix))
	return w, nil
}

func appendSymbol(b []byte, s string) ([]byte, error) {
	if len(s) > SymbolMax {
		return b, fmt.Errorf("dbn: write metadata: symbol %q: longer than %d bytes", s, SymbolMax)
	}
	b, p := extend(b, symbolSize)
	putText(p, s)
	return b, nil
}

// ParseMetadata reads the metadata of version 1, 2 or 3 at the start of b and returns how many
// bytes it has; records follow. Errors wrap ErrNotDBN, ErrVersion, ErrCut (b ends before it does)
// or ErrCorrupt. What it returns does not refer to b. The symbols share one copy of the metadata's
// bytes, so that keeping one keeps all.
func ParseMetadata(b []byte) (m Metadata, size int, err error) {
	if size, err = metadataSize(b); err != nil {
		return Metadata{}, 0, fmt.Errorf("dbn: read metadata: %w", err)
	}
	if len(b) < size {
		return Metadata{}, 0, fmt.Errorf("dbn: read metadata: %d of %d bytes: %w", len(b), size, ErrCut)
	}
	p := metadataParser{text: string(b[:size]), pos: metadataFixed}
	if m, err = p.parse(b[:metadataFixed]); err != nil {
		return Metadata{}, 0, fmt.Errorf("dbn: read metadata: byte %d: %w", p.pos, err)
	}
	return m, size, nil
}

// metadataSize returns the size of the metadata that starts with b, of which metadataPrefix bytes
// are enough.
func metadataSize(b []byte) (int, error) {
	if len(b) < 4 || string(b[:3]) != "DBN" {
		return 0, ErrNotDBN
	}
	if b[3] < 1 || b[3] > Version {
		return 0, fmt.Errorf("%w: %d, want 1 to %d", ErrVersion, b[3], Version)
	}
	if len(b) < metadataPrefix {
		return 0, fmt.Errorf("%d bytes: %w", len(b), ErrCut)
	}
	size := metadataPrefix + uint64(binary.LittleEndian.Uint32(b[4:]))
	if size < metadataFixed || size > MetadataMax {
		return 0, fmt.Errorf("%w: %d bytes of metadata, want %d to %d", ErrCorrupt, size, metadataFixed, MetadataMax)
	}
	return int(size), nil
}

// metadataParser reads the lists of metadata. Counts are compared with what is left before
// anything is allocated for them: a list takes at most a small multiple of its bytes.
type metadataParser struct {
	text       string // the whole metadata
	pos        int
	symbolSize int
}

func (p *metadataParser) parse(fixed []byte) (m Metadata, err error) {
	m = Metadata{
		Version: fixed[3],
		Dataset: text(fixed[8:24]),
		Schema:  Schema(binary.LittleEndian.Uint16(fixed[24:])),
		Start:   market.Nanos(binary.LittleEndian.Uint64(fixed[26:])),
		End:     market.Nanos(binary.LittleEndian.Uint64(fixed[34:])),
		Limit:   binary.LittleEndian.Uint64(fixed[42:]),
	}
	rest := fixed[50:]
	p.symbolSize = symbolSizeV1
	if m.Version == 1 {
		rest = rest[8:] // record count, never filled in
	} else {
		p.symbolSize = int(binary.LittleEndian.Uint16(rest[3:]))
		if p.symbolSize < symbolSizeV1 {
			return m, fmt.Errorf("%w: symbols of %d bytes, want at least %d", ErrCorrupt, p.symbolSize, symbolSizeV1)
		}
	}
	m.STypeIn, m.STypeOut, m.TsOut = SType(rest[0]), SType(rest[1]), rest[2] != 0
	if n := binary.LittleEndian.Uint32(fixed[108:]); n != 0 {
		return m, fmt.Errorf("%w: schema definition of %d bytes, want none", ErrCorrupt, n)
	}
	for _, list := range [...]*[]string{&m.Symbols, &m.Partial, &m.NotFound} {
		if *list, err = p.symbols(); err != nil {
			return m, err
		}
	}
	m.Mappings, err = p.mappings()
	return m, err
}

func (p *metadataParser) symbols() ([]string, error) {
	n, err := p.count(p.symbolSize)
	if n == 0 || err != nil {
		return nil, err
	}
	list := make([]string, n)
	for i := range list {
		list[i] = p.symbol()
	}
	return list, nil
}

func (p *metadataParser) mappings() ([]Mapping, error) {
	n, err := p.count(p.symbolSize + 4)
	if n == 0 || err != nil {
		return nil, err
	}
	list := make([]Mapping, n)
	for i := range list {
		if len(p.text)-p.pos < p.symbolSize {
			return nil, fmt.Errorf("%w: mapping %d of %d does not fit", ErrCorrupt, i+1, n)
		}
		list[i].Symbol = p.symbol()
		k, err := p.count(8 + p.symbolSize)
		if err != nil {
			return nil, err
		}
		if k == 0 {
			continue
		}
		list[i].Intervals = make([]Interval, k)
		for j := range list[i].Intervals {
			list[i].Intervals[j] = Interval{Start: p.uint32(), End: p.uint32(), Symbol: p.symbol()}
		}
	}
	return list, nil
}

// count reads the number of items that follow, each of at least itemSize bytes.
func (p *metadataParser) count(itemSize int) (int, error) {
	if len(p.text)-p.pos < 4 {
		return 0, fmt.Errorf("%w: a list is missing", ErrCorrupt)
	}
	n := p.uint32()
	if left := len(p.text) - p.pos; uint64(n)*uint64(itemSize) > uint64(left) {
		return 0, fmt.Errorf("%w: %d items of %d bytes or more in %d bytes", ErrCorrupt, n, itemSize, left)
	}
	return int(n), nil
}

func (p *metadataParser) uint32() uint32 {
	s := p.text[p.pos : p.pos+4]
	p.pos += 4
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func (p *metadataParser) symbol() string {
	s := p.text[p.pos : p.pos+p.symbolSize]
	p.pos += p.symbolSize
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}
