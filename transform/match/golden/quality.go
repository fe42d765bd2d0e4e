package golden

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Figure is one number about a run, in the quality table. Several of one metric are told apart by their details.
type Figure struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Detail string  `json:"detail,omitempty"`
}

// Figures that an entity's expectations (models.EntityMetrics) may bound. Those on labels exist where the entity names some.
const (
	FigureRecords        = "records"
	FigureGolden         = "golden"
	FigureMerged         = "merged"
	FigureMergedShare    = "duplicate_share" // of the records: those that are not a golden record of their own
	FigureLargestCluster = "largest_cluster" // records
	FigureReview         = "review"          // questions, by kind and reason
	FigureReviewShare    = "review_share"    // of the records: those in a pair that a steward is asked about
	FigureGoldenChurn    = "golden_churn"    // of the records that were there before: those whose golden id is another now
	FigureGoneShare      = "gone_share"      // of the records that were there before: those that are there no more
	FigureUnlinkable     = "unlinkable_share"
	FigureBlockingRecall = "blocking_recall_on_labels"
	FigurePrecision      = "precision_on_labels"
	FigureRecall         = "recall_on_labels"
	FigureF1             = "f1_on_labels"
)

// Expected is what became of an expectation.
type Expected struct {
	Expectation *models.Expectation
	Value       float64 // NaN where no figure was counted
	Bound       string  // as people write it: "<= 50"
	Passed      bool
}

// Expect holds figures against expectations. One whose figure was not counted did not pass, but for those about the run before and what labels tell: the
// first run has nothing to compare with, and an entity may have no labels.
func Expect(expectations []*models.Expectation, figures []Figure) []Expected {
	out := make([]Expected, len(expectations))
	for i, e := range expectations {
		out[i] = Expected{Expectation: e, Value: math.NaN(), Bound: e.Condition.Op + " " + strconv.FormatFloat(e.Number, 'g', -1, 64)}
		at := slices.IndexFunc(figures, func(f Figure) bool { return f.Metric == e.Metric && f.Detail == "" })
		if at < 0 {
			out[i].Passed = slices.Contains([]string{FigureGoldenChurn, FigureGoneShare, FigureBlockingRecall, FigurePrecision, FigureRecall, FigureF1}, e.Metric)
			continue
		}
		out[i].Value = figures[at].Value
		out[i].Passed = compare(out[i].Value, e.Condition.Op, e.Number)
	}
	return out
}

// compare says whether a number keeps a bound. NaN keeps none.
func compare(value float64, op string, bound float64) bool {
	switch op {
	case "=":
		return value == bound
	case "!=":
		return value != bound
	case ">":
		return value > bound
	case ">=":
		return value >= bound
	case "<":
		return value < bound
	case "<=":
		return value <= bound
	}
	return false
}

// Quality are rows of the quality table: run_id, at, metric, value, detail.
func (g *Golden) Quality(figures []Figure) string {
	rows := make([]string, len(figures))
	for i, f := range figures {
		rows[i] = fmt.Sprintf("SELECT %s AS run_id, %s AS %s, %s AS metric, CAST(%s AS %s) AS %s, %s AS detail", g.text(g.Run), g.at(),
			g.q("at"), g.text(f.Metric),
			g.text(strconv.FormatFloat(f.Value, 'g', -1, 64)), g.Dialect.Type("DOUBLE"), g.q("value"), g.text(f.Detail))
	}
	return union(rows...)
}

// ClusterFigures count records and golden records: metric, value, detail.
func (g *Golden) ClusterFigures() string {
	one := func(metric, value, detail, from string) string {
		return fmt.Sprintf("SELECT '%s' AS metric, CAST(%s AS %s) AS %s, %s AS detail\nFROM %s", metric, value, g.Dialect.Type("DOUBLE"),
			g.q("value"), detail, from)
	}
	classes := "CASE WHEN n <= 5 THEN CAST(n AS " + g.Dialect.Type("VARCHAR") +
		") WHEN n <= 10 THEN '6 to 10' WHEN n <= 20 THEN '11 to 20' WHEN n <= 50 THEN '21 to 50' ELSE 'over 50' END"
	with := "WITH sizes AS (\n  SELECT cluster, count(*) AS n FROM " + g.From.Members + " AS m WHERE cluster IS NOT NULL GROUP BY cluster\n)"
	members := g.From.Members + " AS m"
	all := []string{
		one(FigureRecords, "count(_rec)", "''", members),
		one(FigureMerged, g.Dialect.CountIf("_rec <> cluster"), "''", members),
		one(FigureMergedShare, "CAST("+g.Dialect.CountIf("_rec <> cluster")+" AS "+g.Dialect.Type("DOUBLE")+") / nullif(count(_rec), 0)",
			"''", members),
		one(FigureGolden, "count(*)", "''", g.From.IDs+" AS i"),
		one(FigureLargestCluster, "coalesce(max(n), 0)", "''", "sizes AS c"),
		one("cluster_size", "count(*)", "size", "(SELECT "+classes+" AS size FROM sizes AS c) AS s GROUP BY size"),
		one("edges", "count(*)", "verdict", g.From.Edges+" AS e GROUP BY verdict"),
	}
	if g.From.Xref != "" {
		with += fmt.Sprintf(`, stay AS (
  SELECT CASE WHEN m._rec IS NULL THEN 'gone' WHEN m.owned IS NULL THEN 'new' WHEN m.owned = i.golden_id THEN 'kept' ELSE 'moved' END AS is_now, count(*) AS n
  FROM %s LEFT JOIN %s AS i ON i.cluster = m.cluster
  GROUP BY is_now
)`, members, g.From.IDs)
		moved := "sum(CASE WHEN is_now = 'moved' THEN n ELSE 0 END)"
		known := "nullif(sum(CASE WHEN is_now IN ('kept', 'moved') THEN n ELSE 0 END), 0)"
		gone := "sum(CASE WHEN is_now = 'gone' THEN n ELSE 0 END)"
		before := "nullif(sum(CASE WHEN is_now <> 'new' THEN n ELSE 0 END), 0)"
		all = append(all, one("records_before", "n", "is_now", "stay AS s"),
			one(FigureGoldenChurn, "coalesce(CAST("+moved+" AS "+g.Dialect.Type("DOUBLE")+") / "+known+", 0)", "''", "stay AS s"),
			one(FigureGoneShare, "coalesce(CAST("+gone+" AS "+g.Dialect.Type("DOUBLE")+") / "+before+", 0)", "''", "stay AS s"))
	}
	return with + "\n" + union(all...)
}

// figures are those that Build counts.
func (b *building) figures(ctx context.Context) ([]Figure, error) {
	review := b.Dialect.Files(warehouse.Paths(b.out.Tables[models.PartReview].Base))
	double := b.Dialect.Type("DOUBLE")
	asked := fmt.Sprintf("SELECT a_source AS s, a_key AS k FROM %s AS a WHERE kind = 'pair' UNION SELECT b_source, b_key FROM %[1]s AS b WHERE kind = 'pair'", review)
	log := b.out.Tables[models.PartMergeLog].Base
	query := union(b.ClusterFigures(),
		fmt.Sprintf("SELECT 'review', CAST(count(*) AS %s), kind || ': ' || reason FROM %s AS r GROUP BY kind, reason", double, review),
		fmt.Sprintf("SELECT 'review', CAST(count(*) AS %s), '' FROM %s AS r", double, review),
		fmt.Sprintf("SELECT '%s', coalesce((SELECT CAST(count(*) AS %s) FROM (%s) AS q) / nullif(count(_rec), 0), 0), '' FROM %s AS m",
			FigureReviewShare, double, asked, b.From.Members),
		fmt.Sprintf("SELECT 'ids', CAST(count(*) AS %s), kind FROM %s AS l WHERE run_id = %s AND %s = %s GROUP BY kind", double,
			b.Dialect.Files(warehouse.Paths(log[len(log)-1:])), b.text(b.Run), b.q("at"), b.at()))
	answer, err := b.w.Query(ctx, "SELECT * FROM (\n"+query+"\n) AS f ORDER BY metric, detail")
	if err != nil {
		return nil, fmt.Errorf("figures: %w", err)
	}
	var out []Figure
	for _, row := range answer.Rows {
		value, err := asFloat(row[1])
		if err != nil {
			return nil, err
		}
		f := Figure{Metric: fmt.Sprint(row[0]), Value: value}
		f.Detail, _ = row[2].(string)
		out = append(out, f)
	}
	return out, nil
}

// asFloat is a number of an answer.
func asFloat(v any) (float64, error) {
	switch n := v.(type) {
	case nil:
		return 0, nil
	case float64:
		return n, nil
	case int64:
		return float64(n), nil
	}
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return 0, fmt.Errorf("a count is no number: %w", err)
	}
	return n, nil
}

// ScoreFigures are how many candidates have which weight, in steps of two bits.
func ScoreFigures(counts []match.Count, weight func(match.Pattern) float64) []Figure {
	const step = 2
	bins := map[int]int64{}
	for _, c := range counts {
		bins[int(math.Floor(weight(c.Pattern)/step))] += c.Pairs
	}
	keys := make([]int, 0, len(bins))
	for k := range bins {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([]Figure, len(keys))
	for i, k := range keys {
		out[i] = Figure{Metric: "score_histogram", Value: float64(bins[k]), Detail: fmt.Sprintf("%d to %d bits", k*step, (k+1)*step)}
	}
	return out
}

// curve are the probabilities at which ThresholdFigures looks.
var curve = []float64{0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5}

// ThresholdFigures are how many pairs would match, and how many clusters of how many records at most that would make without any guard, if
// pairs matched from a probability on: what a threshold is chosen by. Edges below the one for review are not there to be counted, so the
// curve ends at it. Probability is that of a weight.
func ThresholdFigures(edges []match.Edge, records int, probability func(weight float64) float64, review float64) []Figure {
	falling := slices.Clone(edges)
	slices.SortFunc(falling, func(a, b match.Edge) int { return -cmpFloat(a.Weight, b.Weight) })
	f := newForest(records)
	var out []Figure
	at := 0
	for _, t := range curve {
		if t < review {
			break
		}
		for at < len(falling) && probability(falling[at].Weight) >= t {
			f.join(falling[at].A, falling[at].B)
			at++
		}
		detail := "probability " + strconv.FormatFloat(t, 'g', -1, 64)
		out = append(out, Figure{"threshold_pairs", float64(at), detail}, Figure{"threshold_clusters", float64(f.trees), detail},
			Figure{"threshold_largest", float64(f.largest), detail})
	}
	return out
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// forest keeps which records hang together.
type forest struct {
	parent  []uint32
	size    []uint32
	trees   int
	largest uint32
}

func newForest(n int) *forest {
	f := &forest{parent: make([]uint32, n), size: make([]uint32, n), trees: n, largest: uint32(min(n, 1))}
	for i := range f.parent {
		f.parent[i], f.size[i] = uint32(i), 1
	}
	return f
}

func (f *forest) root(i uint32) uint32 {
	for f.parent[i] != i {
		f.parent[i] = f.parent[f.parent[i]]
		i = f.parent[i]
	}
	return i
}

func (f *forest) join(a, b uint32) {
	x, y := f.root(a), f.root(b)
	if x == y {
		return
	}
	if f.size[x] < f.size[y] {
		x, y = y, x
	}
	f.parent[y] = x
	f.size[x] += f.size[y]
	f.largest = max(f.largest, f.size[x])
	f.trees--
}

// UnlinkableFigures are the share of records that would not even match themselves: they know too little. Probability is that of a record
// and its like.
func UnlinkableFigures(records int, probability func(rec uint32) float64, auto float64) []Figure {
	n := 0
	for i := range records {
		if probability(uint32(i)) < auto {
			n++
		}
	}
	return []Figure{{Metric: FigureUnlinkable, Value: float64(n) / float64(max(records, 1))}}
}
