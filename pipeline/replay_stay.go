package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// staying are rows that a replay leaves in quarantine as they are, because they cannot meet the table's by its key.
type staying struct {
	ids  string // a SELECT of their ids
	why  string // for the note
	next string
}

// stay leaves rows in quarantine that cannot meet the table's, so that the others can come in. From then on they are none of the
// rows that are replayed.
func (j *joining) stay(ctx context.Context) error {
	if err := fsx.MkdirAll("replay", j.dir, 0o700); err != nil {
		return fmt.Errorf("stage replay: %w", err)
	}
	all, err := j.unmeetable()
	if err == nil && len(all) == 0 {
		all, err = j.copies()
	}
	if err != nil {
		return err
	}
	for i, s := range all {
		f, err := j.Warehouse.Write(ctx, s.ids, filepath.Join(j.dir, fmt.Sprintf("stay-%d.parquet", i)))
		if err != nil {
			return fmt.Errorf("find rows that stay in quarantine: %w", err)
		}
		if f.Rows == 0 {
			continue
		}
		if f.Stats[check.QuarantinedID].Nulls > 0 {
			return &StepError{Node: j.node.Name(), Pos: j.node.Pos.String(), Hint: "deliver them anew",
				Err: fmt.Errorf("%d rows cannot be replayed, and cannot be told from the others, because an older millrace kept them out: %s", f.Rows, s.why)}
		}
		j.replay.where += fmt.Sprintf(" AND (%s IN (SELECT %[1]s FROM %s)) IS NOT TRUE", check.QuarantinedID, j.Warehouse.Dialect().Files([]string{f.Path}))
		j.replay.stayed += f.Rows
		j.note(fmt.Sprintf("%d rows stay in quarantine: %s; %s", f.Rows, s.why, s.next))
	}
	return nil
}

// unmeetable are the kinds of rows that cannot meet the table's by its key.
func (j *joining) unmeetable() ([]staying, error) {
	rp := j.replay
	deletes := rp.Node.Model != nil && rp.Node.Model.Materialized == models.Incremental && rp.Node.Model.Strategy == models.StrategyDeleteInsert
	if !rp.merges() && !deletes {
		return nil, nil
	}
	d := j.Warehouse.Dialect()
	var items, missing, names []string
	for _, name := range rp.key() {
		at := column(rp.table.Columns, name)
		if at < 0 {
			return nil, fmt.Errorf("%s has no column %q, which is in its key", rp.Node.Name(), name)
		}
		c := rp.table.Columns[at]
		value, err := rp.value(d, c)
		if err != nil {
			return nil, err
		}
		quoted := d.QuoteIdent(c.Name)
		items, missing, names = append(items, value+" AS "+quoted), append(missing, quoted+" IS NULL"), append(names, quoted)
	}
	key, text := strings.Join(names, ", "), strings.Join(rp.key(), ", ")
	rows := fmt.Sprintf("(SELECT %s AS %s, %s FROM %s) AS r", rp.id(), check.QuarantinedID, strings.Join(items, ", "), rp.from(d))
	export := fmt.Sprintf("millrace rejects export %s --all writes them out", rp.Node.Name())
	all := []staying{{ids: fmt.Sprintf("SELECT %s FROM %s WHERE %s", check.QuarantinedID, rows, strings.Join(missing, " OR ")),
		why: fmt.Sprintf("they have no key (%s), by which they would meet those of the table", text), next: export + " to be given one"}}
	if deletes {
		all = append(all, staying{ids: fmt.Sprintf(`SELECT %s FROM %s WHERE (%s) IN (SELECT (%[3]s) FROM (
%[4]s
) AS t) OR (%[3]s) IN (SELECT (%[3]s) FROM %[2]s GROUP BY ALL HAVING count(*) > 1)`, check.QuarantinedID, rows, key, d.Select(rp.table.Version)),
			why:  fmt.Sprintf("their unique_key (%s) is in the table, or twice among them: in place of the rows of that key they would delete what has passed, and beside these they would be too many", text),
			next: "build the model with the rows corrected where they come from"})
	}
	return all, nil
}

// copies are rows of an incremental model without a key which are there already, or in quarantine more than once: its SELECT
// may ask for a row again that was kept out, in each run. Equal rows of one run are as they came.
func (j *joining) copies() ([]staying, error) {
	rp := j.replay
	if m := rp.Node.Model; m == nil || m.Materialized != models.Incremental || m.Strategy != models.StrategyAppend && m.Strategy != models.StrategyInsertOverwrite {
		return nil, nil
	}
	d := j.Warehouse.Dialect()
	var items []string
	for _, c := range rp.columns {
		value, err := rp.value(d, c)
		if err != nil {
			return nil, err
		}
		items = append(items, value+" AS "+d.QuoteIdent(c.Name))
	}
	rows := fmt.Sprintf("(SELECT %s AS %s, q.%s, %s FROM %s) AS r", rp.id(), check.QuarantinedID, check.QuarantinedAt, strings.Join(items, ", "), rp.from(d))
	return []staying{{ids: fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s, %[2]s AS hash, %[3]s < max(%[3]s) OVER (PARTITION BY %[2]s) AS again FROM %[4]s) AS h
WHERE again OR hash IN (SELECT %[2]s FROM (
%[5]s
) AS t)`, check.QuarantinedID, j.hash(), check.QuarantinedAt, rows, d.Select(rp.table.Version)),
		why: "an equal row is in the table, or was kept out again by a later run", next: "they would be there twice"}}, nil
}

// id is a replayed row's id, as SQL. Rows of an older quarantine have none.
func (rp *replay) id() string {
	if slices.ContainsFunc(rp.quarantine.Columns, func(c warehouse.Column) bool { return c.Name == check.QuarantinedID }) {
		return "q." + check.QuarantinedID
	}
	return "CAST(NULL AS VARCHAR)"
}
