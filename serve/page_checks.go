package serve

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
	"github.com/millrace/millrace/transform/check"
)

// trendRuns is how many runs a trend shows, as in reports.
const trendRuns = 90

// checkLine is a check as it is now.
type checkLine struct {
	check.Result
	Run   string // that it was judged in
	At    time.Time
	Strip report.Strip
	Gone  bool // the project has it no more
	trend []journal.CheckPoint
}

// checkGroup is the checks of a table.
type checkGroup struct {
	Node  string
	Lines []checkLine
}

// checksPage is every check that ever ran and that the project still has, by table; those that have something to tell first.
type checksPage struct {
	Groups []checkGroup
	Bad    []checkLine // that fail or warn now
	Total  int

	counts map[check.Status]int
}

// Of is how many checks have that status now.
func (page *checksPage) Of(status string) int { return page.counts[check.Status(status)] }

func (p *site) checks(w http.ResponseWriter, r *http.Request) error {
	ctx, e := r.Context(), p.Engine()
	names, err := e.Journal.CheckNames(ctx)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n journal.CheckName) bool { return e.Project.Node(n.Node) == nil })
	lines, err := p.checkLines(ctx, names)
	if err != nil {
		return err
	}
	page := &checksPage{Total: len(lines), counts: map[check.Status]int{}}
	for _, l := range lines {
		page.counts[l.Status]++
		if l.Status == check.StatusWarn || l.Status.Bad() {
			page.Bad = append(page.Bad, l)
		}
		if n := len(page.Groups); n == 0 || page.Groups[n-1].Node != l.Node {
			page.Groups = append(page.Groups, checkGroup{Node: l.Node})
		}
		g := &page.Groups[len(page.Groups)-1]
		g.Lines = append(g.Lines, l)
	}
	slices.SortStableFunc(page.Bad, func(a, b checkLine) int { return cmp.Compare(b2i(b.Status.Bad()), b2i(a.Status.Bad())) })
	return p.show(w, r, "checks", view{Title: "Checks", Section: "Checks", Data: page})
}

// checkLines are the checks as they are now, those left out that the latest run of their table did not have any more, or none has for our target.
func (p *site) checkLines(ctx context.Context, names []journal.CheckName) ([]checkLine, error) {
	j, target := p.Engine().Journal, pipeline.TargetOf(p.Engine().Project)
	var lines []checkLine
	latest := map[string]time.Time{} // by node: when it was checked last
	for _, n := range names {
		result, run, err := j.LatestCheck(ctx, n, target)
		if errors.Is(err, journal.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		trend, err := j.CheckTrend(ctx, n, target, trendRuns)
		if err != nil {
			return nil, err
		}
		line := checkLine{Result: result, Run: run, Strip: report.CheckStrip(trend), trend: trend}
		if len(trend) > 0 {
			line.At = trend[len(trend)-1].At
		}
		if line.At.After(latest[n.Node]) {
			latest[n.Node] = line.At
		}
		lines = append(lines, line)
	}
	return slices.DeleteFunc(lines, func(l checkLine) bool { return l.At.Before(latest[l.Node]) }), nil
}

// checkPage is one check.
type checkPage struct {
	checkLine
	Check  report.Check
	Chart  *report.Chart
	Sample *report.SampleView
}

func (p *site) check(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	if q.Get("table") == "" || q.Get("check") == "" {
		return &Problem{kind: kindInvalid, Detail: "table and check say which check is meant"}
	}
	lines, err := p.checkLines(ctx, []journal.CheckName{{Node: q.Get("table"), Name: q.Get("check")}})
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return errNoPage("no run has checked that")
	}
	l := lines[0]
	l.Result = check.Remasked([]check.Result{l.Result}, p.Engine().Project.IsPII)[0]
	page := &checkPage{checkLine: l, Check: report.Check{Result: l.Result}, Chart: report.FailingChart(l.trend), Sample: report.NewSample(l.Result.Sample)}
	return p.show(w, r, "check", view{Title: l.Name, Section: "Checks", Data: page})
}
