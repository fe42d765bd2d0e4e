package snowfake

import (
	"context"
	"strconv"
	"strings"
)

// parser reads one statement. The first error stays: from there on every look finds the end, so that callers need to ask only once, with
// done.
type parser struct {
	session *Session
	text    string
	tokens  []token
	at      int
	binds   []Bind
	bound   int
	err     error

	ctes     []string                      // names that stand for a subquery here
	tables   []*table                      // that the statement reads
	spelling map[string]string             // of each identifier, by its lower case: see sameCase
	nulls    map[int]bool                  // columns of the query just read that are NULL and nothing else
	effects  []func(context.Context) error // what functions do beside giving a value
}

func newParser(s *Session, text string, binds []Bind) (*parser, error) {
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	return &parser{session: s, text: text, tokens: tokens, binds: binds, spelling: map[string]string{}}, nil
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.at = len(p.tokens) - 1
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAfter(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// is says whether the next tokens are these words and signs.
func (p *parser) is(words ...string) bool {
	for i, w := range words {
		t := p.peekAfter(i)
		if t.kind != wordToken && t.kind != signToken || t.text != w {
			return false
		}
	}
	return true
}

func (p *parser) accept(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.at += len(words)
	return true
}

func (p *parser) expect(words ...string) {
	for _, w := range words {
		if !p.accept(w) {
			p.unexpected()
			return
		}
	}
}

func (p *parser) unexpected() { p.fail(syntaxError(p.peek())) }

// done is called when a statement has been read whole.
func (p *parser) done() error {
	p.accept(";")
	switch t := p.peek(); {
	case p.err != nil:
	case t.kind != endToken && p.tokens[max(p.at-1, 0)].text == ";":
		p.err = failf("000008", "0A000", "Actual statement count 2 did not match the desired statement count 1.")
	case t.kind == wordToken:
		p.err = unknownf("%s at line %d, position %d of the statement", t.raw, t.line, t.column)
	case t.kind != endToken:
		p.unexpected()
	case p.bound != len(p.binds):
		p.err = failf("002049", "42601", "SQL compilation error:\nBind variables: %d given, %d used.", len(p.binds), p.bound)
	}
	if p.err == nil {
		p.err = p.sameCase()
	}
	return p.err
}

func (p *parser) word() string {
	if p.peek().kind != wordToken {
		p.unexpected()
		return ""
	}
	return p.next().text
}

func (p *parser) integer() int {
	n, err := strconv.Atoi(p.peek().text)
	if p.peek().kind != numberToken || err != nil {
		p.unexpected()
		return 0
	}
	p.next()
	return n
}

func (p *parser) stringValue() string {
	if p.peek().kind != stringToken {
		p.unexpected()
		return ""
	}
	return p.next().text
}

// ident is an identifier: upper case when it is not quoted
// (https://docs.snowflake.com/en/sql-reference/identifiers-syntax).
func (p *parser) ident() string {
	t := p.peek()
	if t.kind != nameToken && (t.kind != wordToken || reserved[t.text]) {
		p.unexpected()
		return ""
	}
	p.next()
	if len([]rune(t.text)) > 255 {
		p.fail(failf("000972", "42601", "SQL compilation error:\nIdentifier is too long: %s", t.text))
	}
	p.saw(t.text)
	return t.text
}

// saw remembers how an identifier is spelled.
func (p *parser) saw(name string) {
	key := strings.ToLower(name)
	if have, ok := p.spelling[key]; ok && have != name {
		name = "" // two spellings
	}
	p.spelling[key] = name
}

// sameCase refuses identifiers of one statement and its tables that differ only in case: Snowflake tells them apart, DuckDB does not, so
// that a quoted "id" would find the column ID here and nothing there.
func (p *parser) sameCase() error {
	for _, t := range p.tables {
		for _, c := range t.columns {
			p.saw(c.name)
		}
	}
	for key, name := range p.spelling {
		if name == "" {
			return invalidIdentifier(`"` + key + `" (spelled in two ways, which snowfake cannot tell apart)`)
		}
	}
	return nil
}

// reserved words cannot be identifiers without quotes (https://docs.snowflake.com/en/sql-reference/reserved-keywords).
var reserved = set(`ALL ALTER AND ANY AS BETWEEN BY CASE CAST CHECK COLUMN CONNECT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
 CURRENT_TIMESTAMP CURRENT_USER DELETE DISTINCT DROP ELSE EXISTS FALSE FOLLOWING FOR FROM FULL GRANT GROUP HAVING ILIKE IN INCREMENT INNER
 INSERT INTERSECT INTO IS JOIN LATERAL LEFT LIKE LOCALTIME LOCALTIMESTAMP MINUS NATURAL NOT NULL OF ON OR ORDER QUALIFY REGEXP REVOKE RIGHT
 RLIKE ROW ROWS SAMPLE SELECT SET SOME START TABLE TABLESAMPLE THEN TO TRIGGER TRUE TRY_CAST UNION UNIQUE UPDATE USING VALUES WHEN WHENEVER
 WHERE WITH LIMIT OFFSET EXCEPT`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// idents reads a.b.c.
func (p *parser) idents() []string {
	parts := []string{p.ident()}
	for p.accept(".") {
		parts = append(parts, p.ident())
	}
	return parts
}

// columnList reads (a, b, c), or nothing.
func (p *parser) columnList() []string {
	if !p.accept("(") {
		return nil
	}
	names := []string{p.ident()}
	for p.accept(",") {
		names = append(names, p.ident())
	}
	p.expect(")")
	return names
}

// object reads the name of something in a schema and completes it.
func (p *parser) object() objectName {
	parts := p.idents()
	if p.err != nil {
		return objectName{}
	}
	name, err := p.session.qualify(parts)
	if err != nil {
		p.fail(err)
	}
	return name
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func quoteNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteName(n)
	}
	return strings.Join(quoted, ", ")
}
