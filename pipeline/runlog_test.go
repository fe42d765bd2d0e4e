package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogFileIsCut fills a log beyond its limit: it says so in one line, and still tells how steps end.
func TestLogFileIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "r.jsonl")
	l, err := openLogFile(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	log, outcomes := slog.New(JSONLog(upTo{l, logLimit}, slog.LevelInfo)), slog.New(JSONLog(upTo{l, logLast}, slog.LevelInfo))
	long := strings.Repeat("x", 100_000)
	for i := range logLimit/len(long) + 10 {
		log.Info(long, "i", i)
	}
	outcomes.Info("step ends", "took", 1500*time.Millisecond)
	if !l.full() {
		t.Error("the log is not full")
	}
	l.close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > logLast {
		t.Errorf("%d bytes", len(data))
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for _, line := range lines {
		if !json.Valid(line) {
			t.Fatalf("no JSON: %.100s", line)
		}
	}
	if last := string(lines[len(lines)-1]); !strings.Contains(last, `"msg":"step ends","took":1.5}`) {
		t.Errorf("last line: %.200s", last)
	}
	if cut := string(lines[len(lines)-2]); strings.Count(string(data), "the log is cut") != 1 || !strings.Contains(cut, "the log is cut") {
		t.Errorf("line before it: %.200s", cut)
	}
}

// TestLogFileOnFullDisk writes to a file that takes nothing: nobody is kept from working, and it is told once.
func TestLogFileOnFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("needs /dev/full")
	}
	var told bytes.Buffer
	l := &logFile{path: "/dev/full", log: slog.New(slog.NewTextHandler(&told, nil)), file: full, stop: make(chan struct{}), ended: make(chan struct{})}
	go l.flushing()
	for range 3 {
		if _, err := io.WriteString(upTo{l, logLimit}, strings.Repeat("x", logHeld)); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	if n := strings.Count(told.String(), "cannot be written"); n != 1 {
		t.Errorf("told %d times: %s", n, told.String())
	}
	if l.size != 0 {
		t.Errorf("size %d of a file that has nothing", l.size)
	}
}

// TestPruneLogs removes logs by age and by number; the newest stays, however old.
func TestPruneLogs(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	for i, age := range []time.Duration{logAge + time.Hour, time.Hour, logAge + 2*time.Hour} {
		path := filepath.Join(dir, fmt.Sprint(i, ".jsonl"))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	logs := func() []string {
		left, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
		return left
	}
	if err := pruneLogs(dir, now); err != nil {
		t.Fatal(err)
	}
	if left := logs(); len(left) != 1 || filepath.Base(left[0]) != "1.jsonl" {
		t.Errorf("left: %v", left)
	}
	again := filepath.Join(dir, "0.jsonl")
	if err := errors.Join(os.WriteFile(again, nil, 0o600), os.Chtimes(again, now.Add(-2*logAge), now.Add(-2*logAge))); err != nil {
		t.Fatal(err)
	}
	if err := pruneLogs(dir, now.Add(time.Minute)); err != nil || len(logs()) != 2 {
		t.Errorf("a minute later: %v, %v: it is too early to look", logs(), err)
	}
	if err := pruneLogs(dir, now.Add(logsPruned)); err != nil || len(logs()) != 1 {
		t.Errorf("an hour later: %v, %v", logs(), err)
	}
}
