package itch50

import (
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

const midnight market.Nanos = 1_692_676_800_000_000_000 // 2023-08-22 00:00 in New York

var testDecoder = Decoder{Midnight: midnight, Publisher: market.NasdaqITCH.ID}

// canary is an update of which every field is set, to see which ones a decoder changes.
func canary() market.Update {
	return market.Update{
		Event: market.Event{
			TsEvent: 1, TsRecv: 2, Seq: 3, OrderID: 4, Price: 5, Size: 6, Instrument: 7, TsInDelta: 8, Publisher: 9,
			Action: market.Clear, Side: 11, Flags: 12, Channel: 13,
		},
		PrevOrderID: 14, PrevPrice: 15, PrevSize: 16, Match: 17, Unprintable: true,
	}
}

// update returns canary with the fields that every decoded message sets, and edit's changes.
func update(edit func(u *market.Update)) market.Update {
	u := canary()
	u.TsEvent = midnight + 34_200_123_456_789
	u.OrderID = 0x0102030405060708
	u.Price = market.UndefPrice
	u.Size = 0
	u.Instrument = 8243
	u.Publisher = market.NasdaqITCH.ID
	u.Side = market.NoSide
	u.Flags = market.FlagLast
	u.PrevOrderID = 0
	u.Match = 0
	u.Unprintable = false
	edit(&u)
	return u
}

func TestDecode(t *testing.T) {
	const order = "0102030405060708 "
	for _, tt := range []struct {
		name string
		wire string
		want func(u *market.Update)
	}{
		{"add", "41" + headHex + order + "42 0000012c" + stock + "0003b40c", func(u *market.Update) {
			u.Action, u.Side, u.Size, u.Price = market.Add, market.Bid, 300, 24_270_000_000
		}},
		{"add at the largest price and size", "41" + headHex + order + "53 ffffffff" + stock + "ffffffff", func(u *market.Update) {
			u.Action, u.Side, u.Size, u.Price = market.Add, market.Ask, 4_294_967_295, 429_496_729_500_000
		}},
		{"add, attributed", "46" + headHex + order + "53 0000012c" + stock + "0003b40c 4f4e4c59", func(u *market.Update) {
			u.Action, u.Side, u.Size, u.Price = market.Add, market.Ask, 300, 24_270_000_000
		}},
		{"executed", "45" + headHex + order + "0000000a 1112131415161718", func(u *market.Update) {
			u.Action, u.Size, u.Match = market.Execute, 10, 0x1112131415161718
		}},
		{"executed with price", "43" + headHex + order + "0000000a 1112131415161718 59 0003b40c", func(u *market.Update) {
			u.Action, u.Size, u.Match, u.Price = market.Execute, 10, 0x1112131415161718, 24_270_000_000
		}},
		{"executed, unprintable", "43" + headHex + order + "0000000a 1112131415161718 4e 0003b40c", func(u *market.Update) {
			u.Action, u.Size, u.Match, u.Price = market.Execute, 10, 0x1112131415161718, 24_270_000_000
			u.Unprintable = true
		}},
		{"cancel", "58" + headHex + order + "000003e8", func(u *market.Update) {
			u.Action, u.Size = market.Cancel, 1000
		}},
		{"delete", "44" + headHex + order, func(u *market.Update) {
			u.Action = market.Delete
		}},
		{"replace", "55" + headHex + order + "0102030405060709 000003e8 0003b40c", func(u *market.Update) {
			u.Action, u.OrderID, u.PrevOrderID = market.Replace, 0x0102030405060709, 0x0102030405060708
			u.Size, u.Price = 1000, 24_270_000_000
		}},
		{"trade", "50" + headHex + order + "42 00000019" + stock + "0003b40c 1112131415161718", func(u *market.Update) {
			u.Action, u.Size, u.Price, u.Match = market.Trade, 25, 24_270_000_000, 0x1112131415161718
		}},
		{"trade, sell", "50" + headHex + order + "53 00000019" + stock + "0003b40c 1112131415161718", func(u *market.Update) {
			u.Action, u.Size, u.Price, u.Match = market.Trade, 25, 24_270_000_000, 0x1112131415161718
		}},
		{"cross", "51" + headHex + "0000000123456789" + stock + "0003b40c 1112131415161718 4f", func(u *market.Update) {
			u.Action, u.OrderID = market.Trade, 0
			u.Size, u.Price, u.Match = 0x123456789, 24_270_000_000, 0x1112131415161718
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, want := canary(), update(tt.want)
			if v := testDecoder.Decode(unhex(tt.wire), &got); v != market.Applied {
				t.Fatalf("verdict %v, want applied", v)
			}
			if got != want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestDecodeVerdicts(t *testing.T) {
	const (
		order    = "0102030405060708 "
		tomorrow = " 2033 0002 4e94914f0000 " // 24:00:00
		lastNano = " 2033 0002 4e94914effff "
		farTime  = " 2033 0002 ffffffffffff "
	)
	for _, tt := range []struct {
		name string
		wire string
		want market.Verdict
	}{
		{"empty", "", market.Short},
		{"type alone", "41", market.Short},
		{"unknown type", "7a" + headHex + order, market.UnknownType},
		{"unknown type alone", "00", market.UnknownType},
		{"cross of nothing", "51" + headHex + "0000000000000000" + stock + "00000000 1112131415161718 4f", market.Ignored},
		{"broken trade", "42" + headHex + "1112131415161718", market.Ignored},
		{"add, side C", "41" + headHex + order + "43 0000012c" + stock + "0003b40c", market.BadField},
		{"add, side b", "41" + headHex + order + "62 0000012c" + stock + "0003b40c", market.BadField},
		{"add, side D, a type that has no side", "41" + headHex + order + "44 0000012c" + stock + "0003b40c", market.BadField},
		{"add, side N", "41" + headHex + order + "4e 0000012c" + stock + "0003b40c", market.BadField},
		{"trade, side 0", "50" + headHex + order + "00 00000019" + stock + "0003b40c 1112131415161718", market.BadField},
		{"executed, printable y", "43" + headHex + order + "0000000a 1112131415161718 79 0003b40c", market.BadField},
		{"executed, printable B", "43" + headHex + order + "0000000a 1112131415161718 42 0003b40c", market.BadField},
		{"last nanosecond", "44" + lastNano + order, market.Applied},
		{"delete tomorrow", "44" + tomorrow + order, market.BadTime},
		{"delete at the largest time", "44" + farTime + order, market.BadTime},
		{"add tomorrow", "41" + tomorrow + order + "42 0000012c" + stock + "0003b40c", market.BadTime},
		{"cross tomorrow", "51" + tomorrow + "0000000123456789" + stock + "0003b40c 1112131415161718 4f", market.BadTime},
		{"cross of nothing tomorrow", "51" + tomorrow + "0000000000000000" + stock + "0003b40c 1112131415161718 4f", market.BadTime},
		{"broken trade tomorrow", "42" + tomorrow + "1112131415161718", market.BadTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := canary()
			if v := testDecoder.Decode(unhex(tt.wire), &got); v != tt.want {
				t.Errorf("verdict %v, want %v", v, tt.want)
			}
			if tt.want != market.Applied && got != canary() {
				t.Errorf("the update was changed: %+v", got)
			}
		})
	}
	for _, g := range golden {
		wire := unhex(g.wire)
		want := market.Cold
		switch wire[0] {
		case 'A', 'F', 'E', 'C', 'X', 'D', 'U', 'P', 'Q':
			want = market.Applied
		case 'B':
			want = market.Ignored
		}
		for n := range len(wire) + 2 {
			cut := append(wire[:len(wire):len(wire)], 0)[:n]
			want := want
			if n < len(wire) {
				want = market.Short
			} else if n > len(wire) {
				want = market.Long
			}
			u := canary()
			if v := testDecoder.Decode(cut, &u); v != want {
				t.Errorf("%s of %d bytes: verdict %v, want %v", g.name, n, v, want)
			}
			if want != market.Applied && u != canary() {
				t.Errorf("%s of %d bytes changed the update: %+v", g.name, n, u)
			}
		}
	}
}

// TestLayouts checks what Decode takes for granted: that every load lies inside the message. A load
// past its end might go unseen, for slices can be extended up to their capacity.
func TestLayouts(t *testing.T) {
	hot := 0
	for i, l := range layouts {
		if l.length == 0 {
			continue
		}
		hot++
		typ := byte(i)
		if int(l.length) != Length(typ) {
			t.Errorf("%q: length %d, want %d", typ, l.length, Length(typ))
		}
		if l.length < orderLen {
			t.Errorf("%q: length %d is below %d", typ, l.length, orderLen)
		}
		for _, end := range []uint8{l.orderAt + 8, l.priceAt + 4, l.sizeAt + 4, l.matchAt + 8, l.choiceAt + 1} {
			if end > l.length {
				t.Errorf("%q: a field ends at %d, the message at %d", typ, end, l.length)
			}
		}
		if l.choices == nil || l.action == 0 || l.orderAt == 0 {
			t.Errorf("%q: the layout is not complete: %+v", typ, l)
		}
		if l.choiceAt == 0 && l.choices[typ] != noSide {
			t.Errorf("%q has no choice and is refused", typ)
		}
	}
	if hot != 8 {
		t.Errorf("%d layouts, want 8", hot)
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	block := mix(1000)
	var u market.Update
	if n := testing.AllocsPerRun(100, func() {
		for rest := block; len(rest) > 0; {
			var msg []byte
			msg, rest = moldudp64.Next(rest)
			testDecoder.Decode(msg, &u)
		}
	}); n != 0 {
		t.Errorf("Decode of 1,000 messages allocates %.1f times, want 0", n)
	}
}

// TestDecodeAgreesWithPlain compares Decode with its plain twin over many messages. FuzzDecode does so
// for bytes of any kind.
func TestDecodeAgreesWithPlain(t *testing.T) {
	block := mix(100_000)
	got, want := hashDecoded(&testDecoder, block), hashPlain(&testDecoder, block)
	if got != want {
		t.Errorf("hash %#x, want %#x", got, want)
	}
}
