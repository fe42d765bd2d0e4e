package master

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/transform/match/steward"
)

// obeyed makes sure that what people have decided is what came out. Clustering sees to that, and decisions that contradict each other were
// refused before: what it finds is a bug.
func (m *matching) obeyed() error {
	var errs []error
	for _, d := range slices.Concat(m.Rulings.Match, m.Rulings.Split) {
		a, hasA := m.named[d.A]
		b, hasB := m.named[d.B]
		if hasA && hasB && (m.labels[a] == m.labels[b]) != (d.Kind == steward.Match) {
			errs = append(errs, fmt.Errorf("%s was not obeyed: a bug", d.Placed()))
		}
	}
	return errors.Join(errs...)
}
