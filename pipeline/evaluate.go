package pipeline

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/match/golden"
)

// Evaluation holds the published clusters of an entity against pairs, or clusters, that people know to be right. Its counts are of pairs of
// records: those that a cluster implies, all of its records being the same thing.
type Evaluation struct {
	Entity    string   `json:"entity"`
	Run       string   `json:"run"` // that published the clusters
	Records   int64    `json:"records"`
	Labelled  int64    `json:"labelled"`         // records that the labels name and that are published
	Unknown   int64    `json:"unknown"`          // records of the labels that are not published
	Gold      int64    `json:"gold_pairs"`       // that the labels imply
	Lost      int64    `json:"lost_pairs"`       // of these, with a record that is not published: nothing finds them
	Found     int64    `json:"found_pairs"`      // that the clusters imply, among labelled records
	True      int64    `json:"true_pairs"`       // both
	Precision *float64 `json:"precision"`        // True / Found; nil when nothing was found
	Recall    *float64 `json:"recall"`           // True / Gold; nil without gold
	F1        *float64 `json:"f1"`               // harmonic mean of the two; nil without gold
	Note      string   `json:"note,omitempty"`   // why there is nothing to count, and what to do
	Largest   int64    `json:"largest_cluster"`  // of all that are published
	Wrong     []Wrong  `json:"wrong,omitempty"`  // examples of pairs that are together and should not be
	Missed    []Wrong  `json:"missed,omitempty"` // and of the other way round
}

// Wrong is a pair of records, as source:key, that the clusters and the labels disagree about.
type Wrong struct {
	A string `json:"a"`
	B string `json:"b"`
}

// Gold is a file of what is known to be right (see golden.Labels).
type Gold struct {
	Path string // CSV or Parquet
	// Partial says that nothing is known about records that the file does not name. Otherwise they are known to match nothing.
	Partial  bool
	Examples int  // of each kind of wrong pair
	Plain    bool // whether keys that are made of personal columns are shown as they are
}

// Evaluate compares what is published of an entity with a file of labels.
func (e *Engine) Evaluate(ctx context.Context, entity *models.Entity, gold Gold) (*Evaluation, error) {
	path, err := filepath.Abs(gold.Path)
	if err != nil {
		return nil, err
	}
	var found *Evaluation
	err = e.lookAtEntity(ctx, entity, []string{models.PartXref}, []string{path}, func(l *entityLook) error {
		v := &evaluating{entityLook: l, gold: gold}
		found, err = v.run(ctx)
		return err
	})
	return found, err
}

// LabelsError says why a file of labels cannot be used.
type LabelsError struct{ Err error }

func (e *LabelsError) Error() string { return e.Err.Error() }
func (e *LabelsError) Unwrap() error { return e.Err }

type evaluating struct {
	*entityLook
	gold Gold
}

func (v *evaluating) run(ctx context.Context) (*Evaluation, error) {
	path, err := filepath.Abs(v.gold.Path)
	if err != nil {
		return nil, err
	}
	labels, err := golden.Labels{Path: path, Name: v.gold.Path, Entity: v.entity, Dir: v.dir}.Clusters(ctx, v.Warehouse)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &LabelsError{err}
	}
	// Files, because each of the counts below reads all of them.
	named, err := v.Write(ctx, labels, filepath.Join(v.dir, "labels.parquet"))
	if err != nil {
		return nil, err
	}
	labels = v.Dialect().Files([]string{named.Path})
	known, err := v.Write(ctx, "SELECT x.source, x.source_key, x.golden_id, l.cluster FROM "+v.table(models.PartXref)+" AS x LEFT JOIN "+labels+
		" AS l ON l.source = x.source AND l.key = x.source_key WHERE x.valid_to IS NULL", filepath.Join(v.dir, "known.parquet"))
	if err != nil {
		return nil, err
	}
	all := v.Dialect().Files([]string{known.Path})
	from := "(SELECT * FROM " + all + " WHERE cluster IS NOT NULL)"
	if !v.gold.Partial { // a record without a label is a cluster of its own
		from = "(SELECT source, source_key, golden_id, coalesce(cluster, 'alone:' || source || ':' || source_key) AS cluster FROM " + all + ")"
	}
	pairs := func(from, by string) string {
		return "(SELECT CAST(coalesce(sum(n * (n - 1) // 2), 0) AS BIGINT) FROM (SELECT count(*) AS n FROM " + from + " GROUP BY " + by + "))"
	}
	rows, err := v.Query(ctx, "SELECT (SELECT count(*) FROM "+all+"), (SELECT count(*) FROM "+all+" WHERE cluster IS NOT NULL), "+
		pairs(labels, "cluster")+", "+pairs(from, "golden_id")+", "+pairs(from, "cluster, golden_id")+
		", (SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM "+all+" GROUP BY golden_id))"+
		", (SELECT count(*) FROM "+labels+"), "+pairs(from, "cluster"))
	if err != nil {
		return nil, err
	}
	n := func(i int) int64 { x, _ := rows.Rows[0][i].(int64); return x }
	found := &Evaluation{Entity: v.entity.Name, Run: v.tables[models.PartXref].Run, Records: n(0), Labelled: n(1), Gold: n(2), Found: n(3),
		True: n(4), Largest: n(5),
		Unknown: n(6) - n(1), Lost: n(2) - n(7)}
	found.judge(v.entity)
	if found.Wrong, err = v.examples(ctx, from, "golden_id", "cluster"); err != nil {
		return nil, err
	}
	found.Missed, err = v.examples(ctx, from, "cluster", "golden_id")
	return found, err
}

// name is a record's as it may be shown.
func (v *evaluating) name(source, key any) string {
	s, k := fmt.Sprint(source), fmt.Sprint(key)
	if !v.gold.Plain {
		k = keyOf(v.entity, s, k)
	}
	return s + ":" + k
}

// judge fills in the shares, and says so where there is nothing to have a share of.
func (v *Evaluation) judge(entity *models.Entity) {
	v.Precision, v.Recall = ratio(v.True, v.Found), ratio(v.True, v.Gold)
	if v.Gold > 0 {
		v.F1 = ratio(2*v.True, v.Found+v.Gold)
	}
	switch {
	case v.Gold == 0:
		v.Note = "the labels name no pair that matches, so that nothing can be found or missed: give records that are the same one cluster, or write their pairs"
	case v.Labelled == 0:
		v.Note = fmt.Sprintf("none of the records that the labels name is published: write sources and keys as %s has them", entity.Table(models.PartXref))
	}
}

// ratio is a share; nil of nothing.
func ratio(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	share := float64(part) / float64(whole)
	return &share
}

// examples are pairs that agree in one grouping and not in the other.
func (v *evaluating) examples(ctx context.Context, from, together, apart string) ([]Wrong, error) {
	if v.gold.Examples <= 0 {
		return nil, nil
	}
	rows, err := v.Query(ctx, fmt.Sprintf("SELECT a.source, a.source_key, b.source, b.source_key FROM %[1]s AS a JOIN %[1]s AS b ON a.%[2]s = b.%[2]s AND a.%[3]s <> b.%[3]s"+
		" AND (a.source, a.source_key) < (b.source, b.source_key) ORDER BY ALL LIMIT %[4]d", from, together, apart, v.gold.Examples))
	if err != nil {
		return nil, err
	}
	var all []Wrong
	for _, r := range rows.Rows {
		all = append(all, Wrong{A: v.name(r[0], r[1]), B: v.name(r[2], r[3])})
	}
	return all, nil
}
