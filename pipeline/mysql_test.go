package pipeline_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/testserver"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/warehouse"
)

// TestOneStateOfMySQL: three tables are read while a transaction counts up in all of them, and the connections break in
// the middle: the run succeeds, and what it publishes is one state of the source.
func TestOneStateOfMySQL(t *testing.T) {
	server := testserver.NewMariaDB(t, testserver.Options{})
	config, err := mysql.ParseDSN(fmt.Sprintf("%s:%s@tcp(%s)/", server.User, server.Password, server.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	for _, s := range []string{"CREATE DATABASE shop",
		"CREATE TABLE shop.a (id INT PRIMARY KEY, n INT) ENGINE=InnoDB", "CREATE TABLE shop.c (id INT PRIMARY KEY, n INT, at DATETIME(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (at, id)) ENGINE=InnoDB",
		"CREATE TABLE shop.big (id INT PRIMARY KEY, n INT, fill VARCHAR(2000) CHARACTER SET latin1) ENGINE=InnoDB",
		"INSERT INTO shop.a VALUES (1, 0)", "INSERT INTO shop.c (id, n) VALUES (1, 0)", "INSERT INTO shop.big SELECT seq, 0, REPEAT(CHAR(97 + seq % 26), 1900) FROM shop.seq_1_to_32000"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			tx, err := db.Begin()
			for _, table := range []string{"a", "big", "c"} {
				if err == nil {
					_, err = tx.Exec("UPDATE shop." + table + " SET n = n + 1 WHERE id = 1")
				}
			}
			if err == nil {
				_ = tx.Commit()
			} else {
				time.Sleep(10 * time.Millisecond) // the server is restarted
			}
		}
	})
	defer writer.Wait()
	defer cancel()
	proxy := testserver.NewProxy(t, server.Server)
	t.Setenv("MARIA", strings.Replace(server.URL("shop"), server.Addr(), proxy.Addr, 1)+"?tls=false")
	dir := project(t, map[string]string{"millrace.yml": `name: p
sources:
  shop:
    type: mysql
    url: "${MARIA}"
    streams:
      - { name: a }
      - { name: big }
      - { name: c, mode: incremental, key: [id], cursor: at }
`})
	for _, c := range []struct {
		name  string
		fault func() error
	}{
		{"reset", func() error {
			proxy.Spoil(testserver.Fault{Reset: true})
			time.Sleep(50 * time.Millisecond)
			proxy.Heal()
			return nil
		}},
		{"restart", func() error { return server.Restart(testserver.Fast) }},
		{"crash", func() error { return server.Restart(testserver.Immediate) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := engine(t, dir)
			source := &disturbed{}
			around(e, func(s extract.Source) extract.Source {
				source.Source = s
				return source
			})
			var once sync.Once
			faults := 0
			e.Observe = func(ev pipeline.Event) {
				if ev.Kind == "progress" && ev.Node == "shop.big" && ev.Rows > 5000 && ev.Rows < 20000 {
					once.Do(func() {
						source.mu.Lock()
						defer source.mu.Unlock()
						faults++
						if err := c.fault(); err != nil {
							t.Error(err)
						}
					})
				}
			}
			r := run(t, e)
			succeeded(t, r)
			if faults != 1 {
				t.Fatal("nothing broke")
			}
			m := manifest(t, e)
			ids := map[string]bool{}
			for _, name := range []string{"a", "big", "c"} {
				table := m.Table(warehouse.Name{Schema: "shop", Table: name})
				if table == nil || table.AsOf == nil {
					t.Fatalf("%s has no state", name)
				}
				ids[table.AsOf.ID] = true
			}
			if len(ids) != 1 {
				t.Errorf("the tables are of %d states", len(ids))
			}
			got := query(t, e, "SELECT (SELECT n FROM shop.a WHERE id = 1), (SELECT n FROM shop.big WHERE id = 1), (SELECT n FROM shop.c WHERE id = 1), (SELECT count(DISTINCT id) FROM shop.big), (SELECT count(*) FROM shop.big), (SELECT count(*) FROM shop.c)")[0]
			if got[0] != got[1] || got[0] != got[2] || got[3] != int64(32000) || got[4] != int64(32000) || got[5] != int64(1) {
				t.Errorf("published %v", got)
			}
			t.Logf("published %v; notes of big: %q", got, step(t, r, "shop.big").Notes)
		})
	}
}
