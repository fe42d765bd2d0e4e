package match

import (
	"bufio"
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/internal/fault"
)

// edgeBytes is how long an edge is in a temporary file.
const edgeBytes = 29

// EachEdge gives the edges that Edges gives to fn, one by one: those that do not fit into Config.Memory have been in a temporary file. An
// error of fn ends it.
func (m *Matcher) EachEdge(ctx context.Context, since []bool, keep Keep, fn func(Edge) error) error {
	spill := &spill{folder: m.config.Temp, most: m.config.MostEdges}
	defer spill.close()
	collectors := make([]*collector, m.config.Threads)
	sinks := make([]sink, m.config.Threads)
	for i := range collectors {
		room := int(max(m.config.Memory/int64(len(collectors))/edgeSize, 16))
		collectors[i] = &collector{keep: keep, room: room, spill: spill}
		sinks[i] = collectors[i]
	}
	if err := m.compare(ctx, since, sinks); err != nil {
		return err
	}
	var runs []run
	for _, c := range collectors {
		if err := spill.count(len(c.edges)); err != nil {
			return err
		}
		sortEdges(c.edges)
		runs = append(runs, &heldRun{c.edges})
	}
	return merge(append(runs, spill.runs()...), fn)
}

// edgeSize is what an Edge takes in memory.
const edgeSize = 32

// collector keeps the edges of one goroutine.
type collector struct {
	keep  Keep
	edges []Edge
	room  int
	spill *spill
}

// row implements sink.
func (c *collector) row(w *worker, i int, kept []int32) error {
	a := w.rows.records[i]
	for _, k := range kept {
		b := w.columns.records[k]
		weight, verdict, ok := c.keep(a, b, w.patterns[k])
		if ok {
			c.edges = append(c.edges, Edge{a, b, w.patterns[k], w.rules[k], weight, verdict})
		}
	}
	if len(c.edges) < c.room {
		return nil
	}
	if err := c.spill.count(len(c.edges)); err != nil {
		return err
	}
	sortEdges(c.edges)
	err := c.spill.write(c.edges)
	c.edges = c.edges[:0]
	return err
}

func sortEdges(edges []Edge) { slices.SortFunc(edges, compareEdges) }

func compareEdges(a, b Edge) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) }

// ErrTooManyEdges says that more pairs match, or may match, than there may be.
var ErrTooManyEdges = errors.New("too many pairs match, or may match")

// spill is a temporary file of sorted runs of edges.
type spill struct {
	folder string
	most   int64        // edges; 0: any number
	edges  atomic.Int64 // that there are by now, at least
	mu     sync.Mutex
	file   *os.File
	ends   []int64
}

// count adds to the edges that there are.
func (s *spill) count(n int) error {
	if all := s.edges.Add(int64(n)); s.most > 0 && all > s.most {
		return fmt.Errorf("%w: there is room for %d, and there are %d at least", ErrTooManyEdges, s.most, all)
	}
	return nil
}

// write adds a run.
func (s *spill) write(edges []Edge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := fault.Point("match.spill"); err != nil {
		return fmt.Errorf("write edges that do not fit into memory: %w", err)
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.folder, "edges-*")
		if err != nil {
			return fmt.Errorf("edges that do not fit into memory: %w", err)
		}
		s.file = f
	}
	w := bufio.NewWriterSize(s.file, 1<<16)
	var buf [edgeBytes]byte
	for i := range edges {
		edges[i].encode(&buf)
		if _, err := w.Write(buf[:]); err != nil {
			return fmt.Errorf("write edges that do not fit into memory: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write edges that do not fit into memory: %w", err)
	}
	last := int64(0)
	if len(s.ends) > 0 {
		last = s.ends[len(s.ends)-1]
	}
	s.ends = append(s.ends, last+int64(len(edges))*edgeBytes)
	return nil
}

func (s *spill) runs() []run {
	var runs []run
	from := int64(0)
	for _, end := range s.ends {
		runs = append(runs, &spilledRun{r: bufio.NewReaderSize(io.NewSectionReader(s.file, from, end-from), 1<<16)})
		from = end
	}
	return runs
}

// close removes the file.
func (s *spill) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

func (e *Edge) encode(b *[edgeBytes]byte) {
	binary.LittleEndian.PutUint32(b[0:], e.A)
	binary.LittleEndian.PutUint32(b[4:], e.B)
	binary.LittleEndian.PutUint64(b[8:], uint64(e.Pattern))
	binary.LittleEndian.PutUint32(b[16:], uint32(e.Rules))
	binary.LittleEndian.PutUint64(b[20:], math.Float64bits(e.Weight))
	b[28] = byte(e.Verdict)
}

func decodeEdge(b *[edgeBytes]byte) Edge {
	return Edge{
		A:       binary.LittleEndian.Uint32(b[0:]),
		B:       binary.LittleEndian.Uint32(b[4:]),
		Pattern: Pattern(binary.LittleEndian.Uint64(b[8:])),
		Rules:   RuleSet(binary.LittleEndian.Uint32(b[16:])),
		Weight:  math.Float64frombits(binary.LittleEndian.Uint64(b[20:])),
		Verdict: Verdict(b[28]),
	}
}

// run gives edges in rising order; ok is false behind the last.
type run interface {
	next() (e Edge, ok bool, err error)
}

type heldRun struct{ edges []Edge }

func (r *heldRun) next() (Edge, bool, error) {
	if len(r.edges) == 0 {
		return Edge{}, false, nil
	}
	e := r.edges[0]
	r.edges = r.edges[1:]
	return e, true, nil
}

type spilledRun struct{ r *bufio.Reader }

func (r *spilledRun) next() (Edge, bool, error) {
	var buf [edgeBytes]byte
	switch _, err := io.ReadFull(r.r, buf[:]); {
	case errors.Is(err, io.EOF):
		return Edge{}, false, nil
	case err != nil:
		return Edge{}, false, fmt.Errorf("read back edges that did not fit into memory: %w", err)
	}
	return decodeEdge(&buf), true, nil
}

// merge gives the edges of all runs to fn, in rising order.
func merge(runs []run, fn func(Edge) error) error {
	var heads runHeap
	for _, r := range runs {
		e, ok, err := r.next()
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, runHead{e, r})
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		if err := fn(heads[0].edge); err != nil {
			return err
		}
		e, ok, err := heads[0].rest.next()
		if err != nil {
			return err
		}
		if !ok {
			heap.Pop(&heads)
			continue
		}
		heads[0].edge = e
		heap.Fix(&heads, 0)
	}
	return nil
}

type runHead struct {
	edge Edge
	rest run
}

type runHeap []runHead

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, k int) bool { return compareEdges(h[i].edge, h[k].edge) < 0 }
func (h runHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(runHead)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
