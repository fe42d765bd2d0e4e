package transform

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/warehouse"
)

// Builder builds models of one project in one warehouse, in which everything that they read is exposed.
type Builder struct {
	Project   *models.Project
	Warehouse warehouse.Warehouse
	// Warn is told what templates say by exceptions.warn().
	Warn func(node, message string)
	// Log is told what they say by log(…, info=true) and print().
	Log func(node, message string)
	// Published has the tables that templates may ask for besides those that are exposed; nil: there are none.
	Published Published
	// Run is what templates may know of the run.
	Run Run
	// Apart leaves ephemeral models tables of their own, for those who only look at what reads what.
	Apart bool

	unasked bool        // templates that ask the engine end with errUnasked
	of      *Builder    // that this one looks for; nil: it is no other's
	session []statement // of on-run-start, for each model's session
	started []statement // of on-run-start, that make what SELECTs may use
	mu      sync.Mutex
	left    []*Error // statements of hooks that are not run, while all else is
	temp    []string // temporary tables that hooks make, in lower case
	made    []string // macros that hooks have made, in lower case

	definedOnce sync.Once
	defined     []definition // what hooks make, gathered when it is asked for
	definedErr  error
}

// Published exposes tables of the target that a run does not read, when a template asks for them.
type Published interface {
	// Demand exposes those of a schema and name that are not exposed yet; "" is any. One that cannot be read is left out.
	Demand(ctx context.Context, schema, table string)
	// DemandNamed exposes those whose names stand in a text; it is false when there were none that had not been exposed.
	DemandNamed(ctx context.Context, text string) bool
}

// Run is what a template sees of the run that renders it: run_started_at, invocation_id, flags and selected_resources.
type Run struct {
	Started     time.Time
	ID          string
	Command     string // run, test, compile…; "" is run
	FullRefresh bool
	// From and To are the range that microbatch models are built for; zero where they choose their own.
	From, To time.Time
	Selected []string // unique ids, as the graph has them
}

// Job is one model to build.
type Job struct {
	Node *models.Node
	// Before is the published version that an incremental model or a snapshot adds to; nil builds from nothing.
	Before *warehouse.Version
	// Now is the time that a snapshot notes where its rows have none of their own.
	Now time.Time
	// Dir is the folder that new files go to.
	Dir string
	// Shape is asked before the SELECT runs, with its columns: it gives the types to cast them to, and the columns to keep. nil
	// keeps all as they are.
	Shape func(columns []warehouse.Column) ([]warehouse.Column, error)
	// Divider takes out rows that must not be published; nil takes none.
	Divider Divider

	own   *draft // that post-hooks may change
	batch *batch // that is built; nil where there are none
}

// Divider takes rows out of what a model's SELECT gives, before they are part of a version. Files that it gives back are
// complete, synced and checked; it says which columns they have.
type Divider interface {
	// Query runs the SELECT once, whose rows will be stored with these columns, and gives files of the rows that pass.
	Query(ctx context.Context, sql string, columns []warehouse.Column) ([]warehouse.File, []warehouse.Column, error)
	// Files gives for each file one with the rows that pass. It is asked with merged nil first, then with the version that
	// came of its answer, exposed, until it gives back the files that it got.
	Files(ctx context.Context, files []warehouse.File, columns []warehouse.Column, merged *warehouse.Version) ([]warehouse.File, []warehouse.Column, error)
}

// Built is a model's new version. Files of Before that stay are in it as they were.
type Built struct {
	Version   warehouse.Version
	Written   []warehouse.File // those of the version's files that are new
	Equations []warehouse.Equation
	Exported  *Exported // of an external model; nil for others
	SQL       string    // the model's SELECT as its template was rendered; "" where there was none
	Notes     []string  // what happened that nobody asked for
}

// Error is a failure of a model, at its place in the model's file.
type Error struct {
	Pos  string // file:line:column
	Err  error
	Hint string
	// Alone says that a run fails this model and what reads it, and builds the rest: a hook is refused in a project of dbt.
	Alone bool
	// LeftOut says that it is a statement of a hook that is not run, while all else is done.
	LeftOut bool
	What    string // of such a statement: INSERT INTO audit.runs
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Build renders the model, runs it between its hooks, and makes a version of what came out.
func (b *Builder) Build(ctx context.Context, job Job) (*Built, error) {
	if err := buildable(job.Node); err != nil {
		return nil, err
	}
	if err := definable(b.Project, job.Node); err != nil {
		return nil, err
	}
	ctx, release, err := b.inSession(ctx, job)
	if err != nil {
		return nil, err
	}
	defer release()
	if b.Project.DBT {
		if _, err := b.lookAtHooks(ctx, job); err != nil {
			return nil, err
		}
	}
	before, notes, err := b.runHooks(ctx, job, job.Node.Model.Before)
	if err != nil {
		return nil, err
	}
	out, err := b.render(ctx, job)
	if err != nil {
		return nil, templateError(err)
	}
	if err := b.publishable(job, out, before); err != nil {
		return nil, err
	}
	b.demandOwn(ctx, job, out.Text)
	built, err := b.runOrBatches(ctx, job, out)
	if err != nil {
		return nil, b.notYet(locate(err, out), job)
	}
	job.own = draftOf(job)
	_, after, err := b.runHooks(ctx, job, job.Node.Model.Behind)
	if err != nil {
		return nil, err
	}
	if built, err = b.drafted(ctx, job, built); err != nil {
		return nil, err
	}
	built.Notes, built.SQL = slices.Concat(built.Notes, notes, after), out.Text
	return built, nil
}

// demandOwn lets a table that is made anew read itself, as it was published before, where its SELECT does.
func (b *Builder) demandOwn(ctx context.Context, job Job, sql string) {
	n := job.Node
	if b.Published != nil && n.Model.Materialized == models.Table && b.namesItself(n, sql) {
		b.Published.Demand(ctx, n.Schema, n.Table)
	}
}

// namesItself says whether the SELECT of a model may read the model's own table.
func (b *Builder) namesItself(n *models.Node, sql string) bool {
	return strings.Contains(sql, b.Warehouse.Dialect().Table(warehouse.Name{Schema: n.Schema, Table: n.Table}))
}

// buildable refuses what the loader knows to be impossible.
func buildable(n *models.Node) error {
	if n.Model == nil || n.Model.Unbuildable == "" {
		return nil
	}
	pos := n.Pos
	if n.Model.UnbuildableAt.File != "" {
		pos = n.Model.UnbuildableAt
	}
	return &Error{Pos: pos.String(), Err: errors.New(n.Model.Unbuildable), Hint: n.Model.UnbuildableHint}
}

// notYet adds what to do to an error of a model that reads what is not there: itself, or a source that nothing provides.
func (b *Builder) notYet(err error, job Job) error {
	var te *Error
	if errors.As(err, &te) && te.Hint == "" {
		if a, absent := b.Project.NotThere(te.Error()); absent {
			te.Hint = a.Hint()
			return err
		}
	}
	m := job.Node.Model
	missing := errors.As(err, &te) && te.Hint == "" && strings.Contains(te.Error(), job.Node.Table+" does not exist")
	switch {
	case missing && m.Materialized == models.Table:
		te.Hint = "{{ this }} is there from the second run on: put what reads it between {% if load_relation(this) is not none %} and {% endif %}"
	case missing && m.Materialized == models.Incremental && job.Before == nil:
		te.Hint = "{{ this }} is there from the second run on: put what reads it between {% if is_incremental() %} and {% endif %}"
	}
	return err
}

// Table makes a table of a SELECT that is no model's, for a node that has none.
func (b *Builder) Table(ctx context.Context, job Job, sql string) (*Built, error) {
	return b.run(ctx, job, sql)
}

// locate puts an engine's error at the place of the model that wrote the SQL at fault.
func locate(err error, out *jinja.Output) error {
	var sql *warehouse.SQLError
	if err == nil || !errors.As(err, &sql) {
		return err
	}
	offset := max(sql.Offset, 0)
	if sql.Offset < 0 { // the engine did not say: the first thing that is not white space
		offset = len(out.Text) - len(strings.TrimLeft(out.Text, " \t\r\n"))
	}
	return &Error{Pos: out.Source(offset).String(), Err: err}
}

func templateError(err error) error {
	var je *jinja.Error
	if !errors.As(err, &je) {
		return err
	}
	return &Error{Pos: je.Position().String(), Err: errors.New(je.Text()), Hint: je.Hint}
}

// run makes a version of a model's SELECT.
func (b *Builder) run(ctx context.Context, job Job, sql string) (*Built, error) {
	if err := b.Warehouse.CheckSelect(ctx, sql); err != nil {
		return nil, err
	}
	sql, release, err := b.Warehouse.Settle(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer release()
	columns, err := b.Warehouse.Describe(ctx, sql)
	if err != nil {
		return nil, err
	}
	if twice := repeated(columns); twice != "" && b.Project.DBT {
		// As dbt has it, whose CREATE TABLE lets DuckDB number them.
		built, err := b.run(ctx, job, numberedHead+sql+numberedTail)
		return built, earlier(err, len(numberedHead))
	} else if twice != "" {
		return nil, &warehouse.SQLError{Message: fmt.Sprintf("the SELECT has two columns named %q", twice), Offset: -1}
	}
	head, tail, columns, err := b.shape(job, columns)
	if err != nil {
		return nil, err
	}
	built, err := b.materialize(ctx, job, head+sql+tail, columns)
	return built, earlier(err, len(head))
}

// What is written around a SELECT that has several columns of one name: DuckDB numbers those of a subquery.
const (
	numberedHead = "SELECT * FROM (\n"
	numberedTail = "\n) AS q"
)

// shape gives what to write around the model's SELECT so that it has the columns that the job wants.
func (b *Builder) shape(job Job, columns []warehouse.Column) (head, tail string, _ []warehouse.Column, err error) {
	if job.Shape == nil {
		return "", "", columns, nil
	}
	want, err := job.Shape(columns)
	if err != nil || slices.Equal(want, columns) {
		return "", "", columns, err
	}
	return b.Warehouse.Dialect().Casts(want) + " FROM (\n", "\n) AS q", want, nil
}

// earlier moves an engine's error from its place in a statement to that in the part of it that begins at an offset.
func earlier(err error, offset int) error {
	var sql *warehouse.SQLError
	if errors.As(err, &sql) && sql.Offset >= 0 {
		sql.Offset = max(0, sql.Offset-offset)
	}
	return err
}

// materialize gives a SELECT the form that the model's materialization asks for.
func (b *Builder) materialize(ctx context.Context, job Job, sql string, columns []warehouse.Column) (*Built, error) {
	name := warehouse.Name{Schema: job.Node.Schema, Table: job.Node.Table}
	if job.Node.Model == nil {
		return b.table(ctx, job, name, sql, nil)
	}
	switch job.Node.Model.Materialized {
	case models.View:
		return b.view(ctx, name, sql, columns)
	case models.Table:
		if job.Shape != nil { // a contract says the types
			columns = nil
		}
		return b.table(ctx, job, name, sql, columns)
	case models.External:
		return b.external(ctx, job, name, sql)
	case models.Incremental:
		return b.incremental(ctx, job, name, sql, columns)
	case models.Snapshot:
		return b.snapshot(ctx, job, name, sql, columns)
	default:
		return nil, fmt.Errorf("materialized=%q cannot be built", job.Node.Model.Materialized)
	}
}

// repeated is a column's name that another has too, but for case; "" when there is none.
func repeated(columns []warehouse.Column) string {
	seen := map[string]bool{}
	for _, c := range columns {
		key := strings.ToLower(c.Name)
		if seen[key] {
			return c.Name
		}
		seen[key] = true
	}
	return ""
}

// write runs the SELECT into a new file and describes what lies there.
func (b *Builder) write(ctx context.Context, job Job, sql string) (warehouse.File, []warehouse.Column, error) {
	path := filepath.Join(job.Dir, "built.parquet")
	file, err := b.Warehouse.Write(ctx, sql, path)
	if err != nil {
		return file, nil, err
	}
	columns, err := b.Warehouse.Describe(ctx, "SELECT * FROM "+b.Warehouse.Dialect().Files([]string{path}))
	return file, columns, err
}

// built exposes the version to the models behind it and counts the rows of what was built where they lie.
func (b *Builder) built(ctx context.Context, v warehouse.Version, files, written []warehouse.File, more ...warehouse.Equation) (*Built, error) {
	if err := b.Warehouse.Expose(ctx, v); err != nil {
		return nil, err
	}
	built, landed := int64(0), int64(0)
	for _, f := range files {
		n, err := warehouse.CountRows(f.Path)
		if err != nil {
			return nil, err
		}
		built, landed = built+f.Rows, landed+n
	}
	equations := append([]warehouse.Equation{{Name: "built", Rows: built, Terms: []warehouse.Term{{Name: "landed", Rows: landed}}}}, more...)
	for _, e := range equations {
		if !e.Closes() {
			return nil, fmt.Errorf("%w: %s", warehouse.ErrUnbalanced, e)
		}
	}
	for _, f := range v.Files() {
		if slices.ContainsFunc(files, func(own warehouse.File) bool { return own.Path == f.Path }) {
			written = append(written, f)
		}
	}
	return &Built{Version: v, Written: written, Equations: equations}, nil
}
