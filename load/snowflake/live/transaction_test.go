package live_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// number makes a table with the number n in one row.
func (p *place) number(name string, n int) sf.Table {
	p.Helper()
	to := p.table(name)
	p.exec(p.session, "CREATE TABLE "+to.String()+` ("N" NUMBER(10,0))`, "INSERT INTO "+to.String()+` ("N") VALUES (`+strconv.Itoa(n)+`)`)
	return to
}

func (p *place) numbers(s *snowflake.Session, t sf.Table) string {
	p.Helper()
	return strings.ReplaceAll(p.values(s, `SELECT TO_VARCHAR("N") FROM `+t.String()+` ORDER BY "N"`), "\n", " ")
}

var oneNumber = []sf.Column{{Name: "N", Source: "n", DuckDB: "INTEGER", Type: "NUMBER(10,0)"}}

// TestTogether: what a transaction replaces in two tables is seen by others at COMMIT, and by nobody after ROLLBACK.
func TestTogether(t *testing.T) {
	everywhere(t, func(p *place) {
		a, b, staging, other := p.number("A", 1), p.number("B", 1), p.number("STG", 2), p.login()
		replace := []string{"BEGIN", sf.InsertOverwrite(a, staging, oneNumber), sf.Append(b, staging, oneNumber)}
		p.exec(p.session, append(replace, "ROLLBACK")...)
		if got := p.numbers(p.session, a) + "/" + p.numbers(p.session, b); got != "1/1" {
			p.Errorf("after ROLLBACK: %s", got)
		}
		p.exec(p.session, replace...)
		if got := p.numbers(other, a) + "/" + p.numbers(other, b); got != "1/1" {
			p.Errorf("seen before COMMIT: %s", got)
		}
		p.exec(p.session, "COMMIT")
		if got := p.numbers(other, a) + "/" + p.numbers(other, b); got != "2/1 2" {
			p.Errorf("after COMMIT: %s", got)
		}
	})
}

// TestDefinitionsCommit: DDL ends an open transaction, which is why new tables and swaps stand outside of it.
func TestDefinitionsCommit(t *testing.T) {
	everywhere(t, func(p *place) {
		a := p.number("A", 1)
		p.exec(p.session, "BEGIN", "INSERT INTO "+a.String()+` ("N") VALUES (2)`, "CREATE TABLE "+p.table("MADE").String()+` ("X" NUMBER(1,0))`, "ROLLBACK")
		if got := p.numbers(p.session, a); got != "1 2" {
			p.Error(got)
		}
	})
}

// TestSwapKeeps: grants are those that the name had, and the comment tells which load made what now has it.
func TestSwapKeeps(t *testing.T) {
	everywhere(t, func(p *place) {
		a, beside := p.number("A", 1), p.table("A__MR_X")
		p.exec(p.session, "GRANT SELECT ON TABLE "+a.String()+" TO ROLE PUBLIC")
		readers := func() []string {
			var all []string
			for _, g := range rows(p.exec(p.session, "SHOW GRANTS ON TABLE "+a.String())) {
				all = append(all, g["privilege"]+" to "+g["grantee_name"])
			}
			return all
		}
		if !slices.Contains(readers(), "SELECT to PUBLIC") {
			p.Fatalf("no grant to keep: %v", readers())
		}
		p.exec(p.session, sf.CreateLike(beside, a, false), "INSERT INTO "+beside.String()+` ("N") VALUES (2)`, sf.Comment(beside, "X"), sf.Swap(a, beside))
		if got := p.numbers(p.session, a) + "/" + p.numbers(p.session, beside); got != "2/1" {
			p.Errorf("after the swap: %s", got)
		}
		if !slices.Contains(readers(), "SELECT to PUBLIC") {
			p.Errorf("the swap has lost the grant: %v", readers())
		}
		for _, r := range rows(p.exec(p.session, sf.ShowTables(a))) {
			if want := map[string]string{a.Name: sf.CommentOf("X"), beside.Name: ""}[r["name"]]; r["comment"] != want {
				p.Errorf("%s has the comment %q, not %q", r["name"], r["comment"], want)
			}
		}
		p.exec(p.session, sf.Drop(beside), sf.Drop(beside))
	})
}

// TestOverwriteKeeps: INSERT OVERWRITE leaves a table's grants alone.
func TestOverwriteKeeps(t *testing.T) {
	everywhere(t, func(p *place) {
		a, staging := p.number("A", 1), p.number("STG", 2)
		p.exec(p.session, "GRANT SELECT ON TABLE "+a.String()+" TO ROLE PUBLIC", sf.InsertOverwrite(a, staging, oneNumber))
		if got := column(p.exec(p.session, "SHOW GRANTS ON TABLE "+a.String()), "privilege"); !slices.Contains(got, "SELECT") {
			p.Error(got)
		}
	})
}

var keyed = []sf.Column{{Name: "K", Source: "k", Type: "NUMBER(10,0)"}, {Name: "V", Source: "v", Type: "VARCHAR(10)"}}

// change makes a table with rows, and a staging table with the difference that is to be brought into it.
func (p *place) change(more []sf.Column, rows, difference string) (to, staging sf.Table) {
	p.Helper()
	to, staging = p.table("KEPT"), p.table("KEPT__MR_X")
	p.exec(p.session, sf.CreateStaging(sf.NewTable{Table: to, Columns: append(slices.Clone(keyed), more...)}),
		sf.CreateStaging(sf.NewTable{Table: staging, Columns: append(slices.Clone(keyed), sf.OpColumn), Transient: true}),
		"INSERT INTO "+to.String()+" "+rows, "INSERT INTO "+staging.String()+` ("K", "V", "_MR_OP") VALUES `+difference)
	return to, staging
}

// TestMerge: changed rows, new ones and keys that are gone; again it changes nothing.
func TestMerge(t *testing.T) {
	everywhere(t, func(p *place) {
		to, staging := p.change([]sf.Column{sf.DeletedAt}, `("K", "V") VALUES (1, 'a'), (2, 'b'), (3, 'c')`, `(2, 'B', 'U'), (3, NULL, 'D'), (4, 'd', 'U'), (9, NULL, 'D')`)
		spec := sf.MergeSpec{Table: to, Staging: staging, Columns: keyed, Key: []string{"K"}, Soft: true, At: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)}
		for range 2 {
			p.bound(p.session, sf.Merge(spec))
			got := p.values(p.session, `SELECT TO_VARCHAR("K"), "V", TO_VARCHAR(DATE_PART(EPOCH_SECOND, "_DELETED_AT")) FROM `+to.String()+` ORDER BY "K"`)
			if want := "1|a|~\n2|B|~\n3|c|1772330400\n4|d|~"; got != want {
				p.Errorf("got\n%s\nwant\n%s", got, want)
			}
		}
		spec.Soft = false
		r := p.bound(p.session, sf.Merge(spec))
		if got := p.values(p.session, `SELECT TO_VARCHAR("K") FROM `+to.String()+` ORDER BY "K"`); got != "1\n2\n4" || r.Counts["number of rows deleted"] != 1 {
			p.Errorf("%s, and it counts %v", got, r.Counts)
		}
	})
}

// TestMergeTwice: a key that the staging table has twice is an error, and changes nothing.
func TestMergeTwice(t *testing.T) {
	everywhere(t, func(p *place) {
		to, staging := p.change(nil, `("K", "V") VALUES (1, 'a')`, `(1, 'x', 'U'), (1, 'y', 'U')`)
		st := sf.Merge(sf.MergeSpec{Table: to, Staging: staging, Columns: keyed, Key: []string{"K"}})
		_, err := p.session.Exec(p.Context(), snowflake.Statement{SQL: st.SQL, Args: st.Args})
		var refused *snowflake.Error
		if !errors.As(err, &refused) || refused.Kind != snowflake.KindDuplicate {
			p.Errorf("it says %v", err)
		}
		if got := p.values(p.session, `SELECT "V" FROM `+to.String()); got != "a" {
			p.Errorf("it has changed something: %s", got)
		}
	})
}

// TestHistory: each key's rows follow each other without a gap, and a repeat writes the same.
func TestHistory(t *testing.T) {
	everywhere(t, func(p *place) {
		began, at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
		to, staging := p.change([]sf.Column{sf.ValidFrom, sf.ValidTo, sf.IsCurrent}, `("K", "V") VALUES (1, 'a'), (2, 'b')`, `(1, 'A', 'U'), (2, NULL, 'D'), (3, 'c', 'U')`)
		p.bound(p.session, sf.Statement{SQL: "UPDATE " + to.String() + ` SET "VALID_FROM" = TO_TIMESTAMP_NTZ(?, 6), "IS_CURRENT" = TRUE`, Args: []any{began.UnixMicro()}})
		for range 2 {
			for _, st := range sf.SCD2(sf.SCD2Spec{Table: to, Staging: staging, Columns: keyed, Key: []string{"K"}, At: at}) {
				p.bound(p.session, st)
			}
			got := p.values(p.session, `SELECT TO_VARCHAR("K"), "V", TO_VARCHAR("VALID_FROM", 'DD'), TO_VARCHAR("VALID_TO", 'DD') FROM `+to.String()+` ORDER BY "K", "VALID_FROM"`)
			if want := "1|a|01|02\n1|A|02|~\n2|b|01|02\n3|c|02|~"; got != want {
				p.Errorf("got\n%s\nwant\n%s", got, want)
			}
		}
		if got := p.values(p.session, sf.CurrentTwice(to, []string{"K"})); got != "0" {
			p.Errorf("%s keys are current twice", got)
		}
	})
}

// TestPartitions: those that are named are replaced, NULL among them, and no other.
func TestPartitions(t *testing.T) {
	everywhere(t, func(p *place) {
		to, staging := p.change(nil, `("K", "V") VALUES (1, 'mon'), (2, 'mon'), (3, 'tue'), (4, 'wed'), (5, NULL)`, `(7, 'mon', NULL), (8, NULL, NULL)`)
		list := p.table("LIST")
		p.exec(p.session, "CREATE TABLE "+list.String()+` ("V" VARCHAR(10))`, "INSERT INTO "+list.String()+` ("V") VALUES ('mon'), ('wed'), (NULL)`)
		p.exec(p.session, "BEGIN")
		p.exec(p.session, sf.Partition(sf.PartitionSpec{Table: to, Staging: staging, List: list, Columns: keyed, By: []string{"V"}})...)
		p.exec(p.session, "COMMIT")
		if got := p.values(p.session, `SELECT TO_VARCHAR("K"), "V" FROM `+to.String()+` ORDER BY "K"`); got != "3|tue\n7|mon\n8|~" {
			p.Error(got)
		}
	})
}

// TestLeftBehind: a transaction that its client has left holds its locks until it is found among those of its user and aborted.
func TestLeftBehind(t *testing.T) {
	everywhere(t, func(p *place) {
		a, left := p.number("A", 1), p.login()
		p.exec(left, "BEGIN", "UPDATE "+a.String()+` SET "N" = 2 WHERE "N" = 1`)
		p.exec(p.session, "ALTER SESSION SET LOCK_TIMEOUT = 1")
		update := snowflake.Statement{SQL: "UPDATE " + a.String() + ` SET "N" = 3 WHERE "N" = 1`}
		_, err := p.session.Exec(p.Context(), update)
		var refused *snowflake.Error
		if !errors.As(err, &refused) || refused.Kind != snowflake.KindLock {
			p.Fatalf("no lock kept it: %v", err)
		}
		session := p.values(left, "SELECT CURRENT_SESSION()")
		var ids []string
		for _, r := range rows(p.exec(p.session, sf.ShowTransactions())) {
			if r["session"] == session {
				ids = append(ids, r["id"])
			}
		}
		if len(ids) != 1 {
			p.Fatalf("its transactions: %v", ids)
		}
		id, err := strconv.ParseInt(ids[0], 10, 64)
		if err != nil {
			p.Fatal(err)
		}
		p.exec(p.session, sf.AbortTransaction(id))
		p.exec(p.session, update.SQL)
		if got := p.numbers(p.session, a); got != "3" {
			p.Error(got)
		}
	})
}

// TestAbortedWithoutAutocommit: what a session does after its transaction was aborted from outside stands in another, which goes with the session.
func TestAbortedWithoutAutocommit(t *testing.T) {
	everywhere(t, func(p *place) {
		a, aborted := p.number("A", 1), p.login()
		more := "INSERT INTO " + a.String() + ` ("N") VALUES (2)`
		p.exec(aborted, sf.NoAutocommit, sf.BeginNamed("MR_LIVE_ABORTED"), more)
		id, err := strconv.ParseInt(p.values(aborted, sf.CurrentTransaction), 10, 64)
		if err != nil {
			p.Fatal(err)
		}
		p.exec(p.session, sf.AbortTransaction(id))
		p.exec(aborted, more)
		if next := p.values(aborted, sf.CurrentTransaction); next == strconv.FormatInt(id, 10) || next == "" {
			p.Errorf("transaction %d was aborted, and the next statement stands in %q", id, next)
		}
		if err := aborted.Close(); err != nil {
			p.Error(err)
		}
		if got := p.numbers(p.session, a); got != "1" {
			p.Error(got)
		}
	})
}

// TestLedger: whoever took the fence last may publish, and the ledger tells what was committed.
func TestLedger(t *testing.T) {
	everywhere(t, func(p *place) {
		l := sf.Ledger{Database: p.database}
		target, now := sf.Target{Project: "live test " + p.schema, Schema: p.schema}, time.Date(2026, 3, 1, 2, 0, 0, 123456000, time.UTC)
		p.exec(p.session, sf.CreateSchema(l.Place()))
		p.exec(p.session, l.Create()...)
		p.forget(target.Project)
		p.bound(p.session, l.Enter(target))
		p.bound(p.session, l.Enter(target))
		for epoch, want := range []int64{1, 1} {
			if r := p.bound(p.session, l.Fence(target, "L"+strconv.Itoa(epoch), int64(epoch), now)); r.Affected != want {
				p.Fatalf("the fence of epoch %d touches %d rows", epoch, r.Affected)
			}
		}
		if r := p.bound(p.session, l.Fence(target, "LATE", 1, now)); r.Affected != 0 {
			p.Error("a load that has seen an old epoch takes the fence")
		}
		e := sf.Entry{Target: target, Load: "L1", Node: warehouse.Name{Schema: "main", Table: "a"}, As: p.table("A").String(), Mode: "full", Attempt: 1, Epoch: 2, Snapshot: 7, Run: "r", Fingerprint: "f", Version: `{"rows": 3}`, Expected: 3, Loaded: 3, Checksum: "c", QueryIDs: `["q"]`, Started: now, Committed: now}
		p.bound(p.session, l.Begin(e))
		if got := p.bound(p.session, l.Standing(target, 0, 1000)).Rows; len(got) != 0 {
			p.Errorf("what has begun stands: %d rows", len(got))
		}
		p.exec(p.session, "BEGIN")
		if p.bound(p.session, l.Publish(target, 1, 0, 7, "r", "t", now)).Affected != 0 || p.bound(p.session, l.Publish(target, 2, 0, 7, "r", "t", now)).Affected != 1 || p.bound(p.session, l.Commit(e)).Affected != 1 {
			p.Error("the wrong epoch may publish, or the right one may not")
		}
		p.exec(p.session, "COMMIT")
		got := rows(p.bound(p.session, l.Standing(target, 0, 1000)))
		if len(got) != 1 || got[0]["fingerprint"] != "f" || strings.ReplaceAll(got[0]["version"], " ", "") != `{"rows":3}` || got[0]["committed_us"] != strconv.FormatInt(now.UnixMicro(), 10) {
			p.Errorf("the ledger tells %v", got)
		}
	})
}

// forget removes what the test leaves in the ledger, which is the database's and not the test's.
func (p *place) forget(project string) {
	p.Cleanup(func() {
		for _, table := range []string{"_LOADS", "_TARGETS"} {
			t := sf.Ledger{Database: p.database}.Place()
			t.Name = table
			s, err := p.db.Session(withoutEnd(p), nil, nil)
			if err != nil {
				p.Error(err)
				return
			}
			_, err = s.Exec(withoutEnd(p), snowflake.Statement{SQL: "DELETE FROM " + t.String() + ` WHERE "PROJECT" = ?`, Args: []any{project}})
			p.check(err)
			p.check(s.Close())
		}
	})
}
