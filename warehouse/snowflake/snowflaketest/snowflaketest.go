// Package snowflaketest is what the publishing SQL of warehouse/snowflake must do, as a table of inputs and what is expected of
// them. It runs wherever Snowflake's SQL does: on the stand-in, and unchanged on an account.
package snowflaketest

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	engine "github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake"
)

// Exec runs one statement, of any kind.
type Exec func(ctx context.Context, st snowflake.Statement) (*engine.Result, error)

// Run runs the whole suite in a schema, which must exist. Its tables are dropped.
func Run(t *testing.T, exec Exec, database, schema string) {
	b := bench{t, exec, snowflake.Table{Database: database, Schema: schema}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { b.with(t).publish(c) })
	}
	t.Run("objects", func(t *testing.T) { b.with(t).objects() })
	t.Run("ledger", func(t *testing.T) { b.with(t).ledger() })
}

type bench struct {
	testing.TB
	exec Exec
	in   snowflake.Table
}

func (b bench) with(t *testing.T) bench {
	b.TB = t
	return b
}

func (b bench) table(name string) snowflake.Table {
	b.in.Name = name
	return b.in
}

func (b bench) must(st snowflake.Statement) *engine.Result {
	b.Helper()
	result, err := b.exec(b.Context(), st)
	if err != nil {
		b.Fatalf("%s: %v", st.SQL, err)
	}
	return result
}

// columns reads "ID NUMBER(10,0) | NOTE VARCHAR(10)".
func columns(spec string) []snowflake.Column {
	var out []snowflake.Column
	for _, c := range strings.Split(spec, "|") {
		name, typ, _ := strings.Cut(strings.TrimSpace(c), " ")
		out = append(out, snowflake.Column{Name: name, Source: name, Type: typ})
	}
	return out
}

// fill makes a table with rows: "1 | x", where ~ is NULL.
func (b bench) fill(t snowflake.Table, columns []snowflake.Column, rows []string) {
	b.Helper()
	b.must(snowflake.Statement{SQL: snowflake.CreateStaging(snowflake.NewTable{Table: t, Columns: columns})})
	b.Cleanup(func() {
		if _, err := b.exec(context.WithoutCancel(b.Context()), snowflake.Statement{SQL: snowflake.Drop(t)}); err != nil {
			b.Errorf("drop %s: %v", t, err)
		}
	})
	for _, row := range rows {
		names, items := make([]string, len(columns)), make([]string, len(columns))
		var args []any
		for i, v := range split(row) {
			if names[i], items[i] = quote(columns[i].Name), "NULL"; v != "~" {
				sql, arg := b.bind(v, columns[i].Type)
				items[i], args = sql, append(args, arg)
			}
		}
		b.must(snowflake.Statement{SQL: fmt.Sprintf("INSERT INTO %s (%s) SELECT %s", t, strings.Join(names, ", "), strings.Join(items, ", ")), Args: args})
	}
}

// bind is what stands for a value in SQL, and what is bound to it: a text, but for times and bytes.
func (b bench) bind(v, typ string) (sql string, arg any) {
	sql, arg = "CAST(? AS "+typ+")", v
	var err error
	switch base, _, _ := strings.Cut(typ, "("); base {
	case "TIMESTAMP_NTZ":
		sql = "TO_TIMESTAMP_NTZ(?, 6)"
		arg, err = strconv.ParseInt(v, 10, 64)
	case "BINARY":
		arg, err = hex.DecodeString(v)
	}
	if err != nil {
		b.Fatal(err)
	}
	return sql, arg
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func split(row string) []string {
	values := strings.Split(row, "|")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}

// rows reads a table, as fill takes rows, in their order as texts.
func (b bench) rows(t snowflake.Table, columns []snowflake.Column) []string {
	b.Helper()
	items := make([]string, len(columns))
	for i, c := range columns {
		name := quote(c.Name)
		switch base, _, _ := strings.Cut(c.Type, "("); base {
		case "TIMESTAMP_NTZ":
			items[i] = "TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, " + name + "))"
		case "DATE":
			items[i] = "TO_VARCHAR(" + name + ", 'YYYY-MM-DD')"
		case "BOOLEAN":
			items[i] = "CASE WHEN " + name + " THEN 'true' WHEN NOT " + name + " THEN 'false' END"
		default:
			items[i] = "TO_VARCHAR(" + name + ")"
		}
		items[i] += fmt.Sprintf(` AS "V%d"`, i)
	}
	result := b.must(snowflake.Statement{SQL: fmt.Sprintf("SELECT %s FROM %s", strings.Join(items, ", "), t)})
	var out []string
	for _, row := range result.Rows {
		out = append(out, strings.Join(values(row), " | "))
	}
	slices.Sort(out)
	return out
}

func sorted(rows []string) []string {
	var out []string
	for _, r := range rows {
		out = append(out, strings.Join(split(r), " | "))
	}
	slices.Sort(out)
	return out
}

// publish runs a case: its statements give what is expected, and again if they are said to be repeatable.
func (b bench) publish(c tableCase) {
	cols := columns(c.columns)
	extra := cols
	if c.extra != nil {
		extra = append(slices.Clone(cols), c.extra...)
	}
	staged := cols
	if c.op {
		staged = append([]snowflake.Column{snowflake.OpColumn}, cols...)
	}
	t, staging, list := b.table("T"), b.table("T__STAGED"), b.table("T__LIST")
	b.fill(t, extra, c.before)
	b.fill(staging, staged, c.staged)
	if c.by != "" {
		b.fill(list, columns(c.by), c.list)
	}
	for n := range 2 {
		got, err := b.run(c.statements(t, staging, list, cols))
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				b.Errorf("%v, want an error with %q", err, c.fails)
			}
			b.counts(snowflake.KeysTwice(staging, []string{"ID"}), 1)
			if after := b.rows(t, extra); !slices.Equal(after, sorted(c.before)) {
				b.Errorf("a statement that fails leaves\n%s", strings.Join(after, "\n"))
			}
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		if after := b.rows(t, extra); !slices.Equal(after, sorted(c.after)) {
			b.Fatalf("run %d leaves\n%s\nwant\n%s", n+1, strings.Join(after, "\n"), strings.Join(sorted(c.after), "\n"))
		}
		if n == 0 && got != c.counts {
			b.Errorf("counted %+v, want %+v", got, c.counts)
		}
		if c.extra != nil && c.extra[0] == snowflake.ValidFrom {
			b.counts(snowflake.CurrentTwice(t, []string{"ID"}), c.currentTwice)
		}
		if c.once {
			return
		}
	}
}

// counts holds a SELECT of one number against it.
func (b bench) counts(sql string, want int) {
	b.Helper()
	if got := text(b.must(snowflake.Statement{SQL: sql})); got != strconv.Itoa(want) {
		b.Errorf("%s: %s, want %d", sql, got, want)
	}
}

// counts are how many rows statements have changed.
type counts struct{ inserted, updated, deleted int64 }

func (b bench) run(statements []snowflake.Statement) (counts, error) {
	var sum counts
	for _, st := range statements {
		result, err := b.exec(b.Context(), st)
		if err != nil {
			return sum, err
		}
		sum.inserted += result.Counts["number of rows inserted"]
		sum.updated += result.Counts["number of rows updated"]
		sum.deleted += result.Counts["number of rows deleted"]
	}
	return sum, nil
}
