package pipeline

import "testing"

// TestCells: a spreadsheet is given no formula, and every text comes back.
func TestCells(t *testing.T) {
	for text, cell := range map[string]string{
		"": "", "a": "a", "=cmd()": "'=cmd()", "-5": "-5", "-5.5e3": "-5.5e3", "- 5": "'- 5", "@x": "'@x", "\tx": "'\tx", "'": "'", "'a": "'a",
		"'=cmd()": "''=cmd()", "''+x": "'''+x", "'-5": "'-5", "+": "'+", "=1": "'=1",
	} {
		if got := SafeCell(text); got != cell {
			t.Errorf("%q became %q, want %q", text, got, cell)
		}
		if got := plainCell(cell); got != text {
			t.Errorf("%q came back as %q, want %q", cell, got, text)
		}
	}
	if got := plainCell("=x"); got != "=x" { // a spreadsheet has dropped the quote
		t.Errorf("%q", got)
	}
}

func FuzzCells(f *testing.F) {
	f.Add("'=x")
	f.Fuzz(func(t *testing.T, s string) {
		if got := plainCell(SafeCell(s)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}
