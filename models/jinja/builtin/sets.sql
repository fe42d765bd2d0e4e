{# Aggregates, arrays, and what compares rows. #}

{% macro any_value(expression) %}{% do return(adapter.dispatch('any_value', 'dbt')(expression)) %}{% endmacro %}
{% macro default__any_value(expression) %}any_value({{ expression }}){% endmacro %}
{# The value of any row, which may be NULL. #}
{% macro duckdb__any_value(expression) %}arbitrary({{ expression }}){% endmacro %}

{% macro bool_or(expression) %}{% do return(adapter.dispatch('bool_or', 'dbt')(expression)) %}{% endmacro %}
{% macro default__bool_or(expression) %}bool_or({{ expression }}){% endmacro %}
{% macro snowflake__bool_or(expression) %}boolor_agg({{ expression }}){% endmacro %}

{% macro listagg(measure, delimiter_text="','", order_by_clause=none, limit_num=none) -%}
  {% do return(adapter.dispatch('listagg', 'dbt')(measure, delimiter_text, order_by_clause, limit_num)) %}
{%- endmacro %}
{% macro default__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {%- set within = ' within group (' ~ order_by_clause ~ ')' if order_by_clause else '' -%}
  {%- if limit_num -%}
    array_to_string(array_slice(array_agg({{ measure }}){{ within }}, 0, {{ limit_num }}), {{ delimiter_text }})
  {%- else -%}
    listagg({{ measure }}, {{ delimiter_text }}){{ within }}
  {%- endif -%}
{%- endmacro %}
{% macro duckdb__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {%- set ordered = ' ' ~ order_by_clause if order_by_clause else '' -%}
  {%- if limit_num -%}
    list_aggregate(list({{ measure }}{{ ordered }})[1:{{ limit_num }}], 'string_agg', {{ delimiter_text }})
  {%- else -%}
    string_agg({{ measure }}, {{ delimiter_text }}{{ ordered }})
  {%- endif -%}
{%- endmacro %}

{% macro array_construct(inputs=[], data_type=api.Column.translate_type('integer')) -%}
  {% do return(adapter.dispatch('array_construct', 'dbt')(inputs, data_type)) %}
{%- endmacro %}
{% macro default__array_construct(inputs, data_type) -%}
  array[{{ inputs | join(', ') }}]{{ '::' ~ data_type ~ '[]' if not inputs }}
{%- endmacro %}
{% macro snowflake__array_construct(inputs, data_type) %}array_construct({{ inputs | join(', ') }}){% endmacro %}

{% macro array_append(array, new_element) %}{% do return(adapter.dispatch('array_append', 'dbt')(array, new_element)) %}{% endmacro %}
{% macro default__array_append(array, new_element) %}array_append({{ array }}, {{ new_element }}){% endmacro %}

{% macro array_concat(array_1, array_2) %}{% do return(adapter.dispatch('array_concat', 'dbt')(array_1, array_2)) %}{% endmacro %}
{% macro default__array_concat(array_1, array_2) %}array_cat({{ array_1 }}, {{ array_2 }}){% endmacro %}

{% macro except() %}{% do return(adapter.dispatch('except', 'dbt')()) %}{% endmacro %}
{% macro default__except() %}except{% endmacro %}

{% macro intersect() %}{% do return(adapter.dispatch('intersect', 'dbt')()) %}{% endmacro %}
{% macro default__intersect() %}intersect{% endmacro %}

{# NULL equals nothing, as in dbt while enable_truthy_nulls_equals_macro is not set. #}
{% macro equals(expr1, expr2) %}{% do return(adapter.dispatch('equals', 'dbt')(expr1, expr2)) %}{% endmacro %}
{% macro default__equals(expr1, expr2) %}({{ expr1 }} = {{ expr2 }}){% endmacro %}
