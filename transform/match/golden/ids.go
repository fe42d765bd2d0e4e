package golden

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/transform/match"

	"github.com/millrace/millrace/warehouse"
)

// Members are all records with their clusters and what the published xref says of them, and, with neither number nor cluster, its records
// that are gone: _rec, cluster, source, source_key, record_hash, updated_at, owned, owned_from, owned_run, owned_hash.
func (g *Golden) Members() string {
	now := fmt.Sprintf(`SELECT r._rec, l.cluster, %s AS source, r._key AS source_key, r._hash AS record_hash, r._updated_at AS updated_at
  FROM %s AS r
  JOIN %s AS l ON l._rec = r._rec`, g.sourceName("r._source"), g.From.Records, g.From.Labels)
	if g.From.Xref == "" {
		return fmt.Sprintf("SELECT m.*, %[5]s AS owned, %[2]s AS owned_from, %[1]s AS owned_run, %[3]s AS owned_hash\nFROM (\n  %[4]s\n) AS m",
			g.null("VARCHAR"), g.null("TIMESTAMP"), g.null("UBIGINT"), now, g.null(idType))
	}
	return fmt.Sprintf(`SELECT m._rec, m.cluster, coalesce(m.source, x.source) AS source, coalesce(m.source_key, x.source_key) AS source_key,
  m.record_hash, m.updated_at, %s AS owned, x.valid_from AS owned_from, x.run_id AS owned_run, x.record_hash AS owned_hash
FROM (
  %s
) AS m
FULL OUTER JOIN %s AS x ON x.source_key = m.source_key AND x.source = m.source`, g.packed("x.golden_id"), now, g.inForce())
}

// Claims are the ids that clusters could take: cluster, id, and how many of the cluster's members it owns, n.
func (g *Golden) Claims() string {
	return fmt.Sprintf("SELECT cluster, owned AS id, count(*) AS n\nFROM %s AS m\nWHERE cluster IS NOT NULL AND owned IS NOT NULL\nGROUP BY cluster, owned", g.From.Members)
}

// several are those of a column of the claims that are in more claims than one.
func (g *Golden) several(column string) string {
	return fmt.Sprintf("SELECT %s FROM %s AS d GROUP BY %[1]s HAVING count(*) > 1", column, g.From.Claims)
}

// Contested are claims of clusters that claim several ids, and of ids that several claim, with the time when the id was minted, born: the
// first Open.
func (g *Golden) Contested() string { return g.contested(g.From.Xref, "golden_id", "valid_from") }

// contested finds the time of birth in a published table. Its ids are compared as the texts that they are: only the few are packed.
func (g *Golden) contested(from, id, since string) string {
	return fmt.Sprintf(`WITH contested AS (
  SELECT c.cluster, c.id, c.n FROM %[1]s AS c WHERE c.cluster IN (%[2]s)
  UNION
  SELECT c.cluster, c.id, c.n FROM %[1]s AS c WHERE c.id IN (%[3]s)
), born AS (
  SELECT %[5]s AS id, min(x.%[6]s) AS born
  FROM %[4]s AS x
  WHERE x.%[7]s IN (SELECT %[8]s FROM contested)
  GROUP BY x.%[7]s
)
SELECT c.cluster, c.id, c.n, b.born
FROM contested AS c
JOIN born AS b ON b.id = c.id`, g.From.Claims, g.several("cluster"), g.several("id"), from, g.packed("x."+id), since, id, g.unpacked("id"))
}

// Settled are the other claims, of clusters that claim one id, which no other claims: nearly all, as a rule. Open are still the first.
func (g *Golden) Settled() string {
	return fmt.Sprintf("SELECT c.cluster, c.id\nFROM %s AS c\nWHERE NOT EXISTS (SELECT 1 FROM %s AS o WHERE o.cluster = c.cluster AND o.id = c.id)",
		g.From.Claims, g.From.Open)
}

// Winning decides one round of the open claims: those that are the first both of their cluster and of their id, in the one order in which
// all claims stand: more members, minted earlier, the lesser id, the lesser cluster. The very first claim is always among them.
func (g *Golden) Winning() string {
	d := g.Dialect
	more, born := warehouse.By{SQL: "n"}, warehouse.By{SQL: "born", Least: true}
	id, cluster := warehouse.By{SQL: "id", Least: true}, warehouse.By{SQL: "cluster", Least: true}
	return fmt.Sprintf(`WITH by_cluster AS (
  SELECT cluster, %s AS best FROM %s AS o GROUP BY cluster
), by_id AS (
  SELECT id, %s AS best FROM %[2]s AS o GROUP BY id
)
SELECT c.cluster, i.id
FROM by_cluster AS c
JOIN by_id AS i ON %[4]s = i.id AND %[5]s = c.cluster`,
		d.Best([]string{"id"}, []warehouse.By{more, born, id}, ""), g.From.Open, d.Best([]string{"cluster"}, []warehouse.By{more, born,
			cluster}, ""),
		d.Part("c.best", 0, 1, idType), d.Part("i.best", 0, 1, "BIGINT"))
}

// StillOpen are the open claims to what the last round has not given away.
func (g *Golden) StillOpen() string {
	won := g.From.Won[len(g.From.Won)-1]
	return fmt.Sprintf(`SELECT o.cluster, o.id, o.n, o.born
FROM %s AS o
WHERE NOT EXISTS (SELECT 1 FROM %s AS w WHERE w.cluster = o.cluster)
  AND NOT EXISTS (SELECT 1 FROM %[2]s AS w WHERE w.id = o.id)`, g.From.Open, won)
}

// taken are all decided claims.
func (g *Golden) taken() string {
	var all []string
	if g.From.Settled != "" {
		all = append(all, "SELECT cluster, id FROM "+g.From.Settled+" AS s")
	}
	for _, w := range g.From.Won {
		all = append(all, "SELECT cluster, id FROM "+w+" AS w")
	}
	if len(all) == 0 {
		return "SELECT " + g.null("BIGINT") + " AS cluster, " + g.null(idType) + " AS id WHERE 1 = 0"
	}
	return strings.Join(all, " UNION ALL ")
}

// IDs gives every cluster its golden id: one that it takes, or a new one, which is fresh. A new one is made of the cluster's first record,
// and of how many rows the xref has had for that record: one that was minted of the same record before is another.
func (g *Golden) IDs() string {
	count, had, join := "''", "", ""
	if g.From.Xref != "" {
		count = "coalesce(CAST(h.n AS " + g.Dialect.Type("VARCHAR") + "), '')"
		had = fmt.Sprintf(`, had AS (
  SELECT f.cluster, count(*) AS n FROM fresh AS f JOIN %s AS x ON x.source_key = f.source_key AND x.source = f.source GROUP BY f.cluster
)`, g.From.Xref)
		join = "\nLEFT JOIN had AS h ON h.cluster = m.cluster"
	}
	return fmt.Sprintf(`WITH taken AS (%s), fresh AS (
  SELECT m.cluster, m.source, m.source_key FROM %s AS m WHERE m._rec = m.cluster AND NOT EXISTS (SELECT 1 FROM taken AS t WHERE t.cluster = m.cluster)
)%s
SELECT cluster, id AS golden_id, false AS fresh FROM taken
UNION ALL
SELECT m.cluster, %s AS golden_id, true AS fresh
FROM fresh AS m%s`, g.taken(), g.From.Members, had, g.packed(g.Dialect.UUID(namespace, g.name("m.source", count, "m.source_key"))), join)
}

// What a row of the merge log tells.
const (
	Minted  = "minted"  // an id of records that had none
	SplitID = "split"   // an id of a part of what old_id was; the larger part kept that
	Merged  = "merged"  // old_id is no more, most of what is left of it is new_id now
	Retired = "retired" // old_id is no more, its records are gone
)

// Pushed is a pair that was refused because others of their clusters are forced together.
type Pushed struct {
	A, B     uint32    // records
	Clusters [2]uint32 // theirs
	By       string    // what forces, in words
}

// KeptApart stands behind the rules in a pair's detail, and behind a cause in the merge log, before what keeps it apart (see Pushed.By).
const KeptApart = "; kept apart by "

// pushedPairs are Pushed as a relation: a, b, why.
func (g *Golden) pushedPairs() string {
	rows := make([]string, len(g.Pushed))
	for i, p := range g.Pushed {
		rows[i] = fmt.Sprintf("(%d, %d, %s)", p.A, p.B, g.text(KeptApart+p.By))
	}
	return "(SELECT * FROM (VALUES " + strings.Join(rows, ", ") + ") AS p(a, b, why))"
}

// pushedClusters are the clusters of Pushed as a relation: cluster, why.
func (g *Golden) pushedClusters() string {
	var rows []string
	for _, p := range g.Pushed {
		for _, c := range p.Clusters {
			rows = append(rows, fmt.Sprintf("(%d, %s)", c, g.text(KeptApart+p.By)))
		}
	}
	return "(SELECT cluster, min(why) AS why FROM (VALUES " + strings.Join(rows, ", ") + ") AS p(cluster, why) GROUP BY cluster)"
}

// MergeLog are the new rows of the merge log: old_id, new_id, kind, run_id, at, cause.
func (g *Golden) MergeLog() string {
	d := g.Dialect
	row := func(old, id, kind, cause string) string {
		return fmt.Sprintf("SELECT %s AS old_id, %s AS new_id, %s AS kind, %s AS run_id, %s AS %s, %s AS cause", old, id, kind, g.text(g.Run),
			g.at(), g.q("at"), cause)
	}
	minted := row(g.null("VARCHAR"), g.unpacked("i.golden_id"), g.text(Minted), "'new records'")
	if g.From.Xref == "" {
		return minted + "\nFROM " + g.From.IDs + " AS i\nWHERE i.fresh"
	}
	text := func(n string) string { return "CAST(" + n + " AS " + d.Type("VARCHAR") + ")" }
	more := warehouse.By{SQL: "n"}
	former := d.Best([]string{"id", "n"}, []warehouse.By{more, {SQL: "id", Least: true}}, "")
	heir := d.Best([]string{"golden_id", "n"}, []warehouse.By{more, {SQL: "cluster", Least: true}}, "")
	why, apart := "", ""
	if len(g.Pushed) > 0 {
		why, apart = " || coalesce(f.why, '')", fmt.Sprintf("\nLEFT JOIN %s AS f ON f.cluster = c.cluster", g.pushedClusters())
	}
	split := row(g.unpacked(d.Part("c.former", 0, 2, idType)), g.unpacked("c.golden_id"), g.text(SplitID), text(d.Part("c.former", 1, 2,
		"BIGINT"))+" || ' of its records were in the old golden record'"+why)
	merged := row(g.unpacked("c.id"), g.unpacked(d.Part("c.heir", 0, 2, idType)), g.text(Merged),
		text(d.Part("c.heir", 1, 2, "BIGINT"))+" || ' of the ' || "+text("c.n")+" || ' records that are left of the old golden record are in the new one'")
	retired := row(g.unpacked("x.golden_id"), g.null("VARCHAR"), g.text(Retired), "'all of its records are gone'")
	return fmt.Sprintf(`WITH split AS (
  SELECT i.golden_id, min(i.cluster) AS cluster, %[1]s AS former
  FROM (SELECT cluster, golden_id FROM %[2]s AS i WHERE fresh) AS i
  JOIN %[3]s AS c ON c.cluster = i.cluster
  GROUP BY i.golden_id
), lost AS (
  SELECT id, %[4]s AS heir, sum(n) AS n
  FROM (
    SELECT c.id, c.n, c.cluster, i.golden_id
    FROM (SELECT cluster, id, n FROM %[3]s AS c WHERE NOT EXISTS (SELECT 1 FROM %[2]s AS k WHERE k.golden_id = c.id)) AS c
    JOIN %[2]s AS i ON i.cluster = c.cluster
  ) AS c
  GROUP BY id
)
%[5]s
FROM %[2]s AS i
WHERE i.fresh AND NOT EXISTS (SELECT 1 FROM %[3]s AS c WHERE c.cluster = i.cluster)
UNION ALL
%[6]s
FROM split AS c%[10]s
UNION ALL
%[7]s
FROM lost AS c
UNION ALL
%[8]s
FROM (SELECT DISTINCT owned AS golden_id FROM %[9]s AS m WHERE cluster IS NULL) AS x
WHERE NOT EXISTS (SELECT 1 FROM %[3]s AS c WHERE c.id = x.golden_id)`, former, g.From.IDs, g.From.Claims, heir, minted, split, merged,
		retired, g.From.Members, apart)
}

// Xref is the whole of the new xref. A record that stays with its golden id keeps its row, with what it is now as record_hash; one that
// moves or is gone closes it.
func (g *Golden) Xref() string {
	since := func(stays, moved string) string {
		return "CASE WHEN m.owned = i.golden_id THEN " + stays + " ELSE " + moved + " END"
	}
	now := fmt.Sprintf(`SELECT m.source, m.source_key, %s AS golden_id, %s AS valid_from, %s AS valid_to, %s AS run_id, m.record_hash
FROM %s AS m
JOIN %s AS i ON i.cluster = m.cluster`, g.unpacked("i.golden_id"), since("m.owned_from", g.at()), g.null("TIMESTAMP"),
		since("m.owned_run", g.text(g.Run)), g.From.Members, g.From.IDs)
	if g.From.Xref == "" {
		return now
	}
	return union(now, fmt.Sprintf(`SELECT m.source, m.source_key, %s, m.owned_from, %s, m.owned_run, m.owned_hash
FROM %s AS m
LEFT JOIN %s AS i ON i.cluster = m.cluster
WHERE m.owned IS NOT NULL AND (i.golden_id IS NULL OR m.owned <> i.golden_id)`, g.unpacked("m.owned"), g.at(), g.From.Members, g.From.IDs),
		fmt.Sprintf("SELECT source, source_key, golden_id, valid_from, valid_to, run_id, record_hash\nFROM %s AS x\nWHERE valid_to IS NOT NULL", g.From.Xref))
}

// Edges are the scored pairs with the names of their records.
func (g *Golden) Edges() string {
	levels := ""
	for _, l := range g.Levels {
		levels += ", e." + g.q(l)
	}
	return fmt.Sprintf(`SELECT x.source AS a_source, x.source_key AS a_key, y.source AS b_source, y.source_key AS b_key,
  e.weight, e.probability, e.verdict, e.rules, e.pattern%s
FROM %s AS e
JOIN %s AS x ON x._rec = e.a
JOIN %[3]s AS y ON y._rec = e.b`, levels, g.From.Edges, g.From.Members)
}

// Why a steward is asked, beside what is not sure and what was refused.
const (
	reasonBlock  = "too many records share the key"
	reasonParent = "its parent is not there"
	reasonCircle = "it is above itself"
)

// Reasons are all for which a steward is asked.
var Reasons = []string{match.Unsure.String(), match.Refused.String(), reasonBlock, reasonParent, reasonCircle}

// Review is what a steward is asked: pairs that may be the same and are in two golden records, and blocks that were too large. One that was
// there before keeps the run that first saw it.
func (g *Golden) Review() string {
	detail, apart := "e.rules", ""
	if len(g.Pushed) > 0 {
		detail, apart = "e.rules || coalesce(f.why, '')", fmt.Sprintf("\nLEFT JOIN %s AS f ON f.a = e.a AND f.b = e.b", g.pushedPairs())
	}
	pairs := fmt.Sprintf(`SELECT 'pair' AS kind, x.source AS a_source, x.source_key AS a_key, y.source AS b_source, y.source_key AS b_key,
  %[6]s AS a_golden_id, %[7]s AS b_golden_id, e.weight, e.probability, e.verdict AS reason, %[9]s AS detail
FROM %[1]s AS e
JOIN %[2]s AS x ON x._rec = e.a
JOIN %[2]s AS y ON y._rec = e.b
JOIN %[3]s AS i ON i.cluster = x.cluster
JOIN %[3]s AS k ON k.cluster = y.cluster%[10]s
WHERE e.verdict IN (%[4]s, %[5]s) AND x.cluster <> y.cluster
  AND NOT EXISTS (%[8]s)`, g.From.Edges, g.From.Members, g.From.IDs, g.text(match.Unsure.String()),
		g.text(match.Refused.String()),
		g.unpacked("i.golden_id"), g.unpacked("k.golden_id"), g.answered(g.From.Members), detail, apart)
	if g.From.Blocks != "" {
		none := g.null("VARCHAR")
		pairs = union(pairs,
			fmt.Sprintf(`SELECT 'block', %s, b.%s, %[1]s, %[1]s, %[1]s, %[1]s, %[3]s, %[3]s, %[6]s, b.rule || ': ' || CAST(b.records AS %[4]s) || ' records'
FROM %[5]s AS b`, none, g.q("key"), g.null("DOUBLE"), g.Dialect.Type("VARCHAR"), g.From.Blocks, g.text(reasonBlock)))
	}
	for i, r := range g.Entity.Relations {
		if r.Hierarchy != "" {
			pairs = union(pairs, g.unknownParents(i), g.circles(i))
		}
	}
	if g.From.Review == "" {
		return fmt.Sprintf("SELECT r.*, %s AS first_run, %s AS first_at\nFROM (\n%s\n) AS r", g.text(g.Run), g.at(), pairs)
	}
	var same []string
	for _, c := range []string{"kind", "a_source", "a_key", "b_source", "b_key", "reason"} {
		same = append(same, g.Dialect.Same("p."+c, "r."+c))
	}
	return fmt.Sprintf(`SELECT r.*, coalesce(p.first_run, %s) AS first_run, coalesce(p.first_at, %s) AS first_at
FROM (
%s
) AS r
LEFT JOIN (
  SELECT kind, a_source, a_key, b_source, b_key, reason, min(first_run) AS first_run, min(first_at) AS first_at
  FROM %s AS p
  GROUP BY kind, a_source, a_key, b_source, b_key, reason
) AS p ON %s`, g.text(g.Run), g.at(), pairs, g.From.Review, strings.Join(same, " AND "))
}

// answered finds that somebody has decided to split two other records of the clusters of x and y: then their pairs are not asked about again.
// clusters has the cluster of each record.
func (g *Golden) answered(clusters string) string {
	return fmt.Sprintf(`SELECT 1 FROM (
    SELECT least(p.cluster, q.cluster) AS less, greatest(p.cluster, q.cluster) AS more
    FROM %s AS s JOIN %s AS p ON p._rec = s.a JOIN %[2]s AS q ON q._rec = s.b WHERE s.verdict = %s
  ) AS d WHERE d.less = least(x.cluster, y.cluster) AND d.more = greatest(x.cluster, y.cluster)`, g.From.Edges, clusters, g.text(match.Split.String()))
}
