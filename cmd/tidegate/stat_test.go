package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/gateway/admin"
)

func TestStatShowsRates(t *testing.T) {
	at := time.Unix(1e9, 0)
	look := func(seconds int, messages uint64) *stat {
		return &stat{
			Feeds: &admin.FeedsReport{At: at.Add(time.Duration(seconds) * time.Second), Feeds: []admin.FeedReport{{
				Name: "sim", Messages: messages, Balanced: true,
				Lines: []admin.LineReport{{Name: "A", Packets: messages / 10, Address: "127.0.0.1:1"}, {Name: "B", Address: "127.0.0.1:2"}},
			}}, Consolidated: &admin.ConsolidatedReport{Dataset: "TIDE.CONS", Instruments: 5, Records: messages / 2, Subscribers: 6}},
			Subscribers: &admin.SubscribersReport{}, Latency: &admin.LatencyReport{},
		}
	}
	before, now := look(0, 1000), look(2, 3000)
	var first, second bytes.Buffer
	if err := before.write(&first, nil); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "first look", first.String(), "feed     sim: ", "SILENT", "1000 messages (- a second)", "nothing yet", "0 connections, 0 sessions")
	if err := now.write(&second, before); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "second look", second.String(), "3000 messages (1000 a second)", "     A      300       100 ",
		"over all TIDE.CONS: 5 instruments, 1500 records (500 a second), 6 subscribers")
	// A gateway that has started again in between has counted from 0.
	second.Reset()
	if err := before.write(&second, now); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "look after a restart", second.String(), "1000 messages (- a second)")
}

// How far a line is behind, since when, and when it last had something.
func TestStatShowsLineHealth(t *testing.T) {
	last := 40 * time.Second
	s := &stat{
		Feeds: &admin.FeedsReport{Feeds: []admin.FeedReport{{Lines: []admin.LineReport{
			{Name: "A", HighWater: 12345, Behind: 678, BehindFor: 1500 * time.Millisecond, LastAge: &last},
			{Name: "B", HighWater: 1},
		}}}},
		Subscribers: &admin.SubscribersReport{}, Latency: &admin.LatencyReport{},
	}
	var out bytes.Buffer
	if err := s.write(&out, nil); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(out.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	wantContains(t, "stat", strings.Join(rows, "\n"),
		"kernel drops high water behind for last state",
		"\nA 0 - 0 0 0 0 0 0 12345 678 1.5s 40s nothing yet",
		"\nB 0 - 0 0 0 0 0 0 1 0 - - nothing yet")
	for d, want := range map[time.Duration]string{
		0: "0s", 1234: "1µs", 1234567: "1ms", 12345678901: "12.3s", 123456789012: "2m3s",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%d) = %s, want %s", d, got, want)
		}
	}
}

// However many instruments there are, all are listed.
func TestStatInstruments(t *testing.T) {
	const total = 2345
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/instruments" || q.Get("prefix") != "A&" || q.Get("feed") != "sim" {
			t.Errorf("asked for %s", r.URL)
		}
		offset, _ := strconv.Atoi(q.Get("offset"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		part := admin.InstrumentsReport{Total: total}
		for i := offset; i < min(offset+limit, total); i++ {
			part.Instruments = append(part.Instruments, admin.InstrumentReport{
				Feed: "sim", Dataset: "XSIM.ITCH", Symbol: fmt.Sprint("A&", i), Instrument: uint32(i), TickSize: "0.01", RoundLot: 100,
			})
		}
		if err := json.NewEncoder(w).Encode(part); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	out := mustRun(t, "stat", "--url", s.URL, "--instruments", "--feed", "sim", "A&")
	wantContains(t, "instruments", out, "symbol  instrument  dataset    feed  tick size  round lot\n",
		"A&0     0           XSIM.ITCH  sim   0.01       100\n", "A&2344  2344 ", "\n2345 instruments\n")
	var all admin.InstrumentsReport
	if err := json.Unmarshal([]byte(mustRun(t, "stat", "--url", s.URL, "--instruments", "--feed", "sim", "--json", "A&")), &all); err != nil || len(all.Instruments) != total {
		t.Errorf("%d instruments as JSON, %v", len(all.Instruments), err)
	}
}

func TestStatErrors(t *testing.T) {
	var answer func(http.ResponseWriter, *http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer s.Close()
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		{"no gateway", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusTeapot) }, "/feeds: the answer is 418 I'm a teapot: not from a gateway"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, "/feeds: the answer cannot be read: "},
		{"refused", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("header %v", r.Header)
			}
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"go away"}`)
		}, "/feeds: 401 Unauthorized: go away"},
	} {
		answer = c.answer
		code, stdout, stderr := tidegate(t, "stat", "--url", s.URL, "--token", "secret")
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %q, %q", c.name, code, stdout, stderr)
		}
	}
	for args, want := range map[string]string{
		"--watch 1ms":              "want at least 100ms",
		"ALFA":                     "only --instruments takes the beginning of symbols",
		"--feed sim":               "--feed: only with --instruments",
		"--instruments --watch 1s": "--watch: not with --instruments",
	} {
		if code, _, stderr := tidegate(t, append([]string{"stat"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q", args, code, stderr)
		}
	}
	s.Close()
	if code, _, stderr := tidegate(t, "stat", "--url", s.URL); code != exitFailure || !strings.Contains(stderr, "does the gateway run") {
		t.Errorf("nobody there: exit %d, %q", code, stderr)
	}
}
