//go:build !linux

package book

import "unsafe"

// setAside leaves it to the run-time to take pages when they are first touched.
func setAside(size uintptr) (memory []byte, free func()) { return make([]byte, size), func() {} }

func adviseLargePages(unsafe.Pointer, uintptr) {}
