SELECT approx_quantile(x, 0.1), approx_quantile(x, 0.2), approx_quantile(x, 0.3), approx_quantile(x, 0.4), approx_quantile(x, 0.5), approx_quantile(x, 0.6), approx_quantile(x, 0.7), approx_quantile(x, 0.8), approx_quantile(x, 0.9) FROM (SELECT epoch(CAST(v AS TIMESTAMP)) AS x FROM (
SELECT before
) AS b) AS q WHERE isfinite(x);
SELECT class, count_if(NOT here), count_if(here) FROM (
SELECT CASE WHEN x IS NULL THEN 0 WHEN NOT isfinite(x) THEN 11 WHEN x <= 1 THEN 1 WHEN x <= 2.5 THEN 2 WHEN x <= 1e+100 THEN 3 ELSE 10 END AS class, here FROM (
SELECT epoch(CAST(v AS TIMESTAMP)) AS x, false AS here FROM (
SELECT before
) AS b
UNION ALL
SELECT epoch(CAST(v AS TIMESTAMP)), true FROM (
SELECT now
) AS n
) AS s
) AS c GROUP BY class;
SELECT class, count_if(NOT here), count_if(here) FROM (
SELECT CASE WHEN s.x IS NULL THEN 0 ELSE coalesce(t.class, 51) END AS class, here FROM (
SELECT CAST(v AS VARCHAR) AS x, false AS here FROM (
SELECT before
) AS b
UNION ALL
SELECT CAST(v AS VARCHAR), true FROM (
SELECT now
) AS n
) AS s LEFT JOIN (SELECT x, row_number() OVER (ORDER BY n DESC NULLS LAST, x ASC NULLS LAST) AS class FROM (SELECT CAST(v AS VARCHAR) AS x, count(*) AS n FROM (
SELECT before
) AS b WHERE v IS NOT NULL GROUP BY 1 ORDER BY n DESC NULLS LAST, x ASC NULLS LAST LIMIT 50) AS g) AS t ON s.x = t.x
) AS c GROUP BY class;
