package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ordersSQL is one line: a table of 17 columns in which one row of some thousands breaks a rule, and a few keys repeat.
func ordersSQL(n int) string {
	h := func(i int) string { return fmt.Sprintf("hash(i + %d)", i) }
	return fmt.Sprintf(`SELECT CASE WHEN i %% 250007 = 5 THEN i - 1 ELSE i END AS id, 'ORD-' || lpad((CASE WHEN i %% 300007 = 9 THEN i - 2 ELSE i END * 7919 %% 100000007)::VARCHAR, 10, '0') AS order_no, CASE WHEN i %% 50021 = 3 THEN 2000000 ELSE %s %% 1000000 END::BIGINT AS customer_id, (1 + %s %% 8)::INT AS region_id, CASE WHEN i %% 20011 = 3 THEN 'lost' ELSE ['new','paid','shipped','returned'][1 + (%s %% 4)::INT] END AS status, ['EUR','USD','GBP','CHF','PLN'][1 + (%s %% 5)::INT] AS currency, ((%s %% 1000000) / 100)::DECIMAL(12,2) AS amount, ((%s %% 20) / 100)::DOUBLE AS discount, (1 + %s %% 50)::INT AS quantity, DATE '2020-01-01' + (%s %% 2000)::INT AS ordered_on, DATE '2020-01-01' + (%[8]s %% 2000)::INT + CASE WHEN i %% 10007 = 3 THEN -1 ELSE 2 END AS shipped_on, TIMESTAMP '2024-01-01' + INTERVAL (i %% 8000000) SECOND AS updated_at, CASE WHEN i %% 30011 = 4 THEN 'nobody' ELSE 'user' || (%s %% 3000000)::VARCHAR || '@example.com' END AS email, '+49' || lpad((%s %% 10000000000)::VARCHAR, 10, '0') AS phone, lpad((%s %% 99999)::VARCHAR, 5, '0') AS postcode, ['DE','FR','GB','CH','PL','US'][1 + (%s %% 6)::INT] AS country, CASE WHEN %s %% 20 = 0 THEN NULL ELSE substr('carefully final deposits detect slyly again regular packages wake furiously ironic requests', 1 + (%s %% 60)::INT, 10 + (%s %% 30)::INT) END AS note FROM range(%d) t(i)`,
		h(0), h(1), h(2), h(3), h(4), h(5), h(6), h(7), h(8), h(9), h(10), h(11), h(12), h(13), h(14), n)
}

// rowRules are 46 rules of single rows over orders, two of which compare with another table: what a careful team writes. Each is a check and the SQL that a careful hand would count its failing rows by.
func rowRules() (checks, sql []string) {
	add := func(check, fails string) { checks, sql = append(checks, check), append(sql, fails) }
	for _, c := range strings.Fields("id order_no customer_id region_id status currency amount discount quantity ordered_on shipped_on updated_at email phone") {
		add("not_null: { column: "+c, c+" IS NULL")
	}
	listed := func(column string, values ...string) {
		add(fmt.Sprintf("accepted_values: { column: %s, values: [%s]", column, strings.Join(values, ", ")), fmt.Sprintf("%s NOT IN ('%s')", column, strings.Join(values, "', '")))
	}
	listed("status", "new", "paid", "shipped", "returned")
	listed("currency", "EUR", "USD", "GBP", "CHF", "PLN")
	listed("country", "DE", "FR", "GB", "CH", "PL", "US")
	listed("region_id", "1", "2", "3", "4", "5", "6", "7", "8")
	for _, r := range [][3]string{{"amount", "0", "9999.99"}, {"discount", "0", "0.5"}, {"quantity", "1", "50"}, {"id", "0", "1000000000"}, {"customer_id", "0", "5000000"},
		{"ordered_on", "'2020-01-01'", "'2026-01-01'"}, {"shipped_on", "'2019-12-01'", "'2026-01-01'"}, {"updated_at", "'2024-01-01'", "'2025-01-01'"}} {
		add(fmt.Sprintf("range: { column: %s, min: %s, max: %s", r[0], r[1], r[2]), fmt.Sprintf("%s NOT BETWEEN %s AND %s", r[0], r[1], r[2]))
	}
	for _, r := range [][2]string{{"order_no", "ORD-[0-9]{10}"}, {"email", `[^@]+@[^@]+\.[a-z]+`}, {"phone", `\+49[0-9]{10}`}, {"postcode", "[0-9]{5}"}, {"country", "[A-Z]{2}"}} {
		add(fmt.Sprintf("regex: { column: %s, pattern: '%s'", r[0], r[1]), fmt.Sprintf("NOT regexp_full_match(%s, '%s')", r[0], r[1]))
	}
	for _, e := range []string{"shipped_on >= ordered_on", "amount * quantity < 1000000", "discount <= 0.2", "status <> 'returned' OR quantity > 0", "amount >= 0", "length(note) < 60", "lower(email) = email", "year(updated_at) = 2024"} {
		add(fmt.Sprintf("expression: { expression: \"%s\"", e), "NOT ("+e+")")
	}
	for _, l := range []struct {
		column   string
		min, max int
	}{{"order_no", 14, 14}, {"email", 5, 80}, {"phone", 8, 16}, {"postcode", 5, 5}, {"note", 1, 100}} {
		add(fmt.Sprintf("length: { column: %s, min: %d, max: %d", l.column, l.min, l.max), fmt.Sprintf("length(%s) NOT BETWEEN %d AND %d", l.column, l.min, l.max))
	}
	add("relationships: { column: customer_id, to: customers, field: id", "customer_id NOT IN (SELECT id FROM customers)")
	add("relationships: { column: region_id, to: regions, field: id", "region_id NOT IN (SELECT id FROM regions)")
	return checks, sql
}

var keyRules = []string{"unique: { column: id", "unique: { column: order_no"}

// checksProject makes a project with the orders as a stream, and models that copy them: plain, with the rules of single rows,
// and with keys besides.
func (b *bench) checksProject(n int) (string, error) {
	dir, err := os.MkdirTemp(b.data, "checks-")
	if err != nil {
		return "", err
	}
	statements := []string{}
	for name, sql := range map[string]string{"orders": ordersSQL(n), "customers": "SELECT i AS id FROM range(1000000) t(i)", "regions": "SELECT i AS id FROM range(1, 9) t(i)"} {
		statements = append(statements, fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)", sql, filepath.Join(dir, name+".parquet")))
	}
	if _, err := b.reference(strings.Join(statements, "\n")); err != nil {
		return "", err
	}
	rules, _ := rowRules()
	list := func(severity string, rules []string) string {
		text := "      - row_count: { min: 1 }\n      - freshness: { column: updated_at, warn_after: 9999d }\n"
		for _, r := range rules {
			text += fmt.Sprintf("      - %s, severity: %s }\n", r, severity)
		}
		return text
	}
	copySQL := "{{ config(materialized='table') }}\nselect * from {{ source('shop', 'orders') }}\n"
	files := map[string]string{
		"millrace.yml":     "name: bench\nmemory: 1GB\nsources:\n  shop:\n    type: files\n    streams:\n      - { name: orders, path: orders.parquet }\n      - { name: customers, path: customers.parquet }\n      - { name: regions, path: regions.parquet }\n",
		"models/plain.sql": copySQL, "models/ruled.sql": copySQL, "models/keyed.sql": copySQL,
		"models/checks.yml": "version: 2\nmodels:\n  - name: ruled\n    checks:\n" + list("quarantine", rules) + "  - name: keyed\n    checks:\n" + list("quarantine", append(rules, keyRules...)) +
			"sources:\n  - name: shop\n    tables:\n      - name: orders\n        checks:\n" + strings.ReplaceAll(list("warn", append(rules, keyRules...)), "      - ", "          - "),
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	_, err = measure(dir, b.bin, "run", "--json", "source:shop")
	return dir, err
}

// checks compares a model with 48 and 50 checks, 46 and 48 of which quarantine, with the same model without any, and counting alone with one
// hand-written statement.
func (b *bench) checks() error {
	n := b.rows * 10 / 6
	dir, err := b.checksProject(n)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var cpu = map[string][]float64{}
	var rss float64
	for i := range b.runs + 1 {
		for _, model := range []string{"plain", "ruled", "keyed"} {
			u, err := measure(dir, b.bin, "run", "--json", model)
			if err != nil {
				return err
			}
			if model == "keyed" {
				rss = max(rss, u.rss)
				if err := diverted(u.stdout); err != nil {
					return err
				}
			}
			if i > 0 { // the first run has no history that says which rules rows fail
				cpu[model] = append(cpu[model], u.cpu)
			} else {
				cpu["first "+model] = append(cpu["first "+model], u.cpu)
			}
		}
	}
	plain := median(cpu["plain"])
	b.add(fmt.Sprintf("checks: CPU, copy of %d rows x 17 columns", n), plain, "s", 0)
	b.add("checks: CPU, 48 checks, those of rows with quarantine / copy", median(cpu["ruled"])/plain, "x", 1.5)
	b.add("checks: CPU, the same and two keys / copy", median(cpu["keyed"])/plain, "x", 1.9)
	b.add("checks: CPU, first run of 48 checks / copy", cpu["first ruled"][0]/plain, "x", 0)
	b.add("checks: CPU, first run of 50 checks / copy", cpu["first keyed"][0]/plain, "x", 0)
	b.add("checks: peak RSS, 50 checks with quarantine", rss, "MiB", 1536)
	return b.counting(dir)
}

// diverted makes sure that the run did what is measured.
func diverted(stdout []byte) error {
	var report struct {
		Checks []struct{ Quarantined int64 } `json:"checks"`
	}
	if err := json.Unmarshal(stdout, &report); err != nil {
		return err
	}
	rules := 0
	for _, c := range report.Checks {
		if c.Quarantined > 0 {
			rules++
		}
	}
	if len(report.Checks) != 50 || rules < 6 {
		return fmt.Errorf("%d checks ran and %d diverted rows", len(report.Checks), rules)
	}
	return nil
}

// counting compares `millrace check` with the best statement that a hand would write for the same 50 checks.
func (b *bench) counting(dir string) error {
	_, fails := rowRules()
	var counts []string
	for _, f := range fails {
		if column, isNull := strings.CutSuffix(f, " IS NULL"); isNull {
			counts = append(counts, "count(*) - count("+column+")")
		} else {
			counts = append(counts, "count_if("+f+")")
		}
	}
	statements := []string{}
	for _, t := range []string{"orders", "customers", "regions"} {
		statements = append(statements, fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM read_parquet('%s')", t, filepath.Join(dir, t+".parquet")))
	}
	statements = append(statements, "CREATE TABLE a AS SELECT "+strings.Join(counts, ", ")+" FROM orders",
		"CREATE TABLE b AS SELECT count(*) FROM (SELECT id FROM orders GROUP BY id HAVING count(*) > 1)", "CREATE TABLE c AS SELECT count(*) FROM (SELECT order_no FROM orders GROUP BY order_no HAVING count(*) > 1)")
	var ours, theirs []float64
	for i := range b.runs + 1 {
		ref, err := b.reference(strings.Join(statements, "\n"))
		if err != nil {
			return err
		}
		u, err := measure(dir, b.bin, "check", "--json", "orders")
		if err != nil {
			return err
		}
		if i > 0 {
			ours, theirs = append(ours, u.wall), append(theirs, ref.wall)
		}
	}
	b.add("checks: wall, one hand-written statement and two for keys", median(theirs), "s", 0)
	b.add("checks: wall, millrace check / that", median(ours)/median(theirs), "x", 1)
	return nil
}

// manyChecks runs 1,600 checks over small tables.
func (b *bench) manyChecks() error {
	dir, err := os.MkdirTemp(b.data, "many-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "models"), 0o755); err != nil {
		return err
	}
	yml := "version: 2\nmodels:\n"
	for t := range 40 {
		name := fmt.Sprintf("t%d", t)
		var columns []string
		for c := range 5 {
			columns = append(columns, fmt.Sprintf("i + %d AS n%[1]d, ['new', 'paid', 'sent'][1 + (i + %[1]d) %% 3] AS s%[1]d", c))
		}
		sql := "{{ config(materialized='table') }}\nselect " + strings.Join(columns, ", ") + " from range(1000) t(i)\n"
		if err := os.WriteFile(filepath.Join(dir, "models", name+".sql"), []byte(sql), 0o644); err != nil {
			return err
		}
		yml += "  - name: " + name + "\n    columns:\n"
		for c := range 5 {
			yml += fmt.Sprintf("      - { name: n%d, data_tests: [not_null, unique, { dbt_utils.accepted_range: { min_value: 0, max_value: 2000 } }, { dbt_utils.expression_is_true: { expression: '>= 0' } }] }\n", c)
			yml += fmt.Sprintf("      - { name: s%d, data_tests: [not_null, { accepted_values: { values: [new, paid, sent] } }], checks: [{ length: { min: 3, max: 4 } }, { regex: { pattern: '[a-z]+' } }] }\n", c)
		}
	}
	for name, text := range map[string]string{"millrace.yml": "name: many\n", "models/t.yml": yml} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	u, _, err := b.load(dir, b.runs)
	if err != nil {
		return err
	}
	b.add("checks: wall, millrace run with 1,600 checks on 40 tables", u.wall, "s", 3)
	return nil
}
