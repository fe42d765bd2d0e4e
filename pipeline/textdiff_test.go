package pipeline

import (
	"strings"
	"testing"
)

func TestTextDiff(t *testing.T) {
	many := strings.Repeat("same\n", 10)
	for _, c := range []struct{ name, before, after, want string }{
		{"equal", "a\nb", "a\nb", ""},
		{"one line", "select\n  a\nfrom t", "select\n  b\nfrom t", "@@ -1,3 +1,3 @@\n select\n-  a\n+  b\n from t"},
		{"added", "a\nc", "a\nb\nc", "@@ -1,2 +1,3 @@\n a\n+b\n c"},
		{"removed", "a\nb\nc", "a\nc", "@@ -1,3 +1,2 @@\n a\n-b\n c"},
		{"from nothing", "", "a", "@@ -1,1 +1,1 @@\n-\n+a"},
		{"far apart", "x\n" + many + "y", "u\n" + many + "v",
			"@@ -1,4 +1,4 @@\n-x\n+u\n same\n same\n same\n@@ -9,4 +9,4 @@\n same\n same\n same\n-y\n+v"},
		{"near", "x\nsame\nsame\ny", "u\nsame\nsame\nv", "@@ -1,4 +1,4 @@\n-x\n+u\n same\n same\n-y\n+v"},
		{"as near as it gets", "x\n" + strings.Repeat("same\n", 6) + "y", "u\n" + strings.Repeat("same\n", 6) + "v",
			"@@ -1,8 +1,8 @@\n-x\n+u\n" + strings.Repeat(" same\n", 6) + "-y\n+v"},
	} {
		if got := textDiff(c.before, c.after); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	long := strings.Repeat("a\n", 2*longDiff)
	if got := textDiff("x\n"+long+"y\n", "v\nb\n"+long+long+"w\n"); !strings.HasPrefix(got, "@@ -1,") {
		t.Errorf("long texts: %.80s", got)
	}
}
