package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// syntax reads the file as YAML whose document is a mapping. It reports false, and the one mistake
// that hides all others, if it is not.
func (r *reader) syntax(b []byte) (root value, ok bool) {
	root = value{r: r, line: 1, col: 1}
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // some editors begin a file with it
	if !root.isText(b) {
		return root, false
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		r.syntaxError(b, err)
		return root, false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			root.child(doc.Body, "").mistake("another document", "one")
			return root, false
		default:
			body = doc.Body
		}
	}
	if body == nil {
		r.mistakes = append(r.mistakes, Mistake{Found: "no setting", Want: "feeds and subscribers at least"})
		return root, false
	}
	root = root.child(body, "")
	switch body.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return root, true
	default:
		root.mistake(root.describe(), `fields, such as "feeds:" and "subscribers:"`)
		return root, false
	}
}

// isText reports whether the file is text of a length that is read, and its first byte that is not.
func (v value) isText(b []byte) bool {
	if len(b) > fileBytesMax {
		v.r.mistakes = append(v.r.mistakes, Mistake{
			Found: "more than " + FormatSize(fileBytesMax), Want: "a configuration, which is shorter",
		})
		return false
	}
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		v.mistake("text in UTF-16", "UTF-8")
		return false
	}
	for at := 0; at < len(b); {
		c, n := utf8.DecodeRune(b[at:])
		switch {
		case c == '\n':
			v.line, v.col = v.line+1, 0
		case c == utf8.RuneError && n == 1, c < ' ' && c != '\t' && c != '\r', c == 0x7f:
			v.mistake(fmt.Sprintf("the byte 0x%02x", b[at]), "text in UTF-8")
			return false
		}
		v.col++
		at += n
	}
	return true
}

// syntaxError notes what the parser says, in our words where they help more, with the line.
func (r *reader) syntaxError(b []byte, err error) {
	message, _, _ := strings.Cut(err.Error(), "\n")
	m := Mistake{Line: 1, Column: 1}
	if s := (*yaml.SyntaxError)(nil); errors.As(err, &s) {
		message = s.Message
		if t := s.Token; t != nil && t.Position != nil {
			m.Line, m.Column = t.Position.Line, t.Position.Column
		}
	}
	m.Found, m.Want = "text that is no YAML: "+message, ""
	for _, k := range knownErrors {
		if match := k.message.FindStringSubmatch(message); match != nil {
			m.Found, m.Want = k.found, k.want
			for i, part := range match[1:] {
				placeholder := fmt.Sprintf("$%d", i+1)
				m.Found = strings.ReplaceAll(m.Found, placeholder, part)
				m.Want = strings.ReplaceAll(m.Want, placeholder, part)
			}
			break
		}
	}
	m.Text, m.TextColumn = excerpt(b, m.Line, m.Column)
	r.mistakes = append(r.mistakes, m)
}

// knownErrors are messages of the parser that say what it could not do, where a user wants to know
// what to write. Parts of a message are $1, $2.
var knownErrors = []struct {
	message     *regexp.Regexp
	found, want string
}{
	{regexp.MustCompile(`tab character|character '\t'`), "a tab", "spaces: YAML does not indent with tabs"},
	{regexp.MustCompile(`^could not find end character of double-quoted`), `a quote that is not closed`, `another " at the end of the text`},
	{regexp.MustCompile(`^could not find end character of single-quoted`), `a quote that is not closed`, `another ' at the end of the text`},
	{regexp.MustCompile(`^sequence end token '\]' not found`), "a list that is not closed", "a ] at its end"},
	{regexp.MustCompile(`^could not find flow map(ping end token| content)`), "fields that are not closed", "a } at their end"},
	{regexp.MustCompile(`^',' or '(.)' must be specified`), "something else after an element", "a comma, or a $1 after the last one"},
	{regexp.MustCompile(`^could not find '(.)' character corresponding to '(.)'`), "a $2 without its $1", "both or none"},
	{regexp.MustCompile(`^mapping value is not allowed`), "a field inside a text", "quotes around a text with a colon in it, and each field on a line of its own"},
	{regexp.MustCompile(`^value is not allowed in this context|^unexpected scalar value`), "a line that does not belong to the one before", "fields of one thing right below each other, with as many spaces before them"},
	{regexp.MustCompile(`^unexpected key name|^non-map value is specified`), "a text where a field should be", "its name and a colon"},
	{regexp.MustCompile(`^block sequence entries are not allowed`), "the - of a list behind something else", "it on a line of its own"},
	{regexp.MustCompile(`^'(.)' is a reserved character`), "a $1, with which no text begins", "quotes around the text"},
	{regexp.MustCompile(`^found unknown escape character '(.*)'`), `\$1 in double quotes`, "single quotes"},
	{regexp.MustCompile(`^mapping key (".*") already defined at \[(\d+):`), "the field $1 again", "it once: line $2 has it"},
}

// excerptMax is how much of a line is shown, in characters.
const excerptMax = 76

// excerpt returns the part of a line around a column, with nothing in it that may be secret, and where
// the column is in it, from 0.
func excerpt(b []byte, line, col int) (text string, at int) {
	lines := bytes.Split(b, []byte("\n"))
	if line < 1 || line > len(lines) {
		return "", 0
	}
	shown := []rune(strings.ReplaceAll(hideSecrets(strings.TrimRight(string(lines[line-1]), "\r")), "\t", "→"))
	at = min(max(col-1, 0), len(shown))
	if from := at - excerptMax/2; from > 0 && len(shown) > excerptMax {
		from = min(from, len(shown)-excerptMax)
		shown, at = shown[from:], at-from
	}
	return string(shown[:min(len(shown), excerptMax)]), at
}

// Where there is no YAML, no field says what a text is. So what follows the name of a secret field is
// taken for one, and whatever is as long as one and has nothing in it of lists, paths and addresses.
var (
	secretField = regexp.MustCompile(`(?:^|\W)(?:key|token|dsn|postgres|password|password_hash|secret)["']?\s*:?\s`)
	longWord    = regexp.MustCompile(`[^\s/.:,\[\]{}"']{16,}`)
)

// hideSecrets replaces what may be secret with as many asterisks.
func hideSecrets(line string) string {
	if m := secretField.FindStringIndex(line); m != nil {
		return hideLongWords(line[:m[1]]) + stars(line[m[1]:])
	}
	return hideLongWords(line)
}

func hideLongWords(text string) string { return longWord.ReplaceAllStringFunc(text, stars) }

func stars(text string) string { return strings.Repeat("*", utf8.RuneCountInString(text)) }
