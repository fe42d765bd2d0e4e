package models

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/fileread"
)

// This file finds what stands behind the sources of dbt's properties files. dbt reads the tables where they are; here a source's rows come in
// like any others, are counted, and published under the source's name. What provides a table is, in this order: a stream of the
// project's own; files that external_location names; a seed or model that makes the table of that schema and name; the DuckDB file of the
// profile.

// dbtSources makes streams of the tables that no source of the project's own provides.
func (l *loader) dbtSources() {
	made := &sourceGroups{by: map[string]*sourceGroup{}, defined: map[string]config.Pos{}}
	for _, s := range l.sourceProps {
		if l.p.Source(s.Name) != nil {
			continue
		}
		scans := l.scans(s)
		for i := range s.Tables {
			l.provide(made, s, &s.Tables[i], scans)
		}
	}
	for _, key := range made.order {
		g := made.by[key]
		l.madeSource(g.name, g.kind, g.options, g.streams, g.places)
	}
}

// sourceGroups are the sources that are made, each of the tables of one source that are of one kind: some of its tables may be in files, and
// others in a database.
type sourceGroups struct {
	order []string
	by    map[string]*sourceGroup

	defined map[string]config.Pos // tables, by package, source and name
}

type sourceGroup struct {
	name, kind string
	options    map[string]any
	streams    []map[string]any
	places     []config.Pos
}

func (all *sourceGroups) add(name, kind string, options, stream map[string]any, pos config.Pos) {
	key := kind + " " + name
	g := all.by[key]
	if g == nil {
		g = &sourceGroup{name: name, kind: kind, options: options}
		all.by[key], all.order = g, append(all.order, key)
	}
	g.streams, g.places = append(g.streams, stream), append(g.places, pos)
}

// provide finds what provides a table of a source.
func (l *loader) provide(made *sourceGroups, s *sourceProperties, t *tableProperties, scans bool) {
	schema, identifier, id := s.schema(), cmp.Or(t.Identifier, t.Name), s.Name+"."+t.Name
	said := l.sourceSettings(s, t)
	if s.Overrides.IsNull() && l.isEnabled(said) {
		pos, key := t.Origin.At("name"), s.pkg.label()+":"+id
		if other, twice := made.defined[key]; twice {
			l.problem(pos, "take one of them out", "source %q has two tables named %q; the other is at %s", s.Name, t.Name, other)
			return
		}
		made.defined[key] = pos
	}
	location, at := externalLocation(said)
	switch {
	case !l.isEnabled(said):
		l.p.absent[id] = Absent{Why: "it is disabled"}
	case location != "" && scans:
		read := scanOf(expand(location, s.Name, t.Name, schema, identifier))
		if trouble := l.scanTrouble(read); trouble != nil {
			l.p.absent[id] = Absent{schema, identifier, trouble.Why}
			l.warning(at, trouble.Hint, "external_location: %s", trouble.Why)
			return
		}
		made.add(s.Name, "scan", map[string]any{}, map[string]any{"name": t.Name, "read": read}, at)
	case location != "":
		file, csv, why := locatedFile(expand(location, s.Name, t.Name, schema, identifier))
		if why != "" {
			l.p.absent[id] = Absent{schema, identifier, why}
			l.warning(at, "name a file or a pattern: data/*.parquet; or define the source in "+ProjectFile, "external_location: %s", why)
			return
		}
		made.add(s.Name, "files", map[string]any{}, locatedStream(t.Name, file, csv), at)
	case l.providedBy(schema, identifier) != nil:
		l.p.sourced[id] = l.providedBy(schema, identifier)
	case l.databaseExists():
		made.add(s.Name, "duckdb", map[string]any{"path": l.dbtDatabase},
			map[string]any{"name": schema + "." + identifier, "as": t.Name}, t.Origin.At("name"))
	default:
		why := fmt.Sprintf("no seed or model makes %s.%s%s, and it names no files", schema, identifier, l.madeElsewhere(identifier))
		if pos, off := l.disabled[identifier]; off {
			why = fmt.Sprintf("%s, which would make %s.%s, is disabled", pos.File, schema, identifier)
		}
		l.p.absent[id] = Absent{schema, identifier, why}
	}
}

// madeElsewhere says of which seed or model a source's table may be meant: one of that name in another schema.
func (l *loader) madeElsewhere(identifier string) string {
	for _, n := range l.p.Nodes {
		if n.Kind != KindStream && strings.EqualFold(n.Table, identifier) {
			return fmt.Sprintf(" (%s makes %s: is schema: %s meant?)", n.Pos.File, n.Name(), n.Schema)
		}
	}
	return ""
}

// schema is the one that dbt looks for the source's tables in.
func (s *sourceProperties) schema() string { return cmp.Or(s.Schema, s.Name) }

// scans says whether a source's tables are read as DuckDB reads them: the location of one is SQL that says more than how a file is written.
func (l *loader) scans(s *sourceProperties) bool {
	if l.Trees == nil {
		return false
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		location, _ := externalLocation(l.sourceSettings(s, t))
		if location == "" {
			continue
		}
		text := expand(location, s.Name, t.Name, s.schema(), cmp.Or(t.Identifier, t.Name))
		if _, _, why := locatedFile(text); why != "" && strings.Contains(text, "(") {
			return true
		}
	}
	return false
}

// scanOf is a location as a SELECT has it behind FROM.
func scanOf(location string) string {
	text := strings.TrimSpace(location)
	if strings.HasPrefix(text, "'") || strings.Contains(text, "(") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// scanTrouble says why a location cannot be read; nil when it can.
func (l *loader) scanTrouble(read string) *fileread.Trouble {
	const hint = "write what a SELECT has behind FROM: a path, read_csv('data/x.csv'), or a query in brackets"
	trees, err := l.Trees(l.Context, []string{"SELECT * FROM " + read})
	if err != nil {
		return &fileread.Trouble{Why: err.Error()}
	}
	reads, err := fileread.Find([]byte(trees[0]))
	if err != nil {
		return &fileread.Trouble{Why: fmt.Sprintf("%s is no SQL that DuckDB reads", read), Hint: hint}
	}
	for _, r := range reads {
		if r.Trouble != nil {
			return r.Trouble
		}
	}
	return nil
}

// databaseExists says whether there is a DuckDB file where the profile says: it may have been made by something else than dbt.
func (l *loader) databaseExists() bool {
	if l.dbtDatabase == "" || exists(l.Files, l.dbtDatabase) {
		return l.dbtDatabase != ""
	}
	file := filepath.FromSlash(l.dbtDatabase)
	if !filepath.IsAbs(file) {
		file = filepath.Join(l.Dir, file)
	}
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

// providedBy is the seed or model that makes a table.
func (l *loader) providedBy(schema, table string) *Node {
	n := l.tables[strings.ToLower(schema+"."+table)]
	if n == nil || n.Kind == KindStream {
		return nil
	}
	return n
}

// sourceSettings are what configures a table of a source: the trees of dbt_project.yml, its source, and itself. What comes later wins.
func (l *loader) sourceSettings(s *sourceProperties, t *tableProperties) []setting {
	fqn := append(s.pkg.fqn(s.pkg.allPaths(), s.Pos().File, s.Name), t.Name)
	said := l.cascade(s.pkg, sourceTree, fqn)
	for _, of := range []struct{ meta, config config.Node }{{s.Meta, s.Config}, {t.Meta, t.Config}} {
		if of.meta.IsMapping() {
			said = append(said, setting{"meta", l.goValue(of.meta), templateValue(of.meta), of.meta.Pos(), of.meta.Pos()})
		}
		for key, value := range of.config.All() {
			said = append(said, l.settingOf(of.config, key, value))
		}
	}
	return append(said, l.overruled(s.pkg, sourceTree, fqn)...)
}

// externalLocation is where dbt-duckdb finds the table's files; "" for nowhere. It is a key of the configuration, or else of meta.
func externalLocation(said []setting) (location string, at config.Pos) {
	const key = "external_location"
	for _, s := range said {
		if meta, ok := s.value.(map[string]any); ok && s.key == "meta" {
			if text, ok := meta[key].(string); ok {
				location, at = text, s.pos
			}
		}
	}
	for _, s := range said {
		if text, ok := s.value.(string); ok && s.key == key {
			location, at = text, s.pos
		}
	}
	return location, at
}

// sourceKeysKnown are what the trees of dbt_project.yml may say of sources.
var sourceKeysKnown = []string{"enabled", "meta", "tags", "external_location", "event_time", "quoting", "description", "freshness",
	"loaded_at_field", "loaded_at_query"}

// sourceTags are the tags that dbt_project.yml gives a source's table. What it says besides and has no effect is named.
func (l *loader) sourceTags(s *sourceProperties, t *tableProperties) []string {
	fqn := append(s.pkg.fqn(s.pkg.allPaths(), s.Pos().File, s.Name), t.Name)
	var tags []string
	for _, said := range append(l.cascade(s.pkg, sourceTree, fqn), l.overruled(s.pkg, sourceTree, fqn)...) {
		switch {
		case said.key == "tags":
			tags = append(tags, texts(said.value)...)
		case said.key == "freshness" || strings.HasPrefix(said.key, "loaded_at_"):
			l.noEffect(said, "it is no check: "+freshnessHint)
		case !slices.Contains(sourceKeysKnown, said.key) && !slices.Contains(ofOthers, said.key):
			l.noEffect(said, "sources have no such configuration, in dbt neither: what names a source stands in its properties file")
		}
	}
	return tags
}

var placeholder = regexp.MustCompile(`\{(\w+)(?:\.(\w+))?\}`)

// expand puts the names of a table into {name}, {identifier}, {schema} and {source_name}, as Python's format does.
func expand(location, source, name, schema, identifier string) string {
	values := map[string]string{"name": name, "identifier": identifier, "schema": schema, "source_name": source}
	return placeholder.ReplaceAllStringFunc(location, func(s string) string {
		if v, ok := values[strings.Trim(s, "{}")]; ok {
			return v
		}
		return s
	})
}

var readerCall = regexp.MustCompile(`(?is)^\s*(?:read_parquet|parquet_scan|read_csv|read_csv_auto|read_json|read_json_auto)\s*\(\s*(.*?)\s*\)\s*$`)

// readerOptions are those of DuckDB's readers that a stream of files has too, by its name for them; "" changes nothing here.
var readerOptions = map[string]string{"header": "header", "delim": "delimiter", "sep": "delimiter", "quote": "quote", "escape": "escape", "nullstr": "null",
	"skip": "skip", "dateformat": "date_format", "timestampformat": "timestamp_format", "comment": "comment", "decimal_separator": "decimal",
	"auto_detect": "", "union_by_name": "", "filename": ""}

var readerOption = regexp.MustCompile(`(?s)^\s*,\s*(\w+)\s*=\s*('[^']*'|\w+)\s*`)

// locatedFile is the path that an external location names: plainly, in quotes, or as the first argument of a function that reads it, whose
// other arguments say how CSV is written.
func locatedFile(location string) (file string, csv map[string]any, why string) {
	text := strings.TrimSpace(location)
	m := readerCall.FindStringSubmatch(text)
	if m != nil {
		text = m[1]
	}
	switch unquoted, ok := strings.CutPrefix(text, "'"); {
	case ok:
		inner, rest, closed := strings.Cut(unquoted, "'")
		if !closed || m == nil && rest != "" {
			return "", nil, "it is SQL: only a path, or a function that reads it, is understood"
		}
		if csv, why = optionsOf(rest); why != "" {
			return "", nil, why
		}
		text = inner
	case m != nil || strings.ContainsAny(text, "()"):
		return "", nil, "it is SQL: only a path, or a function that reads it, is understood"
	}
	if strings.Contains(text, "://") {
		return "", nil, "files of other machines are read by sources of " + ProjectFile
	}
	return path.Clean(text), csv, ""
}

// optionsOf reads the arguments behind the path.
func optionsOf(text string) (csv map[string]any, why string) {
	csv = map[string]any{}
	for strings.TrimSpace(text) != "" {
		m := readerOption.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Sprintf("the options from %q on are not understood", strings.TrimLeft(text, ", "))
		}
		key, known := readerOptions[strings.ToLower(m[1])]
		switch value := strings.Trim(m[2], "'"); {
		case !known, key == "" && strings.EqualFold(m[1], "filename") && strings.EqualFold(value, "true"):
			return nil, fmt.Sprintf("the option %s is not there", m[1])
		case key == "header":
			csv[key] = strings.ToLower(value)
		case key == "skip":
			csv[key] = json.Number(value)
		case key != "":
			csv[key] = value
		}
		text = text[len(m[0]):]
	}
	return csv, ""
}

// madeSource makes a source of the project as if millrace.yml had it. Problems stand where dbt's files name the table.
func (l *loader) madeSource(name, kind string, options map[string]any, streams []map[string]any, places []config.Pos) {
	options["type"], options["streams"] = kind, streams
	if kind == "files" {
		l.rootOf(options, streams)
	}
	text, err := json.Marshal(options)
	if err != nil {
		l.problem(places[0], "", "source %q: %v", name, err)
		return
	}
	f, problems := config.Parse(places[0].File, text)
	if problems.HasErrors() {
		l.problem(places[0], "", "source %q: %s", name, problems[0].Message)
		return
	}
	before, sources := len(l.problems), len(l.p.Sources)
	l.source(name, f.Root(nil), places[0])
	for i := before; i < len(l.problems); i++ {
		p := places[0].Problem(l.problems[i].Message, l.problems[i].Hint)
		p.Severity = l.problems[i].Severity
		l.problems[i] = p
	}
	if len(l.p.Sources) > sources {
		s := l.p.Sources[sources]
		l.madeFor[s] = true
		for i, st := range s.Streams {
			l.made[st], st.OfDBT = true, true
			l.streamPlace(st, places[min(i, len(places)-1)])
		}
	}
}

// locatedStream is a stream of a file that dbt-duckdb reads: as DuckDB names its columns, so does it.
func locatedStream(name, file string, csv map[string]any) map[string]any {
	st := map[string]any{"name": name, "path": file}
	if ext := path.Ext(strings.TrimSuffix(file, ".gz")); ext == ".csv" || ext == ".tsv" {
		if csv == nil {
			csv = map[string]any{}
		}
		csv["duplicates"] = "number"
		st["csv"] = csv
	}
	return st
}

// dropUnread leaves out the tables of dbt's sources that nothing reads: dbt does not look at them either.
func (l *loader) dropUnread() {
	read := map[*Node]bool{}
	for _, n := range l.p.Nodes {
		for _, other := range slices.Concat(n.Needs, n.After) {
			read[other] = true
		}
		for _, c := range n.Checks {
			for _, other := range c.Reads {
				read[other] = true
			}
		}
	}
	unread := func(n *Node) bool { return n.Stream != nil && l.made[n.Stream] && !read[n] && len(n.Checks) == 0 }
	l.p.Nodes = slices.DeleteFunc(l.p.Nodes, func(n *Node) bool {
		if !unread(n) {
			return false
		}
		delete(l.p.byName, n.Name())
		n.Stream.Source.Streams = slices.DeleteFunc(n.Stream.Source.Streams, func(st *Stream) bool { return st == n.Stream })
		return true
	})
	l.p.Sources = slices.DeleteFunc(l.p.Sources, func(s *Source) bool { return len(s.Streams) == 0 && l.madeFor[s] })
}

// rootOf lets a source of files read outside of the project's folder, as dbt's do: paths that lead out of it are said from a folder above.
func (l *loader) rootOf(options map[string]any, streams []map[string]any) {
	above := 0
	for _, st := range streams {
		file := st["path"].(string)
		if path.IsAbs(file) {
			above = strings.Count(filepath.ToSlash(l.Dir), "/")
		} else {
			above = max(above, strings.Count(file, "../"))
		}
	}
	if above == 0 {
		return
	}
	root := l.Dir
	for range above {
		root = filepath.Dir(root)
	}
	options["root"] = root
	for _, st := range streams {
		file := st["path"].(string)
		if !path.IsAbs(file) {
			file = path.Join(filepath.ToSlash(l.Dir), file)
		}
		st["path"] = strings.TrimPrefix(strings.TrimPrefix(file, filepath.ToSlash(root)), "/")
	}
}

// streamPlace moves a stream's node to where dbt's files name it.
func (l *loader) streamPlace(st *Stream, pos config.Pos) {
	for _, n := range l.p.Nodes {
		if n.Stream == st {
			n.Pos, n.Path = pos, pos.File
		}
	}
}

// provideHint is what to do about a table that nothing provides.
const provideHint = "define the source in " + ProjectFile + ", name its files by external_location, or load it as a seed"

// absentSource reports a source() that dbt's files name, and that nothing provides; it is false where they name none. Where the table is
// only missing, as it may be for dbt, a run fails what reads it, and builds the rest: that is a warning.
func (l *loader) absentSource(r reference) bool {
	if a, absent := l.p.absent[r.source+"."+r.name]; absent {
		l.unknown(r, fmt.Sprintf("source(%q, %q): %s", r.source, r.name, a.Why), r.name, nil, provideHint)
		if a.Table != "" {
			l.problems[len(l.problems)-1].Severity = config.SeverityWarning
		}
		return true
	}
	var tables []string
	for _, s := range l.sourceProps {
		if s.Name == r.source {
			for _, t := range s.Tables {
				tables = append(tables, t.Name)
			}
		}
	}
	if len(tables) == 0 {
		return false
	}
	l.unknown(r, fmt.Sprintf("source(%q, %q): the source has no such table", r.source, r.name), r.name, tables, "")
	return true
}

// HasTable says whether the project makes or reads a table of that name, in whatever schema.
func (p *Project) HasTable(name string) bool {
	return slices.ContainsFunc(p.Nodes, func(n *Node) bool { return strings.EqualFold(n.Table, name) || strings.EqualFold(n.RefName(), name) }) ||
		slices.ContainsFunc(p.declared, func(d *declared) bool {
			return strings.EqualFold(d.asWritten, name) || strings.EqualFold(d.table.Name, name)
		})
}
