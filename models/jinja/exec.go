package jinja

import (
	"context"
	"slices"
	"strings"
	"time"
)

// render is the state of one rendering.
type render struct {
	ctx       context.Context
	env       *env
	opts      Options
	globals   map[string]any // as given
	converted map[string]any // those already looked up, as template values
	steps     int
	depth     int           // macro calls and recursive loops
	nesting   int           // nodes being evaluated
	matching  time.Duration // spent on patterns that backtrack
}

const (
	defaultSteps    = 10_000_000
	defaultOutput   = 64 << 20
	defaultDepth    = 200
	defaultMatching = 5 * time.Second
	maxEvaluating   = 10_000
	maxRange        = 100_000 // as in Jinja2's sandbox, which dbt uses
)

func newRender(ctx context.Context, e *env, globals map[string]any, opts Options) *render {
	if opts.Steps <= 0 {
		opts.Steps = defaultSteps
	}
	if opts.OutputBytes <= 0 {
		opts.OutputBytes = defaultOutput
	}
	if opts.Depth <= 0 {
		opts.Depth = defaultDepth
	}
	if opts.Matching <= 0 {
		opts.Matching = defaultMatching
	}
	opts.OutputBytes = min(opts.OutputBytes, 1<<30)
	return &render{ctx: ctx, env: e, opts: opts, globals: globals,
		converted: map[string]any{}}
}

// tick counts one unit of work.
func (r *render) tick() error { return r.spend(1) }

func (r *render) spend(n int) error {
	before := r.steps
	r.steps += n
	if r.steps > r.opts.Steps || r.steps < before {
		r.steps = r.opts.Steps
		return &Error{Msg: "template does too much work: more than " + plural(r.opts.Steps, "step"),
			Hint: "look for a loop that never ends"}
	}
	if before>>12 != r.steps>>12 {
		if err := r.ctx.Err(); err != nil {
			return &Error{Msg: err.Error(), Err: err}
		}
	}
	return nil
}

// charge counts the making of a string of n bytes; it is called before or right after the string is made.
func (r *render) charge(n int) error {
	if err := r.checkSize(n); err != nil {
		return err
	}
	return r.spend(1 + n/16)
}

func (r *render) chargeItems(n int) error { return r.spend(1 + 2*n) }

// read counts the reading of a value from one end to the other, as its length, a comparison or a look-up need it.
func (r *render) read(v any) error {
	if s, ok := v.(string); ok && len(s) >= 32 {
		return r.spend(len(s) / 32)
	}
	return nil
}

func (r *render) checkSize(n int) error {
	if n > r.opts.OutputBytes {
		return &Error{Msg: "text is larger than " + plural(r.opts.OutputBytes, "byte")}
	}
	return nil
}

// frame is where code runs: its template, its package, its variables and where its text goes.
type frame struct {
	t   *Template
	pkg string // the package of the macro that runs; "" in the template that is rendered
	sc  *scope
	out *writer
}

// top is the frame of a whole template.
func (r *render) top(t *Template, out *writer) *frame {
	return &frame{t: t, sc: newScope(nil), out: out}
}

func (f *frame) inner() *frame { return &frame{f.t, f.pkg, newScope(f.sc), f.out} }

// writing is f with its text going elsewhere.
func (f *frame) writing(w *writer) *frame { return &frame{f.t, f.pkg, f.sc, w} }

// scope holds variables. `if` makes no scope; loops, macros and blocks do, and what they set ends with them.
type scope struct {
	parent *scope
	few    [4]variable // the first variables, without a map
	n      int         // how many of few are in use
	more   map[string]any
	held   bool // a macro was defined in it or below, which reads its variables later
}

type variable struct {
	name string
	val  any
}

func newScope(parent *scope) *scope { return &scope{parent: parent} }

// hold keeps s and the scopes around it from being used again.
func (s *scope) hold() {
	for ; s != nil && !s.held; s = s.parent {
		s.held = true
	}
}

// reset empties s for the next turn of a loop, or gives a new scope where s is still needed.
func (s *scope) reset() *scope {
	if s.held {
		return newScope(s.parent)
	}
	*s = scope{parent: s.parent}
	return s
}

func (s *scope) set(name string, v any) {
	for i := range s.few[:s.n] {
		if s.few[i].name == name {
			s.few[i].val = v
			return
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = variable{name, v}
		s.n++
		return
	}
	if s.more == nil {
		s.more = map[string]any{}
	}
	s.more[name] = v
}

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		for i := range s.few[:s.n] {
			if s.few[i].name == name {
				return s.few[i].val, true
			}
		}
		if s.more != nil {
			if v, ok := s.more[name]; ok {
				return v, true
			}
		}
	}
	return nil, false
}

// names lists the variables of s itself.
func (s *scope) names() []string {
	names := keysOf(s.more)
	for _, v := range s.few[:s.n] {
		names = append(names, v.name)
	}
	return names
}

// writer collects text. The one of the whole template also keeps the source map.
type writer struct {
	r      *render
	b      strings.Builder
	mapped bool
	segs   []segment

	native bool // keep values instead of text; see RenderNative
	values []any
	at     int // where the last one came from
}

func (w *writer) write(s string, off int, copied bool) error {
	if s == "" {
		return nil
	}
	if err := w.r.charge(len(s)); err != nil {
		return err
	}
	if err := w.r.checkSize(w.b.Len() + len(s)); err != nil {
		return err
	}
	if w.native {
		w.keep(s, off)
		return nil
	}
	if w.mapped {
		w.segs = append(w.segs, segment{uint32(w.b.Len()), uint32(off), copied})
	}
	w.b.WriteString(s)
	return nil
}

// at gives an error the position of a node, unless it has one.
func (r *render) at(f *frame, off int, err error) error {
	e, ok := err.(*Error)
	if _, control := err.(loopControl); control {
		return err
	}
	if !ok {
		e = &Error{Msg: err.Error(), Err: err}
	}
	if e.Line == 0 {
		p := f.t.position(off)
		c := *e // the Func may have returned a shared value
		c.File, c.Line, c.Col = p.File, p.Line, p.Col
		return &c
	}
	return e
}

func (r *render) exec(f *frame, nodes []node) error {
	r.nesting++
	defer func() { r.nesting-- }()
	for _, n := range nodes {
		if err := r.tick(); err != nil {
			return r.at(f, n.at(), err)
		}
		if err := r.execNode(f, n); err != nil {
			return r.at(f, n.at(), err)
		}
	}
	return nil
}

func (r *render) execNode(f *frame, n node) error {
	switch n := n.(type) {
	case *textNode:
		return f.out.write(n.text, n.at(), true)
	case *outputNode:
		if f.out.native {
			v, err := r.nativeValue(f, n.x)
			f.out.keep(v, n.x.at())
			return err
		}
		v, err := r.eval(f, n.x)
		if err != nil {
			return err
		}
		s, err := r.str(v)
		if err != nil {
			return r.at(f, n.x.at(), err)
		}
		return f.out.write(s, n.at(), false)
	case *ifNode:
		for i, t := range n.tests {
			v, err := r.eval(f, t)
			if err != nil {
				return err
			}
			if truth(v) {
				return r.exec(f, n.bodies[i])
			}
		}
		return r.exec(f, n.orElse)
	case *forNode:
		return r.execFor(f, n)
	case *setNode:
		v, err := r.eval(f, n.x)
		if err != nil {
			return err
		}
		return r.assign(f, n.target, v)
	case *setBlockNode:
		text, err := r.capture(f.inner(), n.body)
		if err != nil {
			return err
		}
		v := any(text)
		if n.filter != nil {
			if v, err = r.evalFilter(f, n.filter, text); err != nil {
				return err
			}
		}
		return r.assign(f, n.target, v)
	case *macroNode:
		f.sc.hold()
		f.sc.set(n.name, &macro{node: n, t: f.t, sc: f.sc, pkg: f.pkg})
		return nil
	case *callNode:
		return r.execCall(f, n)
	case *loopControlNode:
		return loopControl(n.word)
	case *snapshotNode:
		return &Error{Msg: "the snapshot '" + n.name + "' stands in a file that is rendered as a whole",
			Hint: "move it to a file in the folder snapshots/"}
	case *docsNode:
		return nil
	case *doNode:
		_, err := r.eval(f, n.x)
		return err
	case *filterNode:
		text, err := r.capture(f.inner(), n.body)
		if err != nil {
			return err
		}
		v, err := r.evalFilter(f, n.filter, text)
		if err != nil {
			return err
		}
		s, err := r.str(v)
		if err != nil {
			return err
		}
		return f.out.write(s, n.at(), false)
	case *withNode:
		in := f.inner()
		for i, t := range n.targets {
			v, err := r.eval(f, n.vals[i])
			if err != nil {
				return err
			}
			if err := r.assign(in, t, v); err != nil {
				return err
			}
		}
		return r.exec(in, n.body)
	}
	return failf("this tag cannot be run")
}

// capture runs nodes and returns their text.
func (r *render) capture(f *frame, nodes []node) (string, error) {
	w := &writer{r: r}
	err := r.exec(f.writing(w), nodes)
	return w.b.String(), err
}

func (r *render) execCall(f *frame, n *callNode) error {
	args, fn, err := r.evalCallee(f, n.call)
	if err != nil {
		return err
	}
	f.sc.hold()
	args.Kw = append(args.Kw, KwArg{"caller", &macro{node: n.caller, t: f.t, sc: f.sc, pkg: f.pkg, block: true}})
	v, err := r.call(fn, args)
	if err != nil {
		return r.at(f, n.call.at(), err)
	}
	s, err := r.str(v)
	if err != nil {
		return r.at(f, n.call.at(), err)
	}
	return f.out.write(s, n.at(), false)
}

func (r *render) assign(f *frame, target expr, v any) error {
	switch t := target.(type) {
	case *nameExpr:
		f.sc.set(t.name, v)
	case *nsTarget:
		ns, ok := f.sc.get(t.name)
		n, isNS := ns.(*namespace)
		if !ok || !isNS {
			return &Error{Msg: "cannot assign an attribute of '" + t.name + "': it is not a namespace",
				Hint: "{% set " + t.name + " = namespace() %}"}
		}
		return n.d.Set(t.attr, v)
	case *tupleExpr:
		next, err := iterate(v)
		if err != nil {
			return failf("cannot unpack non-iterable %s object", typeName(v))
		}
		var items []any
		for {
			x, ok, err := next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if len(items) == len(t.items) {
				return failf("too many values to unpack (expected %d)", len(t.items))
			}
			items = append(items, x)
		}
		if len(items) < len(t.items) {
			return failf("not enough values to unpack (expected %d, got %d)", len(t.items), len(items))
		}
		for i, x := range t.items {
			if err := r.assign(f, x, items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// loopControl is the error by which break and continue leave the body of a loop.
type loopControl string

func (c loopControl) Error() string { return "'" + string(c) + "' outside a loop" }

// loopState is the `loop` variable.
type loopState struct {
	r      *render
	f      *frame
	n      *forNode
	seq    any // what is looped over, where its length is known without reading it; else nil
	next   iterator
	peeked []any // read ahead, for last and nextitem
	index  int64 // from 0
	depth  int64 // from 0
	prev   any
	cur    any
	size   int // once counted; 0 before
	last   *List
}

func (r *render) execFor(f *frame, n *forNode) error {
	v, err := r.eval(f, n.iter)
	if err != nil {
		return err
	}
	return r.at2(f, n, r.loop(f, n, v, 0))
}

func (r *render) at2(f *frame, n *forNode, err error) error {
	if err == nil {
		return nil
	}
	return r.at(f, n.iter.at(), err)
}

// loop runs a for loop over v, writing to f.out.
func (r *render) loop(f *frame, n *forNode, v any, depth int64) error {
	if u, ok := v.(*Undefined); ok && n.recursive && depth > 0 {
		return undefinedErr(u)
	}
	next, err := iterate(v)
	if err != nil {
		return err
	}
	s := &loopState{r: r, f: f, n: n, next: next, index: -1, depth: depth, prev: &Undefined{msg: "there is no previous item"}}
	switch v.(type) {
	case *generator, *Undefined:
	default:
		s.seq = v
	}
	if n.test != nil {
		s.next, s.seq = r.filtered(f, n, next), nil
	}
	in := f.inner()
	ran, done := false, false
	for !done {
		x, ok, err := s.take()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := r.tick(); err != nil {
			return err
		}
		if s.index >= 0 {
			s.prev = s.cur
		}
		s.index, s.cur = s.index+1, x
		in.sc = in.sc.reset()
		in.sc.set("loop", s)
		if err := r.assign(in, n.target, x); err != nil {
			return r.at(f, n.target.at(), err)
		}
		switch err := r.exec(in, n.body); {
		case err == nil:
			ran = true
		case err == loopControl("break"):
			done = true
		case err != loopControl("continue"):
			return err
		}
	}
	if !ran { // Jinja2 runs the else where no turn came to its end, break or not
		return r.exec(f.inner(), n.orElse)
	}
	return nil
}

// filtered skips the elements that fail the loop's `if`.
func (r *render) filtered(f *frame, n *forNode, next iterator) iterator {
	return func() (any, bool, error) {
		for {
			x, ok, err := next()
			if err != nil || !ok {
				return nil, false, err
			}
			in := f.inner()
			if err := r.assign(in, n.target, x); err != nil {
				return nil, false, r.at(f, n.target.at(), err)
			}
			v, err := r.eval(in, n.test)
			if err != nil {
				return nil, false, err
			}
			if truth(v) {
				return x, true, nil
			}
		}
	}
}

func (s *loopState) take() (any, bool, error) {
	if len(s.peeked) > 0 {
		x := s.peeked[0]
		s.peeked = s.peeked[1:]
		return x, true, nil
	}
	return s.next()
}

func (s *loopState) peek() (any, bool, error) {
	if len(s.peeked) == 0 {
		x, ok, err := s.next()
		if err != nil || !ok {
			return nil, false, err
		}
		s.peeked = append(s.peeked, x)
	}
	return s.peeked[0], true, nil
}

func (s *loopState) length() (int, error) {
	if s.size > 0 {
		return s.size, nil
	}
	if n, ok := length(s.seq); ok && s.seq != nil {
		s.size = n
		return n, nil
	}
	for {
		x, ok, err := s.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if err := s.r.tick(); err != nil {
			return 0, err
		}
		s.peeked = append(s.peeked, x)
	}
	s.next = iterSlice(nil)
	s.size = int(s.index) + 1 + len(s.peeked)
	return s.size, nil
}

func (s *loopState) attr(name string) (any, bool, error) {
	switch name {
	case "index":
		return s.index + 1, true, nil
	case "index0":
		return s.index, true, nil
	case "first":
		return s.index == 0, true, nil
	case "last":
		_, more, err := s.peek()
		return !more, true, err
	case "length":
		n, err := s.length()
		return int64(n), true, err
	case "revindex":
		n, err := s.length()
		return int64(n) - s.index, true, err
	case "revindex0":
		n, err := s.length()
		return int64(n) - s.index - 1, true, err
	case "depth":
		return s.depth + 1, true, nil
	case "depth0":
		return s.depth, true, nil
	case "previtem":
		return s.prev, true, nil
	case "nextitem":
		x, ok, err := s.peek()
		if !ok {
			x = &Undefined{msg: "there is no next item"}
		}
		return x, true, err
	case "cycle":
		return &funcValue{name: "loop.cycle", fn: func(a Args) (any, error) {
			if len(a.Pos) == 0 {
				return nil, failf("no items for cycling given")
			}
			return a.Pos[s.index%int64(len(a.Pos))], nil
		}}, true, nil
	case "changed":
		return &funcValue{name: "loop.changed", fn: func(a Args) (any, error) {
			now := NewList(a.Pos...)
			if s.last != nil {
				if eq, err := s.r.equal(s.last, now); err != nil || eq {
					return false, err
				}
			}
			s.last = now
			return true, nil
		}}, true, nil
	}
	return nil, false, nil
}

// call runs the body of a recursive loop over another value.
func (s *loopState) call(a Args) (any, error) {
	if !s.n.recursive {
		return nil, &Error{Msg: "this loop is not recursive", Hint: "{% for … recursive %}"}
	}
	vals, err := a.Bind(Param{Name: "iterable", Required: true})
	if err != nil {
		return nil, err
	}
	if err := s.r.push(); err != nil {
		return nil, err
	}
	defer s.r.pop()
	w := &writer{r: s.r}
	err = s.r.loop(s.f.writing(w), s.n, vals[0], s.depth+1)
	return w.b.String(), err
}

func (r *render) push() error {
	r.depth++
	if r.depth > r.opts.Depth {
		r.depth--
		return &Error{Msg: "macros call each other more than " + plural(r.opts.Depth, "level") + " deep",
			Hint: "look for a macro that calls itself without end"}
	}
	return nil
}

func (r *render) pop() { r.depth-- }

// returned is the error by which the global return() leaves a macro with a value.
type returned struct{ v any }

func (returned) Error() string { return "return() is only allowed in a macro" }

func (r *render) callMacro(m *macro, a Args) (any, error) {
	if err := r.push(); err != nil {
		return nil, err
	}
	defer r.pop()
	if m.fixed != nil {
		return FromGo(*m.fixed)
	}
	f := &frame{m.t, m.pkg, newScope(m.sc), nil}
	if err := r.bindMacro(m.node, f, a); err != nil {
		if a.f == nil { // Go calls: there is no better place
			err = r.at(f, m.node.at(), err)
		}
		return nil, err
	}
	text, err := r.capture(f, m.node.body)
	if err == nil {
		return text, nil
	}
	e, ok := err.(*Error)
	if !ok {
		return nil, err
	}
	if ret, ok := e.Err.(returned); ok && !m.block {
		return ret.v, nil
	}
	return nil, e.within(m, a.Position())
}

// maxStack bounds the stack of an error: the innermost calls and the outermost one say enough.
const maxStack = 10

// within adds a macro to the stack of an error. Calls from one place, as of a macro that calls itself for ever, are one frame.
func (e *Error) within(m *macro, called Position) *Error {
	if m.block {
		return e
	}
	name := m.node.name
	if m.pkg != "" && m.sc == nil {
		name = m.pkg + "." + name
	}
	c := *e // the Func may have returned a shared value
	c.Stack = slices.Clone(e.Stack)
	frame := Frame{Macro: name, Called: called, Times: 1}
	last := len(c.Stack) - 1
	switch {
	case last >= 0 && c.Stack[last].Macro == name && c.Stack[last].Called == called:
		c.Stack[last].Times++
	case len(c.Stack) == maxStack:
		frame.Omitted = c.Stack[last].Omitted + c.Stack[last].Times
		c.Stack[last] = frame
	default:
		c.Stack = append(c.Stack, frame)
	}
	return &c
}

// bindMacro sets the parameters of a macro, with the rules of Jinja2: what it does not name it must read as varargs,
// kwargs or caller, or the call is an error.
func (r *render) bindMacro(n *macroNode, f *frame, a Args) error {
	kw := map[string]any{}
	for _, k := range a.Kw {
		kw[k.Name] = k.Value
	}
	for i, p := range n.params {
		v, given := kw[p]
		switch d := i - (len(n.params) - len(n.defaults)); {
		case i < len(a.Pos):
			if given {
				return failf("macro '%s' got '%s' twice", n.name, p)
			}
			v = a.Pos[i]
		case given:
			delete(kw, p)
		case d >= 0:
			var err error
			if v, err = r.eval(f, n.defaults[d]); err != nil {
				return err
			}
		default:
			v = &Undefined{msg: "parameter '" + p + "' was not provided"}
		}
		f.sc.set(p, v)
	}
	if n.usesCaller {
		v, ok := kw["caller"]
		if !ok {
			v = &Undefined{msg: "no caller defined", hint: "use the macro with {% call %}"}
		}
		delete(kw, "caller")
		f.sc.set("caller", v)
	}
	if n.usesKwargs {
		d := NewDict()
		for _, k := range a.Kw {
			if v, ok := kw[k.Name]; ok {
				if err := d.Set(k.Name, v); err != nil {
					return err
				}
			}
		}
		f.sc.set("kwargs", d)
	} else {
		for _, k := range a.Kw {
			if _, ok := kw[k.Name]; ok {
				return &Error{Msg: "macro '" + n.name + "' takes no keyword argument '" + k.Name + "'", Hint: suggest(k.Name, n.params)}
			}
		}
	}
	if n.usesVarargs {
		rest := &Tuple{}
		if len(a.Pos) > len(n.params) {
			rest.Items = append(rest.Items, a.Pos[len(n.params):]...)
		}
		f.sc.set("varargs", rest)
	} else if len(a.Pos) > len(n.params) {
		return failf("macro '%s' takes at most %s, got %d", n.name, plural(len(n.params), "argument"), len(a.Pos))
	}
	return nil
}
