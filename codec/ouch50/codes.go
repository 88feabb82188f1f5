package ouch50

import (
	"strings"

	"tidegate/market"
)

// Sides of an order.
const (
	Buy             byte = 'B'
	Sell            byte = 'S'
	SellShort       byte = 'T'
	SellShortExempt byte = 'E'
)

// MarketSide returns the side of the book that an order's side is on, and market.NoSide for a byte that
// is no side.
func MarketSide(side byte) market.Side {
	switch side {
	case Buy:
		return market.Bid
	case Sell, SellShort, SellShortExempt:
		return market.Ask
	default:
		return market.NoSide
	}
}

// Times in force.
const (
	Day           byte = '0' // until the end of regular hours
	Immediate     byte = '3' // what cannot be executed at once is canceled (IOC)
	ExtendedHours byte = '5' // until the end of extended hours (GTX)
	GoodTillTime  byte = '6' // until TagExpireTime is over (GTT)
	AfterHours    byte = 'E'
)

// How an order shows.
const (
	Visible      byte = 'Y'
	Hidden       byte = 'N'
	Attributable byte = 'A' // visible, with the name of the firm
	Conformant   byte = 'Z' // only from the venue
)

// Capacities of the firm.
const (
	Agency        byte = 'A'
	Principal     byte = 'P'
	Riskless      byte = 'R'
	OtherCapacity byte = 'O'
)

// Answers to whether: intermarket sweep, shares located, trade now.
const (
	Yes byte = 'Y'
	No  byte = 'N'
)

// What an order takes part in.
const (
	ContinuousMarket byte = 'N'
	OpeningCross     byte = 'O'
	ClosingCross     byte = 'C'
	HaltCross        byte = 'H' // also of an IPO
	Supplemental     byte = 'S'
	RetailCross      byte = 'R' // BX only
	ExtendedLife     byte = 'E'
	AfterHoursClose  byte = 'A'
)

// Price types of an order, and (the first four) of its discretion.
const (
	Limit          byte = 'L'
	MarketPeg      byte = 'P'
	MidpointPeg    byte = 'M'
	PrimaryPeg     byte = 'R'
	MarketMakerPeg byte = 'Q'
	Midpoint       byte = 'm'
)

// PostOnly as the value of TagPostOnly keeps an order from taking liquidity; No does not.
const PostOnly byte = 'P'

// Events of the system.
const (
	StartOfDay byte = 'S'
	EndOfDay   byte = 'E'
)

// States of an order that was accepted.
const (
	Live byte = 'L'
	Dead byte = 'D' // canceled at once; no OrderCanceled follows
)

// Reasons of OrderCanceled, as far as they are known. Nasdaq adds to them.
const (
	CanceledRegulatory       byte = 'D'
	CanceledClosed           byte = 'E' // a Day order after the closing cross
	CanceledPostOnlySlide    byte = 'F' // post-only, would have been moved by Reg NMS
	CanceledPostOnlyContra   byte = 'G' // post-only, would have been moved by the other side of the book
	CanceledHalted           byte = 'H'
	CanceledImmediate        byte = 'I' // what was left of an Immediate order
	CanceledCollars          byte = 'K'
	CanceledSelfMatch        byte = 'Q' // also the reason of AIQCanceled
	CanceledSupervisory      byte = 'S'
	CanceledTimeout          byte = 'T'
	CanceledByUser           byte = 'U'
	CanceledOpenProtection   byte = 'X'
	CanceledBySystem         byte = 'Z'
	CanceledExceedsAllowable byte = 'e' // direct listing with a capital raise
)

// Reasons of BrokenTrade.
const (
	BrokenErroneous   byte = 'E'
	BrokenConsent     byte = 'C'
	BrokenSupervisory byte = 'S'
	BrokenExternal    byte = 'X'
)

// Reasons of OrderRestated.
const (
	RestatedDisplay byte = 'R' // a reserve order shows its next part: TagSecondaryOrdRefNum, TagDisplayQuantity
	RestatedPrice   byte = 'P' // the displayed price has changed: TagDisplayPrice
)

// Liquidity flags of executions: the common ones of some thirty. Nasdaq adds to them.
const (
	LiquidityAdded        byte = 'A'
	LiquidityRemoved      byte = 'R'
	LiquidityOpeningCross byte = 'O'
	LiquidityClosingCross byte = 'C'
	LiquidityHidden       byte = 'J' // added, not displayed
)

// Codes that a client may send, by field.
const (
	sides        = "BSTE"
	timesInForce = "0356E"
	displays     = "YNA"
	capacities   = "APRO"
	yesNo        = "YN"
	crossTypes   = "NOCHSREA"
)

func oneOf(code byte, codes string) bool { return strings.IndexByte(codes, code) >= 0 }
