package ouch

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A PasswordHash is what is kept of a password: enough to recognise it, and no way back that is faster than to
// try. SoupBinTCP passwords have ten characters at most, and case makes no difference: choose them by chance.
//
//	pbkdf2-sha256$20000$<salt>$<hash>    base64 without padding
type PasswordHash struct {
	iterations int
	salt, sum  []byte
}

const (
	passwordScheme     = "pbkdf2-sha256"
	iterationsDefault  = 20_000 // about 4 ms: a login is judged beside the event loops
	iterationsMax      = 1_000_000
	saltLen, passwdLen = 16, 10
)

// HashPassword returns the text to be kept of a password, with a salt of its own.
func HashPassword(password string) (string, error) {
	if len(password) == 0 || len(password) > passwdLen {
		return "", fmt.Errorf("password of %d characters: want 1 to %d", len(password), passwdLen)
	}
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	h := PasswordHash{iterations: iterationsDefault, salt: salt}
	h.sum = h.of(password)
	return h.String(), nil
}

// ErrPasswordHash is returned for text that is no PasswordHash.
var ErrPasswordHash = errors.New("want " + passwordScheme + "$ITERATIONS$SALT$HASH, as tidegate order password makes it")

// ParsePasswordHash reads what HashPassword has made.
func ParsePasswordHash(text string) (PasswordHash, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != passwordScheme {
		return PasswordHash{}, ErrPasswordHash
	}
	var h PasswordHash
	var errs [3]error
	h.iterations, errs[0] = strconv.Atoi(parts[1])
	h.salt, errs[1] = base64.RawStdEncoding.DecodeString(parts[2])
	h.sum, errs[2] = base64.RawStdEncoding.DecodeString(parts[3])
	if errors.Join(errs[:]...) != nil || h.iterations < 1 || h.iterations > iterationsMax ||
		len(h.salt) < 8 || len(h.sum) != sha256.Size {
		return PasswordHash{}, ErrPasswordHash
	}
	return h, nil
}

// String returns the text that ParsePasswordHash reads.
func (h PasswordHash) String() string {
	return fmt.Sprintf("%s$%d$%s$%s", passwordScheme, h.iterations,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.sum))
}

// Is reports whether this is the password. It takes milliseconds. The zero value is no password's.
func (h PasswordHash) Is(password string) bool {
	return len(h.sum) > 0 && subtle.ConstantTimeCompare(h.of(password), h.sum) == 1
}

func (h PasswordHash) of(password string) []byte {
	sum, err := pbkdf2.Key(sha256.New, strings.ToUpper(password), h.salt, h.iterations, sha256.Size)
	if err != nil {
		panic("ouch: pbkdf2: " + err.Error()) // only for lengths that nobody asks for
	}
	return sum
}
