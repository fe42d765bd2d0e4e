package report

import (
	"fmt"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// Judgement makes a report of tables that were judged without a run, by the subject's name. It has no steps and no equations,
// because nothing was built, and no trend, because nothing is kept.
func Judgement(c *pipeline.Checked, subject string, o Options) *Run {
	r := &Run{Format: FormatVersion, Project: o.Project, Subject: subject, MadeAt: o.Now, MadeBy: o.Version, Version: o.Version, State: string(journal.Succeeded),
		Attempt: 1, Selection: journal.Selection{Nodes: []string{}}, Causes: []Cause{}, Nodes: []Node{}, Runs: []RunPoint{}}
	if c.Snapshot > 0 {
		r.Snapshot = &c.Snapshot
	}
	at := map[string]int{}
	for i, t := range c.Tables {
		n := Node{Name: t.Name, Kind: t.Kind, From: t.From, Started: t.Started, Finished: &t.Finished, Rows: t.Rows, Equations: []Equation{},
			Notes: append([]string{}, t.Notes...), Error: t.Error, Hint: t.Hint, Checks: []Check{}}
		if t.Error != "" {
			n.Status, r.State = journal.Failed, string(journal.Failed)
		}
		if i == 0 {
			r.Started, r.LogicalTime = t.Started, t.Started
		}
		at[t.Name], r.Finished = i, &t.Finished
		r.Nodes = append(r.Nodes, n)
	}
	for _, name := range c.Skipped {
		r.Nodes = append(r.Nodes, Node{Name: name, Equations: []Equation{}, Notes: []string{"not checked: it has no checks"}, Checks: []Check{}})
	}
	for _, found := range c.Checks {
		i, ok := at[found.Node]
		if !ok { // of no table that was told: it has a place of its own rather than another's
			i, at[found.Node] = len(r.Nodes), len(r.Nodes)
			r.Nodes = append(r.Nodes, Node{Name: found.Node, Equations: []Equation{}, Notes: []string{}, Checks: []Check{}})
		}
		n := &r.Nodes[i]
		n.Checks = append(n.Checks, Check{Result: found, History: []journal.CheckPoint{}})
	}
	r.Totals = totalsOf(r.Nodes)
	r.Totals.Nodes = len(c.Tables) // without those that were not looked at
	if r.Totals.Bad() > 0 {
		r.State = string(journal.Failed)
	}
	clean(r, o.Redact)
	r.Causes = causesOf(r)
	r.Verdict = judgementVerdict(r.Totals)
	return r
}

// judgementVerdict says it in one sentence, without a word about publishing.
func judgementVerdict(t Totals) Verdict {
	tables := count(t.Nodes, "table")
	switch {
	case t.Nodes == 0:
		return Verdict{WordUnknown, "No table was checked."}
	case t.NodesFailed > 0 && t.Bad() > 0:
		return Verdict{WordFailed, fmt.Sprintf("%s of %s could not be read, and %s of %s %s.", number(t.NodesFailed), tables, number(t.Bad()), count(t.Checks, "check"), verb(t.Bad(), "fails", "fail"))}
	case t.NodesFailed > 0:
		return Verdict{WordFailed, fmt.Sprintf("%s of %s could not be read.", number(t.NodesFailed), tables)}
	case t.Bad() > 0:
		return Verdict{WordFailed, fmt.Sprintf("%s of %s of %s %s.", number(t.Bad()), count(t.Checks, "check"), tables, verb(t.Bad(), "fails", "fail"))}
	case t.Warned > 0:
		return Verdict{WordWarned, fmt.Sprintf("%s of %s of %s %s; none fails.", number(t.Warned), count(t.Checks, "check"), tables, verb(t.Warned, "warns", "warn"))}
	}
	return Verdict{WordPassed, fmt.Sprintf("%s of %s passed.", verb(t.Checks, "The one check", "All "+count(t.Checks, "check")), tables)}
}
