package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// maxChain bounds the operators in a row (a + b + c …): each is one level of the tree.
const maxChain = 1000

// tuple parses an expression or a tuple without parentheses. ends are names that end the tuple after a comma.
func (p *parser) tuple(cond bool, ends []string) (expr, error) {
	return p.tupleUntil(cond, ends, false)
}

func (p *parser) tupleUntil(cond bool, ends []string, parens bool) (expr, error) {
	start := p.cur()
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 {
			if !p.skipOp(",") {
				break
			}
			isTuple = true
		}
		c := p.cur()
		if c.kind == tokPrintEnd || c.kind == tokTagEnd || p.isOp(")") || c.kind == tokName && slices.Contains(ends, c.val) {
			break
		}
		x, err := p.expression(cond)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	if !isTuple {
		if len(items) == 1 {
			return items[0], nil
		}
		if !parens {
			return nil, p.fail(start.off, "expected an expression, got %s", p.cur().describe())
		}
	}
	return &tupleExpr{pos(start.off), items}, nil
}

// expression parses one expression; without cond, `if` is left alone, as in `for x in y if z`.
func (p *parser) expression(cond bool) (expr, error) {
	if err := p.enter(p.cur().off); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.or()
	if err != nil || !cond {
		return x, err
	}
	for n := 0; p.isName("if"); n++ {
		off := p.next().off
		if n > maxChain {
			return nil, p.fail(off, "expression is too long")
		}
		test, err := p.or()
		if err != nil {
			return nil, err
		}
		c := &condExpr{pos(off), test, x, nil}
		if p.skipName("else") {
			if c.b, err = p.expression(true); err != nil {
				return nil, err
			}
		}
		x = c
	}
	return x, nil
}

// chain parses `operand (op operand)*`, grouping to the left.
func (p *parser) chain(operand func(*parser) (expr, error), isOp func(token) bool, join func(op token, l, r expr) expr) (expr, error) {
	x, err := operand(p)
	for n := 0; err == nil && isOp(p.cur()); n++ {
		op := p.next()
		if n > maxChain {
			return nil, p.fail(op.off, "expression is too long: more than %d operators in a row", maxChain)
		}
		var y expr
		if y, err = operand(p); err == nil {
			x = join(op, x, y)
		}
	}
	return x, err
}

func binary(op token, l, r expr) expr { return &binExpr{pos(op.off), op.val, l, r} }

func isWord(w string) func(token) bool {
	return func(t token) bool { return t.kind == tokName && t.val == w }
}

func isAnyOp(ops ...string) func(token) bool {
	return func(t token) bool { return t.kind == tokOp && slices.Contains(ops, t.val) }
}

func logic(op token, l, r expr) expr { return &logicExpr{pos(op.off), op.val, l, r} }

// The operators of each level; they are made once, since every operand asks every level.
var (
	isOr, isAnd, isIn = isWord("or"), isWord("and"), isWord("in")
	isSum             = isAnyOp("+", "-")
	isProduct         = isAnyOp("*", "/", "//", "%")
	isPower           = isAnyOp("**")
	isAssign          = isAnyOp("=")
)

func (p *parser) or() (expr, error)  { return p.chain((*parser).and, isOr, logic) }
func (p *parser) and() (expr, error) { return p.chain((*parser).not, isAnd, logic) }

func (p *parser) not() (expr, error) {
	if !p.isName("not") {
		return p.compare()
	}
	tok := p.next()
	if err := p.enter(tok.off); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.not()
	return &notExpr{pos(tok.off), x}, err
}

var comparisons = []string{"==", "!=", "<", "<=", ">", ">="}

func (p *parser) compare() (expr, error) {
	x, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &cmpExpr{first: x}
	for {
		tok := p.cur()
		op := tok.val
		switch {
		case tok.kind == tokOp && slices.Contains(comparisons, op):
			p.next()
		case p.isName("in"):
			p.next()
		case p.isName("not") && isIn(p.look()):
			p.next()
			p.next()
			op = "notin"
		default:
			if len(c.rest) == 0 {
				return x, nil
			}
			return c, nil
		}
		if c.rest == nil {
			c.pos = pos(tok.off)
		}
		y, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.rest = append(c.rest, cmpPart{op, y})
	}
}

func (p *parser) sum() (expr, error) { return p.chain((*parser).concat, isSum, binary) }

func (p *parser) concat() (expr, error) {
	x, err := p.product()
	if err != nil || !p.isOp("~") {
		return x, err
	}
	c := &concatExpr{pos(p.cur().off), []expr{x}}
	for p.skipOp("~") {
		if x, err = p.product(); err != nil {
			return nil, err
		}
		c.parts = append(c.parts, x)
	}
	return c, nil
}

func (p *parser) product() (expr, error) {
	return p.chain((*parser).power, isProduct, binary)
}

// power groups to the left and binds looser than a sign, as in Jinja2 and unlike Python.
func (p *parser) power() (expr, error) {
	return p.chain(func(p *parser) (expr, error) { return p.unary(true) }, isPower, binary)
}

func (p *parser) unary(filters bool) (expr, error) {
	if err := p.enter(p.cur().off); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var x expr
	var err error
	if p.isOp("-") || p.isOp("+") {
		tok := p.next()
		y, err := p.unary(false)
		if err != nil {
			return nil, err
		}
		x = &unaryExpr{pos(tok.off), tok.val, y}
	} else if x, err = p.primary(); err != nil {
		return nil, err
	}
	if x, err = p.postfix(x); err != nil || !filters {
		return x, err
	}
	return p.filters(x)
}

func (p *parser) primary() (expr, error) {
	tok := p.next()
	switch tok.kind {
	case tokName:
		if v, ok := constant(tok.val); ok {
			return &constExpr{pos(tok.off), v}, nil
		}
		p.markSpecial(tok.val)
		p.t.refs = append(p.t.refs, reference{off: tok.off, name: tok.val})
		return &nameExpr{pos(tok.off), tok.val}, nil
	case tokString:
		val := tok.val
		if p.cur().kind == tokString {
			parts := []string{val}
			for p.cur().kind == tokString {
				parts = append(parts, p.next().val)
			}
			val = strings.Join(parts, "")
		}
		return &constExpr{pos(tok.off), val}, nil
	case tokInt:
		n, _ := strconv.ParseInt(strings.ReplaceAll(tok.val, "_", ""), 0, 64) // the lexer checked it
		return &constExpr{pos(tok.off), n}, nil
	case tokFloat:
		f, _ := strconv.ParseFloat(tok.val, 64) // out of range is ±inf, as in Python
		return &constExpr{pos(tok.off), f}, nil
	case tokOp:
		switch tok.val {
		case "(":
			x, err := p.tupleUntil(true, nil, true)
			if err != nil {
				return nil, err
			}
			return x, p.expectOp(")")
		case "[":
			items, err := p.sequence("]")
			return &listExpr{pos(tok.off), items}, err
		case "{":
			return p.dict(tok.off)
		}
	}
	return nil, p.fail(tok.off, "unexpected %s", tok.describe())
}

// markSpecial notes on the macros around that they read caller, varargs or kwargs, and so accept them.
func (p *parser) markSpecial(name string) {
	for _, m := range p.macros {
		if slices.Contains(m.params, name) {
			continue
		}
		switch name {
		case "caller":
			m.usesCaller = true
		case "varargs":
			m.usesVarargs = true
		case "kwargs":
			m.usesKwargs = true
		}
	}
}

func (p *parser) sequence(end string) ([]expr, error) {
	var items []expr
	for !p.skipOp(end) {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp(end) {
				break
			}
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, nil
}

func (p *parser) dict(off int) (expr, error) {
	d := &dictExpr{pos: pos(off)}
	for !p.skipOp("}") {
		if len(d.keys) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.skipOp("}") {
				break
			}
		}
		k, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(":"); err != nil {
			return nil, err
		}
		v, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		d.keys, d.vals = append(d.keys, k), append(d.vals, v)
	}
	return d, nil
}

// postfix parses what may follow a value: .name, [index], (arguments).
func (p *parser) postfix(x expr) (expr, error) {
	for n := 0; ; n++ {
		tok := p.cur()
		if n > maxChain {
			return nil, p.fail(tok.off, "expression is too long")
		}
		var err error
		switch {
		case p.isOp("."):
			x, err = p.dot(x)
		case p.isOp("["):
			x, err = p.subscript(x)
		case p.isOp("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) dot(x expr) (expr, error) {
	p.next()
	tok := p.next()
	switch tok.kind {
	case tokName:
		if n, ok := x.(*nameExpr); ok {
			p.t.refs = append(p.t.refs, reference{off: tok.off, pkg: n.name, name: tok.val})
		}
		return &attrExpr{pos(tok.off), x, tok.val}, nil
	case tokInt:
		n, _ := strconv.ParseInt(strings.ReplaceAll(tok.val, "_", ""), 0, 64)
		return &itemExpr{pos(tok.off), x, &constExpr{pos(tok.off), n}}, nil
	}
	return nil, p.fail(tok.off, "expected a name or a number after '.', got %s", tok.describe())
}

func (p *parser) subscript(x expr) (expr, error) {
	open := p.next()
	var items []expr
	for !p.skipOp("]") {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		item, err := p.sliceOrIndex()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if len(items) == 1 {
		return &itemExpr{pos(open.off), x, items[0]}, nil
	}
	for _, it := range items {
		if _, ok := it.(*sliceExpr); ok {
			return nil, p.fail(it.at(), "a slice cannot stand beside another index")
		}
	}
	return &itemExpr{pos(open.off), x, &tupleExpr{pos(open.off), items}}, nil
}

func (p *parser) sliceOrIndex() (expr, error) {
	s := &sliceExpr{pos: pos(p.cur().off)}
	parts := [3]*expr{&s.lo, &s.hi, &s.step}
	colons := 0
	for {
		if !p.isOp(":") && !p.isOp("]") && !p.isOp(",") {
			x, err := p.expression(true)
			if err != nil {
				return nil, err
			}
			if colons == 0 && !p.isOp(":") {
				return x, nil
			}
			*parts[colons] = x
		}
		if !p.isOp(":") {
			break
		}
		if colons == 2 {
			return nil, p.fail(p.cur().off, "unexpected ':'")
		}
		p.next()
		colons++
	}
	if colons == 0 {
		return nil, p.fail(p.cur().off, "expected an index, got %s", p.cur().describe())
	}
	return s, nil
}

func (p *parser) call(fn expr) (expr, error) {
	c := &callExpr{pos: pos(fn.at()), fn: fn}
	if err := p.callArgs(&c.callArgs); err != nil {
		return nil, err
	}
	switch fn := fn.(type) {
	case *nameExpr:
		p.t.calls = append(p.t.calls, c)
	case *attrExpr:
		if name, ok := dispatched(fn, &c.callArgs); ok {
			p.t.refs = append(p.t.refs, reference{off: c.at(), name: name, dispatch: true})
		}
	}
	return c, nil
}

func (p *parser) callArgs(a *callArgs) error {
	p.next()
	for n := 0; !p.skipOp(")"); n++ {
		if n > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
			if p.skipOp(")") {
				return nil
			}
		}
		tok := p.cur()
		var err error
		switch {
		case p.isOp("*") && a.star == nil && a.dstar == nil:
			p.next()
			a.star, err = p.expression(true)
		case p.isOp("**") && a.dstar == nil:
			p.next()
			a.dstar, err = p.expression(true)
		case tok.kind == tokName && isAssign(p.look()) && a.dstar == nil:
			p.next()
			p.next()
			for _, k := range a.kwargs {
				if k.name == tok.val {
					return p.fail(tok.off, "keyword argument '%s' is given twice", tok.val)
				}
			}
			var x expr
			x, err = p.expression(true)
			a.kwargs = append(a.kwargs, kwarg{tok.val, x})
		default:
			if len(a.kwargs) > 0 || a.star != nil || a.dstar != nil {
				return p.fail(tok.off, "positional argument after a keyword argument")
			}
			var x expr
			x, err = p.expression(true)
			a.args = append(a.args, x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// filters parses `| filter`, `is test` and calls of their results.
func (p *parser) filters(x expr) (expr, error) {
	for n := 0; ; n++ {
		if n > maxChain {
			return nil, p.fail(p.cur().off, "expression is too long")
		}
		var err error
		switch {
		case p.isOp("|"):
			x, err = p.filterChain(x, false)
		case p.isName("is"):
			x, err = p.test(x)
		case p.isOp("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// filterChain parses `| a | b(1)`; inTag is for `{% filter a | b %}`, where the first bar is missing.
func (p *parser) filterChain(x expr, inTag bool) (expr, error) {
	for n := 0; inTag || p.isOp("|"); n++ {
		if n > maxChain {
			return nil, p.fail(p.cur().off, "expression is too long")
		}
		if !inTag {
			p.next()
		}
		inTag = false
		name, err := p.dotted("a filter name")
		if err != nil {
			return nil, err
		}
		f := &filterExpr{pos: pos(name.off), x: x, name: name.val, def: p.t.env.filters[name.val]}
		if f.def == nil {
			return nil, p.t.errorAt(name.off, "unknown filter '"+name.val+"'", suggest(name.val, keysOf(p.t.env.filters)))
		}
		if p.isOp("(") {
			if err := p.callArgs(&f.callArgs); err != nil {
				return nil, err
			}
		}
		x = f
	}
	return x, nil
}

func (p *parser) dotted(what string) (token, error) {
	tok, err := p.expectName(what)
	for err == nil && p.skipOp(".") {
		var more token
		more, err = p.expectName(what)
		tok.val += "." + more.val
	}
	return tok, err
}

func (p *parser) test(x expr) (expr, error) {
	is := p.next()
	negated := p.skipName("not")
	name, err := p.dotted("a test name")
	if err != nil {
		return nil, err
	}
	t := &testExpr{pos: pos(name.off), x: x, name: name.val, def: p.t.env.tests[name.val]}
	if t.def == nil {
		return nil, p.t.errorAt(name.off, "unknown test '"+name.val+"'", suggest(name.val, keysOf(p.t.env.tests)))
	}
	c := p.cur()
	switch {
	case p.isOp("("):
		err = p.callArgs(&t.callArgs)
	case p.isName("is"):
		return nil, p.fail(c.off, "tests cannot be chained with 'is'")
	case c.kind == tokName && c.val != "else" && c.val != "or" && c.val != "and",
		c.kind == tokString, c.kind == tokInt, c.kind == tokFloat, p.isOp("["), p.isOp("{"):
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args = []expr{arg}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &notExpr{pos(is.off), t}, nil
	}
	return t, nil
}
