package serve

import (
	"os"
	"strings"
	"testing"
)

// TestDocs finds every kind of problem as a heading of docs/api.md, where its type leads, and every path of the API.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for k := range kinds {
		if !strings.Contains(string(text), "\n### "+string(k)+"\n") {
			t.Errorf("problem %s has no heading", k)
		}
	}
	if got := strings.Count(string(text), "\n### "); got != len(kinds) {
		t.Errorf("%d headings of problems, %d kinds", got, len(kinds))
	}
	for _, r := range newLab(t, project, nil).s.table {
		if r.api != nil && !strings.Contains(string(text), "`"+r.pattern+"`") && !strings.Contains(string(text), "`"+r.method+" "+r.pattern+"`") {
			t.Errorf("%s %s is not mentioned", r.method, r.pattern)
		}
	}
}
