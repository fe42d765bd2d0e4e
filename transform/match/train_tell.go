package match

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// warn tells what people should know of the weights before they trust them.
func (t *trainer) warn() {
	say := func(format string, args ...any) {
		t.report.Warnings = append(t.report.Warnings, fmt.Sprintf(format, args...))
	}
	switch {
	case t.records.N < 2:
		say("there are fewer than two records: all weights are defaults")
		return
	case t.report.Pairs == 0:
		say("no blocking rule makes two records a candidate: all weights are defaults, and nothing will match")
		return
	}
	if agree := t.exactPrior(); agree > 10*t.prior {
		say("about %.0f pairs of records agree exactly in all that both have, but by the weights only about %.0f match: look at the weights "+
			"before you trust them", agree*t.pairs, t.prior*t.pairs)
	}
	var names []string
	for c, trained := range t.trained {
		if !trained {
			names = append(names, t.plan.Comparisons[c].Name)
		}
	}
	if len(names) > 0 && !t.candidates {
		say("%s: default weights, because no blocking rule that leaves them open has at least %.0f matches that can be told apart",
			strings.Join(names, ", "), leastSession)
	}
	if names = t.namesOf(t.apart); len(names) > 0 && !t.candidates {
		say("most pairs that look alike disagree in %s: they are taken to belong together for another reason than being the same, and the "+
			"weights are defaults; if they are the same, leave what disagrees out of compare", enumerated(names))
	}
	if others := 2 * t.prior * t.pairs / float64(t.records.N); others > 1 && !t.candidates && !t.mostlySame() {
		say("by the weights a record has %.1f others that are the same, and yet in no comparison do most of them agree fully: what was "+
			"learned may be what is alike, not what is the same. Look at the clusters; say of which sources it holds that they are "+
			"duplicate_free, compare what tells more, or set labels", others)
	}
	for _, k := range t.model.related {
		names = nil
		free, lift := 0.0, math.Log2(k.rate)
		for c := range t.plan.Comparisons {
			if k.comparisons&(1<<c) != 0 {
				names = append(names, t.plan.Comparisons[c].Name)
				free += math.Log2(t.model.m[c][1] / t.model.u[c][1])
				lift += math.Log2(k.r[c][1] / t.model.u[c][1])
			}
		}
		say("records that agree in %s for another reason than being the same (about %.0f pairs): full agreement there is worth %.0f bits "+
			"instead of %.0f", enumerated(names), k.rate*t.pairs, free-math.Log2(1+math.Exp2(min(lift, 900))), free)
	}
}

// mostlySame says whether there is a comparison in which most matches agree at its first level.
func (t *trainer) mostlySame() bool {
	return slices.ContainsFunc(t.model.m, func(m []float64) bool { return len(m) > 1 && m[1] > 0.5 })
}

// namesOf are the names of comparisons, each once, in their order.
func (t *trainer) namesOf(comparisons []int) []string {
	var names []string
	for c := range t.plan.Comparisons {
		if slices.Contains(comparisons, c) {
			names = append(names, t.plan.Comparisons[c].Name)
		}
	}
	return names
}

// exactPrior is the share of pairs that agree exactly in at least three comparisons, or all, and disagree in none.
func (t *trainer) exactPrior() float64 {
	sum := 0.0
	for _, k := range t.counts {
		agree, ok := 0, true
		for c := range t.plan.Comparisons {
			switch l := k.Pattern.Level(c); l {
			case 0:
			case 1:
				agree++
			default:
				ok = false
			}
		}
		if ok && agree >= min(3, len(t.plan.Comparisons)) {
			sum += float64(k.Pairs)
		}
	}
	return sum / t.pairs
}
