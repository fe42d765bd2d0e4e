// Package sqltoken cuts SQL as DuckDB reads it into tokens. It never fails, and knows no grammar but what pivot.go looks for.
package sqltoken

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what a token is.
type Kind uint8

// The kinds of tokens.
const (
	Word   Kind = iota // a keyword or a name without quotes
	Quoted             // a name in double quotes
	Text               // '…', $$…$$ or E'…'
	Number
	Sign // an operator or a bracket
)

// Token is a piece of SQL that is neither space nor comment.
type Token struct {
	Kind Kind
	Raw  string // as it is written
	Word string // of a word: in lower case
	At   int    // offset in bytes
}

// Is says whether the token is one of these words or signs.
func (t Token) Is(any ...string) bool {
	for _, s := range any {
		if t.Kind == Word && t.Word == s || t.Kind == Sign && t.Raw == s {
			return true
		}
	}
	return false
}

// Name is a word or a quoted name, in lower case, or else what is written.
func (t Token) Name() string {
	switch t.Kind {
	case Word:
		return t.Word
	case Quoted:
		return strings.ToLower(strings.ReplaceAll(strings.Trim(t.Raw, `"`), `""`, `"`))
	}
	return t.Raw
}

// Scan cuts SQL as DuckDB reads it into tokens. It never fails: what is not closed goes to the end.
func Scan(sql string) []Token {
	var all []Token
	for at := 0; at < len(sql); {
		r, n := utf8.DecodeRuneInString(sql[at:])
		rest := sql[at:]
		kind := Sign
		switch {
		case unicode.IsSpace(r):
			at += n
			continue
		case strings.HasPrefix(rest, "--"):
			at += until(rest, "\n")
			continue
		case strings.HasPrefix(rest, "/*"):
			at += blockComment(rest)
			continue
		case r == '\'':
			kind, n = Text, enclosed(rest, '\'', false)
		case (r == 'e' || r == 'E') && strings.HasPrefix(rest[1:], "'"):
			kind, n = Text, 1+enclosed(rest[1:], '\'', true)
		case r == '"':
			kind, n = Quoted, enclosed(rest, '"', false)
		case r == '$' && dollarTag(rest) != "":
			tag := dollarTag(rest)
			kind, n = Text, len(tag)+until(rest[len(tag):], tag)
		case isDigit(r), r == '.' && len(rest) > 1 && isDigit(rune(rest[1])):
			kind, n = Number, numberLength(rest)
		case isLetter(r):
			kind, n = Word, wordLength(rest)
		default:
			n = signLength(rest, n)
		}
		t := Token{Kind: kind, Raw: rest[:n], At: at}
		if kind == Word {
			t.Word = strings.ToLower(t.Raw)
		}
		all = append(all, t)
		at += n
	}
	return all
}

// until is the length of s up to and including the first end, or all of it.
func until(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// blockComment is the length of a comment, and of those within it.
func blockComment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// enclosed is the length of what begins and ends with a quote; a doubled one does not end it, nor one behind a backslash where these escape.
func enclosed(s string, quote byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// dollarTag is the $$ or $name$ that s begins with; "" when it is none.
func dollarTag(s string) string {
	i := 1
	for i < len(s) && (isLetter(rune(s[i])) || i > 1 && isDigit(rune(s[i]))) {
		i++
	}
	if i < len(s) && s[i] == '$' {
		return s[:i+1]
	}
	return ""
}

func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) }

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func wordLength(s string) int {
	if i := strings.IndexFunc(s, func(r rune) bool { return !isLetter(r) && !unicode.IsDigit(r) && r != '$' }); i >= 0 {
		return i
	}
	return len(s)
}

func numberLength(s string) int {
	i := 0
	for i < len(s) && (isLetter(rune(s[i])) || isDigit(rune(s[i])) || s[i] == '.' || (s[i] == '+' || s[i] == '-') && (s[i-1] == 'e' || s[i-1] == 'E')) {
		i++
	}
	return i
}

// signLength is the length of the operator that s begins with; of others than the long ones it is that of one character.
func signLength(s string, one int) int {
	for _, long := range []string{"!~~*", "~~*", "!~~", "~~~", "!~*", "->>", "~~", "!~", "~*", "->", "//", "::", "||", "<=", ">=", "<>", "!=", ":=", "=>", "**", "=="} {
		if strings.HasPrefix(s, long) {
			return len(long)
		}
	}
	return one
}

// At is a token, or none beyond the ends.
func At(tokens []Token, i int) Token {
	if i < 0 || i >= len(tokens) {
		return Token{Kind: Sign}
	}
	return tokens[i]
}

// Closing is the place of the bracket that closes the one at i, or the end.
func Closing(tokens []Token, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch {
		case tokens[i].Is("(", "[", "{"):
			depth++
		case tokens[i].Is(")", "]", "}"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}
