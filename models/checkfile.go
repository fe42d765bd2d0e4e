package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file reads checks where projects write them: in the checks: of streams and models, and in the tests: and
// data_tests: of dbt's properties files. What they refer to is resolved in checklink.go, when all nodes are known.

// written is a check with the places of its keys.
type written struct {
	*Check
	places  []config.Origin // of config:, of arguments:, of the check itself
	pkg     string          // package of a singular test
	said    []setting       // what dbt_project.yml says of it
	dropped bool            // it is not part of the project after all
	body    config.Node
}

// at is the place of a key's value, or of the check when the key is absent.
func (w *written) at(key string) config.Pos {
	for _, o := range w.places {
		if o.Has(key) {
			return o.At(key)
		}
	}
	return w.Pos
}

// checkColumns are the ways to say what columns a check is about.
type checkColumns struct {
	Column       config.StringList `yaml:"column" doc:"The column, or columns, that it is about."`
	Columns      config.StringList `yaml:"columns" doc:"The same as column."`
	ColumnName   string            `yaml:"column_name" doc:"dbt's name for column."`
	Combined     config.StringList `yaml:"combination_of_columns" doc:"dbt_utils' name for columns."`
	QuoteColumns bool              `yaml:"quote_columns" doc:"dbt_utils' key; names are always quoted."`
}

func (c checkColumns) all() []string {
	all := slices.Concat(c.Column, c.Columns, c.Combined)
	if c.ColumnName != "" {
		all = append(all, c.ColumnName)
	}
	return all
}

// checkEntry are the keys of one check that are not its kind's arguments.
type checkEntry struct {
	checkColumns `yaml:",inline"`
	Name         string      `yaml:"name" doc:"Name of the check; by default its kind and columns."`
	Arguments    config.Node `yaml:"arguments" doc:"dbt's place for the arguments of the kind."`
	Config       config.Node `yaml:"config" doc:"dbt's place for severity, where and the other settings."`
}

// checksOf reads a list of checks of a node. Column is the one that dbt's list stands under, "" for the table. Dbt says
// that names which this version does not know may be tests of packages: a warning, not an error.
func (l *loader) checksOf(n *Node, list config.Node, column string, dbt bool) {
	if list.IsNull() {
		return
	}
	if !list.IsList() {
		l.problem(list.Pos(), "write - not_null: id below it", "checks are a list")
		return
	}
	for _, item := range list.Items() {
		kind, body := checkBody(item)
		if kind == "" {
			l.problem(item.Pos(), "write - not_null: id, or - range: { column: amount, min: 0 }", "a check is a kind with its arguments, in one key")
			continue
		}
		if dbt && l.isDBT() && !body.IsNull() && !body.IsMapping() {
			l.problem(body.Pos(), "write - "+kind+": {arguments: {…}}", "the arguments of test %s must be a mapping", kind)
			continue
		}
		before := len(n.Checks)
		l.check(n, kind, body, item.Pos(), column, dbt)
		for _, c := range n.Checks[before:] {
			if dbt {
				c.Test = testFacts(kind, body, column)
			}
		}
	}
}

// checkBody splits a list's item into the kind and what belongs to it.
func checkBody(item config.Node) (kind string, body config.Node) {
	if item.IsScalar() {
		return item.Text(), config.Node{}
	}
	if t := item.Get("test_name"); !t.IsZero() {
		return t.Text(), item
	}
	for key, value := range item.All() {
		if kind != "" {
			return "", item
		}
		kind, body = key, value
	}
	return kind, body
}

// check reads one check.
func (l *loader) check(n *Node, name string, body config.Node, pos config.Pos, column string, dbt bool) {
	kind := name
	if ours := foreignKinds[name]; ours != "" {
		kind = ours
	}
	spec, known := checkKinds[kind]
	if ref, ok := l.testMacro(name); ok && (!known || dbt && l.byMacro(n, kind, name, body, pos.File, column)) {
		l.genericTest(n, ref, name, body, pos, column)
		return
	}
	if !known {
		l.unknownKind(name, pos, dbt)
		return
	}
	w := &written{Check: &Check{Kind: kind, Node: n, Args: spec.args(), Pos: pos, AsDBT: dbt && l.isDBT()}, body: body}
	var entry checkEntry
	var problems config.Problems
	if body.IsMapping() {
		problems = w.longForm(&entry)
	} else {
		problems = w.shortForm(spec, &entry)
	}
	if dbt && l.isDBT() {
		problems = tolerated(problems)
	}
	l.problems = append(l.problems, problems...)
	if problems.HasErrors() || dbt && !l.fromProject(w, n, name) || !w.Enabled {
		return
	}
	if w.AsDBT && said(body, "limit") {
		w.Capped = w.Limit
	}
	if w.Columns = entry.all(); len(w.Columns) == 0 && column != "" {
		w.Columns = []string{column}
	}
	if l.translate(w, name) && l.validColumns(w, spec, len(entry.all()) > 0) && l.validSettings(w, spec) && l.validArgs(w) {
		l.addCheck(w, entry.Name)
	}
}

// fromProject gives a test of ours what dbt_project.yml says of it, where its own keys say nothing; false when that cannot be.
func (l *loader) fromProject(w *written, n *Node, name string) bool {
	for _, s := range l.testSettings(n, w.Pos.File, name) {
		if slices.ContainsFunc(w.places, func(o config.Origin) bool { return o.Has(s.key) }) || s.key == "fail_calc" {
			continue
		}
		if err := w.set(s); err != nil && !l.idleTestKey(s) {
			l.problem(s.pos, "", "%v", err)
			return false
		}
	}
	return true
}

// said says whether a setting of a test is written where it stands.
func said(body config.Node, key string) bool {
	return !body.Get(key).IsZero() || !body.Get("config").Get(key).IsZero()
}

// shortForm reads a kind alone, or with a text or a list of texts: its columns, or its one argument.
func (w *written) shortForm(spec checkKind, entry *checkEntry) config.Problems {
	problems := config.Node{}.Decode(entry, &w.CheckSettings, w.Args)
	var texts config.StringList
	if !w.body.IsNull() {
		problems = append(problems, w.body.Decode(&texts)...)
	}
	given := ""
	switch {
	case spec.short == "":
		entry.Column = texts
	case len(texts) > 1:
		return append(problems, w.body.Pos().Problem(fmt.Sprintf("%s takes one %s, not a list", w.Kind, spec.short), "write one check for each"))
	case len(texts) == 1:
		given = spec.short
		switch args := w.Args.(type) {
		case *Expression:
			args.Expression = texts[0]
		case *SQL:
			args.Query = texts[0]
		case *Reconcile:
			args.With = texts[0]
		}
	}
	for _, key := range config.Docs(w.Args) {
		if key.Required && key.Key != given {
			problems = append(problems, w.Pos.Problem(fmt.Sprintf("%s: missing key %q", w.Kind, key.Key),
				fmt.Sprintf("write - %s: { %s: … }\n%s: %s", w.Kind, key.Key, key.Key, key.Doc)))
		}
	}
	return problems
}

// longForm reads a mapping. What dbt puts under arguments: and config: may stand beside them as well.
func (w *written) longForm(entry *checkEntry) config.Problems {
	arguments, settings := w.body.Get("arguments"), w.body.Get("config")
	w.places = []config.Origin{settings.Origin(), arguments.Origin(), w.body.Origin()}
	var test struct {
		Test string `yaml:"test_name"`
	}
	if arguments.IsZero() {
		return append(w.body.Decode(entry, &w.CheckSettings, &test, w.Args), w.underConfig(settings)...)
	}
	problems := w.body.Decode(entry, &w.CheckSettings, &test)
	var inner checkColumns
	problems = append(problems, arguments.Decode(w.Args, &inner)...)
	entry.Column = append(entry.Column, inner.all()...)
	return append(problems, w.underConfig(settings)...)
}

// underConfig reads dbt's config:, whose settings win.
func (w *written) underConfig(settings config.Node) config.Problems {
	if settings.IsZero() {
		return nil
	}
	beside := w.CheckSettings
	problems := settings.Decode(&w.CheckSettings)
	merge(&w.CheckSettings, beside)
	return problems
}

// merge takes the settings that were written beside the arguments into those under config:, which win.
func merge(into *CheckSettings, beside CheckSettings) {
	take := func(key string) bool { return beside.Has(key) && !into.Has(key) }
	if take("severity") {
		into.Severity = beside.Severity
	}
	if take("where") {
		into.Where = beside.Where
	}
	if take("warn_if") {
		into.WarnIf = beside.WarnIf
	}
	if take("error_if") {
		into.ErrorIf = beside.ErrorIf
	}
	if take("limit") {
		into.Limit = beside.Limit
	}
	if take("owner") {
		into.Owner = beside.Owner
	}
	if take("description") {
		into.Description = beside.Description
	}
	if take("enabled") {
		into.Enabled = beside.Enabled
	}
	into.Tags = append(into.Tags, beside.Tags...)
}

// translate takes the arguments of other packages' tests, and other spellings, as ours.
func (l *loader) translate(w *written, name string) bool {
	switch args := w.Args.(type) {
	case *Expression:
		if name != w.Kind && len(w.Columns) == 1 { // dbt_utils: what stands behind the column
			args.Expression = `"` + strings.ReplaceAll(w.Columns[0], `"`, `""`) + `" ` + args.Expression
		}
	case *Range:
		args.Min, args.Max = args.Min.or(args.MinValue), args.Max.or(args.MaxValue)
		args.Strictly = args.Strictly || !args.Inclusive
		if name == w.Kind {
			return true
		}
		for _, bound := range []*Literal{&args.Min, &args.Max} {
			if !bound.constant() {
				l.warning(w.Pos, "write the condition as - expression: …", "test %q is not run: its bound %s is SQL, and a range has constants", name, bound.Text)
				return false
			}
		}
	}
	return true
}

func (l *loader) unknownKind(kind string, pos config.Pos, dbt bool) {
	if !dbt && (kind == KindContract || kind == KindSchema) {
		l.problem(pos, "write contract: { columns: [{ name: id, type: BIGINT }] } beside checks:", "a contract is no check among others")
		return
	}
	known := slices.Concat(slices.Sorted(maps.Keys(checkKinds)), slices.Sorted(maps.Keys(foreignKinds)))
	hint := "known kinds: " + strings.Join(known, ", ")
	similar := similarKinds[kind]
	if similar == "" {
		similar = similarKinds["dbt_expectations."+kind] // as Great Expectations has it
	}
	said := fmt.Sprintf("the kind %q can say the same", similar)
	if s := config.Suggest(kind, known); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	} else if !dbt && similar != "" {
		hint = said
	} else if dbt {
		hint = "write it as {% test name(model, column_name) %} in macros/, or have dbt deps put its package into dbt_packages/"
		if similar != "" {
			hint = said
		}
		if l.isDBT() {
			l.problem(pos, hint, "test %q: there is no such test macro", kind)
			return
		}
		l.warning(pos, hint, "test %q is not run: there is no such test macro", kind)
		return
	}
	l.problem(pos, hint, "unknown kind of check %q", kind)
}

// reserved are names of checks that nobody has written: of what was told of columns, by name, in earlier runs.
var reserved = map[string]bool{KindContract: true, SchemaCheck: true}

// addCheck names the check and gives it to its node.
func (l *loader) addCheck(w *written, name string) {
	c := w.Check
	given := name != ""
	if reserved[name] {
		l.problem(w.at("name"), "give it another name", "%s is the name of a check that Millrace makes", name)
		return
	}
	if !given {
		name = c.Kind
		for _, column := range c.Columns {
			name += "_" + column
		}
		name = strings.Map(func(r rune) rune {
			if r <= ' ' || r == 0x7f {
				return '_'
			}
			return r
		}, name)
	}
	if c.Owner == "" {
		c.Owner = c.Node.Owner
	}
	c.Name = name
	for i := 2; c.Node.Check(c.Name) != nil; i++ {
		if given {
			l.problem(w.at("name"), "give one of them another name", "%s has two checks named %q", c.Node.Name(), name)
			return
		}
		c.Name = fmt.Sprintf("%s_%d", name, i)
	}
	if c.Quarantines() && c.ErrorIf.IsZero() {
		c.ErrorIf = DefaultQuarantineError
	}
	c.Node.Checks = append(c.Node.Checks, c)
	l.checks = append(l.checks, w)
}
