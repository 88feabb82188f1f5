// Package providers decides which provider of a feed is believed.
//
// A feed may come from several providers: the venue itself, a vendor, a second region. Each has its own
// sequence and its own pipeline. One is active: what its pipeline publishes is the feed. The others stay
// warm, with books of their own, and what they publish goes nowhere.
//
//	f, err := providers.New(providers.DefaultConfig("venue", "vendor"), sink, notices)
//	p0, err := gateway.New(cfg0, f.Port(0)) // the port is the pipeline's sink
//	f.Attach(0, p0)
//	...
//	f.OnTick(now) // after the pipelines' own ticks
//
// # Who is fresh
//
// A provider is stale when its events come later than a limit (50 ms), by the venue's time and a learned
// difference of the clocks; when another provider delivered longer than the limit ago what it has not;
// or when nothing came for longer than its protocol's silence. A quiet market makes nobody stale, and a
// stream that flows but is late is. A Judge looks at each tick and asks a breaker per provider; what the
// breaker says reaches the Feed as a Verdict. The Feed decides at its next tick.
//
// # Switching
//
// The best providers are those whose breaker is closed; of these, those without an announced gap behind
// them; of equals the preferred. A better one is switched to in the tick that saw it; an equal but preferred
// one after it has been so for a while. A switch is a refresh, never a merge: for each instrument a Clear
// and the resting orders of the new provider's book, all with FlagSnapshot, then its events from there on.
// A large market is refreshed over several ticks, and whatever trades is refreshed before its next event,
// so at no moment does the feed mix two providers in one instrument.
//
// If no provider is fresh the feed is stale: Notices are told, every instrument with a book gets an
// event with action None and FlagMaybeBadBook, and so does every event until the feed is fresh again.
//
// # Lines
//
// Lines ranks the lines of a channel in the same way: a line is stale when another one brought longer than the
// limit ago what it has not, or when nothing comes on it while another one is heard.
//
// # Replay
//
// A Feed is a function of what its pipelines publish and of its Decisions. Those are made at ticks, from what
// breakers say, which go by the wall clock; so they are recorded beside the datagrams (Record, AppendDecision).
// A replay gives the recorded ones to Apply, and has neither ticks nor a Judge.
package providers
