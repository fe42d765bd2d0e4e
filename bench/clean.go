package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/clean"
	"github.com/millrace/millrace/internal/duckdb"
)

// cleanRows is how many distinct people the functions are measured on.
const cleanRows = 500_000

// cleanTable has columns for all functions. No two rows agree in what is costly, so that nothing is remembered.
const cleanTable = `CREATE TABLE people AS SELECT
	['Anna', 'Bob', 'Kurt-Wolfgang', 'María José', 'Dr. Eva', 'van der'][1 + i % 6] || ' ' || ['Smith', 'Müller', 'O''Brien', 'Lopez', 'Nowak'][1 + i % 5] || chr((97 + i * 7 % 26)::INT) || chr((97 + i // 26 % 26)::INT) AS name,
	'User.' || i || '+tag@Example' || (i % 100) || '.com' AS email,
	'030 ' || (1000000 + i * 7919 % 8999999) AS phone,
	['Kurt', 'Smith & Sons', 'Société Générale'][1 + i % 3] || ' ' || i || ' ' || ['GmbH & Co. KG', 'Ltd', 'S.p.A.', 'Group', 'Inc.'][1 + i % 5] AS company,
	i || ' Main St Apt ' || (i % 50) || ', Springfield, IL ' || (10000 + i % 80000) AS address,
	(1 + i % 28) || ['.', '. March ', '/13/'][1 + i % 3] || [(1 + i % 12)::VARCHAR || '.', '', ''][1 + i % 3] || (1000 + i // 100) AS born,
	['Germany', 'US', 'United Kingdom', 'fr', 'Deutschland'][1 + i % 5] AS country,
	(10000 + i % 80000)::VARCHAR AS zip
FROM range(%d) r(i)`

// clean measures each cleaning function in SQL on one core. The bar is microseconds a row: 1 for what is simple, that is a million rows a second.
func (b *bench) clean() error {
	ctx := context.Background()
	db, err := duckdb.Open(ctx, duckdb.Config{Threads: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Exec(ctx, strings.Replace(cleanTable, "%d", fmt.Sprint(cleanRows), 1)); err != nil {
		return err
	}
	for _, f := range clean.Functions {
		column, more := "name", ""
		switch f.Name {
		case "clean_email", "clean_email_canonical", "clean_email_local", "clean_email_domain":
			column = "email"
		case "clean_company", "clean_legal_form":
			column = "company"
		case "clean_country":
			column = "country"
		case "clean_postcode":
			column, more = "zip", ", 'DE'"
		case "clean_phone":
			column, more = "phone", ", 'DE'"
		case "clean_address":
			column, more = "address", ", 'US'"
		case "clean_date":
			column = "born"
		case "clean_osa":
			more = ", 'Anna Smith'"
		}
		took, err := b.cleanOne(ctx, db, f.Name+"("+column+more+")")
		if err != nil {
			return err
		}
		bar := 1.0
		if f.Costly {
			bar = 0
		}
		b.add(f.Name, took*1e6, "µs/row", bar)
	}
	return nil
}

// cleanOne is the median time that a row takes.
func (b *bench) cleanOne(ctx context.Context, db *duckdb.DB, call string) (seconds float64, err error) {
	var took []float64
	for range b.runs {
		began := time.Now()
		if _, err := db.Query(ctx, "SELECT count("+call+") FROM people"); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	return median(took) / cleanRows, nil
}
