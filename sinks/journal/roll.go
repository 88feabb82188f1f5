package journal

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"tidegate/internal/vfs"
)

// ErrNoSpace is wrapped by errors about free space that is below what a segment and the reserve need.
var ErrNoSpace = errors.New("not enough free space")

// begin makes the next segment. When it returns nil, the segment is on the disk with its name.
func (w *writer) begin() (err error) {
	j, dir := w.j, w.j.cfg.Dir
	free, err := j.fs.FreeBytes(dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if need := j.cfg.SegmentBytes + j.cfg.ReserveBytes; free < need {
		return fmt.Errorf("journal: %s: %w: %d MiB, want %d MiB for a segment and the reserve", dir, ErrNoSpace, free>>20, need>>20)
	}
	w.tidy()
	w.number++ // even if this fails: names are not used twice
	s := segmentFile{number: w.number, base: w.safe.index}
	h := segmentHeader{
		Journal: j.id, Number: s.number, Epoch: j.epoch, Base: s.base,
		Chain: w.chain, Latest: w.latest, Created: j.knobs.now(),
	}
	name := path.Join(dir, s.name())
	f, err := makeFile(j.fs, name+tempExt, h.append(nil), j.cfg.SegmentBytes)
	if err != nil {
		return fmt.Errorf("journal: make segment: %w", err)
	}
	if err = j.fs.Rename(name+tempExt, name); err == nil {
		err = j.fs.SyncDir(dir)
	}
	if err != nil {
		w.stale = append(w.stale, s) // it may have its name, or not
		return errors.Join(fmt.Errorf("journal: name segment: %w", err), f.Close(), removeIfThere(j.fs, name+tempExt))
	}
	w.file, w.base, w.end = f, s.base, segmentHeaderBytes
	j.live.Store(s.number)
	w.tidy()
	return nil
}

// tidy removes segments in which nothing counts. What cannot be removed does no harm: nothing in it is read.
func (w *writer) tidy() {
	live := w.j.live.Load()
	w.stale = slices.DeleteFunc(w.stale, func(s segmentFile) bool {
		if s.number == live {
			return false
		}
		_ = removeIfThere(w.j.fs, path.Join(w.j.cfg.Dir, s.name()))
		return true
	})
}

// makeFile makes a file of a length that begins with these bytes, and syncs it.
func makeFile(fsys vfs.FS, name string, head []byte, size int64) (vfs.File, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	if err = f.Preallocate(size); err == nil {
		if _, err = f.WriteAt(head, 0); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), removeIfThere(fsys, name))
	}
	return f, nil
}

// poison gives the segment up after a failed write or sync. What was durable in it stays and is read;
// what was not is in the queue and goes to a new segment. The kernel may have dropped pages of this
// one, and a sync that succeeds now would say nothing about them.
func (w *writer) poison(err error) error {
	j := w.j
	j.counts.poisoned.Add(1)
	s := segmentFile{number: w.number, base: w.base}
	err = fmt.Errorf("journal: write segment %s at byte %d: %w", s.name(), w.end, err)
	j.notify(SyncFailed, "%v; entries from index %d are written again to a new segment", err, w.safe.index)
	err = errors.Join(err, w.file.Close())
	w.file = nil
	if w.base == w.safe.index {
		w.stale = append(w.stale, s)
	}
	return err
}

// finish cuts the segment to its length and closes it. It is durable already: a failure costs space, or
// nothing.
func (w *writer) finish() {
	if w.file == nil {
		return
	}
	err := w.file.Truncate(w.end)
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		w.j.notify(Upkeep, "segment %d could not be cut to its length: %v", w.number, err)
	}
	w.file = nil
	w.j.keeper.nudge()
}
