package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/report"
)

// What the overview shows at most. The lists of runs and tables have the rest.
const (
	mostTrouble = 12    // pipelines whose last run failed
	mostNight   = 2_000 // runs of the timeline
	mostRows    = 40    // pipelines of the timeline
	mostTables  = 200
	nightBack   = 24 * time.Hour
	nightAhead  = 6 * time.Hour
)

// overviewPage is what somebody wants to know in the morning.
type overviewPage struct {
	Sentence     string
	Status       *pipeline.Status
	Trouble      []trouble
	TroubleLeft  int
	Night        *night24
	Tables       []freshTable
	TablesLeft   int
	Fresh, Stale int
	Paused       []journal.Pause
	Unfinished   []pipeline.RunSummary
}

// trouble is a pipeline whose last run did not bring all that it was to bring.
type trouble struct {
	Pipeline string
	Run      pipeline.RunSummary
	Causes   []report.Cause
	Retry    string // the command
}

// freshTable is a published table with its age as a share of what is promised.
type freshTable struct {
	pipeline.TableStatus
	Promise string
	Meter   string // share of the promise, as a width; "" without a promise
	Over    bool
	Reasons []string // beside its age, which is told by itself
}

func (p *site) overview(w http.ResponseWriter, r *http.Request) error {
	ctx, e := r.Context(), p.Engine()
	status, err := e.Status(ctx)
	if err != nil {
		return err
	}
	schedules, err := p.schedulesByName(ctx)
	if err != nil {
		return err
	}
	page := &overviewPage{Status: status, Unfinished: status.Unfinished}
	if err := page.addTrouble(ctx, e); err != nil {
		return err
	}
	page.addTables(status)
	if page.Night, err = p.night(ctx, schedules); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(schedules)) {
		if pause := schedules[name].Pause; pause != nil {
			page.Paused = append(page.Paused, *pause)
		}
	}
	page.Sentence = page.sentence()
	return p.show(w, r, "overview", view{Title: "Overview", Section: "Overview", Alive: true, Data: page})
}

// addTrouble finds the pipelines whose last run that has ended failed, the latest first, and asks what the causes were: what is being
// run again has not come through yet.
func (o *overviewPage) addTrouble(ctx context.Context, e *pipeline.Engine) error {
	seen := map[string]bool{}
	for _, pl := range o.Status.Pipelines {
		last := pl.LastEnded
		if last == nil || seen[last.ID] || runClass(last.State) != "fail" && last.State != pipeline.StateInterrupted {
			continue
		}
		seen[last.ID] = true
		o.Trouble = append(o.Trouble, trouble{Pipeline: last.Pipeline, Run: *last, Retry: pipeline.ForTarget(e.Project, "millrace retry "+last.ID)})
	}
	slices.SortStableFunc(o.Trouble, func(a, b trouble) int { return b.Run.Started.Compare(a.Run.Started) })
	if len(o.Trouble) > mostTrouble {
		o.TroubleLeft = len(o.Trouble) - mostTrouble
		o.Trouble = o.Trouble[:mostTrouble]
	}
	for i := range o.Trouble {
		t := &o.Trouble[i]
		var err error
		if t.Causes, err = report.Causes(ctx, e.Journal, t.Run.Run, reportOptions(e, t.Run.State)); err != nil {
			return err
		}
	}
	return nil
}

// addTables puts those first that are older than promised, then by how much of the promise is used up.
func (o *overviewPage) addTables(s *pipeline.Status) {
	promises := map[string]string{}
	for _, pl := range s.Pipelines {
		promises[pl.Name] = pl.Freshness
	}
	used := map[string]float64{}
	for _, t := range s.Tables {
		if t.Kind == kindQuarantine || !t.InProject {
			continue
		}
		one := freshTable{TableStatus: t, Promise: promises[t.Pipeline]}
		var span config.Duration
		if one.Promise != "" && span.UnmarshalText([]byte(one.Promise)) == nil && span > 0 {
			part := float64(t.AgeSeconds) / span.Std().Seconds()
			one.Meter, one.Over, used[t.Name] = share(min(max(part, 0.01), 1)), part > 1, part
		}
		if one.Reasons = t.Why; one.Over && len(t.Why) > 0 {
			one.Reasons = t.Why[1:] // the first is its age
		}
		if t.Stale {
			o.Stale++
		} else {
			o.Fresh++
		}
		o.Tables = append(o.Tables, one)
	}
	slices.SortStableFunc(o.Tables, func(a, b freshTable) int {
		return cmp.Or(cmp.Compare(b2i(b.Stale), b2i(a.Stale)), cmp.Compare(used[b.Name], used[a.Name]), strings.Compare(a.Name, b.Name))
	})
	if len(o.Tables) > mostTables {
		o.TablesLeft = len(o.Tables) - mostTables
		o.Tables = o.Tables[:mostTables]
	}
}

// kindQuarantine is the kind of tables that hold rows which checks kept out of others.
const kindQuarantine = "quarantine"

// sentence says it all in one.
func (o *overviewPage) sentence() string {
	failed, tables := len(o.Trouble)+o.TroubleLeft, o.Fresh+o.Stale
	state := "nothing is published yet"
	switch {
	case o.Stale > 0:
		state = fmt.Sprintf("%d of %s behind", o.Stale, are(tables, "table"))
	case tables == 1:
		state = "the one table is up to date"
	case tables > 1:
		state = fmt.Sprintf("all %d tables are up to date", tables)
	}
	switch {
	case failed == 1:
		return o.Trouble[0].Pipeline + " did not come through; " + state + "."
	case failed > 1:
		return plural(failed, "pipeline") + " did not come through; " + state + "."
	}
	return strings.ToUpper(state[:1]) + state[1:] + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return plural(n, noun) + " are"
}
