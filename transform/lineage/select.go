package lineage

import (
	"fmt"
	"slices"
	"strings"
)

// maxSteps ends the walk of a tree in which recursive queries stand in recursive queries.
const maxSteps = 5_000_000

// walk binds one statement.
type walk struct {
	resolve Resolve
	steps   int
	frame   *result // of the query in hand
	each    *item   // the column that COLUMNS(…) stands for at the moment
}

// query binds a SELECT, a set operation or a recursive query.
func (w *walk) query(n node, outer *scope) *result {
	around := w.frame
	w.frame = newResult()
	defer func() { w.frame = around }()
	if w.steps++; w.steps > maxSteps {
		return w.frame
	}
	outer = &scope{outer: outer.outer, from: outer.from, aliases: outer.aliases, params: outer.params, ctes: w.with(n, outer)}
	switch n.text("type") {
	case "SELECT_NODE":
		w.selects(n, outer)
	case "SET_OPERATION_NODE":
		w.combine(n, outer)
	case "RECURSIVE_CTE_NODE":
		w.recursive(n, outer)
	default:
		why := fmt.Sprintf("%s is not understood", strings.ToLower(n.text("type")))
		w.frame.items = []item{{many: &many{from: unknown(why)}}}
	}
	return w.frame
}

// with adds the common table expressions of a query to those around it. Each sees those before it, and is bound when it is first read.
func (w *walk) with(n node, outer *scope) *ctes {
	known := outer.ctes
	for _, entry := range n.sub("cte_map").nodes("map") {
		body, before := entry.sub("value"), known
		var bound *result
		known = &ctes{name: entry.text("key"), outer: before}
		known.bind = func() *result {
			if bound == nil {
				inner := *outer
				inner.ctes = before
				bound = w.query(body.sub("query").sub("node"), &inner)
				bound.items = named(bound.items, body.texts("aliases"))
			}
			return bound
		}
	}
	return known
}

// named are the columns of a query as a table: with the names that its alias gives them, and none twice.
func named(items []item, names []string) []item {
	items = slices.Clone(items)
	seen, counts := map[string]bool{}, map[string]int{}
	sure := true
	for i := range items {
		if sure = sure && !items[i].wide(); !sure {
			break
		}
		if i < len(names) {
			items[i].name, items[i].alias = names[i], true
		}
		name := items[i].name
		if name == "" {
			continue
		}
		for seen[strings.ToLower(name)] {
			counts[strings.ToLower(items[i].name)]++
			name = fmt.Sprintf("%s_%d", items[i].name, counts[strings.ToLower(items[i].name)])
		}
		items[i].name = name
		seen[strings.ToLower(name)] = true
	}
	return items
}

// selects binds one SELECT.
func (w *walk) selects(n node, outer *scope) {
	s := &scope{outer: outer, ctes: outer.ctes, from: &from{}}
	if table := n.sub("from_table"); table != nil {
		s.from = w.table(table, outer)
	}
	for _, e := range n.nodes("select_list") {
		items := w.selected(e, s)
		w.frame.items = append(w.frame.items, items...)
		s.aliases = w.frame.items
	}
	w.influence(n.sub("where_clause"), s, ByFilter)
	for _, e := range n.nodes("group_expressions") {
		w.frame.influence(w.positioned(e, s), ByGroup)
	}
	if n.text("aggregate_handling") == "FORCE_AGGREGATES" {
		w.groupedByAll(n.nodes("select_list"), s)
	}
	w.influence(n.sub("having"), s, ByFilter)
	w.influence(n.sub("qualify"), s, ByFilter)
	w.modifiers(n, s)
}

// groupedByAll notes what GROUP BY ALL groups by: the columns that aggregate nothing.
func (w *walk) groupedByAll(list []node, s *scope) {
	for _, e := range list {
		if !aggregates(e) {
			for _, it := range w.selected(e, s) {
				w.frame.influence(it.value, ByGroup)
			}
		}
	}
}

// modifiers notes what orders and what is distinct. Aliases go before columns there.
func (w *walk) modifiers(n node, s *scope) {
	last := *s
	last.aliases, last.aliasFirst = slices.Clone(w.frame.items), true
	for i := range last.aliases {
		last.aliases[i].alias = true
	}
	for _, m := range n.nodes("modifiers") {
		for _, o := range m.nodes("orders") {
			e := o.sub("expression")
			if e.text("type") == "STAR" { // ORDER BY ALL
				w.frame.influence(all(w.frame.items), ByOrder)
				continue
			}
			w.frame.influence(w.positioned(e, &last), ByOrder)
		}
		for _, e := range m.nodes("distinct_on_targets") {
			w.frame.influence(w.positioned(e, &last), ByGroup)
		}
		w.influence(m.sub("limit"), &last, ByFilter)
		w.influence(m.sub("offset"), &last, ByFilter)
	}
}

// positioned is the value of an expression in which a number means a column of the select list.
func (w *walk) positioned(e node, s *scope) value {
	number := e.sub("value")["value"]
	if e.text("type") == "POSITIONAL_REFERENCE" {
		number = e["index"]
	} else if e.text("type") != "VALUE_CONSTANT" {
		return w.value(e, s)
	}
	at, ok := number.(float64)
	if !ok || at < 1 || int(at) > len(w.frame.items) {
		return value{}
	}
	for _, it := range w.frame.items[:int(at)] {
		if it.wide() {
			return unknown(fmt.Sprintf("column %d stands behind columns whose number is not known", int(at)))
		}
	}
	return w.frame.items[int(at)-1].value
}

// influence notes an expression that has a say in which rows there are.
func (w *walk) influence(e node, s *scope, by string) {
	if e != nil {
		w.frame.influence(w.value(e, s), by)
	}
}

// combine binds a set operation of two queries or more.
func (w *walk) combine(n node, outer *scope) {
	parts := n.nodes("children")
	if len(parts) == 0 {
		parts = []node{n.sub("left"), n.sub("right")}
	}
	for i, part := range parts {
		r := w.query(part, outer)
		w.frame.read(r)
		switch kind := n.text("setop_type"); {
		case i == 0:
			w.frame.items = r.items
		case kind == "UNION":
			w.frame.items = byPosition(w.frame.items, r.items)
		case kind == "UNION_BY_NAME":
			w.frame.items = byName(w.frame.items, r.items)
		default: // EXCEPT, INTERSECT: its rows choose among those of the first
			w.frame.influence(all(r.items), ByFilter)
		}
	}
	w.modifiers(n, &scope{outer: outer, ctes: outer.ctes})
}

func byPosition(left, right []item) []item {
	var out []item
	for i := range max(len(left), len(right)) {
		if i >= len(left) || i >= len(right) || left[i].wide() || right[i].wide() {
			rest := all(left[min(i, len(left)):]).with(all(right[min(i, len(right)):])).computed()
			rest = rest.with(unknown("the columns of a UNION cannot be told apart where their number is not known"))
			return append(out, item{many: &many{from: rest}})
		}
		it := left[i]
		it.value, it.rel = it.with(right[i].value), nil
		out = append(out, it)
	}
	return out
}

func byName(left, right []item) []item {
	out := slices.Clone(left)
	for _, it := range right {
		at := slices.IndexFunc(out, func(o item) bool {
			return !o.wide() && !it.wide() && it.name != "" && strings.EqualFold(o.name, it.name)
		})
		if at < 0 {
			out = append(out, it)
			continue
		}
		out[at].value = out[at].with(it.value)
	}
	return out
}

// recursive binds a recursive query: what its second half reads of itself is what both halves give, so it is looked at until that stands.
func (w *walk) recursive(n node, outer *scope) {
	left := w.query(n.sub("left"), outer)
	left.items = named(left.items, n.texts("aliases"))
	items := left.items
	var right *result
	for {
		inner := *outer
		self := &result{items: items, influences: map[Source]map[string]bool{}, tables: map[string]bool{}}
		inner.ctes = &ctes{name: n.text("cte_name"), bind: func() *result { return self }, outer: outer.ctes}
		right = w.query(n.sub("right"), &inner)
		next := byPosition(items, right.items)
		same := slices.EqualFunc(items, next, func(a, b item) bool { return a.wide() || b.wide() || a.value.equal(b.value) })
		if items = next; same || w.steps > maxSteps {
			break
		}
	}
	w.frame.read(left)
	w.frame.read(right)
	w.frame.items = items
}
