package itch50

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// TypeEndOfSnapshot is the type of the message that ends a snapshot. It is of GLIMPSE, the snapshot
// service beside the feed, and never in the feed itself: Decode and Length do not know it.
const TypeEndOfSnapshot byte = 'G'

// LenEndOfSnapshot is the length in bytes of an EndOfSnapshot, the type included.
const LenEndOfSnapshot = 1 + snapshotDigits

const snapshotDigits = 20 // of the number

// ErrNumber is returned for an EndOfSnapshot whose number cannot be read.
var ErrNumber = errors.New("itch50: end of snapshot without a number")

// EndOfSnapshot ('G') follows the last message of a snapshot (Nasdaq GLIMPSE 5.0, section 1.7). It
// has no header:
//
//	offset  0      1                    21
//	        +------+--------------------+
//	        | 'G'  | number, 20 digits  |
//	        +------+--------------------+
type EndOfSnapshot struct {
	// Next is the sequence number of the feed's message with which to go on: the snapshot is the state
	// before it.
	Next uint64
}

// Append appends the message to b, with the number padded on the left.
func (m *EndOfSnapshot) Append(b []byte) []byte {
	b = append(b, TypeEndOfSnapshot)
	var digits [snapshotDigits]byte
	d := strconv.AppendUint(digits[:0], m.Next, 10)
	for range snapshotDigits - len(d) {
		b = append(b, ' ')
	}
	return append(b, d...)
}

// Parse reads the message from b. Padding on either side and leading zeros are understood. The error
// is ErrType, ErrLength or ErrNumber.
func (m *EndOfSnapshot) Parse(b []byte) error {
	if len(b) == 0 || b[0] != TypeEndOfSnapshot {
		return ErrType
	}
	if len(b) != LenEndOfSnapshot {
		return ErrLength
	}
	digits := bytes.Trim(b[1:], " ")
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' || n > (math.MaxUint64-uint64(c-'0'))/10 {
			return ErrNumber
		}
		n = n*10 + uint64(c-'0')
	}
	if len(digits) == 0 {
		return ErrNumber
	}
	m.Next = n
	return nil
}
