package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"tidegate/market"
)

var (
	// ErrNotCapture is returned (wrapped) by NewReader for an input that is no capture file, or one
	// of a version that is not read.
	ErrNotCapture = errors.New("not a capture file")
	// ErrCut is returned (wrapped) once, after all whole records, where the input ends inside a
	// record. It wraps io.ErrUnexpectedEOF.
	ErrCut = fmt.Errorf("capture is cut: %w", io.ErrUnexpectedEOF)
	// ErrCorrupt is returned (wrapped) where a record cannot be what it says. Nothing after it can be
	// read, since the next record's place is unknown.
	ErrCorrupt = errors.New("capture is corrupt")
)

// frameBytesMax is the longest frame a record may hold: libpcap's MAXIMUM_SNAPLEN. A record header
// that says more is damaged.
const frameBytesMax = 262_144

// windowBytes is the size of the input buffer. A record is used where it lies in it, so it holds the
// longest frame and, for pcapng, 64 KiB of options.
const windowBytes = frameBytesMax + 64<<10 + 64

// Datagram is one UDP datagram of a capture.
type Datagram struct {
	TsRecv  market.Nanos // capture time; market.UndefTime where the capture has none
	Src     netip.AddrPort
	Dst     netip.AddrPort
	Payload []byte // UDP payload; valid until the next call of Next
}

// Stats counts what became of the frames of a capture. All but Frames and Datagrams are reasons to
// skip a frame.
type Stats struct {
	Frames    uint64 `json:"frames"`    // frames read
	Datagrams uint64 `json:"datagrams"` // UDP datagrams delivered

	UnknownLink uint64 `json:"unknown_link"` // the interface's link type is none of those in the package comment
	NotIP       uint64 `json:"not_ip"`       // neither IPv4 nor IPv6
	NotUDP      uint64 `json:"not_udp"`      // IP, but another protocol
	Fragment    uint64 `json:"fragment"`     // part of a fragmented datagram
	Truncated   uint64 `json:"truncated"`    // fewer bytes captured than were on the wire, and the datagram needs them
	Malformed   uint64 `json:"malformed"`    // lengths or versions that contradict each other
}

// Skipped returns the number of frames that were not delivered.
func (s Stats) Skipped() uint64 {
	return s.UnknownLink + s.NotIP + s.NotUDP + s.Fragment + s.Truncated + s.Malformed
}

// Reader reads the UDP datagrams of a capture. It is owned by one goroutine.
type Reader struct {
	in     *bufio.Reader
	offset int64  // of the next unread byte in the input
	record uint64 // number of the current record (pcapng: block), from 1
	held   int    // bytes of the current record, still in the buffer
	err    error  // what every further Next returns
	stats  Stats

	big     bool // the file (pcapng: the section) is big endian
	ng      bool
	link    uint16       // classic: link type of every frame
	perUnit market.Nanos // classic: the unit of the second time field
	ifaces  []iface      // pcapng: interfaces of the section
}

// frame is one captured frame, as either format has it.
type frame struct {
	ts    market.Nanos
	link  uint16
	wire  uint32 // bytes on the wire
	bytes []byte // bytes captured
}

// Magic numbers, read as little endian.
const (
	magicMicros        = 0xa1b2c3d4
	magicMicrosSwapped = 0xd4c3b2a1
	magicNanos         = 0xa1b23c4d
	magicNanosSwapped  = 0x4d3cb2a1
)

const (
	classicHeaderLen = 24
	classicRecordLen = 16
)

// NewReader tells the format of a capture from its first bytes and reads its header. The error
// wraps ErrNotCapture or ErrCut, or is r's own. A compressed capture is no capture: unpack it
// first.
func NewReader(r io.Reader) (*Reader, error) {
	p := &Reader{in: bufio.NewReaderSize(r, windowBytes)}
	magic, err := p.in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("pcap: read the file header: %w", err)
	}
	if len(magic) < 4 {
		return nil, fmt.Errorf("pcap: %w: it has %d bytes", ErrNotCapture, len(magic))
	}
	switch binary.LittleEndian.Uint32(magic) {
	case blockSection:
		p.ng = true
	case magicMicros:
		p.perUnit = market.Microsecond
	case magicMicrosSwapped:
		p.perUnit, p.big = market.Microsecond, true
	case magicNanos:
		p.perUnit = 1
	case magicNanosSwapped:
		p.perUnit, p.big = 1, true
	default:
		return nil, fmt.Errorf("pcap: %w: it starts with % x", ErrNotCapture, magic)
	}
	if p.ng {
		err = p.startSections()
	} else {
		err = p.startClassic()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (r *Reader) startClassic() error {
	h, err := r.peek(classicHeaderLen)
	if err != nil {
		return err
	}
	if major := r.u16(h[4:]); major != 2 {
		return fmt.Errorf("pcap: %w: version %d.%d, want 2.4", ErrNotCapture, major, r.u16(h[6:]))
	}
	// The upper half of the link type word holds the length of the frame check sequence.
	r.link = uint16(r.u32(h[20:]))
	r.held = classicHeaderLen
	return nil
}

// Next reads up to the next UDP datagram and puts it into d, whose old content does not matter. It
// returns io.EOF at the end of the capture, after which d is not set. Any other error is returned
// after all that could be read: one that wraps ErrCut once, with io.EOF to follow; one that wraps
// ErrCorrupt and one of the input's own from every further call.
func (r *Reader) Next(d *Datagram) error {
	if r.err != nil {
		return r.err
	}
	var f frame
	for {
		if err := r.nextFrame(&f); err != nil {
			r.err = err
			if errors.Is(err, ErrCut) {
				r.err = io.EOF
			}
			return err
		}
		r.stats.Frames++
		if r.decode(&f, d) {
			r.stats.Datagrams++
			return nil
		}
	}
}

// Stats returns the counts so far.
func (r *Reader) Stats() Stats { return r.stats }

func (r *Reader) nextFrame(f *frame) error {
	if r.ng {
		return r.nextPacketBlock(f)
	}
	return r.nextClassic(f)
}

func (r *Reader) nextClassic(f *frame) error {
	if err := r.release(); err != nil {
		return err
	}
	h, err := r.peek(classicRecordLen)
	if err != nil {
		return err
	}
	captured := r.u32(h[8:])
	if captured > frameBytesMax {
		return r.corrupt("%d bytes captured, at most %d are possible", captured, frameBytesMax)
	}
	b, err := r.peek(classicRecordLen + int(captured))
	if err != nil {
		return err
	}
	f.ts = market.Nanos(r.u32(b))*market.Second + market.Nanos(r.u32(b[4:]))*r.perUnit
	f.link = r.link
	f.wire = r.u32(b[12:])
	f.bytes = b[classicRecordLen:]
	r.held = len(b)
	return nil
}

// release lets the current record go and begins the next. It returns io.EOF if there is none.
func (r *Reader) release() error {
	if _, err := r.in.Discard(r.held); err != nil {
		panic("pcap: the buffer lost bytes it held: " + err.Error()) // our bug
	}
	r.offset += int64(r.held)
	r.held = 0
	r.record++
	if _, err := r.in.Peek(1); err != nil {
		return r.inputError(err)
	}
	return nil
}

// peek returns the first n bytes of the current record, valid until the next release.
func (r *Reader) peek(n int) ([]byte, error) {
	b, err := r.in.Peek(n)
	if err == nil {
		return b, nil
	}
	if err == io.EOF {
		return nil, r.cut(int64(len(b)), int64(n))
	}
	return nil, r.inputError(err)
}

func (r *Reader) cut(have, want int64) error {
	if r.record == 0 {
		return fmt.Errorf("pcap: the file header has %d of %d bytes: %w", have, want, ErrCut)
	}
	return fmt.Errorf("pcap: record %d at byte %d has %d of %d bytes: %w", r.record, r.offset, have, want, ErrCut)
}

func (r *Reader) corrupt(format string, args ...any) error {
	return fmt.Errorf("pcap: record %d at byte %d: "+format+": %w",
		append(append([]any{r.record, r.offset}, args...), ErrCorrupt)...)
}

func (r *Reader) inputError(err error) error {
	if err == io.EOF {
		return io.EOF
	}
	return fmt.Errorf("pcap: record %d at byte %d: %w", r.record, r.offset, err)
}

func (r *Reader) u16(b []byte) uint16 {
	if r.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (r *Reader) u32(b []byte) uint32 {
	if r.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (r *Reader) u64(b []byte) uint64 {
	if r.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}
