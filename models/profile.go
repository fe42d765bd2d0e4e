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

// profile finds the profile that dbt_project.yml names, or the command line, for the targets. A name that stands for a variable is not
// known where there is no environment.
func (l *loader) profile(project config.Node, isVariable bool) {
	name, pos, asked := project.Get("profile").Text(), project.Get("profile").Pos(), false
	if given, ok := l.environ("DBT_PROFILE"); ok {
		name, pos, asked = given, config.Pos{File: "DBT_PROFILE"}, true
	}
	if l.Profile != "" {
		name, pos, asked = l.Profile, config.Pos{File: "--profile"}, true
	}
	if name == "" {
		return
	}
	l.profileName = name
	f, in := l.profiles()
	if f == nil {
		if in == noProfiles && l.Env != nil && (asked || l.file.Targets.Len() == 0) { // without an environment nobody knows where others are
			l.noProfile(pos, asked, "write one: "+name+": { target: dev, outputs: { dev: { type: duckdb, path: dev.duckdb } } }",
				fmt.Sprintf("there is no %s in the project, in DBT_PROFILES_DIR or in ~/.dbt, which would have the profile %q", profilesFile, name))
		}
		return
	}
	f.Read11()
	l.rendersProfile(f, name)
	root := f.Root(nil)
	l.dbtProfile = root.Get(name)
	if !l.dbtProfile.IsZero() && !l.dbtProfile.Get("outputs").IsMapping() {
		l.problem(l.dbtProfile.Pos(), "write "+name+": { target: dev, outputs: { dev: { type: duckdb, path: dev.duckdb } } }",
			"profile %q has no outputs", name)
	}
	if l.dbtProfile.IsZero() {
		var known []string
		for key := range root.All() {
			if key != "config" {
				known = append(known, key)
			}
		}
		hint := config.DidYouMean(name, known, "known profiles: "+strings.Join(known, ", "))
		own := in == projectProfiles && l.file.Targets.Len() == 0 && !(isVariable && l.Env == nil)
		l.noProfile(pos, asked || own, hint, fmt.Sprintf("%s has no profile %q", f.Name, name))
	}
}

// noProfile tells that there is no profile of that name. It is a mistake where somebody asked for it, or has a file for this very
// project; that a machine does not know the profile of a project that was fetched hinders nobody.
func (l *loader) noProfile(pos config.Pos, mistake bool, hint, message string) {
	if mistake {
		l.problem(pos, hint, "%s", message)
		return
	}
	l.warning(pos, hint, "%s: %s", message, withoutProfile)
}

const withoutProfile = "tables are published to warehouse/, in schema main"

// environ is a variable of the environment by which dbt is told something; false where there is no environment, or it is empty.
func (l *loader) environ(name string) (string, bool) {
	if l.Env == nil {
		return "", false
	}
	value, _ := l.Env(name)
	return value, value != ""
}

// rendersProfile renders what of a profile is read: which output is meant, of which type it is, and what it says. Others may want variables
// that are not set here, and so may the connection of an engine that is not asked.
func (l *loader) rendersProfile(f *config.File, name string) {
	l.secretsInYAML = true
	defer func() { l.secretsInYAML = false }()
	only := func(read func(rest []string) bool) {
		l.renderYAML(f, "", func(at []string) bool { return len(at) < 2 || at[0] != name || !read(at[1:]) })
	}
	only(func(rest []string) bool { return len(rest) == 1 && rest[0] == "target" })
	profile := f.Root(nil).Get(name)
	given, _ := l.environ("DBT_TARGET")
	want := cmp.Or(l.Target, given, profile.Get("target").Text(), "default")
	only(func(rest []string) bool { return len(rest) == 3 && rest[1] == want && rest[2] == "type" })
	output := func() config.Node { return f.Root(nil).Get(name).Get("outputs").Get(want) }
	ours := output().Get("type").Text() == "duckdb"
	if l.Env == nil { // what variables stand for is not known
		l.outputValid(output(), ours)
	}
	only(func(rest []string) bool {
		return len(rest) > 2 && rest[1] == want && (ours || slices.Contains(schemaKeys, rest[2]) || slices.Contains(catalogKeys, rest[2]))
	})
	if l.Env != nil {
		l.outputValid(output(), ours)
	}
}

// outputValid looks at the values of an output that count. They are not shown: nobody knows what else stands beside them.
func (l *loader) outputValid(output config.Node, ours bool) {
	texts := slices.Concat(schemaKeys, catalogKeys)
	if ours {
		texts = []string{"schema", "database", "path"}
	}
	for _, key := range texts {
		if value := output.Get(key); value.IsList() || value.IsMapping() {
			l.problem(plainPlace(value.Pos()), "write "+key+": name", "%s of the profile must be a text", key)
		}
	}
	threads := output.Get("threads")
	if !ours || threads.IsNull() || isTemplate(threads.Text()) {
		return
	}
	if n, err := strconv.Atoi(threads.Text()); err != nil || n < 1 {
		l.problem(plainPlace(threads.Pos()), "write threads: 4", "threads of the profile must be a whole number above 0")
	}
}

// The keys by which outputs of other engines say the schema and the database.
var (
	schemaKeys  = []string{"schema", "dataset"}
	catalogKeys = []string{"dbname", "database", "project", "catalog"}
)

// profilesPlace is whose profiles.yml it is that was found.
type profilesPlace int

const (
	noProfiles      profilesPlace = iota // there is none
	projectProfiles                      // the project's, or that of --profiles-dir
	machineProfiles                      // of all projects of the machine
)

// profiles parses profiles.yml where dbt looks for it: in the folder that the command line names, or in the project, in DBT_PROFILES_DIR,
// in ~/.dbt. Nil where there is none, or it cannot be read, which is told.
func (l *loader) profiles() (f *config.File, in profilesPlace) {
	if l.ProfilesDir != "" {
		file := filepath.Join(l.ProfilesDir, profilesFile)
		src, err := os.ReadFile(file)
		if err != nil {
			l.problem(config.Pos{File: "--profiles-dir"}, "name the folder that has it", "%v", err)
			return nil, projectProfiles
		}
		l.given[file] = src
		return l.parseBy(file, config.ParseLast), projectProfiles
	}
	if exists(l.Files, profilesFile) {
		return l.parseBy(profilesFile, config.ParseLast), projectProfiles
	}
	var dirs []string
	if dir, ok := l.environ("DBT_PROFILES_DIR"); ok {
		dirs = append(dirs, dir)
	}
	if home, ok := l.environ("HOME"); ok {
		dirs = append(dirs, filepath.Join(home, ".dbt"))
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, profilesFile)
		if src, err := os.ReadFile(file); err == nil {
			l.given[file] = src
			return l.parseBy(file, config.ParseLast), machineProfiles
		}
	}
	return nil, noProfiles
}

// profileTargets makes targets of the profile's outputs. Each is a folder: DuckDB's own file could not be published to as a whole, while
// others read it. Outputs of other engines are folders too: models run on DuckDB.
func (l *loader) profileTargets() {
	want, pos := l.dbtProfile.Get("target").Text(), l.dbtProfile.Get("target").Pos()
	if want == "" {
		want = "default"
	}
	l.p.DefaultTarget = want
	if given, ok := l.environ("DBT_TARGET"); ok {
		want, pos = given, config.Pos{File: "DBT_TARGET"}
	}
	if l.Target != "" {
		want, pos = l.Target, config.Pos{File: "--target"}
	}
	var known []string
	for name, output := range l.dbtProfile.Get("outputs").All() {
		t := &Target{}
		_ = config.Node{}.Decode(t) // the defaults
		t.Name, t.Type, t.Path, t.Origin = name, "local", "warehouse", output.Origin()
		if schema := firstOf(output, schemaKeys); schema != "" && !isTemplate(schema) {
			t.Schema = schema
			if name == want && l.secretive(schema) {
				l.warning(plainPlace(output.Get("schema").Pos()), "name it by a variable that is no secret",
					"the schema of the profile is a secret, and is published as a name")
			}
		}
		if name != l.p.DefaultTarget {
			t.Path = "warehouse-" + name // what one target holds is not the other's
		}
		l.p.Targets, known = append(l.p.Targets, t), append(known, name)
		if name != want {
			continue
		}
		l.p.Target = t
		if kind := output.Get("type"); kind.Text() == "duckdb" {
			l.database(output)
		} else {
			l.otherEngine(t, output, kind)
		}
		l.p.output = l.outputFacts(output)
	}
	if l.p.Target == nil {
		hint := config.DidYouMean(want, known, "known targets: "+strings.Join(known, ", "))
		l.problem(pos, hint, "unknown target %q", want)
		l.p.standIn()
	}
}

// outputFacts are what templates see of the chosen output as target, besides its name and its schema. What has a secret in it is not among
// them: it would stand in compiled SQL.
func (l *loader) outputFacts(output config.Node) map[string]any {
	facts := map[string]any{"profile_name": l.profileName, "threads": 1,
		"external_root": ".", "path": ":memory:", "settings": map[string]any{}}
	for _, key := range []string{"external_root", "path"} {
		text := output.Get(key).Text()
		address := key == "path" && strings.Contains(text, ":") // which may have a token in it
		if text != "" && !address && !l.secretive(text) {
			facts[key] = text
		}
	}
	if threads, err := strconv.Atoi(output.Get("threads").Text()); err == nil {
		facts["threads"] = threads
	}
	return facts
}

// secretive says whether a text has a secret in it.
func (l *loader) secretive(text string) bool { return l.Redactor.Redact(text) != text }

// firstOf is the first of the keys that a mapping has.
func firstOf(of config.Node, keys []string) string {
	for _, key := range keys {
		if text := of.Get(key).Text(); text != "" {
			return text
		}
	}
	return ""
}

// otherEngine says what becomes of an output of another engine.
func (l *loader) otherEngine(t *Target, output, kind config.Node) {
	hint := "its tables are not there: sources are read from what " + ProjectFile + " defines, and SQL must be DuckDB's"
	if kind.Text() == "snowflake" {
		hint = "to bring the tables to Snowflake too, define targets: { " + t.Name + ": { type: snowflake, … } } in " + ProjectFile +
			": docs/snowflake.md"
	}
	l.p.Database = firstOf(output, catalogKeys)
	l.warning(plainPlace(kind.Pos()), hint,
		"output %q of the profile is of type %q: the project runs on DuckDB, and its tables are published to %s/, in schema %s",
		t.Name, kind.Text(), t.Path, t.Schema)
}

// plainPlace is a place whose line is not shown: a profile's may hold secrets under any name.
func plainPlace(pos config.Pos) config.Pos {
	return config.Pos{File: pos.File, Line: pos.Line, Column: pos.Column}
}

// databaseKeys are what an output of type duckdb may say and is of no importance here, or is read.
var databaseKeys = []string{"type", "path", "schema", "threads", "database", "settings", "config_options", "retries", "keep_open", "use_credential_provider",
	"is_ducklake", "disable_transactions", "external_root"}

// harmlessSettings of DuckDB change how it works, and not what it answers.
var harmlessSettings = []string{"threads", "memory_limit", "max_memory", "temp_directory", "max_temp_directory_size",
	"preserve_insertion_order", "enable_progress_bar", "enable_object_cache", "http_timeout", "http_retries", "checkpoint_threshold",
	"wal_autocheckpoint", "allow_unsigned_extensions", "custom_user_agent"}

// builtIn are extensions that are part of the engine.
var builtIn = []string{"json", "parquet", "icu", "core_functions", "autocomplete"}

// withoutEffect says what a key of an output would do, and does not.
func (l *loader) withoutEffect(pos config.Pos, key string, value config.Node) {
	hint := "leave it out"
	switch key {
	case "extensions":
		var lacking []string
		for _, item := range value.Items() {
			name := cmp.Or(item.Get("name").Text(), item.Text())
			if !slices.Contains(builtIn, strings.ToLower(name)) {
				lacking = append(lacking, name)
			}
		}
		if len(lacking) == 0 {
			return
		}
		l.warning(pos, "files are read where they are on this disk; define what is elsewhere as a source in "+ProjectFile,
			"extensions of the profile are not loaded: %s: models that call their functions fail", strings.Join(lacking, ", "))
		return
	case "attach":
		hint = "other databases are not opened: define a source for each in " + ProjectFile + ", of type duckdb, postgres or mysql"
	case "secrets":
		hint = "no other machine is reached: sources in " + ProjectFile + " have their own, as ${secret:name}"
	case "plugins":
		hint = "plugins are written in Python: define what they read as a source in " + ProjectFile
	case "filesystems":
		hint = "files are read where they are on this disk"
	case "module_paths":
		hint = "Python models are not run"
	}
	l.warning(pos, hint, "%s of the profile has no effect", key)
}

// database reads what an output of type duckdb says besides: which file has the tables of sources that nothing else provides.
func (l *loader) database(output config.Node) {
	for key, value := range output.All() {
		if !slices.Contains(databaseKeys, key) {
			l.withoutEffect(plainPlace(output.Origin().Key(key)), key, value)
		}
	}
	for _, of := range []string{"settings", "config_options"} {
		for key := range output.Get(of).All() {
			if name := strings.ToLower(key); !slices.Contains(harmlessSettings, name) && !strings.HasPrefix(name, "s3_") &&
				!strings.HasPrefix(name, "motherduck") {
				l.warning(plainPlace(output.Get(of).Origin().Key(key)), "say in the SQL what depends on it", "%s of the profile: %s has no effect",
					of, key)
			}
		}
	}
	file := output.Get("path").Text()
	switch scheme, _, remote := strings.Cut(file, ":"); {
	case file == "" || file == ":memory:":
		return
	case remote:
		hint := "define what it holds as sources in " + ProjectFile
		if scheme == "md" || scheme == "motherduck" {
			hint = "tables of MotherDuck that sources name are to be exported, or read by a source of " + ProjectFile
		}
		l.warning(plainPlace(output.Get("path").Pos()), hint,
			"path of the profile is no file of this machine (%s:…): it is not opened, and tables are published to %s/",
			scheme, l.p.Target.Path)
		return
	}
	if !filepath.IsAbs(file) {
		file = path.Clean(filepath.ToSlash(file))
	}
	l.dbtDatabase = file
	if name := cmp.Or(output.Get("database").Text(), strings.TrimSuffix(path.Base(file), path.Ext(file))); !l.secretive(name) {
		l.p.Database = name
	}
}
