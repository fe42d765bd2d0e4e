package match

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
)

// sampleSeed makes samples the same each time.
const sampleSeed = 0x6d696c6c72616365

// sampleChunk is how many pairs are drawn from one stream of random numbers.
const sampleChunk = 1 << 13

// Sample implements Engine. Pairs are drawn from those that may be candidates at all, so not from within a duplicate-free source; when
// there are no more than n of them, each is taken once. Rules are not looked at.
func (m *Matcher) Sample(ctx context.Context, n int) ([]Count, error) {
	possible := m.possiblePairs()
	if possible == 0 || n <= 0 {
		return nil, ctx.Err()
	}
	chunks := int64((n + sampleChunk - 1) / sampleChunk)
	draw := func(w *worker, c *counter, chunk int64) { w.draw(c, chunk, min(sampleChunk, n-int(chunk)*sampleChunk)) }
	if possible <= int64(n) {
		chunks, draw = int64(m.records.N), (*worker).drawAll
	}
	counters := make([]*counter, m.config.Threads)
	var next atomic.Int64
	g := groupOf(m.config.Threads)
	for i := range counters {
		counters[i] = newCounter()
		g.Go(func() error {
			w := m.newWorker(nil)
			for {
				chunk := next.Add(1) - 1
				if chunk >= chunks || ctx.Err() != nil {
					return ctx.Err()
				}
				draw(w, counters[i], chunk)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return mergeCounts(counters), nil
}

// possiblePairs is how many pairs there are, those within duplicate-free sources not counted.
func (m *Matcher) possiblePairs() int64 {
	pairs := int64(0)
	for rec := range uint32(m.records.N) {
		pairs += int64(m.records.N) - int64(min(m.firstPartner(rec), uint32(m.records.N)))
	}
	return pairs
}

// draw compares n pairs that are drawn by chance, a tile's diagonal at a time.
func (w *worker) draw(c *counter, chunk int64, n int) {
	random := rand.New(rand.NewPCG(sampleSeed, uint64(chunk)))
	records := uint32(w.m.records.N)
	for n > 0 {
		var rows, columns []uint32
		for len(rows) < min(n, tileSide) {
			a, b := random.Uint32N(records), random.Uint32N(records)
			if a > b {
				a, b = b, a
			}
			if b >= w.m.firstPartner(a) {
				rows, columns = append(rows, a), append(columns, b)
			}
		}
		w.load(rows, columns)
		for i := range rows {
			w.kept[0], w.patterns[i] = int32(i), 0
			w.compare(i, w.kept[:1])
			c.add(w.patterns[i], 0, 1)
		}
		n -= len(rows)
	}
}

// drawAll compares a record with all behind it.
func (w *worker) drawAll(c *counter, rec int64) {
	columns := make([]uint32, 0, tileSide)
	for b := w.m.firstPartner(uint32(rec)); b < uint32(w.m.records.N); {
		columns = columns[:0]
		for ; b < uint32(w.m.records.N) && len(columns) < tileSide; b++ {
			w.kept[len(columns)], w.patterns[len(columns)] = int32(len(columns)), 0
			columns = append(columns, b)
		}
		w.load([]uint32{uint32(rec)}, columns)
		w.compare(0, w.kept[:len(columns)])
		for _, p := range w.patterns[:len(columns)] {
			c.add(p, 0, 1)
		}
	}
}
