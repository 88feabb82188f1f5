package kraken

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
)

// usual gives the usual code of an asset that version 1 writes otherwise.
var usual = map[string]string{"XBT": "BTC", "XDG": "DOGE"}

// ParseInstruments reads the answer to a request for all asset pairs, in the order of their keys. Symbols
// are those of version 2.
func ParseInstruments(body []byte) ([]depth.Instrument, error) {
	all, err := ParseInstrumentsV1(body)
	for i := range all {
		all[i].Symbol = all[i].Base + "/" + all[i].Quote
	}
	return all, err
}

// ParseInstrumentsV1 is ParseInstruments with the symbols of version 1.
func ParseInstrumentsV1(body []byte) ([]depth.Instrument, error) {
	var list struct {
		Error  []string
		Result map[string]struct {
			Name         string `json:"wsname"`
			PairDecimals uint8  `json:"pair_decimals"`
			LotDecimals  uint8  `json:"lot_decimals"`
			TickSize     string `json:"tick_size"` // newer than pair_decimals, and more exact
			OrderMin     string
			Status       string // newer, too
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("kraken: parse instruments: %w", err)
	}
	if len(list.Error) > 0 {
		return nil, fmt.Errorf("kraken: parse instruments: %s", strings.Join(list.Error, "; "))
	}
	var all []depth.Instrument
	for _, key := range slices.Sorted(maps.Keys(list.Result)) {
		p := list.Result[key]
		base, quote, ok := strings.Cut(p.Name, "/")
		if !ok {
			continue // a dark pool: not in the WebSocket API
		}
		in := depth.Instrument{
			Symbol: p.Name, Base: base, Quote: quote, Class: 'X', Trading: p.Status == "" || p.Status == "online",
		}
		if code, ok := usual[base]; ok {
			in.Base = code
		}
		if code, ok := usual[quote]; ok {
			in.Quote = code
		}
		in.Canonical, in.Unit = in.Base+"-"+in.Quote, in.Base
		tick, ok := wire.ParseDecimal(p.TickSize)
		if !ok {
			tick = wire.Decimal{Mantissa: 1, Decimals: p.PairDecimals}
		}
		in.Tick = depth.TickOf(tick)
		orderMin, _ := wire.ParseDecimal(p.OrderMin)
		in.SizeScale = depth.ScaleFor(wire.Decimal{Mantissa: 1, Decimals: p.LotDecimals}, depth.Times(orderMin, 8))
		all = append(all, in)
	}
	return all, nil
}
