//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tidegate/internal/vfs"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// bursts measures what becomes of a burst, on the disk as it is, and on one that is slower than the burst.
func (m *journalRun) bursts() error {
	o := m.opt
	slow := int64(slowFactor * o.BurstBase * (o.Payload + 16)) // an entry has 16 bytes of header
	for _, d := range []struct {
		name string
		fs   vfs.FS
	}{
		{"", nil},
		{", slow disk", &slowFS{FS: vfs.Disk{}, bytesPerSecond: slow}},
	} {
		m.progress("a burst%s", d.name)
		b, err := m.burst(d.fs)
		if err != nil {
			return fmt.Errorf("a burst%s: %w", d.name, err)
		}
		m.result.Figures = append(
			m.result.Figures,
			Figure{"burst" + d.name + ", memory taken beyond the queue", "MB", []float64{float64(b.spilled) / 1e6}},
			Figure{"burst" + d.name + ", most that waited", "MB", []float64{float64(b.waited) / 1e6}},
			Figure{"burst" + d.name + ", durable after its end", "s", []float64{b.after.Seconds()}},
		)
		m.result.Checked = append(m.result.Checked, fmt.Sprintf(
			"burst%s: %v of %d entries/s after and before %d/s, %d in all: no gap, read back with the hash of what was written",
			d.name, o.Burst, burstFactor*o.BurstBase, o.BurstBase, b.entries))
	}
	return nil
}

// A burst is what became of one.
type burst struct {
	entries uint64
	spilled uint64        // bytes
	waited  int           // bytes, the most at a time
	after   time.Duration // from its end until everything of it was durable
}

// burst gives a journal entries at the usual rate, then ten times faster, then as usual.
func (m *journalRun) burst(fs vfs.FS) (b burst, err error) {
	j, dir, err := m.open(journal.Config{FS: fs, QueueBytes: m.memory, SpillBytes: m.memory})
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, j.Close(context.WithoutCancel(m.ctx)), os.RemoveAll(dir)) }()
	payload := make([]byte, m.opt.Payload)
	pace := func(rate int, d time.Duration, each func()) error {
		began, sent := time.Now(), 0
		for now := time.Duration(0); now < d; now = time.Since(began) {
			for due := int(float64(rate) * min(now, d).Seconds()); sent < due; sent++ {
				b.entries++
				payloadOf(payload, b.entries)
				if _, kept := j.Append(journal.Header{At: market.Nanos(b.entries)}, payload); !kept {
					return fmt.Errorf("entry %d was dropped, with %d MB waiting", b.entries, j.Stats().QueueBytes/1e6)
				}
			}
			b.waited = max(b.waited, j.Stats().QueueBytes)
			each()
			if m.ctx.Err() != nil {
				return context.Cause(m.ctx)
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	nothing := func() {}
	if err := pace(m.opt.BurstBase, m.opt.Burst/4, nothing); err != nil {
		return b, err
	}
	if err := pace(burstFactor*m.opt.BurstBase, m.opt.Burst, nothing); err != nil {
		return b, err
	}
	last, end := b.entries, time.Now()
	if err := pace(m.opt.BurstBase, m.opt.Burst/4, func() {
		if b.after == 0 && j.DurableIndex() >= last {
			b.after = time.Since(end)
		}
	}); err != nil {
		return b, err
	}
	if b.after == 0 {
		if err := m.durable(j, last); err != nil {
			return b, err
		}
		b.after = time.Since(end)
	}
	if err := m.durable(j, b.entries); err != nil {
		return b, err
	}
	b.spilled = j.Stats().SpilledBytes
	return b, m.check(j, b.entries)
}

// slowFS is a disk that takes no more than so many bytes per second.
type slowFS struct {
	vfs.FS
	bytesPerSecond int64
}

// Create returns a file that is slow.
func (s *slowFS) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return &slowFile{File: f, fs: s}, nil
}

type slowFile struct {
	vfs.File
	fs      *slowFS
	written int64 // since the last sync
}

// WriteAt notes how much there is to sync.
func (f *slowFile) WriteAt(b []byte, at int64) (int, error) {
	f.written += int64(len(b))
	return f.File.WriteAt(b, at)
}

// Sync takes as long as the disk needs for what was written.
func (f *slowFile) Sync() error {
	began := time.Now()
	err := f.File.Sync()
	time.Sleep(time.Duration(float64(f.written)/float64(f.fs.bytesPerSecond)*1e9) - time.Since(began))
	f.written = 0
	return err
}
