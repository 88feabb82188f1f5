package journal

import (
	"errors"
	"fmt"
)

// ID returns the journal's id: drawn once, when the journal was made, so that who keeps positions
// elsewhere can tell journals apart.
func (r *Reader) ID() (uint64, error) {
	if m, err := loadMark(r.fs, r.dir); err == nil {
		return m.journal, nil
	}
	if err := r.refresh(); err != nil {
		return 0, err
	}
	var why error
	for _, s := range r.l.segments {
		id, err := r.idOf(s)
		if err == nil {
			return id, nil
		}
		why = errors.Join(why, err)
	}
	return 0, fmt.Errorf("journal: id of %s: %w", r.dir, why)
}

func (r *Reader) idOf(s segmentFile) (uint64, error) {
	file, err := openSegment(r.fs, r.dir, s)
	if err != nil {
		return 0, err
	}
	h, bad, err := readSegmentHeader(file, s)
	return h.Journal, errors.Join(bad, err, file.Close())
}
