package book

// blocks hands out runs of T by index, for arrays that only grow: a block that became too small is
// left behind, which at most doubles the memory of arrays that grow by doubling. T has no pointers.
//
// An index is the chunk's number above the place in the chunk.
type blocks[T any] struct {
	chunks  [][]T
	current int // chunk that take cuts from
	used    int // elements cut from it
}

const (
	blockChunkBits = 16
	blockChunkLen  = 1 << blockChunkBits
)

// take returns a zeroed block of n elements.
func (p *blocks[T]) take(n uint32) uint32 {
	for ; p.current < len(p.chunks); p.current, p.used = p.current+1, 0 {
		if p.used < blockChunkLen && p.used+int(n) <= len(p.chunks[p.current]) {
			break
		}
	}
	if p.current == len(p.chunks) {
		p.chunks = append(p.chunks, make([]T, max(int(n), blockChunkLen)))
		p.used = 0
	}
	index := uint32(p.current<<blockChunkBits | p.used)
	p.used += int(n)
	clear(p.block(index, n))
	return index
}

// block returns n elements from an index on; none if n is 0.
func (p *blocks[T]) block(index, n uint32) []T {
	if n == 0 {
		return nil
	}
	return p.chunks[index>>blockChunkBits][index%blockChunkLen:][:n:n]
}

// reserve takes memory for n elements at once.
func (p *blocks[T]) reserve(n int) {
	block := largeSlice[T]((n + blockChunkLen - 1) / blockChunkLen * blockChunkLen)
	for ; len(block) > 0; block = block[blockChunkLen:] {
		p.chunks = append(p.chunks, block[:blockChunkLen:blockChunkLen])
	}
}

// reset takes all blocks back.
func (p *blocks[T]) reset() { p.current, p.used = 0, 0 }
