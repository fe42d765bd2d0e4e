package jinja

import (
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

// pyPattern is a pattern of Python's re translated to RE2. They agree on what both can say; what RE2 cannot is refused by name.
type pyPattern struct {
	src     string
	flags   int
	search  *regexp.Regexp
	match   *regexp.Regexp // anchored at the start
	full    *regexp.Regexp // anchored at both ends
	dollar  bool           // has a $ that in Python also matches before a line end at the end of the text
	ascii   bool           // has a \b, which RE2 knows of ASCII only
	isEmpty bool           // can match nothing
}

// compilePattern translates a pattern.
func compilePattern(src string, flags int64) (*pyPattern, error) {
	p := &pyPattern{src: src, flags: int(flags)}
	t := &translator{src: src, p: p}
	out, err := t.translate()
	if err != nil {
		return nil, err
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
			return nil, &Error{Msg: fmt.Sprintf("modules.re: the pattern %s cannot be read: %v", quote(src), err),
				Hint: "patterns run on RE2, which has no look-around and no references to groups, and repeats at most 1000 times"}
		}
	}
	p.isEmpty = p.search.MatchString("")
	return p, nil
}

// fits refuses a text on which RE2 would answer otherwise than Python.
func (p *pyPattern) fits(text string) error {
	if p.dollar && p.flags&reMultiLine == 0 && strings.HasSuffix(text, "\n") {
		return &Error{Msg: "modules.re: '$' on a text that ends with a line end means two things in Python, and one here",
			Hint: "write \\Z, or trim the text"}
	}
	if p.ascii && p.flags&reASCII == 0 {
		for _, c := range text {
			if c >= utf8.RuneSelf {
				return &Error{Msg: "modules.re: \\b is not supported on a text with letters beyond ASCII",
					Hint: "spell out what stands before and behind"}
			}
		}
	}
	return nil
}

// translator rewrites a pattern from left to right.
type translator struct {
	src string
	i   int
	b   strings.Builder
	p   *pyPattern
}

func (t *translator) refuse(what, hint string) error {
	at := utf8.RuneCountInString(t.src[:t.i]) + 1
	return &Error{Msg: fmt.Sprintf("modules.re: %s is not supported (at character %d of the pattern %s)", what, at, quote(t.src)),
		Hint: hint, Unsupported: true}
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
			return "", t.refuse("a possessive quantifier", "leave out the second +")
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
	case strings.HasPrefix(rest, "P<"), strings.HasPrefix(rest, ":"):
		t.copy(3)
		return nil
	case strings.HasPrefix(rest, "P="):
		return t.refuse("a reference to a group", "match once and compare the groups")
	case strings.HasPrefix(rest, "="), strings.HasPrefix(rest, "!"):
		return t.refuse("a look-ahead", "match more, and take a group of it")
	case strings.HasPrefix(rest, "<=") || strings.HasPrefix(rest, "<!"):
		return t.refuse("a look-behind", "match more, and take a group of it")
	case strings.HasPrefix(rest, ">"):
		return t.refuse("an atomic group", "write (?:…)")
	case strings.HasPrefix(rest, "("):
		return t.refuse("a conditional group", "write two patterns")
	case strings.HasPrefix(rest, "#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return t.refuse("a comment without its end", "")
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
		return t.refuse("this group", "")
	}
	keep := ""
	for _, c := range rest[:end] {
		switch c {
		case 'a':
			t.p.flags |= reASCII
		case 'u':
		case 'x':
			t.p.flags |= reVerbose
		case 'i', 'm', 's', '-':
			keep += string(c)
			if c == 'm' {
				t.p.flags |= reMultiLine
			}
		default:
			return t.refuse("the flag '"+string(c)+"'", "")
		}
	}
	t.i += 2 + end + 1
	switch {
	case rest[end] == ':':
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
		return t.refuse("a backslash at the end", "write \\\\ for a backslash")
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
		return t.refuse("a reference to a group", "match once and compare the groups")
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
			return t.refuse("an escape that is too short", "")
		}
		code, err := strconv.ParseUint(t.src[t.i+2:t.i+2+n], 16, 32)
		if err != nil {
			return t.refuse("this escape", "")
		}
		t.put(fmt.Sprintf(`\x{%x}`, code), 2+n)
	case c == '0':
		t.put(`\x00`, 2)
	case strings.IndexByte("aftnrv", c) >= 0:
		t.copy(2)
	case c < utf8.RuneSelf && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'):
		return t.refuse("\\"+string(c), "")
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
			return t.refuse("a bracket without its end", "")
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
				return t.refuse("a negated shorthand in a negated bracket", "spell out the characters")
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

// all finds every match, as Python does: a match of nothing may follow right behind another.
func (p *pyPattern) all(text string) [][]int {
	found := p.search.FindAllStringSubmatchIndex(text, -1)
	if !p.isEmpty {
		return found
	}
	var out [][]int
	for i, m := range found {
		out = append(out, m)
		if m[0] == m[1] || i+1 < len(found) && found[i+1][0] == m[1] {
			continue
		}
		if next := p.search.FindStringSubmatchIndex(text[m[1]:]); next != nil && next[0] == 0 && next[1] == 0 {
			for j := range next {
				if next[j] >= 0 {
					next[j] += m[1]
				}
			}
			out = append(out, next)
		}
	}
	return out
}
