-- row_count: { min: 1 }
SELECT count(*), count(*) FROM (SELECT *
FROM "ERP"."T") AS t;
-- row_count: { min: 1, where: a > 3 }
SELECT count(*), COUNT_IF(a > 3
) FROM (SELECT *
FROM "ERP"."T") AS t;
-- volume: { where: a > 3 }
SELECT count(*), COUNT_IF(a > 3
) FROM (SELECT *
FROM "ERP"."T") AS t;
-- freshness: { column: a, error_after: 1d }
SELECT count(*), CAST(DATE_PART(EPOCH_MICROSECOND, CAST(max("A") AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 FROM (SELECT *
FROM "ERP"."T") AS t;
-- freshness: { column: a, error_after: 1d, where: b = 1 }
SELECT count(*), CAST(DATE_PART(EPOCH_MICROSECOND, CAST(max(CASE WHEN b = 1
THEN "A" END) AS TIMESTAMP_NTZ(6))) AS FLOAT) / 1000000 FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: mean, max: 9 }
SELECT count(*), CAST(avg(CAST("A" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: stddev, max: 9 }
SELECT count(*), CAST(stddev_samp(CAST("A" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: sum, max: 9 }
SELECT count(*), CAST(sum(CAST("A" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: min, max: 9 }
SELECT count(*), CAST(min(CAST("A" AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: max, max: 9, where: b = 1 }
SELECT count(*), CAST(max(CAST(CASE WHEN b = 1
THEN "A" END AS DOUBLE)) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: median, max: 9 }
SELECT count(*), CAST(APPROX_PERCENTILE(CAST("A" AS DOUBLE), 0.5) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: null_share, max: 0.9 }
SELECT count(*), CAST(1 - CAST(count("A") AS DOUBLE) / nullif(count(*), 0) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: distinct, max: 9 }
SELECT count(*), CAST(approx_count_distinct("A") AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: distinct_share, max: 0.9 }
SELECT count(*), CAST(CAST(approx_count_distinct("A") AS DOUBLE) / nullif(count("A"), 0) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
-- distribution: { column: a, metric: zero_share, max: 0.9 }
SELECT count(*), CAST(CAST(COUNT_IF(CAST("A" AS DOUBLE) = 0) AS DOUBLE) / nullif(count(CAST("A" AS DOUBLE)), 0) AS DOUBLE) FROM (SELECT *
FROM "ERP"."T") AS t;
