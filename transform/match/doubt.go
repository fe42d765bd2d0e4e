package match

import (
	"fmt"
	"math"
)

// Bounds beyond which people are told that what was found may be wrong.
const (
	leastHeld    = 0.85   // mean probability of the pairs within clusters
	mostUnsure   = 0.5    // pairs that may match, of those that do
	mostOthers   = 10.0   // other records of the same, in the mean
	leastPairsOf = 100    // records of a source whose nearest is a match, before these say where matches are
	leastWithin  = 0.2    // of the matches of a source that are expected within it
	leastHolding = 0.1    // of all records that a source must have, for matches within to be expected
	heldPairs    = 20_000 // within clusters that are looked at
)

// Doubts are reasons to think that clusters are not what they should be, found in the clusters themselves, for no labels are asked. Each
// says what to do.
func Doubts(p *Plan, s *Scoring, e Engine, r *Records, edges []Edge, labels []uint32) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if p.Cluster.Method == OneToOne {
		return nil // training tells what to expect
	}
	if held, pairs := s.held(e, labels); pairs > leastSession && held < leastHeld {
		say("two records of one cluster are the same with a probability of only %.2f by the weights, in the mean of %.0f pairs: clusters hang "+
			"together by some good pairs. Look at the largest, raise min_mean_weight, or compare more", held, pairs)
	}
	if matches, unsure := verdicts(edges); matches > leastSession && unsure > mostUnsure*matches {
		say("beside %.0f pairs that match there are %.0f that may: what is compared tells too little to find all, or to find only those. "+
			"Compare more fields", matches, unsure)
	}
	if others := othersOf(labels); others > mostOthers {
		say("a record has %.0f others in its cluster, in the mean: where that is more than there can be, likeness was taken for sameness. Look "+
			"at the largest clusters, and compare what tells them apart", others)
	}
	if free := freeSources(p, r, edges); len(free) > 0 {
		say("hardly any record of %s matches best with one of the same source, nearly all do with those of others: if no two records there "+
			"are the same, write duplicate_free: true, which tells what is the same from what is alike", enumerated(free))
	}
	return all
}

// held is the mean probability that two records of a cluster are the same, and how many pairs it is of: of many pairs each so many are
// looked at.
func (s *Scoring) held(e Engine, labels []uint32) (mean, pairs float64) {
	clusters, all := clustersOf(labels), 0
	for _, own := range clusters {
		all += len(own) * (len(own) - 1) / 2
	}
	sum, looked, k, step := 0.0, 0.0, 0, 1+all/heldPairs
	for _, own := range clusters {
		for i, a := range own {
			for _, b := range own[i+1:] {
				if k++; k%step == 0 {
					sum, looked = sum+Probability(s.Weight(a, b, e.Pattern(a, b))), looked+1
				}
			}
		}
	}
	return sum / max(1, looked), float64(all)
}

// clustersOf are the records of each cluster that has several, in rising order.
func clustersOf(labels []uint32) [][]uint32 {
	place := map[uint32]int{}
	var all [][]uint32
	for rec, label := range labels {
		if uint32(rec) == label {
			continue
		}
		at, ok := place[label]
		if !ok {
			at = len(all)
			place[label], all = at, append(all, []uint32{label})
		}
		all[at] = append(all[at], uint32(rec))
	}
	return all
}

// verdicts counts the pairs that match by themselves, refused or not, and those about which nobody can be sure.
func verdicts(edges []Edge) (matches, unsure float64) {
	for i := range edges {
		switch edges[i].Verdict {
		case Match, Refused:
			matches++
		case Unsure:
			unsure++
		}
	}
	return matches, unsure
}

// othersOf is how many other records a record has in its cluster, in the mean.
func othersOf(labels []uint32) float64 {
	n := 0.0
	for _, own := range clustersOf(labels) {
		n += float64(len(own)) * float64(len(own)-1)
	}
	return n / float64(max(1, len(labels)))
}

// freeSources are the sources of which nobody said that they are free of duplicates, and whose records match so seldom with one another
// that they seem to be: of the records whose best match has no better either, the share that has it in the same source is far below what
// it would be if matches were spread by chance.
func freeSources(p *Plan, r *Records, edges []Edge) []string {
	if len(p.Sources) < 2 {
		return nil
	}
	best := make([]float64, r.N)
	for i := range best {
		best[i] = math.Inf(-1)
	}
	for i := range edges {
		if x := &edges[i]; x.Verdict == Match || x.Verdict == Refused {
			best[x.A], best[x.B] = max(best[x.A], x.Weight), max(best[x.B], x.Weight)
		}
	}
	within, across := make([]float64, len(p.Sources)), make([]float64, len(p.Sources))
	for i := range edges {
		x := &edges[i]
		if x.Verdict != Match && x.Verdict != Refused || x.Weight < best[x.A] || x.Weight < best[x.B] {
			continue
		}
		if a, b := r.Source[x.A], r.Source[x.B]; a == b {
			within[a] += 2
		} else {
			across[a]++
			across[b]++
		}
	}
	n := make([]float64, len(p.Sources))
	for _, s := range r.Source {
		n[s]++
	}
	var free []string
	for i, source := range p.Sources {
		share, all := n[i]/float64(max(1, r.N)), within[i]+across[i]
		if !source.DuplicateFree && share >= leastHolding && all >= leastPairsOf && within[i] < leastWithin*share*all {
			free = append(free, source.Name)
		}
	}
	return free
}
