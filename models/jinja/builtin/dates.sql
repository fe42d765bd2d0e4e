{# Days and times. #}

{% macro current_timestamp() %}{% do return(adapter.dispatch('current_timestamp', 'dbt')()) %}{% endmacro %}
{% macro default__current_timestamp() %}
  {%- do exceptions.raise_not_implemented('current_timestamp on ' ~ adapter.type()) -%}
{% endmacro %}
{% macro duckdb__current_timestamp() %}now(){% endmacro %}
{% macro snowflake__current_timestamp() %}convert_timezone('UTC', current_timestamp()){% endmacro %}

{% macro current_timestamp_backcompat() %}{% do return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) %}{% endmacro %}
{% macro default__current_timestamp_backcompat() %}cast(current_timestamp as timestamp){% endmacro %}
{% macro snowflake__current_timestamp_backcompat() %}cast(current_timestamp as {{ type_timestamp() }}){% endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}
  {% do return(adapter.dispatch('current_timestamp_in_utc_backcompat', 'dbt')()) %}
{%- endmacro %}
{% macro default__current_timestamp_in_utc_backcompat() %}{{ current_timestamp_backcompat() }}{% endmacro %}
{% macro snowflake__current_timestamp_in_utc_backcompat() -%}
  cast(convert_timezone('UTC', {{ current_timestamp_backcompat() }}) as {{ type_timestamp() }})
{%- endmacro %}

{% macro snapshot_get_time() %}{% do return(adapter.dispatch('snapshot_get_time', 'dbt')()) %}{% endmacro %}
{% macro default__snapshot_get_time() %}{{ current_timestamp() }}{% endmacro %}
{% macro duckdb__snapshot_get_time() %}cast({{ current_timestamp() }} as timestamp){% endmacro %}
{% macro snowflake__snapshot_get_time() %}to_timestamp_ntz({{ current_timestamp() }}){% endmacro %}

{% macro snapshot_string_as_time(timestamp) %}{% do return(adapter.dispatch('snapshot_string_as_time', 'dbt')(timestamp)) %}{% endmacro %}
{% macro default__snapshot_string_as_time(timestamp) %}
  {%- do exceptions.raise_not_implemented('snapshot_string_as_time on ' ~ adapter.type()) -%}
{% endmacro %}
{% macro duckdb__snapshot_string_as_time(timestamp) %}{% do return("cast('" ~ timestamp ~ "' as timestamp)") %}{% endmacro %}
{% macro snowflake__snapshot_string_as_time(timestamp) %}{% do return("to_timestamp_ntz('" ~ timestamp ~ "')") %}{% endmacro %}

{% macro date(year, month, day) %}{% do return(adapter.dispatch('date', 'dbt')(year, month, day)) %}{% endmacro %}
{% macro default__date(year, month, day) %}to_date('{{ modules.datetime.date(year, month, day) }}', 'YYYY-MM-DD'){% endmacro %}
{% macro duckdb__date(year, month, day) %}cast('{{ modules.datetime.date(year, month, day) }}' as date){% endmacro %}

{% macro date_trunc(datepart, date) %}{% do return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) %}{% endmacro %}
{% macro default__date_trunc(datepart, date) %}date_trunc('{{ datepart }}', {{ date }}){% endmacro %}

{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
  {% do return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) %}
{%- endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
  dateadd({{ datepart }}, {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}
{# DuckDB has no interval of a quarter; the number may be any expression. #}
{% macro duckdb__dateadd(datepart, interval, from_date_or_timestamp) -%}
  {%- set times, unit = {'quarter': (3, 'month'), 'week': (7, 'day')}.get(datepart | lower, (1, datepart | lower)) -%}
  ({{ from_date_or_timestamp }} + (cast({{ interval }} as bigint){{ ' * ' ~ times if times > 1 }}) * interval 1 {{ unit }})
{%- endmacro %}

{% macro datediff(first_date, second_date, datepart) -%}
  {% do return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) %}
{%- endmacro %}
{% macro default__datediff(first_date, second_date, datepart) -%}
  datediff({{ datepart }}, {{ first_date }}, {{ second_date }})
{%- endmacro %}
{# Weeks begin on Sunday, as in dbt; DuckDB's begin on Monday, so they are counted from days that are one later. As in dbt, a whole
   number of weeks back counts one more. #}
{% macro duckdb__datediff(first_date, second_date, datepart) -%}
  {%- set first, second = 'cast(' ~ first_date ~ ' as timestamp)', 'cast(' ~ second_date ~ ' as timestamp)' -%}
  {%- if datepart == 'week' -%}
    (date_diff('day', date_trunc('week', {{ first }} + interval 1 day), date_trunc('week', {{ second }} + interval 1 day)) // 7
      - case when {{ first }} > {{ second }} and date_diff('day', {{ first }}, {{ second }}) % 7 = 0 then 1 else 0 end)
  {%- else -%}
    date_diff('{{ datepart }}', {{ first }}, {{ second }})
  {%- endif -%}
{%- endmacro %}

{% macro last_day(date, datepart) %}{% do return(adapter.dispatch('last_day', 'dbt')(date, datepart)) %}{% endmacro %}
{% macro default__last_day(date, datepart) %}{{ default_last_day(date, datepart) }}{% endmacro %}
{# The day before the next part begins. #}
{% macro default_last_day(date, datepart) -%}
  cast({{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }} as date)
{%- endmacro %}

{# Lists of days for macros, as text. #}

{% macro convert_datetime(date_str, date_fmt) -%}
  {% do return(try_or_compiler_error("the date '" ~ date_str ~ "' is not written as " ~ date_fmt,
                                     modules.datetime.datetime.strptime, date_str.strip(), date_fmt)) %}
{%- endmacro %}

{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') -%}
  {% set first = convert_datetime(start_date_str, in_fmt) %}
  {% set last = first if end_date_str is none else convert_datetime(end_date_str, in_fmt) %}
  {% if last < first %}
    {% do exceptions.raise_compiler_error('a range of days begins at ' ~ first ~ ', after its end at ' ~ last) %}
  {% endif %}
  {% set days = [] %}
  {% for i in range((last - first).days + 1) %}
    {% set day = first + modules.datetime.timedelta(days=i) %}
    {% do days.append(day.strftime(out_fmt) if out_fmt else day) %}
  {% endfor %}
  {% do return(days) %}
{%- endmacro %}

{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') -%}
  {% set bounds = (raw_partition_date | string).split(',') %}
  {% if bounds | length > 2 %}
    {% do exceptions.raise_compiler_error("a partition is one day, or the first and the last with a comma between: not '"
                                          ~ raw_partition_date ~ "'") %}
  {% endif %}
  {% do return(dates_in_range(bounds[0], bounds[1] if bounds | length == 2 else none, in_fmt=date_fmt)) %}
{%- endmacro %}

{% macro py_current_timestring() -%}
  {% do return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) %}
{%- endmacro %}
