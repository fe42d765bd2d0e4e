{# Text. #}

{% macro string_literal(value) %}{% do return(adapter.dispatch('string_literal', 'dbt')(value)) %}{% endmacro %}
{% macro default__string_literal(value) %}'{{ value }}'{% endmacro %}

{% macro escape_single_quotes(expression) %}{% do return(adapter.dispatch('escape_single_quotes', 'dbt')(expression)) %}{% endmacro %}
{% macro default__escape_single_quotes(expression) %}{{ expression | replace("'", "''") }}{% endmacro %}
{% macro snowflake__escape_single_quotes(expression) %}{{ expression | replace("'", "\\'") }}{% endmacro %}

{% macro concat(fields) %}{% do return(adapter.dispatch('concat', 'dbt')(fields)) %}{% endmacro %}
{% macro default__concat(fields) %}{{ fields | join(' || ') }}{% endmacro %}

{% macro length(expression) %}{% do return(adapter.dispatch('length', 'dbt')(expression)) %}{% endmacro %}
{% macro default__length(expression) %}length({{ expression }}){% endmacro %}

{% macro position(substring_text, string_text) -%}
  {% do return(adapter.dispatch('position', 'dbt')(substring_text, string_text)) %}
{%- endmacro %}
{% macro default__position(substring_text, string_text) %}position({{ substring_text }} in {{ string_text }}){% endmacro %}

{% macro replace(field, old_chars, new_chars) -%}
  {% do return(adapter.dispatch('replace', 'dbt')(field, old_chars, new_chars)) %}
{%- endmacro %}
{% macro default__replace(field, old_chars, new_chars) %}replace({{ field }}, {{ old_chars }}, {{ new_chars }}){% endmacro %}

{% macro right(string_text, length_expression) -%}
  {% do return(adapter.dispatch('right', 'dbt')(string_text, length_expression)) %}
{%- endmacro %}
{% macro default__right(string_text, length_expression) %}right({{ string_text }}, {{ length_expression }}){% endmacro %}
{# Of no characters, Snowflake's gives all. #}
{% macro snowflake__right(string_text, length_expression) -%}
  iff({{ length_expression }} = 0, '', {{ default__right(string_text, length_expression) }})
{%- endmacro %}

{% macro split_part(string_text, delimiter_text, part_number) -%}
  {% do return(adapter.dispatch('split_part', 'dbt')(string_text, delimiter_text, part_number)) %}
{%- endmacro %}
{% macro default__split_part(string_text, delimiter_text, part_number) -%}
  split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}
{# A part that is not there is NULL; a negative number counts from the end. #}
{% macro duckdb__split_part(string_text, delimiter_text, part_number) -%}
  string_split({{ string_text }}, {{ delimiter_text }})[{{ part_number }}]
{%- endmacro %}
{% macro _split_part_negative(string_text, delimiter_text, part_number) -%}
  split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }} + 2
    + length({{ string_text }}) - length(replace({{ string_text }}, {{ delimiter_text }}, '')))
{%- endmacro %}

{% macro hash(field) %}{% do return(adapter.dispatch('hash', 'dbt')(field)) %}{% endmacro %}
{% macro default__hash(field) %}md5(cast({{ field }} as {{ type_string() }})){% endmacro %}

{% macro snapshot_hash_arguments(args) %}{% do return(adapter.dispatch('snapshot_hash_arguments', 'dbt')(args)) %}{% endmacro %}
{% macro default__snapshot_hash_arguments(args) -%}
  {%- set texts = [] -%}
  {%- for arg in args %}{% do texts.append("coalesce(cast(" ~ arg ~ " as varchar), '')") %}{% endfor -%}
  md5({{ texts | join(" || '|' || ") }})
{%- endmacro %}
