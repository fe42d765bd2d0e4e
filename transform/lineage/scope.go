package lineage

import (
	"fmt"
	"slices"
	"strings"
)

// relation is one table of a FROM clause.
type relation struct {
	alias           string
	catalog, schema string // of a table that is named with them
	items           []item
}

// from is what a FROM clause offers: its relations for qualified names, and the columns that an asterisk stands for.
type from struct {
	relations []*relation
	star      []item
}

// scope is what names can mean at one place of a query.
type scope struct {
	outer      *scope
	from       *from
	aliases    []item // of the select list so far
	aliasFirst bool   // ORDER BY: they go before columns
	params     []string
	ctes       *ctes
}

// ctes are common table expressions, the latest first.
type ctes struct {
	name  string
	bind  func() *result
	outer *ctes
}

func (c *ctes) find(name string) *ctes {
	for ; c != nil; c = c.outer {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// clocks are spelled as columns and are none.
var clocks = []string{"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "user", "session_user",
	"current_role", "current_schema", "current_catalog", "rowid"}

// column finds what a name means: the name of the column, where it has one, and where it comes from.
func (s *scope) column(names []string) (string, value) {
	if len(names) == 0 {
		return "", unknown("a column without a name")
	}
	for at := s; at != nil; at = at.outer {
		if name, v, ok := at.own(names); ok {
			return name, v
		}
	}
	last := names[len(names)-1]
	if slices.Contains(clocks, strings.ToLower(last)) {
		return last, value{}
	}
	for at := s; at != nil; at = at.outer {
		if at.from != nil && slices.ContainsFunc(at.from.star, func(it item) bool { return it.name == "" && !it.wide() }) {
			return last, unknown(fmt.Sprintf("%s seems to be a column that is named after its expression: give that an alias", last))
		}
	}
	return last, unknown(fmt.Sprintf("no table has a column %s", strings.Join(names, ".")))
}

// own looks at this scope alone.
func (s *scope) own(names []string) (string, value, bool) {
	first := names[0]
	if slices.ContainsFunc(s.params, func(p string) bool { return strings.EqualFold(p, first) }) {
		return first, value{}, true // the list that it runs through is an input already
	}
	if s.aliasFirst {
		if v, ok := s.alias(names); ok {
			return first, v, true
		}
	}
	if s.from != nil {
		for n := min(len(names)-1, 3); n > 0; n-- {
			if rel := s.from.relation(names[:n]); rel != nil {
				if name, v, ok := s.member(rel.items, names[n:], rel.alias); ok {
					return name, v, true
				}
			}
		}
		if name, v, ok := s.member(s.from.star, names, ""); ok {
			return name, v, true
		}
	}
	if v, ok := s.alias(names); ok {
		return first, v, true
	}
	if s.from != nil && len(names) == 1 { // a row as a whole
		if rel := s.from.relation(names); rel != nil {
			return first, all(rel.items).computed(), true
		}
	}
	return "", value{}, false
}

func (s *scope) alias(names []string) (value, bool) {
	for _, it := range s.aliases {
		if !it.wide() && it.alias && strings.EqualFold(it.name, names[0]) {
			if len(names) > 1 {
				return it.computed(), true
			}
			return it.value, true
		}
	}
	return value{}, false
}

// member finds a column among items by the first of the names; the others are fields of it. table is the relation when the name is
// qualified by it, and then nothing else can be meant.
func (s *scope) member(items []item, names []string, table string) (string, value, bool) {
	var open []item
	for _, it := range items {
		switch {
		case it.wide() || it.unfolds && !it.alias:
			open = append(open, it)
		case strings.EqualFold(it.name, names[0]):
			if len(names) > 1 {
				return names[len(names)-1], it.computed(), true
			}
			return it.name, it.value, true
		}
	}
	open = slices.DeleteFunc(open, func(it item) bool { return it.wide() && it.many.hidden[strings.ToLower(names[0])] })
	if len(open) == 0 || slices.Contains(clocks, strings.ToLower(names[0])) || table == "" && s.meantAround(names) {
		return "", value{}, false
	}
	last := names[len(names)-1]
	if len(open) > 1 {
		var tables []string
		for _, it := range open {
			if it.wide() && it.many.open != "" {
				tables = append(tables, it.many.open)
			}
		}
		return last, unknown(fmt.Sprintf("column %s may be one of several tables whose columns are not known: %s", names[0], strings.Join(tables, ", "))), true
	}
	v := open[0].value.computed()
	if open[0].wide() {
		v = open[0].of(names[0])
	}
	if len(names) > 1 {
		v = v.computed()
	}
	if table == "" {
		if why := s.rival(names, v); why != "" {
			return last, unknown(why), true
		}
	}
	return last, v, true
}

// meantAround says whether a name is qualified by a table of a query around this one: it is not taken for a field then.
func (s *scope) meantAround(names []string) bool {
	for at := s.outer; at != nil && len(names) > 1; at = at.outer {
		if at.from != nil && at.from.relation(names[:1]) != nil {
			return true
		}
	}
	return false
}

// rival says what else a name may mean that is taken for a column, v, of a table whose columns are not known. An alias that is made of that
// column itself is none: the column is there then, and goes first.
func (s *scope) rival(names []string, v value) string {
	alias, ok := s.alias(names)
	for source := range v.from {
		_, same := alias.from[source]
		ok = ok && !same
	}
	if ok {
		return fmt.Sprintf("%s may be a column of a table whose columns are not known, or the alias", names[0])
	}
	if len(names) > 1 && s.from.relation(names[:1]) != nil {
		return fmt.Sprintf("no column %s is known of %s", names[1], names[0])
	}
	for at := s.outer; at != nil; at = at.outer {
		if at.from != nil && slices.ContainsFunc(at.from.star, func(it item) bool { return !it.wide() && strings.EqualFold(it.name, names[0]) }) ||
			slices.ContainsFunc(at.params, func(p string) bool { return strings.EqualFold(p, names[0]) }) {
			return fmt.Sprintf("%s may be a column of a table whose columns are not known, or one of the query around it", names[0])
		}
	}
	return ""
}

// relation finds the one that is named table, schema.table or catalog.schema.table.
func (f *from) relation(names []string) *relation {
	for _, rel := range f.relations {
		n := len(names)
		if !strings.EqualFold(rel.alias, names[n-1]) {
			continue
		}
		if n == 1 || rel.schema == "" || n == 2 && strings.EqualFold(rel.schema, names[0]) ||
			n == 3 && strings.EqualFold(rel.schema, names[1]) && (rel.catalog == "" || strings.EqualFold(rel.catalog, names[0])) {
			return rel
		}
	}
	return nil
}
