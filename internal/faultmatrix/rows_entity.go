package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/internal/duckdb"
)

// This file is about master data: matches, decisions and weights that are cut off. The entity has a pipeline of its own, in the project of the
// other rows, and a file of weights, so that its second run compares what has changed and takes the rest from the first.

const (
	entityBase      = -1 // stands for: all nights of base, and the first of the entity
	entityFile      = "entities/person.yml"
	weightsFile     = "entities/person.match.json"
	entityDecisions = "entities/person.decisions.csv"
	entityRun       = "master" // the pipeline
)

var entityFiles = map[string]string{
	"sources/crm.yml": `type: files
streams: [ { name: people, path: inbox/people.csv, mode: full, columns: { id: VARCHAR, name: VARCHAR, email: VARCHAR, city: VARCHAR, night: INTEGER } } ]
`,
	entityFile: `sources: [ { table: crm.people, key: id } ]
standardize: { email: email, name: words }
block: [ [email], [name] ]
compare: { name: { levels: [ exact, { jw: 0.9 } ] }, email: { levels: [ exact ] }, city: { levels: [ exact ] } }
weights: ` + weightsFile + `
decide: { auto: 0.9999, review: 0.3 }
survive: { night: { custom: max(night) } }
`,
}

// deliverPeople writes the entity's records of a night: some are there three times with changes, and each night some change, come and go.
func deliverPeople(dir string, seed uint64, night int) error {
	r := rand.New(rand.NewPCG(seed, 77))
	lines := []string{"id,name,email,city,night"}
	for i := range 60 {
		name := fmt.Sprintf("%s %s", strings.Repeat(string(rune('a'+i%26)), 3), strings.Repeat(string(rune('a'+r.IntN(26))), 3+i/26))
		for copies := range 1 + i%3 {
			email, city := fmt.Sprintf("p%d@example.com", i), fmt.Sprintf("city %d", i%7)
			if copies == 2 {
				email = fmt.Sprintf("other%d@example.com", i)
			}
			switch changed := (i*3 + copies) % 11; {
			case changed == night:
				continue // is not there, or not any more
			case changed < night:
				city = "elsewhere"
			}
			lines = append(lines, fmt.Sprintf("r%d-%d,%s,%s,%s,%d", i, copies, name, email, city, night))
		}
	}
	return put(filepath.Join(dir, "inbox", "people.csv"), strings.Join(lines, "\n")+"\n")
}

// beginEntity restores the project as it was after the entity's first night, and delivers its second.
func (l *lab) beginEntity(ctx context.Context) error {
	if err := l.prepareEntity(ctx); err != nil {
		return err
	}
	if err := l.begin(ctx, entityBase); err != nil {
		return err
	}
	_ = l.unwatch()
	l.watch("sales", "web", entityRun)
	return deliverPeople(l.project(), l.h.seed, 2)
}

// prepareEntity makes the copy of the project after the entity's first night.
func (l *lab) prepareEntity(ctx context.Context) error {
	if l.bases[entityBase] {
		return nil
	}
	if err := l.begin(ctx, base); err != nil {
		return err
	}
	settings := projectFiles["millrace.yml"] + `  master: { select: ["source:crm", "entity:person"], publish: all }` + "\n"
	errs := []error{put(filepath.Join(l.project(), "millrace.yml"), settings), deliverPeople(l.project(), l.h.seed, 1)}
	for name, text := range entityFiles {
		errs = append(errs, put(filepath.Join(l.project(), name), text))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, args := range [][]string{{"run", "crm.people"}, {"match", "train", "person"}, {"run", entityRun}} {
		if err := l.mustRun(args...); err != nil {
			return err
		}
	}
	l.bases[entityBase] = true
	return errors.Join(l.unwatch(), os.RemoveAll(l.base(entityBase)), copyTree(l.project(), l.base(entityBase)))
}

// entityTrials cut a run of an entity off between its acts and in the middle of them, and those who write its files.
func (h *harness) entityTrials(ctx context.Context, l *lab) ([]trial, error) {
	if err := l.beginEntity(ctx); err != nil {
		return nil, err
	}
	said, visits, want, err := l.uncut("run", entityRun)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(said, "changed records against") {
		return nil, violation("the entity's second night is to compare changed records with all: %s", tail(said))
	}
	all := []trial{{row: "entity", stage: "tables of two runs are told", run: func(ctx context.Context, l *lab) error { return l.entityControl(ctx) }}}
	most := map[string]int{"match": 4, "parquet.write": 4, "journal.step.commit": 3, "publish.manifest.rename": 1, "publish.pointer.swap": 1,
		"publish.done": 1}
	for _, v := range h.someOf(visits, most) {
		lossy := strings.HasPrefix(v.point, "publish.")
		all = append(all, trial{row: "entity", stage: "killed at " + v.String(), run: func(ctx context.Context, l *lab) error {
			return l.killEntity(ctx, v, lossy, want, rng(h.seed, "entity"+v.String()))
		}})
	}
	all = append(all, trial{row: "entity", stage: "SIGTERM in a match", run: func(ctx context.Context, l *lab) error { return l.endMatch(ctx, want) }})
	for _, at := range []string{"fsync", "rename", "fsyncdir"} {
		all = append(all, trial{row: "entity", stage: "decisions." + at, run: func(ctx context.Context, l *lab) error { return l.killDecision(ctx, "decisions."+at) }})
	}
	return append(all, trial{row: "entity", stage: "weights.rename", run: func(ctx context.Context, l *lab) error {
		return l.killTraining(ctx, "weights.rename", want)
	}}), nil
}

// uncut runs a command that nothing cuts off: what it says, the points that it visits, and what readers find behind it.
func (l *lab) uncut(args ...string) (said string, visits []visit, want *result, err error) {
	p, code, err := l.run(how{args: args, faulty: true, trace: l.trace()})
	if err != nil {
		return "", nil, nil, err
	}
	if code != 0 {
		return "", nil, nil, violation("%s, which nothing cuts off, exits %d: %s", strings.Join(args, " "), code, tail(p.said()))
	}
	visits = l.visited()
	if err := l.unwatch(); err != nil {
		return "", nil, nil, err
	}
	want, err = readResult(l.root())
	return p.said(), visits, want, err
}

// someOf picks where to kill: in the short form at most so many visits of each point, spread over the run, and of points that are not named
// none.
func (h *harness) someOf(visits []visit, most map[string]int) []visit {
	count := map[string]int{}
	for _, v := range visits {
		count[v.point]++
	}
	var all []visit
	for _, v := range visits {
		at, some := most[v.point]
		if h.short && !some {
			continue
		}
		if !h.short {
			at = 12
		}
		if step := max(1, count[v.point]/at); (v.n-1)%step == 0 {
			all = append(all, v)
		}
	}
	return all
}

// killEntity kills a run of the entity, with a loss of power when lossy, runs it again and compares.
func (l *lab) killEntity(ctx context.Context, v visit, lossy bool, want *result, r *rand.Rand) error {
	if err := l.beginEntity(ctx); err != nil {
		return err
	}
	if err := l.killed(v, lossy, r, "run", entityRun); err != nil {
		return err
	}
	if err := l.ofOneRun(); err != nil {
		return fmt.Errorf("before the recovery: %w", err)
	}
	if err := l.mustRun("run", entityRun); err != nil {
		return err
	}
	return l.entitySettled(want)
}

// endMatch asks a run to end while it matches: nothing of it is published, and the next one publishes all.
func (l *lab) endMatch(ctx context.Context, want *result) error {
	if err := l.beginEntity(ctx); err != nil {
		return err
	}
	before := l.current()
	p, err := l.start(how{args: []string{"run", entityRun}, faulty: true, plan: "match:sleep=100ms", trace: l.trace()})
	if err != nil {
		return err
	}
	if err := waitFor(p, "a match began", l.reached("match")); err != nil {
		return err
	}
	p.signal(syscall.SIGTERM)
	code, err := p.wait()
	if err != nil {
		return err
	}
	if now := l.current(); code != 143 || now != before {
		return violation("after SIGTERM in a match it exits %d, and readers see snapshot %d instead of %d: %s", code, now, before, tail(p.said()))
	}
	if err := l.mustRun("run", entityRun); err != nil {
		return err
	}
	return l.entitySettled(want)
}

// entitySettled is asUncut, and that the entity's tables are of one run.
func (l *lab) entitySettled(want *result) error {
	if err := l.asUncut(want); err != nil {
		return err
	}
	return l.ofOneRun()
}

// asUncut holds what readers find against the result of a run that nothing has cut off, and looks for what a cut has left behind.
func (l *lab) asUncut(want *result) error {
	if err := l.unwatch(); err != nil {
		return err
	}
	got, err := readResult(l.root())
	if err != nil {
		return violation("read the recovered target: %w", err)
	}
	if d := difference(got, want); d != "" {
		return violation("the result is not that of a run that was not cut off: %s", d)
	}
	left, err := filepath.Glob(filepath.Join(l.state(), "runs", "*", "*"))
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return violation("behind a run that succeeded there is still %s", strings.Join(left, ", "))
	}
	return checkJournal(l.project())
}

// killDecision kills who writes a decision, and writes it again: the file has lines that are whole, and none of the earlier ones is lost.
func (l *lab) killDecision(ctx context.Context, point string) error {
	if err := l.beginEntity(ctx); err != nil {
		return err
	}
	path := filepath.Join(l.project(), entityDecisions)
	decide := func(a, b string) []string {
		return []string{"match", "decide", "split", "person", "people:" + a, "people:" + b, "--why", "two\nlines, \"quoted\""}
	}
	if err := l.mustRun(decide("r2-0", "r5-0")...); err != nil {
		return err
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, _, err := l.run(how{args: decide("r8-0", "r11-0"), faulty: true, plan: point + ":kill@1"}); err != nil {
		return err
	}
	l.kills++
	after, err := os.ReadFile(path)
	if err != nil {
		return violation("after a kill at %s: %w", point, err)
	}
	if !strings.HasPrefix(string(after), string(before)) || !strings.HasSuffix(string(after), "\n") {
		return violation("a kill at %s has made %q of %q", point, after, before)
	}
	if err := l.mustRun(decide("r14-0", "r17-0")...); err != nil {
		return err
	}
	again, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(again), string(after)) || strings.Count(string(again), "split") != strings.Count(string(after), "split")+1 {
		return violation("after a kill at %s a decision has made %q of %q (%v)", point, again, after, err)
	}
	if err := l.mustRun("run", entityRun); err != nil { // what was left beside the file is in nobody's way
		return err
	}
	return errors.Join(l.ofOneRun(), nothingBeside(path))
}

// killTraining kills who writes weights: those of before are there, whole, and a run takes them.
func (l *lab) killTraining(ctx context.Context, point string, want *result) error {
	if err := l.beginEntity(ctx); err != nil {
		return err
	}
	path := filepath.Join(l.project(), weightsFile)
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, _, err := l.run(how{args: []string{"match", "train", "person"}, faulty: true, plan: point + ":kill@1"}); err != nil {
		return err
	}
	l.kills++
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		return violation("a kill at %s has changed the weights (%v)", point, err)
	}
	if err := l.mustRun("run", entityRun); err != nil {
		return err
	}
	if err := l.entitySettled(want); err != nil {
		return err
	}
	if err := l.mustRun("match", "train", "person"); err != nil {
		return err
	}
	return nothingBeside(path)
}

// nothingBeside finds what a cut write has left beside a file.
func nothingBeside(path string) error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"*"))
	if err == nil && len(left) > 0 {
		return violation("beside %s there is still %s", path, strings.Join(left, ", "))
	}
	return err
}

// ofOneRun holds the entity's published tables against each other.
func (l *lab) ofOneRun() error {
	dir, err := newReader(l.root()).resolve()
	if err != nil {
		return err
	}
	m, err := readManifest(dir)
	if err != nil {
		return violation("%w", err)
	}
	wrong, err := mixed(l.root(), func(string) *manifest { return m })
	if err == nil && len(wrong) > 0 {
		err = violation("the entity's tables are not those of one run: %s", strings.Join(wrong, "; "))
	}
	return err
}

// entityTables are the tables of an entity that all must be of one run.
var entityTables = []string{"golden", "xref", "edges", "review", "merge_log", "quality", "records"}

// mixed lists in what the entity's tables contradict each other, each taken from the manifest that of gives for it.
func mixed(root string, of func(part string) *manifest) (wrong []string, err error) {
	from := map[string]string{}
	for _, part := range entityTables {
		i := slices.IndexFunc(of(part).Tables, func(t table) bool { return t.Table == "person_"+part })
		if i < 0 {
			return []string{"there is no " + part}, nil
		}
		t := &of(part).Tables[i]
		if len(t.Upserts)+len(t.Deletes) > 0 || len(t.Base) == 0 {
			return nil, fmt.Errorf("%s has deltas, or nothing: give the matrix another way to read it", t.name())
		}
		var paths []string
		for _, f := range t.Base {
			paths = append(paths, "'"+filepath.Join(root, f.Path)+"'")
		}
		from[part] = "read_parquet([" + strings.Join(paths, ", ") + "], union_by_name = true)"
	}
	db, err := duckdb.Open(context.Background(), duckdb.Config{Memory: 128 << 20, Threads: 1, Dirs: []string{root}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.Query(context.Background(), `WITH open AS (SELECT * FROM `+from["xref"]+` WHERE valid_to IS NULL),
newest AS (SELECT detail FROM `+from["quality"]+` WHERE metric = 'basis' ORDER BY value DESC LIMIT 1),
differ AS (
  SELECT 'golden' AS part, count(*) AS n FROM (SELECT DISTINCT golden_id FROM open) AS x FULL JOIN `+from["golden"]+` AS g USING (golden_id)
    WHERE x.golden_id IS NULL OR g.golden_id IS NULL
  UNION ALL SELECT 'members', count(*) FROM (SELECT golden_id, count(*) AS n FROM open GROUP BY golden_id) AS x
    JOIN `+from["golden"]+` AS g USING (golden_id) WHERE g.records <> x.n
  UNION ALL SELECT 'records', count(*) FROM open AS x FULL JOIN `+from["records"]+` AS r ON r._key = x.source_key
    WHERE r._key IS NULL OR x.source_key IS NULL OR r._hash <> x.record_hash
  UNION ALL SELECT 'edges', count(*) FROM `+from["edges"]+` AS e WHERE a_key NOT IN (SELECT source_key FROM open) OR b_key NOT IN (SELECT source_key FROM open)
  UNION ALL SELECT 'review', count(*) FROM (SELECT a_key, b_key FROM `+from["review"]+` WHERE kind = 'pair') AS r
    FULL JOIN (SELECT a_key, b_key FROM `+from["edges"]+` WHERE verdict IN ('unsure', 'refused')) AS e ON r.a_key = e.a_key AND r.b_key = e.b_key
    WHERE r.a_key IS NULL OR e.a_key IS NULL
  UNION ALL SELECT 'merge_log', count(*) FROM open WHERE golden_id NOT IN (SELECT new_id FROM `+from["merge_log"]+` WHERE new_id IS NOT NULL)
  UNION ALL SELECT 'merge_log', count(*) FROM open WHERE golden_id IN (SELECT old_id FROM `+from["merge_log"]+` WHERE kind IN ('merged', 'retired'))
  UNION ALL SELECT 'quality', count(*) FROM newest WHERE CAST(detail ->> '$.records' AS BIGINT) <> (SELECT count(*) FROM `+from["records"]+`)
    OR CAST(detail ->> '$.edges' AS BIGINT) <> (SELECT count(*) FROM `+from["edges"]+`))
SELECT part, n FROM differ WHERE n > 0`)
	if err != nil {
		return nil, err
	}
	for _, row := range rows.Values {
		wrong = append(wrong, fmt.Sprintf("%v in %v rows", row[0], row[1]))
	}
	return wrong, nil
}

// entityControl takes each table in turn from the run before, which must be told.
func (l *lab) entityControl(ctx context.Context) error {
	if err := l.beginEntity(ctx); err != nil {
		return err
	}
	manifests := map[bool]*manifest{}
	for _, after := range []bool{false, true} {
		if after {
			if err := l.mustRun("run", entityRun); err != nil {
				return err
			}
		}
		dir, err := newReader(l.root()).resolve()
		if err != nil {
			return err
		}
		if manifests[after], err = readManifest(dir); err != nil {
			return err
		}
	}
	if err := l.ofOneRun(); err != nil {
		return err
	}
	for _, old := range entityTables {
		wrong, err := mixed(l.root(), func(part string) *manifest { return manifests[part != old] })
		if err != nil {
			return err
		}
		if len(wrong) == 0 {
			return fmt.Errorf("nobody tells that %s is that of the run before: give the two nights more that differs", old)
		}
	}
	return nil
}
