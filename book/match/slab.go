package match

// A slab hands out records by index; index 0 is none. Its memory is set aside at the start, so that
// records never move and taking one never allocates. T has no pointers: the collector sees one array.
type slab[T any] struct {
	records []T
	free    []uint32 // records given back; the last is taken first
}

func newSlab[T any](limit int) slab[T] {
	return slab[T]{records: largeSlice[T](limit + 1)[:1], free: largeSlice[uint32](limit)[:0]}
}

func (s *slab[T]) at(i uint32) *T { return &s.records[i] }

// take returns the index of a zeroed record. Its caller has made sure that there is one: every order
// needs at most one record of each slab, and there is a limit of orders.
func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	i := uint32(len(s.records))
	s.records = s.records[:i+1]
	return i
}

func (s *slab[T]) give(i uint32) {
	var zero T
	s.records[i] = zero
	s.free = append(s.free, i)
}

func (s *slab[T]) live() int { return len(s.records) - 1 - len(s.free) }
