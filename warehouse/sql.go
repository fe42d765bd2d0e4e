package warehouse

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The builders of this file make all SQL that is generated for tables and merges. Each returns one SELECT.

// Select reads a version as its readers see it: every column by name, order and type, whatever its files have.
func (d *Dialect) Select(v Version) string {
	return d.SelectWhere(v, func(rows string) string { return rows })
}

// SelectWhere reads the rows of a version that keep lets through: a filter of single rows. It stands below the
// anti-join of the deltas, not above: of ten million rows, those without a key in ten million others are found in a
// third of the time.
func (d *Dialect) SelectWhere(v Version, keep func(rows string) string) string {
	switch {
	case v.View != "":
		return keep(v.View)
	case len(v.Base)+len(v.Upserts) == 0:
		return d.empty(v.Columns)
	case len(v.Upserts)+len(v.Deletes) == 0:
		return keep(d.Scan(v.Base, v.Columns))
	case len(v.Base) == 0:
		return keep(d.Scan(v.Upserts, v.Columns))
	}
	var hidden []string
	for _, files := range [][]File{v.Upserts, v.Deletes} {
		if len(files) > 0 {
			hidden = append(hidden, d.Scan(files, v.KeyColumns()))
		}
	}
	sql := fmt.Sprintf("SELECT * FROM (\n%s\n) AS b\nWHERE NOT EXISTS (\n  SELECT 1 FROM (\n%s\n  ) AS d WHERE %s)",
		indent(keep(d.Scan(v.Base, v.Columns))), indent(indent(strings.Join(hidden, "\nUNION ALL\n"))), d.match(v.Key, "d", "b"))
	if len(v.Upserts) > 0 {
		sql += "\nUNION ALL\n" + keep(d.Scan(v.Upserts, v.Columns))
	}
	return sql
}

// Scan reads the columns of files. A column that a file has not is NULL in its rows.
func (d *Dialect) Scan(files []File, columns []Column) string {
	if len(files) == 0 {
		return d.empty(columns)
	}
	return d.scan(files, columns, d.Files(Paths(files)))
}

// Texts reads the columns of a SELECT as texts.
func (d *Dialect) Texts(query string, columns []Column) string {
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = fmt.Sprintf("CAST(%s AS VARCHAR) AS %[1]s", d.QuoteIdent(c.Name))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (\n" + query + "\n) AS q"
}

// ScanAt reads the columns of files, and where each row lies: in PositionFile and PositionRow.
func (d *Dialect) ScanAt(files []File, columns []Column) string {
	return d.scan(files, columns, d.Positions(Paths(files)), PositionFile, PositionRow)
}

// scan selects the columns of files by name, with their types, and more of from, the table expression that reads them.
func (d *Dialect) scan(files []File, columns []Column, from string, more ...string) string {
	if !allFound(files, columns) {
		from = "(\n" + indent(d.empty(columns)+"\nUNION ALL BY NAME\nSELECT * FROM "+from) + "\n) AS f"
	}
	return strings.Join(append([]string{d.Casts(columns)}, more...), ", ") + "\nFROM " + from
}

// Casts begins a SELECT of columns by name, with their types.
func (d *Dialect) Casts(columns []Column) string {
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = fmt.Sprintf("CAST(%s AS %s) AS %[1]s", d.QuoteIdent(c.Name), d.Type(c.Type))
	}
	return "SELECT " + strings.Join(items, ", ")
}

// allFound says whether each column is surely in one of the files; the statistics tell.
func allFound(files []File, columns []Column) bool {
	has := map[string]bool{}
	for _, f := range files {
		for path := range f.Stats {
			has[strings.ToLower(topColumn(path))] = true
		}
	}
	return !slices.ContainsFunc(columns, func(c Column) bool { return !has[strings.ToLower(c.Name)] })
}

// MayHold says whether a file may have a column of that name: not, when it has no rows, or statistics of others only.
func (f File) MayHold(column string) bool {
	for path := range f.Stats {
		if strings.EqualFold(topColumn(path), column) {
			return true
		}
	}
	return len(f.Stats) == 0 && f.Rows > 0
}

// topColumn is the column that a Stats key speaks of: a itself, or a of `"a"."element"`.
func topColumn(path string) string {
	if !strings.HasPrefix(path, `"`) || !strings.Contains(path, `"."`) {
		return path
	}
	p := typeParser{in: path}
	name, _ := p.word()
	return name
}

func (d *Dialect) empty(columns []Column) string {
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", d.Type(c.Type), d.QuoteIdent(c.Name))
	}
	return "SELECT " + strings.Join(items, ", ") + "\nWHERE 1 = 0"
}

// match joins two aliases on the key, which holds no NULL.
func (d *Dialect) match(key []string, a, b string) string {
	parts := make([]string, len(key))
	for i, k := range key {
		parts[i] = fmt.Sprintf("%s.%s = %s.%[2]s", a, d.QuoteIdent(k), b)
	}
	return strings.Join(parts, " AND ")
}

// rank is the tuple that decides between two rows of one key: a commutative and idempotent order, so that rows may
// arrive in any order. NULL is least: a row that knows more wins. The whole row comes last, its columns by name,
// since their order may differ between runs.
func (d *Dialect) rank(columns []Column, cursor, alias string) []string {
	order := Names(columns)
	slices.Sort(order)
	if cursor != "" {
		order = append([]string{cursor}, order...)
	}
	return d.tuple(order, alias)
}

func (d *Dialect) tuple(columns []string, alias string) []string {
	var out []string
	for _, c := range columns {
		value := alias + "." + d.QuoteIdent(c)
		out = append(out, value+" IS NOT NULL", value)
	}
	return out
}

// Names are the names of columns.
func Names(columns []Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}

// indent moves lines to the right, but leaves a line end inside a quoted name or text alone.
func indent(s string) string {
	var b strings.Builder
	b.WriteString("  ")
	var quote rune
	for _, r := range s {
		b.WriteRune(r)
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case quote == 0 && r == '\n':
			b.WriteString("  ")
		}
	}
	return b.String()
}

// rowAlias is an alias for whole rows: in r, a column named r would win over an alias r.
const rowAlias = "_millrace_row"

// outcome is the column of a decisions file that says what became of a key.
const outcome = "_millrace_outcome"

// KeyStats counts rows, keys, rows beyond the first of their key, and rows without a key.
func (d *Dialect) KeyStats(rows string, key []string) string {
	var isNull []string
	for _, k := range key {
		isNull = append(isNull, d.QuoteIdent(k)+" IS NULL")
	}
	return fmt.Sprintf(`SELECT coalesce(sum(n), 0) AS n_rows, count(*) AS n_keys, coalesce(sum(n - 1), 0) AS n_repeated, coalesce(sum(n_null), 0) AS n_null
FROM (
  SELECT count(*) AS n, sum(CASE WHEN %s THEN 1 ELSE 0 END) AS n_null
  FROM (
%s
  ) AS r
  GROUP BY %s
) AS k`, strings.Join(isNull, " OR "), indent(indent(rows)), d.Idents(key))
}

// Winners keeps the greatest row of each key. Rows whose key occurs once, nearly all of them as a rule, do not pass
// through the aggregation.
func (d *Dialect) Winners(rows string, columns []Column, key []string, cursor string) string {
	again := fmt.Sprintf("EXISTS (SELECT 1 FROM repeated AS d WHERE %s)", d.match(key, "d", rowAlias))
	from := fmt.Sprintf("landed AS %s\n  WHERE %s", rowAlias, again)
	return fmt.Sprintf(`WITH landed AS (
%s
), repeated AS (
  SELECT %s FROM landed GROUP BY %[2]s HAVING count(*) > 1
), won AS (
  %s
)
SELECT * FROM landed AS %s WHERE NOT %s
UNION ALL
SELECT %s FROM won`, indent(rows), d.Idents(key), d.Greatest(rowAlias, from, d.ofAlias(rowAlias, key), d.rank(columns, cursor, rowAlias)), rowAlias, again, d.Won)
}

func (d *Dialect) idents(alias string, columns []string) string {
	return strings.Join(d.ofAlias(alias, columns), ", ")
}

func (d *Dialect) ofAlias(alias string, columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = alias + "." + d.QuoteIdent(c)
	}
	return out
}

// Order is how a landed row and the published one of its key are compared.
type Order struct {
	Cursor string // "": whole rows are compared
	Latest bool   // the landed row wins, whatever the cursors are
	Later  bool   // it wins where the cursors are equal
	Mark   string // the column that marks a gone row, which yields to any landed one; "": there is none
}

// Classify decides what becomes of the winners (unique keys) against the published rows. With a cursor it reads no
// other columns than that, the key and the mark: inserted, updated, superseded, or tie, which Ties settles. Without
// one it compares whole rows: inserted, updated, unchanged.
func (d *Dialect) Classify(winners, published string, columns []Column, key []string, o Order) string {
	matched := fmt.Sprintf("WHEN %s THEN 'unchanged' ELSE 'updated'", d.sameRow(columns))
	if o.Cursor != "" {
		w, e := d.tuple([]string{o.Cursor}, "w"), d.tuple([]string{o.Cursor}, "e")
		matched = fmt.Sprintf("WHEN %s THEN 'updated' WHEN %s THEN 'superseded' ELSE 'tie'", d.Less(e, w), d.Less(w, e))
		if o.Latest {
			matched = fmt.Sprintf("WHEN %s THEN 'tie' ELSE 'updated'", d.sameRow([]Column{{Name: o.Cursor}}))
		}
		if o.Mark != "" {
			mark := d.QuoteIdent(o.Mark)
			matched = fmt.Sprintf("WHEN e.%s IS NOT NULL AND w.%[1]s IS NULL THEN 'updated' ", mark) + matched
		}
	}
	return fmt.Sprintf(`SELECT %s, CASE WHEN e.%s IS NULL THEN 'inserted' %s END AS %s
FROM (
%s
) AS w
LEFT JOIN (
%s
) AS e ON %s`, d.idents("w", key), d.QuoteIdent(key[0]), matched, d.QuoteIdent(outcome), indent(winners), indent(published), d.match(key, "w", "e"))
}

func (d *Dialect) sameRow(columns []Column) string {
	var same []string
	for _, c := range columns {
		same = append(same, d.Same("w."+d.QuoteIdent(c.Name), "e."+d.QuoteIdent(c.Name)))
	}
	return strings.Join(same, " AND ")
}

// Ties compares whole rows, of the ties in decisions only: unchanged, updated or superseded.
func (d *Dialect) Ties(winners, published, decisions string, columns []Column, key []string, o Order) string {
	superseded := ""
	if !o.Latest && !o.Later {
		superseded = fmt.Sprintf("WHEN %s THEN 'superseded' ", d.Less(d.rank(columns, o.Cursor, "w"), d.rank(columns, o.Cursor, "e")))
	}
	return fmt.Sprintf(`SELECT %s, CASE WHEN %s THEN 'unchanged' %sELSE 'updated' END AS %s
FROM (
%s
) AS w
JOIN (
%s
) AS e ON %s`, d.idents("w", key), d.sameRow(columns), superseded, d.QuoteIdent(outcome),
		indent(d.Among(winners, d.Having(decisions, "tie"), key)), indent(published), d.match(key, "w", "e"))
}

// Outcomes counts the rows of decisions.
func (d *Dialect) Outcomes(decisions string) string {
	return fmt.Sprintf("SELECT %s, count(*) AS n FROM (\n%s\n) AS d GROUP BY %[1]s", d.QuoteIdent(outcome), indent(decisions))
}

// Having keeps the decisions with one of the outcomes.
func (d *Dialect) Having(decisions string, outcomes ...string) string {
	quoted := make([]string, len(outcomes))
	for i, o := range outcomes {
		quoted[i] = d.QuoteLiteral(o)
	}
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS d WHERE %s IN (%s)", indent(decisions), d.QuoteIdent(outcome), strings.Join(quoted, ", "))
}

// Among keeps the rows whose key is in keys.
func (d *Dialect) Among(rows, keys string, key []string) string { return d.filter("", rows, keys, key) }

// Without keeps the rows whose key is not in keys.
func (d *Dialect) Without(rows, keys string, key []string) string {
	return d.filter("NOT ", rows, keys, key)
}

func (d *Dialect) filter(not, rows, keys string, key []string) string {
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS r\nWHERE %sEXISTS (SELECT 1 FROM (\n%s\n) AS k WHERE %s)",
		indent(rows), not, indent(keys), d.match(key, "k", "r"))
}

// Union puts the rows of several SELECTs of the same columns together.
func (d *Dialect) Union(selects ...string) string { return strings.Join(selects, "\nUNION ALL\n") }

// Count counts rows.
func (d *Dialect) Count(rows string) string {
	return "SELECT count(*) AS n FROM (\n" + indent(rows) + "\n) AS r"
}

// Marked keeps the rows that have a mark.
func (d *Dialect) Marked(rows, mark string) string {
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE %s IS NOT NULL", indent(rows), d.QuoteIdent(mark))
}

// Unmarked keeps the rows that have no mark.
func (d *Dialect) Unmarked(rows, mark string) string {
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE %s IS NULL", indent(rows), d.QuoteIdent(mark))
}

// markType is the type of a column of marks.
const markType = "TIMESTAMP WITH TIME ZONE"

// SetMark marks the published rows of the gone keys (unique), and gives no others. It joins, as Ties does: DuckDB
// takes the few keys down into the scans of a version with deltas, which it does not for a semi-join.
func (d *Dialect) SetMark(published, gone string, columns []Column, key []string, mark string, at time.Time) string {
	items := make([]string, len(columns))
	for i, c := range columns {
		if items[i] = "e." + d.QuoteIdent(c.Name); c.Name == mark {
			moment := d.QuoteLiteral(at.UTC().Format("2006-01-02 15:04:05.000000+00:00"))
			items[i] = fmt.Sprintf("CAST(%s AS %s) AS %s", moment, d.Type(markType), d.QuoteIdent(mark))
		}
	}
	return fmt.Sprintf("SELECT %s\nFROM (\n%s\n) AS g\nJOIN (\n%s\n) AS e ON %s", strings.Join(items, ", "), indent(gone), indent(published), d.match(key, "g", "e"))
}

// WithKey keeps the rows that have all columns of a key.
func (d *Dialect) WithKey(rows string, key []string) string {
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE %s", indent(rows), d.areNull("r", key, "IS NOT NULL", " AND "))
}

// Keyless keeps the rows that lack a column of a key.
func (d *Dialect) Keyless(rows string, key []string) string {
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS r WHERE %s", indent(rows), d.areNull("r", key, "IS NULL", " OR "))
}

func (d *Dialect) areNull(alias string, key []string, is, and string) string {
	parts := make([]string, len(key))
	for i, k := range key {
		parts[i] = alias + "." + d.QuoteIdent(k) + " " + is
	}
	return strings.Join(parts, and)
}

// NullKeyRejects gives the other rows, in the form of all rejects.
func (d *Dialect) NullKeyRejects(rows string, key []string, file string) string {
	var name []string
	for _, k := range key {
		name = append(name, fmt.Sprintf("WHEN %s.%s IS NULL THEN %s", rowAlias, d.QuoteIdent(k), d.QuoteLiteral(k)))
	}
	named := "CASE " + strings.Join(name, " ") + " END"
	return fmt.Sprintf(`SELECT CAST(%s AS VARCHAR) AS file, CAST(0 AS BIGINT) AS line, CAST(-1 AS BIGINT) AS %[7]s,
  %[2]s AS %[8]s, 'null_key' AS reason, 'the key column ' || %[2]s || ' is NULL' AS message, CAST(%s AS VARCHAR) AS raw
FROM (
%s
) AS %s WHERE %s`, d.QuoteLiteral(file), named, d.JSON(rowAlias), indent(rows), rowAlias, d.areNull(rowAlias, key, "IS NULL", " OR "),
		d.QuoteIdent("offset"), d.QuoteIdent("column"))
}
