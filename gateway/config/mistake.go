package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	Line, Column int    // from 1; 0 where it is about the whole file
	Field        string // "feeds[0].lines[1].address"; "" for the whole file
	Found        string // never a secret
	Want         string
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

// An Error is everything that is wrong with a configuration, in the order of the file.
type Error struct {
	File     string
	Mistakes []Mistake
}

// Error has a line for each mistake.
func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.File, m.Line, m.Column, m)
		if m.Line == 0 {
			lines[i] = fmt.Sprintf("%s: %s", e.File, m)
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
