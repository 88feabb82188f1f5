//go:build (amd64 || arm64) && !purego

package book

const canPrefetch = true

// prefetch asks the processor to bring n cache lines closer. It reads no memory but the list of
// addresses, and an address of nothing does no harm. One call takes many addresses because a call
// of assembly is not inlined.
//
//go:noescape
func prefetch(addresses *uintptr, n int)
