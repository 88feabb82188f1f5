package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
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
			}}},
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
	wantContains(t, "second look", second.String(), "3000 messages (1000 a second)", "     A      300       100 ")
	// A gateway that has started again in between has counted from 0.
	second.Reset()
	if err := before.write(&second, now); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "look after a restart", second.String(), "1000 messages (- a second)")
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
	if code, _, stderr := tidegate(t, "stat", "--watch", "1ms"); code != exitUsage || !strings.Contains(stderr, "want at least 100ms") {
		t.Errorf("a short time: exit %d, %q", code, stderr)
	}
	s.Close()
	if code, _, stderr := tidegate(t, "stat", "--url", s.URL); code != exitFailure || !strings.Contains(stderr, "does the gateway run") {
		t.Errorf("nobody there: exit %d, %q", code, stderr)
	}
}
