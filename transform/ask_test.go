package transform

import (
	"strings"
	"testing"
)

// TestAsk: what templates ask of the engine, and what it refuses. want is the text, or a part of the error after "error: ".
func TestAsk(t *testing.T) {
	b, dir := bench(t, map[string]string{
		"models/orders.sql": "{{ config(materialized='table') }} select 1 as id, 12.50::decimal(10,2) as amount, date '2024-02-29' as day union all select 2, 3, null",
		"models/seen.sql":   "select id from {{ ref('orders') }}",
		"models/inline.sql": "{{ config(materialized='ephemeral') }} select 1 as a, 'x' as b",
		"models/m.sql":      "select 1 as x",
	})
	b.must(t, "orders", dir, nil)
	b.must(t, "seen", dir, nil)
	for _, c := range []struct{ src, want string }{
		{"{{ run_query('select * from ' ~ ref('orders') ~ ' order by id').rows[0] }}", "<agate.Row: (1, Decimal('12.50'), datetime.date(2024, 2, 29))>"},
		{"{% for c in adapter.get_columns_in_relation(ref('orders')) %}{{ c.name }} {{ c.dtype }};{% endfor %}", "id INTEGER;amount DECIMAL(12,2);day DATE;"},
		{"{{ adapter.get_columns_in_relation(ref('inline')) | map(attribute='name') | list }}", "['a', 'b']"},
		{"{{ adapter.get_columns_in_relation(api.Relation.create(schema='main', identifier='nope')) }}", "[]"},
		{"{{ adapter.get_columns_in_relation(api.Relation.create(database='elsewhere', schema='main', identifier='orders')) | length }}", "3"},
		{"{{ adapter.get_relation(none, 'main', 'orders').type }} {{ load_relation(ref('seen')).type }} {{ load_relation(this) }}", "table view None"},
		{"{{ adapter.list_relations_without_caching(this) | map(attribute='name') | list }} {{ adapter.check_schema_exists(none, 'main') }} {{ adapter.check_schema_exists(none, 'x') }}",
			"['orders', 'seen'] True False"},
		{"{{ run_query('SHOW TABLES').columns[0].values() }}", "('orders', 'seen')"},
		{"{{ run_query(\"pragma table_info('orders')\").columns['name'].values() }}", "('id', 'amount', 'day')"},
		{"{{ run_query('describe ' ~ ref('seen')).rows[0][0] }} {{ run_query('select 1 -- a comment').rows[0][0] }}", "id 1"},
		{"{{ run_query('select table_name from information_schema.tables order by 1').columns[0].values() }}", "('orders', 'seen')"},
		{"{{ get_columns_in_query('select id, amount as a from ' ~ ref('orders')) }}", "['id', 'a']"},
		{"{{ dbt.get_intervals_between(\"date '2024-01-01'\", \"date '2024-01-08'\", 'day') }}", "7"},
		{"{{ model.name }} {{ graph.nodes.values() | map(attribute='name') | sort | list }} {{ run_started_at.year > 2000 }} {{ invocation_id is string }}", "m ['inline', 'm', 'orders', 'seen'] True True"},
		{"{{ this }} {{ this.include(database=true) }} {{ this.database }} {{ ref('orders').render() }}", `"main"."m" "main"."m" None "main"."orders"`},
		{"{{ run_query('drop table orders') }}", "error: the query \"drop table orders\": "},
		{"{{ run_query('create table x as select 1') }}", "error: only one SELECT statement is allowed here"},
		{"{{ run_query('select 1; select 2') }}", "error: the query \"select 1; select 2\": "},
		{"{{ run_query('select * from nowhere') }}", "error: nowhere"},
		{"{{ run_query(\"select * from read_csv('/etc/passwd')\") }}", "error: "},
		{"{{ run_query('select * from range(1000000)') }}", "error: the answer has more than 200000 rows"},
		{"{{ adapter.drop_relation(this) }}", "error: adapter.drop_relation() is not supported"},
		{"{{ adapter.get_columns_in_relation('orders') }}", "error: adapter.get_columns_in_relation() takes a relation, not str"},
		{"{{ get_delete_insert_merge_sql(this, this, 'id', []) }}", "error: get_delete_insert_merge_sql() is part of a materialization of dbt"},
		{"{{ doc('x') }}", "error: stands in a description"},
	} {
		got, err := b.asking(t, c.src)
		wantErr, isErr := strings.CutPrefix(c.want, "error: ")
		switch {
		case isErr && (err == nil || !strings.Contains(err.Error(), wantErr)):
			t.Errorf("%s\n got %q %v\nwant an error with %s", c.src, got, err, wantErr)
		case !isErr && (err != nil || got != c.want):
			t.Errorf("%s\n got %q %v\nwant %q", c.src, got, err, c.want)
		}
	}
}
