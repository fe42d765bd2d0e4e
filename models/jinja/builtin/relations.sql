{# Relations and their columns. #}

{% macro is_incremental() %}{% do return(builtins.is_incremental()) %}{% endmacro %}

{% macro should_full_refresh() -%}
  {%- set own = config.get('full_refresh') -%}
  {%- do return(flags.FULL_REFRESH if own is none else own) -%}
{%- endmacro %}

{% macro load_cached_relation(relation) -%}
  {% do return(adapter.get_relation(database=relation.database, schema=relation.schema, identifier=relation.identifier)) %}
{%- endmacro %}
{% macro load_relation(relation) %}{% do return(load_cached_relation(relation)) %}{% endmacro %}

{% macro get_or_create_relation(database, schema, identifier, type) -%}
  {% do return(adapter.dispatch('get_or_create_relation', 'dbt')(database, schema, identifier, type)) %}
{%- endmacro %}
{% macro default__get_or_create_relation(database, schema, identifier, type) -%}
  {%- set found = adapter.get_relation(database=database, schema=schema, identifier=identifier) -%}
  {%- if found -%}{%- do return([true, found]) -%}{%- endif -%}
  {%- do return([false, api.Relation.create(database=database, schema=schema, identifier=identifier, type=type)]) -%}
{%- endmacro %}

{# Names only: Millrace itself needs no such tables, and makes none of them. #}
{% macro make_temp_relation(base_relation, suffix='__dbt_tmp') -%}
  {% do return(adapter.dispatch('make_temp_relation', 'dbt')(base_relation, suffix)) %}
{%- endmacro %}
{% macro default__make_temp_relation(base_relation, suffix) -%}
  {% do return(base_relation.incorporate(path={'identifier': base_relation.identifier ~ suffix})) %}
{%- endmacro %}
{% macro make_intermediate_relation(base_relation, suffix='__dbt_tmp') -%}
  {% do return(adapter.dispatch('make_intermediate_relation', 'dbt')(base_relation, suffix)) %}
{%- endmacro %}
{% macro default__make_intermediate_relation(base_relation, suffix) -%}
  {% do return(default__make_temp_relation(base_relation, suffix)) %}
{%- endmacro %}
{% macro make_backup_relation(base_relation, backup_relation_type, suffix='__dbt_backup') -%}
  {% do return(adapter.dispatch('make_backup_relation', 'dbt')(base_relation, backup_relation_type, suffix)) %}
{%- endmacro %}
{% macro default__make_backup_relation(base_relation, backup_relation_type, suffix) -%}
  {% do return(default__make_temp_relation(base_relation, suffix).incorporate(type=backup_relation_type)) %}
{%- endmacro %}

{% macro get_columns_in_relation(relation) %}{% do return(adapter.dispatch('get_columns_in_relation', 'dbt')(relation)) %}{% endmacro %}
{% macro default__get_columns_in_relation(relation) %}{% do return(adapter.get_columns_in_relation(relation)) %}{% endmacro %}

{% macro list_relations_without_caching(schema_relation) -%}
  {% do return(adapter.dispatch('list_relations_without_caching', 'dbt')(schema_relation)) %}
{%- endmacro %}
{% macro default__list_relations_without_caching(schema_relation) -%}
  {% do return(adapter.list_relations_without_caching(schema_relation)) %}
{%- endmacro %}

{% macro check_schema_exists(information_schema, schema) -%}
  {% do return(adapter.check_schema_exists(information_schema.database, schema)) %}
{%- endmacro %}

{% macro information_schema_name(database) %}{% do return(adapter.dispatch('information_schema_name', 'dbt')(database)) %}{% endmacro %}
{% macro default__information_schema_name(database) %}{{ database ~ '.' if database }}INFORMATION_SCHEMA{% endmacro %}

{% macro get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
  {% do return(adapter.dispatch('get_empty_subquery_sql', 'dbt')(select_sql, select_sql_header)) %}
{%- endmacro %}
{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
  {{ select_sql_header if select_sql_header is not none }}
  select * from (
  {{ select_sql }}
  ) as __dbt_sbq where false limit 0
{%- endmacro %}

{% macro get_column_schema_from_query(select_sql, select_sql_header=none) -%}
  {% do return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql, select_sql_header))) %}
{%- endmacro %}

{% macro get_columns_in_query(select_sql) %}{% do return(adapter.dispatch('get_columns_in_query', 'dbt')(select_sql)) %}{% endmacro %}
{% macro default__get_columns_in_query(select_sql) -%}
  {% do return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql)) | map(attribute='name') | list) %}
{%- endmacro %}

{# An empty table with the columns of a contract. #}
{% macro get_empty_schema_sql(columns) %}{% do return(adapter.dispatch('get_empty_schema_sql', 'dbt')(columns)) %}{% endmacro %}
{% macro default__get_empty_schema_sql(columns) -%}
  {%- set untyped = columns.values() | rejectattr('data_type', 'defined') | map(attribute='name') | list -%}
  {%- if untyped -%}{%- do exceptions.column_type_missing(column_names=untyped) -%}{%- endif -%}
  select {% for c in columns.values() -%}
    {{ cast('null', c.data_type) }} as {{ adapter.quote(c.name) if c.quote else c.name }}{{ ', ' if not loop.last }}
  {%- endfor %}
{%- endmacro %}

{% macro get_list_of_column_names(columns) %}{% do return(columns | map(attribute='name') | list) %}{% endmacro %}

{% macro get_quoted_csv(column_names) -%}
  {%- set quoted = [] -%}
  {%- for name in column_names %}{% do quoted.append(adapter.quote(name)) %}{% endfor -%}
  {%- do return(quoted | join(', ')) -%}
{%- endmacro %}

{# Columns of the first that the second has not, by name. #}
{% macro diff_columns(source_columns, target_columns) -%}
  {%- set known = target_columns | map(attribute='column') | list -%}
  {%- do return(source_columns | rejectattr('column', 'in', known) | list) -%}
{%- endmacro %}

{% macro sql_convert_columns_in_relation(table) -%}
  {%- set columns = [] -%}
  {%- for row in table %}{% do columns.append(api.Column(*row)) %}{% endfor -%}
  {%- do return(columns) -%}
{%- endmacro %}

{% macro create_schema(relation) %}{% do adapter.create_schema(relation) %}{% endmacro %}
