package replay

import (
	"errors"
	"fmt"
	"io"

	"tidegate/codec/pcap"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// ErrNotCapture is returned (wrapped) for a directory that holds a journal of what was published, not a capture
// of what came in.
var ErrNotCapture = errors.New("a journal of what was published: it is exported, not replayed")

// ErrNoEpoch is returned (wrapped) for an epoch that a directory of segments does not have.
var ErrNoEpoch = errors.New("no such epoch")

// A container is what an input is read from.
type container interface {
	Size() int64         // in bytes, compressed as it is
	Consumed() int64     // of these
	Compression() string // for the summary
	Close() error
}

// openDirectory opens a directory of segments.
func openDirectory(r *run, number int, path string) (source, error) {
	reader, note, err := openSegments(path, r.opt.Epoch)
	if errors.Is(err, journal.ErrNoJournal) {
		return nil, fmt.Errorf("%s: is a directory, but not one of the segments of a capture", path)
	}
	if err != nil {
		return nil, err
	}
	s := &captureSource{in: input{path: path, kind: "capture", file: reader}, run: r, number: number, reader: reader}
	if note != "" {
		s.in.notes = append(s.in.notes, note)
	}
	if err = s.begin(); err == nil && s.failed != nil && !errors.Is(s.failed, io.EOF) {
		err = s.failed // nothing was read before it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), reader.Close())
	}
	return s, nil
}

// A segmentReader reads one recording of a directory of segments, an epoch of its journal, as package capture
// makes it.
type segmentReader struct {
	journal *journal.Reader
	first   uint64 // index
	last    uint64
	bytes   int64 // of the epoch's segments, as files

	entry    journal.Entry
	datagram entry.Datagram
	whole    bool   // the beginning is there: heads say nothing new
	inHead   bool   // the head that is being read is where the replay begins
	skipped  uint64 // datagrams before the first head
	dropped  uint64 // entries that were not recorded
	damaged  uint64 // entries that cannot be read
}

// openSegments opens the recording of an epoch; 0 is the last one. It returns a note if there are others.
func openSegments(dir string, epoch uint64) (s *segmentReader, note string, err error) {
	state, err := journal.Stat(dir)
	if err != nil {
		return nil, "", err
	}
	s = &segmentReader{}
	oldest, newest := uint64(0), uint64(0)
	for i := range state.Segments {
		h := &state.Segments[i]
		if h.Epoch == 0 {
			continue // its header is damaged: it is read with those beside it
		}
		if oldest == 0 {
			oldest = h.Epoch
		}
		newest = h.Epoch
	}
	if epoch == 0 {
		epoch = newest
	}
	of := uint64(0)
	for i := range state.Segments {
		h := &state.Segments[i]
		if h.Epoch != 0 {
			of = h.Epoch
		}
		if of != epoch {
			continue
		}
		if s.first == 0 {
			s.first = h.First
		}
		s.last = h.Last
		s.bytes += h.Bytes
	}
	if s.first == 0 {
		return nil, "", fmt.Errorf("%s: epoch %d: %w: there are %d to %d", dir, epoch, ErrNoEpoch, oldest, newest)
	}
	if oldest != newest {
		note = fmt.Sprintf("epoch %d of %d to %d", epoch, oldest, newest)
	}
	if s.journal, err = journal.OpenReader(dir); err != nil {
		return nil, "", err
	}
	if err := s.journal.SeekIndex(s.first); err != nil {
		return nil, "", errors.Join(err, s.journal.Close())
	}
	return s, note, nil
}

// fromSegments reports whether a source is a directory of segments.
func fromSegments(s source) bool {
	c, ok := s.(*captureSource)
	if !ok {
		return false
	}
	_, ok = c.reader.(*segmentReader)
	return ok
}

// Next is what a pcap.Reader's is.
func (s *segmentReader) Next(d *pcap.Datagram) error {
	for s.journal.Position() <= s.last {
		outcome, err := s.journal.Next(&s.entry)
		switch {
		case err != nil:
			return err
		case outcome == journal.Empty:
			return io.EOF
		case outcome == journal.Lost:
			g := s.journal.Gap()
			s.dropped += g.Count()
			continue
		case outcome == journal.Broken:
			h := s.journal.Hole()
			s.damaged += h.Count()
			continue
		}
		ok, err := s.take()
		if err != nil {
			return fmt.Errorf("entry %d: %w", s.entry.Index, err)
		}
		if ok {
			*d = pcap.Datagram{TsRecv: s.entry.At, Src: s.datagram.Src, Dst: s.datagram.Dst, Payload: s.datagram.Payload}
			return nil
		}
	}
	return io.EOF
}

// take says whether the entry is a datagram to be delivered.
func (s *segmentReader) take() (ok bool, err error) {
	e := &s.entry
	switch e.Kind {
	case entry.KindStart:
		if len(e.Payload) < 1 || e.Payload[0] != entry.CaptureVersion {
			return false, fmt.Errorf("recording is of version %x, and this program knows %d", e.Payload, entry.CaptureVersion)
		}
		s.whole = true
		return false, nil
	case entry.KindHead:
		if s.whole {
			return false, nil
		}
		s.inHead = true
	case entry.KindDatagram:
		if s.inHead {
			s.whole, s.inHead = true, false // from here on
		}
		if !s.whole {
			s.skipped++
			return false, nil
		}
	default:
		return false, ErrNotCapture
	}
	return true, s.datagram.Parse(e.Payload)
}

// notes are remarks for the summary.
func (s *segmentReader) notes() (all []string) {
	if s.skipped > 0 {
		all = append(all, fmt.Sprintf("the beginning was removed by retention: replayed from where the recording says again what it is, %d datagrams later", s.skipped))
	}
	return all
}

// What a file is to an input, a directory is here.

// Size returns the bytes of the segments.
func (s *segmentReader) Size() int64 { return s.bytes }

// Consumed returns how many of them were read, about.
func (s *segmentReader) Consumed() int64 {
	if s.last < s.first {
		return s.bytes
	}
	return int64(float64(s.bytes) * float64(s.journal.Position()-s.first) / float64(s.last-s.first+1))
}

// Compression says that it is a directory: some of its segments are packed, some are not.
func (s *segmentReader) Compression() string { return "segments" }

// Close closes the journal.
func (s *segmentReader) Close() error { return s.journal.Close() }
