package lsg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tidegate/market"
)

// Limits of a subscription.
const (
	SymbolsMax = 2000 // symbols of one request, on however many lines
	SymbolMax  = 70   // bytes of a symbol
	// SymbolsPerLine is how many symbols Append puts on a line. Official clients do the same.
	SymbolsPerLine = 500
)

// AllSymbols stands, alone, for every symbol of the dataset.
const AllSymbols = "ALL_SYMBOLS"

// Subscription is a request for records of one schema: as one line says it, or as Group puts it
// together. Schema and symbology are texts here; package dbn knows them.
type Subscription struct {
	Schema  string   // required: "mbo"
	STypeIn string   // how symbols name instruments; "raw_symbol" if the line does not say
	Symbols []string // required: 1 to SymbolsMax, each of 1 to SymbolMax bytes; or AllSymbols alone
	// Start asks for everything since then, before what is live; 0 for all there is.
	Start    market.Nanos
	HasStart bool
	// Snapshot asks for the orders that rest in the book, before what is live. Schema is then
	// "mbo", and there is no start.
	Snapshot bool
	// ID is the client's name for the request, to be repeated in the acknowledgement. Clients give
	// the same one to several requests, and some give none.
	ID      uint32
	HasID   bool
	IsLast  bool // last line of its request; not read by Append, which writes whole requests
	Unknown int  // pairs with unknown keys; not written by Append
}

// All reports whether the subscription is for every symbol of the dataset.
func (s *Subscription) All() bool { return len(s.Symbols) == 1 && s.Symbols[0] == AllSymbols }

const subscriptionWhat = "subscription line"

// Places in subscriptionKeys.
const (
	subscriptionSchema = iota
	subscriptionSTypeIn
	subscriptionID
	subscriptionStart
	subscriptionSymbols
	subscriptionSnapshot
	subscriptionIsLast
)

var subscriptionKeys = []string{"schema", "stype_in", "id", "start", "symbols", "snapshot", "is_last"}

const (
	stypeDefault   = "raw_symbol"
	snapshotSchema = "mbo"
)

// ParseSubscription reads a subscription line. The symbols share one copy of the line's list, so
// that keeping one keeps all.
func ParseSubscription(line []byte) (Subscription, error) {
	s := Subscription{STypeIn: stypeDefault, IsLast: true}
	seen, unknown, err := parsePairs(subscriptionWhat, line, subscriptionKeys, s.set)
	if err == nil {
		err = require(subscriptionWhat, seen, subscriptionKeys, subscriptionSchema, subscriptionSymbols)
	}
	if err == nil {
		if err = s.checkSnapshot(); err != nil {
			err = fmt.Errorf("%s: %w", subscriptionWhat, err)
		}
	}
	if err != nil {
		return Subscription{}, err
	}
	s.Unknown = unknown
	return s, nil
}

func (s *Subscription) set(key int, value []byte) (err error) {
	switch key {
	case subscriptionSchema:
		s.Schema = string(value)
		err = checkWord(s.Schema)
	case subscriptionSTypeIn:
		s.STypeIn = string(value)
		err = checkWord(s.STypeIn)
	case subscriptionID:
		var id uint64
		id, err = parseUint(value, 32)
		s.ID, s.HasID = uint32(id), true
	case subscriptionStart:
		s.Start, err = ParseStart(value)
		s.HasStart = true
	case subscriptionSymbols:
		s.Symbols, err = parseSymbols(value)
	case subscriptionSnapshot:
		s.Snapshot, err = parseBool(value)
	case subscriptionIsLast:
		s.IsLast, err = parseBool(value)
	}
	return err
}

// parseSymbols reads a list of symbols with two allocations: one text, one list.
func parseSymbols(value []byte) ([]string, error) {
	n := bytes.Count(value, []byte{','}) + 1
	if n > SymbolsMax {
		return nil, fmt.Errorf("%d symbols, want at most %d", n, SymbolsMax)
	}
	list, text := make([]string, n), string(value)
	for i := range list {
		list[i], text, _ = strings.Cut(text, ",")
	}
	return list, checkSymbols(list)
}

func checkSymbols(list []string) error {
	if len(list) == 0 || len(list) > SymbolsMax {
		return fmt.Errorf("%d symbols, want 1 to %d", len(list), SymbolsMax)
	}
	for i, symbol := range list {
		if symbol == "" || len(symbol) > SymbolMax || !isGraphic(symbol, ' ') || strings.ContainsAny(symbol, "|,") {
			return fmt.Errorf("symbol %d, %s: want 1 to %d printable ASCII characters without commas and pipes", i+1, quote(symbol), SymbolMax)
		}
		if symbol == AllSymbols && len(list) > 1 {
			return fmt.Errorf("%s beside other symbols", AllSymbols)
		}
	}
	return nil
}

// checkWord is for the names of schemas and symbologies.
func checkWord(word string) error {
	const most = 32
	if word == "" || len(word) > most || !isGraphic(word, '!') || strings.Contains(word, "|") {
		return fmt.Errorf("%s: want 1 to %d printable ASCII characters", quote(word), most)
	}
	return nil
}

func (s *Subscription) checkSnapshot() error {
	switch {
	case s.Snapshot && s.HasStart:
		return errors.New("snapshot: not together with start")
	case s.Snapshot && s.Schema != snapshotSchema:
		return fmt.Errorf("snapshot: schema %s has none, only %s has", quote(s.Schema), snapshotSchema)
	default:
		return nil
	}
}

// startLayouts are the forms of ISO 8601 that ParseStart takes. Fractions of a second fit all that
// have seconds. Without a zone the time is UTC.
var startLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly,
}

// ParseStart reads the time of a start: decimal nanoseconds since the epoch, or ISO 8601 text with
// a date at least ("2024-03-01", "2024-03-01T09:30:00.5", "2024-03-01T09:30:00-05:00").
func ParseStart(value []byte) (market.Nanos, error) {
	const most = 40
	if len(value) <= most { // longer texts are no times; do not spend time on them
		text := string(value)
		if n, err := strconv.ParseUint(text, 10, 63); err == nil {
			return market.Nanos(n), nil
		}
		for _, layout := range startLayouts {
			t, err := time.Parse(layout, text)
			if err != nil {
				continue
			}
			if t.Unix() < 0 || t.Unix() >= math.MaxInt64/int64(market.Second) {
				return market.UndefTime, fmt.Errorf("%s: want a time from 1970 to 2262", quote(value))
			}
			return market.Nanos(t.UnixNano()), nil
		}
	}
	return market.UndefTime, fmt.Errorf("%s: want nanoseconds since the epoch, or an ISO 8601 time", quote(value))
}

// Append adds the lines of a whole request to b: one for every SymbolsPerLine symbols. The error
// says which value cannot be sent; b is then returned as it was.
func (s *Subscription) Append(b []byte) ([]byte, error) {
	if err := s.check(); err != nil {
		return b, fmt.Errorf("write %s: %w", subscriptionWhat, err)
	}
	w := b
	for from := 0; from < len(s.Symbols); from += SymbolsPerLine {
		to := min(from+SymbolsPerLine, len(s.Symbols))
		start := len(w)
		add := func(key int, value string) { w = appendPair(w, start, subscriptionKeys[key], value) }
		add(subscriptionSchema, s.Schema)
		add(subscriptionSTypeIn, s.STypeIn)
		if s.HasID {
			add(subscriptionID, strconv.FormatUint(uint64(s.ID), 10))
		}
		if s.HasStart {
			add(subscriptionStart, strconv.FormatInt(int64(s.Start), 10))
		}
		add(subscriptionSymbols, strings.Join(s.Symbols[from:to], ","))
		add(subscriptionSnapshot, bit(s.Snapshot))
		add(subscriptionIsLast, bit(to == len(s.Symbols)))
		w = append(w, '\n')
	}
	return w, nil
}

func (s *Subscription) check() error {
	if err := checkWord(s.Schema); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if err := checkWord(s.STypeIn); err != nil {
		return fmt.Errorf("stype_in: %w", err)
	}
	if err := checkSymbols(s.Symbols); err != nil {
		return fmt.Errorf("symbols: %w", err)
	}
	if s.HasStart && s.Start < 0 {
		return fmt.Errorf("start: %d: before 1970", s.Start)
	}
	return s.checkSnapshot()
}

// startKey alone makes a start line.
const startKey = "start_session"

// IsStart reports whether a line starts the session. Clients spell it "start_session",
// "start_session=" and "start_session=0"; what stands after the key is not looked at.
func IsStart(line []byte) bool {
	for more := true; more; {
		var pair []byte
		pair, line, more = bytes.Cut(line, []byte{'|'})
		if key, _, _ := bytes.Cut(pair, []byte{'='}); string(key) == startKey {
			return true
		}
	}
	return false
}

// AppendStart adds the start line to b.
func AppendStart(b []byte) []byte { return append(append(b, startKey...), '\n') }
