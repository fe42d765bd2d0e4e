package match

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Weights are what agreement and disagreement are worth: the file that match train writes and people review.
type Weights struct {
	Format      int                 `json:"format"` // 1
	Entity      string              `json:"entity"`
	Plan        string              `json:"plan"`  // hash of the comparisons that these weights are for (Plan.Hash)
	Prior       float64             `json:"prior"` // probability that two records taken by chance match
	Comparisons []ComparisonWeights `json:"comparisons"`
	Groups      []GroupWeights      `json:"groups,omitempty"`
	Training    *Training           `json:"training,omitempty"`
}

// ComparisonWeights are those of a comparison's levels, from 1 to else. A missing value weighs nothing.
type ComparisonWeights struct {
	Name   string         `json:"name"`
	Levels []LevelWeights `json:"levels"`
	// Frequent are values that occur more often than others, with their share of the records that have one: agreement on them is worth less.
	// Every other value counts as one that is Rare. Agreement on a value whose share is Usual, the mean over pairs that agree, is worth what
	// level 1 says. Values of personal fields are hashes in the file.
	Frequent map[string]float64 `json:"frequent,omitempty"`
	Rare     float64            `json:"rare,omitempty"`
	Usual    float64            `json:"usual,omitempty"`
}

// hiddenValue begins what Frequent has instead of a value that nobody is shown.
const hiddenValue = "sha256:"

// Hide puts hashes in the place of the frequent values: the file is read by people, and kept with the project. They tell nobody what the
// values are, but who has one can see whether it is among them.
func (c *ComparisonWeights) Hide() {
	hidden := make(map[string]float64, len(c.Frequent))
	for value, share := range c.Frequent {
		hidden[c.hash(value)] = share
	}
	c.Frequent = hidden
}

// hash stands for a value of this comparison.
func (c *ComparisonWeights) hash(value string) string {
	sum := sha256.Sum256([]byte(c.Name + "\x00" + value))
	return hiddenValue + hex.EncodeToString(sum[:8])
}

// shares gives the share of a frequent value.
func (c *ComparisonWeights) shares() func(value string) (float64, bool) {
	for name := range c.Frequent {
		if strings.HasPrefix(name, hiddenValue) {
			return func(value string) (float64, bool) { share, ok := c.Frequent[c.hash(value)]; return share, ok }
		}
	}
	return func(value string) (float64, bool) { share, ok := c.Frequent[value]; return share, ok }
}

// LevelWeights are the probabilities of a level, among pairs that match and among those that do not. The weight in bits is log2(M/U).
type LevelWeights struct {
	Name string  `json:"name"`
	M    float64 `json:"m"`
	U    float64 `json:"u"`
	From string  `json:"from,omitempty"` // trained (in Training.Sessions), or default
}

// GroupWeights are of comparisons that agree together for another reason than being the same thing, as those of a household do. Rate is the
// share of all pairs that are such relatives, and Levels how likely these are at each level, from 1 to else. Pairs that do not match have
// their levels by chance or because they are relatives, so that the group's weight is log2(∏m / (∏u + Rate·∏r)): never more than
// log2(1/Rate) where relatives agree as matches do.
type GroupWeights struct {
	Comparisons []string    `json:"comparisons"`
	Rate        float64     `json:"rate"`
	Levels      [][]float64 `json:"levels"`
	From        string      `json:"from"` // how it was found
}

// Training says how weights were found.
type Training struct {
	Records  int       `json:"records"`
	Pairs    int64     `json:"pairs"`  // candidates
	Random   int64     `json:"random"` // pairs by chance, for U
	Sessions []Session `json:"sessions"`
	Warnings []string  `json:"warnings,omitempty"`
}

// Session is one EM over the candidates of one rule, in which comparisons of the rule's own columns are left out.
type Session struct {
	Rule       string   `json:"rule"`
	Pairs      int64    `json:"pairs"`
	Matches    float64  `json:"matches"` // share of the pairs that match, as it was found
	Prior      float64  `json:"prior"`   // what that says about the prior
	Iterations int      `json:"iterations"`
	Converged  bool     `json:"converged"`
	Left       []string `json:"left_out"`
}
