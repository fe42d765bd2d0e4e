package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// QuarantineSet is the rows that checks kept out of one table in one run.
type QuarantineSet struct {
	Node  string           `json:"node"`
	Run   string           `json:"run"`
	Rows  int64            `json:"rows"`
	Rules map[string]int64 `json:"rules"` // rows by the rule that they failed; a row may fail several
	Gone  bool             `json:"gone"`  // the rows are past retention: only the counts are left
	// Published says that they came into the table's quarantine; those of a run that published nothing of the table did not.
	Published bool `json:"published"`

	from  string // a SELECT of them
	files []string
}

// Quarantined lists what checks diverted: in one run, or in the latest run of each node when run is "". node "" means all
// nodes. Rows of a run that published nothing are found too.
func (e *Engine) Quarantined(ctx context.Context, node, run string) ([]QuarantineSet, error) {
	if run != "" {
		r, err := e.Journal.Run(ctx, run)
		if err != nil {
			return nil, err
		}
		run = r.ID
	}
	all := []QuarantineSet{}
	results := map[string][]check.Result{} // by run
	for _, n := range e.Project.Nodes {
		if node != "" && n.Name() != node || run == "" && len(n.Checks) == 0 && n.Stream == nil && n.Part != models.PartGolden { // a stream's policy for its columns diverts too
			continue
		}
		of := run
		if of == "" {
			var err error
			if of, err = e.lastDivided(ctx, n); err != nil {
				return nil, err
			}
		}
		if _, read := results[of]; !read {
			var err error
			if results[of], err = e.Journal.Checks(ctx, of); err != nil {
				return nil, err
			}
		}
		set, err := e.quarantineSet(ctx, n, of, results[of])
		if err != nil {
			return nil, err
		}
		if set != nil {
			all = append(all, *set)
		}
	}
	return all, nil
}

// lastDivided is the latest run that decided which rows of the node are kept out; "" for none. Those of an entity are no records whatever
// is checked, so that it is the latest that made its tables.
func (e *Engine) lastDivided(ctx context.Context, n *models.Node) (string, error) {
	if n.Part != models.PartGolden {
		return e.Journal.LastChecked(ctx, n.Name(), e.target())
	}
	steps, err := e.Journal.NodeSteps(ctx, n.Name(), "", e.target(), 20)
	for _, s := range steps {
		if s.Status == journal.Succeeded || s.Status == journal.Failed {
			return s.Run, err
		}
	}
	return "", err
}

// quarantineSet is what the run with these results diverted from the node; nil for nothing.
func (e *Engine) quarantineSet(ctx context.Context, n *models.Node, run string, results []check.Result) (*QuarantineSet, error) {
	set := &QuarantineSet{Node: n.Name(), Run: run, Rules: map[string]int64{}}
	for _, r := range results {
		if r.Node == n.Name() && r.Quarantined > 0 {
			set.Rules[r.Name] = r.Quarantined
		}
	}
	if run == "" || len(set.Rules) == 0 && n.Part != models.PartGolden {
		return nil, nil
	}
	steps, err := e.Journal.Steps(ctx, run)
	if err != nil {
		return nil, err
	}
	set.Published = !slices.ContainsFunc(steps, func(s journal.Step) bool { return s.Node == n.Name() && s.Status != journal.Succeeded })
	d := warehouse.DuckDB
	set.files, _ = filepath.Glob(filepath.Join(e.rejectsDir(run), fileName(n.Name()), "quarantined-*.parquet"))
	if len(set.files) > 0 {
		set.from = "SELECT * FROM " + d.Files(set.files)
		for _, path := range set.files {
			n, err := warehouse.CountRows(path)
			if err != nil {
				return nil, fmt.Errorf("read quarantined rows of %s: %w", set.Node, err)
			}
			set.Rows += n
		}
	} else if err := e.publishedSet(ctx, n, set); err != nil {
		return nil, err
	}
	if n.Part != models.PartGolden {
		return set, nil
	}
	if set.Rows == 0 {
		return nil, nil
	}
	return set, e.countReasons(ctx, set)
}

// countReasons counts the set's rows by why they are there, which no check has counted.
func (e *Engine) countReasons(ctx context.Context, set *QuarantineSet) (err error) {
	w, all, err := e.openQuarantined(ctx, set, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	answer, err := w.Query(ctx, fmt.Sprintf("SELECT rule, count(*) FROM (SELECT unnest(%s) AS rule FROM (\n%s\n) AS q) AS r GROUP BY rule", check.FailedRules, all))
	if err != nil {
		return fmt.Errorf("count quarantined rows of %s: %w", set.Node, err)
	}
	for _, row := range answer.Rows {
		rule, _ := row[0].(string)
		set.Rules[rule], _ = row[1].(int64)
	}
	return nil
}

// publishedSet finds the set's rows in the node's published quarantine. They have gone from it when they were replayed, when a
// run has replaced the table, or when they are past retention.
func (e *Engine) publishedSet(ctx context.Context, n *models.Node, set *QuarantineSet) (err error) {
	m, err := e.current(ctx)
	if err != nil {
		return err
	}
	t := m.Table(quarantineOf(n))
	if t == nil || t.Rows == 0 {
		set.Gone = true
		return nil
	}
	d := warehouse.DuckDB
	set.files = warehouse.Paths(t.Version.Files())
	set.from = "SELECT * FROM (\n" + d.Select(t.Version) + "\n) AS q WHERE " + check.QuarantinedRun + " = " + d.QuoteLiteral(set.Run)
	w, rows, err := e.openQuarantined(ctx, set, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	set.Rows, err = countOf(ctx, w, rows)
	set.Gone = set.Rows == 0
	return err
}

// QuarantineRows is how many rows are in the published quarantines now, by node: of the node, or of all when it is "".
func (e *Engine) QuarantineRows(ctx context.Context, node string) (map[string]int64, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	rows := map[string]int64{}
	for _, t := range m.Tables {
		of := strings.TrimSuffix(t.Name.String(), models.QuarantineSuffix)
		if t.Kind == kindQuarantine && t.Rows > 0 && (node == "" || node == of) {
			rows[of] = t.Rows
		}
	}
	return rows, nil
}

// InQuarantine is what is in the node's published quarantine now, of whichever runs; nil for nothing. Its Run is "".
func (e *Engine) InQuarantine(ctx context.Context, node string) (*QuarantineSet, error) {
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	schema, table, _ := strings.Cut(node, ".")
	t := m.Table(warehouse.Name{Schema: schema, Table: table + models.QuarantineSuffix})
	if t == nil || t.Rows == 0 {
		return nil, nil
	}
	set := &QuarantineSet{Node: node, Rows: t.Rows, Rules: map[string]int64{}, Published: true, from: warehouse.DuckDB.Select(t.Version), files: warehouse.Paths(t.Version.Files())}
	return set, e.countReasons(ctx, set)
}

// ShowQuarantined fetches some of a set's rows as texts, those that fail the rule when one is given. Values of columns that
// are tagged pii are masked unless plain.
func (e *Engine) ShowQuarantined(ctx context.Context, set QuarantineSet, rule string, limit int, plain bool) (_ *check.Sample, err error) {
	secret := map[string]bool{}
	if !plain {
		m, err := e.current(ctx)
		if err != nil {
			return nil, err
		}
		if secret, err = e.secrets(m, set.Node); err != nil {
			return nil, err
		}
	}
	w, where, err := e.openQuarantined(ctx, &set, rule)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	columns, err := w.Describe(ctx, where)
	if err != nil {
		return nil, err
	}
	return (&check.Runner{Warehouse: w}).Sample(ctx, where, columns, secret, limit)
}

// openQuarantined opens an engine that may touch the set's files and the folders, and gives the SELECT of its rows.
func (e *Engine) openQuarantined(ctx context.Context, set *QuarantineSet, rule string, dirs ...string) (warehouse.Warehouse, string, error) {
	if set.Gone || set.from == "" {
		return nil, "", fmt.Errorf("the rows that run %s quarantined from %s are past retention: only their counts are left", set.Run, set.Node)
	}
	if rule != "" && set.Rules[rule] == 0 {
		return nil, "", fmt.Errorf("no row of %s failed %q; the rules that rows failed are %s", set.Node, rule, strings.Join(slices.Sorted(maps.Keys(set.Rules)), ", "))
	}
	w, err := e.Warehouse(ctx, e.looking(set.files, dirs...))
	if err != nil {
		return nil, "", err
	}
	sql := set.from
	if rule != "" {
		sql = fmt.Sprintf("SELECT * FROM (\n%s\n) AS q WHERE list_contains(%s, %s)", sql, check.FailedRules, w.Dialect().QuoteLiteral(rule))
	}
	return w, sql, nil
}

// ExportQuarantined writes all of a set's rows, those that fail the rule when one is given, to a new Parquet file in dir:
// with their types, or as texts.
func (e *Engine) ExportQuarantined(ctx context.Context, set QuarantineSet, rule, dir string, texts bool) (_ *warehouse.File, err error) {
	w, sql, err := e.openQuarantined(ctx, &set, rule, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if texts {
		columns, err := w.Describe(ctx, sql)
		if err != nil {
			return nil, err
		}
		sql = w.Dialect().Texts(sql, columns)
	}
	f, err := w.Write(ctx, sql, filepath.Join(dir, "rows.parquet"))
	return &f, err
}
