package profile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/models"
	"github.com/millrace/millrace/transform/profile"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) (warehouse.Warehouse, string) {
	t.Helper()
	dir := t.TempDir()
	w, err := duckdb.Open(t.Context(), warehouse.Config{Memory: 1 << 30, Threads: 2, Temp: filepath.Join(dir, "tmp"), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, dir
}

// look profiles a query, and proves that what is proposed loads as a model's and as a stream's checks.
func look(t *testing.T, cfg profile.Config) *profile.Profile {
	t.Helper()
	w, dir := open(t)
	cfg.Table, cfg.Now = "t", now
	if cfg.Stage != "" {
		cfg.Stage = filepath.Join(dir, cfg.Stage)
	}
	p, err := profile.Run(t.Context(), w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
	loads(t, p)
	return p
}

// loads puts the proposals into a project.
func loads(t *testing.T, p *profile.Profile) {
	t.Helper()
	type none struct{}
	source := models.SourceSpec{Type: "fake", Options: func() any { return &none{} }, StreamOptions: func() any { return &none{} }}
	files := map[string]string{
		"millrace.yml": "name: p\ntargets:\n  local: { type: local }\nsources:\n  erp:\n    type: fake\n    streams:\n      - name: orders\n" + profile.YAML(p.Proposals, 8),
		"models/m.sql": "select 1 as id",
		"models/m.yml": "version: 2\nmodels:\n  - name: m\n    description: text\n" + profile.YAML(p.Proposals, 4),
	}
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	project, problems := models.Load(models.Loading{Dir: "/p", Files: fsys, Sources: []models.SourceSpec{source}, Context: context.Background(),
		Env: func(string) (string, bool) { return "", false }})
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, files["models/m.yml"])
	}
	for _, name := range []string{"erp.orders", "main.m"} {
		n := project.Node(name)
		if len(n.Checks) != len(p.Proposals) {
			t.Fatalf("%s has %d checks of %d:\n%s", name, len(n.Checks), len(p.Proposals), files["models/m.yml"])
		}
		for i, c := range n.Checks {
			if want := p.Proposals[i]; c.Kind != want.Kind || fmt.Sprint(c.Columns) != fmt.Sprint(want.Columns) {
				t.Errorf("check %d is %s %q, proposed was %s %q", i, c.Kind, c.Columns, want.Kind, want.Columns)
			}
			if a, ok := c.Args.(*models.AcceptedValues); ok {
				var got []string
				for _, v := range a.Values {
					got = append(got, v.Text)
				}
				if fmt.Sprint(got) != fmt.Sprint(p.Proposals[i].Args[0].Value) {
					t.Errorf("values came back as %q, proposed were %q", got, p.Proposals[i].Args[0].Value)
				}
			}
			if a, ok := c.Args.(*models.Regex); ok && a.Pattern != p.Proposals[i].Args[0].Value {
				t.Errorf("the pattern came back as %q", a.Pattern)
			}
		}
	}
}

func column(t *testing.T, p *profile.Profile, name string) *profile.Column {
	t.Helper()
	for _, c := range p.Columns {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no column %q", name)
	return nil
}

func text(s *string) string {
	if s == nil {
		return "nil"
	}
	return *s
}

func has(t *testing.T, p *profile.Profile, lines ...string) {
	t.Helper()
	yaml := profile.YAML(p.Proposals, 0)
	for _, line := range lines {
		if !strings.Contains(yaml, "  - "+line+"\n") {
			t.Errorf("%q is not proposed:\n%s", line, yaml)
		}
	}
}

const orders = `SELECT i AS id, printf('C-%04d', i % 500) AS customer, ['open', 'paid', 'sent'][1 + i % 3] AS status,
	CAST(i % 97 AS DECIMAL(12, 2)) / 4 AS amount, CASE WHEN i % 10 = 0 THEN NULL ELSE 'x' || i || '@example.com' END AS email,
	TIMESTAMP '2026-03-01 11:00:00' - to_minutes(CAST(i AS BIGINT)) AS updated_at, DATE '2026-01-01' + CAST(i % 12 AS INTEGER) AS day, i % 2 = 0 AS yes,
	CASE WHEN i % 100 = 0 THEN ' padded ' WHEN i % 100 = 1 THEN '' ELSE 'N/A' END AS note
FROM range(5000) t(i)`

func TestOrders(t *testing.T) {
	p := look(t, profile.Config{Query: orders})
	if p.Rows != 5000 || p.Of != 0 || fmt.Sprint(p.Keys) != "[[id] [updated_at]]" {
		t.Error(p.Rows, p.Of, p.Keys)
	}
	id := column(t, p, "id")
	if !id.Unique || id.Distinct != 5000 || id.Estimated || text(id.Min) != "0" || text(id.Max) != "4999" || *id.Number.Mean != 2499.5 || fmt.Sprint(id.Number.Quantiles) != "[{5 249} {25 1249} {50 2499} {75 3749} {95 4749}]" {
		t.Errorf("%+v %+v", id, id.Number)
	}
	if len(id.Histogram) != 20 || id.Histogram[0].Rows != 250 || id.Histogram[19].Rows != 250 || id.Histogram[1].From != "250" {
		t.Errorf("%+v", id.Histogram)
	}
	status := column(t, p, "status")
	if status.Distinct != 3 || status.Top[0].Value != "open" || status.Top[0].Rows != 1667 || status.Length.Mean != 4 {
		t.Errorf("%+v", status)
	}
	customer := column(t, p, "customer")
	if fmt.Sprint(customer.Text.Shapes) != "[{A-9999 5000 1}]" || len(customer.Top) != 10 {
		t.Errorf("%+v", customer.Text)
	}
	email := column(t, p, "email")
	if email.Nulls != 500 || email.NullShare != 0.1 || email.Text.Patterns[0].Name != "email" || email.Text.Patterns[0].Share != 1 {
		t.Errorf("%+v", email)
	}
	if age := *column(t, p, "updated_at").Time.NewestAge; age != 3600 {
		t.Error(age)
	}
	if h := column(t, p, "day").Histogram; len(h) != 12 || h[0].From != "2026-01-01" || h[0].Rows != 417 {
		t.Errorf("%+v", h)
	}
	note := column(t, p, "note")
	if note.Text.Empty != 50 || note.Text.Padded != 50 || len(note.Remarks) != 3 || !strings.Contains(fmt.Sprint(note.Remarks), `"N/A" may stand for a missing value (4900 rows)`) {
		t.Errorf("%+v %q", note.Text, note.Remarks)
	}
	has(t, p, "row_count: { min: 2500 }", "freshness: { column: updated_at, warn_after: 48h, error_after: 96h }", "not_null: id", "unique: id",
		"accepted_values: { column: status, values: [open, paid, sent] }", `regex: { column: customer, pattern: "[A-Z][-][0-9]{4}" }`,
		"range: { column: amount, min: 0, max: 50, severity: warn }", "range: { column: id, min: 0 }")
	if yaml := profile.YAML(p.Proposals, 0); strings.Contains(yaml, "not_null: email") || strings.Contains(yaml, "unique: updated_at") || strings.Contains(yaml, "note, values") {
		t.Error(yaml)
	}
}

// TestSurvives has rows that nobody wants.
func TestSurvives(t *testing.T) {
	cases := map[string]string{
		"empty":           "SELECT 1 AS a, 'x' AS b, DATE '2020-01-01' AS c WHERE 1 = 0",
		"no values":       "SELECT CAST(NULL AS INTEGER) AS a, CAST(NULL AS VARCHAR) AS b, CAST(NULL AS TIMESTAMP) AS c, NULL AS d, CAST(NULL AS INTEGER[]) AS e, CAST(NULL AS BLOB) AS f FROM range(200)",
		"not numbers":     "SELECT unnest(['nan', 'inf', '-inf', '1', '-0', '0', '1e308', '-1e308', '5e-324'])::DOUBLE AS a, unnest(['nan', 'inf', '1e38'])::FLOAT AS b",
		"only NaN":        "SELECT 'nan'::DOUBLE AS a FROM range(200)",
		"nested":          "SELECT {'a': i, 'b': [i]} AS s, [i, NULL] AS l, MAP {'k': i} AS m, [[i]] AS ll, [1, 2]::INTEGER[2] AS arr, union_value(k := i) AS u, i::VARIANT AS v FROM range(200) t(i)",
		"blobs":           "SELECT encode('a' || i) AS b, '\\x00\\xFF'::BLOB AS z FROM range(200) t(i)",
		"types":           "SELECT uuid() AS u, TIME '01:00:00' AS t, TIMETZ '01:00:00+01' AS tz, INTERVAL 1 DAY AS iv, '101'::BIT AS bit, CAST('{\"a\":1}' AS JSON) AS j, CAST('x' AS ENUM('x', 'y')) AS e, TIMESTAMPTZ '2020-01-01' AS ttz, TIMESTAMP_NS '2020-01-01' AS ns, TIMESTAMP_S '2020-01-01' AS s, TIMESTAMP_MS '2020-01-01' AS ms, 12::BIGNUM AS big, 1::UTINYINT AS ut, true AS bo FROM range(200)",
		"huge":            "SELECT unnest([170141183460469231731687303715884105727, -170141183460469231731687303715884105728, 0])::HUGEINT AS h, 99999999999999999999999999999999999999::DECIMAL(38, 0) AS d, 340282366920938463463374607431768211455::UHUGEINT AS u, 18446744073709551615::UBIGINT AS ub, 0.00000000000000000000000000000000000001::DECIMAL(38, 38) AS tiny",
		"infinite times":  "SELECT unnest(['infinity', '-infinity', '2020-01-01', '290000-01-01', '4000-01-01 (BC)'])::DATE AS d, 'infinity'::TIMESTAMP AS i, 'infinity'::TIMESTAMPTZ AS tz",
		"names":           `SELECT 1 AS "a""b", 2 AS "a.b", 3 AS "ü 名", 4 AS "${x}", 5 AS "true", 6 AS " ", 7 AS "a: [b]", 8 AS "v", 9 AS "r", 10 AS "line` + "\n" + `end", 11 AS "# no", 12 AS "DEL` + "\x7f" + `" FROM range(200)`,
		"texts":           `SELECT ['a', '${b}', 'no', '1', '"', '''', 'ünï', '# c', 'a: b', '{{ x }}', '\'][1 + i % 11] AS v, ['x' || chr(10), 'y' || chr(7)][1 + i % 2] AS control FROM range(400) t(i)`,
		"unicode letters": "SELECT 'ÄÖ' || i AS a, '名' || i AS b FROM range(100, 400) t(i)",
	}
	for name, query := range cases {
		for _, stage := range []string{"", "staged.parquet"} {
			t.Run(name+" "+stage, func(t *testing.T) {
				p := look(t, profile.Config{Query: query, Stage: stage})
				for _, c := range p.Columns {
					if c.Nulls+c.Values != p.Rows {
						t.Errorf("%s: %d NULLs and %d values in %d rows", c.Name, c.Nulls, c.Values, p.Rows)
					}
				}
			})
		}
	}
	p := look(t, profile.Config{Query: cases["not numbers"]})
	a := column(t, p, "a")
	if a.Number.NaN != 1 || a.Number.Infinite != 2 || a.Number.Zero != 2 || a.Number.Negative != 2 || a.Number.Mean != nil || text(a.Min) != "-1e+308" {
		t.Errorf("%+v %s", a.Number, text(a.Min))
	}
	if p = look(t, profile.Config{Query: cases["no values"]}); p.Columns[0].Remarks[0] != "all rows are NULL" || len(p.Proposals) != 1 {
		t.Errorf("%+v %v", p.Columns[0], p.Proposals)
	}
	p = look(t, profile.Config{Query: cases["texts"]})
	has(t, p, `accepted_values: { column: v, values: ["\"", "# c", "$${b}", "'", "1", "\\", a, "a: b", "no", "{{ x }}", "ünï"] }`)
	p = look(t, profile.Config{Query: cases["huge"]})
	if h := column(t, p, "h"); text(h.Max) != "170141183460469231731687303715884105727" || h.Distinct != 3 {
		t.Errorf("%+v", h)
	}
	p = look(t, profile.Config{Query: "SELECT 7 AS a FROM range(3)"})
	if !p.Columns[0].Constant || len(p.Proposals) != 0 {
		t.Errorf("%+v %v", p.Columns[0], p.Proposals)
	}
}

// TestLongCells has two texts of 100 MB and one that differs at the end.
func TestLongCells(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 300 MB")
	}
	p := look(t, profile.Config{Query: "SELECT repeat('ab', 50000000) || unnest(['', '', 'x']) AS a, encode(repeat('ab', 5000000)) AS b"})
	a := column(t, p, "a")
	if a.Length.Max != 100_000_001 || a.Distinct != 2 || a.Top[0].Rows != 2 || !a.Top[0].Cut || len(a.Top[0].Value) != 200 || len(*a.Min) != 200 {
		t.Errorf("%+v", a.Length)
	}
}

func TestManyColumns(t *testing.T) {
	items := make([]string, 400)
	for i := range items {
		items[i] = fmt.Sprintf(`i %% %d AS "c %d"`, i+2, i)
	}
	start := time.Now()
	p := look(t, profile.Config{Query: "SELECT " + strings.Join(items, ", ") + " FROM range(3000) t(i)", Stage: "wide.parquet"})
	if len(p.Columns) != 400 || p.Columns[399].Distinct != 401 {
		t.Errorf("%+v", p.Columns[399])
	}
	t.Log(time.Since(start))
}

func TestPairIsKey(t *testing.T) {
	p := look(t, profile.Config{Query: "SELECT i // 40 AS a, i % 40 AS b, i % 3 AS c FROM range(1600) t(i)"})
	if fmt.Sprint(p.Keys) != "[[a b]]" {
		t.Error(p.Keys)
	}
	has(t, p, "unique: [a, b]")
}

// TestManyValues are too many to group: what is estimated says so, counts stay exact.
func TestManyValues(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 2 million rows several times")
	}
	p := look(t, profile.Config{Query: "SELECT i AS id, printf('K%08d', i) AS k, CASE WHEN i % 4 = 0 THEN 0.5 ELSE i / 3 END AS x, TIMESTAMP '2020-01-01' + to_seconds(CAST(i AS BIGINT)) AS t FROM range(2000000) t(i)", Stage: "s.parquet"})
	id, k, x := column(t, p, "id"), column(t, p, "k"), column(t, p, "x")
	if !id.Sketched || id.Estimated || !id.Unique || id.Distinct != 2_000_000 || len(id.Number.Quantiles) != 5 || len(id.Histogram) != 20 {
		t.Errorf("%+v", id)
	}
	if k.Text.Sampled != 10_000 || k.Text.Shapes[0] != (profile.Pattern{Name: "A99999999", Rows: 10_000, Share: 1}) {
		t.Errorf("%+v", k.Text)
	}
	if !x.Estimated || x.Top[0].Value != "0.5" || x.Top[0].Rows != 500_000 {
		t.Errorf("%+v", x)
	}
	has(t, p, "unique: id", "unique: k", `regex: { column: k, pattern: "[A-Z][0-9]{8}" }`)
}

func TestSample(t *testing.T) {
	for _, n := range []int64{100, 20_000} {
		p := look(t, profile.Config{Query: "SELECT i AS id FROM range(50000) t(i)", Sample: n, Stage: "sample.parquet"})
		if p.Rows != n || p.Of != 50_000 {
			t.Error(p.Rows, p.Of)
		}
		if yaml := profile.YAML(p.Proposals, 0); strings.Contains(yaml, "unique") || strings.Contains(yaml, "row_count") {
			t.Error(yaml)
		}
	}
	if p := look(t, profile.Config{Query: "SELECT 1 AS id", Sample: 10, Stage: "all.parquet"}); p.Rows != 1 || p.Of != 0 {
		t.Error(p.Rows, p.Of)
	}
}

// TestMasked looks for values that must not be seen, in everything that leaves.
func TestMasked(t *testing.T) {
	p := look(t, profile.Config{Query: `SELECT 'Nina ' || ['Canary', 'Finch', 'Wren'][1 + i % 3] AS name, 77001 + i % 50 AS salary, DATE '1971-07-07' + CAST(i % 30 AS INTEGER) AS born,
		'c' || i || '@canary.example' AS mail, 'ID-7' || (100 + i) AS passport, 'ok' || i % 3 AS plain FROM range(300) t(i)`,
		Masked: func(c string) bool { return c != "plain" }})
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"anary", "Finch", "7700", "770", "1971", "ID-7", "AA-9"} {
		if all := string(out) + profile.YAML(p.Proposals, 0); strings.Contains(all, secret) {
			t.Errorf("%s shows in %s", secret, all)
		}
	}
	name := column(t, p, "name")
	if name.Top[0] != (profile.Value{Value: "***", Rows: 100, Share: 1. / 3}) || text(name.Min) != "***" || name.Distinct != 3 {
		t.Errorf("%+v", name)
	}
	has(t, p, "not_null: salary", "accepted_values: { column: plain, values: [ok0, ok1, ok2] }", "length: { column: name, min: 1 }")
}

func TestColumns(t *testing.T) {
	w, _ := open(t)
	cfg := profile.Config{Table: "t", Query: "SELECT 1 AS amount, 2 AS b", Columns: []string{"AMOUNT"}, Now: now}
	p, err := profile.Run(t.Context(), w, cfg)
	if err != nil || len(p.Columns) != 1 || p.Columns[0].Name != "amount" {
		t.Error(p, err)
	}
	cfg.Columns = []string{"amonut"}
	if _, err := profile.Run(t.Context(), w, cfg); err == nil || err.Error() != `profile t: there is no column "amonut": did you mean "amount"?` {
		t.Error(err)
	}
}

func TestHaveIsNotProposedAgain(t *testing.T) {
	p := look(t, profile.Config{Query: orders, Have: []*models.Check{{Kind: "not_null", Columns: []string{"ID", "status"}}, {Kind: "unique", Columns: []string{"id"}}}})
	if yaml := profile.YAML(p.Proposals, 0); strings.Contains(yaml, "not_null: id") || strings.Contains(yaml, "not_null: status") || strings.Contains(yaml, "unique: id") {
		t.Error(yaml)
	}
}
