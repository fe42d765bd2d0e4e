// Command faultmatrix proves the promises that Millrace makes about crashes: it starts the real binary on a small
// project, kills it, takes its disk space and its power away, damages its files, and asks after every recovery
// whether what readers saw and what they find is what a run without faults would have published. Its negative
// controls, tiny writers that are wrong on purpose, must be caught by the same code, or the matrix fails. It never
// trusts the engine's own word: it reads manifests, Parquet and the journal by itself. Read rows.go first, then
// settled in lab.go, which is the oracle.
//
//	go run ./internal/faultmatrix -bin bin/millrace -faults-bin bin/millrace-faults [-short] [-kills N] [-seed S] [-only F1a,F3/ENOSPC]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// harness is one run of the matrix.
type harness struct {
	seed    uint64
	short   bool
	kills   int
	only    []string
	dir     string // everything but what is kept
	keep    string // evidence of violations
	command string // replays a trial, with -only added

	millrace      *subject
	has           map[string]bool // commands of the binary
	gcFlags       []string        // that make gc really remove
	golden        *golden
	controlGolden *golden
}

// cell is a line of the matrix: the trials of one fault in one stage.
type cell struct {
	Fault      string   `json:"fault"`
	Stage      string   `json:"stage"`
	Trials     int      `json:"trials"`
	Passed     int      `json:"passed"`
	Failed     int      `json:"failed"`
	Skipped    int      `json:"skipped"`
	Kills      int      `json:"kills"`
	Looks      int      `json:"looks"` // observations by readers
	Seconds    float64  `json:"seconds"`
	Seed       uint64   `json:"seed"`
	Replay     string   `json:"replay"`
	Note       string   `json:"note,omitempty"`
	Violations []string `json:"violations,omitempty"`

	order, waiting int
}

// summary is what -json writes.
type summary struct {
	Passed      int     `json:"passed"`
	Failed      int     `json:"failed"`
	Skipped     int     `json:"skipped"`
	Kills       int     `json:"kills"`
	Looks       int     `json:"looks"`
	Violations  int     `json:"violations"`
	Seconds     float64 `json:"seconds"`
	Seed        uint64  `json:"seed"`
	Short       bool    `json:"short"`
	Interrupted bool    `json:"interrupted,omitempty"`
	Cells       []*cell `json:"cells"`
}

func main() {
	if kind := os.Getenv(controlEnv); kind != "" {
		if err := runControl(kind, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "control:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "faultmatrix:", err)
		code = 2
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (int, error) {
	h := &harness{}
	flags := flag.NewFlagSet("faultmatrix", flag.ContinueOnError)
	bin := flags.String("bin", "bin/millrace", "the binary under test")
	faultsBin := flags.String("faults-bin", "bin/millrace-faults", "the same, built with the tag faults")
	flags.Uint64Var(&h.seed, "seed", 1, "what all chance comes from")
	flags.BoolVar(&h.short, "short", false, "every fault point once, a few dozen random kills: for every change")
	flags.IntVar(&h.kills, "kills", 0, "kills at least; the random ones fill up (default 1000, or 60 with -short)")
	only := flags.String("only", "", "rows, stages or trials to run, as F1a,F3/ENOSPC or a trial from a report: prefixes")
	jsonPath := flags.String("json", "", "write the summary to this file")
	jobs := flags.Int("jobs", 2, "trials at once")
	temp := flags.String("dir", defaultTemp(), "where the projects are made")
	if err := flags.Parse(args); err != nil {
		return 2, nil
	}
	if *only != "" {
		h.only = strings.Split(*only, ",")
	}
	if h.kills == 0 {
		h.kills = map[bool]int{false: 1000, true: 60}[h.short]
	}
	var err error
	if h.dir, err = os.MkdirTemp(*temp, "faultmatrix"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(h.dir)
	h.keep = filepath.Join(os.TempDir(), fmt.Sprintf("faultmatrix-violations-%d", os.Getpid()))
	h.command = fmt.Sprintf("go run ./internal/faultmatrix -bin %s -faults-bin %s -seed %d -kills %d", *bin, *faultsBin, h.seed, h.kills)
	if h.short {
		h.command += " -short"
	}
	if err := h.subjects(*bin, *faultsBin); err != nil {
		return 0, err
	}
	s, err := h.run(ctx, *jobs)
	if err != nil {
		return 0, err
	}
	if *jsonPath != "" {
		data, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(*jsonPath, append(data, '\n'), 0o644); err != nil {
			return 0, err
		}
	}
	fmt.Printf("\n%d kills, %d observations by readers, %d violations, %d skipped, seed %d, %.0f s\n", s.Kills, s.Looks, s.Violations, s.Skipped, s.Seed, s.Seconds)
	fmt.Printf("%d passed, %d failed\n", s.Passed, s.Failed)
	if s.Failed > 0 || s.Passed == 0 || s.Interrupted {
		return 1, nil
	}
	return 0, nil
}

// defaultTemp is a file system in memory where there is one: kill -9 does not test the disk, the simulated power
// loss does, and a real fsync only takes time.
func defaultTemp() string {
	const shm = "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(shm, &st) == nil && int64(st.Bavail)*st.Bsize > 1<<30 && syscall.Access(shm, 2) == nil {
		return shm
	}
	return os.TempDir()
}

// subjects finds out what the binaries are and can.
func (h *harness) subjects(bin, faultsBin string) error {
	h.millrace = &subject{name: "millrace"}
	for _, b := range []struct {
		path string
		to   *string
	}{{bin, &h.millrace.bin}, {faultsBin, &h.millrace.faults}} {
		abs, err := filepath.Abs(b.path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("%w (make build faults-bin makes both binaries)", err)
		}
		*b.to = abs
	}
	help, err := exec.Command(h.millrace.bin, "--help").Output()
	if err != nil {
		return fmt.Errorf("%s --help: %w", bin, err)
	}
	h.has = map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) +\S`).FindAllStringSubmatch(string(help), -1) {
		h.has[m[1]] = true
	}
	if h.has["gc"] {
		help, err := exec.Command(h.millrace.bin, "gc", "--help").Output()
		if err != nil {
			return fmt.Errorf("%s gc --help: %w", bin, err)
		}
		for _, flag := range []string{"--yes", "--apply", "--delete", "--force", "--remove"} { // gc only shows by default
			if strings.Contains(string(help), flag) {
				h.gcFlags = []string{flag}
			}
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	right := &subject{name: "right", bin: self, faults: self, env: []string{controlEnv + "=right"}}
	for _, g := range []struct {
		to   **golden
		name string
		s    *subject
	}{{&h.golden, "golden", h.millrace}, {&h.controlGolden, "golden-control", right}} {
		l, err := h.newLab(g.name, g.s)
		if err != nil {
			return err
		}
		*g.to = &golden{lab: l}
	}
	return nil
}

// run does all trials, a few at once, and prints a line for each cell when it is done.
func (h *harness) run(ctx context.Context, jobs int) (*summary, error) {
	begun := time.Now()
	var labs []*lab
	for i := range max(1, jobs) {
		l, err := h.newLab(fmt.Sprintf("lab-%d", i+1), h.millrace)
		if err != nil {
			return nil, err
		}
		defer l.reset()
		labs = append(labs, l)
	}
	trials, err := h.matrix(ctx, labs[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "evidence kept in", labs[0].keep("trace", err))
		return nil, err
	}
	trials = h.selected(trials)
	if len(trials) == 0 {
		return nil, fmt.Errorf("-only %s means no trial", strings.Join(h.only, ","))
	}
	cells := cellsOf(trials)
	queue := make(chan trial)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for _, l := range labs {
		workers.Go(func() {
			for t := range queue {
				l.kills, l.looks, l.note = 0, 0, ""
				from := time.Now()
				err := l.guarded(func() error { return t.run(ctx, l) })
				mu.Lock()
				h.record(cells[key(t)], t, l, err, time.Since(from))
				mu.Unlock()
				l.reset()
			}
		})
	}
feed:
	for _, t := range trials {
		select {
		case queue <- t:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	workers.Wait()
	return h.summarize(cells, time.Since(begun), ctx.Err() != nil), nil
}

func key(t trial) string { return t.row + "/" + t.stage }

func (h *harness) selected(all []trial) []trial {
	if h.only == nil {
		return all
	}
	var some []trial
	for _, t := range all {
		for _, prefix := range h.only {
			if t.id() == prefix || t.row == prefix || strings.Contains(prefix, "/") && !strings.Contains(prefix, "#") && strings.HasPrefix(t.id(), prefix) {
				some = append(some, t)
				break
			}
		}
	}
	return some
}

func cellsOf(trials []trial) map[string]*cell {
	cells := map[string]*cell{}
	for _, t := range trials {
		c := cells[key(t)]
		if c == nil {
			c = &cell{Fault: t.row, Stage: t.stage, order: len(cells)}
			cells[key(t)] = c
		}
		c.Trials++
		c.waiting++
	}
	return cells
}

// record adds a trial to its cell, and prints what a person wants to know now.
func (h *harness) record(c *cell, t trial, l *lab, err error, took time.Duration) {
	c.waiting--
	c.Seconds += took.Seconds()
	c.Kills += l.kills
	c.Looks += l.looks
	c.Seed = h.seed
	c.Replay = fmt.Sprintf("%s -only '%s'", h.command, key(t))
	if l.note != "" {
		c.Note = l.note
	}
	var skipped *skipError
	switch {
	case err == nil:
		c.Passed++
	case errors.As(err, &skipped):
		c.Skipped++
		fmt.Printf("SKIP  %s: %v\n", t.id(), err)
	default:
		c.Failed++
		where := l.keep(t.id(), err)
		c.Violations = append(c.Violations, fmt.Sprintf("%s: %v (evidence in %s)", t.id(), err, where))
		fmt.Printf("FAIL  %s: %v\n      evidence: %s\n      replay:   %s -only '%s'\n", t.id(), err, where, h.command, t.id())
	}
	if c.waiting > 0 {
		return
	}
	verdict := "pass"
	switch {
	case c.Failed > 0:
		verdict = "FAIL"
	case c.Passed == 0:
		verdict = "skip"
	}
	note := ""
	if c.Note != "" {
		note = "  (" + c.Note + ")"
	}
	fmt.Printf("%s  %-7s %-58s %3d trials %4d kills %6.1f s  -seed %d -only '%s'%s\n", verdict, c.Fault, c.Stage, c.Trials, c.Kills, c.Seconds, c.Seed, key(t), note)
}

func (h *harness) summarize(cells map[string]*cell, took time.Duration, interrupted bool) *summary {
	s := &summary{Seed: h.seed, Short: h.short, Seconds: took.Seconds(), Interrupted: interrupted}
	for _, c := range cells {
		s.Cells = append(s.Cells, c)
		s.Passed += c.Passed
		s.Failed += c.Failed
		s.Skipped += c.Skipped
		s.Kills += c.Kills
		s.Looks += c.Looks
		s.Violations += len(c.Violations)
	}
	sort.Slice(s.Cells, func(i, k int) bool { return s.Cells[i].order < s.Cells[k].order })
	return s
}
