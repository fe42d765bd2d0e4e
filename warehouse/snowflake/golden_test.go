package snowflake_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden: a human reads the diff. Bound values follow their text.
func TestGolden(t *testing.T) {
	texts := map[string][]snowflake.Statement{}
	add := func(name string, sql ...string) {
		for _, s := range sql {
			texts[name] = append(texts[name], snowflake.Statement{SQL: s})
		}
	}
	goldenTables(t, add)
	goldenProofs(t, add)
	goldenPublishing(t, texts)
	goldenLedger(texts)
	for name, statements := range texts {
		var b strings.Builder
		for _, s := range statements {
			b.WriteString(s.SQL + ";\n")
			if len(s.Args) > 0 {
				fmt.Fprintf(&b, "-- %v\n", s.Args)
			}
		}
		golden.Check(t, filepath.Join("testdata", name+".sql"), b.String(), *update)
	}
}

const load = "01JDQ8Z6M0N3V4W5X6Y7Z8A9B0"

var (
	orders  = snowflake.Table{Database: "ANALYTICS", Schema: "MART", Name: "ORDERS"}
	odd     = snowflake.Table{Database: "ANALYTICS", Schema: "MART", Name: `IT'S "ODD"`}
	staging = orders.Staging(load)
	at      = time.Date(2025, 3, 30, 3, 4, 5, 678901234, time.FixedZone("CEST", 7200))
)

func columns(t *testing.T, of ...string) []snowflake.Column {
	t.Helper()
	var in []warehouse.Column
	for i := 0; i < len(of); i += 2 {
		in = append(in, warehouse.Column{Name: of[i], Type: of[i+1]})
	}
	out, err := snowflake.Columns(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func goldenTables(t *testing.T, add func(string, ...string)) {
	cols := columns(t, "id", "BIGINT", `odd "name`, "VARCHAR", "select", "DECIMAL(12,2)", "Ort_ä", "DATE")
	prefix := orders.Prefix(load, 2)
	put, err := snowflake.Put("/tmp/mr/000001-0123456789abcdef.parquet", orders.Stage(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	add("stage", snowflake.CreateStage(orders.Stage()), snowflake.Remove(orders.Stage(), prefix), snowflake.List(orders.Stage(), prefix), put,
		snowflake.List(odd.Stage(), odd.Prefix(load, 1)), snowflake.List(snowflake.Table{Database: "MY-DB", Schema: `IT'S "GRÖSSE" & CO`, Name: "T"}.Stage(), ""))
	add("copy", snowflake.CopyInto(staging, orders.Stage(), prefix, []string{"000001-0123456789abcdef.parquet", "it's.parquet"}, snowflake.SameNames),
		snowflake.CopyInto(staging, orders.Stage(), prefix, []string{"as-it-is.parquet"}, snowflake.LikeNames))
	add("create", snowflake.ShowSchemas(orders), snowflake.CreateSchema(orders),
		snowflake.CreateStaging(snowflake.NewTable{Table: orders, Columns: cols, ClusterBy: []string{"ORT_Ä", "ID"}, Comment: `it's a \ comment`}),
		snowflake.CreateStaging(snowflake.NewTable{Table: odd, Columns: cols, Transient: true}),
		snowflake.CreateStaging(snowflake.NewTable{Table: staging, Columns: append(cols, snowflake.OpColumn), Passing: true}),
		snowflake.CreateLike(staging, orders, false), snowflake.CreateLike(staging, orders, true))
	add("alter", snowflake.AddColumns(orders, cols[1:3])...)
	add("alter", snowflake.AlterType(orders, `ODD "NAME`, "VARCHAR(16777216)"), snowflake.Swap(orders, staging), snowflake.Rename(staging, orders),
		snowflake.Comment(orders, load), snowflake.Drop(staging))
	add("show", snowflake.ShowTables(odd), snowflake.ShowObjects(odd), snowflake.ShowStaging(orders), snowflake.Describe(orders), snowflake.CountLive(orders.String()),
		snowflake.ShowStreams("analytics"), snowflake.Policies(odd), snowflake.ShowTransactions(),
		snowflake.AbortTransaction(1732652645000000000), snowflake.ShowWarehouse("load_wh"), snowflake.SuspendWarehouse("load_wh"))
}

// everyType has a column of each type that Snowflake takes.
var everyType = []string{
	"b", "BOOLEAN", "i8", "TINYINT", "i16", "SMALLINT", "i32", "INTEGER", "i64", "BIGINT", "u8", "UTINYINT", "u16", "USMALLINT", "u32", "UINTEGER", "u64", "UBIGINT",
	"i128", "HUGEINT", "d", "DECIMAL(12,2)", "d0", "DECIMAL(4,4)", "d38", "DECIMAL(38,10)", "f", "FLOAT", "f64", "DOUBLE", "s", "VARCHAR", "j", "JSON", "u", "UUID", "bin", "BLOB",
	"day", "DATE", "t", "TIME", "ts", "TIMESTAMP", "ts_s", "TIMESTAMP_S", "tz", "TIMESTAMP WITH TIME ZONE",
	"l", "INTEGER[]", "st", `STRUCT("a" INTEGER, "b" VARCHAR)`, "m", "MAP(VARCHAR, INTEGER)", "größe", "INTEGER",
}

func goldenProofs(t *testing.T, add func(string, ...string)) {
	cols := columns(t, everyType...)
	add("types", snowflake.CreateStaging(snowflake.NewTable{Table: orders, Columns: cols}))
	add("file.duckdb", snowflake.FileSelect(cols, "rows"))
	add("proof", snowflake.Proof(staging.String(), cols))
	add("proof.duckdb", snowflake.LocalProof("rows", cols))
}

func goldenPublishing(t *testing.T, texts map[string][]snowflake.Statement) {
	cols := columns(t, "id", "BIGINT", "day", "DATE", `odd "name`, "VARCHAR")
	one := func(sql string) []snowflake.Statement { return []snowflake.Statement{{SQL: sql}} }
	texts["overwrite"] = one(snowflake.InsertOverwrite(orders, staging, cols))
	texts["append"] = one(snowflake.Append(orders, staging, cols))
	spec := snowflake.MergeSpec{Table: orders, Staging: staging, Columns: cols, Key: []string{"ID", "DAY"}, At: at}
	texts["merge-hard"] = []snowflake.Statement{snowflake.Merge(spec)}
	spec.Soft = true
	texts["merge-soft"] = []snowflake.Statement{snowflake.Merge(spec)}
	spec.Columns = cols[:2]
	texts["merge-soft-key-only"] = []snowflake.Statement{snowflake.Merge(spec)}
	spec.Soft = false
	texts["merge-hard-key-only"] = []snowflake.Statement{snowflake.Merge(spec)}
	texts["twice"] = append(one(snowflake.KeysTwice(staging, []string{"ID", "DAY"})), one(snowflake.CurrentTwice(orders, []string{"ID"}))...)
	texts["scd2"] = snowflake.SCD2(snowflake.SCD2Spec{Table: orders, Staging: staging, Columns: cols, Key: []string{"ID"}, At: at})
	list := snowflake.Table{Database: "ANALYTICS", Schema: "MART", Name: "ORDERS_P"}
	for _, sql := range snowflake.Partition(snowflake.PartitionSpec{Table: orders, Staging: staging, List: list, Columns: cols, By: []string{"DAY", `ODD "NAME`}}) {
		texts["partition"] = append(texts["partition"], one(sql)...)
	}
}

func goldenLedger(texts map[string][]snowflake.Statement) {
	l := snowflake.Ledger{Database: "analytics"}
	target := snowflake.Target{Project: "shop", Schema: "MART"}
	e := snowflake.Entry{Target: target, Load: load, Node: warehouse.Name{Schema: "mart", Table: "orders"}, As: orders.String(), Mode: "merge", Attempt: 2, Epoch: 8, Snapshot: 12,
		Run: "01RUN", Fingerprint: "abc", Version: `{"rows":3}`, Expected: 3, Loaded: 3, Checksum: "77", QueryIDs: `["q1"]`, Started: at, Committed: at.Add(time.Second)}
	for _, sql := range l.Create() {
		texts["ledger-create"] = append(texts["ledger-create"], snowflake.Statement{SQL: sql})
	}
	texts["ledger-fence"] = []snowflake.Statement{l.Enter(target), {SQL: l.Single()}, l.Seen(target), l.Fence(target, load, 7, at), l.Publish(target, 8, 11, 12, "01RUN", "LOCAL", at)}
	second := e
	second.Node.Table = "items"
	texts["ledger-loads"] = []snowflake.Statement{l.Begin(e, second), l.Commit(e), l.Fail(e), l.Disown(e), l.Standing(target, 0, 1000), l.Entries(target, load), l.Owner(orders)}
	texts["ledger-unfinished"] = []snowflake.Statement{l.Unfinished(target), l.Load(load), l.GiveUp(target, 8), {SQL: snowflake.LockTimeout(30 * time.Second)}}
	for _, sql := range []string{snowflake.BeginNamed("MR_0123_" + load), snowflake.CountLive(snowflake.Live(odd, false, false)), snowflake.CountLive(snowflake.Live(orders, true, false)),
		snowflake.CountLive(snowflake.Live(orders, false, true)), snowflake.CountValues(snowflake.Live(orders, false, true), []snowflake.Column{{Name: "NOTE"}, {Name: "AT"}})} {
		texts["live"] = append(texts["live"], snowflake.Statement{SQL: sql})
	}
}
