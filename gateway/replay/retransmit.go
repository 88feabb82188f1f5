package replay

import (
	"net/netip"
	"slices"

	"tidegate/arbiter"
	"tidegate/codec/pcap"
	"tidegate/gateway"
)

// Retransmit says how the process that made a capture asked for what its lines had lost. With the same
// settings, a replay takes the answers that it took. The zero value: it did not ask.
type Retransmit struct {
	// Servers are the addresses that answers come from, in the order in which they were asked.
	Servers []netip.AddrPort
	Limits  arbiter.RequestConfig
}

// limits returns the limits of requests for a feed, nil if none were made.
func (r *Retransmit) limits(f gateway.Feed) *arbiter.RequestConfig {
	if len(r.Servers) == 0 || !f.Retransmits() {
		return nil
	}
	return &r.Limits
}

// answers finds the channel whose line R a datagram came on, if it is one that a server has sent. Each
// channel has an address of its own for answers.
func (c *channels) answers(key lineKey, d *pcap.Datagram) (ref lineRef, ok bool) {
	if !slices.Contains(c.run.opt.Retransmit.Servers, d.Src) {
		return lineRef{}, false
	}
	feed, session, known := gateway.Recognise(d.Payload)
	for _, ch := range c.list {
		if known && ch.feed == feed && ch.Pipeline.Session() == session {
			ch.Lines = append(ch.Lines, Line{ID: arbiter.LineR, File: key.file, Dst: key.dst})
			ref = lineRef{ch, arbiter.LineR}
			c.lines[key] = ref
			break
		}
	}
	return ref, true
}
