package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millrace/millrace/internal/testserver"
)

// servers ends the servers of the test process when its tests are done.
type servers struct{ m *testing.M }

func (s servers) Run() int { return testserver.Main(s.m) }

func TestMain(m *testing.M) {
	testscript.Main(servers{m}, map[string]func(){
		"millrace": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands there are:
//
//	exits CODE COMMAND…    the command ends with exactly this exit code
//	sqlite FILE STATEMENT  changes a SQLite file
//	lock FILE COMMAND…     runs the command while another process holds the flock of FILE
//	postgres NAME          makes an empty database of that name and sets PG to its URL, PG_USER, PG_PASSWORD, PG_ADDR, PG_PORT
//	snowflake [FAULT]      starts a stand-in for Snowflake, makes something go wrong in it, or runs SQL there: see snowfake_test.go
//	sql TEXT | FILE.sql    runs SQL in it as the superuser; what it returns is in stdout, a line each row
//
// Scripts run at once and share the server: names of databases and of roles begin with the script's.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			e.Values["t"], e.Values["snowflake"] = e.T(), &standIn{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "sqlite": sqlite, "lock": lock, "postgres": postgres, "sql": runSQL, "snowflake": snowflake},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func sqlite(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?_pragma=busy_timeout(300000)") // a serve may be writing
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[1])
	ts.Check(err)
}

func lock(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(ts.Exec("flock", append([]string{path}, args[1:]...)...))
}

func postgres(ts *testscript.TestScript, _ bool, args []string) {
	server := testserver.Postgres(ts.Value("t").(testing.TB))
	_, err := inPostgres(server.URL("postgres"), "CREATE DATABASE "+args[0]+" TEMPLATE template0")
	ts.Check(err)
	ts.Setenv("PG", server.URL(args[0]))
	ts.Setenv("PG_USER", server.User)
	ts.Setenv("PG_PASSWORD", server.Password)
	ts.Setenv("PG_ADDR", server.Addr())
	ts.Setenv("PG_PORT", strconv.Itoa(server.Port))
}

func runSQL(ts *testscript.TestScript, _ bool, args []string) {
	text := args[0]
	if strings.HasSuffix(text, ".sql") {
		text = ts.ReadFile(text)
	}
	out, err := inPostgres(ts.Getenv("PG"), text)
	ts.Check(err)
	_, err = ts.Stdout().Write([]byte(out))
	ts.Check(err)
}

// inPostgres runs statements, all in one transaction unless they say otherwise, and gives the rows of the last as text.
func inPostgres(address, text string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		return "", err
	}
	results, err := c.PgConn().Exec(ctx, text).ReadAll()
	var out strings.Builder
	if err == nil && len(results) > 0 {
		for _, row := range results[len(results)-1].Rows {
			out.Write(bytes.Join(row, []byte("\t")))
			out.WriteByte('\n')
		}
	}
	return out.String(), errors.Join(err, c.Close(ctx))
}
