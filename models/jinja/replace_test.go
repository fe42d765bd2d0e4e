package jinja

import "testing"

// TestReplace: what stays keeps its place in the template, what is put in has that of what it replaces.
func TestReplace(t *testing.T) {
	tpl, err := Parse("m.sql", "select {{ 1 }}\nfrom f('a') x, {{ 'g(1)' }} y")
	if err != nil {
		t.Fatal(err)
	}
	out, err := tpl.Render(t.Context(), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := out.Replace([]Edit{{14, 20, "a_table"}, {24, 28, "b"}})
	if got.Text != "select 1\nfrom a_table x, b y" {
		t.Fatal(got.Text)
	}
	for offset, want := range map[int]string{0: "m.sql:1:1", 7: "m.sql:1:8", 9: "m.sql:2:1", 14: "m.sql:2:6", 20: "m.sql:2:6", 22: "m.sql:2:13", 25: "m.sql:2:16", 27: "m.sql:2:29"} {
		if at := got.Source(offset).String(); at != want {
			t.Errorf("%q is of %s, and not %s", got.Text[offset:], at, want)
		}
	}
	if same := out.Replace(nil); same.Text != out.Text || same.Source(25) != out.Source(25) {
		t.Error("nothing is replaced, and something is another")
	}
}
