//go:build linux

package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/market"
	"tidegate/sinks/entry"
)

// Limits of questions for history.
const (
	historyDefault  = 1000
	historyMax      = 1_000_000 // records of one answer
	historyAtATime  = 4
	historyTime     = time.Minute // for one answer
	historyFlush    = 64 << 10
	historySymbols  = 1000
	historyPrefix   = "/history"
	historyGaps     = historyPrefix + "/gaps"
	historySwitches = historyPrefix + "/switches"
)

// historyPages are answered with a stream, so they are not among pages.
var historyPages = []page{
	{path: historyPrefix, about: "What was published: ?schema=trades&start=2026-01-05T14:30:00Z (or 10m: ago, or 0: everything), &symbol=AAPL,MSFT, &end=, &limit=1000, &feed= (a feed's name, or a dataset), &format=json, csv or dbn, or the header Accept, &source=journal or database. Bars are the schemas ohlcv-1s to ohlcv-1d."},
	{path: historyGaps, about: "Messages that were lost for good: ?start=&end=&limit=&feed=&format=json or csv."},
	{path: historySwitches, about: "When another provider was chosen, and why: likewise."},
}

// A historyQuestion is what somebody asks of history.
type historyQuestion struct {
	feed    *Feed
	kind    uint8
	schema  dbn.Schema
	symbols []string // nil: all
	start   market.Nanos
	end     market.Nanos // market.UndefTime: none
	from    uint64       // index of the journal at which an answer goes on; 0: at start
	limit   int
	format  string
	source  string // sourceJournal, sourceDatabase, or "": whichever has it, first the journal
}

// A historyAnswer writes one answer.
type historyAnswer struct {
	historyQuestion
	cursor Rows
	conn   net.Conn
	w      *bufio.Writer
	until  time.Time
	shape  historyShape
}

// A historyShape is a format as an answer is written in it.
type historyShape interface {
	begin(w *bufio.Writer) error
	item(w *bufio.Writer, i *history.Item) error
	missing(w *bufio.Writer, what string) error
	// end ends the answer; why is empty if it is complete, and next is where it goes on if not.
	end(w *bufio.Writer, count int, why string, next uint64) error
}

// history answers a question for history.
func (s *Server) history(c *fasthttp.RequestCtx) {
	if s.cfg.History == nil {
		refuse(c, fasthttp.StatusNotFound, "this gateway keeps no history: journal.dir in its configuration says where to keep it")
		return
	}
	q, err := s.asked(c)
	if err != nil {
		refuse(c, statusOf(err), err.Error())
		return
	}
	select {
	case s.histories <- struct{}{}:
	default:
		c.Response.Header.Set("Retry-After", "1")
		refuse(c, fasthttp.StatusTooManyRequests, fmt.Sprintf("%d questions for history are being answered: try again", historyAtATime))
		return
	}
	if err := s.answerHistory(c, q); err != nil {
		<-s.histories
		if errors.Is(err, ErrArchiveBehind) || errors.Is(err, ErrArchiveDown) || errors.Is(err, ErrArchiveSlow) {
			c.Response.Header.Set("Retry-After", archiveRetry)
		}
		refuse(c, statusOf(err), err.Error())
	}
}

// answerHistory begins to answer. After an error nothing was, and the place is to be given back.
func (s *Server) answerHistory(c *fasthttp.RequestCtx, q *historyQuestion) error {
	a := &historyAnswer{historyQuestion: *q, conn: c.Conn(), until: time.Now().Add(historyTime)}
	shape, contentType, err := shapeOf(q)
	if err != nil {
		return problem{fasthttp.StatusBadRequest, err}
	}
	a.shape = shape
	ctx, cancel := context.WithDeadline(context.Background(), a.until)
	source := ""
	if a.cursor, source, err = s.read(ctx, q); err != nil {
		cancel()
		return err
	}
	c.Response.Header.Set(sourceHeader, source)
	c.SetContentType(contentType)
	if c.IsHead() {
		cancel()
		<-s.histories
		_ = a.cursor.Close() // nothing was written
		return nil
	}
	c.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer func() {
			cancel()
			_ = a.cursor.Close() // nothing was written
			<-s.histories
		}()
		a.w = w
		if err := a.write(ctx); err != nil {
			_ = a.conn.Close() // so that nobody takes what there is for everything
		}
	})
	return nil
}

// known returns an error unless history knows the symbols that are asked for.
func (s *Server) known(ctx context.Context, q *historyQuestion) error {
	if q.symbols == nil {
		return nil
	}
	names, err := s.cfg.History.Names(ctx, q.feed.Name, q.start)
	if err != nil {
		return err
	}
	open := slices.Clone(q.symbols)
	for _, name := range names {
		if i := slices.Index(open, name); i >= 0 {
			open = slices.Delete(open, i, i+1)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("symbol %q of feed %s in that time: %w", open[0], q.feed.Name, ErrUnknown)
	}
	return nil
}

// whyLimit is why an answer ends that has as many records as were asked for.
const whyLimit = "limit of %d"

// write writes the answer.
func (a *historyAnswer) write(ctx context.Context) error {
	if err := a.shape.begin(a.w); err != nil {
		return err
	}
	var item history.Item
	count, why := 0, ""
	for why == "" {
		out, err := a.cursor.Next(ctx, &item)
		if err != nil && ctx.Err() == nil {
			return err
		}
		switch {
		case err != nil || time.Now().After(a.until):
			if why = fmt.Sprintf("it took more than %v", historyTime); out == history.Ready && err == nil {
				return a.finish(count, why, item.Index)
			}
		case out == history.Empty:
			return a.finish(count, "", 0)
		case out == history.Missing:
			if err := a.shape.missing(a.w, item.Missing); err != nil {
				return err
			}
		case out == history.Ready && (a.kind != entry.KindRecord || item.Record()):
			if count == a.limit {
				return a.finish(count, fmt.Sprintf(whyLimit, a.limit), item.Index)
			}
			count++
			if err := a.shape.item(a.w, &item); err != nil {
				return err
			}
		}
		if a.w.Buffered() > historyFlush/2 || out == history.Pause {
			if err := a.flush(); err != nil {
				return err
			}
		}
	}
	return a.finish(count, why, a.cursor.Position())
}

// flush sends what there is. A client has a while to take it.
func (a *historyAnswer) flush() error {
	if err := a.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return a.w.Flush()
}

func (a *historyAnswer) finish(count int, why string, next uint64) error {
	if err := a.shape.end(a.w, count, why, next); err != nil {
		return err
	}
	return a.flush()
}

// asked reads a question.
func (s *Server) asked(c *fasthttp.RequestCtx) (*historyQuestion, error) {
	q := &historyQuestion{kind: entry.KindRecord, end: market.UndefTime, limit: historyDefault}
	switch string(c.Path()) {
	case historyPrefix:
	case historyGaps:
		q.kind = entry.KindGap
	case historySwitches:
		q.kind = entry.KindSwitch
	default:
		return nil, problem{fasthttp.StatusNotFound, errors.New("no such page: / lists them")}
	}
	bad := func(format string, args ...any) (*historyQuestion, error) {
		return nil, problem{fasthttp.StatusBadRequest, fmt.Errorf(format, args...)}
	}
	args, now := c.QueryArgs(), time.Now()
	for key := range args.All() {
		if !slices.Contains([]string{"feed", "dataset", "symbol", "schema", "start", "end", "from", "limit", "format", "source"}, string(key)) {
			return bad("%q is not known: want feed, symbol, schema, start, end, limit, format or source", key)
		}
	}
	name := string(args.Peek("feed"))
	if name == "" {
		name = string(args.Peek("dataset"))
	}
	if q.feed = s.cfg.Monitor.feedNamed(name); q.feed == nil {
		if name == "" {
			return bad("want ?feed=: there are several")
		}
		return nil, fmt.Errorf("feed %q: %w", name, ErrUnknown)
	}
	if q.kind == entry.KindRecord {
		var ok bool
		text := string(args.Peek("schema"))
		if q.schema, ok = dbn.ParseSchema(text); !ok {
			return bad("schema %q: want one of %s", text, schemaNames(s.cfg.History.Schemas()))
		}
		if !args.Has("start") && !args.Has("from") {
			return bad("want &start=: a time like 2026-01-02T15:04:05Z, how long ago, like 10m, or 0 for all there is")
		}
	}
	var err error
	if q.start, err = parseWhen(string(args.Peek("start")), 0, now); err != nil {
		return bad("start %w", err)
	}
	if q.end, err = parseWhen(string(args.Peek("end")), market.UndefTime, now); err != nil {
		return bad("end %w", err)
	}
	if q.end.Defined() && q.end < q.start {
		return bad("end is before start")
	}
	if list := string(args.Peek("symbol")); list != "" && list != "ALL_SYMBOLS" {
		if q.symbols = strings.Split(list, ","); len(q.symbols) > historySymbols {
			return bad("%d symbols: want at most %d", len(q.symbols), historySymbols)
		}
	}
	if args.Has("limit") {
		text := string(args.Peek("limit"))
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > historyMax {
			return bad("limit %q: want 1 to %d", text, historyMax)
		}
	}
	if args.Has("from") {
		text := string(args.Peek("from"))
		if q.from, err = strconv.ParseUint(text, 10, 63); err != nil || q.from == 0 {
			return bad("from %q: want what an answer gave as next", text)
		}
	}
	switch q.source = string(args.Peek("source")); q.source {
	case "", sourceJournal:
	case sourceDatabase:
		if q.kind == entry.KindRecord && !args.Has("start") {
			return bad("want &start= also with from: the database finds what it has by time")
		}
	default:
		return bad("source %q: want journal or database", q.source)
	}
	q.format, err = formatOf(string(args.Peek("format")), string(c.Request.Header.Peek("Accept")))
	if err != nil {
		return bad("%w", err)
	}
	return q, nil
}

// parseWhen reads a time: RFC 3339, how long ago, or nanoseconds since 1970.
func parseWhen(text string, none market.Nanos, now time.Time) (market.Nanos, error) {
	if text == "" {
		return none, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return market.Nanos(n), nil
	}
	if ago, err := time.ParseDuration(strings.TrimPrefix(text, "-")); err == nil && ago >= 0 && ago < now.Sub(time.Unix(0, 0)) {
		return market.Nanos(now.Add(-ago).UnixNano()), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Unix() >= 0 && at.Unix() < math.MaxInt64/int64(time.Second) {
		return market.Nanos(at.UnixNano()), nil
	}
	return 0, fmt.Errorf("%q: want a time like 2026-01-02T15:04:05Z, how long ago, like 10m, or nanoseconds since 1970", text)
}

// formatOf returns the format that is wanted: by name, else by the header.
func formatOf(name, accept string) (string, error) {
	switch name {
	case "json", "csv", "dbn":
		return name, nil
	case "":
	default:
		return "", fmt.Errorf("format %q: want json, csv or dbn", name)
	}
	for _, kind := range strings.Split(accept, ",") {
		kind, _, _ = strings.Cut(strings.TrimSpace(kind), ";")
		switch kind {
		case "text/csv":
			return "csv", nil
		case typeDBN, "application/octet-stream":
			return "dbn", nil
		case "application/json", "*/*", "application/*", "text/html":
			return "json", nil
		}
	}
	return "json", nil
}

func schemaNames(schemas []dbn.Schema) string {
	var names []string
	for _, s := range schemas {
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}

// feedNamed returns the feed of a name or dataset, or the only one if there is no name; nil if there is none.
func (m *Monitor) feedNamed(name string) *Feed {
	if name == "" && len(m.src.Feeds) == 1 {
		return &m.src.Feeds[0]
	}
	for i := range m.src.Feeds {
		if f := &m.src.Feeds[i]; name != "" && (f.Name == name || f.dataset() == name) {
			return f
		}
	}
	return nil
}
