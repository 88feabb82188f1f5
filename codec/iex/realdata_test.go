package iex_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"tidegate/codec/iex"
	"tidegate/codec/iextp"
	"tidegate/internal/realdata"
	"tidegate/market"
)

const deepCapture = "iex/DEEP10.pcap.gz"

// An epoch is one run of the publisher: it begins where the stream offset is 0 again. The fields
// that have a name in truth.json are compared with it, the others are there to count them.
type epoch struct {
	FirstPacket       int                       `json:"first_packet_index"`
	LastPacket        int                       `json:"last_packet_index"`
	Heartbeats        int                       `json:"heartbeats"`
	Segments          int                       `json:"segments_with_messages"`
	Messages          int                       `json:"messages"`
	FirstSeq          uint64                    `json:"first_sequence"`
	LastSeq           uint64                    `json:"last_sequence"`
	NextSeq           uint64                    `json:"next_sequence"`
	StreamBytes       int64                     `json:"bytes_of_stream"`
	Gaps              int                       `json:"sequence_gaps"`
	Duplicates        int                       `json:"duplicates"`
	FirstTime         string                    `json:"first_message_timestamp"`
	LastTime          string                    `json:"last_message_timestamp"`
	FirstSend         string                    `json:"send_time_first"`
	LastSend          string                    `json:"send_time_last"`
	ByType            map[string]int            `json:"messages_by_type"`
	SystemEvents      []string                  `json:"system_events"`
	Trades            int                       `json:"trades"`
	TradeVolume       int                       `json:"trade_volume"`
	TradesBySymbol    map[string][2]int         `json:"trades_by_symbol"`
	UnknownRemovals   int                       `json:"level_removals_of_unknown_price"`
	EventsUnderWay    int                       `json:"price_updates_with_event_flag_0"`
	CrossedAfterLevel int                       `json:"price_updates_after_which_book_is_crossed_or_locked"`
	Books             map[string]map[string]any `json:"final_books"`
}

// A plainBook holds the levels of one instrument, bids and asks, from price to size.
type plainBook [2]map[market.Price]market.Size

func newPlainBook() *plainBook {
	return &plainBook{{}, {}}
}

// apply applies a Level and reports whether it removes a level that is not there.
func (b *plainBook) apply(u *market.Update) (unknown bool) {
	side := b[u.Side.Index()]
	if u.Size > 0 {
		side[u.Price] = u.Size
		return false
	}
	_, known := side[u.Price]
	delete(side, u.Price)
	return !known
}

// crossed reports whether the best bid reaches the best ask.
func (b *plainBook) crossed() bool {
	if len(b[0]) == 0 || len(b[1]) == 0 {
		return false
	}
	bid, ask := market.Price(0), market.UndefPrice
	for p := range b[0] {
		bid = max(bid, p)
	}
	for p := range b[1] {
		ask = min(ask, p)
	}
	return bid >= ask
}

// summary returns the book as truth.json has it: prices in IEX's units, the best five levels of each
// side, and the SHA-256 of all of them.
func (b *plainBook) summary() map[string]any {
	s := map[string]any{}
	hash := sha256.New()
	for i, side := range b {
		name := [...]string{"bid", "ask"}[i]
		prices := slices.SortedFunc(maps.Keys(side), func(x, y market.Price) int {
			if i == 0 {
				x, y = y, x
			}
			return cmp.Compare(x, y)
		})
		best := []any{}
		for n, p := range prices {
			fmt.Fprintf(hash, "%c,%d,%d\n", name[0], p/100_000, side[p])
			if n < 5 {
				best = append(best, []any{float64(p / 100_000), float64(side[p])}) // as JSON decodes numbers
			}
		}
		s[name+"_levels"] = float64(len(prices))
		s[name+"s"] = best
	}
	s["sha256"] = hex.EncodeToString(hash.Sum(nil))
	return s
}

// A deepReader decodes the capture and counts what truth.json counts.
type deepReader struct {
	t       *testing.T
	symbols *market.SymbolTable
	deep    *iex.Deep
	update  market.Update
	facts   market.Facts

	packets    int
	epochs     []*epoch
	books      map[market.InstrumentID]*plainBook // of the current epoch
	nextOffset int64

	verdicts [market.VerdictCount]int
	lengths  map[string]int // "8/30"
	flags    map[string]int // "8:0x01"
	lastTime int64
	backward int
	symbol   map[market.InstrumentID]bool // named in a trading status
	most     int                          // messages in a segment

	last         map[market.InstrumentID]market.Update // the last Level
	tradesInside int                                   // trades after a Level whose event goes on, and at its time
}

func (r *deepReader) datagram(b []byte) {
	seg, err := iextp.Parse(b)
	if err != nil {
		r.t.Fatalf("packet %d: %v", r.packets, err)
	}
	if seg.Protocol != iextp.DEEP10 || seg.Channel != 1 || seg.Session != 1132527616 {
		r.t.Fatalf("packet %d: %+v", r.packets, seg)
	}
	if seg.StreamOffset == 0 && (len(r.epochs) == 0 || r.nextOffset > 0) {
		r.endEpoch()
		r.books = map[market.InstrumentID]*plainBook{}
		r.epochs = append(r.epochs, &epoch{
			FirstPacket: r.packets, FirstSeq: seg.Seq, NextSeq: seg.Seq, FirstSend: text(seg.SendTime),
			ByType: map[string]int{}, TradesBySymbol: map[string][2]int{},
		})
		r.nextOffset = 0
	}
	e := r.epochs[len(r.epochs)-1]
	e.LastPacket, e.LastSend = r.packets, text(seg.SendTime)
	r.packets++
	switch {
	case seg.Seq > e.NextSeq:
		e.Gaps++
	case seg.Seq < e.NextSeq:
		e.Duplicates++
	}
	if seg.StreamOffset != r.nextOffset {
		r.t.Errorf("packet %d: stream offset %d, want %d", r.packets-1, seg.StreamOffset, r.nextOffset)
	}
	r.nextOffset += int64(len(seg.Messages))
	e.StreamBytes = r.nextOffset
	r.most = max(r.most, int(seg.Count))
	if seg.Heartbeat() {
		e.Heartbeats++
		return
	}
	e.Segments++
	seq := seg.Seq
	for block := seg.Messages; len(block) > 0; seq++ {
		var msg []byte
		msg, block = iextp.Next(block)
		r.message(e, seq, msg)
	}
	e.NextSeq, e.LastSeq = seq, seq-1
}

func (r *deepReader) message(e *epoch, seq uint64, msg []byte) {
	kind := string(msg[:1])
	e.Messages++
	e.ByType[kind]++
	r.lengths[kind+"/"+strconv.Itoa(len(msg))]++
	at := int64(binary.LittleEndian.Uint64(msg[2:]))
	if at < r.lastTime {
		r.backward++
	}
	r.lastTime = at
	if e.FirstTime == "" {
		e.FirstTime = text(market.Nanos(at))
	}
	e.LastTime = text(market.Nanos(at))
	if kind == "S" {
		e.SystemEvents = append(e.SystemEvents, fmt.Sprintf("%c@%d", msg[1], seq))
	}

	v := r.deep.Decode(msg, &r.update)
	switch v {
	case market.Applied:
		r.flags[fmt.Sprintf("%s:0x%02x", kind, msg[1])]++
		r.apply(e)
	case market.Cold:
		r.facts.Reset()
		v = r.deep.DecodeCold(msg, &r.facts)
		for _, s := range r.facts.Statuses {
			if kind == "H" {
				r.symbol[s.Instrument] = true
			}
		}
	}
	r.verdicts[v]++
}

func (r *deepReader) apply(e *epoch) {
	u := &r.update
	if u.Action == market.Trade {
		e.Trades++
		e.TradeVolume += int(u.Size)
		name := r.symbols.Symbol(u.Instrument)
		sum := e.TradesBySymbol[name]
		e.TradesBySymbol[name] = [2]int{sum[0] + 1, sum[1] + int(u.Size)}
		if last, ok := r.last[u.Instrument]; ok && last.Flags&market.FlagLast == 0 && last.TsEvent == u.TsEvent {
			r.tradesInside++
		}
		return
	}
	r.last[u.Instrument] = *u
	complete := u.Flags&market.FlagLast != 0
	if !complete {
		e.EventsUnderWay++
	}
	b := r.books[u.Instrument]
	if b == nil {
		b = newPlainBook()
		r.books[u.Instrument] = b
	}
	if b.apply(u) {
		e.UnknownRemovals++
	}
	if complete && b.crossed() {
		e.CrossedAfterLevel++
	}
}

// endEpoch keeps the books of the current epoch.
func (r *deepReader) endEpoch() {
	if len(r.epochs) == 0 {
		return
	}
	e := r.epochs[len(r.epochs)-1]
	e.Books = map[string]map[string]any{}
	for id, b := range r.books {
		if len(b[0])+len(b[1]) > 0 {
			e.Books[r.symbols.Symbol(id)] = b.summary()
		}
	}
}

func text(t market.Nanos) string {
	return time.Unix(0, int64(t)).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

func TestDeepSampleDay(t *testing.T) {
	var truth struct {
		Packets   int            `json:"packets_complete"`
		Messages  int            `json:"messages"`
		Most      int            `json:"max_messages_per_segment"`
		ByLength  map[string]int `json:"message_lengths"`
		Symbols   int            `json:"symbols_seen"`
		Backsteps int            `json:"message_timestamp_backsteps"`
		Flags     map[string]int `json:"flag_bytes"`
		Epochs    []*epoch       `json:"epochs"`
	}
	realdata.Facts(t, deepCapture, &truth)

	symbols := market.NewSymbolTable(1 << 14)
	r := &deepReader{
		t: t, symbols: symbols, deep: iex.NewDeep(market.IEXDeep.ID, symbols),
		lengths: map[string]int{}, flags: map[string]int{}, symbol: map[market.InstrumentID]bool{},
		last: map[market.InstrumentID]market.Update{},
	}
	cut := readCapture(t, deepCapture, r.datagram)
	r.endEpoch()

	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"last record is cut", cut, true},
		{"packets", r.packets, truth.Packets},
		{"messages by length", r.lengths, truth.ByLength},
		{"flag bytes", r.flags, truth.Flags},
		{"most messages in a segment", r.most, truth.Most},
		{"symbols", len(r.symbol), truth.Symbols},
		{"times that go back", r.backward, truth.Backsteps},
		{"epochs", len(r.epochs), len(truth.Epochs)},
		// 12,941 + 14,627 levels and 83,343 trades; H, O and P; breaks, security and system events.
		{"applied", r.verdicts[market.Applied], 110_911},
		{"cold", r.verdicts[market.Cold], 280_912},
		{"ignored", r.verdicts[market.Ignored], 176},
		{"faults", truth.Messages - r.verdicts[market.Applied] - r.verdicts[market.Cold] - r.verdicts[market.Ignored], 0},
		{"trades between the levels of an event", r.tradesInside, 0},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
		}
	}
	for i, want := range truth.Epochs[:min(len(truth.Epochs), len(r.epochs))] {
		got := reflect.ValueOf(*r.epochs[i])
		for f, field := range reflect.VisibleFields(got.Type()) {
			g, w := got.Field(f), reflect.ValueOf(*want).Field(f)
			if !reflect.DeepEqual(g.Interface(), w.Interface()) {
				t.Errorf("epoch %d: %s: got %v, want %v", i, field.Name, g, w)
			}
		}
	}
}
