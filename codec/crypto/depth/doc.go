// Package depth is what the venues of package crypto have in common: the form in which their decoders
// give what a message says, the instruments they say it about, and the state machine that makes one
// unbroken sequence of a snapshot and what came before and after it.
//
// A connection's loop owns a decoder, a Message that it fills again and again, and a Splicer for each
// instrument:
//
//	switch v := decoder.Decode(text, &m); v {
//	case market.Applied:
//		switch m.Kind {
//		case depth.Snapshot, depth.Delta:
//			s := splicers[m.Instrument.ID]
//			o := s.Offer(&m, now)
//			for ; o == depth.Publish; o = s.Next(&m, now) {
//				publish(&m)
//			}
//			if o == depth.Gap || o == depth.Stale { // the book is wrong, or still not there
//				request(m.Instrument) // or, where the venue sends snapshots itself, subscribe again
//			}
//		case depth.Trades:
//			publish(&m)
//		}
//	case market.Cold: // m.Kind is Ack, Heartbeat, Refused, Reconnect or Status
//	}
//
// and to publish is
//
//	for i := range m.Len() {
//		m.Update(i, &update) // set TsRecv, TsInDelta and Channel; give it to the by-price book
//	}
//
// # Sizes
//
// market.Size is a whole number of lots. The lot of an instrument here is a power of ten of what the
// venue counts in: an amount of 1 is 10^SizeScale lots. See Instrument for how the scale is chosen.
package depth
