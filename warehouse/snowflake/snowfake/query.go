package snowfake

import (
	"slices"
	"strconv"
	"strings"
)

// query reads a SELECT, with what may stand before and behind it, and gives DuckDB's.
func (p *parser) query() string {
	known := len(p.ctes)
	defer func() { p.ctes = p.ctes[:known] }()
	text := ""
	if p.accept("WITH") {
		text = "WITH "
		for i := 0; i == 0 || p.accept(","); i++ {
			name := p.ident()
			columns := p.columnList()
			p.expect("AS", "(")
			query := p.query()
			p.expect(")")
			p.ctes = append(p.ctes, name)
			if i > 0 {
				text += ", "
			}
			text += quoteName(name) + optionalList(columns) + " AS (" + query + ")"
		}
		text += " "
	}
	text += p.selectCore()
	for {
		switch {
		case p.accept("UNION", "ALL"):
			text += " UNION ALL " + p.selectCore()
		case p.accept("UNION"):
			text += " UNION " + p.selectCore()
		case p.accept("EXCEPT"), p.accept("MINUS"):
			text += " EXCEPT " + p.selectCore()
		case p.accept("INTERSECT"):
			text += " INTERSECT " + p.selectCore()
		default:
			return text + p.orderBy() + p.limit()
		}
	}
}

func optionalList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "(" + quoteNames(names) + ")"
}

// orderBy writes the order of NULLs that Snowflake has where nothing is said: they are higher than all values
// (https://docs.snowflake.com/en/sql-reference/constructs/order-by).
func (p *parser) orderBy() string {
	if !p.accept("ORDER", "BY") {
		return ""
	}
	var all []string
	for len(all) == 0 || p.accept(",") {
		item, nulls := p.expr(), " NULLS LAST"
		if p.accept("DESC") {
			item, nulls = item+" DESC", " NULLS FIRST"
		} else if p.accept("ASC") {
			item += " ASC"
		}
		if p.accept("NULLS", "FIRST") {
			nulls = " NULLS FIRST"
		} else if p.accept("NULLS", "LAST") {
			nulls = " NULLS LAST"
		}
		all = append(all, item+nulls)
	}
	return " ORDER BY " + strings.Join(all, ", ")
}

func (p *parser) limit() string {
	if !p.accept("LIMIT") {
		return ""
	}
	text := " LIMIT " + strconv.Itoa(p.integer())
	if p.accept("OFFSET") {
		text += " OFFSET " + strconv.Itoa(p.integer())
	}
	return text
}

func (p *parser) selectCore() string {
	if p.accept("(") {
		query := p.query()
		p.expect(")")
		return "(" + query + ")"
	}
	p.expect("SELECT")
	text := "SELECT "
	if p.accept("DISTINCT") {
		text += "DISTINCT "
	}
	var items []string
	nulls := map[int]bool{}
	for len(items) == 0 || p.accept(",") {
		items = append(items, p.item())
		nulls[len(items)-1] = strings.HasPrefix(items[len(items)-1], "NULL AS ")
	}
	text += strings.Join(items, ", ")
	if p.accept("FROM") {
		text += " FROM " + p.from()
	}
	if p.accept("WHERE") {
		text += " WHERE " + p.expr()
	}
	if p.accept("GROUP", "BY") {
		if p.accept("ALL") {
			text += " GROUP BY ALL"
		} else {
			text += " GROUP BY " + p.exprs()
		}
	}
	if p.accept("HAVING") {
		text += " HAVING " + p.expr()
	}
	if p.accept("QUALIFY") {
		text += " QUALIFY " + p.expr()
	}
	p.nulls = nulls
	return text
}

// item is one column of a SELECT. One without a name is called by its text, as Snowflake does.
func (p *parser) item() string {
	if p.accept("*") {
		return "*" + p.exclude()
	}
	from := p.peek()
	if (from.kind == nameToken || from.kind == wordToken) && p.peekAfter(1).text == "." && p.peekAfter(2).raw == "*" {
		name := p.ident()
		p.expect(".", "*")
		return quoteName(name) + ".*" + p.exclude()
	}
	text := p.expr()
	to := p.tokens[max(p.at-1, 0)]
	switch {
	case p.accept("AS"), p.peek().kind == nameToken, p.peek().kind == wordToken && !reserved[p.peek().text] && !clause[p.peek().text]:
		return text + " AS " + quoteName(p.ident())
	case strings.HasPrefix(text, `"`), p.err != nil: // a column as it is
		return text
	}
	return text + " AS " + quoteName(strings.ToUpper(p.text[from.from:to.to]))
}

// clause are words that are not reserved and yet never an alias here.
var clause = set("END ASC DESC NULLS OVER")

func (p *parser) exclude() string {
	if !p.accept("EXCLUDE") {
		return ""
	}
	if names := p.columnList(); names != nil {
		return " EXCLUDE (" + quoteNames(names) + ")"
	}
	return " EXCLUDE (" + quoteName(p.ident()) + ")"
}

func (p *parser) from() string {
	text := p.source()
	for p.err == nil {
		switch {
		case p.accept(","):
			text += ", " + p.source()
			continue
		case p.accept("CROSS", "JOIN"):
			text += " CROSS JOIN " + p.source()
			continue
		case p.accept("JOIN"), p.accept("INNER", "JOIN"):
			text += " JOIN "
		case p.is("LEFT"), p.is("RIGHT"), p.is("FULL"):
			text += " " + p.word() + " JOIN "
			p.accept("OUTER")
			p.expect("JOIN")
		default:
			return text
		}
		text += p.source()
		if p.accept("USING") {
			text += " USING " + optionalList(p.columnList())
			continue
		}
		p.expect("ON")
		text += " ON " + p.expr()
	}
	return text
}

// source is a table, a subquery or constants, under the name that the statement knows it by.
func (p *parser) source() string {
	if p.accept("(") {
		var text string
		if p.is("VALUES") {
			text = p.valueRows()
		} else {
			text = p.query()
		}
		p.expect(")")
		return "(" + text + ")" + p.alias("")
	}
	if p.accept("TABLE", "(") {
		return p.policies() + p.alias("")
	}
	if p.peek().kind == stageToken {
		p.fail(unknownf("%s as a source of rows", p.peek().raw))
	}
	parts := p.idents()
	if p.err != nil {
		return ""
	}
	if len(parts) == 1 && slices.Contains(p.ctes, parts[0]) {
		return quoteName(parts[0]) + p.alias(parts[0])
	}
	t, err := p.session.tableOf(parts, "SELECT")
	if err != nil {
		p.fail(err)
		return ""
	}
	p.tables = append(p.tables, t)
	return p.session.reading(t) + p.alias(parts[len(parts)-1])
}

// policies reads the one table function that is known: POLICY_REFERENCES of a table
// (https://docs.snowflake.com/en/sql-reference/functions/policy_references).
func (p *parser) policies() string {
	parts := p.idents()
	if name := parts[len(parts)-1]; p.err == nil && name != "POLICY_REFERENCES" {
		p.fail(unknownf("the table function %s", name))
	}
	p.expect("(", "REF_ENTITY_NAME", "=>")
	name := p.stringValue()
	p.expect(",", "REF_ENTITY_DOMAIN", "=>")
	if domain := p.stringValue(); p.err == nil && domain != "TABLE" {
		p.fail(unknownf("POLICY_REFERENCES of a %s", domain))
	}
	p.expect(")", ")")
	if p.err != nil {
		return ""
	}
	tokens, err := scan(name)
	if err != nil {
		p.fail(err)
		return ""
	}
	inner := &parser{session: p.session, tokens: tokens, spelling: map[string]string{}}
	t := inner.target()
	if inner.err != nil {
		p.fail(inner.err)
	}
	rows := "SELECT '' AS \"POLICY_NAME\", '' AS \"POLICY_KIND\" WHERE false"
	for _, policy := range t.policies {
		rows += " UNION ALL SELECT " + quoteText(policy) + ", 'ROW_ACCESS_POLICY'"
	}
	return "(" + rows + ")"
}

// valueRows reads VALUES (...), (...).
func (p *parser) valueRows() string {
	p.expect("VALUES")
	var rows []string
	valued := map[int]bool{}
	p.nulls = map[int]bool{}
	for len(rows) == 0 || p.accept(",") {
		var values []string
		p.expect("(")
		for len(values) == 0 || p.accept(",") {
			values = append(values, p.expr())
		}
		p.expect(")")
		for i, v := range values {
			valued[i] = valued[i] || v != "NULL"
			p.nulls[i] = !valued[i]
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	return "VALUES " + strings.Join(rows, ", ")
}

// alias reads [AS] name [(columns)]; name is what the source is called without one.
func (p *parser) alias(name string) string {
	if p.accept("AS") || p.peek().kind == nameToken || p.peek().kind == wordToken && !reserved[p.peek().text] && !clause[p.peek().text] {
		name = p.ident()
		return " AS " + quoteName(name) + optionalList(p.columnList())
	}
	if name == "" {
		return " AS " + quoteName("subquery")
	}
	return " AS " + quoteName(name)
}
