-- not_null: a
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" IS NULL) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- not_null: [a, b]
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" IS NULL OR "B" IS NULL) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- unique: a
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT "A", count(*) AS n FROM "ERP"."T" WHERE "A" IS NOT NULL GROUP BY "A" HAVING count(*) > 1) AS k;
-- unique: n
SELECT 5, coalesce(sum(n_), 0), count(*) FROM (SELECT "N", count(*) AS n_ FROM "ERP"."T" WHERE "N" IS NOT NULL GROUP BY "N" HAVING count(*) > 1) AS k;
-- unique: [a, b]
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT "A", "B", count(*) AS n FROM "ERP"."T" WHERE "A" IS NOT NULL AND "B" IS NOT NULL GROUP BY "A", "B" HAVING count(*) > 1) AS k;
-- unique: { column_name: "a || b" }
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT (a || b
), count(*) AS n FROM "ERP"."T" WHERE (a || b
) IS NOT NULL GROUP BY (a || b
) HAVING count(*) > 1) AS k;
-- accepted_values: { column: a, values: [x, y] }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1"), COUNT(DISTINCT CASE WHEN "_MILLRACE_FAILS_1" THEN "A" END) FROM (SELECT *,
  (NOT ("A" IN ('x', 'y'))) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- accepted_values: { column: a, values: [1, 2], quote: false }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1"), COUNT(DISTINCT CASE WHEN "_MILLRACE_FAILS_1" THEN "A" END) FROM (SELECT *,
  ("A" NOT BETWEEN 1 AND 2) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- accepted_values: { column: a, values: ["it's", null] }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1"), COUNT(DISTINCT CASE WHEN "_MILLRACE_FAILS_1" THEN "A" END) FROM (SELECT *,
  (NOT ("A" IN ('it''s'))) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- rejected_values: { column: a, values: [x] }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1"), COUNT(DISTINCT CASE WHEN "_MILLRACE_FAILS_1" THEN "A" END) FROM (SELECT *,
  (("A" IN ('x'))) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- relationships: { column: a, to: ref('parent'), field: id }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1"), COUNT(DISTINCT CASE WHEN "_MILLRACE_FAILS_1" THEN "A" END) FROM (SELECT *,
  ("A" IS NOT NULL AND NOT "A" IN (SELECT "ID" FROM (VALUES (1), (2), (2), (NULL)) AS p(id) WHERE "ID" IS NOT NULL)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- range: { column: a, min: 2, max: 4 }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" < 2 OR "A" > 4) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- range: { column: a, min: 2, max: 4, strictly: true }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" <= 2 OR "A" >= 4) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- range: { column: a, min: 0.005 }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" < 0.005) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- range: { column: a, min: 0, max: 10 }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" < 0 OR "A" > 10 OR "A" = CAST('NaN' AS FLOAT)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- range: { column: a, min: 0 }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" < 0 OR "A" = CAST('NaN' AS FLOAT)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- range: { column: a, min: '2024-01-02' }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ("A" < '2024-01-02') AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- length: { column: a, min: 2, max: 3 }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (LENGTH("A") < 2 OR LENGTH("A") > 3) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- regex: { column: a, pattern: '[A-Z]{2}' }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (NOT REGEXP_LIKE("A", '([A-Z]{2})')) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- regex: { column: a, pattern: '[A-Z]{2}', match: partial }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (NOT (REGEXP_INSTR("A", '[A-Z]{2}') > 0)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- regex: { column: a, pattern: '[A-Z]{2}', not: true }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (REGEXP_LIKE("A", '([A-Z]{2})')) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- expression: a > 1 -- said so
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (NOT (a > 1 -- said so
)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- expression: { expression: a > 1, 'null': fail }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (NOT coalesce(CAST((a > 1
) AS BOOLEAN), false)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- expression: { expression: a || '', 'null': fail }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (NOT coalesce(CAST((a || ''
) AS BOOLEAN), false)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- expression: { expression: a * 1, 'null': fail }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  (NOT coalesce(CAST((a * 1
) AS BOOLEAN), false)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- not_null: { column: a, where: b = 1 }
SELECT count(*), COUNT_IF("_MILLRACE_FAILS_1") FROM (SELECT *,
  ((b = 1
) AND ("A" IS NULL)) AS "_MILLRACE_FAILS_1"
FROM "ERP"."T") AS t;
-- unique: { column: a, where: b = 1 }
SELECT 5, coalesce(sum(n), 0), count(*) FROM (SELECT "A", count(*) AS n FROM "ERP"."T" WHERE "A" IS NOT NULL AND (b = 1
) GROUP BY "A" HAVING count(*) > 1) AS k;
