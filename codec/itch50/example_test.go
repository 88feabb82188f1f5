package itch50_test

import (
	"bytes"
	"fmt"
	"io"

	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// A file of two messages is read block by block, as MoldUDP64 packets would be.
func Example() {
	symbol, err := itch50.ParseSymbol("TIDE")
	if err != nil {
		fmt.Println(err)
		return
	}
	header := itch50.Header{Locate: 7, Timestamp: 34_200_000_000_000} // 09:30
	add := itch50.AddOrder{Header: header, OrderRef: 1001, Side: itch50.Buy, Shares: 300, Stock: symbol, Price: 24_2700}
	executed := itch50.OrderExecuted{Header: header, OrderRef: 1001, Shares: 100, Match: 1}
	file := itch50.AppendFramed(nil, add.Append(nil))
	file = itch50.AppendFramed(file, executed.Append(nil))
	file = itch50.AppendEnd(file)

	d := itch50.Decoder{Publisher: market.NasdaqITCH.ID}
	r := itch50.NewFileReader(bytes.NewReader(file))
	for {
		block, _, err := r.Block()
		if err == io.EOF {
			fmt.Println("end of session:", r.Ended())
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for len(block) > 0 {
			var msg []byte
			var u market.Update
			msg, block = moldudp64.Next(block)
			fmt.Println(d.Decode(msg, &u), u.Action, u.OrderID, u.Size, u.Price)
		}
	}
	// Output:
	// applied A 1001 300 24.27
	// applied E 1001 100 -
	// end of session: true
}
