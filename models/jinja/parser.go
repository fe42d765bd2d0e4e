package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// maxNesting bounds how deep tags and brackets may nest, so that neither parsing nor running can exhaust the stack.
const maxNesting = 200

type parser struct {
	t      *Template
	toks   []token
	i      int
	depth  int
	open   []openTag
	macros []*macroNode // the macros around the current place
	loops  int          // the loops around it, within the innermost macro
}

type openTag struct {
	name string
	off  int
	ends []string
}

// parse fills t.body and t.calls.
func parse(t *Template, toks []token) error {
	p := &parser{t: t, toks: toks}
	body, err := p.body(nil)
	t.body = body
	slices.SortStableFunc(t.refs, func(a, b reference) int { return a.off - b.off })
	return err
}

func (p *parser) cur() token  { return p.toks[p.i] }
func (p *parser) next() token { t := p.toks[p.i]; p.i = min(p.i+1, len(p.toks)-1); return t }
func (p *parser) look() token { return p.toks[min(p.i+1, len(p.toks)-1)] }

func (p *parser) isOp(op string) bool  { return p.cur().kind == tokOp && p.cur().val == op }
func (p *parser) isName(n string) bool { return p.cur().kind == tokName && p.cur().val == n }

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.next()
		return true
	}
	return false
}

func (p *parser) skipName(n string) bool {
	if p.isName(n) {
		p.next()
		return true
	}
	return false
}

func (p *parser) fail(off int, format string, args ...any) *Error {
	return p.t.errorAt(off, fmt.Sprintf(format, args...), "")
}

func (p *parser) expectOp(op string) error {
	if !p.skipOp(op) {
		return p.fail(p.cur().off, "expected '%s', got %s", op, p.cur().describe())
	}
	return nil
}

func (p *parser) expectName(what string) (token, error) {
	if p.cur().kind != tokName {
		return token{}, p.fail(p.cur().off, "expected %s, got %s", what, p.cur().describe())
	}
	return p.next(), nil
}

func (p *parser) tagEnd() error {
	if p.cur().kind != tokTagEnd {
		return p.fail(p.cur().off, "expected '%%}', got %s", p.cur().describe())
	}
	p.next()
	return nil
}

// blockBegin ends the tag that opens a block; Python's colon may stand before the end.
func (p *parser) blockBegin() error {
	p.skipOp(":")
	return p.tagEnd()
}

func (p *parser) enter(off int) error {
	p.depth++
	if p.depth > maxNesting {
		return p.fail(off, "nested more than %d levels deep", maxNesting)
	}
	return nil
}

// body parses up to one of the end tags and stands on its name; with no end tags, up to the end of the template.
func (p *parser) body(ends []string) ([]node, error) {
	var out []node
	for {
		tok := p.next()
		switch tok.kind {
		case tokEOF:
			if len(ends) == 0 {
				return out, nil
			}
			o := p.open[len(p.open)-1]
			return nil, p.t.errorAt(o.off, "'"+o.name+"' is never closed", "add '{% "+ends[len(ends)-1]+" %}'")
		case tokText:
			out = append(out, &textNode{pos(tok.off), tok.val})
		case tokPrintBegin:
			x, err := p.tuple(true, nil)
			if err != nil {
				return nil, err
			}
			if p.cur().kind != tokPrintEnd {
				return nil, p.fail(p.cur().off, "expected '}}', got %s", p.cur().describe())
			}
			p.next()
			out = append(out, &outputNode{pos(tok.off), x})
		case tokTagBegin:
			if p.cur().kind == tokName && slices.Contains(ends, p.cur().val) {
				return out, nil
			}
			n, err := p.statement(tok.off)
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		default:
			return nil, p.fail(tok.off, "unexpected %s", tok.describe())
		}
	}
}

// block parses a body with its end tag; `ends` are the tags that may stop it, the last one being the real end. It
// returns which one did, and has consumed its name.
func (p *parser) block(tag string, off int, ends ...string) ([]node, string, error) {
	if err := p.enter(off); err != nil {
		return nil, "", err
	}
	p.open = append(p.open, openTag{tag, off, ends})
	body, err := p.body(ends)
	p.open = p.open[:len(p.open)-1]
	p.depth--
	if err != nil {
		return nil, "", err
	}
	return body, p.next().val, nil
}

// only parses a block with a single possible end tag, through its `%}`.
func (p *parser) only(tag string, off int) ([]node, error) {
	if err := p.blockBegin(); err != nil {
		return nil, err
	}
	body, _, err := p.block(tag, off, "end"+tag)
	if err != nil {
		return nil, err
	}
	return body, p.tagEnd()
}

var (
	tags = []string{"if", "for", "set", "macro", "call", "do", "raw", "filter", "with", "print", "break", "continue",
		"test", "data_test", "materialization", "snapshot", "docs"}
	// foreignTags are tags that exist in Jinja2 or dbt and that this engine does not have.
	foreignTags = map[string]string{
		"include": "write a macro and call it", "import": "macros of the project are callable without import",
		"from": "macros of the project are callable without import", "extends": "write a macro and call it",
		"block": "write a macro and call it", "autoescape": "SQL is not HTML; use the filter 'escape' on what needs it",
	}
)

func (p *parser) statement(off int) (node, error) {
	tok, err := p.expectName("a tag name")
	if err != nil {
		return nil, err
	}
	switch tok.val {
	case "if":
		return p.ifStatement(off)
	case "for":
		return p.forStatement(off)
	case "set":
		return p.setStatement(off)
	case "macro", "test", "data_test":
		return p.macroStatement(off, tok.val)
	case "materialization":
		return p.materialization(off)
	case "call":
		return p.callStatement(off)
	case "do":
		x, err := p.tuple(true, nil)
		if err != nil {
			return nil, err
		}
		return &doNode{pos(off), x}, p.tagEnd()
	case "print":
		return p.printStatement(off)
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail(tok.off, "'%s' stands outside a loop", tok.val)
		}
		return &loopControlNode{pos(off), tok.val}, p.tagEnd()
	case "snapshot", "docs":
		return p.namedBlock(off, tok.val)
	case "filter":
		f, err := p.filterChain(nil, true)
		if err != nil {
			return nil, err
		}
		body, err := p.only("filter", off)
		return &filterNode{pos(off), f.(*filterExpr), body}, err
	case "with":
		return p.withStatement(off)
	}
	if hint, ok := foreignTags[tok.val]; ok {
		return nil, p.t.errorAt(tok.off, "tag '"+tok.val+"' is not supported", hint)
	}
	if len(p.open) > 0 && (strings.HasPrefix(tok.val, "end") || tok.val == "else" || tok.val == "elif") {
		o := p.open[len(p.open)-1]
		return nil, p.fail(tok.off, "unexpected '%s'; expected '%s' for the '%s' of line %d",
			tok.val, o.ends[len(o.ends)-1], o.name, p.t.position(o.off).Line)
	}
	if strings.HasPrefix(tok.val, "end") || tok.val == "else" || tok.val == "elif" {
		return nil, p.fail(tok.off, "unexpected '%s'; no tag is open here", tok.val)
	}
	return nil, p.t.errorAt(tok.off, "unknown tag '"+tok.val+"'", suggest(tok.val, tags))
}

// printStatement parses `{% print a, b %}`, which prints one after the other.
func (p *parser) printStatement(off int) (node, error) {
	c := &concatExpr{pos: pos(off)}
	for p.cur().kind != tokTagEnd {
		if len(c.parts) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, x)
	}
	if len(c.parts) == 1 {
		return &outputNode{pos(off), c.parts[0]}, p.tagEnd()
	}
	return &outputNode{pos(off), c}, p.tagEnd()
}

// namedBlock parses dbt's `{% snapshot name %}` and `{% docs name %}`.
func (p *parser) namedBlock(off int, tag string) (node, error) {
	if len(p.open) > 0 {
		return nil, p.fail(off, "'%s' stands inside '%s'; it must stand at the top of the file", tag, p.open[len(p.open)-1].name)
	}
	name, err := p.expectName("the name of the " + tag)
	if err != nil {
		return nil, err
	}
	body, err := p.only(tag, off)
	if tag == "docs" {
		return &docsNode{pos(off)}, err
	}
	return &snapshotNode{pos(off), p.behind(), name.val, body}, err
}

func (p *parser) ifStatement(off int) (node, error) {
	n := &ifNode{pos: pos(off)}
	for {
		test, err := p.tuple(false, nil)
		if err != nil {
			return nil, err
		}
		if err := p.blockBegin(); err != nil {
			return nil, err
		}
		body, end, err := p.block("if", off, "elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		n.tests, n.bodies = append(n.tests, test), append(n.bodies, body)
		switch end {
		case "elif":
			continue
		case "else":
			n.orElse, err = p.only("if", off)
			return n, err
		}
		return n, p.tagEnd()
	}
}

func (p *parser) forStatement(off int) (node, error) {
	n := &forNode{pos: pos(off)}
	var err error
	if n.target, err = p.target(false, "in"); err != nil {
		return nil, err
	}
	if !p.skipName("in") {
		return nil, p.fail(p.cur().off, "expected 'in', got %s", p.cur().describe())
	}
	if n.iter, err = p.tuple(false, []string{"recursive"}); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if n.test, err = p.expression(true); err != nil {
			return nil, err
		}
	}
	n.recursive = p.skipName("recursive")
	if err := p.blockBegin(); err != nil {
		return nil, err
	}
	p.loops++
	body, end, err := p.block("for", off, "else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	n.body = body
	if end == "else" {
		n.orElse, err = p.only("for", off)
		return n, err
	}
	return n, p.tagEnd()
}

func (p *parser) setStatement(off int) (node, error) {
	target, err := p.target(true, "")
	if err != nil {
		return nil, err
	}
	if p.skipOp("=") {
		x, err := p.tuple(true, nil)
		if err != nil {
			return nil, err
		}
		return &setNode{pos(off), target, x}, p.tagEnd()
	}
	n := &setBlockNode{pos: pos(off), target: target}
	if p.isOp("|") {
		f, err := p.filterChain(nil, false)
		if err != nil {
			return nil, err
		}
		n.filter = f.(*filterExpr)
	}
	n.body, err = p.only("set", off)
	return n, err
}

// macroStatement parses a macro; dbt's `{% test name(…) %}` and `{% data_test name(…) %}` are the macro "test_name".
func (p *parser) macroStatement(off int, tag string) (node, error) {
	name, err := p.expectName("the name of the macro")
	if err != nil {
		return nil, err
	}
	m := &macroNode{pos: pos(off), name: name.val}
	if tag != "macro" {
		m.name = "test_" + name.val
	}
	p.t.bound[m.name] = true
	if !p.isOp("(") {
		return nil, p.fail(p.cur().off, "expected '(' after the name of the macro, got %s", p.cur().describe())
	}
	return m, p.macroRest(m, tag, off)
}

// macroRest parses the parameters, if any, and the body of a macro or call block.
func (p *parser) macroRest(m *macroNode, tag string, off int) error {
	defer p.inMacro(m)()
	if p.isOp("(") {
		if err := p.signature(m); err != nil {
			return err
		}
	}
	if tag == "call" {
		call, err := p.expression(true)
		if err != nil {
			return err
		}
		c, ok := call.(*callExpr)
		if !ok {
			return p.fail(call.at(), "expected a call after 'call'")
		}
		m.defaults = append(m.defaults[:len(m.defaults):len(m.defaults)], c) // taken off again by callStatement
	}
	var err error
	m.body, err = p.only(tag, off)
	m.end = p.behind()
	return err
}

// inMacro notes that what follows is inside m, until the function it returns is called.
func (p *parser) inMacro(m *macroNode) func() {
	loops := p.loops
	p.macros, p.loops = append(p.macros, m), 0
	return func() { p.macros, p.loops = p.macros[:len(p.macros)-1], loops }
}

// behind is the offset of the text behind the tag that was read last.
func (p *parser) behind() int {
	last := p.toks[max(p.i-1, 0)].off
	if i := strings.Index(p.t.src[last:], "%}"); i >= 0 {
		return last + i + len("%}")
	}
	return len(p.t.src)
}

// materialization parses dbt's `{% materialization name, adapter='x' %}`: the macro "materialization_name_x".
func (p *parser) materialization(off int) (node, error) {
	name, err := p.expectName("the name of the materialization")
	if err != nil {
		return nil, err
	}
	adapter := "default"
	m := &macroNode{pos: pos(off), params: []string{"supported_languages"}}
	languages := expr(&listExpr{pos(name.off), []expr{&constExpr{pos(name.off), "sql"}}})
	for p.skipOp(",") {
		key, err := p.expectName("default, adapter= or supported_languages=")
		if err != nil {
			return nil, err
		}
		if key.val == "default" {
			continue
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		switch key.val {
		case "adapter":
			c, _ := x.(*constExpr)
			if c == nil || !isString(c.val) {
				return nil, p.fail(x.at(), "the adapter of a materialization must be a string")
			}
			adapter = c.val.(string)
		case "supported_languages":
			languages = x
		default:
			return nil, p.t.errorAt(key.off, "a materialization has no setting '"+key.val+"'", "write adapter='…', default or supported_languages=[…]")
		}
	}
	m.name = "materialization_" + name.val + "_" + adapter
	m.defaults = []expr{languages}
	p.t.bound[m.name] = true
	defer p.inMacro(m)()
	m.body, err = p.only("materialization", off)
	m.end = p.behind()
	return m, err
}

// typeName skips the type of a parameter, such as `Optional[str]`: dbt lets macros state them, and they have no effect.
func (p *parser) typeName() error {
	tok, err := p.expectName("a type")
	if err != nil || !p.skipOp("[") {
		return err
	}
	if err := p.enter(tok.off); err != nil {
		return err
	}
	defer func() { p.depth-- }()
	for n := 0; !p.skipOp("]"); n++ {
		if n > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
		}
		if err := p.typeName(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) signature(m *macroNode) error {
	p.next()
	for !p.skipOp(")") {
		if len(m.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
			if p.skipOp(")") { // a trailing comma is an error in Jinja2, and harmless
				return nil
			}
		}
		name, err := p.expectName("a parameter name")
		if err != nil {
			return err
		}
		if slices.Contains(m.params, name.val) {
			return p.fail(name.off, "parameter '%s' appears twice", name.val)
		}
		m.params = append(m.params, name.val)
		if p.skipOp(":") {
			if err := p.typeName(); err != nil {
				return err
			}
		}
		if p.skipOp("=") {
			x, err := p.expression(true)
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, x)
		} else if len(m.defaults) > 0 {
			return p.fail(name.off, "parameter '%s' without a default follows one with a default", name.val)
		}
	}
	return nil
}

func (p *parser) callStatement(off int) (node, error) {
	m := &macroNode{pos: pos(off), name: "caller"}
	if err := p.macroRest(m, "call", off); err != nil {
		return nil, err
	}
	last := len(m.defaults) - 1
	call := m.defaults[last].(*callExpr)
	m.defaults = m.defaults[:last]
	return &callNode{pos(off), call, m}, nil
}

func (p *parser) withStatement(off int) (node, error) {
	n := &withNode{pos: pos(off)}
	for p.cur().kind != tokTagEnd {
		if len(n.targets) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		target, err := p.target(false, "")
		if err != nil {
			return nil, err
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		n.targets, n.vals = append(n.targets, target), append(n.vals, x)
	}
	var err error
	n.body, err = p.only("with", off)
	return n, err
}

// target parses what stands left of `=` or `in`: a name, a tuple of names, or (for set) namespace.attribute.
func (p *parser) target(namespace bool, end string) (expr, error) {
	start := p.cur().off
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 && !p.skipOp(",") {
			break
		}
		isTuple = isTuple || len(items) > 0
		if p.cur().kind == tokOp && p.cur().val == ")" || end != "" && p.isName(end) {
			break
		}
		if len(items) > 0 && p.cur().kind == tokTagEnd {
			break
		}
		if p.isOp("(") {
			open := p.next()
			if err := p.enter(open.off); err != nil {
				return nil, err
			}
			x, err := p.target(namespace, "")
			p.depth--
			if err != nil {
				return nil, err
			}
			if err := p.expectOp(")"); err != nil {
				return nil, err
			}
			items = append(items, x)
			continue
		}
		tok, err := p.expectName("a name to assign to")
		if err != nil {
			return nil, err
		}
		if _, ok := constant(tok.val); ok {
			return nil, p.fail(tok.off, "cannot assign to '%s'", tok.val)
		}
		if namespace && p.skipOp(".") {
			attr, err := p.expectName("an attribute name")
			if err != nil {
				return nil, err
			}
			items = append(items, &nsTarget{pos(tok.off), tok.val, attr.val})
			continue
		}
		if (end == "in" || p.loops > 0) && tok.val == "loop" {
			return nil, p.fail(tok.off, "cannot assign to 'loop' in a for loop")
		}
		if end == "" && len(p.macros) == 0 {
			p.t.bound[tok.val] = true
		}
		items = append(items, &nameExpr{pos(tok.off), tok.val})
	}
	if len(items) == 0 {
		return nil, p.fail(p.cur().off, "expected a name to assign to, got %s", p.cur().describe())
	}
	if !isTuple {
		return items[0], nil
	}
	return &tupleExpr{pos(start), items}, nil
}

func constant(name string) (any, bool) {
	switch name {
	case "true", "True":
		return true, true
	case "false", "False":
		return false, true
	case "none", "None":
		return nil, true
	}
	return nil, false
}
