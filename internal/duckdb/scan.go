package duckdb

import "strings"

// Trim cuts a statement before its closing semicolon, so that it can stand in parentheses followed by a line end.
// The statement has been parsed: behind that semicolon are only comments.
func Trim(query string) string {
	for i := 0; i < len(query); {
		rest := query[i:]
		switch c := query[i]; {
		case c == ';':
			return query[:i]
		case strings.HasPrefix(rest, "--"):
			i += lineEnd(rest)
		case strings.HasPrefix(rest, "/*"):
			i += commentEnd(rest)
		case c == '\'':
			escapes := i > 0 && (query[i-1] == 'e' || query[i-1] == 'E') && (i < 2 || !isName(query[i-2]))
			i += quoteEnd(rest, escapes)
		case c == '"':
			i += quoteEnd(rest, false)
		case c == '$' && (i == 0 || !isName(query[i-1])):
			i += dollarEnd(rest)
		default:
			i++
		}
	}
	return query
}

func isName(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func lineEnd(s string) int {
	if n := strings.IndexAny(s, "\r\n"); n >= 0 {
		return n
	}
	return len(s)
}

// commentEnd knows that block comments nest.
func commentEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quoteEnd needs no thought for a doubled quote: the second half reads as another quoted piece.
func quoteEnd(s string, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case escapes && s[i] == s[0] && i+1 < len(s) && s[i+1] == s[0]:
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// dollarEnd is the end of $tag$…$tag$, or 1 when s opens no such string (a parameter).
func dollarEnd(s string) int {
	n := 1
	for n < len(s) && isName(s[n]) && s[n] != '$' {
		n++
	}
	if n == len(s) || s[n] != '$' || (n > 1 && '0' <= s[1] && s[1] <= '9') {
		return 1
	}
	tag := s[:n+1]
	if end := strings.Index(s[len(tag):], tag); end >= 0 {
		return len(tag) + end + len(tag)
	}
	return len(s)
}
