package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSetKey(t *testing.T) {
	cols := "{id: BIGINT, price: \"DECIMAL(10,2)\"}"
	block := "id: BIGINT\nprice: DECIMAL(10,2)\n"
	for name, c := range map[string]struct {
		src, key, fragment, want string
		path                     []any
	}{
		"block insert": {
			"s:\n  - name: x # c\n    path: y\n\n  # next\n  - name: z\n", "columns", cols,
			"s:\n  - name: x # c\n    path: y\n    columns: " + cols + "\n\n  # next\n  - name: z\n", []any{"s", 0},
		},
		"block fragment in block": {
			"s:\n- name: x\n  path: y\n- name: z", "columns", block,
			"s:\n- name: x\n  path: y\n- name: z\n  columns:\n    id: BIGINT\n    price: DECIMAL(10,2)", []any{"s", 1},
		},
		"flow insert": {
			"s:\n  - { name: x, path: \"a, }b\" } # c\n  - {name: z}\n", "columns", block,
			"s:\n  - { name: x, path: \"a, }b\", columns: " + cols + " } # c\n  - {name: z}\n", []any{"s", 0},
		},
		"flow insert, several lines, comment": {
			"s: [\n  {name: x, # one\n   path: [a, b] # two, }\n  },\n]\nb: 1\n", "key", "id",
			"s: [\n  {name: x, # one\n   path: [a, b], key: id # two, }\n  },\n]\nb: 1\n", []any{"s", 0},
		},
		"flow insert after trailing comma": {"a: {b: 1, }\n", "c", "2", "a: {b: 1, c: 2 }\n", []any{"a"}},
		"flow insert into empty":           {"a: { }\n", "c", "2", "a: {c: 2}\n", []any{"a"}},
		"flow replace": {
			"s: [{ name: x, csv: {delimiter: \",\"} , path: 'it''s' }]\n", "csv", "delimiter: ;\nheader: true\n",
			"s: [{ name: x, csv: {delimiter: \";\", header: true} , path: 'it''s' }]\n", []any{"s", 0},
		},
		"flow replace last, quoted key": {"{a: 1, \"b c\": [1, 2]}", "b c", "x", "{a: 1, \"b c\": x}", nil},
		"flow replace a null":           {"{a: , b: 1}", "a", "x", "{a: x, b: 1}", nil},
		"replace scalar keeps comment":  {"a: 1   # one\nb: 2\n", "a", "\"#3\"", "a: \"#3\"   # one\nb: 2\n", nil},
		"replace block by flow": {
			"a: # pinned\n  x: 1\n  # in\n  y: 2\n# out\nb: 2\n", "a", "{z: 1}",
			"a: {z: 1} # pinned\n# out\nb: 2\n", nil,
		},
		"replace scalar by block":        {"a: 1 # one\nb: 2\n", "a", "x: 1\ny: 2", "a: # one\n  x: 1\n  y: 2\nb: 2\n", nil},
		"replace list at same indent":    {"a:\n- 1\n- 2\nb: 2\n", "a", "[3]", "a: [3]\nb: 2\n", nil},
		"insert after list, same indent": {"m:\n  a:\n  - 1\n  - 2\n", "b", "2", "m:\n  a:\n  - 1\n  - 2\n  b: 2\n", []any{"m"}},
		"insert after literal":           {"m:\n  a: |\n    x\n    # y\nz: 1\n", "b", "2", "m:\n  a: |\n    x\n    # y\n  b: 2\nz: 1\n", []any{"m"}},
		"replace literal":                {"m:\n  a: |\n    x\n\n    # y\n  z: 1\n", "a", "2", "m:\n  a: 2\n  z: 1\n", []any{"m"}},
		"replace plain over lines":       {"a: one\n  two\nb: 1\n", "a", "x", "a: x\nb: 1\n", nil},
		"insert after flow at indent 0":  {"a: [\n  1\n]\n", "b", "2", "a: [\n  1\n]\nb: 2\n", nil},
		"insert after null":              {"m:\n  a:\nz: 1\n", "b", "2", "m:\n  a:\n  b: 2\nz: 1\n", []any{"m"}},
		"insert after merge":             {"d: &d {x: 1}\nm:\n  <<: *d\n", "b", "2", "d: &d {x: 1}\nm:\n  <<: *d\n  b: 2\n", []any{"m"}},
		"override a merged key":          {"d: &d {x: 1}\nm:\n  <<: *d\n", "x", "2", "d: &d {x: 1}\nm:\n  <<: *d\n  x: 2\n", []any{"m"}},
		"windows line ends":              {"s:\r\n  - name: é # c\r\n", "c", "x: 1", "s:\r\n  - name: é # c\r\n    c:\r\n      x: 1\r\n", []any{"s", 0}},
		"byte order mark":                {"\ufeffa: 1\n", "b", "2", "\ufeffa: 1\nb: 2\n", nil},
		"key that needs quotes":          {"a: 1\n", "true", "2", "a: 1\n\"true\": 2\n", nil},
		"comments at the end stay":       {"s:\n  - name: x\n    # old: 1\n# end\n", "b", "2", "s:\n  - name: x\n    b: 2\n    # old: 1\n# end\n", []any{"s", 0}},
		"block list value":               {"a: 1\n", "k", "- x\n- y", "a: 1\nk:\n  - x\n  - y\n", nil},
		"text of several lines":          {"a: 1\n", "k", "|\n  x\n  y\n", "a: 1\nk: \"x\\ny\\n\"\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := SetKey([]byte(c.src), c.path, c.key, c.fragment)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
			again, err := SetKey(got, c.path, c.key, c.fragment)
			if err != nil || string(again) != string(got) {
				t.Errorf("a second time: %v\n%s", err, again)
			}
		})
	}
}

func TestSetKeyRefuses(t *testing.T) {
	for src, c := range map[string]struct {
		path []any
		want string
	}{
		"a: [1":                         {nil, "not closed"},
		"a: 1":                          {[]any{"a"}, "not a mapping"},
		"a: {b: 1}\n":                   {[]any{"x"}, "there is no x"},
		"a: [{b: 1}]":                   {[]any{"a", 1}, "there is no 1"},
		"a: &x {b: 1}\nc: *x":           {[]any{"c"}, "alias"},
		"a: &x {b: 1}\nc: *x\n":         {[]any{"a"}, "by hand"},
		"a: {b: {c: 1}}\nd: {b: 1}":     {[]any{1.5}, "neither a key"},
		"a: {b: {c: 1}}\nd: {b: 1}\n\n": {[]any{"d", "b"}, "not a mapping"},
	} {
		out, err := SetKey([]byte(src), c.path, "k", "1")
		if err == nil || !strings.Contains(err.Error(), c.want) || out != nil {
			t.Errorf("%q: %v %q", src, err, out)
		}
	}
	if _, err := SetKey([]byte("a: 1"), nil, "k", "[1"); err == nil {
		t.Error("a broken fragment was accepted")
	}
}

// FuzzSetKey relies on the check inside SetKey for the meaning; it looks for panics.
func FuzzSetKey(f *testing.F) {
	files, _ := filepath.Glob("testdata/problems/*.yml")
	for _, file := range files {
		if src, err := os.ReadFile(file); err == nil {
			f.Add(src, "name", "x")
		}
	}
	f.Add([]byte("a: {b: [1, {c: 'x'}], }\n"), "a", "{k: v}")
	f.Add([]byte("a:\n- x\n- y\n"), "a", "k: v\nl: |\n  m\n")
	f.Fuzz(func(t *testing.T, src []byte, key, fragment string) {
		for _, path := range [][]any{nil, {"a"}, {"a", 0}} {
			if out, err := SetKey(src, path, key, fragment); err == nil {
				if _, p := Parse("out", out); p.HasErrors() {
					t.Fatal(p)
				}
			}
		}
	})
}
