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
	"github.com/millrace/millrace/pipeline/scheduler"
)

// scrapeTime is how long a scrape may take: Prometheus gives up after ten seconds.
const scrapeTime = 8 * time.Second

// metricsHandler answers Prometheus.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	m := metrics{engine: s.Engine}
	if s.Scheduler != nil {
		m.schedules = s.Scheduler.Schedules
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
	schedules func(context.Context) ([]scheduler.Schedule, error) // nil: nobody knows
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
	if m.schedules != nil {
		s.try(s.next(ctx, m.schedules))
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
	all, err := s.Journal.Tallies(ctx)
	if err != nil {
		return err
	}
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
			s.gauge("pipeline_last_success_timestamp_seconds", "When a run of the pipeline last succeeded.", t.Value, "pipeline", t.Pipeline)
		case journal.TallyRowsRead:
			s.counter("rows_read_total", "Records read from sources.", t.Value, "pipeline", t.Pipeline, "table", t.Label)
		case journal.TallyRowsWritten:
			s.counter("rows_written_total", "Rows landed from sources or built by models.", t.Value, "pipeline", t.Pipeline, "table", t.Label)
		case journal.TallyRowsRejected:
			s.counter("rows_rejected_total", "Records of sources that could not be read.", t.Value, "pipeline", t.Pipeline, "table", t.Label)
		case journal.TallySkippedFiring:
			s.counter("schedule_missed_total", "Times at which the pipeline was to run and did not.", t.Value, "pipeline", t.Pipeline)
		}
	}
	for name, counts := range bounds {
		s.durations(name, took[name], counts)
	}
	return nil
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

// tables tells how old the data of each published table is.
func (s scrape) tables(ctx context.Context) error {
	ages, err := s.Ages(ctx)
	for table, age := range ages {
		s.gauge("table_freshness_seconds", "Age of the data of the published table.", age.Seconds(), "table", table)
	}
	return err
}

// checks tells what the latest run found of each check that the project still has.
func (s scrape) checks(ctx context.Context) error {
	for _, n := range s.Project.Nodes {
		if len(n.Checks) == 0 {
			continue
		}
		found, err := s.Journal.LatestChecks(ctx, n.Name())
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

// next tells when each pipeline is to run.
func (s scrape) next(ctx context.Context, schedules func(context.Context) ([]scheduler.Schedule, error)) error {
	all, err := schedules(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if len(one.Next) > 0 {
			s.gauge("pipeline_next_run_timestamp_seconds", "When the pipeline is to run next by its schedule.", float64(one.Next[0].Unix()), "pipeline", one.Pipeline)
		}
	}
	return nil
}
