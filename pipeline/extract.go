package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	opened := &sources{engine: r.Engine, open: map[string]extract.Source{}}
	read := map[*models.Node]*extraction{}
	todo := streamsOf(r.nodes)
	err := r.extractEach(ctx, opened, todo, read)
	for round := 1; err == nil && r.halted() == nil; round++ {
		if todo = r.disagreeing(read); len(todo) == 0 {
			break
		}
		if round == maxWindows {
			err = r.failDisagreeing(ctx, todo)
			break
		}
		r.count(-len(todo))
		err = r.extractEach(ctx, opened, todo, read)
	}
	return errors.Join(err, opened.close(), r.halted())
}

func streamsOf(nodes []*models.Node) []*models.Node {
	var streams []*models.Node
	for _, n := range nodes {
		if n.Kind == models.KindStream {
			streams = append(streams, n)
		}
	}
	return streams
}

// extractEach reads the streams and notes in read what became of each.
func (r *run) extractEach(ctx context.Context, opened *sources, streams []*models.Node, read map[*models.Node]*extraction) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.width())
	ended := map[*models.Node]chan struct{}{}
	for _, n := range streams {
		ended[n] = make(chan struct{})
	}
	r.ended = ended
	for _, n := range afterParents(streams) {
		group.Go(func() error {
			defer close(ended[n])
			if r.stopping() {
				return r.halt()
			}
			return r.step(ctx, n, func(ctx context.Context, s *journal.Step) ([]load.Table, error) {
				source, err := opened.get(n.Stream.Source)
				if err != nil {
					return nil, &StepError{Node: n.Name(), Pos: n.Pos.String(), Err: err}
				}
				x := &extraction{run: r, node: n, source: source, step: s, before: r.before.Table(nameOf(n))}
				r.mu.Lock()
				read[n] = x
				r.mu.Unlock()
				return x.table(ctx)
			})
		})
	}
	return group.Wait()
}

// disagreeing are streams that were read in another state of their source than its others: the source has lost that
// state meanwhile, with a connection or a server. What was landed of windows that hold in any state is kept.
func (r *run) disagreeing(read map[*models.Node]*extraction) []*models.Node {
	newest := map[*models.Source]extract.AsOf{}
	last := map[*models.Source]int{} // not by the source's clock, which may have been set back
	for n, x := range read {
		if r.succeeded(n.Name()) && x.asOf != nil && x.windowNo > last[n.Stream.Source] {
			last[n.Stream.Source], newest[n.Stream.Source] = x.windowNo, *x.asOf
		}
	}
	var again []*models.Node
	for _, n := range streamsOf(r.nodes) {
		x := read[n]
		if x == nil || !r.succeeded(n.Name()) || x.asOf == nil || x.asOf.ID == newest[n.Stream.Source].ID {
			continue
		}
		r.Log.Warn("read again: the source has lost the state that its other streams were read in", "run", r.ID, "stream", n.Name())
		again = append(again, n)
	}
	return again
}

// failDisagreeing gives up on streams that could not be read in the state of their source's others.
func (r *run) failDisagreeing(ctx context.Context, nodes []*models.Node) error {
	for _, n := range nodes {
		r.count(-1)
		if err := r.step(ctx, n, func(context.Context, *journal.Step) ([]load.Table, error) {
			return nil, &StepError{Node: n.Name(), Pos: n.Pos.String(), Hint: "its connection was lost again and again; millrace retry reads on when it is stable",
				Err: fmt.Errorf("source %q could not be read in one state: %w", n.Stream.Source.Name, extract.ErrChanged)}
		}); err != nil {
			return err
		}
	}
	return nil
}

// width is how many nodes run at once. Each gets its share of the memory.
func (r *run) width() int { return max(1, min(2, r.Threads, len(r.nodes))) }

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
	opened, err := s.engine.openSource(source)
	if err != nil {
		return nil, err
	}
	s.open[source.Name] = opened
	return opened, nil
}

func (e *Engine) openSource(source *models.Source) (extract.Source, error) {
	opened, err := e.OpenSource(source)
	if err != nil {
		return nil, fmt.Errorf("open source %q: %w", source.Name, err)
	}
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
	// replaced is the published version that is forgotten because the stream reads something else now: the policy for schema
	// changes is about its columns all the same.
	replaced *load.Table
	asOf     *extract.AsOf
	// fixedAt is when the source gave the window, windowNo the place of that among all windows of the run.
	fixedAt  time.Time
	windowNo int
	// reconciles says that all rows are read once more and compared with what is published.
	reconciles bool
	parallel   int // slices that are read at once
	// remains is the published version that rows are added to where that is not all of it: a backfill of an append stream
	// replaces those of its range. stillOut is the same of its quarantine; nil: all of it.
	remains, stillOut *warehouse.Version

	mu    sync.Mutex // guards what follows, and the step's notes
	bytes int64      // of input, so far
	rows  int64
	total int64
}

// How often a source is asked again: when what the window names changed meanwhile, and after a transient failure.
const (
	maxWindows  = 3
	maxAttempts = 6
)

// table reads the stream into parts and makes its new version, with its quarantine. None means that there is nothing new.
func (x *extraction) table(ctx context.Context) ([]load.Table, error) {
	why, err := x.begin()
	if err != nil {
		return nil, err
	}
	if why != "" {
		x.note(why)
	}
	asked := x.asked()
	x.reconciles = x.reconcileDue()
	for try := 1; ; try++ {
		w, err := x.window(ctx, asked)
		if errors.Is(err, extract.ErrEmpty) && x.before != nil && x.selection.Backfill == nil {
			x.note(err.Error())
			w, err = &extract.Window{Lo: x.since(), Hi: x.since()}, x.guard(0)
		}
		if err != nil {
			return nil, x.explain(err)
		}
		if why, err := x.moved(w); err != nil {
			return nil, err
		} else if why != "" {
			x.note(why)
			if err := x.Journal.DropWindow(ctx, x.ID, x.node.Name()); err != nil {
				return nil, err
			}
			asked, x.reconciles = x.asked(), false
			continue
		}
		parts, err := x.parts(ctx, asked, w)
		if unfit := (*misfit)(nil); errors.As(err, &unfit) {
			return nil, x.tellMisfit(ctx, unfit)
		}
		if err == nil && x.strayed(w, parts) {
			// The source has lost its state on the way, and went on in another: asked again, it adds what has changed since.
			if try < maxWindows {
				continue
			}
			err = fmt.Errorf("the state that was read was lost again and again: %w", extract.ErrChanged)
		}
		if err == nil {
			tables, err := x.version(ctx, w, parts)
			return tables, x.explain(err)
		}
		if !errors.Is(err, extract.ErrChanged) || try == maxWindows {
			return nil, x.explain(err)
		}
		x.note("read again from the start: " + err.Error())
		if err := x.Journal.DropWindow(ctx, x.ID, x.node.Name()); err != nil {
			return nil, err
		}
	}
}

// begin decides whether the run adds to what is published or reads the stream anew from its start; why is for the report.
func (x *extraction) begin() (why string, err error) {
	if x.selection.Backfill != nil {
		return "", x.addsTo()
	}
	if x.before == nil || x.node.Stream.Mode == string(extract.Full) || !x.rebuilds() {
		return "", nil
	}
	if x.selection.FullRefresh {
		x.before = nil
		return "", nil
	}
	if why := x.elsewhere(); why != "" {
		return x.replace(why)
	}
	why = x.otherwise()
	if x.softDeleted() {
		return "", x.refuse(fmt.Sprintf("millrace run %s --full-refresh reads it anew", x.node.Name()), "%s, and its rows that were deleted at the source are not thrown away unasked", why)
	}
	x.before = nil
	return "read anew from the start: " + why, nil
}

// moved does the same for what only the source could tell: its name for what is read leads elsewhere now.
func (x *extraction) moved(w *extract.Window) (why string, err error) {
	if x.before == nil || x.node.Stream.Mode == string(extract.Full) || w.Of == "" || x.before.Of == "" || w.Of == x.before.Of {
		return "", nil
	}
	if x.selection.Backfill != nil {
		return "", x.refuseBackfill(fmt.Sprintf("the table was read from %s, and what the stream names is now %s", x.before.Of, w.Of))
	}
	return x.replace(fmt.Sprintf("the table was read from %s, and what the stream names is now %s", x.before.Of, w.Of))
}

// replace forgets what is published, as the stream reads something else. Rows that the source may have no more are not thrown
// away for that: those of an append stream, those that were deleted, and those of files, which may be archived.
func (x *extraction) replace(why string) (string, error) {
	t := x.before
	files := t.ReadFrom != "" && !strings.Contains(t.ReadFrom, " ") // the source names no more than its type
	if t.Rows > 0 && (t.Mode == string(extract.Append) || files || x.softDeleted()) {
		return "", x.refuse(fmt.Sprintf("millrace run %s --full-refresh replaces them by what the stream reads now; millrace state set %[1]s VALUE keeps them and reads on after that value of %s (and after that, millrace run: the failed run has nothing more to retry)", x.node.Name(), x.node.Stream.Cursor),
			"%s: its %d rows are neither added to nor thrown away unasked", why, t.Rows)
	}
	x.before, x.replaced = nil, t
	return "read anew from the start: " + why, nil
}

// softDeleted says whether the published table may have rows that are gone from the source.
func (x *extraction) softDeleted() bool {
	return x.before.Rows > 0 && slices.ContainsFunc(x.before.Columns, func(c warehouse.Column) bool { return c.Name == models.DeletedAt })
}

// strayed says whether a part of this window was read in another state than the window's. Slices that Extend has kept from
// earlier states are none of this window's: they are known by having been landed before it was asked for.
func (x *extraction) strayed(w *extract.Window, parts []journal.Part) bool {
	return w.AsOf != nil && slices.ContainsFunc(parts, func(p journal.Part) bool {
		return p.Detail["as_of"] != "" && p.Detail["as_of"] != w.AsOf.ID && !p.LandedAt.Before(x.fixedAt)
	})
}

// asked is the stream as the source contract wants it.
func (x *extraction) asked() extract.Stream {
	asked := asked(x.node)
	asked.Fresh = x.before == nil
	asked.Known, asked.Closed = x.known(), x.node.Stream.OnSchemaChange == models.SchemaDiscards
	asked.Range = x.ranges[x.node]
	return asked
}

func (x *extraction) since() extract.Cursor {
	if x.before == nil || x.reconciles || x.node.Stream.Mode == string(extract.Full) {
		return ""
	}
	return extract.Cursor(x.before.Cursor)
}

// reconcileDue says whether the stream's time has come to be read whole, for what its cursor has missed.
func (x *extraction) reconcileDue() bool {
	every := x.node.Stream.Reconcile.Std()
	if every <= 0 || x.before == nil || x.selection.Backfill != nil || x.node.Stream.Mode != string(extract.Incremental) {
		return false
	}
	return x.before.Reconciled == nil || !x.LogicalTime.Before(x.before.Reconciled.Add(every))
}

// definition is a hash of everything in the project that decides what the stream's records become. Secrets are in it
// as ***: they decide who reads, not what.
func (x *extraction) definition() string {
	s := x.node.Stream
	what := []any{s.StreamKeys, s.Options, x.readFrom(), s.Source.Options}
	if types := asked(x.node).Types; len(types) > 0 {
		what = append(what, types)
	}
	text, err := json.Marshal(what)
	if err != nil {
		panic(fmt.Sprintf("stream options are not JSON: %v", err)) // plain structs of ours: a bug
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// window takes the one that this run has fixed already for the stream as it is defined, when it still holds, or fixes
// one now. Journaling a new one voids the parts of the old.
func (x *extraction) window(ctx context.Context, asked extract.Stream) (*extract.Window, error) {
	fixed, err := x.Journal.Window(ctx, x.ID, x.node.Name(), x.definition())
	if err != nil {
		return nil, err
	}
	if fixed != nil && x.selection.Backfill == nil && fixed.Lo != x.since() {
		fixed = nil
	}
	var w *extract.Window
	err = x.patiently(ctx, func() (err error) {
		w, err = x.source.Window(ctx, asked, x.since(), fixed)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := x.run
	r.mu.Lock()
	r.windows++
	x.asOf, x.fixedAt, x.windowNo = w.AsOf, x.Clock(), r.windows
	r.mu.Unlock()
	if w == fixed {
		return w, nil
	}
	if fixed != nil {
		x.note("read from the start: the source has lost the state that the run was reading")
	}
	if x.selection.Backfill == nil {
		w.Lo = x.since()
	}
	return w, x.timed("journal", func() error { return x.Journal.SaveWindow(ctx, x.ID, x.node.Name(), x.definition(), w) })
}

// patiently calls f again after transient failures, after a pause that doubles and is drawn from its upper half, so that
// many clients of a server that is back do not come at once.
func (x *extraction) patiently(ctx context.Context, f func() error) error {
	pause := time.Second
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || !errors.Is(err, extract.ErrTransient) || attempt == maxAttempts || ctx.Err() != nil {
			return err
		}
		wait := pause/2 + rand.N(pause/2)
		x.note(fmt.Sprintf("attempt %d of %d, again in %s: %v", attempt, maxAttempts, wait.Round(10*time.Millisecond), err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-x.Stop:
			return ErrInterrupted
		case <-time.After(wait):
		}
		pause = min(2*pause, 15*time.Second)
	}
}

// parts reads all slices of the window, each from where the last landed part left it.
func (x *extraction) parts(ctx context.Context, asked extract.Stream, w *extract.Window) ([]journal.Part, error) {
	earlier, err := x.Journal.Parts(ctx, x.ID, x.node.Name())
	if err != nil {
		return nil, err
	}
	bySlice := map[string][]journal.Part{}
	for _, p := range earlier {
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
	// Half of the processors read, the other half compress: more readers would only wait for each other.
	x.parallel = max(1, min(w.Parallel, x.Threads/2, len(w.Slices)))
	if b := x.selection.Backfill; b != nil && b.Parallel > 0 {
		x.parallel = max(1, min(w.Parallel, b.Parallel, len(w.Slices)))
	}
	var landed atomic.Int64 // slices
	all := make([][]journal.Part, len(w.Slices))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(x.parallel)
	for i, slice := range w.Slices {
		group.Go(func() (err error) {
			if ctx.Err() != nil { // the group keeps the first error, which says why
				return ctx.Err()
			}
			if all[i], err = x.slice(ctx, asked, w, slice, bySlice[slice.ID]); err == nil && w.Covers != nil {
				x.observe(Event{Kind: "slice", Phase: "extract", Node: x.node.Name(), Slice: slice.ID, Step: int(landed.Add(1)), Of: len(w.Slices), Rows: rowsOf(all[i])})
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(all...), nil
}

// rowsOf counts what was landed in parts.
func rowsOf(parts []journal.Part) (n int64) {
	for _, p := range parts {
		n += p.Landed
	}
	return n
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
		var part *journal.Part
		err := x.patiently(ctx, func() (err error) {
			part, err = x.part(ctx, asked, w, slice, resume, seq)
			return err
		})
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
	if slice.Keys {
		return part, nil
	}
	return part, x.misfit(part.Columns)
}

// landing prepares the folders and names of one part.
func (x *extraction) landing(asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (*landing, error) {
	name := fileName(x.node.Name())
	return x.landingIn(filepath.Join(x.runDir(x.ID), name), filepath.Join(x.rejectsDir(x.ID), name), asked, w, slice, resume, seq)
}

// landingIn prepares one part in the folder dir, and its rejects in another.
func (x *extraction) landingIn(dir, rejects string, asked extract.Stream, w *extract.Window, slice extract.Slice, resume string, seq int) (*landing, error) {
	base := fmt.Sprintf("%s-%05d", fileName(slice.ID), seq)
	l := &landing{x: x, slice: slice, seq: seq,
		path:    filepath.Join(dir, base+".parquet"),
		scratch: filepath.Join(dir, base+".scratch"),
		rejects: filepath.Join(rejects, base+".parquet"),
	}
	for _, dir := range []string{dir, rejects} {
		if err := fsx.MkdirAll("part", dir, 0o700); err != nil {
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
func (x *extraction) version(ctx context.Context, w *extract.Window, parts []journal.Part) ([]load.Table, error) {
	t := &load.Table{Kind: string(models.KindStream), Mode: x.node.Stream.Mode, ReadFrom: x.readFrom(), Of: w.Of, OrderedBy: x.node.Stream.Cursor, Cursor: string(w.Hi), AsOf: (*load.AsOf)(w.AsOf), Reconciled: x.reconciled(), Description: x.node.Description}
	if t.Of == "" && x.before != nil {
		t.Of = x.before.Of
	}
	if x.selection.Backfill != nil { // the table stands where it stood: only what it holds of the past is another
		t.Cursor, t.AsOf = x.before.Cursor, x.before.AsOf
	}
	parts, keys := x.apart(w, parts)
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
	x.phase(x.node.Name(), "build")
	if err := x.guardStill(w, landed); err != nil {
		return nil, err
	}
	if err := x.guard(landed); err != nil {
		return nil, err
	}
	if len(parts) == 0 && keys == nil {
		return x.nothing(ctx, t)
	}
	if w.Covers != nil && x.node.Stream.Mode == string(extract.Append) {
		if err := x.cutOut(ctx, w.Covers, parts); err != nil {
			return nil, err
		}
	}
	tables, err := x.audited(ctx, t, w, parts, keys)
	x.step.Rows, x.step.Bytes, x.step.Equations = t.Rows, x.bytes, t.Equations
	return tables, err
}

// apart tells the parts with rows from those with the keys of all rows. keys is nil when no keys were asked for.
func (x *extraction) apart(w *extract.Window, parts []journal.Part) (rows, keys []journal.Part) {
	ofKeys := map[string]bool{}
	for _, s := range w.Slices {
		if s.Keys {
			ofKeys[s.ID], keys = true, []journal.Part{}
		}
	}
	for _, p := range parts {
		if ofKeys[p.Slice] {
			keys = append(keys, p)
		} else {
			rows = append(rows, p)
		}
	}
	return rows, keys
}

// reconciled is when all rows of the stream were read last.
func (x *extraction) reconciled() *time.Time {
	switch {
	case x.node.Stream.Mode != string(extract.Incremental):
		return nil
	case x.since() == "":
		now := x.LogicalTime
		return &now
	}
	return x.before.Reconciled
}

func extractEquation(read, landed, rejected int64) warehouse.Equation {
	return warehouse.Equation{Name: "read", Rows: read, Terms: []warehouse.Term{{Name: "landed", Rows: landed}, {Name: "rejected", Rows: rejected}}}
}

// guardStill refuses records that would come again in each run, as the cursor does not pass them.
func (x *extraction) guardStill(w *extract.Window, landed int64) error {
	if x.node.Stream.Mode == string(extract.Full) || landed == 0 || w.Hi != w.Lo || w.Overlaps {
		return nil
	}
	return x.refuse("the next run would read the same records again; check the cursor column", "%d records arrived, but the cursor stands still at %q", landed, cursorOf(x.node, string(w.Hi)))
}

// guard refuses to replace the table by so many rows when that is most likely a broken source: a red result is never green.
func (x *extraction) guard(rows int64) error {
	s := x.node.Stream
	// What a rebuild replaces is the published table, also when the stream is to forget it.
	published := x.run.before.Table(nameOf(x.node))
	if published == nil || published.Rows == 0 || !x.rebuilds() {
		return nil
	}
	if rows == 0 && !s.AllowEmpty && !x.selection.AllowEmpty {
		return x.refuse("if that is right: millrace run --allow-empty, or allow_empty: true on the stream", "the source is empty, and the published table has %d rows", published.Rows)
	}
	lost := published.Rows - rows
	if rows > 0 && lost > 0 && s.MaxShrink.Exceeded(lost, published.Rows) && !x.selection.AllowShrunken {
		return x.refuse(shrunkenHint, "the source has shrunk from %d rows to %d, by more than max_shrink: %s", published.Rows, rows, s.MaxShrink)
	}
	return nil
}

func (x *extraction) refuse(hint, format string, args ...any) error {
	return &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: fmt.Errorf(format, args...), Hint: hint}
}

const shrunkenHint = "if that is right: millrace run --allow-shrunken, or raise max_shrink on the stream"

// guardDeletes does the same for rows that are gone from the source by its keys.
func (x *extraction) guardDeletes(gone, before int64) error {
	s := x.node.Stream
	if gone == 0 || gone < before && !s.MaxShrink.Exceeded(gone, before) || x.selection.AllowShrunken || gone == before && (s.AllowEmpty || x.selection.AllowEmpty) {
		return nil
	}
	hint := shrunkenHint
	if x.selection.Backfill != nil {
		hint = fmt.Sprintf("if that is right: the same command with --allow-shrunken; if the source was broken: millrace backfill --abandon %s, and the command again once it is mended", x.ID)
	}
	return x.refuse(hint, "%d of %d rows are gone from the source, more than max_shrink: %s", gone, before, s.MaxShrink)
}

// rebuilds says whether the run replaces the whole table instead of adding to it.
func (x *extraction) rebuilds() bool {
	return x.node.Stream.Mode == string(extract.Full) || x.selection.FullRefresh || x.replaced != nil || x.run.before.Table(nameOf(x.node)) == nil ||
		x.otherwise() != "" || x.elsewhere() != ""
}

// readFrom names what the stream reads, for the manifest. It is "" in older ones only.
func (x *extraction) readFrom() string {
	return strings.TrimSpace(x.node.Stream.Source.Type + " " + x.source.Identity(asStream(x.node.Stream)))
}

// otherwise says in which other way the published table was made, so that nothing can be added to it; "" when in the same.
func (x *extraction) otherwise() string {
	s, published := x.node.Stream, x.run.before.Table(nameOf(x.node))
	switch {
	case published.Kind != string(models.KindStream):
		return fmt.Sprintf("the table was made by a %s", published.Kind)
	case published.Mode != s.Mode:
		return fmt.Sprintf("the table was made with mode %s", published.Mode)
	case s.Mode == string(extract.Incremental) && !slices.EqualFunc(published.Key, s.Key, strings.EqualFold):
		return fmt.Sprintf("the table was made with key %v", published.Key)
	}
	return ""
}

// elsewhere says which other rows the published table was made of; "" when of the same. What an older manifest does not say
// is taken to be the same.
func (x *extraction) elsewhere() string {
	s, published := x.node.Stream, x.run.before.Table(nameOf(x.node))
	switch {
	case published.OrderedBy != "" && !strings.EqualFold(published.OrderedBy, s.Cursor):
		return fmt.Sprintf("the table was made with cursor %s", published.OrderedBy)
	case published.ReadFrom != "" && published.ReadFrom != x.readFrom():
		return fmt.Sprintf("the table was read from %s, the stream now reads %s", published.ReadFrom, x.readFrom())
	}
	return ""
}

// nothing is the outcome of a window without slices: the table stays as it is, or, when a whole snapshot was asked
// for and the guard has let it pass, it becomes empty.
func (x *extraction) nothing(ctx context.Context, t *load.Table) ([]load.Table, error) {
	if x.before == nil {
		return nil, &StepError{Node: x.node.Name(), Pos: x.node.Pos.String(), Err: errors.New("there is nothing to read, and nothing was ever read: the table's columns are unknown"),
			Hint: "check the stream's path, or wait for the first delivery"}
	}
	t.Delivered = x.before.Delivered
	if x.node.Stream.Mode == string(extract.Full) {
		t.Version = warehouse.Version{Name: nameOf(x.node), Columns: x.before.Columns}
		t.Equations = x.step.Equations
		if err := x.idle(ctx, &t.Version); err != nil {
			return nil, err
		}
		return x.unaudited(x.node, *t, true)
	}
	x.step.Rows = x.before.Rows
	if err := x.idle(ctx, &x.before.Version); err != nil {
		return nil, err
	}
	if t.Cursor == "" {
		t.Cursor = x.before.Cursor
	}
	if t.Cursor == x.before.Cursor && t.ReadFrom == x.before.ReadFrom && t.Of == x.before.Of && t.OrderedBy == x.before.OrderedBy {
		return nil, nil
	}
	t.Version, t.Rules = x.before.Version, x.before.Rules
	t.Equations = x.step.Equations
	return []load.Table{*t}, nil
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
	x.mu.Lock()
	x.step.Notes = append(x.step.Notes, text)
	x.mu.Unlock()
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
	var ce *ChecksError
	var ue *upstreamError
	if err == nil || errors.As(err, &se) || errors.As(err, &ce) || errors.As(err, &ue) || errors.Is(err, ErrInterrupted) || errors.Is(err, context.Canceled) {
		return err
	}
	hint := ""
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		hint = hinted.Hint()
	case errors.Is(err, syscall.ENOSPC):
		hint = "free space on that disk, then `millrace retry`: what was landed is kept"
	case strings.Contains(err.Error(), "Out of Memory Error"):
		hint = "give the engine more: millrace run --memory 2GB; a row of many megabytes takes several times its size"
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
