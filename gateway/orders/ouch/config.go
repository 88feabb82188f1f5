package ouch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tidegate/book/match"
	"tidegate/codec/ouch50"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/internal/doorman"
)

// A Config says where clients connect, who they are, and what they may do.
type Config struct {
	Addr    string      // of the port in clear, host:port
	TLSAddr string      // of the port with TLS; "" for none
	TLS     *tls.Config // for TLSAddr
	Loops   int         // event loops; 0 means 1
	// Session is the name of all sessions, at most ten characters. Messages are numbered from 1 as long as
	// the gate keeps its directory; another directory needs another name.
	Session string
	Users   []User
	// Firms are how accounts are called in messages: at most four characters. An account without is named by
	// nobody, and is the one that a session has, or its first.
	Firms  map[orders.AccountID]string
	Limits Limits
	Log    *slog.Logger // nil: nobody
}

// A User is who may log in: each has a session of the gate.
type User struct {
	Username           string // at most six characters; case makes no difference
	Password           PasswordHash
	Session            orders.SessionID
	CancelOnDisconnect bool            // orders are canceled when the connection is lost
	SelfTrade          match.SelfTrade // what its orders do when they meet one of their account
}

// Limits keeps what clients may use within bounds. Zero values mean those of DefaultLimits.
type Limits struct {
	Connections           int           // open at a time, logged in or not
	ConnectionsPerAddress int           // of one address
	ConnectionsPerSecond  int           // new ones of one address
	FailedLogins          int           // of one address in a minute; more are closed out for a minute
	Login                 time.Duration // from the connection to the login request
	Silence               time.Duration // of a client, whose login does not say, after which it is dead
	Slow                  time.Duration // how long a client may not read what waits for it
	Garbage               int           // messages of a connection that cannot be read; then it is closed
}

// DefaultLimits returns limits for some hundred clients.
func DefaultLimits() Limits {
	return Limits{
		Connections: 1024, ConnectionsPerAddress: 64, ConnectionsPerSecond: 16, FailedLogins: 16,
		Login: 5 * time.Second, Silence: 15 * time.Second, Slow: 10 * time.Second, Garbage: 100,
	}
}

func (l *Limits) setDefaults() {
	d := DefaultLimits()
	for _, f := range []struct{ n, d *int }{
		{&l.Connections, &d.Connections},
		{&l.ConnectionsPerAddress, &d.ConnectionsPerAddress},
		{&l.ConnectionsPerSecond, &d.ConnectionsPerSecond},
		{&l.FailedLogins, &d.FailedLogins},
		{&l.Garbage, &d.Garbage},
	} {
		if *f.n == 0 {
			*f.n = *f.d
		}
	}
	for _, f := range []struct{ n, d *time.Duration }{{&l.Login, &d.Login}, {&l.Silence, &d.Silence}, {&l.Slow, &d.Slow}} {
		if *f.n == 0 {
			*f.n = *f.d
		}
	}
}

func (l *Limits) doorman() doorman.Config {
	return doorman.Config{
		ConnectionsMax: l.Connections, PerAddressMax: l.ConnectionsPerAddress,
		PerSecondMax: l.ConnectionsPerSecond, FailuresMax: l.FailedLogins,
	}
}

// validate reports the first thing that is wrong, and what is expected instead.
func (c *Config) validate(gate *orders.Gate) error {
	if _, err := soupbintcp.ParseSession(c.Session); err != nil || c.Session == "" {
		return fmt.Errorf("session %q: want a name of 1 to %d printable characters", c.Session, soupbintcp.SessionLen)
	}
	if (c.TLSAddr == "") != (c.TLS == nil) {
		return errors.New("want an address for TLS and its configuration, or neither")
	}
	if c.Limits.Login <= 0 || c.Limits.Silence <= time.Second || c.Limits.Slow <= 0 || c.Limits.Garbage < 1 {
		return errors.New("limits: want times above 0, silence above a second, and garbage of at least 1")
	}
	door := c.Limits.doorman()
	if err := door.Validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	names, sessions := make(map[string]bool), make(map[orders.SessionID]bool)
	for _, u := range c.Users {
		login := soupbintcp.Login{Username: u.Username}
		name := strings.ToUpper(u.Username)
		switch _, known := gate.Session(u.Session); {
		case login.Validate() != nil || name == "":
			return fmt.Errorf("user %q: want 1 to 6 printable characters without spaces at the ends", u.Username)
		case names[name]:
			return fmt.Errorf("user %q again: case makes no difference", u.Username)
		case !known:
			return fmt.Errorf("user %q: the gate has no session %d", u.Username, u.Session)
		case sessions[u.Session]:
			return fmt.Errorf("user %q: session %d is another user's", u.Username, u.Session)
		}
		names[name], sessions[u.Session] = true, true
	}
	for account, firm := range c.Firms {
		if _, err := ouch50.ParseFirm(firm); err != nil || firm == "" {
			return fmt.Errorf("firm %q of account %d: want 1 to 4 printable characters", firm, account)
		}
	}
	return nil
}
