package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/testserver"
	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transform/check"
)

const growing = `CREATE TABLE c (id int PRIMARY KEY, amount numeric(10,2), at timestamptz);
INSERT INTO c SELECT i, i, now() - interval '1 hour' FROM generate_series(1, 100) AS i`

// TestDatabasePolicies: a table that is altered at the server keeps its published columns, in an incremental stream too. When it
// may follow at last, it equals a full reload: rows that were read while the column was left out have its values.
func TestDatabasePolicies(t *testing.T) {
	server := testserver.Postgres(t)
	for _, deletes := range []string{"ignore", "hard"} {
		for _, policy := range []string{"discard", "quarantine"} {
			t.Run(policy+" "+deletes, func(t *testing.T) {
				stream := "{ name: public.c, mode: incremental, key: [id], cursor: at, deletes: " + deletes + ", on_schema_change: %s }"
				p := newPGProject(t, server, growing, fmt.Sprintf(stream, policy))
				succeeded(t, run(t, engine(t, p.dir)))
				published := columnsOf(t, engine(t, p.dir), "c")
				p.exec(`ALTER TABLE c ALTER id TYPE bigint, ALTER amount TYPE numeric(12,4), ADD more text; UPDATE c SET more = 'm', at = now() - interval '10 minutes' WHERE id <= 2;
					UPDATE c SET amount = 3.1415, at = now() - interval '10 minutes' WHERE id = 3; DELETE FROM c WHERE id = 50`)
				p.exec("INSERT INTO c SELECT i, 7, now() - interval '9 minutes' FROM generate_series(101, 150) AS i")
				p.pass()
				e := engine(t, p.dir)
				r := run(t, e)
				c := checked(t, r, "erp.c", models.SchemaCheck)
				mentions(t, c.Message, "~ id is BIGINT, published is INTEGER", "~ amount is DECIMAL(12,4), published is DECIMAL(10,2)", "+ new column more VARCHAR: left out")
				if got := columnsOf(t, e, "c"); got != published {
					t.Errorf("columns %s", got)
				}
				rows := map[string]string{"ignore": "150", "hard": "149"}[deletes]
				switch policy {
				case "discard": // one amount does not fit: nothing is rounded
					if *r.Run.ExitCode != pipeline.ExitChecks || c.Failing != 1 {
						t.Fatalf("exit code %d, %+v", *r.Run.ExitCode, c)
					}
					p.exec("UPDATE c SET amount = 3, at = now() - interval '8 minutes' WHERE id = 3")
					p.pass()
					r = run(t, e)
					succeeded(t, r)
					if s := step(t, r, "erp.c"); strings.Contains(fmt.Sprint(s.Notes), "all rows are read") {
						t.Errorf("%v", s.Notes)
					}
				case "quarantine":
					succeeded(t, r)
					if got := fmt.Sprint(query(t, e, "SELECT id, amount::VARCHAR, more FROM erp.c__quarantine ORDER BY id")); got != "[[1 1.0000 m] [2 2.0000 m] [3 3.1415 <nil>]]" {
						t.Errorf("quarantined %s", got)
					}
				}
				if got := fmt.Sprint(query(t, e, "SELECT count(*)::VARCHAR, max(amount)::VARCHAR FROM erp.c")); got != "[["+rows+" 100.00]]" {
					t.Errorf("published %s", got)
				}
				for range 2 { // nothing is new any more
					succeeded(t, run(t, engine(t, p.dir)))
				}
				if got := columnsOf(t, e, "c"); got != published {
					t.Errorf("columns %s", got)
				}
				p.reads(fmt.Sprintf(stream, "evolve"))
				e = engine(t, p.dir)
				succeeded(t, run(t, e))
				if got := fmt.Sprint(query(t, e, "SELECT count(*)::VARCHAR, count(more)::VARCHAR FROM erp.c")); got != "[["+rows+" 2]]" {
					t.Errorf("then %s", got)
				}
				if got := columnsOf(t, e, "c"); got != "[[id BIGINT] [amount DECIMAL(12,4)] [at TIMESTAMP WITH TIME ZONE] [more VARCHAR]]" {
					t.Errorf("columns %s", got)
				}
			})
		}
	}
}

// TestDatabaseContract: a contract may have a narrower key than the server. Keys that it cannot hold are none of the table's, and
// rows that are gone leave it all the same.
func TestDatabaseContract(t *testing.T) {
	p := newPGProject(t, testserver.Postgres(t), strings.Replace(growing, "id int", "id bigint", 1)+"; INSERT INTO c VALUES (3000000000, 1, now() - interval '1 hour')",
		"{ name: public.c, mode: incremental, key: [id], cursor: at, deletes: soft, contract: { columns: [ { name: id, type: INT }, { name: amount, type: 'DECIMAL(9,2)' }, { name: at, type: TIMESTAMPTZ } ], severity: quarantine } }")
	for _, gone := range []int{0, 1, 2} {
		if gone > 0 {
			p.exec(fmt.Sprintf("DELETE FROM c WHERE id = %d", gone))
			p.pass()
		}
		e := engine(t, p.dir)
		r := run(t, e)
		succeeded(t, r)
		if got := fmt.Sprint(query(t, e, "SELECT count(*)::INT, count(_deleted_at)::INT FROM erp.c")); got != fmt.Sprintf("[[100 %d]]", gone) {
			t.Errorf("published %s", got)
		}
		if got := columnsOf(t, e, "c"); got != "[[id INTEGER] [amount DECIMAL(9,2)] [at TIMESTAMP WITH TIME ZONE] [_deleted_at TIMESTAMP WITH TIME ZONE]]" {
			t.Errorf("columns %s", got)
		}
		if c := checked(t, r, "erp.c", "contract"); c.Status != check.StatusPass {
			t.Errorf("%+v", c)
		}
	}
}

// TestRefusedEarly: a table whose columns may not be is not read to its end.
func TestRefusedEarly(t *testing.T) {
	const stream = "{ name: public.c, mode: append, cursor: id, page_rows: 10, on_schema_change: freeze }"
	p := newPGProject(t, testserver.Postgres(t), "CREATE TABLE c (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount int); INSERT INTO c (amount) SELECT i FROM generate_series(1, 100) AS i", stream)
	succeeded(t, run(t, engine(t, p.dir)))
	p.exec("ALTER TABLE c ADD more int; INSERT INTO c (amount) SELECT i FROM generate_series(1, 100) AS i")
	p.pass()
	e := engine(t, p.dir)
	r, code := exitCode(t, e)
	if c := checked(t, r, "erp.c", models.SchemaCheck); code != pipeline.ExitChecks || c.Status != check.StatusFail {
		t.Errorf("%+v, exit code %d", c, code)
	}
	if parts, err := e.Journal.Parts(t.Context(), r.Run.ID, "erp.c"); err != nil || len(parts) != 1 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}
