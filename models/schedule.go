package models

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/cron"
)

// schedulerKeys are about all pipelines.
type schedulerKeys struct {
	config.Origin
	Concurrency int `yaml:"concurrency" default:"2" doc:"How many runs go on at once." example:"2"`
}

// reservedPipelines are names that locks have: of runs of nodes without a pipeline, and of millrace serve.
var reservedPipelines = []string{"_manual", "_serve"}

// defaultPipeline is that of a project which names none.
func defaultPipeline() *Pipeline {
	return &Pipeline{Name: "default", Publish: "succeeded", Timezone: "UTC", Misfire: MisfireOne, Overlap: OverlapQueue,
		MisfireWindow: config.Duration(24 * time.Hour), MaxCatchup: 10, RetryDelay: config.Duration(time.Minute)}
}

// What becomes of runs that were missed.
const (
	MisfireOne  = "one"
	MisfireAll  = "all"
	MisfireSkip = "skip"
)

// What happens when the last run still goes on.
const (
	OverlapQueue  = "queue"
	OverlapSkip   = "skip"
	OverlapCancel = "cancel"
)

// zones are the time zones by name that pipelines have asked for: to load one takes a hundred times as long as to use it.
var zones sync.Map

// Location is the pipeline's time zone.
func (pl *Pipeline) Location() *time.Location {
	if loc, known := zones.Load(pl.Timezone); known {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(pl.Timezone)
	if err != nil {
		return time.UTC // the loader has refused it
	}
	zones.Store(pl.Timezone, loc)
	return loc
}

// Date is the logical date of a time: the day that the pipeline's clock shows.
func (pl *Pipeline) Date(t time.Time) string { return t.In(pl.Location()).Format(time.DateOnly) }

// Cron is the pipeline's schedule; nil when it has none.
func (pl *Pipeline) Cron() *cron.Schedule {
	if pl.Schedule == "" {
		return nil
	}
	s, err := cron.Parse(pl.Schedule, pl.Location())
	if err != nil {
		return nil // the loader has refused it
	}
	return s
}

// schedule validates what says when a pipeline runs.
func (l *loader) schedule(pl *Pipeline) {
	written := l.files[ProjectFile].Root(nil).Get("pipelines").Get(pl.Name)
	loc, err := time.LoadLocation(pl.Timezone)
	if !l.had(written.Get("timezone")) {
		loc = time.UTC
	} else if err != nil || pl.Timezone == "" || pl.Timezone == "Local" {
		l.problem(pl.Origin.At("timezone"), "write a name of the IANA database, such as Europe/Berlin", "unknown time zone %q", pl.Timezone)
		loc = time.UTC
	}
	for key, n := range map[string]int{"max_catchup": pl.MaxCatchup, "retries": pl.Retries, "pause_after": pl.PauseAfter} {
		l.notNegative(pl.Origin, key, n)
	}
	if pl.Timeout > 0 && pl.StepTimeout > pl.Timeout {
		l.warning(pl.Origin.At("step_timeout"), "make it shorter than timeout: "+pl.Timeout.String(), "step_timeout has no effect: the run is ended before")
	}
	l.allowances(pl)
	if !l.had(written.Get("schedule")) {
		return
	}
	if pl.Schedule == "" && written.Get("schedule").IsScalar() {
		l.problem(pl.Origin.At("schedule"), "remove the key, or write five fields such as 0 2 * * *", "schedule: is empty")
		return
	}
	if pl.Schedule == "" {
		for _, key := range []string{"misfire", "misfire_window", "max_catchup", "jitter"} {
			if pl.Origin.Has(key) && len(pl.After) == 0 {
				l.warning(pl.Origin.Key(key), "add schedule:, or remove the key", "%s has no effect without a schedule", key)
			}
		}
		return
	}
	s, err := cron.Parse(pl.Schedule, loc)
	if err != nil {
		hint := ""
		var mistake *cron.Error
		if errors.As(err, &mistake) {
			hint = mistake.Hint()
		}
		l.problem(pl.Origin.At("schedule"), hint, "%v", err)
		return
	}
	for _, odd := range s.Odd() {
		l.warning(pl.Origin.At("schedule"), odd.Hint, "%s", odd.Message)
	}
	if !l.Now.IsZero() {
		if text := s.ClockChanges(l.Now, l.Now.AddDate(2, 0, 0)); text != "" {
			l.warning(pl.Origin.At("schedule"), "", "%s", text)
		}
		l.jitter(pl, s)
	}
	if gap := s.LongestGap(); pl.Freshness > 0 && pl.Freshness.Std() < gap && pl.Webhook == nil {
		l.warning(pl.Origin.At("freshness"), "make it longer than the gap and a run",
			"freshness: %s is shorter than the %s that may pass between two times of the schedule: the tables are stale until the next", pl.Freshness, config.Duration(gap))
	}
}

// manyRetries and manyRuns are more than anybody means.
const (
	manyRetries = 100
	manyRuns    = 1000
)

// allowances tells of numbers and spans that do something else than they seem to say.
func (l *loader) allowances(pl *Pipeline) {
	if pl.Retries > manyRetries {
		l.warning(pl.Origin.At("retries"), "pause_after: and alerts tell somebody of what does not mend by itself", "retries: %d would go on for days", pl.Retries)
	}
	if pl.Origin.Has("misfire_window") && pl.MisfireWindow == 0 && !l.told(pl.Origin.At("misfire_window")) {
		l.problem(pl.Origin.At("misfire_window"), "write misfire: skip when nothing is to be made up for, or a span such as 24h",
			"misfire_window: a firing also waits so long for the pipelines of after:, and would not wait at all")
	}
	switch {
	case pl.Schedule == "" || !pl.Origin.Has("max_catchup") || l.told(pl.Origin.At("max_catchup")):
	case pl.Misfire != MisfireAll:
		l.warning(pl.Origin.At("max_catchup"), "write misfire: all, or remove the key", "max_catchup: has no effect: it counts what misfire: all makes up for, and misfire: is %s", pl.Misfire)
	case pl.MaxCatchup == 0:
		l.warning(pl.Origin.At("max_catchup"), "write misfire: skip, which says so", "max_catchup: 0 makes up for nothing, although misfire: is all")
	}
}

// jitter warns of one that brings a run near the next.
func (l *loader) jitter(pl *Pipeline, s *cron.Schedule) {
	if pl.Jitter == 0 {
		return
	}
	shortest := time.Duration(0)
	at := s.Next(l.Now)
	for range 100 {
		next := s.Next(at)
		if next.IsZero() {
			break
		}
		if gap := next.Sub(at); shortest == 0 || gap < shortest {
			shortest = gap
		}
		at = next
	}
	if shortest > 0 && pl.Jitter.Std() > shortest/2 {
		l.warning(pl.Origin.At("jitter"), "make it shorter", "jitter: %s is more than half of the %s between two times of the schedule", pl.Jitter, config.Duration(shortest))
	}
}

// told says whether a problem is told of that place already.
func (l *loader) told(pos config.Pos) bool {
	return slices.ContainsFunc(l.problems, func(p *config.Problem) bool {
		return p.File == pos.File && p.Line == pos.Line && p.Column == pos.Column
	})
}

func (l *loader) notNegative(origin config.Origin, key string, n int) {
	if n < 0 {
		l.problem(origin.At(key), "write 0 or more", "%s: %d", key, n)
	}
}

// concurrency validates how many runs go on at once.
func (l *loader) concurrency() {
	n, pos := l.file.Scheduler.Concurrency, l.file.Scheduler.At("concurrency")
	switch {
	case l.told(pos) || !l.had(l.files[ProjectFile].Root(nil).Get("scheduler").Get("concurrency")):
	case n < 1:
		l.problem(pos, "write 1 or more", "scheduler.concurrency: %d", n)
	case n > manyRuns:
		l.warning(pos, "each run is a process with memory: of its own", "scheduler.concurrency: %d", n)
	}
}

// follows validates after: of all pipelines, and what the scheduler is told.
func (l *loader) follows() {
	l.concurrency()
	var known []string
	for _, pl := range l.p.Pipelines {
		known = append(known, pl.Name)
	}
	for _, pl := range l.p.Pipelines {
		for i, name := range pl.After {
			if !slices.Contains(known, name) {
				hint := "pipelines of this project: " + strings.Join(known, ", ")
				if s := config.Suggest(name, known); s != "" {
					hint = "did you mean \"" + s + "\"?"
				}
				l.problem(pl.Origin.Item("after", i), hint, "after: there is no pipeline %q", name)
			}
		}
	}
	seen := map[string]bool{}
	for _, pl := range l.p.Pipelines {
		l.zoneOfForerunners(pl, seen)
	}
	for _, pl := range l.p.Pipelines {
		way := l.wayBack(pl, pl.Name, map[string]bool{})
		// A circle is told once, at the first of its pipelines by name.
		if way != nil && slices.Min(way) == pl.Name {
			l.problem(pl.Origin.At("after"), "take one of them out", "after: pipelines wait for each other in a circle: %s", strings.Join(way, " after "))
		}
	}
}

// zoneOfForerunners gives a pipeline that only follows others, and names no zone, the one that they have in common: its days are theirs.
func (l *loader) zoneOfForerunners(pl *Pipeline, seen map[string]bool) {
	if seen[pl.Name] || pl.Origin.Has("timezone") || pl.Origin.Has("schedule") {
		return
	}
	seen[pl.Name] = true
	var first *Pipeline
	for _, name := range pl.After {
		up := l.p.Pipeline(name)
		if up == nil {
			continue
		}
		l.zoneOfForerunners(up, seen)
		if first == nil {
			first = up
		} else if up.Timezone != first.Timezone {
			l.warning(pl.Origin.At("after"), "write timezone:, of which days it is to run", "after: the days of %s are those of %s, and of %s those of %s: without timezone: this pipeline's are those of UTC",
				first.Name, first.Timezone, up.Name, up.Timezone)
			return
		}
	}
	if first != nil {
		pl.Timezone = first.Timezone
	}
}

// idleZones warns of a timezone: that no run goes by: neither a schedule, nor the dates of after: and of backfills.
func (l *loader) idleZones() {
	for _, pl := range l.p.Pipelines {
		followed := slices.ContainsFunc(l.p.Pipelines, func(other *Pipeline) bool { return slices.Contains(other.After, pl.Name) })
		dated := slices.ContainsFunc(l.p.Nodes, func(n *Node) bool { return n.Pipeline == pl.Name && n.Stream != nil && n.Stream.Cursor != "" })
		if pl.Origin.Has("timezone") && !pl.Origin.Has("schedule") && len(pl.After) == 0 && !followed && !dated {
			l.warning(pl.Origin.Key("timezone"), "add schedule:; pages tell times in the zone of most pipelines, and nothing else goes by this one", "no run goes by timezone: there is no schedule")
		}
	}
}

// wayBack is a way along after: that ends at the pipeline named; nil when there is none.
func (l *loader) wayBack(pl *Pipeline, to string, seen map[string]bool) []string {
	for _, name := range pl.After {
		if name == to {
			return []string{pl.Name, name}
		}
		if next := l.p.Pipeline(name); next != nil && !seen[name] {
			seen[name] = true
			if way := l.wayBack(next, to, seen); way != nil {
				return append([]string{pl.Name}, way...)
			}
		}
	}
	return nil
}
