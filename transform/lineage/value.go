package lineage

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// node is a node of the parser's tree.
type node map[string]any

func (n node) text(key string) string {
	s, _ := n[key].(string)
	return s
}

func (n node) sub(key string) node {
	m, _ := n[key].(map[string]any)
	return m
}

func (n node) list(key string) []any {
	l, _ := n[key].([]any)
	return l
}

func (n node) nodes(key string) []node {
	var all []node
	for _, v := range n.list(key) {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func (n node) texts(key string) []string {
	var all []string
	for _, v := range n.list(key) {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// value is where a column or an expression comes from, and why that is not all that there is to say. It is never changed once made.
type value struct {
	from map[Source]How
	why  []string
}

func copied(table, column string) value {
	return value{from: map[Source]How{{table, column}: Copied}}
}

func unknown(why string) value { return value{why: []string{why}} }

// with joins two values; what is copied into one and computed in the other is computed.
func (v value) with(other value) value {
	if len(v.from)+len(v.why) == 0 {
		return other
	}
	if len(other.from)+len(other.why) == 0 {
		return v
	}
	out := value{from: map[Source]How{}, why: slices.Clone(v.why)}
	maps.Copy(out.from, v.from)
	for s, how := range other.from {
		if was, ok := out.from[s]; ok && was != how {
			how = Computed
		}
		out.from[s] = how
	}
	for _, why := range other.why {
		if !slices.Contains(out.why, why) {
			out.why = append(out.why, why)
		}
	}
	return out
}

// computed is the value as part of an expression.
func (v value) computed() value {
	out := value{why: v.why, from: make(map[Source]How, len(v.from))}
	for s := range v.from {
		out.from[s] = Computed
	}
	return out
}

func (v value) equal(other value) bool {
	return maps.Equal(v.from, other.from) && len(v.why) == len(other.why)
}

// item is a column of a relation or of a select list, or any number of them where it is not known how many.
type item struct {
	name string // "" when it is named after its expression
	value
	many    *many
	rel     *relation // whose column it is
	unfolds bool      // a struct may have been unfolded into several columns here
	alias   bool      // the query gives it its name
}

// many says what is known of columns whose number is not.
type many struct {
	open   string          // the table that they are copied from, each under its own name; "" when that is not known
	hidden map[string]bool // lower-case names that are not among them
	from   value           // what each is made of, when open is ""
	// An expression is repeated for each of them: they are computed then, of extra too.
	computed bool
	extra    value
}

func (it item) wide() bool { return it.many != nil }

// of is where one of many columns comes from.
func (it item) of(name string) value {
	v := it.many.from
	if it.many.open != "" {
		v = copied(it.many.open, name)
	}
	if it.many.computed {
		v = v.with(it.many.extra).computed()
	}
	return v
}

// unknown says why it cannot be told what the columns are.
func (it item) unknown() string {
	if it.many.open != "" {
		return "the columns of " + it.many.open + " are not known"
	}
	return cmp.Or(strings.Join(it.many.from.why, "; "), "the names of some columns are not known")
}

// hide leaves a column out of many.
func (it item) hide(name string) item {
	hidden := map[string]bool{strings.ToLower(name): true}
	maps.Copy(hidden, it.many.hidden)
	changed := *it.many
	changed.hidden = hidden
	it.many = &changed
	return it
}

func (it item) column(name string) Column {
	c := Column{Name: name, Unresolved: slices.Sorted(slices.Values(it.why))}
	for s, how := range it.from {
		c.From = append(c.From, Input{s, how})
	}
	slices.SortFunc(c.From, func(a, b Input) int { return compareSources(a.Source, b.Source) })
	return c
}

// result is what a query gives, with what it reads.
type result struct {
	items      []item
	influences map[Source]map[string]bool
	tables     map[string]bool
	why        []string
}

func newResult() *result {
	return &result{influences: map[Source]map[string]bool{}, tables: map[string]bool{}}
}

// influence notes columns that have a say in which rows there are.
func (r *result) influence(v value, by string) {
	for s := range v.from {
		if r.influences[s] == nil {
			r.influences[s] = map[string]bool{}
		}
		r.influences[s][by] = true
	}
	r.why = append(r.why, v.why...)
}

// read takes over what a query within this one reads.
func (r *result) read(inner *result) {
	for s, by := range inner.influences {
		for b := range by {
			r.influence(value{from: map[Source]How{s: Computed}}, b)
		}
	}
	maps.Copy(r.tables, inner.tables)
	for _, why := range inner.why {
		if !slices.Contains(r.why, why) {
			r.why = append(r.why, why)
		}
	}
}

func all(items []item) value {
	var v value
	for _, it := range items {
		if it.wide() {
			v = v.with(it.many.from)
			if it.many.open != "" {
				v = v.with(unknown(it.unknown()))
			}
			continue
		}
		v = v.with(it.value)
	}
	return v
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
