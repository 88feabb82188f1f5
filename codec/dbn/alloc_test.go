package dbn

import (
	"bytes"
	"io"
	"testing"

	"tidegate/market"
)

func TestAppendDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1024)
	e := market.Event{Size: 5, Price: 7}
	mbo, trade, mbp1, mbp10 := MBO{}, Trade{}, MBP1{}, MBP10{}
	bbo, cmbp1, cbbo, ohlcv := BBO{}, CMBP1{}, CBBO{}, OHLCV{}
	status, imbalance, stat, definition := Status{}, Imbalance{}, Stat{}, wantDefinition
	fault, mapping, system := Error{Text: "e"}, SymbolMapping{SymbolIn: "s"}, System{Text: "s"}
	for name, f := range map[string]func(){
		"event":          func() { buf = AppendMBO(buf[:0], &e) },
		"mbo":            func() { buf = mbo.Append(buf[:0]) },
		"trades":         func() { buf = trade.Append(buf[:0]) },
		"mbp-1":          func() { buf = mbp1.Append(buf[:0]) },
		"mbp-10":         func() { buf = mbp10.Append(buf[:0]) },
		"bbo":            func() { buf = bbo.Append(buf[:0]) },
		"cmbp-1":         func() { buf = cmbp1.Append(buf[:0]) },
		"cbbo":           func() { buf = cbbo.Append(buf[:0]) },
		"ohlcv":          func() { buf = ohlcv.Append(buf[:0]) },
		"status":         func() { buf = status.Append(buf[:0]) },
		"imbalance":      func() { buf = imbalance.Append(buf[:0]) },
		"statistics":     func() { buf = stat.Append(buf[:0]) },
		"definition":     func() { buf = definition.Append(buf[:0]) },
		"error":          func() { buf = fault.Append(buf[:0]) },
		"symbol-mapping": func() { buf = mapping.Append(buf[:0]) },
		"system":         func() { buf = system.Append(buf[:0]) },
		"ts_out":         func() { buf = AppendTsOut(mbo.Append(buf[:0]), 0, 1) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %.1f allocations per record, want 0", name, n)
		}
	}
}

// loop gives the same records again and again.
type loop struct {
	records []byte
	pos     int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.records[l.pos:])
	l.pos = (l.pos + n) % len(l.records)
	return n, nil
}

func TestReadingDoesNotAllocate(t *testing.T) {
	var records []byte
	records = (&MBO{Size: 1}).Append(records)
	records = (&Trade{Change{Size: 2}}).Append(records)
	records = (&MBP1{Change: Change{Size: 3}}).Append(records)
	records = (&MBP10{Change: Change{Size: 4}}).Append(records)
	records = (&BBO{Header: Header{RType: RTypeBBO1s}}).Append(records)
	records = (&CMBP1{Header: Header{RType: RTypeTCBBO}}).Append(records)
	records = (&CBBO{Header: Header{RType: RTypeCBBO1m}}).Append(records)
	records = (&OHLCV{Header: Header{RType: RTypeOHLCV1d}}).Append(records)
	records = (&Status{}).Append(records)
	records = (&Imbalance{}).Append(records)
	records = (&Stat{}).Append(records)
	r := must(NewFragmentReader(&loop{records: records}, Version))

	var (
		e         market.Event
		mbo       MBO
		trade     Trade
		mbp1      MBP1
		mbp10     MBP10
		bbo       BBO
		cmbp1     CMBP1
		cbbo      CBBO
		ohlcv     OHLCV
		status    Status
		imbalance Imbalance
		stat      Stat
	)
	// These fill the buffer several times, with records across its end.
	if n := testing.AllocsPerRun(20_000, func() {
		rec, err := r.Next()
		switch rec.RType {
		case RTypeMBO:
			err = mbo.Parse(rec)
			mbo.Event(&e)
		case RTypeTrade:
			err = trade.Parse(rec)
		case RTypeMBP1:
			err = mbp1.Parse(rec)
		case RTypeMBP10:
			err = mbp10.Parse(rec)
		case RTypeBBO1s:
			err = bbo.Parse(rec)
		case RTypeTCBBO:
			err = cmbp1.Parse(rec)
		case RTypeCBBO1m:
			err = cbbo.Parse(rec)
		case RTypeOHLCV1d:
			err = ohlcv.Parse(rec)
		case RTypeStatus:
			err = status.Parse(rec)
		case RTypeImbalance:
			err = imbalance.Parse(rec)
		case RTypeStat:
			err = stat.Parse(rec)
		}
		if err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%.2f allocations per record, want 0", n)
	}
	if e.Size != 1 || trade.Size != 2 || mbp1.Size != 3 || mbp10.Size != 4 {
		t.Error("wrong records were read")
	}
}

// Input: one MBO record over and over; 56 bytes each.
func BenchmarkAppendMBO(b *testing.B) {
	e := market.Event{OrderID: 1, Price: 2, Size: 3, Action: market.Add, Side: market.Bid}
	buf := make([]byte, 0, 1<<16)
	b.SetBytes(mboSize)
	b.ReportAllocs()
	for b.Loop() {
		if len(buf)+mboSize > cap(buf) {
			buf = buf[:0]
		}
		buf = AppendMBO(buf, &e)
	}
	if rec, err := ParseRecord(buf, Version, false); err != nil || rec.RType != RTypeMBO {
		b.Fatal(rec.RType, err)
	}
}

// Input: 10,000 MBO records in memory; 56 bytes each.
func BenchmarkReadMBO(b *testing.B) {
	const n = 10_000
	records := bytes.Repeat((&MBO{Size: 1}).Append(nil), n)
	b.SetBytes(int64(len(records)))
	b.ReportAllocs()
	src := bytes.NewReader(records)
	r := must(NewFragmentReader(src, Version))
	for b.Loop() {
		src.Reset(records)
		r.pos, r.end, r.err = 0, 0, nil
		var m MBO
		var e market.Event
		sum := market.Size(0)
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err := m.Parse(rec); err != nil {
				b.Fatal(err)
			}
			m.Event(&e)
			sum += e.Size
		}
		if sum != n {
			b.Fatalf("read %d records, want %d", sum, n)
		}
	}
}
