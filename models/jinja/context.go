package jinja

import (
	"crypto/md5"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// modelContext is what one rendering knows: the engine, the facts and the results that statements have stored. In a template it is
// `context`, the dict of all names.
type modelContext struct {
	e       Engine
	f       Facts
	results map[string]any // by the name of the statement; nil once it is loaded
}

// lazy is a global that is asked for when a template names it.
type lazy func() (any, error)

// shared are the globals that are the same for every rendering. They are never changed.
var shared = sync.OnceValue(func() map[string]any {
	g := map[string]any{
		"modules": members("modules", map[string]any{
			"re": reModule(), "itertools": itertoolsModule(),
			"pytz": members("module pytz", map[string]any{"timezone": Func(callTimezone), "utc": utcZone, "UTC": utcZone}),
			"datetime": members("module datetime", map[string]any{
				"date": dateClass{}, "datetime": datetimeClass{}, "time": Func(callTime), "timedelta": Func(callTimedelta)}),
		}),
		"dbt_version": Version,
		"thread_id":   "MainThread",
		"validation":  members("validation", map[string]any{"any": anyOf{}}),
	}
	for name, fn := range map[string]func(a Args) (any, error){
		"return": callReturn, "tojson": callToJSON, "fromjson": callFromJSON, "toyaml": callToYAML, "fromyaml": callFromYAML,
		"zip": callZip, "zip_strict": callZip, "set": callSet, "set_strict": callSetStrict, "local_md5": callMD5,
		"diff_of_two_dicts": callDictDiff, "render": callRender, "try_or_compiler_error": callTry,
	} {
		g[name] = Func(fn)
	}
	return g
})

// contextCalls are the functions that need the context.
var contextCalls = map[string]func(c *modelContext, a Args) (any, error){
	"source":  func(c *modelContext, a Args) (any, error) { return callSource(c.e, a) },
	"env_var": func(c *modelContext, a Args) (any, error) { return callEnvVar(c.e, c.f.Environment, a) },
	"is_incremental": func(c *modelContext, a Args) (any, error) {
		_, err := a.Bind()
		return c.f.Incremental, err
	},
	"log":               (*modelContext).callLog,
	"print":             (*modelContext).callPrint,
	"doc":               (*modelContext).callDoc,
	"load_result":       (*modelContext).loadResult,
	"store_result":      (*modelContext).storeResult,
	"store_raw_result":  (*modelContext).storeRawResult,
	"write":             refusal("write()", "Millrace writes the compiled SQL of models itself"),
	"load_agate_table":  refusal("load_agate_table()", "Millrace loads seeds itself; read one with ref('seed')"),
	"metric":            refusal("metric()", "the semantic layer is not supported: write the aggregate in SQL"),
	"submit_python_job": refusal("submit_python_job()", "models in Python are not supported"),
	"adapter_macro":     refusal("adapter_macro()", "dbt has removed it: write adapter.dispatch('macro', 'package')(…)"),
}

// refusal is a function that dbt has and Millrace does not.
func refusal(what, instead string) func(*modelContext, Args) (any, error) {
	return func(*modelContext, Args) (any, error) {
		return nil, &Error{Msg: what + " is not supported", Hint: instead, Unsupported: true}
	}
}

// ModelGlobals returns the globals of a template, which are dbt's context: They serve one rendering.
func ModelGlobals(e Engine, f Facts) map[string]any {
	if f.Adapter == "" {
		f.Adapter = "duckdb"
	}
	c := &modelContext{e: e, f: f, results: map[string]any{}}
	g := make(map[string]any, len(shared())+len(contextCalls)+40)
	maps.Copy(g, shared())
	for name, call := range contextCalls {
		g[name] = Func(func(a Args) (any, error) { return call(c, a) })
	}
	maps.Copy(g, c.values())
	g["builtins"] = members("builtins", g)
	g["context"] = c
	return g
}

// values are the globals that are no functions.
func (c *modelContext) values() map[string]any {
	f := c.f
	snowflake := f.Adapter == "snowflake"
	class := relationClass{database: f.Database, hide: f.HideDatabase, snowflake: snowflake}
	g := map[string]any{
		"config": configObject{c}, "ref": refObject{c}, "var": varObject{c}, "adapter": adapter{c}, "exceptions": exceptions{c},
		"api":    &memberObject{"api", map[string]any{"Relation": class, "Column": columnClass{snowflake}}},
		"column": columnClass{snowflake},
		"target": f.Target, "env": f.Target,
		"execute": f.Execute,
		"graph":   lazy(sync.OnceValues(c.graph)), "model": lazy(c.e.Model),
		"flags": flagsObject{c}, "invocation_args_dict": lazy(func() (any, error) { return c.arguments(), nil }),
		"invocation_id": f.InvocationID, "run_started_at": runStarted(f.RunStarted),
		"dbt_metadata_envs": f.Metadata, "project_name": f.Project,
		"schema": fallback(f.This.Schema, f.Target["schema"]), "database": fallback(f.This.Database, orNone(f.Database)),
		"selected_resources": f.Selected, "pre_hooks": orEmpty(f.PreHooks), "post_hooks": orEmpty(f.PostHooks),
		"sql": orNone(f.SQL), "compiled_code": orNone(f.SQL), "sql_now": "current_timestamp", "defer_relation": nil,
		"this": f.This,
	}
	if f.This.Name == "" && f.This.SQL == "" {
		g["this"] = nil
	}
	return g
}

// graph is the project's, as a copy of this rendering's own: packages keep there what they have found out, and change its nodes.
func (c *modelContext) graph() (any, error) {
	v, err := c.e.Graph()
	shared, ok := v.(*Dict)
	if err != nil || !ok {
		return v, err
	}
	return shared.Thaw(), nil
}

func orEmpty(v any) any {
	if v == nil {
		return []any{}
	}
	return v
}

func fallback(s string, v any) any {
	if s != "" {
		return s
	}
	return v
}

// PythonTime is a time as templates know it: Python's datetime, in UTC.
func PythonTime(t time.Time) any { return runStarted(t) }

func runStarted(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return datetime{t.UTC().Truncate(time.Microsecond), utcZone}
}

func (c *modelContext) typeName() string { return "dict" }
func (c *modelContext) String() string   { return "<context>" }
func (c *modelContext) isMapping()       {}

// item finds a name as a template of the project does: context['my_macro'].
func (c *modelContext) item(r *render, key any) (any, bool, error) {
	name, ok := key.(string)
	if !ok {
		return nil, false, nil
	}
	v, err := r.lookup(&frame{}, name)
	return v, !IsUndefined(v), err
}

// Attr returns the methods of the dict.
func (c *modelContext) Attr(name string) (any, bool) {
	switch name {
	case "get":
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("key"), opt("default", nil))
			if err != nil {
				return nil, err
			}
			x, ok, err := c.item(a.r, v[0])
			if ok || err != nil {
				return x, err
			}
			return v[1], nil
		}), true
	case "update": // of public packages that keep notes of their own in it
		return Func(func(a Args) (any, error) {
			v, err := a.Bind(req("values"))
			if err != nil {
				return nil, err
			}
			d, ok := v[0].(*Dict)
			if !ok {
				return nil, failf("context.update(): the values must be a dict, not %s", typeName(v[0]))
			}
			for key, value := range d.All() {
				if name, ok := key.(string); ok {
					a.r.globals[name], a.r.converted[name] = value, value
				}
			}
			return nil, nil
		}), true
	case "keys":
		return Func(func(a Args) (any, error) {
			l := &List{}
			for _, n := range a.r.known(&frame{}) {
				l.Items = append(l.Items, n)
			}
			return l, nil
		}), true
	}
	return nil, false
}

// dbt is the context of the rendering, for the methods of values that it did not make; nil where there is none.
func (a Args) dbt() *modelContext {
	c, _ := a.r.globals["context"].(*modelContext)
	return c
}

// now is the time: that at which the run started where the project is only read, so that reading it twice gives the same.
func (a Args) now() time.Time {
	if c := a.dbt(); c != nil && !c.f.Execute && !c.f.RunStarted.IsZero() {
		return c.f.RunStarted.UTC()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// say prints a text where log(…, info=true) does.
func (a Args) say(text string) error {
	if c := a.dbt(); c != nil {
		c.e.Log(a.Position(), text)
	}
	return nil
}

func (c *modelContext) callLog(a Args) (any, error) {
	v, err := a.Bind(req("msg"), opt("info", false))
	if err != nil {
		return nil, err
	}
	msg, err := a.r.str(v[0])
	if err == nil && truth(v[1]) {
		c.e.Log(a.Position(), msg)
	}
	return "", err
}

func (c *modelContext) callPrint(a Args) (any, error) {
	v, err := a.Bind(req("msg"))
	if err != nil {
		return nil, err
	}
	msg, err := a.r.str(v[0])
	if err == nil {
		c.e.Log(a.Position(), msg)
	}
	return "", err
}

func (c *modelContext) callDoc(a Args) (any, error) {
	if len(a.Pos) == 2 {
		n, err := names(a, req("package"), req("name"))
		if err != nil {
			return nil, err
		}
		return c.e.Doc(n[0], n[1])
	}
	n, err := names(a, req("name"))
	if err != nil {
		return nil, err
	}
	return c.e.Doc("", n[0])
}

// callReturn is return(data): it leaves the macro with a value.
func callReturn(a Args) (any, error) {
	v, err := a.Bind(req("data"))
	if err != nil {
		return nil, err
	}
	return nil, returned{v[0]}
}

func callToJSON(a Args) (any, error) {
	v, err := a.Bind(req("value"), opt("default", nil), opt("sort_keys", false))
	if err != nil {
		return nil, err
	}
	return a.r.dumps(v[0], -1, truth(v[2]))
}

// callFromJSON gives the default for what is no JSON.
func callFromJSON(a Args) (any, error) {
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
	x, err := loads(s)
	if err != nil {
		return v[1], nil
	}
	return x, nil
}

// callZip is zip(a, b, …, default=…): the default where one of them cannot be iterated; zip_strict has none.
func callZip(a Args) (any, error) {
	strict := strings.HasPrefix(a.name, "zip_strict")
	var def any
	for _, k := range a.Kw {
		if k.Name != "default" || strict {
			return nil, &Error{Msg: a.name + " has no keyword argument '" + k.Name + "'", Hint: suggest(k.Name, []string{"default"})}
		}
		def = k.Value
	}
	cols := make([][]any, len(a.Pos))
	n := 0
	for i, v := range a.Pos {
		if _, err := iterate(v); err != nil {
			if strict {
				return nil, err
			}
			return def, nil
		}
		items, err := a.r.items(v)
		if err != nil {
			return nil, err
		}
		cols[i] = items
		if i == 0 || len(items) < n {
			n = len(items)
		}
	}
	out := &generator{}
	for i := range n {
		t := &Tuple{}
		for _, c := range cols {
			t.Items = append(t.Items, c[i])
		}
		out.items = append(out.items, t)
	}
	return out, a.r.chargeItems(n * len(cols))
}

func callSet(a Args) (any, error) {
	v, err := a.Bind(req("value"), opt("default", nil))
	if err != nil {
		return nil, err
	}
	if _, err := iterate(v[0]); err != nil {
		return v[1], nil
	}
	s, err := toSet(a.r, v[0])
	if err != nil {
		return v[1], nil
	}
	return s, nil
}

func callSetStrict(a Args) (any, error) {
	v, err := a.Bind(req("value"))
	if err != nil {
		return nil, err
	}
	return toSet(a.r, v[0])
}

func callMD5(a Args) (any, error) {
	n, err := names(a, req("value"))
	if err != nil {
		return nil, err
	}
	sum := md5.Sum([]byte(n[0]))
	return fmt.Sprintf("%x", sum), nil
}

// callDictDiff is what of a dict of lists is not in another; letters count the same in upper and lower case.
func callDictDiff(a Args) (any, error) {
	v, err := a.Bind(req("dict_a"), req("dict_b"))
	if err != nil {
		return nil, err
	}
	left, ok := v[0].(*Dict)
	right, ok2 := v[1].(*Dict)
	if !ok || !ok2 {
		return nil, failf("diff_of_two_dicts() takes two dicts of lists of strings")
	}
	known := map[string]map[string]bool{}
	for k, items := range right.All() {
		key, texts, err := foldedList(a.r, k, items)
		if err != nil {
			return nil, err
		}
		known[key] = map[string]bool{}
		for _, s := range texts {
			known[key][s] = true
		}
	}
	out := NewDict()
	for k, items := range left.All() {
		key, texts, err := foldedList(a.r, k, items)
		if err != nil {
			return nil, err
		}
		if known[key] == nil {
			if err := out.Set(k, items); err != nil {
				return nil, err
			}
			continue
		}
		rest := &List{}
		all, err := a.r.items(items)
		if err != nil {
			return nil, err
		}
		for i, s := range texts {
			if !known[key][s] {
				rest.Items = append(rest.Items, all[i])
			}
		}
		if len(rest.Items) > 0 {
			if err := out.Set(k, rest); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func foldedList(r *render, k, items any) (string, []string, error) {
	key, err := wantString(k, "diff_of_two_dicts(): a key")
	if err != nil {
		return "", nil, err
	}
	all, err := r.items(items)
	if err != nil {
		return "", nil, err
	}
	out := make([]string, len(all))
	for i, x := range all {
		s, err := wantString(x, "diff_of_two_dicts(): a value")
		if err != nil {
			return "", nil, err
		}
		out[i] = strings.ToLower(s)
	}
	return strings.ToLower(key), out, nil
}

// callRender renders a text as a template in the same context.
func callRender(a Args) (any, error) {
	n, err := names(a, req("string"))
	if err != nil {
		return nil, err
	}
	return a.template(n[0])
}

// template renders a text as a template in the same context. Its errors are at the call that asks for it.
func (a Args) template(text string) (any, error) {
	if err := a.r.charge(len(text)); err != nil {
		return nil, err
	}
	const name = "a text that is rendered"
	t, err := Parse(name, text)
	if err != nil {
		return nil, a.here(err, name)
	}
	if err := a.r.push(); err != nil {
		return nil, err
	}
	defer a.r.pop()
	w := &writer{r: a.r}
	err = a.r.exec(a.r.top(t, w), t.body)
	return w.b.String(), a.here(err, name)
}

// here moves an error of a template of that name to the call.
func (a Args) here(err error, name string) error {
	e, ok := err.(*Error)
	if !ok || e.File != name {
		return err
	}
	at, moved := a.Position(), *e
	moved.File, moved.Line, moved.Col = at.File, at.Line, at.Col
	return &moved
}

// callTry is try_or_compiler_error(message, func, …): the message where the call fails.
func callTry(a Args) (any, error) {
	if len(a.Pos) < 2 {
		return nil, failf("try_or_compiler_error() takes a message and what to call")
	}
	msg, err := wantString(a.Pos[0], "the message")
	if err != nil {
		return nil, err
	}
	call := a
	call.Pos = a.Pos[2:]
	v, err := a.r.call(a.Pos[1], call)
	if err == nil {
		return v, nil
	}
	if _, left := err.(returned); left || a.r.ctx.Err() != nil {
		return nil, err
	}
	hint := err.Error()
	if e, ok := err.(*Error); ok {
		hint = e.Msg
	}
	return nil, &Error{Msg: msg, Hint: hint, Err: err}
}

// loadResult is load_result(name): what a statement gave, once.
func (c *modelContext) loadResult(a Args) (any, error) {
	n, err := names(a, req("name"))
	if err != nil {
		return nil, err
	}
	v, ok := c.results[n[0]]
	switch {
	case !ok:
		return nil, nil
	case v == nil:
		return nil, &Error{Msg: "load_result('" + n[0] + "'): the result has been loaded already",
			Hint: "keep it: {% set result = load_result('" + n[0] + "') %}"}
	case n[0] != "main":
		c.results[n[0]] = nil
	}
	return v, nil
}

func (c *modelContext) storeResult(a Args) (any, error) {
	v, err := a.Bind(req("name"), req("response"), opt("agate_table", nil))
	if err != nil {
		return nil, err
	}
	name, err := wantString(v[0], "the name of a result")
	if err != nil {
		return nil, err
	}
	return "", c.store(name, v[1], v[2])
}

func (c *modelContext) storeRawResult(a Args) (any, error) {
	v, err := a.Bind(req("name"), opt("message", nil), opt("code", nil), opt("rows_affected", nil), opt("agate_table", nil))
	if err != nil {
		return nil, err
	}
	name, err := wantString(v[0], "the name of a result")
	if err != nil {
		return nil, err
	}
	message, _ := v[1].(string)
	return "", c.store(name, response(message, v[2], v[3]), v[4])
}

func (c *modelContext) store(name string, answer, table any) error {
	t, ok := table.(*Table)
	if !ok {
		if table != nil {
			return failf("the result '%s' must be a table, not %s", name, typeName(table))
		}
		t = &Table{}
	}
	data := &List{}
	for _, r := range t.rows {
		data.Items = append(data.Items, &Tuple{Items: r.values})
	}
	c.results[name] = &record{kind: "AttrDict", names: []string{"response", "data", "table"}, vals: []any{answer, data, t}}
	return nil
}

// anyOf is validation.any: validation.any[a, b] and validation.any(a, b) give a check of a value.
type anyOf struct{}

func (anyOf) String() string           { return "validation.any" }
func (anyOf) Attr(string) (any, bool)  { return nil, false }
func (anyOf) Call(a Args) (any, error) { return checkOneOf(a.Pos), nil }

func (anyOf) item(_ *render, key any) (any, bool, error) {
	if t, ok := key.(*Tuple); ok {
		return checkOneOf(t.Items), true, nil
	}
	return checkOneOf([]any{key}), true, nil
}

func checkOneOf(want []any) Func {
	return func(a Args) (any, error) {
		v, err := a.Bind(req("value"))
		if err != nil {
			return nil, err
		}
		for _, w := range want {
			if eq, err := a.r.equal(w, v[0]); eq || err != nil {
				return nil, err
			}
		}
		got, err := a.r.repr(v[0])
		if err != nil {
			return nil, err
		}
		list, err := a.r.repr(&List{want})
		return nil, orError(err, failf("the value %s is none of %s", got, list))
	}
}

func orError(err error, other error) error {
	if err != nil {
		return err
	}
	return other
}

// flagsObject is flags: what the command line said. A flag that Millrace does not have is off.
type flagsObject struct{ c *modelContext }

func (flagsObject) String() string { return "<flags>" }

var offFlags = map[string]any{"STORE_FAILURES": false, "DEBUG": false, "WARN_ERROR": false, "FAIL_FAST": false, "QUIET": false,
	"EMPTY": false,
	"DEFER": false, "FAVOR_STATE": false, "PARTIAL_PARSE": true, "USE_COLORS": true, "WRITE_JSON": true, "VERSION_CHECK": true, "PRINT": true,
	"INTROSPECT": true, "CACHE_SELECTED_ONLY": false, "SEND_ANONYMOUS_USAGE_STATS": false, "INDIRECT_SELECTION": "eager",
	"STATIC_PARSER":           true,
	"USE_EXPERIMENTAL_PARSER": false, "LOG_FORMAT": "default", "LOG_LEVEL": "info", "PRINTER_WIDTH": int64(80), "TARGET_PATH": nil,
	"REQUIRE_SQL_HEADER_IN_TEST_CONFIGS": false}

// Attr returns a flag.
func (o flagsObject) Attr(name string) (any, bool) {
	switch name {
	case "FULL_REFRESH":
		return o.c.f.FullRefresh, true
	case "WHICH":
		return fallback(o.c.f.Command, "run"), true
	}
	if v, ok := offFlags[name]; ok {
		return v, true
	}
	if name == "get" {
		return getter(o.Attr), true
	}
	return nil, false
}

// arguments are invocation_args_dict.
func (c *modelContext) arguments() *Dict {
	d := NewDict()
	for _, kv := range []struct {
		key string
		val any
	}{{"which", fallback(c.f.Command, "run")}, {"full_refresh", c.f.FullRefresh}, {"target", c.f.Target["name"]}, {"vars", NewDict()}} {
		_ = d.Set(kv.key, kv.val) // a string is always a key
	}
	return d
}
