package jinja

import (
	"maps"
	"strings"
)

// Engine is what a model template may ask of the engine that renders it. Methods are called during Render, in the
// order of the template, from one goroutine; an error ends the rendering with the position of the call. Return an
// *Error without a position to add a hint.
type Engine interface {
	// Ref returns the relation of a model or seed; pkg is "" where the template names none.
	Ref(pkg, name string) (Relation, error)
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
	// Warn takes what log(…, info=true) and exceptions.warn say.
	Warn(at Position, msg string)
}

// Facts is what is known of a model before it is rendered.
type Facts struct {
	This        Relation       // the relation the model makes
	Incremental bool           // is_incremental()
	Execute     bool           // whether queries may run: false while the project is only read
	Target      map[string]any // target.name, target.schema, target.type and so on
}

// Relation is a table or view, as ref, source and this return it.
type Relation struct {
	Database, Schema, Name string
	Kind                   string // "table", "view", "cte", or "" if unknown
	SQL                    string // what it prints: the quoted name, as the engine's dialect wants it
}

// String returns the quoted name.
func (r Relation) String() string { return r.SQL }

// Attr returns dbt's attributes of a relation.
func (r Relation) Attr(name string) (any, bool) {
	switch name {
	case "database":
		return orNone(r.Database), true
	case "schema":
		return orNone(r.Schema), true
	case "name", "identifier", "table":
		return orNone(r.Name), true
	case "type":
		return orNone(r.Kind), true
	case "is_table", "is_view", "is_cte":
		return r.Kind == strings.TrimPrefix(name, "is_"), true
	case "render":
		return Func(func(a Args) (any, error) {
			_, err := a.Bind()
			return r.SQL, err
		}), true
	}
	return nil, false
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ModelGlobals returns the globals of a model template: ref, source, config, var, env_var, this, target,
// is_incremental, execute, return, log, exceptions, tojson, fromjson and zip, with dbt's rules for their arguments.
func ModelGlobals(e Engine, f Facts) map[string]any {
	ref := func(a Args) (any, error) { return callRef(e, a) }
	source := func(a Args) (any, error) { return callSource(e, a) }
	g := map[string]any{
		"ref":            Func(ref),
		"source":         Func(source),
		"config":         configObject{e},
		"var":            varObject{e},
		"env_var":        Func(func(a Args) (any, error) { return callEnvVar(e, a) }),
		"this":           f.This,
		"target":         f.Target,
		"execute":        f.Execute,
		"is_incremental": Func(func(a Args) (any, error) { _, err := a.Bind(); return f.Incremental, err }),
		"return": Func(func(a Args) (any, error) {
			v, err := a.Bind(req("data"))
			if err != nil {
				return nil, err
			}
			return nil, returned{v[0]}
		}),
		"log":        Func(func(a Args) (any, error) { return callLog(e, a) }),
		"exceptions": exceptions{e},
		"tojson": Func(func(a Args) (any, error) {
			v, err := a.Bind(req("value"), opt("default", nil), opt("sort_keys", false))
			if err != nil {
				return nil, err
			}
			return a.r.dumps(v[0], -1, truth(v[2]))
		}),
		"fromjson": Func(func(a Args) (any, error) {
			v, err := a.Bind(req("string"), opt("default", nil))
			if err != nil {
				return nil, err
			}
			s, err := wantString(v[0], "fromjson() argument")
			if err != nil {
				return nil, err
			}
			if err := a.r.chargeItems(len(s)); err != nil {
				return nil, err
			}
			return loads(s)
		}),
		"zip": Func(callZip),
	}
	g["builtins"] = members("builtins", map[string]any{"ref": g["ref"], "source": g["source"], "config": g["config"], "var": g["var"]})
	return g
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
	for _, k := range a.Kw {
		if k.Name == "v" || k.Name == "version" {
			return nil, &Error{Msg: "ref() with " + k.Name + "=: versioned models are not supported",
				Hint: "name the model file itself, such as ref('orders_v2')"}
		}
	}
	if len(a.Kw) > 0 {
		return nil, &Error{Msg: "ref() has no keyword argument '" + a.Kw[0].Name + "'", Hint: "write ref('model') or ref('package', 'model')"}
	}
	if len(a.Pos) < 1 || len(a.Pos) > 2 {
		return nil, &Error{Msg: "ref() takes 1 or 2 arguments, got " + plural(len(a.Pos), "argument"),
			Hint: "write ref('model') or ref('package', 'model')"}
	}
	if len(a.Pos) == 2 {
		n, err := names(a, req("package"), req("name"))
		if err != nil {
			return nil, err
		}
		return e.Ref(n[0], n[1])
	}
	n, err := names(a, req("name"))
	if err != nil {
		return nil, err
	}
	return e.Ref("", n[0])
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

func callEnvVar(e Engine, a Args) (any, error) {
	vals, err := a.Bind(req("name"), opt("default", nil))
	if err != nil {
		return nil, err
	}
	name, err := wantString(vals[0], "the name")
	if err != nil {
		return nil, err
	}
	if v, ok := e.EnvVar(name); ok {
		return v, nil
	}
	if vals[1] == nil {
		return nil, &Error{Msg: "a model cannot see the environment variable '" + name + "'",
			Hint: "put it under vars: in the project as " + name + ": ${" + name + "}, and write var('" + name + "'); or give a default: env_var('" + name + "', '…')"}
	}
	return a.r.str(vals[1])
}

func callLog(e Engine, a Args) (any, error) {
	v, err := a.Bind(req("msg"), opt("info", false))
	if err != nil {
		return nil, err
	}
	msg, err := a.r.str(v[0])
	if err == nil && truth(v[1]) {
		e.Warn(a.Position(), msg)
	}
	return "", err
}

func callZip(a Args) (any, error) {
	cols := make([][]any, len(a.Pos))
	n := 0
	for i, v := range a.Pos {
		items, err := a.r.items(v)
		if err != nil {
			return nil, err
		}
		cols[i] = items
		if i == 0 || len(items) < n {
			n = len(items)
		}
	}
	out := &List{}
	for i := range n {
		t := &Tuple{}
		for _, c := range cols {
			t.Items = append(t.Items, c[i])
		}
		out.Items = append(out.Items, t)
	}
	return out, a.r.chargeItems(n * len(cols))
}

// configObject is `config`: called to set, with get and require to read.
type configObject struct{ e Engine }

func (configObject) String() string { return "" }

func (c configObject) Call(a Args) (any, error) {
	d := NewDict()
	switch {
	case len(a.Pos) == 0:
		for _, k := range a.Kw {
			if k.Name == "caller" {
				return nil, failf("config() cannot be used with {%% call %%}")
			}
			if err := d.Set(k.Name, k.Value); err != nil {
				return nil, err
			}
		}
	case len(a.Pos) == 1 && len(a.Kw) == 0:
		m, ok := a.Pos[0].(*Dict)
		if !ok {
			return nil, &Error{Msg: "config() takes keyword arguments or one dict, not " + typeName(a.Pos[0]), Hint: "write config(materialized='table')"}
		}
		for k, v := range m.All() {
			if !isString(k) {
				return nil, failf("config(): keys must be strings, not %s", typeName(k))
			}
			if err := d.Set(k, v); err != nil {
				return nil, err
			}
		}
	default:
		return nil, &Error{Msg: "config() takes keyword arguments or one dict, not both", Hint: "write config(materialized='table')"}
	}
	for k, v := range d.All() {
		if u, ok := v.(*Undefined); ok {
			return nil, &Error{Msg: "config(): " + k.(string) + ": " + u.msg, Hint: u.hint}
		}
	}
	return "", c.e.SetConfig(d)
}

func (c configObject) Attr(name string) (any, bool) {
	switch name {
	case "get":
		return Func(func(a Args) (any, error) {
			a.name = "config.get()"
			v, err := a.Bind(req("name"), opt("default", nil))
			if err != nil {
				return nil, err
			}
			key, err := wantString(v[0], "the name of a setting")
			if err != nil {
				return nil, err
			}
			if x, ok := c.e.Config(key); ok {
				return x, nil
			}
			return v[1], nil
		}), true
	case "require":
		return Func(func(a Args) (any, error) {
			a.name = "config.require()"
			n, err := names(a, req("name"))
			if err != nil {
				return nil, err
			}
			if x, ok := c.e.Config(n[0]); ok {
				return x, nil
			}
			return nil, &Error{Msg: "config '" + n[0] + "' is required and not set", Hint: "add config(" + n[0] + "=…) to the model"}
		}), true
	}
	return nil, false
}

// varObject is `var`: called to read, with has_var.
type varObject struct{ e Engine }

func (varObject) String() string { return "" }

func (o varObject) Call(a Args) (any, error) {
	missing := &Undefined{}
	v, err := a.Bind(req("name"), opt("default", missing))
	if err != nil {
		return nil, err
	}
	name, err := wantString(v[0], "the name of a variable")
	if err != nil {
		return nil, err
	}
	if x, ok := o.e.Var(name); ok {
		return x, nil
	}
	if v[1] == missing {
		return nil, &Error{Msg: "variable '" + name + "' is not set", Hint: "set it under vars, or give a default: var('" + name + "', …)"}
	}
	return v[1], nil
}

func (o varObject) Attr(name string) (any, bool) {
	if name != "has_var" {
		return nil, false
	}
	return Func(func(a Args) (any, error) {
		n, err := names(a, req("name"))
		if err != nil {
			return nil, err
		}
		_, ok := o.e.Var(n[0])
		return ok, nil
	}), true
}

// exceptions is dbt's namespace of the same name.
type exceptions struct{ e Engine }

func (exceptions) String() string { return "" }

func (x exceptions) Attr(name string) (any, bool) {
	switch name {
	case "raise_compiler_error":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("msg"), opt("node", nil))
			if err != nil {
				return nil, err
			}
			msg, err := a.r.str(v[0])
			if err != nil {
				return nil, err
			}
			return nil, &Error{Msg: msg}
		}), true
	case "warn":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("msg"), opt("node", nil))
			if err != nil {
				return nil, err
			}
			msg, err := a.r.str(v[0])
			if err == nil {
				x.e.Warn(a.Position(), msg)
			}
			return "", err
		}), true
	}
	return nil, false
}

// memberObject is a fixed set of names.
type memberObject struct {
	name string
	m    map[string]any
}

func members(name string, m map[string]any) *memberObject { return &memberObject{name, maps.Clone(m)} }

func (o *memberObject) String() string { return "<" + o.name + ">" }

func (o *memberObject) Attr(name string) (any, bool) {
	v, ok := o.m[name]
	return v, ok
}
