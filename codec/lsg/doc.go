// Package lsg reads and writes the control lines of Databento Live, the protocol of live
// subscribers, in both directions. It does no I/O: lines come in as bytes and go out as bytes.
//
// # Session
//
// A control line is UTF-8 text of key=value pairs joined by "|" and ended by one newline. A value
// may contain "=" but no "|". One session goes
//
//	gateway   lsg_version=0.1.0                       Greeting   } in one write
//	gateway   cram=Zk3vQ9pLw7Xr2TbN8sYhJ4mD6fGcAe1U   Challenge  }
//	client    auth=6c95...d109-0abcd|dataset=XNAS.ITCH|ts_out=0
//	gateway   success=1|session_id=5                  AuthResponse; or success=0|error=... and closes
//	client    schema=mbo|stype_in=raw_symbol|symbols=AAPL,MSFT
//	client    start_session
//	gateway   binary DBN from here on (package dbn), until either side closes
//
// A client may send further subscription lines after the start line.
//
// # Use
//
// CutLine cuts lines from what arrived. Parse functions take one line without its newline; pairs
// are found by key, in any order, and keys that this package does not know are counted and
// otherwise ignored. What they return shares no memory with the line. Append methods add the line
// with its newline, or several lines, to a byte slice. Lines of the gateway have exactly the keys
// above and no trailing "|": some clients refuse the whole line otherwise.
//
// Errors of Parse functions are short, hold no "|" and no control character, and so can be sent to
// the client as they are, in an AuthResponse or in an Error record.
//
// A gateway reads a session like this, with one Group per session:
//
//	challenge := lsg.NewChallenge(random) // 16 fresh bytes of a secure random source
//	hello := challenge.Append(greeting.Append(nil))
//	...
//	request, err := lsg.ParseAuthRequest(line)
//	which, ok := challenge.Verify(request.Auth, keys)
//	...
//	if lsg.IsStart(line) {
//		...
//	}
//	part, err := lsg.ParseSubscription(line)
//	whole, complete, err := group.Add(part)
//
// # Keys at rest
//
// A client proves that it has a key by a SHA-256 hash over the gateway's challenge and the key
// itself. Whoever verifies the proof computes the same hash, so the gateway must have every key in
// clear in its memory while it runs. A store of salted or slow hashes, as for passwords, cannot
// work with this protocol: what is stored would have to be turned back into the key. The file that
// holds the keys must therefore be readable by the gateway's user alone (mode 0600), or the keys
// come from the environment or a secret store at start. Whoever reads them can subscribe.
//
// The last five characters of a key, its bucket, are no secret: clients send them in clear, and
// logs may name a key by them. Key prints nothing else.
//
// The proof authenticates the client only. It neither encrypts nor authenticates what follows;
// for that, run the protocol over TLS.
package lsg
