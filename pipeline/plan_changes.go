package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/warehouse"
)

// This file says of each planned model whether a run builds it, why, and what that does to those who read it.

// PlannedBuild is what a run would do with a model or a seed.
type PlannedBuild struct {
	Action string   `json:"action"` // reuse, build; depends: build if one of those that it reads becomes another table
	Why    []Reason `json:"why"`
	// Diff is how the template has changed since the published version was built, in the unified format.
	Diff string `json:"diff,omitempty"`
	// Breaking are the changes that those who read the table may not bear; Breaks are the nodes of the project that do not bear them.
	Breaking []string `json:"breaking"`
	Breaks   []string `json:"breaks"`
	// Exposures are those that read a table with breaking changes: whether they bear them nobody here can tell.
	Exposures []string `json:"exposures"`
	// Rows says that the rows may become others, the columns aside.
	Rows bool `json:"rows_may_change"`
}

// What becomes of a planned model.
const (
	ActionReuse   = "reuse"
	ActionBuild   = "build"
	ActionDepends = "depends"
)

// Reason is why a model is built, or what has changed without an effect.
type Reason struct {
	// Kind is one of models.Change's parts, or new, unknown (nothing tells what it was made of), replay, broken, always (it is built in each run),
	// moves (it reads the clock or chance), on-run-start (what hooks make for it), own (its own table is another than when it ran), select
	// (its SELECT depends on what tables hold), upstream, or read (a stream that is read again).
	Kind   string   `json:"kind"`
	Name   string   `json:"name,omitempty"` // of the setting, macro, variable or table
	From   string   `json:"from,omitempty"`
	To     string   `json:"to,omitempty"`
	At     string   `json:"at,omitempty"`    // file of a macro
	Chain  []string `json:"chain,omitempty"` // of an upstream reason: from the table that is read to the one that is the cause
	Cause  string   `json:"cause,omitempty"` // of an upstream reason: what has changed there, in words
	Effect bool     `json:"effect"`
	Text   string   `json:"text"` // for people
}

// changes plans what becomes of a model whose columns are known.
func (pl *planning) changes(ctx context.Context, b *transform.Builder, n *models.Node, one *PlannedNode) error {
	if n.Model.Materialized == models.Ephemeral {
		return nil
	}
	made, old := pl.made(n)
	texts, err := b.Selects(ctx, n)
	if err == nil {
		before := pl.before.Table(nameOf(n))
		err = stated(ctx, b, n, made, before, addsTo(n, before), texts)
	}
	if err != nil {
		return err
	}
	one.Build = pl.reasons(n, old, made)
	if before := pl.before.Table(nameOf(n)); before != nil && one.Build.Action != ActionReuse {
		one.Build.Breaking = append(breakingColumns(one.Changes), breaking(n, before)...)
		one.Build.Rows = true
	}
	return nil
}

// seedKept plans what becomes of a seed, and says whether a run would leave it as it is: then its file need not be read.
func (pl *planning) seedKept(ctx context.Context, w warehouse.Warehouse, n *models.Node, one *PlannedNode) bool {
	made, old := pl.made(n)
	made.Moves = movingRule(ctx, w, n)
	one.Build = pl.reasons(n, old, made)
	kept := one.Build.Action == ActionReuse && made.Parts[models.PartBody] != ""
	if kept {
		one.Columns = pl.before.Table(nameOf(n)).Columns
	}
	return kept
}

// made is what the node would be made of now, but for the versions of what it reads, and what its published table was made of.
func (pl *planning) made(n *models.Node) (made, old *load.Fingerprint) {
	if before := pl.before.Table(nameOf(n)); before != nil {
		old = before.Fingerprint
	}
	return &load.Fingerprint{Definition: *pl.Project.Definition(n), Inputs: map[string]string{}}, old
}

// reasons gathers why the node is built, and decides whether it is.
func (pl *planning) reasons(n *models.Node, old, made *load.Fingerprint) *PlannedBuild {
	p := &PlannedBuild{Why: []Reason{}, Breaking: []string{}, Breaks: []string{}, Exposures: []string{}}
	pl.whole(n, pl.before.Table(nameOf(n)), made, p)
	if old != nil {
		pl.parts(n, old, made, p)
	}
	pl.upstream(n, old, p)
	if old != nil {
		if made.Start != old.Start {
			p.Why = append(p.Why, Reason{Kind: "on-run-start", Effect: true, Text: otherStart})
		}
		p.own(n, old, made)
	}
	p.decide()
	return p
}

// whole adds the reasons for a build that have nothing to do with what has changed.
func (pl *planning) whole(n *models.Node, before *load.Table, made *load.Fingerprint, p *PlannedBuild) {
	always := func(kind, text string) { p.Why = append(p.Why, Reason{Kind: kind, Effect: true, Text: text}) }
	switch {
	case before == nil:
		always("new", "it was never built")
	case before.Broken != "":
		always("broken", pl.differs(before, made))
	case before.Fingerprint == nil && before.Made != nil:
		always("replay", pl.differs(before, made))
	case before.Fingerprint == nil:
		always("unknown", pl.differs(before, made))
	}
	if why := alwaysBuilt(n); why != "" && before != nil {
		always("always", why)
	}
	if made.Moves != "" && before != nil {
		always("moves", made.Moves)
	}
}

// parts adds what has changed in the definition. What decides about the SELECT alone has no effect where that is the same.
func (pl *planning) parts(n *models.Node, old, made *load.Fingerprint, p *PlannedBuild) {
	same := made.Statement == old.Statement
	changes := made.Changes(&old.Definition)
	by := decisive(slices.Clone(changes))
	for _, c := range changes {
		effect := c.Decides() && (n.Model == nil || !same || slices.Contains(by, c))
		r := Reason{Kind: c.Part, Name: c.Name, From: c.From, To: c.To, Text: c.String(), Effect: effect}
		switch c.Part {
		case "body":
			r.Text = n.Path + " has changed"
			if old.Text != "" && made.Text != "" {
				p.Diff = textDiff(old.Text, made.Text)
			}
		case "macro":
			if m, found := pl.Project.Macros.Macro(c.Name); found {
				r.At = m.Position.File
				r.Text += " (" + r.At + ")"
			}
		}
		switch {
		case c.Part == "check":
			r.Text += ": the next run judges its rows by that"
		case !c.Decides():
			r.Text += ", which makes no other table"
		case !r.Effect:
			r.Text += ", which changes nothing: its SELECT is the same"
		}
		p.Why = append(p.Why, r)
	}
	if !same && !slices.ContainsFunc(changes, models.Change.Decides) {
		p.Why = append(p.Why, Reason{Kind: "select", Text: "its SELECT depends on what tables hold, which shows when it runs"})
	}
}

// own adds what the last build of an incremental model means for the next.
func (p *PlannedBuild) own(n *models.Node, old, made *load.Fingerprint) {
	name := n.Name()
	switch was, read := old.Inputs[name]; {
	case made.Ran != old.Ran && made.Statement == old.Statement:
		p.Why = append(p.Why, Reason{Kind: "own", Effect: true, Text: otherRan})
	case made.Own && read && (made.Inputs[name] == "" || made.Inputs[name] != was):
		p.Why = append(p.Why, Reason{Kind: "own", Effect: true, Text: "its SELECT reads its own table, which its last build has changed"})
	}
}

// upstream adds what becomes of the tables that it reads.
func (pl *planning) upstream(n *models.Node, old *load.Fingerprint, p *PlannedBuild) {
	known := map[string]string{}
	for _, in := range inputsOf(n) {
		var r *Reason
		if one := pl.planned[in]; one != nil {
			r = pl.planned[in].asInput()
		}
		if r == nil && old != nil {
			version := pl.publishedVersion(in.Name(), known)
			if was, read := old.Inputs[in.Name()]; read && version != "" && was == version {
				r = pl.throughView(in.Name())
			} else {
				r = pl.changedSince(in, version)
			}
		}
		if r == nil {
			continue
		}
		if r.Kind != "read" {
			r.Kind = "upstream"
		}
		r.Name, r.Chain = in.Name(), append([]string{in.Name()}, r.Chain...)
		p.Why = append(p.Why, *r)
	}
	if old == nil {
		return
	}
	for name := range old.Inputs {
		if name != n.Name() && !slices.ContainsFunc(inputsOf(n), func(in *models.Node) bool { return in.Name() == name }) {
			p.Why = append(p.Why, Reason{Kind: "upstream", Name: name, Effect: true, Text: "it does not read " + name + " any more"})
		}
	}
}

// changedSince is the reason of a table of which another version is published than the one that was read.
func (pl *planning) changedSince(in *models.Node, version string) *Reason {
	r := &Reason{Effect: true, Text: fmt.Sprintf("%s has changed since", in.Name())}
	if t := pl.before.Table(nameOf(in)); t != nil && version == "" && t.View != "" {
		r.Text = in.Name() + " is a view whose rows change by themselves, or of which nobody knows"
	}
	return r
}

// throughView is what becomes of the planned nodes that a published view shows, which is not planned itself: the one with an effect, where
// there is one.
func (pl *planning) throughView(name string) (found *Reason) {
	schema, table, _ := strings.Cut(name, ".")
	t := pl.before.Table(warehouse.Name{Schema: schema, Table: table})
	if t == nil || t.View == "" {
		return nil
	}
	for _, need := range t.Needs {
		var r *Reason
		if one := pl.planned[pl.Project.Node(need)]; one != nil {
			r = one.asInput()
		} else {
			r = pl.throughView(need)
		}
		if r != nil && (found == nil || r.Effect && !found.Effect) {
			r.Chain = append([]string{need}, r.Chain...)
			found = r
		}
	}
	if found != nil {
		found.Text = "through " + name + ": " + found.Text
	}
	return found
}

// asInput is what the node means to those that read it; nil where it stays as it is.
func (one *PlannedNode) asInput() *Reason {
	switch {
	case one.Build != nil && one.Build.Action == ActionReuse, one.Kind == string(models.KindStream) && one.UpToDate:
		return nil
	case one.Kind == string(models.KindStream):
		return &Reason{Kind: "read", Text: one.Name + " is read again, and may bring the same"}
	case one.Build == nil:
		return &Reason{Kind: "read", Text: one.Name + " is made again, and may be the same"}
	}
	r := &Reason{Kind: "upstream", Effect: one.Build.Action == ActionBuild, Text: one.Name + " is built"}
	if !r.Effect {
		r.Text = one.Name + " may be built"
	}
	for _, why := range one.Build.Why {
		if why.Effect == r.Effect && (why.Effect || why.mayHave()) {
			if r.Chain, r.Cause = why.Chain, why.Cause; r.Cause == "" {
				r.Cause = why.Text
			}
			r.Text += ": " + r.Cause
			break
		}
	}
	return r
}

// publishedVersion is the identity of a table as it is published now.
func (pl *planning) publishedVersion(name string, known map[string]string) string {
	if v, asked := known[name]; asked {
		return v
	}
	known[name] = ""
	schema, table, _ := strings.Cut(name, ".")
	if t := pl.before.Table(warehouse.Name{Schema: schema, Table: table}); t != nil {
		known[name] = versionOf(t, func(need string) string { return pl.publishedVersion(need, known) })
	}
	return known[name]
}

// mayHave says of a reason without an effect that it may turn out to have one.
func (r *Reason) mayHave() bool {
	return r.Kind == "read" || r.Kind == "upstream" || r.Kind == "select"
}

// decide makes one of all reasons. What only may have an effect leaves it open.
func (p *PlannedBuild) decide() {
	p.Action = ActionReuse
	for _, r := range p.Why {
		switch {
		case r.Effect:
			p.Action = ActionBuild
			return
		case r.mayHave():
			p.Action = ActionDepends
		}
	}
}

// breakingColumns are the changes of columns that those who read a table may not bear.
func breakingColumns(changes []SchemaChange) []string {
	all := []string{}
	for _, c := range changes {
		switch c.Kind {
		case "removed":
			all = append(all, fmt.Sprintf("column %s is removed%s", c.Column, renamed(c, changes)))
		case "type_changed":
			all = append(all, fmt.Sprintf("column %s becomes %s, and was %s", c.Column, c.To, c.From))
		}
	}
	return all
}

// breaking are the changes of a published model besides its columns that those who read it may not bear.
func breaking(n *models.Node, before *load.Table) (all []string) {
	view := n.Model.Materialized == models.View
	switch {
	case view && before.View == "":
		all = append(all, "the table becomes a view: its files go")
	case !view && before.View != "":
		all = append(all, "the view becomes a table")
	}
	if before.View == "" && !view && !slices.EqualFunc(before.Key, keyOfTable(n), strings.EqualFold) && len(before.Key)+len(keyOfTable(n)) > 0 {
		all = append(all, fmt.Sprintf("its key becomes (%s), and was (%s)", strings.Join(keyOfTable(n), ", "), strings.Join(before.Key, ", ")))
	}
	return all
}

// keyOfTable is the key that the model's table is merged by, as a Version has it.
func keyOfTable(n *models.Node) []string {
	if n.Model.Materialized == models.Incremental && n.Model.Strategy == models.StrategyMerge {
		return n.Model.UniqueKey
	}
	return nil
}

// renamed says that a removed column may have got another name: the one that is added with its type.
func renamed(gone SchemaChange, changes []SchemaChange) string {
	to := ""
	for _, c := range changes {
		if c.Kind == "added" && sameType(c.To, gone.From) {
			if to != "" {
				return ""
			}
			to = c.Column
		}
	}
	if to == "" {
		return ""
	}
	return ", or renamed to " + to
}

// breaks finds the nodes that do not bear what happens to the table that they read: those of the plan that have a problem, and those that are
// not in it, which are bound over its new columns.
func (pl *planning) breaks(ctx context.Context, b *transform.Builder, exposed map[*models.Node]bool) error {
	for _, n := range pl.Project.Nodes {
		one := pl.planned[n]
		if one == nil || one.Build == nil || len(one.Build.Breaking) == 0 {
			continue
		}
		for _, e := range pl.Project.Exposures {
			if slices.Contains(e.Needs, n) {
				one.Build.Exposures = append(one.Build.Exposures, exposureText(e))
			}
		}
		for _, reader := range pl.Project.Nodes {
			if reader.Model == nil || !slices.Contains(reads(reader), n) {
				continue
			}
			if planned := pl.planned[reader]; planned != nil {
				if planned.Error != "" {
					one.Build.Breaks = append(one.Build.Breaks, reader.Name())
				}
				continue
			}
			unread := reader.Model.Materialized == models.Ephemeral || pl.before.Table(nameOf(reader)) == nil
			if unread || pl.exposeNeeds(ctx, b.Warehouse, reader, exposed) != nil {
				continue
			}
			if _, _, err := b.Describe(ctx, transform.Job{Node: reader}); ctx.Err() != nil {
				return context.Cause(ctx)
			} else if err != nil && !errors.Is(err, transform.ErrOpen) {
				one.Build.Breaks = append(one.Build.Breaks, reader.Name())
			}
		}
	}
	return nil
}

// exposureText names an exposure and who answers for it.
func exposureText(e *models.Exposure) string {
	text := "exposure " + e.Name
	if e.OwnerName != "" {
		return text + " (" + e.OwnerName + ")"
	} else if e.OwnerEmail != "" {
		return text + " (" + e.OwnerEmail + ")"
	}
	return text
}
