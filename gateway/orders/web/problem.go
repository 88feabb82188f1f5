package web

import "fmt"

// A Code says what kind of thing is wrong with a request. Programs may rely on codes, people read the text.
type Code string

// Codes.
const (
	CodeRequest     Code = "bad_request"     // the request cannot be read; Field says where
	CodeNoSignature Code = "not_signed"      // a header is missing or cannot be read
	CodeSignature   Code = "bad_signature"   // no such key, or not its signature
	CodeClock       Code = "bad_time"        // signed too long ago, or in the future
	CodeReplayed    Code = "replayed"        // the signature was there before
	CodeRate        Code = "too_many"        // a limit of requests; Retry-After says when to come again
	CodeNotFound    Code = "not_found"       // no such path, order or instrument
	CodeMethod      Code = "bad_method"      // the path has other methods
	CodeTooLarge    Code = "too_large"       // the body, or the headers
	CodeIdempotency Code = "idempotency"     // the idempotency key was used for another request
	CodeRejected    Code = "rejected"        // the order was judged and not taken; Reason says why
	CodeBusy        Code = "busy"            // the lane is full: nothing was done
	CodeUnknown     Code = "outcome_unknown" // no answer in time: it may have been done; ask
	CodeStopping    Code = "stopping"        // the gateway stops
	CodeInternal    Code = "internal"
)

// A problem is an error as it is answered.
type problem struct {
	status int
	code   Code
	field  string // of the request; "" for none
	reason string // of CodeRejected
	text   string
	// retryAfterSeconds is when it is worth another try; 0 for nothing said.
	retryAfterSeconds int
}

// Error returns the text for people.
func (p *problem) Error() string { return p.text }

func problemf(status int, code Code, format string, args ...any) *problem {
	return &problem{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

// badField says that a field of a request is not what is wanted.
func badField(field, format string, args ...any) *problem {
	p := problemf(400, CodeRequest, format, args...)
	p.field = field
	return p
}

// A Problem is how errors are answered: {"error": {"code": ..., "text": ...}}.
type Problem struct {
	Error ProblemBody `json:"error"`
}

// A ProblemBody says what is wrong.
type ProblemBody struct {
	Code   Code   `json:"code"`
	Text   string `json:"text"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason,omitempty"` // why an order was rejected, in one word
}

func (p *problem) body() Problem {
	return Problem{ProblemBody{Code: p.code, Text: p.text, Field: p.field, Reason: p.reason}}
}
