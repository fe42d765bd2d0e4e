package models

import (
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
)

// Exposure is a use of tables outside of the project, as dbt's properties files declare it: a dashboard, an application.
type Exposure struct {
	Name, Label           string
	Type, Maturity        string
	Description, URL      string
	OwnerName, OwnerEmail string
	Tags                  []string
	Meta                  *jinja.Dict // in the order of the file
	Needs                 []*Node     // what it uses, in the order of the file
	Package               string
	Path                  string
	Pos                   config.Pos
	fqn                   []string
	refs                  []Ref
}

// FQN is what selectors of dbt go by.
func (e *Exposure) FQN() []string { return e.fqn }

// Exposure returns the exposure of that name, or nil.
func (p *Project) Exposure(name string) *Exposure {
	for _, e := range p.Exposures {
		if e.Name == name {
			return e
		}
	}
	return nil
}

type (
	exposureKeys struct {
		config.Origin
		Name          string            `yaml:"name" required:"true" doc:"Name of the exposure."`
		Label         string            `yaml:"label" doc:"Name for people."`
		Type          string            `yaml:"type" required:"true" enum:"dashboard,notebook,analysis,ml,application" doc:"What it is."`
		Maturity      string            `yaml:"maturity" enum:"low,medium,high" doc:"How far it can be relied on."`
		URL           string            `yaml:"url" doc:"Where it is."`
		Owner         exposureOwner     `yaml:"owner" required:"true" doc:"Who answers for it."`
		DependsOn     config.StringList `yaml:"depends_on" doc:"What it uses: ref('model'), source('source', 'table')."`
		attributeKeys `yaml:",inline"`
	}
	exposureOwner struct {
		config.Origin
		Name  string            `yaml:"name" doc:"His name."`
		Email config.StringList `yaml:"email" doc:"His address."`
	}
)

// exposureDraft is an exposure until the nodes are known.
type exposureDraft struct {
	exposureKeys
	pkg *dbtPackage
}

// exposures reads those of a properties file.
func (l *loader) exposures(p *dbtPackage, list config.Node) {
	if list.IsNull() {
		return
	}
	var all []exposureKeys
	l.tolerate(list.Decode(&all))
	for _, keys := range all {
		if keys.Name != "" {
			l.exposed = append(l.exposed, exposureDraft{keys, p})
		}
	}
}

// linkExposures gives the exposures what they use.
func (l *loader) linkExposures() {
	for i := range l.exposed {
		d := &l.exposed[i]
		fqn := d.pkg.fqn(d.pkg.inside(d.pkg.modelPaths()), d.pkg.within(d.Pos().File), d.Name)
		said := l.attributes(d.pkg, &d.attributeKeys, func(k *dbtKeys) config.Node { return k.Exposures }, fqn)
		description := l.described(d.pkg, d.Description, d.At("description"))
		if !said.enabled {
			continue
		}
		if other := l.p.Exposure(d.Name); other != nil {
			l.problem(d.At("name"), "rename one of them", "two exposures are named %q; the other is at %s", d.Name, other.Pos)
			continue
		}
		e := &Exposure{Name: d.Name, Label: d.Label, Type: d.Type, Maturity: d.Maturity, URL: d.URL, Description: description,
			OwnerName: d.Owner.Name, OwnerEmail: strings.Join(d.Owner.Email, ", "), Tags: said.tags, Meta: said.meta,
			Package: d.pkg.label(), Path: d.Pos().File, Pos: d.At("name"), fqn: fqn}
		l.uses(d, e)
		l.p.Exposures = append(l.p.Exposures, e)
	}
	l.exposed = nil
}

// uses finds what an exposure depends on. What is not there is a warning: no table depends on it.
func (l *loader) uses(d *exposureDraft, e *Exposure) {
	for i, text := range d.DependsOn {
		at := d.Item("depends_on", i)
		r, ok := parseReference(text, at)
		if !ok {
			l.warning(at, "write ref('model') or source('source', 'table')", "exposure %q depends on %s, which is neither a model nor a source",
				d.Name, text)
			continue
		}
		before := len(l.problems)
		n := l.lookup(d.pkg.label(), r)
		for _, p := range l.problems[before:] {
			p.Severity = config.SeverityWarning
		}
		if n != nil || r.source != "" {
			e.refs = append(e.refs, Ref{Node: n, Pos: d.Item("depends_on", i), Source: r.source, Name: r.name})
		}
		if n != nil && !slices.Contains(e.Needs, n) {
			e.Needs = append(e.Needs, n)
		}
	}
}

// usedBy are the nodes that the exposures of a name, or of a pattern, use.
func (p *Project) usedBy(pattern string) []*Node {
	var nodes []*Node
	for _, e := range p.Exposures {
		if ok, _ := path.Match(pattern, e.Name); ok {
			nodes = append(nodes, e.Needs...)
		}
	}
	return nodes
}

// exposuresOf are the names of the exposures that use a node.
func (p *Project) exposuresOf(n *Node) []string {
	var names []string
	for _, e := range p.Exposures {
		if slices.Contains(e.Needs, n) {
			names = append(names, e.Name)
		}
	}
	return names
}
