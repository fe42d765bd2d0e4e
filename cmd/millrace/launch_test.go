package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
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
	l := &launcher{self: self, project: func() (*models.Project, func()) { return &models.Project{}, func() {} }, log: slog.New(slog.NewTextHandler(&log, nil))}
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

// TestTimeoutCountsTheBuilding: a worker is killed for its timeout only between its words that it builds, and that it has built.
func TestTimeoutCountsTheBuilding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &childRun{limit: config.Duration(time.Minute), cmd: &exec.Cmd{Process: &os.Process{}}}
		watch := func(does func(says io.Writer)) (late bool) {
			w.late.Store(false)
			said, says := io.Pipe()
			ended := make(chan struct{})
			go func() { defer close(ended); w.watch(said, time.Minute) }()
			time.Sleep(time.Hour) // it opens the project
			does(says)
			_ = says.Close()
			time.Sleep(time.Hour) // it publishes
			<-ended
			return w.late.Load()
		}
		builds := func(d time.Duration) func(io.Writer) {
			return func(says io.Writer) { _, _ = says.Write([]byte{1}); time.Sleep(d) }
		}
		if watch(func(io.Writer) {}) || watch(builds(59*time.Second)) {
			t.Error("a worker was killed although it did not build for longer than its timeout")
		}
		if !watch(builds(61 * time.Second)) {
			t.Error("a worker was not killed although it built for longer than its timeout")
		}
	})
}

// TestWorkerOutlivesItsTimeout: a process that does not end by itself when its time is up is killed, which is a failure and no loss; one that
// is killed otherwise is lost, and the log says by what.
func TestWorkerOutlivesItsTimeout(t *testing.T) {
	for script, want := range map[string]struct{ message, killed string }{
		"printf b >&3; kill -STOP $$": {message: "took longer than timeout: 50ms"},
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
			project: func() (*models.Project, func()) {
				return &models.Project{Pipelines: []*models.Pipeline{{Name: "p", Timeout: limit}}}, func() {}
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
