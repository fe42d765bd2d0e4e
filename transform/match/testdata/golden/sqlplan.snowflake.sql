-- Oversized
SELECT 0 AS rule, n AS records FROM (SELECT r."NAME", count(*) AS n FROM records AS r WHERE r."NAME" IS NOT NULL GROUP BY r."NAME" HAVING count(*) > 500) AS o;

-- Count
SELECT pattern, rules, count(*) AS pairs
FROM (
WITH records AS (
SELECT r._rec, r._source, r."NAME" AS "NAME", r."BORN" AS "BORN", CASE WHEN NOT (r."AMOUNT" = CAST('NaN' AS FLOAT)) THEN r."AMOUNT" END AS "AMOUNT", CASE WHEN ARRAY_SIZE(PARSE_JSON(r."TAGS")) > 0 THEN PARSE_JSON(r."TAGS") END AS "TAGS", ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(translate(r."NAME", '	
                 　', '                        '), ' ')), ARRAY_CONSTRUCT('')) AS _p0, _w0.terms AS _p1, _w0.square AS _p2, _g0.terms AS _p3, _g0.square AS _p4, EXISTS (SELECT 1 FROM (SELECT r."NAME", count(*) AS n FROM records AS r WHERE r."NAME" IS NOT NULL GROUP BY r."NAME" HAVING count(*) > 500) AS o WHERE o."NAME" = r."NAME") AS _over0
FROM records AS r
LEFT JOIN (SELECT t._rec, ARRAY_AGG(CAST(w.weight AS VARCHAR) || ' ' || t.term) AS terms, CAST(SUM(w.weight * w.weight) AS FLOAT) AS square FROM (SELECT DISTINCT r._rec, CAST(w.value AS VARCHAR) AS term FROM records AS r, LATERAL FLATTEN(INPUT => ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(translate(r."NAME", '	
                 　', '                        '), ' ')), ARRAY_CONSTRUCT(''))) AS w WHERE r."NAME" IS NOT NULL) AS t JOIN words AS w ON w.term = t.term GROUP BY t._rec) AS _w0 ON _w0._rec = r._rec
LEFT JOIN (SELECT t._rec, ARRAY_AGG(CAST(w.weight AS VARCHAR) || ' ' || t.term) AS terms, CAST(SUM(w.weight * w.weight) AS FLOAT) AS square FROM (SELECT DISTINCT r._rec, SUBSTR('  ' || CAST(w.value AS VARCHAR) || ' ', CAST(i.value AS INTEGER), 3) AS term FROM records AS r, LATERAL FLATTEN(INPUT => ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(translate(r."NAME", '	
                 　', '                        '), ' ')), ARRAY_CONSTRUCT(''))) AS w, LATERAL FLATTEN(INPUT => ARRAY_GENERATE_RANGE(1, LENGTH(CAST(w.value AS VARCHAR)) + 2)) AS i WHERE r."NAME" IS NOT NULL) AS t JOIN grams AS w ON w.term = t.term GROUP BY t._rec) AS _g0 ON _g0._rec = r._rec
)
SELECT p.a, p.b, p.rules,
  CAST(CASE WHEN p._m0 THEN 0 WHEN p._m1 THEN 1 WHEN p._m2 >= 92 THEN 2 WHEN p._m2 >= 88 THEN 3 WHEN p._m3 THEN 4 WHEN p._m4 <= CAST(2 AS FLOAT) THEN 5 WHEN (p._m7 > 0 AND CAST(p._m5 AS FLOAT) / CAST(nullif(p._m7 - p._m5, 0) AS FLOAT) >= CAST(0.5 AS FLOAT)) THEN 6 WHEN (p._m5 = p._m6 AND p._m6 >= CAST(2 AS FLOAT)) THEN 7 WHEN p._m8 >= CAST(0.8 AS FLOAT) THEN 8 WHEN p._m9 >= CAST(0.7 AS FLOAT) THEN 9 ELSE 10 END AS NUMBER(19,0)) * 1
  + CAST(CASE WHEN p._m10 THEN 0 WHEN p._m11 THEN 1 WHEN p._m12 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 16
  + CAST(CASE WHEN p._m13 THEN 0 WHEN p._m14 THEN 1 WHEN p._m15 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 256
  + CAST(CASE WHEN p._m16 THEN 0 WHEN p._m17 THEN 1 ELSE 2 END AS NUMBER(19,0)) * 4096 AS pattern
FROM (
  SELECT a._rec AS a, b._rec AS b, CAST(1 + CASE WHEN a."BORN" = b."BORN" AND a."AMOUNT" = b."AMOUNT" THEN 2 ELSE 0 END AS NUMBER(19,0)) AS rules, (a."NAME" IS NULL OR b."NAME" IS NULL) AS _m0, (a."NAME" = b."NAME") AS _m1, JAROWINKLER_SIMILARITY(a."NAME", b."NAME") AS _m2, ((EDITDISTANCE(a."NAME", b."NAME") <= 1 OR LENGTH(a."NAME") = LENGTH(b."NAME") AND EDITDISTANCE(a."NAME", b."NAME") = 2 AND ARRAY_SIZE(FILTER(ARRAY_GENERATE_RANGE(1, LENGTH(a."NAME")), i INTEGER -> a."NAME" = SUBSTR(b."NAME", 1, i - 1) || SUBSTR(b."NAME", i + 1, 1) || SUBSTR(b."NAME", i, 1) || SUBSTR(b."NAME", i + 2))) > 0)) AS _m3, EDITDISTANCE(a."NAME", b."NAME") AS _m4, ARRAY_SIZE(ARRAY_INTERSECTION(a._p0, b._p0)) AS _m5, CASE WHEN ARRAY_SIZE(a._p0) < ARRAY_SIZE(b._p0) THEN ARRAY_SIZE(a._p0) ELSE ARRAY_SIZE(b._p0) END AS _m6, ARRAY_SIZE(a._p0) + ARRAY_SIZE(b._p0) AS _m7, CAST(REDUCE(ARRAY_INTERSECTION(a._p1, b._p1), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p2 * b._p2) AS _m8, CAST(REDUCE(ARRAY_INTERSECTION(a._p3, b._p3), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p4 * b._p4) AS _m9, (a."BORN" IS NULL OR b."BORN" IS NULL) AS _m10, (a."BORN" = b."BORN") AS _m11, (abs(DATEDIFF('day', b."BORN", a."BORN")) <= CAST(366 AS FLOAT)) AS _m12, (a."AMOUNT" IS NULL OR b."AMOUNT" IS NULL) AS _m13, (abs(a."AMOUNT" - b."AMOUNT") <= CAST(0.5 AS FLOAT)) AS _m14, (abs(a."AMOUNT" - b."AMOUNT") * 100 <= CAST(5 AS FLOAT) * greatest(abs(a."AMOUNT"), abs(b."AMOUNT"))) AS _m15, (a."TAGS" IS NULL OR b."TAGS" IS NULL) AS _m16, (ARRAY_SIZE(ARRAY_INTERSECTION(a."TAGS", b."TAGS")) >= CAST(2 AS FLOAT)) AS _m17
  FROM records AS a JOIN records AS b ON a."NAME" = b."NAME" AND NOT a._over0
  WHERE a._rec < b._rec
  AND NOT (a._source = b._source AND a._source IN (1))
) AS p
UNION ALL
SELECT p.a, p.b, p.rules,
  CAST(CASE WHEN p._m0 THEN 0 WHEN p._m1 THEN 1 WHEN p._m2 >= 92 THEN 2 WHEN p._m2 >= 88 THEN 3 WHEN p._m3 THEN 4 WHEN p._m4 <= CAST(2 AS FLOAT) THEN 5 WHEN (p._m7 > 0 AND CAST(p._m5 AS FLOAT) / CAST(nullif(p._m7 - p._m5, 0) AS FLOAT) >= CAST(0.5 AS FLOAT)) THEN 6 WHEN (p._m5 = p._m6 AND p._m6 >= CAST(2 AS FLOAT)) THEN 7 WHEN p._m8 >= CAST(0.8 AS FLOAT) THEN 8 WHEN p._m9 >= CAST(0.7 AS FLOAT) THEN 9 ELSE 10 END AS NUMBER(19,0)) * 1
  + CAST(CASE WHEN p._m10 THEN 0 WHEN p._m11 THEN 1 WHEN p._m12 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 16
  + CAST(CASE WHEN p._m13 THEN 0 WHEN p._m14 THEN 1 WHEN p._m15 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 256
  + CAST(CASE WHEN p._m16 THEN 0 WHEN p._m17 THEN 1 ELSE 2 END AS NUMBER(19,0)) * 4096 AS pattern
FROM (
  SELECT a._rec AS a, b._rec AS b, CAST(2 AS NUMBER(19,0)) AS rules, (a."NAME" IS NULL OR b."NAME" IS NULL) AS _m0, (a."NAME" = b."NAME") AS _m1, JAROWINKLER_SIMILARITY(a."NAME", b."NAME") AS _m2, ((EDITDISTANCE(a."NAME", b."NAME") <= 1 OR LENGTH(a."NAME") = LENGTH(b."NAME") AND EDITDISTANCE(a."NAME", b."NAME") = 2 AND ARRAY_SIZE(FILTER(ARRAY_GENERATE_RANGE(1, LENGTH(a."NAME")), i INTEGER -> a."NAME" = SUBSTR(b."NAME", 1, i - 1) || SUBSTR(b."NAME", i + 1, 1) || SUBSTR(b."NAME", i, 1) || SUBSTR(b."NAME", i + 2))) > 0)) AS _m3, EDITDISTANCE(a."NAME", b."NAME") AS _m4, ARRAY_SIZE(ARRAY_INTERSECTION(a._p0, b._p0)) AS _m5, CASE WHEN ARRAY_SIZE(a._p0) < ARRAY_SIZE(b._p0) THEN ARRAY_SIZE(a._p0) ELSE ARRAY_SIZE(b._p0) END AS _m6, ARRAY_SIZE(a._p0) + ARRAY_SIZE(b._p0) AS _m7, CAST(REDUCE(ARRAY_INTERSECTION(a._p1, b._p1), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p2 * b._p2) AS _m8, CAST(REDUCE(ARRAY_INTERSECTION(a._p3, b._p3), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p4 * b._p4) AS _m9, (a."BORN" IS NULL OR b."BORN" IS NULL) AS _m10, (a."BORN" = b."BORN") AS _m11, (abs(DATEDIFF('day', b."BORN", a."BORN")) <= CAST(366 AS FLOAT)) AS _m12, (a."AMOUNT" IS NULL OR b."AMOUNT" IS NULL) AS _m13, (abs(a."AMOUNT" - b."AMOUNT") <= CAST(0.5 AS FLOAT)) AS _m14, (abs(a."AMOUNT" - b."AMOUNT") * 100 <= CAST(5 AS FLOAT) * greatest(abs(a."AMOUNT"), abs(b."AMOUNT"))) AS _m15, (a."TAGS" IS NULL OR b."TAGS" IS NULL) AS _m16, (ARRAY_SIZE(ARRAY_INTERSECTION(a."TAGS", b."TAGS")) >= CAST(2 AS FLOAT)) AS _m17
  FROM records AS a JOIN records AS b ON a."BORN" = b."BORN" AND a."AMOUNT" = b."AMOUNT"
  WHERE a._rec < b._rec
  AND NOT coalesce(a."NAME" = b."NAME" AND NOT a._over0, false)
  AND NOT (a._source = b._source AND a._source IN (1))
) AS p
) AS c
GROUP BY pattern, rules;

-- Edges
SELECT c.a, c.b, c.rules, c.pattern, w.weight, w.verdict
FROM (
WITH records AS (
SELECT r._rec, r._source, r."NAME" AS "NAME", r."BORN" AS "BORN", CASE WHEN NOT (r."AMOUNT" = CAST('NaN' AS FLOAT)) THEN r."AMOUNT" END AS "AMOUNT", CASE WHEN ARRAY_SIZE(PARSE_JSON(r."TAGS")) > 0 THEN PARSE_JSON(r."TAGS") END AS "TAGS", ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(translate(r."NAME", '	
                 　', '                        '), ' ')), ARRAY_CONSTRUCT('')) AS _p0, _w0.terms AS _p1, _w0.square AS _p2, _g0.terms AS _p3, _g0.square AS _p4, EXISTS (SELECT 1 FROM (SELECT r."NAME", count(*) AS n FROM records AS r WHERE r."NAME" IS NOT NULL GROUP BY r."NAME" HAVING count(*) > 500) AS o WHERE o."NAME" = r."NAME") AS _over0
FROM records AS r
LEFT JOIN (SELECT t._rec, ARRAY_AGG(CAST(w.weight AS VARCHAR) || ' ' || t.term) AS terms, CAST(SUM(w.weight * w.weight) AS FLOAT) AS square FROM (SELECT DISTINCT r._rec, CAST(w.value AS VARCHAR) AS term FROM records AS r, LATERAL FLATTEN(INPUT => ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(translate(r."NAME", '	
                 　', '                        '), ' ')), ARRAY_CONSTRUCT(''))) AS w WHERE r."NAME" IS NOT NULL) AS t JOIN words AS w ON w.term = t.term GROUP BY t._rec) AS _w0 ON _w0._rec = r._rec
LEFT JOIN (SELECT t._rec, ARRAY_AGG(CAST(w.weight AS VARCHAR) || ' ' || t.term) AS terms, CAST(SUM(w.weight * w.weight) AS FLOAT) AS square FROM (SELECT DISTINCT r._rec, SUBSTR('  ' || CAST(w.value AS VARCHAR) || ' ', CAST(i.value AS INTEGER), 3) AS term FROM records AS r, LATERAL FLATTEN(INPUT => ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(translate(r."NAME", '	
                 　', '                        '), ' ')), ARRAY_CONSTRUCT(''))) AS w, LATERAL FLATTEN(INPUT => ARRAY_GENERATE_RANGE(1, LENGTH(CAST(w.value AS VARCHAR)) + 2)) AS i WHERE r."NAME" IS NOT NULL) AS t JOIN grams AS w ON w.term = t.term GROUP BY t._rec) AS _g0 ON _g0._rec = r._rec
)
SELECT p.a, p.b, p.rules,
  CAST(CASE WHEN p._m0 THEN 0 WHEN p._m1 THEN 1 WHEN p._m2 >= 92 THEN 2 WHEN p._m2 >= 88 THEN 3 WHEN p._m3 THEN 4 WHEN p._m4 <= CAST(2 AS FLOAT) THEN 5 WHEN (p._m7 > 0 AND CAST(p._m5 AS FLOAT) / CAST(nullif(p._m7 - p._m5, 0) AS FLOAT) >= CAST(0.5 AS FLOAT)) THEN 6 WHEN (p._m5 = p._m6 AND p._m6 >= CAST(2 AS FLOAT)) THEN 7 WHEN p._m8 >= CAST(0.8 AS FLOAT) THEN 8 WHEN p._m9 >= CAST(0.7 AS FLOAT) THEN 9 ELSE 10 END AS NUMBER(19,0)) * 1
  + CAST(CASE WHEN p._m10 THEN 0 WHEN p._m11 THEN 1 WHEN p._m12 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 16
  + CAST(CASE WHEN p._m13 THEN 0 WHEN p._m14 THEN 1 WHEN p._m15 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 256
  + CAST(CASE WHEN p._m16 THEN 0 WHEN p._m17 THEN 1 ELSE 2 END AS NUMBER(19,0)) * 4096 AS pattern
FROM (
  SELECT a._rec AS a, b._rec AS b, CAST(1 + CASE WHEN a."BORN" = b."BORN" AND a."AMOUNT" = b."AMOUNT" THEN 2 ELSE 0 END AS NUMBER(19,0)) AS rules, (a."NAME" IS NULL OR b."NAME" IS NULL) AS _m0, (a."NAME" = b."NAME") AS _m1, JAROWINKLER_SIMILARITY(a."NAME", b."NAME") AS _m2, ((EDITDISTANCE(a."NAME", b."NAME") <= 1 OR LENGTH(a."NAME") = LENGTH(b."NAME") AND EDITDISTANCE(a."NAME", b."NAME") = 2 AND ARRAY_SIZE(FILTER(ARRAY_GENERATE_RANGE(1, LENGTH(a."NAME")), i INTEGER -> a."NAME" = SUBSTR(b."NAME", 1, i - 1) || SUBSTR(b."NAME", i + 1, 1) || SUBSTR(b."NAME", i, 1) || SUBSTR(b."NAME", i + 2))) > 0)) AS _m3, EDITDISTANCE(a."NAME", b."NAME") AS _m4, ARRAY_SIZE(ARRAY_INTERSECTION(a._p0, b._p0)) AS _m5, CASE WHEN ARRAY_SIZE(a._p0) < ARRAY_SIZE(b._p0) THEN ARRAY_SIZE(a._p0) ELSE ARRAY_SIZE(b._p0) END AS _m6, ARRAY_SIZE(a._p0) + ARRAY_SIZE(b._p0) AS _m7, CAST(REDUCE(ARRAY_INTERSECTION(a._p1, b._p1), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p2 * b._p2) AS _m8, CAST(REDUCE(ARRAY_INTERSECTION(a._p3, b._p3), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p4 * b._p4) AS _m9, (a."BORN" IS NULL OR b."BORN" IS NULL) AS _m10, (a."BORN" = b."BORN") AS _m11, (abs(DATEDIFF('day', b."BORN", a."BORN")) <= CAST(366 AS FLOAT)) AS _m12, (a."AMOUNT" IS NULL OR b."AMOUNT" IS NULL) AS _m13, (abs(a."AMOUNT" - b."AMOUNT") <= CAST(0.5 AS FLOAT)) AS _m14, (abs(a."AMOUNT" - b."AMOUNT") * 100 <= CAST(5 AS FLOAT) * greatest(abs(a."AMOUNT"), abs(b."AMOUNT"))) AS _m15, (a."TAGS" IS NULL OR b."TAGS" IS NULL) AS _m16, (ARRAY_SIZE(ARRAY_INTERSECTION(a."TAGS", b."TAGS")) >= CAST(2 AS FLOAT)) AS _m17
  FROM records AS a JOIN records AS b ON a."NAME" = b."NAME" AND NOT a._over0
  WHERE a._rec < b._rec
  AND NOT (a._source = b._source AND a._source IN (1))
) AS p
UNION ALL
SELECT p.a, p.b, p.rules,
  CAST(CASE WHEN p._m0 THEN 0 WHEN p._m1 THEN 1 WHEN p._m2 >= 92 THEN 2 WHEN p._m2 >= 88 THEN 3 WHEN p._m3 THEN 4 WHEN p._m4 <= CAST(2 AS FLOAT) THEN 5 WHEN (p._m7 > 0 AND CAST(p._m5 AS FLOAT) / CAST(nullif(p._m7 - p._m5, 0) AS FLOAT) >= CAST(0.5 AS FLOAT)) THEN 6 WHEN (p._m5 = p._m6 AND p._m6 >= CAST(2 AS FLOAT)) THEN 7 WHEN p._m8 >= CAST(0.8 AS FLOAT) THEN 8 WHEN p._m9 >= CAST(0.7 AS FLOAT) THEN 9 ELSE 10 END AS NUMBER(19,0)) * 1
  + CAST(CASE WHEN p._m10 THEN 0 WHEN p._m11 THEN 1 WHEN p._m12 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 16
  + CAST(CASE WHEN p._m13 THEN 0 WHEN p._m14 THEN 1 WHEN p._m15 THEN 2 ELSE 3 END AS NUMBER(19,0)) * 256
  + CAST(CASE WHEN p._m16 THEN 0 WHEN p._m17 THEN 1 ELSE 2 END AS NUMBER(19,0)) * 4096 AS pattern
FROM (
  SELECT a._rec AS a, b._rec AS b, CAST(2 AS NUMBER(19,0)) AS rules, (a."NAME" IS NULL OR b."NAME" IS NULL) AS _m0, (a."NAME" = b."NAME") AS _m1, JAROWINKLER_SIMILARITY(a."NAME", b."NAME") AS _m2, ((EDITDISTANCE(a."NAME", b."NAME") <= 1 OR LENGTH(a."NAME") = LENGTH(b."NAME") AND EDITDISTANCE(a."NAME", b."NAME") = 2 AND ARRAY_SIZE(FILTER(ARRAY_GENERATE_RANGE(1, LENGTH(a."NAME")), i INTEGER -> a."NAME" = SUBSTR(b."NAME", 1, i - 1) || SUBSTR(b."NAME", i + 1, 1) || SUBSTR(b."NAME", i, 1) || SUBSTR(b."NAME", i + 2))) > 0)) AS _m3, EDITDISTANCE(a."NAME", b."NAME") AS _m4, ARRAY_SIZE(ARRAY_INTERSECTION(a._p0, b._p0)) AS _m5, CASE WHEN ARRAY_SIZE(a._p0) < ARRAY_SIZE(b._p0) THEN ARRAY_SIZE(a._p0) ELSE ARRAY_SIZE(b._p0) END AS _m6, ARRAY_SIZE(a._p0) + ARRAY_SIZE(b._p0) AS _m7, CAST(REDUCE(ARRAY_INTERSECTION(a._p1, b._p1), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p2 * b._p2) AS _m8, CAST(REDUCE(ARRAY_INTERSECTION(a._p3, b._p3), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT) / sqrt(a._p4 * b._p4) AS _m9, (a."BORN" IS NULL OR b."BORN" IS NULL) AS _m10, (a."BORN" = b."BORN") AS _m11, (abs(DATEDIFF('day', b."BORN", a."BORN")) <= CAST(366 AS FLOAT)) AS _m12, (a."AMOUNT" IS NULL OR b."AMOUNT" IS NULL) AS _m13, (abs(a."AMOUNT" - b."AMOUNT") <= CAST(0.5 AS FLOAT)) AS _m14, (abs(a."AMOUNT" - b."AMOUNT") * 100 <= CAST(5 AS FLOAT) * greatest(abs(a."AMOUNT"), abs(b."AMOUNT"))) AS _m15, (a."TAGS" IS NULL OR b."TAGS" IS NULL) AS _m16, (ARRAY_SIZE(ARRAY_INTERSECTION(a."TAGS", b."TAGS")) >= CAST(2 AS FLOAT)) AS _m17
  FROM records AS a JOIN records AS b ON a."BORN" = b."BORN" AND a."AMOUNT" = b."AMOUNT"
  WHERE a._rec < b._rec
  AND NOT coalesce(a."NAME" = b."NAME" AND NOT a._over0, false)
  AND NOT (a._source = b._source AND a._source IN (1))
) AS p
) AS c
JOIN weights AS w ON w.pattern = c.pattern;
