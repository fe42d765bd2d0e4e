package check

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// aggregatesAtOnce bounds the length of a statement: more aggregates share another scan.
const aggregatesAtOnce = 400

// Count judges a table by the checks without changing it: what the statistics of its files prove, then one scan for all
// rules of single rows and all figures, then a narrow query for each key, and the queries of the project. Rows that fail
// are counted; a few of them are fetched for those rules that fail. The metrics are for the checks of later runs.
func (r *Runner) Count(ctx context.Context, t Table, checks []*models.Check) ([]Result, []Metric, error) {
	c := &counting{Runner: r, table: t, results: make([]*Result, len(checks)), checks: checks, repeated: map[*models.Check]string{}, first: map[*models.Check]any{}}
	if err := c.run(ctx); err != nil {
		return nil, nil, err
	}
	out := make([]Result, len(checks))
	for i, res := range c.results {
		out[i] = *res
	}
	return out, c.metrics, nil
}

// counting is one call of Count.
type counting struct {
	*Runner
	table   Table
	checks  []*models.Check
	results []*Result // by check; nil until it is known
	metrics []Metric
	rows    int64
	// repeated are SELECTs of the keys that occur more than once, found already.
	repeated map[*models.Check]string
	// first are the least numbers that failing rows have in their files, found already: a list.
	first map[*models.Check]any
	// rowless says that no row is read, and so that an error has no values.
	rowless bool
}

// item is what one check wants of the shared scan.
type item struct {
	at    int      // of the check
	exprs []string // aggregates; of a rule of single rows its own stand instead
	known []string // the same from the files' statistics, without a table; nil when they do not tell
	rule  *rule
	done  func(ctx context.Context, values []any) error
}

func (c *counting) run(ctx context.Context) error {
	begin := time.Now()
	var scan []item
	var keys, queries []item
	for i, check := range c.checks {
		if contract, ok := check.Args.(*models.Contract); ok {
			fit := FitTable
			if c.table.AtSource {
				fit = Fit
			}
			c.set(i, fit(check.Node, contract, c.table.Columns).Result(check))
			continue
		}
		it, err := c.item(ctx, i, check)
		if err != nil {
			if !own(ctx, err) {
				return err
			}
			c.set(i, broken(check, err))
			continue
		}
		switch {
		case check.Kind == "sql" || isDrift(check):
			queries = append(queries, it)
		case it.rule != nil && it.rule.key != nil:
			keys = append(keys, it)
		default:
			scan = append(scan, it)
		}
	}
	scan, err := c.prove(ctx, scan)
	if err != nil {
		return err
	}
	scan, later := c.postpone(scan)
	if err := c.scan(ctx, scan); err != nil {
		return err
	}
	if err := c.follow(ctx, later); err != nil {
		return err
	}
	c.metrics = append(c.metrics, Metric{Name: "rows", Value: float64(c.rows), At: c.At})
	queries, err = c.together(ctx, queries)
	if err != nil {
		return err
	}
	for _, it := range append(keys, queries...) {
		if err := c.alone(ctx, it); err != nil {
			return err
		}
	}
	for _, res := range c.results {
		if res.Took == 0 {
			res.Took = time.Since(begin)
		}
	}
	return c.samples(ctx)
}

func (c *counting) set(i int, r Result) { c.results[i] = &r }

// windows matches conditions that may have window functions.
var windows = regexp.MustCompile(`(?i)\bover\b`)

// item compiles one check.
func (c *counting) item(ctx context.Context, i int, check *models.Check) (item, error) {
	it := item{at: i}
	if !check.ByRow() {
		return c.figure(it, check)
	}
	rule, err := c.asking(ctx, c.table).rule(check)
	if err != nil {
		return it, err
	}
	if windows.MatchString(rule.fails) { // which could be counted, but no query would show the rows
		if _, err := c.Warehouse.Describe(ctx, c.failing(rule)); err != nil {
			return it, err
		}
	}
	it.rule = rule
	it.done = func(_ context.Context, values []any) error {
		res := result(check)
		res.Checked, res.Failing, res.How = c.rows, integer(values[0]), HowScan
		res.SQL = c.failing(rule)
		if values = values[1:]; rule.values != nil && len(values) > 0 {
			res.Keys, values = integer(values[0]), values[1:]
		}
		if len(values) > 0 {
			c.first[check] = values[0]
		}
		Grade(&res, check)
		c.set(i, res)
		return nil
	}
	return it, nil
}

// postponed is a check that no row fails unless it fails another.
type postponed struct {
	item
	unless int // place of the other check
}

// postpone takes out of the scan what the other checks imply.
func (c *counting) postpone(items []item) (now []item, later []postponed) {
	place := map[*rule]int{}
	var rules []*rule
	for _, it := range items {
		if it.rule != nil {
			place[it.rule], rules = it.at, append(rules, it.rule)
		}
	}
	by := implied(rules)
	for _, it := range items {
		if strong := by[it.rule]; it.rule != nil && strong != nil {
			later = append(later, postponed{it, place[strong]})
		} else {
			now = append(now, it)
		}
	}
	return now, later
}

// follow answers what was postponed: without another scan where no row has failed the other check.
func (c *counting) follow(ctx context.Context, later []postponed) error {
	var open []item
	for _, p := range later {
		if other := c.results[p.unless]; other.Failing > 0 || other.Status == StatusError {
			open = append(open, p.item)
			continue
		}
		if err := p.done(ctx, []any{int64(0)}); err != nil {
			return err
		}
		c.results[p.at].How = HowContract
	}
	if len(open) == 0 {
		return nil
	}
	return c.scan(ctx, open)
}

// repeatedIn is a query of the keys that occur more than once in the rows that meet a condition, "" for all.
func (c *counting) repeatedIn(r *rule, only string) string {
	where := r.present()
	if only != "" {
		where += " AND " + only
	}
	return fmt.Sprintf("SELECT %s, count(*) AS %s FROM %s WHERE %s GROUP BY %[1]s HAVING count(*) > 1", strings.Join(r.key, ", "), sharing(r), c.table.From, where)
}

// failing is a query of the rows that fail a rule.
func (c *counting) failing(r *rule) string {
	if r.key != nil {
		return c.repeatedIn(r, "")
	}
	return "SELECT * FROM " + c.table.From + " WHERE " + r.fails
}

// sharing names the column that counts the rows of a repeated key, beside those of the key.
func sharing(r *rule) string {
	n := "n"
	for slices.ContainsFunc(r.check.Columns, func(k string) bool { return strings.EqualFold(k, n) }) {
		n += "_"
	}
	return n
}

// present is the condition for rows that a unique rule is about: none of the values is NULL.
func (r *rule) present() string {
	var parts []string
	for _, k := range r.key {
		parts = append(parts, k+" IS NOT NULL")
	}
	if r.check.Where != "" {
		parts = append(parts, "("+r.check.Where+"\n)")
	}
	return strings.Join(parts, " AND ")
}

// scan asks everything in one statement, or in as few as their length allows. When one of the expressions is at fault each
// check is asked alone, so that the others still get their answer.
func (c *counting) scan(ctx context.Context, items []item) error {
	for first := true; first || len(items) > 0; first = false {
		n, exprs := 0, 1
		for n < len(items) && exprs < aggregatesAtOnce {
			exprs += max(3, len(items[n].exprs))
			n++
		}
		batch := items[:n]
		items = items[n:]
		if n == 0 && c.table.Exact {
			c.rows = rowsOf(c.table.Files)
			return nil
		}
		sql, lengths := c.aggregates(batch)
		values, err := c.row(ctx, sql)
		if err != nil {
			if n == 0 || !own(ctx, err) {
				return err
			}
			if err := c.oneByOne(ctx, batch); err != nil {
				return err
			}
			continue
		}
		c.rows = integer(values[0])
		values = values[1:]
		for i, it := range batch {
			if err := it.done(ctx, values[:lengths[i]]); err != nil {
				return err
			}
			values = values[lengths[i]:]
		}
	}
	return nil
}

// aggregates is the SELECT that answers the items after the number of all rows, and how many answers each has. The condition
// of a rule is evaluated once, below the aggregates: for its failing rows, their different values and, in files, where the
// first of them lie.
func (c *counting) aggregates(items []item) (sql string, lengths []int) {
	d := c.Warehouse.Dialect()
	inner, outer := []string{"*"}, []string{"count(*)"}
	from, prefix := c.table.From, "_millrace_fails_"
	for c.has(func(name string) bool { return strings.HasPrefix(strings.ToLower(name), prefix) }) {
		prefix += "_"
	}
	placed := c.table.Exact && len(c.table.Files) > 0 && !c.has(func(name string) bool {
		return strings.EqualFold(name, warehouse.PositionRow) || strings.EqualFold(name, warehouse.PositionFile)
	})
	if placed {
		from = c.filed()
	}
	for _, it := range items {
		exprs := it.exprs
		if it.rule != nil {
			fails := d.QuoteIdent(prefix + fmt.Sprint(len(inner)))
			inner = append(inner, "("+it.rule.fails+") AS "+fails)
			exprs = []string{d.CountIf(fails)}
			if it.rule.values != nil {
				exprs = append(exprs, d.CountDistinctIf(it.rule.values, fails))
			}
			if limit := c.checks[it.at].Limit; placed && 0 < limit && limit <= mostPlaced {
				exprs = append(exprs, d.FirstRows(fails, limit))
			}
		}
		outer, lengths = append(outer, exprs...), append(lengths, len(exprs))
	}
	return "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(inner, ",\n  ") + "\nFROM " + from + ") AS t", lengths
}

// has says whether the name of one of the table's columns is such.
func (c *counting) has(such func(name string) bool) bool {
	return slices.ContainsFunc(c.table.Columns, func(k warehouse.Column) bool { return such(k.Name) })
}

// filed is the table as its files, with the place of each row. Conditions may call it by its name, as they may the table.
func (c *counting) filed() string {
	d := c.Warehouse.Dialect()
	return "(\n" + d.ScanAt(c.table.Files, c.table.Columns) + "\n) AS " + d.QuoteIdent(cmp.Or(c.table.Name, "t"))
}

// mostPlaced is how many failing rows a scan of all rows takes down.
const mostPlaced = 100

func rowsOf(files []warehouse.File) int64 {
	rows := int64(0)
	for _, f := range files {
		rows += f.Rows
	}
	return rows
}

func (c *counting) oneByOne(ctx context.Context, items []item) error {
	for _, it := range items {
		sql, _ := c.aggregates([]item{it})
		values, err := c.row(ctx, sql)
		switch {
		case err == nil:
			c.rows = integer(values[0])
			err = it.done(ctx, values[1:])
		case own(ctx, err):
			c.set(it.at, c.broken(c.checks[it.at], err))
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// alone runs a check that needs a statement of its own.
func (c *counting) alone(ctx context.Context, it item) error {
	begin := time.Now()
	check := c.checks[it.at]
	res := result(check)
	err := error(nil)
	switch args := check.Args.(type) {
	case *models.Unique:
		err = c.unique(ctx, it.rule, &res)
	case *models.Distribution:
		err = c.drift(ctx, check, args, &res)
	default:
		err = c.query(ctx, check, &res)
	}
	if err != nil {
		if !own(ctx, err) {
			return err
		}
		res = broken(check, err)
	}
	res.Took = time.Since(begin)
	c.set(it.at, res)
	return nil
}

func (c *counting) unique(ctx context.Context, r *rule, res *Result) error {
	sql, at := c.failing(r), len(c.repeated)
	only, err := c.crowded(ctx, r, c.table.Columns, c.table.From, filepath.Join(c.Dir, fmt.Sprintf("crowded-%d.parquet", at)))
	if err != nil {
		return err
	}
	file, err := c.Warehouse.Write(ctx, c.repeatedIn(r, only), filepath.Join(c.Dir, fmt.Sprintf("repeated-%d.parquet", at)))
	if err != nil {
		return err
	}
	found := "SELECT * FROM " + c.Warehouse.Dialect().Files([]string{file.Path})
	c.repeated[r.check] = found
	values, err := c.row(ctx, "SELECT count(*), coalesce(sum("+sharing(r)+"), 0) FROM ("+found+") AS k")
	if err != nil {
		return err
	}
	res.Keys, res.Failing, res.Checked, res.How, res.SQL = integer(values[0]), integer(values[1]), c.rows, HowQuery, sql
	Grade(res, r.check)
	return nil
}

func (c *counting) query(ctx context.Context, check *models.Check, res *Result) error {
	sql, err := c.selectOf(ctx, check)
	if err != nil {
		return err
	}
	whole := failures(check, sql)
	answer, err := c.Warehouse.Query(ctx, whole)
	switch {
	case err != nil:
		return c.Runner.placed(ctx, check, whole[:strings.Index(whole, sql)], err)
	case len(answer.Rows) != 1: // of a fail_calc that is computed of each row
		given := map[bool]string{true: "no number", false: "several numbers"}[len(answer.Rows) == 0]
		return wrong("use an aggregate: sum(...), max(...), count(*)", "fail_calc %s gives %s, not one", check.FailCalc, given)
	case judgedBySQL(check):
		return c.judged(res, check, sql, answer.Rows[0])
	}
	c.answered(res, check, sql, integer(answer.Rows[0][0]))
	return nil
}

// judgedBySQL says whether the engine must say how a test ends: fail_calc may give what is no number of rows, and a condition may be
// any SQL.
func judgedBySQL(check *models.Check) bool {
	return check.FailCalc != "" || check.WarnIf.SQL != "" || check.ErrorIf.SQL != ""
}

// noFraction is what a DECIMAL or a DOUBLE that is a whole number has behind it as text.
var noFraction = regexp.MustCompile(`\.0+$`)

// judged fills the result of a test from what its query has given: the number of failures, and whether its conditions hold.
func (c *counting) judged(res *Result, check *models.Check, sql string, values []any) error {
	number, _ := values[1].(string)
	failing, err := strconv.ParseInt(noFraction.ReplaceAllString(number, ""), 10, 64)
	if err != nil {
		return wrong("give a whole number: coalesce(…, 0), cast(… as bigint)", "fail_calc %s gives %s, which is no number of failures",
			check.FailCalc, cmp.Or(number, "NULL"))
	}
	res.Failing, res.Checked, res.How, res.SQL = failing, c.rows, HowQuery, sql
	holds := func(said models.Condition, found any) bool {
		if said.Limit.IsPercent {
			return said.Holds(failing, c.rows)
		}
		return found == true
	}
	grade(res, check, holds(check.WarnIf, values[2]), holds(check.ErrorIf, values[3]))
	c.describe(res, check)
	return nil
}

// selectOf is the query of a check, which is one SELECT.
func (c *counting) selectOf(ctx context.Context, check *models.Check) (string, error) {
	sql, err := c.Query(ctx, check)
	if err != nil {
		return "", wrong("", "%v", err)
	}
	if err := c.Warehouse.CheckSelect(ctx, sql); err != nil {
		return "", c.Runner.placed(ctx, check, "", err)
	}
	return sql, nil
}

// failures is a SELECT of how many rows the query of a check gives, or of what the check counts instead.
func failures(check *models.Check, sql string) string {
	count, most := "count(*)", ""
	if judgedBySQL(check) {
		count, most = judgement(check), "\nLIMIT 2" // a second row is a mistake, and so are more
	}
	rows := "(\n" + sql + "\n) AS q"
	if check.Capped > 0 {
		rows = fmt.Sprintf("(SELECT * FROM %s LIMIT %d) AS q", rows, check.Capped)
	}
	return "SELECT " + count + " FROM " + rows + most
}

// judgement is what dbt selects of the rows of a test: the number of failures, and whether the two conditions hold, which may call
// it so. It comes as text too, since it may be anything.
func judgement(check *models.Check) string {
	number := cmp.Or(check.FailCalc, "count(*)")
	conditions := ""
	for _, c := range []models.Condition{check.WarnIf, check.ErrorIf} {
		text := c.String()
		if c.IsZero() || c.Limit.IsPercent {
			text = "!= 0"
		}
		conditions += ",\n  coalesce(CAST((" + number + " " + text + "\n) AS BOOLEAN), false)"
	}
	return number + " AS failures,\n  CAST((" + number + "\n) AS VARCHAR)" + conditions
}

// Queries that run together: many tests of small tables cost what it takes to plan a statement, not to run it.
const (
	queriesAtOnce = 40
	rowsTogether  = 1_000_000 // of the table: beyond, a statement of many queries would hold too much at once

	// A table is held in memory for so many queries, when it has no more values and its files no more bytes than this, and the engine
	// finds its texts no larger than it holds.
	queriesToHold = 8
	valuesHeld    = 500_000
	bytesHeld     = 4 << 20
)

// together runs the queries of checks, several in a statement. It gives back those that must run alone: where one of them cannot be run,
// it has to be found out which.
func (c *counting) together(ctx context.Context, queries []item) (alone []item, err error) {
	if len(queries) < 2 || c.rows > rowsTogether {
		return queries, nil
	}
	if c.small() && len(queries) >= queriesToHold {
		release, err := c.Warehouse.Hold(ctx, c.table.Exposed)
		if err == nil { // else it is read where it is
			defer release()
		}
	}
	for len(queries) > 0 {
		n := min(queriesAtOnce, len(queries))
		more, err := c.batch(ctx, queries[:n])
		if err != nil {
			return nil, err
		}
		alone, queries = append(alone, more...), queries[n:]
	}
	return alone, nil
}

// small says whether the table may fit into memory beside whatever else there is.
func (c *counting) small() bool {
	bytes := int64(0)
	for _, f := range c.table.Files {
		bytes += f.Bytes
	}
	return c.table.Exposed.Table != "" && bytes <= bytesHeld && c.rows*int64(len(c.table.Columns)) <= valuesHeld
}

func (c *counting) batch(ctx context.Context, queries []item) (alone []item, err error) {
	begin := time.Now()
	var some []item
	var selects []string
	for _, it := range queries {
		if check := c.checks[it.at]; check.Kind != "sql" || judgedBySQL(check) {
			alone = append(alone, it)
			continue
		}
		sql, err := c.Query(ctx, c.checks[it.at])
		if err != nil { // it is told when it runs alone
			alone = append(alone, it)
			continue
		}
		some, selects = append(some, it), append(selects, sql)
	}
	if len(some) < 2 {
		return queries, nil
	}
	found, err := c.Warehouse.CheckSelects(ctx, selects)
	if err != nil {
		return queries, only(ctx, err)
	}
	counts := make([]string, len(selects))
	for i, err := range found {
		if err != nil {
			return queries, nil
		}
		counts[i] = failures(c.checks[some[i].at], selects[i])
	}
	numbers, err := c.Warehouse.Numbers(ctx, counts)
	if err != nil {
		return queries, only(ctx, err)
	}
	for i, it := range some {
		res := result(c.checks[it.at])
		c.answered(&res, c.checks[it.at], selects[i], numbers[i])
		res.Took = time.Since(begin) / time.Duration(len(some))
		c.set(it.at, res)
	}
	return alone, nil
}

// only is an error that is not one of the queries' own: those are told when they run alone.
func only(ctx context.Context, err error) error {
	if own(ctx, err) {
		return nil
	}
	return err
}

// answered fills the result of a check whose query has given so many failures.
func (c *counting) answered(res *Result, check *models.Check, sql string, failing int64) {
	res.Failing, res.Checked, res.How, res.SQL = failing, c.rows, HowQuery, sql
	Grade(res, check)
	c.describe(res, check)
}

// describe says in words what the query of a check has given, and by which of its conditions that is bad.
func (c *counting) describe(res *Result, check *models.Check) {
	switch {
	case check.FailCalc != "":
		res.Message = fmt.Sprintf("fail_calc %s gives %d", check.FailCalc, res.Failing)
	case res.Failing > 0:
		res.Message = "the query returns " + count(res.Failing, "row")
	default:
		res.Message = "the query returns no row"
	}
	switch {
	case res.Status == StatusFail && !check.ErrorIf.IsZero():
		res.Message += ", and error_if " + check.ErrorIf.String() + " holds"
	case res.Status == StatusWarn && !check.WarnIf.IsZero():
		res.Message += ", and warn_if " + check.WarnIf.String() + " holds"
	}
}

// row runs a SELECT that gives one row.
func (r *Runner) row(ctx context.Context, sql string) ([]any, error) {
	answer, err := r.Warehouse.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	if len(answer.Rows) != 1 {
		return nil, fmt.Errorf("%d rows came for one: %s", len(answer.Rows), sql)
	}
	return answer.Rows[0], nil
}

func integer(v any) int64 {
	n, _ := v.(int64)
	return n
}
