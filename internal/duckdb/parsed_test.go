package duckdb

import (
	"fmt"
	"testing"
)

// TestParse: what makes another query and what does not, and what it reads besides tables.
func TestParse(t *testing.T) {
	db, err := Open(t.Context(), Config{Memory: 64 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	parse := func(query string) *Parsed {
		t.Helper()
		p, err := db.Parse(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const query = `select a, b + 1 as c from s.t where a > 1`
	base := parse(query)
	for _, same := range []string{
		"SELECT a, b+1 AS c\n  FROM s.t\n  WHERE a > 1 -- more than one", "/* all */ select a, b + 1 as c from s.t where (a > 1);",
	} {
		if got := parse(same); got.Hash != base.Hash || base.Hash == "" {
			t.Errorf("%s\nis another query than %s", same, query)
		}
	}
	for _, other := range []string{
		`select a, b + 1 as c from s.t where a > 2`, `select a, b + 1 as d from s.t where a > 1`, `select a, b + 1 as c from s.u where a > 1`,
		`select b + 1 as c, a from s.t where a > 1`, `select a, b + 1 as c from s.t where a > '1'`,
	} {
		if parse(other).Hash == base.Hash {
			t.Errorf("%s\nis the same query as %s", other, query)
		}
	}
	for _, c := range []struct {
		query, tables, outside string
		moves                  bool
	}{
		{query, "[{s t}]", "[]", false},
		{`with x as (select 1), y as (select * from x) select * from y join "m"."z" on true`, "[{m z}]", "[]", false},
		{`select now() from s.t`, "[{s t}]", "[]", true},
		{`select * from s.t using sample 10 rows`, "[{s t}]", "[]", true},
		{`select * from range(10), unnest([1, 2])`, "[]", "[]", false},
		{`select * from read_csv('x.csv')`, "[]", "[read_csv]", false},
		{`select * from 'x.csv'`, "[{ x.csv}]", "[]", false},
		{`select * from a where id in (select id from b)`, "[{ a} { b}]", "[]", false},
	} {
		p := parse(c.query)
		if p.Outside == nil {
			p.Outside = []string{}
		}
		if got := fmt.Sprint(p.Tables, p.Outside, p.Moves); got != fmt.Sprint(c.tables, " ", c.outside, " ", c.moves) {
			t.Errorf("%s\n got %s\nwant %s %s %v", c.query, got, c.tables, c.outside, c.moves)
		}
	}
	if p := parse(`select from where`); p.Hash != "" || !p.Moves {
		t.Errorf("what cannot be parsed is told as %+v", p)
	}
}
