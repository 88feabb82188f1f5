package stream

import (
	"encoding/binary"
	"sync/atomic"

	"tidegate/market"
)

// A Current holds the latest record of each instrument in one schema: what somebody who subscribes
// late has to know first. One goroutine adds to it, any may read it.
type Current struct {
	published atomic.Pointer[[]Kept] // a prefix of all, or of an all before
	all       []Kept                 // the writer's; elements never change
	latest    map[market.InstrumentID]int
}

// A Kept is a record that was published.
type Kept struct {
	Index      uint64 // of its entry in the ring
	Instrument market.InstrumentID
	Record     []byte // of DBN version 3, without a send time; it never changes
}

// All returns what is kept in the order of publication. Of the records of an instrument the last one
// counts; those before it are there so that a reader whose position is between two of them finds the
// one that counts for it, but not for ever. The slice must not be changed.
func (c *Current) All() []Kept {
	if p := c.published.Load(); p != nil {
		return *p
	}
	return nil
}

// keptSlack is how many records that do not count are kept at least.
const keptSlack = 1024

// add takes records in that get the entries of the ring from index on.
func (c *Current) add(records []byte, index uint64) {
	if len(records) == 0 {
		return
	}
	if c.latest == nil {
		c.latest = make(map[market.InstrumentID]int)
	}
	if len(c.all) > 2*len(c.latest)+keptSlack {
		c.compact()
	}
	for ; len(records) > 0; index++ {
		n := 4 * int(records[0])
		id := market.InstrumentID(binary.LittleEndian.Uint32(records[4:]))
		c.latest[id] = len(c.all)
		c.all = append(c.all, Kept{Index: index, Instrument: id, Record: append([]byte(nil), records[:n]...)})
		records = records[n:]
	}
	c.publish()
}

// compact leaves the latest records, in memory of their own: readers may have the old.
func (c *Current) compact() {
	all := make([]Kept, 0, 2*len(c.latest))
	for i, k := range c.all {
		if c.latest[k.Instrument] == i {
			c.latest[k.Instrument] = len(all)
			all = append(all, k)
		}
	}
	c.all = all
}

// clear forgets everything.
func (c *Current) clear() {
	c.all, c.latest = nil, nil
	c.publish()
}

func (c *Current) publish() {
	prefix := c.all
	c.published.Store(&prefix)
}
