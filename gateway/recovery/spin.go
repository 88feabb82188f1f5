package recovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"tidegate/codec/pitch"
	pitchrecovery "tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/internal/clock"
	"tidegate/internal/soup"
)

// Spin is a Source of PITCH snapshots: Cboe's spin server of a unit. It offers an image every second, and the
// first one that reaches what is kept is taken. See package codec/pitch/recovery.
type Spin struct {
	Address     string // host:port
	Session     pitchrecovery.Config
	DialTimeout time.Duration
	Dial        soup.DialFunc // nil is a net.Dialer
}

// NewSpin returns a server with the protocol's own times.
func NewSpin(address, sessionSubID, username, password string) *Spin {
	c := pitchrecovery.DefaultConfig()
	c.SessionSubID, c.Username, c.Password = sessionSubID, username, password
	return &Spin{Address: address, Session: c, DialTimeout: 2 * time.Second}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (s *Spin) Validate() error { return validUnit(s.Address, s.DialTimeout, s.Session) }

func validUnit(address string, dialTimeout time.Duration, session pitchrecovery.Config) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("address %q: want host:port: %w", address, err)
	}
	if dialTimeout <= 0 {
		return fmt.Errorf("dial timeout %v: want more than 0", dialTimeout)
	}
	return session.Validate()
}

// String returns the address.
func (s *Spin) String() string { return s.Address }

// Fetch takes an image. See Source.
func (s *Spin) Fetch(ctx context.Context, held uint64, take func([]byte) error) (Snapshot, error) {
	conn, err := dialUnit(ctx, s.Dial, s.Address, s.DialTimeout)
	if err != nil {
		return Snapshot{}, fmt.Errorf("spin: connect: to %s: %w", s.Address, err)
	}
	defer conn.conn.Close()
	client, err := pitchrecovery.NewSpinClient(s.Session, clock.Now())
	if err != nil {
		return Snapshot{}, fmt.Errorf("spin: %w", err)
	}
	client.Want(uint32(held))
	f := spinFetch{conn: conn, client: client, take: take}
	err = f.run(ctx)
	switch {
	case err == nil:
		return Snapshot{Next: uint64(client.Image()) + 1}, nil
	case errors.Is(err, pitchrecovery.ErrImage), errors.Is(err, pitchrecovery.ErrUnexpected):
		err = fmt.Errorf("%w: %w", ErrGarbage, err)
	case f.stopped || ctx.Err() != nil || errors.Is(err, ErrGarbage):
	case f.ready:
		err = fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return Snapshot{}, fmt.Errorf("spin: from %s: %w", s.Address, err)
}

// spinFetch is an image under way.
type spinFetch struct {
	conn    *unitConn
	client  *pitchrecovery.SpinClient
	take    func([]byte) error
	ready   bool // the login was accepted
	stopped bool // by take
}

// run receives until the image is whole.
func (f *spinFetch) run(ctx context.Context) error {
	for {
		now := clock.Now()
		f.client.OnTick(now)
		if f.client.State() == pitchrecovery.Failed {
			return f.client.Err()
		}
		for msg, ok := f.client.Next(now); ok; msg, ok = f.client.Next(now) {
			if err := f.conn.send(msg); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.conn.read(); err != nil {
			return err
		}
		for {
			p, ok, err := f.conn.packet()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			whole, err := f.onPacket(&p)
			if whole || err != nil {
				return err
			}
		}
	}
}

// onPacket takes a packet. It reports whether the image is whole with it.
func (f *spinFetch) onPacket(p *sequnit.Packet) (whole bool, err error) {
	now := clock.Now()
	f.client.OnPacket(now)
	for block := p.Messages; len(block) > 0; {
		var msg []byte
		msg, block = sequnit.Next(block)
		switch f.client.OnMessage(msg, now) {
		case pitchrecovery.ImageMessage:
			if err := f.take(msg); err != nil {
				f.stopped = true
				return false, err
			}
		case pitchrecovery.ImageEnds:
			return true, nil
		}
		f.ready = f.ready || f.client.State() == pitchrecovery.Ready
	}
	return false, nil
}

// plausiblePITCH is plausible for PITCH, whose messages may become longer at their end.
func plausiblePITCH(msg []byte) bool {
	n := pitch.LengthMin(msg[0])
	return n > 0 && len(msg) >= n
}
