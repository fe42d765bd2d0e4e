package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// This file judges a new version, and rows that were published under other rules.

// judge looks at the new version by the checks that divert nothing.
func (a *audit) judge(ctx context.Context, v *warehouse.Version, checks []*models.Check) error {
	if err := a.Warehouse.Expose(ctx, *v); err != nil {
		return err
	}
	t := check.VersionTable(a.Warehouse.Dialect(), v, a.node)
	if len(t.Key) == 0 {
		t.Key = KeyOf(a.node)
	}
	t.Before, t.Brought = a.published, a.brought
	if v.View != "" && passes(checks) > 4 {
		// Each pass computes the view again; a handful of narrow ones costs less than writing all of it.
		f, err := a.Warehouse.Write(ctx, "SELECT * FROM "+t.From, filepath.Join(a.dir, "view.parquet"))
		if err != nil {
			return err
		}
		t.From, t.Files, t.Exact = a.Warehouse.Dialect().Files([]string{f.Path})+" AS "+a.Warehouse.Dialect().QuoteIdent(t.Name), []warehouse.File{f}, true
	}
	checks, reconciling := apartReconciling(checks)
	results, metrics, err := a.Count(ctx, t, checks)
	if err != nil {
		return fmt.Errorf("check the table: %w", err)
	}
	a.results = append(a.results, results...)
	if a.Aside == "" {
		a.metrics = append(a.metrics, metrics...)
	}
	if err := a.reconcile(ctx, v, t, reconciling); err != nil {
		return fmt.Errorf("reconcile the table: %w", err)
	}
	return a.verdict()
}

// judgeAll judges the new version, and rows that were published under other rules.
func (a *audit) judgeAll(ctx context.Context, v *warehouse.Version, checks []*models.Check) error {
	a.phase(a.node.Name(), "check")
	if err := a.exact(v); err != nil {
		return err
	}
	if before := a.before.Table(nameOf(a.node)); before != nil && before.View == "" && before.Rows > 0 { // a view shows what its tables are now
		a.published = a.Warehouse.Dialect().Select(before.Version)
	}
	if a.Aside == "" {
		a.brought = broughtBy(a.node, a.step.Equations)
	}
	if err := a.judge(ctx, v, checks); err != nil {
		return err
	}
	if err := a.older(ctx, v); err != nil {
		return err
	}
	return a.verdict()
}

// broughtBy is the number of rows that came in by a step's equations, those included that were diverted: that landed of a stream,
// and that a model's SELECT gave. What a merge calls landed is only what was left of them. Nil when they do not say.
func broughtBy(n *models.Node, equations []warehouse.Equation) *int64 {
	in, names := "", []string{"checked", "built"}
	if n.Stream != nil {
		in, names = "read", []string{"landed"}
	}
	for _, name := range names {
		for _, e := range equations {
			if e.Name == name || e.Name == in {
				rows := e.Get(name)
				return &rows
			}
		}
	}
	return nil
}

// add keeps a result. A check that divides rows several times, because a merge brought new facts, has one result.
func (a *audit) add(r check.Result) {
	for i := range a.results {
		if have := &a.results[i]; have.Name == r.Name {
			r.Failing, r.Quarantined, r.Keys, r.Checked = r.Failing+have.Failing, r.Quarantined+have.Quarantined, r.Keys+have.Keys, max(r.Checked, have.Checked)
			if have.Sample != nil {
				r.Sample, r.SQL = have.Sample, have.SQL
			}
			if r.Status != check.StatusError {
				check.Grade(&r, a.node.Check(r.Name))
			}
			*have = r
			return
		}
	}
	a.results = append(a.results, r)
}

// rules is a hash of the checks that keep rows out of the node's table.
func rules(n *models.Node) string {
	diverting, _ := split(n)
	if len(diverting) == 0 {
		return ""
	}
	var texts []string
	for _, c := range diverting {
		args, err := json.Marshal(c.Args)
		if err != nil {
			panic(fmt.Sprintf("arguments of %s are not JSON: %v", c.Kind, err)) // plain structs of ours: a bug
		}
		texts = append(texts, fmt.Sprintf("%s %q %q %s", c.Kind, c.Columns, c.Where, args))
	}
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(sum[:8])
}

// older looks at rows that were published before the rules that keep rows out were what they are now. They cannot be diverted
// any more: they are told.
func (a *audit) older(ctx context.Context, v *warehouse.Version) error {
	before := a.before.Table(nameOf(a.node))
	diverting, _ := split(a.node)
	a.settled = rules(a.node)
	replaced := a.replay == nil && (!adds(a.node) || a.node.Model == nil && a.selection.FullRefresh || a.rebuilds(a.node))
	if before == nil || before.Rows == 0 || len(diverting) == 0 || before.Rules == a.settled || replaced {
		return nil
	}
	refresh := ""
	if adds(a.node) {
		refresh = " --full-refresh"
	}
	results, _, err := a.Count(ctx, check.VersionTable(a.Warehouse.Dialect(), v, a.node), diverting)
	if err != nil {
		return fmt.Errorf("check rows published before: %w", err)
	}
	for _, found := range results {
		if found.Status == check.StatusError {
			a.add(found)
			continue
		}
		if found.Failing == 0 {
			continue
		}
		a.settled = before.Rules // and so they are told again
		a.step.Notes = append(a.step.Notes, fmt.Sprintf("warning: %s is new or has changed, and %d rows that were published before fail it: millrace run %s%s reads them anew", found.Name, found.Failing, a.node.Name(), refresh))
		for i := range a.results {
			if r := &a.results[i]; r.Name == found.Name && r.Status == check.StatusPass {
				r.Status, r.Failing, r.Sample, r.SQL = check.StatusWarn, r.Failing+found.Failing, found.Sample, found.SQL
				r.Message += fmt.Sprintf("; %d rows published before fail", found.Failing)
			}
		}
	}
	return nil
}

// adds says whether runs add to what the node has published, instead of replacing it.
func adds(n *models.Node) bool {
	return n.Stream != nil && n.Stream.Mode != string(extract.Full) || n.Model != nil && (n.Model.Materialized == models.Incremental || n.Model.Materialized == models.Snapshot)
}

// passes is how often the rows are read for the checks.
func passes(checks []*models.Check) int {
	n := 1
	for _, c := range checks {
		switch c.Kind {
		case "unique":
			n++
		case "reconcile":
			n += 4
		}
	}
	return n
}

// KeyOf are columns that tell a node's rows apart for people.
func KeyOf(n *models.Node) []string {
	if n.Stream != nil && len(n.Stream.Key) > 0 {
		return n.Stream.Key
	}
	if n.Model != nil && len(n.Model.UniqueKey) > 0 {
		return n.Model.UniqueKey
	}
	for _, c := range n.Checks {
		if c.Kind == "unique" && c.Where == "" {
			return c.Columns
		}
	}
	return nil
}

// verdict is a *ChecksError when a check keeps the node from being published.
func (a *audit) verdict() error {
	var failed []check.Result
	for _, r := range a.results {
		if c := a.node.Check(r.Name); r.Status.Bad() && (c == nil || !c.Apart) {
			failed = append(failed, r)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &ChecksError{Node: a.node.Name(), Failed: failed}
}
