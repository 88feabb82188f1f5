package lsg

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// Greeting is the first line of a gateway.
type Greeting struct {
	Version string // of the gateway; any text without "|" and control characters
}

var greetingKeys = []string{"lsg_version"}

// ParseGreeting reads a greeting line.
func ParseGreeting(line []byte) (g Greeting, err error) {
	const what = "greeting line"
	seen, _, err := parsePairs(what, line, greetingKeys, func(_ int, value []byte) error {
		g.Version = string(value)
		return nil
	})
	if err != nil {
		return Greeting{}, err
	}
	return g, require(what, seen, greetingKeys, 0)
}

// Append adds the greeting line to b. A gateway sends it in one write with the challenge line: one
// client demands that its first read holds the newline.
func (g *Greeting) Append(b []byte) []byte {
	return append(appendPair(b, len(b), greetingKeys[0], clean(g.Version)), '\n')
}

// AuthResponse is the gateway's answer to an AuthRequest. After a refusal the gateway closes. No
// other bytes go into the same write.
type AuthResponse struct {
	Accepted  bool
	SessionID uint64 // if accepted
	Error     string // if not: the reason, which clients show to their user
}

// Places in responseKeys.
const (
	responseSuccess = iota
	responseSessionID
	responseError
)

var responseKeys = []string{"success", "session_id", "error"}

// ErrorTextMax is the most bytes of AuthResponse.Error that are written.
const ErrorTextMax = 300

// ParseAuthResponse reads the gateway's answer.
func ParseAuthResponse(line []byte) (r AuthResponse, err error) {
	const what = "authentication response"
	seen, _, err := parsePairs(what, line, responseKeys, func(key int, value []byte) (err error) {
		switch key {
		case responseSuccess:
			r.Accepted, err = parseBool(value)
		case responseSessionID:
			r.SessionID, err = parseUint(value, 64)
		case responseError:
			r.Error = string(value)
		}
		return err
	})
	if err == nil {
		err = require(what, seen, responseKeys, responseSuccess)
	}
	if err == nil && r.Accepted {
		err = require(what, seen, responseKeys, responseSessionID)
		if r.Error != "" {
			err = errors.New(what + ": success=1 with an error")
		}
	}
	if err != nil {
		return AuthResponse{}, err
	}
	return r, nil
}

// Append adds the response line to b. What cannot be in a value of a line is replaced in Error, and
// what is above ErrorTextMax is cut.
func (r *AuthResponse) Append(b []byte) []byte {
	w := appendPair(b, len(b), responseKeys[responseSuccess], bit(r.Accepted))
	if r.Accepted {
		w = appendPair(w, len(b), responseKeys[responseSessionID], strconv.FormatUint(r.SessionID, 10))
	} else {
		text := r.Error[:min(len(r.Error), ErrorTextMax)]
		w = appendPair(w, len(b), responseKeys[responseError], clean(text))
	}
	return append(w, '\n')
}

// clean returns a text that can be a value of a line: control characters and what is not UTF-8
// become a space, and "|" becomes "/".
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case r == unicode.ReplacementChar || unicode.IsControl(r):
			return ' '
		default:
			return r
		}
	}, text)
}
