package snowflaketest

import (
	"context"
	"fmt"
	"slices"

	engine "github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// objects makes, changes, swaps, renames and drops tables, and looks at them. What it makes is dropped.
func (b bench) objects() {
	one, two, odd := b.table("O"), b.table("O__MR_LOAD"), b.table(`Odd "name's"`)
	for _, t := range []snowflake.Table{one, two, odd} {
		b.fill(t, columns("ID NUMBER(10,0)"), nil)
	}
	b.describes()
	b.must(sql(snowflake.CreateSchema(one)))
	b.must(sql(snowflake.CreateStage(one.Stage())))
	b.must(sql(snowflake.Remove(one.Stage(), one.Prefix("L", 1))))
	if rows := b.must(sql(snowflake.List(one.Stage(), one.Prefix("L", 1)))).Rows; len(rows) > 0 {
		b.Errorf("a prefix that was removed has %v", rows)
	}
	for range 2 { // each may be repeated
		for _, add := range snowflake.AddColumns(one, columns("N NUMBER(5,2) | S VARCHAR(10)")) {
			b.must(sql(add))
		}
		b.must(sql(snowflake.AlterType(one, "N", "NUMBER(12,2)")))
		b.must(sql(snowflake.AlterType(one, "S", "VARCHAR(16777216)")))
	}
	b.must(sql(fmt.Sprintf(`INSERT INTO %s ("ID", "N", "S") SELECT 1, 1234567890.12, 'longer than ten'`, one)))
	b.must(sql(snowflake.Comment(one, "LOAD")))
	b.must(sql(snowflake.Swap(one, two)))
	b.says("the comment moves with the table", snowflake.CommentOf("LOAD"), b.field(snowflake.ShowTables(two), two.Name, "comment"))
	b.counts(snowflake.CountLive(two.String()), 1)
	b.counts(snowflake.CountLive(one.String()), 0)
	b.must(sql(snowflake.Drop(one)))
	b.must(sql(snowflake.Rename(two, one)))
	b.counts(snowflake.CountLive(one.String()), 1)
	b.says("a table that is renamed is not there", "", b.field(snowflake.ShowStaging(two), two.Name, "name"))
	b.must(sql(snowflake.CreateLike(two, one, false)))
	b.says("staging is found", two.Name, b.field(snowflake.ShowStaging(two), two.Name, "name"))
	view := b.table("O_VIEW")
	b.must(sql("CREATE VIEW " + view.String() + " AS SELECT 1 AS A"))
	b.Cleanup(func() {
		if _, err := b.exec(context.WithoutCancel(b.Context()), sql("DROP VIEW "+view.String())); err != nil {
			b.Errorf("drop %s: %v", view, err)
		}
	})
	b.says("a view is found", "VIEW", b.field(snowflake.ShowObjects(view), view.Name, "kind"))
	b.says("a view is no table", "", b.field(snowflake.ShowTables(view), view.Name, "name"))
	b.says("a table is found among all", "TABLE", b.field(snowflake.ShowObjects(one), one.Name, "kind"))
	b.says("a name with quotes is found", odd.Name, b.field(snowflake.ShowTables(odd), odd.Name, "name"))
	for _, look := range []string{snowflake.ShowStreams(b.in.Database), snowflake.Policies(odd), snowflake.ShowTransactions()} {
		b.must(sql(look))
	}
}

// describes holds the types that DESCRIBE TABLE prints against those that tables are made with: Widen reads them.
func (b bench) describes() {
	var of []warehouse.Column
	for i, typ := range append(slices.Clone(provenTypes), "TINYINT", "SMALLINT", "UINTEGER", "FLOAT", "JSON", "VARCHAR[]", "TIMESTAMP_S") {
		of = append(of, warehouse.Column{Name: fmt.Sprintf("v%d", i), Type: typ})
	}
	cols, err := snowflake.Columns(of)
	if err != nil {
		b.Fatal(err)
	}
	t := b.table("DESCRIBED")
	b.fill(t, cols, nil)
	for _, c := range cols {
		b.says(c.DuckDB+" is described", c.Type, b.field(snowflake.Describe(t), c.Name, "type"))
	}
}

// field is a column of the row whose name is that, "" where there is none.
func (b bench) field(query, name, column string) string {
	b.Helper()
	result := b.must(sql(query))
	at, of := slices.Index(result.Columns, "name"), slices.Index(result.Columns, column)
	if at < 0 || of < 0 {
		b.Fatalf("%s: columns %v", query, result.Columns)
	}
	for _, row := range result.Rows {
		if *row[at] == name {
			return text(&engine.Result{Rows: [][]*string{{row[of]}}})
		}
	}
	return ""
}

func sql(text string) snowflake.Statement { return snowflake.Statement{SQL: text} }
