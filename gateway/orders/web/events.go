package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"tidegate/book/match"
	"tidegate/gateway/orders"
)

// A stream is a client who follows the events of a key. It reads the session's reports at its own pace, so
// nothing waits for it in memory.
type stream struct {
	desk  *desk
	next  uint64
	all   bool // not only executions
	woken chan struct{}
	over  chan struct{} // closed when the server stops
}

// wake is called when there may be more to read. It does not wait.
func (s *stream) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// beatEvery is how often a stream on which nothing happens says that it lives.
const beatEvery = 10 * time.Second

// events begins a stream of server-sent events: those of the key's session from a number on.
func (s *Server) events(q *request) (any, *problem) {
	if p := q.only("from", "kind"); p != nil {
		return nil, p
	}
	st := &stream{desk: q.desk, woken: make(chan struct{}, 1), over: make(chan struct{})}
	switch kind := q.query("kind"); kind {
	case "", "executed":
	case "all":
		st.all = true
	default:
		return nil, badField("kind", "found %q, want executed or all", kind)
	}
	next := q.desk.session.Next()
	var p *problem
	if st.next, p = q.number("from", 1, next, next); p != nil {
		return nil, p
	}
	if last := string(q.ctx.Request.Header.Peek("Last-Event-ID")); last != "" {
		n, err := strconv.ParseUint(last, 10, 64)
		if err != nil || n >= next {
			return nil, badField("Last-Event-ID", "found %q, want the number of an event of this key", last)
		}
		st.next = n + 1
	}
	if p := q.desk.begin(st, s.cfg.Limits.Streams); p != nil {
		return nil, p
	}
	s.streams.Add(1)
	q.ctx.HijackSetNoResponse(true)
	q.ctx.Hijack(func(c net.Conn) {
		defer s.streams.Add(-1)
		defer st.desk.leave(st)
		s.follow(st, c)
	})
	return nil, nil
}

// begin admits a stream.
func (d *desk) begin(s *stream, max int) *problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return stopping
	}
	if len(d.streams) >= max {
		return problemf(429, CodeRate, "more than %d streams of events of this key", max)
	}
	d.streams[s] = struct{}{}
	return nil
}

func (d *desk) leave(s *stream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.streams, s)
}

// endStreams lets streams end, and no new ones begin.
func (d *desk) endStreams() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.streams {
		close(s.over)
	}
	clear(d.streams)
	d.ended = true
}

// follow writes events until the client, the gate or the server ends.
func (s *Server) follow(st *stream, c net.Conn) {
	gone := make(chan struct{})
	go func() { // ends with the connection: whoever follows has nothing more to say
		defer close(gone)
		_ = c.SetReadDeadline(time.Time{})
		_, _ = c.Read(make([]byte, 1))
	}()
	defer func() { // the server closes the connection afterwards
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-gone
	}()
	w := bufio.NewWriterSize(c, 32<<10)
	fmt.Fprintf(w, "HTTP/1.1 %d OK\r\nServer: tidegate\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n", fasthttp.StatusOK)
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	batch := make([]orders.Report, 64)
	for {
		_ = c.SetWriteDeadline(time.Now().Add(s.cfg.Limits.Slow))
		n, err := st.desk.read(st.next, batch)
		for i := range batch[:n] {
			if writeErr := s.writeEvent(w, st, &batch[i]); writeErr != nil {
				return
			}
		}
		if w.Flush() != nil || err != nil {
			return
		}
		if n > 0 {
			continue
		}
		select {
		case <-st.woken:
		case <-beat.C:
			_, _ = w.WriteString(": still here\n\n")
		case <-gone:
			return
		case <-st.over:
			return
		}
	}
}

// writeEvent writes one event, whose id is the report's number.
func (s *Server) writeEvent(w *bufio.Writer, st *stream, r *orders.Report) error {
	st.next = r.Number + 1
	if !st.all && (r.Kind != orders.FromEngine || r.Event.Kind != match.Executed) {
		return nil
	}
	report := s.report(r, r.Number)
	b, err := json.Marshal(report)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", r.Number, report.Kind, b)
	return err
}
