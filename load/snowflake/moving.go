package snowflake

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/load"
)

// moving are the views whose rows may change while those of all tables do not: they, or views that they read, ask the clock or chance. Each
// snapshot brings them anew. The local engine parses their SELECTs, once each, and runs none.
func (f *Follower) moving(ctx context.Context, m *load.Manifest) (map[string]bool, error) {
	if err := f.askViews(ctx, m); err != nil {
		return nil, err
	}
	out, seen := map[string]bool{}, map[string]bool{}
	var visit func(name string) bool
	visit = func(name string) bool {
		t := tableNamed(m, name)
		if t == nil || t.View == "" || seen[name] {
			return out[name]
		}
		seen[name], out[name] = true, f.moves[t.View]
		for _, need := range t.Needs {
			out[name] = visit(need) || out[name]
		}
		return out[name]
	}
	for i := range m.Tables {
		visit(m.Tables[i].Name.String())
	}
	return out, nil
}

// askViews asks of each SELECT that has not been asked of.
func (f *Follower) askViews(ctx context.Context, m *load.Manifest) error {
	var open []*load.Table
	for i := range m.Tables {
		if _, asked := f.moves[m.Tables[i].View]; m.Tables[i].View != "" && !asked {
			open = append(open, &m.Tables[i])
		}
	}
	if len(open) == 0 {
		return nil
	}
	w, err := f.local(ctx)
	if err != nil {
		return err
	}
	for _, t := range open {
		moves, err := w.Moves(ctx, t.View)
		if err != nil {
			return errors.Join(fmt.Errorf("view %s: %w", t.Name, err), w.Close())
		}
		f.moves[t.View] = moves
	}
	return w.Close()
}
