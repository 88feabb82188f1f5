package orders_test

import (
	"fmt"
	"testing"

	"tidegate/gateway/orders"
	"tidegate/market"
)

// A gate is closed while sessions leave: the replica has seen to the end of the log what the loops have done,
// and the next start goes on from there.
func TestCloseWhileSessionsLeave(t *testing.T) {
	cfg := testConfig(t.TempDir(), 0)
	for round := range *rounds {
		g := openGate(t, cfg)
		for i := range 4 {
			c := attach(t, g, fmt.Sprint("S", i+1))
			r := c.order(uint64(round+1), []market.Side{market.Bid, market.Ask}[i%2], 5, 100+i)
			r.Order.CancelOnDisconnect = i == 3
			if _, v := c.link.Submit(&r); v != orders.Taken {
				t.Fatal(v)
			}
			c.link.Detach()
		}
		closeGate(t, g)
		if live, replica, at, follows := g.Hashes(); live != replica {
			t.Fatalf("round %d: state hash %x as of entry %d, the replica's is %x as of %d", round, live, at, replica, follows)
		}
	}
	checkLog(t, cfg)
}
