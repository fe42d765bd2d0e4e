package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/secret"
	"github.com/millrace/millrace/pipeline/journal"
)

// This file writes what a run says into a file of its own, whoever started it: each attempt appends JSON lines. A log is no
// part of what is promised: that it cannot be written never fails a run.

const (
	// logLimit is how large a run's log may grow. How steps and the run end is told beyond it, as far as logLast.
	logLimit = 64 << 20
	logLast  = logLimit + 1<<20
	// logHeld is how much is written at once; what is less waits for a second.
	logHeld = 64 << 10
	// progressEvery is how often a step's progress is told.
	progressEvery = 5 * time.Second

	// Logs go when they are older than logAge, and the oldest beyond so many, or so many bytes.
	logAge   = 90 * 24 * time.Hour
	logCount = 10_000
	logBytes = 2 << 30
	// logsPruned is how often that is seen to, at the most.
	logsPruned = time.Hour
)

// LogPath is the file with the log of a run: JSON lines of slog, those of all attempts.
func LogPath(stateDir, run string) string { return filepath.Join(stateDir, "logs", run+".jsonl") }

// logFile is a run's log while an attempt writes it. Its methods may be called from several goroutines.
type logFile struct {
	path string
	log  *slog.Logger // of the engine, for what befalls the file

	mu     sync.Mutex
	file   *os.File
	held   []byte
	size   int64 // of the file, with what is held
	cut    bool  // the limit was met
	failed bool  // and that was told
	stop   chan struct{}
	ended  chan struct{}
}

// openLogFile opens the log for appending, and writes what it holds every second until close.
func openLogFile(path string, log *slog.Logger) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &logFile{path: path, log: log, file: file, size: info.Size(), stop: make(chan struct{}), ended: make(chan struct{})}
	last := []byte{'\n'}
	if _, err := file.ReadAt(last, max(0, l.size-1)); err == nil && last[0] != '\n' { // an attempt was killed while it wrote
		l.held = []byte{'\n'}
		l.size++
	}
	go l.flushing()
	return l, nil
}

func (l *logFile) flushing() {
	defer close(l.ended)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			l.flush()
			l.mu.Unlock()
		}
	}
}

// flush writes what is held. What cannot be written is lost, and nothing of it is left in the file.
func (l *logFile) flush() {
	if len(l.held) == 0 {
		return
	}
	before := l.size - int64(len(l.held))
	_, err := l.file.Write(l.held)
	l.held = l.held[:0]
	if err == nil {
		return
	}
	l.size = before
	_ = l.file.Truncate(before)
	if !l.failed {
		l.failed = true
		l.log.Warn("the run's log has gaps: it cannot be written", "path", l.path, "error", err)
	}
}

// write takes a whole line, unless the file would grow beyond the limit.
func (l *logFile) write(line []byte, limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(line)) > limit {
		if !l.cut && limit == logLimit {
			l.cut = true
			l.add(fmt.Appendf(nil, `{"time":%q,"level":"WARN","msg":"the log is cut: it has reached %d MiB; only the ends of steps follow"}`+"\n",
				time.Now().Format(time.RFC3339Nano), int64(logLimit)>>20))
		}
		return
	}
	l.add(line)
}

func (l *logFile) add(line []byte) {
	l.held = append(l.held, line...)
	l.size += int64(len(line))
	if len(l.held) >= logHeld {
		l.flush()
	}
}

func (l *logFile) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *logFile) close() {
	close(l.stop)
	<-l.ended
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	_ = l.file.Close()
}

// upTo writes whole lines as long as the file stays within its limit. Writing never fails.
type upTo struct {
	file  *logFile
	limit int64
}

func (w upTo) Write(line []byte) (int, error) {
	w.file.write(line, w.limit)
	return len(line), nil
}

// tee says everything to the engine's own log, and to the run's what is at info or above.
type tee struct {
	own  slog.Handler
	file slog.Handler
	full func() bool
}

func (t tee) Enabled(ctx context.Context, level slog.Level) bool {
	return t.own.Enabled(ctx, level) || level >= slog.LevelInfo && !t.full()
}

func (t tee) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level >= slog.LevelInfo && !t.full() {
		_ = t.file.Handle(ctx, rec.Clone())
	}
	if !t.own.Enabled(ctx, rec.Level) {
		return nil
	}
	return t.own.Handle(ctx, rec)
}

func (t tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tee{t.own.WithAttrs(attrs), t.file.WithAttrs(attrs), t.full}
}

func (t tee) WithGroup(name string) slog.Handler {
	return tee{t.own.WithGroup(name), t.file.WithGroup(name), t.full}
}

// JSONLog writes logs as JSON lines, with time spans in seconds.
func JSONLog(w io.Writer, level slog.Level) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.Float64Value(a.Value.Duration().Seconds())
		}
		return a
	}})
}

// lines writes records as JSON, each with its attempt.
func (r *run) lines(w io.Writer) slog.Handler {
	return secret.Handler(r.redact, JSONLog(w, slog.LevelInfo).WithAttrs([]slog.Attr{slog.Int("attempt", r.Attempt)}))
}

// openLog makes the run log into its file as well, until the returned function is called.
func (r *run) openLog() (closeLog func()) {
	engine := *r.Engine
	r.Engine, r.told, r.outcomes = &engine, engine.Log, slog.New(slog.DiscardHandler)
	file, err := openLogFile(LogPath(r.Project.StateDir(), r.ID), r.Log)
	if err != nil {
		r.Log.Warn("the run has no log", "run", r.ID, "error", err)
		return func() {}
	}
	r.outcomes = slog.New(r.lines(upTo{file, logLast}))
	engine.Log = slog.New(tee{own: r.Log.Handler(), file: r.lines(upTo{file, logLimit}), full: file.full})
	watch := &watch{run: r, told: map[string]time.Time{}}
	observe := engine.Observe
	engine.Observe = func(ev Event) {
		watch.observe(ev)
		if observe != nil {
			observe(ev)
		}
	}
	if err := pruneLogs(filepath.Dir(file.path), r.Clock()); err != nil {
		r.Log.Warn("old logs of runs stay", "run", r.ID, "error", err)
	}
	return file.close
}

// watch tells the log of a step's phases, and now and then of its progress.
type watch struct {
	run  *run
	mu   sync.Mutex
	told map[string]time.Time // by node
}

func (w *watch) observe(ev Event) {
	if ev.Node == "" || ev.Kind == "done" {
		return
	}
	now := w.run.Clock()
	w.mu.Lock()
	due := ev.Kind != "progress" || now.Sub(w.told[ev.Node]) >= progressEvery
	if due {
		w.told[ev.Node] = now
	}
	w.mu.Unlock()
	switch {
	case ev.Kind == "phase":
		w.run.Log.Info("phase starts", "run", w.run.ID, "step", ev.Node, "phase", ev.Phase)
	case ev.Kind == "progress" && due:
		w.run.Log.Info("step goes on", "run", w.run.ID, "step", ev.Node, "phase", ev.Phase, "rows", ev.Rows, "bytes", ev.Bytes)
	}
}

// says tells how the run or a step begins or ends: people see that by other means, so that to them it is at info.
func (r *run) says(failed bool, msg string, args ...any) {
	level := slog.LevelInfo
	if failed {
		level = slog.LevelError
	}
	args = append([]any{"run", r.ID}, args...)
	r.told.Info(msg, args...)
	r.outcomes.Log(context.Background(), level, msg, args...)
}

// saysStart tells what the attempt is.
func (r *run) saysStart() {
	whole := r.Run
	r.observe(Event{Kind: "begin", Whole: &whole})
	r.says(false, "run starts", "pipeline", r.Pipeline, "logical_time", r.LogicalTime, "nodes", len(r.nodes), "trigger", r.Trigger, "resumed", r.resumed,
		"millrace", r.Engine.Version, "pid", r.PID)
}

// saysStep tells what became of a step.
func (r *run) saysStep(s journal.Step, took time.Duration, equation string) {
	args := []any{"step", s.Node, "status", s.Status, "rows", s.Rows, "took", took}
	for _, more := range []struct{ key, text string }{{"equation", equation}, {"error", s.Error}, {"hint", s.Hint}} {
		if more.text != "" {
			args = append(args, more.key, more.text)
		}
	}
	r.says(s.Status != journal.Succeeded, "step ends", args...)
}

// saysEnd tells what became of the attempt.
func (r *run) saysEnd(err error) {
	took := r.Clock().Sub(r.Begun())
	args := []any{"status", r.Run.Status, "took", took}
	if r.ExitCode != nil {
		args = append(args, "exit_code", *r.ExitCode)
	}
	if r.Snapshot != nil {
		args = append(args, "snapshot", *r.Snapshot)
	}
	whole := r.Run
	if err != nil {
		whole.Error = err.Error()
	}
	if whole.Error != "" {
		args = append(args, "error", whole.Error)
	}
	r.observe(Event{Kind: "end", Whole: &whole, Took: took, Err: err})
	r.says(r.Run.Status != journal.Succeeded, "run ends", args...)
}

// pruneLogs removes logs that are too old, and the oldest when there are too many of them, unless that was done a short while ago: the time of
// an empty file beside the folder says when.
func pruneLogs(dir string, now time.Time) error {
	marker := dir + ".pruned"
	if info, err := os.Stat(marker); err == nil && now.Sub(info.ModTime()).Abs() < logsPruned {
		return nil
	}
	if err := errors.Join(os.WriteFile(marker, nil, 0o600), os.Chtimes(marker, now, now)); err != nil {
		return err
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var logs []os.FileInfo
	for _, entry := range found {
		if info, err := entry.Info(); err == nil && filepath.Ext(info.Name()) == ".jsonl" {
			logs = append(logs, info)
		}
	}
	slices.SortFunc(logs, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	sum := int64(0)
	var errs []error
	for i, info := range logs {
		if sum += info.Size(); i > 0 && (i >= logCount || sum > logBytes || now.Sub(info.ModTime()) > logAge) {
			errs = append(errs, os.Remove(filepath.Join(dir, info.Name())))
		}
	}
	return errors.Join(errs...)
}
