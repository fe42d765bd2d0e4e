package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// join is the node's table with the rows that pass.
func (j *joining) join(ctx context.Context) (*load.Table, error) {
	t := *j.replay.table
	made := t.LoadedAt()
	t.Rejects, t.Equations, t.Made = nil, nil, &made
	if j.node.Model != nil { // it is not what its SELECT gives any more
		t.Fingerprint = nil
	}
	files := []warehouse.File{j.rows}
	j.from = map[string]origin{j.rows.Path: {where: "quarantine"}}
	if !j.replay.merges() {
		return &t, j.beside(ctx, &t, files)
	}
	before, round := t.Version, 0
	err := j.merged(ctx, files, j.replay.columns, func(passed []warehouse.File, _ []warehouse.Column) (*warehouse.Version, error) {
		round++
		return &t.Version, j.merge(ctx, &t, &before, passed, round)
	})
	if err != nil {
		return nil, err
	}
	return &t, j.tellMerged()
}

// beside adds the rows that pass to those that are there.
func (j *joining) beside(ctx context.Context, t *load.Table, files []warehouse.File) error {
	rows, err := j.audit.rows(files, j.replay.columns)
	if err != nil {
		return err
	}
	d := j.Warehouse.Dialect()
	rows.Among = d.Select(t.Version) + "\nUNION ALL BY NAME\n" + d.Scan(files, j.replay.columns)
	diverting, _ := split(j.node)
	if j.passed, _, err = j.divide(ctx, rows, diverting); err != nil {
		return err
	}
	v, equation, err := warehouse.Append(&t.Version, t.Name, j.passed, j.replay.columns)
	if err != nil {
		return err
	}
	t.Version, t.Equations = *v, []warehouse.Equation{equation}
	switch m := j.node.Model; {
	case equation.Get("inserted") == 0:
	case m == nil && j.node.Stream.Mode == string(extract.Full):
		j.note("the rows are added to what is published: the next full load of the stream replaces all of it")
	case m != nil && m.Materialized == models.External:
		j.note("the rows are added to what is published, and not to the file that the model writes: the next build begins from its SELECT again")
	case m != nil && m.Materialized == models.Table:
		j.note("the rows are added to what is published: the next build begins from the model's SELECT again")
	}
	return nil
}

// merge brings the rows that pass in by the key: of a stream a newer published row stays, and one that a person has corrected
// replaces one of the same cursor.
func (j *joining) merge(ctx context.Context, t *load.Table, before *warehouse.Version, passed []warehouse.File, round int) error {
	in := warehouse.MergeInput{Name: t.Name, Prev: before, Landed: passed, Columns: j.replay.columns, Key: before.Key, Dir: filepath.Join(j.dir, fmt.Sprint("merge-", round))}
	if s := j.node.Stream; s != nil {
		in.Cursor, in.Later = s.Cursor, j.replay.corrected != nil
		if s.Deletes == models.DeletesSoft {
			in.Mark, in.MarkedAt = models.DeletedAt, j.LogicalTime
		}
	}
	if err := fsx.MkdirAll("merge", in.Dir, 0o700); err != nil {
		return fmt.Errorf("stage merge: %w", err)
	}
	out, err := warehouse.Merge(ctx, j.Warehouse, in)
	if err != nil {
		return err
	}
	j.passed, j.outcome, t.Version, t.Equations = passed, out, out.Version, out.Equations
	return j.verify(out.Version, out.Written)
}

// tellMerged notes what became of rows whose key others have too. A model has nothing that tells two replayed rows apart.
func (j *joining) tellMerged() error {
	superseded, updated := j.outcome.Get("landed", "superseded"), j.outcome.Get("landed", "updated")
	switch stream := j.node.Stream != nil; {
	case stream && superseded > 0:
		j.note(fmt.Sprintf("%d rows are superseded: the table has a newer row with their key, or two of them share one", superseded))
	case superseded > 0:
		return &StepError{Node: j.node.Name(), Pos: j.node.Pos.String(), Hint: "replay them one after the other, by --run, --rule or --file",
			Err: fmt.Errorf("%d of the rows repeat the unique_key (%s) of another: which of them is right, nobody can tell", superseded, strings.Join(j.replay.key(), ", "))}
	case !stream && updated > 0:
		j.note(fmt.Sprintf("%d published rows with the same unique_key are replaced: nothing says which of the two is newer", updated))
	}
	return nil
}

// explain notes what to do when the table would differ from its source by the rows that were replayed.
func (j *joining) explain() {
	for _, r := range j.results {
		if c := j.node.Check(r.Name); c != nil && c.Kind == "reconcile" && r.Status.Bad() {
			j.note(fmt.Sprintf("%s compares the rows as they are with their source: correct them there and deliver them again, instead of replaying them", r.Name))
		}
	}
}

func (j *joining) note(text string) { j.step.Notes = append(j.step.Notes, text) }

// remaining is the quarantine without the rows that were replayed, and with those that fail again.
func (j *joining) remaining(ctx context.Context) (*load.Table, error) {
	kept, err := j.kept(ctx)
	if err != nil {
		return nil, err
	}
	again, err := j.again(ctx)
	if err != nil {
		return nil, err
	}
	q := *j.replay.quarantine
	q.Base, q.Rows = kept, 0
	for _, f := range kept {
		q.Rows += f.Rows
	}
	v, _, err := j.gather(ctx, &q.Version, q.Name, again)
	if err != nil {
		return nil, err
	}
	q.Version, q.Rejects = *v, nil
	return &q, nil
}

// kept are files of the quarantined rows that were not replayed: those that are there, where none of their rows was.
func (j *joining) kept(ctx context.Context) ([]warehouse.File, error) {
	d, q := j.Warehouse.Dialect(), j.replay.quarantine
	answer, err := j.Warehouse.Query(ctx, fmt.Sprintf("SELECT %s, count(*) FROM (\n%s\n) AS q WHERE %s GROUP BY 1", warehouse.PositionFile, d.ScanAt(q.Base, q.Columns), j.replay.where))
	if err != nil {
		return nil, fmt.Errorf("find quarantined rows: %w", err)
	}
	taken := map[string]int64{}
	for _, row := range answer.Rows {
		path, _ := row[0].(string)
		taken[path], _ = row[1].(int64)
	}
	var kept []warehouse.File
	for i, f := range q.Base {
		if n := taken[f.Path]; n > 0 {
			rest, err := j.Warehouse.Write(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) AS q WHERE (%s) IS NOT TRUE", d.Scan([]warehouse.File{f}, q.Columns), j.replay.where),
				filepath.Join(j.dir, fmt.Sprintf("kept-%05d.parquet", i)))
			if err != nil {
				return nil, fmt.Errorf("keep quarantined rows: %w", err)
			}
			if rest.Rows+n != f.Rows {
				return nil, fmt.Errorf("%w: of %d quarantined rows in %s %d were replayed and %d stay", warehouse.ErrUnbalanced, f.Rows, f.Path, n, rest.Rows)
			}
			if err := j.run.check(rest, q.Columns); err != nil {
				return nil, err
			}
			f = rest
		}
		if f.Rows > 0 {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// again is the file of the rows that fail again. Only the rules that they fail are new: they keep their ids, so that a file that
// corrects them stays good, the place where they came from first, and the run and time by which they are found and grow old. Equal
// rows are alike: which of the ids each gets makes no difference.
func (j *joining) again(ctx context.Context) ([]warehouse.File, error) {
	if len(j.bad) == 0 {
		return nil, nil
	}
	d := j.Warehouse.Dialect()
	items := make([]string, len(j.replay.columns), len(j.replay.columns)+5)
	for i, c := range j.replay.columns {
		items[i] = "bad." + d.QuoteIdent(c.Name)
	}
	items = append(items, "bad."+check.FailedRules)
	for _, name := range []string{check.QuarantinedRun, check.QuarantinedAt, check.QuarantinedFrom, check.QuarantinedID} {
		items = append(items, fmt.Sprintf("coalesce(was.%s, bad.%[1]s) AS %[1]s", name))
	}
	numbered := func(rows string) string {
		return fmt.Sprintf("SELECT *, row_number() OVER (PARTITION BY _millrace_hash) AS _millrace_nth FROM (SELECT *, %s AS _millrace_hash FROM %s) AS r", j.hash(), rows)
	}
	sql := fmt.Sprintf("WITH was AS (\n%s\n), bad AS (\n%s\n)\nSELECT %s\nFROM bad LEFT JOIN was ON was._millrace_hash = bad._millrace_hash AND was._millrace_nth = bad._millrace_nth",
		numbered(d.Files([]string{j.origin.Path})), numbered(d.Files(warehouse.Paths(j.bad))), strings.Join(items, ", "))
	f, err := j.Warehouse.Write(ctx, sql, filepath.Join(j.dir, "again.parquet"))
	if err != nil {
		return nil, fmt.Errorf("keep rows that fail again: %w", err)
	}
	if err := j.run.check(f, check.QuarantineColumns(j.replay.columns)); err != nil {
		return nil, err
	}
	path := j.quarantinePath("0")
	if err := errors.Join(j.forget(), fsx.Rename("quarantine", f.Path, path)); err != nil {
		return nil, fmt.Errorf("keep rows that fail again: %w", err)
	}
	f.Path = path
	j.bad = []warehouse.File{f}
	return j.bad, nil
}

// hash is SQL for what tells a row from one with other values.
func (j *joining) hash() string {
	d := j.Warehouse.Dialect()
	texts := make([]string, len(j.replay.columns))
	for i, c := range j.replay.columns {
		texts[i] = "CAST(" + d.QuoteIdent(c.Name) + " AS VARCHAR)"
	}
	return "md5(CAST(to_json([" + strings.Join(texts, ", ") + "]) AS VARCHAR))"
}

// account adds the equations of the replay to those of the table: each side is counted where the rows lie.
func (j *joining) account(t, q *load.Table) error {
	rows, err := counted([]warehouse.File{j.rows})
	if err != nil {
		return err
	}
	passed, err := counted(j.passed)
	if err != nil {
		return err
	}
	again, err := counted(j.bad)
	if err != nil {
		return err
	}
	j.replay.passed = passed
	replayed := warehouse.Equation{Name: "replayed", Rows: rows, Terms: []warehouse.Term{{Name: "passed", Rows: passed}, {Name: "quarantined", Rows: again}}}
	q.Equations = []warehouse.Equation{{Name: "quarantine", Rows: q.Rows, Terms: []warehouse.Term{{Name: "before", Rows: j.replay.quarantine.Rows},
		{Name: "replayed", Rows: rows, Minus: true}, {Name: "quarantined", Rows: again}}}}
	t.Equations = append([]warehouse.Equation{replayed}, t.Equations...)
	j.step.Equations = slices.Concat(t.Equations, q.Equations)
	if c := j.replay.corrected; c != nil {
		file := warehouse.Equation{Name: "file", Rows: c.rows, Terms: []warehouse.Term{{Name: "replayed", Rows: rows}, {Name: "stay", Rows: j.replay.stayed}, {Name: "gone", Rows: c.gone}}}
		j.step.Equations = append([]warehouse.Equation{file}, j.step.Equations...)
	}
	return closes(j.step.Equations)
}

// counted are the rows of files, by the second reader.
func counted(files []warehouse.File) (rows int64, err error) {
	for _, f := range files {
		n, err := warehouse.CountRows(f.Path)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	return rows, nil
}
