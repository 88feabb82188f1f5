//go:build linux

package live

import (
	"encoding/binary"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tidegate/codec/moldudp64"
)

// A usage is what a process has used so far.
type usage struct {
	CPU      int64  // nanoseconds, user and system
	Mallocs  uint64 // heap allocations
	Resident int64  // bytes of memory, after a collection
}

func readUsage() usage {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: cpuOf(unix.RUSAGE_SELF), Mallocs: m.Mallocs, Resident: resident()}
}

// threadCPU returns the nanoseconds that the calling thread has used.
func threadCPU() int64 { return cpuOf(unix.RUSAGE_THREAD) }

func cpuOf(who int) int64 {
	var r unix.Rusage
	if unix.Getrusage(who, &r) != nil {
		return 0
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// resident returns the memory that the process has resident, in bytes; 0 where unknown.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// endOf returns the index behind the last message of a datagram.
func endOf(b []byte) int {
	p, err := moldudp64.Parse(b)
	if err != nil {
		return 0
	}
	return indexOf(p.Seq) + int(p.Count)
}

// writeTimes and readTimes keep a list of times in a file: 8 bytes each, little-endian.
func writeTimes(path string, lists ...[]int64) error {
	var b []byte
	for _, list := range lists {
		for _, t := range list {
			b = binary.LittleEndian.AppendUint64(b, uint64(t))
		}
	}
	return os.WriteFile(path, b, 0o600)
}

func readTimes(path string) ([]int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := make([]int64, len(b)/8)
	for i := range list {
		list[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return list, nil
}
