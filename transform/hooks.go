package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fileread"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
	"github.com/millrace/millrace/warehouse"
)

// Hooks run in the engine that builds models, which may touch nothing but a run's files. What they say is looked at before any of it
// runs: what changes the engine's own session runs, and so does what a post-hook changes in its model's own table (draft.go); what would mean
// nothing here is passed over with a note, and the rest is refused.

// statement is one of a hook.
type statement struct {
	portable.Statement
	hook models.Hook // that it stands in
	out  *jinja.Output
	kind hookKind
	name string // of a macro, or of something temporary, in lower case
	note string // of one that is passed over: why
}

type hookKind int

const (
	hookRuns   hookKind = iota
	hookMacro           // runs, and makes a function or a type
	hookTemp            // runs, and makes a temporary table or view
	hookPassed          // has nothing to do here
	hookOwn             // runs, and changes the model's own table
	hookLeft            // does not run, and is told: it changes what the project neither makes nor reads
)

// refusal is why a statement may not run, and what to do instead.
type refusal struct{ why, hint string }

const sessionOnly = "a hook may change nothing but the engine's own session: SELECT, SET VARIABLE, CREATE MACRO, CREATE TEMP TABLE and CREATE TEMP VIEW"

// refused are statements that change something, by the words that they begin with.
var refused = map[string]refusal{
	"insert": {"it changes a table", "a post-hook may change the table of its own model, when that is materialized='table' and has no contract and no check that quarantines; " +
		"else make the rows in a model, or append to one with materialized='incremental'"}, "update": {"it changes a table", "say it in the model's SELECT"},
	"delete": {"it changes a table", "say it in the model's SELECT: WHERE NOT …"}, "merge": {"it changes a table", "materialized='incremental' with incremental_strategy='merge' does that"},
	"truncate": {"it changes a table", "materialized='table' makes the table anew"}, "drop": {"it takes something away", "a table that the project makes no more is taken out by `millrace state drop`"},
	"alter": {"it changes a table", "say it in the model's SELECT"}, "attach": {"it opens another database", "declare a source, and read it with source()"},
	"detach": {"it closes a database", "leave it out"}, "copy": {"it writes or reads a file", "materialized='external' writes one, a source of type files reads them"},
	"export": {"it writes files", "materialized='external' writes one"}, "import": {"it reads files", "declare a source of type files"},
	"use": {"it changes what names mean", "write schema.table, or ref() and source()"}, "call": {sessionOnly, "leave it out"}, "execute": {sessionOnly, "write the statement itself"},
	"prepare": {sessionOnly, "write the statement itself"}, "explain": {"its answer would be seen by nobody", "`millrace plan` shows a model's SQL"},
}

// passed are statements that have nothing to do here.
var passed = map[string]string{
	"analyze": "the statistics of files are always there", "vacuum": "there is nothing to tidy up", "checkpoint": "what is published is on disk", "force": "what is published is on disk",
	"begin": "what a run publishes is seen all at once anyway", "start": "what a run publishes is seen all at once anyway", "commit": "what a run publishes is seen all at once anyway", "end": "what a run publishes is seen all at once anyway",
	"comment": "descriptions stand in properties files, and are published with the table", "grant": "not done: who may read is up to the target", "revoke": "not done: who may read is up to the target",
}

// tuning are settings that change no row: the project's own are used.
var tuning = []string{"threads", "worker_threads", "external_threads", "memory_limit", "max_memory", "temp_directory", "max_temp_directory_size", "preserve_insertion_order", "enable_progress_bar",
	"enable_progress_bar_print", "disable_progress_bar", "progress_bar_time", "enable_object_cache", "enable_profiling", "disable_profiling", "enable_logging", "enable_http_metadata_cache",
	"http_timeout", "http_retries", "allocator_flush_threshold", "checkpoint_threshold", "wal_autocheckpoint", "force_checkpoint", "immediate_transaction_mode"}

// elsewhere begin the names of settings that are about other machines.
var elsewhere = []string{"s3_", "azure_", "http_", "gcs_", "r2_", "hf_", "enable_http", "force_download", "unsafe_disable_etag", "ca_cert_file", "enable_server_cert", "custom_extension_repository", "autoinstall_", "autoload_",
	"allow_unsigned_extensions", "allow_community_extensions"}

// builtIn are extensions that are part of the engine.
var builtIn = []string{"json", "parquet", "icu", "core_functions"}

// classify says what a statement would do.
func classify(words []string) (kind hookKind, name, note string, no *refusal) {
	at := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	first := at(0)
	switch first {
	case "select", "with", "from", "values", "summarize", "describe", "show", "(", "pivot", "unpivot":
		return hookRuns, "", "", nil
	case "set", "reset":
		return setting(words[1:])
	case "pragma":
		return setting(words[1:])
	case "create":
		return created(words[1:])
	case "install", "load":
		return extension(at(1))
	case "force":
		if at(1) == "install" {
			return extension(at(2))
		}
	}
	if why, ok := passed[first]; ok {
		return hookPassed, "", why, nil
	}
	if r, ok := refused[first]; ok {
		return 0, "", "", &r
	}
	return 0, "", "", &refusal{sessionOnly, "leave it out, or say it in a model"}
}

// extension passes over an extension: without a word where the engine has it.
func extension(name string) (hookKind, string, string, *refusal) {
	name = strings.Trim(name, "'")
	if slices.Contains(builtIn, name) {
		return hookPassed, "", "", nil
	}
	return hookPassed, "", "not done: a run loads no extension, and what calls functions of " + name + " fails; " + strings.Join(builtIn, ", ") + " are there", nil
}

// setting looks at what follows SET, RESET or PRAGMA.
func setting(words []string) (hookKind, string, string, *refusal) {
	for len(words) > 0 && slices.Contains([]string{"session", "global", "local"}, words[0]) {
		words = words[1:]
	}
	switch {
	case len(words) == 0:
	case words[0] == "variable":
		return hookRuns, "", "", nil
	case slices.Contains(tuning, words[0]):
		return hookPassed, "", "not done: " + words[0] + " is the run's own, see memory: and --threads", nil
	}
	if len(words) > 0 && slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(words[0], prefix) }) {
		return hookPassed, "", "not done: " + words[0] + " is about other machines, which the engine does not reach", nil
	}
	return 0, "", "", &refusal{"the engine's settings are fixed, so that every run gives the same rows", "say it in the SELECT: AT TIME ZONE, ORDER BY … NULLS LAST, or schema.table; SET VARIABLE sets a variable"}
}

// created looks at what follows CREATE.
func created(words []string) (kind hookKind, name, note string, no *refusal) {
	temporary := false
	for len(words) > 0 && slices.Contains([]string{"or", "replace", "recursive", "unique", "persistent", "temp", "temporary"}, words[0]) {
		temporary = temporary || strings.HasPrefix(words[0], "temp")
		words = words[1:]
	}
	if len(words) == 0 {
		return 0, "", "", &refusal{sessionOnly, "leave it out"}
	}
	what, rest := words[0], words[1:]
	if len(rest) > 2 && rest[0] == "if" && rest[1] == "not" && rest[2] == "exists" {
		rest = rest[3:]
	}
	switch {
	case what == "secret" || len(rest) > 0 && rest[0] == "secret":
		return hookPassed, "", "not done: the engine reaches no other machine, and needs no secrets", nil
	case what == "type" && len(rest) > 0:
		if len(rest) > 1 && rest[1] == "." {
			return 0, "", "", &refusal{"a type stands in no schema here", "name it without one"}
		}
		return hookMacro, rest[0], "", nil
	case what == "schema":
		return hookPassed, "", "schemas are made when a table of theirs is published", nil
	case what == "index":
		return hookPassed, "", "not done: files have no indexes; their statistics find rows", nil
	case (what == "macro" || what == "function") && len(rest) > 0:
		if len(rest) > 1 && rest[1] == "." {
			return 0, "", "", &refusal{"a macro stands in no schema here", "name it without one"}
		}
		return hookMacro, rest[0], "", nil
	case (what == "table" || what == "view") && temporary && len(rest) > 0:
		if len(rest) > 1 && rest[1] == "." {
			return 0, "", "", &refusal{"what is temporary stands in no schema here", "name it without one"}
		}
		return hookTemp, rest[0], "", nil
	case what == "table" || what == "view":
		return 0, "", "", &refusal{"a table that no model makes is not published", "make it a model, or CREATE TEMP " + strings.ToUpper(what)}
	}
	return 0, "", "", &refusal{sessionOnly, "leave it out, or say it in a model"}
}

// lookAtHooks looks at all that the hooks of a model would do, as far as it can be told now: what asks for rows that are not there yet
// is looked at when it runs.
func (b *Builder) lookAtHooks(ctx context.Context, job Job) (before []statement, err error) {
	m := job.Node.Model
	if m.Materialized == models.Ephemeral { // it is never built
		return nil, nil
	}
	for _, h := range m.Before {
		all, err := b.looked(ctx, rendering{job: job, quiet: true}, h)
		if err != nil && !asksForRows(err) {
			return nil, b.alone(err)
		}
		before = append(before, all...)
	}
	job.own = draftOf(job)
	for _, h := range m.Behind {
		if _, err := b.looked(ctx, rendering{job: job, quiet: true}, h); err != nil && !asksForRows(err) {
			return nil, b.alone(err)
		}
	}
	return before, nil
}

// alone says of a hook that is refused what a run does: in a project of dbt its model fails, and the rest is built.
func (b *Builder) alone(err error) error {
	var te *Error
	if b.Project.DBT && errors.As(err, &te) {
		te.Alone = true
	}
	return err
}

// asking is the error of a query that a template has made while it was rendered.
type asking struct{ error }

func (e *asking) Unwrap() error { return e.error }

func asksForRows(err error) bool {
	var a *asking
	return errors.As(err, &a)
}

// rendering is how a hook is rendered.
type rendering struct {
	job     Job
	more    map[string]any // names that it has besides
	ofRun   bool           // it is a run's
	quiet   bool           // it is only looked at
	reading bool           // as while a project is only read: nothing is asked
}

// looked renders a hook and looks at its statements. An empty one has none, as in dbt.
func (b *Builder) looked(ctx context.Context, as rendering, h models.Hook) ([]statement, error) {
	out, err := b.renderHook(ctx, as, h)
	var query *warehouse.SQLError
	switch {
	case errors.As(err, &query), errors.Is(err, errUnasked):
		return nil, &asking{ofHook(err, h)}
	case err != nil:
		return nil, ofHook(err, h)
	}
	var all []statement
	for _, s := range portable.Statements(out.Text) {
		one := statement{Statement: s, hook: h, out: out}
		var no *refusal
		if one.kind, one.name, one.note, no = classify(s.Words); no == nil {
			no, err = b.hides(ctx, one)
		} else if as.job.own.changedBy(s.Words) {
			one.kind, no = hookOwn, nil
		} else if b.foreign(as.job.Node, s.Words) {
			b.leaveOut(h, s.Words)
			one.kind, no = hookLeft, nil
		}
		if err != nil {
			return nil, err
		}
		if no != nil {
			return nil, one.wrong(fmt.Errorf("the hook may not run %s: %s", act(s.Words), no.why), s.At, no.hint)
		}
		if one.kind == hookLeft {
			continue
		}
		if err := b.opensFiles(ctx, one); err != nil {
			return nil, err
		}
		if one.kind == hookRuns && !slices.Contains([]string{"set", "reset"}, s.Words[0]) { // WITH … DELETE is no SELECT
			if err := b.Warehouse.CheckSelect(ctx, s.SQL); err != nil {
				return nil, placed(err, one)
			}
		}
		if one.kind == hookTemp {
			b.noteTemporary(one.name)
		}
		all = append(all, one)
	}
	return all, nil
}

// opensFiles refuses a statement that reads files. A macro may say that it does: it fails when it is called.
func (b *Builder) opensFiles(ctx context.Context, s statement) error {
	if s.kind == hookPassed || s.kind == hookMacro || !fileread.Suspected(s.SQL) {
		return nil
	}
	found, err := models.FindFileReads(ctx, b.trees, []string{s.SQL})
	if err != nil || len(found[0]) == 0 {
		return err
	}
	r := found[0][0]
	return s.wrong(fmt.Errorf("the hook may not read files: %s", r.Call), s.At+r.At, "a run reads files by its sources: define one, or read the file in a model, and read that by ref()")
}

// act is what a statement does, by the words that it begins with: INSERT INTO, UPDATE.
func act(words []string) string {
	n := min(2, len(words))
	if words[0] == "update" { // what follows is the table
		n = 1
	}
	return strings.TrimSuffix(strings.ToUpper(strings.Join(words[:n], " ")), " (")
}

// ofHook is a template's error at the place of its hook, unless it is in a macro's file.
func ofHook(err error, h models.Hook) error {
	var te *Error
	if err = templateError(err); errors.As(err, &te) && strings.HasPrefix(te.Pos, h.Pos.File+":") {
		te.Pos = h.Pos.String()
	}
	return err
}

// hides refuses what would be found in the place of something else of its name, in statements that nobody thinks of.
func (b *Builder) hides(ctx context.Context, s statement) (*refusal, error) {
	switch {
	case strings.HasPrefix(s.name, "_millrace"):
		return &refusal{"names that begin so are the engine's own", "name it otherwise"}, nil
	case s.kind == hookMacro:
		d := b.Warehouse.Dialect()
		r, err := b.Warehouse.Query(ctx, "SELECT count(*) FROM duckdb_functions() WHERE lower(function_name) = "+d.QuoteLiteral(s.name)+" AND (internal OR function_type NOT IN ('macro', 'table_macro'))")
		if err != nil {
			return nil, err
		}
		if r.Rows[0][0] != int64(0) {
			return &refusal{"the engine has a function " + s.name + ", which every statement would call no more", "name it otherwise"}, nil
		}
	case s.kind == hookTemp:
		if slices.ContainsFunc(b.Project.Nodes, func(n *models.Node) bool { return strings.EqualFold(n.Table, s.name) }) {
			return &refusal{"the project has a table " + s.name + ", which would be hidden by it", "name it otherwise"}, nil
		}
	}
	return nil, nil
}

// runHooks renders hooks, looks at what they say and does it, one after the other. It gives what was done, and notes of what had nothing
// to do.
func (b *Builder) runHooks(ctx context.Context, job Job, hooks []models.Hook) (done []statement, notes []string, err error) {
	for _, h := range hooks {
		all, err := b.looked(ctx, rendering{job: job}, h)
		if err != nil {
			return done, notes, err
		}
		said, err := b.do(ctx, job.own, all)
		if done, notes = append(done, all...), append(notes, said...); err != nil {
			return done, notes, err
		}
	}
	return done, notes, nil
}

// do runs statements that were looked at; own is the table that they may change, nil for none.
func (b *Builder) do(ctx context.Context, own *draft, all []statement) (notes []string, err error) {
	for _, s := range all {
		if s.kind == hookPassed && s.note == "" {
			continue
		}
		if s.kind == hookPassed {
			notes = append(notes, fmt.Sprintf("hook at %s: %s: %s", s.hook.Pos, strings.ToUpper(s.Words[0]), s.note))
			continue
		}
		if s.kind == hookOwn {
			err = own.change(ctx, b, s.SQL)
		} else {
			err = b.Warehouse.Session(ctx, own.meant(b, s.SQL))
		}
		if err != nil {
			return notes, placed(err, s)
		}
		if s.kind == hookMacro {
			b.mu.Lock()
			b.made = append(b.made, s.name)
			b.mu.Unlock()
		}
	}
	return notes, nil
}

// inSession gives a context for a model that has hooks, in which what they make is seen; else the context that it gets.
func (b *Builder) inSession(ctx context.Context, job Job) (own context.Context, release func(), err error) {
	m := job.Node.Model
	if len(b.session)+len(m.Before)+len(m.Behind) == 0 {
		return ctx, func() {}, nil
	}
	own, release, err = b.Warehouse.Pin(ctx)
	if err != nil {
		return nil, nil, err
	}
	if _, err := b.do(own, nil, b.session); err != nil {
		release()
		return nil, nil, err
	}
	return own, release, nil
}

// placed puts an engine's error at the place of the hook.
func placed(err error, s statement) error {
	var sql *warehouse.SQLError
	if !errors.As(err, &sql) {
		return err
	}
	return s.wrong(err, s.At+max(sql.Offset, 0), "")
}

// wrong is an error at an offset of what the hook has become. Its text stands in a file of another kind, which knows its beginning.
func (s statement) wrong(err error, offset int, hint string) error {
	if at := s.out.Source(offset); at.Line > 1 {
		err = fmt.Errorf("line %d of the hook: %w", at.Line, err)
	}
	return &Error{Pos: s.hook.Pos.String(), Err: err, Hint: hint}
}

// madeBy are the macros and the temporary tables that a model of these hooks finds.
func (b *Builder) madeBy(hooks []statement) (macros, temporary []string) {
	b.mu.Lock()
	macros = slices.Clone(b.made)
	b.mu.Unlock()
	for _, s := range slices.Concat(b.session, hooks) {
		switch s.kind {
		case hookMacro:
			macros = append(macros, s.name)
		case hookTemp:
			temporary = append(temporary, s.name)
		}
	}
	return macros, temporary
}

// renderHook renders a hook with its model's context, or that of its package.
func (b *Builder) renderHook(ctx context.Context, as rendering, h models.Hook) (*jinja.Output, error) {
	s := &session{Builder: b, ctx: ctx, job: as.job, quiet: as.quiet, in: &h}
	facts := s.facts()
	if as.ofRun {
		s.hook, facts.This = &h, jinja.Relation{}
	}
	facts.Execute = !as.reading
	globals := jinja.ModelGlobals(s, facts)
	maps.Copy(globals, as.more)
	return h.Template.Render(ctx, globals, b.options(as.job.Node))
}

// Begin looks at the hooks of the run and, in a project of Millrace's own, of these models, before anything of them is built, and runs those of the run's start.
// Without models nothing is going to be built, and what asks for rows is passed over. In a dbt project that is built what the end would do is
// left to End.
func (b *Builder) Begin(ctx context.Context, nodes []*models.Node) (notes []string, err error) {
	for _, h := range b.Project.OnRunEnd { // what they do with results is seen when there are some
		as := ofRun(h)
		as.more, as.quiet, as.reading = ended(nil), true, true
		if _, err := b.looked(ctx, as, h); err != nil && !asksForRows(err) && (nodes == nil || !b.Project.DBT) { // End fails by it: dbt keeps the tables
			return nil, err
		}
	}
	if notes, err = b.start(ctx, nodes != nil); err != nil {
		return notes, err
	}
	var failed []error
	for _, n := range nodes {
		if n.Model != nil && !b.Project.DBT { // of a dbt project the model alone fails: Build looks
			_, err := b.lookAtHooks(ctx, Job{Node: n})
			failed = append(failed, err)
		}
	}
	return notes, errors.Join(failed...)
}

// Start runs the hooks of the run's start in an engine that only judges tables: checks find the macros and types that they make. What
// asks for rows that are not there is passed over.
func (b *Builder) Start(ctx context.Context) error {
	_, err := b.start(ctx, false)
	return err
}

// start runs the hooks of the run's start. Where nothing is built, what asks for rows is passed over.
func (b *Builder) start(ctx context.Context, building bool) (notes []string, err error) {
	for _, h := range b.Project.OnRunStart {
		all, err := b.looked(ctx, ofRun(h), h)
		if err != nil && (building || !asksForRows(err)) {
			return nil, err
		}
		for _, s := range all {
			if s.kind == hookMacro || s.kind == hookTemp || s.kind == hookRuns && slices.Contains([]string{"set", "reset"}, s.Words[0]) {
				b.started = append(b.started, s)
			}
			if s.kind == hookRuns || s.kind == hookTemp { // a session's own: each model has one
				b.session = append(b.session, s)
				continue
			}
			said, err := b.do(ctx, nil, []statement{s})
			if notes = append(notes, said...); err != nil {
				return notes, err
			}
		}
	}
	return notes, nil
}

// End runs the hooks of the run's end, which see what became of its nodes.
func (b *Builder) End(ctx context.Context, results []jinja.Result) (notes []string, err error) {
	if len(b.Project.OnRunEnd) == 0 {
		return nil, nil
	}
	ctx, release, err := b.Warehouse.Pin(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := b.do(ctx, nil, b.session); err != nil {
		return nil, err
	}
	for _, h := range b.Project.OnRunEnd {
		as := ofRun(h)
		as.more = ended(results)
		all, err := b.looked(ctx, as, h)
		if err != nil {
			return notes, err
		}
		said, err := b.do(ctx, nil, all)
		if notes = append(notes, said...); err != nil {
			return notes, err
		}
	}
	return notes, nil
}

// ofRun is how a run's hook is rendered: it has no model, and is its package's.
func ofRun(h models.Hook) rendering {
	return rendering{job: Job{Node: &models.Node{Model: &models.Model{Package: h.Package}}}, ofRun: true}
}

// ended are the names that a hook of a run's end has besides: what became of the nodes, and the schemas that have what was made.
func ended(results []jinja.Result) map[string]any {
	all, schemas, pairs := jinja.NewList(), jinja.NewList(), jinja.NewList()
	for _, r := range results {
		all.Items = append(all.Items, r.Value())
		schema, _ := r.Node.Get("schema")
		if _, named := schema.(string); !named || r.Relation == "" || r.Status == "error" || r.Status == "skipped" || slices.Contains(schemas.Items, schema) {
			continue
		}
		database, _ := r.Node.Get("database")
		schemas.Items, pairs.Items = append(schemas.Items, schema), append(pairs.Items, &jinja.Tuple{Items: []any{database, schema}})
	}
	return map[string]any{"results": all, "schemas": schemas, "database_schemas": pairs}
}
