//go:build linux

package netloop

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"tidegate/market"
)

// Usual sizes of a Batch.
const (
	// BatchDatagrams is how many datagrams one system call takes: more save little.
	BatchDatagrams = 64
	// DatagramBytes is room for one datagram: what fits an Ethernet frame, and more. A longer one (a
	// jumbo frame) is cut off; who expects them asks for more.
	DatagramBytes = 2048
	// SlotsMax is how many datagrams a Batch has room for at most.
	SlotsMax = 1 << 16
)

// controlBytes is room for the kernel's receive time and drop count.
const controlBytes = 64

// A Batch is the memory that Receive fills, in slots of one datagram. A loop has one per socket if it
// takes datagrams in the order of their times, else one for all. With ReceiveInto the slots are the
// caller's to use, as a ring for example: those that are not being received into may be read by another
// thread.
type Batch struct {
	headers  []unix.Mmsghdr
	vectors  []unix.Iovec
	names    []unix.RawSockaddrInet6 // of senders; the larger of the two families. None: not asked for
	controls []byte
	payloads []byte
	room     int // bytes per datagram
	stamps   []market.Nanos
	nameLen  uint32 // room for a sender's name
	n        int    // datagrams of the last Receive
	full     bool   // it took as many as it might
	dropped  uint32
}

// NewBatch returns memory for a number of datagrams of at most room bytes each.
func NewBatch(datagrams, room int) *Batch {
	if datagrams < 1 || datagrams > SlotsMax || room < 1 || room > 1<<16 {
		panic(fmt.Sprintf("netloop: batch of %d datagrams of %d bytes: want 1 to %d of 1 to 65536", datagrams, room, SlotsMax))
	}
	b := &Batch{
		headers:  make([]unix.Mmsghdr, datagrams),
		vectors:  make([]unix.Iovec, datagrams),
		names:    make([]unix.RawSockaddrInet6, datagrams),
		controls: make([]byte, datagrams*controlBytes),
		payloads: make([]byte, datagrams*room),
		room:     room,
		stamps:   make([]market.Nanos, datagrams),
		nameLen:  unix.SizeofSockaddrInet6,
	}
	for i := range b.headers {
		b.vectors[i].Base = &b.payloads[i*room]
		b.vectors[i].SetLen(room)
		h := &b.headers[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = &b.controls[i*controlBytes]
		b.renew(i)
	}
	return b
}

// OmitSources has the kernel keep to itself who sends, which takes it 40 of some 650 ns for a datagram.
// It is for a batch that has not been used.
func (b *Batch) OmitSources() {
	b.names, b.nameLen = nil, 0
	for i := range b.headers {
		b.headers[i].Hdr.Name = nil
		b.renew(i)
	}
}

// renew gives the kernel back the room of a slot that it used.
func (b *Batch) renew(i int) {
	h := &b.headers[i].Hdr
	h.Namelen = b.nameLen
	h.SetControllen(controlBytes)
}

// Receive takes the datagrams that are there, up to the batch's size, and returns how many. It never
// waits: 0 means that there are none. What was in the batch before is overwritten.
//
// An error is about the socket's state (the interface went down, say); datagrams may come again.
func (s *Socket) Receive(b *Batch) (int, error) { return s.ReceiveInto(b, 0, len(b.headers)) }

// ReceiveInto is Receive into at most so many slots from first on, at least one. It leaves the others as
// they are; Len and Full are about those of this call.
func (s *Socket) ReceiveInto(b *Batch, first, most int) (int, error) {
	b.n, b.full, b.dropped = 0, false, 0
	headers := b.headers[first : first+most]
	// A raw system call: it does not wait, so the scheduler need not hear of it.
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&headers[0])),
		uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		if errno == unix.EAGAIN || errno == unix.EINTR {
			return 0, nil
		}
		return 0, fmt.Errorf("receive: at %s: %w", s.addr, errno)
	}
	b.n, b.full = int(n), int(n) == most
	drops := s.drops
	for i := first; i < first+b.n; i++ {
		b.stamps[i], drops = b.control(i, drops)
		b.renew(i)
	}
	b.dropped, s.drops = drops-s.drops, drops
	return b.n, nil
}

// control reads what the kernel says of a datagram: when it came, and how many the socket had lost
// by then. The kernel keeps silent about a count of 0.
func (b *Batch) control(i int, drops uint32) (market.Nanos, uint32) {
	stamp := market.UndefTime
	c := b.controls[i*controlBytes:][:min(int(b.headers[i].Hdr.Controllen), controlBytes)]
	for len(c) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		length := int(h.Len)
		if length < unix.SizeofCmsghdr || length > len(c) {
			break
		}
		data := c[unix.CmsgLen(0):length]
		if h.Level == unix.SOL_SOCKET {
			switch {
			case h.Type == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
				t := (*unix.Timespec)(unsafe.Pointer(&data[0]))
				stamp = market.Nanos(t.Nano())
			case h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
				drops = *(*uint32)(unsafe.Pointer(&data[0]))
			}
		}
		c = c[min(unix.CmsgSpace(len(data)), len(c)):]
	}
	return stamp, drops
}

// Len returns how many datagrams the last Receive took.
func (b *Batch) Len() int { return b.n }

// Full reports whether the last Receive took as many as it might, so that the socket may hold more.
func (b *Batch) Full() bool { return b.full }

// Payload returns a datagram's bytes, cut to the batch's room. They are valid until the next Receive.
func (b *Batch) Payload(i int) []byte {
	return b.payloads[i*b.room:][:min(int(b.headers[i].Len), b.room):b.room]
}

// Stamp returns when the kernel received a datagram, UndefTime if it does not say.
func (b *Batch) Stamp(i int) market.Nanos { return b.stamps[i] }

// Truncated reports whether a datagram was longer than the batch's room, so that its end is lost.
func (b *Batch) Truncated(i int) bool { return b.headers[i].Hdr.Flags&unix.MSG_TRUNC != 0 }

// Source returns who sent a datagram, without the zone of a link-local address; the zero AddrPort after
// OmitSources.
func (b *Batch) Source(i int) netip.AddrPort {
	if b.names == nil {
		return netip.AddrPort{}
	}
	name := &b.names[i]
	port := (*[2]byte)(unsafe.Pointer(&name.Port)) // network order; the same place in both families
	number := uint16(port[0])<<8 | uint16(port[1])
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), number)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr), number)
}

// Dropped returns how many datagrams the kernel threw away between the last two batches of the socket
// because its receive buffer was full. The kernel tells with the first datagram that it keeps again.
func (b *Batch) Dropped() uint32 { return b.dropped }
