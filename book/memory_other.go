//go:build !linux

package book

import "unsafe"

func adviseLargePages(unsafe.Pointer, uintptr) {}
