package snowfake

import (
	"strconv"
	"strings"
	"time"
)

// expr reads an expression and gives DuckDB's for it.
func (p *parser) expr() string {
	left := p.conjunction()
	for p.accept("OR") {
		left = "(" + left + " OR " + p.conjunction() + ")"
	}
	return left
}

func (p *parser) conjunction() string {
	left := p.negation()
	for p.accept("AND") {
		left = "(" + left + " AND " + p.negation() + ")"
	}
	return left
}

func (p *parser) negation() string {
	if p.accept("NOT") {
		return "(NOT " + p.negation() + ")"
	}
	return p.comparison()
}

func (p *parser) comparison() string {
	left := p.sum()
	for _, sign := range []string{"=", "<>", "!=", "<=", ">=", "<", ">"} {
		if p.accept(sign) {
			return "(" + left + " " + sign + " " + p.sum() + ")"
		}
	}
	if p.accept("IS") {
		not := p.not()
		if p.accept("NULL") {
			return "(" + left + " IS" + not + " NULL)"
		}
		p.expect("DISTINCT", "FROM")
		return "(" + left + " IS" + not + " DISTINCT FROM " + p.sum() + ")"
	}
	not := ""
	if p.is("NOT", "BETWEEN") || p.is("NOT", "IN") || p.is("NOT", "LIKE") || p.is("NOT", "ILIKE") {
		not = p.not()
	}
	switch {
	case p.accept("BETWEEN"):
		low := p.sum()
		p.expect("AND")
		return "(" + left + not + " BETWEEN " + low + " AND " + p.sum() + ")"
	case p.accept("IN"):
		p.expect("(")
		var list string
		if p.is("SELECT") || p.is("WITH") {
			list = p.query()
		} else {
			list = p.exprs()
		}
		p.expect(")")
		return "(" + left + not + " IN (" + list + "))"
	case p.is("LIKE"), p.is("ILIKE"):
		return p.like(left, not)
	}
	return left
}

func (p *parser) not() string {
	if p.accept("NOT") {
		return " NOT"
	}
	return ""
}

func (p *parser) like(left, not string) string {
	word := p.word()
	text := "(" + left + not + " " + word + " " + p.sum()
	if p.accept("ESCAPE") {
		text += " ESCAPE " + quoteText(p.stringValue())
	}
	return text + ")"
}

func (p *parser) exprs() string {
	all := []string{p.expr()}
	for p.accept(",") {
		all = append(all, p.expr())
	}
	return strings.Join(all, ", ")
}

func (p *parser) sum() string {
	left := p.product()
	for {
		switch {
		case p.accept("+"):
			left = "(" + left + " + " + p.product() + ")"
		case p.accept("-"):
			left = "(" + left + " - " + p.product() + ")"
		case p.accept("||"):
			left = "(" + left + " || " + p.product() + ")"
		default:
			return left
		}
	}
}

func (p *parser) product() string {
	left := p.unary()
	for {
		switch {
		case p.accept("*"):
			left = "(" + left + " * " + p.unary() + ")"
		case p.accept("%"):
			left = "(" + left + " % " + p.unary() + ")"
		case p.is("/"):
			p.fail(unknownf("division: the scale of its result depends on the types of both sides"))
		default:
			return left
		}
	}
}

func (p *parser) unary() string {
	if p.accept("-") {
		return "(-" + p.unary() + ")"
	}
	value := p.primary()
	for {
		switch {
		case p.accept("::"):
			value = p.columnType().fit(value)
		case p.is(":") || p.is("["):
			p.fail(unknownf("paths into a VARIANT"))
		default:
			return value
		}
	}
}

func (p *parser) primary() string {
	t := p.peek()
	switch t.kind {
	case numberToken:
		p.next()
		return t.text
	case stringToken:
		p.next()
		return quoteText(t.text)
	case bindToken:
		p.next()
		return p.bind()
	case signToken:
		if p.accept("(") {
			return p.inParentheses()
		}
	case nameToken:
		return p.column()
	case wordToken:
		return p.wordExpr()
	}
	p.unexpected()
	return ""
}

func (p *parser) inParentheses() string {
	var text string
	if p.is("SELECT") || p.is("WITH") {
		text = p.query()
	} else {
		text = p.exprs()
	}
	p.expect(")")
	return "(" + text + ")"
}

func (p *parser) wordExpr() string {
	switch {
	case p.accept("NULL"):
		return "NULL"
	case p.accept("TRUE"):
		return "true"
	case p.accept("FALSE"):
		return "false"
	case p.accept("CASE"):
		return p.caseWhen()
	case p.is("CAST", "("), p.is("TRY_CAST", "("):
		return p.cast(p.word())
	case p.accept("EXISTS"):
		p.expect("(")
		query := p.query()
		p.expect(")")
		return "EXISTS (" + query + ")"
	case p.accept("CURRENT_TIMESTAMP"):
		if p.accept("(") {
			p.expect(")")
		}
		return p.session.now()
	case p.peekAfter(1).kind == stringToken && typed[p.peek().text]:
		t := spellings[p.word()]
		return t.fit(quoteText(p.stringValue()))
	case p.peekAfter(1).text == "(" && p.peekAfter(1).kind == signToken:
		return p.function()
	}
	return p.column()
}

// typed are the types whose name may stand before a constant.
var typed = set("DATE TIME TIMESTAMP TIMESTAMP_NTZ")

func (p *parser) caseWhen() string {
	text := "CASE"
	if !p.is("WHEN") {
		text += " " + p.expr()
	}
	for p.accept("WHEN") {
		text += " WHEN " + p.expr()
		p.expect("THEN")
		text += " THEN " + p.expr()
	}
	if p.accept("ELSE") {
		text += " ELSE " + p.expr()
	}
	p.expect("END")
	return "(" + text + " END)"
}

func (p *parser) cast(word string) string {
	p.expect("(")
	value := p.expr()
	p.expect("AS")
	t := p.columnType()
	p.expect(")")
	if word == "TRY_CAST" {
		return "TRY_CAST(sf_only_text(" + value + ") AS " + t.duckdb() + ")"
	}
	return t.fit(value)
}

// column reads a column, with or without its table before it. DuckDB knows a table by its alias only: the parts before that fall away.
func (p *parser) column() string {
	parts := p.idents()
	return strings.Join(mapText(parts[max(0, len(parts)-2):], quoteName), ".")
}

func mapText(all []string, f func(string) string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = f(s)
	}
	return out
}

// Bind is the value of a ?, as the driver sends it.
type Bind struct {
	Type  string  // FIXED, REAL, TEXT, BOOLEAN, DATE, TIME, TIMESTAMP_NTZ, TIMESTAMP_LTZ, BINARY
	Value *string // nil for NULL
}

// bind gives the next bound value as a constant: dates in milliseconds, times in nanoseconds (gosnowflake v2.1.0 converter.go, timeTypeValueToString).
func (p *parser) bind() string {
	if p.bound == len(p.binds) {
		p.fail(failf("002049", "42601", "SQL compilation error:\nBind variable ? not set."))
		return ""
	}
	b := p.binds[p.bound]
	p.bound++
	if b.Value == nil {
		return "NULL"
	}
	v := *b.Value
	switch b.Type {
	case "TEXT":
		return quoteText(v)
	case "FIXED":
		return "(" + quoteText(v) + "::DECIMAL(38,0))"
	case "REAL":
		return "(" + quoteText(v) + "::DOUBLE)"
	case "BOOLEAN":
		return "(" + quoteText(v) + "::BOOLEAN)"
	case "BINARY":
		return "unhex(" + quoteText(v) + ")"
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		p.fail(failf("100037", "22018", "the value of a bind variable of type %s is not a number", b.Type))
	}
	switch b.Type {
	case "DATE":
		return "(DATE '" + time.UnixMilli(n).UTC().Format(time.DateOnly) + "')"
	case "TIMESTAMP_NTZ":
		return "make_timestamp(" + strconv.FormatInt(n/1000, 10) + ")"
	case "TIMESTAMP_LTZ":
		return "to_timestamp(" + strconv.FormatInt(n/1000, 10) + " / 1e6)"
	}
	p.fail(unknownf("bind variables of type %s", b.Type))
	return ""
}
