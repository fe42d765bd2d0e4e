package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// extractAll reads every stream of the run, a few at once.
func (r *run) extractAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.width())
	opened := &sources{engine: r.Engine, open: map[string]extract.Source{}}
	for _, n := range r.nodes {
		if n.Kind != models.KindStream {
			continue
		}
		group.Go(func() error {
			if r.stopping() {
				return r.halt()
			}
			return r.step(ctx, n, func(ctx context.Context, s *journal.Step) (*load.Table, error) {
				source, err := opened.get(n.Stream.Source)
				if err != nil {
					return nil, &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: err}
				}
				x := &extraction{run: r, node: n, source: source, step: s, before: r.before.Table(nameOf(n))}
				return x.table(ctx)
			})
		})
	}
	return errors.Join(group.Wait(), opened.close(), r.halted())
}

// width is how many nodes run at once. Each gets its share of the memory.
func (r *run) width() int { return max(1, min(2, r.Threads)) }

// engineMemory is what one of n DuckDB instances may use: the whole process stays below Memory, of which the Go
// side, reading and verifying, takes a share.
func (e *Engine) engineMemory(n int) int64 {
	const least = 64 << 20
	return max(least, e.Memory*6/10/int64(n))
}

// sources opens each source once, when its first stream is read.
type sources struct {
	engine *Engine
	mu     sync.Mutex
	open   map[string]extract.Source
}

func (s *sources) get(source *models.Source) (extract.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[source.Name]; open != nil {
		return open, nil
	}
	opened, err := s.engine.OpenSource(source)
	if err != nil {
		return nil, fmt.Errorf("open source %q: %w", source.Name, err)
	}
	s.open[source.Name] = opened
	return opened, nil
}

func (s *sources) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, source := range s.open {
		errs = append(errs, source.Close())
	}
	return errors.Join(errs...)
}

// extraction is one stream being read in one attempt.
type extraction struct {
	*run
	node   *models.Node
	source extract.Source
	step   *journal.Step
	before *load.Table // published version; nil when there is none, or when it is to be forgotten

	mu    sync.Mutex
	bytes int64 // of input, so far
	rows  int64
	total int64
}

// How often a source is asked again: when what the window names changed meanwhile, and after a transient failure.
const (
	maxWindows  = 3
	maxAttempts = 3
)

// table reads the stream into parts and makes its new version. A nil table means that there is nothing new.
func (x *extraction) table(ctx context.Context) (*load.Table, error) {
	if x.before != nil && x.rebuilds() && x.node.Stream.Mode != string(extract.Full) {
		if !x.selection.FullRefresh {
			x.note(fmt.Sprintf("read anew from the start: the table was made with mode %s and key %v", x.before.Mode, x.before.Key))
		}
		x.before = nil
	}
	asked := x.asked()
	for try := 1; ; try++ {
		w, err := x.window(ctx, asked)
		if errors.Is(err, extract.ErrEmpty) && x.before != nil {
			x.note(err.Error())
			w, err = &extract.Window{Lo: x.since(), Hi: x.since()}, x.guard(&extract.Window{}, 0)
		}
		if err != nil {
			return nil, x.explain(err)
		}
		parts, err := x.parts(ctx, asked, w)
		if err == nil {
			t, err := x.version(ctx, w, parts)
			return t, x.explain(err)
		}
		if !errors.Is(err, extract.ErrChanged) || try == maxWindows {
			return nil, x.explain(err)
		}
		x.note("read again from the start: " + err.Error())
		if _, err := x.freshWindow(ctx, asked); err != nil {
			return nil, x.explain(err)
		}
	}
}

// asked is the stream as the source contract wants it.
func (x *extraction) asked() extract.Stream {
	asked := asStream(x.node.Stream)
	if x.before != nil && !x.selection.FullRefresh {
		for _, c := range x.before.Columns {
			asked.Known = append(asked.Known, extract.Column(c))
		}
	}
	return asked
}

func (x *extraction) since() extract.Cursor {
	if x.before == nil || x.node.Stream.Mode == string(extract.Full) {
		return ""
	}
	return extract.Cursor(x.before.Cursor)
}

// definition is a hash of everything in the project that decides what the stream's records become. Secrets are in it
// as ***: they decide who reads, not what.
func (x *extraction) definition() string {
	s := x.node.Stream
	text, err := json.Marshal([]any{s.StreamKeys, s.Options, s.Source.Type, s.Source.Options})
	if err != nil {
		panic(fmt.Sprintf("stream options are not JSON: %v", err)) // plain structs of ours: a bug
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// window takes the one that this run has fixed already for the stream as it is defined, or fixes it now.
func (x *extraction) window(ctx context.Context, asked extract.Stream) (*extract.Window, error) {
	w, err := x.Journal.Window(ctx, x.ID, x.node.Name(), x.definition())
	if err != nil {
		return nil, err
	}
	if w != nil && w.Lo == x.since() {
		return w, nil
	}
	return x.freshWindow(ctx, asked)
}

// freshWindow asks the source and journals the answer, which voids the parts of an earlier one.
func (x *extraction) freshWindow(ctx context.Context, asked extract.Stream) (*extract.Window, error) {
	w, err := x.source.Window(ctx, asked, x.since())
	if err != nil {
		return nil, err
	}
	w.Lo = x.since()
	return w, x.timed("journal", func() error { return x.Journal.SaveWindow(ctx, x.ID, x.node.Name(), x.definition(), w) })
}

// parts reads all slices of the window, each from where the last landed part left it.
func (x *extraction) parts(ctx context.Context, asked extract.Stream, w *extract.Window) ([]journal.Part, error) {
	landed, err := x.Journal.Parts(ctx, x.ID, x.node.Name())
	if err != nil {
		return nil, err
	}
	bySlice := map[string][]journal.Part{}
	for _, p := range landed {
		if err := x.stillThere(p); err != nil {
			return nil, err
		}
		bySlice[p.Slice] = append(bySlice[p.Slice], p)
	}
	x.notes(w.Notes)
	x.total = 0
	for _, s := range w.Slices {
		x.total += s.Bytes
	}
	var all []journal.Part
	for _, slice := range w.Slices {
		parts, err := x.slice(ctx, asked, w, slice, bySlice[slice.ID])
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
	}
	return all, nil
}

// stillThere refuses to build on a part of an earlier attempt whose file is not what was journaled: its content was
// synced before, so the disk or someone has meddled with it.
func (x *extraction) stillThere(p journal.Part) error {
	files := []warehouse.File{p.File}
	if p.Rejects != nil {
		files = append(files, p.Rejects.File)
	}
	for _, f := range files {
		if sum, _, err := warehouse.Hash(f.Path); err != nil || sum != f.SHA256 {
			return fmt.Errorf("landed file %s is not what the journal says any more: %w", f.Path, extract.ErrChanged)
		}
	}
	return nil
}

func (x *extraction) slice(ctx context.Context, asked extract.Stream, w *extract.Window, slice extract.Slice, done []journal.Part) ([]journal.Part, error) {
	resume, seq := "", 0
	if n := len(done); n > 0 {
		resume, seq = done[n-1].Resume, done[n-1].Seq+1
		x.progress(slice.Bytes, 0)
		if resume == "" {
			return done, nil
		}
	}
	for {
		if x.stopping() {
			return nil, ErrInterrupted
		}
		part, err := x.partWithRetries(ctx, asked, w, slice, resume, seq)
		if err != nil {
			return nil, err
		}
		done = append(done, *part)
		if part.Resume == "" {
			return done, nil
		}
		if part.Resume == resume {
			return nil, fmt.Errorf("source gave the resume point %q twice: it would be read for ever", resume)
		}
		resume, seq = part.Resume, seq+1
	}
}

func (x *extraction) partWithRetries(ctx context.Context, asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (*journal.Part, error) {
	for attempt := 1; ; attempt++ {
		part, err := x.part(ctx, asked, w, slice, resume, seq)
		if err == nil || !errors.Is(err, extract.ErrTransient) || attempt == maxAttempts {
			return part, err
		}
		x.note(fmt.Sprintf("attempt %d: %v", attempt, err))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(attempt*attempt) * time.Second):
		}
	}
}

// part lands one snapshot: file first, then the journal's transaction.
func (x *extraction) part(ctx context.Context, asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (_ *journal.Part, err error) {
	l, err := x.landing(asked, w, slice, resume, seq)
	if err != nil {
		return nil, err
	}
	defer l.cleanUp()
	part, err := l.land(ctx)
	if err != nil {
		return nil, err
	}
	if part.Read != part.Landed+part.Rejected {
		return nil, fmt.Errorf("%w: %s", ErrEquation, extractEquation(part.Read, part.Landed, part.Rejected))
	}
	if err := fault.Point("part.journal"); err != nil {
		return nil, err
	}
	if err := x.timed("journal", func() error { return x.Journal.SavePart(ctx, *part) }); err != nil {
		return nil, err
	}
	x.Log.Info("part landed", "run", x.ID, "stream", x.node.Name(), "rows", part.Landed, "rejected", part.Rejected)
	return part, nil
}

// landing prepares the folders and names of one part.
func (x *extraction) landing(asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (*landing, error) {
	folder := filepath.Join(x.runDir(x.ID), fileName(x.node.Name()))
	base := fmt.Sprintf("%s-%05d", fileName(slice.ID), seq)
	l := &landing{x: x, slice: slice, seq: seq,
		path:    filepath.Join(folder, base+".parquet"),
		scratch: filepath.Join(folder, base+".scratch"),
		rejects: filepath.Join(x.rejectsDir(x.ID), fileName(x.node.Name()), base+".parquet"),
	}
	for _, dir := range []string{folder, filepath.Dir(l.rejects)} {
		if err := fsx.MkdirAll("part", dir); err != nil {
			return nil, fmt.Errorf("stage part: %w", err)
		}
	}
	if err := errors.Join(os.RemoveAll(l.scratch), os.MkdirAll(l.scratch, 0o700)); err != nil {
		return nil, fmt.Errorf("stage part: %w", err)
	}
	l.request = extract.Request{Stream: asked, Window: w, Slice: slice, Resume: resume, Scratch: l.scratch, Reject: l.reject, Progress: x.progress}
	return l, nil
}

// version decides what the landed parts make of the table.
func (x *extraction) version(ctx context.Context, w *extract.Window, parts []journal.Part) (*load.Table, error) {
	t := &load.Table{Kind: string(models.KindStream), Mode: x.node.Stream.Mode, Cursor: string(w.Hi), Description: x.node.Description}
	var read, landed, rejected int64
	for _, p := range parts {
		read, landed, rejected = read+p.Read, landed+p.Landed, rejected+p.Rejected
		if p.Rejects != nil {
			t.Rejects = append(t.Rejects, load.Rejects(*p.Rejects))
		}
	}
	equation := extractEquation(read, landed, rejected)
	x.step.Rejected, x.step.Equations = rejected, []warehouse.Equation{equation}
	if !equation.Closes() {
		return nil, fmt.Errorf("%w: %s", ErrEquation, equation)
	}
	if limit := x.node.Stream.MaxRejects; limit.Exceeded(rejected, read) {
		return nil, &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: fmt.Errorf("%d of %d records were rejected, more than max_rejects: %s", rejected, read, limit),
			Hint: fmt.Sprintf("millrace rejects list %s shows them with their reasons; raise max_rejects when they may be left out; if it is the guessed types that are wrong, millrace plan --pin writes what the files say now", x.node.Name())}
	}
	if err := x.guard(w, landed); err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return x.nothing(t)
	}
	if err := x.assemble(ctx, t, parts); err != nil {
		return nil, err
	}
	x.step.Rows, x.step.Bytes, x.step.Equations = t.Rows, x.bytes, t.Equations
	return t, nil
}

func extractEquation(read, landed, rejected int64) warehouse.Equation {
	return warehouse.Equation{Name: "read", Rows: read, Terms: []warehouse.Term{{Name: "landed", Rows: landed}, {Name: "rejected", Rows: rejected}}}
}

// guard refuses results that are most likely a broken source: a red result is never green.
func (x *extraction) guard(w *extract.Window, landed int64) error {
	s := x.node.Stream
	refuse := func(hint, format string, args ...any) error {
		return &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: fmt.Errorf(format, args...), Hint: hint}
	}
	if s.Mode != string(extract.Full) && landed > 0 && w.Hi == w.Lo {
		return refuse("the next run would read the same records again; check the cursor column", "%d records arrived, but the cursor stands still at %q", landed, w.Hi)
	}
	// What a rebuild replaces is the published table, also when the stream is to forget it.
	published := x.run.before.Table(nameOf(x.node))
	if published == nil || published.Rows == 0 || !x.rebuilds() {
		return nil
	}
	if landed == 0 && !s.AllowEmpty && !x.selection.AllowEmpty {
		return refuse("if that is right: millrace run --allow-empty, or allow_empty: true on the stream", "the source is empty, and the published table has %d rows", published.Rows)
	}
	lost := published.Rows - landed
	if landed > 0 && lost > 0 && s.MaxShrink.Exceeded(lost, published.Rows) && !x.selection.AllowShrunken {
		return refuse("if that is right: millrace run --allow-shrunken, or raise max_shrink on the stream", "the source has shrunk from %d rows to %d, by more than max_shrink: %s", published.Rows, landed, s.MaxShrink)
	}
	return nil
}

// rebuilds says whether the run replaces the whole table instead of adding to it: what was made in another mode, or
// with another key, cannot be added to.
func (x *extraction) rebuilds() bool {
	s, published := x.node.Stream, x.run.before.Table(nameOf(x.node))
	if s.Mode == string(extract.Full) || x.selection.FullRefresh || published == nil || published.Kind != string(models.KindStream) {
		return true
	}
	return published.Mode != s.Mode || s.Mode == string(extract.Incremental) && !slices.EqualFunc(published.Key, s.Key, strings.EqualFold)
}

// nothing is the outcome of a window without slices: the table stays as it is, or, when a whole snapshot was asked
// for and the guard has let it pass, it becomes empty.
func (x *extraction) nothing(t *load.Table) (*load.Table, error) {
	if x.before == nil {
		return nil, &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: errors.New("there is nothing to read, and nothing was ever read: the table's columns are unknown"),
			Hint: "check the stream's path, or wait for the first delivery"}
	}
	if x.node.Stream.Mode == string(extract.Full) {
		t.Version = warehouse.Version{Name: nameOf(x.node), Columns: x.before.Columns}
		t.Equations = x.step.Equations
		return t, nil
	}
	x.step.Rows = x.before.Rows
	if t.Cursor == x.before.Cursor || t.Cursor == "" {
		return nil, nil
	}
	t.Version = x.before.Version
	t.Equations = x.step.Equations
	return t, nil
}

func (x *extraction) progress(bytes, records int64) {
	x.mu.Lock()
	x.bytes += bytes
	x.rows += records
	ev := Event{Kind: "progress", Phase: "extract", Node: x.node.Name(), Rows: x.rows, Bytes: x.bytes, Total: x.total}
	x.mu.Unlock()
	x.observe(ev)
}

func (x *extraction) note(text string) {
	x.step.Notes = append(x.step.Notes, text)
	x.Log.Info(text, "run", x.ID, "stream", x.node.Name())
}

func (x *extraction) notes(texts []string) {
	for _, text := range texts {
		x.note(text)
	}
}

// explain adds where the stream is defined, and what can be done where that is known.
func (x *extraction) explain(err error) error {
	var se *StepError
	if err == nil || errors.As(err, &se) || errors.Is(err, ErrInterrupted) || errors.Is(err, context.Canceled) {
		return err
	}
	hint := ""
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		hint = hinted.Hint()
	case errors.Is(err, syscall.ENOSPC):
		hint = "free space on that disk, then `millrace retry`: what was landed is kept"
	case errors.Is(err, warehouse.ErrIncompatible):
		hint = fmt.Sprintf("millrace run %s --full-refresh reads the table anew", x.node.Name())
	case errors.Is(err, extract.ErrChanged):
		hint = "run again when nothing writes to it any more; min_age leaves files alone that were written just now"
	}
	return &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: err, Hint: hint}
}

// fileName makes any name one path element.
func fileName(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '/' || c < ' ' || c == '%' {
			return '_'
		}
		return c
	}, s)
}
