package iex_test

import (
	"fmt"
	"reflect"
	"testing"

	"tidegate/codec/iex"
	"tidegate/codec/iextp"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// Single packets of the real feeds, 2018 to 2021: framing and types as truth.json has them, and no
// message at fault. Between them they hold every type but trade breaks, security events and retail
// liquidity indicators.
func TestRecordedPackets(t *testing.T) {
	seen := map[byte]int{}
	for _, name := range realdata.Glob(t, "packets/omi/Iex/*/*.pcap") {
		type framing struct {
			Protocol     string   `json:"proto"`
			Channel      uint32   `json:"channel"`
			Session      uint32   `json:"session"`
			Seq          uint64   `json:"first_seq"`
			StreamOffset int64    `json:"stream_offset"`
			Count        uint16   `json:"count"`
			SendTime     string   `json:"send"`
			Types        []string `json:"types"`
		}
		var truth struct {
			Packets []struct {
				Framing framing `json:"iextp"`
			} `json:"packets"`
		}
		realdata.Facts(t, name, &truth)

		symbols := market.NewSymbolTable(100)
		deep, tops := iex.NewDeep(market.IEXDeep.ID, symbols), iex.NewTops(market.IEXTops.ID, symbols)
		packets := 0
		cut := readCapture(t, name, func(b []byte) {
			seg, err := iextp.Parse(b)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := framing{
				fmt.Sprintf("%#04x", seg.Protocol), seg.Channel, seg.Session, seg.Seq, seg.StreamOffset,
				seg.Count, text(seg.SendTime),
				[]string{},
			}
			var decoder any = tops
			if seg.Protocol == iextp.DEEP10 {
				decoder = deep
			}
			for block := seg.Messages; len(block) > 0; {
				var msg []byte
				msg, block = iextp.Next(block)
				got.Types = append(got.Types, string(msg[:1]))
				seen[msg[0]]++
				var f market.Facts
				if v := decodeAny(decoder, msg, &f); v.Fault() {
					t.Errorf("%s: message %q: %v", name, msg, v)
				}
			}
			if want := truth.Packets[packets].Framing; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got\n%+v, want\n%+v", name, got, want)
			}
			packets++
		})
		if cut || packets != len(truth.Packets) {
			t.Errorf("%s: %d packets (cut: %t), want %d", name, packets, cut, len(truth.Packets))
		}
	}
	for _, kind := range []byte("58ADHOPQSTX") {
		if seen[kind] == 0 {
			t.Errorf("no packet with a message of type %c", kind)
		}
	}
}
