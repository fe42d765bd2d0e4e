package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/profile"
	"github.com/millrace/millrace/warehouse"
	engine "github.com/millrace/millrace/warehouse/duckdb"
)

type profileFlags struct {
	columns []string
	sample  int64
	checks  bool
}

func (a *app) profileCommand() *cobra.Command {
	var f profileFlags
	c := &cobra.Command{
		Use:   "profile TABLE",
		Short: "show what is in a table, and propose checks",
		Long: "Looks at every column of a published table (orders, erp.orders), of a Parquet or CSV file, or of a table in a\n" +
			"DuckDB database (file.duckdb:schema.table): NULLs, distinct values, range, distribution, frequent values, patterns,\n" +
			"possible keys. From that it proposes checks that the rows pass today, as YAML to paste under a model or a stream;\n" +
			"of a file --checks prints a whole checks file, for `millrace check --file`.\n" +
			"What is estimated is marked ~. Values of columns that are tagged pii are shown as ***. It changes nothing.\n",
		Example: "  millrace profile erp.orders\n  millrace profile orders --columns status,amount\n  millrace profile orders --checks\n" +
			"  millrace profile export.csv --sample 100000 --json\n  millrace profile legacy.duckdb:main.customers",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.sample < 0 {
				return usage("--sample %d: give a number of rows from 0, which means all", f.sample)
			}
			if f.checks && a.json {
				return usage("--checks prints YAML and --json everything: give one of them")
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return a.profile(ctx, args[0], f) })
		},
	}
	c.Flags().StringSliceVar(&f.columns, "columns", nil, "look at these columns only")
	c.Flags().Int64Var(&f.sample, "sample", 0, "look at so many rows, chosen by chance; 0 for all")
	c.Flags().BoolVar(&f.checks, "checks", false, "print the proposed checks only")
	return c
}

func (a *app) profile(ctx context.Context, table string, f profileFlags) error {
	temp, remove, err := fsx.TempFolder("", "millrace-profile-")
	if err != nil {
		return err
	}
	defer remove()
	t := &profiled{app: a, temp: temp, cfg: profile.Config{Table: table, Columns: f.columns, Sample: f.sample, Now: clock.System()}}
	if f.sample > 0 {
		t.stage()
	}
	defer t.close()
	if err := t.open(ctx, table); err != nil {
		return err
	}
	p, err := profile.Run(ctx, t.engine, t.cfg)
	var column *profile.NoColumnError
	if errors.As(err, &column) {
		return usage("%w", err)
	}
	if err != nil {
		return err
	}
	switch {
	case a.json:
		return a.printJSON(p)
	case f.checks:
		_, err = fmt.Fprint(a.stdout, a.redactor.Redact(proposed(p, table)))
		return err
	}
	return a.printProfile(p)
}

// proposed is the proposed checks as YAML: to paste under a table of a project, or of a file as a checks file.
func proposed(p *profile.Profile, table string) string {
	if !isTableArg(table) {
		return profile.YAML(p.Proposals, 0)
	}
	return fmt.Sprintf("# A checks file, for `millrace check --file`. Its paths are relative to where it is saved.\ntables:\n  - name: %s\n    from: %s\n%s", yamlScalar(tableName(table)), yamlScalar(table), profile.YAML(p.Proposals, 4))
}

// profiled is a table on its way to being profiled.
type profiled struct {
	*app
	temp    string
	cfg     profile.Config
	engine  profile.Engine
	closers []func() error
}

func (t *profiled) close() {
	for _, c := range t.closers {
		_ = c() // it was only read
	}
}

// stage has the rows copied before they are looked at.
func (t *profiled) stage() { t.cfg.Stage = filepath.Join(t.temp, "rows.parquet") }

// open finds out what the argument means: a file where it looks like one, else a published table.
func (t *profiled) open(ctx context.Context, name string) error {
	if file, table, ok := databaseTable(name); ok && (exists(file) || file != name) { // else it is table db of a schema
		return t.openDatabase(ctx, file, table)
	}
	if isParquet(name) || textFile(name) {
		return t.openFile(ctx, name)
	}
	return t.openPublished(ctx, name)
}

// settings are those of the engine: of the project where there is one.
func (t *profiled) settings(p *models.Project) (warehouse.Config, error) {
	if p == nil {
		p = &models.Project{Memory: 1 << 30}
	}
	memory, err := t.memoryFor(p)
	return warehouse.Config{Memory: memory * 6 / 10, Threads: t.threads, Temp: filepath.Join(t.temp, "spill"), Dirs: []string{t.temp}}, err
}

func (t *profiled) openFile(ctx context.Context, path string) error {
	path, err := readable(path)
	if err != nil {
		return err
	}
	cfg, err := t.settings(nil)
	if err != nil {
		return err
	}
	cfg.Files = []string{path}
	w, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	t.engine, t.closers = w, append(t.closers, w.Close)
	t.cfg.Query = "SELECT * FROM " + warehouse.DuckDB.Files([]string{path})
	if textFile(path) {
		got, err := t.textTable(ctx, w, path, filepath.Join(t.temp, "text"))
		if err != nil {
			return err
		}
		if got.Rejected > 0 {
			t.note("%d of %d records cannot be read as rows: millrace check %s --check volume tells which", got.Rejected, got.Rows+got.Rejected, path)
		}
		t.cfg.Query = got.Query
	}
	if _, err := w.Describe(ctx, t.cfg.Query); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func (t *profiled) openDatabase(ctx context.Context, path string, table warehouse.Name) error {
	cfg, err := t.settings(nil)
	if err != nil {
		return err
	}
	db, query, err := openDatabase(ctx, path, table, cfg)
	if err != nil {
		return err
	}
	t.engine, t.closers, t.cfg.Query = db, append(t.closers, db.Close), query
	return nil
}

func (t *profiled) openPublished(ctx context.Context, name string) error {
	p, l, err := t.published(ctx)
	if err != nil {
		return err
	}
	m, err := l.Current(ctx)
	if err != nil {
		return err
	}
	table, err := publishedTable(p, m, name)
	if err != nil {
		return err
	}
	if table.Broken != "" {
		return fmt.Errorf("view %s cannot be read: %s", table.Name, table.Broken)
	}
	cfg, err := t.settings(p)
	if err != nil {
		return err
	}
	cfg.Dirs = append(cfg.Dirs, l.Root())
	w, err := engine.Open(ctx, cfg)
	if err != nil {
		return err
	}
	t.engine, t.closers = w, append(t.closers, w.Close)
	if err := exposeAll(ctx, w, m, table, map[string]bool{}); err != nil {
		return err
	}
	t.describe(p.Node(table.Name.String()), table)
	return nil
}

// describe says how a published table is read. A view is run once, deltas are resolved once, and a wide table is bound
// once rather than for each of its columns.
func (t *profiled) describe(n *models.Node, table *load.Table) {
	const wide = 100
	t.cfg.Table, t.cfg.Query = table.Name.String(), "SELECT * FROM "+warehouse.DuckDB.Table(table.Name)
	if table.View != "" || len(table.Upserts)+len(table.Deletes) > 0 || len(table.Columns) > wide {
		t.stage()
	}
	t.cfg.Masked = n.IsPII
	if n != nil {
		t.cfg.Have = n.Checks
	}
}
