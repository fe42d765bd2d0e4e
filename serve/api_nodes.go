package serve

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// nodeRoutes are those of the API about the project's tables.
func (s *Server) nodeRoutes() []route {
	return []route{
		get(s, "/project", "getProject", "The project: its name, its pipelines, and the millrace that serves it.", s.project),
		get(s, "/status", "getStatus", "What is published, how old it is, and what runs.", func(c *call) (*pipeline.Status, error) { return s.Engine().Status(c.Context()) }),
		get(s, "/nodes", "listNodes", "Every node, in the order in which they are built, with what is published of it.", s.listNodes,
			param{name: "pipeline", doc: "Only nodes of this pipeline."}, param{name: "tag", doc: "Only nodes with this tag."}),
		get(s, "/nodes/{name}", "getNode", "A node as a dictionary has it: columns, owner, what it reads and what reads it.", s.getNode),
		get(s, "/nodes/{name}/checks", "listNodeChecks", "The checks of a node as they ended last, each with its trend, oldest first.", s.nodeChecks,
			param{name: "points", doc: "Runs that a trend goes back: 90 when absent, at most 500.", integer: true, most: 500}),
		get(s, "/nodes/{name}/quarantine", "getQuarantine", "Rows that checks kept out of a node's table, by rule: of the latest run that checked it, or of one; and those that are in quarantine now.", s.quarantine,
			param{name: "run", doc: "Of this run."}, param{name: "sample", doc: "Rows to show, at most 100. Values of columns that are tagged pii are masked.", integer: true, most: 100}),
		get(s, "/lineage", "getLineage", "The graph of nodes.", s.lineage),
		post(s, "/nodes/{name}/quarantine/replay", "replayQuarantine", "Ask for quarantined rows to go through the checks again; those that pass come into the table.", http.StatusAccepted, s.replay),
	}
}

// Project is what is served, and by which millrace.
type Project struct {
	Name      string         `json:"name"`
	Version   string         `json:"version" doc:"Of millrace."`
	Target    string         `json:"target"`
	Hash      string         `json:"hash" doc:"Of the project's files: it differs when any of them does."`
	Nodes     int            `json:"nodes"`
	Pipelines []PipelineInfo `json:"pipelines"`
}

// PipelineInfo is a pipeline as the project's files have it.
type PipelineInfo struct {
	Name     string `json:"name"`
	Schedule string `json:"schedule,omitempty"`
	Timezone string `json:"timezone"`
	Owner    string `json:"owner,omitempty"`
}

func (s *Server) project(*call) (Project, error) {
	e := s.Engine()
	p := Project{Name: e.Project.Name, Version: e.Version, Target: e.Project.Target.Name, Hash: e.Project.Hash, Nodes: len(e.Project.Nodes), Pipelines: []PipelineInfo{}}
	for _, pl := range e.Project.Pipelines {
		p.Pipelines = append(p.Pipelines, PipelineInfo{pl.Name, pl.Schedule, pl.Timezone, pl.Owner})
	}
	return p, nil
}

// NodeInfo is a node in short.
type NodeInfo struct {
	Name        string                `json:"name" doc:"schema.table"`
	Kind        models.Kind           `json:"kind"`
	Pipeline    string                `json:"pipeline,omitempty"`
	Source      string                `json:"source,omitempty" doc:"Of a stream."`
	Description string                `json:"description,omitempty"`
	Owner       string                `json:"owner,omitempty"`
	Tags        []string              `json:"tags,omitempty"`
	Checks      int                   `json:"checks"`
	Published   *pipeline.TableStatus `json:"published,omitempty" doc:"Absent while nothing of it is published."`
}

// NodeDetail is a node as a dictionary has it.
type NodeDetail struct {
	NodeInfo
	Path     string       `json:"path" doc:"File that defines it, relative to the project."`
	Reads    []string     `json:"reads"`
	ReadBy   []string     `json:"read_by"`
	Columns  []ColumnInfo `json:"columns" doc:"Those of the published table in its order, then those that only the project names."`
	CheckSet []CheckInfo  `json:"check_definitions"`
}

// ColumnInfo is a column of a node.
type ColumnInfo struct {
	Name        string   `json:"name"`
	Type        string   `json:"type,omitempty"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	PII         bool     `json:"pii" doc:"Tagged as personal: its values are masked wherever rows are shown."`
}

// CheckInfo is a check as the project defines it.
type CheckInfo struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Columns  []string        `json:"columns,omitempty"`
	Severity models.Severity `json:"severity"`
}

// tables is what is published, by name.
func (s *Server) tables(ctx context.Context) (map[string]*pipeline.TableStatus, error) {
	status, err := s.Engine().Status(ctx)
	if err != nil {
		return nil, err
	}
	tables := map[string]*pipeline.TableStatus{}
	for i := range status.Tables {
		tables[status.Tables[i].Name] = &status.Tables[i]
	}
	return tables, nil
}

func newNodeInfo(n *models.Node, tables map[string]*pipeline.TableStatus) NodeInfo {
	info := NodeInfo{Name: n.Name(), Kind: n.Kind, Pipeline: n.Pipeline, Description: n.Description, Owner: n.Owner, Tags: n.Tags, Checks: len(n.Checks), Published: tables[n.Name()]}
	if n.Stream != nil {
		info.Source = n.Stream.Source.Name
	}
	return info
}

func (s *Server) listNodes(c *call) (Page[NodeInfo], error) {
	tables, err := s.tables(c.Context())
	if err != nil {
		return Page[NodeInfo]{}, err
	}
	all := []NodeInfo{}
	for _, n := range s.Engine().Project.Nodes {
		if (c.text("pipeline") == "" || n.Pipeline == c.text("pipeline")) && (c.text("tag") == "" || slices.Contains(n.Tags, c.text("tag"))) {
			all = append(all, newNodeInfo(n, tables))
		}
	}
	return list(all), nil
}

// node is the node that the path names.
func (s *Server) node(c *call) (*models.Node, error) {
	name := c.PathValue("name")
	n := s.Engine().Project.Node(name)
	if n == nil {
		return nil, &Problem{kind: kindNotFound, Detail: "there is no node " + cut(name, 80), Hint: "GET " + apiPrefix + "/nodes lists the nodes, as schema.table"}
	}
	return n, nil
}

func (s *Server) getNode(c *call) (NodeDetail, error) {
	n, err := s.node(c)
	if err != nil {
		return NodeDetail{}, err
	}
	tables, err := s.tables(c.Context())
	if err != nil {
		return NodeDetail{}, err
	}
	published, err := s.Engine().PublishedColumns(c.Context())
	if err != nil {
		return NodeDetail{}, err
	}
	d := NodeDetail{NodeInfo: newNodeInfo(n, tables), Path: n.Path, Reads: []string{}, ReadBy: []string{}, Columns: []ColumnInfo{}, CheckSet: []CheckInfo{}}
	for _, need := range n.Needs {
		d.Reads = append(d.Reads, need.Name())
	}
	for _, other := range s.Engine().Project.Nodes {
		if slices.Contains(other.Needs, n) {
			d.ReadBy = append(d.ReadBy, other.Name())
		}
	}
	for _, k := range n.Checks {
		d.CheckSet = append(d.CheckSet, CheckInfo{k.Name, k.Kind, k.Columns, k.Severity})
	}
	for _, column := range published[n.Name()] {
		d.Columns = append(d.Columns, ColumnInfo{Name: column.Name, Type: column.Type, PII: n.IsPII(column.Name)})
	}
	for _, told := range n.Columns {
		i := slices.IndexFunc(d.Columns, func(k ColumnInfo) bool { return k.Name == told.Name })
		if i < 0 {
			i = len(d.Columns)
			d.Columns = append(d.Columns, ColumnInfo{Name: told.Name, Type: told.Type, PII: n.IsPII(told.Name)})
		}
		d.Columns[i].Description, d.Columns[i].Tags = told.Description, told.Tags
	}
	return d, nil
}

// CheckTrend is a check as it ended last, with its past.
type CheckTrend struct {
	check.Result
	Run     string               `json:"run"`
	History []journal.CheckPoint `json:"history"`
}

func (s *Server) nodeChecks(c *call) (Page[CheckTrend], error) {
	n, err := s.node(c)
	if err != nil {
		return Page[CheckTrend]{}, err
	}
	j, target := s.Engine().Journal, pipeline.TargetOf(s.Engine().Project)
	run, err := j.LastChecked(c.Context(), n.Name(), target)
	if err != nil {
		return Page[CheckTrend]{}, err
	}
	results, err := j.Checks(c.Context(), run)
	if err != nil {
		return Page[CheckTrend]{}, err
	}
	all := []CheckTrend{}
	for _, r := range check.Remasked(results, s.Engine().Project.IsPII) {
		if r.Node != n.Name() {
			continue
		}
		history, err := j.CheckTrend(c.Context(), journal.CheckName{Node: r.Node, Name: r.Name}, target, c.number("points", 90))
		if err != nil {
			return Page[CheckTrend]{}, err
		}
		all = append(all, CheckTrend{r, run, history})
	}
	return list(all), nil
}

// Quarantine is what checks kept out of a table: in one run, and in all whose rows are there now.
type Quarantine struct {
	Node         string                  `json:"node"`
	Set          *pipeline.QuarantineSet `json:"set,omitempty" doc:"Of the run. Absent when it kept no row out."`
	InQuarantine *pipeline.QuarantineSet `json:"in_quarantine,omitempty" doc:"All that is in quarantine now, of whichever runs. Absent when nothing is, and when a run was asked for."`
	Sample       *check.Sample           `json:"sample,omitempty" doc:"Rows of set; without it, of in_quarantine."`
}

// quarantine counts and shows rows in an engine of its own.
func (s *Server) quarantine(c *call) (Quarantine, error) {
	n, err := s.node(c)
	if err != nil {
		return Quarantine{}, err
	}
	q := Quarantine{Node: n.Name()}
	err = s.look(c.Context(), func(ctx context.Context, e *pipeline.Engine) error {
		sets, err := e.Quarantined(ctx, n.Name(), c.text("run"))
		if err != nil {
			return lookup(err, "run "+cut(c.text("run"), 80), "GET "+apiPrefix+"/runs lists the runs")
		}
		if len(sets) > 0 {
			q.Set = &sets[0]
		}
		if c.text("run") == "" {
			if q.InQuarantine, err = e.InQuarantine(ctx, n.Name()); err != nil {
				return err
			}
		}
		shown := cmp.Or(q.Set, q.InQuarantine)
		if rows := c.number("sample", 0); rows > 0 && shown != nil && !shown.Gone {
			q.Sample, err = e.ShowQuarantined(ctx, *shown, "", rows, false)
		}
		return err
	})
	return q, err
}

// ReplayRequest says which quarantined rows are replayed; without anything all of them.
type ReplayRequest struct {
	Run    string `json:"run,omitempty" doc:"Only rows that this run kept out."`
	Rule   string `json:"rule,omitempty" doc:"Only rows that failed this rule."`
	DryRun bool   `json:"dry_run,omitempty" doc:"Say what would pass, and publish nothing."`
}

func (in *ReplayRequest) mistakes() (all []FieldProblem) {
	if in.Run != "" && (len(in.Run) > 100 || !idKey.MatchString(in.Run)) {
		all = append(all, FieldProblem{"run", "is no id of a run"})
	}
	if len(in.Rule) > 500 || strings.ContainsFunc(in.Rule, unicode.IsControl) {
		all = append(all, FieldProblem{"rule", "is no name of a rule"})
	}
	return all
}

func (s *Server) replay(c *call, in ReplayRequest) (journal.Firing, error) {
	n, err := s.node(c)
	if err != nil {
		return journal.Firing{}, err
	}
	if n.Pipeline == "" {
		return journal.Firing{}, &Problem{kind: kindConflict, Detail: n.Name() + " belongs to no pipeline", Hint: "millrace rejects replay does it by hand"}
	}
	if in.Run != "" {
		if _, err := s.Engine().Journal.Run(c.Context(), in.Run); err != nil {
			return journal.Firing{}, lookup(err, "run "+in.Run, "GET "+apiPrefix+"/runs lists the runs")
		}
	}
	f := journal.Firing{Pipeline: n.Pipeline, Ask: journal.Ask{Select: []string{n.Name()}, Replay: &journal.Replay{Run: in.Run, Rule: in.Rule, DryRun: in.DryRun}}}
	return s.ask(c, "replay", f, "of "+n.Name())
}

// Lineage is the graph of nodes.
type Lineage struct {
	Nodes []LineageNode `json:"nodes"`
	Edges []LineageEdge `json:"edges"`
}

// LineageNode is a node of the graph.
type LineageNode struct {
	Name     string      `json:"name"`
	Kind     models.Kind `json:"kind"`
	Pipeline string      `json:"pipeline,omitempty"`
}

// LineageEdge says that one node reads another.
type LineageEdge struct {
	From string `json:"from"`
	To   string `json:"to" doc:"The node that reads."`
}

func (s *Server) lineage(*call) (Lineage, error) {
	g := Lineage{Nodes: []LineageNode{}, Edges: []LineageEdge{}}
	for _, n := range s.Engine().Project.Nodes {
		g.Nodes = append(g.Nodes, LineageNode{n.Name(), n.Kind, n.Pipeline})
		for _, need := range n.Needs {
			g.Edges = append(g.Edges, LineageEdge{need.Name(), n.Name()})
		}
	}
	return g, nil
}
