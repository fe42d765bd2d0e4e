package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
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
	l := &launcher{self: self, project: func() *models.Project { return &models.Project{} }, log: slog.New(slog.NewTextHandler(&log, nil))}
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

// TestWorkerOutlivesItsTimeout: a process that does not end by itself when its time is up is killed, which is a failure and no loss; one that
// is killed otherwise is lost, and the log says by what.
func TestWorkerOutlivesItsTimeout(t *testing.T) {
	for script, want := range map[string]struct{ message, killed string }{
		"trap '' TERM; kill -STOP $$": {message: "took longer than timeout: 50ms"},
		"kill -KILL $$":               {message: "signal 9", killed: "signal 9"},
	} {
		self := filepath.Join(t.TempDir(), "millrace")
		if err := os.WriteFile(self, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		limit := config.Duration(50 * time.Millisecond)
		if want.killed != "" {
			limit = config.Duration(time.Hour)
		}
		var log bytes.Buffer
		l := &launcher{self: self, log: slog.New(slog.NewTextHandler(&log, nil)),
			project: func() *models.Project {
				return &models.Project{Pipelines: []*models.Pipeline{{Name: "p", Timeout: limit}}}
			}}
		w, err := l.Start(journal.Firing{ID: "f1", Pipeline: "p", Trigger: journal.TriggerSchedule})
		if err != nil {
			t.Fatal(err)
		}
		r := w.Wait()
		if r.ExitCode != codeFailed || !strings.Contains(r.Message, want.message) || (r.Killed == "") != (want.killed == "") || !strings.Contains(r.Killed, want.killed) {
			t.Errorf("%s: %+v", script, r)
		}
		if !strings.Contains(log.String(), "signal 9") {
			t.Error(log.String())
		}
	}
}
