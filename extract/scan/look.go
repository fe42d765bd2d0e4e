package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/extract"
	engine "github.com/millrace/millrace/internal/duckdb"
	"github.com/millrace/millrace/internal/fileread"
	"github.com/millrace/millrace/internal/fsx"
)

// This file finds which files a stream reads, and writes its SELECT so that it reads these and no others.

// parsed is what the parser says of a stream.
type parsed struct {
	tree  string
	reads []fileread.Read
	moves bool // it reads the clock, or leaves something to chance: equal files do not tell that the rows are
}

// looked is a stream with the files that it reads now.
type looked struct {
	*parsed
	dir   string // the project's
	read  string
	files []extract.FileStates // of each of the reads, by their paths: absolute, but not cleaned, to be what the stream names
}

func (s *source) look(ctx context.Context, st extract.Stream) (*looked, error) {
	read := readOf(st)
	p, err := s.parse(ctx, st.Name, read)
	if err != nil {
		return nil, err
	}
	l := &looked{parsed: p, dir: s.env.Project, read: read}
	for _, r := range p.reads {
		var files extract.FileStates
		for _, name := range r.Paths {
			some, err := s.find(ctx, name)
			if err != nil {
				return nil, err
			}
			files = append(files, some...)
		}
		l.files = append(l.files, files)
	}
	return l, nil
}

// parse asks the parser what a stream reads: files, and nothing else.
func (s *source) parse(ctx context.Context, name, read string) (*parsed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parsed[read]; p != nil {
		return p, nil
	}
	db, err := engine.Open(ctx, engine.Config{Memory: 64 << 20, Threads: 1, Plain: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	tree, err := db.Tree(ctx, "SELECT * FROM "+read)
	if err != nil {
		return nil, extract.Advise(fmt.Errorf("stream %q: read: %s: %w", name, read, err),
			"write what a SELECT has behind FROM: read_csv('data/x.csv')")
	}
	reads, err := fileread.Find(tree)
	if err != nil {
		return nil, err
	}
	for _, r := range reads {
		if r.Trouble != nil {
			return nil, extract.Advise(fmt.Errorf("stream %q: %s", name, r.Trouble.Why), r.Trouble.Hint)
		}
	}
	moves, err := db.Moves(ctx, "SELECT * FROM "+read)
	if err != nil {
		return nil, err
	}
	p := &parsed{string(tree), reads, moves}
	s.parsed[read] = p
	return p, nil
}

// find gives the files that a path names: one, or those of a pattern as DuckDB reads patterns.
func (s *source) find(ctx context.Context, name string) (extract.FileStates, error) {
	full := name
	if !path.IsAbs(name) {
		full = s.env.Project + "/" + name
	}
	names := []string{full}
	if strings.ContainsAny(name, "*?[") {
		var err error
		if names, err = matching(ctx, full); err != nil {
			return nil, err
		}
	}
	var files extract.FileStates
	for _, one := range names {
		info, err := os.Stat(one)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, extract.Advise(fmt.Errorf("there is no file %s: %w", name, extract.ErrEmpty), "paths are relative to the project's folder")
		case err != nil:
			return nil, err
		case info.IsDir():
			return nil, extract.Advise(fmt.Errorf("%s is a folder", name), "name its files: "+name+"/*.parquet")
		case !info.Mode().IsRegular():
			return nil, extract.Advise(fmt.Errorf("%s is no regular file: %s", name, info.Mode()), "write what it gives to a file before the run")
		case private(one):
			return nil, extract.Advise(fmt.Errorf("%s is not read: it may hold secrets", name), "copy what is data in it to a file of its own")
		case s.env.Excludes(fsx.Real(one)):
			return nil, extract.OwnFolder(name)
		}
		files = append(files, extract.StateOfFile(one, info))
	}
	if len(files) == 0 {
		return nil, extract.Advise(fmt.Errorf("no file is named like %s: %w", name, extract.ErrEmpty),
			"paths are relative to the project's folder")
	}
	return files, nil
}

// private says whether a file may hold what no table is to show: profiles of dbt, and what the system tells of processes, their environment
// among it.
func private(name string) bool {
	to := fsx.Real(name)
	if base := filepath.Base(to); base == "profiles.yml" || base == "profiles.yaml" {
		return true
	}
	return strings.HasPrefix(to, "/proc/") || strings.HasPrefix(to, "/sys/")
}

// matching asks DuckDB for the files of a pattern, in an instance that may look at nothing but the folder that the pattern begins with.
func matching(ctx context.Context, pattern string) ([]string, error) {
	folder := path.Dir(pattern[:strings.IndexAny(pattern, "*?[")] + "x")
	db, err := engine.Open(ctx, engine.Config{Memory: 64 << 20, Threads: 1, Plain: true, Dirs: []string{folder}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	found, err := db.Query(ctx, "SELECT file FROM glob("+text(pattern)+")")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, row := range found.Values {
		if name, ok := row[0].(string); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// format is a part of every state: another one has everything read anew.
const format = "1"

// state names what is read and what the files hold.
func (l *looked) state() string {
	return l.all().Hash(fmt.Sprintf("%s %q\n", format, l.read))
}

// settled says whether the state tells the rows from what they will be: see extract.Settled.
func (l *looked) settled() bool { return !l.moves && l.all().Settled(time.Now()) }

// all are the files of all reads.
func (l *looked) all() extract.FileStates { return slices.Concat(l.files...) }

func (l *looked) bytes() (n int64) {
	for _, f := range l.all() {
		n += f.Size
	}
	return n
}

func (l *looked) paths() (all []string) {
	for _, f := range l.all() {
		all = append(all, f.Name)
	}
	return all
}

// names are the first of the files, as the project has them.
func (l *looked) names() string {
	var names []string
	for _, p := range l.paths() {
		names = append(names, strings.TrimPrefix(p, l.dir+"/"))
	}
	if len(names) > 100 {
		return strings.Join(names[:100], ", ") + fmt.Sprintf(" and %d more", len(names)-100)
	}
	return strings.Join(names, ", ")
}

// open gives an engine that may open these files and no others, and the SELECT that reads them.
func (l *looked) open(ctx context.Context, temp string) (*engine.DB, string, error) {
	db, err := engine.Open(ctx, engine.Config{Memory: memory, Threads: 2, Plain: true, Temp: temp, Files: l.paths()})
	if err != nil {
		return nil, "", err
	}
	sql, err := l.sql(ctx, db)
	if err != nil {
		db.Close()
		return nil, "", err
	}
	return db, sql, nil
}

// explain says of an error of the engine that a table is meant where files should be.
func (l *looked) explain(err error) error {
	var e *engine.Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Kind == "Catalog":
		return extract.Advise(err, "a scan reads files only, by the functions that are part of the engine")
	case e.Kind == "Permission":
		return extract.Advise(err, "a scan opens the files that it names by constants, and no others")
	}
	return fmt.Errorf("read %s: %w", l.names(), err)
}

// sql is the SELECT over the files, each by its path, that gives their names as the stream has them.
func (l *looked) sql(ctx context.Context, db *engine.DB) (string, error) {
	root, err := fileread.Parse([]byte(l.tree))
	if err != nil {
		return "", err
	}
	var places []fileread.Node
	fileread.Walk(root, func(n fileread.Node) {
		if _, is := n.Read(); is {
			places = append(places, n)
		}
	})
	for _, n := range places {
		if err := l.point(ctx, db, n); err != nil {
			return "", err
		}
	}
	tree, err := json.Marshal(root)
	if err != nil {
		return "", err
	}
	return db.Untree(ctx, tree)
}

// point has one place of the tree read its files.
func (l *looked) point(ctx context.Context, db *engine.DB, n fileread.Node) error {
	r, _ := n.Read()
	var files extract.FileStates
	for i, other := range l.reads {
		if other.At == r.At {
			files = l.files[i]
		}
	}
	var names []string
	for _, f := range files {
		names = append(names, text(f.Name))
	}
	arg := names[0]
	if len(names) > 1 {
		arg = "[" + strings.Join(names, ", ") + "]"
	}
	call, err := from(ctx, db, r.Function+"("+arg+l.unparted(r, files)+")")
	if err != nil {
		return err
	}
	if !r.Bare { // its other arguments are those that it has
		args := n["function"].(map[string]any)["children"].([]any)
		own := call["function"].(map[string]any)
		ours := own["children"].([]any)
		own["children"] = slices.Concat(ours[:1], args[1:], ours[1:])
	}
	put := call
	if r.Filename != "" && !path.IsAbs(r.Paths[0]) {
		quoted := `"` + strings.ReplaceAll(r.Filename, `"`, `""`) + `"`
		short := "CASE WHEN starts_with(%[1]s, %[2]s) THEN substr(%[1]s, %[3]d) ELSE %[1]s END"
		put, err = from(ctx, db, fmt.Sprintf("(SELECT * REPLACE ("+short+" AS %[1]s) FROM x) AS x",
			quoted, text(l.dir+"/"), len([]rune(l.dir))+2))
		if err != nil {
			return err
		}
		put["subquery"].(map[string]any)["node"].(map[string]any)["from_table"] = map[string]any(call)
	}
	for _, key := range []string{"sample", "column_name_alias", "query_location"} {
		put[key] = n[key]
	}
	put["alias"] = r.Alias
	clear(n)
	maps.Copy(n, put)
	return nil
}

// unparted is the argument that keeps folders above the project's, as run=7, from becoming columns: DuckDB reads partitions from whole
// paths. Where there are partitions below the project's folder too, those above stay.
func (l *looked) unparted(r *fileread.Read, files extract.FileStates) string {
	switch {
	case !strings.HasPrefix(r.Function, "read_"), r.Function == "read_text", r.Function == "read_blob", !strings.Contains(l.dir, "="):
		return ""
	case strings.Contains(strings.ToLower(l.read), "hive_"):
		return ""
	}
	for _, f := range files {
		if rest, below := strings.CutPrefix(f.Name, l.dir+"/"); !below || strings.Contains(rest, "=") {
			return ""
		}
	}
	return ", hive_partitioning = false"
}

// from is the tree of what stands behind FROM.
func from(ctx context.Context, db *engine.DB, item string) (fileread.Node, error) {
	tree, err := db.Tree(ctx, "SELECT * FROM "+item)
	if err != nil {
		return nil, err
	}
	root, err := fileread.Parse(tree)
	if err != nil {
		return nil, err
	}
	statement := root["statements"].([]any)[0].(map[string]any)
	return statement["node"].(map[string]any)["from_table"].(map[string]any), nil
}
