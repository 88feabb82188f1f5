package journal

import "context"

// WaitDurable returns when everything up to an index is on the disk, with the error of ctx, or with ErrClosed
// when the journal was closed before. Any goroutine may call it.
func (j *Journal) WaitDurable(ctx context.Context, index uint64) error { return j.wait(ctx, index) }
