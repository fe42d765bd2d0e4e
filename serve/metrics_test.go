package serve

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/scheduler"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// planned is a scheduler that knows one time, and a pipeline of which one firing waits since then, another runs, a third is not due yet.
type planned struct{ next, waits time.Time }

func (p planned) Schedules(context.Context) ([]scheduler.Schedule, error) {
	return []scheduler.Schedule{{Pipeline: "nightly", Next: []time.Time{p.next}}, {Pipeline: "paused", Open: []journal.Firing{
		{State: journal.FiringWaiting, Due: p.next}, {State: journal.FiringWaiting, Due: p.waits}, {State: journal.FiringStarted, Due: p.waits.Add(-time.Hour)},
	}}}, nil
}

func (planned) Wake() {}

func (p planned) LastPass() time.Time { return p.waits }

// scrapeAll asks the handler, and reads its answer as Prometheus does.
func scrapeAll(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return parsed(t, w.Body)
}

func parsed(t *testing.T, text io.Reader) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value is that of the metric with these labels, in any order beside the project; -1 when there is none.
func value(families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	for _, m := range families[name].GetMetric() {
		match := len(m.Label) == len(labels)+1
		for _, l := range m.Label {
			if l.GetName() != "project" && labels[l.GetName()] != l.GetValue() {
				match = false
			}
		}
		switch {
		case !match:
		case m.Counter != nil:
			return m.Counter.GetValue()
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount())
		}
	}
	return -1
}

// shelf is a target with one manifest.
type shelf struct {
	load.Loader
	manifest load.Manifest
}

func (s shelf) Current(context.Context) (*load.Manifest, error) { return &s.manifest, nil }

// testEngine has a table whose data is an hour old, and one that is no longer in the project.
func testEngine(t testing.TB, j *journal.Journal, now time.Time) *pipeline.Engine {
	t.Helper()
	files := fstest.MapFS{
		"millrace.yml":      {Data: []byte("name: shop\npipelines:\n  nightly: { select: [orders] }\n  fresh: { select: [other] }\n")},
		"models/other.sql":  {Data: []byte("{{ config(materialized='table') }} select 1 as id")},
		"models/orders.sql": {Data: []byte("{{ config(materialized='table', schema='erp') }} select 1 as id")},
		"models/orders.yml": {Data: []byte("models: [ { name: orders, columns: [ { name: id, data_tests: [ not_null ] } ] } ]\n")},
	}
	p, problems := models.Load(models.Loading{Dir: t.TempDir(), Files: files, Context: t.Context(), ColumnType: warehouse.ContractType})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	made := func(schema, table string) load.Table {
		return load.Table{Version: warehouse.Version{Name: warehouse.Name{Schema: schema, Table: table}}, PublishedAt: now.Add(-time.Hour)}
	}
	return &pipeline.Engine{Project: p, Journal: j, Clock: func() time.Time { return now }, Version: "v1",
		Loader: shelf{manifest: load.Manifest{Snapshot: 1, Tables: []load.Table{made("erp", "orders"), made("gone", "table")}}}}
}

type labels = map[string]string

func openJournal(t *testing.T) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// TestMetrics counts attempts as they end: a run that is retried with success does not take its failure back.
func TestMetrics(t *testing.T) {
	ctx, j, night := t.Context(), openJournal(t), time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	attempt := func(n int, status journal.Status, took time.Duration, rows ...journal.TableRows) {
		end := night.Add(took)
		r := journal.Run{ID: "r1", Pipeline: "nightly+hourly", LogicalTime: night, Started: night, Attempt: n, Status: status, Finished: &end}
		if err := j.BeginRun(ctx, r); err != nil {
			t.Fatal(err)
		}
		if err := j.EndAttempt(ctx, r, strings.Split(r.Pipeline, "+"), nil, rows); err != nil {
			t.Fatal(err)
		}
	}
	attempt(1, journal.Failed, 20*time.Second, journal.TableRows{Pipeline: "nightly", Table: "erp.orders", Read: 10, Written: 9, Rejected: 1})
	attempt(2, journal.Succeeded, 100_000*time.Second, journal.TableRows{Pipeline: "nightly", Table: "erp.orders", Read: 5, Written: 5})
	if err := j.SaveChecks(ctx, "r1", "erp.orders", night, []check.Result{{Node: "erp.orders", Name: "not_null_id", Severity: models.SeverityWarn, Status: check.StatusWarn, Failing: 7},
		{Node: "erp.orders", Name: "row_count", Severity: models.SeverityError, Status: check.StatusFail}}, nil); err != nil {
		t.Fatal(err)
	}
	for i, why := range []string{"missed while nothing was scheduled; it is not made up for (misfire: skip)", "the one of 02:00 has not ended (overlap: skip)", "hourly failed"} {
		f := journal.Firing{ID: fmt.Sprint("f", i), Pipeline: "nightly", LogicalTime: night.AddDate(0, 0, i), State: journal.FiringSkipped, Reason: why, Due: night, Created: night}
		if _, err := j.AddFiring(ctx, f); err != nil {
			t.Fatal(err)
		}
		if err := j.SaveFiring(ctx, f); err != nil { // once more: it is not skipped twice
			t.Fatal(err)
		}
	}
	e := testEngine(t, j, night.Add(time.Hour))
	s := &Server{Config: Config{Engine: func() *pipeline.Engine { return e }, Scheduler: planned{night.AddDate(0, 0, 1), night.Add(30 * time.Minute)}, Clock: e.Clock}}
	got := scrapeAll(t, s.metricsHandler())
	table := labels{"pipeline": "nightly", "table": "erp.orders"}
	for _, want := range []struct {
		name   string
		labels labels
		value  float64
	}{
		{"millrace_build_info", labels{"version": "v1"}, 1},
		{"millrace_run_total", labels{"pipeline": "nightly", "status": "failed"}, 1},
		{"millrace_run_total", labels{"pipeline": "hourly", "status": "succeeded"}, 1},
		{"millrace_run_duration_seconds", labels{"pipeline": "nightly"}, 2},
		{"millrace_pipeline_last_success_timestamp_seconds", labels{"pipeline": "nightly"}, float64(night.Unix() + 100_000)},
		{"millrace_pipeline_next_run_timestamp_seconds", labels{"pipeline": "nightly"}, float64(night.AddDate(0, 0, 1).Unix())},
		{"millrace_pipeline_next_run_timestamp_seconds", labels{"pipeline": "paused"}, -1},
		{"millrace_pipeline_last_success_timestamp_seconds", labels{"pipeline": "hourly"}, -1}, // of no pipeline of the project
		{"millrace_oldest_waiting_firing_timestamp_seconds", labels{"pipeline": "paused"}, float64(night.Unix() + 1800)},
		{"millrace_oldest_waiting_firing_timestamp_seconds", labels{"pipeline": "nightly"}, -1},
		{"millrace_scheduler_last_pass_timestamp_seconds", nil, float64(night.Unix() + 1800)},
		{"millrace_schedule_missed_total", labels{"pipeline": "nightly"}, 1},
		{"millrace_schedule_skipped_total", labels{"pipeline": "nightly", "reason": "overlap"}, 1},
		{"millrace_schedule_skipped_total", labels{"pipeline": "nightly", "reason": "other"}, 1},
		// What has not happened yet is 0, so that its first time is an increase.
		{"millrace_run_total", labels{"pipeline": "fresh", "status": "failed"}, 0},
		{"millrace_run_total", labels{"pipeline": "nightly", "status": "partial"}, 0},
		{"millrace_pipeline_last_success_timestamp_seconds", labels{"pipeline": "fresh"}, 0},
		{"millrace_schedule_missed_total", labels{"pipeline": "fresh"}, 0},
		{"millrace_rows_rejected_total", labels{"pipeline": "fresh", "table": "main.other"}, 0},
		{"millrace_rows_read_total", table, 15},
		{"millrace_rows_written_total", table, 14},
		{"millrace_rows_rejected_total", table, 1},
		{"millrace_table_freshness_seconds", labels{"table": "erp.orders"}, 3600},
		{"millrace_table_published_timestamp_seconds", labels{"table": "erp.orders"}, float64(night.Unix())},
		{"millrace_table_freshness_seconds", labels{"table": "gone.table"}, -1},
		{"millrace_validation_failures", labels{"table": "erp.orders", "rule": "not_null_id", "severity": "warn"}, 7},
		{"millrace_validation_failures", labels{"table": "erp.orders", "rule": "row_count", "severity": "error"}, 1},
	} {
		if v := value(got, want.name, want.labels); v != want.value {
			t.Errorf("%s%v is %v, not %v", want.name, want.labels, v, want.value)
		}
	}
	if got["go_goroutines"] == nil || got["process_start_time_seconds"] == nil {
		t.Error("nothing about the process")
	}
	h := got["millrace_run_duration_seconds"].GetMetric()[0].GetHistogram()
	if sum := h.GetSampleSum(); sum != 100_020 {
		t.Errorf("sum of durations %v", sum)
	}
	for _, b := range h.GetBucket() {
		if want := map[bool]uint64{true: 1, false: 0}[b.GetUpperBound() >= 60]; b.GetUpperBound() < 1e9 && b.GetCumulativeCount() != want {
			t.Errorf("%d attempts within %v s, not %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
	}

	shipped(t, got)
	path := filepath.Join(t.TempDir(), "millrace.prom")
	if err := WriteMetrics(path, e); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if v := value(parsed(t, file), "millrace_rows_read_total", table); v != 15 {
		t.Errorf("the file says %v rows read", v)
	}
}

// TestMetricsOfLoads: of a target that something follows there are the sums of its loads, from nought on, and what is lacking.
func TestMetricsOfLoads(t *testing.T) {
	j, night := openJournal(t), time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	e := testEngine(t, j, night)
	e.Project.Target.Snowflake = &models.Snowflake{}
	scraped := func(want map[string]float64) {
		t.Helper()
		got := scrapeAll(t, (&Server{Config: Config{Engine: func() *pipeline.Engine { return e }, Clock: e.Clock}}).metricsHandler())
		for name, v := range want {
			name, status, counted := strings.Cut(name, " ")
			of := labels{}
			if counted {
				of["status"] = status
			}
			if found := value(got, "millrace_load_"+name, of); found != v {
				t.Errorf("%s %s is %v, not %v", name, status, found, v)
			}
		}
	}
	scraped(map[string]float64{"total succeeded": 0, "total failed": 0, "bytes_total": 0, "credits_total": 0, "behind_tables": 2, "behind": 1})
	l := journal.Load{Load: load.Load{ID: "l1", Snapshot: 1}, Target: e.Project.Target.Name, Place: e.Project.Target.PlaceHash(), Status: journal.Running, Started: night}
	if m, err := e.Loader.Current(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		l.By = m.By()
	}
	if err := j.BeginLoad(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	l.Status, l.Finished, l.LoadCost = journal.Succeeded, &night, load.LoadCost{Bytes: 7, Seconds: 2, Credits: 0.5}
	if err := j.EndLoad(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	scraped(map[string]float64{"total succeeded": 1, "total failed": 0, "bytes_total": 7, "warehouse_seconds_total": 2, "credits_total": 0.5, "behind_tables": 0, "behind": 0})
	e.Project.Target.Snowflake.Database = "OTHER"
	scraped(map[string]float64{"behind_tables": 2, "behind": 1})
}

// shipped expects the dashboard and the alert rules in docs to be well formed, and to ask for no metric and no label that there is not.
func shipped(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	dashboard, err := os.ReadFile("../docs/deploy/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(dashboard) {
		t.Error("the dashboard is no JSON")
	}
	for _, metric := range metricName.FindAllString(string(dashboard), -1) {
		if familyOf(families, metric) == nil {
			t.Errorf("the dashboard asks for %s, which does not exist", metric)
		}
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	rules, err := os.ReadFile("../docs/deploy/alerts.rules.yml")
	if err = errors.Join(err, yaml.Unmarshal(rules, &file)); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Groups[0].Rules {
		told := regexp.MustCompile(`\$labels\.([a-z_]+)`).FindAllStringSubmatch(fmt.Sprint(r.Annotations), -1)
		for _, asked := range regexp.MustCompile(`(millrace_[a-z_]+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(r.Expr, -1) {
			family := familyOf(families, asked[1])
			for _, l := range told {
				if !hasLabel(family, l[1], regexp.MustCompile("")) {
					t.Errorf("%s tells the %s of %s, which has none", r.Alert, l[1], asked[1])
				}
			}
			for _, m := range regexp.MustCompile(`([a-z_]+)=~?"([^"]*)"`).FindAllStringSubmatch(asked[2], -1) {
				for value := range strings.SplitSeq(m[2], "|") {
					if !hasLabel(family, m[1], regexp.MustCompile("^"+value+"$")) {
						t.Errorf("%s: no %s with %s = %s", r.Alert, asked[1], m[1], value)
					}
				}
			}
			if family == nil {
				t.Errorf("%s asks for %s, which does not exist", r.Alert, asked[1])
			}
		}
	}
}

var metricName = regexp.MustCompile(`millrace_[a-z_]+`)

// familyOf finds a metric by the name of it or of one of a histogram's series.
func familyOf(families map[string]*dto.MetricFamily, name string) *dto.MetricFamily {
	return families[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")]
}

func hasLabel(family *dto.MetricFamily, name string, value *regexp.Regexp) bool {
	return slices.ContainsFunc(family.GetMetric(), func(m *dto.Metric) bool {
		return slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == name && value.MatchString(l.GetValue()) })
	})
}

// BenchmarkMetrics scrapes a project with 100,000 runs behind it.
func BenchmarkMetrics(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state.db")
	j, err := journal.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`INSERT INTO run (id, pipeline, logical_time, attempt, status, selection, project_hash, version, pid, started, finished)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
			SELECT 'r' || i, 'p' || (i % 100), datetime(i, 'unixepoch'), 1, 'succeeded', '{}', '', '', 1, datetime(i, 'unixepoch'), datetime(i, 'unixepoch') FROM n`,
		`INSERT INTO check_result SELECT id, 'erp.orders', 'not_null_id', 0, 'pass', 0, 0, started, '{"name": "not_null_id"}' FROM run`,
		`INSERT INTO tally (name, pipeline, target, label, value) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT 'runs', 'p' || i, '', 'succeeded', 1000 FROM n`,
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	e := testEngine(b, j, time.Now())
	h := (&Server{Config: Config{Engine: func() *pipeline.Engine { return e }, Clock: e.Clock}}).metricsHandler()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
