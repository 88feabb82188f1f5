package binance

import (
	"encoding/json"
	"fmt"
	"strings"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
)

// ParseInstruments reads the answer to exchangeInfo, of spot or of futures. Symbols are those of
// messages; names of streams have them in small letters.
func ParseInstruments(body []byte) ([]depth.Instrument, error) {
	var list struct {
		Symbols []struct {
			Symbol       string
			Status       string
			BaseAsset    string
			QuoteAsset   string
			ContractType string // futures
			Filters      []struct {
				FilterType string
				TickSize   string
				StepSize   string
				MaxQty     string
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("binance: parse instruments: %w", err)
	}
	all := make([]depth.Instrument, 0, len(list.Symbols))
	for i := range list.Symbols {
		y := &list.Symbols[i]
		in := depth.Instrument{
			Symbol: y.Symbol, Base: y.BaseAsset, Quote: y.QuoteAsset, Unit: y.BaseAsset, Class: 'X',
			Canonical: y.BaseAsset + "-" + y.QuoteAsset,
			Trading:   y.Status == "TRADING",
		}
		if y.ContractType != "" {
			in.Class = 'F'
			end := "PERP"
			if _, date, ok := strings.Cut(y.Symbol, "_"); ok {
				end = date
			}
			in.Canonical += "-" + end
		}
		var step, largest wire.Decimal
		for _, f := range y.Filters {
			switch f.FilterType {
			case "PRICE_FILTER":
				tick, _ := wire.ParseDecimal(f.TickSize)
				in.Tick = depth.TickOf(tick)
			case "LOT_SIZE":
				step, _ = wire.ParseDecimal(f.StepSize)
				largest, _ = wire.ParseDecimal(f.MaxQty)
			}
		}
		in.SizeScale = depth.ScaleFor(step, largest)
		all = append(all, in)
	}
	return all, nil
}
