package recovery

import (
	"context"
	"fmt"

	"tidegate/codec/moldudp64"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway"
	"tidegate/internal/soup"
	"tidegate/market"
)

// A SoupLine is one line of an ITCH channel by TCP: the sequenced messages of SoupBinTCP, which for this have the
// sequence of the channel. Connections that break are made anew, and go on with the next message.
//
// What comes is made into MoldUDP64 packets, as many messages in each as were read at once: to arbitration, to
// a recording and to a replay it is a line like those by datagrams. First arrival wins. What the server says in
// silence counts too: the line is as healthy as its connection.
//
//	line, err := recovery.NewSoupLine(soup.DefaultConfig(address, username, password), pipeline, loop.Do, deliver)
//	go func() { failed <- line.Run(ctx) }()
//	line.OnTick(now) // on the loop
//
// A line that is alone begins with message 1, as by DefaultConfig, and a channel that it is late for is caught up
// with. Beside lines by datagrams it begins with what is new (Client.Login.Next 0): what they do not wait for
// would come too late.
type SoupLine struct {
	p       *gateway.Pipeline
	do      DoFunc
	deliver func(tsRecv market.Nanos, datagram []byte)
	queue   *soup.Queue
	feed    *soup.Feed

	// The rest is owned by the loop.
	online  bool
	session moldudp64.Session
	next    uint64 // sequence of the next message
	builder moldudp64.Builder
	tsRecv  market.Nanos // of the messages in it
	heard   market.Nanos // when the server was heard last, as far as the pipeline knows
	looked  market.Nanos
	empty   []byte // a packet without messages
}

// soupQueue bounds how long the loop is held up by what has come to wait: with these, for about 0.2 ms.
var soupQueue = soup.QueueConfig{ItemsMax: 2048, BytesMax: 128 << 10}

const (
	packetMax = 1400                     // bytes of a packet, unless one message is longer
	lookEvery = 100 * market.Millisecond // whether the server was heard
)

// NewSoupLine returns a line of a pipeline's channel. do runs functions on the pipeline's loop. deliver is called
// there with each packet and the time at which it was read, which may be earlier than the loop's own: it gives
// the packet to the pipeline (and to the recording) with the later one of the two. The packet is valid only
// during the call. Nothing is connected before Run.
func NewSoupLine(cfg soup.Config, p *gateway.Pipeline, do DoFunc, deliver func(tsRecv market.Nanos, datagram []byte)) (*SoupLine, error) {
	if f := p.Config().Feed; f != gateway.ITCH {
		return nil, fmt.Errorf("line by soupbintcp: feed %s: want itch", f)
	}
	l := &SoupLine{p: p, do: do, deliver: deliver}
	l.queue = soup.NewQueue(soupQueue, func() { _ = l.do(l.drain) }) // a loop that has ended takes nothing
	var err error
	if l.feed, err = soup.NewFeed(cfg, l.queue); err != nil {
		return nil, fmt.Errorf("line: %w", err)
	}
	return l, nil
}

// Run receives until ctx ends or the session has ended, and returns nil then. The errors are those of
// soup.Feed.Run. It is called once.
func (l *SoupLine) Run(ctx context.Context) error { return l.feed.Run(ctx) }

// Stats returns what the connections did so far. Any goroutine may call it.
func (l *SoupLine) Stats() soup.Stats { return l.feed.Stats() }

// OnTick says to the pipeline that the server was heard, if it was and had no message. It is called on the loop.
func (l *SoupLine) OnTick(now market.Nanos) {
	if !l.online || now-l.looked < lookEvery {
		return
	}
	l.looked = now
	if heard := l.feed.Stats().LastRecv; heard > l.heard {
		l.beat(heard)
	}
}

// drain takes what has come.
func (l *SoupLine) drain() {
	l.queue.Drain(l.take)
	l.flush()
}

func (l *SoupLine) take(item *soup.Item) {
	if item.Kind == soup.Message {
		l.add(item)
		return
	}
	l.flush()
	switch item.Kind {
	case soup.LoggedIn:
		l.online, l.session, l.next = true, l.sessionOf(item.Session), item.Seq
		l.beat(item.TsRecv)
	case soup.SessionEnded:
		l.online = false
		l.empty = moldudp64.AppendEndOfSession(l.empty[:0], l.session, l.next)
		l.deliver(item.TsRecv, l.empty)
	case soup.Disconnected:
		l.online = false
	}
}

// add adds a message to the packet.
func (l *SoupLine) add(item *soup.Item) {
	if l.builder.Count() > 0 {
		if item.TsRecv == l.tsRecv && l.builder.Append(item.Body) {
			l.next++
			return
		}
		l.flush()
	}
	l.tsRecv, l.next = item.TsRecv, item.Seq
	l.builder.Reset(l.session, l.next, max(packetMax, moldudp64.HeaderLen+2+len(item.Body)))
	l.builder.Append(item.Body)
	l.next++
}

// flush delivers the packet, if there is one.
func (l *SoupLine) flush() {
	if l.builder.Count() == 0 {
		return
	}
	l.heard = max(l.heard, l.tsRecv)
	l.deliver(l.tsRecv, l.builder.Bytes())
	l.builder.Reset(l.session, l.next, packetMax)
}

// beat delivers a heartbeat. It may be behind what the server has sent: that is in the queue.
func (l *SoupLine) beat(heard market.Nanos) {
	l.heard = max(l.heard, heard)
	l.empty = moldudp64.AppendHeartbeat(l.empty[:0], l.session, l.next)
	l.deliver(heard, l.empty)
}

// sessionOf returns a session as the channel names it: by UDP it may be padded on the other side.
func (l *SoupLine) sessionOf(s soupbintcp.Session) (session moldudp64.Session) {
	if have := l.p.Session(); sessionName(have) == s.String() {
		have.AppendBytes(session[:0])
		return session
	}
	return moldudp64.Session(s)
}
