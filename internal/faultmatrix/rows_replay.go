package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
)

// replayCommand brings quarantined orders in: the rule is relaxed so that some of them pass and others fail again.
var replayCommand = []string{"rejects", "replay", "shop.orders"}

// replayTrials kill a replay at the points that it visits: no row is lost, and a second replay brings none in twice.
func (h *harness) replayTrials(ctx context.Context, l *lab) ([]trial, error) {
	if err := l.beginReplay(ctx); err != nil {
		return nil, err
	}
	before, err := readResult(l.root())
	if err != nil {
		return nil, err
	}
	p, code, err := l.run(how{args: replayCommand, faulty: true, trace: l.trace()})
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
	if len(except(want.tables["shop.orders"].rows, before.tables["shop.orders"].rows)) == 0 || want.tables["shop.orders__quarantine"].count == 0 {
		return nil, violation("a replay is to bring some orders in and others not: change the rule")
	}
	var all []trial
	seen := map[string]bool{}
	for _, v := range visits {
		if h.short && seen[v.point] {
			continue
		}
		seen[v.point] = true
		lossy := strings.HasPrefix(v.point, "publish.")
		all = append(all, trial{row: "replay", stage: v.String(), run: func(ctx context.Context, l *lab) error {
			return l.killReplay(ctx, v, lossy, want, rng(h.seed, "replay"+v.String()))
		}})
	}
	return all, l.unwatch()
}

// beginReplay restores the project as it was after some nights, with a rule that fewer rows fail.
func (l *lab) beginReplay(ctx context.Context) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	relaxed := strings.Replace(projectFiles["millrace.yml"], "max: 930", "max: 960", 1)
	return put(filepath.Join(l.project(), "millrace.yml"), relaxed)
}

// killReplay kills a replay at a fault point, with a loss of power when lossy, replays again and compares.
func (l *lab) killReplay(ctx context.Context, v visit, lossy bool, want *result, r *rand.Rand) error {
	if err := l.beginReplay(ctx); err != nil {
		return err
	}
	h := how{args: replayCommand, faulty: true, plan: fmt.Sprintf("%s:kill@%d", v.point, v.n)}
	if lossy {
		h.ops = l.ops()
	}
	p, code, err := l.run(h)
	if err != nil {
		return err
	}
	switch code {
	case 0:
		l.note = "some points were not reached again"
	case 1, -1:
		l.kills++
	default:
		return violation("killed at %s a replay exits %d: %s", v, code, tail(p.said()))
	}
	if lossy {
		if err := l.losePower(base, r, false); err != nil {
			return err
		}
	}
	if err := l.mustRun(replayCommand...); err != nil {
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
