package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/warehouse"
)

// This file says what a model's table is made of, for runs and for plans.

// inputsOf are the tables that decide the rows of a model: those that it reads, and those that its rules which keep rows out compare with.
func inputsOf(n *models.Node) []*models.Node {
	all := reads(n)
	for _, c := range n.Checks {
		if c.Diverts() && !c.Deferred {
			all = append(all, c.Reads...)
		}
	}
	slices.SortFunc(all, func(a, b *models.Node) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.Compact(all)
}

// stated adds to a fingerprint what its SELECTs say, which add to a published table or make one from nothing.
func stated(ctx context.Context, b *transform.Builder, n *models.Node, f *load.Fingerprint, before *load.Table, adds bool,
	texts []string) error {
	var old *load.Fingerprint
	if before != nil {
		old = before.Fingerprint
	}
	made, err := b.Defined(ctx, slices.Concat(texts, divertingConditions(n)))
	if err != nil {
		return err
	}
	f.Start = made.Hash
	if err := parsed(ctx, b.Warehouse, n, f, old, texts); err != nil {
		return err
	}
	if f.Moves == "" {
		f.Moves = made.Moves
	}
	if f.Ran = ""; len(f.Selects) > 0 {
		f.Ran = f.Selects[0]
	}
	if !adds {
		return nil
	}
	if len(f.Selects) > 0 {
		f.Ran = f.Selects[len(f.Selects)-1]
	}
	if f.Own {
		f.Inputs[n.Name()] = load.ContentOf(&before.Version)
	}
	return nil
}

// addsTo says whether a build adds to the published table, in a run that builds nothing from nothing.
func addsTo(n *models.Node, before *load.Table) bool {
	return before != nil && adds(n) && (before.View == "" || n.Model.Materialized == models.Snapshot) && mergedOtherwise(n, before) == ""
}

// parsed adds what the engine's parser says of the SELECTs. What is known of the published ones need not be asked again when the texts
// are equal.
func parsed(ctx context.Context, w warehouse.Warehouse, n *models.Node, f, old *load.Fingerprint, texts []string) error {
	incremental := len(texts) > 1
	f.Rendered = models.HashOf(strings.Join(texts, "\x00"))
	if old != nil && old.Rendered == f.Rendered && old.Format == f.Format && old.Parts[models.PartChecks] == f.Parts[models.PartChecks] &&
		old.Start == f.Start && incremental == (len(old.Selects) > 0) {
		f.Statement, f.Selects, f.Own, f.Moves = old.Statement, old.Selects, old.Own, old.Moves
		return nil
	}
	var hashes []string
	for i, text := range texts {
		p, err := w.Parse(ctx, text)
		if err != nil {
			return err
		}
		if hashes = append(hashes, p.Hash); p.Hash == "" {
			hashes[len(hashes)-1] = models.HashOf(text)
		}
		if f.Moves == "" {
			f.Moves = moves(n, p)
		}
		f.Own = i == len(texts)-1 && adds(n) && slices.ContainsFunc(p.Tables, func(t warehouse.Name) bool { return isOwn(n, t) })
	}
	if incremental {
		f.Selects = hashes
	}
	f.Statement = models.HashOf(strings.Join(hashes, " "))
	if f.Moves == "" {
		f.Moves = movingRule(ctx, w, n)
	}
	return nil
}

// moves says why a SELECT may give other rows over the same tables; "" when it does not.
func moves(n *models.Node, p *warehouse.Parsed) string {
	switch {
	case p.Hash == "":
		return "the engine cannot tell what its SELECT reads"
	case p.Moves:
		return "its SELECT reads the clock, or leaves something to chance"
	case len(p.Outside) > 0:
		return fmt.Sprintf("its SELECT reads %s(), which Millrace does not see through", p.Outside[0])
	}
	for _, t := range p.Tables {
		own := isOwn(n, t)
		if own && n.Model != nil && n.Model.Materialized == models.Table {
			return "its SELECT reads the table itself"
		}
		known := own || slices.ContainsFunc(reads(n), func(r *models.Node) bool {
			return strings.EqualFold(r.Schema, t.Schema) && strings.EqualFold(r.Table, t.Table)
		})
		if !known {
			return fmt.Sprintf("its SELECT reads %s, without ref() or source()", strings.TrimPrefix(t.String(), "."))
		}
	}
	return ""
}

// isOwn says whether a name is that of the node's own table.
func isOwn(n *models.Node, t warehouse.Name) bool {
	return strings.EqualFold(t.Schema, n.Schema) && strings.EqualFold(t.Table, n.Table)
}

// divertingConditions are the conditions of the rules that keep rows out.
func divertingConditions(n *models.Node) (all []string) {
	for _, c := range n.Checks {
		if !c.Diverts() || c.Deferred {
			continue
		}
		if e, ok := c.Args.(*models.Expression); ok {
			all = append(all, e.Expression)
		}
		all = append(all, c.Where)
	}
	return all
}

// movingRule says that a rule which keeps rows out reads the clock: other rows fail it tomorrow.
func movingRule(ctx context.Context, w warehouse.Warehouse, n *models.Node) string {
	for _, c := range n.Checks {
		if !c.Diverts() || c.Deferred {
			continue
		}
		conditions := []string{c.Where}
		if e, ok := c.Args.(*models.Expression); ok {
			conditions = append(conditions, e.Expression)
		}
		for _, condition := range conditions {
			if condition == "" {
				continue
			}
			if p, err := w.Parse(ctx, "SELECT 1 WHERE ("+condition+"\n)"); err != nil || p.Moves || p.Hash == "" || len(p.Tables)+len(p.Outside) > 0 {
				return fmt.Sprintf("check %s, which keeps rows out, reads the clock or more than the row", c.Name)
			}
		}
	}
	return ""
}

// versionOf is the identity of a table's version: of its rows' files, and of a view of its SELECT and of all that this reads, which need
// tells; "" where nothing tells it from others.
func versionOf(t *load.Table, need func(name string) string) string {
	if t.View == "" {
		return load.ContentOf(&t.Version)
	}
	if t.Broken != "" || t.Fingerprint == nil || t.Fingerprint.Moves != "" {
		return ""
	}
	text := fmt.Sprintf("%q %q\n", t.View, t.Columns)
	for _, name := range t.Needs {
		v := need(name)
		if v == "" {
			return ""
		}
		text += name + " " + v + "\n"
	}
	return models.HashOf(text)
}
