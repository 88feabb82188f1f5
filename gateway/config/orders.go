package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"tidegate/market"
)

// Orders is the market that the gateway runs itself. Without a directory there is none. Amounts are decimal
// text with nine decimals at most; numbers of 0 are the defaults of package orders.
type Orders struct {
	Dir           string // "" for none
	Relaxed       bool   // answers do not wait until they are durable
	CommitEvery   time.Duration
	SnapshotEvery int // inputs
	MatchingLoops int // threads that match, beside the admission loop
	// Publish makes what happens a dataset for subscribers.
	Publish bool

	Assets      []OrdersAsset
	Instruments []OrdersInstrument
	Accounts    []OrdersAccount
	Sessions    []OrdersSession
	Lanes       OrdersLanes
	Memory      OrdersMemory
	MarketData  OrdersMarketData
	OUCH        OrdersOUCH
	HTTP        OrdersHTTP
}

// An OrdersAsset is what balances are kept in: a currency, a share.
type OrdersAsset struct {
	ID   int
	Name string
}

// An OrdersInstrument is something to trade.
type OrdersInstrument struct {
	ID           int
	Symbol       string
	TickSize     market.Price
	LotSize      int
	Base, Quote  string // assets
	BaseUnit     int    // how much of Base one unit of size is, in 1e-9; 0: one whole unit
	PriceFor     int    // for how many units of size the price is; 0: 1
	Reference    string // symbol in the consolidated dataset; "" for none
	ReferenceAge time.Duration
	Collar       int    // basis points; 0: none
	WhenStale    string // refuse, hold
	HighNotional string // "" for never
	SizeMax      int
	State        string // in which a new one begins: closed, pre-open, open, halted
}

// An OrdersAccount owns orders.
type OrdersAccount struct {
	ID              int
	Name            string
	Firm            string // how OUCH calls it; "" for not at all
	Disabled        bool
	Unchecked       bool // without balances
	OrdersMax       int
	NotionalMax     string
	RateMax         int
	Deposit, Credit map[string]string // amounts by asset
}

// An OrdersSession is a stream of reports, and who may log in to it: by OUCH or by HTTP.
type OrdersSession struct {
	ID        int
	Name      string
	Accounts  []string
	OrdersMax int
	RateMax   int

	Username           string // of OUCH; "" for HTTP
	PasswordHash       string
	CancelOnDisconnect bool
	SelfTrade          string // allow, cancel_newest, cancel_oldest, cancel_both, decrement

	Key    string // of HTTP; "" for OUCH
	Secret string
}

// OrdersLanes are the bounds of the priority order queue.
type OrdersLanes struct {
	Cancels, HighNotional, Normal        int // requests that may wait
	PatienceHighNotional, PatienceNormal int // requests of better lanes in a row that a lane waits for
	Session                              int // requests of one session that may wait
	Queries, QueriesWaiting              int // that run, and that may wait
	InFlight                             int // inputs that may wait to become durable
}

// OrdersMemory is how much is kept in memory.
type OrdersMemory struct {
	Orders  int // that may live, for each matching loop
	IDs     int // of requests, by which they are done once
	Reports int // of each session, before they are read from the disk
}

// OrdersMarketData is where ITCH 5.0 messages of the market go, beside the dataset. The zero AddrPort is nowhere.
type OrdersMarketData struct {
	Session    string
	Lines      []netip.AddrPort // of MoldUDP64
	From       netip.Addr       // which the lines are sent from; zero: the system chooses
	Retransmit netip.AddrPort   // where requests for what was lost are answered
	Soup       netip.AddrPort   // where SoupBinTCP is served
	Users      []Login          // of SoupBinTCP; none: anybody
}

// OrdersOUCH is where orders come in by OUCH.
type OrdersOUCH struct {
	Listen  string // "" for none
	TLS     TLS
	Loops   int
	Session string
	Limits  OrdersOUCHLimits
}

// OrdersOUCHLimits is ouch.Limits, field by field.
type OrdersOUCHLimits struct {
	Connections           int           // open at a time, logged in or not
	ConnectionsPerAddress int           // of one address
	ConnectionsPerSecond  int           // new ones of one address
	FailedLogins          int           // of one address in a minute; more are closed out for a minute
	Login                 time.Duration // from the connection to the login request
	Silence               time.Duration // of a client, whose login does not say, after which it is dead
	Slow                  time.Duration // how long a client may not read what waits for it
	Garbage               int           // messages of a connection that cannot be read; then it is closed
}

// OrdersHTTP is where orders come in by HTTP.
type OrdersHTTP struct {
	Listen      string          // "" for none
	TLS         bool            // with Certificate
	Certificate tls.Certificate //
	Limits      OrdersHTTPLimits
}

// OrdersHTTPLimits is web.Limits, field by field.
type OrdersHTTPLimits struct {
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

// OrdersShareBase is added to the number of an instrument for that of the asset which it is itself.
const OrdersShareBase = 1 << 24

const (
	ordersAccountsMax = 100_000
	ordersQuote       = "USD"
	ordersSecretMin   = 16
)

// ordersDefaults is a section that says nothing.
func ordersDefaults() Orders {
	return Orders{
		Publish: true, MarketData: OrdersMarketData{Session: "TIDEGATE"},
		OUCH: OrdersOUCH{Loops: 1, Session: "TIDEGATE", Limits: OrdersOUCHLimits{
			Connections: 1024, ConnectionsPerAddress: 64, ConnectionsPerSecond: 16, FailedLogins: 16,
			Login: 5 * time.Second, Silence: 15 * time.Second, Slow: 10 * time.Second, Garbage: 100,
		}},
		HTTP: OrdersHTTP{Limits: OrdersHTTPLimits{
			Connections: 1024, ConnectionsPerAddress: 64, ConnectionsPerSecond: 32, FailedSignatures: 32,
			RequestsPerSecond: 200, Streams: 4, Window: 5 * time.Second, Ahead: time.Second,
			Answer: 5 * time.Second, Slow: 10 * time.Second,
		}},
	}
}

// ordersReader reads the section of that name. What names something else is checked when all is known.
type ordersReader struct {
	*reader
	o     *Orders
	later []func()
	used  map[string]bool // "account 7", "user ALICE"
}

// orders reads the section of that name.
func (r *reader) orders(o *Orders, v value) {
	*o = ordersDefaults()
	x := &ordersReader{reader: r, o: o, used: make(map[string]bool)}
	found := v.mapping(
		field{"dir", text(&o.Dir, 1, 4096)},
		field{"durability", choice(&o.Relaxed, []string{"journaled", "relaxed"}, []bool{false, true})},
		field{"commit_every", duration(&o.CommitEvery, 10*time.Microsecond, time.Second)},
		field{"snapshot_every", integer(&o.SnapshotEvery, 1000, 1<<40)},
		field{"matching_loops", integer(&o.MatchingLoops, 0, 32)},
		field{"publish", boolean(&o.Publish)},
		field{"assets", x.assets},
		field{"instruments", x.instruments},
		field{"accounts", x.accounts},
		field{"sessions", x.sessions},
		field{"accounts_file", x.accountsFile},
		field{"lanes", x.lanes},
		field{"memory", x.memory},
		field{"market_data", x.marketData},
		field{"ouch", x.ouch},
		field{"http", x.http},
	)
	if len(found) == 0 {
		*o = Orders{}
		return
	}
	x.shares()
	for i := 0; i < len(x.later); i++ { // one may add another
		x.later[i]()
	}
	if o.Dir == "" {
		v.mistake("no dir", "a directory for what the market has promised")
	} else {
		o.Dir = r.path(o.Dir)
	}
	if len(o.Instruments) == 0 {
		v.mistake("no instruments", "at least one")
	}
	if file, ok := found["accounts_file"]; ok {
		for _, name := range []string{"accounts", "sessions"} {
			if _, too := found[name]; too {
				file.mistake(name+" beside a file of them", "them here, or in the file")
			}
		}
	}
	x.ports(v)
}

// ports checks that who may log in finds a port, and that no port is without somebody.
func (x *ordersReader) ports(v value) {
	ouch := slices.ContainsFunc(x.o.Sessions, func(s OrdersSession) bool { return s.Username != "" })
	http := slices.ContainsFunc(x.o.Sessions, func(s OrdersSession) bool { return s.Key != "" })
	for _, port := range []struct {
		name      string
		open, has bool
	}{{"ouch", x.o.OUCH.Listen != "", ouch}, {"http", x.o.HTTP.Listen != "", http}} {
		switch {
		case port.open && !port.has:
			v.mistake(port.name+" without a session of it", "at least one")
		case !port.open && port.has:
			v.mistake("sessions of "+port.name+", which does not listen", port.name+".listen")
		}
	}
	if x.o.OUCH.TLS.Listen != "" && x.o.OUCH.Listen == "" {
		v.mistake("ouch with tls alone", "ouch.listen too, on a loopback address where nobody else should use it")
	}
}

// id checks that an id is there, and another for each of a kind.
func (x *ordersReader) id(kind string, v value, found map[string]value) {
	at, ok := found["id"]
	if !ok {
		v.mistake("no id", "a number, which stays with the "+kind)
		return
	}
	x.once(kind+" id", at.describe(), at)
}

// once refuses what is there already. Nothing is there as often as one likes.
func (x *ordersReader) once(kind, name string, v value) {
	if name == "" {
		return
	}
	if x.used[kind+" "+name] {
		v.mistake(fmt.Sprintf("%q again", strings.Trim(name, `"`)), "another "+kind)
	}
	x.used[kind+" "+name] = true
}

// need checks that fields are there.
func need(v value, found map[string]value, names ...string) {
	for _, name := range names {
		if _, ok := found[name]; !ok {
			v.mistake("no "+name, "one")
		}
	}
}

func (x *ordersReader) assets(v value) {
	v.sequence(func(v value) {
		var a OrdersAsset
		found := v.mapping(field{"id", integer(&a.ID, 1, OrdersShareBase)}, field{"name", word(&a.Name, 16)})
		x.id("asset", v, found)
		need(v, found, "name")
		x.once("asset", a.Name, v)
		x.o.Assets = append(x.o.Assets, a)
	})
}

// shares makes the assets that nobody has to name: the currency, and instruments that are assets themselves.
func (x *ordersReader) shares() {
	if len(x.o.Assets) == 0 {
		x.o.Assets = []OrdersAsset{{1, ordersQuote}}
	}
	for i := range x.o.Instruments {
		if in := &x.o.Instruments[i]; in.Base == "" {
			if in.Base = in.Symbol; !x.asset(in.Base) {
				x.o.Assets = append(x.o.Assets, OrdersAsset{OrdersShareBase + in.ID, in.Base})
			}
		}
	}
}

func (x *ordersReader) asset(name string) bool {
	return slices.ContainsFunc(x.o.Assets, func(a OrdersAsset) bool { return a.Name == name })
}

var (
	errOrders    = errors.New("not what is wanted")
	amountFormat = regexp.MustCompile(`^\d{1,18}(\.\d{1,9})?$`)
	// passwordFormat is as far as the configuration knows what tidegate order password makes.
	passwordFormat = regexp.MustCompile(`^pbkdf2-sha256\$\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$`)
)

// word takes text without spaces.
func word(to *string, most int) func(value) {
	return parsed(to, fmt.Sprintf("1 to %d printable characters without spaces", most), func(s string) (string, error) {
		if s == "" || len(s) > most || !printable(s) {
			return "", errOrders
		}
		return s, nil
	})
}

// amount takes an amount that is not negative.
func amount(to *string) func(value) {
	return parsed(to, "an amount, like 1000 or 0.25", func(s string) (string, error) {
		if !amountFormat.MatchString(s) {
			return "", errOrders
		}
		return s, nil
	})
}

// price takes a price above 0.
func price(to *market.Price) func(value) {
	return parsed(to, "a price above 0, like 0.01", func(s string) (market.Price, error) {
		p, err := market.ParsePrice(s)
		if err == nil && p <= 0 {
			err = errOrders
		}
		return p, err
	})
}
