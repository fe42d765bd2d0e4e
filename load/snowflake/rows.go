package snowflake

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// The SELECTs of this file run in the local engine: they find the rows by which two versions of a table differ.

// difference is a SELECT of the rows of b that a has not, with OpUpsert in the column OpColumn, and of the keys of a that b has not, with
// OpDelete and NULL in the other columns. Only keys of files that the two do not share, in the same part, are looked at: all files in
// which any other key occurs are the same in both, and so is its row, unless a column of them has come back. With every, each row of b is one
// that a has not.
func difference(d *warehouse.Dialect, a, b *warehouse.Version, every bool) string {
	key := b.KeyColumns()
	keys := unsharedKeys(d, a, b)
	if every || returned(a, b) != "" {
		keys = d.Scan(slices.Concat(a.Files(), b.Files()), key)
	}
	among := func(rows string) string {
		return fmt.Sprintf("SELECT * FROM (\n%s\n) AS v WHERE EXISTS (SELECT 1 FROM candidates AS c WHERE %s)", rows, equal(d, b.Key, "c", "v"))
	}
	var changed []string
	for _, c := range b.Columns {
		name := d.QuoteIdent(c.Name)
		changed = append(changed, "NOT ("+d.Same(sf.Sent(c, "n."+name), sf.Sent(c, "o."+name))+")")
	}
	if every {
		changed = []string{"TRUE"}
	}
	first := d.QuoteIdent(b.Key[0])
	gone := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		gone[i] = "NULL"
		if slices.Contains(b.Key, c.Name) {
			gone[i] = "o." + d.QuoteIdent(c.Name)
		}
	}
	return fmt.Sprintf(`WITH candidates AS MATERIALIZED (
%s
), o AS MATERIALIZED (
%s
), n AS MATERIALIZED (
%s
)
SELECT n.*, '%s' AS %s FROM n LEFT JOIN o ON %s WHERE o.%s IS NULL OR %s
UNION ALL
SELECT %s, '%s' FROM o WHERE NOT EXISTS (SELECT 1 FROM n WHERE %s)`,
		distinct(d, keys, key), shown(d, a, b.Columns, among), d.SelectWhere(*b, among),
		sf.OpUpsert, d.QuoteIdent(sf.OpColumn.Name), equal(d, b.Key, "o", "n"), first, strings.Join(changed, " OR "),
		strings.Join(gone, ", "), sf.OpDelete, equal(d, b.Key, "n", "o"))
}

// shown reads a version with other columns than its own. One that it has not is NULL, even where its files hold it: so it was brought.
func shown(d *warehouse.Dialect, v *warehouse.Version, columns []warehouse.Column, keep func(rows string) string) string {
	own := *v
	own.Columns = nil
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = d.QuoteIdent(c.Name)
		if slices.ContainsFunc(v.Columns, func(o warehouse.Column) bool { return strings.EqualFold(o.Name, c.Name) }) {
			own.Columns = append(own.Columns, c)
		} else {
			items[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", d.Type(c.Type), items[i])
		}
	}
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS r", strings.Join(items, ", "), d.SelectWhere(own, keep))
}

func all(rows string) string { return rows }

// unsharedKeys reads the keys of the files that are in one of the versions only.
func unsharedKeys(d *warehouse.Dialect, a, b *warehouse.Version) string {
	var scans []string
	for _, pair := range [][2][]warehouse.File{{a.Base, b.Base}, {a.Upserts, b.Upserts}, {a.Deletes, b.Deletes}} {
		for _, files := range [][]warehouse.File{unshared(pair[0], pair[1]), unshared(pair[1], pair[0])} {
			if len(files) > 0 {
				scans = append(scans, d.Scan(files, b.KeyColumns()))
			}
		}
	}
	if len(scans) == 0 {
		return d.Scan(nil, b.KeyColumns())
	}
	return strings.Join(scans, "\nUNION ALL\n")
}

// partitions is a SELECT of the partitions, by the columns given, of which either version has rows in files that they do not
// share. A keyed table's are those of the keys in such files.
func partitions(d *warehouse.Dialect, a, b *warehouse.Version, by []warehouse.Column) string {
	if len(b.Key) == 0 {
		gone := warehouse.Version{Columns: a.Columns, Base: unshared(a.Base, b.Base)}
		return distinct(d, shown(d, &gone, by, all)+"\nUNION ALL\n"+d.Scan(unshared(b.Base, a.Base), by), by)
	}
	among := func(rows string) string {
		return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS v WHERE EXISTS (SELECT 1 FROM (\n%s\n) AS c WHERE %s)",
			d.Idents(warehouse.Names(by)), rows, unsharedKeys(d, a, b), equal(d, b.Key, "c", "v"))
	}
	return distinct(d, among(shown(d, a, b.Columns, all))+"\nUNION ALL\n"+among(d.Select(*b)), by)
}

// partitionRows is a SELECT of all rows of b in those partitions.
func partitionRows(d *warehouse.Dialect, a, b *warehouse.Version, by []warehouse.Column) string {
	among := func(rows string) string {
		return fmt.Sprintf("SELECT * FROM (\n%s\n) AS v WHERE EXISTS (SELECT 1 FROM parts AS p WHERE %s)", rows, same(d, warehouse.Names(by), "p", "v"))
	}
	return fmt.Sprintf("WITH parts AS MATERIALIZED (\n%s\n)\n%s", partitions(d, a, b, by), among(d.Select(*b)))
}

func distinct(d *warehouse.Dialect, rows string, columns []warehouse.Column) string {
	return fmt.Sprintf("SELECT DISTINCT %s FROM (\n%s\n) AS r", d.Idents(warehouse.Names(columns)), rows)
}

// equal joins two aliases by columns that hold no NULL.
func equal(d *warehouse.Dialect, columns []string, a, b string) string {
	return joined(columns, func(c string) string { return a + "." + d.QuoteIdent(c) + " = " + b + "." + d.QuoteIdent(c) })
}

// same joins two aliases by columns whose NULLs are equal.
func same(d *warehouse.Dialect, columns []string, a, b string) string {
	return joined(columns, func(c string) string { return d.Same(a+"."+d.QuoteIdent(c), b+"."+d.QuoteIdent(c)) })
}

func joined(columns []string, one func(string) string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = one(c)
	}
	return strings.Join(parts, " AND ")
}

// absolute is the version with the paths of its files below root.
func absolute(v warehouse.Version, root string) warehouse.Version {
	v.Base, v.Upserts, v.Deletes = below(v.Base, root), below(v.Upserts, root), below(v.Deletes, root)
	return v
}

func below(files []warehouse.File, root string) []warehouse.File {
	out := slices.Clone(files)
	for i, f := range out {
		if !filepath.IsAbs(f.Path) {
			out[i].Path = filepath.Join(root, f.Path)
		}
	}
	return out
}

// relative is the version as the ledger keeps it: paths below root, and nothing that its files say themselves.
func relative(v warehouse.Version, root string) (warehouse.Version, error) {
	for _, files := range []*[]warehouse.File{&v.Base, &v.Upserts, &v.Deletes} {
		out := slices.Clone(*files)
		for i := range out {
			path, err := filepath.Rel(root, out[i].Path)
			if err != nil || !filepath.IsLocal(path) {
				return v, fmt.Errorf("file %s is outside of the local target %s", out[i].Path, root)
			}
			out[i].Path, out[i].Stats = path, nil
		}
		*files = out
	}
	return v, nil
}
