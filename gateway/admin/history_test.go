//go:build linux

package admin

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// day is when the records of these tests begin.
const day = market.Nanos(1_767_600_000_000_000_000)

// A past is a journal with trades of two instruments, one each millisecond in turns, a gap and a switch.
type past struct {
	dir     string
	journal *journal.Journal
	history *history.History
	trades  []byte
}

func newPast(t *testing.T, n int, lacking bool) *past {
	t.Helper()
	p := &past{dir: filepath.Join(t.TempDir(), "journal")}
	var err error
	if p.journal, err = journal.Open(journal.Config{Dir: p.dir, QueueBytes: 64 << 20, ReserveBytes: 1}); err != nil {
		t.Fatal(err)
	}
	put := func(kind uint8, at market.Nanos, payload []byte) {
		p.journal.Append(journal.Header{At: at, Feed: 0, Kind: kind}, payload)
	}
	put(entry.KindFeed, day, (&entry.Feed{Publisher: market.Simulated.ID, Name: "sim"}).Append(nil))
	put(entry.KindRecord, day, history.AppendKept(nil, []dbn.Schema{dbn.SchemaTrades}, day))
	for id, symbol := range []string{"", "ALFA", "B,RVO"} {
		if id > 0 {
			put(entry.KindRecord, day, history.AppendMet(nil, market.InstrumentID(id), symbol, day))
		}
	}
	for i := range n {
		at := day + market.Nanos(i)*market.Millisecond
		m := dbn.Trade{Change: dbn.Change{
			Header: dbn.Header{PublisherID: market.Simulated.ID, InstrumentID: market.InstrumentID(1 + i%2), TsEvent: at},
			Price:  market.Price(i) * 1e7, Size: 1, Action: market.Trade, Side: market.Bid, TsRecv: at + 10, Sequence: uint32(i),
		}}
		b := m.Append(nil)
		put(entry.KindRecord, at+10, b)
		p.trades = append(p.trades, b...)
		if i == n/2 {
			put(entry.KindGap, at+20, (&entry.Gap{From: 7, To: 9, Seen: at, Epoch: 1, Reason: "late"}).Append(nil))
			put(entry.KindSwitch, at+30, (&entry.Switch{By: 5, From: "x", To: "y", Reason: "stale"}).Append(nil))
			if lacking {
				put(entry.KindRecord, at+40, make([]byte, 1<<17))
			}
		}
	}
	p.history = history.New(history.Config{Dir: p.dir, Open: p.journal.NewReader, Schemas: []dbn.Schema{dbn.SchemaTrades}, Feeds: []string{"sim"}})
	want := uint64(4 + n + 2)
	if lacking {
		want++
	}
	for end := time.Now().Add(time.Minute); p.journal.DurableIndex() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not durable")
		}
	}
	t.Cleanup(func() {
		if err := p.journal.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *past) serve(t *testing.T) (url string) {
	t.Helper()
	return serveWorld(t, newWorld(t), Config{History: p.history})
}

// serveWorld starts a server.
func serveWorld(t *testing.T, w *world, cfg Config) (url string) {
	t.Helper()
	cfg.Addr, cfg.Monitor, cfg.Version = "127.0.0.1:0", w.monitor, "test"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String()
}

func fetch(t *testing.T, url string, header ...string) (status int, contentType string, body []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatalf("%s: %v after %d bytes", url, err, len(body))
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), body
}

type historyReport struct {
	Feed, Dataset, Schema string
	Records               []map[string]any
	Gaps, Switches        []map[string]any
	Count                 int
	Complete              bool
	Reason, Next          string
	Missing               []string
}

func askHistory(t *testing.T, url string) (r historyReport) {
	t.Helper()
	status, contentType, body := fetch(t, url)
	if status != http.StatusOK || contentType != "application/json" {
		t.Fatalf("%s: %d, %s: %s", url, status, contentType, body)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return r
}

func TestHistoryAsJSON(t *testing.T) {
	p := newPast(t, 1000, false)
	url := p.serve(t)
	r := askHistory(t, url+"/history?schema=trades&start=0")
	if len(r.Records) != 1000 || r.Count != 1000 || !r.Complete || r.Feed != "sim" || r.Dataset != "XSIM.ITCH" || r.Schema != "trades" {
		t.Errorf("%d records: %+v", len(r.Records), r)
	}
	if got := r.Records[3]; got["symbol"] != "B,RVO" || got["price"] != "0.03" || got["ts_event"] != "2026-01-05T08:00:00.003Z" || got["sequence"] != 3.0 {
		t.Errorf("%v", got)
	}
	// Page by page, and every kind of time.
	var got []any
	start := fmt.Sprintf("/history?feed=XSIM.ITCH&symbol=ALFA&schema=trades&start=%d&end=2026-01-05T08:00:00.9Z&limit=70", day+100*market.Millisecond)
	next, pages := "", 0
	for ; pages < 20; pages++ {
		r := askHistory(t, url+start+next)
		for _, rec := range r.Records {
			got = append(got, rec["sequence"])
		}
		if r.Complete {
			break
		}
		if r.Count != 70 || r.Reason != "limit of 70" {
			t.Fatalf("%+v", r)
		}
		next = "&from=" + r.Next
	}
	if len(got) != 400 || got[0] != 100.0 || got[399] != 898.0 || pages != 5 {
		t.Errorf("%d records in %d pages, from %v to %v", len(got), pages, got[0], got[len(got)-1])
	}
	ago := time.Since(time.Unix(0, int64(day))) + time.Hour
	if r := askHistory(t, url+"/history?schema=trades&limit=5&start=-"+ago.String()); r.Count != 5 || r.Complete {
		t.Errorf("since an hour before: %+v", r)
	}
	if r := askHistory(t, url+"/history?schema=trades&start=1s"); r.Count != 0 || !r.Complete || r.Records == nil {
		t.Errorf("of the last second: %+v", r)
	}
}

func TestHistoryAsCSVAndDBN(t *testing.T) {
	p := newPast(t, 20_000, false)
	url := p.serve(t)
	for _, ask := range []struct{ query, accept string }{{"&format=csv", "x"}, {"", "text/csv;q=0.9, */*"}} {
		status, contentType, body := fetch(t, url+"/history?schema=trades&start=0&limit=1000000"+ask.query, "Accept", ask.accept)
		lines, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
		if err != nil || status != 200 || contentType != "text/csv; charset=utf-8" || len(lines) != 20_001 {
			t.Fatalf("%d, %s, %d lines, %v", status, contentType, len(lines), err)
		}
		if last := lines[20_000]; last[len(last)-1] != "B,RVO" || lines[0][3] != "ts_event" || last[3] != fmt.Sprint(int64(day+19_999*market.Millisecond)) {
			t.Errorf("%v", last)
		}
	}
	_, contentType, body := fetch(t, url+"/history?schema=trades&start=0&limit=1000000", "Accept", "application/vnd.dbn")
	r, err := dbn.NewReader(bytes.NewReader(body))
	if err != nil || contentType != "application/vnd.dbn" || r.Metadata().Dataset != "XSIM.ITCH" {
		t.Fatalf("%v, %s", err, contentType)
	}
	var trades []byte
	named := make(map[market.InstrumentID]string)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.RType == dbn.RTypeSymbolMapping {
			var m dbn.SymbolMapping
			_ = m.Parse(rec)
			named[m.InstrumentID] = m.SymbolOut
			continue
		}
		if named[rec.InstrumentID] == "" {
			t.Fatalf("instrument %d has no name", rec.InstrumentID)
		}
		trades = append(trades, rec.Raw()...)
	}
	if !bytes.Equal(trades, p.trades) || named[2] != "B,RVO" {
		t.Errorf("%d bytes, want %d; names %v", len(trades), len(p.trades), named)
	}
}

func TestHistoryOfGapsAndSwitches(t *testing.T) {
	p := newPast(t, 100, false)
	url := p.serve(t)
	r := askHistory(t, url+"/history/gaps")
	if len(r.Gaps) != 1 || r.Gaps[0]["from"] != 7.0 || r.Gaps[0]["messages"] != 2.0 || r.Gaps[0]["reason"] != "late" {
		t.Errorf("%+v", r)
	}
	r = askHistory(t, url+"/history/switches?start=0&feed=sim")
	if len(r.Switches) != 1 || r.Switches[0]["from"] != "x" || r.Switches[0]["to"] != "y" || r.Switches[0]["by_ns"] != 5.0 {
		t.Errorf("%+v", r)
	}
	if r := askHistory(t, url+"/history/gaps?end=2026-01-05T08:00:00Z"); len(r.Gaps) != 0 || !r.Complete {
		t.Errorf("before: %+v", r)
	}
	for page, want := range map[string]string{
		"gaps":     "at,seen,from,to,messages,epoch,channel,reason,index,start\n1767600000050000020,1767600000050000000,7,9,2,1,0,late,56,1\n",
		"switches": "at,by_ns,from,to,reason,index,start\n1767600000050000030,5,x,y,stale,57,1\n",
	} {
		if _, _, body := fetch(t, url+"/history/"+page+"?format=csv"); string(body) != want {
			t.Errorf("%s: %s", page, body)
		}
	}
}

func TestHistoryIsRefused(t *testing.T) {
	p := newPast(t, 100, false)
	url := p.serve(t)
	for _, c := range []struct {
		query  string
		status int
		want   string
	}{
		{"/history", 400, `schema \"\": want one of trades`},
		{"/history?schema=x", 400, `schema \"x\": want one of trades`},
		{"/history?schema=trades", 400, "want \\u0026start="},
		{"/history?schema=trades&start=tomorrow", 400, `start \"tomorrow\": want a time`},
		{"/history?schema=trades&start=9&end=8", 400, "end is before start"},
		{"/history?schema=trades&start=0&limit=0", 400, "limit"},
		{"/history?schema=trades&start=0&limit=1000001", 400, "want 1 to 1000000"},
		{"/history?schema=trades&start=0&from=x", 400, "from"},
		{"/history?schema=trades&start=0&format=xml", 400, "format"},
		{"/history?schema=trades&start=0&color=red", 400, "not known"},
		{"/history?schema=trades&start=0&source=tape", 400, "want journal or database"},
		{"/history?schema=trades&from=7&source=database", 400, "want \\u0026start= also with from"},
		{"/history?schema=trades&start=0&source=database", 404, "postgres.history"},
		{"/history?schema=trades&start=0&symbol=ALFA,NONE", 404, `symbol \"NONE\" of feed sim`},
		{"/history?schema=trades&start=0&feed=other", 404, `feed \"other\"`},
		{"/history?schema=mbo&start=0", 404, "schema mbo is not kept in history: it has trades"},
		{"/history/gaps?format=dbn", 400, "want json or csv"},
		{"/history/others", 404, "no such page"},
	} {
		status, _, body := fetch(t, url+c.query)
		want := strings.ReplaceAll(c.want, "\\u0026", "&")
		if status != c.status || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s, want %d %s", c.query, status, body, c.status, want)
		}
	}
	none := serveWorld(t, newWorld(t), Config{})
	if status, _, body := fetch(t, none+"/history?schema=trades&start=0"); status != 404 || !strings.Contains(string(body), "journal.dir") {
		t.Errorf("%d %s", status, body)
	}
	head, err := http.Head(url + "/history?schema=trades&start=0")
	if err != nil || head.StatusCode != 200 {
		t.Errorf("%v, %v", head, err)
	}
	head.Body.Close()
}

// What the journal lacks is said where the format can; else the answer breaks off.
func TestHistoryWithAGap(t *testing.T) {
	p := newPast(t, 100, true)
	url := p.serve(t)
	r := askHistory(t, url+"/history?schema=trades&start=0")
	if r.Count != 100 || len(r.Missing) != 1 || !strings.HasPrefix(r.Missing[0], "1 entries were dropped") {
		t.Errorf("%+v", r)
	}
	answer, err := http.Get(url + "/history?schema=trades&start=0&format=csv")
	if err != nil {
		return // nothing was sent yet
	}
	defer answer.Body.Close()
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("an answer that lacks something looks complete")
	}
}

// Only so many are answered at a time, and whoever does not read gives its place back.
func TestHistoryIsLimited(t *testing.T) {
	p := newPast(t, 300_000, false)
	url := p.serve(t)
	var slow []*http.Response
	for range historyAtATime {
		answer, err := http.Get(url + "/history?schema=trades&start=0&limit=1000000")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		slow = append(slow, answer)
	}
	answer, err := http.Get(url + "/history?schema=trades&start=0")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", answer.StatusCode)
	}
	for _, a := range slow {
		a.Body.Close()
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if status, _, _ := fetch(t, url+"/history?schema=trades&start=0&limit=1"); status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the places were not given back")
		}
	}
}
