SELECT count(*),
  count("am""ount"),
  approx_count_distinct("am""ount"),
  CAST(min("am""ount") FILTER (isfinite("am""ount")) AS VARCHAR),
  CAST(max("am""ount") FILTER (isfinite("am""ount")) AS VARCHAR),
  min(CAST("am""ount" AS DOUBLE)) FILTER (isfinite("am""ount")),
  max(CAST("am""ount" AS DOUBLE)) FILTER (isfinite("am""ount")),
  avg(CAST("am""ount" AS DOUBLE)) FILTER (abs(CAST("am""ount" AS DOUBLE)) < 1e150),
  stddev_samp(CAST("am""ount" AS DOUBLE)) FILTER (abs(CAST("am""ount" AS DOUBLE)) < 1e150),
  count(*) FILTER (isfinite("am""ount") AND abs(CAST("am""ount" AS DOUBLE)) >= 1e150),
  count(*) FILTER ("am""ount" = 0),
  count(*) FILTER ("am""ount" < 0),
  count(*) FILTER (isnan("am""ount")),
  count(*) FILTER (isinf("am""ount")),
  count("status"),
  approx_count_distinct("status"),
  min(length("status")),
  max(length("status")),
  avg(length("status")),
  left(min("status"), 201),
  left(max("status"), 201),
  count(*) FILTER ("status" = ''),
  count(*) FILTER (left("status", 1) IN (' ', chr(9), chr(10), chr(13), chr(160)) OR right("status", 1) IN (' ', chr(9), chr(10), chr(13), chr(160))),
  count("day"),
  approx_count_distinct("day"),
  CAST(min("day") AS VARCHAR),
  CAST(max("day") AS VARCHAR),
  epoch(min("day") FILTER (isfinite("day"))),
  epoch(max("day") FILTER (isfinite("day"))),
  count(*) FILTER (NOT isfinite("day")),
  count("blob"),
  approx_count_distinct("blob"),
  min(octet_length("blob")),
  max(octet_length("blob")),
  avg(octet_length("blob")),
  count("list"),
  approx_count_distinct("list"),
  min(len("list")),
  max(len("list")),
  avg(len("list"))
FROM (
SELECT * FROM "erp"."orders"
) AS r;

WITH v AS MATERIALIZED (
SELECT "am""ount" AS v, count(*) AS n FROM (
SELECT * FROM "erp"."orders"
) AS r WHERE "am""ount" IS NOT NULL GROUP BY 1
), upto AS (
SELECT v, sum(n) OVER (ORDER BY v ROWS UNBOUNDED PRECEDING) AS n, sum(n) OVER () AS total FROM v WHERE isfinite(CAST(v AS DOUBLE))
)
SELECT 'distinct' AS fact, NULL AS label, count(*) AS n, NULL AS x FROM v
UNION ALL
SELECT 'least', NULL, min(n), NULL FROM v
UNION ALL
SELECT 'most', NULL, max(n), NULL FROM v
UNION ALL
(SELECT 'top', left(CAST(v AS VARCHAR), 201), n, NULL FROM v ORDER BY n DESC, v LIMIT 21)
UNION ALL
SELECT 'quantile', CAST(min(v) AS VARCHAR), NULL, q FROM upto, (VALUES (5), (25), (50), (75), (95)) AS p(q) WHERE n * 100 >= q * total GROUP BY q
UNION ALL
SELECT 'bin', NULL, CAST(sum(n) AS BIGINT), least(floor((CAST(v AS DOUBLE) - CAST('0e+00' AS DOUBLE)) / CAST('5e-01' AS DOUBLE)), 19) AS bin FROM v WHERE isfinite(CAST(v AS DOUBLE)) GROUP BY bin;

WITH v AS MATERIALIZED (
SELECT "status" AS v, count(*) AS n FROM (
SELECT * FROM "erp"."orders"
) AS r WHERE "status" IS NOT NULL GROUP BY 1
)
SELECT 'distinct' AS fact, NULL AS label, count(*) AS n, NULL AS x FROM v
UNION ALL
SELECT 'least', NULL, min(n), NULL FROM v
UNION ALL
SELECT 'most', NULL, max(n), NULL FROM v
UNION ALL
(SELECT 'top', left(CAST(v AS VARCHAR), 201), n, NULL FROM v ORDER BY n DESC, v LIMIT 21)
UNION ALL
SELECT 'pattern', unnest(['email', 'uuid', 'url', 'date', 'number']), CAST(unnest([sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[A-Za-z0-9._%+''-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, 'https?://[^\s]+')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4})([ T][0-9:.]+(Z|[+-][0-9:]+)?)?')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,3}(\.[0-9]{3})+)([.,][0-9]+)?'))]) AS BIGINT), NULL FROM v
UNION ALL
(SELECT 'shape', CASE WHEN strlen(v) = length(v) THEN translate(v, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'AAAAAAAAAAAAAAAAAAAAAAAAAAaaaaaaaaaaaaaaaaaaaaaaaaaa9999999999') ELSE regexp_replace(regexp_replace(regexp_replace(v, '[\p{Ll}\p{Lm}\p{Lo}]', 'a', 'g'), '[\p{Lu}\p{Lt}]', 'A', 'g'), '\p{Nd}', '9', 'g') END AS shape, CAST(sum(n) AS BIGINT), NULL FROM v WHERE length(v) BETWEEN 1 AND 40 GROUP BY shape ORDER BY 3 DESC, 2 LIMIT 21);

WITH v AS MATERIALIZED (
SELECT any_value(left("note", 201)) AS v, count(*) AS n FROM (
SELECT * FROM "erp"."orders"
) AS r WHERE "note" IS NOT NULL GROUP BY md5("note")
)
SELECT 'distinct' AS fact, NULL AS label, count(*) AS n, NULL AS x FROM v
UNION ALL
SELECT 'least', NULL, min(n), NULL FROM v
UNION ALL
SELECT 'most', NULL, max(n), NULL FROM v
UNION ALL
(SELECT 'top', left(CAST(v AS VARCHAR), 201), n, NULL FROM v ORDER BY n DESC, v LIMIT 21)
UNION ALL
SELECT 'pattern', unnest(['email', 'uuid', 'url', 'date', 'number']), CAST(unnest([sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[A-Za-z0-9._%+''-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, 'https?://[^\s]+')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4})([ T][0-9:.]+(Z|[+-][0-9:]+)?)?')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,3}(\.[0-9]{3})+)([.,][0-9]+)?'))]) AS BIGINT), NULL FROM v
UNION ALL
(SELECT 'shape', CASE WHEN strlen(v) = length(v) THEN translate(v, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'AAAAAAAAAAAAAAAAAAAAAAAAAAaaaaaaaaaaaaaaaaaaaaaaaaaa9999999999') ELSE regexp_replace(regexp_replace(regexp_replace(v, '[\p{Ll}\p{Lm}\p{Lo}]', 'a', 'g'), '[\p{Lu}\p{Lt}]', 'A', 'g'), '\p{Nd}', '9', 'g') END AS shape, CAST(sum(n) AS BIGINT), NULL FROM v WHERE length(v) BETWEEN 1 AND 40 GROUP BY shape ORDER BY 3 DESC, 2 LIMIT 21);

WITH v AS MATERIALIZED (
SELECT "day" AS v, count(*) AS n FROM (
SELECT * FROM "erp"."orders"
) AS r WHERE "day" IS NOT NULL GROUP BY 1
)
SELECT 'distinct' AS fact, NULL AS label, count(*) AS n, NULL AS x FROM v
UNION ALL
SELECT 'least', NULL, min(n), NULL FROM v
UNION ALL
SELECT 'most', NULL, max(n), NULL FROM v
UNION ALL
(SELECT 'top', left(CAST(v AS VARCHAR), 201), n, NULL FROM v ORDER BY n DESC, v LIMIT 21)
UNION ALL
SELECT 'bin', NULL, CAST(sum(n) AS BIGINT), least(floor((epoch(v) - CAST('0e+00' AS DOUBLE)) / CAST('8.64e+04' AS DOUBLE)), 1) AS bin FROM v WHERE isfinite(v) GROUP BY bin;

WITH v AS NOT MATERIALIZED (
SELECT "am""ount" AS v, 1 AS n FROM (
SELECT * FROM "erp"."orders"
) AS r WHERE "am""ount" IS NOT NULL
)
SELECT 'candidate' AS fact, unnest(approx_top_k(left(CAST(v AS VARCHAR), 201), 10)) AS label, NULL AS n, NULL AS x FROM v
UNION ALL
SELECT 'quantile', unnest(CAST(approx_quantile(v, [0.05, 0.25, 0.5, 0.75, 0.95]) AS VARCHAR[])), NULL, unnest([5, 25, 50, 75, 95]) FROM v WHERE isfinite(CAST(v AS DOUBLE))
UNION ALL
SELECT 'bin', NULL, CAST(sum(n) AS BIGINT), least(floor((CAST(v AS DOUBLE) - CAST('0e+00' AS DOUBLE)) / CAST('5e-01' AS DOUBLE)), 19) AS bin FROM v WHERE isfinite(CAST(v AS DOUBLE)) GROUP BY bin;

WITH v AS NOT MATERIALIZED (
SELECT left("status", 201) AS v, 1 AS n FROM (
SELECT * FROM "erp"."orders"
) AS r WHERE "status" IS NOT NULL
), taken AS MATERIALIZED (
SELECT * FROM v USING SAMPLE reservoir(10000 ROWS)
)
SELECT 'candidate' AS fact, unnest(approx_top_k(left(CAST(v AS VARCHAR), 201), 10)) AS label, NULL AS n, NULL AS x FROM v
UNION ALL
SELECT 'pattern', unnest(['email', 'uuid', 'url', 'date', 'number']), CAST(unnest([sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[A-Za-z0-9._%+''-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, 'https?://[^\s]+')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4})([ T][0-9:.]+(Z|[+-][0-9:]+)?)?')), sum(n) FILTER (length(v) <= 200 AND regexp_full_match(v, '[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,3}(\.[0-9]{3})+)([.,][0-9]+)?'))]) AS BIGINT), NULL FROM v
UNION ALL
SELECT 'sampled', NULL, count(*), NULL FROM taken
UNION ALL
(SELECT 'shape', CASE WHEN strlen(v) = length(v) THEN translate(v, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'AAAAAAAAAAAAAAAAAAAAAAAAAAaaaaaaaaaaaaaaaaaaaaaaaaaa9999999999') ELSE regexp_replace(regexp_replace(regexp_replace(v, '[\p{Ll}\p{Lm}\p{Lo}]', 'a', 'g'), '[\p{Lu}\p{Lt}]', 'A', 'g'), '\p{Nd}', '9', 'g') END AS shape, CAST(sum(n) AS BIGINT), NULL FROM taken WHERE length(v) BETWEEN 1 AND 40 GROUP BY shape ORDER BY 3 DESC, 2 LIMIT 21);

SELECT 'top' AS fact, v AS label, count(*) AS n, NULL AS x
FROM (SELECT left(CAST("status" AS VARCHAR), 201) AS v FROM (
SELECT * FROM "erp"."orders"
) AS r) AS t
WHERE v IN ('a', 'it''s') GROUP BY v ORDER BY n DESC, v;

SELECT count(*) FROM (
SELECT 1 FROM (
SELECT * FROM "erp"."orders"
) AS r GROUP BY "id"
) AS k;

SELECT approx_count_distinct(hash("id", "day"))
FROM (
SELECT * FROM "erp"."orders"
) AS r;

SELECT count(*) FROM (
SELECT 1 FROM (
SELECT * FROM "erp"."orders"
) AS r GROUP BY "id", "day" HAVING count(*) > 1 LIMIT 1
) AS k;

SELECT count(*) FILTER (false),
  count(*) FILTER ("id" IS NULL)
FROM (
SELECT * FROM "erp"."orders"
) AS r;

SELECT * FROM (
SELECT * FROM "erp"."orders"
) AS r USING SAMPLE reservoir(100 ROWS);

SELECT * FROM (SELECT * FROM (
SELECT * FROM "erp"."orders"
) AS r USING SAMPLE bernoulli(20.707106781186546 PERCENT)) AS s LIMIT 20000;
