package models

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// Select returns the nodes that any of the selectors means, in dependency order; no selector means all nodes.
//
//	orders  erp.orders  *  erp.*   a node by table, by schema.table, by pattern
//	+orders  orders+               with everything it reads, with everything that reads it
//	customer  customer_golden  entity:customer   the tables of an entity, all of them: they are made together
//	tag:nightly  path:models/marts  source:erp  pipeline:nightly  nightly
//	a,b                            the nodes that both a and b mean
func (p *Project) Select(include, exclude []string) ([]*Node, error) {
	chosen := map[*Node]bool{}
	if len(include) == 0 {
		include = []string{"*"}
	}
	for _, text := range include {
		set, err := p.selectOne(text)
		if err != nil {
			return nil, err
		}
		for n := range set {
			chosen[n] = true
		}
	}
	for _, text := range exclude {
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

func (p *Project) selectTerm(term string) (map[*Node]bool, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(term, "+"), "+")
	set := map[*Node]bool{}
	for _, n := range p.Nodes {
		if p.matches(n, name) {
			set[n] = true
		}
	}
	if len(set) == 0 && name != "*" {
		return nil, p.noMatch(term, name)
	}
	if strings.HasPrefix(term, "+") {
		for _, n := range sortedNodes(set) {
			for _, up := range n.Upstream() {
				set[up] = true
			}
		}
		p.addParts(set)
	}
	if strings.HasSuffix(term, "+") {
		p.addDownstream(set)
	}
	return set, nil
}

// matches says whether the selector's name means the node. The tables of an entity are chosen together.
func (p *Project) matches(n *Node, name string) bool {
	if n.Entity == nil {
		return p.matchesOne(n, name)
	}
	if ok, _ := path.Match(name, n.Entity.Name); ok || name == "entity:"+n.Entity.Name {
		return true
	}
	return slices.ContainsFunc(p.Nodes, func(other *Node) bool { return other.Entity == n.Entity && p.matchesOne(other, name) })
}

func (p *Project) matchesOne(n *Node, name string) bool {
	method, value, found := strings.Cut(name, ":")
	if found {
		switch method {
		case "tag":
			for _, t := range n.Tags {
				if t == value {
					return true
				}
			}
			return false
		case "path":
			value = strings.TrimSuffix(path.Clean(value), "/")
			ok, _ := path.Match(value, n.Path)
			return ok || n.Path == value || strings.HasPrefix(n.Path, value+"/")
		case "source":
			return n.Stream != nil && (n.Stream.Source.Name == value || n.Name() == value)
		case "pipeline":
			return n.Pipeline == value
		}
	}
	if p.Pipeline(name) != nil && n.Pipeline == name {
		return true
	}
	if strings.Contains(name, ".") {
		ok, _ := path.Match(name, n.Name())
		return ok
	}
	ok, _ := path.Match(name, n.Table)
	return ok
}

func (p *Project) noMatch(term, name string) error {
	if method, _, found := strings.Cut(name, ":"); found {
		switch method {
		case "tag", "path", "source", "pipeline", "entity":
		default:
			return fmt.Errorf("selector %q: unknown method %q: use tag:, path:, source:, entity: or pipeline:", term, method)
		}
	}
	if s := p.namedSo(name); s != "" {
		return fmt.Errorf("selector %q matches no node: did you mean %s?", term, s)
	}
	var names []string
	for _, n := range p.Nodes {
		names = append(names, n.Table, n.Name())
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

func sortedNodes(set map[*Node]bool) []*Node {
	nodes := make([]*Node, 0, len(set))
	for n := range set {
		nodes = append(nodes, n)
	}
	sort.Slice(nodes, func(i, k int) bool { return nodes[i].Name() < nodes[k].Name() })
	return nodes
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

// addDownstream relies on p.Nodes being in dependency order.
func (p *Project) addDownstream(set map[*Node]bool) {
	for _, n := range p.Nodes {
		for _, need := range n.Needs {
			if set[need] {
				set[n] = true
			}
		}
	}
}
