package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Oddity is something about a schedule that its author may not have meant.
type Oddity struct{ Message, Hint string }

// Odd tells what is odd about the schedule, as lint warns of it.
func (s *Schedule) Odd() []Oddity {
	if s.nextOnClock(time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)).IsZero() {
		return []Oddity{{"the schedule never fires: no month of those named has such a day", "correct day-of-month or month"}}
	}
	var odd []Oddity
	if s.leapOnly() {
		odd = append(odd, Oddity{"the schedule fires in leap years only", "0 0 1 3 * is the day after February in every year"})
	}
	odd = append(odd, s.oddSteps()...)
	if s.dom&star == 0 && s.dow&star == 0 {
		odd = append(odd, Oddity{"day-of-month and day-of-week are both given: as in every crontab, the schedule fires when either matches, not only when both do",
			"write * for one of them"})
	}
	return odd
}

func (s *Schedule) leapOnly() bool {
	return s.dow&star != 0 && s.mon&^star == 1<<uint(time.February) && s.dom&^star == 1<<29
}

// oddSteps finds steps that do not do what they seem to say.
func (s *Schedule) oddSteps() []Oddity {
	var odd []Oddity
	for i, field := range strings.Fields(s.expression) {
		unit := [...]struct {
			again, first string // what its first value alone means
			size         int
		}{{"at each full hour", "0, which is once an hour, or step in the next field: 0 */2 * * * is every two hours", 60},
			{"at midnight", "0, which is once a day, or step in the next field: 0 0 */2 * * is every other day", 24},
			{"with each month", "1, which is once a month", 0}, {"with each year", "1, which is once a year", 12}, {"with each Sunday", "0, which is once a week", 7}}[i]
		for _, token := range strings.Split(field, ",") {
			span, text, _ := strings.Cut(token, "/")
			step, err := strconv.Atoi(text)
			if err != nil || step < 2 {
				continue
			}
			if span != "*" {
				switch {
				case fieldsOf[i].onlyFirst(span, step):
					odd = append(odd, Oddity{fmt.Sprintf("%s: the step is larger than the range, so that only its first value is left", token), "name the values"})
				case span != "?" && !strings.Contains(span, "-"):
					meant := fmt.Sprintf("%s-%d/%d", span, fieldsOf[i].last(), step)
					odd = append(odd, Oddity{fmt.Sprintf("%s means %s: every %d from %s on; not every cron reads it so", token, meant, step, span), "write " + meant})
				}
				continue
			}
			switch {
			case unit.size > 0 && step >= unit.size, unit.size == 0 && step > 30:
				odd = append(odd, Oddity{fmt.Sprintf("%s: the step is larger than the %s field, so that only its first value is left", token, fieldsOf[i].name),
					"write " + unit.first})
			case unit.size == 0 || unit.size%step != 0:
				odd = append(odd, Oddity{fmt.Sprintf("%s: the count starts again %s, and the last span before it is shorter", token, unit.again), ""})
			}
		}
	}
	return odd
}

// mostTimes are enough for a schedule of every minute to show the gap of a week-end.
const mostTimes = 10_000

// LongestGap is the longest time between two times of the schedule that follow each other, on a clock that is never changed.
func (s *Schedule) LongestGap() (longest time.Duration) {
	at := s.nextOnClock(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	last := at.AddDate(horizon, 0, 0)
	for range mostTimes {
		next := s.nextOnClock(at)
		if next.IsZero() || at.After(last) {
			break
		}
		longest, at = max(longest, next.Sub(at)), next
	}
	return longest
}

// ClockChanges tells in one sentence at which changes of the zone's clock between two times the schedule would fire at a time that the
// clock skips or shows twice, and what happens then: the first of either kind. "" when it does not; a schedule of every hour never does.
func (s *Schedule) ClockChanges(from, to time.Time) string {
	if s.hourly() {
		return ""
	}
	var skips, repeats string
	for _, change := zoneBounds(from.In(s.loc)); !change.IsZero() && change.Before(to); _, change = zoneBounds(change) {
		_, old := change.Add(-time.Nanosecond).Zone()
		_, offset := change.Zone()
		before, then := wall(change, old), wall(change, offset)
		if then.After(before) && skips == "" {
			if fire := s.nextOnClock(before.Add(-time.Nanosecond)); !fire.IsZero() && fire.Before(then) {
				skips = fmt.Sprintf("skips %s: the run starts at %s, the first instant after it", onClock(fire), then.Format("15:04"))
			}
		}
		if then.Before(before) && repeats == "" {
			if fire := s.nextOnClock(then.Add(-time.Nanosecond)); !fire.IsZero() && fire.Before(before) {
				repeats = fmt.Sprintf("shows %s twice: the run starts once, the first time", onClock(fire))
			}
		}
	}
	told := skips
	if skips != "" && repeats != "" {
		told += ", and "
	}
	if told += repeats; told == "" {
		return ""
	}
	return "the clock of " + s.loc.String() + " " + told
}

func onClock(t time.Time) string { return t.Format("2006-01-02 15:04") }
