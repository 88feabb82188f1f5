//go:build linux

package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsConfig says what is published.
type natsConfig struct {
	Load load
	Page string
}

// natsRole is an embedded nats-server and a publisher, in one process as the gateway and its ingest
// are: the rival in fan-out. Each record is a message of its own, as it must be where subscribers
// choose by instrument.
type natsRole struct {
	cfg    natsConfig
	server *server.Server
	conn   *nats.Conn
	page   *page
}

func newNATS(_ clock, args json.RawMessage) (role, error) {
	cfg, err := take[natsConfig](args)
	if err != nil {
		return nil, err
	}
	n := &natsRole{cfg: cfg}
	if n.page, err = openPage(cfg.Page); err != nil {
		return nil, err
	}
	n.server, err = server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, fmt.Errorf("make nats-server: %w", err)
	}
	go n.server.Start()
	if !n.server.ReadyForConnections(patience) {
		return nil, errors.New("nats-server does not start")
	}
	if n.conn, err = nats.Connect(n.server.ClientURL()); err != nil {
		return nil, fmt.Errorf("connect to nats-server: %w", err)
	}
	return n, nil
}

func (n *natsRole) do(what string, args json.RawMessage) (any, error) {
	switch what {
	case "open":
		return opened{Addr: n.server.Addr().String()}, nil
	case "use":
		return readUsage(), nil
	case "flood":
		q, err := take[sending](args)
		if err != nil {
			return nil, err
		}
		return n.flood(q)
	case "finish":
		return served{Use: readUsage(), Slow: uint64(n.server.NumSlowConsumers())}, nil
	default:
		return nil, unknown(what)
	}
}

// flood publishes for a duration, never more than a window ahead of the slowest subscriber.
func (n *natsRole) flood(q sending) (any, error) {
	end := time.Now().Add(q.Duration)
	var b []byte
	i := 0
	for time.Now().Before(end) {
		if i-int(n.page.reached.Load()) > q.Window {
			if err := n.flush(); err != nil {
				return nil, err
			}
			time.Sleep(floodRest)
			continue
		}
		for range 64 {
			b = n.cfg.Load.appendMBO(b[:0], i)
			if err := n.conn.Publish(natsSubject, b); err != nil {
				return nil, fmt.Errorf("publish: %w", err)
			}
			i++
		}
	}
	return sent{Messages: i}, n.flush()
}

// flush waits until the server has taken what was published. It answers when it has written all of it
// to the subscribers, or to their buffers.
func (n *natsRole) flush() error {
	if err := n.conn.FlushTimeout(flushPatience); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// flushPatience is for a machine that has other things to do.
const flushPatience = time.Minute

func (n *natsRole) close() error {
	n.conn.Close()
	n.server.Shutdown()
	return nil
}
