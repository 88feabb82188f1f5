package orders

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"

	"tidegate/internal/vfs"
	"tidegate/sinks/journal"
)

// A replica follows the input log with a core of its own, as far as it is durable. It answers queries and writes
// snapshots, so the loops that decide and match never stop for either.
type replica struct {
	gate   *Gate
	log    *journal.Journal
	reader *journal.Reader
	events *journal.Journal

	mu   sync.RWMutex // core
	core *Core

	reports  []Report    // nobody's: the publisher has let them out
	snapshot uint64      // index of the last one
	writing  atomic.Bool // one is being written
	written  sync.WaitGroup
	ended    chan struct{}

	slots   chan struct{} // of lane 4
	waiting atomic.Int32
	waits   struct {
		sync.Mutex
		*hdrhistogram.Histogram
	}
}

// replicaBatch is how many entries are applied while queries wait.
const replicaBatch = 256

func newReplica(g *Gate, log, events *journal.Journal, reader *journal.Reader, core *Core) *replica {
	r := &replica{
		gate: g, log: log, events: events, reader: reader, core: core, snapshot: core.Index(),
		ended: make(chan struct{}), slots: make(chan struct{}, g.cfg.Queries),
	}
	r.waits.Histogram = newWaits()
	return r
}

// run follows the log until ctx ends, or the log is closed and read.
func (r *replica) run(ctx context.Context) {
	defer close(r.ended)
	for failures := 0; r.reader.Wait(ctx) == nil; {
		r.mu.Lock()
		err := r.follow()
		r.mu.Unlock()
		if err == nil {
			failures = 0
			if r.core.Index() >= r.snapshot+r.gate.cfg.SnapshotEvery && r.core.Settled() && !r.writing.Load() {
				r.save()
			}
			continue
		}
		if failures++; failures == 1 {
			r.gate.notify(fmt.Sprintf("orders: queries and snapshots are as of entry %d: %v", r.core.Index(), err), true)
		}
		if errors.Is(err, errReplica) || failures == replicaTries {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.written.Wait()
}

// errReplica is wrapped by errors that no second try makes good.
var errReplica = errors.New("the input log cannot be followed any further")

// replicaTries is how often the log is read that cannot be read.
const replicaTries = 100

// follow applies what there is, up to so many entries.
func (r *replica) follow() error {
	var je journal.Entry
	var e Entry
	for range replicaBatch {
		out, err := r.reader.Next(&je)
		switch {
		case err != nil:
			return err
		case out == journal.Empty:
			return nil
		case out != journal.Ready:
			return fmt.Errorf("%w: entries behind %d are lost", errReplica, r.core.Index())
		}
		if err := e.Parse(&je); err != nil {
			return fmt.Errorf("%w: %w", errReplica, err)
		}
		if e.Index != r.core.Index()+1 {
			return fmt.Errorf("%w: entry %d follows entry %d", errReplica, e.Index, r.core.Index())
		}
		r.reports = r.core.Apply(&e, r.reports[:0])
	}
	return nil
}

// save takes a snapshot, and has it written.
func (r *replica) save() {
	snapshot := r.core.AppendSnapshot(make([]byte, 8, 1<<20))
	r.snapshot = r.core.Index()
	index, told := r.core.Index(), r.core.desk.told
	r.writing.Store(true)
	r.written.Go(func() {
		defer r.writing.Store(false)
		if err := r.write(snapshot, index, told); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, journal.ErrClosed) {
			r.gate.notify(fmt.Sprintf("orders: write snapshot of entry %d: %v", index, err), true)
		}
	})
}

// write writes a snapshot, when everything that it takes for granted is on the disk.
func (r *replica) write(snapshot []byte, index, told uint64) error {
	ctx := context.Background()
	binary.LittleEndian.PutUint64(snapshot, r.gate.logID)
	if err := r.gate.published.wait(ctx, index); err != nil {
		return err
	}
	if err := r.gate.store.flush(); err != nil {
		return err
	}
	if err := r.events.WaitDurable(ctx, told); err != nil {
		return err
	}
	if sync := r.gate.cfg.MarketDataSync; sync != nil {
		if err := sync(); err != nil {
			return err
		}
	}
	fsys, dir := r.gate.cfg.FS, path.Join(r.gate.cfg.Dir, snapshotDir)
	if err := writeWhole(fsys, dir, snapshotName(index), snapshot); err != nil {
		return err
	}
	names, err := snapshotNames(fsys, dir)
	if err != nil {
		return err
	}
	for len(names) > snapshotsKept {
		if err := fsys.Remove(path.Join(dir, names[0])); err != nil {
			return err
		}
		names = names[1:]
	}
	var oldest uint64
	if _, err := fmt.Sscanf(names[0], "%d.snapshot", &oldest); err != nil {
		return err
	}
	return r.gate.keep.Done(oldest + 1)
}

// snapshotsKept is how many there are: if the last one cannot be read, the one before can.
const snapshotsKept = 2

func snapshotName(index uint64) string { return fmt.Sprintf("%020d.snapshot", index) }

// snapshotNames returns the names of the snapshots in a directory, oldest first.
func snapshotNames(fsys vfs.FS, dir string) (names []string, err error) {
	files, err := fsys.List(dir)
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".snapshot") {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names, err
}

// writeWhole writes a file that is there as a whole or not at all.
func writeWhole(fsys vfs.FS, dir, name string, b []byte) (err error) {
	part := path.Join(dir, name+".part")
	_ = fsys.Remove(part) // of an earlier try
	f, err := fsys.Create(part)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(part, path.Join(dir, name)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// readWhole reads a file.
func readWhole(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return b, nil
}

// ask runs a query in lane 4: so many at a time, so many wait, and no more.
func (r *replica) ask(ctx context.Context, f func() error) error {
	if r.gate.closed.Load() {
		return ErrClosed
	}
	since := r.gate.cfg.Now()
	select {
	case r.slots <- struct{}{}:
	default:
		if int(r.waiting.Add(1)) > r.gate.cfg.QueriesWaitingMax {
			r.waiting.Add(-1)
			return ErrBusy
		}
		select {
		case r.slots <- struct{}{}:
			r.waiting.Add(-1)
		case <-ctx.Done():
			r.waiting.Add(-1)
			return ctx.Err()
		}
	}
	defer func() { <-r.slots }()
	r.waits.Lock()
	_ = r.waits.RecordValue(int64(min(max(r.gate.cfg.Now()-since, 1), waitMax)))
	r.waits.Unlock()
	return f()
}

func (d *desk) state(i uint32) OrderState {
	o := d.orders.at(i)
	s := OrderState{ID: o.client, Echo: o.echo, Entered: o.entered, SessionID: d.sessions[o.session].id}
	s.Order.ID, s.Order.Ref, s.Order.Instrument = o.id, o.ref, d.instruments[o.instrument].ID
	s.Account, s.Session = uint32(d.accounts[o.account].ID), uint32(s.SessionID)
	s.Side, s.Price, s.Size, s.Open, s.Displayed = o.side, o.price, o.size, o.open, o.displayed
	return s
}

// OpenOrders appends live orders of an account to dst, by OrderID, those above after, until its capacity is used.
// index is the last entry of the input log that they take into account. ErrBusy: lane 4 is full.
func (g *Gate) OpenOrders(ctx context.Context, account AccountID, after uint64, dst []OrderState) (orders []OrderState, index uint64, err error) {
	r := g.replica
	err = r.ask(ctx, func() error {
		r.mu.RLock()
		defer r.mu.RUnlock()
		d := r.core.desk
		index = d.settled
		if n := d.byAccount.find(uint64(account)); n != 0 {
			for i := d.accounts[n].head; i != 0 && len(dst) < cap(dst); i = d.orders.at(i).next {
				if d.orders.at(i).id > after {
					dst = append(dst, d.state(i))
				}
			}
		}
		return nil
	})
	return dst, index, err
}

// Order returns a live order of an account.
func (g *Gate) Order(ctx context.Context, account AccountID, id uint64) (o OrderState, ok bool, err error) {
	r := g.replica
	err = r.ask(ctx, func() error {
		r.mu.RLock()
		defer r.mu.RUnlock()
		d := r.core.desk
		if i := d.byOrder.find(id); i != 0 && d.accounts[d.orders.at(i).account].ID == account {
			o, ok = d.state(i), true
		}
		return nil
	})
	return o, ok, err
}

// Balances appends the balances of an account to dst, by asset.
func (g *Gate) Balances(ctx context.Context, account AccountID, dst []Balance) (balances []Balance, index uint64, err error) {
	r := g.replica
	err = r.ask(ctx, func() error {
		r.mu.RLock()
		defer r.mu.RUnlock()
		d := r.core.desk
		index = d.settled
		if n := d.byAccount.find(uint64(account)); n != 0 {
			for _, b := range d.assetsOf(&d.accounts[n]) {
				dst = append(dst, Balance{Asset: b.asset, Total: b.total, Reserved: b.reserved, Credit: b.credit})
			}
		}
		return nil
	})
	return dst, index, err
}

// AccountHistory copies the reports of an account, whichever session they went to, into dst, from the one with a
// number of Report.AccountNumber on; total is how many there are. It may return fewer than there are.
func (g *Gate) AccountHistory(ctx context.Context, account AccountID, from uint64, dst []Report) (n int, total uint64, err error) {
	st := g.store.streams[accountStream(account)]
	if st == nil {
		return 0, 0, fmt.Errorf("history: of account %d: there is none", account)
	}
	err = g.replica.ask(ctx, func() (err error) {
		total = st.next() - 1
		for from <= total && n < len(dst) && err == nil {
			var got int
			got, err = st.reports(from, dst[n:])
			n, from = n+got, from+uint64(got)
		}
		return err
	})
	return n, total, err
}

// Following returns up to which entry of the input log queries know what became of it.
func (g *Gate) Following() uint64 {
	g.replica.mu.RLock()
	defer g.replica.mu.RUnlock()
	return g.replica.core.desk.settled
}

// Hash returns the state hash as of an entry of the input log: see Core.Hash. It goes over all orders, while
// queries wait. ok is false at a moment at which something is on its way to a matching loop and back.
func (g *Gate) Hash() (hash, index uint64, ok bool) {
	r := g.replica
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.core.Settled() {
		return 0, 0, false
	}
	return r.core.Hash(), r.core.Index(), true
}

// A LaneWait says how long requests waited in a lane, in nanoseconds.
type LaneWait struct {
	Lane      int // 1 to 4
	Histogram *hdrhistogram.Histogram
}

// LaneWaits returns how long requests have waited since the last call.
func (g *Gate) LaneWaits() (all []LaneWait) {
	c := make(chan [laneCount]*hdrhistogram.Histogram, 1)
	select {
	case g.admission.collect <- c:
		for i, h := range <-c {
			all = append(all, LaneWait{i + 1, h})
		}
	case <-g.admission.ended:
	}
	w := &g.replica.waits
	w.Lock()
	defer w.Unlock()
	all = append(all, LaneWait{4, w.Histogram})
	w.Histogram = newWaits()
	return all
}
