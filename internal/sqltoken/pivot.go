package sqltoken

// OpenPivots are the offsets at which a PIVOT statement lacks its IN: its columns are those that the rows have when it runs. DuckDB makes
// several statements of such a one, so that nothing that takes one statement takes it.
func OpenPivots(sql string) []int {
	var open []int
	tokens := Scan(sql)
	for i, t := range tokens {
		if t.Is("pivot", "pivot_wider") {
			open = append(open, openAt(tokens, i+1)...)
		}
	}
	return open
}

// openAt are the offsets of a PIVOT whose table stands at i; none where it is FROM t PIVOT (…), which has an IN always.
func openAt(tokens []Token, i int) (open []int) {
	for !At(tokens, i).Is("(") && At(tokens, i+1).Is(".") {
		i += 2
	}
	if !At(tokens, i).Is("(") {
		i++
	}
	if At(tokens, i).Is("(") {
		i = Closing(tokens, i) + 1
	}
	switch t := At(tokens, i); {
	case t.Is("as"):
		i += 2
	case t.Kind == Quoted, t.Kind == Word && !t.Is("on"):
		i++
	}
	if !At(tokens, i).Is("on") {
		return nil
	}
	in := false
	end := func(last int) {
		if !in {
			open = append(open, tokens[last].At+len(tokens[last].Raw))
		}
		in = false
	}
	for i++; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t.Is("(", "[", "{"):
			i = Closing(tokens, i)
		case t.Is(","):
			end(i - 1)
		case t.Is("using", "group", "order", "limit", "union", "except", "intersect", ";", ")"):
			end(i - 1)
			return open
		case t.Is("in"):
			in = true
		}
	}
	end(len(tokens) - 1)
	return open
}
