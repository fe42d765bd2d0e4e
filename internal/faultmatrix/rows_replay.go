package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
)

// replayed is a table into which quarantined rows are brought: its rule is relaxed so that some of them pass and others fail again.
// One is merged by key; in the other, which only grows, a row that came in twice would be there twice.
type replayed struct{ table, rule, relaxed string }

var replays = []replayed{{"shop.orders", "max: 930", "max: 960"}, {"web.clicks", "values: [/p3, /p4]", "values: [/p4]"}}

func (r replayed) command() []string { return []string{"rejects", "replay", r.table} }

// replayTrials kill replays at the points that they visit: no row is lost, and a second replay brings none in twice.
func (h *harness) replayTrials(ctx context.Context, l *lab) ([]trial, error) {
	var all []trial
	done := map[string]bool{} // points, in the short form: it kills at each in one of the tables
	for i, of := range replays {
		trials, err := h.replayTrialsOf(ctx, l, of)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of.table, err)
		}
		for k, t := range trials {
			at := strings.TrimPrefix(t.stage, of.table)
			if h.short && (done[at] || i == 0 && k%len(replays) > 0) {
				continue
			}
			done[at] = true
			all = append(all, t)
		}
	}
	return all, nil
}

func (h *harness) replayTrialsOf(ctx context.Context, l *lab, of replayed) ([]trial, error) {
	if err := l.beginReplay(ctx, of); err != nil {
		return nil, err
	}
	before, err := readResult(l.root())
	if err != nil {
		return nil, err
	}
	p, code, err := l.run(how{args: of.command(), faulty: true, trace: l.trace()})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, violation("a replay without a plan exits %d: %s", code, tail(p.said()))
	}
	visits := l.visited()
	want, err := readResult(l.root())
	if err != nil {
		return nil, err
	}
	was, is := before.tables[of.table], want.tables[of.table]
	left := before.tables[of.table+"__quarantine"].count - want.tables[of.table+"__quarantine"].count
	if left == 0 || want.tables[of.table+"__quarantine"].count == 0 || len(except(is.rows, was.rows)) == 0 {
		return nil, violation("a replay is to bring some rows in and others not: change the rule")
	}
	if of.table == "web.clicks" && is.count-was.count != left {
		return nil, violation("%d rows left the quarantine, and %d came in", left, is.count-was.count)
	}
	var all []trial
	seen := map[string]bool{}
	for _, v := range visits {
		if h.short && seen[v.point] {
			continue
		}
		seen[v.point] = true
		lossy := strings.HasPrefix(v.point, "publish.")
		all = append(all, trial{row: "replay", stage: of.table + " " + v.String(), run: func(ctx context.Context, l *lab) error {
			return l.killReplay(ctx, of, v, lossy, want, rng(h.seed, "replay"+of.table+v.String()))
		}})
	}
	return all, l.unwatch()
}

// beginReplay restores the project as it was after some nights, with a rule that fewer rows fail.
func (l *lab) beginReplay(ctx context.Context, of replayed) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	relaxed := strings.Replace(projectFiles["millrace.yml"], of.rule, of.relaxed, 1)
	return put(filepath.Join(l.project(), "millrace.yml"), relaxed)
}

// killReplay kills a replay at a fault point, with a loss of power when lossy, replays again and compares.
func (l *lab) killReplay(ctx context.Context, of replayed, v visit, lossy bool, want *result, r *rand.Rand) error {
	if err := l.beginReplay(ctx, of); err != nil {
		return err
	}
	if err := l.killed(v, lossy, r, of.command()...); err != nil {
		return err
	}
	if err := l.mustRun(of.command()...); err != nil {
		return err
	}
	if err := l.unwatch(); err != nil {
		return err
	}
	got, err := readResult(l.root())
	if err != nil {
		return violation("read the recovered target: %w", err)
	}
	if d := difference(got, want); d != "" {
		return violation("after a replay that was killed and one that was not, the result is not that of one: %s", d)
	}
	return checkJournal(l.project())
}
