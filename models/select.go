package models

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// Select returns the nodes that any of the selectors means, in dependency order; no selector means all nodes. They are dbt's:
//
//	orders  erp.orders  *  erp.*   a node by table, by schema.table, by pattern
//	marts  marts.finance           all below a folder of models, as fqn:
//	+orders  orders+  2+orders+1   with everything it reads, with everything that reads it, so many steps far
//	@orders                        with everything that reads it, and all that these and their checks read
//	tag:nightly  path:models/marts a method and a value, see methods
//	a,b                            the nodes that both a and b mean
//	"a b"                          as a and b
func (p *Project) Select(include, exclude []string) ([]*Node, error) {
	chosen := map[*Node]bool{}
	if len(include) == 0 {
		include = []string{"*"}
	}
	for _, text := range p.apart(include) {
		set, err := p.selectOne(text)
		if err != nil {
			return nil, err
		}
		for n := range set {
			chosen[n] = true
		}
	}
	for _, text := range p.apart(exclude) {
		set, err := p.selectOne(text)
		if err != nil {
			return nil, err
		}
		for n := range set {
			delete(chosen, n)
		}
	}
	var nodes []*Node
	for _, n := range p.Nodes {
		if chosen[n] {
			nodes = append(nodes, n)
		}
	}
	return nodes, nil
}

// WithSources adds to nodes that are selected so the tables of dbt's sources, and the files, that they read: dbt reads these where they
// lie, whatever is selected. Views and ephemeral models on the way show what these hold now too. What exclude means stays out, and so does
// what another pipeline has: its runs read that, and this one would have to wait for them. A pipeline that is named reads its own.
func (p *Project) WithSources(nodes []*Node, include, exclude []string) ([]*Node, error) {
	readers, err := p.byHand(nodes, include, exclude)
	if err != nil {
		return nil, err
	}
	out := map[*Node]bool{}
	if len(exclude) > 0 {
		excluded, err := p.Select(exclude, nil)
		if err != nil {
			return nil, err
		}
		for _, n := range excluded {
			out[n] = true
		}
	}
	chosen, seen, pipelines := map[*Node]bool{}, map[*Node]bool{}, map[string]bool{"": true}
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, need := range n.Needs {
			switch {
			case seen[need]:
				continue
			case need.Stream != nil:
				chosen[need] = chosen[need] || need.Stream.OfDBT && !out[need] && pipelines[need.Pipeline]
			case need.Model != nil && (need.Model.Materialized == Ephemeral || need.Model.Materialized == View):
				seen[need] = true
				walk(need)
			}
		}
	}
	for _, n := range nodes {
		chosen[n], pipelines[n.Pipeline] = true, true
	}
	for _, n := range readers {
		walk(n)
	}
	var all []*Node
	for _, n := range p.Nodes {
		if chosen[n] {
			all = append(all, n)
		}
	}
	return all, nil
}

// byHand are those of the selected nodes that other words mean than the names of pipelines.
func (p *Project) byHand(nodes []*Node, include, exclude []string) ([]*Node, error) {
	words := p.apart(include)
	others := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return p.Pipeline(word) != nil })
	switch len(others) {
	case len(words):
		return nodes, nil
	case 0:
		return nil, nil
	}
	return p.Select(others, exclude)
}

// SelectIn selects nodes of a pipeline. One of another pipeline, or of none, is an error.
func (p *Project) SelectIn(pipeline string, include []string) ([]*Node, error) {
	nodes, err := p.Select(include, nil)
	for _, n := range nodes {
		switch {
		case n.Pipeline == pipeline:
		case n.Pipeline == "":
			return nil, fmt.Errorf("%s is in no pipeline, and not in %q: select of that one, or use millrace run", n.Name(), pipeline)
		default:
			return nil, fmt.Errorf("%s is in pipeline %q, not in %q: select of that one, or trigger the other", n.Name(), n.Pipeline, pipeline)
		}
	}
	return nodes, err
}

// selectOne evaluates one selector; one that means nothing is an error, because it is most likely a typo.
func (p *Project) selectOne(text string) (map[*Node]bool, error) {
	var both map[*Node]bool
	for _, term := range strings.Split(text, ",") {
		set, err := p.selectTerm(strings.TrimSpace(term))
		if err != nil {
			return nil, err
		}
		if both == nil {
			both = set
			continue
		}
		for n := range both {
			if !set[n] {
				delete(both, n)
			}
		}
	}
	return both, nil
}

// apart splits selectors at blanks, but for the names of tables that have some.
func (p *Project) apart(selectors []string) []string {
	var all []string
	for _, text := range selectors {
		if slices.ContainsFunc(p.Nodes, func(n *Node) bool { return n.Table == text || n.Name() == text }) {
			all = append(all, text)
			continue
		}
		if fields := strings.Fields(text); len(fields) > 0 {
			all = append(all, fields...)
		} else {
			all = append(all, text)
		}
	}
	return all
}

// aroundSyntax takes a term apart: @, or how far upstream, what is meant, and how far downstream.
var aroundSyntax = regexp.MustCompile(`^(@|(\d*)\+)?(.*?)(\+(\d*))?$`)

func (p *Project) selectTerm(term string) (map[*Node]bool, error) {
	m := aroundSyntax.FindStringSubmatch(term)
	name := m[3]
	set, err := p.named(term, name)
	if err != nil {
		return nil, err
	}
	own := maps.Clone(set)
	if m[4] != "" || m[1] == "@" {
		readers := p.readers()
		p.walk(set, own, steps(m[5]), func(n *Node) []*Node { return readers[n] })
	}
	if m[1] == "@" {
		p.judgedWith(set)
		own = maps.Clone(set)
	}
	if m[1] != "" {
		p.walk(set, own, steps(m[2]), func(n *Node) []*Node { return n.Needs })
		p.addParts(set)
	}
	return set, nil
}

// judgedWith adds the tables that checks look at together with one of the set.
func (p *Project) judgedWith(set map[*Node]bool) {
	of := maps.Clone(set)
	for _, n := range p.Nodes {
		for _, c := range n.Checks {
			both := append(slices.Clone(c.Reads), n)
			if len(both) > 1 && slices.ContainsFunc(both, func(n *Node) bool { return of[n] }) {
				for _, one := range both {
					set[one] = true
				}
			}
		}
	}
}

// steps is how far +2 goes; without a number to the end.
func steps(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// named are the nodes that a name or a method with a value means.
func (p *Project) named(term, name string) (map[*Node]bool, error) {
	if selector, ok := strings.CutPrefix(name, "selector:"); ok {
		return p.bySelector(term, selector)
	}
	set := map[*Node]bool{}
	match := p.matchesName
	if method, value, found := strings.Cut(name, ":"); found {
		var err error
		if match, err = p.method(term, method, value); err != nil {
			return nil, err
		}
	}
	for _, n := range p.Nodes {
		if p.matches(n, name, match) {
			set[n] = true
		}
	}
	if len(set) == 0 && name != "*" && !mayBeNone(name) {
		return nil, p.noMatch(term, name)
	}
	return set, nil
}

// matches says whether the selector means the node. The tables of an entity are chosen together.
func (p *Project) matches(n *Node, name string, match func(*Node, string) bool) bool {
	if n.Entity == nil {
		return match(n, name)
	}
	if ok, _ := path.Match(name, n.Entity.Name); ok {
		return true
	}
	return slices.ContainsFunc(p.Nodes, func(other *Node) bool { return other.Entity == n.Entity && match(other, name) })
}

// matchesName says whether a selector without a method means the node: a pipeline's, a table's, a folder's or a file's.
func (p *Project) matchesName(n *Node, name string) bool {
	if p.Pipeline(name) != nil && n.Pipeline == name {
		return true
	}
	full := n.Table
	if strings.Contains(name, ".") {
		full = n.Name()
	}
	if ok, _ := path.Match(name, full); ok || anyMatches(name, refNames(n)) {
		return true
	}
	if strings.Contains(name, "/") {
		return inPath(n, name)
	}
	return isFQN(n, name) || path.Ext(name) != "" && path.Base(n.Path) == name
}

// refNames are the names by which ref() finds the node, where its table may have another, and those of a version.
func refNames(n *Node) []string {
	switch {
	case n.Seed != nil:
		return []string{n.Seed.Name}
	case n.Model != nil && n.Model.Version != "":
		return []string{n.Model.Name, n.Model.Name + ".v" + n.Model.Version, n.Model.Name + "_v" + n.Model.Version}
	case n.Model != nil:
		return []string{n.Model.Name}
	}
	return nil
}

func (p *Project) noMatch(term, name string) error {
	if method, value, found := strings.Cut(name, ":"); found {
		return p.noValue(term, method, value)
	}
	if s := p.namedSo(name); s != "" {
		return fmt.Errorf("selector %q matches no node: did you mean %s?", term, s)
	}
	var names []string
	for _, n := range p.Nodes {
		names = append(append(names, n.Table, n.Name()), refNames(n)...)
	}
	for _, pl := range p.Pipelines {
		names = append(names, pl.Name)
	}
	for _, e := range p.Entities {
		names = append(names, e.Name)
	}
	if s := config.Suggest(name, names); s != "" {
		return fmt.Errorf("selector %q matches no node: did you mean %q?", term, s)
	}
	if len(p.Pipelines) == 0 { // of a checks file
		return fmt.Errorf("selector %q matches no table", term)
	}
	return fmt.Errorf("selector %q matches no node: `millrace plan` lists them", term)
}

// namedSo lists the nodes whose streams have that name at their source, or else whose tables have its last part: whoever knows a
// database calls postgres.orders sales.orders.
func (p *Project) namedSo(name string) string {
	var there, ending []string
	last := ""
	if parts := NameParts(name); len(parts) > 1 {
		last = parts[len(parts)-1]
	}
	for _, n := range p.Nodes {
		if n.Stream != nil {
			if ok, _ := path.Match(name, n.Stream.Name); ok {
				there = append(there, strconv.Quote(n.Name()))
			}
		}
		if strings.EqualFold(n.Table, last) {
			ending = append(ending, strconv.Quote(n.Name()))
		}
	}
	if len(there) == 0 {
		there = ending
	}
	if len(there) > 3 {
		there = append(there[:3], "…")
	}
	return strings.Join(there, " or ")
}

// Upstream is all that the node is made of, directly or not, each node once.
func (n *Node) Upstream() []*Node {
	var all []*Node
	seen := map[*Node]bool{}
	var add func(n *Node)
	add = func(n *Node) {
		for _, need := range n.Needs {
			if !seen[need] {
				seen[need] = true
				all = append(all, need)
				add(need)
			}
		}
	}
	add(n)
	return all
}

// addParts adds the other tables of entities of which the set has one.
func (p *Project) addParts(set map[*Node]bool) {
	made := map[*Entity]bool{}
	for n := range set {
		made[n.Entity] = true
	}
	for _, n := range p.Nodes {
		if n.Entity != nil && made[n.Entity] {
			set[n] = true
		}
	}
}

// walk adds to the set what can be reached from some nodes in so many steps; a negative number is without an end.
func (p *Project) walk(set, from map[*Node]bool, far int, next func(*Node) []*Node) {
	seen := maps.Clone(from)
	for ; far != 0 && len(from) > 0; far-- {
		reached := map[*Node]bool{}
		for n := range from {
			for _, other := range next(n) {
				if !seen[other] {
					seen[other], reached[other], set[other] = true, true, true
				}
			}
		}
		from = reached
	}
}

// readers are the nodes that read each node.
func (p *Project) readers() map[*Node][]*Node {
	by := map[*Node][]*Node{}
	for _, reader := range p.Nodes {
		for _, need := range reader.Needs {
			by[need] = append(by[need], reader)
		}
	}
	return by
}
