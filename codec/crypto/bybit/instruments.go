package bybit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
)

// decimal takes a number or a text.
type decimal struct{ wire.Decimal }

// UnmarshalJSON never fails: what is no number is 0, not known.
func (d *decimal) UnmarshalJSON(b []byte) error {
	d.Decimal, _ = wire.ParseDecimal(string(bytes.Trim(b, `"`)))
	return nil
}

// listed is an instrument as either version lists it.
type listed struct {
	// Version 5.
	Symbol       string
	ContractType string
	BaseCoin     string
	QuoteCoin    string
	DeliveryTime string
	Lot          struct {
		BasePrecision    decimal // spot
		QtyStep          decimal // derivatives
		MaxOrderQty      decimal
		MaxLimitOrderQty decimal
	} `json:"lotSizeFilter"`
	Price struct {
		TickSize decimal
	} `json:"priceFilter"`
	Status string
	// Version 2.
	Name    string
	Alias   string
	BaseV2  string `json:"base_currency"`
	QuoteV2 string `json:"quote_currency"`
	LotV2   struct {
		Step decimal `json:"qty_step"`
		Max  decimal `json:"max_trading_qty"`
	} `json:"lot_size_filter"`
	PriceV2 struct {
		TickSize decimal `json:"tick_size"`
	} `json:"price_filter"`
}

// ParseInstruments reads the answer to a request for the instruments of one category, or the list of version
// 2.
func ParseInstruments(body []byte) ([]depth.Instrument, error) {
	var answer struct {
		Code    int    `json:"retCode"`
		Message string `json:"retMsg"`
		Result  json.RawMessage
	}
	var list struct {
		Category string
		List     []listed
	}
	err := json.Unmarshal(body, &answer)
	if err == nil && answer.Code != 0 {
		return nil, fmt.Errorf("bybit: parse instruments: code %d: %s", answer.Code, answer.Message)
	}
	v2 := bytes.HasPrefix(bytes.TrimSpace(answer.Result), []byte("["))
	if err == nil && v2 {
		err = json.Unmarshal(answer.Result, &list.List)
	} else if err == nil {
		err = json.Unmarshal(answer.Result, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("bybit: parse instruments: %w", err)
	}
	all := make([]depth.Instrument, 0, len(list.List))
	for i := range list.List {
		y := &list.List[i]
		if v2 {
			all = append(all, y.instrumentV2())
			continue
		}
		all = append(all, y.instrument(list.Category))
	}
	return all, nil
}

func (y *listed) instrument(category string) depth.Instrument {
	in := depth.Instrument{
		Symbol: y.Symbol, Base: y.BaseCoin, Quote: y.QuoteCoin, Unit: y.BaseCoin, Class: 'X',
		Canonical: y.BaseCoin + "-" + y.QuoteCoin,
		Tick:      depth.TickOf(y.Price.TickSize.Decimal),
		Trading:   y.Status == "Trading",
	}
	step, largest := y.Lot.BasePrecision, y.Lot.MaxLimitOrderQty
	if category != "spot" {
		step = y.Lot.QtyStep
		in.Class = 'F'
		end := "PERP"
		if ms, err := strconv.ParseInt(y.DeliveryTime, 10, 64); err == nil && ms > 0 {
			end = time.UnixMilli(ms).UTC().Format("060102")
		}
		in.Canonical += "-" + end
		if category == "inverse" {
			in.Unit = in.Quote
		}
	}
	if largest.Mantissa == 0 {
		largest = y.Lot.MaxOrderQty
	}
	in.SizeScale = depth.ScaleFor(step.Decimal, largest.Decimal)
	return in
}

func (y *listed) instrumentV2() depth.Instrument {
	in := depth.Instrument{
		Symbol: y.Name, Base: y.BaseV2, Quote: y.QuoteV2, Unit: y.BaseV2, Class: 'F',
		Tick:      depth.TickOf(y.PriceV2.TickSize.Decimal),
		SizeScale: depth.ScaleFor(y.LotV2.Step.Decimal, y.LotV2.Max.Decimal),
		Trading:   y.Status == "Trading",
	}
	end := strings.TrimPrefix(y.Alias, y.BaseV2+y.QuoteV2)
	if end == "" {
		end = "PERP"
	}
	in.Canonical = y.BaseV2 + "-" + y.QuoteV2 + "-" + end
	if y.QuoteV2 == "USD" { // inverse: a contract is worth one
		in.Unit = y.QuoteV2
	}
	return in
}
