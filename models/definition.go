package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/models/jinja"
)

// DefinitionFormat is the version of what a Definition says. It goes up when Millrace makes something else of the same definition: all
// tables are then built once more.
const DefinitionFormat = 1

// Definition is everything in the project's files that decides what a node's table is, taken apart so that a difference can be told. What a
// template reads of tables while it is rendered is not in it, and neither is what the node is called or who owns it.
type Definition struct {
	Format int `json:"format"`
	// ID is the node's unique id, by which it is found where its table has another schema or name.
	ID string `json:"id,omitempty"`
	// Parts are hashes, and of config. the values themselves, by the names below.
	Parts map[string]string `json:"parts"`
	// Text is a model's template as it is written, for showing what has changed; "" where it is long.
	Text string `json:"text,omitempty"`
}

// The parts of a Definition. Those that end with a dot are many, one for each name behind it.
const (
	PartKind      = "kind"
	PartBody      = "body"       // the template of a model, or the content of a seed or of an entity's file
	PartConfig    = "config."    // a setting, with its value
	PartMacro     = "macro."     // a macro that the template reaches
	PartVar       = "var."       // a variable that it reads
	PartEnv       = "env."       // an environment variable that it reads
	PartEphemeral = "ephemeral." // an ephemeral model that is put into it
	PartHooks     = "hooks"
	PartChecks    = "checks"    // those that keep rows out of the table
	PartContract  = "contract"  // what its columns must be
	PartStream    = "stream"    // how a stream is read
	PartCheck     = "check."    // one that judges the table, and keeps no row out
	PartRelation  = "relation." // schema and alias, as they are configured: what comes of them is the table's name
	PartPlace     = "place"     // package, folders and name
	PartUnitTests = "unit tests"
	PartTold      = "told" // descriptions that persist_docs writes down
)

// undeciding are the parts that never make another table.
var undeciding = []string{"check", "relation", "place", "told"}

// Decides says whether the change may make another table: what is judged, and where the file lies, does not.
func (c Change) Decides() bool { return !slices.Contains(undeciding, c.Part) }

// longText is the length from which a template's text is not kept beside its hash.
const longText = 64 << 10

// undecided are settings that do not decide what the table is, and those that have a part of their own.
var undecided = map[string]bool{"description": true, "owner": true, "tags": true, "meta": true, "docs": true, "group": true, "access": true,
	"enabled": true, "persist_docs": true, "grants": true, "full_refresh": true, "schema": true, "alias": true, "contract": true,
	"pre_hook": true, "post_hook": true, "pre-hook": true, "post-hook": true, "store_failures": true, "store_failures_as": true, "event_time": true}

// Definition takes the node's definition apart.
func (p *Project) Definition(n *Node) *Definition {
	d := &Definition{Format: DefinitionFormat, ID: p.UniqueID(n), Parts: map[string]string{PartKind: string(n.Kind)}}
	if len(n.fqn) > 0 {
		d.Parts[PartPlace] = strings.Join(n.fqn, ".")
	}
	switch {
	case n.Model != nil:
		p.defineModel(d, n)
	case n.Stream != nil:
		d.Parts[PartStream] = defineStream(n.Stream)
	case n.Seed != nil:
		d.Parts[PartBody], _ = p.SeedHash(n.Seed) // "" where it cannot be read: the seed's step says why
		d.settings(n, n.Seed.Config)
	case n.Entity != nil:
		d.Parts[PartBody] = p.contentOf(n.Path)
	}
	d.rules(n)
	return d
}

func (p *Project) defineModel(d *Definition, n *Node) {
	m := n.Model
	if m.Template != nil { // what cannot be built may have none
		d.Parts[PartBody] = HashOf(m.Template.Text())
		p.reached(d, n)
		if d.Text = m.Template.Text(); len(d.Text) > longText {
			d.Text = ""
		}
	}
	d.settings(n, m.Config)
	d.Parts[PartConfig+"materialized"] = string(m.Materialized)
	if m.Strategy != "" {
		d.Parts[PartConfig+"incremental_strategy"] = string(m.Strategy)
	}
	if len(m.UniqueKey) > 0 {
		d.Parts[PartConfig+"unique_key"] = valueText(m.UniqueKey)
	}
	if m.Materialized == Incremental {
		d.Parts[PartConfig+"on_schema_change"] = m.OnSchemaChange
	}
	hooks := ""
	for _, h := range slices.Concat(m.Before, []Hook{{}}, m.Behind) {
		if hooks += "\x00"; h.Template != nil {
			hooks += h.Template.Text()
		}
	}
	if len(hooks) > 1 {
		d.Parts[PartHooks] = HashOf(hooks)
	}
	for _, need := range n.Needs {
		p.putIn(d, need)
	}
	var tests []string
	for _, t := range p.UnitTestsOf(n) {
		tests = append(tests, t.text())
	}
	if len(tests) > 0 && p.DBT { // of which a run is kept from publishing the model
		d.Parts[PartUnitTests] = HashOf(strings.Join(tests, "\n"))
	}
}

// putIn adds what decides the text of an ephemeral model, which stands in the model that reads it.
func (p *Project) putIn(d *Definition, n *Node) {
	if n.Model == nil || n.Model.Materialized != Ephemeral || n.Model.Template == nil {
		return
	}
	d.Parts[PartEphemeral+n.Table] = HashOf(n.Model.Template.Text())
	p.reached(d, n)
	for _, need := range n.Needs {
		p.putIn(d, need)
	}
}

// reached adds the macros that the model's template reaches and the variables that it reads.
func (p *Project) reached(d *Definition, n *Node) {
	maps.Copy(d.Parts, p.macrosOf(n))
	for _, asked := range n.Model.Asked {
		value, set := any(nil), false
		if name, env := strings.CutPrefix(asked, PartEnv); env {
			value, set = p.EnvVar(name)
		} else {
			value, set = p.Var(n.Model.Package, strings.TrimPrefix(asked, PartVar))
		}
		// Of what may be secret so little is kept that nobody can try values on it. Nothing is built by it: what it does shows in the SELECT.
		d.Parts[asked] = HashOf(fmt.Sprint(set) + valueText(jinja.ToGo(value)))[:4]
	}
}

// settings adds those that have an effect, with their values, and what is configured of the table's name and descriptions.
func (d *Definition) settings(n *Node, of *jinja.Dict) {
	for _, key := range []string{"database", "schema", "alias"} {
		if said, _ := of.Get(key); said != nil {
			d.Parts[PartRelation+key] = valueText(said)
		}
	}
	said, _ := of.Get("persist_docs")
	if persist, _ := jinja.ToGo(said).(map[string]any); persist["relation"] == true || persist["columns"] == true {
		d.Parts[PartTold] = HashOf(toldText(n, persist))
	}
	for k, value := range of.All() {
		key, _ := k.(string)
		if _, none := withoutEffect[key]; !undecided[key] && (!none || key == "column_types") && !slices.Contains(ofOthers, key) {
			d.Parts[PartConfig+key] = valueText(value)
		}
	}
}

// toldText are the descriptions that dbt would write into the database.
func toldText(n *Node, persist map[string]any) (text string) {
	if persist["relation"] == true {
		text = n.Description
	}
	for _, c := range n.Columns {
		if persist["columns"] == true {
			text += "\x00" + c.Name + "\x00" + c.Description
		}
	}
	return text
}

// rules adds what keeps rows out of the table, what judges it, and what its columns must be.
func (d *Definition) rules(n *Node) {
	var texts []string
	for _, c := range n.Checks {
		switch {
		case c.Kind == KindContract:
		case c.Diverts() && !c.Deferred:
			texts = append(texts, c.ruleText())
		default:
			d.Parts[PartCheck+c.Name] = HashOf(c.ruleText() + fmt.Sprintf(" %s %s %s %q %d", c.Severity, c.WarnIf, c.ErrorIf, c.FailCalc, c.Limit))
		}
	}
	if len(texts) > 0 {
		d.Parts[PartChecks] = HashOf(strings.Join(texts, "\n"))
	}
	if c := n.Contract(); c != nil {
		d.Parts[PartContract] = HashOf(jsonText(c))
	}
}

// ruleText says which rows fail the check.
func (c *Check) ruleText() string {
	query := ""
	if c.Template != nil {
		query = c.Template.Text()
	}
	if q, ok := c.Args.(*SQL); ok && q.Test != nil {
		query = q.Test.In + "." + q.Test.Macro + " " + jsonText(jinja.ToGo(q.Test.Args))
	}
	return fmt.Sprintf("%s %q %q %s %q %s", c.Kind, c.Columns, c.Where, jsonText(c.Args), query, c.reached)
}

// defineStream is a hash of how the stream is read: of its settings and its source's, but for what is only said of it. Secrets are in it as
// ***: they decide who reads, not what.
func defineStream(s *Stream) string {
	keys := s.StreamKeys
	keys.Description, keys.Owner, keys.Tags, keys.Checks = "", "", nil, checkList{}
	return HashOf(jsonText([]any{keys, s.Options, s.Source.Type, s.Source.Options}))
}

// valueText is a setting's value as text; the order of dicts is part of it, since templates see it.
func valueText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, ", ")
	}
	return jsonText(v)
}

// jsonText is for structs of ours and for values of templates and YAML, which are all JSON but for mappings with odd keys.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(text)
}

// HashOf is a short hash of a text.
func HashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// Change is one part in which two definitions of a node differ.
type Change struct {
	// Part is body, config, macro, var, env, ephemeral, hooks, checks, check, contract, stream, unit tests, relation, place, told, kind or
	// format.
	Part string `json:"part"`
	Name string `json:"name,omitempty"` // of what: a setting, a macro, a variable
	From string `json:"from,omitempty"` // of a setting its values; "" where it is not set
	To   string `json:"to,omitempty"`
	How  string `json:"how"` // changed, added, removed
}

// Changes says how the definition differs from an older one, in the order of their names; nil when it does not.
func (d *Definition) Changes(old *Definition) []Change {
	var all []Change
	if d.Format != old.Format {
		all = append(all, Change{Part: "format", How: "changed", From: fmt.Sprint(old.Format), To: fmt.Sprint(d.Format)})
	}
	names := map[string]bool{}
	for name := range d.Parts {
		names[name] = true
	}
	for name := range old.Parts {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, before := old.Parts[name]
		is, now := d.Parts[name]
		if before && now && was == is {
			continue
		}
		c := Change{How: "changed"}
		if c.Part, c.Name, _ = strings.Cut(name, "."); !before {
			c.How = "added"
		} else if !now {
			c.How = "removed"
		}
		if c.Part+"." == PartConfig || c.Part+"." == PartRelation || c.Part == PartPlace {
			c.From, c.To = was, is
		}
		all = append(all, c)
	}
	return all
}

// String says it to people.
func (c Change) String() string {
	switch c.Part {
	case "config":
		return fmt.Sprintf("config %s: %s → %s", c.Name, shownValue(c.From), shownValue(c.To))
	case "body":
		return "the text of its file " + c.How
	case "macro":
		return fmt.Sprintf("macro %s %s", c.Name, c.How)
	case "var":
		return fmt.Sprintf("var %s %s", c.Name, c.How)
	case "env":
		return fmt.Sprintf("environment variable %s %s", c.Name, c.How)
	case "ephemeral":
		return fmt.Sprintf("%s, which is put into it, %s", c.Name, c.How)
	case "hooks":
		return "its hooks " + c.How
	case "checks":
		return "the rules that keep rows out " + c.How
	case "check":
		return fmt.Sprintf("check %s %s", c.Name, c.How)
	case "relation":
		return fmt.Sprintf("config %s: %s → %s", c.Name, shownValue(c.From), shownValue(c.To))
	case "place":
		return fmt.Sprintf("it has moved from %s to %s", c.From, c.To)
	case "told":
		return "what persist_docs writes down " + c.How
	case "contract":
		return "its contract " + c.How
	case "stream":
		return "how it is read " + c.How
	case PartUnitTests:
		return "its unit tests " + c.How
	case "format":
		return "Millrace builds it otherwise than the version did that built it last"
	}
	return c.Part + " " + c.How
}

func shownValue(value string) string {
	const long = 80
	if value == "" {
		return "(none)"
	}
	if r := []rune(value); len(r) > long {
		return string(r[:long]) + "…"
	}
	return value
}

// macrosOf are the parts of the macros that a model's template may reach, also in branches that are not taken.
func (p *Project) macrosOf(n *Node) map[string]string {
	parts := map[string]string{}
	if p.Macros == nil {
		return parts
	}
	for _, m := range p.Macros.Reached(n.Model.Template, n.Model.Package) {
		name := m.Name
		if m.Package != "" && m.Package != p.Name && m.Package != p.root {
			name = m.Package + "." + name
		}
		parts[PartMacro+name] = m.Hash
	}
	return parts
}

// reached notes of each check that is a query which macros its text may reach: one that is changed changes the check. Those that come with
// Millrace are no part of the project.
func (l *loader) reached() {
	known := map[string]string{}
	for _, n := range l.p.Nodes {
		for _, c := range n.Checks {
			t, pkg := c.Template, l.p.testPackage(c)
			if q, ok := c.Args.(*SQL); ok && q.Test != nil {
				call := "{{ " + q.Test.In + "." + q.Test.Macro + "() }}"
				if hash, done := known[call+pkg]; done {
					c.reached = hash
					continue
				}
				t, _ = jinja.Parse(c.Pos.File, call) // two names
				c.reached = l.hashOfReached(t, pkg)
				known[call+pkg] = c.reached
			} else if t != nil {
				c.reached = l.hashOfReached(t, pkg)
			}
		}
	}
}

func (l *loader) hashOfReached(t *jinja.Template, pkg string) string {
	if t == nil || l.p.Macros == nil {
		return ""
	}
	text := ""
	for _, m := range l.p.Macros.Reached(t, pkg) {
		if m.Package != jinja.Builtin {
			text += m.Package + "." + m.Name + " " + m.Hash + "\n"
		}
	}
	return HashOf(text)
}

// keep remembers what was in a file of the project.
func (p *Project) keep(file string, sum [sha256.Size]byte) {
	if p.content == nil {
		p.content = map[string]string{}
	}
	p.content[file] = hex.EncodeToString(sum[:12])
}

// contentOf is a hash of a file that loading has read.
func (p *Project) contentOf(file string) string { return p.content[file] }
