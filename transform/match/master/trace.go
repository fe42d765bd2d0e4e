package master

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match"
	"github.com/millrace/millrace/transform/match/golden"
	"github.com/millrace/millrace/transform/match/standardize"
	"github.com/millrace/millrace/transform/match/steward"
	"github.com/millrace/millrace/warehouse"
)

// Trace is a golden record whose values are to be explained, in a warehouse in which its sources are exposed.
type Trace struct {
	Entity    *models.Entity
	Warehouse warehouse.Warehouse
	Dir       string // for what is written
	Xref      string // the published one, as a table expression
	ID        string
	Members   []steward.Record
	Pins      []golden.Pin
	At        time.Time // logical time of the run that published it
}

// Winners is a SELECT of where the values are from (see golden.Winners): the sources are read as they are now, and of them the members.
func (t *Trace) Winners(ctx context.Context) (string, error) {
	reading, err := standardize.NewReading(ctx, t.Warehouse, t.Entity)
	if err != nil {
		return "", err
	}
	rows, err := t.Warehouse.Scratch(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) AS r\nWHERE %s", reading.Rows, t.members()), filepath.Join(t.Dir, "members.parquet"))
	if err != nil {
		return "", fmt.Errorf("read the members: %w", err)
	}
	d := t.Warehouse.Dialect()
	plan, from := match.FieldsPlan(t.Entity), reading.Numbered(d.Files([]string{rows.Path}))
	records, err := reading.Records(plan, from)
	if err != nil {
		return "", err
	}
	raw := reading.Values(from)
	columns, err := t.Warehouse.Describe(ctx, raw)
	if err != nil {
		return "", err
	}
	g := &golden.Golden{Entity: t.Entity, Plan: plan, Dialect: d, At: t.At, Fields: goldenFields(columns), Pins: t.Pins}
	return g.Traced("("+records+")", "("+raw+")", t.Xref, t.ID).Winners()
}

// members is the condition for the rows that are the golden record's.
func (t *Trace) members() string {
	d := t.Warehouse.Dialect()
	var tuples []string
	for _, r := range t.Members {
		for i, s := range t.Entity.Sources {
			if s.Name == r.Source {
				tuples = append(tuples, fmt.Sprintf("(%d, %s)", i, d.QuoteLiteral(r.Key)))
			}
		}
	}
	if len(tuples) == 0 {
		return "false"
	}
	return fmt.Sprintf("(%s, %s) IN (%s)", d.QuoteIdent(match.SourceColumn), d.QuoteIdent(match.KeyColumn), strings.Join(tuples, ", "))
}
