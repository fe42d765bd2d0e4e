package jinja

import (
	"strings"
	"unicode/utf8"
)

// eval returns the value of an expression; its errors have a position.
func (r *render) eval(f *frame, e expr) (any, error) {
	r.nesting++
	if r.nesting > maxEvaluating {
		r.nesting--
		return nil, r.at(f, e.at(), failf("expression or macro calls are nested too deeply"))
	}
	v, err := r.evalNode(f, e)
	r.nesting--
	if err != nil {
		return nil, r.at(f, e.at(), err)
	}
	return v, nil
}

func (r *render) evalNode(f *frame, e expr) (any, error) {
	if err := r.tick(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case *constExpr:
		return e.val, nil
	case *nameExpr:
		return r.lookup(f, e.name)
	case *listExpr:
		items, err := r.evalAll(f, e.items)
		return &List{items}, err
	case *tupleExpr:
		items, err := r.evalAll(f, e.items)
		return &Tuple{Items: items}, err
	case *dictExpr:
		return r.evalDict(f, e)
	case *unaryExpr:
		return r.evalUnary(f, e)
	case *notExpr:
		v, err := r.eval(f, e.x)
		return !truth(v), err
	case *binExpr:
		a, err := r.eval(f, e.l)
		if err != nil {
			return nil, err
		}
		b, err := r.eval(f, e.r)
		if err != nil {
			return nil, err
		}
		return r.binary(e.op, a, b)
	case *logicExpr:
		a, err := r.eval(f, e.l)
		if err != nil || truth(a) == (e.op == "or") {
			return a, err
		}
		return r.eval(f, e.r)
	case *concatExpr:
		return r.evalConcat(f, e)
	case *cmpExpr:
		return r.evalCompare(f, e)
	case *condExpr:
		t, err := r.eval(f, e.test)
		if err != nil {
			return nil, err
		}
		if truth(t) {
			return r.eval(f, e.a)
		}
		if e.b == nil {
			return &Undefined{msg: "the inline if-expression is false and has no else"}, nil
		}
		return r.eval(f, e.b)
	case *attrExpr:
		v, err := r.eval(f, e.x)
		if err != nil {
			return nil, err
		}
		v, err = r.getAttr(v, e.name)
		return r.eased(f, v, err)
	case *itemExpr:
		return r.evalItem(f, e)
	case *callExpr:
		args, fn, err := r.evalCallee(f, e)
		if err != nil {
			return nil, err
		}
		v, err := r.call(fn, args)
		return r.eased(f, v, err)
	case *filterExpr:
		return r.evalFilter(f, e, "")
	case *testExpr:
		v, err := r.eval(f, e.x)
		if err != nil {
			return nil, err
		}
		args, err := r.evalArgs(f, &e.callArgs)
		if err != nil {
			return nil, err
		}
		args.name, args.off = "test '"+e.name+"'", e.at()
		return r.applyTest(e.def, v, args)
	}
	return nil, failf("this expression cannot be evaluated")
}

func (r *render) evalAll(f *frame, es []expr) ([]any, error) {
	out := make([]any, 0, len(es))
	for _, e := range es {
		v, err := r.eval(f, e)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// lookup finds a name: the template's own variables, macros of the library, globals, builtins.
func (r *render) lookup(f *frame, name string) (any, error) {
	if v, ok := f.sc.get(name); ok {
		return v, nil
	}
	if lib := r.opts.Macros; lib != nil {
		if v := lib.resolve(r.opts.Package, f.pkg, name); v != nil {
			return v, nil
		}
	}
	if v, ok := r.converted[name]; ok {
		return v, nil
	}
	if g, ok := r.globals[name]; ok {
		v, err := FromGo(g)
		if err != nil {
			return nil, failf("global '%s': %v", name, err)
		}
		if fv, ok := v.(*funcValue); ok && fv.name == "" {
			fv.name = name
		}
		r.converted[name] = v
		return v, nil
	}
	if fn, ok := r.env.globals[name]; ok {
		v := &funcValue{name, fn}
		r.converted[name] = v
		return v, nil
	}
	return &Undefined{msg: "'" + name + "' is undefined", lenient: r.lenient(f),
		near: func() string { return suggest(name, r.known(f)) }}, nil
}

// lenient tells whether undefined values of this place may be called and have attributes.
func (r *render) lenient(f *frame) bool { return r.opts.Lenient && f.pkg == "" }

// eased passes a value on; an undefined one becomes lenient where the place is.
func (r *render) eased(f *frame, v any, err error) (any, error) {
	if u, ok := v.(*Undefined); ok && !u.lenient && r.lenient(f) {
		c := *u
		c.lenient = true
		return &c, err
	}
	return v, err
}

// known lists the names a template can see, for "did you mean".
func (r *render) known(f *frame) []string {
	names := append(keysOf(r.globals), keysOf(r.env.globals)...)
	if r.opts.Macros != nil {
		names = append(names, r.opts.Macros.names(r.opts.Package, f.pkg)...)
	}
	for s := f.sc; s != nil; s = s.parent {
		names = append(names, s.names()...)
	}
	return names
}

func (r *render) evalDict(f *frame, e *dictExpr) (any, error) {
	d := NewDict()
	for i, k := range e.keys {
		key, err := r.eval(f, k)
		if err != nil {
			return nil, err
		}
		val, err := r.eval(f, e.vals[i])
		if err != nil {
			return nil, err
		}
		if err := r.read(key); err != nil {
			return nil, err
		}
		if err := d.Set(key, val); err != nil {
			return nil, r.at(f, k.at(), err)
		}
	}
	return d, nil
}

func (r *render) evalUnary(f *frame, e *unaryExpr) (any, error) {
	v, err := r.eval(f, e.x)
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*Undefined); ok {
		return nil, undefinedErr(u)
	}
	i, x, isInt, ok := number(v)
	switch {
	case !ok:
		return nil, failf("bad operand type for unary %s: '%s'", e.op, typeName(v))
	case isInt && e.op == "-":
		return mulInt(i, -1)
	case isInt:
		return i, nil
	case e.op == "-":
		return -x, nil
	}
	return x, nil
}

func (r *render) evalConcat(f *frame, e *concatExpr) (any, error) {
	parts := make([]string, len(e.parts))
	total := 0
	for i, x := range e.parts {
		v, err := r.eval(f, x)
		if err != nil {
			return nil, err
		}
		if parts[i], err = r.str(v); err != nil {
			return nil, r.at(f, x.at(), err)
		}
		total += len(parts[i])
		if err := r.checkSize(total); err != nil {
			return nil, err
		}
	}
	if err := r.charge(total); err != nil {
		return nil, err
	}
	return strings.Join(parts, ""), nil
}

func (r *render) evalCompare(f *frame, e *cmpExpr) (any, error) {
	a, err := r.eval(f, e.first)
	if err != nil {
		return nil, err
	}
	for _, p := range e.rest {
		b, err := r.eval(f, p.x)
		if err != nil {
			return nil, err
		}
		ok, err := r.compare(p.op, a, b)
		if err != nil || !ok {
			return false, err
		}
		a = b
	}
	return true, nil
}

// getAttr is `v.name`: an attribute or method first, then an item, as in Jinja2.
func (r *render) getAttr(v any, name string) (any, error) {
	if u, ok := v.(*Undefined); ok {
		return u.part()
	}
	x, ok, err := r.attribute(v, name)
	if err != nil || ok {
		return x, err
	}
	switch v := v.(type) {
	case *Dict:
		if x, ok := v.Get(name); ok {
			return x, nil
		}
	case indexed:
		if x, ok, err := v.item(r, name); ok || err != nil {
			return fromItem(x, err)
		}
	}
	return r.noAttr(v, name), nil
}

// part is what an attribute, an element or a call of something undefined gives.
func (u *Undefined) part() (any, error) {
	if u.lenient {
		return u, nil
	}
	return nil, undefinedErr(u)
}

func (r *render) noAttr(v any, name string) *Undefined {
	if p, ok := v.(*packageMacros); ok {
		return &Undefined{msg: "package '" + p.name + "' has no macro '" + name + "'", near: func() string { return suggest(name, p.order) }}
	}
	what := typeName(v) + " object"
	if v == nil {
		what = "None"
	}
	return &Undefined{msg: "'" + what + "' has no attribute '" + name + "'",
		near: func() string { return suggest(name, r.env.attributeNames(v)) }}
}

// attributeNames lists what v has, for "did you mean".
func (e *env) attributeNames(v any) []string {
	switch v := v.(type) {
	case string:
		return keysOf(e.strMethods)
	case *List:
		return keysOf(e.listMethods)
	case *Dict:
		names := keysOf(e.dictMethods)
		for k := range v.All() {
			if s, ok := k.(string); ok {
				names = append(names, s)
			}
		}
		return names
	case *namespace:
		return e.attributeNames(v.d)
	case *loopState:
		return []string{"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
			"previtem", "nextitem", "cycle", "changed"}
	}
	return nil
}

// attribute is Python's getattr: methods of builtin types and the attributes of objects.
func (r *render) attribute(v any, name string) (any, bool, error) {
	var methods map[string]*method
	switch v := v.(type) {
	case string:
		methods = r.env.strMethods
	case *List:
		methods = r.env.listMethods
	case *Dict:
		methods = r.env.dictMethods
	case *Tuple:
		for i, n := range v.names {
			if n == name {
				return v.Items[i], true, nil
			}
		}
		methods = r.env.tupleMethods
	case int64, float64, bool:
		x, ok := numberAttr(v, name)
		return x, ok, nil
	case *rangeValue:
		if x, ok := map[string]any{"start": v.start, "stop": v.at(v.n), "step": v.step}[name]; ok {
			return x, ok, nil
		}
		methods = r.env.tupleMethods
	case *namespace:
		x, ok := v.d.Get(name)
		return x, ok, nil
	case *loopState:
		return v.attr(name)
	case *macro:
		switch name {
		case "name":
			return v.node.name, true, nil
		case "arguments":
			t := &Tuple{}
			for _, p := range v.node.params {
				t.Items = append(t.Items, p)
			}
			return t, true, nil
		case "catch_kwargs":
			return v.node.usesKwargs, true, nil
		case "catch_varargs":
			return v.node.usesVarargs, true, nil
		case "caller":
			return v.node.usesCaller, true, nil
		case "get_macro": // of dbt's wrapper of a macro
			return &funcValue{name: "get_macro", fn: func(a Args) (any, error) { _, err := a.Bind(); return v, err }}, true, nil
		}
	case Object:
		x, ok := v.Attr(name)
		if !ok {
			return nil, false, nil
		}
		x, err := FromGo(x)
		if fv, ok := x.(*funcValue); ok && fv.name == "" {
			fv.name = name
		}
		return x, true, err
	}
	if m := methods[name]; m != nil {
		return &funcValue{name: typeName(v) + "." + name, fn: func(a Args) (any, error) { return m.call(v, a) }}, true, nil
	}
	return nil, false, nil
}

func (r *render) evalItem(f *frame, e *itemExpr) (any, error) {
	v, err := r.eval(f, e.x)
	if err != nil {
		return nil, err
	}
	if s, ok := e.index.(*sliceExpr); ok {
		return r.evalSlice(f, v, s)
	}
	k, err := r.eval(f, e.index)
	if err != nil {
		return nil, err
	}
	v, err = r.getItem(v, k)
	return r.eased(f, v, err)
}

// getItem is `v[k]`: an item first, then an attribute.
func (r *render) getItem(v, k any) (any, error) {
	if u, ok := v.(*Undefined); ok {
		return u.part()
	}
	if err := r.read(k); err != nil {
		return nil, err
	}
	if x, ok := v.(indexed); ok {
		if x, ok, err := x.item(r, k); ok || err != nil {
			return fromItem(x, err)
		}
	}
	if d, ok := v.(*Dict); ok {
		if x, ok := d.Get(k); ok {
			return x, nil
		}
	} else if i, ok := integer(k); ok {
		if err := r.read(v); err != nil {
			return nil, err
		}
		if x, ok := r.index(v, i); ok {
			return x, nil
		}
	}
	if name, ok := k.(string); ok {
		x, ok, err := r.attribute(v, name)
		if ok || err != nil {
			return x, err
		}
		return r.noAttr(v, name), nil
	}
	s, err := r.repr(k)
	if err != nil {
		return nil, err
	}
	return &Undefined{msg: typeName(v) + " object has no element " + s}, nil
}

// index returns element i, counted from the end if negative.
func (r *render) index(v any, i int64) (any, bool) {
	switch v.(type) {
	case string, *List, *Tuple, *rangeValue, container:
	default:
		return nil, false
	}
	n, _ := length(v)
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return nil, false
	}
	switch v := v.(type) {
	case string:
		if len(v) == n {
			return v[i : i+1], true
		}
		for pos := range v {
			if i == 0 {
				_, size := utf8.DecodeRuneInString(v[pos:])
				return v[pos : pos+size], true
			}
			i--
		}
	case *List:
		return v.Items[i], true
	case *Tuple:
		return v.Items[i], true
	case *rangeValue:
		return v.at(i), true
	case container:
		return v.elements()[i], true
	}
	return nil, false
}

// fromItem is what an Object gave by key, as a template value.
func fromItem(v any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return FromGo(v)
}

func (r *render) evalSlice(f *frame, v any, s *sliceExpr) (any, error) {
	if u, ok := v.(*Undefined); ok {
		return u.part()
	}
	var bounds [3]*int64
	for i, e := range []expr{s.lo, s.hi, s.step} {
		if e == nil {
			continue
		}
		x, err := r.eval(f, e)
		if err != nil {
			return nil, err
		}
		if x == nil {
			continue
		}
		n, ok := integer(x)
		if !ok {
			return nil, r.at(f, e.at(), failf("slice indices must be integers or None, not %s", typeName(x)))
		}
		bounds[i] = &n
	}
	n, _ := length(v)
	switch v.(type) {
	case string, *List, *Tuple, *rangeValue, container:
	default:
		return nil, failf("'%s' object cannot be sliced", typeName(v))
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		return nil, failf("slice step cannot be zero")
	}
	start, step, count := sliceBounds(bounds[0], bounds[1], bounds[2], int64(n))
	if err := r.chargeItems(int(count)); err != nil {
		return nil, err
	}
	pick := func(in []any) []any {
		out := make([]any, 0, count)
		for i := int64(0); i < count && start+i*step < int64(len(in)); i++ {
			out = append(out, in[start+i*step])
		}
		return out
	}
	switch v := v.(type) {
	case string:
		runes := []rune(v)
		out := make([]rune, 0, count)
		for i := int64(0); i < count; i++ {
			out = append(out, runes[start+i*step])
		}
		return string(out), r.charge(len(v))
	case *List:
		return &List{pick(v.Items)}, nil
	case *Tuple:
		return &Tuple{Items: pick(v.Items)}, nil
	case *rangeValue:
		return &rangeValue{v.at(start), v.step * step, count}, nil
	case container:
		return &Tuple{Items: pick(v.elements())}, nil
	}
	return &Undefined{msg: "'" + typeName(v) + " object' cannot be sliced"}, nil
}

// sliceBounds is Python's slice.indices, with the number of elements instead of the end.
func sliceBounds(lo, hi, st *int64, n int64) (start, step, count int64) {
	step = 1
	if st != nil {
		step = max(min(*st, n+1), -n-1) // larger steps pick the same elements
	}
	clamp := func(p *int64, def, low, high int64) int64 {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			i += n
		}
		return max(min(i, high), low)
	}
	var stop int64
	if step > 0 {
		start, stop = clamp(lo, 0, 0, n), clamp(hi, n, 0, n)
		if stop > start {
			count = (stop-start-1)/step + 1
		}
		return start, step, count
	}
	start, stop = clamp(lo, n-1, -1, n-1), clamp(hi, -1, -1, n-1)
	if start > stop {
		count = (start-stop-1)/-step + 1
	}
	return start, step, count
}

// evalCallee evaluates what is called and its arguments.
func (r *render) evalCallee(f *frame, c *callExpr) (Args, any, error) {
	fn, err := r.eval(f, c.fn)
	if err != nil {
		return Args{}, nil, err
	}
	if u, ok := fn.(*Undefined); ok && !u.lenient {
		e := undefinedErr(u)
		if _, bare := c.fn.(*nameExpr); bare && e.Hint == "" && r.opts.Macros != nil {
			e.Hint = "no macro has this name: write it in macros/, or put the package that has it into dbt_packages/"
		}
		return Args{}, nil, r.at(f, c.at(), e)
	}
	args, err := r.evalArgs(f, &c.callArgs)
	args.off = c.at()
	args.name = "the call"
	switch v := fn.(type) {
	case *funcValue:
		args.name = v.name + "()"
	case *loopState:
		args.name = "loop()"
	default:
		if n, ok := c.fn.(*nameExpr); ok {
			args.name = n.name + "()"
		}
	}
	return args, fn, err
}

func (r *render) evalArgs(f *frame, c *callArgs) (Args, error) {
	a := Args{f: f, r: r}
	var err error
	if len(c.args) > 0 {
		if a.Pos, err = r.evalAll(f, c.args); err != nil {
			return a, err
		}
	}
	for _, k := range c.kwargs {
		v, err := r.eval(f, k.val)
		if err != nil {
			return a, err
		}
		a.Kw = append(a.Kw, KwArg{k.name, v})
	}
	if c.star != nil {
		v, err := r.eval(f, c.star)
		if err != nil {
			return a, err
		}
		items, err := r.items(v)
		if err != nil {
			return a, r.at(f, c.star.at(), err)
		}
		a.Pos = append(a.Pos[:len(a.Pos):len(a.Pos)], items...)
	}
	if c.dstar != nil {
		v, err := r.eval(f, c.dstar)
		if err != nil {
			return a, err
		}
		d, ok := v.(*Dict)
		if !ok {
			return a, r.at(f, c.dstar.at(), failf("argument after ** must be a mapping, not %s", typeName(v)))
		}
		seen := map[string]bool{}
		for _, k := range a.Kw {
			seen[k.Name] = true
		}
		for k, x := range d.All() {
			name, ok := k.(string)
			if !ok {
				return a, r.at(f, c.dstar.at(), failf("keywords must be strings"))
			}
			if seen[name] {
				return a, r.at(f, c.dstar.at(), failf("keyword argument '%s' is given twice", name))
			}
			a.Kw = append(a.Kw, KwArg{name, x})
		}
	}
	return a, nil
}

// call calls any callable value.
func (r *render) call(fn any, a Args) (any, error) {
	switch fn := fn.(type) {
	case *funcValue:
		v, err := fn.fn(a)
		if err != nil {
			return nil, err
		}
		return FromGo(v)
	case *macro:
		return r.callMacro(fn, a)
	case *loopState:
		return fn.call(a)
	case Callable:
		v, err := fn.Call(a)
		if err != nil {
			return nil, err
		}
		return FromGo(v)
	case *Undefined:
		return fn.part()
	}
	return nil, failf("'%s' object is not callable", typeName(fn))
}

func callable(v any) bool {
	switch v := v.(type) {
	case *funcValue, *macro, Callable, *Undefined: // Python's Undefined has a __call__
		return true
	case *loopState:
		return v.n.recursive
	}
	return false
}

// evalFilter runs a filter; body is the value where the chain begins without one, in blocks.
func (r *render) evalFilter(f *frame, e *filterExpr, body string) (any, error) {
	var v any = body
	var err error
	switch x := e.x.(type) {
	case nil:
	case *filterExpr:
		v, err = r.evalFilter(f, x, body)
	default:
		v, err = r.eval(f, x)
	}
	if err != nil {
		return nil, err
	}
	args, err := r.evalArgs(f, &e.callArgs)
	if err != nil {
		return nil, err
	}
	args.name, args.off = "filter '"+e.name+"'", e.at()
	if v, err = r.applyFilter(e.def, v, args); err != nil {
		return nil, r.at(f, e.at(), err)
	}
	return v, nil
}

func (r *render) applyFilter(def *filterDef, v any, a Args) (any, error) {
	if def.params == nil {
		return def.raw(r, v, a)
	}
	vals, err := a.Bind(def.params...)
	if err != nil {
		return nil, err
	}
	return def.do(r, v, vals)
}

func (r *render) applyTest(def *testDef, v any, a Args) (any, error) {
	vals, err := a.Bind(def.params...)
	if err != nil {
		return nil, err
	}
	return def.do(r, v, vals)
}

// items reads v into a new slice.
func (r *render) items(v any) ([]any, error) {
	if n, ok := length(v); ok {
		if err := r.chargeItems(n); err != nil {
			return nil, err
		}
	}
	next, err := iterate(v)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for {
		x, ok, err := next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return out, nil
		}
		out = append(out, x)
	}
}
