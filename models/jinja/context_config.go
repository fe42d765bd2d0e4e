package jinja

import "strings"

// configObject is `config`: called to set, with get and require to read.
type configObject struct{ c *modelContext }

func (configObject) String() string { return "" }

// Call is config(materialized='table', …), or config({…}).
func (o configObject) Call(a Args) (any, error) {
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
			return nil, &Error{Msg: "config() takes keyword arguments or one dict, not " + typeName(a.Pos[0]),
				Hint: "write config(materialized='table')"}
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
	return "", o.set(d)
}

func (o configObject) set(d *Dict) error {
	for k, v := range d.All() {
		if u, ok := v.(*Undefined); ok {
			return &Error{Msg: "config(): " + k.(string) + ": " + u.msg, Hint: u.hint}
		}
	}
	return o.c.e.SetConfig(d)
}

// Attr returns the methods of config.
func (o configObject) Attr(name string) (any, bool) {
	switch name {
	case "get":
		return Func(o.get), true
	case "require":
		return Func(o.require), true
	case "set":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("name"), req("value"))
			if err != nil {
				return nil, err
			}
			d := NewDict()
			if err := d.Set(v[0], v[1]); err != nil {
				return nil, err
			}
			if !isString(v[0]) {
				return nil, failf("config.set(): the name must be a string, not %s", typeName(v[0]))
			}
			return "", o.set(d)
		}), true
	case "persist_relation_docs", "persist_column_docs":
		key := "relation"
		if name == "persist_column_docs" {
			key = "columns"
		}
		return Func(func(a Args) (any, error) { return o.persists(a, key) }), true
	}
	return nil, false
}

func (o configObject) get(a Args) (any, error) {
	a.name = "config.get()"
	v, err := a.Bind(req("name"), opt("default", nil), opt("validator", nil))
	if err != nil {
		return nil, err
	}
	key, err := wantString(v[0], "the name of a setting")
	if err != nil {
		return nil, err
	}
	x, ok := o.c.e.Config(key)
	if !ok {
		x = v[1]
	}
	if v[2] != nil && v[1] != nil && o.c.f.Execute { // dbt validates only where there is a default
		if err := validate(a, v[2], x); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (o configObject) require(a Args) (any, error) {
	a.name = "config.require()"
	v, err := a.Bind(req("name"), opt("validator", nil))
	if err != nil {
		return nil, err
	}
	key, err := wantString(v[0], "the name of a setting")
	if err != nil {
		return nil, err
	}
	x, ok := o.c.e.Config(key)
	switch {
	case !ok && !o.c.f.Execute: // it may be set behind this place: dbt asks at run time
		return "", nil
	case !ok:
		return nil, &Error{Msg: "config '" + key + "' is required and not set", Hint: "add config(" + key + "=…) to the model"}
	case v[1] != nil && o.c.f.Execute:
		if err := validate(a, v[1], x); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// validate calls a validator, such as validation.any['a', 'b'].
func validate(a Args, validator, x any) error {
	v, err := FromGo(x)
	if err != nil {
		return err
	}
	_, err = a.CallValue(validator, v)
	return err
}

func (o configObject) persists(a Args, key string) (any, error) {
	if _, err := a.Bind(); err != nil {
		return nil, err
	}
	x, ok := o.c.e.Config("persist_docs")
	if !ok || !o.c.f.Execute {
		return false, nil
	}
	v, err := FromGo(x)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, failf("config persist_docs must be a dict, not %s", typeName(v))
	}
	on, _ := d.Get(key)
	return truth(on), nil
}

// varObject is `var`: called to read, with has_var.
type varObject struct{ c *modelContext }

func (varObject) String() string { return "" }

// Call is var(name, default). A variable that is a text is a template itself: it is rendered where it is read, texts within a list are not.
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
	if x, ok := o.c.e.Var(name); ok {
		if text, ok := x.(string); ok && !o.c.f.PlainVars && (strings.Contains(text, "{{") || strings.Contains(text, "{%") ||
			strings.Contains(text, "{#")) {
			return a.template(text)
		}
		return x, nil
	}
	if v[1] != missing {
		return v[1], nil
	}
	// dbt gives None while it reads a project, and fails when it runs: the sooner the better.
	return nil, &Error{Msg: "variable '" + name + "' is not set", Hint: "set it under vars, or give a default: var('" + name + "', …)"}
}

// Attr is has_var.
func (o varObject) Attr(name string) (any, bool) {
	if name != "has_var" {
		return nil, false
	}
	return Func(func(a Args) (any, error) {
		n, err := names(a, req("name"))
		if err != nil {
			return nil, err
		}
		_, ok := o.c.e.Var(n[0])
		return ok, nil
	}), true
}

// refObject is `ref`: called for a relation. By builtins.ref.config packages find the versions of packages.
type refObject struct{ c *modelContext }

func (refObject) String() string { return "<ref>" }

// Call is ref(…).
func (o refObject) Call(a Args) (any, error) { return callRef(o.c.e, a) }

// Attr is config, with what is known of it here.
func (o refObject) Attr(name string) (any, bool) {
	if name != "config" {
		return nil, false
	}
	packages := map[string]any{}
	for name, version := range o.c.f.Packages {
		packages[name] = members("config of "+name, map[string]any{"project_name": name, "version": version})
	}
	f := o.c.f
	return members("config", map[string]any{"project_name": f.Project, "version": orNone(f.Packages[f.Project]),
		"dependencies": members("packages", packages),
		"target_name":  f.Target["name"], "profile_name": f.Target["profile_name"], "args": o.c.arguments()}), true
}
