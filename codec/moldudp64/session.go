package moldudp64

import (
	"fmt"
	"strings"
)

// SessionLen is the length in bytes of a session name.
const SessionLen = 10

// Session names a run of sequence numbers: numbers of different sessions have nothing to do with
// each other. It is text, padded with spaces.
type Session [SessionLen]byte

// ParseSession returns the session with a name of at most SessionLen printable ASCII characters,
// left-justified and padded with spaces.
func ParseSession(name string) (Session, error) {
	var s Session
	if len(name) > len(s) {
		return Session{}, fmt.Errorf("session %q: %d bytes, want at most %d", name, len(name), len(s))
	}
	for i := range s {
		switch {
		case i >= len(name):
			s[i] = ' '
		case name[i] < ' ' || name[i] > '~':
			return Session{}, fmt.Errorf("session %q: byte %#02x at %d, want printable ASCII", name, name[i], i)
		default:
			s[i] = name[i]
		}
	}
	return s, nil
}

// String returns the name without padding. Some publishers justify to the right and some pad with
// zero bytes, so that both are taken off at both ends.
func (s Session) String() string { return strings.Trim(string(s[:]), " \x00") }
