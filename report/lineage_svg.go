package report

import (
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
)

// svgText is a drawing as a file of its own: it needs neither page nor network, and is light whatever shows it.
const svgText = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" height="{{.Height}}">
<style>svg{background:#fbfaf7}.edge{fill:none;stroke:#a9adb2;stroke-width:1.2}.edge.focus{stroke:#1c4f8f;stroke-width:1.8}.box{fill:#fff;stroke:#dedbd3}.box.stream,.box.seed{fill:#f4f2ec}.box.focus{stroke:#1c4f8f;stroke-width:2}text{fill:#1d1f21;font:12px ui-monospace,Menlo,Consolas,monospace}</style>
{{range .Edges}}<path class="edge{{if .Focus}} focus{{end}}" d="{{.D}}"/>
{{end}}{{range .Boxes}}<g><title>{{oneLine .Name}}: {{.Kind}}{{range .Notes}}
{{oneLine .}}{{end}}</title><rect class="box {{.Kind}}{{if .Focus}} focus{{end}}" x="{{.X}}" y="{{.Y}}" width="{{.W}}" height="{{.H}}" rx="5"/><text x="{{.TextX}}" y="{{.TextY}}">{{oneLine .Label}}</text></g>
{{end}}</svg>
`

// SVG writes the drawing as a file. notes are lines about a box, by its name, for who points at it.
func (g *Graph) SVG(w io.Writer, notes map[string][]string) error {
	for i := range g.Boxes {
		g.Boxes[i].Notes = notes[g.Boxes[i].Name]
	}
	t, err := Parts(template.New("svg"))
	if err == nil {
		t, err = t.Parse(svgText)
	}
	if err != nil {
		return fmt.Errorf("parse drawing: %w", err)
	}
	if err := t.Execute(w, g); err != nil {
		return fmt.Errorf("write drawing: %w", err)
	}
	return nil
}

// ColumnNotes are the columns of each node, for drawings.
func ColumnNotes(l *pipeline.Lineage) map[string][]string {
	notes := map[string][]string{}
	for _, n := range l.Nodes {
		for _, c := range n.Columns {
			notes[n.Name] = append(notes[n.Name], strings.TrimSpace(c.Name+" "+c.Type))
		}
	}
	return notes
}

// ColumnGraph draws columns and what each is made of, in an order in which what is read comes first.
func ColumnGraph(columns []*pipeline.ColumnTrace, focus string) *Graph {
	nodes, byName := []*models.Node{}, map[string]*models.Node{}
	for _, c := range columns {
		n := &models.Node{Schema: c.Table, Table: c.Column, Kind: models.Kind(c.Kind)}
		for _, in := range c.From {
			if need := byName[strings.ToLower(in.Table+"."+in.Column)]; need != nil {
				n.Needs = append(n.Needs, need)
			}
		}
		byName[strings.ToLower(n.Name())] = n
		nodes = append(nodes, n)
	}
	return DrawGraph(nodes, focus, nil)
}
