package models

import (
	"strings"
	"testing"
)

// What a .dbtignore leaves out is what the library says that dbt reads it with.
func TestIgnore(t *testing.T) {
	paths := []string{"a.sql", "models/a.sql", "models/x/a.sql", "models/x/old/b.sql", "models/old/b.sql", "x/c.sql", "old/d.sql", "models/ab.sql", "b.sql",
		"models/y.tmp", "#a.sql", "models/old", "models/deep/er/old/z.sql"}
	for patterns, want := range map[string]string{
		"*.tmp":                     "models/y.tmp",
		"models/x":                  "models/x/a.sql models/x/old/b.sql",
		"/models/x":                 "models/x/a.sql models/x/old/b.sql",
		"x/":                        "models/x/a.sql models/x/old/b.sql x/c.sql",
		"!a.sql":                    "",
		"models/**/old":             "models/x/old/b.sql models/old/b.sql models/old models/deep/er/old/z.sql",
		"**/old":                    "models/x/old/b.sql models/old/b.sql old/d.sql models/old models/deep/er/old/z.sql",
		"old/**":                    "old/d.sql",
		"a?.sql":                    "models/ab.sql",
		"[ab].sql":                  "a.sql models/a.sql models/x/a.sql models/x/old/b.sql models/old/b.sql b.sql",
		"[!ab].sql":                 "x/c.sql old/d.sql models/deep/er/old/z.sql",
		"models/*.sql":              "models/a.sql models/ab.sql",
		"*":                         strings.Join(paths, " "),
		"# a comment\n\n":           "",
		`\#a.sql`:                   "#a.sql",
		"models/x/":                 "models/x/a.sql models/x/old/b.sql",
		"models/**":                 "models/a.sql models/x/a.sql models/x/old/b.sql models/old/b.sql models/ab.sql models/y.tmp models/old models/deep/er/old/z.sql",
		"mo*/a.sql":                 "models/a.sql",
		"/a.sql":                    "a.sql",
		"**/x/*.sql":                "models/x/a.sql x/c.sql",
		" a.sql  \r":                "a.sql models/a.sql models/x/a.sql",
		"models/*\n!models/a.sql\n": "models/x/a.sql models/x/old/b.sql models/old/b.sql models/ab.sql models/y.tmp models/old models/deep/er/old/z.sql",
	} {
		rules, bad := readIgnore(patterns)
		var got []string
		for _, p := range paths {
			if rules.match(p) {
				got = append(got, p)
			}
		}
		if strings.Join(got, " ") != want || len(bad) > 0 {
			t.Errorf("%q leaves out %v, and not %s; bad lines: %v", patterns, got, want, bad)
		}
	}
	if _, bad := readIgnore("a\n[z-a]\n"); len(bad) != 1 || bad[0] != 2 {
		t.Errorf("bad lines are %v", bad)
	}
}
