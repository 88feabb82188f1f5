package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"tidegate/internal/vfs"
)

// pollEvery is how often a reader in another process looks whether there is something new.
const pollEvery = 5 * time.Millisecond

// markTail knows what is durable from the mark that the writer keeps.
type markTail struct {
	fs   vfs.FS
	dir  string
	file vfs.File // nil as long as there is no mark
}

func openMarkTail(fsys vfs.FS, dir string) (*markTail, error) {
	t := &markTail{fs: fsys, dir: dir}
	return t, t.open()
}

func (t *markTail) open() error {
	f, err := t.fs.Open(path.Join(t.dir, markName))
	if err == nil {
		t.file = f
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: open durable mark: %w", err)
	}
	return nil
}

// durableIndex reads the mark. Without one, or if it is damaged, every segment but the last is known to
// be durable.
func (t *markTail) durableIndex() (uint64, error) {
	if t.file == nil {
		if err := t.open(); err != nil {
			return 0, err
		}
	}
	if t.file != nil {
		m, err := readMark(t.file)
		if err == nil {
			return m.durable, nil
		}
		if !errors.Is(err, errMark) {
			return 0, fmt.Errorf("journal: read durable mark: %w", err)
		}
	}
	l, err := list(t.fs, t.dir)
	if err != nil {
		return 0, err
	}
	return l.segments[len(l.segments)-1].base - 1, nil
}

func (t *markTail) wait(ctx context.Context, index uint64) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		durable, err := t.durableIndex()
		if err != nil || durable >= index {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (t *markTail) close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
