package cron

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// oracle gives the fire times of schedules of one zone by looking at each UTC minute: a second implementation of the rule
// of Next that shares nothing with it but the fields.
func oracle(schedules []*Schedule, from, to time.Time) [][]time.Time {
	fires := make([][]time.Time, len(schedules))
	var high time.Time // the greatest that the clock has shown, as if it were UTC
	for t := from.Add(-50 * time.Hour); t.Before(to); t = t.Add(time.Minute) {
		local := t.In(schedules[0].loc)
		shown := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
		for i, s := range schedules {
			fire := matches(s, shown) && (everyHour(s) || shown.After(high))
			for skipped := high.Add(time.Minute); !high.IsZero() && skipped.Before(shown); skipped = skipped.Add(time.Minute) {
				fire = fire || matches(s, skipped)
			}
			if fire && t.After(from) {
				fires[i] = append(fires[i], t)
			}
		}
		if shown.After(high) {
			high = shown
		}
	}
	return fires
}

func matches(s *Schedule, shown time.Time) bool {
	on := func(field uint64, value int) bool { return field>>uint(value)&1 == 1 }
	if !on(s.minute, shown.Minute()) || !on(s.hour, shown.Hour()) || !on(s.mon, int(shown.Month())) {
		return false
	}
	dom, dow := on(s.dom, shown.Day()), on(s.dow, int(shown.Weekday()))
	if on(s.dom, 63) || on(s.dow, 63) {
		return dom && dow
	}
	return dom || dow
}

func everyHour(s *Schedule) bool {
	for h := range 24 {
		if s.hour>>uint(h)&1 == 0 {
			return false
		}
	}
	return true
}

var nightly = []string{"30 2 * * *", "30 1 * * *", "0 0 * * *", "*/15 0-3 * * *", "45 1,2 * * 0", "30 * * * *", "0 3 1,15 * 1", "59 23 * * *"}

func compare(t *testing.T, zone string, from, to time.Time) {
	t.Helper()
	var schedules []*Schedule
	for _, expression := range nightly {
		schedules = append(schedules, schedule(t, expression, zone))
	}
	for i, fires := range oracle(schedules, from, to) {
		s, at := schedules[i], from
		for _, want := range fires {
			if at = s.Next(at); !at.Equal(want) {
				t.Errorf("%s in %s: %v, want %v", s.expression, zone, at, want.In(s.loc))
				break
			}
		}
		if at = s.Next(at); !t.Failed() && !at.IsZero() && at.Before(to) {
			t.Errorf("%s in %s: %v is one too many", s.expression, zone, at)
		}
	}
}

// TestYear lives through more than a year of schedules in zones with awkward rules, and through changes of the past that were odder still.
func TestYear(t *testing.T) {
	for _, zone := range []string{"America/New_York", "Europe/Dublin", "Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "Antarctica/Troll", "America/Havana"} {
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		compare(t, zone, from, from.AddDate(0, 14, 0))
	}
	for zone, year := range map[string]int{"Pacific/Apia": 2011, "America/Sao_Paulo": 2018, "Asia/Pyongyang": 2015, "America/Caracas": 2016, "Asia/Kathmandu": 1985, "Pacific/Kwajalein": 1993} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		_, change := time.Date(year, 1, 1, 0, 0, 0, 0, loc).ZoneBounds()
		compare(t, zone, change.AddDate(0, 0, -40), change.AddDate(0, 0, 40))
	}
}

// TestEndOfLeapYear: a schedule goes on beyond the last day of a leap year, whichever year it is that Go knows zones by their rules from.
func TestEndOfLeapYear(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"} {
		for _, year := range []int{2028, 2040, 2096} {
			from := time.Date(year, 12, 29, 0, 0, 0, 0, time.UTC)
			compare(t, zone, from, from.AddDate(0, 0, 6))
		}
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse("30 2 29 2 *", loc)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2040, 3, 1, 0, 0, 0, 0, time.UTC)
		if next := s.Next(at); next.Year() != 2044 || next.Day() != 29 {
			t.Errorf("%s: %v", zone, next)
		}
		if told := s.ClockChanges(at, at.AddDate(2, 0, 0)); told != "" {
			t.Errorf("%s: %s", zone, told)
		}
	}
}

// TestEveryZone looks at the days around each change of every zone's clock in the years to come; at that of zones that change alike once.
func TestEveryZone(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range zoneNames(t) {
		loc, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, loc)
		for _, change := at.ZoneBounds(); !change.IsZero() && change.Year() < 2028; _, change = change.ZoneBounds() {
			if alike := fmt.Sprint(change.Unix(), change.Add(-1).Format("-0700"), change.Format("-0700")); !seen[alike] {
				seen[alike] = true
				compare(t, name, change.AddDate(0, 0, -1), change.AddDate(0, 0, 2))
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d changes", len(seen))
	}
}

// zoneNames are the names in the zone data of the Go toolchain, or of the system where that has none. Some may be of no zone.
func zoneNames(t *testing.T) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	data := os.DirFS("/usr/share/zoneinfo")
	if zipped, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip")); err == nil {
		defer zipped.Close()
		data = zipped
	}
	var names []string
	err = fs.WalkDir(data, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(path, "right/") { // those count leap seconds
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatalf("there is no zone data: %v", err)
	}
	return names
}
