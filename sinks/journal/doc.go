/*
Package journal records published entries on disk, in order, and gives them back from any index or time
on. It is the road from the hot path to everything that must not lose: databases, replay, late subscribers.

# Use

	j, err := journal.Open(journal.Config{Dir: "/var/lib/tidegate/journal", Notify: log})
	...
	index, kept := j.Append(journal.Header{At: now, Feed: feed, Kind: kind}, record) // one goroutine
	...
	j.DurableIndex()      // everything up to here survives a crash
	err = j.Close(ctx)    // the producer has ended

	r, err := j.NewReader()                     // in this process
	r, err := journal.OpenReader(dir)           // in any other
	err = r.Register("postgres")                // goes on where it was; retention waits for it
	for {
		switch out, err := r.Next(&e); {
		case err != nil: ...
		case out == journal.Ready: use(&e)      // e.Payload is a view
		case out == journal.Lost: r.Gap()       // recorded: these entries were dropped
		case out == journal.Broken: r.Hole()    // damage: these entries cannot be read any more
		case out == journal.Empty: err = r.Wait(ctx)
		}
	}

An entry is a payload, mostly a DBN record, with a feed, a kind and a receive time. The journal does not
interpret them.

# Indexes and epochs

Entries are numbered from 1, without holes, and the numbers go on from one start to the next: a position is
one number. Each Open begins an epoch. An index that was given before a crash and was not durable is
given again; who saw the first one (a subscriber) tells the two apart by the epoch.

Everything up to DurableIndex is on the disk. It moves when a sync has returned, never goes back, and
readers see nothing behind it: what a reader has seen cannot vanish in a crash.

# The producer never waits

	producer --> | chunk | chunk | chunk |  ...  --> writer --> segment, fdatasync --> durable
	                 queue, then spill          <--   chunks come back when durable

Append copies an entry into a chunk of memory and stores one word. The writer collects what has come for
CommitEvery or is CommitBytes long into batches, writes them and syncs once; what comes meanwhile is the
next commit. Chunks stay until they are durable.

If the disk lags behind the queue, chunks of the spill are used, and an alarm is on from the first one.
If they are used up, entries are dropped: they get their indexes, and one gap entry, with first and last
index and a reason, takes their place as soon as there is room. Nothing is missing without an entry
that says so.

# Files

	00000041-00000000000000900001.tgj.zst    finished and packed
	00000041-00000000000000900001.tgx        its sparse index
	00000042-00000000000001234567.tgj        the segment being written
	postgres.reader                          position of a registered reader
	durable.mark                             the durable index, for readers in other processes
	00000040-00000000000000881200.torn       what recovery cut off
	journal.lock                             held by who writes

A segment's name has its number and the index of its first entry. It holds the entries up to the first
index of the segment with the next number; anything behind that was left by a failed sync and does not
count. Everything is little-endian.

	segment  | header | batch | batch | ... | zeros up to the preallocated length, cut off at the end
	         0        512     each begins and ends at a multiple of 512

Batches fill whole sectors, so no write touches a sector that holds something durable, and a search
for the next good batch after damage has few places to look at.

	segment header
	0    8  "TIDEJRNL"
	8    4  format version, 1
	12   4  length of a sector, 512
	16   8  journal id: drawn once; files of two journals cannot be mixed
	24   8  segment number, as in the name: a file that was renamed is noticed
	32   8  epoch
	40   8  index of the first entry
	48   8  running hash of everything before: segments cannot be exchanged
	56   8  latest receive time of everything before: a search by time reads only headers
	64   8  wall clock when it was made: the age of the segment before
	72      zeros
	508  4  CRC-32C of everything before

	batch
	0    4  "TGB1"
	4    4  CRC-32C of 8..95, so that the lengths can be believed
	8    8  journal id
	16   8  segment number: a stale or foreign batch is no batch of this segment
	24   8  epoch
	32   8  first index
	40   8  last index
	48   8  earliest receive time
	56   8  latest receive time: receive times may go back
	64   8  durable index when it was written, see Recovery
	72   8  running hash of the batches before: a missing or exchanged batch is noticed
	80   4  bytes of entries
	84   4  CRC-32C of entries and padding
	88   4  entries
	92   1  1: entries; 2: one entry, a gap
	93   3  zeros
	96      entries, then zeros up to a multiple of 512

	entry
	0    4  length of the payload, at most 65536
	4    2  feed
	6    1  kind
	7    1  0; 1 for a gap
	8    8  receive time
	16      payload, then zeros up to a multiple of 8

	payload of a gap
	0    8  first index that is missing
	8    8  last index that is missing
	16   4  reason: 1 queue full, 2 disk full, 3 disk failed, 4 payload too long
	20   4  zeros
	24   8  earliest receive time
	32   8  latest receive time

The index of an entry is not stored: the batch has the first, the rest is counted. The running hash is
the first 8 bytes of the SHA-256 of the batch header, which holds the hash before and the CRC of the
entries; the first one of a journal is its id. A batch is at most 1 MiB long.

Packed segments are zstd files that any tool unpacks to the segment, in frames of whole batches, up to
1 MiB, with a list of them at the end (packed.go has the layout); the sparse index (index.go), positions
(position.go) and the mark (mark.go) have theirs where they are made.

# Recovery

After a crash, what was not synced is on the disk in pieces. Open scans the last segment. It ends at the
first batch that is not right; what is behind is copied to a .torn file and cut off. Then the segment is
synced, because a process that was killed may have left it in the page cache, and a new segment of a
new epoch is begun. Nothing before the cut is ever altered.

Damage of what was durable is told from a torn tail by what comes later: each batch says what was
durable when it was written, and the mark says what was durable last. If that proves that a bad batch
was synced, it is not cut off with everything behind it: it is a hole, like damage in a finished
segment. A hole is reported by Verify and by readers, with its indexes, and never skipped silently.

# A failed sync

After fdatasync has failed the kernel marks the pages clean: a second one succeeds and proves nothing. So
the segment is given up at its last good sync, and the tail, which is still in memory, is written again to
a new segment. DurableIndex waits for that.

# Space

A segment is made when free space holds it and the reserve. Short of that the journal gives up, in this
order: 1. what packing of finished segments saves; 2. the oldest segments, whatever retention says, but
none that a registered reader needs; 3. recording: entries wait in memory, and what does not fit becomes
a gap. Open refuses to begin without room.

# What else was considered

  - Entries with their own CRC: an entry is never read without its batch, and 4 bytes of 96 are much.
  - Writing over old segments instead of making new ones saves the kernel's work of extending files; but
    old batches then look like new ones after a crash, and packing removes the files anyway.
  - O_DIRECT: nothing gained over preallocated files here, and readers close behind want the page cache.
  - A footer in the segment for the index: a file of its own can be lost or written again without
    touching what counts.
  - Compression of the segment being written: a core compresses 250 MB/s (zstd) to 700 MB/s (s2), and the
    disk takes more; and recovery would have to unpack what is torn.
*/
package journal
