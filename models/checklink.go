package models

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads the queries of checks/**/*.sql, and resolves what any check refers to.

// singularChecks reads checks/**/*.sql, and the singular tests of dbt projects: queries over any tables.
func (l *loader) singularChecks() {
	for _, t := range l.templates("checks") {
		l.singular(l.packages[0], t)
	}
	for _, p := range l.packages {
		if p.file == nil {
			continue
		}
		for _, dir := range p.testPaths() {
			for _, t := range l.templates(dir) {
				below := strings.TrimPrefix(t.Name(), dir+"/") // beside singular tests there are generic ones, and rows of unit tests
				beside := strings.HasPrefix(below, "generic/") || strings.HasPrefix(below, "fixtures/") || dir == "checks"
				if !beside && !l.nothingIn(t) && !t.OnlyMacros() {
					l.singular(p, t)
				}
			}
		}
	}
	if l.isDBT() {
		l.loneTests()
		return
	}
	if theirs := l.glob("tests", ".sql"); len(theirs) > 0 {
		l.warning(config.Pos{File: theirs[0]}, "move singular tests to checks/", "tests of dbt's folder tests/ are not run")
	}
}

func (l *loader) singular(p *dbtPackage, t *jinja.Template) {
	c := &Check{Kind: "sql", Args: &SQL{Path: t.Name(), Package: p.label()}, Template: t, Pos: config.Pos{File: t.Name(), Line: 1, Column: 1}}
	_ = config.Node{}.Decode(&c.CheckSettings) // the defaults
	c.Name = stem(t.Name())
	c.AsDBT = l.isDBT()
	w := &written{Check: c, pkg: p.label()}
	fqn := p.fqn(p.testPaths(), t.Name(), c.Name)
	w.said = append(l.cascade(p, testTree, fqn), l.overruled(p, testTree, fqn)...)
	for _, t := range l.testProps {
		if t.pkg != p || t.Name != c.Name {
			continue
		}
		t.used = true
		c.Description = l.described(p, t.Description, t.Origin.At("description"))
		for key, value := range t.Config.All() {
			w.said = append(w.said, l.settingOf(t.Config, key, value))
		}
	}
	l.checks = append(l.checks, w)
}

// loneTests warns of properties of singular tests that are not there.
func (l *loader) loneTests() {
	var known []string
	for _, w := range l.checks {
		if singularPath(w.Check) != "" {
			known = append(known, w.Name)
		}
	}
	for _, t := range l.testProps {
		if t.used || !t.pkg.isRoot() {
			continue
		}
		hint := config.DidYouMean(t.Name, known, "a singular test is a file of tests/, of that name with .sql")
		l.warning(t.Origin.At("name"), hint, "no singular test is named %q", t.Name)
	}
}

// whereOf renders the condition of a dbt test; false when it cannot be.
func (l *loader) whereOf(w *written) bool {
	if !l.isDBT() || !isTemplate(w.Where) {
		return true
	}
	v, err := l.yamlValue(w.at("where"), w.pkg, w.Where)
	if err != nil {
		l.templateProblem(w.Pos.File, moved(err, w.at("where")))
		return false
	}
	w.Where = fmt.Sprint(v)
	return true
}

// linkChecks resolves what the checks refer to, once all nodes are known and in order.
func (l *loader) linkChecks() {
	place := map[*Node]int{}
	for i, n := range l.p.Nodes {
		place[n] = i
		if n.Kind != KindStream { // behind all streams, which are there before the first model is built
			place[n] += len(l.p.Nodes)
		}
	}
	for _, w := range l.checks {
		l.linkCheck(w, place)
		if w.Node != nil && !w.dropped {
			l.await(w)
		}
	}
}

// linkCheck resolves what one check refers to. The places of the nodes are for singular checks.
func (l *loader) linkCheck(w *written, place map[*Node]int) {
	switch args := w.Args.(type) {
	case *Distribution:
		if slices.Contains([]string{"min", "max", "median"}, args.Metric) && w.Node.IsPII(w.Columns[0]) {
			l.problem(w.at("metric"), "use mean, null_share or distinct_share, or a range check; or say pii: false of the column, if it only has the name of a personal one that the model reads",
				"distribution: the %s of %s is the value of a row, and the column is personal", args.Metric, w.Columns[0])
		}
	case *Relationships:
		l.linkRelation(w, args)
	case *Reconcile:
		l.linkReconcile(w, args)
	case *SQL:
		l.linkQuery(w, args, place)
	}
}

func (l *loader) linkRelation(w *written, args *Relationships) {
	if l.resolve == nil && strings.Contains(args.To, "${") {
		return // lint does not know what it stands for
	}
	if source, name, ok := relation(args.To); ok && l.isDBT() && l.off(source, name) && len(l.tablesNamed(source, name)) == 0 {
		l.without(w, name)
		return
	}
	if args.Node = l.oneTable(w, "to", args.To); args.Node == nil {
		return
	}
	if len(args.Field) == 0 {
		args.Field = w.Columns
	}
	if len(args.Field) != len(w.Columns) {
		l.problem(w.at("field"), "field: names one column for each", "relationships: columns: has %d and field: %d", len(w.Columns), len(args.Field))
	}
	w.Reads = []*Node{args.Node}
	l.privateTestRef(w, args.Node, w.said, w.at("to"))
}

// off says whether a model of that name is there, but disabled.
func (l *loader) off(source, name string) bool {
	_, off := l.disabled[name]
	return off && source == ""
}

// without leaves a test out that refers to a disabled model, as dbt does, and says so.
func (l *loader) without(w *written, name string) {
	l.warning(w.Pos, "", "test %s is not run: it refers to %q, which is disabled", w.Name, name)
	l.dropCheck(w)
}

// dropCheck takes a check off its node again.
func (l *loader) dropCheck(w *written) {
	if w.Node != nil {
		w.Node.Checks = slices.DeleteFunc(w.Node.Checks, func(c *Check) bool { return c == w.Check })
	}
	w.dropped = true
}

// linkReconcile finds out what a table is compared with.
func (l *loader) linkReconcile(w *written, args *Reconcile) {
	if l.resolve == nil && strings.Contains(args.With, "${") {
		return // lint does not know what it stands for
	}
	args.Against = AgainstSource
	source, name, isLive := live(args.With)
	m := w.Node.Model
	switch {
	case w.Node.Kind == KindTable && (args.With == "source" || args.With == "" || args.With == "previous"):
		l.problem(w.at("with"), "write with: ref('other'), another table of this file", "reconcile: %s has neither a source nor an earlier version to compare with", w.Node.Name())
	case isLive:
		if args.Node = l.p.Stream(source, name); args.Node == nil {
			l.unknownTable(w.at("with"), w.Kind, args.With, source+"."+name)
		}
	case (args.With == "source" || args.With == "") && m == nil:
		args.Node = w.Node
	case args.With == "source" || args.With == "":
		l.problem(w.at("with"), "write with: previous, or with: ref('other')", "reconcile: %s is a model, which has no source of its own to compare with", w.Node.Name())
	case args.With == "previous":
		args.Against = AgainstPrevious
		if m != nil && (m.Materialized == View || m.Materialized == Ephemeral) {
			l.problem(w.at("with"), "materialize it as a table", "reconcile: %s is materialized as %s: the rows of its previous version are not kept", w.Node.Name(), m.Materialized)
		}
	default:
		args.Against = AgainstTable
		args.Node = l.oneTable(w, "with", args.With)
		switch args.Node {
		case nil:
		case w.Node:
			hint := "write with: previous, or another table"
			if w.Node.Kind == KindTable { // of which no version is kept
				hint = "write with: ref('other'), another table of this file"
			}
			l.problem(w.at("with"), hint, "reconcile: %s is always the same as itself", w.Node.Name())
		default:
			w.Reads = []*Node{args.Node}
		}
	}
}

// oneTable is the node that the text at a key of a check means; nil, with a problem, when there is none or more than one.
func (l *loader) oneTable(w *written, key, text string) *Node {
	source, name, _ := relation(text)
	found := l.tablesNamed(source, name)
	switch len(found) {
	case 0:
		l.unknownTable(w.at(key), w.Kind, text, name)
		return nil
	case 1:
		return found[0]
	}
	l.problem(w.at(key), fmt.Sprintf("write %s: %s", key, found[0].Name()), "%s: %s may be %s or %s", w.Kind, text, found[0].Name(), found[1].Name())
	return nil
}

// tablesNamed finds the nodes that ref, source or a plain name may mean; a model before streams with its name.
func (l *loader) tablesNamed(source, name string) []*Node {
	if source != "" {
		if n := l.p.SourceTable(source, name); n != nil {
			return []*Node{n}
		}
		if n := l.p.Node(source + "." + name); n != nil {
			return []*Node{n}
		}
		return nil
	}
	if n := l.p.byModel[name]; n != nil {
		return []*Node{n}
	}
	var found []*Node
	for _, n := range l.p.Nodes {
		if n.Table == name {
			found = append(found, n)
		}
	}
	return found
}

// tablesOf names the tables of a source or schema, or what there is where none is of that name.
func (l *loader) tablesOf(schema string) string {
	var tables, schemas []string
	for _, n := range l.p.Nodes {
		if n.Schema == schema && n.Kind != KindEntity {
			tables = append(tables, n.Name())
		}
		if n.Schema != "" && !slices.Contains(schemas, n.Schema) {
			schemas = append(schemas, n.Schema)
		}
	}
	const shown = 10
	if len(tables) > shown {
		tables = append(tables[:shown], "…")
	}
	if len(tables) > 0 {
		return fmt.Sprintf("%s has %s", schema, strings.Join(tables, ", "))
	}
	return fmt.Sprintf("nothing is named %s: there are %s", schema, strings.Join(schemas, ", "))
}

func (l *loader) unknownTable(pos config.Pos, kind, text, name string) {
	var known []string
	for _, n := range l.p.Nodes {
		known = append(known, n.Table, n.Name())
	}
	hint := ""
	if s := config.Suggest(name, known); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	} else if source, _, dotted := strings.Cut(text, "."); dotted && !strings.Contains(text, "(") {
		hint = l.tablesOf(source)
	}
	l.problem(pos, hint, "%s: no table is named %s", kind, text)
}

// linkQuery renders the query of a check without an engine, to learn what it reads and how it is configured.
func (l *loader) linkQuery(w *written, args *SQL, place map[*Node]int) {
	inline := args.Path == ""
	inline = inline && args.Test == nil
	seen, ok := l.trialOf(w, args, inline)
	if !ok {
		return
	}
	l.readsFiles(seen)
	for _, r := range seen.refs {
		if inline { // where in the YAML its lines stand is not known
			at := w.at("query")
			r.pos = jinja.Position{File: at.File, Line: at.Line, Col: at.Column}
		}
		if r.soft {
			continue
		}
		if args.Test != nil {
			r.pos = jinja.Position{File: w.Pos.File, Line: w.Pos.Line, Col: w.Pos.Column}
		}
		if l.isDBT() && l.found(w.pkg, r) == nil && l.off(r.source, r.name) {
			l.without(w, r.name)
			return
		}
		n := l.lookup(w.pkg, r)
		if n == nil {
			return
		}
		if n != w.Node && !slices.Contains(w.Reads, n) {
			if r.source == "" {
				l.privateTestRef(w, n, append(w.said, seen.config...), config.Pos{File: r.pos.File, Line: r.pos.Line, Column: r.pos.Col})
			}
			w.Reads = append(w.Reads, n)
		}
	}
	switch {
	case args.Test != nil:
		if len(seen.config) > 0 { // what the macro says holds where the properties say nothing
			if !l.configureCheck(w, append(seen.config, w.said...)) {
				l.dropCheck(w)
			}
		}
	case !inline:
		if l.configureCheck(w, append(w.said, seen.config...)) {
			l.giveNode(w, place)
		}
	case len(seen.config) > 0:
		l.problem(w.at("query"), "write them as keys beside the query", "config() has no effect in the query of a check")
	}
	sort.Slice(w.Reads, func(i, k int) bool { return w.Reads[i].Name() < w.Reads[k].Name() })
}

// trialOf renders the check's query, as that of a model.
func (l *loader) trialOf(w *written, args *SQL, inline bool) (*trial, bool) {
	if args.Test != nil {
		return l.trialTest(w)
	}
	file := w.Pos.File
	report := func(err error) (*trial, bool) {
		var je *jinja.Error
		if inline && errors.As(err, &je) && je.File == file {
			l.problem(w.at("query"), je.Hint, "query, line %d: %s", je.Line, je.Text())
		} else {
			l.templateProblem(file, err)
		}
		return nil, false
	}
	if inline {
		t, err := jinja.Parse(file, args.Query)
		if err != nil {
			return report(err)
		}
		w.Template = t
	}
	probe := &Node{Table: w.Name, Kind: KindModel, Path: file, Pos: w.Pos, Model: &Model{Template: w.Template, Path: file, Package: w.pkg}}
	if w.Node != nil {
		probe.Schema, probe.Table = w.Node.Schema, w.Node.Table
	}
	seen, err := l.trial(probe, false, nil)
	if err != nil {
		return report(err)
	}
	return seen, true
}

// giveNode makes a singular check one of the last table that it reads: by then the others are there.
func (l *loader) giveNode(w *written, place map[*Node]int) {
	if len(w.Reads) == 0 && l.isDBT() { // a test of macros: it is told with a table, and is not about it
		if i := slices.IndexFunc(l.p.Nodes, func(n *Node) bool { return n.Model == nil || n.Model.Materialized != Ephemeral }); i >= 0 {
			w.Reads, w.Apart, w.Deferred = []*Node{l.p.Nodes[i]}, true, true
		}
	}
	if len(w.Reads) == 0 {
		l.problem(w.Pos, "select from {{ ref('model') }} or {{ source('erp', 'orders') }}", "the check reads no table of the project")
		return
	}
	n := slices.MaxFunc(w.Reads, func(a, b *Node) int { return place[a] - place[b] })
	if reserved[w.Name] {
		l.problem(w.Pos, "rename the file", "%s is the name of a check that Millrace makes", w.Name)
		return
	}
	if n.Check(w.Name) != nil {
		l.problem(w.Pos, "rename the file", "%s has two checks named %q", n.Name(), w.Name)
		return
	}
	w.Node = n
	w.Reads = slices.DeleteFunc(w.Reads, func(r *Node) bool { return r == n })
	if w.Owner == "" {
		w.Owner = n.Owner
	}
	n.Checks = append(n.Checks, w.Check)
}

// singularKeys are what config() understands in the file of a check.
var singularKeys = []string{"severity", "warn_if", "error_if", "limit", "fail_calc", "owner", "description", "tags", "enabled", "where"}

// idleTestKey warns of a key of a dbt test that nothing knows, where dbt takes any; false elsewhere.
func (l *loader) idleTestKey(s setting) bool {
	if !l.isDBT() || slices.Contains(singularKeys, s.key) {
		return false
	}
	if guess := config.Suggest(s.key, singularKeys); guess != "" {
		l.warning(s.keyPos, fmt.Sprintf("did you mean %q?", guess), "config %s has no effect: tests have no such configuration", s.key)
	} else {
		l.noEffect(s, "tests have no such configuration")
	}
	return true
}

// configureCheck fills a singular check's settings from config() in its file; false when it must not run.
func (l *loader) configureCheck(w *written, said []setting) bool {
	ok := true
	for _, s := range said {
		if err := w.set(s); err != nil {
			if l.idleTestKey(s) {
				continue
			}
			hint := "known keys: " + strings.Join(singularKeys, ", ")
			if guess := config.Suggest(s.key, singularKeys); guess != "" {
				hint = fmt.Sprintf("did you mean %q?", guess)
			} else if slices.Contains(singularKeys, s.key) {
				hint = ""
			}
			l.problem(s.pos, hint, "%v", err)
			ok = false
		}
	}
	if !ok || !w.Enabled || w.Where != "" && !l.whereOf(w) {
		return false
	}
	where := w.Where
	if w.Args.(*SQL).Test != nil { // its macro gets the rows that meet it
		w.Where = ""
	}
	valid := l.validSettings(w, checkKinds["sql"])
	w.Where = where
	return valid
}

// set takes one key of config().
func (w *written) set(s setting) (err error) {
	if s.value == nil && w.AsDBT { // it takes back what was said further out
		switch s.key {
		case "limit":
			w.Capped = 0
		case "where":
			w.Where = ""
		}
		return nil
	}
	text := fmt.Sprint(s.value)
	switch s.key {
	case "severity":
		if w.Severity = Severity(strings.ToLower(text)); w.Severity != SeverityWarn && w.Severity != SeverityError {
			err = fmt.Errorf("severity=%q: a query is of severity warn or error", text)
		}
	case "warn_if":
		w.WarnIf, err = w.condition(s.key, text)
	case "error_if":
		w.ErrorIf, err = w.condition(s.key, text)
	case "fail_calc":
		w.FailCalc = text
	case "where":
		if s.value == nil {
			break
		}
		w.Where = text
	case "limit":
		if s.value == nil {
			break
		}
		if w.Limit, err = strconv.Atoi(text); err != nil {
			err = fmt.Errorf("limit=%q: it must be a whole number", text)
		} else if w.AsDBT {
			w.Capped = w.Limit
		}
	case "owner":
		w.Owner = text
	case "description":
		w.Description = text
	case "tags":
		for _, tag := range texts(s.value) {
			if !slices.Contains(w.Tags, tag) {
				w.Tags = append(w.Tags, tag)
			}
		}
	case "enabled":
		var isBool bool
		if w.Enabled, isBool = s.value.(bool); !isBool {
			err = fmt.Errorf("enabled=%q: it must be true or false", text)
		}
	case "meta", "store_failures", "store_failures_as", "database", "schema", "alias", "group", "full_refresh", "docs":
	default:
		err = fmt.Errorf("config() of a check has no key %q", s.key)
	}
	return err
}

// condition reads warn_if or error_if. Of a test of dbt that is a query it may be any SQL behind a number.
func (w *written) condition(key, text string) (Condition, error) {
	c, err := readCondition(text)
	if err != nil && w.AsDBT && w.Kind == "sql" {
		if c, err = (Condition{SQL: strings.TrimSpace(text)}), nil; !balanced(text) {
			err = errors.New("a bracket or a quote of it is not closed")
		}
	}
	if err != nil {
		err = fmt.Errorf("%s=%q: %w", key, text, err)
	}
	return c, err
}

func readCondition(text string) (c Condition, err error) {
	err = c.UnmarshalText([]byte(text))
	return c, err
}

// await lets the check run as early as what it reads allows. A node waits for what its checks read, unless that is
// built from the node itself: then the check is deferred.
func (l *loader) await(w *written) {
	for _, read := range w.Reads {
		if read == w.Node || slices.Contains(w.Node.After, read) {
			continue
		}
		if reaches(read, w.Node) || w.Node.Kind == KindStream && read.Kind != KindStream {
			w.Deferred = true
			continue
		}
		w.Node.After = append(w.Node.After, read)
	}
	if m := w.Node.Model; m != nil && w.Quarantines() && (m.Materialized == View || m.Materialized == Ephemeral) {
		l.problem(w.at("severity"), "materialize it as a table, or use severity: error or warn", "%s is materialized as %s: it has no rows of its own to quarantine", w.Node.Name(), m.Materialized)
		return
	}
	if m := w.Node.Model; m != nil && w.Quarantines() && m.Materialized == Snapshot {
		l.problem(w.at("severity"), "put the check on the model that it reads, or use severity: error or warn", "%s is a snapshot: a row that is kept out of it would count as deleted", w.Node.Name())
		return
	}
	if w.Node.Kind == KindEntity && w.Quarantines() {
		l.problem(w.at("severity"), "use severity: error or warn, or put the check on a source of the entity",
			"%s is a table of the entity %s: its tables are made together, and a row cannot be left out of one of them",
			w.Node.Name(), w.Node.Entity.Name)
		return
	}
	if w.Deferred && w.Quarantines() {
		l.problem(w.at("severity"), "use severity: error or warn, or put the check on a model", "%s reads tables that are built after %s: its rows cannot be quarantined any more by then", w.Name, w.Node.Name())
	}
}

// reaches says whether building from needs to first, by reading it or by its checks.
func reaches(from, to *Node) bool {
	seen := map[*Node]bool{}
	var visit func(*Node) bool
	visit = func(n *Node) bool {
		if n == to {
			return true
		}
		if seen[n] {
			return false
		}
		seen[n] = true
		return slices.ContainsFunc(n.Needs, visit) || slices.ContainsFunc(n.After, visit)
	}
	return visit(from)
}
