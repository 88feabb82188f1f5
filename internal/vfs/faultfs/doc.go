/*
Package faultfs is a file system in memory for tests. It keeps apart what a running program sees and
what is on the disk, fails when it is told to, and crashes.

	fs := faultfs.New()
	fs.Crash(17)                      // the 17th change from here on does not end
	run(fs)                           // gets ErrCrashed from then on
	after := fs.Reboot(seed)          // what was left on the disk
	...
	fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Sync && op.N == 5 {
			return faultfs.Fault{Err: syscall.EIO}
		}
		return faultfs.Fault{}
	})

# What is left after a crash

What was synced is left. Of everything else each part is left or not, by itself, as the seed has it:

  - each sector of 512 bytes has the contents it had on the disk, or those after any of the writes since,
    so that writes are torn and come in any order;
  - a file has the length it had on the disk, or any it had since;
  - names that were made, changed or removed since the last SyncDir are, or are not; but an operation
    is left only if those before it about the same name are.

# What a failed sync leaves

The same choice is made at once, for good, and the program sees it: what did not reach the disk is gone
from memory too, and the next sync succeeds, because there is nothing to write. Linux does that.

# Order

Changes (everything but reading, listing and opening for reading) are counted from 1. A program that
makes them from one goroutine gives each the same number in every run. The same seed makes the same
choices.
*/
package faultfs
