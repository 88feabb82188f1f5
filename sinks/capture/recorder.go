package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"tidegate/codec/pcap"
	"tidegate/internal/clock"
	"tidegate/internal/vfs"
	"tidegate/market"
	"tidegate/sinks/entry"
)

// ErrStopped is wrapped by the error of a recording that ended because its file could not be written.
var ErrStopped = errors.New("recording has stopped")

// Config says what to record, and how. Path or Dir says where.
type Config struct {
	// Path is the pcap file to create. A file that exists is never touched.
	Path string
	// Dir is the directory of segments. It is made if it is missing; recordings that are in it stay.
	Dir string
	// QueueBytes is how much waits for the disk at most: datagrams, and 24 bytes for each. It is
	// rounded up to a power of two. 0: 32 MiB.
	QueueBytes int
	// FlushEvery is how much of the recording a crash may cost: of this process, or, with segments, of the
	// machine. 0: 100 ms.
	FlushEvery time.Duration
	// Alarm, if set, is called once, on the recorder's goroutine, when recording to a file stops before its
	// time.
	Alarm func(error)

	// What follows is for segments.

	// SpillBytes is how much more waits while the disk lags. 0: 256 MiB.
	SpillBytes int
	// RetainAge and RetainBytes limit how long segments are kept. 0: no limit.
	RetainAge   time.Duration
	RetainBytes int64
	// Head, if set, is asked on the goroutine of Tap, each HeadEvery bytes, for what is recorded again so that a
	// replay can begin there when the beginning is gone. 0: 64 MiB.
	Head      HeadFunc
	HeadEvery int
	// Notify, if set, is called with what an operator should know. alarm: datagrams are lost or in danger.
	Notify func(alarm bool, text string)

	// For tests of this package.
	fs                         vfs.FS
	segmentBytes, reserveBytes int64
}

// Defaults and limits.
const (
	queueBytesDefault = 32 << 20
	queueBytesMin     = 128 << 10 // the longest datagram, twice
	queueBytesMax     = 1 << 30
	flushEveryDefault = 100 * time.Millisecond
	writeBytes        = 1 << 20 // collected for one write
)

// Validate returns an error that names the first field that makes no sense.
func (c Config) Validate() error {
	if (c.Path == "") == (c.Dir == "") {
		return errors.New("want a file or a directory")
	}
	if c.RetainAge < 0 || c.RetainBytes < 0 || c.HeadEvery < 0 {
		return errors.New("a limit is negative")
	}
	if c.QueueBytes != 0 && (c.QueueBytes < queueBytesMin || c.QueueBytes > queueBytesMax) {
		return fmt.Errorf("queue bytes %d: want %d to %d", c.QueueBytes, queueBytesMin, queueBytesMax)
	}
	if c.FlushEvery != 0 && (c.FlushEvery < time.Millisecond || c.FlushEvery > time.Minute) {
		return fmt.Errorf("flush every %s: want 1 ms to 1 min", c.FlushEvery)
	}
	return nil
}

// file is what a Recorder needs of an *os.File.
type file interface {
	io.Writer
	io.Closer
	Truncate(size int64) error
}

// A Recorder records datagrams to a file, or to segments. Tap belongs to one goroutine, Run to another; Stats is
// for everybody.
type Recorder struct {
	cfg      Config
	segments *segments // nil: to a file, which is what the other fields are for

	file  file
	queue *queue
	ready chan struct{} // the queue fills up: do not wait for the flush

	// Counters; see Stats.
	taken        atomic.Uint64 // written by Tap
	dropped      atomic.Uint64 // written by both
	unrecordable atomic.Uint64 // written by both

	_      [64]byte
	closed atomic.Bool // written by Run: nothing will be recorded any more

	// Written by Run.
	recorded atomic.Uint64
	size     atomic.Int64
	failed   atomic.Bool

	// Owned by Run's goroutine.
	at     uint64 // position in the queue
	writer *pcap.Writer
	buffer buffer
}

// buffer collects whole records.
type buffer struct {
	bytes   []byte
	records uint64
}

// Write appends one record.
func (b *buffer) Write(p []byte) (int, error) {
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

// Create creates the file, with its header, and the queue; or opens the directory, and begins a recording there.
func Create(c Config) (*Recorder, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	if c.Dir != "" {
		r := &Recorder{cfg: c}
		var err error
		if r.segments, err = openSegments(&r.cfg); err != nil {
			return nil, fmt.Errorf("capture: %w", err)
		}
		r.segments.begin(clock.Now())
		return r, nil
	}
	f, err := os.OpenFile(c.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	r, err := newRecorder(c, f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("capture: %w", err), f.Close(), os.Remove(c.Path))
	}
	return r, nil
}

func newRecorder(c Config, f file) (*Recorder, error) {
	if c.QueueBytes == 0 {
		c.QueueBytes = queueBytesDefault
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = flushEveryDefault
	}
	r := &Recorder{
		cfg: c, file: f, ready: make(chan struct{}, 1),
		queue: newQueue(1 << bits.Len(uint(c.QueueBytes-1))),
	}
	r.buffer.bytes = make([]byte, 0, writeBytes+128<<10)
	var err error
	if r.writer, err = pcap.NewWriter(&r.buffer); err == nil {
		err = r.flush()
	}
	return r, err
}

// Tap records a datagram to dst from src, received at stamp. It copies payload, never waits and never
// allocates. What it cannot take is counted: see Stats. Its arguments are those of lines.Tap.
func (r *Recorder) Tap(dst, src netip.AddrPort, stamp market.Nanos, payload []byte) {
	if r.segments != nil {
		r.segments.tap(&entry.Datagram{Src: src, Dst: dst, Payload: payload}, stamp)
		return
	}
	r.taken.Add(1)
	e := queued{
		dst:     netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port()),
		src:     netip.AddrPortFrom(src.Addr().Unmap(), src.Port()),
		stamp:   stamp,
		payload: payload,
	}
	if !e.dst.Addr().Is4() || !e.src.Addr().Is4() {
		r.unrecordable.Add(1)
		return
	}
	if r.closed.Load() || !r.queue.put(e) {
		r.dropped.Add(1)
		return
	}
	if r.queue.crowded() {
		select {
		case r.ready <- struct{}{}:
		default: // it knows
		}
	}
}

// Run writes what Tap takes to the file. When ctx ends it writes what is in the queue and closes the
// file, so end whoever calls Tap first. It returns nil after a clean stop, else the error that stopped
// the recording, which then ends with the last whole record that was written; Run still waits for ctx,
// and the datagrams that come meanwhile are counted as dropped. With segments it goes on by itself when the disk
// can be written again, and the error says what could not be at the end.
func (r *Recorder) Run(ctx context.Context) error {
	if r.segments != nil {
		return r.segments.run(ctx)
	}
	timer := time.NewTicker(r.cfg.FlushEvery)
	defer timer.Stop()
	var err error
	for err == nil {
		select {
		case <-ctx.Done():
			r.closed.Store(true)
			err = r.drain()
			if cerr := r.file.Close(); err == nil && cerr != nil {
				err = cerr
			}
			return r.stopped(err)
		case <-timer.C:
		case <-r.ready:
		}
		err = r.drain()
	}
	r.closed.Store(true)
	err = r.stopped(errors.Join(err, r.file.Close()))
	<-ctx.Done()
	r.discard()
	return err
}

// Discard ends a recording that never began: nobody has called Run. The name of a file is free again.
func (r *Recorder) Discard() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := r.Run(ctx)
	if r.segments == nil {
		err = errors.Join(err, os.Remove(r.cfg.Path))
	}
	return err
}

// stopped raises the alarm, if there is one to raise.
func (r *Recorder) stopped(err error) error {
	if err == nil {
		return nil
	}
	r.failed.Store(true)
	err = fmt.Errorf("capture: %s: %w: %w", r.cfg.Path, ErrStopped, err)
	if r.cfg.Alarm != nil {
		r.cfg.Alarm(err)
	}
	return err
}

// drain writes what is in the queue.
func (r *Recorder) drain() error {
	for {
		e, end, ok := r.queue.take(r.at)
		if !ok {
			return r.flush()
		}
		if err := r.writer.Write(e.stamp, e.src, e.dst, e.payload); err != nil {
			r.unrecordable.Add(1) // a time before 1970, or a payload longer than UDP has
		} else {
			r.buffer.records++
		}
		r.at = end
		if len(r.buffer.bytes) >= writeBytes {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
}

// discard counts what is in the queue as dropped.
func (r *Recorder) discard() {
	for {
		_, end, ok := r.queue.take(r.at)
		if !ok {
			break
		}
		r.dropped.Add(1)
		r.at = end
	}
	r.queue.free(r.at)
}

// flush writes the buffer to the file: all of it, or nothing.
func (r *Recorder) flush() error {
	r.queue.free(r.at) // the buffer has copies
	if len(r.buffer.bytes) == 0 {
		return nil
	}
	if _, err := r.file.Write(r.buffer.bytes); err != nil {
		r.dropped.Add(r.buffer.records)
		// Take off the part of a record that may be there, so that readers find no damage.
		return errors.Join(err, r.file.Truncate(r.size.Load()))
	}
	r.size.Add(int64(len(r.buffer.bytes)))
	r.recorded.Add(r.buffer.records)
	r.buffer = buffer{bytes: r.buffer.bytes[:0]}
	return nil
}

// Stats says what became of the datagrams given to Tap.
type Stats struct {
	Taken        uint64 // by Tap
	Recorded     uint64 // in the file; in segments, durable
	Dropped      uint64 // because the queue was full, or recording had stopped
	Unrecordable uint64 // not IPv4, or with a time that the file format cannot hold
	Waiting      uint64 // bytes in the queue
	Bytes        int64  // of the file, or written to segments
	Failed       bool   // recording stopped before its time; with segments, it waits for the disk
}

// Stats returns the counters as of now. Any goroutine may call it.
func (r *Recorder) Stats() Stats {
	if r.segments != nil {
		return r.segments.stats()
	}
	return Stats{
		Taken: r.taken.Load(), Recorded: r.recorded.Load(), Dropped: r.dropped.Load(),
		Unrecordable: r.unrecordable.Load(), Waiting: r.queue.waiting(), Bytes: r.size.Load(),
		Failed: r.failed.Load(),
	}
}
