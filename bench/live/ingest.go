//go:build linux

package live

import (
	"context"
	"fmt"
)

const (
	ingestBatch  = 1         // messages in a datagram
	ingestWindow = 16 * 1024 // messages between sender and receiver: less than the kernel holds
)

// ingest floods the gateway's loop and the bare loop. Neither has subscribers: lines, pipeline, books,
// derivation and ring of the one against reading of the other.
func (o *LatencyOptions) ingest(ctx context.Context, r *Result) error {
	rate, cpu := map[string][]float64{}, map[string][]float64{}
	err := inTurn(o.Rounds, []string{"relay", "gateway"}, func(round int, server string) error {
		o.progress("round %d of %d: ingest by the %s", round+1, o.Rounds, server)
		return within(ctx, &o.Common, func(g *rig) error {
			packets, nanos, err := o.flood(g, server)
			rate[server] = append(rate[server], packets)
			cpu[server] = append(cpu[server], nanos)
			return err
		})
	})
	if err != nil {
		return err
	}
	r.Figures = append(
		r.Figures,
		Figure{"ingest, gateway", "datagrams/s", rate["gateway"]},
		Figure{"ingest, bare loop", "datagrams/s", rate["relay"]},
		Figure{"ingest CPU, gateway", "ns/datagram", cpu["gateway"]},
		Figure{"ingest CPU, bare loop", "ns/datagram", cpu["relay"]},
	)
	r.Ratios = append(
		r.Ratios,
		Ratio{Name: "ingest datagrams/s, gateway / bare loop", Rounds: perRound(rate["gateway"], rate["relay"]), Mark: 0.8, AtLeast: true},
		Ratio{Name: "ingest CPU per datagram, gateway / bare loop", Rounds: perRound(cpu["gateway"], cpu["relay"])},
	)
	r.Checked = append(r.Checked, fmt.Sprintf("ingest: %d messages in every round, none dropped by the kernel, none at fault", o.IngestMessages))
	return nil
}

// flood returns the datagrams per second that a server read, and the nanoseconds of its thread for
// each.
func (o *LatencyOptions) flood(g *rig, server string) (packets, nanos float64, err error) {
	var config any = relayConfig{Idle: o.Threads.Idle, Page: g.path("page")}
	if server == "gateway" {
		config = gatewayConfig{Threads: o.Threads, Page: g.path("page")}
	}
	serve, at, err := g.server(server, config)
	if err != nil {
		return 0, 0, err
	}
	send, err := g.start("sender", 0, senderConfig{
		Addr: at.Line, Load: load{Batch: ingestBatch}, Page: g.path("page"), Fault: o.fault,
	})
	if err != nil {
		return 0, 0, err
	}
	if _, err := call[any](send, "announce", sending{}); err != nil {
		return 0, 0, err
	}
	if _, err := call[sent](send, "burst", sending{Messages: o.IngestMessages, Window: ingestWindow}); err != nil {
		return 0, 0, err
	}
	waitErr := g.awaitPage(o.IngestMessages)
	did, err := call[served](serve, "finish", nil)
	if err != nil {
		return 0, 0, err
	}
	datagrams := uint64((o.IngestMessages + ingestBatch - 1) / ingestBatch)
	switch {
	case waitErr != nil:
		return 0, 0, fmt.Errorf("%w (%s)", waitErr, did.remarks())
	case did.Faults != "" || did.KernelDrops > 0 || did.Datagrams != datagrams+symbols:
		return 0, 0, fmt.Errorf("want %d datagrams without loss: %s", datagrams+symbols, did.remarks())
	}
	seconds := float64(did.Last-did.First) / 1e9
	return float64(datagrams) / seconds, float64(did.CPU) / float64(datagrams), nil
}
