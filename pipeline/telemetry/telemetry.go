// Package telemetry tells OpenTelemetry what a run does: one trace an attempt, a span each step and phase, and how long they took, by
// OTLP over HTTP as the standard OTEL_* variables say. It is an observer: it decides nothing, and a receiver that is slow, dead or
// hangs costs a run a few seconds at its end and a warning. Read Start, then spans.go.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/millrace/millrace/pipeline"
)

// patience is how long the end of a run waits for what is not sent yet.
const patience = 3 * time.Second

// Config is what telemetry stands on beside the environment.
type Config struct {
	Project string
	Version string
	Warn    func(error) // told once at most
}

// Telemetry observes runs. A nil one, which Start gives when nobody asked for it, does nothing.
type Telemetry struct {
	spans  *spans
	stops  []func(context.Context) error
	warned sync.Once
	warn   func(error)
}

// Start reads the OTEL_* variables. It connects to nothing: what is wrong with the receiver shows when something is sent.
func Start(ctx context.Context, cfg Config) *Telemetry {
	traces, metrics := wanted("TRACES"), wanted("METRICS")
	if !traces && !metrics {
		return nil
	}
	t := &Telemetry{warn: cfg.Warn}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(t.fail)) // the SDK has no other place for errors of its background work
	if err := t.start(ctx, cfg, traces, metrics); err != nil {
		t.fail(err)
		t.Stop(ctx)
		return nil
	}
	return t
}

// wanted says whether a signal has a receiver: OTEL_EXPORTER_OTLP_ENDPOINT is that of all signals.
func wanted(signal string) bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_"+signal+"_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
}

// keyLength is the length from which the value of a header of any name is taken for a key, not for an ordinary word.
const keyLength = 12

// keyHeader matches names of headers whose values are secret however short they are.
var keyHeader = regexp.MustCompile(`(?i)key|token|auth|secret|password|credential|cookie|signature`)

// Secrets are the values of the headers that the variables give, most of which are API keys, and what is behind the hosts of their
// URLs, where others have their keys: they are to be redacted.
func Secrets() []string {
	var all []string
	for _, signal := range []string{"", "TRACES_", "METRICS_"} {
		all = append(all, behindHost(os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"ENDPOINT"))...)
		for header := range strings.SplitSeq(os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"HEADERS"), ",") {
			name, value, _ := strings.Cut(header, "=")
			value = strings.TrimSpace(value)
			plain, _ := url.PathUnescape(value)
			secret := keyHeader.MatchString(name)
			for _, v := range []string{value, plain, plain[strings.LastIndexByte(plain, ' ')+1:]} { // the last without Bearer or Basic
				if v != "" && (secret || len(v) >= keyLength) {
					all = append(all, v)
				}
			}
		}
	}
	return slices.Compact(all)
}

// behindHost are the parts of a receiver's URL that may be secret: its path but for what the standard appends, its query, its user.
func behindHost(endpoint string) []string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return []string{endpoint}
	}
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/v1/traces"), "/v1/metrics")
	parts := []string{strings.TrimSuffix(path, "/"), u.RawQuery, u.User.String()}
	for part := range strings.SplitSeq(path, "/") {
		if len(part) >= keyLength {
			parts = append(parts, part)
		}
	}
	return slices.DeleteFunc(parts, func(part string) bool { return part == "" })
}

// proxy is that of the environment, and no way to where a receiver redirects to: the headers hold keys, which another host must not
// get. (An HTTP client of our own would know nothing of the standard's _CERTIFICATE and _TIMEOUT.)
func proxy(r *http.Request) (*url.URL, error) {
	if r.Response != nil {
		return nil, errors.New("redirects are not followed")
	}
	return http.ProxyFromEnvironment(r)
}

// protocol refuses what is not built in: gRPC would be a second way to send the same.
func protocol(signal string) error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if value := os.Getenv(name); value != "" && value != "http/protobuf" {
			return fmt.Errorf("%s=%s: only http/protobuf is spoken here, mostly on port 4318", name, value)
		} else if value != "" {
			return nil
		}
	}
	return nil
}

func (t *Telemetry) start(ctx context.Context, cfg Config, traces, metrics bool) error {
	// What the variables say about the service goes before what we say.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attribute.String("service.name", "millrace"), attribute.String("service.version", cfg.Version),
			attribute.String("millrace.project", cfg.Project)), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return err
	}
	tracing := trace.NewTracerProvider() // records nothing without a receiver
	if traces {
		exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithProxy(proxy))
		if err = errors.Join(err, protocol("TRACES")); err != nil {
			return err
		}
		tracing = trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	}
	t.stops = append(t.stops, tracing.Shutdown)
	metering := metric.NewMeterProvider()
	if metrics {
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithProxy(proxy))
		if err = errors.Join(err, protocol("METRICS")); err != nil {
			return err
		}
		metering = metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(exporter)), metric.WithResource(about))
	}
	t.stops = append(t.stops, metering.Shutdown)
	parent := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": os.Getenv("TRACEPARENT"), "tracestate": os.Getenv("TRACESTATE")})
	t.spans, err = newSpans(parent, tracing, metering)
	return err
}

// fail warns once: a receiver that is down is down for all that follows.
func (t *Telemetry) fail(err error) {
	t.warned.Do(func() { t.warn(err) })
}

// Observe takes an event of a run.
func (t *Telemetry) Observe(ev pipeline.Event) {
	if t != nil {
		t.spans.observe(ev)
	}
}

// Stop sends what is left, and gives up after a few seconds.
func (t *Telemetry) Stop(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var all sync.WaitGroup
	for _, stop := range t.stops {
		all.Go(func() {
			if err := stop(ctx); err != nil {
				t.fail(fmt.Errorf("not all was sent: %w", err))
			}
		})
	}
	all.Wait()
}
