package okx

import (
	"encoding/json"
	"fmt"
	"strings"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
)

// ParseInstruments reads the answer to a request for the instruments of one type.
func ParseInstruments(body []byte) ([]depth.Instrument, error) {
	var list struct {
		Code string
		Msg  string
		Data []struct {
			Type       string `json:"instType"`
			ID         string `json:"instId"`
			Underlying string `json:"uly"` // derivatives
			Base       string `json:"baseCcy"`
			Quote      string `json:"quoteCcy"`
			Tick       string `json:"tickSz"`
			Step       string `json:"lotSz"`
			SizeMin    string `json:"minSz"`
			OptionType string `json:"optType"`
			State      string
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("okx: parse instruments: %w", err)
	}
	if list.Code != "0" {
		return nil, fmt.Errorf("okx: parse instruments: code %s: %s", list.Code, list.Msg)
	}
	all := make([]depth.Instrument, 0, len(list.Data))
	for i := range list.Data {
		y := &list.Data[i]
		in := depth.Instrument{
			Symbol: y.ID, Base: y.Base, Quote: y.Quote, Unit: y.Base, Class: 'X', Canonical: y.Base + "-" + y.Quote,
			Trading: y.State == "live",
		}
		if y.Type != "SPOT" && y.Type != "MARGIN" {
			in.Base, in.Quote, _ = strings.Cut(y.Underlying, "-")
			in.Unit, in.Class, in.Canonical = "CONTRACT", 'F', y.ID
			if pair, ok := strings.CutSuffix(y.ID, "-SWAP"); ok {
				in.Canonical = pair + "-PERP"
			}
			if y.OptionType == "C" || y.OptionType == "P" {
				in.Class = y.OptionType[0]
			}
		}
		tick, _ := wire.ParseDecimal(y.Tick)
		step, _ := wire.ParseDecimal(y.Step)
		sizeMin, _ := wire.ParseDecimal(y.SizeMin)
		in.Tick = depth.TickOf(tick)
		in.SizeScale = depth.ScaleFor(step, depth.Times(sizeMin, 8))
		all = append(all, in)
	}
	return all, nil
}
