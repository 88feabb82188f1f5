package gateway

import (
	"fmt"
	"testing"

	"tidegate/market"
)

// Each update and what it is published as: action, side, order, size @ price, L for the last record
// of its event.
func TestExpand(t *testing.T) {
	const last = market.FlagLast
	tests := []struct {
		name string
		u    market.Update
		want string
	}{
		{
			name: "add",
			u: market.Update{Event: market.Event{
				Action: market.Add, Side: market.Bid, OrderID: 7, Size: 100, Price: 5e9, Flags: last,
			}},
			want: "A B 7 100@5.00 L",
		},
		{
			name: "execution at the order's price",
			u: market.Update{Event: market.Event{
				Action: market.Execute, Side: market.Ask, OrderID: 7, Size: 40, Price: 5e9, Flags: last,
			}, PrevPrice: 5e9, PrevSize: 100},
			want: "T B 0 40@5.00; F A 7 40@5.00; C A 7 40@5.00 L",
		},
		{
			name: "execution at another price leaves the book at the order's",
			u: market.Update{Event: market.Event{
				Action: market.Execute, Side: market.Bid, OrderID: 7, Size: 40, Price: 4e9, Flags: last,
			}, PrevPrice: 5e9, PrevSize: 100},
			want: "T A 0 40@4.00; F B 7 40@4.00; C B 7 40@5.00 L",
		},
		{
			name: "unprintable execution is no trade",
			u: market.Update{Event: market.Event{
				Action: market.Execute, Side: market.Bid, OrderID: 7, Size: 40, Price: 4e9, Flags: last,
			}, PrevPrice: 5e9, PrevSize: 100, Unprintable: true},
			want: "F B 7 40@4.00; C B 7 40@5.00 L",
		},
		{
			name: "execution of more than the order had",
			u: market.Update{Event: market.Event{
				Action: market.Execute, Side: market.Bid, OrderID: 7, Size: 400, Price: 5e9, Flags: last,
			}, PrevPrice: 5e9, PrevSize: 100},
			want: "T A 0 100@5.00; F B 7 100@5.00; C B 7 100@5.00 L",
		},
		{
			name: "partial cancel",
			u: market.Update{Event: market.Event{
				Action: market.Cancel, Side: market.Ask, OrderID: 7, Size: 30, Price: market.UndefPrice, Flags: last,
			}, PrevPrice: 5e9, PrevSize: 100},
			want: "C A 7 30@5.00 L",
		},
		{
			name: "delete says what the order still had",
			u: market.Update{Event: market.Event{
				Action: market.Delete, Side: market.Ask, OrderID: 7, Price: market.UndefPrice, Flags: last,
			}, PrevPrice: 5e9, PrevSize: 60},
			want: "C A 7 60@5.00 L",
		},
		{
			name: "replace",
			u: market.Update{Event: market.Event{
				Action: market.Replace, Side: market.Bid, OrderID: 8, Size: 50, Price: 6e9, Flags: last,
			}, PrevOrderID: 7, PrevPrice: 5e9, PrevSize: 60},
			want: "C B 7 60@5.00; A B 8 50@6.00 L",
		},
		{
			name: "new level",
			u: market.Update{Event: market.Event{
				Action: market.Level, Side: market.Ask, Size: 50, Price: 6e9, Flags: last | market.FlagMBP,
			}, PrevPrice: market.UndefPrice},
			want: "A A 12000000001 50@6.00 L",
		},
		{
			name: "changed level inside an event",
			u: market.Update{Event: market.Event{
				Action: market.Level, Side: market.Bid, Size: 50, Price: 6e9, Flags: market.FlagMBP,
			}, PrevPrice: 6e9, PrevSize: 20},
			want: "M B 12000000000 50@6.00",
		},
		{
			name: "level gone",
			u: market.Update{Event: market.Event{
				Action: market.Level, Side: market.Bid, Price: 6e9, Flags: last | market.FlagMBP,
			}, PrevPrice: 6e9, PrevSize: 20},
			want: "C B 12000000000 20@6.00 L",
		},
		{
			name: "quote moves: one order stands for the side",
			u: market.Update{Event: market.Event{
				Action: market.Level, Side: market.Ask, Price: 7e9, Size: 5, Flags: last | market.FlagMBP | market.FlagTOB,
			}, PrevPrice: 6e9, PrevSize: 20},
			want: "M A 2 5@7.00 L",
		},
		{
			name: "quote gone",
			u: market.Update{Event: market.Event{
				Action: market.Level, Side: market.Bid, Price: market.UndefPrice, Flags: last | market.FlagMBP | market.FlagTOB,
			}, PrevPrice: 6e9, PrevSize: 20},
			want: "C B 1 20@6.00 L",
		},
		{
			name: "clear",
			u: market.Update{Event: market.Event{
				Action: market.Clear, Side: market.NoSide, Price: market.UndefPrice, Flags: last,
			}},
			want: "R N 0 0@- L",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var events [expandMax]market.Event
			n := expand(&tt.u, &events)
			got := ""
			for i := range events[:n] {
				e := &events[i]
				if i > 0 {
					got += "; "
				}
				got += fmt.Sprintf("%s %s %d %d@%s", e.Action, e.Side, e.OrderID, e.Size, e.Price)
				if e.Flags&last != 0 {
					got += " L"
				}
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
