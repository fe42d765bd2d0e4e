package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/fsx"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline/journal"
)

// Owner says who holds a pipeline's lock. It is a remark for people: the flock decides.
type Owner struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// LockedError names the pipeline and the owner of its lock.
type LockedError struct {
	Pipeline string
	Owner    Owner
}

func (e *LockedError) Error() string {
	if e.Pipeline == serving {
		return fmt.Sprintf("another millrace serve works on this project: process %d on %s since %s", e.Owner.PID, e.Owner.Host, e.Owner.Since.Format(time.RFC3339))
	}
	state := ""
	if e.Owner.PID != 0 && stopped(e.Owner.PID) {
		state = ", which is stopped (kill -CONT it, or kill it)"
	}
	if target, ok := strings.CutPrefix(e.Pipeline, loading); ok {
		return fmt.Sprintf("what follows target %s is being loaded: process %d on %s since %s (%s)%s",
			target, e.Owner.PID, e.Owner.Host, e.Owner.Since.Format(time.RFC3339), e.Owner.Command, state)
	}
	if entity, ok := strings.CutPrefix(e.Pipeline, deciding); ok {
		return fmt.Sprintf("another decision about %s is being written: process %d on %s since %s%s: try again", entity, e.Owner.PID, e.Owner.Host,
			e.Owner.Since.Format(time.RFC3339), state)
	}
	return fmt.Sprintf("pipeline %q is locked by another run: process %d on %s since %s (%s)%s",
		e.Pipeline, e.Owner.PID, e.Owner.Host, e.Owner.Since.Format(time.RFC3339), e.Owner.Command, state)
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// stopped reads Linux's /proc; elsewhere the answer is no.
func stopped(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, ok := strings.Cut(string(data), ") ")
	return ok && strings.HasPrefix(after, "T")
}

// unowned is the lock of nodes that belong to no pipeline.
const unowned = "_manual"

// serving is the lock of millrace serve.
const serving = "_serve"

// loading begins the name of the lock of a target's loads.
const loading = "_load_"

// LockServe makes this process the one that schedules the project's runs. ErrLocked when another one does.
func (e *Engine) LockServe() (unlock func(), err error) { return e.lock([]string{serving}) }

// Served says whether a process schedules the project's runs.
func (e *Engine) Served() bool { return !e.idle(serving) }

// lockNames are the locks that a run of these nodes takes, sorted, so that two runs never wait for each other.
func lockNames(nodes []*models.Node) []string {
	set := map[string]bool{}
	for _, n := range nodes {
		name := n.Pipeline
		if name == "" {
			name = unowned
		}
		set[name] = true
	}
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// lock takes the locks without waiting. The kernel lets go of them when the process ends, however it ends; a
// stopped process keeps them.
func (e *Engine) lock(names []string) (unlock func(), err error) {
	dir := filepath.Join(e.Project.StateDir(), "locks")
	if err := fsx.MkdirAll("lock", dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	var held []*os.File
	release := func() {
		for _, f := range held {
			_ = f.Close()
		}
	}
	for _, name := range names {
		f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			release()
			return nil, fmt.Errorf("lock pipeline %q: %w", name, err)
		}
		held = append(held, f)
		if err := flock(f); err != nil {
			locked := &LockedError{Pipeline: name}
			_ = json.NewDecoder(f).Decode(&locked.Owner)
			release()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, locked
			}
			return nil, fmt.Errorf("lock pipeline %q: %w", name, err)
		}
		command := strings.Join(os.Args, " ")
		if strings.HasPrefix(name, deciding) {
			command = os.Args[0] // the words behind it name records, and values
		}
		if err := e.sign(f, command); err != nil {
			release()
			return nil, fmt.Errorf("lock pipeline %q: %w", name, err)
		}
	}
	return release, nil
}

// flock tries for half a second: `status` holds a lock for an instant when it looks whether it is free, and a process
// that was killed lets go of it only when the kernel has buried it.
func flock(f *os.File) error {
	var err error
	for range 25 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func (e *Engine) sign(f *os.File, command string) error {
	host, _ := os.Hostname()
	data, err := json.Marshal(Owner{PID: os.Getpid(), Host: host, Command: command, Since: e.Clock()})
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(data)))
}

// Holder is the process of the run that still holds its locks, nil when it has ended.
func (e *Engine) Holder(r journal.Run) *Owner {
	for _, name := range strings.Split(r.Pipeline, "+") {
		if s := e.lockState(name); s.Held && s.Owner.PID == r.PID {
			return s.Owner
		}
	}
	return nil
}

// apart is a LockedError when a run under other locks is at one of the nodes: the project has given the node to another pipeline
// since that run began.
func (e *Engine) apart(ctx context.Context, locks, nodes []string) error {
	running, err := e.Journal.Runs(ctx, journal.Filter{Status: journal.Running})
	if err != nil {
		return err
	}
	for _, r := range running {
		shared := slices.ContainsFunc(nodes, func(n string) bool { return slices.Contains(r.Selection.Nodes, n) })
		if !shared || shares(r, locks) || !e.target().Is(r.Selection.Target) {
			continue
		}
		if owner := e.Holder(r); owner != nil {
			return &LockedError{Pipeline: r.Pipeline, Owner: *owner}
		}
	}
	return nil
}

// idle says whether nobody holds the lock now. It takes and frees it: a probe for people, not for decisions.
func (e *Engine) idle(name string) bool {
	f, err := os.Open(filepath.Join(e.Project.StateDir(), "locks", name+".lock"))
	if err != nil {
		return true
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}
