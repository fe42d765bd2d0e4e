package check

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// The columns that a quarantined row has beside its own.
const (
	FailedRules     = "_failed_rules"     // VARCHAR[]: names of the checks that it fails
	QuarantinedRun  = "_quarantined_run"  // VARCHAR: the run that diverted it
	QuarantinedAt   = "_quarantined_at"   // TIMESTAMP: logical time of that run, UTC
	QuarantinedFrom = "_quarantined_from" // VARCHAR: where it came from and its number there; NULL when unknown
	QuarantinedID   = "_quarantined_id"   // VARCHAR: tells it from every other, for as long as it is in quarantine
)

// QuarantineColumns are the columns of a node's quarantine: those of its rows as they came, and why they are there.
func QuarantineColumns(columns []warehouse.Column) []warehouse.Column {
	return append(slices.Clone(columns), warehouse.Column{Name: FailedRules, Type: "VARCHAR[]"}, warehouse.Column{Name: QuarantinedRun, Type: "VARCHAR"},
		warehouse.Column{Name: QuarantinedAt, Type: "TIMESTAMP"}, warehouse.Column{Name: QuarantinedFrom, Type: "VARCHAR"}, warehouse.Column{Name: QuarantinedID, Type: "VARCHAR"})
}

// Rows are new rows of a node, which have not met its table yet.
type Rows struct {
	Files   []warehouse.File
	Columns []warehouse.Column
	// Among is a SELECT of all rows among which a key must be unique, these included; "" when they are all.
	Among string
	// From says where a file's rows came from, "" when that is not known, and whether they are all that came from there, so
	// that their numbers mean something.
	From   func(path string) (where string, all bool)
	Run    string          // which divides them; "" when they are in quarantine already, by whichever runs
	Secret map[string]bool // as in Table
}

// Division is new rows, parted by the quarantining checks.
type Division struct {
	Good    []warehouse.File // rows that pass: the files that came, where none of their rows failed
	Bad     *warehouse.File  // rows that fail, with QuarantineColumns; nil when there are none
	Written []warehouse.File // those of Good that are new
	Results []Result         // of the checks
	// Equation is checked = passed + quarantined.
	Equation warehouse.Equation
}

// Broken says whether a check could not be run: then nothing was divided.
func (d *Division) Broken() bool {
	return slices.ContainsFunc(d.Results, func(r Result) bool { return r.Status == StatusError })
}

// Divide parts new rows by checks that quarantine. Each row goes to exactly one side. What the statistics of the files prove
// is not evaluated; the other rules share one scan, which gives the failing rows and where they lie; and only files with
// failing rows are written again, without them. It is for the local engine, which has the files, and so is the SQL around the rules.
func (r *Runner) Divide(ctx context.Context, rows Rows, checks []*models.Check) (*Division, error) {
	d := &dividing{Runner: r, rows: rows, checks: checks, checked: rowsOf(rows.Files)}
	if err := d.compile(ctx); err != nil {
		return nil, err
	}
	if d.out.Broken() {
		return &d.out, nil
	}
	if err := d.divideFiles(ctx, d.rules); err != nil {
		return nil, err
	}
	return d.finish(ctx)
}

// DivideQuery runs a SELECT once and parts its rows while they are written; rows.Files is not read. Rules that the written
// files' statistics can prove are looked at afterwards, and so are keys of a SELECT that may give other rows when it is asked
// for them first: only when one of these fails the rows that pass are written twice. Suspect names rules that had better be
// evaluated at once, because rows failed them the last time; it may be nil.
func (r *Runner) DivideQuery(ctx context.Context, query string, rows Rows, checks []*models.Check, suspect func(*models.Check) bool) (*Division, error) {
	d := &dividing{Runner: r, rows: rows, checks: checks}
	if err := d.compile(ctx); err != nil {
		return nil, err
	}
	if d.out.Broken() {
		return &d.out, nil
	}
	now, later, err := d.sort(ctx, query, suspect)
	if err != nil || d.out.Broken() {
		return &d.out, err
	}
	if err := d.split(ctx, query, now); err != nil || d.out.Broken() {
		return &d.out, err
	}
	if err := d.divideFiles(ctx, later); err != nil {
		return nil, err
	}
	if len(d.out.Written) == 0 {
		d.out.Written = d.out.Good
	}
	return d.finish(ctx)
}

// sort tells rules that are evaluated while the query's rows are written from those that are looked at afterwards.
func (d *dividing) sort(ctx context.Context, query string, suspect func(*models.Check) bool) (now, later []*rule, err error) {
	repeatable := false
	if slices.ContainsFunc(d.rules, func(r *rule) bool { return r.key != nil }) {
		if repeatable, err = d.Warehouse.Repeatable(ctx, query); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range d.rules {
		switch {
		case r.key != nil && repeatable:
			if err := d.repeated(ctx, r, query); err != nil {
				return nil, nil, err
			}
			if d.keys[r] > 0 {
				now = append(now, r)
			}
		case r.key != nil, (r.nulls != nil || r.of != nil && r.check.Kind != "relationships") && (suspect == nil || !suspect(r.check)):
			later = append(later, r)
		default:
			now = append(now, r)
		}
	}
	return now, later, nil
}

// split writes the query's rows to a file of those that pass and one of those that fail.
func (d *dividing) split(ctx context.Context, query string, rules []*rule) error {
	paths := []string{filepath.Join(d.Dir, "built.parquet"), filepath.Join(d.Dir, "failing-first.parquet")}
	class := "0"
	if len(rules) > 0 {
		class = "CASE WHEN " + anyOf(rules) + " THEN 1 ELSE 0 END"
	}
	files, err := d.Warehouse.Split(ctx, query, class, paths)
	if err != nil {
		return d.blame(ctx, rules, query, err)
	}
	if files[0] == nil { // a table of no rows has its columns all the same
		empty, err := d.Warehouse.Write(ctx, "SELECT * FROM (\n"+query+"\n) AS q WHERE false", paths[0])
		if err != nil {
			return err
		}
		files[0] = &empty
	}
	d.rows.Files, d.checked = []warehouse.File{*files[0]}, files[0].Rows
	if files[1] != nil {
		d.failing, d.checked = append(d.failing, *files[1]), d.checked+files[1].Rows
	}
	return nil
}

// dividing is one call of Divide.
type dividing struct {
	*Runner
	rows    Rows
	checks  []*models.Check
	rules   []*rule
	proven  map[*rule]bool
	keys    map[*rule]int64  // repeated keys of unique rules
	failing []warehouse.File // rows that fail, as they were found
	placed  bool             // failing has the columns of Dialect.Positions
	checked int64
	out     Division
	begin   time.Time
}

func (d *dividing) compile(ctx context.Context) error {
	d.begin, d.proven, d.keys = time.Now(), map[*rule]bool{}, map[*rule]int64{}
	c := d.asking(ctx, Table{Columns: d.rows.Columns})
	for _, check := range d.checks {
		rule, err := c.rule(check)
		if err != nil {
			if !own(ctx, err) {
				return err
			}
			d.out.Results = append(d.out.Results, broken(check, err))
			continue
		}
		d.rules = append(d.rules, rule)
	}
	for _, column := range d.rows.Columns {
		if slices.ContainsFunc(QuarantineColumns(nil), func(q warehouse.Column) bool { return strings.EqualFold(q.Name, column.Name) }) || strings.EqualFold(column.Name, warehouse.PositionRow) {
			err := wrong("give it another name in the source or the model", "quarantine needs the column name %q for itself", column.Name)
			d.out.Results = append(d.out.Results, broken(d.checks[0], err))
		}
	}
	return nil
}

// divideFiles finds the rows of the files that fail one of the rules and writes the others anew.
func (d *dividing) divideFiles(ctx context.Context, rules []*rule) error {
	d.out.Good = d.rows.Files
	open, err := d.open(ctx, rules)
	if err != nil || len(open) == 0 || d.out.Broken() {
		return err
	}
	dialect := d.Warehouse.Dialect()
	failing, err := d.Warehouse.Write(ctx, "SELECT * FROM (\n"+dialect.ScanAt(d.rows.Files, d.rows.Columns)+"\n) AS r\nWHERE "+anyOf(open), filepath.Join(d.Dir, "failing.parquet"))
	if err != nil {
		return d.blame(ctx, open, dialect.Scan(d.rows.Files, d.rows.Columns), err)
	}
	if failing.Rows == 0 {
		return nil
	}
	d.failing, d.placed = append(d.failing, failing), true
	return d.rewrite(ctx, failing)
}

// anyOf is the condition for rows that fail one of the rules.
func anyOf(rules []*rule) string {
	by := implied(rules)
	var parts []string
	for _, r := range rules {
		if by[r] == nil {
			parts = append(parts, "("+r.fails+")")
		}
	}
	return strings.Join(parts, " OR ")
}

// open are the rules that must be evaluated: not those that the files' statistics prove, nor keys that do not repeat.
func (d *dividing) open(ctx context.Context, rules []*rule) ([]*rule, error) {
	var open, bounded []*rule
	for _, r := range rules {
		switch {
		case r.nulls != nil && noNulls(d.rows.Files, r.nulls):
			d.proven[r] = true
		case r.of != nil:
			bounded = append(bounded, r)
		case r.key != nil && r.fails == "":
			if err := d.repeated(ctx, r, d.among()); err != nil {
				return nil, err
			}
			if d.keys[r] > 0 {
				open = append(open, r)
			}
		default:
			open = append(open, r)
		}
	}
	inside, err := d.inside(ctx, d.rows.Files, bounded)
	if err != nil {
		return nil, err
	}
	for i, r := range bounded {
		d.proven[r] = inside[i]
		if !inside[i] {
			open = append(open, r)
		}
	}
	return open, nil
}

func (d *dividing) among() string {
	if d.rows.Among != "" {
		return d.rows.Among
	}
	// Rows that fail another rule count too: whether a key repeats must not depend on the order of the rules.
	return d.Warehouse.Dialect().Scan(slices.Concat(d.rows.Files, d.failing), d.rows.Columns)
}

// repeated writes the keys that occur more than once to a file: mostly none. They become the condition of the rule.
func (d *dividing) repeated(ctx context.Context, r *rule, among string) error {
	names := make([]string, len(r.key))
	items := make([]string, len(r.key))
	for i, k := range r.key {
		names[i] = fmt.Sprintf("k%d", i)
		items[i] = k + " AS " + names[i]
	}
	at := slices.Index(d.rules, r)
	path, from := filepath.Join(d.Dir, fmt.Sprintf("repeated-%d.parquet", at)), "(\n"+among+"\n) AS r"
	only, err := d.crowded(ctx, r, d.rows.Columns, from, filepath.Join(d.Dir, fmt.Sprintf("crowded-%d.parquet", at)))
	if err != nil {
		return err
	}
	if only == "false" {
		d.keys[r] = 0
		return nil
	}
	where := r.present()
	if only != "" {
		where += " AND " + only
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s GROUP BY ALL HAVING count(*) > 1", strings.Join(items, ", "), from, where)
	file, err := d.Warehouse.Write(ctx, sql, path)
	if err != nil {
		if own(ctx, err) {
			d.out.Results = append(d.out.Results, broken(r.check, err))
			return nil
		}
		return err
	}
	if d.keys[r] = file.Rows; file.Rows == 0 {
		return nil
	}
	dialect := d.Warehouse.Dialect()
	r.fails = r.present() + " AND " + dialect.In(r.key, names, dialect.Files([]string{path}))
	return nil
}

// blame finds the checks whose conditions an engine's error is about, by asking each alone.
func (d *dividing) blame(ctx context.Context, rules []*rule, rows string, cause error) error {
	if !own(ctx, cause) {
		return cause
	}
	guilty := false
	for _, r := range rules {
		_, err := d.row(ctx, "SELECT "+d.Warehouse.Dialect().CountIf(r.fails)+" FROM (\n"+rows+"\n) AS r")
		if err == nil {
			continue
		}
		if !own(ctx, err) {
			return err
		}
		d.out.Results, guilty = append(d.out.Results, broken(r.check, err)), true
	}
	if !guilty {
		return cause
	}
	return nil
}

// rewrite writes the files that have failing rows once more, without them.
func (d *dividing) rewrite(ctx context.Context, failing warehouse.File) error {
	dialect := d.Warehouse.Dialect()
	found := dialect.Files([]string{failing.Path})
	answer, err := d.Warehouse.Query(ctx, fmt.Sprintf("SELECT %s, count(*) FROM %s GROUP BY 1", warehouse.PositionFile, found))
	if err != nil {
		return err
	}
	bad := map[string]int64{}
	for _, row := range answer.Rows {
		path, _ := row[0].(string)
		bad[path] = integer(row[1])
	}
	d.out.Good = nil
	for i, f := range d.rows.Files {
		if bad[f.Path] == 0 {
			d.out.Good = append(d.out.Good, f)
			continue
		}
		keep := fmt.Sprintf("SELECT %s FROM (\n%s\n) AS r WHERE %s NOT IN (SELECT %[3]s FROM %s WHERE %s = %s)", dialect.Idents(warehouse.Names(d.rows.Columns)),
			dialect.ScanAt([]warehouse.File{f}, d.rows.Columns), warehouse.PositionRow, found, warehouse.PositionFile, dialect.QuoteLiteral(f.Path))
		passed, err := d.Warehouse.Write(ctx, keep, filepath.Join(d.Dir, fmt.Sprintf("passed-%05d.parquet", i)))
		if err != nil {
			return fmt.Errorf("write the rows that pass: %w", err)
		}
		if passed.Rows+bad[f.Path] != f.Rows {
			return fmt.Errorf("%w: of %d rows in %s %d passed and %d failed", warehouse.ErrUnbalanced, f.Rows, f.Path, passed.Rows, bad[f.Path])
		}
		delete(bad, f.Path)
		d.out.Good, d.out.Written = append(d.out.Good, passed), append(d.out.Written, passed)
	}
	for path, n := range bad {
		if n > 0 && !slices.ContainsFunc(d.rows.Files, func(f warehouse.File) bool { return f.Path == path }) {
			return fmt.Errorf("%d failing rows are said to lie in %q", n, path)
		}
	}
	return nil
}

// finish writes the quarantined rows with the rules that each fails, and counts.
func (d *dividing) finish(ctx context.Context) (*Division, error) {
	if d.out.Broken() {
		return &d.out, nil
	}
	failed := map[string]int64{}
	if len(d.failing) > 0 {
		if err := d.quarantine(ctx, failed); err != nil {
			return nil, err
		}
	}
	if err := d.balance(); err != nil {
		return nil, err
	}
	for _, r := range d.rules {
		res := result(r.check)
		res.Checked, res.Failing, res.Quarantined, res.Keys = d.checked, failed[r.check.Name], failed[r.check.Name], d.keys[r]
		res.How, res.Took = HowScan, time.Since(d.begin)
		switch {
		case d.proven[r] && res.Failing == 0:
			res.How = HowStatistics
		case r.key != nil:
			res.How = HowQuery
		}
		if err := d.explain(ctx, r, &res); err != nil {
			return nil, err
		}
		Grade(&res, r.check)
		d.out.Results = append(d.out.Results, res)
	}
	return &d.out, nil
}

// quarantine writes the file of rows that fail.
func (d *dividing) quarantine(ctx context.Context, failed map[string]int64) error {
	var labels, conditions []string
	for _, r := range d.rules {
		if r.fails != "" { // what the statistics of the rows that pass prove may be false for the others
			labels, conditions = append(labels, r.check.Name), append(conditions, r.fails)
		}
	}
	dialect := d.Warehouse.Dialect()
	sql := fmt.Sprintf("SELECT %s, %s AS %s, %s AS %s, CAST(%s AS TIMESTAMP) AS %s, CAST(%s AS VARCHAR) AS %s, CAST(uuid() AS VARCHAR) AS %s FROM %s",
		dialect.Idents(warehouse.Names(d.rows.Columns)), dialect.TrueNames(labels, conditions), FailedRules, dialect.QuoteLiteral(d.rows.Run), QuarantinedRun,
		dialect.QuoteLiteral(d.At.UTC().Format("2006-01-02 15:04:05.000000")), QuarantinedAt, d.position(), QuarantinedFrom, QuarantinedID, dialect.Files(warehouse.Paths(d.failing)))
	file, err := d.Warehouse.Write(ctx, sql, filepath.Join(d.Dir, "quarantined.parquet"))
	if err != nil {
		return fmt.Errorf("write the rows that fail: %w", err)
	}
	d.out.Bad = &file
	from := dialect.Files([]string{file.Path})
	answer, err := d.Warehouse.Query(ctx, fmt.Sprintf("SELECT rule, count(*) FROM (SELECT unnest(%s) AS rule FROM %s) AS r GROUP BY rule", FailedRules, from))
	if err != nil {
		return err
	}
	for _, row := range answer.Rows {
		name, _ := row[0].(string)
		failed[name] = integer(row[1])
	}
	without, err := d.row(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE len(%s) = 0", from, FailedRules))
	if err == nil && integer(without[0]) > 0 {
		err = fmt.Errorf("%d rows failed a rule when they were read and none when they were read again: does a condition use random() or now()?", integer(without[0]))
	}
	return err
}

// position tells where a quarantined row came from, as SQL.
func (d *dividing) position() string {
	if d.rows.From == nil || !d.placed || len(d.failing) > 1 {
		return "NULL"
	}
	q := d.Warehouse.Dialect().QuoteLiteral
	var whens []string
	for _, f := range d.rows.Files {
		where, all := d.rows.From(f.Path)
		switch {
		case all:
			whens = append(whens, fmt.Sprintf("WHEN %s THEN %s || ' row ' || (%s + 1)", q(f.Path), q(where), warehouse.PositionRow))
		case where != "":
			whens = append(whens, fmt.Sprintf("WHEN %s THEN %s", q(f.Path), q(where)))
		}
	}
	if len(whens) == 0 {
		return "NULL"
	}
	return fmt.Sprintf("CASE %s %s END", warehouse.PositionFile, strings.Join(whens, " "))
}

// balance counts both sides where they lie.
func (d *dividing) balance() error {
	passed, quarantined := int64(0), int64(0)
	for _, f := range d.out.Good {
		n, err := warehouse.CountRows(f.Path)
		if err != nil {
			return err
		}
		passed += n
	}
	if d.out.Bad != nil {
		n, err := warehouse.CountRows(d.out.Bad.Path)
		if err != nil {
			return err
		}
		quarantined = n
	}
	d.out.Equation = warehouse.Equation{Name: "checked", Rows: d.checked, Terms: []warehouse.Term{{Name: "passed", Rows: passed}, {Name: "quarantined", Rows: quarantined}}}
	if !d.out.Equation.Closes() {
		return fmt.Errorf("%w: %s", warehouse.ErrUnbalanced, d.out.Equation)
	}
	return nil
}

// explain adds what a reader of the report wants to see of a rule that fails.
func (d *dividing) explain(ctx context.Context, r *rule, res *Result) error {
	if res.Failing == 0 || d.out.Bad == nil {
		return nil
	}
	dialect := d.Warehouse.Dialect()
	rows := fmt.Sprintf("SELECT * FROM %s WHERE %s", dialect.Files([]string{d.out.Bad.Path}), dialect.Includes(FailedRules, dialect.QuoteLiteral(r.check.Name)))
	if r.values != nil {
		values, err := d.row(ctx, "SELECT "+dialect.CountDistinctIf(r.values, "true")+" FROM ("+rows+") AS r")
		if err != nil {
			return err
		}
		res.Keys = integer(values[0])
	}
	if r.check.Quarantines() { // else they are in no table
		res.SQL = d.found(r)
	}
	if r.check.Limit == 0 {
		return nil
	}
	shown := (&counting{Runner: d.Runner, table: Table{Columns: d.rows.Columns}}).shown(r.check)
	var err error
	res.Sample, err = d.Sample(ctx, rows, shown, d.rows.Secret, r.check.Limit)
	return err
}

// found is a query that shows the rows that fail a rule, in the quarantine.
func (d *dividing) found(r *rule) string {
	dialect := d.Warehouse.Dialect()
	name := dialect.Table(warehouse.Name{Schema: r.check.Node.Schema, Table: r.check.Node.Table + models.QuarantineSuffix})
	sql := fmt.Sprintf("SELECT * FROM %s WHERE %s", name, dialect.Includes(FailedRules, dialect.QuoteLiteral(r.check.Name)))
	if d.rows.Run != "" {
		sql += " AND " + QuarantinedRun + " = " + dialect.QuoteLiteral(d.rows.Run)
	}
	return sql
}
