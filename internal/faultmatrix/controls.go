package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"github.com/parquet-go/parquet-go"
)

// The controls are tiny writers of the stream shop.events into a target of the same layout. One is right, the others
// are wrong in the ways that are found in the wild. They run under the same kills, the same reader and the same
// oracle as millrace: a wrong one that is not caught means that the matrix itself is broken.
var controls = []struct{ kind, wrong string }{
	{"right", ""},
	{"cursor-first", "the cursor is saved before the data: a kill between them loses rows"},
	{"append-then-cursor", "the data is published before the cursor is saved: a kill between them doubles rows"},
	{"overwrite", "the published file is overwritten in place: readers see half of it"},
	{"no-fsync", "nothing is fsynced: a power loss leaves empty files under good names"},
}

const (
	controlEnv = "FAULTMATRIX_CONTROL"
	controlRun = "control"
)

// control is one run of a tiny writer.
type control struct {
	kind   string
	root   string // target
	state  string // folder of the cursor, for the kinds that keep it outside of the manifest
	visits map[string]int
}

type event struct {
	ID    int64  `parquet:"id"`
	Kind  string `parquet:"kind"`
	Night int64  `parquet:"night"`
}

// runControl is main in the child process. It reads every inbox file that its cursor does not name, publishes after
// each, and visits fault points as millrace does.
func runControl(kind string, args []string) error {
	project := args[slices.Index(args, "-C")+1]
	c := &control{kind: kind, root: filepath.Join(project, "warehouse"), state: filepath.Join(project, ".millrace"), visits: map[string]int{}}
	for _, dir := range []string{filepath.Join(c.root, "data"), filepath.Join(c.root, "snapshots"), c.state} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	inbox, err := filepath.Glob(filepath.Join(project, "inbox", "events_*.csv"))
	if err != nil {
		return err
	}
	sort.Strings(inbox)
	m, cursor, err := c.load()
	if err != nil {
		return err
	}
	for _, path := range inbox {
		name := filepath.Base(path)
		if slices.Contains(cursor, name) {
			continue
		}
		events, err := readEvents(path)
		if err != nil {
			return err
		}
		cursor = append(cursor, name)
		if err := c.step(m, cursor, events); err != nil {
			return err
		}
	}
	return nil
}

func (c *control) load() (*manifest, []string, error) {
	m, cursor := &manifest{Run: controlRun, Tables: []table{{Schema: "shop", Table: "events", Pipeline: "sales"}}}, []string{}
	if target, err := os.Readlink(filepath.Join(c.root, "current")); err == nil {
		if m, err = readManifest(filepath.Join(c.root, target)); err != nil {
			return nil, nil, err
		}
	}
	text := m.Tables[0].Cursor
	if c.kind == "cursor-first" || c.kind == "append-then-cursor" {
		data, err := os.ReadFile(filepath.Join(c.state, "cursor"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, err
		}
		text = string(data)
	}
	if text != "" {
		cursor = strings.Split(text, ",")
	}
	return m, cursor, nil
}

// step brings one input file to readers.
func (c *control) step(m *manifest, cursor []string, events []event) error {
	t := &m.Tables[0]
	t.Cursor = strings.Join(cursor, ",")
	if c.kind == "cursor-first" {
		if err := c.write("cursor", filepath.Join(c.state, "cursor"), []byte(t.Cursor)); err != nil {
			return err
		}
	}
	if err := c.data(t, events); err != nil {
		return err
	}
	if err := c.publish(m); err != nil {
		return err
	}
	if c.kind == "append-then-cursor" {
		return c.write("cursor", filepath.Join(c.state, "cursor"), []byte(t.Cursor))
	}
	return nil
}

// data writes the rows, to a file of their own or, by the kind overwrite, into the one published file.
func (c *control) data(t *table, events []event) error {
	var path string
	if c.kind == "overwrite" {
		path = filepath.Join(c.root, "data", "events.parquet")
		if old, err := parquet.ReadFile[event](path); err == nil {
			events = append(old, events...)
		}
		t.Base = nil
	}
	var buffer strings.Builder
	w := parquet.NewGenericWriter[event](&buffer)
	if _, err := w.Write(events); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	data := []byte(buffer.String())
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	if path == "" {
		path = filepath.Join(c.root, "data", digest+".parquet")
	}
	if err := c.write("data", path, data); err != nil {
		return err
	}
	rel, err := filepath.Rel(c.root, path)
	if err != nil {
		return err
	}
	t.Base = append(t.Base, file{Path: rel, Rows: int64(len(events)), Bytes: int64(len(data)), SHA256: digest})
	t.Rows = 0
	for _, f := range t.Base {
		t.Rows += f.Rows
	}
	return nil
}

// publish writes the next snapshot and swaps the pointer.
func (c *control) publish(m *manifest) error {
	m.Parent, m.Snapshot = m.Snapshot, m.Snapshot+1
	for { // a snapshot that was cut off before the swap keeps its number
		if _, err := os.Stat(filepath.Join(c.root, "snapshots", strconv.FormatInt(m.Snapshot, 10))); err != nil {
			break
		}
		m.Snapshot++
	}
	t := &m.Tables[0]
	t.Equations = nil
	dir := filepath.Join(c.root, "snapshots", strconv.FormatInt(m.Snapshot, 10))
	folder := filepath.Join(dir, t.Schema, t.Table)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	c.log(op{Kind: "mkdir", Path: dir})
	for _, f := range t.Base {
		if err := os.Link(filepath.Join(c.root, f.Path), filepath.Join(folder, filepath.Base(f.Path))); err != nil {
			return err
		}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	sealed, err := json.Marshal(map[string]any{"sha256": hex.EncodeToString(sum[:]), "manifest": json.RawMessage(body)})
	if err != nil {
		return err
	}
	if err := c.write("manifest", filepath.Join(dir, "manifest.json"), sealed); err != nil {
		return err
	}
	if err := c.syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	c.point("swap")
	link := filepath.Join(c.root, "current")
	before, _ := os.Readlink(link)
	_ = os.Remove(link + ".new")
	if err := os.Symlink(filepath.Join("snapshots", filepath.Base(dir)), link+".new"); err != nil {
		return err
	}
	if err := os.Rename(link+".new", link); err != nil {
		return err
	}
	c.log(op{Kind: "swap", Path: link, Other: before})
	c.point("swapped")
	return c.syncDir(c.root)
}

// write puts a file under its name: beside and renamed or, by the kind overwrite, in place and in two halves.
func (c *control) write(what, path string, data []byte) error {
	c.point(what + ".write")
	if c.kind == "overwrite" && what == "data" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err1 := f.Write(data[:len(data)/2])
		c.point(what + ".half")
		_, err2 := f.Write(data[len(data)/2:])
		return errors.Join(err1, err2, c.syncFile(path), c.syncDir(filepath.Dir(path)))
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	if err := c.syncFile(tmp); err != nil {
		return err
	}
	c.point(what + ".rename")
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	c.log(op{Kind: "rename", Path: path, Other: tmp})
	return c.syncDir(filepath.Dir(path))
}

func (c *control) syncFile(path string) error {
	if c.kind == "no-fsync" {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil {
		c.log(op{Kind: "sync", Path: path, Inode: info.Sys().(*syscall.Stat_t).Ino})
	}
	return err
}

// syncDir only says so: these writers live on a disk that is never really cut off.
func (c *control) syncDir(path string) error {
	if c.kind != "no-fsync" {
		c.log(op{Kind: "syncdir", Path: path})
	}
	return nil
}

func (c *control) log(o op) {
	line, _ := json.Marshal(o)
	appendLine(os.Getenv("MILLRACE_FAULTS_OPS"), string(line))
}

// point obeys the plan "name:kill@n", as internal/fault does in a build with fault points.
func (c *control) point(name string) {
	c.visits[name]++
	appendLine(os.Getenv("MILLRACE_FAULTS_TRACE"), name)
	if os.Getenv("MILLRACE_FAULTS") == fmt.Sprintf("%s:kill@%d", name, c.visits[name]) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func appendLine(path, line string) {
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, _ = f.WriteString(line + "\n")
		_ = f.Close()
	}
}

func readEvents(path string) ([]event, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var events []event
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		fields := strings.Split(line, ",")
		id, err1 := strconv.ParseInt(fields[0], 10, 64)
		night, err2 := strconv.ParseInt(fields[3], 10, 64)
		if err1 == nil && err2 == nil {
			events = append(events, event{id, fields[1], night})
		}
	}
	return events, nil
}

// controlTrials runs every writer: a kill at each of its points and, for two of them, a power loss after it. The
// right one must pass all, each wrong one must be caught at least once.
func (h *harness) controlTrials() []trial {
	var all []trial
	for _, kind := range controls {
		kind := kind
		all = append(all, trial{row: "control", stage: kind.kind, run: func(ctx context.Context, l *lab) error {
			return h.controlTrial(ctx, l, kind.kind, kind.wrong)
		}})
	}
	return all
}

func (h *harness) controlTrial(ctx context.Context, shared *lab, kind, wrong string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l, err := h.newLab("control-"+kind, &subject{name: kind, bin: self, faults: self, env: []string{controlEnv + "=" + kind}})
	if err != nil {
		return err
	}
	defer func() { shared.kills += l.kills; shared.looks += l.looks; _ = os.RemoveAll(l.dir) }()
	visits, err := l.traceNight(ctx, base)
	caught := map[string]bool{}
	var found *violationError
	switch {
	case err == nil:
	case errors.As(err, &found) && wrong != "" && len(visits) > 0: // readers need no kill to see that it is wrong
		caught["without a kill"] = true
	default:
		return err
	}
	for _, lossy := range []bool{false, true} {
		if lossy && kind != "right" && kind != "no-fsync" {
			continue // they would be caught by the power loss alone, which proves nothing about the kills
		}
		for _, v := range visits {
			cut := func() error { return l.killAt(ctx, base, v, lossy, rng(h.seed, kind+v.String())) }
			err := l.guarded(cut)
			var found *violationError
			switch {
			case err == nil:
			case !errors.As(err, &found):
				return err
			case wrong == "":
				return fmt.Errorf("the right writer is called wrong: %s: %w", v, err)
			default:
				caught[v.String()] = true
			}
		}
	}
	if wrong != "" && len(caught) == 0 {
		return violation("the writer %q was not caught: %s", kind, wrong)
	}
	shared.note = fmt.Sprintf("%d cuts, caught at %d points", len(visits), len(caught))
	return nil
}
