package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
)

// scope is the name of what makes the spans and metrics.
const scope = "github.com/millrace/millrace"

// spans turns events into spans and measurements.
type spans struct {
	tracer  trace.Tracer
	runs    metric.Float64Histogram
	steps   metric.Float64Histogram
	rows    metric.Int64Counter
	outside context.Context // with the span that the run was started in, if there is one

	mu       sync.Mutex
	run      context.Context // with the attempt's span; nil outside of one
	id       string          // of that run
	pipeline string
	open     map[string]*step // by node; the run's own phase has no name
}

// step is one that is under way, with the span of its phase.
type step struct {
	context.Context
	phase trace.Span
}

func newSpans(outside context.Context, tracing trace.TracerProvider, metering metric.MeterProvider) (*spans, error) {
	meter := metering.Meter(scope)
	runs, errRuns := meter.Float64Histogram("millrace.run.duration", metric.WithUnit("s"), metric.WithDescription("How long attempts of runs took."), durations)
	steps, errSteps := meter.Float64Histogram("millrace.step.duration", metric.WithUnit("s"), metric.WithDescription("How long steps took."), durations)
	rows, errRows := meter.Int64Counter("millrace.step.rows", metric.WithUnit("{row}"), metric.WithDescription("Rows of tables that steps made."))
	return &spans{tracer: tracing.Tracer(scope), runs: runs, steps: steps, rows: rows, outside: outside, open: map[string]*step{}},
		errors.Join(errRuns, errSteps, errRows)
}

// durations are the bounds of /metrics too.
var durations = metric.WithExplicitBucketBoundaries(journal.Bounds...)

func (s *spans) observe(ev pipeline.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ev.Kind == "begin":
		s.begin(ev.Whole)
	case s.run == nil: // of no run
	case ev.Kind == "end":
		s.end(ev)
	case ev.Kind == "start" && ev.Node == "":
		_, phase := s.tracer.Start(s.run, ev.Phase)
		s.open[""] = &step{s.run, phase}
	case ev.Kind == "start":
		ctx, _ := s.tracer.Start(s.run, "step "+ev.Node, trace.WithAttributes(attribute.String("millrace.node", ev.Node)))
		st := &step{Context: ctx}
		s.open[ev.Node] = st
		s.turn(st, ev.Phase)
	case ev.Kind == "phase" && s.open[ev.Node] != nil:
		s.turn(s.open[ev.Node], ev.Phase)
	case ev.Kind == "done":
		s.done(ev)
	}
}

// begin opens the span of an attempt.
func (s *spans) begin(r *journal.Run) {
	s.run, _ = s.tracer.Start(s.outside, "run "+r.Pipeline, trace.WithAttributes(attribute.String("millrace.run", r.ID), attribute.Int("millrace.attempt", r.Attempt),
		attribute.String("millrace.pipeline", r.Pipeline), attribute.String("millrace.logical_time", r.LogicalTime.Format(time.RFC3339)),
		attribute.String("millrace.trigger", string(r.Trigger))))
	s.id, s.pipeline = r.ID, r.Pipeline
}

// end closes it, and what the attempt has left open.
func (s *spans) end(ev pipeline.Event) {
	for node, st := range s.open {
		st.phase.End()
		if node != "" {
			trace.SpanFromContext(st).End()
		}
		delete(s.open, node)
	}
	span := trace.SpanFromContext(s.run)
	status := attribute.String("millrace.status", string(ev.Whole.Status))
	span.SetAttributes(status)
	if code := ev.Whole.ExitCode; code != nil {
		span.SetAttributes(attribute.Int("millrace.exit_code", *code))
	}
	if ev.Whole.Status != journal.Succeeded {
		span.SetStatus(codes.Error, failure("run "+s.pipeline, ev.Whole.Status, ev.Whole.Error, s.id))
	}
	span.End()
	s.runs.Record(s.run, ev.Took.Seconds(), metric.WithAttributes(attribute.String("millrace.pipeline", s.pipeline), status))
	s.run = nil
}

// turn ends the phase that a step is in, and begins the next.
func (s *spans) turn(st *step, phase string) {
	if st.phase != nil {
		st.phase.End()
	}
	_, st.phase = s.tracer.Start(st, phase)
}

// done closes a step, or the run's own phase.
func (s *spans) done(ev pipeline.Event) {
	st := s.open[ev.Node]
	if st == nil { // not begun, because of another
		ctx, _ := s.tracer.Start(s.run, "step "+ev.Node, trace.WithAttributes(attribute.String("millrace.node", ev.Node)))
		st = &step{Context: ctx, phase: trace.SpanFromContext(context.Background())}
	}
	delete(s.open, ev.Node)
	st.phase.End()
	if ev.Node == "" {
		return
	}
	span, status := trace.SpanFromContext(st), attribute.String("millrace.status", string(ev.Status))
	span.SetAttributes(status, attribute.Int64("millrace.rows", ev.Rows), attribute.Int64("millrace.bytes", ev.Bytes))
	if ev.Equation != "" {
		span.SetAttributes(attribute.String("millrace.equation", ev.Equation))
	}
	if ev.Err != nil {
		span.SetStatus(codes.Error, failure("step "+ev.Node, ev.Status, ev.Err.Error(), s.id))
	}
	span.End()
	labels := metric.WithAttributes(attribute.String("millrace.pipeline", s.pipeline), attribute.String("millrace.node", ev.Node), status)
	s.steps.Record(st, ev.Took.Seconds(), labels)
	s.rows.Add(st, ev.Rows, labels)
}
