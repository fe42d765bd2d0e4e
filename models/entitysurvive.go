package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file reads survive: of entities.

// SurviveRules are the rules, with what each takes.
var SurviveRules = map[SurviveRule]string{
	MostRecent:   "The value of the record that changed last, by updated_at of its source.",
	MostTrusted:  "The value of the most trusted source, less what its age takes from it.",
	MostComplete: "The value of the record that has most of the fields.",
	MostFrequent: "The value that most records have.",
	Longest:      "The longest text.",
	Least:        "The least value.",
	Greatest:     "The greatest value.",
}

var surviveNames = []string{"most_recent", "most_trusted", "most_complete", "most_frequent", "longest", "min", "max"}

// rulesEntry is a rule, or a list of rules.
type rulesEntry struct{ rules []SurviveRule }

// DecodeNode implements config.NodeDecoder.
func (r *rulesEntry) DecodeNode(n config.Node) config.Problems {
	items := []config.Node{n}
	if n.IsList() {
		items = n.Items()
	}
	var problems config.Problems
	for _, item := range items {
		rule := item.Text()
		switch {
		case !slices.Contains(surviveNames, rule):
			message := fmt.Sprintf("unknown rule %q", rule)
			if !item.IsScalar() {
				message = "a rule is a name"
			}
			problems = append(problems, item.Pos().Problem(message, suggested(rule, surviveNames, "rules")))
		case slices.Contains(r.rules, SurviveRule(rule)):
			problems = append(problems, item.Pos().Problem(fmt.Sprintf("the rule %q stands there twice", rule), "remove one"))
		default:
			r.rules = append(r.rules, SurviveRule(rule))
		}
	}
	return problems
}

// SchemaDefinitions implements config.SchemaDefiner.
func (rulesEntry) SchemaDefinitions() (string, map[string]any) {
	names := object{"enum": asAny(surviveNames)}
	return "rules", object{"rules": object{"anyOf": []any{names, object{"type": "array", "items": names}}}}
}

func asAny(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}

// surviveGroupKeys is a group as it is written.
type surviveGroupKeys struct {
	config.Origin
	Name   string            `yaml:"name" doc:"Name of the group; by default its first field."`
	Fields config.StringList `yaml:"fields" required:"true" doc:"Fields whose values come from one record." example:"[street, city, postcode]"`
	By     rulesEntry        `yaml:"by" doc:"Rules, the first that decides; by default those of default:."`
}

// surviveKeys is what may stand behind a field.
type surviveKeys struct {
	config.Origin
	By      rulesEntry `yaml:"by" doc:"Rules, the first that decides."`
	Collect string     `yaml:"collect" enum:"distinct,all" doc:"A list of the values instead of one: each once, or all."`
	From    string     `yaml:"from" doc:"The field whose values are meant, where it has another name."`
	Custom  string     `yaml:"custom" doc:"SQL aggregate over the cluster's records." example:"sum(lifetime_value)"`
	Require string     `yaml:"require" doc:"Only such values count: a SQL condition, or valid, those that standardizing left." example:"valid"`
}

// surviveFlags are rules that are written as keys: most_trusted: true.
type surviveFlags struct {
	MostRecent   bool `yaml:"most_recent" doc:"The same as by: most_recent."`
	MostTrusted  bool `yaml:"most_trusted" doc:"The same as by: most_trusted."`
	MostComplete bool `yaml:"most_complete" doc:"The same as by: most_complete."`
	MostFrequent bool `yaml:"most_frequent" doc:"The same as by: most_frequent."`
	Longest      bool `yaml:"longest" doc:"The same as by: longest."`
	Min          bool `yaml:"min" doc:"The same as by: min."`
	Max          bool `yaml:"max" doc:"The same as by: max."`
}

// surviveEntry is survive:. What is no key of its own is a field.
type surviveEntry struct {
	node   config.Node
	keys   config.Origin
	rules  rulesEntry
	groups []surviveGroupKeys
}

// DecodeNode implements config.NodeDecoder.
func (s *surviveEntry) DecodeNode(n config.Node) config.Problems {
	if !n.IsMapping() {
		return n.Decode(&s.rules)
	}
	s.node, s.keys = n, n.Origin()
	var problems config.Problems
	for name, value := range n.All() {
		switch name {
		case "default":
			problems = append(problems, value.Decode(&s.rules)...)
		case "groups":
			problems = append(problems, value.Decode(&s.groups)...)
		}
	}
	return problems
}

// SchemaDefinitions implements config.SchemaDefiner.
func (surviveEntry) SchemaDefinitions() (string, map[string]any) {
	_, defs := rulesEntry{}.SchemaDefinitions()
	one := formOf(struct {
		surviveKeys  `yaml:",inline"`
		surviveFlags `yaml:",inline"`
	}{})
	one["dependencies"] = object{"collect": object{"not": requires("by")},
		"custom": object{"not": object{"anyOf": []any{requires("by"), requires("collect"), requires("from")}}}}
	defs["survivor"] = object{"anyOf": []any{refTo("rules"), one}}
	group := formOf(surviveGroupKeys{})
	group["properties"].(object)["fields"] = textsOf(2)
	defs["survive"] = object{"anyOf": []any{refTo("rules"), object{"type": "object", "additionalProperties": refTo("survivor"), "properties": object{
		"default": refTo("rules"), "groups": object{"type": "array", "items": group}}}}}
	return "survive", defs
}

// survivorship settles survive:.
func (d *entityDraft) survivorship() {
	in := d.file.Survive
	out := &d.e.Survive
	out.Default = in.rules.rules
	if len(out.Default) == 0 {
		out.Default = []SurviveRule{MostRecent, MostTrusted}
	}
	seen := map[string]string{}
	once := func(name, where string, pos config.Pos) {
		if other := seen[strings.ToLower(name)]; other != "" {
			d.l.problem(pos, "remove one of the two", "survive: %s is in %s already", name, other)
		}
		seen[strings.ToLower(name)] = where
	}
	for _, g := range in.groups {
		group := SurviveGroup{Name: g.Name, By: g.By.rules, Pos: g.Origin.Pos()}
		for i, name := range g.Fields {
			f := d.field(name, g.Origin.Item("fields", i))
			once(f.Name, "a group", g.Origin.Item("fields", i))
			group.Fields = append(group.Fields, f.Name)
		}
		if group.Name == "" && len(group.Fields) > 0 {
			group.Name = group.Fields[0]
		}
		if len(group.By) == 0 {
			group.By = out.Default
		}
		if len(g.Fields) == 1 {
			d.l.problem(g.Origin.Pos(), "name two fields at least", "survive: a group of one field is no group")
		}
		out.Groups = append(out.Groups, group)
	}
	if !in.node.IsMapping() {
		return
	}
	for name, value := range in.node.All() {
		if name != "default" && name != "groups" {
			once(name, "the rules of a field", in.keys.Key(name))
			out.Fields = append(out.Fields, d.survivor(name, in.keys.Key(name), value))
		}
	}
}

// survivor reads the rules of one field.
func (d *entityDraft) survivor(name string, pos config.Pos, value config.Node) SurviveField {
	out := SurviveField{Name: name, Pos: pos}
	var keys surviveKeys
	var flags surviveFlags
	if value.IsMapping() {
		d.l.problems = append(d.l.problems, value.Decode(&keys, &flags)...)
	} else {
		d.l.problems = append(d.l.problems, value.Decode(&keys.By)...)
	}
	out.By, out.Collect, out.From, out.Custom, out.Require = keys.By.rules, keys.Collect, keys.From, keys.Custom, keys.Require
	for i, set := range []bool{flags.MostRecent, flags.MostTrusted, flags.MostComplete, flags.MostFrequent, flags.Longest, flags.Min, flags.Max} {
		if rule := SurviveRule(surviveNames[i]); set && !slices.Contains(out.By, rule) {
			out.By = append(out.By, rule)
		}
	}
	if out.Custom != "" {
		d.custom(&out, keys)
		if !fieldName.MatchString(name) {
			d.l.problem(pos, "use letters, digits and _", "survive: %q cannot be a column's name", name)
		}
		return out
	}
	switch {
	case out.Collect != "" && len(out.By) > 0:
		d.l.problem(keys.Origin.At("collect"), "remove one of them", "survive: %s is a list of values, or one by rules", name)
	case out.From != "":
		out.From = d.field(out.From, keys.Origin.At("from")).Name
	case out.Collect != "" && d.e.Field(name) == nil && d.e.Field(strings.TrimSuffix(name, "s")) != nil: // phones: {collect: distinct}
		out.From = d.e.Field(strings.TrimSuffix(name, "s")).Name
	default:
		out.Name = d.field(name, pos).Name
		out.From = out.Name
	}
	if !fieldName.MatchString(out.Name) {
		d.l.problem(pos, "use letters, digits and _", "survive: %q cannot be a column's name", out.Name)
	}
	if len(out.By) == 0 && out.Collect == "" {
		out.By = d.e.Survive.Default
	}
	return out
}

// custom finds the fields of an aggregate, which are read from the sources.
func (d *entityDraft) custom(out *SurviveField, keys surviveKeys) {
	pos := keys.Origin.At("custom")
	if len(out.By) > 0 || out.Collect != "" || out.From != "" {
		d.l.problem(pos, "remove the other keys", "survive: %s is an aggregate, or chosen by rules", out.Name)
	}
	if !balanced(out.Custom) || isTemplate(out.Custom) {
		d.l.problem(pos, `write an aggregate, such as "sum(amount)"`, "survive: %q is no SQL expression", out.Custom)
		return
	}
	for _, word := range wordsOf(out.Custom) {
		d.field(word, pos)
	}
}
