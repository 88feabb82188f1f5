package bus

import "testing"

// The index that an entry will get is known before, across chunks.
func TestNextIndex(t *testing.T) {
	r := smallRing(t)
	reader := newReader(t, r, nil)
	for i := range uint64(50) {
		if got := r.NextIndex(); got != i {
			t.Fatalf("before entry %d: next index %d", i, got)
		}
		r.Reserve(Header{}, int(i%4)*50)
		r.Publish()
		if e := wantOutcome(t, reader, Ready); e.Index != i {
			t.Fatalf("entry %d has index %d", i, e.Index)
		}
	}
}
