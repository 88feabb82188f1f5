package orders

// Hashes returns the state hashes of both cores of a gate that is closed.
func (g *Gate) Hashes() (live, replica uint64) { return g.admission.core.Hash(), g.replica.core.Hash() }
