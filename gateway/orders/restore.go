package orders

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"tidegate/book/match"
	"tidegate/market"
)

// RestoreCore returns the core of a snapshot. cfg is that of the core that wrote it. A snapshot that is
// damaged is an error.
func RestoreCore(cfg CoreConfig, snapshot []byte) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if len(snapshot) < 4*8 || len(snapshot)%8 != 0 {
		return nil, fmt.Errorf("restore orders: snapshot of %d bytes is cut off", len(snapshot))
	}
	body, sum := snapshot[:len(snapshot)-8], le.Uint64(snapshot[len(snapshot)-8:])
	c := &Core{config: cfg, desk: newDesk(cfg.Engines, cfg.IDsMax, ordersExpected)}
	switch {
	case le.Uint64(body) != snapshotMagic:
		return nil, fmt.Errorf("restore orders: no snapshot: it begins with %x", body[:8])
	case le.Uint64(body[8:]) != SnapshotVersion:
		return nil, fmt.Errorf("restore orders: snapshot version %d: want %d", le.Uint64(body[8:]), SnapshotVersion)
	case uint64(crc32.Checksum(body, castagnoli)) != sum:
		return nil, fmt.Errorf("restore orders: snapshot is damaged: its checksum does not match")
	case le.Uint64(body[16:]) != c.limits():
		return nil, fmt.Errorf("restore orders: snapshot of %d engines and %d ids: the configuration says %d and %d",
			le.Uint64(body[16:])>>32, le.Uint64(body[16:])&(1<<32-1), cfg.Engines, cfg.IDsMax)
	}
	rest := body[24:]
	block := func() ([]byte, error) {
		if len(rest) < 8 || uint64(len(rest)-8) < le.Uint64(rest) {
			return nil, fmt.Errorf("restore orders: snapshot ends early")
		}
		n := le.Uint64(rest)
		b := rest[8:][:n]
		rest = rest[min(uint64(len(rest)), 8+(n+7)&^7):]
		return b, nil
	}
	b, err := block()
	if err != nil {
		return nil, err
	}
	var s settings
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("restore orders: settings: %w", err)
	}
	if b, err = block(); err != nil {
		return nil, err
	}
	r := restorer{desk: c.desk, rest: b}
	if err := r.restore(&s); err != nil {
		return nil, fmt.Errorf("restore orders: %w", err)
	}
	for range cfg.Engines {
		if b, err = block(); err != nil {
			return nil, err
		}
		e, err := match.Restore(cfg.Engine, b)
		if err != nil {
			return nil, fmt.Errorf("restore orders: %w", err)
		}
		c.engines = append(c.engines, e)
	}
	return c, nil
}

// A restorer reads words of a desk.
type restorer struct {
	*desk
	rest []byte
	cut  bool
}

func (r *restorer) word() uint64 {
	if len(r.rest) < 8 {
		r.cut = true
		return 0
	}
	w := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return w
}

func (r *restorer) money() Money { return Money{int64(r.word()), r.word()} }

func (r *restorer) bytes(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.word())
	}
}

func (r *restorer) restore(s *settings) error {
	d := r.desk
	d.index, d.trades, d.told, d.messages, d.killed = r.word(), r.word(), r.word(), r.word(), r.word() == 1
	d.settled = d.index
	if n := r.word(); n != uint64(len(s.Instruments)) {
		return fmt.Errorf("%d instruments, settings of %d", n, len(s.Instruments))
	}
	for i := range s.Instruments {
		in := instrument{Instrument: s.Instruments[i], loop: (i + 1) % d.engines}
		if id := r.word(); id != uint64(in.ID) {
			return fmt.Errorf("instrument %d: settings of %d", id, in.ID)
		}
		in.ask = market.Price(r.word())
		d.instruments = append(d.instruments, in)
		d.byInstrument.add(uint64(in.ID), uint32(i+1))
	}
	if n := r.word(); n != uint64(len(s.Sessions)) {
		return fmt.Errorf("%d sessions, settings of %d", n, len(s.Sessions))
	}
	for i := range s.Sessions {
		d.defineSession(&s.Sessions[i])
		if err := r.session(uint32(i + 1)); err != nil {
			return err
		}
	}
	if n := r.word(); n != uint64(len(s.Accounts)) {
		return fmt.Errorf("%d accounts, settings of %d", n, len(s.Accounts))
	}
	for i := range s.Accounts {
		d.accounts = append(d.accounts, account{Account: s.Accounts[i]})
		d.byAccount.add(uint64(s.Accounts[i].ID), uint32(i+1))
		if err := r.account(uint32(i + 1)); err != nil {
			return err
		}
	}
	if r.cut || len(r.rest) > 0 {
		return fmt.Errorf("%d bytes are left, or some are missing", len(r.rest))
	}
	return nil
}

func (r *restorer) session(n uint32) error {
	s := &r.sessions[n]
	if id := r.word(); id != uint64(s.id) {
		return fmt.Errorf("session %d: settings of %d", id, s.id)
	}
	s.reports, s.last, s.lost = r.word(), Ticket(r.word()), Ticket(r.word())
	for i := range s.fences {
		f := &s.fences[i]
		f.ticket, f.account = Ticket(r.word()), AccountID(r.word())
		w := r.word()
		f.instrument, f.side = market.InstrumentID(w>>8), market.Side(w)
	}
	for left := r.word(); left > 0 && !r.cut; left-- {
		var id ClientID
		r.bytes(id[:])
		rec := r.ids.records.at(r.ids.add(n, &s.remembered, &id, int(^uint(0)>>1)))
		rec.order = r.word()
		w := r.word()
		rec.first, rec.pinned = w>>1, w&1 == 1
	}
	return nil
}

func (r *restorer) account(n uint32) error {
	a := &r.accounts[n]
	if id := r.word(); id != uint64(a.ID) {
		return fmt.Errorf("account %d: settings of %d", id, a.ID)
	}
	a.reports = r.word()
	w := r.word()
	a.adjusted, a.killed = w>>1, w&1 == 1
	for left := r.word(); left > 0 && !r.cut; left-- {
		b := r.balance(n, AssetID(r.word()))
		b.total, b.reserved = r.money(), r.money()
	}
	for left := r.word(); left > 0 && !r.cut; left-- {
		var o order
		o.id, o.account = r.word(), n
		w := r.word()
		o.session, o.instrument = r.bySession.find(w>>32), r.byInstrument.find(w&(1<<32-1))
		if o.session == 0 || o.instrument == 0 {
			return fmt.Errorf("order %d: of session %d and instrument %d, which are not there", o.id, w>>32, w&(1<<32-1))
		}
		w = r.word()
		o.size, o.open = market.Size(w>>32), market.Size(w&(1<<32-1))
		o.limit, o.price, o.ref = market.Price(r.word()), market.Price(r.word()), r.word()
		w = r.word()
		o.displayed, o.side = market.Size(w>>8), market.Side(w)
		o.entered, o.reserved = market.Nanos(r.word()), r.money()
		r.bytes(o.client[:])
		r.bytes(o.echo[:])
		if r.word() == 1 {
			if o.record = r.ids.find(o.session, &o.client); o.record == 0 {
				return fmt.Errorf("order %d: its id is not remembered", o.id)
			}
		}
		r.addOrder(o)
	}
	return nil
}
