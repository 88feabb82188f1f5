package journal

import (
	"errors"
	"fmt"
	"testing"

	"tidegate/internal/vfs/faultfs"
)

// changesOf counts the changes that the script makes on a disk that does not fail.
func changesOf(t *testing.T, failSync func(faultfs.Op) bool) []faultfs.Op {
	w := newWorld(t)
	if _, err := w.script(failSync); err != nil {
		t.Fatal(err)
	}
	changes := w.fs.Changes()
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.goOn()
	return changes
}

// The machine crashes at every change of a run, and comes back with what many different fates of the
// unsynced sectors and names have left. Everything durable is there, what follows is a prefix of what was
// appended, and the journal goes on.
func TestCrashAtEveryChange(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	changes := changesOf(t, nil)
	torn := 0
	for n, op := range changes {
		t.Run(fmt.Sprintf("%d %v", op.N, op.Kind), func(t *testing.T) {
			w := newWorld(t)
			w.fs.Crash(n + 1)
			durable, err := w.script(nil)
			if !w.fs.Crashed() || err != nil && !errors.Is(err, faultfs.ErrCrashed) {
				t.Fatalf("no crash: %v", err)
			}
			for seed := range seeds {
				t.Logf("%s, seed %d, durable %d", op.Name, seed, durable)
				after := w.fork()
				after.reboot(seed, durable)
				torn += after.heard(Recovered)
				if after.heard(Damage) > 0 {
					t.Fatalf("damage: %v", after.said)
				}
				after.goOn()
			}
		})
	}
	if torn == 0 {
		t.Error("no crash has left a torn tail: the test tests nothing")
	}
	t.Logf("%d crashes, %d torn tails", len(changes)*int(seeds), torn)
}

// fork returns a world with a copy of the twin, on the same disk.
func (w *world) fork() *world {
	return &world{t: w.t, fs: w.fs, config: w.config, twin: append([]twinEntry(nil), w.twin...), oldest: w.oldest, count: w.count, clock: w.clock}
}

// The process is killed at every change, the journal is opened again, and then the machine crashes: what the
// second process took for durable must be.
func TestKillThenCrash(t *testing.T) {
	found := uint64(0)
	for n := range changesOf(t, nil) {
		w := newWorld(t)
		w.fs.Crash(n + 1)
		durable, _ := w.script(nil)
		w.fs.Restart()
		if err := w.open(); err != nil {
			t.Fatalf("killed at change %d: %v", n+1, err)
		}
		if w.durable() < durable {
			t.Fatalf("killed at change %d: recovered up to %d, %d was durable", n+1, w.durable(), durable)
		}
		found += w.durable() - durable
		w.twin = w.twin[:w.durable()]
		w.check()
		for seed := range uint64(3) {
			after := w.fork()
			after.reboot(seed, w.durable())
			after.goOn()
		}
	}
	if found == 0 {
		t.Error("no kill has left entries that were written and not synced: the test tests nothing")
	}
}

// Every sync of a run fails once: nothing is lost, and what is durable never goes back.
func TestSyncFailsAtEveryPoint(t *testing.T) {
	syncs := 0
	for _, op := range changesOf(t, nil) {
		if op.Kind == faultfs.Sync {
			syncs++
		}
	}
	if syncs < 20 {
		t.Fatalf("%d syncs in the script", syncs)
	}
	poisoned := 0
	for n := 1; n <= syncs; n++ {
		w, seen := newWorld(t), 0
		failSync := func(op faultfs.Op) bool {
			if op.Kind == faultfs.Sync {
				seen++
			}
			return op.Kind == faultfs.Sync && seen == n
		}
		if durable, err := w.script(failSync); err != nil {
			// What is not done again by itself is given up with an error: opening, closing, positions.
			if !errors.Is(err, errDisk) {
				t.Fatalf("sync %d fails: %v", n, err)
			}
			t.Logf("sync %d: %v", n, err)
			w.reboot(uint64(n), durable)
			w.goOn()
			continue
		}
		poisoned += w.heard(SyncFailed)
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		w.check()
		w.goOn()
	}
	if poisoned < 10 {
		t.Errorf("%d syncs of batches have failed: the test tests little", poisoned)
	}
}

// A sync fails, and the machine crashes at every change after that.
func TestCrashAfterFailedSync(t *testing.T) {
	first := func() func(op faultfs.Op) bool {
		seen := 0
		return func(op faultfs.Op) bool {
			if op.Kind == faultfs.Sync {
				seen++
			}
			return op.Kind == faultfs.Sync && (seen == 4 || seen == 5)
		}
	}
	changes := changesOf(t, first())
	failed := 0
	for n := 1; n <= len(changes) && n < 60; n++ {
		w := newWorld(t)
		w.fs.Crash(n)
		durable, err := w.script(first())
		if !w.fs.Crashed() || err != nil && !errors.Is(err, faultfs.ErrCrashed) {
			t.Fatalf("no crash at change %d: %v", n, err)
		}
		failed += w.heard(SyncFailed)
		for seed := range uint64(4) {
			after := w.fork()
			after.reboot(seed, durable)
			after.goOn()
		}
	}
	if failed == 0 {
		t.Error("no sync has failed")
	}
}

// The disk is full at every byte count around what the script needs: nothing is lost, and the journal goes
// on when there is room.
func TestDiskFullAtEveryPoint(t *testing.T) {
	full := 0
	for capacity := int64(6 << 10); capacity < 60<<10; capacity += 211 {
		w := newWorld(t)
		w.config.ReserveBytes = 1
		w.fs.SetCapacity(capacity)
		durable, err := w.script(nil)
		w.fs.SetCapacity(1 << 40)
		if err == nil {
			if err := w.open(); err != nil {
				t.Fatal(err)
			}
			w.check()
			w.goOn()
			continue
		}
		if !noSpace(err) {
			t.Fatalf("capacity %d: %v", capacity, err)
		}
		full++
		if w.j == nil { // it could not be opened, or was closed with an error that said what is lost
			w.reboot(1, durable)
			w.goOn()
			continue
		}
		if err := w.commit(); err != nil { // what waited is written
			t.Fatal(err)
		}
		w.check()
		w.goOn()
	}
	if full < 20 {
		t.Errorf("the disk was full %d times: the test tests little", full)
	}
}
