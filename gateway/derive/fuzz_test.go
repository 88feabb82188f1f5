package derive_test

import (
	"encoding/binary"
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// fuzzEventLen is how many bytes an event of FuzzDerivers is made of.
const fuzzEventLen = 24

// fuzzEvent makes an event of any bytes, with values that meet often enough to be about the same
// orders, and hostile ones.
func fuzzEvent(b []byte) market.Event {
	e := market.Event{
		Action:     market.Action(b[0]),
		Side:       market.Side(b[1]),
		Flags:      market.Flags(b[2]),
		Instrument: market.InstrumentID(binary.LittleEndian.Uint32(b[3:])),
		OrderID:    uint64(b[7]),
		Size:       market.Size(int8(b[8])), // small, or close to 2^64
		Price:      market.Price(int8(b[9])),
		Publisher:  market.PublisherID(b[10] & 3),
		TsRecv:     market.Nanos(binary.LittleEndian.Uint64(b[11:])),
		TsEvent:    market.Nanos(int8(b[19])),
		Seq:        uint64(binary.LittleEndian.Uint32(b[20:])),
	}
	if e.Price == -128 {
		e.Price = market.UndefPrice
	}
	return e
}

// FuzzDerivers gives any events to the derivers of every schema, whether the book took them or not.
// What comes out must be whole records of the schema's type.
func FuzzDerivers(f *testing.F) {
	event := func(action, side byte, last bool, id byte, order, size, price byte, at uint64) []byte {
		b := []byte{action, side, 0, id, 0, 0, 0, order, size, price, 1}
		if last {
			b[2] = 128
		}
		b = binary.LittleEndian.AppendUint64(b, at)
		return append(b, 0, 1, 0, 0, 0)
	}
	var program []byte
	for _, e := range [][]byte{
		event('A', 'B', true, 1, 1, 10, 5, 0),
		event('A', 'A', true, 1, 2, 10, 6, 1<<60),
		event('T', 'B', false, 1, 0, 4, 6, 1<<60),
		event('F', 'A', false, 1, 2, 4, 6, 1<<60),
		event('C', 'A', true, 1, 2, 4, 6, 1<<60),
		event('M', 'B', true, 1, 1, 3, 4, 1<<62),
		event('T', 'N', true, 200, 0, 4, 128, 1<<63-1),
		event('R', 'N', true, 1, 0, 0, 128, 1<<64-1),
	} {
		program = append(program, e...)
	}
	f.Add(program)
	f.Add(make([]byte, 3*fuzzEventLen))
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), 64*fuzzEventLen)]
		books := book.NewByOrder(book.ByOrderConfig{OrdersMax: 64, InstrumentsMax: 64})
		schemas := bookSchemas()
		derivers := make([]derive.Deriver, len(schemas))
		out := make([][]byte, len(schemas))
		for i, s := range schemas {
			derivers[i] = newDeriver(t, s)
		}
		var last market.Nanos
		for ; len(program) >= fuzzEventLen; program = program[fuzzEventLen:] {
			events := []market.Event{fuzzEvent(program)}
			last = events[0].TsRecv
			u := market.Update{Event: events[0]}
			books.Apply(&u)
			for i, d := range derivers {
				out[i] = d.OnEvents(out[i], events, books)
			}
		}
		for i, s := range schemas {
			out[i] = derivers[i].OnTime(out[i], last+market.Day)
			want, _ := s.RType()
			eachRecord(t, out[i], func(r dbn.Record) {
				if r.RType != want || !r.Known() {
					t.Errorf("schema %s: a record of type %s", s, r.RType)
				}
			})
		}
	})
}
