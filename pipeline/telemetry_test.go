package pipeline_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/pipeline/telemetry"
)

// receiver takes what OTLP sends.
type receiver struct {
	mu      sync.Mutex
	headers []http.Header
	spans   []*spanpb.Span
	about   map[string]string
	metrics []string
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	body, _ := io.ReadAll(req.Body)
	rc.headers = append(rc.headers, req.Header)
	var err error
	switch req.URL.Path {
	case "/v1/traces":
		var in tracepb.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &in)
		for _, resource := range in.ResourceSpans {
			rc.about = texts(resource.Resource.Attributes)
			for _, scoped := range resource.ScopeSpans {
				rc.spans = append(rc.spans, scoped.Spans...)
			}
		}
	case "/v1/metrics":
		var in metricspb.ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &in)
		for _, resource := range in.ResourceMetrics {
			for _, scoped := range resource.ScopeMetrics {
				for _, m := range scoped.Metrics {
					rc.metrics = append(rc.metrics, m.Name)
				}
			}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func texts(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[a.Key] = a.Value.GetStringValue()
	}
	return all
}

// observed runs the project under telemetry and gives the warnings.
func observed(t *testing.T, files map[string]string) (*pipeline.Report, []error) {
	t.Helper()
	e := engine(t, project(t, files))
	var warnings []error
	told := telemetry.Start(t.Context(), telemetry.Config{Project: "p", Version: "v1", Warn: func(err error) { warnings = append(warnings, err) }})
	e.Observe = told.Observe
	r := run(t, e)
	told.Stop(t.Context())
	return r, warnings
}

// TestTelemetry receives the trace and the metrics of a run by OTLP, under the span that it was started in.
func TestTelemetry(t *testing.T) {
	rc := &receiver{}
	server := httptest.NewServer(rc)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=0123456789abcdef,env=prod")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=etl,team=data")
	t.Setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if got := strings.Join(telemetry.Secrets(), ","); got != "0123456789abcdef" {
		t.Errorf("secrets: %s", got)
	}
	r, warnings := observed(t, map[string]string{
		"millrace.yml":     "name: p\nsources:\n  in: { type: files, streams: [ { name: people, path: people.csv } ] }\n",
		"people.csv":       "id,name\n1,Ada\n2,Grace\n",
		"models/bad.sql":   "{{ config(materialized='table') }} select 'http://u:s3cret@host/'::int as n from {{ source('in', 'people') }}",
		"models/worse.sql": "{{ config(materialized='table') }} select * from {{ ref('bad') }}",
	})
	if len(warnings) > 0 {
		t.Error(warnings)
	}
	spans, names := map[string]*spanpb.Span{}, map[string]string{}
	for _, s := range rc.spans {
		names[string(s.SpanId)] = s.Name
	}
	for _, s := range rc.spans {
		parent := names[string(s.ParentSpanId)]
		spans[strings.TrimPrefix(parent+" > "+s.Name, " > ")] = s
		if got := string(s.TraceId); got != "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c" {
			t.Errorf("%s is in another trace: %x", s.Name, got)
		}
	}
	for _, want := range []string{"run default", "run default > step in.people", "step in.people > extract", "step in.people > build", "run default > step main.bad",
		"step main.bad > build", "run default > step main.worse", "run default > publish"} {
		if spans[want] == nil {
			t.Errorf("no span %q", want)
		}
	}
	if t.Failed() {
		t.Fatalf("spans: %v", spans)
	}
	whole := spans["run default"]
	if a := texts(whole.Attributes); a["millrace.run"] != r.Run.ID || a["millrace.pipeline"] != "default" || a["millrace.status"] != "partial" || a["millrace.logical_time"] == "" ||
		whole.Status.Code != spanpb.Status_STATUS_CODE_ERROR || string(whole.ParentSpanId) != "\xb7\xad\x6b\x71\x69\x20\x33\x31" {
		t.Errorf("run: %v", whole)
	}
	for _, a := range spans["run default > step in.people"].Attributes {
		if a.Key == "millrace.rows" && a.Value.GetIntValue() != 2 {
			t.Errorf("%d rows", a.Value.GetIntValue())
		}
	}
	bad := spans["run default > step main.bad"]
	if want := "step main.bad: failed by Conversion Error; millrace runs logs " + r.Run.ID + " tells more"; bad.Status.Message != want {
		t.Errorf("failure: %s", bad.Status.Message)
	}
	if rc.about["service.name"] != "etl" || rc.about["team"] != "data" || rc.about["service.version"] != "v1" {
		t.Errorf("resource: %v", rc.about)
	}
	for _, name := range []string{"millrace.run.duration", "millrace.step.duration", "millrace.step.rows"} {
		if !strings.Contains(strings.Join(rc.metrics, " "), name) {
			t.Errorf("no metric %s in %v", name, rc.metrics)
		}
	}
	for _, h := range rc.headers {
		if h.Get("Api-Key") != "0123456789abcdef" {
			t.Errorf("headers: %v", h)
		}
	}
}

// TestTelemetryTellsNoCells fails by values of cells, of which the error of the step and that of the run speak and no span does.
func TestTelemetryTellsNoCells(t *testing.T) {
	rc := &receiver{}
	server := httptest.NewServer(rc)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	r, _ := observed(t, map[string]string{
		"millrace.yml":    "name: p\n",
		"models/mail.sql": "{{ config(materialized='table') }} select split_part('bob@corp.com:x', ':', 1)::int as n",
		"models/card.sql": "{{ config(materialized='table') }} select (4111111111111000 + 111)::bigint::int as n",
	})
	values := []string{"bob@corp.com", "4111111111111111"}
	told := ""
	for _, s := range r.Steps {
		told += s.Error
	}
	for _, v := range values {
		if !strings.Contains(told, v) {
			t.Fatalf("no step fails by %s: %s", v, told)
		}
	}
	failed := 0
	for _, s := range rc.spans {
		if s.Status.GetCode() == spanpb.Status_STATUS_CODE_ERROR {
			failed++
		}
		for _, v := range values {
			if strings.Contains(s.String(), v) {
				t.Errorf("a span tells %s: %v", v, s)
			}
		}
	}
	if failed != 3 {
		t.Errorf("%d spans of steps and run have failed", failed)
	}
}

// TestTelemetryRedirected: the headers, and with them the keys, go to the receiver that is named and to nobody else.
func TestTelemetryRedirected(t *testing.T) {
	rc := &receiver{}
	other := httptest.NewServer(rc)
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL+"/v1/traces", http.StatusTemporaryRedirect))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=0123456789abcdef")
	_, warnings := observed(t, map[string]string{"millrace.yml": "name: p\n", "models/m.sql": "{{ config(materialized='table') }} select 1 as id"})
	if len(rc.headers) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "redirects are not followed") {
		t.Errorf("%v, warnings: %v", rc.headers, warnings)
	}
}

// TestTelemetrySecrets: a header that is named like a key has a secret value, however short; one of another name when it is long. What
// is behind the host of a URL may be one.
func TestTelemetrySecrets(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "env=prod, DD-Api-Key = k3y ,authorization=Bearer%20t0ken,x-scope=0123456789ab")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "signoz-access-token=short")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://me:p4ss@otlp.example.org/t0k3n/v1/traces?key=k")
	if got, want := strings.Join(telemetry.Secrets(), "|"), "k3y|Bearer%20t0ken|Bearer t0ken|t0ken|0123456789ab|/t0k3n|key=k|me:p4ss|short"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// TestTelemetryOfDeadReceiver: a receiver that hangs, and one that is not there, cost a warning, and no run.
func TestTelemetryOfDeadReceiver(t *testing.T) {
	files := map[string]string{"millrace.yml": "name: p\n", "models/m.sql": "{{ config(materialized='table') }} select 1 as id"}
	hung, release := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-hung.Done():
		case <-req.Context().Done():
		}
	}))
	defer server.Close()
	defer release()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, endpoint := range map[string]string{"hangs": server.URL, "is gone": gone.URL, "is no URL": "http://[::1"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
			r, warnings := observed(t, files)
			if r.Run.Status != journal.Succeeded || len(warnings) != 1 {
				t.Errorf("run is %s, warnings: %v", r.Run.Status, warnings)
			}
		})
	}
}

// TestTelemetryIsOff without a receiver, and where the standard's switches say so; gRPC is refused with a word.
func TestTelemetryIsOff(t *testing.T) {
	start := func() (told *telemetry.Telemetry, warnings int) {
		told = telemetry.Start(t.Context(), telemetry.Config{Warn: func(error) { warnings++ }})
		told.Observe(pipeline.Event{Kind: "begin"})
		told.Stop(t.Context())
		return told, warnings
	}
	if told, warned := start(); told != nil || warned > 0 {
		t.Error("on, without a receiver")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if told, warned := start(); told != nil || warned != 1 {
		t.Error("on, by gRPC")
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	if told, warned := start(); told != nil || warned > 0 {
		t.Error("on, although disabled")
	}
}
