package live_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/snowflake"
	sf "github.com/millrace/millrace/warehouse/snowflake"
)

// withoutEnd is the test's context for its cleanups, when its own has ended.
func withoutEnd(p *place) context.Context { return context.WithoutCancel(p.Context()) }

// TestSizes: PUT says how much it has sent, and LIST what lies there: as much, or padded by the encryption to the next multiple of 16.
func TestSizes(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("SIZES")
		stage, prefix := to.Stage(), to.Prefix("live", 1)
		p.exec(p.session, sf.CreateStage(stage), sf.CreateStage(stage))
		sizes := []int{1, 15, 16, 17, 100_000}
		if !p.standIn {
			sizes = append(sizes, 70<<20) // in parts
		}
		for _, n := range sizes {
			path := filepath.Join(p.dir, strconv.Itoa(n)+".parquet")
			p.check(os.WriteFile(path, bytes.Repeat([]byte{0xA5}, n), 0o600))
			if r := p.put(path, stage, prefix); r["status"] != "UPLOADED" || r["target_size"] != strconv.Itoa(n) || r["target_compression"] != "NONE" && r["target_compression"] != "PARQUET" {
				p.Errorf("PUT of %d bytes answers %v", n, r)
			}
		}
		lies := map[string]int{}
		for _, r := range rows(p.exec(p.session, sf.List(stage, prefix))) {
			name := r["name"][strings.LastIndex(r["name"], "/")+1:]
			lies[name], _ = strconv.Atoi(r["size"])
		}
		for _, n := range sizes {
			got := lies[strconv.Itoa(n)+".parquet"]
			if padded := (n/16 + 1) * 16; got != n && got != padded {
				p.Errorf("%d bytes are %d in the list", n, got)
			}
		}
		if len(lies) != len(sizes) {
			p.Errorf("listed: %v", lies)
		}
		p.exec(p.session, sf.Remove(stage, prefix))
		if r := p.exec(p.session, sf.List(stage, prefix)); len(r.Rows) != 0 {
			p.Errorf("%d files are left", len(r.Rows))
		}
	})
}

// TestPrefixes: a prefix that ends with a slash means nothing of another one that begins like it.
func TestPrefixes(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("P")
		path, columns := p.write("one.parquet", "SELECT 1 AS n")
		p.exec(p.session, sf.CreateStage(to.Stage()), sf.CreateStaging(sf.NewTable{Table: to, Columns: columns}))
		p.put(path, to.Stage(), "p/1/")
		p.put(path, to.Stage(), "p/11/")
		if r := p.exec(p.session, sf.List(to.Stage(), "p/1/")); len(r.Rows) != 1 {
			p.Errorf("%d files under p/1/", len(r.Rows))
		}
		p.exec(p.session, sf.CopyInto(to, to.Stage(), "p/1/", []string{"one.parquet"}, sf.SameNames))
		if got := p.numbers(p.session, to); got != "1" {
			p.Error(got)
		}
	})
}

// TestOddSchema: a stage is found by each statement that names it, whatever its schema's name is. And what the schema gives to new tables,
// a collation, none of ours has: not in columns that are added, nor in a table that is like it.
func TestOddSchema(t *testing.T) {
	everywhere(t, func(p *place) {
		to, like := p.odd("ODD"), p.odd("LIKE IT")
		p.exec(p.session, sf.CreateSchema(to)+" DEFAULT_DDL_COLLATION = 'en-ci'")
		if got := column(p.exec(p.session, sf.ShowSchemas(to)), "name"); len(got) != 1 || got[0] != to.Schema {
			p.Errorf("SHOW SCHEMAS lists %q", got)
		}
		p.fill(to, "SELECT 1 AS n, 'a' AS s")
		if r := p.exec(p.session, sf.List(to.Stage(), to.Prefix("live", 1))); len(r.Rows) != 1 {
			p.Errorf("%d files in the stage", len(r.Rows))
		}
		p.exec(p.session, sf.Remove(to.Stage(), to.Prefix("live", 1)), sf.CreateLike(like, to, false))
		for _, t := range []sf.Table{to, like} {
			p.exec(p.session, sf.AddColumns(t, []sf.Column{{Name: "LATER", Type: "VARCHAR(100)"}})...)
			if got := strings.Join(column(p.exec(p.session, sf.Describe(t)), "type"), " "); strings.Contains(got, "COLLATE") {
				p.Errorf("%s has %s", t, got)
			}
		}
		if got := p.values(p.session, `SELECT COUNT(*) FROM `+to.String()+` WHERE "S" = 'A'`); got != "0" {
			p.Error("a text equals one in another case")
		}
		var taken *snowflake.Error
		if _, err := p.session.Exec(p.Context(), snowflake.Statement{SQL: sf.Rename(like, to)}); !errors.As(err, &taken) || taken.Kind != snowflake.KindExists {
			p.Errorf("of a name that is taken, RENAME says %v", err)
		}
	})
}

// TestCopyAgain: a table remembers which files it has loaded; one that is made anew does not.
func TestCopyAgain(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("AGAIN")
		p.fill(to, "SELECT 1 AS n")
		copyIt := sf.CopyInto(to, to.Stage(), to.Prefix("live", 1), []string{fileOf(to)}, sf.SameNames)
		p.exec(p.session, copyIt)
		if got := p.numbers(p.session, to); got != "1" {
			p.Errorf("loaded twice: %s", got)
		}
		p.exec(p.session, sf.CreateStaging(sf.NewTable{Table: to, Columns: oneNumber}), copyIt)
		if got := p.numbers(p.session, to); got != "1" {
			p.Errorf("not loaded into a new table: %q", got)
		}
	})
}

// TestNamesOfFiles: a column of a file is found by its very name, or without regard to case where that is said.
func TestNamesOfFiles(t *testing.T) {
	everywhere(t, func(p *place) {
		for names, want := range map[sf.Names]string{sf.LikeNames: "1", sf.SameNames: "~"} {
			to := p.table("NAMES " + string(names))
			path := filepath.Join(p.dir, string(names)+".parquet")
			_, err := p.local.Write(p.Context(), `SELECT 1 AS n, 2 AS "OTHER"`, path)
			p.check(err)
			columns := append([]sf.Column{{Name: "OTHER", Type: "NUMBER(10,0)"}}, oneNumber...)
			p.exec(p.session, sf.CreateStage(to.Stage()), sf.CreateStaging(sf.NewTable{Table: to, Columns: columns}))
			p.put(path, to.Stage(), to.Prefix("live", 1))
			p.exec(p.session, sf.CopyInto(to, to.Stage(), to.Prefix("live", 1), []string{filepath.Base(path)}, names))
			if got := p.values(p.session, `SELECT "N" FROM `+to.String()); got != want {
				p.Errorf("%s: %s, want %s", names, got, want)
			}
		}
	})
}

// TestCopyOfNothing: a file that is not there fails the statement, and so does one that is no Parquet.
func TestCopyOfNothing(t *testing.T) {
	everywhere(t, func(p *place) {
		to := p.table("NOTHING")
		prefix := to.Prefix("live", 1)
		p.fill(to, "SELECT 1 AS n")
		bad := filepath.Join(p.dir, "bad.parquet")
		p.check(os.WriteFile(bad, []byte("PAR1 this is none"), 0o600))
		p.put(bad, to.Stage(), prefix)
		for _, file := range []string{"missing.parquet", "bad.parquet"} {
			if _, err := p.session.Query(p.Context(), snowflake.Statement{SQL: sf.CopyInto(to, to.Stage(), prefix, []string{file}, sf.SameNames)}); err == nil {
				p.Errorf("COPY of %s succeeds", file)
			}
		}
		if got := p.numbers(p.session, to); got != "1" {
			p.Error(got)
		}
	})
}
