package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokText
	tokPrintBegin // {{
	tokPrintEnd   // }}
	tokTagBegin   // {%
	tokTagEnd     // %}
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind tokenKind
	val  string // text; for a string its decoded value
	off  int
}

// describe names the token in an error message.
func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokText:
		return "text"
	case tokPrintBegin:
		return "'{{'"
	case tokPrintEnd:
		return "'}}'"
	case tokTagBegin:
		return "'{%'"
	case tokTagEnd:
		return "'%}'"
	case tokString:
		return "string " + quote(t.val)
	}
	return "'" + t.val + "'"
}

type lexer struct {
	t    *Template
	src  string
	pos  int
	toks []token
}

var (
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(-?)%\}`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
)

// lex cuts the template into tokens: text as it is, and the words inside `{{ }}` and `{% %}`.
func lex(t *Template) ([]token, error) {
	l := &lexer{t: t, src: t.src}
	l.toks = make([]token, 0, 16+strings.Count(t.src, "{")*4)
	if len(l.src) > 1<<30 {
		return nil, t.errorAt(0, "template is larger than 1 GiB", "")
	}
	if !utf8.ValidString(l.src) {
		for i, c := range l.src {
			if c == utf8.RuneError {
				if _, n := utf8.DecodeRuneInString(l.src[i:]); n == 1 {
					return nil, t.errorAt(i, "template is not valid UTF-8", "save the file as UTF-8")
				}
			}
		}
	}
	for {
		open := l.nextOpen()
		if open < 0 {
			l.text(l.src[l.pos:], l.pos)
			l.emit(tokEOF, "", len(l.src))
			return l.toks, nil
		}
		text, start := l.src[l.pos:open], l.pos
		inner := open + 2
		if inner < len(l.src) && (l.src[inner] == '-' || l.src[inner] == '+') {
			if l.src[inner] == '-' {
				text = strings.TrimRightFunc(text, isSpace)
			}
			inner++
		}
		l.text(text, start)
		var err error
		switch l.src[open+1] {
		case '#':
			err = l.comment(open, inner)
		case '%':
			if m := rawBegin.FindStringSubmatch(l.src[open:]); m != nil {
				err = l.raw(open, open+len(m[0]), m[1] == "-")
				break
			}
			l.emit(tokTagBegin, "", open)
			l.pos = inner
			err = l.words(open, "%}", tokTagEnd)
		case '{':
			l.emit(tokPrintBegin, "", open)
			l.pos = inner
			err = l.words(open, "}}", tokPrintEnd)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (l *lexer) emit(k tokenKind, val string, off int) {
	l.toks = append(l.toks, token{k, val, off})
}

func (l *lexer) text(s string, off int) {
	if s != "" {
		l.emit(tokText, s, off)
	}
}

func (l *lexer) nextOpen() int {
	for i := l.pos; i+1 < len(l.src); i++ {
		j := strings.IndexByte(l.src[i:], '{')
		if j < 0 || i+j+1 >= len(l.src) {
			return -1
		}
		i += j
		if c := l.src[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
	}
	return -1
}

// after continues behind a tag, skipping white space where the tag ended in "-".
func (l *lexer) after(pos int, trim bool) {
	l.pos = pos
	if trim {
		l.pos = len(l.src) - len(strings.TrimLeftFunc(l.src[pos:], isSpace))
	}
}

func (l *lexer) comment(open, inner int) error {
	end := strings.Index(l.src[inner:], "#}")
	if end < 0 {
		return l.t.errorAt(open, "comment is never closed", "add '#}'")
	}
	end += inner
	l.after(end+2, end > inner && l.src[end-1] == '-')
	return nil
}

func (l *lexer) raw(open, start int, trim bool) error {
	l.after(start, trim)
	m := rawEnd.FindStringSubmatchIndex(l.src[l.pos:])
	if m == nil {
		return l.t.errorAt(open, "'raw' is never closed", "add '{% endraw %}'")
	}
	text := l.src[l.pos : l.pos+m[0]]
	if l.src[l.pos+m[2]:l.pos+m[3]] == "-" {
		text = strings.TrimRightFunc(text, isSpace)
	}
	l.text(text, l.pos)
	l.after(l.pos+m[1], l.src[l.pos+m[4]:l.pos+m[5]] == "-")
	return nil
}

var closers = map[byte]byte{'(': ')', '[': ']', '{': '}'}

// words reads the inside of a tag up to its end mark. Inside brackets the mark is not an end, so `{{ {'a': {}} }}` works.
func (l *lexer) words(open int, end string, endKind tokenKind) error {
	var brackets []byte
	for {
		l.after(l.pos, true)
		if l.pos >= len(l.src) {
			return l.t.errorAt(open, "'"+l.src[open:open+2]+"' is never closed", "add '"+end+"'")
		}
		rest := l.src[l.pos:]
		if len(brackets) == 0 {
			if strings.HasPrefix(rest, end) {
				l.emit(endKind, "", l.pos)
				l.pos += 2
				return nil
			}
			if c := rest[0]; (c == '-' || c == '+' && endKind == tokTagEnd) && strings.HasPrefix(rest[1:], end) {
				l.emit(endKind, "", l.pos)
				l.after(l.pos+3, c == '-')
				return nil
			}
		}
		c := rest[0]
		var err error
		switch {
		case isDigit(c):
			err = l.number(rest)
		case c == '\'' || c == '"':
			err = l.str(rest)
		default:
			if ch, _ := utf8.DecodeRuneInString(rest); isNameRune(ch) {
				l.name(rest)
				continue
			}
			op := operator(rest)
			if op == "" {
				ch, _ := utf8.DecodeRuneInString(rest)
				return l.t.errorAt(l.pos, "unexpected character "+quote(string(ch)), "")
			}
			switch op {
			case "(", "[", "{":
				brackets = append(brackets, closers[c])
			case ")", "]", "}":
				if len(brackets) == 0 {
					return l.t.errorAt(l.pos, "unexpected '"+op+"'", "")
				}
				if want := brackets[len(brackets)-1]; want != c {
					return l.t.errorAt(l.pos, "unexpected '"+op+"', expected '"+string(want)+"'", "")
				}
				brackets = brackets[:len(brackets)-1]
			}
			l.emit(tokOp, op, l.pos)
			l.pos += len(op)
		}
		if err != nil {
			return err
		}
	}
}

func operator(s string) string {
	if len(s) >= 2 {
		switch s[:2] {
		case "**", "//", "==", "!=", ">=", "<=":
			return s[:2]
		}
	}
	if strings.IndexByte("+-*/%~[](){}<>=.:|,", s[0]) >= 0 {
		return s[:1]
	}
	return ""
}

func (l *lexer) name(rest string) {
	n := strings.IndexFunc(rest, func(c rune) bool { return !isNameRune(c) })
	if n < 0 {
		n = len(rest)
	}
	l.emit(tokName, rest[:n], l.pos)
	l.pos += n
}

var (
	floatRE = regexp.MustCompile(`^(?i)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)`)
	intRE   = regexp.MustCompile(`^(?i)(?:0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*)`)
)

func (l *lexer) number(rest string) error {
	if l.src[l.pos-1] != '.' {
		if m := floatRE.FindString(rest); m != "" {
			l.emit(tokFloat, strings.ReplaceAll(m, "_", ""), l.pos)
			l.pos += len(m)
			return nil
		}
	}
	m := intRE.FindString(rest)
	if _, err := strconv.ParseInt(strings.ReplaceAll(m, "_", ""), 0, 64); err != nil && strings.Trim(m, "0_") != "" {
		return l.t.errorAt(l.pos, "integer "+m+" does not fit in 64 bits", "write it as a string")
	}
	l.emit(tokInt, m, l.pos)
	l.pos += len(m)
	return nil
}

func (l *lexer) str(rest string) error {
	q := rest[0]
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case q:
			val, bad := unescape(rest[1:i])
			if bad >= 0 {
				return l.t.errorAt(l.pos+1+bad, "invalid escape in string", `write \\ for a backslash`)
			}
			l.emit(tokString, val, l.pos)
			l.pos += i + 1
			return nil
		}
	}
	return l.t.errorAt(l.pos, "string is never closed", "add "+string(q))
}

var simpleEscapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v",
	'\\': "\\", '\'': "'", '"': "\"", '\n': "",
}

// unescape decodes Python's escapes; it returns the offset of a bad one, or -1. Unknown escapes keep their backslash.
func unescape(s string) (string, int) {
	if !strings.Contains(s, `\`) {
		return s, -1
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		start := i
		i++
		c := s[i]
		if rep, ok := simpleEscapes[c]; ok {
			b.WriteString(rep)
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		switch {
		case digits > 0:
			if i+digits >= len(s) {
				return "", start
			}
			n, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
			if err != nil || n > unicode.MaxRune || n >= 0xD800 && n < 0xE000 {
				return "", start
			}
			b.WriteRune(rune(n))
			i += digits
		case c >= '0' && c <= '7':
			n := 0
			j := i
			for ; j < len(s) && j < i+3 && s[j] >= '0' && s[j] <= '7'; j++ {
				n = n*8 + int(s[j]-'0')
			}
			b.WriteRune(rune(n))
			i = j - 1
		case c == 'N':
			return "", start
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), -1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameRune(c rune) bool {
	return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.Is(unicode.M, c)
}

// isSpace is Python's str.isspace for one character.
func isSpace(c rune) bool {
	return c >= 0x1c && c <= 0x1f || unicode.IsSpace(c)
}
