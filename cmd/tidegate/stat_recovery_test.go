package main

import (
	"bytes"
	"strings"
	"testing"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/admin"
	"tidegate/gateway/recovery"
)

// What was asked for again, and what came of it; books that were made anew.
func TestStatShowsRecovery(t *testing.T) {
	feed := admin.FeedReport{
		Name: "sim",
		Lines: []admin.LineReport{
			{Name: "B", Packets: 7, Ledger: arbiter.LineLedger{Duplicate: arbiter.Tally{Packets: 5}, Disagree: 3}},
			{Name: "R", Requests: &admin.RequestsReport{Sent: 12, Failed: 1, LastError: "no route", Strangers: 1}},
		},
		Retransmit: &admin.RetransmitReport{
			TooLarge: arbiter.GapTally{Ranges: 1, Messages: 20_000}, WaitsBudget: 2, WaitsInFlight: 3, WaitsServers: 4,
			Servers: []admin.ServerReport{{Number: 0, State: "resting", ServerLedger: arbiter.ServerLedger{
				Requests: arbiter.RequestTally{Requests: 13, Messages: 300}, Answered: arbiter.RequestTally{Requests: 8},
				TimedOut: arbiter.RequestTally{Requests: 2}, Abandoned: arbiter.RequestTally{Requests: 1},
				InFlight: arbiter.RequestTally{Requests: 2}, Late: 1, Brought: 280,
			}}},
			Proxies: []recovery.GapCounts{{Address: "gaps:1", Accepted: 7, Refused: 3, Unanswered: 1, Lost: 2, Unsent: 4, Logins: 1, LoginsRefused: 5, LastStatus: "out of range", LastError: "gone"}},
		},
		Rebuilds: &gateway.RebuildCounts{Begun: 9, Done: 3, Old: 1, Faulty: 2, Kept: 1, Epochs: 1, UnderWay: true, KeptNow: 4096, Withheld: 77},
	}
	show := func() string {
		s := &stat{
			Feeds:       &admin.FeedsReport{Feeds: []admin.FeedReport{feed}},
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
		return strings.Join(rows, "\n")
	}
	wantContains(t, "stat", show(),
		"\nretransmission: 1 gap too large to ask for, requests had to wait 9 times (budget 2, in flight 3, servers 4)\n",
		"\nserver 0: resting, 13 requests for 300 messages: 8 answered, 2 timed out (1 answered late), 1 abandoned, 2 in flight; 280 messages brought\n",
		"\nproxy gaps:1: NO SESSION, 7 accepted, 3 refused, 1 unanswered, 2 lost, 4 unsent; 1 login, 5 refused; last refusal: out of range (gone)\n",
		"\nline R: 1 of 13 requests could not be sent (no route), 1 datagram of strangers\n",
		"\nbooks made anew: 3 of 9; given up: 1 old, 2 faulty, 1 kept too much, 1 new epochs; under way, 4 KiB kept; 77 events withheld\n",
		" published duplicate disagree filled ", "\nB 7 - 0 5 3 0 ")
	// Where nothing is asked for and nothing was made anew, nothing is said.
	feed.Retransmit, feed.Rebuilds, feed.Lines[1].Requests = nil, &gateway.RebuildCounts{}, nil
	for _, word := range []string{"retransmission", "server", "strangers", "anew"} {
		if out := show(); strings.Contains(out, word) {
			t.Errorf("%q in\n%s", word, out)
		}
	}
}
