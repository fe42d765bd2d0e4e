package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
	"github.com/millrace/millrace/warehouse"
)

// A replay is a run that reads no source and builds no model: quarantined rows go through the checks of their node once
// more, and those that pass leave the quarantine for the table in the snapshot in which they enter it. This file decides
// and runs, replay_rows.go finds the rows, replay_fit.go those among them that fit,
// replay_join.go brings them in.

// ReplayRequest says which quarantined rows are replayed.
type ReplayRequest struct {
	Node   *models.Node
	Run    string // only rows that this run kept out, by its id or the beginning of it
	Rule   string // only rows that failed this rule
	File   string // only rows that this file has, corrected; Run and Rule are "" then
	DryRun bool   // say what would become of them, and publish nothing

	Trigger journal.Trigger // what began it; "" a command
	Firing  string          // that it belongs to; "" for none
}

// RefusedError is about a replay that cannot begin as it was asked for.
type RefusedError struct{ Reason, Next string }

func (e *RefusedError) Error() string { return e.Reason }

// Hint says what to do next.
func (e *RefusedError) Hint() string { return e.Next }

func refused(next, format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...), next}
}

// replay is what a run has to replay.
type replay struct {
	ReplayRequest
	table, quarantine *load.Table // as they are published
	columns           []warehouse.Column
	where             string       // SQL: which of the quarantined rows
	corrected         *corrections // what the file says of them; nil without one
	stayed            int64        // rows that were asked for and stay as they are: the table has no place for them
	stays             []string     // the same in words, of those with a value that it cannot hold
	passed            int64        // rows that are in the table now
}

// Replay runs quarantined rows of a node through its checks as they are now. Those that pass enter the table as the rows of
// a run do, the others stay in quarantine with the rules that they fail now; nothing else is touched, no cursor moves, and an
// interrupted run is still there to be resumed. A *RefusedError when there is nothing that could be replayed.
func (e *Engine) Replay(ctx context.Context, req ReplayRequest) (*Report, error) {
	locks := lockNames([]*models.Node{req.Node})
	_, unlock, err := e.begin(ctx, locks, []string{req.Node.Name()})
	if err != nil {
		return nil, err
	}
	defer unlock()
	if req.Run != "" {
		of, err := e.Journal.Run(ctx, req.Run)
		if err != nil {
			return nil, err
		}
		req.Run = of.ID
	}
	rp, err := e.replayable(ctx, req)
	if err != nil {
		return nil, err
	}
	now := e.Clock()
	r := &run{Engine: e, nodes: []*models.Node{req.Node}, replay: rp, selection: journal.Selection{Nodes: []string{req.Node.Name()}, Target: e.Project.Target.Name,
		Replay: &journal.Replay{Run: req.Run, Rule: req.Rule, File: req.File, DryRun: req.DryRun}}}
	r.Run = journal.Run{ID: newRunID(now), Pipeline: strings.Join(locks, "+"), LogicalTime: now, Attempt: 1, Selection: r.selection, ProjectHash: e.Project.Hash,
		Trigger: cmp.Or(req.Trigger, journal.TriggerCommand), Firing: req.Firing}
	defer func() { _ = os.RemoveAll(r.runDir(r.ID)) }() // it is not resumed: the rows are still in quarantine
	report, err := r.execute(ctx)
	if req.DryRun {
		err = errors.Join(err, os.RemoveAll(r.rejectsDir(r.ID)))
	}
	if report != nil && report.Snapshot != 0 && rp.passed > 0 {
		report.Stale = r.outdated()
		report.Next, _ = r.rebuild(report.Stale)
	}
	return report, err
}

// replayable finds the table, its quarantine and the rows that are asked for.
func (e *Engine) replayable(ctx context.Context, req ReplayRequest) (*replay, error) {
	n := req.Node
	if m := n.Model; m != nil && (m.Materialized == models.View || m.Materialized == models.Ephemeral) {
		return nil, refused("", "%s is %s: it has no rows of its own, and no quarantine", n.Name(), m.Materialized)
	}
	if m := n.Model; m != nil && m.Materialized == models.Snapshot {
		return nil, refused("replay them into the model that it reads", "%s is a snapshot: a row that joined it later would have another history", n.Name())
	}
	if n.Entity != nil {
		return nil, refused("correct them where they come from, or add what is missing to the table of reference data: each run reads all records anew", "%s is made of all records together: single rows cannot be added to it", n.Name())
	}
	if n.Seed != nil {
		return nil, refused("correct them there: the next run reads all of it anew", "%s is the file %s", n.Name(), n.Seed.Path)
	}
	m, err := e.current(ctx)
	if err != nil {
		return nil, err
	}
	rp := &replay{ReplayRequest: req, table: m.Table(nameOf(n)), quarantine: m.Table(quarantineOf(n)), where: "true"}
	d := warehouse.DuckDB
	if req.Run != "" {
		rp.where += " AND " + check.QuarantinedRun + " = " + d.QuoteLiteral(req.Run)
	}
	if req.Rule != "" {
		rp.where += " AND list_contains(" + check.FailedRules + ", " + d.QuoteLiteral(req.Rule) + ")"
	}
	if rp.table == nil || rp.quarantine == nil || rp.quarantine.Rows == 0 {
		return nil, e.nothingQuarantined(ctx, rp)
	}
	if why := rp.madeOtherwise(); why != "" {
		return nil, refused(fmt.Sprintf("millrace run %s first; the rows stay in quarantine", n.Name()), "%s: nothing can be added to it", why)
	}
	if req.File != "" { // which is read once there is a place to put it
		return rp, nil
	}
	return rp, e.find(ctx, rp)
}

func quarantineOf(n *models.Node) warehouse.Name {
	return warehouse.Name{Schema: n.Schema, Table: n.Table + models.QuarantineSuffix}
}

// madeOtherwise says in which way the published table is not one that a run of the node, as it is now, would add to; "" when
// it is.
func (rp *replay) madeOtherwise() string {
	n, t := rp.Node, rp.table
	switch {
	case t.Kind != string(n.Kind) || t.View != "":
		return fmt.Sprintf("%s was published as something else than what the project makes it", n.Name())
	case n.Stream != nil && t.Mode != n.Stream.Mode:
		return fmt.Sprintf("%s was made with mode %s", n.Name(), t.Mode)
	case rp.merges() && !slices.EqualFunc(t.Key, rp.key(), strings.EqualFold):
		return fmt.Sprintf("%s was made with key %v", n.Name(), t.Key)
	case rp.merges() && n.Stream != nil && t.OrderedBy != "" && !strings.EqualFold(t.OrderedBy, n.Stream.Cursor):
		return fmt.Sprintf("%s was made with cursor %s", n.Name(), t.OrderedBy)
	}
	return ""
}

// merges says whether rows meet those of the table by a key, and are not put beside them.
func (rp *replay) merges() bool {
	if s := rp.Node.Stream; s != nil {
		return s.Mode == string(extract.Incremental)
	}
	m := rp.Node.Model
	return m.Materialized == models.Incremental && m.Strategy == models.StrategyMerge
}

func (rp *replay) key() []string {
	if rp.Node.Stream != nil {
		return rp.Node.Stream.Key
	}
	return rp.Node.Model.UniqueKey
}

// replayRows is the work of a replay.
func (r *run) replayRows(ctx context.Context) error {
	if r.replay.File != "" {
		if err := r.correct(ctx); err != nil {
			return err
		}
	}
	return errors.Join(r.step(ctx, r.replay.Node, r.replayed), r.halted())
}

// replayed makes the table and its quarantine as they are with the replayed rows.
func (r *run) replayed(ctx context.Context, s *journal.Step) (_ []load.Table, err error) {
	rp, n := r.replay, r.replay.Node
	s.Notes = append(append(s.Notes, rp.String()), rp.stays...)
	w, err := r.Warehouse(ctx, warehouse.Config{Memory: r.engineMemory(1), Threads: r.Threads, Temp: filepath.Join(r.runDir(r.ID), "spill"), Dirs: r.checkPlaces()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := r.startHooks(ctx, w, r.before, r.forTemplates()); err != nil {
		return nil, err
	}
	a, err := r.newAudit(n, s, w, r.runDir(r.ID))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.save(ctx)) }()
	j := &joining{audit: a, dir: filepath.Join(r.runDir(r.ID), fileName(n.Name()))}
	if err := j.stay(ctx); err != nil {
		return nil, err
	}
	if err := j.stage(ctx); err != nil {
		return nil, err
	}
	t, err := j.join(ctx)
	if err != nil {
		return nil, err
	}
	for i := range a.results { // error_if is about deliveries: of rows that failed before many may fail again
		if a.results[i].Status == check.StatusFail {
			a.results[i].Status = check.StatusWarn
		}
	}
	q, err := j.remaining(ctx)
	if err != nil {
		return nil, err
	}
	a.remains = q
	_, judging := split(n)
	if err := a.judgeAll(ctx, &t.Version, judging); err != nil {
		j.explain()
		return nil, err
	}
	t.Rules = a.settled
	if err := j.account(t, q); err != nil {
		return nil, err
	}
	if command, incremental := r.rebuild(r.outdated()); rp.passed > 0 && len(incremental) > 0 {
		j.note(fmt.Sprintf("warning: incremental, and taking up of these rows only what its own condition lets through: %s; %s builds from all rows", strings.Join(incremental, ", "), command))
	}
	s.Rows = t.Rows
	return []load.Table{*t, *q}, nil
}

// String says what is replayed, for people.
func (rp *replay) String() string {
	text := fmt.Sprintf("replay of rows of %s", rp.quarantine.Name)
	if rp.Run != "" {
		text += ", kept out by run " + rp.Run
	}
	if rp.Rule != "" {
		text += ", that failed " + rp.Rule
	}
	if rp.corrected != nil {
		text += ", corrected by " + rp.File
	}
	if rp.corrected != nil && rp.corrected.gone > 0 {
		text += fmt.Sprintf("; %d rows of it are in quarantine no more and are left out", rp.corrected.gone)
	}
	return text
}

// outdated are the published tables behind the run's nodes, which were built without the rows that these have now. A view
// shows them.
func (r *run) outdated() []string {
	names := []string{}
	behind := map[*models.Node]bool{}
	for _, n := range r.nodes {
		behind[n] = true
	}
	for _, n := range r.Project.Nodes { // in dependency order
		if behind[n] || !slices.ContainsFunc(n.Needs, func(need *models.Node) bool { return behind[need] }) {
			continue
		}
		behind[n] = true
		if t := r.before.Table(nameOf(n)); t != nil && t.View == "" {
			names = append(names, n.Name())
		}
	}
	return names
}

// rebuild is the command after which the stale tables have the replayed rows, "" for none, and those of them that are incremental: only
// from nothing do these surely take up rows of the past.
func (r *run) rebuild(stale []string) (command string, incremental []string) {
	if len(stale) == 0 {
		return "", nil
	}
	command = fmt.Sprintf("millrace run %s+ --exclude %[1]s", r.replay.Node.Name())
	for _, name := range stale {
		if m := r.Project.Node(name).Model; m != nil && m.Materialized == models.Incremental {
			incremental = append(incremental, name)
		}
	}
	if incremental != nil {
		command += " --full-refresh"
	}
	return command, incremental
}
