package book

import (
	"syscall"
	"unsafe"
)

const madvHugepage = 14 // MADV_HUGEPAGE, see madvise(2)

// adviseLargePages asks for large pages for the whole ones inside the range. A refusal changes
// nothing but speed.
func adviseLargePages(p unsafe.Pointer, size uintptr) {
	skip := -uintptr(p) & (largePage - 1)
	if skip >= size {
		return
	}
	if size = (size - skip) &^ (largePage - 1); size == 0 {
		return
	}
	_ = syscall.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, skip)), size), madvHugepage)
}
