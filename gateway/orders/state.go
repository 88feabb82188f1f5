package orders

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"

	"tidegate/book"
)

// Words goes over the state as 64-bit words: all that decides what later entries do, in an order that
// depends on nothing else; settings apart, which are entries. Everything has to be settled.
//
//	core        index of the last entry, trades, reports, messages, 1 if all are killed
//	            number of instruments; of each id, last ask
//	            number of sessions; of each id, reports, last ticket, ticket when it was lost,
//	            8 fences: ticket, account, instrument<<8 | side;
//	            number of ids, and each as they came: id (2), order, first report<<1 | pinned
//	            number of accounts; of each id, reports, adjusted<<1 | killed,
//	            number of balances; of each, by asset: asset, total (2), reserved (2);
//	            number of orders; of each, as they came: id, session<<32 | instrument, size<<32 | open,
//	            limit, price, ref, displayed<<8 | side, entered, reserved (2), id (2), echo (4), 1 if its id is remembered
//	engines     see match.Engine.Words, of each
func (c *Core) Words() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		w := words{yield: yield}
		c.desk.words(&w)
		for _, e := range c.engines {
			for word := range e.Words() {
				w.put(word)
			}
		}
	}
}

// words yields words until nobody wants more.
type words struct {
	yield func(uint64) bool
	done  bool
}

func (w *words) put(all ...uint64) {
	for _, word := range all {
		w.done = w.done || !w.yield(word)
	}
}

func (w *words) money(m Money) { w.put(uint64(m.Hi), m.Lo) }

func (w *words) bytes(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.put(binary.LittleEndian.Uint64(b))
	}
}

func oneIf(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (d *desk) words(w *words) {
	w.put(d.index, d.trades, d.told, d.messages, oneIf(d.killed))
	w.put(uint64(len(d.instruments) - 1))
	for i := 1; i < len(d.instruments); i++ {
		w.put(uint64(d.instruments[i].ID), uint64(d.instruments[i].ask))
	}
	w.put(uint64(len(d.sessions) - 1))
	for i := 1; i < len(d.sessions); i++ {
		s := &d.sessions[i]
		w.put(uint64(s.id), s.reports, uint64(s.last), uint64(s.lost))
		for _, f := range s.fences {
			w.put(uint64(f.ticket), uint64(f.account), uint64(f.instrument)<<8|uint64(f.side))
		}
		w.put(uint64(s.count))
		for n := s.oldest; n != 0; n = d.ids.records.at(n).next {
			r := d.ids.records.at(n)
			w.bytes(r.id[:])
			w.put(r.order, r.first<<1|oneIf(r.pinned))
		}
	}
	w.put(uint64(len(d.accounts) - 1))
	for i := 1; i < len(d.accounts); i++ {
		d.accountWords(w, &d.accounts[i])
	}
}

func (d *desk) accountWords(w *words, a *account) {
	w.put(uint64(a.ID), a.reports, a.adjusted<<1|oneIf(a.killed))
	assets := d.assetsOf(a)
	w.put(uint64(len(assets)))
	for _, b := range assets {
		w.put(uint64(b.asset))
		w.money(b.total)
		w.money(b.reserved)
	}
	w.put(uint64(a.orders))
	for i := a.head; i != 0; i = d.orders.at(i).next {
		o := d.orders.at(i)
		w.put(o.id, uint64(d.sessions[o.session].id)<<32|uint64(d.instruments[o.instrument].ID), uint64(o.size)<<32|uint64(o.open),
			uint64(o.limit), uint64(o.price), o.ref, uint64(o.displayed)<<8|uint64(o.side), uint64(o.entered))
		w.money(o.reserved)
		w.bytes(o.client[:])
		w.bytes(o.echo[:])
		w.put(oneIf(o.record != 0))
	}
}

// assetsOf returns the balances of an account, by asset.
func (d *desk) assetsOf(a *account) (all []balance) {
	for i := a.assets; i != 0; i = d.balances.at(i).next {
		all = append(all, *d.balances.at(i))
	}
	slices.SortFunc(all, func(x, y balance) int { return int(int64(x.asset) - int64(y.asset)) })
	return all
}

// Hash returns the state hash: Words, folded by a book.Hasher.
func (c *Core) Hash() uint64 {
	var h book.Hasher
	for w := range c.Words() {
		h.Word(w)
	}
	return h.Sum()
}

// SnapshotVersion is the version of snapshots that AppendSnapshot writes.
const SnapshotVersion = 1

const snapshotMagic = 0x5244524F45444954 // "TIDEORDR" in the bytes of the first word

// settings are what Words leaves out, in the order of the numbers.
type settings struct {
	Instruments []Instrument    `json:"instruments"`
	Sessions    []SessionConfig `json:"sessions"`
	Accounts    []Account       `json:"accounts"`
}

// AppendSnapshot appends the state to b. Everything has to be settled.
//
//	word    "TIDEORDR"
//	word    SnapshotVersion
//	word    engines<<32 | ids max
//	blocks  settings as JSON; words of the desk, little endian; for each engine its snapshot.
//	        Each: its length in bytes as a word, its bytes, zeros up to a multiple of 8
//	word    CRC-32C of all that
func (c *Core) AppendSnapshot(b []byte) []byte {
	start := len(b)
	le := binary.LittleEndian
	b = le.AppendUint64(b, snapshotMagic)
	b = le.AppendUint64(b, SnapshotVersion)
	b = le.AppendUint64(b, c.limits())
	block := func(f func(b []byte) []byte) {
		at := len(b)
		b = f(append(b, make([]byte, 8)...))
		le.PutUint64(b[at:], uint64(len(b)-at-8))
		for len(b)%8 != start%8 {
			b = append(b, 0)
		}
	}
	block(func(b []byte) []byte { return append(b, c.desk.settings()...) })
	block(func(b []byte) []byte {
		w := words{yield: func(x uint64) bool { b = le.AppendUint64(b, x); return true }}
		c.desk.words(&w)
		return b
	})
	for _, e := range c.engines {
		block(e.AppendSnapshot)
	}
	return le.AppendUint64(b, uint64(crc32.Checksum(b[start:], castagnoli)))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *Core) limits() uint64 { return uint64(c.config.Engines)<<32 | uint64(c.config.IDsMax) }

func (d *desk) settings() []byte {
	var s settings
	for i := 1; i < len(d.instruments); i++ {
		s.Instruments = append(s.Instruments, d.instruments[i].Instrument)
	}
	for i := 1; i < len(d.sessions); i++ {
		s.Sessions = append(s.Sessions, SessionConfig{ID: d.sessions[i].id, Name: d.sessions[i].name, OrdersMax: d.sessions[i].ordersMax})
	}
	for i := 1; i < len(d.accounts); i++ {
		s.Accounts = append(s.Accounts, d.accounts[i].Account)
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("orders: settings: %v", err)) // plain values always encode
	}
	return b
}
