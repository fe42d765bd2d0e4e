package serve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
)

// This file draws the last day of the overview.

// night24 is the last day and the hours to come as one drawing.
type night24 struct {
	Ticks []tick
	Rows  []nightRow
	Left  int  // pipelines that are not shown
	Cut   bool // there were more runs than are drawn
}

// nightRow is one pipeline.
type nightRow struct {
	Pipeline     string
	Ticks        []tick
	Bars         []bar
	Runs, Failed int
	Next         *time.Time
	Paused       bool

	usual time.Duration // what the latest run took that ended
}

// night draws the runs of the last day and the fire times to come, pipelines with failures first.
func (p *site) night(ctx context.Context, schedules map[string]scheduler.Schedule) (*night24, error) {
	e, now := p.Engine(), p.Clock()
	a := axis{now.Add(-nightBack), now.Add(nightAhead)}
	runs, err := e.Summaries(ctx, journal.Filter{Since: a.from.Add(-nightBack), Limit: mostNight}) // those that began earlier may still go on
	if err != nil {
		return nil, err
	}
	zone := zoneOf(e.Project.Pipelines)
	n := &night24{Ticks: append(a.hours(3, zone), tick{X: a.x(now), Now: true}), Cut: len(runs) == mostNight}
	rows := map[string]*nightRow{}
	for _, pl := range e.Project.Pipelines {
		rows[pl.Name] = &nightRow{Pipeline: pl.Name, Ticks: n.Ticks}
	}
	for _, r := range runs {
		for _, name := range strings.Split(r.Pipeline, "+") {
			if row := rows[name]; row != nil {
				row.ran(a, now, zone, r)
			}
		}
	}
	for name, row := range rows {
		if s, known := schedules[name]; known {
			row.runsNext(a, zone, s)
		}
		if row.Runs > 0 || row.Next != nil {
			n.Rows = append(n.Rows, *row)
		}
	}
	n.order()
	return n, nil
}

// order puts the pipelines with failures first, and leaves away those for which there is no room.
func (n *night24) order() {
	slices.SortFunc(n.Rows, func(a, b nightRow) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b2i(b.Runs > 0), b2i(a.Runs > 0)), strings.Compare(a.Pipeline, b.Pipeline))
	})
	if len(n.Rows) > mostRows {
		n.Left = len(n.Rows) - mostRows
		n.Rows = n.Rows[:mostRows]
	}
}

// ran adds a run; the latest comes first.
func (row *nightRow) ran(a axis, now time.Time, zone *time.Location, r pipeline.RunSummary) {
	end := now
	if r.Finished != nil {
		end = *r.Finished
		row.usual = cmp.Or(row.usual, end.Sub(r.Begun()))
	}
	title := fmt.Sprintf("%s, %s to %s, %s", r.State, r.Begun().In(zone).Format("Mon 15:04"), end.In(zone).Format("15:04"), spanWords(end.Sub(r.Begun())))
	b, ok := a.bar(r.Begun(), end, runClass(r.State), title, "/runs/"+r.ID)
	if !ok {
		return
	}
	row.Runs++
	if runClass(r.State) == "fail" {
		row.Failed++
	}
	row.Bars = append(row.Bars, b)
}

// runsNext adds the fire times to come, each as long as the latest run was.
func (row *nightRow) runsNext(a axis, zone *time.Location, s scheduler.Schedule) {
	row.Paused = s.Pause != nil
	for i, next := range s.Next {
		if i == 0 {
			row.Next = &next
		}
		if b, ok := a.bar(next, next.Add(row.usual), "next", "scheduled for "+next.In(zone).Format("Mon 15:04"), ""); ok {
			row.Bars = append(row.Bars, b)
		}
	}
}
