package cron

import "time"

// Next is the first time after the given one at which the schedule fires, the zero time when it never does.
//
// Where clocks are put forward, a time that the clock skips fires at the first instant after the gap. Where they are put
// back, a time that the clock shows twice fires once, when it is shown first; a schedule that fires in every hour fires in
// each hour that passes. So each call gives a later time than the one before, and no time of the clock is lost.
func (s *Schedule) Next(after time.Time) time.Time {
	for at := after.In(s.loc); ; {
		start, end := zoneBounds(at)
		_, offset := at.Zone()
		from := wall(at, offset) // the clock's hands, as if they were UTC: in between two changes they only go forward
		if !s.hourly() {
			if shown := shownBefore(start); from.Before(shown) {
				from = shown.Add(-time.Nanosecond)
			}
		}
		next := s.nextOnClock(from)
		if next.IsZero() {
			return time.Time{}
		}
		if fire := next.Add(-time.Duration(offset) * time.Second); end.IsZero() || fire.Before(end) {
			return fire.In(s.loc)
		}
		// Nothing more fires before the clock is changed. At the change itself fires what the clock skips, and what it says then.
		_, changed := end.Zone()
		before, then := wall(end, offset), wall(end, changed)
		skipped := latest(before, shownBefore(start)).Add(-time.Nanosecond)
		if made := s.nextOnClock(skipped); !made.IsZero() && made.Before(then) {
			return end.In(s.loc)
		}
		if s.firesAt(end, changed) {
			return end.In(s.loc)
		}
		at = end
	}
}

// firesAt says whether the schedule fires at the instant of a change of the clock by the new time.
func (s *Schedule) firesAt(change time.Time, offset int) bool {
	then := wall(change, offset)
	if !s.hourly() && then.Before(shownBefore(change)) {
		return false
	}
	return s.nextOnClock(then.Add(-time.Nanosecond)).Equal(then)
}

// zoneBounds is Time.ZoneBounds, whose end has passed already on the last day of a leap year, in UTC, where the zone's rule for times to come
// holds (golang/go#81583). The clock does not change then, nor at the end of that day.
func zoneBounds(at time.Time) (start, end time.Time) {
	start, end = at.ZoneBounds()
	if !end.IsZero() && !end.After(at) {
		end = end.Add(24 * time.Hour)
	}
	return start, end
}

// wall is what the clock shows at an instant, written as a time in UTC.
func wall(t time.Time, offset int) time.Time {
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// shownBefore is the end of what the clock had shown before it was changed at this instant. Changes more than two days
// back do not matter: no clock was ever put back by so much.
func shownBefore(change time.Time) time.Time {
	var shown time.Time
	for oldest := change.Add(-48 * time.Hour); !change.IsZero() && change.After(oldest); {
		before := change.Add(-time.Nanosecond)
		_, offset := before.Zone()
		shown = latest(shown, wall(change, offset))
		change, _ = before.ZoneBounds()
	}
	return shown
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// horizon is how far nextOnClock looks: the 29th of February may be eight years away.
const horizon = 9

// nextOnClock is the first minute after the given one that the fields match, on a clock that is never changed.
func (s *Schedule) nextOnClock(after time.Time) time.Time {
	t := after.Truncate(time.Minute).Add(time.Minute)
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	from := t.Hour()*60 + t.Minute()
	for last := day.Year() + horizon; day.Year() <= last; from = 0 {
		if s.mon&(1<<uint(day.Month())) == 0 {
			day = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if s.onDay(day) {
			if minute := s.minuteFrom(from); minute >= 0 {
				return day.Add(time.Duration(minute) * time.Minute)
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// onDay is crontab's rule: when both fields of days say something, either is enough.
func (s *Schedule) onDay(day time.Time) bool {
	dom, dow := s.dom&(1<<uint(day.Day())) != 0, s.dow&(1<<uint(day.Weekday())) != 0
	if s.dom&star != 0 || s.dow&star != 0 {
		return dom && dow
	}
	return dom || dow
}

// minuteFrom is the first minute of a day, from the given one, that matches; -1 when none does.
func (s *Schedule) minuteFrom(from int) int {
	for h, m := from/60, from%60; h < 24; h, m = h+1, 0 {
		if s.hour&(1<<uint(h)) == 0 {
			continue
		}
		for ; m < 60; m++ {
			if s.minute&(1<<uint(m)) != 0 {
				return h*60 + m
			}
		}
	}
	return -1
}
