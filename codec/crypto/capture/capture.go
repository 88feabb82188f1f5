// Package capture reads recordings of what crypto venues send, in the two text forms in which public
// collections keep them. It is for tests, replays and stand-ins of venues.
//
// The form of the cryptofeed project has one item a line, with times in seconds by the recorder's clock:
//
//	URL <-> TIME                     a connection was opened
//	URL <- TIME: TEXT                sent to the venue
//	TIME: TEXT                       received from the venue: one WebSocket message
//	URL -> TIME: TEXT                received in answer to an HTTP request; may end in " header: {..}"
//	configuration: TEXT              what the recorder was to record
//
// The form of the hftbacktest project has what was received only, with times in nanoseconds:
//
//	TIME TEXT
package capture

import (
	"bytes"
	"fmt"

	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// Kind says what a line is.
type Kind uint8

// Kinds.
const (
	Blank Kind = iota
	Opened
	Sent
	Received
	Answered
	Configuration
)

// A Line is one line of a recording. URL and Text are views of it.
type Line struct {
	Kind Kind
	URL  []byte // of Opened, Sent and Answered
	Time market.Nanos
	Text []byte
}

// Parse reads a line of the cryptofeed form, without its line end.
func Parse(line []byte) (l Line, err error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return l, nil
	}
	if text, ok := bytes.CutPrefix(line, []byte("configuration: ")); ok {
		return Line{Kind: Configuration, Text: text}, nil
	}
	l.Kind = Received
	rest := line
	// A URL has no spaces, and what follows it says what the line is.
	if url, after, ok := bytes.Cut(line, []byte(" ")); ok && bytes.Contains(url, []byte("://")) {
		arrow, at, _ := bytes.Cut(after, []byte(" "))
		switch string(arrow) {
		case "<->":
			l.Kind = Opened
		case "<-":
			l.Kind = Sent
		case "->":
			l.Kind = Answered
		default:
			return Line{}, fmt.Errorf("capture: parse line: %q after the URL", arrow)
		}
		l.URL, rest = url, at
	}
	at, text, _ := bytes.Cut(rest, []byte(": "))
	if l.Time, err = seconds(at); err != nil {
		return Line{}, err
	}
	if l.Kind == Answered {
		text, _, _ = bytes.Cut(text, []byte(" header: "))
	}
	l.Text = text
	return l, nil
}

// ParseReceived reads a line of the hftbacktest form, without its line end.
func ParseReceived(line []byte) (l Line, err error) {
	at, text, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	var s wire.Scanner
	s.Reset(at)
	nanos := s.Int()
	s.End()
	if !ok || s.Verdict() != market.Applied || nanos < 0 {
		return Line{}, fmt.Errorf("capture: parse line: want nanoseconds and a text")
	}
	return Line{Kind: Received, Time: market.Nanos(nanos), Text: text}, nil
}

func seconds(b []byte) (market.Nanos, error) {
	var s wire.Scanner
	s.Reset(b)
	at := s.Seconds()
	s.End()
	if s.Verdict() != market.Applied {
		return 0, fmt.Errorf("capture: parse line: time %q: %v", b, s.Verdict())
	}
	return at, nil
}
