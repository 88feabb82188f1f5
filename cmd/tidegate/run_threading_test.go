//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
)

// Whichever thread does what, a subscriber gets everything, and the recording gives the same records.
func TestRunThreading(t *testing.T) {
	binary := buildTidegate(t)
	for _, threading := range []string{"auto", "inline", "shared", "split"} {
		t.Run(threading, func(t *testing.T) {
			s := newSite(t)
			if err := os.Mkdir(filepath.Join(s.dir, "rec"), 0o700); err != nil {
				t.Fatal(err)
			}
			s.write(t, "", "capture: {file: 'rec/{start}.pcap'}\n")
			text, err := os.ReadFile(s.config)
			if err == nil {
				text = bytes.Replace(text, []byte("idle: park"), []byte("idle: park, threading: "+threading), 1)
				err = os.WriteFile(s.config, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			g := startGateway(t, binary, s.config)
			g.logged("ingest loop", "threading", threading)
			addr := g.logged("subscribers")["address"].(string)
			url := strings.TrimSuffix(g.logged("admin")["url"].(string), "/")
			g.logged("gateway started")
			orders := subscribe(t, addr, keyOne, dbn.SchemaMBO)
			truth := s.send(t)
			var feeds admin.FeedsReport
			for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				if getJSON(t, url+"/feeds", &feeds); feeds.Feeds[0].Messages == truth.Messages {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("got %d of %d messages", feeds.Feeds[0].Messages, truth.Messages)
				}
			}
			if f := &feeds.Feeds[0]; !f.Balanced || f.Ledger.GapsFilled.Ranges == 0 || f.Faults != 0 {
				t.Errorf("feed: %+v", f)
			}
			wantBooks(t, url, truth)
			g.signal(syscall.SIGTERM)
			got := <-orders
			if code, rest := g.exit(); code != exitOK || rest != "" {
				t.Errorf("exit %d, %s", code, rest)
			}
			wantRecording(t, s.dir, got.records)
		})
	}
}
