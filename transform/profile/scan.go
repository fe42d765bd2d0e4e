package profile

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scan asks for the facts of all columns, a batch of them in each scan.
func (p *profiling) scan(ctx context.Context) error {
	for batch := range slices.Chunk(p.columns, scanBatch) {
		r, err := p.e.Query(ctx, scanSQL(p.d, p.rows(batch...), batch))
		if err != nil {
			return err
		}
		row := r.Rows[0]
		p.out.Rows, row = whole(row[0]), row[1:]
		for _, c := range batch {
			found := map[string]any{}
			for i, f := range facts(c, "") {
				found[f.name] = row[i]
			}
			row = row[len(found):]
			c.take(found, p.out.Rows, p.Now)
		}
	}
	return nil
}

// take fills a column from the facts of the scan.
func (c *column) take(f map[string]any, rows int64, now time.Time) {
	c.Values, c.estimate = whole(f["values"]), whole(f["estimate"])
	c.Nulls = rows - c.Values
	c.NullShare = share(c.Nulls, rows)
	c.estimate = min(c.estimate, c.Values)
	c.Distinct, c.Estimated = c.estimate, c.estimate > 0
	c.Min, c.Max = cell(f["min"]), cell(f["max"])
	lo, ok1 := f["lo"].(float64)
	hi, ok2 := f["hi"].(float64)
	c.lo, c.hi, c.bounded = lo, hi, ok1 && ok2
	if _, measured := f["max_length"]; measured && c.Values > 0 {
		c.Length = &LengthFacts{Min: whole(f["min_length"]), Max: whole(f["max_length"]), Mean: real(f["mean_length"])}
		c.long = c.Length.Max > shown
	}
	switch c.Kind {
	case Number:
		c.Number = &NumberFacts{Zero: whole(f["zero"]), Negative: whole(f["negative"]), NaN: whole(f["nan"]), Infinite: whole(f["infinite"])}
		if whole(f["wild"]) == 0 {
			c.Number.Mean, c.Number.StdDev = finite(f["mean"]), finite(f["stddev"])
		}
	case Text:
		c.Text = &TextFacts{Empty: whole(f["empty"]), Padded: whole(f["padded"])}
	case Time:
		c.Time = &TimeFacts{Infinite: whole(f["infinite"])}
		if c.bounded {
			age := now.Unix() - int64(math.Floor(hi))
			c.Time.NewestAge = &age
		}
	}
}

// values asks, for each column, about its values one by one.
func (p *profiling) values(ctx context.Context) error {
	for _, c := range p.columns {
		if c.Values == 0 || c.Kind == Blob || c.Kind == Nested {
			continue
		}
		query := valuesSQL
		if c.Estimated = c.estimate > mostGrouped; c.Estimated {
			query, c.Sketched = sketchSQL, true
		}
		r, err := p.e.Query(ctx, query(p.d, p.rows(c), c))
		if err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		candidates := c.readFacts(r.Rows)
		if len(candidates) == 0 {
			continue
		}
		if r, err = p.e.Query(ctx, topSQL(p.d, p.rows(c), c, candidates)); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		c.readFacts(r.Rows)
	}
	return nil
}

// readFacts takes rows of (fact, label, n, x) into the column, and returns the values that a sketch has named.
func (c *column) readFacts(rows [][]any) (candidates []string) {
	slices.SortStableFunc(rows, func(a, b []any) int { return cmpReal(a[3], b[3]) })
	counted := c.Values
	for _, row := range rows {
		label, _ := row[1].(string)
		n := whole(row[2])
		switch row[0] {
		case "distinct":
			c.Distinct = n
			c.Constant = n == 1 && c.Nulls == 0
		case "least":
			c.least = n
		case "most":
			c.Unique = n == 1
		case "sampled":
			c.Text.Sampled, counted = n, n
		case "candidate":
			candidates = append(candidates, label)
		case "top":
			c.top = append(c.top, Value{Value: cutText(label), Cut: longer(label), Rows: n, Share: share(n, c.Values)})
		case "quantile":
			c.Number.Quantiles = append(c.Number.Quantiles, Quantile{Percent: real(row[3]), Value: label})
		case "bin":
			c.bin(int(real(row[3])), n)
		}
	}
	for _, row := range rows { // once it is known of how many the shapes were counted
		label, _ := row[1].(string)
		n := whole(row[2])
		switch {
		case row[0] == "pattern" && n > 0:
			c.Text.Patterns = append(c.Text.Patterns, Pattern{label, n, share(n, c.Values)})
		case row[0] == "shape":
			c.Text.Shapes = append(c.Text.Shapes, Pattern{label, n, share(n, counted)})
		}
	}
	c.sort()
	return candidates
}

func (c *column) sort() {
	byRows := func(a, b Pattern) int {
		if a.Rows != b.Rows {
			return int(min(max(b.Rows-a.Rows, -1), 1))
		}
		return strings.Compare(a.Name, b.Name)
	}
	if c.Text != nil {
		slices.SortFunc(c.Text.Patterns, byRows)
		slices.SortFunc(c.Text.Shapes, byRows)
	}
	slices.SortFunc(c.top, func(a, b Value) int { return byRows(Pattern{a.Value, a.Rows, 0}, Pattern{b.Value, b.Rows, 0}) })
}

// bin notes the rows of one class; those between that have none come with it.
func (c *column) bin(at int, n int64) {
	count, width := classes(c)
	if c.Histogram == nil {
		for i := range count {
			from, to := c.lo+float64(i)*width, c.lo+float64(i+1)*width
			c.Histogram = append(c.Histogram, Bin{From: c.bound(from), To: c.bound(min(to, max(c.hi, from)))})
		}
	}
	if at >= 0 && at < len(c.Histogram) {
		c.Histogram[at].Rows = n
	}
}

// bound spells the end of a class.
func (c *column) bound(x float64) string {
	if c.Kind == Number {
		return strconv.FormatFloat(x, 'g', 6, 64)
	}
	t := time.Unix(int64(math.Floor(x)), 0).UTC()
	if c.Type == "DATE" {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.DateTime)
}

// whole is a count of an answer; nothing counts as 0.
func whole(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case uint64:
		return math.MaxInt64
	case float64:
		return int64(v)
	case string:
		n, _ := new(big.Int).SetString(v, 10)
		if n != nil && n.IsInt64() {
			return n.Int64()
		}
	}
	return 0
}

func real(v any) float64 {
	f, _ := v.(float64)
	if n, ok := v.(int64); ok {
		f = float64(n)
	}
	if s, ok := v.(string); ok { // a DECIMAL
		f, _ = strconv.ParseFloat(s, 64)
	}
	return f
}

func cmpReal(a, b any) int {
	x, y := real(a), real(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// finite is a float that JSON can hold, or nil.
func finite(v any) *float64 {
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}

// cell is a value's text, cut to what is shown.
func cell(v any) *string {
	if v == nil {
		return nil
	}
	text := cutText(fmt.Sprint(v))
	return &text
}

func longer(s string) bool { return len(s) > shown && len([]rune(s)) > shown }

func cutText(s string) string {
	if longer(s) {
		return string([]rune(s)[:shown])
	}
	return s
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
