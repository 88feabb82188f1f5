package market

// A Verdict says what became of one message. Every message that does not do what it says has a
// verdict with its reason, and every verdict is counted: nothing is lost silently.
type Verdict uint8

// Verdicts on messages. Those from Short on are faults of the message; the decoder gives those up
// to BadTime, the book the others.
const (
	Applied        Verdict = iota // did what it says
	Cold                          // decoded; not about a book (directory, status, ...)
	Ignored                       // valid, and by its meaning changes nothing here
	Short                         // shorter than its type demands
	Long                          // longer than its type allows
	UnknownType                   // a type the protocol version does not have
	BadField                      // a field holds a value the protocol does not allow
	BadPrice                      // a price outside what Price can hold
	BadTime                       // a timestamp outside its day
	UnknownOrder                  // names an order that is not in the book
	DuplicateOrder                // adds an order that is already in the book
	WrongBook                     // names an order of another instrument
	Oversize                      // removes more than the order has; what it had was removed
	UnknownLevel                  // removes a price level that is not in the book
	BookFull                      // a limit of the book was reached
	VerdictCount
)

var verdictNames = [VerdictCount]string{
	"applied", "cold", "ignored", "short", "long", "unknown-type", "bad-field", "bad-price",
	"bad-time", "unknown-order", "duplicate-order", "wrong-book", "oversize", "unknown-level",
	"book-full",
}

// String returns the name used in counters and summaries.
func (v Verdict) String() string {
	if v < VerdictCount {
		return verdictNames[v]
	}
	return "verdict?"
}

// Fault reports whether the verdict is about something that went wrong.
func (v Verdict) Fault() bool { return v >= Short }
