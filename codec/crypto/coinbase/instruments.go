package coinbase

import (
	"encoding/json"
	"fmt"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
)

// ParseInstruments reads the answer to a request for all products.
func ParseInstruments(body []byte) ([]depth.Instrument, error) {
	var list []struct {
		ID             string
		Base           string `json:"base_currency"`
		Quote          string `json:"quote_currency"`
		Tick           string `json:"quote_increment"`
		Step           string `json:"base_increment"`
		FundsMin       string `json:"min_market_funds"`
		Status         string
		TradingStopped bool `json:"trading_disabled"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("coinbase: parse instruments: %w", err)
	}
	all := make([]depth.Instrument, 0, len(list))
	for i := range list {
		p := &list[i]
		in := depth.Instrument{
			Symbol: p.ID, Base: p.Base, Quote: p.Quote, Unit: p.Base, Class: 'X', Canonical: p.Base + "-" + p.Quote,
			Trading: p.Status == "online" && !p.TradingStopped,
		}
		tick, _ := wire.ParseDecimal(p.Tick)
		step, _ := wire.ParseDecimal(p.Step)
		funds, _ := wire.ParseDecimal(p.FundsMin)
		in.Tick = depth.TickOf(tick)
		in.SizeScale = depth.ScaleFor(step, depth.LargestOf(funds, tick))
		all = append(all, in)
	}
	return all, nil
}
