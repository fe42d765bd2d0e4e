package serve

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// scrapeTime is how long a scrape may take: Prometheus gives up after ten seconds.
const scrapeTime = 8 * time.Second

// metricsHandler answers Prometheus.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	m := metrics{engine: s.Engine}
	if s.Scheduler != nil {
		m.scheduler = s.Scheduler
	}
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: scrapeTime})
}

// WriteMetrics writes the same metrics of one project, without those of the process, to a file that the textfile collector of node_exporter
// reads. The file is replaced as a whole.
func WriteMetrics(path string, e *pipeline.Engine) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics{engine: func() *pipeline.Engine { return e }})
	if err := prometheus.WriteToTextfile(path, registry); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// metrics tells what the journal and the manifest say at the moment of a scrape. Its labels are names of the project:
// pipelines, tables and rules.
type metrics struct {
	engine    func() *pipeline.Engine
	scheduler Scheduler // nil: none runs beside
}

// Describe says nothing: the names of the project are labels of every metric, and the project may change.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. What cannot be asked fails the scrape, so that it is noticed.
func (m metrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	e := m.engine()
	s := scrape{Engine: e, out: out, project: prometheus.Labels{"project": e.Project.Name}}
	s.gauge("build_info", "The running millrace; always 1.", 1, "version", e.Version)
	s.try(s.tallies(ctx))
	s.try(s.tables(ctx))
	s.try(s.checks(ctx))
	s.try(s.following(ctx))
	if m.scheduler != nil {
		s.try(s.next(ctx, m.scheduler))
	}
}

// scrape is one answer.
type scrape struct {
	*pipeline.Engine
	out     chan<- prometheus.Metric
	project prometheus.Labels
}

func (s scrape) try(err error) {
	if err != nil {
		s.out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
}

// desc names a metric; labels are names and values in turn.
func (s scrape) desc(name, help string, labels []string) (*prometheus.Desc, []string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return prometheus.NewDesc("millrace_"+name, help, names, s.project), values
}

func (s scrape) gauge(name, help string, value float64, labels ...string) {
	desc, values := s.desc(name, help, labels)
	s.out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, values...)
}

func (s scrape) counter(name, help string, value float64, labels ...string) {
	desc, values := s.desc(name, help, labels)
	s.out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, values...)
}

// tallies are the sums that the journal keeps.
func (s scrape) tallies(ctx context.Context) error {
	all, err := s.Journal.Tallies(ctx, pipeline.TargetOf(s.Project))
	if err != nil {
		return err
	}
	all = s.withZeros(all)
	took, bounds := map[string]float64{}, map[string]map[string]uint64{}
	for _, t := range all {
		switch t.Name {
		case journal.TallyRuns:
			s.counter("run_total", "Attempts of runs that have ended.", t.Value, "pipeline", t.Pipeline, "status", t.Label)
		case journal.TallySeconds:
			took[t.Pipeline] = t.Value
		case journal.TallyBucket:
			if bounds[t.Pipeline] == nil {
				bounds[t.Pipeline] = map[string]uint64{}
			}
			bounds[t.Pipeline][t.Label] = uint64(t.Value)
		case journal.TallyLastSuccess:
			if s.Project.Pipeline(t.Pipeline) != nil {
				s.gauge("pipeline_last_success_timestamp_seconds", "When a run of the whole pipeline last succeeded; 0 before the first.", t.Value, "pipeline", t.Pipeline)
			}
		case journal.TallyRowsRead:
			s.counter("rows_read_total", "Records read from sources.", t.Value, "pipeline", t.Pipeline, "table", t.Label)
		case journal.TallyRowsWritten:
			s.counter("rows_written_total", "Rows landed from sources or built by models.", t.Value, "pipeline", t.Pipeline, "table", t.Label)
		case journal.TallyRowsRejected:
			s.counter("rows_rejected_total", "Records of sources that could not be read.", t.Value, "pipeline", t.Pipeline, "table", t.Label)
		case journal.TallyLoads:
			s.counter("load_total", "Loads of the place that follows the target that have ended.", t.Value, "status", t.Label)
		case journal.TallyLoadBytes:
			s.counter("load_bytes_total", "Bytes of the files that loads had to send.", t.Value)
		case journal.TallyLoadSeconds:
			s.counter("load_warehouse_seconds_total", "Time that the place's warehouse was busy with loads.", t.Value)
		case journal.TallyLoadCredits:
			s.counter("load_credits_total", "Credits that loads are estimated to have cost.", t.Value)
		case journal.TallySkippedFiring:
			if t.Label == journal.SkippedMissed {
				s.counter("schedule_missed_total", "Times of the schedule that came while nothing ran it, and that got no run of their own later.", t.Value, "pipeline", t.Pipeline)
			} else {
				s.counter("schedule_skipped_total", "Firings that were skipped for another reason.", t.Value, "pipeline", t.Pipeline, "reason", t.Label)
			}
		}
	}
	for name, counts := range bounds {
		s.durations(name, took[name], counts)
	}
	return nil
}

// ends are the states in which an attempt of a run ends.
var ends = []journal.Status{journal.Succeeded, journal.Partial, journal.Failed, journal.Interrupted, journal.Abandoned}

// withZeros adds the sums of the project that nothing has been added to yet: PromQL's increase() does not see a counter appear.
func (s scrape) withZeros(all []journal.Tally) []journal.Tally {
	there := map[journal.Tally]bool{}
	for _, t := range all {
		t.Value = 0
		there[t] = true
	}
	zero := func(name journal.TallyName, pipeline, label string) {
		if t := (journal.Tally{Name: name, Pipeline: pipeline, Label: label}); !there[t] {
			all = append(all, t)
		}
	}
	for _, pl := range s.Project.Pipelines {
		for _, status := range ends {
			zero(journal.TallyRuns, pl.Name, string(status))
		}
		zero(journal.TallyLastSuccess, pl.Name, "")
		for _, why := range []string{journal.SkippedMissed, journal.SkippedOverlap, journal.SkippedOther} {
			zero(journal.TallySkippedFiring, pl.Name, why)
		}
	}
	if s.Project.Target.FollowedBy() != "" {
		for _, status := range []journal.Status{journal.Succeeded, journal.Failed, journal.Interrupted} {
			zero(journal.TallyLoads, "", string(status))
		}
		for _, sum := range []journal.TallyName{journal.TallyLoadBytes, journal.TallyLoadSeconds, journal.TallyLoadCredits} {
			zero(sum, "", "")
		}
	}
	for _, n := range s.Project.Nodes {
		if n.Pipeline != "" {
			zero(journal.TallyRowsRead, n.Pipeline, n.Name())
			zero(journal.TallyRowsWritten, n.Pipeline, n.Name())
			zero(journal.TallyRowsRejected, n.Pipeline, n.Name())
		}
	}
	return all
}

// durations tells how long attempts of a pipeline took. Of each bound the journal counts those above the bound before it.
func (s scrape) durations(name string, sum float64, counts map[string]uint64) {
	buckets, count := map[float64]uint64{}, uint64(0)
	for _, bound := range journal.Bounds {
		count += counts[strconv.FormatFloat(bound, 'f', -1, 64)]
		buckets[bound] = count
	}
	desc, values := s.desc("run_duration_seconds", "How long attempts of runs took.", []string{"pipeline", name})
	s.out <- prometheus.MustNewConstHistogram(desc, count+counts["+Inf"], sum, buckets, values...)
}

// tables tells how old the data of each published table is. The age is for people who look: in a file it is that of when it was written,
// and rules compute with the time.
func (s scrape) tables(ctx context.Context) error {
	loaded, err := s.Loaded(ctx)
	now := s.Clock()
	for table, at := range loaded {
		s.gauge("table_published_timestamp_seconds", "When the data of the published table was loaded.", float64(at.UnixMilli())/1000, "table", table)
		s.gauge("table_freshness_seconds", "Age of the data of the published table.", now.Sub(at).Seconds(), "table", table)
	}
	return err
}

// following tells how far the place that follows the target is behind, as the journal knows it.
func (s scrape) following(ctx context.Context) error {
	f, err := s.Following(ctx)
	if err != nil || f == nil {
		return err
	}
	lacking := 0.0
	if f.Lacking {
		lacking = 1
	}
	s.gauge("load_behind", "Whether the place that follows the target is not known to show what is published: 1, else 0.", lacking)
	s.gauge("load_behind_tables", "Tables that the place that follows the target lacks in their published version.", float64(len(f.Behind)))
	return nil
}

// checks tells what the latest run found of each check that the project still has.
func (s scrape) checks(ctx context.Context) error {
	for _, n := range s.Project.Nodes {
		if len(n.Checks) == 0 {
			continue
		}
		found, err := s.Journal.LatestChecks(ctx, n.Name(), pipeline.TargetOf(s.Project))
		if err != nil {
			return err
		}
		for _, r := range found {
			failing := r.Failing
			if failing == 0 && r.Status.Bad() { // a check of the whole table
				failing = 1
			}
			s.gauge("validation_failures", "Rows that failed the check when it was last run; 1 for a failed check of a whole table.", float64(failing),
				"table", n.Name(), "rule", r.Name, "severity", string(r.Severity))
		}
	}
	return nil
}

// next tells when the scheduler last looked, when each pipeline is to run, and since when what is due waits for its turn.
func (s scrape) next(ctx context.Context, schedules Scheduler) error {
	pass := 0.0
	if last := schedules.LastPass(); !last.IsZero() {
		pass = float64(last.Unix())
	}
	s.gauge("scheduler_last_pass_timestamp_seconds", "When the scheduler last decided what is to run; 0 before the first time.", pass)
	all, err := schedules.Schedules(ctx)
	if err != nil {
		return err
	}
	now := s.Clock()
	for _, one := range all {
		if len(one.Next) > 0 {
			s.gauge("pipeline_next_run_timestamp_seconds", "When the pipeline is to run next by its schedule.", float64(one.Next[0].Unix()), "pipeline", one.Pipeline)
		}
		oldest := now
		for _, f := range one.Open {
			if f.State == journal.FiringWaiting && f.Due.Before(oldest) {
				oldest = f.Due
			}
		}
		if oldest.Before(now) {
			s.gauge("oldest_waiting_firing_timestamp_seconds", "When the firing that waits the longest was due; none while none waits.", float64(oldest.Unix()), "pipeline", one.Pipeline)
		}
	}
	return nil
}
