package portable

import "strings"

// Item is what stands behind FROM at an offset: a name, a text, or a function with its arguments. It gives the offset where that ends, and
// its text on one line, without comments and with spaces of one kind: two that read the same are mostly written the same then.
func Item(sql string, offset int) (end int, text string) {
	if offset < 0 || offset >= len(sql) {
		return max(0, min(offset, len(sql))), ""
	}
	tokens := scan(sql[offset:])
	if len(tokens) == 0 {
		return offset, ""
	}
	last := 0
	if at(tokens, 1).Is("(") {
		last = min(closing(tokens, 1), len(tokens)-1)
	}
	var b strings.Builder
	for i, t := range tokens[:last+1] {
		if i > 0 && !tokens[i-1].Is("(", "[", "{", ".", "::") && !t.Is(")", "]", "}", "(", "[", ",", ".", "::", ":") {
			b.WriteByte(' ')
		}
		if t.Is(":=", "=>") { // other spellings of =
			t.Raw = "="
		}
		b.WriteString(t.Raw)
	}
	return offset + tokens[last].At + len(tokens[last].Raw), b.String()
}

// Sources are the offsets of functions and texts that stand where a table does: behind FROM, JOIN or PIVOT, or, of functions, anywhere
// behind a comma or a bracket.
func Sources(sql string) []int {
	var found []int
	tokens := scan(sql)
	for i, t := range tokens {
		before := at(tokens, i-1)
		table := before.Is("from", "join", "pivot", "pivot_wider", "unpivot", "pivot_longer", "summarize", "describe")
		function := t.Kind == word && at(tokens, i+1).Is("(") && (table || before.Is(",", "("))
		if function || table && (t.Kind == text || t.Kind == quoted) {
			found = append(found, t.At)
		}
	}
	return found
}

// Nameable says whether a name may stand behind the item at an offset: behind SUMMARIZE 'a.csv' and TABLE 'a.csv' none may.
func Nameable(sql string, offset int) bool {
	before := scan(sql[:offset])
	return !at(before, len(before)-1).Is("summarize", "describe", "desc", "show", "table")
}

// Named says whether a name stands behind the item at an offset, by which the query calls it.
func Named(sql string, offset int) bool {
	end, _ := Item(sql, offset)
	tokens := scan(sql[end:])
	first := at(tokens, 0)
	return first.Is("as") || first.Kind == quoted || first.Kind == word &&
		!first.Is("where", "group", "order", "having", "limit", "qualify", "window", "join", "inner", "left",
			"right", "full", "cross", "natural", "asof", "positional", "semi", "anti", "on", "using", "union", "except", "intersect", "select",
			"tablesample", "pivot", "unpivot", "in", "offset")
}
