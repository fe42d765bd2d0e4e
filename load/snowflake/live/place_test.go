// Package live_test runs what the loader leans on against Snowflake: the statements that it sends, and what it takes for granted of
// their answers. Each test runs against the stand-in, so that it cannot rot, and against an account where the environment
// names one. Read place first.
package live_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	sf "github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// place is an account, and a schema in it that the test has for itself and drops.
type place struct {
	*testing.T
	conn     snowflake.Config
	db       *snowflake.DB
	session  *snowflake.Session // for what has no session of its own
	database string
	schema   string
	standIn  bool
	local    warehouse.Warehouse
	dir      string
}

// everywhere runs a test against the stand-in, and against the account of the environment.
func everywhere(t *testing.T, test func(p *place)) {
	t.Run("stand-in", func(t *testing.T) {
		conn, database := standIn(t)
		test(newPlace(t, conn, database, true))
	})
	t.Run("account", func(t *testing.T) {
		conn, database := account(t)
		test(newPlace(t, conn, database, false))
	})
}

// variables are those of an account. One of the last two is enough, the first without a user too.
var variables = []string{"ACCOUNT", "ROLE", "WAREHOUSE", "DATABASE", "USER", "PRIVATE_KEY_FILE", "TOKEN"}

func account(t *testing.T) (snowflake.Config, string) {
	t.Helper()
	env := map[string]string{}
	var missing []string
	for _, name := range variables {
		if env[name] = os.Getenv("MILLRACE_SNOWFLAKE_" + name); env[name] == "" {
			missing = append(missing, "MILLRACE_SNOWFLAKE_"+name)
		}
	}
	if env["ACCOUNT"] == "" {
		t.Skipf("needs an account of Snowflake: set %s; of the last two one is enough (docs/snowflake.md)", strings.Join(missing, ", "))
	}
	if env["ROLE"] == "" || env["WAREHOUSE"] == "" || env["DATABASE"] == "" || env["TOKEN"] == "" && (env["USER"] == "" || env["PRIVATE_KEY_FILE"] == "") {
		t.Fatalf("MILLRACE_SNOWFLAKE_ACCOUNT is set, and this is not: %s", strings.Join(missing, ", "))
	}
	conn := snowflake.Config{Account: env["ACCOUNT"], User: env["USER"], Role: env["ROLE"], Warehouse: env["WAREHOUSE"], Database: env["DATABASE"]}
	if conn.Auth.Token = env["TOKEN"]; conn.Auth.Token == "" {
		pem, err := os.ReadFile(env["PRIVATE_KEY_FILE"])
		if err != nil {
			t.Fatal(err)
		}
		key, err := snowflake.ParsePrivateKey(pem, []byte(os.Getenv("MILLRACE_SNOWFLAKE_PRIVATE_KEY_PASSPHRASE")))
		if err != nil {
			t.Fatal(err)
		}
		conn.Auth.PrivateKey = key
	}
	return conn, env["DATABASE"]
}

func standIn(t *testing.T) (snowflake.Config, string) {
	t.Helper()
	a, err := snowfake.NewAccount(snowfake.AccountConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	token := rand.Text()
	server, err := snowfake.NewServer(snowfake.ServerConfig{Account: a, Users: map[string]snowfake.Credentials{"MILLRACE": {Tokens: []string{token}}}, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return snowflake.Config{Account: "TEST", User: "MILLRACE", Warehouse: "LOAD_WH", Database: "ANALYTICS", Auth: snowflake.Auth{Token: token},
		Host: server.Host(), Port: server.Port(), HTTP: true}, "ANALYTICS"
}

func newPlace(t *testing.T, conn snowflake.Config, database string, standIn bool) *place {
	t.Helper()
	conn.Temp, conn.StatementTimeout, conn.LockTimeout, conn.LoginTimeout = t.TempDir(), 10*time.Minute, 5*time.Minute, time.Minute
	p := &place{T: t, conn: conn, database: strings.ToUpper(database), schema: "MR_LIVE_" + rand.Text()[:12], standIn: standIn, dir: t.TempDir()}
	var err error
	if p.db, err = snowflake.Open(conn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.check(p.db.Close()) })
	if p.local, err = duckdb.Open(t.Context(), warehouse.Config{Memory: 256 << 20, Threads: 2, Temp: t.TempDir(), Dirs: []string{p.dir}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.check(p.local.Close()) })
	p.session = p.login()
	p.exec(p.session, sf.CreateSchema(p.table("T")))
	t.Cleanup(p.drop)
	return p
}

// odd is a table in a schema whose name is none without quotes. The schema is the test's to make.
func (p *place) odd(name string) sf.Table {
	t := p.table(name)
	t.Schema += " GRÖSSE & IT'S-CO"
	return t
}

// drop removes the schemas, also when the test has run out of its time.
func (p *place) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := p.db.Session(ctx, nil, nil)
	if err != nil {
		p.Error(err)
		return
	}
	for _, t := range []sf.Table{p.table("T"), p.odd("T")} {
		_, err = s.Exec(ctx, snowflake.Statement{SQL: "DROP SCHEMA IF EXISTS " + t.InSchema()})
		p.check(err)
	}
	p.check(s.Close())
}

func (p *place) check(err error) {
	p.Helper()
	if err != nil {
		p.Error(err)
	}
}

// login opens a session that ends with the test.
func (p *place) login() *snowflake.Session {
	p.Helper()
	s, err := p.db.Session(p.Context(), map[string]string{"test": p.Name()}, nil)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { p.check(s.Close()) })
	return s
}

// exec runs statements that must succeed.
func (p *place) exec(s *snowflake.Session, statements ...string) *snowflake.Result {
	p.Helper()
	var r *snowflake.Result
	for _, sql := range statements {
		r = p.bound(s, sf.Statement{SQL: sql})
	}
	return r
}

// bound runs one with values.
func (p *place) bound(s *snowflake.Session, st sf.Statement) *snowflake.Result {
	p.Helper()
	r, err := s.Query(p.Context(), snowflake.Statement{SQL: st.SQL, Args: st.Args, Step: "test"})
	if err != nil {
		p.Fatalf("%s\n%v", st.SQL, err)
	}
	return r
}

// values are the rows of an answer, a line each, with | between the columns and ~ for NULL.
func (p *place) values(s *snowflake.Session, sql string) string {
	p.Helper()
	var lines []string
	for _, row := range p.exec(s, sql).Rows {
		lines = append(lines, strings.Join(texts(row), "|"))
	}
	return strings.Join(lines, "\n")
}

func texts(row []*string) []string {
	out := make([]string, len(row))
	for i, v := range row {
		if out[i] = "~"; v != nil {
			out[i] = *v
		}
	}
	return out
}

// rows are those of an answer, by the names of its columns.
func rows(r *snowflake.Result) []map[string]string {
	var all []map[string]string
	for _, row := range r.Rows {
		m := map[string]string{}
		for i, v := range row {
			if v != nil {
				m[r.Columns[i]] = *v
			}
		}
		all = append(all, m)
	}
	return all
}

func (p *place) table(name string) sf.Table {
	return sf.Table{Database: p.database, Schema: p.schema, Name: name}
}

// write makes a Parquet file of a SELECT as DuckDB runs it, with the columns as Snowflake is to have them.
func (p *place) write(name, query string) (path string, columns []sf.Column) {
	p.Helper()
	described, err := p.local.Describe(p.Context(), query)
	if err != nil {
		p.Fatal(err)
	}
	if columns, err = sf.Columns(described); err != nil {
		p.Fatal(err)
	}
	path = filepath.Join(p.dir, name)
	if _, err := p.local.Write(p.Context(), sf.FileSelect(columns, "("+query+") AS rows"), path); err != nil {
		p.Fatal(err)
	}
	return path, columns
}

// put uploads a file and gives the row that the driver answers.
func (p *place) put(path string, stage sf.Table, prefix string) map[string]string {
	p.Helper()
	sql, err := sf.Put(path, stage, prefix)
	if err != nil {
		p.Fatal(err)
	}
	all := rows(p.exec(p.session, sql))
	if len(all) != 1 {
		p.Fatalf("%d rows of one PUT", len(all))
	}
	return all[0]
}

// fileOf is the name of the file that fill makes for a table.
func fileOf(t sf.Table) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, t.Name) + ".parquet"
}

// fill brings the rows of a SELECT of DuckDB into a new table.
func (p *place) fill(t sf.Table, query string) []sf.Column {
	p.Helper()
	path, columns := p.write(fileOf(t), query)
	stage, prefix := t.Stage(), t.Prefix("live", 1)
	p.exec(p.session, sf.CreateStage(stage), sf.CreateStaging(sf.NewTable{Table: t, Columns: columns}))
	p.put(path, stage, prefix)
	loaded := rows(p.exec(p.session, sf.CopyInto(t, stage, prefix, []string{filepath.Base(path)}, sf.SameNames)))
	if len(loaded) != 1 || loaded[0]["status"] != "LOADED" || loaded[0]["rows_parsed"] != loaded[0]["rows_loaded"] || loaded[0]["errors_seen"] != "0" {
		p.Fatalf("COPY answers %v", loaded)
	}
	return columns
}

// proofs are those of a table of fill, here and there.
func (p *place) proofs(t sf.Table, columns []sf.Column, query string) (here, there map[string]string) {
	p.Helper()
	r, err := p.local.Query(p.Context(), sf.LocalProof("("+query+") AS rows", columns))
	if err != nil {
		p.Fatal(err)
	}
	here = map[string]string{}
	for i, c := range r.Columns {
		if v := r.Rows[0][i]; v != nil {
			here[strings.ToLower(c.Name)] = fmt.Sprint(v)
		}
	}
	return here, rows(p.exec(p.session, sf.Proof(t.String(), columns)))[0]
}

// column gives one column of an answer, sorted.
func column(r *snowflake.Result, name string) []string {
	var all []string
	for _, row := range rows(r) {
		all = append(all, row[name])
	}
	slices.Sort(all)
	return all
}
