package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestPatterns: patterns find what they find in Python (testdata/gen_re.py), in RE2 where it can say them and by backtracking.
func TestPatterns(t *testing.T) {
	raw, err := os.ReadFile("testdata/re.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Pattern string
		Flags   int64
		Wrong   bool
		Texts   map[string][3]json.RawMessage // all matches, the one at the start, the one of the whole
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	slow := 0
	for _, c := range cases {
		p, err := compilePattern(c.Pattern, c.Flags)
		if c.Wrong || err != nil {
			if !c.Wrong || err == nil {
				t.Errorf("%q: is wrong in Python: %v, here: %v", c.Pattern, c.Wrong, err)
			}
			continue
		}
		always := &pyPattern{src: c.Pattern, given: int(c.Flags)}
		if err := always.backtrack(); err != nil {
			t.Errorf("%q: %v", c.Pattern, err)
			continue
		}
		if p.back != nil {
			slow++
		}
		for text, want := range c.Texts {
			for _, p := range []*pyPattern{p, always} {
				if got := foundBy(t, p, text); got != [3]string{string(want[0]), string(want[1]), string(want[2])} {
					t.Errorf("%q (flags %d) in %q, by backtracking: %v\n got %s\nwant %s", c.Pattern, c.Flags, text, p.back != nil, got, want)
				}
			}
		}
	}
	if slow < 20 || slow > len(cases)/2 {
		t.Errorf("%d of %d patterns are matched by backtracking", slow, len(cases))
	}
}

// foundBy is what a pattern finds in a text, in characters, as gen_re.py says it.
func foundBy(t *testing.T, p *pyPattern, text string) (out [3]string) {
	if err := p.fits(text); err != nil {
		t.Fatal(err)
	}
	spans := func(m []int) (all [][]int) {
		for i := range len(m) / 2 {
			s, e := (&matchValue{p, text, m}).span(i)
			all = append(all, []int{s, e})
		}
		return all
	}
	all, err := p.all(text)
	if err != nil {
		t.Fatal(err)
	}
	matches := [][][]int{}
	for _, m := range all {
		matches = append(matches, spans(m))
	}
	found := []any{matches, nil, nil}
	for i, how := range []searching{atStart, whole} {
		m, err := p.first(text, how)
		if err != nil {
			t.Fatal(err)
		}
		if m != nil {
			found[i+1] = spans(m.(*matchValue).at)
		}
	}
	for i, v := range found {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(b)
	}
	return out
}

// TestPatternsThatGoOn: what would be tried for ever ends with an error, and a text of any length is no danger.
func TestPatternsThatGoOn(t *testing.T) {
	for _, c := range []struct{ pattern, text string }{
		{`(?=a)(a+)+$`, strings.Repeat("a", 40) + "b"},
		{`(?!x)(?:ab?)*c`, strings.Repeat("ab", 1_000_000)},
	} {
		p, err := compilePattern(c.pattern, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.first(c.text, anywhere); err == nil || !strings.Contains(err.Error(), "tries too many ways") {
			t.Errorf("%s: %v", c.pattern, err)
		}
	}
}

// FuzzPatterns: whatever a pattern says, it is read and searched for without a panic, and what is found lies within the text.
func FuzzPatterns(f *testing.F) {
	for _, seed := range []string{`(a|b)*?(?=c)`, `(?<!x)[^\W\d]+\1`, `(?P<n>a)(?(n)b|c)`, `(?i-s:\x41)++{2,3}`, "[a-", `(?>a{,2})$`, `\N{DASH}`} {
		f.Add(seed, "abc abc\n")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 60 || len(text) > 60 {
			return
		}
		b, err := compileBacktracker(pattern, reMultiLine)
		if err != nil {
			return
		}
		all, err := b.all(text)
		if err != nil {
			return
		}
		for _, m := range all {
			if m[0] < 0 || m[1] < m[0] || m[1] > len(text) {
				t.Errorf("%q in %q: %v", pattern, text, m)
			}
		}
	})
}
