{# Queries that a template asks. While a project is only read nothing is asked, and nothing is stored. #}

{% macro statement(name=none, fetch_result=false, auto_begin=true, language='sql') -%}
  {%- if execute -%}
    {%- if language != 'sql' -%}
      {%- do exceptions.raise_compiler_error("a statement is written in SQL, not in '" ~ language ~ "'") -%}
    {%- endif -%}
    {%- set response, table = adapter.execute(caller(), auto_begin=auto_begin, fetch=fetch_result) -%}
    {%- if name is not none -%}{%- do store_result(name, response=response, agate_table=table) -%}{%- endif -%}
  {%- endif -%}
{%- endmacro %}

{% macro noop_statement(name=none, message=none, code=none, rows_affected=none, res=none) -%}
  {%- do caller() -%}
  {%- if name is not none -%}
    {%- do store_raw_result(name, message=message, code=code, rows_affected=rows_affected, agate_table=res) -%}
  {%- endif -%}
{%- endmacro %}

{% macro run_query(sql) -%}
  {%- call statement('run_query_statement', fetch_result=true, auto_begin=false) -%}{{ sql }}{%- endcall -%}
  {%- do return(load_result('run_query_statement').table) -%}
{%- endmacro %}

{% macro get_limit_subquery_sql(sql, limit) %}{% do return(adapter.dispatch('get_limit_sql', 'dbt')(sql, limit)) %}{% endmacro %}
{% macro default__get_limit_sql(sql, limit) -%}
  {{ sql }}
  {{ 'limit ' ~ limit if limit is not none }}
{%- endmacro %}

{% macro get_show_sql(compiled_code, sql_header, limit) -%}
  {{ sql_header if sql_header is not none }}
  {{ get_limit_subquery_sql(compiled_code, limit) }}
{%- endmacro %}

{% macro set_sql_header(config) %}{{ config.set('sql_header', caller()) }}{% endmacro %}

{# Hooks that say whether they belong to a transaction. #}
{% macro make_hook_config(sql, inside_transaction) %}{{ tojson({'sql': sql, 'transaction': inside_transaction}) }}{% endmacro %}
{% macro before_begin(sql) %}{{ make_hook_config(sql, inside_transaction=false) }}{% endmacro %}
{% macro after_commit(sql) %}{{ make_hook_config(sql, inside_transaction=false) }}{% endmacro %}
{% macro in_transaction(sql) %}{{ make_hook_config(sql, inside_transaction=true) }}{% endmacro %}
