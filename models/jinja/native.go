package jinja

import (
	"context"
	"slices"
	"strings"
)

// RenderNative renders a template as dbt renders the values of YAML files: one expression alone gives its value, such
// as a list or a number; with text around it, or several, the whole is a string. The filters as_bool, as_number and
// as_native read a value from its text, as Python's literal_eval does, and as_text keeps it a string. An expression of
// literals only, such as {{ 5 }}, is a string, too: Jinja2 works it out while it reads the template.
func (t *Template) RenderNative(ctx context.Context, globals map[string]any, opts Options) (any, error) {
	r := newRender(ctx, t.env, globals, opts)
	w := &writer{r: r, native: true}
	if err := r.exec(r.top(t, w), t.body); err != nil {
		return nil, asError(err)
	}
	switch len(w.values) {
	case 0:
		return "", nil
	case 1:
		if u, ok := w.values[0].(*Undefined); ok {
			return nil, r.at(&frame{t: t}, w.at, undefinedErr(u))
		}
		return w.values[0], nil
	}
	var b strings.Builder
	for _, v := range w.values {
		s, err := r.str(v)
		if err != nil {
			return nil, r.at(&frame{t: t}, w.at, err)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// keep adds a value to what a native rendering gives.
func (w *writer) keep(v any, off int) {
	w.values = append(w.values, v)
	w.at = off
}

// nativeValue is what one expression of a native rendering gives.
func (r *render) nativeValue(f *frame, e expr) (any, error) {
	v, err := r.evalMarked(f, e)
	if err != nil || !foldable(e) {
		return v, err
	}
	return r.str(v)
}

// foldable tells whether Jinja2 works out an expression while it reads the template.
func foldable(e expr) bool {
	all := func(es ...expr) bool {
		return !slices.ContainsFunc(es, func(x expr) bool { return x != nil && !foldable(x) })
	}
	args := func(a *callArgs) bool {
		for _, k := range a.kwargs {
			if !foldable(k.val) {
				return false
			}
		}
		return all(a.args...) && a.star == nil && a.dstar == nil
	}
	switch e := e.(type) {
	case *constExpr:
		return true
	case *listExpr:
		return all(e.items...)
	case *tupleExpr:
		return all(e.items...)
	case *dictExpr:
		return all(e.keys...) && all(e.vals...)
	case *unaryExpr:
		return foldable(e.x)
	case *notExpr:
		return foldable(e.x)
	case *binExpr:
		return all(e.l, e.r)
	case *logicExpr:
		return all(e.l, e.r)
	case *concatExpr:
		return all(e.parts...)
	case *cmpExpr:
		for _, p := range e.rest {
			if !foldable(p.x) {
				return false
			}
		}
		return foldable(e.first)
	case *condExpr:
		return e.b != nil && all(e.test, e.a, e.b)
	case *attrExpr:
		return foldable(e.x)
	case *itemExpr:
		if s, ok := e.index.(*sliceExpr); ok {
			return all(e.x, s.lo, s.hi, s.step)
		}
		return all(e.x, e.index)
	case *filterExpr:
		switch e.name { // those that see the context, and those that give markers
		case "map", "select", "reject", "selectattr", "rejectattr", "random", "as_text", "as_bool", "as_number", "as_native":
			return false
		}
		return e.x != nil && foldable(e.x) && args(&e.callArgs)
	case *testExpr:
		return foldable(e.x) && args(&e.callArgs)
	}
	return false
}

// evalMarked evaluates an expression of a native rendering; as_bool and its like count where they come last.
func (r *render) evalMarked(f *frame, e expr) (any, error) {
	switch e := e.(type) {
	case *condExpr:
		t, err := r.eval(f, e.test)
		if err != nil {
			return nil, err
		}
		if truth(t) {
			return r.evalMarked(f, e.a)
		}
		if e.b != nil {
			return r.evalMarked(f, e.b)
		}
	case *filterExpr:
		kind := map[string]string{"as_text": "text", "as_bool": "bool", "as_number": "number", "as_native": "native"}[e.name]
		if kind == "" || e.x == nil {
			break
		}
		v, err := r.eval(f, e.x)
		if err != nil {
			return nil, err
		}
		s, err := r.str(v)
		if err != nil || kind == "text" {
			return s, err
		}
		v, ok := pythonLiteral(s)
		if !ok {
			v = s
		}
		_, isBool := v.(bool)
		_, _, _, isNumber := number(v)
		if kind == "bool" && !isBool || kind == "number" && (!isNumber || isBool) {
			return nil, r.at(f, e.at(), &Error{Msg: "could not convert " + quote(s) + " into a " + kind, Hint: map[string]string{
				"bool": "Python's True and False are booleans, in just this case", "number": ""}[kind]})
		}
		return v, nil
	}
	return r.eval(f, e)
}

// pythonLiteral is Python's ast.literal_eval.
func pythonLiteral(s string) (any, bool) {
	t := &Template{name: "literal", src: "{{ " + s + "\n}}", bound: map[string]bool{}, env: standardEnv()}
	t.countLines()
	toks, err := lex(t)
	if err != nil {
		return nil, false
	}
	for _, tok := range toks {
		if tok.kind == tokName && (tok.val == "true" || tok.val == "false" || tok.val == "none") {
			return nil, false // constants of Jinja, not of Python
		}
	}
	if err := parse(t, toks); err != nil || len(t.body) != 1 {
		return nil, false
	}
	out, ok := t.body[0].(*outputNode)
	if !ok || !literalTree(out.x) {
		return nil, false
	}
	r := newRender(context.Background(), t.env, nil, Options{})
	v, err := r.eval(r.top(t, nil), out.x)
	return v, err == nil
}

// literalTree tells whether an expression is made of literals only.
func literalTree(e expr) bool {
	all := func(es []expr) bool {
		for _, x := range es {
			if !literalTree(x) {
				return false
			}
		}
		return true
	}
	switch e := e.(type) {
	case *constExpr:
		return true
	case *unaryExpr:
		c, ok := e.x.(*constExpr)
		if !ok {
			return false
		}
		_, _, _, isNumber := number(c.val)
		return isNumber
	case *listExpr:
		return all(e.items)
	case *tupleExpr:
		return all(e.items)
	case *dictExpr:
		return all(e.keys) && all(e.vals)
	}
	return false
}
