// Package profile looks at the rows of one SELECT and tells what is in each column: how many NULLs and distinct values,
// the range, the distribution, the most frequent values, the patterns of texts, and which columns could be a key. From
// that it proposes checks. It changes nothing, publishes nothing, and holds no more of the rows than small answers.
// Read Profile first, then Run.
package profile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Mask stands for every value of a column that is masked.
const Mask = "***"

// Profile is what was found.
type Profile struct {
	Table     string     `json:"table"`
	At        time.Time  `json:"at"`
	Rows      int64      `json:"rows"`              // that were looked at
	Of        int64      `json:"of_rows,omitempty"` // that there are, when only a sample was looked at
	Columns   []*Column  `json:"columns"`
	Keys      [][]string `json:"candidate_keys"` // columns, and pairs of them, that are unique and never NULL
	Proposals []Proposal `json:"proposed_checks"`
}

// Kind is what a column can be asked for.
type Kind string

// The kinds of columns.
const (
	Number  Kind = "number"
	Text    Kind = "text"
	Time    Kind = "time" // a DATE or a TIMESTAMP
	Boolean Kind = "boolean"
	Other   Kind = "other"  // UUID, TIME, INTERVAL…: values without arithmetic
	Blob    Kind = "blob"   // counted and measured, never shown
	Nested  Kind = "nested" // STRUCT, LIST, MAP…: counted
)

// Column is what was found in one column. Shares are of the rows for Nulls, else of the values that are not NULL.
type Column struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Kind      Kind    `json:"kind"`
	Masked    bool    `json:"masked,omitempty"`
	Nulls     int64   `json:"nulls"`
	NullShare float64 `json:"null_share"`
	Values    int64   `json:"values"` // that are not NULL
	Distinct  int64   `json:"distinct"`
	// Estimated says that Distinct is approximate, Sketched that the quantiles and the choice of the top values are:
	// there are too many values to group them all. Counts of rows are exact always.
	Estimated bool         `json:"distinct_estimated,omitempty"`
	Sketched  bool         `json:"sketched,omitempty"`
	Unique    bool         `json:"unique,omitempty"` // no value occurs twice: counted, never estimated
	Constant  bool         `json:"constant,omitempty"`
	Min       *string      `json:"min,omitempty"`
	Max       *string      `json:"max,omitempty"`
	Number    *NumberFacts `json:"number,omitempty"`
	Length    *LengthFacts `json:"length,omitempty"`
	Text      *TextFacts   `json:"text,omitempty"`
	Time      *TimeFacts   `json:"time,omitempty"`
	Top       []Value      `json:"top,omitempty"`
	Histogram []Bin        `json:"histogram,omitempty"`
	Remarks   []string     `json:"remarks,omitempty"` // what is worth a look, in words
}

// NumberFacts are about numbers. NaN and infinities have no part in the mean, the range, the quantiles and the histogram.
type NumberFacts struct {
	Mean      *float64   `json:"mean,omitempty"`
	StdDev    *float64   `json:"stddev,omitempty"`
	Quantiles []Quantile `json:"quantiles,omitempty"`
	Zero      int64      `json:"zero"`
	Negative  int64      `json:"negative"`
	NaN       int64      `json:"nan"`
	Infinite  int64      `json:"infinite"`
}

// Quantile is the least value that so many percent of the values do not exceed.
type Quantile struct {
	Percent float64 `json:"percent"`
	Value   string  `json:"value"`
}

// LengthFacts are characters of texts, bytes of BLOBs, items of lists.
type LengthFacts struct {
	Min  int64   `json:"min"`
	Max  int64   `json:"max"`
	Mean float64 `json:"mean"`
}

// TextFacts are about texts.
type TextFacts struct {
	Empty    int64     `json:"empty"`
	Padded   int64     `json:"padded"`             // with white space before or after
	Patterns []Pattern `json:"patterns,omitempty"` // by name: email, uuid, date…
	Shapes   []Pattern `json:"shapes,omitempty"`   // AAA-9999: A for a capital, a for a letter, 9 for a digit
	// Sampled says that the shapes were counted in so many values only.
	Sampled int64 `json:"shapes_of,omitempty"`
}

// Pattern is a form that texts have.
type Pattern struct {
	Name  string  `json:"name"`
	Rows  int64   `json:"rows"`
	Share float64 `json:"share"`
}

// TimeFacts are about dates and timestamps.
type TimeFacts struct {
	NewestAge *int64 `json:"newest_age_seconds,omitempty"` // negative: in the future
	Infinite  int64  `json:"infinite"`
}

// Value is a value and how often it occurs.
type Value struct {
	Value string  `json:"value"`
	Cut   bool    `json:"cut,omitempty"` // only its first characters are shown
	Rows  int64   `json:"rows"`
	Share float64 `json:"share"`
}

// Bin is a class of a histogram: From ≤ value < To, the last one with its end.
type Bin struct {
	From string `json:"from"`
	To   string `json:"to"`
	Rows int64  `json:"rows"`
}

// Engine is what a profile needs of a warehouse.Warehouse.
type Engine interface {
	Dialect() *warehouse.Dialect
	Describe(ctx context.Context, query string) ([]warehouse.Column, error)
	Query(ctx context.Context, query string) (*warehouse.Result, error)
	Write(ctx context.Context, query, path string) (warehouse.File, error)
}

// Config says what to profile.
type Config struct {
	Table   string   // what the rows are called
	Query   string   // one SELECT of them
	Columns []string // to look at; none: all
	Sample  int64    // rows to look at; 0: all. Needs Stage.
	// Stage is a Parquet file to be made with the rows, for a query that is dear to run more than once. The caller
	// removes it. "" runs the query once for each step.
	Stage  string
	Masked func(column string) bool // whose values nobody may see; nil: none
	Have   []*models.Check          // that the table has: they are not proposed again
	// ColumnsOnly leaves candidate keys and proposals away, which take longer than all else.
	ColumnsOnly bool
	Now         time.Time // against which ages are told
}

// Limits of what one statement does, and of what is shown.
const (
	scanBatch   = 20        // columns of one scan: planning many more aggregates takes longer than a second scan
	tryBatch    = 100       // proposals that are tried in one scan
	mostGrouped = 1_000_000 // distinct values that are counted exactly
	shown       = 200       // characters of a value
	topShown    = 10
	topCounted  = 21 // one more than accepted_values would name
	bins        = 20
	shapeSample = 10_000
)

// column is a Column while it is looked at.
type column struct {
	*Column
	estimate int64   // of the distinct values
	lo, hi   float64 // finite bounds, of times in seconds
	bounded  bool    // lo and hi are set
	long     bool    // some values are too long to be shown
	least    int64   // rows of the rarest value; 0: not counted
	top      []Value // up to topCounted
}

// profiling is one Run under way.
type profiling struct {
	Config
	e       Engine
	d       *warehouse.Dialect
	from    string // the table expression that is looked at
	out     *Profile
	columns []*column
}

// Run profiles the rows. They must not change while it looks at them, which holds for published versions.
func Run(ctx context.Context, e Engine, cfg Config) (*Profile, error) {
	p := &profiling{Config: cfg, e: e, d: e.Dialect(), from: "(\n" + cfg.Query + "\n)", out: &Profile{Table: cfg.Table, At: cfg.Now, Keys: [][]string{}, Proposals: []Proposal{}}}
	steps := []func(context.Context) error{p.describe, p.stage, p.scan, p.values}
	if !cfg.ColumnsOnly {
		steps = append(steps, p.keys, p.propose)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("profile %s: %w", cfg.Table, err)
		}
	}
	for _, c := range p.columns {
		c.Top = c.top[:min(len(c.top), topShown)]
		c.remark()
		if c.Masked {
			c.mask()
		}
		p.out.Columns = append(p.out.Columns, c.Column)
	}
	return p.out, nil
}

// describe finds the columns to look at.
func (p *profiling) describe(ctx context.Context) error {
	all, err := p.e.Describe(ctx, p.Query)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	wanted := map[string]bool{}
	for _, want := range p.Columns {
		at := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, want) })
		if at < 0 {
			return &NoColumnError{Column: want, Suggestion: config.Suggest(want, names)}
		}
		wanted[names[at]] = true
	}
	for _, c := range all {
		if len(p.Columns) > 0 && !wanted[c.Name] {
			continue
		}
		found := &column{Column: &Column{Name: c.Name, Type: c.Type, Kind: kindOf(c.Type)}}
		found.Masked = p.Masked != nil && p.Masked(c.Name)
		p.columns = append(p.columns, found)
	}
	return nil
}

// NoColumnError says that a column was asked for that is not there.
type NoColumnError struct{ Column, Suggestion string }

func (e *NoColumnError) Error() string {
	text := fmt.Sprintf("there is no column %q", e.Column)
	if e.Suggestion != "" {
		text += fmt.Sprintf(": did you mean %q?", e.Suggestion)
	}
	return text
}

// kindOf is the kind of a type in DuckDB's spelling.
func kindOf(spelled string) Kind {
	t, err := warehouse.ParseType(spelled)
	if err != nil {
		return Nested
	}
	switch t.Name {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL":
		return Number
	case "VARCHAR", "ENUM":
		return Text
	case "DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE":
		return Time
	case "BOOLEAN":
		return Boolean
	case "UUID", "TIME", "TIME WITH TIME ZONE", "INTERVAL", "BIT", "JSON", "BIGNUM", `"NULL"`:
		return Other
	case "BLOB":
		return Blob
	}
	return Nested
}

// stage writes the rows, or a sample of them, to a file that the other steps read.
func (p *profiling) stage(ctx context.Context) error {
	query := p.rows(p.columns...)
	if p.Sample > 0 {
		n, err := p.number(ctx, p.d.Count(p.Query))
		if err != nil {
			return err
		}
		if n > p.Sample {
			p.out.Of, query = n, sampleSQL(query, p.Sample, n)
		} else if p.Stage == "" {
			return nil
		}
	}
	if p.Stage == "" {
		return nil
	}
	// Parquet has no integers beyond 38 digits: as texts they get there at least.
	_, err := p.e.Write(ctx, p.storable(query, false), p.Stage)
	if err != nil && ctx.Err() == nil && p.hasHuge() {
		_, err = p.e.Write(ctx, p.storable(query, true), p.Stage)
	}
	if err != nil {
		return fmt.Errorf("copy the rows: %w", err)
	}
	p.from = p.d.Files([]string{p.Stage})
	staged, err := p.e.Describe(ctx, p.rows(p.columns...))
	if err != nil {
		return err
	}
	for i, c := range p.columns {
		c.Kind = kindOf(staged[i].Type)
	}
	return nil
}

func (p *profiling) hasHuge() bool {
	return slices.ContainsFunc(p.columns, func(c *column) bool { return huge(c.Type) })
}

func huge(typ string) bool { return typ == "HUGEINT" || typ == "UHUGEINT" }

// number runs a query that answers with one number.
func (p *profiling) number(ctx context.Context, query string) (int64, error) {
	r, err := p.e.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	return whole(r.Rows[0][0]), nil
}

// mask takes all values out and leaves the counts.
func (c *column) mask() {
	masked := Mask
	if c.Min != nil {
		c.Min = &masked
	}
	if c.Max != nil {
		c.Max = &masked
	}
	for i := range c.Top {
		c.Top[i].Value, c.Top[i].Cut = Mask, false
	}
	c.Histogram = nil
	if c.Number != nil {
		c.Number.Mean, c.Number.StdDev, c.Number.Quantiles = nil, nil, nil
	}
	if c.Text != nil {
		c.Text.Shapes = nil
	}
	if c.Time != nil {
		c.Time.NewestAge = nil
	}
}

// remark says in words what is worth a look.
func (c *column) remark() {
	say := func(when bool, format string, args ...any) {
		if when {
			c.Remarks = append(c.Remarks, fmt.Sprintf(format, args...))
		}
	}
	say(c.Values == 0 && c.Nulls > 0, "all rows are NULL")
	say(c.Constant, "looks constant: one value in all rows")
	if t := c.Text; t != nil {
		say(t.Empty > 0, "%d empty texts", t.Empty)
		say(t.Padded > 0, "%d texts begin or end with white space", t.Padded)
		for _, v := range c.top {
			say(!c.Masked && placeholder(v.Value), "%q may stand for a missing value (%d rows)", v.Value, v.Rows)
		}
		for _, v := range t.Patterns {
			say(v.Name == "number" && v.Rows == c.Values, "all texts are numbers")
			say(v.Name == "date" && v.Rows == c.Values, "all texts are dates")
		}
	}
	if n := c.Number; n != nil {
		say(n.NaN > 0, "%d NaN", n.NaN)
		say(n.Infinite > 0, "%d infinite", n.Infinite)
	}
	if t := c.Time; t != nil {
		say(t.Infinite > 0, "%d infinite", t.Infinite)
		say(!c.Masked && t.NewestAge != nil && *t.NewestAge < -24*60*60, "the newest value is in the future")
	}
}

// placeholder says whether people write the text where they have no value.
func placeholder(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "na", "n/a", "#n/a", "null", "none", "nil", "nan", "-", "--", "?", "unknown", "undefined", "tbd", "xxx":
		return true
	}
	return false
}
