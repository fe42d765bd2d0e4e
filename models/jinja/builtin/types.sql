{# The names of types. Each gives its value, so that it can be compared. #}

{% macro type_string() %}{% do return(adapter.dispatch('type_string', 'dbt')()) %}{% endmacro %}
{% macro default__type_string() %}{% do return(api.Column.translate_type('string')) %}{% endmacro %}

{% macro type_int() %}{% do return(adapter.dispatch('type_int', 'dbt')()) %}{% endmacro %}
{% macro default__type_int() %}{% do return(api.Column.translate_type('integer')) %}{% endmacro %}

{% macro type_bigint() %}{% do return(adapter.dispatch('type_bigint', 'dbt')()) %}{% endmacro %}
{% macro default__type_bigint() %}{% do return(api.Column.translate_type('bigint')) %}{% endmacro %}

{% macro type_float() %}{% do return(adapter.dispatch('type_float', 'dbt')()) %}{% endmacro %}
{% macro default__type_float() %}{% do return(api.Column.translate_type('float')) %}{% endmacro %}

{% macro type_numeric() %}{% do return(adapter.dispatch('type_numeric', 'dbt')()) %}{% endmacro %}
{% macro default__type_numeric() %}{% do return(api.Column.numeric_type('numeric', 28, 6)) %}{% endmacro %}

{% macro type_timestamp() %}{% do return(adapter.dispatch('type_timestamp', 'dbt')()) %}{% endmacro %}
{% macro default__type_timestamp() %}{% do return(api.Column.translate_type('timestamp')) %}{% endmacro %}

{% macro type_boolean() %}{% do return(adapter.dispatch('type_boolean', 'dbt')()) %}{% endmacro %}
{% macro default__type_boolean() %}{% do return(api.Column.translate_type('boolean')) %}{% endmacro %}

{% macro cast(field, type) %}{% do return(adapter.dispatch('cast', 'dbt')(field, type)) %}{% endmacro %}
{% macro default__cast(field, type) %}cast({{ field }} as {{ type }}){% endmacro %}
{% macro snowflake__cast(field, type) -%}
  {%- if type | lower in ('geography', 'geometry') -%} to_{{ type | lower }}({{ field }})
  {%- else -%} {{ default__cast(field, type) }}
  {%- endif -%}
{% endmacro %}

{# On DuckDB this is a plain cast, as it is in dbt: a value that cannot be cast is an error there. #}
{% macro safe_cast(field, type) %}{% do return(adapter.dispatch('safe_cast', 'dbt')(field, type)) %}{% endmacro %}
{% macro default__safe_cast(field, type) %}cast({{ field }} as {{ type }}){% endmacro %}
{% macro snowflake__safe_cast(field, type) -%}
  {%- set wanted = type | lower -%}
  {%- if wanted in ('geography', 'geometry') -%} try_to_{{ wanted }}({{ field }})
  {%- elif wanted == 'variant' -%} {{ cast(field, type) }}
  {%- else -%} try_cast({{ string_literal(field) if field is number else field }} as {{ type }})
  {%- endif -%}
{% endmacro %}

{% macro cast_bool_to_text(field) %}{% do return(adapter.dispatch('cast_bool_to_text', 'dbt')(field)) %}{% endmacro %}
{% macro default__cast_bool_to_text(field) %}cast({{ field }} as {{ type_string() }}){% endmacro %}
