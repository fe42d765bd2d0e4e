package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
)

// TestStrategies: two days of an incremental model. What dbt-duckdb 1.9.6 makes of append and delete+insert was looked up there; it has
// no merge and no insert_overwrite.
func TestStrategies(t *testing.T) {
	b, dir := bench(t, nil)
	values := func(columns string, rows ...string) string {
		return "select * from (values " + strings.Join(rows, ", ") + ") as t(" + columns + ")"
	}
	for name, c := range map[string]struct {
		m             models.Model
		first, second string
		want          string // rows, or an error
	}{
		"append":         {models.Model{Strategy: models.StrategyAppend}, values("id, v", "(1, 'a')", "(2, 'b')"), values("id, v", "(2, 'B')", "(null, 'n')"), "1a 2B 2b <nil>n"},
		"append of none": {models.Model{Strategy: models.StrategyAppend}, values("id, v", "(1, 'a')"), values("id, v", "(2, 'B')") + " where false", "1a"},
		"delete+insert": {models.Model{Strategy: models.StrategyDeleteInsert, UniqueKey: []string{"id"}},
			values("id, v", "(1, 'a')", "(2, 'b')", "(2, 'b2')", "(null, 'n1')"), values("id, v", "(2, 'B')", "(2, 'B2')", "(null, 'n2')", "(3, 'c')"), "1a 2B 2B2 3c <nil>n1 <nil>n2"},
		"delete+insert by two": {models.Model{Strategy: models.StrategyDeleteInsert, UniqueKey: []string{"id", "k"}},
			values("id, k, v", "(1, 1, 'a')", "(2, 1, 'b')", "(2, 2, 'b2')", "(null, 1, 'n1')", "(4, null, 'x')"),
			values("id, k, v", "(2, 1, 'B')", "(2, 1, 'B2')", "(null, 1, 'n2')", "(3, 1, 'c')", "(4, null, 'y')"), "11a 21B 21B2 22b2 31c 4<nil>x 4<nil>y <nil>1n1 <nil>1n2"},
		"delete+insert without a key": {models.Model{Strategy: models.StrategyDeleteInsert}, values("id, v", "(1, 'a')"), values("id, v", "(1, 'A')"), "1A 1a"},
		"delete+insert where": {models.Model{Strategy: models.StrategyDeleteInsert, UniqueKey: []string{"id"}, Predicates: []string{"v <> 'keep' -- not these"}},
			values("id, v", "(1, 'a')", "(2, 'keep')", "(2, 'b2')"), values("id, v", "(2, 'B')", "(3, 'c')"), "1a 2B 2keep 3c"},
		"delete+insert where, by dbt's name": {models.Model{Strategy: models.StrategyDeleteInsert, UniqueKey: []string{"id"}, Predicates: []string{"dbt_incremental_target.v <> 'keep'"}},
			values("id, v", "(1, 'a')", "(2, 'keep')", "(2, null)"), values("id, v", "(2, 'B')", "(3, 'c')"), "1a 2<nil> 2B 2keep 3c"},
		"merge": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}},
			values("id, v", "(1, 'a')", "(2, 'b')"), values("id, v", "(2, 'B')", "(3, 'c')"), "1a 2B 3c"},
		"merge twice":  {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}}, values("id, v", "(1, 'a')"), values("id, v", "(1, 'A')", "(1, 'B')"), "repeat a unique_key"},
		"merge a null": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}}, values("id, v", "(1, 'a')", "(null, 'n')"), values("id, v", "(null, 'A')", "(1, 'b')"), "1b <nil>A <nil>n"},
		"merge some columns": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}, MergeUpdate: []string{"W"}},
			values("id, v, w", "(1, 'a', 1)", "(2, 'b', 2)"), values("id, v, w", "(2, 'B', 20)", "(3, 'c', 30)"), "1a1 2b20 3c30"},
		"merge but some columns": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}, MergeExclude: []string{"v"}},
			values("id, v, w", "(1, 'a', 1)", "(2, 'b', 2)"), values("id, v, w", "(2, 'B', 20)", "(3, 'c', 30)"), "1a1 2b20 3c30"},
		"merge without a column": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}},
			values("id, v, w", "(1, 'a', 1)", "(2, 'b', 2)"), values("id, w", "(2, 20)", "(3, 30)"), "1a1 2b20 3<nil>30"},
		"merge where": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}, Predicates: []string{"DBT_INTERNAL_DEST.id > 1"}},
			values("id, v", "(1, 'a')", "(2, 'b')"), values("id, v", "(2, 'B')", "(3, 'c')"), "1a 2B 3c"},
		"merge where it hides": {models.Model{Strategy: models.StrategyMerge, UniqueKey: []string{"id"}, Predicates: []string{"DBT_INTERNAL_DEST.v = DBT_INTERNAL_SOURCE.v"}},
			values("id, v", "(1, 'a')", "(2, 'b')"), values("id, v", "(2, 'B')", "(3, 'c')"), "incremental_predicates: merge main"},
		"insert_overwrite": {models.Model{Strategy: models.StrategyInsertOverwrite, PartitionBy: []string{"id"}},
			values("id, v", "(1, 'a')", "(2, 'b')", "(2, 'c')", "(null, 'n')"), values("id, v", "(2, 'B')", "(null, 'N')", "(3, 'd')"), "1a 2B 3d <nil>N"},
		"insert_overwrite by two": {models.Model{Strategy: models.StrategyInsertOverwrite, PartitionBy: []string{"id", "k"}},
			values("id, k, v", "(1, null, 'a')", "(1, 2, 'b')", "(2, 1, 'c')"), values("id, k, v", "(1, null, 'A')", "(2, 2, 'd')"), "12b 1<nil>A 21c 22d"},
	} {
		t.Run(name, func(t *testing.T) {
			c.m.Materialized = models.Incremental
			d := b.days(t, dir, table(name), c.m)
			if _, err := d.build(c.first, time.Time{}); err != nil {
				t.Fatal(err)
			}
			_, err := d.build(c.second, time.Time{})
			if got := told(d, err); got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// table makes a name for a table of a test's.
func table(test string) string {
	return strings.NewReplacer(" ", "_", "+", "_", ",", "", "'", "").Replace(test)
}

// told is a model's rows in a line, or the error.
func told(d *days, err error) string {
	if err != nil {
		return err.Error()
	}
	_, rows := d.table()
	var all []string
	for _, r := range rows {
		all = append(all, strings.Join(r, ""))
	}
	return strings.Join(all, " ")
}

// TestOnSchemaChange: the table's columns and rows after a day on which the SELECT had others.
func TestOnSchemaChange(t *testing.T) {
	b, dir := bench(t, nil)
	for name, c := range map[string]struct {
		policy, first, second, want string
	}{
		"a new column, native":    {"", "select 1 as id, 'a' as v", "select 2 as id, 'b' as v, 3 as w", "id v w: 1a<nil> 2b3"},
		"a new column, appended":  {"append_new_columns", "select 1 as id, 'a' as v", "select 2 as id, 'b' as v, 3 as w", "id v w: 1a<nil> 2b3"},
		"a new column, synced":    {"sync_all_columns", "select 1 as id, 'a' as v", "select 2 as id, 'b' as v, 3 as w", "id v w: 1a<nil> 2b3"},
		"a new column, ignored":   {"ignore", "select 1 as id, 'a' as v", "select 3 as w, 'b' as v, 2 as id", "id v: 1a 2b"},
		"a new column, fails":     {"fail", "select 1 as id, 'a' as v", "select 2 as id, 'b' as v, 3 as w", "(on_schema_change: fail): + w INTEGER"},
		"a column gone, native":   {"", "select 1 as id, 'a' as v", "select 2 as id", "id v: 1a 2<nil>"},
		"a column gone, synced":   {"sync_all_columns", "select 1 as id, 'a' as v", "select 2 as id", "id: 1 2"},
		"a column gone, ignored":  {"ignore", "select 1 as id, 'a' as v", "select 2 as id", "(on_schema_change: ignore): - v VARCHAR"},
		"a column gone, fails":    {"fail", "select 1 as id, 'a' as v", "select 2 as id", "(on_schema_change: fail): - v VARCHAR"},
		"a wider type, native":    {"", "select 1::integer as id", "select 2::bigint as id", "id: 1 2"},
		"a wider type, fails":     {"fail", "select 1::integer as id", "select 2::bigint as id", "~ id INTEGER → BIGINT"},
		"a wider type, ignored":   {"ignore", "select 1::integer as id", "select 2::bigint as id", "id: 1 2"},
		"too wide, ignored":       {"ignore", "select 1::integer as id", "select 3000000000::bigint as id", "1 of its values cannot become INTEGER unchanged"},
		"a fraction, ignored":     {"ignore", "select 1::integer as id", "select 1.5 as id", "1 of its values cannot become INTEGER unchanged"},
		"a text, ignored":         {"ignore", "select 1::integer as id", "select '07' as id", "id: 1 7"},
		"another type, synced":    {"sync_all_columns", "select 1 as id", "select 'x' as id", "id: 1 x"},
		"a narrower type, synced": {"sync_all_columns", "select 1::bigint as id", "select 2::integer as id", "id: 1 2"},
		"too narrow, synced":      {"sync_all_columns", "select 3000000000::bigint as id", "select 2::integer as id", "the table has BIGINT in column id, and 1 of its values"},
		"same columns, fails not": {"fail", "select 1 as id, 'a' as v", "select 'b' as V, 2 as ID", "id v: 1a 2b"},
	} {
		t.Run(name, func(t *testing.T) {
			d := b.days(t, dir, table(name), models.Model{Materialized: models.Incremental, Strategy: models.StrategyAppend, OnSchemaChange: c.policy})
			if _, err := d.build(c.first, time.Time{}); err != nil {
				t.Fatal(err)
			}
			_, err := d.build(c.second, time.Time{})
			got := told(d, err)
			if err == nil {
				columns, _ := d.table()
				got = strings.Join(columns, " ") + ": " + got
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestDroppedIsGone: what sync_all_columns took out does not come back with a column of the same name, which its old files would have.
func TestDroppedIsGone(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "m", models.Model{Materialized: models.Incremental, Strategy: models.StrategyMerge, UniqueKey: []string{"id"}, OnSchemaChange: models.SchemaChangeSync})
	for _, sql := range []string{"select 1 as id, 'secret' as v", "select 2 as id", "select 3 as id, 'new' as v"} {
		if _, err := d.build(sql, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := told(d, nil); got != "1<nil> 2<nil> 3new" {
		t.Error(got)
	}
	if fmt.Sprint(d.before.Key) != "[id]" {
		t.Errorf("the key is %v", d.before.Key)
	}
}

// TestPlaceInKeptColumns: the place of a mistake is the model's own, whatever is written around its SELECT.
func TestPlaceInKeptColumns(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "m", models.Model{Materialized: models.Incremental, Strategy: models.StrategyAppend, OnSchemaChange: models.SchemaChangeIgnore})
	if _, err := d.build("select 1 as id", time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err := d.build("select 2 as id,\n 1 as w\nwhere error('no such day')", time.Time{})
	var te *Error
	if !errors.As(err, &te) || !strings.HasPrefix(te.Pos, "models/m.sql:") || !strings.Contains(te.Error(), "no such day") {
		t.Errorf("%v", err)
	}
}

// TestReadsItselfTooEarly: there is no {{ this }} in the first build, as in dbt.
func TestReadsItselfTooEarly(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "m", models.Model{Materialized: models.Incremental, Strategy: models.StrategyAppend})
	_, err := d.build("select count(*) as n from {{ this }}", time.Time{})
	var te *Error
	if !errors.As(err, &te) || !strings.Contains(te.Hint, "is_incremental()") || te.Pos != "models/m.sql:1:27" {
		t.Errorf("%v at %+v", err, te)
	}
}

// TestMergeGetsItsKey: a table that was not merged before is merged into, and has its key from then on; not with a NULL in it.
func TestMergeGetsItsKey(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "m", models.Model{Materialized: models.Table, UniqueKey: []string{"ID"}, MergeExclude: []string{"w"}, Strategy: models.StrategyMerge})
	for _, step := range []struct{ sql, want, key string }{
		{"select 1 as id, 'a' as v, 1 as w union all select 2, 'b', 2", "1a1 2b2", "[]"},
		{"select 2 as id, 'B' as v, 20 as w union all select 3, 'c', 30", "1a1 2B2 3c30", "[id]"},
		{"select 3 as id, 'C' as v, 33 as w union all select null, 'n', 0", "1a1 2B2 3C30 <nil>n0", "[]"},
		{"select 3 as id, 'D' as v, 33 as w", "1a1 2B2 3D30 <nil>n0", "[]"},
	} {
		if _, err := d.build(step.sql, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := told(d, nil); got != step.want || fmt.Sprint(d.before.Key) != step.key {
			t.Errorf("got %s by %v, want %s by %s", got, d.before.Key, step.want, step.key)
		}
		d.node.Model.Materialized = models.Incremental
	}
}
