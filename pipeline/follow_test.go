package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/warehouse"
)

// place stands in for what follows a target. It holds tables by the snapshot that first showed their version, all of a load by one commit, and refuses
// what a follower may not be asked.
type place struct {
	mu       sync.Mutex
	holds    map[warehouse.Name]int64
	snapshot int64
	by       string // who has published it
	prepared int
	asked    int // how often it was asked what it holds
	brought  []load.Bringing
	busy     bool
	refuses  error                           // what Prepare says
	prepares func(ctx context.Context) error // what Prepare does; nil: nothing
	during   func(ctx context.Context) error // what happens between the first statement of a load and its commit; nil: nothing
	cannot   string                          // the table that it does not bring
	left     string                          // a table that it has from before
	differs  []load.Compared
	swept    int
}

func (p *place) Prepare(ctx context.Context) error {
	if p.prepares != nil {
		return p.prepares(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prepared++
	return p.refuses
}

func (p *place) Standing(context.Context) (*load.Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked++; p.holds == nil {
		return nil, load.ErrNothing
	}
	s := &load.Standing{Snapshot: p.snapshot}
	for name, at := range p.holds {
		t := load.StandingTable{Fingerprint: fmt.Sprint(at)}
		t.Name = name
		s.Tables = append(s.Tables, t)
	}
	return s, nil
}

// Shows sees what is there, not what it holds.
func (p *place) Shows(_ context.Context, m *load.Manifest) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	missing := false
	for _, t := range m.Tables {
		_, there := p.holds[t.Name]
		missing = missing || !there
	}
	return !missing, nil
}

func (p *place) Plan(_ context.Context, m *load.Manifest, s *load.Standing, b load.Bringing) (*load.Load, error) {
	if s != nil && p.ahead(m) && !b.Anew {
		return nil, load.ErrAhead
	}
	return p.plan(m, s, b.Renew...), nil
}

func (p *place) plan(m *load.Manifest, s *load.Standing, renew ...warehouse.Name) *load.Load {
	l := &load.Load{Snapshot: m.Snapshot, Together: true}
	if schema, table, ok := strings.Cut(p.left, "."); ok {
		l.Tables = append(l.Tables, load.LoadedTable{Name: warehouse.Name{Schema: schema, Table: table}, Mode: load.ModeNone, Why: "it is left as it was; DROP TABLE OLD removes it"})
	}
	for _, t := range m.Tables {
		if have := s.Table(t.Name); have == nil || have.Fingerprint != fmt.Sprint(t.Snapshot) || slices.Contains(renew, t.Name) {
			one := load.LoadedTable{Name: t.Name, Mode: load.ModeFull, Why: "it has changed", Sent: t.Rows, Rows: t.Rows, LoadCost: load.LoadCost{Files: 1, Bytes: 100, Statements: 1, Credits: 0.5}}
			l.Tables = append(l.Tables, one)
			l.Files, l.Bytes, l.Statements, l.Credits = l.Files+1, l.Bytes+100, l.Statements+1, l.Credits+0.5
		}
	}
	return l
}

func (p *place) Bring(ctx context.Context, m *load.Manifest, b load.Bringing) (*load.Load, error) {
	if err := p.begin(m, b); err != nil {
		return nil, err
	}
	defer func() { p.mu.Lock(); p.busy = false; p.mu.Unlock() }()
	s, err := p.Standing(ctx)
	if err != nil && !errors.Is(err, load.ErrNothing) {
		return nil, err
	}
	l := p.plan(m, s, b.Renew...)
	if len(l.Differing()) == 0 && !b.Anew {
		return l, nil
	}
	sent := load.Statement{Load: b.Load, Seq: 1, Step: "publish", SQL: "INSERT -- tok3n", Sent: time.Now()}
	if err := b.Record(ctx, sent); err != nil {
		return l, err
	}
	if err = nil; p.during != nil {
		err = p.during(ctx)
	}
	sent.QueryID, sent.Ended = "01b2", &sent.Sent
	if err != nil {
		sent.Error = err.Error()
	}
	if recorded := b.Record(ctx, sent); err != nil || recorded != nil {
		return l, errors.Join(err, recorded)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds, p.snapshot, p.by = map[warehouse.Name]int64{}, m.Snapshot, m.By()
	for _, t := range m.Tables {
		if t.Name.String() != p.cannot {
			p.holds[t.Name] = t.Snapshot
		}
	}
	for i, t := range l.Tables {
		if t.Name.String() == p.cannot {
			l.Tables[i].Error, l.Tables[i].Hint = "a column cannot be widened", "ask for tok3n"
		}
	}
	return l, nil
}

// begin refuses a load that nobody journaled, one beside another, and one that goes back.
func (p *place) begin(m *load.Manifest, b load.Bringing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := slices.ContainsFunc(p.brought, func(old load.Bringing) bool { return old.Load == b.Load })
	switch {
	case p.busy:
		return errors.New("two loads at once")
	case len(b.Load) != 26 || again || b.Record == nil:
		return fmt.Errorf("not a load: %+v", b)
	case !b.Anew && p.ahead(m):
		return load.ErrAhead
	}
	p.busy, p.brought = true, append(p.brought, b)
	return nil
}

// ahead says whether the place holds what the target does not have.
func (p *place) ahead(m *load.Manifest) bool {
	return m.Snapshot < p.snapshot || m.Snapshot == p.snapshot && m.By() != p.by
}

func (p *place) Verify(_ context.Context, _ *load.Manifest, tables []warehouse.Name) ([]load.Compared, error) {
	all := slices.Clone(p.differs)
	for _, name := range tables {
		if !slices.ContainsFunc(all, func(c load.Compared) bool { return c.Name == name }) {
			all = append(all, load.Compared{Name: name, Equal: true})
		}
	}
	return all, nil
}

func (p *place) Sweep(_ context.Context, dryRun bool) (*load.Swept, error) {
	if !dryRun {
		p.swept++
	}
	return &load.Swept{DryRun: dryRun, Tables: []string{"ORDERS__MR_1"}}, nil
}

func (p *place) Close() error { return nil }

// shows fails when the place does not hold what is published.
func (p *place) shows(t *testing.T, e *pipeline.Engine) {
	t.Helper()
	m := manifest(t, e)
	want := map[warehouse.Name]int64{}
	for _, table := range m.Tables {
		want[table.Name] = table.Snapshot
	}
	if p.snapshot != m.Snapshot || !maps.Equal(p.holds, want) {
		t.Errorf("the place holds %v of snapshot %d, published are %v of %d", p.holds, p.snapshot, want, m.Snapshot)
	}
}

const followed = `name: p
sources:
  in: { type: files, streams: [ { name: people, path: people*.csv, mode: append, columns: { id: BIGINT, name: VARCHAR } } ] }
targets:
  prod: { type: snowflake, account: a, user: u, token: tok3n, warehouse: w, database: d }
pipelines:
  one: { select: [people] }
  two: { select: [good] }
`

// followedProject is one stream, and a model of a pipeline of its own.
func followedProject(t *testing.T) string {
	t.Helper()
	return project(t, map[string]string{"millrace.yml": followed, "people.csv": "id,name\n1,Ada\n",
		"models/good.sql": "{{ config(materialized='table') }} select 1 as id"})
}

// following opens the project with the place.
func following(t *testing.T, dir string, p *place) *pipeline.Engine {
	t.Helper()
	e := engine(t, dir)
	e.Follower = p
	e.Redact = func(text string) string { return strings.ReplaceAll(text, "tok3n", "***") }
	return e
}

// only selects the nodes of one pipeline.
func only(name string) func(*pipeline.Request) {
	return func(r *pipeline.Request) {
		r.Nodes = slices.DeleteFunc(slices.Clone(r.Nodes), func(n *models.Node) bool { return n.Pipeline != name })
	}
}

// partial fails unless the run has published and what follows the target is behind.
func partial(t *testing.T, r *pipeline.Report, words ...string) {
	t.Helper()
	if r.Run.Status != journal.Partial || *r.Run.ExitCode != pipeline.ExitPartial {
		t.Errorf("run is %s with exit code %d: %s", r.Run.Status, *r.Run.ExitCode, r.Run.Error)
	}
	mentions(t, r.Run.Error, words...)
}

// stands is what the status says of the place.
func stands(t *testing.T, e *pipeline.Engine) *pipeline.Following {
	t.Helper()
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Following
}

func TestWhatFollowsIsBrought(t *testing.T) {
	dir, p := followedProject(t), &place{}
	e := following(t, dir, p)
	r := run(t, e)
	succeeded(t, r)
	p.shows(t, e)
	if r.Load == nil || r.Load.Status != journal.Succeeded || len(r.Load.Tables) != 2 || r.Load.Files != 2 || r.Load.Snapshot != 1 || r.Load.Run != r.Run.ID {
		t.Fatalf("%+v", r.Load)
	}
	loads, err := e.Loads(t.Context(), r.Run.ID)
	if err != nil || len(loads) != 1 || loads[0].ID != r.Load.ID || loads[0].Tables[0].Mode != load.ModeFull || loads[0].Credits != 1 {
		t.Fatalf("%+v, %v", loads, err)
	}
	sent, err := e.Journal.Statements(t.Context(), r.Load.ID)
	if err != nil || len(sent) != 1 || sent[0].QueryID != "01b2" || sent[0].SQL != "INSERT -- ***" {
		t.Errorf("%+v, %v", sent, err)
	}
	asked := p.asked
	e = following(t, dir, p)
	if r := run(t, e, only("one")); r.Load != nil || r.Run.Status != journal.Succeeded || p.asked != asked || len(p.brought) != 1 {
		t.Errorf("a run with nothing new: %+v, asked %d times more", r.Load, p.asked-asked)
	}
	if s := stands(t, e); len(s.Behind) != 0 || s.Brought.Snapshot != 1 || s.Last != nil || s.Credits != 1 {
		t.Errorf("%+v", s)
	}
}

func TestBehindUntilTheNextRun(t *testing.T) {
	dir, p := followedProject(t), &place{}
	p.during = func(context.Context) error { return errors.New("no credit for tok3n") }
	e := following(t, dir, p)
	r := run(t, e)
	partial(t, r, "published locally as snapshot 1; Snowflake is behind by 2 tables: no credit for ***")
	if !r.Run.Behind || len(r.Published) != 2 || r.Load.Status != journal.Failed || strings.Contains(r.Load.Error, "tok3n") {
		t.Errorf("%+v", r.Load)
	}
	if s := stands(t, e); s.Brought != nil || s.Last == nil || len(s.Behind) != 2 {
		t.Errorf("%+v", s)
	}
	p.during = nil
	e = following(t, dir, p)
	caught := run(t, e, only("one")) // which has nothing new to publish
	succeeded(t, caught)
	if caught.Snapshot != 0 || caught.Load == nil || caught.Load.Snapshot != 1 {
		t.Errorf("%d, %+v", caught.Snapshot, caught.Load)
	}
	p.shows(t, e)
	if _, err := following(t, dir, p).Retry(t.Context(), r.Run.ID); !errors.Is(err, pipeline.ErrNoRetry) {
		t.Errorf("a retry of the run says %v", err)
	}
}

// TestRetryBringsWhatIsBehind: all nodes have succeeded, and only the load is done again.
func TestRetryBringsWhatIsBehind(t *testing.T) {
	dir, p := followedProject(t), &place{}
	p.during = func(context.Context) error { return errors.New("gone") }
	r := run(t, following(t, dir, p))
	again, err := following(t, dir, p).Retry(t.Context(), r.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	partial(t, again, "snapshot 1", "2 tables", "gone")
	p.during = nil
	e := following(t, dir, p)
	if again, err = e.Retry(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	succeeded(t, again)
	if again.Run.ID != r.Run.ID || again.Run.Attempt != 3 || len(again.Steps) != 0 || again.Snapshot != 0 || again.Load.Attempt != 3 {
		t.Errorf("%+v", again)
	}
	p.shows(t, e)
	if m := manifest(t, e); m.Snapshot != 1 {
		t.Errorf("the retry has published snapshot %d", m.Snapshot)
	}
}

// TestStoppedWhileItLoads: the run is interrupted, though what it did is published; the next one says so of it, and catches up.
func TestStoppedWhileItLoads(t *testing.T) {
	dir, p := followedProject(t), &place{}
	e := following(t, dir, p)
	p.during = func(ctx context.Context) error {
		close(e.Stop)
		<-ctx.Done()
		return ctx.Err()
	}
	nodes, _ := e.Project.Select(nil, nil)
	_, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes})
	if !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatalf("got %v, want ErrInterrupted", err)
	}
	mentions(t, err.Error(), "published locally as snapshot 1", "behind by 2 tables")
	old := lastRun(t, e)
	loads, err := e.Loads(t.Context(), old.ID)
	if err != nil || old.Status != journal.Interrupted || len(loads) != 1 || loads[0].Status != journal.Interrupted {
		t.Fatalf("%+v, %+v, %v", old, loads, err)
	}
	p.during = nil
	e = following(t, dir, p)
	again, err := e.Retry(t.Context(), old.ID)
	if err != nil {
		t.Fatal(err)
	}
	succeeded(t, again)
	p.shows(t, e)
}

// TestKilledWhileItLoads: nothing is left of the process but its journal.
func TestKilledWhileItLoads(t *testing.T) {
	dir, p := followedProject(t), &place{}
	p.during = func(context.Context) error { panic("killed") }
	e := following(t, dir, p)
	func() {
		defer func() { _ = recover() }()
		run(t, e)
	}()
	old := lastRun(t, e)
	loads, err := e.Journal.Loads(t.Context(), journal.LoadFilter{})
	if err != nil || old.Status != journal.Running || len(loads) != 1 || loads[0].Status != journal.Running {
		t.Fatalf("%+v, %+v, %v", old, loads, err)
	}
	if sent, err := e.Journal.Statements(t.Context(), loads[0].ID); err != nil || len(sent) != 1 || sent[0].Ended != nil {
		t.Errorf("in the air were %+v, %v", sent, err)
	}
	if s := stands(t, e); s.Last == nil || s.Last.Status != journal.Interrupted || len(s.Behind) != 2 {
		t.Errorf("%+v", s)
	}
	p.during = nil
	e = following(t, dir, p)
	succeeded(t, run(t, e, only("one")))
	p.shows(t, e)
	if old, err = e.Journal.Run(t.Context(), old.ID); err != nil || old.Status != journal.Partial || !old.Behind {
		t.Errorf("%+v, %v", old, err)
	}
	mentions(t, old.Error, "snapshot 1", "2 tables")
	if loads, err = e.Loads(t.Context(), old.ID); err != nil || loads[0].Status != journal.Interrupted {
		t.Errorf("%+v, %v", loads, err)
	}
}

// TestLoadsWaitForEachOther: two runs publish, and the second brings its snapshot when the first has brought its own.
func TestLoadsWaitForEachOther(t *testing.T) {
	dir, p := followedProject(t), &place{}
	first, second := following(t, dir, p), following(t, dir, p)
	loading, published := make(chan struct{}), make(chan struct{})
	p.during = func(context.Context) error {
		if p.snapshot == 0 {
			close(loading)
			<-published
		}
		return nil
	}
	second.Observe = func(ev pipeline.Event) {
		if ev.Kind == "done" && ev.Phase == "publish" {
			close(published)
		}
	}
	var early *pipeline.Report
	var failed error
	ended := make(chan struct{})
	nodes, _ := first.Project.Select([]string{"people"}, nil)
	go func() {
		defer close(ended)
		early, failed = first.Run(context.Background(), pipeline.Request{Nodes: nodes})
	}()
	<-loading
	if _, err := following(t, dir, p).Push(t.Context(), pipeline.PushRequest{}); !errors.Is(err, pipeline.ErrLocked) {
		t.Errorf("a push beside a load says %v", err)
	}
	late := run(t, second, only("two"))
	if <-ended; failed != nil {
		t.Fatal(failed)
	}
	succeeded(t, early)
	succeeded(t, late)
	if early.Load.Snapshot != 1 || late.Load.Snapshot != 2 || len(p.brought) != 2 {
		t.Errorf("%+v\n%+v", early.Load, late.Load)
	}
	p.shows(t, second)
}

// TestGivesUpWaiting: a run that other loads keep from its own for longer than lock_timeout says which process does, and is behind.
func TestGivesUpWaiting(t *testing.T) {
	dir, p := followedProject(t), &place{}
	second := following(t, dir, p)
	second.Project.Target.Snowflake.LockTimeout = 1
	p.during = func(context.Context) error {
		r := run(t, second, only("two"))
		partial(t, r, "behind by 2 tables: waited for", "(lock_timeout): what follows target prod is being loaded: process", "pipeline.test")
		if !r.Run.Behind || r.Load != nil {
			t.Errorf("%+v, %+v", r.Run, r.Load)
		}
		return nil
	}
	succeeded(t, run(t, following(t, dir, p), only("one")))
}

// TestBehindByOthersAlone: a run is red for its own tables and for what reads them, and warns of others.
func TestBehindByOthersAlone(t *testing.T) {
	dir, p := followedProject(t), &place{cannot: "main.good"}
	e := following(t, dir, p)
	r := run(t, e, only("two"))
	partial(t, r, "behind by 1 table: main.good: a column cannot be widened")
	if loads, err := e.Loads(t.Context(), r.Run.ID); err != nil || loads[0].Tables[0].Hint != "ask for ***" {
		t.Errorf("the journal has %+v, %v", loads, err)
	}
	r = run(t, following(t, dir, p), only("one"))
	succeeded(t, r)
	if len(r.Run.Warnings) != 1 || r.Run.Behind || r.Load.Status != journal.Failed {
		t.Fatalf("%+v, %+v", r.Run, r.Load)
	}
	mentions(t, r.Run.Warnings[0], "published locally as snapshot 2; Snowflake is behind by 1 table: main.good")
	write(t, dir, map[string]string{"models/good.sql": "{{ config(materialized='table') }} select id from {{ source('in', 'people') }}", "people2.csv": "id,name\n2,Bo\n"})
	partial(t, run(t, following(t, dir, p), only("one")), "main.good") // which reads what is new
}

// TestFailedChecksAndBehind: the exit code is that of the checks.
func TestFailedChecksAndBehind(t *testing.T) {
	dir, p := followedProject(t), &place{}
	write(t, dir, map[string]string{"models/good.yml": "models: [ { name: good, columns: [ { name: id, data_tests: [ { accepted_values: { values: [2] } } ] } ] } ]"})
	p.during = func(context.Context) error { return errors.New("gone") }
	r := run(t, following(t, dir, p))
	if r.Run.Status != journal.Partial || *r.Run.ExitCode != pipeline.ExitChecks || r.Run.Behind {
		t.Errorf("%+v, exit code %d", r.Run, *r.Run.ExitCode)
	}
}

// TestFollowerIsPreparedFirst: a right that is missing is found before anything is read, and a place that is away keeps nothing from being published.
func TestFollowerIsPreparedFirst(t *testing.T) {
	dir, p := followedProject(t), &place{refuses: errors.New("no grant USAGE")}
	e := following(t, dir, p)
	nodes, _ := e.Project.Select(nil, nil)
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); err == nil || !strings.Contains(err.Error(), "prepare Snowflake: no grant USAGE") {
		t.Errorf("got %v", err)
	}
	if _, err := e.Loader.Current(t.Context()); !errors.Is(err, load.ErrNothing) {
		t.Errorf("something is published: %v", err)
	}
	p.refuses = fmt.Errorf("dial: %w", load.ErrAway)
	p.during = func(context.Context) error { return p.refuses }
	partial(t, run(t, following(t, dir, p)), "behind by 2 tables: dial: the place does not answer")
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	write(t, dir, map[string]string{"people2.csv": "id,name\n2,Bo\n"})
	e = following(t, dir, p)
	e.Stop = make(chan struct{})
	p.prepares = func(ctx context.Context) error { close(e.Stop); return hangs(ctx) }
	nodes, _ = e.Project.Select(nil, nil)
	if _, err := e.Run(t.Context(), pipeline.Request{Nodes: nodes}); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Errorf("stopped while the place is prepared: %v", err)
	}
	p.prepares = hangs
	e = following(t, dir, p)
	e.Patience = time.Microsecond
	if r := run(t, e); len(r.Published) == 0 || !r.Run.Behind {
		t.Errorf("a place that hangs: %+v", r.Run)
	}
}

// TestFailedNodesAndBehind: what failed of the run is told beside what could not be brought, and a run that publishes nothing has failed.
func TestFailedNodesAndBehind(t *testing.T) {
	dir, p := followedProject(t), &place{}
	write(t, dir, map[string]string{"models/good.sql": "{{ config(materialized='table') }} select nonsense"})
	p.during = func(context.Context) error { return errors.New("gone") }
	r := run(t, following(t, dir, p))
	partial(t, r, "1 of 2 nodes failed or were withheld: main.good; published locally as snapshot 1; Snowflake is behind by 1 table: gone")
	if r.Run.Behind {
		t.Error("a run of which a node failed is said to be behind only")
	}
	r = run(t, following(t, dir, p), only("two"))
	if r.Run.Status != journal.Failed || *r.Run.ExitCode != pipeline.ExitFailed {
		t.Errorf("%+v", r.Run)
	}
	mentions(t, r.Run.Error, "1 of 1 nodes failed")
	mentions(t, strings.Join(r.Run.Warnings, ""), "behind by 1 table: gone") // which is one of others
}

func TestPush(t *testing.T) {
	dir, p := followedProject(t), &place{}
	e := following(t, dir, p)
	if _, err := engine(t, followedProject(t)).Push(t.Context(), pipeline.PushRequest{}); !errors.Is(err, pipeline.ErrNoFollower) {
		t.Errorf("without anything that follows: %v", err)
	}
	if _, err := e.Push(t.Context(), pipeline.PushRequest{}); !errors.Is(err, load.ErrNothing) {
		t.Errorf("before the first run: %v", err)
	}
	p.during = func(context.Context) error { return errors.New("gone") }
	run(t, e)
	var behind *pipeline.BehindError
	if _, err := e.Push(t.Context(), pipeline.PushRequest{}); !errors.As(err, &behind) || len(behind.Tables) != 2 || strings.Contains(behind.Hint(), "--renew") {
		t.Errorf("got %v, %s", err, behind.Hint())
	}
	if _, err := e.Push(t.Context(), pipeline.PushRequest{Renew: []string{"good"}}); !errors.As(err, &behind) || !strings.Contains(behind.Hint(), "give --renew good again") {
		t.Errorf("got %v, %s", err, behind.Hint())
	}
	p.during = nil
	for _, c := range []struct {
		req    pipeline.PushRequest
		tables int
		holds  int64
	}{
		{pipeline.PushRequest{DryRun: true}, 2, 0},
		{pipeline.PushRequest{}, 2, 1},
		{pipeline.PushRequest{}, 0, 1},
		{pipeline.PushRequest{Renew: []string{"good"}, DryRun: true}, 1, 1},
		{pipeline.PushRequest{Renew: []string{"good"}}, 1, 1},
	} {
		done, err := e.Push(t.Context(), c.req)
		tables := done.Load.Tables
		if c.req.DryRun {
			tables = done.Plan.Tables
		}
		if err != nil || len(tables) != c.tables || (done.Load.ID == "") != c.req.DryRun || p.snapshot != c.holds || done.Snapshot != 1 {
			t.Errorf("%+v: %+v, %v; the place holds snapshot %d", c.req, done, err, p.snapshot)
		}
	}
	if _, err := e.Push(t.Context(), pipeline.PushRequest{Renew: []string{"godo"}}); !errors.Is(err, pipeline.ErrNoTable) {
		t.Errorf("got %v", err)
	}
	if loads, err := e.Journal.Loads(t.Context(), journal.LoadFilter{}); err != nil || len(loads) != 6 {
		t.Errorf("%d loads are in the journal, %v", len(loads), err)
	}
}

// TestRestoredTarget: a folder that is restored from a backup comes to the numbers that were brought before, by other runs.
func TestRestoredTarget(t *testing.T) {
	dir, p := followedProject(t), &place{}
	e := following(t, dir, p)
	run(t, e)
	backup := filepath.Join(t.TempDir(), "backup")
	shell := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	more := func(n int) {
		t.Helper()
		write(t, dir, map[string]string{fmt.Sprintf("people%d.csv", n): fmt.Sprintf("id,name\n%d,Bo\n", n)})
	}
	shell("cp", "-a", e.TargetRoot, backup)
	more(2)
	succeeded(t, run(t, following(t, dir, p), only("one")))
	shell("rm", "-r", e.TargetRoot)
	shell("cp", "-a", backup, e.TargetRoot)
	if s := stands(t, following(t, dir, p)); !s.Lacking || s.Published != 1 || s.Brought.Snapshot != 2 || !s.Unknown() {
		t.Errorf("%+v", s)
	}
	more(3)
	partial(t, run(t, following(t, dir, p), only("one")), "published locally as snapshot 2; Snowflake was not brought it: "+load.ErrAhead.Error())
	e = following(t, dir, p)
	if s := stands(t, e); !s.Lacking || !strings.Contains(s.WayOut(), "push --anew") {
		t.Errorf("%+v: %s", s, s.WayOut())
	}
	var behind *pipeline.BehindError
	if _, err := e.Push(t.Context(), pipeline.PushRequest{}); !errors.As(err, &behind) || !strings.Contains(behind.Hint(), "push --anew") {
		t.Errorf("a push says %v", err)
	}
	if _, err := e.Push(t.Context(), pipeline.PushRequest{Anew: true}); err != nil {
		t.Fatal(err)
	}
	p.shows(t, e)
	if s := stands(t, e); s.Lacking {
		t.Errorf("%+v", s)
	}
}

// TestThePlaceDenies: what the journal says was brought is not there any more, or went to another place.
func TestThePlaceDenies(t *testing.T) {
	dir, p := followedProject(t), &place{}
	succeeded(t, run(t, following(t, dir, p)))
	good := warehouse.Name{Schema: "main", Table: "good"}
	for about, harm := range map[string]func(*pipeline.Engine){
		"emptied":         func(*pipeline.Engine) { p.holds, p.snapshot = nil, 0 },
		"a table dropped": func(*pipeline.Engine) { delete(p.holds, good) },
		"another database": func(e *pipeline.Engine) {
			p.holds, p.snapshot, e.Project.Target.Snowflake.Database = nil, 0, "other"
		},
	} {
		e := following(t, dir, p)
		harm(e)
		var said string
		for _, d := range e.Doctor(t.Context(), nil, time.Minute) {
			if strings.HasPrefix(d.Check, "Snowflake: behind") && d.Level != pipeline.LevelOK {
				said = d.Message
			}
		}
		if said == "" {
			t.Errorf("%s: the doctor says nothing", about)
		}
		r := run(t, e, only("one"))
		succeeded(t, r)
		if r.Load == nil || len(r.Load.Tables) == 0 {
			t.Errorf("%s: the run has brought %+v", about, r.Load)
		}
		p.shows(t, e)
	}
	e := following(t, dir, p)
	e.Project.Target.Snowflake.Database = "other" // which was brought last, or not
	run(t, e, only("one"))
	p.differs = []load.Compared{{Name: good, Equal: true, Behind: true}}
	v, err := e.VerifyPublished(t.Context(), pipeline.VerifyRequest{})
	if err != nil || len(v.Problems) != 1 || v.Problems[0].Table != "main.good" {
		t.Errorf("of a table that is behind though it was brought, verify says %+v, %v", v.Problems, err)
	}
}

// TestTablesThatAreLeft: what is there and is not brought any more is no difference, and a plan names it, though it does not ask the place.
func TestTablesThatAreLeft(t *testing.T) {
	dir, p := followedProject(t), &place{left: "main.old"}
	run(t, following(t, dir, p))
	e := following(t, dir, p)
	nodes, _ := e.Project.Select(nil, nil)
	plan, err := e.Plan(t.Context(), nodes)
	if err != nil || plan.Load.Now != nil || len(plan.Load.Left) != 1 || !strings.Contains(plan.Load.Left[0].Why, "DROP TABLE") {
		t.Errorf("%+v, %v", plan.Load, err)
	}
	done, err := e.Push(t.Context(), pipeline.PushRequest{})
	if err != nil || len(done.Load.Tables) != 1 || len(done.Load.Differing()) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	e.Project.Target.Snowflake.SchemaPrefix = "DEV_" // so that the journal knows nothing of the place, which holds all of it
	if plan, err = e.Plan(t.Context(), nodes); err != nil || plan.Load.Now == nil || len(plan.Load.Behind) != 0 || len(plan.Load.Left) != 0 {
		t.Errorf("%+v, %v", plan.Load, err)
	}
}

// TestTimeoutWhileItLoads: what is published is, and the load is given up.
func TestTimeoutWhileItLoads(t *testing.T) {
	for limit := range limits {
		dir, p := followedProject(t), &place{}
		write(t, dir, map[string]string{"millrace.yml": strings.Replace(followed, "[people]", fmt.Sprintf("[people], timeout: %s", limit), 1)})
		loading := false
		p.during = func(ctx context.Context) error {
			loading = true
			<-ctx.Done()
			return ctx.Err()
		}
		r := run(t, following(t, dir, p), only("one"))
		if !loading {
			continue
		}
		partial(t, r, fmt.Sprintf("published locally as snapshot 1; Snowflake is behind by 1 table: took longer than timeout: %s", limit))
		if r.Load.Status != journal.Interrupted || len(r.Published) != 1 {
			t.Errorf("%+v", r)
		}
		p.during = nil
		e := following(t, dir, p)
		if _, err := e.Push(t.Context(), pipeline.PushRequest{}); err != nil {
			t.Fatal(err)
		}
		p.shows(t, e)
		return
	}
	t.Error("no run came to its load")
}

// TestPlanForecastsTheLoad: what the last loads took, what is lacking now, and that this is more than is allowed.
func TestPlanForecastsTheLoad(t *testing.T) {
	dir, p := followedProject(t), &place{}
	run(t, following(t, dir, p))
	asked := p.asked
	e := following(t, dir, p)
	e.Project.Target.Snowflake.MaxCredits = 0.75
	nodes, _ := e.Project.Select(nil, nil)
	plan, err := e.Plan(t.Context(), nodes)
	if err != nil {
		t.Fatal(err)
	}
	l := plan.Load
	if l.Forecast.Files != 2 || l.Forecast.Credits != 1 || l.Known != 2 || l.Now != nil || !l.TooDear() || p.asked != asked {
		t.Errorf("%+v, asked %d times", l, p.asked-asked)
	}
	write(t, dir, map[string]string{"people2.csv": "id,name\n2,Bo\n"})
	p.during = func(context.Context) error { return errors.New("gone") }
	run(t, following(t, dir, p), only("one"))
	if plan, err = e.Plan(t.Context(), nodes); err != nil || plan.Load.Now == nil || len(plan.Load.Now.Tables) != 1 || len(plan.Load.Behind) != 1 {
		t.Errorf("%+v, %v", plan.Load, err)
	}
	e.Follower = nil // as without a connection
	if plan, err = e.Plan(t.Context(), nodes); err != nil || plan.Load.Now != nil || len(plan.Load.Behind) != 1 {
		t.Errorf("%+v, %v", plan.Load, err)
	}
}

func TestVerifyComparesThePlace(t *testing.T) {
	dir, p := followedProject(t), &place{}
	e := following(t, dir, p)
	run(t, e)
	name := warehouse.Name{Schema: "main", Table: "good"}
	p.differs = []load.Compared{{Name: name, Rows: 1, There: 2, Problems: []string{"count: 1 here, 2 there"}}}
	v, err := e.VerifyPublished(t.Context(), pipeline.VerifyRequest{})
	if err != nil || len(v.There) != 2 || len(v.Problems) != 1 || v.Problems[0].Table != "main.good" {
		t.Fatalf("%+v, %v", v, err)
	}
	mentions(t, v.Problems[0].Message, "Snowflake differs: count: 1 here, 2 there")
	p.differs = []load.Compared{{Name: name, Error: "the role may not", Hint: "let it"}}
	if v, err = e.VerifyPublished(t.Context(), pipeline.VerifyRequest{}); err != nil || len(v.Problems) != 1 || v.Problems[0].Hint != "let it" {
		t.Fatalf("%+v, %v", v, err)
	}
	mentions(t, v.Problems[0].Message, "Snowflake cannot be compared: the role may not")
	if v, err = e.VerifyPublished(t.Context(), pipeline.VerifyRequest{Local: true}); err != nil || v.There != nil || len(v.Problems) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestDroppedTableIsBrought: what a person takes out of the target leaves what follows it, too.
func TestDroppedTableIsBrought(t *testing.T) {
	dir, p := followedProject(t), &place{}
	run(t, following(t, dir, p))
	write(t, dir, map[string]string{"millrace.yml": strings.Replace(followed, "  two: { select: [good] }\n", "", 1), "models/good.sql": "{{ config(enabled=false) }} select 1"})
	e := following(t, dir, p)
	if _, err := e.Drop(t.Context(), "main.good"); err != nil {
		t.Fatal(err)
	}
	if s := stands(t, e); s.Lacks() {
		t.Errorf("%+v", s)
	}
}

func TestGarbageOfThePlace(t *testing.T) {
	dir, p := followedProject(t), &place{}
	e := following(t, dir, p)
	run(t, e)
	for i, dry := range []bool{true, false} {
		g, err := e.Collect(t.Context(), time.Hour, dry)
		if err != nil || g.There == nil || g.There.DryRun != dry || p.swept != i {
			t.Errorf("%+v, %v", g, err)
		}
	}
}
