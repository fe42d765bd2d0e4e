package snowfake

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	endToken    tokenKind = iota
	wordToken             // an unquoted identifier or keyword: text in upper case
	nameToken             // a quoted identifier: text without the quotes
	numberToken           //
	stringToken           // text without quotes and escapes
	stageToken            // @name/path, text without the @
	bindToken             // ?
	signToken             // an operator or punctuation
)

type token struct {
	kind         tokenKind
	text, raw    string
	line, column int
	from, to     int // where it stands in the statement, in bytes
}

// signs of more than one character, the longest first.
var signs = []string{"::", "||", "<>", "!=", "<=", ">=", "=>", "->"}

type scanner struct {
	text string
	at   int
}

// scan cuts a text into tokens. Comments fall away.
func scan(text string) ([]token, error) {
	s := &scanner{text: text}
	var all []token
	for {
		s.space()
		t := token{from: s.at, line: strings.Count(text[:s.at], "\n") + 1}
		t.column = s.at - (strings.LastIndex(text[:s.at], "\n") + 1)
		if err := s.next(&t); err != nil {
			return nil, err
		}
		t.to, t.raw = s.at, text[t.from:s.at]
		all = append(all, t)
		if t.kind == endToken {
			return all, nil
		}
	}
}

// space skips blanks and comments; Snowflake takes // for one too.
func (s *scanner) space() {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			s.at++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				s.at += n
			} else {
				s.at = len(s.text)
			}
		case strings.HasPrefix(rest, "/*") && strings.Contains(rest, "*/"):
			s.at += strings.Index(rest, "*/") + 2
		default:
			return
		}
	}
}

func (s *scanner) next(t *token) error {
	if s.at == len(s.text) {
		return nil
	}
	rest := s.text[s.at:]
	switch c := rest[0]; {
	case c == '\'':
		return s.quoted(t)
	case strings.HasPrefix(rest, "$$"):
		end := strings.Index(rest[2:], "$$")
		if end < 0 {
			return syntaxError(*t)
		}
		t.kind, t.text = stringToken, rest[2:2+end]
		s.at += end + 4
	case c == '"':
		return s.name(t)
	case c == '@':
		s.at++
		from := s.at
		s.stage()
		t.kind, t.text = stageToken, s.text[from:s.at]
	case c == '?':
		t.kind = bindToken
		s.at++
	case c >= '0' && c <= '9', c == '.' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9':
		s.number()
		t.kind, t.text = numberToken, s.text[t.from:s.at]
	case wordByte(c):
		for s.at < len(s.text) && (wordByte(s.text[s.at]) || s.text[s.at] == '$' || s.text[s.at] >= '0' && s.text[s.at] <= '9') {
			s.at++
		}
		t.kind, t.text = wordToken, strings.ToUpper(s.text[t.from:s.at])
	default:
		s.sign(t, rest)
	}
	return nil
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func (s *scanner) sign(t *token, rest string) {
	t.kind, t.text = signToken, rest[:1]
	for _, sign := range signs {
		if strings.HasPrefix(rest, sign) {
			t.text = sign
			break
		}
	}
	s.at += len(t.text)
}

func (s *scanner) number() {
	digits := func() {
		for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
			s.at++
		}
	}
	digits()
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		digits()
	}
	if s.at+1 < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		s.at++
		if s.text[s.at] == '+' || s.text[s.at] == '-' {
			s.at++
		}
		digits()
	}
}

// escapes of single-quoted strings (https://docs.snowflake.com/en/sql-reference/data-types-text#escape-sequences-in-single-quoted-string-constants).
var escapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", '0': "\x00", '\\': `\`, '\'': "'", '"': `"`}

func (s *scanner) quoted(t *token) error {
	var b strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\\' && s.at+1 < len(s.text):
			s.at++
			value, known := escapes[s.text[s.at]]
			if !known {
				return unknownf("the escape \\%c in a string", s.text[s.at])
			}
			b.WriteString(value)
		case c == '\'' && s.at+1 < len(s.text) && s.text[s.at+1] == '\'':
			s.at++
			b.WriteByte('\'')
		case c == '\'':
			s.at++
			t.kind, t.text = stringToken, b.String()
			return nil
		default:
			b.WriteByte(c)
		}
	}
	return syntaxError(*t)
}

func (s *scanner) name(t *token) error {
	end := quotedEnd(s.text, s.at)
	if end < 0 || end == s.at+2 {
		return syntaxError(*t)
	}
	t.kind, t.text = nameToken, strings.ReplaceAll(s.text[s.at+1:end-1], `""`, `"`)
	s.at = end
	return nil
}

// quotedEnd is where the quoted identifier that begins at from ends, or -1.
func quotedEnd(text string, from int) int {
	for i := from + 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 == len(text) || text[i+1] != '"' {
			return i + 1
		}
		i++
	}
	return -1
}

// stage reads a stage and the path in it, up to what cannot belong to either.
func (s *scanner) stage() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n,();'", s.text[s.at]) < 0 {
		if s.text[s.at] == '"' {
			if end := quotedEnd(s.text, s.at); end > 0 {
				s.at = end
				continue
			}
		}
		s.at++
	}
}

// Split cuts a text into its statements, without the semicolons between them.
func Split(text string) ([]string, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	var all []string
	from, empty := 0, true
	for _, t := range tokens {
		if t.kind != endToken && !(t.kind == signToken && t.text == ";") {
			empty = false
			continue
		}
		if !empty {
			all = append(all, strings.TrimSpace(text[from:t.from]))
		}
		from, empty = t.to, true
	}
	return all, nil
}
