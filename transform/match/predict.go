package match

import (
	"context"
	"fmt"
)

// Predict counts the pairs that a plan's rules make, and compares nothing. Of a Similar rule it is the most that it can make: the nearest are
// not looked for. Refused is a *RefusedError when a run would refuse to compare them.
func Predict(ctx context.Context, c Config, p *Plan, r *Records) (all []Predicted, refused, err error) {
	if err := checkRules(p); err != nil {
		return nil, nil, fmt.Errorf("entity %q: %w", p.Entity, err)
	}
	m := &Matcher{config: c.defaults(), plan: p, records: r, blocks: make([]*blocks, len(p.Rules)), similar: make([]*neighbourhood, len(p.Rules))}
	if m.ends, err = sourceEnds(p, r); err != nil {
		return nil, nil, fmt.Errorf("entity %q: %w", p.Entity, err)
	}
	for i, rule := range p.Rules {
		if rule.Similar != nil {
			m.similar[i] = &neighbourhood{}
			continue
		}
		if m.blocks[i] = block(p, r, i, m.ends); ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
	}
	all, refused = m.Predict(), m.refuse()
	for i, rule := range p.Rules {
		if rule.Similar != nil {
			all[i].Pairs = int64(r.N) * int64(rule.Similar.Top)
		}
	}
	return all, refused, nil
}
