package orders

import "encoding/binary"

// ids remembers which ids sessions have used: with what they asked for, and the number of the report
// that answered. Each session has an equal share; when that is used up, its oldest id is forgotten,
// but not that of an order that lives.
type ids struct {
	records slab[record]
	table   []uint32 // by hash of session and id
	mask    uint64
	used    int
}

type record struct {
	id         ClientID
	session    uint32 // number
	prev, next uint32 // of the same session, as they came
	order      uint64 // OrderID; 0 is none
	first      uint64 // number of the report that answered; 0 as long as there is none
	pinned     bool   // the present id of an order that lives, or on its way to become that
}

// remembered is a session's part.
type remembered struct {
	oldest, newest uint32
	count          int
}

func newIDs(expected int) ids {
	n := 64
	for n < 2*expected {
		n *= 2
	}
	return ids{table: make([]uint32, n), mask: uint64(n - 1)}
}

func idHash(session uint32, id *ClientID) uint64 {
	lo, hi := binary.LittleEndian.Uint64(id[:]), binary.LittleEndian.Uint64(id[8:])
	return mix(mix(lo^uint64(session)<<40) ^ hi)
}

// find returns the record of an id, 0 if there is none.
func (t *ids) find(session uint32, id *ClientID) uint32 {
	for i := idHash(session, id) & t.mask; ; i = (i + 1) & t.mask {
		n := t.table[i]
		if n == 0 {
			return 0
		}
		if r := t.records.at(n); r.session == session && r.id == *id {
			return n
		}
	}
}

// add remembers an id that is not there, for a session whose share is so large.
func (t *ids) add(session uint32, s *remembered, id *ClientID, share int) uint32 {
	if s.count >= share {
		t.forget(s)
	}
	if t.used++; 2*t.used > len(t.table) {
		old := t.table
		t.table, t.mask = make([]uint32, 2*len(old)), uint64(2*len(old)-1)
		for _, n := range old {
			if n != 0 {
				t.put(n)
			}
		}
	}
	n := t.records.take()
	r := t.records.at(n)
	r.id, r.session = *id, session
	t.put(n)
	t.link(s, n)
	return n
}

func (t *ids) put(n uint32) {
	r := t.records.at(n)
	i := idHash(r.session, &r.id) & t.mask
	for t.table[i] != 0 {
		i = (i + 1) & t.mask
	}
	t.table[i] = n
}

func (t *ids) link(s *remembered, n uint32) {
	r := t.records.at(n)
	r.prev, r.next = s.newest, 0
	if s.newest == 0 {
		s.oldest = n
	} else {
		t.records.at(s.newest).next = n
	}
	s.newest = n
	s.count++
}

func (t *ids) unlink(s *remembered, n uint32) {
	r := t.records.at(n)
	if r.prev == 0 {
		s.oldest = r.next
	} else {
		t.records.at(r.prev).next = r.next
	}
	if r.next == 0 {
		s.newest = r.prev
	} else {
		t.records.at(r.next).prev = r.prev
	}
	s.count--
}

// looksMax bounds the search for an id that may be forgotten. Those that may not go to the end.
const looksMax = 8

func (t *ids) forget(s *remembered) {
	for range min(looksMax, s.count) {
		n := s.oldest
		t.unlink(s, n)
		if t.records.at(n).pinned {
			t.link(s, n)
			continue
		}
		t.remove(n)
		return
	}
}

// remove takes a record out of the table.
func (t *ids) remove(n uint32) {
	r := t.records.at(n)
	hole := idHash(r.session, &r.id) & t.mask
	for t.table[hole] != n {
		hole = (hole + 1) & t.mask
	}
	for i := hole; ; {
		i = (i + 1) & t.mask
		m := t.table[i]
		if m == 0 {
			break
		}
		o := t.records.at(m)
		if (i-idHash(o.session, &o.id))&t.mask >= (i-hole)&t.mask {
			t.table[hole] = m
			hole = i
		}
	}
	t.table[hole] = 0
	t.used--
	t.records.give(n)
}
