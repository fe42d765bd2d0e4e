package live_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snowflakedb/gosnowflake/v2"

	"github.com/millrace/millrace/warehouse"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// opinion is a statement of the loader and what fakesnow is to answer.
type opinion struct {
	about string
	sf.Statement
	want string // rows as values writes them; "" when only success counts
	// known is why fakesnow 0.11.14 differs. What begins with notSent is not sent: its answer makes the driver panic.
	known string
}

const notSent = "not sent: "

// TestFakesnow asks fakesnow, which reads SQL with a parser that we did not write, for its opinion on what the loader says. It is a
// report: what is known to differ is told, and only what is new fails. `make test-fakesnow` starts the server.
func TestFakesnow(t *testing.T) {
	address := os.Getenv("MILLRACE_FAKESNOW")
	if address == "" {
		t.Skip("needs fakesnow: make test-fakesnow starts it")
	}
	db := fakesnow(t, address)
	agree, differ := 0, 0
	for _, o := range opinions() {
		if strings.HasPrefix(o.known, notSent) {
			differ++
			t.Logf("differs, as known: %s: %s", o.about, o.known)
			continue
		}
		got, err := answerOf(db, o)
		switch {
		case err == nil && (o.want == "" || got == o.want):
			agree++
			if o.known != "" {
				t.Errorf("%s: is said to differ (%s), and does not", o.about, o.known)
			}
			continue
		case err != nil:
			got = strings.SplitN(err.Error(), "\n", 2)[0]
		}
		differ++
		if o.known == "" {
			t.Errorf("%s: %s\n%s\nwants %q", o.about, got, o.SQL, o.want)
			continue
		}
		t.Logf("differs, as known: %s: %s (%.160s)", o.about, o.known, got)
	}
	t.Logf("fakesnow agrees on %d statements and differs on %d", agree, differ)
}

// fakesnow logs in by the driver: the session that the loader begins with is more than fakesnow knows.
func fakesnow(t *testing.T, address string) *sql.Conn {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	connector := gosnowflake.NewConnector(gosnowflake.SnowflakeDriver{}, gosnowflake.Config{Account: "fakesnow", User: "MILLRACE", Password: "any", Database: "ANALYTICS", Schema: "LIVE",
		Host: host, Port: port, Protocol: "http", DisableOCSPChecks: true, MaxRetryCount: 1,
		//lint:ignore SA1019 without them the driver sends again for minutes what fakesnow fails on
		LoginTimeout: 20 * time.Second, RequestTimeout: 5 * time.Second})
	pool := sql.OpenDB(connector)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pool.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func answerOf(db *sql.Conn, o opinion) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel() // it answers what it fails on by 500, which the driver sends again and again
	rows, err := db.QueryContext(ctx, o.SQL, o.Args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var lines []string
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		line := make([]string, len(cells))
		for i, c := range cells {
			if line[i] = "~"; c.Valid {
				line[i] = c.String
			}
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	return strings.Join(lines, "\n"), rows.Err()
}

// opinions are the loader's statements in the order of a load, with small tables in place of what COPY would have filled.
func opinions() []opinion {
	at := func(name string) sf.Table { return sf.Table{Database: "ANALYTICS", Schema: "LIVE", Name: name} }
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	l, target := sf.Ledger{Database: "ANALYTICS"}, sf.Target{Project: "fakesnow", Schema: "LIVE"}
	e := sf.Entry{Target: target, Load: "L1", Node: warehouse.Name{Schema: "main", Table: "kept"}, As: at("KEPT").String(), Mode: "merge", Attempt: 1, Epoch: 1, Snapshot: 1, Run: "r", Fingerprint: "f", Version: "{}", Started: now, Committed: now}
	kept, staging, stage := at("KEPT"), at("KEPT__MR_X"), at("X").Stage()
	var all []opinion
	say := func(about, sql, want, known string) {
		all = append(all, opinion{about, sf.Statement{SQL: sql}, want, known})
	}
	bound := func(about string, st sf.Statement, want, known string) {
		all = append(all, opinion{about, st, want, known})
	}
	say("show schemas", sf.ShowSchemas(kept), "", "")
	say("create schema", sf.CreateSchema(kept), "", "")
	for i, sql := range append([]string{sf.CreateSchema(l.Place())}, l.Create()...) {
		say(fmt.Sprintf("ledger %d", i), sql, "", "")
	}
	bound("enter", l.Enter(target), "", "")
	bound("fence", l.Fence(target, "L1", 0, now), "1|0", "")
	bound("fence, too late", l.Fence(target, "L2", 0, now), "0|0", "")
	bound("begin", l.Begin(e), "", "")
	say("create stage", sf.CreateStage(stage), "", "")
	say("list", sf.List(stage, "x/1/"), "", "a stage in single quotes is read as a text")
	say("remove", sf.Remove(stage, "x/1/"), "", "REMOVE is not known")
	say("staging", sf.CreateStaging(sf.NewTable{Table: staging, Columns: append([]sf.Column{}, append(keyed, sf.OpColumn)...), Transient: true}), "", "")
	say("table", sf.CreateStaging(sf.NewTable{Table: kept, Columns: append([]sf.Column{}, append(keyed, sf.DeletedAt)...), ClusterBy: []string{"K"}, Comment: "mr:L1"}), "", "")
	say("copy", sf.CopyInto(staging, stage, "x/1/", []string{"x.parquet"}, sf.SameNames), "", "a stage's path is looked up as a stage (tekumara/fakesnow#424)")
	say("rows", "INSERT INTO "+kept.String()+` ("K", "V") VALUES (1, 'a'), (2, 'b'), (3, 'c')`, "3", "")
	say("difference", "INSERT INTO "+staging.String()+` ("K", "V", "_MR_OP") VALUES (2, 'B', 'U'), (3, NULL, 'D'), (4, 'd', 'U')`, "3", "")
	say("proof", sf.Proof(kept.String(), keyed), "", "MD5_NUMBER_LOWER64 is not known")
	say("begin transaction", "BEGIN", "", "BEGIN alone is read as a name")
	bound("publish", l.Publish(target, 1, 0, 1, "r", "t", now), "1|0", "")
	bound("merge", sf.Merge(sf.MergeSpec{Table: kept, Staging: staging, Columns: keyed, Key: []string{"K"}, Soft: true, At: now}), "1|2", "MERGE writes to two attached databases in one transaction, which DuckDB refuses")
	bound("commit entry", l.Commit(e), "1|0", "follows from the merge")
	say("commit", "COMMIT", "", "")
	say("merged", `SELECT "K", "V", "_DELETED_AT" IS NULL FROM `+kept.String()+` ORDER BY "K"`, "1|a|true\n2|B|true\n3|c|false\n4|d|true", "follows from the merge")
	say("merge, twice the key", "INSERT INTO "+staging.String()+` ("K", "V", "_MR_OP") VALUES (2, 'x', 'U')`, "1", "")
	bound("standing", l.Standing(target, 0, 1000), "", "")
	say("append", sf.Append(kept, staging, keyed), "4", "")
	say("overwrite", sf.InsertOverwrite(kept, staging, keyed), "", "INSERT OVERWRITE is not translated")
	say("like", sf.CreateLike(at("BESIDE"), kept, false), "", "")
	say("comment", sf.Comment(kept, "L2"), "", notSent+"the answer has a column that it does not describe")
	say("swap", sf.Swap(kept, at("BESIDE")), "", "SWAP is not translated")
	say("rename", sf.Rename(kept, at("OTHER")), "", "")
	for _, sql := range sf.AddColumns(at("OTHER"), []sf.Column{{Name: "C", Type: "BOOLEAN"}}) {
		say("add column", sql, "", "")
	}
	say("widen", sf.AlterType(at("OTHER"), "V", "VARCHAR(100)"), "", "")
	say("describe", sf.Describe(at("OTHER")), "", "")
	say("count", sf.CountLive(at("OTHER").String()), "", "")
	say("show objects", sf.ShowObjects(at("OTHER")), "", "")
	say("show tables", sf.ShowTables(at("OTHER")), "", "")
	say("show staging", sf.ShowStaging(kept), "", "")
	say("show transactions", sf.ShowTransactions(), "", "SHOW TRANSACTIONS is not known")
	say("drop", sf.Drop(at("OTHER")), "", "")
	return all
}
