package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"strings"

	"tidegate/internal/clock"
	"tidegate/internal/vfs"
	"tidegate/market"
)

// A Position is how far a named reader has come. It is a file of its own, replaced as a whole:
//
//	0   8  "TIDEREAD"
//	8   8  next index that the reader needs
//	16  8  when it said so
//	24  4  CRC-32C of everything before
//
// Retention keeps what a named reader still needs, so a reader that is gone for good must be
// unregistered.
type Position struct {
	Name string       `json:"name"`
	Next uint64       `json:"next"` // everything before it may go
	At   market.Nanos `json:"at"`   // when the reader said so; wall clock
	// Damaged: the file cannot be read. The reader is taken to need everything.
	Damaged bool `json:"damaged"`
}

const (
	positionExt   = ".reader"
	positionBytes = 28
	positionMagic = "TIDEREAD"
	readersMax    = 64
	nameMax       = 64
)

// ErrReaderName is wrapped by errors about the name of a reader.
var ErrReaderName = errors.New("want 1 to 64 letters, digits, '-' or '_'")

// ErrReadersMax is wrapped by the error of Register when 64 readers are registered.
var ErrReadersMax = errors.New("too many registered readers")

func checkName(name string) error {
	good := len(name) > 0 && len(name) <= nameMax
	for _, c := range []byte(name) {
		good = good && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !good {
		return fmt.Errorf("journal: reader name %q: %w", name, ErrReaderName)
	}
	return nil
}

func (p *Position) append(b []byte) []byte {
	start := len(b)
	b = append(b, positionMagic...)
	b = binary.LittleEndian.AppendUint64(b, p.Next)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.At))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func (p *Position) parse(b []byte) bool {
	if len(b) != positionBytes || string(b[:8]) != positionMagic ||
		crc32.Checksum(b[:positionBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[positionBytes-4:]) {
		return false
	}
	p.Next = binary.LittleEndian.Uint64(b[8:])
	p.At = market.Nanos(binary.LittleEndian.Uint64(b[16:]))
	return true
}

// readPosition reads one position. One that is damaged is no error.
func readPosition(fsys vfs.FS, dir, name string) (p Position, err error) {
	p.Name = name
	f, err := fsys.Open(path.Join(dir, name+positionExt))
	if err != nil {
		return p, err
	}
	defer f.Close()
	b, err := readAt(f, nil, positionBytes+1, 0)
	if err != nil {
		return p, err
	}
	if !p.parse(b) {
		p = Position{Name: name, At: market.UndefTime, Damaged: true}
	}
	return p, nil
}

// positions reads those of a directory, by name.
func (l *listing) positions(fsys vfs.FS, dir string) (all []Position, err error) {
	all = []Position{}
	for _, file := range sortedKeys(l.other) {
		name, ok := strings.CutSuffix(file, positionExt)
		if !ok || checkName(name) != nil {
			continue
		}
		p, err := readPosition(fsys, dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // unregistered meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("journal: position of reader %s: %w", name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// Positions returns the registered readers of a journal, by name.
func Positions(dir string) ([]Position, error) {
	l, err := list(vfs.Disk{}, dir)
	if err != nil {
		return nil, err
	}
	return l.positions(vfs.Disk{}, dir)
}

// Unregister removes a registered reader, so that retention does not wait for it any more. The error wraps
// fs.ErrNotExist if there is none of that name.
func Unregister(dir, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := (vfs.Disk{}).Remove(path.Join(dir, name+positionExt)); err != nil {
		return fmt.Errorf("journal: unregister reader %s: %w", name, err)
	}
	return vfs.Disk{}.SyncDir(dir)
}

// slowest returns the reader that needs the oldest entry; ok is false if there is no reader.
func slowest(all []Position) (p Position, ok bool) {
	for i, q := range all {
		if i == 0 || q.Next < p.Next {
			p = q
		}
	}
	return p, len(all) > 0
}

// Register gives the reader a name under which its position is kept, so that retention leaves what it
// needs. If the name has a position, the reader goes there; else it is where it is.
func (r *Reader) Register(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := r.refresh(); err != nil {
		return err
	}
	p, err := readPosition(r.fs, r.dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		all, err := r.l.positions(r.fs, r.dir)
		if err != nil {
			return err
		}
		if len(all) >= readersMax {
			return fmt.Errorf("journal: register reader %s: %w: %d", name, ErrReadersMax, len(all))
		}
		r.name = name
		return r.Done(r.next)
	case err != nil:
		return fmt.Errorf("journal: register reader %s: %w", name, err)
	case p.Damaged:
		p.Next = r.l.segments[0].base // nobody knows better: what was read may come again
	}
	r.name = name
	return r.SeekIndex(p.Next)
}

// Done says that the registered reader needs nothing before an index any more. A crash of the machine soon after
// may bring back the position before; what is needed from there on is kept until this one is on the disk for good.
func (r *Reader) Done(next uint64) error {
	if r.name == "" {
		return errors.New("journal: reader is not registered")
	}
	p := Position{Next: next, At: clock.Now()}
	if err := writeWhole(r.fs, r.dir, r.name+positionExt, p.append(nil)); err != nil {
		return fmt.Errorf("journal: position of reader %s: %w", r.name, err)
	}
	return nil
}
