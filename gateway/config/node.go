package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A value is a place in the file.
type value struct {
	r    *reader
	node ast.Node // nil: the file is empty
	path string   // "feeds[0].name"
	line int
	col  int
}

// reader walks a file and collects what is wrong with it.
type reader struct {
	env      Environment
	dir      string
	mistakes []Mistake
	at       map[string]value // every field that the file has, by its path
	datasets []value          // of keys, to be checked when all feeds are known
}

// mistake notes what is wrong with a value.
func (v value) mistake(found, want string) {
	v.r.mistakes = append(v.r.mistakes, Mistake{Line: v.line, Column: v.col, Field: v.path, Found: found, Want: want})
}

// child is a value inside v.
func (v value) child(node ast.Node, path string) value {
	c := value{r: v.r, node: node, path: path, line: v.line, col: v.col}
	if _, nothing := node.(*ast.NullNode); nothing || node == nil {
		return c // where v is
	}
	if n, ok := node.(*ast.MappingNode); ok && !n.IsFlowStyle && len(n.Values) > 0 {
		node = n.Values[0].Key // its own token is the colon
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		c.line, c.col = t.Position.Line, t.Position.Column
	}
	return c
}

// field is one that a mapping may have.
type field struct {
	name string
	set  func(value)
}

// mapping gives each field of a mapping to its set, in the order of the file. Without a value, a
// mapping is empty. It returns the values by name.
func (v value) mapping(fields ...field) map[string]value {
	found := make(map[string]value)
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode:
		for _, entry := range n.Values {
			v.entry(entry, fields, found)
		}
	case *ast.MappingValueNode:
		v.entry(n, fields, found)
	default:
		v.mistake(v.describe(), "fields: "+names(fields))
	}
	return found
}

func (v value) entry(entry *ast.MappingValueNode, fields []field, found map[string]value) {
	name := entry.Key.GetToken().Value
	path := name
	if v.path != "" {
		path = v.path + "." + name
	}
	key := v.child(entry.Key, path)
	for _, f := range fields {
		if f.name != name {
			continue
		}
		if _, twice := found[name]; twice {
			key.mistake("the field again", "it once")
			return
		}
		found[name] = key.child(entry.Value, path)
		v.r.at[path] = found[name]
		f.set(found[name])
		return
	}
	key.path = v.path
	key.mistake(fmt.Sprintf("unknown field %q", shorten(name)), "one of "+names(fields))
}

func names(fields []field) string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return strings.Join(list, ", ")
}

// sequence gives each element to set.
func (v value) sequence(set func(value)) {
	switch n := v.node.(type) {
	case *ast.NullNode:
	case *ast.SequenceNode:
		for i, element := range n.Values {
			set(v.child(element, fmt.Sprintf("%s[%d]", v.path, i)))
		}
	default:
		v.mistake(v.describe(), "a list")
	}
}

// describe says what stands there.
func (v value) describe() string {
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return "an anchor, alias or tag"
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.StringNode:
		return strconv.Quote(shorten(n.Value))
	default:
		return shorten(n.GetToken().Value)
	}
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

// scalar returns the text of a value that is text or a number.
func (v value) scalar() (string, bool) {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

// parsed takes a value that parse understands. The error of parse is not shown: want says it all.
func parsed[T any](to *T, want string, parse func(string) (T, error)) func(value) {
	return func(v value) {
		if text, ok := v.scalar(); ok {
			if x, err := parse(text); err == nil {
				*to = x
				return
			}
		}
		v.mistake(v.describe(), want)
	}
}

// text takes text of a length from least to most bytes.
func text(to *string, least, most int) func(value) {
	return parsed(to, fmt.Sprintf("text of %d to %d characters", least, most), func(s string) (string, error) {
		if len(s) < least || len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", strconv.ErrRange
		}
		return s, nil
	})
}

// choice takes one of several words.
func choice[T any](to *T, words []string, values []T) func(value) {
	return func(v value) {
		if text, ok := v.scalar(); ok {
			for i, word := range words {
				if word == text {
					*to = values[i]
					return
				}
			}
		}
		v.mistake(v.describe(), "one of "+strings.Join(words, ", "))
	}
}

func boolean(to *bool) func(value) {
	return func(v value) {
		n, ok := v.node.(*ast.BoolNode)
		if !ok {
			v.mistake(v.describe(), "true or false")
			return
		}
		*to = n.Value
	}
}

// integer takes a number from least to most.
func integer(to *int, least, most int) func(value) {
	return func(v value) {
		if n, ok := v.node.(*ast.IntegerNode); ok {
			if i, ok := asInt(n.Value); ok && i >= least && i <= most {
				*to = i
				return
			}
		}
		v.mistake(v.describe(), fmt.Sprintf("a whole number from %d to %d", least, most))
	}
}

func asInt(x any) (int, bool) {
	switch x := x.(type) {
	case int64:
		return int(x), true
	case uint64:
		return int(x), x <= math.MaxInt
	default:
		return 0, false
	}
}

// size takes a number of bytes from least to most.
func size(to *int, least, most int) func(value) {
	return parsed(to, fmt.Sprintf("a size from %s to %s", FormatSize(least), FormatSize(most)), func(s string) (int, error) {
		n, err := parseSize(s)
		if err == nil && (n < least || n > most) {
			err = strconv.ErrRange
		}
		return n, err
	})
}

var sizeUnits = []struct {
	name  string
	bytes int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseSize(s string) (int, error) {
	unit := 1
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimRight(number, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || n > math.MaxInt/uint64(unit) {
		return 0, strconv.ErrRange
	}
	return int(n) * unit, nil
}

// FormatSize writes a number of bytes as the configuration does: 65536 is "64 KiB".
func FormatSize(n int) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	return strconv.Itoa(n)
}

// duration takes a length of time from least to most.
func duration(to *time.Duration, least, most time.Duration) func(value) {
	return parsed(to, fmt.Sprintf("a duration from %v to %v", least, most), func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && (d < least || d > most) {
			err = strconv.ErrRange
		}
		return d, err
	})
}
