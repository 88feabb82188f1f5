package ouch50_test

import (
	"fmt"

	"tidegate/codec/ouch50"
)

// A client asks for an order, and the venue reads what it wants.
func Example() {
	symbol, err := ouch50.ParseSymbol("TIDE")
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := ouch50.ParseClOrdID("my-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	price, ok := ouch50.PriceOf(24_270_000_000)
	if !ok {
		fmt.Println("not a price of the venue")
		return
	}
	var refs ouch50.RefSequence
	ref, _ := refs.Next()
	refs.Take(ref)
	order := ouch50.EnterOrder{
		UserRefNum: ref, Side: ouch50.Buy, Quantity: 300, Symbol: symbol, Price: price,
		TimeInForce: ouch50.Day, Display: ouch50.Visible, Capacity: ouch50.Principal, ISO: ouch50.No,
		CrossType: ouch50.ContinuousMarket, ClOrdID: id,
		Appendage: ouch50.Appendage(nil).AppendCode(ouch50.TagPostOnly, ouch50.PostOnly),
	}
	msg := order.Append(nil)

	var seen ouch50.RefSequence
	var m ouch50.EnterOrder
	if err := m.Parse(msg); err != nil || !seen.Take(m.UserRefNum) {
		fmt.Println(err, m.Check())
		return
	}
	limit, _ := m.Price.Price() // market.UndefPrice if the order has none
	o, _ := m.Appendage.Find(ouch50.TagPostOnly)
	fmt.Println(ouch50.MarketSide(m.Side), m.Quantity, m.Symbol, limit, o.Code() == ouch50.PostOnly, m.ClOrdID)
	// Output: B 300 TIDE 24.27 true my-1
}
