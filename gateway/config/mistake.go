package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	Line, Column int    // from 1; 0 where it is about the whole file
	Field        string // "feeds[0].lines[1].address"; "" for the whole file
	Found        string // never a secret
	Want         string
	// Text is the line, or the part of it around Column, which is its character TextColumn from 0. It is
	// there where the file is no YAML, else "". What may be a secret is hidden.
	Text       string
	TextColumn int
}

func (m Mistake) String() string {
	var b strings.Builder
	if m.Field != "" {
		b.WriteString(m.Field + ": ")
	}
	b.WriteString("found " + m.Found)
	if m.Want != "" {
		b.WriteString(", want " + m.Want)
	}
	return b.String()
}

// keyPlace is where a key may stand that was not given as the field of one.
var keyPlace = regexp.MustCompile(`^subscribers\.keys(\[\d+\])?$`)

// hideKeys keeps a key that stands where its fields should be out of the error.
func (m *Mistake) hideKeys() {
	if keyPlace.MatchString(m.Field) {
		m.Found = hideLongWords(m.Found)
	}
}

// An Error is everything that is wrong with a configuration, in the order of the file.
type Error struct {
	File     string
	Mistakes []Mistake
}

// Error has a line for each mistake, and two below it that show where it is if it has a text.
func (e *Error) Error() string {
	var lines []string
	for _, m := range e.Mistakes {
		if m.Line == 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", e.File, m))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", e.File, m.Line, m.Column, m))
		if m.Text != "" {
			lines = append(lines, "    "+m.Text, fmt.Sprintf("    %*s", m.TextColumn+1, "^"))
		}
	}
	return strings.Join(lines, "\n")
}

func (e *Error) sort() {
	slices.SortStableFunc(e.Mistakes, func(a, b Mistake) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}
