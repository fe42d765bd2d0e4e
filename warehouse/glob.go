package warehouse

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

// longestGlob bounds the classes of a pattern that is worth spelling out.
const longestGlob = 64

// globOf spells a regular expression for whole texts as a pattern of DuckDB's GLOB, which compares letter by letter and takes
// half the time, when it is nothing but plain ASCII letters, digits, a few signs and classes of letters and digits, each so and
// so often.
func globOf(pattern string) (glob string, ok bool) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	if n := globInto(&b, tree.Simplify()); n < 0 || n > longestGlob {
		return "", false
	}
	return b.String(), true
}

// globInto writes a part of the pattern and counts its characters; -1 when it cannot be written.
func globInto(b *strings.Builder, t *syntax.Regexp) int {
	switch {
	case t.Op == syntax.OpEmptyMatch:
		return 0
	case t.Op == syntax.OpCapture:
		return globInto(b, t.Sub[0])
	case t.Op == syntax.OpLiteral && t.Flags&syntax.FoldCase == 0:
		for _, r := range t.Rune {
			if !isAlnum(r) && !strings.ContainsRune(" _-+/.:,@#", r) {
				return -1
			}
			b.WriteRune(r)
		}
		return len(t.Rune)
	case t.Op == syntax.OpCharClass:
		b.WriteByte('[')
		for i := 0; i < len(t.Rune); i += 2 {
			lo, hi := t.Rune[i], t.Rune[i+1]
			if !isAlnum(lo) || !isAlnum(hi) || kindOf(lo) != kindOf(hi) {
				return -1
			}
			fmt.Fprintf(b, "%c-%c", lo, hi)
		}
		b.WriteByte(']')
		return 1
	case t.Op == syntax.OpConcat:
		total := 0
		for _, sub := range t.Sub {
			n := globInto(b, sub)
			if n < 0 || total > longestGlob {
				return -1
			}
			total += n
		}
		return total
	}
	return -1
}

// kindOf tells digits, capitals and small letters apart: a range goes from one to another of its kind.
func kindOf(r rune) int {
	switch {
	case '0' <= r && r <= '9':
		return 1
	case 'A' <= r && r <= 'Z':
		return 2
	case 'a' <= r && r <= 'z':
		return 3
	}
	return 0
}

func isAlnum(r rune) bool { return kindOf(r) > 0 }
