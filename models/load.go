package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models/jinja"
)

// ProjectFile is the name of the file that makes a folder a project.
const ProjectFile = "millrace.yml"

// Loading says what Load needs beyond the files.
type Loading struct {
	Dir   string // absolute path of the project folder
	Files fs.FS  // the same folder
	// Outside, where it is not nil, is given what the project reads from elsewhere: the name that it has here, its name among the files
	// there, and those files. What it returns is read.
	Outside func(at, inside string, files fs.FS) fs.FS
	Sources []SourceSpec                // the types of sources that exist
	Env     func(string) (string, bool) // os.LookupEnv; nil leaves every ${…} unresolved, as lint wants it
	Lenient bool                        // looks up no secret, and leaves ${…} of what is not set unresolved: for who only looks
	Vars    map[string]string           // overrides of the project's variables
	Target  string                      // overrides the project's choice of target; "" keeps it
	// Profile and ProfilesDir are the profile of dbt and the folder of profiles.yml that are to be taken; "" finds them as dbt does.
	Profile, ProfilesDir string
	Redactor             *secret.Redactor // learns every secret that the files hold or name; may be nil
	Reserved             []string         // names that no schema may have
	Context              context.Context  // for secret stores that ask a server
	// ColumnType reads the type of a contract's column: as the engine spells it, with the most characters of a text, 0 for any
	// number. nil takes what is written.
	ColumnType func(text string) (typ string, length int, err error)
	// SeedType reads the type that a seed gives a column: as the engine spells it. nil takes what is written.
	SeedType func(text string) (string, error)
	// Trees asks the engine's parser for the trees of queries, as JSON; one that it cannot parse has a tree that says so. nil: nobody looks
	// for files that models read by themselves.
	Trees func(ctx context.Context, queries []string) ([]string, error)
	// Now, unless it is zero, has schedules looked at for clocks that are put forward or back within the next two years.
	Now time.Time
}

// projectFile is millrace.yml.
type projectFile struct {
	config.Origin
	Name      string                  `yaml:"name" required:"true" doc:"Name of the project." example:"shop"`
	Target    string                  `yaml:"target" doc:"Target that runs publish to when --target does not say; the only one when absent."`
	Vars      config.Map[any]         `yaml:"vars" doc:"Variables for models, as var('name'), and for this file, as ${var:name}."`
	Memory    config.Size             `yaml:"memory" default:"1GB" doc:"Memory that a run may use; --memory overrides it." example:"1GB"`
	Verify    string                  `yaml:"verify" default:"footer" enum:"footer,full" doc:"How the second reader checks new files before publish: counts and bounds, or every value."`
	Secrets   config.Node             `yaml:"secrets" doc:"Stores that ${secret:name} is looked up in, in order."`
	Targets   config.Map[config.Node] `yaml:"targets" union:"targets" doc:"Where tables are published."`
	Sources   config.Map[config.Node] `yaml:"sources" union:"sources" doc:"Where records come from."`
	Pipelines config.Map[Pipeline]    `yaml:"pipelines" doc:"Sets of nodes that run together on a schedule."`
	Serve     Serve                   `yaml:"serve" doc:"How millrace serve offers its pages and its API."`
	Alerts    *alertsFile             `yaml:"alerts" doc:"Who is told when runs fail, recover, are late, or do not happen."`
	Scheduler schedulerKeys           `yaml:"scheduler" doc:"How millrace serve starts runs."`
	History   config.Duration         `yaml:"history" default:"400d" doc:"How long the journal tells of runs, firings and events. The last 100 runs of each pipeline stay longer." example:"400d"`
}

// sourceKeys are the keys of any source.
type sourceKeys struct {
	Type        string        `yaml:"type" required:"true" doc:"Type of source."`
	Description string        `yaml:"description" doc:"What the source is."`
	Concurrency int           `yaml:"concurrency" doc:"How many runs that millrace serve starts may read it at once; 0 any number." example:"1"`
	Streams     []config.Node `yaml:"streams" required:"true" union:"streams" doc:"What to read from it."`
}

// loader collects a project and every problem in it.
type loader struct {
	Loading
	p        *Project
	file     projectFile
	problems config.Problems
	resolve  config.Resolver
	files    map[string]*config.File
	hash     []string
	checks   []*written                        // of all nodes
	promises map[*Node]*promise                // contracts, until all files are read
	path     func(string) (PathMeaning, error) // of a checks file
	given    map[string][]byte                 // files that are not among Files, by name
	drafts   []*entityDraft                    // entities, until all nodes are known

	packages      []*dbtPackage    // the first is the folder's own
	mounts        []mount          // packages that lie elsewhere
	made          map[*Stream]bool // streams and sources that stand for those of dbt's files
	madeFor       map[*Source]bool
	dbtProfile    config.Node
	profileName   string                   // that the project names, or the environment or a flag in its place
	envNames      sync.Map                 // variables of the environment whose names stand in place of their values
	dbtDatabase   string                   // DuckDB file of the profile
	secretsInYAML bool                     // templates in YAML may read what dbt keeps for secrets: those of profiles may
	patches       []*tableProperties       // what properties files say
	sourceProps   []*sourceProperties      // and of sources
	testProps     []*testProperties        // and of singular tests
	versioned     map[string][]version     // versions of models, by the file's name
	fileOf        map[string]bool          // files of models and seeds that there are: see fileKeyOf
	docs          map[string]jinja.Doc     // docs blocks, by package and name
	disabled      map[string]config.Pos    // models that are not part of the project
	groups        map[*dbtPackage][]string // that properties files define
	branches      treeBranches             // of the trees of dbt_project.yml, that nodes were looked for in
	toldKeys      map[string]bool          // keys without effect that were warned of
	enforced      map[*Node]bool           // models whose config() has a contract
	unitDrafts    []unitDraft              // unit tests and exposures, until all nodes are known
	exposed       []exposureDraft
	tables        map[string]*Node // by lower-case schema.table: names that differ by case only are one table
}

// Load reads and validates a project. The problems are complete: of every file, all at once; the project is only
// usable when none of them is an error.
func Load(in Loading) (*Project, config.Problems) {
	if in.Context == nil {
		in.Context = context.Background()
	}
	l := newLoader(in, &Project{Dir: in.Dir})
	if !l.projectFile() {
		return nil, l.problems.Sort()
	}
	l.dbt()
	l.unknownVars(ProjectFile)
	if !l.isDBT() { // else they are known, for the templates of dbt_project.yml
		l.targets()
	}
	l.macros()
	l.sources()
	l.readProperties()
	l.readDocs()
	l.findFiles()
	l.seeds()
	l.models()
	l.dbtSources()
	l.entities()
	l.describeAll()
	l.contracts()
	l.terms()
	l.singularChecks()
	l.fileReads()
	l.link()
	l.privateRefs()
	l.linkChecks()
	l.reached()
	l.linkUnitTests()
	l.linkExposures()
	l.unusedPaths()
	l.dropUnread()
	l.selectors()
	l.pipelines()
	l.checkSelectors()
	l.snowflakeTables()
	l.serve()
	l.alerts()
	l.history()
	l.p.Name, l.p.Memory = l.file.Name, int64(l.file.Memory)
	l.p.Verify, l.p.Concurrency = l.file.Verify, l.file.Scheduler.Concurrency
	for name, value := range l.Vars {
		l.hash = append(l.hash, fmt.Sprintf("--var %s=%s", name, value))
	}
	sort.Strings(l.hash)
	sum := sha256.Sum256([]byte(strings.Join(l.hash, "\n")))
	l.p.Hash = hex.EncodeToString(sum[:])
	return l.p, l.problems.Sort()
}

// newLoader makes a loader of an empty project.
func newLoader(in Loading, p *Project) *loader {
	p.byName, p.byModel, p.byRef, p.sourced = map[string]*Node{}, map[string]*Node{}, map[modelKey]*Node{}, map[string]*Node{}
	p.absent = map[string]Absent{}
	p.latest, p.packageVars, p.Vars = map[modelKey]string{}, map[string]variables{}, map[string]any{}
	p.read = time.Now()
	p.graph = sync.OnceValue(p.makeGraph)
	return &loader{Loading: in, p: p, files: map[string]*config.File{}, promises: map[*Node]*promise{}, tables: map[string]*Node{}, given: map[string][]byte{},
		disabled: map[string]config.Pos{}, toldKeys: map[string]bool{}, branches: treeBranches{}, groups: map[*dbtPackage][]string{},
		enforced: map[*Node]bool{}, made: map[*Stream]bool{}, madeFor: map[*Source]bool{}, versioned: map[string][]version{},
		fileOf: map[string]bool{}, docs: map[string]jinja.Doc{}, packages: []*dbtPackage{{}}}
}

// projectFile reads millrace.yml. A folder that is a project of dbt needs none: every key has its default.
func (l *loader) projectFile() bool {
	if !exists(l.Files, ProjectFile) && exists(l.Files, DBTFile) {
		bare, _ := config.Parse(ProjectFile, []byte("name: dbt"))
		l.files[ProjectFile] = bare
		l.prepareReferences(bare)
		l.problems = append(l.problems, bare.Decode(&l.file, l.resolve)...)
		l.file.Name = ""
		return true
	}
	root := l.parse(ProjectFile)
	if root == nil {
		return false
	}
	l.prepareReferences(root)
	l.problems = append(l.problems, root.Decode(&l.file, l.resolve)...)
	return true
}

// read returns a project file's content and adds it to the project's hash.
func (l *loader) read(name string) ([]byte, error) {
	if src, known := l.given[name]; known {
		l.hash = append(l.hash, name)
		return src, nil
	}
	files, inside := l.filesOf(name)
	f, err := files.Open(inside)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const limit = 16 << 20
	src, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if len(src) > limit {
		return nil, fmt.Errorf("larger than %d MB", limit>>20)
	}
	sum := sha256.Sum256(src)
	l.hash = append(l.hash, name+" "+hex.EncodeToString(sum[:]))
	l.p.keep(name, sum)
	return src, nil
}

// parse reads a YAML file; nil after a problem.
func (l *loader) parse(name string) *config.File { return l.parseBy(name, config.Parse) }

func (l *loader) parseBy(name string, parse func(name string, src []byte) (*config.File, config.Problems)) *config.File {
	src, err := l.read(name)
	if err != nil {
		message, hint := err.Error(), ""
		if errors.Is(err, fs.ErrNotExist) {
			message, hint = "there is no "+name+" in "+l.Dir, "millrace init makes a project here; -C names the folder of one"
		}
		l.problems = append(l.problems, &config.Problem{File: name, Message: message, Hint: hint, Severity: config.SeverityError})
		return nil
	}
	f, problems := parse(name, src)
	l.problems = append(l.problems, problems...)
	if f != nil {
		if l.Redactor != nil {
			f.OnSecret = l.Redactor.Add
		}
		l.files[name] = f
	}
	if problems.HasErrors() {
		return nil
	}
	return f
}

// prepareReferences makes the resolver of ${…}: variables and secret stores come from the file itself.
func (l *loader) prepareReferences(root *config.File) {
	l.p.Vars = map[string]any{}
	var vars config.Map[any]
	_ = root.Root(nil).Get("vars").Decode(&vars) // its problems are found again by the whole decode
	texts := map[string]string{}
	for name, value := range vars.All() {
		l.p.Vars[name] = value
		texts[name] = fmt.Sprint(value)
	}
	for name, value := range l.Vars {
		texts[name] = value
	}
	if l.Env == nil {
		return
	}
	plain := config.Lookups{Env: l.Env, Vars: texts}
	if l.Lenient {
		l.resolve = func(ref config.Ref) (string, error) {
			value, err := plain.Resolve(ref)
			if err != nil && ref.Kind != config.RefVar {
				err = config.ErrPending
			}
			return value, err
		}
		return
	}
	var stores secret.Config
	l.problems = append(l.problems, root.Root(plain.Resolve).Get("secrets").Decode(&stores)...)
	asked, err := secret.New(stores, secret.Deps{Dir: l.Dir, LookupEnv: l.Env, Redactor: l.Redactor})
	if err != nil {
		l.problem(root.Root(nil).Get("secrets").Pos(), "", "%v", err)
	}
	l.p.Secrets = asked
	plain.Secret = func(name string) (secret.Value, error) { return l.p.Secrets.Lookup(l.Context, name) }
	l.resolve = plain.Resolve
}

func (l *loader) problem(pos config.Pos, hint, format string, args ...any) {
	l.problems = append(l.problems, pos.Problem(fmt.Sprintf(format, args...), hint))
}

func (l *loader) warning(pos config.Pos, hint, format string, args ...any) {
	l.problems = append(l.problems, pos.Warning(fmt.Sprintf(format, args...), hint))
}

// sources decodes those of millrace.yml and those with a file of their own.
func (l *loader) sources() {
	for name, node := range l.file.Sources.All() {
		l.source(name, node, l.file.Sources.Key(name))
	}
	for _, file := range l.glob("sources", ".yml", ".yaml") {
		f := l.parse(file)
		if f == nil {
			continue
		}
		name := stem(file)
		root := f.Root(l.resolve)
		if l.p.Source(name) != nil {
			l.problem(root.Pos(), "rename the file, or remove the other", "source %q is defined in %s too", name, ProjectFile)
			continue
		}
		l.source(name, root, root.Pos())
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func (l *loader) source(name string, node config.Node, pos config.Pos) {
	if !plainName.MatchString(name) {
		l.problem(pos, "use letters, digits, _ and -", "source name %q: it becomes a schema's name", name)
		return
	}
	spec, known := l.spec(node.Get("type").Text())
	var keys sourceKeys
	if spec == nil {
		if !node.IsMapping() || node.Get("type").IsZero() {
			l.problems = append(l.problems, node.Decode(&keys)...)
			return
		}
		l.unknownSource(node.Get("type"), known)
		return
	}
	s := &Source{Name: name, Type: spec.Type, Options: spec.Options(), ReadsRanges: spec.ReadsRanges, Origin: node.Origin()}
	l.problems = append(l.problems, node.Decode(&keys, s.Options)...)
	s.Description, s.Concurrency = keys.Description, keys.Concurrency
	l.notNegative(s.Origin, "concurrency", keys.Concurrency)
	for _, sn := range keys.Streams {
		if st := l.stream(s, spec, sn); st != nil {
			s.Streams = append(s.Streams, st)
		}
	}
	if len(keys.Streams) == 0 && node.Get("streams").IsList() {
		l.problem(node.Get("streams").Pos(), "name at least one", "source %q has no streams", name)
	}
	l.p.Sources = append(l.p.Sources, s)
	l.findings(s, spec)
}

func (l *loader) spec(typ string) (*SourceSpec, []string) {
	var known []string
	for i := range l.Loading.Sources {
		if l.Loading.Sources[i].Type == typ {
			return &l.Loading.Sources[i], nil
		}
		known = append(known, l.Loading.Sources[i].Type)
	}
	return nil, known
}

func (l *loader) stream(s *Source, spec *SourceSpec, node config.Node) *Stream {
	st := &Stream{Source: s, Options: spec.StreamOptions(), Origin: node.Origin()}
	problems := node.Decode(&st.StreamKeys, st.Options)
	l.problems = append(l.problems, problems...)
	if st.Name == "" {
		if node.Get("name").IsScalar() {
			l.problem(st.Origin.At("name"), "", "a stream needs a name")
		}
		return nil
	}
	if st.Mode == "incremental" && len(st.Key) == 0 {
		l.problem(st.Origin.At("mode"), "add key: [column] to the stream", "incremental needs a key to merge by")
	}
	if st.Mode == "incremental" && st.Cursor == "" {
		l.problem(st.Origin.At("mode"), "add cursor: to the stream, the column that says which of two rows of a key is the later one", "incremental needs a cursor: without one the result would depend on the order of arrival")
	}
	byCursor := st.Mode == "incremental" || st.Mode == "append" && spec.AppendsByCursor
	if st.Cursor != "" && !byCursor {
		l.warning(st.Origin.Key("cursor"), "only mode: incremental reads by it", "cursor has no effect with mode: %s", st.Mode)
		st.Cursor = ""
	}
	if st.Cursor == "" && byCursor && st.Mode == "append" {
		l.problem(st.Origin.At("mode"), "add cursor: to the stream, a column that grows with each new row and never changes", "append needs a cursor: a %s has no other mark of what was read", spec.Type)
	}
	l.deletes(st, spec)
	if st.Table = st.As; st.Table == "" {
		parts := NameParts(st.Name)
		st.Table = parts[len(parts)-1]
	}
	n := &Node{Schema: s.Name, Table: st.Table, Kind: KindStream, Stream: st, Description: st.Description, Owner: st.Owner,
		Tags: st.Tags, Path: st.Origin.Pos().File, Pos: st.Origin.At("name")}
	l.addNode(n)
	l.checksOf(n, st.Checks.Node, "", false)
	if st.OnSchemaChange == "fail" {
		st.OnSchemaChange = SchemaFrozen
	}
	l.blank(n, st.Origin, st.Contract)
	if st.Contract != nil {
		l.promised(n, st.Contract, nil, nil)
	}
	return st
}

// deletes checks the keys that say how rows are found that are gone from the source.
func (l *loader) deletes(st *Stream, spec *SourceSpec) {
	if st.Deletes != "" && st.Deletes != DeletesIgnored {
		switch {
		case st.Mode != "incremental":
			l.problem(st.Origin.At("deletes"), "remove the key: a full stream shows what is there, an append stream is never deleted from", "deletes: %s has no effect with mode: %s", st.Deletes, st.Mode)
		case !spec.FindsDeletes:
			l.problem(st.Origin.At("deletes"), "use mode: full, whose snapshot shows what is there", "a source of type %s cannot list its keys", spec.Type)
		}
	}
	if st.Reconcile > 0 && st.Mode != "incremental" {
		l.problem(st.Origin.At("reconcile"), "remove the key", "reconcile has no effect with mode: %s", st.Mode)
	}
	if st.Reconcile > 0 && !spec.FindsDeletes {
		l.problem(st.Origin.At("reconcile"), "millrace run --full-refresh reads it anew", "a source of type %s shows changes only, not all that is there", spec.Type)
	}
}

func (l *loader) findings(s *Source, spec *SourceSpec) {
	if spec.Check == nil || l.problems.HasErrors() {
		return
	}
	for _, f := range spec.Check(s.Options, s.Streams) {
		origin := s.Origin
		for _, st := range s.Streams {
			if st.Name == f.Stream && f.Stream != "" {
				origin = st.Origin
			}
		}
		l.problem(origin.At(f.Key), f.Hint, "%s", f.Message)
	}
}

// QuarantineSuffix ends the names of tables that hold the rows which checks kept out of another.
const QuarantineSuffix = "__quarantine"

// addNode refuses two nodes with one name, also when only their case differs: DuckDB and most disks would mix them.
func (l *loader) addNode(n *Node) {
	rename := func(hint string) string {
		if n.Kind == KindTable {
			return "give the table another name"
		}
		return hint
	}
	if n.Table == "" || strings.ContainsAny(n.Table, "/\\\x00\n\r") || len(n.Table) > 128 {
		l.problem(n.Pos, rename("give the table another name by as: or alias"), "%q cannot be a table's name: it has a slash or a line end, or is longer than 128 bytes", n.Table)
		return
	}
	if slices.ContainsFunc(l.Reserved, func(r string) bool { return strings.EqualFold(r, n.Schema) }) {
		l.problem(n.Pos, rename("rename the source, or give the model another schema"), "%s: a schema cannot be named %q: DuckDB takes that name for something else", n.Name(), n.Schema)
		return
	}
	if strings.HasSuffix(strings.ToLower(n.Table), QuarantineSuffix) {
		l.problem(n.Pos, "give it another name", "%s: tables named …%s hold the rows that checks keep out of others", n.Name(), QuarantineSuffix)
		return
	}
	key := strings.ToLower(n.Name())
	if other := l.tables[key]; other != nil {
		l.problem(n.Pos, rename("rename one of them, with as: or alias"), "two nodes are named %s; the other is at %s", n.Name(), other.Pos)
		return
	}
	l.tables[key] = n
	l.p.Nodes = append(l.p.Nodes, n)
	l.p.byName[n.Name()] = n
}

// pipelines validates them and gives every node its owner.
func (l *loader) pipelines() {
	for name, pl := range l.file.Pipelines.All() {
		pl.Name = name
		if !plainName.MatchString(name) || slices.Contains(reservedPipelines, name) {
			l.problem(l.file.Pipelines.Key(name), "use letters, digits, _ and -, and not "+strings.Join(reservedPipelines, " or "), "pipeline name %q", name)
			continue
		}
		l.schedule(&pl)
		l.webhook(&pl)
		l.p.Pipelines = append(l.p.Pipelines, &pl)
	}
	if l.file.Pipelines.Len() == 0 {
		l.p.Pipelines = []*Pipeline{defaultPipeline()}
	}
	l.follows()
	if l.problems.HasErrors() {
		return // selectors would point at nodes that are missing for another reason
	}
	for _, pl := range l.p.Pipelines {
		nodes, err := l.p.Select(pl.Select, pl.Exclude)
		if err != nil {
			l.problem(pl.Origin.At("select"), "", "%v", err)
			continue
		}
		for _, n := range nodes {
			if n.Pipeline != "" {
				l.problem(pl.Origin.At("select"), "narrow one of the two select: lists, or use exclude:", "%s belongs to pipeline %q already: a node has one pipeline", n.Name(), n.Pipeline)
				continue
			}
			n.Pipeline = pl.Name
		}
	}
	l.idleZones()
}

// TargetDir is the absolute folder that the target's tables are published to.
func (p *Project) TargetDir() string {
	if filepath.IsAbs(p.Target.Path) {
		return filepath.Clean(p.Target.Path)
	}
	return filepath.Join(p.Dir, p.Target.Path)
}
