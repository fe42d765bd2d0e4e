-- not_null: a
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" IS NULL) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- not_null: [a, b]
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" IS NULL OR "b" IS NULL) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- unique: a
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT "a", count(*) AS n FROM "erp"."t" WHERE "a" IS NOT NULL GROUP BY "a" HAVING count(*) > 1) AS k;
-- unique: n
SELECT 5, coalesce(sum(n_), 0), count(*) FROM (SELECT "n", count(*) AS n_ FROM "erp"."t" WHERE "n" IS NOT NULL GROUP BY "n" HAVING count(*) > 1) AS k;
-- unique: [a, b]
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT "a", "b", count(*) AS n FROM "erp"."t" WHERE "a" IS NOT NULL AND "b" IS NOT NULL GROUP BY "a", "b" HAVING count(*) > 1) AS k;
-- unique: { column_name: "a || b" }
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT (a || b
), count(*) AS n FROM "erp"."t" WHERE (a || b
) IS NOT NULL GROUP BY (a || b
) HAVING count(*) > 1) AS k;
-- accepted_values: { column: a, values: [x, y] }
SELECT count(*), count_if("_millrace_fails_1"), count(DISTINCT "a") FILTER (WHERE "_millrace_fails_1") FROM (SELECT *,
  (NOT list_contains(['x', 'y'], "a")) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- accepted_values: { column: a, values: [1, 2], quote: false }
SELECT count(*), count_if("_millrace_fails_1"), count(DISTINCT "a") FILTER (WHERE "_millrace_fails_1") FROM (SELECT *,
  ("a" NOT BETWEEN 1 AND 2) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- accepted_values: { column: a, values: ["it's", null] }
SELECT count(*), count_if("_millrace_fails_1"), count(DISTINCT "a") FILTER (WHERE "_millrace_fails_1") FROM (SELECT *,
  (NOT list_contains(['it''s'], "a")) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- rejected_values: { column: a, values: [x] }
SELECT count(*), count_if("_millrace_fails_1"), count(DISTINCT "a") FILTER (WHERE "_millrace_fails_1") FROM (SELECT *,
  (list_contains(['x'], "a")) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- relationships: { column: a, to: ref('parent'), field: id }
SELECT count(*), count_if("_millrace_fails_1"), count(DISTINCT "a") FILTER (WHERE "_millrace_fails_1") FROM (SELECT *,
  ("a" IS NOT NULL AND NOT "a" IN (SELECT "id" FROM (VALUES (1), (2), (2), (NULL)) AS p(id) WHERE "id" IS NOT NULL)) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- range: { column: a, min: 2, max: 4 }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" < 2 OR "a" > 4) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- range: { column: a, min: 2, max: 4, strictly: true }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" <= 2 OR "a" >= 4) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- range: { column: a, min: 0.005 }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" < 0.005) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- range: { column: a, min: 0, max: 10 }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" < 0 OR "a" > 10 OR isnan("a")) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- range: { column: a, min: 0 }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" < 0 OR isnan("a")) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- range: { column: a, min: '2024-01-02' }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ("a" < '2024-01-02') AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- length: { column: a, min: 2, max: 3 }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (length("a") < 2 OR length("a") > 3) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- regex: { column: a, pattern: '[A-Z]{2}' }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (NOT ("a" GLOB '[A-Z][A-Z]')) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- regex: { column: a, pattern: '[A-Z]{2}', match: partial }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (NOT regexp_matches("a", '[A-Z]{2}')) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- regex: { column: a, pattern: '[A-Z]{2}', not: true }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (("a" GLOB '[A-Z][A-Z]')) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- expression: a > 1 -- said so
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (NOT (a > 1 -- said so
)) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- expression: { expression: a > 1, 'null': fail }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (NOT coalesce(CAST((a > 1
) AS BOOLEAN), false)) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- expression: { expression: a || '', 'null': fail }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (NOT coalesce(CAST((a || ''
) AS BOOLEAN), false)) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- expression: { expression: a * 1, 'null': fail }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  (NOT coalesce(CAST((a * 1
) AS BOOLEAN), false)) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- not_null: { column: a, where: b = 1 }
SELECT count(*), count_if("_millrace_fails_1") FROM (SELECT *,
  ((b = 1
) AND ("a" IS NULL)) AS "_millrace_fails_1"
FROM "erp"."t") AS t;
-- unique: { column: a, where: b = 1 }
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT "a", count(*) AS n FROM "erp"."t" WHERE "a" IS NOT NULL AND (b = 1
) GROUP BY "a" HAVING count(*) > 1) AS k;
