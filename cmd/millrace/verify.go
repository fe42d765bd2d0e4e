package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/warehouse"
)

func (a *app) verifyCommand() *cobra.Command {
	var req pipeline.VerifyRequest
	c := &cobra.Command{
		Use:   "verify [tables]",
		Short: "check that what is published is whole",
		Long: "Reads everything that is published again: the manifest's seal, every file's presence, sha256 and footer, the\n" +
			"equations, the links for readers of plain Parquet, and the catalog's row counts. --full decodes every value.\n" +
			"Where something follows the target, each table there is compared with its version here: the number of rows, and of\n" +
			"each column its values, bounds and sums. That needs the warehouse of that place; --local leaves it out.\n" +
			"It changes nothing. It exits with code 1 when something is wrong.\n",
		Example: "  millrace verify\n  millrace verify erp.orders --full",
		RunE: func(c *cobra.Command, args []string) error {
			e, closeEngine, err := a.engine(c.Context())
			if err != nil {
				return err
			}
			defer closeEngine()
			if !req.Local && req.Snapshot == 0 {
				closeFollower, err := a.openFollower(c.Context(), e)
				if err != nil {
					return err
				}
				defer closeFollower()
			}
			req.Tables = args
			req.OpenCatalog = a.openCatalog(e)
			v, err := e.VerifyPublished(c.Context(), req)
			if errors.Is(err, pipeline.ErrNoTable) || errors.Is(err, pipeline.ErrNoSnapshot) {
				return usage("%w", err)
			}
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(v)
			} else {
				a.printVerification(v)
			}
			if err == nil && len(v.Problems) > 0 {
				return &codeError{code: codeFailed}
			}
			return err
		},
	}
	c.Flags().BoolVar(&req.Full, "full", false, "decode every value with two readers")
	c.Flags().BoolVar(&req.Local, "local", false, "leave out the place that follows the target")
	c.Flags().Int64Var(&req.Snapshot, "snapshot", 0, "check this snapshot instead of the current one")
	return c
}

func (a *app) printVerification(v *pipeline.Verification) {
	for _, p := range v.Problems {
		a.out("%s", p)
		if p.Hint != "" {
			a.out("   %s", p.Hint)
		}
	}
	if len(v.There) > 0 {
		g := grid{header: []string{"TABLE", "AT " + strings.ToUpper(v.Place), "ROWS", "THERE", "STATE"}, right: []bool{false, false, true, true}, width: a.terminalWidth()}
		for _, c := range v.There {
			state := "equal"
			switch {
			case c.Note != "":
				state = c.Note
			case c.Error != "":
				state = "not compared"
			case !c.Equal:
				state = "differs"
			case c.Behind:
				state = "an earlier version"
			}
			if c.Unlooked != "" {
				state += "; not compared: " + c.Unlooked
			}
			there := fmt.Sprint(c.There)
			if c.Note != "" || c.Error != "" { // nobody has counted
				there = "-"
			}
			g.add(c.Name.String(), c.As, fmt.Sprint(c.Rows), there, state)
		}
		_ = g.print(a.stdout)
		compared := 0
		for _, c := range v.There {
			if c.Note == "" && c.Error == "" {
				compared++
			}
		}
		a.out("%d of %s compared with %s", compared, plural(v.Tables, "table"), v.Place)
	}
	verdict := "whole"
	if n := len(v.Problems); n > 0 {
		verdict = plural(n, "problem")
	}
	a.out("snapshot %d: %s, %s, %d rows, %s: %s", v.Snapshot, plural(v.Tables, "table"), plural(v.Files, "file"), v.Rows, bytesText(v.Bytes), verdict)
}

// openCatalog opens a snapshot's catalog as a reader would, but only for its target's folder.
func (a *app) openCatalog(e *pipeline.Engine) func(context.Context, string) (pipeline.Catalog, error) {
	return func(ctx context.Context, path string) (pipeline.Catalog, error) {
		db, err := duckdb.OpenFile(ctx, path, true, duckdb.Config{Memory: e.Memory * 6 / 10, Threads: e.Threads, Dirs: []string{e.TargetRoot, filepath.Dir(path)}})
		if err != nil {
			return nil, err
		}
		return catalog{db}, nil
	}
}

type catalog struct{ db *duckdb.DB }

func (c catalog) Close() error { return c.db.Close() }

// Count reads the view as a whole when it is a model's: that it can be read is the question.
func (c catalog) Count(ctx context.Context, name warehouse.Name) (int64, error) {
	rows, err := c.db.Query(ctx, "SELECT count(*) FROM "+warehouse.DuckDB.Table(name))
	if err != nil {
		return 0, err
	}
	n, ok := rows.Values[0][0].(int64)
	if !ok {
		return 0, fmt.Errorf("count(*) came as %T", rows.Values[0][0])
	}
	return n, nil
}
