package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Environment is what a configuration may refer to.
type Environment struct {
	ReadFile  func(path string) ([]byte, error)
	LookupEnv func(name string) (string, bool)
}

// fileBytesMax is the longest configuration that is read: a key for each of many thousand clients.
const fileBytesMax = 16 << 20

// Load reads a configuration, and the files and environment variables that it refers to. The error
// is an *Error if the file could be read.
func Load(path string) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, b, Environment{ReadFile: os.ReadFile, LookupEnv: os.LookupEnv})
}

// Parse reads a configuration from text. path is its name in errors, and its directory is where
// other files are looked for. The error is an *Error.
func Parse(path string, b []byte, env Environment) (*Config, error) {
	r := &reader{env: env, dir: filepath.Dir(path), at: make(map[string]value)}
	c := Defaults()
	if root, ok := r.syntax(b); ok {
		r.config(&c, root)
	}
	if len(r.mistakes) > 0 {
		err := &Error{File: path, Mistakes: r.mistakes}
		err.sort()
		return nil, err
	}
	return &c, nil
}

// syntax reads the file as YAML, and reports false if it is not.
func (r *reader) syntax(b []byte) (root value, ok bool) {
	root = value{r: r, line: 1, col: 1}
	if len(b) > fileBytesMax {
		root.mistake(fmt.Sprintf("%d bytes", len(b)), fmt.Sprintf("at most %d", fileBytesMax))
		return root, false
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		if s := (*yaml.SyntaxError)(nil); errors.As(err, &s) {
			message = s.Message
			if t := s.Token; t != nil && t.Position != nil {
				root.line, root.col = t.Position.Line, t.Position.Column
			}
		}
		root.mistake("text that is no YAML: "+message, "")
		return root, false
	}
	var body ast.Node
	for i, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case i > 0:
			root.child(doc.Body, "").mistake("another document", "one")
			return root, false
		default:
			body = doc.Body
		}
	}
	if body != nil {
		root = root.child(body, "")
	}
	return root, true
}

// path returns where a file of the configuration is.
func (r *reader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// file reads a file that a value names. It reports false, and the mistake, if it cannot.
func (v value) file() ([]byte, bool) {
	name, ok := v.scalar()
	if !ok || name == "" {
		v.mistake(v.describe(), "the name of a file")
		return nil, false
	}
	b, err := v.r.env.ReadFile(v.r.path(name))
	if err != nil {
		v.mistake(fmt.Sprintf("%q, which cannot be read: %v", shorten(name), err), "the name of a file")
		return nil, false
	}
	return b, true
}

// CapturePath returns the name of the recording of a gateway that started at a time: {start} in the
// configured name is replaced by that time, 20260105T133000Z.
func CapturePath(name string, start time.Time) string {
	return strings.ReplaceAll(name, startMark, start.UTC().Format("20060102T150405Z"))
}

const startMark = "{start}"
