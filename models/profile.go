package models

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file reads dbt's profiles.yml: the targets of a folder that has no targets of Millrace's.

const profilesFile = "profiles.yml"

// profile finds the profile that dbt_project.yml names, for the targets.
func (l *loader) profile(project config.Node) {
	name := project.Get("profile").Text()
	f := l.profiles()
	if f == nil || name == "" {
		return
	}
	f.Read11()
	l.renderYAML(f, "", func(at []string) bool { return len(at) != 2 || at[0] != name || at[1] != "target" })
	want := cmp.Or(l.Target, f.Root(nil).Get(name).Get("target").Text(), "default")
	// Of the outputs only the chosen one: the others may want variables that are not set here.
	l.renderYAML(f, "", func(at []string) bool { return len(at) < 3 || at[0] != name || at[2] != want })
	root := f.Root(nil)
	l.dbtProfile = root.Get(name)
	if l.dbtProfile.IsZero() {
		var known []string
		for key := range root.All() {
			if key != "config" {
				known = append(known, key)
			}
		}
		hint := "known profiles: " + strings.Join(known, ", ")
		if s := config.Suggest(name, known); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		l.warning(project.Get("profile").Pos(), hint, "%s has no profile %q: tables are published to warehouse/, in schema main", f.Name, name)
	}
}

// profiles parses profiles.yml where dbt looks for it: in the project, in DBT_PROFILES_DIR, in ~/.dbt. Nil where there is none.
func (l *loader) profiles() *config.File {
	if exists(l.Files, profilesFile) {
		return l.parse(profilesFile)
	}
	if l.Env == nil {
		return nil
	}
	var dirs []string
	if dir, ok := l.Env("DBT_PROFILES_DIR"); ok {
		dirs = append(dirs, dir)
	}
	if home, ok := l.Env("HOME"); ok {
		dirs = append(dirs, filepath.Join(home, ".dbt"))
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, profilesFile)
		if src, err := os.ReadFile(file); err == nil {
			l.given[file] = src
			return l.parse(file)
		}
	}
	return nil
}

// profileTargets makes targets of the profile's outputs. Each is a folder: DuckDB's own file could not be published to as a whole, while
// others read it. Outputs of other engines are there by name only.
func (l *loader) profileTargets() {
	want, pos := l.dbtProfile.Get("target").Text(), l.dbtProfile.Get("target").Pos()
	if want == "" {
		want = "default"
	}
	l.p.DefaultTarget = want
	if l.Target != "" {
		want, pos = l.Target, config.Pos{File: "--target"}
	}
	var known []string
	for name, output := range l.dbtProfile.Get("outputs").All() {
		t := &Target{}
		_ = config.Node{}.Decode(t) // the defaults
		t.Name, t.Type, t.Path, t.Origin = name, "local", "warehouse", output.Origin()
		if schema := output.Get("schema").Text(); schema != "" {
			t.Schema = schema
		}
		if name != l.p.DefaultTarget {
			t.Path = "warehouse-" + name // what one target holds is not the other's
		}
		l.p.Targets, known = append(l.p.Targets, t), append(known, name)
		if name != want {
			continue
		}
		l.p.Target = t
		if kind := output.Get("type").Text(); kind != "duckdb" {
			l.problem(plainPlace(output.Get("type").Pos()), "run it on DuckDB with an output of type duckdb, or define the target in "+ProjectFile,
				"output %q of the profile is of type %q: models run on DuckDB", name, kind)
		}
		l.p.output = l.outputFacts(output)
		l.database(output)
	}
	if l.p.Target == nil {
		hint := "known targets: " + strings.Join(known, ", ")
		if s := config.Suggest(want, known); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		l.problem(pos, hint, "unknown target %q", want)
	}
}

// outputFacts are what templates see of the chosen output as target, besides its name and its schema. What may be secret is not among them.
func (l *loader) outputFacts(output config.Node) map[string]any {
	facts := map[string]any{"profile_name": l.packages[0].keys.Profile, "threads": 1, "external_root": cmp.Or(output.Get("external_root").Text(), "."),
		"path": ":memory:", "settings": map[string]any{}}
	if file := output.Get("path").Text(); file != "" && !strings.Contains(file, ":") { // an address may have a token in it
		facts["path"] = file
	}
	if threads, err := strconv.Atoi(output.Get("threads").Text()); err == nil {
		facts["threads"] = threads
	}
	return facts
}

// plainPlace is a place whose line is not shown: a profile's may hold secrets under any name.
func plainPlace(pos config.Pos) config.Pos {
	return config.Pos{File: pos.File, Line: pos.Line, Column: pos.Column}
}

// databaseKeys are what an output of type duckdb may say and is of no importance here, or is read.
var databaseKeys = []string{"type", "path", "schema", "threads", "database", "settings", "config_options", "retries", "keep_open", "use_credential_provider",
	"is_ducklake", "disable_transactions", "external_root"}

// database reads what an output of type duckdb says besides: which file has the tables of sources that nothing else provides.
func (l *loader) database(output config.Node) {
	for key := range output.All() {
		if !slices.Contains(databaseKeys, key) {
			l.warning(plainPlace(output.Origin().Key(key)), "extensions, secrets and other databases are not opened: define what they hold as sources in "+ProjectFile,
				"%s of the profile has no effect", key)
		}
	}
	file := output.Get("path").Text()
	if file == "" || file == ":memory:" || strings.Contains(file, ":") {
		return
	}
	if !filepath.IsAbs(file) {
		file = path.Clean(filepath.ToSlash(file))
	}
	l.dbtDatabase = file
	l.p.Database = strings.TrimSuffix(path.Base(file), path.Ext(file))
}
