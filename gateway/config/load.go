package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Environment is what a configuration may refer to.
type Environment struct {
	ReadFile  func(path string) ([]byte, error)
	LookupEnv func(name string) (string, bool)
}

// fileBytesMax is the longest configuration that is read: a key for each of 50,000 clients.
const fileBytesMax = 4 << 20

// Load reads a configuration, and the files and environment variables that it refers to. The error
// is an *Error if the file could be read.
func Load(path string) (*Config, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, b, Environment{ReadFile: readFile, LookupEnv: os.LookupEnv})
}

// readFile reads a file, and no more than a byte beyond fileBytesMax: a device has no end.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fileBytesMax+1))
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
		for i := range r.mistakes {
			r.mistakes[i].hideKeys()
		}
		err := &Error{File: path, Mistakes: r.mistakes}
		err.sort()
		return nil, err
	}
	return &c, nil
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
