package pcap

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"

	"tidegate/market"
)

// Block types (draft-ietf-opsawg-pcapng sections 4.1 to 4.4 and appendix A).
const (
	blockInterface = 0x0000_0001
	blockPacket    = 0x0000_0002
	blockSimple    = 0x0000_0003
	blockEnhanced  = 0x0000_0006
	blockSection   = 0x0a0d_0d0a // the same in both byte orders
)

const (
	byteOrderMagic = 0x1a2b_3c4d

	blockHeadLen  = 8  // type and length
	blockFrameLen = 12 // and the length again at the end

	optionEnd      = 0
	optionTsResol  = 9
	optionTsOffset = 14

	// interfacesMax bounds what a section of nothing but interfaces can make us keep.
	interfacesMax = 4096
	// skipBytesMax bounds the length of a block that is passed over.
	skipBytesMax = math.MaxInt32
)

// iface is what an interface block says about the packets that name it.
type iface struct {
	link           uint16
	snap           uint32 // bytes captured of a frame at most; 0 without limit
	unitsPerSecond uint64
	offsetSeconds  int64
}

// startSections reads the section header that every pcapng file begins with.
func (r *Reader) startSections() error {
	h, err := r.peek(16)
	if err != nil {
		return err
	}
	if !r.setByteOrder(h[8:]) {
		return fmt.Errorf("pcap: %w: pcapng without a byte order", ErrNotCapture)
	}
	if major := r.u16(h[12:]); major != 1 {
		return fmt.Errorf("pcap: %w: pcapng version %d.%d, want 1.0", ErrNotCapture, major, r.u16(h[14:]))
	}
	return nil // Next reads it once more, as it reads the header of any section
}

func (r *Reader) setByteOrder(magic []byte) bool {
	r.big = binary.BigEndian.Uint32(magic) == byteOrderMagic
	return r.big || binary.LittleEndian.Uint32(magic) == byteOrderMagic
}

// nextPacketBlock reads up to the next block with a frame.
func (r *Reader) nextPacketBlock(f *frame) error {
	for {
		kind, body, err := r.nextBlock()
		if err != nil {
			return err
		}
		switch kind {
		case blockSection:
			err = r.onSection(body)
		case blockInterface:
			err = r.onInterface(body)
		case blockPacket, blockEnhanced:
			return r.onPacket(kind, body, f)
		case blockSimple:
			return r.onSimplePacket(body, f)
		}
		if err != nil {
			return err
		}
	}
}

// nextBlock returns the type and the body of the next block. The body is valid until the call after.
// The body of a block that is too long to be one of ours is passed over, and returned empty.
func (r *Reader) nextBlock() (kind uint32, body []byte, err error) {
	if err := r.release(); err != nil {
		return 0, nil, err
	}
	h, err := r.peek(blockFrameLen)
	if err != nil {
		return 0, nil, err
	}
	kind = r.u32(h)
	if kind == blockSection && !r.setByteOrder(h[8:]) {
		return 0, nil, r.corrupt("a section without a byte order")
	}
	length := r.u32(h[4:])
	if length < blockFrameLen || length%4 != 0 || length > skipBytesMax {
		return 0, nil, r.corrupt("a block of %d bytes", length)
	}
	if length > windowBytes {
		return kind, nil, r.skip(kind, int(length))
	}
	b, err := r.peek(int(length))
	if err != nil {
		return 0, nil, err
	}
	r.held = len(b)
	body, tail := b[blockHeadLen:len(b)-4], b[len(b)-4:]
	if again := r.u32(tail); again != length {
		return 0, nil, r.corrupt("a block of %d bytes that ends as one of %d", length, again)
	}
	return kind, body, nil
}

// skip passes over a block that is longer than the buffer.
func (r *Reader) skip(kind uint32, length int) error {
	switch kind {
	case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
		return r.corrupt("a block of type %d with %d bytes, at most %d are possible", kind, length, windowBytes)
	}
	n, err := r.in.Discard(length)
	if err == io.EOF {
		return r.cut(int64(n), int64(length))
	}
	if err != nil {
		return r.inputError(err)
	}
	r.offset += int64(length)
	return nil
}

func (r *Reader) onSection(body []byte) error {
	if len(body) < 16 {
		return r.corrupt("a section header with %d bytes, want 16", len(body))
	}
	if major := r.u16(body[4:]); major != 1 {
		return r.corrupt("a section of version %d.%d, want 1.0", major, r.u16(body[6:]))
	}
	r.ifaces = r.ifaces[:0]
	return nil
}

func (r *Reader) onInterface(body []byte) error {
	if len(body) < 8 {
		return r.corrupt("an interface with %d bytes, want 8", len(body))
	}
	if len(r.ifaces) == interfacesMax {
		return r.corrupt("more than %d interfaces", interfacesMax)
	}
	i := iface{link: r.u16(body), snap: r.u32(body[4:]), unitsPerSecond: 1e6}
	for options := body[8:]; len(options) >= 4; {
		code, n := r.u16(options), int(r.u16(options[2:]))
		options = options[4:]
		if n > len(options) {
			return r.corrupt("option %d has %d of %d bytes", code, len(options), n)
		}
		value := options[:n]
		options = options[min((n+3)&^3, len(options)):]
		switch code {
		case optionEnd:
			options = nil
		case optionTsResol:
			if n != 1 || !i.setUnit(value[0]) {
				return r.corrupt("a time unit % x", value)
			}
		case optionTsOffset:
			if n != 8 {
				return r.corrupt("a time offset % x", value)
			}
			i.offsetSeconds = int64(r.u64(value))
		}
	}
	r.ifaces = append(r.ifaces, i)
	return nil
}

// setUnit takes the value of if_tsresol: a negative power of 10, or of 2 where the top bit is set.
func (i *iface) setUnit(v byte) bool {
	if exponent := v & 0x7f; v&0x80 != 0 {
		i.unitsPerSecond = 1 << exponent
		return exponent <= 63
	}
	if v > 19 {
		return false
	}
	i.unitsPerSecond = 1
	for range v {
		i.unitsPerSecond *= 10
	}
	return true
}

// nanos converts a time of the interface, exactly and rounded down. A time before 1970 or after what
// Nanos can hold is UndefTime.
func (i *iface) nanos(units uint64) market.Nanos {
	const secondsMax = math.MaxInt64 / int64(market.Second)
	whole, part := units/i.unitsPerSecond, units%i.unitsPerSecond
	if whole > uint64(secondsMax) || i.offsetSeconds > secondsMax || i.offsetSeconds < -secondsMax {
		return market.UndefTime
	}
	seconds := int64(whole) + i.offsetSeconds
	if seconds < 0 || seconds >= secondsMax {
		return market.UndefTime
	}
	hi, lo := bits.Mul64(part, uint64(market.Second))
	fraction, _ := bits.Div64(hi, lo, i.unitsPerSecond) // part < unitsPerSecond, so it fits
	return market.Nanos(seconds)*market.Second + market.Nanos(fraction)
}

func (r *Reader) onPacket(kind uint32, body []byte, f *frame) error {
	const headLen = 20
	if len(body) < headLen {
		return r.corrupt("a packet block with %d bytes, want %d", len(body), headLen)
	}
	number := r.u32(body)
	if kind == blockPacket {
		number = uint32(r.u16(body))
	}
	if uint64(number) >= uint64(len(r.ifaces)) {
		return r.corrupt("interface %d of %d", number, len(r.ifaces))
	}
	i := &r.ifaces[number]
	f.ts = i.nanos(uint64(r.u32(body[4:]))<<32 | uint64(r.u32(body[8:])))
	f.wire = r.u32(body[16:])
	return r.setFrame(i, r.u32(body[12:]), body[headLen:], f)
}

func (r *Reader) onSimplePacket(body []byte, f *frame) error {
	if len(body) < 4 {
		return r.corrupt("a simple packet block with %d bytes, want 4", len(body))
	}
	if len(r.ifaces) == 0 {
		return r.corrupt("interface 0 of 0")
	}
	i := &r.ifaces[0]
	f.ts = market.UndefTime
	f.wire = r.u32(body)
	captured := f.wire
	if i.snap != 0 {
		captured = min(captured, i.snap)
	}
	return r.setFrame(i, captured, body[4:], f)
}

// setFrame completes f with the captured bytes at the start of b.
func (r *Reader) setFrame(i *iface, captured uint32, b []byte, f *frame) error {
	if uint64(captured) > uint64(len(b)) {
		return r.corrupt("%d bytes captured in a block with room for %d", captured, len(b))
	}
	f.link = i.link
	f.bytes = b[:captured]
	return nil
}
