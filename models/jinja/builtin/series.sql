{# Numbers and days made of nothing. #}

{% macro get_powers_of_two(upper_bound) %}{% do return(adapter.dispatch('get_powers_of_two', 'dbt')(upper_bound)) %}{% endmacro %}
{% macro default__get_powers_of_two(upper_bound) -%}
  {% if upper_bound <= 0 %}{% do exceptions.raise_compiler_error('upper bound must be positive') %}{% endif %}
  {% for n in range(1, 63) if 2 ** n >= upper_bound %}{% do return(n) %}{% endfor %}
{%- endmacro %}

{% macro generate_series(upper_bound) %}{% do return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) %}{% endmacro %}
{# Each number is one choice of bits. #}
{% macro default__generate_series(upper_bound) -%}
  {%- set bits = range(get_powers_of_two(upper_bound)) -%}
  with bit as (
    select 0 as generated_number union all select 1
  ), numbers as (
    select 1
      {%- for i in bits %} + bit{{ i }}.generated_number * power(2, {{ i }}){% endfor %} as generated_number
    from {% for i in bits %}{{ 'cross join ' if not loop.first }}bit as bit{{ i }} {% endfor %}
  )
  select generated_number from numbers where generated_number <= {{ upper_bound }} order by generated_number
{%- endmacro %}
{% macro duckdb__generate_series(upper_bound) -%}
  {%- do get_powers_of_two(upper_bound) -%}
  select cast(n as double) as generated_number from range(1, cast({{ upper_bound }} as bigint) + 1) as numbers(n) order by n
{%- endmacro %}

{% macro get_intervals_between(start_date, end_date, datepart) -%}
  {% do return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) %}
{%- endmacro %}
{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
  {%- call statement('get_intervals_between', fetch_result=true) -%}
    select {{ datediff(start_date, end_date, datepart) }}
  {%- endcall -%}
  {%- set answer = load_result('get_intervals_between') -%}
  {%- do return(answer.table.rows[0][0] if answer and answer.table else 1) -%}
{%- endmacro %}

{% macro date_spine(datepart, start_date, end_date) -%}
  {% do return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) %}
{%- endmacro %}
{% macro default__date_spine(datepart, start_date, end_date) -%}
  with rawdata as (
    {{ generate_series(get_intervals_between(start_date, end_date, datepart)) }}
  ), all_periods as (
    select {{ dateadd(datepart, 'row_number() over (order by generated_number) - 1', start_date) }} as date_{{ datepart }}
    from rawdata
  )
  select * from all_periods where date_{{ datepart }} <= {{ end_date }}
{%- endmacro %}
