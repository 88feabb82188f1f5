package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// module is the prefix of our own import paths.
const module = "tidegate/"

// A file is one Go source file.
type file struct {
	path  string // "codec/pcap/reader.go"
	dir   string // "codec/pcap"
	test  bool
	lines int
	text  []byte
	ast   *ast.File
	fset  *token.FileSet
}

// at says where in f a piece of syntax stands.
func (f *file) at(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// An imported is one import of a file.
type imported struct {
	path string
	name string // the name it has in the file; "." and "_" as they are
	spec *ast.ImportSpec
}

func (f *file) imports() []imported {
	var all []imported
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // the parser has accepted it
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		all = append(all, imported{p, name, spec})
	}
	return all
}

// A rule returns what a source tree does against it.
type rule func(tree []*file) (problems []string)

// load parses the Go files below a root, without hidden directories and testdata.
func load(root fs.FS) ([]*file, error) {
	var tree []*file
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := d.Name()
			if name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f := &file{
			path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
			lines: bytes.Count(text, []byte("\n")), text: text, fset: token.NewFileSet(),
		}
		f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		tree = append(tree, f)
		return err
	})
	return tree, err
}

// project loads the sources of the project.
func project(t *testing.T) []*file {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
	tree, err := load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree) < 20 {
		t.Fatalf("found %d Go files below %s: the search is broken", len(tree), dir)
	}
	return tree
}

// hold fails the test for everything the project does against a rule.
func hold(t *testing.T, r rule) {
	t.Helper()
	for _, problem := range r(project(t)) {
		t.Error(problem)
	}
}

// A trial is a source tree in memory, and the places where a rule must find something.
type trial struct {
	name  string
	files map[string]string
	want  []string // beginning of each problem; none if the tree is right
}

// try shows that a rule finds what it should and nothing else.
func try(t *testing.T, r rule, trials ...trial) {
	t.Helper()
	for _, c := range trials {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		tree, err := load(root)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := r(tree)
		slices.Sort(got)
		same := len(got) == len(c.want)
		for i := range min(len(got), len(c.want)) {
			same = same && strings.HasPrefix(got[i], c.want[i])
		}
		if !same {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

// matches reports whether a slash path fits a pattern: the path itself, or with "/..." at its end
// everything below it too. "..." alone is everything.
func matches(pattern, p string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == base || strings.HasPrefix(p, base+"/")
	}
	return p == pattern
}

func matchesAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, p) })
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"market", "market", true},
		{"market", "market/x", false},
		{"codec/...", "codec", true},
		{"codec/...", "codec/pcap", true},
		{"codec/...", "codecs", false},
		{"...", "anything/at/all", true},
	} {
		if got := matches(c.pattern, c.path); got != c.want {
			t.Errorf("matches(%q, %q): got %v", c.pattern, c.path, got)
		}
	}
}

func TestLoadSkips(t *testing.T) {
	tree, err := load(fstest.MapFS{
		"a/a.go":          {Data: []byte("package a\n")},
		"a/a_test.go":     {Data: []byte("package a\n")},
		"a/testdata/b.go": {Data: []byte("no Go at all")},
		".hidden/c.go":    {Data: []byte("no Go at all")},
		"_old/d.go":       {Data: []byte("no Go at all")},
		"a/readme.md":     {Data: []byte("no Go at all")},
	})
	if err != nil || len(tree) != 2 || tree[0].test || !tree[1].test || tree[0].lines != 1 {
		t.Errorf("got %d files, %v", len(tree), err)
	}
	if _, err := load(fstest.MapFS{"a.go": {Data: []byte("no Go at all")}}); err == nil {
		t.Error("a file that is no Go was accepted")
	}
}
