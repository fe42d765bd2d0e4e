package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
)

// lineageFlags say which part of the lineage is wanted, and in which form.
type lineageFlags struct {
	up, down bool
	depth    int
	svg      string
}

func (a *app) lineageCommand() *cobra.Command {
	var f lineageFlags
	c := &cobra.Command{
		Use:   "lineage [TABLE | TABLE.COLUMN]",
		Short: "show where tables and columns come from, and where they go",
		Long: "Tells what a column is made of, through all models down to the sources, and what is made of it: copied as it is or\n" +
			"computed in an expression. What only filters, joins, groups or orders rows is told of the table. Without a column it\n" +
			"tells that of a table, and without a table it lists all tables. What cannot be found out is said, with the reason.\n\n" +
			"It reads the models' SQL as DuckDB's parser does, opens no source and runs nothing. Of a source it knows the columns\n" +
			"that are published, or that a contract has.\n",
		Example: "  millrace lineage\n  millrace lineage orders\n  millrace lineage orders.amount --up\n  millrace lineage orders.amount --svg amount.svg",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.depth < 0 {
				return usage("--depth %d: give a number of steps, 0 for all", f.depth)
			}
			if !f.up && !f.down {
				f.up, f.down = true, true
			}
			return a.looking(c, func(ctx context.Context, e *pipeline.Engine) error {
				return a.lineage(ctx, e, strings.Join(args, ""), f)
			})
		},
	}
	c.Flags().BoolVar(&f.up, "up", false, "only what it comes from")
	c.Flags().BoolVar(&f.down, "down", false, "only what is made of it")
	c.Flags().IntVar(&f.depth, "depth", 0, "so many steps at most; 0: all")
	c.Flags().StringVar(&f.svg, "svg", "", "write a drawing to this file; - is stdout")
	return c
}

func (a *app) lineage(ctx context.Context, e *pipeline.Engine, text string, f lineageFlags) error {
	l, err := e.Lineage(ctx)
	if err != nil {
		return err
	}
	for i := range l.Nodes { // what a model's error says may quote a secret
		l.Nodes[i].Error = a.redactor.Redact(l.Nodes[i].Error)
	}
	var n *pipeline.LineageNode
	column := ""
	if text != "" {
		if n, column, err = l.Find(text); err != nil {
			return &advice{usage("%w", err), "`millrace lineage` lists the tables"}
		}
	}
	if f.svg != "" {
		return a.drawLineage(e, l, n, column, f)
	}
	switch {
	case a.json:
		return a.printJSON(lineageAnswer(l, n, column, f))
	case n == nil:
		a.printLineage(l)
	case column == "":
		a.printTableLineage(l, n, f)
	default:
		a.printColumnLineage(l, n, column, f)
	}
	return nil
}

// lineageAnswer is the same for machines.
func lineageAnswer(l *pipeline.Lineage, n *pipeline.LineageNode, column string, f lineageFlags) any {
	if n == nil {
		return l
	}
	answer := struct {
		Table  *pipeline.LineageNode   `json:"table"`
		Column string                  `json:"column,omitempty"`
		Up     []*pipeline.LineageStep `json:"up"`
		Down   []*pipeline.LineageStep `json:"down"`
	}{Table: n, Column: column, Up: []*pipeline.LineageStep{}, Down: []*pipeline.LineageStep{}}
	if f.up {
		answer.Up = append(answer.Up, l.Up(n, column, f.depth)...)
	}
	if f.down {
		answer.Down = append(answer.Down, l.Down(n, column, f.depth)...)
	}
	return answer
}

// printLineage lists all tables.
func (a *app) printLineage(l *pipeline.Lineage) {
	g := grid{header: []string{"TABLE", "KIND", "COLUMNS", "READS"}, right: []bool{false, false, true}}
	for _, n := range l.Nodes {
		columns := fmt.Sprint(len(n.Columns))
		if n.Incomplete {
			columns += "+"
		}
		g.add(n.Name, n.Kind, columns, strings.Join(append(append([]string{}, n.Reads...), n.External...), ", "))
	}
	_ = g.print(a.stdout)
	for _, n := range l.Nodes {
		a.printUnresolved(&n)
	}
}

// printUnresolved tells what is not known of a table.
func (a *app) printUnresolved(n *pipeline.LineageNode) {
	if n.Error != "" {
		at := n.At
		if at != "" {
			at += ": "
		}
		a.out("\nthe SELECT of %s could not be analysed: %s%s", n.Name, at, n.Error)
	}
	for _, why := range n.Unresolved {
		a.out("\n%s: unresolved: %s", n.Name, why)
	}
}

func (a *app) printTableLineage(l *pipeline.Lineage, n *pipeline.LineageNode, f lineageFlags) {
	a.out("%s  %s", n.Name, n.Kind)
	if len(n.Columns) > 0 {
		g := grid{header: []string{"COLUMN", "TYPE", "PERSONAL", "FROM"}}
		for _, c := range n.Columns {
			g.add(c.Name, c.Type, c.Personal, fromText(c))
		}
		a.out("")
		_ = g.print(a.stdout)
	}
	if n.Incomplete {
		a.out("it may have more columns than are known: they are known once it, or what it reads, is published")
	}
	a.printInfluences(n)
	a.printDirections(f, l.Up(n, "", f.depth), l.Down(n, "", f.depth), n.Error != "")
	a.printUnresolved(n)
}

func fromText(c pipeline.LineageColumn) string {
	var parts []string
	for _, in := range c.From {
		parts = append(parts, fmt.Sprintf("%s.%s (%s)", in.Table, in.Column, in.How))
	}
	if len(c.Unresolved) > 0 {
		parts = append(parts, "unresolved: "+strings.Join(c.Unresolved, "; "))
	}
	return strings.Join(parts, ", ")
}

func (a *app) printInfluences(n *pipeline.LineageNode) {
	if len(n.Influences) == 0 {
		return
	}
	a.out("\nits rows depend on")
	for _, in := range n.Influences {
		a.out("  %s.%s (%s)", in.Table, in.Column, strings.Join(in.By, ", "))
	}
}

func (a *app) printColumnLineage(l *pipeline.Lineage, n *pipeline.LineageNode, column string, f lineageFlags) {
	c := n.Column(column)
	a.out("%s", strings.TrimRight(n.Name+"."+c.Name+"  "+c.Type, " "))
	switch c.Personal {
	case pipeline.PersonalTagged:
		a.out("personal: the project says so")
	case pipeline.PersonalMade:
		a.out("personal: it is made of %s, and not tagged pii", strings.Join(c.PersonalOf, ", "))
	}
	for _, why := range c.Unresolved {
		a.out("unresolved: %s", why)
	}
	a.printDirections(f, l.Up(n, column, f.depth), l.Down(n, column, f.depth), len(c.Unresolved) > 0)
	if f.down && len(n.Exposures) > 0 {
		a.out("\nits table is used by exposures\n  %s", strings.Join(n.Exposures, "\n  "))
	}
	if n.Error != "" {
		defer a.printUnresolved(n)
	}
	if f.down && len(c.By) > 0 {
		a.out("\nrows that it has a say in")
		for _, name := range c.By {
			a.out("  %s", name)
		}
	}
}

// printDirections prints both directions as trees. That nothing is found where something is unresolved does not mean that there is nothing.
func (a *app) printDirections(f lineageFlags, up, down []*pipeline.LineageStep, unresolved bool) {
	if f.up {
		a.out("\ncomes from")
		if unresolved && len(up) == 0 {
			a.out("  what is not known")
		} else {
			a.printLineageTree(up, 1)
		}
	}
	if f.down {
		a.out("\ngoes to")
		a.printLineageTree(down, 1)
	}
}

func (a *app) printLineageTree(steps []*pipeline.LineageStep, depth int) {
	if len(steps) == 0 && depth == 1 {
		a.out("  nothing")
	}
	for _, s := range steps {
		text := s.Table
		if s.Column != "" {
			text += "." + s.Column
		}
		var about []string
		for _, word := range []string{s.How, s.Kind} {
			if word != "" {
				about = append(about, word)
			}
		}
		if s.Seen {
			about = append(about, "told above")
		}
		if len(about) > 0 {
			text += "  (" + strings.Join(about, ", ") + ")"
		}
		if len(s.Why) > 0 {
			text += "  unresolved: " + strings.Join(s.Why, "; ")
		}
		a.out("%s%s", strings.Repeat("  ", depth), text)
		a.printLineageTree(s.Next, depth+1)
	}
}

// drawLineage writes the drawing.
func (a *app) drawLineage(e *pipeline.Engine, l *pipeline.Lineage, n *pipeline.LineageNode, column string, f lineageFlags) error {
	var g *report.Graph
	switch {
	case n == nil:
		g = report.DrawGraph(report.OneOfEach(e.Project.Nodes, ""), "", nil)
	case column == "":
		hops := f.depth
		if hops == 0 {
			hops = len(e.Project.Nodes)
		}
		g = report.DrawGraph(report.Near(e.Project.Nodes, n.Name, hops, len(e.Project.Nodes)), n.Name, nil)
	default:
		g = report.ColumnGraph(l.Around(n, column, f.up, f.down, f.depth), n.Name+"."+column)
	}
	var out bytes.Buffer
	if err := g.SVG(&out, report.ColumnNotes(l)); err != nil {
		return err
	}
	return a.deliver(out.Bytes(), reportFlags{format: "svg", output: f.svg}, map[string]any{"boxes": len(g.Boxes)})
}
