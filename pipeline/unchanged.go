package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// A model that would become the same table once more is not built: neither what it is made by nor what it is made of has changed, and its
// SELECT depends on nothing else. This file decides that, and judges such a table; fingerprint.go says what a table is made of.

// modelOrKept builds the model, unless its published table is what would come of it.
func (r *run) modelOrKept(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step) ([]load.Table, error) {
	if err := r.inputs(ctx, n); err != nil {
		return nil, err
	}
	if n.Model.Unbuildable != "" {
		return r.model(ctx, b, n, s)
	}
	made, err := r.fingerprint(ctx, b, n)
	if err != nil { // the build finds the same, and tells it in its place
		return r.model(ctx, b, n, s)
	}
	before := r.before.Table(nameOf(n))
	if r.mayKeep(n) && r.differs(before, made) == "" {
		if why := r.damaged(ctx, b.Warehouse, before); why != "" {
			s.Notes = append(s.Notes, "built anew: "+why)
		} else {
			return r.kept(ctx, b, n, s, made)
		}
	}
	tables, err := r.model(ctx, b, n, s)
	if err == nil && len(tables) > 0 {
		tables[0].Fingerprint = made
	}
	return tables, err
}

// seedOrKept reads the seed, unless its file and what is said of it are what its published table was made of.
func (r *run) seedOrKept(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step) ([]load.Table, error) {
	made, before := &load.Fingerprint{Definition: *r.Project.Definition(n), Inputs: map[string]string{}}, r.before.Table(nameOf(n))
	known := map[string]string{}
	for _, in := range inputsOf(n) {
		made.Inputs[in.Name()] = r.versionOf(in.Name(), known)
	}
	made.Moves = movingRule(ctx, b.Warehouse, n)
	if r.mayKeep(n) && made.Parts[models.PartBody] != "" && r.differs(before, made) == "" {
		if why := r.damaged(ctx, b.Warehouse, before); why != "" {
			s.Notes = append(s.Notes, "built anew: "+why)
		} else {
			return r.kept(ctx, b, n, s, made)
		}
	}
	tables, err := r.seed(ctx, b, n, s)
	if err == nil && len(tables) > 0 {
		tables[0].Fingerprint = made
	}
	return tables, err
}

// mayKeep says whether the run leaves tables as they are where nothing has changed.
func (r *run) mayKeep(n *models.Node) bool {
	return !r.selection.FullRefresh && !r.selection.Rebuild && r.selection.Backfill == nil && r.replay == nil && alwaysBuilt(n) == ""
}

// alwaysBuilt says why the model is built in each run, whatever has changed; "" when it need not be.
func alwaysBuilt(n *models.Node) string {
	m := n.Model
	switch {
	case m == nil:
	case m.FullRefresh != nil && *m.FullRefresh:
		return "full_refresh: true builds it in each run"
	case len(m.Before)+len(m.Behind) > 0:
		return "it has hooks, which run in each run"
	case m.Batches != nil:
		return "it is a microbatch model: the time decides which batches it builds"
	case !slices.Contains([]models.Materialization{models.View, models.Table, models.Incremental, models.Snapshot}, m.Materialized):
		return fmt.Sprintf("materialized=%q is built in each run", m.Materialized)
	}
	for _, c := range n.Checks {
		if v, ok := c.Args.(*models.Volume); ok && v.New {
			return fmt.Sprintf("check %s counts what each build brings", c.Name)
		}
	}
	return ""
}

// keptAny says whether the table of a node that succeeded is what it was before the run, and what the run would have made of it.
func (r *run) keptAny() bool {
	return slices.ContainsFunc(r.nodes, func(n *models.Node) bool { return r.succeeded(n.Name()) && r.results[n.Name()].step.Unchanged })
}

// differs says why the table would become another one; "" when it would not.
func (e *Engine) differs(before *load.Table, made *load.Fingerprint) string {
	switch {
	case before == nil:
		return "it was never built"
	case before.Broken != "":
		return "its published version is broken: " + before.Broken
	case before.Fingerprint == nil && before.Made != nil:
		return "a replay has changed its table"
	case before.Fingerprint == nil:
		return "nothing tells what its published version was made of"
	}
	old := before.Fingerprint
	if made.Moves != "" {
		return made.Moves
	}
	changes := slices.DeleteFunc(made.Changes(&old.Definition), func(c models.Change) bool { return !c.Decides() })
	if made.Statement != "" {
		changes = decisive(changes)
	}
	if len(changes) > 0 {
		return changes[0].String()
	}
	if made.Statement != old.Statement {
		return "its SELECT is another one"
	}
	if made.Start != old.Start {
		return otherStart
	}
	if made.Ran != old.Ran {
		return otherRan
	}
	if changed := changedInputs(old, made); len(changed) > 0 {
		return changed[0] + " has changed"
	}
	return ""
}

// otherRan is why an incremental model runs once more although both its SELECTs are what they were.
const otherRan = "the SELECT that runs now is not the one that ran last: is_incremental() is another"

// otherStart is why a model whose SELECT is the same means something else by it.
const otherStart = "on-run-start: what its hooks make, and the SELECT uses, has changed"

// decisive are the changes that make another table by themselves. What decides about the SELECT shows in it: a comment, or a macro that
// gives the same text as before, is none.
func decisive(changes []models.Change) []models.Change {
	return slices.DeleteFunc(changes, func(c models.Change) bool {
		return !c.Decides() || slices.Contains([]string{"body", "macro", "var", "env", "ephemeral"}, c.Part)
	})
}

// changedInputs are the tables of which the node would be made now and that are not those of which it was made, by name.
func changedInputs(old, made *load.Fingerprint) []string {
	var names []string
	for name, version := range made.Inputs {
		if was, read := old.Inputs[name]; !read || version == "" || was != version {
			names = append(names, name)
		}
	}
	for name := range old.Inputs {
		if _, reads := made.Inputs[name]; !reads {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// damaged says why the published version cannot stand for a build; "" when it can. Its files are counted where they lie.
func (r *run) damaged(ctx context.Context, w warehouse.Warehouse, before *load.Table) string {
	if why := missing(before); why != "" {
		return why
	}
	if err := w.Expose(ctx, before.Version); err != nil {
		return fmt.Sprintf("its published version cannot be read: %v", err)
	}
	return ""
}

// missing says which file of the published version is not as it was written; "" when all are.
func missing(before *load.Table) string {
	for _, f := range before.Version.Files() {
		info, err := os.Stat(f.Path)
		if err != nil {
			return fmt.Sprintf("a file of its published version is not there: %v", err)
		}
		if info.Size() != f.Bytes {
			return fmt.Sprintf("a file of its published version has %d bytes instead of %d: %s", info.Size(), f.Bytes, f.Path)
		}
	}
	return ""
}

// recounted counts the rows of a published version where they lie.
func recounted(before *load.Table) (warehouse.Equation, error) {
	found := warehouse.Equation{Name: "recorded", Terms: []warehouse.Term{{Name: "found"}}}
	for _, f := range before.Version.Files() {
		rows, err := warehouse.CountRows(f.Path)
		if err != nil {
			return found, err
		}
		found.Rows, found.Terms[0].Rows = found.Rows+f.Rows, found.Terms[0].Rows+rows
	}
	return found, nil
}

// kept is the step of a model that is not built: its table is counted and judged, and what is said of it is published when that has changed.
func (r *run) kept(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step, made *load.Fingerprint) ([]load.Table, error) {
	before := r.before.Table(nameOf(n))
	s.Unchanged, s.Rows = true, before.Rows
	if before.View == "" {
		found, err := recounted(before)
		if err != nil {
			return nil, err
		}
		s.Equations = append(s.Equations, found)
		if err := closes(s.Equations); err != nil {
			return nil, err
		}
	}
	if err := r.judgeKept(ctx, b, n, s, &before.Version); err != nil {
		return nil, explainModel(n, err)
	}
	if r.toldSame(n, before, made) {
		return nil, nil
	}
	t := *before
	since := before.LoadedAt()
	t.Made, t.Description, t.Fingerprint, t.Needs = &since, n.Description, made, nil
	for _, need := range reads(n) {
		t.Needs = append(t.Needs, need.Name())
	}
	return []load.Table{t}, nil
}

// judgeKept judges a table that was not built: its age, what it is compared with, and what is asked of it may have changed.
func (r *run) judgeKept(ctx context.Context, b *transform.Builder, n *models.Node, s *journal.Step, v *warehouse.Version) (err error) {
	if len(n.Checks) == 0 {
		return nil
	}
	a, err := r.newAudit(n, s, b.Warehouse, r.runDir(r.ID))
	if err == nil {
		err = a.forget()
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.save(ctx)) }()
	diverting, judging := split(n)
	for _, c := range diverting {
		a.add(check.NoRows(c))
	}
	if out := r.before.Table(quarantineOf(n)); out != nil && out.Rows > 0 && len(diverting) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d rows are in %s, as when it was built", out.Rows, out.Name))
	}
	return a.judgeAll(ctx, v, judging)
}

// toldSame says whether all that the manifest says of the table besides its rows is what it would say now.
func (r *run) toldSame(n *models.Node, before *load.Table, made *load.Fingerprint) bool {
	personal := personalOf(n, before.Columns)
	samePII := len(personal) == len(before.PII) && !slices.ContainsFunc(before.PII, func(c string) bool { return !personal[c] })
	return samePII && before.Description == n.Description && len(made.Changes(&before.Fingerprint.Definition)) == 0 && made.Text == before.Fingerprint.Text
}

// fingerprint says what the model would be made of now.
func (r *run) fingerprint(ctx context.Context, b *transform.Builder, n *models.Node) (*load.Fingerprint, error) {
	texts, err := b.Selects(ctx, n)
	if err != nil {
		return nil, err
	}
	f := &load.Fingerprint{Definition: *r.Project.Definition(n), Inputs: map[string]string{}}
	known := map[string]string{}
	for _, in := range inputsOf(n) {
		f.Inputs[in.Name()] = r.versionOf(in.Name(), known)
	}
	before := r.before.Table(nameOf(n))
	return f, stated(ctx, b, n, f, before, addsTo(n, before) && !r.rebuilds(n), texts)
}

// versionOf is the identity of the newest version of a table that a model of this run may read; "" where there is none, because its rows
// change by themselves or because nobody knows. known has those that were asked for before.
func (r *run) versionOf(name string, known map[string]string) string {
	if v, asked := known[name]; asked {
		return v
	}
	known[name] = ""
	if t := r.newest(name); t != nil {
		known[name] = versionOf(t, func(need string) string { return r.versionOf(need, known) })
	}
	return known[name]
}

// newest is the newest version of a table that a model of this run may read, or nil.
func (r *run) newest(name string) *load.Table {
	r.mu.Lock()
	defer r.mu.Unlock()
	if res := r.results[name]; res != nil && len(res.tables) > 0 {
		return &res.tables[0]
	}
	schema, table, _ := strings.Cut(name, ".")
	return r.before.Table(warehouse.Name{Schema: schema, Table: table})
}
