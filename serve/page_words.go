package serve

import (
	"fmt"
	"html/template"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// pageFuncs are the words that pages have beside those of reports.
var pageFuncs = template.FuncMap{
	"link": link, "runMark": runMark, "runClass": runClass, "firingMark": firingMark, "firingClass": firingClass,
	"age":     func(seconds int64) string { return spanWords(time.Duration(seconds) * time.Second) },
	"size":    sizeWords,
	"once":    onceField,
	"bits":    func(x float64) string { return fmt.Sprintf("%+.2f", x) },
	"portion": func(part, of int64) string { return share(float64(part) / float64(max(of, 1))) },
	"deref":   func(x *float64) float64 { return *x },
	"shortID": func(id string) string { return id[:min(len(id), 8)] },
}

// notices are what forms have done, by the word that the page behind a form is asked for with.
var notices = map[string]string{
	"run":    "Asked for. The scheduler starts it when it is its turn.",
	"retry":  "Asked for a retry. The scheduler starts it when it is its turn.",
	"cancel": "Asked to end. The run stops at its next checkpoint, and what it landed is kept.",
	"pause":  "Paused. Nothing starts by schedule until it is resumed.",
	"resume": "Resumed.",
	"decide": "Written down. It takes effect with the next run; until then the page shows it as pending.",
	"revoke": "Taken back, from the next run on. Both stay on record.",
	"replay": "Asked for a replay. The scheduler starts it when it is its turn.",
}

// moment is a time as pages show it.
type moment struct {
	ISO, Text, Ago string
	Second, Exact  string // to the second, and as exact as it is known
	Zero           bool
}

// T shows a time: absolute in the project's zone, and relative to now.
func (v *view) T(t any) moment {
	var at time.Time
	switch t := t.(type) {
	case time.Time:
		at = t
	case *time.Time:
		if t == nil {
			return moment{Zero: true}
		}
		at = *t
	}
	if at.IsZero() {
		return moment{Zero: true}
	}
	return moment{ISO: at.UTC().Format(time.RFC3339), Text: clockWords(at.In(v.Zone), v.Now.In(v.Zone)), Ago: agoWords(at, v.Now),
		Second: at.In(v.Zone).Format(time.DateTime), Exact: at.In(v.Zone).Format(time.RFC3339Nano)}
}

// In shows a time in a zone of its own.
func (v *view) In(t time.Time, zone string) moment {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	return moment{ISO: t.UTC().Format(time.RFC3339), Text: clockWords(t.In(loc), v.Now.In(loc)), Ago: agoWords(t, v.Now)}
}

// Took is how long something took; that which goes on counts until now.
func (v *view) Took(from time.Time, to *time.Time) string {
	end := v.Now
	if to != nil {
		end = *to
	}
	if from.IsZero() || end.Before(from) {
		return ""
	}
	return spanWords(end.Sub(from))
}

// With is the same view of other data, for templates within templates.
func (v *view) With(data any) *view {
	of := *v
	of.Data = data
	return &of
}

// clockWords is a time of day with its date: the year only where it is another than now's.
func clockWords(t, now time.Time) string {
	switch {
	case t.Year() != now.Year():
		return t.Format("2 Jan 2006 15:04")
	case t.Sub(now).Abs() < 6*24*time.Hour:
		return t.Format("Mon 2 Jan 15:04")
	}
	return t.Format("2 Jan 15:04")
}

func agoWords(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
		return "in " + spanWords(-d)
	}
	return spanWords(d) + " ago"
}

// spanWords is a span in at most two units, as people say it.
func spanWords(d time.Duration) string {
	two := func(a int64, unitA string, b int64, unitB string) string {
		if b == 0 {
			return fmt.Sprintf("%d %s", a, unitA)
		}
		return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
	}
	d = max(d, 0)
	switch s := int64(d.Seconds()); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return two(s/60, "min", s%60*b2i(s < 600), "s")
	case s < 86400:
		return two(s/3600, "h", s%3600/60, "min")
	default:
		return two(s/86400, "d", s%86400/3600, "h")
	}
}

// sizeWords is a number of bytes as people say it.
func sizeWords(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	size, units := float64(n)/unit, "kMGTPE"
	for size >= unit {
		size, units = size/unit, units[1:]
	}
	if size < 10 {
		return fmt.Sprintf("%.1f %cB", size, units[0])
	}
	return fmt.Sprintf("%.0f %cB", size, units[0])
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// zoneOf is the zone that most pipelines have: pages tell times in it.
func zoneOf(pipelines []*models.Pipeline) *time.Location {
	counts, best := map[string]int{}, "UTC"
	for _, p := range pipelines {
		counts[p.Timezone]++
		if n := counts[p.Timezone]; n > counts[best] || n == counts[best] && p.Timezone < best {
			best = p.Timezone
		}
	}
	if zone, err := time.LoadLocation(best); err == nil {
		return zone
	}
	return time.UTC
}

// runClass is the class of a run's state, by which the style colours it.
func runClass(s pipeline.RunState) string {
	switch journal.Status(s) {
	case journal.Succeeded:
		return "pass"
	case journal.Failed, journal.Partial:
		return "fail"
	case journal.Running:
		return "running"
	case journal.Interrupted:
		return "warn"
	}
	return "skipped"
}

// runMark is a sign for a run's state, so that it does not hang on colour.
func runMark(s pipeline.RunState) string {
	return map[string]string{"pass": "✓", "fail": "✕", "running": "●", "warn": "▲", "skipped": "–"}[runClass(s)]
}

func firingClass(s journal.FiringState) string {
	return map[journal.FiringState]string{journal.FiringSucceeded: "pass", journal.FiringFailed: "fail", journal.FiringStarted: "running", journal.FiringWaiting: "waiting"}[s]
}

func firingMark(s journal.FiringState) string {
	switch s {
	case journal.FiringSucceeded:
		return "✓"
	case journal.FiringFailed:
		return "✕"
	case journal.FiringStarted:
		return "●"
	case journal.FiringWaiting:
		return "○"
	}
	return "–"
}
