package main

import (
	"bytes"
	"log/slog"
	"testing"
)

// TestWorkerLog: what went wrong in a run can be found by the level of the lines in serve's log, an error in one of them.
func TestWorkerLog(t *testing.T) {
	var out bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	w := workerLog{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: drop}))}
	for _, line := range []string{"[1/3] a.b succeeded in 3ms: 10 rows", "[2/3] a.c failed in 3ms: no route", "[3/3] a.d checks_failed in 3ms: 2 rows", "millrace: alerts: no answer",
		"time=x level=WARN msg=slow", "millrace: read a.c: no route", "   LINE 1: select", "", "   millrace retry takes it up"} {
		w.line(line)
	}
	w.flush(levelOf(codeChecks))
	const want = `level=INFO msg="[1/3] a.b succeeded in 3ms: 10 rows"
level=ERROR msg="[2/3] a.c failed in 3ms: no route"
level=WARN msg="[3/3] a.d checks_failed in 3ms: 2 rows"
level=ERROR msg="millrace: alerts: no answer"
level=WARN msg="time=x level=WARN msg=slow"
level=WARN msg="millrace: read a.c: no route; LINE 1: select; millrace retry takes it up"
`
	if out.String() != want || w.said != "read a.c: no route" {
		t.Errorf("%q\n%s", w.said, &out)
	}
	for code, level := range map[int]slog.Level{0: slog.LevelInfo, 1: slog.LevelError, 2: slog.LevelError, 3: slog.LevelWarn, 4: slog.LevelInfo, 5: slog.LevelError, 130: slog.LevelInfo, 143: slog.LevelInfo} {
		if got := levelOf(code); got != level {
			t.Errorf("exit code %d: %v, want %v", code, got, level)
		}
	}
}
