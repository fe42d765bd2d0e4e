package models

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file reads checks where projects write them: in the checks: of streams and models, in the tests: and data_tests:
// of dbt's properties files, and as queries in checks/*.sql.

// checkEntry are the keys of one check that are not its kind's arguments.
type checkEntry struct {
	config.Origin
	Name       string            `yaml:"name" doc:"Name of the check; by default its kind and columns."`
	Column     config.StringList `yaml:"column" doc:"The column, or columns, that it is about."`
	Columns    config.StringList `yaml:"columns" doc:"The same as column."`
	ColumnName string            `yaml:"column_name" doc:"dbt's name for column."`
	Combined   config.StringList `yaml:"combination_of_columns" doc:"dbt_utils' name for columns."`
	Arguments  config.Node       `yaml:"arguments" doc:"dbt's place for the arguments of the kind."`
	Config     config.Node       `yaml:"config" doc:"dbt's place for severity, where and the other settings."`
}

func (e *checkEntry) columns(context string) []string {
	all := slices.Concat(e.Column, e.Columns, e.Combined)
	if e.ColumnName != "" {
		all = append(all, e.ColumnName)
	}
	if len(all) == 0 && context != "" {
		all = []string{context}
	}
	return all
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
		l.check(n, kind, body, item.Pos(), column, dbt)
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
func (l *loader) check(n *Node, kind string, body config.Node, pos config.Pos, column string, dbt bool) {
	foreign := foreignKinds[kind] != ""
	spec, known := checkKinds[kind]
	if foreign {
		spec, known, kind = checkKinds[foreignKinds[kind]], true, foreignKinds[kind]
	}
	if !known {
		l.unknownKind(kind, pos, dbt)
		return
	}
	c := &Check{Kind: kind, Node: n, Args: spec.args(), Pos: pos}
	var entry checkEntry
	before := len(l.problems)
	if short := plainTexts(body); short != nil || body.IsNull() {
		l.problems = append(l.problems, config.Node{}.Decode(&entry, &c.CheckSettings)...)
		l.shortForm(c, spec, &entry, short, body)
	} else {
		l.longForm(c, &entry, body)
	}
	if len(l.problems) > before {
		return
	}
	c.Columns = entry.columns(column)
	if x, ok := c.Args.(*Expression); ok && foreign && column != "" { // dbt_utils: what stands behind the column
		x.Expression, c.Columns = column+" "+x.Expression, nil
	}
	if !c.Enabled || !l.validCheck(c, spec) {
		return
	}
	l.addCheck(c, entry.Name)
}

// plainTexts are a text, or a list of texts, that stand for a whole check; nil for a mapping.
func plainTexts(body config.Node) []string {
	var list config.StringList
	if body.IsScalar() || body.IsList() {
		if body.Decode(&list) == nil {
			return list
		}
	}
	return nil
}

func (l *loader) shortForm(c *Check, spec checkKind, entry *checkEntry, short []string, body config.Node) {
	switch {
	case spec.short == "" || len(short) == 0:
		entry.Columns = short
		l.problems = append(l.problems, config.Node{}.Decode(c.Args)...)
		if missing := required(c.Args); missing != "" {
			l.problem(c.Pos, fmt.Sprintf("write - %s: { …, %s: … }", c.Kind, missing), "%s needs %s", c.Kind, missing)
		}
	case len(short) > 1:
		l.problem(body.Pos(), "", "%s takes one %s, not a list", c.Kind, spec.short)
	default:
		switch args := c.Args.(type) {
		case *Expression:
			args.Expression, args.Null = short[0], "pass"
		case *SQL:
			args.Query = short[0]
		}
	}
}

// required names an argument that must be written; "" when there is none.
func required(args any) string {
	switch args.(type) {
	case *AcceptedValues, *RejectedValues:
		return "values"
	case *Relationships:
		return "to"
	case *Range, *Length:
		return "min or max"
	case *Regex:
		return "pattern"
	case *Expression:
		return "expression"
	case *Distribution:
		return "metric"
	case *SQL:
		return "query"
	case *RowCount:
		return "min, max or equals"
	case *Freshness:
		return "warn_after or error_after"
	}
	return ""
}

func (l *loader) longForm(c *Check, entry *checkEntry, body config.Node) {
	var settings CheckSettings
	var test struct {
		Test string `yaml:"test_name"`
	}
	into := []any{entry, &settings, &test}
	if body.Get("arguments").IsZero() {
		into = append(into, c.Args)
	}
	l.problems = append(l.problems, body.Decode(into...)...)
	if !body.Get("arguments").IsZero() {
		var inner checkEntry
		l.problems = append(l.problems, entry.Arguments.Decode(c.Args, &inner)...)
		entry.Columns = append(entry.Columns, inner.columns("")...)
	}
	c.CheckSettings = settings
	if entry.Config.IsZero() {
		return
	}
	l.problems = append(l.problems, entry.Config.Decode(&c.CheckSettings)...)
	merge(&c.CheckSettings, settings)
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

func (l *loader) unknownKind(kind string, pos config.Pos, dbt bool) {
	kinds := slices.Sorted(maps.Keys(checkKinds))
	hint := "known kinds: " + strings.Join(kinds, ", ")
	if s := config.Suggest(kind, kinds); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	} else if dbt {
		l.warning(pos, "tests written as macros come with a later version; sql: and expression: checks can say most of them", "test %q is not run by this version", kind)
		return
	}
	l.problem(pos, hint, "unknown kind of check %q", kind)
}

// validCheck refuses what contradicts itself.
func (l *loader) validCheck(c *Check, spec checkKind) bool {
	bad := func(key, hint, format string, args ...any) bool {
		pos := c.Pos
		if c.Has(key) {
			pos = c.At(key)
		}
		l.problem(pos, hint, format, args...)
		return false
	}
	switch {
	case spec.columns == 0 && len(c.Columns) > 0 && c.Kind != "expression" && c.Kind != "sql":
		c.Columns = nil // dbt may write a table's test under a column
	case spec.columns == 1 && len(c.Columns) != 1:
		return bad("", fmt.Sprintf("write - %s: { column: amount, … }", c.Kind), "%s is about one column, got %d", c.Kind, len(c.Columns))
	case spec.columns == 2 && len(c.Columns) == 0:
		return bad("", fmt.Sprintf("write - %s: id", c.Kind), "%s needs a column", c.Kind)
	}
	if c.Quarantines() && !spec.byRow {
		return bad("severity", "use severity: error or warn", "%s judges the whole table: there are no rows to quarantine", c.Kind)
	}
	if c.Severity == SeverityWarn && !c.ErrorIf.IsZero() {
		return bad("error_if", "use severity: error, where warn_if and error_if grade", "error_if has no effect with severity: warn")
	}
	if c.Limit < 0 {
		return bad("limit", "", "limit must not be negative")
	}
	if c.Where != "" && !spec.byRow {
		switch c.Kind {
		case "sql":
			return bad("where", "put the condition into the query", "where has no effect on a query")
		}
	}
	return l.validArgs(c, bad)
}

func (l *loader) validArgs(c *Check, bad func(key, hint, format string, args ...any) bool) bool {
	contradiction := func(kind string, min, max *int64) bool {
		if min == nil && max == nil {
			return bad("", "", "%s needs min or max", kind)
		}
		if min != nil && max != nil && *min > *max {
			return bad("", "no value can meet both", "%s: min %d is greater than max %d", kind, *min, *max)
		}
		return true
	}
	switch a := c.Args.(type) {
	case *AcceptedValues:
		return len(a.Values) > 0 || bad("", "name at least one", "accepted_values has no values: no row could pass")
	case *RejectedValues:
		return len(a.Values) > 0 || bad("", "name at least one", "rejected_values has no values")
	case *Range:
		if !a.Min.IsSet() {
			a.Min = a.MinValue
		}
		if !a.Max.IsSet() {
			a.Max = a.MaxValue
		}
		a.Strictly = a.Strictly || !a.Inclusive
		if !a.Min.IsSet() && !a.Max.IsSet() {
			return bad("", "", "range needs min or max")
		}
		if a.Min.Number && a.Max.Number && (number(a.Min) > number(a.Max) || a.Strictly && number(a.Min) == number(a.Max)) {
			return bad("", "no value can meet both", "range: min %s and max %s leave no value", a.Min.Text, a.Max.Text)
		}
	case *Length:
		return contradiction("length", a.Min, a.Max)
	case *RowCount:
		if a.Equals != nil {
			if a.Min != nil || a.Max != nil {
				return bad("", "use one or the other", "row_count: equals stands beside min or max")
			}
			return true
		}
		return contradiction("row_count", a.Min, a.Max)
	case *Regex:
		return a.Pattern != "" || bad("", "", "regex needs a pattern")
	case *Freshness:
		warn, fail := a.WarnAfter.Std(), a.ErrorAfter.Std()
		if warn == 0 && fail == 0 {
			return bad("", "", "freshness needs warn_after or error_after")
		}
		if warn > 0 && fail > 0 && warn > fail {
			return bad("", "", "freshness: warn_after %s is later than error_after %s", a.WarnAfter, a.ErrorAfter)
		}
	case *Volume:
		return l.validHistory(a.History, bad)
	case *Distribution:
		if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
			return bad("", "no value can meet both", "distribution: min %g is greater than max %g", *a.Min, *a.Max)
		}
		if q := a.Quantile; q != nil && (a.Metric != "median" || *q < 0 || *q > 1) {
			return bad("", "write metric: median, quantile: 0.95", "quantile must be between 0 and 1, with metric: median")
		}
		return l.validHistory(a.History, bad)
	}
	return true
}

func number(l Literal) float64 {
	var f float64
	_, _ = fmt.Sscan(l.Text, &f)
	return f
}

func (l *loader) validHistory(h History, bad func(key, hint, format string, args ...any) bool) bool {
	switch {
	case h.WarnSigma < 0 || h.ErrorSigma < 0 || h.WarnSigma > h.ErrorSigma:
		return bad("", "", "warn_sigma %g must be positive and not greater than error_sigma %g", h.WarnSigma, h.ErrorSigma)
	case h.MinRuns < 2 || h.Window < h.MinRuns:
		return bad("", "", "min_runs must be at least 2, and window at least min_runs")
	}
	return true
}

// addCheck names the check and gives it to its node.
func (l *loader) addCheck(c *Check, name string) {
	given := name != ""
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
	if c.Owner == "" && c.Node != nil {
		c.Owner = c.Node.Owner
	}
	c.Name = name
	for i := 2; c.Node != nil && c.Node.Check(c.Name) != nil; i++ {
		if given {
			l.problem(c.Pos, "give one of them another name", "%s has two checks named %q", c.Node.Name(), name)
			return
		}
		c.Name = fmt.Sprintf("%s_%d", name, i)
	}
	if c.Quarantines() && c.ErrorIf.IsZero() {
		c.ErrorIf = DefaultQuarantineError
	}
	if c.Node != nil {
		c.Node.Checks = append(c.Node.Checks, c)
	}
	l.checks = append(l.checks, c)
}

// singularChecks reads checks/**/*.sql: queries over any tables.
func (l *loader) singularChecks() {
	for _, t := range l.templates("checks") {
		c := &Check{Kind: "sql", Args: &SQL{Path: t.Name()}, Template: t, Pos: config.Pos{File: t.Name(), Line: 1, Column: 1}}
		_ = config.Node{}.Decode(&c.CheckSettings)
		c.Name = strings.TrimSuffix(path.Base(t.Name()), ".sql")
		l.checks = append(l.checks, c)
	}
}

// linkChecks resolves what the checks refer to, once all nodes are known and in order.
func (l *loader) linkChecks() {
	place := map[*Node]int{}
	for i, n := range l.p.Nodes {
		place[n] = i
	}
	for _, c := range l.checks {
		switch args := c.Args.(type) {
		case *Relationships:
			l.linkRelation(c, args)
		case *SQL:
			l.linkQuery(c, args, place)
		}
		if c.Node != nil {
			l.await(c)
		}
	}
}

func (l *loader) linkRelation(c *Check, args *Relationships) {
	source, name, ok := relation(args.To)
	if !ok {
		l.problem(c.Pos, "write to: ref('customers') or to: source('erp', 'customers')", "relationships: %q is not a table", args.To)
		return
	}
	if args.Node = l.tableNamed(source, name); args.Node == nil {
		l.unknownTable(c.Pos, args.To, name)
		return
	}
	if len(args.Field) == 0 {
		args.Field = c.Columns
	}
	if len(args.Field) != len(c.Columns) {
		l.problem(c.Pos, "", "relationships: %d columns are compared with %d", len(c.Columns), len(args.Field))
	}
	c.Reads = []*Node{args.Node}
}

// tableNamed finds a node as ref, source or a plain name means it.
func (l *loader) tableNamed(source, name string) *Node {
	if source != "" {
		if n := l.p.Stream(source, name); n != nil {
			return n
		}
		return l.p.Node(source + "." + name)
	}
	if n := l.p.byModel[name]; n != nil {
		return n
	}
	var found *Node
	for _, n := range l.p.Nodes {
		if n.Table == name {
			if found != nil {
				return nil
			}
			found = n
		}
	}
	return found
}

func (l *loader) unknownTable(pos config.Pos, text, name string) {
	var known []string
	for _, n := range l.p.Nodes {
		known = append(known, n.Table, n.Name())
	}
	hint := ""
	if s := config.Suggest(name, known); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	l.problem(pos, hint, "no table is named %s, or several are", text)
}

// linkQuery renders the query of a check without an engine, to learn what it reads and how it is configured.
func (l *loader) linkQuery(c *Check, args *SQL, place map[*Node]int) {
	if c.Template == nil {
		t, err := jinja.Parse(c.Pos.File, args.Query)
		if err != nil {
			l.problem(c.Pos, "", "query: %v", err)
			return
		}
		c.Template = t
	}
	probe := &Node{Table: c.Name, Kind: KindModel, Path: c.Pos.File, Pos: c.Pos, Model: &Model{Template: c.Template, Path: c.Pos.File}}
	if c.Node != nil {
		probe.Schema, probe.Table = c.Node.Schema, c.Node.Table
	}
	seen, err := l.trial(probe, false)
	if err != nil {
		l.templateProblem(c.Pos.File, err)
		return
	}
	for _, r := range seen.refs {
		n := l.lookup(r)
		if n == nil {
			return
		}
		if n != c.Node && !slices.Contains(c.Reads, n) {
			c.Reads = append(c.Reads, n)
		}
	}
	if args.Path != "" && !l.configureCheck(c, seen.config) {
		return
	}
	if c.Node != nil {
		sort.Slice(c.Reads, func(i, k int) bool { return c.Reads[i].Name() < c.Reads[k].Name() })
		return
	}
	// A singular check is about the last table that it reads: by then the others are there.
	sort.Slice(c.Reads, func(i, k int) bool { return place[c.Reads[i]] < place[c.Reads[k]] })
	if len(c.Reads) == 0 {
		l.problem(c.Pos, "select from {{ ref('model') }} or {{ source('erp', 'orders') }}", "the check reads no table of the project")
		return
	}
	last := len(c.Reads) - 1
	c.Node, c.Reads = c.Reads[last], c.Reads[:last]
	if c.Owner == "" {
		c.Owner = c.Node.Owner
	}
	if c.Node.Check(c.Name) != nil {
		l.problem(c.Pos, "rename the file", "%s has two checks named %q", c.Node.Name(), c.Name)
		return
	}
	c.Node.Checks = append(c.Node.Checks, c)
}

// configureCheck fills a singular check's settings from config() in its file.
func (l *loader) configureCheck(c *Check, said []setting) bool {
	ok := true
	for _, s := range said {
		text := fmt.Sprint(s.value)
		var err error
		switch s.key {
		case "severity":
			c.Severity = Severity(text)
			if c.Severity != SeverityWarn && c.Severity != SeverityError {
				err = fmt.Errorf("severity=%q: use warn or error", text)
			}
		case "warn_if":
			err = c.WarnIf.UnmarshalText([]byte(text))
		case "error_if":
			err = c.ErrorIf.UnmarshalText([]byte(text))
		case "limit":
			_, err = fmt.Sscan(text, &c.Limit)
		case "owner":
			c.Owner = text
		case "description":
			c.Description = text
		case "tags":
			c.Tags = texts(s.value)
		case "enabled":
			c.Enabled = boolOf(s.value, true)
		case "meta", "store_failures", "store_failures_as":
		default:
			err = fmt.Errorf("config() of a check has no key %q", s.key)
		}
		if err != nil {
			l.problem(s.pos, "known keys: severity, warn_if, error_if, limit, owner, description, tags, enabled", "%v", err)
			ok = false
		}
	}
	return ok && c.Enabled
}

// await lets the check run as early as what it reads allows. A node waits for what its checks read, unless that is
// built from the node itself: then the check is deferred.
func (l *loader) await(c *Check) {
	for _, read := range c.Reads {
		if read == c.Node || slices.Contains(c.Node.After, read) {
			continue
		}
		if reaches(read, c.Node) || c.Node.Kind == KindStream && read.Kind != KindStream {
			c.Deferred = true
			continue
		}
		c.Node.After = append(c.Node.After, read)
	}
	if c.Deferred && c.Quarantines() {
		l.problem(c.Pos, "use severity: error or warn, or put the check on a model", "%s reads tables that are built after %s: its rows cannot be quarantined any more by then", c.Name, c.Node.Name())
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

// checkList is a list of checks, for the JSON Schema.
type checkList struct{ config.Node }

// DecodeNode implements config.NodeDecoder.
func (c *checkList) DecodeNode(n config.Node) config.Problems { c.Node = n; return nil }

// SchemaType implements the schema of a list of checks.
func (checkList) SchemaType() map[string]any {
	properties := map[string]any{}
	var kinds []any
	for _, kind := range slices.Sorted(maps.Keys(checkKinds)) {
		spec := checkKinds[kind]
		kinds = append(kinds, kind)
		long := config.Schema(struct {
			checkEntry    `yaml:",inline"`
			CheckSettings `yaml:",inline"`
		}{}, config.SchemaOptions{})
		delete(long, "$schema")
		merged, _ := long["properties"].(map[string]any)
		args := config.Schema(spec.args(), config.SchemaOptions{})
		for key, value := range args["properties"].(map[string]any) {
			merged[key] = value
		}
		texts := map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
		properties[kind] = map[string]any{"description": spec.doc, "anyOf": []any{map[string]any{"type": []any{"string", "null"}}, texts, long}}
	}
	item := map[string]any{"anyOf": []any{map[string]any{"enum": kinds}, map[string]any{"type": "object", "properties": properties, "minProperties": 1, "maxProperties": 1}}}
	return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, map[string]any{"type": "array", "items": item}}}
}
