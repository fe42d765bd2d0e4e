-- Members
SELECT m._rec, m.cluster, coalesce(m.source, x.source) AS source, coalesce(m.source_key, x.source_key) AS source_key,
  m.record_hash, m.updated_at, CAST(x.golden_id AS VARCHAR(36)) AS owned, x.valid_from AS owned_from, x.run_id AS owned_run, x.record_hash AS owned_hash
FROM (
  SELECT r._rec, l.cluster, CASE r._source WHEN 0 THEN 'crm' WHEN 1 THEN 'shop' WHEN 2 THEN 'it''s old' END AS source, r._key AS source_key, r._hash AS record_hash, r._updated_at AS updated_at
  FROM records AS r
  JOIN labels AS l ON l._rec = r._rec
) AS m
FULL OUTER JOIN (SELECT source, source_key, golden_id, valid_from, run_id, record_hash FROM mdm.customer_xref AS x WHERE valid_to IS NULL) AS x ON x.source_key = m.source_key AND x.source = m.source;

-- Claims
SELECT cluster, owned AS id, count(*) AS n
FROM members AS m
WHERE cluster IS NOT NULL AND owned IS NOT NULL
GROUP BY cluster, owned;

-- Settled
SELECT c.cluster, c.id
FROM claims AS c
WHERE NOT EXISTS (SELECT 1 FROM open AS o WHERE o.cluster = c.cluster AND o.id = c.id);

-- Contested
WITH contested AS (
  SELECT c.cluster, c.id, c.n FROM claims AS c WHERE c.cluster IN (SELECT cluster FROM claims AS d GROUP BY cluster HAVING count(*) > 1)
  UNION
  SELECT c.cluster, c.id, c.n FROM claims AS c WHERE c.id IN (SELECT id FROM claims AS d GROUP BY id HAVING count(*) > 1)
), born AS (
  SELECT CAST(x.golden_id AS VARCHAR(36)) AS id, min(x.valid_from) AS born
  FROM mdm.customer_xref AS x
  WHERE x.golden_id IN (SELECT CAST(id AS VARCHAR(16777216)) FROM contested)
  GROUP BY x.golden_id
)
SELECT c.cluster, c.id, c.n, b.born
FROM contested AS c
JOIN born AS b ON b.id = c.id;

-- Winning
WITH by_cluster AS (
  SELECT cluster, ARRAY_AGG(ARRAY_CONSTRUCT(id)) WITHIN GROUP (ORDER BY n DESC NULLS LAST, born ASC NULLS LAST, id ASC NULLS LAST) AS best FROM open AS o GROUP BY cluster
), by_id AS (
  SELECT id, ARRAY_AGG(ARRAY_CONSTRUCT(cluster)) WITHIN GROUP (ORDER BY n DESC NULLS LAST, born ASC NULLS LAST, cluster ASC NULLS LAST) AS best FROM open AS o GROUP BY id
)
SELECT c.cluster, i.id
FROM by_cluster AS c
JOIN by_id AS i ON CAST(c.best[0][0] AS VARCHAR(36)) = i.id AND CAST(i.best[0][0] AS NUMBER(19,0)) = c.cluster;

-- StillOpen
SELECT o.cluster, o.id, o.n, o.born
FROM open AS o
WHERE NOT EXISTS (SELECT 1 FROM won_2 AS w WHERE w.cluster = o.cluster)
  AND NOT EXISTS (SELECT 1 FROM won_2 AS w WHERE w.id = o.id);

-- IDs
WITH taken AS (SELECT cluster, id FROM settled AS s UNION ALL SELECT cluster, id FROM won_1 AS w UNION ALL SELECT cluster, id FROM won_2 AS w), fresh AS (
  SELECT m.cluster, m.source, m.source_key FROM members AS m WHERE m._rec = m.cluster AND NOT EXISTS (SELECT 1 FROM taken AS t WHERE t.cluster = m.cluster)
), had AS (
  SELECT f.cluster, count(*) AS n FROM fresh AS f JOIN mdm.customer_xref AS x ON x.source_key = f.source_key AND x.source = f.source GROUP BY f.cluster
)
SELECT cluster, id AS golden_id, false AS fresh FROM taken
UNION ALL
SELECT m.cluster, CAST(UUID_STRING('b0759858-e76b-5bf2-83cd-2b119a052fbf', 'customer' || chr(31) || m.source || chr(31) || coalesce(CAST(h.n AS VARCHAR(16777216)), '') || chr(31) || m.source_key) AS VARCHAR(36)) AS golden_id, true AS fresh
FROM fresh AS m
LEFT JOIN had AS h ON h.cluster = m.cluster;

-- MergeLog
WITH split AS (
  SELECT i.golden_id, min(i.cluster) AS cluster, ARRAY_AGG(ARRAY_CONSTRUCT(id, n)) WITHIN GROUP (ORDER BY n DESC NULLS LAST, id ASC NULLS LAST) AS former
  FROM (SELECT cluster, golden_id FROM ids AS i WHERE fresh) AS i
  JOIN claims AS c ON c.cluster = i.cluster
  GROUP BY i.golden_id
), lost AS (
  SELECT id, ARRAY_AGG(ARRAY_CONSTRUCT(golden_id, n)) WITHIN GROUP (ORDER BY n DESC NULLS LAST, cluster ASC NULLS LAST) AS heir, sum(n) AS n
  FROM (
    SELECT c.id, c.n, c.cluster, i.golden_id
    FROM (SELECT cluster, id, n FROM claims AS c WHERE NOT EXISTS (SELECT 1 FROM ids AS k WHERE k.golden_id = c.id)) AS c
    JOIN ids AS i ON i.cluster = c.cluster
  ) AS c
  GROUP BY id
)
SELECT CAST(NULL AS VARCHAR(16777216)) AS old_id, CAST(i.golden_id AS VARCHAR(16777216)) AS new_id, 'minted' AS kind, 'run-2' AS run_id, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS "AT", 'new records' AS cause
FROM ids AS i
WHERE i.fresh AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.cluster = i.cluster)
UNION ALL
SELECT CAST(CAST(c.former[0][0] AS VARCHAR(36)) AS VARCHAR(16777216)) AS old_id, CAST(c.golden_id AS VARCHAR(16777216)) AS new_id, 'split' AS kind, 'run-2' AS run_id, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS "AT", CAST(CAST(c.former[0][1] AS NUMBER(19,0)) AS VARCHAR(16777216)) || ' of its records were in the old golden record' AS cause
FROM split AS c
UNION ALL
SELECT CAST(c.id AS VARCHAR(16777216)) AS old_id, CAST(CAST(c.heir[0][0] AS VARCHAR(36)) AS VARCHAR(16777216)) AS new_id, 'merged' AS kind, 'run-2' AS run_id, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS "AT", CAST(CAST(c.heir[0][1] AS NUMBER(19,0)) AS VARCHAR(16777216)) || ' of the ' || CAST(c.n AS VARCHAR(16777216)) || ' records that are left of the old golden record are in the new one' AS cause
FROM lost AS c
UNION ALL
SELECT CAST(x.golden_id AS VARCHAR(16777216)) AS old_id, CAST(NULL AS VARCHAR(16777216)) AS new_id, 'retired' AS kind, 'run-2' AS run_id, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS "AT", 'all of its records are gone' AS cause
FROM (SELECT DISTINCT owned AS golden_id FROM members AS m WHERE cluster IS NULL) AS x
WHERE NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.id = x.golden_id);

-- Xref
SELECT m.source, m.source_key, CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, CASE WHEN m.owned = i.golden_id THEN m.owned_from ELSE CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) END AS valid_from, CAST(NULL AS TIMESTAMP_NTZ(6)) AS valid_to, CASE WHEN m.owned = i.golden_id THEN m.owned_run ELSE 'run-2' END AS run_id, m.record_hash
FROM members AS m
JOIN ids AS i ON i.cluster = m.cluster
UNION ALL
SELECT m.source, m.source_key, CAST(m.owned AS VARCHAR(16777216)), m.owned_from, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)), m.owned_run, m.owned_hash
FROM members AS m
LEFT JOIN ids AS i ON i.cluster = m.cluster
WHERE m.owned IS NOT NULL AND (i.golden_id IS NULL OR m.owned <> i.golden_id)
UNION ALL
SELECT source, source_key, golden_id, valid_from, valid_to, run_id, record_hash
FROM mdm.customer_xref AS x
WHERE valid_to IS NOT NULL;

-- Edges
SELECT x.source AS a_source, x.source_key AS a_key, y.source AS b_source, y.source_key AS b_key,
  e.weight, e.probability, e.verdict, e.rules, e.pattern, e."EMAIL", e."EMAIL_BITS"
FROM edges AS e
JOIN members AS x ON x._rec = e.a
JOIN members AS y ON y._rec = e.b;

-- Review
SELECT r.*, coalesce(p.first_run, 'run-2') AS first_run, coalesce(p.first_at, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6))) AS first_at
FROM (
SELECT 'pair' AS kind, x.source AS a_source, x.source_key AS a_key, y.source AS b_source, y.source_key AS b_key,
  CAST(i.golden_id AS VARCHAR(16777216)) AS a_golden_id, CAST(k.golden_id AS VARCHAR(16777216)) AS b_golden_id, e.weight, e.probability, e.verdict AS reason, e.rules AS detail
FROM edges AS e
JOIN members AS x ON x._rec = e.a
JOIN members AS y ON y._rec = e.b
JOIN ids AS i ON i.cluster = x.cluster
JOIN ids AS k ON k.cluster = y.cluster
WHERE e.verdict IN ('unsure', 'refused') AND x.cluster <> y.cluster
  AND NOT EXISTS (SELECT 1 FROM (
    SELECT least(p.cluster, q.cluster) AS less, greatest(p.cluster, q.cluster) AS more
    FROM edges AS s JOIN members AS p ON p._rec = s.a JOIN members AS q ON q._rec = s.b WHERE s.verdict = 'split'
  ) AS d WHERE d.less = least(x.cluster, y.cluster) AND d.more = greatest(x.cluster, y.cluster))
UNION ALL
SELECT 'block', CAST(NULL AS VARCHAR(16777216)), b."KEY", CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS FLOAT), CAST(NULL AS FLOAT), 'too many records share the key', b.rule || ': ' || CAST(b.records AS VARCHAR(16777216)) || ' records'
FROM blocks AS b
UNION ALL
SELECT 'parent', m.source, m.source_key, m.source, CAST(r."NICK" AS VARCHAR(16777216)), CAST(i.golden_id AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS FLOAT), CAST(NULL AS FLOAT), 'its parent is not there', 'parent'
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN ids AS i ON i.cluster = m.cluster
WHERE r."NICK" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM members AS p WHERE p._rec IS NOT NULL AND p.source = m.source AND p.source_key = CAST(r."NICK" AS VARCHAR(16777216)))
UNION ALL
SELECT 'parent', CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(NULL AS VARCHAR(16777216)), CAST(i.golden_id AS VARCHAR(16777216)), CAST(k.golden_id AS VARCHAR(16777216)), CAST(NULL AS FLOAT), CAST(NULL AS FLOAT), 'it is above itself', 'parent'
FROM parents AS p
JOIN ids AS i ON i.cluster = p.cluster
JOIN ids AS k ON k.cluster = p.parent
WHERE EXISTS (SELECT 1 FROM above AS a WHERE a.above = p.cluster)
) AS r
LEFT JOIN (
  SELECT kind, a_source, a_key, b_source, b_key, reason, min(first_run) AS first_run, min(first_at) AS first_at
  FROM mdm.customer_review AS p
  GROUP BY kind, a_source, a_key, b_source, b_key, reason
) AS p ON p.kind IS NOT DISTINCT FROM r.kind AND p.a_source IS NOT DISTINCT FROM r.a_source AND p.a_key IS NOT DISTINCT FROM r.a_key AND p.b_source IS NOT DISTINCT FROM r.b_source AND p.b_key IS NOT DISTINCT FROM r.b_key AND p.reason IS NOT DISTINCT FROM r.reason;

-- HouseholdMembers
WITH v AS (
SELECT * FROM (
WITH several AS (
  SELECT cluster, count(*) AS records
  FROM members AS m
  WHERE cluster IS NOT NULL
  GROUP BY cluster
  HAVING count(*) > 1
),
f3 AS (
SELECT c._cluster, c."STREET" AS _v0, c."CITY" AS _v1, count(*) AS _n
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."STREET", r."CITY"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN several AS n ON n.cluster = m.cluster
) AS c
WHERE c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL
GROUP BY c._cluster, c."STREET", c."CITY"
)
SELECT n.cluster, n.records, a.sources, CAST(a.u0[0][0] AS VARCHAR(16777216)) AS "NAME", CAST(a.u3[0][0] AS VARCHAR(16777216)) AS "STREET", CAST(a.u3[0][1] AS VARCHAR(16777216)) AS "CITY", CAST(a.u3[0][2] AS VARCHAR(16777216)) AS "_REL_STREET"
FROM several AS n
JOIN (
SELECT c._cluster, TO_JSON(ARRAY_AGG(DISTINCT c._source) WITHIN GROUP (ORDER BY c._source)) AS sources, ARRAY_AGG(CASE WHEN c."NAME" IS NOT NULL THEN ARRAY_CONSTRUCT(c."NAME") END) WITHIN GROUP (ORDER BY LENGTH(CAST(c."NAME" AS VARCHAR(16777216))) DESC NULLS LAST, c._rec ASC NULLS LAST) AS u0, ARRAY_AGG(CASE WHEN c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL THEN ARRAY_CONSTRUCT(c."STREET", c."CITY", c."_REL_STREET") END) WITHIN GROUP (ORDER BY CASE WHEN c."STREET" IS NULL THEN 0 ELSE 1 END + CASE WHEN c."CITY" IS NULL THEN 0 ELSE 1 END DESC NULLS LAST, f3._n DESC NULLS LAST, c._updated_at DESC NULLS LAST, c._rec ASC NULLS LAST) AS u3
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NAME", r."STREET", r."CITY", r."EMAIL", r."NICK", r."BORN", r."SCORE", s."STREET" AS "_REL_STREET"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN records AS s ON s._rec = r._rec
JOIN several AS n ON n.cluster = m.cluster
) AS c
LEFT JOIN f3 ON f3._cluster = c._cluster AND f3._v0 IS NOT DISTINCT FROM c."STREET" AND f3._v1 IS NOT DISTINCT FROM c."CITY"
GROUP BY c._cluster
) AS a ON a._cluster = n.cluster
UNION ALL
SELECT c._cluster AS cluster, 1 AS records, TO_JSON(ARRAY_CONSTRUCT_COMPACT(c._source)) AS sources, c."NAME" AS "NAME", c."STREET" AS "STREET", c."CITY" AS "CITY", CASE WHEN c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL THEN c."_REL_STREET" END AS "_REL_STREET"
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NAME", r."STREET", r."CITY", r."EMAIL", r."NICK", r."BORN", r."SCORE", s."STREET" AS "_REL_STREET"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN records AS s ON s._rec = r._rec
WHERE NOT EXISTS (SELECT 1 FROM several AS n WHERE n.cluster = m.cluster)
) AS c
) AS v
WHERE v."NAME" IS NOT NULL AND v."_REL_STREET" IS NOT NULL
), h AS (
SELECT "NAME", "_REL_STREET", min(cluster) AS first FROM v GROUP BY "NAME", "_REL_STREET"
)
SELECT v.cluster AS _rec, h.first AS cluster, CAST(i.golden_id AS VARCHAR(16777216)) AS source_key, CAST(p."HOUSEHOLD_ID" AS VARCHAR(36)) AS owned
FROM v
JOIN h ON h."NAME" = v."NAME" AND h."_REL_STREET" = v."_REL_STREET"
JOIN ids AS i ON i.cluster = v.cluster
LEFT JOIN mdm.customer_golden AS p ON p.golden_id = CAST(i.golden_id AS VARCHAR(16777216));

-- HouseholdClaims
WITH contested AS (
  SELECT c.cluster, c.id, c.n FROM claims AS c WHERE c.cluster IN (SELECT cluster FROM claims AS d GROUP BY cluster HAVING count(*) > 1)
  UNION
  SELECT c.cluster, c.id, c.n FROM claims AS c WHERE c.id IN (SELECT id FROM claims AS d GROUP BY id HAVING count(*) > 1)
), born AS (
  SELECT CAST(x."HOUSEHOLD_ID" AS VARCHAR(36)) AS id, min(x.first_seen) AS born
  FROM mdm.customer_xref AS x
  WHERE x."HOUSEHOLD_ID" IN (SELECT CAST(id AS VARCHAR(16777216)) FROM contested)
  GROUP BY x."HOUSEHOLD_ID"
)
SELECT c.cluster, c.id, c.n, b.born
FROM contested AS c
JOIN born AS b ON b.id = c.id;

-- HouseholdIDs
WITH taken AS (SELECT cluster, id FROM settled AS s UNION ALL SELECT cluster, id FROM won_1 AS w UNION ALL SELECT cluster, id FROM won_2 AS w), fresh AS (
  SELECT m.cluster, CAST(UUID_STRING('b0759858-e76b-5bf2-83cd-2b119a052fbf', 'customer' || chr(31) || 'household' || chr(31) || '2026-01-02T03:04:05.000000Z' || chr(31) || m.source_key || chr(31) || coalesce(CAST(m.owned AS VARCHAR(16777216)), '')) AS VARCHAR(36)) AS id
  FROM members AS m
  WHERE m._rec = m.cluster AND NOT EXISTS (SELECT 1 FROM taken AS t WHERE t.cluster = m.cluster)
)
SELECT m._rec AS cluster, coalesce(t.id, f.id) AS id
FROM members AS m
LEFT JOIN taken AS t ON t.cluster = m.cluster
LEFT JOIN fresh AS f ON f.cluster = m.cluster;

-- Parents
SELECT b.cluster, CAST(b.best[0][0] AS NUMBER(19,0)) AS parent
FROM (
  SELECT c._cluster AS cluster, ARRAY_AGG(ARRAY_CONSTRUCT(p.cluster)) WITHIN GROUP (ORDER BY c._updated_at DESC NULLS LAST, c._rec ASC NULLS LAST) AS best
  FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NICK"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
  ) AS c
  JOIN members AS p ON p.source = c._source AND p.source_key = CAST(c."NICK" AS VARCHAR(16777216))
  WHERE p._rec IS NOT NULL AND p.cluster <> c._cluster
  GROUP BY c._cluster
) AS b;

-- Climb
SELECT a.cluster, b.above
FROM above AS a
JOIN above AS b ON b.cluster = a.above;

-- ParentIDs
SELECT p.cluster, i.golden_id AS id
FROM parents AS p
JOIN ids AS i ON i.cluster = p.parent
WHERE NOT EXISTS (SELECT 1 FROM above AS a WHERE a.above = p.cluster);

-- Golden
SELECT g."GOLDEN_ID", g."NAME", g."BORN", g."HOUSEHOLD_ID", coalesce(g._was_seen, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6))) AS first_seen, CASE WHEN g._was_hash = HASH(g."NAME", g."BORN", g."HOUSEHOLD_ID") THEN g._was_changed ELSE CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) END AS last_changed
FROM (
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, s."NAME", s."EMAIL", s."NICK", s."STREET", s."CITY", s."BORN", s."SCORE", s."MAILS", s."NICKS", CAST(r0.id AS VARCHAR(16777216)) AS "HOUSEHOLD_ID", CAST(r1.id AS VARCHAR(16777216)) AS "PARENT_ID", CAST(s.records AS NUMBER(19,0)) AS records, s.sources, p.first_seen AS _was_seen, p.last_changed AS _was_changed, p.hash AS _was_hash
FROM (
WITH several AS (
  SELECT cluster, count(*) AS records
  FROM members AS m
  WHERE cluster IS NOT NULL
  GROUP BY cluster
  HAVING count(*) > 1
),
f2 AS (
SELECT c._cluster, c."NICK" AS _v0, count(*) AS _n
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NICK"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN several AS n ON n.cluster = m.cluster
) AS c
WHERE c."NICK" IS NOT NULL
GROUP BY c._cluster, c."NICK"
),
f3 AS (
SELECT c._cluster, c."STREET" AS _v0, c."CITY" AS _v1, count(*) AS _n
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."STREET", r."CITY"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN several AS n ON n.cluster = m.cluster
) AS c
WHERE c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL
GROUP BY c._cluster, c."STREET", c."CITY"
)
SELECT n.cluster, n.records, a.sources, CAST(a.u0[0][0] AS VARCHAR(16777216)) AS "NAME", CAST(a.u1[0][0] AS VARCHAR(16777216)) AS "EMAIL", CAST(a.u2[0][0] AS VARCHAR(16777216)) AS "NICK", CAST(a.u3[0][0] AS VARCHAR(16777216)) AS "STREET", CAST(a.u3[0][1] AS VARCHAR(16777216)) AS "CITY", CAST(a.u4[0][0] AS DATE) AS "BORN", CAST(a.u5[0][0] AS NUMBER(10,0)) AS "SCORE", a.u6 AS "MAILS", a.u7 AS "NICKS"
FROM several AS n
JOIN (
SELECT c._cluster, TO_JSON(ARRAY_AGG(DISTINCT c._source) WITHIN GROUP (ORDER BY c._source)) AS sources, ARRAY_AGG(CASE WHEN c."NAME" IS NOT NULL THEN ARRAY_CONSTRUCT(c."NAME") END) WITHIN GROUP (ORDER BY LENGTH(CAST(c."NAME" AS VARCHAR(16777216))) DESC NULLS LAST, c._rec ASC NULLS LAST) AS u0, ARRAY_AGG(CASE WHEN c."EMAIL" IS NOT NULL AND c."_OK_EMAIL" THEN ARRAY_CONSTRUCT(c."EMAIL") END) WITHIN GROUP (ORDER BY CAST(CASE c._source WHEN 'crm' THEN CASE WHEN c._updated_at IS NULL THEN 20 WHEN (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) <= 0 THEN 90 WHEN CAST(90 AS FLOAT) * power(0.5, (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) / 8.64e+06) < 20 THEN 20 ELSE CAST(90 AS FLOAT) * power(0.5, (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) / 8.64e+06) END WHEN 'shop' THEN 70 WHEN 'it''s old' THEN 10 END AS FLOAT) DESC NULLS LAST, c._rec ASC NULLS LAST) AS u1, ARRAY_AGG(CASE WHEN c."NICK" IS NOT NULL THEN ARRAY_CONSTRUCT(c."NICK") END) WITHIN GROUP (ORDER BY f2._n DESC NULLS LAST, c."NICK" ASC NULLS LAST, c._rec ASC NULLS LAST) AS u2, ARRAY_AGG(CASE WHEN c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL THEN ARRAY_CONSTRUCT(c."STREET", c."CITY") END) WITHIN GROUP (ORDER BY CASE WHEN c."STREET" IS NULL THEN 0 ELSE 1 END + CASE WHEN c."CITY" IS NULL THEN 0 ELSE 1 END DESC NULLS LAST, f3._n DESC NULLS LAST, c._updated_at DESC NULLS LAST, c._rec ASC NULLS LAST) AS u3, ARRAY_AGG(CASE WHEN c."BORN" IS NOT NULL THEN ARRAY_CONSTRUCT(c."BORN") END) WITHIN GROUP (ORDER BY c."BORN" ASC NULLS LAST, c._rec ASC NULLS LAST) AS u4, ARRAY_AGG(CASE WHEN c."SCORE" IS NOT NULL AND (score < 900) THEN ARRAY_CONSTRUCT(c."SCORE") END) WITHIN GROUP (ORDER BY c."SCORE" DESC NULLS LAST, c._rec ASC NULLS LAST) AS u5, TO_JSON(ARRAY_AGG(DISTINCT c."EMAIL") WITHIN GROUP (ORDER BY c."EMAIL")) AS u6, TO_JSON(ARRAY_AGG(c."NICK") WITHIN GROUP (ORDER BY c._rec)) AS u7
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NAME", r."EMAIL", s."EMAIL" IS NOT NULL AS "_OK_EMAIL", r."NICK", r."STREET", r."CITY", r."BORN", r."SCORE"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN records AS s ON s._rec = r._rec
JOIN several AS n ON n.cluster = m.cluster
) AS c
LEFT JOIN f2 ON f2._cluster = c._cluster AND f2._v0 = c."NICK"
LEFT JOIN f3 ON f3._cluster = c._cluster AND f3._v0 IS NOT DISTINCT FROM c."STREET" AND f3._v1 IS NOT DISTINCT FROM c."CITY"
GROUP BY c._cluster
) AS a ON a._cluster = n.cluster
UNION ALL
SELECT c._cluster AS cluster, 1 AS records, TO_JSON(ARRAY_CONSTRUCT_COMPACT(c._source)) AS sources, c."NAME" AS "NAME", CASE WHEN c."EMAIL" IS NOT NULL AND c."_OK_EMAIL" THEN c."EMAIL" END AS "EMAIL", c."NICK" AS "NICK", c."STREET" AS "STREET", c."CITY" AS "CITY", c."BORN" AS "BORN", CASE WHEN c."SCORE" IS NOT NULL AND (score < 900) THEN c."SCORE" END AS "SCORE", CASE WHEN c."EMAIL" IS NOT NULL THEN TO_JSON(ARRAY_CONSTRUCT_COMPACT(c."EMAIL")) END AS "MAILS", CASE WHEN c."NICK" IS NOT NULL THEN TO_JSON(ARRAY_CONSTRUCT_COMPACT(c."NICK")) END AS "NICKS"
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NAME", r."EMAIL", s."EMAIL" IS NOT NULL AS "_OK_EMAIL", r."NICK", r."STREET", r."CITY", r."BORN", r."SCORE"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN records AS s ON s._rec = r._rec
WHERE NOT EXISTS (SELECT 1 FROM several AS n WHERE n.cluster = m.cluster)
) AS c
) AS s
JOIN ids AS i ON i.cluster = s.cluster
LEFT JOIN households AS r0 ON r0.cluster = s.cluster
LEFT JOIN parent_ids AS r1 ON r1.cluster = s.cluster
LEFT JOIN (SELECT CAST(golden_id AS VARCHAR(36)) AS golden_id, first_seen, last_changed, HASH(p."NAME", p."BORN", p."HOUSEHOLD_ID") AS hash FROM mdm.customer_golden AS p) AS p ON p.golden_id = i.golden_id
) AS g;

-- Winners
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'name' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'longest' ELSE 'the first of its source and key' END AS decided, 'longest ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0
  FROM (
    SELECT c._rec, c._cluster, CAST(c."NAME" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY LENGTH(CAST(c."NAME" AS VARCHAR(16777216))) DESC NULLS LAST, c._rec ASC NULLS LAST) AS place, LENGTH(CAST(c."NAME" AS VARCHAR(16777216))) AS _f0
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NAME"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
    WHERE c."NAME" IS NOT NULL
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'email' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'most_trusted' ELSE 'the first of its source and key' END AS decided, 'most_trusted ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0
  FROM (
    SELECT c._rec, c._cluster, CAST(c."EMAIL" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY CAST(CASE c._source WHEN 'crm' THEN CASE WHEN c._updated_at IS NULL THEN 20 WHEN (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) <= 0 THEN 90 WHEN CAST(90 AS FLOAT) * power(0.5, (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) / 8.64e+06) < 20 THEN 20 ELSE CAST(90 AS FLOAT) * power(0.5, (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) / 8.64e+06) END WHEN 'shop' THEN 70 WHEN 'it''s old' THEN 10 END AS FLOAT) DESC NULLS LAST, c._rec ASC NULLS LAST) AS place, CAST(CASE c._source WHEN 'crm' THEN CASE WHEN c._updated_at IS NULL THEN 20 WHEN (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) <= 0 THEN 90 WHEN CAST(90 AS FLOAT) * power(0.5, (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) / 8.64e+06) < 20 THEN 20 ELSE CAST(90 AS FLOAT) * power(0.5, (CAST(DATE_PART(EPOCH_MICROSECOND, CAST(CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 - CAST(DATE_PART(EPOCH_MICROSECOND, CAST(c._updated_at AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000) / 8.64e+06) END WHEN 'shop' THEN 70 WHEN 'it''s old' THEN 10 END AS FLOAT) AS _f0
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."EMAIL", s."EMAIL" IS NOT NULL AS "_OK_EMAIL"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
JOIN records AS s ON s._rec = r._rec
) AS c
    WHERE c."EMAIL" IS NOT NULL AND c."_OK_EMAIL"
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'nick' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'most_frequent' WHEN NOT (w._f1 IS NOT DISTINCT FROM w._n1) THEN 'min' ELSE 'the first of its source and key' END AS decided, 'most_frequent ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') || chr(31) || 'min ' || coalesce(CAST(w._f1 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0, w._f1, lead(w._f1) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n1
  FROM (
    SELECT c._rec, c._cluster, CAST(c."NICK" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY f2._n DESC NULLS LAST, c."NICK" ASC NULLS LAST, c._rec ASC NULLS LAST) AS place, f2._n AS _f0, c."NICK" AS _f1
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NICK"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
LEFT JOIN (
SELECT c._cluster, c."NICK" AS _v0, count(*) AS _n
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NICK"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
WHERE c."NICK" IS NOT NULL
GROUP BY c._cluster, c."NICK"
) AS f2 ON f2._cluster = c._cluster AND f2._v0 = c."NICK"
    WHERE c."NICK" IS NOT NULL
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'street' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'most_complete' WHEN NOT (w._f1 IS NOT DISTINCT FROM w._n1) THEN 'most_frequent' WHEN NOT (w._f2 IS NOT DISTINCT FROM w._n2) THEN 'most_recent' ELSE 'the first of its source and key' END AS decided, 'most_complete ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') || chr(31) || 'most_frequent ' || coalesce(CAST(w._f1 AS VARCHAR(16777216)), 'unknown') || chr(31) || 'most_recent ' || coalesce(CAST(w._f2 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0, w._f1, lead(w._f1) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n1, w._f2, lead(w._f2) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n2
  FROM (
    SELECT c._rec, c._cluster, CAST(c."STREET" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY CASE WHEN c."STREET" IS NULL THEN 0 ELSE 1 END + CASE WHEN c."CITY" IS NULL THEN 0 ELSE 1 END DESC NULLS LAST, f3._n DESC NULLS LAST, c._updated_at DESC NULLS LAST, c._rec ASC NULLS LAST) AS place, CASE WHEN c."STREET" IS NULL THEN 0 ELSE 1 END + CASE WHEN c."CITY" IS NULL THEN 0 ELSE 1 END AS _f0, f3._n AS _f1, c._updated_at AS _f2
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."STREET", r."CITY", r."NAME", r."EMAIL", r."NICK", r."BORN", r."SCORE"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
LEFT JOIN (
SELECT c._cluster, c."STREET" AS _v0, c."CITY" AS _v1, count(*) AS _n
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."STREET", r."CITY"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
WHERE c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL
GROUP BY c._cluster, c."STREET", c."CITY"
) AS f3 ON f3._cluster = c._cluster AND f3._v0 IS NOT DISTINCT FROM c."STREET" AND f3._v1 IS NOT DISTINCT FROM c."CITY"
    WHERE c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'city' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'most_complete' WHEN NOT (w._f1 IS NOT DISTINCT FROM w._n1) THEN 'most_frequent' WHEN NOT (w._f2 IS NOT DISTINCT FROM w._n2) THEN 'most_recent' ELSE 'the first of its source and key' END AS decided, 'most_complete ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') || chr(31) || 'most_frequent ' || coalesce(CAST(w._f1 AS VARCHAR(16777216)), 'unknown') || chr(31) || 'most_recent ' || coalesce(CAST(w._f2 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0, w._f1, lead(w._f1) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n1, w._f2, lead(w._f2) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n2
  FROM (
    SELECT c._rec, c._cluster, CAST(c."CITY" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY CASE WHEN c."STREET" IS NULL THEN 0 ELSE 1 END + CASE WHEN c."CITY" IS NULL THEN 0 ELSE 1 END DESC NULLS LAST, f3._n DESC NULLS LAST, c._updated_at DESC NULLS LAST, c._rec ASC NULLS LAST) AS place, CASE WHEN c."STREET" IS NULL THEN 0 ELSE 1 END + CASE WHEN c."CITY" IS NULL THEN 0 ELSE 1 END AS _f0, f3._n AS _f1, c._updated_at AS _f2
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."STREET", r."CITY", r."NAME", r."EMAIL", r."NICK", r."BORN", r."SCORE"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
LEFT JOIN (
SELECT c._cluster, c."STREET" AS _v0, c."CITY" AS _v1, count(*) AS _n
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."STREET", r."CITY"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
WHERE c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL
GROUP BY c._cluster, c."STREET", c."CITY"
) AS f3 ON f3._cluster = c._cluster AND f3._v0 IS NOT DISTINCT FROM c."STREET" AND f3._v1 IS NOT DISTINCT FROM c."CITY"
    WHERE c."STREET" IS NOT NULL OR c."CITY" IS NOT NULL
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'born' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'min' ELSE 'the first of its source and key' END AS decided, 'min ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0
  FROM (
    SELECT c._rec, c._cluster, CAST(c."BORN" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY c."BORN" ASC NULLS LAST, c._rec ASC NULLS LAST) AS place, c."BORN" AS _f0
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."BORN"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
    WHERE c."BORN" IS NOT NULL
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'score' AS field, w.place, m.source, m.source_key, w._value AS "VALUE",
  CASE WHEN w._last THEN 'the last' WHEN NOT (w._f0 IS NOT DISTINCT FROM w._n0) THEN 'max' ELSE 'the first of its source and key' END AS decided, 'max ' || coalesce(CAST(w._f0 AS VARCHAR(16777216)), 'unknown') AS figures
FROM (
  SELECT w._rec, w._cluster, w._value, w.place, lead(w.place) OVER (PARTITION BY w._cluster ORDER BY w.place) IS NULL AS _last, w._f0, lead(w._f0) OVER (PARTITION BY w._cluster ORDER BY w.place) AS _n0
  FROM (
    SELECT c._rec, c._cluster, CAST(c."SCORE" AS VARCHAR(16777216)) AS _value, row_number() OVER (PARTITION BY c._cluster ORDER BY c."SCORE" DESC NULLS LAST, c._rec ASC NULLS LAST) AS place, c."SCORE" AS _f0
    FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."SCORE", r."NAME", r."EMAIL", r."NICK", r."STREET", r."CITY", r."BORN"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
    WHERE c."SCORE" IS NOT NULL AND (score < 900)
  ) AS w
) AS w
JOIN members AS m ON m._rec = w._rec
JOIN ids AS i ON i.cluster = w._cluster
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'mails' AS field, 1 AS place, m.source, m.source_key, CAST(c."EMAIL" AS VARCHAR(16777216)) AS "VALUE", 'collect distinct' AS decided, '' AS figures
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."EMAIL"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
JOIN members AS m ON m._rec = c._rec
JOIN ids AS i ON i.cluster = c._cluster
WHERE c."EMAIL" IS NOT NULL
UNION ALL
SELECT CAST(i.golden_id AS VARCHAR(16777216)) AS golden_id, 'nicks' AS field, 1 AS place, m.source, m.source_key, CAST(c."NICK" AS VARCHAR(16777216)) AS "VALUE", 'collect all' AS decided, '' AS figures
FROM (
SELECT m._rec, m.cluster AS _cluster, m.source AS _source, m.updated_at AS _updated_at, r."NICK"
FROM raw AS r
JOIN members AS m ON m._rec = r._rec
) AS c
JOIN members AS m ON m._rec = c._rec
JOIN ids AS i ON i.cluster = c._cluster
WHERE c."NICK" IS NOT NULL;

-- ClusterFigures
WITH sizes AS (
  SELECT cluster, count(*) AS n FROM members AS m WHERE cluster IS NOT NULL GROUP BY cluster
), stay AS (
  SELECT CASE WHEN m._rec IS NULL THEN 'gone' WHEN m.owned IS NULL THEN 'new' WHEN m.owned = i.golden_id THEN 'kept' ELSE 'moved' END AS is_now, count(*) AS n
  FROM members AS m LEFT JOIN ids AS i ON i.cluster = m.cluster
  GROUP BY is_now
)
SELECT 'records' AS metric, CAST(count(_rec) AS FLOAT) AS "VALUE", '' AS detail
FROM members AS m
UNION ALL
SELECT 'merged' AS metric, CAST(COUNT_IF(_rec <> cluster) AS FLOAT) AS "VALUE", '' AS detail
FROM members AS m
UNION ALL
SELECT 'duplicate_share' AS metric, CAST(CAST(COUNT_IF(_rec <> cluster) AS FLOAT) / nullif(count(_rec), 0) AS FLOAT) AS "VALUE", '' AS detail
FROM members AS m
UNION ALL
SELECT 'golden' AS metric, CAST(count(*) AS FLOAT) AS "VALUE", '' AS detail
FROM ids AS i
UNION ALL
SELECT 'largest_cluster' AS metric, CAST(coalesce(max(n), 0) AS FLOAT) AS "VALUE", '' AS detail
FROM sizes AS c
UNION ALL
SELECT 'cluster_size' AS metric, CAST(count(*) AS FLOAT) AS "VALUE", size AS detail
FROM (SELECT CASE WHEN n <= 5 THEN CAST(n AS VARCHAR(16777216)) WHEN n <= 10 THEN '6 to 10' WHEN n <= 20 THEN '11 to 20' WHEN n <= 50 THEN '21 to 50' ELSE 'over 50' END AS size FROM sizes AS c) AS s GROUP BY size
UNION ALL
SELECT 'edges' AS metric, CAST(count(*) AS FLOAT) AS "VALUE", verdict AS detail
FROM edges AS e GROUP BY verdict
UNION ALL
SELECT 'records_before' AS metric, CAST(n AS FLOAT) AS "VALUE", is_now AS detail
FROM stay AS s
UNION ALL
SELECT 'golden_churn' AS metric, CAST(coalesce(CAST(sum(CASE WHEN is_now = 'moved' THEN n ELSE 0 END) AS FLOAT) / nullif(sum(CASE WHEN is_now IN ('kept', 'moved') THEN n ELSE 0 END), 0), 0) AS FLOAT) AS "VALUE", '' AS detail
FROM stay AS s
UNION ALL
SELECT 'gone_share' AS metric, CAST(coalesce(CAST(sum(CASE WHEN is_now = 'gone' THEN n ELSE 0 END) AS FLOAT) / nullif(sum(CASE WHEN is_now <> 'new' THEN n ELSE 0 END), 0), 0) AS FLOAT) AS "VALUE", '' AS detail
FROM stay AS s;

-- Quality
SELECT 'run-2' AS run_id, CAST('2026-01-02 03:04:05.000000' AS TIMESTAMP_NTZ(6)) AS "AT", 'cluster_size' AS metric, CAST('2' AS FLOAT) AS "VALUE", '1' AS detail;

