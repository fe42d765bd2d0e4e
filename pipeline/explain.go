package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/steward"
)

// This file looks at an entity for explanations: of pairs in explain_pair.go, of golden records in explain_golden.go.

// explaining is one look at an entity for an explanation.
type explaining struct {
	*entityLook
	engine *Engine
	plain  bool
	run    string
}

// explain opens what is published of an entity. Values of fields that are tagged pii, and keys made of such, are masked unless plain.
func (e *Engine) explain(ctx context.Context, entity *models.Entity, plain bool, parts []string, f func(*explaining) error) error {
	return e.lookAtEntity(ctx, entity, parts, nil, func(l *entityLook) error {
		return f(&explaining{entityLook: l, engine: e, plain: plain, run: l.tables[models.PartXref].Run})
	})
}

// texts runs a query whose values are wanted as texts; a NULL is "".
func (x *explaining) texts(ctx context.Context, query string) ([][]string, error) {
	columns, err := x.Describe(ctx, query)
	if err != nil {
		return nil, err
	}
	answer, err := x.Query(ctx, x.Dialect().Texts(query, columns))
	if err != nil {
		return nil, err
	}
	out := make([][]string, len(answer.Rows))
	for i, row := range answer.Rows {
		for _, v := range row {
			s, _ := v.(string)
			out[i] = append(out[i], s)
		}
	}
	return out, nil
}

// hides says whether a field's values are not to be shown.
func (x *explaining) hides(field string) bool {
	return !x.plain && (x.entity.Node.IsPII(field) || x.secret[strings.ToLower(field)])
}

// value is a field's value as it is shown.
func (x *explaining) value(field, value string) string {
	if x.hides(field) {
		return hidden(value)
	}
	return value
}

// record is a record's name as it is shown.
func (x *explaining) record(source, key string) string {
	if !x.plain {
		key = keyOf(x.entity, source, key)
	}
	return source + ":" + key
}

// keyOf is a record's key as it may be shown.
func keyOf(entity *models.Entity, source, key string) string {
	if slices.ContainsFunc(entity.Sources, func(s *models.EntitySource) bool { return s.Name == source && s.HasPersonalKey() }) {
		return hidden(key)
	}
	return key
}

// goldenIDs are the golden ids of records that are in force.
func (x *explaining) goldenIDs(ctx context.Context, records []steward.Record) (map[steward.Record]string, error) {
	found := map[steward.Record]string{}
	d := x.Dialect()
	for part := range slices.Chunk(records, 10_000) {
		var tuples []string
		for _, r := range part {
			tuples = append(tuples, fmt.Sprintf("(%s, %s)", d.QuoteLiteral(r.Source), d.QuoteLiteral(r.Key)))
		}
		rows, err := x.texts(ctx, fmt.Sprintf("SELECT source, source_key, golden_id FROM %s WHERE valid_to IS NULL AND (source, source_key) IN (%s)",
			x.table(models.PartXref), strings.Join(tuples, ", ")))
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			found[steward.Record{Source: r[0], Key: r[1]}] = r[2]
		}
	}
	return found, nil
}

// rulings are what all decisions say now, what those said that the published run has known, and what became of each, by its id.
func (x *explaining) rulings(ctx context.Context) (now, applied *steward.Rulings, states map[string]DecisionStatus, err error) {
	all, err := x.decided(ctx, x.engine)
	if err != nil {
		return nil, nil, nil, err
	}
	if now, err = steward.Agreed(all); err != nil {
		return nil, nil, nil, err
	}
	known, states := knownTo(x.tables[models.PartGolden]), map[string]DecisionStatus{}
	for _, s := range x.statuses(all, now, known) {
		states[s.ID] = s
	}
	applied, err = steward.Rule(slices.DeleteFunc(slices.Clone(all), func(d steward.Decision) bool { return !known[d.ID] }))
	return now, applied, states, err
}

// knownTo are the ids of the decisions that the run has known that made the golden records.
func knownTo(golden *load.Table) map[string]bool {
	known := map[string]bool{}
	if golden != nil {
		for _, id := range golden.Decisions {
			known[id] = true
		}
	}
	return known
}
