package config

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func (x *ordersReader) instruments(v value) {
	v.sequence(func(v value) {
		in := OrdersInstrument{LotSize: 1, Quote: ordersQuote, ReferenceAge: time.Second, WhenStale: "refuse", State: "open"}
		stale, states := []string{"refuse", "hold"}, []string{"closed", "pre-open", "open", "halted"}
		found := v.mapping(
			field{"id", integer(&in.ID, 1, OrdersShareBase-1)},
			field{"symbol", word(&in.Symbol, 8)},
			field{"tick", price(&in.TickSize)},
			field{"lot", integer(&in.LotSize, 1, 1<<32-1)},
			field{"base", word(&in.Base, 16)},
			field{"quote", word(&in.Quote, 16)},
			field{"base_unit", integer(&in.BaseUnit, 1, 1<<62)},
			field{"price_for", integer(&in.PriceFor, 1, 1<<32)},
			field{"reference", word(&in.Reference, 64)},
			field{"reference_age", duration(&in.ReferenceAge, 10*time.Millisecond, time.Hour)},
			field{"collar", integer(&in.Collar, 0, 10_000)},
			field{"when_stale", choice(&in.WhenStale, stale, stale)},
			field{"high_notional", amount(&in.HighNotional)},
			field{"size_max", integer(&in.SizeMax, 1, 1<<32-1)},
			field{"state", choice(&in.State, states, states)},
		)
		x.id("instrument", v, found)
		need(v, found, "symbol", "tick")
		x.once("instrument", in.Symbol, v)
		if in.Collar > 0 && in.Reference == "" {
			v.mistake("a collar without a reference", "the symbol whose consolidated quote it follows")
		}
		x.o.Instruments = append(x.o.Instruments, in)
		x.later = append(x.later, func() {
			for name, asset := range map[string]string{"base": in.Base, "quote": in.Quote} {
				if asset == "" || x.asset(asset) {
					continue
				}
				at, ok := found[name]
				if !ok {
					at = v
				}
				at.mistake(fmt.Sprintf("%s %q", name, asset), "one of assets, or the symbol of an instrument")
			}
		})
	})
}

// accountsFile reads accounts and sessions from a file of their own, which fewer people may read.
func (x *ordersReader) accountsFile(v value) {
	b, ok := v.file()
	if !ok {
		return
	}
	inside := &reader{env: x.env, dir: x.dir, at: make(map[string]value)}
	if root, ok := inside.syntax(b); ok {
		root.mapping(field{"accounts", x.accounts}, field{"sessions", x.sessions})
	}
	// What names something else is looked at after this; then all mistakes of the file are known.
	x.later = append(x.later, func() {
		x.later = append(x.later, func() {
			if len(inside.mistakes) > 0 {
				name, _ := v.scalar()
				err := &Error{File: name, Mistakes: inside.mistakes}
				err.sort()
				v.mistake("a file that is not right:\n"+err.Error(), "")
			}
		})
	})
}

func (x *ordersReader) accounts(v value) {
	v.sequence(func(v value) {
		var a OrdersAccount
		found := v.mapping(
			field{"id", integer(&a.ID, 1, 1<<31)},
			field{"name", word(&a.Name, nameMax)},
			field{"firm", word(&a.Firm, 4)},
			field{"disabled", boolean(&a.Disabled)},
			field{"unchecked", boolean(&a.Unchecked)},
			field{"orders", integer(&a.OrdersMax, 1, 1<<24)},
			field{"notional", amount(&a.NotionalMax)},
			field{"rate", integer(&a.RateMax, 1, 10_000_000)},
			field{"deposit", func(value) {}}, // below, when assets are known
			field{"credit", func(value) {}},
		)
		x.id("account", v, found)
		need(v, found, "name")
		x.once("account", a.Name, v)
		x.once("firm", a.Firm, v)
		n := len(x.o.Accounts)
		x.o.Accounts = append(x.o.Accounts, a)
		x.later = append(x.later, func() {
			x.o.Accounts[n].Deposit = x.amounts(found["deposit"])
			x.o.Accounts[n].Credit = x.amounts(found["credit"])
		})
		if n == ordersAccountsMax {
			v.mistake("more accounts", fmt.Sprintf("at most %d", ordersAccountsMax))
		}
	})
}

// amounts reads amounts by asset.
func (x *ordersReader) amounts(v value) map[string]string {
	if v.r == nil { // it is not there
		return nil
	}
	amounts := make(map[string]string)
	var fields []field
	for _, a := range x.o.Assets {
		fields = append(fields, field{a.Name, func(v value) {
			s := ""
			amount(&s)(v)
			amounts[a.Name] = s
		}})
	}
	v.mapping(fields...)
	return amounts
}

func (x *ordersReader) sessions(v value) {
	v.sequence(func(v value) {
		var s OrdersSession
		var names []value
		ports := 0
		found := v.mapping(
			field{"id", integer(&s.ID, 1, 1<<31)},
			field{"name", word(&s.Name, nameMax)},
			field{"accounts", func(v value) { v.sequence(func(v value) { names = append(names, v) }) }},
			field{"orders", integer(&s.OrdersMax, 1, 1<<24)},
			field{"rate", integer(&s.RateMax, 1, 10_000_000)},
			field{"ouch", func(v value) {
				ports++
				x.user(&s, v)
			}},
			field{"http", func(v value) {
				ports++
				x.key(&s, v)
			}},
		)
		x.id("session", v, found)
		need(v, found, "name")
		x.once("session", s.Name, v)
		if ports != 1 {
			v.mistake(fmt.Sprintf("%d of ouch and http", ports), "one of them")
		}
		if len(names) == 0 {
			v.mistake("no accounts", "at least one")
		}
		for _, name := range names {
			account, _ := name.scalar()
			s.Accounts = append(s.Accounts, account)
			x.later = append(x.later, func() {
				if !slices.ContainsFunc(x.o.Accounts, func(a OrdersAccount) bool { return a.Name == account }) {
					name.mistake(name.describe(), "the name of an account")
				}
			})
		}
		x.o.Sessions = append(x.o.Sessions, s)
	})
}

// user reads who logs in to a session by OUCH.
func (x *ordersReader) user(s *OrdersSession, v value) {
	s.SelfTrade = "cancel_oldest"
	ways := []string{"allow", "cancel_newest", "cancel_oldest", "cancel_both", "decrement"}
	found := v.mapping(
		field{"username", word(&s.Username, 6)},
		field{"password_hash", func(v value) {
			if s.PasswordHash, _ = v.scalar(); !passwordFormat.MatchString(s.PasswordHash) {
				v.mistake("something else", "what tidegate order password makes")
			}
		}},
		field{"cancel_on_disconnect", boolean(&s.CancelOnDisconnect)},
		field{"self_trade", choice(&s.SelfTrade, ways, ways)},
	)
	need(v, found, "username", "password_hash")
	x.once("user", strings.ToUpper(s.Username), v)
}

// key reads the API key of a session. Its secret is in the file, in a file of its own, or in the environment.
func (x *ordersReader) key(s *OrdersSession, v value) {
	sources := 0
	take := func(v value, secret string, ok bool) {
		sources++
		if s.Secret = secret; !ok || len(secret) < ordersSecretMin || len(secret) > 256 || !printable(secret) {
			v.mistake("something else", fmt.Sprintf("%d to 256 printable characters without spaces", ordersSecretMin))
		}
	}
	found := v.mapping(
		field{"key", word(&s.Key, 64)},
		field{"secret", func(v value) {
			secret, ok := v.scalar()
			take(v, secret, ok)
		}},
		field{"secret_file", func(v value) {
			if b, ok := v.file(); ok {
				take(v, string(bytes.TrimSpace(b)), true)
			} else {
				sources++
			}
		}},
		field{"secret_env", func(v value) {
			name, _ := v.scalar()
			if secret, set := x.env.LookupEnv(name); set {
				take(v, strings.TrimSpace(secret), true)
				return
			}
			sources++
			v.mistake(v.describe(), "the name of an environment variable that is set")
		}},
	)
	need(v, found, "key")
	if sources != 1 {
		v.mistake(fmt.Sprintf("%d of secret, secret_file and secret_env", sources), "one of them")
	}
	x.once("key", s.Key, v)
}

func (x *ordersReader) lanes(v value) {
	l := &x.o.Lanes
	v.mapping(
		field{"cancels", integer(&l.Cancels, 16, 1<<20)},
		field{"high_notional", integer(&l.HighNotional, 16, 1<<20)},
		field{"normal", integer(&l.Normal, 16, 1<<20)},
		field{"patience_high_notional", integer(&l.PatienceHighNotional, 1, 1<<20)},
		field{"patience_normal", integer(&l.PatienceNormal, 1, 1<<20)},
		field{"session", integer(&l.Session, 1, 1<<20)},
		field{"queries", integer(&l.Queries, 1, 64)},
		field{"queries_waiting", integer(&l.QueriesWaiting, 1, 1<<16)},
		field{"in_flight", integer(&l.InFlight, 16, 1<<20)},
	)
}

func (x *ordersReader) memory(v value) {
	m := &x.o.Memory
	v.mapping(
		field{"orders", integer(&m.Orders, 1, 1<<24)},
		field{"ids", integer(&m.IDs, 1024, 1<<24)},
		field{"reports", integer(&m.Reports, 64, 1<<20)},
	)
}

func (x *ordersReader) marketData(v value) {
	d := &x.o.MarketData
	const want = "an address and a port, like 127.0.0.1:26500"
	v.mapping(
		field{"session", word(&d.Session, 10)},
		field{"lines", func(v value) {
			v.sequence(func(v value) {
				var line netip.AddrPort
				parsed(&line, want, netip.ParseAddrPort)(v)
				d.Lines = append(d.Lines, line)
			})
		}},
		field{"from", parsed(&d.From, "an address of this machine", netip.ParseAddr)},
		field{"retransmit", parsed(&d.Retransmit, want, netip.ParseAddrPort)},
		field{"soup", parsed(&d.Soup, want, netip.ParseAddrPort)},
		field{"users", func(v value) {
			v.sequence(func(v value) {
				var u Login
				found := v.mapping(
					field{"username", word(&u.Username, 6)},
					field{"password", func(v value) {
						if u.Password, _ = v.scalar(); u.Password == "" || len(u.Password) > 10 || !printable(u.Password) {
							v.mistake("something else", "1 to 10 printable characters without spaces")
						}
					}},
				)
				need(v, found, "username", "password")
				x.once("market data user", strings.ToUpper(u.Username), v)
				d.Users = append(d.Users, u)
			})
		}},
	)
	if len(d.Users) > 0 && !d.Soup.IsValid() {
		v.mistake("users of nothing", "soup, where they log in")
	}
}

func (x *ordersReader) ouch(v value) {
	o := &x.o.OUCH
	l := &o.Limits
	v.mapping(
		field{"listen", parsed(&o.Listen, listenWant, parseListen)},
		field{"tls", func(v value) { x.tls(&o.TLS, v) }},
		field{"loops", integer(&o.Loops, 1, 32)},
		field{"session", word(&o.Session, 10)},
		field{"limits", func(v value) {
			v.mapping(
				field{"connections", integer(&l.Connections, 1, 1_000_000)},
				field{"connections_per_address", integer(&l.ConnectionsPerAddress, 1, 1_000_000)},
				field{"connections_per_second", integer(&l.ConnectionsPerSecond, 1, 1_000_000)},
				field{"failed_logins", integer(&l.FailedLogins, 1, 1_000_000)},
				field{"login", duration(&l.Login, 10*time.Millisecond, time.Minute)},
				field{"silence", duration(&l.Silence, 1100*time.Millisecond, time.Hour)},
				field{"slow", duration(&l.Slow, 10*time.Millisecond, time.Hour)},
				field{"garbage", integer(&l.Garbage, 1, 1_000_000)},
			)
		}},
	)
}

func (x *ordersReader) http(v value) {
	o := &x.o.HTTP
	l := &o.Limits
	var cert, key []byte
	read := func(to *[]byte) func(value) { return func(v value) { *to, _ = v.file() } }
	found := v.mapping(
		field{"listen", parsed(&o.Listen, listenWant, parseListen)},
		field{"cert", read(&cert)},
		field{"key", read(&key)},
		field{"limits", func(v value) {
			v.mapping(
				field{"connections", integer(&l.Connections, 1, 1_000_000)},
				field{"connections_per_address", integer(&l.ConnectionsPerAddress, 1, 1_000_000)},
				field{"connections_per_second", integer(&l.ConnectionsPerSecond, 1, 1_000_000)},
				field{"failed_signatures", integer(&l.FailedSignatures, 1, 1_000_000)},
				field{"requests_per_second", integer(&l.RequestsPerSecond, 1, 100_000)},
				field{"streams", integer(&l.Streams, 1, 1000)},
				field{"window", duration(&l.Window, 100*time.Millisecond, time.Minute)},
				field{"ahead", duration(&l.Ahead, time.Millisecond, time.Minute)},
				field{"answer", duration(&l.Answer, 10*time.Millisecond, time.Minute)},
				field{"slow", duration(&l.Slow, 10*time.Millisecond, time.Hour)},
			)
		}},
	)
	_, hasCert := found["cert"]
	_, hasKey := found["key"]
	if hasCert != hasKey {
		v.mistake("one of cert and key", "both, or neither")
	}
	if cert == nil || key == nil {
		return
	}
	var err error
	if o.Certificate, err = tls.X509KeyPair(cert, key); err != nil {
		v.mistake("a certificate and a key that cannot be used: "+err.Error(), "PEM files that belong together")
	}
	o.TLS = err == nil
}
