package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
)

func (a *app) initCommand() *cobra.Command {
	var from, name string
	c := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "make a project, also from a folder of your files or from a database",
		Long: "Makes a project in a folder, the current one when none is named. --from looks through a folder of CSV, JSON,\n" +
			"Parquet and Arrow files and makes a stream of each, or of each series such as orders_2024-01-01.csv; or it asks the\n" +
			"database that a URL names, and makes a stream of each table. The password of a URL is written nowhere: the project\n" +
			"takes it from an environment variable. Files and tables stay as they are; an existing project is left alone,\n" +
			"one of dbt too, which needs no init: `millrace run` runs it.\n",
		Example: "  millrace init shop\n  millrace init --from ~/exports shop && cd shop && millrace run\n  millrace init --from 'postgres://reader:${PASSWORD}@db.example.com/shop' shop",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			folder := a.dir
			if len(args) == 1 {
				folder = filepath.Join(a.dir, args[0])
				if filepath.IsAbs(args[0]) {
					folder = args[0]
				}
			}
			return a.init(c.Context(), folder, from, name)
		},
	}
	c.Flags().StringVar(&from, "from", "", "folder with data files, or URL of a database, to make streams of")
	c.Flags().StringVar(&name, "name", "", "name of the project (default the folder's)")
	return c
}

// found is what init --from made of a folder or of a database.
type found struct {
	Project   string        `json:"project"`
	Folder    string        `json:"folder"`
	Source    string        `json:"source,omitempty"`
	Root      string        `json:"root,omitempty"`
	Type      string        `json:"type,omitempty"`      // of a database…
	URL       string        `json:"url,omitempty"`       // …as the project has it
	Variables []string      `json:"variables,omitempty"` // to set before a run
	Streams   []foundStream `json:"streams"`
	Skipped   []string      `json:"skipped"`
	Notes     []string      `json:"notes,omitempty"`
	Written   []string      `json:"written"`

	discovered []extract.Discovered // what Streams were made of, when Type is set
	names      map[string]string    // of the published tables, by those of discovered
}

type foundStream struct {
	Name       string              `json:"name"`
	Path       string              `json:"path,omitempty"`
	Files      []string            `json:"files,omitempty"`
	Bytes      int64               `json:"bytes"`
	Discovered *extract.Discovered `json:"discovered,omitempty"`
}

func (a *app) init(ctx context.Context, folder, from, name string) error {
	dir, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, models.ProjectFile)); err == nil {
		return usage("there is a project already: %s; nothing was changed", filepath.Join(dir, models.ProjectFile))
	}
	if _, err := os.Lstat(filepath.Join(dir, models.DBTFile)); err == nil {
		return &advice{usage("%s is a project of dbt, which needs no init; nothing was changed", dir),
			"`millrace run` runs it as it is; a " + models.ProjectFile + " beside " + models.DBTFile + ", written by hand, " +
				"adds what dbt has no words for, " +
				"sources and schedules among it; its first line is `name: " + cmp.Or(name, identifier(filepath.Base(dir), "project")) + "`"}
	}
	if name == "" {
		name = identifier(filepath.Base(dir), "project")
	}
	out := found{Project: name, Folder: dir, Streams: []foundStream{}, Skipped: []string{}}
	switch {
	case strings.Contains(from, "://"):
		err = out.ask(ctx, a, from)
	case from != "":
		err = out.look(from)
	}
	if err != nil {
		return err
	}
	if err := out.write(); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(out)
	}
	if out.Type != "" {
		a.printDatabase(out, folder)
	} else {
		a.printInit(out, folder)
	}
	return nil
}

var dataFile = regexp.MustCompile(`(?i)^(.+)\.((?:csv|tsv)(?:\.gz|\.zst)?|(?:json|ndjson|jsonl)(?:\.gz|\.zst)?|parquet|pq|arrow|arrows|feather|ipc)$`)

// look groups the data files below from into streams.
func (f *found) look(from string) error {
	root, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	info, err := os.Stat(root)
	if err != nil {
		return usage("--from %s: %w", from, err)
	}
	if !info.IsDir() {
		return usage("--from %s: it is a file; name the folder that it is in", from)
	}
	groups := map[string]*foundStream{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		hidden := rel != "." && strings.HasPrefix(d.Name(), ".")
		switch {
		case d.IsDir() && (hidden || path == f.Folder && path != root || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || hidden:
			return nil
		}
		m := dataFile.FindStringSubmatch(d.Name())
		info, err := d.Info()
		if m == nil || err != nil || !info.Mode().IsRegular() || strings.ContainsAny(rel, "*?[]{}\\\n\r") {
			f.Skipped = append(f.Skipped, rel)
			return nil
		}
		folder := ""
		if i := strings.LastIndex(rel, "/"); i >= 0 {
			folder = rel[:i+1]
		}
		stem, pattern := generalise(m[1])
		key := folder + pattern + "." + m[2]
		g := groups[key]
		if g == nil {
			g = &foundStream{Name: stem, Path: key}
			groups[key] = g
		}
		g.Files = append(g.Files, rel)
		g.Bytes += info.Size()
		return nil
	})
	if err != nil {
		return fmt.Errorf("look through %s: %w", from, err)
	}
	if len(groups) == 0 {
		hint := "it is empty"
		if len(f.Skipped) > 0 {
			hint = "it has only " + strings.Join(f.Skipped[:min(5, len(f.Skipped))], ", ")
		}
		return usage("--from %s: no CSV, TSV, JSON, Parquet or Arrow files: %s", from, hint)
	}
	f.place(root, apart(root, groups))
	return nil
}

// apart sees to it that no pattern finds a file of another stream: it narrows the wildcards to digits, and where that
// does not help, or the files have other columns, gives each file a stream of its own.
func apart(root string, groups map[string]*foundStream) map[string]*foundStream {
	out := map[string]*foundStream{}
	for key, g := range groups {
		narrow := strings.ReplaceAll(key, "*", "[0-9]*")
		switch {
		case len(g.Files) == 1:
			if g.Path = series(g.Files[0]); g.Path == "" || strays(g.Path, g, groups) {
				g.Path = g.Files[0]
			}
			out[key] = g
		case alike(root, g.Files) && !strays(key, g, groups):
			out[key] = g
		case alike(root, g.Files) && !strays(narrow, g, groups):
			g.Path = narrow
			out[narrow] = g
		default:
			for _, file := range g.Files {
				one := &foundStream{Path: file, Files: []string{file}}
				if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err == nil {
					one.Bytes = info.Size()
				}
				out[file] = one
			}
		}
	}
	return out
}

// series is the pattern of a file, and of those that will follow it, when its name ends in a number or a date; else "".
func series(file string) string {
	folder, name := path.Split(file)
	m := dataFile.FindStringSubmatch(name)
	if !endsInDigits(m[1]) {
		return ""
	}
	return folder + lastNumber.ReplaceAllString(m[1], "[0-9]*") + "." + m[2]
}

var lastNumber = regexp.MustCompile(`[0-9]+(?:[-_.T][0-9]+)*$`)

// alike says whether plain CSV files begin with the same line: file1.csv and file2.csv need not be one table. Other
// formats are taken for alike.
func alike(root string, files []string) bool {
	first := ""
	for i, file := range files {
		low := strings.ToLower(file)
		if !strings.HasSuffix(low, ".csv") && !strings.HasSuffix(low, ".tsv") {
			return true
		}
		line := firstLineOf(filepath.Join(root, filepath.FromSlash(file)))
		if i > 0 && line != first && line != "" && first != "" && !hasDigitsOnly(line) {
			return false
		}
		if first == "" {
			first = line
		}
	}
	return true
}

// hasDigitsOnly takes a line for data, not for names: it has no letter.
func hasDigitsOnly(line string) bool {
	return !strings.ContainsFunc(line, unicode.IsLetter)
}

func firstLineOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 8<<10)
	n, _ := io.ReadFull(f, head)
	line, _, _ := strings.Cut(strings.TrimPrefix(string(head[:n]), "\ufeff"), "\n")
	return strings.TrimSpace(line)
}

func strays(pattern string, own *foundStream, groups map[string]*foundStream) bool {
	for _, g := range groups {
		if g == own {
			continue
		}
		for _, file := range g.Files {
			if ok, err := path.Match(pattern, file); ok || err != nil {
				return true
			}
		}
	}
	return false
}

// place names the streams and says where their files are, seen from the project.
func (f *found) place(root string, groups map[string]*foundStream) {
	home := f.Folder
	if real, err := filepath.EvalSymlinks(existing(home)); err == nil {
		home = filepath.Join(real, strings.TrimPrefix(home, existing(home)))
	}
	prefix := ""
	if rel, err := filepath.Rel(home, root); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		if rel != "." {
			prefix = filepath.ToSlash(rel) + "/"
		}
	} else {
		f.Root = root
	}
	f.Source = identifier(filepath.Base(root), "files")
	taken := map[string]bool{}
	var keys []string
	for key := range groups {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		g := groups[key]
		if len(g.Files) == 1 {
			m := dataFile.FindStringSubmatch(path.Base(g.Files[0]))
			if stem := identifier(m[1], ""); g.Name == "" || !taken[stem] && !endsInDigits(m[1]) {
				g.Name = m[1]
			}
		}
		g.Name = free(identifier(g.Name, identifier(strings.TrimSuffix(g.Path, "/"), "data")), taken)
		taken[strings.ToLower(g.Name)] = true
		g.Path = prefix + g.Path
		f.Streams = append(f.Streams, *g)
	}
}

func endsInDigits(s string) bool { return s != "" && s[len(s)-1] >= '0' && s[len(s)-1] <= '9' }

// existing is the nearest folder above path that is there.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

func free(name string, taken map[string]bool) string {
	for i, base := 2, name; taken[strings.ToLower(name)]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	return name
}

// digits finds what counts up in a series of files: numbers, and what joins them in a date or time.
var digits = regexp.MustCompile(`[0-9]+(?:[-_.T][0-9]+)*Z?`)

// generalise takes the numbers out of a file's name: the name of the series, and the pattern that finds it.
func generalise(stem string) (name, pattern string) {
	if !digits.MatchString(stem) {
		return stem, stem
	}
	pattern = digits.ReplaceAllString(stem, "*")
	name = strings.Trim(digits.ReplaceAllString(stem, ""), " _-.")
	for strings.Contains(pattern, "**") {
		pattern = strings.ReplaceAll(pattern, "**", "*")
	}
	return name, pattern
}

// identifier makes a name that SQL needs no quotes for; otherwise when nothing is left.
func identifier(s, otherwise string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9' && b.Len() > 0:
			b.WriteRune(c)
		case c >= '0' && c <= '9':
			b.WriteString("t" + string(c))
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	name := strings.TrimRight(b.String(), "_")
	if name == "" {
		return otherwise
	}
	if reserved[name] {
		name += "_table"
	}
	return name[:min(len(name), 60)]
}

// reserved are the words of SQL that people call their files, and schemas that the engine keeps for itself.
var reserved = map[string]bool{
	"order": true, "group": true, "table": true, "select": true, "user": true, "from": true, "where": true, "column": true, "index": true, "references": true,
	"all": true, "case": true, "default": true, "end": true, "limit": true, "primary": true, "check": true, "constraint": true, "in": true, "to": true,
	"main": true, "system": true, "temp": true, "pg_catalog": true, "information_schema": true, "catalog": true,
}

func (f *found) write() error {
	schema, err := models.Schema(specs())
	if err != nil {
		return err
	}
	entity, err := models.EntitySchema(specs())
	if err != nil {
		return err
	}
	terms, err := models.TermsSchema(specs())
	if err != nil {
		return err
	}
	for _, sub := range []string{".", "models", ".millrace"} {
		mode := os.FileMode(0o755)
		if sub == ".millrace" {
			mode = 0o700
		}
		if err := os.MkdirAll(filepath.Join(f.Folder, sub), mode); err != nil {
			return fmt.Errorf("make project: %w", err)
		}
	}
	model, sql := f.model()
	files := []struct{ name, text string }{ // the project file last: it makes the folder a project
		{".millrace/schema.json", string(schema)},
		{".millrace/entity.json", string(entity)},
		{".millrace/terms.json", string(terms)},
		{".gitignore", ".millrace/\nwarehouse/\nwarehouse-*/\n"},
		{".gitattributes", "entities/*.decisions.csv merge=union\n"}, // two branches that each add rows are no conflict
		{"models/" + model, sql},
		{models.ProjectFile, f.yaml()},
	}
	for _, file := range files {
		path := filepath.Join(f.Folder, filepath.FromSlash(file.name))
		if _, err := os.Lstat(path); err == nil && !strings.HasPrefix(file.name, ".millrace/") {
			if err := addIgnored(path, file.name, file.text); err != nil {
				return err
			}
			continue
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := fsx.Write("init", path, []byte(file.text), 0o644); err != nil {
			return fmt.Errorf("make project: %w", err)
		}
		f.Written = append(f.Written, file.name)
	}
	return nil
}

// addIgnored leaves files that are there alone, but for the lines that git's need.
func addIgnored(path, name, text string) error {
	if name != ".gitignore" && name != ".gitattributes" {
		return nil
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for line := range strings.Lines(string(old)) {
		have[strings.Trim(strings.TrimSpace(line), "/")] = true
	}
	more := ""
	for line := range strings.Lines(text) {
		if !have[strings.Trim(strings.TrimSpace(line), "/")] {
			more += line
		}
	}
	if more == "" {
		return nil
	}
	if len(old) > 0 && !strings.HasSuffix(string(old), "\n") {
		more = "\n" + more
	}
	return fsx.Write("init", path, append(old, more...), 0o644)
}

const exampleStream = "orders"

// first is the stream to begin with: of a database, a table rather than a view.
func (f *found) first() string {
	for _, s := range f.Streams {
		if s.Discovered != nil && strings.Contains(s.Discovered.Kind, "table") {
			return s.Name
		}
	}
	return f.Streams[0].Name
}

// model is one model to begin with.
func (f *found) model() (name, sql string) {
	source, stream := "demo", exampleStream
	body := "select status, count(*) as orders, sum(amount) as amount\nfrom {{ source('demo', 'orders') }}\ngroup by status\norder by status\n"
	name = "orders_by_status"
	if len(f.Streams) > 0 {
		source, stream = f.Source, f.first()
		body = fmt.Sprintf("select *\nfrom {{ source('%s', '%s') }}\n", source, stream)
		name = "my_" + stream
	}
	return name + ".sql", fmt.Sprintf("{# A model is one SELECT; its file name is the name of its table. source('%s', '%s') is a stream of %s,\n"+
		"   and another model reads this one as ref('%s'). config() says how it is kept: view, table, incremental. #}\n"+
		"{{ config(materialized='table') }}\n\n%s", source, stream, models.ProjectFile, name, body)
}

func (f *found) yaml() string {
	var b strings.Builder
	b.WriteString("# yaml-language-server: $schema=.millrace/schema.json\n#\n" +
		"# A Millrace project. `millrace lint` checks it, `millrace plan` shows what a run would do, `millrace run` does it,\n" +
		"# `millrace query \"SHOW ALL TABLES\"` looks at the result. `millrace connectors show " + f.shownType() + "` lists every key.\n")
	fmt.Fprintf(&b, "name: %s\ntarget: local\n\ntargets:\n  # Tables are published as Parquet files in this folder, all tables of a run at once.\n  local: { type: local, path: warehouse }\n\nsources:\n", yamlScalar(f.Project))
	switch {
	case f.Type != "":
		b.WriteString(f.databaseYAML())
	case len(f.Streams) == 0:
		b.WriteString("  # Invented orders, to try things out. Files of yours would be:\n  #\n" +
			"  #   inbox:\n  #     type: files\n  #     streams:\n  #       - { name: contacts, path: \"inbox/contacts_*.csv\", mode: full, key: [id] }\n" +
			"  demo:\n    type: generate\n    streams:\n" +
			"      # mode: full reads everything each time; append reads each record once; incremental merges by key what changed.\n" +
			"      - name: orders\n        mode: full\n        key: [id]\n        rows: 1000\n")
	default:
		fmt.Fprintf(&b, "  %s:\n    type: files\n", f.Source)
		if f.Root != "" {
			fmt.Fprintf(&b, "    root: %s\n", yamlScalar(f.Root))
		}
		b.WriteString("    streams:\n" +
			"      # mode: full reads all files each time. append reads each file once. incremental merges by key: [..] what is new.\n" +
			"      # Types are guessed until they are pinned: millrace plan --pin writes them here.\n")
		for _, s := range f.Streams {
			fmt.Fprintf(&b, "      - name: %s\n", yamlScalar(s.Name))
			if len(s.Files) == 1 && strings.Contains(s.Path, "*") {
				fmt.Fprintf(&b, "        # so far only %s; new files with another number are read too\n", yamlScalar(s.Files[0]))
			}
			fmt.Fprintf(&b, "        path: %s\n        mode: full\n", yamlScalar(s.Path))
			if isJSONDocument(s.Path) {
				b.WriteString("        # records: items   # when the records are inside the document, under this key\n")
			}
		}
	}
	b.WriteString("\n# Nodes that run together, under one lock. Start it from cron: millrace run all\npipelines:\n  all: { select: [\"*\"] }\n")
	return b.String()
}

func (f *found) shownType() string {
	if f.Type != "" {
		return f.Type
	}
	return "files"
}

func isJSONDocument(path string) bool { return strings.HasSuffix(strings.ToLower(path), ".json") }

var plainScalar = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_/-]*$`)

// yamlScalar is a text in YAML. What could be read as anything else, or as a reference, is quoted; a $ is doubled.
func yamlScalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainScalar.MatchString(s) {
			return s
		}
	}
	return strings.ReplaceAll(yamlQuoted(s), "${", "$${")
}

// yamlQuoted is a text in YAML's double quotes. ${…} in it stays a reference.
func yamlQuoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.TrimSpace(b.String())
}

func (a *app) printInit(f found, folder string) {
	if len(f.Streams) > 0 {
		g := grid{header: []string{"STREAM", "FILES", "SIZE", "PATH"}, right: []bool{false, true, true}, width: a.terminalWidth()}
		for _, s := range f.Streams {
			g.add(f.Source+"."+s.Name, fmt.Sprint(len(s.Files)), bytesText(s.Bytes), s.Path)
		}
		_ = g.print(a.stdout)
	}
	if n := len(f.Skipped); n > 0 {
		more := ""
		if n > 20 {
			more = fmt.Sprintf(" and %d more", n-20)
		}
		a.out("skipped, not a kind of file that is read: %s%s", strings.Join(f.Skipped[:min(n, 20)], ", "), more)
	}
	a.out("made %s: %s", f.Folder, strings.Join(f.Written, ", "))
	table := "demo." + exampleStream
	if len(f.Streams) > 0 {
		table = f.Source + "." + f.Streams[0].Name
	}
	a.out("\nnext:")
	if folder != "." {
		a.out("  cd %s", folder)
	}
	a.out("  millrace plan\n  millrace run\n  millrace query \"SELECT * FROM %s LIMIT 10\"", table)
}
