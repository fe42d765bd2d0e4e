package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"
)

// journalTrials are F19: what becomes of a damaged state.db.
func (h *harness) journalTrials() []trial {
	overwrite := func(from, to float64, bytes int) func(*lab, string, *rand.Rand) error {
		return func(_ *lab, path string, r *rand.Rand) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			lo, hi := int(from*float64(len(data))), int(to*float64(len(data)))
			for range bytes {
				data[lo+r.IntN(hi-lo)] ^= byte(1 + r.IntN(255))
			}
			return os.WriteFile(path, data, 0o600)
		}
	}
	damages := []struct {
		stage  string
		damage func(l *lab, path string, r *rand.Rand) error
	}{
		{"cut in half", func(_ *lab, path string, _ *rand.Rand) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()/2)
		}},
		{"empty", func(_ *lab, path string, _ *rand.Rand) error { return os.Truncate(path, 0) }},
		{"flipped bytes in the header", overwrite(0, 0.001, 4)},
		{"flipped bytes anywhere", overwrite(0.02, 1, 40)},
		{"deleted", func(_ *lab, path string, _ *rand.Rand) error { return os.Remove(path) }},
		{"lost its -wal after a kill", func(l *lab, path string, _ *rand.Rand) error {
			if _, _, err := l.run(how{args: []string{"run"}, faulty: true, plan: "publish.manifest.write:kill@1"}); err != nil {
				return err
			}
			l.kills++
			return ignoreMissing(os.Remove(path + "-wal"))
		}},
	}
	var all []trial
	for _, d := range damages {
		all = append(all, trial{row: "F19", stage: "journal " + d.stage, run: func(ctx context.Context, l *lab) error {
			return l.damagedJournal(ctx, func(path string) error { return d.damage(l, path, rng(h.seed, "F19"+d.stage)) })
		}})
	}
	return append(all, trial{row: "F19", stage: "journal from a newer version", run: func(ctx context.Context, l *lab) error {
		if err := l.begin(ctx, base); err != nil {
			return err
		}
		own, err := setVersion(filepath.Join(l.state(), "state.db"), 99)
		if err != nil {
			return err
		}
		p, code, err := l.run(how{args: []string{"run"}})
		if err != nil {
			return err
		}
		if code != 2 || !strings.Contains(p.said(), "newer") {
			return violation("it exits %d, not 2 with a word about the newer millrace: %s", code, tail(p.said()))
		}
		if _, err := setVersion(filepath.Join(l.state(), "state.db"), own); err != nil {
			return err
		}
		return l.recovered(ctx, base+1)
	}})
}

// setVersion gives a journal another version and returns the one that it had.
func setVersion(path string, version int) (before int, err error) {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := db.QueryRow("PRAGMA user_version").Scan(&before); err != nil {
		return 0, err
	}
	_, err = db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
	return before, err
}

// damagedJournal: the run either says by name what is wrong, and works once the file is out of the way, or it goes on
// rightly. What it must never do is to start as if nothing had been read yet.
func (l *lab) damagedJournal(ctx context.Context, damage func(path string) error) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	path := filepath.Join(l.state(), "state.db")
	if err := damage(path); err != nil {
		return err
	}
	p, code, err := l.run(how{args: []string{"run"}})
	if err != nil {
		return err
	}
	if code != 0 {
		if (code != 1 && code != 2) || !regexp.MustCompile(`journal|state\.db`).MatchString(p.said()) {
			return violation("it exits %d and does not name the journal: %s", code, tail(p.said()))
		}
		old, _ := filepath.Glob(path + "*")
		for _, f := range old {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
		if l.h.has["state"] {
			if err := l.mustRun("state", "rebuild"); err != nil {
				return err
			}
		}
		if err := l.mustRun("run"); err != nil {
			return err
		}
	}
	if err := l.unwatch(); err != nil {
		return err
	}
	if err := l.equals(ctx, base+1); err != nil {
		return err
	}
	if l.h.short && code != 0 {
		return nil
	}
	l.watch()
	if err := l.clean(ctx, base+2); err != nil { // cursors that were lost would show now
		return err
	}
	return l.equals(ctx, base+2)
}

// corruptionTrials are F20: Parquet that changed after it was written.
func (h *harness) corruptionTrials() []trial {
	damages := []struct {
		what string
		do   func(data []byte, r *rand.Rand) []byte
	}{
		{"flipped byte", func(data []byte, r *rand.Rand) []byte { data[r.IntN(len(data))] ^= 0x10; return data }},
		{"cut", func(data []byte, r *rand.Rand) []byte { return data[:r.IntN(len(data))] }},
		{"0 bytes", func([]byte, *rand.Rand) []byte { return nil }},
	}
	var all []trial
	for _, d := range damages {
		all = append(all, trial{row: "F20", stage: "staged part, " + d.what, run: func(ctx context.Context, l *lab) error {
			return l.corruptStaged(ctx, func(b []byte) []byte { return d.do(b, rng(h.seed, "F20"+d.what)) })
		}}, trial{row: "F20", stage: "published file, " + d.what, run: func(ctx context.Context, l *lab) error {
			return l.corruptPublished(ctx, func(b []byte) []byte { return d.do(b, rng(h.seed, "F20"+d.what)) })
		}})
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].stage > all[k].stage })
	return all
}

func (l *lab) corruptStaged(ctx context.Context, change func([]byte) []byte) error {
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	if _, _, err := l.run(how{args: []string{"run"}, faulty: true, plan: "publish.data.link:kill@1"}); err != nil {
		return err
	}
	l.kills++
	path, err := parquetBelow(filepath.Join(l.state(), "runs"), "events")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	l.say("damage %s", path)
	if err := os.WriteFile(path, change(data), 0o644); err != nil {
		return err
	}
	for try := 1; ; try++ {
		p, code, err := l.run(how{args: []string{"run"}})
		if err != nil {
			return err
		}
		if code == 0 {
			break
		}
		if code != 1 && code != 5 || !strings.Contains(p.said(), filepath.Base(path)) {
			return violation("it exits %d and does not name %s: %s", code, path, tail(p.said()))
		}
		if try == 3 {
			return violation("three runs in a row fail over a damaged staged part: %s", tail(p.said()))
		}
	}
	return l.settled(ctx, base+1)
}

// parquetBelow finds a staged part of a table.
func parquetBelow(dir, word string) (string, error) {
	found := ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && found == "" && strings.HasSuffix(path, ".parquet") && strings.Contains(path, word) {
			found = path
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("no Parquet file of %s below %s", word, dir)
	}
	return found, err
}

func (l *lab) corruptPublished(ctx context.Context, change func([]byte) []byte) error {
	if !l.h.has["verify"] {
		return skip("this millrace has no command verify")
	}
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	if err := l.unwatch(); err != nil {
		return err
	}
	if err := l.mustRun("verify"); err != nil {
		return err
	}
	path, err := parquetBelow(filepath.Join(l.root(), "data"), "events")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, change(data), 0o644); err != nil {
		return err
	}
	p, code, err := l.run(how{args: []string{"verify"}})
	if err != nil {
		return err
	}
	if code != 1 || !strings.Contains(p.said(), filepath.Base(path)) {
		return violation("verify exits %d, not 1 with the name of %s: %s", code, path, tail(p.said()))
	}
	return nil
}

// collectTrials are F31: killed while it collects garbage.
func (h *harness) collectTrials() []trial {
	return []trial{{row: "F31", stage: "gc killed at each of its points", run: func(ctx context.Context, l *lab) error {
		if !h.has["gc"] {
			return skip("this millrace has no command gc")
		}
		const nights = 5 // with the retention of the project, two snapshots of these stay
		if err := l.begin(ctx, nights); err != nil {
			return err
		}
		time.Sleep(1100 * time.Millisecond)
		if _, _, err := l.run(how{args: []string{"run"}, faulty: true, plan: "publish.pointer.swap:kill@1"}); err != nil { // litter
			return err
		}
		l.kills++
		littered := filepath.Join(l.dir, "littered")
		if err := copyTree(l.project(), littered); err != nil {
			return err
		}
		defer os.RemoveAll(littered)
		collect := append([]string{"gc"}, h.gcFlags...)
		p, code, err := l.run(how{args: collect, faulty: true, trace: l.trace()})
		if err != nil {
			return err
		}
		if code != 0 {
			return violation("gc exits %d: %s", code, tail(p.said()))
		}
		points := l.visited()
		if len(points) == 0 {
			return violation("gc removed nothing, although there are snapshots past retention: %s", tail(p.said()))
		}
		most := 5
		if !h.short {
			most = 60
		}
		for i, v := range points {
			if i%max(1, (len(points)+most-1)/most) != 0 {
				continue
			}
			l.reset()
			if err := errors.Join(os.RemoveAll(l.project()), copyTree(littered, l.project()), l.observe()); err != nil {
				return err
			}
			if _, _, err := l.run(how{args: collect, faulty: true, plan: fmt.Sprintf("%s:kill@%d", v.point, v.n)}); err != nil {
				return err
			}
			l.kills++
			if err := l.mustRun("run"); err != nil {
				return fmt.Errorf("gc killed at %s: %w", v, err)
			}
			if err := l.mustRun(collect...); err != nil {
				return fmt.Errorf("gc killed at %s: %w", v, err)
			}
			left, err := leftovers(l.root())
			if err != nil {
				return err
			}
			if len(left) > 0 {
				return violation("gc killed at %s, then run and gc: these files belong to no manifest: %s", v, strings.Join(left, ", "))
			}
			if err := l.settled(ctx, nights+1); err != nil {
				return fmt.Errorf("gc killed at %s: %w", v, err)
			}
		}
		l.note = fmt.Sprintf("%d points", len(points))
		return nil
	}}}
}

// secretTrials are about the canary. Every trial looks for it in all files and outputs; here it is asked for.
func (h *harness) secretTrials() []trial {
	return []trial{
		{row: "canary", stage: "a secret in a field that must not hold one", run: func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, base); err != nil {
				return err
			}
			path := filepath.Join(l.project(), "millrace.yml")
			right, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			wrong := strings.Replace(string(right), "path: inbox/customers.csv", `path: "inbox/${secret:canary}.csv"`, 1)
			if err := put(path, wrong); err != nil {
				return err
			}
			p, code, err := l.run(how{args: []string{"run", "-v"}})
			if err != nil {
				return err
			}
			if code != 2 {
				return violation("it exits %d, not 2: %s", code, tail(p.said()))
			}
			if err := put(path, string(right)); err != nil {
				return err
			}
			if err := l.mustRun("run", "-v"); err != nil {
				return err
			}
			return l.settled(ctx, base+1)
		}},
		{row: "canary", stage: "a secret in use", run: func(ctx context.Context, l *lab) error {
			if err := l.begin(ctx, base); err != nil {
				return err
			}
			path := filepath.Join(l.project(), "sources", "erp.yml")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			// Nobody listens there: what fails is what tells most.
			for _, url := range []string{"postgres://reader:${secret:canary}@127.0.0.1:1/shop", "mysql://reader:${secret:canary}@127.0.0.1:1/shop"} {
				kind, _, _ := strings.Cut(url, ":")
				if err := put(path, fmt.Sprintf("type: %s\nurl: %q\nconnect_timeout: 2s\nstreams:\n  - { name: t, mode: full }\n", kind, url)); err != nil {
					return err
				}
				for _, args := range [][]string{{"run", "erp.t", "-v"}, {"plan", "erp.t", "-v"}, {"doctor", "-v"}, {"connectors", "discover", "erp", "-v"}, {"runs", "--json"}} {
					p, code, err := l.run(how{args: args})
					if err != nil {
						return err
					}
					if said := p.said(); args[0] != "runs" && (code == 0 || !strings.Contains(said, "127.0.0.1")) {
						return violation("%v exits %d and does not say that nobody answers: %s", args, code, tail(said))
					}
				}
			}
			if err := os.Remove(path); err != nil {
				return err
			}
			if err := l.mustRun("run", "-v"); err != nil {
				return err
			}
			return l.settled(ctx, base+1)
		}},
	}
}
