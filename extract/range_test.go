package extract

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestRangeDays: days follow the calendar, also where one has 23 or 25 hours, and the last slice ends with the range.
func TestRangeDays(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ from, to, slice, want string }{
		"spring":      {"2026-03-28", "2026-03-31", "", "03-27T23 03-28T23 03-29T22 03-30T22"},
		"autumn":      {"2026-10-24", "2026-10-27", "1d", "10-23T22 10-24T22 10-25T23 10-26T23"},
		"noon":        {"2026-10-24T12:00", "2026-10-26", "1d", "10-24T10 10-25T11 10-25T23"},
		"hours":       {"2026-10-25T02:00", "2026-10-25T04:00", "1h", "10-25T00 10-25T01 10-25T02 10-25T03"},
		"weeks":       {"2026-10-20", "2026-11-01", "1w", "10-19T22 10-26T23 10-31T23"},
		"offset":      {"2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00Z", "", "10-23T22 10-24T22 10-25T00"},
		"up to now":   {"2026-11-25", "", "1d", "11-24T23 11-25T23 11-26T23 11-27T12"},
		"in one go":   {"2026-11-25", "2026-11-26", "100d", "11-24T23 11-25T23"},
		"ends inside": {"2026-11-25", "2026-11-26T06:00", "1d", "11-24T23 11-25T23 11-26T05"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRange(c.from, c.to, c.slice, berlin, now)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range r.Moments {
				got = append(got, m.UTC().Format("01-02T15"))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestRangeNumbers(t *testing.T) {
	for name, c := range map[string]struct{ from, to, slice, until, want string }{
		"slices":        {"0", "250", "100", "1000", "0 100 200 250"},
		"one":           {"5", "250", "", "1000", "5 250"},
		"cut":           {"0", "250", "100", "120", "0 100 120"},
		"open":          {"-100", "", "100", "50", "-100 0 50"},
		"open, in one":  {"1", "", "", "50", "1 50"},
		"all beyond":    {"60", "90", "10", "50", ""},
		"with fraction": {"0.5", "2", "0.75", "9", "0.5 1.25 2"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRange(c.from, c.to, c.slice, time.UTC, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			until, _ := new(big.Rat).SetString(c.until)
			edges, _, err := r.Numbers(until)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range edges {
				got = append(got, NumberText(n))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got %s, want %s", text, c.want)
			}
		})
	}
}

func TestRangeRefused(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ from, to, slice, field, says string }{
		{"yesterday", "", "", "from", "no date, time or number"},
		{"2026-13-01", "", "", "from", "no date, time or number"},
		{"2026-02-01", "2026-01-01", "", "to", "nothing lies from"},
		{"2026-02-01", "2026-02-01", "", "to", "nothing lies from"},
		{"2027-02-01", "", "", "from", "has not come yet"},
		{"2026-01-01", "100", "", "to", "no date, time or number"},
		{"2026-01-01", "", "0d", "slice", "no span of time"},
		{"2026-01-01", "", "often", "slice", "no span of time"},
		{"2026-01-01", "", "1m", "slice", "more than 10000 slices"},
		{"1", "x", "", "to", "no number"},
		{"1", "1", "", "to", "nothing lies from"},
		{"1", "10", "0", "slice", "no size"},
		{"1", "10", "1d", "slice", "no number"},
		{"0", "10001", "1", "slice", "more than 10000 slices"},
	} {
		_, err := ParseRange(c.from, c.to, c.slice, time.UTC, now)
		wrong := (*RangeError)(nil)
		if !errors.As(err, &wrong) || wrong.Field != c.field || !strings.Contains(err.Error(), c.says) || wrong.Next == "" {
			t.Errorf("from %q to %q by %q: %v", c.from, c.to, c.slice, err)
		}
	}
	if _, err := ParseRange("0", "10000", "1", time.UTC, now); err != nil {
		t.Error(err)
	}
}
