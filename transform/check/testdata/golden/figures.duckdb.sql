-- row_count: { min: 1 }
SELECT count(*), count(*) FROM (SELECT *
FROM "erp"."t") AS t;
-- row_count: { min: 1, where: a > 3 }
SELECT count(*), count_if(a > 3
) FROM (SELECT *
FROM "erp"."t") AS t;
-- volume: { where: a > 3 }
SELECT count(*), count_if(a > 3
) FROM (SELECT *
FROM "erp"."t") AS t;
-- freshness: { column: a, error_after: 1d }
SELECT count(*), epoch(CAST(max("a") AS TIMESTAMP)) FROM (SELECT *
FROM "erp"."t") AS t;
-- freshness: { column: a, error_after: 1d, where: b = 1 }
SELECT count(*), epoch(CAST(max(CASE WHEN b = 1
THEN "a" END) AS TIMESTAMP)) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: mean, max: 9 }
SELECT count(*), CAST(avg(CAST("a" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: stddev, max: 9 }
SELECT count(*), CAST(stddev_samp(CAST("a" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: sum, max: 9 }
SELECT count(*), CAST(sum(CAST("a" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: min, max: 9 }
SELECT count(*), CAST(min(CAST("a" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: max, max: 9, where: b = 1 }
SELECT count(*), CAST(max(CAST(CASE WHEN b = 1
THEN "a" END AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: median, max: 9 }
SELECT count(*), CAST(approx_quantile(CAST("a" AS DOUBLE), 0.5) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: null_share, max: 0.9 }
SELECT count(*), CAST(1 - CAST(count("a") AS DOUBLE) / nullif(count(*), 0) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: distinct, max: 9 }
SELECT count(*), CAST(approx_count_distinct("a") AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: distinct_share, max: 0.9 }
SELECT count(*), CAST(CAST(approx_count_distinct("a") AS DOUBLE) / nullif(count("a"), 0) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
-- distribution: { column: a, metric: zero_share, max: 0.9 }
SELECT count(*), CAST(CAST(count_if(CAST("a" AS DOUBLE) = 0) AS DOUBLE) / nullif(count(CAST("a" AS DOUBLE)), 0) AS DOUBLE) FROM (SELECT *
FROM "erp"."t") AS t;
