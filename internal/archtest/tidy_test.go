package archtest

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commentRule: every package says what it offers, where its documentation begins.
func commentRule(tree []*file) (problems []string) {
	want, commented := map[string]string{}, map[string]bool{} // by directory
	for _, f := range tree {
		if f.test {
			continue
		}
		if want[f.dir] = "Package " + f.ast.Name.Name; f.ast.Name.Name == "main" {
			want[f.dir] = "Command " + path.Base(f.dir)
		}
		text := strings.Join(strings.Fields(f.ast.Doc.Text()), " ")
		if strings.HasPrefix(text, want[f.dir]+" ") {
			commented[f.dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(want)) {
		if !commented[dir] {
			problems = append(problems, fmt.Sprintf("%s: no package comment that starts with %q: say what it offers and how to use it", dir, want[dir]))
		}
	}
	return problems
}

func TestPackageComments(t *testing.T) { hold(t, commentRule) }

func TestCommentRuleCanFail(t *testing.T) {
	try(t, commentRule,
		trial{"as it should be", map[string]string{
			"market/a.go":         "// Package market is shared.\npackage market\n",
			"market/b.go":         "package market\n",
			"book/doc.go":         "/*\nPackage book keeps books.\n*/\npackage book\n",
			"book/a.go":           "package book\n",
			"cmd/tidegate/a.go":   "// Command tidegate is the gateway.\npackage main\n",
			"cmd/tidegate/b.go":   "// helpers\n\npackage main\n",
			"onlytests/a_test.go": "package onlytests\n",
		}, nil},
		trial{"none", map[string]string{"book/a.go": "package book\n"}, []string{`book: no package comment that starts with "Package book"`}},
		trial{"detached", map[string]string{"book/a.go": "// Package book keeps books.\n\npackage book\n"}, []string{"book: "}},
		trial{"of another package", map[string]string{"book/a.go": "// Package books keeps books.\npackage book\n"}, []string{"book: "}},
		trial{"nothing but the name", map[string]string{"book/a.go": "// Package book\npackage book\n", "x/a.go": "// Package x.\npackage x\n"}, []string{"book: ", "x: "}},
		trial{"in a test only", map[string]string{"book/a.go": "package book\n", "book/a_test.go": "// Package book keeps.\npackage book\n"}, []string{"book: "}},
		trial{"command", map[string]string{"cmd/x/a.go": "// Package main runs.\npackage main\n"}, []string{`cmd/x: no package comment that starts with "Command x"`}},
	)
}

// linesMax is where a file has become more than one thing.
const linesMax = 500

func lengthRule(tree []*file) (problems []string) {
	for _, f := range tree {
		if !f.test && f.lines > linesMax {
			problems = append(problems, fmt.Sprintf("%s: %d lines, at most %d: split it by what its parts are about", f.path, f.lines, linesMax))
		}
	}
	return problems
}

func TestFilesAreShort(t *testing.T) { hold(t, lengthRule) }

func TestLengthRuleCanFail(t *testing.T) {
	long := "package p\n" + strings.Repeat("\n", linesMax)
	try(t, lengthRule,
		trial{"as it should be", map[string]string{"a/a.go": long[:linesMax], "a/a_test.go": long}, nil},
		trial{"one line too many", map[string]string{"a/a.go": long}, []string{"a/a.go: 501 lines"}},
	)
}

// leftover finds notes to oneself. It is put together so that it does not find itself.
var leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func leftoverRule(tree []*file) (problems []string) {
	for _, f := range tree {
		for n, line := range strings.Split(string(f.text), "\n") {
			if word := leftover.FindString(line); word != "" {
				problems = append(problems, fmt.Sprintf("%s:%d: %s: do it, or say in plain words what is not done and why", f.path, n+1, word))
			}
		}
	}
	return problems
}

func TestNothingIsLeftOver(t *testing.T) { hold(t, leftoverRule) }

func TestLeftoverRuleCanFail(t *testing.T) {
	try(t, leftoverRule,
		trial{"as it should be", map[string]string{"a/a.go": "package p // todo, XXXL, autoTO" + "DOs\n"}, nil},
		trial{"notes", map[string]string{
			"a/a.go":      "package p\n\n// TO" + "DO(me): more\n// FIX" + "ME\n",
			"a/a_test.go": "package p\n\nvar x = 1 // XX" + "X: why\n",
		}, []string{"a/a.go:3: TO" + "DO", "a/a.go:4: FIX" + "ME", "a/a_test.go:3: XX" + "X"}},
	)
}
