package book

import (
	"fmt"
	"syscall"
	"unsafe"
)

// setAside returns size bytes of zeroed memory outside the collector's heap, which so does not grow
// its idea of how much garbage may pile up. Pages are taken when they are first touched.
func setAside(size uintptr) (memory []byte, free func()) {
	memory, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		// The same as what the run-time does when it gets no addresses.
		panic(fmt.Sprintf("by-order books: set aside %d bytes of addresses: %v", size, err))
	}
	return memory, func() { _ = syscall.Munmap(memory) }
}

// adviseLargePages asks for large pages. A refusal changes nothing but speed.
func adviseLargePages(p unsafe.Pointer, size uintptr) {
	const hugePage = 14 // MADV_HUGEPAGE, see madvise(2)
	_ = syscall.Madvise(unsafe.Slice((*byte)(p), size), hugePage)
}
