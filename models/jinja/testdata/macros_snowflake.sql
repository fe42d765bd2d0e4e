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
to_geography(x)

-- dbt.safe_cast('x', 'date')
try_cast(x as date)

-- dbt.safe_cast(1, 'date')
try_cast('1' as date)

-- dbt.safe_cast('x', 'variant')
cast(x as variant)

-- dbt.safe_cast('x', 'geometry')
try_to_geometry(x)

-- dbt.cast_bool_to_text('b')
cast(b as TEXT)

-- dbt.current_timestamp()
convert_timezone('UTC', current_timestamp())

-- dbt.current_timestamp_backcompat()
cast(current_timestamp as timestamp)

-- dbt.current_timestamp_in_utc_backcompat()
cast(convert_timezone('UTC', cast(current_timestamp as timestamp)) as timestamp)

-- dbt.snapshot_get_time()
to_timestamp_ntz(convert_timezone('UTC', current_timestamp()))

-- dbt.snapshot_string_as_time('2024-01-01')
to_timestamp_ntz('2024-01-01')

-- dbt.date(2024, 2, 29)
to_date('2024-02-29', 'YYYY-MM-DD')

-- dbt.date_trunc('month', 'd')
date_trunc('month', d)

-- dbt.dateadd('week', 2, 'd')
dateadd(week, 2, d)

-- dbt.dateadd('quarter', 'n + 1', 'd')
dateadd(quarter, n + 1, d)

-- dbt.datediff('a', 'b', 'week')
datediff(week, a, b)

-- dbt.datediff('a', 'b', 'day')
datediff(day, a, b)

-- dbt.last_day('d', 'quarter')
cast(dateadd(day, -1, dateadd(quarter, 1, date_trunc('quarter', d))) as date)

-- dbt.date_spine('day', "'2024-01-01'", "'2024-01-10'")
with rawdata as (
    with bit as (
    select 0 as generated_number union all select 1
  ), numbers as (
    select 1 + bit0.generated_number * power(2, 0) as generated_number
    from bit as bit0 
  )
  select generated_number from numbers where generated_number <= 1 order by generated_number
  ), all_periods as (
    select dateadd(day, row_number() over (order by generated_number) - 1, '2024-01-01') as date_day
    from rawdata
  )
  select * from all_periods where date_day <= '2024-01-10'

-- dbt.generate_series(5)
with bit as (
    select 0 as generated_number union all select 1
  ), numbers as (
    select 1 + bit0.generated_number * power(2, 0) + bit1.generated_number * power(2, 1) + bit2.generated_number * power(2, 2) as generated_number
    from bit as bit0 cross join bit as bit1 cross join bit as bit2 
  )
  select generated_number from numbers where generated_number <= 5 order by generated_number

-- dbt.concat(['a', 'b'])
a || b

-- dbt.string_literal('x')
'x'

-- dbt.escape_single_quotes("it's")
it\'s

-- dbt.length('x')
length(x)

-- dbt.position("'a'", 'x')
position('a' in x)

-- dbt.replace('x', "'a'", "'b'")
replace(x, 'a', 'b')

-- dbt.right('x', 2)
iff(2 = 0, '', right(x, 2))

-- dbt.split_part('x', "'|'", 2)
split_part(x, '|', 2)

-- dbt._split_part_negative('x', "'|'", -1)
split_part(x, '|', -1 + 2
    + length(x) - length(replace(x, '|', '')))

-- dbt.hash('x')
md5(cast(x as TEXT))

-- dbt.any_value('x')
any_value(x)

-- dbt.bool_or('x')
boolor_agg(x)

-- dbt.listagg('x', "', '", 'order by y')
listagg(x, ', ') within group (order by y)

-- dbt.listagg('x', "', '", 'order by y', 3)
array_to_string(array_slice(array_agg(x) within group (order by y), 0, 3), ', ')

-- dbt.array_construct(['1', '2'])
array_construct(1, 2)

-- dbt.array_construct()
array_construct()

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
d.s.t

-- api.Column('a', 'varchar').data_type
character varying(16777216)

-- api.Column('a', 'integer').is_numeric()
True

-- adapter.quote_as_configured('x', 'schema')
x

