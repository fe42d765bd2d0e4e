package serve

import (
	"testing"
	"time"

	"github.com/millrace/millrace/models"
)

func TestSpanWords(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Hour: "0 ms", 0: "0 ms", 40 * time.Millisecond: "40 ms", 2300 * time.Millisecond: "2.3 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min 1 s",
		11*time.Minute + 5*time.Second: "11 min", time.Hour: "1 h", 26*time.Hour + 59*time.Minute: "1 d 2 h", 1000 * time.Hour: "41 d 16 h"} {
		if got := spanWords(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 kB", 144874: "141 kB", 5 << 30: "5.0 GB", 1 << 62: "4.0 EB"} {
		if got := sizeWords(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestZoneOf(t *testing.T) {
	in := func(zones ...string) string {
		var all []*models.Pipeline
		for _, z := range zones {
			all = append(all, &models.Pipeline{Timezone: z})
		}
		return zoneOf(all).String()
	}
	if got := in(); got != "UTC" {
		t.Errorf("without pipelines %s", got)
	}
	if got := in("Asia/Tokyo", "Europe/Berlin", "Europe/Berlin"); got != "Europe/Berlin" {
		t.Errorf("the most common is %s", got)
	}
	if a, b := in("Asia/Tokyo", "Europe/Berlin"), in("Europe/Berlin", "Asia/Tokyo"); a != b {
		t.Errorf("%s or %s, as the order has it", a, b)
	}
}

// TestAxis draws a night in which the clock is put back: the hour that comes twice has two ticks, and none is missing.
func TestAxis(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	a := axis{time.Date(2026, 10, 24, 10, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 10, 0, 0, 0, time.UTC)}
	var labels []string
	for _, tick := range a.hours(3, berlin) {
		labels = append(labels, tick.Label)
	}
	if got, want := len(labels), 8; got != want || labels[3] != "21:00" || labels[4] != "Sun 25" || labels[5] != "03:00" || labels[7] != "09:00" {
		t.Errorf("ticks %q", labels)
	}
	begin := a.from
	for _, c := range []struct {
		from, to time.Duration
		x, w     string
		ok       bool
	}{
		{6 * time.Hour, 12 * time.Hour, "25.00%", "25.00%", true},
		{-2 * time.Hour, 6 * time.Hour, "0.00%", "25.00%", true},   // it began before
		{18 * time.Hour, 30 * time.Hour, "75.00%", "25.00%", true}, // it goes on
		{12 * time.Hour, 12 * time.Hour, "50.00%", "0.40%", true},  // it took no time
		{24 * time.Hour, 24 * time.Hour, "99.60%", "0.40%", true},  // at the very end
		{-3 * time.Hour, -time.Hour, "", "", false},                // before
		{25 * time.Hour, 26 * time.Hour, "", "", false},            // after
	} {
		b, ok := a.bar(begin.Add(c.from), begin.Add(c.to), "", "", "")
		if ok != c.ok || b.X != c.x || b.W != c.w {
			t.Errorf("%s to %s is at %s, %s wide, %v; want %s, %s, %v", c.from, c.to, b.X, b.W, ok, c.x, c.w, c.ok)
		}
	}
}
