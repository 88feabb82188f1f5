//go:build linux

package live

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// stalledBytes is the receive buffer of a subscriber that does not read: small, so that the server
// soon finds that it does not take anything.
const stalledBytes = 4 << 10

// dial connects a subscriber and does what comes before the stream.
func dial(cfg *subscriberConfig, stalled bool) (*connection, error) {
	d := net.Dialer{Timeout: patience}
	if stalled {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			var set error
			err := raw.Control(func(fd uintptr) {
				set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, stalledBytes)
			})
			return errors.Join(err, set)
		}
	}
	conn, err := d.Dial("tcp", cfg.Addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	c := &connection{}
	switch cfg.Server {
	case "gateway":
		err = openDBN(conn, in, cfg)
		c.stream = &dbnStream{tsOut: cfg.TsOut}
	case "relay":
		c.stream = &moldStream{}
	case "nats":
		err = openNATS(conn, in)
		c.stream = &natsStream{}
	default:
		err = fmt.Errorf("no protocol of %q", cfg.Server)
	}
	if err != nil {
		return nil, err
	}
	held, err := in.Peek(in.Buffered())
	if err != nil {
		return nil, err
	}
	c.carry = append(c.carry, held...)
	if c.fd, err = detach(conn.(*net.TCPConn)); err != nil {
		return nil, err
	}
	return c, unix.SetNonblock(c.fd, true)
}

// openDBN logs in to a gateway, subscribes to everything and reads the metadata.
func openDBN(conn net.Conn, in *bufio.Reader, cfg *subscriberConfig) error {
	key, err := lsg.ParseKey(benchKey)
	if err != nil {
		return err
	}
	if _, err := line(in); err != nil { // greeting
		return err
	}
	l, err := line(in)
	if err != nil {
		return err
	}
	challenge, err := lsg.ParseChallenge(l)
	if err != nil {
		return err
	}
	auth := lsg.AuthRequest{Auth: challenge.Answer(key), Dataset: dataset, TsOut: cfg.TsOut, Client: "tidegate bench"}
	out, err := auth.Append(nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(out); err != nil {
		return err
	}
	if l, err = line(in); err != nil {
		return err
	}
	answer, err := lsg.ParseAuthResponse(l)
	if err != nil {
		return err
	}
	if !answer.Accepted {
		return errors.New(answer.Error)
	}
	all := lsg.Subscription{Schema: dbn.SchemaMBO.String(), STypeIn: dbn.STypeRawSymbol.String(), Symbols: []string{lsg.AllSymbols}}
	if out, err = all.Append(nil); err != nil {
		return err
	}
	if _, err := conn.Write(lsg.AppendStart(out)); err != nil {
		return err
	}
	fixed := make([]byte, 8) // "DBN", version, length of the rest
	if _, err := io.ReadFull(in, fixed); err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	_, err = io.CopyN(io.Discard, in, int64(binary.LittleEndian.Uint32(fixed[4:])))
	return err
}

func line(in *bufio.Reader) ([]byte, error) {
	b, err := in.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read a control line: %w", err)
	}
	return b[:len(b)-1], nil
}

// dbnStream is what the gateway sends.
type dbnStream struct {
	tsOut bool
	mbo   dbn.MBO
}

func (d *dbnStream) decode(s *subscribers, c *connection, b []byte, at int64) (used int, err error) {
	for len(b)-used >= dbn.HeaderSize && len(b)-used >= 4*int(b[used]) {
		r, err := dbn.ParseRecord(b[used:], dbn.Version, d.tsOut)
		if err != nil {
			return used, err
		}
		used += len(r.Raw())
		switch r.RType {
		case dbn.RTypeMBO:
			if err := d.onMBO(s, c, r, at); err != nil {
				return used, err
			}
		case dbn.RTypeSystem:
			s.accepted(c) // the acknowledgement comes first
		case dbn.RTypeError:
			var e dbn.Error
			if err := e.Parse(r); err != nil {
				return used, err
			}
			return used, fmt.Errorf("the gateway reports: %s", e.Text)
		}
	}
	return used, nil
}

func (d *dbnStream) onMBO(s *subscribers, c *connection, r dbn.Record, at int64) error {
	m := &d.mbo
	if err := m.Parse(r); err != nil {
		return err
	}
	if m.Action == market.Clear && c.next == 0 {
		return nil // the venue session has begun
	}
	i := indexOf(uint64(m.Sequence))
	if err := s.cfg.Load.checkMBO(m, i); err != nil {
		return err
	}
	var sent market.Nanos
	if d.tsOut {
		sent, _ = r.TsOut()
	}
	return s.take(c, i, at, int64(sent))
}

// moldStream is what the relay sends: datagrams, one after the other.
type moldStream struct{ scratch []byte }

func (d *moldStream) decode(s *subscribers, c *connection, b []byte, at int64) (used int, err error) {
	s.accepted(c)
	const header = 20
	for {
		p := b[used:]
		if len(p) < header {
			return used, nil
		}
		size := header
		for range binary.BigEndian.Uint16(p[18:]) {
			if len(p) < size+2 {
				return used, nil
			}
			size += 2 + int(binary.BigEndian.Uint16(p[size:]))
		}
		if len(p) < size {
			return used, nil
		}
		packet, err := moldudp64.Parse(p[:size])
		if err != nil {
			return used, err
		}
		used += size
		if d.scratch == nil {
			d.scratch = make([]byte, 0, 64)
		}
		for block, i := packet.Messages, indexOf(packet.Seq); len(block) > 0; i++ {
			var msg []byte
			msg, block = moldudp64.Next(block)
			if i < 0 {
				continue // an announcement
			}
			if err := s.cfg.Load.checkITCH(msg, i, d.scratch); err != nil {
				return used, err
			}
			if err := s.take(c, i, at, 0); err != nil {
				return used, err
			}
		}
	}
}

// natsSubject is one subject for all: the least that nats-server can have to do for a message.
const natsSubject = "mbo"

func openNATS(conn net.Conn, in *bufio.Reader) error {
	if _, err := line(in); err != nil { // INFO
		return err
	}
	hello := `CONNECT {"verbose":false,"pedantic":false}` + "\r\nSUB " + natsSubject + " 1\r\nPING\r\n"
	if _, err := io.WriteString(conn, hello); err != nil {
		return err
	}
	for {
		l, err := line(in)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(l, []byte("PONG")) {
			return nil
		}
		if bytes.HasPrefix(l, []byte("PING")) {
			if _, err := io.WriteString(conn, "PONG\r\n"); err != nil {
				return err
			}
		}
	}
}

// natsStream is what nats-server sends.
type natsStream struct{ mbo dbn.MBO }

// natsHead is what precedes every payload of the size of a record.
var natsHead = []byte("MSG " + natsSubject + " 1 " + strconv.Itoa(dbn.RTypeMBO.Size(dbn.Version)) + "\r\n")

func (d *natsStream) decode(s *subscribers, c *connection, b []byte, at int64) (used int, err error) {
	s.accepted(c)
	size := dbn.RTypeMBO.Size(dbn.Version)
	for {
		p := b[used:]
		if bytes.HasPrefix(p, natsHead) {
			n := len(natsHead) + size + 2
			if len(p) < n {
				return used, nil
			}
			if err := d.onPayload(s, c, p[len(natsHead):n-2], at); err != nil {
				return used, err
			}
			used += n
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return used, nil
		}
		switch l := p[:end]; {
		case bytes.HasPrefix(l, []byte("PING")):
			if err := writeAll(c.fd, []byte("PONG\r\n")); err != nil {
				return used, err
			}
		case bytes.HasPrefix(l, []byte("-ERR")), bytes.HasPrefix(l, []byte("MSG ")):
			return used, fmt.Errorf("nats-server says %q", l)
		}
		used += end + 1
	}
}

func (d *natsStream) onPayload(s *subscribers, c *connection, payload []byte, at int64) error {
	r, err := dbn.ParseRecord(payload, dbn.Version, false)
	if err != nil {
		return err
	}
	if err := d.mbo.Parse(r); err != nil {
		return err
	}
	i := indexOf(uint64(d.mbo.Sequence))
	if err := s.cfg.Load.checkMBO(&d.mbo, i); err != nil {
		return err
	}
	return s.take(c, i, at, 0)
}
