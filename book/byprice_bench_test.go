package book_test

import (
	"math/rand/v2"
	"testing"

	"tidegate/book"
	"tidegate/market"
)

// BenchmarkByPriceApply applies updates to one book of 200 levels a side. Half of them are at the
// best three prices, the others further out with halving odds per three prices, which is roughly
// how level updates of a liquid stock lie.
func BenchmarkByPriceApply(b *testing.B) {
	const depth = 200
	random := rand.New(rand.NewPCG(1, 2))
	updates := make([]market.Update, 1<<12)
	for i := range updates {
		distance := int64(min(random.ExpFloat64()*4.3, depth-1))
		size := market.Size(random.IntN(4)) // a quarter are removals
		if i%2 == 0 {
			updates[i] = levelUpdate(1, market.Bid, 1000-distance, size)
		} else {
			updates[i] = levelUpdate(1, market.Ask, 1001+distance, size)
		}
	}
	books := book.NewByPrice(book.ByPriceConfig{})
	for d := range int64(depth) {
		bid, ask := levelUpdate(1, market.Bid, 1000-d, 1), levelUpdate(1, market.Ask, 1001+d, 1)
		books.Apply(&bid)
		books.Apply(&ask)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		books.Apply(&updates[n%len(updates)])
		n++
	}
	if bbo := books.BBO(1); !bbo.Bid.Defined() || !bbo.Ask.Defined() || bbo.Crossed() {
		b.Fatalf("after %d updates the best is %v", n, bbo)
	}
}
