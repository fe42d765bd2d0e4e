package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// Level says how bad a Diagnosis is: as bad as what a source found.
type Level = extract.Level

// The levels.
const (
	LevelOK   = extract.LevelOK
	LevelWarn = extract.LevelWarn
	LevelFail = extract.LevelFail
)

// Diagnosis is one thing that the doctor looked at.
type Diagnosis struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Limits below which a disk is worth a word.
const (
	diskFail = 100 << 20
	diskWarn = 2 << 30
)

// Doctor looks at everything that runs lean on: clock, memory, disks, permissions, locks, journal, target, sources.
// It changes nothing but a probe file. Journal may be nil when it could not be opened: journalErr says why. Each
// source that examines itself, and each stream of the others, has timeout to answer.
func (e *Engine) Doctor(ctx context.Context, journalErr error, timeout time.Duration) []Diagnosis {
	d := &doctor{Engine: e}
	m, currentErr := e.current(ctx)
	d.clock(m)
	d.zones()
	d.memory()
	d.disk("disk of the state folder", e.Project.StateDir())
	d.disk("disk of the target", e.TargetRoot)
	d.permissions()
	d.locks()
	d.journal(ctx, journalErr)
	d.target(ctx, m, currentErr)
	d.leftovers(ctx)
	d.follower(ctx, timeout)
	d.sources(ctx, m, timeout)
	return d.found
}

type doctor struct {
	*Engine
	mu    sync.Mutex
	found []Diagnosis
}

func (d *doctor) say(level Level, check, hint, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if level == LevelOK {
		hint = ""
	}
	d.found = append(d.found, Diagnosis{Check: check, Level: level, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// clock compares this machine's time with what the disk and the manifest say.
func (d *doctor) clock(m *load.Manifest) {
	now := d.Clock()
	const hint = "switch NTP on: run ids, ages and freshness come from the clock"
	switch {
	case now.Year() < 2024:
		d.say(LevelFail, "clock", hint, "it is %s here", now.Format(time.RFC3339))
	case m != nil && m.Snapshot != 0 && m.PublishedAt.After(now.Add(time.Minute)):
		d.say(LevelWarn, "clock", hint, "it is %s here, and snapshot %d was published at %s", now.Format(time.RFC3339), m.Snapshot, m.PublishedAt.Format(time.RFC3339))
	default:
		if skew := d.diskSkew(); skew > 5*time.Second || skew < -5*time.Second {
			d.say(LevelWarn, "clock", hint, "the disk's clock differs by %s", skew.Round(time.Second))
			return
		}
		d.say(LevelOK, "clock", "", "%s", now.Format(time.RFC3339))
	}
}

// diskSkew is how far a new file's time is from ours: a folder of another machine has another clock.
func (d *doctor) diskSkew() time.Duration {
	f, err := os.CreateTemp(d.Project.StateDir(), ".probe.*")
	if err != nil {
		return 0 // the permissions say so
	}
	defer os.Remove(f.Name())
	defer f.Close()
	now := time.Now()
	if info, err := f.Stat(); err == nil {
		return info.ModTime().Sub(now)
	}
	return 0
}

func (d *doctor) zones() {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata"} {
		if _, err := time.LoadLocation(name); err != nil {
			d.say(LevelWarn, "time zones", "install tzdata", "the time-zone database is missing: %v", err)
			return
		}
	}
	d.say(LevelOK, "time zones", "", "the database is there")
}

func (d *doctor) memory() {
	free := availableMemory()
	allowed := config.Size(d.Memory)
	switch {
	case free == 0:
		d.say(LevelOK, "memory", "", "runs may use %s; what the machine has is unknown", allowed)
	case free < d.Memory/2:
		d.say(LevelFail, "memory", "lower memory: in millrace.yml or --memory, or free some", "runs may use %s, and %s is available", allowed, round(free))
	case free < d.Memory:
		d.say(LevelWarn, "memory", "lower memory: in millrace.yml or --memory, or free some", "runs may use %s, and %s is available", allowed, round(free))
	default:
		d.say(LevelOK, "memory", "", "runs may use %s of %s available, %d processors", allowed, round(free), runtime.NumCPU())
	}
}

func round(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// availableMemory is what Linux says we could take: of the machine, and of our cgroup. 0 when unknown.
func availableMemory() int64 {
	free := int64(0)
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				free = kb << 10
			}
		}
	}
	limit, err1 := readNumber("/sys/fs/cgroup/memory.max")
	used, err2 := readNumber("/sys/fs/cgroup/memory.current")
	if err1 == nil && err2 == nil && (free == 0 || limit-used < free) {
		free = max(limit-used, 1)
	}
	return free
}

func readNumber(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

func (d *doctor) disk(check, dir string) {
	var st syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &st)
		if err == nil {
			break
		}
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent // not made yet
			continue
		}
		d.say(LevelFail, check, "", "%v", err)
		return
	}
	free, total := int64(st.Bavail)*int64(st.Bsize), int64(st.Blocks)*int64(st.Bsize)
	const hint = "free some: a run needs room for its staging and for a second version of what it publishes; millrace gc --apply helps"
	switch {
	case total > 0 && st.Files > 0 && st.Ffree < 1000:
		d.say(LevelFail, check, hint, "%d inodes are free in %s", st.Ffree, dir)
	case free < diskFail:
		d.say(LevelFail, check, hint, "%s free of %s in %s", round(free), round(total), dir)
	case free < diskWarn:
		d.say(LevelWarn, check, hint, "%s free of %s in %s", round(free), round(total), dir)
	default:
		d.say(LevelOK, check, "", "%s free of %s in %s", round(free), round(total), dir)
	}
	if name := journal.NetworkFS(dir); name != "" && check == "disk of the target" {
		d.say(LevelWarn, check, "locks and fsync of some servers cannot be trusted; publish to a local disk and copy from there", "%s is on a network file system (%s)", dir, name)
	}
}

func (d *doctor) permissions() {
	dir := d.Project.StateDir()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say(LevelOK, "permissions", "", "%s is made by the first run", dir)
		return
	case err != nil:
		d.say(LevelFail, "permissions", "", "%v", err)
		return
	case info.Mode().Perm()&0o077 != 0:
		d.say(LevelWarn, "permissions", "chmod 700 "+dir, "%s can be opened by others (%04o): staged rows and rejects lie in it", dir, info.Mode().Perm())
	default:
		d.say(LevelOK, "permissions", "", "%s is ours alone", dir)
	}
	// Not through access(2): root may do anything, and a probe is the proof.
	f, err := os.CreateTemp(dir, ".probe.*")
	if err != nil {
		d.say(LevelFail, "permissions", "runs need to write there", "%v", err)
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
}

func (d *doctor) locks() {
	held := 0
	for _, name := range d.allLocks() {
		s := d.lockState(name)
		if !s.Held {
			continue
		}
		held++
		locked := &LockedError{Pipeline: name, Owner: *s.Owner}
		if stopped(s.Owner.PID) {
			d.say(LevelFail, "locks", fmt.Sprintf("kill -CONT %d lets it go on", s.Owner.PID), "%v", locked)
		} else {
			d.say(LevelOK, "locks", "", "%v", locked)
		}
	}
	if held == 0 {
		d.say(LevelOK, "locks", "", "none held")
	}
}

func (d *doctor) journal(ctx context.Context, openErr error) {
	switch {
	case errors.Is(openErr, journal.ErrCorrupt):
		d.say(LevelFail, "journal", "millrace state rebuild moves it aside and restores it from the manifests", "%v", openErr)
		return
	case openErr != nil:
		d.say(LevelFail, "journal", "", "%v", openErr)
		return
	case d.Journal == nil:
		d.say(LevelOK, "journal", "", "made by the first run")
		return
	}
	if err := d.Journal.Check(ctx); err != nil {
		d.say(LevelFail, "journal", "millrace state rebuild moves it aside and restores it from the manifests", "%v", err)
		return
	}
	runs, err := d.Journal.Runs(ctx, journal.Filter{})
	if err != nil {
		d.say(LevelFail, "journal", "", "%v", err)
		return
	}
	v, _ := d.Journal.SchemaVersion(ctx)
	d.say(LevelOK, "journal", "", "sound, version %d, %d runs", v, len(runs))
}

func (d *doctor) target(ctx context.Context, m *load.Manifest, err error) {
	switch {
	case err != nil:
		d.say(LevelFail, "target", "millrace verify says more", "%v", err)
		return
	case m.Snapshot == 0:
		d.say(LevelOK, "target", "", "nothing is published yet in %s", d.TargetRoot)
		return
	}
	if mv, ok := d.Loader.(mover); ok {
		if from, moved := mv.Moved(ctx); moved {
			d.say(LevelWarn, "target", "millrace query relinks the catalog; so does the next run", "it was moved here from %s", from)
		}
	}
	missing := 0
	for _, t := range m.Tables {
		for _, f := range t.Files() {
			if info, err := os.Stat(f.Path); err != nil || info.Size() != f.Bytes {
				missing++
			}
		}
	}
	if missing > 0 {
		d.say(LevelFail, "target", "millrace verify names them", "%d files of snapshot %d are missing or have another size", missing, m.Snapshot)
		return
	}
	if m.Project != d.Project.Name {
		d.say(LevelWarn, "target", "give each project a folder of its own", "snapshot %d was published by project %q", m.Snapshot, m.Project)
	}
	d.say(LevelOK, "target", "", "snapshot %d, %d tables in %s", m.Snapshot, len(m.Tables), d.TargetRoot)
}

// follower asks the place that follows the target whether it could be written, and the journal how far it has come.
func (d *doctor) follower(ctx context.Context, timeout time.Duration) {
	if d.Follower == nil {
		return
	}
	_, away := inTime(ctx, timeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, d.Follower.Prepare(ctx) })
	if away != nil {
		d.say(LevelFail, d.place(), hintOf(away), "%s", d.redact(away.Error()))
	} else {
		d.say(LevelOK, d.place(), "", "the login works, and the role may do what loads do")
	}
	if d.Journal == nil {
		return
	}
	switch s, err := d.Following(ctx); {
	case err != nil: // the target's line says so
	case s.Lacks() && len(s.Behind) == 0:
		d.say(LevelWarn, d.place()+": behind", s.WayOut(), "snapshot %d was not brought there, though no table is known to differ", s.Published)
	case s.Lacks():
		d.say(LevelWarn, d.place()+": behind", s.WayOut(), "%d tables of snapshot %d are not there", len(s.Behind), s.Published)
	case s.Brought != nil && away == nil:
		d.holds(ctx, timeout, s)
	}
}

// holds asks the place whether it shows what the journal says that was brought.
func (d *doctor) holds(ctx context.Context, timeout time.Duration, s *Following) {
	check := d.place() + ": behind"
	planned, err := inTime(ctx, timeout, func(ctx context.Context) (*load.Load, error) { return d.plannedPush(ctx, s.manifest, load.Bringing{}) })
	if err != nil {
		d.say(LevelFail, check, cmp.Or(hintOf(err), wayOut(err.Error())), "%s", d.redact(err.Error()))
		return
	}
	if differ := planned.Differing(); len(differ) > 0 {
		d.say(LevelWarn, check, wayOut(""), "snapshot %d was brought there, and is not there any more: %d tables differ, as the place tells", s.Brought.Snapshot, len(differ))
		return
	}
	d.say(LevelOK, check, "", "by nothing: snapshot %d is there", s.Brought.Snapshot)
}

// leftovers looks for what cut-off runs and publishes leave.
func (d *doctor) leftovers(ctx context.Context) {
	unknown, bytes := 0, int64(0)
	for _, id := range entries(d.runsDir()) {
		if d.Journal == nil {
			continue
		}
		r, err := d.Journal.Run(ctx, id)
		if err == nil && (d.stateOf(r) == StateRunning || r.Status == journal.Interrupted || r.Status == journal.Failed || r.Status == journal.Partial) {
			continue
		}
		unknown++
		bytes += treeSize(d.runDir(id))
	}
	tmp, _ := filepath.Glob(filepath.Join(d.TargetRoot, "snapshots", ".*"))
	if unknown+len(tmp) == 0 {
		d.say(LevelOK, "leftovers", "", "none")
		return
	}
	d.say(LevelWarn, "leftovers", "millrace gc shows them, millrace gc --apply removes them", "%d staging folders that no run needs (%s), %d unfinished snapshots", unknown, round(bytes), len(tmp))
}

// sources lets each source examine itself, and asks the streams of those that cannot for their columns.
func (d *doctor) sources(ctx context.Context, m *load.Manifest, timeout time.Duration) {
	opened := &sources{engine: d.Engine, open: map[*models.Source]extract.Source{}}
	defer func() { _ = opened.close() }()
	bySource := map[*models.Source][]*models.Node{}
	var looks []func() []Diagnosis
	for _, n := range d.Project.Nodes {
		if n.Stream == nil {
			continue
		}
		s := n.Stream.Source
		var examine Examine
		if d.Examiner != nil {
			examine = d.Examiner(s)
		}
		if examine == nil {
			looks = append(looks, func() []Diagnosis { return d.stream(ctx, opened, n, timeout) })
			continue
		}
		if bySource[s] = append(bySource[s], n); len(bySource[s]) == 1 {
			looks = append(looks, func() []Diagnosis { return d.source(ctx, opened, s, examine, d.asked(bySource[s], m), timeout) })
		}
	}
	group := errgroup.Group{}
	group.SetLimit(4)
	results := make([][]Diagnosis, len(looks))
	for i, look := range looks {
		group.Go(func() error {
			results[i] = look()
			return nil
		})
	}
	_ = group.Wait()
	d.found = slices.Concat(append([][]Diagnosis{d.found}, results...)...)
}

// asked are streams as a run would ask for them.
func (d *doctor) asked(nodes []*models.Node, m *load.Manifest) []extract.Stream {
	var streams []extract.Stream
	for _, n := range nodes {
		x := &extraction{run: &run{}, node: n}
		if m != nil {
			x.before = m.Table(nameOf(n))
		}
		streams = append(streams, x.asked())
	}
	return streams
}

// source is what a source finds itself. One that cannot be reached is one failure, not one of each stream.
func (d *doctor) source(ctx context.Context, opened *sources, s *models.Source, examine Examine, streams []extract.Stream, timeout time.Duration) []Diagnosis {
	check := "source " + s.Name
	found, err := inTime(ctx, timeout, func(ctx context.Context) ([]extract.Finding, error) {
		source, err := opened.get(s)
		if err != nil {
			return nil, err
		}
		return examine(ctx, source, streams)
	})
	if err != nil {
		out := Diagnosis{Check: check, Level: LevelFail, Message: err.Error()}
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			out.Hint = hinted.Hint()
		}
		return []Diagnosis{out}
	}
	var out []Diagnosis
	for _, f := range found {
		out = append(out, Diagnosis{Check: check + ": " + f.Check, Level: f.Level, Message: f.Message, Hint: f.Hint})
	}
	return out
}

func (d *doctor) stream(ctx context.Context, opened *sources, n *models.Node, timeout time.Duration) []Diagnosis {
	out := Diagnosis{Check: "stream " + n.Name(), Level: LevelFail}
	found, err := inTime(ctx, timeout, func(ctx context.Context) (*extract.Description, error) {
		source, err := opened.get(n.Stream.Source)
		if err != nil {
			return nil, err
		}
		x := &extraction{run: &run{}, node: n}
		return source.Describe(ctx, x.asked())
	})
	var slow *slowError
	switch {
	case errors.As(err, &slow):
		out.Message, out.Hint = slow.Error(), slow.Hint()
	case err != nil:
		out.Message, out.Hint = err.Error(), "millrace plan "+n.Name()+" says more"
	default:
		out.Level, out.Message = LevelOK, fmt.Sprintf("%d columns", len(found.Columns))
	}
	return []Diagnosis{out}
}

// slowError says that a source took longer than it may.
type slowError struct{ limit time.Duration }

func (e *slowError) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }

func (e *slowError) Hint() string {
	return "is the source reachable from here? --timeout waits longer"
}

// inTime asks a source, and leaves it alone when its time is over: it may not notice its context, and the process ends
// soon after.
func inTime[T any](ctx context.Context, limit time.Duration, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := ask(ctx)
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		if a.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			a.err = &slowError{limit}
		}
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, &slowError{limit}
	}
}
