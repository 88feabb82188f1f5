package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// recovered is where a journal goes on.
type recovered struct {
	journal uint64
	epoch   uint64 // the last one there was
	number  uint64 // of the last segment
	next    uint64 // index
	chain   uint64
	latest  market.Nanos
	empty   *segmentFile // a last segment without entries, which is to be removed
}

// ErrDamaged is wrapped by the error of Open about a journal that cannot be recovered by itself.
var ErrDamaged = errors.New("journal is damaged")

// recover finds out where the journal ends. It scans the last segment, sets aside and cuts off what is
// behind the last batch that counts, and syncs what is left: it may have been written without being
// synced, by a process that was killed. Nothing before the cut is altered.
func (j *Journal) recover() (*recovered, error) {
	dir := j.cfg.Dir
	l, err := list(j.fs, dir)
	if errors.Is(err, ErrNoJournal) {
		if err := j.fs.SyncDir(path.Dir(path.Clean(dir))); err != nil {
			return nil, fmt.Errorf("journal: make %s: %w", dir, err)
		}
		id := j.knobs.id()
		return &recovered{journal: id, next: 1, chain: id, latest: noTime}, j.removeTemps(l)
	}
	if err != nil {
		return nil, err
	}
	if err := j.removeTemps(l); err != nil {
		return nil, err
	}
	r, err := j.recoverLast(&l)
	if err != nil {
		return nil, fmt.Errorf("journal: recover %s: %w", dir, err)
	}
	return r, nil
}

// removeTemps removes what was being made when the journal ended.
func (j *Journal) removeTemps(l listing) error {
	for _, name := range sortedKeys(l.other) {
		if strings.HasSuffix(name, tempExt) {
			if err := j.fs.Remove(path.Join(j.cfg.Dir, name)); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
		}
	}
	for _, s := range l.doubles {
		if err := j.fs.Remove(path.Join(j.cfg.Dir, s.name())); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

func (j *Journal) recoverLast(l *listing) (*recovered, error) {
	dir, last := j.cfg.Dir, l.segments[len(l.segments)-1]
	m, _ := loadMark(j.fs, dir) // without one, or with one that is damaged, nothing is known
	file, err := openSegment(j.fs, dir, last)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s, h, bad, err := newScanner(file, last)
	if err != nil {
		return nil, err
	}
	if errors.Is(bad, errVersion) {
		return nil, fmt.Errorf("%s: %w: use a newer version of this program", last.name(), bad)
	}
	r := &recovered{journal: h.Journal, epoch: max(h.Epoch, m.epoch), number: last.number, latest: h.Latest}
	if bad != nil {
		j.notify(Damage, "%s: %v; its batches are read nevertheless", last.name(), bad)
		if r.latest, err = latestBefore(j.fs, dir, l, len(l.segments)-1); err != nil {
			return nil, err
		}
	}
	s.recovering = true
	if m.journal == h.Journal || bad != nil {
		s.must = m.durable
	}
	holes := 0
	for {
		found, err := s.step(whole)
		if err != nil {
			return nil, err
		}
		if found == foundEnd {
			break
		}
		if found == foundHole {
			holes++
			s.hole.Segment = last.name()
			j.notify(Damage, "%v", s.hole)
			continue
		}
		r.latest, r.epoch = max(r.latest, s.head.Latest), max(r.epoch, s.head.Epoch)
	}
	r.next, r.chain = s.next, s.chain
	if r.journal = s.journal; r.journal == 0 {
		return nil, fmt.Errorf("%w: %s has neither a header nor a batch: move it away", ErrDamaged, last.name())
	}
	if err := j.cutTail(last, s); err != nil {
		return nil, err
	}
	if r.next == last.base && holes == 0 && !last.packed {
		r.empty = &last
	}
	return r, nil
}

// newScanner returns a scanner of all of an open segment, with what its header says; bad says what is
// wrong with the header.
func newScanner(file contents, seg segmentFile) (s *scanner, h segmentHeader, bad, err error) {
	size, err := file.Size()
	if err != nil {
		return nil, h, nil, err
	}
	if h, bad, err = readSegmentHeader(file, seg); err != nil {
		return nil, h, nil, err
	}
	s = &scanner{
		file: file, size: size, segment: seg.number, stop: math.MaxUint64,
		place: place{offset: segmentHeaderBytes, next: seg.base},
	}
	if bad == nil {
		s.journal, s.chain, s.chained = h.Journal, h.Chain, true
	} else {
		h = segmentHeader{}
	}
	return s, h, bad, nil
}

// latestBefore returns the latest receive time of everything before segment i, whose header does not say.
func latestBefore(fsys vfs.FS, dir string, l *listing, i int) (latest market.Nanos, err error) {
	for latest = noTime; i > 0; {
		i--
		file, err := openSegment(fsys, dir, l.segments[i])
		if err != nil {
			return 0, err
		}
		x, h, _, err := scanIndex(file, l, i)
		if err = errors.Join(err, file.Close()); err != nil {
			return 0, err
		}
		latest = max(latest, x.latest)
		if h.Number != 0 { // it says what was before it
			break
		}
	}
	return latest, nil
}

// cutTail sets aside what is behind the last batch that counts, and cuts it off.
func (j *Journal) cutTail(last segmentFile, s *scanner) error {
	if last.packed {
		return nil // it was finished and synced
	}
	name := path.Join(j.cfg.Dir, last.name())
	f, err := j.fs.OpenWrite(name)
	if err != nil {
		return err
	}
	err = func() error {
		end, err := s.dataEnd(s.offset)
		if err != nil {
			return err
		}
		if torn := end - s.offset; torn > 0 {
			aside := last.stem() + tornExt
			if err := j.copyAside(f, aside, s.offset, torn); err != nil {
				return err
			}
			j.notify(Recovered, "%s: the journal ends at index %d; %d bytes behind it that were never synced are in %s: %v", last.name(), s.next-1, torn, aside, s.cut)
		}
		if end > s.offset || s.size > s.offset {
			if err := f.Truncate(s.offset); err != nil {
				return err
			}
		}
		return f.Sync()
	}()
	return errors.Join(err, f.Close())
}

// copyAside copies bytes of a file into one of their own.
func (j *Journal) copyAside(f vfs.File, name string, offset, n int64) (err error) {
	dir := j.cfg.Dir
	temp := path.Join(dir, name+tempExt)
	to, err := j.fs.Create(temp)
	if err != nil {
		return err
	}
	var b []byte
	for at := int64(0); at < n && err == nil; at += int64(len(b)) {
		if b, err = readAt(f, b, int(min(n-at, resyncBytes)), offset+at); err == nil {
			_, err = to.WriteAt(b, at)
		}
	}
	if err == nil {
		err = to.Sync()
	}
	err = errors.Join(err, to.Close())
	if err == nil {
		err = j.fs.Rename(temp, path.Join(dir, name))
	}
	if err == nil {
		err = j.fs.SyncDir(dir)
	}
	return err
}

func removeIfThere(fsys vfs.FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func sortedKeys(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }
