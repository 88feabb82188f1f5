package pitch_test

import (
	"fmt"

	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// A venue packs messages into a unit; a listener takes them out again.
func Example() {
	symbol, _ := pitch.ParseSymbol("ZVE")
	var b sequnit.Builder
	b.Reset(1, 42, 1472) // unit 1, the first message has number 42
	b.Append((&pitch.Time{Seconds: 34_200}).Append(nil))
	b.Append((&pitch.AddOrder{
		Header: pitch.Header{Offset: 5_000_000}, OrderID: 7, Side: pitch.Buy, Quantity: 100, Symbol: symbol, Price: 200_600, Flags: 1,
	}).Append(nil))
	b.Append((&pitch.OrderExecuted{Header: pitch.Header{Offset: 6_000_000}, OrderID: 7, Executed: 40, Execution: 1}).Append(nil))

	packet, err := sequnit.Parse(b.Bytes())
	if err != nil {
		panic(err)
	}
	d := pitch.NewDecoder(market.CboeBZX.ID, market.NewSymbolTable(1<<16), 0)
	var u market.Update
	for block, seq := packet.Messages, packet.Seq; len(block) > 0; seq++ {
		var msg []byte
		msg, block = sequnit.Next(block)
		switch v := d.Decode(msg, market.UndefTime, &u); v {
		case market.Applied:
			fmt.Println(seq, u.TsEvent, u.Action, u.Side, u.OrderID, u.Size, u.Price)
		default:
			fmt.Println(seq, v)
		}
	}
	// Output:
	// 42 ignored
	// 43 34200005000000 A B 7 100 20.06
	// 44 34200006000000 E N 7 40 -
}
