package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

func (a *app) rejectsShowCommand() *cobra.Command {
	var run, rule string
	var limit int
	var plain, all bool
	c := &cobra.Command{
		Use:   "show NODE",
		Short: "show rows that checks kept out of a table, with the rules that each failed",
		Long: "Shows rows that the latest run quarantined from the table, as they came. Columns that are tagged pii are masked, unless\n" +
			"--plain. --rule shows those that fail one rule; `millrace rejects list` names the rules. --all shows what is in quarantine\n" +
			"now, of whichever run, and not what has been replayed.\n",
		Example: "  millrace rejects show erp.orders\n  millrace rejects show orders --rule not_null_email --limit 5 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withQuarantine(c, args[0], run, all, func(e *pipeline.Engine, set pipeline.QuarantineSet) error {
				if limit < 1 {
					return usage("--limit %d: give a number from 1; export writes all rows", limit)
				}
				cells, err := e.ShowQuarantined(c.Context(), set, rule, limit, plain)
				if err != nil {
					return err
				}
				return a.printCells(cells)
			})
		},
	}
	c.Flags().StringVar(&run, "run", "", "of this run, by its id or the beginning of it")
	c.Flags().BoolVar(&all, "all", false, "all that is in the table's quarantine now, of whichever run")
	c.Flags().StringVar(&rule, "rule", "", "only rows that fail this rule")
	c.Flags().IntVarP(&limit, "limit", "n", 20, "rows to show")
	c.Flags().BoolVar(&plain, "plain", false, "show columns that are tagged pii as they are")
	return c
}

func (a *app) rejectsExportCommand() *cobra.Command {
	var run, rule, output string
	var all bool
	c := &cobra.Command{
		Use:   "export NODE",
		Short: "write the rows that checks kept out of a table to a file",
		Long: "Writes all rows that the latest run quarantined from the table, with all columns as they are. The file's name says the\n" +
			"format: .csv, .jsonl or .parquet. In CSV, texts that a spreadsheet would take for a formula get a quote before them.\n" +
			"`millrace rejects replay --file` takes the file again, corrected: keep its column _quarantined_id.\n",
		Example: "  millrace rejects export erp.orders --all -o bad.csv\n  millrace rejects export orders --rule not_null_email -o bad.parquet",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			format := strings.ToLower(filepath.Ext(output))
			if !slices.Contains([]string{".csv", ".jsonl", ".parquet"}, format) {
				return usage("-o %q: name a file that ends in .csv, .jsonl or .parquet", output)
			}
			return a.withQuarantine(c, args[0], run, all, func(e *pipeline.Engine, set pipeline.QuarantineSet) error {
				return a.exportQuarantine(c, e, set, rule, output, format)
			})
		},
	}
	c.Flags().StringVar(&run, "run", "", "of this run, by its id or the beginning of it")
	c.Flags().BoolVar(&all, "all", false, "all that is in the table's quarantine now, of whichever run")
	c.Flags().StringVar(&rule, "rule", "", "only rows that fail this rule")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write; one that is there is replaced")
	return c
}

// withQuarantine finds what was quarantined from the node.
func (a *app) withQuarantine(c *cobra.Command, name, run string, all bool, do func(*pipeline.Engine, pipeline.QuarantineSet) error) error {
	if all && run != "" {
		return usage("--all is of whichever run: leave --run out")
	}
	e, closeEngine, err := a.engine(c.Context())
	if err != nil {
		return err
	}
	defer closeEngine()
	node, err := rejectsNode(e, []string{name})
	if err != nil {
		return err
	}
	if all {
		set, err := e.InQuarantine(c.Context(), node)
		if err != nil {
			return err
		}
		if set != nil {
			return do(e, *set)
		}
		a.note("no row of %s is in quarantine", node)
		return nil
	}
	sets, err := e.Quarantined(c.Context(), node, run)
	if err != nil {
		return err
	}
	if len(sets) == 0 {
		return a.noteNoneOfRun(c.Context(), e, node, run)
	}
	if !sets[0].Published {
		a.note("run %s published nothing of %s: these rows did not come into its quarantine, of which --all is", sets[0].Run, node)
	}
	return do(e, sets[0])
}

// noteNoneOfRun tells that a run, the latest when run is "", kept no row out, and what earlier ones did.
func (a *app) noteNoneOfRun(ctx context.Context, e *pipeline.Engine, node, run string) error {
	inside, err := e.QuarantineRows(ctx, node)
	if err != nil {
		return err
	}
	of := "the latest run"
	if run != "" {
		of = "run " + run
	}
	if n := inside[node]; n > 0 {
		a.note("%s quarantined no row of %s; %s in quarantine from other runs: add --all", of, node, areRows(n))
	} else {
		a.note("%s quarantined no row of %s, and none is in quarantine", of, node)
	}
	return nil
}

// areRows says how many rows there are.
func areRows(n int64) string {
	if n == 1 {
		return "1 row is"
	}
	return plural(int(n), "row") + " are"
}

func (a *app) printCells(cells *check.Sample) error {
	if a.json {
		rows := make([]map[string]*string, len(cells.Rows))
		for i, row := range cells.Rows {
			rows[i] = map[string]*string{}
			for k, v := range row {
				rows[i][cells.Columns[k]] = v
			}
		}
		return a.printJSON(map[string]any{"columns": cells.Columns, "rows": rows})
	}
	g := grid{header: cells.Columns, width: a.terminalWidth()}
	for _, row := range cells.Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = "NULL"
			if v != nil {
				texts[i] = a.redactor.Redact(oneLine(*v))
			}
		}
		g.add(texts...)
	}
	return g.print(a.stdout)
}

func (a *app) exportQuarantine(c *cobra.Command, e *pipeline.Engine, set pipeline.QuarantineSet, rule, output, format string) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(output), ".millrace-export-")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := e.ExportQuarantined(c.Context(), set, rule, dir, format != ".parquet")
	if err != nil {
		return err
	}
	path := f.Path
	if format != ".parquet" {
		path = filepath.Join(dir, "rows"+format)
		if err := convertTexts(f.Path, path, format); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	if err := errors.Join(fsx.SyncFile("export", path), fsx.Rename("export", path, output)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	a.note("%s of %s in %s", plural(int(f.Rows), "row"), set.Node, output)
	return nil
}

// convertTexts writes a Parquet file of texts as CSV or JSON lines.
func convertTexts(from, to, format string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	r := parquet.NewReader(in)
	defer r.Close()
	var columns []string
	for _, f := range r.Schema().Fields() {
		columns = append(columns, f.Name())
	}
	write, flush := jsonLines(out, columns)
	if format == ".csv" {
		write, flush = safeCSV(out, columns)
	}
	rows := make([]parquet.Row, 64)
	for {
		n, err := r.ReadRows(rows)
		for _, row := range rows[:n] {
			if err := write(row); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return err
		}
	}
}

func jsonLines(out io.Writer, columns []string) (write func(parquet.Row) error, flush func() error) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return func(row parquet.Row) error {
		object := map[string]any{}
		for _, v := range row {
			if object[columns[v.Column()]] = nil; !v.IsNull() {
				object[columns[v.Column()]] = string(v.ByteArray())
			}
		}
		return enc.Encode(object)
	}, func() error { return nil }
}

// safeCSV writes CSV (RFC 4180) in which no cell is a formula to a spreadsheet.
func safeCSV(out io.Writer, columns []string) (write func(parquet.Row) error, flush func() error) {
	w := csv.NewWriter(out)
	cells := make([]string, len(columns))
	header := func() error {
		for i, c := range columns {
			cells[i] = pipeline.SafeCell(c)
		}
		return w.Write(cells)
	}
	err := header()
	return func(row parquet.Row) error {
			clear(cells)
			for _, v := range row {
				if !v.IsNull() {
					cells[v.Column()] = pipeline.SafeCell(string(v.ByteArray()))
				}
			}
			return errors.Join(err, w.Write(cells))
		}, func() error {
			w.Flush()
			return errors.Join(err, w.Error())
		}
}

// printQuarantineCounts lists what checks and entities diverted, by rule, and what is in quarantine now, of whichever runs.
func (a *app) printQuarantineCounts(sets []pipeline.QuarantineSet, inside map[string]int64) {
	a.printDiverted(sets)
	if len(inside) == 0 {
		return
	}
	g := grid{header: []string{"NODE", "ROWS"}, right: []bool{false, true}}
	for _, node := range slices.Sorted(maps.Keys(inside)) {
		g.add(node, fmt.Sprint(inside[node]))
	}
	a.out("\nin quarantine now")
	_ = g.print(a.stdout)
	a.out("millrace rejects show NODE --all shows the rows")
}

func (a *app) printDiverted(sets []pipeline.QuarantineSet) {
	if len(sets) == 0 {
		return
	}
	g := grid{header: []string{"NODE", "RULE", "ROWS", "RUN"}, right: []bool{false, false, true}}
	for _, s := range sets {
		for _, rule := range slices.Sorted(maps.Keys(s.Rules)) {
			run := s.Run
			if !s.Published {
				run += ", not published"
			}
			g.add(s.Node, rule, fmt.Sprint(s.Rules[rule]), run)
		}
	}
	a.out("\nquarantined")
	_ = g.print(a.stdout)
	a.out("millrace rejects show NODE shows the rows")
}
