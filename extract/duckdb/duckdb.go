// Package duckdb reads tables and views of a DuckDB database file. The file is opened read-only, in an instance that may touch nothing
// else, and is closed again behind each look at it: whoever writes to it waits no longer than a table takes to copy. Read Options first.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/fsx"
)

// Spec describes the source to the project loader.
func Spec() extract.Spec {
	return extract.Spec{
		Type:            "duckdb",
		Summary:         "Tables and views of a DuckDB database file.",
		Options:         func() any { return new(Options) },
		StreamOptions:   func() any { return new(StreamOptions) },
		Check:           check,
		AppendsByCursor: true,
		FindsDeletes:    true,
		Discover:        discover,
		Examine:         examine,
		Open: func(env extract.Env, options any) (extract.Source, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("duckdb source %q: options are a %T", env.Name, options)
			}
			return newSource(env, o)
		},
	}
}

// Options are the source's own keys.
type Options struct {
	Path string `yaml:"path" required:"true" doc:"The database file, relative to the project." example:"legacy.duckdb"`
}

// StreamOptions are the keys of one stream.
type StreamOptions struct{}

func check(_ any, streams []extract.Stream) (found []extract.Problem) {
	for _, s := range streams {
		if _, _, err := splitName(s.Name); err != nil {
			found = append(found, extract.Problem{Stream: s.Name, Key: "name", Message: err.Error(),
				Hint: "write schema.table, or table for one in main; a name with a point in double quotes"})
		}
	}
	return found
}

var namePart = regexp.MustCompile(`^(?:"((?:[^"]|"")+)"|([^".]+))(?:\.|$)`)

// splitName takes schema.table apart, whose parts may be quoted.
func splitName(name string) (schema, table string, err error) {
	var parts []string
	for rest := name; rest != ""; {
		m := namePart.FindStringSubmatch(rest)
		if m == nil {
			return "", "", fmt.Errorf("stream %q is no name of a table", name)
		}
		parts = append(parts, strings.ReplaceAll(m[1], `""`, `"`)+m[2])
		rest = rest[len(m[0]):]
	}
	switch {
	case strings.HasSuffix(name, ".") || len(parts) == 0 || len(parts) > 2:
		return "", "", fmt.Errorf("stream %q is no name of a table", name)
	case len(parts) == 1:
		return "main", parts[0], nil
	}
	return parts[0], parts[1], nil
}

type source struct {
	path   string // absolute
	told   string // as the project has it
	stored func(string) (string, error)
}

func newSource(env extract.Env, o *Options) (*source, error) {
	s := &source{path: o.Path, told: o.Path, stored: env.Stored}
	if !filepath.IsAbs(s.path) {
		s.path = filepath.Join(env.Project, filepath.FromSlash(s.path))
	}
	if s.stored == nil {
		s.stored = func(typ string) (string, error) { return typ, nil }
	}
	if env.Excludes(fsx.Real(s.path)) {
		return nil, extract.OwnFolder(s.told)
	}
	return s, nil
}

// Close implements extract.Source: nothing is open between two calls.
func (s *source) Close() error { return nil }

// Identity implements extract.Source.
func (s *source) Identity(st extract.Stream) string { return s.told + ":" + st.Name }

const memory = 256 << 20

// open opens the file for reading. What is written may only go below the scratch folder, "" for none.
func (s *source) open(ctx context.Context, scratch string) (*engine.DB, error) {
	cfg := engine.Config{Memory: memory, Threads: 2, Plain: true}
	if scratch != "" {
		cfg.Temp, cfg.Dirs = filepath.Join(scratch, "spill"), []string{scratch}
	}
	db, err := engine.OpenFile(ctx, s.path, true, cfg)
	if err != nil {
		return nil, s.explain(err)
	}
	return db, nil
}

var holder = regexp.MustCompile(`held in (.+?) \(PID ([0-9]+)\)`)

const oneWriter = "DuckDB lets nobody read a file that somebody writes to: end that process, or read a copy of the file"

// explain says what it means that the file cannot be opened.
func (s *source) explain(err error) error {
	text := err.Error()
	m := holder.FindStringSubmatch(text)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return extract.Advise(fmt.Errorf("there is no file %s", s.told), "path: is relative to the project's folder")
	case errors.Is(err, os.ErrPermission):
		return extract.Advise(fmt.Errorf("the file %s may not be read", s.told), "let the user that runs Millrace read it")
	case m != nil:
		return extract.Advise(fmt.Errorf("%s is open for writing in process %s (%s)", s.told, m[2], m[1]), oneWriter)
	case strings.Contains(text, "Could not set lock"):
		return extract.Advise(fmt.Errorf("%s is open for writing in another process", s.told), oneWriter)
	case strings.Contains(text, "version number"):
		return extract.Advise(fmt.Errorf("%s was written by another version of DuckDB: %w", s.told, err),
			"ATTACH '…' (STORAGE_VERSION 'v1.0.0') in that DuckDB makes a file that all later ones read")
	case strings.Contains(text, "not a valid DuckDB database file"):
		return extract.Advise(fmt.Errorf("%s is no DuckDB database", s.told), "type: files reads CSV, JSON and Parquet files")
	}
	return err
}

// state names what the file and its log hold: a writer changes the one or the other.
func (s *source) state() (id string, changed time.Time, err error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return "", changed, s.explain(err)
	}
	if info.IsDir() {
		return "", changed, extract.Advise(fmt.Errorf("%s is a folder", s.told), "path: names one database file")
	}
	id, changed = fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano()), info.ModTime().UTC()
	if wal, err := os.Stat(s.path + ".wal"); err == nil && wal.Size() > 0 {
		id += fmt.Sprintf("-%d-%d", wal.Size(), wal.ModTime().UnixNano())
	}
	return id, changed, nil
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func text(s string) string     { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// relation is a stream's table, and its columns.
type relation struct {
	sql     string
	columns []extract.Column
}

// find looks for the stream's table or view.
func (s *source) find(ctx context.Context, db *engine.DB, st extract.Stream) (*relation, error) {
	schema, table, err := splitName(st.Name)
	if err != nil {
		return nil, err
	}
	r := &relation{sql: ident(schema) + "." + ident(table)}
	columns, err := db.Describe(ctx, "SELECT * FROM "+r.sql)
	var e *engine.Error
	switch {
	case errors.As(err, &e) && e.Kind == "Permission":
		return nil, extract.Advise(fmt.Errorf("%s in %s is a view over other files", st.Name, s.told),
			"read these with type: files; in a project of dbt, name them by external_location of the source")
	case errors.As(err, &e) && e.Kind == "Catalog":
		return nil, s.missing(ctx, db, st, err)
	case err != nil:
		return nil, fmt.Errorf("look at %s in %s: %w", st.Name, s.told, err)
	}
	for _, c := range columns {
		r.columns = append(r.columns, extract.Column{Name: c.Name, Type: c.Type})
	}
	return r, nil
}

// missing says what there is where the stream's table is not.
func (s *source) missing(ctx context.Context, db *engine.DB, st extract.Stream, cause error) error {
	found, err := db.Query(ctx, tablesSQL+" LIMIT 20")
	if err != nil {
		return cause
	}
	var names []string
	for _, row := range found.Values {
		name := fmt.Sprint(row[0], ".", row[1])
		if name == st.Name || "main."+st.Name == name { // a view that reads what is gone
			return fmt.Errorf("read %s in %s: %w", st.Name, s.told, cause)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no table %s, and no other", s.told, st.Name)
	}
	return extract.Advise(fmt.Errorf("%s has no table %s", s.told, st.Name), "it has "+strings.Join(names, ", "))
}

// column finds the stream's cursor or a column of its key.
func (r *relation) column(name, what string) (extract.Column, error) {
	i := slices.IndexFunc(r.columns, func(c extract.Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return extract.Column{}, fmt.Errorf("%s: there is no column %q", what, name)
	}
	return r.columns[i], nil
}

// Describe implements extract.Source.
func (s *source) Describe(ctx context.Context, st extract.Stream) (*extract.Description, error) {
	db, err := s.open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	r, err := s.find(ctx, db, st)
	if err != nil {
		return nil, err
	}
	d := &extract.Description{Columns: r.columns, Rows: -1, Bytes: -1}
	schema, table, _ := splitName(st.Name)
	found, err := db.Query(ctx, fmt.Sprintf(`SELECT estimated_size FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = %s AND table_name = %s`, text(schema), text(table)))
	if err != nil {
		return nil, err
	}
	if len(found.Values) > 0 {
		d.Rows, _ = found.Values[0][0].(int64)
	}
	return d, nil
}
