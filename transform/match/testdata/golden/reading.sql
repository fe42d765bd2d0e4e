-- Rows
WITH source_0 AS (
  SELECT CAST(0 AS SMALLINT) AS "_source",
    CASE WHEN CAST("id" AS VARCHAR) IS NOT NULL AND CAST("site" AS VARCHAR) IS NOT NULL THEN CAST(to_json([CAST("id" AS VARCHAR), CAST("site" AS VARCHAR)]) AS VARCHAR) END AS "_key",
    CAST("changed" AS TIMESTAMP) AS "_updated_at",
    "given" AS "first_name$raw",
    "company" AS "company$raw",
    (coalesce(tel, mobile)) AS "phone$raw",
    "email" AS "email$raw",
    "birth_date" AS "birth_date$raw",
    "address" AS "address$raw",
    CAST(NULL AS VARCHAR) AS "postcode$raw",
    "country" AS "country$raw",
    "lang" AS "lang$raw",
    "nicks" AS "nicks$raw",
    CAST("amount" AS DECIMAL(11,1)) AS "amount$raw",
    "tax_id" AS "tax_id$raw",
    CAST(NULL AS VARCHAR) AS "city$raw"
  FROM "main"."stg_a"
), source_1 AS (
  SELECT CAST(1 AS SMALLINT) AS "_source",
    CAST("id" AS VARCHAR) AS "_key",
    CAST(NULL AS TIMESTAMP) AS "_updated_at",
    "first_name" AS "first_name$raw",
    CAST(NULL AS VARCHAR) AS "company$raw",
    CAST(NULL AS VARCHAR) AS "phone$raw",
    "email" AS "email$raw",
    CAST("birth_date" AS VARCHAR) AS "birth_date$raw",
    CAST(NULL AS VARCHAR) AS "address$raw",
    "postcode" AS "postcode$raw",
    "country" AS "country$raw",
    CAST(NULL AS VARCHAR) AS "lang$raw",
    CAST(NULL AS VARCHAR[]) AS "nicks$raw",
    CAST("amount" AS DECIMAL(11,1)) AS "amount$raw",
    "tax_id" AS "tax_id$raw",
    CAST(NULL AS VARCHAR) AS "city$raw"
  FROM "main"."stg_b"
  WHERE (not gone)
), step_0 AS (
  SELECT * FROM source_0
  UNION ALL
  SELECT * FROM source_1
), step_1 AS (
  SELECT r.*,
    clean_drop_titles(clean_fold(clean_text(r."first_name$raw"))) AS "first_name$before",
    clean_company(clean_fold(r."company$raw")) AS "company",
    clean_email(r."email$raw") AS "email",
    clean_date(r."birth_date$raw", CAST(['%d/%m/%Y'] AS VARCHAR[])) AS "birth_date$before",
    map_1._to AS "country",
    r."country$raw" IS NOT NULL AND map_1._from IS NULL AS "country$map_1",
    CASE WHEN map_2._from IS NULL THEN r."lang$raw" ELSE map_2._to END AS "lang",
    r."nicks$raw" AS "nicks",
    r."amount$raw" AS "amount",
    r."tax_id$raw" AS "tax_id"
  FROM step_0 AS r
  LEFT JOIN (SELECT lower(trim(CAST("name" AS VARCHAR))) AS _from, min(CAST("iso" AS VARCHAR)) AS _to FROM "main"."ref_country" GROUP BY 1) AS map_1 ON map_1._from = lower(trim(r."country$raw"))
  LEFT JOIN (SELECT lower(trim(CAST("code" AS VARCHAR))) AS _from, min(CAST("word" AS VARCHAR)) AS _to FROM "main"."ref_lang" GROUP BY 1) AS map_2 ON map_2._from = lower(trim(r."lang$raw"))
), step_2 AS (
  SELECT r.*,
    CASE WHEN lower(r."first_name$before") IN ('test', 'unknown') THEN NULL ELSE r."first_name$before" END AS "first_name",
    clean_phone(clean_digits(r."phone$raw"), CAST(r."country" AS VARCHAR)) AS "phone",
    CASE WHEN lower(CAST(r."birth_date$before" AS VARCHAR)) IN ('1900-01-01') THEN NULL ELSE r."birth_date$before" END AS "birth_date",
    clean_address(r."address$raw", CAST(r."country" AS VARCHAR)) AS "address$parts"
  FROM step_1 AS r
), step_3 AS (
  SELECT r.*,
    struct_extract(r."address$parts", 'line') AS "address",
    coalesce(CAST(clean_postcode(r."postcode$raw", CAST(r."country" AS VARCHAR)) AS VARCHAR), clean_postcode(struct_extract(r."address$parts", 'postcode'), CAST(r."country" AS VARCHAR))) AS "postcode",
    struct_extract(r."address$parts", 'city') AS "city"
  FROM step_2 AS r
)
SELECT "_source",
  "_key",
  "_updated_at",
  "first_name",
  "company",
  "phone",
  "email",
  "birth_date",
  "address",
  "postcode",
  "country",
  "lang",
  "nicks",
  "amount",
  "tax_id",
  "city",
  "first_name$raw",
  "company$raw",
  "phone$raw",
  "email$raw",
  "birth_date$raw",
  "address$raw",
  "postcode$raw",
  "country$raw",
  "lang$raw",
  "nicks$raw",
  "amount$raw",
  "tax_id$raw",
  "city$raw",
  list_filter([CASE WHEN "country$map_1" THEN 'country_not_in_ref_country' END, CASE WHEN "_key" IS NULL THEN 'key_missing' END]::VARCHAR[], lambda x: x IS NOT NULL) AS "_reasons"
FROM step_3

-- Records
SELECT CAST(row_number() OVER (ORDER BY "_source", "_key") - 1 AS BIGINT) AS "_rec",
  "_source",
  "_key",
  "_updated_at",
  hash(hash("=first_name", "=birth_date", "=email", hash(CAST(list_transform("=nicks", lambda e0: hash(e0)) AS VARCHAR)), "=amount", "=company", "=tax_id")) AS "_hash",
  "=first_name" AS "first_name",
  "=first_name$nickname" AS "first_name$nickname",
  "=birth_date" AS "birth_date",
  "=birth_date$text" AS "birth_date$text",
  "=email" AS "email",
  "=email$local" AS "email$local",
  "=nicks" AS "nicks",
  "=amount" AS "amount",
  "=$block2_2" AS "$block2_2",
  "=company" AS "company",
  "=tax_id" AS "tax_id"
FROM (
  SELECT "_source",
    "_key",
    "_updated_at",
    nullif(CAST("first_name" AS VARCHAR), '') AS "=first_name",
    nullif(clean_nickname(CAST("first_name" AS VARCHAR)), '') AS "=first_name$nickname",
    CAST("birth_date" AS DATE) AS "=birth_date",
    nullif(CAST("birth_date" AS VARCHAR), '') AS "=birth_date$text",
    nullif(CAST("email" AS VARCHAR), '') AS "=email",
    nullif(clean_email_local(CAST("email" AS VARCHAR)), '') AS "=email$local",
    CASE WHEN len(list_sort(list_distinct(CAST("nicks" AS VARCHAR[])))) > 0 THEN list_sort(list_distinct(CAST("nicks" AS VARCHAR[]))) END AS "=nicks",
    TRY_CAST("amount" AS DOUBLE) AS "=amount",
    nullif(CAST((left(first_name, 1)) AS VARCHAR), '') AS "=$block2_2",
    nullif(CAST("company" AS VARCHAR), '') AS "=company",
    nullif(CAST("tax_id" AS VARCHAR), '') AS "=tax_id"
  FROM rows
  WHERE length("_reasons") = 0
) AS r
ORDER BY "_rec"

-- Values
SELECT "_source",
  "_key",
  "_updated_at",
  "first_name$raw" AS "first_name",
  "first_name" IS NOT NULL AS "first_name$valid",
  "company$raw" AS "company",
  "company" IS NOT NULL AS "company$valid",
  "phone",
  "email",
  "birth_date",
  "address$raw" AS "address",
  "address" IS NOT NULL AS "address$valid",
  "postcode",
  "country",
  "lang",
  "nicks$raw" AS "nicks",
  "amount$raw" AS "amount",
  "tax_id$raw" AS "tax_id",
  "city"
FROM rows
WHERE length("_reasons") = 0

-- Quarantined
SELECT CASE "_source" WHEN 0 THEN 'stg_a' WHEN 1 THEN 'stg_b' END AS source,
  "_key" AS source_key,
  "first_name$raw" AS "first_name",
  "company$raw" AS "company",
  "phone$raw" AS "phone",
  "email$raw" AS "email",
  "birth_date$raw" AS "birth_date",
  "address$raw" AS "address",
  "postcode$raw" AS "postcode",
  "country$raw" AS "country",
  "lang$raw" AS "lang",
  "nicks$raw" AS "nicks",
  "amount$raw" AS "amount",
  "tax_id$raw" AS "tax_id",
  "city$raw" AS "city",
  "_reasons" AS _failed_rules,
  'r1' AS _quarantined_run,
  CAST('2026-11-27 01:02:03.000000' AS TIMESTAMP) AS _quarantined_at,
  CAST(CASE "_source" WHEN 0 THEN 'stg_a' WHEN 1 THEN 'stg_b' END AS VARCHAR) AS _quarantined_from,
  CAST(uuid() AS VARCHAR) AS _quarantined_id
FROM rows
WHERE NOT (length("_reasons") = 0)

-- Counts
SELECT "_source", count(*), count_if(length("_reasons") = 0), count_if(NOT (length("_reasons") = 0))
FROM rows
GROUP BY 1
ORDER BY 1

-- Repeated
WITH repeated AS (
  SELECT "_source", "_key", count(*) AS n
  FROM rows
  WHERE "_key" IS NOT NULL
  GROUP BY 1, 2
  HAVING count(*) > 1
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY "_source" ORDER BY n DESC, "_key") AS place, count(*) OVER (PARTITION BY "_source") AS keys, sum(n) OVER (PARTITION BY "_source") AS row_count
  FROM repeated
)
SELECT "_source", "_key", n, keys, CAST(row_count AS BIGINT)
FROM ranked
WHERE place <= 3
ORDER BY "_source", place

-- Profile
SELECT count(*) AS f0,
  count_if("_source" = 0) AS f1,
  count_if("_source" = 1) AS f2,
  count(*) - count(CAST("first_name" AS VARCHAR)) AS f3,
  approx_count_distinct(CAST("first_name" AS VARCHAR)) AS f4,
  coalesce(min(CAST("first_name" AS VARCHAR)) = max(CAST("first_name" AS VARCHAR)), false) AS f5,
  avg(length(CAST("first_name" AS VARCHAR))) AS f6,
  avg(length(CAST("first_name" AS VARCHAR)) - length(replace(CAST("first_name" AS VARCHAR), ' ', '')) + 1) AS f7,
  avg(CASE WHEN regexp_full_match(CAST("first_name" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("first_name" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f8,
  avg(CASE WHEN regexp_full_match(CAST("first_name" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("first_name" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f9,
  avg(CASE WHEN regexp_full_match(CAST("first_name" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("first_name" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f10,
  avg(CASE WHEN regexp_full_match(CAST("first_name" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("first_name" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f11,
  count(*) - count(CAST("company" AS VARCHAR)) AS f12,
  approx_count_distinct(CAST("company" AS VARCHAR)) AS f13,
  coalesce(min(CAST("company" AS VARCHAR)) = max(CAST("company" AS VARCHAR)), false) AS f14,
  avg(length(CAST("company" AS VARCHAR))) AS f15,
  avg(length(CAST("company" AS VARCHAR)) - length(replace(CAST("company" AS VARCHAR), ' ', '')) + 1) AS f16,
  avg(CASE WHEN regexp_full_match(CAST("company" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("company" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f17,
  avg(CASE WHEN regexp_full_match(CAST("company" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("company" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f18,
  avg(CASE WHEN regexp_full_match(CAST("company" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("company" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f19,
  avg(CASE WHEN regexp_full_match(CAST("company" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("company" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f20,
  count(*) - count(CAST("phone" AS VARCHAR)) AS f21,
  approx_count_distinct(CAST("phone" AS VARCHAR)) AS f22,
  coalesce(min(CAST("phone" AS VARCHAR)) = max(CAST("phone" AS VARCHAR)), false) AS f23,
  avg(length(CAST("phone" AS VARCHAR))) AS f24,
  avg(length(CAST("phone" AS VARCHAR)) - length(replace(CAST("phone" AS VARCHAR), ' ', '')) + 1) AS f25,
  avg(CASE WHEN regexp_full_match(CAST("phone" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("phone" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f26,
  avg(CASE WHEN regexp_full_match(CAST("phone" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("phone" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f27,
  avg(CASE WHEN regexp_full_match(CAST("phone" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("phone" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f28,
  avg(CASE WHEN regexp_full_match(CAST("phone" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("phone" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f29,
  count(*) - count(CAST("email" AS VARCHAR)) AS f30,
  approx_count_distinct(CAST("email" AS VARCHAR)) AS f31,
  coalesce(min(CAST("email" AS VARCHAR)) = max(CAST("email" AS VARCHAR)), false) AS f32,
  avg(length(CAST("email" AS VARCHAR))) AS f33,
  avg(length(CAST("email" AS VARCHAR)) - length(replace(CAST("email" AS VARCHAR), ' ', '')) + 1) AS f34,
  avg(CASE WHEN regexp_full_match(CAST("email" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("email" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f35,
  avg(CASE WHEN regexp_full_match(CAST("email" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("email" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f36,
  avg(CASE WHEN regexp_full_match(CAST("email" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("email" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f37,
  avg(CASE WHEN regexp_full_match(CAST("email" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("email" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f38,
  count(*) - count(CAST("birth_date" AS VARCHAR)) AS f39,
  approx_count_distinct(CAST("birth_date" AS VARCHAR)) AS f40,
  coalesce(min(CAST("birth_date" AS VARCHAR)) = max(CAST("birth_date" AS VARCHAR)), false) AS f41,
  avg(length(CAST("birth_date" AS VARCHAR))) AS f42,
  avg(length(CAST("birth_date" AS VARCHAR)) - length(replace(CAST("birth_date" AS VARCHAR), ' ', '')) + 1) AS f43,
  avg(CASE WHEN regexp_full_match(CAST("birth_date" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("birth_date" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f44,
  avg(CASE WHEN regexp_full_match(CAST("birth_date" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("birth_date" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f45,
  avg(CASE WHEN regexp_full_match(CAST("birth_date" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("birth_date" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f46,
  avg(CASE WHEN regexp_full_match(CAST("birth_date" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("birth_date" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f47,
  count(*) - count(CAST("address" AS VARCHAR)) AS f48,
  approx_count_distinct(CAST("address" AS VARCHAR)) AS f49,
  coalesce(min(CAST("address" AS VARCHAR)) = max(CAST("address" AS VARCHAR)), false) AS f50,
  avg(length(CAST("address" AS VARCHAR))) AS f51,
  avg(length(CAST("address" AS VARCHAR)) - length(replace(CAST("address" AS VARCHAR), ' ', '')) + 1) AS f52,
  avg(CASE WHEN regexp_full_match(CAST("address" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("address" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f53,
  avg(CASE WHEN regexp_full_match(CAST("address" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("address" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f54,
  avg(CASE WHEN regexp_full_match(CAST("address" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("address" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f55,
  avg(CASE WHEN regexp_full_match(CAST("address" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("address" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f56,
  count(*) - count(CAST("postcode" AS VARCHAR)) AS f57,
  approx_count_distinct(CAST("postcode" AS VARCHAR)) AS f58,
  coalesce(min(CAST("postcode" AS VARCHAR)) = max(CAST("postcode" AS VARCHAR)), false) AS f59,
  avg(length(CAST("postcode" AS VARCHAR))) AS f60,
  avg(length(CAST("postcode" AS VARCHAR)) - length(replace(CAST("postcode" AS VARCHAR), ' ', '')) + 1) AS f61,
  avg(CASE WHEN regexp_full_match(CAST("postcode" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("postcode" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f62,
  avg(CASE WHEN regexp_full_match(CAST("postcode" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("postcode" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f63,
  avg(CASE WHEN regexp_full_match(CAST("postcode" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("postcode" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f64,
  avg(CASE WHEN regexp_full_match(CAST("postcode" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("postcode" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f65,
  count(*) - count(CAST("country" AS VARCHAR)) AS f66,
  approx_count_distinct(CAST("country" AS VARCHAR)) AS f67,
  coalesce(min(CAST("country" AS VARCHAR)) = max(CAST("country" AS VARCHAR)), false) AS f68,
  avg(length(CAST("country" AS VARCHAR))) AS f69,
  avg(length(CAST("country" AS VARCHAR)) - length(replace(CAST("country" AS VARCHAR), ' ', '')) + 1) AS f70,
  avg(CASE WHEN regexp_full_match(CAST("country" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("country" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f71,
  avg(CASE WHEN regexp_full_match(CAST("country" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("country" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f72,
  avg(CASE WHEN regexp_full_match(CAST("country" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("country" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f73,
  avg(CASE WHEN regexp_full_match(CAST("country" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("country" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f74,
  count(*) - count(CAST("lang" AS VARCHAR)) AS f75,
  approx_count_distinct(CAST("lang" AS VARCHAR)) AS f76,
  coalesce(min(CAST("lang" AS VARCHAR)) = max(CAST("lang" AS VARCHAR)), false) AS f77,
  avg(length(CAST("lang" AS VARCHAR))) AS f78,
  avg(length(CAST("lang" AS VARCHAR)) - length(replace(CAST("lang" AS VARCHAR), ' ', '')) + 1) AS f79,
  avg(CASE WHEN regexp_full_match(CAST("lang" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("lang" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f80,
  avg(CASE WHEN regexp_full_match(CAST("lang" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("lang" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f81,
  avg(CASE WHEN regexp_full_match(CAST("lang" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("lang" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f82,
  avg(CASE WHEN regexp_full_match(CAST("lang" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("lang" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f83,
  count(*) - count(CAST("nicks" AS VARCHAR)) AS f84,
  approx_count_distinct(CAST("nicks" AS VARCHAR)) AS f85,
  coalesce(min(CAST("nicks" AS VARCHAR)) = max(CAST("nicks" AS VARCHAR)), false) AS f86,
  avg(length(CAST("nicks" AS VARCHAR))) AS f87,
  avg(length(CAST("nicks" AS VARCHAR)) - length(replace(CAST("nicks" AS VARCHAR), ' ', '')) + 1) AS f88,
  avg(CASE WHEN regexp_full_match(CAST("nicks" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("nicks" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f89,
  avg(CASE WHEN regexp_full_match(CAST("nicks" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("nicks" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f90,
  avg(CASE WHEN regexp_full_match(CAST("nicks" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("nicks" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f91,
  avg(CASE WHEN regexp_full_match(CAST("nicks" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("nicks" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f92,
  count(*) - count(CAST("amount" AS VARCHAR)) AS f93,
  approx_count_distinct(CAST("amount" AS VARCHAR)) AS f94,
  coalesce(min(CAST("amount" AS VARCHAR)) = max(CAST("amount" AS VARCHAR)), false) AS f95,
  avg(length(CAST("amount" AS VARCHAR))) AS f96,
  avg(length(CAST("amount" AS VARCHAR)) - length(replace(CAST("amount" AS VARCHAR), ' ', '')) + 1) AS f97,
  avg(CASE WHEN regexp_full_match(CAST("amount" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("amount" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f98,
  avg(CASE WHEN regexp_full_match(CAST("amount" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("amount" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f99,
  avg(CASE WHEN regexp_full_match(CAST("amount" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("amount" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f100,
  avg(CASE WHEN regexp_full_match(CAST("amount" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("amount" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f101,
  count(*) - count(CAST("tax_id" AS VARCHAR)) AS f102,
  approx_count_distinct(CAST("tax_id" AS VARCHAR)) AS f103,
  coalesce(min(CAST("tax_id" AS VARCHAR)) = max(CAST("tax_id" AS VARCHAR)), false) AS f104,
  avg(length(CAST("tax_id" AS VARCHAR))) AS f105,
  avg(length(CAST("tax_id" AS VARCHAR)) - length(replace(CAST("tax_id" AS VARCHAR), ' ', '')) + 1) AS f106,
  avg(CASE WHEN regexp_full_match(CAST("tax_id" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("tax_id" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f107,
  avg(CASE WHEN regexp_full_match(CAST("tax_id" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("tax_id" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f108,
  avg(CASE WHEN regexp_full_match(CAST("tax_id" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("tax_id" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f109,
  avg(CASE WHEN regexp_full_match(CAST("tax_id" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("tax_id" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f110,
  count(*) - count(CAST("city" AS VARCHAR)) AS f111,
  approx_count_distinct(CAST("city" AS VARCHAR)) AS f112,
  coalesce(min(CAST("city" AS VARCHAR)) = max(CAST("city" AS VARCHAR)), false) AS f113,
  avg(length(CAST("city" AS VARCHAR))) AS f114,
  avg(length(CAST("city" AS VARCHAR)) - length(replace(CAST("city" AS VARCHAR), ' ', '')) + 1) AS f115,
  avg(CASE WHEN regexp_full_match(CAST("city" AS VARCHAR), '[^@\s]+@[^@\s]+\.[^@\s]+') THEN 1.0 WHEN CAST("city" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f116,
  avg(CASE WHEN regexp_full_match(CAST("city" AS VARCHAR), '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T].*)?|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}') THEN 1.0 WHEN CAST("city" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f117,
  avg(CASE WHEN regexp_full_match(CAST("city" AS VARCHAR), '[-+]?[0-9]+([.,][0-9]+)?') THEN 1.0 WHEN CAST("city" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f118,
  avg(CASE WHEN regexp_full_match(CAST("city" AS VARCHAR), '\+?[0-9(][0-9 ()./-]{5,18}[0-9]') THEN 1.0 WHEN CAST("city" AS VARCHAR) IS NOT NULL THEN 0.0 END) AS f119
FROM rows
WHERE length("_reasons") = 0
