package jinja

import (
	"strings"
	"sync"
)

// adapter is `adapter`: what the database knows, and how it spells things. It answers questions; what would change the database is
// refused, since Millrace makes, changes and removes tables itself.
type adapter struct{ c *modelContext }

func (adapter) String() string   { return "<adapter>" }
func (adapter) typeName() string { return "adapter" }

// adapterCalls are its methods. Those that ask the database have an answer for while a project is only read, as dbt has.
var adapterCalls = sync.OnceValue(buildAdapterCalls)

type adapterCall struct {
	call    func(c *modelContext, a Args) (any, error)
	reading func() any // the answer while nothing may be asked; nil calls all the same
}

func none() any     { return nil }
func noItems() any  { return &List{} }
func notThere() any { return false }

func buildAdapterCalls() map[string]adapterCall {
	calls := map[string]adapterCall{
		"dispatch": {call: (*modelContext).dispatch},
		"type": {call: func(c *modelContext, a Args) (any, error) {
			_, err := a.Bind()
			return c.f.Adapter, err
		}},
		"quote":               {call: (*modelContext).quote},
		"quote_as_configured": {call: (*modelContext).quoteAsConfigured},
		"quote_seed_column":   {call: (*modelContext).quoteSeedColumn},

		"execute":                        {(*modelContext).execute, func() any { return &Tuple{Items: []any{response("", nil, nil), &Table{}}} }},
		"get_relation":                   {(*modelContext).getRelation, none},
		"load_relation":                  {(*modelContext).loadRelation, none},
		"list_relations":                 {(*modelContext).listRelations, noItems},
		"list_relations_without_caching": {(*modelContext).listRelationsOf, noItems},
		"get_columns_in_relation":        {(*modelContext).getColumns, noItems},
		"get_columns_in_table":           {(*modelContext).getColumnsInTable, noItems},
		"get_missing_columns":            {(*modelContext).getMissingColumns, noItems},
		"get_column_schema_from_query":   {(*modelContext).getQueryColumns, noItems},
		"check_schema_exists":            {(*modelContext).checkSchemaExists, notThere},
		"already_exists":                 {(*modelContext).alreadyExists, notThere},
		"location_exists":                {unsupported("location_exists()", "read files with read_parquet or read_csv, in a model"), notThere},

		"create_schema": {(*modelContext).createSchema, none},
		"commit":        {call: func(_ *modelContext, a Args) (any, error) { _, err := a.Bind(); return "", err }},
		"cache_added":   {call: nothing}, "cache_dropped": {call: nothing}, "cache_renamed": {call: nothing},
		"is_motherduck":    {call: func(_ *modelContext, a Args) (any, error) { _, err := a.Bind(); return false, err }},
		"is_ducklake":      {call: func(_ *modelContext, a Args) (any, error) { _, err := a.Bind(req("relation")); return false, err }},
		"get_binding_char": {call: func(_ *modelContext, a Args) (any, error) { _, err := a.Bind(); return "?", err }},
		"external_root":    {call: func(_ *modelContext, a Args) (any, error) { _, err := a.Bind(); return ".", err }},
		"warn_once":        {call: (*modelContext).warnOnce},
	}
	for instead, names := range map[string][]string{
		"a table is replaced as a whole when its model is built, and removed by millrace gc when no model makes it any more": {"drop_relation"},

		"a schema goes with its last table":  {"drop_schema"},
		"set alias in the model's config":    {"rename_relation"},
		"run the model with --full-refresh":  {"truncate_relation"},
		"Millrace needs no temporary tables": {"get_temp_relation_path"},
		"files have no indexes":              {"parse_index"},
		"grants are not supported":           {"standardize_grants_dict"},
		"read a seed with ref('seed')":       {"get_seed_file_path"},
		"cast in SQL":                        {"convert_datetimes_to_strs"},
		"catalogs are not supported":         {"get_catalog_integration", "build_catalog_relation"},
		"use the external materialization":   {"store_relation", "external_write_options", "external_read_location"},
		"contracts are checked by Millrace":  {"render_raw_columns_constraints", "render_raw_model_constraints"},
		"use run_query, for a SELECT":        {"add_query", "run_sql_for_tests", "get_partitions_metadata"},
		"snapshots are made by Millrace itself": {
			"valid_snapshot_target", "assert_valid_snapshot_target_given_strategy", "get_hard_deletes_behavior"},
		"incremental models are built by Millrace itself: set incremental_strategy and on_schema_change": {
			"expand_target_column_types", "get_incremental_strategy_macro"},
	} {
		for _, name := range names {
			calls[name] = adapterCall{unsupported(name+"()", instead), none}
		}
	}
	return calls
}

func unsupported(what, instead string) func(*modelContext, Args) (any, error) {
	return refusal("adapter."+what, instead)
}

func nothing(*modelContext, Args) (any, error) { return "", nil }

// Attr returns a method.
func (o adapter) Attr(name string) (any, bool) {
	switch name {
	case "Relation":
		return relationClass{database: o.c.f.Database, hide: o.c.f.HideDatabase, snowflake: o.c.f.Adapter == "snowflake"}, true
	case "Column":
		return columnClass{o.c.f.Adapter == "snowflake"}, true
	case "behavior":
		return behavior{}, true
	case "config":
		return members("config", map[string]any{"project_name": o.c.f.Project}), true
	}
	m, ok := adapterCalls()[name]
	if !ok {
		return nil, false
	}
	return Func(func(a Args) (any, error) {
		a.name = "adapter." + name + "()"
		if !o.c.f.Execute && m.reading != nil {
			return m.reading(), nil
		}
		return m.call(o.c, a)
	}), true
}

// behavior is adapter.behavior: dbt's switches for changed behaviour, all as they are when nothing is set.
type behavior struct{}

func (behavior) String() string { return "<behavior>" }

// Attr is a switch: false, with no_warn and setting.
func (behavior) Attr(string) (any, bool) { return switchedOff{}, true }

type switchedOff struct{}

func (switchedOff) String() string { return "False" }
func (switchedOff) truth() bool    { return false }

// Attr is false too.
func (switchedOff) Attr(name string) (any, bool) {
	return false, name == "no_warn" || name == "setting"
}

func (c *modelContext) dispatch(a Args) (any, error) {
	v, err := a.Bind(req("macro_name"), opt("macro_namespace", nil), opt("packages", nil))
	if err != nil {
		return nil, err
	}
	if v[2] != nil {
		return nil, &Error{Msg: "adapter.dispatch(): dbt has removed packages=", Hint: "write macro_namespace='package'"}
	}
	name, err := wantString(v[0], "the name of a macro")
	if err != nil {
		return nil, err
	}
	space := ""
	if v[1] != nil {
		if space, err = wantString(v[1], "macro_namespace"); err != nil {
			return nil, err
		}
	}
	return a.Dispatch(c.f.Adapter, name, space, c.f.Dispatch)
}

func (c *modelContext) quote(a Args) (any, error) {
	n, err := names(a, req("identifier"))
	if err != nil {
		return nil, err
	}
	return quoteName(n[0]), nil
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func (c *modelContext) quoteAsConfigured(a Args) (any, error) {
	n, err := names(a, req("identifier"), req("quote_key"))
	if err != nil {
		return nil, err
	}
	if n[1] != "database" && n[1] != "schema" && n[1] != "identifier" || c.f.Adapter == "snowflake" {
		return n[0], nil
	}
	return quoteName(n[0]), nil
}

func (c *modelContext) quoteSeedColumn(a Args) (any, error) {
	v, err := a.Bind(req("column"), opt("quote_config", nil))
	if err != nil {
		return nil, err
	}
	name, err := wantString(v[0], "the column")
	if err != nil || v[1] == false {
		return name, err
	}
	return quoteName(name), nil
}

// execute runs a statement: it gives the response and the table.
func (c *modelContext) execute(a Args) (any, error) {
	v, err := a.Bind(req("sql"), opt("auto_begin", false), opt("fetch", false), opt("limit", nil))
	if err != nil {
		return nil, err
	}
	sql, err := wantString(v[0], "the statement")
	if err != nil {
		return nil, err
	}
	t, err := c.e.Query(sql)
	if err != nil {
		return nil, err
	}
	if err := a.r.chargeItems(len(t.rows) * max(len(t.names), 1)); err != nil {
		return nil, err
	}
	if v[3] != nil {
		n, err := wantInt(v[3])
		if err != nil {
			return nil, err
		}
		t = &Table{t.names, t.rows[:max(0, min(int(n), len(t.rows)))]}
	}
	if !truth(v[2]) {
		t = &Table{}
	}
	return &Tuple{Items: []any{response("OK", nil, nil), t}}, nil
}

// optionalNames are strings of which any may be None, which is "".
func optionalNames(a Args, params ...Param) ([]string, error) {
	v, err := a.Bind(params...)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(v))
	for i, x := range v {
		if x == nil {
			continue
		}
		if out[i], err = wantString(x, a.name+": '"+params[i].Name+"'"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *modelContext) lookup(database, schema, name string) (any, error) {
	r, ok, err := c.e.Lookup(database, schema, name)
	if err != nil || !ok {
		return nil, err
	}
	return r, nil
}

func (c *modelContext) getRelation(a Args) (any, error) {
	n, err := optionalNames(a, req("database"), req("schema"), req("identifier"))
	if err != nil {
		return nil, err
	}
	return c.lookup(n[0], n[1], n[2])
}

func (c *modelContext) loadRelation(a Args) (any, error) {
	r, err := relationArg(a, "relation")
	if err != nil {
		return nil, err
	}
	return c.lookup(r.Database, r.Schema, r.Name)
}

// relationArg binds the one argument of a method, a relation.
func relationArg(a Args, name string) (Relation, error) {
	v, err := a.Bind(req(name))
	if err != nil {
		return Relation{}, err
	}
	return wantRelation(a, v[0])
}

func wantRelation(a Args, v any) (Relation, error) {
	r, ok := v.(Relation)
	if u, undefined := v.(*Undefined); undefined {
		return r, undefinedErr(u)
	}
	if !ok {
		return r, &Error{Msg: a.name + " takes a relation, not " + typeName(v),
			Hint: "ref('model') is one, and so is api.Relation.create(schema=…, identifier=…)"}
	}
	return r, nil
}

func relationList(relations []Relation) *List {
	l := &List{}
	for _, r := range relations {
		l.Items = append(l.Items, r)
	}
	return l
}

func (c *modelContext) listRelations(a Args) (any, error) {
	n, err := optionalNames(a, req("database"), req("schema"))
	if err != nil {
		return nil, err
	}
	found, err := c.e.Relations(n[0], n[1])
	return relationList(found), err
}

func (c *modelContext) listRelationsOf(a Args) (any, error) {
	r, err := relationArg(a, "schema_relation")
	if err != nil {
		return nil, err
	}
	found, err := c.e.Relations(r.Database, r.Schema)
	return relationList(found), err
}

// columns are those of a relation, as the adapter's class.
func (c *modelContext) columns(r Relation) ([]Column, error) {
	cols, err := c.e.Columns(r)
	return c.own(cols), err
}

func (c *modelContext) own(cols []Column) []Column {
	for i := range cols {
		cols[i].snowflake = c.f.Adapter == "snowflake"
	}
	return cols
}

func columnList(cols []Column) *List {
	l := &List{}
	for _, c := range cols {
		l.Items = append(l.Items, c)
	}
	return l
}

func (c *modelContext) getColumns(a Args) (any, error) {
	r, err := relationArg(a, "relation")
	if err != nil {
		return nil, err
	}
	cols, err := c.columns(r)
	return columnList(cols), err
}

func (c *modelContext) getColumnsInTable(a Args) (any, error) {
	n, err := optionalNames(a, req("schema"), req("identifier"))
	if err != nil {
		return nil, err
	}
	r, ok, err := c.e.Lookup("", n[0], n[1])
	if err != nil || !ok {
		return &List{}, err
	}
	cols, err := c.columns(r)
	return columnList(cols), err
}

// getMissingColumns are those of one relation that another has not.
func (c *modelContext) getMissingColumns(a Args) (any, error) {
	v, err := a.Bind(req("from_relation"), req("to_relation"))
	if err != nil {
		return nil, err
	}
	var all [2][]Column
	for i := range v {
		r, err := wantRelation(a, v[i])
		if err != nil {
			return nil, err
		}
		if all[i], err = c.columns(r); err != nil {
			return nil, err
		}
	}
	var missing []Column
	for _, col := range all[0] {
		has := false
		for _, other := range all[1] {
			has = has || other.Name == col.Name
		}
		if !has {
			missing = append(missing, col)
		}
	}
	return columnList(missing), nil
}

func (c *modelContext) getQueryColumns(a Args) (any, error) {
	n, err := names(a, req("sql"))
	if err != nil {
		return nil, err
	}
	cols, err := c.e.QueryColumns(n[0])
	return columnList(c.own(cols)), err
}

func (c *modelContext) checkSchemaExists(a Args) (any, error) {
	n, err := optionalNames(a, req("database"), req("schema"))
	if err != nil {
		return nil, err
	}
	found, err := c.e.Relations(n[0], n[1])
	return len(found) > 0, err
}

func (c *modelContext) alreadyExists(a Args) (any, error) {
	n, err := optionalNames(a, req("schema"), req("name"))
	if err != nil {
		return nil, err
	}
	_, ok, err := c.e.Lookup("", n[0], n[1])
	return ok, err
}

// createSchema has nothing to do, and says so once.
func (c *modelContext) createSchema(a Args) (any, error) {
	r, err := relationArg(a, "relation")
	if err == nil {
		c.once(a, "adapter.create_schema("+r.Schema+"): nothing to do, a schema is made with the first table in it")
	}
	return nil, err
}

func (c *modelContext) warnOnce(a Args) (any, error) {
	n, err := names(a, req("msg"))
	if err == nil {
		c.once(a, n[0])
	}
	return "", err
}

// once warns the first time that this rendering says so.
func (c *modelContext) once(a Args, msg string) {
	key := "\x00warned " + msg // no statement has such a name
	if _, said := c.results[key]; !said {
		c.results[key] = true
		c.e.Warn(a.Position(), msg)
	}
}
