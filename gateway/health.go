package gateway

import "tidegate/arbiter"

// LineHealth returns what is known of a line of the pipeline's channel. ok is false where messages
// come from a file, which has no lines, and for an id that no line can have.
func (p *Pipeline) LineHealth(id arbiter.LineID) (h arbiter.LineHealth, ok bool) {
	if p.arb == nil || id >= arbiter.LinesMax {
		return h, false
	}
	return p.arb.Health(id), true
}
