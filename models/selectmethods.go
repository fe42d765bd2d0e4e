package models

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// This file has the methods of selectors: tag:nightly and the others, with dbt's names and meanings where dbt has them.

// Standing is what the selectors state: and result: go by. Who knows it gives it to the project.
type Standing struct {
	Of string // in words: what is published
	// Tables are the published tables, by the names of their nodes, with what they were made by; nil where nothing tells that.
	Tables map[string]*Definition
	// Results are what became of the nodes of the last run, in dbt's words, a warning of a check too; nil when there was none.
	Results map[string][]string

	byID map[string]*Definition
}

// StandsAt gives the project what state: and result: select by.
func (p *Project) StandsAt(s *Standing) {
	s.byID = map[string]*Definition{}
	for _, name := range slices.Sorted(maps.Keys(s.Tables)) {
		if d := s.Tables[name]; d != nil && d.ID != "" && s.byID[d.ID] == nil {
			s.byID[d.ID] = d
		}
	}
	p.standing = s
}

// old is what the node was made by, by its table or else by its id: where another target has the tables they lie in other schemas. A table
// of its name that is of another node is not its own.
func (s *Standing) old(p *Project, n *Node) (d *Definition, known bool) {
	d, known = s.Tables[n.Name()]
	id := p.UniqueID(n)
	if known && (d == nil || d.ID == "" || d.ID == id) {
		return d, true
	}
	d = s.byID[id]
	return d, d != nil
}

// NeedsStanding says whether one of the selectors goes by what is published or by the last run.
func (p *Project) NeedsStanding(selectors ...string) bool {
	return slices.ContainsFunc(selectors, func(text string) bool {
		if strings.Contains(text, "state:") || strings.Contains(text, "result:") {
			return true
		}
		_, name, ok := strings.Cut(text, "selector:")
		return ok && slices.ContainsFunc(p.Selectors, func(s *Selector) bool {
			return strings.HasPrefix(name, s.Name) && p.NeedsStanding(s.means.texts()...)
		})
	})
}

// mayBeNone says of a selector that it is no mistake when it means nothing.
func mayBeNone(name string) bool {
	kind, typed := strings.CutPrefix(name, "resource_type:")
	return strings.HasPrefix(name, "state:") || strings.HasPrefix(name, "result:") || strings.HasPrefix(name, "selector:") ||
		typed && slices.Contains(kinds, kind)
}

// kinds are what resource_type: may say although no node is of it: dbt's kinds that no run builds, and those that a project happens to have
// none of.
var kinds = []string{"model", "seed", "snapshot", "source", "analysis", "exposure", "unit_test", "metric", "semantic_model",
	"saved_query", "operation"}

// selectMethod is one method: which nodes a value means, and the values that there are, for who mistypes one.
type selectMethod struct {
	match  func(p *Project, n *Node, value string) bool
	values func(p *Project, n *Node) []string
}

// selectMethods are all methods but state and config., which have names of their own behind them.
var selectMethods = map[string]selectMethod{
	"tag": {func(_ *Project, n *Node, v string) bool { return anyMatches(v, n.Tags) },
		func(_ *Project, n *Node) []string { return n.Tags }},
	"path": {func(_ *Project, n *Node, v string) bool { return inPath(n, v) },
		func(_ *Project, n *Node) []string { return []string{path.Dir(n.Path)} }},
	"file": {func(_ *Project, n *Node, v string) bool {
		base := path.Base(n.Path)
		return anyMatches(v, []string{base, strings.TrimSuffix(base, path.Ext(base))})
	}, func(_ *Project, n *Node) []string { return []string{path.Base(n.Path)} }},
	"source": {func(p *Project, n *Node, v string) bool { return p.isSource(n, v) },
		func(p *Project, n *Node) []string { return p.sourcesOf(n) }},
	"pipeline": {func(_ *Project, n *Node, v string) bool { return n.Pipeline == v },
		func(_ *Project, n *Node) []string { return []string{n.Pipeline} }},
	"entity": {func(_ *Project, n *Node, v string) bool { return n.Entity != nil && n.Entity.Name == v },
		func(_ *Project, n *Node) []string { return entityOf(n) }},
	"fqn": {func(_ *Project, n *Node, v string) bool { return isFQN(n, v) },
		func(_ *Project, n *Node) []string { return []string{strings.Join(n.fqn, ".")} }},
	"package": {func(p *Project, n *Node, v string) bool { return anyMatches(v, packageOf(p, n)) },
		packageOf},
	"resource_type": {func(_ *Project, n *Node, v string) bool { return slices.Contains(typesOf(n), v) },
		func(_ *Project, n *Node) []string { return typesOf(n) }},
	"owner": {func(_ *Project, n *Node, v string) bool { return n.Owner == v },
		func(_ *Project, n *Node) []string { return []string{n.Owner} }},
	"exposure": {func(p *Project, n *Node, v string) bool { return slices.Contains(p.usedBy(v), n) },
		func(p *Project, n *Node) []string { return p.exposuresOf(n) }},
	"version": {func(p *Project, n *Node, v string) bool { return p.isVersion(n, v) },
		func(*Project, *Node) []string { return []string{"latest", "old", "prerelease", "none"} }},
	"group": {func(_ *Project, n *Node, v string) bool { return anyMatches(v, settingOf(n, "group")) },
		func(_ *Project, n *Node) []string { return settingOf(n, "group") }},
	"access": {func(_ *Project, n *Node, v string) bool { return slices.Contains(accessOf(n), v) },
		func(_ *Project, n *Node) []string { return accessOf(n) }},
	"result": {func(p *Project, n *Node, v string) bool { return slices.Contains(p.standing.Results[n.Name()], v) },
		func(*Project, *Node) []string { return results }},
}

// results are the values of result:, with dbt's words.
var results = []string{"success", "error", "fail", "warn", "skipped", "pass"}

// foreignMethods are dbt's methods that select nothing here, and why.
var foreignMethods = map[string]string{
	"test_name":     "checks belong to their tables: select those; millrace check knows it",
	"test_type":     "checks belong to their tables: select those; millrace check knows it",
	"unit_test":     "unit tests belong to their models: select those",
	"source_status": "dbt source freshness writes it; here freshness is a check",
	"metric":        "there are no metrics", "saved_query": "there are no saved queries",
	"semantic_model": "there are no semantic models",
}

// method gives the match of a method with its value.
func (p *Project) method(term, method, value string) (func(*Node, string) bool, error) {
	if m, known := selectMethods[method]; known {
		if method == "result" {
			if err := p.stands(term, p.standing != nil && p.standing.Results != nil, "a run"); err != nil {
				return nil, err
			}
			if !slices.Contains(results, value) {
				return nil, p.noValue(term, method, value)
			}
		}
		return func(n *Node, _ string) bool { return m.match(p, n, value) }, nil
	}
	if key, ok := strings.CutPrefix(method, "config."); ok {
		return func(n *Node, _ string) bool { return hasSetting(n, key, value) }, nil
	}
	if method != "state" {
		known := append(slices.Sorted(maps.Keys(selectMethods)), "state", "selector", "config.<key>")
		hint := "use " + strings.Join(known, ":, ") + ":"
		if why := foreignMethods[method]; why != "" {
			return nil, fmt.Errorf("selector %q: there is no method %q here: %s", term, method, why)
		}
		if guess := config.Suggest(method, known); guess != "" {
			hint = fmt.Sprintf("did you mean %s:? ", guess) + hint
		}
		return nil, fmt.Errorf("selector %q: unknown method %q: %s", term, method, hint)
	}
	match, err := stateMatch(term, value)
	if err == nil {
		err = p.stands(term, p.standing != nil && p.standing.Tables != nil, "something published")
	}
	if err != nil {
		return nil, err
	}
	return func(n *Node, _ string) bool { return match(p.changed(n)) }, nil
}

func (p *Project) stands(term string, does bool, what string) error {
	if does {
		return nil
	}
	return fmt.Errorf("selector %q: it takes %s to go by, which commands know and a project's files do not: use it with millrace run, plan and check",
		term, what)
}

// statesOf are the parts of a Definition that state:modified. is about, by the names behind it.
var statesOf = map[string][]string{"body": {"body", "stream", "ephemeral", "kind"}, "configs": {"config"}, "macros": {"macro"}, "vars": {"var", "env"},
	"checks": {"checks", "check"}, "contract": {"contract"}, "hooks": {"hooks"}, "relation": {"relation"}, "persisted_descriptions": {"told"}}

// stateMatch reads the value of state:.
func stateMatch(term, value string) (func(known bool, changes []Change) bool, error) {
	value, sub, _ := strings.Cut(value, ".")
	switch {
	case sub != "" && (value != "modified" || statesOf[sub] == nil):
		return nil, fmt.Errorf("selector %q: there is no state:%s.%s: use state:modified.%s", term, value, sub,
			strings.Join(slices.Sorted(maps.Keys(statesOf)), ", state:modified."))
	case value == "new":
		return func(known bool, _ []Change) bool { return !known }, nil
	case value == "old":
		return func(known bool, _ []Change) bool { return known }, nil
	case value == "unmodified":
		return func(known bool, changes []Change) bool { return known && len(changes) == 0 }, nil
	case value == "modified" && sub == "":
		return func(known bool, changes []Change) bool { return !known || len(changes) > 0 }, nil
	case value == "modified":
		return func(known bool, changes []Change) bool {
			return !known || slices.ContainsFunc(changes, func(c Change) bool { return slices.Contains(statesOf[sub], c.Part) })
		}, nil
	}
	return nil, fmt.Errorf("selector %q: there is no state %q: use state:new, old, modified or unmodified", term, value)
}

// changed says whether the node is among what the project stands at, and how it differs from it.
func (p *Project) changed(n *Node) (known bool, changes []Change) {
	unknown := []Change{{Part: "kind", How: "changed"}}
	if n.Model != nil && n.Model.Materialized == Ephemeral && n.Model.Template != nil { // no table tells of it but those that it is put into
		now := &Definition{Format: DefinitionFormat, Parts: map[string]string{PartBody: HashOf(n.Model.Template.Text())}}
		for reader, d := range p.standing.Tables {
			if d == nil || d.Parts[PartEphemeral+n.Table] == "" || p.Node(reader) == nil && !p.has(d.ID) {
				continue
			}
			return true, now.Changes(&Definition{Format: DefinitionFormat, Parts: map[string]string{PartBody: d.Parts[PartEphemeral+n.Table]}})
		}
		return false, nil
	}
	old, known := p.standing.old(p, n)
	switch {
	case !known:
		return false, nil
	case old == nil:
		return true, unknown
	}
	return true, p.Definition(n).Changes(old)
}

// has says whether a node of the project has the id.
func (p *Project) has(id string) bool {
	return slices.ContainsFunc(p.Nodes, func(n *Node) bool { return p.UniqueID(n) == id })
}

// noValue says which values a method has, where none of the project's nodes has the one that was asked for.
func (p *Project) noValue(term, method, value string) error {
	var known []string
	for _, n := range p.Nodes {
		if key, ok := strings.CutPrefix(method, "config."); ok {
			known = append(known, settingOf(n, key)...)
		} else {
			known = append(known, selectMethods[method].values(p, n)...)
		}
	}
	slices.Sort(known)
	known = slices.DeleteFunc(slices.Compact(known), func(v string) bool { return v == "" })
	text := fmt.Sprintf("selector %q matches no node", term)
	if guess := config.Suggest(value, known); guess != "" {
		return fmt.Errorf("%s: did you mean %q?", text, method+":"+guess)
	}
	if len(known) == 0 {
		return fmt.Errorf("%s: none has a %s", text, method)
	}
	const most = 12
	if len(known) > most {
		known = append(known[:most], "…")
	}
	return fmt.Errorf("%s: there are %s", text, strings.Join(known, ", "))
}

// settingOf is the value of a model's or a seed's setting, as texts: all of a list. A key with points goes into mappings.
func settingOf(n *Node, key string) []string {
	switch {
	case key == "materialized" && n.Model != nil:
		return []string{string(n.Model.Materialized)}
	case key == "incremental_strategy" && n.Model != nil:
		return []string{string(n.Model.Strategy)}
	case key == "tags":
		return n.Tags
	case key == "enabled":
		return []string{"true"}
	}
	var value any
	switch {
	case n.Model != nil:
		value = jinja.ToGo(n.Model.Config)
	case n.Seed != nil:
		value = jinja.ToGo(n.Seed.Config)
		if key == "materialized" {
			return []string{"seed"}
		}
	}
	if of, _ := value.(map[string]any); of[key] == nil { // what is configured goes before what comes of it
		switch key {
		case "schema":
			return []string{n.Schema}
		case "alias":
			return []string{n.Table}
		}
	}
	for _, name := range strings.Split(key, ".") {
		m, _ := value.(map[string]any)
		if value = m[name]; value == nil {
			return nil
		}
	}
	if list, ok := value.([]any); ok {
		var all []string
		for _, item := range list {
			all = append(all, fmt.Sprint(item))
		}
		return all
	}
	return []string{fmt.Sprint(value)}
}

func anyMatches(pattern string, values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		ok, _ := path.Match(pattern, v)
		return ok || v == pattern
	})
}

// hasSetting says whether a setting has the value, or a list has it among others. True and false are written as one likes.
func hasSetting(n *Node, key, value string) bool {
	return slices.ContainsFunc(settingOf(n, key), func(v string) bool {
		return v == value || (v == "true" || v == "false") && strings.EqualFold(v, value)
	})
}

// inPath says whether the node's file is the one, or below the folder, that a path means. ** stands for any folders.
func inPath(n *Node, value string) bool {
	return leadsInto(strings.Split(path.Clean(value), "/"), strings.Split(n.Path, "/"))
}

// leadsInto says whether the pattern means what a path begins with.
func leadsInto(pattern, file []string) bool {
	switch {
	case len(pattern) == 0:
		return true
	case pattern[0] == "**":
		return leadsInto(pattern[1:], file) || len(file) > 0 && leadsInto(pattern, file[1:])
	case len(file) == 0:
		return false
	}
	ok, _ := path.Match(pattern[0], file[0])
	return (ok || pattern[0] == file[0]) && leadsInto(pattern[1:], file[1:])
}

// isFQN compares folders and names, with patterns, from the package or from the first folder; or the last name alone.
func isFQN(n *Node, value string) bool {
	return len(n.fqn) > 0 && (anyMatches(value, refNames(n)) || beginsWith(n.fqn, value) || beginsWith(n.fqn[1:], value))
}

// beginsWith says whether the names, joined by points, begin with those of the selector. From its first pattern on it is one pattern for
// all that is left, as dbt has it: marts.* means what is below marts, however deep.
func beginsWith(names []string, selector string) bool {
	names = strings.Split(strings.Join(names, "."), ".")
	parts := strings.Split(selector, ".")
	if len(parts) > len(names) {
		return false
	}
	for i, part := range parts {
		if strings.ContainsAny(part, "*?[]") {
			ok, _ := path.Match(strings.ReplaceAll(strings.Join(parts[i:], "."), "[!", "[^"), strings.Join(names[i:], "."))
			return ok
		}
		if part != names[i] {
			return false
		}
	}
	return true
}

// isSource says whether the node provides a table of the sources that a selector means: source, source.table or package.source.table.
func (p *Project) isSource(n *Node, value string) bool {
	parts := strings.Split(value, ".")
	if len(parts) == 3 {
		if !anyMatches(parts[0], []string{p.root, p.Name}) {
			return false
		}
		parts = parts[1:]
	}
	return slices.ContainsFunc(p.tablesOf(n), func(t [2]string) bool {
		return len(parts) <= 2 && anyMatches(parts[0], t[:1]) && (len(parts) == 1 || anyMatches(parts[1], t[1:]))
	})
}

// tablesOf are the tables of sources that the node provides, each with its source: a stream its own, and a seed or model those that dbt's
// files call a source.
func (p *Project) tablesOf(n *Node) [][2]string {
	var all [][2]string
	if n.Stream != nil {
		all = append(all, [2]string{n.Stream.Source.Name, n.Table})
	}
	for _, name := range slices.Sorted(maps.Keys(p.sourced)) {
		if p.sourced[name] == n {
			source, table, _ := strings.Cut(name, ".")
			all = append(all, [2]string{source, table})
		}
	}
	return all
}

func (p *Project) sourcesOf(n *Node) []string {
	var names []string
	for _, t := range p.tablesOf(n) {
		names = append(names, t[0])
	}
	return names
}

// isVersion says of a model whether it is the latest of its versions, an older or a newer one, or has none.
func (p *Project) isVersion(n *Node, value string) bool {
	if n.Model == nil || n.Model.Materialized == Snapshot {
		return false
	}
	latest := p.latest[modelKey{pkg: n.Model.Package, name: n.Model.Name}]
	switch is := n.Model.Version; value {
	case "none":
		return is == ""
	case "latest":
		return is != "" && is == latest
	case "old":
		return is != "" && newer(latest, is)
	case "prerelease":
		return is != "" && newer(is, latest)
	}
	return false
}

// accessOf is who may refer to a model, as dbt's files say.
func accessOf(n *Node) []string {
	if n.Model == nil || n.Model.Materialized == Snapshot {
		return nil
	}
	if said := settingOf(n, "access"); len(said) > 0 {
		return said
	}
	return []string{"protected"}
}

func entityOf(n *Node) []string {
	if n.Entity == nil {
		return nil
	}
	return []string{n.Entity.Name}
}

// packageOf is the dbt package of a model or a seed; this is the project's own.
func packageOf(p *Project, n *Node) []string {
	name := ""
	switch {
	case n.Model != nil:
		name = n.Model.Package
	case n.Seed != nil:
		name = n.Seed.Package
	default:
		return nil
	}
	if name == "" || name == p.root {
		return []string{"this", p.Name}
	}
	return []string{name}
}

// typesOf are the names of the node's kind: dbt's, and Millrace's own.
func typesOf(n *Node) []string {
	switch {
	case n.Stream != nil:
		return []string{"source", "stream"}
	case n.Model != nil && n.Model.Materialized == Snapshot:
		return []string{"snapshot"}
	}
	return []string{string(n.Kind)}
}
