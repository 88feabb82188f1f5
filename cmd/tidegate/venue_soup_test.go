package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/internal/soup"
)

// TestVenueOverTCP takes a snapshot and the messages of a venue that serves both.
func TestVenueOverTCP(t *testing.T) {
	t.Setenv("COLUMNS", "250")
	wantContains(t, "venue --help", mustRun(t, "venue", "--help"), "--soup=ADDR", "--glimpse=ADDR", "/glimpse", "drop_after")

	ctx, stop := context.WithCancel(t.Context())
	out, told := io.Pipe()
	var running sync.WaitGroup
	running.Go(func() {
		var trouble strings.Builder
		args := venueArgs(t, "--soup", "127.0.0.1:0", "--glimpse", "127.0.0.1:0", "--seed", "7", "--speed", "10x")
		if code := run(ctx, args, &console{Out: told, Err: &trouble}); code != exitOK {
			t.Errorf("exit code %d: %s", code, trouble.String())
		}
		told.Close()
	})
	defer running.Wait()
	defer stop()

	head := make([]byte, 0, 2000)
	line := regexp.MustCompile(`(?s)messages    tcp (\S+), SoupBinTCP\nsnapshots   tcp (\S+), GLIMPSE\ncontrol     \S+/lines, /truth, /pause, /resume, /soup, /glimpse\n`)
	for !line.Match(head) {
		n, err := out.Read(head[len(head):cap(head)])
		if err != nil {
			t.Fatalf("%v after %s", err, head)
		}
		head = head[:len(head)+n]
	}
	running.Go(func() { _, _ = io.Copy(io.Discard, out) })
	addrs := line.FindSubmatch(head)

	snapshot, err := soup.FetchSnapshot(ctx, soup.DefaultSnapshotConfig(string(addrs[2]), "anyone", "anything"), func([]byte) error { return nil })
	if err != nil || snapshot.Next == 0 {
		t.Errorf("%+v, %v", snapshot, err)
	}
	messages, ended := 0, false
	feed, err := soup.NewFeed(soup.DefaultConfig(string(addrs[1]), "anyone", ""), soup.SinkFunc(func(item *soup.Item) {
		switch item.Kind {
		case soup.Message:
			if messages++; messages == 500 {
				stop() // trading closes, and the session ends
			}
		case soup.SessionEnded:
			ended = true
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := feed.Run(limited); err != nil || !ended || messages < 500 {
		t.Errorf("%d messages, ended %t: %v", messages, ended, err)
	}
}
