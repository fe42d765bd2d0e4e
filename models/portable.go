package models

import (
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models/jinja"
	"github.com/millrace/millrace/models/portable"
)

// Portable are warnings of what the project's models say that Snowflake would read in another way than DuckDB does, where they
// run. Each model is looked at as a first run would render it, and as an incremental one would: what a macro makes is told where it
// is called.
func (p *Project) Portable() config.Problems {
	var all config.Problems
	for _, n := range p.Nodes {
		if n.Model == nil {
			continue
		}
		seen := map[jinja.Position]map[string]bool{}
		for _, incremental := range []bool{false, true} {
			out, err := (&trial{node: n, project: p, places: map[string]jinja.Position{}}).render(incremental)
			if err != nil { // of the first rendering the loader has told; the other one may need tables that are not there
				continue
			}
			for _, f := range portable.Find(out.Text) {
				pos := out.Source(f.At)
				if seen[pos][f.Name] {
					continue
				}
				if seen[pos] == nil {
					seen[pos] = map[string]bool{}
				}
				seen[pos][f.Name] = true
				all = append(all, &config.Problem{File: pos.File, Line: pos.Line, Column: pos.Col, Length: f.Length, Message: f.Message(),
					Hint: "write " + f.Write, Source: n.Model.Template.Line(pos.Line), Severity: config.SeverityWarning})
			}
		}
	}
	return all
}
