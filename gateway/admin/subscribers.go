//go:build linux

package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tidegate/gateway/egress"
)

// Subscribers reports who is connected.
func (m *Monitor) Subscribers(ctx context.Context) (*SubscribersReport, error) {
	st, err := m.subscribers(ctx)
	if err != nil {
		return nil, err
	}
	r := &SubscribersReport{
		Connections: st.Connections, States: st.States, Sessions: make([]SessionReport, 0, len(st.Sessions)),
		Counts: make(map[string]uint64), Refusals: make(map[string]uint64), Closes: st.Closes, Handshakes: st.Handshakes,
	}
	for i := range st.Sessions {
		s := &st.Sessions[i]
		r.Sessions = append(r.Sessions, SessionReport{
			ID: s.ID, Key: s.Key, Dataset: s.Dataset, Addr: s.Addr.String(), TLS: s.TLS, Client: s.Client,
			State: s.State, Schemas: s.Schemas, Subscriptions: s.Subscriptions, Opened: timeOf(s.Opened),
			Records: s.Records, Bytes: s.Bytes, Skipped: s.Skipped, Behind: s.Behind, Held: s.Held, Stalls: s.Stalls,
		})
	}
	slices.SortFunc(r.Sessions, func(a, b SessionReport) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range egressCounts {
		r.Counts[c.name] = c.of(&st.Counts)
	}
	for _, c := range egressRefusals {
		r.Refusals[c.name] = c.of(&st.Refusals)
	}
	return r, nil
}

func (m *Monitor) subscribers(ctx context.Context) (egress.Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	st, err := m.src.Subscribers(ctx)
	if err != nil {
		return st, fmt.Errorf("ask the subscribers' loops: %w", err)
	}
	return st, nil
}

// The tables below give every count of the egress a name and a sentence.

var egressCounts = []struct {
	name, sentence string
	of             func(*egress.Counts) uint64
}{
	{"opened", "Connections that were let in.", func(c *egress.Counts) uint64 { return c.Opened }},
	{"garbage", "Connections closed because of their first line, or because it was too long.", func(c *egress.Counts) uint64 { return c.Garbage }},
	{"timeouts", "Connections closed because they did not authenticate, or start, in time.", func(c *egress.Counts) uint64 { return c.Timeouts }},
	{"faults", "Sessions ended by an error record.", func(c *egress.Counts) uint64 { return c.Faults }},
	{"unknown_keys", "Pairs of control lines whose key nobody knows.", func(c *egress.Counts) uint64 { return c.UnknownKeys }},
	{"delayed", "Subscriptions that had to wait because there were too many in a second.", func(c *egress.Counts) uint64 { return c.Delayed }},
	{"unresolved", "Symbols that were not known when they were subscribed to.", func(c *egress.Counts) uint64 { return c.Unresolved }},
	{"snapshots", "Snapshot requests.", func(c *egress.Counts) uint64 { return c.Snapshots }},
	{"heartbeats", "Heartbeat records.", func(c *egress.Counts) uint64 { return c.Heartbeats }},
	{"passes", "Times that a loop looked at its rings.", func(c *egress.Counts) uint64 { return c.Passes }},
	{"writes", "Writes to connections.", func(c *egress.Counts) uint64 { return c.Writes }},
	{"records", "Data records written, each counted for each session.", func(c *egress.Counts) uint64 { return c.Records }},
	{"bytes", "Bytes written, after compression.", func(c *egress.Counts) uint64 { return c.Bytes }},
	{"stalls", "Times that a session did not take what it was due.", func(c *egress.Counts) uint64 { return c.Stalls }},
	{"slow", "Times that a session became slow.", func(c *egress.Counts) uint64 { return c.Slow }},
	{"warnings", "Slow reader warnings.", func(c *egress.Counts) uint64 { return c.Warnings }},
	{"skipped", "Data records skipped for slow readers, as far as they could be counted.", func(c *egress.Counts) uint64 { return c.Skipped }},
	{"lapped", "Times that the ring did not have any more what a session was due.", func(c *egress.Counts) uint64 { return c.Lapped }},
	{"replays", "Replays that subscribers asked for.", func(c *egress.Counts) uint64 { return c.Replays }},
	{"caught_up", "Times that a session got from the journal what the ring did not have any more.", func(c *egress.Counts) uint64 { return c.CaughtUp }},
	{"loop_lapped", "Times that the ring did not have any more what an event loop had not yet read.", func(c *egress.Counts) uint64 { return c.LoopLapped }},
}

var egressRefusals = []struct {
	name string
	of   func(*egress.Refusals) uint64
}{
	{"stopping", func(r *egress.Refusals) uint64 { return r.Stopping }},
	{"rate", func(r *egress.Refusals) uint64 { return r.Rate }},
	{"connections", func(r *egress.Refusals) uint64 { return r.Connections }},
	{"auth", func(r *egress.Refusals) uint64 { return r.Auth }},
	{"deactivated", func(r *egress.Refusals) uint64 { return r.Deactivated }},
	{"sessions", func(r *egress.Refusals) uint64 { return r.Sessions }},
}
