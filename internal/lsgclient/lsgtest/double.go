// Package lsgtest has what tests of a Databento Live gateway and of its clients need: doubles that
// are as strict as the clients in use, and a gateway that a test scripts line by line.
//
// Both are written from the protocol and from the observed behaviour of those clients, without
// package lsg, so that a mistake there shows.
//
//	d, err := lsgtest.Open(conn, lsgtest.Config{Mode: lsgtest.Python, Dataset: "XNAS.ITCH", Key: key})
//	err = d.Subscribe(lsgtest.Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: symbols})
//	metadata, err := d.Start()
//	record, err := d.Next()
//	err = d.Reconnect(conn2) // another connection; subscribes again as that client does
package lsgtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidegate/codec/dbn"
)

// Mode says which client a Double is as strict as.
type Mode uint8

// Modes.
const (
	// CPP wants the greeting's newline in its first read and a session id that is a number.
	CPP Mode = iota
	// Python wants exactly the keys of the protocol and no trailing pipe, nothing in one read with
	// the authentication response, no record type that it does not know, and after a reconnect the
	// metadata it had before, but for the times.
	Python
	// Rust wants a challenge line that begins with "cram=", success=1 to the letter, and one zstd
	// frame.
	Rust
	// DBNGo wants the keys lsg_version, cram and success. It leaves out whatever is a default, puts
	// all symbols on one line, and knows no compression and no reconnect of its own.
	DBNGo
)

// Modes lists them all.
var Modes = []Mode{CPP, Python, Rust, DBNGo}

// String returns the client's language, or name.
func (m Mode) String() string { return [...]string{"cpp", "python", "rust", "dbn-go"}[m] }

// Config says what the client was asked for.
type Config struct {
	Mode             Mode
	Dataset          string
	Key              string // 32 characters
	TsOut            bool
	Zstd             bool
	HeartbeatSeconds int    // 0: not set
	SlowReader       string // "skip", "warn", or "": not set
	// ReadMax is the most bytes of one read of the connection, after the first; 0: no limit. It
	// shows whether anything depends on where the network cuts.
	ReadMax int
}

// Subscription is what a user asks of the client.
type Subscription struct {
	Schema   string
	STypeIn  string
	Symbols  []string
	Start    string // as it is on the line; "": none
	Snapshot bool
}

// Double behaves towards a gateway as a Mode's client does. It is not safe for concurrent use.
type Double struct {
	// SessionID is what the gateway sent.
	SessionID string

	cfg     Config
	conn    net.Conn
	pending []byte // read, not used yet
	read    bool   // the first read is done
	started bool   // after authentication: silence ends the session

	records  *dbn.Reader
	metadata *dbn.Metadata // of the last start
	sent     []request
	nextID   int
}

// Open authenticates over a connection to a gateway, which the Double then owns.
func Open(conn net.Conn, cfg Config) (*Double, error) {
	d := &Double{cfg: cfg}
	if cfg.Mode != Python && cfg.Mode != DBNGo {
		d.nextID = 1
	}
	if cfg.Zstd && cfg.Mode == DBNGo {
		return nil, errors.New("dbn-go knows no compression")
	}
	return d, d.open(conn)
}

// Reconnect goes on with another connection: it authenticates and repeats all subscriptions, without
// their starts.
func (d *Double) Reconnect(conn net.Conn) error {
	d.Close()
	if err := d.open(conn); err != nil {
		return err
	}
	return d.resubscribe()
}

func (d *Double) open(conn net.Conn) error {
	d.conn, d.pending, d.read, d.started, d.records = conn, nil, false, false, nil
	if err := d.authenticate(); err != nil {
		return errors.Join(fmt.Errorf("%s double: authenticate: %w", d.cfg.Mode, err), conn.Close())
	}
	return nil
}

// Close closes the connection.
func (d *Double) Close() error { return d.conn.Close() }

// Start starts the session and returns the gateway's metadata.
func (d *Double) Start() (*dbn.Metadata, error) {
	m, err := d.start()
	if err != nil {
		return nil, fmt.Errorf("%s double: start: %w", d.cfg.Mode, err)
	}
	return m, nil
}

func (d *Double) start() (*dbn.Metadata, error) {
	line := map[Mode]string{CPP: "start_session", Python: "start_session=0", Rust: "start_session", DBNGo: "start_session="}
	if _, err := io.WriteString(d.conn, line[d.cfg.Mode]+"\n"); err != nil {
		return nil, err
	}
	d.started = true
	var stream io.Reader = d
	if d.cfg.Zstd {
		if d.cfg.Mode == Rust {
			stream = &oneFrame{r: stream}
		}
		z, err := zstd.NewReader(stream, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		stream = z
	}
	records, err := dbn.NewReader(stream)
	if err != nil {
		return nil, err
	}
	m := records.Metadata()
	if m.TsOut != d.cfg.TsOut {
		return nil, fmt.Errorf("metadata has ts_out %t, asked for %t", m.TsOut, d.cfg.TsOut)
	}
	if d.cfg.Mode == Python && d.metadata != nil {
		was, is := *d.metadata, *m
		was.Start, was.End, is.Start, is.End = 0, 0, 0, 0
		if !reflect.DeepEqual(was, is) {
			return nil, fmt.Errorf("metadata differs from that of the session before: %+v, was %+v", is, was)
		}
	}
	d.metadata, d.records = m, records
	return m, nil
}

// Next returns the next record, a view that is valid until the next call. It returns io.EOF where
// the gateway closed the session at the end of a record.
func (d *Double) Next() (dbn.Record, error) {
	r, err := d.records.Next()
	if err == nil && d.cfg.Mode == Python && !r.Known() {
		err = fmt.Errorf("record of unknown type 0x%02x", uint8(r.RType))
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%s double: %w", d.cfg.Mode, err)
	}
	return r, err
}

// Read implements io.Reader over what is left of the lines and the connection. It is for the
// decoders of the Double.
func (d *Double) Read(p []byte) (int, error) {
	if len(d.pending) > 0 {
		n := copy(p, d.pending)
		d.pending = d.pending[n:]
		return n, nil
	}
	if d.read && d.cfg.ReadMax > 0 {
		p = p[:min(len(p), d.cfg.ReadMax)]
	}
	d.read = true
	if err := d.conn.SetReadDeadline(d.deadline(time.Now())); err != nil {
		return 0, err
	}
	return d.conn.Read(p)
}

// deadline returns when the client gives up waiting; the zero time if it never does.
func (d *Double) deadline(now time.Time) time.Time {
	if !d.started {
		return now.Add(30 * time.Second)
	}
	seconds := d.cfg.HeartbeatSeconds
	if seconds == 0 {
		seconds = 30
	}
	switch d.cfg.Mode {
	case CPP, Rust:
		return now.Add(time.Duration(seconds+5) * time.Second)
	case Python:
		return now.Add(time.Duration(seconds+10) * time.Second)
	default:
		return time.Time{}
	}
}

// line reads one line, with its newline.
func (d *Double) line() (string, error) {
	for {
		if i := bytes.IndexByte(d.pending, '\n'); i >= 0 {
			line := string(d.pending[:i+1])
			d.pending = d.pending[i+1:]
			return line, nil
		}
		first := !d.read
		was := d.pending
		d.pending = nil
		p := make([]byte, 64<<10)
		n, err := d.Read(p)
		d.pending = append(was, p[:n]...)
		switch {
		case n > 0 && first && d.cfg.Mode == CPP && !bytes.Contains(p[:n], []byte{'\n'}):
			return "", fmt.Errorf("the first read, %q, does not hold the greeting's newline", p[:n])
		case n == 0 && err == io.EOF:
			return "", fmt.Errorf("gateway closed after %q: %w", d.pending, io.ErrUnexpectedEOF)
		case n == 0 && err != nil:
			return "", err
		}
	}
}
