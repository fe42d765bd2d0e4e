package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
	"github.com/millrace/millrace/warehouse"
)

// tableLine is a table in the list: a node of the project, published or not, or a published table that the project has no more.
type tableLine struct {
	Name, Kind, Owner, Description string
	Tags                           []string
	Status                         *pipeline.TableStatus // nil: not published
}

func (p *site) tables(w http.ResponseWriter, r *http.Request) error {
	e := p.Engine()
	status, err := e.Status(r.Context())
	if err != nil {
		return err
	}
	published := map[string]*pipeline.TableStatus{}
	for i := range status.Tables {
		published[status.Tables[i].Name] = &status.Tables[i]
	}
	var lines []tableLine
	for _, n := range e.Project.Nodes {
		lines = append(lines, tableLine{n.Name(), string(n.Kind), n.Owner, n.Description, n.Tags, published[n.Name()]})
		delete(published, n.Name())
	}
	for name, t := range published {
		lines = append(lines, tableLine{Name: name, Kind: t.Kind, Status: t})
	}
	slices.SortFunc(lines, func(a, b tableLine) int { return strings.Compare(a.Name, b.Name) })
	return p.show(w, r, "tables", view{Title: "Tables", Section: "Tables", Data: lines})
}

// How much a table's page shows.
const (
	sampleRows  = 10
	versionRuns = 15
)

// tablePage is all that is known of one table.
type tablePage struct {
	Name        string
	Node        *models.Node // nil: the project has it no more
	Status      *pipeline.TableStatus
	Published   *pipeline.Published // nil: nothing is published yet
	Columns     []columnLine
	Sample      *report.SampleView
	SampleError string
	Graph       *report.Graph
	Checks      []checkLine
	Versions    []journal.Step
	Quarantine  *pipeline.TableStatus
}

// columnLine is a column in the data dictionary.
type columnLine struct {
	Name, Type, Description string
	Tags                    []string
	Key, PII                bool
	Known                   bool // what follows is known
	Nulls                   int64
	NullShare               string
	Min, Max                string
	Missing                 bool // the project describes it, and the table does not have it
}

func (p *site) table(w http.ResponseWriter, r *http.Request) error {
	ctx, e, name := r.Context(), p.Engine(), r.PathValue("table")
	page := &tablePage{Name: name, Node: e.Project.Node(name)}
	var err error
	if page.Published, err = e.Published(ctx, name); err != nil {
		return err
	}
	if page.Node == nil && page.Published == nil {
		return errNoPage(fmt.Sprintf("there is no table %q: neither in the project nor published", name))
	}
	status, err := e.Status(ctx)
	if err != nil {
		return err
	}
	for i, t := range status.Tables {
		switch t.Name {
		case name:
			page.Status = &status.Tables[i]
		case name + models.QuarantineSuffix:
			page.Quarantine = &status.Tables[i]
		}
	}
	page.Columns = columnLines(page.Node, page.Published)
	if page.Published != nil {
		if err := p.sample(ctx, page); err != nil {
			return err
		}
	}
	if page.Node != nil {
		if err := p.around(ctx, page); err != nil {
			return err
		}
	}
	return p.show(w, r, "table", view{Title: name, Section: "Tables", Data: page})
}

// sample fetches a few rows; that it fails, or has no turn just now, is told in their place.
func (p *site) sample(ctx context.Context, page *tablePage) error {
	err := p.look(ctx, func(ctx context.Context, e *pipeline.Engine) error {
		sample, err := e.ShowPublished(ctx, page.Name, sampleRows)
		if err != nil {
			page.SampleError, err = optional(err)
			page.SampleError = p.redact(page.SampleError)
			return err
		}
		page.Sample = report.NewSample(sample)
		return nil
	})
	var later *Problem
	if errors.As(err, &later) {
		page.SampleError = later.Detail + ": " + later.Hint
		return nil
	}
	return err
}

// EntityTables are the tables of the entity that the node is one of.
func (page *tablePage) EntityTables() (names []string) {
	if page.Node == nil || page.Node.Entity == nil {
		return nil
	}
	for _, part := range models.EntityParts {
		names = append(names, page.Node.Schema+"."+page.Node.Entity.Table(part))
	}
	return names
}

// around adds what the journal and the project know of a node.
func (p *site) around(ctx context.Context, page *tablePage) error {
	e := p.Engine()
	names, err := e.Journal.CheckNames(ctx)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n journal.CheckName) bool { return n.Node != page.Name })
	if page.Checks, err = p.checkLines(ctx, names); err != nil {
		return err
	}
	if page.Versions, err = e.Journal.NodeSteps(ctx, page.Name, page.Node.Pipeline, pipeline.TargetOf(e.Project), versionRuns); err != nil {
		return err
	}
	page.Graph = report.DrawGraph(report.Near(report.OneOfEach(e.Project.Nodes, page.Name), page.Name, 1, mostNodes), page.Name, p.colours(ctx))
	return nil
}

// columnLines joins what the project says of columns and what is published.
func columnLines(n *models.Node, t *pipeline.Published) []columnLine {
	said := map[string]models.Column{}
	if n != nil {
		for _, c := range n.Columns {
			said[strings.ToLower(c.Name)] = c
		}
	}
	var lines []columnLine
	if t != nil {
		for _, c := range t.Columns {
			s := said[strings.ToLower(c.Name)]
			delete(said, strings.ToLower(c.Name))
			line := columnLine{Name: c.Name, Type: c.Type, Description: s.Description, Tags: s.Tags, Key: slices.Contains(t.Key, c.Name), PII: n.IsPII(c.Name)}
			line.count(t.Stats[c.Name], t.Rows)
			_, line.Known = t.Stats[c.Name]
			lines = append(lines, line)
		}
	}
	if n != nil {
		for _, c := range n.Columns {
			ofQuarantine := n.Part == models.PartGolden && c.Name == "source_key" // an entity says of its golden records what their quarantine has
			if _, left := said[strings.ToLower(c.Name)]; left && !ofQuarantine {
				lines = append(lines, columnLine{Name: c.Name, Type: c.Type, Description: c.Description, Tags: c.Tags, PII: n.IsPII(c.Name), Missing: t != nil})
			}
		}
	}
	return lines
}

// count adds what the writer of the files counted.
func (c *columnLine) count(s warehouse.Stats, rows int64) {
	c.Nulls = s.Nulls
	if rows > 0 {
		c.NullShare = fmt.Sprintf("%.1f%%", float64(s.Nulls)/float64(rows)*100)
	}
	if s.Min != nil && s.Max != nil {
		c.Min, c.Max = *s.Min, *s.Max
	}
}
