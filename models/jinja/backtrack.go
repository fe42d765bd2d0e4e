package jinja

import (
	"errors"
	"fmt"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// matchingStack is the number of slots that one search may keep to come back to.
const matchingStack = 8 << 20

// backtracker matches a translated pattern by package regexp2, whose engine backtracks. It works on characters; what it gives are bytes.
type backtracker struct {
	src  string // as the template has it
	text string
	made map[string]*regexp2.Regexp // by the place that a match may have
}

func newBacktracker(src, text string) (*backtracker, error) {
	b := &backtracker{src: src, text: text, made: map[string]*regexp2.Regexp{}}
	_, err := b.at(anywhere)
	return b, err
}

// at is the pattern at one of the places.
func (b *backtracker) at(place string) (*regexp2.Regexp, error) {
	if made := b.made[place]; made != nil {
		return made, nil
	}
	made, err := regexp2.Compile(fmt.Sprintf(place, b.text), regexp2.OptionMaintainCaptureOrder(),
		regexp2.OptionMaxBacktrackingStackSize(matchingStack))
	if err != nil {
		return nil, &Error{Msg: fmt.Sprintf("modules.re: the pattern %s cannot be read: %v", quote(b.src), err)}
	}
	b.made[place] = made
	return made, nil
}

// find is the first match at a place.
func (b *backtracker) find(r *render, place, text string) ([]int, error) {
	t := decode(text)
	m, err := b.search(r, place, t, 0)
	return t.bytes(m), err
}

// all finds every match. Behind a match of nothing the next one begins at the same place, and is not nothing.
func (b *backtracker) all(r *render, text string) ([][]int, error) {
	t := decode(text)
	var out [][]int
	for from, place := 0, anywhere; ; {
		m, err := b.search(r, place, t, from)
		if m == nil || err != nil {
			return out, err
		}
		if err := r.spend(1 + len(m)/2); err != nil {
			return nil, err
		}
		if from, place = m[1], anywhere; m[0] == m[1] {
			place = notNothing
		}
		out = append(out, t.bytes(m))
	}
}

// search is one search, in characters, within what is left of the time: that of some patterns doubles with each character.
func (b *backtracker) search(r *render, place string, t *decoded, from int) ([]int, error) {
	re, err := b.at(place)
	if err != nil {
		return nil, err
	}
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	re.MatchTimeout = max(r.opts.Matching-r.matching, time.Millisecond)
	found, err := re.FindRunesMatchStartingAt(t.runes, from)
	r.matching += time.Since(start)
	switch {
	case errors.Is(err, regexp2.ErrBacktrackingStackLimit):
		return nil, &Error{Msg: fmt.Sprintf("modules.re: the pattern %s has too many ways to match a text of %s", quote(b.src),
			plural(len(t.runes), "character")), Hint: "say it with fewer repetitions inside repetitions", Unsupported: true}
	case err != nil: // its words hold the text, which is nobody's business
		return nil, &Error{Msg: fmt.Sprintf("modules.re: patterns with look-around or references have taken %s of this template, the last was %s",
			r.opts.Matching, quote(b.src)), Hint: "say it with fewer repetitions inside repetitions", Unsupported: true}
	case found == nil:
		return nil, nil
	}
	var out []int
	for _, g := range found.Groups() {
		if len(g.Captures) == 0 {
			out = append(out, -1, -1)
			continue
		}
		out = append(out, g.RuneIndex, g.RuneIndex+g.RuneLength)
	}
	return out, nil
}

// decoded is a text as characters, and where each begins.
type decoded struct {
	runes   []rune
	offsets []int // nil where each character is one byte
}

func decode(text string) *decoded {
	d := &decoded{runes: []rune(text)}
	if len(d.runes) == len(text) {
		return d
	}
	for i := range text {
		d.offsets = append(d.offsets, i)
	}
	d.offsets = append(d.offsets, len(text))
	return d
}

func (d *decoded) bytes(at []int) []int {
	if d.offsets == nil {
		return at
	}
	for i, n := range at {
		if n >= 0 {
			at[i] = d.offsets[n]
		}
	}
	return at
}
