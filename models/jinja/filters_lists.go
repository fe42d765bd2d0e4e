package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

func filterList(r *render, v any, _ []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	return &List{items}, nil
}

func filterFirst(_ *render, v any, _ []any) (any, error) {
	next, err := iterate(v)
	if err != nil {
		return nil, err
	}
	x, ok, err := next()
	if !ok && err == nil {
		return &Undefined{msg: "no first item, sequence was empty"}, nil
	}
	return x, err
}

func filterLast(r *render, v any, _ []any) (any, error) {
	if _, ok := v.(*generator); ok {
		return nil, &Error{Msg: "'generator' object is not reversible", Hint: "add '| list' before it"}
	}
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &Undefined{msg: "no last item, sequence was empty"}, nil
	}
	return items[len(items)-1], nil
}

func filterReverse(r *render, v any, _ []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	slices.Reverse(items)
	if isString(v) {
		return r.joinText(items, "", true)
	}
	return &generator{items: items}, nil
}

// attributes maps items to their attribute: a dotted name or an index; nil is the item itself. def, if not nil, stands
// in for a missing one.
func (r *render) attributes(items []any, attr, def any) ([]any, error) {
	if attr == nil {
		return items, nil
	}
	out := make([]any, len(items))
	for i, x := range items {
		var err error
		if out[i], err = r.path(x, attr, def); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *render) path(v, attr, def any) (any, error) {
	parts := []any{attr}
	if s, ok := attr.(string); ok {
		parts = parts[:0]
		for _, p := range strings.Split(s, ".") {
			if n, err := strconv.ParseInt(p, 10, 64); err == nil && p[0] != '-' && p[0] != '+' {
				parts = append(parts, n)
			} else {
				parts = append(parts, p)
			}
		}
	}
	for _, p := range parts {
		if err := r.tick(); err != nil {
			return nil, err
		}
		var err error
		if v, err = r.getItem(v, p); err != nil {
			return nil, err
		}
		if IsUndefined(v) && def != nil {
			v = def
		}
	}
	return v, nil
}

// keys returns what items are compared by: the attribute, with strings lowered unless cased.
func (r *render) keys(items []any, attr any, cased bool) ([]any, error) {
	keys, err := r.attributes(items, attr, nil)
	if err != nil {
		return nil, err
	}
	return fold(keys, cased), r.chargeItems(len(keys))
}

func fold(keys []any, cased bool) []any {
	if cased {
		return keys
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = k
		if s, ok := k.(string); ok {
			out[i] = strings.ToLower(s)
		}
	}
	return out
}

// sorted returns items in the order of their keys, stably; reverse keeps equal items in order, too.
func (r *render) sorted(items, keys []any, reverse bool) ([]any, error) {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	var failed error
	slices.SortStableFunc(order, func(i, j int) int {
		if failed != nil {
			return 0
		}
		a, b := keys[i], keys[j]
		less, err := r.less(a, b, "<")
		greater := false
		if err == nil && !less {
			greater, err = r.less(b, a, "<")
		}
		failed = err
		c := cmp3(less, greater)
		if reverse {
			return -c
		}
		return c
	})
	out := make([]any, len(items))
	for i, o := range order {
		out[i] = items[o]
	}
	return out, failed
}

func filterSort(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	// "a,b" sorts by several attributes.
	var cols [][]any
	attrs := []any{a[2]}
	if s, ok := a[2].(string); ok {
		attrs = nil
		for _, p := range strings.Split(s, ",") {
			attrs = append(attrs, p)
		}
	}
	for _, attr := range attrs {
		k, err := r.keys(items, attr, truth(a[1]))
		if err != nil {
			return nil, err
		}
		cols = append(cols, k)
	}
	keys := make([]any, len(items)) // lists even for one attribute, as in Jinja2: two that are equal need no order
	for i := range keys {
		t := &Tuple{}
		for _, c := range cols {
			t.Items = append(t.Items, c[i])
		}
		keys[i] = t
	}
	out, err := r.sorted(items, keys, truth(a[0]))
	return &List{out}, err
}

func filterUnique(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	keys, err := r.keys(items, a[1], truth(a[0]))
	if err != nil {
		return nil, err
	}
	seen := map[any]bool{}
	var out []any
	for i, k := range keys {
		h, err := hashKey(k)
		if err == nil {
			err = r.read(k)
		}
		if err != nil {
			return nil, err
		}
		if !seen[h] {
			seen[h] = true
			out = append(out, items[i])
		}
	}
	return &generator{items: out}, nil
}

func filterMin(r *render, v any, a []any) (any, error) { return r.extreme(v, a, "<") }
func filterMax(r *render, v any, a []any) (any, error) { return r.extreme(v, a, ">") }

func (r *render) extreme(v any, a []any, op string) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &Undefined{msg: "no aggregated item, sequence was empty"}, nil
	}
	keys, err := r.keys(items, a[1], truth(a[0]))
	if err != nil {
		return nil, err
	}
	best := 0
	for i := range keys {
		better, err := r.compare(op, keys[i], keys[best])
		if err != nil {
			return nil, err
		}
		if better {
			best = i
		}
	}
	return items[best], nil
}

func filterSum(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if items, err = r.attributes(items, a[0], nil); err != nil {
		return nil, err
	}
	total := a[1]
	for _, x := range items {
		if isString(x) {
			return nil, &Error{Msg: "strings cannot be summed", Hint: "use join"}
		}
		if total, err = r.binary("+", total, x); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func filterBatch(r *render, v any, a []any) (any, error) {
	n, ok := integer(a[0])
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if !ok || n == 0 {
		return nil, failf("filter 'batch': linecount must be an integer other than 0")
	}
	if n < 0 {
		n = math.MaxInt32 // one batch of all
	}
	if n > maxRange && a[1] != nil {
		return nil, failf("filter 'batch': linecount must be at most %d to be filled up", maxRange)
	}
	n = min(n, int64(max(len(items), maxRange)))
	var out []any
	for part := range slices.Chunk(items, int(n)) {
		row := slices.Clone(part)
		for a[1] != nil && len(row) < int(n) {
			row = append(row, a[1])
		}
		out = append(out, &List{row})
	}
	return &generator{items: out}, r.chargeItems(len(out))
}

func filterSlice(r *render, v any, a []any) (any, error) {
	n, ok := integer(a[0])
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	if !ok || n < 1 || n > maxRange {
		return nil, failf("filter 'slice': slices must be an integer from 1 to %d", maxRange)
	}
	per, extra := len(items)/int(n), len(items)%int(n)
	var out []any
	for i, start := 0, 0; i < int(n); i++ {
		end := start + per + int(asInt(i < extra))
		row := slices.Clone(items[start:end])
		if a[1] != nil && i >= extra {
			row = append(row, a[1])
		}
		out = append(out, &List{row})
		start = end
	}
	return &generator{items: out}, r.chargeItems(int(n))
}

func filterGroupby(r *render, v any, a []any) (any, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	real, err := r.attributes(items, a[0], a[1])
	if err != nil {
		return nil, err
	}
	keys := fold(real, truth(a[2]))
	pairs := make([]any, len(items))
	for i := range items {
		pairs[i] = &Tuple{Items: []any{items[i], keys[i], real[i]}}
	}
	if pairs, err = r.sorted(pairs, keys, false); err != nil {
		return nil, err
	}
	out := []any{}
	var group *Tuple
	var key any
	for _, p := range pairs {
		t := p.(*Tuple).Items
		same := false
		if group != nil {
			if same, err = r.equal(key, t[1]); err != nil {
				return nil, err
			}
		}
		if !same {
			// The key shown is that of the first item of the group, in its own case.
			group, key = &Tuple{Items: []any{t[2], &List{}}, names: []string{"grouper", "list"}}, t[1]
			out = append(out, group)
		}
		l := group.Items[1].(*List)
		l.Items = append(l.Items, t[0])
	}
	return &List{out}, nil
}

func filterDictsort(r *render, v any, a []any) (any, error) {
	d, ok := v.(*Dict)
	if u, isUndefined := v.(*Undefined); isUndefined {
		return nil, undefinedErr(u)
	}
	if !ok {
		return nil, failf("filter 'dictsort' needs a dict, not %s", typeName(v))
	}
	pos := map[any]int{"key": 0, "value": 1}
	by, isStr := a[1].(string)
	p, ok := pos[by]
	if !isStr || !ok {
		return nil, failf("filter 'dictsort': by must be 'key' or 'value'")
	}
	var items, keys []any
	for k, x := range d.All() {
		items, keys = append(items, pair(k, x)), append(keys, []any{k, x}[p])
	}
	if err := r.chargeItems(len(items)); err != nil {
		return nil, err
	}
	out, err := r.sorted(items, fold(keys, truth(a[0])), truth(a[2]))
	return &List{out}, err
}

func filterItems(r *render, v any, _ []any) (any, error) {
	switch d := v.(type) {
	case *Undefined:
		return &generator{}, nil
	case *Dict:
		items, err := r.items(&viewValue{d, "items"})
		return &generator{items: items}, err
	}
	return nil, failf("can only get item pairs from a mapping")
}

func filterAttr(r *render, v any, a []any) (any, error) {
	name, err := r.str(a[0])
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*Undefined); ok {
		return nil, undefinedErr(u)
	}
	x, ok, err := r.attribute(v, name)
	if err == nil && !ok {
		return r.noAttr(v, name), nil
	}
	return x, err
}

// itemsOrNone reads v; what is false, such as None, has no items, as in Jinja2.
func (r *render) itemsOrNone(v any) ([]any, error) {
	if !truth(v) {
		return nil, nil
	}
	return r.items(v)
}

// filterMap is map('filter', args…) or map(attribute='a.b', default=…).
func filterMap(r *render, v any, a Args) (any, error) {
	items, err := r.itemsOrNone(v)
	if err != nil {
		return nil, err
	}
	if len(a.Pos) == 0 {
		vals, err := a.Bind(Param{Name: "attribute", Required: true}, opt("default", nil))
		if err != nil {
			return nil, err
		}
		items, err = r.attributes(items, vals[0], vals[1])
		return &generator{items: items}, err
	}
	name, _ := a.Pos[0].(string)
	def := r.env.filters[name]
	if def == nil {
		return nil, &Error{Msg: "unknown filter '" + name + "' in map", Hint: suggest(name, keysOf(r.env.filters))}
	}
	a.Pos, a.name = a.Pos[1:], "filter '"+name+"'"
	for i, x := range items {
		if items[i], err = r.applyFilter(def, x, a); err != nil {
			return nil, err
		}
	}
	return &generator{items: items}, nil
}

// selector makes select, reject, selectattr and rejectattr.
func selector(byAttr, keep bool) func(r *render, v any, a Args) (any, error) {
	return func(r *render, v any, a Args) (any, error) {
		items, err := r.itemsOrNone(v)
		if err != nil {
			return nil, err
		}
		subjects := items
		if byAttr {
			if len(a.Pos) == 0 {
				return nil, failf("missing parameter for attribute name")
			}
			if subjects, err = r.attributes(items, a.Pos[0], nil); err != nil {
				return nil, err
			}
			a.Pos = a.Pos[1:]
		}
		var def *testDef
		if len(a.Pos) > 0 {
			name, _ := a.Pos[0].(string)
			if def = r.env.tests[name]; def == nil {
				return nil, &Error{Msg: "unknown test '" + name + "'", Hint: suggest(name, keysOf(r.env.tests))}
			}
			a.Pos, a.name = a.Pos[1:], "test '"+name+"'"
		}
		var out []any
		for i, x := range subjects {
			ok := any(truth(x))
			if def != nil {
				if ok, err = r.applyTest(def, x, a); err != nil {
					return nil, err
				}
			}
			if err := r.tick(); err != nil {
				return nil, err
			}
			if truth(ok) == keep {
				out = append(out, items[i])
			}
		}
		return &generator{items: out}, nil
	}
}
