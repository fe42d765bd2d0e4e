package jinja

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A value in a template is one of: nil, bool, int64, float64, string, *List, *Tuple, *Dict, *Undefined, an Object, or
// one of the unexported kinds below (functions, macros, ranges, dict views, generators). FromGo makes them.

// Func is a Go function callable from a template. Its result goes through FromGo. An *Error it returns without a
// position gets that of the call, so a Func may return &Error{Msg: …, Hint: …}.
type Func func(args Args) (any, error)

// Object is a Go value with attributes, such as a relation. A template prints it with String. An Object is equal only
// to itself (Go's ==).
type Object interface {
	Attr(name string) (any, bool)
	String() string
}

// Callable is an Object that can also be called.
type Callable interface {
	Object
	Call(args Args) (any, error)
}

// List is Python's list: shared by reference.
type List struct{ Items []any }

// NewList returns a list of values, which must come from FromGo or be of the kinds listed there.
func NewList(items ...any) *List { return &List{items} }

// Tuple is Python's tuple; names, if any, are attributes for its elements (what groupby returns).
type Tuple struct {
	Items []any
	names []string
}

// Undefined is a name that has no value. Printing it gives nothing; using it in any other way is an error.
type Undefined struct {
	msg, hint string
	near      func() string // makes the hint where it is needed, since most undefined names are only asked for
	lenient   bool          // see Options.Lenient
}

// IsUndefined tells whether an argument is a name without a value.
func IsUndefined(v any) bool { _, ok := v.(*Undefined); return ok }

// Dict is Python's dict: ordered by insertion, shared by reference.
type Dict struct {
	index   map[any]int // hash key to position in entries
	entries []entry
	live    int
	frozen  bool // shared by several renderings: templates cannot change it
	thawed  bool // a copy of a frozen one: its index is still that one's, and its values are copied as they are read
}

type entry struct {
	key, val any
	dead     bool
	own      bool // of a thawed dict: the value is a copy already
}

// NewDict returns an empty dict.
func NewDict() *Dict { return &Dict{index: map[any]int{}} }

type (
	noneKey  struct{}
	undefKey struct{}
	tupleKey string
)

// hashKey returns a Go map key that is equal exactly where Python's keys are: 1, 1.0 and True are one key.
func hashKey(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return noneKey{}, nil
	case bool:
		return asInt(v), nil
	case int64, string:
		return v, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return int64(v), nil
		}
		return v, nil
	case *Tuple:
		var b strings.Builder
		if err := encodeKey(&b, v, 0); err != nil {
			return nil, err
		}
		return tupleKey(b.String()), nil
	case *Undefined:
		return undefKey{}, nil
	case *List, *Dict:
		return nil, failf("unhashable type: '%s'", typeName(v))
	}
	if !reflect.ValueOf(v).Comparable() {
		return nil, failf("unhashable type: '%s'", typeName(v))
	}
	return v, nil
}

func encodeKey(b *strings.Builder, v any, depth int) error {
	if b.Len() > 1<<16 || depth > 50 {
		return failf("tuple is too large to be a key")
	}
	if t, ok := v.(*Tuple); ok {
		b.WriteByte('(')
		for _, x := range t.Items {
			if err := encodeKey(b, x, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(')')
		return nil
	}
	k, err := hashKey(v)
	if err != nil {
		return err
	}
	switch k := k.(type) {
	case string:
		b.WriteString("s" + strconv.Itoa(len(k)) + ":" + k)
	case int64:
		b.WriteString("i" + strconv.FormatInt(k, 10) + ";")
	case float64:
		b.WriteString("f" + strconv.FormatFloat(k, 'g', -1, 64) + ";")
	case noneKey:
		b.WriteByte('n')
	default:
		return failf("a tuple with a '%s' in it cannot be a key", typeName(v))
	}
	return nil
}

// Get returns the value at key. A nil dict is empty.
func (d *Dict) Get(key any) (any, bool) {
	if d == nil {
		return nil, false
	}
	k, err := hashKey(key)
	if err != nil {
		return nil, false
	}
	i, ok := d.index[k]
	if !ok {
		return nil, false
	}
	return d.value(i), true
}

// value is that of an entry: of a thawed dict, a copy of its own.
func (d *Dict) value(i int) any {
	if e := &d.entries[i]; d.thawed && !e.own {
		e.val, e.own = thaw(e.val), true
	}
	return d.entries[i].val
}

// Thaw copies a frozen dict for one rendering, which may change the copy. What is in it is copied when it is first read: of a large
// project's graph a template reads little.
func (d *Dict) Thaw() *Dict {
	return &Dict{index: d.index, entries: slices.Clone(d.entries), live: d.live, thawed: true}
}

func thaw(v any) any {
	switch v := v.(type) {
	case *Dict:
		if v.frozen {
			return v.Thaw()
		}
	case *List:
		own := &List{Items: slices.Clone(v.Items)}
		for i, x := range own.Items {
			own.Items[i] = thaw(x)
		}
		return own
	}
	return v
}

// reindex gives a thawed dict an index of its own, before keys come or go.
func (d *Dict) reindex() {
	if !d.thawed {
		return
	}
	for i := range d.entries {
		d.value(i)
		d.entries[i].own = false // it is no thawed one any more
	}
	d.index, d.thawed = maps.Clone(d.index), false
}

// Set adds or replaces the value at key; only a list or dict as the key is an error.
func (d *Dict) Set(key, val any) error {
	if d.frozen {
		return errFrozen()
	}
	k, err := hashKey(key)
	if err != nil {
		return err
	}
	if i, ok := d.index[k]; ok {
		d.entries[i].val, d.entries[i].own = val, d.thawed
		return nil
	}
	d.reindex()
	d.index[k] = len(d.entries)
	d.entries = append(d.entries, entry{key: key, val: val})
	d.live++
	return nil
}

// Freeze makes d and the dicts in it unchangeable, so that several renderings can share them: what a template tries is an error.
func (d *Dict) Freeze() {
	d.frozen = true
	for _, e := range d.entries {
		freeze(e.val)
	}
}

func freeze(v any) {
	switch v := v.(type) {
	case *Dict:
		v.Freeze()
	case *List:
		for _, x := range v.Items {
			freeze(x)
		}
	}
}

func errFrozen() error {
	return &Error{Msg: "this dict belongs to the project: a template cannot change it", Hint: "change a copy: dict(…)"}
}

// Delete removes key and tells whether it was there.
func (d *Dict) Delete(key any) bool {
	k, err := hashKey(key)
	if err != nil {
		return false
	}
	i, ok := d.index[k]
	if !ok {
		return false
	}
	d.reindex()
	delete(d.index, k)
	d.entries[i] = entry{dead: true}
	d.live--
	if len(d.entries) > 16 && d.live < len(d.entries)/2 {
		d.compact()
	}
	return true
}

func (d *Dict) compact() {
	old := d.entries
	d.entries, d.index = make([]entry, 0, d.live), make(map[any]int, d.live)
	for _, e := range old {
		if !e.dead {
			k, _ := hashKey(e.key) // it was hashed when it was set
			d.index[k] = len(d.entries)
			d.entries = append(d.entries, e)
		}
	}
}

// Len returns the number of keys.
func (d *Dict) Len() int { return d.live }

// All iterates over the keys and values in order; d must not change meanwhile.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		if d == nil {
			return
		}
		for i, e := range d.entries {
			if !e.dead && !yield(e.key, d.value(i)) {
				return
			}
		}
	}
}

func (d *Dict) keys() []any {
	out := make([]any, 0, d.live)
	for _, e := range d.entries {
		if !e.dead {
			out = append(out, e.key)
		}
	}
	return out
}

type (
	// funcValue gives a Func an identity, since Go functions cannot be compared.
	funcValue struct {
		name string
		fn   Func
	}
	rangeValue struct{ start, step, n int64 }
	// viewValue is what dict.keys(), values() and items() return: a live view.
	viewValue struct {
		d    *Dict
		kind string // keys, values, items
	}
	// generator is the result of lazy filters such as map: it can be read once, and has no length.
	generator struct {
		items []any
		i     int
	}
	namespace struct{ d *Dict }
	macro     struct {
		node *macroNode
		ref  *MacroRef // of one of a library; nil for others
		t    *Template
		sc   *scope // where it was defined; nil for one of a library
		pkg  string // its package; "" for one of the template itself
		// block marks the body of a `{% call %}`: return() in it leaves the macro around it.
		block bool
		// fixed is what it gives, whatever it is called with, where a unit test says so; nil for others.
		fixed *any
	}
)

func (r *rangeValue) at(i int64) int64 { return r.start + i*r.step }

// FromGo turns a Go value into a template value: nil, booleans, numbers, strings, slices, maps with string keys (sorted
// by key), *List, *Tuple, *Dict, Object and Func. Slices and maps are copied; lists, dicts and objects are shared.
func FromGo(v any) (any, error) { return fromGo(v, 0) }

func fromGo(v any, depth int) (any, error) {
	if depth > 100 {
		return nil, failf("a Go value is nested too deeply")
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, *List, *Tuple, *Dict, *Undefined, Object,
		*funcValue, *rangeValue, *viewValue, *generator, *namespace, *macro, *loopState:
		return v, nil
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), nil
	case int:
		return int64(v), nil
	case Func:
		return &funcValue{fn: v}, nil
	case lazy:
		x, err := v()
		if err != nil {
			return nil, err
		}
		return fromGo(x, depth+1)
	case func(Args) (any, error):
		return &funcValue{fn: v}, nil
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Bool:
		return rv.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if rv.Uint() > math.MaxInt64 {
			return nil, failf("integer %d does not fit in 64 bits", rv.Uint())
		}
		return int64(rv.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return rv.Float(), nil
	case reflect.String:
		return strings.ToValidUTF8(rv.String(), "\uFFFD"), nil
	case reflect.Slice, reflect.Array:
		l := &List{make([]any, rv.Len())}
		for i := range l.Items {
			var err error
			if l.Items[i], err = fromGo(rv.Index(i).Interface(), depth+1); err != nil {
				return nil, err
			}
		}
		return l, nil
	case reflect.Map:
		if rv.Type().Key().Kind() != reflect.String {
			break
		}
		keys := rv.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		d := NewDict()
		for _, k := range keys {
			x, err := fromGo(rv.MapIndex(k).Interface(), depth+1)
			if err != nil {
				return nil, err
			}
			if err := d.Set(k.String(), x); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return nil, failf("a Go value of type %T cannot be used in a template", v)
}

// ToGo turns a template value into plain Go: lists and tuples become []any, dicts map[string]any (keys as printed).
// Other values are returned as they are. Values nested deeper than 100 levels, such as a list that holds itself, are
// cut off with nil.
func ToGo(v any) any { return toGo(v, 0) }

func toGo(v any, depth int) any {
	if depth > 100 {
		return nil
	}
	slice := func(items []any) any {
		out := make([]any, len(items))
		for i, x := range items {
			out[i] = toGo(x, depth+1)
		}
		return out
	}
	switch v := v.(type) {
	case *List:
		return slice(v.Items)
	case *Tuple:
		return slice(v.Items)
	case *Dict:
		m := make(map[string]any, v.Len())
		for k, x := range v.All() {
			m[fmt.Sprint(k)] = toGo(x, depth+1)
		}
		return m
	}
	return v
}

// Copy gives a value whose lists and dicts are its own: templates change them in place.
func Copy(v any) any { return copied(v, 0) }

func copied(v any, depth int) any {
	if depth > 100 {
		return nil
	}
	switch v := v.(type) {
	case *List:
		items := make([]any, len(v.Items))
		for i, x := range v.Items {
			items[i] = copied(x, depth+1)
		}
		return &List{items}
	case *Dict:
		d := NewDict()
		for k, x := range v.All() {
			_ = d.Set(k, copied(x, depth+1)) // it was a key before
		}
		return d
	}
	return v
}

// typeName is the Python name of the type of v.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *Undefined:
		return "Undefined"
	case *rangeValue:
		return "range"
	case *viewValue:
		return "dict_" + v.kind
	case *generator:
		return "generator"
	case *funcValue:
		return "function"
	case *macro:
		return "Macro"
	case *namespace:
		return "Namespace"
	case *loopState:
		return "LoopContext"
	}
	if t, ok := v.(typed); ok {
		return t.typeName()
	}
	return "object"
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, *Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case truthful:
		return v.truth()
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// length is Python's len; ok is false for values without one.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case *List:
		return len(v.Items), true
	case *Tuple:
		return len(v.Items), true
	case *Dict:
		return v.Len(), true
	case *viewValue:
		return v.d.Len(), true
	case *rangeValue:
		return int(v.n), true
	case *Undefined:
		return 0, true
	case container:
		return len(v.elements()), true
	case *loopState:
		n, err := v.length()
		return n, err == nil
	}
	return 0, false
}

func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// iterator returns the next element; false at the end.
type iterator func() (any, bool, error)

func iterSlice(items []any) iterator {
	i := 0
	return func() (any, bool, error) {
		if i >= len(items) {
			return nil, false, nil
		}
		i++
		return items[i-1], true, nil
	}
}

// iterate is Python's iter: a list is read live, so elements appended meanwhile are seen.
func iterate(v any) (iterator, error) {
	switch v := v.(type) {
	case *List:
		i := 0
		return func() (any, bool, error) {
			if i >= len(v.Items) {
				return nil, false, nil
			}
			i++
			return v.Items[i-1], true, nil
		}, nil
	case *Tuple:
		return iterSlice(v.Items), nil
	case *Dict:
		return iterDict(v, "keys"), nil
	case *viewValue:
		return iterDict(v.d, v.kind), nil
	case *rangeValue:
		i := int64(0)
		return func() (any, bool, error) {
			if i >= v.n {
				return nil, false, nil
			}
			i++
			return v.at(i - 1), true, nil
		}, nil
	case *generator:
		return func() (any, bool, error) {
			if v.i >= len(v.items) {
				return nil, false, nil
			}
			v.i++
			return v.items[v.i-1], true, nil
		}, nil
	case string:
		rest := v
		return func() (any, bool, error) {
			if rest == "" {
				return nil, false, nil
			}
			_, n := utf8.DecodeRuneInString(rest)
			c := rest[:n]
			rest = rest[n:]
			return c, true, nil
		}, nil
	case *Undefined:
		return iterSlice(nil), nil
	case container:
		return iterSlice(v.elements()), nil
	}
	return nil, failf("'%s' object is not iterable", typeName(v))
}

func iterDict(d *Dict, kind string) iterator {
	i, size := 0, d.Len()
	return func() (any, bool, error) {
		if d.Len() != size {
			return nil, false, &Error{Msg: "dictionary changed size during iteration", Hint: "loop over .items() | list"}
		}
		for i < len(d.entries) && d.entries[i].dead {
			i++
		}
		if i >= len(d.entries) {
			return nil, false, nil
		}
		at := i
		i++
		switch kind {
		case "keys":
			return d.entries[at].key, true, nil
		case "values":
			return d.value(at), true, nil
		}
		return pair(d.entries[at].key, d.value(at)), true, nil
	}
}

func pair(a, b any) *Tuple { return &Tuple{Items: []any{a, b}} }

// Args is what a Func is called with.
type Args struct {
	Pos []any
	Kw  []KwArg // in the order written; `{% call %}` passes its block as "caller"

	name string
	off  int
	f    *frame
	r    *render
}

// KwArg is one keyword argument.
type KwArg struct {
	Name  string
	Value any
}

// Context returns the context of the rendering.
func (a Args) Context() context.Context { return a.r.ctx }

// Position returns where the call is written; Line is 0 if Go called.
func (a Args) Position() Position {
	if a.f == nil {
		return Position{}
	}
	return a.f.t.position(a.off)
}

// Print returns v as a template prints it.
func (a Args) Print(v any) (string, error) { return a.r.str(v) }

// CallValue calls a function or macro that was passed as an argument, such as caller.
func (a Args) CallValue(fn any, pos ...any) (any, error) {
	a.Pos, a.Kw = pos, nil
	return a.r.call(fn, a)
}

// Param is a parameter of a Func, for Bind.
type Param struct {
	Name     string
	Required bool
	Default  any
}

// Bind puts the arguments in the order of params, with Python's rules; anything else is an error that names the call.
func (a Args) Bind(params ...Param) ([]any, error) {
	if len(a.Pos) > len(params) {
		return nil, failf("%s takes at most %s, got %d", a.name, plural(len(params), "argument"), len(a.Pos))
	}
	out := make([]any, len(params))
	given := make([]bool, len(params))
	for i, v := range a.Pos {
		out[i], given[i] = v, true
	}
	for _, k := range a.Kw {
		i := slices.IndexFunc(params, func(p Param) bool { return p.Name == k.Name })
		if i < 0 {
			names := make([]string, len(params))
			for j, p := range params {
				names[j] = p.Name
			}
			return nil, &Error{Msg: a.name + " has no keyword argument '" + k.Name + "'", Hint: suggest(k.Name, names)}
		}
		if given[i] {
			return nil, failf("%s got '%s' twice", a.name, k.Name)
		}
		out[i], given[i] = k.Value, true
	}
	for i, p := range params {
		if given[i] {
			continue
		}
		if p.Required {
			return nil, failf("%s misses its argument '%s'", a.name, p.Name)
		}
		out[i] = p.Default
	}
	return out, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// failf returns an error without a position; the evaluator adds that of the expression.
func failf(format string, args ...any) *Error { return &Error{Msg: fmt.Sprintf(format, args...)} }

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// suggest returns "did you mean 'x'?" for the closest name, or "".
func suggest(name string, names []string) string {
	best, bestDist := "", len(name)/3+1 // so close it must be, at least
	if len(name) > 60 {
		return ""
	}
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < bestDist {
			best, bestDist = n, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean '" + best + "'?"
}

// distance is the Levenshtein distance, with a swap of two neighbours counted as one edit.
func distance(a, b string) int {
	if len(b) > 60 {
		return 60
	}
	var prev2 []int
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur := make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, cur
	}
	return prev[len(b)]
}
