package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// corrections is a file of corrected rows beside the quarantined ones that they replace. Its texts are only looked at where
// they are not those of the quarantined value: what nobody has touched keeps its value to the last bit.
type corrections struct {
	textFile
	texts string // Parquet file with the columns of the file, and fileLine
	gone  int64  // rows that are in the quarantine no more
}

// correct reads the file of corrected rows and settles which quarantined rows they replace. Whatever is wrong with it is
// found here, before anything is replayed.
func (r *run) correct(ctx context.Context) (err error) {
	rp := r.replay
	path, err := filepath.Abs(rp.File)
	if err != nil {
		return err
	}
	w, err := r.Warehouse(ctx, warehouse.Config{Memory: r.engineMemory(1), Threads: r.Threads, Files: []string{path}, Dirs: r.checkPlaces()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	c := &corrections{texts: filepath.Join(r.runDir(r.ID), "corrected.parquet")}
	if err := c.read(ctx, w, rp.File, path); err != nil {
		return err
	}
	if c.rows == 0 {
		return c.refuse(0, correctedHint, "the file has no rows")
	}
	if err := errors.Join(c.knows(rp), c.identified(ctx, w)); err != nil {
		return err
	}
	d := w.Dialect()
	ids := fmt.Sprintf("SELECT %s FROM %s", check.QuarantinedID, d.Files([]string{c.texts}))
	if c.gone, err = countOf(ctx, w, fmt.Sprintf("SELECT 1 FROM (%s) AS f WHERE %s NOT IN (SELECT %[2]s FROM (\n%s\n) AS q WHERE %[2]s IS NOT NULL)",
		ids, check.QuarantinedID, d.Select(rp.quarantine.Version))); err != nil {
		return err
	}
	if c.gone == c.rows {
		return refused("", "none of the %d rows of %s is in the quarantine of %s: they have been replayed, or are past retention", c.rows, c.path, rp.Node.Name())
	}
	rp.corrected, rp.where = c, check.QuarantinedID+" IN ("+ids+")"
	if err := rp.enter(ctx, w); err != nil {
		return err
	}
	if err := rp.readable(ctx, w); err != nil {
		return err
	}
	return rp.keyed(ctx, w)
}

// read brings the file to texts.
func (c *corrections) read(ctx context.Context, w warehouse.Warehouse, name, path string) error {
	if strings.EqualFold(filepath.Ext(path), formatParquet) {
		return c.parquet(ctx, w, name, path)
	}
	f, err := readTexts(name, c.texts)
	if err == nil {
		c.textFile = *f
	}
	return err
}

// parquet turns the typed file into one of texts.
func (c *corrections) parquet(ctx context.Context, w warehouse.Warehouse, name, path string) (err error) {
	c.path, c.format = name, formatParquet
	d := w.Dialect()
	columns, err := w.Describe(ctx, "SELECT * FROM "+d.Files([]string{path}))
	if err != nil {
		return c.refuse(0, "", "%v", err)
	}
	var items []string
	for _, column := range columns {
		c.columns = append(c.columns, column.Name)
		items = append(items, fmt.Sprintf("CAST(%s AS VARCHAR) AS %[1]s", d.QuoteIdent(column.Name)))
	}
	if !slices.Contains(c.columns, check.QuarantinedID) {
		return c.refuse(0, correctedHint, "there is no column %s, which says which quarantined row each row corrects", check.QuarantinedID)
	}
	if err := c.distinct(0); err != nil {
		return err
	}
	if c.rows, err = warehouse.CountRows(path); err != nil {
		return c.refuse(0, "", "%v", err)
	}
	_, err = w.Write(ctx, fmt.Sprintf("SELECT %s, %s + 1 AS %s FROM %s", strings.Join(items, ", "), warehouse.PositionRow, fileLine, d.Positions([]string{path})), c.texts)
	return err
}

// knows refuses columns of the file that the table has not, but for those that a run leaves out as well.
func (c *corrections) knows(rp *replay) error {
	if column(rp.quarantine.Columns, check.QuarantinedID) < 0 {
		return refused("replay them without a file, or deliver them anew", "the rows of %s were kept out by an older millrace and have no ids", rp.quarantine.Name)
	}
	known := warehouse.Names(rp.table.Columns)
	for _, name := range c.columns {
		if column(check.QuarantineColumns(nil), name) >= 0 || column(rp.table.Columns, name) >= 0 && name != models.DeletedAt {
			continue
		}
		if column(rp.quarantine.Columns, name) >= 0 && discards(rp.Node, name) {
			continue
		}
		next := "the columns are " + strings.Join(known, ", ")
		if s := config.Suggest(name, known); s != "" {
			next = fmt.Sprintf("did you mean %q? %s", s, next)
		}
		return c.refuse(1, next, "%s has no column %q", rp.Node.Name(), name)
	}
	return nil
}

// identified refuses rows without an id, and ids that two rows have.
func (c *corrections) identified(ctx context.Context, w warehouse.Warehouse) error {
	answer, err := w.Query(ctx, fmt.Sprintf("SELECT %s IS NULL, min(%s), max(%[2]s) FROM %s GROUP BY %[1]s HAVING count(*) > 1 OR %[1]s IS NULL ORDER BY 2 LIMIT 1",
		check.QuarantinedID, fileLine, w.Dialect().Files([]string{c.texts})))
	if err != nil || len(answer.Rows) == 0 {
		return err
	}
	row := answer.Rows[0]
	first, _ := row[1].(int64)
	if missing, _ := row[0].(bool); missing {
		return c.refuse(int(first), "only rows that are in quarantine can be corrected: deliver new ones to the source", "the row has no %s", check.QuarantinedID)
	}
	return c.refuse(int(first), "leave one of them", "line %d has the same %s", row[2], check.QuarantinedID)
}

// from is the replayed rows q, beside what the file says of them, f.
func (rp *replay) from(d *warehouse.Dialect) string {
	rows := "(\n" + rp.quarantined() + "\n) AS q"
	if rp.corrected == nil {
		return rows
	}
	return fmt.Sprintf("%s JOIN %s AS f ON f.%s = q.%[3]s", rows, d.Files([]string{rp.corrected.texts}), check.QuarantinedID)
}

// cell is the file's text of a column, as SQL, and whether the file has the column.
func (rp *replay) cell(d *warehouse.Dialect, name string) (text string, found bool) {
	if rp.corrected == nil {
		return "", false
	}
	i := slices.IndexFunc(rp.corrected.columns, func(c string) bool { return strings.EqualFold(c, name) })
	if i < 0 {
		return "", false
	}
	return "f." + d.QuoteIdent(rp.corrected.columns[i]), true
}

// value is what a row has in a column of the table, as SQL: what the file says, or what is in quarantine. NULL too where the
// file's text is no value of the column's type.
func (rp *replay) value(d *warehouse.Dialect, c warehouse.Column) (string, error) {
	at := column(rp.quarantine.Columns, c.Name)
	text, found := rp.cell(d, c.Name)
	if !found {
		return rp.held(d, c)
	}
	exact, err := exactly(d, text, c)
	if err != nil {
		return "", err
	}
	if at < 0 || rp.quarantine.Columns[at].Type != c.Type {
		return exact, nil
	}
	held := "q." + d.QuoteIdent(c.Name)
	was := "CAST(" + held + " AS VARCHAR)"
	untouched := text + " IS NOT DISTINCT FROM " + was
	if rp.corrected.format == formatCSV { // which tells no empty text from NULL, nor one kind of line end from the other
		untouched = fmt.Sprintf("coalesce(%s, '') = coalesce(replace(%s, chr(13) || chr(10), chr(10)), '')", text, was)
	}
	return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", untouched, held, exact), nil
}

// readable refuses texts that are no values of their columns, and tells the first few.
func (rp *replay) readable(ctx context.Context, w warehouse.Warehouse) error {
	const most = 10
	d := w.Dialect()
	var bad []string
	for i, c := range rp.columns {
		text, found := rp.cell(d, c.Name)
		if !found {
			continue
		}
		value, err := rp.value(d, c)
		if err != nil {
			return err
		}
		bad = append(bad, fmt.Sprintf("SELECT f.%s AS line, CAST(%d AS BIGINT) AS place, left(%s, 80) AS cell FROM %s WHERE %[3]s IS NOT NULL AND %[5]s IS NULL", fileLine, i, text, rp.from(d), value))
	}
	if len(bad) == 0 {
		return nil
	}
	answer, err := w.Query(ctx, fmt.Sprintf("SELECT line, place, cell FROM (\n%s\n) AS b ORDER BY line, place LIMIT %d", strings.Join(bad, "\nUNION ALL\n"), most))
	if err != nil || len(answer.Rows) == 0 {
		return err
	}
	secret := check.Secrets(rp.Node)
	var texts []string
	for _, row := range answer.Rows {
		line, _ := row[0].(int64)
		i, _ := row[1].(int64)
		c := rp.columns[i]
		cell := fmt.Sprintf("%q", row[2])
		if secret[strings.ToLower(c.Name)] {
			cell = "***"
		}
		texts = append(texts, fmt.Sprintf("%s: %s: %s is not exactly a %s", rp.corrected.field(line, c.Name), c.Name, cell, c.Type))
	}
	return refused("correct the cells and replay the file again: nothing has been changed", "%s", strings.Join(texts, "\n"))
}

// keyed refuses rows without the key by which they would be merged.
func (rp *replay) keyed(ctx context.Context, w warehouse.Warehouse) error {
	if !rp.merges() {
		return nil
	}
	d := w.Dialect()
	for _, c := range rp.columns {
		if !slices.ContainsFunc(rp.key(), func(k string) bool { return strings.EqualFold(k, c.Name) }) {
			continue
		}
		value, err := rp.value(d, c)
		if err != nil {
			return err
		}
		answer, err := w.Query(ctx, fmt.Sprintf("SELECT min(f.%s) FROM %s WHERE %s IS NULL", fileLine, rp.from(d), value))
		if err != nil {
			return err
		}
		if line, found := answer.Rows[0][0].(int64); found {
			return refused("", "%s: the row has no %s, which is in the key of %s", rp.corrected.field(line, c.Name), c.Name, rp.Node.Name())
		}
	}
	return nil
}
