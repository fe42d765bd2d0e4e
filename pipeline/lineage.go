package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/lineage"
	"github.com/millrace/millrace/transform/seed"
	"github.com/millrace/millrace/warehouse"
)

// Lineage is where the columns of a project come from, as far as that can be known without running anything or opening a source.
type Lineage struct {
	Project string        `json:"project"`
	Nodes   []LineageNode `json:"nodes"` // in dependency order

	byName map[string]*LineageNode // in lower case
}

// LineageNode is a table of the project with its columns.
type LineageNode struct {
	Name       string             `json:"name"`
	Kind       string             `json:"kind"`
	Mode       string             `json:"mode,omitempty"` // of a stream; the materialization of a model
	Reads      []string           `json:"reads"`
	Readers    []string           `json:"readers"`
	Exposures  []string           `json:"exposures"` // that use it
	Columns    []LineageColumn    `json:"columns"`
	Incomplete bool               `json:"columns_incomplete"` // it may have others than these
	Influences []LineageInfluence `json:"influences"`         // columns by which its rows are chosen, put together, grouped or ordered
	External   []string           `json:"external"`           // what it reads that no node of the project makes
	Unresolved []string           `json:"unresolved"`         // what could not be found out of its SELECT
	Error      string             `json:"error,omitempty"`    // why it could not be analysed at all
	At         string             `json:"at,omitempty"`       // file:line:column of the error
	SQL        string             `json:"-"`                  // of a model, as it is built from nothing
}

// LineageColumn is one column of a table.
type LineageColumn struct {
	Name       string         `json:"name"`
	Type       string         `json:"type,omitempty"`
	From       []LineageInput `json:"from"`
	Unresolved []string       `json:"unresolved,omitempty"`
	Personal   string         `json:"personal,omitempty"`      // tagged: the project says so. made: it is made of personal columns
	PersonalOf []string       `json:"personal_of,omitempty"`   // those that it is made of
	Readers    []LineageInput `json:"to"`                      // columns that are made of it
	By         []string       `json:"influences_of,omitempty"` // nodes whose rows it has a say in
}

// LineageInput is a column that another is made of, and what becomes of it.
type LineageInput struct {
	Table  string      `json:"table"`
	Column string      `json:"column"`
	How    lineage.How `json:"how"`
}

// LineageInfluence is a column that has a say in which rows a table has.
type LineageInfluence struct {
	Table  string   `json:"table"`
	Column string   `json:"column"`
	By     []string `json:"by"` // filter, join, group, order, match
}

// ByMatch is the influence of what an entity's records are matched by.
const ByMatch = "match"

// Where a column's being personal comes from.
const (
	PersonalTagged = "tagged"
	PersonalMade   = "made"
)

// Node returns the node of that name, or nil.
func (l *Lineage) Node(name string) *LineageNode { return l.byName[strings.ToLower(name)] }

// Column returns the column of that name, or nil.
func (n *LineageNode) Column(name string) *LineageColumn {
	for i := range n.Columns {
		if strings.EqualFold(n.Columns[i].Name, name) {
			return &n.Columns[i]
		}
	}
	return nil
}

// Lineage looks at every node of the project. Models are rendered and parsed; where the columns of what they read are known, the engine
// binds them over empty tables. A Loader need not be there: nothing is known of what is published then.
func (e *Engine) Lineage(ctx context.Context) (*Lineage, error) {
	published := &load.Manifest{}
	if e.Loader != nil {
		var err error
		if published, err = e.current(ctx); err != nil {
			return nil, err
		}
	}
	temp, remove, err := fsx.TempFolder("", "millrace-lineage-")
	if err != nil {
		return nil, fmt.Errorf("lineage: %w", err)
	}
	defer remove()
	engine, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: 1, Temp: filepath.Join(temp, "spill"),
		Dirs: e.withTarget(temp)})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	w := e.onDemand(engine, published, "lineage", e.Project.Name)
	t := &tracing{Engine: e, published: published, w: w, temp: temp, found: map[*models.Node]*LineageNode{}, bound: map[*models.Node]bool{}}
	t.builder = &transform.Builder{Project: e.Project, Warehouse: w, Published: w, Apart: true}
	if err := transform.Walk(ctx, e.Project.Nodes, max(1, e.Threads), t.visit); err != nil {
		return nil, err
	}
	return t.graph(), nil
}

// tracing is one Lineage being made.
type tracing struct {
	*Engine
	published *load.Manifest
	w         *onDemand
	temp      string
	builder   *transform.Builder

	mu    sync.Mutex
	found map[*models.Node]*LineageNode
	bound map[*models.Node]bool // it is exposed in the engine
}

// visit looks at one node, when all that it reads has been looked at.
func (t *tracing) visit(ctx context.Context, n *models.Node) error {
	one := &LineageNode{Name: n.Name(), Kind: string(n.Kind), Reads: []string{}, Readers: []string{}, Exposures: []string{},
		Columns: []LineageColumn{}, Influences: []LineageInfluence{},
		External: []string{}, Unresolved: []string{}}
	for _, need := range n.Needs {
		one.Reads = append(one.Reads, need.Name())
	}
	known := t.known(ctx, n)
	switch {
	case n.Model != nil:
		one.Mode = string(n.Model.Materialized)
		if err := t.model(ctx, n, one, known); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			failed := explainModel(n, err)
			one.Error, one.Incomplete = failed.Error(), true
			var se *StepError
			if errors.As(failed, &se) {
				one.Error, one.At = se.Err.Error(), se.Pos
			}
			one.Columns = columnsAlone(known)
			for i := range one.Columns {
				one.Columns[i].Unresolved = []string{one.unread()}
			}
		}
	default:
		if n.Stream != nil {
			one.Mode = n.Stream.Mode
		}
		one.Columns, one.Incomplete = columnsAlone(known), known == nil
		if n.Entity != nil {
			t.entity(ctx, n, one)
		}
	}
	one.declared(n)
	if !one.Incomplete && typed(one.Columns) {
		t.expose(ctx, n, one)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.found[n] = one
	return nil
}

// unread says of a node's columns that its SELECT could not be analysed, and where that fails. What the error says the node has.
func (one *LineageNode) unread() string {
	if one.At == "" {
		return "the SELECT of " + one.Name + " could not be analysed"
	}
	return fmt.Sprintf("the SELECT of %s could not be analysed (%s)", one.Name, one.At)
}

// known are the columns that a node has for sure, as it is published or as its contract says; nil when nothing says it.
func (t *tracing) known(ctx context.Context, n *models.Node) []warehouse.Column {
	if table := t.published.Table(nameOf(n)); table != nil {
		return table.Columns
	}
	if c := n.Contract(); c != nil && c.Extra != models.ExtraAllowed {
		var columns []warehouse.Column
		for _, column := range c.Columns {
			columns = append(columns, warehouse.Column{Name: column.Name, Type: column.Type})
		}
		return columns
	}
	if n.Seed != nil {
		return t.seed(ctx, n)
	}
	return nil
}

// seed are the columns of a file of the project. What is wrong with one that cannot be read, plan says.
func (t *tracing) seed(ctx context.Context, n *models.Node) []warehouse.Column {
	read, err := seed.Read(ctx, seed.Of(t.Project, n), filepath.Join(t.temp, fileName(n.Name())+".parquet"))
	if err != nil {
		return nil
	}
	if _, err := read.Settle(ctx, t.w); err != nil {
		return nil
	}
	columns, err := t.w.Describe(ctx, read.SQL(t.w.Dialect()))
	if err != nil {
		return nil
	}
	columns, _ = warehouse.StoredColumns(columns)
	return columns
}

func columnsAlone(known []warehouse.Column) []LineageColumn {
	columns := make([]LineageColumn, len(known))
	for i, c := range known {
		columns[i] = LineageColumn{Name: c.Name, Type: c.Type, From: []LineageInput{}}
	}
	return columns
}

// declared adds the columns that only the project's files tell of, where others may be.
func (one *LineageNode) declared(n *models.Node) {
	for _, c := range n.Columns {
		if one.Incomplete && one.Column(c.Name) == nil {
			one.Columns = append(one.Columns, LineageColumn{Name: c.Name, Type: c.Type, From: []LineageInput{}, Unresolved: one.unsure("only the project's files tell of it")})
		}
	}
}

// unsure is why it is not known what a column is made of; of what reads nothing there is nothing to know.
func (one *LineageNode) unsure(why string) []string {
	if len(one.Reads)+len(one.External) == 0 && one.Kind != string(models.KindModel) {
		return nil
	}
	return []string{why}
}

func typed(columns []LineageColumn) bool {
	return len(columns) > 0 && !slices.ContainsFunc(columns, func(c LineageColumn) bool { return c.Type == "" || c.Name == "" })
}

// expose makes an empty table of the node, for models that read it. One that the engine refuses stays away: they are then read as they stand.
func (t *tracing) expose(ctx context.Context, n *models.Node, one *LineageNode) {
	columns := make([]warehouse.Column, len(one.Columns))
	for i, c := range one.Columns {
		columns[i] = warehouse.Column{Name: c.Name, Type: c.Type}
	}
	ok := t.w.Expose(ctx, warehouse.Version{Name: nameOf(n), Columns: columns}) == nil
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound[n] = ok
}

// model reads a model's SELECT.
func (t *tracing) model(ctx context.Context, n *models.Node, one *LineageNode, known []warehouse.Column) error {
	parsed, err := t.builder.Parse(ctx, transform.Job{Node: n})
	if err != nil {
		return err
	}
	if one.SQL, err = t.compiled(ctx, n, parsed); err != nil {
		return err
	}
	resolve, external := t.resolver(n)
	q, err := lineage.Of(parsed.Tree, resolve, nil)
	if err != nil {
		return err
	}
	columns := typesOf(q, known)
	if columns == nil && t.reads(n) { // the engine knows better: names of expressions, columns behind an asterisk, types
		columns, err = parsed.Describe(ctx)
		if errors.Is(err, transform.ErrOpen) && known != nil {
			columns, err = known, nil // as they were when it was built last
		}
		if errors.Is(err, transform.ErrOpen) {
			err = nil
		} else if err == nil {
			q, err = lineage.Of(parsed.Tree, resolve, namesOf(columns))
		}
		if err != nil {
			return err
		}
	}
	one.take(q, columns)
	one.External = external()
	return nil
}

func namesOf(columns []warehouse.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// compiled is a model's SELECT as it is built, with the ephemeral models that it reads in it.
func (t *tracing) compiled(ctx context.Context, n *models.Node, parsed *transform.Parsed) (string, error) {
	ephemeral := func(need *models.Node) bool { return need.Model != nil && need.Model.Materialized == models.Ephemeral }
	if !slices.ContainsFunc(n.Needs, ephemeral) {
		return parsed.SQL, nil
	}
	whole, err := (&transform.Builder{Project: t.Project, Warehouse: t.w, Published: t.w}).Parse(ctx, transform.Job{Node: n})
	if err != nil {
		return "", err
	}
	return whole.SQL, nil
}

// typesOf are the published columns where they are those that the SELECT has; nil where they are not, or that cannot be told.
func typesOf(q *lineage.Query, known []warehouse.Column) []warehouse.Column {
	if len(q.Unresolved) > 0 || len(known) != len(q.Columns) || len(known) == 0 {
		return nil
	}
	for i, c := range q.Columns {
		if c.Name != known[i].Name || len(c.Unresolved) > 0 {
			return nil
		}
	}
	return known
}

// reads says whether all that the model reads is exposed.
func (t *tracing) reads(n *models.Node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(n.Needs, func(need *models.Node) bool { return !t.bound[need] })
}

// resolver finds the tables that the model's SELECT names among the project's nodes. external gives those that are none of them.
func (t *tracing) resolver(n *models.Node) (_ lineage.Resolve, external func() []string) {
	others := map[string]bool{}
	return func(ref lineage.Ref) (lineage.Table, bool) {
			schema := ref.Schema
			if schema == "" {
				schema = n.Schema
			}
			node := t.node(schema, ref.Table)
			if node == nil {
				others[ref.String()] = true
				return lineage.Table{Name: ref.String()}, true
			}
			table := lineage.Table{Name: node.Name()}
			t.mu.Lock()
			defer t.mu.Unlock()
			if one := t.found[node]; one != nil && !one.Incomplete {
				for _, c := range one.Columns {
					table.Columns = append(table.Columns, c.Name)
				}
			}
			return table, true
		}, func() []string {
			names := []string{}
			for name := range others {
				names = append(names, name)
			}
			slices.Sort(names)
			return names
		}
}

func (t *tracing) node(schema, table string) *models.Node {
	if n := t.Project.Node(schema + "." + table); n != nil {
		return n
	}
	at := slices.IndexFunc(t.Project.Nodes, func(n *models.Node) bool {
		return strings.EqualFold(n.Schema, schema) && strings.EqualFold(n.Table, table)
	})
	if at < 0 {
		return nil
	}
	return t.Project.Nodes[at]
}

// take fills the node from what was found.
func (one *LineageNode) take(q *lineage.Query, types []warehouse.Column) {
	one.Unresolved = append(one.Unresolved, q.Unresolved...)
	one.Incomplete = len(types) != len(q.Columns)
	for i, c := range q.Columns {
		column := LineageColumn{Name: c.Name, From: []LineageInput{}, Unresolved: c.Unresolved}
		if !one.Incomplete {
			column.Type = types[i].Type
		}
		for _, in := range c.From {
			column.From = append(column.From, LineageInput{in.Table, in.Column, in.How})
		}
		if c.Name == "" {
			one.Unresolved = append(one.Unresolved, fmt.Sprintf("column %d is named after its expression: give it an alias", i+1))
			continue
		}
		one.Columns = append(one.Columns, column)
	}
	// Without types a SELECT whose columns all have names is complete as well.
	one.Incomplete = one.Incomplete && (len(q.Unresolved) > 0 || len(one.Columns) != len(q.Columns))
	for _, in := range q.Influences {
		one.Influences = append(one.Influences, LineageInfluence{in.Table, in.Column, in.By})
	}
}

// graph joins what was found of the nodes.
func (t *tracing) graph() *Lineage {
	l := &Lineage{Project: t.Project.Name, Nodes: make([]LineageNode, 0, len(t.Project.Nodes)), byName: map[string]*LineageNode{}}
	for _, n := range t.Project.Nodes {
		if one := t.found[n]; one != nil {
			l.Nodes = append(l.Nodes, *one)
		}
	}
	for i := range l.Nodes {
		l.byName[strings.ToLower(l.Nodes[i].Name)] = &l.Nodes[i]
	}
	for i := range l.Nodes {
		l.link(&l.Nodes[i])
	}
	for _, e := range t.Project.Exposures {
		for _, n := range e.Needs {
			if one := l.Node(n.Name()); one != nil && !slices.Contains(one.Exposures, e.Name) {
				one.Exposures = append(one.Exposures, e.Name)
			}
		}
	}
	for i := range l.Nodes {
		l.personal(t.Project.Node(l.Nodes[i].Name), &l.Nodes[i])
	}
	return l
}

// link tells what a node reads of it. A column that nobody knew of before is one now: a model names it.
func (l *Lineage) link(one *LineageNode) {
	for _, name := range one.Reads {
		if need := l.Node(name); need != nil {
			need.Readers = append(need.Readers, one.Name)
		}
	}
	for _, c := range one.Columns {
		for _, in := range c.From {
			if source := l.source(in.Table, in.Column); source != nil {
				source.Readers = append(source.Readers, LineageInput{one.Name, c.Name, in.How})
			}
		}
	}
	for _, in := range one.Influences {
		if source := l.source(in.Table, in.Column); source != nil && !slices.Contains(source.By, one.Name) {
			source.By = append(source.By, one.Name)
		}
	}
}

func (l *Lineage) source(table, column string) *LineageColumn {
	n := l.Node(table)
	if n == nil {
		return nil
	}
	if c := n.Column(column); c != nil || !n.Incomplete {
		return c
	}
	n.Columns = append(n.Columns, LineageColumn{Name: column, From: []LineageInput{}, Readers: []LineageInput{}, Unresolved: n.unsure("it is known by what reads it")})
	return &n.Columns[len(n.Columns)-1]
}

// personal marks the columns that are personal: those that the project tags, and those that are made of such, unless it says that they are
// not. Nodes come in dependency order, so what a column is made of is marked before it.
func (l *Lineage) personal(n *models.Node, one *LineageNode) {
	for i := range one.Columns {
		c := &one.Columns[i]
		if c.Readers == nil {
			c.Readers = []LineageInput{}
		}
		switch {
		case n == nil || n.Open(c.Name):
			continue
		case n.IsPII(c.Name):
			c.Personal = PersonalTagged
		}
		for _, in := range c.From {
			if table := l.Node(in.Table); table != nil {
				if source := table.Column(in.Column); source != nil && source.Personal != "" {
					c.PersonalOf = append(c.PersonalOf, in.Table+"."+in.Column)
				}
			}
		}
		if c.Personal == "" && len(c.PersonalOf) > 0 {
			c.Personal = PersonalMade
		}
	}
}
