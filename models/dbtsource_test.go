package models

import (
	"fmt"
	"testing"
)

// Locations of dbt-duckdb are paths, or SQL that reads one.
func TestLocatedFile(t *testing.T) {
	for location, want := range map[string]string{
		"data/rates.csv":                                          "data/rates.csv map[] ",
		"'data/rates.csv'":                                        "data/rates.csv map[] ",
		"../x/*.parquet":                                          "../x/*.parquet map[] ",
		"read_parquet('x/a.parquet')":                             "x/a.parquet map[] ",
		"read_csv('l_*.csv', header = true)":                      "l_*.csv map[header:true] ",
		"read_csv('a.csv', delim=';', skip=2)":                    "a.csv map[delimiter:; skip:2] ",
		"read_csv_auto('a.csv', HEADER=TRUE, auto_detect = true)": "a.csv map[header:true] ",
		"read_csv('a.csv', columns={'a': 'INT'})":                 ` map[] the options from "columns={'a': 'INT'}" on are not understood`,
		"read_csv('a.csv', sample_size=-1)":                       ` map[] the options from "sample_size=-1" on are not understood`,
		"read_csv('a.csv', all_varchar=true)":                     " map[] the option all_varchar is not there",
		"read_parquet('a.parquet', filename=true)":                " map[] the option filename is not there",
		"(select 1)":                  " map[] it is SQL: only a path, or a function that reads it, is understood",
		"read_csv(['a.csv','b.csv'])": " map[] it is SQL: only a path, or a function that reads it, is understood",
		"'a.csv' where x":             " map[] it is SQL: only a path, or a function that reads it, is understood",
		"s3://bucket/a.parquet":       " map[] files of other machines are read by sources of millrace.yml",
	} {
		file, csv, why := locatedFile(location)
		if got := fmt.Sprint(file, " ", csv, " ", why); got != want {
			t.Errorf("%s is %q, and not %q", location, got, want)
		}
	}
}
