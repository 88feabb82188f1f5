//go:build linux

package admin

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/export"
)

// typeDBN is the content type of DBN.
const typeDBN = "application/vnd.dbn"

// shapeOf returns how an answer is written, and its content type.
func shapeOf(q *historyQuestion) (s historyShape, contentType string, err error) {
	var row *export.Row
	if q.kind == entry.KindRecord {
		if row, err = export.NewRow(q.schema); err != nil {
			return nil, "", err
		}
	}
	switch {
	case q.format == "dbn" && q.kind != entry.KindRecord:
		return nil, "", errors.New("format dbn: there are no such records: want json or csv")
	case q.format == "dbn":
		return &dbnShape{q: q, told: make(map[market.InstrumentID]string)}, typeDBN, nil
	case q.format == "csv" && q.kind == entry.KindRecord:
		return &csvShape{row: row}, "text/csv; charset=utf-8", nil
	case q.format == "csv":
		return &csvEvents{kind: q.kind}, "text/csv; charset=utf-8", nil
	default:
		return &jsonShape{q: q, row: row}, "application/json", nil
	}
}

// errCut is for formats that have no way to say that something is missing: the connection is closed.
var errCut = errors.New("the answer is not complete")

// recordOf returns the record of an item.
func recordOf(i *history.Item) (dbn.Record, error) {
	return dbn.ParseRecord(i.Payload, dbn.Version, false)
}

// jsonShape is one object, whose records or events come as they are read.
type jsonShape struct {
	q     *historyQuestion
	row   *export.Row
	b     []byte
	count int
	lacks []string
}

func (s *jsonShape) begin(w *bufio.Writer) error {
	head := struct {
		Feed    string `json:"feed"`
		Dataset string `json:"dataset"`
		Schema  string `json:"schema,omitempty"`
	}{Feed: s.q.feed.Name, Dataset: s.q.feed.dataset()}
	list := "records"
	switch s.q.kind {
	case entry.KindRecord:
		head.Schema = s.q.schema.String()
	case entry.KindGap:
		list = "gaps"
	default:
		list = "switches"
	}
	b, err := json.Marshal(head)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s,%q:[", b[:len(b)-1], list)
	return err
}

func (s *jsonShape) item(w *bufio.Writer, i *history.Item) (err error) {
	s.b = s.b[:0]
	if s.count++; s.count > 1 {
		s.b = append(s.b, ',')
	}
	s.b = append(s.b, '\n')
	if s.row != nil {
		rec, err := recordOf(i)
		if err != nil {
			return err
		}
		if s.b, err = s.row.AppendJSON(s.b, rec, i.Symbol); err != nil {
			return err
		}
	} else {
		event, err := eventOf(s.q.kind, i)
		if err != nil {
			return err
		}
		text, err := json.Marshal(event)
		if err != nil {
			return err
		}
		s.b = append(s.b, text...)
	}
	_, err = w.Write(s.b)
	return err
}

// lacksMax is how many gaps of the journal an answer names.
const lacksMax = 100

func (s *jsonShape) missing(_ *bufio.Writer, what string) error {
	if len(s.lacks) < lacksMax {
		s.lacks = append(s.lacks, what)
	}
	return nil
}

func (s *jsonShape) end(w *bufio.Writer, count int, why string, next uint64) error {
	tail := struct {
		Count    int      `json:"count"`
		Missing  []string `json:"missing,omitempty"` // what the journal lacks
		Complete bool     `json:"complete"`
		Reason   string   `json:"reason,omitempty"`
		Next     string   `json:"next,omitempty"`
	}{count, s.lacks, why == "", why, ""}
	if why != "" {
		tail.Next = strconv.FormatUint(next, 10)
	}
	b, err := json.Marshal(tail)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n],%s\n", b[1:])
	return err
}

// csvShape is a line for each record.
type csvShape struct {
	row *export.Row
	b   []byte
}

func (s *csvShape) begin(w *bufio.Writer) error {
	_, err := w.Write(s.row.AppendNames(nil))
	return err
}

func (s *csvShape) item(w *bufio.Writer, i *history.Item) error {
	rec, err := recordOf(i)
	if err != nil {
		return err
	}
	if s.b, err = s.row.AppendCSV(s.b[:0], rec, i.Symbol); err != nil {
		return err
	}
	_, err = w.Write(s.b)
	return err
}

func (s *csvShape) missing(*bufio.Writer, string) error { return errCut }

// end takes the limit for what was wanted; a lack of time is no answer.
func (s *csvShape) end(_ *bufio.Writer, _ int, why string, _ uint64) error {
	return cutUnlessLimit(why)
}

func cutUnlessLimit(why string) error {
	if why == "" || strings.HasPrefix(why, whyLimit[:5]) {
		return nil
	}
	return errCut
}

// dbnShape is the record of a live session of one schema: instruments are named in the stream.
type dbnShape struct {
	q    *historyQuestion
	told map[market.InstrumentID]string
	b    []byte
}

func (s *dbnShape) begin(w *bufio.Writer) error {
	m := dbn.Metadata{
		Dataset: s.q.feed.dataset(), Schema: dbn.SchemaMixed, Start: s.q.start, End: s.q.end, Limit: uint64(s.q.limit),
		STypeIn: dbn.STypeRawSymbol, STypeOut: dbn.STypeInstrumentID,
	}
	b, err := dbn.AppendMetadata(nil, &m)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func (s *dbnShape) item(w *bufio.Writer, i *history.Item) error {
	s.b = s.b[:0]
	if i.Instrument != 0 && s.told[i.Instrument] != i.Symbol {
		s.told[i.Instrument] = i.Symbol
		at := i.At
		if t := history.IndexTime(i.Payload); bar(dbn.RType(i.Payload[1])) && t.Defined() {
			at = t // when bars were received is not known everywhere
		}
		midnight := at - at%market.Day
		m := dbn.SymbolMapping{
			Header:  dbn.Header{InstrumentID: i.Instrument, TsEvent: at},
			STypeIn: dbn.STypeRawSymbol, SymbolIn: i.Symbol, STypeOut: dbn.STypeRawSymbol, SymbolOut: i.Symbol,
			Start: midnight, End: midnight + market.Day,
		}
		s.b = m.Append(s.b)
	}
	_, err := w.Write(append(s.b, i.Payload...))
	return err
}

func bar(t dbn.RType) bool {
	return slices.Contains([]dbn.RType{dbn.RTypeOHLCV1s, dbn.RTypeOHLCV1m, dbn.RTypeOHLCV1h, dbn.RTypeOHLCV1d}, t)
}

func (s *dbnShape) missing(w *bufio.Writer, what string) error {
	m := dbn.Error{Text: "History has a gap: " + what, Code: dbn.ErrorSkipped, IsLast: 1}
	_, err := w.Write(m.Append(nil))
	return err
}

func (s *dbnShape) end(_ *bufio.Writer, _ int, why string, _ uint64) error {
	return cutUnlessLimit(why)
}

// A lostMessages is a gap as an answer has it.
type lostMessages struct {
	At       time.Time `json:"at"` // when it was given up
	Seen     time.Time `json:"seen"`
	From     uint64    `json:"from"`
	To       uint64    `json:"to"` // exclusive
	Messages uint64    `json:"messages"`
	Epoch    uint32    `json:"epoch"`
	Channel  uint16    `json:"channel"`
	Reason   string    `json:"reason"`
	Index    uint64    `json:"index"` // in the journal
	Start    uint64    `json:"start"` // of the gateway: the epoch of the journal
}

// A chosenProvider is a switch as an answer has it.
type chosenProvider struct {
	At     time.Time `json:"at"`
	By     int64     `json:"by_ns"` // how much was wrong with From, in nanoseconds; 0 where that is no amount
	From   string    `json:"from"`
	To     string    `json:"to"`
	Reason string    `json:"reason"`
	Index  uint64    `json:"index"`
	Start  uint64    `json:"start"`
}

// eventOf reads an item that is no record.
func eventOf(kind uint8, i *history.Item) (any, error) {
	if kind == entry.KindGap {
		var g entry.Gap
		if err := g.Parse(i.Payload); err != nil {
			return nil, err
		}
		return &lostMessages{timeOf(i.At), timeOf(g.Seen), g.From, g.To, g.To - g.From, g.Epoch, g.Channel, g.Reason, i.Index, i.Epoch}, nil
	}
	var s entry.Switch
	if err := s.Parse(i.Payload); err != nil {
		return nil, err
	}
	return &chosenProvider{timeOf(i.At), int64(s.By), s.From, s.To, s.Reason, i.Index, i.Epoch}, nil
}

// csvEvents is a line for each gap or switch.
type csvEvents struct{ kind uint8 }

func (s *csvEvents) begin(w *bufio.Writer) error {
	names := "at,by_ns,from,to,reason,index,start\n"
	if s.kind == entry.KindGap {
		names = "at,seen,from,to,messages,epoch,channel,reason,index,start\n"
	}
	_, err := w.WriteString(names)
	return err
}

func (s *csvEvents) item(w *bufio.Writer, i *history.Item) error {
	event, err := eventOf(s.kind, i)
	if err != nil {
		return err
	}
	var cells []string
	switch e := event.(type) {
	case *lostMessages:
		cells = []string{
			nanosText(i.At), nanosText(market.Nanos(e.Seen.UnixNano())), fmt.Sprint(e.From), fmt.Sprint(e.To), fmt.Sprint(e.Messages),
			fmt.Sprint(e.Epoch), fmt.Sprint(e.Channel), e.Reason, fmt.Sprint(e.Index), fmt.Sprint(e.Start),
		}
	case *chosenProvider:
		cells = []string{nanosText(i.At), fmt.Sprint(e.By), e.From, e.To, e.Reason, fmt.Sprint(e.Index), fmt.Sprint(e.Start)}
	}
	line := csv.NewWriter(w)
	if err := line.Write(cells); err != nil {
		return err
	}
	line.Flush()
	return line.Error()
}

func nanosText(t market.Nanos) string { return strconv.FormatInt(int64(t), 10) }

func (s *csvEvents) missing(*bufio.Writer, string) error { return errCut }

func (s *csvEvents) end(_ *bufio.Writer, _ int, why string, _ uint64) error {
	return cutUnlessLimit(why)
}
