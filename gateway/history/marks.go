package history

import (
	"math/bits"
	"sort"

	"tidegate/internal/bus"
)

// Marks say which entry of the ring became which entry of the journal. They belong to the goroutine that
// writes both: the one that appends to the journal what it reads from the ring.
//
//	for {
//		if marks.Due() {
//			marks.Begin(reader.Cursor())
//		}
//		... reader.Next(&e) ...
//		marks.Passed(kept) // kept: it was appended to the journal
//	}
//	... marks.Inserted()   // something else was appended to the journal
//
// They reach back a little further than the ring.
type Marks struct {
	marks []mark // a power of two; number n is in marks[n&mask]
	mask  uint64
	begun uint64 // how many marks there were
	first uint64 // journal index of what was appended first
	next  uint64 // journal index of what is appended next
	open  bool   // the last mark takes more entries
}

// A mark is up to 64 entries of the ring that follow each other. Those that were kept follow each other in
// the journal.
type mark struct {
	at    bus.Cursor // of the first
	first uint64     // journal index of the first one that was kept, or would be
	kept  uint64     // a bit for each
	count uint64
}

const (
	markEntries = 64
	// entryBytesMin is what the smallest entry takes in the ring.
	entryBytesMin = 32
	// marksSpare is how many marks there are for entries that the ring does not hold any more: those who were
	// lapped find out after a moment only.
	marksSpare = 1 << 15
)

// NewMarks returns marks for a ring of so many bytes. next is the index that the journal gives to the next entry.
func NewMarks(ringBytes int, next uint64) *Marks {
	n := 1 << bits.Len(uint(ringBytes/entryBytesMin/markEntries+marksSpare-1))
	return &Marks{marks: make([]mark, n), mask: uint64(n - 1), first: next, next: next}
}

// Due reports whether Begin is to be called before the next entry of the ring.
func (m *Marks) Due() bool { return !m.open }

// Begin begins a mark; at is the position of the next entry of the ring.
func (m *Marks) Begin(at bus.Cursor) {
	m.marks[m.begun&m.mask] = mark{at: at, first: m.next}
	m.begun++
	m.open = true
}

// Passed notes that an entry of the ring was read, and kept in the journal or not.
func (m *Marks) Passed(kept bool) {
	k := &m.marks[(m.begun-1)&m.mask]
	if kept {
		k.kept |= 1 << k.count
		m.next++
	}
	k.count++
	m.open = k.count < markEntries
}

// Inserted notes that something was appended to the journal that is not in the ring.
func (m *Marks) Inserted() {
	m.next++
	m.open = false
}

// Next returns the index that the journal gives to the next entry.
func (m *Marks) Next() uint64 { return m.next }

// oldest returns the number of the oldest mark there is.
func (m *Marks) oldest() uint64 { return m.begun - min(m.begun, uint64(len(m.marks))) }

// last returns the last mark for which good holds, which it does up to some mark; nil if there is none.
func (m *Marks) last(good func(*mark) bool) *mark {
	oldest := m.oldest()
	n := sort.Search(int(m.begun-oldest), func(i int) bool { return !good(&m.marks[(oldest+uint64(i))&m.mask]) })
	if n == 0 {
		return nil
	}
	return &m.marks[(oldest+uint64(n)-1)&m.mask]
}

// Journal returns the index of the journal at which somebody goes on whose next entry is one of the ring.
// ok is false if that is too long ago.
func (m *Marks) Journal(entry uint64) (index uint64, ok bool) {
	k := m.last(func(k *mark) bool { return k.at.Index() <= entry })
	if k == nil {
		return 0, false
	}
	n := entry - k.at.Index()
	if n >= k.count { // behind the last entry
		return m.next, true
	}
	return k.first + uint64(bits.OnesCount64(k.kept&(1<<n-1))), true
}

// A Place is a position in the ring: from Cursor on, but what is before Entry is to be passed over.
type Place struct {
	Cursor bus.Cursor
	Entry  uint64
}

// Ring returns the place of the ring at which somebody goes on whose next index of the journal is one that
// was given, or is given next. ok is false if that is too long ago. Whether the ring still has the place is
// for a reader of the ring to find out.
func (m *Marks) Ring(index uint64) (p Place, ok bool) {
	k := m.last(func(k *mark) bool { return k.first <= index })
	if k == nil {
		if k = &m.marks[0]; m.begun == 0 || m.oldest() > 0 || index < m.first {
			return Place{}, false
		}
		return Place{k.at, k.at.Index()}, true // before it there was nothing of the ring
	}
	p = Place{k.at, k.at.Index()}
	for n := index - k.first; n > 0 && p.Entry < k.at.Index()+k.count; p.Entry++ {
		n -= k.kept >> (p.Entry - k.at.Index()) & 1
	}
	return p, true
}
