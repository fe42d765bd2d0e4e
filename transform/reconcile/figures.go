package reconcile

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// figures reads each side: rows, figures of columns, and a checksum of all rows that does not depend on their order.
// It says whether both have the same rows: not where any figure differs, whatever the checksums say.
func (r *running) figures(ctx context.Context) (same bool, err error) {
	left, err := r.count(ctx, r.left, &r.out.Left, func(c *Column) *Figures { return &c.Left })
	if err != nil {
		return false, err
	}
	right, err := r.count(ctx, r.right, &r.out.Right, func(c *Column) *Figures { return &c.Right })
	if err != nil {
		return false, err
	}
	same = r.out.Left.Rows == r.out.Right.Rows && left == right
	for _, p := range r.all() {
		p.result.Differs = r.differing(p)
		same = same && len(p.result.Differs) == 0
		if p.result.secret {
			mask(&p.result.Left, &p.result.Right)
		}
		for _, bound := range []*string{p.result.Left.Min, p.result.Left.Max, p.result.Right.Min, p.result.Right.Max} {
			if bound != nil { // whole they were compared
				shorten(bound)
			}
		}
	}
	return same, nil
}

// mask hides values of a secret column.
func mask(figures ...*Figures) {
	for _, f := range figures {
		for _, value := range []*string{f.Sum, f.Min, f.Max} {
			if value != nil {
				*value = "***"
			}
		}
	}
}

// rowsOf reads a side's rows, the columns as both are compared, with a hash of each.
func (r *running) rowsOf(s Side, more ...string) string { return r.hashes(r.cast(s, r.all(), more...)) }

// hashes adds the hash of each row to rows whose columns are those that are compared.
func (r *running) hashes(rows string) string {
	var hashed []string
	var types []warehouse.Type
	for _, p := range r.all() {
		if p.result.Key || r.measures(Values) {
			hashed, types = append(hashed, p.as()), append(types, p.kind)
		}
	}
	hash := "CAST(0 AS BIGINT)"
	if len(hashed) > 0 {
		hash = r.d.RowHash(hashed, types)
	}
	return "SELECT *, " + hash + " AS h FROM (\n" + rows + "\n) AS s"
}

// cast reads some columns of a side's rows, as both sides are compared.
func (r *running) cast(s Side, columns []*pair, more ...string) string {
	var items []string
	for _, p := range columns {
		column := p.left.Name
		if c, ok := find(s.Columns, column); ok {
			column = c.Name // in this side's spelling
		}
		items = append(items, fmt.Sprintf("CAST(%s AS %s) AS %s", r.d.QuoteIdent(column), r.d.Type(p.kind.String()), p.as()))
	}
	if len(items) == 0 { // of no column do the types fit
		items = append(items, "NULL")
	}
	where := ""
	if r.Where != "" {
		where = "\nWHERE (" + r.Where + "\n)"
	}
	return "SELECT " + strings.Join(append(items, more...), ", ") + " FROM (\n" + s.Query + "\n) AS t" + where
}

// columnsAtOnce is how many columns a query measures or lists: what the engine holds for it grows with their number.
const columnsAtOnce = 50

// count fills the total of a side and the figures of its columns, and gives its checksum.
func (r *running) count(ctx context.Context, s Side, total *Total, of func(*Column) *Figures) (checksum string, err error) {
	answer, err := r.w.Query(ctx, "SELECT count(*), CAST("+r.d.XorAll("h")+" AS VARCHAR), CAST(sum(h) AS VARCHAR), "+r.d.CountIf(r.keyless())+"\nFROM (\n"+r.rowsOf(s)+"\n) AS r")
	if err != nil {
		return "", err
	}
	row := answer.Rows[0]
	total.Rows, total.NullKeys = integer(row[0]), integer(row[3])
	for some := range slices.Chunk(r.all(), columnsAtOnce) {
		if err := r.measure(ctx, s, some, total.Rows, of); err != nil {
			return "", err
		}
	}
	return fmt.Sprint(row[1], " ", row[2]), nil
}

// measure fills the figures of some columns of a side.
func (r *running) measure(ctx context.Context, s Side, columns []*pair, rows int64, of func(*Column) *Figures) error {
	var exprs []string
	for _, p := range columns {
		exprs = append(exprs, r.aggregates(p)...)
	}
	answer, err := r.w.Query(ctx, "SELECT "+strings.Join(exprs, ",\n  ")+"\nFROM (\n"+r.cast(s, columns)+"\n) AS r")
	if err != nil {
		return err
	}
	for i, p := range columns {
		values := answer.Rows[0][5*i:]
		f := of(p.result)
		f.Nulls = rows - integer(values[0])
		f.Sum, f.Min, f.Max = text(values[1]), text(values[3]), text(values[4])
		if t := text(values[2]); t != nil {
			f.size, _ = strconv.ParseFloat(*t, 64) // the engine wrote it
		}
	}
	return nil
}

// keyless is a condition for rows whose key has a NULL.
func (r *running) keyless() string {
	condition := "FALSE"
	for _, p := range r.key {
		condition += " OR " + p.as() + " IS NULL"
	}
	return condition
}

// aggregates are five of a column: its values, their sum, the sum of their sizes, the least and the greatest. What is not
// measured is NULL.
func (r *running) aggregates(p *pair) []string {
	c, sum, size, least, greatest := p.as(), "NULL", "NULL", "NULL", "NULL"
	if isNumeric(p.kind) && r.measures(Sums) {
		value := c
		if inexact(p.kind) {
			value = "CAST(" + c + " AS DOUBLE)"
			size = "CAST(sum(abs(" + value + ")) AS VARCHAR)"
		}
		sum = "CAST(sum(" + value + ") AS VARCHAR)"
	}
	if isOrdered(p.kind) && r.measures(Bounds) {
		least, greatest = "CAST(min("+c+") AS VARCHAR)", "CAST(max("+c+") AS VARCHAR)"
	}
	return []string{"count(" + c + ")", sum, size, least, greatest}
}

// inexact says whether a sum of the type depends on the order of the rows: floats, and decimals whose sum may need more
// digits than there are.
func inexact(t warehouse.Type) bool { return isFloat(t) || t.Name == "DECIMAL" && t.Width > 28 }

// differing are the figures of a column that are not equal.
func (r *running) differing(p *pair) []Measure {
	left, right := &p.result.Left, &p.result.Right
	var all []Measure
	if r.measures(Nulls) && left.Nulls != right.Nulls {
		all = append(all, Nulls)
	}
	if !r.near(left.Sum, right.Sum, true, roundingOfSums*max(left.size, right.size)) {
		all = append(all, Sums)
	}
	if !r.near(left.Min, right.Min, isNumeric(p.kind), 0) || !r.near(left.Max, right.Max, isNumeric(p.kind), 0) {
		all = append(all, Bounds)
	}
	return all
}

// roundingOfSums is what two sums of the same floats in another order may be apart, as a share of the sum of their sizes.
const roundingOfSums = 1e-9

// near says whether two figures are equal, or numbers within the tolerance or the slack.
func (r *running) near(a, b *string, number bool, slack float64) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if *a == *b || !number {
		return *a == *b
	}
	x, okX := new(big.Rat).SetString(*a)
	y, okY := new(big.Rat).SetString(*b)
	if !okX || !okY { // NaN, or without end
		return false
	}
	apart := new(big.Rat).Abs(new(big.Rat).Sub(x, y))
	allowed := new(big.Rat)
	switch {
	case r.Numeric.Amount != "":
		allowed.SetString(r.Numeric.Amount)
	case r.Numeric.Percent > 0:
		allowed.SetFloat64(r.Numeric.Percent / 100)
		allowed.Mul(allowed, greater(new(big.Rat).Abs(x), new(big.Rat).Abs(y)))
	}
	if s := new(big.Rat).SetFloat64(slack); s != nil {
		allowed = greater(allowed, s)
	}
	return apart.Cmp(allowed) <= 0
}

func greater(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

func integer(v any) int64 {
	n, _ := v.(int64)
	return n
}

func text(v any) *string {
	if s, ok := v.(string); ok {
		return &s
	}
	return nil
}
