package match

import (
	"fmt"
	"slices"
	"strings"
)

// Changes are the parts of a plan that are others than in the plan before it and may change which records are one thing, with what is new in
// them and what is gone.
func (p *Plan) Changes(before *Plan) []string {
	var out []string
	part := func(what string, now, then []string) {
		if text := differences(now, then); text != "" {
			out = append(out, what+" ("+text+")")
		}
	}
	part("sources", p.sourceTexts(), before.sourceTexts())
	part("blocking rules", p.ruleTexts(), before.ruleTexts())
	comparisons, then := p.comparisonTexts(), before.comparisonTexts()
	part("comparisons", comparisons, then)
	if p.Hash != before.Hash && slices.Equal(comparisons, then) {
		out = append(out, "how the values that are compared are made")
	}
	part("never", conditionTexts(p.Never), conditionTexts(before.Never))
	part("always", conditionTexts(p.Always), conditionTexts(before.Always))
	part("correlated", p.groupTexts(), before.groupTexts())
	part("thresholds", p.thresholdTexts(), before.thresholdTexts())
	part("clustering", p.clusterTexts(), before.clusterTexts())
	return out
}

// differences tell what is in one list only; "" when nothing is, but for their order.
func differences(now, then []string) string {
	only := func(a, b []string) (texts []string) {
		for _, text := range a {
			if !slices.Contains(b, text) {
				texts = append(texts, text)
			}
		}
		return texts
	}
	var parts []string
	if gone := only(then, now); len(gone) > 0 {
		parts = append(parts, "before: "+strings.Join(gone, "; "))
	}
	if fresh := only(now, then); len(fresh) > 0 {
		parts = append(parts, "now: "+strings.Join(fresh, "; "))
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case !slices.Equal(now, then):
		return "their order"
	}
	return ""
}

func (p *Plan) sourceTexts() (out []string) {
	for _, s := range p.Sources {
		text := s.Name
		if s.DuplicateFree {
			text += " free of duplicates"
		}
		out = append(out, text)
	}
	return out
}

func (p *Plan) ruleTexts() (out []string) {
	for _, r := range p.Rules {
		text := r.Name
		if r.MaxBlock > 0 {
			text += fmt.Sprintf(" up to %d records", r.MaxBlock)
		}
		if r.Similar != nil {
			text += fmt.Sprintf(" top %d", r.Similar.Top)
		}
		out = append(out, text)
	}
	return out
}

func (p *Plan) comparisonTexts() (out []string) {
	for i := range p.Comparisons {
		var levels []string
		for _, l := range p.Comparisons[i].Levels {
			levels = append(levels, l.Name)
		}
		out = append(out, p.Comparisons[i].Name+" by "+strings.Join(levels, ", "))
	}
	return out
}

func conditionTexts(all []Condition) (out []string) {
	for _, c := range all {
		out = append(out, c.Text)
	}
	return out
}

func (p *Plan) groupTexts() (out []string) {
	for _, g := range p.Groups {
		var names []string
		for _, c := range g.Comparisons {
			names = append(names, p.Comparisons[c].Name)
		}
		out = append(out, fmt.Sprintf("%s at most %g bits", strings.Join(names, ", "), g.MaxWeight))
	}
	return out
}

func (p *Plan) thresholdTexts() []string {
	return []string{fmt.Sprintf("auto %g", p.Auto), fmt.Sprintf("review %g", p.Review)}
}

func (p *Plan) clusterTexts() []string {
	method := [...]string{"guarded", "connected", "one_to_one"}[p.Cluster.Method]
	return []string{method, fmt.Sprintf("min_mean_weight %g", p.Cluster.MinMeanWeight), fmt.Sprintf("max_size %d", p.Cluster.MaxSize)}
}
