package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

// The sizes at which the graph is no longer drawn whole.
const (
	mostNodes = 150
	hops      = 2
)

// lineagePage is the graph of nodes, or what is around one of them.
type lineagePage struct {
	Graph  *graph
	Around string
	All    []string
	Total  int
	Parts  int // other tables of entities, which have no boxes
}

func (p *site) lineage(w http.ResponseWriter, r *http.Request) error {
	e := p.Engine()
	page := &lineagePage{Around: r.URL.Query().Get("around"), Total: len(e.Project.Nodes)}
	for _, n := range e.Project.Nodes {
		page.All = append(page.All, n.Name())
	}
	if page.Around != "" && e.Project.Node(page.Around) == nil {
		return errNoPage(fmt.Sprintf("the project has no node %q", page.Around))
	}
	nodes := oneOfEach(e.Project.Nodes, page.Around)
	page.Parts = len(e.Project.Nodes) - len(nodes)
	if page.Around == "" && len(nodes) > mostNodes {
		page.Around = busiest(nodes)
	}
	if page.Around != "" {
		nodes = near(nodes, page.Around, hops)
	}
	if len(nodes) > 0 {
		page.Graph = drawGraph(nodes, page.Around, p.colours(r.Context()))
	}
	return p.show(w, r, "lineage", view{Title: "Lineage", Section: "Lineage", Data: page})
}

// colours are the classes of nodes by how their tables stand. A graph without them is better than none.
func (p *site) colours(ctx context.Context) map[string]string {
	classes := map[string]string{}
	status, err := p.Engine().Status(ctx)
	if err != nil {
		p.Log.Warn("lineage is drawn without the state of tables", "error", err)
		return classes
	}
	for _, t := range status.Tables {
		classes[t.Name] = tableClass(t)
	}
	return classes
}

func tableClass(t pipeline.TableStatus) string {
	if t.Stale {
		return "fail"
	}
	return "pass"
}

// oneOfEach leaves out the other tables of entities, which are made with the golden records, unless something else reads them or one of them is in
// focus: seven boxes for one thing hide what it is made of.
func oneOfEach(nodes []*models.Node, focus string) []*models.Node {
	read := map[*models.Node]bool{}
	for _, n := range nodes {
		for _, need := range n.Needs {
			read[need] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n *models.Node) bool {
		return n.Entity != nil && n.Part != models.PartGolden && !read[n] && n.Name() != focus
	})
}

// busiest is the node that has the most others around it.
func busiest(nodes []*models.Node) string {
	degree, best := map[string]int{}, ""
	for _, n := range nodes {
		degree[n.Name()] += len(n.Needs)
		for _, need := range n.Needs {
			degree[need.Name()]++
		}
	}
	for _, n := range nodes {
		if best == "" || degree[n.Name()] > degree[best] {
			best = n.Name()
		}
	}
	return best
}

// near are the nodes that are at most so many hops up or down from one, in the order of nodes; of too many, those nearest.
func near(nodes []*models.Node, name string, hops int) []*models.Node {
	readers := map[*models.Node][]*models.Node{}
	distance := map[*models.Node]int{}
	var ring []*models.Node
	for _, n := range nodes {
		for _, need := range n.Needs {
			readers[need] = append(readers[need], n)
		}
		if n.Name() == name {
			ring = append(ring, n)
			distance[n] = 0
		}
	}
	for hop := 1; hop <= hops; hop++ {
		var next []*models.Node
		for _, n := range ring {
			for _, other := range append(append([]*models.Node{}, n.Needs...), readers[n]...) {
				if _, seen := distance[other]; !seen && len(distance) < mostNodes {
					distance[other] = hop
					next = append(next, other)
				}
			}
		}
		ring = next
	}
	var chosen []*models.Node
	for _, n := range nodes {
		if _, in := distance[n]; in {
			chosen = append(chosen, n)
		}
	}
	return chosen
}
