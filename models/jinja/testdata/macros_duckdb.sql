-- dbt.type_string()
TEXT

-- dbt.type_int()
integer

-- dbt.type_bigint()
bigint

-- dbt.type_float()
float

-- dbt.type_numeric()
numeric(28,6)

-- dbt.type_timestamp()
timestamp

-- dbt.type_boolean()
boolean

-- dbt.cast('x', dbt.type_string())
cast(x as TEXT)

-- dbt.cast('x', 'GEOGRAPHY')
cast(x as GEOGRAPHY)

-- dbt.safe_cast('x', 'date')
cast(x as date)

-- dbt.safe_cast(1, 'date')
cast(1 as date)

-- dbt.safe_cast('x', 'variant')
cast(x as variant)

-- dbt.safe_cast('x', 'geometry')
cast(x as geometry)

-- dbt.cast_bool_to_text('b')
cast(b as TEXT)

-- dbt.current_timestamp()
now()

-- dbt.current_timestamp_backcompat()
cast(current_timestamp as timestamp)

-- dbt.current_timestamp_in_utc_backcompat()
cast(current_timestamp as timestamp)

-- dbt.snapshot_get_time()
cast(now() as timestamp)

-- dbt.snapshot_string_as_time('2024-01-01')
cast('2024-01-01' as timestamp)

-- dbt.date(2024, 2, 29)
cast('2024-02-29' as date)

-- dbt.date_trunc('month', 'd')
date_trunc('month', d)

-- dbt.dateadd('week', 2, 'd')
(d + (cast(2 as bigint) * 7) * interval 1 day)

-- dbt.dateadd('quarter', 'n + 1', 'd')
(d + (cast(n + 1 as bigint) * 3) * interval 1 month)

-- dbt.datediff('a', 'b', 'week')
(date_diff('day', date_trunc('week', cast(a as timestamp) + interval 1 day), date_trunc('week', cast(b as timestamp) + interval 1 day)) // 7
      - case when cast(a as timestamp) > cast(b as timestamp) and date_diff('day', cast(a as timestamp), cast(b as timestamp)) % 7 = 0 then 1 else 0 end)

-- dbt.datediff('a', 'b', 'day')
date_diff('day', cast(a as timestamp), cast(b as timestamp))

-- dbt.last_day('d', 'quarter')
cast(((date_trunc('quarter', d) + (cast(1 as bigint) * 3) * interval 1 month) + (cast(-1 as bigint)) * interval 1 day) as date)

-- dbt.date_spine('day', "'2024-01-01'", "'2024-01-10'")
with rawdata as (
    select cast(n as double) as generated_number from range(1, cast(1 as bigint) + 1) as numbers(n) order by n
  ), all_periods as (
    select ('2024-01-01' + (cast(row_number() over (order by generated_number) - 1 as bigint)) * interval 1 day) as date_day
    from rawdata
  )
  select * from all_periods where date_day <= '2024-01-10'

-- dbt.generate_series(5)
select cast(n as double) as generated_number from range(1, cast(5 as bigint) + 1) as numbers(n) order by n

-- dbt.concat(['a', 'b'])
a || b

-- dbt.string_literal('x')
'x'

-- dbt.escape_single_quotes("it's")
it''s

-- dbt.length('x')
length(x)

-- dbt.position("'a'", 'x')
position('a' in x)

-- dbt.replace('x', "'a'", "'b'")
replace(x, 'a', 'b')

-- dbt.right('x', 2)
right(x, 2)

-- dbt.split_part('x', "'|'", 2)
string_split(x, '|')[2]

-- dbt._split_part_negative('x', "'|'", -1)
split_part(x, '|', -1 + 2
    + length(x) - length(replace(x, '|', '')))

-- dbt.hash('x')
md5(cast(x as TEXT))

-- dbt.any_value('x')
arbitrary(x)

-- dbt.bool_or('x')
bool_or(x)

-- dbt.listagg('x', "', '", 'order by y')
string_agg(x, ', ' order by y)

-- dbt.listagg('x', "', '", 'order by y', 3)
list_aggregate(list(x order by y)[1:3], 'string_agg', ', ')

-- dbt.array_construct(['1', '2'])
array[1, 2]

-- dbt.array_construct()
array[]::integer[]

-- dbt.array_append('a', '1')
array_append(a, 1)

-- dbt.array_concat('a', 'b')
array_cat(a, b)

-- dbt.except()
except

-- dbt.intersect()
intersect

-- dbt.equals('a', 'b')
(a = b)

-- api.Relation.create(database='d', schema='s', identifier='t')
"d"."s"."t"

-- api.Column('a', 'varchar').data_type
character varying(256)

-- api.Column('a', 'integer').is_numeric()
False

-- adapter.quote_as_configured('x', 'schema')
"x"

