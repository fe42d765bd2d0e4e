// Package models is the project as its files define it: sources and their streams, SQL models, pipelines, targets,
// and the graph of nodes that they form. It parses and validates; it runs no SQL, opens no connection and reads
// nothing but project files. Read Project first, then Node; Load is in load.go.
package models

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/models/jinja"
)

// Project is a whole project, validated: every reference in it resolves.
type Project struct {
	Dir     string // absolute path
	Name    string
	Hash    string // of every project file: two runs with the same hash ran the same definitions
	Vars    map[string]any
	Memory  int64  // bytes that a run may use
	Verify  string // footer or full
	Target  *Target
	Targets []*Target
	// DefaultTarget is the name of the target without --target, "" when the project has several and chooses none.
	DefaultTarget string
	Sources       []*Source
	Pipelines     []*Pipeline
	Serve         *Serve
	Entities      []*Entity
	Terms         []*Term // by name
	UnitTests     []*UnitTest
	Exposures     []*Exposure
	Selectors     []*Selector // of selectors.yml, in its order
	Nodes         []*Node     // in dependency order, names sorted where the order is free
	Secrets       *secret.Stores
	Macros        *jinja.Library // of macros/*.sql
	Alerts        *Alerts        // nil: nobody is told of anything
	// Concurrency is how many runs the scheduler has at once.
	Concurrency int
	// History is how long the journal keeps what is over.
	History config.Duration

	// DBT says that the folder is a project of dbt: then dbt's ways hold where Millrace's own are others.
	DBT bool
	// Packages are the dbt packages that are installed, by name; Dispatch says for namespaces of macros where they are looked for first.
	Packages []string
	Dispatch map[string][]string
	// OnRunStart and OnRunEnd are SQL that runs before the first model of a run and behind the last.
	OnRunStart, OnRunEnd []Hook
	// CommandVars are variables of the command line, as they were written there.
	CommandVars map[string]string
	// Artifacts is the folder that dbt writes what it tells of a run to, relative to the project: its target-path.
	Artifacts string
	// Database is what templates call the target's database: a name that dbt projects print.
	Database string

	absent   map[string]Absent // tables of dbt sources that nothing provides, by source and table
	byName   map[string]*Node
	byModel  map[string]*Node   // models by file name, and tables of entities, as ref() finds them
	byRef    map[modelKey]*Node // models and seeds, by package too
	sourced  map[string]*Node   // what provides the tables of dbt's sources, by source and table
	declared []*declared        // tables of dbt's sources, in the order of the files
	files    map[string]string  // streams of files that models read by themselves, as schema.table, by the canonical call that reads them
	trials   []*trial           // while loading

	declaredBy map[string]*declared // by source and table
	content    map[string]string    // hashes of files that were read, by their names
	standing   *Standing            // that state: and result: go by

	root        string         // name of the project as a package
	output      map[string]any // what templates see of the profile's output besides
	rootVars    variables
	versions    map[string]string // of the project and its packages, by name
	packageVars map[string]variables
	read        time.Time           // when it was: templates that ask for the time while it is read see this
	given       map[string]any      // --var
	latest      map[modelKey]string // version of versioned models that a ref() without one means, by package and name
	env         func(string) (string, bool)

	graph func() *jinja.Dict // the project as templates see it
}

// For is the project with another target.
func (p *Project) For(t *Target) *Project {
	other := *p
	other.Target = t
	other.graph = sync.OnceValue(other.makeGraph)
	return &other
}

// StateDir is the folder of journal, locks and staging.
func (p *Project) StateDir() string { return filepath.Join(p.Dir, ".millrace") }

// Node returns the node named schema.table, or nil.
func (p *Project) Node(name string) *Node { return p.byName[name] }

// IsPII says whether the values of a node's column are personal, as the project tags it now. Of a node that it has no more nothing says which
// are: all of them.
func (p *Project) IsPII(node, column string) bool {
	n := p.Node(node)
	return n == nil || n.IsPII(column)
}

// modelKey is what tells models of one name apart.
type modelKey struct{ pkg, name, version string }

// Model returns the node that ref() finds by that name, a model's by its file's or one of an entity's tables, or nil.
func (p *Project) Model(name string) *Node { return p.byModel[name] }

// Lookup returns the node that ref(in, name, v=version) means in a template of package from; in and version may be "". A name without a
// package means the project's own model, as in dbt, then that of the package. Nil: there is none.
func (p *Project) Lookup(from, in, name, version string) *Node {
	if in != "" {
		if in == p.root || in == p.Name {
			in = ""
		}
		return p.byRef[p.modelKey(in, name, version)]
	}
	for _, pkg := range append([]string{"", from}, p.Packages...) {
		if n := p.byRef[p.modelKey(pkg, name, version)]; n != nil {
			return n
		}
	}
	if n := p.byModel[name]; n != nil && n.Model == nil { // an entity's table, or one of a checks file
		return n
	}
	return nil
}

// modelKey is the key of a model that a reference asks for: of one that names no version the latest.
func (p *Project) modelKey(pkg, name, version string) modelKey {
	if version == "" {
		version = p.latest[modelKey{pkg: pkg, name: name}]
	}
	return modelKey{pkg, name, version}
}

// SourceTable returns the node that provides source(source, table), or nil.
func (p *Project) SourceTable(source, table string) *Node {
	if n := p.sourced[source+"."+table]; n != nil {
		return n
	}
	return p.Stream(source, table)
}

// Absent is a table of a dbt source that no node provides.
type Absent struct {
	Schema, Table string // where dbt would look for it; "" when it is disabled
	Why           string
}

// Hint says why nothing provides it, and what to do.
func (a Absent) Hint() string { return a.Why + ": " + provideHint }

// Absent gives a table of a dbt source that no node provides, to those who only name it: who reads it fails.
func (p *Project) Absent(source, table string) (Absent, error) {
	if a := p.absent[source+"."+table]; a.Table != "" {
		return a, nil
	}
	return Absent{}, &jinja.Error{Msg: fmt.Sprintf("source(%q, %q): there is no such stream", source, table)}
}

// NotThere is the table of a dbt source whose absence an engine's message tells of.
func (p *Project) NotThere(message string) (Absent, bool) {
	for _, a := range p.absent {
		if a.Table != "" && (strings.Contains(message, a.Table+" does not exist") || strings.Contains(message, a.Table+`" does not exist`)) {
			return a, true
		}
	}
	return Absent{}, false
}

// Stream returns the node of a source's stream, by its table's or its own name, or nil.
func (p *Project) Stream(source, table string) *Node {
	for _, n := range p.Nodes {
		if n.Stream != nil && n.Stream.Source.Name == source && (n.Table == table || n.Stream.Name == table) {
			return n
		}
	}
	return nil
}

// Pipeline returns the pipeline of that name, or nil.
func (p *Project) Pipeline(name string) *Pipeline {
	for _, pl := range p.Pipelines {
		if pl.Name == name {
			return pl
		}
	}
	return nil
}

// Source returns the source of that name, or nil.
func (p *Project) Source(name string) *Source {
	for _, s := range p.Sources {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Target is where tables are published.
type Target struct {
	Origin    config.Origin
	Name      string    `yaml:"-"`
	Type      string    `yaml:"type" required:"true" enum:"local,snowflake" doc:"Kind of target."`
	Path      string    `yaml:"path" doc:"Folder that tables are published to, relative to the project: warehouse for a local target, warehouse-<name of the target> for one that is followed elsewhere."`
	Schema    string    `yaml:"schema" default:"main" doc:"Schema of the models that name none."`
	Retention Retention `yaml:"retention" doc:"How long old snapshots stay readable."`
	// Snowflake is set for a target of that type.
	Snowflake *Snowflake `yaml:"-"`
}

// Retention says which old snapshots stay.
type Retention struct {
	Versions int             `yaml:"versions" default:"3" doc:"Snapshots to keep at least."`
	For      config.Duration `yaml:"for" default:"7d" doc:"Keep every snapshot that is younger than this."`
	// Quarantine is longer than the others: people look after the weekend.
	Quarantine config.Duration `yaml:"quarantine" default:"30d" doc:"Keep quarantined rows for so long."`
}

// Source is one configured source.
type Source struct {
	Name        string
	Type        string
	Description string
	Concurrency int // runs of the scheduler that may read it at once; 0 any number
	Options     any // the struct that SourceSpec.Options made, filled
	Streams     []*Stream
	ReadsRanges bool // its type's SourceSpec says so
	Origin      config.Origin
}

// StreamKeys are the keys that a stream of any source understands.
type StreamKeys struct {
	Name        string            `yaml:"name" required:"true" doc:"Name of the stream in the source: a table, an endpoint, or a name of your choice for files." example:"contacts"`
	As          string            `yaml:"as" doc:"Name of the published table; by default the last part of the stream's name."`
	Mode        string            `yaml:"mode" default:"full" enum:"full,append,incremental" doc:"full: a whole snapshot each run. append: immutable records, each read once. incremental: what changed, merged by key."`
	Key         config.StringList `yaml:"key" doc:"Columns that identify a row. Required by incremental." example:"[id]"`
	Cursor      string            `yaml:"cursor" doc:"Column that orders changes of a row: the row with the greatest value wins." example:"updated_at"`
	Description string            `yaml:"description" doc:"What the table holds, for the people who query it."`
	Owner       string            `yaml:"owner" doc:"Who answers for the table."`
	Tags        config.StringList `yaml:"tags" doc:"Words to select nodes by, as tag:word."`
	MaxRejects  config.Threshold  `yaml:"max_rejects" default:"1%" doc:"More rejected records than this, a share or a count, fail the stream." example:"1%"`
	AllowEmpty  bool              `yaml:"allow_empty" doc:"Let an empty snapshot replace a table that has rows."`
	MaxShrink   config.Threshold  `yaml:"max_shrink" default:"50%" doc:"A snapshot smaller than the published table by more than this, or more deleted rows than this share of it, fails, unless the run says --allow-shrunken." example:"50%"`
	// OnSchemaChange is about the published columns; with a contract it has nothing to say.
	OnSchemaChange string          `yaml:"on_schema_change" json:"-" default:"evolve" enum:"evolve,freeze,discard,quarantine,fail" doc:"When columns differ from the published ones. evolve: the table follows. freeze, or fail: the stream fails. discard: new columns are left out. quarantine: rows with a value in a new column, or one that the column's type cannot hold, are kept out."`
	Deletes        string          `yaml:"deletes" default:"ignore" enum:"ignore,hard,soft" doc:"Incremental only: rows that are gone from the source, found by comparing keys in each run. hard: they leave the table. soft: they stay, with the time in _deleted_at."`
	Checks         checkList       `yaml:"checks" doc:"What must hold for its rows. A kind with its columns, or with its arguments and settings." example:"[{not_null: id}]"`
	Contract       *contractEntry  `yaml:"contract" json:"-" doc:"What its columns must be: names, types, order, lengths, and whether they may be NULL."`
	Reconcile      config.Duration `yaml:"reconcile" doc:"Incremental only: so often all rows are read and compared, for changes that the cursor did not show and, with deletes:, for rows that are gone." example:"7d"`
}

// What becomes of rows that are gone from the source.
const (
	DeletesIgnored = "ignore"
	DeletesHard    = "hard"
	DeletesSoft    = "soft"
)

// DeletedAt is the column in which soft deletes note when a row was found to be gone.
const DeletedAt = "_deleted_at"

// Stream is one stream of a source.
type Stream struct {
	StreamKeys
	Source  *Source
	Table   string // that is published: As, or the last part of Name
	Options any    // the struct that SourceSpec.StreamOptions made, filled
	OfDBT   bool   // made of what dbt's files say: it is read again when what it is read from has changed
	Origin  config.Origin
}

// Pipeline is a named set of nodes that runs on a schedule.
type Pipeline struct {
	Origin    config.Origin
	Name      string            `yaml:"-"`
	Schedule  string            `yaml:"schedule" doc:"Cron expression of five fields, by which millrace serve starts runs." example:"0 2 * * *"`
	Timezone  string            `yaml:"timezone" default:"UTC" doc:"Time zone of the schedule, and of the dates that after: and backfills go by. A pipeline that only follows others has theirs when it names none." example:"Europe/Berlin"`
	Select    config.StringList `yaml:"select" doc:"Selectors of its nodes; all nodes when absent." example:"[\"*\"]"`
	Exclude   config.StringList `yaml:"exclude" doc:"Selectors of nodes to leave out."`
	Publish   string            `yaml:"publish" default:"succeeded" enum:"succeeded,all" doc:"succeeded: a node is published when everything above it succeeded. all: nothing unless everything did."`
	Freshness config.Duration   `yaml:"freshness" doc:"Age at which the tables count as stale; millrace status shows it. 0, as without the key: none." example:"26h"`
	Owner     string            `yaml:"owner" doc:"Whom its alerts are for, where the node at fault names nobody." example:"data-platform"`

	After         config.StringList `yaml:"after" doc:"Pipelines that must have succeeded for the same logical date first; without a schedule of its own, it runs when they have." example:"[ingest]"`
	Misfire       string            `yaml:"misfire" default:"one" enum:"one,all,skip" doc:"What becomes of runs that were missed: one run for all of them, each of them, or none."`
	MisfireWindow config.Duration   `yaml:"misfire_window" default:"24h" doc:"Runs that were missed longer ago are not made up for."`
	MaxCatchup    int               `yaml:"max_catchup" default:"10" doc:"The most missed runs that misfire: all makes up for, of more the newest."`
	Overlap       string            `yaml:"overlap" default:"queue" enum:"skip,queue,cancel" doc:"What happens when the last run still goes on: skip the new one, let one wait, or end the old one at its next checkpoint."`
	Jitter        config.Duration   `yaml:"jitter" doc:"Start up to this much later, always by the same span for the same pipeline." example:"5m"`
	Priority      int               `yaml:"priority" doc:"Of pipelines that wait for their turn, the one with the greatest number goes first."`
	Timeout       config.Duration   `yaml:"timeout" doc:"An attempt of a run that takes longer is ended at its next checkpoint, and has failed; a retry takes up what it landed. Of several pipelines in one run the strictest counts." example:"6h"`
	StepTimeout   config.Duration   `yaml:"step_timeout" doc:"A node that takes longer has failed; those that do not need it go on." example:"1h"`
	Retries       int               `yaml:"retries" doc:"How often a scheduled run that failed is retried; failed checks are not."`
	RetryDelay    config.Duration   `yaml:"retry_delay" default:"1m" doc:"Base of the wait before a retry: up to this, then up to twice this and so on, at random."`
	Webhook       *Webhook          `yaml:"webhook" json:"-" doc:"Lets others start a run by a signed request to /hooks/ and the pipeline's name."`
	PauseAfter    int               `yaml:"pause_after" doc:"Pause the schedule when this many scheduled runs in a row have failed; 0 never."`
}

// Kind says what a node is made by.
type Kind string

// The kinds of nodes.
const (
	KindStream Kind = "stream"
	KindSeed   Kind = "seed"
	KindModel  Kind = "model"  // snapshots of dbt too
	KindEntity Kind = "entity" // one of the tables of an entity
	KindTable  Kind = "table"  // of a checks file: it is where it is
)

// Built says whether a run makes tables of this kind of what it has, and reads them from no source.
func (k Kind) Built() bool { return k == KindSeed || k == KindModel || k == KindEntity }

// Node is anything that produces a table. Exactly one of Stream, Seed, Model and Entity is set; of a KindTable Stream where a source reads
// it, and none where From is read as it is.
type Node struct {
	Schema, Table string
	Kind          Kind
	Stream        *Stream
	Seed          *Seed
	Model         *Model
	Entity        *Entity
	Part          string // which of the entity's tables it is: PartGolden and the others
	From          string // of a KindTable: where it is, in words or as a path
	Description   string
	Owner         string
	Tags          []string
	Needs         []*Node  // what it reads, sorted by name
	Columns       []Column // what the project says of them; not all that there are
	Checks        []*Check
	After         []*Node // what its checks read besides, and what must therefore be built first
	Pipeline      string  // the pipeline that owns it; "" when none does
	Path          string  // the file that defines it, relative to the project
	Pos           config.Pos

	toldBySource bool             // its description is that of the source that it provides
	props        *tableProperties // what the properties files say of it; nil where they say nothing, and of streams
	fqn          []string         // what dbt's trees of configuration and selectors go by
	inherited    map[string]bool  // of a model: names of personal columns that it reads, in lower case
}

// BuiltAnew says how a model's table is built from nothing.
func (n *Node) BuiltAnew() string {
	if n.Model != nil && n.Model.FullRefresh != nil && !*n.Model.FullRefresh {
		return "to build it anew, take full_refresh=false out of its config and run it with --full-refresh"
	}
	return fmt.Sprintf("millrace run %s --full-refresh builds it anew", n.Name())
}

// Name is schema.table.
func (n *Node) Name() string { return n.Schema + "." + n.Table }

// Key are the columns by which rows of the node's table are merged, of which it then has one a key; none where rows are replaced or added.
func (n *Node) Key() []string {
	switch {
	case n.Stream != nil && n.Stream.Mode == "incremental":
		return n.Stream.Key
	case n.Model != nil && n.Model.Materialized == Incremental && (n.Model.Strategy == StrategyMerge || n.Model.Strategy == StrategyDeleteInsert):
		return n.Model.UniqueKey
	}
	return nil
}

// Column is what a project says about a column.
type Column struct {
	Name        string
	Description string
	Type        string // "" when it says none
	Tags        []string
	Open        bool   // it is not personal, though it has the name of a column that is
	Term        string // the business term that it is, by the term's name; none: it is no term; "" when nobody says
	Pos         config.Pos
	TermPos     config.Pos

	props    *columnProperties // what the properties file says besides
	ofSource bool              // it is said of the source that the node provides
}

// Check returns the node's check of that name, or nil.
func (n *Node) Check(name string) *Check {
	for _, c := range n.Checks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// IsPII says whether a column is personal: its values are not shown. The project tags it so, or it is made of what is.
func (n *Node) IsPII(column string) bool {
	return n != nil && (n.madeOfPII(column) || n.inherits(column) || slices.ContainsFunc(n.Columns, func(c Column) bool {
		return strings.EqualFold(c.Name, column) && slices.ContainsFunc(c.Tags, func(tag string) bool { return strings.EqualFold(tag, "pii") })
	}))
}

// madeOfPII says whether a column of an entity's records is made of personal ones: last_name$phonetic is when last_name is, and what is
// made of several, such as $block1_2, when any is. So are hashes of records: who guesses a value can make its hash.
func (n *Node) madeOfPII(column string) bool {
	own, _, derived := strings.Cut(column, "$")
	switch {
	case n.Part == PartRecords && column == "_hash", n.Part == PartXref && column == "record_hash":
		own = ""
	case n.Part != PartRecords || !derived:
		return false
	}
	return slices.ContainsFunc(n.Entity.Fields, func(f *Field) bool { return f.PII && (own == "" || strings.EqualFold(f.Name, own)) })
}

// Materialization is how a model becomes a table.
type Materialization string

// The materializations.
const (
	View        Materialization = "view"
	Table       Materialization = "table"
	Incremental Materialization = "incremental"
	Ephemeral   Materialization = "ephemeral"
	Snapshot    Materialization = "snapshot" // its rows as they were over time: a slowly changing dimension of type 2
	External    Materialization = "external" // a table that is also written to a file of the project's choice
)

// Strategy is how an incremental model's rows join those of the runs before.
type Strategy string

// The strategies of incremental models, with dbt's names.
const (
	StrategyAppend          Strategy = "append"
	StrategyMerge           Strategy = "merge"
	StrategyDeleteInsert    Strategy = "delete+insert"
	StrategyInsertOverwrite Strategy = "insert_overwrite" // the partitions that the SELECT has rows of are replaced
	StrategyMicrobatch      Strategy = "microbatch"       // the SELECT runs once for each batch of time, and replaces the rows of it
)

// What an incremental model does when its SELECT has other columns than its table, with dbt's names.
const (
	SchemaChangeIgnore = "ignore"             // columns that the table does not have are left out
	SchemaChangeFail   = "fail"               // the model fails
	SchemaChangeAppend = "append_new_columns" // the table gets the new ones, and keeps those that the SELECT has no more
	SchemaChangeSync   = "sync_all_columns"   // the table gets the new ones, and loses those that the SELECT has no more
)

// Model is a SQL model: one SELECT behind a template.
type Model struct {
	Name         string // as ref() finds it: the file's, or that of a snapshot block
	Package      string // the dbt package that it comes from; "" for the project's own
	Version      string // of a versioned model, as ref(…, v=) asks for it; "" for others
	Path         string // relative to the project
	Template     *jinja.Template
	Materialized Materialization
	Strategy     Strategy
	UniqueKey    []string
	Config       *jinja.Dict // everything that config() and the project's files said, as templates see it; of a probe nil
	Refs         []Ref
	Asked        []string // variables and environment variables that its template read when the project was loaded, as parts of a Definition

	OnSchemaChange string   // of an incremental model
	PartitionBy    []string // columns of insert_overwrite
	Batches        *Batches // of microbatch
	Predicates     []string // incremental_predicates: conditions on the rows of the table that a merge or a delete may touch
	MergeUpdate    []string // merge_update_columns: the only columns that a merge changes in rows that exist; nil: all
	MergeExclude   []string // merge_exclude_columns: columns that it leaves as they are
	FullRefresh    *bool    // config full_refresh: true rebuilds in each run, false never does
	Before         []Hook   // pre_hook
	Behind         []Hook   // post_hook
	// Unbuildable says why the model cannot be built, "" when it can; UnbuildableHint what to do about it.
	Unbuildable, UnbuildableHint string
	UnbuildableAt                config.Pos // where that stands
	Slowly                       *Slowly    // of a snapshot
	Location                     *Location  // of an external model; nil for the usual place
}

// Hook is SQL that runs before or behind a model, or a run; a template, rendered when it runs.
type Hook struct {
	Template *jinja.Template
	Pos      config.Pos
	// Name and Package are a run's hook's: dbt's name for it, and the package that has it, "" for the project's own.
	Name, Package string
}

// Slowly says how a snapshot finds out that a row has changed, with dbt's names.
type Slowly struct {
	UniqueKey   []string
	Strategy    string // timestamp or check
	UpdatedAt   string // column of timestamp; of check, where one is named
	CheckAll    bool   // check_cols: all
	CheckCols   []string
	HardDeletes string            // ignore, invalidate or new_record
	ValidTo     string            // dbt_valid_to_current: SQL of what rows that are valid have; "" is NULL
	Columns     map[string]string // snapshot_meta_column_names, by dbt_valid_from and the others
}

// Location is where an external model's file is written.
type Location struct {
	Path    string         // relative to the project
	Format  string         // parquet, csv or json
	Options map[string]any // of COPY
}

// Seed is a CSV file of the project that becomes a table.
type Seed struct {
	Name      string
	Package   string
	Path      string // relative to the project
	Delimiter string // "," unless the project says otherwise
	// Types of columns that are not to be found out, in DuckDB's spelling, by name.
	Types  map[string]string
	Config *jinja.Dict // everything that the project's files said, as templates see it
}

// Ref is a ref() or source() in a model and the node it means.
type Ref struct {
	Node *Node // nil of a source's table that nothing provides
	Pos  config.Pos
	// Source and Name are what source() says, whatever provides the table; Source is "" for a ref().
	Source, Name string
}

// SourceSpec tells the loader what a type of source understands; cmd makes it from the source's own spec.
type SourceSpec struct {
	Type          string
	Summary       string
	Options       func() any
	StreamOptions func() any
	// AppendsByCursor says that an append stream must name its cursor, FindsDeletes that deletes and reconcile work,
	// ReadsRanges that backfills do.
	AppendsByCursor, FindsDeletes, ReadsRanges bool
	// Check validates one source's settings; Stream is "" in a finding about the source itself.
	Check func(options any, streams []*Stream) []Finding
}

// Finding is a setting that cannot work, at a key of a source or of one of its streams.
type Finding struct{ Stream, Key, Message, Hint string }
