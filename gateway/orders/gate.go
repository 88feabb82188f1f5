package orders

import (
	"context"
	"errors"

	"tidegate/book/match"
	"tidegate/market"
)

// Errors of a gate.
var (
	// ErrBusy is returned for a query when too many wait.
	ErrBusy = errors.New("busy: too many queries wait")
	// ErrAttached is returned for a session that has a link.
	ErrAttached = errors.New("the session is attached already")
	// ErrDetached is returned by a link that was detached, or pushed aside by Takeover.
	ErrDetached = errors.New("the link was detached")
	// ErrBehind is returned by Link.Read for reports that are no longer in memory: see Link.History.
	ErrBehind = errors.New("the reports are not in memory any more")
	// ErrAhead is returned for a report number that does not exist yet.
	ErrAhead = errors.New("there is no report of that number yet")
	// ErrClosed is returned by a gate that is closed.
	ErrClosed = errors.New("the gate is closed")
)

// A Gate is the running whole: lanes, loops, log, sessions. Its methods may be called by any goroutine.
type Gate struct{}

// Open restores what the directory holds, begins to take requests, and returns when that is so.
func Open(cfg Config) (*Gate, error) { return nil, ErrClosed }

// Close takes no more requests, lets what was taken become durable, and ends. Links see ErrClosed.
func (g *Gate) Close(ctx context.Context) error { return ErrClosed }

// Session returns a session of the configuration.
func (g *Gate) Session(id SessionID) (*Session, bool) { return nil, false }

// SessionByName returns a session of the configuration.
func (g *Gate) SessionByName(name string) (*Session, bool) { return nil, false }

// Instrument returns an instrument by its symbol.
func (g *Gate) Instrument(symbol string) (Instrument, bool) { return Instrument{}, false }

// InstrumentByID returns an instrument.
func (g *Gate) InstrumentByID(id market.InstrumentID) (Instrument, bool) { return Instrument{}, false }

// Account returns what is configured of an account.
func (g *Gate) Account(id AccountID) (Account, bool) { return Account{}, false }

// Reference says how the consolidated market of an instrument stands: see match.ReferenceInput. It never
// waits; of several that come before the admission loop looks, the last counts. References are taken before
// any lane.
func (g *Gate) Reference(id market.InstrumentID, bid, ask market.Price, fresh bool, at market.Nanos) {
}

// SetState changes the trading state of an instrument. It returns when that is durable.
func (g *Gate) SetState(ctx context.Context, id market.InstrumentID, s match.State) error {
	return ErrClosed
}

// Kill turns the kill switch of an account on or off, or of all accounts for 0. On refuses what comes and
// waits, and cancels all orders. It acts at once, and returns when it is durable.
func (g *Gate) Kill(ctx context.Context, id AccountID, on bool) error { return ErrClosed }

// Adjust adds an amount, which may be negative, to a balance. reference is a number of the caller's, higher
// for each adjustment of the account: one that is not higher than the last was made before, and
// is not made again. It returns when it is durable.
func (g *Gate) Adjust(ctx context.Context, account AccountID, asset AssetID, amount Money, reference uint64) error {
	return ErrClosed
}

// A Session is one stream of numbered reports. It lives as long as the gate.
type Session struct{}

// ID returns the number of the session.
func (s *Session) ID() SessionID { return 0 }

// Name returns the name of the session.
func (s *Session) Name() string { return "" }

// Accounts returns the accounts of the session. The slice is not to be changed.
func (s *Session) Accounts() []AccountID { return nil }

// Next returns the number of the next report: one more than there are that can be read.
func (s *Session) Next() uint64 { return 0 }

// Attach makes the caller the one who submits for the session. wake, if not nil, is called whenever
// there is more to read: by the publisher, so it must not wait, and only has to tell somebody else. The error is
// ErrAttached if the session has a link already.
func (s *Session) Attach(wake func()) (*Link, error) { return nil, ErrAttached }

// Takeover is Attach in place of whoever is attached, whose link is Detached by that without canceling
// anything. pushed reports whether there was somebody.
func (s *Session) Takeover(wake func()) (l *Link, pushed bool) { return nil, false }

// A Link is the attachment of a protocol to a session. Its methods may be called by any goroutine, and
// none but History waits.
type Link struct{}

// Submit puts a request into its lane. If it is Taken, ticket is what its reports carry.
func (l *Link) Submit(r *Request) (ticket Ticket, v Verdict) { return 0, Closing }

// Read copies reports from number from on into dst, as many as there are in memory and fit, and returns
// how many. 0 is that there are no more yet. The error is ErrBehind for reports that are not in memory
// any more, ErrAhead for a number above Next, ErrDetached, or ErrClosed.
func (l *Link) Read(from uint64, dst []Report) (n int, err error) { return 0, ErrClosed }

// History is Read from disk, for numbers that Read calls ErrBehind. It may wait for the disk. It
// returns 0 where memory begins: there Read goes on.
func (l *Link) History(from uint64, dst []Report) (n int, err error) { return 0, ErrClosed }

// Detach ends the link: orders with CancelOnDisconnect that came by the session are canceled, and those that
// wait in lanes are refused.
func (l *Link) Detach() {}

// An OrderState is a live order as of Index.
type OrderState struct {
	match.Order
	SessionID SessionID
	ID        ClientID
	Echo      Echo
	Entered   market.Nanos
}

// A Balance is what an account has of an asset. Available is Total + Credit - Reserved.
type Balance struct {
	Asset                   AssetID
	Total, Reserved, Credit Money
}

// OpenOrders appends live orders of an account to dst, by OrderID, those above after, until its capacity is
// used. index is the last entry of the input log that they take into account. ErrBusy: lane 4 is full.
func (g *Gate) OpenOrders(ctx context.Context, account AccountID, after uint64, dst []OrderState) (orders []OrderState, index uint64, err error) {
	return nil, 0, ErrClosed
}

// Order returns a live order of an account.
func (g *Gate) Order(ctx context.Context, account AccountID, id uint64) (o OrderState, ok bool, err error) {
	return o, false, ErrClosed
}

// Balances appends the balances of an account to dst, by asset.
func (g *Gate) Balances(ctx context.Context, account AccountID, dst []Balance) (balances []Balance, index uint64, err error) {
	return nil, 0, ErrClosed
}

// AccountHistory copies the reports of an account, whichever session they went to, into dst. They are numbered
// from 1 in the order in which they happened; total is how many there are. Report.Number stays that of the
// session.
func (g *Gate) AccountHistory(ctx context.Context, account AccountID, from uint64, dst []Report) (n int, total uint64, err error) {
	return 0, 0, ErrClosed
}
