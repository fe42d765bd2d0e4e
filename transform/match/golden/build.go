package golden

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/warehouse"
)

// Tables are the versions of an entity's tables by part (models.EntityParts); a part that is not there was not published yet.
type Tables map[string]*warehouse.Version

// Built are new versions, with the accounts of their rows, and what the quality table says of the run.
type Built struct {
	Tables    Tables
	Equations map[string][]warehouse.Equation // each closes: Build fails else
	Figures   []Figure
	Notes     []string
}

// building is one call of Build.
type building struct {
	*Golden
	w     warehouse.Warehouse
	dir   string
	prev  Tables
	out   *Built
	files int
}

// Build makes the new versions in a folder of the run. From names the files of the run; what was published comes from prev. Figures are
// what others have counted, for the quality table: Build adds its own. Nothing is published, and files that no version names may be left.
func (g *Golden) Build(ctx context.Context, w warehouse.Warehouse, dir string, prev Tables, figures []Figure) (*Built, error) {
	own := *g
	b := &building{Golden: &own, w: w, dir: dir, prev: prev, out: &Built{Tables: Tables{}, Equations: map[string][]warehouse.Equation{},
		Figures: slices.Clone(figures)}}
	own.Dialect = w.Dialect()
	b.published()
	for _, step := range []func(context.Context) error{b.ids, b.relations, b.golden, b.xref, b.edges, b.mergeLog, b.review, b.quality} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("golden records of %q: %w", g.Entity.Name, err)
		}
	}
	return b.out, nil
}

// published names what there was before.
func (b *building) published() {
	from := func(part string) string {
		if v := b.prev[part]; v != nil {
			return sub(b.Dialect.Select(*v))
		}
		return ""
	}
	b.From.Xref, b.From.Golden, b.From.Review = from(models.PartXref), from(models.PartGolden), from(models.PartReview)
	if v := b.prev[models.PartGolden]; v != nil {
		b.Before = slices.DeleteFunc(slices.Clone(v.Columns),
			func(c warehouse.Column) bool { return c.Name == "first_seen" || c.Name == "last_changed" })
	}
}

// path is a new file of the run.
func (b *building) path(what string) string {
	b.files++
	return filepath.Join(b.dir, fmt.Sprintf("%02d-%s.parquet", b.files, what))
}

// write runs a SELECT into a file that is published.
func (b *building) write(ctx context.Context, what, query string) (warehouse.File, error) {
	f, err := b.w.Write(ctx, query, b.path(what))
	if err != nil {
		return f, fmt.Errorf("%s: %w", what, err)
	}
	return f, nil
}

// into runs a SELECT into a file of the run, which becomes a relation.
func (b *building) into(ctx context.Context, relation *string, what, query string) (rows int64, err error) {
	f, err := b.w.Scratch(ctx, query, b.path(what))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	*relation = b.Dialect.Files([]string{f.Path})
	return f.Rows, nil
}

// ids settles which golden id each cluster takes.
func (b *building) ids(ctx context.Context) error {
	if _, err := b.into(ctx, &b.From.Members, "members", b.Members()); err != nil {
		return err
	}
	if err := b.claims(ctx, "", b.Golden.Contested); err != nil {
		return err
	}
	if _, err := b.into(ctx, &b.From.IDs, "ids", b.IDs()); err != nil {
		return err
	}
	if err := b.decided(ctx); err != nil {
		return err
	}
	return b.unique(ctx, "golden id", "SELECT count(*), count(DISTINCT golden_id), count(DISTINCT cluster) FROM "+b.From.IDs+" AS i")
}

// decided sees that every owned record was in a claim, and that no cluster has a new id while one that it claims is free.
func (b *building) decided(ctx context.Context) error {
	if b.From.Xref == "" {
		return nil
	}
	n, err := b.row(ctx, fmt.Sprintf(`SELECT (SELECT %s FROM %s AS m), (SELECT coalesce(sum(n), 0) FROM %s AS c),
  (SELECT count(*) FROM %[3]s AS c JOIN %[4]s AS i ON i.cluster = c.cluster AND i.fresh WHERE NOT EXISTS (SELECT 1 FROM %[4]s AS k WHERE k.golden_id = c.id))`,
		b.Dialect.CountIf("cluster IS NOT NULL AND owned IS NOT NULL"), b.From.Members, b.From.Claims, b.From.IDs), 3)
	if err != nil {
		return err
	}
	if n[0] != n[1] || n[2] > 0 {
		return fmt.Errorf("%d records have a golden id, %d of them claimed it, and %d claims were free to be granted: %w", n[0], n[1], n[2],
			warehouse.ErrUnbalanced)
	}
	return nil
}

// claims settles the claims of b.Golden's members, of a relation or of records.
func (b *building) claims(ctx context.Context, of string, contested func() string) error {
	if b.From.Xref == "" {
		return nil
	}
	if _, err := b.into(ctx, &b.From.Claims, of+"claims", b.Claims()); err != nil {
		return err
	}
	open, err := b.into(ctx, &b.From.Open, of+"open", contested())
	if err != nil {
		return err
	}
	_, err = b.into(ctx, &b.From.Settled, of+"settled", b.Settled())
	for err == nil && open > 0 {
		won := ""
		if _, err = b.into(ctx, &won, of+"won", b.Winning()); err != nil {
			return err
		}
		b.From.Won = append(b.From.Won, won)
		open, err = b.into(ctx, &b.From.Open, of+"open", b.StillOpen())
	}
	return err
}

// unique compares three counts: nothing has two ids, and no id is given twice.
func (b *building) unique(ctx context.Context, what, query string) error {
	n, err := b.row(ctx, query, 3)
	if err != nil {
		return err
	}
	if n[0] != n[1] || n[0] != n[2] {
		return fmt.Errorf("%d rows with %d different ids (%s) for %d clusters: an id would mean two things", n[0], n[1], what, n[2])
	}
	return nil
}

// row is one row of counts.
func (b *building) row(ctx context.Context, query string, columns int) ([]int64, error) {
	answer, err := b.w.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	out := make([]int64, columns)
	for i := range out {
		n, err := asFloat(answer.Rows[0][i])
		if err != nil {
			return nil, err
		}
		out[i] = int64(n)
	}
	return out, nil
}

// relations finds households and parents.
func (b *building) relations(ctx context.Context) error {
	n := len(b.Entity.Relations)
	b.From.Related, b.From.Parents, b.From.Above = make([]string, n), make([]string, n), make([]string, n)
	for i, r := range b.Entity.Relations {
		relate := b.families
		if r.Hierarchy != "" {
			relate = b.hierarchy
		}
		if err := relate(ctx, i); err != nil {
			return fmt.Errorf("relation %q: %w", r.Name, err)
		}
	}
	return nil
}

func (b *building) families(ctx context.Context, i int) error {
	members, err := b.HouseholdMembers(i)
	if err != nil {
		return err
	}
	h := *b
	h.Golden = b.household(i)
	if _, err := h.into(ctx, &h.From.Members, "household", members); err != nil {
		return err
	}
	if err := h.claims(ctx, "household-", func() string { return h.HouseholdClaims(i) }); err != nil {
		return err
	}
	_, err = h.into(ctx, &b.From.Related[i], "households", h.HouseholdIDs(i))
	b.files = h.files
	if err != nil {
		return err
	}
	return b.unique(ctx, "of households", fmt.Sprintf(`SELECT count(DISTINCT m.cluster), count(DISTINCT r.id), count(DISTINCT %s)
FROM %s AS m JOIN %s AS r ON r.cluster = m._rec`, "CAST(m.cluster AS VARCHAR) || r.id", h.From.Members, b.From.Related[i]))
}

func (b *building) hierarchy(ctx context.Context, i int) error {
	parents, err := b.Parents(i)
	if err != nil {
		return err
	}
	if _, err := b.into(ctx, &b.From.Parents[i], "parents", parents); err != nil {
		return err
	}
	steps, err := b.into(ctx, &b.From.Above[i], "above", b.FirstStep(i))
	for left, up := steps, int64(1); err == nil && left > 0 && up <= steps; up *= 2 {
		left, err = b.into(ctx, &b.From.Above[i], "above", b.Climb(b.From.Above[i]))
	}
	if err != nil {
		return err
	}
	_, err = b.into(ctx, &b.From.Related[i], "parent-ids", b.ParentIDs(i))
	return err
}

// version is a table that one file holds, counted by another reader than its writer.
func (b *building) version(ctx context.Context, part, query string) (rows int64, err error) {
	columns, err := b.columns(ctx, part, query)
	if err != nil {
		return 0, err
	}
	f, err := b.w.WriteAnew(ctx, query, b.path(part))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", part, err)
	}
	if rows, err = warehouse.CountRows(f.Path); err != nil {
		return 0, err
	}
	b.out.Tables[part] = &warehouse.Version{Name: b.tableName(part), Columns: columns, Base: []warehouse.File{f}, Rows: rows}
	return rows, nil
}

func (b *building) tableName(part string) warehouse.Name {
	return warehouse.Name{Schema: b.Entity.Schema, Table: b.Entity.Table(part)}
}

func (b *building) columns(ctx context.Context, what, query string) ([]warehouse.Column, error) {
	columns, err := b.w.Describe(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return warehouse.StoredColumns(columns)
}

func equation(name string, rows int64, terms ...warehouse.Term) warehouse.Equation {
	return warehouse.Equation{Name: name, Rows: rows, Terms: terms}
}

// closes notes an equation of a part, and fails when it does not close.
func (b *building) closes(part string, e warehouse.Equation) error {
	b.out.Equations[part] = append(b.out.Equations[part], e)
	if !e.Closes() {
		return fmt.Errorf("%s: %s: %w", b.Entity.Table(part), e, warehouse.ErrUnbalanced)
	}
	return nil
}

// golden writes the golden records. The columns of the first query are those of the second.
func (b *building) golden(ctx context.Context) error {
	before := b.From.Golden
	b.From.Golden = ""
	first, err := b.Golden.Golden()
	if err != nil {
		return err
	}
	columns, err := b.columns(ctx, models.PartGolden, first)
	if err != nil {
		return err
	}
	b.From.Golden = before
	b.Columns = columns[:len(columns)-2]
	if err := b.pins(ctx); err != nil {
		return err
	}
	query, err := b.Golden.Golden()
	if err != nil {
		return err
	}
	golden, err := b.version(ctx, models.PartGolden, query)
	if err != nil {
		return err
	}
	records, err := b.row(ctx, "SELECT count(*) FROM "+b.From.Records+" AS r", 1)
	if err != nil {
		return err
	}
	merged, err := b.row(ctx, "SELECT "+b.Dialect.CountIf("_rec <> cluster")+" FROM "+b.From.Members+" AS m", 1)
	if err != nil {
		return err
	}
	return b.closes(models.PartGolden, equation("records", records[0], warehouse.Term{Name: "golden", Rows: golden},
		warehouse.Term{Name: "merged", Rows: merged[0]}))
}

// xref writes the xref. Every record has one row in force, and no row that was published is lost.
func (b *building) xref(ctx context.Context) error {
	rows, err := b.version(ctx, models.PartXref, b.Xref())
	if err != nil {
		return err
	}
	file := b.Dialect.Files(warehouse.Paths(b.out.Tables[models.PartXref].Base))
	opened := fmt.Sprintf("run_id = %s AND valid_from = %s", b.text(b.Run), b.at())
	n, err := b.row(ctx, fmt.Sprintf("SELECT %s, %s, %s FROM %s AS x", b.Dialect.CountIf("valid_to IS NULL AND NOT ("+opened+")"),
		b.Dialect.CountIf("valid_to IS NULL AND "+opened),
		b.Dialect.CountIf(opened), file), 3)
	if err != nil {
		return err
	}
	records, before := b.out.Equations[models.PartGolden][0].Rows, int64(0)
	if prev := b.prev[models.PartXref]; prev != nil {
		before = prev.Rows
	}
	if err := b.closes(models.PartXref, equation("records", records, warehouse.Term{Name: "kept", Rows: n[0]}, warehouse.Term{Name: "opened", Rows: n[1]})); err != nil {
		return err
	}
	return b.closes(models.PartXref, equation("published", rows, warehouse.Term{Name: "before", Rows: before},
		warehouse.Term{Name: "opened", Rows: n[2]}))
}

func (b *building) edges(ctx context.Context) error {
	rows, err := b.version(ctx, models.PartEdges, b.Edges())
	if err != nil {
		return err
	}
	n, err := b.row(ctx, "SELECT count(*) FROM "+b.From.Edges+" AS e", 1)
	if err != nil {
		return err
	}
	return b.closes(models.PartEdges, equation("pairs", n[0], warehouse.Term{Name: "published", Rows: rows}))
}

// mergeLog appends. Every cluster with a fresh id is told once, and so is every id that is no more: the published golden records have all
// that there were, and those that are not fresh are still there.
func (b *building) mergeLog(ctx context.Context) error {
	told, err := b.append(ctx, models.PartMergeLog, b.MergeLog())
	if err != nil {
		return err
	}
	now, err := b.row(ctx, "SELECT "+b.Dialect.CountIf("fresh")+", "+b.Dialect.CountIf("NOT fresh")+" FROM "+b.From.IDs+" AS i", 2)
	if err != nil {
		return err
	}
	n := []int64{now[0], 0, 0, 0} // minted, split, merged, retired
	if prev := b.prev[models.PartGolden]; prev != nil && (now[0] > 0 || now[1] < prev.Rows) {
		n, err = b.row(ctx, fmt.Sprintf(`WITH begun AS (
  SELECT i.cluster, count(m.owned) AS n FROM %[1]s AS i JOIN %[2]s AS m ON m.cluster = i.cluster WHERE i.fresh GROUP BY i.cluster
), ended AS (
  SELECT m.owned, count(m.cluster) AS n FROM %[2]s AS m
  WHERE m.owned IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %[1]s AS i WHERE i.golden_id = m.owned) GROUP BY m.owned
)
SELECT (SELECT %[3]s FROM begun AS b), (SELECT %[4]s FROM begun AS b), (SELECT %[4]s FROM ended AS e), (SELECT %[3]s FROM ended AS e)`,
			b.From.IDs, b.From.Members, b.Dialect.CountIf("n = 0"), b.Dialect.CountIf("n > 0")), 4)
		if err != nil {
			return err
		}
	}
	terms := make([]warehouse.Term, len(n))
	for i, kind := range []string{Minted, SplitID, Merged, Retired} {
		terms[i] = warehouse.Term{Name: kind, Rows: n[i]}
	}
	return b.closes(models.PartMergeLog, equation("told", told, terms...))
}

// append adds the rows of a SELECT to what was published.
func (b *building) append(ctx context.Context, part, query string) (rows int64, err error) {
	columns, err := b.columns(ctx, part, query)
	if err != nil {
		return 0, err
	}
	f, err := b.write(ctx, part, query)
	if err != nil {
		return 0, err
	}
	next, e, err := warehouse.Append(b.prev[part], b.tableName(part), []warehouse.File{f}, columns)
	if err != nil {
		return 0, err
	}
	if err := b.Together.Do(ctx, b.w, next, b.path(part+"-together")); err != nil {
		return 0, err
	}
	b.out.Tables[part] = next
	return f.Rows, b.closes(part, e)
}

// review writes what is to be decided. Each kind is counted where it arises.
func (b *building) review(ctx context.Context) error {
	rows, err := b.version(ctx, models.PartReview, b.Review())
	if err != nil {
		return err
	}
	terms := []warehouse.Term{}
	count := func(name, query string) {
		var n []int64
		if err == nil {
			if n, err = b.row(ctx, query, 1); err == nil {
				terms = append(terms, warehouse.Term{Name: name, Rows: n[0]})
			}
		}
	}
	count("pairs", fmt.Sprintf(`SELECT count(*) FROM %s AS e JOIN %s AS x ON x._rec = e.a JOIN %[2]s AS y ON y._rec = e.b
WHERE x.cluster <> y.cluster AND e.verdict IN (%s, %s) AND NOT EXISTS (%s)`, b.From.Edges, b.From.Labels, b.text(match.Unsure.String()),
		b.text(match.Refused.String()), b.answered(b.From.Labels)))
	if b.From.Blocks != "" {
		count("blocks", "SELECT count(*) FROM "+b.From.Blocks+" AS b")
	}
	for i, r := range b.Entity.Relations {
		if r.Hierarchy != "" {
			count(r.Name, "SELECT count(*) FROM (\n"+union(b.unknownParents(i), b.circles(i))+"\n) AS p")
		}
	}
	if err != nil {
		return err
	}
	return b.closes(models.PartReview, warehouse.Equation{Name: "review", Rows: rows, Terms: terms})
}

func (b *building) quality(ctx context.Context) error {
	own, err := b.figures(ctx)
	if err != nil {
		return err
	}
	b.out.Figures = append(b.out.Figures, own...)
	rows, err := b.append(ctx, models.PartQuality, b.Quality(b.out.Figures))
	if err != nil {
		return err
	}
	return b.closes(models.PartQuality, warehouse.Equation{Name: "figures", Rows: int64(len(b.out.Figures)),
		Terms: []warehouse.Term{{Name: "told", Rows: rows}}})
}
