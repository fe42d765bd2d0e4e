package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline/journal"
)

// TestWorkerBeginsATraceOfItsOwn: what started serve is over when a run begins; where its traces go stays as it was.
func TestWorkerBeginsATraceOfItsOwn(t *testing.T) {
	t.Setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	t.Setenv("TRACESTATE", "vendor=1")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
	self := filepath.Join(t.TempDir(), "millrace")
	if err := os.WriteFile(self, []byte("#!/bin/sh\necho \"to $OTEL_EXPORTER_OTLP_ENDPOINT of <$TRACEPARENT$TRACESTATE>\" >&2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l := &launcher{self: self, files: func() string { return "" }, log: slog.New(slog.NewTextHandler(&log, nil))}
	w, err := l.Start(journal.Firing{ID: "f1", Pipeline: "p", Trigger: journal.TriggerSchedule})
	if err != nil {
		t.Fatal(err)
	}
	if r := w.Wait(); r.ExitCode != 0 {
		t.Fatalf("%+v\n%s", r, log.String())
	}
	if got := log.String(); !strings.Contains(got, "to http://collector:4318 of <>") {
		t.Error(got)
	}
}
