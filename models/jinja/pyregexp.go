package jinja

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Flags of Python's re, with its numbers, since templates add them up.
const (
	reIgnoreCase = 2
	reMultiLine  = 8
	reDotAll     = 16
	reUnicode    = 32
	reVerbose    = 64
	reASCII      = 256
)

// pyPattern is a pattern of Python's re translated to RE2. They agree on what both can say; what RE2 cannot is left to a backtracker.
type pyPattern struct {
	src    string
	flags  int          // with those that the pattern itself says
	given  int          // without them
	groups []string     // their names, by number
	back   *backtracker // of what RE2 cannot say
	search *regexp.Regexp
	match  *regexp.Regexp // anchored at the start
	full   *regexp.Regexp // anchored at both ends
	dollar bool           // has a $ that in Python also matches before a line end at the end of the text
	ascii  bool           // has a \b, which RE2 knows of ASCII only
}

// compilePattern reads a pattern.
func compilePattern(src string, flags int64) (*pyPattern, error) {
	p := &pyPattern{src: src, flags: int(flags), given: int(flags)}
	if p.translate() {
		return p, nil
	}
	return p, p.backtrack()
}

// translate says whether RE2 can say what the pattern says.
func (p *pyPattern) translate() bool {
	t := &translator{src: p.src, p: p}
	out, err := t.translate()
	if err != nil || p.flags&reASCII != 0 && p.flags&reIgnoreCase != 0 { // letters that fold to ASCII are none
		return false
	}
	prefix := ""
	for _, f := range []struct {
		flag int
		name string
	}{{reIgnoreCase, "i"}, {reMultiLine, "m"}, {reDotAll, "s"}} {
		if p.flags&f.flag != 0 {
			prefix += f.name
		}
	}
	if prefix != "" {
		out = "(?" + prefix + ":" + out + ")"
	}
	for _, c := range []struct {
		re   **regexp.Regexp
		text string
	}{{&p.search, out}, {&p.match, `\A(?:` + out + `)`}, {&p.full, `\A(?:` + out + `)\z`}} {
		if *c.re, err = regexp.Compile(c.text); err != nil {
			return false
		}
	}
	p.groups = p.search.SubexpNames()
	return !p.search.MatchString("") // behind a match of nothing it does not go on as Python does
}

func (p *pyPattern) backtrack() (err error) {
	if p.back, err = compileBacktracker(p.src, p.given); err == nil {
		p.groups = p.back.names
	}
	return err
}

// fits sees to it that a text on which RE2 would answer otherwise than Python is searched as Python does it.
func (p *pyPattern) fits(text string) error {
	if p.back != nil {
		return nil
	}
	odd := p.dollar && p.flags&reMultiLine == 0 && strings.HasSuffix(text, "\n") // where $ matches too
	if !odd && p.ascii && p.flags&reASCII == 0 {
		odd = strings.ContainsFunc(text, func(c rune) bool { return c >= utf8.RuneSelf })
	}
	if !odd {
		return nil
	}
	return p.backtrack()
}

// errNotRE2 is for what RE2 does not know, and for what nobody does.
var errNotRE2 = errors.New("RE2 cannot say it")

// translator rewrites a pattern from left to right.
type translator struct {
	src string
	i   int
	b   strings.Builder
	p   *pyPattern
}

func (t *translator) translate() (string, error) {
	for t.i < len(t.src) {
		var err error
		switch c := t.src[t.i]; {
		case c == '\\':
			err = t.escape()
		case c == '[':
			err = t.class()
		case c == '(' && strings.HasPrefix(t.src[t.i:], "(?"):
			err = t.group()
		case t.p.flags&reVerbose != 0 && strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			t.i++
		case t.p.flags&reVerbose != 0 && c == '#':
			end := strings.IndexByte(t.src[t.i:], '\n')
			if end < 0 {
				end = len(t.src) - t.i
			}
			t.i += end
		case strings.IndexByte("*+?}", c) >= 0 && t.i+1 < len(t.src) && t.src[t.i+1] == '+':
			return "", errNotRE2
		case c == '{' && (t.i == 0 || strings.HasPrefix(t.src[t.i:], "{,")): // which RE2 takes for itself
			return "", errNotRE2
		case c == '$':
			t.p.dollar = true
			t.copy(1)
		default:
			t.copy(1)
		}
		if err != nil {
			return "", err
		}
	}
	return t.b.String(), nil
}

func (t *translator) copy(n int) {
	t.b.WriteString(t.src[t.i : t.i+n])
	t.i += n
}

func (t *translator) put(s string, n int) {
	t.b.WriteString(s)
	t.i += n
}

// group is what begins with (?.
func (t *translator) group() error {
	rest := t.src[t.i+2:]
	switch {
	case strings.HasPrefix(rest, "P<") && !pythonName.MatchString(rest[2:max(2, strings.IndexByte(rest, '>'))]):
		return errNotRE2
	case strings.HasPrefix(rest, "P<"), strings.HasPrefix(rest, ":"):
		t.copy(3)
		return nil
	case strings.ContainsRune("P=!<>(", rune((rest + ")")[0])):
		return errNotRE2
	case strings.HasPrefix(rest, "#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return errNotRE2
		}
		t.i += 2 + end + 1
		return nil
	}
	return t.flagGroup(rest)
}

// flagGroup is (?i) at the beginning, or (?i:…).
func (t *translator) flagGroup(rest string) error {
	end := strings.IndexAny(rest, ":)")
	if end < 0 {
		return errNotRE2
	}
	keep, scoped := "", rest[end] == ':'
	for _, c := range rest[:end] {
		switch {
		case (c == 'a' || c == 'x') && !scoped:
			t.p.flags |= map[rune]int{'a': reASCII, 'x': reVerbose}[c]
		case c == 'u' && !scoped:
		case c == 'i' || c == 'm' || c == 's' || c == '-':
			keep += string(c)
			if c == 'm' {
				t.p.flags |= reMultiLine
			}
		default:
			return errNotRE2
		}
	}
	t.i += 2 + end + 1
	switch {
	case scoped:
		t.b.WriteString("(?" + keep + ":")
	case keep != "":
		t.b.WriteString("(?" + keep + ")")
	}
	return nil
}

// classes are the shorthands, as the inside of a bracket: Python's know all of Unicode.
var classes = map[byte]string{'d': `\p{Nd}`, 'w': `\p{L}\p{N}_`, 's': `\s\v\x1c-\x1f\x{85}\p{Z}`}

var asciiClasses = map[byte]string{'d': `0-9`, 'w': `a-zA-Z0-9_`, 's': `\s\v`}

// shorthand is the inside of a bracket for \d, \w, \s, and whether the letter negates it.
func (t *translator) shorthand(c byte) (inside string, negated, ok bool) {
	set := classes
	if t.p.flags&reASCII != 0 {
		set = asciiClasses
	}
	if inside, ok = set[c]; ok {
		return inside, false, true
	}
	inside, ok = set[c+'a'-'A']
	return inside, true, ok && c >= 'A' && c <= 'Z'
}

// escape is a backslash outside a bracket.
func (t *translator) escape() error {
	if t.i+1 == len(t.src) {
		return errNotRE2
	}
	c := t.src[t.i+1]
	if inside, negated, ok := t.shorthand(c); ok {
		if negated {
			inside = "^" + inside
		}
		t.put("["+inside+"]", 2)
		return nil
	}
	switch {
	case c == 'b' || c == 'B':
		t.p.ascii = true
		t.copy(2)
		return nil
	case c == 'A':
		t.copy(2)
		return nil
	case c == 'Z':
		t.put(`\z`, 2)
		return nil
	case c >= '1' && c <= '9':
		return errNotRE2
	}
	return t.char()
}

// char is a backslash that stands for one character, inside a bracket or outside.
func (t *translator) char() error {
	c := t.src[t.i+1]
	switch {
	case c == 'u' || c == 'U' || c == 'x':
		n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if len(t.src) < t.i+2+n {
			return errNotRE2
		}
		code, err := strconv.ParseUint(t.src[t.i+2:t.i+2+n], 16, 32)
		if err != nil {
			return errNotRE2
		}
		t.put(fmt.Sprintf(`\x{%x}`, code), 2+n)
	case c == '0':
		t.put(`\x00`, 2)
	case strings.IndexByte("aftnrv", c) >= 0:
		t.copy(2)
	case c < utf8.RuneSelf && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'):
		return errNotRE2
	case c >= utf8.RuneSelf:
		_, n := utf8.DecodeRuneInString(t.src[t.i+1:])
		t.put(t.src[t.i+1:t.i+1+n], 1+n)
	case c >= '0' && c <= '9':
		t.put(string(c), 2)
	default:
		t.put("\\"+string(c), 2)
	}
	return nil
}

// class is a bracket: [a-z\d]. A negated shorthand in it becomes an alternative beside it.
func (t *translator) class() error {
	start := t.i
	t.i++
	negated := strings.HasPrefix(t.src[t.i:], "^")
	if negated {
		t.i++
	}
	outer := t.b
	t.b = strings.Builder{}
	var outside []string
	for first := true; ; first = false {
		if t.i >= len(t.src) {
			t.i = start
			return errNotRE2
		}
		c := t.src[t.i]
		if c == ']' && !first {
			t.i++
			break
		}
		switch {
		case c == '\\' && t.i+1 < len(t.src):
			inside, negative, ok := t.shorthand(t.src[t.i+1])
			switch {
			case ok && negative && negated:
				return errNotRE2
			case ok && negative:
				outside = append(outside, "[^"+inside+"]")
				t.i += 2
			case ok:
				t.put(inside, 2)
			case t.src[t.i+1] == 'b':
				t.put(`\x08`, 2)
			default:
				if err := t.char(); err != nil {
					return err
				}
			}
		case c == '[' || c == ']':
			t.put(`\`+string(c), 1)
		default:
			t.copy(1)
		}
	}
	inside := t.b.String()
	t.b = strings.Builder{}
	t.b.WriteString(outer.String())
	own := "[" + inside + "]"
	if negated {
		own = "[^" + inside + "]"
	}
	switch {
	case outside == nil:
		t.b.WriteString(own)
	case inside == "":
		t.b.WriteString("(?:" + strings.Join(outside, "|") + ")")
	default:
		t.b.WriteString("(?:" + own + "|" + strings.Join(outside, "|") + ")")
	}
	return nil
}

// all finds every match.
func (p *pyPattern) all(text string) ([][]int, error) {
	if p.back != nil {
		return p.back.all(text)
	}
	return p.search.FindAllStringSubmatchIndex(text, -1), nil
}

// first finds a match.
func (p *pyPattern) first(text string, how searching) (any, error) {
	var m []int
	var err error
	if p.back != nil {
		m, err = p.back.find(text, 0, how, false, new(int))
	} else {
		m = [...]*regexp.Regexp{anywhere: p.search, atStart: p.match, whole: p.full}[how].FindStringSubmatchIndex(text)
	}
	if m == nil || err != nil {
		return nil, err
	}
	return &matchValue{p, text, m}, nil
}
