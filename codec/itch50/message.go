package itch50

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"tidegate/market"
)

// Errors of the messages' Parse methods.
var (
	// ErrType is returned for bytes that begin with the type of another message, or are empty.
	ErrType = errors.New("itch50: another message type")
	// ErrLength is returned for a message that has not the length of its type.
	ErrLength = errors.New("itch50: not the length of the message type")
)

// be reads and writes the integers of the wire.
var be = binary.BigEndian

// Sides of an order.
const (
	Buy  byte = 'B'
	Sell byte = 'S'
)

// Price4 is a price in units of 1e-4: "Price (4)" of the specification.
type Price4 uint32

// Price returns p in the units of market. It always fits.
func (p Price4) Price() market.Price { return market.Price(p) * price4Unit }

// Price8 is a price in units of 1e-8: "Price (8)" of the specification.
type Price8 uint64

// Price returns p in the units of market; ok is false when it does not fit.
func (p Price8) Price() (_ market.Price, ok bool) {
	if p > 1<<63-1 {
		return market.UndefPrice, false
	}
	return market.ScalePrice(int64(p), price8Unit)
}

// What the two kinds of venue prices are worth in units of market.Price.
const (
	price4Unit = 100_000
	price8Unit = 10
)

// Symbol is a security's name, left-justified and padded with spaces.
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

// MPID names a market participant. Shorter names are padded with spaces; MPID([]byte("TIDE")) makes
// one from text of exactly four bytes.
type MPID [4]byte

// String returns the name without padding.
func (m MPID) String() string { return strings.TrimRight(string(m[:]), " ") }

// Header is what every message carries after its type.
type Header struct {
	Locate    uint16 // stock locate: numbers the security within the day; 0 in messages about none
	Tracking  uint16 // Nasdaq's internal tracking number
	Timestamp uint64 // nanoseconds since midnight, New York time; 48 bits on the wire
}

// timestampMask keeps the lower 48 bits of the eight bytes that end with a timestamp.
const timestampMask = 1<<48 - 1

// append appends the type and the header. Bits of Timestamp above the 48th are lost.
func (h *Header) append(b []byte, typ byte) []byte {
	b = append(b, typ)
	b = be.AppendUint16(b, h.Locate)
	return be.AppendUint64(b, uint64(h.Tracking)<<48|h.Timestamp&timestampMask)
}

// parse reads the type and the header of a message of the given type and checks its length.
func (h *Header) parse(b []byte, typ byte) error {
	if len(b) == 0 || b[0] != typ {
		return ErrType
	}
	if len(b) != Length(typ) {
		return ErrLength
	}
	h.Locate = be.Uint16(b[1:])
	h.Tracking = be.Uint16(b[3:])
	h.Timestamp = timestamp(b)
	return nil
}

// Message types, in the order of the specification.
const (
	TypeSystemEvent               byte = 'S'
	TypeStockDirectory            byte = 'R'
	TypeTradingAction             byte = 'H'
	TypeRegSHORestriction         byte = 'Y'
	TypeMarketParticipantPosition byte = 'L'
	TypeMWCBDecline               byte = 'V'
	TypeMWCBStatus                byte = 'W'
	TypeIPOQuotingPeriod          byte = 'K'
	TypeLULDAuctionCollar         byte = 'J'
	TypeOperationalHalt           byte = 'h'
	TypeAddOrder                  byte = 'A'
	TypeAddOrderMPID              byte = 'F'
	TypeOrderExecuted             byte = 'E'
	TypeOrderExecutedWithPrice    byte = 'C'
	TypeOrderCancel               byte = 'X'
	TypeOrderDelete               byte = 'D'
	TypeOrderReplace              byte = 'U'
	TypeTrade                     byte = 'P'
	TypeCrossTrade                byte = 'Q'
	TypeBrokenTrade               byte = 'B'
	TypeNOII                      byte = 'I'
	TypeRPII                      byte = 'N'
	TypeDirectListing             byte = 'O'
)

// Lengths of the messages in bytes, the type included.
const (
	lenSystemEvent               = 12
	lenStockDirectory            = 39
	lenTradingAction             = 25
	lenRegSHORestriction         = 20
	lenMarketParticipantPosition = 26
	lenMWCBDecline               = 35
	lenMWCBStatus                = 12
	lenIPOQuotingPeriod          = 28
	lenLULDAuctionCollar         = 35
	lenOperationalHalt           = 21
	lenAddOrder                  = 36
	lenAddOrderMPID              = 40
	lenOrderExecuted             = 31
	lenOrderExecutedWithPrice    = 36
	lenOrderCancel               = 23
	lenOrderDelete               = 19
	lenOrderReplace              = 35
	lenTrade                     = 44
	lenCrossTrade                = 40
	lenBrokenTrade               = 19
	lenNOII                      = 50
	lenRPII                      = 20
	lenDirectListing             = 48
)

// LengthMax is the length in bytes of the longest message.
const LengthMax = lenNOII

var lengths = [256]uint8{
	TypeSystemEvent:               lenSystemEvent,
	TypeStockDirectory:            lenStockDirectory,
	TypeTradingAction:             lenTradingAction,
	TypeRegSHORestriction:         lenRegSHORestriction,
	TypeMarketParticipantPosition: lenMarketParticipantPosition,
	TypeMWCBDecline:               lenMWCBDecline,
	TypeMWCBStatus:                lenMWCBStatus,
	TypeIPOQuotingPeriod:          lenIPOQuotingPeriod,
	TypeLULDAuctionCollar:         lenLULDAuctionCollar,
	TypeOperationalHalt:           lenOperationalHalt,
	TypeAddOrder:                  lenAddOrder,
	TypeAddOrderMPID:              lenAddOrderMPID,
	TypeOrderExecuted:             lenOrderExecuted,
	TypeOrderExecutedWithPrice:    lenOrderExecutedWithPrice,
	TypeOrderCancel:               lenOrderCancel,
	TypeOrderDelete:               lenOrderDelete,
	TypeOrderReplace:              lenOrderReplace,
	TypeTrade:                     lenTrade,
	TypeCrossTrade:                lenCrossTrade,
	TypeBrokenTrade:               lenBrokenTrade,
	TypeNOII:                      lenNOII,
	TypeRPII:                      lenRPII,
	TypeDirectListing:             lenDirectListing,
}

// Length returns the length in bytes of a message of a type, the type included, and 0 for a type
// that the protocol does not have.
func Length(typ byte) int { return int(lengths[typ]) }
