package warehouse

import (
	"fmt"
	"strconv"
	"strings"
)

// Similar is how an engine spells how alike two values are, exactly as transform/match/similar has it. What it cannot say it refuses, with
// an error that tells people why: nothing is approximated.
type Similar struct {
	// JaroWinkler is a measure of two texts, and Reaches a condition on it. Lower says that neither has a capital letter.
	JaroWinkler func(a, b string, lower bool) (string, error)
	Reaches     func(measure string, least float64) (string, error)
	// Levenshtein is a number of edits, and OSA the condition that there are no more than so many.
	Levenshtein func(a, b string) string
	OSA         func(a, b string, most int) (string, error)
	// Words is the list of a text's distinct words; Size and Common count the entries of one list, and those that two have both.
	Words  func(text string) string
	Size   func(list string) string
	Common func(a, b string) string
	// Terms is a SELECT of _rec and term: the distinct words, or trigrams of words, of the texts in a column. Weighed is a SELECT of _rec,
	// terms and square that a relation of such rows and one of term and weight give; Shared is the sum of squared weights of what two terms
	// have both.
	Terms   func(from, column string, grams bool) string
	Weighed func(terms, weights string) string
	Shared  func(a, b string) string
	// Days is how many days a date is behind another. Stored is a list as a column of a table has it.
	Days   func(a, b string) string
	Stored func(column string) string
}

// blanks is all that parts words: the white space of Unicode.
const blanks = "\t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// Blanked is a text, as SQL, with a plain blank for each of them.
func Blanked(text string, literal func(string) string) string {
	return "translate(" + text + ", " + literal(blanks) + ", " + literal(strings.Repeat(" ", len([]rune(blanks)))) + ")"
}

// duckSimilar is DuckDB's.
var duckSimilar = Similar{
	JaroWinkler: func(a, b string, _ bool) (string, error) { return duckLetters("jaro_winkler_similarity", a, b), nil },
	Reaches: func(measure string, least float64) (string, error) {
		return measure + " >= CAST(" + strconv.FormatFloat(least, 'g', -1, 64) + " AS DOUBLE)", nil
	},
	Levenshtein: func(a, b string) string { return duckLetters("levenshtein", a, b) },
	OSA: func(a, b string, most int) (string, error) {
		switch most {
		case 0:
			return a + " = " + b, nil
		case 1: // only from two edits on may a part be edited twice
			return duckLetters("damerau_levenshtein", a, b) + " <= 1", nil
		}
		return fmt.Sprintf("clean_osa(%s, %s) <= %d", a, b, most), nil
	},
	Words:  func(text string) string { return "list_distinct(" + duckWords(text) + ")" },
	Size:   func(list string) string { return "len(" + list + ")" },
	Common: func(a, b string) string { return "len(list_intersect(" + a + ", " + b + "))" },
	Terms: func(from, column string, grams bool) string {
		list := duckWords("r." + column)
		if grams {
			list = "flatten(list_transform(" + list +
				", lambda w: list_transform(range(1, length(w) + 2), lambda i: substr('  ' || w || ' ', i, 3))))"
		}
		return "SELECT r._rec, unnest(list_distinct(" + list + ")) AS term FROM " + from + " AS r WHERE r." + column + " IS NOT NULL"
	},
	Weighed: func(terms, weights string) string {
		return fmt.Sprintf("SELECT t._rec, list(w.weight || ' ' || t.term) AS terms, CAST(sum(w.weight * w.weight) AS DOUBLE) AS square FROM (%s) AS t JOIN %s AS w ON w.term = t.term GROUP BY t._rec", terms, weights)
	},
	Shared: func(a, b string) string {
		square := "CAST(split_part(e, ' ', 1) AS BIGINT) * CAST(split_part(e, ' ', 1) AS BIGINT)"
		return "CAST(coalesce(list_sum(list_transform(list_intersect(" + a + ", " + b + "), lambda e: " + square + ")), 0) AS DOUBLE)"
	},
	Days:   func(a, b string) string { return "(" + a + " - " + b + ")" },
	Stored: func(column string) string { return column },
}

func duckWords(text string) string {
	return "list_filter(string_split(" + Blanked(text, func(s string) string { return "'" + s + "'" }) + ", ' '), lambda w: w <> '')"
}

// duckLetters calls a function that compares bytes, as all of DuckDB's do, so that it compares letters: where there are others than those of
// one byte, each letter of the two texts is given a byte of its own. There are 127 of them; two texts of more different letters are refused.
func duckLetters(function, a, b string) string {
	letters := fmt.Sprintf("list_distinct(string_split(concat(%s, %s), ''))", a, b)
	from := fmt.Sprintf("CASE WHEN len(%[1]s) > 127 THEN error('two texts of more than 127 different letters are not compared in SQL') ELSE array_to_string(%[1]s, '') END", letters)
	to := fmt.Sprintf("substr(array_to_string(list_transform(range(1, 128), lambda i: chr(CAST(i AS INTEGER))), ''), 1, len(%s))", letters)
	return fmt.Sprintf("CASE WHEN %[2]s IS NULL OR %[3]s IS NULL THEN NULL WHEN strlen(%[2]s) = length(%[2]s) AND strlen(%[3]s) = length(%[3]s) THEN %[1]s(%[2]s, %[3]s) ELSE %[1]s(translate(%[2]s, %[4]s, %[5]s), translate(%[3]s, %[4]s, %[5]s)) END",
		function, a, b, from, to)
}
