package lsg

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
)

// Sizes of keys, in bytes.
const (
	KeySize    = 32
	BucketSize = 5
)

// A Key is the secret by which a client authenticates. Package fmt prints it as its bucket only,
// whatever the verb, so that it does not get into a log by accident; a struct that holds it in an
// unexported field must not be printed, because fmt then does not ask the Key. The zero value is no
// key: nothing verifies against it.
type Key struct{ text string }

// ParseKey returns the key with a text: 32 printable ASCII characters without a space or a pipe.
// The error does not show the text.
func ParseKey(text string) (Key, error) {
	if len(text) != KeySize {
		return Key{}, fmt.Errorf("key: %d characters, want %d", len(text), KeySize)
	}
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '|' {
			return Key{}, fmt.Errorf("key: character %d: want printable ASCII without spaces and pipes", i+1)
		}
	}
	return Key{text}, nil
}

// Bucket returns the last five characters, which are no secret, or "" for the zero Key.
func (k Key) Bucket() string {
	if k.text == "" {
		return ""
	}
	return k.text[KeySize-BucketSize:]
}

// Format implements fmt.Formatter: it writes "key ...0abcd".
func (k Key) Format(s fmt.State, _ rune) { fmt.Fprint(s, k.String()) }

// String returns "key ...0abcd", or "no key" for the zero Key.
func (k Key) String() string {
	if k.text == "" {
		return "no key"
	}
	return "key ..." + k.Bucket()
}

// A Challenge is the text that a client must hash together with its key. A gateway makes a fresh
// one for every connection.
type Challenge string

// NewChallenge makes a challenge of 16 bytes of a secure random source: their 32 hexadecimal digits.
func NewChallenge(random [16]byte) Challenge {
	return Challenge(hex.EncodeToString(random[:]))
}

var challengeKeys = []string{"cram"}

// ParseChallenge reads a challenge line. The challenge may have any length.
func ParseChallenge(line []byte) (c Challenge, err error) {
	const what = "challenge line"
	seen, _, err := parsePairs(what, line, challengeKeys, func(_ int, value []byte) error {
		if len(value) == 0 {
			return errMissing
		}
		c = Challenge(value)
		return nil
	})
	if err != nil {
		return "", err
	}
	return c, require(what, seen, challengeKeys, 0)
}

// Append adds the challenge line to b. A gateway sends it in one write with the greeting.
func (c Challenge) Append(b []byte) []byte {
	return append(appendPair(b, len(b), challengeKeys[0], string(c)), '\n')
}

// Answer returns the proof that whoever was challenged has a key: the SHA-256 of "challenge|key".
func (c Challenge) Answer(k Key) Auth {
	a := Auth{Hash: c.hash(k)}
	copy(a.Bucket[:], k.Bucket())
	return a
}

func (c Challenge) hash(k Key) [sha256.Size]byte {
	return sha256.Sum256([]byte(string(c) + "|" + k.text))
}

// Verify returns which of the keys a proof was made with. All keys of the proof's bucket are tried,
// and each is compared in constant time: the time taken tells how many keys are in the bucket, and
// nothing about them.
func (c Challenge) Verify(a Auth, keys []Key) (index int, ok bool) {
	for i, k := range keys {
		if k.Bucket() != string(a.Bucket[:]) {
			continue
		}
		if want := c.hash(k); subtle.ConstantTimeCompare(a.Hash[:], want[:]) == 1 && !ok {
			index, ok = i, true
		}
	}
	return index, ok
}

// Auth is a client's proof that it has a key, in text: 64 hexadecimal digits, "-", the bucket.
type Auth struct {
	Hash   [sha256.Size]byte // of "challenge|key"
	Bucket [BucketSize]byte  // last characters of the key, to find the candidates by
}

// ParseAuth reads the text of a proof. The error does not show the text: it could be a key.
func ParseAuth(text []byte) (a Auth, err error) {
	const digits = 2 * sha256.Size
	if len(text) != digits+1+BucketSize || text[digits] != '-' || !isGraphic(text, '!') {
		return Auth{}, fmt.Errorf("want %d hexadecimal digits, a dash and the last %d characters of the key", digits, BucketSize)
	}
	if _, err := hex.Decode(a.Hash[:], text[:digits]); err != nil {
		return Auth{}, fmt.Errorf("want %d hexadecimal digits before the dash", digits)
	}
	copy(a.Bucket[:], text[digits+1:])
	return a, nil
}

// String returns the text of the proof, in lower case.
func (a Auth) String() string {
	return hex.EncodeToString(a.Hash[:]) + "-" + string(a.Bucket[:])
}
