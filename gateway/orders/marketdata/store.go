package marketdata

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"tidegate/internal/vfs"
)

// recordLen is the length of a message in the file. The longest message that a gate sends has 44 bytes.
const recordLen = 48

// recentMax is how many messages stay in memory.
const recentMax = 1 << 14

type record [recordLen]byte

func (r *record) message() []byte { return r[1 : 1+min(int(r[0]), recordLen-1)] }

// A store keeps messages by number. One goroutine appends; any may read.
type store struct {
	file vfs.File

	mu      sync.Mutex
	recent  []record // a ring by number
	count   uint64   // messages that are known; those from before the start are in the file
	stored  uint64   // of those in the file
	before  uint64   // messages of before the start: they are not in memory
	served  bool     // messages may be read as they come; before, none may
	waiting bool     // somebody waits for changed
	changed chan struct{}
	scratch []byte
}

func openStore(fsys vfs.FS, dir string) (*store, error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("market data: %w", err)
	}
	name := path.Join(dir, "messages")
	f, err := fsys.OpenWrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = fsys.Create(name); err == nil {
			err = fsys.SyncDir(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("market data: %w", err)
	}
	return &store{file: f, recent: make([]record, recentMax), changed: make(chan struct{})}, nil
}

// append adds the message with a number. The first number after the start may be any that the file reaches to:
// what comes again is the same.
func (s *store) append(number uint64, msg []byte) error {
	if len(msg) >= recordLen {
		return fmt.Errorf("market data: message %d of %d bytes: want at most %d", number, len(msg), recordLen-1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == 0 {
		s.count, s.stored, s.before = number-1, number-1, number-1
	}
	if number != s.count+1 {
		return fmt.Errorf("market data: message %d after %d", number, s.count)
	}
	if s.count-s.stored == recentMax {
		if err := s.write(); err != nil {
			return err
		}
	}
	s.count++
	r := &s.recent[number%recentMax]
	*r = record{byte(len(msg))}
	copy(r[1:], msg)
	if s.waiting && s.served {
		s.tell()
	}
	return nil
}

// tell wakes whoever waits.
func (s *store) tell() {
	close(s.changed)
	s.changed, s.waiting = make(chan struct{}), false
}

// serve lets messages be read, of which there are count.
func (s *store) serve(count uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == 0 {
		s.count, s.stored, s.before = count, count, count
	}
	size, err := s.file.Size()
	switch {
	case err != nil:
		return fmt.Errorf("market data: %w", err)
	case s.count != count:
		return fmt.Errorf("market data: %d messages, and the gate has made %d", s.count, count)
	case uint64(size) < s.stored*recordLen:
		return fmt.Errorf("market data: the file has %d bytes, and %d messages were made before: it is another gate's, or damaged", size, s.stored)
	}
	s.served = true
	s.tell()
	return nil
}

// write writes the messages that are not in the file yet.
func (s *store) write() error {
	b := s.scratch[:0]
	for n := s.stored + 1; n <= s.count; n++ {
		b = append(b, s.recent[n%recentMax][:]...)
	}
	s.scratch = b
	if len(b) == 0 {
		return nil
	}
	if _, err := s.file.WriteAt(b, int64(s.stored)*recordLen); err != nil {
		return fmt.Errorf("market data: %w", err)
	}
	s.stored = s.count
	return nil
}

// sync writes everything down.
func (s *store) sync() error {
	s.mu.Lock()
	err := s.write()
	s.mu.Unlock()
	if err == nil {
		err = s.file.Sync()
	}
	return err
}

// next returns the number of the next message.
func (s *store) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.served {
		return 1
	}
	return s.count + 1
}

// read copies messages from a number on into dst and returns how many there were, at most len(dst). If there is
// none yet, more is closed when there may be.
func (s *store) read(from uint64, dst []record) (n int, more <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.served || from > s.count {
		s.waiting = true
		return 0, s.changed, nil
	}
	last := min(s.count, from+uint64(len(dst))-1)
	if oldest := max(s.count, recentMax) - recentMax + 1; from >= oldest && from > s.before {
		for ; from <= last; from++ {
			dst[n] = s.recent[from%recentMax]
			n++
		}
		return n, nil, nil
	}
	last = min(last, s.stored)
	b := make([]byte, (last-from+1)*recordLen)
	if _, err := s.file.ReadAt(b, int64(from-1)*recordLen); err != nil {
		return 0, nil, fmt.Errorf("market data: read from message %d: %w", from, err)
	}
	for ; len(b) > 0; b = b[recordLen:] {
		dst[n] = record(b)
		n++
	}
	return n, nil, nil
}
