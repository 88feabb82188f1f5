package book

import "unsafe"

// largePage is the size of a large page on the machines we care for. Books are read at random: with
// small pages, most reads would miss the processor's address cache too.
const largePage = 2 << 20

// A reserve is an array of records without pointers that never moves: addresses for all of it are
// set aside at the start, memory is taken page by page as records are used. What has been used once
// stays.
type reserve[T any] struct {
	records []T
	used    uint32 // records handed out
	advised uint32 // records for which large pages were asked for
}

// extend hands out n more records and returns the index of the first. Their contents are undefined.
func (r *reserve[T]) extend(n uint32) uint32 {
	first := r.used
	r.used += n
	if r.used > r.advised {
		r.advise(r.used)
	}
	return first
}

// advise asks for large pages for the first n records and the rest of the page. The first page of a
// reserve stays small, for the sake of small books.
func (r *reserve[T]) advise(n uint32) {
	perPage := uint32(largePage / unsafe.Sizeof(*new(T)))
	from := max(r.advised, perPage)
	to := min((n+perPage-1)/perPage*perPage, uint32(len(r.records)))
	r.advised = max(to, perPage)
	if to > from {
		adviseLargePages(unsafe.Pointer(&r.records[from]), uintptr(to-from)*unsafe.Sizeof(*new(T)))
	}
}

// newReserve sets addresses aside for n records. They start at a page border. free gives everything
// back; no record may be used after it.
func newReserve[T any](n int) (r reserve[T], free func()) {
	size := uintptr(n) * unsafe.Sizeof(*new(T))
	memory, free := setAside(size + largePage)
	p := unsafe.Pointer(&memory[-uintptr(unsafe.Pointer(&memory[0]))%largePage])
	return reserve[T]{records: unsafe.Slice((*T)(p), n)}, free
}

// largeSlice makes a zeroed slice of a type without pointers, with large pages where it can.
func largeSlice[T any](n int) []T {
	s := make([]T, n)
	first := -uintptr(unsafe.Pointer(&s[0])) % largePage
	if size := uintptr(n) * unsafe.Sizeof(*new(T)); size > first+largePage {
		adviseLargePages(unsafe.Add(unsafe.Pointer(&s[0]), first), (size-first)/largePage*largePage)
	}
	return s
}
