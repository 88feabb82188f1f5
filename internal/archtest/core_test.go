package archtest

import (
	"fmt"
	"go/ast"
	"testing"
)

// core lists the packages that are functions of their input: the same datagrams and ticks give the
// same bytes, in a live run, in a replay and in a test.
var core = []string{"market", "codec/...", "arbiter/...", "book/...", "gateway"}

const coreWhy = "the core gives the same bytes for the same input: time comes in as an argument, chance and scheduling do not come in at all"

// clock lists the functions of package time that read a clock or wait for one.
var clock = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"NewTimer": true, "NewTicker": true, "Tick": true,
}

// chance lists the packages whose results nobody can repeat, or only by remembering a seed.
var chance = []string{"math/rand/...", "crypto/rand"}

func coreRule(tree []*file) (problems []string) {
	for _, f := range tree {
		if f.test || !matchesAny(core, f.dir) {
			continue
		}
		report := func(n ast.Node, what string) {
			problems = append(problems, fmt.Sprintf("%s: %s %s: %s", f.at(n), f.dir, what, coreWhy))
		}
		timeName := ""
		for _, i := range f.imports() {
			switch {
			case matchesAny(chance, i.path):
				report(i.spec, "imports "+i.path)
			case i.path == "time" && i.name == ".":
				report(i.spec, "imports time without its name, which hides who reads a clock")
			case i.path == "time":
				timeName = i.name
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(n, "starts a goroutine")
			case *ast.SelectorExpr:
				// Not only calls: a function that is passed on will be called.
				x, ok := n.X.(*ast.Ident)
				if ok && timeName != "" && x.Name == timeName && clock[n.Sel.Name] {
					report(n, "uses time."+n.Sel.Name)
				}
			}
			return true
		})
	}
	return problems
}

func TestCoreIsAFunctionOfItsInput(t *testing.T) { hold(t, coreRule) }

func TestCoreRuleCanFail(t *testing.T) {
	in := func(path, text string) map[string]string { return map[string]string{path: text} }
	try(t, coreRule,
		trial{"as it should be", map[string]string{
			"market/a.go":         `package p; import "time"; func f(t time.Time) time.Duration { return t.Sub(time.Unix(0, 0)) }`,
			"book/a_test.go":      `package p; import ("time"; "math/rand/v2"); func f() { go f(); time.Sleep(time.Duration(rand.Int())) }`,
			"gateway/lines/a.go":  `package p; import "time"; func f() { go f(); _ = time.Now() }`,
			"internal/venue/a.go": `package p; import "math/rand/v2"; var _ = rand.Int()`,
			"codec/x/a.go":        `package p; type clock struct{ Now int }; func f(time clock) int { return time.Now }`,
		}, nil},
		trial{"reads a clock", in("book/a.go", "package p\nimport \"time\"\nvar _ = time.Now()"), []string{"book/a.go:3: book uses time.Now: the core gives"}},
		trial{"passes a clock on", in("gateway/a.go", "package p\nimport \"time\"\nvar now = time.Now"), []string{"gateway/a.go:3: "}},
		trial{"reads a clock by another name", in("arbiter/a.go", "package p\nimport wall \"time\"\nvar _ = wall.Since(wall.Time{})"), []string{"arbiter/a.go:3: arbiter uses time.Since"}},
		trial{"reads a clock without a name", in("codec/x/a.go", "package p\nimport . \"time\"\nvar _ = Now()"), []string{"codec/x/a.go:2: "}},
		trial{"waits", in("market/a.go", "package p\nimport \"time\"\nfunc f() {\ntime.Sleep(1)\n<-time.After(1)\ntime.NewTimer(1)\n}"), []string{"market/a.go:4: ", "market/a.go:5: ", "market/a.go:6: "}},
		trial{"starts a goroutine", in("book/match/a.go", "package p\nfunc f() {\ngo f()\n}"), []string{"book/match/a.go:3: book/match starts a goroutine"}},
		trial{"chance", in("codec/x/a.go", "package p\nimport (\n\"crypto/rand\"\n\"math/rand\"\nr \"math/rand/v2\"\n)"), []string{"codec/x/a.go:3: ", "codec/x/a.go:4: ", "codec/x/a.go:5: "}},
	)
}
