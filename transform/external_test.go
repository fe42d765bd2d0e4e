package transform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/models"
)

func TestExternal(t *testing.T) {
	b, dir := bench(t, nil)
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const sql = "select 1 as id, 'x;y' as v union all select 2, null order by 1"
	for name, c := range map[string]struct {
		at         *models.Location
		path, want string // of the file; a part of an error
	}{
		"usual":       {nil, "usual.parquet", ""},
		"csv":         {&models.Location{Path: "out/a.csv", Options: map[string]any{"delimiter": ";", "nullstr": "-"}}, "out/a.csv", "id;v\n1;\"x;y\"\n2;-\n"},
		"headless":    {&models.Location{Path: "./a.csv", Options: map[string]any{"header": false}}, "a.csv", "1,x;y\n2,\n"},
		"json":        {&models.Location{Path: "a.json"}, "a.json", "{\"id\":1,\"v\":\"x;y\"}\n{\"id\":2,\"v\":null}\n"},
		"as it says":  {&models.Location{Path: "a.txt", Format: "csv"}, "a.txt", "id,v\n1,x;y\n2,\n"},
		"outside":     {&models.Location{Path: "../a.csv"}, "", "outside of the project's folder"},
		"rooted":      {&models.Location{Path: "/tmp/a.csv"}, "", "outside of the project's folder"},
		"elsewhere":   {&models.Location{Path: "s3://bucket/a.csv"}, "", "not to another machine"},
		"a model":     {&models.Location{Path: "models/a.sql"}, "", "the project's own folder"},
		"the project": {&models.Location{Path: "millrace.yml"}, "", "a file of the project"},
		"by a link":   {&models.Location{Path: "link/a.csv"}, "", "leads out of the project's folder"},
		"the target":  {&models.Location{Path: "warehouse/a.csv"}, "", "the target's folder"},
		"excel":       {&models.Location{Path: "a.xlsx", Format: "xlsx"}, "", `format "xlsx" is not known`},
		"an option":   {&models.Location{Path: "a.csv", Options: map[string]any{"per_thread_output": true}}, "", "per_thread_output is not written for csv"},
		"injected":    {&models.Location{Path: "a.parquet", Options: map[string]any{"row_group_size": "1) TO 'x' ("}}, "", "row_group_size is not written"},
		"no column":   {&models.Location{Path: "a", Options: map[string]any{"partition_by": "nope"}}, "", "nope"},
	} {
		t.Run(name, func(t *testing.T) {
			d := b.days(t, dir, table(name), models.Model{Materialized: models.External, Location: c.at})
			built, err := d.build(sql, time.Time{})
			if c.path == "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if built.Exported.Path != filepath.Join(dir, c.path) {
				t.Errorf("it belongs at %s", built.Exported.Path)
			}
			if got, _ := os.ReadFile(built.Exported.Staged); c.want != "" && string(got) != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := told(d, nil); got != "1x;y 2<nil>" {
				t.Error(got)
			}
		})
	}
}

func TestExternalPartitions(t *testing.T) {
	b, dir := bench(t, nil)
	d := b.days(t, dir, "m", models.Model{Materialized: models.External, Location: &models.Location{Options: map[string]any{"partition_by": []any{"day"}}}})
	built, err := d.build("select 1 as day, 'a' as v union all select 2, 'b'", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(built.Exported.Staged, "day=*", "*.parquet")); len(found) != 2 || filepath.Base(built.Exported.Path) != "m" {
		t.Errorf("%v for %s", found, built.Exported.Path)
	}
	if built, err = d.build("select 1 as day, 'a' as v where false", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(built.Exported.Staged); err != nil || !info.IsDir() {
		t.Errorf("without rows: %v", err)
	}
}
