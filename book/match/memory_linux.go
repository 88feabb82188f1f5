package match

import (
	"syscall"
	"unsafe"
)

// adviseLargePages asks for large pages. A refusal changes nothing but speed.
func adviseLargePages(p unsafe.Pointer, size uintptr) {
	const hugePage = 14 // MADV_HUGEPAGE, see madvise(2)
	_ = syscall.Madvise(unsafe.Slice((*byte)(p), size), hugePage)
}
