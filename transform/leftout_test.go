package transform

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/models/portable"
)

// TestObjectOf: what a statement changes, by the words that it begins with.
func TestObjectOf(t *testing.T) {
	for sql, want := range map[string]string{
		"insert into audit.log values (1)":              ".audit.log",
		`insert or replace into "Log" select 1`:         "..log",
		"insert or log":                                 "",
		"update db.a.log set x = 1":                     "db.a.log",
		"delete from log where true":                    "..log",
		"truncate table a.log":                          ".a.log",
		"truncate log":                                  "..log",
		"merge into log using x on true":                "..log",
		"create table if not exists audit.log (id int)": ".audit.log",
		"create or replace table log as select 1":       "..log",
		"create view v as select 1":                     "..v",
		"drop table if exists log":                      "..log",
		"alter table a.log add column x int":            ".a.log",
		"drop schema if exists old cascade":             ".old.",
		"create temp table log (id int)":                "",
		"create index i on log (id)":                    "",
		"copy log to 'x.csv'":                           "",
		"select 1":                                      "",
		"insert":                                        "",
	} {
		name, ok := objectOf(portable.Statements(sql)[0].Words)
		got := name.database + "." + name.Schema + "." + name.Table
		if !ok {
			got = ""
		}
		if !strings.EqualFold(got, want) {
			t.Errorf("%s: %s, and not %s", sql, got, want)
		}
	}
}
