package orders

// Hashes returns the state hashes of both cores of a gate that is closed, and as of which entries they are.
func (g *Gate) Hashes() (live, replica, at, follows uint64) {
	a, b := g.admission.core, g.replica.core
	return a.Hash(), b.Hash(), a.Index(), b.Index()
}
