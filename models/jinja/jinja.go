// Package jinja renders SQL models written with Jinja2 templates, with Python's semantics.
//
// It is a lexer, a parser and an evaluator that behave as Python Jinja2 3.1 does with dbt's settings (no auto-escaping,
// no block trimming, the `do` tag): lists and ordered dicts are shared by reference, None prints as "None", truth,
// formatting and printing are Python's. testdata/conformance.json holds what the real Jinja2 answers; we match it.
//
// It never reads a file, talks to a database or knows what a model is: what a template may ask of the engine that
// renders it is the small interface Engine in model.go. It never runs without bounds: work, output and recursion are
// capped (Options), so a hostile template ends in an error. It does not panic on any input.
//
// Read Template first, then Options and Engine. Inside: lexer.go and parser.go make the tree of ast.go, exec.go runs
// statements, eval.go expressions, value.go is the value model.
package jinja

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Position is a place in a template. Line and Col count from 1; Col counts characters, not bytes.
type Position struct {
	File      string
	Line, Col int
}

// String returns "file:line:col".
func (p Position) String() string {
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Error is what Parse and Render return: what is wrong, where, and what to do about it.
type Error struct {
	File      string
	Line, Col int
	Msg       string
	Hint      string  // what to do next; may be empty
	Stack     []Frame // the macros that were running, innermost first; empty outside macros
	Err       error   // the error of the Go function that failed, or of the context; may be nil

	// Unsupported says that the template is right, and asks for what there is in dbt and not here.
	Unsupported bool

	undefined bool // something undefined was used
}

// Frame is one macro that was running when an error happened.
type Frame struct {
	Macro   string   // its name, "package.name" where it came from a library
	Called  Position // where it was called; Line is 0 if Go called it
	Times   int      // how many calls from there were running, one within the other
	Omitted int      // how many calls between this one and the frame before it are left out
}

// Error returns "file:line:col: message (hint)", and the stack of macros where there is one.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		b.WriteString(e.Position().String())
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	b.WriteString(e.stack())
	return b.String()
}

// Text returns the message and the stack of macros, for those who show the place and the hint themselves.
func (e *Error) Text() string { return e.Msg + e.stack() }

func (e *Error) stack() string {
	var b strings.Builder
	for _, f := range e.Stack {
		if f.Omitted > 0 {
			fmt.Fprintf(&b, "; … %d more calls …", f.Omitted)
		}
		b.WriteString("; in macro '" + f.Macro + "'")
		if f.Called.Line > 0 {
			b.WriteString(" called at " + f.Called.String())
		}
		if f.Times > 1 {
			fmt.Fprintf(&b, " (%d times)", f.Times)
		}
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Position returns where the error is.
func (e *Error) Position() Position { return Position{e.File, e.Line, e.Col} }

// Template is a parsed template. It never changes after Parse, so many goroutines may render one at once.
type Template struct {
	name  string
	src   string // line ends normalised to \n, one trailing newline removed, as Jinja does
	lines []int  // byte offset of the start of each line
	body  []node
	calls []*callExpr
	bound map[string]bool // names the template itself binds: macros and assignments
	refs  []reference     // what it may reach of a library, in the order of the text
	env   *env
	span  [2]int // of the block that it is a part of its file for
}

// Parse reads a template; name is the file shown in errors. The error is always an *Error.
func Parse(name, src string) (*Template, error) {
	t := &Template{name: name, src: normalize(src), bound: map[string]bool{}, env: standardEnv()}
	t.countLines()
	toks, err := lex(t)
	if err != nil {
		return nil, err
	}
	if err := parse(t, toks); err != nil {
		return nil, err
	}
	return t, nil
}

// countLines finds where each line starts.
func (t *Template) countLines() {
	t.lines = append(make([]int, 0, 1+strings.Count(t.src, "\n")), 0)
	for i := 0; i < len(t.src); i++ {
		if t.src[i] == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
}

// Name returns the name given to Parse.
func (t *Template) Name() string { return t.name }

// OnlyMacros says whether the template has nothing at its top level but macros, tests and white space.
func (t *Template) OnlyMacros() bool {
	some := false
	for _, n := range t.body {
		switch n := n.(type) {
		case *macroNode:
			some = true
		case *textNode:
			if strings.TrimSpace(n.text) != "" {
				return false
			}
		default:
			return false
		}
	}
	return some
}

// Source returns the text of the template, its line ends as \n.
func (t *Template) Source() string { return t.src }

// Line returns a line of the template, counted from 1.
func (t *Template) Line(n int) string {
	if n < 1 || n > len(t.lines) {
		return ""
	}
	line, _, _ := strings.Cut(t.src[t.lines[n-1]:], "\n")
	return line
}

// Macros returns the names of the macros defined at the top level of the template, in order. dbt's test and
// materialization blocks are the macros test_<name> and materialization_<name>_<adapter>.
func (t *Template) Macros() []string {
	var names []string
	for _, m := range t.macros() {
		names = append(names, m.name)
	}
	return names
}

func (t *Template) macros() []*macroNode {
	var out []*macroNode
	for _, n := range t.body {
		if m, ok := n.(*macroNode); ok {
			out = append(out, m)
		}
	}
	return out
}

// normalize makes every line end "\n" and drops one trailing newline.
func normalize(src string) string {
	if strings.Contains(src, "\r") {
		src = strings.ReplaceAll(src, "\r\n", "\n")
		src = strings.ReplaceAll(src, "\r", "\n")
	}
	return strings.TrimSuffix(src, "\n")
}

// position turns a byte offset of t.src into a place.
func (t *Template) position(off int) Position {
	off = max(0, min(off, len(t.src)))
	line := sort.SearchInts(t.lines, off+1) - 1
	return Position{t.name, line + 1, utf8.RuneCountInString(t.src[t.lines[line]:off]) + 1}
}

// places gives the places of offsets that grow, each from the one before: a template may be one long line.
type places struct {
	t    *Template
	off  int
	last Position
}

func (p *places) at(off int) Position {
	if p.last.Line == 0 || off < p.off || off > len(p.t.src) || p.last.Line < len(p.t.lines) && p.t.lines[p.last.Line] <= off {
		p.last = p.t.position(off)
	} else {
		p.last.Col += utf8.RuneCountInString(p.t.src[p.off:off])
	}
	p.off = off
	return p.last
}

func (t *Template) errorAt(off int, msg, hint string) *Error {
	p := t.position(off)
	return &Error{File: p.File, Line: p.Line, Col: p.Col, Msg: msg, Hint: hint}
}

// Call is one call of a bare global name, `name(...)`, found without running the template.
type Call struct {
	Name     string
	Position Position
	Args     []CallArg // in the order written, positional ones first
	Spread   bool      // the call also has *args or **kwargs, which cannot be read statically
}

// CallArg is one argument of a Call.
type CallArg struct {
	Name     string // the keyword, or "" for a positional argument
	Literal  bool   // whether the argument is a literal; if not, Value is nil and means nothing
	Value    any    // nil (None), bool, int64, float64, string, []any or map[string]any
	Position Position
}

// Strings returns the positional arguments when all of them are string literals.
func (c Call) Strings() ([]string, bool) {
	var out []string
	for _, a := range c.Args {
		if a.Name != "" {
			continue
		}
		s, ok := a.Value.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, !c.Spread
}

// Calls returns every call of a bare name in the template, in any branch, in the order of the text. Calls of names the
// template binds itself (its macros, its variables) are left out. Use it to find ref, source and config statically.
func (t *Template) Calls() []Call {
	calls := slices.Clone(t.calls)
	slices.SortStableFunc(calls, func(a, b *callExpr) int { return a.fn.at() - b.fn.at() })
	var out []Call
	at, argAt := places{t: t}, places{t: t}
	for _, c := range calls {
		name := c.fn.(*nameExpr).name
		if t.bound[name] {
			continue
		}
		call := Call{Name: name, Position: at.at(c.fn.at()), Spread: c.star != nil || c.dstar != nil}
		argAt.off, argAt.last = at.off, at.last
		arg := func(key string, e expr) {
			v, ok := literal(e)
			call.Args = append(call.Args, CallArg{Name: key, Literal: ok, Value: v, Position: argAt.at(e.at())})
		}
		for _, e := range c.args {
			arg("", e)
		}
		for _, k := range c.kwargs {
			arg(k.name, k.val)
		}
		out = append(out, call)
	}
	return out
}

// literal returns the plain Go value of an expression made of constants only.
func literal(e expr) (any, bool) {
	switch e := e.(type) {
	case *constExpr:
		return e.val, true
	case *unaryExpr:
		v, ok := literal(e.x)
		switch n := v.(type) {
		case int64:
			if e.op == "-" {
				return -n, ok
			}
			return n, ok
		case float64:
			if e.op == "-" {
				return -n, ok
			}
			return n, ok
		}
	case *listExpr:
		items := make([]any, 0, len(e.items))
		for _, x := range e.items {
			v, ok := literal(x)
			if !ok {
				return nil, false
			}
			items = append(items, v)
		}
		return items, true
	case *dictExpr:
		m := make(map[string]any, len(e.keys))
		for i, k := range e.keys {
			key, ok := literal(k)
			name, isString := key.(string)
			v, ok2 := literal(e.vals[i])
			if !ok || !ok2 || !isString {
				return nil, false
			}
			m[name] = v
		}
		return m, true
	}
	return nil, false
}

// Options bounds a rendering and adds macros to it. The zero value is right for one model.
type Options struct {
	// Macros are callable from the template as if it had defined them; nil for none.
	Macros *Library
	// Package is the package of the template that is rendered; its macros are found first. Default the root project.
	Package string
	// Lenient lets the template call undefined values and take their attributes, which gives undefined again, as dbt
	// does while it only reads a project. In macros of the library it has no effect, as in dbt.
	Lenient bool
	// Steps bounds the work: evaluated nodes plus the size of the values made. Default 10 million.
	Steps int
	// OutputBytes bounds the rendered text and any single string. Default 64 MiB.
	OutputBytes int
	// Depth bounds nested macro calls and recursive loops. Default 200.
	Depth int
	// Matching bounds the time that patterns of modules.re take which only backtracking can match. Default 5 seconds.
	Matching time.Duration
}

// Output is a rendered template.
type Output struct {
	Text string
	t    *Template
	segs []segment
}

// segment says where a stretch of the output came from: text copied from the template, or the value of one expression.
type segment struct {
	out, src uint32
	copied   bool
}

// Source returns the place in the template that produced the byte at offset of the text. Text copied from the template
// maps exactly; the output of an expression or of a macro maps to the place in this template that printed it.
func (o *Output) Source(offset int) Position {
	if len(o.segs) == 0 {
		return o.t.position(0)
	}
	offset = max(0, min(offset, len(o.Text)))
	i := sort.Search(len(o.segs), func(i int) bool { return int(o.segs[i].out) > offset }) - 1
	s := o.segs[max(i, 0)]
	if s.copied {
		return o.t.position(int(s.src) + offset - int(s.out))
	}
	return o.t.position(int(s.src))
}

// Render runs the template. Globals are the names it can see: Go values as listed at FromGo, and Func. The error is an
// *Error; a cancelled ctx or a reached limit ends the rendering with one, too.
func (t *Template) Render(ctx context.Context, globals map[string]any, opts Options) (*Output, error) {
	r := newRender(ctx, t.env, globals, opts)
	w := &writer{r: r, mapped: true}
	if err := r.exec(r.top(t, w), t.body); err != nil {
		return nil, err
	}
	return &Output{Text: w.b.String(), t: t, segs: w.segs}, nil
}

// Edit is another text for a stretch of an Output.
type Edit struct {
	From, To int // offsets in bytes
	Text     string
}

// Replace gives the output with other texts in some places, which lie apart and in order. What is not replaced keeps its place in the
// template; what replaces a stretch has that of its beginning.
func (o *Output) Replace(edits []Edit) *Output {
	out := &Output{t: o.t}
	var b strings.Builder
	keep := func(from, to int) {
		for i, s := range o.segs {
			end := len(o.Text)
			if i+1 < len(o.segs) {
				end = int(o.segs[i+1].out)
			}
			start := max(from, int(s.out))
			if start >= min(to, end) {
				continue
			}
			moved := segment{out: uint32(b.Len() + start - from), src: s.src, copied: s.copied}
			if s.copied {
				moved.src += uint32(start) - s.out
			}
			out.segs = append(out.segs, moved)
		}
		b.WriteString(o.Text[from:to])
	}
	at := 0
	for _, e := range edits {
		keep(at, e.From)
		out.segs = append(out.segs, segment{out: uint32(b.Len()), src: o.sourceOffset(e.From)})
		b.WriteString(e.Text)
		at = e.To
	}
	keep(at, len(o.Text))
	out.Text = b.String()
	return out
}

// sourceOffset is where in the template the byte at offset of the text comes from.
func (o *Output) sourceOffset(offset int) uint32 {
	i := sort.Search(len(o.segs), func(i int) bool { return int(o.segs[i].out) > offset }) - 1
	if i < 0 {
		return 0
	}
	if s := o.segs[i]; s.copied {
		return s.src + uint32(offset) - s.out
	}
	return o.segs[i].src
}
