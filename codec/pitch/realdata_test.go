package pitch_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"

	"tidegate/codec/pcap"
	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// eachMessage calls yield with each message of a capture.
func eachMessage(t *testing.T, name string, yield func(p sequnit.Packet, seq uint32, tsRecv market.Nanos, msg []byte)) {
	t.Helper()
	file, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcap.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var d pcap.Datagram
		if err := r.Next(&d); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := sequnit.Parse(d.Payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seq := p.Seq
		for block := p.Messages; len(block) > 0; seq++ {
			var msg []byte
			msg, block = sequnit.Next(block)
			yield(p, seq, d.TsRecv, msg)
		}
	}
}

// recorded is a message as truth.json spells it.
type recorded struct {
	Type    string `json:"type"`
	Seq     uint32 `json:"seq"`
	Seconds uint32 `json:"seconds"`
	Offset  uint32 `json:"offset_ns"`
	OrderID uint64 `json:"order_id"`
	Side    string `json:"side"`
	Qty     uint32 `json:"qty"`
	Symbol  string `json:"symbol"`
	Price   uint64 `json:"price_1e4"`
	ExecID  uint64 `json:"exec_id"`
	Flags   uint8  `json:"flags"`
}

// parsed returns a message's fields, and the message as we would write it.
func parsed(t *testing.T, seq uint32, msg []byte) (r recorded, again []byte) {
	t.Helper()
	r = recorded{Type: fmt.Sprintf("%#02x", msg[0]), Seq: seq}
	var m interface {
		Append([]byte) []byte
		Parse([]byte) error
	}
	switch msg[0] {
	case pitch.TypeTime:
		m = new(pitch.Time)
	case pitch.TypeAddOrderLong, pitch.TypeAddOrderShort:
		m = new(pitch.AddOrder)
	case pitch.TypeOrderExecuted:
		m = new(pitch.OrderExecuted)
	case pitch.TypeReduceSizeShort:
		m = new(pitch.ReduceSize)
	case pitch.TypeModifyOrderLong, pitch.TypeModifyOrderShort:
		m = new(pitch.ModifyOrder)
	case pitch.TypeDeleteOrder:
		m = new(pitch.DeleteOrder)
	case pitch.TypeTradeLong, pitch.TypeTradeShort:
		m = new(pitch.Trade)
	default:
		t.Fatalf("message %d: type %s", seq, r.Type)
	}
	if err := m.Parse(msg); err != nil {
		t.Fatalf("message %d: %v", seq, err)
	}
	switch m := m.(type) {
	case *pitch.Time:
		r.Seconds = m.Seconds
	case *pitch.AddOrder:
		r.Offset, r.OrderID, r.Side, r.Qty = m.Offset, m.OrderID, string(m.Side), m.Quantity
		r.Symbol, r.Price, r.Flags = m.Symbol.String(), uint64(m.Price), m.Flags
	case *pitch.OrderExecuted:
		r.Offset, r.OrderID, r.Qty, r.ExecID = m.Offset, m.OrderID, m.Executed, m.Execution
	case *pitch.ReduceSize:
		r.Offset, r.OrderID, r.Qty = m.Offset, m.OrderID, m.Canceled
	case *pitch.ModifyOrder:
		r.Offset, r.OrderID, r.Qty, r.Price, r.Flags = m.Offset, m.OrderID, m.Quantity, uint64(m.Price), m.Flags
	case *pitch.DeleteOrder:
		r.Offset, r.OrderID = m.Offset, m.OrderID
	case *pitch.Trade:
		r.Offset, r.OrderID, r.Side, r.Qty = m.Offset, m.OrderID, string(m.Side), m.Quantity
		r.Symbol, r.Price, r.ExecID = m.Symbol.String(), uint64(m.Price), m.Execution
	}
	return r, m.Append(nil)
}

// Every field of a recorded feed is what another decoder found, we would have written the very same
// bytes, and what the decoder makes of it says the same.
func TestRecordedFeed(t *testing.T) {
	const name = "packets/bats-pitch/mcastpitch_realtime_useq.pcap"
	var truth struct{ Messages []recorded }
	realdata.Facts(t, name, &truth)
	// The capture is of 2014-09-01, 02:06 to 02:13 UTC. The venue's test system, near Kansas City, took the
	// midnight of its own time zone for the start of the day.
	const midnight = 1_409_461_200 * market.Second
	d := pitch.NewDecoder(market.CboeBZX.ID, market.NewSymbolTable(10), midnight)
	var second market.Nanos
	var got []recorded
	eachMessage(t, name, func(_ sequnit.Packet, seq uint32, tsRecv market.Nanos, msg []byte) {
		r, again := parsed(t, seq, msg)
		got = append(got, r)
		if !bytes.Equal(again, msg) {
			t.Errorf("message %d: %x, again %x", seq, msg, again)
		}
		var u market.Update
		v := d.Decode(msg, tsRecv, &u)
		if msg[0] == pitch.TypeTime {
			second = market.Nanos(r.Seconds) * market.Second
			if v != market.Ignored {
				t.Errorf("message %d: %v, want ignored", seq, v)
			}
			return
		}
		price := market.UndefPrice
		if r.Price > 0 {
			price = market.Price(r.Price) * (market.PriceScale / 10_000)
		}
		if v != market.Applied || u.TsEvent != midnight+second+market.Nanos(r.Offset) || u.OrderID != r.OrderID ||
			u.Size != market.Size(r.Qty) || u.Price != price || u.Match != r.ExecID {
			t.Errorf("message %d: %v, %+v, want %+v", seq, v, u, r)
		}
		if lag := tsRecv - u.TsEvent; lag < 0 || lag > market.Second {
			t.Errorf("message %d was under way for %d ns", seq, lag)
		}
	})
	if !reflect.DeepEqual(got, truth.Messages) {
		t.Errorf("got\n%+v\nwant\n%+v", got, truth.Messages)
	}
}

// Single packets of five Cboe feeds. Those of equities are wholly decoded; the others share most
// messages, and their own are unknown types. Counts by type are those of truth.json.
func TestRecordedPackets(t *testing.T) {
	foreign := map[string]int{"0xbb": 2, "0xae": 1, "0xad": 1, "0xd1": 1, "0x9a": 1} // definitions, options auctions
	types := map[string]int{}
	for _, name := range realdata.Glob(t, "packets/omi/Cboe/*.Pitch.*/*.pcap") {
		var truth struct {
			Packets []struct{ Pitch []struct{ Types []string } }
		}
		realdata.Facts(t, name, &truth)
		for _, p := range truth.Packets {
			for _, h := range p.Pitch {
				for _, typ := range h.Types {
					types[typ]++
				}
			}
		}
		d := pitch.NewDecoder(market.CboeBYX.ID, market.NewSymbolTable(100), 0)
		eachMessage(t, name, func(_ sequnit.Packet, seq uint32, tsRecv market.Nanos, msg []byte) {
			typ := fmt.Sprintf("%#02x", msg[0])
			types[typ]--
			var u market.Update
			v := d.Decode(msg, tsRecv, &u)
			if v == market.Cold {
				v = d.DecodeCold(msg, tsRecv, new(market.Facts))
			}
			switch {
			case foreign[typ] > 0:
				foreign[typ]--
				if v != market.UnknownType {
					t.Errorf("%s: message %d of type %s: %v, want unknown-type", name, seq, typ, v)
				}
			case v.Fault():
				t.Errorf("%s: message %d %x: %v", name, seq, msg, v)
			}
			if bytes.Contains([]byte(name), []byte("Byx.Equities")) {
				if _, again := parsed(t, seq, msg); !bytes.Equal(again, msg) {
					t.Errorf("%s: message %d: %x, again %x", name, seq, msg, again)
				}
			}
		})
	}
	for typ, left := range types {
		if left != 0 || foreign[typ] != 0 {
			t.Errorf("type %s: %d messages not seen, %d of another feed", typ, left, foreign[typ])
		}
	}
}
