package ouch50

// RejectReason says why the venue rejects an order. 0 is none.
type RejectReason uint16

// Reasons. Those with Risk come from the checks before the market.
const (
	RejectQuoteUnavailable          RejectReason = 0x01
	RejectDestinationClosed         RejectReason = 0x02
	RejectInvalidDisplay            RejectReason = 0x03
	RejectInvalidMaxFloor           RejectReason = 0x04
	RejectInvalidPegType            RejectReason = 0x05
	RejectFatFinger                 RejectReason = 0x06
	RejectHalted                    RejectReason = 0x07
	RejectISONotAllowed             RejectReason = 0x08
	RejectInvalidSide               RejectReason = 0x09
	RejectProcessingError           RejectReason = 0x0A
	RejectCancelPending             RejectReason = 0x0B
	RejectFirmNotAuthorized         RejectReason = 0x0C
	RejectInvalidMinQuantity        RejectReason = 0x0D
	RejectNoClosingReferencePrice   RejectReason = 0x0E
	RejectOther                     RejectReason = 0x0F
	RejectCancelNotAllowed          RejectReason = 0x10
	RejectPeggingNotAllowed         RejectReason = 0x11
	RejectCrossedMarket             RejectReason = 0x12
	RejectInvalidQuantity           RejectReason = 0x13
	RejectInvalidCrossOrder         RejectReason = 0x14
	RejectReplaceNotAllowed         RejectReason = 0x15
	RejectRoutingNotAllowed         RejectReason = 0x16
	RejectInvalidSymbol             RejectReason = 0x17
	RejectTest                      RejectReason = 0x18
	RejectLateLOCTooAggressive      RejectReason = 0x19
	RejectRetailNotAllowed          RejectReason = 0x1A
	RejectInvalidMidpointPrice      RejectReason = 0x1B
	RejectInvalidDestination        RejectReason = 0x1C
	RejectInvalidPrice              RejectReason = 0x1D
	RejectSharesExceedThreshold     RejectReason = 0x1E
	RejectNotionalMax               RejectReason = 0x1F
	RejectRiskAggregateExposure     RejectReason = 0x20
	RejectRiskMarketImpact          RejectReason = 0x21
	RejectRiskRestrictedStock       RejectReason = 0x22
	RejectRiskShortSellRestricted   RejectReason = 0x23
	RejectRiskISONotAllowed         RejectReason = 0x24
	RejectRiskADVLimit              RejectReason = 0x25
	RejectRiskFatFinger             RejectReason = 0x26
	RejectRiskLocateRequired        RejectReason = 0x27
	RejectRiskSymbolMessageRate     RejectReason = 0x28
	RejectRiskPortMessageRate       RejectReason = 0x29
	RejectRiskDuplicateMessageRate  RejectReason = 0x2A
	RejectRiskShortSellNotAllowed   RejectReason = 0x2B
	RejectRiskMarketOrderNotAllowed RejectReason = 0x2C
	RejectRiskPreMarketNotAllowed   RejectReason = 0x2D
	RejectRiskPostMarketNotAllowed  RejectReason = 0x2E
	RejectRiskShortExemptNotAllowed RejectReason = 0x2F
	RejectRiskOrderNotional         RejectReason = 0x30
	RejectRiskQuantityMax           RejectReason = 0x31
	RejectRegSHOStateNotAvailable   RejectReason = 0x32
	RejectRiskIPOMarketBuy          RejectReason = 0x33
	RejectInvalidAIQ                RejectReason = 0x40
)

var rejectNames = [...]string{
	0:                               "none",
	RejectQuoteUnavailable:          "quote-unavailable",
	RejectDestinationClosed:         "destination-closed",
	RejectInvalidDisplay:            "invalid-display",
	RejectInvalidMaxFloor:           "invalid-max-floor",
	RejectInvalidPegType:            "invalid-peg-type",
	RejectFatFinger:                 "fat-finger",
	RejectHalted:                    "halted",
	RejectISONotAllowed:             "iso-not-allowed",
	RejectInvalidSide:               "invalid-side",
	RejectProcessingError:           "processing-error",
	RejectCancelPending:             "cancel-pending",
	RejectFirmNotAuthorized:         "firm-not-authorized",
	RejectInvalidMinQuantity:        "invalid-min-quantity",
	RejectNoClosingReferencePrice:   "no-closing-reference-price",
	RejectOther:                     "other",
	RejectCancelNotAllowed:          "cancel-not-allowed",
	RejectPeggingNotAllowed:         "pegging-not-allowed",
	RejectCrossedMarket:             "crossed-market",
	RejectInvalidQuantity:           "invalid-quantity",
	RejectInvalidCrossOrder:         "invalid-cross-order",
	RejectReplaceNotAllowed:         "replace-not-allowed",
	RejectRoutingNotAllowed:         "routing-not-allowed",
	RejectInvalidSymbol:             "invalid-symbol",
	RejectTest:                      "test",
	RejectLateLOCTooAggressive:      "late-loc-too-aggressive",
	RejectRetailNotAllowed:          "retail-not-allowed",
	RejectInvalidMidpointPrice:      "invalid-midpoint-price",
	RejectInvalidDestination:        "invalid-destination",
	RejectInvalidPrice:              "invalid-price",
	RejectSharesExceedThreshold:     "shares-exceed-threshold",
	RejectNotionalMax:               "notional-max",
	RejectRiskAggregateExposure:     "risk-aggregate-exposure",
	RejectRiskMarketImpact:          "risk-market-impact",
	RejectRiskRestrictedStock:       "risk-restricted-stock",
	RejectRiskShortSellRestricted:   "risk-short-sell-restricted",
	RejectRiskISONotAllowed:         "risk-iso-not-allowed",
	RejectRiskADVLimit:              "risk-adv-limit",
	RejectRiskFatFinger:             "risk-fat-finger",
	RejectRiskLocateRequired:        "risk-locate-required",
	RejectRiskSymbolMessageRate:     "risk-symbol-message-rate",
	RejectRiskPortMessageRate:       "risk-port-message-rate",
	RejectRiskDuplicateMessageRate:  "risk-duplicate-message-rate",
	RejectRiskShortSellNotAllowed:   "risk-short-sell-not-allowed",
	RejectRiskMarketOrderNotAllowed: "risk-market-order-not-allowed",
	RejectRiskPreMarketNotAllowed:   "risk-pre-market-not-allowed",
	RejectRiskPostMarketNotAllowed:  "risk-post-market-not-allowed",
	RejectRiskShortExemptNotAllowed: "risk-short-exempt-not-allowed",
	RejectRiskOrderNotional:         "risk-order-notional",
	RejectRiskQuantityMax:           "risk-quantity-max",
	RejectRegSHOStateNotAvailable:   "reg-sho-state-not-available",
	RejectRiskIPOMarketBuy:          "risk-ipo-market-buy",
	RejectInvalidAIQ:                "invalid-aiq",
}

// String returns the name used in counters and logs.
func (r RejectReason) String() string {
	if int(r) < len(rejectNames) && rejectNames[r] != "" {
		return rejectNames[r]
	}
	return "reason?"
}
