package jinja

import "strings"

// Relation is a table or view, as ref, source, this and api.Relation.create return it. It is a value: its methods give changed copies.
type Relation struct {
	Database, Schema, Name string
	Kind                   string // "table", "view", "cte", "external", or "" if unknown
	// SQL is what it prints: the quoted name, as the engine's dialect wants it, or a subquery. "" prints the parts of the name. A copy
	// that has other parts forgets it, but for that of a cte.
	SQL string
	// HideDatabase leaves the database out of the printed name, where the engine has only one: it is there to be read.
	HideDatabase bool
	// Where is a condition on the rows that are read of it where it is printed, "" for all; render() leaves it out.
	Where string

	hideSchema, hideName bool
	bare                 [3]bool // parts printed without quotes: database, schema, name
	view                 string  // of INFORMATION_SCHEMA
	snowflake            bool    // the class it says it is of
}

// String returns the quoted name, or a subquery of the rows that it stands for.
func (r Relation) String() string {
	if r.Where != "" {
		return "(select * from " + r.whole() + " where " + r.Where + ")"
	}
	return r.whole()
}

// whole is the name of all rows.
func (r Relation) whole() string {
	if r.SQL != "" {
		return r.SQL
	}
	var parts []string
	for i, p := range r.parts() {
		if p == "" || r.hidden(i) {
			continue
		}
		if !r.bare[i] {
			p = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
		}
		parts = append(parts, p)
	}
	if r.view != "" {
		parts = append(parts, r.view)
	}
	return strings.Join(parts, ".")
}

func (r Relation) parts() [3]string { return [3]string{r.Database, r.Schema, r.Name} }

func (r Relation) hidden(part int) bool {
	return [3]bool{r.HideDatabase, r.hideSchema, r.hideName}[part]
}

// spelled forgets the given text, so that the parts are printed.
func (r Relation) spelled() Relation {
	if r.Kind != "cte" {
		r.SQL = ""
	}
	return r
}

func (r Relation) typeName() string {
	switch {
	case r.view != "" || r.Name == "INFORMATION_SCHEMA":
		return "InformationSchema"
	case r.snowflake:
		return "SnowflakeRelation"
	}
	return "DuckDBRelation"
}

func (r Relation) isMapping() {}

func (r Relation) show(*render) (string, error) {
	return "<" + r.typeName() + " " + r.String() + ">", nil
}

// equals compares all but how the name was given.
func (r Relation) equals(_ *render, other any) (bool, error) {
	o, ok := other.(Relation)
	if ok && r.Kind != "cte" {
		r.SQL, o.SQL = "", ""
	}
	return ok && r == o, nil
}

func (r Relation) item(_ *render, key any) (any, bool, error) {
	name, ok := key.(string)
	if !ok {
		return nil, false, nil
	}
	v, ok := r.Attr(name)
	return v, ok, nil
}

var partNames = [3]string{"database", "schema", "identifier"}

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
	case "is_table", "is_view", "is_cte", "is_materialized_view", "is_function", "is_external":
		return r.Kind == strings.TrimPrefix(name, "is_"), true
	case "is_pointer":
		return r.Kind == "pointer_table", true
	case "can_be_renamed", "can_be_replaced", "dbt_created", "require_alias":
		return false, true
	case "limit", "event_time_filter", "external", "catalog":
		return nil, true
	case "quote_character":
		return `"`, true
	case "path":
		return &record{kind: "Path", names: partNames[:], vals: []any{orNone(r.Database), orNone(r.Schema), orNone(r.Name)}}, true
	case "include_policy":
		return policy(!r.HideDatabase, !r.hideSchema, !r.hideName), true
	case "quote_policy":
		return policy(!r.bare[0], !r.bare[1], !r.bare[2]), true
	case "render", "render_limited":
		return nullary(r.whole()), true
	case "without_identifier":
		r = r.spelled()
		r.hideName, r.Name = true, ""
		return nullary(r), true
	case "information_schema_only":
		return nullary(r.informationSchema("")), true
	case "to_dict":
		return Func(r.toDict), true
	}
	if m := relationMethod(name); m != nil {
		return Func(func(a Args) (any, error) { return m(r, a) }), true
	}
	return relationClass{snowflake: r.snowflake}.constant(name)
}

// relationMethod is one that takes arguments, or nil.
func relationMethod(name string) func(r Relation, a Args) (any, error) {
	switch name {
	case "include":
		return Relation.include
	case "quote":
		return Relation.quote
	case "quoted":
		return Relation.quoted
	case "incorporate", "replace":
		return Relation.incorporate
	case "replace_path":
		return Relation.replacePath
	case "information_schema":
		return Relation.callInformationSchema
	case "matches":
		return Relation.matches
	case "get":
		return Relation.get
	}
	return nil
}

func policy(database, schema, identifier bool) *record {
	return &record{kind: "Policy", names: partNames[:], vals: []any{database, schema, identifier}}
}

// flagsOf binds the three optional answers of include() and quote(), one for each part; nil where none is given.
func flagsOf(a Args) ([]any, error) {
	return a.Bind(opt("database", nil), opt("schema", nil), opt("identifier", nil))
}

func (r Relation) include(a Args) (any, error) {
	v, err := flagsOf(a)
	if err != nil {
		return nil, err
	}
	r = r.spelled()
	for i, hide := range []*bool{&r.HideDatabase, &r.hideSchema, &r.hideName} {
		if v[i] != nil {
			*hide = !truth(v[i])
		}
	}
	return r, nil
}

func (r Relation) quote(a Args) (any, error) {
	v, err := flagsOf(a)
	if err != nil {
		return nil, err
	}
	r = r.spelled()
	for i := range r.bare {
		if v[i] != nil {
			r.bare[i] = !truth(v[i])
		}
	}
	return r, nil
}

func (r Relation) quoted(a Args) (any, error) {
	v, err := a.Bind(req("identifier"))
	if err != nil {
		return nil, err
	}
	s, err := a.r.str(v[0])
	return `"` + s + `"`, err
}

func (r Relation) get(a Args) (any, error) {
	v, err := a.Bind(req("key"), opt("default", nil))
	if err != nil {
		return nil, err
	}
	if v[0] == "metadata" { // dbt_utils tells a relation from a dict by it
		d := NewDict()
		return d, d.Set("type", r.typeName())
	}
	if x, ok, _ := r.item(nil, v[0]); ok {
		return x, nil
	}
	return v[1], nil
}

// setPart sets a part of the name; None removes it.
func (r *Relation) setPart(name string, v any) error {
	if u, ok := v.(*Undefined); ok {
		return &Error{Msg: "a relation's " + name + " is undefined: " + u.msg, Hint: u.hint}
	}
	s, ok := v.(string)
	if !ok && v != nil {
		return failf("a relation's %s must be a string or None, not %s", name, typeName(v))
	}
	switch name {
	case "database":
		r.Database = s
	case "schema":
		r.Schema = s
	case "identifier":
		r.Name = s
	default:
		return &Error{Msg: "a relation's path has no part '" + name + "'", Hint: suggest(name, partNames[:])}
	}
	return nil
}

func (r Relation) replacePath(a Args) (any, error) {
	if len(a.Pos) > 0 {
		return nil, failf("replace_path() takes keyword arguments only")
	}
	r = r.spelled()
	for _, k := range a.Kw {
		if err := r.setPart(k.Name, k.Value); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r Relation) incorporate(a Args) (any, error) {
	if len(a.Pos) > 0 {
		return nil, failf("incorporate() takes keyword arguments only")
	}
	r = r.spelled()
	for _, k := range a.Kw {
		if err := r.setField(k.Name, k.Value); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// setField is one keyword of incorporate() or create().
func (r *Relation) setField(name string, v any) error {
	switch name {
	case "type":
		s, ok := v.(string)
		if !ok && v != nil {
			return failf("a relation's type must be a string or None, not %s", typeName(v))
		}
		r.Kind = s
	case "path", "quote_policy", "include_policy":
		return eachPart(name, v, func(part string, x any) error {
			if name == "path" {
				return r.setPart(part, x)
			}
			return r.setPolicy(name, part, truth(x))
		})
	case "quote_character", "dbt_created", "limit", "event_time_filter", "require_alias", "catalog", "catalog_name", "external",
		"renameable_relations", "replaceable_relations":
		if v != nil && truth(v) {
			return &Error{Msg: "a relation's " + name + " cannot be set", Hint: "Millrace prints a relation as its name alone"}
		}
	default:
		return &Error{Msg: "a relation has no field '" + name + "'",
			Hint: suggest(name, []string{"path", "type", "quote_policy", "include_policy", "database", "schema", "identifier"})}
	}
	return nil
}

// eachPart goes through a dict of the parts of a name, or a Path or Policy.
func eachPart(what string, v any, set func(part string, x any) error) error {
	if rec, ok := v.(*record); ok {
		for i, name := range rec.names {
			if err := set(name, rec.vals[i]); err != nil {
				return err
			}
		}
		return nil
	}
	d, ok := v.(*Dict)
	if !ok {
		return failf("a relation's %s must be a dict, not %s", what, typeName(v))
	}
	for k, x := range d.All() {
		name, ok := k.(string)
		if !ok {
			return failf("a relation's %s has a key that is no string", what)
		}
		if err := set(name, x); err != nil {
			return err
		}
	}
	return nil
}

func (r *Relation) setPolicy(policy, part string, on bool) error {
	hide := [3]*bool{&r.HideDatabase, &r.hideSchema, &r.hideName}
	for i, name := range partNames {
		switch {
		case name != part:
		case policy == "quote_policy":
			r.bare[i] = !on
			return nil
		default:
			*hide[i] = !on
			return nil
		}
	}
	return &Error{Msg: "a relation's " + policy + " has no part '" + part + "'", Hint: suggest(part, partNames[:])}
}

// informationSchema is the relation of the database's INFORMATION_SCHEMA, or of a view in it.
func (r Relation) informationSchema(view string) Relation {
	s := r.spelled()
	s.SQL, s.Kind, s.Schema, s.Name, s.view = "", "view", "", "INFORMATION_SCHEMA", view
	s.hideSchema, s.hideName, s.bare[2] = true, false, true
	return s
}

func (r Relation) callInformationSchema(a Args) (any, error) {
	v, err := a.Bind(opt("view_name", nil))
	if err != nil {
		return nil, err
	}
	view, _ := v[0].(string) // anything else is as none, in dbt too
	return r.informationSchema(view), nil
}

// matches tells whether the parts that are given are the relation's; a name that differs in case only is an error, as in dbt.
func (r Relation) matches(a Args) (any, error) {
	v, err := flagsOf(a)
	if err != nil {
		return nil, err
	}
	asked, exact, near := false, true, true
	for i, p := range r.parts() {
		if v[i] == nil {
			continue
		}
		s, err := wantString(v[i], "the "+partNames[i])
		if err != nil {
			return nil, err
		}
		asked, exact, near = true, exact && s == p, near && strings.EqualFold(s, p)
	}
	switch {
	case !asked:
		return nil, failf("matches() got no part of a name to compare with")
	case near && !exact:
		return nil, failf("matches(): %s differs from what is searched in upper and lower case only", r)
	}
	return exact, nil
}

func (r Relation) toDict(a Args) (any, error) {
	if _, err := a.Bind(opt("omit_none", false)); err != nil {
		return nil, err
	}
	d := NewDict()
	for _, name := range []string{"path", "type", "quote_character", "include_policy", "quote_policy"} {
		v, _ := r.Attr(name)
		if rec, ok := v.(*record); ok {
			sub := NewDict()
			for i, n := range rec.names {
				if err := sub.Set(n, rec.vals[i]); err != nil {
					return nil, err
				}
			}
			v = sub
		}
		if err := d.Set(name, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// relationClass is api.Relation.
type relationClass struct {
	database  string // of the target
	hide      bool   // which relations in it do not print
	snowflake bool
}

func (relationClass) String() string   { return "<class 'Relation'>" }
func (relationClass) typeName() string { return "type" }

// constant are the attributes that a relation has too.
func (relationClass) constant(name string) (any, bool) {
	switch name {
	case "Table", "View", "External", "Function":
		return strings.ToLower(name), true
	case "CTE":
		return "cte", true
	case "MaterializedView":
		return "materialized_view", true
	case "PointerTable":
		return "pointer_table", true
	case "add_ephemeral_prefix":
		return Func(func(a Args) (any, error) {
			n, err := names(a, req("name"))
			if err != nil {
				return nil, err
			}
			return "__dbt__cte__" + n[0], nil
		}), true
	}
	return nil, false
}

func (c relationClass) Attr(name string) (any, bool) {
	switch name {
	case "create":
		return Func(c.create), true
	case "get_default_quote_policy":
		return nullary(policy(!c.snowflake, !c.snowflake, !c.snowflake)), true
	case "get_default_include_policy":
		return nullary(policy(true, true, true)), true
	case "create_from", "create_ephemeral_from", "from_dict":
		return Func(func(Args) (any, error) {
			return nil, &Error{Msg: "api.Relation." + name + "() is not supported", Unsupported: true,
				Hint: "write ref('model'), or api.Relation.create(schema=…, identifier=…)"}
		}), true
	}
	return c.constant(name)
}

// create makes a relation of a name; nothing is asked of the database.
func (c relationClass) create(a Args) (any, error) {
	a.name = "api.Relation.create()"
	var rest []KwArg
	own := a
	own.Kw = nil
	for _, k := range a.Kw {
		switch k.Name {
		case "database", "schema", "identifier", "type":
			own.Kw = append(own.Kw, k)
		default:
			rest = append(rest, k)
		}
	}
	v, err := own.Bind(opt("database", nil), opt("schema", nil), opt("identifier", nil), opt("type", nil))
	if err != nil {
		return nil, err
	}
	r := Relation{snowflake: c.snowflake}
	if c.snowflake { // what is not quoted there is folded to upper case, which dbt leaves to it
		r.bare = [3]bool{true, true, true}
	}
	for i, part := range partNames {
		if err := r.setPart(part, v[i]); err != nil {
			return nil, err
		}
	}
	if err := r.setField("type", v[3]); err != nil {
		return nil, err
	}
	r.HideDatabase = c.hide && strings.EqualFold(r.Database, c.database)
	for _, k := range rest {
		if err := r.setField(k.Name, k.Value); err != nil {
			return nil, err
		}
	}
	return r, nil
}
