package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"
)

// What a message must say about each injected error.
var named = map[string]*regexp.Regexp{
	"EIO":    regexp.MustCompile(`(?i)input/output error`),
	"ENOSPC": regexp.MustCompile(`(?i)no space left|disk is full|not enough space|out of disk space`),
}

// errorTrials are F5 (EIO) and the injected half of F3 (ENOSPC), at every fault point.
func (h *harness) errorTrials(first, usual []visit) []trial {
	var all []trial
	rows := []struct{ row, errno string }{{"F3", "ENOSPC"}, {"F5", "EIO"}}
	for i, c := range h.cuts(first, usual, 1) {
		if strings.HasSuffix(c.point, ".committed") || c.point == "publish.done" {
			continue // these stand after an act: there is no operation left that could fail
		}
		for k, r := range rows {
			if h.short && i%2 != k {
				continue // the short form fails each point once, with one of the two
			}
			all = append(all, trial{row: r.row, stage: r.errno + " at " + c.stage(), run: func(ctx context.Context, l *lab) error {
				return l.failAt(ctx, c.base, c.point+":error="+r.errno+"@1", r.errno)
			}})
			if !h.short {
				all = append(all, trial{row: r.row, stage: r.errno + " each time at " + c.stage(), run: func(ctx context.Context, l *lab) error {
					return l.failAt(ctx, c.base, c.point+":error="+r.errno, r.errno)
				}})
			}
		}
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].row < all[k].row })
	return all
}

// failAt lets a disk operation fail, and then runs again without.
func (l *lab) failAt(ctx context.Context, base int, plan, errno string) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	_ = l.unwatch()
	l.watch("sales") // a node that fails leaves the rest of the pipeline web, which publishes what succeeded
	before := l.current()
	p, code, err := l.run(how{args: []string{"run"}, faulty: true, plan: plan})
	if err != nil {
		return err
	}
	lie := l.truthful(ctx, p, code, base, before, named[errno])
	return errors.Join(lie, l.recovered(ctx, base+1))
}

// recovered runs once without faults and asks the oracle.
func (l *lab) recovered(ctx context.Context, night int) error {
	if err := l.mustRun("run"); err != nil {
		return err
	}
	return l.settled(ctx, night)
}

// truthful holds a run's exit code against what readers see.
func (l *lab) truthful(ctx context.Context, p *process, code, base int, before int64, message *regexp.Regexp) error {
	switch code {
	case 0:
		return l.equals(ctx, base+1)
	case 1:
		if now := l.current(); now != before {
			return violation("exit 1 says that nothing of the run was published, but readers see snapshot %d instead of %d: %s", now, before, tail(p.said()))
		}
	case 5:
		if l.current() == before {
			return violation("exit 5 says that something was published, but readers see snapshot %d as before: %s", before, tail(p.said()))
		}
	default:
		return violation("it exits %d: %s", code, tail(p.said()))
	}
	if !message.MatchString(p.said()) {
		return violation("exit %d, but no message names the cause (%s): %s", code, message, tail(p.said()))
	}
	return nil
}

// spaceTrials are the real half of F3: state or target on a small tmpfs that is nearly full.
func (h *harness) spaceTrials() []trial {
	free := []int64{0, 16, 128, 512}
	if !h.short {
		free = []int64{0, 4, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536}
	}
	var all []trial
	for _, where := range []string{"state", "target"} {
		for _, kb := range free {
			all = append(all, trial{row: "F3", stage: fmt.Sprintf("%s on a disk with %d kB left", where, kb), run: func(ctx context.Context, l *lab) error {
				return l.fullDisk(ctx, where, kb)
			}})
		}
	}
	return all
}

func (l *lab) fullDisk(ctx context.Context, where string, kb int64) error {
	dir := l.state()
	if where == "target" {
		dir = l.root()
	}
	limit := ""
	err := l.begin(ctx, base, func() error {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
			limit = fmt.Sprintf("ulimit -f %d", 2*kb) // in blocks of 512 bytes: the nearest thing without root
			return nil
		}
		l.mounts = append(l.mounts, dir)
		return nil
	})
	if err != nil {
		return err
	}
	ballast := filepath.Join(dir, "ballast")
	if limit == "" {
		if err := fill(ballast, dir, kb<<10); err != nil {
			return err
		}
	} else {
		l.note = "RLIMIT_FSIZE instead of a tmpfs: not root"
	}
	_ = l.unwatch()
	l.watch("sales")
	before := l.current()
	p, code, err := l.run(how{args: []string{"run"}, shell: limit})
	if err != nil {
		return err
	}
	var lie error
	if limit == "" {
		lie = l.truthful(ctx, p, code, base, before, named["ENOSPC"])
	}
	if err := os.RemoveAll(ballast); err != nil {
		return err
	}
	return errors.Join(lie, l.recovered(ctx, base+1))
}

// fill leaves so many bytes of the file system free.
func fill(path, dir string, left int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return err
	}
	n := int64(st.Bavail)*st.Bsize - left
	if n <= 0 {
		return fmt.Errorf("%s has only %d bytes free", dir, int64(st.Bavail)*st.Bsize)
	}
	return os.WriteFile(path, make([]byte, n), 0o600)
}

// unwritableTrials are F4: found out before the first row is read, exit 2.
func (h *harness) unwritableTrials() []trial {
	check := func(ctx context.Context, l *lab, base int, undo func() error) error {
		p, code, err := l.run(how{args: []string{"run"}, faulty: true, trace: l.trace()})
		if err != nil {
			return err
		}
		if code != 2 {
			return violation("it exits %d, not 2: %s", code, tail(p.said()))
		}
		if l.reached("parquet.write")() {
			return violation("it read from the source before it found out: %s", tail(p.said()))
		}
		if err := undo(); err != nil {
			return err
		}
		return l.recovered(ctx, base+1)
	}
	readOnly := func(dir func(*lab) string) func(context.Context, *lab) error {
		return func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, base); err != nil {
				return err
			}
			d := dir(l)
			if err := syscall.Mount(d, d, "", syscall.MS_BIND, ""); err != nil {
				return skip("no right to mount: %v", err)
			}
			l.mounts = append(l.mounts, d)
			if err := syscall.Mount("", d, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				return skip("no right to remount: %v", err)
			}
			return check(ctx, l, base, func() error {
				l.mounts = nil
				return syscall.Unmount(d, syscall.MNT_DETACH)
			})
		}
	}
	inTheWay := func(dir func(*lab) string) func(context.Context, *lab) error {
		return func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, 0); err != nil {
				return err
			}
			if err := os.WriteFile(dir(l), []byte("a file in the way\n"), 0o644); err != nil {
				return err
			}
			return check(ctx, l, 0, func() error { return os.Remove(dir(l)) })
		}
	}
	return []trial{
		{row: "F4", stage: "target read-only", run: readOnly((*lab).root)},
		{row: "F4", stage: "state read-only", run: readOnly((*lab).state)},
		{row: "F4", stage: "a file where the target should be", run: inTheWay((*lab).root)},
		{row: "F4", stage: "a file where the state should be", run: inTheWay((*lab).state)},
	}
}
