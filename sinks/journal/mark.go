package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path"

	"tidegate/internal/vfs"
)

// The mark tells readers in other processes what is durable. The writer writes it over in place after
// each sync and does not sync it: whenever it reaches the disk, what it says is true, if perhaps old.
//
//	0   8  "TIDEMARK"
//	8   8  journal id
//	16  8  epoch
//	24  8  durable index
//	32  4  CRC-32C of everything before
const (
	markName  = "durable.mark"
	markBytes = 36
	markMagic = "TIDEMARK"
)

type mark struct {
	journal, epoch, durable uint64
}

func (m mark) append(b []byte) []byte {
	start := len(b)
	b = append(b, markMagic...)
	b = binary.LittleEndian.AppendUint64(b, m.journal)
	b = binary.LittleEndian.AppendUint64(b, m.epoch)
	b = binary.LittleEndian.AppendUint64(b, m.durable)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

var errMark = errors.New("durable mark is damaged")

func (m *mark) parse(b []byte) error {
	if len(b) != markBytes || string(b[:8]) != markMagic || crc32.Checksum(b[:markBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[markBytes-4:]) {
		return errMark
	}
	m.journal = binary.LittleEndian.Uint64(b[8:])
	m.epoch = binary.LittleEndian.Uint64(b[16:])
	m.durable = binary.LittleEndian.Uint64(b[24:])
	return nil
}

// readMark reads the mark from an open file. Who reads while it is written finds it damaged, and reads
// again.
func readMark(f vfs.File) (m mark, err error) {
	var b []byte
	for range 3 {
		if b, err = readAt(f, b, markBytes+1, 0); err != nil {
			return m, err
		}
		if err = m.parse(b); err == nil {
			return m, nil
		}
	}
	return m, err
}

// loadMark reads the mark of a journal.
func loadMark(fsys vfs.FS, dir string) (m mark, err error) {
	f, err := fsys.Open(path.Join(dir, markName))
	if err != nil {
		return m, err
	}
	defer f.Close()
	return readMark(f)
}

// openMark opens the durable mark, and writes it.
func (w *writer) openMark() {
	j := w.j
	name := path.Join(j.cfg.Dir, markName)
	f, err := j.fs.OpenWrite(name)
	if err != nil {
		if f, err = j.fs.Create(name); err != nil {
			j.counts.markErrors.Add(1)
			j.notify(Upkeep, "durable mark cannot be written, readers in other processes will lag: %v", err)
			return
		}
	}
	w.mark = f
	w.writeMark()
}

// writeMark tells other processes what is durable. A failure makes them lag, and nothing else.
func (w *writer) writeMark() {
	if w.mark == nil {
		return
	}
	var b [markBytes]byte
	m := mark{journal: w.j.id, epoch: w.j.epoch, durable: w.safe.index - 1}
	if _, err := w.mark.WriteAt(m.append(b[:0]), 0); err != nil {
		w.j.counts.markErrors.Add(1)
	}
}
