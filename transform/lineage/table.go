package lineage

import (
	"fmt"
	"slices"
	"strings"
)

// table binds what stands behind FROM. Names that it uses itself, in joins and lateral queries, are looked up around it.
func (w *walk) table(n node, outer *scope) *from {
	if w.steps++; w.steps > maxSteps {
		return &from{}
	}
	switch n.text("type") {
	case "EMPTY":
		return &from{}
	case "BASE_TABLE":
		return w.base(n, outer)
	case "SUBQUERY":
		r := w.query(n.sub("subquery").sub("node"), outer)
		w.frame.read(r)
		return single(n, n.text("alias"), r.items)
	case "JOIN":
		return w.join(n, outer)
	case "EXPRESSION_LIST":
		return w.values(n, outer)
	case "TABLE_FUNCTION":
		return w.function(n, outer)
	case "PIVOT":
		return w.pivot(n, outer)
	}
	why := fmt.Sprintf("the columns of %s are not known", strings.ToLower(n.text("type")))
	return single(n, n.text("alias"), []item{{many: &many{from: unknown(why)}}})
}

// single is a FROM of one relation, with the names that its alias gives to columns.
func single(n node, alias string, items []item) *from {
	names := n.texts("column_name_alias")
	if len(names) > 0 && len(items) > 0 && items[0].wide() {
		var renamed []item
		for _, name := range names {
			renamed = append(renamed, item{name: name, value: unknown("it renames a column of a table whose columns are not known")})
		}
		return offer(alias, n, append(renamed, items...))
	}
	return offer(alias, n, named(items, names))
}

func offer(alias string, n node, items []item) *from {
	rel := &relation{alias: alias, catalog: n.text("catalog_name"), schema: n.text("schema_name"), items: items}
	for i := range rel.items {
		rel.items[i].rel = rel
	}
	return &from{relations: []*relation{rel}, star: rel.items}
}

// base binds a table by its name, or a common table expression.
func (w *walk) base(n node, outer *scope) *from {
	ref := Ref{n.text("catalog_name"), n.text("schema_name"), n.text("table_name")}
	alias := n.text("alias")
	if alias == "" {
		alias = ref.Table
	}
	if cte := outer.ctes.find(ref.Table); cte != nil && ref.Schema == "" && ref.Catalog == "" {
		r := cte.bind()
		w.frame.read(r)
		return single(n, alias, slices.Clone(r.items))
	}
	t, known := w.resolve(ref)
	if !known {
		t = Table{Name: ref.String()}
		w.frame.why = append(w.frame.why, fmt.Sprintf("no table %s is known", ref))
	}
	w.frame.tables[t.Name] = true
	if t.Columns == nil {
		return single(n, alias, []item{{many: &many{open: t.Name}}})
	}
	items := make([]item, len(t.Columns))
	for i, c := range t.Columns {
		items[i] = item{name: c, value: copied(t.Name, c)}
	}
	return single(n, alias, items)
}

// join binds both sides; the right one may name the columns of the left.
func (w *walk) join(n node, outer *scope) *from {
	left := w.table(n.sub("left"), outer)
	right := w.table(n.sub("right"), &scope{outer: outer, from: left, ctes: outer.ctes})
	both := &from{relations: append(slices.Clone(left.relations), right.relations...)}
	using := n.texts("using_columns")
	if n.text("ref_type") == "NATURAL" {
		using = w.common(left.star, right.star)
	}
	both.star = append(slices.Clone(left.star), right.star...)
	w.influence(n.sub("condition"), &scope{outer: outer, from: both, ctes: outer.ctes}, ByJoin)
	if len(using) > 0 {
		both.star = w.merged(left, right, using, n.text("join_type"))
	}
	if kind := n.text("join_type"); kind == "SEMI" || kind == "ANTI" {
		both.star, both.relations = left.star, left.relations
	}
	return both
}

// common are the columns that a natural join is by.
func (w *walk) common(left, right []item) []string {
	if slices.ContainsFunc(slices.Concat(left, right), item.wide) {
		w.frame.why = append(w.frame.why, "what a NATURAL JOIN is by is not known where the columns of a table are not")
	}
	var names []string
	for _, l := range left {
		if !l.wide() && l.name != "" && slices.ContainsFunc(right, func(r item) bool { return !r.wide() && strings.EqualFold(r.name, l.name) }) {
			names = append(names, l.name)
		}
	}
	return names
}

// merged are the columns of a join in which those of USING stand once.
func (w *walk) merged(left, right *from, using []string, kind string) []item {
	lefts, rights := slices.Clone(left.star), slices.Clone(right.star)
	for _, name := range using {
		_, l, _ := (&scope{from: left}).member(lefts, []string{name}, name)
		_, r, _ := (&scope{from: right}).member(rights, []string{name}, name)
		w.frame.influence(l.with(r), ByJoin)
		v := l
		switch kind {
		case "RIGHT":
			v = r
		case "OUTER", "FULL":
			v = l.with(r).computed()
		}
		lefts, rights = put(lefts, name, v), without(rights, name)
	}
	return append(lefts, rights...)
}

// put gives the column of that name another value.
func put(items []item, name string, v value) []item {
	for i, it := range items {
		if !it.wide() && strings.EqualFold(it.name, name) {
			items[i].value = v
			return items
		}
	}
	return append([]item{{name: name, value: v}}, without(items, name)...)
}

func without(items []item, name string) []item {
	for i, it := range items {
		switch {
		case it.wide():
			items[i] = it.hide(name)
		case strings.EqualFold(it.name, name):
			return slices.Delete(items, i, i+1)
		}
	}
	return items
}

// values binds a list of VALUES.
func (w *walk) values(n node, outer *scope) *from {
	var items []item
	for _, row := range n.list("values") {
		cells, _ := row.([]any)
		for i, cell := range cells {
			if i == len(items) {
				items = append(items, item{name: fmt.Sprintf("col%d", i)})
			}
			if e, ok := cell.(map[string]any); ok {
				items[i].value = items[i].with(w.value(e, outer))
			}
		}
	}
	for i, name := range n.texts("expected_names") {
		if i < len(items) {
			items[i].name = name
		}
	}
	return single(n, n.text("alias"), items)
}

// function binds a table function. But for those that make rows of their arguments it reads what is not in the project.
func (w *walk) function(n node, outer *scope) *from {
	f := n.sub("function")
	name := strings.ToLower(f.text("function_name"))
	alias := n.text("alias")
	if alias == "" {
		alias = name
	}
	var items []item
	switch name {
	case "unnest", "range", "generate_series":
		var v value
		unfolds := false
		for _, arg := range f.nodes("children") {
			if arg.text("alias") != "" {
				unfolds = true // recursive := true
				continue
			}
			v = v.with(w.value(arg, outer).computed())
		}
		items = []item{{name: name, value: v}}
		if unfolds {
			items = []item{{many: &many{from: v}}}
		}
	default:
		w.frame.tables[name+"()"] = true
		items = []item{{many: &many{open: name + "()"}}}
	}
	if n.text("with_ordinality") == "WITH_ORDINALITY" {
		items = append(items, item{name: "ordinality"})
	}
	return single(n, alias, items)
}

// pivot binds PIVOT and UNPIVOT.
func (w *walk) pivot(n node, outer *scope) *from {
	source := w.table(n.sub("source"), outer)
	s := &scope{outer: outer, from: source, ctes: outer.ctes}
	if len(n.list("unpivot_names")) > 0 {
		return single(n, n.text("alias"), w.unpivoted(n, s))
	}
	made, used := value{}, map[string]bool{}
	for _, e := range n.nodes("aggregates") {
		made = made.with(w.value(e, s).computed())
		mentions(e, used)
	}
	for _, p := range n.nodes("pivots") {
		for _, e := range p.nodes("pivot_expressions") {
			made = made.with(w.value(e, s).computed())
			mentions(e, used)
		}
	}
	var items []item
	groups := n.texts("groups")
	for _, g := range groups {
		name, v := s.column([]string{g})
		items = append(items, item{name: name, value: v})
	}
	for _, it := range source.star {
		if len(groups) == 0 && (it.wide() || !used[strings.ToLower(it.name)]) {
			items = append(items, it)
		}
	}
	w.frame.influence(all(items), ByGroup)
	return single(n, n.text("alias"), append(items, item{many: &many{from: made}}))
}

// mentions collects the names of columns in an expression, in lower case.
func mentions(v any, names map[string]bool) {
	switch v := v.(type) {
	case node:
		mentions(map[string]any(v), names)
	case map[string]any:
		if parts := node(v).texts("column_names"); len(parts) > 0 {
			names[strings.ToLower(parts[len(parts)-1])] = true
		}
		for _, child := range v {
			mentions(child, names)
		}
	case []any:
		for _, child := range v {
			mentions(child, names)
		}
	}
}

// unpivoted are the columns that stay, the one with the names of those that do not, and those with their values.
func (w *walk) unpivoted(n node, s *scope) []item {
	gone := map[string]bool{}
	values := make([]value, len(n.texts("unpivot_names")))
	take := func(at int, v value) {
		at = min(at, len(values)-1)
		values[at] = values[at].with(v)
	}
	var named []item
	for _, p := range n.nodes("pivots") {
		for _, name := range p.texts("unpivot_names") {
			named = append(named, item{name: name})
		}
		for _, entry := range p.nodes("entries") {
			for i, constant := range entry.nodes("values") {
				name, _ := constant["value"].(string)
				_, v := s.column([]string{name})
				gone[strings.ToLower(name)] = true
				take(i, v)
			}
			e := entry.sub("star_expr")
			switch {
			case e == nil:
			case isStar(e, true) || isStar(e, false):
				for _, it := range w.columnSet(e, s) {
					gone[strings.ToLower(it.name)] = true
					take(0, all([]item{it}))
				}
			case e.text("type") == "FUNCTION" && e.text("function_name") == "row":
				for i, part := range e.nodes("children") {
					take(i, w.value(part, s))
				}
				mentions(e, gone)
			default:
				take(0, w.value(e, s))
				mentions(e, gone)
			}
		}
	}
	var items []item
	for _, it := range s.from.star {
		if it.wide() {
			for name := range gone {
				it = it.hide(name)
			}
		}
		if it.wide() || !gone[strings.ToLower(it.name)] {
			items = append(items, it)
		}
	}
	items = append(items, named...)
	for i, name := range n.texts("unpivot_names") {
		items = append(items, item{name: name, value: values[i]})
	}
	return items
}
