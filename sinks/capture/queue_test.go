package capture

import (
	"bytes"
	"net/netip"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// The plain twin is a slice. What the queue refuses, it must have no room for.
func TestQueueAgreesWithSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 1024
		q := newQueue(size)
		var twin []queued
		var at uint64
		addr := rapid.Custom(func(t *rapid.T) netip.AddrPort {
			ip := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip"))
			return netip.AddrPortFrom(netip.AddrFrom4(ip), rapid.Uint16().Draw(t, "port"))
		})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				e := queued{
					dst: addr.Draw(t, "dst"), src: addr.Draw(t, "src"),
					stamp:   market.Nanos(rapid.Int64().Draw(t, "stamp")),
					payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
				}
				used := q.waiting()
				if q.put(e) {
					twin = append(twin, e)
				} else if need := uint64(entryHeaderLen + 300 + 8); used+2*need <= size {
					t.Fatalf("refused %d bytes with %d of %d used", len(e.payload), used, size)
				}
				if q.crowded() != (q.waiting() > size/4) {
					t.Fatalf("crowded %t with %d of %d bytes", q.crowded(), q.waiting(), size)
				}
			},
			"take": func(t *rapid.T) {
				e, end, ok := q.take(at)
				if ok != (len(twin) > 0) {
					t.Fatalf("took %t, %d are in there", ok, len(twin))
				}
				if !ok {
					return
				}
				w := twin[0]
				if e.dst != w.dst || e.src != w.src || e.stamp != w.stamp || !bytes.Equal(e.payload, w.payload) {
					t.Fatalf("took %+v, want %+v", e, w)
				}
				twin, at = twin[1:], end
				q.free(at)
			},
		})
	})
}

// Two goroutines, many times around the ring: every datagram that was taken in comes out once, in
// order, whole.
func TestQueueBetweenGoroutines(t *testing.T) {
	q := newQueue(4096)
	const count = 50_000
	go func() {
		payload := make([]byte, 200)
		for i := range count {
			for k := range payload {
				payload[k] = byte(i)
			}
			e := queued{dst: dstA, src: src, stamp: market.Nanos(i), payload: payload[:i%200]}
			for !q.put(e) {
				runtime.Gosched()
			}
		}
	}()
	var at uint64
	for i := 0; i < count; {
		e, end, ok := q.take(at)
		if !ok {
			runtime.Gosched()
			continue
		}
		if e.stamp != market.Nanos(i) || len(e.payload) != i%200 || bytes.Count(e.payload, []byte{byte(i)}) != len(e.payload) {
			t.Fatalf("datagram %d: stamp %d, payload %v", i, e.stamp, e.payload)
		}
		i++
		at = end
		q.free(at)
	}
}
