package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform"
	"github.com/millrace/millrace/transform/seed"
	"github.com/millrace/millrace/warehouse"
)

// This file runs unit tests of models. They read no table: only the columns of their inputs are found out, as a plan finds them.

// UnitStatus is how a unit test ended.
type UnitStatus string

// The ends of a unit test.
const (
	UnitPass  UnitStatus = "pass"
	UnitFail  UnitStatus = "fail"  // the model gave other rows
	UnitError UnitStatus = "error" // it could not run
)

// UnitResult is a unit test that has run.
type UnitResult struct {
	ID          string        `json:"unique_id"`
	Name        string        `json:"name"`
	Model       string        `json:"model"`
	Node        string        `json:"node"` // schema.table
	Description string        `json:"description,omitempty"`
	Tags        []string      `json:"tags,omitempty"`
	Status      UnitStatus    `json:"status"`
	At          string        `json:"at"` // file:line:column of the test, or of the mistake
	Message     string        `json:"message,omitempty"`
	Hint        string        `json:"hint,omitempty"`
	Seconds     float64       `json:"seconds"`
	Took        time.Duration `json:"-"`
	Started     time.Time     `json:"-"`
	Columns     []string      `json:"columns,omitempty"` // that are compared
	Expected    [][]*string   `json:"expected,omitempty"`
	Got         [][]*string   `json:"got,omitempty"`
	Missing     []int         `json:"missing,omitempty"` // numbers of expected rows that are lacking, from 0
	Extra       []int         `json:"extra,omitempty"`   // numbers of rows that were not expected
	SQL         string        `json:"sql,omitempty"`     // of one that did not pass
}

// UnitTests runs tests, one after the other in one engine, and tells each of them as it ends. Nothing is written but what the engine spills,
// and seeds that tests need, in a temporary folder.
func (e *Engine) UnitTests(ctx context.Context, tests []*models.UnitTest, each func(UnitResult)) error {
	if len(tests) == 0 {
		return nil
	}
	before, err := e.current(ctx)
	if err != nil {
		return err
	}
	temp, remove, err := fsx.TempFolder("", "millrace-test-")
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	defer remove()
	w, err := e.Warehouse(ctx, warehouse.Config{Memory: e.engineMemory(1), Threads: 1, Temp: filepath.Join(temp, "spill"),
		Dirs: []string{temp}})
	if err != nil {
		return err
	}
	defer w.Close()
	u := &units{planning: planning{Engine: e, before: before, planned: map[*models.Node]*PlannedNode{}}, temp: temp,
		seeds: map[*models.Node]string{},
		given: map[warehouse.Name]string{}}
	u.b = &transform.Builder{Project: e.Project, Warehouse: w, Warn: func(string, string) {}, Run: transform.Run{Started: e.Clock(),
		Command: "test"}}
	if _, err := u.b.Begin(ctx, nil); err != nil { // macros that models call, made by hooks
		return refusedHook(err)
	}
	if err := u.inputs(ctx, tests); err != nil {
		return err
	}
	for _, t := range tests {
		result := u.run(ctx, t)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		each(result)
	}
	return nil
}

// units runs unit tests.
type units struct {
	planning
	b     *transform.Builder
	temp  string
	seeds map[*models.Node]string // SELECTs of the rows of those that tests read whole
	given map[warehouse.Name]string
}

// inputs finds out the columns of everything that tests give rows of.
func (u *units) inputs(ctx context.Context, tests []*models.UnitTest) error {
	wanted := map[*models.Node]bool{}
	for _, t := range tests {
		for _, f := range t.Given {
			if f.Rows == nil || wanted[f.Node] {
				continue
			}
			wanted[f.Node] = true
			for _, up := range f.Node.Upstream() {
				wanted[up] = true
			}
		}
	}
	var nodes []*models.Node
	for _, n := range u.Project.Nodes {
		if !wanted[n] {
			continue
		}
		nodes = append(nodes, n)
		u.planned[n] = u.start(n)
		if n.Stream != nil {
			if err := u.streamColumns(ctx, n); err != nil {
				return err
			}
		}
	}
	return u.bind(ctx, u.b, nodes, u.temp, map[*models.Node]bool{})
}

// streamColumns are those that the project says a stream has, that are published, or that its files have. No other source is asked: a
// unit test needs no database.
func (u *units) streamColumns(ctx context.Context, n *models.Node) error {
	one := u.planned[n]
	if u.before.Table(nameOf(n)) != nil {
		return nil
	}
	if c := n.Contract(); c != nil {
		for _, col := range c.Columns {
			one.Columns = append(one.Columns, warehouse.Column{Name: col.Name, Type: col.Type})
		}
		return nil
	}
	if n.Stream.Source.Type == "files" {
		opened := &sources{engine: u.Engine, open: map[*models.Source]extract.Source{}}
		defer opened.close()
		if source, err := opened.get(n.Stream.Source); err == nil {
			x := u.extraction(n)
			x.source = source
			if columns, err := x.foundColumns(ctx, x.asked(), one); err == nil {
				one.Columns = columns
				return nil
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	one.Columns = declared(n)
	return nil
}

// declared are the columns whose types the project's files tell.
func declared(n *models.Node) []warehouse.Column {
	var columns []warehouse.Column
	for _, c := range n.Columns {
		if typ, err := warehouse.SeedType(c.Type); c.Type != "" && err == nil {
			columns = append(columns, warehouse.Column{Name: c.Name, Type: typ})
		}
	}
	return columns
}

// known are the columns of an input, as far as they are known.
func (u *units) known(n *models.Node) transform.Known {
	one := u.planned[n]
	sure := n.Stream == nil || n.Contract() != nil || n.Stream.Source.Type == "files" || u.before.Table(nameOf(n)) != nil
	if one != nil && one.Error == "" && !one.Unknown && len(one.Columns) > 0 {
		return transform.Known{Columns: one.Columns, Some: !sure}
	}
	if t := u.before.Table(nameOf(n)); t != nil {
		return transform.Known{Columns: t.Columns}
	}
	return transform.Known{Columns: declared(n), Some: true}
}

// rowsOf is a SELECT of a seed's rows.
func (u *units) rowsOf(ctx context.Context, n *models.Node) (string, error) {
	if sql := u.seeds[n]; sql != "" {
		return sql, nil
	}
	read, err := seed.Read(ctx, seed.Of(u.Project, n), filepath.Join(u.temp, "rows-"+fileName(n.Name())+".parquet"))
	if err != nil {
		return "", explainSeed(n, err)
	}
	if _, err := read.Settle(ctx, u.b.Warehouse); err != nil {
		return "", explainSeed(n, err)
	}
	u.seeds[n] = read.SQL(u.b.Warehouse.Dialect())
	return u.seeds[n], nil
}

func (u *units) run(ctx context.Context, t *models.UnitTest) UnitResult {
	started := time.Now()
	r := UnitResult{ID: u.Project.UnitTestID(t), Name: t.Name, Model: t.Node.RefName(), Node: t.Node.Name(), Description: t.Description,
		Tags: t.Tags, Status: UnitPass,
		At: t.Pos.String(), Started: u.Clock()}
	c, err := u.b.UnitTest(ctx, transform.Unit{Test: t, Columns: u.known, Seed: u.rowsOf, Given: u.given})
	r.Took = time.Since(started)
	r.Seconds = r.Took.Seconds()
	switch {
	case err != nil:
		r.Status, r.Message = UnitError, err.Error()
		var placed *StepError
		if errors.As(explainModel(t.Node, err), &placed) {
			r.Message, r.Hint = placed.Err.Error(), placed.Hint
			var te *transform.Error
			if errors.As(err, &te) || errors.As(err, new(*StepError)) {
				r.At = placed.Pos
			}
		}
	case !c.Same():
		r.Status = UnitFail
		r.Message = fmt.Sprintf("the model gave %s, the test expects %s: %d not expected, %d lacking", rowCount(len(c.Got)),
			rowCount(len(c.Expected)), len(c.Extra), len(c.Missing))
	}
	if c != nil && r.Status != UnitPass {
		r.SQL, r.Columns, r.Expected, r.Got, r.Missing, r.Extra = c.SQL, c.Columns, c.Expected, c.Got, c.Missing, c.Extra
		u.hide(t, &r)
	}
	return r
}

func rowCount(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// hide takes out personal values where a test reads a seed whole: those are no invented ones.
func (u *units) hide(t *models.UnitTest, r *UnitResult) {
	if !slices.ContainsFunc(t.Given, func(f *models.Fixture) bool { return f.Seed }) {
		return
	}
	stars := "***"
	for i, name := range r.Columns {
		if !t.Node.IsPII(name) {
			continue
		}
		for _, row := range slices.Concat(r.Expected, r.Got) {
			if row[i] != nil {
				row[i] = &stars
			}
		}
	}
}
