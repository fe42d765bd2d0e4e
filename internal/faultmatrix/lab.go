package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// violationError is a broken promise, as opposed to a failure of the matrix itself.
type violationError struct{ err error }

func (v *violationError) Error() string { return v.err.Error() }
func (v *violationError) Unwrap() error { return v.err }

func violation(format string, args ...any) error {
	return &violationError{fmt.Errorf(format, args...)}
}

// skipError says why a trial cannot be done here.
type skipError struct{ why string }

func (s *skipError) Error() string { return s.why }

func skip(format string, args ...any) error { return &skipError{fmt.Sprintf(format, args...)} }

// rng is a source of chance that depends on the seed and on what it is for, never on the order of trials.
func rng(seed uint64, what string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// lab is a place for trials: one project folder whose path never changes (the catalogs name it), and copies of it
// as it stood after some fault-free nights, to begin from.
type lab struct {
	h       *harness
	name    string
	subject *subject
	dir     string
	typical time.Duration // of a night's run
	bases   map[int]bool

	// of the trial that goes on
	reader *reader
	disk   *disk
	mounts []string
	starts int
	kills  int
	looks  int
	note   string
	steps  []string
}

func (h *harness) newLab(name string, s *subject) (*lab, error) {
	l := &lab{h: h, name: name, subject: s, dir: filepath.Join(h.dir, name), bases: map[int]bool{}}
	return l, os.MkdirAll(l.dir, 0o755)
}

func (l *lab) project() string        { return filepath.Join(l.dir, "project") }
func (l *lab) root() string           { return filepath.Join(l.project(), "warehouse") }
func (l *lab) state() string          { return filepath.Join(l.project(), ".millrace") }
func (l *lab) ops() string            { return filepath.Join(l.dir, "ops.log") }
func (l *lab) trace() string          { return filepath.Join(l.dir, "trace.log") }
func (l *lab) gate() string           { return filepath.Join(l.dir, "gate.log") } // for the plan hold; gone with the logs
func (l *lab) base(n int) string      { return filepath.Join(l.dir, fmt.Sprintf("base-%d", n)) }
func (l *lab) say(f string, a ...any) { l.steps = append(l.steps, fmt.Sprintf(f, a...)) }

// prepare makes the copy of the project after n fault-free nights, unless it is there.
func (l *lab) prepare(ctx context.Context, n int) error {
	if l.bases[n] {
		return nil
	}
	if err := errors.Join(os.RemoveAll(l.project()), writeProject(l.project())); err != nil {
		return err
	}
	for night := 1; night <= n; night++ {
		begun := time.Now()
		if err := l.clean(ctx, night); err != nil {
			return err
		}
		l.typical = time.Since(begun)
	}
	l.bases[n] = true
	return errors.Join(os.RemoveAll(l.base(n)), copyTree(l.project(), l.base(n)))
}

// clean delivers a night and runs it without faults.
func (l *lab) clean(ctx context.Context, night int) error {
	if err := deliver(l.project(), l.h.seed, night); err != nil {
		return err
	}
	return l.mustRun("run")
}

// begin restores the project as it was after `base` nights, delivers the next one and sets a reader on it. over names
// folders that get a file system of their own first.
func (l *lab) begin(ctx context.Context, base int, over ...func() error) error {
	if err := l.prepare(ctx, base); err != nil {
		return err
	}
	l.reset()
	if err := os.RemoveAll(l.project()); err != nil {
		return err
	}
	for _, f := range over {
		if err := f(); err != nil {
			return err
		}
	}
	if err := copyTree(l.base(base), l.project()); err != nil {
		return err
	}
	if base >= 0 {
		if err := deliver(l.project(), l.h.seed, base+1); err != nil {
			return err
		}
	}
	return l.observe()
}

// observe sets a reader on the project as it stands, and remembers what is safe on its disk.
func (l *lab) observe() error {
	disk, err := watchDisk(l.state(), l.root())
	l.disk = disk
	l.watch()
	return err
}

func (l *lab) watch(together ...string) {
	if together == nil {
		together = []string{"sales", "web"}
	}
	l.reader = newReader(l.root(), together...)
	l.reader.watch()
}

// unwatch ends the reader and returns the first wrong view that it had.
func (l *lab) unwatch() error {
	if l.reader == nil {
		return nil
	}
	err := l.reader.stop()
	l.looks += l.reader.looks
	l.reader = nil
	return err
}

// reset ends what a trial may have left: reader, mounts, logs.
func (l *lab) reset() {
	_ = l.unwatch()
	for i := len(l.mounts) - 1; i >= 0; i-- {
		_ = syscall.Unmount(l.mounts[i], syscall.MNT_DETACH)
	}
	l.mounts, l.steps, l.starts = nil, nil, 0
	old, _ := filepath.Glob(filepath.Join(l.dir, "*.log"))
	for _, path := range old {
		_ = os.Remove(path)
	}
}

// start starts the subject; its output goes to a log of its own.
func (l *lab) start(h how) (*process, error) {
	l.starts++
	l.say("%d: %s %s", l.starts, strings.Join(h.args, " "), h.plan)
	return l.subject.start(l.project(), filepath.Join(l.dir, fmt.Sprintf("%02d-%s.log", l.starts, h.args[0])), h)
}

// run starts the subject and waits for it.
func (l *lab) run(h how) (*process, int, error) {
	p, err := l.start(h)
	if err != nil {
		return nil, 0, err
	}
	code, err := p.wait()
	l.say("   exit %d", code)
	return p, code, err
}

// mustRun runs the ordinary binary and wants exit code 0.
func (l *lab) mustRun(args ...string) error {
	p, code, err := l.run(how{args: args})
	if err != nil {
		return err
	}
	if code != 0 {
		return violation("%q without any fault exits %d: %s", strings.Join(args, " "), code, tail(p.said()))
	}
	return nil
}

func tail(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 700 {
		s = "…" + s[len(s)-700:]
	}
	return s
}

// settled is the oracle after a recovery: no reader ever had a wrong view, the tables equal the golden ones, the
// journal tells the truth, and the secret is nowhere.
func (l *lab) settled(ctx context.Context, night int) error {
	if err := l.unwatch(); err != nil {
		return err
	}
	if err := l.equals(ctx, night); err != nil {
		return err
	}
	if l.subject == l.h.millrace {
		if err := checkJournal(l.project()); err != nil {
			return err
		}
	}
	return errors.Join(findCanary(l.state()), findCanary(l.root()), l.canaryInOutputs())
}

func (l *lab) canaryInOutputs() error {
	logs, _ := filepath.Glob(filepath.Join(l.dir, "*.log"))
	for _, path := range logs {
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), canary) {
			return violation("the secret canary stands in %s", path)
		}
	}
	return nil
}

// equals compares what readers find now with the golden result of the night.
func (l *lab) equals(ctx context.Context, night int) error {
	want, err := l.h.goldenOf(ctx, l.subject, night)
	if err != nil {
		return err
	}
	got, err := readResult(l.root())
	if err != nil {
		return violation("read the recovered target: %w", err)
	}
	if d := difference(got, want); d != "" {
		return violation("the result of night %d is not the golden one: %s", night, d)
	}
	return nil
}

// current is the number of the snapshot that readers see; 0 when there is none.
func (l *lab) current() int64 {
	dir, err := newReader(l.root()).resolve()
	if err != nil {
		return 0
	}
	m, err := readManifest(dir)
	if err != nil {
		return 0
	}
	return m.Snapshot
}

// visit is the nth time that a fault point is reached in a run.
type visit struct {
	point string
	n     int
}

func (v visit) String() string { return fmt.Sprintf("%s@%d", v.point, v.n) }

// traceNight runs the night after base and lists the fault points that it visits.
func (l *lab) traceNight(ctx context.Context, base int, args ...string) ([]visit, error) {
	if err := l.begin(ctx, base); err != nil {
		return nil, err
	}
	if args == nil {
		args = []string{"run"}
	}
	p, code, err := l.run(how{args: args, faulty: true, trace: l.trace()})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, violation("the build with fault points exits %d without a plan: %s", code, tail(p.said()))
	}
	visits := l.visited()
	return visits, l.settled(ctx, base+1)
}

// visited reads the trace.
func (l *lab) visited() []visit {
	data, _ := os.ReadFile(l.trace())
	count := map[string]int{}
	var all []visit
	for _, point := range strings.Fields(string(data)) {
		count[point]++
		all = append(all, visit{point, count[point]})
	}
	return all
}

// waitFor waits until a condition holds while the process runs.
func waitFor(p *process, what string, ok func() bool) error {
	for begun := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if !p.running() {
			return violation("it ended (exit %d) before %s: %s", p.code, what, tail(p.said()))
		}
		if time.Since(begun) > hung {
			p.kill("both")
			return violation("%v went by without %s", hung, what)
		}
	}
	return nil
}

// reached says whether the traced run has visited a point.
func (l *lab) reached(point string) func() bool {
	return func() bool {
		for _, v := range l.visited() {
			if v.point == point {
				return true
			}
		}
		return false
	}
}

// guarded runs a trial; after a violation it keeps everything that was there.
func (l *lab) guarded(f func() error) error {
	err := f()
	if uerr := l.unwatch(); err == nil {
		err = uerr
	}
	return err
}

// keep copies the lab's project and logs for whoever looks into a violation.
func (l *lab) keep(id string, problem error) string {
	dir := filepath.Join(l.h.keep, strings.NewReplacer("/", "_", "@", "_", "#", "_").Replace(id))
	_ = os.RemoveAll(dir)
	if err := copyTree(l.dir, dir); err != nil {
		fmt.Fprintln(os.Stderr, "faultmatrix: keep the evidence:", err)
	}
	bases, _ := filepath.Glob(filepath.Join(dir, "base-*"))
	for _, base := range bases {
		_ = os.RemoveAll(base)
	}
	text := fmt.Sprintf("trial %s, seed %d\n%v\n\n%s\n", id, l.h.seed, problem, strings.Join(l.steps, "\n"))
	_ = os.WriteFile(filepath.Join(dir, "violation.txt"), []byte(text), 0o644)
	return dir
}

// golden is a project that no fault ever touches, run night by night as far as trials ask.
type golden struct {
	mu     sync.Mutex
	lab    *lab
	nights []*result
}

// goldenOf is the result that a night must have. The tiny writers are measured by the right one among them.
func (h *harness) goldenOf(ctx context.Context, s *subject, night int) (*result, error) {
	g := h.golden
	if s != h.millrace {
		g = h.controlGolden
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.nights == nil {
		if err := writeProject(g.lab.project()); err != nil {
			return nil, err
		}
	}
	for len(g.nights) < night {
		if err := g.lab.clean(ctx, len(g.nights)+1); err != nil {
			return nil, fmt.Errorf("golden night %d: %w", len(g.nights)+1, err)
		}
		res, err := readResult(g.lab.root())
		if err != nil {
			return nil, fmt.Errorf("golden night %d: %w", len(g.nights)+1, err)
		}
		g.nights = append(g.nights, res)
	}
	return g.nights[night-1], nil
}
