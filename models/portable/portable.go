// Package portable finds what a SELECT written for DuckDB says that Snowflake reads in another way, mostly without a word. It
// goes by tokens: it knows no types and no tables, and mends nothing. Read Trap, then traps.go.
package portable

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/sqltoken"
)

// Trap is a spelling that the two engines read in different ways.
type Trap struct {
	Name      string // as the warning and the documentation call it
	DuckDB    string // what it gives there
	Snowflake string
	Write     string                           // what to write so that both agree
	find      func(tokens []token, i int) bool // whether it is what stands at this token
}

// Finding is a trap in a text.
type Finding struct {
	Trap
	At     int // offset in bytes
	Length int // in characters, of its first line
}

// Message says what differs.
func (t Trap) Message() string {
	return fmt.Sprintf("%s: %s in DuckDB, %s in Snowflake", t.Name, t.DuckDB, t.Snowflake)
}

// Find finds the traps in a SELECT, from its begin to its end.
func Find(sql string) []Finding {
	tokens, traps := scan(sql), Traps()
	var found []Finding
	for i, t := range tokens {
		for _, trap := range traps {
			if trap.find(tokens, i) {
				line, _, _ := strings.Cut(t.Raw, "\n")
				found = append(found, Finding{Trap: trap, At: t.At, Length: utf8.RuneCountInString(line)})
			}
		}
	}
	return found
}

// Cleaning finds the first call of one of Millrace's cleaning functions: its name, and where it stands. No other DuckDB has them.
func Cleaning(sql string) (name string, at int, found bool) {
	call := called(cleaning()...)
	tokens := scan(sql)
	for i, t := range tokens {
		if call(tokens, i) {
			return t.Word, t.At, true
		}
	}
	return "", 0, false
}

// called finds calls of functions, f(x) as well as x.f().
func called(names ...string) func([]token, int) bool {
	return func(tokens []token, i int) bool {
		return tokens[i].Kind == word && tokens[i].Is(names...) && at(tokens, i+1).Is("(")
	}
}

// The tokens of this package are those of sqltoken.
type token = sqltoken.Token

const (
	word   = sqltoken.Word
	quoted = sqltoken.Quoted
	text   = sqltoken.Text
	number = sqltoken.Number
	sign   = sqltoken.Sign
)

func scan(sql string) []token { return sqltoken.Scan(sql) }

func at(tokens []token, i int) token { return sqltoken.At(tokens, i) }

func closing(tokens []token, i int) int { return sqltoken.Closing(tokens, i) }

// opening is the place of the bracket that the one at i closes, or -1.
func opening(tokens []token, i int) int {
	depth := 0
	for ; i >= 0; i-- {
		switch {
		case tokens[i].Is(")", "]", "}"):
			depth++
		case tokens[i].Is("(", "[", "{"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// enclosing is the place of the bracket that closes the ones that i stands in, or the end.
func enclosing(tokens []token, i int) int {
	for ; i < len(tokens) && !tokens[i].Is(")"); i++ {
		if tokens[i].Is("(", "[", "{") {
			i = closing(tokens, i)
		}
	}
	return i
}

// operand says whether a value ends with the token: what follows is an operator on it, or a subscript.
func operand(t token) bool {
	switch t.Kind {
	case word:
		return !slices.Contains([]string{"select", "distinct", "where", "and", "or", "not", "in", "on", "having", "by", "case", "when", "then",
			"else", "from", "as", "union", "all", "return", "between", "like", "values", "limit", "qualify", "using", "is", "array"}, t.Word)
	case sign:
		return t.Is(")", "]", "}")
	}
	return true
}

// castTo says whether the cast in these brackets, CAST(… AS TYPE), is to one of the types.
func castTo(tokens []token, from, to int, types ...string) bool {
	for i := to; i > from; i-- {
		if tokens[i].Is("as") {
			return at(tokens, i+1).Is(types...)
		}
	}
	return false
}

var floats = []string{"double", "float", "float8", "float4", "real"}

// floating says whether a number is written with an exponent: the e of 0xfe is a digit.
func floating(t token) bool {
	return strings.ContainsAny(t.Raw, "eE") && !strings.HasPrefix(strings.ToLower(t.Raw), "0x")
}

// floatEnds says whether the operand that ends at i is written as a floating number.
func floatEnds(tokens []token, i int) bool {
	t := at(tokens, i)
	switch {
	case t.Kind == number:
		return floating(t)
	case t.Is(floats...):
		return at(tokens, i-1).Is("::")
	case t.Is(")"):
		open := opening(tokens, i)
		before := at(tokens, open-1)
		return before.Is("cast", "try_cast") && castTo(tokens, open, i, floats...) || !operand(before) && floatWithin(tokens, open, i)
	}
	return false
}

// floatBegins says whether the operand that begins at i is written as a floating number. The last cast behind it decides.
func floatBegins(tokens []token, i int) bool {
	for at(tokens, i).Is("+", "-") {
		i++
	}
	t, is := at(tokens, i), false
	switch {
	case t.Kind == number:
		is = floating(t)
	case t.Is("cast", "try_cast"):
		is = castTo(tokens, i+1, closing(tokens, i+1), floats...)
	case t.Is("("):
		end := closing(tokens, i)
		is = floatWithin(tokens, i, end)
		i = end
	}
	for {
		switch next := at(tokens, i+1); {
		case next.Is("::"):
			is = at(tokens, i+2).Is(floats...)
			i += 2
		case next.Is("."):
			i += 2
		case next.Is("(", "["):
			i = closing(tokens, i+1)
		default:
			return is
		}
	}
}

// floatWithin says whether what stands in brackets begins or ends with a floating number: with one, arithmetic is floating. What is compared
// or asked for there says nothing of the value.
func floatWithin(tokens []token, open, end int) bool {
	for at(tokens, open+1).Is("(") && closing(tokens, open+1) == end-1 {
		open, end = open+1, end-1
	}
	for i := open + 1; i < end; i++ {
		if tokens[i].Is("select", "with", "and", "or", "not", "is", "in", "like", "between", "<", ">", "=", "<=", ">=", "<>", "!=", "==", ",") {
			return false
		}
		if tokens[i].Is("(", "[", "{") {
			i = closing(tokens, i)
		}
	}
	return floatBegins(tokens, open+1) || floatEnds(tokens, end-1)
}

// textual says whether the value between two places, the ends not included, is written as a text.
func textual(tokens []token, from, to int) bool {
	texts := []string{"varchar", "text", "string", "char"}
	last := at(tokens, to-1)
	switch {
	case outer(tokens, from, to, "||") < to:
		return !at(tokens, from+1).Is("case")
	case to-from == 2 && last.Kind == text:
		return true
	case last.Is(texts...):
		return at(tokens, to-2).Is("::")
	case last.Is(")"):
		open := opening(tokens, to-1)
		before := at(tokens, open-1)
		switch {
		case before.Is(texts...): // ::VARCHAR(10)
			return at(tokens, open-2).Is("::")
		case open-1 != from+1:
			return false
		case before.Is("coalesce", "nullif"):
			return textual(tokens, open, outer(tokens, open, to-1, ","))
		}
		return before.Is("trim", "ltrim", "rtrim", "lower", "upper", "replace", "left", "right", "substr", "substring", "split_part") ||
			before.Is("cast") && castTo(tokens, open, to-1, texts...)
	}
	return false
}

// outer is the first place between two others at which this sign stands in no bracket of its own, or the second.
func outer(tokens []token, from, to int, sign string) int {
	for i := from + 1; i < to; i++ {
		switch {
		case tokens[i].Is(sign):
			return i
		case tokens[i].Is("(", "[", "{"):
			i = closing(tokens, i)
		}
	}
	return to
}
