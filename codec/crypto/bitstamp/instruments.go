package bitstamp

import (
	"encoding/json"
	"fmt"
	"strings"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
)

// ParseInstruments reads the answer to a request for all trading pairs, or for all markets.
func ParseInstruments(body []byte) ([]depth.Instrument, error) {
	var list []struct {
		Name            string // "BTC/USD"
		URLSymbol       string `json:"url_symbol"`    // of pairs
		MarketSymbol    string `json:"market_symbol"` // of markets
		BaseDecimals    uint8  `json:"base_decimals"`
		CounterDecimals uint8  `json:"counter_decimals"`
		OrderMin        string `json:"minimum_order"`       // of pairs: "20.0 USD"
		OrderMinValue   string `json:"minimum_order_value"` // of markets
		Trading         string
		MarketType      string `json:"market_type"` // of markets
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("bitstamp: parse instruments: %w", err)
	}
	all := make([]depth.Instrument, 0, len(list))
	for i := range list {
		p := &list[i]
		base, quote, ok := strings.Cut(p.Name, "/")
		if !ok {
			continue // no pair
		}
		in := depth.Instrument{
			Symbol: p.URLSymbol + p.MarketSymbol, Base: base, Quote: quote, Unit: base, Class: 'X',
			Canonical: base + "-" + quote, Trading: p.Trading == "Enabled",
		}
		if p.MarketType == "PERPETUAL" {
			in.Class, in.Canonical = 'F', in.Canonical+"-PERP"
		}
		value, _, _ := strings.Cut(p.OrderMin+p.OrderMinValue, " ")
		worth, _ := wire.ParseDecimal(value)
		tick := wire.Decimal{Mantissa: 1, Decimals: p.CounterDecimals}
		in.Tick = depth.TickOf(tick)
		in.SizeScale = depth.ScaleFor(wire.Decimal{Mantissa: 1, Decimals: p.BaseDecimals}, depth.LargestOf(worth, tick))
		all = append(all, in)
	}
	return all, nil
}
