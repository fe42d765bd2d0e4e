package match

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

func groupOf(n int) *errgroup.Group {
	var g errgroup.Group
	g.SetLimit(n)
	return &g
}

// similarIndex finds the records whose texts are nearest to those of one, by the cosine of weighted terms.
//
// Terms are numbered by falling weight. Of each record only the first terms are in the index, its head: so many that the rest, its tail,
// weighs less than floor² of the whole. Two records that share no term of both heads have a cosine below the floor. For of the two heads
// one ends first in the order of terms; all that they share is in that one's tail, so common < floor² · norm of it; and common is no more
// than the norm of the other either; so common² < floor² · norm · norm.
type similarIndex struct {
	rule    *Similar
	records *Records
	ends    []uint32
	terms   *weighted // by record
	heads   []head    // by record
	// postings are the records that have a term in their heads, in rising order: of term t list[from[t]:from[t+1]].
	from []uint64
	list []uint32
}

type head struct {
	terms int32  // how many
	last  uint32 // the last of them
	tail  int64  // squares of the others
}

// nearest finds the pairs of a Similar rule: each record with those nearest to it. Which those are depends on all records, the new ones and
// what terms weigh included. So the whole is always found anew, and an incremental run takes the pairs with a new record out of it; that
// the lists of others have changed besides is part of it.
func (x *similarIndex) nearest(ctx context.Context, threads int) (*neighbourhood, error) {
	found := make([][]uint32, x.records.N)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	const chunk = 64
	for range threads {
		g.Go(func() error {
			s := newSearch(x)
			for {
				from := next.Add(chunk) - chunk
				if from >= int64(x.records.N) || ctx.Err() != nil {
					return ctx.Err()
				}
				for rec := uint32(from); rec < uint32(min(from+chunk, int64(x.records.N))); rec++ {
					found[rec] = s.nearest(rec)
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return neighbourhoodOf(found), nil
}

// visits is how many postings all searches read together.
func (x *similarIndex) visits() int64 {
	n := int64(0)
	for t := range len(x.from) - 1 {
		df := int64(x.from[t+1] - x.from[t])
		n += df * df
	}
	return n
}

// neighbourhoodOf brings the lists of both sides together.
func neighbourhoodOf(found [][]uint32) *neighbourhood {
	starts := make([]uint64, len(found)+1)
	for a, own := range found {
		for _, b := range own {
			starts[min(uint32(a), b)+1]++
		}
	}
	for a := range found {
		starts[a+1] += starts[a]
	}
	others, at := make([]uint32, starts[len(found)]), slices.Clone(starts)
	for a, own := range found {
		for _, b := range own {
			low, high := min(uint32(a), b), max(uint32(a), b)
			others[at[low]] = high
			at[low]++
		}
	}
	n := &neighbourhood{starts: make([]uint64, len(found)+1)}
	for a := range found {
		own := others[starts[a]:starts[a+1]]
		slices.Sort(own)
		n.others = append(n.others, slices.Compact(own)...)
		n.starts[a+1] = uint64(len(n.others))
	}
	return n
}

func newSimilarIndex(r *Records, rule *Similar, ends []uint32) *similarIndex {
	x := &similarIndex{rule: rule, records: r, ends: ends}
	op := Cosine
	if rule.Grams > 0 {
		op = Cosine3
	}
	texts, codes := joined(r, rule.Columns)
	terms := newTermLists(texts, termsOf(op)).weigh(codes)
	terms.sortByWeight()
	x.terms = perRecord(terms, codes)
	x.heads = make([]head, r.N)
	x.from = make([]uint64, len(x.terms.squares)+1)
	for rec := range x.heads {
		x.heads[rec] = x.headOf(uint32(rec))
		for _, t := range x.head(uint32(rec)) {
			x.from[t+1]++
		}
	}
	for t := range x.terms.squares {
		x.from[t+1] += x.from[t]
	}
	x.list = make([]uint32, x.from[len(x.from)-1])
	at := slices.Clone(x.from)
	for rec := range uint32(r.N) {
		for _, t := range x.head(rec) {
			x.list[at[t]] = rec
			at[t]++
		}
	}
	return x
}

// sortByWeight numbers terms by falling weight.
func (t *weighted) sortByWeight() {
	order := make([]uint32, len(t.squares))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Or(cmp.Compare(t.squares[b], t.squares[a]), cmp.Compare(a, b)) })
	numbers, squares, names := make([]uint32, len(order)), make([]int64, len(order)), make([]string, len(order))
	for i, n := range order {
		numbers[n], squares[i], names[i] = uint32(i), t.squares[n], t.names[n]
	}
	for i, n := range t.nums {
		t.nums[i] = numbers[n]
	}
	for c := range uint32(len(t.starts) - 1) {
		slices.Sort(t.at(c))
	}
	t.squares, t.names = squares, names
}

// headOf finds the head of a record.
func (x *similarIndex) headOf(rec uint32) head {
	norm := x.terms.norms[rec]
	h, floor := head{tail: norm}, x.rule.Floor*x.rule.Floor*float64(norm)*(1-slack)
	for _, t := range x.terms.at(rec) {
		if float64(h.tail) < floor {
			break
		}
		h.terms, h.last, h.tail = h.terms+1, t, h.tail-x.terms.squares[t]
	}
	return h
}

func (x *similarIndex) head(rec uint32) []uint32 { return x.terms.at(rec)[:x.heads[rec].terms] }

// joined puts the texts of some columns together, record by record. A record that has none has code 0.
func joined(r *Records, columns []int) (*Dict, []uint32) {
	texts := newInterner()
	codes := make([]uint32, r.N)
	var parts []string
	for rec := range codes {
		parts = parts[:0]
		for _, c := range columns {
			if v := &r.Columns[c]; !v.Null(rec) {
				parts = append(parts, v.Dict.At(v.Codes[rec]))
			}
		}
		if len(parts) > 0 {
			codes[rec] = texts.code([]byte(strings.Join(parts, " ")))
		}
	}
	return texts.dict, codes
}

// perRecord gives term lists by record instead of by text.
func perRecord(w *weighted, codes []uint32) *weighted {
	lists := &termLists{starts: make([]uint32, 1, len(codes)+1), names: w.names}
	own := &weighted{termLists: lists, squares: w.squares, norms: make([]int64, len(codes))}
	for rec, c := range codes {
		own.nums = append(own.nums, w.at(c)...)
		own.starts = append(own.starts, uint32(len(own.nums)))
		own.norms[rec] = w.norms[c]
	}
	return own
}

// search looks for neighbours, on one goroutine.
type search struct {
	*similarIndex
	common []int64 // by record: the weight that its head shares with that of the one that is looked at
	seen   []uint32
	best   []neighbour
}

type neighbour struct {
	record uint32
	cosine float64
}

func newSearch(x *similarIndex) *search {
	return &search{similarIndex: x, common: make([]int64, x.records.N)}
}

// nearest gives the Top records nearest to one; of equally near ones those with the lower numbers.
func (s *search) nearest(rec uint32) []uint32 {
	low, high := s.excluded(rec)
	s.seen = s.seen[:0]
	for _, t := range s.head(rec) {
		square := s.terms.squares[t]
		for _, other := range s.list[s.from[t]:s.from[t+1]] {
			if s.common[other] == 0 {
				s.seen = append(s.seen, other)
			}
			s.common[other] += square
		}
	}
	s.rank(rec, low, high)
	own := make([]uint32, len(s.best))
	for i, n := range s.best {
		own[i] = n.record
	}
	return own
}

// excluded are the records that are no neighbours of one: itself, or its whole source where that is duplicate-free.
func (s *search) excluded(rec uint32) (low, high uint32) {
	if len(s.ends) == 0 || s.ends[s.records.Source[rec]] == 0 {
		return rec, rec + 1
	}
	source := s.records.Source[rec]
	first, _ := slices.BinarySearch(s.records.Source, source)
	return uint32(first), s.ends[source]
}

// rank measures those seen in full, unless what their heads share says that they are too far, and keeps the nearest.
func (s *search) rank(rec, low, high uint32) {
	norm, own := s.terms.norms[rec], s.heads[rec]
	s.best = s.best[:0]
	least := s.threshold()
	for _, other := range s.seen {
		most := s.common[other]
		s.common[other] = 0
		if other >= low && other < high {
			continue
		}
		// What is shared beyond the heads is in the tail of the one whose head ends first.
		if h := s.heads[other]; own.last <= h.last {
			most += own.tail
		} else {
			most += h.tail
		}
		if below(most, norm, s.terms.norms[other], least) {
			continue
		}
		cosine := float64(s.terms.common(rec, other)) / math.Sqrt(float64(norm)*float64(s.terms.norms[other]))
		if cosine >= s.rule.Floor {
			s.offer(neighbour{other, cosine})
			least = s.threshold()
		}
	}
}

// threshold is what a record must have to be among the nearest.
func (s *search) threshold() float64 {
	if len(s.best) < s.rule.Top {
		return s.rule.Floor
	}
	return max(s.rule.Floor, s.best[len(s.best)-1].cosine)
}

// offer keeps the list of the nearest, which is sorted and at most Top long.
func (s *search) offer(n neighbour) {
	i, _ := slices.BinarySearchFunc(s.best, n, func(a, b neighbour) int {
		return cmp.Or(cmp.Compare(b.cosine, a.cosine), cmp.Compare(a.record, b.record))
	})
	if i >= s.rule.Top {
		return
	}
	if len(s.best) == s.rule.Top {
		s.best = s.best[:len(s.best)-1]
	}
	s.best = slices.Insert(s.best, i, n)
}
