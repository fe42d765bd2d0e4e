package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract/files"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/warehouse"
)

// This file has the forms of check that need no project: a checks file, and files on the command line.

// checkFiles judges the tables of checks files, each of which stands for itself.
func (a *app) checkFiles(ctx context.Context, names, include, exclude []string) (*pipeline.Checked, error) {
	var projects []*models.Project
	for _, name := range names {
		p, problems, err := a.tables(ctx, name, false)
		if err != nil {
			return nil, err
		}
		if err := a.usable(problems); err != nil {
			return nil, err
		}
		projects = append(projects, p)
	}
	if err := namedOnce(projects, names); err != nil {
		return nil, err
	}
	chosen, err := selectTables(projects, include, exclude)
	if err != nil {
		return nil, usage("%w", err)
	}
	all := &pipeline.Checked{Tables: []pipeline.CheckedTable{}, Skipped: []string{}}
	for i, p := range projects {
		found, err := a.judge(ctx, p, chosen[i])
		if err != nil {
			return nil, err
		}
		all.Tables, all.Checks, all.Skipped = append(all.Tables, found.Tables...), append(all.Checks, found.Checks...), append(all.Skipped, found.Skipped...)
	}
	return all, nil
}

// tables reads a checks file. Unresolved leaves ${…} alone.
func (a *app) tables(ctx context.Context, name string, unresolved bool) (*models.Project, config.Problems, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	in, err := a.loading(ctx, unresolved)
	if err != nil {
		return nil, nil, err
	}
	if in.Dir, err = filepath.Abs(filepath.Dir(name)); err != nil {
		return nil, nil, err
	}
	p, problems := models.LoadTables(in, models.TablesFile{Name: name, Source: source, Path: meaningIn(in.Dir)})
	return p, problems, nil
}

// namedOnce refuses tables of the same name in two files: nobody could tell their results apart.
func namedOnce(projects []*models.Project, names []string) error {
	in := map[string]string{}
	for i, p := range projects {
		for _, n := range p.Nodes {
			name := strings.ToLower(n.Name())
			if other, twice := in[name]; twice {
				return usage("%s is in %s and in %s: give one of them another name, or check the files one after the other", n.Name(), other, names[i])
			}
			in[name] = names[i]
		}
	}
	return nil
}

// selectTables applies the selectors to the tables of all files: each must mean something in one of them.
func selectTables(projects []*models.Project, include, exclude []string) ([][]*models.Node, error) {
	chosen := make([][]*models.Node, len(projects))
	matching := func(selector string) (map[*models.Node]bool, error) {
		found := map[*models.Node]bool{}
		var failed error
		for _, p := range projects {
			nodes, err := p.Select([]string{selector}, nil)
			if err != nil {
				failed = err
			}
			for _, n := range nodes {
				found[n] = true
			}
		}
		if len(found) == 0 {
			return nil, failed
		}
		return found, nil
	}
	if len(include) == 0 {
		include = []string{"*"}
	}
	wanted := map[*models.Node]bool{}
	for i, selector := range slices.Concat(include, exclude) {
		found, err := matching(selector)
		if err != nil {
			return nil, err
		}
		for n := range found {
			wanted[n] = i < len(include)
		}
	}
	for i, p := range projects {
		chosen[i] = slices.DeleteFunc(slices.Clone(p.Nodes), func(n *models.Node) bool { return !wanted[n] })
	}
	return chosen, nil
}

// checkGiven judges files of the command line by the checks of the command line.
func (a *app) checkGiven(ctx context.Context, args, checks []string) (*pipeline.Checked, error) {
	const flag = "--check"
	if len(checks) == 0 {
		return nil, &advice{usage("no check is given for %s", args[0]),
			fmt.Sprintf("write --check \"not_null: id\", or a checks file for --file; `millrace profile %s --checks` proposes checks", args[0])}
	}
	if len(args) == 0 {
		return nil, usage("--check needs a file, or a table of a DuckDB file: millrace check orders.parquet --check \"not_null: id\"")
	}
	in, err := a.loading(ctx, false)
	if err != nil {
		return nil, err
	}
	if in.Dir, err = os.Getwd(); err != nil {
		return nil, err
	}
	var given []models.Given
	for _, arg := range args {
		given = append(given, models.Given{Table: tableName(arg), From: arg, Checks: checks})
	}
	p, problems := models.GivenTables(in, models.TablesFile{Name: flag, Path: meaningIn(in.Dir)}, given)
	if err := a.usable(problems); err != nil {
		return nil, err
	}
	return a.judge(ctx, p, p.Nodes)
}

// tableName is what a table is called that has only a path.
func tableName(path string) string {
	if _, table, ok := databaseTable(path); ok {
		return table.String()
	}
	name := filepath.Base(path)
	for textFile(name) || isParquet(name) {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	name = strings.Trim(strings.Map(func(c rune) rune {
		if strings.ContainsRune(`*?[]."`, c) {
			return '_'
		}
		return c
	}, name), "_- ")
	if name == "" {
		return "rows"
	}
	return name
}

// meaningIn tells files that are read as they are from those that the files source reads: what can have records that are no
// rows, which it finds with their lines.
func meaningIn(dir string) func(string) (models.PathMeaning, error) {
	return func(path string) (models.PathMeaning, error) {
		_, _, isDatabase := databaseTable(path)
		switch {
		case isDatabase || isParquet(path):
			return models.PathMeaning{}, nil
		case !textFile(path):
			return models.PathMeaning{}, fmt.Errorf("%q is no table: name Parquet, CSV, TSV or JSON files, a table of a DuckDB file such as shop.duckdb:main.orders, or write a source with its type", path)
		}
		root, pattern := splitPattern(absolute(dir, path))
		return models.PathMeaning{Type: "files", Set: func(options, stream any) {
			options.(*files.Options).Root, stream.(*files.StreamOptions).Path = root, pattern
		}}, nil
	}
}

// textTable reads a CSV or JSON file as the files source does, which tells a header from a row and a record that is no row by
// its line, into Parquet files below dir, which w may touch.
func (a *app) textTable(ctx context.Context, w warehouse.Warehouse, path, dir string) (*pipeline.AtSource, error) {
	in, err := a.loading(ctx, false)
	if err != nil {
		return nil, err
	}
	if in.Dir, err = os.Getwd(); err != nil {
		return nil, err
	}
	p, problems := models.GivenTables(in, models.TablesFile{Name: path, Path: meaningIn(in.Dir)}, []models.Given{{Table: tableName(path), From: path}})
	if err := a.usable(problems); err != nil {
		return nil, err
	}
	e, err := a.bareEngine(p)
	if err != nil {
		return nil, err
	}
	got, err := e.AtSource(ctx, w, p.Nodes[0], nil, dir)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return got, nil
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// splitPattern parts a path before its first wildcard, or before the file's name.
func splitPattern(path string) (root, pattern string) {
	root = path
	for strings.ContainsAny(root, "*?[") || root == path {
		root = filepath.Dir(root)
	}
	return root, strings.TrimPrefix(strings.TrimPrefix(path, root), string(filepath.Separator))
}

// judge judges tables of a checks file in a folder of its own, of which nothing stays.
func (a *app) judge(ctx context.Context, p *models.Project, nodes []*models.Node) (*pipeline.Checked, error) {
	e, err := a.bareEngine(p)
	if err != nil {
		return nil, err
	}
	dir, remove, err := fsx.TempFolder("", "millrace-check-")
	if err != nil {
		return nil, err
	}
	defer remove()
	return e.Judge(ctx, nodes, dir, func(ctx context.Context, n *models.Node, dir string) ([]string, error) {
		path := absolute(p.Dir, n.From)
		if file, table, ok := databaseTable(path); ok {
			return copyTable(ctx, file, table, dir, warehouse.Config{Memory: e.Memory * 6 / 10, Threads: e.Threads})
		}
		return parquetFiles(path)
	})
}

// copyTable copies a table of a DuckDB file into a Parquet file below dir.
func copyTable(ctx context.Context, file string, table warehouse.Name, dir string, cfg warehouse.Config) ([]string, error) {
	cfg.Temp, cfg.Dirs = filepath.Join(dir, "spill"), []string{dir}
	db, query, err := openDatabase(ctx, file, table, cfg)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	copied, err := db.Write(ctx, query, filepath.Join(dir, "rows.parquet"))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	return []string{copied.Path}, nil
}

// parquetFiles are the files that a path means: itself, or those that match it as a pattern.
func parquetFiles(path string) ([]string, error) {
	if exists(path) {
		path, err := readable(path)
		return []string{path}, err
	}
	if !strings.ContainsAny(path, "*?[") {
		_, err := os.Stat(path)
		return nil, err
	}
	matches, err := filepath.Glob(path)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", path, err)
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("no file matches %s", path)
	}
	for i, m := range matches {
		if matches[i], err = readable(m); err != nil {
			return nil, err
		}
	}
	return matches, nil
}
