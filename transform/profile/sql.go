package profile

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// This file makes all SQL of a profile, for the local engine: in DuckDB's dialect. Each function returns one SELECT.

// rows reads some columns. It names them, for a table of a thousand columns is slow to bind.
func (p *profiling) rows(columns ...*column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return "SELECT " + p.d.Idents(names) + " FROM " + p.from + " AS r"
}

// sampleSQL takes n of the total rows. A reservoir is exact and holds its rows in memory: beyond a few, each row is
// taken or left by itself, a little more than are needed.
func sampleSQL(rows string, n, total int64) string {
	if n <= 10_000 {
		return fmt.Sprintf("SELECT * FROM (\n%s\n) AS r USING SAMPLE reservoir(%d ROWS)", rows, n)
	}
	percent := math.Min(100, 100*(float64(n)+5*math.Sqrt(float64(n)))/float64(total))
	return fmt.Sprintf("SELECT * FROM (SELECT * FROM (\n%s\n) AS r USING SAMPLE bernoulli(%s PERCENT)) AS s LIMIT %d", rows, strconv.FormatFloat(percent, 'f', -1, 64), n)
}

// storable casts what Parquet cannot hold to text.
func (p *profiling) storable(rows string, hugeToo bool) string {
	items := make([]string, len(p.columns))
	for i, c := range p.columns {
		items[i] = p.d.QuoteIdent(c.Name)
		if _, err := warehouse.Stored(c.Type); err != nil || hugeToo && huge(c.Type) {
			items[i] = fmt.Sprintf("CAST(%s AS VARCHAR) AS %[1]s", items[i])
		}
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (\n" + rows + "\n) AS r"
}

// fact is one aggregate of the fused scan.
type fact struct{ name, sql string }

// scanSQL asks for all facts of some columns in one scan: first the rows, then the facts of each column in order.
func scanSQL(d *warehouse.Dialect, rows string, columns []*column) string {
	items := []string{"count(*)"}
	for _, c := range columns {
		for _, f := range facts(c, d.QuoteIdent(c.Name)) {
			items = append(items, f.sql)
		}
	}
	return "SELECT " + strings.Join(items, ",\n  ") + "\nFROM (\n" + rows + "\n) AS r"
}

// facts are the aggregates for a column whose quoted name is q.
func facts(c *column, q string) []fact {
	all := []fact{{"values", "count(" + q + ")"}, {"estimate", "approx_count_distinct(" + q + ")"}}
	switch c.Kind {
	case Text:
		return append(all, textFacts(text(c, q))...)
	case Number:
		return append(all, numberFacts(q, strings.HasPrefix(c.Type, "FLOAT") || c.Type == "DOUBLE")...)
	case Time:
		finite := " FILTER (isfinite(" + q + "))"
		return append(all, fact{"min", "CAST(min(" + q + ") AS VARCHAR)"}, fact{"max", "CAST(max(" + q + ") AS VARCHAR)"},
			fact{"lo", "epoch(min(" + q + ")" + finite + ")"}, fact{"hi", "epoch(max(" + q + ")" + finite + ")"},
			fact{"infinite", "count(*) FILTER (NOT isfinite(" + q + "))"})
	case Blob:
		return append(all, lengthFacts("octet_length("+q+")")...)
	case Nested:
		if strings.HasSuffix(c.Type, "]") {
			return append(all, lengthFacts("len("+q+")")...)
		}
		return all
	}
	cut := func(f string) string { return fmt.Sprintf("left(CAST(%s(%s) AS VARCHAR), %d)", f, q, shown+1) }
	if c.Type == "JSON" { // min and max of documents say nothing
		return all
	}
	return append(all, fact{"min", cut("min")}, fact{"max", cut("max")})
}

func lengthFacts(length string) []fact {
	return []fact{{"min_length", "min(" + length + ")"}, {"max_length", "max(" + length + ")"}, {"mean_length", "avg(" + length + ")"}}
}

// textFacts cut what they return in the engine: a cell may have 100 MB.
func textFacts(t string) []fact {
	blanks := "(' ', chr(9), chr(10), chr(13), chr(160))"
	all := lengthFacts("length(" + t + ")")
	return append(all, fact{"min", fmt.Sprintf("left(min(%s), %d)", t, shown+1)}, fact{"max", fmt.Sprintf("left(max(%s), %d)", t, shown+1)},
		fact{"empty", "count(*) FILTER (" + t + " = '')"},
		fact{"padded", fmt.Sprintf("count(*) FILTER (left(%s, 1) IN %s OR right(%[1]s, 1) IN %[2]s)", t, blanks)})
}

// text is the expression of a text column as VARCHAR.
func text(c *column, q string) string {
	if c.Type == "VARCHAR" {
		return q
	}
	return "CAST(" + q + " AS VARCHAR)"
}

// numberFacts leave NaN and infinities out of all but their counts, and numbers whose squares no DOUBLE holds out of the
// mean: the engine stops at them.
func numberFacts(q string, float bool) []fact {
	x, finite, is := "CAST("+q+" AS DOUBLE)", "", "true"
	nan, infinite := "0", "0"
	if float {
		is = "isfinite(" + q + ")"
		finite = " FILTER (" + is + ")"
		nan, infinite = "count(*) FILTER (isnan("+q+"))", "count(*) FILTER (isinf("+q+"))"
	}
	tame := fmt.Sprintf(" FILTER (abs(%s) < 1e150)", x)
	return []fact{
		{"min", "CAST(min(" + q + ")" + finite + " AS VARCHAR)"}, {"max", "CAST(max(" + q + ")" + finite + " AS VARCHAR)"},
		{"lo", "min(" + x + ")" + finite}, {"hi", "max(" + x + ")" + finite},
		{"mean", "avg(" + x + ")" + tame}, {"stddev", "stddev_samp(" + x + ")" + tame},
		{"wild", fmt.Sprintf("count(*) FILTER (%s AND abs(%s) >= 1e150)", is, x)},
		{"zero", "count(*) FILTER (" + q + " = 0)"}, {"negative", "count(*) FILTER (" + q + " < 0)"}, {"nan", nan}, {"infinite", infinite},
	}
}

// Every query below answers with rows of (fact, label, n, x): see readFacts.

// valuesSQL groups a column's values and tells all about them from the groups.
func valuesSQL(d *warehouse.Dialect, rows string, c *column) string {
	q := d.QuoteIdent(c.Name)
	group := fmt.Sprintf("SELECT %s AS v, count(*) AS n FROM (\n%s\n) AS r WHERE %s IS NOT NULL GROUP BY 1", grouped(c, q), rows, q)
	if c.long { // by their hash: the values themselves might not fit into the memory
		group = fmt.Sprintf("SELECT any_value(left(%s, %d)) AS v, count(*) AS n FROM (\n%s\n) AS r WHERE %s IS NOT NULL GROUP BY md5(%[1]s)", text(c, q), shown+1, rows, q)
	}
	parts := []string{
		"SELECT 'distinct' AS fact, NULL AS label, count(*) AS n, NULL AS x FROM v",
		"SELECT 'least', NULL, min(n), NULL FROM v", "SELECT 'most', NULL, max(n), NULL FROM v",
		fmt.Sprintf("(SELECT 'top', left(CAST(v AS VARCHAR), %d), n, NULL FROM v ORDER BY n DESC, v LIMIT %d)", shown+1, topCounted),
	}
	with := "WITH v AS MATERIALIZED (\n" + group + "\n)"
	switch c.Kind {
	case Number:
		with += ", upto AS (\nSELECT v, sum(n) OVER (ORDER BY v ROWS UNBOUNDED PRECEDING) AS n, sum(n) OVER () AS total FROM v WHERE isfinite(CAST(v AS DOUBLE))\n)"
		parts = append(parts, "SELECT 'quantile', CAST(min(v) AS VARCHAR), NULL, q FROM upto, (VALUES (5), (25), (50), (75), (95)) AS p(q) WHERE n * 100 >= q * total GROUP BY q")
	case Text:
		parts = append(parts, patternParts(d)...)
		parts = append(parts, shapePart("v"))
	}
	return with + "\n" + strings.Join(append(parts, histogramPart(c)...), "\nUNION ALL\n")
}

// grouped is what a column's values are grouped by.
func grouped(c *column, q string) string {
	if c.Kind == Text || c.Type == "JSON" {
		return text(c, q)
	}
	return q
}

// sketchSQL tells what can be told of a column without grouping its values.
func sketchSQL(d *warehouse.Dialect, rows string, c *column) string {
	q := d.QuoteIdent(c.Name)
	value := grouped(c, q)
	if c.Kind == Text { // a pattern is looked for in the first characters only, and a longer text has none
		value = fmt.Sprintf("left(%s, %d)", value, shown+1)
	}
	with := fmt.Sprintf("WITH v AS NOT MATERIALIZED (\nSELECT %s AS v, 1 AS n FROM (\n%s\n) AS r WHERE %s IS NOT NULL\n)", value, rows, q)
	parts := []string{fmt.Sprintf("SELECT 'candidate' AS fact, unnest(approx_top_k(left(CAST(v AS VARCHAR), %d), %d)) AS label, NULL AS n, NULL AS x FROM v", shown+1, topShown)}
	switch c.Kind {
	case Number:
		parts = append(parts, "SELECT 'quantile', unnest(CAST(approx_quantile(v, [0.05, 0.25, 0.5, 0.75, 0.95]) AS VARCHAR[])), NULL, unnest([5, 25, 50, 75, 95]) FROM v WHERE isfinite(CAST(v AS DOUBLE))")
	case Text:
		with += fmt.Sprintf(", taken AS MATERIALIZED (\nSELECT * FROM v USING SAMPLE reservoir(%d ROWS)\n)", shapeSample)
		parts = append(parts, patternParts(d)...)
		parts = append(parts, "SELECT 'sampled', NULL, count(*), NULL FROM taken", shapePart("taken"))
	}
	return with + "\n" + strings.Join(append(parts, histogramPart(c)...), "\nUNION ALL\n")
}

// topSQL counts values that a sketch has named.
func topSQL(d *warehouse.Dialect, rows string, c *column, values []string) string {
	q := d.QuoteIdent(c.Name)
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = d.QuoteLiteral(v)
	}
	return fmt.Sprintf("SELECT 'top' AS fact, v AS label, count(*) AS n, NULL AS x\nFROM (SELECT left(CAST(%s AS VARCHAR), %d) AS v FROM (\n%s\n) AS r) AS t\nWHERE v IN (%s) GROUP BY v ORDER BY n DESC, v",
		q, shown+1, rows, strings.Join(quoted, ", "))
}

// pattern is a form of texts that has a name. The expressions are RE2, for the whole text.
type pattern struct{ name, regex string }

func patterns() []pattern {
	return []pattern{
		{"email", `[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`},
		{"uuid", `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`},
		{"url", `https?://[^\s]+`},
		{"date", `([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4})([ T][0-9:.]+(Z|[+-][0-9:]+)?)?`},
		{"number", `[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,3}(\.[0-9]{3})+)([.,][0-9]+)?`},
	}
}

// patternParts count the named patterns.
func patternParts(d *warehouse.Dialect) []string {
	var parts []string
	for _, p := range patterns() {
		parts = append(parts, fmt.Sprintf("sum(n) FILTER (length(v) <= %d AND regexp_full_match(v, %s))", shown, d.QuoteLiteral(p.regex)))
	}
	names := make([]string, len(parts))
	for i, p := range patterns() {
		names[i] = d.QuoteLiteral(p.name)
	}
	return []string{"SELECT 'pattern', unnest([" + strings.Join(names, ", ") + "]), CAST(unnest([" + strings.Join(parts, ", ") + "]) AS BIGINT), NULL FROM v"}
}

// shapePart counts the shapes of short texts. Nearly all texts are plain ASCII, for which translate does in one pass
// what takes three regular expressions.
func shapePart(from string) string {
	const upper, lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	shape := fmt.Sprintf("CASE WHEN strlen(v) = length(v) THEN translate(v, '%s%s0123456789', '%s%s9999999999') ELSE "+
		`regexp_replace(regexp_replace(regexp_replace(v, '[\p{Ll}\p{Lm}\p{Lo}]', 'a', 'g'), '[\p{Lu}\p{Lt}]', 'A', 'g'), '\p{Nd}', '9', 'g') END`,
		upper, lower, strings.Repeat("A", 26), strings.Repeat("a", 26))
	return fmt.Sprintf("(SELECT 'shape', %s AS shape, CAST(sum(n) AS BIGINT), NULL FROM %s WHERE length(v) BETWEEN 1 AND %d GROUP BY shape ORDER BY 3 DESC, 2 LIMIT %d)",
		shape, from, longestShape, topCounted)
}

// longestShape is the length of the longest text that has a shape.
const longestShape = 40

// histogramPart counts the classes of a number or a time.
func histogramPart(c *column) []string {
	n, width := classes(c)
	if n == 0 {
		return nil
	}
	x := "CAST(v AS DOUBLE)"
	finite := "isfinite(" + x + ")"
	if c.Kind == Time {
		x, finite = "epoch(v)", "isfinite(v)"
	}
	return []string{fmt.Sprintf("SELECT 'bin', NULL, CAST(sum(n) AS BIGINT), least(floor((%s - %s) / %s), %d) AS bin FROM v WHERE %s GROUP BY bin",
		x, literal(c.lo), literal(width), n-1, finite)}
}

// classes says into how many classes of which width a column's values go; 0 for none. Few whole numbers, or days, get
// a class each.
func classes(c *column) (n int, width float64) {
	span := c.hi - c.lo
	if !c.bounded || c.Kind != Number && c.Kind != Time || math.IsInf(span, 0) {
		return 0, 0
	}
	unit := 0.0
	if c.Type == "DATE" {
		unit = 24 * 60 * 60
	} else if c.Kind == Number && isInteger(c.Type) {
		unit = 1
	}
	switch {
	case span == 0:
		return 1, 1
	case unit > 0 && span/unit < bins:
		return int(span/unit) + 1, unit
	case unit > 0:
		width = math.Ceil(span/unit/bins) * unit
		return int(math.Floor(span/width)) + 1, width
	}
	if width = span / bins; width == 0 || c.lo+width == c.lo {
		return 0, 0
	}
	return bins, width
}

func isInteger(typ string) bool {
	return strings.HasSuffix(typ, "INT") || strings.HasSuffix(typ, "INTEGER") || strings.HasPrefix(typ, "DECIMAL") && strings.HasSuffix(typ, ",0)")
}

// distinctSQL counts a column's values exactly; the engine spills what does not fit.
func distinctSQL(d *warehouse.Dialect, rows, column string) string {
	return "SELECT count(*) FROM (\nSELECT 1 FROM (\n" + rows + "\n) AS r GROUP BY " + d.QuoteIdent(column) + "\n) AS k"
}

// pairsSQL estimates the distinct pairs of columns, all in one scan.
func pairsSQL(d *warehouse.Dialect, rows string, pairs [][2]*column) string {
	items := make([]string, len(pairs))
	for i, p := range pairs {
		items[i] = fmt.Sprintf("approx_count_distinct(hash(%s, %s))", d.QuoteIdent(p[0].Name), d.QuoteIdent(p[1].Name))
	}
	return "SELECT " + strings.Join(items, ",\n  ") + "\nFROM (\n" + rows + "\n) AS r"
}

// repeatedSQL answers 1 when a pair of values occurs twice.
func repeatedSQL(d *warehouse.Dialect, rows string, pair [2]*column) string {
	return "SELECT count(*) FROM (\nSELECT 1 FROM (\n" + rows + "\n) AS r GROUP BY " + d.Idents([]string{pair[0].Name, pair[1].Name}) + " HAVING count(*) > 1 LIMIT 1\n) AS k"
}

// failingSQL counts the rows that fail each of the conditions.
func failingSQL(rows string, conditions []string) string {
	items := make([]string, len(conditions))
	for i, c := range conditions {
		items[i] = "count(*) FILTER (" + c + ")"
	}
	return "SELECT " + strings.Join(items, ",\n  ") + "\nFROM (\n" + rows + "\n) AS r"
}

// literal spells a float for SQL.
func literal(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	return "CAST('" + s + "' AS DOUBLE)"
}
