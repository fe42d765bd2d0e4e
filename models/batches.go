package models

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/models/jinja"
)

// Batches says how a microbatch model cuts the time of its rows, with dbt's names. A batch is built, and replaced, as a whole.
type Batches struct {
	EventTime string    // event_time: the column, or SQL, that says when what a row tells of has happened
	Begin     time.Time // of the first batch, in UTC
	Size      string    // batch_size: hour, day, month or year
	Lookback  int       // how many batches before the current one are built again
}

// Batch is one of them: the rows from Start to before End.
type Batch struct{ Start, End time.Time }

// ID is dbt's name for the batch.
func (b Batch) ID(size string) string {
	return b.Start.Format(map[string]string{"year": "2006", "month": "200601", "day": "20060102", "hour": "20060102T15"}[size])
}

// Facts are the batch as templates see it in model.batch.
func (b Batch) Facts(size string) *jinja.Dict {
	return newFacts().putAll("id", b.ID(size), "event_time_start", jinja.PythonTime(b.Start), "event_time_end", jinja.PythonTime(b.End)).Dict
}

// Condition is true of the rows of the batch, by the column that has their time.
func (b Batch) Condition(eventTime string) string {
	return fmt.Sprintf("%s >= '%s' and %s < '%s'", eventTime, pythonTime(b.Start), eventTime, pythonTime(b.End))
}

// pythonTime is a time as Python prints it, which dbt puts into SQL.
func pythonTime(t time.Time) string {
	if t.Nanosecond() != 0 {
		return t.UTC().Format("2006-01-02 15:04:05.000000+00:00")
	}
	return t.UTC().Format("2006-01-02 15:04:05+00:00")
}

// MaxBatches are more than one run builds.
const MaxBatches = 100_000

// From are the batches from the one that start lies in up to end, and no more than MaxBatches.
func (b *Batches) From(start, end time.Time) []Batch {
	at := b.truncate(start)
	all := []Batch{{at, b.next(at)}}
	for all[len(all)-1].End.Before(end) && len(all) < MaxBatches {
		at = all[len(all)-1].End
		all = append(all, Batch{at, b.next(at)})
	}
	all[len(all)-1].End = end
	return all
}

// All are the batches of a table that is built from nothing.
func (b *Batches) All(now time.Time) []Batch { return b.From(b.Begin, b.ceiling(now)) }

// Latest are the batches of a table that is there: the current one, and those that are looked back at.
func (b *Batches) Latest(now time.Time) []Batch {
	end := b.ceiling(now)
	back := b.Lookback
	if end.Equal(b.truncate(end)) {
		back++
	}
	return b.From(b.offset(end, -back), end)
}

// Between are the batches of a range that was asked for.
func (b *Batches) Between(start, end time.Time) []Batch { return b.From(start, b.ceiling(end)) }

func (b *Batches) truncate(t time.Time) time.Time {
	t = t.UTC()
	switch b.Size {
	case "hour":
		return t.Truncate(time.Hour)
	case "month":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case "year":
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// offset is the beginning of the batch that comes so many after the one that t lies in.
func (b *Batches) offset(t time.Time, n int) time.Time {
	t = b.truncate(t)
	switch b.Size {
	case "hour":
		return t.Add(time.Duration(n) * time.Hour)
	case "month":
		return t.AddDate(0, n, 0)
	case "year":
		return t.AddDate(n, 0, 0)
	}
	return t.AddDate(0, 0, n)
}

func (b *Batches) next(t time.Time) time.Time { return b.offset(t, 1) }

func (b *Batches) ceiling(t time.Time) time.Time {
	if begun := b.truncate(t); !begun.Equal(t) {
		return b.next(begun)
	}
	return t.UTC()
}

// ParseEventTime reads a date or a time as dbt takes it, in UTC where it has no zone.
func ParseEventTime(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04",
		time.RFC3339, "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date and no time: write 2024-03-01, or 2024-03-01 12:00:00", text)
}

// batches reads what a microbatch model says of its batches.
func (l *loader) batches(n *Node) bool {
	m := n.Model
	get := func(key string) any { v, _ := m.Config.Get(key); return v }
	b := &Batches{Lookback: 1}
	bad := func(hint, format string, args ...any) bool {
		l.problem(n.Pos, hint, "%s: incremental_strategy=\"microbatch\" "+format, append([]any{n.Name()}, args...)...)
		return false
	}
	var isText bool
	if b.EventTime, isText = get("event_time").(string); !isText || b.EventTime == "" {
		return bad("add event_time='…' to its config: the column that says when a row belongs", "needs event_time")
	}
	if b.Size, _ = get("batch_size").(string); b.ID() == "" {
		return bad("add batch_size='day' to its config", "needs a batch_size: hour, day, month or year")
	}
	begin := get("begin")
	if begin == nil {
		return bad("add begin='2024-01-01' to its config: where the first batch begins", "needs begin")
	}
	var err error
	if b.Begin, err = ParseEventTime(textOf(begin)); err != nil {
		return bad("write begin='2024-01-01'", "begin: %v", err)
	}
	if v := get("lookback"); v != nil {
		if b.Lookback, err = strconv.Atoi(fmt.Sprint(v)); err != nil || b.Lookback < 0 {
			return bad("write lookback=1", "lookback: it must be a whole number, not %v", v)
		}
	}
	if len(m.UniqueKey) > 0 {
		return bad("take out unique_key, or use incremental_strategy='merge'", "replaces whole batches by event_time: it takes no unique_key")
	}
	m.Batches = b
	return true
}

// ID is an example of a batch's name; "" for a size that there is not.
func (b *Batches) ID() string { return Batch{}.ID(b.Size) }

func textOf(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.DateTime)
	}
	return fmt.Sprint(v)
}

// EventTime is the column that says when the rows of a node belong, "" where its config does not say: those of one are read batch by batch.
func (n *Node) EventTime() string {
	var config *jinja.Dict
	switch {
	case n.Model != nil:
		config = n.Model.Config
	case n.Seed != nil:
		config = n.Seed.Config
	}
	if config == nil {
		return ""
	}
	v, _ := config.Get("event_time")
	text, _ := v.(string)
	return text
}

// SourceEventTime is the same of a table of a source.
func (p *Project) SourceEventTime(source, table string) string {
	d := p.declaredBy[source+"."+table]
	if d == nil {
		return ""
	}
	tree, _ := d.config.Get("event_time")
	inTree, _ := tree.(string)
	return cmp.Or(d.table.Config.Get("event_time").Text(), d.source.Config.Get("event_time").Text(), inTree)
}
