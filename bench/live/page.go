//go:build linux

package live

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A page is memory that the processes of a run share: how far whoever is slowest has come. A sender
// that floods looks there, so that nothing is lost and queues stay short.
type page struct {
	mem     []byte
	reached *atomic.Int64 // messages; written by the one process that the sender waits for
}

const pageBytes = 4096

// createPage makes the file that openPage opens.
func createPage(path string) error {
	if err := os.WriteFile(path, make([]byte, pageBytes), 0o600); err != nil {
		return fmt.Errorf("create shared page: %w", err)
	}
	return nil
}

func openPage(path string) (*page, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open shared page: %w", err)
	}
	defer f.Close() // the mapping stays
	mem, err := unix.Mmap(int(f.Fd()), 0, pageBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map shared page %s: %w", path, err)
	}
	return &page{mem: mem, reached: (*atomic.Int64)(unsafe.Pointer(&mem[0]))}, nil
}

func (p *page) close() { _ = unix.Munmap(p.mem) } // the process ends anyway
