package stream_test

import (
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// BenchmarkDatagram is what the loop does with a datagram of one message once the kernel has given it:
// frame, arbitrate, decode, book, derive what is always derived, append to the ring and publish. Orders
// come and go in turn, near the top of 64 books.
func BenchmarkDatagram(b *testing.B) {
	ring, err := bus.New(bus.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	s, err := stream.New(stream.Config{Ring: ring})
	if err != nil {
		b.Fatal(err)
	}
	p, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), s)
	if err != nil {
		b.Fatal(err)
	}
	s.Attach(p)
	const standing = 4096
	var builder moldudp64.Builder
	var message []byte
	sent := 0
	datagram := func() []byte {
		builder.Reset(moldudp64.Session{'B'}, uint64(sent)+1, 1400)
		message = appendChurn(message[:0], sent, standing)
		builder.Append(message)
		sent++
		return builder.Bytes()
	}
	now := market.Nanos(1)
	give := func(payload []byte) {
		now++
		p.OnTick(now)
		p.OnDatagram(arbiter.LineA, now, payload)
		ring.Publish()
	}
	for range standing {
		give(datagram())
	}
	// Made in advance, as many as a batch has, so that making them is not what is measured.
	var payloads [64][]byte
	var took time.Duration
	b.ReportAllocs()
	for b.Loop() {
		for i := range payloads {
			payloads[i] = append(payloads[i][:0], datagram()...)
		}
		start := time.Now()
		for _, payload := range payloads {
			give(payload)
		}
		took += time.Since(start)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*len(payloads)), "ns/datagram")
	if c := p.Counts(); c.Faults() > 0 || c.Messages != uint64(sent) || ring.Stats().Entries < uint64(sent) {
		b.Fatalf("%d messages, %d at fault, %d entries, of %d datagrams", c.Messages, c.Faults(), ring.Stats().Entries, sent)
	}
}

// appendChurn appends message n of a load in which so many orders stand: then one is added and the
// oldest deleted in turn.
func appendChurn(b []byte, n, standing int) []byte {
	ref := func(k int) (ref uint64, h uint64) { return uint64(k) + 1, (uint64(k) + 1) * 0x9e3779b97f4a7c15 }
	if n >= standing && (n-standing)%2 == 1 {
		id, h := ref((n - standing) / 2)
		m := itch50.OrderDelete{Header: itch50.Header{Locate: uint16(1 + h>>58)}, OrderRef: id}
		return m.Append(b)
	}
	k := n
	if n >= standing {
		k = standing + (n-standing)/2
	}
	id, h := ref(k)
	m := itch50.AddOrder{
		Header: itch50.Header{Locate: uint16(1 + h>>58)}, OrderRef: id, Side: itch50.Sell, Shares: uint32(1 + h>>40&0x3ff),
		Price: itch50.Price4(1_000_000 + 100*(1+uint32(h>>32&0x1f))),
	}
	if h&(1<<39) != 0 {
		m.Side, m.Price = itch50.Buy, 2_000_000-m.Price
	}
	return m.Append(b)
}
