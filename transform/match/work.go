package match

import (
	"context"
	"sort"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// work is all that is to be compared, in jobs that goroutines take from one after the other. Small blocks are put together, a large one is
// cut into tiles, so that one hot key is the work of all.
type work struct {
	jobs  []job
	ends  []int64 // by job: number of its last part + 1. A job of one large block has a part for each tile.
	taken atomic.Int64
}

// job compares blocks from to to of a rule, or, tiles being set, a part of one block.
type job struct {
	rule     int
	from, to int32
	tiles    int // columns of tiles in the grid; 0: whole blocks
	phase    int
}

// jobPairs is how many pairs a job of small blocks has, or somewhat more.
const jobPairs = 1 << 16

func (w *work) add(j job, parts int64) {
	last := int64(0)
	if len(w.ends) > 0 {
		last = w.ends[len(w.ends)-1]
	}
	w.jobs, w.ends = append(w.jobs, j), append(w.ends, last+parts)
}

// next is a part that nobody has taken.
func (w *work) next() (j job, part int64, ok bool) {
	at := w.taken.Add(1) - 1
	i := sort.Search(len(w.ends), func(i int) bool { return w.ends[i] > at })
	if i == len(w.ends) {
		return job{}, 0, false
	}
	if i > 0 {
		at -= w.ends[i-1]
	}
	return w.jobs[i], at, true
}

// grid is what is compared within the blocks of a rule: phases times rows of a block with columns of it.
type grid struct {
	phases int
	pair   func(block, phase int) (rows, columns []uint32)
}

// whole compares each block with itself.
func (b *blocks) whole() grid {
	return grid{1, func(block, _ int) (rows, columns []uint32) {
		own := b.members[b.starts[block]:b.starts[block+1]]
		return own, own
	}}
}

// partly compares what is new in each block with all of it: all before the new, then the new before the old.
func (b *blocks) partly(since []bool) grid {
	members := make([]uint32, 0, len(b.members)) // in each block the new ones first
	old := make([]uint32, len(b.starts)-1)       // where its old ones begin
	for i := range old {
		own := b.members[b.starts[i]:b.starts[i+1]]
		for _, want := range []bool{true, false} {
			for _, rec := range own {
				if since[rec] == want {
					members = append(members, rec)
				}
			}
			if want {
				old[i] = uint32(len(members))
			}
		}
	}
	return grid{2, func(block, phase int) (rows, columns []uint32) {
		fresh := members[b.starts[block]:old[block]]
		if phase == 0 {
			if len(fresh) == 0 {
				return nil, nil
			}
			return b.members[b.starts[block]:b.starts[block+1]], fresh
		}
		return fresh, members[old[block]:b.starts[block+1]]
	}}
}

// plan adds the jobs of a rule's blocks.
func (w *work) plan(rule int, b *blocks, g grid) {
	for phase := range g.phases {
		from, cost := 0, 0
		flush := func(to int) {
			if cost > 0 {
				w.add(job{rule: rule, from: int32(from), to: int32(to), phase: phase}, 1)
			}
			from, cost = to, 0
		}
		for i := range len(b.starts) - 1 {
			rows, columns := g.pair(i, phase)
			if len(rows) == 0 || len(columns) == 0 {
				continue
			}
			if len(rows) > tileSide || len(columns) > tileSide {
				flush(i)
				from = i + 1
				across := tilesOf(columns)
				w.add(job{rule, int32(i), int32(i + 1), across, phase}, int64(tilesOf(rows))*int64(across))
				continue
			}
			if cost += len(rows) * len(columns); cost > jobPairs {
				flush(i + 1)
			}
		}
		flush(len(b.starts) - 1)
	}
}

func tilesOf(records []uint32) int { return (len(records) + tileSide - 1) / tileSide }

func tileOf(records []uint32, i int) []uint32 {
	return records[i*tileSide : min((i+1)*tileSide, len(records))]
}

// compare compares all candidates, with a sink for each goroutine.
func (m *Matcher) compare(ctx context.Context, since []bool, sinks []sink) error {
	if m.refused != nil {
		return m.refused
	}
	var all work
	grids := make([]grid, len(m.plan.Rules))
	for r, b := range m.blocks {
		if b == nil {
			m.planSimilar(&all, r)
			continue
		}
		grids[r] = b.whole()
		if since != nil {
			grids[r] = b.partly(since)
		}
		all.plan(r, b, grids[r])
	}
	told := m.progress(since)
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range sinks {
		g.Go(func() error {
			w := m.newWorker(s)
			for {
				j, part, ok := all.next()
				if !ok {
					told(w.pairs)
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := w.job(j, part, grids, since); err != nil {
					return err
				}
				if w.pairs >= tellEvery {
					told(w.pairs)
					w.pairs = 0
				}
			}
		})
	}
	return g.Wait()
}

// tellEvery is after how many pairs a goroutine tells that it has compared them.
const tellEvery = 1 << 20

// progress gives a function that tells how far the comparing is.
func (m *Matcher) progress(since []bool) func(pairs int64) {
	if m.config.Progress == nil {
		return func(int64) {}
	}
	var done atomic.Int64
	of := m.Pairs(since)
	return func(pairs int64) { m.config.Progress(done.Add(pairs), of) }
}

func (w *worker) job(j job, part int64, grids []grid, since []bool) error {
	if w.m.blocks[j.rule] == nil {
		return w.similarJob(j, since)
	}
	if j.tiles > 0 {
		rows, columns := grids[j.rule].pair(int(j.from), j.phase)
		return w.tile(j.rule, tileOf(rows, int(part)/j.tiles), tileOf(columns, int(part)%j.tiles))
	}
	for i := j.from; i < j.to; i++ {
		rows, columns := grids[j.rule].pair(int(i), j.phase)
		if len(rows) == 0 || len(columns) == 0 {
			continue
		}
		if err := w.tile(j.rule, rows, columns); err != nil {
			return err
		}
	}
	return nil
}

// planSimilar adds the jobs of a Similar rule: records, some hundreds together.
func (m *Matcher) planSimilar(w *work, rule int) {
	const records = 256
	for from := 0; from < m.records.N; from += records {
		w.add(job{rule: rule, from: int32(from), to: int32(min(from+records, m.records.N))}, 1)
	}
}

func (w *worker) similarJob(j job, since []bool) error {
	var some []uint32
	for a := uint32(j.from); a < uint32(j.to); a++ {
		others := w.m.similar[j.rule].of(a)
		if since != nil && !since[a] {
			some = some[:0]
			for _, b := range others {
				if since[b] {
					some = append(some, b)
				}
			}
			others = some
		}
		for from := 0; from < len(others); from += tileSide {
			if err := w.tile(j.rule, []uint32{a}, others[from:min(from+tileSide, len(others))]); err != nil {
				return err
			}
		}
	}
	return nil
}
