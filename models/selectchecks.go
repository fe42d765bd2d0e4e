package models

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
)

// This file selects single checks, as dbt test does: by what kind of test they are, or by their names.

// SelectsChecks says whether one of the selectors means checks, and not all those of the nodes that it selects.
func (p *Project) SelectsChecks(selectors ...string) bool {
	return slices.ContainsFunc(selectors, func(text string) bool {
		return slices.ContainsFunc(strings.Split(text, ","), func(term string) bool { return isCheckMethod(term) || p.namesCheck(term) })
	})
}

// SelectChecks returns the checks that any of the selectors means and that none of exclude does. Beside what selects nodes, and with them
// their checks, there are
//
//	test_type:generic    those of properties files; singular: those that are files; data: both
//	test_name:unique     those of a kind, or of a macro
//	unique_orders_id     one, by dbt's name of it
func (p *Project) SelectChecks(include, exclude []string) (map[*Check]bool, error) {
	chosen := map[*Check]bool{}
	if len(include) == 0 {
		include = []string{"*"}
	}
	for _, text := range p.apart(include) {
		found, err := p.checksBy(text)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			chosen[c] = true
		}
	}
	for _, text := range p.apart(exclude) {
		found, err := p.checksBy(text)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			delete(chosen, c)
		}
	}
	return chosen, nil
}

// checksBy are the checks that one selector means: those that meet all of its terms.
func (p *Project) checksBy(text string) ([]*Check, error) {
	var ofNodes []string
	var meets []func(*Check) bool
	for _, term := range strings.Split(text, ",") {
		switch term = strings.TrimSpace(term); {
		case isCheckMethod(term):
			match, err := p.checkMethod(term)
			if err != nil {
				return nil, err
			}
			meets = append(meets, match)
		case p.namesCheck(term):
			meets = append(meets, func(c *Check) bool { return p.isNamed(c, term) })
		default:
			ofNodes = append(ofNodes, term)
		}
	}
	if len(ofNodes) == 0 {
		ofNodes = []string{"*"}
	}
	nodes, err := p.selectOne(strings.Join(ofNodes, ","))
	if err != nil {
		return nil, err
	}
	var found []*Check
	for _, n := range p.Nodes {
		for _, c := range n.Checks {
			if nodes[n] && !slices.ContainsFunc(meets, func(meets func(*Check) bool) bool { return !meets(c) }) {
				found = append(found, c)
			}
		}
	}
	return found, nil
}

func isCheckMethod(term string) bool {
	return strings.HasPrefix(term, "test_type:") || strings.HasPrefix(term, "test_name:")
}

// checkMethod is what test_type: or test_name: means.
func (p *Project) checkMethod(term string) (func(*Check) bool, error) {
	method, value, _ := strings.Cut(term, ":")
	if method == "test_name" {
		named := func(c *Check) bool { ok, _ := path.Match(value, kindOfTest(c)); return ok }
		var known []string
		for _, n := range p.Nodes {
			for _, c := range n.Checks {
				if named(c) {
					return named, nil
				}
				known = append(known, kindOfTest(c))
			}
		}
		slices.Sort(known)
		hint := config.DidYouMean(value, known, "it is the name of a kind, and here there are "+strings.Join(slices.Compact(known), ", "))
		return nil, fmt.Errorf("selector %q: no check is of that kind: %s", term, hint)
	}
	switch value {
	case "generic":
		return func(c *Check) bool { return singularPath(c) == "" }, nil
	case "singular":
		return func(c *Check) bool { return singularPath(c) != "" }, nil
	case "data":
		return func(*Check) bool { return true }, nil
	case "unit":
		return nil, fmt.Errorf("selector %q: unit tests judge no table: millrace test runs them", term)
	}
	return nil, fmt.Errorf("selector %q: use test_type:generic, singular or data; unit tests are run by millrace test", term)
}

// kindOfTest is dbt's name of the test that a check is one of, or our kind.
func kindOfTest(c *Check) string {
	if c.Test != nil {
		return c.Test.Type
	}
	return c.Kind
}

// namesCheck says whether a term is the name of a check, and of no table.
func (p *Project) namesCheck(term string) bool {
	if strings.ContainsAny(term, ":+@*") || slices.ContainsFunc(p.Nodes, func(n *Node) bool { return n.Table == term }) {
		return false
	}
	return slices.ContainsFunc(p.Nodes, func(n *Node) bool {
		return slices.ContainsFunc(n.Checks, func(c *Check) bool { return p.isNamed(c, term) })
	})
}

// isNamed says whether a name is one that the check goes by.
func (p *Project) isNamed(c *Check, name string) bool {
	long, short := p.TestName(c)
	return name == long || name == short || c.Test == nil && name == c.Name
}
