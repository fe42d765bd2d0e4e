package match

import "slices"

// weights is what was learned, as it is written.
func (t *trainer) weights() *Weights {
	w := &Weights{Format: 1, Entity: t.plan.Entity, Prior: t.prior, Training: &t.report}
	for c := range t.plan.Comparisons {
		cmp := &t.plan.Comparisons[c]
		isotone(cmp, t.model.m[c], t.model.u[c])
		own := ComparisonWeights{Name: cmp.Name}
		from := "default"
		if t.trained[c] {
			from = "trained"
		}
		for l := 1; l < levelsOf(cmp); l++ {
			own.Levels = append(own.Levels, LevelWeights{Name: cmp.levelName(l), M: t.model.m[c][l], U: t.model.u[c][l], From: from})
		}
		if cmp.TF && len(cmp.Levels) > 0 {
			column := cmp.Levels[0].Columns[0]
			own.Frequent, own.Rare = frequencies(&t.records.Columns[column])
			// Where nearly all values are rare few pairs agree, and to agree on a rare one is still no less than usual.
			own.Usual, _ = t.records.agreeing(column)
			own.Usual = max(own.Usual, own.Rare)
		}
		w.Comparisons = append(w.Comparisons, own)
	}
	for _, k := range t.model.related {
		g := GroupWeights{Rate: k.rate, From: "found"}
		for c := range t.plan.Comparisons {
			if k.comparisons&(1<<c) != 0 {
				g.Comparisons = append(g.Comparisons, t.plan.Comparisons[c].Name)
				g.Levels = append(g.Levels, k.r[c][1:])
			}
		}
		w.Groups = append(w.Groups, g)
	}
	return w
}

// levelName is what a level is called, 0 being null and the last else.
func (c *Comparison) levelName(l int) string {
	switch {
	case l == 0:
		return "null"
	case l > len(c.Levels):
		return "else"
	}
	return c.Levels[l-1].Name
}

// frequencies are the shares of the values that are frequent, and that of the others: the mean over pairs that agree.
func frequencies(v *Values) (map[string]float64, float64) {
	if v.Kind != Text {
		return nil, 0
	}
	counts, n := v.Dict.counts(v.Codes), 0
	for code, k := range counts {
		if code > 0 {
			n += k
		}
	}
	if n == 0 {
		return nil, 0
	}
	const most = 20_000
	least := leastFrequent(counts[1:], most)
	frequent, sum, square := map[string]float64{}, 0.0, 0.0
	for code, k := range counts {
		switch {
		case code == 0 || k == 0:
		case k >= least:
			frequent[v.Dict.At(uint32(code))] = float64(k) / float64(n)
		case k > 1:
			sum += float64(k)
			square += float64(k) * float64(k)
		}
	}
	rare := 2 / float64(n)
	if sum > 0 {
		rare = square / sum / float64(n)
	}
	return frequent, rare
}

// leastFrequent is how often a value must occur to be one of the most.
func leastFrequent(counts []int, most int) int {
	sorted := slices.Clone(counts)
	slices.Sort(sorted)
	least := 3
	if len(sorted) > most {
		least = max(least, sorted[len(sorted)-most]+1)
	}
	return least
}
