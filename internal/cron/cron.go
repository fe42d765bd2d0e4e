// Package cron reads cron expressions of five fields and tells when they fire, in a time zone whose clocks are put
// forward and back. robfig/cron parses; when a schedule fires is decided here, because its own rule skips a night in
// spring and runs one twice in autumn. The package starts nothing and knows no clock. Read Schedule, then Next.
package cron

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a cron expression in a time zone.
type Schedule struct {
	expression                  string
	loc                         *time.Location
	minute, hour, dom, mon, dow uint64 // a bit for each value that matches; star is set for a field that is *
}

// star is the bit by which the parser marks a field that is * or ?.
const star = 1 << 63

// Error is a mistake in an expression, with what to write instead.
type Error struct {
	Message string
	hint    string
}

func (e *Error) Error() string { return e.Message }

// Hint says what to write instead.
func (e *Error) Hint() string { return e.hint }

const fiveFields = "five fields: minute hour day-of-month month day-of-week, such as 0 2 * * * for two o'clock each night"

// descriptors are the names that stand for five fields.
var descriptors = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse reads an expression: five fields as crontab has them, where 7 is Sunday too, or @hourly, @daily, @weekly,
// @monthly and @yearly. A nil loc is UTC. Any error is an *Error.
func Parse(expression string, loc *time.Location) (*Schedule, error) {
	if loc == nil {
		loc = time.UTC
	}
	text := strings.TrimSpace(expression)
	if strings.HasPrefix(text, "@") {
		fields, known := descriptors[strings.ToLower(text)]
		if !known {
			return nil, unknownDescriptor(text)
		}
		text = fields
	}
	if err := unsupported(text); err != nil {
		return nil, err
	}
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return nil, wrongCount(len(fields))
	}
	for i, f := range fieldsOf {
		if err := f.check(fields[i]); err != nil {
			return nil, err
		}
	}
	fields[4] = foldSunday(fields[4])
	s, err := parse(strings.Join(fields, " "))
	if err != nil {
		return nil, &Error{fmt.Sprintf("cron expression %q: %v", expression, err), fiveFields}
	}
	return &Schedule{expression: text, loc: loc, minute: s.Minute, hour: s.Hour, dom: s.Dom, mon: s.Month, dow: s.Dow}, nil
}

// parse calls the parser, which panics on some texts.
func parse(text string) (s *cron.SpecSchedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it cannot be read")
		}
	}()
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		return nil, err
	}
	s, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("it has no fixed times")
	}
	return s, nil
}

func unknownDescriptor(text string) error {
	switch name, _, _ := strings.Cut(strings.ToLower(text), " "); name {
	case "@every":
		return &Error{"@every has no fixed times: they would depend on when the scheduler was started", "write the minutes or hours: */15 * * * * is every 15 minutes, 0 */6 * * * every 6 hours"}
	case "@reboot":
		return &Error{"@reboot is no time", "start such a run with millrace run, from systemd or cron"}
	}
	return &Error{fmt.Sprintf("%q stands for no schedule", text), "there are @hourly, @daily, @weekly, @monthly and @yearly"}
}

// unsupported tells of what other tools' expressions have and these have not.
func unsupported(text string) error {
	if strings.Contains(text, "TZ=") {
		return &Error{"a schedule holds no time zone", "write timezone: beside it, such as timezone: Europe/Berlin"}
	}
	names := "jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat"
	for _, field := range strings.Fields(text) {
		if strings.Contains(field, "#") {
			return &Error{fmt.Sprintf("%q: # (the nth weekday of a month) is not supported", field), "for the first Monday let the model or a check look at the date, or run each Monday"}
		}
		for _, word := range strings.FieldsFunc(strings.ToLower(field), func(r rune) bool { return r == ',' || r == '-' || r == '/' }) {
			switch letters := strings.Trim(word, "0123456789"); {
			case letters == "" || letters == "*" || letters == "?" || strings.Contains(names, letters) && len(letters) == 3:
			case letters == "l":
				return &Error{fmt.Sprintf("%q: L (the last) is not supported", field), "for a month's last day run on the first of the next, 0 0 1 * *: it sees the whole month"}
			case letters == "w" || letters == "lw":
				return &Error{fmt.Sprintf("%q: W (the nearest working day) is not supported", field), "run on working days, 0 2 * * 1-5"}
			case letters == "h":
				return &Error{fmt.Sprintf("%q: H is not supported", field), "write a time, and jitter: 10m beside it to spread starts"}
			}
		}
	}
	return nil
}

func wrongCount(n int) error {
	if n == 6 || n == 7 {
		return &Error{fmt.Sprintf("%d fields: the first would be seconds, and runs start on the minute at the most", n), "leave the first away: " + fiveFields}
	}
	return &Error{fmt.Sprintf("%d fields instead of five", n), fiveFields}
}

// foldSunday writes days of the week that say 7, which crontab users do and the parser refuses, with 0.
func foldSunday(field string) string {
	tokens := strings.Split(field, ",")
	for i, token := range tokens {
		span, stepText, stepped := strings.Cut(token, "/")
		fromText, toText, ranged := strings.Cut(span, "-")
		from, err := strconv.Atoi(fromText)
		to := from
		if err == nil && ranged {
			to, err = strconv.Atoi(toText)
		}
		step := 1
		if err == nil && stepped {
			step, err = strconv.Atoi(stepText)
		}
		if err != nil || to != 7 || from > to || from < 0 || step < 1 {
			continue
		}
		var days []string
		for d := from; d <= to; d += step {
			days = append(days, strconv.Itoa(d%7))
		}
		slices.Sort(days)
		tokens[i] = strings.Join(slices.Compact(days), ",")
	}
	return strings.Join(tokens, ",")
}

// Location is the zone of the schedule.
func (s *Schedule) Location() *time.Location { return s.loc }

// hourly says whether the schedule fires in every hour of a day: such schedules follow the hours that pass, others the
// hands of the clock.
func (s *Schedule) hourly() bool { const all = 1<<24 - 1; return s.hour&all == all }
