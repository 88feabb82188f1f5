//go:build linux

package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"tidegate/internal/vfs"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// JournalOptions are those of RunJournal.
type JournalOptions struct {
	Rounds  int `json:"rounds"`
	Entries int `json:"entries"` // of each round
	Payload int `json:"payload_bytes"`
	// BurstBase is the usual rate of entries per second that the bursts are ten times of; 0: there are none.
	BurstBase int           `json:"burst_base"`
	Burst     time.Duration `json:"burst_ns"`
	// Dir is where the directories are made that are measured in. "": where temporary files go.
	Dir string `json:"dir"`
	// Progress is told what is being measured; nil for nobody.
	Progress func(what string) `json:"-"`
}

// DefaultJournal are the options that published figures are about.
func DefaultJournal() JournalOptions {
	return JournalOptions{Rounds: 9, Entries: 4_000_000, Payload: 56, BurstBase: 200_000, Burst: 2 * time.Second}
}

// burstFactor is how much faster than usual entries come in a burst; slowFactor is how much faster than usual
// the slow disk takes them.
const (
	burstFactor = 10
	slowFactor  = 3
)

// Validate says what is wrong with o.
func (o *JournalOptions) Validate() error {
	switch {
	case o.Rounds < 1 || o.Rounds > 1000:
		return fmt.Errorf("journal: rounds %d: want 1 to 1000", o.Rounds)
	case o.Entries < 1000 || o.Entries > 1e9:
		return fmt.Errorf("journal: %d entries: want 1000 to 1e9", o.Entries)
	case o.Payload < 16 || o.Payload > journal.PayloadMax:
		return fmt.Errorf("journal: payload of %d bytes: want 16 to %d", o.Payload, journal.PayloadMax)
	case o.BurstBase != 0 && (o.BurstBase < 1000 || o.BurstBase > 1e7):
		return fmt.Errorf("journal: a usual rate of %d entries/s: want 1000 to 1e7, or 0", o.BurstBase)
	case o.BurstBase != 0 && (o.Burst < 100*time.Millisecond || o.Burst > time.Minute):
		return fmt.Errorf("journal: a burst of %v: want 100ms to 1m", o.Burst)
	}
	return nil
}

// RunJournal measures how fast the journal makes entries durable, beside a loop that writes as many bytes to
// files like its segments and syncs as often, and what becomes of bursts. Every entry is read back.
func RunJournal(ctx context.Context, o JournalOptions) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r, err := newResult("journal", &o)
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp(o.Dir, "tidegate-bench-")
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	m := &journalRun{opt: &o, ctx: ctx, root: root, result: r}
	if err = m.throughput(); err == nil && o.BurstBase > 0 {
		err = m.bursts()
	}
	if err = errors.Join(err, os.RemoveAll(root)); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return r, nil
}

type journalRun struct {
	opt    *JournalOptions
	ctx    context.Context
	root   string
	result *Result
	writes journalWrites // of the round before
	memory int           // of queue, and of spill, of bursts, in bytes; 0: the journal's default. For tests
}

// journalWrites is what a journal wrote.
type journalWrites struct {
	bytes, commits uint64
}

func (m *journalRun) progress(format string, args ...any) {
	if m.opt.Progress != nil {
		m.opt.Progress(fmt.Sprintf(format, args...))
	}
}

// throughput measures journal and bare loop in turn.
func (m *journalRun) throughput() error {
	var entries, payload, journalBytes, bareBytes, size []float64
	err := inTurn(m.opt.Rounds, []string{"journal", "bare loop"}, func(round int, what string) error {
		m.progress("round %d of %d: %s", round+1, m.opt.Rounds, what)
		if what == "bare loop" {
			seconds, err := m.bare()
			bareBytes = append(bareBytes, float64(m.writes.bytes)/seconds/1e6)
			return err
		}
		seconds, err := m.fill()
		w := m.writes
		entries = append(entries, float64(m.opt.Entries)/seconds)
		payload = append(payload, float64(m.opt.Entries*m.opt.Payload)/seconds/1e6)
		journalBytes = append(journalBytes, float64(w.bytes)/seconds/1e6)
		size = append(size, float64(w.bytes)/float64(w.commits)/1e6)
		return err
	})
	if err != nil {
		return err
	}
	m.result.Figures = append(
		m.result.Figures,
		Figure{"journal, entries durable", "entries/s", entries},
		Figure{"journal, payload", "MB/s", payload},
		Figure{"journal, written", "MB/s", journalBytes},
		Figure{"bare write and fdatasync", "MB/s", bareBytes},
		Figure{"written for each sync", "MB", size},
	)
	m.result.Ratios = append(m.result.Ratios, Ratio{Name: "journal / bare write and fdatasync", Rounds: perRound(journalBytes, bareBytes), Mark: 0.8, AtLeast: true})
	m.result.Checked = append(m.result.Checked, fmt.Sprintf("%d entries of %d bytes in every round, durable, none dropped, read back with the hash of what was written", m.opt.Entries, m.opt.Payload))
	return nil
}

// open opens a journal in a directory of its own. Finished segments are left as they are: packing is work that
// the bare loop does not have.
func (m *journalRun) open(c journal.Config) (*journal.Journal, string, error) {
	c.Dir, c.PlainSegments, c.ReserveBytes = filepath.Join(m.root, "journal"), 1<<20, 1
	j, err := journal.Open(c)
	return j, c.Dir, err
}

// payloadOf writes the payload of an entry. Any two differ.
func payloadOf(p []byte, index uint64) {
	for at := 0; at+16 <= len(p); at += 16 {
		binary.LittleEndian.PutUint64(p[at:], index)
		binary.LittleEndian.PutUint64(p[at+8:], (index+uint64(at))*0x9e3779b97f4a7c15)
	}
}

// fill gives a journal entries as fast as it takes them, and returns how long it took until the last was durable.
func (m *journalRun) fill() (seconds float64, err error) {
	j, dir, err := m.open(journal.Config{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, j.Close(context.WithoutCancel(m.ctx)), os.RemoveAll(dir)) }()
	const atOnce = 1000
	payload := make([]byte, m.opt.Payload)
	began := time.Now()
	for index := uint64(1); index <= uint64(m.opt.Entries); index++ {
		payloadOf(payload, index)
		j.Append(journal.Header{At: market.Nanos(index)}, payload)
		if index%atOnce != 0 {
			continue
		}
		for j.Stats().Spilling { // as fast as it takes them, and no faster
			if m.ctx.Err() != nil {
				return 0, context.Cause(m.ctx)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	if err := m.durable(j, uint64(m.opt.Entries)); err != nil {
		return 0, err
	}
	seconds = time.Since(began).Seconds()
	s := j.Stats()
	m.writes = journalWrites{s.Bytes, s.Commits}
	return seconds, m.check(j, uint64(m.opt.Entries))
}

// durable waits until an index is.
func (m *journalRun) durable(j *journal.Journal, index uint64) error {
	for since := time.Now(); j.DurableIndex() < index; time.Sleep(100 * time.Microsecond) {
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		if time.Since(since) > patience {
			return fmt.Errorf("index %d of %d is durable after %v: %s", j.DurableIndex(), index, patience, j.Stats().Stalled)
		}
	}
	return nil
}

// check reads everything back.
func (m *journalRun) check(j *journal.Journal, entries uint64) error {
	if s := j.Stats(); s.Dropped != 0 || s.Entries != entries {
		return fmt.Errorf("%d of %d entries were kept, %d dropped", s.Entries, entries, s.Dropped)
	}
	r, err := j.NewReader()
	if err != nil {
		return err
	}
	defer r.Close()
	got, want := fnv.New64a(), fnv.New64a()
	payload := make([]byte, m.opt.Payload)
	var e journal.Entry
	for index := uint64(1); index <= entries; index++ {
		out, err := r.Next(&e)
		if err != nil {
			return err
		}
		if out != journal.Ready || e.Index != index || e.At != market.Nanos(index) {
			return fmt.Errorf("read back: outcome %d, index %d where %d was due", out, e.Index, index)
		}
		payloadOf(payload, index)
		got.Write(e.Payload)
		want.Write(payload)
	}
	if got.Sum64() != want.Sum64() {
		return fmt.Errorf("read back: hash %016x, want %016x", got.Sum64(), want.Sum64())
	}
	return nil
}

// bare writes what the journal wrote last, in bytes and syncs, to files like its segments.
func (m *journalRun) bare() (seconds float64, err error) {
	const segment, write = 256 << 20, 1 << 20
	dir := filepath.Join(m.root, "bare")
	disk := vfs.Disk{}
	if err := disk.MkdirAll(dir); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	commit := int64(m.writes.bytes/m.writes.commits) &^ (vfs.SectorBytes - 1)
	buf := make([]byte, write)
	for at := 0; at < len(buf); at += m.opt.Payload {
		payloadOf(buf[at:min(at+m.opt.Payload, len(buf))], uint64(at))
	}
	began := time.Now()
	for left, number := int64(m.writes.bytes), 0; left > 0; number++ {
		n := min(left, segment)
		left -= n
		if err := m.bareSegment(filepath.Join(dir, fmt.Sprint(number)), segment, n, commit, buf); err != nil {
			return 0, err
		}
	}
	return time.Since(began).Seconds(), nil
}

// bareSegment writes n bytes to a file of a length, and syncs after each commit.
func (m *journalRun) bareSegment(name string, length, n, commit int64, buf []byte) (err error) {
	f, err := vfs.Disk{}.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Preallocate(length); err != nil {
		return err
	}
	for at, synced := int64(0), int64(0); at < n; {
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		k := min(int64(len(buf)), n-at, synced+commit-at)
		if _, err := f.WriteAt(buf[:k], at); err != nil {
			return err
		}
		if at += k; at == synced+commit || at == n {
			synced = at
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}
