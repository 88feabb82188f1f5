package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"tidegate/codec/itch50"
	"tidegate/market"
)

// Options say what a benchmark runs over.
type Options struct {
	Path     string // a file in BinaryFILE format, not compressed
	Runs     int    // passes over the file, at least 1
	Truth    *Truth // what the result must be; nil if nothing is known
	Progress func(run int, bytes int64)
}

// blockBytes is how much is read at a time. The clock is read twice per block.
const blockBytes = 1 << 20

// batchLen is how many messages are decoded before the first is applied.
const batchLen = 32

// A processor is what a benchmark measures.
type processor interface {
	// reset makes ready for another run. It is not measured.
	reset()
	// process handles the whole messages of a block and returns how many bytes they were.
	process(b []byte) (n int)
	// blockDone is called after each block. It is not measured.
	blockDone()
	// result returns the number of messages since reset and a hash of the result.
	result() (messages int, hash uint64)
}

// run drives p over the file and fills in what all benchmarks report.
func run(ctx context.Context, o Options, p processor, r *Report) error {
	if o.Runs < 1 {
		return fmt.Errorf("%s: runs %d: want at least 1", r.Name, o.Runs)
	}
	f, err := os.Open(o.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	defer f.Close()
	r.File, r.Input = o.Path, o.Truth
	buf := make([]byte, blockBytes)
	var first uint64
	for i := range o.Runs {
		p.reset()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		var progress func(int64) // nil: none
		if o.Progress != nil {
			progress = func(n int64) { o.Progress(i, n) }
		}
		one, err := pass(ctx, f, buf, p, progress)
		if err != nil {
			return fmt.Errorf("%s: run %d over %s: %w", r.Name, i+1, o.Path, err)
		}
		r.Runs = append(r.Runs, one.Run)
		messages, hash := p.result()
		if messages == 0 {
			return fmt.Errorf("%s: %s: no messages in it", r.Name, o.Path)
		}
		r.Messages, r.Bytes, r.Hash = messages, one.bytes, fmt.Sprintf("%016x", hash)
		if i == 0 {
			first = hash
		} else if hash != first {
			return fmt.Errorf("%s: run %d over %s: result %016x, and %016x in run 1", r.Name, i+1, o.Path, hash, first)
		}
	}
	r.summarize()
	r.ResidentMax = residentMax()
	r.Environment = environment()
	return nil
}

type passed struct {
	Run
	bytes int64
}

func pass(ctx context.Context, f io.Reader, buf []byte, p processor, progress func(int64)) (one passed, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	have := 0
	for eof := false; !eof; {
		if err := ctx.Err(); err != nil {
			return one, err
		}
		t0 := time.Now()
		n, err := io.ReadFull(f, buf[have:])
		if eof = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !eof {
			return one, err
		}
		have += n
		one.bytes += int64(n)
		t1 := time.Now()
		done := p.process(buf[:have])
		t2 := time.Now()
		if done == 0 && have == len(buf) {
			return one, fmt.Errorf("a block of %d bytes holds no message: not an ITCH 5.0 file, or damaged", have)
		}
		have = copy(buf, buf[done:have])
		one.ReadNanos += t1.Sub(t0).Nanoseconds()
		one.ProcessNanos += t2.Sub(t1).Nanoseconds()
		p.blockDone()
		if progress != nil { // what it allocates is not the measured code's
			runtime.ReadMemStats(&after)
			one.Mallocs += after.Mallocs - before.Mallocs
			progress(one.bytes)
			runtime.ReadMemStats(&before)
		}
	}
	runtime.ReadMemStats(&after)
	one.Mallocs += after.Mallocs - before.Mallocs
	// What remains is the end-of-session marker, or nothing.
	if have != 0 && (have != 2 || buf[0] != 0 || buf[1] != 0) {
		return one, fmt.Errorf("%d bytes remain that are no message", have)
	}
	return one, nil
}

// A decoder is the part that all benchmarks of ITCH files share: it takes the messages of a block
// apart and decodes them in batches.
type decoder struct {
	itch     itch50.Decoder
	batch    [batchLen]market.Update
	messages int
	verdicts [market.VerdictCount]int
}

// fill decodes messages from b until the batch is full or b ends. It returns how many updates the
// batch has, and the bytes used.
func (d *decoder) fill(b []byte) (updates, used int) {
	for updates < batchLen && len(b)-used > 2 {
		n := int(binary.BigEndian.Uint16(b[used:]))
		if n == 0 || len(b)-used-2 < n {
			break
		}
		msg := b[used+2:][:n]
		used += 2 + n
		d.messages++
		v := d.itch.Decode(msg, &d.batch[updates])
		if v == market.Applied {
			updates++
		} else {
			d.verdicts[v]++
		}
	}
	return updates, used
}

func (d *decoder) reset() {
	d.messages = 0
	d.verdicts = [market.VerdictCount]int{}
}

func (d *decoder) named() map[string]int {
	m := map[string]int{}
	for v, n := range d.verdicts {
		if n > 0 {
			m[market.Verdict(v).String()] = n
		}
	}
	return m
}
