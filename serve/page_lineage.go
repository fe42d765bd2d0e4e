package serve

import (
	"context"
	"fmt"
	"net/http"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/report"
)

// The sizes at which the graph is no longer drawn whole.
const (
	mostNodes = 150
	hops      = 2
)

// lineagePage is the graph of nodes, or what is around one of them.
type lineagePage struct {
	Graph  *report.Graph
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
	nodes := report.OneOfEach(e.Project.Nodes, page.Around)
	page.Parts = len(e.Project.Nodes) - len(nodes)
	if page.Around == "" && len(nodes) > mostNodes {
		page.Around = report.Busiest(nodes)
	}
	if page.Around != "" {
		nodes = report.Near(nodes, page.Around, hops, mostNodes)
	}
	if len(nodes) > 0 {
		page.Graph = report.DrawGraph(nodes, page.Around, p.colours(r.Context()))
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
