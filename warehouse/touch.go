package warehouse

import (
	"context"
	"fmt"
	"strings"
)

// Touch says which published rows landed ones may replace.
type Touch struct {
	Key        []string // empty: whatever has landed
	Nulls      bool     // NULL is the same as NULL
	Predicates []string // all must be true of the published row; they may call it as dbt does, or name its columns alone
}

// The names that dbt gives to the published rows in the statements that its predicates become part of.
const (
	internalDest      = "DBT_INTERNAL_DEST"
	incrementalTarget = "DBT_INCREMENTAL_TARGET"
	internalSource    = "DBT_INTERNAL_SOURCE"
)

// alias is what the predicates call the published rows.
func (t Touch) alias() string {
	for _, p := range t.Predicates {
		if strings.Contains(strings.ToUpper(p), incrementalTarget) {
			return incrementalTarget
		}
	}
	return internalDest
}

// all is a condition that is never NULL: each predicate is true.
func (t Touch) all() string {
	parts := []string{"TRUE"}
	for _, p := range t.Predicates {
		parts = append(parts, "coalesce((\n"+p+"\n), FALSE)") // the line end closes a comment
	}
	return strings.Join(parts, " AND ")
}

// Touched keeps the published rows whose key is in keys, where there is one, and of which the predicates are true.
func (d *Dialect) Touched(published, keys string, t Touch) string {
	return d.touch("", published, keys, t)
}

// Untouched keeps the others.
func (d *Dialect) Untouched(published, keys string, t Touch) string {
	return d.touch("NOT ", published, keys, t)
}

func (d *Dialect) touch(not, published, keys string, t Touch) string {
	if len(t.Key) == 0 {
		return fmt.Sprintf("SELECT * FROM (\n%s\n) AS %s\nWHERE %s(%s)", indent(published), t.alias(), not, t.all())
	}
	same := d.match(t.Key, "k", t.alias())
	if t.Nulls {
		parts := make([]string, len(t.Key))
		for i, k := range t.Key {
			parts[i] = d.Same("k."+d.QuoteIdent(k), t.alias()+"."+d.QuoteIdent(k))
		}
		same = strings.Join(parts, " AND ")
	}
	return fmt.Sprintf("SELECT * FROM (\n%s\n) AS %s\nWHERE %s(EXISTS (SELECT 1 FROM (\n%s\n) AS k WHERE %s) AND %s)",
		indent(published), t.alias(), not, indent(keys), same, t.all())
}

// hidden counts the landed rows whose key is published in a row of which a predicate is not true.
func (d *Dialect) hidden(landed, published string, t Touch) string {
	return fmt.Sprintf("SELECT count(*) AS n\nFROM (\n%s\n) AS %s\nJOIN (\n%s\n) AS %s ON %s\nWHERE NOT (%s)",
		indent(landed), internalSource, indent(published), t.alias(), d.match(t.Key, internalSource, t.alias()), t.all())
}

// keeping gives the landed rows whose key is published that row's values of the columns to keep.
func (d *Dialect) keeping(landed, published string, columns []Column, key, keep []string) string {
	items := make([]string, len(columns))
	for i, c := range columns {
		name := d.QuoteIdent(c.Name)
		items[i] = "w." + name
		if containsFold(keep, c.Name) && !containsFold(key, c.Name) {
			items[i] = fmt.Sprintf("CASE WHEN e.%s IS NULL THEN w.%s ELSE e.%[2]s END AS %[2]s", d.QuoteIdent(key[0]), name)
		}
	}
	return fmt.Sprintf("SELECT %s\nFROM (\n%s\n) AS w\nLEFT JOIN (\n%s\n) AS e ON %s", strings.Join(items, ", "), indent(landed), indent(published), d.match(key, "w", "e"))
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// HiddenError says that a merge would put rows beside published ones of the same key, which its predicates hide from it.
type HiddenError struct{ Rows int64 }

func (e *HiddenError) Error() string {
	return fmt.Sprintf("%d new rows have a key that is in the table, in rows of which the predicates are not true", e.Rows)
}

// KeysOf counts rows by their key: those without one, and those beyond the first of theirs.
func KeysOf(ctx context.Context, w Warehouse, rows string, key []string) (keyless, repeated int64, err error) {
	m := &merger{w: w, d: w.Dialect()}
	row, err := m.row(ctx, m.d.KeyStats(m.d.WithKey(rows, key), key))
	if err != nil {
		return 0, 0, fmt.Errorf("count keys: %w", err)
	}
	keyless, err = m.count(ctx, m.d.Keyless(rows, key))
	return keyless, row[2], err
}

// untouched refuses landed rows whose key is published where the predicates do not let the merge look.
func (m *merger) untouched(ctx context.Context, winners []File) error {
	if len(m.in.Predicates) == 0 || rowsOf(winners) == 0 {
		return nil
	}
	t := Touch{Key: m.in.Key, Predicates: m.in.Predicates}
	row, err := m.row(ctx, m.d.hidden(m.d.Scan(winners, m.columns), m.published(m.columns), t))
	if err != nil {
		return fmt.Errorf("predicates: %w", err)
	}
	if row[0] > 0 {
		return &HiddenError{Rows: row[0]}
	}
	return nil
}

// keeping are the winners with what published rows of their keys keep.
func (m *merger) keeping(ctx context.Context, winners []File) ([]File, error) {
	if len(m.in.Keep) == 0 || rowsOf(winners) == 0 {
		return winners, nil
	}
	f, err := m.write(ctx, "upserts-merged", m.d.keeping(m.d.Scan(winners, m.columns), m.published(m.columns), m.columns, m.in.Key, m.in.Keep))
	if err != nil {
		return nil, fmt.Errorf("keep columns: %w", err)
	}
	m.account("merged", f.Rows, Term{Name: "landed", Rows: rowsOf(winners)})
	return []File{f}, nil
}
