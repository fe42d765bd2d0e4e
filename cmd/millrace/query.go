package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	loaders "github.com/millrace/millrace/load/all"
	"github.com/millrace/millrace/load/local"
	"github.com/millrace/millrace/models"
	catalogs "github.com/millrace/millrace/warehouse/duckdb"
)

// tableRows is how many rows the table format shows unless --limit says more: it holds them all to align them.
const tableRows = 10_000

type queryFlags struct {
	format   string
	snapshot int64
	limit    int64
}

func (a *app) queryCommand() *cobra.Command {
	var f queryFlags
	c := &cobra.Command{
		Use:   "query [SQL]",
		Short: "ask the published tables, in SQL",
		Long: "Runs one SELECT (or FROM, WITH, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN) over the published tables; it can change\n" +
			"nothing. The SQL is DuckDB's. Without SQL, or with -, it is read from stdin. Tables are named schema.table;\n" +
			"SHOW ALL TABLES lists them.\n",
		Example: "  millrace query \"SELECT count(*) FROM erp.orders\"\n  millrace query --format csv \"FROM erp.orders\" > orders.csv\n  echo \"SHOW ALL TABLES\" | millrace query",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			sql, err := queryText(args)
			if err != nil {
				return err
			}
			if a.json && !c.Flags().Changed("format") {
				f.format = "json"
			}
			if f.limit < 0 {
				return usage("--limit %d: give a number from 0, which means all", f.limit)
			}
			if !c.Flags().Changed("limit") {
				f.limit = -1
			}
			return interruptible(c.Context(), func(ctx context.Context) error { return a.query(ctx, sql, f) })
		},
	}
	c.Flags().StringVarP(&f.format, "format", "f", "table", "table, csv, json, ndjson or markdown")
	c.Flags().Int64Var(&f.snapshot, "snapshot", 0, "ask this snapshot instead of the current one")
	c.Flags().Int64Var(&f.limit, "limit", 0, fmt.Sprintf("rows at most; 0 for all (default %d for table and markdown, else all)", tableRows))
	return c
}

func queryText(args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if len(args) == 0 && term.IsTerminal(int(os.Stdin.Fd())) {
		return "", usage("give the SQL as an argument, or pipe it in: see `millrace query --help`")
	}
	const most = 16 << 20
	data, err := io.ReadAll(io.LimitReader(os.Stdin, most+1))
	if err != nil {
		return "", fmt.Errorf("read SQL: %w", err)
	}
	if len(data) > most {
		return "", usage("the SQL is longer than %d MB", most>>20)
	}
	return string(data), nil
}

// published opens the project and its target, without journal and sources.
func (a *app) published(ctx context.Context) (*models.Project, *local.Loader, error) {
	p, err := a.loaded(ctx)
	if err != nil {
		return nil, nil, err
	}
	l, err := loaders.Open(p, catalogs.BuildCatalog)
	if err != nil {
		return nil, nil, err
	}
	folder, ok := l.(*local.Loader)
	if !ok {
		return nil, nil, fmt.Errorf("target %q is no folder", p.Target.Name)
	}
	return p, folder, nil
}

// snapshotCatalog finds the catalog to ask and mends it when the target was moved.
func (a *app) snapshotCatalog(ctx context.Context, l *local.Loader, n int64) (string, error) {
	m, err := l.Current(ctx)
	if err != nil {
		return "", err
	}
	if n == 0 || n == m.Snapshot {
		if from, moved := l.Moved(ctx); moved {
			if _, err := l.Relink(ctx); err != nil {
				return "", fmt.Errorf("relink the target, which was moved here from %s: %w", from, err)
			}
			a.note("the target was moved here from %s: its catalog has been relinked", from)
		}
		return filepath.Join(l.Root(), "snapshots", strconv.FormatInt(m.Snapshot, 10), "catalog.duckdb"), nil
	}
	old, err := snapshotManifest(l, n)
	if err != nil {
		return "", err
	}
	if old.Root != l.Root() {
		return "", usage("snapshot %d was written when the target was at %s: only the current one is relinked", n, old.Root)
	}
	return filepath.Join(l.Root(), "snapshots", strconv.FormatInt(n, 10), "catalog.duckdb"), nil
}

func snapshotManifest(l *local.Loader, n int64) (*load.Manifest, error) {
	all, err := l.Snapshots()
	if err != nil {
		return nil, err
	}
	var known []string
	for _, have := range all {
		if have == n {
			return l.Manifest(n)
		}
		known = append(known, strconv.FormatInt(have, 10))
	}
	return nil, usage("there is no snapshot %d: there are %s", n, strings.Join(known, ", "))
}

func (a *app) query(ctx context.Context, sql string, f queryFlags) error {
	switch f.format {
	case "table", "csv", "json", "ndjson", "markdown":
	default:
		return usage("--format %s: use table, csv, json, ndjson or markdown", f.format)
	}
	p, l, err := a.published(ctx)
	if err != nil {
		return err
	}
	memory, err := a.memoryFor(p)
	if err != nil {
		return err
	}
	path, err := a.snapshotCatalog(ctx, l, f.snapshot)
	if err != nil {
		return err
	}
	temp, remove, err := fsx.TempFolder("", "millrace-query-")
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer remove()
	db, err := duckdb.OpenFile(ctx, path, true, duckdb.Config{Memory: memory * 6 / 10, Threads: a.threads, Temp: filepath.Join(temp, "spill"), Dirs: []string{l.Root(), temp}})
	if err != nil {
		return err
	}
	defer db.Close()
	q := &asked{app: a, db: db, sql: sql, flags: f, temp: temp}
	if rest, ok := explained(sql); ok {
		return q.explain(ctx, rest)
	}
	if err := db.CheckSelect(ctx, sql); err != nil {
		return q.wrong(err)
	}
	if _, err := db.Describe(ctx, sql); err != nil {
		return q.wrong(err)
	}
	if f.format == "table" || f.format == "markdown" {
		return q.table(ctx)
	}
	return q.copy(ctx)
}

// asked is one query under way.
type asked struct {
	*app
	db    *duckdb.DB
	sql   string
	flags queryFlags
	temp  string
}

var explainWords = regexp.MustCompile(`(?is)^\s*EXPLAIN\s+(ANALYZE\s+)?`)

// explained takes EXPLAIN from a statement.
func explained(sql string) (string, bool) {
	at := explainWords.FindString(sql)
	return sql[len(at):], at != ""
}

func (q *asked) explain(ctx context.Context, rest string) error {
	if err := q.db.CheckSelect(ctx, rest); err != nil {
		return q.wrong(err)
	}
	prefix := explainWords.FindString(q.sql)
	var failed error
	err := q.db.ExecRows(ctx, prefix+duckdb.Trim(rest), func(row []any) {
		if len(row) > 1 {
			_, failed = fmt.Fprintln(q.stdout, row[1])
		}
	})
	return errors.Join(q.wrong(err), failed)
}

// wrong shows the engine's complaint at its place in the SQL. A mistake in the SQL is a wrong usage.
func (q *asked) wrong(err error) error {
	var e *duckdb.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	text := e.Error()
	if e.Offset >= 0 && e.Offset <= len(q.sql) && !strings.Contains(text, "LINE ") {
		start := strings.LastIndexByte(q.sql[:e.Offset], '\n') + 1
		line, _, _ := strings.Cut(q.sql[start:], "\n")
		if len(line) < 400 {
			text += fmt.Sprintf("\n   line %d: %s\n%s^", strings.Count(q.sql[:start], "\n")+1, line,
				strings.Repeat(" ", len(fmt.Sprintf("   line %d: ", strings.Count(q.sql[:start], "\n")+1))+len([]rune(q.sql[start:e.Offset]))))
		}
	}
	switch e.Kind {
	case "Parser", "Binder", "Catalog":
		hint := ""
		if e.Kind == "Catalog" && strings.Contains(text, "does not exist") {
			hint = "\n   millrace query \"SHOW ALL TABLES\" lists the tables; they are named schema.table"
		}
		return usage("%s%s", text, hint)
	}
	return errors.New(text)
}

// limited wraps the query so that no more than n rows come; n < 0 means all.
func (q *asked) limited(n int64) string {
	sql := "SELECT * FROM (\n" + duckdb.Trim(q.sql) + "\n)"
	if n >= 0 {
		sql += fmt.Sprintf(" LIMIT %d", n)
	}
	return sql
}

// table holds the rows to align them.
func (q *asked) table(ctx context.Context) error {
	limit := q.flags.limit
	if limit < 0 {
		limit = tableRows
	}
	most := int64(duckdb.MaxRows - 1)
	if limit == 0 || limit > most {
		limit = most
	}
	rows, err := q.db.Query(ctx, q.limited(limit+1))
	if err != nil {
		return q.wrong(err)
	}
	more := int64(len(rows.Values)) > limit
	if more {
		rows.Values = rows.Values[:limit]
	}
	g := grid{}
	for _, c := range rows.Columns {
		g.header = append(g.header, oneLine(c.Name))
		g.right = append(g.right, numeric(c.Type))
	}
	for _, row := range rows.Values {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = cellText(v)
		}
		g.rows = append(g.rows, cells)
	}
	out := bufio.NewWriter(q.stdout)
	if q.flags.format == "markdown" {
		markdown(out, &g)
	} else {
		g.width = q.terminalWidth()
		if err := g.print(out); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if more {
		q.note("there are more rows: only %d are shown; --limit shows more, --format csv all", limit)
	} else if q.terminalWidth() > 0 {
		q.note("%s", plural(len(rows.Values), "row"))
	}
	return nil
}

func numeric(typ string) bool {
	switch typ {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE":
		return true
	}
	return strings.HasPrefix(typ, "DECIMAL")
}

func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case float64:
		if math.Trunc(v) == v && math.Abs(v) < 1e15 {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return fmt.Sprintf("\\x%x", v)
	case string:
		return oneLine(v)
	}
	return fmt.Sprint(v)
}

func markdown(w io.Writer, g *grid) {
	escape := strings.NewReplacer("|", `\|`)
	line := func(cells []string) {
		fmt.Fprint(w, "|")
		for _, c := range cells {
			fmt.Fprintf(w, " %s |", escape.Replace(c))
		}
		fmt.Fprintln(w)
	}
	line(g.header)
	fmt.Fprint(w, "|")
	for i := range g.header {
		fmt.Fprint(w, map[bool]string{true: "--:|", false: "---|"}[g.right[i]])
	}
	fmt.Fprintln(w)
	for _, row := range g.rows {
		line(row)
	}
}

// copy lets DuckDB write the answer to a file and passes that on: no answer is too large, and nested values are JSON.
func (q *asked) copy(ctx context.Context) error {
	n := q.flags.limit
	if n == 0 {
		n = -1
	}
	how := map[string]string{"csv": "FORMAT csv, HEADER true", "ndjson": "FORMAT json", "json": "FORMAT json, ARRAY true"}[q.flags.format]
	path := filepath.Join(q.temp, "answer")
	quoted := "'" + strings.ReplaceAll(path, "'", "''") + "'"
	if err := q.db.Exec(ctx, "COPY (\n"+q.limited(n)+"\n) TO "+quoted+" ("+how+", USE_TMP_FILE false)"); err != nil {
		return q.wrong(err)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() == 0 && q.flags.format == "json" {
		return json.NewEncoder(q.stdout).Encode([]any{})
	}
	_, err = io.Copy(q.stdout, file)
	return err
}
