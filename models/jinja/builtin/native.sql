{# What dbt's own materializations call, and Millrace does natively: each says so, and what to do instead. #}

{% macro _native(name, does, instead) -%}
  {%- do exceptions.raise_compiler_error(name ~ '() is part of a materialization of dbt. ' ~ does ~ ' Instead, ' ~ instead ~ '.') -%}
{%- endmacro %}

{# Tables and views are made, changed and removed by Millrace itself, and so are their grants, comments and indexes. #}
{% macro _tables(name, args, kwargs) -%}
  {%- do _native(name, "Tables and views are made, changed and removed by Millrace itself, and so are their grants, comments and indexes.",
                 "set materialized and the other settings in the model's config") -%}
{%- endmacro %}
{% macro get_create_table_as_sql() %}{% do _tables('get_create_table_as_sql', varargs, kwargs) %}{% endmacro %}
{% macro create_table_as() %}{% do _tables('create_table_as', varargs, kwargs) %}{% endmacro %}
{% macro get_create_view_as_sql() %}{% do _tables('get_create_view_as_sql', varargs, kwargs) %}{% endmacro %}
{% macro create_view_as() %}{% do _tables('create_view_as', varargs, kwargs) %}{% endmacro %}
{% macro create_or_replace_view() %}{% do _tables('create_or_replace_view', varargs, kwargs) %}{% endmacro %}
{% macro create_or_replace_clone() %}{% do _tables('create_or_replace_clone', varargs, kwargs) %}{% endmacro %}
{% macro can_clone_table() %}{% do _tables('can_clone_table', varargs, kwargs) %}{% endmacro %}
{% macro get_create_sql() %}{% do _tables('get_create_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_create_index_sql() %}{% do _tables('get_create_index_sql', varargs, kwargs) %}{% endmacro %}
{% macro create_indexes() %}{% do _tables('create_indexes', varargs, kwargs) %}{% endmacro %}
{% macro get_show_indexes_sql() %}{% do _tables('get_show_indexes_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_drop_index_sql() %}{% do _tables('get_drop_index_sql', varargs, kwargs) %}{% endmacro %}
{% macro drop_indexes_on_relation() %}{% do _tables('drop_indexes_on_relation', varargs, kwargs) %}{% endmacro %}
{% macro get_replace_sql() %}{% do _tables('get_replace_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_rename_sql() %}{% do _tables('get_rename_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_drop_sql() %}{% do _tables('get_drop_sql', varargs, kwargs) %}{% endmacro %}
{% macro drop_relation() %}{% do _tables('drop_relation', varargs, kwargs) %}{% endmacro %}
{% macro drop_relation_if_exists() %}{% do _tables('drop_relation_if_exists', varargs, kwargs) %}{% endmacro %}
{% macro drop_schema() %}{% do _tables('drop_schema', varargs, kwargs) %}{% endmacro %}
{% macro drop_schema_named() %}{% do _tables('drop_schema_named', varargs, kwargs) %}{% endmacro %}
{% macro rename_relation() %}{% do _tables('rename_relation', varargs, kwargs) %}{% endmacro %}
{% macro truncate_relation() %}{% do _tables('truncate_relation', varargs, kwargs) %}{% endmacro %}
{% macro alter_column_type() %}{% do _tables('alter_column_type', varargs, kwargs) %}{% endmacro %}
{% macro alter_relation_add_remove_columns() %}{% do _tables('alter_relation_add_remove_columns', varargs, kwargs) %}{% endmacro %}
{% macro alter_column_comment() %}{% do _tables('alter_column_comment', varargs, kwargs) %}{% endmacro %}
{% macro alter_relation_comment() %}{% do _tables('alter_relation_comment', varargs, kwargs) %}{% endmacro %}
{% macro persist_docs() %}{% do _tables('persist_docs', varargs, kwargs) %}{% endmacro %}
{% macro apply_grants() %}{% do _tables('apply_grants', varargs, kwargs) %}{% endmacro %}
{% macro copy_grants() %}{% do _tables('copy_grants', varargs, kwargs) %}{% endmacro %}
{% macro get_show_grant_sql() %}{% do _tables('get_show_grant_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_grant_sql() %}{% do _tables('get_grant_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_revoke_sql() %}{% do _tables('get_revoke_sql', varargs, kwargs) %}{% endmacro %}
{% macro call_dcl_statements() %}{% do _tables('call_dcl_statements', varargs, kwargs) %}{% endmacro %}
{% macro handle_existing_table() %}{% do _tables('handle_existing_table', varargs, kwargs) %}{% endmacro %}
{% macro store_relation() %}{% do _tables('store_relation', varargs, kwargs) %}{% endmacro %}
{% macro write_to_file() %}{% do _tables('write_to_file', varargs, kwargs) %}{% endmacro %}
{% macro external_location() %}{% do _tables('external_location', varargs, kwargs) %}{% endmacro %}
{% macro location_exists() %}{% do _tables('location_exists', varargs, kwargs) %}{% endmacro %}
{# External files are read by every run as tables of their own: there is nothing to register. #}
{% macro register_upstream_external_models() %}{% endmacro %}
{% macro run_hooks() %}{% do _tables('run_hooks', varargs, kwargs) %}{% endmacro %}
{% macro refresh_materialized_view() %}{% do _tables('refresh_materialized_view', varargs, kwargs) %}{% endmacro %}
{% macro get_create_materialized_view_as_sql() %}{% do _tables('get_create_materialized_view_as_sql', varargs, kwargs) %}{% endmacro %}

{# Incremental models are built by Millrace itself. #}
{% macro _increments(name, args, kwargs) -%}
  {%- do _native(name, "Incremental models are built by Millrace itself.",
                 "set incremental_strategy, unique_key and on_schema_change in the model's config") -%}
{%- endmacro %}
{% macro get_merge_sql() %}{% do _increments('get_merge_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_delete_insert_merge_sql() %}{% do _increments('get_delete_insert_merge_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_insert_overwrite_merge_sql() %}{% do _increments('get_insert_overwrite_merge_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_insert_into_sql() %}{% do _increments('get_insert_into_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_incremental_append_sql() %}{% do _increments('get_incremental_append_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_incremental_delete_insert_sql() %}{% do _increments('get_incremental_delete_insert_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_incremental_merge_sql() %}{% do _increments('get_incremental_merge_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_incremental_insert_overwrite_sql() %}{% do _increments('get_incremental_insert_overwrite_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_incremental_default_sql() %}{% do _increments('get_incremental_default_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_incremental_microbatch_sql() %}{% do _increments('get_incremental_microbatch_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_merge_update_columns() %}{% do _increments('get_merge_update_columns', varargs, kwargs) %}{% endmacro %}
{% macro incremental_validate_on_schema_change() %}{% do _increments('incremental_validate_on_schema_change', varargs, kwargs) %}{% endmacro %}
{% macro process_schema_changes() %}{% do _increments('process_schema_changes', varargs, kwargs) %}{% endmacro %}
{% macro check_for_schema_changes() %}{% do _increments('check_for_schema_changes', varargs, kwargs) %}{% endmacro %}
{% macro sync_column_schemas() %}{% do _increments('sync_column_schemas', varargs, kwargs) %}{% endmacro %}
{% macro diff_column_data_types() %}{% do _increments('diff_column_data_types', varargs, kwargs) %}{% endmacro %}

{# Seeds are loaded by Millrace itself. #}
{% macro _seeds(name, args, kwargs) -%}
  {%- do _native(name, "Seeds are loaded by Millrace itself.",
                 "set column_types in the seed's config") -%}
{%- endmacro %}
{% macro create_csv_table() %}{% do _seeds('create_csv_table', varargs, kwargs) %}{% endmacro %}
{% macro reset_csv_table() %}{% do _seeds('reset_csv_table', varargs, kwargs) %}{% endmacro %}
{% macro load_csv_rows() %}{% do _seeds('load_csv_rows', varargs, kwargs) %}{% endmacro %}
{% macro get_csv_sql() %}{% do _seeds('get_csv_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_binding_char() %}{% do _seeds('get_binding_char', varargs, kwargs) %}{% endmacro %}
{% macro get_batch_size() %}{% do _seeds('get_batch_size', varargs, kwargs) %}{% endmacro %}

{# Snapshots are made by Millrace itself. #}
{% macro _snapshots(name, args, kwargs) -%}
  {%- do _native(name, "Snapshots are made by Millrace itself.",
                 "set strategy, unique_key and updated_at in the snapshot's config") -%}
{%- endmacro %}
{% macro snapshot_merge_sql() %}{% do _snapshots('snapshot_merge_sql', varargs, kwargs) %}{% endmacro %}
{% macro snapshot_staging_table() %}{% do _snapshots('snapshot_staging_table', varargs, kwargs) %}{% endmacro %}
{% macro build_snapshot_table() %}{% do _snapshots('build_snapshot_table', varargs, kwargs) %}{% endmacro %}
{% macro build_snapshot_staging_table() %}{% do _snapshots('build_snapshot_staging_table', varargs, kwargs) %}{% endmacro %}
{% macro post_snapshot() %}{% do _snapshots('post_snapshot', varargs, kwargs) %}{% endmacro %}
{% macro create_columns() %}{% do _snapshots('create_columns', varargs, kwargs) %}{% endmacro %}
{% macro strategy_dispatch() %}{% do _snapshots('strategy_dispatch', varargs, kwargs) %}{% endmacro %}
{% macro snapshot_timestamp_strategy() %}{% do _snapshots('snapshot_timestamp_strategy', varargs, kwargs) %}{% endmacro %}
{% macro snapshot_check_strategy() %}{% do _snapshots('snapshot_check_strategy', varargs, kwargs) %}{% endmacro %}
{% macro snapshot_check_all_get_existing_columns() %}{% do _snapshots('snapshot_check_all_get_existing_columns', varargs, kwargs) %}{% endmacro %}

{# Contracts and unit tests are checked by Millrace itself. #}
{% macro _contracts(name, args, kwargs) -%}
  {%- do _native(name, "Contracts and unit tests are checked by Millrace itself.",
                 "write them in the properties file") -%}
{%- endmacro %}
{% macro get_assert_columns_equivalent() %}{% do _contracts('get_assert_columns_equivalent', varargs, kwargs) %}{% endmacro %}
{% macro assert_columns_equivalent() %}{% do _contracts('assert_columns_equivalent', varargs, kwargs) %}{% endmacro %}
{% macro get_table_columns_and_constraints() %}{% do _contracts('get_table_columns_and_constraints', varargs, kwargs) %}{% endmacro %}
{% macro table_columns_and_constraints() %}{% do _contracts('table_columns_and_constraints', varargs, kwargs) %}{% endmacro %}
{% macro get_select_subquery() %}{% do _contracts('get_select_subquery', varargs, kwargs) %}{% endmacro %}
{% macro validate_sql() %}{% do _contracts('validate_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_unit_test_sql() %}{% do _contracts('get_unit_test_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_fixture_sql() %}{% do _contracts('get_fixture_sql', varargs, kwargs) %}{% endmacro %}
{% macro get_expected_sql() %}{% do _contracts('get_expected_sql', varargs, kwargs) %}{% endmacro %}
{% macro collect_freshness() %}{% do _contracts('collect_freshness', varargs, kwargs) %}{% endmacro %}
{% macro collect_freshness_custom_sql() %}{% do _contracts('collect_freshness_custom_sql', varargs, kwargs) %}{% endmacro %}

{# What the catalog shows comes from Millrace itself. #}
{% macro _catalogs(name, args, kwargs) -%}
  {%- do _native(name, "What the catalog shows comes from Millrace itself.",
                 "run millrace docs") -%}
{%- endmacro %}
{% macro get_catalog() %}{% do _catalogs('get_catalog', varargs, kwargs) %}{% endmacro %}
{% macro get_catalog_relations() %}{% do _catalogs('get_catalog_relations', varargs, kwargs) %}{% endmacro %}
{% macro get_catalog_for_single_relation() %}{% do _catalogs('get_catalog_for_single_relation', varargs, kwargs) %}{% endmacro %}
{% macro list_schemas() %}{% do _catalogs('list_schemas', varargs, kwargs) %}{% endmacro %}
{% macro get_relation_last_modified() %}{% do _catalogs('get_relation_last_modified', varargs, kwargs) %}{% endmacro %}
{% macro get_relations() %}{% do _catalogs('get_relations', varargs, kwargs) %}{% endmacro %}
