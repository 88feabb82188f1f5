//go:build !linux

package match

import "unsafe"

func adviseLargePages(unsafe.Pointer, uintptr) {}
