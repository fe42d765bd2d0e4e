{# What dbt's own materializations call, and Millrace does natively: each says so, and what to do instead. #}

{% macro _native(name, does, instead) -%}
  {%- do exceptions.raise_compiler_error(name ~ '() is part of a materialization of dbt. ' ~ does ~ ' Instead, ' ~ instead ~ '.') -%}
{%- endmacro %}

{# Tables and views are made, changed and removed by Millrace itself, and so are their grants, comments and indexes. #}
{% macro _native_table(name) %}{% do _native(name, "Tables and views are made, changed and removed by Millrace itself, and so are their grants, comments and indexes.", "set materialized and the other settings in the model's config") %}{% endmacro %}
{% macro get_create_table_as_sql() %}{% do _native_table('get_create_table_as_sql') or varargs or kwargs %}{% endmacro %}
{% macro create_table_as() %}{% do _native_table('create_table_as') or varargs or kwargs %}{% endmacro %}
{% macro get_create_view_as_sql() %}{% do _native_table('get_create_view_as_sql') or varargs or kwargs %}{% endmacro %}
{% macro create_view_as() %}{% do _native_table('create_view_as') or varargs or kwargs %}{% endmacro %}
{% macro create_or_replace_view() %}{% do _native_table('create_or_replace_view') or varargs or kwargs %}{% endmacro %}
{% macro create_or_replace_clone() %}{% do _native_table('create_or_replace_clone') or varargs or kwargs %}{% endmacro %}
{% macro can_clone_table() %}{% do _native_table('can_clone_table') or varargs or kwargs %}{% endmacro %}
{% macro get_create_sql() %}{% do _native_table('get_create_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_create_index_sql() %}{% do _native_table('get_create_index_sql') or varargs or kwargs %}{% endmacro %}
{% macro create_indexes() %}{% do _native_table('create_indexes') or varargs or kwargs %}{% endmacro %}
{% macro get_show_indexes_sql() %}{% do _native_table('get_show_indexes_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_drop_index_sql() %}{% do _native_table('get_drop_index_sql') or varargs or kwargs %}{% endmacro %}
{% macro drop_indexes_on_relation() %}{% do _native_table('drop_indexes_on_relation') or varargs or kwargs %}{% endmacro %}
{% macro get_replace_sql() %}{% do _native_table('get_replace_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_rename_sql() %}{% do _native_table('get_rename_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_drop_sql() %}{% do _native_table('get_drop_sql') or varargs or kwargs %}{% endmacro %}
{% macro drop_relation() %}{% do _native_table('drop_relation') or varargs or kwargs %}{% endmacro %}
{% macro drop_relation_if_exists() %}{% do _native_table('drop_relation_if_exists') or varargs or kwargs %}{% endmacro %}
{% macro drop_schema() %}{% do _native_table('drop_schema') or varargs or kwargs %}{% endmacro %}
{% macro drop_schema_named() %}{% do _native_table('drop_schema_named') or varargs or kwargs %}{% endmacro %}
{% macro rename_relation() %}{% do _native_table('rename_relation') or varargs or kwargs %}{% endmacro %}
{% macro truncate_relation() %}{% do _native_table('truncate_relation') or varargs or kwargs %}{% endmacro %}
{% macro alter_column_type() %}{% do _native_table('alter_column_type') or varargs or kwargs %}{% endmacro %}
{% macro alter_relation_add_remove_columns() %}{% do _native_table('alter_relation_add_remove_columns') or varargs or kwargs %}{% endmacro %}
{% macro alter_column_comment() %}{% do _native_table('alter_column_comment') or varargs or kwargs %}{% endmacro %}
{% macro alter_relation_comment() %}{% do _native_table('alter_relation_comment') or varargs or kwargs %}{% endmacro %}
{% macro persist_docs() %}{% do _native_table('persist_docs') or varargs or kwargs %}{% endmacro %}
{% macro apply_grants() %}{% do _native_table('apply_grants') or varargs or kwargs %}{% endmacro %}
{% macro copy_grants() %}{% do _native_table('copy_grants') or varargs or kwargs %}{% endmacro %}
{% macro get_show_grant_sql() %}{% do _native_table('get_show_grant_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_grant_sql() %}{% do _native_table('get_grant_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_revoke_sql() %}{% do _native_table('get_revoke_sql') or varargs or kwargs %}{% endmacro %}
{% macro call_dcl_statements() %}{% do _native_table('call_dcl_statements') or varargs or kwargs %}{% endmacro %}
{% macro handle_existing_table() %}{% do _native_table('handle_existing_table') or varargs or kwargs %}{% endmacro %}
{% macro store_relation() %}{% do _native_table('store_relation') or varargs or kwargs %}{% endmacro %}
{% macro write_to_file() %}{% do _native_table('write_to_file') or varargs or kwargs %}{% endmacro %}
{% macro external_location() %}{% do _native_table('external_location') or varargs or kwargs %}{% endmacro %}
{% macro location_exists() %}{% do _native_table('location_exists') or varargs or kwargs %}{% endmacro %}
{# External files are read by every run as tables of their own: there is nothing to register. #}
{% macro register_upstream_external_models() %}{% endmacro %}
{% macro run_hooks() %}{% do _native_table('run_hooks') or varargs or kwargs %}{% endmacro %}
{% macro refresh_materialized_view() %}{% do _native_table('refresh_materialized_view') or varargs or kwargs %}{% endmacro %}
{% macro get_create_materialized_view_as_sql() %}{% do _native_table('get_create_materialized_view_as_sql') or varargs or kwargs %}{% endmacro %}

{# Incremental models are built by Millrace itself. #}
{% macro _native_incremental(name) %}{% do _native(name, "Incremental models are built by Millrace itself.", "set incremental_strategy, unique_key and on_schema_change in the model's config") %}{% endmacro %}
{% macro get_merge_sql() %}{% do _native_incremental('get_merge_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_delete_insert_merge_sql() %}{% do _native_incremental('get_delete_insert_merge_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_insert_overwrite_merge_sql() %}{% do _native_incremental('get_insert_overwrite_merge_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_insert_into_sql() %}{% do _native_incremental('get_insert_into_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_incremental_append_sql() %}{% do _native_incremental('get_incremental_append_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_incremental_delete_insert_sql() %}{% do _native_incremental('get_incremental_delete_insert_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_incremental_merge_sql() %}{% do _native_incremental('get_incremental_merge_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_incremental_insert_overwrite_sql() %}{% do _native_incremental('get_incremental_insert_overwrite_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_incremental_default_sql() %}{% do _native_incremental('get_incremental_default_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_incremental_microbatch_sql() %}{% do _native_incremental('get_incremental_microbatch_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_merge_update_columns() %}{% do _native_incremental('get_merge_update_columns') or varargs or kwargs %}{% endmacro %}
{% macro incremental_validate_on_schema_change() %}{% do _native_incremental('incremental_validate_on_schema_change') or varargs or kwargs %}{% endmacro %}
{% macro process_schema_changes() %}{% do _native_incremental('process_schema_changes') or varargs or kwargs %}{% endmacro %}
{% macro check_for_schema_changes() %}{% do _native_incremental('check_for_schema_changes') or varargs or kwargs %}{% endmacro %}
{% macro sync_column_schemas() %}{% do _native_incremental('sync_column_schemas') or varargs or kwargs %}{% endmacro %}
{% macro diff_column_data_types() %}{% do _native_incremental('diff_column_data_types') or varargs or kwargs %}{% endmacro %}

{# Seeds are loaded by Millrace itself. #}
{% macro _native_seed(name) %}{% do _native(name, "Seeds are loaded by Millrace itself.", "set column_types in the seed's config") %}{% endmacro %}
{% macro create_csv_table() %}{% do _native_seed('create_csv_table') or varargs or kwargs %}{% endmacro %}
{% macro reset_csv_table() %}{% do _native_seed('reset_csv_table') or varargs or kwargs %}{% endmacro %}
{% macro load_csv_rows() %}{% do _native_seed('load_csv_rows') or varargs or kwargs %}{% endmacro %}
{% macro get_csv_sql() %}{% do _native_seed('get_csv_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_binding_char() %}{% do _native_seed('get_binding_char') or varargs or kwargs %}{% endmacro %}
{% macro get_batch_size() %}{% do _native_seed('get_batch_size') or varargs or kwargs %}{% endmacro %}

{# Snapshots are made by Millrace itself. #}
{% macro _native_snapshot(name) %}{% do _native(name, "Snapshots are made by Millrace itself.", "set strategy, unique_key and updated_at in the snapshot's config") %}{% endmacro %}
{% macro snapshot_merge_sql() %}{% do _native_snapshot('snapshot_merge_sql') or varargs or kwargs %}{% endmacro %}
{% macro snapshot_staging_table() %}{% do _native_snapshot('snapshot_staging_table') or varargs or kwargs %}{% endmacro %}
{% macro build_snapshot_table() %}{% do _native_snapshot('build_snapshot_table') or varargs or kwargs %}{% endmacro %}
{% macro build_snapshot_staging_table() %}{% do _native_snapshot('build_snapshot_staging_table') or varargs or kwargs %}{% endmacro %}
{% macro post_snapshot() %}{% do _native_snapshot('post_snapshot') or varargs or kwargs %}{% endmacro %}
{% macro create_columns() %}{% do _native_snapshot('create_columns') or varargs or kwargs %}{% endmacro %}
{% macro strategy_dispatch() %}{% do _native_snapshot('strategy_dispatch') or varargs or kwargs %}{% endmacro %}
{% macro snapshot_timestamp_strategy() %}{% do _native_snapshot('snapshot_timestamp_strategy') or varargs or kwargs %}{% endmacro %}
{% macro snapshot_check_strategy() %}{% do _native_snapshot('snapshot_check_strategy') or varargs or kwargs %}{% endmacro %}
{% macro snapshot_check_all_get_existing_columns() %}{% do _native_snapshot('snapshot_check_all_get_existing_columns') or varargs or kwargs %}{% endmacro %}

{# Contracts and unit tests are checked by Millrace itself. #}
{% macro _native_contract(name) %}{% do _native(name, "Contracts and unit tests are checked by Millrace itself.", "write them in the properties file") %}{% endmacro %}
{% macro get_assert_columns_equivalent() %}{% do _native_contract('get_assert_columns_equivalent') or varargs or kwargs %}{% endmacro %}
{% macro assert_columns_equivalent() %}{% do _native_contract('assert_columns_equivalent') or varargs or kwargs %}{% endmacro %}
{% macro get_table_columns_and_constraints() %}{% do _native_contract('get_table_columns_and_constraints') or varargs or kwargs %}{% endmacro %}
{% macro table_columns_and_constraints() %}{% do _native_contract('table_columns_and_constraints') or varargs or kwargs %}{% endmacro %}
{% macro get_select_subquery() %}{% do _native_contract('get_select_subquery') or varargs or kwargs %}{% endmacro %}
{% macro validate_sql() %}{% do _native_contract('validate_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_unit_test_sql() %}{% do _native_contract('get_unit_test_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_fixture_sql() %}{% do _native_contract('get_fixture_sql') or varargs or kwargs %}{% endmacro %}
{% macro get_expected_sql() %}{% do _native_contract('get_expected_sql') or varargs or kwargs %}{% endmacro %}
{% macro collect_freshness() %}{% do _native_contract('collect_freshness') or varargs or kwargs %}{% endmacro %}
{% macro collect_freshness_custom_sql() %}{% do _native_contract('collect_freshness_custom_sql') or varargs or kwargs %}{% endmacro %}

{# What the catalog shows comes from Millrace itself. #}
{% macro _native_catalog(name) %}{% do _native(name, "What the catalog shows comes from Millrace itself.", "run millrace docs") %}{% endmacro %}
{% macro get_catalog() %}{% do _native_catalog('get_catalog') or varargs or kwargs %}{% endmacro %}
{% macro get_catalog_relations() %}{% do _native_catalog('get_catalog_relations') or varargs or kwargs %}{% endmacro %}
{% macro get_catalog_for_single_relation() %}{% do _native_catalog('get_catalog_for_single_relation') or varargs or kwargs %}{% endmacro %}
{% macro list_schemas() %}{% do _native_catalog('list_schemas') or varargs or kwargs %}{% endmacro %}
{% macro get_relation_last_modified() %}{% do _native_catalog('get_relation_last_modified') or varargs or kwargs %}{% endmacro %}
{% macro get_relations() %}{% do _native_catalog('get_relations') or varargs or kwargs %}{% endmacro %}
