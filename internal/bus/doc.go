/*
Package bus is the broadcast ring between an ingest loop and those who follow it: one writer, up to
64 readers, entries of any size up to a chunk. The writer never waits. A reader that falls a whole
round behind is told so and learns how many entries it lost.

# Use

The writer, on one goroutine:

	ring.Append(bus.Header{At: now, Tag: bus.Tag{Kind: kind}}, record) // or Reserve, to encode in place
	ring.Publish()                                                     // once per datagram
	ring.Wake()                                                        // once per poll

A reader, on another:

	wake := make(chan struct{}, 1)
	reader, err := ring.NewReader(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	...
	var e bus.Entry
	for {
		switch reader.Next(&e) {
		case bus.Ready:
			use(&e) // e.Payload is a view: copy what is to be kept
		case bus.Lapped:
			lost += reader.Skip(ring.Newest())
		case bus.Empty:
			if reader.Sleep() {
				<-wake
			}
		}
	}

A loop that serves many subscribers has one reader and a Cursor for each subscriber that is behind:
Seek to the cursor, read some, keep the new cursor, and Seek back.

# Layout

A ring is N chunks. Chunk n is in slot n mod N until chunk n+N takes its place.

	slots    | chunk 8 | chunk 9 | chunk 6 | chunk 7 |     N = 4, newest = 9
	              |         |
	              |         +-- state  number 9, pinned by 2 readers      one word
	              |             end    1480 bytes, 19 entries             one word
	              |             first  index of the first entry
	              |
	              +------------ end    65496 bytes, 803 entries, sealed: go on with chunk 9

	chunk    | entry | entry | entry | entry . . . . . . . . . . |
	           committed: readers    ^end     writer             ^ChunkBytes

	entry    0        4        6      7      8                16           20       24
	         | length | schema | kind | feed | receive time   | instrument | target | payload, padded to 8

An entry does not reach over the end of a chunk, so every payload is one piece of memory: the writer
encodes into it and a reader sends from it. Headers and payloads are aligned to 8 bytes. Indexes are
not stored: a reader counts, and the count must come out at the end of what it can see.

Bytes are plain memory. Publish is one atomic store of the chunk's end, whatever the number of
entries; a reader reads before the end only. A chunk is written again only after the writer has
swapped its state from "chunk n, nobody here" to "no chunk", and a reader is in a chunk only after
it has swapped the state from "chunk n, k here" to "chunk n, k+1 here". So no byte is ever read and
written at the same time, and the race detector can be asked about it.

If a reader is in the chunk that is due, the writer puts a spare chunk in the slot and goes on; the
chunk that was held becomes a spare when its reader leaves. A reader is in one chunk at a time, so
there are never more spares than readers: memory is at most (N + readers) chunks, and Stats says
how much it is. Spares are kept. When every reader has once been slow, nothing is allocated any more.

# What else was considered

  - Overwriting in place, and readers that copy and then look whether the writer came by (the
    broadcast buffers of C and Java messaging): no reference counts, but in Go's memory model reading
    while somebody writes is a data race whatever is done with the result, the race detector says so,
    and every reader pays for a copy.
  - A sequence lock with atomic words: free of races, but each word of 8 bytes is an atomic store,
    which is an exchange instruction on amd64: 57 ns for the bytes of an 80-byte entry alone, where
    the ring takes 8 to 13 ns for everything.
  - A queue for each reader: the writer's work grows with the readers, and a full queue needs an
    answer on the writer's goroutine.
  - Entries as garbage-collected values behind atomic pointers: an allocation for every entry.

The price of chunks: a reader is lapped by chunks and not by entries, and up to one chunk per reader
stays in memory beyond the ring.
*/
package bus
