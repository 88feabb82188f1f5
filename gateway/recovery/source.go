package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tidegate/arbiter"
	"tidegate/codec/itch50"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway"
	"tidegate/internal/soup"
)

// A Source is a server that snapshots of a channel come from.
type Source interface {
	// Fetch takes one snapshot, from the call of the server to its end: it hands each message to take, in order,
	// and says what the snapshot is. held is the first message of the channel that is kept: a snapshot that does
	// not take in the one before is of no use. A message is valid only during the call of take, whose error ends
	// the fetch and is returned wrapped. There is one attempt. When ctx ends Fetch returns, and nothing runs on.
	Fetch(ctx context.Context, held uint64, take func(msg []byte) error) (Snapshot, error)
	// Validate reports the first thing that is wrong with how the server is called, and what is expected instead.
	Validate() error
	// String returns the name used in reports: the address.
	String() string
}

// A Snapshot says what a snapshot was.
type Snapshot struct {
	// Next is the sequence of the channel's message after it: it is the state before that one.
	Next uint64
	// Session is the name of the channel's session that it is of, without padding; "" where the server says
	// nothing of it.
	Session string
}

// Errors of a Fetch that tell Outcomes apart. Others are Unreachable.
var (
	// ErrBroken: the snapshot ended, or its connection did, before its end.
	ErrBroken = errors.New("recovery: snapshot without an end")
	// ErrGarbage: something came that is no message of the feed, or not in its place.
	ErrGarbage = errors.New("recovery: no message of the feed")
	// ErrTooLarge: the snapshot has more messages or bytes than it may have.
	ErrTooLarge = errors.New("recovery: snapshot larger than it may be")
)

// Glimpse is a Source of ITCH snapshots by Nasdaq GLIMPSE 5.0.
type Glimpse struct {
	soup.SnapshotConfig
	// OwnSessions says that the sessions of the server are its own: their names are not those of the channel,
	// and nothing follows from them.
	OwnSessions bool
}

// NewGlimpse returns a server whose sessions are those of the channel.
func NewGlimpse(address, username, password string) *Glimpse {
	return &Glimpse{SnapshotConfig: soup.DefaultSnapshotConfig(address, username, password)}
}

// String returns the address.
func (g *Glimpse) String() string { return g.Address }

// Fetch takes a snapshot. See Source.
func (g *Glimpse) Fetch(ctx context.Context, _ uint64, take func([]byte) error) (Snapshot, error) {
	s, err := soup.FetchSnapshot(ctx, g.SnapshotConfig, take)
	switch {
	case errors.Is(err, soup.ErrOversize):
		return Snapshot{}, fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, soup.ErrTruncated):
		return Snapshot{}, fmt.Errorf("%w: %w", ErrBroken, err)
	case errors.Is(err, itch50.ErrLength), errors.Is(err, itch50.ErrNumber):
		return Snapshot{}, fmt.Errorf("%w: %w", ErrGarbage, err) // an End of Snapshot that is none
	case err != nil:
		return Snapshot{}, err
	}
	of := Snapshot{Next: s.Next}
	if !g.OwnSessions {
		of.Session = s.Session.String()
	}
	return of, nil
}

// sessionName returns the name of a session without its padding.
func sessionName(s arbiter.Session) string {
	var b [soupbintcp.SessionLen]byte
	return string(bytes.Trim(s.AppendBytes(b[:0]), " \x00"))
}

// plausible reports whether a message is of a type and a length that the feed has.
func plausible(f gateway.Feed, msg []byte) bool {
	if len(msg) == 0 {
		return false
	}
	if f == gateway.PITCH {
		return plausiblePITCH(msg)
	}
	return itch50.Length(msg[0]) == len(msg)
}
