package jinja

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What RE2 cannot say of Python's patterns (look-around, references to groups, atomic and conditional groups, possessive quantifiers) is
// matched here, by trying one way after the other, as Python does. That may take for ever, so steps are counted.

const (
	maxMatchSteps = 5_000_000 // of one call, whatever number of matches it finds
	maxMatchDepth = 20_000    // of groups that are repeated: each is a call
	unlimited     = 1 << 30
)

// backtracker is a pattern of Python's re.
type backtracker struct {
	src   string
	names []string // of groups, by number; "" for one without a name
	root  piece
}

// piece is a part of a pattern.
type piece struct {
	run    matchFunc
	one    func(rune) bool // of a part that is one character
	lo, hi int             // how many characters it can be
}

// matchFunc matches at a place, and calls next with where it ends, for every way in which it can, until next says yes.
type matchFunc func(m *attempt, at int, next func(int) bool) bool

// attempt is one search.
type attempt struct {
	text  string
	caps  []int
	steps int
	depth int
	err   error
}

// searching are the ways in which a text is searched.
type searching int

const (
	anywhere searching = iota
	atStart
	whole
)

// find gives the places of the next match and of its groups, -1 for those that took no part; nil when there is none. With advance a match
// at from is not empty.
func (b *backtracker) find(text string, from int, how searching, advance bool, steps *int) ([]int, error) {
	m := &attempt{text: text, caps: make([]int, 2*len(b.names)), steps: *steps}
	defer func() { *steps = m.steps }()
	for at := from; at <= len(text); {
		for i := range m.caps {
			m.caps[i] = -1
		}
		end := -1
		if b.root.run(m, at, func(p int) bool {
			if how == whole && p != len(text) || advance && at == from && p == at {
				return false
			}
			end = p
			return true
		}) && m.err == nil {
			m.caps[0], m.caps[1] = at, end
			return m.caps, nil
		}
		if m.err != nil {
			return nil, m.err
		}
		if how != anywhere || at == len(text) {
			return nil, nil
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return nil, nil
}

// all finds every match. Behind one of nothing the next, at the same place, is of something.
func (b *backtracker) all(text string) (all [][]int, err error) {
	advance, steps := false, 0
	for from := 0; ; {
		m, err := b.find(text, from, anywhere, advance, &steps)
		if m == nil || err != nil {
			return all, err
		}
		all = append(all, m)
		advance, from = m[0] == m[1], m[1]
	}
}

// goes counts a step, and says whether the search goes on.
func (m *attempt) goes() bool {
	m.steps++
	if m.err == nil && (m.steps > maxMatchSteps || m.depth > maxMatchDepth) {
		m.err = &Error{Msg: "modules.re: the pattern tries too many ways to match the text", Hint: "say more of what it looks for, or search a shorter text"}
	}
	return m.err == nil
}

// pieces reads a pattern.
type pieces struct {
	src    string
	i      int
	flags  int
	b      *backtracker
	widths map[int]piece // of groups that are closed
}

func compileBacktracker(src string, flags int) (b *backtracker, err error) {
	b = &backtracker{src: src, names: []string{""}}
	p := &pieces{src: src, flags: flags, b: b, widths: map[int]piece{}}
	if b.root, err = p.either(); err == nil && p.i < len(src) {
		err = p.wrong("a bracket is closed that was not opened")
	}
	return b, err
}

func (p *pieces) wrong(what string) error {
	return &Error{Msg: fmt.Sprintf("modules.re: %s (at character %d of the pattern %s)", what, utf8.RuneCountInString(p.src[:p.i])+1, quote(p.src))}
}

func (p *pieces) has(flag int) bool { return p.flags&flag != 0 }

// takes goes past a text if it comes next.
func (p *pieces) takes(s string) bool {
	if !strings.HasPrefix(p.src[p.i:], s) {
		return false
	}
	p.i += len(s)
	return true
}

// space goes past what counts for nothing in a verbose pattern.
func (p *pieces) space() {
	for p.has(reVerbose) && p.i < len(p.src) {
		switch c := p.src[p.i]; {
		case strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			p.i++
		case c == '#':
			end := strings.IndexByte(p.src[p.i:], '\n')
			if end < 0 {
				end = len(p.src) - p.i
			}
			p.i += end
		default:
			return
		}
	}
}

// either is a|b|c.
func (p *pieces) either() (piece, error) {
	first, err := p.sequence()
	for err == nil && p.takes("|") {
		var other piece
		if other, err = p.sequence(); err == nil {
			first = alternatives(first, other)
		}
	}
	return first, err
}

func alternatives(a, b piece) piece {
	return piece{lo: min(a.lo, b.lo), hi: max(a.hi, b.hi), run: func(m *attempt, at int, next func(int) bool) bool {
		return m.goes() && (a.run(m, at, next) || m.err == nil && b.run(m, at, next))
	}}
}

func empty() piece {
	return piece{run: func(m *attempt, at int, next func(int) bool) bool { return m.goes() && next(at) }}
}

func (p *pieces) sequence() (piece, error) {
	var all []piece
	for {
		p.space()
		if p.i >= len(p.src) || p.src[p.i] == '|' || p.src[p.i] == ')' {
			break
		}
		one, err := p.atom()
		if err == nil {
			one, err = p.quantified(one)
		}
		if err != nil {
			return piece{}, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return empty(), nil
	}
	out := all[len(all)-1]
	for i := len(all) - 2; i >= 0; i-- {
		out = both(all[i], out)
	}
	return out, nil
}

func both(a, b piece) piece {
	return piece{lo: a.lo + b.lo, hi: min(a.hi+b.hi, unlimited), run: func(m *attempt, at int, next func(int) bool) bool {
		return a.run(m, at, func(p int) bool { return b.run(m, p, next) })
	}}
}

// character is one character that is as it is asked to be.
func character(is func(rune) bool) piece {
	return piece{one: is, lo: 1, hi: 1, run: func(m *attempt, at int, next func(int) bool) bool {
		if !m.goes() || at >= len(m.text) {
			return false
		}
		c, n := utf8.DecodeRuneInString(m.text[at:])
		return is(c) && next(at+n)
	}}
}

// place is what matches nothing, at some places only.
func place(here func(text string, at int) bool) piece {
	return piece{run: func(m *attempt, at int, next func(int) bool) bool { return m.goes() && here(m.text, at) && next(at) }}
}

func (p *pieces) atom() (piece, error) {
	switch c := p.src[p.i]; c {
	case '.':
		p.i++
		all := p.has(reDotAll)
		return character(func(c rune) bool { return all || c != '\n' }), nil
	case '^':
		p.i++
		lines := p.has(reMultiLine)
		return place(func(text string, at int) bool { return at == 0 || lines && text[at-1] == '\n' }), nil
	case '$':
		p.i++
		lines := p.has(reMultiLine)
		return place(func(text string, at int) bool {
			return at == len(text) || text[at:] == "\n" || lines && text[at] == '\n'
		}), nil
	case '[':
		p.i++
		return p.bracket()
	case '(':
		p.i++
		return p.group()
	case '\\':
		p.i++
		return p.escaped()
	}
	if _, _, ok := p.times(); ok {
		return piece{}, p.wrong("there is nothing to repeat")
	}
	c, n := utf8.DecodeRuneInString(p.src[p.i:])
	p.i += n
	return character(p.folds(func(x rune) bool { return x == c })), nil
}

// folds makes a test of characters one that does not look at case, where the flags say so.
func (p *pieces) folds(is func(rune) bool) func(rune) bool {
	if !p.has(reIgnoreCase) {
		return is
	}
	return func(c rune) bool {
		if is(c) {
			return true
		}
		for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
			if is(f) {
				return true
			}
		}
		return false
	}
}

// quantified is a part with what is said behind it of how often it is there.
func (p *pieces) quantified(one piece) (piece, error) {
	p.space()
	lo, hi, ok := p.times()
	if !ok {
		return one, nil
	}
	if lo > hi {
		return piece{}, p.wrong("the least number is greater than the most")
	}
	lazy, possessive := p.takes("?"), false
	if !lazy {
		possessive = p.takes("+")
	}
	out := repeat(one, lo, hi, lazy)
	if possessive {
		out = atomic(out)
	}
	before := p.i
	p.space()
	if _, _, again := p.times(); again {
		return piece{}, p.wrong("what is repeated is repeated again")
	}
	p.i = before
	return out, nil
}

// times reads *, +, ? and {2,3}; other braces are themselves.
func (p *pieces) times() (lo, hi int, ok bool) {
	switch {
	case p.takes("*"):
		return 0, unlimited, true
	case p.takes("+"):
		return 1, unlimited, true
	case p.takes("?"):
		return 0, 1, true
	}
	rest := p.src[p.i:]
	end := strings.IndexByte(rest, '}')
	if !strings.HasPrefix(rest, "{") || end < 2 {
		return 0, 0, false
	}
	from, to, ranged := strings.Cut(rest[1:end], ",")
	lo, hi = 0, unlimited
	var err error
	if from != "" {
		if lo, err = strconv.Atoi(from); err != nil || lo < 0 || strings.HasPrefix(from, "+") {
			return 0, 0, false
		}
	}
	switch {
	case !ranged:
		hi = lo
	case to != "":
		if hi, err = strconv.Atoi(to); err != nil || hi < 0 || strings.HasPrefix(to, "+") {
			return 0, 0, false
		}
	}
	p.i += end + 1
	return lo, hi, true
}

func repeat(one piece, lo, hi int, lazy bool) piece {
	out := piece{lo: min(one.lo*lo, unlimited), hi: unlimited}
	if hi < unlimited && one.hi < unlimited {
		out.hi = min(one.hi*hi, unlimited)
	}
	if one.one != nil && !lazy {
		out.run = func(m *attempt, at int, next func(int) bool) bool { return manyOf(m, one.one, lo, hi, at, next) }
		return out
	}
	var more func(m *attempt, n, last, at int, next func(int) bool) bool
	more = func(m *attempt, n, last, at int, next func(int) bool) bool { // last is where the time before began
		if !m.goes() {
			return false
		}
		m.depth++
		defer func() { m.depth-- }()
		again := func() bool {
			return n < hi && (n < lo || at != last) && one.run(m, at, func(p int) bool { return more(m, n+1, at, p, next) })
		}
		if n < lo {
			return again()
		}
		if lazy {
			return next(at) || m.err == nil && again()
		}
		return again() || m.err == nil && next(at)
	}
	out.run = func(m *attempt, at int, next func(int) bool) bool { return more(m, 0, -1, at, next) }
	return out
}

// manyOf matches as many characters as it can, then fewer and fewer.
func manyOf(m *attempt, is func(rune) bool, lo, hi, at int, next func(int) bool) bool {
	n, end := 0, at
	for n < hi && end < len(m.text) && m.goes() {
		c, size := utf8.DecodeRuneInString(m.text[end:])
		if !is(c) {
			break
		}
		n, end = n+1, end+size
	}
	for ; n >= lo && m.goes(); n-- {
		if next(end) {
			return true
		}
		if n > 0 {
			_, size := utf8.DecodeLastRuneInString(m.text[:end])
			end -= size
		}
	}
	return false
}

// atomic takes the first way in which a part matches, and no other.
func atomic(one piece) piece {
	out := one
	out.one = nil
	out.run = func(m *attempt, at int, next func(int) bool) bool {
		before, end := append([]int(nil), m.caps...), -1
		if !one.run(m, at, func(p int) bool { end = p; return true }) {
			return false
		}
		if next(end) {
			return true
		}
		copy(m.caps, before)
		return false
	}
	return out
}

// group is what follows an opening parenthesis.
func (p *pieces) group() (piece, error) {
	switch {
	case p.takes("?:"):
		return p.scoped(p.flags)
	case p.takes("?P<"):
		return p.captured(true)
	case p.takes("?P="):
		name, err := p.until(')')
		if err != nil {
			return piece{}, err
		}
		return p.reference(name)
	case p.takes("?="):
		return p.ahead(true)
	case p.takes("?!"):
		return p.ahead(false)
	case p.takes("?<="):
		return p.behind(true)
	case p.takes("?<!"):
		return p.behind(false)
	case p.takes("?>"):
		inner, err := p.scoped(p.flags)
		return atomic(inner), err
	case p.takes("?("):
		return p.conditional()
	case p.takes("?#"):
		_, err := p.until(')')
		return empty(), err
	case p.takes("?"):
		return p.flagged()
	}
	return p.captured(false)
}

// scoped is the inside of a group up to its end, under flags of its own.
func (p *pieces) scoped(flags int) (piece, error) {
	outer := p.flags
	p.flags = flags
	inner, err := p.either()
	p.flags = outer
	if err == nil && !p.takes(")") {
		err = p.wrong("a parenthesis is not closed")
	}
	inner.one = nil
	return inner, err
}

func (p *pieces) until(end byte) (string, error) {
	n := strings.IndexByte(p.src[p.i:], end)
	if n < 0 {
		return "", p.wrong("a " + string(end) + " is missing")
	}
	s := p.src[p.i : p.i+n]
	p.i += n + 1
	return s, nil
}

var pythonName = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_]*$`)

func (p *pieces) captured(named bool) (piece, error) {
	name := ""
	if named {
		var err error
		if name, err = p.until('>'); err != nil {
			return piece{}, err
		}
		if !pythonName.MatchString(name) {
			return piece{}, p.wrong(quote(name) + " is no name of a group")
		}
	}
	g := len(p.b.names)
	p.b.names = append(p.b.names, name)
	inner, err := p.scoped(p.flags)
	if err != nil {
		return piece{}, err
	}
	p.widths[g] = inner
	return piece{lo: inner.lo, hi: inner.hi, run: func(m *attempt, at int, next func(int) bool) bool {
		return inner.run(m, at, func(end int) bool {
			a, b := m.caps[2*g], m.caps[2*g+1]
			m.caps[2*g], m.caps[2*g+1] = at, end
			if next(end) {
				return true
			}
			m.caps[2*g], m.caps[2*g+1] = a, b
			return false
		})
	}}, nil
}

// numbered is a group by its number or name.
func (p *pieces) numbered(ref string) (int, error) {
	if n, err := strconv.Atoi(ref); err == nil && n > 0 && n < len(p.b.names) {
		return n, nil
	}
	for g, name := range p.b.names {
		if name != "" && name == ref {
			return g, nil
		}
	}
	return 0, p.wrong("there is no group " + quote(ref) + " before it")
}

func (p *pieces) reference(ref string) (piece, error) {
	g, err := p.numbered(ref)
	if err != nil {
		return piece{}, err
	}
	width, closed := p.widths[g]
	if !closed {
		return piece{}, p.wrong("a group cannot refer to itself")
	}
	fold := p.has(reIgnoreCase)
	return piece{lo: width.lo, hi: width.hi, run: func(m *attempt, at int, next func(int) bool) bool {
		if !m.goes() || m.caps[2*g] < 0 {
			return false
		}
		end := at
		for _, c := range m.text[m.caps[2*g]:m.caps[2*g+1]] {
			x, n := utf8.DecodeRuneInString(m.text[end:])
			if n == 0 || x != c && !(fold && strings.EqualFold(string(x), string(c))) {
				return false
			}
			end += n
		}
		return next(end)
	}}, nil
}

func (p *pieces) ahead(is bool) (piece, error) {
	inner, err := p.scoped(p.flags)
	return look(is, inner.run), err
}

func (p *pieces) behind(is bool) (piece, error) {
	inner, err := p.scoped(p.flags)
	if err == nil && inner.lo != inner.hi {
		err = p.wrong("a look-behind must know how many characters it is")
	}
	return look(is, func(m *attempt, at int, next func(int) bool) bool {
		from := at
		for range inner.lo {
			if from == 0 {
				return false
			}
			_, n := utf8.DecodeLastRuneInString(m.text[:from])
			from -= n
		}
		return inner.run(m, from, next)
	}), err
}

// look asks whether something matches here, and stays where it is.
func look(is bool, inner matchFunc) piece {
	return piece{run: func(m *attempt, at int, next func(int) bool) bool {
		before := append([]int(nil), m.caps...)
		found := inner(m, at, func(int) bool { return true })
		if m.err != nil || found != is {
			copy(m.caps, before)
			return false
		}
		if next(at) {
			return true
		}
		copy(m.caps, before)
		return false
	}}
}

// conditional is (?(1)yes|no).
func (p *pieces) conditional() (piece, error) {
	ref, err := p.until(')')
	if err != nil {
		return piece{}, err
	}
	g, err := p.numbered(ref)
	if err != nil {
		return piece{}, err
	}
	yes, err := p.sequence()
	no := empty()
	if err == nil && p.takes("|") {
		no, err = p.sequence()
	}
	if err == nil && !p.takes(")") {
		err = p.wrong("a conditional group has two ways at most, and ends")
	}
	return piece{lo: min(yes.lo, no.lo), hi: max(yes.hi, no.hi), run: func(m *attempt, at int, next func(int) bool) bool {
		if m.caps[2*g+1] >= 0 {
			return yes.run(m, at, next)
		}
		return no.run(m, at, next)
	}}, err
}

// flagged is (?i) for all of the pattern, or (?i-s:…).
func (p *pieces) flagged() (piece, error) {
	flags, off := p.flags, false
	for p.i < len(p.src) {
		c := p.src[p.i]
		p.i++
		switch bit := map[byte]int{'i': reIgnoreCase, 'm': reMultiLine, 's': reDotAll, 'x': reVerbose, 'a': reASCII, 'u': reUnicode}[c]; {
		case c == ')' && !off:
			p.flags = flags
			return empty(), nil
		case c == ':':
			return p.scoped(flags)
		case c == '-':
			off = true
		case bit == 0:
			return piece{}, p.wrong("the flag " + quote(string(c)) + " is unknown")
		case off:
			flags &^= bit
		default:
			flags |= bit
		}
	}
	return piece{}, p.wrong("a parenthesis is not closed")
}

func wordOfPython(c rune) bool  { return c == '_' || unicode.IsLetter(c) || unicode.IsNumber(c) }
func spaceOfPython(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

// kind is what \d, \w, \s and their opposites are.
func (p *pieces) kind(c byte) (func(rune) bool, bool) {
	is := map[byte]func(rune) bool{'d': unicode.IsDigit, 'w': wordOfPython, 's': spaceOfPython}[c|0x20]
	if is == nil {
		return nil, false
	}
	ascii, not := p.has(reASCII), c < 'a'
	return func(x rune) bool { return (is(x) && (!ascii || x < utf8.RuneSelf && (x < 0x1c || x > 0x1f))) != not }, true
}

// escaped is what follows a backslash outside a bracket.
func (p *pieces) escaped() (piece, error) {
	if p.i >= len(p.src) {
		return piece{}, p.wrong("a backslash at the end")
	}
	c := p.src[p.i]
	if is, ok := p.kind(c); ok {
		p.i++
		return character(is), nil
	}
	switch {
	case c == 'A':
		p.i++
		return place(func(_ string, at int) bool { return at == 0 }), nil
	case c == 'Z':
		p.i++
		return place(func(text string, at int) bool { return at == len(text) }), nil
	case c == 'b' || c == 'B':
		p.i++
		return p.boundary(c == 'b'), nil
	case c >= '1' && c <= '9' && !p.octal():
		n := 1
		if p.i+1 < len(p.src) && p.src[p.i+1] >= '0' && p.src[p.i+1] <= '9' {
			n = 2
		}
		p.i += n
		return p.reference(p.src[p.i-n : p.i])
	}
	r, err := p.letter()
	return character(p.folds(func(x rune) bool { return x == r })), err
}

func (p *pieces) boundary(is bool) piece {
	word, _ := p.kind('w')
	return place(func(text string, at int) bool {
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		behind, _ := utf8.DecodeRuneInString(text[at:])
		edge := (at > 0 && word(before)) != (at < len(text) && word(behind))
		return len(text) > 0 && edge == is
	})
}

// octal says whether three digits come that are a character.
func (p *pieces) octal() bool {
	if p.i+3 > len(p.src) {
		return false
	}
	code, err := strconv.ParseUint(p.src[p.i:p.i+3], 8, 8)
	return err == nil && code > 0
}

// letter is a backslash's character, inside a bracket or outside.
func (p *pieces) letter() (rune, error) {
	c, n := utf8.DecodeRuneInString(p.src[p.i:])
	if digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c]; digits > 0 {
		if p.i+1+digits <= len(p.src) {
			if code, err := strconv.ParseUint(p.src[p.i+1:p.i+1+digits], 16, 32); err == nil && code <= unicode.MaxRune {
				p.i += 1 + digits
				return rune(code), nil
			}
		}
		return 0, p.wrong("an escape that is no character")
	}
	if plain, ok := map[rune]rune{'a': '\a', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}[c]; ok {
		p.i++
		return plain, nil
	}
	if c == '0' || p.octal() {
		end := p.i + 1
		for end < len(p.src) && end < p.i+3 && p.src[end] >= '0' && p.src[end] <= '7' {
			end++
		}
		code, _ := strconv.ParseUint(p.src[p.i:end], 8, 32)
		p.i = end
		return rune(code), nil
	}
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '1' && c <= '9' {
		return 0, p.wrong("\\" + string(c) + " means nothing")
	}
	p.i += n
	return c, nil
}

// bracket is [a-z\d], from behind its opening.
func (p *pieces) bracket() (piece, error) {
	not := p.takes("^")
	var any []func(rune) bool
	for first := true; ; first = false {
		if p.i >= len(p.src) {
			return piece{}, p.wrong("a bracket is not closed")
		}
		if !first && p.takes("]") {
			break
		}
		from, is, err := p.member()
		if err != nil {
			return piece{}, err
		}
		if is != nil {
			any = append(any, is)
			continue
		}
		to := from
		if rest := p.src[p.i:]; strings.HasPrefix(rest, "-") && len(rest) > 1 && rest[1] != ']' {
			p.i++
			var kind func(rune) bool
			if to, kind, err = p.member(); err != nil || kind != nil || to < from {
				return piece{}, p.wrong("a range that is none")
			}
		}
		any = append(any, func(c rune) bool { return c >= from && c <= to })
	}
	in := p.folds(func(c rune) bool {
		for _, is := range any {
			if is(c) {
				return true
			}
		}
		return false
	})
	return character(func(c rune) bool { return in(c) != not }), nil
}

// member is a character of a bracket, or a kind of characters.
func (p *pieces) member() (rune, func(rune) bool, error) {
	if !p.takes(`\`) {
		c, n := utf8.DecodeRuneInString(p.src[p.i:])
		p.i += n
		return c, nil, nil
	}
	if p.i >= len(p.src) {
		return 0, nil, p.wrong("a backslash at the end")
	}
	if is, ok := p.kind(p.src[p.i]); ok {
		p.i++
		return 0, is, nil
	}
	if p.takes("b") {
		return '\b', nil, nil
	}
	c, err := p.letter()
	return c, nil, err
}
