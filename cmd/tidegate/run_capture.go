//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"time"

	"tidegate/gateway/config"
	"tidegate/gateway/providers"
	"tidegate/gateway/recorded"
	"tidegate/sinks/capture"
)

// openRecorder begins the recording of what comes in.
func (g *liveGateway) openRecorder() error {
	layout, err := recorded.Append(g.layout())
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	c := &g.cfg.Capture
	to := capture.Config{QueueBytes: c.QueueBytes, Alarm: func(err error) { g.log.Error("recording has stopped", "error", err) }}
	if g.recording = c.Dir; c.Dir != "" {
		to.Dir, to.SpillBytes, to.RetainAge, to.RetainBytes = c.Dir, c.SpillBytes, c.RetainAge, int64(c.RetainBytes)
		to.Head = func() (netip.AddrPort, [][]byte) { return recorded.Addr, g.head(layout) }
		to.Notify = func(alarm bool, text string) {
			if alarm {
				g.log.Error("recording: " + text)
				return
			}
			g.log.Info("recording: " + text)
		}
	} else {
		g.recording = config.CapturePath(c.File, time.Now())
		to.Path = g.recording
	}
	if g.recorder, err = capture.Create(to); err != nil {
		return err
	}
	g.recordLayout(layout)
	g.log.Info("recording", "to", g.recording)
	return nil
}

// head is what a replay that begins now has to know: what the gateway is, and which providers are believed. It is
// called on the ingest loop.
func (g *liveGateway) head(layout [][]byte) [][]byte {
	all := layout[:len(layout):len(layout)]
	for _, f := range g.feeds {
		s, now := f.choice.Status(), g.loop.Now()
		if s.Active != 0 { // the one that a feed begins with
			all = append(all, providers.AppendDecision(nil, f.number, providers.Decision{At: now, Provider: uint8(s.Active), Reason: providers.Unheard}))
		}
		if s.Stale {
			all = append(all, providers.AppendDecision(nil, f.number, providers.Decision{At: now, Kind: providers.ToStale}))
		}
	}
	return all
}
