package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/lineage"
)

// untaggedHint says what to do about a column that is made of personal ones and not tagged.
const untaggedHint = "say of the column pii: true in a properties file, or pii: false where its values tell nothing of a person"

// untagged are a node's columns that are made of personal ones and that the project neither tags nor calls open. Counts and answers of yes
// or no are left out. plain asks for those only that are copies.
func (l *Lineage) untagged(node string, plain bool) []LineageColumn {
	n := l.Node(node)
	if n == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.Columns), func(c LineageColumn) bool {
		copies := slices.ContainsFunc(c.From, func(in LineageInput) bool {
			return in.How == lineage.Copied && slices.Contains(c.PersonalOf, in.Table+"."+in.Column)
		})
		return c.Personal != PersonalMade || !copies && (plain || slices.Contains([]string{"BIGINT", "BOOLEAN", "HUGEINT", "DECIMAL(38,0)"}, c.Type))
	})
}

// hasPersonal says whether the project tags anything as personal.
func hasPersonal(p *models.Project) bool {
	return slices.ContainsFunc(p.Nodes, func(n *models.Node) bool { return len(n.PersonalColumns()) > 0 })
}

// notePersonal notes in a plan the columns that are made of personal ones.
func (pl *planning) notePersonal(ctx context.Context, nodes []*models.Node) error {
	if !hasPersonal(pl.Project) {
		return nil
	}
	l, err := pl.Lineage(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		for _, c := range l.untagged(n.Name(), false) {
			pl.planned[n].note(fmt.Sprintf("column %q is made of personal columns (%s), and not tagged pii: its values are shown", c.Name, strings.Join(c.PersonalOf, ", ")))
		}
	}
	return nil
}

// PersonalProblems warns of columns that are personal ones under another name, and not tagged, as far as the project's files tell. The
// engine needs no target.
func (e *Engine) PersonalProblems(ctx context.Context) (config.Problems, error) {
	if !hasPersonal(e.Project) {
		return nil, nil
	}
	l, err := e.Lineage(ctx)
	if err != nil {
		return nil, err
	}
	var problems config.Problems
	for _, n := range e.Project.Nodes {
		for _, c := range l.untagged(n.Name(), true) {
			pos := n.Pos
			if at := slices.IndexFunc(n.Columns, func(said models.Column) bool { return strings.EqualFold(said.Name, c.Name) }); at >= 0 {
				pos = n.Columns[at].Pos
			}
			problems = append(problems, pos.Warning(fmt.Sprintf("column %q of %s is %s, which is personal, and not tagged pii: its values are shown", c.Name, n.Name(),
				strings.Join(c.PersonalOf, ", ")), untaggedHint))
		}
	}
	return problems, nil
}
