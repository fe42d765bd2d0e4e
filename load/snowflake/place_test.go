package snowflake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	sf "github.com/millrace/millrace/warehouse/snowflake"
	"github.com/millrace/millrace/warehouse/snowflake/snowfake"
)

// place is a stand-in for Snowflake, and what a test asks of it beside the follower.
type place struct {
	*testing.T
	account *snowfake.Account
	server  *snowfake.Server
	reader  *snowfake.Session
	loads   int
}

const (
	token       = "a token of the test"
	lockTimeout = time.Second
)

// newPlace has one user, MILLRACE, who is ACCOUNTADMIN unless edit says otherwise. Where there is a ROOT, it is who reads.
func newPlace(t *testing.T, edit ...func(*snowfake.AccountConfig)) *place {
	t.Helper()
	return newPlaceWith(t, snowfake.LocalFS, edit...)
}

// newPlaceWith says how files come to its stages.
func newPlaceWith(t *testing.T, stage snowfake.Transport, edit ...func(*snowfake.AccountConfig)) *place {
	t.Helper()
	p := &place{T: t}
	cfg := snowfake.AccountConfig{Dir: t.TempDir(), Users: map[string]snowfake.User{
		"MILLRACE": {Roles: []string{snowfake.Admin, "LOADER"}, DefaultRole: snowfake.Admin, DefaultWarehouse: "LOAD_WH"}}}
	for _, e := range edit {
		e(&cfg)
	}
	var err error
	if p.account, err = snowfake.NewAccount(cfg); err != nil {
		t.Fatal(err)
	}
	users := map[string]snowfake.Credentials{"MILLRACE": {Tokens: []string{token}}}
	if p.server, err = snowfake.NewServer(snowfake.ServerConfig{Account: p.account, Users: users, Stage: stage, Temp: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.server.Close(), p.account.Close()); err != nil {
			t.Error(err)
		}
		if refused := p.server.Refused(); len(refused) > 0 {
			t.Errorf("the stand-in does not know %v", refused)
		}
	})
	reader := "MILLRACE"
	if _, ok := cfg.Users["ROOT"]; ok {
		reader = "ROOT"
	}
	if p.reader, err = p.account.Login(t.Context(), snowfake.Login{User: reader, Database: "ANALYTICS", Warehouse: "LOAD_WH"}); err != nil {
		t.Fatal(err)
	}
	return p
}

// repeats has the place served by a server that executes a request anew which it is sent again.
func (p *place) repeats() {
	p.Helper()
	users := map[string]snowfake.Credentials{"MILLRACE": {Tokens: []string{token}}}
	old, err := p.server, error(nil)
	if p.server, err = snowfake.NewServer(snowfake.ServerConfig{Account: p.account, Users: users, Stage: snowfake.LocalFS, Temp: p.TempDir(), Repeats: true}); err != nil {
		p.Fatal(err)
	}
	if err := old.Close(); err != nil {
		p.Fatal(err)
	}
}

// follower follows the truth. edit may change its configuration.
func (p *place) follower(x *truth, edit ...func(*Config)) *Follower {
	p.Helper()
	cfg := Config{Project: "shop", Conn: snowflake.Config{Account: "test", User: "MILLRACE", Auth: snowflake.Auth{Token: token}, Warehouse: "LOAD_WH", Database: "ANALYTICS",
		Host: p.server.Host(), Port: p.server.Port(), HTTP: true, LoginTimeout: time.Minute, StatementTimeout: time.Minute, LockTimeout: lockTimeout, Temp: p.TempDir()},
		Naming: sf.Naming{Database: "ANALYTICS", Schema: "MART", DefaultSchema: "main"}, Uploads: 1, Root: x.root, Temp: p.TempDir(), Warehouse: duckdb.Open,
		Memory: 256 << 20, Threads: 2, Clock: func() time.Time { return x.now }, RunOf: x.runOf}
	for _, e := range edit {
		e(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		if err := f.Close(); err != nil {
			p.Error(err)
		}
	})
	return f
}

// bring loads the manifest, under a new id.
func (p *place) bring(f *Follower, m *load.Manifest, renew ...warehouse.Name) (*load.Load, error) {
	p.Helper()
	p.loads++
	return f.Bring(p.Context(), m, load.Bringing{Load: fmt.Sprintf("01J%023d", p.loads), Run: m.Run, Attempt: 1, Renew: renew})
}

func (p *place) brought(f *Follower, m *load.Manifest) *load.Load {
	p.Helper()
	l, err := p.bring(f, m)
	if err != nil {
		p.Fatal(err)
	}
	return l
}

// ask reads rows there, each as one text, in order.
func (p *place) ask(query string) ([]string, error) {
	a, err := p.reader.Run(context.WithoutCancel(p.Context()), query, nil)
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, row := range a.Rows {
		var cells []string
		for _, c := range row {
			if c == nil {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, *c)
			}
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	slices.Sort(rows)
	return rows, nil
}

func (p *place) rows(query string) []string {
	p.Helper()
	rows, err := p.ask(query)
	if err != nil {
		p.Fatalf("%v in %s", err, query)
	}
	return rows
}

// holds compares every row of a version with those of a table there, all values as texts.
func (p *place) holds(x *truth, t *load.Table, from string) {
	p.Helper()
	if want, got := here(x, t), p.rows(there(t, from)); !slices.Equal(got, want) {
		p.Errorf("%s holds\n%s\nand is to hold\n%s", from, clipped(got), clipped(want))
	}
}

func clipped(rows []string) string {
	if len(rows) > 20 {
		rows = append(slices.Clone(rows[:20]), "…")
	}
	return strings.Join(rows, "\n")
}

// there is the query for all rows of a version, in Snowflake's words, here their texts locally.
func there(t *load.Table, from string) string {
	var items []string
	for _, c := range t.Columns {
		items = append(items, `TO_VARCHAR("`+strings.ReplaceAll(strings.ToUpper(c.Name), `"`, `""`)+`")`)
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM " + from
}

func here(x *truth, t *load.Table) []string {
	x.Helper()
	var rows []string
	for _, row := range x.rows(warehouse.DuckDB.Texts(warehouse.DuckDB.Select(t.Version), t.Columns)) {
		var cells []string
		for _, v := range row {
			if v == nil {
				v = "NULL"
			}
			cells = append(cells, fmt.Sprint(v))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	slices.Sort(rows)
	return rows
}

// modes are the modes of a load's tables.
func modes(l *load.Load) string {
	var out []string
	for _, t := range l.Tables {
		out = append(out, t.Table+" "+string(t.Mode))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
