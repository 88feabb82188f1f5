package replay_test

import (
	"encoding/binary"
	"math"
	"testing"

	"tidegate/codec/itch50"
	"tidegate/gateway"
	"tidegate/gateway/replay"
)

// itchAdd returns an Add Order message. See Nasdaq TotalView-ITCH 5.0, section 1.3.1.
func itchAdd(id uint64, shares, price uint32) []byte {
	b := make([]byte, 36)
	b[0], b[19] = 'A', 'B'
	binary.BigEndian.PutUint16(b[1:], 7)
	copy(b[5:11], []byte{0x27, 0x4a, 0x48, 0xb0, 0x00, 0x00}) // noon: 43,200e9 ns since midnight
	binary.BigEndian.PutUint64(b[11:], id)
	binary.BigEndian.PutUint32(b[20:], shares)
	copy(b[24:32], "TEST    ")
	binary.BigEndian.PutUint32(b[32:], price)
	return b
}

// itchDelete returns an Order Delete message. See section 1.4.4.
func itchDelete(id uint64) []byte {
	b := make([]byte, 19)
	b[0] = 'D'
	copy(b[1:11], itchAdd(0, 0, 0)[1:11])
	binary.BigEndian.PutUint64(b[11:], id)
	return b
}

// Messages that do not do what they say are counted by reason, between good ones that do.
func TestBadMessages(t *testing.T) {
	if itch50.Length('A') != 36 || itch50.Length('D') != 19 {
		t.Fatal("the messages of this test have wrong lengths")
	}
	add := itchAdd(1, 100, 10_0000)
	badSide := itchAdd(3, 100, 10_0000)
	badSide[19] = 'X'
	result := replayFiles(t, pcapOf(t,
		record{noon, groupA, mold("BAD", 1, add, itchDelete(99))},                        // never seen
		record{noon, groupA, mold("BAD", 3, nil, itchAdd(2, 1, 1))},                      // of no length
		record{noon, groupA, mold("BAD", 5, add[:20], append(itchAdd(4, 1, 1), 0))},      // too short, too long
		record{noon, groupA, mold("BAD", 7, []byte("z?"), add)},                          // no such type; again
		record{noon, groupA, mold("BAD", 9, badSide)},                                    //
		record{noon, groupA, mold("BAD", 10, make([]byte, 60_000))},                      // oversized
		record{noon, groupA, append(mold("BAD", 11, itchDelete(1)), "and then some"...)}, // malformed
		record{noon, groupA, mold("BAD", 11, itchDelete(1))[:30]},                        // malformed
		record{noon, groupA, mold("BAD", 11, itchDelete(1))[:7]},                         // malformed
		record{noon, groupA, mold("BAD", math.MaxUint64, itchDelete(1), itchDelete(2))},  // past the end
		record{noon, groupA, mold("BAD", 0, itchDelete(1))},                              // no sequence
		record{noon, groupA, mold("ELSE", 11, itchDelete(1))},                            // another session
		record{noon, groupA, mold("BAD", 11, itchDelete(2))},
	))
	c := &result.Summary.Channels[0]
	want := map[string]uint64{
		"applied": 3, "unknown-order": 1, "short": 2, "long": 1, "unknown-type": 2, "duplicate-order": 1, "bad-field": 1,
	}
	for verdict, n := range want {
		if c.Verdicts[verdict] != n {
			t.Errorf("%s: %d, want %d", verdict, c.Verdicts[verdict], n)
		}
	}
	if c.Messages != 11 || len(c.Verdicts) != len(want) {
		t.Errorf("%d messages, verdicts %v; want 11, %v", c.Messages, c.Verdicts, want)
	}
	line := &c.Ledger.Lines[0]
	if line.Malformed+line.Unsequenced.Packets != 5 || line.Foreign.Packets != 1 {
		t.Errorf("malformed %d, unsequenced %d, foreign %d; want 5 of the first two, 1", line.Malformed,
			line.Unsequenced.Packets, line.Foreign.Packets)
	}
	if got := result.Summary.Imperfect; got != 8+5 {
		t.Errorf("imperfect %d, want 8 messages and 5 packets", got)
	}
	if books := result.Channels[0].Pipeline.Books(); books.BBO(7).Bid.Price != 10_000_000_000 {
		t.Errorf("best bid %v, want that of the one order left", books.BBO(7).Bid)
	}
}

// iexPacket returns an IEX-TP segment of DEEP 1.0. See IEX Transport Specification 1.25.
func iexPacket(seq uint64, messages ...[]byte) []byte {
	le := binary.LittleEndian
	var block []byte
	for _, m := range messages {
		block = append(le.AppendUint16(block, uint16(len(m))), m...)
	}
	b := []byte{1, 0}
	b = le.AppendUint16(b, 0x8004)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, 77)
	b = le.AppendUint16(b, uint16(len(block)))
	b = le.AppendUint16(b, uint16(len(messages)))
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, seq)
	b = le.AppendUint64(b, uint64(noon))
	return append(b, block...)
}

// deepLevel returns a Price Level Update of the buy side. See IEX DEEP 1.08, price level update.
func deepLevel(size uint32, price int64) []byte {
	b := make([]byte, 30)
	b[0], b[1] = '8', 1
	binary.LittleEndian.PutUint64(b[2:], uint64(noon))
	copy(b[10:18], "TEST    ")
	binary.LittleEndian.PutUint32(b[18:], size)
	binary.LittleEndian.PutUint64(b[22:], uint64(price))
	return b
}

// A price that 64 bits of billionths cannot hold is refused, not wrapped around.
func TestPriceOverflow(t *testing.T) {
	result := replayFiles(t, pcapOf(t,
		record{noon, groupA, iexPacket(1, deepLevel(100, 10_0000), deepLevel(100, math.MaxInt64))},
		record{noon, groupA, iexPacket(3, deepLevel(100, math.MinInt64), deepLevel(100, math.MaxInt64/100_000+1))},
		record{noon, groupA, iexPacket(5, deepLevel(0, 9_0000))}, // removes what is not there
	))
	c := &result.Summary.Channels[0]
	if c.Feed != gateway.DEEP.String() || c.Verdicts["bad-price"] != 3 || c.Verdicts["applied"] != 1 || c.Verdicts["unknown-level"] != 1 {
		t.Errorf("%s: verdicts %v; want 3 bad prices, 1 applied, 1 unknown level", c.Feed, c.Verdicts)
	}
	book := result.Books("TEST", 5)
	if len(book) != 1 || len(book[0].Bids) != 1 || book[0].Bids[0] != (replay.LevelSnapshot{Price: "10.00", Size: 100}) {
		t.Errorf("book %+v, want 100 at 10.00 alone", book)
	}
}
