package lsg

import (
	"fmt"
	"strings"
	"testing"
)

func TestChallengeVector(t *testing.T) {
	key := mustKey(t, vectorKey)
	if got := Challenge(vectorChallenge).Answer(key).String(); got != vectorAuth {
		t.Errorf("answer %s, want %s", got, vectorAuth)
	}
	if a := mustAuth(t, strings.ToUpper(vectorAuth[:64])+"-0abcd"); a.String() != vectorAuth {
		t.Errorf("upper case digits: %s, want %s", a, vectorAuth)
	}
}

func TestNewChallenge(t *testing.T) {
	c := NewChallenge([16]byte{0, 1, 0xfe, 15: 0xff})
	if want := Challenge("0001fe000000000000000000000000ff"); c != want {
		t.Errorf("challenge %q, want %q", c, want)
	}
}

func TestVerify(t *testing.T) {
	const c = Challenge(vectorChallenge)
	keys := []Key{
		{}, // no key: never matches
		mustKey(t, "db-AnotherKeyOfTheSameBucket0abcd"[:27]+"0abcd"),
		mustKey(t, vectorKey),
		mustKey(t, "db-ExampleKeyForTests0000000abce"),
		mustKey(t, vectorKey), // given twice: the first counts
	}
	for i, want := range []int{1: 1, 2: 2, 3: 3, 4: 2} {
		if i == 0 {
			continue
		}
		if got, ok := c.Verify(c.Answer(keys[i]), keys); !ok || got != want {
			t.Errorf("key %d: Verify = %d, %t, want %d", i, got, ok, want)
		}
	}
	answer := c.Answer(keys[2])
	for name, a := range map[string]Auth{
		"zero":            {},
		"of the zero key": c.Answer(Key{}),
		"other challenge": (c + "x").Answer(keys[2]),
		"other bucket":    {Hash: answer.Hash, Bucket: [5]byte([]byte("0abce"))},
		"unknown key":     c.Answer(mustKey(t, "db-ExampleKeyForTests0000001abcd")),
		"no key's bucket": {Hash: answer.Hash, Bucket: [5]byte([]byte("zzzzz"))},
	} {
		if i, ok := c.Verify(a, keys); ok {
			t.Errorf("%s: verified as key %d", name, i)
		}
	}
	for bit := range len(answer.Hash) * 8 {
		a := answer
		a.Hash[bit/8] ^= 1 << (bit % 8)
		if _, ok := c.Verify(a, keys); ok {
			t.Fatalf("verified with bit %d of the hash changed", bit)
		}
	}
	if _, ok := c.Verify(answer, nil); ok {
		t.Error("verified without keys")
	}
}

func TestParseKey(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "key: 0 characters, want 32"},
		{vectorKey[1:], "key: 31 characters, want 32"},
		{vectorKey + "x", "key: 33 characters, want 32"},
		{vectorKey[:31] + "\n", "key: character 32: want printable ASCII"},
		{" " + vectorKey[1:], "key: character 1: "},
		{vectorKey[:10] + "|" + vectorKey[11:], "key: character 11: "},
		{vectorKey[:30] + "é", "key: character 31: "},
	} {
		k, err := ParseKey(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || k != (Key{}) {
			t.Errorf("ParseKey(%q): %v, want %q", c.text, err, c.want)
		}
		if err != nil && len(c.text) > 5 && strings.Contains(err.Error(), c.text[:5]) {
			t.Errorf("error shows the key: %v", err)
		}
	}
}

func TestKeyDoesNotPrint(t *testing.T) {
	key := mustKey(t, vectorKey)
	config := struct{ Key Key }{key}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{key, &key, config, []Key{key}, map[string]Key{"a": key}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "Example") || strings.Contains(got, "4578616d706c65") {
				t.Errorf("%s of %T prints %q", verb, value, got)
			}
		}
	}
	if got := key.String(); got != "key ...0abcd" || key.Bucket() != "0abcd" {
		t.Errorf("prints %q", got)
	}
	if got := (Key{}).String(); got != "no key" || (Key{}).Bucket() != "" {
		t.Errorf("the zero key prints %q", got)
	}
}
