// Package lineage says of one SELECT which columns each of its columns comes from. It reads the tree of the engine's own parser and runs
// nothing. What the tree alone cannot tell it names, with the reason; it never guesses. Read Query first, then Of; select.go binds a
// SELECT, scope.go finds what a name means.
package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Ref is a table as a query names it; Catalog and Schema may be empty.
type Ref struct{ Catalog, Schema, Table string }

func (r Ref) String() string {
	var parts []string
	for _, p := range []string{r.Catalog, r.Schema, r.Table} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".")
}

// Table is what is known of one.
type Table struct {
	Name    string   // by which answers tell of it
	Columns []string // in order; nil: they are not known
}

// Resolve gives the table that a query means; false when nobody knows it.
type Resolve func(Ref) (Table, bool)

// Source is a column of a table.
type Source struct{ Table, Column string }

func (s Source) String() string { return s.Table + "." + s.Column }

// How says what becomes of a column on its way into another.
type How string

// What becomes of a column.
const (
	Copied   How = "copied"   // its values are there as they are, maybe under another name
	Computed How = "computed" // it is part of an expression
)

// Input is a column that another one is made of.
type Input struct {
	Source
	How How
}

// The ways in which a column has a say in which rows there are, without being part of a value.
const (
	ByFilter = "filter"
	ByJoin   = "join"
	ByGroup  = "group"
	ByOrder  = "order"
)

// Influence is a column by which rows are chosen, put together, grouped or ordered.
type Influence struct {
	Source
	By []string // sorted
}

// Column is one column of a query.
type Column struct {
	Name       string  // "" where the engine names it after its expression and nobody told how
	From       []Input // sorted; none for a constant
	Unresolved []string
}

// Query is where the columns of a SELECT come from.
type Query struct {
	Columns    []Column
	Influences []Influence
	Tables     []string // that it reads, sorted, by the names that Resolve gave them
	// Unresolved says what could not be found out and belongs to no column: of filters, or of columns whose number is unknown.
	Unresolved []string
}

// Of reads the parser's tree of a SELECT, as json_serialize_sql writes it. names are the columns that the query has, as the engine
// describes them; nil when it was not asked.
func Of(tree []byte, resolve Resolve, names []string) (*Query, error) {
	var parsed struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Statements []struct {
			Node node `json:"node"`
		} `json:"statements"`
	}
	if err := json.Unmarshal(tree, &parsed); err != nil {
		return nil, fmt.Errorf("read the parser's tree: %w", err)
	}
	switch {
	case parsed.Error:
		return nil, errors.New(parsed.Message)
	case len(parsed.Statements) != 1:
		return nil, fmt.Errorf("exactly one SELECT is allowed here, got %d", len(parsed.Statements))
	}
	w := &walk{resolve: resolve}
	r := w.query(parsed.Statements[0].Node, &scope{})
	if w.steps > maxSteps {
		return nil, errors.New("the query is nested so deeply that its lineage was given up")
	}
	q := &Query{Tables: sortedKeys(r.tables), Unresolved: slices.Clone(r.why)}
	var err error
	if q.Columns, err = columnsOf(r.items, names, &q.Unresolved); err != nil {
		return nil, err
	}
	for source, by := range r.influences {
		q.Influences = append(q.Influences, Influence{source, sortedKeys(by)})
	}
	slices.SortFunc(q.Influences, func(a, b Influence) int { return compareSources(a.Source, b.Source) })
	slices.Sort(q.Unresolved)
	q.Unresolved = slices.Compact(q.Unresolved)
	return q, nil
}

// columnsOf gives items the names that the engine has for them. An item that stands for any number of columns gets those that no other
// one claims.
func columnsOf(items []item, names []string, unresolved *[]string) ([]Column, error) {
	if names == nil {
		var columns []Column
		for _, it := range items {
			if it.wide() {
				*unresolved = append(*unresolved, it.unknown())
				continue
			}
			columns = append(columns, it.column(it.name))
		}
		return columns, nil
	}
	items = widened(items, len(names))
	first := slices.IndexFunc(items, item.wide)
	last := len(items) - 1
	for last >= 0 && !items[last].wide() {
		last--
	}
	if first < 0 && len(items) != len(names) || len(items)-(last-first+1) > len(names) {
		return nil, fmt.Errorf("the engine gives %d columns, the query seems to have %d", len(names), len(items))
	}
	var columns []Column
	add := func(it item, name string) error {
		if it.name != "" && !strings.EqualFold(it.name, name) {
			return fmt.Errorf("the engine calls a column %q that seems to be %q", name, it.name)
		}
		columns = append(columns, it.column(name))
		return nil
	}
	if first < 0 {
		for i, it := range items {
			if err := add(it, names[i]); err != nil {
				return nil, err
			}
		}
		return columns, nil
	}
	after := len(items) - 1 - last
	for i, it := range items[:first] {
		if err := add(it, names[i]); err != nil {
			return nil, err
		}
	}
	for _, name := range names[first : len(names)-after] {
		columns = append(columns, among(items[first:last+1], name))
	}
	for i, it := range items[last+1:] {
		if err := add(it, names[len(names)-after+i]); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

// widened lets what may have unfolded a struct stand for several columns, where the engine has not as many as there are items.
func widened(items []item, have int) []item {
	if slices.ContainsFunc(items, item.wide) || len(items) == have {
		return items
	}
	items = slices.Clone(items)
	for i := range items {
		if items[i].unfolds {
			items[i].many = &many{from: items[i].value}
		}
	}
	return items
}

// among finds the column of that name in a stretch of items of which some stand for any number of columns.
func among(items []item, name string) Column {
	var found []item
	for _, it := range items {
		if it.wide() || strings.EqualFold(it.name, name) {
			found = append(found, it)
		}
	}
	if len(found) == 1 && found[0].wide() {
		return item{value: found[0].of(name)}.column(name)
	}
	if i := slices.IndexFunc(found, func(it item) bool { return !it.wide() }); i >= 0 && len(found) == 1 {
		return found[i].column(name)
	}
	return Column{Name: name, Unresolved: []string{"it stands among columns whose number is not known"}}
}

func compareSources(a, b Source) int {
	if c := strings.Compare(a.Table, b.Table); c != 0 {
		return c
	}
	return strings.Compare(a.Column, b.Column)
}
