package pitch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"tidegate/market"
)

// Errors of the messages' Parse methods.
var (
	// ErrType is returned for bytes that begin with the type of another message, or are empty.
	ErrType = errors.New("pitch: another message type")
	// ErrLength is returned for a message that is shorter than its type demands.
	ErrLength = errors.New("pitch: shorter than the message type demands")
)

// le reads and writes the integers of the wire.
var le = binary.LittleEndian

// Sides of an order.
const (
	Buy  byte = 'B'
	Sell byte = 'S'
)

// Message types, in the order of the specification.
const (
	TypeTime                   byte = 0x20
	TypeUnitClear              byte = 0x97
	TypeAddOrderLong           byte = 0x21
	TypeAddOrderShort          byte = 0x22
	TypeAddOrderExpanded       byte = 0x2f
	TypeOrderExecuted          byte = 0x23
	TypeOrderExecutedAtPrice   byte = 0x24
	TypeReduceSizeLong         byte = 0x25
	TypeReduceSizeShort        byte = 0x26
	TypeModifyOrderLong        byte = 0x27
	TypeModifyOrderShort       byte = 0x28
	TypeDeleteOrder            byte = 0x29
	TypeTradeLong              byte = 0x2a
	TypeTradeShort             byte = 0x2b
	TypeTradeExpanded          byte = 0x30
	TypeTradeBreak             byte = 0x2c
	TypeEndOfSession           byte = 0x2d
	TypeSymbolMapping          byte = 0x2e
	TypeTradingStatus          byte = 0x31
	TypeAuctionUpdate          byte = 0x95
	TypeAuctionSummary         byte = 0x96
	TypeRetailPriceImprovement byte = 0x98
)

// Least lengths of the messages in bytes, from the type on, without the fields that may be missing.
const (
	lenTime                   = 5
	lenUnitClear              = 5
	lenAddOrderLong           = 32
	lenAddOrderShort          = 24
	lenAddOrderExpanded       = 35
	lenOrderExecuted          = 25
	lenOrderExecutedAtPrice   = 37
	lenReduceSizeLong         = 17
	lenReduceSizeShort        = 15
	lenModifyOrderLong        = 25
	lenModifyOrderShort       = 17
	lenDeleteOrder            = 13
	lenTradeLong              = 40
	lenTradeShort             = 32
	lenTradeExpanded          = 42
	lenTradeBreak             = 13
	lenEndOfSession           = 5
	lenSymbolMapping          = 29
	lenTradingStatus          = 17
	lenAuctionUpdate          = 46
	lenAuctionSummary         = 26
	lenRetailPriceImprovement = 14
)

// LengthMax is the length in bytes of the longest message that Append writes.
const LengthMax = lenAuctionUpdate

var lengths = [256]uint8{
	TypeTime:                   lenTime,
	TypeUnitClear:              lenUnitClear,
	TypeAddOrderLong:           lenAddOrderLong,
	TypeAddOrderShort:          lenAddOrderShort,
	TypeAddOrderExpanded:       lenAddOrderExpanded,
	TypeOrderExecuted:          lenOrderExecuted,
	TypeOrderExecutedAtPrice:   lenOrderExecutedAtPrice,
	TypeReduceSizeLong:         lenReduceSizeLong,
	TypeReduceSizeShort:        lenReduceSizeShort,
	TypeModifyOrderLong:        lenModifyOrderLong,
	TypeModifyOrderShort:       lenModifyOrderShort,
	TypeDeleteOrder:            lenDeleteOrder,
	TypeTradeLong:              lenTradeLong,
	TypeTradeShort:             lenTradeShort,
	TypeTradeExpanded:          lenTradeExpanded,
	TypeTradeBreak:             lenTradeBreak,
	TypeEndOfSession:           lenEndOfSession,
	TypeSymbolMapping:          lenSymbolMapping,
	TypeTradingStatus:          lenTradingStatus,
	TypeAuctionUpdate:          lenAuctionUpdate,
	TypeAuctionSummary:         lenAuctionSummary,
	TypeRetailPriceImprovement: lenRetailPriceImprovement,
}

// LengthMin returns the least length in bytes of a message of a type, from the type on, and 0 for a
// type that the protocol does not have.
func LengthMin(typ byte) int { return int(lengths[typ]) }

// check reports whether b is a message of a type, whole.
func check(b []byte, typ byte) error {
	if len(b) == 0 || b[0] != typ {
		return ErrType
	}
	if len(b) < LengthMin(typ) {
		return ErrLength
	}
	return nil
}

// firstOf returns the type of b if it is one of those given, else another than b's.
func firstOf(b []byte, types ...byte) byte {
	for _, typ := range types {
		if len(b) > 0 && b[0] == typ {
			return typ
		}
	}
	return types[0]
}

// Price is a price in units of 1e-4: the Binary Long Price of the specification. A Binary Short Price is
// a hundredth as fine; Parse converts it, and Append writes it where it loses nothing.
type Price uint64

// What the two kinds of venue prices are worth, in units of market.Price and of Price.
const (
	longUnit     = market.PriceScale / 10_000
	shortUnit    = market.PriceScale / 100
	shortPerLong = 100
)

// Price returns p in the units of market; ok is false when it does not fit.
func (p Price) Price() (_ market.Price, ok bool) {
	if p > math.MaxInt64 {
		return market.UndefPrice, false
	}
	return market.ScalePrice(int64(p), longUnit)
}

// short returns the Binary Short Price of p; ok is false if there is none.
func (p Price) short() (_ uint16, ok bool) {
	return uint16(p / shortPerLong), p%shortPerLong == 0 && p/shortPerLong <= math.MaxUint16
}

// Symbol is a security's name, left-justified and padded with spaces. Most messages have six bytes of
// it, expanded ones and those about trading all eight.
type Symbol [8]byte

// ParseSymbol returns the symbol with a name of at most eight printable ASCII characters.
func ParseSymbol(name string) (Symbol, error) {
	var s Symbol
	if len(name) > len(s) {
		return Symbol{}, fmt.Errorf("symbol %q: %d bytes, want at most %d", name, len(name), len(s))
	}
	for i := range s {
		switch {
		case i >= len(name):
			s[i] = ' '
		case name[i] < ' ' || name[i] > '~':
			return Symbol{}, fmt.Errorf("symbol %q: byte %#02x at %d, want printable ASCII", name, name[i], i)
		default:
			s[i] = name[i]
		}
	}
	return s, nil
}

// String returns the name without padding.
func (s Symbol) String() string { return strings.TrimRight(string(s[:]), " ") }

// symbolLen is the length of a symbol in messages that are not expanded.
const symbolLen = 6

// symbol6 reads a symbol of six bytes.
func symbol6(b []byte) Symbol {
	return Symbol{b[0], b[1], b[2], b[3], b[4], b[5], ' ', ' '}
}

// six reports whether s fits in six bytes.
func (s Symbol) six() bool { return s[6] == ' ' && s[7] == ' ' }

// Header is what almost every message carries after its type.
type Header struct {
	Offset uint32 // nanoseconds since the unit's last Time message
}

func (h *Header) append(b []byte, typ byte) []byte {
	return le.AppendUint32(append(b, typ), h.Offset)
}

// parse reads the type and the header of a message of the given type and checks its length.
func (h *Header) parse(b []byte, typ byte) error {
	if err := check(b, typ); err != nil {
		return err
	}
	h.Offset = le.Uint32(b[1:])
	return nil
}
