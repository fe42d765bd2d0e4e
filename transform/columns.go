package transform

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// This file is about the columns of an incremental model whose SELECT has others than its table: on_schema_change.

// schemaChange is what differs between a table and the SELECT that adds to it.
type schemaChange struct {
	added, gone []warehouse.Column
	retyped     []retyped
}

type retyped struct{ name, from, to string }

func changed(before, have []warehouse.Column) (c schemaChange) {
	for _, h := range have {
		switch at := find(before, h.Name); {
		case at < 0:
			c.added = append(c.added, h)
		case warehouse.FitOf(before[at].Type, h.Type) != warehouse.FitsSame:
			c.retyped = append(c.retyped, retyped{before[at].Name, before[at].Type, h.Type})
		}
	}
	for _, b := range before {
		if !has(have, b.Name) {
			c.gone = append(c.gone, b)
		}
	}
	return c
}

// String tells the change in a line; "" when there is none.
func (c schemaChange) String() string {
	var parts []string
	for _, a := range c.added {
		parts = append(parts, "+ "+a.Name+" "+a.Type)
	}
	for _, g := range c.gone {
		parts = append(parts, "- "+g.Name+" "+g.Type)
	}
	for _, r := range c.retyped {
		parts = append(parts, fmt.Sprintf("~ %s %s → %s", r.name, r.from, r.to))
	}
	return strings.Join(parts, ", ")
}

// policy is what the model says of other columns. With a contract the SELECT has those that are agreed on, and none is left out.
func policy(n *models.Node) string {
	p := n.Model.OnSchemaChange
	if p == models.SchemaChangeIgnore && n.Contract() != nil {
		return models.SchemaChangeAppend
	}
	return p
}

// ColumnsAfter are the columns that the table of an incremental model gets, which has the columns before and whose SELECT has others, as
// they are stored. What on_schema_change does not let through is an Error.
func ColumnsAfter(n *models.Node, before, have []warehouse.Column) ([]warehouse.Column, error) {
	c := changed(before, have)
	switch policy(n) {
	case models.SchemaChangeFail:
		if text := c.String(); text != "" {
			return nil, schemaError(n, "the columns of the SELECT are not those of the table (on_schema_change: fail): "+text)
		}
		return before, nil
	case models.SchemaChangeIgnore:
		if len(c.gone) > 0 {
			return nil, schemaError(n, "the SELECT does not have all columns of the table (on_schema_change: ignore): "+schemaChange{gone: c.gone}.String())
		}
		return before, nil
	case models.SchemaChangeSync:
		var after []warehouse.Column
		for _, b := range before {
			if at := find(have, b.Name); at >= 0 {
				after = append(after, warehouse.Column{Name: b.Name, Type: have[at].Type})
			}
		}
		return append(after, c.added...), nil
	}
	return warehouse.UnionColumns(before, have)
}

func schemaError(n *models.Node, message string) error {
	return &Error{Pos: n.Pos.String(), Err: fmt.Errorf("%s", message),
		Hint: "on_schema_change: append_new_columns or sync_all_columns changes the table; " + n.BuiltAnew()}
}

// land runs the SELECT into a file whose rows can meet the version before, and gives that the columns which they need.
func (j *joining) land(ctx context.Context, sql string, columns []warehouse.Column) (warehouse.File, []warehouse.Column, error) {
	none := warehouse.File{}
	if j.before == nil {
		return j.write(ctx, j.job, sql)
	}
	have, err := warehouse.StoredColumns(columns)
	if err != nil {
		return none, nil, err
	}
	after, err := ColumnsAfter(j.job.Node, j.before.Columns, have)
	if err != nil {
		return none, nil, err
	}
	for _, g := range changed(j.before.Columns, have).gone {
		j.gone = append(j.gone, g.Name)
	}
	ignores := policy(j.job.Node) == models.SchemaChangeIgnore
	head, tail := j.fit(have, after, ignores)
	file, landed, err := j.write(ctx, j.job, head+sql+tail)
	switch {
	case err != nil:
		return none, nil, earlier(err, len(head))
	case ignores:
		return j.narrow(ctx, file, landed, after)
	case policy(j.job.Node) == models.SchemaChangeSync:
		return file, landed, j.sync(ctx, after)
	}
	return file, landed, nil
}

// fit gives what to write around a SELECT so that it has these columns, as they are or with their types; those that it lacks are NULL.
func (j *joining) fit(have, want []warehouse.Column, asTheyAre bool) (head, tail string) {
	if slices.Equal(have, want) {
		return "", ""
	}
	d := j.Warehouse.Dialect()
	items := make([]string, len(want))
	for i, c := range want {
		name := d.QuoteIdent(c.Name)
		switch {
		case !has(have, c.Name):
			items[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", d.Type(c.Type), name)
		case asTheyAre:
			items[i] = name + " AS " + name
		default:
			items[i] = fmt.Sprintf("CAST(%s AS %s) AS %[1]s", name, d.Type(c.Type))
		}
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (\n", "\n) AS q"
}

// narrow gives new rows the types of the table's columns. A value that such a type does not hold is refused.
func (j *joining) narrow(ctx context.Context, file warehouse.File, have, want []warehouse.Column) (warehouse.File, []warehouse.Column, error) {
	if len(changed(want, have).retyped) == 0 {
		return file, want, nil
	}
	d := j.Warehouse.Dialect()
	if err := j.unbent(ctx, d.Files([]string{file.Path}), have, want, "the SELECT gives"); err != nil {
		return file, nil, err
	}
	f, err := j.Warehouse.Write(ctx, d.Scan([]warehouse.File{file}, want), filepath.Join(j.job.Dir, "narrowed.parquet"))
	if err != nil {
		return f, nil, err
	}
	j.more = append(j.more, warehouse.Equation{Name: "narrowed", Rows: f.Rows, Terms: []warehouse.Term{{Name: "landed", Rows: file.Rows}}})
	return f, want, nil
}

// sync gives the rows of the version before the columns of the SELECT. Nothing is to be written where columns only were added, or widened.
func (j *joining) sync(ctx context.Context, after []warehouse.Column) error {
	var kept []warehouse.Column
	wider := true
	for _, c := range j.before.Columns {
		if at := find(after, c.Name); at >= 0 {
			kept = append(kept, after[at])
			wider = wider && warehouse.FitOf(c.Type, after[at].Type) >= warehouse.Widens
		}
	}
	if wider && len(kept) == len(j.before.Columns) {
		return nil
	}
	rows := "(\n" + j.Warehouse.Dialect().Select(*j.before) + "\n) AS r"
	if err := j.unbent(ctx, rows, j.before.Columns, kept, "the table has"); err != nil {
		return err
	}
	key := j.before.Key
	if slices.ContainsFunc(key, func(k string) bool { return !has(kept, k) }) {
		key = nil
	}
	return j.rewrite(ctx, j.Warehouse.Dialect().Casts(kept)+" FROM "+rows, kept, key, filepath.Join(j.job.Dir, "synced.parquet"))
}

// unbent refuses rows with a value that would become another one in a column's new type. Texts may become what they can be read as.
func (j *joining) unbent(ctx context.Context, from string, have, want []warehouse.Column, who string) error {
	d := j.Warehouse.Dialect()
	for _, w := range want {
		at := find(have, w.Name)
		if at < 0 || warehouse.FitOf(have[at].Type, w.Type) >= warehouse.Widens {
			continue
		}
		name, to, back := d.QuoteIdent(have[at].Name), d.Type(w.Type), d.Type(have[at].Type)
		bent := fmt.Sprintf("TRY_CAST(TRY_CAST(%s AS %s) AS %s) IS DISTINCT FROM %[1]s", name, to, back)
		if have[at].Type == "VARCHAR" {
			bent = fmt.Sprintf("TRY_CAST(%s AS %s) IS NULL AND %[1]s IS NOT NULL", name, to)
		}
		r, err := j.Warehouse.Query(ctx, "SELECT count(*) FROM "+from+" WHERE "+bent)
		if err != nil {
			return fmt.Errorf("compare the types of column %q: %w", w.Name, err)
		}
		if n := r.Rows[0][0]; n != int64(0) {
			return schemaError(j.job.Node, fmt.Sprintf("%s %s in column %s, and %v of its values cannot become %s unchanged", who, have[at].Type, w.Name, n, w.Type))
		}
	}
	return nil
}
