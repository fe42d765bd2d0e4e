package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// LineageStep is a column, or a node, with what is next to it in one direction, and so on.
type LineageStep struct {
	Table  string         `json:"table"`
	Column string         `json:"column,omitempty"`
	Kind   string         `json:"kind,omitempty"`
	How    string         `json:"how,omitempty"` // what becomes of it on the way to the step before: copied, computed
	Why    []string       `json:"unresolved,omitempty"`
	Next   []*LineageStep `json:"next,omitempty"`
	Seen   bool           `json:"told_above,omitempty"` // it has been told already
}

// KindExposure is the kind of a step that is no table, but an exposure that uses the table before it.
const KindExposure = "exposure"

// ColumnTrace is a column that has to do with another one.
type ColumnTrace struct {
	Table, Column, Kind string
	From                []LineageInput
}

// Find takes what a person calls a table or one of its columns: orders, erp.orders, orders.id, erp.orders.id. The column is "" for a table.
func (l *Lineage) Find(text string) (*LineageNode, string, error) {
	if n, err := l.table(text); n != nil || err != nil {
		return n, "", err
	}
	table, column := "", ""
	if dot := strings.LastIndexByte(text, '.'); dot > 0 {
		table, column = text[:dot], text[dot+1:]
		n, err := l.table(table)
		if err != nil {
			return nil, "", err
		}
		if n != nil {
			if c := n.Column(column); c != nil {
				return n, c.Name, nil
			}
			var known []string
			for _, c := range n.Columns {
				known = append(known, c.Name)
			}
			return nil, "", fmt.Errorf("%s has no column %q%s", n.Name, column, guess(column, known, n))
		}
	}
	var known []string
	for _, n := range l.Nodes {
		_, last, _ := strings.Cut(n.Name, ".")
		known = append(known, n.Name, last)
	}
	suggested := config.Suggest(text, known)
	if suggested == "" && table != "" {
		if suggested = config.Suggest(table, known); suggested != "" {
			suggested += "." + column
		}
	}
	if suggested != "" {
		suggested = fmt.Sprintf(": did you mean %q?", suggested)
	}
	return nil, "", fmt.Errorf("the project has no table %q%s", cmp.Or(table, text), suggested)
}

func guess(column string, known []string, n *LineageNode) string {
	if s := config.Suggest(column, known); s != "" {
		return fmt.Sprintf(": did you mean %q?", s)
	}
	if n.Incomplete {
		return " that is known: not all of its columns are known before it has been published"
	}
	return ": it has " + strings.Join(known, ", ")
}

// table finds a node by its name, or by the part behind the schema where only one has it.
func (l *Lineage) table(text string) (*LineageNode, error) {
	if n := l.Node(text); n != nil {
		return n, nil
	}
	var found []*LineageNode
	var names []string
	for i := range l.Nodes {
		if _, last, _ := strings.Cut(l.Nodes[i].Name, "."); strings.EqualFold(last, text) {
			found, names = append(found, &l.Nodes[i]), append(names, l.Nodes[i].Name)
		}
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("several tables are called %q: say which: %s", text, strings.Join(names, ", "))
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return nil, nil
}

// Up is what a column, or a table where column is "", is made of, so many steps deep; 0: all.
func (l *Lineage) Up(n *LineageNode, column string, depth int) []*LineageStep {
	return l.walk(n, column, depth, true)
}

// Down is what is made of it.
func (l *Lineage) Down(n *LineageNode, column string, depth int) []*LineageStep {
	return l.walk(n, column, depth, false)
}

func (l *Lineage) walk(n *LineageNode, column string, depth int, up bool) []*LineageStep {
	if depth <= 0 {
		depth = math.MaxInt
	}
	w := &stepper{l, up, map[string]bool{}}
	root := &LineageStep{Table: n.Name, Column: column}
	w.fill(root, depth)
	return root.Next
}

// stepper tells each step once: a graph told as a tree may be of any size.
type stepper struct {
	*Lineage
	up   bool
	seen map[string]bool
}

func (w *stepper) fill(step *LineageStep, depth int) {
	n := w.Node(step.Table)
	if n == nil || depth == 0 || step.Kind == KindExposure {
		return
	}
	step.Kind = n.Kind
	if key := strings.ToLower(step.Table + "." + step.Column); w.seen[key] {
		step.Seen = true
		return
	} else {
		w.seen[key] = true
	}
	for _, next := range w.next(n, step) {
		w.fill(next, depth-1)
		if next.Kind == "" && w.Node(next.Table) != nil {
			next.Kind = w.Node(next.Table).Kind
		}
		step.Next = append(step.Next, next)
	}
}

// next are the neighbours of a step.
func (w *stepper) next(n *LineageNode, step *LineageStep) []*LineageStep {
	var out []*LineageStep
	if step.Column == "" {
		names := n.Readers
		if w.up {
			names = slices.Concat(n.Reads, n.External)
		}
		for _, name := range names {
			out = append(out, &LineageStep{Table: name})
		}
		if w.up && n.Error != "" {
			step.Why = []string{n.unread()}
		}
		for _, name := range n.Exposures {
			if !w.up {
				out = append(out, &LineageStep{Table: name, Kind: KindExposure})
			}
		}
		return out
	}
	c := n.Column(step.Column)
	if c == nil {
		return nil
	}
	inputs := c.Readers
	if w.up {
		inputs, step.Why = c.From, c.Unresolved
	}
	for _, in := range inputs {
		out = append(out, &LineageStep{Table: in.Table, Column: in.Column, How: string(in.How)})
	}
	return out
}

// Around are a column and all that it is made of and that is made of it, what is read before what reads it.
func (l *Lineage) Around(n *LineageNode, column string, up, down bool, depth int) []*ColumnTrace {
	wanted := map[string]bool{strings.ToLower(n.Name + "." + column): true}
	var mark func([]*LineageStep)
	mark = func(steps []*LineageStep) {
		for _, s := range steps {
			wanted[strings.ToLower(s.Table+"."+s.Column)] = true
			mark(s.Next)
		}
	}
	if up {
		mark(l.Up(n, column, depth))
	}
	if down {
		mark(l.Down(n, column, depth))
	}
	var out []*ColumnTrace
	for i := range l.Nodes {
		for _, c := range l.Nodes[i].Columns {
			if wanted[strings.ToLower(l.Nodes[i].Name+"."+c.Name)] {
				out = append(out, &ColumnTrace{l.Nodes[i].Name, c.Name, l.Nodes[i].Kind, c.From})
			}
		}
	}
	return out
}
