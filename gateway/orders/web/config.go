package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tidegate/gateway/orders"
	"tidegate/internal/doorman"
)

// A Config says where clients connect, who they are, and what they may do.
type Config struct {
	Addr string      // host:port
	TLS  *tls.Config // nil: in clear
	Keys []Key
	// Accounts, Assets and Instruments are what the gate has, with their names.
	Accounts    []orders.Account
	Assets      map[orders.AssetID]string
	Instruments []orders.Instrument
	Limits      Limits
	Log         *slog.Logger // nil: nobody
}

// A Key lets a client in.
type Key struct {
	ID      string
	Secret  []byte // at least SecretLenMin bytes
	Session orders.SessionID
}

// SecretLenMin is how many bytes a secret has at least.
const SecretLenMin = 16

// Limits keeps what clients may use within bounds. Zero values mean those of DefaultLimits.
type Limits struct {
	Connections           int           // open at a time
	ConnectionsPerAddress int           // of one address
	ConnectionsPerSecond  int           // new ones of one address
	FailedSignatures      int           // of one address in a minute; more are closed out for a minute
	RequestsPerSecond     int           // of one key, and as many at once
	Streams               int           // of events, of one key
	Window                time.Duration // how old a signature may be
	Ahead                 time.Duration // how far in the future one may be
	Answer                time.Duration // how long a request waits for its answer
	Slow                  time.Duration // how long the client of a stream may not read
}

// DefaultLimits returns limits for some hundred clients.
func DefaultLimits() Limits {
	return Limits{
		Connections: 1024, ConnectionsPerAddress: 64, ConnectionsPerSecond: 32, FailedSignatures: 32,
		RequestsPerSecond: 200, Streams: 4, Window: 5 * time.Second, Ahead: time.Second,
		Answer: 5 * time.Second, Slow: 10 * time.Second,
	}
}

func (l *Limits) setDefaults() {
	d := DefaultLimits()
	for _, f := range []struct{ n, d *int }{
		{&l.Connections, &d.Connections},
		{&l.ConnectionsPerAddress, &d.ConnectionsPerAddress},
		{&l.ConnectionsPerSecond, &d.ConnectionsPerSecond},
		{&l.FailedSignatures, &d.FailedSignatures},
		{&l.RequestsPerSecond, &d.RequestsPerSecond},
		{&l.Streams, &d.Streams},
	} {
		if *f.n == 0 {
			*f.n = *f.d
		}
	}
	for _, f := range []struct{ n, d *time.Duration }{
		{&l.Window, &d.Window},
		{&l.Ahead, &d.Ahead},
		{&l.Answer, &d.Answer},
		{&l.Slow, &d.Slow},
	} {
		if *f.n == 0 {
			*f.n = *f.d
		}
	}
}

func (l *Limits) doorman() doorman.Config {
	return doorman.Config{
		ConnectionsMax: l.Connections, PerAddressMax: l.ConnectionsPerAddress,
		PerSecondMax: l.ConnectionsPerSecond, FailuresMax: l.FailedSignatures,
	}
}

// validate reports the first thing that is wrong, and what is expected instead.
func (c *Config) validate(gate *orders.Gate) error {
	l := &c.Limits
	door := l.doorman()
	if err := door.Validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if l.RequestsPerSecond < 1 || l.Streams < 1 || l.Window <= 0 || l.Ahead <= 0 || l.Answer <= 0 || l.Slow <= 0 {
		return errors.New("limits: want all of them above 0")
	}
	ids, sessions := make(map[string]bool), make(map[orders.SessionID]bool)
	for _, k := range c.Keys {
		switch _, known := gate.Session(k.Session); {
		case k.ID == "" || len(k.ID) > 64 || !printable(k.ID):
			return fmt.Errorf("key %q: want an id of 1 to 64 printable characters", k.ID)
		case ids[k.ID]:
			return fmt.Errorf("key %q again", k.ID)
		case len(k.Secret) < SecretLenMin:
			return fmt.Errorf("key %q: a secret of %d bytes: want %d at least", k.ID, len(k.Secret), SecretLenMin)
		case !known:
			return fmt.Errorf("key %q: the gate has no session %d", k.ID, k.Session)
		case sessions[k.Session]:
			return fmt.Errorf("key %q: session %d is another key's", k.ID, k.Session)
		}
		ids[k.ID], sessions[k.Session] = true, true
	}
	return nil
}
