package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/internal/clock"
	"tidegate/internal/vfs"
	"tidegate/market"
)

// Config says where a journal is, and how it is kept. The zero value of a field but Dir is its default.
type Config struct {
	// Dir is the directory. It is made if it is missing. Nothing else belongs in it.
	Dir string
	// FS is where Dir is. nil: vfs.Disk.
	FS vfs.FS

	// CommitEvery is how long an entry waits for others to be synced with it. 0: 2 ms.
	CommitEvery time.Duration
	// CommitBytes is how many waiting bytes are synced without waiting longer. 0: 1 MiB.
	CommitBytes int

	// QueueBytes is the memory in which entries wait for the disk. 0: 16 MiB.
	QueueBytes int
	// SpillBytes is the memory beside the queue that is used while the disk lags. When it is full too,
	// entries are dropped and a gap is recorded. Open takes the addresses; pages are taken with the
	// first use, and stay. 0: 256 MiB.
	SpillBytes int

	// SegmentBytes is the length of a segment. 0: 256 MiB.
	SegmentBytes int64
	// PlainSegments is how many finished segments stay as they are, for readers close behind; older ones
	// are packed with zstd. Short of space, none stays. 0: 2; -1: none.
	PlainSegments int

	// RetainAge is how long a segment is kept after it was finished. 0: forever.
	RetainAge time.Duration
	// RetainBytes is how long all segments are together, as files, before the oldest go. 0: no limit.
	RetainBytes int64
	// ReserveBytes is the free space that is left alone: packing needs some of it, and so do others.
	// 0: 512 MiB.
	ReserveBytes int64

	// Notify, if set, is called with what an operator should know: by one goroutine at a time, and
	// nobody who works for the journal waits for it.
	Notify func(Notice)
}

// Defaults and limits.
const (
	commitEveryDefault   = 2 * time.Millisecond
	commitBytesDefault   = 1 << 20
	queueBytesDefault    = 16 << 20
	spillBytesDefault    = 256 << 20
	memoryBytesMax       = 64 << 30
	segmentBytesDefault  = 256 << 20
	segmentBytesMin      = 2 << 20
	segmentBytesMax      = 64 << 30
	plainSegmentsDefault = 2
	reserveBytesDefault  = 512 << 20
)

// Validate returns an error that names the first field that makes no sense.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("no directory")
	case c.CommitEvery != 0 && (c.CommitEvery < 100*time.Microsecond || c.CommitEvery > 10*time.Second):
		return fmt.Errorf("commit every %s: want 100 us to 10 s", c.CommitEvery)
	case c.CommitBytes != 0 && (c.CommitBytes < 4096 || c.CommitBytes > 1<<30):
		return fmt.Errorf("commit bytes %d: want 4 KiB to 1 GiB", c.CommitBytes)
	case c.QueueBytes != 0 && (c.QueueBytes < 4*chunkBytesDefault || c.QueueBytes > memoryBytesMax):
		return fmt.Errorf("queue bytes %d: want 1 MiB to 64 GiB", c.QueueBytes)
	case c.SpillBytes < 0 || c.SpillBytes > memoryBytesMax:
		return fmt.Errorf("spill bytes %d: want at most 64 GiB", c.SpillBytes)
	case c.SegmentBytes != 0 && (c.SegmentBytes < segmentBytesMin || c.SegmentBytes > segmentBytesMax || c.SegmentBytes%sectorBytes != 0):
		return fmt.Errorf("segment bytes %d: want 2 MiB to 64 GiB, in whole sectors of %d", c.SegmentBytes, sectorBytes)
	case c.PlainSegments < -1:
		return fmt.Errorf("plain segments %d: want -1 (none) or more", c.PlainSegments)
	case c.RetainAge < 0 || c.RetainBytes < 0 || c.ReserveBytes < 0:
		return errors.New("a limit of retention or the reserve is negative")
	}
	return nil
}

// withDefaults returns c with every field set.
func (c Config) withDefaults() Config {
	or := func(v *int64, def int64) {
		if *v == 0 {
			*v = def
		}
	}
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	if c.FS == nil {
		c.FS = vfs.Disk{}
	}
	if c.CommitEvery == 0 {
		c.CommitEvery = commitEveryDefault
	}
	orInt(&c.CommitBytes, commitBytesDefault)
	orInt(&c.QueueBytes, queueBytesDefault)
	orInt(&c.SpillBytes, spillBytesDefault)
	orInt(&c.PlainSegments, plainSegmentsDefault)
	c.PlainSegments = max(c.PlainSegments, 0)
	or(&c.SegmentBytes, segmentBytesDefault)
	or(&c.ReserveBytes, reserveBytesDefault)
	return c
}

// knobs are for tests of this package.
type knobs struct {
	manual     bool                // no goroutines: the test takes every step
	batchBytes int                 // longest batch
	chunkBytes int                 // of the queue
	now        func() market.Nanos // wall clock
	id         func() uint64       // of a new journal
}

// A Journal records entries. Append belongs to one goroutine, the producer; Close may be called when the
// producer has ended; the other methods are for everybody.
type Journal struct {
	cfg   Config
	knobs knobs
	fs    vfs.FS
	lock  io.Closer
	id    uint64
	epoch uint64

	queue   *queue
	durable atomic.Uint64 // written by the writer
	live    atomic.Uint64 // number of the last segment whose name is on the disk; written by the writer
	counts  counts

	writer *writer
	keeper *keeper
	herald *herald

	notices chan Notice
	closing chan struct{} // the producer has ended
	abandon chan struct{} // do not wait for the disk any longer
	done    sync.WaitGroup
	result  error // of the writer; read when it is done

	mu       sync.Mutex
	advanced chan struct{} // closed and made anew when durable has advanced and somebody waits
	waiting  bool
	closed   bool // Close was called
	ended    bool // nothing will advance any more
}

// counts are figures that are written by one side each and read by everybody.
type counts struct {
	batches, entries, bytes, commits atomic.Uint64 // by the writer
	poisoned, markErrors             atomic.Uint64 // by the writer
	stalled                          atomic.Pointer[string]
	noticesLost                      atomic.Uint64
}

// Open opens the journal in a directory, or makes one, and begins a new epoch. What a crash left is
// recovered first; see the package comment. The error wraps vfs.ErrLocked if another has it open, and
// ErrNoSpace if there is no room to begin.
func Open(c Config) (*Journal, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return open(c, knobs{batchBytes: batchBytesMax, chunkBytes: chunkBytesDefault, now: clock.Now, id: rand.Uint64})
}

const lockName = "journal.lock"

func open(c Config, k knobs) (j *Journal, err error) {
	c = c.withDefaults()
	j = &Journal{
		cfg: c, knobs: k, fs: c.FS,
		notices: make(chan Notice, noticesMax), closing: make(chan struct{}), abandon: make(chan struct{}),
		advanced: make(chan struct{}),
	}
	if err := c.FS.MkdirAll(c.Dir); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if j.lock, err = c.FS.Lock(path.Join(c.Dir, lockName)); errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("journal: %s: another process, or another part of this one, is writing it: %w", c.Dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock := j.lock
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	r, err := j.recover()
	if err != nil {
		return nil, err
	}
	j.id, j.epoch = r.journal, r.epoch+1
	j.durable.Store(r.next - 1)
	j.queue = newQueue(c.QueueBytes, c.SpillBytes, k.chunkBytes, r.next)
	j.writer = newWriter(j, r)
	j.keeper = newKeeper(j)
	j.herald = &herald{j: j, done: make(chan struct{})}
	j.live.Store(r.number)
	if err := j.keeper.makeRoom(); err != nil {
		return nil, err
	}
	if err := j.writer.start(); err != nil {
		return nil, err
	}
	if r.empty != nil {
		if err := j.removeSegment(*r.empty); err != nil {
			return nil, errors.Join(err, j.writer.stop())
		}
	}
	if k.manual {
		return j, nil
	}
	j.done.Go(j.writer.run)
	go j.keeper.run()
	go j.herald.run()
	return j, nil
}

// Append records an entry with a copy of payload and returns its index. It never waits and, but for a
// payload that is too long, never allocates. kept is false if the entry had to be dropped: memory is
// full, or payload is longer than PayloadMax. Then its index lies in a gap that is recorded.
func (j *Journal) Append(h Header, payload []byte) (index uint64, kept bool) {
	return j.queue.append(h, payload)
}

// DurableIndex returns the index up to which everything is on the disk: entries, and gaps. It is 0 as long
// as there is nothing. It never goes back.
func (j *Journal) DurableIndex() uint64 { return j.durable.Load() }

// Epoch returns the number of this opening of the journal, from 1. An index that was given before a crash,
// and was not durable, is given again in a later epoch.
func (j *Journal) Epoch() uint64 { return j.epoch }

// Close records what was given to Append and closes the journal. The producer must have ended. While the
// disk cannot be written, Close waits for it until ctx ends; then it returns an error that says what
// is lost. It waits for a system call that hangs.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	was := j.closed
	j.closed = true
	j.mu.Unlock()
	if was {
		return nil
	}
	close(j.closing)
	if j.knobs.manual {
		j.writer.drain()
	} else {
		stop := context.AfterFunc(ctx, func() { close(j.abandon) })
		j.done.Wait()
		stop()
		j.keeper.stop()
		close(j.notices)
		<-j.herald.done
	}
	j.mu.Lock()
	j.ended = true
	j.mu.Unlock()
	j.announce()
	return errors.Join(j.result, j.lock.Close())
}

// announce wakes those who wait for durable to advance.
func (j *Journal) announce() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waiting {
		close(j.advanced)
		j.advanced, j.waiting = make(chan struct{}), false
	}
}

// wait returns when the durable index has reached an index, the journal is closed, or ctx has ended.
func (j *Journal) wait(ctx context.Context, index uint64) error {
	for {
		j.mu.Lock()
		reached, ended, advanced := j.durable.Load() >= index, j.ended, j.advanced
		j.waiting = j.waiting || !reached && !ended
		j.mu.Unlock()
		switch {
		case reached:
			return nil
		case ended:
			return ErrClosed
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ErrClosed is returned to those who wait for entries of a journal that is closed.
var ErrClosed = errors.New("journal is closed")

// Stats are figures of a journal that is open.
type Stats struct {
	Epoch        uint64
	DurableIndex uint64

	Entries uint64 // written and synced in this epoch
	Batches uint64
	Commits uint64 // syncs
	Bytes   uint64 // with headers and padding

	QueueBytes   int    // memory in use for entries that are not durable, in whole chunks
	Spilling     bool   // alarm: more is in use than the queue has
	SpilledBytes uint64 // memory taken beyond the queue since the start, all together
	Dropping     bool   // alarm: memory is full; a gap is being made
	Dropped      uint64 // entries that lie in gaps
	Stalled      string // why nothing can be written just now; "" if it can

	Poisoned    uint64 // segments given up because a write or sync failed; nothing was lost by that
	MarkErrors  uint64 // the durable mark could not be written: readers in other processes lag
	NoticesLost uint64 // because Notify did not take them

	Kept Kept
}

// Kept says what is in the directory, as of the keeper's last look.
type Kept struct {
	Segments  int
	Packed    int
	Damaged   int    // finished segments in which something cannot be read
	Bytes     int64  // of all segments, as files
	FreeBytes int64  // where the directory is
	Oldest    uint64 // index that can be read
	Removed   uint64 // segments removed since the start
	// HeldBy is the reader that keeps retention from removing what it should; "" if there is none.
	HeldBy    string
	HeldBytes int64
}

// Stats returns the figures as of now.
func (j *Journal) Stats() Stats {
	s := Stats{
		Epoch: j.epoch, DurableIndex: j.durable.Load(),
		Entries: j.counts.entries.Load(), Batches: j.counts.batches.Load(), Commits: j.counts.commits.Load(), Bytes: j.counts.bytes.Load(),
		QueueBytes: j.queue.inUse() * j.queue.chunkBytes, Spilling: j.queue.spilling(), SpilledBytes: j.queue.spilled.Load() * uint64(j.queue.chunkBytes),
		Dropping: j.queue.dropping.Load(), Dropped: j.queue.dropped.Load(),
		Poisoned: j.counts.poisoned.Load(), MarkErrors: j.counts.markErrors.Load(), NoticesLost: j.counts.noticesLost.Load(),
		Kept: j.keeper.kept(),
	}
	if why := j.counts.stalled.Load(); why != nil {
		s.Stalled = *why
	}
	return s
}
