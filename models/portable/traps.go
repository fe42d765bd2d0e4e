package portable

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/clean"
)

// Traps are all that Find looks for.
func Traps() []Trap {
	return slices.Concat(orderTraps(), functionTraps(), operatorTraps(), clauseTraps(), nameTraps())
}

func orderTraps() []Trap {
	return []Trap{
		{"`ORDER BY … DESC` without NULLS", "NULLs come last", "NULLs come first", "`DESC NULLS LAST`", descending},
		{"`greatest` and `least`", "NULLs are passed over", "one NULL makes it NULL", "`CASE WHEN a >= b OR b IS NULL THEN a ELSE b END`", called("greatest", "least")},
		{"`concat` and `concat_ws`", "NULLs are passed over", "one NULL makes it NULL", "`a || b`, with `coalesce` where NULLs are to be nothing", called("concat", "concat_ws")},
	}
}

func functionTraps() []Trap {
	return []Trap{
		{"`jaro_winkler_similarity`, `jaro_similarity`", "a number from 0 to 1", "JAROWINKLER_SIMILARITY is a whole number from 0 to 100, and blind to case",
			"one macro that gives 0 to 100 of upper-case texts in both", called("jaro_winkler_similarity", "jaro_similarity")},
		{"`levenshtein`, `editdist3`", "a count of edits", "that is called EDITDISTANCE", "one macro that is spelled for each engine", called("levenshtein", "editdist3")},
		{"`jaccard`, `damerau_levenshtein`, `hamming`", "a measure of texts", "not there", "another measure, by one macro that is spelled for each engine, or keep the column out of models that are to run there",
			called("jaccard", "damerau_levenshtein", "hamming", "mismatches")},
		{"`regexp_matches`", "a search within the text", "REGEXP_LIKE matches whole texts only", "`LIKE '%…%'` or `contains`; for patterns one macro that is spelled for each engine",
			called("regexp_matches")},
		{"`regexp_full_match`", "RE2 over the whole text", "that is called REGEXP_LIKE, and knows no `(?…)`", "`LIKE`, or one macro that is spelled for each engine", called("regexp_full_match")},
		{"`regexp_replace`", "the first match, and with the option 'g' every one", "every match, and no options in that place", "`replace` for texts, which is about every one in both, or one macro that is spelled for each engine",
			called("regexp_replace")},
		{"`TRY_CAST` of what is no text", "any value is tried", "only texts may be", "CAST where it cannot fail, else `CASE WHEN x BETWEEN … THEN CAST(x AS …) END`; where x is a text, `TRY_CAST(CAST(x AS VARCHAR) AS …)`", tryCast},
		{"`avg` and `mean`", "a DOUBLE", "a NUMBER with a few more places, rounded; mean is not there", "`avg(CAST(a AS DOUBLE))`",
			func(t []token, i int) bool {
				return called("avg", "mean")(t, i) && (t[i].Is("mean") || !floatWithin(t, i+1, closing(t, i+1)))
			}},
		{"`DECIMAL` without digits", "DECIMAL(18, 3)", "NUMBER(38, 0): whole numbers, rounded", "`DECIMAL(18, 3)`", bareDecimal},
		{"`TIMESTAMPTZ`", "an instant: dates and hours are those of the session's zone", "TIMESTAMP_TZ: they are those of the offset that the value was written with",
			"TIMESTAMP in UTC, or one macro that is spelled for each engine",
			func(t []token, i int) bool {
				return t[i].Is("timestamptz") || t[i].Is("timestamp") && at(t, i+1).Is("with") && at(t, i+2).Is("time")
			}},
		{"`AT TIME ZONE`", "a time of that zone", "not there: that is CONVERT_TIMEZONE", "one macro that is spelled for each engine",
			func(t []token, i int) bool { return t[i].Is("at") && at(t, i+1).Is("time") && at(t, i+2).Is("zone") }},
		{"`dayname` and `monthname`", "Monday, January", "Mon, Jan", "`left(dayname(a), 3)`",
			func(t []token, i int) bool {
				return called("dayname", "monthname")(t, i) && !(at(t, i-1).Is("(") && at(t, i-2).Is("left"))
			}},
		{"`extract(epoch …)`", "seconds with their fraction", "whole seconds", "`floor(extract(epoch FROM a))`",
			func(t []token, i int) bool {
				part := at(t, i+2)
				named := t[i].Is("extract") && part.Is("epoch") || t[i].Is("date_part", "datepart") && strings.EqualFold(part.Raw, "'epoch'") || t[i].Is("epoch")
				return named && at(t, i+1).Is("(") && !(at(t, i-1).Is("(") && at(t, i-2).Is("floor"))
			}},
		{"`substr(a, 0, …)`", "one character less", "as if from 1", "`substr(a, 1, …)`",
			func(t []token, i int) bool {
				if !called("substr", "substring")(t, i) {
					return false
				}
				from := i + 2 // of a.substr(0, …)
				if !at(t, i-1).Is(".") {
					from = outer(t, i+1, closing(t, i+1), ",") + 1
				}
				return at(t, from).Raw == "0" && at(t, from+1).Is(",", ")")
			}},
		{"`array_agg` and `list`", "with NULLs", "without NULLs; list is not there", "rows instead of lists, or `array_agg(coalesce(a, …))`", called("array_agg", "list")},
		{"`clean_…`", "Millrace's cleaning functions", "not there", "keep cleaning in models that run locally, and publish their tables", called(cleaning()...)},
		{"`hash`", "64 bits of its own", "other values", "`md5` of a text that is put together", called("hash")},
		{"`random`", "a number from 0 to 1", "a whole number of 64 bits", "no model of random rows: no two runs agree", called("random")},
		{"`generate_series`, `range`", "rows, or a list", "not there: GENERATOR takes constants only", "a table of numbers or days that the project keeps", called("generate_series", "range")},
	}
}

// cleaning are the names of the cleaning functions, which Millrace's own engine has.
func cleaning() []string {
	names := make([]string, len(clean.Functions))
	for i, f := range clean.Functions {
		names[i] = f.Name
	}
	return names
}

func operatorTraps() []Trap {
	return []Trap{
		{"`//`", "a division without its fraction", "the begin of a comment", "of whole numbers below 2^53 `CAST(trunc(CAST(a AS DOUBLE) / nullif(b, 0)) AS BIGINT)`; for greater ones one macro that is spelled for each engine", is("//")},
		{"`/`", "a DOUBLE", "a NUMBER of six more places, rounded", "`CAST(a AS DOUBLE) / b`", division},
		{"`~` and `SIMILAR TO`", "RE2 over the whole text", "not an operator", "`LIKE`, or one macro that is spelled for each engine",
			func(t []token, i int) bool {
				return t[i].Kind == sign && t[i].Is("~", "!~", "~*", "!~*") && operand(at(t, i-1)) || t[i].Is("similar") && at(t, i+1).Is("to")
			}},
		{"a backslash in '…'", "itself", "the begin of an escape", "`$$…$$`, which both take as it is",
			func(t []token, i int) bool {
				return t[i].Kind == text && t[i].Raw[0] == '\'' && strings.Contains(t[i].Raw, `\`)
			}},
		{"a subscript", "lists begin at 1", "arrays begin at 0", "one macro that is spelled for each engine", subscript},
		{"a list `[…]`", "values of one type", "an ARRAY of VARIANTs", "rows instead, by `UNION ALL` or a join", func(t []token, i int) bool { return t[i].Is("[") && !operand(at(t, i-1)) }},
		{"a struct `{…}`", "fields with types, in order", "an OBJECT of VARIANTs, in no order", "columns of their own", is("{")},
		{"a lambda", "over typed lists", "over ARRAYs of VARIANTs, in TRANSFORM, FILTER and REDUCE only", "rows instead of lists",
			func(t []token, i int) bool {
				return t[i].Is("lambda") && at(t, i+1).Kind == word || t[i].Is("->") && operand(at(t, i-1)) && at(t, i+1).Kind != text && at(t, i+1).Kind != number
			}},
	}
}

func clauseTraps() []Trap {
	return []Trap{
		{"`ASOF JOIN`", "its condition stands in ON", "it stands in MATCH_CONDITION", "a join and `QUALIFY row_number() …`",
			func(t []token, i int) bool {
				return t[i].Is("asof") && (at(t, i+1).Is("join") || at(t, i+2).Is("join"))
			}},
		{"`USING SAMPLE`", "a sample of the result", "not there: SAMPLE stands behind a table", "a condition on a hash of the key",
			func(t []token, i int) bool { return t[i].Is("using") && at(t, i+1).Is("sample") }},
	}
}

func nameTraps() []Trap {
	return []Trap{
		{"a quoted name with small letters", "the same as without quotes", "another name: tables are made with capital ones", "names in snake_case without quotes; reserved words in capitals, `\"ORDER\"`",
			func(t []token, i int) bool { return t[i].Kind == quoted && t[i].Raw != strings.ToUpper(t[i].Raw) }},
	}
}

func is(s string) func([]token, int) bool {
	return func(t []token, i int) bool { return t[i].Is(s) }
}

// descending finds DESC in an ORDER BY that leaves open where NULLs go.
func descending(t []token, i int) bool {
	return t[i].Is("desc") && !at(t, i+1).Is("nulls") && !at(t, i-1).Is(".", "as")
}

// bareDecimal finds a cast to DECIMAL that leaves its digits to the engine.
func bareDecimal(t []token, i int) bool {
	if !t[i].Is("decimal", "numeric", "dec") || at(t, i+1).Is("(") {
		return false
	}
	end := enclosing(t, i)
	cast := at(t, i-1).Is("as") && end < len(t) && at(t, opening(t, end)-1).Is("cast", "try_cast")
	return cast || at(t, i-1).Is("::")
}

// subscript finds x[1], and not the type INTEGER[] or DECIMAL(9,2)[3].
func subscript(t []token, i int) bool {
	of := i - 1
	for at(t, of).Is(")", "]") {
		of = opening(t, of) - 1
	}
	isType := at(t, i+1).Is("]") || at(t, of).Kind == word && at(t, of-1).Is("::", "as")
	return t[i].Is("[") && operand(at(t, i-1)) && !isType
}

// division finds a / of which neither side is written as a floating number.
func division(t []token, i int) bool {
	return t[i].Is("/") && !floatEnds(t, i-1) && !floatBegins(t, i+1)
}

// tryCast finds a TRY_CAST whose value is not written as a text. The last AS within its brackets is its own: no type has one.
func tryCast(t []token, i int) bool {
	if !called("try_cast")(t, i) {
		return false
	}
	for k := closing(t, i+1) - 1; k > i+1; k-- {
		if t[k].Is("as") {
			return !textual(t, i+1, k)
		}
	}
	return true
}
