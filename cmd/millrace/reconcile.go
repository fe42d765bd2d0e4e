package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/transform/reconcile"
	"github.com/millrace/millrace/warehouse"
	engine "github.com/millrace/millrace/warehouse/duckdb"
)

type reconcileFlags struct {
	key, columns, ignore, measures []string
	where                          string
	tolerance, numeric             string
	limit                          int
	output                         string
}

func (a *app) reconcileCommand() *cobra.Command {
	var f reconcileFlags
	c := &cobra.Command{
		Use:   "reconcile LEFT [RIGHT]",
		Short: "compare a table with its source, with a version of it, or with a table elsewhere",
		Long: "Compares two tables: rows, NULLs, sums, bounds, key sets and the rows themselves. LEFT is what is expected. A side is\n" +
			"a published table (erp.orders), a snapshot of it (erp.orders@12, erp.orders@previous), a stream at its source\n" +
			"(source:erp.orders), a Parquet or CSV file, or a table in a DuckDB file (file.duckdb:schema.table). A stream's table alone\n" +
			"is compared with its source. Exit code 3 says that they differ by more than --tolerance and --numeric allow. Values\n" +
			"of columns that are tagged pii are shown as ***. It changes nothing.\n",
		Example: "  millrace reconcile erp.orders\n  millrace reconcile erp.orders@previous erp.orders\n" +
			"  millrace reconcile legacy.duckdb:main.orders erp.orders --key id --numeric 0.01 --tolerance 0.1%\n" +
			"  millrace reconcile source:crm.accounts erp.accounts --key id --output differences.csv",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := f.config()
			if err != nil {
				return err
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return a.reconcile(ctx, args, cfg, f.output) })
		},
	}
	c.Flags().StringSliceVar(&f.key, "key", nil, "columns that tell rows apart (default: the table's own key; without any, whole rows are compared)")
	c.Flags().StringSliceVar(&f.columns, "columns", nil, "compare these columns only")
	c.Flags().StringSliceVar(&f.ignore, "ignore", nil, "do not compare these columns")
	c.Flags().StringSliceVar(&f.measures, "measures", nil, "rows, nulls, sums, bounds, keys, values (default: all)")
	c.Flags().StringVar(&f.where, "where", "", "SQL condition on the rows of both sides")
	c.Flags().StringVar(&f.tolerance, "tolerance", "0", "rows that may be missing, extra or different: a count, or a share such as 0.1%")
	c.Flags().StringVar(&f.numeric, "numeric", "0", "how far numbers may be apart: an amount such as 0.01, or a share such as 0.1%")
	c.Flags().IntVarP(&f.limit, "limit", "n", 20, "differences to show")
	c.Flags().StringVarP(&f.output, "output", "o", "", "write all differences to this file (.parquet, .csv or .jsonl); one that is there is replaced")
	return c
}

// config reads the flags.
func (f *reconcileFlags) config() (reconcile.Config, error) {
	cfg := reconcile.Config{Key: f.key, Columns: f.columns, Ignore: f.ignore, Where: f.where, Limit: f.limit}
	if err := cfg.Tolerance.UnmarshalText([]byte(f.tolerance)); err != nil {
		return cfg, usage("--tolerance %s: %w", f.tolerance, err)
	}
	if err := cfg.Numeric.UnmarshalText([]byte(f.numeric)); err != nil {
		return cfg, usage("--numeric %s: %w", f.numeric, err)
	}
	if f.limit < 0 {
		return cfg, usage("--limit %d: give a number from 0", f.limit)
	}
	var names []string
	for _, m := range reconcile.Measures {
		names = append(names, string(m))
	}
	for _, m := range f.measures {
		if !slices.Contains(names, m) {
			return cfg, usage("--measures %s: %s", m, meant(m, names))
		}
		cfg.Measures = append(cfg.Measures, reconcile.Measure(m))
	}
	if f.output != "" && !slices.Contains([]string{".parquet", ".csv", ".jsonl"}, strings.ToLower(filepath.Ext(f.output))) {
		return cfg, usage("-o %q: name a file that ends in .parquet, .csv or .jsonl", f.output)
	}
	return cfg, nil
}

func (a *app) reconcile(ctx context.Context, args []string, cfg reconcile.Config, output string) (err error) {
	temp, remove, err := fsx.TempFolder("", "millrace-reconcile-")
	if err != nil {
		return err
	}
	defer remove()
	c := &comparison{app: a, temp: temp, cfg: cfg}
	defer c.close()
	if output != "" {
		if output, err = outputFile(output, args); err != nil {
			return err
		}
		if err := c.exporting(output); err != nil {
			return err
		}
	}
	if len(args) == 1 {
		args = []string{"source:" + args[0], args[0]}
	}
	var left, right *side
	if right, err = c.side(ctx, args[1], nil); err != nil {
		return err
	}
	if left, err = c.side(ctx, args[0], right); err != nil {
		return err
	}
	w, err := c.open(ctx, left, right)
	if err != nil {
		return err
	}
	defer w.Close()
	found, err := c.compare(ctx, w, left, right)
	if err != nil {
		return err
	}
	if output != "" {
		if err := c.export(ctx, w, found.List, output); err != nil {
			return err
		}
	}
	if err := a.printReconciled(found, c.notes); err != nil {
		return err
	}
	if !found.Within() {
		return &codeError{code: codeChecks}
	}
	return nil
}

// compare runs the comparison in an engine that may touch both sides.
func (c *comparison) compare(ctx context.Context, w warehouse.Warehouse, left, right *side) (*reconcile.Result, error) {
	for _, s := range []*side{left, right} {
		if s.Columns != nil {
			continue
		}
		columns, err := w.Describe(ctx, s.Query)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.Name, err)
		}
		s.Columns = columns
	}
	c.cfg.Secret = map[string]bool{}
	for _, s := range []*side{left, right} {
		for _, column := range s.Columns {
			if s.node.IsPII(column.Name) {
				c.cfg.Secret[strings.ToLower(column.Name)] = true
			}
		}
	}
	if len(c.cfg.Key) == 0 {
		c.cfg.Key = commonKey(left, right)
	}
	c.cfg.Dir = filepath.Join(c.temp, "comparison")
	if err := os.Mkdir(c.cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	found, err := reconcile.Run(ctx, w, left.Side, right.Side, c.cfg)
	var mistake *reconcile.Mistake
	var sql *warehouse.SQLError
	switch {
	case errors.As(err, &mistake):
		return nil, usage("%w", err)
	case c.cfg.Where != "" && errors.As(err, &sql) && slices.ContainsFunc([]string{"Binder", "Parser", "Catalog"}, func(kind string) bool { return strings.HasPrefix(sql.Message, kind) }):
		return nil, usage("--where %s: %w", c.cfg.Where, err)
	case err != nil && len(c.cfg.Secret) > 0 && ctx.Err() == nil:
		return nil, errors.New(check.Masked(err, slices.Concat(warehouse.Names(left.Columns), warehouse.Names(right.Columns))))
	}
	return found, err
}

// commonKey is the key of one of the tables, when both have its columns.
func commonKey(left, right *side) []string {
	has := func(s *side, name string) bool {
		return slices.ContainsFunc(s.Columns, func(c warehouse.Column) bool { return strings.EqualFold(c.Name, name) })
	}
	for _, key := range [][]string{right.key, left.key} {
		if len(key) > 0 && !slices.ContainsFunc(key, func(k string) bool { return !has(left, k) || !has(right, k) }) {
			return key
		}
	}
	return nil
}

// open opens the engine that compares.
func (c *comparison) open(ctx context.Context, sides ...*side) (warehouse.Warehouse, error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	if c.out != "" {
		cfg.Dirs = append(cfg.Dirs, c.out)
	}
	for _, s := range sides {
		cfg.Dirs, cfg.Files = append(cfg.Dirs, s.dirs...), append(cfg.Files, s.files...)
	}
	return engine.Open(ctx, cfg)
}
