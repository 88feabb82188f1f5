package match

import "unsafe"

// largePage is the size of a large page on the machines we care for. Orders and tables are read at random: with
// small pages, most reads would miss the processor's address cache too.
const largePage = 2 << 20

// largeSlice makes a zeroed slice of a type without pointers, with large pages where it can. Pages are
// taken when they are first touched.
func largeSlice[T any](n int) []T {
	s := make([]T, n)
	first := -uintptr(unsafe.Pointer(unsafe.SliceData(s))) % largePage
	if size := uintptr(n) * unsafe.Sizeof(*new(T)); size > first+largePage {
		adviseLargePages(unsafe.Add(unsafe.Pointer(&s[0]), first), (size-first)/largePage*largePage)
	}
	return s
}
