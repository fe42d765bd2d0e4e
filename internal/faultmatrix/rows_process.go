package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// signalTrials are F2.
func (h *harness) signalTrials() []trial {
	polite := func(s syscall.Signal, want int) func(context.Context, *lab) error {
		return func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, base); err != nil {
				return err
			}
			p, err := l.start(how{args: []string{"run"}, faulty: true, plan: "parquet.write:sleep=200ms", trace: l.trace()})
			if err != nil {
				return err
			}
			if err := waitFor(p, "a part was landed", l.reached("part.journal")); err != nil {
				return err
			}
			p.signal(s)
			asked := time.Now()
			code, err := p.wait()
			if err != nil {
				return err
			}
			if took := time.Since(asked); took > time.Minute {
				return violation("%v: it took %v to end", s, took)
			}
			if code != want {
				return violation("%v: it exits %d, not %d: %s", s, code, want, tail(p.said()))
			}
			next, code, err := l.run(how{args: []string{"run", "--json"}})
			if err != nil {
				return err
			}
			if code != 0 || !regexp.MustCompile(`"resumed":\s*true`).MatchString(next.said()) {
				return violation("the run after %v exits %d and does not say that it resumed: %s", s, code, tail(next.said()))
			}
			return l.settled(ctx, base+1)
		}
	}
	return []trial{
		{row: "F2", stage: "SIGTERM", run: polite(syscall.SIGTERM, 143)},
		{row: "F2", stage: "SIGINT", run: polite(syscall.SIGINT, 130)},
		{row: "F2", stage: "second SIGTERM", run: func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, base); err != nil {
				return err
			}
			p, err := l.start(how{args: []string{"run"}, faulty: true, plan: "part.journal:sleep=80s", trace: l.trace()})
			if err != nil {
				return err
			}
			if err := waitFor(p, "a part was landed", l.reached("part.journal")); err != nil {
				return err
			}
			p.signal(syscall.SIGTERM)
			// Before that, two signals may be one to it.
			if err := waitFor(p, "it heeded the first SIGTERM", func() bool { return strings.Contains(p.said(), "again to end at once") }); err != nil {
				return err
			}
			p.signal(syscall.SIGTERM)
			asked := time.Now()
			code, err := p.wait()
			if err != nil {
				return err
			}
			if took := time.Since(asked); took > 15*time.Second || code != 143 {
				return violation("after the second SIGTERM it exits %d after %v: %s", code, took, tail(p.said()))
			}
			return l.recovered(ctx, base+1)
		}},
	}
}

// lockTrials are F17 and F18.
func (h *harness) lockTrials() []trial {
	rounds := 3
	if !h.short {
		rounds = 20
	}
	// held starts a run that stands still at its first part, and a second run, which must exit 4 and name the first.
	held := func(ctx context.Context, l *lab, plan string, still func(*process) bool, says string, release func(*process) error) error {
		if err := l.begin(ctx, base); err != nil {
			return err
		}
		owner, err := l.start(how{args: []string{"run"}, faulty: true, plan: plan, trace: l.trace()})
		if err != nil {
			return err
		}
		defer owner.kill("both") // if it still stands when this fails
		if err := waitFor(owner, "it stood still", func() bool { return still(owner) }); err != nil {
			return err
		}
		worker := owner.worker()
		second, code, err := l.run(how{args: []string{"run"}})
		if err != nil {
			return err
		}
		if code != 4 {
			return violation("the second run exits %d, not 4: %s", code, tail(second.said()))
		}
		for _, word := range []string{fmt.Sprint(worker), says} {
			if !strings.Contains(second.said(), word) {
				return violation("the second run's message does not say %q: %s", word, tail(second.said()))
			}
		}
		if err := release(owner); err != nil {
			return err
		}
		code, err = owner.wait()
		if err != nil {
			return err
		}
		if code != 0 {
			return violation("the first run exits %d: %s", code, tail(owner.said()))
		}
		return l.settled(ctx, base+1)
	}
	return []trial{
		{row: "F17", stage: "one pipeline started twice", run: func(ctx context.Context, l *lab) error {
			return held(ctx, l, "part.journal:hold="+l.gate()+"@1", func(*process) bool { return l.reached("part.journal")() }, "locked",
				func(*process) error { return os.WriteFile(l.gate(), nil, 0o600) })
		}},
		{row: "F17", stage: "two pipelines begin a new project at once", run: func(ctx context.Context, l *lab) error {
			for range 5 { // a race: one round may miss it
				if err := l.beginTwice(ctx); err != nil {
					return err
				}
			}
			return l.settled(ctx, 1)
		}},
		{row: "F18", stage: "a stopped owner", run: func(ctx context.Context, l *lab) error {
			return held(ctx, l, "part.journal:stop@1", func(p *process) bool { return stateOf(p.worker()) == "T" }, "stopped",
				func(p *process) error { return syscall.Kill(p.worker(), syscall.SIGCONT) })
		}},
		{row: "F17", stage: fmt.Sprintf("two pipelines at once, %d nights", rounds), run: func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, 0); err != nil {
				return err
			}
			for night := 1; night <= rounds; night++ {
				if err := deliver(l.project(), h.seed, night); err != nil {
					return err
				}
				if err := l.together(ctx, []string{"run", "sales"}, []string{"run", "web"}); err != nil {
					return err
				}
				if err := l.equals(ctx, night); err != nil {
					return fmt.Errorf("night %d: %w", night, err)
				}
			}
			return l.settled(ctx, rounds)
		}},
	}
}

// beginTwice starts both pipelines at once in a project that has no journal yet.
func (l *lab) beginTwice(ctx context.Context) error {
	if err := l.begin(ctx, 0); err != nil {
		return err
	}
	var started []*process
	for _, name := range []string{"sales", "web"} { // each stands still where both may be making the journal
		p, err := l.start(how{args: []string{"run", name}, faulty: true, plan: "journal.migrate.commit:sleep=100ms"})
		if err != nil {
			return err
		}
		started = append(started, p)
	}
	var first error
	for _, p := range started {
		code, err := p.wait()
		if err == nil && code != 0 {
			err = violation("the first run of a pipeline beside another's exits %d: %s", code, tail(p.said()))
		}
		if first == nil {
			first = err
		}
	}
	return first
}
