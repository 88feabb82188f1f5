package sim

import (
	"encoding/binary"
	"math/rand/v2"

	"tidegate/arbiter"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
	"tidegate/internal/venue"
	"tidegate/market"
)

// An exchange is a venue with a clock of its own, which may be wrong, and a publisher that may restart.
type exchange struct {
	seed     uint64
	rate     int
	random   *rand.Rand
	venue    *venue.LiveFeed
	origin   market.Nanos // when the world began
	started  market.Nanos // when the venue's present session did
	restarts int
	closing  bool // the session

	clock  market.Nanos // is ahead by this
	drift  float64      // and by this much more in each nanosecond
	drifts market.Nanos // in all
	wild   bool         // now and then a message has an implausible time

	times []market.Nanos // since midnight, of the messages of the session, as they were sent

	// twin is what comes of the venue's datagrams if nothing happens to them on the way.
	twin *gateway.Pipeline
	seen twinSink
}

// twinSink is where a twin publishes to.
type twinSink struct {
	void
	exchange *exchange
	start    int // of the publisher, that the present epoch is of
}

func (s *twinSink) OnEpoch(arbiter.Epoch) { s.start = s.exchange.restarts }

func newExchange(s *shape, feed, rate int, now market.Nanos) (*exchange, error) {
	x := &exchange{
		seed: s.seed + uint64(feed)<<32, rate: rate, origin: now,
		random: rand.New(rand.NewPCG(s.seed, uint64(7000+feed))),
	}
	cfg := pipelineConfig(s, feed)
	cfg.Retransmit = nil
	x.seen.exchange = x
	var err error
	if x.twin, err = gateway.New(cfg, &x.seen); err != nil {
		return nil, err
	}
	return x, x.open(x.seed, "SIM0000001", now)
}

// open starts the venue, or another session of it.
func (x *exchange) open(seed uint64, session string, now market.Nanos) (err error) {
	cfg := venue.DefaultLiveConfig(seed)
	cfg.Endless, cfg.History = false, 1<<14
	m := &cfg.Feed.Market
	m.Open, m.PreOpen, m.Halts, m.Rate = market.Second, market.Second, nil, x.rate
	cfg.Feed.Sender.Session = session
	x.started, x.times = now, x.times[:0]
	x.venue, err = venue.NewLiveFeed(cfg, now)
	return err
}

// restart has the publisher begin again under the same session, from sequence 1.
func (x *exchange) restart(now market.Nanos) error {
	x.restarts++
	return x.open(x.seed+uint64(x.restarts), x.venue.Position().Session, now)
}

// close ends the session. Another begins when its end has been said: see onTick.
func (x *exchange) close() {
	x.venue.Close()
	x.closing = true
}

// resume has the market go on after a pause.
func (x *exchange) resume() {
	if !x.closing {
		x.venue.Resume()
	}
}

// onTick lets time pass and returns the datagrams that the venue sends. They are not used again.
func (x *exchange) onTick(now market.Nanos) (sent [][]byte, err error) {
	if x.closing && x.venue.Ended() {
		x.closing = false
		x.restarts++
		name := []byte(x.venue.Position().Session)
		name[len(name)-1]++
		if err := x.open(x.seed+uint64(x.restarts), string(name), now); err != nil {
			return nil, err
		}
	}
	x.drifts += market.Nanos(x.drift * 1e6) // once a millisecond
	x.venue.OnTick(now)
	for d, ok := x.venue.Next(); ok; d, ok = x.venue.Next() {
		if d.Line == 0 {
			sent = append(sent, x.stamped(d.Payload, now))
		}
	}
	return sent, nil
}

// sentAt returns when a message was sent, by the time in it.
func (x *exchange) sentAt(tsEvent market.Nanos) market.Nanos {
	return tsEvent - midnight + x.origin - x.clock - x.drifts
}

// stamped returns a copy of a datagram with the times of the venue's clock, and gives it to the twin. Every session
// of a venue.LiveFeed begins at the same time of day.
func (x *exchange) stamped(payload []byte, now market.Nanos) []byte {
	payload = append([]byte(nil), payload...)
	first := len(x.times)
	shift := x.clock + x.drifts + x.started - x.origin
	eachMessage(payload, func(msg []byte) {
		t := market.Nanos(binary.BigEndian.Uint64(msg[3:])&(1<<48-1)) + shift
		x.times = append(x.times, t)
		stamp(msg, t)
	})
	x.twin.OnDatagram(arbiter.LineA, now, payload)
	if !x.wild {
		return payload
	}
	times := x.times[first:]
	eachMessage(payload, func(msg []byte) {
		if x.random.IntN(50) == 0 { // some are of a day that has more than 24 hours
			times[0] = market.Nanos(x.random.Int64N(int64(30 * market.Hour)))
			stamp(msg, times[0])
		}
		times = times[1:]
	})
	return payload
}

// eachMessage calls f with each message of a datagram.
func eachMessage(payload []byte, f func(msg []byte)) {
	m, err := moldudp64.Parse(payload)
	if err != nil || m.Kind != moldudp64.Data {
		return
	}
	for block := m.Messages; len(block) > 0; {
		var msg []byte
		msg, block = moldudp64.Next(block)
		f(msg)
	}
}

// answer returns the venue's answer to a retransmit request, nil if there is none.
func (x *exchange) answer(request []byte) []byte {
	answer := append([]byte(nil), x.venue.OnRequest(request)...)
	m, err := moldudp64.Parse(answer)
	if err != nil {
		return nil
	}
	times := x.times[m.Seq-1:]
	eachMessage(answer, func(msg []byte) {
		stamp(msg, times[0])
		times = times[1:]
	})
	return answer
}

// state returns the state of the venue after the last message that it sent, as its snapshot servers send it. That
// of venue.LiveFeed is a step ahead, which in a quiet market is for long; so the orders are the twin's.
func (x *exchange) state() (messages [][]byte) {
	all, _ := x.venue.Snapshot()
	stocks := make(map[market.InstrumentID][]byte)
	for _, m := range all {
		if m[0] == itch50.TypeAddOrder {
			break
		}
		messages = append(messages, m)
		if m[0] == itch50.TypeStockDirectory {
			stocks[market.InstrumentID(binary.BigEndian.Uint16(m[1:]))] = m[11:19]
		}
	}
	var orders []market.Event
	for id := market.InstrumentID(1); id <= instruments; id++ {
		orders = x.twin.AppendSnapshot(orders[:0], id, 0)
		for _, o := range orders[1:] { // the first is a Clear
			m := make([]byte, itch50.Length(itch50.TypeAddOrder))
			m[0] = itch50.TypeAddOrder
			binary.BigEndian.PutUint16(m[1:], uint16(id))
			binary.BigEndian.PutUint64(m[11:], o.OrderID)
			m[19] = 'S'
			if o.Side == market.Bid {
				m[19] = 'B'
			}
			binary.BigEndian.PutUint32(m[20:], uint32(o.Size))
			copy(m[24:32], stocks[id])
			binary.BigEndian.PutUint32(m[32:], uint32(o.Price/100_000))
			messages = append(messages, m)
		}
	}
	return messages
}

// stamp sets the time of an ITCH message.
func stamp(msg []byte, sinceMidnight market.Nanos) {
	msg[5], msg[6] = byte(sinceMidnight>>40), byte(sinceMidnight>>32)
	binary.BigEndian.PutUint32(msg[7:], uint32(sinceMidnight))
}
