package match

import "tidegate/market"

// Due returns when the engine has something to do because time passed: an order expires, or a reference
// grows too old. Who sees to it that an input comes by then (a Tick, if nothing else) has it done in time.
// ok is false if nothing waits for a time.
func (e *Engine) Due() (t market.Nanos, ok bool) {
	if len(e.timers.heap) < 2 {
		return 0, false
	}
	return e.timers.heap[1].at, true
}
