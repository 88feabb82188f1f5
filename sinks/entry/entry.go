// Package entry says what the gateway's journal holds, and a capture in segments, which is a journal too: the
// kinds of entries, and the layouts of those that are no DBN records. The journal itself carries entries and
// does not interpret them.
//
//	kind  payload
//	0     Record: one DBN record of version 3, without a send time
//	1     Gap: messages of a channel that were lost for good
//	2     Switch: the choice of another provider
//	3     Feed: what a feed's number stands for; written when the gateway starts
//
// The feed and the receive time are in the entry's header. Everything is little-endian; a text is its
// length in a byte, and its bytes.
//
//	gap                            switch                  feed
//	0   8  first message missing   0   8  decided by       0   2  publisher
//	8   8  first one not missing   8      from, text       2      name, text
//	16  8  noticed at                     to, text
//	24  4  epoch of the channel           reason, text
//	28  2  channel
//	30     reason, text
//
// A payload may be longer than its layout: a later version may add to the end, but for that of a datagram.
//
// The kinds of a capture are others, so that neither is taken for the other; see datagram.go.
package entry

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegate/market"
)

// Kinds of entries.
const (
	KindRecord uint8 = iota
	KindGap
	KindSwitch
	KindFeed
)

// ErrCut is wrapped by errors about a payload that ends too early.
var ErrCut = errors.New("payload ends too early")

// A Gap is a range of messages of a channel that were lost for good.
type Gap struct {
	From, To uint64       // the venue's message numbers; To is not missing
	Seen     market.Nanos // when the first message behind it came
	Epoch    uint32       // of the channel's numbering: it restarts when the publisher does
	Channel  uint16
	Reason   string // why it was given up; at most 255 bytes
}

const gapBytes = 30

// Append adds the payload to b.
func (g *Gap) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, g.From)
	b = binary.LittleEndian.AppendUint64(b, g.To)
	b = binary.LittleEndian.AppendUint64(b, uint64(g.Seen))
	b = binary.LittleEndian.AppendUint32(b, g.Epoch)
	b = binary.LittleEndian.AppendUint16(b, g.Channel)
	return appendText(b, g.Reason)
}

// Parse reads a payload. The error wraps ErrCut.
func (g *Gap) Parse(b []byte) error {
	if len(b) < gapBytes {
		return fmt.Errorf("parse gap: %w: %d bytes", ErrCut, len(b))
	}
	g.From = binary.LittleEndian.Uint64(b)
	g.To = binary.LittleEndian.Uint64(b[8:])
	g.Seen = market.Nanos(binary.LittleEndian.Uint64(b[16:]))
	g.Epoch = binary.LittleEndian.Uint32(b[24:])
	g.Channel = binary.LittleEndian.Uint16(b[28:])
	return parseTexts("gap", b[gapBytes:], &g.Reason)
}

// A Switch is the choice of another provider of a feed.
type Switch struct {
	By       market.Nanos // when whatever was wrong began
	From, To string       // providers; From is empty for the first choice. At most 255 bytes
	Reason   string       // at most 255 bytes
}

const switchBytes = 8

// Append adds the payload to b.
func (s *Switch) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(s.By))
	return appendText(appendText(appendText(b, s.From), s.To), s.Reason)
}

// Parse reads a payload. The error wraps ErrCut.
func (s *Switch) Parse(b []byte) error {
	if len(b) < switchBytes {
		return fmt.Errorf("parse switch: %w: %d bytes", ErrCut, len(b))
	}
	s.By = market.Nanos(binary.LittleEndian.Uint64(b))
	return parseTexts("switch", b[switchBytes:], &s.From, &s.To, &s.Reason)
}

// A Feed is what the number of a feed stands for, from the entry on.
type Feed struct {
	Publisher market.PublisherID
	Name      string // at most 255 bytes
}

const feedBytes = 2

// Append adds the payload to b.
func (f *Feed) Append(b []byte) []byte {
	return appendText(binary.LittleEndian.AppendUint16(b, uint16(f.Publisher)), f.Name)
}

// Parse reads a payload. The error wraps ErrCut.
func (f *Feed) Parse(b []byte) error {
	if len(b) < feedBytes {
		return fmt.Errorf("parse feed: %w: %d bytes", ErrCut, len(b))
	}
	f.Publisher = market.PublisherID(binary.LittleEndian.Uint16(b))
	return parseTexts("feed", b[feedBytes:], &f.Name)
}

// appendText cuts what is too long.
func appendText(b []byte, text string) []byte {
	text = text[:min(len(text), 255)]
	return append(append(b, byte(len(text))), text...)
}

func parseTexts(what string, b []byte, texts ...*string) error {
	for _, t := range texts {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return fmt.Errorf("parse %s: %w: %d bytes left for a text", what, ErrCut, len(b))
		}
		end := 1 + int(b[0])
		*t = string(b[1:end])
		b = b[end:]
	}
	return nil
}
