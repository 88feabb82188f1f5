package book

import "unsafe"

// largePage is the size of a large page on the machines we care for.
const largePage = 2 << 20

// largeSlice makes a zeroed slice of a type without pointers and asks the system to back it with
// large pages where it can. Books are read at random: with small pages, most reads would miss the
// processor's address cache too.
func largeSlice[T any](n int) []T {
	s := make([]T, n)
	if size := uintptr(n) * unsafe.Sizeof(*new(T)); size >= largePage {
		adviseLargePages(unsafe.Pointer(&s[0]), size)
	}
	return s
}
