package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nonsense has files that are no configuration at all, and all that is to be said about each.
var nonsense = []struct{ name, text, want string }{
	{"empty", "", "etc/c.yaml: found no setting, want feeds and subscribers at least"},
	{"comments alone", "# to do\n---\n\n", "etc/c.yaml: found no setting, want feeds and subscribers at least"},
	{"list", "- a\n- b\n", `etc/c.yaml:1:1: found a list, want fields, such as "feeds:" and "subscribers:"`},
	{"word", "hello\n", `etc/c.yaml:1:1: found "hello", want fields, such as "feeds:" and "subscribers:"`},
	{"program", "\x7fELF\x02\x01\x00", "etc/c.yaml:1:1: found the byte 0x7f, want text in UTF-8"},
	{"byte in the middle", "log: {}\n# caf\xe9\n", "etc/c.yaml:2:6: found the byte 0xe9, want text in UTF-8"},
	{"UTF-16", "\xff\xfef\x00e\x00", "etc/c.yaml:1:1: found text in UTF-16, want UTF-8"},
	{"too long", strings.Repeat("# no end\n", 1<<19), "etc/c.yaml: found more than 4 MiB, want a configuration, which is shorter"},
	{"tab", "loop:\n\ttick: 1ms\n", `
etc/c.yaml:2:1: found a tab, want spaces: YAML does not indent with tabs
    →tick: 1ms
    ^`},
	{"tab, and lines that end as on Windows", "loop:\r\n\ttick: 1ms\r\n", `
etc/c.yaml:2:1: found a tab, want spaces: YAML does not indent with tabs
    →tick: 1ms
    ^`},
	{"double quote", "log:\n  level: \"info\n", `
etc/c.yaml:2:10: found a quote that is not closed, want another " at the end of the text
      level: "info
             ^`},
	{"single quote", "log: {level: 'info}\n", `
etc/c.yaml:1:14: found a quote that is not closed, want another ' at the end of the text
    log: {level: 'info}
                 ^`},
	{"bracket", "feeds: [1\n", `
etc/c.yaml:1:8: found a list that is not closed, want a ] at its end
    feeds: [1
           ^`},
	{"brace", "loop: {tick: 1ms\n", `
etc/c.yaml:1:7: found fields that are not closed, want a } at their end
    loop: {tick: 1ms
          ^`},
	{"wrong end", "feeds: {}\nlog: [1}\n", `
etc/c.yaml:2:6: found a list that is not closed, want a ] at its end
    log: [1}
         ^`},
	{"end alone", `log: {x: [}`, `
etc/c.yaml:1:11: found a } without its {, want both or none
    log: {x: [}
              ^`},
	{"no comma", "lines: [{name: A]\n", `
etc/c.yaml:1:17: found something else after an element, want a comma, or a } after the last one
    lines: [{name: A]
                    ^`},
	{"two colons", "log:\n  level: a: b\n", `
etc/c.yaml:2:10: found a field inside a text, want quotes around a text with a colon in it, and each field on a line of its own
      level: a: b
             ^`},
	{"no colon", "log: {}\nfeeds\nloop: {}\n", `
etc/c.yaml:2:1: found a text where a field should be, want its name and a colon
    feeds
    ^`},
	{"indented too far", "feeds:\n  - name: x\n   protocol: itch\n", `
etc/c.yaml:3:4: found a line that does not belong to the one before, want fields of one thing right below each other, with as many spaces before them
       protocol: itch
       ^`},
	{"list behind its name", "feeds: - name: x\n", `
etc/c.yaml:1:8: found the - of a list behind something else, want it on a line of its own
    feeds: - name: x
           ^`},
	{"reserved", "feeds: @x\n", `
etc/c.yaml:1:8: found a @, with which no text begins, want quotes around the text
    feeds: @x
           ^`},
	{"escape", `capture: {file: "C:\q"}`, `
etc/c.yaml:1:21: found \q in double quotes, want single quotes
    capture: {file: "C:\q"}
                        ^`},
	{"field again", "loop: {}\nlog: {}\nloop: {}\n", `
etc/c.yaml:3:1: found the field "loop" again, want it once: line 1 has it
    loop: {}
    ^`},
	{"what we have no words for", "log: {}\n%TAG\n", `
etc/c.yaml:2:1: found text that is no YAML: unexpected directive value. document not started
    %TAG
    ^`},
	{"long line", "log: {level: " + strings.Repeat("info, ", 30) + "'x}\n", `
etc/c.yaml:1:194: found a quote that is not closed, want another ' at the end of the text
     info, info, info, info, info, info, info, info, info, info, info, info, 'x}
                                                                             ^`},
}

// A file that is nonsense is one mistake, which says where it is, what stands there, and what should.
func TestNonsense(t *testing.T) {
	for _, c := range nonsense {
		_, err := parse(c.text)
		if want := strings.TrimPrefix(c.want, "\n"); err == nil || err.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, want)
		}
	}
}

// A broken file may have a key in the line that is shown.
func TestNonsenseHidesSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"key: \"" + keyOne + "\n":                 "key: " + stars("'"+keyOne),
		"{name: one, key: " + keyOne + ", x: [}":  "{name: one, key: " + stars(keyOne+", x: [}"),
		"'token': \"not so long, but secret\n":    "'token': " + stars("'not so long, but secret"),
		"dsn: \"host=a password=pw\n":             "dsn: " + stars("'host=a password=pw"),
		"- key " + keyOne + "\n  x: 1\n":          "- key " + stars(keyOne),
		"key:" + keyOne + "\nx: 1\n":              "key:" + stars(keyOne),
		"- x\n- " + keyOne + "\n y: [":            "- " + stars(keyOne),
		"key_file: /etc/a.key: \"" + keyOne:       "key_file: /etc/a.key: " + stars("'"+keyOne),
		"listen: \"127.0.0.1:8080\nlog: {}\n":     "listen: \"127.0.0.1:8080",
		"keys: [{key_env: SOME_NAME}, {name: é]}": "keys: [{key_env: SOME_NAME}, {name: é]}",
	} {
		_, err := parse(text)
		if err == nil || strings.Contains(err.Error(), keyOne) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != 3 || lines[1] != "    "+want {
			t.Errorf("%s: got %q, want the line as %q", text, lines, want)
		}
	}
}

// A mark at the beginning is no part of the text.
func TestByteOrderMark(t *testing.T) {
	if _, err := parse("\ufeff" + small); err != nil {
		t.Error(err)
	}
}

// A file is read as far as a configuration can be long.
func TestLoadOfSomethingElse(t *testing.T) {
	if _, err := Load("/dev/zero"); err == nil || err.Error() != "/dev/zero: found more than 4 MiB, want a configuration, which is shorter" {
		t.Errorf("/dev/zero: %v", err)
	}
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || err.Error() != "configuration: read "+dir+": is a directory" {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
