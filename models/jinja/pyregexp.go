package jinja

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
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

// pyPattern is a pattern of Python's re. It runs on RE2, whose time is bounded by the lengths of pattern and text, where that can
// say it, and else on an engine that backtracks as Python's does, which a clock stops.
type pyPattern struct {
	src     string
	flags   int      // as they were given, with those that the pattern sets itself
	names   []string // of the groups by number, "" where one has none; the first is the whole match
	linear  string   // the pattern for RE2; "" where that cannot say it
	nothing bool     // may match the empty text
	dollar  bool     // has a $ that in Python also matches before a line end at the end of the text
	ascii   bool     // has a \b, which RE2 knows of ASCII only

	made   map[string]*regexp.Regexp // of linear, by what stands around it
	slowly *backtracker              // nil until it is wanted
}

// The places a match may have, as formats of a pattern.
const (
	anywhere   = `%s`
	atStart    = `\A(?:%s)`
	wholeText  = `\A(?:%s)\z`
	notNothing = `(?:%s)(?!\G)` // Python's rule behind a match of nothing: the next must not be nothing at the same place
)

// compilePattern translates a pattern.
func compilePattern(src string, flags int64) (*pyPattern, error) {
	p := &pyPattern{src: src, flags: int(flags), made: map[string]*regexp.Regexp{}}
	t := &translator{src: src, p: p, flags: p.flags, names: []string{""}}
	out, err := t.translate()
	if err != nil {
		return nil, err
	}
	p.names, p.flags = t.names, t.flags
	if !t.backtracks {
		p.linear = withFlags(out, p.flags)
		if re, err := syntax.Parse(p.linear, syntax.Perl); err == nil && !capturesNothing(re) {
			p.nothing = matchesNothing(re)
			return p, nil
		}
		p.linear = "" // it repeats more often than RE2 may, or in a way that it does not
	}
	return p, p.needBacktracker()
}

// withFlags puts what holds for the whole pattern before it.
func withFlags(pattern string, flags int) string {
	prefix := ""
	for _, f := range []struct {
		flag int
		name string
	}{{reIgnoreCase, "i"}, {reMultiLine, "m"}, {reDotAll, "s"}} {
		if flags&f.flag != 0 {
			prefix += f.name
		}
	}
	if prefix == "" {
		return pattern
	}
	return "(?" + prefix + ":" + pattern + ")"
}

// re2 is the pattern for RE2, at one of the places.
func (p *pyPattern) re2(place string) (*regexp.Regexp, error) {
	if made := p.made[place]; made != nil {
		return made, nil
	}
	made, err := regexp.Compile(fmt.Sprintf(place, p.linear))
	p.made[place] = made
	return made, err
}

// fitsRE2 is false for a text on which RE2 would answer otherwise than Python.
func (p *pyPattern) fitsRE2(text string) bool {
	switch {
	case p.linear == "":
		return false
	case p.dollar && p.flags&reMultiLine == 0 && strings.HasSuffix(text, "\n"):
		return false
	case p.ascii && text == "":
		return false // \B
	case p.ascii && p.flags&reASCII == 0:
		return strings.IndexFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
	}
	return true
}

// find is the first match at a place, by byte offsets as package regexp gives them; nil for none.
func (p *pyPattern) find(r *render, place, text string) ([]int, error) {
	if p.fitsRE2(text) {
		re, err := p.re2(place)
		if err != nil {
			return nil, err
		}
		return re.FindStringSubmatchIndex(text), nil
	}
	if err := p.needBacktracker(); err != nil {
		return nil, err
	}
	return p.slowly.find(r, place, text)
}

// all finds every match, as Python does. Python may find two at one place when the first is nothing, which package regexp never gives.
func (p *pyPattern) all(r *render, text string) ([][]int, error) {
	if p.nothing || !p.fitsRE2(text) {
		if err := p.needBacktracker(); err != nil {
			return nil, err
		}
		return p.slowly.all(r, text)
	}
	re, err := p.re2(anywhere)
	if err != nil {
		return nil, err
	}
	return re.FindAllStringSubmatchIndex(text, -1), nil
}

// matchesNothing is true where a pattern may match the empty text somewhere.
func matchesNothing(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpNoMatch, syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyCharNotNL, syntax.OpAnyChar:
		return false
	case syntax.OpCapture, syntax.OpPlus:
		return matchesNothing(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || matchesNothing(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !matchesNothing(sub) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, matchesNothing)
	}
	return true
}

// capturesNothing is true where a repeated group may match the empty text: Python's last match of it is empty then, that of RE2 is not.
func capturesNothing(re *syntax.Regexp) bool {
	repeats := re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat
	return repeats && re.MaxCap() > 0 && matchesNothing(re.Sub[0]) || slices.ContainsFunc(re.Sub, capturesNothing)
}

// needBacktracker makes the engine that backtracks.
func (p *pyPattern) needBacktracker() error {
	if p.slowly != nil {
		return nil
	}
	t := &translator{src: p.src, p: p, flags: p.flags, names: []string{""}, backtracks: true}
	out, err := t.translate()
	if err != nil {
		return err
	}
	p.slowly, err = newBacktracker(p.src, withFlags(out, t.flags))
	return err
}

// translator rewrites a pattern from left to right, for RE2 or, once it backtracks, for package regexp2. What both read alike it
// writes alike.
type translator struct {
	src        string
	i          int
	b          strings.Builder
	p          *pyPattern
	flags      int   // that hold here
	outer      []int // those around each group that is open
	names      []string
	backtracks bool // the pattern says, or has said, what RE2 cannot
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
		case c == '(':
			err = t.group()
		case c == ')':
			if n := len(t.outer); n > 0 {
				t.flags, t.outer = t.outer[n-1], t.outer[:n-1]
			}
			t.copy(1)
		case t.flags&reVerbose != 0 && strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			t.i++
		case t.flags&reVerbose != 0 && c == '#':
			end := strings.IndexByte(t.src[t.i:], '\n')
			if end < 0 {
				end = len(t.src) - t.i
			}
			t.i += end
		case strings.HasPrefix(t.src[t.i:], "{,"):
			t.atMost()
		case strings.IndexByte("*+?}", c) >= 0 && t.i+1 < len(t.src) && t.src[t.i+1] == '+':
			t.backtracks = true // a possessive quantifier
			t.copy(2)
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

// atMost is {,n}, which only Python has for {0,n}; any other brace stands for itself.
func (t *translator) atMost() {
	end := strings.IndexByte(t.src[t.i:], '}')
	if end < 0 || strings.Trim(t.src[t.i+2:t.i+max(end, 2)], "0123456789") != "" {
		t.copy(1)
		return
	}
	t.put("{0", 1)
}

func (t *translator) copy(n int) {
	t.b.WriteString(t.src[t.i : t.i+n])
	t.i += n
}

func (t *translator) put(s string, n int) {
	t.b.WriteString(s)
	t.i += n
}

// group is a parenthesis that opens.
func (t *translator) group() error {
	rest, special := strings.CutPrefix(t.src[t.i:], "(?")
	named, isNamed := strings.CutPrefix(rest, "P<")
	switch {
	case !special:
		t.open("(", 1)
		t.names = append(t.names, "")
		return nil
	case isNamed && strings.Contains(named, ">"):
		name, _, _ := strings.Cut(named, ">")
		if name == "" || isDigit(name[0]) || strings.ContainsFunc(name, func(c rune) bool { return !isNameRune(c) }) {
			return t.refuse("the name of this group", "a name has letters, digits and _, and begins with no digit")
		}
		if slices.Contains(t.names, name) {
			return t.refuse("a second group "+name, "give each group a name of its own")
		}
		t.open("(?<"+name+">", len("(?P<>")+len(name))
		t.names = append(t.names, name)
		return nil
	case strings.HasPrefix(rest, "P="):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return t.refuse("a reference without its end", "")
		}
		t.refer(rest[2:end], 2+end+1)
		return nil
	case strings.HasPrefix(rest, ":"):
		t.open("(?:", 3)
		return nil
	case strings.HasPrefix(rest, "="), strings.HasPrefix(rest, "!"), strings.HasPrefix(rest, ">"):
		t.backtracks = true
		t.open("(?"+rest[:1], 3)
		return nil
	case strings.HasPrefix(rest, "<=") || strings.HasPrefix(rest, "<!"):
		t.backtracks = true
		t.open("(?"+rest[:2], 4)
		return nil
	case strings.HasPrefix(rest, "("):
		end := strings.IndexByte(rest, ')')
		if end < 0 || !t.hasGroup(rest[1:end]) && strings.Trim(rest[1:end], "0123456789") != "" {
			return t.refuse("a condition on a group that there is not", "")
		}
		t.backtracks = true
		t.open("(?"+rest[:end+1], 2+end+1)
		return nil
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

// open writes what opens a group, at whose end the flags are again what they are now.
func (t *translator) open(s string, n int) {
	t.outer = append(t.outer, t.flags)
	t.put(s, n)
}

// refer writes a reference to what a group has matched.
func (t *translator) refer(group string, n int) {
	t.backtracks = true
	t.put(`\k<`+group+`>`, n)
}

func (t *translator) hasGroup(ref string) bool {
	if n, err := strconv.Atoi(ref); err == nil {
		return n > 0 && n < len(t.names)
	}
	return ref != "" && slices.Contains(t.names, ref)
}

// flagGroup is (?i) at the beginning, or (?i:…).
func (t *translator) flagGroup(rest string) error {
	end := strings.IndexAny(rest, ":)")
	if end < 0 {
		return t.refuse("this group", "")
	}
	keep, flags, off := "", t.flags, false
	for _, c := range rest[:end] {
		flag, ok := map[rune]int{'a': reASCII, 'u': reUnicode, 'x': reVerbose, 'i': reIgnoreCase, 'm': reMultiLine, 's': reDotAll}[c]
		switch {
		case c == '-':
			off = true
		case !ok:
			return t.refuse("the flag '"+string(c)+"'", "")
		case off || c == 'u':
			flags &^= map[bool]int{true: reASCII, false: flag}[c == 'u']
		default:
			flags |= flag
		}
		if c != 'a' && c != 'u' && c != 'x' {
			keep += string(c)
		}
	}
	if rest[end] == ')' { // holds for the whole pattern, which gets it as a prefix
		if t.b.Len() > 0 {
			return t.refuse("a flag that is not at the start of the pattern", "")
		}
		t.flags = flags
		t.i += 2 + end + 1
		return nil
	}
	t.open("(?"+strings.TrimSuffix(keep, "-")+":", 2+end+1)
	t.flags = flags
	return nil
}

// classes are the shorthands, as the inside of a bracket: Python's know all of Unicode.
var classes = map[byte]string{'d': `\p{Nd}`, 'w': `\p{L}\p{N}_`, 's': `\t-\r\x1c-\x1f \x85\p{Z}`}

var asciiClasses = map[byte]string{'d': `0-9`, 'w': `a-zA-Z0-9_`, 's': `\t-\r `}

func (t *translator) classes() map[byte]string {
	if t.flags&reASCII != 0 {
		return asciiClasses
	}
	return classes
}

// shorthand is the inside of a bracket for \d, \w, \s, and whether the letter negates it.
func (t *translator) shorthand(c byte) (inside string, negated, ok bool) {
	set := t.classes()
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
		t.boundary(c == 'B')
		return nil
	case c == 'A':
		t.copy(2)
		return nil
	case c == 'Z':
		t.put(`\z`, 2)
		return nil
	case c >= '1' && c <= '9' && len(octal(t.src[t.i+1:])) < 3:
		n := 1
		if digits := t.src[t.i+1:]; len(digits) > 1 && digits[1] >= '0' && digits[1] <= '9' {
			n = 2
		}
		if !t.hasGroup(t.src[t.i+1 : t.i+1+n]) {
			return t.refuse("a reference to a group that there is not", "")
		}
		t.refer(t.src[t.i+1:t.i+1+n], 1+n)
		return nil
	}
	return t.char()
}

// boundary is \b or \B. RE2 knows it of ASCII; for regexp2 it is spelled out, by what is a word's for Python.
func (t *translator) boundary(negated bool) {
	if !t.backtracks {
		t.p.ascii = true
		t.copy(2)
		return
	}
	in, out := "(?<=["+t.classes()['w']+"])", "(?<!["+t.classes()['w']+"])"
	next, notNext := strings.Replace(in, "<", "", 1), strings.Replace(out, "<", "", 1)
	if negated {
		next, notNext = notNext, next
		t.b.WriteString(`(?!\A\z)`) // Python 3.13 and before
	}
	t.put("(?:"+in+notNext+"|"+out+next+")", 2)
}

// octal is the up to three octal digits that s begins with.
func octal(s string) string {
	n := 0
	for n < min(3, len(s)) && s[n] >= '0' && s[n] <= '7' {
		n++
	}
	return s[:n]
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
		t.put(quoteRune(rune(code)), 2+n)
	case len(octal(t.src[t.i+1:])) > 0 && (c == '0' || len(octal(t.src[t.i+1:])) == 3):
		digits := octal(t.src[t.i+1:])
		code, err := strconv.ParseUint(digits, 8, 8)
		if err != nil {
			return t.refuse("this escape", "")
		}
		t.put(quoteRune(rune(code)), 1+len(digits))
	case strings.IndexByte("aftnrv", c) >= 0:
		t.copy(2)
	case c < utf8.RuneSelf && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'):
		return t.refuse("\\"+string(c), "")
	case c >= utf8.RuneSelf:
		_, n := utf8.DecodeRuneInString(t.src[t.i+1:])
		t.put(t.src[t.i+1:t.i+1+n], 1+n)
	case c >= '0' && c <= '9':
		return t.refuse("this escape", "")
	default:
		t.put("\\"+string(c), 2)
	}
	return nil
}

// quoteRune is a character that stands for itself, inside a bracket and outside.
func quoteRune(c rune) string {
	if strings.ContainsRune(`\.+*?()|[]{}^$-&~`, c) {
		return `\` + string(c)
	}
	return string(c)
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
	case outside != nil && negated: // a character that is none of them
		t.backtracks = true
		if inside != "" {
			outside = append(outside, "["+inside+"]")
		}
		t.b.WriteString("(?:(?!" + strings.Join(outside, "|") + `)(?s:.))`)
	case outside == nil:
		t.b.WriteString(own)
	case inside == "":
		t.b.WriteString("(?:" + strings.Join(outside, "|") + ")")
	default:
		t.b.WriteString("(?:" + own + "|" + strings.Join(outside, "|") + ")")
	}
	return nil
}
