//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/internal/ouchclient"
	"tidegate/market"
)

// An ouchSession is a login for one request.
type ouchSession struct {
	*ouchclient.Client
	con  *console
	next uint32 // the lowest number that can be used
}

// dial logs in and learns which numbers can be used.
func (c *orderClient) dial(ctx context.Context, con *console) (*ouchSession, error) {
	client, err := c.connect(ctx, 0)
	if err != nil {
		return nil, err
	}
	s := &ouchSession{Client: client, con: con}
	if err := s.Send((&ouch50.AccountQuery{}).Append(nil)); err != nil {
		client.Close()
		return nil, err
	}
	for s.next == 0 {
		m, err := s.Next(ctx)
		if err != nil {
			client.Close()
			return nil, fmt.Errorf("waiting for the next number: %w", err)
		}
		var a ouch50.AccountQueryResponse
		if m.Body[0] == ouch50.TypeAccountQueryResponse && a.Parse(m.Body) == nil {
			s.next = a.NextUserRefNum
		}
	}
	return s, nil
}

func (c *orderClient) connect(ctx context.Context, from uint64) (*ouchclient.Client, error) {
	cfg := ouchclient.Config{Addr: c.OUCH, Username: c.User, Password: c.Password, Seq: from}
	if c.TLS || c.CA != "" {
		t, err := c.tlsConfig()
		if err != nil {
			return nil, err
		}
		cfg.TLS = t
	}
	return ouchclient.Dial(ctx, cfg)
}

// errRefused makes the process exit with exitFailure: what was asked for was not done.
var errRefused = errors.New("refused")

// ask sends a message, and shows what is said of orders of two numbers until the answer is complete.
func (s *ouchSession) ask(ctx context.Context, msg []byte, ref, before uint32) error {
	defer s.Close()
	since := s.NextSeq()
	if err := s.Send(msg); err != nil {
		return err
	}
	left := uint32(0) // open, as far as it is known
	for {
		m, err := s.Next(ctx)
		if err != nil {
			return fmt.Errorf("no answer; what was asked for may still be done: %w", err)
		}
		if m.Seq != 0 && m.Seq < since {
			continue // from before
		}
		if n, ok := refOf(m.Body); !ok || n != ref && n != before {
			continue
		}
		fmt.Fprintln(s.con.Out, said(m))
		if done, err := settled(m.Body, &left); done || err != nil {
			return err
		}
	}
}

// refOf returns the number of the order that a message is about.
func refOf(b []byte) (uint32, bool) {
	if len(b) < 13 || b[0] == ouch50.TypeSystemEvent || b[0] == ouch50.TypeAccountQueryResponse {
		return 0, false
	}
	return uint32(b[9])<<24 | uint32(b[10])<<16 | uint32(b[11])<<8 | uint32(b[12]), true
}

// settled reports whether nothing more follows at once.
func settled(b []byte, left *uint32) (bool, error) {
	switch b[0] {
	case ouch50.TypeRejected, ouch50.TypeCancelReject:
		return true, errRefused
	case ouch50.TypeOrderAccepted:
		var m ouch50.OrderAccepted
		_ = m.Parse(b) // it was shown, so it can be read
		*left = m.Quantity
		return m.State == ouch50.Dead, nil
	case ouch50.TypeOrderReplaced:
		var m ouch50.OrderReplaced
		_ = m.Parse(b)
		*left = m.Quantity
		return m.State == ouch50.Dead, nil
	case ouch50.TypeOrderExecuted:
		var m ouch50.OrderExecuted
		_ = m.Parse(b)
		*left -= min(*left, m.Quantity)
		return *left == 0, nil
	default: // in the book, canceled, modified, canceled all
		return true, nil
	}
}

// said is a message as it is shown: when it happened, its number, what it says.
func said(m ouchclient.Message) string {
	seq := "-"
	if m.Seq != 0 {
		seq = fmt.Sprint(m.Seq)
	}
	return fmt.Sprintf("%s  %6s  %s", timeOfDay(m.Body), seq, ouchclient.Text(m.Body))
}

// timeOfDay returns when a message was made, in New York.
func timeOfDay(b []byte) string {
	if len(b) < 9 {
		return ""
	}
	n := uint64(0)
	for _, x := range b[1:9] {
		n = n<<8 | uint64(x)
	}
	return time.Unix(0, 0).UTC().Add(time.Duration(n)).Format("15:04:05.000000")
}

func (c *orderClient) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.Wait)
}

// wireOf returns a price as OUCH has it.
func wireOf(text string) (ouch50.Price, error) {
	p, err := market.ParsePrice(text)
	if err == nil {
		if w, ok := ouch50.PriceOf(p); ok {
			return w, nil
		}
	}
	return 0, usageError{fmt.Errorf("price %q: want a decimal number with four decimals at most", text)}
}

func (c *orderEnterCmd) enterOUCH(ctx context.Context, con *console) error {
	m, err := c.message()
	if err != nil {
		return err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	s, err := c.dial(ctx, con)
	if err != nil {
		return err
	}
	m.UserRefNum = s.next
	fmt.Fprintf(con.Err, "order %d\n", m.UserRefNum)
	return s.ask(ctx, m.Append(nil), m.UserRefNum, 0)
}

// message makes the order, but for its number.
func (c *orderEnterCmd) message() (m ouch50.EnterOrder, err error) {
	m = ouch50.EnterOrder{
		Side: ouch50.Buy, Quantity: c.Size, Price: ouch50.MarketPrice, TimeInForce: ouch50.Day, Display: ouch50.Visible,
		Capacity: ouch50.Agency, ISO: ouch50.No, CrossType: ouch50.ContinuousMarket,
	}
	if c.Side == "sell" {
		m.Side = ouch50.Sell
	}
	var errs [2]error
	m.Symbol, errs[0] = ouch50.ParseSymbol(c.Symbol)
	m.ClOrdID, errs[1] = ouch50.ParseClOrdID(c.Name)
	if err := errors.Join(errs[:]...); err != nil {
		return m, usageError{err}
	}
	if c.Price != "" {
		if m.Price, err = wireOf(c.Price); err != nil {
			return m, err
		}
	}
	switch c.TIF {
	case "ioc":
		m.TimeInForce = ouch50.Immediate
	case "gtt":
		m.TimeInForce = ouch50.GoodTillTime
		m.Appendage = m.Appendage.AppendUint(ouch50.TagExpireTime, uint64(max(c.Expires/time.Second, 1)))
	}
	if c.Show > 0 {
		m.Appendage = m.Appendage.AppendUint(ouch50.TagMaxFloor, uint64(c.Show))
	}
	if c.Min > 0 {
		m.Appendage = m.Appendage.AppendUint(ouch50.TagMinQty, uint64(c.Min))
	}
	if c.Post {
		m.Appendage = m.Appendage.AppendCode(ouch50.TagPostOnly, ouch50.PostOnly)
	}
	if code, ok := map[string]byte{"primary": ouch50.PrimaryPeg, "mid": ouch50.MidpointPeg, "market": ouch50.MarketPeg}[c.Peg]; ok {
		m.Appendage = m.Appendage.AppendCode(ouch50.TagPriceType, code)
	}
	return m, nil
}

func (c *orderReplaceCmd) replaceOUCH(ctx context.Context, con *console) error {
	before, err := orderRef(c.Order)
	if err != nil {
		return err
	}
	price, err := wireOf(c.Price)
	if err != nil {
		return err
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	s, err := c.dial(ctx, con)
	if err != nil {
		return err
	}
	id, _ := ouch50.ParseClOrdID("")
	m := ouch50.ReplaceOrder{
		OrigUserRefNum: before, UserRefNum: s.next, Quantity: c.Size, Price: price, TimeInForce: ouch50.Day, Display: ouch50.Visible,
		ISO: ouch50.No, ClOrdID: id,
	}
	fmt.Fprintf(con.Err, "order %d\n", m.UserRefNum)
	return s.ask(ctx, m.Append(nil), m.UserRefNum, before)
}

func (c *orderCancelCmd) cancelOUCH(ctx context.Context, con *console) error {
	ctx, cancel := c.within(ctx)
	defer cancel()
	ref := uint32(0)
	var err error
	if !c.All {
		if ref, err = orderRef(c.Order); err != nil {
			return err
		}
	}
	symbol, err := ouch50.ParseSymbol(c.Symbol)
	if err != nil {
		return usageError{err}
	}
	s, err := c.dial(ctx, con)
	if err != nil {
		return err
	}
	if !c.All {
		return s.ask(ctx, (&ouch50.CancelOrder{UserRefNum: ref}).Append(nil), ref, 0)
	}
	firm, _ := ouch50.ParseFirm("")
	m := ouch50.MassCancel{UserRefNum: s.next, Firm: firm, Symbol: symbol}
	return s.ask(ctx, m.Append(nil), m.UserRefNum, 0)
}

func (c *orderFollowCmd) followOUCH(ctx context.Context, con *console) error {
	dialing, cancel := c.within(ctx)
	client, err := c.connect(dialing, c.From)
	cancel()
	if err != nil {
		return err
	}
	defer client.Close()
	for n := uint64(0); c.Count == 0 || n < c.Count; {
		m, err := client.Next(ctx)
		if err != nil {
			return err
		}
		if m.Seq != 0 && c.From == 0 { // the latest is from before
			c.From = m.Seq
			continue
		}
		fmt.Fprintln(con.Out, said(m))
		if m.Seq != 0 {
			n++
		}
	}
	return nil
}
