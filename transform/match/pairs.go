package match

import "context"

// Pattern holds a pair's levels, four bits a comparison: that of comparison c is p >> (4 * c) & 15.
type Pattern uint64

// Level is a comparison's level.
func (p Pattern) Level(comparison int) int { return int(p >> (4 * comparison) & 15) }

// RuleSet holds the rules that make a pair a candidate: rule r is bit r. The lowest is the one that it counts for.
type RuleSet uint32

// MaxRules is how many rules a plan may have: what a RuleSet holds.
const MaxRules = 32

// Count is how many candidates have a pattern, by the rules that make them candidates.
type Count struct {
	Pattern Pattern
	Rules   RuleSet
	Pairs   int64
}

// Edge is a pair of records that may match.
type Edge struct {
	A, B    uint32 // A < B
	Pattern Pattern
	Rules   RuleSet // none: it was not a candidate but is forced, or was looked at because of its neighbours
	Weight  float64 // bits, the prior not included: Scoring.Weight of the pair
	Verdict Verdict
}

// Verdict is what is to become of an edge.
type Verdict uint8

// The verdicts.
const (
	Unlike  Verdict = iota // below review
	Unsure                 // a steward is asked
	Match                  // matches by its weight
	Forced                 // matches by an always condition
	Vetoed                 // never matches, by a condition
	Split                  // never matches, because a person said so
	Refused                // would match, but clustering did not let it; a steward is asked
	Decided                // matches because a person said so
)

// String is the verdict's name in tables, which have one word for a match that does not depend on its weight.
func (v Verdict) String() string {
	return [...]string{"unlike", "unsure", "match", "forced", "vetoed", "split", "refused", "forced"}[v]
}

// Keep says of a candidate whether it is an edge, with what weight and verdict. It is called from several goroutines at once.
type Keep func(a, b uint32, p Pattern) (weight float64, verdict Verdict, ok bool)

// Engine compares the candidates of a plan. Its answers do not depend on the number of goroutines, nor on the order of the records'
// sources.
//
// Count gives the patterns of all candidates, by (Pattern, Rules). Sample gives those of n pairs taken by chance (seeded: the same each
// time), for U. Edges gives the candidates to which keep says yes, by (A, B).
// since, where it is not nil, says which records are new: candidates without one are left out.
type Engine interface {
	Count(ctx context.Context, since []bool) ([]Count, error)
	Sample(ctx context.Context, n int) ([]Count, error)
	Edges(ctx context.Context, since []bool, keep Keep) ([]Edge, error)
	// Pattern compares one pair, whether or not it is a candidate, in either order.
	Pattern(a, b uint32) Pattern
}

// pairOf is a pair of records as one number, whichever is named first.
func pairOf(a, b uint32) uint64 { return uint64(min(a, b))<<32 | uint64(max(a, b)) }
