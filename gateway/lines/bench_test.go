//go:build linux

package lines

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/moldudp64"
	"tidegate/internal/netloop"
)

// mboBytes is the length of a market-by-order record.
const mboBytes = 56

// BenchmarkLoop compares the loop, with its pipeline, books and market-by-order records, to the least
// that a receiver can do: batches that nobody looks at. Both take the same packets, in turns, so that
// whatever else this machine does slows both, from a sender on a thread of its own that is as fast as
// it can be. Nothing is left out: the results are checked.
//
// The mark is a ratio of 0.8 with one message in a packet, where sender and reader are about equally
// fast. With many the reader is the limit, and spends most of its time in the books.
func BenchmarkLoop(b *testing.B) {
	for _, messagesMax := range []int{1, 20} {
		b.Run(fmt.Sprintf("messages-max=%d", messagesMax), func(b *testing.B) { benchmarkLoop(b, messagesMax) })
	}
}

func benchmarkLoop(b *testing.B, messagesMax int) {
	all := packetsOf(b, 50_000, messagesMax)
	var messages uint64
	for _, p := range all {
		m, err := moldudp64.Parse(p)
		if err != nil {
			b.Fatal(err)
		}
		messages += uint64(m.Count)
	}
	bare, err := netloop.Listen(netloop.Config{Addr: loopback})
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	batch := netloop.NewBatch(netloop.BatchDatagrams, netloop.DatagramBytes)

	var bareTook, loopTook time.Duration
	var rounds int
	for b.Loop() {
		rounds++
		received := uint64(0)
		bareTook += flood(b, bare.Addr(), all, func() uint64 {
			n, err := bare.Receive(batch)
			if err != nil {
				b.Fatal(err)
			}
			received += uint64(n)
			return received
		})

		sink := newRecords(b, dbn.SchemaMBO)
		var published int
		p := pipeline(b, sink)
		l, err := New(Config{
			Feeds:   []Feed{unicast("one", p, 1)},
			Publish: func() { published += len(sink.out); sink.out = sink.out[:0] },
		})
		if err != nil {
			b.Fatal(err)
		}
		loopTook += flood(b, l.Addrs()[0], all, func() uint64 {
			if err := l.turn(); err != nil {
				b.Fatal(err)
			}
			return l.lines[0].stats.Packets
		})
		l.Close()
		if got := p.Counts(); got.Messages != messages || got.Faults() > 0 || uint64(published) != got.Events*mboBytes {
			b.Fatalf("the pipeline took %d messages, %d with faults, and published %d events in %d bytes, want %d messages",
				got.Messages, got.Faults(), got.Events, published, messages)
		}
	}
	total := float64(rounds * len(all))
	b.ReportMetric(total/bareTook.Seconds(), "bare-packets/s")
	b.ReportMetric(total/loopTook.Seconds(), "loop-packets/s")
	b.ReportMetric(bareTook.Seconds()/loopTook.Seconds(), "ratio")
	b.ReportMetric(float64(messages)/float64(len(all)), "messages/packet")
}

// flood sends payloads from a thread of its own while receive is called here, until receive has seen
// all of them. The sender is never more ahead than the receive buffer holds. It returns how long it
// took.
func flood(b *testing.B, to netip.AddrPort, payloads [][]byte, receive func() uint64) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sender, err := netloop.NewSender(netloop.SenderConfig{Addr: to})
	if err != nil {
		b.Fatal(err)
	}
	defer sender.Close()
	const aheadMax = 8192
	var seen atomic.Uint64
	ended := make(chan error, 1)
	start := time.Now()
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for at := 0; at < len(payloads); at += netloop.BatchDatagrams {
			for uint64(at)-seen.Load() > aheadMax {
				runtime.Gosched()
			}
			if _, err := sender.Send(payloads[at:min(len(payloads), at+netloop.BatchDatagrams)]...); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	for n := uint64(0); n < uint64(len(payloads)); seen.Store(n) {
		n = receive()
	}
	took := time.Since(start)
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took
}

// BenchmarkSend compares the ways to send, in datagrams of 100 bytes. The receiver is this thread too,
// between the sends.
func BenchmarkSend(b *testing.B) {
	s, err := netloop.Listen(netloop.Config{Addr: loopback})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	to, err := netloop.NewSender(netloop.SenderConfig{Addr: s.Addr()})
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	payloads := make([][]byte, netloop.BatchDatagrams)
	for i := range payloads {
		payloads[i] = make([]byte, 100)
	}
	whole := bytes.Join(payloads, nil)
	batch := netloop.NewBatch(netloop.BatchDatagrams, netloop.DatagramBytes)
	for _, way := range []struct {
		name string
		send func() error
	}{
		{"single", func() error {
			for _, p := range payloads {
				if _, err := to.Send(p); err != nil {
					return err
				}
			}
			return nil
		}},
		{"batch", func() error { _, err := to.Send(payloads...); return err }},
		{"segments", func() error { return to.SendSegments(whole, 100) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			var took time.Duration
			var sent, received int
			for b.Loop() {
				start := time.Now()
				if err := way.send(); err != nil {
					b.Fatal(err)
				}
				took += time.Since(start)
				sent += len(payloads)
				for n := 1; n > 0; received += n {
					if n, err = s.Receive(batch); err != nil {
						b.Fatal(err)
					}
				}
			}
			if received != sent {
				b.Fatalf("%d datagrams received, %d sent", received, sent)
			}
			b.ReportMetric(float64(sent)/took.Seconds(), "datagrams/s")
		})
	}
}
