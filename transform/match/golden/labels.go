package golden

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Labels are a file of what people know to be right. It has either pairs (a_source, a_key, b_source, b_key) or clusters (source, key, cluster);
// of an entity with one source the columns of sources may be left out.
type Labels struct {
	Path   string // CSV or Parquet
	Name   string // as people know it
	Entity *models.Entity
	Dir    string // for what is written
}

// Clusters is a SELECT of source, key and cluster of each record that the file names. Labels that put a record into two clusters are refused.
func (l Labels) Clusters(ctx context.Context, w warehouse.Warehouse) (string, error) {
	query, err := l.read(ctx, w)
	if err != nil {
		return "", err
	}
	return query, l.once(ctx, w, query)
}

// scan reads the file: all as texts, for keys are.
func (l Labels) scan(w warehouse.Warehouse) string {
	quoted := w.Dialect().QuoteLiteral(warehouse.Globless(l.Path))
	if strings.EqualFold(filepath.Ext(l.Path), ".parquet") {
		return "read_parquet(" + quoted + ")"
	}
	return "read_csv(" + quoted + ", header = true, all_varchar = true)"
}

// once refuses labels that put a record into two clusters.
func (l Labels) once(ctx context.Context, w warehouse.Warehouse, labels string) error {
	rows, err := w.Query(ctx, "SELECT source, key, count(*) FROM ("+labels+") GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1")
	if err != nil || len(rows.Rows) == 0 {
		return err
	}
	source, key := fmt.Sprint(rows.Rows[0][0]), fmt.Sprint(rows.Rows[0][1])
	if slices.ContainsFunc(l.Entity.Sources, func(s *models.EntitySource) bool { return s.Name == source && s.HasPersonalKey() }) {
		key = "a record with a personal key"
	}
	return fmt.Errorf("%s puts %s:%s into %v clusters: a record is one thing", l.Name, source, key, rows.Rows[0][2])
}

func (l Labels) read(ctx context.Context, w warehouse.Warehouse) (string, error) {
	columns, err := w.Describe(ctx, "SELECT * FROM "+l.scan(w))
	if err != nil {
		return "", fmt.Errorf("read labels %s: %w", l.Name, err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) })
	}
	source := func(name string) (string, error) {
		if has(name) {
			return "CAST(" + name + " AS VARCHAR)", nil
		}
		if len(l.Entity.Sources) == 1 {
			return w.Dialect().QuoteLiteral(l.Entity.Sources[0].Name), nil
		}
		return "", fmt.Errorf("%s has no column %s, and %s has %d sources", l.Name, name, l.Entity.Name, len(l.Entity.Sources))
	}
	switch {
	case has("key") && has("cluster"):
		s, err := source("source")
		return "SELECT DISTINCT " + s + " AS source, CAST(key AS VARCHAR) AS key, CAST(cluster AS VARCHAR) AS cluster FROM " + l.scan(w) + " WHERE cluster IS NOT NULL", err
	case has("a_key") && has("b_key"):
		a, err := source("a_source")
		if err != nil {
			return "", err
		}
		b, err := source("b_source")
		if err != nil {
			return "", err
		}
		return l.closed(ctx, w, "SELECT DISTINCT "+a+" AS s, CAST(a_key AS VARCHAR) AS k, "+b+" AS t, CAST(b_key AS VARCHAR) AS l FROM "+l.scan(w))
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return "", fmt.Errorf("%s has the columns %s: labels have key and cluster, with source where the entity has several, or a_key and b_key, with a_source and b_source",
		l.Name, strings.Join(names, ", "))
}

// closed makes clusters of pairs: what hangs together has the least of its records as its cluster.
func (l Labels) closed(ctx context.Context, w warehouse.Warehouse, pairs string) (string, error) {
	file := filepath.Join(l.Dir, "pairs.parquet")
	if _, err := w.Write(ctx, pairs, file); err != nil {
		return "", err
	}
	from := w.Dialect().Files([]string{file})
	return "WITH RECURSIVE edge AS (SELECT s, k, t, l FROM " + from + " UNION SELECT t, l, s, k FROM " + from + "),\n" +
		"reach(s, k, root) USING KEY (s, k) AS (\n" +
		"  SELECT s, k, min(least(to_json([s, k])::VARCHAR, to_json([t, l])::VARCHAR)) FROM edge GROUP BY s, k\n" +
		"  UNION\n" +
		"  SELECT e.s, e.k, min(r.root) FROM edge AS e JOIN reach AS r ON r.s = e.t AND r.k = e.l JOIN recurring.reach AS own ON own.s = e.s AND own.k = e.k\n" +
		"  WHERE r.root < own.root GROUP BY e.s, e.k)\n" +
		"SELECT s AS source, k AS key, root AS cluster FROM reach", nil
}
