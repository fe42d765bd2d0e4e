package serve

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// evil is what may stand in data, and in names and messages: each of it has broken out of somebody's page.
var evil = []string{
	`<script>document.title='pwned'</script>`,
	`<img src=x onerror="document.title='pwned'">`,
	`"><svg onload="document.title='pwned'">`,
	`'><iframe src="http://evil.example/"></iframe>`,
	`" autofocus onfocus="document.title='pwned'" x="`,
	`</title></textarea></style></script><script src=http://evil.example/x.js></script>`,
	`javascript:document.title='pwned'`,
	`{{.Data}} ${document.title='pwned'} <%= 1 %>`,
	`" hx-get="http://evil.example/" hx-trigger="load" x="`,
	`<div hx-on:load="document.title='pwned'" hx-get="/logout" hx-trigger="load">`,
	`<a href="javascript:document.title='pwned'">x</a><meta http-equiv=refresh content="0;url=http://evil.example/">`,
	"line\nnext\x00\x1b[31m\u202egnp.exe\u2028\ufeff 中文 🜁",
	strings.Repeat("W", 3000),
}

var allEvil = strings.Join(evil, " ")

// hostileProject is a project whose table, columns, values and descriptions are evil, run for real, with a journal to match.
func hostileProject(t *testing.T) *shopfront {
	t.Helper()
	yamlText := func(s string) string {
		return fmt.Sprintf("%q", strings.NewReplacer("\x00", "", "${", "$${").Replace(s))
	}
	var columns, values []string
	for i, e := range evil[:len(evil)-2] {
		columns = append(columns, `"`+strings.ReplaceAll(e, `"`, `""`)+fmt.Sprint(i)+`"`)
		values = append(values, "'"+strings.ReplaceAll(e, "'", "''")+"'")
	}
	var sql strings.Builder
	sql.WriteString("{% raw %}SELECT 1 AS id")
	for i := range columns {
		sql.WriteString(", " + values[i] + " AS " + columns[i])
	}
	sql.WriteString("{% endraw %}")
	s := runProject(t, map[string]string{
		"millrace.yml":      "name: hostile\npipelines:\n  nightly: { schedule: \"0 2 * * *\", owner: " + yamlText(evil[1]) + " }\n",
		"models/a.sql":      sql.String(),
		"models/b.sql":      "SELECT * FROM {{ ref('a') }}",
		"models/schema.yml": "models:\n  - name: a\n    description: " + yamlText(allEvil[:2000]) + "\n    columns:\n      - { name: id, description: " + yamlText(evil[0]+evil[4]) + ", tags: [" + yamlText(evil[2]) + "] }\n",
	})
	s.hostileJournal()
	s.open()
	return s
}

// runProject runs a project of these files for real, two hours before the morning.
func runProject(t *testing.T, files map[string]string) *shopfront {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &shopfront{t: t, now: morning.Add(-2 * time.Hour)}
	s.e = openEngine(t, dir, func() time.Time { return s.now })
	s.j = s.e.Journal
	nodes, err := s.e.Project.Select(nil, nil)
	s.must(err)
	r, err := s.e.Run(t.Context(), pipeline.Request{Nodes: nodes})
	s.must(err)
	if r.Run.Status != journal.Succeeded {
		t.Fatalf("%+v", r.Steps)
	}
	s.last = r.Run.ID
	s.now = morning
	return s
}

func (s *shopfront) hostileJournal() {
	text := func(v string) *string { return &v }
	broken := allEvil + "\xff\xfe"
	result := func(name string, status check.Status) check.Result {
		return check.Result{Node: "main.a", Name: name, Kind: evil[0], Columns: evil, Severity: models.Severity(evil[3]), Status: status, Failing: 3, Checked: 9, Expected: evil[2], Message: broken, Threshold: evil[4], SQL: allEvil,
			Description: allEvil, Owner: evil[1], Tags: evil, Pos: evil[2], Sample: &check.Sample{Columns: evil, Rows: [][]*string{{text(broken), nil, text(evil[0])}}}}
	}
	steps := []journal.Step{{Node: "main.a", Kind: evil[0], Status: journal.Failed, Error: broken, Hint: allEvil, Notes: evil}, {Node: "main.b", Kind: "model", Status: journal.UpstreamFailed, Error: "main.a failed " + allEvil}}
	s.broken = s.invent("nightly", morning.Add(-time.Hour), time.Minute, journal.Failed, steps, map[string][]check.Result{"main.a": {result(evil[0], check.StatusFail), result(evil[4], check.StatusWarn), result(evil[1], check.StatusPass)}})
	ctx := s.t.Context()
	s.must(s.j.Pause(ctx, journal.Pause{Pipeline: "nightly", Since: morning.Add(-time.Minute), By: evil[0], Reason: allEvil}))
	s.must(s.j.AddEvent(ctx, journal.Event{At: morning, Kind: evil[1], By: evil[2], Pipeline: evil[3], Run: evil[4], Text: broken}))
	for i, e := range evil {
		_, err := s.j.AddFiring(ctx, journal.Firing{ID: fmt.Sprint("f", i), Pipeline: "nightly", LogicalTime: morning.Add(time.Duration(i) * time.Second), Trigger: journal.Trigger(e), State: journal.FiringWaiting, Reason: e, By: e, Cancel: e, Due: morning, Created: morning})
		s.must(err)
	}
	s.refused = broken
}

// TestHostileDataInABrowser renders what is evil on every page: no script of it runs, nothing is asked of another origin, and no
// page breaks its frame.
func TestHostileDataInABrowser(t *testing.T) {
	tab := browser(t)
	s := hostileProject(t)
	heard := watch(t, tab, s.srv.URL, s.operator)
	check := func(name string) string { return "/check?" + url.Values{"table": {"main.a"}, "check": {name}}.Encode() }
	for name, path := range map[string]string{"overview": "/", "runs": "/runs", "run": "/runs/" + s.broken, "real": "/runs/" + s.last, "report": "/runs/" + s.broken + "/report", "schedules": "/schedules", "pipeline": "/pipelines/nightly", "tables": "/tables", "table": "/tables/main.a", "view": "/tables/main.b",
		"lineage": "/lineage", "around": "/lineage?around=main.a", "checks": "/checks", "check": check(evil[0]), "check4": check(evil[4]), "quarantine": "/quarantine", "quarantined": "/quarantine/main.a?rule=" + url.QueryEscape(evil[0]), "events": "/events",
		"unknown": "/tables/" + url.PathEscape(`"><svg onload=x>`), "filter": "/runs?pipeline=" + url.QueryEscape(evil[1]), "did": "/?did=" + url.QueryEscape(evil[0])} {
		visit(t, tab, s.srv.URL+path, 360, "light")
		if title := eval[string](t, tab, `document.title`); strings.Contains(title, "pwned") && !strings.Contains(title, "document.title=") {
			t.Errorf("%s: a script ran", name)
		}
		if foreign := eval[int](t, tab, `document.querySelectorAll("iframe, object, embed, img, style:not([data-x]), svg[onload], [onerror], [onfocus], [onload], [hx-on\\:load], meta[http-equiv=refresh], [href^='javascript:'], [hx-get]:not(#live)").length`); foreign > 0 && name != "report" {
			t.Errorf("%s: %d elements or attributes are not of the template", name, foreign)
		}
		if over := eval[float64](t, tab, tooWide); over > 0 && name != "unknown" {
			t.Errorf("%s: the page is %v px too wide: %s", name, over, eval[string](t, tab, widest))
		}
		picture(t, tab, "hostile-"+name)
		for _, complaint := range heard.take() {
			if name == "unknown" && strings.Contains(complaint, "404") {
				continue
			}
			t.Errorf("%s: %s", name, complaint)
		}
	}
}
