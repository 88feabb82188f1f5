//go:build !(amd64 || arm64) || purego

package book

const canPrefetch = false

func prefetch(*uintptr, int) {}
