package cron

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func schedule(t testing.TB, expression, zone string) *Schedule {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(expression, loc)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return s
}

// TestNext names the nights that schedulers get wrong.
func TestNext(t *testing.T) {
	for _, c := range []struct{ expression, zone, after, want string }{
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00 2026-03-09T02:30:00-04:00"},
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00", "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00"},
		{"0 * * * *", "America/New_York", "2026-11-01T00:30:00-04:00", "2026-11-01T01:00:00-04:00 2026-11-01T01:00:00-05:00 2026-11-01T02:00:00-05:00"},
		{"0 * * * *", "America/New_York", "2026-03-08T00:30:00-05:00", "2026-03-08T01:00:00-05:00 2026-03-08T03:00:00-04:00 2026-03-08T04:00:00-04:00"},
		{"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00+02:00", "2026-04-24T01:00:00+03:00 2026-04-25T00:00:00+03:00"},
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", "2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00"},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29T13:00:00-10:00", "2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00"},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00", "2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30"},
		{"30 1 * * *", "Antarctica/Troll", "2026-03-28T12:00:00+00:00", "2026-03-29T03:00:00+02:00 2026-03-30T01:30:00+02:00"},
		{"30 1 * * *", "Europe/Dublin", "2026-10-24T12:00:00+01:00", "2026-10-25T01:30:00+01:00 2026-10-26T01:30:00Z"},
		{"0 2 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00+05:45", "2026-01-01T02:00:00+05:45"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"0 0 * * 7", "UTC", "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z 2026-12-06T00:00:00Z"},
		{"0 0 13 * 5", "UTC", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z 2026-12-11T00:00:00Z 2026-12-13T00:00:00Z"},
	} {
		s := schedule(t, c.expression, c.zone)
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range strings.Fields(c.want) {
			at = s.Next(at)
			if got := at.Format(time.RFC3339); got != want {
				t.Errorf("%s in %s: %s, want %s", c.expression, c.zone, got, want)
			}
		}
	}
}

func TestParse(t *testing.T) {
	for expression, want := range map[string]string{
		"TZ=UTC * * * * *": "timezone:", "CRON_TZ=": "timezone:", "TZ=": "timezone:", "@every 5m": "*/15", "@reboot": "systemd", "@often": "@hourly",
		"0 0 2 * * *": "leave the first", "* * * *": "five fields", "0 0 L * *": "0 0 1 * *", "0 0 15W * *": "1-5", "0 0 * * 1#1": "Monday",
		"H 2 * * *": "jitter", "60 * * * *": "0 to 59", "": "five fields", "0 0 * * 8": "0 to 7", "*/0 * * * *": "*/5", "5-1 * * * *": "5-59,0-1", "0 2 * JANUARY *": "write JAN", "0 2 * * -1": "0 to 7, or a name from SUN",
		"0 2 * * FRI-MON": "write FRI,SAT,SUN,MON", "0 2 * nov-feb *": "NOV,DEC,JAN,FEB", "0 2 * * 6-1": "6-6,0-1", "0 22-4 * * *": "22-23,0-4", "? * * * *": "write *", "1,,2 * * * *": "one comma",
		", * * * *": "one comma", "+1 * * * *": "0 to 59", "1-2-3 * * * *": "0 to 59", "1/2/3 * * * *": "*/5", "*-5 * * * *": "0 to 59", "99999999999999999999 * * * *": "0 to 59", "0 0 0 * *": "1 to 31",
	} {
		_, err := Parse(expression, nil)
		var mistake *Error
		if !errors.As(err, &mistake) || !strings.Contains(mistake.Hint(), want) {
			t.Errorf("%q: %v, want a hint that says %q", expression, err, want)
		}
	}
	for expression, same := range map[string]string{"0 0 * * 7": "0 0 * * 0", "0 0 * * 5-7": "0 0 * * 0,5,6", "0 0 * * 1-7/2": "0 0 * * 0,1,3,5", "@hourly": "0 * * * *", "0 2 * jan MON": "0 2 * 1 1"} {
		a, b := schedule(t, expression, "UTC"), schedule(t, same, "UTC")
		a.expression, b.expression = "", ""
		if *a != *b {
			t.Errorf("%s is not %s", expression, same)
		}
	}
}

func TestOdd(t *testing.T) {
	for expression, want := range map[string]string{
		"0 0 30 2 *": "never fires", "0 0 29 2 *": "leap years", "*/90 * * * *": "only its first value", "0 0 13 * 5": "either matches", "*/7 * * * *": "starts again at each full hour",
		"0-59/61 * * * *": "only its first value", "5/60 * * * *": "only its first value", "5/10 * * * *": "5/10 means 5-59/10", "5-59/10 * * * *": "", "0 2 * * 1/2": "1-6/2", "0 */24 * * *": "once a day", "0 0 * */12 *": "once a year", "0 9-17/2 * * *": "", "0 */5 * * *": "at midnight", "0 0 */2 * *": "each month", "0 2 * * *": "", "*/15 * * * *": "", "0 0 31 * *": "", "0 0 * * 7": "",
	} {
		odd := fmt.Sprint(schedule(t, expression, "UTC").Odd())
		if want == "" && odd != "[]" || !strings.Contains(odd, want) {
			t.Errorf("%s: %s, want %q", expression, odd, want)
		}
	}
	for expression, want := range map[string]time.Duration{"0 2 * * *": 24 * time.Hour, "* 9-16 * * MON-FRI": 64*time.Hour + time.Minute, "0 0 1 * *": 31 * 24 * time.Hour, "0 0 30 2 *": 0} {
		if got := schedule(t, expression, "Europe/Berlin").LongestGap(); got != want {
			t.Error(expression, got)
		}
	}
	from := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	got := schedule(t, "30 2 * * *", "Europe/Berlin").ClockChanges(from, from.AddDate(2, 0, 0))
	const want = "the clock of Europe/Berlin skips 2027-03-28 02:30: the run starts at 03:00, the first instant after it, and shows 2027-10-31 02:30 twice: the run starts once, the first time"
	if got != want {
		t.Errorf("%q", got)
	}
	if got := schedule(t, "30 4 * * *", "Europe/Berlin").ClockChanges(from, from.AddDate(2, 0, 0)); got != "" {
		t.Errorf("%q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0 2 * * *", "*/7 1-5,9 ? JAN-mar 5-7/2", "TZ=", "@daily", "0 0 30 2 *", "1-7/0 * * * *"} {
		f.Add(s)
	}
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, loc)
		if err != nil {
			return
		}
		s.Odd()
		at := time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)
		for range 5 {
			next := s.Next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: %v after %v", text, next, at)
			}
			at = next
		}
	})
}
