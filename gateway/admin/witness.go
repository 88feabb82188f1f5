package admin

import (
	"tidegate/arbiter"
	"tidegate/gateway/stream"
)

// witnessMax is how many gaps, and how many epochs, a Witness remembers.
const witnessMax = 64

// A Witness is a pipeline's sink that passes everything on to its stream, and remembers the latest
// gaps and epochs. It belongs to the loop of both.
type Witness struct {
	*stream.Stream
	gaps   latest[arbiter.Gap]
	epochs latest[arbiter.Epoch]
}

// NewWitness returns the witness of a stream.
func NewWitness(s *stream.Stream) *Witness { return &Witness{Stream: s} }

// OnGap remembers a gap. See gateway.Sink.
func (w *Witness) OnGap(g arbiter.Gap) {
	w.gaps.add(g)
	w.Stream.OnGap(g)
}

// OnEpoch remembers an epoch. See gateway.Sink.
func (w *Witness) OnEpoch(e arbiter.Epoch) {
	w.epochs.add(e)
	w.Stream.OnEpoch(e)
}

// latest holds the last witnessMax of what is added. It is copied as a value.
type latest[T any] struct {
	ring  [witnessMax]T
	count uint64 // ever added
}

func (l *latest[T]) add(x T) {
	l.ring[l.count%witnessMax] = x
	l.count++
}

// each calls f with what is held, oldest first, and its number: 1 for the first ever added.
func (l *latest[T]) each(f func(number uint64, x *T)) {
	for n := l.count - min(l.count, witnessMax); n < l.count; n++ {
		f(n+1, &l.ring[n%witnessMax])
	}
}
