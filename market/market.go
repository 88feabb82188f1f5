// Package market holds the words every other package of Tidegate shares: events, prices, sizes,
// sides, flags, instruments and publishers. It is the leaf of the import graph: it knows no
// protocol, no book and no clock.
//
// # Units
//
//   - Price is a signed 64-bit integer in units of 1e-9 of the quote currency.
//   - Size is an unsigned 64-bit integer in the instrument's lots (for most venues: shares or
//     contracts).
//   - Nanos is a time in nanoseconds since the Unix epoch, UTC.
//
// Text appears only at the edge: see Price.String and ParsePrice.
//
// Values of Action, Side and Flags are those of Databento's DBN encoding (records, version 3), so
// that an encoder copies them and a decoder validates them, and nobody translates.
package market

import "math"

// Nanos is a time in nanoseconds since the Unix epoch, or a difference of two such times.
type Nanos int64

// UndefTime is "no time". Its bits are those of DBN's UNDEF_TIMESTAMP (2^64-1).
const UndefTime Nanos = -1

// Defined reports whether t is a time at all.
func (t Nanos) Defined() bool { return t != UndefTime }

// Common spans.
const (
	Microsecond Nanos = 1e3
	Millisecond Nanos = 1e6
	Second      Nanos = 1e9
	Minute      Nanos = 60 * Second
	Hour        Nanos = 60 * Minute
	Day         Nanos = 24 * Hour
)

// Size is a quantity in lots.
type Size uint64

// InstrumentID names an instrument within its publisher. For Nasdaq it is the stock locate code,
// for DBN input the record's instrument_id; where a venue sends only text, the gateway numbers
// symbols in order of appearance.
type InstrumentID uint32

// PublisherID names a publisher (venue and dataset). See Publisher.
type PublisherID uint16

// Side is the side of an order, or of the aggressor of a trade.
type Side byte

// Sides, as DBN spells them.
const (
	Bid    Side = 'B'
	Ask    Side = 'A'
	NoSide Side = 'N'
)

// Index returns 0 for Bid and 1 for every other side, to index a pair.
func (s Side) Index() int {
	if s == Bid {
		return 0
	}
	return 1
}

// Opposite returns the other side; NoSide stays NoSide.
func (s Side) Opposite() Side {
	switch s {
	case Bid:
		return Ask
	case Ask:
		return Bid
	default:
		return NoSide
	}
}

// String returns the one-letter form.
func (s Side) String() string { return string(rune(s)) }

// Action says what an event does.
type Action byte

// Actions of published events, as DBN spells them. Only Add, Cancel, Modify and Clear change a
// book; a Fill is followed by the Cancel or Modify that does.
const (
	Add    Action = 'A' // a new order, or a new level where Flags has MBP
	Cancel Action = 'C' // Size is what is removed
	Modify Action = 'M' // Price and Size replace the old ones
	Clear  Action = 'R' // every order of the instrument is gone
	Trade  Action = 'T' // an aggressor traded; Side is the aggressor's
	Fill   Action = 'F' // a resting order was filled; Side is the resting order's
	None   Action = 'N' // nothing happened; carries flags
)

// Actions that appear only in an Update on its way from a decoder to a book: the venue says less
// than a subscriber needs, and the book completes it. The gateway publishes them as one or more
// of the actions above.
const (
	Delete  Action = 'D' // the whole order goes; size and price are the book's to know
	Execute Action = 'E' // Size of the order was executed; see Update
	Replace Action = 'U' // PrevOrderID goes, OrderID comes at Price and Size on the same side
	Level   Action = 'L' // the level at Price now holds Size in total; 0 removes it
)

// String returns the one-letter form.
func (a Action) String() string { return string(rune(a)) }

// Flags qualify an event. They are DBN's record flags.
type Flags uint8

// Flag bits.
const (
	FlagLast         Flags = 1 << 7 // last record of its venue event for its instrument
	FlagTOB          Flags = 1 << 6 // a top-of-book record, not a single order
	FlagSnapshot     Flags = 1 << 5 // from a snapshot or recovery, not the incremental feed
	FlagMBP          Flags = 1 << 4 // an aggregated price level, not a single order
	FlagBadTsRecv    Flags = 1 << 3 // TsRecv is not accurate
	FlagMaybeBadBook Flags = 1 << 2 // an unrecovered gap precedes this on the channel
)

// UndefPrice is "no price". It is DBN's UNDEF_PRICE.
const UndefPrice Price = math.MaxInt64
