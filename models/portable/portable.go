// Package portable finds what a SELECT written for DuckDB says that Snowflake reads in another way, mostly without a word. It
// goes by tokens: it knows no types and no tables, and mends nothing. Read Trap, then traps.go.
package portable

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
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
				line, _, _ := strings.Cut(t.raw, "\n")
				found = append(found, Finding{Trap: trap, At: t.at, Length: utf8.RuneCountInString(line)})
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
			return t.word, t.at, true
		}
	}
	return "", 0, false
}

// called finds calls of functions, f(x) as well as x.f().
func called(names ...string) func([]token, int) bool {
	return func(tokens []token, i int) bool {
		return tokens[i].kind == word && tokens[i].is(names...) && at(tokens, i+1).is("(")
	}
}

// at is a token, or none beyond the ends.
func at(tokens []token, i int) token {
	if i < 0 || i >= len(tokens) {
		return token{kind: sign}
	}
	return tokens[i]
}

// closing is the place of the bracket that closes the one at i, or the end.
func closing(tokens []token, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch {
		case tokens[i].is("(", "[", "{"):
			depth++
		case tokens[i].is(")", "]", "}"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// opening is the place of the bracket that the one at i closes, or -1.
func opening(tokens []token, i int) int {
	depth := 0
	for ; i >= 0; i-- {
		switch {
		case tokens[i].is(")", "]", "}"):
			depth++
		case tokens[i].is("(", "[", "{"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// enclosing is the place of the bracket that closes the ones that i stands in, or the end.
func enclosing(tokens []token, i int) int {
	for ; i < len(tokens) && !tokens[i].is(")"); i++ {
		if tokens[i].is("(", "[", "{") {
			i = closing(tokens, i)
		}
	}
	return i
}

// operand says whether a value ends with the token: what follows is an operator on it, or a subscript.
func operand(t token) bool {
	switch t.kind {
	case word:
		return !slices.Contains([]string{"select", "distinct", "where", "and", "or", "not", "in", "on", "having", "by", "case", "when", "then", "else", "from", "as", "union", "all", "return", "between", "like", "values", "limit", "qualify", "using", "is", "array"}, t.word)
	case sign:
		return t.is(")", "]", "}")
	}
	return true
}

// castTo says whether the cast in these brackets, CAST(… AS TYPE), is to one of the types.
func castTo(tokens []token, from, to int, types ...string) bool {
	for i := to; i > from; i-- {
		if tokens[i].is("as") {
			return at(tokens, i+1).is(types...)
		}
	}
	return false
}

var floats = []string{"double", "float", "float8", "float4", "real"}

// floating says whether a number is written with an exponent: the e of 0xfe is a digit.
func floating(t token) bool {
	return strings.ContainsAny(t.raw, "eE") && !strings.HasPrefix(strings.ToLower(t.raw), "0x")
}

// floatEnds says whether the operand that ends at i is written as a floating number.
func floatEnds(tokens []token, i int) bool {
	t := at(tokens, i)
	switch {
	case t.kind == number:
		return floating(t)
	case t.is(floats...):
		return at(tokens, i-1).is("::")
	case t.is(")"):
		open := opening(tokens, i)
		before := at(tokens, open-1)
		return before.is("cast", "try_cast") && castTo(tokens, open, i, floats...) || !operand(before) && floatWithin(tokens, open, i)
	}
	return false
}

// floatBegins says whether the operand that begins at i is written as a floating number. The last cast behind it decides.
func floatBegins(tokens []token, i int) bool {
	for at(tokens, i).is("+", "-") {
		i++
	}
	t, is := at(tokens, i), false
	switch {
	case t.kind == number:
		is = floating(t)
	case t.is("cast", "try_cast"):
		is = castTo(tokens, i+1, closing(tokens, i+1), floats...)
	case t.is("("):
		end := closing(tokens, i)
		is = floatWithin(tokens, i, end)
		i = end
	}
	for {
		switch next := at(tokens, i+1); {
		case next.is("::"):
			is = at(tokens, i+2).is(floats...)
			i += 2
		case next.is("."):
			i += 2
		case next.is("(", "["):
			i = closing(tokens, i+1)
		default:
			return is
		}
	}
}

// floatWithin says whether what stands in brackets begins or ends with a floating number: with one, arithmetic is floating. What is compared
// or asked for there says nothing of the value.
func floatWithin(tokens []token, open, end int) bool {
	for at(tokens, open+1).is("(") && closing(tokens, open+1) == end-1 {
		open, end = open+1, end-1
	}
	for i := open + 1; i < end; i++ {
		if tokens[i].is("select", "with", "and", "or", "not", "is", "in", "like", "between", "<", ">", "=", "<=", ">=", "<>", "!=", "==", ",") {
			return false
		}
		if tokens[i].is("(", "[", "{") {
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
		return !at(tokens, from+1).is("case")
	case to-from == 2 && last.kind == text:
		return true
	case last.is(texts...):
		return at(tokens, to-2).is("::")
	case last.is(")"):
		open := opening(tokens, to-1)
		before := at(tokens, open-1)
		switch {
		case before.is(texts...): // ::VARCHAR(10)
			return at(tokens, open-2).is("::")
		case open-1 != from+1:
			return false
		case before.is("coalesce", "nullif"):
			return textual(tokens, open, outer(tokens, open, to-1, ","))
		}
		return before.is("trim", "ltrim", "rtrim", "lower", "upper", "replace", "left", "right", "substr", "substring", "split_part") ||
			before.is("cast") && castTo(tokens, open, to-1, texts...)
	}
	return false
}

// outer is the first place between two others at which this sign stands in no bracket of its own, or the second.
func outer(tokens []token, from, to int, sign string) int {
	for i := from + 1; i < to; i++ {
		switch {
		case tokens[i].is(sign):
			return i
		case tokens[i].is("(", "[", "{"):
			i = closing(tokens, i)
		}
	}
	return to
}
