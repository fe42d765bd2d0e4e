package jinja

import (
	"maps"
	"strings"
	"time"
)

// Engine is what a template may ask of the engine that renders it. Methods are called during Render, in the order of the template, from one
// goroutine; an error ends the rendering with the position of the call. Return an *Error without a position to add a hint. While
// Facts.Execute is false none of the methods below Log is called: nothing is asked of a database while a project is only read.
type Engine interface {
	// Ref returns the relation of a model, seed or snapshot; pkg and version are "" where the template names none.
	Ref(pkg, name, version string) (Relation, error)
	// Source returns the relation of a declared source table.
	Source(source, table string) (Relation, error)
	// SetConfig is called for each config(…) with its keywords, values being template values (see ToGo).
	SetConfig(values *Dict) error
	// Config returns a setting of the model, for config.get and config.require; false if it is not set.
	Config(name string) (any, bool)
	// Var returns a variable of the project; false if it is not set.
	Var(name string) (any, bool)
	// EnvVar returns an environment variable that a template may see; false if it is not set.
	EnvVar(name string) (string, bool)
	// Doc returns the text of a docs block; pkg is "" where the template names none.
	Doc(pkg, name string) (string, error)
	// Graph returns what a template sees as graph: a *Dict, or what FromGo takes, with the keys nodes, sources, exposures and so on.
	Graph() (any, error)
	// Model returns what a template sees as model: the facts of the node that is rendered, as in Graph.
	Model() (any, error)
	// Warn takes what exceptions.warn says.
	Warn(at Position, msg string)
	// Log takes what log(…, info=true) and print say.
	Log(at Position, msg string)

	// Query runs a statement that only reads, and holds its answer; any other is an error that says so.
	Query(sql string) (*Table, error)
	// QueryColumns gives the columns of a SELECT without running it.
	QueryColumns(sql string) ([]Column, error)
	// Columns gives those of a relation in their order; none where there is no such relation.
	Columns(r Relation) ([]Column, error)
	// Lookup finds a table or view, "" being the target's own database or any schema; false if there is none.
	Lookup(database, schema, name string) (Relation, bool, error)
	// Relations lists the tables and views of a schema.
	Relations(database, schema string) ([]Relation, error)
}

// NoDatabase are the methods of an Engine that asks no database: while a project is only read none of them is called.
type NoDatabase struct{}

func errNoDatabase() error {
	return &Error{Msg: "no database can be asked here", Hint: "{% if execute %} leaves a question to the run"}
}

// Query implements Engine.
func (NoDatabase) Query(string) (*Table, error) { return nil, errNoDatabase() }

// QueryColumns implements Engine.
func (NoDatabase) QueryColumns(string) ([]Column, error) { return nil, errNoDatabase() }

// Columns implements Engine.
func (NoDatabase) Columns(Relation) ([]Column, error) { return nil, errNoDatabase() }

// Lookup implements Engine.
func (NoDatabase) Lookup(_, _, _ string) (Relation, bool, error) {
	return Relation{}, false, errNoDatabase()
}

// Relations implements Engine.
func (NoDatabase) Relations(_, _ string) ([]Relation, error) { return nil, errNoDatabase() }

// Version is what dbt_version says: the release of dbt whose context this is.
const Version = "1.10.13"

// Facts is what is known before a template is rendered. Zero values are right where nothing is known.
type Facts struct {
	This        Relation       // the relation the model makes; that of an operation, which makes none, has no name
	Incremental bool           // is_incremental()
	Execute     bool           // whether queries may run: false while the project is only read
	Target      map[string]any // target.name, target.schema, target.type and so on

	Adapter  string            // adapter.type(): "duckdb" unless it is said
	Project  string            // project_name
	Packages map[string]string // versions of the project and its packages, by name
	Database string            // of the target
	// HideDatabase says that relations in the target's database do not print it, since the engine has no other.
	HideDatabase bool
	// Dispatch is the project's search order of adapter.dispatch, by namespace.
	Dispatch map[string][]string

	// PlainVars says that variables which are texts are no templates, as for what stands in YAML.
	PlainVars   bool
	Environment bool // env_var() sees the machine's environment: in a project of dbt's

	FullRefresh  bool   // flags.FULL_REFRESH
	Command      string // flags.WHICH and invocation_args_dict.which: run, test, compile…
	InvocationID string
	RunStarted   time.Time
	Selected     []string // selected_resources
	PreHooks     any
	PostHooks    any
	SQL          string            // sql and compiled_code, in a hook or a materialization; "" is None
	Metadata     map[string]string // dbt_metadata_envs
}

// names binds string arguments.
func names(a Args, params ...Param) ([]string, error) {
	vals, err := a.Bind(params...)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(vals))
	for i, v := range vals {
		s, ok := v.(string)
		if !ok {
			if u, ok := v.(*Undefined); ok {
				return nil, undefinedErr(u)
			}
			return nil, failf("%s: '%s' must be a string, not %s", a.name, params[i].Name, typeName(v))
		}
		out[i] = s
	}
	return out, nil
}

func callRef(e Engine, a Args) (any, error) {
	a.name = "ref()"
	const usage = "write ref('model'), ref('package', 'model') or ref('model', v=2)"
	version := ""
	for _, k := range a.Kw {
		if k.Name != "v" && k.Name != "version" {
			return nil, &Error{Msg: "ref() has no keyword argument '" + k.Name + "'", Hint: usage}
		}
		switch k.Value.(type) {
		case nil:
		case string, int64, float64:
			var err error
			if version, err = a.r.str(k.Value); err != nil {
				return nil, err
			}
		default:
			return nil, failf("ref(): a version is a string or a number, not %s", typeName(k.Value))
		}
	}
	a.Kw = nil
	switch len(a.Pos) {
	case 1:
		n, err := names(a, req("name"))
		if err != nil {
			return nil, err
		}
		return e.Ref("", n[0], version)
	case 2:
		if a.Pos[0] == nil {
			a.Pos[0] = ""
		}
		n, err := names(a, req("package"), req("name"))
		if err != nil {
			return nil, err
		}
		return e.Ref(n[0], n[1], version)
	}
	return nil, &Error{Msg: "ref() takes 1 or 2 arguments, got " + plural(len(a.Pos), "argument"), Hint: usage}
}

func callSource(e Engine, a Args) (any, error) {
	a.name = "source()"
	if len(a.Pos) != 2 || len(a.Kw) > 0 {
		return nil, &Error{Msg: "source() takes exactly 2 positional arguments, got " + plural(len(a.Pos), "argument"),
			Hint: "write source('source', 'table')"}
	}
	n, err := names(a, req("source"), req("table"))
	if err != nil {
		return nil, err
	}
	return e.Source(n[0], n[1])
}

// secretPrefix begins the names of variables that templates never see, in dbt as here.
const secretPrefix = "DBT_ENV_SECRET"

func callEnvVar(e Engine, seen bool, a Args) (any, error) {
	vals, err := a.Bind(req("name"), opt("default", nil))
	if err != nil {
		return nil, err
	}
	name, err := wantString(vals[0], "the name")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, secretPrefix) {
		return nil, &Error{Msg: "env_var('" + name + "'): a secret cannot be read in a template, where it could end in SQL or a log",
			Hint: "secrets belong to the connection of a target: ${secret:…} in millrace.yml, or profiles.yml"}
	}
	if v, ok := e.EnvVar(name); ok && (v != name || vals[1] == nil) { // who looks without an environment has the name in place of a value
		return v, nil
	}
	if vals[1] == nil && seen {
		return nil, &Error{Msg: "the environment variable '" + name + "' is not set",
			Hint: "set it, or give a default: env_var('" + name + "', '…')"}
	}
	if vals[1] == nil {
		return nil, &Error{Msg: "there is no environment variable '" + name + "' that a model may see",
			Hint: "set it; in a project that is not dbt's put it under vars: as " + name + ": ${" + name + "}, and write var('" + name +
				"'); or give a default: env_var('" + name + "', '…')"}
	}
	return a.r.str(vals[1])
}

// memberObject is a fixed set of names, read as attributes or as the keys of a dict.
type memberObject struct {
	name string
	m    map[string]any
}

func members(name string, m map[string]any) *memberObject { return &memberObject{name, maps.Clone(m)} }

func (o *memberObject) String() string { return "<" + o.name + ">" }
func (o *memberObject) isMapping()     {}

func (o *memberObject) elements() []any {
	keys := keysOf(o.m)
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = k
	}
	return out
}

func (o *memberObject) item(_ *render, key any) (any, bool, error) {
	name, _ := key.(string)
	v, ok := o.m[name]
	return v, ok, nil
}

// Attr returns a member.
func (o *memberObject) Attr(name string) (any, bool) {
	if v, ok := o.m[name]; ok {
		return v, true
	}
	switch name {
	case "keys":
		return nullary(&List{o.elements()}), true
	case "get":
		return getter(func(key string) (any, bool) { v, ok := o.m[key]; return v, ok }), true
	}
	return nil, false
}
