package surge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/internal/clock"
	"tidegate/market"
)

// A client is one session by OUCH: a goroutine sends, and another one reads. Each answer is held against when
// its request was due.
type client struct {
	name string
	conn net.Conn
	soup *soupbintcp.Client // the reader's; the sender builds packets itself
	out  []byte             // the sender's
	ref  uint32             // the last number used

	due      []atomic.Int64 // by number: when the request was due; 0: not asked for
	answered atomic.Int64   // requests that were answered
	ended    chan struct{}

	mu       sync.Mutex // of what follows
	accepted *hdrhistogram.Histogram
	refused  *hdrhistogram.Histogram
	live     []uint32 // numbers of orders in the book
	messages uint64   // with a number
	sum      uint64   // of all of them, in order
	err      error
}

// newHistogram holds nanoseconds up to a minute and a half.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 90_000_000_000, 3) }

// dial logs in a client that uses numbers below a limit, and wants to hear all messages from the first on.
func dial(ctx context.Context, addr, name string, refs int) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	cfg := soupbintcp.DefaultClientConfig(name, password)
	cfg.Login.Next, cfg.PayloadMax, cfg.SilenceMax = 1, ouch50.LengthMax, market.Minute
	c := &client{
		name: name, conn: conn, soup: soupbintcp.NewClient(cfg), due: make([]atomic.Int64, refs), ended: make(chan struct{}),
		accepted: newHistogram(), refused: newHistogram(), sum: 14695981039346656037,
	}
	c.soup.Connect(clock.Now())
	if _, err := conn.Write(c.soup.Output()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.soup.Sent(len(c.soup.Output()))
	_ = conn.SetReadDeadline(time.Now().Add(startMax))
	for !c.soup.Online() {
		n, err := conn.Read(c.soup.Room())
		c.soup.Read(n, clock.Now())
		if _, ok := c.soup.Poll(); !ok && (err != nil || c.soup.Err() != nil) {
			return nil, errors.Join(fmt.Errorf("%s logs in", name), err, c.soup.Err(), conn.Close())
		}
	}
	_ = conn.SetReadDeadline(time.Time{})
	return c, nil
}

// read takes answers until the connection ends.
func (c *client) read() {
	defer close(c.ended)
	for {
		c.take(clock.Now())
		n, err := c.conn.Read(c.soup.Room())
		c.soup.Read(n, clock.Now())
		if err != nil || c.soup.Err() != nil {
			c.take(clock.Now())
			c.mu.Lock()
			c.err = errors.Join(err, c.soup.Err())
			c.mu.Unlock()
			return
		}
	}
}

// take takes what was read at a time.
func (c *client) take(now market.Nanos) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e, ok := c.soup.Poll(); ok; e, ok = c.soup.Poll() {
		if e.Kind != soupbintcp.Message && e.Kind != soupbintcp.Unsequenced || len(e.Payload) < 13 {
			continue
		}
		if e.Kind == soupbintcp.Message {
			c.messages++
			c.fold(e.Payload)
		}
		ref := binary.BigEndian.Uint32(e.Payload[9:])
		switch e.Payload[0] {
		case ouch50.TypeOrderAccepted, ouch50.TypeOrderCanceled:
			c.answer(ref, now, c.accepted)
		case ouch50.TypeRejected, ouch50.TypeCancelReject:
			c.answer(ref, now, c.refused)
		case ouch50.TypeOrderPriorityUpdate:
			c.live = append(c.live, ref)
		}
	}
}

// fold adds a message to the sum of all.
func (c *client) fold(msg []byte) {
	h := fnv.New64a()
	var before [8]byte
	binary.BigEndian.PutUint64(before[:], c.sum)
	_, _ = h.Write(before[:])
	_, _ = h.Write(msg)
	c.sum = h.Sum64()
}

func (c *client) answer(ref uint32, now market.Nanos, h *hdrhistogram.Histogram) {
	if int(ref) >= len(c.due) {
		return
	}
	if due := c.due[ref].Swap(0); due != 0 {
		_ = h.RecordValue(max(int64(now)-due, 1)) // longer ones than it holds do not occur: the run ends before
		c.answered.Add(1)
	}
}

// order adds an order to what is sent next, due at a time.
func (c *client) order(size uint32, price ouch50.Price, due market.Nanos) {
	c.ref++
	c.due[c.ref].Store(int64(due))
	m := ouch50.EnterOrder{
		UserRefNum: c.ref, Side: ouch50.Buy, Quantity: size, Symbol: symbol, Price: price, TimeInForce: ouch50.Day, Display: ouch50.Visible,
		Capacity: ouch50.Agency, ISO: ouch50.No, CrossType: ouch50.ContinuousMarket, ClOrdID: noName,
	}
	var b [64]byte
	c.out = soupbintcp.AppendUnsequenced(c.out, m.Append(b[:0]))
}

// cancel adds a cancel.
func (c *client) cancel(ref uint32, due market.Nanos) {
	c.due[ref].Store(int64(due))
	m := ouch50.CancelOrder{UserRefNum: ref}
	var b [16]byte
	c.out = soupbintcp.AppendUnsequenced(c.out, m.Append(b[:0]))
}

var (
	symbol, _ = ouch50.ParseSymbol("SURGE")
	noName, _ = ouch50.ParseClOrdID("")
)

// flush sends.
func (c *client) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// beat keeps the connection alive while nothing is sent.
func (c *client) beat() error {
	c.out = soupbintcp.AppendClientHeartbeat(c.out)
	return c.flush()
}

func (c *client) close() {
	_ = c.conn.Close()
	<-c.ended
}
