package snowflake

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/snowflake"
	"github.com/millrace/millrace/load"
	"github.com/millrace/millrace/warehouse"
)

// answer is a result of rows whose values are written with bars between them.
func answer(columns string, rows ...string) *snowflake.Result {
	r := &snowflake.Result{Columns: strings.Split(columns, "|")}
	for _, row := range rows {
		var cells []*string
		for _, cell := range strings.Split(row, "|") {
			cells = append(cells, &cell)
		}
		r.Rows = append(r.Rows, cells)
	}
	return r
}

// says wants an error that says so, none for "".
func says(t *testing.T, about string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", about, err, want)
	}
}

func TestUploaded(t *testing.T) {
	for _, c := range []struct {
		about, want string
		rows        []string
	}{
		{"as it is", "", []string{"UPLOADED|100|100|"}},
		{"encrypted", "", []string{"uploaded|100|112|"}},
		{"not sent", "status SKIPPED", []string{"SKIPPED|100|100|"}},
		{"read in part", "99 of 100 bytes", []string{"UPLOADED|99|100|"}},
		{"stored in part", "which are 99 in the stage", []string{"UPLOADED|100|99|"}},
		{"stored with more than padding", "which are 128 in the stage", []string{"UPLOADED|100|128|"}},
		{"with another", "tells of 2 files", []string{"UPLOADED|100|100|", "UPLOADED|100|100|"}},
		{"without a word", "tells of 0 files", nil},
	} {
		says(t, c.about, uploaded(answer("status|source_size|target_size|message", c.rows...), warehouse.File{Bytes: 100}), c.want)
	}
}

func TestListed(t *testing.T) {
	for _, c := range []struct {
		about, want string
		rows        []string
	}{
		{"these files", "", []string{"millrace_stage/T/L/1/a.parquet|100", "millrace_stage/T/L/1/b.parquet|208"}},
		{"one is missing", "b.parquet is not in the stage", []string{"millrace_stage/T/L/1/a.parquet|100"}},
		{"one is shorter", "b.parquet has 199 bytes in the stage, 200 were sent", []string{"millrace_stage/T/L/1/a.parquet|100", "millrace_stage/T/L/1/b.parquet|199"}},
		{"one more", "c.parquet is in the stage, and was not sent", []string{"millrace_stage/T/L/1/a.parquet|100", "millrace_stage/T/L/1/b.parquet|200", "millrace_stage/T/L/1/c.parquet|1"}},
		{"of another attempt", `names "millrace_stage/T/L/2/b.parquet", which is not in it`, []string{"millrace_stage/T/L/1/a.parquet|100", "millrace_stage/T/L/2/b.parquet|200"}},
		{"in a folder", `names "millrace_stage/T/L/1/x/b.parquet", which is not in it`, []string{"millrace_stage/T/L/1/a.parquet|100", "millrace_stage/T/L/1/x/b.parquet|200"}},
	} {
		there, err := under("T/L/1/", answer("name|size", c.rows...))
		if err == nil {
			err = exactly(there, []warehouse.File{{Path: "/tmp/a.parquet", Bytes: 100}, {Path: "/tmp/b.parquet", Bytes: 200}})
		}
		says(t, c.about, err, c.want)
	}
}

func TestCopied(t *testing.T) {
	a, b := "s/T/a.parquet|LOADED|3|3|0", "s/T/b.parquet|loaded|5|5|0"
	for _, c := range []struct {
		about, want string
		rows        []string
	}{
		{"both", "", []string{a, b}},
		{"one only", "COPY says nothing of b.parquet", []string{a}},
		{"one more", "COPY tells of 3 files, and 2 were named", []string{a, b, "s/T/c.parquet|LOADED|0|0|0"}},
		{"in part", "COPY says PARTIALLY_LOADED", []string{a, "s/T/b.parquet|PARTIALLY_LOADED|5|5|0"}},
		{"with fewer rows read", "b.parquet has 5 rows; COPY says LOADED, 4 parsed, 5 loaded", []string{a, "s/T/b.parquet|LOADED|4|5|0"}},
		{"with fewer rows", "5 parsed, 4 loaded", []string{a, "s/T/b.parquet|LOADED|5|4|0"}},
		{"with errors", "5 loaded, 1 errors", []string{a, "s/T/b.parquet|LOADED|5|5|1"}},
	} {
		says(t, c.about, copied(answer("file|status|rows_parsed|rows_loaded|errors_seen", c.rows...), []warehouse.File{{Path: "/tmp/a.parquet", Rows: 3}, {Path: "/tmp/b.parquet", Rows: 5}}), c.want)
	}
}

// TestAddsUp: what the statements counted of so many rows that were sent.
func TestAddsUp(t *testing.T) {
	for _, c := range []struct {
		mode                             load.Mode
		sent, inserted, updated, deleted int64
		want                             string
	}{
		{load.ModeFull, 10, 10, 0, 0, ""},
		{load.ModeFull, 10, 11, 0, 0, "10 rows were sent, and 11 inserted"},
		{load.ModeAppend, 10, 10, 0, 0, ""},
		{load.ModeAppend, 10, 9, 0, 0, "10 rows were sent, and 9 inserted"},
		{load.ModeAppend, 10, 9, 1, 0, "10 rows were sent, and 9 inserted, 1 updated"},
		{load.ModePartition, 10, 10, 0, 7, ""},
		{load.ModePartition, 10, 20, 0, 0, "10 rows were sent, and 20 inserted"},
		{load.ModeMerge, 10, 3, 5, 2, ""},
		{load.ModeMerge, 10, 3, 5, 1, "10 rows were sent, and 3 inserted, 5 updated, 1 deleted"},
		{load.ModeMerge, 10, 3, 5, 3, "10 rows were sent, and 3 inserted, 5 updated, 3 deleted"},
		{load.ModeSCD2, 10, 10, 0, 0, ""},
		{load.ModeSCD2, 10, 8, 7, 0, ""},
		{load.ModeSCD2, 10, 11, 0, 0, "of 10 rows, 11 began and 0 ended"},
		{load.ModeSCD2, 10, 5, 4, 0, "of 10 rows, 5 began and 4 ended"},
	} {
		x := &change{LoadedTable: load.LoadedTable{Mode: c.mode, Inserted: c.inserted, Updated: c.updated, Deleted: c.deleted}, of: &load.Table{}, cargo: []*cargo{{rows: c.sent}}}
		err := x.addsUp()
		says(t, string(c.mode), err, c.want)
		if err != nil && !errors.Is(err, load.ErrUnproven) {
			t.Errorf("%s: %v is not %v", c.mode, err, load.ErrUnproven)
		}
	}
}

// TestWouldHave: a table that is new, or is to be swapped, and has other rows than its node is not seen by anybody.
func TestWouldHave(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) { c.Keep = func(warehouse.Name) Keep { return Keep{Swap: true} } })
	bad := x.table("t", nil, "SELECT 1 AS id")
	bad.Rows = 7
	p.refuses(f, x.publish("r1", bad), "t", "would have 1 rows, and the local target has 7")
	if _, err := p.ask("SELECT ID FROM ANALYTICS.MART.T"); err == nil {
		t.Error("the new table is there")
	}
	good := x.table("t", nil, "SELECT 2 AS id")
	p.brought(f, x.publish("r2", good))
	p.refuses(f, x.publish("r3", bad), "t", "would have 1 rows, and the local target has 7")
	p.holds(x, &good, "ANALYTICS.MART.T")
}

// TestRecount: what is sent is more than the forecast knew, of a view that makes many rows of none. It is too dear before anything is
// copied.
func TestRecount(t *testing.T) {
	x, p := newTruth(t), newPlace(t)
	f := p.follower(x, func(c *Config) { c.Rate, c.MaxCredits = 1000, 0.003 }) // for 10.8 seconds; without a byte, 8 are forecast
	m := x.publish("r1", x.view("v", "SELECT md5(range::VARCHAR) AS h FROM range(1000)"))
	before := len(p.server.Statements())
	if _, err := p.bring(f, m); !errors.Is(err, load.ErrTooDear) {
		t.Errorf("Bring says %v", err)
	}
	sent := map[string]int{}
	for _, s := range p.server.Statements()[before:] {
		sent[strings.Fields(s.SQL)[0]]++
	}
	if sent["PUT"] != 1 || sent["COPY"] > 0 {
		t.Errorf("it was refused after %v", sent)
	}
}
