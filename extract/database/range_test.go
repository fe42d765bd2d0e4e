package database

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/extract"
)

// TestPlanRange: slices meet without a gap in the values of each class of cursor, and end at the cursor.
func TestPlanRange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		class                         Class
		from, to, slice, mark, covers string
		slices                        string
		says                          string
	}{
		"moments, summer ends": {Moments, "2026-10-24", "2026-10-27", "1d", "2026-11-01 00:00:00+00", "2026-10-23 22:00:00 2026-10-26 23:00:00",
			"2026-10-23T22:00:00 2026-10-24T22:00:00 2026-10-25T23:00:00", ""},
		"wall clock, summer ends": {LocalMoments, "2026-10-25T01:00", "2026-10-25T04:00", "30m", "2026-11-01 00:00:00", "2026-10-25 01:00:00 2026-10-25 04:00:00",
			"2026-10-25T01:00:00 2026-10-25T01:30:00 2026-10-25T02:00:00 2026-10-25T02:30:00 2026-10-25T03:00:00 2026-10-25T03:30:00", ""},
		"days":            {Days, "2026-10-24", "2026-10-27", "12h", "2026-11-01", "2026-10-24 2026-10-27", "2026-10-24 2026-10-25 2026-10-26", ""},
		"cut":             {Moments, "2026-10-24T00:00:00Z", "2026-10-27", "1d", "2026-10-25 10:00:00.5+00", "2026-10-24 00:00:00 2026-10-25 10:00:00.5", "2026-10-24T00:00:00 2026-10-25T01:00:00", "ends at the cursor"},
		"beyond":          {Days, "2026-10-24", "2026-10-27", "1d", "2026-10-24", "", "", "the next run reads it"},
		"beyond, no end":  {Days, "2026-10-24", "", "1d", "2026-10-24", "", "", "the range begins beyond the cursor at of erp.c, which stands at 2026-10-24"},
		"numbers, beyond": {Numbers, "100", "", "", "100", "", "", "which stands at 100, and without --to it ends there"},
		"nothing read":    {Moments, "2026-10-24", "2026-10-27", "1d", "", "", "", "no run has moved the cursor"},
		"numbers":         {Numbers, "0", "250", "100", "1000", "0 250", "0 100 200", ""},
		"numbers, cut":    {Numbers, "0", "", "100", "120", "0 120", "0 100", "ends at the cursor"},
		"not of numbers":  {Numbers, "2026-10-24", "2026-10-27", "", "100", "", "", "the cursor at of erp.c is a number, 100, and the range is one of dates"},
		"not of dates":    {Days, "1", "2", "", "2026-10-24", "", "", "the cursor at of erp.c is a date or a time, 2026-10-24, and"},
		"mark of no date": {Days, "2026-10-24", "2026-10-27", "", "yesterday", "", "", "stands at"},
	} {
		t.Run(name, func(t *testing.T) {
			st := extract.Stream{Node: "erp.c", Cursor: "at"}
			if st.Range, err = extract.ParseRange(c.from, c.to, c.slice, berlin, time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)); err != nil {
				t.Fatal(err)
			}
			w := &extract.Window{Hi: "unmoved"}
			var ids, edges []string
			err := PlanRange(w, st, c.class, extract.Cursor(c.mark), nil, func(id, lo, hi string) {
				if len(edges) > 0 && edges[len(edges)-1] != lo {
					t.Errorf("a gap between %s and %s", edges[len(edges)-1], lo)
				}
				ids, edges = append(ids, id), append(edges, hi)
			})
			said := strings.Join(w.Notes, " ")
			if err != nil {
				said = err.Error()
			}
			if got := strings.Join(ids, " "); got != c.slices || !strings.Contains(said, c.says) || c.says == "" && said != "" {
				t.Errorf("slices %s, said %q", got, said)
			}
			if covers := w.Covers; covers != nil && covers.From+" "+covers.To != c.covers || covers == nil && c.covers != "" {
				t.Errorf("covers %v", covers)
			}
		})
	}
}
