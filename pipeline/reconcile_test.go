package pipeline_test

import (
	"database/sql"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/internal/testserver"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/journal"
	"github.com/millrace/millrace/transform/check"
)

// says fails the test unless the check has the status and its message has the words.
func says(t *testing.T, c check.Result, status check.Status, words ...string) {
	t.Helper()
	if c.Status != status {
		t.Errorf("%s is %s, want %s: %s", c.Name, c.Status, status, c.Message)
	}
	for _, w := range words {
		if !strings.Contains(c.Message, w) {
			t.Errorf("%s: %q does not say %q", c.Name, c.Message, w)
		}
	}
}

// TestReconcileQuarantined: rows that checks have kept out are missing on purpose, in the run and in a later check; rows of
// the same keys that are right by then are not.
func TestReconcileQuarantined(t *testing.T) {
	for _, mode := range []string{"full", "append", "incremental"} {
		t.Run(mode, func(t *testing.T) {
			dir := project(t, map[string]string{"millrace.yml": shop(mode, quarantining+", reconcile"), "customers.csv": customers})
			e := engine(t, dir)
			r := run(t, e)
			succeeded(t, r)
			says(t, checked(t, r, "erp.customers", "reconcile"), check.StatusPass, "with erp.customers at its source: nothing else differs, of 6 rows", "3 rows are in quarantine")
			found, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			says(t, result(t, found, "reconcile"), check.StatusPass, "3 rows are in quarantine")
			write(t, dir, map[string]string{"customers.csv": strings.Replace(strings.Replace(customers, "2,,2", "2,b@x.de,2", 1), "1,a@x.de,1\n", "", 1)})
			if found, err = e.Check(t.Context(), e.Project.Nodes, t.TempDir()); err != nil {
				t.Fatal(err)
			}
			want := "1 missing, 1 extra, of 5 rows"
			if mode != "full" {
				want = "extra rows are kept by the table on purpose"
			}
			c := result(t, found, "reconcile")
			says(t, c, check.StatusFail, want, "1 missing", "2 rows are in quarantine")
			if c.Sample == nil || *c.Sample.Rows[0][0] != "missing" || *c.Sample.Rows[0][1] != "2" {
				t.Errorf("the sample is %+v", c.Sample)
			}
		})
	}
}

// TestReconcileArchived: what was read and put away is kept by the table on purpose, also when nothing is left at the source.
func TestReconcileArchived(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("append", "reconcile"), "customers.csv": customers})
	e := engine(t, dir)
	succeeded(t, run(t, e))
	if err := os.Remove(filepath.Join(dir, "customers.csv")); err != nil {
		t.Fatal(err)
	}
	r := run(t, e)
	succeeded(t, r)
	says(t, checked(t, r, "erp.customers", "reconcile"), check.StatusPass, "6 extra, of 0 rows; extra rows are kept by the table on purpose")
}

// result is a check's result of Check.
func result(t *testing.T, found *pipeline.Checked, name string) check.Result {
	t.Helper()
	for _, c := range found.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no result of %s in %v", name, found.Checks)
	return check.Result{}
}

// TestReconcileEqualFiles: a delivery that comes twice is read once, by a reconciliation too.
func TestReconcileEqualFiles(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": strings.ReplaceAll(shop("append", "reconcile"), "customers.csv", "c*.csv"), "c1.csv": customers})
	succeeded(t, run(t, engine(t, dir)))
	write(t, dir, map[string]string{"c2.csv": customers, "c3.csv": "id,email,at\n9,z@x.de,9\n"})
	r := run(t, engine(t, dir))
	succeeded(t, r)
	if c := checked(t, r, "erp.customers", "reconcile"); c.Checked != 7 {
		t.Errorf("%+v", c)
	}
}

// TestReconcilePrevious compares a model with its version before, of which a share may change.
func TestReconcilePrevious(t *testing.T) {
	dir := project(t, map[string]string{"millrace.yml": shop("full", ""), "customers.csv": customers,
		"models/known.sql": "{{ config(materialized='table') }} select * from {{ source('erp', 'customers') }}",
		"models/known.yml": "version: 2\nmodels:\n  - name: known\n    checks:\n      - unique: id\n      - reconcile: { with: previous, tolerance: 20%, ignore: at }\n"})
	e := engine(t, dir)
	r := run(t, e)
	succeeded(t, r)
	says(t, checked(t, r, "main.known", "reconcile"), check.StatusPass, "no earlier version to compare with")
	write(t, dir, map[string]string{"customers.csv": strings.Replace(customers, "a@x.de,1", "z@x.de,9", 1)})
	r = run(t, e)
	succeeded(t, r)
	c := checked(t, r, "main.known", "reconcile")
	says(t, c, check.StatusPass, "with snapshot 1: 1 different (email 1), of 6 rows")
	if c.Failing != 1 || c.Threshold != "within tolerance 20%" {
		t.Errorf("%+v", c)
	}
	found, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	says(t, result(t, found, "reconcile"), check.StatusPass, "with snapshot 1: 1 different (email 1), of 6 rows")
	write(t, dir, map[string]string{"customers.csv": strings.Replace(customers, "e@x.de,5\n6,f@x.de,6", "q@x.de,5", 1)})
	r = run(t, e)
	says(t, checked(t, r, "main.known", "reconcile"), check.StatusFail, "with snapshot 2: 1 missing, 2 different (email 2), of 6 rows")
	if s := step(t, r, "main.known"); s.Status != journal.ChecksFailed {
		t.Errorf("the model is %s", s.Status)
	}
	write(t, dir, map[string]string{"customers.csv": customers + "6,again,7\n"})
	r = run(t, e)
	says(t, checked(t, r, "main.known", "reconcile"), check.StatusSkipped, "another check has failed")
}

const accounts = `CREATE TABLE accounts (id int PRIMARY KEY, name text, balance numeric(12,2), at timestamptz);
INSERT INTO accounts SELECT i, 'n' || i, i * 1.5, '2024-01-01'::timestamptz + i * interval '1 minute' FROM generate_series(1, 500) AS i;`

// TestReconcilePostgres changes rows behind the cursor, which the stream cannot see and the check must.
func TestReconcilePostgres(t *testing.T) {
	server := testserver.Postgres(t)
	stream := "{ name: public.accounts, mode: incremental, key: [id], cursor: at, deletes: %s, max_shrink: 100%%, checks: [{ reconcile: { severity: warn } }] }"
	for deletes, extra := range map[string]string{"ignore": "3 extra", "hard": "", "soft": ""} {
		t.Run(deletes, func(t *testing.T) {
			p := newPGProject(t, server, accounts, strings.NewReplacer("%s", deletes, "%%", "%").Replace(stream))
			r := run(t, engine(t, p.dir))
			succeeded(t, r)
			says(t, checked(t, r, "erp.accounts", "reconcile"), check.StatusPass, "all 500 rows are the same", "as of")
			p.exec(`UPDATE accounts SET balance = 0 WHERE id IN (7, 8);
				UPDATE accounts SET name = 'seen', at = '2024-06-01' WHERE id = 9;
				DELETE FROM accounts WHERE id IN (20, 21, 22);
				INSERT INTO accounts VALUES (900, 'late', 1, '2024-01-01'), (901, 'new', 1, '2024-06-01')`)
			found, err := engine(t, p.dir).Check(t.Context(), engine(t, p.dir).Project.Nodes, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			says(t, result(t, found, "reconcile"), check.StatusWarn, "1 missing, 3 extra, 2 different (balance 2), of 499 rows", "2 rows are newer than the table")
			r = run(t, engine(t, p.dir))
			succeeded(t, r)
			want := "1 missing, 2 different (balance 2), of 499 rows"
			if extra != "" {
				want = "1 missing, 3 extra, 2 different (balance 2), of 499 rows; extra rows are kept by the table on purpose"
			}
			c := checked(t, r, "erp.accounts", "reconcile")
			says(t, c, check.StatusWarn, want)
			if strings.Contains(c.Message, "newer") || c.Failing != 3 {
				t.Errorf("in one state nothing is newer: %d failing, %s", c.Failing, c.Message)
			}
		})
	}
}

// TestReconcileTwoServers compares a table of PostgreSQL with one of MariaDB, which is read whole for that, and then with its own
// source, in the state that the run has read.
func TestReconcileTwoServers(t *testing.T) {
	pg, maria := testserver.Postgres(t), testserver.MariaDB(t)
	address := maria.Database(t)
	config, err := mysql.ParseDSN(fmt.Sprintf("%s:%s@tcp(%s)/%s?multiStatements=true", maria.User, maria.Password, maria.Addr(), path.Base(address)))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE accounts (ID INT PRIMARY KEY, name VARCHAR(20), balance DECIMAL(14,4), at DATETIME(6) NOT NULL, KEY (at, id)) ENGINE=InnoDB;
		INSERT INTO accounts SELECT seq, CONCAT('n', seq), seq * 1.5, '2024-01-01' FROM seq_1_to_500;
		UPDATE accounts SET balance = balance + 0.0001 WHERE id = 3; UPDATE accounts SET name = 'other' WHERE id = 4; DELETE FROM accounts WHERE id > 498`); err != nil {
		t.Fatal(err)
	}
	p := newPGProject(t, pg, accounts, "{ name: public.accounts, mode: full, key: [id], checks: [{ reconcile: { with: \"live('books', 'accounts')\", ignore: at, severity: warn, name: exact } }, { reconcile: { with: \"live('books', 'accounts')\", columns: [balance], numeric: 0.0001, tolerance: 2, name: near } }] }")
	t.Setenv("MARIA", address+"?tls=false")
	write(t, p.dir, map[string]string{"sources/books.yml": "type: mysql\nurl: \"${MARIA}\"\nstreams:\n  - { name: accounts, mode: incremental, key: [ID], cursor: at, checks: [reconcile] }\n"})
	e := engine(t, p.dir)
	r := run(t, e)
	succeeded(t, r)
	says(t, checked(t, r, "erp.accounts", "exact"), check.StatusWarn, "with books.accounts at its source: 2 extra, 2 different (name 1, balance 1), of 498 rows")
	says(t, checked(t, r, "erp.accounts", "near"), check.StatusPass, "2 extra, of 498 rows")
	says(t, checked(t, r, "books.accounts", "reconcile"), check.StatusPass, "all 498 rows are the same")
	if _, err := db.Exec("UPDATE accounts SET name = 'behind' WHERE id IN (7, 8); INSERT INTO accounts VALUES (900, 'late', 1, '2023-01-01')"); err != nil {
		t.Fatal(err)
	}
	says(t, checked(t, run(t, e), "books.accounts", "reconcile"), check.StatusFail, "1 missing, 2 different (name 2), of 499 rows")
}

// TestReconcileElsewhere compares a table with one that lives in another system, read whole for that.
func TestReconcileElsewhere(t *testing.T) {
	server := testserver.Postgres(t)
	p := newPGProject(t, server, accounts, "{ name: public.accounts, mode: full, key: [id] }")
	rows := "id,name,balance\n"
	for _, row := range []string{"1,n1,1.50", "2,n2,3.00", "3,other,4.51", "501,n501,1.00"} {
		rows += row + "\n"
	}
	write(t, p.dir, map[string]string{"ledger.csv": rows, "sources/books.yml": `type: files
streams:
  - name: ledger
    path: ledger.csv
    key: [id]
    columns: { id: INTEGER, name: VARCHAR, balance: "DECIMAL(9,2)" }
    checks:
      - reconcile: { with: "live('erp', 'accounts')", numeric: 0.02, where: "id <= 4 or id > 500", name: at_source }
      - reconcile: { with: "source('erp', 'accounts')", columns: [balance], where: id < 3, name: published }
`})
	e := engine(t, p.dir)
	r := run(t, e)
	says(t, checked(t, r, "books.ledger", "at_source"), check.StatusFail, "with erp.accounts at its source: 1 missing, 1 extra, 1 different (name 1), of 4 rows", "only erp.accounts at its source has at")
	says(t, checked(t, r, "books.ledger", "published"), check.StatusSkipped)
}

// TestReconcileNarrowed: rows whose values the table's types do not hold are in quarantine on purpose, whether or not those
// types have one in common with the source's; the others are compared as the table has them.
func TestReconcileNarrowed(t *testing.T) {
	for _, amount := range []string{"VARCHAR", "DECIMAL(20,2)", "DOUBLE"} {
		t.Run(amount, func(t *testing.T) {
			const policy = "on_schema_change: quarantine, checks: [reconcile],"
			dir := project(t, map[string]string{
				"millrace.yml": drifting("full", policy, "id: BIGINT, amount: 'DECIMAL(10,2)'"), "orders.csv": manyOrders("id,amount", "%d,%d.00")})
			e := engine(t, dir)
			succeeded(t, run(t, e))
			write(t, dir, map[string]string{
				"millrace.yml": drifting("full", policy, "id: BIGINT, amount: '"+amount+"'"), "orders.csv": manyOrders("id,amount", "%d,%d.00", "7,777777777777")})
			e = engine(t, dir)
			r := run(t, e)
			succeeded(t, r)
			says(t, checked(t, r, "erp.orders", "reconcile"), check.StatusPass, "nothing else differs, of 41 rows", "1 row is in quarantine")
			found, err := e.Check(t.Context(), e.Project.Nodes, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			says(t, result(t, found, "reconcile"), check.StatusPass, "1 row is in quarantine")
		})
	}
}
