package recovery

import (
	"context"
	"fmt"

	"tidegate/gateway"
)

// fetch takes a snapshot from a server and hands it to the loop. It is a goroutine of its own.
func (s *Snapshots) fetch(ctx context.Context, a *attempt, source Source, held uint64) {
	b := &blocks{s: s, a: a, ctx: ctx, feed: s.feed, taken: make(chan error, 1)}
	b.taken <- nil
	snapshot, err := source.Fetch(ctx, held, b.take)
	if err == nil {
		err = b.flush()
	}
	_ = s.do(func() { s.onFetched(a, snapshot, err) }) // a loop that has ended wants to know nothing
}

// blocks brings messages to the loop in blocks. One block is with the loop, and one is being filled: memory is
// bounded, and a loop that takes its time makes the server wait.
type blocks struct {
	s        *Snapshots
	a        *attempt
	ctx      context.Context
	feed     gateway.Feed
	filling  []byte
	count    int // messages in it
	spare    []byte
	taken    chan error // has a value: what the loop said of the block before
	messages int
	bytes    int
}

// take adds a message.
func (b *blocks) take(msg []byte) error {
	if !plausible(b.feed, msg) {
		return fmt.Errorf("message % x: %w", msg[:min(len(msg), 8)], ErrGarbage)
	}
	n := framed(b.feed, msg)
	b.messages++
	b.bytes += n
	if b.messages > b.s.cfg.MessagesMax || b.bytes > b.s.cfg.BytesMax {
		return fmt.Errorf("%d messages, %d bytes: %w", b.messages, b.bytes, ErrTooLarge)
	}
	if len(b.filling)+n > BlockMax {
		if err := b.hand(); err != nil {
			return err
		}
	}
	b.filling = appendFramed(b.filling, b.feed, msg)
	b.count++
	return nil
}

// hand gives the block to the loop, when it has taken the one before.
func (b *blocks) hand() error {
	if err := b.wait(); err != nil {
		return err
	}
	block, count := b.filling, b.count
	b.filling, b.spare, b.count = b.spare[:0], block, 0
	return b.s.do(func() { b.taken <- b.s.onBlock(b.a, block, count) })
}

// wait waits until the loop has taken the block that it was given.
func (b *blocks) wait() error {
	select {
	case err := <-b.taken:
		return err
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}

// flush gives the loop the last block.
func (b *blocks) flush() error {
	if b.count == 0 {
		return b.wait()
	}
	if err := b.hand(); err != nil {
		return err
	}
	return b.wait()
}
