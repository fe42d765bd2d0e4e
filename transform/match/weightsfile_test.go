package match

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHiddenValues: of frequent values that nobody is shown the file has hashes, and they weigh the same.
func TestHiddenValues(t *testing.T) {
	c := ComparisonWeights{Name: "phone", Frequent: map[string]float64{"+49301": 0.25}}
	c.Hide()
	for name := range c.Frequent {
		if strings.Contains(name, "49301") {
			t.Errorf("the file has %q", name)
		}
	}
	shares := c.shares()
	if share, ok := shares("+49301"); !ok || share != 0.25 {
		t.Errorf("the value's share is %g, %v", share, ok)
	}
	if share, ok := shares("+49302"); ok {
		t.Errorf("another value has the share %g", share)
	}
}

// TestWrongWeights: a number that no training gives is refused where it stands: its weight would be infinite, or none.
func TestWrongWeights(t *testing.T) {
	const file = `{
  "format": 1, "entity": "e", "plan": "", "prior": 0.1,
  "comparisons": [
    {"name": "a", "levels": [
      {"name": "exact", "m": 0.9, "u": 0.01},
      {"name": "else", "m": 0.1, "u": 0.99}
    ],
    "frequent": {"x": 0.5, "all": 1},
    "rare": 0.001, "usual": 0.1}
  ],
  "groups": [{"comparisons": ["a"],
    "rate": 0.01,
    "levels": [[0.5, 0]], "from": "found"}]
}
`
	path := filepath.Join(t.TempDir(), "w.json")
	read := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadWeights(path, "w.json")
		return err
	}
	if err := read(file); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{`"format": 1`, `"format": 2`, "w.json:2: format: 2"},
		{`"prior": 0.1`, `"prior": 1`, "w.json:2: prior: 1"},
		{`"u": 0.01`, `"u": 0`, "w.json:5: comparisons/0/levels/0/u: 0"},
		{`"m": 0.1`, `"m": 1.1`, "w.json:6: comparisons/0/levels/1/m: 1.1"},
		{`"x": 0.5`, `"x": 0`, "w.json:8: comparisons/0/frequent/x: 0"},
		{`"rare": 0.001`, `"rare": -1`, "w.json:9: comparisons/0/rare: -1"},
		{`"usual": 0.1`, `"usual": 3`, "w.json:9: comparisons/0/usual: 3"},
		{`"rate": 0.01`, `"rate": -1`, "w.json:12: groups/0/rate: -1"},
		{`[[0.5, 0]]`, `[[0.5, -0.1]]`, "w.json:13: groups/0/levels/0/1: -0.1"},
		{`"from": "found"}]`, `"from": 3}]`, "w.json:13: "},
	} {
		if err := read(strings.Replace(file, c.from, c.to, 1)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", c.to, err)
		}
	}
}
