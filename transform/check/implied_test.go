package check

import (
	"regexp/syntax"
	"testing"
)

func TestLengths(t *testing.T) {
	for pattern, want := range map[string][2]int{
		"": {0, 0}, "abc": {3, 3}, "[0-9]{5}": {5, 5}, "ORD-[0-9]{10}": {14, 14}, "a?b": {1, 2}, "a*": {0, -1}, "a+b": {2, -1}, "(a|bcd)e": {2, 4},
		"(?:ab){2,3}": {4, 6}, "(ab){2,}": {4, -1}, "^a.$": {2, 2}, "(a*|b)c": {1, -1}, "x(a*)(b)": {2, -1}, "(?i)ä": {1, 1}, "(a*){0}": {0, 0},
	} {
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if least, most := lengths(tree); least != want[0] || most != want[1] {
			t.Errorf("%s: %d to %d, want %v", pattern, least, most, want)
		}
	}
}

// TestImplied: what another check says is not asked, unless rows fail that.
func TestImplied(t *testing.T) {
	chain := open(t, "length: { column: a, min: 2, max: 2 }", "regex: { column: a, pattern: '[A-Z]{2}' }", "accepted_values: { column: a, values: [DE, FR] }")
	for _, r := range chain.count(t, chain.five(t, "('DE'), ('FR'), (NULL), ('DE'), ('DE')")) {
		if r.Status != StatusPass {
			t.Errorf("%+v", r)
		}
	}
	l := open(t, "regex: { column: a, pattern: '[A-Z]{2}', severity: warn }", "length: { column: a, min: 1, max: 2, severity: warn }", "accepted_values: { column: a, values: [DE, FR], severity: warn }")
	how := func(rows string) (all []How, fails []int64) {
		for _, r := range l.count(t, l.five(t, rows)) {
			all, fails = append(all, r.How), append(fails, r.Failing)
		}
		return all, fails
	}
	if how, fails := how("('DE'), ('FR'), (NULL), ('DE'), ('DE')"); how[0] != HowContract || how[1] != HowContract || how[2] != HowScan || fails[0]+fails[1]+fails[2] != 0 {
		t.Errorf("%v %v", how, fails)
	}
	if how, fails := how("('DE'), ('FRA'), (NULL), ('US'), ('')"); how[0] != HowScan || how[1] != HowScan || fails[0] != 2 || fails[1] != 2 || fails[2] != 3 {
		t.Errorf("%v %v", how, fails)
	}
}
