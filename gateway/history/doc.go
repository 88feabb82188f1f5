/*
Package history gives back what the gateway published, from its journal: to subscribers that start in the
past or were too slow for the ring, and to whoever asks over HTTP.

# Use

	h := history.New(history.Config{Dir: dir, Open: j.NewReader, Schemas: kept, Feeds: names, Epoch: j.Epoch(), Live: live})

	c, err := h.Read(ctx, history.Query{Feed: "nasdaq", Wants: []history.Want{{Schema: dbn.SchemaMBO, Start: t}}})
	defer c.Close()
	var item history.Item
	for {
		switch out, err := c.Next(&item); {
		case err != nil: ...
		case out == history.Ready: use(item.Record) // a view
		case out == history.Missing: ...            // the journal lacks something here: see Item
		case out == history.Empty: ...              // everything durable was read
		case out == history.Pause: ...              // much was read and nothing found: ask again, or stop
		}
	}

All of this reads files: it is for goroutines that may wait, and never for a loop.

# Time

A record is in history from its index time on: ts_event, or ts_recv of bbo schemas. The journal is sorted by
receive time, which is later, but for clocks that differ. So a Cursor begins as much earlier as event times
were ever ahead of receive times, measured at the end of each start of the gateway, and a minute more.

# Starts of the gateway

Each start is an epoch of the journal. Instrument numbers may mean something else in each, and so may the
numbers of feeds. What the journal holds for that, beside what package entry says, are records of the
gateway itself, written by its keeper:

	symbol-mapping   an instrument has become known; before its first record
	system           which schemas are kept; with the start

Records of tbbo and mbp-1 have one type, and some are equal. Where both are kept, those of tbbo are under a number
of the feed of their own, see FeedOf.

What the epoch that is being written knows is in memory, see Live. Earlier ones are read from their beginning
when they are first asked for, and remembered.

# The way back to live

	ring     | 70 | 71 | 72 | 73 | 74 | 75 | 76 |       entries, of which some are kept
	             \         \    \         \
	journal    | 31 | 32 | 33 | 34 | 35 | 36 |          32 is no record: a gap, say

Marks know which entry of the ring became which entry of the journal. Who has read the journal up to an index
goes on in the ring at exactly that place, whether what is there is durable yet or not; and who was lapped by
the ring goes on in the journal. Marks belong to the ingest loop, which spends a few nanoseconds on them for
each entry, and are asked by a command.
*/
package history
