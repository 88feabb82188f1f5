package itch50

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// mix returns a block of n length-prefixed messages in about the proportions of a trading day: 43 %
// add, 41 % delete, 7 % replace, 2.5 % execute, and a little of the rest. Types follow each other at
// random, as in a feed of many securities.
func mix(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var block, msg []byte
	for i := range n {
		h := Header{
			Locate:    uint16(rng.IntN(9000) + 1),
			Tracking:  uint16(rng.IntN(8)),
			Timestamp: 34_200_000_000_000 + uint64(i)*1000,
		}
		ref := rng.Uint64N(1 << 34)
		shares := rng.Uint32N(1000) + 1
		price := Price4(rng.Uint32N(5_000_000) + 1)
		add := AddOrder{
			Header: h, OrderRef: ref, Side: "BS"[rng.IntN(2)], Shares: shares, Stock: Symbol([]byte("TIDE    ")), Price: price,
		}
		executed := OrderExecuted{Header: h, OrderRef: ref, Shares: shares, Match: ref + 7}
		var m interface{ Append([]byte) []byte }
		switch r := rng.IntN(1000); {
		case r < 430:
			m = &add
		case r < 840:
			m = &OrderDelete{Header: h, OrderRef: ref}
		case r < 910:
			m = &OrderReplace{Header: h, OrderRef: ref, NewOrderRef: ref + 1, Shares: shares, Price: price}
		case r < 935:
			m = &executed
		case r < 950:
			m = &OrderCancel{Header: h, OrderRef: ref, Shares: shares}
		case r < 965:
			m = &AddOrderMPID{AddOrder: add, Attribution: MPID([]byte("TIDE"))}
		case r < 980:
			m = &Trade{Header: h, Side: Buy, Shares: shares, Stock: add.Stock, Price: price, Match: ref}
		case r < 985:
			m = &OrderExecutedWithPrice{OrderExecuted: executed, Printable: "YN"[rng.IntN(2)], Price: price}
		case r < 999:
			m = &NOII{Header: h, Direction: 'B', Stock: add.Stock, CrossType: 'O'}
		default:
			m = &CrossTrade{Header: h, Shares: uint64(shares), Stock: add.Stock, Price: price, Match: ref, CrossType: 'O'}
		}
		msg = m.Append(msg[:0])
		block = AppendFramed(block, msg)
	}
	return block
}

// fold adds what a message became to a hash.
func fold(h uint64, v market.Verdict, u *market.Update) uint64 {
	return h + (uint64(u.Price) ^ uint64(u.Size)<<24 ^ u.OrderID<<8 ^ uint64(v))
}

// hashDecoded decodes a block and returns a hash of what came out. Its twin differs in one word: the
// decoder is not a parameter, so that the compiler treats the call as it does in a gateway.
func hashDecoded(d *Decoder, block []byte) (h uint64) {
	var u market.Update
	for len(block) > 0 {
		var msg []byte
		msg, block = moldudp64.Next(block)
		v := d.Decode(msg, &u)
		h = fold(h, v, &u)
	}
	return h
}

func hashPlain(d *Decoder, block []byte) (h uint64) {
	var u market.Update
	for len(block) > 0 {
		var msg []byte
		msg, block = moldudp64.Next(block)
		v := decodePlain(d, msg, &u)
		h = fold(h, v, &u)
	}
	return h
}

// BenchmarkDecode decodes a block of synthetic messages (see mix), walking it included, and checks
// the outcome against the plain twin's. The number to read is ns/msg. With 4,096 messages the
// processor's branch predictor learns part of the block by heart, which no real feed allows.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1 << 12, 1 << 18} {
		block := mix(n)
		want := hashPlain(&testDecoder, block)
		for _, decoder := range []struct {
			name string
			hash func(d *Decoder, block []byte) uint64
		}{{"table", hashDecoded}, {"plain", hashPlain}} {
			b.Run(fmt.Sprintf("%s/%d", decoder.name, n), func(b *testing.B) {
				b.SetBytes(int64(len(block)))
				b.ReportAllocs()
				for b.Loop() {
					if h := decoder.hash(&testDecoder, block); h != want {
						b.Fatalf("hash %#x, want %#x", h, want)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/msg")
			})
		}
	}
}
