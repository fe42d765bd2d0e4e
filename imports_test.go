package millrace_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace/"

// arrows says what each part of the tree may import of ours, by prefix. `internal` may be imported by all.
// serve and report are drawn already: later issues fill them.
var arrows = map[string][]string{
	"internal":  {},
	"extract":   {"extract"},
	"models":    {"models"},
	"warehouse": {"warehouse"},
	"transform": {"transform", "models", "warehouse"},
	"load":      {"load", "models", "warehouse"},
	"pipeline":  {"pipeline", "extract", "transform", "load", "models", "warehouse"},
	"report":    {"report", "pipeline", "transform", "models", "warehouse"},
	"serve":     {"serve", "report", "pipeline", "transform", "models", "warehouse"},
	"cmd":       {"cmd", "serve", "report", "pipeline", "extract", "transform", "load", "models", "warehouse"},
}

// onlyCmd lists packages that nobody but cmd imports: the concrete sources, targets and engines.
var onlyCmd = []string{"extract/all", "extract/duckdb", "extract/files", "extract/generate", "extract/postgres", "extract/mysql", "extract/scan", "load/all", "load/local", "load/snowflake", "warehouse/duckdb", "warehouse/snowflake"}

// exceptions are the few allowed to know a concrete part: lists name their members.
var exceptions = map[string][]string{
	"extract/all": {"extract/duckdb", "extract/files", "extract/generate", "extract/postgres", "extract/mysql", "extract/scan"},
	"load/all":    {"load/local", "load/snowflake"},
	// What Snowflake follows is published by statements that its engine spells.
	"load/snowflake": {"warehouse/snowflake"},
}

// judged lists packages whose tests know more than they themselves: they land what they read and judge it by the engine's own
// measure, stand in for a target, or show what one has published.
var judged = map[string][]string{
	"extract/duckdb":     {"warehouse"},
	"extract/mysql":      {"warehouse"},
	"extract/postgres":   {"warehouse"},
	"extract/scan":       {"warehouse"},
	"internal/snowflake": {"warehouse/snowflake/snowfake"},
	"serve":              {"extract", "load"},
}

// onlyTests lists packages that stand in for others in tests, demos and measurements: nothing that ships imports them. What stands
// under such a package, its command, is not part of millrace's binary either.
var onlyTests = []string{"warehouse/snowflake/snowfake"}

func TestImportsPointOneWay(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") {
			return err
		}
		from := path.Dir(filepath.ToSlash(file))
		top, _, _ := strings.Cut(from, "/")
		allowed, known := arrows[top]
		if !known { // examples, bench, this file: they stand on the command line
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			to, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
			if !ours || strings.HasPrefix(to, "internal/") {
				continue
			}
			if strings.HasSuffix(file, "_test.go") && under(to, judged[from]) {
				continue
			}
			if !under(to, allowed) {
				t.Errorf("%s imports %s: %s may import only %v and internal", file, to, top, allowed)
			}
			if top != "cmd" && under(to, onlyCmd) && !under(from, []string{to}) && !under(to, exceptions[from]) && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s imports %s: only cmd names a concrete part", file, to)
			}
			if under(to, onlyTests) && !under(from, onlyTests) && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s imports %s: it stands in for tests", file, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func under(pkg string, prefixes []string) bool {
	for _, p := range prefixes {
		if pkg == p || strings.HasPrefix(pkg, p+"/") {
			return true
		}
	}
	return false
}
