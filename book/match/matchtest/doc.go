// Package matchtest holds what shows that the matching engine is right: its plain twin, a generator of
// random inputs, and a ledger that keeps the books of all orders from events alone.
//
//	fast, plain := match.NewEngine(cfg), matchtest.NewPlain(cfg)
//	ledger := matchtest.NewLedger()
//	for _, in := range matchtest.Inputs(seed, 1000) {
//		events := fast.Apply(&in, nil)
//		// as plain.Apply(&in, nil), and ledger.Apply(events...) has no objection
//	}
package matchtest
