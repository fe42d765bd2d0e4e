package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"time"
)

// trial is one experiment: it starts from a restored project and returns a violation, a skip, or nil.
type trial struct {
	row, stage string
	number     int // several trials of one stage are counted from 1
	run        func(ctx context.Context, l *lab) error
}

func (t trial) id() string {
	if t.number == 0 {
		return t.row + "/" + t.stage
	}
	return fmt.Sprintf("%s/%s#%d", t.row, t.stage, t.number)
}

// base is how many fault-free nights stand behind most trials: the third is the one that is cut.
const base = 2

// matrix is the list of all trials, by row.
func (h *harness) matrix(ctx context.Context, l *lab) ([]trial, error) {
	first, err := l.traceNight(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("trace the first night: %w", err)
	}
	usual, err := l.traceNight(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("trace a night: %w", err)
	}
	replays, err := h.replayTrials(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("trace a replay: %w", err)
	}
	entities, err := h.entityTrials(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("trace an entity: %w", err)
	}
	ofDBT, err := h.dbtTrials(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("trace a project of dbt: %w", err)
	}
	var all []trial
	all = append(all, h.controlTrials()...)
	all = append(all, replays...)
	all = append(all, entities...)
	all = append(all, ofDBT...)
	all = append(all, h.killTrials(first, usual)...)
	all = append(all, h.errorTrials(first, usual)...)
	all = append(all, h.signalTrials()...)
	all = append(all, h.spaceTrials()...)
	all = append(all, h.unwritableTrials()...)
	all = append(all, h.lockTrials()...)
	all = append(all, h.journalTrials()...)
	all = append(all, h.corruptionTrials()...)
	all = append(all, h.collectTrials()...)
	all = append(all, h.secretTrials()...)
	return append(all, h.randomTrials(all)...), nil
}

// cut is a visit after so many fault-free nights.
type cut struct {
	visit
	base int
}

func (c cut) stage() string {
	if c.base == 0 {
		return c.point + " (first night)"
	}
	return c.point
}

// cuts picks where to cut: in the short form the first visit of each point, else every visit, at most `most` of a
// point, spread over the run.
func (h *harness) cuts(first, usual []visit, most int) []cut {
	var all []cut
	seen := map[string]bool{}
	for _, v := range usual {
		seen[v.point] = true
	}
	pick := func(visits []visit, base int, only func(visit) bool) {
		count := map[string]int{}
		for _, v := range visits {
			count[v.point]++
		}
		for _, v := range visits {
			step := max(1, (count[v.point]+most-1)/most)
			if only(v) && (v.n-1)%step == 0 {
				all = append(all, cut{v, base})
			}
		}
	}
	pick(usual, base, func(visit) bool { return true })
	pick(first, 0, func(v visit) bool { return !h.short || !seen[v.point] })
	return all
}

// killTrials are F1a, the kill at a fault point, and crash, the same followed by a loss of power.
func (h *harness) killTrials(first, usual []visit) []trial {
	most := 1
	if !h.short {
		most = 12
	}
	var all []trial
	for i, c := range h.cuts(first, usual, most) {
		number := 0
		if !h.short {
			number = c.n
		}
		all = append(all, trial{row: "F1a", stage: c.stage(), number: number, run: func(ctx context.Context, l *lab) error {
			return l.killAt(ctx, c.base, c.visit, false, rng(h.seed, "F1a"+c.String()))
		}})
		if h.short && i%5 != 0 && !strings.HasPrefix(c.point, "publish.") {
			continue
		}
		all = append(all, trial{row: "crash", stage: c.stage(), number: number, run: func(ctx context.Context, l *lab) error {
			return l.killAt(ctx, c.base, c.visit, true, rng(h.seed, "crash"+c.String()))
		}})
	}
	for _, from := range []int{0, base} {
		all = append(all, trial{row: "crash", stage: fmt.Sprintf("after exit 0, night %d", from+1), run: func(ctx context.Context, l *lab) error {
			return l.lossAfterSuccess(ctx, from, nil)
		}})
	}
	for i, c := range h.cuts(first, usual, most) {
		if h.short && i%8 != 0 && c.point != "publish.pointer.fsyncdir" && c.point != "target.fsyncdir" {
			continue
		}
		if !h.short && !strings.HasSuffix(c.point, ".fsyncdir") { // what a second run may take for synced
			continue
		}
		all = append(all, trial{row: "crash", stage: "after a kill and exit 0: " + c.stage(), number: c.n, run: func(ctx context.Context, l *lab) error {
			return l.lossAfterSuccess(ctx, c.base, &c.visit)
		}})
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].row > all[k].row }) // the rows one after the other
	return all
}

// killAt kills a run at a fault point, takes the power away as well when lossy, recovers and asks the oracle.
func (l *lab) killAt(ctx context.Context, base int, v visit, lossy bool, r *rand.Rand) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	h := how{args: []string{"run"}, faulty: true, plan: fmt.Sprintf("%s:kill@%d", v.point, v.n)}
	if lossy {
		h.ops = l.ops()
	}
	p, code, err := l.run(h)
	if err != nil {
		return err
	}
	switch {
	case code == 0:
		l.note = "some points were not reached again" // the order of parallel work differs
	case code == 1 || code == -1:
		l.kills++
	default:
		return violation("killed at %s it exits %d: %s", v, code, tail(p.said()))
	}
	if lossy {
		if err := l.losePower(base, r, false); err != nil {
			return err
		}
	}
	if err := l.recovered(ctx, base+1); err != nil {
		return err
	}
	return l.goOn(ctx, base+1, r)
}

// losePower does what a power loss may do, between two readers: the first had to see whole views until then.
func (l *lab) losePower(base int, r *rand.Rand, all bool) error {
	if err := l.unwatch(); err != nil {
		return err
	}
	did, err := l.disk.powerLoss(l.ops(), r, all)
	if err != nil {
		return err
	}
	l.say("power loss: %s", strings.Join(did, ", "))
	l.watch()
	l.reader.published = base > 0
	return nil
}

// goOn runs once more, now and then: over the same input, which must change nothing, or over the next night's.
func (l *lab) goOn(ctx context.Context, night int, r *rand.Rand) error {
	often := 4
	if l.h.short {
		often = 12
	}
	switch r.IntN(2 * often) {
	case 0:
		return l.recovered(ctx, night)
	case 1:
		if err := l.clean(ctx, night+1); err != nil {
			return err
		}
		return l.settled(ctx, night+1)
	}
	return nil
}

// lossAfterSuccess takes the power away after a run that said 0, which therefore must be on disk whole, so that all
// that was not synced may go; before that run, another one may have been killed.
func (l *lab) lossAfterSuccess(ctx context.Context, base int, v *visit) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	if v != nil {
		if _, _, err := l.run(how{args: []string{"run"}, faulty: true, ops: l.ops(), plan: fmt.Sprintf("%s:kill@%d", v.point, v.n)}); err != nil {
			return err
		}
		l.kills++
	}
	p, code, err := l.run(how{args: []string{"run"}, faulty: true, ops: l.ops()})
	if err != nil {
		return err
	}
	if code != 0 {
		return violation("it exits %d: %s", code, tail(p.said()))
	}
	if err := l.losePower(base, rng(l.h.seed, "durable"+fmt.Sprint(v)), true); err != nil {
		return err
	}
	if err := l.unwatch(); err != nil {
		return fmt.Errorf("exit 0, then a power loss: %w", err)
	}
	if err := l.equals(ctx, base+1); err != nil {
		return fmt.Errorf("exit 0, then a power loss: %w", err)
	}
	l.watch()
	return l.recovered(ctx, base+1)
}

// randomTrials are F1b: kills at random times, of the binary as users run it, as many as the other rows leave of the
// number that was asked for.
func (h *harness) randomTrials(others []trial) []trial {
	n := h.kills
	for _, t := range others {
		if t.row == "F1a" || t.row == "crash" {
			n--
		}
	}
	n = max(n, 30) / 2 // each trial kills about twice
	var all []trial
	for i := range n {
		stage := []string{"one run", "two pipelines at once", "killed as one run, recovered as two"}[i%3]
		all = append(all, trial{row: "F1b", stage: stage, number: i + 1, run: func(ctx context.Context, l *lab) error {
			return l.randomKills(ctx, i%3, rng(h.seed, fmt.Sprintf("F1b%d", i)))
		}})
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].stage < all[k].stage })
	return all
}

func (l *lab) randomKills(ctx context.Context, kind int, r *rand.Rand) error {
	from := base
	if r.IntN(6) == 0 {
		from = 0
	}
	if err := l.begin(ctx, from); err != nil {
		return err
	}
	commands := [][]string{{"run"}}
	if kind == 1 {
		commands = [][]string{{"run", "sales"}, {"run", "web"}}
	}
	for range 1 + r.IntN(3) {
		if err := l.killSome(commands, r); err != nil {
			return err
		}
	}
	if kind != 0 {
		if err := l.together(ctx, []string{"run", "sales"}, []string{"run", "web"}); err != nil {
			return err
		}
		if err := l.unwatch(); err != nil {
			return err
		}
		if err := l.equals(ctx, from+1); err != nil {
			return err
		}
		l.watch()
	}
	if kind != 1 {
		if err := l.mustRun("run"); err != nil {
			return err
		}
	}
	if err := l.settled(ctx, from+1); err != nil {
		return err
	}
	return l.goOn(ctx, from+1, r)
}

// killSome starts the commands at once and kills each at a random time.
func (l *lab) killSome(commands [][]string, r *rand.Rand) error {
	var started []*process
	for _, args := range commands {
		p, err := l.start(how{args: args})
		if err != nil {
			return err
		}
		started = append(started, p)
	}
	var wg sync.WaitGroup
	hits := make([]bool, len(started))
	for i, p := range started {
		delay := time.Duration(r.Float64() * 1.1 * float64(l.typical))
		whom := []string{"worker", "both", "both", "supervisor"}[r.IntN(4)]
		wg.Go(func() {
			time.Sleep(delay)
			hits[i] = p.kill(whom)
		})
		l.say("   kill -9 %s after %v", whom, delay)
	}
	wg.Wait()
	for i, p := range started {
		code, err := p.wait()
		if err != nil {
			return err
		}
		if hits[i] {
			l.kills++
		} else if code != 0 {
			return violation("it exits %d although nobody killed it: %s", code, tail(p.said()))
		}
	}
	return nil
}

// together runs commands at once; each must exit 0.
func (l *lab) together(_ context.Context, commands ...[]string) error {
	var started []*process
	for _, args := range commands {
		p, err := l.start(how{args: args})
		if err != nil {
			return err
		}
		started = append(started, p)
	}
	var first error
	for i, p := range started {
		code, err := p.wait()
		if err == nil && code != 0 {
			err = violation("%q beside another pipeline exits %d: %s", strings.Join(commands[i], " "), code, tail(p.said()))
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// killed runs a command that is killed at a fault point, with a loss of power when lossy.
func (l *lab) killed(v visit, lossy bool, r *rand.Rand, args ...string) error {
	h := how{args: args, faulty: true, plan: fmt.Sprintf("%s:kill@%d", v.point, v.n)}
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
		return violation("killed at %s, %s exits %d: %s", v, strings.Join(args, " "), code, tail(p.said()))
	}
	if lossy {
		if err := l.losePower(base, r, false); err != nil {
			return err
		}
	}
	return nil
}
