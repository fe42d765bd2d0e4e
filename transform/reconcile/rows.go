package reconcile

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// The names of what the comparison writes beside the columns: h is a row's hash, n the rows of a key on both sides and nl
// those on the left, newer and diverted say why a left row is no failure.

// isPair is the condition for a key that one row of each side has.
const isPair = "n = 2 AND nl = 1"

// rows finds the rows that are not the same on both sides.
func (r *running) rows(ctx context.Context) error {
	keys, err := r.write(ctx, "keys", r.unequal())
	if err != nil {
		return err
	}
	if err := r.countRepeated(ctx, "SELECT * FROM "+keys); err != nil {
		return err
	}
	newer, err := r.newer(ctx)
	if err != nil {
		return err
	}
	left, err := r.write(ctx, "left", r.ofKeys(keys, r.left, newer))
	if err != nil {
		return err
	}
	right, err := r.write(ctx, "right", r.ofKeys(keys, r.right, "FALSE"))
	if err != nil {
		return err
	}
	missing, err := r.write(ctx, "missing", r.excused(r.unmatched(left, right, "nl = n")))
	if err != nil {
		return err
	}
	extra, err := r.write(ctx, "extra", r.unmatched(right, left, "nl = 0"))
	if err != nil {
		return err
	}
	pairs, err := r.write(ctx, "pairs", r.excused(r.pairs(left, right)))
	if err != nil {
		return err
	}
	if err := r.tally(ctx, missing, extra, pairs); err != nil {
		return err
	}
	return r.list(ctx, missing, extra, pairs)
}

// write runs a SELECT into a file and gives the table expression that reads it.
func (r *running) write(ctx context.Context, name, query string) (string, error) {
	f, err := r.w.Write(ctx, query, filepath.Join(r.Dir, name+".parquet"))
	if err != nil {
		return "", err
	}
	return r.d.Files([]string{f.Path}), nil
}

// by is what rows are grouped by: the key, or without one the hash of the whole row.
func (r *running) by() []string {
	if len(r.key) == 0 {
		return []string{"h"}
	}
	names := make([]string, len(r.key))
	for i, p := range r.key {
		names[i] = p.as()
	}
	return names
}

// matches joins two aliases on what rows are grouped by; NULLs are equal.
func (r *running) matches(a, b string) string {
	var parts []string
	for _, c := range r.by() {
		parts = append(parts, r.d.Same(a+"."+c, b+"."+c))
	}
	return strings.Join(parts, " AND ")
}

// unequal are the keys whose rows are not one on each side with the same hash.
func (r *running) unequal() string {
	by := strings.Join(r.by(), ", ")
	narrow := func(s Side, left int) string {
		return fmt.Sprintf("SELECT %s, h AS x, CAST(%d AS BIGINT) AS l FROM (\n%s\n) AS r", by, left, r.rowsOf(s))
	}
	unequal := "NOT (count(*) = 2 AND sum(l) = 1 AND " + r.d.XorAll("x") + " = 0)"
	if len(r.key) == 0 {
		unequal = "count(*) <> 2 * sum(l)"
	}
	return fmt.Sprintf("SELECT %s, count(*) AS n, CAST(sum(l) AS BIGINT) AS nl FROM (\n%s\nUNION ALL\n%s\n) AS b GROUP BY %[1]s HAVING %[4]s",
		by, narrow(r.left, 1), narrow(r.right, 0), unequal)
}

// countRepeated counts keys that are not unique, of a query that gives n and nl for each key. Without a key rows may repeat.
func (r *running) countRepeated(ctx context.Context, keys string) error {
	if len(r.key) == 0 {
		return nil
	}
	var exprs []string
	for _, rows := range []string{"nl", "n - nl"} {
		exprs = append(exprs, r.d.CountIf(rows+" > 1"), fmt.Sprintf("CAST(coalesce(sum(CASE WHEN %s > 1 THEN %[1]s END), 0) AS BIGINT)", rows))
	}
	answer, err := r.w.Query(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM (\n"+keys+"\n) AS k")
	if err != nil {
		return err
	}
	row := answer.Rows[0]
	r.out.Left.RepeatedKeys, r.out.Left.RepeatedRows = integer(row[0]), integer(row[1])
	r.out.Right.RepeatedKeys, r.out.Right.RepeatedRows = integer(row[2]), integer(row[3])
	return nil
}

// repeatedKeys counts keys that are not unique where both sides have the same rows.
func (r *running) repeatedKeys(ctx context.Context) error {
	by := strings.Join(r.by(), ", ")
	return r.countRepeated(ctx, fmt.Sprintf("SELECT 2 * count(*) AS n, count(*) AS nl FROM (\n%s\n) AS r GROUP BY %s HAVING count(*) > 1", r.rowsOf(r.left), by))
}

// newer is a condition for rows of the left side that are beyond all that the right side has.
func (r *running) newer(ctx context.Context) (string, error) {
	if r.Newer == "" {
		return "FALSE", nil
	}
	p, err := r.named(r.Newer, "cursor")
	if err != nil {
		return "", err
	}
	if p.result.Why != "" {
		return "FALSE", nil
	}
	typed := func(sql string) string { return fmt.Sprintf("CAST(%s AS %s)", sql, r.d.Type(p.kind.String())) }
	answer, err := r.w.Query(ctx, fmt.Sprintf("SELECT CAST(max(%s) AS VARCHAR) FROM (\n%s\n) AS r", typed(r.d.QuoteIdent(p.right.Name)), r.right.Query))
	if err != nil {
		return "", err
	}
	greatest := text(answer.Rows[0][0])
	if greatest == nil {
		return "FALSE", nil
	}
	return fmt.Sprintf("coalesce(%s > %s, FALSE)", typed(r.d.QuoteIdent(p.left.Name)), typed(r.d.QuoteLiteral(*greatest))), nil
}

// excused tells of rows of the left side which were kept out of the right one: of equal ones as many as were. Rows that were
// kept out and have another shape, or values that the compared types do not hold, are none of these.
func (r *running) excused(rows string) string {
	if r.Diverted == nil || !r.holds(r.Diverted) {
		return "SELECT *, FALSE AS diverted FROM (\n" + rows + "\n) AS m"
	}
	return fmt.Sprintf("SELECT m.*, coalesce(row_number() OVER (PARTITION BY m.h) <= q.kept, FALSE) AS diverted FROM (\n%s\n) AS m LEFT JOIN (\nSELECT h, count(*) AS kept FROM (\n%s\n) AS d GROUP BY h\n) AS q ON q.h = m.h",
		rows, r.hashes(r.divertedRows()))
}

// holds says whether a side has all columns that are compared.
func (r *running) holds(s *Side) bool {
	return !slices.ContainsFunc(r.all(), func(p *pair) bool {
		_, ok := find(s.Columns, p.left.Name)
		return !ok
	})
}

// divertedRows are the rows that were kept out whose values the compared types hold.
func (r *running) divertedRows() string {
	var items, fit []string
	for _, p := range r.all() {
		c, _ := find(r.Diverted.Columns, p.left.Name)
		value, kind := r.d.QuoteIdent(c.Name), r.d.Type(p.kind.String())
		items = append(items, fmt.Sprintf("TRY_CAST(%s AS %s) AS %s", value, kind, p.as()))
		fit = append(fit, fmt.Sprintf("(%s IS NULL OR TRY_CAST(%[1]s AS %s) IS NOT NULL)", value, kind))
	}
	if r.Where != "" {
		fit = append(fit, "("+r.Where+"\n)")
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (\n" + r.Diverted.Query + "\n) AS t\nWHERE " + strings.Join(fit, " AND ")
}

// ofKeys are all rows of a side with one of the keys.
func (r *running) ofKeys(keys string, s Side, newer string) string {
	return fmt.Sprintf("SELECT s.*, k.n, k.nl FROM (\n%s\n) AS s JOIN %s AS k ON %s", r.rowsOf(s, newer+" AS newer"), keys, r.matches("s", "k"))
}

// unmatched are the rows of one side that the other has not, or not so often, among those that are no pair. Of keys that the
// other has not at all that is every row; only rows of keys that repeat have to be numbered.
func (r *running) unmatched(one, other, alone string) string {
	numbered := func(from string) string {
		return fmt.Sprintf("SELECT *, row_number() OVER (PARTITION BY %s) AS i FROM %s WHERE nl > 0 AND nl < n AND NOT (%s)", strings.Join(append(r.by(), "h"), ", "), from, isPair)
	}
	return fmt.Sprintf("SELECT *, CAST(1 AS BIGINT) AS i FROM %s WHERE %s\nUNION ALL\nSELECT a.* FROM (\n%s\n) AS a WHERE NOT EXISTS (\nSELECT 1 FROM (\n%s\n) AS b WHERE b.h = a.h AND b.i = a.i AND %s)",
		one, alone, numbered(one), numbered(other), r.matches("a", "b"))
}

// pairs are the rows of keys that each side has once and that may differ, side by side.
func (r *running) pairs(left, right string) string {
	var items []string
	for _, p := range r.key {
		items = append(items, "a."+p.as())
	}
	for _, p := range r.rest {
		items = append(items, fmt.Sprintf("a.%s AS l_%[1]s, b.%[1]s AS r_%[1]s", p.as()))
	}
	items = append(items, "a.newer", "a.h")
	return fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s WHERE %s) AS a JOIN (SELECT * FROM %s WHERE %[3]s) AS b ON %[5]s", strings.Join(items, ", "), left, isPair, right, r.matches("a", "b"))
}

// differ is a condition on a pair: the column's values are not equal, nor near enough.
func (r *running) differ(p *pair) string {
	l, g := "l_"+p.as(), "r_"+p.as()
	differ := "NOT (" + r.d.Same(l, g) + ")"
	if r.Numeric.IsZero() || !isNumeric(p.kind) {
		return differ
	}
	return differ + " AND NOT coalesce(" + r.within(p.kind, l, g) + ", FALSE)"
}

// within is a condition for two numbers that are near enough. Where both are whole or decimal the amount is exact.
func (r *running) within(t warehouse.Type, a, b string) string {
	x, y := "CAST("+a+" AS DOUBLE)", "CAST("+b+" AS DOUBLE)"
	size := fmt.Sprintf("greatest(abs(%s), abs(%s))", x, y)
	finite := size + " < CAST('Infinity' AS DOUBLE)" // NaN is greater, and equal to itself
	switch {
	case r.Numeric.Percent > 0:
		return fmt.Sprintf("%s AND abs(%s - %s) <= %v * %s", finite, x, y, r.Numeric.Percent/100, size)
	case isFloat(t) || t.Width > 36: // 0.3 - 0.2 is a little more than 0.1
		return fmt.Sprintf("%s AND abs(%s - %s) <= %s + 1e-15 * %s", finite, x, y, r.Numeric.Amount, size)
	case t.Name != "DECIMAL":
		t = warehouse.Type{Name: "DECIMAL", Width: 20}
	}
	return fmt.Sprintf("abs(CAST(%s AS %s) - CAST(%s AS %[2]s)) <= %[4]s", a, r.d.Type(t.String()), b, floor(r.Numeric.Amount, t.Scale))
}

// floor cuts an amount to so many decimals: what lies on their grid is within the one when it is within the other.
func floor(amount string, scale int) string {
	whole, part, _ := strings.Cut(amount, ".")
	if len(part) > scale {
		part = part[:scale]
	}
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// tally counts what was found.
func (r *running) tally(ctx context.Context, missing, extra, pairs string) error {
	differs := "FALSE"
	for _, p := range r.rest {
		differs += " OR (" + r.differ(p) + ")"
	}
	if !r.measures(Values) {
		differs = "FALSE"
	}
	lacking, err := r.one(ctx, r.excuses("TRUE"), missing)
	if err != nil {
		return err
	}
	more, err := r.one(ctx, []string{"count(*)"}, extra)
	if err != nil {
		return err
	}
	changed, err := r.one(ctx, r.excuses(differs), pairs)
	if err != nil {
		return err
	}
	r.out.Missing, r.out.Extra, r.out.Different = lacking[0], more[0], changed[0]
	r.out.Newer, r.out.Diverted = lacking[1]+changed[1], lacking[2]+changed[2]
	for some := range slices.Chunk(r.rest, columnsAtOnce) {
		var exprs []string
		for _, p := range some {
			exprs = append(exprs, r.d.CountIf("("+r.differ(p)+") AND "+unexcused))
		}
		counts, err := r.one(ctx, exprs, pairs)
		if err != nil {
			return err
		}
		for i, p := range some {
			p.result.Different = counts[i]
		}
	}
	return nil
}

// unexcused is the condition for a row that nothing is known to keep from the right side.
const unexcused = "NOT newer AND NOT diverted"

// excuses count the rows that meet a condition: those without an excuse, those that are newer, those that were diverted.
func (r *running) excuses(condition string) []string {
	condition = "(" + condition + ") AND "
	return []string{r.d.CountIf(condition + unexcused), r.d.CountIf(condition + "newer"), r.d.CountIf(condition + "diverted AND NOT newer")}
}

// one asks for counts in one row.
func (r *running) one(ctx context.Context, exprs []string, from string) ([]int64, error) {
	answer, err := r.w.Query(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM "+from)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(exprs))
	for i, v := range answer.Rows[0] {
		counts[i] = integer(v)
	}
	return counts, nil
}
