package portable

import "strings"

// Statement is one of several that stand in a text.
type Statement struct {
	SQL   string
	At    int      // offset of SQL in bytes
	Words []string // what it begins with, in lower case: names without their quotes, texts as they are written; a dozen at most
}

// Statements cuts a text where semicolons end statements. Those that are nothing but comments are left out.
func Statements(sql string) []Statement {
	const few = 12
	var all []Statement
	var now []token
	end := func(at int) {
		if len(now) == 0 {
			return
		}
		s := Statement{SQL: strings.TrimSpace(sql[now[0].At:at]), At: now[0].At}
		for _, t := range now[:min(few, len(now))] {
			s.Words = append(s.Words, t.Name())
		}
		all, now = append(all, s), nil
	}
	for _, t := range scan(sql) {
		if t.Is(";") {
			end(t.At)
			continue
		}
		now = append(now, t)
	}
	end(len(sql))
	return all
}

// Renamed writes another name wherever a statement names schema.table; texts and comments stay as they are.
func Renamed(sql, schema, table, to string) string {
	tokens := scan(sql)
	is := func(t token, name string) bool {
		return (t.Kind == word || t.Kind == quoted) && t.Name() == strings.ToLower(name)
	}
	var b strings.Builder
	done := 0
	for i := 0; i+2 < len(tokens); i++ {
		if is(tokens[i], schema) && tokens[i+1].Is(".") && is(tokens[i+2], table) && !(i > 0 && tokens[i-1].Is(".")) {
			b.WriteString(sql[done:tokens[i].At] + to)
			done = tokens[i+2].At + len(tokens[i+2].Raw)
			i += 2
		}
	}
	return b.String() + sql[done:]
}

// OneLine is a statement without comments and line ends, so that it may stand in a comment. Texts and names keep theirs.
func OneLine(sql string) string {
	var b strings.Builder
	end := 0
	for i, t := range scan(sql) {
		if i > 0 && t.At > end {
			b.WriteByte(' ')
		}
		b.WriteString(t.Raw)
		end = t.At + len(t.Raw)
	}
	return b.String()
}

// Calls finds the first call of one of the functions, whose names are in lower case.
func Calls(sql string, names ...string) (name string, at int, found bool) {
	return first(sql, names, true)
}

// Mentions finds the first of the names, which are in lower case, wherever it stands.
func Mentions(sql string, names ...string) (name string, at int, found bool) {
	return first(sql, names, false)
}

func first(sql string, names []string, called bool) (name string, offset int, found bool) {
	tokens := scan(sql)
	for i, t := range tokens {
		if t.Kind != word && t.Kind != quoted || called && !at(tokens, i+1).Is("(") {
			continue
		}
		for _, n := range names {
			if t.Name() == n {
				return n, t.At, true
			}
		}
	}
	return "", 0, false
}
