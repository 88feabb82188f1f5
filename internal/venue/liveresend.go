package venue

import (
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// RequestCounts says what became of retransmit requests. Requests is the sum of the others, Messages
// apart.
type RequestCounts struct {
	Requests    uint64 `json:"requests"`
	Answered    uint64 `json:"answered"`
	Messages    uint64 `json:"messages"`    // in the answers
	Malformed   uint64 `json:"malformed"`   // not 20 bytes, or a count of 0 or 65,535
	Foreign     uint64 `json:"foreign"`     // of another session
	Unavailable uint64 `json:"unavailable"` // begin before what is kept or after what was sent
	Limited     uint64 `json:"limited"`     // more than are answered in a second
}

// A resender keeps the latest messages of a session and answers requests for them.
type resender struct {
	session    moldudp64.Session
	next       uint64 // sequence number of the next message
	lengths    []uint8
	texts      []byte // a message each itch50.LengthMax bytes
	payloadMax int
	builder    moldudp64.Builder
	counts     RequestCounts
	allowance  allowance
}

func newResender(history, payloadMax, perSecond int) resender {
	return resender{
		lengths: make([]uint8, history), texts: make([]byte, history*itch50.LengthMax),
		payloadMax: payloadMax, allowance: newAllowance(perSecond),
	}
}

// begin forgets the session before.
func (r *resender) begin(session moldudp64.Session) { r.session, r.next = session, 1 }

// add keeps a copy of the session's next message.
func (r *resender) add(message []byte) {
	i := int(r.next % uint64(len(r.lengths)))
	r.lengths[i] = uint8(copy(r.texts[i*itch50.LengthMax:], message))
	r.next++
}

// kept reports whether a message can be had.
func (r *resender) kept(seq uint64) bool {
	return seq >= 1 && seq < r.next && r.next-seq <= uint64(len(r.lengths))
}

// message returns a message that is kept.
func (r *resender) message(seq uint64) []byte {
	i := int(seq % uint64(len(r.lengths)))
	return r.texts[i*itch50.LengthMax:][:r.lengths[i]]
}

// answer returns the answer to a request, or nothing.
func (r *resender) answer(datagram []byte, now market.Nanos) []byte {
	r.counts.Requests++
	request, err := moldudp64.ParseRequest(datagram)
	switch {
	case err != nil || request.Count == 0 || request.Count > moldudp64.CountMax:
		r.counts.Malformed++
		return nil
	case request.Session != r.session:
		r.counts.Foreign++
		return nil
	case !r.kept(request.Seq):
		r.counts.Unavailable++
		return nil
	case !r.allowance.take(now):
		r.counts.Limited++
		return nil
	}
	r.builder.Reset(r.session, request.Seq, r.payloadMax)
	end := min(request.Seq+uint64(request.Count), r.next)
	for seq := request.Seq; seq < end && r.builder.Append(r.message(seq)); seq++ {
	}
	r.counts.Answered++
	r.counts.Messages += uint64(r.builder.Count())
	return r.builder.Bytes()
}

// OnRequest takes a datagram that was sent to the retransmit server. It returns the packet to answer
// with, as many of the messages asked for as fit in one (MoldUDP64 1.00, request packet), or nil if
// the request is refused, as all are of a feed that publishes PITCH. The packet is valid until the next call.
func (f *LiveFeed) OnRequest(datagram []byte) []byte {
	if f.pitch != nil {
		return nil
	}
	return f.resender.answer(datagram, f.now)
}

// An allowance lets so many things happen in a second, at most a tenth of that (and one) at once.
type allowance struct {
	each   market.Nanos // after which one more may happen
	since  market.Nanos // when left was topped up
	atOnce int64        // most that may happen without a wait
	left   int64
}

func newAllowance(perSecond int) allowance {
	atOnce := int64(perSecond/10 + 1)
	return allowance{each: market.Second / market.Nanos(perSecond), atOnce: atOnce, left: atOnce}
}

// take reports whether one more may happen now.
func (a *allowance) take(now market.Nanos) bool {
	earned := (now - a.since) / a.each
	a.since += earned * a.each
	a.left = min(a.left+int64(earned), a.atOnce)
	if a.left == 0 {
		return false
	}
	a.left--
	return true
}
