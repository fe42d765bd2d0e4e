package serve

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// Names as people give them who were never told that somebody reads them on a phone.
const (
	uglyPipeline = "nightly_load_of_everything_that_the_subsidiaries_have_sent_since_yesterday"
	uglyModel    = "fct_customer_orders_with_line_items_and_returns_joined_to_daily_exchange_rates"
	uglyTable    = "main." + uglyModel
)

// uglyProject is one that is harmless and hard to show: long names, a table of 60 columns, errors of 2,000 characters.
func uglyProject(t *testing.T) *shopfront {
	t.Helper()
	var sql, columns strings.Builder
	sql.WriteString("{{ config(materialized='table') }} SELECT i AS id")
	for i := range 60 {
		name := fmt.Sprintf("amount_in_the_currency_of_the_subsidiary_%02d", i)
		fmt.Fprintf(&sql, ", repeat('a long value without end ', %d) || i AS %s", i%12, name)
		if i%9 == 0 {
			fmt.Fprintf(&columns, "      - { name: %s, description: %q, tags: [pii] }\n", name, strings.Repeat("What the subsidiary understands by it. ", 10))
		}
	}
	sql.WriteString(" FROM range(30) r(i)")
	s := runProject(t, map[string]string{
		"millrace.yml":                 "name: consolidated-reporting-of-the-whole-group-and-its-subsidiaries\npipelines:\n  " + uglyPipeline + ": { schedule: \"0 2 * * *\", freshness: 1h, owner: the-team-that-was-renamed-twice@a-subsidiary.example.com }\n",
		"models/" + uglyModel + ".sql": sql.String(),
		"models/after.sql":             "SELECT * FROM {{ ref('" + uglyModel + "') }}",
		"models/schema.yml":            "models:\n  - name: " + uglyModel + "\n    tags: [finance, subsidiaries, month-end-closing, do-not-touch-before-the-audit]\n    columns:\n" + columns.String(),
	})
	long := strings.Repeat("Conversion Error: Could not convert string 'n/a' to DECIMAL(18,2) when casting from source column; ", 21)[:2000]
	steps := []journal.Step{{Node: uglyTable, Kind: "model", Status: journal.ChecksFailed, Error: long, Hint: long, Rows: 123_456_789_012, Notes: []string{long}},
		{Node: "main.after", Kind: "model", Status: journal.UpstreamFailed, Error: uglyTable + " failed"}}
	result := check.Result{Node: uglyTable, Name: "accepted_values_amount_in_the_currency_of_the_subsidiary_00_only_known_ones", Kind: "accepted_values", Severity: models.SeverityError, Status: check.StatusFail, Failing: 123_456_789, Checked: 123_456_789_012, Message: long, SQL: long}
	s.broken = s.invent(uglyPipeline, morning.Add(-time.Hour), time.Minute, journal.Failed, steps, map[string][]check.Result{uglyTable: {result}})
	s.must(s.j.AddEvent(t.Context(), journal.Event{At: morning, Kind: "reload_refused", By: "somebody-with-a-long-name@a-subsidiary.example.com", Pipeline: uglyPipeline, Run: s.broken, Text: long}))
	s.refused = long
	s.open()
	return s
}

// TestUglyDataInABrowser shows what is hard to show in windows of a phone, a tablet and a desk: no page is wider than its window, and what
// is wider scrolls by itself and says so.
func TestUglyDataInABrowser(t *testing.T) {
	tab := browser(t)
	s := uglyProject(t)
	heard := watch(t, tab, s.srv.URL, s.operator)
	for name, path := range map[string]string{"overview": "/", "runs": "/runs", "run": "/runs/" + s.broken, "schedules": "/schedules", "pipeline": "/pipelines/" + uglyPipeline, "tables": "/tables", "table": "/tables/" + uglyTable,
		"profile": "/tables/" + uglyTable + "/profile", "profile-more": "/tables/" + uglyTable + "/profile?from=60", "lineage": "/lineage", "checks": "/checks", "quarantine": "/quarantine", "events": "/events",
		"check": "/check?" + url.Values{"table": {uglyTable}, "check": {"accepted_values_amount_in_the_currency_of_the_subsidiary_00_only_known_ones"}}.Encode()} {
		for _, as := range []struct {
			width  int64
			scheme string
		}{{360, "light"}, {360, "dark"}, {768, "light"}, {1280, "light"}, {1280, "dark"}} {
			visit(t, tab, s.srv.URL+path, as.width, as.scheme)
			if over := eval[float64](t, tab, tooWide); over > 0 {
				t.Errorf("%s: at %d px the page is %v px too wide: %s", name, as.width, over, eval[string](t, tab, widest))
			}
			picture(t, tab, fmt.Sprintf("ugly-%s-%d-%s", name, as.width, as.scheme))
		}
		if all := heard.take(); len(all) > 0 {
			t.Errorf("%s: %q", name, all)
		}
	}
}
