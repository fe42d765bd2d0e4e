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
  "city$raw",
  list_filter([CASE WHEN "country$map_1" THEN 'country_not_in_ref_country' END, CASE WHEN "_key" IS NULL THEN 'key_missing' END]::VARCHAR[], lambda x: x IS NOT NULL) AS "_reasons"
FROM step_3

-- Records
SELECT "_rec",
  "_source",
  "_key",
  "_updated_at",
  hash(hash("=first_name", "=first_name$nickname", "=birth_date", "=birth_date$text", "=email", "=email$local", hash(CAST(list_transform("=nicks", lambda e0: hash(e0)) AS VARCHAR)), "=amount", "=tax_id$codes", "=$block2_2", "=company", "=tax_id")) AS "_hash",
  "=first_name" AS "first_name",
  "=first_name$nickname" AS "first_name$nickname",
  "=birth_date" AS "birth_date",
  "=birth_date$text" AS "birth_date$text",
  "=email" AS "email",
  "=email$local" AS "email$local",
  "=nicks" AS "nicks",
  "=amount" AS "amount",
  "=tax_id$codes" AS "tax_id$codes",
  "=$block2_2" AS "$block2_2",
  "=company" AS "company",
  "=tax_id" AS "tax_id"
FROM (
  SELECT "_rec",
    "_source",
    "_key",
    "_updated_at",
    nullif(CAST("first_name" AS VARCHAR), '') AS "=first_name",
    nullif(clean_nickname(CAST("first_name" AS VARCHAR)), '') AS "=first_name$nickname",
    CAST("birth_date" AS DATE) AS "=birth_date",
    nullif(CAST("birth_date" AS VARCHAR), '') AS "=birth_date$text",
    nullif(CAST("email" AS VARCHAR), '') AS "=email",
    nullif(split_part("email", '@', 1), '') AS "=email$local",
    CASE WHEN len(list_sort(list_distinct(CAST("nicks" AS VARCHAR[])))) > 0 THEN list_sort(list_distinct(CAST("nicks" AS VARCHAR[]))) END AS "=nicks",
    TRY_CAST("amount" AS DOUBLE) AS "=amount",
    nullif(array_to_string(list_sort(list_distinct(list_filter(list_concat(regexp_extract_all(lower(CAST("tax_id" AS VARCHAR)), '[a-z0-9]+'), list_transform(list_zip(regexp_extract_all(lower(CAST("tax_id" AS VARCHAR)), '[a-z0-9]+'), (regexp_extract_all(lower(CAST("tax_id" AS VARCHAR)), '[a-z0-9]+'))[2:]), lambda w: w[1] || w[2])), lambda w: length(w) >= 4 AND regexp_matches(w, '[0-9]') AND regexp_matches(w, '[a-z]')))), ' '), '') AS "=tax_id$codes",
    nullif(CAST((left(first_name, 1)) AS VARCHAR), '') AS "=$block2_2",
    nullif(CAST("company" AS VARCHAR), '') AS "=company",
    nullif(CAST("tax_id" AS VARCHAR), '') AS "=tax_id"
  FROM (
SELECT CAST(row_number() OVER (ORDER BY "_source", "_key") - 1 AS BIGINT) AS "_rec", r.*
FROM rows AS r
WHERE length("_reasons") = 0
) AS r
) AS r

-- Values
SELECT "_rec",
  "_source",
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
  "nicks" AS "nicks",
  "amount" AS "amount",
  "tax_id" AS "tax_id",
  "city"
FROM (
SELECT CAST(row_number() OVER (ORDER BY "_source", "_key") - 1 AS BIGINT) AS "_rec", r.*
FROM rows AS r
WHERE length("_reasons") = 0
) AS r

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
  "nicks" AS "nicks",
  "amount" AS "amount",
  "tax_id" AS "tax_id",
  "city$raw" AS "city",
  "_reasons" AS _failed_rules,
  'r1' AS _quarantined_run,
  CAST('2026-11-27 01:02:03.000000' AS TIMESTAMP) AS _quarantined_at,
  CAST(CASE "_source" WHEN 0 THEN 'stg_a' WHEN 1 THEN 'stg_b' END AS VARCHAR) AS _quarantined_from,
  CAST(uuid() AS VARCHAR) AS _quarantined_id
FROM rows
WHERE NOT (length("_reasons") = 0)

-- Taken
SELECT 0, count(*), 0 FROM "main"."stg_a"
UNION ALL
SELECT 1, count(*), count(CASE WHEN (not gone) THEN NULL ELSE 1 END) FROM "main"."stg_b"

-- Counts
SELECT "_source", count_if(length("_reasons") = 0), count_if(NOT (length("_reasons") = 0))
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
